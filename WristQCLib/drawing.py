"""What is drawn over an image: strokes, and labels with a place. The report and the scene show it.

Coordinates are (x right, y down) of the stored image, the first pixel's centre being the origin,
multiplied by a scale: to mm in the scene, to square pixels in the report, so that angles look as
they are.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from WristQCLib.annotations import Annotation, Form, annotate
from WristQCLib.assessment import Assessment
from WristQCLib.findings import View
from WristQCLib.keypoints import Point
from WristQCLib.label_placement import Box, Obstacles, Wish, place_labels
from WristQCLib.measurements import midpoint

ACCEPTED_COLOUR, REFUSED_COLOUR = "#5FE3A1", "#FF8A5C"
"""Of a side marker that got its points, and of one that did not."""
SIDE_MARKER = "side_marker"

# All lengths are in heights of the letters.
_ARC_RADIUS, _ARC_GROWTH = 3.5, 2.1
"""Radius of an angle's arc, and by how much each further one round the same vertex is larger."""
_ARC_STEP = math.radians(5.0)
_CLEAR = 0.75
"""Lines end so far from a keypoint, so that what it names is seen."""
_GAP = 0.15
"""Between two labels."""
_NEAR = 1.0
"""Distance up to which a name needs no leader."""
_ON_LINE, _ON_DOT, _ON_JOINT = 3.0, 120.0, 0.8
"""What it costs a label to cover a line, per length; a keypoint and the joint, per area."""
_DOT = 0.4
"""Half the side of the square round a keypoint that labels had better not cover."""
_JOINT = {
    View.FRONTAL: ("radial_styloid", "ulnar_styloid"),
    View.LATERAL: ("scaphoid_centre", "distal_radius_centre", "distal_ulna_centre"),
}
"""The joint lies round these keypoints."""


@dataclass(frozen=True)
class Letters:
    """Size of the labels' letters.

    Attributes
    ----------
    height
        Size of the font.
    advance
        Mean width of a letter relative to it.
    line
        Height of a line relative to it, with what is free above and below.
    margin
        What is free left and right together, relative to it.
    spelled
        How letters are written that the font lacks.
    """

    height: float
    advance: float
    line: float
    margin: float
    spelled: Mapping[str, str] = field(default_factory=dict)

    def text(self, text: str) -> str:
        """A label as it can be written."""
        return "".join(self.spelled.get(letter, letter) for letter in text)

    def size(self, text: str) -> tuple[float, float]:
        """(width, height) of a label."""
        return (len(text) * self.advance + self.margin) * self.height, self.line * self.height


@dataclass(frozen=True)
class Name:
    """What is written beside a keypoint at `position`, in pixels."""

    text: str
    colour: str
    position: Point


@dataclass(frozen=True)
class Stroke:
    """A line through `points`, explained by a task."""

    task: str
    points: tuple[Point, ...]
    colour: str
    dashed: bool = False


@dataclass(frozen=True)
class Label:
    """Text centred in `box`; `leader` is a thin line to what it names when that is not close.

    `candidate` tells which of the places beside what it labels it has got.
    """

    task: str
    text: str
    colour: str
    box: Box
    candidate: int
    leader: tuple[Point, Point] | None = None

    @property
    def centre(self) -> Point:
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


@dataclass(frozen=True)
class Drawing:
    """All that is drawn; `frame` is the picture's outer border."""

    frame: Box
    strokes: tuple[Stroke, ...]
    labels: tuple[Label, ...]


@dataclass(frozen=True)
class _Unplaced:
    """A label that wants a place; `named` is the point that it names."""

    task: str
    text: str
    colour: str
    wish: Wish
    named: Point | None = None


def frame_of(assessment: Assessment, scale: Point) -> Box:
    """Outer border of the image's outermost pixels."""
    geometry = assessment.geometry
    return (
        -0.5 * scale[0],
        -0.5 * scale[1],
        (geometry.width - 0.5) * scale[0],
        (geometry.height - 0.5) * scale[1],
    )


