"""The images that a person steps through: what to assess, what was found, in which order."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessment import Assessment
from WristQCLib.assessor import Assessor, assessment_of, reassess
from WristQCLib.certainty import certainty
from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import Keypoints
from WristQCLib.protocol import Protocol
from WristQCLib.radiograph import Radiograph, read_radiograph
from WristQCLib.side_marker import SideMarker
from WristQCLib.sources import ImageSource
from WristQCLib.spacing import Spacing

if TYPE_CHECKING:
    from WristQCLib.labels import LabelledImage
    from WristQCLib.labels.reading import Reading

AT_WORK = "The image is still being assessed."


@dataclass(eq=False)
class WorkItem:
    """One image on the list.

    Attributes
    ----------
    source
        Where it is read from; a radiograph that is in memory already is its own source.
    study
        What images of one study have in common, its UID for example; empty when unknown.
    view, side, spacing, artefact
        As a person states them; spacing as (x, y) in mm per pixel.
    assessment
        The last one, corrections included; None before the first.
    problem
        Why the image cannot be assessed, one sentence; else empty.
    predicted
        What the models said, without corrections. The first final look counts; a later one only
        where the first had no view, and so no keypoints.
    benefit
        Of looking after what the models said; None before they did.
    image
        Which image it is for a label store; None before it was looked for there.
    reading
        What the reader had accepted of the image, as it is shown; None when nothing.
    """

    source: ImageSource | Radiograph
    study: str = ""
    view: View | None = None
    side: Side | None = None
    spacing: Spacing | None = None
    artefact: ArtefactFinding | None = None
    assessment: Assessment | None = field(default=None, repr=False)
    problem: str = ""
    predicted: Assessment | None = field(default=None, repr=False)
    benefit: Benefit | None = field(default=None, repr=False)
    image: LabelledImage | None = field(default=None, repr=False)
    reading: Reading | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        return self.source.name

    def read(self) -> Radiograph:
        """The radiograph, with what a person stated.

        Raises
        ------
        RadiographError
            If it cannot be read.
        """
        if isinstance(self.source, ImageSource):
            return read_radiograph(
                self.source, spacing=self.spacing, view=self.view, side=self.side
            )
        radiograph = self.source
        radiograph = radiograph.with_spacing(self.spacing) if self.spacing else radiograph
        radiograph = radiograph.with_view(self.view) if self.view else radiograph
        return radiograph.with_side(self.side) if self.side else radiograph


@dataclass(frozen=True, order=True)
class Benefit:
    """What is to be expected of a person's look at an image: compared in this order.

    Attributes
    ----------
    grade_is_wrong
        Probability that the grade is another one (`certainty`); 1 while there are points to place,
        because then there is no grade yet.
    open_points
        That the image could still have.
    spread
        Mean of one standard deviation of its points, as a share of the image's diagonal.
    """

    grade_is_wrong: float
    open_points: int
    spread: float

    @classmethod
    def of(cls, assessment: Assessment) -> Benefit:
        """From what models said of their findings; takes about 0.1 s."""
        points = assessment.keypoints.points if assessment.keypoints else ()
        to_place = not points or any(p.finding is Finding.NOT_ASSESSABLE for p in points)
        now = assessment.score
        spreads = [point.spread for point in points if point.spread is not None]
        diagonal = math.hypot(assessment.geometry.width, assessment.geometry.height)
        return cls(
            1.0 if to_place else 1 - certainty(assessment).grades.get(now.grade, 0.0),
            now.reachable - now.total,
            sum(spreads) / len(spreads) / diagonal if spreads else 0.0,
        )


@dataclass(frozen=True)
class Remembered:
    """An assessment with what people had said of the image before.

    Attributes
    ----------
    image, reading
        See `WorkItem`.
    """

    assessment: Assessment
    image: LabelledImage | None = None
    reading: Reading | None = None


Recall = Callable[[Assessment, Radiograph], Remembered]
"""Finds what people had said of an image; called in the worker's thread."""


@dataclass(frozen=True, eq=False)
class Job:
    """An image, what shall assess it, and what knows what people said of it before."""

    item: WorkItem
    assessor: Assessor
    recall: Recall | None = None


