"""Judge bundles on labelled images: ``python -m training.evaluate --data FOLDER ... --out DIR``.

Writes ``evaluation.md`` (the paper's figures beside the models'), ``keypoints.csv`` (one line per
keypoint and image) and ``images.csv`` (one line per image).
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from training.labels import LabelledImage, label_paths, read_image, read_label
from training.metrics import RADII_MM, classification_figures, detection_figures
from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoint
from WristQCLib.models import ImageClassifier, KeypointDetector, ModelError

MODELS = Path(__file__).resolve().parent.parent / "Resources" / "Models"

REFERENCE_WIDTH_MM: Mapping[View, float] = {View.FRONTAL: 50.0, View.LATERAL: 22.0}
"""Styloid to styloid, and width of the distal radius, of an adult: for images without spacing."""

PAPER_DETECTION = {
    View.FRONTAL: {"mre": 0.794, "sd": 3.254}
    | dict(
        zip(
            (f"sdr_{r:g}" for r in RADII_MM),
            (89.96, 97.34, 97.94, 98.19, 98.55, 99.64),
            strict=True,
        )
    ),
    View.LATERAL: {"mre": 3.813, "sd": 7.409}
    | dict(
        zip(
            (f"sdr_{r:g}" for r in RADII_MM),
            (27.18, 52.56, 59.97, 65.99, 74.78, 92.51),
            strict=True,
        )
    ),
}
"""The source paper's validation figures (specification, section 6); mm and percent."""

PAPER_ARTEFACT = {"auc": 0.9701, "accuracy": 0.93, "precision": 0.88, "recall": 0.97}


@dataclass(frozen=True)
class PointResult:
    """One keypoint of one image, labelled and found.

    Attributes
    ----------
    in_image, found
        Whether the label and whether the model has it.
    error_px, error_mm
        Distance between the two, NaN when there is none or no spacing.
    presence, spread_px
        What the model said.
    """

    image: str
    view: str
    keypoint: str
    in_image: bool
    found: bool
    error_px: float
    error_mm: float
    presence: float
    spread_px: float


@dataclass(frozen=True)
class ImageResult:
    """One image: view and foreign object, labelled and predicted, and seconds for keypoints."""

    image: str
    view: str
    frontal_probability: float
    artefact: bool
    artefact_probability: float
    keypoint_seconds: float


def millimetres_per_pixel(
    label: LabelledImage, spacing: float | None
) -> tuple[float, float] | None:
    """(x, y) spacing of an image: its own, else the one given, else from its reference width."""
    if label.spacing_mm is not None:
        return label.spacing_mm[1], label.spacing_mm[0]
    if spacing is not None:
        return spacing, spacing
    view = label.keypoint_view
    if label.reference_width_px and view is not None:
        pitch = REFERENCE_WIDTH_MM[view] / label.reference_width_px
        return pitch, pitch
    return None


def compare(
    label: LabelledImage, found: Iterable[Keypoint], spacing: float | None = None
) -> list[PointResult]:
    """Set the keypoints of a model against those of a label."""
    pitch = millimetres_per_pixel(label, spacing)
    results = []
    for keypoint in found:
        truth = label.points.get(keypoint.name)
        error_px = error_mm = math.nan
        if truth is not None and keypoint.position is not None:
            difference = np.subtract(keypoint.position, truth)
            error_px = float(np.hypot(*difference))
            if pitch is not None:
                error_mm = float(np.hypot(*(difference * pitch)))
        results.append(
            PointResult(
                label.image_path.name,
                str(label.keypoint_view),
                keypoint.name,
                truth is not None,
                keypoint.finding is Finding.FOUND,
                error_px,
                error_mm,
                math.nan if keypoint.confidence is None else keypoint.confidence,
                math.nan if keypoint.spread is None else keypoint.spread,
            )
        )
    return results


def evaluate(
    labels: Sequence[LabelledImage],
    detectors: Mapping[View, KeypointDetector],
    artefact: ImageClassifier | None = None,
    view: ImageClassifier | None = None,
    spacing: float | None = None,
) -> tuple[list[PointResult], list[ImageResult]]:
    """Run the models on labelled images; keypoints with the labelled view's detector."""
    points: list[PointResult] = []
    images: list[ImageResult] = []
    for label in labels:
        pixels = read_image(label.image_path)
        seconds = math.nan
        seen = label.keypoint_view
        if seen is not None and seen in detectors:
            started = time.perf_counter()
            found = detectors[seen].detect(pixels)
            seconds = time.perf_counter() - started
            points += compare(label, found, spacing)
        images.append(
            ImageResult(
                label.image_path.name,
                str(label.view or "oblique"),
                math.nan if view is None else view.probability(pixels)["frontal"],
                label.artefact,
                math.nan if artefact is None else artefact.probability(pixels)["artefact"],
                seconds,
            )
        )
    return points, images


