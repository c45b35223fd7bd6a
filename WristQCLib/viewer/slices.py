"""The slice views of the page: which images they show, and what the mouse does in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from WristQCLib.scene import SceneAssessment, show_side_by_side
from WristQCLib.scene.views import VIEWS

if TYPE_CHECKING:
    from trame_server import Server
    from trame_slicer.core import LayoutManager, SlicerApp

View = Any
"""A trame_slicer SliceView."""
_LAYOUTS = ("one", "two")
_GREY, _INVERTED = "vtkMRMLColorTableNodeGrey", "vtkMRMLColorTableNodeInvertedGrey"
_STEP = 0.2
"""Of the field of view that one step of the zoom takes away."""
_FRAMES, _FRAMES_ASIDE = 30.0, 15.0
"""Pictures a second at most, of the view under the mouse and of the other one."""
_MOVING_QUALITY = 75
_WORDS_S = 0.004
"""What the words of a change get before its picture is drawn."""
_PAUSE_S = 0.016
"""Between two positions of the mouse that the page sends."""


class Tool(StrEnum):
    """What the left button does beside the points; right always zooms, middle always pans."""

    PAN = "pan"
    WINDOW = "window"
    ZOOM = "zoom"


class SliceViews:
    """Two slice views side by side, or one.

    Parameters
    ----------
    server, app
        Of trame, and of trame_slicer.
    draw_over
        Adds to a view's part of the page: called with its name.
    changed
        Called after what a view shows of itself has changed: zoom, window.
    """

    def __init__(
        self,
        server: Server,
        app: SlicerApp,
        draw_over: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        from slicer import vtkMRMLSliceIntersectionWidget
        from trame_slicer.core import LayoutManager
        from trame_slicer.rca_view import RemoteSliceViewFactory
        from trame_slicer.views import Layout, LayoutDirection, ViewLayoutDefinition

        self._app, self._changed = app, changed
        self._inverted, self._tool = False, Tool.PAN
        self._sessions: tuple[SceneAssessment, ...] = ()
        self._fitted: dict[str, tuple[float, ...]] = {}
        self._windows: dict[str, tuple[float, float]] = {}
        """Window and level of the volumes as they were first shown, by node ID."""
        self._events = vtkMRMLSliceIntersectionWidget
        app.view_manager.register_factory(
            RemoteSliceViewFactory(
                server,
                target_fps=_FRAMES,
                blur_fps=_FRAMES_ASIDE,
                interactive_quality=_MOVING_QUALITY,
                rca_event_throttle_s=_PAUSE_S,
                populate_view_ui_f=lambda _server, name, _view: draw_over(name),
            )
        )
        self.layout: LayoutManager = LayoutManager(app.scene, app.view_manager, server)
        places = [ViewLayoutDefinition.axial_view(name) for name in VIEWS]
        for count, name in enumerate(_LAYOUTS, start=1):
            self.layout.register_layout(name, Layout(LayoutDirection.Horizontal, places[:count]))
        self.layout.set_layout(_LAYOUTS[0])
        self._views: dict[str, View] = {name: app.view_manager.get_view(name) for name in VIEWS}
        for name, view in self._views.items():
            view.set_scheduled_render(_words_first(view))
            self._use_wheel_for_zoom(view)
            # Before the view itself is told, while it still has its old frame.
            view.interactor().AddObserver(
                "WindowResizeEvent", lambda *_, n=name: self._resized(n), 1.0
            )
            view.get_view_node().AddObserver("ModifiedEvent", lambda *_: changed())
        self.set_tool(Tool.PAN)

    @property
    def shown(self) -> dict[str, SceneAssessment]:
        """The session in each view, by the view's name."""
        return {
            name: session
            for name, session in zip(VIEWS, self._sessions, strict=False)
            if not session.closed
        }

    def show(self, sessions: Sequence[SceneAssessment]) -> None:
        """Show these, one or two; nothing when there are none."""
        self._sessions = tuple(sessions)
        self.layout.set_layout(_LAYOUTS[max(len(sessions), 1) - 1])
        for view in self._views.values():
            view.set_background_volume_id(None)
        show_side_by_side(sessions, self._app.app_logic)
        for session in sessions:
            display = session.volume_node.GetDisplayNode()
            window = display.GetWindow(), display.GetLevel()
            if self._windows.setdefault(session.volume_node.GetID(), window) is window:
                display.AddObserver("ModifiedEvent", lambda *_: self._changed())
        self._colour()
        self._remember_fit()
        self._changed()

    # Zoom and window --------------------------------------------------------------------------

    def fit(self) -> None:
        """Fit the images to the views."""
        for name in self.shown:
            self._views[name].fit_view_to_content()
        self._remember_fit()

    def zoom(self, steps: int) -> None:
        """Zoom in, or out for a negative number."""
        for name in self.shown:
            for _ in range(abs(steps)):
                # out by as much as in, so that a step back is a step back
                self._views[name].zoom(_STEP if steps > 0 else -_STEP / (1 - _STEP))

    def magnification(self, name: str) -> float:
        """Of a view: pixels of the screen for one of the image."""
        session, node = self.shown[name], self._views[name].get_view_node()
        mm_per_pixel = node.GetFieldOfView()[0] / max(node.GetDimensions()[0], 1)
        return float(session.volume_node.GetSpacing()[0] / mm_per_pixel) if mm_per_pixel else 0.0

    def window(self, name: str) -> tuple[float, float]:
        """Width and centre of the window in a view."""
        display = self.shown[name].volume_node.GetDisplayNode()
        return display.GetWindow(), display.GetLevel()

    def reset_window(self) -> None:
        """The windows that the files ask for."""
        for session in self.shown.values():
            window = self._windows[session.volume_node.GetID()]
            session.volume_node.GetDisplayNode().SetWindowLevel(*window)

    def invert(self, inverted: bool) -> None:
        """Show what is dense dark, or bright again."""
        self._inverted = inverted
        self._colour()

    def show_overlay(self, visible: bool) -> None:
        """Show points and lines, or the images alone."""
        for name, session in self.shown.items():
            if visible:
                session.show_in(self._views[name].get_view_node_id())
            else:
                session.hide()

    def _colour(self) -> None:
        colour = _INVERTED if self._inverted else _GREY
        for session in self.shown.values():
            session.volume_node.GetDisplayNode().SetAndObserveColorNodeID(colour)

    # The mouse --------------------------------------------------------------------------------

    def set_tool(self, tool: Tool) -> None:
        """What the left button does."""
        self._tool = tool
        mode = self._app.scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
        mode.SetCurrentInteractionMode(
            mode.AdjustWindowLevel if tool is Tool.WINDOW else mode.ViewTransform
        )
        events = self._events
        drags = {
            Tool.PAN: (
                events.WidgetStateTranslateSlice,
                events.WidgetEventTranslateSliceStart,
                events.WidgetEventTranslateSliceEnd,
            ),
            Tool.ZOOM: (
                events.WidgetStateZoomSlice,
                events.WidgetEventZoomSliceStart,
                events.WidgetEventZoomSliceEnd,
            ),
        }
        for view in self._views.values():
            self._drag_with_left_button(view, drags.get(tool))

    def _drag_with_left_button(self, view: View, drag: tuple[int, int, int] | None) -> None:
        """Let the left button do this: a state, and the events that begin and end it."""
        from vtkmodules.vtkCommonCore import vtkCommand
        from vtkmodules.vtkInteractionWidgets import vtkEvent

        press = self._events.WidgetStateIdle, vtkCommand.LeftButtonPressEvent, vtkEvent.NoModifier
        widget = _slice_widget(view)
        widget.SetEventTranslation(*press, self._events.WidgetEventNone)  # what it did before
        if drag is not None:
            widget.SetEventTranslationClickAndDrag(*press, *drag)

    def _use_wheel_for_zoom(self, view: View) -> None:
        """A radiograph has one slice, so there is nothing else for the wheel to do."""
        from vtkmodules.vtkCommonCore import vtkCommand
        from vtkmodules.vtkInteractionWidgets import vtkEvent

        widget = _slice_widget(view)
        # Slicer's names tell what becomes of the field of view.
        for event, meant in (
            (vtkCommand.MouseWheelForwardEvent, self._events.WidgetEventZoomOutSlice),
            (vtkCommand.MouseWheelBackwardEvent, self._events.WidgetEventZoomInSlice),
        ):
            turn = self._events.WidgetStateIdle, event, vtkEvent.NoModifier
            widget.SetEventTranslation(*turn, self._events.WidgetEventNone)  # slice by slice
            widget.SetEventTranslation(*turn, meant)

    # Sizes ------------------------------------------------------------------------------------

    def _resized(self, name: str) -> None:
        """A view that shows its whole image does so in its new size as well."""
        if name in self.shown and self._fitted.get(name) == self._framing(name):
            self._views[name].fit_view_to_content()
            self._fitted[name] = self._framing(name)

    def _remember_fit(self) -> None:
        self._fitted = {name: self._framing(name) for name in self.shown}

    def _framing(self, name: str) -> tuple[float, ...]:
        node = self._views[name].get_view_node()
        return (*node.GetFieldOfView()[:2], *node.GetXYZOrigin()[:2])


def _slice_widget(view: View) -> Any:
    """What zooms and pans in a view."""
    manager = view.get_displayable_manager_by_class("vtkMRMLCrosshairDisplayableManager")
    return manager.GetSliceIntersectionWidget()


def _words_first(view: View) -> Any:
    """Draws a view a moment later than it would.

    Drawing holds the server; what the page is told of a moved point shall be on its way by then.
    """
    from trame_slicer.views import ScheduledRenderStrategy

    drawing = view._scheduled_render  # of its factory; a view has no other name for it

    class WordsFirst(ScheduledRenderStrategy):
        waiting = False

        def schedule_render(self) -> None:
            if not self.waiting:
                self.waiting = True
                asyncio.get_running_loop().call_later(_WORDS_S, self.draw)

        def draw(self) -> None:
            self.waiting = False
            drawing.schedule_render()

    return WordsFirst()
