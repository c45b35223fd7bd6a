"""One Markdown page of an evaluation, with the paper's figures beside."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from scipy.stats import spearmanr

from training.metrics import (
    COVERAGES,
    area_under_curve,
    bootstrap_interval,
    calibration,
    classification_figures,
    coverage,
    detection_figures,
)
from training.results import ImageResult, PointResult
from training.tables import confusion, number, table
from WristQCLib import paper
from WristQCLib.figures import GROSS_MISS_MM, RADII_MM
from WristQCLib.findings import View
from WristQCLib.keypoints import KEYPOINT_NAMES, words
from WristQCLib.protocol import Protocol

COLUMNS = ("count", "mre", "sd", "median", "p95", *(f"sdr_{r:g}" for r in RADII_MM), "miss")
RATES = ("auc", "accuracy", "precision", "recall")


def banded(limits: Sequence[float], unit: str) -> Callable[[object], str]:
    """Names of the bands between limits: ``"10-25 deg"`` for the size of 17."""

    def name(value: object) -> str:
        size = abs(float(value))  # type: ignore[arg-type]
        for low, high in zip((0.0, *limits), limits, strict=False):
            if size < high:
                return f"{low:g}-{high:g} {unit}"
        return f"from {limits[-1]:g} {unit}"

    return name


def turned(value: object) -> str:
    """The band of a rotation in the plane of the image, in degrees from upright."""
    return banded((10, 20, 60, 120), "deg")((float(value) + 180.0) % 360.0 - 180.0)  # type: ignore[arg-type]


SUBGROUPS: Mapping[str, Callable[[object], str]] = {
    "age_group": str,
    "cast": lambda value: str(value or "none"),
    "rotation_deg": turned,
    "pronation_deg": banded((5, 15, 30), "deg"),
    "flexion_deg": banded((10, 25), "deg"),
    "field_width_mm": banded((80, 110, 150, 200), "mm"),
    "shutter": str,
    "fracture": lambda value: "yes" if value else "no",
    "implant": lambda value: "yes" if value else "no",
    "objects": lambda value: "yes" if value else "no",
    "look": str,
}
"""How the simulator's factors are grouped."""


def point_figures(points: Sequence[PointResult]) -> dict[str, float]:
    """`detection_figures`, with ``not_found`` (percent of those in the image) and
    ``presence`` (percent of keypoints whose presence or absence is right)."""
    errors = [p.error_mm for p in points if not math.isnan(p.error_mm)]
    inside = [p for p in points if p.in_image]
    return detection_figures(errors) | {
        "not_found": 100.0 * float(np.mean([not p.found for p in inside])) if inside else math.nan,
        "presence": 100.0 * float(np.mean([p.found == p.in_image for p in points])),
    }


def markdown(
    points: Sequence[PointResult],
    images: Sequence[ImageResult],
    protocol: Protocol,
    thresholds: tuple[float, float] = (0.5, 0.5),
) -> str:
    """The page.

    Parameters
    ----------
    points, images
        From `training.results.run_models`.
    protocol
        By which the images were scored.
    thresholds
        Of the artefact and of the view classifier.
    """
    sections = [
        keypoint_section(points),
        presence_section(points),
        spread_section(points),
        artefact_section(images, thresholds[0]),
        view_section(images, thresholds[1]),
        *(grade_section(images, view, protocol) for view in View),
        subgroup_section(points),
    ]
    seconds = [i.keypoint_seconds for i in images if not math.isnan(i.keypoint_seconds)]
    if seconds:
        sections.append([f"Keypoints took {np.median(seconds):.2f} s an image in the median."])
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def by_keypoint(points: Sequence[PointResult]) -> Iterable[tuple[View, str, list[PointResult]]]:
    """Results by view and keypoint, those that there are."""
    for view in View:
        for name in KEYPOINT_NAMES[view]:
            part = [p for p in points if p.view == view.value and p.keypoint == name]
            if part:
                yield view, name, part


def keypoint_section(points: Sequence[PointResult]) -> list[str]:
    """Errors by view and keypoint."""
    header = ["", "n", "MRE mm", "SD", "median", "p95", *(f"SDR {r:g} mm %" for r in RADII_MM)]
    header += [f"> {GROSS_MISS_MM:g} mm %", "not found %", "presence right %"]
    rows = []
    for view in View:
        of_view = [p for p in points if p.view == view.value]
        if not of_view:
            continue
        stated = paper.DETECTION[view]
        rows.append([f"{view}: paper", *(number(stated.get(c)) for c in COLUMNS), "", ""])
        parts = [(f"**{view}: all**", of_view)]
        parts += [(words(name), part) for v, name, part in by_keypoint(points) if v is view]
        for title, part in parts:
            figures = point_figures(part)
            cells = (number(figures[c]) for c in (*COLUMNS, "not_found", "presence"))
            rows.append([title, *cells])
    return ["## Keypoints", "", *table(header, rows)] if rows else []


