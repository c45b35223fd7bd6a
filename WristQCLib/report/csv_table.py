"""One table for all images of a run: a row per image, the same columns whatever is known of it.

Columns, in this order: what identifies the image and the result; view, side, spacing with sources;
points by section; points and grade by task; measurements; keypoints; side marker; artefact; basic
information; what assessed it. An image that could not be assessed has its name and `error` only.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from WristQCLib.assessment import Section
from WristQCLib.findings import View
from WristQCLib.keypoints import KEYPOINT_NAMES
from WristQCLib.measurements import MEASUREMENTS
from WristQCLib.protocol import Protocol
from WristQCLib.report.files import write_text
from WristQCLib.report.json_report import Record

Row = Mapping[str, Any]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_FORMULA = re.compile(r"\s*[=+\-@|%]")
"""Beginnings that spreadsheet programs take for a formula or a command."""


def columns(protocol: Protocol) -> tuple[str, ...]:
    """Names of the table's columns; both views' tasks and measurements have theirs."""
    tasks = [task for view in View for task in protocol.layout[view]]
    units = {name: unit for view in View for name, (_, unit) in MEASUREMENTS[view].items()}
    return (
        "name", "error", "sop_instance_uid", "total", "grade", "complete", "reachable",
        "reachable_grade", "grade_probability", "check",
        *(f"{quantity}{part}" for quantity in ("view", "side")
          for part in ("", "_source", "_confidence")),
        "spacing_x_mm", "spacing_y_mm", "spacing_source", "width_px", "height_px",
        *(_section_column(section) for section in Section),
        *(f"{task.id}_{part}" for task in tasks for part in ("points", "grade")),
        *(_measurement_column(name, unit) for name, unit in units.items()),
        *(f"{name}_{part}" for view in View for name in KEYPOINT_NAMES[view]
          for part in ("finding", "x_px", "y_px", "confidence", "spread_mm")),
        "side_marker_finding", "side_marker_side", "side_marker_similarity",
        "side_marker_contradicts_side", "artefact_finding", "artefact_probability",
        *(f"dicom_{item.id}{part}" for item in protocol.basic_information
          for part in ("", "_value")),
        "advice", "notes", "protocol", "models", "device", "wristqc_version", "created",
    )  # fmt: skip


def row(record: Record) -> Row:
    """The cells of an assessed image, by column."""
    spacing = record["spacing"]["value"] or (None, None)
    cells: dict[str, Any] = {
        "name": record["image"]["name"],
        "sop_instance_uid": record["image"]["sop_instance_uid"],
        "spacing_x_mm": spacing[0],
        "spacing_y_mm": spacing[1],
        "spacing_source": record["spacing"]["source"],
        "width_px": record["image"]["width_px"],
        "height_px": record["image"]["height_px"],
        "advice": "; ".join(f"{a['text']} (+{a['gain']})" for a in record["advice"]),
        "notes": " ".join(record["notes"]),
        "protocol": f"{record['protocol']['id']} {record['protocol']['version']}",
        "models": "; ".join(f"{part}: {model}" for part, model in record["models"].items()),
        "device": record["device"],
        "wristqc_version": record["software"]["version"],
        "created": record["created"],
    }
    for key in ("total", "grade", "complete", "reachable", "reachable_grade"):
        cells[key] = record[key]
    cells["grade_probability"] = record["certainty"]["grades"].get(record["grade"], 0.0)
    cells["check"] = "; ".join(record["certainty"]["check"])
    for quantity in ("view", "side"):
        cells[quantity] = record[quantity]["value"]
        cells[f"{quantity}_source"] = record[quantity]["source"]
        cells[f"{quantity}_confidence"] = record[quantity]["confidence"]
    for section in record["sections"]:
        cells[_section_column(section["name"])] = section["points"]
    for task in record["tasks"]:
        if not task["parts"]:
            continue  # told by its own columns
        cells[f"{task['id']}_points"] = task["points"] if task["assessable"] else None
        cells[f"{task['id']}_grade"] = task["grade"]
    for name, measurement in record["measurements"].items():
        cells[_measurement_column(name, measurement["unit"])] = measurement["value"]
    for point in record["keypoints"] or ():
        x, y = point["position_px"] or (None, None)
        name = point["name"]
        cells |= {f"{name}_finding": point["finding"], f"{name}_x_px": x, f"{name}_y_px": y}
        cells |= {f"{name}_{key}": point[key] for key in ("confidence", "spread_mm")}
    for part, keys in (
        ("side_marker", ("finding", "side", "similarity", "contradicts_side")),
        ("artefact", ("finding", "probability")),
    ):
        cells |= {f"{part}_{key}": record[part][key] for key in keys}
    for item in record["basic_information"]:
        name = f"dicom_{item['id']}"
        cells |= {name: item["finding"], f"{name}_value": item["value"]}
    return cells


def failure_row(name: str, message: str) -> Row:
    """The cells of an image that could not be assessed."""
    return {"name": name, "error": message}


def write_csv(path: Path, protocol: Protocol, rows: Iterable[Row]) -> None:
    """Write the table of assessed images.

    Raises
    ------
    ReportError
        If the file cannot be written.
    """
    write_rows(path, columns(protocol), rows)


def write_rows(path: Path, names: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a table of these columns: UTF-8, comma separated, with a header.

    Raises
    ------
    ReportError
        If the file cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(cells.get(name)) for name in names} for cells in rows)
    write_text(path, text.getvalue())


def _section_column(section: str) -> str:
    return f"{section} points".replace(" ", "_").replace("-", "_")


def _measurement_column(name: str, unit: str) -> str:
    return f"{name}_{unit}" if unit else name


def _cell(value: Any) -> Any:
    """A cell on one line that no spreadsheet program runs: ``=1+1`` gets an apostrophe."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, str):
        return value
    text = _CONTROL.sub(" ", value)
    return f"'{text}" if _FORMULA.match(text) else text
