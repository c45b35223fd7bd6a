"""Labels that were saved before: a person's corrections are there again when the viewer starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from WristQCLib.assessment import Assessment
from WristQCLib.assessor import Assessor, reassess
from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import Keypoint
from WristQCLib.labels import ImageLabels, LabelError, pixels_sha256, read_labelme, read_markups
from WristQCLib.radiograph import Radiograph
from WristQCLib.saving import Kind

PERSON = "person:"
Stated = tuple[View | None, Side | None, str, tuple[Keypoint, ...]]


def stated(assessment: Assessment | None) -> Stated:
    """What a person said of an image; two assessments of it differ in this when one was corrected.

    Sources and times have no part in it, for what was saved and read again is the same correction.
    """
    if assessment is None:
        return None, None, "", ()
    view, side, artefact = assessment.view, assessment.side, assessment.artefact
    return (
        view.value if view.source == "user" else None,
        side.value if side.source == "user" else None,
        str(artefact.finding) if artefact.source.startswith(PERSON) else "",
        tuple(p for p in assessment.keypoints or () if p.placed_by.startswith(PERSON)),
    )


def restored(assessment: Assessment, labels: ImageLabels) -> Assessment:
    """An assessment with what people said of the image before."""
    view = assessment.view.value
    points = [p for p in labels.keypoints if p.placed_by.startswith(PERSON)]
    keypoints = None
    if view is not labels.view:
        keypoints = labels.keypoints
    elif assessment.keypoints is not None and points:
        keypoints = assessment.keypoints
        for point in points:
            keypoints = keypoints.replaced(point)
    artefact = labels.artefact
    said = artefact.source.startswith(PERSON) and artefact.finding is not Finding.NOT_ASSESSABLE
    side = labels.side if labels.side is not assessment.side.value else None
    if keypoints is None and not said and side is None:
        return assessment
    return reassess(assessment, keypoints=keypoints, artefact=artefact if said else None, side=side)


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
    """An assessor that knows what people said of the images before."""

    saved: SavedLabels = field(kw_only=True)

    def assess(self, radiograph: Radiograph) -> Assessment:
        """As `Assessor.assess`, with what was saved."""
        assessment = super().assess(radiograph)
        labels = self.saved.of(radiograph)
        return assessment if labels is None else restored(assessment, labels)
