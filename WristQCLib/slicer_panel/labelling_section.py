"""Section "Training labels": what a person accepts of the images, and how far the list is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from WristQCLib.agreement import Agreement
from WristQCLib.labelling import NO_IMAGE, NO_STORE, Draft, Labelling, LabelState, Standing
from WristQCLib.labels import LabelError
from WristQCLib.labels.conflicts import Conflict
from WristQCLib.labels.reading import Reading
from WristQCLib.labels.store import LabelStore
from WristQCLib.labels.store_document import key_of
from WristQCLib.report import ReportError
from WristQCLib.review import Review
from WristQCLib.slicer_panel.agreement_window import AgreementWindow
from WristQCLib.slicer_panel.label_signs import SIGNS
from WristQCLib.slicer_panel.label_states import LabelStates
from WristQCLib.slicer_panel.qt_tools import errors_shown, make_timer, put
from WristQCLib.translation import translator
from WristQCLib.worker import Ended, Worker, Yielded
from WristQCLib.worklist import WorkItem

_ = translator(__file__)

log = logging.getLogger("wristqc")


@dataclass(frozen=True, eq=False)
class _Task:
    """What is done in the worker's thread, and who takes over what came out, in the window's."""

    work: Callable[[], Any]
    done: Callable[[Any], None]
    failed: Callable[[], None]


class LabellingSection:
    """Accepts what is shown, and tells what was accepted.

    Pixels are read and brought to the disk in another thread, so that the next image is there at
    once.

    Parameters
    ----------
    ui
        The panel's widgets by name.
    review
        What is accepted.
    on_change
        Called when images are further with their labels than before, or less far.
    on_open
        Called when another folder was opened or made: the line of its path tells nothing of a
        folder that is not there yet.
    """

    REST_MS = 200
    """What was accepted is compared with what is shown when a point has come to rest."""
    FOLDER_MS = 600
    """A path that is typed is looked at when it has stood so long."""
    TICK_MS = 5
    WORK_SECONDS = 0.025
    """What saving gets of each tick, see `WristQCLib.worker`."""
    END_SECONDS = 30.0
    """What is still to be saved when the panel goes gets so long."""

    def __init__(
        self,
        ui: Any,
        review: Review,
        on_change: Callable[[], None],
        on_open: Callable[[], None] = lambda: None,
    ) -> None:
        self._ui, self._review, self._on_change, self._on_open = ui, review, on_change, on_open
        self.labelling = Labelling(review, None)
        self.states = LabelStates(review, self.labelling)
        self._keep_images = True
        self._states: dict[WorkItem, LabelState] = {}
        self._asked: dict[WorkItem, tuple[object, object, LabelState]] = {}
        self._progress_is_known = False
        self._worker: Worker[_Task, Any] = Worker(_worked)
        self._window: AgreementWindow | None = None
        self.rest_timer = make_timer(self.REST_MS, self.show, once=True)
        self.folder_timer = make_timer(self.FOLDER_MS, self.open, once=True)
        self.work_timer = make_timer(self.TICK_MS, self._on_work_tick)
        ui.acceptButton.clicked.connect(self.accept)
        ui.acceptNextButton.clicked.connect(self.accept_and_next)
        ui.resolveButton.clicked.connect(self._on_resolve)
        ui.agreementButton.clicked.connect(self.compare)
        ui.showLabelsButton.clicked.connect(self._on_show_folder)
        ui.labelsPathLineEdit.currentPathChanged.connect(self._on_folder_changed)
        ui.labelsPathLineEdit.validInputChanged.connect(self._on_folder_changed)  # when emptied

    def close(self) -> None:
        """End, when what was accepted is saved."""
        self.rest_timer.stop()
        self.folder_timer.stop()
        self.work_timer.stop()
        end = time.monotonic() + self.END_SECONDS
        while self._worker.busy and time.monotonic() < end:
            self._take_work(0.1)
        self._worker.close()
        if self._window is not None:
            self._window.end()

    @property
    def busy(self) -> bool:
        """Whether something is still being saved or looked for."""
        return self._worker.busy

    # The folder ---------------------------------------------------------------------------------

    @property
    def folder(self) -> str:
        return str(self._ui.labelsPathLineEdit.currentPath)

    def open(self, *, create: bool = False) -> None:
        """Open the folder of labels if there is one, or make it.

        Raises
        ------
        LabelError
            If it is to be made, and cannot be.
        """
        self.folder_timer.stop()
        store = self.labelling.store
        if store is not None and store.folder == Path(self.folder):
            return
        try:
            found = self.folder and (create or (Path(self.folder) / "labels").is_dir())
            store = LabelStore.open(self.folder, keep_images=self._keep_images) if found else None
        except LabelError as error:
            if create:
                raise
            self._tell(str(error))
            store = None
        else:
            self._tell("\n".join(store.problems) if store is not None else "")
        if store is not self.labelling.store:
            self.labelling.store = store
            self._forget()
            self._on_open()
            self._on_change()
        self.show()

    def set_options(self, *, keep_images: bool, skip_others: bool) -> None:
        """Whether pixels are kept, and what others have checked is passed over."""
        self._keep_images = keep_images
        if self.labelling.store is not None:
            self.labelling.store.keep_images = keep_images
        self.labelling.skip_others = skip_others

    def _on_folder_changed(self, *_unused: object) -> None:
        self.folder_timer.start()

    def _on_show_folder(self, *_unused: object) -> None:
        import qt

        if Path(self.folder).is_dir():
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(self.folder))
        else:
            self._tell(_("The folder is made when the first image is accepted."))

    # What is shown ------------------------------------------------------------------------------

    def refresh(self) -> None:
        """See who accepts now, and what others have accepted meanwhile."""
        _reader = self.labelling.reader  # asked for, so that images are shown as this one left them
        self._forget()
        if self.labelling.store is None:
            self.folder_timer.start()
            return
        self._begin(self.labelling.look, self._take_standing)
        self.show_soon()

    def _take_standing(self, standing: Standing) -> None:
        self.labelling.take(standing)
        self._forget()
        self._on_change()

    def _forget(self) -> None:
        """Ask for everything again."""
        self._asked.clear()
        self._progress_is_known = False
        self.states.forget()

    def show_list(self) -> None:
        """Show how far the images are, for others are on the list or were looked at."""
        self._progress_is_known = False
        self.show_soon()

    def show_soon(self) -> None:
        """Show how far the images are, but not at each step of a mouse."""
        if not self.rest_timer.active:
            self.rest_timer.start()

    def show(self) -> None:
        """How far the images are, and the one that is shown."""
        self.rest_timer.stop()
        ui, item, labelling = self._ui, self._review.current, self.labelling
        with errors_shown(_("The training labels could not be read.")):
            kept = labelling.store is not None
            items = self._review.items if kept else []
            states = {item: self._state(item) for item in items}
            state = states.get(item) if item is not None else None
            told = self._state_told(item, state) if item is not None and state else ""
            put(ui.labelStateLabel, text=told, visible=bool(told))
            put(ui.resolveButton, visible=state is LabelState.IN_CONFLICT)
            if not self._progress_is_known:
                self._progress_is_known = True
                told = self._progress_told() if items else ""
                put(ui.labelsProgressLabel, text=told, visible=bool(told))
            put(ui.acceptButton, enabled=item is not None)
            put(ui.acceptNextButton, enabled=item is not None)
            put(ui.agreementButton, enabled=kept)
            if states != self._states:
                self._states = states
                self.states.follow_list()
                self._on_change()

    def _state(self, item: WorkItem) -> LabelState:
        """Asked for again when the image was changed, for there may be many of them."""
        known = self._asked.get(item)
        if known and known[0] is item.assessment and known[1] is item.reading:
            return known[2]
        state = self.labelling.state(item)
        self._asked[item] = item.assessment, item.reading, state
        return state

    def _ask_again(self, item: WorkItem) -> None:
        self._asked.pop(item, None)
        self._progress_is_known = False

    def sign(self, item: WorkItem) -> str:
        """How far an image on the list is, as shown last; empty while labels are not kept."""
        state = self._states.get(item)
        return SIGNS[state] if state is not None else ""

    def _progress_told(self) -> str:
        progress = self.labelling.progress
        told = _("{checked} of {total} checked, {corrected} corrected").format(
            checked=progress.checked, total=progress.total, corrected=progress.corrected
        )
        if progress.by_others:
            told += _(", only by others: {count}").format(count=progress.by_others)
        return told

    def _state_told(self, item: WorkItem, state: LabelState) -> str:
        reading, sign = item.reading, SIGNS[state]
        if state is LabelState.IN_CONFLICT and item.image is not None:
            conflict = self.labelling.conflicts_by_key().get(key_of(item.image))
            return f"{sign} {conflict.sentence}" if conflict else sign
        if state is LabelState.NOT_CHECKED:
            others = ", ".join(self.labelling.others(item))
            told = _("Not checked.") if not others else _("Checked by others only: {others}.")
            return f"{sign} {told.format(others=others)}"
        if reading is None:
            return f"{sign} " + _("Being saved …")
        when = reading.accepted_at.astimezone().strftime("%Y-%m-%d %H:%M")
        told = {
            LabelState.CHECKED: _("Checked by {reader}, {when}."),
            LabelState.CHANGED_SINCE: _("Changed since {reader} checked it, {when}."),
        }[state]
        return f"{sign} {told.format(reader=reading.reader, when=when)}"

    def _tell(self, text: str) -> None:
        put(self._ui.labelsProblemLabel, text=text, visible=bool(text))

    # Accepting ----------------------------------------------------------------------------------

    def accept(self, *_unused: object) -> bool:
        """Keep what is shown; whether it could be accepted, else a sentence tells why not."""
        return self._accept(resolve=False)

    def accept_and_next(self, *_unused: object) -> None:
        """Keep what is shown, and show what is to be checked next."""
        if not self.accept():
            return
        with errors_shown(_("The image could not be shown.")):
            if self.labelling.show_next() is None:
                self._tell(_("There is no other image to check."))

    def by_key(self, action: Callable[[], object]) -> Callable[[], None]:
        """What a key does: `action` while the section is open, else it opens the section.

        So nobody who strikes a key by accident has accepted an image without seeing it.
        """

        def pressed() -> None:
            section = self._ui.labelsCollapsibleButton
            if section.collapsed:
                section.collapsed = False
            elif self._review.current is not None:
                action()

        return pressed

    def _on_resolve(self, *_unused: object) -> None:
        self._accept(resolve=True)

    def _accept(self, *, resolve: bool) -> bool:
        item = self._review.current
        refusal = self.labelling.refusal(item) if item is not None else NO_IMAGE
        if refusal:  # no folder is made for it
            self._tell(refusal)
            return False
        try:
            self.open(create=bool(self.folder))
            draft = self.labelling.draft(resolve=resolve)
        except LabelError as error:
            self._tell(str(error))
            return False
        self._tell("")
        self._ask_again(draft.item)
        self._begin(draft.save, partial(self._settle, draft), partial(self._settle, draft, None))
        self.show()
        return True

    def _settle(self, draft: Draft, reading: Reading | None) -> None:
        self.labelling.settle(draft, reading)
        self._ask_again(draft.item)

    # Agreement ----------------------------------------------------------------------------------

    def compare(self, *_unused: object) -> None:
        """Compare the readings of the whole store, and show what came out in a window."""
        labelling = self.labelling
        store = labelling.store
        if store is None:
            self._tell(NO_STORE)
            return
        self._tell(_("Readings are being compared …"))
        put(self._ui.agreementButton, enabled=False)
        self._begin(lambda: (labelling.agreement(), store.conflicts()), self._show_agreement)

    def _show_agreement(self, compared: tuple[Agreement, list[Conflict]]) -> None:
        self._tell("")
        if self._window is None:
            self._window = AgreementWindow(self._save_agreement)
        self._window.show(*compared)

    def _save_agreement(self) -> None:
        from WristQCLib.report.agreement_report import write_agreement

        store, window = self.labelling.store, self._window
        if store is not None and window is not None:
            out = Path(self._ui.outputPathLineEdit.currentPath) / "agreement"
            window.tell(_("Saving …"))
            self._begin(
                lambda: write_agreement(store, out),
                lambda _paths: window.tell(_("Saved in {folder}").format(folder=out)),
                lambda: window.tell(""),
            )

    # Beside the window --------------------------------------------------------------------------

    def _begin(
        self,
        work: Callable[[], Any],
        done: Callable[[Any], None],
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """Do something in the worker's thread, and then take over what came out."""
        self._worker.submit([_Task(work, done, failed)])
        self.work_timer.start()

    def _on_work_tick(self) -> None:
        with errors_shown(_("The training labels could not be read.")):
            self._take_work(self.WORK_SECONDS)
        if not self._worker.busy:
            self.work_timer.stop()

    def _take_work(self, wait: float) -> None:
        for event in self._worker.poll(wait):
            if isinstance(event, Yielded):
                event.task.done(event.result)
            elif isinstance(event, Ended):
                if event.error is not None:
                    if not isinstance(event.error, LabelError | ReportError):
                        log.error("Unexpected error in the label store", exc_info=event.error)
                    event.task.failed()
                    self._tell(str(event.error))
                self.show()


def _worked(task: _Task) -> Iterator[Any]:
    yield task.work()
