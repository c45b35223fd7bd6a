"""The record of an assessment: plain data, written as JSON, read by every other report.

The form is versioned and described by `Resources/Schemas/assessment-1.schema.json`. Whether the
patient's identity is shown is decided here and nowhere else: the table and the HTML report are made
from the record, so what it leaves out cannot appear in them.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

from WristQCLib import __version__
from WristQCLib.advice import Advice, advise
from WristQCLib.assessment import Assessment, Section, TaskScore
from WristQCLib.basic_information import BasicInformationItem
from WristQCLib.certainty import certainty
from WristQCLib.findings import Sourced
from WristQCLib.keypoints import Keypoint
from WristQCLib.measurements import ImageGeometry, Measurement
from WristQCLib.protocol import Interval, PartRule, Protocol, TaskRule
from WristQCLib.report.files import write_text

SCHEMA = "wristqc/assessment/1"
"""Name and version of the record's form."""

Record = dict[str, Any]


def assessment_record(
    assessment: Assessment, *, created: datetime | None = None, include_identity: bool = False
) -> Record:
    """Everything about one assessed image as plain data; numbers are finite or None.

    Parameters
    ----------
    assessment
        The assessed image.
    created
        When it was assessed; the record is a pure function of its arguments.
    include_identity
        Whether values that identify the patient are given. Without it a record says only whether
        they are present.
    """
    protocol, score = assessment.protocol, assessment.score
    return {
        "schema": SCHEMA,
        "created": created.isoformat(timespec="seconds") if created else None,
        "software": {"name": "WristQC", "version": __version__},
        "identity_included": include_identity,
        "image": {
            "name": assessment.name,
            "sop_instance_uid": assessment.sop_instance_uid,
            **_geometry(assessment.geometry),
        },
        "view": _sourced(assessment.view),
        "side": _sourced(assessment.side),
        "spacing": _sourced(assessment.spacing),
        "total": score.total,
        "grade": score.grade,
        "complete": score.complete,
        "reachable": score.reachable,
        "reachable_grade": score.reachable_grade,
        "certainty": _certainty(assessment),
        "sections": [_section(assessment, section) for section in Section],
        "tasks": [_task(task, protocol, assessment) for task in score.tasks],
        "advice": [_advice(advice) for advice in advise(assessment)],
        "basic_information": [
            _item(item, include_identity) for item in assessment.basic_information
        ],
        "side_marker": _side_marker(assessment),
        "artefact": _artefact(assessment),
        "keypoints": None
        if assessment.keypoints is None
        else [
            _keypoint(number, point, assessment.geometry)
            for number, point in enumerate(assessment.keypoints, start=1)
        ],
        "measurements": {name: _measurement(m) for name, m in assessment.measurements.items()},
        "protocol": {
            "id": protocol.id,
            "version": protocol.version,
            "title": protocol.title,
            "grades": {name: _number(lowest) for name, lowest in protocol.grades.items()},
        },
        "models": dict(assessment.models),
        "device": assessment.device,
        "notes": list(assessment.notes),
        "novelty": _number(assessment.novelty),
    }