def point_figures(points: Sequence[PointResult]) -> dict[str, float]:
    """`detection_figures`, with ``not_found`` (percent of those in the image) and
    ``presence`` (percent of keypoints whose presence or absence is right)."""
    errors = [p.error_mm for p in points if not math.isnan(p.error_mm)]
    inside = [p for p in points if p.in_image]
    return detection_figures(errors) | {
        "not_found": 100.0 * float(np.mean([not p.found for p in inside])) if inside else math.nan,
        "presence": 100.0 * float(np.mean([p.found == p.in_image for p in points])),
    }


COLUMNS = ("count", "mre", "sd", "median", "p95", *(f"sdr_{r:g}" for r in RADII_MM), "miss")


def markdown(
    points: Sequence[PointResult],
    images: Sequence[ImageResult],
    thresholds: tuple[float, float] = (0.5, 0.5),
) -> str:
    """A report: keypoints by view and name, then foreign objects and view.

    Parameters
    ----------
    points, images
        From `evaluate`.
    thresholds
        Of the artefact and of the view classifier.
    """
    lines = ["## Keypoints", ""]
    titles = ["n", "MRE mm", "SD", "median", "p95", *(f"SDR {r:g} mm %" for r in RADII_MM)]
    titles += ["> 10 mm %", "not found %", "presence right %"]
    lines += [table_row(["", *titles]), table_row(["---"] * (len(titles) + 1))]
    for view in View:
        of_view = [p for p in points if p.view == view.value]
        if not of_view:
            continue
        paper = [number(PAPER_DETECTION[view].get(c)) for c in COLUMNS]
        lines.append(table_row([f"{view}: paper", *paper, "", ""]))
        parts = [(f"**{view}: all**", of_view)]
        parts += [(n, [p for p in of_view if p.keypoint == n]) for n in KEYPOINT_NAMES[view]]
        for title, part in parts:
            figures = point_figures(part)
            cells = [number(figures[c]) for c in (*COLUMNS, "not_found", "presence")]
            lines.append(table_row([title, *cells]))
    asked = [i for i in images if not math.isnan(i.artefact_probability)]
    if asked:
        figures = classification_figures(
            [i.artefact_probability for i in asked], [i.artefact for i in asked], thresholds[0]
        )
        names = ("count", "positives", "auc", "accuracy", "precision", "recall")
        lines += ["", "## Foreign object", "", table_row(["", *names]), table_row(["---"] * 7)]
        lines.append(table_row(["paper", *(number(PAPER_ARTEFACT.get(n), 3) for n in names)]))
        lines.append(table_row(["model", *(number(figures[n], 3) for n in names)]))
    judged = [i for i in images if not math.isnan(i.frontal_probability) and i.view != "oblique"]
    if judged:
        right = [(i.frontal_probability >= thresholds[1]) == (i.view == "frontal") for i in judged]
        lines += ["", f"## View: {sum(right)} of {len(right)} right ({np.mean(right):.1%})"]
    seconds = [i.keypoint_seconds for i in images if not math.isnan(i.keypoint_seconds)]
    if seconds:
        lines += ["", f"Keypoints took {np.median(seconds):.2f} s an image in the median."]
    return "\n".join(lines) + "\n"


def table_row(cells: Sequence[str]) -> str:
    """One row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def number(value: float | None, digits: int = 2) -> str:
    """A figure for a table; nothing for what is not known."""
    if value is None or math.isnan(value):
        return ""
    return str(int(value)) if float(value).is_integer() and value > 100 else f"{value:.{digits}f}"


def write_csv(path: Path, rows: Sequence[PointResult] | Sequence[ImageResult]) -> None:
    """One line per result."""
    if not rows:
        return
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=[f.name for f in fields(rows[0])])
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--split", choices=("val", "train", "all"), default="val")
    parser.add_argument("--spacing", type=float, help="mm per pixel where a label does not say")
    parser.add_argument("--limit", type=int, help="take this many images, evenly")
    options = parser.parse_args(arguments)
    split = None if options.split == "all" else options.split
    try:
        labels = [read_label(p) for folder in options.data for p in label_paths(folder, split)]
        if options.limit and len(labels) > options.limit:
            step = len(labels) / options.limit
            labels = [labels[int(k * step)] for k in range(options.limit)]
        if not labels:
            raise ValueError(f"No label files in {', '.join(map(str, options.data))}.")
        detectors = {
            view: KeypointDetector.from_bundle(folder, options.device)
            for view in View
            if (folder := options.models / f"wrist_keypoints_{view}").is_dir()
        }
        classifiers = {
            name: ImageClassifier.from_bundle(folder, options.device)
            for name in ("artefact", "view")
            if (folder := options.models / f"wrist_{name}").is_dir()
        }
    except (ModelError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    artefact, view = classifiers.get("artefact"), classifiers.get("view")
    points, images = evaluate(labels, detectors, artefact, view, options.spacing)
    thresholds = (
        0.5 if artefact is None else artefact.threshold,
        0.5 if view is None else view.threshold,
    )
    report = markdown(points, images, thresholds)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "evaluation.md").write_text(report, encoding="utf-8")
    write_csv(options.out / "keypoints.csv", points)
    write_csv(options.out / "images.csv", images)
    print(report)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
