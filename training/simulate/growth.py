"""How a wrist's bones ossify: size, missing and small carpals, open growth plates, epiphyses.

Ages of appearance are the textbook ones (Greulich and Pyle; Gilsanz and Ratib), drawn with scatter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from training.simulate.anatomy import Bone
from training.simulate.surfaces import Array, Surface

ADULT = 18.0

_CARPAL_ONSET = {
    "capitate": 0.3,
    "hamate": 0.4,
    "triquetrum": 2.4,
    "lunate": 3.8,
    "trapezium": 5.0,
    "trapezoid": 5.2,
    "scaphoid": 5.0,
    "pisiform": 9.5,
}
_EPIPHYSIS_ONSET = {"radius": 1.1, "ulna": 6.2, "metacarpal": 2.2, "phalanx": 1.9}
_CARPALS_FULL = 13.0
_FUSION = {"radius": 16.8, "ulna": 16.5, "metacarpal": 15.3, "phalanx": 15.0}
_HEIGHT = ([0.5, 1, 2, 3, 5, 7, 9, 11, 13, 15, 17], [0.38, 0.43, 0.5, 0.55, 0.63, 0.71, 0.78, 0.84,
                                                    0.92, 0.98, 1.0])  # fmt: skip


def draw_age(rng: np.random.Generator, share_of_children: float = 0.4) -> float:
    """Age in years; `ADULT` stands for every age with closed growth plates."""
    if rng.random() >= share_of_children:
        return ADULT
    return float(rng.uniform(1.0, 17.0))


def age_group(age: float) -> str:
    """Name of the age group, for `Projection.factors`."""
    groups = {"toddler": 3.0, "preschool": 6.0, "child": 11.0, "adolescent": 17.0}
    return next((name for name, limit in groups.items() if age < limit), "adult")


def size(age: float) -> float:
    """Length relative to an adult's."""
    return float(np.interp(age, *_HEIGHT))


def maturity(age: float) -> float:
    """From 0 (infant) to 1 (adult): how far the ends of the bones have their final shape."""
    return float(np.clip((age - 1.0) / 14.0, 0.0, 1.0))


class Ossification:
    """What is ossified in one wrist. Draws nothing after its construction.

    Parameters
    ----------
    rng
        Scatter of this child's ages of appearance.
    age
        Years.
    """

    def __init__(self, rng: np.random.Generator, age: float) -> None:
        self.age = age
        scatter = rng.normal(0.0, 0.12)
        self._carpals = {
            name: onset * np.exp(scatter + rng.normal(0.0, 0.1))
            for name, onset in _CARPAL_ONSET.items()
        }
        self._epiphyses = {
            name: onset * np.exp(scatter + rng.normal(0.0, 0.05))
            for name, onset in _EPIPHYSIS_ONSET.items()
        }
        self._fusion = {name: year + scatter * 5.0 for name, year in _FUSION.items()}
        self._gap = rng.uniform(0.85, 1.3)
        self._thickness = rng.uniform(0.85, 1.15)
        self._dome = rng.uniform(0.05, 0.22)
        self._waves = rng.normal(0.0, 0.2, 3), rng.uniform(0.0, 2.0 * np.pi, 3)
        self.radial_physis_slope = float(rng.normal(0.1, 0.05))

    def has(self, carpal: str) -> bool:
        """Whether any of the carpal's cartilage has turned to bone."""
        return bool(self.age > self._carpals[carpal])

    def has_epiphysis(self, kind: str) -> bool:
        """Whether `kind` ("radius", "ulna", "metacarpal", "phalanx") has a visible epiphysis."""
        return bool(self.age > self._epiphyses[kind])

    def open(self, kind: str) -> bool:
        """Whether the growth plate of `kind` is open."""
        return bool(self.age < self._fusion[kind])

    def carpal(self, bone: Bone) -> list[Bone]:
        """The ossified part of a carpal: nothing, a round kernel, or nearly the whole bone."""
        onset = self._carpals[bone.name]
        grown = (self.age - onset) / (_CARPALS_FULL - onset)
        if grown <= 0.0:
            return []
        if grown >= 1.0:
            return [bone]
        share = 0.4 + 0.6 * grown**0.6
        return [_rounded(bone, share, 0.9 * (1.0 - grown))]

    def long_bone(
        self,
        bone: Bone,
        kind: str,
        along: Callable[[Array], Array],
        axis: Array,
        level: Callable[[Array], Array],
        distal: bool = True,
    ) -> list[Bone]:
        """Metaphysis and shaft, and the epiphysis where it is ossified.

        Parameters
        ----------
        bone
            The whole bone, as if grown up.
        kind
            As for `has_epiphysis`.
        along
            Coordinate of points along the bone's axis, mm.
        axis
            Unit vector of the axis, to distal.
        level
            Coordinate of the growth plate's middle at the points.
        distal
            Whether the epiphysis lies at the distal end.
        """
        if not self.open(kind):
            return [bone]
        left = float(np.clip((self._fusion[kind] - self.age) / 10.0, 0.0, 1.0))
        gap = (0.5 + 1.3 * left) * self._gap
        sign = 1.0 if distal else -1.0

        # A young metaphysis ends in a low dome with rounded corners, an older one nearly flat.
        start = bone.outer.vertices
        middle = start[np.abs(along(start) - level(start)) < 2.5].mean(axis=0)
        reach = np.ptp(_across(start[np.abs(along(start) - level(start)) < 2.5], axis)) / 2.0
        dome = self._dome * (0.25 + 0.75 * left) * reach

        def plate(points: Array) -> Array:
            off = np.linalg.norm(_across(points - middle, axis), axis=1) / reach
            return level(points) + sign * (
                self._wavy(points, axis) - dome * np.minimum(off, 1.3) ** 3
            )

        def cut(surface: Surface, keep_shaft: bool, margin: float) -> Surface:
            keep_proximal = keep_shaft == distal
            return cut_off(surface, along, axis, plate, keep_proximal, gap / 2.0 + margin)

        shaft = Bone(
            bone.name, cut(bone.outer, True, 0.0), cut(bone.inner, True, 0.6), bone.trabecular
        )
        if not self.has_epiphysis(kind):
            return [shaft]
        end = Bone(
            f"{bone.name}_epiphysis",
            cut(bone.outer, False, 0.0),
            cut(bone.inner, False, 0.45),
            bone.trabecular,
        )
        onset = self._epiphyses[kind]
        grown = float(np.clip((self.age - onset) / (11.0 - onset), 0.0, 1.0))
        share = 0.45 + 0.53 * grown**0.55
        return [shaft, _rounded(end, share, 0.1 + 0.4 * (1.0 - grown))]

    def _wavy(self, points: Array, axis: Array) -> Array:
        amplitude, phase = self._waves
        across = _across(points, axis)
        return np.asarray(
            amplitude[0] * np.sin(across[:, 0] / 3.0 + phase[0])
            + amplitude[1] * np.sin(across[:, 2] / 3.0 + phase[1])
            + amplitude[2] * np.sin((across[:, 0] + across[:, 2]) / 2.0 + phase[2])
        )


