"""What the panel beside the image shows, as plain rows: short, in the words of the protocol.

Knows no widgets, so that it can be read and tested without any.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from WristQCLib.advice import Advice
from WristQCLib.assessment import Assessment, PartScore, Section, TaskScore
from WristQCLib.certainty import certainty
from WristQCLib.findings import Finding
from WristQCLib.keypoints import Keypoint, words
from WristQCLib.protocol import PartRule
from WristQCLib.translation import translator
from WristQCLib.wording import (
    UNKNOWN,
    full_band,
    grade_probabilities,
    grade_rank,
    measured,
    please_check,
)

_ = translator(__file__)


class State(Enum):
    """What became of the points of a task."""

    FULL = "✓"
    LOST = "✗"
    OPEN = "?"


@dataclass(frozen=True)
class Badge:
    """The verdict.

    Attributes
    ----------
    grade
        Letter of the grade.
    rank
        Of the grade, 0 for the best, by which it is coloured; None for no grade.
    total
        ``"78"``, of 100.
    range
        What is still possible, empty for a complete score.
    """

    grade: str = UNKNOWN
    rank: int | None = None
    total: str = ""
    range: str = ""


@dataclass(frozen=True)
class TaskRow:
    """One task, or all items of basic information together.

    Attributes
    ----------
    tasks
        Ids of the tasks that the row tells of.
    detail
        Why points were lost or are open; empty when all were given.
    """

    tasks: tuple[str, ...]
    title: str
    measured: str
    points: str
    detail: str
    state: State


@dataclass(frozen=True)
class KeypointRow:
    """One keypoint: ``"P2 radial styloid"``, and where it is or is not."""

    name: str
    title: str
    state: str
    finding: Finding


def badge(assessment: Assessment) -> Badge:
    """Grade and total."""
    score = assessment.score
    span = ""
    if not score.complete:
        span = _("{total} to {reachable} possible").format(
            total=score.total, reachable=score.reachable
        )
        if score.grade != score.reachable_grade:
            span += _(", grade {worst} to {best}").format(
                worst=score.grade, best=score.reachable_grade
            )
    rank = grade_rank(assessment.protocol.grades, score.grade)
    return Badge(score.grade, rank, str(score.total), span)


def certainty_told(assessment: Assessment) -> str:
    """How likely the grades are and which points to look at; empty when nothing is in doubt."""
    sure = certainty(assessment)
    told = (grade_probabilities(sure.grades, _), please_check(sure.check, _))
    return "\n".join(filter(None, told))


def task_rows(assessment: Assessment) -> tuple[TaskRow, ...]:
    """A row for each task; the items of basic information are one row."""
    items = [t for t in assessment.score.tasks if t.section is Section.BASIC_INFORMATION]
    others = [t for t in assessment.score.tasks if t.section is not Section.BASIC_INFORMATION]
    rows = [_items_row(items)] if items else []
    return (*rows, *(_task_row(task, assessment) for task in others))


def _items_row(items: list[TaskScore]) -> TaskRow:
    missing = [item.title for item in items if not item.points and item.assessable]
    unknown = [item.title for item in items if not item.assessable]
    told = []
    if missing:
        told.append(_("Missing: {items}").format(items=", ".join(missing)))
    if unknown:
        told.append(_("Unknown: {items}").format(items=", ".join(unknown)))
    present = len(items) - len(missing) - len(unknown)
    return TaskRow(
        tuple(item.id for item in items),
        _("Basic information in the DICOM header"),
        _("{present} of {count}").format(present=present, count=len(items)),
        _points(
            *(
                sum(c)
                for c in zip(*((i.points, i.reachable, i.max_points) for i in items), strict=True)
            )
        ),
        "; ".join(told),
        State.OPEN if unknown else State.LOST if missing else State.FULL,
    )


def _task_row(task: TaskScore, assessment: Assessment) -> TaskRow:
    lost = task.points < task.max_points
    state = State.OPEN if not task.assessable else State.LOST if lost else State.FULL
    told: list[str] = [task.reason] if task.reason else []
    if state is State.LOST and task.parts:
        told += _lost_parts(task, assessment)
    return TaskRow(
        (task.id,),
        task.title,
        _measured(task, assessment),
        _points(task.points, task.reachable, task.max_points),
        "\n".join(told),
        state,
    )


def _measured(task: TaskScore, assessment: Assessment) -> str:
    if task.id == "side_marker":
        return str(assessment.side_marker.side or UNKNOWN)
    if task.id == "artefact":
        artefact = assessment.artefact
        if artefact.finding is Finding.NOT_ASSESSABLE:
            return UNKNOWN
        told = _("present") if artefact.finding is Finding.FOUND else _("none")
        return told + _confidence(artefact.probability)
    rules = _part_rules(task, assessment)
    values = [_value(part, rule) for part, rule in zip(task.parts, rules, strict=True)]
    return "\n".join(values) if any(value != UNKNOWN for value in values) else UNKNOWN


def _part_rules(task: TaskScore, assessment: Assessment) -> tuple[PartRule, ...]:
    view = assessment.view.value
    rules = assessment.protocol.layout[view] if view else ()
    return next((rule.parts for rule in rules if rule.id == task.id), ())


def _lost_parts(task: TaskScore, assessment: Assessment) -> Iterable[str]:
    """Each measurement that cost points, with what would have had them all."""
    for part, rule in zip(task.parts, _part_rules(task, assessment), strict=True):
        if part.points < part.max_points:
            unit = part.measurement.unit
            wanted = full_band(rule.full.low, rule.full.high, unit, _)
            if len(task.parts) > 1:
                yield _("{measurement} {value}: −{lost} (full points: {wanted}).").format(
                    measurement=_name(part),
                    value=_value(part, rule),
                    lost=part.max_points - part.points,
                    wanted=wanted,
                )
            elif unit:
                yield _("Full points: {wanted}.").format(wanted=wanted)


def _name(part: PartScore) -> str:
    name = words(part.measurement.id)
    return name[:1].upper() + name[1:]


def _value(part: PartScore, rule: PartRule) -> str:
    limits = (rule.full.low, rule.full.high, rule.zero.low, rule.zero.high)
    return measured(part.measurement.value, part.measurement.unit, limits, _)


def _points(points: int, reachable: int, most: int) -> str:
    return f"{points}/{most}" if points == reachable else f"{points}–{reachable}/{most}"


def advice_rows(advice: Iterable[Advice]) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """(gain, text, task ids) of each piece of advice."""
    return tuple((f"+{a.gain}", a.text[:1].upper() + a.text[1:], a.tasks) for a in advice)


def keypoint_rows(assessment: Assessment) -> tuple[KeypointRow, ...]:
    """A row for each keypoint of the view, in the paper's order."""
    return tuple(
        KeypointRow(
            point.name,
            f"P{number} {words(point.name)}",
            _whereabouts(point),
            point.finding,
        )
        for number, point in enumerate(assessment.keypoints or (), start=1)
    )


