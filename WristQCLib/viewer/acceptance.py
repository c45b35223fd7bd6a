"""What the page does for labelling: accepting, what comes next, how far readers are and agree."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from WristQCLib.labelling import Draft, Labelling
from WristQCLib.labels import LabelError
from WristQCLib.labels.reading import Reading
from WristQCLib.labels.store import LabelStore
from WristQCLib.labels.store_document import key_of
from WristQCLib.recall import LabelFiles
from WristQCLib.viewer import check_rows
from WristQCLib.viewer.check_rows import Check
from WristQCLib.worklist import WorkItem

if TYPE_CHECKING:
    from trame_server import Server

    from WristQCLib.review import Review
    from WristQCLib.viewer.rows import Row, Say

log = logging.getLogger("wristqc")

_LOOK_S = 3.0
"""Between two looks at what others have accepted meanwhile."""
ALL_CHECKED = "All images are checked."


def opened(folder: Path) -> tuple[LabelStore | None, list[str]]:
    """The label store of a folder if there is one, and what a person should know of it."""
    if not folder.exists():
        return None, []  # made when the first image is accepted
    try:
        store = LabelStore.open(folder)
    except LabelError as error:
        return None, [str(error)]
    return store, list(store.problems)


class Acceptance:
    """Joins the page with the labelling of its review.

    Parameters
    ----------
    server, review, files
        Of trame, what is labelled, and label files of old.
    folder, store
        Where readings are kept; the store is None until there is something in it.
    ids
        Numbers of the images in the list.
    show
        Shows an image.
    changed
        Called when states of images may be others than the page shows.
    warn
        Tells a person a sentence.
    say
        Gives the language that is spoken now.
    """

    def __init__(
        self,
        server: Server,
        review: Review,
        files: LabelFiles,
        folder: Path,
        store: LabelStore | None,
        ids: Mapping[WorkItem, str],
        *,
        show: Callable[[WorkItem], None],
        changed: Callable[[], None],
        warn: Callable[[str], None],
        say: Callable[[], Say],
    ) -> None:
        self._server, self._review, self._folder = server, review, folder
        self._ids = ids
        self._show, self._changed, self._warn, self._say = show, changed, warn, say
        self.labelling = Labelling(review, store, files=files)
        # One thread, because a reading is based on the one before it.
        self._writer = ThreadPoolExecutor(1, "WristQC labels")
        self._saves: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None
        self._seen: object = None
        self._stored = 0
        """How many drafts were settled."""

    # Accepting --------------------------------------------------------------------------------

    async def accept(self) -> None:
        """Keep the image as it is."""
        await self._accept()

    async def accept_and_next(self, listed: Callable[[], Sequence[WorkItem]]) -> None:
        """Keep it, and show the next one of the list that is not checked."""
        if await self._accept():
            self.show_next(listed())

    async def decide(self) -> None:
        """Keep the image as what readers agreed upon, before all that they said."""
        await self._accept(resolve=True)
        await self._writer_is_idle()
        await self.show_agreement()

    def show_next(self, listed: Sequence[WorkItem]) -> None:
        """Show the next image that is not checked, of those that are listed, else of all."""
        item = self.labelling.next_unchecked(listed) or self.labelling.next_unchecked()
        if item is not None:
            self._show(item)
        else:
            with self._server.state as state:
                state.message, state.message_colour = self._say()(ALL_CHECKED), "success"
                state.report, state.message_shown = "", True

    async def _accept(self, *, resolve: bool = False) -> bool:
        """Begin to store the image that is shown; its reading counts from here on."""
        if not resolve and self.labelling.kept():
            return True
        try:
            await self._make_store()
            draft = self.labelling.draft(resolve=resolve)
        except LabelError as error:
            with self._server.state:
                self._warn(str(error))
            return False
        save = asyncio.get_running_loop().create_task(self._save(draft))
        self._saves.add(save)
        save.add_done_callback(self._saves.discard)
        with self._server.state:
            self._changed()
        return True

    async def _make_store(self) -> None:
        if self.labelling.store is None:
            self.labelling.store = await self._in_writer(LabelStore.open, self._folder)
            self.watch()

    async def _save(self, draft: Draft) -> None:
        reading: Reading | None = None
        sentence = ""
        try:
            reading = await self._in_writer(draft.save)
        except LabelError as error:
            sentence = str(error)
        except Exception as error:  # what it was is in the log; that it is not kept must be said
            log.exception("%s could not be accepted.", draft.item.name)
            sentence = f"{draft.item.name} could not be accepted ({type(error).__name__}: {error})."
        self._stored += 1
        self.labelling.settle(draft, reading)
        with self._server.state:
            if sentence:
                self._warn(sentence)
            self._changed()

    async def _in_writer(self, work: Callable[..., Any], *values: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._writer, work, *values)

    async def _writer_is_idle(self) -> None:
        while self._saves:
            await asyncio.wait(set(self._saves))

    async def finish(self) -> None:
        """Wait until all that was accepted is stored."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        await self._writer_is_idle()
        self._writer.shutdown()

    # What others do ---------------------------------------------------------------------------

    def watch(self) -> None:
        """Show from here on what others accept."""
        if self.labelling.store is not None and self._watching is None:
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            store = self.labelling.store
            if store is None or self._saves:
                continue
            seen = await asyncio.to_thread(_changes, store.folder)
            if seen == self._seen:
                continue
            with contextlib.suppress(LabelError):  # the folder is away; accepting tells
                await self._look()
                self._seen = seen
                with self._server.state:
                    self._changed()

    async def _look(self) -> None:
        """See what is in the store, and nothing older than what was stored here meanwhile."""
        standing = before = None
        while standing is None or before != self._stored:
            before = self._stored
            standing = await asyncio.to_thread(self.labelling.look)
        self.labelling.take(standing)

    # What the page shows ----------------------------------------------------------------------

    def checks(self) -> dict[WorkItem, Check]:
        """How far people have got with each image."""
        return check_rows.checks(self.labelling, self._review.items)

    def look_of(self, item: WorkItem, check: Check | None) -> Row:
        """The icon of an image in the list."""
        others = self.labelling.others(item) if check else ()
        return check_rows.list_look(check, others, self._say())

    def tell(self, found: dict[WorkItem, Check]) -> None:
        """Renew what the page says of progress and of the image that is shown."""
        state, say, current = self._server.state, self._say(), self._review.current
        state.checks = check_rows.check_counts(found, say)
        state.progress = check_rows.progress_row(self.labelling.progress, say)
        check = found.get(current) if current else None
        state.check = self.look_of(current, check) if current and check else None

    async def show_agreement(self) -> None:
        """Fill the dialogue with figures and conflicts."""
        state = self._server.state
        with state:
            state.agreement_shown, state.agreement_busy = True, True
        filled: Row = {"agreement": [], "agreement_told": [], "conflicts": []}
        try:
            filled |= await self._agreement()
        except LabelError as error:
            filled["agreement_told"] = [self._say()(str(error))]
        finally:
            with state:
                state.update({**filled, "agreement_busy": False})
                self._changed()

    async def _agreement(self) -> Row:
        from WristQCLib.agreement import agreement, store_agreement
        from WristQCLib.agreement_tables import remarks, tables

        say, store = self._say(), self.labelling.store
        if store is None:
            return {"agreement_told": [say(sentence) for sentence in remarks(agreement([]))]}
        await self._look()
        found = await asyncio.to_thread(store_agreement, store)
        ids = {
            key_of(item.image): number
            for item, number in self._ids.items()
            if item.image is not None
        }
        conflicts = self.labelling.conflicts_by_key().values()
        return {
            "agreement": check_rows.table_rows(tables(found), say),
            "agreement_told": [say(sentence) for sentence in remarks(found)],
            "conflicts": check_rows.conflict_rows(conflicts, ids, say),
        }

    def skip_others(self, skip: bool) -> None:
        """Whether images that others checked are passed over."""
        self.labelling.skip_others = skip


def _changes(folder: Path) -> object:
    """What differs when somebody has stored something."""
    with contextlib.suppress(OSError):
        return [
            (stat.st_mtime_ns, stat.st_size)
            for stat in ((folder / "index.sqlite").stat(), (folder / "labels").stat())
        ]
    return None
