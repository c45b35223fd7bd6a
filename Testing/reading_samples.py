"""Readings of a few people, made up, for tests of how well they agree."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.findings import Side, View
from WristQCLib.keypoints import Keypoints, Point
from WristQCLib.labels import ImageLabels, LabelledImage
from WristQCLib.labels.reading import Reading
from WristQCLib.measurements import ImageGeometry

MODEL = "model:wrist_keypoints 1.0"
START = datetime(2026, 1, 2, 9, 0, tzinfo=UTC)
SPACING = (0.5, 0.5)
FRONTAL: Mapping[str, Point | None] = {
    "thumb_mcp_joint": (40.0, 20.0),
    "radial_styloid": (70.0, 200.0),
    "ulnar_styloid": (130.0, 200.0),
}


def labels(
    positions: Mapping[str, Point | None] = FRONTAL,
    *,
    name: str = "wrist.dcm",
    view: View = View.FRONTAL,
    spacing: tuple[float, float] | None = SPACING,
    artefact: bool | None = False,
    side: Side | None = Side.LEFT,
    by: str = "person:unnamed",
) -> ImageLabels:
    """Labels of an image of 200 x 280 pixels."""
    finding = (
        ArtefactFinding.not_assessed("")
        if artefact is None
        else ArtefactFinding.stated(artefact, by.partition(":")[2])
    )
    return ImageLabels(
        LabelledImage(name, ImageGeometry(200, 280, spacing)),
        Keypoints.from_positions(view, positions, by),
        finding,
        side,
    )


def summary(
    total: int,
    grade: str,
    view: View | None = View.FRONTAL,
    tasks: Mapping[str, str | None] | None = None,
) -> dict[str, Any]:
    """What a reading keeps of a score."""
    return {
        "total": total,
        "grade": grade,
        "view": None if view is None else str(view),
        "protocol": "wrist_radiograph 1.0",
        "tasks": {name: {"grade": of_task} for name, of_task in (tasks or {}).items()},
    }


def reading(
    reader: str,
    accepted: ImageLabels | None = None,
    predicted: ImageLabels | None = None,
    *,
    score: dict[str, Any] | None = None,
    minutes: int = 0,
    id_: str = "",
    **more: Any,
) -> Reading:
    """A reading, `minutes` after nine o'clock."""
    return Reading(
        accepted or labels(by=f"person:{reader}"),
        predicted,
        reader,
        START + timedelta(minutes=minutes),
        id_ or f"{reader}-{minutes}",
        score=score,
        **more,
    )
