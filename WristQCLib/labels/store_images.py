"""Pixels of labelled images as 16-bit grey PNG, and how they are displayed: what training needs.

Nothing of the header goes into the file. What is burnt into the pixels stays there.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from WristQCLib.atomic_file import written_whole
from WristQCLib.labels.image_labels import LabelError
from WristQCLib.packages import install_hint
from WristQCLib.window import Display, FloatImage, LookUpTable, Window

Scale = dict[str, Any]
"""What makes grey of stored values: slope and intercept, or the level of each number."""

_SCALE, _DISPLAY = "wristqc", "wristqc-display"
_LARGEST = 65535


def write_pixels(path: Path, pixels: FloatImage, display: Display | None = None) -> None:
    """Write grey values so that `read_image` gives them back, with their display.

    Whole numbers in a range of 65536 are stored as they are, or less the smallest; of other images
    the grey levels are numbered. Only of an image with more than 65536 levels something is lost: at
    most half of the 65535th part of their range.

    Raises
    ------
    LabelError
        If the file cannot be written.
    """
    try:
        from PIL import Image, PngImagePlugin
    except ImportError:
        raise LabelError(f"Keeping images needs Pillow: {install_hint('pillow')}.") from None
    stored, scale = _stored(pixels)
    about = PngImagePlugin.PngInfo()
    about.add_text(_SCALE, json.dumps(scale), zip=True)
    if display is not None:
        about.add_text(_DISPLAY, json.dumps(_told(display)), zip=True)
    try:
        with written_whole(path) as file:
            # The fastest level: the grain of a radiograph hardly gets smaller with the slowest.
            Image.fromarray(stored).save(file, format="PNG", pnginfo=about, compress_level=1)
    except OSError as error:
        raise LabelError(
            f"The image {path} cannot be written ({error.strerror or error}); make space or choose"
            " another folder."
        ) from error


def read_image(path: Path) -> tuple[FloatImage, Display | None]:
    """What `write_pixels` wrote.

    Returns
    -------
    FloatImage
        Grey values, (rows, columns) float32, bright = dense.
    Display or None
        How they become an image to look at; None where that was not told.

    Raises
    ------
    LabelError
        If the file is damaged.
    """
    from PIL import Image

    try:
        with Image.open(path) as picture:
            picture.load()
            texts = getattr(picture, "text", {})
            pixels = _grey(np.asarray(picture), json.loads(texts.get(_SCALE, "{}")))
            return pixels, _display(json.loads(texts.get(_DISPLAY, "{}")))
    except Exception as error:  # a decoder may raise anything on damaged data
        raise LabelError(
            f"The image {path} cannot be read ({error}); delete it and accept the image again."
        ) from error


def _stored(pixels: FloatImage) -> tuple[np.ndarray, Scale]:
    """16-bit values, and what makes grey of them."""
    low, high = float(pixels.min()), float(pixels.max())
    intercept = 0.0 if low >= 0 and high <= _LARGEST else low
    if high - intercept <= _LARGEST:
        values = (pixels - np.float32(intercept)).astype(np.uint16)
        scale: Scale = {"slope": 1.0, "intercept": intercept}
        if np.array_equal(_grey(values, scale), pixels):
            return values, scale
    levels, numbers = np.unique(pixels, return_inverse=True)
    if len(levels) <= _LARGEST + 1:
        return numbers.reshape(pixels.shape).astype(np.uint16), {"levels": _text_of(levels)}
    slope = (high - low) / _LARGEST
    values = np.round((pixels.astype(np.float64) - low) / slope).astype(np.uint16)
    return values, {"slope": slope, "intercept": low}


def _grey(stored: np.ndarray, scale: Scale) -> FloatImage:
    if "levels" in scale:
        return _floats_of(scale["levels"])[stored].astype(np.float32)
    slope, intercept = float(scale.get("slope", 1.0)), float(scale.get("intercept", 0.0))
    return (stored.astype(np.float64) * slope + intercept).astype(np.float32)


def _told(display: Display) -> dict[str, Any]:
    if isinstance(display, LookUpTable):
        return {"first": display.first, "entries": _text_of(display.entries)}
    return {"centre": display.centre, "width": display.width, "sigmoid": display.sigmoid}


def _display(told: dict[str, Any]) -> Display | None:
    if "entries" in told:
        return LookUpTable(float(told["first"]), _floats_of(told["entries"]))
    if "width" in told:
        return Window(float(told["centre"]), float(told["width"]), bool(told["sigmoid"]))
    return None


def _text_of(values: FloatImage) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode("ascii")


def _floats_of(text: str) -> FloatImage:
    return np.frombuffer(base64.b64decode(text), dtype="<f4")
