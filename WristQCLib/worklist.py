"""The images that a person steps through: what to assess, what was found, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessment import Assessment
from WristQCLib.assessor import Assessor, assessment_of, reassess
from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import Keypoints
from WristQCLib.protocol import Protocol
from WristQCLib.radiograph import Radiograph, read_radiograph
from WristQCLib.side_marker import SideMarker
from WristQCLib.sources import ImageSource
from WristQCLib.spacing import Spacing

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
    """

    source: ImageSource | Radiograph
    study: str = ""
    view: View | None = None
    side: Side | None = None
    spacing: Spacing | None = None
    artefact: ArtefactFinding | None = None
    assessment: Assessment | None = field(default=None, repr=False)
    problem: str = ""

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


@dataclass(frozen=True, eq=False)
class Job:
    """An image and what shall assess it."""

    item: WorkItem
    assessor: Assessor


@dataclass(frozen=True, eq=False)
class Look:
    """What is known of an image.

    Attributes
    ----------
    final
        False for the first look, before models and image processing.
    """

    radiograph: Radiograph
    assessment: Assessment
    final: bool


def looks(job: Job) -> Iterator[Look]:
    """First what can be shown at once, then the whole assessment.

    Raises
    ------
    RadiographError
        If the image cannot be read.
    """
    radiograph = job.item.read()
    yield Look(radiograph, first_look(radiograph, job.assessor.protocol), final=False)
    assessment = job.assessor.assess(radiograph)
    if job.item.artefact is not None:
        assessment = reassess(assessment, artefact=job.item.artefact)
    yield Look(radiograph, assessment, final=True)


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


def ordered(items: Iterable[WorkItem], order: Order) -> list[WorkItem]:
    """The items in that order; those without an assessment come last."""
    items = list(items)
    if order is Order.WORST:
        return sorted(items, key=_badness)
    if order is Order.UNCERTAIN:
        return sorted(items, key=lambda item: -uncertainty(item.assessment))
    return items


def _badness(item: WorkItem) -> tuple[int, int]:
    if item.assessment is None:
        return 1 << 30, 0
    return item.assessment.score.total, item.assessment.score.reachable


def uncertainty(assessment: Assessment | None) -> float:
    """How much there is to look after, from 0 to 1; -1 for what was not assessed at all.

    That is the points that are still open, of 100, or the doubt about the least certain finding of
    a model: 0 where its probability is 0 or 1, and 1 where it is 0.5.
    """
    if assessment is None:
        return -1.0
    points = assessment.keypoints or ()
    probabilities = [p.confidence for p in points if p.confidence is not None]
    if assessment.artefact.probability is not None:
        probabilities.append(assessment.artefact.probability)
    doubts = [1 - abs(2 * probability - 1) for probability in probabilities]
    return max([(assessment.score.reachable - assessment.score.total) / 100, *doubts])


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
