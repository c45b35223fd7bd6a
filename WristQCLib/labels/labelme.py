"""Labels as Labelme 5 JSON: point shapes, rectangles and flags.

Points are labelled with keypoint names; one that is not listed is not in the image, unless the
``wristqc`` entry says that it is still to be placed. Labelme keeps that entry when it saves.

Coordinates are written as they are, pixel centres at integers. Labelme draws them on a canvas whose
pixels' upper left corners are at integers, so that points appear half a pixel up and left of where
they are; label sets that are made with Labelme alone are taken as they are, too.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoint, Keypoints, Point
from WristQCLib.labels.files import Json, naming, read_json, write_json
from WristQCLib.labels.image_labels import ImageLabels, Placement
from WristQCLib.labels.labelme_file import LabelmeFile
from WristQCLib.labels.record import (
    KEY,
    artefact_of,
    foreign,
    keypoints_of,
    record,
    side_of,
    view_of,
)

VERSION = "5.3.1"
"""Version of Labelme whose files these are."""


def write_labelme(path: Path | str, labels: ImageLabels, image: ArrayLike | None = None) -> None:
    """Write labels as a Labelme file.

    Parameters
    ----------
    path
        The JSON file.
    labels
        `labels.image.name` becomes the image's path, relative to the file.
    image
        (rows, columns) in [0, 1] as it is displayed, to be embedded as PNG. Labelme opens no DICOM
        files, so it needs this when the image is one.

    Raises
    ------
    LabelError
        If the file cannot be written.
    ValueError
        If the image has another size than the labels say.
    """
    write_json(Path(path), labelme_document(labels, image))


def labelme_document(labels: ImageLabels, image: ArrayLike | None = None) -> Json:
    """The content of a Labelme file; see `write_labelme`."""
    geometry, extra = labels.image.geometry, dict(labels.extra)
    shapes = []
    for point in labels.keypoints:
        if point.position is not None:
            note = labels.placements.get(point.name, Placement()).note
            shapes.append(_shape(point.name, "point", [point.position], note))
    for rectangle in labels.rectangles:
        x0, y0, x1, y1 = rectangle.box
        corners = [(x0, y0), (x1, y1)]
        shapes.append(_shape(rectangle.label, "rectangle", corners, rectangle.description))
    return {
        "version": VERSION,
        "flags": {
            "artefact": labels.artefact.finding is Finding.FOUND,
            "frontal": labels.view is View.FRONTAL,
            "lateral": labels.view is View.LATERAL,
            **labels.flags,
        },
        "shapes": shapes + extra.pop("shapes", []),
        "imagePath": labels.image.name,
        "imageData": None if image is None else _png(image, (geometry.height, geometry.width)),
        "imageHeight": geometry.height,
        "imageWidth": geometry.width,
        KEY: extra.pop(KEY, {}) | record(labels),
        **extra,
    }


def read_labelme(
    path: Path | str, view: View | None = None, person: str = "unnamed"
) -> ImageLabels:
    """Read a Labelme file, whoever wrote it; an embedded picture is not read.

    Parameters
    ----------
    path
        The JSON file.
    view
        Where given, goes before what the file says.
    person
        Who placed the points and set the flags that the ``wristqc`` entry does not know.

    Raises
    ------
    LabelError
        If the file is no such label; one sentence that names it.
    """
    path = Path(path)
    return labelme_labels(path, read_json(path), view, person)


def labelme_labels(
    path: Path, document: Json, view: View | None = None, person: str = "unnamed"
) -> ImageLabels:
    """The labels of a Labelme file's content; see `read_labelme`."""
    file = LabelmeFile.of(path, document)
    with naming(path):
        return _labels(file, view, person)


def _labels(file: LabelmeFile, view: View | None, person: str) -> ImageLabels:
    recorded, flags = file.recorded, dict(file.flags)
    view = view or _view(file)
    if stray := [name for name in file.points if name not in KEYPOINT_NAMES[view]]:
        raise ValueError(
            f"the view is {view} but {', '.join(stray)} are of the other view;"
            " correct the flags or delete these points"
        )
    if any(flags.get(name) for name in View):  # an oblique image has both flags off: keep that
        for name in View:
            flags.pop(name, None)
    artefact = _artefact(flags.pop("artefact", False), recorded, person)
    keypoints, placements = (
        keypoints_of(recorded, view) if recorded else (Keypoints.to_be_placed(view), {})
    )
    notes = {name: replace(placements.get(name, Placement()), note=note)
             for name, note in file.notes.items()}  # fmt: skip
    extra = dict(file.extra)
    extra |= {"shapes": list(file.others)} if file.others else {}
    extra |= {KEY: kept} if (kept := foreign(file.entry)) else {}
    labels = ImageLabels(
        file.image,
        keypoints,
        artefact,
        side_of(file.entry),
        file.rectangles,
        placements | notes,
        flags,
        extra,
    )
    return labels.edited(_as_listed(keypoints, file.points, bool(recorded), f"person:{person}"))


def _view(file: LabelmeFile) -> View:
    """The view that the flags say, else the recorded one, else that of the labelled points."""
    said = [view for view in View if file.flags.get(view)]
    if len(said) == 2:
        raise ValueError("its flags say both frontal and lateral; keep one")
    view = said[0] if said else view_of(file.entry) or file.keypoint_view
    if view is not None:
        return view
    raise ValueError("it does not say whether the image is frontal or lateral; set one flag")


def _artefact(flag: bool, recorded: Json | None, person: str) -> ArtefactFinding:
    """What is recorded while the flag agrees with it, else what the person who set it says."""
    if recorded:
        artefact = artefact_of(recorded)
        if (artefact.finding is Finding.FOUND) == flag:
            return artefact
    return ArtefactFinding.stated(flag, person)


def _as_listed(
    keypoints: Keypoints, points: Mapping[str, Point], recorded: bool, placed_by: str
) -> Keypoints:
    """Found where listed; absent ones are not in the image, or still as they were recorded."""
    listed = []
    for point in keypoints:
        if point.name in points:
            position = points[point.name]
            listed.append(Keypoint(point.name, Finding.FOUND, position, placed_by=placed_by))
        elif recorded and point.finding is Finding.NOT_ASSESSABLE:
            listed.append(point)
        else:
            listed.append(Keypoint(point.name, Finding.NOT_FOUND, placed_by=placed_by))
    return Keypoints(keypoints.view, tuple(listed))


def _shape(label: str, kind: str, corners: list[Point], description: str) -> Json:
    return {
        "label": label,
        "points": [list(corner) for corner in corners],
        "group_id": None,
        "description": description,
        "shape_type": kind,
        "flags": {},
    }


def _png(image: ArrayLike, size: tuple[int, int]) -> str:
    """An 8-bit grey PNG in base64."""
    from PIL import Image

    grey = np.asarray(image, dtype=np.float64)
    if grey.shape != size:
        raise ValueError(f"The labels are of an image of {size}, the picture is {grey.shape}.")
    buffer = io.BytesIO()
    Image.fromarray(np.round(grey.clip(0, 1) * 255).astype(np.uint8)).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
