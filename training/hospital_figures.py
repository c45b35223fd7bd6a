"""How well models do on images of one place: by image, as figures with intervals, table, plot."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from training.judgement import point_cost
from training.labels import LabelledImage
from training.metrics import bootstrap_interval
from training.plots import panels
from training.results import run_models
from training.tables import number, table
from training.telling import Telling
from WristQCLib.atomic_file import written_whole
from WristQCLib.figures import GROSS_MISS_MM
from WristQCLib.findings import View
from WristQCLib.models import ImageClassifier, KeypointDetector
from WristQCLib.protocol import load_protocol

HOSPITAL, BENCHMARK = "hospital", "benchmark"
"""The images that are measured on: the other hospital's, and those of the frozen benchmark."""

BEFORE = "before"
"""Name of the arm without any correction."""

ALL = "all"

Interval = tuple[float, float]


@dataclass(frozen=True)
class ImageFigures:
    """What models said of one image, against its labels.

    Attributes
    ----------
    image
        Name of its file.
    errors_mm
        Of each keypoint that is in the image and was found.
    in_image, missed
        Keypoints that are in the image; those of them that were not found, or more than
        `GROSS_MISS_MM` off.
    costs_mm
        `training.judgement.point_cost` of each keypoint.
    artefact_right, grade_right
        Whether the answer on foreign objects and the grade of the whole image are the labels'.
    """

    image: str
    view: str
    errors_mm: tuple[float, ...]
    in_image: int
    missed: int
    costs_mm: tuple[float, ...]
    artefact_right: bool
    grade_right: bool


@dataclass(frozen=True)
class Figure:
    """A figure of images, with its 95 % interval from resampling the images."""

    value: float
    interval: Interval

    def told(self, digits: int = 2) -> str:
        """``"2.26 (1.50-3.10)"``."""
        if math.isnan(self.value):
            return ""
        low, high = self.interval
        return f"{number(self.value, digits)} ({number(low, digits)} to {number(high, digits)})"


@dataclass(frozen=True)
class Arm:
    """Models after some corrections, measured.

    Attributes
    ----------
    way
        How the corrected images were chosen; `BEFORE` for none.
    size
        How many were corrected.
    images
        By `HOSPITAL` and `BENCHMARK`.
    outcome
        What is known of the fine-tuning.
    """

    way: str
    size: int
    images: Mapping[str, tuple[ImageFigures, ...]]
    outcome: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.way if self.way == BEFORE else f"{self.way}-{self.size}"


def measured(
    models: Path, labels: Sequence[LabelledImage], device: str, telling: Telling, title: str
) -> tuple[ImageFigures, ...]:
    """Run the models of a folder on labelled images of known spacing."""
    detectors = {
        view: KeypointDetector.from_bundle(models / f"wrist_keypoints_{view}", device)
        for view in View
    }
    artefact = ImageClassifier.from_bundle(models / "wrist_artefact", device)
    protocol = load_protocol()
    found = []
    with telling.bar(title, len(labels)) as done:
        for label in labels:
            points, (image,) = run_models([label], detectors, protocol, artefact)
            inside = [p for p in points if p.in_image]
            missed = sum(not p.found or p.error_mm > GROSS_MISS_MM for p in inside)
            assert image.labelled is not None and image.assessed is not None
            found.append(
                ImageFigures(
                    image.image,
                    image.view,
                    tuple(round(p.error_mm, 4) for p in inside if p.found),
                    len(inside),
                    missed,
                    tuple(round(point_cost(p), 4) for p in points),
                    (image.artefact_probability >= artefact.threshold) == image.artefact,
                    image.labelled.grade == image.assessed.grade,
                )
            )
            done(1)
    return tuple(found)


def write_images(path: Path, images: Sequence[ImageFigures]) -> None:
    """As JSON, whole."""
    with written_whole(path) as file:
        file.write(json.dumps([asdict(image) for image in images], indent=0).encode())


def read_images(path: Path) -> tuple[ImageFigures, ...]:
    """What `write_images` wrote."""
    return tuple(
        ImageFigures(**entry | {name: tuple(entry[name]) for name in ("errors_mm", "costs_mm")})
        for entry in json.loads(path.read_text(encoding="utf-8"))
    )


def ratio(
    images: Sequence[ImageFigures],
    above: Callable[[ImageFigures], float],
    below: Callable[[ImageFigures], float],
) -> Figure:
    """Sum of one quantity over that of another, with its interval; NaN where there is nothing."""
    tops = np.array([above(image) for image in images], dtype=float)
    bottoms = np.array([below(image) for image in images], dtype=float)

    def value(chosen: npt.NDArray[np.intp]) -> float:
        total = float(bottoms[chosen].sum())
        return float(tops[chosen].sum()) / total if total > 0 else math.nan

    if not len(images):
        return Figure(math.nan, (math.nan, math.nan))
    return Figure(value(np.arange(len(images))), bootstrap_interval(value, len(images)))


