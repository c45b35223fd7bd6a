"""The radiograph with what was found and measured drawn over it.

`drawing` turns an assessment into strokes, dots and labels; the HTML report writes them as SVG and
`save_figure` draws them with matplotlib, so both show the same.

Display coordinates are those of the stored image (x right, y down, pixel centres at integers) with
y multiplied by the pixels' aspect, so that angles look as they are.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from WristQCLib.annotations import Annotation, Form, annotate
from WristQCLib.assessment import Assessment
from WristQCLib.findings import Finding
from WristQCLib.keypoints import Keypoint, Point, short_label, words
from WristQCLib.measurements import ImageGeometry
from WristQCLib.report.files import ReportError
from WristQCLib.report.label_placement import Box, Wish, place_labels

LONGEST_SIDE = 1100
"""Pixels of an embedded picture's longer side."""

_FONT_SHARE = 0.021
"""Height of the letters relative to the picture's longer side."""
_LETTER_WIDTH, _MARGIN = 0.64, 0.3
"""Mean advance of a letter in a wide bold sans-serif font, and what a text's halo adds, relative to
the letters' height."""
_ARC_RADIUS = 3.5
"""Radius of an angle's arc, in heights of the letters."""
_ON_LINE, _ON_DOT = 1.5, 6.0
"""What it costs a label to cover half a letter's height of a line, and a ninth of a keypoint."""
_NEAR = 1.0
"""Distance up to which a name needs no leader, in heights of the letters."""
_ARC_STEP = math.radians(2.0)

KEYPOINT_COLOUR = "#FFFFFF"
MARKER_COLOURS = {Finding.FOUND: "#5FE3A1"}
REFUSED_COLOUR = "#FF8A5C"

_TASK_OF_KEYPOINT = {"thumb_mcp_joint": "frontal_1"}
"""Keypoints that a task asks for without a line."""


@dataclass(frozen=True)
class Stroke:
    """A line through `points`, explained by a task."""

    task: str
    points: tuple[Point, ...]
    colour: str
    dashed: bool = False


@dataclass(frozen=True)
class Dot:
    """A keypoint; `spread` is the radius of one standard deviation."""

    task: str
    name: str
    centre: Point
    spread: float | None


@dataclass(frozen=True)
class Label:
    """Text centred in `box`; `leader` is a thin line to what it names when that is not close."""

    task: str
    text: str
    colour: str
    box: Box
    leader: tuple[Point, Point] | None = None

    @property
    def centre(self) -> Point:
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


@dataclass(frozen=True)
class Drawing:
    """All that is drawn.

    Attributes
    ----------
    frame
        The picture's outer border.
    font
        Height of the letters.
    absent
        Names of keypoints that are not in the image.
    """

    frame: Box
    font: float
    strokes: tuple[Stroke, ...]
    dots: tuple[Dot, ...]
    labels: tuple[Label, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True)
class _Unplaced:
    """A label that wants a place."""

    task: str
    text: str
    colour: str
    wish: Wish
    named: Point | None = None
    """The point that it names."""


