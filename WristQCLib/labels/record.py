"""Labels as plain data: the ``wristqc`` entry of a label file.

It holds all that the file's own form has no place for. What that form does hold is read from there,
because that is what a person edits.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeGuard

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoint, Keypoints
from WristQCLib.labels.files import Json, number, numbers, optional_number, text
from WristQCLib.labels.image_labels import ImageLabels, LabelledImage, Placement, Rectangle
from WristQCLib.measurements import ImageGeometry

KEY = "wristqc"
"""Name of the entry in a label file."""
FORMAT = 1
"""Version of the entry's form."""

_OWN = (
    "format", "view", "side", "sop_instance_uid", "pixels_sha256", "pixel_spacing_mm",
    "pixel_aspect", "artefact", "keypoints",
)  # fmt: skip
_PORTABLE = ("image", "rectangles", "flags", "extra")
READINGS = "readings"
"""Part of an exported entry: ids of the stored readings that it shows, so that an edited file
replaces them."""


def record(labels: ImageLabels) -> Json:
    """What is known of a label beyond names, positions, rectangles and flags."""
    image, artefact = labels.image, labels.artefact
    spacing = image.geometry.spacing
    return {
        "format": FORMAT,
        "view": str(labels.view),
        "side": None if labels.side is None else str(labels.side),
        "sop_instance_uid": image.sop_instance_uid,
        "pixels_sha256": image.pixels_sha256,
        # [row, column] as in DICOM
        "pixel_spacing_mm": None if spacing is None else [spacing[1], spacing[0]],
        "pixel_aspect": image.geometry.pixel_aspect,
        "artefact": {
            "finding": str(artefact.finding),
            "source": artefact.source,
            "probability": artefact.probability,
            "threshold": artefact.threshold,
        },
        "keypoints": {
            point.name: _keypoint(point, labels.placements.get(point.name, Placement()))
            for point in labels.keypoints
        },
    }


def _keypoint(point: Keypoint, placement: Placement) -> Json:
    return {
        "finding": str(point.finding),
        "position": list(point.position) if point.position else None,
        "confidence": point.confidence,
        "spread": point.spread,
        "placed_by": point.placed_by,
        "placed_at": None if placement.when is None else placement.when.isoformat(),
        "note": placement.note,
    }


def portable_record(labels: ImageLabels) -> Json:
    """`record` with image, rectangles, flags and extra: all of a label."""
    image = labels.image
    return {
        **record(labels),
        "image": {
            "name": image.name,
            "width": image.geometry.width,
            "height": image.geometry.height,
        },
        "rectangles": [
            {"label": r.label, "box": list(r.box), "description": r.description}
            for r in labels.rectangles
        ],
        "flags": dict(labels.flags),
        "extra": dict(labels.extra),
    }


def labels_of(entry: Json, image: LabelledImage | None = None) -> ImageLabels:
    """The labels that `portable_record` made an entry of.

    Parameters
    ----------
    entry
        The record.
    image
        Goes before the image that the record tells of.

    Raises
    ------
    ValueError
        If it is of a later form or lacks the view; what a damaged one raises else, `naming` turns
        into one sentence.
    """
    check_format(entry)
    view = view_of(entry)
    if view is None:
        raise ValueError("its record lacks the view; export the labels again")
    of = entry["image"]
    keypoints, placements = keypoints_of(entry, view)
    return ImageLabels(
        image or image_of(entry, text(of["name"], "the image's name"), of["width"], of["height"]),
        keypoints,
        artefact_of(entry),
        side_of(entry),
        rectangles_of(entry["rectangles"]),
        placements,
        flags_of(entry["flags"]),
        dict(entry["extra"]),
    )


def is_record(entry: object) -> TypeGuard[Json]:
    """Whether `record` wrote the entry; other tools may keep data of their own under its name."""
    return isinstance(entry, dict) and "format" in entry and "keypoints" in entry


def check_format(entry: Json) -> None:
    """Raise ValueError for an entry of a later form."""
    if entry["format"] != FORMAT:
        raise ValueError(
            f"its form is {entry['format']!r} and this version reads {FORMAT}; update WristQC"
        )


