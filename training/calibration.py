"""Settings of models that are found on validation images: thresholds, spreads, probabilities."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from training.metrics import circle_radius

TAIL = 4.0
"""Degrees of freedom of the error's distribution: a few errors are much larger than the others."""

HELD = 0.6827
"""Share of the errors that lie within the circle which this share of a Gaussian fills."""

FEWEST = 12
"""With fewer errors of a keypoint, the others tell the size of its spread."""


@dataclass(frozen=True)
class Error:
    """An error of a keypoint that is in the image, and what its heat map looked like.

    Attributes
    ----------
    name
        Of the keypoint.
    error
        Distance from the label in pixels of the heat map.
    extent, height
        Of the heat map, see `WristQCLib.models.heatmaps.Peak`.
    """

    name: str
    error: float
    extent: float
    height: float


def fit_spread(
    errors: Sequence[Error], names: Sequence[str]
) -> tuple[dict[str, float], tuple[float, float]]:
    """How the spread follows from a heat map's extent and height.

    The standard deviation is modelled as ``factor[name] * extent**a * height**b``. The powers are
    those under which the errors are most likely (a t-distribution in the plane, so that gross
    misses do not rule); the factors then are such that a circle holds the share that it promises.

    Parameters
    ----------
    errors
        Of the validation images.
    names
        Of all keypoints.

    Returns
    -------
    The factors by name, and (a, b).
    """
    if not errors:
        return dict.fromkeys(names, 1.0), (1.0, 0.0)
    index = np.array([names.index(e.name) for e in errors])
    distance = np.array([e.error for e in errors])
    seen = np.log([[max(e.extent, 1e-3), max(e.height, 1e-6)] for e in errors])

    def unlikelihood(parameters: np.ndarray) -> float:
        size = parameters[index] + seen @ parameters[-2:]
        square = (distance / np.exp(size)) ** 2
        steep = 1e-3 * float(parameters @ parameters)
        return float(np.mean(2 * size + (TAIL / 2 + 1) * np.log1p(square / TAIL))) + steep

    best = minimize(unlikelihood, np.zeros(len(names) + 2), method="L-BFGS-B").x
    powers = float(best[-2]), float(best[-1])
    ratio = distance / np.exp(seen @ best[-2:])
    radius = circle_radius(HELD)
    factors = {}
    for place, name in enumerate(names):
        own = ratio[index == place]
        factors[name] = float(np.quantile(own if own.size >= FEWEST else ratio, HELD)) / radius
    return factors, powers


def platt(
    scores: Sequence[float], truth: Sequence[bool], leaning: bool = True
) -> tuple[float, float]:
    """Line (slope, offset) from logits to those of calibrated probabilities (Platt, 1999).

    Parameters
    ----------
    scores
        Probabilities as the network states them.
    truth
        Whether the label is there; (1, 0), which changes nothing, where all are alike.
    leaning
        Whether the network may lean to one answer. If not, the offset is 0 (temperature scaling:
        Guo, Pleiss, Sun, Weinberger, ICML 2017). Where few images are wrong it is they alone that
        tell an offset, and a handful says little.
    """
    labels = np.asarray(truth, dtype=np.float64)
    if labels.min(initial=1.0) == labels.max(initial=0.0) or not labels.size:
        return 1.0, 0.0
    inside = np.clip(np.asarray(scores, dtype=np.float64), 1e-6, 1 - 1e-6)
    logits = np.log(inside / (1 - inside))
    # Platt's targets: a few images must not promise certainty.
    many, few = labels.sum(), (1 - labels).sum()
    targets = np.where(labels > 0.5, (many + 1) / (many + 2), 1 / (few + 2))

    def loss(line: np.ndarray) -> float:
        said = line[0] * logits + (line[1] if leaning else 0.0)
        return float(np.mean(np.logaddexp(0.0, said) - targets * said))

    slope, offset = minimize(loss, np.array([1.0, 0.0]), method="L-BFGS-B").x
    return (float(slope), float(offset)) if slope > 0 else (1.0, 0.0)


def rounded(values: Mapping[str, float], digits: int = 4) -> dict[str, float]:
    """For a metadata file."""
    return {name: round(value, digits) for name, value in values.items() if math.isfinite(value)}
