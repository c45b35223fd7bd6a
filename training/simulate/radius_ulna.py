"""Radius and ulna as swept cross-sections, because their styloid tips are keypoints.

Wrist frame of a right hand as in `anatomy`, millimetres of an adult of scale 1. Shape follows the
usual radiological measures: radial inclination 22 deg (16-28), volar tilt 11 deg (0-20), radial
height about 11 mm, ulnar variance -3 to +3 mm, ulnar styloid 3-7 mm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from training.simulate.anatomy import Bone, shelled
from training.simulate.surfaces import Array, tube

AROUND = 72

JointSurface = Callable[[Array, Array, Array], Array]
"""Level y of a joint surface at (x, z, rho), rho running from 0 (middle) to 1 (rim)."""

_SHAFT_LEVELS = np.concatenate(
    [np.geomspace(520.0, 60.0, 16), np.arange(56.0, 16.0, -2.0), np.arange(16.0, 0.4, -0.6)]
)
_CAP = np.concatenate([[1.0, 0.995, 0.985, 0.97, 0.95, 0.92], np.linspace(0.88, 0.04, 22)])


@dataclass(frozen=True)
class ForearmShape:
    """What varies from wrist to wrist. Lengths in millimetres at scale 1, angles in degrees."""

    inclination: float
    tilt: float
    radial_styloid: float
    hollow: float
    width: float
    thickness: float
    bow: float
    flare: float
    ulnar_variance: float
    ulnar_styloid: float
    ulnar_styloid_width: float
    ulna_turn: float
    ulna_gap: float
    divergence: float
    divergence_lateral: float
    ulna_dorsal: float
    cortex: float
    edge: float
    subchondral: float
    youth: float

    @classmethod
    def drawn(cls, rng: np.random.Generator, maturity: float) -> ForearmShape:
        """Draw a shape; `maturity` runs from 0 (infant: flat ends, no processes) to 1 (adult)."""
        grown = 0.25 + 0.75 * maturity
        return cls(
            inclination=float(np.clip(rng.normal(22.0, 3.0), 14, 30)) * (0.8 + 0.2 * maturity),
            tilt=float(np.clip(rng.normal(8.0, 4.0), -4, 18)) * grown,
            radial_styloid=float(rng.uniform(0.0, 2.5)) * grown,
            hollow=float(rng.uniform(0.75, 1.1)) * grown,
            width=float(rng.normal(0.97, 0.05)),
            thickness=float(rng.normal(1.0 - 0.08 * maturity, 0.06)),
            bow=float(rng.normal(4.5, 2.0)),
            flare=float(rng.normal(1.0, 0.12)),
            # Of the ossified ulna: its epiphysis keeps its cartilage longer than the radius's.
            ulnar_variance=float(rng.normal(-0.7 - 10.0 * maturity**2 * (1.0 - maturity), 1.5)),
            ulnar_styloid=float(np.clip(rng.normal(5.5, 1.6), 1.0, 9.0)) * maturity,
            ulnar_styloid_width=float(rng.uniform(2.3, 3.8)),
            ulna_turn=float(rng.normal(0.0, 16.0)),
            ulna_gap=float(rng.normal(0.4, 0.8)),
            divergence=float(rng.normal(0.0, 2.0) - 7.0 * max(rng.uniform(-2.0, 1.0), 0.0)),
            divergence_lateral=float(rng.normal(1.5, 2.5)),
            # In a true lateral an adult's ulna lies dorsal of the radius's middle.
            ulna_dorsal=float(rng.normal(1.0 + 4.0 * maturity**3, 1.0)),
            cortex=float(rng.uniform(1.9, 3.6)) * (0.6 + 0.4 * maturity),
            edge=float(rng.uniform(1.2, 2.4)),
            subchondral=float(rng.uniform(0.5, 1.1)),
            youth=1.0 - maturity,
        )


def _profile(levels: Array, knots: dict[float, float]) -> Array:
    return np.asarray(PchipInterpolator(list(knots), list(knots.values()))(levels))


def _swept(
    name: str,
    levels: Array,
    edges: tuple[Array, Array, Array, Array],
    power: float,
    taper: Array,
    height: JointSurface,
    edge: float,
    cortex: tuple[float, float],
) -> Bone:
    """Sweep cross-sections from proximal to distal and close them with the joint surface.

    `edges` are the radial, ulnar, volar and dorsal extents at `levels` (mm proximal of the joint);
    """
    radial, ulnar, volar, dorsal = edges
    angle = np.linspace(0.0, 2.0 * np.pi, AROUND, endpoint=False)
    # Seen from distal (against y) with x right, z points up in a counter-clockwise turn reversed.
    cosine, sine = np.cos(angle), -np.sin(angle)
    unit_x = np.sign(cosine) * np.abs(cosine) ** (2.0 / power)
    unit_z = np.sign(sine) * np.abs(sine) ** (2.0 / power)
    centre_x = (radial + ulnar)[:, None] / 2.0
    centre_z = (volar + dorsal)[:, None] / 2.0
    half_x = (radial - ulnar)[:, None] / 2.0
    half_z = (volar - dorsal)[:, None] / 2.0
    x = centre_x + half_x * unit_x
    z = centre_z + half_z * unit_z * (1.0 - taper[:, None] * unit_x)
    follow = np.clip(1.0 - levels / 16.0, 0.0, 1.0)[:, None] ** 1.5
    rim_x, rim_z = x[-1], z[-1]
    rim_height = height(rim_x, rim_z, np.ones(AROUND)) - edge
    y = -levels[:, None] * np.ones(AROUND) + follow * rim_height
    shaft = np.stack([x, y, z], axis=-1)
    middle = np.array([centre_x[-1, 0], centre_z[-1, 0]])
    reach = np.hypot(rim_x - middle[0], rim_z - middle[1])
    cap = []
    for rho in _CAP:
        cx, cz = middle[0] + rho * (rim_x - middle[0]), middle[1] + rho * (rim_z - middle[1])
        q = np.clip(1.0 - (1.0 - rho) * reach / edge, 0.0, 1.0)
        cy = height(cx, cz, np.full(AROUND, rho)) - edge * (1.0 - np.sqrt(1.0 - q**2))
        cap.append(np.stack([cx, cy, cz], axis=-1))
    surface = tube(np.concatenate([shaft, np.array(cap)]))
    level = -surface.vertices[:, 1]
    thick, thin = cortex
    shell = thin + (thick - thin) * np.clip((level - 12.0) / 36.0, 0.0, 1.0) ** 0.9
    shell += 0.6 * np.clip(-level / 3.0, 0.0, 1.0)  # a process is cortical to its tip
    filling = 1.0 - 0.95 * np.clip((level - 14.0) / 40.0, 0.0, 1.0) ** 0.7
    return shelled(name, surface, shell, filling)


LEVELS = np.concatenate([_SHAFT_LEVELS, [0.0]])


def make_radius(shape: ForearmShape) -> Bone:
    """The radius, its joint surface near y = 0."""
    s, w, t, f = LEVELS, shape.width, shape.thickness, shape.flare
    bow = shape.bow * np.sin(np.pi * np.clip((s - 20.0) / 210.0, 0.0, 1.0))
    bow = bow + np.tan(np.radians(shape.divergence)) * np.maximum(s - 25.0, 0.0)
    y = 1.2 * shape.youth
    radial = _profile(
        s,
        {0: 14.3, 1.5: 15.4, 4: 16.3, 8: 16.6, 12: 16.0, 22: 13.8 - y, 32: 12.8 - y, 50: 12.3 - y,
         80: 12.6 - y, 600: 13.0 - y},
    )  # fmt: skip
    ulnar = _profile(
        s,
        {0: -11.7, 4: -11.4, 9: -9.6 * f, 18: -5.8 * f + y, 28: -2.7 + y, 40: -1.4 + y,
         60: -1.0 + y, 600: -1.0 + y},
    )  # fmt: skip
    volar = _profile(s, {0: 9.5, 4: 10.0, 9: 9.0, 16: 6.6, 26: 5.4, 40: 5.6, 80: 6.2, 600: 6.5})
    dorsal = _profile(
        s, {0: -9, 5: -10, 10: -10.2, 18: -9.0, 28: -7.3, 45: -6.3, 80: -6.0, 600: -6.5}
    )
    # The processes' width hangs on the same point as the carpals, which keep their own width.
    radial, ulnar = 3.0 + (radial - 3.0) * w + bow, 3.0 + (ulnar - 3.0) * w + bow
    taper = 0.28 * np.clip(1.0 - s / 25.0, 0.0, 1.0)
    slope = np.tan(np.radians(shape.inclination))
    tilt = np.tan(np.radians(shape.tilt))
    across = slope - 0.13
    tip = radial[-1]

    def height(x: Array, z: Array, rho: Array) -> Array:
        # Fitted to the proximal surfaces of lunate and scaphoid: nearly level under the lunate,
        # climbing under the scaphoid to the styloid, hollow from dorsal to volar.
        plane = across * x + shape.hollow * (0.02 * x**2 + 0.03 * z**2) - tilt * z
        process = shape.radial_styloid * np.exp(-(((x - tip) / 6.0) ** 2) - (z / 7.0) ** 2)
        return plane + process

    return _swept(
        "radius",
        s,
        (radial, ulnar, volar * t, dorsal * t),
        2.4,
        taper,
        height,
        shape.edge,
        (shape.cortex, shape.subchondral),
    )


def make_ulna(shape: ForearmShape) -> Bone:
    """The ulna beside the radius, turned about its own axis by the forearm's rotation."""
    s, t = LEVELS, shape.thickness
    y = shape.youth
    half = _profile(
        s,
        {0: 6.2, 4: 7.5 + 0.8 * y, 8: 7.3 + 0.8 * y, 14: 6.1, 22: 5.0 - 0.2 * y, 40: 5.0 - 0.5 * y,
         80: 5.7 - 1.0 * y, 140: 6.3 - 1.1 * y, 600: 7.0 - 1.1 * y},
    )  # fmt: skip
    # The ulnar border runs straight up to the styloid: the head bulges toward the radius.
    aside = -1.6 * np.clip((s - 4.0) / 18.0, 0.0, 1.0)
    turn = np.radians(shape.ulna_turn)
    # Direction of the styloid in the (x, z) plane: ulnar and a little dorsal when not turned.
    toward = np.array([-np.cos(turn + 0.35), -np.sin(turn + 0.35)])
    place = 0.78 * half[-1] * toward
    radius = shape.ulnar_styloid_width

    def height(x: Array, z: Array, rho: Array) -> Array:
        away = np.hypot(x - place[0], z - place[1]) / radius
        return 1.6 * (1.0 - rho**2) + (shape.ulnar_styloid + 0.5) * np.exp(-(away**3.5))

    bone = _swept(
        "ulna",
        s,
        (half + aside, -half + aside, half * t, -half * t),
        2.1,
        np.zeros_like(s),
        height,
        shape.edge,
        (shape.cortex, shape.subchondral),
    )
    radial_edge = 3.0 - 14.6 * shape.width * (0.5 + 0.5 * shape.flare)
    across = radial_edge - shape.ulna_gap - 7.5
    lateral = np.tan(np.radians(shape.divergence_lateral))

    def beside(points: Array) -> Array:
        proximal = np.maximum(-points[:, 1] - 15.0, 0.0)
        shift = np.stack(
            [
                across + 0.0 * proximal,
                np.full(len(points), shape.ulnar_variance - 3.2),
                lateral * proximal - shape.ulna_dorsal,
            ],
            axis=-1,
        )
        return points + shift

    return bone.moved(beside)
