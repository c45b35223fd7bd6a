"""Reading radiographs: every transfer syntax, grey, windows, and clear refusals."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pydicom
import pytest
from dicom_files import NATIVE, radiograph, ramp, write
from pydicom import Dataset, Sequence
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    JPEG2000,
    BasicTextSRStorage,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    MRImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)

from WristQCLib.findings import Side, View
from WristQCLib.radiograph import Radiograph, RadiographError, read_radiograph
from WristQCLib.sources import ImageSource

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


# Windows


def shown(tmp_path, **attributes):
    """The display of pixels 0, 1, ... 4095 in the first columns of a 64 x 64 image."""
    pixels = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    image = read_radiograph(write(tmp_path / "wrist.dcm", radiograph(pixels, 12, **attributes)))
    return image, image.display().ravel()


def test_a_linear_window_is_that_of_the_standard(tmp_path):
    image, grey = shown(tmp_path, WindowCenter="2048", WindowWidth="4096")
    # PS3.3 C.11.2.1.2.1: 0 is black and 4095 is white, ((x - 2047.5) / 4095 + 0.5) between
    assert grey[0] == 0
    assert grey[4095] == 1
    assert grey[1000] == pytest.approx(1000 / 4095, abs=1e-6)
    assert image.notes == ()


def test_an_exact_linear_window_is_that_of_the_standard(tmp_path):
    _, grey = shown(
        tmp_path, WindowCenter="2000", WindowWidth="1000", VOILUTFunction="LINEAR_EXACT"
    )
    assert grey[1500] == 0
    assert grey[2000] == pytest.approx(0.5)
    assert grey[2100] == pytest.approx(0.6)
    assert grey[2500] == 1


def test_a_sigmoid_window_is_that_of_the_standard(tmp_path):
    _, grey = shown(tmp_path, WindowCenter="2000", WindowWidth="1000", VOILUTFunction="SIGMOID")
    # 1 / (1 + exp(-4 (x - c) / w))
    assert grey[2000] == pytest.approx(0.5)
    assert grey[2500] == pytest.approx(1 / (1 + np.exp(-2)), abs=1e-6)
    assert grey[0] == pytest.approx(1 / (1 + np.exp(8)), abs=1e-6)


def test_the_first_of_several_windows_is_taken(tmp_path):
    image, _ = shown(tmp_path, WindowCenter=["2000.5", "50"], WindowWidth=["1001", "20"])
    assert image.window == (2000.0, 1000.0)


def table(count: int, first: int, bits: int, data: object) -> Sequence:
    """A look-up table sequence; data as bytes is written as OW, numbers as US."""
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else "US", [count, first, bits])
    item.add_new("LUTData", "OW" if isinstance(data, bytes) else "US", data)
    return Sequence([item])


def test_a_voi_lut_goes_before_the_window(tmp_path):
    entries = np.clip((np.arange(4096) - 1000) * 64, 0, 65535)
    image, grey = shown(
        tmp_path,
        VOILUTSequence=table(4096, 0, 16, entries.tolist()),
        WindowCenter="5",
        WindowWidth="5",
    )
    np.testing.assert_allclose(grey, entries / 65535, atol=1e-6)
    centre, width = image.window
    # black up to 1000, white from 2024 on
    assert centre == pytest.approx(1512, abs=10)
    assert width == pytest.approx(1024, abs=25)


def test_a_voi_lut_is_mirrored_with_monochrome1(tmp_path):
    tables = table(2000, 500, 16, (np.arange(2000) ** 2 // 62).tolist())
    _, plain = shown(tmp_path, VOILUTSequence=tables)
    _, inverted = shown(tmp_path, VOILUTSequence=tables, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_allclose(inverted, 1 - plain, atol=1e-6)


@pytest.mark.parametrize("syntax", NATIVE, ids=lambda uid: uid.keyword)
@pytest.mark.parametrize("first", [-20000, 45536])  # the same 16 bits
def test_a_voi_lut_for_signed_pixels_is_read_in_every_encoding(tmp_path, syntax, first):
    """The count is unsigned, whatever the representation of the pixels (PS3.3, C.11.2.1.1)."""
    pixels = ramp(bits=16, signed=True)
    order = ">u2" if syntax == ExplicitVRBigEndian else "<u2"
    data = np.arange(40000).astype(order).tobytes()
    dataset = radiograph(pixels, 16, VOILUTSequence=table(40000, first, 16, data))
    image = read_radiograph(write(tmp_path / "wrist.dcm", dataset, syntax))
    assert image.notes == ()
    # -20000 is black and 19999 white
    expected = ((pixels.astype(float) + 20000) / 39999).clip(0, 1)
    np.testing.assert_allclose(image.display(), expected, atol=1e-6)


@pytest.mark.parametrize("count", [255, 256])
@pytest.mark.parametrize("packed", [False, True], ids=["words", "bytes"])
def test_a_voi_lut_of_8_bits_may_be_packed_and_padded(tmp_path, count, packed):
    pixels = ramp(bits=8)
    data = np.arange(count).astype("u1" if packed else "<u2").tobytes()
    data += bytes(len(data) % 2)
    dataset = radiograph(pixels, 8, VOILUTSequence=table(count, 0, 8, data))
    image = read_radiograph(write(tmp_path / "wrist.dcm", dataset))
    assert image.notes == ()
    np.testing.assert_allclose(image.display(), (pixels / (count - 1.0)).clip(0, 1), atol=1e-6)


def test_a_voi_lut_of_65536_entries_counts_them_as_0(tmp_path):
    pixels = ramp(bits=16)
    data = np.arange(65536).astype("<u2").tobytes()
    dataset = radiograph(pixels, 16, VOILUTSequence=table(0, 0, 16, data))
    image = read_radiograph(write(tmp_path / "wrist.dcm", dataset))
    np.testing.assert_allclose(image.display(), pixels / 65535.0, atol=1e-6)


def test_a_voi_lut_without_items_or_of_another_length_gives_way_to_the_window(tmp_path):
    window = {"WindowCenter": "2000.5", "WindowWidth": "1001"}
    for tables in (Sequence([]), table(4096, 0, 16, [1, 2, 3])):
        image, _ = shown(tmp_path, VOILUTSequence=tables, **window)
        assert image.window == (2000.0, 1000.0)
        assert image.notes == ()
    image, _ = shown(tmp_path, VOILUTSequence=table(4096, 0, 16, [1, 2, 3]))
    assert image.notes == (
        "The VOI LUT is unusable; the 1st to 99th percentile range is shown instead.",
    )


@pytest.mark.parametrize("limit", [None, 60000])
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_has_no_part_in_the_range_that_is_shown(tmp_path, photometric, limit):
    pixels = np.tile(np.arange(100, 1124, dtype=np.uint16), (100, 1))
    pixels[:, :200] = 65535  # as values of the image these would be the 99th percentile
    if limit:
        pixels[:, :100] = limit
    dataset = radiograph(
        pixels,
        16,
        PixelPaddingValue=65535,
        PixelPaddingRangeLimit=limit,
        PhotometricInterpretation=photometric,
    )
    image = read_radiograph(write(tmp_path / "wrist.dcm", dataset))
    # 300 ... 1123: percentiles at 308.23 and 1114.77
    centre = 711.5 if photometric == "MONOCHROME2" else 65535 - 711.5
    assert image.window == (pytest.approx(centre, abs=1), pytest.approx(806.5, abs=1))


def test_padding_of_signed_pixels_may_be_written_as_unsigned(tmp_path):
    pixels = np.tile(np.arange(-500, 524, dtype=np.int16), (100, 1))
    pixels[:, :200] = -2000
    dataset = radiograph(pixels, 16, RescaleSlope="2", RescaleIntercept="100")
    dataset.add_new("PixelPaddingValue", "US", 63536)
    image = read_radiograph(write(tmp_path / "wrist.dcm", dataset))
    # stored -300 ... 523 become -500 ... 1146
    assert image.window == (pytest.approx(323, abs=2), pytest.approx(1613, abs=3))


def test_an_image_that_is_all_padding_is_shown_as_it_is(tmp_path):
    image, _ = shown(tmp_path, PixelPaddingValue=0, PixelPaddingRangeLimit=4095)
    assert image.window == (pytest.approx(2047.5), pytest.approx(4013.1))


@pytest.mark.parametrize(
    ("attributes", "note"),
    [
        ({}, "window is absent"),
        ({"WindowCenter": "2000", "WindowWidth": "0"}, "window is unusable (width 0)"),
        ({"WindowCenter": "2000", "WindowWidth": "-5"}, "window is unusable (width -5)"),
        ({"WindowCenter": "90000", "WindowWidth": "10"}, "window leaves almost everything black"),
        ({"WindowCenter": "-9000", "WindowWidth": "10"}, "window leaves almost everything black"),
        ({"WindowCenter": "2000", "WindowWidth": "1000000"}, "window shows the image as one flat"),
    ],
    ids=["absent", "zero width", "negative width", "all black", "all white", "flat grey"],
)
def test_an_absurd_window_is_replaced_with_a_note(tmp_path, attributes, note):
    image, grey = shown(tmp_path, **attributes)
    assert len(image.notes) == 1
    assert note in image.notes[0]
    assert "the 1st to 99th percentile range is shown instead" in image.notes[0]
    # pixels 0 ... 4095: percentiles at 40.95 and 4054.05
    assert image.window == (pytest.approx(2047.5), pytest.approx(4013.1))
    assert grey[0] == 0
    assert grey[4095] == 1


def test_a_window_that_is_no_number_is_replaced_with_a_note(tmp_path):
    dataset = radiograph(np.arange(4096, dtype=np.uint16).reshape(64, 64), 12)
    file = write(tmp_path / "wrist.dcm", dataset)
    dataset = pydicom.dcmread(file)
    dataset.add(pydicom.DataElement(0x00281050, "SH", "wide"))
    dataset.add(pydicom.DataElement(0x00281051, "SH", "wide"))
    dataset.save_as(file)
    assert "not a number" in read_radiograph(file).notes[0]


def test_a_uniform_image_is_read_with_a_note(tmp_path):
    file = write(tmp_path / "wrist.dcm", radiograph(np.full((64, 64), 7, np.uint16), 12))
    image = read_radiograph(file)
    assert np.isfinite(image.display()).all()
    assert image.notes == ("The image is uniform, it shows nothing.",)


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


# Pictures


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
def test_an_eight_bit_picture_is_read_over_its_full_range(tmp_path, suffix):
    from PIL import Image

    grey = ramp(bits=8)
    Image.fromarray(grey).save(tmp_path / f"wrist.{suffix}")
    image = read_radiograph(tmp_path / f"wrist.{suffix}", spacing=0.2)
    np.testing.assert_allclose(image.pixels, grey, atol=3)
    assert image.window == (127.5, 255.0)
    assert image.header is None
    assert not image.view.known
    assert not image.side.known
    assert image.spacing.value == (0.2, 0.2)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_sixteen_bit_picture_keeps_its_bits(tmp_path, suffix):
    from PIL import Image

    grey = ramp(bits=16)
    Image.fromarray(grey).save(tmp_path / f"wrist.{suffix}")
    image = read_radiograph(tmp_path / f"wrist.{suffix}")
    np.testing.assert_array_equal(image.pixels, grey)
    assert "1st to 99th percentile" in image.notes[0]
    assert image.spacing.source == "a picture file does not tell it"


def test_a_sixteen_bit_tiff_whose_white_is_zero_is_inverted(tmp_path):
    import tifffile

    grey = ramp(bits=16)
    tifffile.imwrite(tmp_path / "wrist.tif", grey, photometric="miniswhite")
    np.testing.assert_array_equal(
        read_radiograph(tmp_path / "wrist.tif").pixels, 65535.0 - grey.astype(float)
    )


def test_a_tiff_of_several_pages_is_refused(tmp_path):
    from PIL import Image

    page = Image.fromarray(ramp(bits=8))
    page.save(tmp_path / "wrist.tif", save_all=True, append_images=[page])
    refused(tmp_path / "wrist.tif", "holds 2 pictures")


def test_a_truncated_picture_is_refused(tmp_path):
    from PIL import Image

    Image.fromarray(ramp(bits=8)).save(tmp_path / "wrist.png")
    content = (tmp_path / "wrist.png").read_bytes()
    (tmp_path / "wrist.png").write_bytes(content[: len(content) // 2])
    refused(tmp_path / "wrist.png", "truncated or damaged")


# Refusals


def refused(file, *words):
    """Reading fails with one sentence that names the file and says these words."""
    with pytest.raises(RadiographError) as caught:
        read_radiograph(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    assert message.endswith(".")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_text_file_is_refused(tmp_path):
    (tmp_path / "notes.dcm").write_text("The patient has a fracture of the distal radius.\n" * 50)
    refused(tmp_path / "notes.dcm", "not an image", "give a DICOM")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.dcm").write_bytes(b"")
    refused(tmp_path / "empty.dcm", "is empty")


def test_a_missing_file_is_refused(tmp_path):
    refused(tmp_path / "none.dcm", "no such file")


def test_a_folder_in_place_of_a_file_is_refused(tmp_path):
    refused(tmp_path, "is a directory")


def test_a_preamble_with_nothing_behind_is_refused(tmp_path):
    (tmp_path / "wrist.dcm").write_bytes(bytes(128) + b"DICM")
    refused(tmp_path / "wrist.dcm", "says neither its SOP class nor")


def test_random_bytes_behind_a_preamble_are_refused(tmp_path):
    noise = np.random.default_rng(5).bytes(5000)
    (tmp_path / "wrist.dcm").write_bytes(bytes(128) + b"DICM" + noise)
    refused(tmp_path / "wrist.dcm")


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.6, 0.95, 0.999])
@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEGLosslessSV1,
        JPEGLSLossless,
        JPEG2000Lossless,
    ],
    ids=lambda uid: uid.keyword,
)
def test_a_truncated_file_is_refused(tmp_path, syntax, share):
    noise = np.random.default_rng(1).integers(0, 4096, (96, 80), dtype=np.uint16)
    file = write(tmp_path / "wrist.dcm", radiograph(noise, 12), syntax)
    content = file.read_bytes()
    file.write_bytes(content[: max(140, int(len(content) * share))])
    refused(file)


def test_a_truncated_uncompressed_file_says_how_much_is_missing(tmp_path):
    file = write(tmp_path / "wrist.dcm", radiograph())
    file.write_bytes(file.read_bytes()[:-1000])
    # 96 x 80 pixels of 2 bytes
    refused(file, "truncated", "14360 of 15360 bytes", "copy the file again")


def test_pixel_data_that_is_too_long_for_rows_and_columns_is_refused(tmp_path):
    dataset = radiograph()
    dataset.Rows = 90
    refused(write(tmp_path / "wrist.dcm", dataset), "15360 bytes", "80 x 90 pixels need 14400")


def test_a_few_bytes_of_padding_are_let_through(tmp_path):
    dataset = radiograph()
    dataset.PixelData += bytes(30)
    np.testing.assert_array_equal(
        read_radiograph(write(tmp_path / "wrist.dcm", dataset)).pixels, ramp()
    )


def test_a_file_without_pixel_data_is_refused(tmp_path):
    dataset = radiograph()
    del dataset.PixelData
    refused(write(tmp_path / "wrist.dcm", dataset), "no pixel data")


@pytest.mark.parametrize("keyword", ["Rows", "Columns"])
def test_a_file_without_rows_or_columns_is_refused(tmp_path, keyword):
    file = write(tmp_path / "wrist.dcm", radiograph(**{keyword: None}))
    refused(file, "Rows (0028,0010) or Columns (0028,0011) is missing")


@pytest.mark.parametrize("shape", [(1, 1), (63, 500), (500, 63)])
def test_an_image_too_small_for_a_wrist_is_refused(tmp_path, shape):
    file = write(tmp_path / "wrist.dcm", radiograph(np.zeros(shape, np.uint16), 12))
    refused(file, f"{shape[1]} x {shape[0]} pixels is too small")


def test_an_image_of_64_pixels_is_large_enough(tmp_path):
    file = write(tmp_path / "wrist.dcm", radiograph(ramp(64, 64)))
    assert read_radiograph(file).pixels.shape == (64, 64)


def test_an_image_that_claims_to_be_huge_is_refused_before_decoding(tmp_path):
    dataset = radiograph(Rows=60000, Columns=60000)
    refused(write(tmp_path / "wrist.dcm", dataset), "larger than the limit of 200 megapixels")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEG2000Lossless])
def test_a_multi_frame_class_with_one_frame_is_read(tmp_path, syntax):
    dataset = radiograph(
        SOPClassUID=MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        Modality="OT",
        NumberOfFrames=1,
    )
    image = read_radiograph(write(tmp_path / "wrist.dcm", dataset, syntax))
    np.testing.assert_array_equal(image.pixels, ramp())


@pytest.mark.parametrize(("modality", "is_read"), [("DX", True), ("", False), ("CT", False)])
def test_without_any_sop_class_the_modality_decides(tmp_path, modality, is_read):
    file = write(tmp_path / "wrist.dcm", radiograph(SOPClassUID=None, Modality=modality))
    dataset = pydicom.dcmread(file)
    del dataset.file_meta.MediaStorageSOPClassUID
    dataset.save_as(file)
    if is_read:
        np.testing.assert_array_equal(read_radiograph(file).pixels, ramp())
    else:
        refused(file, "says neither its SOP class nor that it is a projection radiograph")


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


def test_a_multi_frame_file_is_refused(tmp_path):
    dataset = radiograph(NumberOfFrames=3)
    dataset.PixelData = dataset.PixelData * 3
    refused(write(tmp_path / "wrist.dcm", dataset), "holds 3 frames")


@pytest.mark.parametrize(
    ("sop_class", "name"),
    [
        (CTImageStorage, "CT Image Storage"),
        (MRImageStorage, "MR Image Storage"),
        (UltrasoundImageStorage, "Ultrasound Image Storage"),
        (DigitalMammographyXRayImageStorageForPresentation, "Digital Mammography"),
        (BasicTextSRStorage, "Basic Text SR Storage"),
    ],
)
def test_what_is_not_a_projection_radiograph_is_refused_by_name(tmp_path, sop_class, name):
    file = write(tmp_path / "wrist.dcm", radiograph(SOPClassUID=sop_class, Modality=None))
    refused(file, name, "not a projection radiograph")


@pytest.mark.parametrize("modality", ["CT", "MR", "US"])
def test_a_secondary_capture_of_another_modality_is_refused(tmp_path, modality):
    file = write(
        tmp_path / "wrist.dcm",
        radiograph(SOPClassUID=SecondaryCaptureImageStorage, Modality=modality),
    )
    refused(file, f"its modality is {modality}")


def test_a_dicomdir_is_no_image(tmp_path):
    file = write(
        tmp_path / "DICOMDIR", radiograph(SOPClassUID="1.2.840.10008.1.3.10", Modality=None)
    )
    refused(file, "DICOMDIR")


def test_pixels_of_32_bits_are_refused(tmp_path):
    dataset = radiograph(ramp(bits=16), 16, BitsAllocated=32, BitsStored=32)
    refused(write(tmp_path / "wrist.dcm", dataset), "32 of 32 bits")


def test_a_missing_photometric_interpretation_is_refused(tmp_path):
    file = write(tmp_path / "wrist.dcm", radiograph(PhotometricInterpretation=None))
    refused(file, "PhotometricInterpretation (0028,0004) is missing")


def test_a_deflated_file_that_explodes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("WristQCLib.dicom_file.MAX_INFLATED_BYTES", 1 << 20)
    dataset = radiograph()
    dataset.add_new(0x00091001, "OB", bytes(4 << 20))
    file = write(tmp_path / "wrist.dcm", dataset, DeflatedExplicitVRLittleEndian)
    assert file.stat().st_size < 100_000
    refused(file, "inflates to more than 1 MiB")


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_a_file_without_preamble_is_read(tmp_path, syntax):
    file = write(tmp_path / "wrist.dcm", radiograph(), syntax)
    with file.open("rb") as stream:
        content = stream.read()
    meta_length = int.from_bytes(content[140:144], "little")
    file.write_bytes(content[144 + meta_length :])
    np.testing.assert_array_equal(read_radiograph(file).pixels, ramp())


def test_a_source_with_a_problem_is_refused_with_its_sentence(tmp_path):
    with pytest.raises(RadiographError, match=r"^/nowhere: does not exist\.$"):
        read_radiograph(ImageSource("x", tmp_path, problem="/nowhere: does not exist."))


def test_importing_needs_neither_torch_nor_scipy_nor_matplotlib():
    code = (
        "import sys, WristQCLib.radiograph, WristQCLib.basic_information;"
        "print({'torch', 'scipy', 'monai', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# Damaged streams, on which a decoder might end the whole process


@pytest.mark.parametrize(
    "syntax",
    [JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless],
    ids=lambda uid: uid.keyword,
)
def test_a_stream_of_another_size_than_the_header_says_is_refused(tmp_path, syntax):
    bits = 8 if syntax == JPEGBaseline8Bit else 12
    file = write(tmp_path / "wrist.dcm", radiograph(ramp(bits=bits), bits), syntax)
    lying = pydicom.dcmread(file)
    lying.Columns = 128
    lying.save_as(file)
    refused(file, "truncated or damaged")


@pytest.mark.parametrize(
    "syntax",
    [JPEGBaseline8Bit, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless],
    ids=lambda uid: uid.keyword,
)
def test_a_stream_without_its_end_is_refused_and_not_half_shown(tmp_path, syntax):
    bits = 8 if syntax == JPEGBaseline8Bit else 12
    noise = np.random.default_rng(2).integers(0, 2**bits, (96, 80)).astype(f"u{1 + (bits > 8)}")
    file = write(tmp_path / "wrist.dcm", radiograph(noise, bits), syntax)
    cut = pydicom.dcmread(file)
    stream = next(generate_frames(cut.PixelData, number_of_frames=1))
    cut.PixelData = encapsulate([stream[: len(stream) * 2 // 3]])
    cut.save_as(file)
    refused(file, "truncated or damaged")


def test_another_compression_than_the_transfer_syntax_says_is_refused(tmp_path):
    file = write(tmp_path / "wrist.dcm", radiograph(), JPEGLosslessSV1)
    lying = pydicom.dcmread(file)
    lying.file_meta.TransferSyntaxUID = JPEG2000Lossless
    lying.save_as(file)
    refused(file, "truncated or damaged")


def test_an_unknown_transfer_syntax_is_refused(tmp_path):
    file = write(tmp_path / "wrist.dcm", radiograph())
    content = file.read_bytes()
    assert b"1.2.840.10008.1.2.1\0" in content
    file.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.99999.1.2.1\0", 1))
    refused(file, "transfer syntax 1.2.840.99999.1.2.1 is not known")


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, RLELossless, JPEGLosslessSV1], ids=lambda uid: uid.keyword
)
def test_damaged_bytes_are_read_or_refused_and_never_crash(tmp_path, syntax):
    rng = np.random.default_rng(3)
    whole = write(tmp_path / "wrist.dcm", radiograph(PixelSpacing=["0.1", "0.1"]), syntax)
    content = whole.read_bytes()
    outcomes = set()
    for _ in range(150):
        damaged = bytearray(content)
        damaged[rng.integers(132, 700)] = rng.integers(256)
        whole.write_bytes(damaged)
        try:
            outcomes.add(read_radiograph(whole).pixels.shape)
        except RadiographError as error:
            outcomes.add("refused")
            assert str(error).startswith(f"{whole}: ")
    assert outcomes == {(96, 80), "refused"}
