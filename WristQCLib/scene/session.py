"""One assessed radiograph in a scene: rescored while points move, with what people corrected.

A session owns the nodes of one image: volume, fiducials, overlay, and a script node that stores
what rescoring needs, so that a saved scene comes back to life with `restore_all`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessment import Assessment
from WristQCLib.assessor import reassess
from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import Keypoint, Keypoints, Point
from WristQCLib.radiograph import Radiograph
from WristQCLib.scene.corrections import Correction, History
from WristQCLib.scene.errors import SceneError
from WristQCLib.scene.grid import PixelGrid
from WristQCLib.scene.overlay import Overlay, remove_node, show_only_in
from WristQCLib.scene.placing import Placing
from WristQCLib.scene.points import (
    create_points_node,
    read_state,
    same_state,
    write_description,
    write_keypoints,
    write_state,
)
from WristQCLib.scene.store import Store
from WristQCLib.scene.volume import create_volume_node, set_spacing

Node = Any
Callback = Callable[["SceneAssessment"], None]

log = logging.getLogger("wristqc")

_MOST_ROUNDS = 20
"""Listeners that move points themselves are told so often of one event."""


class SceneAssessment:
    """One radiograph, its assessment and its nodes.

    Use `create` for a new one and `restore_all` after a scene was loaded. The session ends by
    itself when the scene is closed or one of its nodes is deleted.

    Attributes
    ----------
    person
        Name that corrections are recorded under.
    volume_node, points_node
        The radiograph and its keypoints.
    """

    def __init__(
        self, scene: Any, assessment: Assessment, store: Store, history: History, person: str
    ) -> None:
        self.person = person
        self.volume_node, self.points_node = store.nodes()
        self._scene, self._store, self._history = scene, store, history
        self._assessment = assessment
        self._grid = PixelGrid.of(assessment.geometry)
        self._overlay = Overlay(scene, assessment.name, self._grid)
        self._callbacks: list[Callback] = []
        self._settled = assessment.keypoints
        """Keypoints when the last correction was complete."""
        self._interacting = self._writing = self._serving = self._moved_again = False
        self._placing = Placing(scene, self.points_node)
        self._observers: list[tuple[Any, int]] = []
        self.closed = False
        self._overlay.update(assessment)
        self.hide()
        self._observe()

    @classmethod
    def create(
        cls, scene: Any, radiograph: Radiograph, assessment: Assessment, *, person: str = "unnamed"
    ) -> SceneAssessment:
        """Put a radiograph and its assessment into a scene.

        Parameters
        ----------
        scene
            The vtkMRMLScene; its markups logic must be there, as it is in Slicer.
        radiograph, assessment
            The image and what `Assessor.assess` found in it, with or without models.
        person
            Name that corrections are recorded under.
        """
        volume = create_volume_node(scene, radiograph)
        points = create_points_node(scene, f"{assessment.name} keypoints")
        write_keypoints(points, assessment.keypoints, PixelGrid.of(assessment.geometry))
        store = Store.create(scene, f"{assessment.name} WristQC", volume, points)
        store.write(assessment)
        store.write_history(History())
        return cls(scene, assessment, store, History(), person)

    @classmethod
    def restore(cls, scene: Any, store: Store, *, person: str = "unnamed") -> SceneAssessment:
        """The session of what a loaded scene stores.

        Raises
        ------
        SceneError
            If its nodes are gone or its text cannot be read.
        """
        return cls(scene, store.read(), store, store.read_history(), person)

    # What is ----------------------------------------------------------------------------------

    @property
    def assessment(self) -> Assessment:
        """As the points are now."""
        return self._assessment

    @property
    def keypoints(self) -> Keypoints | None:
        return self._assessment.keypoints

    @property
    def corrections(self) -> tuple[Correction, ...]:
        """All that a person changed and did not undo, in order."""
        return self._history.corrections

    @property
    def can_undo(self) -> bool:
        return self._history.can_undo(self._assessment.view.value)

    @property
    def can_redo(self) -> bool:
        return self._history.can_redo(self._assessment.view.value)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes that belong to the session."""
        return (self.volume_node, self.points_node, self._store.node, *self._overlay.nodes)

    def on_change(self, callback: Callback) -> Callable[[], None]:
        """Call `callback(session)` after every change, and once when the session has ended.

        Returns
        -------
        callable
            Ends the subscription.
        """
        self._callbacks.append(callback)

        def end() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return end

    def show_in(self, *view_ids: str, text_scale: float = 1.0) -> None:
        """Show points and overlay in these views only, in all views when none is given.

        All images lie in the same place, so a session is hidden until it is told where to be shown.
        `text_scale` is that of `show_side_by_side`.
        """
        show_only_in(self.points_node, view_ids)
        self._overlay.text_scale = text_scale
        self._overlay.show_in(view_ids)

    def hide(self) -> None:
        """Show points and overlay nowhere."""
        show_only_in(self.points_node, None)
        self._overlay.show_in(None)

    def highlight(self, tasks: Iterable[str] = ()) -> None:
        """Draw the lines of these tasks alone; those of all when there are none."""
        self._overlay.highlight(tasks)

    # What a person does -----------------------------------------------------------------------

    def move(self, name: str, position: Point) -> None:
        """Place the keypoint `name` at (x, y) in pixels."""
        self._set_state(name, (Finding.FOUND, (float(position[0]), float(position[1]))))

    def mark_absent(self, name: str) -> None:
        """State that the keypoint `name` is not in the image."""
        self._set_state(name, (Finding.NOT_FOUND, None))

    def start_placing(self, name: str) -> None:
        """Let the next click in a view place the keypoint `name`.

        When the person clicks with the right button instead, the point stays as it was.

        Raises
        ------
        SceneError
            If the scene has no mouse mode, as in a script without views.
        """
        point, index = self._known(name), self._index(name)
        with self._silent():
            self._placing.start(index, (point.finding, point.position), self._grid)

    def undo(self) -> None:
        """Take the last correction back; nothing when there is none of this view."""
        if self.can_undo:
            self._history = self._history.after_undo()
            self._put(correction.before for correction in self._history.undone[-1])

    def redo(self) -> None:
        """Make the correction again that was taken back last."""
        if self.can_redo:
            self._history = self._history.after_redo()
            self._put(correction.after for correction in self._history.done[-1])

    def correct(self, *, artefact: ArtefactFinding | None = None, side: Side | None = None) -> None:
        """State the artefact finding or the side."""
        self._replace(reassess(self._assessment, artefact=artefact, side=side))

    def set_view(self, view: View) -> None:
        """State the view; another view has other keypoints, which are all to be placed."""
        if self.keypoints is None or self.keypoints.view is not view:
            self._replace(reassess(self._assessment, keypoints=Keypoints.to_be_placed(view)))

    def update(self, assessment: Assessment, *, keep_placed: bool = True) -> None:
        """Take over a new assessment of the same image, from models that are ready for example.

        Parameters
        ----------
        assessment
            Of the same image, perhaps with a pixel spacing that a person stated.
        keep_placed
            Whether points that a person placed meanwhile stay where they are.
        """
        if (assessment.geometry.width, assessment.geometry.height) != (
            self._assessment.geometry.width, self._assessment.geometry.height,
        ):  # fmt: skip
            raise ValueError("This is an assessment of another image.")
        new, old = assessment.keypoints, self.keypoints
        if keep_placed and new and old and new.view is old.view:
            placed = [p for p in old if p.placed_by.startswith("person:")]
            for point in placed:
                new = new.replaced(point)
            if placed:
                assessment = reassess(assessment, keypoints=new)
        self._replace(assessment)

    def close(self, *, keep_nodes: bool = False) -> None:
        """End the session; nothing of it is left in the scene unless `keep_nodes`.

        Observers and overlay always go. With `keep_nodes`, the image, its points and what is stored
        stay, and `restore_all` brings the session back.
        """
        if self.closed:
            return
        self._detach()
        self._overlay.remove()
        if not keep_nodes:
            for node in (self.points_node, self.volume_node, self._store.node):
                if node.GetScene() is not None:
                    remove_node(self._scene, node)

    # Events -----------------------------------------------------------------------------------

    def _observe(self) -> None:
        import vtk

        points, scene = self.points_node, self._scene

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def node_goes(_caller: Any, _event: str, node: Any) -> None:
            if node is not None and node in self.nodes and not self.closed:
                self._end_with(node)

        for subject, event, handler in (
            (points, points.PointModifiedEvent, self._on_points_modified),
            (points, points.PointStartInteractionEvent, self._on_interaction_start),
            (points, points.PointEndInteractionEvent, self._on_interaction_end),
            (scene, scene.StartCloseEvent, lambda *_: self._detach()),
            (scene, scene.NodeAboutToBeRemovedEvent, node_goes),
        ):
            self._observers.append((subject, subject.AddObserver(event, handler)))

    def _detach(self) -> None:
        """Stop listening; the nodes are left alone."""
        self.closed = True
        for subject, tag in self._observers:
            subject.RemoveObserver(tag)
        self._observers.clear()
        self._overlay.stop_watching()
        self._placing.stop()
        self._tell()
        self._callbacks.clear()

    def _end_with(self, removed: Node) -> None:
        """Somebody deletes one of the nodes: the others have no sense without it."""
        self._detach()
        for node in reversed(self.nodes):
            if node is not removed and node.GetScene() is not None:
                remove_node(self._scene, node)

    def _on_interaction_start(self, *_: object) -> None:
        self._on_interaction_end()  # one that never said that it ended is over now
        self._interacting = True

    def _on_interaction_end(self, *_: object) -> None:
        self._interacting = False
        if self._settle():
            self._tell()

    def _on_points_modified(self, *_: object) -> None:
        """Rescore; labels, locks and what this session writes fire the same event."""
        if self._writing or self.closed:
            return
        if self._serving:  # a listener moves points
            self._moved_again = True
            return
        self._serving = True
        try:
            for _round in range(_MOST_ROUNDS):
                self._moved_again = False
                if self._take_over():
                    self._tell()
                if not self._moved_again:
                    return
            self._take_over()
            log.warning("A listener of a WristQC session moves points whenever one has moved.")
        finally:
            self._serving = False

    def _take_over(self) -> bool:
        """Follow the points, and record where they are unless a drag goes on."""
        moved = self._follow()
        return (not self._interacting and self._settle()) or moved

    # How it follows ---------------------------------------------------------------------------

    def _follow(self) -> bool:
        """Take over where the points are; whether any is elsewhere than before."""
        keypoints = self.keypoints
        if keypoints is None or self.points_node.GetNumberOfControlPoints() != len(keypoints):
            return False
        moved = keypoints
        for index, point in enumerate(keypoints):
            state = read_state(self.points_node, index, self._grid)
            if self._placing.holds(index, state) or same_state(
                state, (point.finding, point.position)
            ):
                continue
            settled = self._settled[point.name] if self._settled else point
            if same_state(state, (settled.finding, settled.position)):
                now = settled
            else:
                by = f"person:{self.person}" if state[0] is not Finding.NOT_ASSESSABLE else ""
                now = Keypoint(point.name, *state, placed_by=by)
            moved = moved.replaced(now)
            if (now.confidence, now.placed_by) != (point.confidence, point.placed_by):
                with self._silent():
                    write_description(self.points_node, index, moved.view, now, self._grid)
        if moved is keypoints:
            return False
        self._assessment = reassess(self._assessment, keypoints=moved)
        self._overlay.update(self._assessment, steady=True)
        return True

    def _settle(self) -> bool:
        """Record what changed since the last time; whether anything did."""
        before, after = self._settled, self.keypoints
        if before is None or after is None or before is after:
            return False
        self._settled = after
        step = tuple(
            Correction(
                self._assessment.sop_instance_uid, after.view, old, new, self.person,
                datetime.now(UTC).isoformat(timespec="seconds"),
                self._assessment.models.get(f"keypoints_{after.view}", ""),
            )
            for old, new in zip(before, after, strict=True)
            if not same_state((old.finding, old.position), (new.finding, new.position))
        )  # fmt: skip
        if step:
            self._history = self._history.with_step(step)
            self._store.write_history(self._history)
        return bool(step)

    def _set_state(self, name: str, state: tuple[Finding, Point | None]) -> None:
        index = self._index(name)
        self._placing.stop()
        write_state(self.points_node, index, state, self._grid)

    def _put(self, points: Iterable[Keypoint]) -> None:
        """Undo and redo: these keypoints as they were, without a new correction."""
        keypoints = self.keypoints
        assert keypoints is not None
        for point in points:
            keypoints = keypoints.replaced(point)
        self._replace(reassess(self._assessment, keypoints=keypoints))
        self._store.write_history(self._history)

    def _replace(self, assessment: Assessment) -> None:
        """Show another assessment of the image."""
        self._must_live()
        self._placing.stop()
        self._assessment = assessment
        self._settled = assessment.keypoints
        grid = PixelGrid.of(assessment.geometry)
        if grid != self._grid:
            self._grid = self._overlay.grid = grid
            set_spacing(self.volume_node, grid, assessment.spacing.source)
        with self._silent():
            write_keypoints(self.points_node, assessment.keypoints, grid)
        self._overlay.update(assessment)
        self._store.write(assessment)
        self._tell()

    def _tell(self) -> None:
        for callback in tuple(self._callbacks):
            try:
                callback(self)
            except Exception:  # one bad listener must not stop the others, nor VTK
                log.exception("A listener of a WristQC session failed.")

    @contextmanager
    def _silent(self) -> Iterator[None]:
        """What is written to the points meanwhile is not a person's doing."""
        before, self._writing = self._writing, True
        try:
            yield
        finally:
            self._writing = before

    def _must_live(self) -> None:
        if self.closed:
            raise SceneError(f"'{self._assessment.name}' is no longer in the scene; load it again.")

    def _known(self, name: str) -> Keypoint:
        self._must_live()
        if self.keypoints is None:
            raise SceneError("The view is unknown: say first whether it is frontal or lateral.")
        return self.keypoints[name]

    def _index(self, name: str) -> int:
        point = self._known(name)
        assert self.keypoints is not None
        return self.keypoints.points.index(point)


def restore_all(
    scene: Any, *, person: str = "unnamed", living: Collection[SceneAssessment] = ()
) -> list[SceneAssessment]:
    """Sessions for the assessments in a scene that was loaded.

    Parameters
    ----------
    scene
        The vtkMRMLScene.
    person
        Name that corrections are recorded under.
    living
        Sessions that the scene had before; they are left alone.

    Raises
    ------
    SceneError
        If one of them cannot be restored.
    """
    known = [node for session in living for node in session.nodes]
    return [
        SceneAssessment.restore(scene, store, person=person)
        for store in Store.all_in(scene)
        if store.node not in known
    ]
