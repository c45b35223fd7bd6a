"""Reading radiographs: every transfer syntax, grey, what the user states."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pydicom
import pytest
from dicom_files import NATIVE, radiograph, ramp, table, write
from pydicom.uid import (
    JPEG2000,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForProcessing,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
)

from WristQCLib.findings import Side, View
from WristQCLib.radiograph import Radiograph, read_radiograph

LOSSLESS = (
    *NATIVE,
    RLELossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,  # written with an error bound of 0
    JPEG2000Lossless,
)


@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda uid: uid.keyword)
def test_every_lossless_transfer_syntax_gives_the_stored_values(tmp_path, syntax, bits, signed):
    pixels = ramp(bits=bits, signed=signed)
    file = write(tmp_path / "wrist.dcm", radiograph(pixels, bits), syntax)
    assert pydicom.dcmread(file).file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(read_radiograph(file).pixels, pixels)


@pytest.mark.parametrize(
    ("syntax", "bits"),
    [(JPEGBaseline8Bit, 8), (JPEGExtended12Bit, 8), (JPEGExtended12Bit, 12), (JPEG2000, 12)],
    ids=lambda value: getattr(value, "keyword", str(value)),
)
def test_every_lossy_transfer_syntax_gives_nearly_the_stored_values(tmp_path, syntax, bits):
    pixels = ramp(bits=bits)
    file = write(tmp_path / "wrist.dcm", radiograph(pixels, bits), syntax)
    assert pydicom.dcmread(file).file_meta.TransferSyntaxUID == syntax
    np.testing.assert_allclose(read_radiograph(file).pixels, pixels, atol=2)


@pytest.mark.parametrize(
    "sop_class",
    [
        ComputedRadiographyImageStorage,
        DigitalXRayImageStorageForProcessing,
        SecondaryCaptureImageStorage,
    ],
    ids=lambda uid: uid.keyword,
)
def test_computed_radiography_raw_and_secondary_capture_are_read(tmp_path, sop_class):
    file = write(tmp_path / "wrist.dcm", radiograph(SOPClassUID=sop_class, Modality=None))
    assert read_radiograph(file).pixels.shape == (96, 80)


def test_values_that_do_not_depend_on_the_machine_are_taken_from_the_header(tmp_path):
    file = write(tmp_path / "wrist.dcm", radiograph())
    image = read_radiograph(file)
    assert (image.width, image.height) == (80, 96)
    assert image.name == "wrist"
    assert image.path == file
    assert image.sop_instance_uid == "1.2.3.4"
    assert image.photometric_interpretation == "MONOCHROME2"
    assert image.header is not None
    assert "PixelData" not in image.header


def test_pixels_cannot_be_overwritten(tmp_path):
    image = read_radiograph(write(tmp_path / "wrist.dcm", radiograph()))
    with pytest.raises(ValueError, match="read-only"):
        image.pixels[0, 0] = 1


def test_unused_high_bits_are_not_taken_for_grey(tmp_path):
    pixels = ramp(bits=12)
    dirty = pixels | 0x8000  # an old-style overlay plane
    file = write(tmp_path / "wrist.dcm", radiograph(dirty, 12))
    np.testing.assert_array_equal(read_radiograph(file).pixels, pixels)


def test_eight_bit_pixels_that_were_rle_coded_as_sixteen_are_read(tmp_path):
    pixels = ramp(bits=8)
    dataset = radiograph(pixels.view("<u2"), 16)
    file = write(tmp_path / "wrist.dcm", dataset, RLELossless)
    lying = pydicom.dcmread(file)
    lying.Columns, lying.BitsStored, lying.HighBit = 80, 8, 7
    lying.save_as(file)
    image = read_radiograph(file)
    np.testing.assert_array_equal(image.pixels, pixels)
    assert "The file states 16 bits a pixel but holds 8, which are read." in image.notes


def test_monochrome1_is_inverted_over_the_stored_range_and_so_is_its_window(tmp_path):
    pixels = ramp(bits=12)
    attributes = {"WindowCenter": "1000", "WindowWidth": "801", "VOILUTFunction": "LINEAR"}
    plain = read_radiograph(write(tmp_path / "2.dcm", radiograph(pixels, 12, **attributes)))
    inverted = read_radiograph(
        write(
            tmp_path / "1.dcm",
            radiograph(pixels, 12, PhotometricInterpretation="MONOCHROME1", **attributes),
        )
    )
    np.testing.assert_array_equal(inverted.pixels, 4095 - pixels.astype(float))
    # LINEAR 1000/801 is exactly 999.5 with 800; mirrored 4095 - 999.5
    assert plain.window == (999.5, 800.0)
    assert inverted.window == (3095.5, 800.0)
    np.testing.assert_allclose(inverted.display(), 1 - plain.display(), atol=1e-6)


def test_signed_monochrome1_is_inverted_within_its_signed_range(tmp_path):
    pixels = ramp(bits=12, signed=True)
    file = write(
        tmp_path / "wrist.dcm", radiograph(pixels, 12, PhotometricInterpretation="MONOCHROME1")
    )
    np.testing.assert_array_equal(read_radiograph(file).pixels, -1 - pixels.astype(float))


def test_rescale_is_applied_before_inversion(tmp_path):
    pixels = ramp(bits=12)
    file = write(
        tmp_path / "wrist.dcm",
        radiograph(
            pixels,
            12,
            PhotometricInterpretation="MONOCHROME1",
            RescaleSlope="2",
            RescaleIntercept="-100",
        ),
    )
    # value v becomes 2v - 100, ends -100 and 8090, mirrored at 7990
    np.testing.assert_array_equal(read_radiograph(file).pixels, 7990 - (2.0 * pixels - 100))


def test_modality_lut_is_applied(tmp_path):
    pixels = ramp(bits=8)
    tables = table(256, 0, 16, (np.arange(256) * 3 + 7).tolist())
    tables[0].ModalityLUTType = "US"
    dataset = radiograph(pixels, 8, ModalityLUTSequence=tables)
    image = read_radiograph(write(tmp_path / "wrist.dcm", dataset))
    np.testing.assert_array_equal(image.pixels, 3.0 * pixels + 7)


def test_a_modality_lut_covers_the_whole_signed_range(tmp_path):
    pixels = ramp(bits=16, signed=True)
    data = (np.arange(65536) // 2).astype("<u2").tobytes()
    dataset = radiograph(pixels, 16, ModalityLUTSequence=table(0, -32768, 16, data))
    image = read_radiograph(write(tmp_path / "wrist.dcm", dataset))
    np.testing.assert_array_equal(image.pixels, (pixels.astype(int) + 32768) // 2)


def test_a_modality_lut_of_another_length_is_passed_over_with_a_note(tmp_path):
    dataset = radiograph(ModalityLUTSequence=table(4096, 0, 16, [1, 2, 3]))
    image = read_radiograph(write(tmp_path / "wrist.dcm", dataset))
    np.testing.assert_array_equal(image.pixels, ramp())
    assert "The modality LUT is unusable, pixel values are taken as stored." in image.notes


def test_a_negative_slope_inverts_as_the_header_says(tmp_path):
    pixels = ramp()
    dataset = radiograph(pixels, RescaleSlope="-1", RescaleIntercept="4095")
    image = read_radiograph(write(tmp_path / "wrist.dcm", dataset))
    np.testing.assert_array_equal(image.pixels, 4095.0 - pixels)


def test_a_rescale_slope_of_zero_is_passed_over_with_a_note(tmp_path):
    pixels = ramp()
    file = write(tmp_path / "wrist.dcm", radiograph(pixels, RescaleSlope="0", RescaleIntercept="5"))
    image = read_radiograph(file)
    np.testing.assert_array_equal(image.pixels, pixels)
    assert any("rescale" in note for note in image.notes)


def test_a_few_bytes_of_padding_are_let_through(tmp_path):
    dataset = radiograph()
    dataset.PixelData += bytes(30)
    np.testing.assert_array_equal(
        read_radiograph(write(tmp_path / "wrist.dcm", dataset)).pixels, ramp()
    )


def test_an_image_of_64_pixels_is_large_enough(tmp_path):
    file = write(tmp_path / "wrist.dcm", radiograph(ramp(64, 64)))
    assert read_radiograph(file).pixels.shape == (64, 64)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless])
def test_a_multi_frame_class_with_one_frame_is_read(tmp_path, syntax):
    dataset = radiograph(
        SOPClassUID=MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        Modality="OT",
        NumberOfFrames=1,
    )
    image = read_radiograph(write(tmp_path / "wrist.dcm", dataset, syntax))
    np.testing.assert_array_equal(image.pixels, ramp())


def test_a_sop_class_that_only_the_file_meta_information_tells_counts(tmp_path):
    file = write(tmp_path / "wrist.dcm", radiograph(Modality=None))
    dataset = pydicom.dcmread(file)
    del dataset.SOPClassUID
    dataset.save_as(file)
    np.testing.assert_array_equal(read_radiograph(file).pixels, ramp())


def test_attributes_without_a_value_count_as_absent(tmp_path):
    empty = (
        "RescaleSlope", "RescaleIntercept", "PixelSpacing", "ImagerPixelSpacing", "WindowCenter",
        "WindowWidth", "VOILUTFunction", "ViewPosition", "ImageLaterality", "NumberOfFrames",
        "PixelAspectRatio", "SeriesDescription", "PixelPaddingValue",
    )  # fmt: skip
    dataset = radiograph(**dict.fromkeys(empty, ""))
    image = read_radiograph(write(tmp_path / "wrist.dcm", dataset))
    np.testing.assert_array_equal(image.pixels, ramp())
    assert (image.spacing.value, image.view.value, image.side.value) == (None, None, None)
    assert image.spacing.source == "the file tells no pixel spacing"
    assert image.pixel_aspect == 1
    assert image.notes == (
        "The window is absent; the 1st to 99th percentile range is shown instead.",
    )


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_a_file_without_preamble_is_read(tmp_path, syntax):
    file = write(tmp_path / "wrist.dcm", radiograph(), syntax)
    with file.open("rb") as stream:
        content = stream.read()
    meta_length = int.from_bytes(content[140:144], "little")
    file.write_bytes(content[144 + meta_length :])
    np.testing.assert_array_equal(read_radiograph(file).pixels, ramp())


# Grey from colour


def test_grey_stored_as_colour_stays_grey_without_a_note(tmp_path):
    grey = ramp(bits=8)
    file = write(
        tmp_path / "wrist.dcm",
        radiograph(np.dstack([grey] * 3), 8, SOPClassUID=SecondaryCaptureImageStorage),
    )
    image = read_radiograph(file)
    np.testing.assert_allclose(image.pixels, grey, atol=1e-3)
    assert image.window == (127.5, 255.0)
    assert image.notes == ()


def test_colour_becomes_luminance_with_a_note(tmp_path):
    colour = np.zeros((96, 80, 3), np.uint8)
    colour[:, :40] = (200, 100, 50)
    file = write(tmp_path / "wrist.dcm", radiograph(colour, 8))
    image = read_radiograph(file)
    # BT.601: 0.299 * 200 + 0.587 * 100 + 0.114 * 50 = 124.2
    assert image.pixels[0, 0] == pytest.approx(124.2, abs=0.01)
    assert "The image is in colour, its luminance is assessed." in image.notes


def test_palette_colour_is_looked_up(tmp_path):
    dataset = radiograph(ramp(bits=8), 8, PhotometricInterpretation="PALETTE COLOR")
    entries = (np.arange(256) * 257).astype("<u2")  # 8 bits spread over 16
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 16])
        dataset[f"{colour}PaletteColorLookupTableDescriptor"].VR = "US"
        setattr(dataset, f"{colour}PaletteColorLookupTableData", entries.tobytes())
    image = read_radiograph(write(tmp_path / "wrist.dcm", dataset))
    np.testing.assert_allclose(image.display(), ramp(bits=8) / 255, atol=1e-5)


# What the user states


def test_what_the_user_states_goes_before_the_header(tmp_path):
    file = write(
        tmp_path / "wrist.dcm",
        radiograph(ViewPosition="PA", ImageLaterality="L", PixelSpacing=["0.2", "0.1"]),
    )
    image = read_radiograph(file, spacing=(0.3, 0.6), view="lateral", side=Side.RIGHT)
    assert (image.view.value, image.view.source) == (View.LATERAL, "user")
    assert (image.side.value, image.side.source) == (Side.RIGHT, "user")
    assert (image.spacing.value, image.spacing.source) == ((0.3, 0.6), "user")
    assert image.pixel_aspect == 2
    # 80 columns of 0.3 mm, 96 rows of 0.6 mm
    assert image.size_cm == (pytest.approx(2.4), pytest.approx(5.76))


def test_one_number_states_square_pixels():
    image = Radiograph.from_pixels(np.zeros((64, 80)), spacing=0.5)
    assert image.spacing.value == (0.5, 0.5)
    assert image.size_cm == (4.0, 3.2)


@pytest.mark.parametrize("spacing", [0, -1, float("nan"), (0.1, 0), (1, 2, 3)])
def test_an_impossible_spacing_of_the_user_is_refused(spacing):
    with pytest.raises(ValueError, match="not possible"):
        Radiograph.from_pixels(np.zeros((64, 64)), spacing=spacing)


def test_corrections_leave_the_original_as_it_was():
    image = Radiograph.from_pixels(np.zeros((64, 64), np.uint8), view="frontal", side="L")
    corrected = image.with_view(View.LATERAL).with_side("R").with_spacing(0.1)
    assert image.view.value is View.FRONTAL
    assert image.side.value is Side.LEFT
    assert image.size_cm is None
    assert corrected.view.value is View.LATERAL
    assert corrected.side.value is Side.RIGHT
    assert corrected.pixels is image.pixels


def test_importing_needs_neither_torch_nor_scipy_nor_matplotlib():
    code = (
        "import sys, WristQCLib.radiograph, WristQCLib.basic_information;"
        "print({'torch', 'scipy', 'monai', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
