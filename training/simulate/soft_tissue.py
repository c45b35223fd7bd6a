"""Skin and muscle: swept envelopes of forearm, palm and digits.

Wrist frame of a right hand at scale 1, millimetres.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from training.simulate.pose import Pose, wrist_motion
from training.simulate.surfaces import Array, Surface, tube

AROUND = 40


@dataclass(frozen=True)
class Build:
    """How stout the arm is: factors on the outline, and the fat layer's thickness in mm."""

    width: float
    depth: float
    taper: float
    fat: float

    @classmethod
    def drawn(cls, rng: np.random.Generator, maturity: float) -> Build:
        chubby = 1.0 + 0.14 * (1.0 - maturity)
        return cls(
            width=float(rng.normal(1.02, 0.07)) * chubby,
            depth=float(rng.normal(1.0, 0.09)) * chubby,
            taper=float(rng.uniform(0.7, 1.3)),
            fat=float(rng.uniform(1.0, 5.0)),
        )


# Half-width in x, middle in x, volar and dorsal extent, by level y.
_LEVELS = np.array([-600.0, -250, -180, -120, -80, -50, -25, -5, 10, 25, 45, 70, 80, 90, 98, 104])
_HALF_X = np.array([52.0, 47, 44, 39, 34.5, 31, 29, 28.5, 29, 31, 32, 32.5, 32, 31, 29, 26])
_MIDDLE_X = np.array([-3.0, -3, -3, -3, -3, -3, -3, -3, -3, -3, -4, -6, -6, -6, -5, -4])
_VOLAR = np.array([40.0, 36, 33, 28, 24, 21, 19, 18, 19, 21, 19, 14, 9, 3, -3, -7])
_DORSAL = np.array(
    [-36, -32, -29, -25, -22, -19.5, -18, -17, -17, -18, -19, -20, -19, -16, -12, -9]
)


def body(build: Build, pose: Pose, inset: float = 0.0) -> Surface:
    """Forearm and palm as one closed surface, `inset` millimetres inside the skin."""
    levels = np.concatenate([np.linspace(-600, -130, 12), np.linspace(-120, 84, 52),
                             np.linspace(87, 104, 9)])  # fmt: skip
    half, middle, volar, dorsal = (
        PchipInterpolator(_LEVELS, values)(levels)
        for values in (_HALF_X, _MIDDLE_X, _VOLAR, _DORSAL)
    )
    wide = build.width * (1.0 + (build.taper - 1.0) * np.clip(-levels / 400.0, 0.0, 0.6))
    deep = build.depth * (1.0 + (build.taper - 1.0) * np.clip(-levels / 400.0, 0.0, 0.6))
    half = np.maximum(half * wide - inset, 1.0)
    volar, dorsal = volar * deep - inset, dorsal * deep + inset
    volar = np.maximum(volar, dorsal + 1.0)
    angle = np.linspace(0.0, 2.0 * np.pi, AROUND, endpoint=False)
    cosine, sine = np.cos(angle), -np.sin(angle)
    unit_x = np.sign(cosine) * np.abs(cosine) ** 0.9
    unit_z = np.sign(sine) * np.abs(sine) ** 0.9
    rings = np.empty((len(levels), AROUND, 3))
    rings[..., 0] = middle[:, None] + half[:, None] * unit_x
    rings[..., 1] = levels[:, None]
    rings[..., 2] = (volar + dorsal)[:, None] / 2.0 + (volar - dorsal)[:, None] / 2.0 * unit_z
    for index, level in enumerate(levels):
        share = float(np.clip((level - 2.0) / 22.0, 0.0, 1.0))
        carried = float(np.clip((level + 14.0) / 16.0, 0.0, 1.0))
        rings[index] = wrist_motion(
            rings[index], pose.flexion * carried, pose.deviation * carried, share
        )
    return tube(rings)


def digit(path: Array, radii: Array) -> Surface:
    """A round tube along `path` (n, 3) with the given radii, closed in domes."""
    steps = np.linspace(0.0, 1.0, len(path))
    fine = np.linspace(0.0, 1.0, 28)
    line = np.stack([PchipInterpolator(steps, path[:, i])(fine) for i in range(3)], axis=-1)
    radius = PchipInterpolator(steps, radii)(fine)
    tangent = np.gradient(line, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    rise = np.linspace(0.15, 0.99, 8)
    shrink = np.sqrt(1.0 - rise**2)
    first = line[0] - rise[::-1, None] * radius[0] * tangent[0]
    last = line[-1] + rise[:, None] * radius[-1] * tangent[-1]
    line = np.vstack([first, line, last])
    radius = np.concatenate([radius[0] * shrink[::-1], radius, radius[-1] * shrink])
    tangent = np.vstack([np.repeat(tangent[:1], 8, 0), tangent, np.repeat(tangent[-1:], 8, 0)])
    # One fixed reference keeps the rings from twisting; digits never point along it.
    side = np.cross(np.array([0.25, 0.1, 1.0]), tangent)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(tangent, side)
    angle = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    ring = (
        line[:, None, :]
        + radius[:, None, None] * np.cos(angle)[None, :, None] * side[:, None, :]
        + radius[:, None, None] * np.sin(angle)[None, :, None] * other[:, None, :]
    )
    return tube(ring)
