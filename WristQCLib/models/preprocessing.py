"""Grey values as the networks expect them. Display images vary in look."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatImage = npt.NDArray[np.float32]

BORDER_BAND = 0.02
"""Share of the grey range at either end that is taken for collimated or burnt-in border."""

PERCENTILES = (1.0, 99.0)
"""Percentiles of the remaining pixels that become 0 and 1."""


def normalise(image: npt.NDArray[np.generic]) -> FloatImage:
    """Stretch the grey values so that the exposed field spans [0, 1].

    Pixels within `BORDER_BAND` of the darkest and brightest value are left out of the statistics
    (collimator borders, lead letters, burnt-in text), unless hardly anything else remains.

    Parameters
    ----------
    image
        (rows, columns), any real type and range, bright = dense.

    Returns
    -------
    (rows, columns) float32 in [0, 1]; all 0.5 for an image without contrast.
    """
    grey = np.asarray(image, dtype=np.float32)
    low, high = float(grey.min()), float(grey.max())
    if not high > low:
        return np.full_like(grey, 0.5)
    band = BORDER_BAND * (high - low)
    exposed = grey[(grey > low + band) & (grey < high - band)]
    if exposed.size >= 0.1 * grey.size:
        lowest, highest = np.percentile(exposed, PERCENTILES)
        if highest - lowest > band:
            low, high = float(lowest), float(highest)
    return np.clip((grey - low) / (high - low), 0.0, 1.0, dtype=np.float32)
