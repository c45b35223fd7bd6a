"""Lines, angles, values and names over the image, as MRML nodes that are updated in place.

Each colour has a model node for its lines, which slice views show by projection, and a locked
fiducial node without visible glyphs for its labels. The keypoints' names are among these, because
a fiducial node writes its own over each other where points are close. None of it is saved with the
scene: it follows from what is.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from WristQCLib.assessment import Assessment
from WristQCLib.drawing import Drawing, Label, Letters, Name, Stroke, draw
from WristQCLib.keypoints import Point
from WristQCLib.label_placement import Box
from WristQCLib.scene.grid import PixelGrid
from WristQCLib.scene.points import colour_of, is_uncertain, label, unit_rgb

Node = Any
Segment = tuple[Point, Point]
"""In mm."""

_TEXT_SCALE = 3.0
_LETTERS = Letters(
    height=15.0, advance=0.5, line=1.2, margin=0.4, spelled={"α": "alpha", "β": "beta"}
)
"""Of labels in the scene, in pixels of the view; VTK's own fonts have no Greek letters."""
_DASH = 0.5
"""Length of a dash relative to the letters."""
_ZOOM = 0.05
"""Relative change of the zoom from which labels are placed anew."""
_TEXT_SHARE = 0.025
"""Height of a label relative to the image's longer side where no view is known."""


