"""The source paper's figures, to stand beside ours (specification, section 6)."""

from __future__ import annotations

from collections.abc import Mapping

from WristQCLib.figures import RADII_MM
from WristQCLib.findings import View


def _detection(mean: float, deviation: float, rates: tuple[float, ...]) -> dict[str, float]:
    rated = {f"sdr_{radius:g}": rate for radius, rate in zip(RADII_MM, rates, strict=True)}
    return {"mre": mean, "sd": deviation} | rated


DETECTION: Mapping[View, Mapping[str, float]] = {
    View.FRONTAL: _detection(0.794, 3.254, (89.96, 97.34, 97.94, 98.19, 98.55, 99.64)),
    View.LATERAL: _detection(3.813, 7.409, (27.18, 52.56, 59.97, 65.99, 74.78, 92.51)),
}
"""Validation figures of the keypoints; mm and percent."""

ARTEFACT: Mapping[str, float] = {"auc": 0.9701, "accuracy": 0.93, "precision": 0.88, "recall": 0.97}
"""Validation figures of the foreign objects."""

ARTEFACT_AGREEMENT: Mapping[View, Mapping[str, float]] = {
    View.FRONTAL: {"accuracy": 0.85, "precision": 0.91, "recall": 0.87},
    View.LATERAL: {"accuracy": 0.89, "precision": 0.85, "recall": 0.91},
}
TASK_ACCURACY: Mapping[str, float] = {
    "frontal_1": 0.91, "frontal_2": 0.97, "frontal_3": 0.76, "frontal_4": 0.89, "frontal_5": 0.85,
    "lateral_1": 0.85, "lateral_2": 0.80, "lateral_3": 0.85,
}  # fmt: skip
GRADE_ACCURACY: Mapping[View, float] = {View.FRONTAL: 0.82, View.LATERAL: 0.75}
"""Agreement with radiologists on 100 images of each view: foreign objects, tasks, grades."""
