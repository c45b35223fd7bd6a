"""One person's reading of one radiograph: what was accepted, when, and what the models had said."""

from __future__ import annotations

import hashlib
import json
import math
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from WristQCLib.assessment import Assessment
from WristQCLib.attributes import text_of
from WristQCLib.findings import Finding
from WristQCLib.keypoints import Keypoints
from WristQCLib.labels.files import Json, text
from WristQCLib.labels.image_labels import ImageLabels, LabelledImage, Placement
from WristQCLib.labels.record import labels_of, portable_record
from WristQCLib.radiograph import Radiograph
from WristQCLib.scene.corrections import Correction

SAME_PLACE_PX = 0.01
"""A point that lies nearer to where it was has not been moved; rounding in a file moves it less."""

IDENTITY = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
"""Attributes of the patient that a reading keeps when it is asked to."""

_TELLING = 3
"""Characters from which a name or number inside a longer word is one, not chance."""

UNNAMED = "unnamed"
"""Reader who gave no name."""


@dataclass(frozen=True)
class Reading:
    """What one person accepted of one image, and what the system had said of it.

    Attributes
    ----------
    labels
        As accepted; the keypoints tell who placed each, their placements when.
    predicted
        What the models had said before, None when there were none.
    reader
        Who accepted.
    accepted_at
        With a time zone.
    id
        Unlike that of any other reading.
    based_on
        The same reader's reading that was shown when this one was made, which this one replaces.
    score
        Total, grade and tasks of ``"labels"`` and ``"predicted"`` (`score_summary`), so that grades
        can be compared later without the image.
    patient
        Attributes that identify the patient, by DICOM keyword; empty unless they were asked for.
    resolves
        Readings that this one decides between; it goes before them.
    """

    labels: ImageLabels
    predicted: ImageLabels | None
    reader: str
    accepted_at: datetime
    id: str
    based_on: str | None = None
    score: Mapping[str, Any] | None = None
    patient: Mapping[str, str] = field(default_factory=dict)
    resolves: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.accepted_at.tzinfo is None:
            raise ValueError(f"A time of acceptance has a time zone, got {self.accepted_at}.")
        if not self.id or not self.reader:
            raise ValueError("A reading has an id and a reader.")

    @property
    def image(self) -> LabelledImage:
        """Of which image."""
        return self.labels.image

    @property
    def corrected(self) -> bool:
        """Whether the person changed what the models had said; False when they had said nothing."""
        return self.predicted is not None and differ(self.labels, self.predicted)

    @classmethod
    def accept(
        cls,
        assessment: Assessment,
        radiograph: Radiograph,
        *,
        reader: str,
        predicted: Assessment | None,
        based_on: Reading | str | None = None,
        when: datetime | None = None,
        include_identity: bool = False,
        corrections: Iterable[Correction] = (),
    ) -> Reading:
        """Accept an assessment as it is.

        Parameters
        ----------
        assessment, radiograph
            What is accepted, and of what.
        reader
            Who accepts.
        predicted
            What the models had said; None when there were none.
        based_on
            The same reader's reading that was shown, or its id. With the reading itself, points
            that were not moved since keep the time of their placement.
        when
            Time of acceptance, by default now.
        include_identity
            Whether to keep who the patient is. If not, an image whose file is named after them is
            called by its UID.
        corrections
            Of the image, from its session; they tell when a point was moved. A person's points that
            nothing tells of were placed when they were accepted; when a model ran is not known.

        Raises
        ------
        LabelError
            If the view is unknown.
        """
        when = when or datetime.now(UTC)
        labels = ImageLabels.of(assessment, radiograph)
        if not include_identity:
            labels = replace(labels, image=_without_identity(labels.image, radiograph))
        earlier = based_on if isinstance(based_on, Reading) else None
        scores = {"labels": score_summary(assessment)}
        said = None
        if predicted is not None:
            said = _said(predicted, labels)
            scores["predicted"] = score_summary(predicted)
        return cls(
            replace(labels, placements=_placements(labels, when, earlier, corrections)),
            said,
            name_of(reader),
            when,
            uuid.uuid4().hex,
            earlier.id if earlier else based_on if isinstance(based_on, str) else None,
            scores,
            _identity(radiograph) if include_identity else {},
        )

    @classmethod
    def imported(
        cls,
        labels: ImageLabels,
        *,
        reader: str,
        when: datetime | None = None,
        based_on: str | None = None,
    ) -> Reading:
        """A reading of labels that were made elsewhere.

        Its id follows from labels and reader, so that what is imported twice is stored once.

        Parameters
        ----------
        labels
            As a file has them.
        reader
            Whose they are.
        when
            Time of acceptance, by default now.
        based_on
            The same reader's reading that they replace.
        """
        reader = name_of(reader)
        content = json.dumps([portable_record(labels), reader], sort_keys=True)
        identity = hashlib.sha256(content.encode()).hexdigest()[:32]
        return cls(labels, None, reader, when or datetime.now(UTC), identity, based_on)

    def to_json(self) -> Json:
        """As plain data."""
        return {
            "id": self.id,
            "reader": self.reader,
            "accepted_at": self.accepted_at.isoformat(),
            "based_on": self.based_on,
            "resolves": list(self.resolves),
            "corrected": self.corrected,
            "labels": portable_record(self.labels),
            "predicted": None if self.predicted is None else portable_record(self.predicted),
            "score": None if self.score is None else dict(self.score),
            **({"patient": dict(self.patient)} if self.patient else {}),
        }

    @classmethod
    def from_json(cls, entry: Json) -> Reading:
        """The reading that `to_json` made an entry of.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is none; `WristQCLib.labels.files.naming` makes a sentence of it.
        """
        score, based_on, predicted = entry["score"], entry["based_on"], entry["predicted"]
        if score is not None and not isinstance(score, dict):
            raise ValueError(f"the score of a reading must be an object, got {score!r}")
        return cls(
            labels_of(entry["labels"]),
            None if predicted is None else labels_of(predicted),
            text(entry["reader"], "the reader"),
            datetime.fromisoformat(text(entry["accepted_at"], "the time of acceptance")),
            text(entry["id"], "the id of a reading"),
            None if based_on is None else text(based_on, "what a reading is based on"),
            score,
            {str(k): text(v, k) for k, v in entry.get("patient", {}).items()},
            tuple(text(id_, "what a reading resolves") for id_ in entry.get("resolves", ())),
        )