def marker_text(assessment: Assessment) -> str:
    """What is written beside the side marker."""
    side = assessment.side_marker.side
    return f"marker {side.value}" if side else "marker not accepted"


def draw(
    assessment: Assessment,
    scale: Point,
    names: Sequence[Name],
    letters: Letters,
    *,
    tasks: Collection[str] = (),
    corner: str = "",
    before: Drawing | None = None,
) -> Drawing:
    """Lay out what was measured and found in an image.

    Parameters
    ----------
    assessment
        Whose annotations and side marker are drawn.
    scale
        (x, y) by which pixels are multiplied.
    names
        Of the keypoints that were found.
    letters
        Of all labels, in scaled units.
    tasks
        Ids of the tasks that are drawn alone; all are drawn where these have nothing to draw.
    corner
        Text for a free corner of the image.
    before
        The drawing before a point was moved: labels keep their places if these are not bad.
    """
    frame, em = frame_of(assessment, scale), letters.height
    annotations = _annotations(assessment, scale)
    marked = assessment.side_marker.box is not None
    if any(a.task in tasks for a in annotations) or (marked and SIDE_MARKER in tasks):
        annotations = [a for a in annotations if a.task in tasks]
        marked = marked and SIDE_MARKER in tasks
    dots = [_scaled(name.position, scale) for name in names]
    radii = _arc_radii(annotations, em)
    strokes = list(_strokes(annotations, radii, dots, _CLEAR * em))
    labels = [_name(n, dot, frame, letters) for n, dot in zip(names, dots, strict=True)]
    for a, radius in zip(annotations, radii, strict=True):
        if a.label:
            centres = _outside_arc if a.form is Form.ANGLE else _beside_line
            text = letters.text(a.label)
            size = letters.size(text)
            wish = Wish(size, list(centres(a.points, size, em, radius)))
            labels.append(_Unplaced(a.task, text, a.colour, wish))
    if marked:
        outline, label = _marker(assessment, scale, letters)
        strokes.append(outline)
        labels.append(label)
    if corner:
        labels.append(_corner(corner, frame, letters))
    obstacles = _obstacles(assessment, scale, strokes, dots, em)
    wishes = [label.wish for label in labels]
    places = place_labels(wishes, frame, obstacles, _GAP * em, _kept(labels, before))
    return Drawing(
        frame,
        tuple(strokes),
        tuple(
            Label(
                *(u.task, u.text, u.colour, place.box, place.candidate),
                u.named and _leader(u.named, place.box, em),
            )
            for u, place in zip(labels, places, strict=True)
        ),
    )


def _kept(labels: Sequence[_Unplaced], before: Drawing | None) -> list[int] | None:
    """Candidates of the same labels in an earlier drawing; None when these were others."""
    if before is None or [x.task for x in before.labels] != [x.task for x in labels]:
        return None
    return [label.candidate for label in before.labels]


def _scaled(point: Point, scale: Point) -> Point:
    return point[0] * scale[0], point[1] * scale[1]


def _annotations(assessment: Assessment, scale: Point) -> list[Annotation]:
    if assessment.keypoints is None:
        return []
    found = annotate(assessment.keypoints, assessment.geometry, assessment.measurements)
    return [
        Annotation(a.task, a.form, tuple(_scaled(p, scale) for p in a.points), a.label, a.colour)
        for a in found
    ]


# Lines --------------------------------------------------------------------------------------


def _arc_radii(annotations: Sequence[Annotation], em: float) -> list[float]:
    """Radius of each angle's arc, 0 for what is no angle; arcs round one vertex differ."""
    radii, drawn = [], Counter[Point]()
    for a in annotations:
        radius = 0.0
        if a.form is Form.ANGLE:
            first, vertex, second = a.points
            shorter = min(math.dist(vertex, first), math.dist(vertex, second))
            radius = min((_ARC_RADIUS + _ARC_GROWTH * drawn[vertex]) * em, 0.8 * shorter)
            drawn[vertex] += 1
        radii.append(radius)
    return radii


