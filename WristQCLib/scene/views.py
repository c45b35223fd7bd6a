"""Slice views that show radiographs: one, or a study's frontal and lateral view side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from WristQCLib.scene.errors import SceneError
from WristQCLib.scene.session import SceneAssessment
from WristQCLib.scene.volume import spacing_is_known

VIEWS = ("Red", "Yellow")
"""Layout names of the slice views that Slicer's side-by-side layout has."""


def show_side_by_side(
    sessions: Sequence[SceneAssessment],
    application_logic: Any,
    views: Sequence[str] = VIEWS,
    *,
    text_scale: float = 1.0,
) -> None:
    """Show each session in a slice view of its own, fitted to it, in the order given.

    Without sessions the views are emptied.

    In Slicer the layout is changed to as many slice views; call it again once the window has got
    its size when the images do not fill the views.

    Parameters
    ----------
    sessions
        At most as many as there are views.
    application_logic
        ``slicer.app.applicationLogic()``; on slicer-core the vtkMRMLApplicationLogic.
    views
        Layout names of the views.
    text_scale
        Pixels of the screen to one of the text: the dots per inch of the views' windows over 72,
        by which VTK scales text.

    Raises
    ------
    SceneError
        If there are more images than views, or a view does not exist.
    """
    if len(sessions) > len(views):
        raise SceneError(f"{len(sessions)} images do not fit into {len(views)} views.")
    scene = application_logic.GetMRMLScene()
    _set_layout(scene, len(sessions))
    if not sessions:
        logics = map(application_logic.GetSliceLogicByLayoutName, views)
        for logic in filter(None, logics):
            logic.GetSliceCompositeNode().SetBackgroundVolumeID(None)
    for session, view in zip(sessions, views, strict=False):
        logic = application_logic.GetSliceLogicByLayoutName(view)
        if logic is None:
            raise SceneError(f"There is no slice view '{view}'.")
        _show(session, logic, text_scale)


def _set_layout(scene: Any, count: int) -> None:
    layout = scene.GetFirstNodeByClass("vtkMRMLLayoutNode")  # there is none without a window
    if layout is not None and count:
        one, two = layout.SlicerLayoutOneUpRedSliceView, layout.SlicerLayoutSideBySideView
        layout.SetViewArrangement(one if count == 1 else two)


def _show(session: SceneAssessment, logic: Any, text_scale: float) -> None:
    view, composite = logic.GetSliceNode(), logic.GetSliceCompositeNode()
    composite.SetLinkedControl(False)  # the images have nothing in common but their place
    composite.SetForegroundVolumeID(None)
    composite.SetLabelVolumeID(None)
    composite.SetBackgroundVolumeID(session.volume_node.GetID())
    view.SetOrientation("Axial")
    view.SetOrientationMarkerType(view.OrientationMarkerTypeNone)
    if not spacing_is_known(session.volume_node):
        view.SetRulerType(view.RulerTypeNone)
    logic.FitSliceToBackground()
    logic.SetSliceOffset(0.0)
    session.show_in(view.GetID(), text_scale=text_scale)
