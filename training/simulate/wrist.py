"""One wrist in three dimensions: all its bones, its skin, and its landmarks, ready to be projected.

Wrist frame of a right hand as in `anatomy`, here in true millimetres of this person.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy.spatial import cKDTree

from training.simulate import growth, soft_tissue
from training.simulate.anatomy import (
    CARPALS_DISTAL,
    CARPALS_PROXIMAL,
    HAND_BONES,
    METACARPALS,
    Bone,
    HandModel,
    hand_model,
    shelled,
)
from training.simulate.fracture import Fracture
from training.simulate.pose import Pose, placements, rotation
from training.simulate.radius_ulna import (
    AROUND,
    LEVELS,
    ForearmShape,
    make_radius,
    make_ulna,
)
from training.simulate.surfaces import Array, Surface

_ALONG_FOREARM = np.array([0.0, 1.0, 0.0])

# The model's scaphoid lies 70 degrees to the forearm and deep between lunate and capitate. In true
# laterals it lies at 30 to 60 degrees, its waist at their volar border.
_SCAPHOID_EXTENDED = 22.0
_SCAPHOID_SHIFT = (0.0, 1.8, 2.5)


@dataclass(frozen=True)
class Wrist:
    """Everything that is projected, and everything that the keypoints are derived from.

    Attributes
    ----------
    bones
        All ossified parts.
    scaphoid
        The whole scaphoid's surface, ossified or not.
    thumb_joint
        Centre of the first metacarpophalangeal joint, (3,).
    radius, ulna
        Whole outer surfaces as if no growth plate were open, for outlines and midlines.
    radius_joint, ulna_joint
        Middle of the distal surface of each bone's ossified part, (3,).
    radial_process, ulnar_process
        Whether the bone ends in an ossified styloid process, rather than in a corner.
    skin, muscle
        Closed envelopes: forearm with palm first, then the digits.
    """

    bones: tuple[Bone, ...]
    scaphoid: Surface
    thumb_joint: Array
    radius: Surface
    ulna: Surface
    radius_joint: Array
    ulna_joint: Array
    radial_process: bool
    ulnar_process: bool
    skin: tuple[Surface, ...]
    muscle: tuple[Surface, ...]
    factors: dict[str, float | str | bool]


def _hand_bone(
    hand: HandModel, name: str, cortex: float, breadth: float, carpal_size: float, young: float
) -> Bone:
    surface = hand.surfaces[name]
    centre, axis, low, high = hand.axes[name]
    position = (surface.vertices - centre) @ axis
    if name in CARPALS_PROXIMAL + CARPALS_DISTAL:
        surface = replace(surface, vertices=centre + carpal_size * (surface.vertices - centre))
        thickness = np.full(len(position), 0.65)
        filling = np.full(len(position), 0.9)
        return shelled(name, surface, thickness, filling)
    # Slender or sturdy shafts: scale across the axis only.
    across = surface.vertices - centre - position[:, None] * axis
    wide = np.full(len(position), breadth)
    stretch = np.zeros(len(position))
    if name in METACARPALS[1:]:  # the base is cartilage at first, and ossifies last
        base = np.clip(1.0 - (position - low) / (0.3 * (high - low)), 0.0, 1.0)
        wide *= 1.0 - 0.35 * young * base
        stretch = 0.08 * young * (high - position)
    surface = replace(
        surface,
        vertices=surface.vertices + (wide - 1.0)[:, None] * across + stretch[:, None] * axis,
    )
    middle = 1.0 - np.abs(2.0 * (position - low) / (high - low) - 1.0)  # 0 at the ends, 1 midway
    shaft = np.clip((middle - 0.2) / 0.5, 0.0, 1.0)
    thick = cortex * (2.2 if name in METACARPALS else 1.5)
    return shelled(name, surface, 0.5 + (thick - 0.5) * shaft, 1.0 - 0.85 * shaft)


def build_wrist(rng: np.random.Generator, age: float, pose: Pose) -> Wrist:
    """Draw one person's wrist in the given pose."""
    hand = hand_model()
    mature = growth.maturity(age)
    ossified = growth.Ossification(rng, age)
    scale = growth.size(age) * float(np.clip(rng.normal(1.1, 0.065), 0.94, 1.3))
    shape = ForearmShape.drawn(rng, mature)
    build = soft_tissue.Build.drawn(rng, mature)
    breadth = float(rng.normal(1.0, 0.06)) * (1.0 - 0.06 * (1.0 - mature))
    spacing = float(rng.uniform(0.7, 1.9))
    cortex = shape.cortex / 2.5

    # Hand, moved along the forearm so that the radiocarpal joint space is as drawn.
    carpal_size = float(rng.normal(1.13, 0.045))
    whole = {
        name: _hand_bone(hand, name, cortex, breadth, carpal_size, 1.0 - mature)
        for name in HAND_BONES
    }
    placed = placements(hand, pose)
    volar = float(rng.normal(1.0, 1.3))
    placed = {name: (r, np.add(t, (0.0, 0.0, volar))) for name, (r, t) in placed.items()}
    turned, at = _flexed(
        placed["scaphoid"], hand.axes["scaphoid"][0], float(rng.normal(-_SCAPHOID_EXTENDED, 7.0))
    )
    placed["scaphoid"] = turned, at + rng.normal(_SCAPHOID_SHIFT, (0.0, 0.6, 1.0))
    radius, ulna = make_radius(shape), make_ulna(shape)
    turn, lift = _seating(radius, whole, placed, spacing)
    placed = {name: (turn @ r, turn @ t + lift) for name, (r, t) in placed.items()}

    def seated(points: Array) -> Array:
        # The forearm's skin stays, the hand's goes along.
        carried = np.clip((points[:, 1] + 15.0) / 20.0, 0.0, 1.0)[:, None]
        return np.asarray(points + carried * (points @ turn.T + lift - points))

    bones: list[Bone] = []
    for name, bone in whole.items():
        for part in _ossified_parts(hand, ossified, name, bone):
            bones.append(part.moved(partial(_at, placement=placed[name])))

    # Forearm, cut at its growth plates.
    slope = ossified.radial_physis_slope
    radius_level = -4.5 - 1.5 * mature
    ulna_level = float(ulna.outer.vertices[-1, 1]) - 6.0

    def along(points: Array) -> Array:
        return np.asarray(points[:, 1])

    radius_parts = ossified.long_bone(
        radius, "radius", along, _ALONG_FOREARM,
        lambda points: radius_level + slope * (points[:, 0] - 3.0),
    )  # fmt: skip
    ulna_parts = ossified.long_bone(
        ulna, "ulna", along, _ALONG_FOREARM, lambda points: np.full(len(points), ulna_level)
    )
    # Every part keeps the swept surface's last vertex, the joint surface's middle, on its end.
    radius_joint = radius_parts[-1].outer.vertices[-1]
    ulna_joint = ulna_parts[-1].outer.vertices[-1]
    thumb_joint = (
        _end(hand, "metacarpal_1", placed["metacarpal_1"], distal=True)
        + _end(hand, "proximal_phalanx_1", placed["proximal_phalanx_1"], distal=False)
    ) / 2.0
    scaphoid = whole["scaphoid"].outer.moved(lambda points: _at(points, placed["scaphoid"]))
    skin = _envelopes(hand, build, pose, placed, seated, 0.0)
    muscle = _envelopes(hand, build, pose, placed, seated, build.fat)
    radius_outline, ulna_outline = radius.outer, ulna.outer

    fracture = Fracture.drawn(rng, age < growth.ADULT)
    broken = bool(rng.random() < 0.2)
    if broken:
        bones = [bone.moved(fracture.displaced) for bone in bones]
        radius_parts = [p for part in radius_parts for p in fracture.broken(part)]
        radius_outline = radius_outline.moved(lambda points: fracture.eased(points, 0.01))
        radius_joint, thumb_joint, scaphoid_points = (
            fracture.displaced(points) for points in (radius_joint, thumb_joint, scaphoid.vertices)
        )
        scaphoid = replace(scaphoid, vertices=scaphoid_points)
        if fracture.both:
            ulna_parts = [p for part in ulna_parts for p in fracture.broken(part)]
            ulna_outline = ulna_outline.moved(lambda points: fracture.eased(points, 0.01))
            ulna_joint = fracture.displaced(ulna_joint)
        skin, muscle = (
            [s.moved(lambda points: fracture.eased(points, 30.0)) for s in surfaces]
            for surfaces in (skin, muscle)
        )
    bones += radius_parts + ulna_parts

    def scaled(points: Array) -> Array:
        return np.asarray(points * scale)

    has_ulna = not ossified.open("ulna") or ossified.has_epiphysis("ulna")
    return Wrist(
        bones=tuple(bone.moved(scaled) for bone in bones),
        scaphoid=scaphoid.moved(scaled),
        thumb_joint=thumb_joint * scale,
        radius=radius_outline.moved(scaled),
        ulna=ulna_outline.moved(scaled),
        radius_joint=radius_joint * scale,
        ulna_joint=ulna_joint * scale,
        radial_process=mature > 0.55,
        ulnar_process=has_ulna and mature > 0.6 and shape.ulnar_styloid > 1.5,
        skin=tuple(s.moved(scaled) for s in skin),
        muscle=tuple(s.moved(scaled) for s in muscle),
        factors={
            "age_group": growth.age_group(age),
            "age_years": round(age, 1),
            "scale": round(scale, 3),
            "ulnar_variance_mm": round(shape.ulnar_variance * scale, 2),
            "radial_inclination_deg": round(shape.inclination, 1),
            "volar_tilt_deg": round(shape.tilt, 1),
            "scaphoid_ossified": ossified.has("scaphoid"),
            "fingers": pose.fingers,
            "fracture": broken,
        },
    )


