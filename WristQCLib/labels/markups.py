"""Labels as a 3D Slicer markups file (.mrk.json): one fiducial list per image.

Control points are labelled with keypoint names, and described as those of the scene are, so that a
list that Slicer saved can be read and a list that is written here can be used there.
``positionStatus`` tells what a position cannot: ``defined``, ``missing`` (not in the image),
``undefined`` (still to be placed). The ``wristqc`` entry holds the rest of a label; Slicer ignores
it and drops it when it saves the list.

Schema: https://github.com/Slicer/Slicer, Modules/Loadable/Markups/Resources/Schema.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoint, Keypoints
from WristQCLib.labels.files import (
    Json,
    naming,
    numbers,
    optional_number,
    read_json,
    text,
    write_json,
)
from WristQCLib.labels.image_labels import ImageLabels, LabelledImage
from WristQCLib.labels.record import KEY, is_record, labels_of, portable_record
from WristQCLib.measurements import ImageGeometry
from WristQCLib.scene.grid import PixelGrid

SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/"
    "Schema/markups-schema-v1.0.3.json#"
)
"""Slicer compares it with the name of the schema; the address itself is history."""

POSITION_STATUS = {
    Finding.FOUND: "defined",
    Finding.NOT_FOUND: "missing",
    Finding.NOT_ASSESSABLE: "undefined",
}
_FINDING = {status: finding for finding, status in POSITION_STATUS.items()}
_FINDING["preview"] = Finding.NOT_ASSESSABLE  # hangs on the mouse, was never placed

_SAME_PLACE = 1e-6
"""Distance in pixels that conversion to millimetres and back may make."""
_OFF_PLANE_MM = 0.5
"""The image lies in the plane z = 0; a point farther from it belongs to another image."""


def write_markups(path: Path | str, labels: ImageLabels) -> None:
    """Write labels as a markups file.

    Raises
    ------
    LabelError
        If the file cannot be written.
    """
    write_json(Path(path), markups_document(labels))


def markups_document(labels: ImageLabels) -> Json:
    """The content of a markups file; see `write_markups`."""
    geometry = labels.image.geometry
    return {
        "@schema": SCHEMA,
        "markups": [
            {
                "type": "Fiducial",
                "coordinateSystem": "LPS",
                "coordinateUnits": "mm",
                "locked": False,
                "fixedNumberOfControlPoints": True,
                "labelFormat": "%N-%d",
                "lastUsedControlPointNumber": len(labels.keypoints),
                "controlPoints": [
                    _control_point(number, point, geometry)
                    for number, point in enumerate(labels.keypoints, start=1)
                ],
                "measurements": [],
            }
        ],
        KEY: portable_record(labels),
    }


def _control_point(number: int, point: Keypoint, geometry: ImageGeometry) -> Json:
    place: dict[str, Any] = {}
    if point.position is not None:
        right, anterior, superior = PixelGrid.of(geometry).to_ras(point.position)
        place["position"] = [-right, -anterior, superior]
    return {
        "id": str(number),
        "label": point.name,
        "description": json.dumps(
            {
                "name": point.name,
                "confidence": point.confidence,
                "spread": point.spread,
                "placed_by": point.placed_by,
            }
        ),
        "associatedNodeID": "",
        **place,
        "orientation": [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0],
        "selected": True,
        "locked": False,
        "visibility": True,
        "positionStatus": POSITION_STATUS[point.finding],
    }


def read_markups(
    path: Path | str, image: LabelledImage | None = None, person: str = "unnamed"
) -> ImageLabels:
    """Read a markups file, whether WristQC or Slicer wrote it last.

    Parameters
    ----------
    path
        The .mrk.json file.
    image
        Which image the points are of; needed when the file has no ``wristqc`` entry, because then
        only the image tells the size of its pixels. What else a label holds is then unknown.
    person
        Who placed the points that the ``wristqc`` entry does not know.

    Raises
    ------
    LabelError
        If the file is no such list; one sentence that names it.
    """
    path = Path(path)
    return markups_labels(path, read_json(path), image, person)


def markups_labels(
    path: Path, document: Json, image: LabelledImage | None = None, person: str = "unnamed"
) -> ImageLabels:
    """The labels of a markups file's content; see `read_markups`."""
    with naming(path):
        return _labels(document, image, f"person:{person}")


