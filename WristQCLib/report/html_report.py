"""The HTML report: a page for every image and an index of the run, readable without a network.

Every file is self-contained. What is shown comes from the record of `json_report`, so the patient's
identity appears only when the record holds it. DICOM text is hostile: templates escape all of it,
and a content security policy allows no script but the report's own.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from WristQCLib import wording
from WristQCLib.assessment import Section
from WristQCLib.keypoints import words
from WristQCLib.packages import install_hint
from WristQCLib.report.figure import FigureDrawing
from WristQCLib.report.files import ReportError, write_text
from WristQCLib.report.json_report import Record
from WristQCLib.resources import RESOURCES

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = RESOURCES / "Report"

THUMBNAIL_SIDE = 112
"""Pixels of the longer side of an index picture."""

_SUMMARY = (
    "image", "view", "side", "total", "grade", "complete", "reachable", "reachable_grade",
    "sections", "advice", "protocol",
)  # fmt: skip

_TASK_COLOURS = {"excellent": 0, "good": 1, "poor": 2, "fail": 3}


@dataclass(frozen=True)
class IndexEntry:
    """What the index tells of one image.

    Attributes
    ----------
    summary
        The record without its details, so that a long run stays small.
    page
        The image's page, relative to the index.
    thumbnail
        ``data:`` address of a small picture.
    """

    summary: Record
    page: str
    thumbnail: str

    @classmethod
    def of(cls, record: Record, page: str, thumbnail: str) -> IndexEntry:
        return cls({key: record[key] for key in _SUMMARY}, page, thumbnail)


def write_page(
    path: Path, record: Record, drawing: FigureDrawing, picture: str, *, index: str | None = None
) -> None:
    """Write the page of one image.

    Parameters
    ----------
    path
        File to write.
    record
        From `json_report.assessment_record`.
    drawing
        From `figure.drawing`.
    picture
        ``data:`` address of the displayed image (`figure.encoded_picture`).
    index
        Address of the index, relative to the page.

    Raises
    ------
    ReportError
        If the file cannot be written.
    """
    tasks = [task for task in record["tasks"] if task["section"] != Section.BASIC_INFORMATION]
    groups: dict[str, list[Record]] = {}
    for item in record["basic_information"]:
        groups.setdefault(item["group"], []).append(item)
    points = {task["id"]: task for task in record["tasks"]}
    text = render(
        "image.html.j2", record=record, drawing=drawing, picture=picture, index=index,
        tasks=tasks, groups=groups, points=points, warnings=_warnings(record),
        sections=list(Section),
        certainty=wording.grade_probabilities(record["certainty"]["grades"]),
    )  # fmt: skip
    write_text(path, text)


def write_index(
    path: Path,
    entries: Sequence[IndexEntry],
    failures: Sequence[tuple[str, str]],
    created: datetime,
) -> None:
    """Write the index of a run, worst image first.

    Parameters
    ----------
    path
        File to write.
    entries
        The assessed images, in any order.
    failures
        (name, message) of the images that could not be assessed.
    created
        Time of the run.

    Raises
    ------
    ReportError
        If the file cannot be written.
    """
    ranked = sorted(entries, key=lambda e: (e.summary["total"], e.summary["image"]["name"]))
    grades = Counter(entry.summary["grade"] for entry in entries)
    names = list(entries[0].summary["protocol"]["grades"]) if entries else []
    text = render(
        "index.html.j2", entries=ranked, failures=failures, created=created.isoformat(),
        grades=[(name, grades[name]) for name in names],
        protocol=entries[0].summary["protocol"] if entries else None,
        sections=list(Section),
    )  # fmt: skip
    write_text(path, text)


def require_jinja2() -> None:
    """Raise a ReportError when what the HTML report needs is not installed."""
    _environment()


@lru_cache(maxsize=1)
def _environment() -> Environment:
    try:
        import PIL  # noqa: F401 - the pictures need it
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise ReportError(
            f"The HTML report needs the package {error.name}: {install_hint('wristqc[report]')};"
            " the other files are written without it."
        ) from error
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "band": _band,
        "colour": _task_colour,
        "decimals": _decimals,
        "measured": _measured,
        "quote": quote,
        "sentence": _sentence,
        "time": _time,
        "words": words,
    }
    environment.globals["grade_colour"] = _grade_colour
    return environment


def render(template: str, **values: Any) -> str:
    """A page from one of `TEMPLATES`, with its style and script in it.

    Raises
    ------
    ReportError
        If what the HTML report needs is not installed.
    """
    from markupsafe import Markup

    style, script = (
        (TEMPLATES / name).read_text(encoding="utf-8") for name in ("report.css", "report.js")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # Our own files, not text from an image: the only two that are not escaped.
    trusted = {"style": Markup(style), "script": Markup(script)}  # noqa: S704
    return _environment().get_template(template).render(script_hash=digest, **trusted, **values)


def _warnings(record: Record) -> list[str]:
    """What a reader must know before the points."""
    warnings = []
    marker, side = record["side_marker"], record["side"]
    if marker["contradicts_side"]:
        warnings.append(
            f"The side marker reads {marker['side']}, but the examined side is {side['value']}"
            f" ({side['source']}): the marker or the stated side is wrong."
        )
    if record["certainty"]["check"]:
        warnings.append(wording.please_check(record["certainty"]["check"]))
    if not record["complete"]:
        reasons: list[str] = []
        for task in record["tasks"]:
            if not task["assessable"]:
                reasons += [part["reason"] for part in task["parts"]] or [task["reason"]]
        warnings.append(
            "The total is incomplete: what is not assessable has 0 points for now. "
            + " ".join(dict.fromkeys(filter(None, reasons)))
        )
    told = " ".join(warnings)
    return warnings + [note for note in record["notes"] if note not in told]


# Filters ------------------------------------------------------------------------------------


def _decimals(value: float | None, digits: int = 1) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _measured(part: Mapping[str, Any]) -> str:
    return wording.measured(part["value"], part["unit"], (*part["full"], *part["zero"]))


def _band(part: Mapping[str, Any], key: str) -> str:
    """The values with all points (``"full"``) or with none (``"zero"``), in words."""
    band = {"full": wording.full_band, "zero": wording.zero_band}[key]
    low, high = part[key]
    return band(low, high, part["unit"])


def _time(iso: str | None) -> str:
    """A record's time, to the minute."""
    if not iso:
        return ""
    return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M %Z").strip()


def _sentence(text: str) -> str:
    """First letter in upper case, the rest as it is."""
    return text[:1].upper() + text[1:]


def _task_colour(task: Mapping[str, Any]) -> str:
    if not task["assessable"]:
        return "unknown"
    rank = _TASK_COLOURS.get(task["grade"])
    if rank is None:  # another protocol's word
        share = task["points"] / task["max_points"] if task["max_points"] else 1.0
        rank = min(3, math.floor(4 * (1 - share)))
    return f"g{rank}"


def _grade_colour(record: Mapping[str, Any], grade: str) -> str:
    """Colour of an overall grade by its rank, best first."""
    return f"g{wording.grade_rank(record['protocol']['grades'], grade)}"
