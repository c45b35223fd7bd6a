"""The radiograph with what was found and measured drawn over it.

`drawing` turns an assessment into strokes, dots and labels; the HTML report writes them as SVG and
`save_figure` draws them with matplotlib, so both show the same.

Display coordinates are those of the stored image (x right, y down, pixel centres at integers) with
y multiplied by the pixels' aspect, so that angles look as they are.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from WristQCLib.annotations import annotate
from WristQCLib.assessment import Assessment
from WristQCLib.drawing import Drawing, Letters, Name, draw, frame_of, marker_text
from WristQCLib.findings import Finding
from WristQCLib.keypoints import Point, short_label, words
from WristQCLib.measurements import ImageGeometry
from WristQCLib.report.files import ReportError

LONGEST_SIDE = 1100
"""Pixels of an embedded picture's longer side."""

_FONT_SHARE = 0.021
"""Height of the letters relative to the picture's longer side."""
_LETTERS = Letters(height=1.0, advance=0.64, line=1.15, margin=0.3)
"""Of a wide bold sans-serif font with a halo."""

KEYPOINT_COLOUR = "#FFFFFF"

_TASK_OF_KEYPOINT = {"thumb_mcp_joint": "frontal_1"}
"""Keypoints that a task asks for without a line."""


@dataclass(frozen=True)
class Dot:
    """A keypoint; `spread` is the radius of one standard deviation."""

    task: str
    name: str
    centre: Point
    spread: float | None


@dataclass(frozen=True)
class FigureDrawing(Drawing):
    """All that is drawn.

    Attributes
    ----------
    font
        Height of the letters.
    absent
        Names of keypoints that are not in the image.
    """

    font: float
    dots: tuple[Dot, ...]
    absent: tuple[str, ...]


def drawing(assessment: Assessment) -> FigureDrawing:
    """What is to be drawn over the image, with a place for every label."""
    scale = (1.0, _aspect(assessment.geometry))
    keypoints, view = assessment.keypoints, assessment.view.value
    points = [] if keypoints is None or view is None else list(keypoints)
    names = [
        Name(short_label(view, p.name), KEYPOINT_COLOUR, p.position)
        for p in points
        if view and p.position
    ]
    font = _font(assessment, names, scale)
    shown = draw(assessment, scale, names, replace(_LETTERS, height=font))
    dots = (
        Dot(
            _TASK_OF_KEYPOINT.get(p.name, ""),
            short_label(view, p.name),
            (p.position[0], p.position[1] * scale[1]),
            p.spread,
        )
        for p in points
        if view and p.position
    )
    absent = (words(p.name) for p in points if p.finding is Finding.NOT_FOUND)
    return FigureDrawing(shown.frame, shown.strokes, shown.labels, font, tuple(dots), tuple(absent))


def _aspect(geometry: ImageGeometry) -> float:
    """Height of a pixel divided by its width."""
    if geometry.spacing is not None:
        return geometry.spacing[1] / geometry.spacing[0]
    return geometry.pixel_aspect


def _font(assessment: Assessment, names: Sequence[Name], scale: Point) -> float:
    """Height of letters that fit into the picture."""
    x0, y0, x1, y1 = frame_of(assessment, scale)
    keypoints = assessment.keypoints
    annotations = (
        annotate(keypoints, assessment.geometry, assessment.measurements) if keypoints else ()
    )
    texts = [marker_text(assessment), *(n.text for n in names), *(a.label for a in annotations)]
    widest = max(_LETTERS.size(text)[0] for text in texts)
    return min(_FONT_SHARE * max(x1 - x0, y1 - y0), 0.9 * (x1 - x0) / widest)


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