def error(images: Sequence[ImageFigures]) -> Figure:
    """Mean radial error in mm, of the keypoints that were found."""
    return ratio(images, lambda i: sum(i.errors_mm), lambda i: len(i.errors_mm))


def cost(images: Sequence[ImageFigures]) -> Figure:
    """Mean cost of a keypoint in mm: its error, at most 10; 10 when it is missed or invented."""
    return ratio(images, lambda i: sum(i.costs_mm), lambda i: len(i.costs_mm))


def missed(images: Sequence[ImageFigures]) -> Figure:
    """Percent of the keypoints in the image that are not found, or more than 10 mm off."""
    return ratio(images, lambda i: 100.0 * i.missed, lambda i: i.in_image)


def artefact_right(images: Sequence[ImageFigures]) -> Figure:
    """Percent of right answers on foreign objects."""
    return ratio(images, lambda i: 100.0 * i.artefact_right, lambda i: 1)


def grade_right(images: Sequence[ImageFigures]) -> Figure:
    """Percent of images whose grade is that of the labels."""
    return ratio(images, lambda i: 100.0 * i.grade_right, lambda i: 1)


FIGURES: Mapping[str, Callable[[Sequence[ImageFigures]], Figure]] = {
    "mre_mm": error,
    "cost_mm": cost,
    "missed_percent": missed,
    "artefact_right_percent": artefact_right,
    "grade_right_percent": grade_right,
}


def of_view(images: Sequence[ImageFigures], view: str) -> list[ImageFigures]:
    """Those of a view, or `ALL`."""
    return [image for image in images if view in (ALL, image.view)]


def cost_difference(one: Sequence[ImageFigures], other: Sequence[ImageFigures]) -> Figure:
    """Mean cost of the one minus that of the other, image by image; below 0: the one is better."""
    costs = [{i.image: float(np.mean(i.costs_mm)) for i in images} for images in (one, other)]
    names = sorted(costs[0].keys() & costs[1].keys())
    differences = np.array([costs[0][name] - costs[1][name] for name in names])
    if not names:
        return Figure(math.nan, (math.nan, math.nan))
    return Figure(
        float(differences.mean()),
        bootstrap_interval(lambda chosen: float(differences[chosen].mean()), len(names)),
    )


def write_results(out: Path, arms: Sequence[Arm]) -> list[Path]:
    """Write ``results.csv``, ``results.md`` and ``results.png``; returns them."""
    written = [out / f"results.{ending}" for ending in ("csv", "md", "png")]
    contents = results_csv(arms), "\n".join(results_page(arms)) + "\n"
    for path, content in zip(written, contents, strict=False):
        with written_whole(path) as file:
            file.write(content.encode())
    buffer = io.BytesIO()
    results_figure(arms).savefig(buffer, format="png", dpi=130)
    with written_whole(written[2]) as file:
        file.write(buffer.getvalue())
    return written