def shaft_rings(surface: Surface) -> Array:
    """Cross-sections of a radius or ulna from distal to proximal, (levels, points, 3)."""
    count = len(LEVELS)
    rings = surface.vertices[: count * AROUND].reshape(count, AROUND, 3)
    return np.asarray(rings[::-1])


def _at(points: Array, placement: tuple[Array, Array]) -> Array:
    turn, shift = placement
    return np.asarray(points @ turn.T + shift)


def _flexed(placement: tuple[Array, Array], centre: Array, degrees: float) -> tuple[Array, Array]:
    """A bone flexed about its own centre."""
    turn = rotation(0, degrees) @ placement[0]
    return turn, _at(centre[None], placement)[0] - turn @ centre


def _end(hand: HandModel, name: str, placement: tuple[Array, Array], distal: bool) -> Array:
    """Middle of a bone's end: the centre of its outermost 1.5 mm."""
    centre, axis, low, high = hand.axes[name]
    vertices = hand.surfaces[name].vertices
    position = (vertices - centre) @ axis
    chosen = position > high - 1.5 if distal else position < low + 1.5
    return _at(vertices[chosen].mean(axis=0), placement)


def _seating(
    radius: Bone, whole: dict[str, Bone], placed: dict[str, tuple[Array, Array]], spacing: float
) -> tuple[Array, Array]:
    """Turn and shift of the hand after which scaphoid and lunate both face the radius closely."""
    surface = radius.outer.vertices[len(LEVELS) * AROUND : -2]
    tree = cKDTree(surface[:, [0, 2]])
    angle, lift = 0.0, 0.0
    for _ in range(3):
        turn = rotation(2, angle)
        rises, middles = [], []
        for name in ("scaphoid", "lunate"):
            points = _at(whole[name].outer.vertices[::3], placed[name]) @ turn.T
            distance, nearest = tree.query(points[:, [0, 2]])
            above = points[:, 1] - surface[nearest, 1]
            over = distance < 1.0
            if over.sum() < 10:  # turned or bent beyond the joint surface
                return turn, np.array([0.0, lift, 0.0])
            closest = np.argmin(np.where(over, above, np.inf))
            rises.append(float(above[closest]))
            middles.append(float(points[closest, 0]))
        lift = spacing - min(rises)
        lever = max(middles[0] - middles[1], 8.0)
        angle = float(np.clip(angle - np.degrees((rises[0] - rises[1]) / lever), -12.0, 12.0))
    return turn, np.array([0.0, lift, 0.0])


