"""What is drawn over an image in the scene, without the scene: strokes, and labels with a place.

Coordinates are (x right, y down) in mm from the centre of the first pixel. Labels are placed one
after the other where they cover least of those before; this is done anew for every move of a point
and has to be quick, so it is coarser than the report's placement.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from WristQCLib.annotations import Annotation, Form, annotate
from WristQCLib.assessment import Assessment
from WristQCLib.keypoints import Point
from WristQCLib.scene.grid import PixelGrid

Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in mm."""

LETTER_WIDTH = 0.42
"""Mean advance of a bold letter relative to a label's height."""
_ARC, _DASH = 0.08, 0.012
"""Radius of an angle's arc, and length of a dash, relative to the image's longer side."""
_ARC_STEPS = 16
_ARC_GROWTH = 0.6
"""By how much of it each further arc round the same vertex is larger."""
_HALF_LINE = 0.15
"""What labels keep from level and upright lines, relative to their height."""
_ALONG_LINE = (0.6, 0.78, 0.42, 0.9, 0.25)
_ALONG_ARC = (0.5, 0.2, 0.8)
_GREEK = str.maketrans({"α": "alpha", "β": "beta"})
"""The letters of VTK's own fonts end with Latin ones."""


@dataclass(frozen=True)
class Stroke:
    """Segments (n, 2 ends, xy) of one colour, ``#RRGGBB``."""

    segments: Floats
    colour: str


@dataclass(frozen=True)
class Text:
    """A label; `corner` is its lower left one."""

    text: str
    colour: str
    corner: Point


@dataclass(frozen=True)
class Drawing:
    strokes: tuple[Stroke, ...]
    texts: tuple[Text, ...]


@dataclass(frozen=True)
class Name:
    """A keypoint's name, to be written beside it."""

    text: str
    colour: str
    position: Point


def draw(
    assessment: Assessment,
    grid: PixelGrid,
    names: Sequence[Name],
    letter_height: float,
    tasks: Collection[str] = (),
) -> Drawing:
    """Lay out the annotations of an assessment.

    Parameters
    ----------
    assessment
        Whose annotations are drawn.
    grid
        Size of the image's pixels.
    names
        Of the keypoints, at positions in pixels.
    letter_height
        Of all labels, in mm.
    tasks
        Ids of the tasks whose annotations are drawn alone; all are drawn where these have none.
    """
    if assessment.keypoints is None:
        return Drawing((), ())
    geometry, (sx, sy) = assessment.geometry, grid.spacing
    long_side = max(geometry.width * sx, geometry.height * sy)
    annotations = [
        Annotation(a.task, a.form, tuple((x * sx, y * sy) for x, y in a.points), a.label, a.colour)
        for a in annotate(assessment.keypoints, geometry, assessment.measurements)
    ]
    annotations = [a for a in annotations if a.task in tasks] or annotations
    frame = (-sx / 2, -sy / 2, (geometry.width - 0.5) * sx, (geometry.height - 0.5) * sy)
    texts: list[Text] = []
    at = [(name.position[0] * sx, name.position[1] * sy) for name in names]
    half, thin = letter_height / 2, _HALF_LINE * letter_height
    taken = [(x - half, y - half, x + half, y + half) for x, y in at]
    for a in annotations:
        (xa, ya), (xb, yb) = a.points[0], a.points[-1]
        if a.form is not Form.ANGLE and min(abs(xb - xa), abs(yb - ya)) < letter_height / 4:
            box = min(xa, xb) - thin, min(ya, yb) - thin, max(xa, xb) + thin, max(ya, yb) + thin
            taken.append(box)
    radii = _arc_radii(annotations, _ARC * long_side)

    def place(text: str, colour: str, centres: Iterable[Point], size: tuple[float, float]) -> None:
        box = _freest(centres, size, taken, frame)
        taken.append(box)
        texts.append(Text(text, colour, (box[0], box[3])))

    for name, position in zip(names, at, strict=True):
        size = _size(name.text, letter_height)
        outwards = 1 if position[0] > (frame[0] + frame[2]) / 2 else -1
        place(name.text, name.colour, _around(position, size, outwards), size)
    for a, radius in zip(annotations, radii, strict=True):
        if a.label:
            text = a.label.translate(_GREEK)
            size = _size(text, letter_height)
            centres = _beside_line(a, size) if radius == 0 else _beside_arc(a, size, radius)
            place(text, a.colour, centres, size)
    return Drawing(tuple(_strokes(annotations, radii, long_side)), tuple(texts))


def _arc_radii(annotations: Sequence[Annotation], smallest: float) -> list[float]:
    """Radius of each angle's arc, 0 for what is no angle; arcs round one vertex differ."""
    radii, drawn = [], Counter[Point]()
    for a in annotations:
        radius = 0.0
        if a.form is Form.ANGLE:
            first, vertex, second = a.points
            shorter = min(math.dist(vertex, first), math.dist(vertex, second))
            radius = min(smallest * (1 + _ARC_GROWTH * drawn[vertex]), 0.8 * shorter)
            drawn[vertex] += 1
        radii.append(radius)
    return radii


