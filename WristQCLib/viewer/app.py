"""The viewer's behaviour: joins the review with the page.

What a page may ask for are the methods that are handed to `page.build`; images are named by a
number in the list, never by a path, and reports go to the folder that the server was started with.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from WristQCLib.advice import advise
from WristQCLib.assessor import Assessor
from WristQCLib.errors import RadiographError
from WristQCLib.findings import Finding, Side, View
from WristQCLib.labels.store import LabelStore
from WristQCLib.recall import Stated, remember
from WristQCLib.report import ReportError
from WristQCLib.review import Review
from WristQCLib.saving import REPORTS, Kind, Saved, save
from WristQCLib.scene import SceneAssessment, SceneError
from WristQCLib.stated import StatementError, spacing_may_be_stated, stated_spacing
from WristQCLib.viewer import page, rows
from WristQCLib.viewer.acceptance import Acceptance
from WristQCLib.viewer.ahead import ReadAhead
from WristQCLib.viewer.language import Language
from WristQCLib.viewer.saved import SavedLabels
from WristQCLib.viewer.settings import Settings
from WristQCLib.viewer.slices import SliceViews, Tool
from WristQCLib.worklist import Order, WorkItem, counterpart, first_look

if TYPE_CHECKING:
    from trame_server import Server

log = logging.getLogger("wristqc")

_TICK_S = 0.02
"""Between two looks at what the worker has finished."""
_REST_S = 0.15
"""How long a point rests before list and advice are renewed; the score follows at once."""
_DEFAULT_KINDS = (Kind.HTML, Kind.CSV, Kind.LABELME)


class Viewer:
    """One review and its page.

    Parameters
    ----------
    server
        Of trame, not started yet.
    assessor
        Assesses the images.
    settings
        See there.
    saved, store
        Labels that were saved before; the store is None where there is none yet.
    """

    def __init__(
        self,
        server: Server,
        assessor: Assessor,
        settings: Settings,
        saved: SavedLabels,
        store: LabelStore | None,
    ) -> None:
        from trame_slicer.core import SlicerApp

        self._server, self._assessor, self._settings = server, assessor, settings
        self._say = Language.load(settings.language)
        self._scene_app = SlicerApp()
        _be_quiet()
        self._ids: dict[WorkItem, str] = {}
        self._kept: dict[WorkItem, Stated] = {}
        """What people had said of each image when it was last saved here."""
        self._running: asyncio.Task[None] | None = None
        self._resting: asyncio.TimerHandle | None = None
        self._saving = False
        self._ahead = ReadAhead()
        self._set_first_state()
        self._slices = SliceViews(server, self._scene_app, page.draw_over, self._views_changed)
        self.review = Review(self._scene_app.scene, self._slices.show, self, person=settings.person)
        self.acceptance = Acceptance(
            server, self.review, saved, settings.labels, store, self._ids,
            show=self._show, changed=self._list, warn=self._warn, say=lambda: self._say,
        )  # fmt: skip
        page.build(server, self, self._slices.layout)
        self._follow_page()

    def _set_first_state(self) -> None:
        self._server.state.update({
            "studies": [], "counts": [], "search": "", "order": Order.GIVEN.value, "grades": [],
            "current": "", "panel": rows.score_panel(None, False, self._say), "tasks": [],
            "advice": [], "keypoints": [], "header": [], "stated": rows.stated_row(None),
            "chosen_tasks": [], "can_undo": False, "can_redo": False, "identity": False,
            "views": {}, "active_view": "", "tool": Tool.PAN.value, "inverted": False,
            "overlay": True, "both_views": True, "placing": "",
            "run": {"busy": True, "text": "", "done": 0, "total": 0}, "message": "",
            "message_shown": False, "message_colour": "info", "report": "", "unsaved": 0,
            "save_shown": False, "save_kinds": [k.value for k in _DEFAULT_KINDS],
            "save_all": True, "save_identity": False, "saving": 0, "out": str(self._settings.out),
            "person": self._settings.person, "help_shown": False, "list_shown": True,
            "panel_shown": True, "tab": "score", "dark": self._settings.dark,
            "language": self._settings.language, "t": page.words(self._say),
            "checks": [], "wanted_checks": [], "check": None, "skip_others": False,
            "progress": {"text": "", "others": "", "share": 0, "share_all": 0},
            "labels": str(self._settings.labels), "agreement_shown": False,
            "agreement_busy": False, "agreement": [], "agreement_told": [], "conflicts": [],
        })  # fmt: skip

    def _follow_page(self) -> None:
        change = self._server.state.change
        change("search", "order", "grades", "wanted_checks")(lambda **_: self._list())
        change("skip_others")(lambda skip_others, **_: self.acceptance.skip_others(skip_others))
        change("language")(lambda **_: self._set_language())
        change("identity")(lambda **_: self._header())
        change("both_views")(lambda **_: self._show_both())
        change("tool")(lambda **_: self._set_tool())
        change("inverted")(lambda inverted, **_: self._slices.invert(bool(inverted)))
        change("overlay")(lambda overlay, **_: self._slices.show_overlay(bool(overlay)))
        change("person")(lambda person, **_: self._set_person(person))

    # The run ----------------------------------------------------------------------------------

    def start(self, items: Iterable[WorkItem]) -> None:
        """Assess images in the background; the first is shown as soon as it is read."""
        self.review.start(items, self._assessor)
        self._keep_running()
        self.acceptance.watch()

    def tell(self, text: str) -> None:
        """Say what the server is doing before there are images."""
        with self._server.state as state:
            state.run = {"busy": True, "text": self._say(text), "done": 0, "total": 0}

    def _keep_running(self) -> None:
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        more = True
        while more:
            with self._server.state:
                try:
                    more = self.review.tick()
                except Exception:  # one image must not end the run
                    log.exception("An image could not be shown.")
                    self._warn("An image could not be shown.")
            await asyncio.sleep(_TICK_S)

    async def finish(self) -> list[str]:
        """End the review; corrections that nobody saved or accepted are written as labels first.

        Returns
        -------
        list of str
            What a person should know of that.
        """
        await self.acceptance.finish()
        unsaved, out = self._unsaved(), self._settings.out
        notes: list[str] = []
        if unsaved:
            try:
                saved = save(unsaved, out, [Kind.LABELME], person=self.review.person)
                notes = [*saved.problems]
                if saved.images:
                    notes.append(
                        f"Corrections of {saved.images} images were not saved yet; they are in"
                        f" {out / Kind.LABELME} now, and will be there at the next start."
                    )
            except ReportError as error:
                notes = [f"Corrections of {len(unsaved)} images are lost: {error}"]
        self.review.close()
        return notes

    # Listener of the review -------------------------------------------------------------------

    def list_changed(self) -> None:
        """See `review.Listener`."""
        for item in self.review.items:
            self._ids.setdefault(item, str(len(self._ids)))
        self._list()

    def score_changed(self) -> None:
        """See `review.Listener`."""
        item, assessment = self.review.current, self.review.assessment
        state, session = self._server.state, self.review.session
        state.panel = rows.score_panel(item, item is self.review.at_work, self._say)
        state.tasks = rows.task_rows(assessment, self._say)
        state.keypoints = rows.keypoint_rows(assessment, self._say)
        state.stated = rows.stated_row(assessment)
        state.can_undo = bool(session and session.can_undo)
        state.can_redo = bool(session and session.can_redo)
        if self._resting is not None:
            self._resting.cancel()
        self._resting = asyncio.get_running_loop().call_later(_REST_S, self._rest)

    def run_changed(self) -> None:
        """See `review.Listener`."""
        review = self.review
        for item in review.items:
            remember(item)
        text = ""
        if review.busy:
            name = review.at_work.name if review.at_work else ""
            text = self._say("Assessing {name}").replace("{name}", name) if name else ""
        self._server.state.run = {
            "busy": review.busy, "text": text, "done": review.done, "total": review.total,
        }  # fmt: skip
        self.score_changed()

    def _rest(self) -> None:
        """What may lag behind a moving point."""
        with self._server.state as state:
            assessment = self.review.assessment
            working = self.review.at_work is self.review.current
            advice = advise(assessment) if assessment and not working else ()
            state.advice = rows.advice_rows(advice, self._say)
            self._header()
            self._list()

    def _header(self) -> None:
        self._server.state.header = rows.header_rows(
            self.review.assessment, self._say, with_identity=bool(self._server.state.identity)
        )

    # The list ---------------------------------------------------------------------------------

    def _studies(self) -> tuple[rows.Study, ...]:
        """What is listed: in the order that is wanted, without what the filter leaves out."""
        state = self._server.state
        search, grades = str(state.search or ""), [str(grade) for grade in state.grades or ()]
        wanted = [str(check) for check in state.wanted_checks or ()]
        found = self.acceptance.checks() if wanted else {}

        def is_kept(item: WorkItem) -> bool:
            checked = not wanted or item is self.review.current or found.get(item) in wanted
            return checked and rows.wanted(item, search, grades)

        return tuple(
            rows.Study(kept)
            for study in rows.studies(self.review.ordered)
            if (kept := tuple(filter(is_kept, study.items)))
        )

    def _listed(self) -> list[WorkItem]:
        return [item for study in self._studies() for item in study.items]

    def _list(self) -> None:
        state = self._server.state
        if state.order in list(Order):
            self.review.order = Order(state.order)
        unsaved, found = self._unsaved(), self.acceptance.checks()
        looks = {item: self.acceptance.look_of(item, found.get(item)) for item in self._ids}
        state.studies = rows.list_rows(self._studies(), self._ids, unsaved, looks, self._say)
        self.acceptance.tell(found)
        state.counts = rows.grade_counts(self.review.items, self._assessor.protocol)
        state.unsaved = len(unsaved)
        state.current = self._ids.get(self.review.current, "") if self.review.current else ""

    def _unsaved(self) -> list[WorkItem]:
        """Images with corrections that no label file holds."""
        return [item for item in self.review.items if not self._is_saved(item)]

    def _is_saved(self, item: WorkItem) -> bool:
        if item.assessment is None or self.acceptance.labelling.is_kept(item):
            return True
        if item in self._kept:
            return Stated.of(item.assessment) == self._kept[item]
        return self.acceptance.labelling.memory.is_saved(item.assessment)

    def _item(self, item_id: object) -> WorkItem | None:
        return next((item for item, known in self._ids.items() if known == item_id), None)

    def choose(self, item_id: str) -> None:
        """Show an image of the list; one whose turn has not come is read at once."""
        item = self._item(item_id)
        if item is not None:
            self._show(item)

    def step(self, by: int) -> None:
        """Show the next image as they are listed, or the one before."""
        listed = self._listed()
        if not listed:
            return
        if self.review.current in listed:
            place = listed.index(self.review.current) + (1 if by > 0 else -1)
        else:
            place = 0
        if 0 <= place < len(listed):
            if by > 0 and self.review.current is not None:
                self.acceptance.labelling.pass_over(self.review.current)
            self._show(listed[place])

    def _show(self, item: WorkItem) -> None:
        read = self._ahead.of(self.review.items)
        self._server.state.chosen_tasks = []
        if item.assessment is None and not item.problem:
            try:
                read[item] = read.get(item) or item.read()
                item.assessment = first_look(read[item], self._assessor.protocol)
            except RadiographError as error:
                item.problem = str(error)
        self.review.show(item, read)
        self._read_ahead(item)

    def _read_ahead(self, shown: WorkItem) -> None:
        """Have those ready that come after the one that is shown."""
        items = self.review.items
        likely: list[WorkItem] = []
        for item in (self.acceptance.labelling.next_unchecked(self._listed()), self._after(shown)):
            if item is not None and not item.problem:
                other = counterpart(item, items) if self.review.both_views else None
                likely += [each for each in (item, other) if each is not None]
        beside = counterpart(shown, items) if self.review.both_views else None
        self._ahead.want(item for item in dict.fromkeys(likely) if item not in (shown, beside))

    def _after(self, item: WorkItem) -> WorkItem | None:
        listed = self._listed()
        place = listed.index(item) + 1 if item in listed else len(listed)
        return listed[place] if place < len(listed) else None

    def _show_both(self) -> None:
        self.review.both_views = bool(self._server.state.both_views)
        if self.review.current is not None:
            self._show(self.review.current)

    def activate(self, view: str) -> None:
        """Let panel and corrections be about the image in this view."""
        session = self._slices.shown.get(view)
        for item in self.review.items:
            if session is not None and item.assessment is session.assessment:
                if item is not self.review.current:
                    self.review.current = item
                    self.score_changed()
                    self.list_changed()
                    self._views_changed()
                return

    # Views ------------------------------------------------------------------------------------

    def _views_changed(self) -> None:
        """Tell what stands in the corners of the views."""
        views, active = {}, ""
        for name, session in self._slices.shown.items():
            assessment = session.assessment
            width, centre = self._slices.window(name)
            views[name] = {
                "name": assessment.name,
                "about": rows.about(assessment, self._say),
                "window": f"{width:.0f} / {centre:.0f}",
                "zoom": f"{self._slices.magnification(name):.0%}",
            }
            if session is self.review.session:
                active = name
        with self._server.state as state:  # sizes change without any request of the page
            state.views = views
            state.active_view = active if len(views) > 1 else ""

    def _set_tool(self) -> None:
        if self._server.state.tool in list(Tool):
            self._slices.set_tool(Tool(self._server.state.tool))

    def fit(self) -> None:
        """Fit the images to the views."""
        self._slices.fit()

    def zoom(self, steps: int) -> None:
        """Zoom in or out."""
        self._slices.zoom(1 if steps > 0 else -1)

    def reset_window(self) -> None:
        """The windows that the files ask for, not inverted."""
        self._slices.reset_window()
        self._server.state.inverted = False

    def highlight(self, tasks: Sequence[str]) -> None:
        """Draw the lines of these tasks alone; those of all when they are chosen already."""
        state = self._server.state
        chosen = [str(task) for task in tasks]
        state.chosen_tasks = [] if chosen == state.chosen_tasks else chosen
        self.review.highlight(state.chosen_tasks)

    # Corrections ------------------------------------------------------------------------------

    def state_view(self, view: str) -> None:
        """State the view; the keypoints of another one are looked for."""
        now = self.review.assessment
        if view in list(View) and now is not None and now.view.value != view:
            self.review.state_view(View(view), self._assessor)
            self._keep_running()
            self._views_changed()

    def state_side(self, side: str) -> None:
        """State the side."""
        if side in list(Side):
            self.review.state_side(Side(side))
            self._views_changed()

    def state_spacing(self, text: str) -> None:
        """State the pixel size as a person typed it, or take it back with an empty text."""
        now = self.review.assessment
        if now is None or not spacing_may_be_stated(now):
            return
        try:
            spacing = stated_spacing(str(text or "")[:64], now)
        except StatementError as error:
            self._warn(str(error))
        else:
            if spacing != now.spacing.value:
                self.review.state_spacing(spacing, self._assessor)
                self._keep_running()
        self._server.state.stated = rows.stated_row(self.review.assessment)

    def state_artefact(self, said: str) -> None:
        """State whether there is a foreign object: ``"present"`` or ``"none"``."""
        if said in rows.ARTEFACT.values():
            self.review.state_artefact(said == rows.ARTEFACT[Finding.FOUND])

    def place(self, keypoint: str) -> None:
        """Let the next click place a keypoint."""
        self._correct(lambda session: session.start_placing(keypoint))

    def mark_absent(self, keypoint: str) -> None:
        """State that a keypoint is not in the image."""
        self._correct(lambda session: session.mark_absent(keypoint))

    def undo(self) -> None:
        """Take the last correction back."""
        self._correct(lambda session: session.undo())

    def redo(self) -> None:
        """Make it again."""
        self._correct(lambda session: session.redo())

    def _correct(self, correction: Callable[[SceneAssessment], None]) -> None:
        if self.review.session is None:
            return
        try:
            correction(self.review.session)
        except (SceneError, KeyError) as error:
            self._warn(str(error))

    def _set_person(self, name: object) -> None:
        self.review.person = str(name or "")[:64]
        self._list()

    # Labelling --------------------------------------------------------------------------------

    async def accept(self) -> None:
        """Keep the image as it is now, as a label."""
        await self.acceptance.accept()

    async def accept_and_next(self) -> None:
        """Keep it, and show the next image that is not checked."""
        await self.acceptance.accept_and_next(self._listed)

    async def decide(self) -> None:
        """Keep it as what readers agreed upon."""
        await self.acceptance.decide()

    async def show_agreement(self) -> None:
        """Show how far readers agree with each other and with the models."""
        await self.acceptance.show_agreement()

    # Saving -----------------------------------------------------------------------------------

    async def save(self) -> None:
        """Write what is ticked in the dialogue, of all images or of the one that is shown."""
        state = self._server.state
        kinds = [kind for kind in Kind if kind.value in (state.save_kinds or ())]
        chosen = self.review.ordered if state.save_all else [self.review.current]
        items = [item for item in chosen if item is not None]
        if self._saving or not kinds or not items:
            return
        self._saving = True
        # Copies, because they are written in a thread while people go on with the images.
        copies = [replace(item) for item in items]
        loop = asyncio.get_running_loop()

        def go_on(count: int) -> bool:
            loop.call_soon_threadsafe(self._tell_saving, count, len(copies))
            return True

        # The browser opened the dialogue; only what the server knows to be open can it close.
        state.save_shown = True
        self._tell_saving(0, len(copies))
        try:
            saved = await asyncio.to_thread(
                save, copies, self._settings.out, kinds,
                include_identity=bool(state.save_identity), person=self.review.person, go_on=go_on,
            )  # fmt: skip
            self._saved(items, copies, kinds, saved)
        except ReportError as error:
            self._warn(str(error))
        finally:
            self._saving = False
            with state:
                state.saving = 0

    def _saved(
        self, items: list[WorkItem], copies: list[WorkItem], kinds: list[Kind], saved: Saved
    ) -> None:
        with self._server.state as state:
            if set(kinds) & {Kind.LABELME, Kind.MARKUPS} and not saved.problems:
                for item, copy in zip(items, copies, strict=True):
                    if copy.assessment is not None:
                        self._kept[item] = Stated.of(copy.assessment)
            text = self._say("Images saved: {count}").replace("{count}", str(saved.images))
            problems = " ".join(map(self._say, saved.problems))
            state.message = f"{text} {problems}".strip()
            state.message_colour = "warning" if saved.problems else "success"
            state.message_shown = True
            html = saved.paths.get(Kind.HTML)
            state.report = f"saved/{html.name}" if html and set(kinds) & REPORTS else ""
            state.save_shown = False
            self._list()

    def _tell_saving(self, count: int, total: int) -> None:
        with self._server.state as state:
            state.saving = max(1, round(100 * count / max(total, 1)))

    def _warn(self, sentence: str) -> None:
        self._server.state.update({
            "message": self._say(sentence), "message_colour": "warning", "message_shown": True,
        })  # fmt: skip

    # Words ------------------------------------------------------------------------------------

    def _set_language(self) -> None:
        try:
            self._say = Language.load(str(self._server.state.language))
        except ValueError:
            return
        self._server.state.t = page.words(self._say)
        self.run_changed()
        self._views_changed()
        self._rest()
        if self._server.state.agreement_shown:
            asyncio.get_running_loop().create_task(self.show_agreement())


def _be_quiet() -> None:
    """Keep what VTK says to programmers off the shell, unless they listen."""
    if log.isEnabledFor(logging.DEBUG):
        return
    from vtkmodules.vtkCommonCore import vtkLogger, vtkOutputWindow

    vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_OFF)
    window = vtkOutputWindow.GetInstance()
    window.SetDisplayModeToNever()
