"""Where readings of one image contradict each other, and what they amount to where they do not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations
from typing import Any

from WristQCLib.findings import Finding
from WristQCLib.keypoints import Keypoint, Keypoints, Point, words
from WristQCLib.labels.image_labels import ImageLabels
from WristQCLib.labels.reading import Reading, differ
from WristQCLib.measurements import ImageGeometry

FARTHEST_MM = 5.0
"""Distance up to which two placements of a point agree, in mm.

Moving a point by that much changes the offsets H - 2 L2 and W - 2 L1 of frontal 4 and lateral 3 by
1 cm, which is all the way from full points to none: farther apart, readers grade another image.
"""
FARTHEST_SHARE = 0.02
"""The same where the spacing is unknown, as a share of the image's diagonal.

That is 6 mm of the 30 cm from corner to corner of 18 x 24 cm, the size a wrist is exposed on.
"""


class Kind(StrEnum):
    """How readings contradict each other."""

    FORK = "fork"
    """One reader's readings of which none was made with the other in view."""
    DISAGREEMENT = "disagreement"
    """Readers who say different things."""


@dataclass(frozen=True)
class Conflict:
    """Readings of one image that cannot all be right.

    Attributes
    ----------
    key
        Of the image in its store.
    name
        Of the image, for people.
    kind
        How they contradict each other.
    readings
        All that are concerned, oldest first.
    sentence
        Who says what.
    """

    key: str
    name: str
    kind: Kind
    readings: tuple[Reading, ...]
    sentence: str


def heads(readings: Iterable[Reading]) -> list[Reading]:
    """The readings that count, oldest first: those that no later one replaces or decides.

    A reading replaces the one that it is based on only if the same person made both.
    """
    readings = sorted(readings, key=lambda reading: reading.accepted_at)
    made_by = {reading.id: reading.reader for reading in readings}
    replaced = {r.based_on for r in readings if made_by.get(r.based_on or "") == r.reader}
    resolved = {id_ for reading in readings for id_ in reading.resolves if id_ != reading.id}
    current = [r for r in readings if r.id not in replaced | resolved]
    return current or readings[-1:]  # a circle, which only an edited file holds


def conflicts_of(key: str, readings: Iterable[Reading]) -> list[Conflict]:
    """What is contradictory in the readings of an image: forks first, then disagreement."""
    current = heads(readings)
    by_reader: dict[str, list[Reading]] = {}
    for reading in current:
        by_reader.setdefault(reading.reader, []).append(reading)
    found = []
    for reader, own in by_reader.items():
        if any(differ(a.labels, b.labels) for a, b in combinations(own, 2)):
            name = own[-1].image.name
            what = f"{name} has {len(own)} readings of {reader}, made without knowing each other"
            found.append(
                Conflict(key, name, Kind.FORK, tuple(own), f"{what}; choose one or read it again.")
            )
    for one, other in combinations(current, 2):
        difference = disagreement(one, other) if one.reader != other.reader else ""
        if difference:
            name = current[-1].image.name
            sentence = f"{name}: {difference}; one of them or a third reader decides."
            found.append(Conflict(key, name, Kind.DISAGREEMENT, tuple(current), sentence))
            break
    return found


def disagreement(one: Reading, other: Reading) -> str:
    """The first thing that two readers say differently, empty when they agree.

    What one of them does not say (side unknown, nobody looked, still to be placed) contradicts
    nothing.
    """
    a, b = one.labels, other.labels
    who = f"{one.reader} and {other.reader}"
    if a.view is not b.view:
        return f"{who} see another view ({a.view}, {b.view})"
    if a.side and b.side and a.side is not b.side:
        return f"{who} see another side ({a.side}, {b.side})"
    if _contrary(a.artefact.finding, b.artefact.finding):
        return f"{who} differ on whether there is a foreign object"
    geometry = a.image.geometry if a.image.geometry.spacing else b.image.geometry
    for p, q in zip(a.keypoints, b.keypoints, strict=True):
        if _contrary(p.finding, q.finding):
            return f"{who} differ on whether the {words(p.name)} is in the image"
        if p.position and q.position:
            distance, farthest, unit = _apart(geometry, p.position, q.position)
            if distance > farthest:
                return f"{who} place the {words(p.name)} {distance:.1f} {unit} apart"
    return ""


def _contrary(one: Finding, other: Finding) -> bool:
    return one is not other and Finding.NOT_ASSESSABLE not in (one, other)


def _apart(geometry: ImageGeometry, one: Point, other: Point) -> tuple[float, float, str]:
    """Distance, the largest that is agreement, and their unit."""
    distance = math.hypot(*geometry.vector(one, other))
    if geometry.spacing:
        return distance, FARTHEST_MM, "mm"
    diagonal = math.hypot(*geometry.vector((0.0, 0.0), (geometry.width, geometry.height)))
    return distance, FARTHEST_SHARE * diagonal, "pixels"


def consensus_of(readings: Sequence[Reading]) -> ImageLabels | None:
    """What the readings of an image amount to; None while they contradict each other.

    A resolution goes before the readings beside it. Of several that agree, each point lies at the
    mean of its placements, and what only one of them says is taken from there; the newest goes
    first.
    """
    current = heads(readings)
    if not current or conflicts_of("", readings):
        return None
    resolutions = [reading for reading in current if reading.resolves]
    if resolutions or len(current) == 1:
        return (resolutions or current)[-1].labels
    newest_first = [reading.labels for reading in reversed(current)]
    newest = newest_first[0]
    points, placements = [], {}
    for name in (point.name for point in newest.keypoints):
        known = [
            labels
            for labels in newest_first
            if labels.keypoints[name].finding is not Finding.NOT_ASSESSABLE
        ]
        point = _mean([labels.keypoints[name] for labels in known])
        points.append(point or Keypoint(name))
        if known and name in known[0].placements:
            placements[name] = known[0].placements[name]
    return replace(
        newest,
        keypoints=Keypoints(newest.view, tuple(points)),
        placements=placements,
        side=_first(labels.side for labels in newest_first),
        artefact=_first(
            (labels.artefact for labels in newest_first),
            lambda artefact: artefact.finding is not Finding.NOT_ASSESSABLE,
        )
        or newest.artefact,
        rectangles=_first(labels.rectangles for labels in newest_first) or (),
        flags={k: v for labels in reversed(newest_first) for k, v in labels.flags.items()},
    )


def _mean(points: Sequence[Keypoint]) -> Keypoint | None:
    """One keypoint for several that agree, by all who placed them; None for none."""
    if not points or len({(p.position, p.placed_by) for p in points}) == 1:
        return points[0] if points else None
    positions = [p.position for p in points if p.position]
    people = dict.fromkeys(
        p.placed_by.removeprefix("person:") for p in points if p.placed_by.startswith("person:")
    )
    placed_by = "person:" + ", ".join(people) if people else points[0].placed_by
    if not positions:
        return replace(points[0], placed_by=placed_by)
    x, y = (sum(axis) / len(positions) for axis in zip(*positions, strict=True))
    return Keypoint(points[0].name, Finding.FOUND, (x, y), placed_by=placed_by)


def _first(values: Iterable[Any], wanted: Callable[[Any], bool] = bool) -> Any:
    return next((value for value in values if wanted(value)), None)
