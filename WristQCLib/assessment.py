"""The result of assessing one radiograph: tasks, points, grades.

`score` is the only place where findings become points; it takes them as they are and knows neither
models nor files. Results are immutable; a correction makes a new one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.basic_information import BasicInformationItem
from WristQCLib.findings import Finding, Side, Sourced, View
from WristQCLib.keypoints import Keypoints
from WristQCLib.measurements import ImageGeometry, Measurement
from WristQCLib.protocol import PartRule, Protocol, TaskRule
from WristQCLib.side_marker import SideMarker


class Section(StrEnum):
    """The four parts of the protocol (paper, section 1.2.1)."""

    BASIC_INFORMATION = "basic information"
    POSITION = "examination position"
    ARTEFACT = "foreign-object artefact"
    LAYOUT = "display and layout"


@dataclass(frozen=True)
class PartScore:
    """Points for one measurement of a task."""

    measurement: Measurement
    points: int
    max_points: int


@dataclass(frozen=True)
class TaskScore:
    """Points of one task.

    Attributes
    ----------
    assessable
        False when anything that the task needs is unknown; the unknown parts have 0 points.
    grade
        Task grade of table 3; None where the protocol has none or the task is not assessable.
    reason
        Why points were lost or the task is not assessable; empty when all points were given.
    reachable
        Points that the task could still have once what is unknown becomes known.
    """

    id: str
    title: str
    section: Section
    points: int
    max_points: int
    assessable: bool = True
    grade: str | None = None
    reason: str = ""
    reachable: int = 0
    parts: tuple[PartScore, ...] = ()


@dataclass(frozen=True)
class Score:
    """All tasks and their sum.

    Attributes
    ----------
    total
        Points out of 100; tasks that are not assessable count 0.
    grade
        Grade of `total`.
    reachable
        Best total that is still possible; equal to `total` when the score is complete.
    reachable_grade
        Grade of `reachable`.
    """

    tasks: tuple[TaskScore, ...]
    total: int
    grade: str
    reachable: int
    reachable_grade: str

    @property
    def complete(self) -> bool:
        return all(task.assessable for task in self.tasks)

    def task(self, task_id: str) -> TaskScore:
        for task in self.tasks:
            if task.id == task_id:
                return task
        raise KeyError(f"There is no task '{task_id}'.")

    def section_points(self, section: Section) -> tuple[int, int]:
        """(points, most points) of a section."""
        tasks = [task for task in self.tasks if task.section is section]
        return sum(t.points for t in tasks), sum(t.max_points for t in tasks)


@dataclass(frozen=True)
class Assessment:
    """Everything that is known about the quality of one radiograph.

    Attributes
    ----------
    name
        Name of the image, for people: the file's name, never the patient's.
    geometry
        Size of the image and of its pixels.
    view, side, spacing
        Each with where it came from. `spacing` is (x, y) in mm per pixel.
    keypoints
        None while the view is unknown.
    measurements
        By name; empty while the view is unknown.
    models
        Identities of the models that were used, e.g. ``{"artefact": "wrist_artefact 1.0 (...)"}``.
    device
        Where the models ran, empty when none did.
    notes
        What a reader should know about the image, e.g. an unusable window.
    novelty
        How different the image is from those that the keypoint model was trained on; above 1 it is
        unusual. None when no model told.
    """

    name: str
    path: str
    sop_instance_uid: str
    geometry: ImageGeometry
    view: Sourced[View]
    side: Sourced[Side]
    spacing: Sourced[tuple[float, float]]
    basic_information: tuple[BasicInformationItem, ...]
    side_marker: SideMarker
    artefact: ArtefactFinding
    keypoints: Keypoints | None
    measurements: Mapping[str, Measurement]
    score: Score
    protocol: Protocol
    models: Mapping[str, str]
    device: str = ""
    notes: tuple[str, ...] = ()
    novelty: float | None = None


def score(
    protocol: Protocol,
    *,
    view: View | None,
    side: Side | None,
    basic_information: Sequence[BasicInformationItem],
    side_marker: SideMarker,
    artefact: ArtefactFinding,
    measurements: Mapping[str, Measurement],
) -> Score:
    """Points for everything that was found (specification, section 2).

    A task that is not assessable has 0 points and leaves the total incomplete; `Score.reachable` is
    the best total that is still possible.
    """
    tasks = (
        *_score_basic_information(protocol, basic_information),
        _score_side_marker(protocol, side_marker, side),
        _score_artefact(protocol, artefact),
        *_score_layout(protocol, view, measurements),
    )
    total = sum(task.points for task in tasks)
    reachable = sum(task.reachable for task in tasks)
    return Score(tasks, total, protocol.grade(total), reachable, protocol.grade(reachable))


def _score_basic_information(
    protocol: Protocol, items: Sequence[BasicInformationItem]
) -> list[TaskScore]:
    rules = {rule.id: rule for rule in protocol.basic_information}
    return [
        _yes_or_no(item.id, item.label, Section.BASIC_INFORMATION, rules[item.id].points,
                   item.finding, Finding.FOUND, item.reason)
        for item in items
    ]  # fmt: skip


def _score_side_marker(protocol: Protocol, marker: SideMarker, side: Side | None) -> TaskScore:
    rule = protocol.side_marker
    finding, reason = marker.finding, marker.reason
    if marker.side and side and marker.side is not side and rule.must_agree_with_side:
        finding = Finding.NOT_FOUND
        reason = (
            f"The marker reads {marker.side} but the examined side is {side}: the marker or the"
            " stated side is wrong."
        )
    return _yes_or_no(
        "side_marker", "L or R marker is complete, accurate and unobstructed", Section.POSITION,
        rule.points, finding, Finding.FOUND, reason,
    )  # fmt: skip


def _score_artefact(protocol: Protocol, artefact: ArtefactFinding) -> TaskScore:
    reason = {
        Finding.FOUND: "A foreign object was found",
        Finding.NOT_ASSESSABLE: artefact.source,
    }.get(artefact.finding, "")
    if artefact.finding is Finding.FOUND:
        by = f"probability {artefact.probability:.2f}" if artefact.probability else artefact.source
        reason += f" ({by})."
    return _yes_or_no(
        "artefact", "No foreign object in the image", Section.ARTEFACT, protocol.artefact.points,
        artefact.finding, Finding.NOT_FOUND, reason,
    )  # fmt: skip


def _yes_or_no(
    task_id: str,
    title: str,
    section: Section,
    max_points: int,
    finding: Finding,
    wanted: Finding,
    reason: str,
) -> TaskScore:
    points = max_points if finding is wanted else 0
    assessable = finding is not Finding.NOT_ASSESSABLE
    return TaskScore(
        task_id, title, section, points, max_points, assessable,
        grade=("excellent" if points else "fail") if assessable else None,
        reason="" if points else reason,
        reachable=points if assessable else max_points,
    )  # fmt: skip


def _score_layout(
    protocol: Protocol, view: View | None, measurements: Mapping[str, Measurement]
) -> list[TaskScore]:
    if view is None:
        points = max(sum(t.points for t in tasks) for tasks in protocol.layout.values())
        reason = "The view is unknown: say whether it is frontal or lateral."
        return [
            TaskScore(
                "layout", "Display and layout", Section.LAYOUT, 0, points,
                assessable=False, reason=reason, reachable=points,
            )
        ]  # fmt: skip
    return [_score_task(rule, measurements) for rule in protocol.layout[view]]


def _score_task(rule: TaskRule, measurements: Mapping[str, Measurement]) -> TaskScore:
    parts = tuple(_score_part(part, measurements[part.measurement]) for part in rule.parts)
    points = sum(part.points for part in parts)
    unknown = [part for part in parts if part.measurement.value is None]
    return TaskScore(
        rule.id,
        rule.title,
        Section.LAYOUT,
        points,
        rule.points,
        assessable=not unknown,
        grade=None if unknown else rule.grade(points),
        reason=" ".join(dict.fromkeys(part.measurement.reason for part in unknown)),
        reachable=points + sum(part.max_points for part in unknown),
        parts=parts,
    )


def _score_part(rule: PartRule, measurement: Measurement) -> PartScore:
    points = 0 if measurement.value is None else rule.score(measurement.value)
    return PartScore(measurement, points, rule.points)