def presence_section(points: Sequence[PointResult]) -> list[str]:
    """Whether a keypoint is in the image: discrimination and calibration."""
    rows = []
    for view, name, part in by_keypoint(points):
        said, truth = [p.presence for p in part], [p.in_image for p in part]
        if any(map(math.isnan, said)):
            continue
        auc = area_under_curve(np.array(said), np.array(truth))
        right = np.mean([p.found == p.in_image for p in part])
        missed = sum(p.in_image and not p.found for p in part)
        invented = sum(p.found and not p.in_image for p in part)
        rows.append(
            [
                f"{view}: {words(name)}",
                str(len(part)),
                str(truth.count(False)),
                number(auc, 4),
                number(float(right), 3),
                str(missed),
                str(invented),
                number(calibration(said, truth)[1], 3),
            ]
        )
    header = ["", "n", "absent", "AUC", "accuracy", "missed", "invented", "calibration error"]
    return ["## Presence of keypoints", "", *table(header, rows)] if rows else []


def spread_section(points: Sequence[PointResult]) -> list[str]:
    """Whether the stated spreads hold what they promise."""
    rows = []
    parts = [(f"{view}: {words(name)}", part) for view, name, part in by_keypoint(points)]
    parts += [
        (f"**{view}: all**", [p for p in points if p.view == view.value])
        for view in View
        if any(p.view == view.value for p in points)
    ]
    for title, part in parts:
        pairs = [
            (p.error_px, p.spread_px)
            for p in part
            if not math.isnan(p.error_px) and not math.isnan(p.spread_px)
        ]
        if not pairs:
            continue
        errors, spreads = zip(*pairs, strict=True)
        stated = [p.spread_mm for p in part if not math.isnan(p.spread_mm)]
        held = coverage(errors, spreads)
        cells = [f"{100 * held[share]:.1f}" for share in COVERAGES]
        typical = number(float(np.median(stated))) if stated else ""
        ranks = rank_correlation(errors, spreads)
        rows.append([title, str(len(pairs)), typical, *cells, number(ranks)])
    header = ["", "n", "median spread mm", *(f"within {100 * c:.0f} % circle" for c in COVERAGES)]
    header.append("rank correlation with error")
    if not rows:
        return []
    note = (
        "The spread is the standard deviation of one axis; a circle of the radius that holds the"
        " stated share of a round Gaussian should hold that share of the labelled points."
    )
    return ["## Reliability of the stated spread", "", note, "", *table(header, rows)]


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's, NaN for fewer than three values or no variation."""
    if len(first) < 3 or len(set(first)) < 2 or len(set(second)) < 2:
        return math.nan
    return float(spearmanr(first, second).statistic)


def artefact_section(images: Sequence[ImageResult], threshold: float) -> list[str]:
    """Foreign objects, with 95 % confidence intervals by bootstrap."""
    asked = [i for i in images if not math.isnan(i.artefact_probability)]
    if not asked:
        return []
    rows = [["paper, validation", "", "", *(number(paper.ARTEFACT[r], 3) for r in RATES)]]
    parts = [("**all**", asked)]
    for view in View:
        agreed = paper.ARTEFACT_AGREEMENT[view]
        rows.append([f"paper, {view}", "", "", *(number(agreed.get(r), 3) for r in RATES)])
        parts.append((view.value, [i for i in asked if i.view == view.value]))
    for title, part in parts:
        if not part:
            continue
        said = np.array([i.artefact_probability for i in part])
        truth = np.array([i.artefact for i in part])
        cells = [str(len(part)), str(int(truth.sum()))]
        for rate in RATES:

            def figure(chosen: np.ndarray, rate: str = rate) -> float:
                return classification_figures(said[chosen], truth[chosen], threshold)[rate]  # noqa: B023

            low, high = bootstrap_interval(figure, len(part), draws=500)
            value = number(figure(np.arange(len(part))), 3)
            cells.append(f"{value} ({number(low, 3)}-{number(high, 3)})" if value else "")
        rows.append([title, *cells])
    pairs = (("yes" if i.artefact else "no", _yes(i, threshold)) for i in asked)
    return [
        "## Foreign object",
        "",
        *table(["", "n", "with", *(rate if rate != "auc" else "AUC" for rate in RATES)], rows),
        "",
        "By label (rows) and by the model:",
        "",
        *confusion(("yes", "no"), pairs),
    ]


def _yes(image: ImageResult, threshold: float) -> str:
    return "yes" if image.artefact_probability >= threshold else "no"


