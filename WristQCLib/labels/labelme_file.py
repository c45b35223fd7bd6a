"""What a Labelme 5 file lists, before anyone decides what it means: whose view, who placed it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from WristQCLib.findings import View
from WristQCLib.keypoints import KEYPOINT_NAMES, Point
from WristQCLib.labels.files import Json, naming, numbers, read_json, text
from WristQCLib.labels.image_labels import LabelledImage, Rectangle
from WristQCLib.labels.record import KEY, check_format, flags_of, image_of, is_record

_TOP = ("version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth", KEY)
_KEYPOINTS = frozenset(name for names in KEYPOINT_NAMES.values() for name in names)


@dataclass(frozen=True)
class LabelmeFile:
    """The content of a Labelme file; an embedded picture is not kept.

    Attributes
    ----------
    image
        Which image; its name is the image's path relative to the file, as it is written there.
    points
        Keypoints of either view by name: (x, y) in pixels, centres at integers.
    notes
        Their descriptions, where they have one.
    rectangles
        All rectangles.
    others
        All other shapes, as they are.
    flags
        All flags.
    entry
        The ``wristqc`` entry, whoever wrote it.
    extra
        What else stands at the document's top level.
    """

    image: LabelledImage
    points: Mapping[str, Point]
    notes: Mapping[str, str]
    rectangles: tuple[Rectangle, ...]
    others: tuple[Json, ...]
    flags: Mapping[str, bool]
    entry: Json
    extra: Json

    @property
    def recorded(self) -> Json | None:
        """The ``wristqc`` entry if it is a label's record (`WristQCLib.labels.record`)."""
        return self.entry if is_record(self.entry) else None

    @property
    def keypoint_view(self) -> View | None:
        """The view whose keypoints are listed, None when there are none or both views'."""
        listed = [v for v in View if any(name in self.points for name in KEYPOINT_NAMES[v])]
        return listed[0] if len(listed) == 1 else None

    @classmethod
    def read(cls, path: Path) -> LabelmeFile:
        """Read a Labelme file.

        Raises
        ------
        LabelError
            If the file is none; one sentence that names it.
        """
        return cls.of(path, read_json(path))

    @classmethod
    def of(cls, path: Path, document: Json) -> LabelmeFile:
        """The content of a Labelme file that was read; see `read`."""
        with naming(path):
            if "shapes" not in document or "imagePath" not in document:
                raise ValueError("it lacks 'shapes' or 'imagePath', so it is not a Labelme file")
            points, notes, rectangles, others = _sorted(document["shapes"])
            entry = document.get(KEY) or {}
            if is_record(entry):
                check_format(entry)
            return cls(
                image_of(
                    entry,
                    text(document["imagePath"], "the image's path"),
                    document.get("imageWidth"),
                    document.get("imageHeight"),
                ),
                points,
                notes,
                rectangles,
                others,
                flags_of(document.get("flags") or {}),
                entry,
                {key: value for key, value in document.items() if key not in _TOP},
            )


def _sorted(
    shapes: list[Json],
) -> tuple[dict[str, Point], dict[str, str], tuple[Rectangle, ...], tuple[Json, ...]]:
    """Keypoints with their descriptions, rectangles, and all other shapes as they are."""
    points: dict[str, Point] = {}
    notes: dict[str, str] = {}
    rectangles: list[Rectangle] = []
    others: list[Json] = []
    for shape in shapes:
        label = text(shape["label"], "the label of a shape")
        kind, corners = shape["shape_type"], shape["points"]
        description = text(shape.get("description") or "", f"the description of '{label}'")
        if label in _KEYPOINTS:
            if kind != "point" or len(corners) != 1:
                raise ValueError(f"'{label}' is a {kind}; mark it with one point")
            if label in points:
                raise ValueError(f"'{label}' is listed more than once; delete all but one")
            x, y = numbers(corners[0], 2, f"the position of '{label}'")
            points[label] = x, y
            if description:
                notes[label] = description
        elif kind == "rectangle" and len(corners) == 2:
            x0, y0 = numbers(corners[0], 2, f"a corner of '{label}'")
            x1, y1 = numbers(corners[1], 2, f"a corner of '{label}'")
            rectangles.append(Rectangle(label, (x0, y0, x1, y1), description))
        else:
            others.append(shape)
    return points, notes, tuple(rectangles), tuple(others)
