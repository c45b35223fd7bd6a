"""Labelled radiographs for training: an image and a Labelme file beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import numpy as np
from PIL import Image

from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import Point
from WristQCLib.labels import FOREIGN_OBJECT, MARKER_LABELS, LabelmeFile
from WristQCLib.labels.files import naming, numbers
from WristQCLib.models.preprocessing import FloatImage

Outline = tuple[Point, ...]
"""Corners (x, y) in pixels, pixel centres at integers."""

HOLD_OUT_EVERY = 7
"""Of a folder without train/ and val/, each image of this rank (by name) is for validation."""


@dataclass(frozen=True)
class LabelledImage:
    """What a label file says.

    Attributes
    ----------
    label_path, image_path
        The files.
    size
        (rows, columns) of the image.
    points
        Keypoints that are in the image: (x, y) in pixels, centres at integers.
    foreign_objects
        Boxes (left, top, right, bottom) around foreign objects, in pixels.
    foreign_outlines
        Polygons of (x, y) along the borders of those that are outlined and not only boxed.
    marker
        The side marker that is whole and not mirrored, None when there is none.
    flags
        Labelme's flags: artefact, implant, frontal, lateral, oblique ...
    spacing_mm
        (row, column) spacing, None when unknown.
    reference_width_px
        For a real image of unknown spacing: the width of the wrist's bones that its reader gave.
    factors
        What the simulator varied, empty for a real image.
    keypoint_view
        The view whose keypoints are labelled; an oblique image may carry one view's points.
    unknown
        Keypoints that nobody has looked for yet.
    outside
        Where keypoints would be that the collimated field or the image leaves out, (x, y) in
        pixels, as far as that is known: of a simulated image.
    field
        Corners of the collimated field, in pixels, clockwise; empty when unknown.
    midlines
        The courses of the shafts, by the proximal keypoint that each ends at, from where the field
        begins to show it, (x, y) in pixels, as far as that is known: of a simulated lateral.
    """

    label_path: Path
    image_path: Path
    size: tuple[int, int]
    points: Mapping[str, Point]
    foreign_objects: tuple[tuple[float, float, float, float], ...]
    foreign_outlines: tuple[Outline, ...]
    marker: Side | None
    flags: Mapping[str, bool]
    spacing_mm: tuple[float, float] | None
    reference_width_px: float | None
    factors: Mapping[str, object]
    keypoint_view: View | None
    unknown: frozenset[str] = frozenset()
    outside: Mapping[str, Point] = dataclasses.field(default_factory=dict)
    field: Outline = ()
    midlines: Mapping[str, Outline] = dataclasses.field(default_factory=dict)

    @property
    def view(self) -> View | None:
        """The view that its flags say; None for an oblique image.

        Some label sets know only the flag ``lateral``: what is not lateral there is frontal.
        """
        return _flagged_view(self.flags)

    @property
    def artefact(self) -> bool:
        """Whether a foreign object is in the image."""
        return self.flags.get("artefact", False)


def read_label(path: Path) -> LabelledImage:
    """Read one Labelme file.

    Raises
    ------
    LabelError
        If the file is no such label, naming it.
    """
    with naming(path):
        return _labelled(path, LabelmeFile.read(path))


def _labelled(path: Path, file: LabelmeFile) -> LabelledImage:
    geometry = file.image.geometry
    width = file.extra.get("ref_width_px")
    # Labelme writes the separators of the system that it runs on.
    image = path.parent / PureWindowsPath(file.image.name).as_posix()
    drawn = list(_foreign_objects(file))
    return LabelledImage(
        label_path=path,
        image_path=image.resolve(),
        size=(geometry.height, geometry.width),
        points=file.points,
        foreign_objects=tuple(_box(corners) for _, corners in drawn),
        foreign_outlines=tuple(corners for kind, corners in drawn if kind == "polygon"),
        marker=next(
            (
                MARKER_LABELS[rectangle.label]
                for rectangle in file.rectangles
                if rectangle.label in MARKER_LABELS and not rectangle.description
            ),
            None,
        ),
        flags=file.flags,
        spacing_mm=None if geometry.spacing is None else geometry.spacing[::-1],
        reference_width_px=None if width is None else float(width),
        factors=file.entry.get("factors") or {},
        keypoint_view=_flagged_view(file.flags) or file.keypoint_view,
        unknown=frozenset(_to_be_placed(file)),
        outside={
            name: _point(place) for name, place in file.entry.get("outside_field", {}).items()
        },
        field=tuple(_point(corner) for corner in file.entry.get("field", ())),
        midlines={
            name: tuple(_point(place) for place in line)
            for name, line in file.entry.get("midlines", {}).items()
        },
    )


def _point(values: object) -> Point:
    x, y = numbers(values, 2, "a point of the collimated field or of a shaft")
    return x, y


def _to_be_placed(file: LabelmeFile) -> Iterator[str]:
    """Keypoints that the file says are still to be placed."""
    for name, values in (file.recorded or {}).get("keypoints", {}).items():
        if values["finding"] == Finding.NOT_ASSESSABLE and name not in file.points:
            yield name


def _flagged_view(flags: Mapping[str, bool]) -> View | None:
    if flags.get("lateral"):
        return View.LATERAL
    return View.FRONTAL if flags.get("frontal", not flags.get("oblique", False)) else None


def _foreign_objects(file: LabelmeFile) -> Iterator[tuple[str, Outline]]:
    """Type of shape and corners of everything that is labelled as a foreign object."""
    for rectangle in file.rectangles:
        if rectangle.label == FOREIGN_OBJECT:
            x0, y0, x1, y1 = rectangle.box
            yield "rectangle", ((x0, y0), (x1, y1))
    for shape in file.others:
        if shape["label"] == FOREIGN_OBJECT:
            corners = (
                numbers(corner, 2, "a foreign object's corner") for corner in shape["points"]
            )
            yield shape["shape_type"], tuple((x, y) for x, y in corners)


def _box(corners: Outline) -> tuple[float, float, float, float]:
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def label_paths(folder: Path, split: str | None = None) -> list[Path]:
    """The label files under a folder, sorted.

    Parameters
    ----------
    folder
        Holds label files anywhere below it, or in train/ and val/.
    split
        ``"train"`` or ``"val"``; None takes all. Without these subfolders every seventh file by
        name is for validation.
    """
    if split is not None and (folder / split).is_dir():
        return sorted((folder / split).rglob("*.json"))
    paths = sorted(folder.rglob("*.json"))
    if split is None:
        return paths
    held_out = set(paths[::HOLD_OUT_EVERY])
    return [path for path in paths if (path in held_out) == (split == "val")]


def read_image(path: Path) -> FloatImage:
    """Grey values of an image file, (rows, columns) float32, unscaled; colour is averaged."""
    with Image.open(path) as image:
        pixels = np.asarray(image, dtype=np.float32)
    return pixels if pixels.ndim == 2 else pixels[..., :3].mean(axis=2)