def view_section(images: Sequence[ImageResult], threshold: float) -> list[str]:
    """Frontal or lateral, by the classifier alone."""
    judged = [i for i in images if not math.isnan(i.frontal_probability) and i.view != "oblique"]
    if not judged:
        return []
    right = [(i.frontal_probability >= threshold) == (i.view == "frontal") for i in judged]
    return [f"## View: {sum(right)} of {len(right)} right ({np.mean(right):.1%})"]


def task_pairs(images: Sequence[ImageResult], view: View, task: str) -> list[tuple[str, str]]:
    """(grade by label, grade by the models) of one task, where both could be assessed."""
    pairs = []
    for image in images:
        if image.view == view.value and image.labelled is not None and image.assessed is not None:
            labelled, assessed = image.labelled.task(task), image.assessed.task(task)
            if labelled.assessable and labelled.grade is not None:
                pairs.append((labelled.grade, assessed.grade or "not assessable"))
    return pairs


def grade_pairs(images: Sequence[ImageResult], view: View) -> list[tuple[str, str]]:
    """(grade by label, grade by the models) of whole images."""
    return [
        (i.labelled.grade, i.assessed.grade)
        for i in images
        if i.view == view.value and i.labelled is not None and i.assessed is not None
    ]


def accuracy(pairs: Sequence[tuple[str, str]]) -> float:
    """Share of pairs that agree."""
    return float(np.mean([a == b for a, b in pairs])) if pairs else math.nan


def grade_section(images: Sequence[ImageResult], view: View, protocol: Protocol) -> list[str]:
    """Tasks and grades of a view as the paper's figures 3 to 5 show them."""
    overall = grade_pairs(images, view)
    if not overall:
        return []
    rows, matrices = [], []
    for rule in protocol.layout[view]:
        pairs = task_pairs(images, view, rule.id)
        if not pairs:
            continue
        stated = paper.TASK_ACCURACY.get(rule.id)
        rows.append([rule.title, str(len(pairs)), number(accuracy(pairs), 3), number(stated)])
        names = [*rule.grades]
        if any(found not in names for _, found in pairs):
            names.append("not assessable")
        matrices += ["", f"{rule.title}, by label (rows) and by the models:", ""]
        matrices += confusion(names, pairs)
    stated = paper.GRADE_ACCURACY[view]
    rows.append(["**overall grade**", str(len(overall)), number(accuracy(overall), 3)])
    rows[-1].append(number(stated))
    difference = np.mean(
        [abs(i.assessed.total - i.labelled.total) for i in images if _scored(i, view)]  # type: ignore[union-attr]
    )
    return [
        f"## {view.capitalize()}: tasks and grades",
        "",
        "Basic information counts as complete and the side marker as labelled.",
        "",
        *table(["", "n", "accuracy", "paper"], rows),
        "",
        f"Totals differ by {difference:.2f} points in the mean.",
        *matrices,
        "",
        "Overall grade, by label (rows) and by the models:",
        "",
        *confusion([*protocol.grades], overall),
    ]


def _scored(image: ImageResult, view: View) -> bool:
    return image.view == view.value and image.labelled is not None and image.assessed is not None


def subgroup_section(points: Sequence[PointResult]) -> list[str]:
    """Keypoint errors by what the simulator varied."""
    rows = []
    for view in View:
        of_view = [p for p in points if p.view == view.value]
        kinds = {bool(p.factors) for p in of_view}
        if len(kinds) == 2:
            for title, simulated in (("simulated", True), ("real", False)):
                part = [p for p in of_view if bool(p.factors) == simulated]
                rows.append(subgroup_row(view, title, part))
        for factor, name in SUBGROUPS.items():
            groups: dict[str, list[PointResult]] = {}
            for point in of_view:
                if factor in point.factors:
                    groups.setdefault(name(point.factors[factor]), []).append(point)
            if len(groups) > 1:
                title = factor.replace("_", " ").removesuffix(" deg").removesuffix(" mm")
                rows += [
                    subgroup_row(view, f"{title}: {group}", groups[group])
                    for group in sorted(groups)
                ]
    header = ["", "group", "n", "MRE mm", "median", "p95", "SDR 1 %", "SDR 2 %", "SDR 4 %"]
    header += [f"> {GROSS_MISS_MM:g} mm %", "presence right %"]
    return ["## Subgroups", "", *table(header, rows)] if rows else []


def subgroup_row(view: View, title: str, part: Sequence[PointResult]) -> list[str]:
    """One line of the subgroups' table."""
    figures = point_figures(part)
    names = ("count", "mre", "median", "p95", "sdr_1", "sdr_2", "sdr_4", "miss", "presence")
    return [view.value, title, *(number(figures[name]) for name in names)]
