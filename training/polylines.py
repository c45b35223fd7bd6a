"""Polylines, (n, 2): the courses of shafts, chains and cords."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Line = NDArray[np.float64]


def places_along(line: Line, distances: Sequence[float] | NDArray[np.float64]) -> Line:
    """Places at distances from the first point along a polyline, (k, 2); not beyond its ends."""
    lengths = _lengths(line)
    return np.stack([np.interp(distances, lengths, line[:, i]) for i in (0, 1)], axis=-1)


def densified(line: Line, step: float) -> Line:
    """A polyline sampled every `step` from its first point on, up to its last one."""
    return places_along(line, np.arange(0, _lengths(line)[-1], step))


def first_stretch(line: Line, shown: NDArray[np.bool_]) -> Line | None:
    """The first run of points of a polyline that are shown, (n,); None where none is."""
    if not shown.any():
        return None
    first = int(shown.argmax())
    hidden = np.flatnonzero(~shown[first:])
    return line[first : first + int(hidden[0])] if len(hidden) else line[first:]


def _lengths(line: Line) -> NDArray[np.float64]:
    """Of the way from the first point to each of them, (n,)."""
    return np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
