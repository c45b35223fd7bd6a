"""Readings for tests of the label store."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from label_samples import frontal_labels

from WristQCLib.keypoints import Point
from WristQCLib.labels import ImageLabels, LabelledImage, Reading
from WristQCLib.measurements import ImageGeometry

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
GEOMETRY = ImageGeometry(800, 600, (0.1, 0.3), 3.0)


def image(number: int = 0) -> LabelledImage:
    """One of many images, each with pixels of its own."""
    sha256 = hashlib.sha256(str(number).encode()).hexdigest()
    return LabelledImage(f"wrist{number}.dcm", GEOMETRY, f"1.2.{number}", sha256)


def labels(number: int = 0, radial_styloid: Point = (100.0, 200.0)) -> ImageLabels:
    return frontal_labels(image(number), radial_styloid)


def reading(
    number: int = 0,
    reader: str = "Dr Li",
    radial_styloid: Point = (100.0, 200.0),
    *,
    id: str = "",
    minute: int = 0,
    based_on: str | None = None,
    resolves: tuple[str, ...] = (),
    predicted: ImageLabels | None = None,
) -> Reading:
    """A reading that differs from others of its image by where the radial styloid is."""
    return Reading(
        labels(number, radial_styloid),
        predicted,
        reader,
        NOON + timedelta(minutes=minute),
        id or f"{reader} {number} {minute}",
        based_on,
        resolves=resolves,
    )


def json_of(folder: Path, number: int = 0) -> Path:
    """The file of an image in a store."""
    return folder / "labels" / f"{image(number).pixels_sha256[:32]}.json"