def _strokes(
    annotations: Sequence[Annotation], radii: Sequence[float], dots: Sequence[Point], clear: float
) -> Iterator[Stroke]:
    """Lines, dashed references and arcs; an angle's arms only where no line is drawn already."""
    straight = {frozenset(a.points) for a in annotations if a.form is not Form.ANGLE}
    for a, radius in zip(annotations, radii, strict=True):
        if a.form is not Form.ANGLE:
            points = _clear_of(a.points, dots, clear)
            yield Stroke(a.task, points, a.colour, a.form is Form.REFERENCE)
        else:
            start, vertex, end = a.points
            for arm in (start, end):
                if frozenset((arm, vertex)) not in straight:
                    yield Stroke(a.task, _clear_of((vertex, arm), dots, clear), a.colour)
            yield Stroke(a.task, _arc(a.points, radius), a.colour)


def _clear_of(line: Sequence[Point], dots: Sequence[Point], clear: float) -> tuple[Point, ...]:
    """The line without what is next to keypoints at its ends, at most a third at each."""
    a, b = line
    cut = min(clear / (math.dist(a, b) or 1.0), 1 / 3)
    first, last = cut * (a in dots), 1.0 - cut * (b in dots)
    return tuple((a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1])) for t in (first, last))


def _angle(points: Sequence[Point]) -> tuple[float, float]:
    """Direction of an angle's first arm, and turn to the second within half a turn."""
    (ax, ay), (x, y), (bx, by) = points
    first = math.atan2(ay - y, ax - x)
    return first, math.remainder(math.atan2(by - y, bx - x) - first, math.tau)


def _arc(points: Sequence[Point], radius: float) -> tuple[Point, ...]:
    """The smaller arc from one arm of an angle to the other."""
    (first, turn), (x, y) = _angle(points), points[1]
    steps = max(2, math.ceil(abs(turn) / _ARC_STEP)) + 1
    angles = [first + turn * n / (steps - 1) for n in range(steps)]
    return tuple((x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles)


# Labels -------------------------------------------------------------------------------------


def _name(name: Name, dot: Point, frame: Box, letters: Letters) -> _Unplaced:
    """The name of a keypoint: to the side that leads out of the wrist, else farther away."""
    (x, y), (width, height), em = dot, letters.size(name.text), letters.height
    out = 1 if x > (frame[0] + frame[2]) / 2 else -1
    centres = [
        (x + side * (width / 2 + 0.6 * em), y + up * (height / 2 + away * em))
        for away in (0.4, 1.4, 2.4, 4.0)
        for side, up in ((out, -1), (out, 1), (-out, -1), (-out, 1), (0, -1), (0, 1))
    ]
    return _Unplaced("", name.text, name.colour, Wish((width, height), centres), dot)


def _outside_arc(
    points: Sequence[Point], size: tuple[float, float], em: float, radius: float
) -> Iterator[Point]:
    """Centres for the size of an angle: outside its arc, or left and right of a narrow one."""
    (first, turn), (x, y), (width, height) = _angle(points), points[1], size
    arc = _arc(points, radius)
    left, right = min(p[0] for p in arc), max(p[0] for p in arc)
    middle = arc[len(arc) // 2][1]
    for out in (0.4, 1.0, 1.8, 3.0):
        for share in (0.5, 0.25, 0.75):
            cos, sin = math.cos(first + share * turn), math.sin(first + share * turn)
            reach = radius + out * em + abs(cos) * width / 2 + abs(sin) * height / 2
            yield x + reach * cos, y + reach * sin
        for down in (0.0, 1.2 * height, -1.2 * height):
            yield right + out * em + width / 2, middle + down
            yield left - out * em - width / 2, middle + down


def _beside_line(
    points: Sequence[Point], size: tuple[float, float], em: float, _radius: float
) -> Iterator[Point]:
    """Centres for the length of a line."""
    (xa, ya), (xb, yb) = points
    length = math.dist(*points) or 1.0
    nx, ny = -(yb - ya) / length, (xb - xa) / length
    beside = abs(nx) * size[0] / 2 + abs(ny) * size[1] / 2
    for away in (beside + 0.25 * em, beside + 0.8 * em):
        for t in (0.75, 0.6, 0.9, 0.45, 0.3, 0.15):
            for side in (-away, away):
                yield xa + t * (xb - xa) + side * nx, ya + t * (yb - ya) + side * ny


def _marker(assessment: Assessment, scale: Point, letters: Letters) -> tuple[Stroke, _Unplaced]:
    """The side marker's outline, and what it was read as."""
    marker, em = assessment.side_marker, letters.height
    assert marker.box is not None
    (x0, y0), (x1, y1) = _scaled(marker.box[:2], scale), _scaled(marker.box[2:], scale)
    x0, y0, x1, y1 = x0 - 0.3 * em, y0 - 0.3 * em, x1 + 0.3 * em, y1 + 0.3 * em
    accepted = assessment.score.task(SIDE_MARKER).points > 0
    colour = ACCEPTED_COLOUR if accepted else REFUSED_COLOUR
    text = marker_text(assessment)
    width, height = letters.size(text)
    x, y, gap = (x0 + x1) / 2, (y0 + y1) / 2, 0.3 * em
    centres = [
        (x, y1 + gap + height / 2),
        (x, y0 - gap - height / 2),
        (x0 - gap - width / 2, y),
        (x1 + gap + width / 2, y),
    ]
    outline = ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))
    return (
        Stroke(SIDE_MARKER, outline, colour),
        _Unplaced(SIDE_MARKER, text, colour, Wish((width, height), centres)),
    )


