"""Things in the beam that do not belong there: jewellery, clothing, lines, bedding.

Each maker draws one object on an empty canvas. Whether it counts, and its outline, are decided by
what is seen of it in the finished image (`visibility`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.polylines import densified
from training.simulate.canvas import Canvas, Rectangle, ellipse, strip
from training.simulate.positioning import (
    ESSENTIAL_KEYPOINTS,
    Placed,
    limb_extent,
    wrist_point,
)

Array = NDArray[np.float32]

METAL, SILVER, JADE, PLASTIC, FABRIC = 0.9, 1.6, 0.075, 0.03, 0.02
"""Attenuation per millimetre at about 55 kV."""

_OPAQUE = 0.6
"""Attenuation through which bone is hardly made out."""
_AROUND_LANDMARK_MM = 4.0


@dataclass(frozen=True)
class ForeignObject:
    """An external object in an image, as labelled.

    Attributes
    ----------
    kind
        What it is.
    polygons
        Outlines of what is seen of it, (n, 2) in pixels each; not empty.
    score
        How well it is seen (`visibility.Seen`).
    """

    kind: str
    polygons: tuple[NDArray[np.float64], ...]
    score: float = 0.0

    @property
    def rectangle(self) -> Rectangle:
        """Box round all that is seen, in pixels."""
        corners = np.concatenate(self.polygons)
        (x0, y0), (x1, y1) = corners.min(0), corners.max(0)
        return float(x0), float(y0), float(x1), float(y1)

    def shifted(self, x: float) -> ForeignObject:
        """The same object `x` pixels further to the right."""
        return replace(self, polygons=tuple(np.add(p, (x, 0.0)) for p in self.polygons))


@dataclass(frozen=True)
class Limb:
    """The outline of the limb in the projection, for objects that are worn.

    Attributes
    ----------
    placed
        The image it is shown in.
    extent
        (rows, 2) left and right border of the limb in every row of the projection, NaN where none.
    """

    placed: Placed
    extent: NDArray[np.float64]

    @property
    def wrist_row(self) -> float:
        return wrist_point(self.placed.projection)[1]

    def across(self, proximal_mm: float) -> tuple[float, float]:
        """Centre column and half width (projection pixels) of the forearm at a level."""
        rows = np.arange(len(self.extent))
        row = self.wrist_row + proximal_mm / self.placed.projection.spacing
        near = self.extent[np.abs(rows - row) < 8]
        if not len(near) or np.isnan(near).all():
            near = self.extent[~np.isnan(self.extent[:, 0])][-10:]
        left, right = np.nanmean(near, axis=0)
        return float(left + right) / 2, max(float(right - left) / 2, 5.0)

    def point(self, column: float, proximal_mm: float) -> tuple[float, float]:
        row = self.wrist_row + proximal_mm / self.placed.projection.spacing
        x, y = self.placed.to_image((column, row))
        return float(x), float(y)

    @property
    def pixels_per_mm(self) -> float:
        return 1 / self.placed.spacing

    @property
    def tilt(self) -> float:
        """Rotation of the forearm in the image, degrees clockwise."""
        return self.placed.positioning.rotation_deg


Maker = Callable[[Canvas, Limb, np.random.Generator], None]


def ring(canvas: Canvas, limb: Limb, rng: np.random.Generator) -> None:
    """A finger ring: a band seen nearly edge-on, on a finger that is found in the bone image."""
    projection = limb.placed.projection
    for _ in range(20):
        level = -rng.uniform(55, 130)
        row = int(limb.wrist_row + level / projection.spacing)
        if not 0 <= row < projection.bone.shape[0]:
            continue
        runs, count = ndimage.label(projection.bone[row] > 0.12)
        fingers = [np.flatnonzero(runs == i + 1) for i in range(count)]
        fingers = [f for f in fingers if 3 < len(f) * projection.spacing < 20]
        if not fingers:
            continue
        finger = fingers[rng.integers(len(fingers))]
        centre = limb.point(float(finger.mean()), level)
        if limb.placed.shows(centre):
            break
    else:
        return
    half = (len(finger) * projection.spacing * 0.75 + 2) * limb.pixels_per_mm
    tilt = limb.tilt + rng.normal(0, 10)
    points = ellipse(centre, half, half * rng.uniform(0.05, 0.35), tilt, 40)
    canvas.stroke(points, rng.uniform(0.7, 2.2), rng.choice([METAL, SILVER]))
    if rng.random() < 0.3:
        canvas.fill([ellipse(tuple(points[10]), 8, 5, tilt, 12)], 2.0)


def _worn_ellipse(
    limb: Limb,
    rng: np.random.Generator,
    level_mm: tuple[float, float],
    loose: tuple[float, float],
    flatness: tuple[float, float],
) -> NDArray[np.float64]:
    level = rng.uniform(*level_mm)
    column, half = limb.across(level)
    grow = rng.uniform(*loose)
    centre = limb.point(column + half * rng.normal(0, 0.05), level)
    a = half * grow * limb.placed.projection.spacing * limb.pixels_per_mm
    return ellipse(centre, a, a * rng.uniform(*flatness), limb.tilt + rng.normal(0, 8), 72)


def bangle(canvas: Canvas, limb: Limb, rng: np.random.Generator) -> None:
    """A stiff ring round the wrist: metal, or jade, which is thicker and fainter."""
    path = _worn_ellipse(limb, rng, (5, 80), (1.05, 1.45), (0.05, 0.5))
    if rng.random() < 0.45:
        canvas.stroke(path, rng.uniform(3, 6), JADE * rng.uniform(0.7, 1.5))
    else:
        canvas.stroke(
            path, rng.uniform(0.8, 3), rng.choice([METAL, SILVER]), bore=rng.choice([0, 0.7])
        )


def chain(canvas: Canvas, limb: Limb, rng: np.random.Generator) -> None:
    """A bracelet of links."""
    path = _worn_ellipse(limb, rng, (-5, 60), (1.02, 1.3), (0.08, 0.5))
    link, wire = rng.uniform(1.0, 3.0), rng.uniform(0.3, 0.8)
    for i, spot in enumerate(_spaced(path, 1.7 * link * limb.pixels_per_mm)):
        a = link * limb.pixels_per_mm
        points = ellipse(
            tuple(spot), a, a * (0.25 if i % 2 else 0.7), 90.0 * (i % 2) + limb.tilt, 10
        )
        canvas.stroke(points, wire, METAL)


def beads(canvas: Canvas, limb: Limb, rng: np.random.Generator) -> None:
    """A string of beads of wood, stone or glass, bored through."""
    path = _worn_ellipse(limb, rng, (-5, 70), (1.02, 1.35), (0.08, 0.6))
    radius, mu = rng.uniform(2, 7), rng.choice([PLASTIC, 0.05, JADE, 0.15])
    for spot in _spaced(path, 2.05 * radius * limb.pixels_per_mm):
        _ball(canvas, spot, radius, mu)
    if rng.random() < 0.3:
        canvas.stroke(path, 0.3, METAL)


def watch(canvas: Canvas, limb: Limb, rng: np.random.Generator) -> None:
    """A wrist watch: a case full of metal on a strap that is leather or metal."""
    level = rng.uniform(10, 60)
    column, half = limb.across(level)
    centre = limb.point(column + half * rng.normal(0, 0.2), level)
    unit = limb.pixels_per_mm
    reach = half * rng.uniform(1.0, 1.15) * limb.placed.projection.spacing
    angle = math.radians(limb.tilt + rng.normal(0, 6))
    along = np.array([math.cos(angle), math.sin(angle)]) * unit
    middle = np.array(limb.point(column, level))
    width = rng.uniform(7, 11)
    metal = rng.random() < 0.4
    if metal:
        for x in np.arange(-reach, reach, 4.0):
            canvas.fill([strip(middle + along * x, middle + along * (x + 3.4), width * unit)], 1.2)
    else:
        canvas.fill(
            [strip(middle - along * reach, middle + along * reach, width * unit)],
            rng.uniform(0.06, 0.2),
        )
    case = rng.uniform(13, 22) * unit
    squeeze = rng.uniform(0.35, 1)
    degrees = math.degrees(angle)
    canvas.fill([ellipse(centre, case * squeeze, case, degrees)], rng.uniform(0.4, 1.2))
    canvas.stroke(ellipse(centre, case * squeeze, case, degrees), rng.uniform(1, 2.2), METAL)
    for _ in range(int(rng.integers(3, 9))):
        spot = np.array(centre) + rng.normal(0, 0.35, 2) * case * (squeeze, 1)
        a, b = rng.uniform(0.08, 0.35, 2) * case
        canvas.fill([ellipse((spot[0], spot[1]), a, b, n=16)], rng.uniform(0.3, 2))


def button(canvas: Canvas, limb: Limb, rng: np.random.Generator) -> None:
    """One or several cuff buttons or press studs."""
    level, column_share = rng.uniform(20, 110), rng.uniform(-1.1, 1.1)
    radius = rng.uniform(4, 10)
    stud = rng.random() < 0.4
    mu_t = 1.5 if stud else rng.uniform(0.06, 0.3)
    for i in range(int(rng.choice([1, 2, 3], p=[0.6, 0.25, 0.15]))):
        column, half = limb.across(level)
        centre = limb.point(column + column_share * half, level + i * rng.uniform(18, 30))
        r = radius * limb.pixels_per_mm
        outline = ellipse(centre, r, r, n=32)
        d = 0.25 * r
        holes = [
            ellipse((centre[0] + sx * d, centre[1] + sy * d), 0.13 * r, 0.13 * r, n=8)
            for sx in (-1, 1) for sy in (-1, 1)
        ]  # fmt: skip
        if stud:
            holes = [ellipse(centre, 0.45 * r, 0.45 * r, n=16)]
        canvas.fill([outline], mu_t, holes=holes)
        canvas.stroke(
            ellipse(centre, 0.9 * r, 0.9 * r, n=32), 0.08 * radius, mu_t / (0.16 * radius)
        )


def zip_fastener(canvas: Canvas, limb: Limb, rng: np.random.Generator) -> None:
    """A zip: two interlocking rows of teeth, with a slider."""
    column, half = limb.across(60)
    start = np.array(limb.point(column + half * rng.uniform(-1.3, 1.3), rng.uniform(10, 50)))
    angle = math.radians(limb.tilt + 90 + rng.normal(0, 25))
    step = np.array([math.cos(angle), math.sin(angle)]) * limb.pixels_per_mm
    side = np.array([-step[1], step[0]])
    pitch = rng.uniform(1.3, 2.2)
    bend = rng.normal(0, 0.002)
    mu_t = rng.choice([0.35, 1.5])
    for i in range(int(rng.integers(25, 80))):
        along = i * pitch
        spot = start + step * along + side * (bend * along**2)
        out = side * (1.8 if i % 2 else -1.8)
        canvas.fill([strip(spot, spot + out, 0.35 * pitch * limb.pixels_per_mm)], mu_t)
    canvas.fill(
        [
            ellipse(
                tuple(start),
                5 * limb.pixels_per_mm,
                3 * limb.pixels_per_mm,
                math.degrees(angle),
                20,
            )
        ],
        1.5,
    )


def hair_tie(canvas: Canvas, limb: Limb, rng: np.random.Generator) -> None:
    """An elastic band round the wrist, wavy and faint, some with a metal clasp."""
    path = _worn_ellipse(limb, rng, (-5, 60), (1.0, 1.15), (0.05, 0.35))
    path += rng.normal(0, 0.6, path.shape) * limb.pixels_per_mm
    path[-1] = path[0]
    canvas.stroke(path, rng.uniform(1.2, 3), FABRIC * rng.uniform(1.0, 2.5))
    if rng.random() < 0.5:
        i = int(rng.integers(len(path) - 3))
        canvas.stroke(path[i : i + 3], rng.uniform(1.2, 2.2), METAL)


def line(canvas: Canvas, limb: Limb, rng: np.random.Generator) -> None:
    """An infusion line, cable or cannula that runs across the image."""
    rows, cols = canvas.mu_t.shape
    start = _on_border(rng, cols, rows)
    column, half = limb.across(20)
    end = np.array(limb.point(column + half * rng.uniform(-1, 1), rng.uniform(-60, 60)))
    if rng.random() < 0.4:
        end = _on_border(rng, cols, rows)
    bow = rng.normal(0, 0.25) * np.array([-(end - start)[1], (end - start)[0]])
    t = np.linspace(0, 1, 40)[:, None]
    path = (1 - t) ** 2 * start + 2 * t * (1 - t) * ((start + end) / 2 + bow) + t**2 * end
    radius = rng.uniform(0.8, 2.2)
    canvas.stroke(path, radius, rng.uniform(0.06, 0.2), bore=rng.uniform(0.4, 0.75))
    if rng.random() < 0.5:  # hub and needle
        tip = (
            end
            + (path[-1] - path[-2])
            / max(np.hypot(*(path[-1] - path[-2])), 1e-6)
            * 25
            * limb.pixels_per_mm
        )
        canvas.stroke(np.stack([path[-3], end]), 2.5, 0.06)
        canvas.stroke(np.stack([end, tip]), 0.5, METAL)


def clip(canvas: Canvas, limb: Limb, rng: np.random.Generator) -> None:
    """A bandage clip, safety pin or paper clip."""
    level = rng.uniform(-40, 90)
    column, half = limb.across(max(level, 0))
    centre = limb.point(column + half * rng.uniform(-1.1, 1.1), level)
    a = rng.uniform(6, 16) * limb.pixels_per_mm
    angle = rng.uniform(0, 180)
    b = a * rng.uniform(0.12, 0.35)
    canvas.stroke(
        ellipse(centre, a, b, angle, 40, 0, rng.uniform(4.5, 6.3)), rng.uniform(0.35, 0.9), METAL
    )
    if rng.random() < 0.5:
        canvas.stroke(
            ellipse(centre, 0.75 * a, 0.6 * b, angle, 40, 1, 5.5), rng.uniform(0.35, 0.9), METAL
        )


def fold(canvas: Canvas, limb: Limb, rng: np.random.Generator) -> None:
    """A blanket, drape or sheet: its hem, its folds, and often its weave."""
    rows, cols = canvas.mu_t.shape
    unit = limb.pixels_per_mm
    base = _on_border(rng, cols, rows)
    heading = rng.uniform(0, 2 * math.pi)
    level = rng.uniform(0.06, 0.3)
    for _ in range(int(rng.integers(1, 6))):
        t = np.linspace(-1, 1, 40)
        length = rng.uniform(0.4, 1.0) * max(rows, cols)
        along = np.array([math.cos(heading), math.sin(heading)])
        side = np.array([-along[1], along[0]])
        wave = rng.normal(0, 0.05) * length * np.sin(t * rng.uniform(1, 4) + rng.uniform(0, 6))
        wave += rng.normal(0, 0.8) * unit * np.sin(t * rng.uniform(8, 25) + rng.uniform(0, 6))
        path = base + t[:, None] * along * length + wave[:, None] * side
        radius = float(np.exp(rng.uniform(np.log(0.5), np.log(6))))
        canvas.stroke(path, radius, level * rng.uniform(0.5, 1) / (2 * radius))
        base = base + side * rng.normal(0, 12) * unit
        heading += rng.normal(0, 0.15)
    if rng.random() < 0.4:  # the cloth beside its hem
        reach = side * rng.choice([-1, 1]) * 2 * max(rows, cols)
        canvas.fill([np.concatenate([path, path[::-1] + reach])], level * rng.uniform(0.2, 0.6))
        if rng.random() < 0.6:
            y, x = np.indices(canvas.mu_t.shape, dtype=np.float32)
            pitch = 2 * math.pi / (rng.uniform(1.6, 5) * unit)
            turn = rng.uniform(0, math.pi)
            weave = np.sin((x * math.cos(turn) + y * math.sin(turn)) * pitch) * np.sin(
                (y * math.cos(turn) - x * math.sin(turn)) * pitch
            )
            canvas.mu_t *= 1 + np.float32(rng.uniform(0.1, 0.5)) * weave
    canvas.mu_t = ndimage.gaussian_filter(canvas.mu_t, rng.uniform(0.3, 0.8) * unit)


def cannula(canvas: Canvas, limb: Limb, rng: np.random.Generator) -> None:
    """An intravenous cannula on the back of the hand or the forearm, with its port and line."""
    unit = limb.pixels_per_mm
    level = rng.uniform(-60, 50)
    column, half = limb.across(max(level, 0))
    at = np.array(limb.point(column + half * rng.uniform(-0.8, 0.8), level))
    angle = math.radians(limb.tilt + 90 + rng.normal(0, 30))
    along = np.array([math.cos(angle), math.sin(angle)]) * unit
    side = np.array([-along[1], along[0]])
    canvas.stroke(np.stack([at, at + along * rng.uniform(20, 32)]), rng.uniform(0.5, 0.9), 0.25)
    hub = at - along * rng.uniform(14, 20)
    canvas.stroke(np.stack([at, hub]), rng.uniform(2, 3.2), 0.08, bore=0.5)
    canvas.stroke(np.stack([at - along * 6, at - along * 6 + side * 4]), 3.0, 0.08, bore=0.6)
    canvas.fill([strip(at - side * 9 - along * 2, at + side * 9 - along * 2, 4 * unit)], 0.06)
    if rng.random() < 0.6:
        t = np.linspace(0, 1, 30)[:, None]
        bend = side * rng.normal(0, 60)
        path = hub - along * t * rng.uniform(60, 200) + bend * t**2
        canvas.stroke(path, rng.uniform(1.2, 2.2), rng.uniform(0.05, 0.12), bore=0.6)


def finger(canvas: Canvas, limb: Limb, rng: np.random.Generator) -> None:
    """Fingers of a person who holds the limb: flesh with phalanges in it, from the border."""
    rows, cols = canvas.mu_t.shape
    unit = limb.pixels_per_mm
    level = rng.choice([rng.uniform(-150, -60), rng.uniform(40, 150)])
    column, half = limb.across(level)
    side = float(rng.choice([-1, 1]))
    tip = np.array(limb.point(column + side * half * rng.uniform(-0.9, 0.6), level))
    if not limb.placed.shows(tip):
        tip = _on_border(rng, cols, rows) * 0.8 + np.array([cols, rows]) * 0.1
    angle = math.radians(limb.tilt + rng.normal(0, 20)) + (0 if side > 0 else math.pi)
    along = np.array([math.cos(angle), math.sin(angle)]) * unit
    across = np.array([-along[1], along[0]])
    for number in range(int(rng.integers(1, 4))):
        start = tip + across * number * 17 - along * rng.normal(0, 6)
        canvas.stroke(np.stack([start, start + along * 300]), rng.uniform(7.5, 9.5), 0.027)
        at = start - along * 1.0
        for length, radius in ((15, 2.6), (22, 3.6), (38, 4.4)):
            ends = np.stack([at + along * radius, at + along * (length - radius)])
            canvas.stroke(ends, radius, 0.05, bore=0.55)
            for end in ends:
                canvas.stroke(np.stack([end, end + 0.01]), 1.2 * radius, 0.02)
            at = at + along * (length + 2.0)
    canvas.mu_t = ndimage.gaussian_filter(canvas.mu_t, 0.4 * unit)


def pendant(canvas: Canvas, limb: Limb, rng: np.random.Generator) -> None:
    """A loose thing: a coin, key, ear stud, crumb of plaster or contrast medium."""
    level = rng.uniform(-70, 100)
    column, half = limb.across(max(level, 0))
    centre = limb.point(column + half * rng.uniform(-1.4, 1.4), level)
    unit = limb.pixels_per_mm
    kind = rng.integers(3)
    if kind == 0:
        r = rng.uniform(7, 13) * unit
        canvas.fill([ellipse(centre, r, r * rng.uniform(0.3, 1), rng.uniform(0, 180), 40)], 1.8)
    elif kind == 1:
        r = rng.uniform(4, 8) * unit
        canvas.stroke(ellipse(centre, r, r), rng.uniform(0.8, 2), METAL)
        angle = rng.uniform(0, 2 * math.pi)
        tip = (
            np.array(centre) + np.array([math.cos(angle), math.sin(angle)]) * rng.uniform(3, 6) * r
        )
        canvas.stroke(np.stack([np.array(centre), tip]), 1.5, METAL)
    else:
        for _ in range(int(rng.integers(1, 6))):
            spot = np.array(centre) + rng.normal(0, 8, 2) * unit
            a, b = rng.uniform(0.8, 3.5, 2) * unit
            canvas.fill(
                [ellipse((spot[0], spot[1]), a, b, rng.uniform(0, 180), 12)], rng.uniform(0.3, 3)
            )


MAKERS: dict[str, tuple[Maker, float]] = {
    "bangle": (bangle, 0.15), "watch": (watch, 0.08), "chain": (chain, 0.08), "beads": (beads, 0.1),
    "ring": (ring, 0.12), "button": (button, 0.11), "zip": (zip_fastener, 0.05),
    "hair_tie": (hair_tie, 0.06), "line": (line, 0.06), "clip": (clip, 0.06), "fold": (fold, 0.08),
    "pendant": (pendant, 0.05), "cannula": (cannula, 0.04), "finger": (finger, 0.03),
}  # fmt: skip
"""Every kind with its share."""


def put_on(placed: Placed, kind: str, rng: np.random.Generator) -> Canvas:
    """One object of a kind on an empty canvas; whether it is seen is for `visibility` to say."""
    canvas = Canvas(placed.shape, placed.spacing)
    limb = Limb(placed, limb_extent(placed.projection))
    MAKERS[kind][0](canvas, limb, rng)
    return canvas


def draw_objects(
    placed: Placed, aperture: Array, rng: np.random.Generator
) -> list[tuple[str, Array]]:
    """Kinds and line integrals of one object mostly, sometimes of two or three.

    What lies outside of the field, or hides the wrist wholly, is drawn anew, a few times.
    """
    names = list(MAKERS)
    shares = np.array([share for _, share in MAKERS.values()])
    found: list[tuple[str, Array]] = []
    for _ in range(int(rng.choice([1, 2, 3], p=[0.8, 0.16, 0.04]))):
        for _ in range(4):
            kind = str(rng.choice(names, p=shares / shares.sum()))
            mu_t = put_on(placed, kind, rng).mu_t
            in_field = ((mu_t > 0.04) & (aperture > 0.5)).sum() * placed.spacing**2 > 3
            if in_field and not hides_all_landmarks(placed, mu_t):
                found.append((kind, mu_t))
                break
    return found


def hides_all_landmarks(placed: Placed, mu_t: Array) -> bool:
    """Whether an object leaves nobody a landmark to go by: both styloids, or all of a lateral's.

    A landmark is hidden when four fifths of what lies within 4 mm of it are covered opaquely.
    """
    names = ESSENTIAL_KEYPOINTS[placed.projection.view]
    points = [placed.keypoints[name] for name in names if name in placed.keypoints]
    y, x = np.ogrid[: mu_t.shape[0], : mu_t.shape[1]]
    reach = _AROUND_LANDMARK_MM / placed.spacing
    near = [(x - px) ** 2 + (y - py) ** 2 <= reach**2 for px, py in points]
    return bool(points) and all((mu_t[disc] > _OPAQUE).mean() > 0.8 for disc in near)


def _ball(canvas: Canvas, centre: NDArray[np.float64], radius_mm: float, mu: float) -> None:
    """A sphere with a bore."""
    canvas.stroke(np.stack([centre, centre + 0.01]), radius_mm, mu)
    canvas.stroke(np.stack([centre, centre + 0.01]), 0.25 * radius_mm, -mu)


def _spaced(path: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Points along a polyline, `step` pixels apart."""
    return densified(path, max(step, 1.0))


def _on_border(rng: np.random.Generator, cols: int, rows: int) -> NDArray[np.float64]:
    """A random point on the image's border."""
    t = rng.random()
    return np.array(
        [(t * cols, 0.0), (t * cols, rows - 1.0), (0.0, t * rows), (cols - 1.0, t * rows)][
            rng.integers(4)
        ]
    )