def results_csv(arms: Sequence[Arm]) -> str:
    """One line for each arm, set of images, view and figure."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(
        ["arm", "way", "corrected", "images", "view", "n", "figure", "value", "low", "high"]
    )
    for arm in arms:
        for where, images in arm.images.items():
            for view in (ALL, *map(str, View)):
                part = of_view(images, view)
                for name, figure in FIGURES.items():
                    found = figure(part)
                    cells = (f"{value:.4f}" for value in (found.value, *found.interval))
                    writer.writerow(
                        [arm.name, arm.way, arm.size, where, view, len(part), name, *cells]
                    )
    return stream.getvalue()


def results_page(arms: Sequence[Arm]) -> list[str]:
    """Lines of a Markdown page: figures of each arm, and the ways against one another."""
    lines = [
        "# Another hospital: what corrected images teach",
        "",
        "Error: mean distance of the keypoints that were found. Missed: keypoints not found, or"
        f" more than {GROSS_MISS_MM:g} mm off. Cost: mean over all keypoints of the distance, at"
        f" most {GROSS_MISS_MM:g} mm, and {GROSS_MISS_MM:g} mm for one that is missed or invented."
        " In brackets: 95 % intervals from resampling the images.",
    ]
    for where, title in ((HOSPITAL, "The hospital's test images"), (BENCHMARK, "The benchmark")):
        count = len(arms[0].images[where]) if arms else 0
        lines += ["", f"## {title} ({count}, of no arm's labels)", ""]
        header = ["corrected images"]
        header += [f"{view} {what}" for view in View for what in ("error mm", "missed %")]
        header += ["cost mm", "foreign object right %", "grade right %"]
        lines += table(header, [_row(arm, arm.images[where]) for arm in arms])
    lines += ["", "## What was corrected, and what came of it", "", *_outcomes(arms)]
    if pairs := _pairs(arms):
        lines += [
            "",
            "## The ways of choosing against one another",
            "",
            "Difference of the cost on the hospital's test images, image by image; below 0: the"
            " first way is better.",
            "",
            *table(["corrected images", "ways", "all mm", *(f"{view} mm" for view in View)], pairs),
        ]
    return [*lines, "", "![Cost against corrected images](results.png)"]


def _row(arm: Arm, images: Sequence[ImageFigures]) -> list[str]:
    cells = [_title(arm)]
    for view in map(str, View):
        part = of_view(images, view)
        cells += [error(part).told(), missed(part).told(1)]
    return [
        *cells, cost(images).told(), artefact_right(images).told(1), grade_right(images).told(1)
    ]  # fmt: skip


def _title(arm: Arm) -> str:
    return "none" if arm.way == BEFORE else f"{arm.size}, {arm.way}"


def _outcomes(arms: Sequence[Arm]) -> list[str]:
    rows = []
    for arm in arms:
        for task in arm.outcome.get("tasks", ()):
            counts = arm.outcome["corrected"]
            rows.append(
                [
                    _title(arm),
                    ", ".join(f"{counts[view]} {view}" for view in map(str, View)),
                    task["task"],
                    *(str(task[part]) for part in ("train", "validation", "held_out")),
                    "yes" if task["promoted"] else "no",
                    task["sentence"],
                ]
            )
    header = ["corrected images", "views", "models", "learned from", "validation", "held out",
              "taken", "what came of it"]  # fmt: skip
    return table(header, rows)


def _pairs(arms: Sequence[Arm]) -> list[list[str]]:
    """Differences between the first way and each other one, by size."""
    ways = list(dict.fromkeys(arm.way for arm in arms if arm.way != BEFORE))
    by = {(arm.way, arm.size): arm.images[HOSPITAL] for arm in arms}
    rows = []
    for size in sorted({arm.size for arm in arms if arm.way != BEFORE}):
        for other in ways[1:]:
            if (ways[0], size) not in by or (other, size) not in by:
                continue
            one, two = by[ways[0], size], by[other, size]
            cells = [
                cost_difference(of_view(one, view), of_view(two, view)).told()
                for view in (ALL, *map(str, View))
            ]
            rows.append([str(size), f"{ways[0]} - {other}", *cells])
    return rows


def results_figure(arms: Sequence[Arm]) -> Any:
    """Four panels over the number of corrected images, a line for each way of choosing."""
    shown = (
        ("frontal", HOSPITAL, str(View.FRONTAL), cost, "cost of a keypoint, mm"),
        ("lateral", HOSPITAL, str(View.LATERAL), cost, "cost of a keypoint, mm"),
        ("foreign object", HOSPITAL, ALL, artefact_right, "right, %"),
        ("benchmark: nothing forgotten?", BENCHMARK, ALL, cost, "cost of a keypoint, mm"),
    )
    figure, axes = panels(len(shown))
    sizes = sorted({arm.size for arm in arms})
    ways = list(dict.fromkeys(arm.way for arm in arms if arm.way != BEFORE))
    for axis, (title, where, view, of, unit) in zip(axes, shown, strict=True):
        for place, way in enumerate(ways):
            chosen = [arm for arm in arms if arm.way in (way, BEFORE)]
            found = [of(of_view(arm.images[where], view)) for arm in chosen]
            values = np.array([f.value for f in found])
            low, high = np.array([f.interval for f in found]).T
            # Side by side, so that no interval hides another.
            at = [sizes.index(arm.size) + 0.08 * (place - (len(ways) - 1) / 2) for arm in chosen]
            spans = [np.maximum(values - low, 0), np.maximum(high - values, 0)]
            axis.errorbar(at, values, yerr=spans, fmt="o-", capsize=3, markersize=4, label=way)
        axis.set_xticks(range(len(sizes)), [str(size) for size in sizes])
        axis.set(title=title, xlabel="corrected images", ylabel=unit)
        axis.grid(alpha=0.3)
        if ways:
            axis.legend(fontsize=8)
        if of is cost:
            axis.set_ylim(bottom=0)
    return figure
