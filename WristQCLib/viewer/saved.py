"""Labels that were saved before: a person's corrections are there again when the viewer starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from WristQCLib.assessment import Assessment
from WristQCLib.assessor import Assessor, reassess
from WristQCLib.findings import Finding, Side, Sourced, View
from WristQCLib.keypoints import Keypoint
from WristQCLib.labels import ImageLabels, LabelError, pixels_sha256, read_labelme, read_markups
from WristQCLib.radiograph import Radiograph
from WristQCLib.saving import Kind
from WristQCLib.spacing import Spacing
from WristQCLib.worklist import WorkItem

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


def restored(assessment: Assessment, labels: ImageLabels) -> Assessment:
    """An assessment with what people said of the image before; what they say now counts more."""
    now = Stated.of(assessment)
    keypoints = None
    if assessment.view.value is not labels.view:
        keypoints = None if now.view else labels.keypoints
    elif assessment.keypoints is not None:
        keypoints = assessment.keypoints
        for point in labels.keypoints:
            if point.placed_by.startswith(PERSON):
                keypoints = keypoints.replaced(point)
    artefact = labels.artefact
    said = artefact.source.startswith(PERSON) and artefact.finding is not Finding.NOT_ASSESSABLE
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


def remember(item: WorkItem) -> None:
    """Let an image's item know what people said of it, so that it is read and saved with that."""
    if item.assessment is None:
        return
    now = Stated.of(item.assessment)
    item.view, item.side = item.view or now.view, item.side or now.side
    item.spacing = item.spacing or now.spacing
    if now.artefact is not None:
        item.artefact = item.assessment.artefact


class SavedLabels:
    """The label files of a folder that `saving.save` wrote.

    Attributes
    ----------
    problems
        One sentence for each file that could not be read.
    """

    def __init__(self, folder: Path) -> None:
        self.problems: list[str] = []
        self._by_uid: dict[str, ImageLabels] = {}
        self._by_pixels: dict[str, ImageLabels] = {}
        files = [
            (path, read)
            for kind, read in ((Kind.MARKUPS, read_markups), (Kind.LABELME, read_labelme))
            for path in (folder / kind).glob("*.json")
        ]
        # The newest last, so that it is the one that counts.
        for path, read in sorted(files, key=lambda file: file[0].stat().st_mtime_ns):
            try:
                labels = read(path)
            except LabelError as error:
                self.problems.append(str(error))
                continue
            self._by_uid[labels.image.sop_instance_uid] = labels
            self._by_pixels[labels.image.pixels_sha256] = labels

    def __len__(self) -> int:
        return len(self._by_pixels)

    def of(self, radiograph: Radiograph) -> ImageLabels | None:
        """The labels of an image; it is known by its UID, or by its pixels where it has none."""
        uid = radiograph.sop_instance_uid
        labels = self._by_uid.get(uid) if uid else None
        if labels is None and self._by_pixels and not uid:
            labels = self._by_pixels.get(pixels_sha256(radiograph))
        size = (radiograph.width, radiograph.height)
        if labels and (labels.image.geometry.width, labels.image.geometry.height) == size:
            return labels
        return None


@dataclass(frozen=True)
class RememberingAssessor(Assessor):
    """An assessor that knows what people said of the images before.

    Attributes
    ----------
    saved
        Where it is read from.
    """

    saved: SavedLabels = field(kw_only=True)
    _found: dict[tuple[str, str], ImageLabels] = field(default_factory=dict, kw_only=True)

    def assess(self, radiograph: Radiograph) -> Assessment:
        """As `Assessor.assess`, with what was saved."""
        assessment = super().assess(radiograph)
        labels = self.saved.of(radiograph)
        if labels is None:
            return assessment
        self._found[_image(assessment)] = labels
        return restored(assessment, labels)

    def is_saved(self, assessment: Assessment) -> bool:
        """Whether everything that people said of an image had been saved when it was assessed."""
        labels, now = self._found.get(_image(assessment)), Stated.of(assessment)
        return now == Stated() if labels is None else now.is_in(labels)


def _image(assessment: Assessment) -> tuple[str, str]:
    """What tells images apart, those of one archive too."""
    return assessment.path, assessment.sop_instance_uid or assessment.name
