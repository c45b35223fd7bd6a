"""Radiographs behind volume nodes that are loaded already.

Whatever loaded a volume may have lost the header, stacked two views, or guessed the pixel size; so
the files are gone back to wherever they are known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from WristQCLib.assessment import Assessment
from WristQCLib.errors import RadiographError
from WristQCLib.radiograph import Radiograph
from WristQCLib.sources import HEAD_BYTES, ImageSource, file_name, format_of

FindFile = Callable[[str], Path | None]
"""The file of a SOP Instance UID, None when there is none."""

_INSTANCES = "DICOM.instanceUIDs"
"""Attribute in which Slicer keeps the UIDs of a volume's DICOM images."""


def sources_of_volume(volume: Any, find_file: FindFile) -> list[ImageSource | Radiograph]:
    """What to assess of a volume node: an entry for each image that it holds.

    Parameters
    ----------
    volume
        A vtkMRMLScalarVolumeNode.
    find_file
        Finds a DICOM image's file, in Slicer's database for example.

    Raises
    ------
    RadiographError
        If the node holds no radiograph.
    """
    name = file_name(volume.GetName() or "volume")
    files = [find_file(uid) for uid in (volume.GetAttribute(_INSTANCES) or "").split()]
    if files and all(files):
        return [
            ImageSource(name if len(files) == 1 else f"{name}-{number}", file)
            for number, file in enumerate(files, start=1)
            if file is not None
        ]
    storage = volume.GetStorageNode()
    if storage is not None and _is_image(path := Path(storage.GetFileName() or "")):
        return [ImageSource(name, path)]
    spacing = volume.GetSpacing()[:2]
    # 1 mm is what Slicer says where it knows nothing.
    known = None if spacing == (1.0, 1.0) else spacing
    return [Radiograph.from_pixels(_pixels(volume), spacing=known, name=name)]


def radiograph_of_volume(volume: Any, assessment: Assessment) -> Radiograph:
    """The image of an assessment that came with a saved scene, without its DICOM header."""
    return replace(
        Radiograph.from_pixels(_pixels(volume), name=assessment.name),
        spacing=assessment.spacing,
        pixel_aspect=assessment.geometry.pixel_aspect,
        view=assessment.view,
        side=assessment.side,
        sop_instance_uid=assessment.sop_instance_uid,
    )


def _is_image(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return format_of(file.read(HEAD_BYTES)) is not None
    except OSError:
        return False


def _pixels(volume: Any) -> np.ndarray:
    """(rows, columns) of a volume of one slice and one grey value a pixel."""
    from vtk.util.numpy_support import vtk_to_numpy

    image = volume.GetImageData()
    scalars = image.GetPointData().GetScalars() if image is not None else None
    if scalars is None:
        raise RadiographError(f"The volume '{volume.GetName()}' is empty; choose another one.")
    columns, rows, slices = image.GetDimensions()
    if slices != 1 or scalars.GetNumberOfComponents() != 1:
        raise RadiographError(
            f"The volume '{volume.GetName()}' has {slices} slices and is no radiograph; choose"
            " another one, or its files."
        )
    return np.array(vtk_to_numpy(scalars).reshape(rows, columns))