def name_of(reader: str) -> str:
    """A reader's name on one line."""
    return " ".join(reader.split()) or UNNAMED


def differ(one: ImageLabels, other: ImageLabels) -> bool:
    """Whether view, side, artefact, presence or a position is another (`SAME_PLACE_PX`)."""
    if (one.view, one.side, one.artefact.finding) != (
        other.view,
        other.side,
        other.artefact.finding,
    ):
        return True
    for a, b in zip(one.keypoints, other.keypoints, strict=True):
        if a.finding is not b.finding:
            return True
        if a.position and b.position and math.dist(a.position, b.position) > SAME_PLACE_PX:
            return True
    return False


def score_summary(assessment: Assessment) -> Json:
    """Total, grade and what each task has, as plain data."""
    score = assessment.score
    return {
        "total": score.total,
        "grade": score.grade,
        "reachable": score.reachable,
        "reachable_grade": score.reachable_grade,
        "complete": score.complete,
        "protocol": assessment.protocol.identity,
        "view": None if assessment.view.value is None else str(assessment.view.value),
        "tasks": {
            task.id: {
                "points": task.points,
                "max_points": task.max_points,
                "assessable": task.assessable,
                "grade": task.grade,
            }
            for task in score.tasks
        },
        "models": dict(assessment.models),
    }


def _said(predicted: Assessment, accepted: ImageLabels) -> ImageLabels:
    """What was predicted; while the view was unknown, all points of the view were to be placed.

    Times are left out, because nobody noted when a model ran.
    """
    return ImageLabels(
        accepted.image,
        predicted.keypoints or Keypoints.to_be_placed(accepted.view),
        predicted.artefact,
        predicted.side.value,
    )


def _placements(
    labels: ImageLabels,
    when: datetime,
    earlier: Reading | None,
    corrections: Iterable[Correction],
) -> dict[str, Placement]:
    moved = {(c.view, c.after.name): c for c in corrections}  # the last of each point stays
    placements = {}
    for point in labels.keypoints:
        if point.finding is Finding.NOT_ASSESSABLE or not point.placed_by.startswith("person:"):
            continue
        correction = moved.get((labels.view, point.name))
        placement = Placement(when)
        if correction and _same(correction.after, point):
            placement = Placement(datetime.fromisoformat(correction.time))
        elif earlier and earlier.labels.view is labels.view:
            before = earlier.labels.keypoints[point.name]
            if _same(before, point) and before.placed_by == point.placed_by:
                placement = earlier.labels.placements.get(point.name, placement)
        placements[point.name] = placement
    return placements


def _same(one: Any, other: Any) -> bool:
    return (one.finding, one.position) == (other.finding, other.position)


def _without_identity(image: LabelledImage, radiograph: Radiograph) -> LabelledImage:
    """The image under a name that does not tell the patient's name or number."""
    header = radiograph.header
    if header is None:
        return image
    name = [part for part in re.split(r"[\W_]+", text_of(header, "PatientName").casefold()) if part]
    number = re.sub(r"[\W_]+", "", text_of(header, "PatientID").casefold())
    words = re.split(r"[\W_]+", image.name.casefold())
    told = set(words) & {number, *(part for part in name if len(part) > 1)} - {""}
    run_together = "".join(words)
    for whole in (number, "".join(name), "".join(reversed(name))):
        if len(whole) >= _TELLING and whole in run_together:
            told.add(whole)
    if not told:
        return image
    return replace(image, name=image.sop_instance_uid or image.pixels_sha256)


def _identity(radiograph: Radiograph) -> dict[str, str]:
    if radiograph.header is None:
        return {}
    found = {keyword: text_of(radiograph.header, keyword) for keyword in IDENTITY}
    return {keyword: value for keyword, value in found.items() if value}
