"""Side markers: lead letters L and R, with or without a plate, and letters that are burnt in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from training.simulate.canvas import FONT_FILES, Canvas, Rectangle, ellipse, strip, text_mask
from training.simulate.positioning import Placed
from WristQCLib.findings import Side

Array = NDArray[np.float32]

LEAD_MU_T = 5.0
"""Lead of one millimetre lets next to nothing through."""

RING = 1.25
"""Radius of a ring around a letter, in units of half its diagonal."""

WRIST_CLEARANCE_MM = 30.0
"""A marker is kept this far from the wrist, except where one is laid there by mistake."""


@dataclass(frozen=True)
class MarkerStyle:
    """How one marker looks.

    Attributes
    ----------
    letter
        The letter that was laid down, which may be the wrong one.
    font
        A file of `FONT_FILES`, or ``"stroke"`` for letters bent from a rod.
    height_mm
        Height of the letter.
    rotation_deg
        Clockwise.
    mirrored
        Laid face down.
    plate
        ``"none"``, ``"plastic"`` (a faint sheet under the letter), ``"cut"`` (a lead plate with the
        letter cut out of it), ``"ring"`` (a lead ring around it), ``"burnt-in"`` (no object at all:
        written by the console).
    extras
        What lies beside the letter: ``"dots"``, ``"initials"``, ``"date"``, ``"bar"``, or text that
        is written as it is.
    hollow
        Only the letter's outline is of lead.
    """

    letter: Side
    font: str
    height_mm: float
    rotation_deg: float
    mirrored: bool
    plate: str
    extras: tuple[str, ...]
    hollow: bool = False


@dataclass(frozen=True)
class Marker:
    """A marker in an image, as labelled.

    Attributes
    ----------
    letter
        The letter that is seen.
    rectangle
        Upright box around the visible part of the letter, in pixels.
    description
        Empty for an accurate letter, else ``"mirrored"`` or ``"cut"``.
    """

    letter: Side
    rectangle: Rectangle
    description: str
    rotation_deg: float
    plate: str


def draw_style(rng: np.random.Generator, side: Side) -> MarkerStyle:
    """Draw a marker for `side`; now and then one that is wrong, mirrored or turned round."""
    letter = side if rng.random() < 0.97 else (Side.LEFT if side is Side.RIGHT else Side.RIGHT)
    plate = str(rng.choice(["none", "plastic", "cut", "burnt-in"], p=[0.33, 0.35, 0.15, 0.17]))
    height = float(np.clip(rng.lognormal(np.log(11), 0.35), 5, 26))
    if plate == "burnt-in":
        height = float(rng.uniform(3.5, 9))
    rotation = rng.normal(0, 6) if rng.random() < 0.82 else rng.uniform(-40, 40)
    if rng.random() < 0.06:
        rotation = rng.uniform(-180, 180)
    if plate == "burnt-in":
        rotation = 0.0
    font = "stroke" if rng.random() < 0.3 else str(rng.choice(FONT_FILES))
    extras = tuple(
        str(name)
        for name, share in (("dots", 0.2), ("initials", 0.15), ("date", 0.07), ("bar", 0.05))
        if plate != "burnt-in" and rng.random() < share
    )
    mirrored = plate != "burnt-in" and rng.random() < 0.055
    return MarkerStyle(letter, font, height, float(rotation), mirrored, plate, extras)


def letter_mask(style: MarkerStyle, rng: np.random.Generator) -> Array:
    """(rows, cols) mask of the letter, 0 to 1, cropped to its ink, mirrored where it is."""
    if style.font == "stroke":
        mask = _stroke_letter(style.letter, rng)
    else:
        mask = text_mask(style.letter.value, style.font)
        if rng.random() < 0.3:  # condensed and wide cuts of the same font
            wide = max(8, round(mask.shape[1] * rng.uniform(0.75, 1.25)))
            image = Image.fromarray((mask * 255).astype(np.uint8)).resize((wide, mask.shape[0]))
            mask = _as_mask(image)
    if style.hollow:
        mask = _outline(mask)
    return np.ascontiguousarray(mask[:, ::-1]) if style.mirrored else mask


def lay_marker(
    placed: Placed,
    style: MarkerStyle,
    rng: np.random.Generator,
    *,
    cut: bool = False,
    over_anatomy: bool = False,
    avoid: Array | None = None,
) -> tuple[Canvas, Marker] | None:
    """Lay a marker in the field, beside the limb where there is room.

    Parameters
    ----------
    placed
        The image.
    style
        The marker.
    rng
        Source of the place and of small variations.
    cut
        Lay it across the border of the field, so that part of the letter is lost.
    over_anatomy
        Lay it wherever it falls, except on the wrist.
    avoid
        (rows, cols) line integrals of things that should not lie over the marker.

    Returns
    -------
    What to add to the beam (to the finished image for a burnt-in letter), and its label; None where
    there is no place for it.
    """
    mask = letter_mask(style, rng)
    aspect = mask.shape[1] / mask.shape[0]
    half = 0.5 * style.height_mm * math.hypot(1, aspect) / placed.spacing
    if style.plate == "ring":
        half *= RING
    centre = _position(placed, half, rng, cut=cut, over_anatomy=over_anatomy, avoid=avoid)
    if centre is None:
        return None
    canvas = Canvas(placed.shape, placed.spacing)
    if style.plate == "cut":
        pad = rng.uniform(0.12, 0.4)
        rows, cols = mask.shape
        py, px = round(rows * pad), round(rows * pad) + max(0, round(rows * 0.35 - cols / 2))
        box = canvas.stamp(mask, centre, style.height_mm, style.rotation_deg, 0.0)
        plate = 1 - np.pad(mask, ((py, py), (px, px)))
        height = style.height_mm * plate.shape[0] / rows
        canvas.stamp(plate, centre, height, style.rotation_deg, LEAD_MU_T)
    else:
        mu_t = LEAD_MU_T * rng.uniform(0.5, 1.2) if style.plate != "burnt-in" else 1.0
        box = canvas.stamp(mask, centre, style.height_mm, style.rotation_deg, mu_t)
        if style.plate == "plastic":
            _plate(canvas, centre, style, aspect, rng)
        elif style.plate == "ring":
            radius = half + 0.5 / placed.spacing
            canvas.stroke(ellipse(centre, radius, radius), 0.6, LEAD_MU_T)
    if box is None:
        return None
    _extras(canvas, centre, style, aspect, rng)
    visible = _visible(placed, box, whole_image=style.plate == "burnt-in")
    if visible is None:
        return None
    share = _area(visible) / _area(box)
    if share < 0.15:
        return None
    description = "mirrored" if style.mirrored else "cut" if share < 0.93 else ""
    return canvas, Marker(style.letter, visible, description, style.rotation_deg, style.plate)


def _position(
    placed: Placed,
    half: float,
    rng: np.random.Generator,
    *,
    cut: bool,
    over_anatomy: bool,
    avoid: Array | None,
) -> tuple[float, float] | None:
    """A centre for the marker: of many places, one with little anatomy under it."""
    rows, cols = placed.shape
    a, b, _, d = placed.field
    wide, high = float(np.hypot(*(b - a))), float(np.hypot(*(d - a)))
    clearance = WRIST_CLEARANCE_MM / placed.spacing * min(1.0, wide * placed.spacing / 120)
    limb = placed.bone + 0.5 * np.clip(placed.soft, 0, 1)
    if placed.covering is not None:
        limb += 0.5 * placed.covering
    landmarks = list(placed.keypoints.values())
    best, best_cost = None, np.inf
    for _ in range(40):
        if cut:
            along = rng.uniform(0, 1)
            over = rng.uniform(-0.5, 0.35) * half  # outside of the border, positive
            u, v = [
                (along, -over / high), (along, 1 + over / high),
                (-over / wide, along), (1 + over / wide, along),
            ][rng.integers(4)]  # fmt: skip
        else:
            room_x, room_y = (half * 1.05 + 2) / wide, (half * 1.05 + 2) / high
            if room_x >= 0.5 or room_y >= 0.5:
                return None
            u, v = rng.uniform(room_x, 1 - room_x), rng.uniform(room_y, 1 - room_y)
        x, y = a + u * (b - a) + v * (d - a)
        if not cut and not (half <= x <= cols - 1 - half and half <= y <= rows - 1 - half):
            continue
        r = max(2, int(half))
        window = np.s_[
            max(0, int(y) - r) : max(1, int(y) + r + 1), max(0, int(x) - r) : max(1, int(x) + r + 1)
        ]
        under = limb[window][::3, ::3]
        cost = float(under.mean()) if under.size else 0.0
        if over_anatomy:
            cost *= 0.02
        if avoid is not None and avoid[window].size:
            cost += 3 * float((avoid[window] > 0.15).mean())
        near = math.hypot(x - placed.wrist[0], y - placed.wrist[1]) - half
        cost += 5 * max(0.0, 1 - near / clearance)
        cost += 5 * sum(math.hypot(x - px, y - py) < 1.6 * half for px, py in landmarks)
        if cost < best_cost:
            best, best_cost = (float(x), float(y)), cost
        if best_cost < 0.02:
            break
    return best


def _plate(
    canvas: Canvas,
    centre: tuple[float, float],
    style: MarkerStyle,
    aspect: float,
    rng: np.random.Generator,
) -> None:
    """A sheet of plastic or aluminium under the letter, often not centred on it."""
    unit = style.height_mm / canvas.spacing
    half_wide = unit * max(aspect, 0.6) * rng.uniform(0.7, 1.3)
    half_high = unit * rng.uniform(0.65, 1.3)
    shift = np.array([half_wide - unit * aspect / 2, half_high - unit / 2]) * rng.uniform(
        -0.8, 0.8, 2
    )
    angle = math.radians(style.rotation_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (half_wide, half_high)
    outline = (corners + shift) @ turn.T + centre
    mu_t = float(rng.uniform(0.05, 0.35))
    canvas.fill([outline], mu_t)
    if rng.random() < 0.4:  # a raised rim
        closed = np.concatenate([outline, outline[:1]])
        canvas.stroke(closed, 0.5, mu_t)


def _extras(
    canvas: Canvas,
    centre: tuple[float, float],
    style: MarkerStyle,
    aspect: float,
    rng: np.random.Generator,
) -> None:
    """Dots, initials, a date or a bar beside the letter."""
    unit = style.height_mm / canvas.spacing
    angle = math.radians(style.rotation_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])

    def beside(x: float, y: float) -> tuple[float, float]:
        px, py = turn @ np.array([x, y]) * unit + centre
        return float(px), float(py)

    below = 0.5 if style.plate != "ring" else 0.5 * RING * math.hypot(1, aspect)
    for extra in style.extras:
        if extra == "dots":
            for i in range(int(rng.integers(1, 4))):
                spot = beside(aspect / 2 + 0.25, -0.35 + 0.3 * i)
                canvas.fill([ellipse(spot, 0.08 * unit, 0.08 * unit, n=12)], LEAD_MU_T)
        elif extra == "bar":
            below += 0.15
            start, end = beside(-aspect / 2, below), beside(aspect / 2, below)
            canvas.fill([strip(start, end, 0.05 * unit)], LEAD_MU_T)
        else:
            if extra == "initials":
                letters = "ABCDEFGHJKMNPSTUVWXZ"
                text = "".join(rng.choice(list(letters), int(rng.integers(2, 4))))
            elif extra != "date":
                text = extra
            else:
                text = f"{rng.integers(1, 29)}.{rng.integers(1, 13)}"
            height = rng.uniform(0.3, 0.5)
            below += height / 2 + 0.15
            canvas.stamp(
                text_mask(text, "DejaVuSans-Bold.ttf"),
                beside(0, below),
                height * style.height_mm,
                style.rotation_deg,
                LEAD_MU_T,
            )
            below += height / 2


def _visible(placed: Placed, box: Rectangle, *, whole_image: bool) -> Rectangle | None:
    """The part of a box that lies within the image and, unless burnt in, within the field."""
    rows, cols = placed.shape
    low, high = np.array([-0.5, -0.5]), np.array([cols - 0.5, rows - 0.5])
    if not whole_image:
        a, b, c, d = placed.field
        # The field is nearly upright: its inner upright box is what counts.
        inner_low = np.array([max(a[0], d[0]), max(a[1], b[1])])
        inner_high = np.array([min(b[0], c[0]), min(c[1], d[1])])
        middle = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
        if np.abs(placed.positioning.field_rotation_deg) < 2:
            low, high = np.maximum(low, inner_low), np.minimum(high, inner_high)
        elif not placed.shows(middle):
            return None
    x0, y0 = np.maximum(box[:2], low)
    x1, y1 = np.minimum(box[2:], high)
    return (float(x0), float(y0), float(x1), float(y1)) if x1 > x0 and y1 > y0 else None


def _area(box: Rectangle) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _stroke_letter(letter: Side, rng: np.random.Generator) -> Array:
    """A letter of even strokes, as it is bent from a rod or milled."""
    high = 96
    wide = int(high * rng.uniform(0.5, 0.8))
    pen = int(high * rng.uniform(0.10, 0.22))
    image = Image.new("L", (wide, high))
    draw = ImageDraw.Draw(image)
    half = pen / 2
    left, right, top, bottom = half, wide - 1 - half, half, high - 1 - half

    def line(*points: tuple[float, float]) -> None:
        draw.line(list(points), fill=255, width=pen)
        for x, y in points:
            draw.ellipse((x - half, y - half, x + half, y + half), fill=255)

    if letter is Side.LEFT:
        line((left, top), (left, bottom), (right, bottom))
    else:
        waist = high * rng.uniform(0.48, 0.6)
        line((left, bottom), (left, top))
        r = (waist - top) / 2
        bend = [
            (right - r + r * math.sin(t), top + r - r * math.cos(t))
            for t in np.linspace(0, math.pi, 16)
        ]
        line((left, top), *bend, (left, waist))
        line((left + (right - left) * 0.45, waist), (right, bottom))
    box = image.getbbox()
    assert box is not None
    return _as_mask(image.crop(box))


def _outline(mask: Array) -> Array:
    """A letter's outer rim, a twelfth of its height wide."""
    width = max(1, round(mask.shape[0] / 12))
    inside = ndimage.binary_erosion(mask > 0.5, iterations=width)
    return np.where(inside, np.float32(0), mask)


def _as_mask(image: Image.Image) -> Array:
    return (np.asarray(image) / 255).astype(np.float32)