def _labels(document: Json, image: LabelledImage | None, placed_by: str) -> ImageLabels:
    if not isinstance(document.get("markups"), list):
        raise ValueError("it lacks 'markups', so it is not a markups file of 3D Slicer")
    markup, view = _keypoint_list(document["markups"])
    entry = document.get(KEY)
    if is_record(entry):
        labels = labels_of(entry, image)
        if labels.view is not view:
            raise ValueError(
                f"its points are of the {view} view but it is recorded as {labels.view};"
                " export the labels again"
            )
    elif image is not None:
        unseen = ArtefactFinding.not_assessed("A markups file does not tell it.")
        labels = ImageLabels(image, Keypoints.to_be_placed(view), unseen)
    else:
        raise ValueError("it does not tell the size of the pixels; give the image with it")
    return labels.edited(_keypoints(markup, labels, placed_by))


def _keypoint_list(markups: list[Json]) -> tuple[Json, View]:
    """The fiducial list that holds keypoints; lines and angles may lie beside it."""
    lists = [
        (markup, view)
        for markup in markups
        if markup.get("type") == "Fiducial"
        for view in View
        if any(_about(p)["name"] in KEYPOINT_NAMES[view] for p in markup.get("controlPoints", ()))
    ]
    if len(lists) != 1:
        raise ValueError(
            "it holds no point that is labelled with a keypoint's name; label them so"
            if not lists
            else "it holds the keypoints of more than one image; save one list per file"
        )
    return lists[0]


def _about(control: Json) -> Json:
    """Name, confidence, spread and who placed it, as a description tells; else the label alone."""
    try:
        about = json.loads(control["description"])
        return {
            "name": text(about["name"], "a name"),
            "confidence": optional_number(about["confidence"], "a confidence"),
            "spread": optional_number(about["spread"], "a spread"),
            "placed_by": text(about["placed_by"], "who placed it"),
        }
    except (KeyError, TypeError, ValueError):  # someone's words
        return {"name": text(control["label"], "the label of a point")}


def _keypoints(markup: Json, labels: ImageLabels, placed_by: str) -> Keypoints:
    system = markup.get("coordinateSystem", "LPS")
    if system not in ("LPS", "RAS"):
        raise ValueError(f"its coordinate system must be LPS or RAS, got {system!r}")
    sign = -1.0 if system == "LPS" else 1.0
    grid = PixelGrid.of(labels.image.geometry)
    points: dict[str, Keypoint] = {}
    for control in markup["controlPoints"]:
        about = _about(control)
        name = about["name"]
        if name not in KEYPOINT_NAMES[labels.view]:
            raise ValueError(f"'{name}' is not a keypoint of the {labels.view} view; delete it")
        if name in points:
            raise ValueError(f"'{name}' is listed more than once; delete all but one")
        status = control.get("positionStatus", "defined")
        if status not in _FINDING:
            raise ValueError(f"the position status of '{name}' is unknown: {status!r}")
        known, finding, position = labels.keypoints[name], _FINDING[status], None
        if finding is Finding.FOUND:
            x, y, z = numbers(control["position"], 3, f"the position of '{name}'")
            if abs(z) > _OFF_PLANE_MM:
                raise ValueError(
                    f"'{name}' lies {abs(z):.1f} mm off the image's plane; place it on the image"
                )
            position = grid.to_pixels((sign * x, sign * y, z))
            if known.position and math.dist(position, known.position) < _SAME_PLACE:
                position = known.position
        after = Keypoint(finding=finding, position=position, **about)
        # A description that did not change with its point is not of whoever moved it.
        stale = (after.finding, after.position) != (known.finding, known.position) and (
            not after.placed_by or after.placed_by == known.placed_by
        )
        if stale and finding is not Finding.NOT_ASSESSABLE:
            after = Keypoint(name, finding, position, placed_by=placed_by)
        points[name] = after
    return Keypoints.from_points(labels.view, points.values())
