"""How the wrist lies on the detector, what the collimator lets through, and what the image shows.

The draw (`draw_positioning`) is kept apart from its application (`place`), so that a sample with a
wanted positioning can be made by stating it.

Three frames are used, all with x to the right and y down: the projection's pixels; the collimated
field's millimetres, from its centre; the image's pixels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from training.polylines import densified, first_stretch
from training.simulate.projection import Projection
from WristQCLib.findings import View
from WristQCLib.keypoints import Point

Array = NDArray[np.float32]

ESSENTIAL_KEYPOINTS = {
    View.FRONTAL: ("radial_styloid", "ulnar_styloid"),
    View.LATERAL: ("scaphoid_centre", "distal_radius_centre", "distal_ulna_centre"),
}
"""Keypoints without which an image could hardly be called one of the wrist."""

PROXIMAL_LIMIT_MM = 120.0
"""The proximal centres lie not more than 12 cm from the wrist (specification, section 2)."""

THUMB_AT_BORDER_SHARE = 0.2
"""Frontals collimated close to the thumb's joint, on either side of it."""

_MARGIN_MM = 3.0


@dataclass(frozen=True)
class Positioning:
    """Where the wrist, the collimated field and the image lie.

    Attributes
    ----------
    rotation_deg
        In-plane rotation of the forearm against the image, clockwise; 0 is fingers straight up.
    field_mm
        Width and height of the collimated field, at the wrist's plane.
    field_rotation_deg
        Rotation of the field against the image, clockwise.
    wrist_mm
        Position of the wrist (`wrist_point`) in the field's frame.
    margins_mm
        What the image shows beyond the field's bounding box: left, top, right, bottom. Negative
        margins crop the field.
    spacing
        Millimetres per pixel of the image, at the wrist's plane.
    """

    rotation_deg: float
    field_mm: tuple[float, float]
    field_rotation_deg: float
    wrist_mm: tuple[float, float]
    margins_mm: tuple[float, float, float, float]
    spacing: float


@dataclass(frozen=True)
class Placed:
    """A projection resampled into the image's frame.

    Attributes
    ----------
    bone, soft, covering
        (rows, cols) line integrals mu * t; of a covering None where there is none.
    keypoints
        Those that lie within the exposed field and the image, in image pixels.
    outside
        The other ones that the projection has, likewise.
    midlines
        Shaft midlines, distal to proximal, in image pixels (they may leave the image).
    shown_midlines
        What a lateral view shows of each, by the keypoint that it ends at, see `shown_midline`.
    field
        (4, 2) corners of the collimated field, in image pixels.
    matrix
        (2, 3) affine map from projection pixels to image pixels.
    """

    projection: Projection
    positioning: Positioning
    bone: Array
    soft: Array
    keypoints: dict[str, Point]
    midlines: dict[str, NDArray[np.float64]]
    field: NDArray[np.float64]
    matrix: NDArray[np.float64]
    outside: dict[str, Point] = dataclasses.field(default_factory=dict)
    shown_midlines: dict[str, NDArray[np.float64]] = dataclasses.field(default_factory=dict)
    covering: Array | None = None

    @property
    def shape(self) -> tuple[int, int]:
        return self.bone.shape[0], self.bone.shape[1]

    @property
    def spacing(self) -> float:
        return self.positioning.spacing

    @property
    def wrist(self) -> NDArray[np.float64]:
        """The wrist's position in image pixels."""
        return self.to_image(wrist_point(self.projection))

    def to_image(self, points: ArrayLike) -> NDArray[np.float64]:
        """Projection pixels to image pixels, (..., 2)."""
        return np.asarray(points, float) @ self.matrix[:, :2].T + self.matrix[:, 2]

    def from_wrist(self, across_mm: float, proximal_mm: float) -> NDArray[np.float64]:
        """Image position at a distance across the forearm and along it, from the wrist."""
        return self.to_image(
            np.add(
                wrist_point(self.projection),
                np.array([across_mm, proximal_mm]) / self.projection.spacing,
            )
        )

    def shows(self, point: ArrayLike) -> bool:
        """Whether an image position lies in the exposed field and in the image."""
        x, y = np.asarray(point, float)
        rows, cols = self.shape
        inside_image = -0.5 <= x <= cols - 0.5 and -0.5 <= y <= rows - 0.5
        return inside_image and bool(_inside(self.field, np.array([[x, y]]))[0])


