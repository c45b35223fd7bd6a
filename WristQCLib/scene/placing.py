"""Placing one keypoint by a click, with the place mode of Slicer's views."""

from __future__ import annotations

from typing import Any

from WristQCLib.findings import Finding
from WristQCLib.scene.errors import SceneError
from WristQCLib.scene.grid import PixelGrid
from WristQCLib.scene.points import State, write_state

Node = Any


class Placing:
    """Waits for the click that places a control point, or for its being called off.

    While it waits, the point has no position in the scene although the keypoint may have one: it is
    put back when the place mode ends without a click.
    """

    def __init__(self, scene: Any, points: Node) -> None:
        self._scene, self._points = scene, points
        self._index: int | None = None
        self._before: State = (Finding.NOT_ASSESSABLE, None)
        self._grid: PixelGrid | None = None
        self._mode: Node = None
        self._tag = 0

    def start(self, index: int, before: State, grid: PixelGrid) -> None:
        """Place control point `index`, whose state so far is given, with the next click.

        Raises
        ------
        SceneError
            If the scene has no mouse mode.
        """
        self.stop()
        mode = self._scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
        selection = self._scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
        if mode is None or selection is None:
            raise SceneError("A point can be placed by a click only where images are shown.")
        self._index, self._before, self._grid = index, before, grid
        self._points.UnsetNthControlPointPosition(index)
        self._points.SetControlPointPlacementStartIndex(index)
        selection.SetReferenceActivePlaceNodeClassName("vtkMRMLMarkupsFiducialNode")
        selection.SetActivePlaceNodeID(self._points.GetID())
        mode.SetPlaceModePersistence(False)
        mode.SetCurrentInteractionMode(mode.Place)
        self._mode = mode
        self._tag = mode.AddObserver(mode.InteractionModeChangedEvent, self._on_mode_changed)

    def holds(self, index: int, state: State) -> bool:
        """Whether a control point has no position only because it is being placed."""
        if index != self._index:
            return False
        if state[1] is None:
            return True
        self._index = None  # here is the click
        return False

    def stop(self) -> None:
        """Call it off: the point is as it was, and the mouse does what it did."""
        self._end(leave_mode=True)

    def _on_mode_changed(self, mode: Any, _event: str) -> None:
        if mode.GetCurrentInteractionMode() != mode.Place:
            self._end(leave_mode=False)

    def _end(self, *, leave_mode: bool) -> None:
        if self._mode is None:
            return
        mode, self._mode = self._mode, None
        mode.RemoveObserver(self._tag)
        index, self._index = self._index, None
        if index is not None and self._grid is not None:
            write_state(self._points, index, self._before, self._grid)
        if leave_mode and mode.GetCurrentInteractionMode() == mode.Place:
            mode.SwitchToViewTransformMode()
