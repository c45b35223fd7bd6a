"""Pixel values of a single-frame DICOM image: decoding, grey, modality LUT.

Decoding is pydicom's, with GDCM as its plug-in for the compressed transfer syntaxes.
"""

from __future__ import annotations

import copy
import math
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.pixels.utils import pixel_array
from pydicom.uid import UID, RLELossless

from WristQCLib.attributes import numbers_of
from WristQCLib.errors import RadiographError
from WristQCLib.window import FloatImage

MAX_PIXELS = 200_000_000
"""Larger images are refused before decoding; a 43 x 43 cm detector at 0.1 mm has 18 million."""
MIN_SIDE = 64
"""An image with fewer pixels on a side shows no wrist."""
GREY_TOLERANCE = 0.02
"""Colour channels nearer to each other than this share of the range are the same grey."""

Notes = list[str]
Stored = NDArray[Any]
"""Integers of any width, as decoded."""


def check_size(rows: int, columns: int) -> None:
    """Refuse what is too small to show a wrist, or too large to be decoded safely.

    Raises
    ------
    RadiographError
    """
    if min(rows, columns) < MIN_SIDE:
        raise RadiographError(
            f"the image of {columns} x {rows} pixels is too small to show a wrist,"
            f" each side must have at least {MIN_SIDE}"
        )
    if rows * columns > MAX_PIXELS:
        raise RadiographError(
            f"the image of {columns} x {rows} pixels is larger than the limit of"
            f" {MAX_PIXELS // 1_000_000} megapixels; export the wrist alone"
        )


def dicom_pixels(dataset: Dataset, notes: Notes) -> tuple[FloatImage, float | None]:
    """Decode a DICOM image to what its modality LUT makes of it, bright = dense.

    Parameters
    ----------
    dataset
        Of one image, with its file meta information.
    notes
        Remarks on the image are appended.

    Returns
    -------
    (rows, columns) float32
        Values after the modality LUT.
    float or None
        For MONOCHROME1 `total`: the values returned are ``total - values in the file``.

    Raises
    ------
    RadiographError
        With the fault and the remedy, without the file's name.
    """
    _check_pixel_module(dataset)
    stored = _decoded(dataset, notes)
    photometric = str(dataset.PhotometricInterpretation).strip().upper()
    if photometric == "PALETTE COLOR":
        try:
            stored = apply_color_lut(stored, dataset)
        except Exception as error:
            raise RadiographError(
                "the colour palette is damaged; export the image again in grey"
            ) from error
    if stored.ndim == 3:
        return grey_of(stored, notes), None
    stored = _without_unused_bits(stored, dataset)
    pixels = _modality(stored, dataset, notes)
    if photometric != "MONOCHROME1":
        return pixels, None
    # The stored range, not this image's own, so that equal exposures stay equally bright.
    bits, signed = int(dataset.BitsStored), int(dataset.get("PixelRepresentation") or 0) == 1
    low = -(2 ** (bits - 1)) if signed else 0
    ends = np.array([[low, low + 2**bits - 1]], dtype=stored.dtype)
    total = float(_modality(ends, dataset, []).sum())
    return np.subtract(np.float32(total), pixels, out=pixels), total


def grey_of(colour: Stored, notes: Notes) -> FloatImage:
    """Grey of an RGB or RGBA image: its channel when all agree, else its luminance (ITU-R BT.601).

    Parameters
    ----------
    colour
        (rows, columns, 3 or more) unsigned integers; channels after the third are ignored.
    notes
        Remarks on the image are appended.
    """
    red, green, blue = (colour[..., c].astype(np.float32) for c in range(3))
    scale = float(np.iinfo(colour.dtype).max) if np.issubdtype(colour.dtype, np.integer) else 1.0
    apart = np.maximum(np.abs(red - green), np.abs(green - blue))
    # Burnt-in coloured text on a grey image is rare enough to be let through here.
    if np.mean(apart > GREY_TOLERANCE * scale) > 0.001:
        notes.append("The image is in colour, its luminance is assessed.")
    return np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue


def _check_pixel_module(dataset: Dataset) -> None:
    """Image Pixel module: DICOM PS3.3, C.7.6.3."""
    if "PixelData" not in dataset:
        raise RadiographError("there is no pixel data in it; send the image again, not its header")
    try:
        frames = int(dataset.get("NumberOfFrames") or 1)
        rows, columns = int(dataset.get("Rows") or 0), int(dataset.get("Columns") or 0)
        allocated = int(dataset.get("BitsAllocated") or 0)
        stored = int(dataset.get("BitsStored") or 0)
    except (TypeError, ValueError):
        raise RadiographError(
            "the attributes that describe its pixels are damaged; export the image again"
        ) from None
    if frames > 1:
        raise RadiographError(
            f"it holds {frames} frames; a radiograph has one, export the wanted frame alone"
        )
    if rows < 1 or columns < 1:
        raise RadiographError(
            "Rows (0028,0010) or Columns (0028,0011) is missing or zero; export the image again"
        )
    check_size(rows, columns)
    if allocated not in (8, 16) or not 1 < stored <= allocated:
        raise RadiographError(
            f"its pixels have {stored} of {allocated} bits;"
            " only 8 to 16 bits can be read, export the image again"
        )
    if not str(dataset.get("PhotometricInterpretation") or "").strip():
        raise RadiographError(
            "PhotometricInterpretation (0028,0004) is missing, so black and white cannot be"
            " told apart; export the image again"
        )
    if "SamplesPerPixel" not in dataset:
        dataset.SamplesPerPixel = 1
    if "PixelRepresentation" not in dataset:
        dataset.PixelRepresentation = 0
    if not dataset.file_meta.TransferSyntaxUID.is_compressed:
        _check_length(dataset, rows, columns, allocated)


def _check_length(dataset: Dataset, rows: int, columns: int, allocated: int) -> None:
    """Refuse pixel data that Rows and Columns do not describe: the picture would be sheared."""
    samples = int(dataset.SamplesPerPixel)
    expected = rows * columns * samples * allocated // 8
    if "422" in str(dataset.PhotometricInterpretation):
        expected = expected * 2 // 3
    found = len(dataset.PixelData or b"")
    if found < expected:
        raise RadiographError(
            f"it is truncated: the pixel data has {found} of {expected} bytes; copy the file again"
        )
    if found >= expected + columns * samples * allocated // 8:
        raise RadiographError(
            f"the pixel data has {found} bytes, but {columns} x {rows} pixels need {expected};"
            " export the image again"
        )


def _decoded(dataset: Dataset, notes: Notes) -> Stored:
    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters raises
            return np.asarray(pixel_array(dataset))
    except MemoryError:
        raise RadiographError("there is not enough memory to decode the image") from None
    except Exception as error:  # a decoder may raise anything on damaged data
        if (packed := _packed_bytes(dataset)) is not None:
            notes.append("The file states 16 bits a pixel but holds 8, which are read.")
            return packed
        raise RadiographError(_why_not_decoded(UID(syntax), error)) from error


def _packed_bytes(dataset: Dataset) -> Stored | None:
    """8-bit pixels that were RLE-encoded two by two, as if they were half as many of 16 bits.

    Some writers keep BitsAllocated = 16 for 8-bit pixels. None when the image is not of this kind.
    """
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if (
        dataset.file_meta.TransferSyntaxUID != RLELossless
        or (int(dataset.BitsAllocated), int(dataset.BitsStored)) != (16, 8)
        or int(dataset.SamplesPerPixel) != 1
        or rows % 2
    ):
        return None
    half = copy.copy(dataset)
    half.Rows, half.PixelRepresentation = rows // 2, 0
    try:
        return np.asarray(pixel_array(half)).astype("<u2").view(np.uint8).reshape(rows, columns)
    except Exception:  # then it is simply damaged
        return None


def _why_not_decoded(syntax: UID, error: Exception) -> str:
    if isinstance(error, NotImplementedError):
        return (
            f"its compression ({syntax.name}) cannot be decoded;"
            " export the image without compression"
        )
    if "missing dependencies" in str(error):
        return f"its compression ({syntax.name}) needs GDCM; run: pip install python-gdcm"
    return (
        f"its pixel data ({syntax.name}) is truncated or damaged and cannot be decoded;"
        " copy the file again"
    )


def _without_unused_bits(stored: Stored, dataset: Dataset) -> Stored:
    """Drop what stands in bits that are not stored ones (overlays once did)."""
    bits = int(dataset.BitsStored)
    unused = stored.dtype.itemsize * 8 - bits
    if unused <= 0:
        return stored
    signed = stored.dtype.kind == "i"
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if stored.min() >= low and stored.max() <= high:
        return stored
    if signed:
        return (stored << unused) >> unused
    return stored & high


def _modality(stored: Stored, dataset: Dataset, notes: Notes) -> FloatImage:
    """Modality LUT or rescale: DICOM PS3.3, C.11.1."""
    if dataset.get("ModalityLUTSequence"):
        try:
            return np.asarray(apply_modality_lut(stored, dataset), dtype=np.float32)
        except Exception:
            notes.append("The modality LUT is unusable, pixel values are taken as stored.")
            return stored.astype(np.float32)
    slope = (numbers_of(dataset, "RescaleSlope") or (1.0,))[0]
    intercept = (numbers_of(dataset, "RescaleIntercept") or (0.0,))[0]
    pixels = stored.astype(np.float32)
    if not math.isfinite(slope) or not math.isfinite(intercept) or slope == 0:
        notes.append("The rescale is unusable, pixel values are taken as stored.")
        return pixels
    if slope != 1:
        pixels *= np.float32(slope)
    if intercept != 0:
        pixels += np.float32(intercept)
    return pixels