def wrist_point(projection: Projection) -> Point:
    """The point about which a wrist is centred: midway between the styloids, or the scaphoid."""
    points = projection.keypoints
    if projection.view is View.LATERAL:
        return points["scaphoid_centre"]
    (ax, ay), (bx, by) = points["radial_styloid"], points["ulnar_styloid"]
    return (ax + bx) / 2, (ay + by) / 2


def limb_extent(projection: Projection, threshold: float = 0.05) -> NDArray[np.float64]:
    """(rows, 2) leftmost and rightmost column of the limb in every row; NaN where there is none."""
    mask = projection.soft + projection.bone > threshold
    present = mask.any(axis=1)
    extent = np.full((len(mask), 2), np.nan)
    extent[present, 0] = mask.argmax(axis=1)[present]
    extent[present, 1] = (mask.shape[1] - 1 - mask[:, ::-1].argmax(axis=1))[present]
    return extent


def draw_positioning(
    projection: Projection, rng: np.random.Generator, *, spacing: float = 0.4
) -> Positioning:
    """Draw a positioning as it is met in practice, errors included.

    Fields run from tight paediatric ones (7 x 12 cm) over those that the protocol asks for to whole
    hands with the forearm; the image is the field itself, its bounding box, or a larger detector.
    Where the field is large, pixels are too, so that an image stays within about 600 x 750 pixels.
    """
    wrist = wrist_point(projection)
    row = int(np.clip(round(wrist[1]), 0, projection.soft.shape[0] - 1))
    extent = limb_extent(projection)[row]
    width = float(np.nan_to_num(extent[1] - extent[0], nan=150.0)) * projection.spacing
    adult = 62.0 if projection.view is View.FRONTAL else 48.0
    scale = float(np.clip(width / adult, 0.45, 1.2))

    kind = rng.choice(
        ["protocol", "clinical", "tight", "large", "forearm"], p=[0.22, 0.27, 0.22, 0.12, 0.17]
    )
    half_styloids = width * 0.42 if projection.view is View.FRONTAL else 0.0
    if kind == "protocol":
        side = (
            rng.uniform(18, 62, 2)
            if rng.random() < 0.5
            else rng.uniform(18, 62) + rng.normal(0, 6, 2)
        )
        low = rng.uniform(20, 62)
        high = low + rng.normal(0, 14)
        left, right = np.maximum(side, 12) + half_styloids
        if projection.view is View.LATERAL:
            low, high = low + 25 * scale, high + 25 * scale
        field = left + right, max(low, 20) + max(high, 20)
        at = (left - right) / 2, (max(high, 20) - max(low, 20)) / 2
    else:
        if kind == "clinical":
            narrow = 95 if projection.view is View.FRONTAL else 65
            field = scale * rng.uniform(narrow, narrow + 70), scale * rng.uniform(140, 235)
            jitter = (0.07, 0.09)
        elif kind == "tight":
            field = width * rng.uniform(1.05, 1.7), width * rng.uniform(1.7, 2.9)
            jitter = (0.05, 0.08)
        elif kind == "large":
            field = scale * rng.uniform(150, 250), scale * rng.uniform(230, 380)
            jitter = (0.08, 0.10)
        else:  # narrow and long, for hand and forearm at once
            field = scale * rng.uniform(90, 170), scale * rng.uniform(230, 430)
            jitter = (0.07, 0.10)
        shift = {"tight": -0.06, "clinical": -0.05, "large": 0.0, "forearm": -0.16}[kind]
        at = rng.normal(0, jitter[0]) * field[0], rng.normal(shift, jitter[1]) * field[1]
    field = float(np.clip(field[0], 55, 260)), float(np.clip(field[1], 75, 440))

    in_field = rng.normal(0, 5) if rng.random() < 0.8 else rng.uniform(-15, 15)
    if rng.random() < 0.05:
        in_field = rng.uniform(15, 35) * rng.choice([-1, 1])
    layout = rng.choice(["field", "box", "detector"], p=[0.45, 0.35, 0.20])
    turn = 0.0
    if layout == "field":
        margins = rng.uniform(-1.0, 1.5, 4)
    elif layout == "box":
        turn = rng.normal(0, 2.5)
        margins = rng.normal(0, 1.5, 4)
    else:
        turn = (
            0.0
            if rng.random() < 0.5
            else rng.normal(0, 5)
            if rng.random() < 0.7
            else rng.uniform(-30, 30)
        )
        margins = rng.uniform(2, rng.uniform(8, 60), 4)
        if rng.random() < 0.3:
            margins[rng.integers(4)] = 0.0
    in_field = float(np.clip(in_field, -40 - turn, 40 - turn))
    if rng.random() < 0.06:
        in_field += 180
        at = (-at[0], -at[1])

    if projection.view is View.FRONTAL and rng.random() < THUMB_AT_BORDER_SHARE:
        offset = np.subtract(projection.keypoints["thumb_mcp_joint"], wrist) * projection.spacing
        thumb = _turn(in_field) @ offset + at
        field, at = _border_near(thumb, rng.normal(0.0, 7.0), field, at)
    extra = np.add(margins[:2], margins[2:])
    shown = max((field[0] + max(extra[0], 0)) / 240, (field[1] + max(extra[1], 0)) / 300)
    positioning = Positioning(
        rotation_deg=float(in_field + turn),
        field_mm=field,
        field_rotation_deg=float(turn),
        wrist_mm=(float(at[0]), float(at[1])),
        margins_mm=tuple(float(m) for m in margins),  # type: ignore[arg-type]
        spacing=spacing * max(1.0, shown),
    )
    return with_essential_keypoints(projection, positioning, cut=rng.random() < 0.025, rng=rng)


