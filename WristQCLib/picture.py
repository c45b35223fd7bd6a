"""Grey images from PNG, JPEG and TIFF files: research data without a DICOM header."""

from __future__ import annotations

import warnings
from typing import BinaryIO

import numpy as np

from WristQCLib.decoding import check_size
from WristQCLib.errors import RadiographError
from WristQCLib.lookup_table import FloatImage
from WristQCLib.packages import install_hint
from WristQCLib.pixels import Notes, full_range, grey_of
from WristQCLib.window import Window

_TIFF_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0


def picture_pixels(stream: BinaryIO, notes: Notes) -> tuple[FloatImage, Window | None]:
    """Decode a picture file of 8 or 16 bits, grey or colour.

    Returns
    -------
    (rows, columns) float32
    Window or None
        For 8 bits the full range; other pictures do not say how they are to be shown.

    Raises
    ------
    RadiographError
        With fault and remedy, without the file's name.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise RadiographError(f"reading pictures needs Pillow: {install_hint('pillow')}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the size is checked below, before decoding
            picture: Image.Image = Image.open(stream)
            check_size(picture.height, picture.width)
            if (count := getattr(picture, "n_frames", 1)) > 1:
                raise RadiographError(f"it holds {count} pictures; export the wanted one alone")
            if picture.mode in ("P", "1", "CMYK", "YCbCr", "LAB", "HSV", "PA"):
                picture = picture.convert("RGB" if picture.mode != "1" else "L")
            values = np.asarray(picture)
    except RadiographError:
        raise
    except (UnidentifiedImageError, Image.DecompressionBombError, MemoryError) as error:
        raise RadiographError(
            "it cannot be decoded; save it as an 8- or 16-bit grey PNG"
        ) from error
    except Exception as error:  # a decoder may raise anything on damaged data
        raise RadiographError("it is truncated or damaged; copy the file again") from error
    window = full_range(values) if values.dtype == np.uint8 else None
    if values.ndim == 3:
        if values.shape[2] == 2:  # grey and opacity
            return values[..., 0].astype(np.float32), window
        return grey_of(values, notes), window
    pixels = values.astype(np.float32)
    if not np.isfinite(pixels).all():
        raise RadiographError("it holds values that are no numbers; save it as 16-bit grey PNG")
    tags = getattr(picture, "tag_v2", {})
    if values.dtype != np.uint8 and tags.get(_TIFF_PHOTOMETRIC) == _WHITE_IS_ZERO:
        pixels = np.float32(65535) - pixels  # Pillow inverts 8 bits only
    return pixels, window