def write_json(path: Path, record: Record) -> None:
    """Write a record, UTF-8 and indented.

    Raises
    ------
    ReportError
        If the file cannot be written.
    """
    write_text(path, json.dumps(record, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def _number(value: float | None) -> float | None:
    """JSON knows neither NaN nor infinity."""
    return value if value is not None and math.isfinite(value) else None


def _certainty(assessment: Assessment) -> Record:
    """Shares of draws, whose order is that of their size."""
    sure = certainty(assessment)
    return {
        "grades": dict(sure.grades),
        "tasks": {task: dict(grades) for task, grades in sure.tasks.items()},
        "check": list(sure.check),
    }


def _geometry(geometry: ImageGeometry) -> Record:
    size = geometry.size_cm
    return {
        "width_px": geometry.width,
        "height_px": geometry.height,
        "size_cm": [_number(length) for length in size] if size else None,
        "pixel_aspect": _number(geometry.pixel_aspect),
    }


def _sourced(sourced: Sourced[Any]) -> Record:
    value = sourced.value
    if isinstance(value, tuple):
        value = [_number(number) for number in value]
    return {
        "value": value,
        "source": sourced.source,
        "confidence": _number(sourced.confidence),
    }


def _section(assessment: Assessment, section: Section) -> Record:
    points, most = assessment.score.section_points(section)
    return {"name": section, "points": points, "max_points": most}


def _rule(protocol: Protocol, assessment: Assessment, task_id: str) -> TaskRule | None:
    """The rule of a layout task, None for the other tasks."""
    rules = protocol.layout[assessment.view.value] if assessment.view.value else ()
    return next((rule for rule in rules if rule.id == task_id), None)


def _task(task: TaskScore, protocol: Protocol, assessment: Assessment) -> Record:
    rule = _rule(protocol, assessment, task.id)
    part_rules: tuple[PartRule, ...] = rule.parts if rule and task.parts else ()
    return {
        "id": task.id,
        "title": task.title,
        "section": task.section,
        "points": task.points,
        "max_points": task.max_points,
        "reachable": task.reachable,
        "assessable": task.assessable,
        "grade": task.grade,
        "reason": task.reason,
        "parts": [
            {
                "measurement": part.measurement.id,
                **_measurement(part.measurement),
                "points": part.points,
                "max_points": part.max_points,
                "full": _interval(part_rule.full),
                "zero": _interval(part_rule.zero),
            }
            for part, part_rule in zip(task.parts, part_rules, strict=True)
        ],
    }


def _interval(interval: Interval) -> list[float | None]:
    """[low, high]; None where there is no limit."""
    return [_number(interval.low), _number(interval.high)]


def _measurement(measurement: Measurement) -> Record:
    return {
        "value": _number(measurement.value),
        "unit": measurement.unit,
        "finding": measurement.finding,
        "reason": measurement.reason,
    }


def _advice(advice: Advice) -> Record:
    return {"text": advice.text, "gain": advice.gain, "tasks": list(advice.tasks)}


def _item(item: BasicInformationItem, include_identity: bool) -> Record:
    hidden = item.identity and not include_identity
    return {
        "id": item.id,
        "label": item.label,
        "group": item.group,
        "identity": item.identity,
        "finding": item.finding,
        "value": None if hidden else item.value or None,
        "reason": item.reason,
    }


def _side_marker(assessment: Assessment) -> Record:
    marker, rule = assessment.side_marker, assessment.protocol.side_marker
    side = assessment.side.value
    return {
        "finding": marker.finding,
        "side": marker.side,
        "similarity": _number(marker.similarity),
        "threshold": rule.similarity,
        "box": [_number(edge) for edge in marker.box] if marker.box else None,
        "rotation_deg": _number(marker.rotation_deg),
        "reason": marker.reason,
        "contradicts_side": bool(marker.side and side and marker.side is not side),
    }


def _artefact(assessment: Assessment) -> Record:
    artefact = assessment.artefact
    return {
        "finding": artefact.finding,
        "source": artefact.source,
        "probability": _number(artefact.probability),
        "threshold": _number(artefact.threshold),
    }


def _keypoint(number: int, point: Keypoint, geometry: ImageGeometry) -> Record:
    """Position in pixels (centres at integers) and in mm from the image's upper left corner."""
    position_mm = spread_mm = None
    if geometry.spacing is not None:
        sx, sy = geometry.spacing
        if point.position is not None:
            x, y = point.position
            position_mm = [_number((x + 0.5) * sx), _number((y + 0.5) * sy)]
        if point.spread is not None:
            spread_mm = _number(point.spread * math.sqrt(sx * sy))
    return {
        "number": f"P{number}",
        "name": point.name,
        "finding": point.finding,
        "position_px": [_number(c) for c in point.position] if point.position else None,
        "position_mm": position_mm,
        "confidence": _number(point.confidence),
        "spread_px": _number(point.spread),
        "spread_mm": spread_mm,
        "placed_by": point.placed_by,
    }