def _ossified_parts(
    hand: HandModel, ossified: growth.Ossification, name: str, bone: Bone
) -> list[Bone]:
    if name in CARPALS_PROXIMAL + CARPALS_DISTAL:
        return ossified.carpal(bone)
    centre, axis, low, high = hand.axes[name]
    kind = "metacarpal" if name in METACARPALS else "phalanx"
    distal = kind == "metacarpal" and name != "metacarpal_1"
    depth = 0.17 if kind == "metacarpal" else 0.13
    plate = high - depth * (high - low) if distal else low + depth * (high - low)
    return ossified.long_bone(
        bone,
        kind,
        lambda points: np.asarray((points - centre) @ axis),
        axis,
        lambda points: np.full(len(points), plate),
        distal=distal,
    )


def _envelopes(
    hand: HandModel,
    build: soft_tissue.Build,
    pose: Pose,
    placed: dict[str, tuple[Array, Array]],
    seated: Callable[[Array], Array],
    inset: float,
) -> list[Surface]:
    thin = 0.45 * inset  # fingers carry little fat
    surfaces = [soft_tissue.body(build, pose, inset).moved(seated)]
    for finger in range(1, 6):
        segments = ["proximal", "distal"] if finger == 1 else ["proximal", "middle", "distal"]
        names = [f"{segment}_phalanx_{finger}" for segment in segments]
        metacarpal = f"metacarpal_{finger}"
        path = [_end(hand, metacarpal, placed[metacarpal], distal=finger != 1)]
        if finger == 1:
            path.append(_end(hand, metacarpal, placed[metacarpal], distal=True))
        path += [_end(hand, name, placed[name], distal=True) for name in names]
        radii = [15.0, 12.5, 10.5, 8.5] if finger == 1 else [10.0, 9.2, 8.3, 7.2]
        if finger == 5:
            radii = [9.0, 8.0, 7.4, 6.4]
        if finger == 1:  # the thenar's flesh lies volar of the metacarpal and reaches the palm
            path[0] = path[0] + np.array([-12.0, -2.0, 4.0])
        width = 0.5 + 0.5 * build.width
        surfaces.append(soft_tissue.digit(np.array(path), np.array(radii) * width - thin))
    return surfaces
