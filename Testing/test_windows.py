"""How a radiograph is shown: window, VOI LUT, or the range of its own values."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from dicom_files import NATIVE, radiograph, ramp, table, write
from pydicom import Sequence
from pydicom.uid import ExplicitVRBigEndian

from WristQCLib.radiograph import read_radiograph


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


@pytest.mark.parametrize("vr", [b"IS", b"OB", b"SQ"])
@pytest.mark.parametrize(
    ("keyword", "name"), [("VOILUTSequence", "VOI LUT"), ("ModalityLUTSequence", "modality LUT")]
)
def test_what_stands_in_the_place_of_a_table_does_not_stop_the_reading(tmp_path, keyword, name, vr):
    dataset = radiograph()
    if vr == b"IS":
        dataset.add_new(keyword, "IS", "-1")
    else:
        dataset.add_new(keyword, "OB", b"table ")
    file = write(tmp_path / "wrist.dcm", dataset)
    if vr == b"SQ":  # a sequence whose items are damaged
        file.write_bytes(file.read_bytes().replace(b"OB\0\0\6\0\0\0", b"SQ\0\0\6\0\0\0"))
    image = read_radiograph(file)
    np.testing.assert_array_equal(image.pixels, ramp())
    assert f"The {name} is unusable" in image.notes[0]


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
