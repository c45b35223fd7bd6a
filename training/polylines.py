"""Courses of shafts, as polylines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def densified(line: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """A polyline (n, 2) sampled every `step` from its first point on, up to its last one."""
    lengths = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.arange(0, lengths[-1], step)
    return np.stack([np.interp(at, lengths, line[:, i]) for i in (0, 1)], axis=1)