def _border_near(
    point: NDArray[np.float64],
    beyond_mm: float,
    field_mm: tuple[float, float],
    wrist_mm: tuple[float, float],
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Field and wrist once the side border next to a point lies `beyond_mm` outside of it.

    All in the field's frame, whose origin is its centre.
    """
    side = math.copysign(1.0, point[0])
    half = field_mm[0] / 2
    edge = abs(float(point[0])) + beyond_mm
    width = max(half + edge, 40.0)
    return (width, field_mm[1]), (wrist_mm[0] - side * (width - 2 * half) / 2, wrist_mm[1])


def with_essential_keypoints(
    projection: Projection, positioning: Positioning, *, cut: bool, rng: np.random.Generator
) -> Positioning:
    """Shift the wrist so that the essential keypoints are in the field, or that one is not."""
    turn = _turn(positioning.rotation_deg - positioning.field_rotation_deg)
    names = ESSENTIAL_KEYPOINTS[projection.view]
    points = np.array([projection.keypoints[name] for name in names])
    if projection.view is View.LATERAL:  # some shaft has to be seen as well
        points = np.concatenate([points, np.add(points[1:], (0, 18 / projection.spacing))])
    offsets = (points - wrist_point(projection)) * projection.spacing @ turn.T
    half = np.array(positioning.field_mm) / 2
    wrist = np.array(positioning.wrist_mm)
    low, high = -half + _MARGIN_MM - offsets.min(0), half - _MARGIN_MM - offsets.max(0)
    if cut:
        axis = int(rng.integers(2))
        out = 2.5 * _MARGIN_MM
        sign = rng.choice([-1, 1])
        wrist[axis] = (high[axis] + out) if sign > 0 else (low[axis] - out)
    else:
        too_small = low > high
        grown = half + np.where(too_small, (low - high) / 2 + 1, 0)
        low, high = low - (grown - half), high + (grown - half)
        half = grown
        wrist = np.clip(wrist, low, high)
    return replace(
        positioning,
        field_mm=(float(2 * half[0]), float(2 * half[1])),
        wrist_mm=(float(wrist[0]), float(wrist[1])),
    )


def place(
    projection: Projection, positioning: Positioning, *, covering: Array | None = None
) -> Placed:
    """Resample a projection into the image that `positioning` describes.

    Parameters
    ----------
    projection
        The wrist.
    positioning
        Where it lies.
    covering
        (rows, cols) line integrals of a cast or of cloth in the projection's frame, resampled
        likewise.
    """
    spacing = positioning.spacing
    half = np.array(positioning.field_mm) / 2
    field_turn = _turn(positioning.field_rotation_deg)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half @ field_turn.T
    left, top, right, bottom = positioning.margins_mm
    low, high = np.subtract(corners.min(0), (left, top)), np.add(corners.max(0), (right, bottom))
    cols, rows = np.maximum(np.round((high - low) / spacing).astype(int), 16)
    # The image's upper left corner lies at pixel position -0.5.
    to_pixels = (-low / spacing) - 0.5
    field = corners / spacing + to_pixels

    linear = _turn(positioning.rotation_deg) * (projection.spacing / spacing)
    wrist = field_turn @ np.array(positioning.wrist_mm) / spacing + to_pixels
    matrix = np.column_stack([linear, wrist - linear @ wrist_point(projection)])

    def resampled(image: Array) -> Array:
        if projection.spacing < 0.75 * spacing:
            image = ndimage.gaussian_filter(image, 0.4 * spacing / projection.spacing)
        # Air above and beside; below, the forearm goes on as it leaves the projection.
        image = np.pad(image, ((1, 0), (1, 1)))
        inverse = np.linalg.inv(linear)[::-1, ::-1]  # rows and columns instead of x and y
        shift = np.array([1.0, 1.0]) - inverse @ matrix[::-1, 2]
        return ndimage.affine_transform(
            image, inverse, shift, (int(rows), int(cols)), order=1, mode="nearest"
        )

    midlines = {
        name: (line @ matrix[:, :2].T + matrix[:, 2])
        for name, line in (
            (name, _prolonged(line, projection)) for name, line in projection.midlines.items()
        )
    }
    placed = Placed(
        projection=projection,
        positioning=positioning,
        bone=resampled(projection.bone),
        soft=resampled(projection.soft),
        covering=None if covering is None else resampled(covering),
        keypoints={},
        midlines=midlines,
        field=field,
        matrix=matrix,
    )
    for name, point in projection.keypoints.items():
        x, y = placed.to_image(point)
        known = placed.keypoints if placed.shows((x, y)) else placed.outside
        known[name] = (float(x), float(y))
    if projection.view is View.LATERAL:
        for bone in ("radius", "ulna"):
            line = shown_midline(placed, bone)
            if line is not None:
                # The shaft's centre at the most proximal level shown.
                name, (x, y) = f"proximal_{bone}_centre", line[-1]
                placed.keypoints[name] = (float(x), float(y))
                placed.shown_midlines[name] = line
    return placed


def shown_midline(placed: Placed, bone: str) -> NDArray[np.float64] | None:
    """What the field shows of a shaft's midline up to 12 cm from the wrist, distal to proximal.

    The wrist's level is the bone's own distal centre. (n, 2) in image pixels; None where the shaft
    is not in the field.
    """
    distal = placed.to_image(placed.projection.keypoints[f"distal_{bone}_centre"])
    line = densified(placed.midlines[bone], step=0.25)
    far = np.hypot(*(line - distal).T) * placed.spacing > PROXIMAL_LIMIT_MM
    rows, cols = placed.shape
    shown = (
        _inside(placed.field, line)
        & (line[:, 0] >= -0.5) & (line[:, 0] <= cols - 0.5)
        & (line[:, 1] >= -0.5) & (line[:, 1] <= rows - 0.5)
        & ~far
    )  # fmt: skip
    return first_stretch(line, shown)


def field_mask(
    placed: Placed, penumbra_mm: float, grow_mm: Sequence[float] = (0.0, 0.0, 0.0, 0.0)
) -> Array:
    """(rows, cols) share of the beam that passes the collimator, soft over `penumbra_mm`.

    `grow_mm` moves the field's edges outwards: top, right, bottom, left.
    """
    rows, cols = placed.shape
    x = np.arange(cols, dtype=np.float32)[None, :]
    y = np.arange(rows, dtype=np.float32)[:, None]
    depth = np.full((rows, cols), np.inf, np.float32)
    for (a, b), grow in zip(_edges(placed.field), grow_mm, strict=True):
        nx, ny = _inward_normal(a, b)
        inwards = (x - np.float32(a[0])) * np.float32(nx) + (y - np.float32(a[1])) * np.float32(ny)
        np.minimum(depth, inwards + np.float32(grow / placed.spacing), out=depth)
    soft = max(penumbra_mm / placed.spacing, 0.5)
    return np.clip(depth / soft + 0.5, 0, 1)


def _turn(degrees: float) -> NDArray[np.float64]:
    """Rotation matrix, clockwise on the screen (x right, y down)."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s], [s, c]])


def _edges(polygon: NDArray[np.float64]) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    return list(zip(polygon, np.roll(polygon, -1, axis=0), strict=True))


def _inward_normal(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[float, float]:
    """Unit normal of an edge to the inside of a polygon that runs clockwise on the screen."""
    dx, dy = b - a
    length = math.hypot(dx, dy)
    return -dy / length, dx / length


def _inside(polygon: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.bool_]:
    inside = np.ones(len(points), bool)
    for a, b in _edges(polygon):
        inside &= (points - a) @ _inward_normal(a, b) >= 0
    return inside


def _prolonged(line: NDArray[np.floating], projection: Projection) -> NDArray[np.float64]:
    """A midline that goes on straight down below the projection, as its pixels do."""
    line = np.asarray(line, float)
    line = line[line[:, 1] <= projection.bone.shape[0] - 1]
    return np.concatenate([line, np.add(line[-1:], (0, 300 / projection.spacing))])
