"""Pictures of an evaluation."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from training.evaluation_report import accuracy, by_keypoint, grade_pairs, task_pairs
from training.metrics import (
    area_under_curve,
    calibration,
    circle_radius,
    roc_curve,
)
from training.results import ImageResult, PointResult
from WristQCLib import paper
from WristQCLib.figures import RADII_MM
from WristQCLib.findings import View
from WristQCLib.keypoints import words
from WristQCLib.protocol import Protocol

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = 3.6
"""Inches of a panel."""


def draw(
    points: Sequence[PointResult], images: Sequence[ImageResult], protocol: Protocol, folder: Path
) -> list[Path]:
    """Write all pictures that the results allow; returns the files.

    ``errors.png``: share of keypoints within a radius. ``presence.png``: ROC and calibration of
    the points' presence. ``artefact.png``: ROC and calibration of the foreign objects.
    ``spread.png``: what the stated spreads hold. ``grades_<view>.png``: confusion matrices.
    """
    drawn = {"errors": errors_figure(points), "presence": presence_figure(points)}
    drawn |= {"artefact": artefact_figure(images), "spread": spread_figure(points)}
    drawn |= {f"grades_{view}": grades_figure(images, view, protocol) for view in View}
    written = []
    for name, figure in drawn.items():
        if figure is not None:
            written.append(folder / f"{name}.png")
            figure.savefig(written[-1], dpi=110)
    return written


def panels(count: int) -> tuple[Figure, list[Axes]]:
    """A row of `count` panels, without any window."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(SIZE * count, SIZE), layout="constrained")
    return figure, list(np.atleast_1d(figure.subplots(1, count)))


def errors_figure(points: Sequence[PointResult]) -> Figure | None:
    """Share of keypoints within a radius, with the paper's as crosses."""
    views = [v for v in View if any(p.view == v.value and p.error_mm >= 0 for p in points)]
    if not views:
        return None
    figure, axes = panels(len(views))
    for axis, view in zip(axes, views, strict=True):
        for of_view, name, part in by_keypoint(points):
            errors = np.sort([p.error_mm for p in part if not math.isnan(p.error_mm)])
            if of_view is view and errors.size:
                shares = 100.0 * np.arange(1, errors.size + 1) / errors.size
                axis.step(errors, shares, where="post", label=words(name))
        rates = [paper.DETECTION[view][f"sdr_{radius:g}"] for radius in RADII_MM]
        axis.plot(RADII_MM, rates, "kx", label="paper, all")
        axis.set(xscale="log", xlim=(0.1, 50), xlabel="radius, mm", ylabel="within, %", title=view)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)
    return figure


def curve_panels(
    axes: Sequence[Axes], said: Sequence[float], truth: Sequence[bool], label: str
) -> None:
    """A ROC curve and a calibration curve."""
    auc = area_under_curve(np.array(said), np.array(truth))
    axes[0].plot(*roc_curve(said, truth), label=f"{label}, AUC {auc:.4f}")
    rows, error = calibration(said, truth)
    means, shares, _ = zip(*rows, strict=True)
    axes[1].plot(means, shares, "o-", label=f"{label}, error {error:.3f}")


def finish_curves(axes: Sequence[Axes]) -> None:
    """Titles and the diagonal of perfect calibration."""
    axes[0].set(xlabel="false positive rate", ylabel="true positive rate", title="ROC")
    axes[1].set(xlabel="stated probability", ylabel="share", title="calibration")
    axes[1].plot((0, 1), (0, 1), "k:", linewidth=1)
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.legend(fontsize=7)


def presence_figure(points: Sequence[PointResult]) -> Figure | None:
    """ROC and calibration of the presence of each keypoint that is sometimes absent."""
    shown = []
    for view, name, part in by_keypoint(points):
        if len({p.in_image for p in part}) == 2 and not any(math.isnan(p.presence) for p in part):
            shown.append((view, name, part))
    if not shown:
        return None
    figure, axes = panels(2)
    for view, name, part in shown:
        label = f"{view}: {words(name)}"
        curve_panels(axes, [p.presence for p in part], [p.in_image for p in part], label)
    finish_curves(axes)
    return figure


def artefact_figure(images: Sequence[ImageResult]) -> Figure | None:
    """ROC and calibration of the foreign objects."""
    asked = [i for i in images if not math.isnan(i.artefact_probability)]
    if len({i.artefact for i in asked}) < 2:
        return None
    figure, axes = panels(2)
    said, truth = [i.artefact_probability for i in asked], [i.artefact for i in asked]
    curve_panels(axes, said, truth, "foreign object")
    finish_curves(axes)
    return figure


def spread_figure(points: Sequence[PointResult]) -> Figure | None:
    """For each keypoint: the share that circles drawn from the spread hold, against the promise."""
    promised = np.linspace(0.02, 0.99, 60)
    radii = np.array([circle_radius(float(share)) for share in promised])
    figure, axes = panels(1)
    axis, any_drawn = axes[0], False
    for view, name, part in by_keypoint(points):
        ratios = np.array([p.error_px / p.spread_px for p in part if p.spread_px > 0])
        ratios = ratios[~np.isnan(ratios)]
        if ratios.size:
            held = (ratios[None] <= radii[:, None]).mean(axis=1)
            axis.plot(promised, held, label=f"{view}: {words(name)}")
            any_drawn = True
    if not any_drawn:
        return None
    axis.plot((0, 1), (0, 1), "k:", linewidth=1)
    axis.set(xlabel="promised share", ylabel="share within the circle", title="spread")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=6)
    return figure


def grades_figure(images: Sequence[ImageResult], view: View, protocol: Protocol) -> Figure | None:
    """Confusion matrices of the view's tasks and of the overall grade."""
    overall = grade_pairs(images, view)
    if not overall:
        return None
    matrices = [
        (rule.title, [*rule.grades], task_pairs(images, view, rule.id))
        for rule in protocol.layout[view]
    ]
    matrices.append(("Overall grade", [*protocol.grades], overall))
    matrices = [matrix for matrix in matrices if matrix[2]]
    figure, axes = panels(len(matrices))
    for axis, (title, names, pairs) in zip(axes, matrices, strict=True):
        counts = Counter(pairs)
        columns = [*names, *sorted({found for _, found in pairs} - set(names))]
        cells = np.array([[counts[row, column] for column in columns] for row in names])
        axis.imshow(
            cells / np.maximum(cells.sum(axis=1, keepdims=True), 1), "Blues", vmin=0, vmax=1
        )
        for (y, x), count in np.ndenumerate(cells):
            axis.text(x, y, str(count), ha="center", va="center", fontsize=8)
        axis.set_xticks(range(len(columns)), columns, fontsize=7, rotation=30)
        axis.set_yticks(range(len(names)), names, fontsize=7)
        axis.set_title(f"{title}\naccuracy {accuracy(pairs):.3f}", fontsize=8)
        axis.set(xlabel="models", ylabel="label")
    return figure