def _across(points: Array, axis: Array) -> Array:
    """The points' components across the axis."""
    return np.asarray(points - (points @ axis)[:, None] * axis)


def cut_off(
    surface: Surface,
    along: Callable[[Array], Array],
    axis: Array,
    level: Callable[[Array], Array],
    keep_proximal: bool,
    margin: float,
) -> Surface:
    """Flatten what lies beyond a level onto it: a closed surface stays closed.

    Parameters
    ----------
    surface
        Surface to cut; points keep their numbers.
    along
        Coordinate of points along `axis`, mm.
    axis
        Unit vector of the bone's axis, to distal.
    level
        Coordinate of the cut at the points; it may be uneven.
    keep_proximal
        Which side stays.
    margin
        How far from the cut the kept part ends, mm.
    """
    sign = 1.0 if keep_proximal else -1.0
    points = surface.vertices
    position, plate = sign * along(points), sign * level(points)
    middle = points[np.abs(position - plate) < 3.0].mean(axis=0)
    # What is cut away is also drawn in, so that it stays within the cut's own outline.
    beyond = np.maximum(position - plate, 0.0)
    across = _across(points - middle, axis)
    points = points - (1.0 - np.exp(-((beyond / 4.0) ** 2)))[:, None] * across
    moved = np.minimum(sign * along(points), sign * level(points) - margin)
    change = sign * (moved - sign * along(points))
    return replace(surface, vertices=points + change[:, None] * axis)


def _rounded(bone: Bone, share: float, roundness: float) -> Bone:
    """The bone shrunk to `share` about its middle and drawn toward an ellipsoid."""
    outer = bone.outer.vertices
    used = outer[np.unique(bone.outer.faces)]
    centre = (used.min(axis=0) + used.max(axis=0)) / 2.0
    half = np.maximum((used.max(axis=0) - used.min(axis=0)) / 2.0, 1e-6)
    distance = np.maximum(np.linalg.norm((outer - centre) / half, axis=1), 0.05)
    factor = share * ((1.0 - roundness) + roundness * 0.92 / distance)[:, None]
    return replace(
        bone,
        outer=replace(bone.outer, vertices=centre + factor * (outer - centre)),
        inner=replace(bone.inner, vertices=centre + factor * (bone.inner.vertices - centre)),
    )