def foreign(entry: Json) -> Json:
    """What other tools keep under the entry's name."""
    return {key: value for key, value in entry.items() if key not in (*_OWN, *_PORTABLE, READINGS)}


def image_of(entry: Json, name: str, width: object, height: object) -> LabelledImage:
    """The image that an entry tells of, with the name and size that its file tells (pixels)."""
    size = _pixels(width, "the image's width"), _pixels(height, "the image's height")
    spacing = None
    if entry.get("pixel_spacing_mm") is not None:
        row, column = numbers(entry["pixel_spacing_mm"], 2, "the pixel spacing")
        spacing = (column, row)
    aspect = entry.get("pixel_aspect")
    if aspect is None:
        aspect = spacing[1] / spacing[0] if spacing and spacing[0] > 0 else 1.0
    return LabelledImage(
        name,
        ImageGeometry(*size, spacing, number(aspect, "the pixel aspect")),
        text(entry.get("sop_instance_uid") or "", "the SOP instance UID"),
        text(entry.get("pixels_sha256") or "", "the pixels' SHA-256"),
    )


def _pixels(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        raise ValueError(f"{what} must be a positive whole number, got {value!r}")
    return value


def side_of(entry: Json) -> Side | None:
    """The side that an entry tells, None when it tells none."""
    side = entry.get("side")
    if side in (None, ""):
        return None
    try:
        return Side(side)
    except ValueError as error:
        raise ValueError(f"the side must be L or R, got {side!r}") from error


def view_of(entry: Json) -> View | None:
    """The view that an entry tells, None when it tells none."""
    view = entry.get("view")
    if view is None:
        return None
    try:
        return View(view)
    except ValueError as error:
        raise ValueError(f"the view must be frontal or lateral, got {view!r}") from error


def artefact_of(entry: Json) -> ArtefactFinding:
    """Whether there is a foreign object, as a record tells."""
    values = entry["artefact"]
    return ArtefactFinding(
        Finding(values["finding"]),
        text(values["source"], "the artefact's source"),
        optional_number(values["probability"], "the artefact's probability"),
        optional_number(values["threshold"], "the artefact's threshold"),
    )


def keypoints_of(entry: Json, view: View) -> tuple[Keypoints, dict[str, Placement]]:
    """Keypoints and their placements; names that the entry lacks are still to be placed."""
    points, placements = [], {}
    for name, values in entry["keypoints"].items():
        if name not in KEYPOINT_NAMES[view]:
            continue  # the view was corrected since
        position = values["position"]
        if position is not None:
            x, y = numbers(position, 2, f"the position of '{name}'")
            position = (x, y)
        points.append(
            Keypoint(
                name,
                Finding(values["finding"]),
                position,
                optional_number(values["confidence"], f"the confidence of '{name}'"),
                optional_number(values["spread"], f"the spread of '{name}'"),
                text(values["placed_by"], f"who placed '{name}'"),
            )
        )
        when = values["placed_at"]
        placement = Placement(
            None if when is None else datetime.fromisoformat(when),
            text(values["note"], f"the note of '{name}'"),
        )
        if placement != Placement():
            placements[name] = placement
    return Keypoints.from_points(view, points), placements


def rectangles_of(entries: list[Mapping[str, Any]]) -> tuple[Rectangle, ...]:
    """The rectangles of a portable record."""
    rectangles = []
    for entry in entries:
        x0, y0, x1, y1 = numbers(entry["box"], 4, "the corners of a rectangle")
        label = text(entry["label"], "the label of a rectangle")
        rectangles.append(Rectangle(label, (x0, y0, x1, y1), text(entry["description"], label)))
    return tuple(rectangles)


def flags_of(flags: object) -> dict[str, bool]:
    """The image's flags, each true or false."""
    if not isinstance(flags, dict) or not all(isinstance(v, bool) for v in flags.values()):
        raise ValueError(f"the flags must be true or false by name, got {flags!r}")
    return flags
