"""From stored values to grey that is bright where the body is dense."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset
from pydicom.pixels.processing import apply_color_lut

from WristQCLib.attributes import numbers_of
from WristQCLib.decoding import Stored, check_pixel_module, decode
from WristQCLib.errors import RadiographError
from WristQCLib.lookup_table import FloatImage, read_table
from WristQCLib.window import Display, Interval, Window, display_of

GREY_TOLERANCE = 0.02
"""Colour channels nearer to each other than this share of the range are the same grey."""
COLOURED_SHARE = 0.001
"""Share of coloured pixels up to which an image is grey: some text may be burnt into it."""

Notes = list[str]


@dataclass(frozen=True, eq=False)
class ShownPixels:
    """Grey values, and how they are to be shown.

    Attributes
    ----------
    values
        (rows, columns) float32 after the modality LUT, bright = dense; MONOCHROME1 is inverted.
    display
        How the file wants them to be shown, None if it does not say so.
    why
        Why there is no display.
    padding
        Which values stand for "no image here", if any do.
    """

    values: FloatImage
    display: Display | None
    why: str = ""
    padding: Interval | None = None


def dicom_pixels(dataset: Dataset, notes: Notes) -> ShownPixels:
    """Decode a DICOM image to what its modality LUT makes of it.

    Parameters
    ----------
    dataset
        Of one image, with its file meta information.
    notes
        Remarks on the image are appended.

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
        return ShownPixels(grey_of(stored, notes), full_range(stored))
    values = _modality(stored, dataset, notes)
    display, why = display_of(dataset)
    padding = _padding(dataset)
    if photometric != "MONOCHROME1":
        return ShownPixels(values, display, why, padding)
    # The stored range, not this image's own, so that equal exposures stay equally bright.
    bits, signed = int(dataset.BitsStored), int(dataset.get("PixelRepresentation") or 0) == 1
    low = -(2 ** (bits - 1)) if signed else 0
    total = sum(_after_modality((low, low + 2**bits - 1), dataset))
    np.subtract(np.float32(total), values, out=values)
    return ShownPixels(
        values,
        display and display.mirrored(total),
        why,
        padding and (total - padding[1], total - padding[0]),
    )


def _padding(dataset: Dataset) -> Interval | None:
    """PixelPaddingValue, to PixelPaddingRangeLimit if there is one (PS3.3, C.7.5.1.1.2)."""
    values = [
        numbers[0]
        for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")
        if (numbers := numbers_of(dataset, keyword)) and math.isfinite(numbers[0])
    ]
    if not values:
        return None
    if dataset.get("PixelRepresentation") == 1:  # may be written as unsigned all the same
        values = [value - 65536 if value > 32767 else value for value in values]
    return _after_modality((min(values), max(values)), dataset)


def _after_modality(stored: Interval, dataset: Dataset) -> Interval:
    """What the modality LUT makes of an interval of stored values."""
    first, last = map(float, _modality(np.array([stored], np.float32), dataset, [])[0])
    return min(first, last), max(first, last)


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
    pixels = stored.astype(np.float32)
    table, there_is_a_table = read_table(dataset, "ModalityLUTSequence")
    if table is not None:
        return table.apply(pixels)
    if there_is_a_table:
        notes.append("The modality LUT is unusable, pixel values are taken as stored.")
        return pixels
    slope = (numbers_of(dataset, "RescaleSlope") or (1.0,))[0]
    intercept = (numbers_of(dataset, "RescaleIntercept") or (0.0,))[0]
    if not math.isfinite(slope) or not math.isfinite(intercept) or slope == 0:
        notes.append("The rescale is unusable, pixel values are taken as stored.")
        return pixels
    if slope != 1:
        pixels *= np.float32(slope)
    if intercept != 0:
        pixels += np.float32(intercept)
    return pixels