@dataclass(frozen=True, eq=False)
class Look:
    """What is known of an image.

    Attributes
    ----------
    final
        False for the first look, before models and image processing.
    predicted, benefit
        What the models said, and what looking after it should bring; None for the first look.
    remembered
        What people had said before, with the assessment that it amounts to.
    """

    radiograph: Radiograph
    assessment: Assessment
    final: bool
    predicted: Assessment | None = None
    benefit: Benefit | None = None
    remembered: Remembered | None = None

    def tell(self, item: WorkItem) -> None:
        """Let an item know what the models said and what people had said before."""
        unseen = item.predicted is None or item.predicted.keypoints is None
        if self.predicted is not None and unseen:
            item.predicted, item.benefit = self.predicted, self.benefit
        if self.remembered is not None:
            item.image = self.remembered.image or item.image
            # What was accepted since this look began is the later reading.
            item.reading = item.reading or self.remembered.reading


def looks(job: Job) -> Iterator[Look]:
    """First what can be shown at once, then the whole assessment.

    Raises
    ------
    RadiographError
        If the image cannot be read.
    """
    radiograph = job.item.read()
    yield Look(radiograph, first_look(radiograph, job.assessor.protocol), final=False)
    predicted = job.assessor.assess(radiograph)
    remembered = job.recall(predicted, radiograph) if job.recall else Remembered(predicted)
    assessment = remembered.assessment
    if job.item.artefact is not None:
        assessment = reassess(assessment, artefact=job.item.artefact)
    yield Look(
        radiograph, assessment, final=True,
        predicted=predicted, benefit=Benefit.of(predicted), remembered=remembered,
    )  # fmt: skip


def first_look(radiograph: Radiograph, protocol: Protocol) -> Assessment:
    """What the file alone tells: all that has to be looked for in the image is not assessable."""
    view = radiograph.view.value
    return assessment_of(
        radiograph,
        protocol,
        view=radiograph.view,
        side=radiograph.side,
        side_marker=SideMarker(Finding.NOT_ASSESSABLE, None, None, None, None, AT_WORK),
        artefact=ArtefactFinding.not_assessed(AT_WORK),
        keypoints=Keypoints.to_be_placed(view) if view else None,
        notes=radiograph.notes,
    )


class Order(StrEnum):
    """In which order images are stepped through."""

    GIVEN = "as given"
    WORST = "worst first"
    UNCERTAIN = "least certain first"
    NOVEL = "most different from the training images first"
    RANDOM = "random"


def ordered(items: Iterable[WorkItem], order: Order) -> list[WorkItem]:
    """The items in that order; those that cannot be compared yet come last.

    Only the worst come first by what is known now. The other orders go by what the models said and
    by the images' names, so that they stay while images are corrected.
    """
    items = list(items)
    if order is Order.WORST:
        return sorted(items, key=_badness)
    if order is Order.UNCERTAIN:
        return sorted(items, key=_benefit, reverse=True)
    if order is Order.NOVEL:
        return sorted(items, key=_novelty, reverse=True)
    if order is Order.RANDOM:
        return sorted(items, key=_lot)
    return items


def _badness(item: WorkItem) -> tuple[int, int]:
    if item.assessment is None:
        return 1 << 30, 0
    return item.assessment.score.total, item.assessment.score.reachable


_NOTHING = Benefit(-1.0, 0, 0.0)


def _benefit(item: WorkItem) -> Benefit:
    if item.benefit is None and is_assessed(item):
        assert item.assessment is not None
        item.benefit = Benefit.of(item.predicted or item.assessment)  # of a scene that was loaded
    return item.benefit or _NOTHING


def _novelty(item: WorkItem) -> float:
    said = item.predicted or item.assessment
    return -math.inf if said is None or said.novelty is None else said.novelty


def _lot(item: WorkItem) -> bytes:
    """Drawn by name, so that it stays the same at the next start and wherever the folder is."""
    return hashlib.sha256(f"WristQC {item.name}".encode()).digest()


def is_assessed(item: WorkItem) -> bool:
    """Whether there is more of an image than its first look."""
    return item.assessment is not None and item.assessment.artefact.source != AT_WORK


def counterpart(item: WorkItem, items: Sequence[WorkItem]) -> WorkItem | None:
    """The other view of the same wrist, from the same study."""
    if item.assessment is None or not item.study or item.assessment.view.value is None:
        return None
    here = item.assessment
    for other in items:
        there = other.assessment
        if other is item or other.study != item.study or there is None:
            continue
        sides = {here.side.value, there.side.value} - {None}
        if there.view.known and there.view.value is not here.view.value and len(sides) < 2:
            return other
    return None
