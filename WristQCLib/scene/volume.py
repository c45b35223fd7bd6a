"""A radiograph as a volume node of one slice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from WristQCLib.measurements import ImageGeometry
from WristQCLib.radiograph import Radiograph
from WristQCLib.scene.grid import PixelGrid

Node = Any
"""A MRML node; Slicer's classes have no type stubs."""

SOP_INSTANCE_UID = "WristQC.SOPInstanceUID"
SPACING = "WristQC.PixelSpacing"
"""Where the spacing comes from, or ``"unknown: ..."``: then millimetres in the scene are pixels."""
DICOM_INSTANCES = "DICOM.instanceUIDs"
"""Slicer's own attribute: it finds the file of a volume in its DICOM database by it."""

_GREY = "vtkMRMLColorTableNodeGrey"
_WHOLE_TYPES = (np.uint8, np.uint16, np.int16)


def create_volume_node(scene: Any, radiograph: Radiograph) -> Node:
    """A vtkMRMLScalarVolumeNode that shows one radiograph as it is meant to be seen.

    The array is (1, rows, columns); grey is bright where the body is dense. Each radiograph gets a
    node of its own, because views of one study are not slices of one volume.

    Parameters
    ----------
    scene
        The vtkMRMLScene that gets the node.
    radiograph
        Its window is set. Slicer knows ramps only, so for a VOI LUT or a sigmoid this is the
        nearest ramp.
    """
    from slicer.util import updateVolumeFromArray

    grid = PixelGrid.of(
        ImageGeometry(
            radiograph.width, radiograph.height, radiograph.spacing.value, radiograph.pixel_aspect
        )
    )
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", radiograph.name)
    updateVolumeFromArray(node, _compact(radiograph.pixels)[None])
    node.SetOrigin(0.0, 0.0, 0.0)
    node.SetIJKToRASDirections(-1, 0, 0, 0, -1, 0, 0, 0, 1)
    set_spacing(node, grid, radiograph.spacing.source)
    if radiograph.sop_instance_uid:
        node.SetAttribute(SOP_INSTANCE_UID, radiograph.sop_instance_uid)
        node.SetAttribute(DICOM_INSTANCES, radiograph.sop_instance_uid)
    _set_window(scene, node, radiograph)
    return node


def set_spacing(node: Node, grid: PixelGrid, source: str) -> None:
    """Set the size of the pixels, and say where it comes from."""
    node.SetSpacing(*grid.spacing, 1.0)
    node.SetAttribute(SPACING, source if grid.known else f"unknown: {source}")
    meant = "" if grid.known else "The pixel size is unknown: lengths in mm are lengths in pixels."
    node.SetDescription(meant)


def spacing_is_known(volume: Node) -> bool:
    """Whether millimetres of a volume made by `create_volume_node` are millimetres."""
    return not str(volume.GetAttribute(SPACING) or "unknown").startswith("unknown")


def _compact(pixels: NDArray[np.float32]) -> NDArray[Any]:
    """Whole numbers in their smallest type: a saved scene is half the size."""
    if np.array_equal(pixels, np.rint(pixels)):
        low, high = pixels.min(), pixels.max()
        for kind in _WHOLE_TYPES:
            if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
                return pixels.astype(kind)
    return pixels


def _set_window(scene: Any, node: Node, radiograph: Radiograph) -> None:
    centre, width = radiograph.window
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    if scene.GetNodeByID(_GREY) is None:  # Slicer has it; a bare scene shows nothing without it
        grey = scene.AddNewNodeByClass("vtkMRMLColorTableNode", "Grey")
        grey.SetTypeToGrey()
        display.SetAndObserveColorNodeID(grey.GetID())
    else:
        display.SetAndObserveColorNodeID(_GREY)
    display.SetAutoWindowLevel(False)
    display.SetWindowLevel(width, centre)
    display.SetInterpolate(True)
