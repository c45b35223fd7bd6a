"""What the page shows, as plain data in the reader's language; the rows are those of `panel`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from WristQCLib import panel
from WristQCLib.advice import Advice
from WristQCLib.assessment import Assessment, Section
from WristQCLib.basic_information import BasicInformationItem
from WristQCLib.findings import Finding
from WristQCLib.protocol import Protocol
from WristQCLib.stated import spacing_may_be_stated, spacing_text
from WristQCLib.wording import grade_rank
from WristQCLib.worklist import AT_WORK, WorkItem

Say = Callable[[str], str]
Row = dict[str, Any]

FAILED = "✗"
"""Filter of the images that could not be assessed."""
ARTEFACT = {Finding.FOUND: "present", Finding.NOT_FOUND: "none"}
"""What is stated of foreign objects."""
_HIDDEN = "•••"
_STATES = {
    panel.State.FULL: ("mdi-check-circle", "success"),
    panel.State.LOST: ("mdi-close-circle", "error"),
    panel.State.OPEN: ("mdi-help-circle", "warning"),
}
_FINDINGS = {
    Finding.FOUND: ("mdi-check-circle", "success"),
    Finding.NOT_FOUND: ("mdi-minus-circle", "error"),
    Finding.NOT_ASSESSABLE: ("mdi-help-circle", "warning"),
}


@dataclass(frozen=True)
class Study:
    """Images of one study, in the order they are listed."""

    items: tuple[WorkItem, ...]


def studies(ordered: Sequence[WorkItem]) -> tuple[Study, ...]:
    """Images of one study together, where the first of them stands."""
    together: dict[object, list[WorkItem]] = {}
    for item in ordered:
        together.setdefault(item.study or item, []).append(item)
    return tuple(Study(tuple(items)) for items in together.values())


def wanted(item: WorkItem, search: str, grades: Collection[str]) -> bool:
    """Whether an image passes the filter: words of its name, and one of the grades if any."""
    assessment = item.assessment
    told = item.name.lower()
    if assessment is not None:
        told += f" {assessment.view.value or ''} {assessment.side.value or ''} {_date(assessment)}"
    if not all(word in told for word in search.lower().split()):
        return False
    if not grades:
        return True
    return _grade(item) in grades


def _grade(item: WorkItem) -> str:
    """As it is filtered by; none before the assessment is done."""
    if item.problem:
        return FAILED
    assessment = item.assessment
    done = assessment is not None and assessment.artefact.source != AT_WORK
    return assessment.score.grade if assessment and done else ""


def list_rows(
    groups: Iterable[Study],
    ids: Mapping[WorkItem, str],
    unsaved: Collection[WorkItem],
    checks: Mapping[WorkItem, Row],
    say: Say,
) -> list[Row]:
    """One row for each study, with its images.

    Parameters
    ----------
    groups, ids
        Studies, and numbers of their images.
    unsaved
        Images with corrections that are neither saved nor accepted.
    checks
        How far readers have got with each image: icon, colour, and what it says.
    say
        The language.
    """
    return [
        {
            "id": "-".join(ids[item] for item in group.items),
            "images": [
                _list_row(item, ids[item], item in unsaved, checks.get(item), say)
                for item in group.items
            ],
            "title": _study_title(group, say),
        }
        for group in groups
    ]


def _study_title(study: Study, say: Say) -> str:
    dates = [_date(item.assessment) for item in study.items if item.assessment]
    if len(study.items) < 2:
        return ""
    date = next(filter(None, dates), "")
    return say("Study of {date}").replace("{date}", date) if date else say("Study")


def _list_row(item: WorkItem, item_id: str, unsaved: bool, check: Row | None, say: Say) -> Row:
    row: Row = {
        "id": item_id, "name": item.name, "unsaved": unsaved, "problem": say(item.problem),
        "grade": "", "rank": None, "total": "", "open": False, "about": "",
        "check": check or {"icon": "", "colour": "", "said": ""},
    }  # fmt: skip
    if item.problem:
        row |= {"grade": FAILED, "about": say("cannot be assessed")}
    elif item.assessment is not None and not _grade(item):
        row["about"] = about(item.assessment, say)
    elif item.assessment is not None:
        shown = panel.badge(item.assessment)
        row |= {
            "grade": shown.grade, "rank": shown.rank, "total": shown.total,
            "open": bool(shown.range), "about": about(item.assessment, say),
        }  # fmt: skip
    else:
        row["about"] = say("waiting")
    return row


def about(assessment: Assessment, say: Say) -> str:
    """View, side and date in a few words."""
    view, side = assessment.view.value, assessment.side.value
    sides = {"L": "left", "R": "right"}
    parts = [say(str(view)) if view else say("view unknown")]
    parts += [say(sides[side])] if side else []
    parts += [_date(assessment)]
    return " · ".join(filter(None, parts))


def _date(assessment: Assessment | None) -> str:
    """Date of the examination as ISO 8601, if the header has one."""
    for item in assessment.basic_information if assessment else ():
        if item.id == "study_date" and len(item.value) == 8 and item.value.isdigit():
            return f"{item.value[:4]}-{item.value[4:6]}-{item.value[6:]}"
    return ""


def grade_counts(items: Iterable[WorkItem], protocol: Protocol) -> list[Row]:
    """How many images have each grade, best first, and how many cannot be assessed."""

    def rank(grade: str) -> int:
        return grade_rank(protocol.grades, grade)

    grades = sorted(protocol.grades, key=rank)
    counts = dict.fromkeys([*grades, FAILED], 0)
    for item in items:
        if grade := _grade(item):
            counts[grade] += 1
    return [
        {"grade": grade, "count": count, "rank": None if grade == FAILED else rank(grade)}
        for grade, count in counts.items()
        if count or grade != FAILED
    ]


def score_panel(item: WorkItem | None, working: bool, say: Say) -> Row:
    """Grade, total, sections and remarks of an image."""
    assessment = item.assessment if item else None
    told = [item.problem] if item and item.problem else []
    row: Row = {
        "name": item.name if item else "", "grade": "", "rank": None,
        "total": "", "range": "", "told": "", "sections": [], "working": working,
    }  # fmt: skip
    if assessment is not None and not told:
        shown = panel.badge(assessment)
        told += panel.remarks(assessment)
        row |= {
            "grade": shown.grade, "rank": shown.rank, "total": shown.total,
            "range": say(shown.range), "told": say(panel.told_of(assessment)),
            "sections": [_section(section, assessment, say) for section in Section],
        }  # fmt: skip
    row["remarks"] = [say(sentence) for sentence in told]
    return row


def _section(section: Section, assessment: Assessment, say: Say) -> Row:
    points, most = assessment.score.section_points(section)
    return {
        "title": say(section.value.capitalize()),
        "points": points,
        "most": most,
        "share": round(100 * points / most) if most else 0,
    }


def task_rows(assessment: Assessment | None, say: Say) -> list[Row]:
    """The score table."""
    rows = []
    for row in panel.task_rows(assessment) if assessment else ():
        icon, colour = _STATES[row.state]
        rows.append({
            "tasks": list(row.tasks), "title": say(row.title), "measured": say(row.measured),
            "points": row.points, "detail": say(row.detail), "icon": icon, "colour": colour,
        })  # fmt: skip
    return rows


def advice_rows(advice: Iterable[Advice], say: Say) -> list[Row]:
    """What would gain most."""
    return [
        {"gain": gain, "text": say(text), "tasks": list(tasks)}
        for gain, text, tasks in panel.advice_rows(advice)
    ]


def keypoint_rows(assessment: Assessment | None, say: Say) -> list[Row]:
    """The keypoints, to be placed or called absent."""
    rows = []
    for row in panel.keypoint_rows(assessment) if assessment else ():
        icon, colour = _FINDINGS[row.finding]
        rows.append({
            "name": row.name, "title": say(row.title), "state": say(row.state), "icon": icon,
            "colour": colour, "absent": row.finding is Finding.NOT_FOUND,
        })  # fmt: skip
    return rows


def header_rows(
    assessment: Assessment | None, say: Say, *, with_identity: bool = False
) -> list[Row]:
    """The items of basic information; those that identify the patient only when asked for."""
    rows = []
    for item in assessment.basic_information if assessment else ():
        icon, colour = _FINDINGS[item.finding]
        rows.append({
            "title": say(item.label), "icon": icon, "colour": colour,
            "value": _header_value(item, with_identity) or say(item.reason) or "–",
        })  # fmt: skip
    return rows


def _header_value(item: BasicInformationItem, with_identity: bool) -> str:
    return _HIDDEN if item.value and item.identity and not with_identity else item.value


def stated_row(assessment: Assessment | None) -> Row:
    """View, side, foreign object and pixel size as they are taken to be."""
    if assessment is None:
        return {"view": None, "side": None, "artefact": None, "spacing": None}
    return {
        "view": assessment.view.value,
        "side": assessment.side.value,
        "artefact": ARTEFACT.get(assessment.artefact.finding),
        "spacing": spacing_text(assessment) if spacing_may_be_stated(assessment) else None,
    }
