"""How stored values become grey for a person to look at: window, VOI LUT, or a robust range.

Source: DICOM PS3.3, C.11.2 (VOI LUT module).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from WristQCLib.attributes import numbers_of
from WristQCLib.lookup_table import FloatImage, StoredTable, read_table

MIN_SHOWN_FRACTION = 0.05
"""A display that leaves less of the image between black and white hides it."""
MIN_CONTRAST = 0.05
"""A display whose 1st and 99th percentile are nearer than this is one flat grey."""


@dataclass(frozen=True)
class Window:
    """Window on pixel values.

    Attributes
    ----------
    centre, width
        Of the exact linear window (C.11.2.1.3.2): ``centre - width/2`` is black,
        ``centre + width/2`` is white. DICOM's plain LINEAR, which counts whole grey levels,
        is converted on reading.
    sigmoid
        Whether the curve is DICOM's sigmoid (C.11.2.1.3.1) and not a ramp.
    """

    centre: float
    width: float
    sigmoid: bool = False

    def apply(self, pixels: FloatImage) -> FloatImage:
        """Grey in [0, 1], same shape as `pixels`."""
        grey = (pixels - np.float32(self.centre)) * np.float32(1.0 / self.width)
        if self.sigmoid:
            # exp of more than 80 is white or black anyway, and would overflow
            return np.float32(1.0) / (np.float32(1.0) + np.exp(np.clip(-4.0 * grey, -80, 80)))
        grey += np.float32(0.5)
        return np.clip(grey, 0.0, 1.0, out=grey)

    def mirrored(self, total: float) -> Window:
        """The window that shows ``total - pixels`` as the negative of this one."""
        return Window(total - self.centre, self.width, self.sigmoid)


@dataclass(frozen=True, eq=False)
class LookUpTable(StoredTable):
    """A VOI look-up table: entries are grey in [0, 1]."""

    @classmethod
    def of(cls, table: StoredTable) -> LookUpTable | None:
        """Grey of a stored table; None for one that is all one grey."""
        # Many writers state 16 bits and use 12: grey is what the table itself spans.
        low, high = table.entries.min(), table.entries.max()
        return cls(table.first, (table.entries - low) / (high - low)) if high > low else None

    def mirrored(self, total: float) -> LookUpTable:
        """The table that shows ``total - pixels`` as the negative of this one."""
        return LookUpTable(total - (self.first + len(self.entries) - 1), 1.0 - self.entries[::-1])

    @property
    def window(self) -> Window:
        """The linear window nearest in effect: where the table leaves black and reaches white."""
        black, white = float(self.entries.min()), float(self.entries.max())
        inside = np.flatnonzero(
            (self.entries > black + 0.01 * (white - black))
            & (self.entries < white - 0.01 * (white - black))
        )
        ends = (inside[0], inside[-1]) if len(inside) > 1 else (0, len(self.entries) - 1)
        low, high = map(float, ends)
        return Window(self.first + (low + high) / 2, max(high - low, 1.0))


Display = Window | LookUpTable

Interval = tuple[float, float]
"""Smallest and largest pixel value, both inclusive."""


def robust_window(pixels: FloatImage, padding: Interval | None = None) -> Window:
    """The window from the 1st to the 99th percentile of the image.

    Parameters
    ----------
    pixels
        (rows, columns).
    padding
        Smallest and largest pixel value that stands for "no image here" and does not count.
    """
    counted = _sample(pixels)
    if padding is not None:
        image = counted[(counted < padding[0]) | (counted > padding[1])]
        counted = image if image.size else counted
    low, high = (float(p) for p in np.percentile(counted, (1, 99)))
    if high <= low:
        low, high = float(counted.min()), float(counted.max())
    return Window((low + high) / 2, max(high - low, 1e-6))


def fault_of(display: Display, pixels: FloatImage) -> str:
    """Why a display hides the image; empty when it does not."""
    grey = display.apply(_sample(pixels))
    low, high = np.percentile(grey, (1, 99))
    between = np.mean((grey > 0.005) & (grey < 0.995))
    if between >= MIN_SHOWN_FRACTION and high - low >= MIN_CONTRAST:
        return ""
    if between >= MIN_SHOWN_FRACTION:
        return "shows the image as one flat grey"
    return "leaves almost everything black or white"


def _sample(pixels: FloatImage) -> FloatImage:
    """Enough pixels for percentiles, not all 5 million."""
    step = max(1, math.isqrt(pixels.size // 250_000))
    return pixels[::step, ::step]


def display_of(header: Dataset) -> tuple[Display | None, str]:
    """The display that the header asks for, and what is wrong with it.

    The first VOI LUT or, without a usable one, the first window; alternatives are not looked at.

    Returns
    -------
    Display or None
        None when there is none or it is unusable.
    str
        Why there is no usable one, for example ``"window is unusable (width 0)"``.
    """
    stored, there_is_a_table = read_table(header, "VOILUTSequence")
    table = LookUpTable.of(stored) if stored is not None else None
    if table is not None:
        return table, ""
    window, why = _window_of(header)
    return window, "VOI LUT is unusable" if there_is_a_table and window is None else why


def _window_of(header: Dataset) -> tuple[Window | None, str]:
    centres, widths = numbers_of(header, "WindowCenter"), numbers_of(header, "WindowWidth")
    if centres is None or widths is None:
        return None, "window is absent"
    centre, width = centres[0], widths[0]
    function = str(header.get("VOILUTFunction") or "LINEAR").strip().upper()
    if not math.isfinite(centre) or not math.isfinite(width):
        return None, "window is unusable (not a number)"
    if width <= 0 or (function == "LINEAR" and width < 1):
        return None, f"window is unusable (width {width:g})"
    if function == "LINEAR_EXACT":
        return Window(centre, width), ""
    if function == "SIGMOID":
        return Window(centre, width, sigmoid=True), ""
    # C.11.2.1.2.1: black up to c - 0.5 - (w-1)/2, white from c - 0.5 + (w-1)/2 on. A width of 1
    # is a threshold; a ramp of one thousandth of a grey level does the same.
    return Window(centre - 0.5, max(width - 1.0, 1e-3)), ""
