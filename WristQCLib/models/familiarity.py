"""How different an image is from those that a network was trained on.

The deepest features of a keypoint network say what kind of image it sees. Their means and standard
deviations over training images are kept in the bundle; an image whose features lie far from them,
in units of these deviations, is of a kind that the network knows little of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.floating[Any]]

USUAL_SHARE = 0.95
"""Share of the held-out images that have a novelty below 1."""

_LEAST_DEVIATION = 1e-4
"""A feature that never varies tells nothing; it must not divide by nothing either."""


@dataclass(frozen=True)
class Familiarity:
    """What the features of known images look like.

    Attributes
    ----------
    mean, deviation
        Of each feature over the training images, (F,).
    usual
        Root mean square of the features in units of their deviations below which `USUAL_SHARE` of
        the held-out images of the same kind lie.
    """

    mean: Features
    deviation: Features
    usual: float

    @classmethod
    def fit(cls, known: Features, held_out: Features) -> Familiarity:
        """From the features of training images and of others of their kind, (images, F) each."""
        deviation = np.maximum(known.std(0), _LEAST_DEVIATION)
        unscaled = cls(known.mean(0), deviation, 1.0)
        distances = [unscaled.novelty(features) for features in held_out]
        usual = max(float(np.quantile(distances, USUAL_SHARE)), _LEAST_DEVIATION)
        return cls(unscaled.mean, deviation, usual)

    def novelty(self, features: Features) -> float:
        """How unusual an image with these features (F,) is; above 1 it is rarely seen."""
        steps = (features - self.mean) / self.deviation
        return float(np.sqrt(np.mean(steps**2))) / self.usual

    def to_setting(self) -> dict[str, Any]:
        """Plain values for a bundle's metadata."""
        return {
            "mean": [float(f"{value:.4g}") for value in self.mean],
            "deviation": [float(f"{value:.4g}") for value in self.deviation],
            "usual": float(f"{self.usual:.4g}"),
        }

    @classmethod
    def from_setting(cls, setting: Mapping[str, Any] | None) -> Familiarity | None:
        """What a bundle's metadata hold; None for a bundle that does not tell."""
        if setting is None:
            return None
        mean, deviation = (np.array(setting[key], dtype=float) for key in ("mean", "deviation"))
        return cls(mean, deviation, float(setting["usual"]))
