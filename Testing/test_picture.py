"""Radiographs from PNG, JPEG and TIFF files."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_files import ramp, refused

from WristQCLib.radiograph import read_radiograph


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