def _corner(text: str, frame: Box, letters: Letters) -> _Unplaced:
    """Something about the whole image, in the corner where Slicer itself writes least."""
    x0, y0, x1, y1 = frame
    centres = [(x1, y1), (x1, y0), (x0, y1), (x0, y0)]
    return _Unplaced("", text, "#FFFFFF", Wish(letters.size(text), centres))


def _obstacles(
    assessment: Assessment,
    scale: Point,
    strokes: Sequence[Stroke],
    dots: Sequence[Point],
    em: float,
) -> Obstacles:
    segments = [pair for stroke in strokes for pair in pairwise(stroke.points)]
    regions = [(x - _DOT * em, y - _DOT * em, x + _DOT * em, y + _DOT * em) for x, y in dots]
    weights = [_ON_DOT] * len(regions)
    for box, weight in ((_joint(assessment, scale), _ON_JOINT), (_letter(assessment, scale), 4.0)):
        if box is not None:
            regions.append(box)
            weights.append(weight)
    return Obstacles(
        np.array(segments, float).reshape(-1, 2, 2),
        _ON_LINE / em,
        np.array(regions, float).reshape(-1, 4),
        np.array(weights) / em**2,
    )


def _letter(assessment: Assessment, scale: Point) -> Box | None:
    """Where the side marker is."""
    box = assessment.side_marker.box
    return None if box is None else (*_scaled(box[:2], scale), *_scaled(box[2:], scale))


def _joint(assessment: Assessment, scale: Point) -> Box | None:
    """A square round the wrist's joint, as far as keypoints tell it."""
    keypoints = assessment.keypoints
    if keypoints is None:
        return None
    found = [keypoints[name].position for name in _JOINT[keypoints.view]]
    ends = [_scaled(p, scale) for p in found if p is not None]
    if len(ends) < 2:
        return None
    x, y = midpoint(ends[0], ends[1])
    half = 0.5 * math.dist(ends[0], ends[1])
    return x - half, y - half, x + half, y + half


def _leader(point: Point, box: Box, em: float) -> tuple[Point, Point] | None:
    """From a point to the nearest place of its label, None when that is next to it."""
    x, y = point
    near = (min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3]))
    distance = math.dist(point, near)
    if distance <= _NEAR * em:
        return None
    t = _CLEAR * em / distance
    return (x + t * (near[0] - x), y + t * (near[1] - y)), near
