"""What people had said of an image before: their corrections are there again at the next start.

It comes from a label store, where readers accept images, and from the label files of folders. What
a reader says now always counts more than what was said before.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from WristQCLib.assessment import Assessment
from WristQCLib.assessor import reassess
from WristQCLib.findings import Finding, Side, Sourced, View
from WristQCLib.keypoints import Keypoint, Keypoints
from WristQCLib.labels import ImageLabels, LabelError, LabelledImage
from WristQCLib.labels.reading import Reading
from WristQCLib.labels.store import LabelStore
from WristQCLib.radiograph import Radiograph
from WristQCLib.spacing import Spacing
from WristQCLib.worklist import Remembered, WorkItem

PERSON, USER = "person:", "user"
"""Sources of what a person said: of points and foreign objects, and of the rest."""


@dataclass(frozen=True)
class Stated:
    """What a person said of an image, without when; nothing by default."""

    view: View | None = None
    side: Side | None = None
    spacing: Spacing | None = None
    artefact: Finding | None = None
    points: tuple[Keypoint, ...] = ()

    @classmethod
    def of(cls, assessment: Assessment) -> Stated:
        view, side, spacing = assessment.view, assessment.side, assessment.spacing
        artefact = assessment.artefact
        return cls(
            view.value if view.source == USER else None,
            side.value if side.source == USER else None,
            spacing.value if spacing.source == USER else None,
            artefact.finding if artefact.source.startswith(PERSON) else None,
            tuple(p for p in assessment.keypoints or () if p.placed_by.startswith(PERSON)),
        )

    def is_in(self, labels: ImageLabels) -> bool:
        """Whether labels say all of this, and nothing that was taken back since."""
        placed = tuple(p for p in labels.keypoints if p.placed_by.startswith(PERSON))
        return (
            self.view in (None, labels.view)
            and self.side in (None, labels.side)
            and self.spacing in (None, labels.image.geometry.spacing)
            and self.artefact in (None, labels.artefact.finding)
            and self.points == placed
        )


def restored(assessment: Assessment, labels: ImageLabels, *, accepted: bool = False) -> Assessment:
    """An assessment with what people said of the image before; what they say now counts more.

    Parameters
    ----------
    assessment, labels
        What was found now, and what was said before.
    accepted
        Whether a reader accepted the labels as a whole: then those points and findings count that a
        model had found and the reader left as they were, too.
    """
    now = Stated.of(assessment)
    keypoints = None
    if assessment.view.value is not labels.view:
        keypoints = None if now.view else labels.keypoints
    elif accepted:
        keypoints = labels.keypoints
    elif assessment.keypoints is not None:
        keypoints = _with_placed(assessment.keypoints, labels.keypoints)
    artefact = labels.artefact
    said = accepted or artefact.source.startswith(PERSON)
    said = said and artefact.finding is not Finding.NOT_ASSESSABLE
    side = None if now.side or labels.side is assessment.side.value else labels.side
    spacing = labels.image.geometry.spacing
    unknown = assessment.spacing.value is None
    return reassess(
        assessment,
        keypoints=keypoints,
        artefact=artefact if said and now.artefact is None else None,
        side=side,
        spacing=Sourced(spacing, USER) if unknown and spacing is not None else None,
    )


def _with_placed(found: Keypoints, said: Keypoints) -> Keypoints:
    for point in said:
        if point.placed_by.startswith(PERSON):
            found = found.replaced(point)
    return found


def remember(item: WorkItem) -> None:
    """Let an image's item know what people said of it, so that it is read and saved with that."""
    if item.assessment is None:
        return
    now = Stated.of(item.assessment)
    item.view, item.side = item.view or now.view, item.side or now.side
    item.spacing = item.spacing or now.spacing
    if now.artefact is not None:
        item.artefact = item.assessment.artefact


class LabelFiles(Protocol):
    """Label files that were saved before, as those of a folder."""

    def of(self, radiograph: Radiograph) -> ImageLabels | None: ...


class Memory:
    """Finds what people had said of images; to be a review's `recall`.

    It is asked in the worker's thread.

    Attributes
    ----------
    store
        Where readers accepted images; None when there is none.
    reader
        Whose readings are shown again. What others accepted is not: each reader looks at what the
        models found, so that readers agree because of the image and not because of each other.
    files
        Labels that were saved otherwise; where they are later than the reading, they are what the
        reader went on with.
    """

    def __init__(
        self, store: LabelStore | None, reader: str, files: LabelFiles | None = None
    ) -> None:
        self.store, self.reader, self.files = store, reader, files
        self._found: dict[tuple[str, str], ImageLabels] = {}

    def __call__(self, assessment: Assessment, radiograph: Radiograph) -> Remembered:
        """The assessment with what was said before."""
        image = LabelledImage.of(radiograph)
        reading = self._reading(image)
        labels = self.files.of(radiograph) if self.files else None
        if labels is not None and reading is not None and not _is_later(labels, reading):
            labels = None
        if reading is not None:
            assessment = restored(assessment, reading.labels, accepted=True)
            self._found[_identity(assessment)] = reading.labels
        if labels is not None:
            assessment = restored(assessment, labels)
            self._found[_identity(assessment)] = labels
        return Remembered(assessment, image, reading)

    def _reading(self, image: LabelledImage) -> Reading | None:
        if self.store is None:
            return None
        try:
            return self.store.latest(image, self.reader)
        except LabelError:  # a damaged file, which the store tells of in its problems
            return None

    def is_saved(self, assessment: Assessment) -> bool:
        """Whether everything that people said of an image had been saved when it was assessed."""
        labels, now = self._found.get(_identity(assessment)), Stated.of(assessment)
        return now == Stated() if labels is None else now.is_in(labels)


def _is_later(labels: ImageLabels, reading: Reading) -> bool:
    times: list[datetime] = [p.when for p in labels.placements.values() if p.when is not None]
    return bool(times) and max(times) > reading.accepted_at


def _identity(assessment: Assessment) -> tuple[str, str]:
    """What tells images apart, those of one archive too."""
    return assessment.path, assessment.sop_instance_uid or assessment.name