def drawing(assessment: Assessment) -> Drawing:
    """What is to be drawn over the image, with a place for every label."""
    geometry = assessment.geometry
    aspect = _aspect(geometry)

    def shown(point: Point) -> Point:
        return point[0], point[1] * aspect

    x0, y0 = shown((-0.5, -0.5))
    x1, y1 = shown((geometry.width - 0.5, geometry.height - 0.5))
    frame = (x0, y0, x1, y1)
    long_side = max(x1 - x0, y1 - y0)

    points = tuple(assessment.keypoints or ())
    view = assessment.view.value
    names = {point.name: short_label(view, point.name) for point in points} if view else {}
    annotations = (
        annotate(assessment.keypoints, geometry, assessment.measurements)
        if assessment.keypoints
        else ()
    )
    annotations = tuple(
        Annotation(a.task, a.form, tuple(shown(p) for p in a.points), a.label, a.colour)
        for a in annotations
    )
    texts = [*names.values(), *(a.label for a in annotations), _marker_text(assessment)]
    widest = max(_text_size(text, 1.0)[0] for text in texts)
    font = min(_FONT_SHARE * long_side, 0.9 * (x1 - x0) / widest)
    dots = tuple(
        Dot(_TASK_OF_KEYPOINT.get(p.name, ""), names[p.name], shown(p.position), p.spread)
        for p in points
        if p.position
    )
    strokes = [*_strokes(annotations, _ARC_RADIUS * font)]
    labels = [_name(dot, font) for dot in dots]
    labels += [
        _angle_label(a, font) if a.form is Form.ANGLE else _line_label(a, font)
        for a in annotations
        if a.label
    ]
    marker = _marker(assessment, shown, font)
    if marker:
        strokes.append(marker[0])
        labels.append(marker[1])
    return Drawing(
        frame,
        font,
        tuple(strokes),
        dots,
        tuple(_place(labels, frame, strokes, dots, font)),
        tuple(_absent(points)),
    )


def _aspect(geometry: ImageGeometry) -> float:
    """Height of a pixel divided by its width."""
    if geometry.spacing is not None:
        return geometry.spacing[1] / geometry.spacing[0]
    return geometry.pixel_aspect


def _absent(points: Iterable[Keypoint]) -> Iterable[str]:
    return (words(p.name) for p in points if p.finding is Finding.NOT_FOUND)


def _strokes(annotations: Sequence[Annotation], arc_radius: float) -> Iterable[Stroke]:
    straight = [a for a in annotations if a.form is not Form.ANGLE]
    for a in straight:
        yield Stroke(a.task, a.points, a.colour, a.form is Form.REFERENCE)
    drawn = {frozenset(a.points) for a in straight}
    for a in annotations:
        if a.form is Form.ANGLE:
            start, vertex, end = a.points
            for arm in (start, end):
                if frozenset((arm, vertex)) not in drawn:
                    yield Stroke(a.task, (vertex, arm), a.colour)
            yield Stroke(a.task, _arc(a.points, arc_radius), a.colour)


def _arc(points: Sequence[Point], radius: float) -> tuple[Point, ...]:
    """The smaller arc from one arm of an angle to the other, no longer than the arms allow."""
    first, turn, (x, y), shortest = _angle(points)
    radius = min(radius, 0.8 * shortest)
    steps = max(2, math.ceil(abs(turn) / _ARC_STEP) + 1)
    angles = np.linspace(first, first + turn, steps)
    return tuple((x + radius * math.cos(a), y + radius * math.sin(a)) for a in angles)


def _angle(points: Sequence[Point]) -> tuple[float, float, Point, float]:
    """Direction of the first arm, turn to the second (within half a turn), vertex, shorter arm."""
    start, vertex, end = points
    arms = [(p[0] - vertex[0], p[1] - vertex[1]) for p in (start, end)]
    first, second = (math.atan2(dy, dx) for dx, dy in arms)
    turn = math.remainder(second - first, 2 * math.pi)
    return first, turn, vertex, min(math.hypot(*arm) for arm in arms)


def _text_size(text: str, font: float) -> tuple[float, float]:
    return (len(text) * _LETTER_WIDTH + _MARGIN) * font, 1.15 * font


def _name(dot: Dot, font: float) -> _Unplaced:
    """The name of a keypoint: above or below it to one side, else straight or farther away."""
    (x, y), (width, height) = dot.centre, _text_size(dot.name, font)
    centres = [
        (x + sx * (width / 2 + 0.6 * font), y + sy * (height / 2 + away * font))
        for away in (0.4, 1.4, 2.4)
        for sx, sy in ((1, -1), (-1, -1), (1, 1), (-1, 1), (0, -1), (0, 1))
    ]
    return _Unplaced("", dot.name, KEYPOINT_COLOUR, Wish((width, height), centres), dot.centre)