def _whereabouts(point: Keypoint) -> str:
    if point.finding is Finding.NOT_ASSESSABLE:
        return _("to be placed")
    told = _("found") if point.finding is Finding.FOUND else _("not in the image")
    if point.placed_by.startswith("person:"):
        name = point.placed_by.removeprefix("person:")
        return _("{finding}, by {person}").format(finding=told, person=name)
    return told + _confidence(point.confidence)


def remarks(assessment: Assessment) -> tuple[str, ...]:
    """What a reader must know before the points."""
    told = list(assessment.notes)
    if assessment.view.value is None:
        told.append(_("The view is unknown: state it below."))
    if assessment.spacing.value is None:
        told.append(
            _(
                "The pixel size is unknown, so lengths are not assessable: {why}. State it below"
                " only if you know it."
            ).format(why=assessment.spacing.source.rstrip("."))
        )
    return tuple(dict.fromkeys(told))


def _confidence(confidence: float | None) -> str:
    return "" if confidence is None else f" ({confidence:.0%})"


def title(name: str, assessment: Assessment | None, problem: str = "") -> str:
    """An image on the list: ``"B 78…  wrist"``; the dots say that the score is incomplete."""
    if problem:
        return f"✗ {name}"
    if assessment is None:
        return name
    score = assessment.score
    return f"{score.grade} {score.total}{'' if score.complete else '…'}  {name}"


def told_of(assessment: Assessment) -> str:
    """View, side and what assessed it, in one line."""
    sides: Mapping[str, str] = {"L": _("left"), "R": _("right")}
    view, side = assessment.view, assessment.side
    told = str(view.value) if view.value else _("view unknown")
    parts = [told + _confidence(view.confidence)]
    told = sides[side.value] if side.value else _("side unknown")
    parts.append(told + _confidence(side.confidence))
    if assessment.device:
        parts.append(_("models on {device}").format(device=assessment.device))
    return ", ".join(parts)
