"""One page on a fine-tuning: what it learned from, figures before and after, what came of it."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from training.finetune_outcome import TaskOutcome
from training.judgement import Comparison
from training.plots import panels
from training.store_data import StoreData
from training.tables import number, table
from training.train import write_beside
from WristQCLib.atomic_file import written_whole
from WristQCLib.keypoints import words


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
        for comparison in outcome.comparisons:
            lines += ["", *section(comparison)]
    path = out / "report.md"
    write_beside(path, ("\n".join(lines) + "\n").encode())
    return path


def section(comparison: Comparison) -> list[str]:
    """Figures before and after on one set of images."""
    rows = [
        [words(name), number(comparison.before.get(name)), number(comparison.after.get(name))]
        for name in comparison.before.keys() | comparison.after.keys()
    ]
    order = [*comparison.before, *comparison.after]
    rows.sort(key=lambda row: [words(name) for name in order].index(row[0]))
    return [
        f"### {comparison.title.capitalize()} ({comparison.count} images)",
        "",
        *table(["", "before", "after"], rows),
        "",
        f"Cost of an image: {comparison.told}.",
    ]


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
    path = out / f"curves_{outcome.task}.png"
    with written_whole(path) as file:
        figure.savefig(file, dpi=110, format="png")
    return path