def _angle_label(annotation: Annotation, font: float) -> _Unplaced:
    """The size of an angle, outside its arc."""
    width, height = _text_size(annotation.label, font)
    first, turn, (x, y), shortest = _angle(annotation.points)
    radius = min(_ARC_RADIUS * font, 0.8 * shortest)
    centres = []
    for out in (0.4, 1.0, 1.8, 3.0):
        for share in (0.5, 0.25, 0.75, 1.3, -0.3):
            direction = first + share * turn
            cos, sin = math.cos(direction), math.sin(direction)
            reach = radius + out * font + abs(cos) * width / 2 + abs(sin) * height / 2
            centres.append((x + reach * cos, y + reach * sin))
    wish = Wish((width, height), centres)
    return _Unplaced(annotation.task, annotation.label, annotation.colour, wish)


def _line_label(annotation: Annotation, font: float) -> _Unplaced:
    """The length of a line, beside it."""
    width, height = _text_size(annotation.label, font)
    (xa, ya), (xb, yb) = annotation.points
    length = math.hypot(xb - xa, yb - ya) or 1.0
    nx, ny = -(yb - ya) / length, (xb - xa) / length
    beside = abs(nx) * width / 2 + abs(ny) * height / 2
    centres = [
        (xa + t * (xb - xa) + side * away * nx, ya + t * (yb - ya) + side * away * ny)
        for away in (beside + 0.25 * font, beside + 0.8 * font)
        for t in (0.6, 0.75, 0.45, 0.9, 0.3, 0.15)
        for side in (-1, 1)
    ]
    wish = Wish((width, height), centres)
    return _Unplaced(annotation.task, annotation.label, annotation.colour, wish)


def _marker_text(assessment: Assessment) -> str:
    side = assessment.side_marker.side
    return f"marker {side.value}" if side else "marker not accepted"


def _marker(
    assessment: Assessment, shown: Callable[[Point], Point], font: float
) -> tuple[Stroke, _Unplaced] | None:
    marker = assessment.side_marker
    if marker.box is None:
        return None
    (x0, y0), (x1, y1) = shown(marker.box[:2]), shown(marker.box[2:])
    pad = 0.3 * font
    x0, y0, x1, y1 = x0 - pad, y0 - pad, x1 + pad, y1 + pad
    accepted = assessment.score.task("side_marker").points > 0
    colour = MARKER_COLOURS[Finding.FOUND] if accepted else REFUSED_COLOUR
    text = _marker_text(assessment)
    width, height = size = _text_size(text, font)
    x, y, gap = (x0 + x1) / 2, (y0 + y1) / 2, 0.3 * font
    centres = [
        (x, y1 + gap + height / 2),
        (x, y0 - gap - height / 2),
        (x0 - gap - width / 2, y),
        (x1 + gap + width / 2, y),
    ]
    outline = ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))
    return (
        Stroke("side_marker", outline, colour),
        _Unplaced("side_marker", text, colour, Wish(size, centres)),
    )


def _place(
    labels: Sequence[_Unplaced],
    frame: Box,
    strokes: Sequence[Stroke],
    dots: Sequence[Dot],
    font: float,
) -> Iterable[Label]:
    lines = [stroke.points for stroke in strokes]
    for outline in (stroke.points for stroke in strokes if stroke.task == "side_marker"):
        lines += [outline[0:3:2], outline[1:4:2]]  # the diagonals: the letter is to stay legible
    on_lines = [p for line in lines for p in _samples(line, font / 2)]
    on_dots = [
        (dot.centre[0] + dx, dot.centre[1] + dy)
        for dot in dots
        for dx in (-font / 3, 0.0, font / 3)
        for dy in (-font / 3, 0.0, font / 3)
    ]
    avoid = np.array([*on_lines, *on_dots], float).reshape(-1, 2)
    weight = np.repeat([_ON_LINE, _ON_DOT], [len(on_lines), len(on_dots)])
    boxes = place_labels([label.wish for label in labels], frame, avoid, weight, 0.15 * font)
    for label, box in zip(labels, boxes, strict=True):
        leader = _leader(label.named, box, font) if label.named else None
        yield Label(label.task, label.text, label.colour, box, leader)