class Overlay:
    """All that is drawn over one image.

    Parameters
    ----------
    scene
        The vtkMRMLScene.
    name
        Of the image.
    grid
        Of its pixels.
    """

    def __init__(self, scene: Any, name: str, grid: PixelGrid) -> None:
        self._scene, self._name = scene, name
        self.grid = grid
        self.text_scale = 1.0
        """Pixels of the screen to one of the text: more than 1 on screens of high density."""
        self._view_ids: tuple[str, ...] | None = None
        self._layers: dict[str, _Layer] = {}
        self._tasks: tuple[str, ...] = ()
        self._drawn: Assessment | None = None
        self._drawn_height = 0.0
        self._drawing: Drawing | None = None
        self._watched: list[tuple[Node, int]] = []

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes but those that display them."""
        return tuple(node for layer in self._layers.values() for node in layer.nodes)

    def show_in(self, view_ids: Iterable[str] | None) -> None:
        """Show it in these views only; in all when there are none, nowhere for None."""
        self._view_ids = None if view_ids is None else tuple(view_ids)
        for node in self.nodes:
            show_only_in(node, self._view_ids)
        self.stop_watching()
        for view in filter(None, map(self._scene.GetNodeByID, self._view_ids or ())):
            self._watched.append((view, view.AddObserver("ModifiedEvent", self._on_zoom)))
        self._on_zoom()

    def stop_watching(self) -> None:
        """Do not follow the zoom of the views any longer."""
        for view, tag in self._watched:
            view.RemoveObserver(tag)
        self._watched.clear()

    def _on_zoom(self, *_: object) -> None:
        """Letters keep their size in pixels, so that their places in mm change."""
        if self._drawn is not None:
            height = self._letter_height(self._drawn)
            if abs(height - self._drawn_height) > _ZOOM * self._drawn_height:
                self.update(self._drawn)

    def highlight(self, tasks: Iterable[str]) -> None:
        """Draw the lines of these tasks alone; those of all when there are none."""
        self._tasks = tuple(tasks)
        if self._drawn is not None:
            self.update(self._drawn)

    def update(self, assessment: Assessment, *, steady: bool = False) -> None:
        """Draw an assessment; `steady` while a point is dragged, so that labels do not jump."""
        keypoints = assessment.keypoints
        names = [
            Name(
                label(keypoints.view, p.name, uncertain=is_uncertain(p, self.grid)),
                colour_of(p, self.grid),
                p.position,
            )
            for p in keypoints or ()
            if keypoints and p.position
        ]
        self._drawn, self._drawn_height = assessment, self._letter_height(assessment)
        drawing = draw(
            assessment,
            self.grid.spacing,
            names,
            replace(_LETTERS, height=self._drawn_height),
            tasks=self._tasks,
            corner=grade_text(assessment),
            before=self._drawing if steady else None,
        )
        self._drawing = drawing
        lines: dict[str, list[Segment]] = defaultdict(list)
        texts: dict[str, list[Label]] = defaultdict(list)
        for stroke in drawing.strokes:
            lines[stroke.colour] += segments(stroke, _DASH * self._drawn_height)
        for text in drawing.labels:
            texts[text.colour].append(text)
            if text.leader:
                lines[text.colour].append(text.leader)
        for colour in {**lines, **texts}:
            if colour not in self._layers:
                layer = self._layers[colour] = _Layer(self._scene, self._name, colour)
                for node in layer.nodes:
                    show_only_in(node, self._view_ids)
        for colour, layer in self._layers.items():
            layer.draw_lines(lines[colour])
            layer.write(texts[colour])

    def remove(self) -> None:
        """Take the nodes out of the scene."""
        self.stop_watching()
        self._drawn = None
        for node in self.nodes:
            if node.GetScene() is not None:
                remove_node(self._scene, node)
        self._layers.clear()

    def _letter_height(self, assessment: Assessment) -> float:
        """In mm, as the image is zoomed now."""
        for view_id in self._view_ids or ():
            view = self._scene.GetNodeByID(view_id)
            if view is not None and view.GetDimensions()[1] > 0:
                mm_per_pixel = view.GetFieldOfView()[1] / view.GetDimensions()[1]
                return float(_LETTERS.height * self.text_scale * mm_per_pixel)
        sx, sy = self.grid.spacing
        geometry = assessment.geometry
        return _TEXT_SHARE * max(geometry.width * sx, geometry.height * sy)


def grade_text(assessment: Assessment) -> str:
    """Grade and total, or the totals that are still possible: ``"Grade D, 26 to 72"``."""
    score = assessment.score
    open_end = "" if score.complete else f" to {score.reachable}"
    return f"Grade {score.grade}, {score.total}{open_end}"


def segments(stroke: Stroke, dash: float) -> list[Segment]:
    """A stroke as segments; a dashed one as dashes of about this length with gaps as long."""
    if not stroke.dashed:
        return list(pairwise(stroke.points))
    (xa, ya), (xb, yb) = stroke.points
    count = max(1, round(math.dist(*stroke.points) / (2 * dash)))
    ends = [n / (2 * count) for n in range(2 * count)]
    points = [(xa + t * (xb - xa), ya + t * (yb - ya)) for t in ends]
    return list(zip(points[::2], points[1::2], strict=True))


class _Layer:
    """Lines and labels of one colour."""

    def __init__(self, scene: Any, name: str, colour: str) -> None:
        import vtk

        self._mesh = vtk.vtkPolyData()
        self._lines = _create_lines(scene, f"{name} lines", colour, self._mesh)
        self._labels = _create_labels(scene, f"{name} labels", colour)
        self._ends = np.empty((0, 3))
        """Both ends of each line, in RAS; shared with VTK."""
        self._texts: list[tuple[str, Box]] = []

    @property
    def nodes(self) -> tuple[Node, Node]:
        return self._lines, self._labels

    def draw_lines(self, lines: Sequence[Segment]) -> None:
        """Draw segments."""
        ends = np.zeros((2 * len(lines), 3))
        ends[:, :2] = -np.array(lines, float).reshape(-1, 2)  # x is -R and y is -A
        if len(ends) != len(self._ends):
            self._ends = ends
            self._join()
        elif (ends != self._ends).any():
            self._ends[:] = ends
            self._mesh.GetPoints().Modified()
            self._mesh.Modified()

    def _join(self) -> None:
        """Give VTK other points, and lines between each two of them."""
        import vtk
        from vtk.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray

        points, lines = vtk.vtkPoints(), vtk.vtkCellArray()
        points.SetData(numpy_to_vtk(self._ends))
        ids = np.arange(len(self._ends), dtype=np.int64)
        lines.SetData(2, numpy_to_vtkIdTypeArray(ids, deep=True))
        self._mesh.SetLines(lines)
        self._mesh.SetPoints(points)

    def write(self, labels: Sequence[Label]) -> None:
        """Write labels: one event for all, none when they are there already."""
        texts = [(label.text, label.box) for label in labels]
        if texts == self._texts:
            return
        self._texts = texts
        node = self._labels
        modifying = node.StartModify()
        try:
            for index, (text, (x, _top, _right, y)) in enumerate(texts):
                if index == node.GetNumberOfControlPoints():
                    node.AddControlPoint(-x, -y, 0.0)
                else:
                    node.SetNthControlPointPosition(index, -x, -y, 0.0)
                if node.GetNthControlPointLabel(index) != text:
                    node.SetNthControlPointLabel(index, text)
            for index in range(len(texts), node.GetNumberOfControlPoints()):
                if node.GetNthControlPointPositionStatus(index) != node.PositionUndefined:
                    node.UnsetNthControlPointPosition(index)
        finally:
            node.EndModify(modifying)


def show_only_in(node: Node, view_ids: Sequence[str] | None) -> None:
    """Show a node in these views only; in all when there are none, nowhere for None."""
    display = node.GetDisplayNode()
    display.SetVisibility(view_ids is not None)
    display.RemoveAllViewNodeIDs()
    for view_id in view_ids or ():
        display.AddViewNodeID(view_id)


def remove_node(scene: Any, node: Node) -> None:
    """Remove a node with the nodes that show and store only it."""
    companions = []
    if node.IsA("vtkMRMLDisplayableNode"):
        companions = [node.GetDisplayNode(), node.GetStorageNode()]
    scene.RemoveNode(node)
    for companion in companions:
        if companion is not None and companion.GetScene() is not None:
            scene.RemoveNode(companion)


def _create_lines(scene: Any, name: str, colour: str, mesh: Any) -> Node:
    node, display = _create_hidden(scene, "vtkMRMLModelNode", name)
    node.SetAndObservePolyData(mesh)
    display.SetColor(*unit_rgb(colour))
    display.SetSliceDisplayModeToProjection()
    display.SetSliceIntersectionThickness(2)
    display.SetVisibility2D(True)
    display.SetVisibility3D(False)
    return node


def _create_labels(scene: Any, name: str, colour: str) -> Node:
    node, display = _create_hidden(scene, "vtkMRMLMarkupsFiducialNode", name)
    node.SetLocked(True)
    for paint in (display.SetColor, display.SetSelectedColor, display.SetActiveColor):
        paint(*unit_rgb(colour))
    display.SetUseGlyphScale(False)
    display.SetGlyphSize(1e-3)
    display.SetTextScale(_TEXT_SCALE)
    display.SetVisibility3D(False)
    text = display.GetTextProperty()
    text.SetBold(True)
    text.SetShadow(False)
    text.SetBackgroundColor(0.0, 0.0, 0.0)
    text.SetBackgroundOpacity(0.6)
    return node


def _create_hidden(scene: Any, kind: str, name: str) -> tuple[Node, Node]:
    """A node and what displays it: not saved, not listed, not picked by the mouse.

    That is said before the node enters the scene: Slicer's subject hierarchy lists what it was not
    told to hide by then, and would save the entry without the node.
    """
    node = scene.CreateNodeByClass(kind)
    node.UnRegister(None)  # the scene's own reference is enough
    node.SetName(scene.GenerateUniqueName(name))
    _keep_out_of_the_way(node)
    scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    _keep_out_of_the_way(node.GetDisplayNode())
    return node, node.GetDisplayNode()


def _keep_out_of_the_way(node: Node) -> None:
    node.SetSaveWithScene(False)
    node.SetHideFromEditors(True)
    node.SetSelectable(False)
