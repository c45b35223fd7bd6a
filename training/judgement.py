"""Whether new models are better than those that they go on from, on the same images.

Each image has a *cost*. Keypoints: the mean over its points of the distance in mm, at most 10, with
10 for a point that is missed or invented. Foreign object: 1 for a wrong answer, 0 for a right one.
The models are compared image by image; the interval of the mean difference comes from resampling
the images (paired bootstrap).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.evaluation_report import point_figures
from training.metrics import bootstrap_interval, classification_figures
from training.results import ImageResult, PointResult
from WristQCLib.figures import GROSS_MISS_MM
from WristQCLib.findings import View

FEWEST_RESAMPLED = 6
"""With fewer images an interval from resampling them is too narrow to tell chance from change."""

FORGOTTEN_SHARE = 0.05
"""A cost on simulated images that rose by less than this share of it counts as unchanged."""

HELD_OUT, SIMULATED = "held-out", "simulated"

KEYPOINT_FIGURES = {
    "mre_mm": "mre",
    "median_mm": "median",
    "sdr_2mm_percent": "sdr_2",
    "sdr_4mm_percent": "sdr_4",
    "miss_percent": "miss",
    "presence_percent": "presence",
}
"""Figures of keypoints, by the names that they are reported under."""


@dataclass(frozen=True)
class Comparison:
    """Models before and after on the same images.

    Attributes
    ----------
    images
        Which: `HELD_OUT` or `SIMULATED`.
    part
        Which of them, such as ``"frontal"``; empty for all.
    count
        How many.
    before, after
        Figures by name.
    cost
        Mean cost before.
    change
        Mean cost after, minus that before.
    interval
        Of the change, 95 %.
    tie
        Tells which is better where the change is 0: positive when the models got worse.
    unit
        Of the cost: ``"mm"``, or ``"share"`` of the answers.
    costs
        (before, after) of each image.
    """

    images: str
    part: str
    count: int
    before: Mapping[str, float]
    after: Mapping[str, float]
    cost: float
    change: float
    interval: tuple[float, float]
    tie: float
    unit: str
    costs: tuple[tuple[float, float], ...] = ()

    @property
    def title(self) -> str:
        return f"{self.images}, {self.part}" if self.part else self.images

    @property
    def worse(self) -> bool:
        """Whether the models got worse at all."""
        return self.change > 0 or (self.change == 0 and self.tie > 0)

    @property
    def clearly_worse(self) -> bool:
        """Whether they got worse by more than chance explains, and by more than a trifle."""
        if self.count < FEWEST_RESAMPLED:
            return False
        return self.interval[0] > 0 and self.change > FORGOTTEN_SHARE * self.cost

    @property
    def told(self) -> str:
        """The change in words: ``"0.41 mm better in the mean (95 % interval -0.80 to -0.05)"``."""
        low, high = self.interval
        word = "worse" if self.change > 0 else "better" if self.change < 0 else "apart"
        unit, scale = (" mm", 1.0) if self.unit == "mm" else (" % of the answers", 100.0)
        size = abs(self.change) * scale
        interval = f"95 % interval {low * scale:+.2f} to {high * scale:+.2f}"
        return f"{size:.2f}{unit} {word} in the mean ({interval})"


def point_cost(point: PointResult) -> float:
    """Cost of one keypoint in mm."""
    if point.found != point.in_image:
        return GROSS_MISS_MM
    return min(point.error_mm, GROSS_MISS_MM) if point.in_image else 0.0


def image_costs(points: Sequence[PointResult]) -> dict[str, float]:
    """Mean cost of the keypoints of each image, by its name; those that have one."""
    costs: dict[str, list[float]] = {}
    for point in points:
        cost = point_cost(point)
        if not math.isnan(cost):
            costs.setdefault(point.image, []).append(cost)
    return {image: float(np.mean(values)) for image, values in costs.items()}


def compare_keypoints(
    images: str, before: Sequence[PointResult], after: Sequence[PointResult]
) -> list[Comparison]:
    """All together, then each view, where there are any."""
    comparisons = []
    for part in ("", *View):
        chosen = [[p for p in points if not part or p.view == part] for points in (before, after)]
        costs = [image_costs(points) for points in chosen]
        # One point in mm needs the others of its image to have a spacing, before as after.
        names = sorted(costs[0].keys() & costs[1].keys())
        if names:
            old, new = (np.array([cost[name] for name in names]) for cost in costs)
            figures = [
                {"cost_mm": round(float(cost.mean()), 3), **keypoint_figures(points)}
                for cost, points in zip((old, new), chosen, strict=True)
            ]
            comparisons.append(_compared(images, str(part), old, new, figures, 0.0, "mm"))
    return comparisons


def keypoint_figures(points: Sequence[PointResult]) -> dict[str, float]:
    """The figures of `KEYPOINT_FIGURES`; those that are defined."""
    figures = point_figures(points)
    return _defined({name: figures[of] for name, of in KEYPOINT_FIGURES.items()})


def compare_artefact(
    images: str,
    before: Sequence[ImageResult],
    after: Sequence[ImageResult],
    thresholds: tuple[float, float],
) -> list[Comparison]:
    """Answers on foreign objects; `thresholds` are those before and after."""
    truth = [image.artefact for image in before]
    said = [[image.artefact_probability for image in results] for results in (before, after)]
    wrong = [
        np.array([(p >= threshold) != t for p, t in zip(scores, truth, strict=True)], dtype=float)
        for scores, threshold in zip(said, thresholds, strict=True)
    ]
    figures = []
    for scores, threshold in zip(said, thresholds, strict=True):
        found = classification_figures(scores, truth, threshold)
        names = ("auc", "accuracy", "precision", "recall")
        figures.append(_defined({f"{n}_percent": 100.0 * found[n] for n in names}))
    old, new = (float(np.mean((np.array(scores) - truth) ** 2)) for scores in said)
    return [_compared(images, "", wrong[0], wrong[1], figures, new - old, "share")]


def _compared(
    images: str,
    part: str,
    old: npt.NDArray[np.float64],
    new: npt.NDArray[np.float64],
    figures: Sequence[Mapping[str, float]],
    tie: float,
    unit: str,
) -> Comparison:
    difference = new - old
    return Comparison(
        images,
        part,
        len(old),
        figures[0],
        figures[1],
        float(old.mean()),
        float(difference.mean()),
        bootstrap_interval(lambda chosen: float(difference[chosen].mean()), len(difference)),
        tie,
        unit,
        tuple(zip(old.tolist(), new.tolist(), strict=True)),
    )


def _defined(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items() if not math.isnan(value)}


def refusal(task: str, comparisons: Sequence[Comparison]) -> str:
    """Why new models must not take the place of the old ones, one sentence; empty: they may."""
    models = "keypoint models" if task == "keypoints" else "foreign-object model"
    for comparison in comparisons:
        held_out = comparison.images == HELD_OUT
        whole = not comparison.part
        if comparison.worse if held_out and whole else comparison.clearly_worse:
            told = comparison.told if comparison.change else "less sure of what is right"
            of = "held-out images" if held_out else "simulated images, so something was forgotten"
            count = f"{comparison.count} {comparison.part} {of}".replace("  ", " ")
            return f"The new {models} are refused: {told} on the {count}.".replace(
                "model are", "model is"
            )
    return ""
