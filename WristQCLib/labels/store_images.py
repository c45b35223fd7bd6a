"""Pixels of labelled images as 16-bit grey PNG: all of a radiograph that training needs.

Nothing of the header goes into the file. What is burnt into the pixels stays there.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from WristQCLib.atomic_file import written_whole
from WristQCLib.labels.image_labels import LabelError
from WristQCLib.packages import install_hint
from WristQCLib.window import FloatImage

_SCALE = "wristqc"
_LARGEST = 65535


def write_pixels(path: Path, pixels: FloatImage) -> None:
    """Write grey values so that `read_pixels` gives them back.

    Whole numbers in a range of 65536 come back as they were, and so do those that a rescale slope
    made of whole numbers; of others at most half of the range's 65535th part is lost.

    Raises
    ------
    LabelError
        If the file cannot be written.
    """
    try:
        from PIL import Image, PngImagePlugin
    except ImportError:
        raise LabelError(f"Keeping images needs Pillow: {install_hint('pillow')}.") from None
    stored, slope, intercept = _stored(pixels)
    about = PngImagePlugin.PngInfo()
    about.add_text(_SCALE, json.dumps({"slope": slope, "intercept": intercept}))
    try:
        with written_whole(path) as file:
            # The fastest level: the grain of a radiograph hardly gets smaller with the slowest.
            Image.fromarray(stored).save(file, format="PNG", pnginfo=about, compress_level=1)
    except OSError as error:
        raise LabelError(
            f"The image {path} cannot be written ({error.strerror or error}); make space or choose"
            " another folder."
        ) from error


def read_pixels(path: Path) -> FloatImage:
    """The grey values that `write_pixels` wrote: (rows, columns) float32, bright = dense.

    Raises
    ------
    LabelError
        If the file is damaged.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
            stored = np.asarray(picture)
            scale = json.loads(
                getattr(picture, "text", {}).get(_SCALE, '{"slope": 1, "intercept": 0}')
            )
            return _grey(stored, float(scale["slope"]), float(scale["intercept"]))
    except (OSError, ValueError, KeyError, TypeError, SyntaxError) as error:
        raise LabelError(
            f"The image {path} cannot be read ({error}); delete it and accept the image again."
        ) from error


def _stored(pixels: FloatImage) -> tuple[np.ndarray, float, float]:
    """16-bit values, and what makes grey of them: slope * value + intercept."""
    low, high = float(pixels.min()), float(pixels.max())
    intercept = 0.0 if low >= 0 and high <= _LARGEST else low
    for slope in (1.0, _step(pixels)):
        if (high - intercept) / slope > _LARGEST + 0.5:
            continue
        values = np.round((pixels.astype(np.float64) - intercept) / slope).astype(np.uint16)
        if np.array_equal(_grey(values, slope, intercept), pixels):
            return values, slope, intercept
        intercept = low
    slope = (high - low) / _LARGEST or 1.0
    return np.round((pixels.astype(np.float64) - low) / slope).astype(np.uint16), slope, low


def _step(pixels: FloatImage) -> float:
    """The mean distance of neighbouring grey levels if they are evenly spaced; else what it may."""
    levels = np.unique(pixels).astype(np.float64)
    if len(levels) < 2:
        return 1.0
    smallest = float(np.diff(levels).min())
    steps = max(1, round((levels[-1] - levels[0]) / smallest))
    return float((levels[-1] - levels[0]) / steps)


def _grey(stored: np.ndarray, slope: float, intercept: float) -> FloatImage:
    return (stored.astype(np.float64) * slope + intercept).astype(np.float32)
