"""Keypoints as control points of one vtkMRMLMarkupsFiducialNode, and back.

found: the position is defined. Not in the image: the position is missing. To be placed: undefined.
The node alone tells everything: what a position cannot tell is JSON in the point's description.
"""

from __future__ import annotations

import json
from typing import Any

from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import Keypoint, Keypoints, Point, short_label
from WristQCLib.scene.errors import SceneError
from WristQCLib.scene.grid import PixelGrid

Node = Any
State = tuple[Finding, Point | None]

UNCERTAIN_CONFIDENCE = 0.9
"""A model's keypoint that is less probable than this is shown as uncertain."""
UNCERTAIN_SPREAD_MM = 3.0
"""So is one whose position has a larger standard deviation."""

CERTAIN_COLOUR, UNCERTAIN_COLOUR = "#00EB9E", "#FF5A5A"
"""Green and a red that is darker, which colour-blind people can tell apart, and from the colours of
the lines too; the label of an uncertain point ends in a question mark as well."""
ACTIVE_COLOUR = "#FFFFFF"

_UNMOVED = 1e-6
"""Distance in pixels that rounding of RAS coordinates may make."""


def create_points_node(scene: Any, name: str) -> Node:
    """An empty fiducial node that looks as WristQC's do."""
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    # A node has two colours at rest, for selected points and for the others.
    display.SetSelectedColor(*unit_rgb(CERTAIN_COLOUR))
    display.SetColor(*unit_rgb(UNCERTAIN_COLOUR))
    display.SetActiveColor(*unit_rgb(ACTIVE_COLOUR))
    display.SetGlyphType(display.Cross2D)
    display.SetUseGlyphScale(True)
    display.SetGlyphScale(4.5)
    display.SetPointLabelsVisibility(False)  # the overlay writes names where there is room
    display.SetVisibility3D(False)  # a radiograph is flat
    return node


def unit_rgb(colour: str) -> tuple[float, float, float]:
    """0 to 1 each, of ``#RRGGBB``."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red / 255, green / 255, blue / 255


def colour_of(point: Keypoint, grid: PixelGrid) -> str:
    return UNCERTAIN_COLOUR if is_uncertain(point, grid) else CERTAIN_COLOUR


def label(view: View, name: str, *, uncertain: bool = False) -> str:
    """Short name of a keypoint with the paper's number: ``"P2 radial styloid"``."""
    return short_label(view, name) + (" ?" if uncertain else "")


def is_uncertain(point: Keypoint, grid: PixelGrid) -> bool:
    """Whether a model was unsure; never so for a point that a person placed."""
    if point.finding is not Finding.FOUND:
        return False
    if point.confidence is not None and point.confidence < UNCERTAIN_CONFIDENCE:
        return True
    spread_mm = (point.spread or 0.0) * max(grid.spacing)
    return grid.known and spread_mm > UNCERTAIN_SPREAD_MM


def write_keypoints(node: Node, keypoints: Keypoints | None, grid: PixelGrid) -> None:
    """Make the node's control points those of `keypoints`, in order, in one event."""
    points = tuple(keypoints or ())
    modifying = node.StartModify()
    try:
        if node.GetNumberOfControlPoints() != len(points):
            node.SetFixedNumberOfControlPoints(False)
            node.RemoveAllControlPoints()
            for _ in points:
                node.AddControlPoint(0.0, 0.0, 0.0)
        node.SetFixedNumberOfControlPoints(True)
        if keypoints is not None:
            for index, point in enumerate(points):
                write_state(node, index, (point.finding, point.position), grid)
                write_description(node, index, keypoints.view, point, grid)
    finally:
        node.EndModify(modifying)


def write_state(node: Node, index: int, state: State, grid: PixelGrid) -> None:
    """Set a control point's position, or that it has none, unless it is so already."""
    finding, position = state
    if read_state(node, index, grid) == state:
        return
    if position is not None:
        node.SetNthControlPointPosition(index, *grid.to_ras(position))
    elif finding is Finding.NOT_FOUND:
        node.SetNthControlPointPositionMissing(index)
    else:
        node.UnsetNthControlPointPosition(index)


def write_description(node: Node, index: int, view: View, point: Keypoint, grid: PixelGrid) -> None:
    """Set what is shown and kept of a keypoint beside its position."""
    uncertain = is_uncertain(point, grid)
    about = {
        "name": point.name,
        "confidence": point.confidence,
        "spread": point.spread,
        "placed_by": point.placed_by,
    }
    node.SetNthControlPointLabel(index, label(view, point.name, uncertain=uncertain))
    node.SetNthControlPointDescription(index, json.dumps(about))
    node.SetNthControlPointSelected(index, not uncertain)


def read_state(node: Node, index: int, grid: PixelGrid) -> State:
    """Whether a control point is somewhere; one that follows the mouse is not placed yet."""
    status = node.GetNthControlPointPositionStatus(index)
    if status == node.PositionDefined:
        return Finding.FOUND, grid.to_pixels(node.GetNthControlPointPosition(index))
    missing = status == node.PositionMissing
    return (Finding.NOT_FOUND if missing else Finding.NOT_ASSESSABLE), None


def same_state(first: State, second: State) -> bool:
    """Whether two states are equal but for rounding."""
    (finding, a), (other, b) = first, second
    if a is None or b is None:
        return finding is other and a is b
    return abs(a[0] - b[0]) < _UNMOVED and abs(a[1] - b[1]) < _UNMOVED


def read_keypoints(node: Node, view: View, grid: PixelGrid) -> Keypoints:
    """The keypoints that `write_keypoints` wrote, where the node's points are now.

    Raises
    ------
    SceneError
        If the node's points are not those of the view.
    """
    try:
        points = []
        for index in range(node.GetNumberOfControlPoints()):
            about = json.loads(node.GetNthControlPointDescription(index))
            finding, position = read_state(node, index, grid)
            points.append(Keypoint(finding=finding, position=position, **about))
        return Keypoints(view, tuple(points))
    except (ValueError, TypeError) as error:
        raise SceneError(
            f"The points '{node.GetName()}' are not the keypoints of a {view} view; assess the"
            " image again."
        ) from error
