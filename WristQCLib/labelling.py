"""Labelling: a reader accepts images one by one, and what was accepted is kept in a label store.

    labelling = Labelling(review, store)
    labelling.accept_and_next()
    print(labelling.progress)               # 37 of 200 checked, 12 corrected

Joins a review with a store, for the Slicer module and for the viewer; nothing here knows Qt or
trame. What is slow, reading the pixels and bringing them to the disk, can be done in another
thread: `draft` in the thread of the review, `Draft.save` anywhere, `settle` in the review's again.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from WristQCLib.assessment import Assessment
from WristQCLib.errors import RadiographError
from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import Keypoint, words
from WristQCLib.labels import ImageLabels, LabelError
from WristQCLib.labels.conflicts import Conflict
from WristQCLib.labels.reading import SAME_PLACE_PX, Reading, name_of
from WristQCLib.labels.store import LabelStore
from WristQCLib.labels.store_document import key_of
from WristQCLib.recall import LabelFiles, Memory
from WristQCLib.scene.corrections import Correction
from WristQCLib.worklist import Order, WorkItem, is_assessed

if TYPE_CHECKING:
    from WristQCLib.agreement import Agreement
    from WristQCLib.review import Review

NO_STORE = "There is no folder for labels; choose one."
NO_IMAGE = "There is no image to accept; choose one of the list."


class LabelState(StrEnum):
    """How far the reader has got with an image."""

    NOT_CHECKED = "not checked"
    CHECKED = "checked"
    CHANGED_SINCE = "changed since it was checked"
    IN_CONFLICT = "in conflict"


@dataclass(frozen=True)
class Progress:
    """How far the reader has got with the images on the list.

    Attributes
    ----------
    total
        Images that can be checked: all that can be read.
    checked, corrected
        Those that the reader accepted, and how many of these differ from what the models said.
    by_others
        Those that only others accepted.
    """

    total: int
    checked: int
    corrected: int
    by_others: int = 0

    def __str__(self) -> str:
        return f"{self.checked} of {self.total} checked, {self.corrected} corrected"


@dataclass(frozen=True)
class Stance:
    """What labels say, without who said it and how sure a model was."""

    view: View | None
    side: Side | None
    artefact: Finding
    points: tuple[tuple[Finding, tuple[float, float] | None], ...]

    @classmethod
    def of(cls, said: Assessment | ImageLabels) -> Stance:
        stated = isinstance(said, ImageLabels)
        points: Sequence[Keypoint] = said.keypoints.points if said.keypoints else ()
        return cls(
            said.view if stated else said.view.value,  # type: ignore[arg-type, union-attr]
            said.side if stated else said.side.value,  # type: ignore[arg-type, union-attr]
            said.artefact.finding,
            tuple((point.finding, point.position) for point in points),
        )

    def agrees(self, other: Stance) -> bool:
        """Whether nothing differs, and no point is elsewhere by more than `SAME_PLACE_PX`."""
        rest = self.view, self.side, self.artefact, [finding for finding, _ in self.points]
        if rest != (other.view, other.side, other.artefact, [f for f, _ in other.points]):
            return False
        return all(
            one is None or two is None or math.dist(one, two) <= SAME_PLACE_PX
            for (_, one), (_, two) in zip(self.points, other.points, strict=True)
        )


@dataclass(frozen=True, eq=False)
class Draft:
    """A reading that is not in the store yet.

    Attributes
    ----------
    item
        The image on the list.
    copy
        The image as it was when it was accepted, for another thread.
    id, based_on, reader, when, resolves
        See `Reading`.
    corrections
        Of the image, from its session.
    """

    item: WorkItem
    copy: WorkItem
    store: LabelStore
    keep_images: bool
    id: str
    based_on: Reading | str | None
    reader: str
    when: datetime
    resolves: tuple[str, ...] = ()
    corrections: tuple[Correction, ...] = ()

    def save(self) -> Reading:
        """Store it; in any thread, but those of one labelling one after the other.

        Raises
        ------
        LabelError
            If the image cannot be read any more, or the store cannot be written.
        """
        assessment = self.copy.assessment
        assert assessment is not None
        try:
            radiograph = self.copy.read()
        except RadiographError as error:
            raise LabelError(str(error)) from error
        reading = Reading.accept(
            assessment, radiograph, reader=self.reader, predicted=_predicted(self.copy),
            based_on=self.based_on, when=self.when, corrections=self.corrections,
        )  # fmt: skip
        reading = replace(reading, id=self.id, resolves=self.resolves)
        return self.store.accept(reading, radiograph if self.keep_images else None)


@dataclass(frozen=True)
class Standing:
    """What a store holds of the images on the list.

    Attributes
    ----------
    heads
        The newest readings of each reader, by the image's key.
    conflicts
        By key too.
    """

    heads: Mapping[str, tuple[Reading, ...]]
    conflicts: Mapping[str, Conflict]


class Labelling:
    """What a reader accepts of the images of a review.

    Parameters
    ----------
    review
        Its `recall` is set, so that images are shown as the reader had accepted them.
    store
        Where readings are kept; None as long as no folder is chosen.
    keep_images
        Whether the pixels are kept beside the labels, so that they can be learnt from.
    files
        Label files whose corrections are shown as well.

    Attributes
    ----------
    skip_others
        Whether images that others checked are passed over, as where readers share the work;
        otherwise each reader looks at all of them, as where readers are compared.
    """

    def __init__(
        self,
        review: Review,
        store: LabelStore | None,
        *,
        keep_images: bool = True,
        files: LabelFiles | None = None,
    ) -> None:
        self._review, self._store, self._keep_images = review, store, keep_images
        self.memory = Memory(store, name_of(review.person), files)
        self.skip_others = False
        self._drafts: dict[WorkItem, Draft] = {}
        self._passed: list[WorkItem] = []
        self._heads: dict[str, tuple[Reading, ...]] = {}
        self._conflicts: dict[str, Conflict] | None = None
        review.recall = self.memory

    @property
    def store(self) -> LabelStore | None:
        return self._store

    @store.setter
    def store(self, store: LabelStore | None) -> None:
        self._store = self.memory.store = store
        self._heads, self._conflicts = {}, None
        self._take_readings()

    @property
    def reader(self) -> str:
        """Who accepts: the person of the review, whose readings the items have from here on."""
        reader = name_of(self._review.person)
        if self.memory.reader != reader:
            self.memory.reader = reader
            self._take_readings()
        return reader

    def _take_readings(self) -> None:
        """Let images that were looked at already know what this reader had accepted of them."""
        for item in self._review.items:
            own = [r for r in self._current(item) if r.reader == self.memory.reader]
            item.reading = max(own, key=lambda reading: reading.accepted_at, default=None)

    # Accepting --------------------------------------------------------------------------------

    def accept(self) -> Reading:
        """Keep the current image as it is now, corrected or not.

        One that is accepted as it is already is not stored again.

        Raises
        ------
        LabelError
            If it cannot be accepted or stored, in one sentence.
        """
        current = self._review.current
        if current is not None and current.reading is not None and self.kept():
            return current.reading
        draft = self.draft()
        try:
            reading = draft.save()
        except LabelError:
            self.settle(draft, None)
            raise
        self.settle(draft, reading)
        return reading

    def accept_and_next(self) -> Reading:
        """`accept`, then show the next image that is not checked; stay where there is none.

        Raises
        ------
        LabelError
            See `accept`.
        """
        reading = self.accept()
        self.show_next()
        return reading

    def kept(self) -> bool:
        """Whether a reading holds all of the current image, or is about to: none is to be added."""
        item = self._review.current
        return item is not None and self.state(item) is LabelState.CHECKED

    def draft(self, *, resolve: bool = False) -> Draft:
        """The current image as it is now, to be stored; it counts as checked from here on.

        Parameters
        ----------
        resolve
            Whether this is what readers agreed upon, to go before all that they said.

        Raises
        ------
        LabelError
            If it cannot be accepted, in one sentence.
        """
        item, store = self._review.current, self._store
        if store is None:
            raise LabelError(NO_STORE)
        if item is None:
            raise LabelError(NO_IMAGE)
        if refusal := self.refusal(item):
            raise LabelError(refusal)
        before = self._drafts.get(item)
        session = self._review.session
        heads = self._current(item)
        own = [reading for reading in heads if reading.reader == self.reader]
        chosen = heads if resolve else own if len(own) > 1 else []
        draft = Draft(
            item, replace(item), store, self._keep_images, uuid.uuid4().hex,
            before.id if before else item.reading, self.reader, datetime.now(UTC),
            tuple(reading.id for reading in chosen), session.corrections if session else (),
        )  # fmt: skip
        self._drafts[item] = draft
        if item in self._passed:
            self._passed.remove(item)
        return draft

    def settle(self, draft: Draft, reading: Reading | None) -> None:
        """Take over what became of a draft; None when it could not be stored."""
        if self._drafts.get(draft.item) is draft:
            del self._drafts[draft.item]
        if reading is None:
            return
        draft.item.reading = reading
        draft.item.image = reading.labels.image
        self._heads.pop(key_of(reading.labels.image), None)
        self._conflicts = None

    def refusal(self, item: WorkItem) -> str:
        """Why an image cannot be accepted, one sentence; empty when it can."""
        assessment = item.assessment
        if item.problem:
            return item.problem
        if not is_assessed(item) or item is self._review.at_work or assessment is None:
            return f"{item.name} is still being assessed; accept it when its score is there."
        if assessment.keypoints is None:
            return f"The view of {item.name} is unknown; say whether it is frontal or lateral."
        open_ = [p.name for p in assessment.keypoints if p.finding is Finding.NOT_ASSESSABLE]
        if open_:
            names = ", ".join(words(name) for name in open_)
            return f"Place these points of {item.name} or say that they are not in it: {names}."
        return ""

    # The queue --------------------------------------------------------------------------------

    def next_unchecked(self, among: Iterable[WorkItem] | None = None) -> WorkItem | None:
        """The image to check next; None when all are checked.

        Images that are still being assessed come after the others. In an order by benefit the first
        that is left is the next, but for images that the reader has passed over, which come last.

        Parameters
        ----------
        among
            Those to go through, in order; all of the review in its order by default.
        """
        items = self._review.ordered if among is None else list(among)
        current = self._review.current
        if self._review.order in (Order.GIVEN, Order.RANDOM) and current in items:
            place = items.index(current) + 1
            items = items[place:] + items[:place]
        left = [item for item in items if item is not current and self._is_wanted(item)]
        ready = [item for item in left if is_assessed(item)] or left
        return min(ready, key=self._passed_at, default=None)

    def show_next(self) -> WorkItem | None:
        """Show the next image to check, if there is one."""
        item = self.next_unchecked()
        if item is not None:
            self._review.show(item)
        return item

    def pass_over(self, item: WorkItem) -> None:
        """The reader goes on without accepting an image: it comes again after the others."""
        if item not in self._passed:
            self._passed.append(item)

    def _passed_at(self, item: WorkItem) -> int:
        return self._passed.index(item) if item in self._passed else -1

    def _is_wanted(self, item: WorkItem) -> bool:
        if item.problem or self.state(item) in (LabelState.CHECKED, LabelState.IN_CONFLICT):
            return False
        return not (self.skip_others and self.others(item))

    # How far ----------------------------------------------------------------------------------

    def state(self, item: WorkItem) -> LabelState:
        """How far the reader has got with an image.

        In conflict also where this reader has not checked it, and other readers disagree.
        """
        draft, accepted = self._drafts.get(item), self._accepted(item)
        key = key_of(item.image) if item.image is not None and draft is None else ""
        if key and key in self.conflicts_by_key():
            return LabelState.IN_CONFLICT
        return self._compared(item, accepted) if accepted else LabelState.NOT_CHECKED

    @staticmethod
    def _compared(item: WorkItem, accepted: Stance) -> LabelState:
        now = item.assessment
        if now is None or not is_assessed(item) or Stance.of(now).agrees(accepted):
            return LabelState.CHECKED
        return LabelState.CHANGED_SINCE

    def is_kept(self, item: WorkItem) -> bool:
        """Whether all that is shown of an image is what this reader accepted."""
        accepted = self._accepted(item)
        return accepted is not None and self._compared(item, accepted) is LabelState.CHECKED

    def _accepted(self, item: WorkItem) -> Stance | None:
        """What this reader accepted, be it stored or about to be."""
        reader, draft = self.reader, self._drafts.get(item)
        if draft is not None and draft.reader == reader and draft.copy.assessment is not None:
            return Stance.of(draft.copy.assessment)
        return Stance.of(item.reading.labels) if item.reading else None

    def others(self, item: WorkItem) -> tuple[str, ...]:
        """Names of the other readers who accepted an image."""
        names = {reading.reader for reading in self._current(item)} - {self.reader}
        return tuple(sorted(names))

    @property
    def progress(self) -> Progress:
        reader = self.reader
        items = [item for item in self._review.items if not item.problem]
        checked = corrected = by_others = 0
        for item in items:
            draft = self._drafts.get(item)
            if draft is not None and draft.reader == reader:
                checked += 1
                corrected += _differs(draft.copy)
            elif item.reading is not None:
                checked += 1
                corrected += item.reading.corrected
            else:
                by_others += bool(self.others(item))
        return Progress(len(items), checked, corrected, by_others)

    def _current(self, item: WorkItem) -> tuple[Reading, ...]:
        """The newest readings of each reader, as of the last `refresh`."""
        if self._store is None or item.image is None:
            return ()
        key = key_of(item.image)
        if key not in self._heads:
            self._heads[key] = _heads(self._store, key)
        return self._heads[key]

    def refresh(self) -> None:
        """See what others have accepted meanwhile."""
        self.take(self.look())

    def look(self) -> Standing:
        """What is in the store now; in any thread, for `take`.

        Raises
        ------
        LabelError
            If its folder cannot be read.
        """
        store, keys = self._store, list(self._heads)
        if store is None:
            return Standing({}, {})
        store.refresh()  # folders are brought together by other means, too
        heads = {key: _heads(store, key) for key in keys}
        return Standing(heads, {conflict.key: conflict for conflict in store.conflicts()})

    def take(self, standing: Standing) -> None:
        """Go by what `look` found."""
        self._heads, self._conflicts = dict(standing.heads), dict(standing.conflicts)

    # Agreement --------------------------------------------------------------------------------

    def conflicts_by_key(self) -> dict[str, Conflict]:
        """Images whose readings contradict each other."""
        if self._conflicts is None:
            found: list[Conflict] = []
            if self._store is not None:
                with suppress(LabelError):  # the folder is away; accepting tells
                    found = self._store.conflicts()
            self._conflicts = {conflict.key: conflict for conflict in found}
        return self._conflicts

    def agreement(self) -> Agreement:
        """Figures between readers, and of readers against the system; of the whole store.

        Raises
        ------
        LabelError
            If there is no store.
        """
        from WristQCLib.agreement import store_agreement

        if self._store is None:
            raise LabelError(NO_STORE)
        return store_agreement(self._store)


def _heads(store: LabelStore, key: str) -> tuple[Reading, ...]:
    try:
        return tuple(store.current(key))
    except LabelError:  # a damaged file, which the store tells of in its problems
        return ()


def _differs(item: WorkItem) -> bool:
    """Whether an item differs from what the models said."""
    now, predicted = item.assessment, _predicted(item)
    if now is None or predicted is None:
        return False
    return not Stance.of(now).agrees(Stance.of(predicted))


def _predicted(item: WorkItem) -> Assessment | None:
    """What the models said; None when there were none."""
    predicted = item.predicted
    return predicted if predicted is not None and predicted.models else None
