"""A review of radiographs: assessed beside the window, shown one by one, corrected, rescored.

Joins the worker, the list of images and their sessions in the scene. Widgets are told through a
`Listener`; nothing here knows Qt. All methods are for the main thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessment import Assessment
from WristQCLib.assessor import Assessor, reassess
from WristQCLib.attributes import text_of
from WristQCLib.errors import RadiographError
from WristQCLib.findings import Finding, Side, Sourced, View
from WristQCLib.loaded_volumes import FindFile, radiograph_of_volume
from WristQCLib.radiograph import Radiograph
from WristQCLib.scene import SceneAssessment, SceneError
from WristQCLib.scene.store import Store
from WristQCLib.sources import ImageSource
from WristQCLib.spacing import Spacing
from WristQCLib.worker import Begun, Ended, Worker, Yielded
from WristQCLib.worklist import (
    Job,
    Look,
    Order,
    Recall,
    WorkItem,
    counterpart,
    looks,
    ordered,
)

T = TypeVar("T")

log = logging.getLogger("wristqc")


class Listener(Protocol):
    """What a review tells, always in the main thread."""

    def list_changed(self) -> None:
        """Images were added, removed or assessed, or another one is shown."""

    def score_changed(self) -> None:
        """The assessment of the image that is shown changed."""

    def run_changed(self) -> None:
        """Work has begun, got further or ended."""


class Review:
    """The images under review.

    Parameters
    ----------
    scene
        The vtkMRMLScene.
    show
        Shows sessions in the views, one or two.
    listener
        Whom to tell.
    find_file
        Finds the file of an image that came with a saved scene.
    person
        Name that corrections are recorded under.

    Attributes
    ----------
    items
        In the order they were given.
    current
        The one that is shown.
    done, total
        Images of the run.
    at_work
        The image that is being assessed.
    both_views
        Whether the other view of the same wrist is shown beside it.
    recall
        Knows what people said of images before; None when nothing does.
    """

    def __init__(
        self,
        scene: Any,
        show: Callable[[Sequence[SceneAssessment]], None],
        listener: Listener,
        *,
        find_file: FindFile = lambda uid: None,
        person: str = "unnamed",
    ) -> None:
        self._scene, self._show, self._listener, self._find_file = scene, show, listener, find_file
        self._person = person
        self._worker: Worker[Job, Look] = Worker(looks)
        self._sessions: dict[WorkItem, SceneAssessment] = {}
        self._touched: set[WorkItem] = set()
        self.items: list[WorkItem] = []
        self.current: WorkItem | None = None
        self.order = Order.GIVEN
        self.both_views = True
        self.recall: Recall | None = None
        self.done = self.total = 0
        self.at_work: WorkItem | None = None

    # What is ----------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        return self._worker.busy

    @property
    def session(self) -> SceneAssessment | None:
        """The current image in the scene."""
        return self._sessions.get(self.current) if self.current else None

    @property
    def assessment(self) -> Assessment | None:
        """Of the current image."""
        return self.current.assessment if self.current else None

    @property
    def ordered(self) -> list[WorkItem]:
        return ordered(self.items, self.order)

    @property
    def person(self) -> str:
        return self._person

    @person.setter
    def person(self, name: str) -> None:
        self._person = name.strip() or "unnamed"
        for session in self._sessions.values():
            session.person = self._person

    # The run ----------------------------------------------------------------------------------

    def start(self, items: Iterable[WorkItem], assessor: Assessor) -> None:
        """Assess these images, behind those that wait; those on the list already are done again."""
        added = [self._listed(item) for item in items]
        if not self.busy:
            self.done = self.total = 0
        self.total += len(added)
        self._worker.submit(Job(item, assessor, self.recall) for item in added)
        self._listener.list_changed()
        self._listener.run_changed()

    def cancel(self) -> None:
        """Stop after the image that is being worked on."""
        self._worker.cancel()
        self._listener.run_changed()

    def tick(self, wait: float = 0.0) -> bool:
        """Take what the worker has finished; to be called from a timer while `busy`.

        Parameters
        ----------
        wait
            Seconds that the worker gets, see `Worker.poll`.

        Returns
        -------
        bool
            Whether there is more to come.

        Raises
        ------
        Exception
            The first thing that went wrong in showing what came; the rest was taken all the same.
        """
        events = self._worker.poll(wait)
        problem: Exception | None = None
        for event in events:
            try:
                self._handle(event)
            except Exception as error:  # the other events must not be lost
                problem = problem or error
        if events:
            self._listener.run_changed()
        if problem is not None:
            raise problem
        return self.busy

    def _handle(self, event: Begun[Job] | Yielded[Job, Look] | Ended[Job]) -> None:
        item = event.task.item
        match event:
            case Begun():
                self.at_work = item
            case Yielded(_, look):
                self._take(item, look)
            case Ended(_, error, _cancelled):
                self._end(item, error)

    def _listed(self, item: WorkItem) -> WorkItem:
        """The item of the list for the same image, or `item`, which is put on the list."""
        for known in self.items:
            if known is item or _same(known.source, item.source):
                return known
        self.items.append(item)
        return item

    def _take(self, item: WorkItem, look: Look) -> None:
        if item not in self.items:  # removed from the list meanwhile
            return
        header = look.radiograph.header
        if not item.study and header is not None:
            item.study = text_of(header, "StudyInstanceUID")
        item.problem = ""
        look.tell(item)
        session = self._sessions.get(item)
        if session is not None:
            if look.final:
                session.update(look.assessment)
        elif look.final or item.assessment is None:
            item.assessment = look.assessment
        if self.current is None or self._is_missing_beside_current(item):
            self.show(self.current or item, {item: look.radiograph})
        else:
            self._listener.list_changed()

    def _end(self, item: WorkItem, error: BaseException | None) -> None:
        self.done += 1
        self.at_work = None
        if error is not None:
            if isinstance(error, RadiographError):
                item.problem = str(error)
            else:
                log.error("Unexpected error in %s", item.name, exc_info=error)
                item.problem = (
                    f"{item.name}: WristQC failed ({type(error).__name__}: {error});"
                    " please report it."
                )
            self._listener.list_changed()

    def _is_missing_beside_current(self, item: WorkItem) -> bool:
        return (
            self.both_views
            and self.current is not None
            and item not in self._sessions
            and counterpart(self.current, self.items) is item
        )

    # Showing ----------------------------------------------------------------------------------

    def show(self, item: WorkItem, read: dict[WorkItem, Radiograph] | None = None) -> None:
        """Show an image, with the other view of the same wrist if that is wanted.

        Parameters
        ----------
        item
            Of the list. One that could not be read is chosen, but nothing is shown of it.
        read
            Radiographs that were read already.
        """
        self.current = item
        wanted = [item]
        other = counterpart(item, self.items) if self.both_views else None
        if other is not None:
            wanted.append(other)
        opened = [o for o in wanted if self._open(o, (read or {}).get(o))]
        self._leave(kept=opened)
        self._show([self._sessions[o] for o in sorted(opened, key=_frontal_first)])
        self._listener.list_changed()
        self._listener.score_changed()

    def step(self, by: int) -> None:
        """Show the next image of the order, or with -1 the one before; none beyond the ends."""
        items = self.ordered
        if self.current in items:
            place = items.index(self.current) + by
            if 0 <= place < len(items):
                self.show(items[place])

    def highlight(self, tasks: Iterable[str] = ()) -> None:
        """Draw the lines of these tasks alone; those of all when there are none."""
        if self.session is not None:
            self.session.highlight(tasks)

    def _open(self, item: WorkItem, radiograph: Radiograph | None) -> bool:
        """Make sure that an image is in the scene, if it can be read and was assessed."""
        if item in self._sessions:
            return True
        if item.assessment is None:
            return False
        try:
            radiograph = radiograph or item.read()
        except RadiographError as error:
            item.problem = str(error)
            return False
        self._adopt(
            item,
            SceneAssessment.create(self._scene, radiograph, item.assessment, person=self._person),
        )
        return True

    def _adopt(self, item: WorkItem, session: SceneAssessment) -> None:
        self._sessions[item] = session
        session.on_change(lambda changed: self._follow(item, changed))

    def _follow(self, item: WorkItem, session: SceneAssessment) -> None:
        if session.closed:
            self._sessions.pop(item, None)
        else:
            item.assessment = session.assessment
        if item is self.current:
            self._listener.score_changed()

    def _leave(self, kept: Sequence[WorkItem]) -> None:
        """Take images out of the scene that nobody corrected, and hide those that somebody did."""
        for item, session in list(self._sessions.items()):
            if item in kept:
                continue
            if session.corrections or item in self._touched:
                session.hide()
            else:
                session.close()

    # Corrections ------------------------------------------------------------------------------

    def state_view(self, view: View, assessor: Assessor | None = None) -> None:
        """State the view of the current image; its keypoints are looked for again if asked to.

        Parameters
        ----------
        view
            Frontal or lateral.
        assessor
            Assesses the image anew; None leaves the keypoints of the view to a person.
        """
        if self.current is None or self.session is None:
            return
        self.current.view = view
        self._touched.add(self.current)
        self.session.set_view(view)
        if assessor is not None:
            self.start([self.current], assessor)

    def state_side(self, side: Side) -> None:
        """State the side of the current image."""
        if self.current is not None and self.session is not None:
            self.current.side = side
            self._touched.add(self.current)
            self.session.correct(side=side)

    def state_spacing(self, spacing: Spacing | None, assessor: Assessor | None = None) -> None:
        """State the pixel spacing of the current image, or take back what was stated.

        Parameters
        ----------
        spacing
            (x, y) in mm per pixel; None makes it unknown again.
        assessor
            Looks at the image anew, because the spacing tells how large a side marker may be; None
            only measures again.
        """
        if self.current is None or self.session is None:
            return
        self.current.spacing = spacing
        self._touched.add(self.current)
        stated = Sourced(spacing, "user" if spacing else "not given")
        self.session.update(reassess(self.session.assessment, spacing=stated))
        if assessor is not None:
            self.start([self.current], assessor)

    def state_artefact(self, present: bool) -> None:
        """State whether there is a foreign object in the current image."""
        if self.current is not None and self.session is not None:
            self.current.artefact = ArtefactFinding.stated(present, self._person)
            self._touched.add(self.current)
            self.session.correct(artefact=self.current.artefact)

    # The list ---------------------------------------------------------------------------------

    def restore(self) -> int:
        """Take over assessments that came with a loaded scene.

        Returns
        -------
        int
            How many.

        Raises
        ------
        SceneError
            If one of them cannot be read; the others are taken over.
        """
        known = [node for session in self._sessions.values() for node in session.nodes]
        count, problem = 0, None
        for store in Store.all_in(self._scene):
            if store.node in known:
                continue
            try:
                session = SceneAssessment.restore(self._scene, store, person=self._person)
                item = self._item_of(session)
            except (SceneError, RadiographError) as error:
                problem = error
                continue
            self.items.append(item)
            self._touched.add(item)
            self._adopt(item, session)
            session.hide()
            count += 1
        if count and self.current is None:
            self.show(self.items[0])
        elif count:
            self._listener.list_changed()
        if problem is not None:
            raise problem
        return count

    def _item_of(self, session: SceneAssessment) -> WorkItem:
        assessment = session.assessment
        source: ImageSource | Radiograph
        file = self._find_file(assessment.sop_instance_uid) if assessment.sop_instance_uid else None
        if file is not None:
            source = ImageSource(assessment.name, file)
        else:
            source = radiograph_of_volume(session.volume_node, assessment)
        artefact = assessment.artefact
        by_a_person = artefact.finding is not Finding.NOT_ASSESSABLE and (
            artefact.source.startswith("person:")
        )
        return WorkItem(
            source,
            view=_stated(assessment.view),
            side=_stated(assessment.side),
            spacing=_stated(assessment.spacing),
            artefact=artefact if by_a_person else None,
            assessment=assessment,
        )

    def clear(self, *, keep_nodes: bool = False) -> None:
        """Empty the list, and take its images out of the scene unless `keep_nodes`."""
        self._worker.cancel()
        for session in list(self._sessions.values()):
            session.close(keep_nodes=keep_nodes)
        self._sessions.clear()
        self._touched.clear()
        self.items.clear()
        self.current = None
        self._listener.list_changed()
        self._listener.score_changed()

    def close(self) -> None:
        """End the review: the thread ends, the nodes stay in the scene."""
        self._worker.close()
        self.clear(keep_nodes=True)


def _stated(sourced: Sourced[T]) -> T | None:
    """What a person stated; None for what was found otherwise."""
    return sourced.value if sourced.source == "user" else None


def _same(one: ImageSource | Radiograph, other: ImageSource | Radiograph) -> bool:
    if isinstance(one, ImageSource) and isinstance(other, ImageSource):
        return (one.path, one.member) == (other.path, other.member)
    return one is other


def _frontal_first(item: WorkItem) -> int:
    assert item.assessment is not None
    return item.assessment.view.value is not View.FRONTAL
