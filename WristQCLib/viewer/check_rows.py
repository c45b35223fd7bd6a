"""What the page shows of labelling, as plain data in the reader's language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from WristQCLib.agreement_tables import Table
from WristQCLib.labelling import Labelling, LabelState, Progress
from WristQCLib.labels.conflicts import Conflict
from WristQCLib.viewer.rows import Row, Say
from WristQCLib.worklist import WorkItem


class Check(StrEnum):
    """How far people have got with an image, to filter by; the reader's own state goes first."""

    NOT_CHECKED = "not checked"
    CHECKED = "checked"
    CHANGED = "changed since it was checked"
    BY_OTHERS = "checked by others"
    CONFLICT = "in conflict"


_CHECKS = {
    LabelState.CHECKED: Check.CHECKED,
    LabelState.CHANGED_SINCE: Check.CHANGED,
    LabelState.IN_CONFLICT: Check.CONFLICT,
}
_ICONS = {
    Check.NOT_CHECKED: ("mdi-circle-outline", "secondary"),
    Check.CHECKED: ("mdi-check-circle", "success"),
    Check.CHANGED: ("mdi-pencil-circle", "warning"),
    Check.BY_OTHERS: ("mdi-account-check", "info"),
    Check.CONFLICT: ("mdi-alert-circle", "error"),
}


def check_of(labelling: Labelling, item: WorkItem) -> Check:
    """How far people have got with an image."""
    state = labelling.state(item)
    if state is LabelState.NOT_CHECKED and labelling.others(item):
        return Check.BY_OTHERS
    return _CHECKS.get(state, Check.NOT_CHECKED)


def checks(labelling: Labelling, items: Iterable[WorkItem]) -> dict[WorkItem, Check]:
    """The same of those that can be read."""
    return {item: check_of(labelling, item) for item in items if not item.problem}


def check_counts(found: Mapping[WorkItem, Check], say: Say) -> list[Row]:
    """How many images are how far; what is rare is listed only where there are some."""
    counts = dict.fromkeys(Check, 0)
    for check in found.values():
        counts[check] += 1
    always = (Check.NOT_CHECKED, Check.CHECKED)
    return [
        {"check": check.value, "count": count, "title": say(check.value), **_look(check)}
        for check, count in counts.items()
        if count or check in always
    ]


def list_look(check: Check | None, others: Iterable[str], say: Say) -> Row:
    """The icon of an image in the list, and what it means."""
    if check is None:
        return {"icon": "", "colour": "", "said": ""}
    return {**_look(check), "said": _said(check, others, say)}


def _look(check: Check) -> Row:
    icon, colour = _ICONS[check]
    return {"icon": icon, "colour": colour}


def _said(check: Check, others: Iterable[str], say: Say) -> str:
    """Who has checked an image: ``"checked by you, by Eve"``."""
    by = ", ".join(others)
    if check in (Check.NOT_CHECKED, Check.BY_OTHERS):
        return say(f"checked by {by}") if by else say("not checked")
    state = "checked by you" if check is Check.CHECKED else check.value
    return say(f"{state}, also checked by {by}" if by else state)


def progress_row(progress: Progress, say: Say) -> Row:
    """How far the reader has got."""
    others = ""
    if progress.by_others:
        others = say("{count} more by others").replace("{count}", str(progress.by_others))
    total = max(progress.total, 1)
    return {
        "text": say(str(progress)),
        "others": others,
        "share": 100 * progress.checked / total,
        "share_all": 100 * (progress.checked + progress.by_others) / total,
    }


def conflict_rows(conflicts: Iterable[Conflict], ids: Mapping[str, str], say: Say) -> list[Row]:
    """What readers contradict each other in; with the image's number in the list, if it is there.

    Parameters
    ----------
    conflicts, ids
        Conflicts, and numbers by the image's key.
    say
        The language.
    """
    return [{"id": ids.get(c.key, ""), "text": say(c.sentence)} for c in conflicts]


def table_rows(tables: Iterable[Table], say: Say) -> list[Row]:
    """The tables of agreement; what they are about stands above the first of several."""
    rows, before = [], ("", "")
    for table in tables:
        about = (say(table.part.value), say(table.subject) if table.subject else "")
        rows.append({
            "about": " · ".join(filter(None, about)) if about != before else "",
            "title": say(table.title) if table.title != table.part.value else "",
            "head": [say(cell) for cell in table.head],
            "rows": [[say(row[0]), *row[1:]] for row in table.rows],
            "note": say(table.note),
            "matrix": table.matrix,
        })  # fmt: skip
        before = about
    return rows
