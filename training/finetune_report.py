"""One page on a fine-tuning: what it learned from, figures before and after, what came of it."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from training.finetune_outcome import TaskOutcome
from training.judgement import Comparison
from training.plots import panels
from training.store_data import StoreData
from training.tables import number, table
from training.train import write_beside
from WristQCLib.atomic_file import written_whole
from WristQCLib.figures import GROSS_MISS_MM

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COST = (
    "The cost of an image decides: the mean over its points of the distance in mm, at most"
    f" {GROSS_MISS_MM:g}, with {GROSS_MISS_MM:g} for a point that is missed or invented. Errors are"
    " those of found points only: where more are found, they may grow while the cost falls."
)


def write_report(out: Path, data: StoreData, outcomes: Sequence[TaskOutcome]) -> Path:
    """Write ``report.md`` and a picture of each training; returns the page."""
    lines = ["# Fine-tuning", "", f"{date.today().isoformat()}: {data}."]
    for outcome in outcomes:
        lines += ["", f"## {outcome.task.capitalize()}", "", outcome.sentence]
        if outcome.run is not None and outcome.parts is not None:
            parts = outcome.parts
            lines += [
                "",
                f"{len(parts.train)} labelled images were learned from, {len(parts.validation)}"
                " told when to stop and set thresholds and spreads (with simulated ones beside"
                f" them); {len(parts.held_out)} were held out and had no part in anything but the"
                " comparison.",
                "",
                f"Training: `{outcome.run.relative_to(out).as_posix()}`",
                "",
                f"![Loss of each epoch]({draw_curves(out, outcome).name})",
            ]
        if outcome.task == "keypoints" and outcome.comparisons:
            picture = draw_costs(out, outcome.task, outcome.comparisons)
            lines += ["", f"![Cost of each image before and after]({picture.name})", "", COST]
        for comparison in outcome.comparisons:
            lines += ["", *section(comparison)]
    path = out / "report.md"
    write_beside(path, ("\n".join(lines) + "\n").encode())
    return path


def section(comparison: Comparison) -> list[str]:
    """Figures before and after on one set of images."""
    names = dict.fromkeys([*comparison.before, *comparison.after])
    rows = [
        [
            figure_words(name),
            number(comparison.before.get(name)),
            number(comparison.after.get(name)),
        ]
        for name in names
    ]
    return [
        f"### {comparison.title.capitalize()} ({comparison.count} images)",
        "",
        *table(["", "before", "after"], rows),
        "",
        f"{comparison.told[0].upper()}{comparison.told[1:]}.",
    ]


def figure_words(name: str) -> str:
    """A figure's name for people: ``"sdr_2mm_percent"`` becomes ``"within 2 mm, %"``."""
    for short, told in (
        ("cost_", "cost of an image, "),
        ("mre_", "mean error of found points, "),
        ("median_", "median error of found points, "),
        ("miss_", f"off by more than {GROSS_MISS_MM:g} mm, "),
        ("presence_", "presence right, "),
    ):
        if name.startswith(short):
            return told + name.removeprefix(short).replace("percent", "%")
    within = re.fullmatch(r"sdr_(\d+)mm_percent", name)
    if within:
        return f"within {within[1]} mm, %"
    return name.replace("auc_", "AUC_").replace("_percent", ", %").replace("_", " ")


def draw_costs(out: Path, task: str, comparisons: Sequence[Comparison]) -> Path:
    """Each image's cost before and after as a dot: below the line, the new models are better."""
    shown = [comparison for comparison in comparisons if not comparison.part]
    figure, axes = panels(len(shown))
    for axis, comparison in zip(axes, shown, strict=True):
        most = 1.05 * max(max(max(pair) for pair in comparison.costs), 0.1)
        axis.plot(*zip(*comparison.costs, strict=True), ".", alpha=0.6)
        axis.plot((0, most), (0, most), "k:", linewidth=1)
        unit = ", mm" if comparison.unit == "mm" else ""
        axis.set(xlabel=f"cost before{unit}", ylabel=f"cost after{unit}", title=comparison.title)
        axis.grid(alpha=0.3)
    return _saved(figure, out / f"costs_{task}.png")


def draw_curves(out: Path, outcome: TaskOutcome) -> Path:
    """The loss by epoch as a picture, beside the report."""
    assert outcome.run is not None
    with (outcome.run / "curves.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    figure, (axis,) = panels(1)
    for column, label in (("train_loss", "training"), ("val_loss", "validation")):
        points = [(int(row["epoch"]), float(row[column])) for row in rows]
        points = [point for point in points if not math.isnan(point[1])]
        axis.plot(*zip(*points, strict=True), "o-", label=label, markersize=3) if points else None
    axis.set(xlabel="epoch", ylabel="loss", title=outcome.task)
    axis.grid(alpha=0.3)
    axis.legend(fontsize=7)
    return _saved(figure, out / f"curves_{outcome.task}.png")


def _saved(figure: Figure, path: Path) -> Path:
    with written_whole(path) as file:
        figure.savefig(file, dpi=110, format="png")
    return path
