"""Reading labelled radiographs: an image and a Labelme JSON file beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from WristQCLib.findings import View
from WristQCLib.keypoints import KEYPOINT_NAMES
from WristQCLib.models.preprocessing import FloatImage

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
    flags
        Labelme's flags: artefact, implant, frontal, lateral, oblique ...
    spacing_mm
        (row, column) spacing, None when unknown.
    reference_width_px
        For a real image of unknown spacing: the width of the wrist's bones that its reader gave.
    factors
        What the simulator varied, empty for a real image.
    """

    label_path: Path
    image_path: Path
    size: tuple[int, int]
    points: Mapping[str, tuple[float, float]]
    foreign_objects: tuple[tuple[float, float, float, float], ...]
    foreign_outlines: tuple[tuple[tuple[float, float], ...], ...]
    flags: Mapping[str, bool]
    spacing_mm: tuple[float, float] | None
    reference_width_px: float | None
    factors: Mapping[str, object]

    @property
    def view(self) -> View | None:
        """The view that its flags say; None for an oblique image.

        Some label sets know only the flag ``lateral``: what is not lateral there is frontal.
        """
        if self.flags.get("lateral"):
            return View.LATERAL
        frontal = self.flags.get("frontal", not self.flags.get("oblique", False))
        return View.FRONTAL if frontal else None

    @property
    def keypoint_view(self) -> View | None:
        """The view whose keypoints are labelled; an oblique image may carry one view's points."""
        if self.view is not None:
            return self.view
        labelled = [v for v in View if any(name in self.points for name in KEYPOINT_NAMES[v])]
        return labelled[0] if len(labelled) == 1 else None

    @property
    def artefact(self) -> bool:
        """Whether a foreign object is in the image."""
        return bool(self.flags.get("artefact", False))


def read_label(path: Path) -> LabelledImage:
    """Read one Labelme file.

    Raises
    ------
    ValueError
        If the file is no such label, naming it.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        known = {name for names in KEYPOINT_NAMES.values() for name in names}
        own = content.get("wristqc") or {}
        spacing = own.get("pixel_spacing_mm")
        reference = content.get("ref_width_px")
        return LabelledImage(
            label_path=path,
            image_path=(path.parent / content["imagePath"]).resolve(),
            size=(int(content["imageHeight"]), int(content["imageWidth"])),
            points={
                shape["label"]: (float(shape["points"][0][0]), float(shape["points"][0][1]))
                for shape in content["shapes"]
                if shape["shape_type"] == "point" and shape["label"] in known
            },
            foreign_objects=tuple(
                (min(xs), min(ys), max(xs), max(ys))
                for shape in content["shapes"]
                if shape["label"] == "foreign_object"
                for xs, ys in [list(zip(*shape["points"], strict=True))]
            ),
            foreign_outlines=tuple(
                tuple((float(x), float(y)) for x, y in shape["points"])
                for shape in content["shapes"]
                if shape["label"] == "foreign_object" and shape["shape_type"] == "polygon"
            ),
            flags=content["flags"],
            spacing_mm=None if spacing is None else (float(spacing[0]), float(spacing[1])),
            reference_width_px=None if reference is None else float(reference),
            factors=own.get("factors") or {},
        )
    except (KeyError, TypeError, ValueError, IndexError, OSError) as error:
        raise ValueError(f"'{path}' is not a Labelme label of a radiograph: {error!r}.") from error


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
