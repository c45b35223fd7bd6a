"""What is no radiograph, or a damaged one, is refused in one clear sentence."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from dicom_files import radiograph, ramp, refused, write
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    BasicTextSRStorage,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalMammographyXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    MRImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)

from WristQCLib.codestream import Frame, check_codestream
from WristQCLib.radiograph import RadiographError, read_radiograph
from WristQCLib.sources import ImageSource


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


def test_an_image_that_claims_to_be_huge_is_refused_before_decoding(tmp_path):
    dataset = radiograph(Rows=60000, Columns=60000)
    refused(write(tmp_path / "wrist.dcm", dataset), "larger than the limit of 200 megapixels")


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


def test_a_source_with_a_problem_is_refused_with_its_sentence(tmp_path):
    with pytest.raises(RadiographError, match=r"^/nowhere: does not exist\.$"):
        read_radiograph(ImageSource("x", tmp_path, problem="/nowhere: does not exist."))


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


@pytest.mark.parametrize(
    ("syntax", "stream"),
    [
        (JPEG2000Lossless, b"\xff\x4f\xff\x51" + bytes(30) + b"\xff\xd9"),
        (JPEGLosslessSV1, b"\xff\xd8\xff\xc3\x00\x0b\x0c"),
        (JPEGLosslessSV1, b"\xff\xd8\xff"),
        (JPEGLSLossless, b""),
    ],
)
def test_a_stream_that_ends_within_its_header_is_refused(syntax, stream):
    with pytest.raises(ValueError, match="stream"):
        check_codestream(stream, syntax, Frame(96, 80, 1, 16))