def _strokes(
    annotations: Sequence[Annotation], radii: Sequence[float], long_side: float
) -> Iterator[Stroke]:
    """Lines, dashed references and arcs; an angle's arms only where no line is drawn already."""
    lines = {frozenset(a.points) for a in annotations if a.form is not Form.ANGLE}
    for a, radius in zip(annotations, radii, strict=True):
        if a.form is Form.LINE:
            yield Stroke(np.array([a.points], float), a.colour)
        elif a.form is Form.REFERENCE:
            yield Stroke(_dashes(a.points[0], a.points[1], _DASH * long_side), a.colour)
        else:
            first, vertex, second = a.points
            arms = [(vertex, end) for end in (first, second) if {vertex, end} not in lines]
            shares = np.linspace(0.0, 1.0, _ARC_STEPS + 1)
            arc = [_on_arc(a.points, share, radius) for share in shares]
            segments = [*arms, *pairwise(arc)]
            yield Stroke(np.array(segments, float), a.colour)


def _dashes(start: Point, end: Point, dash: float) -> Floats:
    """Dashes of about this length, with gaps as long."""
    count = max(1, round(math.dist(start, end) / (2 * dash)))
    shares = (np.arange(2 * count) / (2 * count)).reshape(count, 2, 1)
    return np.array(start) + shares * (np.array(end) - np.array(start))


def _on_arc(points: Sequence[Point], share: float, radius: float) -> Point:
    """Point at `share` of the turn from an angle's first arm to its second, `radius` away."""
    (ax, ay), (x, y), (bx, by) = points
    first = math.atan2(ay - y, ax - x)
    turn = math.remainder(math.atan2(by - y, bx - x) - first, math.tau)
    direction = first + share * turn
    return x + radius * math.cos(direction), y + radius * math.sin(direction)


def _size(text: str, height: float) -> tuple[float, float]:
    return (len(text) * LETTER_WIDTH + 0.3) * height, height


def _around(position: Point, size: tuple[float, float], outwards: int) -> Iterator[Point]:
    """Middles of a name beside a point, best first: on the side that leads out of the wrist."""
    (x, y), (width, height) = position, size
    for away in (0.9, 2.0, 3.1):
        for side in (outwards, -outwards):
            for down in (-1, 1):
                yield x + side * (width / 2 + 0.5 * height), y + down * away * height


def _beside_arc(
    annotation: Annotation, size: tuple[float, float], radius: float
) -> Iterator[Point]:
    """Middles of a label left, right and outside of an angle's arc."""
    width, height = size
    ends = [_on_arc(annotation.points, share, radius)[0] for share in (0.0, 0.5, 1.0)]
    y = _on_arc(annotation.points, 0.5, radius)[1]
    for away in (0.4, 2.0):
        for down in (0.0, 1.2, -1.2):
            yield min(ends) - width / 2 - away * height, y + down * height
            yield max(ends) + width / 2 + away * height, y + down * height
    for share in _ALONG_ARC:
        yield _on_arc(annotation.points, share, radius + 0.8 * height + 0.3 * width)


def _beside_line(annotation: Annotation, size: tuple[float, float]) -> Iterator[Point]:
    """Middles of a label above or below a level line, left or right of an upright one."""
    width, height = size
    (xa, ya), (xb, yb) = annotation.points
    level = abs(xb - xa) > abs(yb - ya)
    for away in (0.8, 1.9):
        dx, dy = (0.0, away * height) if level else (width / 2 + (away - 0.4) * height, 0.0)
        for t in _ALONG_LINE:
            x, y = xa + t * (xb - xa), ya + t * (yb - ya)
            yield x - dx, y - dy
            yield x + dx, y + dy


def _freest(
    centres: Iterable[Point], size: tuple[float, float], taken: Sequence[Box], frame: Box
) -> Box:
    """The first place inside the frame that covers nothing, or what covers least."""
    (width, height), (left, top, right, bottom) = size, frame
    best, least = (0.0, 0.0, width, height), math.inf
    for x, y in centres:
        x0 = max(min(x - width / 2, right - width), left)
        y0 = max(min(y - height / 2, bottom - height), top)
        x1, y1 = x0 + width, y0 + height
        covered = 0.0
        for l0, t0, r0, b0 in taken:
            if l0 < x1 and r0 > x0 and t0 < y1 and b0 > y0:
                covered += (min(x1, r0) - max(x0, l0)) * (min(y1, b0) - max(y0, t0))
        if covered == 0.0:
            return x0, y0, x1, y1
        if covered < least:
            best, least = (x0, y0, x1, y1), covered
    return best
