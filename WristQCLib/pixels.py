"""From stored values to grey that is bright where the body is dense."""

from __future__ import annotations

import math

import numpy as np
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut

from WristQCLib.attributes import numbers_of
from WristQCLib.decoding import Stored, check_pixel_module, decode
from WristQCLib.errors import RadiographError
from WristQCLib.window import Display, FloatImage, Window, display_of

GREY_TOLERANCE = 0.02
"""Colour channels nearer to each other than this share of the range are the same grey."""
COLOURED_SHARE = 0.001
"""Share of coloured pixels up to which an image is grey: some text may be burnt into it."""

Notes = list[str]


def dicom_pixels(dataset: Dataset, notes: Notes) -> tuple[FloatImage, Display | None, str]:
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
        Values after the modality LUT; MONOCHROME1 is inverted.
    Display or None
        How the header wants these values to be shown, if it says so.
    str
        Why there is no display.

    Raises
    ------
    RadiographError
        With the fault and the remedy, without the file's name.
    """
    check_pixel_module(dataset)
    stored = decode(dataset, notes)
    photometric = str(dataset.PhotometricInterpretation).strip().upper()
    if photometric == "PALETTE COLOR":
        try:
            stored = apply_color_lut(stored, dataset)
        except Exception as error:
            raise RadiographError(
                "the colour palette is damaged; export the image again in grey"
            ) from error
    if stored.ndim == 3:
        return grey_of(stored, notes), full_range(stored), ""
    pixels = _modality(stored, dataset, notes)
    display, why = display_of(dataset)
    if photometric != "MONOCHROME1":
        return pixels, display, why
    # The stored range, not this image's own, so that equal exposures stay equally bright.
    bits, signed = int(dataset.BitsStored), int(dataset.get("PixelRepresentation") or 0) == 1
    low = -(2 ** (bits - 1)) if signed else 0
    ends = np.array([[low, low + 2**bits - 1]], dtype=stored.dtype)
    total = float(_modality(ends, dataset, []).sum())
    np.subtract(np.float32(total), pixels, out=pixels)
    return pixels, display and display.mirrored(total), why


def full_range(values: Stored) -> Window:
    """The window from 0 to the largest integer of the values' type."""
    top = float(np.iinfo(values.dtype).max)
    return Window(top / 2, top)


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
    apart = np.maximum(np.abs(red - green), np.abs(green - blue))
    if np.mean(apart > GREY_TOLERANCE * full_range(colour).width) > COLOURED_SHARE:
        notes.append("The image is in colour, its luminance is assessed.")
    return np.float32(0.299) * red + np.float32(0.587) * green + np.float32(0.114) * blue


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
