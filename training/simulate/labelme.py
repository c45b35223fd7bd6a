"""Labels of simulated radiographs as Labelme 5 files, the format of the real labelled sets too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.simulate.exposure import SimulatedRadiograph
from WristQCLib.findings import View
from WristQCLib.keypoints import KEYPOINT_NAMES

LABELME_VERSION = "5.3.1"

MIDLINE_STEP_PX = 6.0
"""About how far apart the points are that tell a shaft's course."""


def labelme_document(
    radiograph: SimulatedRadiograph, image_name: str, seed: int
) -> dict[str, object]:
    """The label file's content; a keypoint that is not in the image is not listed."""

    def shape(
        label: str,
        points: list[list[float]],
        kind: str,
        description: str = "",
        group: int | None = None,
    ) -> dict[str, object]:
        return {
            "label": label,
            "points": [_rounded(point) for point in points],
            "group_id": group,
            "description": description,
            "shape_type": kind,
            "flags": {},
        }

    shapes = [
        shape(name, [list(radiograph.keypoints[name])], "point")
        for name in KEYPOINT_NAMES[radiograph.view]
        if name in radiograph.keypoints
    ]
    for marker in radiograph.markers:
        x0, y0, x1, y1 = marker.rectangle
        label = f"marker_{marker.letter.value}"
        shapes.append(shape(label, [[x0, y0], [x1, y1]], "rectangle", marker.description))
    for number, thing in enumerate(radiograph.objects):
        for polygon in thing.polygons:
            shapes.append(shape("foreign_object", polygon.tolist(), "polygon", thing.kind, number))
    rows, cols = radiograph.pixels.shape
    return {
        "version": LABELME_VERSION,
        "flags": {
            "artefact": radiograph.artefact,
            "implant": radiograph.implant,
            "frontal": radiograph.view is View.FRONTAL,
            "lateral": radiograph.view is View.LATERAL,
        },
        "shapes": shapes,
        "imagePath": image_name,
        "imageData": None,
        "imageHeight": rows,
        "imageWidth": cols,
        "wristqc": {
            "pixel_spacing_mm": [round(radiograph.spacing, 5)] * 2,
            "seed": seed,
            "side": radiograph.side.value,
            "field": [_rounded(corner) for corner in radiograph.field.tolist()],
            "outside_field": {n: _rounded(point) for n, point in radiograph.outside.items()},
            "midlines": {n: _thinned(line) for n, line in radiograph.midlines.items()},
            "factors": {name: _plain(value) for name, value in radiograph.factors.items()},
        },
    }


def write_labelled_png(radiograph: SimulatedRadiograph, stem: Path, seed: int) -> None:
    """Write ``stem.png`` (8 bits) and ``stem.json``; the labels last: they vouch for both."""
    image = stem.with_suffix(".png")
    part = image.with_suffix(".png.part")
    Image.fromarray((radiograph.pixels >> 4).astype(np.uint8)).save(
        part, format="PNG", compress_level=4
    )
    part.replace(image)
    write_labels(radiograph, image, seed)


def write_labels(radiograph: SimulatedRadiograph, image: Path, seed: int) -> None:
    """Write the label file of an image, beside it and of the same stem."""
    labels = image.with_suffix(".json")
    part = labels.with_suffix(".json.part")
    document = labelme_document(radiograph, image.name, seed)
    part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    part.replace(labels)


def _rounded(point: Sequence[float]) -> list[float]:
    return [round(float(value), 2) for value in point]


def _thinned(line: NDArray[np.float64]) -> list[list[float]]:
    """A polyline by fewer points, both ends among them."""
    length = float(np.hypot(*np.diff(line, axis=0).T).sum())
    count = 2 + int(length / MIDLINE_STEP_PX)
    kept = np.linspace(0, len(line) - 1, count).round().astype(int)
    return [_rounded(point) for point in line[kept]]


def _plain(value: object) -> object:
    """NumPy scalars as Python's own, for JSON."""
    return value.item() if isinstance(value, np.generic) else value
