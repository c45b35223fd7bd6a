"""Fractures of the distal forearm: a lucent or impacted line, and a displaced distal part.

Wrist frame of a right hand at scale 1, millimetres, degrees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from training.simulate.anatomy import Bone
from training.simulate.growth import cut_off
from training.simulate.pose import rotation
from training.simulate.surfaces import Array, Surface

_AXIS = np.array([0.0, 1.0, 0.0])


@dataclass(frozen=True)
class Fracture:
    """One transverse fracture of the radius, or of both bones at one level.

    Attributes
    ----------
    level
        Distance from the joint, mm.
    tilt, deviation
        Palmar and ulnar angulation of the distal part.
    shift
        Displacement of the distal part, (3,).
    gap
        Width of the line; negative where the parts are impacted.
    slope, jag
        Obliqueness, and the unevenness of the broken ends in mm.
    bulge
        Share by which the cortex buckles outward.
    both
        Whether the ulna is broken too.
    """

    level: float
    tilt: float
    deviation: float
    shift: tuple[float, float, float]
    gap: float
    slope: tuple[float, float]
    jag: float
    bulge: float
    both: bool
    phase: float

    @classmethod
    def drawn(cls, rng: np.random.Generator, child: bool) -> Fracture:
        """Draw a Colles-, Smith- or greenstick-like fracture; children's are milder, higher up."""
        return cls(
            level=float(rng.uniform(24.0, 60.0) if child else rng.uniform(16.0, 32.0)),
            tilt=float(rng.normal(-6.0, 9.0)),
            deviation=float(rng.normal(0.0, 4.0)),
            shift=(float(rng.normal(0.0, 1.2)), -float(rng.exponential(0.8)),
                   float(rng.normal(-0.8, 1.8))),
            gap=float(rng.uniform(-1.5, 1.0)),
            slope=(float(rng.normal(0.0, 0.2)), float(rng.normal(0.0, 0.25))),
            jag=float(rng.uniform(0.2, 0.9)),
            bulge=float(rng.uniform(0.0, 0.14)) if child else 0.0,
            both=bool(rng.random() < (0.4 if child else 0.05)),
            phase=float(rng.uniform(0.0, 2.0 * np.pi)),
        )  # fmt: skip

    def displaced(self, points: Array) -> Array:
        """Points of the distal part, moved."""
        pivot = np.array([4.0, -self.level, 0.0])
        turn = rotation(0, self.tilt) @ rotation(2, self.deviation)
        return np.asarray((points - pivot) @ turn.T + pivot + np.array(self.shift))

    def eased(self, points: Array, reach: float) -> Array:
        """Points moved the more, the further distal of the fracture: 0.01 mm for a step."""
        share = np.clip((points[:, 1] + self.level) / reach + 0.5, 0.0, 1.0)[:, None]
        return np.asarray(points + share * (self.displaced(points) - points))

    def broken(self, bone: Bone) -> list[Bone]:
        """Proximal and distal part of a radius or ulna; an epiphysis just moves along."""
        if bone.name.endswith("_epiphysis"):
            return [bone.moved(self.displaced)]
        bone = bone.moved(self._buckled)

        def half(surface: Surface, proximal: bool) -> Surface:
            return cut_off(surface, _along, _AXIS, self._line, proximal, self.gap / 2.0)

        parts = [
            replace(bone, outer=half(bone.outer, proximal), inner=half(bone.inner, proximal))
            for proximal in (True, False)
        ]
        return [parts[0], parts[1].moved(self.displaced)]

    def _line(self, points: Array) -> Array:
        x, z = points[:, 0], points[:, 2]
        uneven = np.sin(1.1 * x + self.phase) + np.sin(1.7 * z - self.phase) + np.sin(2.3 * (x + z))
        return np.asarray(
            -self.level + self.slope[0] * (x - 4.0) + self.slope[1] * z + self.jag * uneven / 1.5
        )

    def _buckled(self, points: Array) -> Array:
        near = np.exp(-(((points[:, 1] + self.level) / 3.0) ** 2))
        level = np.abs(points[:, 1] + self.level) < 6.0
        middle = points[level].mean(axis=0)
        grown = 1.0 + self.bulge * near[:, None]
        moved = middle + (points - middle) * grown
        moved[:, 1] = points[:, 1]
        return np.asarray(moved)


def _along(points: Array) -> Array:
    return np.asarray(points[:, 1])
