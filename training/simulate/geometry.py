"""Where keypoints lie to one another, in real and in simulated images.

Lengths are in units of the image's own, so that images of unknown pixel spacing can be compared:
the distance of scaphoid and distal radius in a lateral, that of the styloids in a frontal.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.labels import LabelledImage, label_paths, read_label
from training.tables import table
from WristQCLib.findings import View
from WristQCLib.keypoints import KEYPOINT_NAMES, Point

Array = NDArray[np.float64]


def geometry_table(real: Path, simulated: Path, view: View) -> list[str]:
    """Lines of a Markdown table: median (10th to 90th percentile) of each measure and group.

    Parameters
    ----------
    real
        Folder of labelled real images; the part of a file's name before the first ``_`` tells its
        source.
    simulated
        Folder of simulated images; they are grouped by age.
    view
        View to compare.

    Raises
    ------
    FileNotFoundError
        If a folder holds no image with the keypoints that are needed.
    """
    groups: dict[str, list[dict[str, float]]] = defaultdict(list)
    for folder in (real, simulated):
        found = list(_measured(folder, view))
        if not found:
            raise FileNotFoundError(f"'{folder}' holds no {view} image with all its keypoints.")
        for group, measures in found:
            groups[group].append(measures)
    names = list(dict.fromkeys(name for rows in groups.values() for row in rows for name in row))
    order = sorted(groups)
    header = ["", *(f"{group} ({len(groups[group])})" for group in order)]
    return table(header, ([name, *(_spread(groups[g], name) for g in order)] for name in names))


def lateral_geometry(points: Mapping[str, Point]) -> dict[str, float]:
    """Shape of the five keypoints, in a frame along the forearm with its origin in the radius.

    Angles in degrees; *palmar* is the scaphoid's side of the forearm's axis, which runs from midway
    between the proximal centres to midway between the distal ones. The unit of lengths is the
    distance from the distal radius centre to the scaphoid's centre.
    """
    scaphoid, radius, radius_end, ulna, ulna_end = (
        np.array(points[name]) for name in KEYPOINT_NAMES[View.LATERAL]
    )
    forearm = (radius + ulna - radius_end - ulna_end) / 2.0
    along = forearm / np.hypot(*forearm)
    palmar = np.array([along[1], -along[0]])
    palmar *= 1.0 if (scaphoid - radius) @ palmar > 0.0 else -1.0
    unit = float(np.hypot(*(scaphoid - radius)))
    return {
        "scaphoid off the axis, deg": _angle(along, scaphoid - radius),
        "radius and ulna seen from the scaphoid, deg": _angle(radius - scaphoid, ulna - scaphoid),
        "ulna proximal of the radius": float((radius - ulna) @ along) / unit,
        "ulna palmar of the radius": float((ulna - radius) @ palmar) / unit,
        "ulna palmar of the radius, proximal centres": float((ulna_end - radius_end) @ palmar)
        / unit,
        "length of forearm shown": float(np.hypot(*forearm)) / unit,
    }


def frontal_geometry(points: Mapping[str, Point]) -> dict[str, float]:
    """Shape of the two or three keypoints; the unit of lengths is the distance of the styloids.

    Angles in degrees.
    """
    radial, ulnar = np.array(points["radial_styloid"]), np.array(points["ulnar_styloid"])
    line = radial - ulnar
    unit = float(np.hypot(*line))
    level = abs(line[0]) / unit
    measures = {"line of the styloids off the horizontal, deg": float(np.degrees(np.arccos(level)))}
    if "thumb_mcp_joint" in points:
        thumb = np.array(points["thumb_mcp_joint"]) - radial
        measures["thumb from the radial styloid"] = float(np.hypot(*thumb)) / unit
        measures["thumb off the line of the styloids, deg"] = _angle(line, thumb)
    return measures


def _measured(folder: Path, view: View) -> Iterator[tuple[str, dict[str, float]]]:
    needed = set(KEYPOINT_NAMES[view]) - {"thumb_mcp_joint"}
    measure = lateral_geometry if view is View.LATERAL else frontal_geometry
    for path in label_paths(folder):
        label = read_label(path)
        if label.view is view and needed <= set(label.points):
            yield _group(label), measure(label.points)


def _group(label: LabelledImage) -> str:
    age = label.factors.get("age_group")
    return f"simulated {age}" if age else f"real {label.label_path.stem.split('_')[0]}"


def _spread(rows: list[dict[str, float]], name: str) -> str:
    values = [row[name] for row in rows if name in row]
    if not values:
        return ""
    low, middle, high = np.percentile(values, [10, 50, 90])
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def _angle(a: Array, b: Array) -> float:
    """Angle between two directions, degrees from 0 to 180."""
    return float(np.degrees(np.arctan2(abs(a[0] * b[1] - a[1] * b[0]), a @ b)))
