"""The agreement between readers, and of the system with them, as a page and as tables.

The page and ``agreement.csv`` hold what `WristQCLib.agreement_tables` says; ``agreement_cases.csv``
has a line for every pair of opinions that the figures are made of, for statistics of one's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from WristQCLib import __version__
from WristQCLib.agreement import Agreement, Compared, agreement, answers, compared_cases, lengths
from WristQCLib.agreement_tables import PAPER, Part, Table, remarks, tables
from WristQCLib.findings import View
from WristQCLib.keypoints import KEYPOINT_NAMES
from WristQCLib.labels.store import LabelStore
from WristQCLib.protocol import Protocol, load_protocol
from WristQCLib.report.csv_table import Row, write_rows
from WristQCLib.report.files import write_text
from WristQCLib.report.html_report import render

PAGE, FIGURES, CASES = "agreement.html", "agreement.csv", "agreement_cases.csv"

SYSTEM = "system"
"""Who the second opinion is of where it is nobody's."""

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


def write_agreement(
    store: LabelStore,
    out: Path,
    *,
    protocol: Protocol | None = None,
    created: datetime | None = None,
) -> list[Path]:
    """Write the page and both tables of a label store.

    Parameters
    ----------
    store
        The readings.
    out
        Folder, made when missing.
    protocol
        Tells the order of grades and the titles of tasks; by default the bundled one.
    created
        Time that the page tells, by default now.

    Returns
    -------
    list of Path
        ``agreement.html``, ``agreement.csv`` and ``agreement_cases.csv``.

    Raises
    ------
    ReportError
        If a file cannot be written, or if what the HTML report needs is not installed; the tables
        are written before.
    """
    protocol = protocol or load_protocol()
    images = [image.readings for image in store]
    found = agreement(images, protocol)
    write_rows(out / FIGURES, _FIGURE_COLUMNS, _figures(tables(found)))
    write_rows(
        out / CASES,
        _case_columns(protocol),
        (_case(compared, protocol) for compared in compared_cases(images, protocol)),
    )
    write_page(out / PAGE, found, created or datetime.now(UTC))
    return [out / name for name in (PAGE, FIGURES, CASES)]


def write_page(path: Path, found: Agreement, created: datetime) -> None:
    """Write the page.

    Raises
    ------
    ReportError
        If it cannot be written, or if what it needs is not installed.
    """
    every = tables(found)
    parts = [
        (part, [(whose, list(of)) for whose, of in groupby(chosen, key=lambda t: t.subject)])
        for part in (Part.AMONG, Part.AGAINST)
        if (chosen := [table for table in every if table.part is part])
    ]
    text = render(
        "agreement.html.j2", found=found, remarks=remarks(found),
        overview=[table for table in every if table.part is Part.READINGS], parts=parts,
        created=created.isoformat(), version=__version__, published=PAPER,
    )  # fmt: skip
    write_text(path, text)


# Tables -------------------------------------------------------------------------------------

_FIGURE_COLUMNS = ("part", "readers", "table", "row", "column", "value")


def _figures(every: Sequence[Table]) -> Iterator[Row]:
    """A line for every number; what is not known has an empty one."""
    for table in every:
        for row in table.rows:
            for column, cell in zip(table.head[1:], row[1:], strict=True):
                values = (table.part, table.subject, table.title, row[0], column, _value(cell))
                yield dict(zip(_FIGURE_COLUMNS, values, strict=True))


def _value(cell: str) -> float | int | None:
    if not _NUMBER.fullmatch(cell):
        return None
    return float(cell) if "." in cell else int(cell)


_QUESTIONS = ("view", "side", "artefact", "grade")


def _case_columns(protocol: Protocol) -> tuple[str, ...]:
    names = [name for view in View for name in KEYPOINT_NAMES[view]]
    asked = (*_QUESTIONS, *(rule.id for view in View for rule in protocol.layout[view]), *names)
    return (
        "image", "sop_instance_uid", "pixels_sha256", "first", "second", "total_first",
        "total_second", *(f"{question}_{whose}" for question in asked
                          for whose in ("first", "second")),
        *(f"{name}_distance_{unit}" for name in names for unit in ("mm", "px")),
    )  # fmt: skip


def _case(compared: Compared, protocol: Protocol) -> Row:
    """Two opinions of an image."""
    first, second = compared.case
    image = first.labels.image
    cells: dict[str, Any] = {
        "image": image.name,
        "sop_instance_uid": image.sop_instance_uid,
        "pixels_sha256": image.pixels_sha256,
        "first": compared.first,
        "second": SYSTEM if compared.second is None else compared.second,
        "total_first": first.total,
        "total_second": second.total,
    }
    for question, (of_first, of_second) in answers(compared.case, protocol).items():
        cells |= {f"{question}_first": of_first, f"{question}_second": of_second}
    apart, in_mm = lengths(compared.case)
    for name, length in apart.items():
        cells[f"{name}_distance_{'mm' if in_mm else 'px'}"] = round(length, 4)
    return cells