def _leader(point: Point, box: Box, font: float) -> tuple[Point, Point] | None:
    """From a point to the nearest place of its label, None when that is next to it."""
    x, y = point
    near = (min(max(x, box[0]), box[2]), min(max(y, box[1]), box[3]))
    return (point, near) if math.dist(point, near) > _NEAR * font else None


def _samples(points: Sequence[Point], step: float) -> Iterable[Point]:
    for (xa, ya), (xb, yb) in pairwise(points):
        number = max(2, math.ceil(math.hypot(xb - xa, yb - ya) / max(step, 1e-6)) + 1)
        yield from zip(np.linspace(xa, xb, number), np.linspace(ya, yb, number), strict=True)


# Pictures -----------------------------------------------------------------------------------


def encoded_picture(image: ArrayLike, longest_side: int, form: str = "PNG") -> str:
    """A ``data:`` address of the displayed image, 8 bit, no larger than `longest_side` pixels.

    Parameters
    ----------
    image
        (rows, columns) in [0, 1], 0 is black.
    longest_side
        In pixels.
    form
        ``"PNG"`` or ``"JPEG"``.
    """
    from PIL import Image

    grey = np.nan_to_num(np.asarray(image, np.float32)).clip(0.0, 1.0)
    picture = Image.fromarray(np.rint(grey * 255.0).astype(np.uint8))
    scale = longest_side / max(picture.size)
    if scale < 1:
        width, height = (max(1, round(length * scale)) for length in picture.size)
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, form, optimize=True, quality=75)
    code = base64.b64encode(stream.getvalue()).decode("ascii")
    return f"data:image/{form.lower()};base64,{code}"


def save_figure(
    path: Path | str, assessment: Assessment, image: ArrayLike, *, height_inches: float = 8.0
) -> None:
    """Save the picture with its overlay, as PNG or whatever the suffix says (needs matplotlib).

    Parameters
    ----------
    path
        File to write.
    assessment
        What is drawn.
    image
        (rows, columns) in [0, 1], 0 is black.
    height_inches
        At 150 pixels per inch.

    Raises
    ------
    ReportError
        If the file cannot be written.
    """
    from matplotlib import patheffects
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

    shown = drawing(assessment)
    x0, y0, x1, y1 = shown.frame
    points_per_unit = 72.0 * height_inches / (y1 - y0)
    figure = Figure(figsize=(height_inches * (x1 - x0) / (y1 - y0), height_inches), dpi=150)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.imshow(
        np.asarray(image), cmap="gray", vmin=0, vmax=1, extent=(x0, x1, y1, y0), aspect="auto"
    )
    axes.axis("off")
    line, size = 0.1 * shown.font * points_per_unit, shown.font * points_per_unit
    halo = [patheffects.withStroke(linewidth=2.4 * line, foreground="#000000b0")]
    for stroke in shown.strokes:
        axes.plot(
            *zip(*stroke.points, strict=True), color=stroke.colour, linewidth=line,
            linestyle="--" if stroke.dashed else "-", path_effects=halo,
        )  # fmt: skip
    for dot in shown.dots:
        axes.plot(*dot.centre, "o", color=KEYPOINT_COLOUR, markersize=0.4 * size, path_effects=halo)
        if dot.spread:
            axes.add_patch(Circle(dot.centre, dot.spread, fill=False, color=KEYPOINT_COLOUR))
    for label in shown.labels:
        if label.leader:
            axes.plot(
                *zip(*label.leader, strict=True), color=label.colour, linewidth=line / 2,
                path_effects=halo,
            )  # fmt: skip
        axes.text(
            *label.centre, label.text, color=label.colour, fontsize=0.9 * size, ha="center",
            va="center", path_effects=halo,
        )  # fmt: skip
    axes.set(xlim=(x0, x1), ylim=(y1, y0))
    try:
        figure.savefig(path)
    except OSError as error:
        raise ReportError(f"The picture {path} cannot be written ({error.strerror}).") from error
