"""Judge bundles on labelled images: ``python -m training.evaluate --data FOLDER ... --out DIR``.

The folders hold images with Labelme JSON files beside them: the simulator's, or your own. Writes
``evaluation.md`` (the paper's figures beside the models'), pictures, ``keypoints.csv`` (one line
per keypoint and image) and ``images.csv`` (one line per image).
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from training.evaluation_report import markdown
from training.labels import label_paths, read_label
from training.plots import draw
from training.results import ImageResult, PointResult, run_models
from WristQCLib.assessment import Score
from WristQCLib.findings import View
from WristQCLib.model_set import BUNDLED_MODELS
from WristQCLib.models import ImageClassifier, KeypointDetector, ModelError
from WristQCLib.protocol import load_protocol


def columns(row: PointResult | ImageResult) -> dict[str, object]:
    """A result as columns: scores as total, grade and grades of tasks, factors one by one."""
    cells: dict[str, object] = {}
    for field in fields(row):
        value = getattr(row, field.name)
        if isinstance(value, Score):
            cells |= {f"{field.name}_total": value.total, f"{field.name}_grade": value.grade}
            cells |= {
                f"{field.name}_{task.id}": task.grade
                for task in value.tasks
                if task.grade is not None
            }
        elif isinstance(value, Mapping):
            cells |= {f"factor_{name}": factor for name, factor in value.items()}
        elif value is not None:
            cells[field.name] = value
    return cells


def write_csv(path: Path, rows: Sequence[PointResult] | Sequence[ImageResult]) -> None:
    """One line per result."""
    if not rows:
        return
    lines = [columns(row) for row in rows]
    names = dict.fromkeys(name for line in lines for name in line)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(names))
        writer.writeheader()
        writer.writerows(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=BUNDLED_MODELS)
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
    protocol = load_protocol()
    artefact, view = classifiers.get("artefact"), classifiers.get("view")
    points, images = run_models(labels, detectors, protocol, artefact, view, options.spacing)
    thresholds = (
        0.5 if artefact is None else artefact.threshold,
        0.5 if view is None else view.threshold,
    )
    report = markdown(points, images, protocol, thresholds)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "evaluation.md").write_text(report, encoding="utf-8")
    write_csv(options.out / "keypoints.csv", points)
    write_csv(options.out / "images.csv", images)
    draw(points, images, protocol, options.out)
    print(report)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
