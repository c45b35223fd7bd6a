"""Physical size of a radiograph's pixels, as the DICOM header tells it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydicom import Dataset

from WristQCLib.attributes import attribute_label, numbers_of, written_text_of
from WristQCLib.findings import Sourced

Spacing = tuple[float, float]
"""(x, y): distance between columns and between rows, mm per pixel.

DICOM writes the other order: row spacing (y) first.
"""

LARGEST_FIELD_MM = 1000.0
"""No radiograph is larger; an image that claims it has a made-up spacing (often 1 mm)."""
SMALLEST_SPACING_MM = 0.01
LARGEST_MAGNIFICATION = 5.0
"""Beyond it the attribute holds something else, a percentage for example."""


def checked_spacing(spacing: float | Sequence[float]) -> Spacing:
    """A spacing that a person gives: one number for square pixels, or (x, y), in mm.

    Raises
    ------
    ValueError
        If a value is not positive and finite, or there are not one or two.
    """
    values = tuple(map(float, spacing if isinstance(spacing, Sequence) else (spacing, spacing)))
    if len(values) != 2 or not all(math.isfinite(v) and v > 0 for v in values):
        raise ValueError(
            f"A pixel spacing of {spacing} is not possible:"
            " give one positive number or two (x, y), in mm per pixel."
        )
    return values[0], values[1]


def spacing_of(header: Dataset, width: int, height: int) -> Sourced[Spacing]:
    """Decide the pixel spacing of a projection radiograph.

    PixelSpacing first, taken as it is; else ImagerPixelSpacing, which holds at the detector's
    front plane, divided by EstimatedRadiographicMagnificationFactor where that is given; else the
    spacing at which a film was scanned; else unknown. (DICOM PS3.3, 10.7.1.1, C.8.11.4, C.8.6.2.)
    An impossible value is passed over, and the source says so.

    Parameters
    ----------
    header
        The DICOM data set.
    width, height
        Size of the image in pixels.

    Returns
    -------
    Sourced of (x, y) in mm per pixel
    """
    passed_over: list[str] = []
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        values = numbers_of(header, keyword)
        if values is None:
            continue
        if fault := _fault(values, width, height):
            passed_over.append(
                f"{attribute_label(keyword)} = {written_text_of(header, keyword)} {fault}"
            )
            continue
        y, x = values
        source = attribute_label(keyword)
        if keyword == "ImagerPixelSpacing":
            magnification, remark = _magnification(header)
            x, y = x / magnification, y / magnification
            source += remark
        return Sourced((x, y), "; ".join([source, *passed_over]))
    if passed_over:
        return Sourced(None, "; ".join(passed_over))
    return Sourced(None, "the file tells no pixel spacing")


def _fault(values: tuple[float, ...], width: int, height: int) -> str:
    if len(values) != 2:
        return "should be two numbers"
    if not all(math.isfinite(v) for v in values):
        return "is not a number"
    if min(values) == 0:
        return "is zero"
    if min(values) < 0:
        return "is negative"
    if min(values) < SMALLEST_SPACING_MM:
        return "is too small to be true"
    y, x = values
    if max(x * width, y * height) > LARGEST_FIELD_MM:
        field = f"{x * width / 10:.0f} x {y * height / 10:.0f} cm"
        return f"cannot be true, the image would measure {field}"
    return ""


def _magnification(header: Dataset) -> tuple[float, str]:
    keyword = "EstimatedRadiographicMagnificationFactor"
    values = numbers_of(header, keyword)
    if values is None:
        return 1.0, ", as at the detector, no magnification is given"
    label = attribute_label(keyword)
    if len(values) == 1 and 1.0 <= values[0] <= LARGEST_MAGNIFICATION:
        return values[0], f" / {label} = {values[0]:g}"
    written = written_text_of(header, keyword)
    return 1.0, f", as at the detector, {label} = {written} is not possible"


def pixel_aspect_of(header: Dataset, spacing: Sourced[Spacing]) -> float:
    """Height of a pixel over its width.

    From the spacing; else PixelAspectRatio (0028,0034), which is vertical over horizontal; else 1
    (DICOM PS3.3, C.7.6.3.1.7).
    """
    if spacing.value is not None:
        x, y = spacing.value
        return y / x
    ratio = numbers_of(header, "PixelAspectRatio")
    if ratio and len(ratio) == 2 and all(math.isfinite(v) and v > 0 for v in ratio):
        return ratio[0] / ratio[1]
    return 1.0
