"""Bones of the hand, from the MyoSuite arm model (package myo-sim, Apache-2.0).

Everything is in the *wrist frame of a right hand*, millimetres: x radial, y distal, z volar,
origin at the proximal surface of the lunate and scaphoid. The frame is right-handed; a left hand is
the mirrored right one.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from training.simulate.surfaces import Array, Surface, closed

CARPALS_PROXIMAL = ("scaphoid", "lunate", "triquetrum", "pisiform")
CARPALS_DISTAL = ("trapezium", "trapezoid", "capitate", "hamate")
METACARPALS = tuple(f"metacarpal_{i}" for i in range(1, 6))
PHALANGES = tuple(
    f"{segment}_phalanx_{i}"
    for i in range(1, 6)
    for segment in (("proximal", "distal") if i == 1 else ("proximal", "middle", "distal"))
)
HAND_BONES = CARPALS_PROXIMAL + CARPALS_DISTAL + METACARPALS + PHALANGES

# The wrist frame in the model's world frame (axes as rows, origin in mm). The model at rest holds
# its hand 22 degrees off a true lateral, judged by the metacarpals' plane and the pisiform, whose
# volar margin then lies midway between those of scaphoid and capitate (scaphopisocapitate sign).
_TURN = np.radians(22.0)
_TO_WRIST = np.array(
    [
        [-np.sin(_TURN), 0.0, np.cos(_TURN)],
        [0.0, -1.0, 0.0],
        [np.cos(_TURN), 0.0, np.sin(_TURN)],
    ]
)
_ORIGIN = np.array([-199.8, -440.0, 1499.0])


@dataclass(frozen=True)
class Bone:
    """One bone (or one separately ossified part): shell, and what fills it.

    Attributes
    ----------
    name
        One of `HAND_BONES`, "radius" or "ulna", with ``"_epiphysis"`` for a separate epiphysis.
    outer
        Periosteal surface.
    inner
        Endosteal surface: the same triangles, moved inward by the thickness of the cortex.
    trabecular
        (n,) density of the trabecular bone at the inner vertices; 1 in the ends of a bone, near 0
        in a medullary canal.
    """

    name: str
    outer: Surface
    inner: Surface
    trabecular: Array

    def moved(self, transform: Callable[[Array], Array]) -> Bone:
        return replace(self, outer=self.outer.moved(transform), inner=self.inner.moved(transform))


def shelled(name: str, outer: Surface, cortex: Array, trabecular: Array) -> Bone:
    """A bone whose cortex is `cortex` millimetres thick at each vertex."""
    inner = replace(outer, vertices=outer.vertices - cortex[:, None] * outer.normals())
    return Bone(name, outer, inner, trabecular)


@dataclass(frozen=True)
class HandModel:
    """The bones in their own frames and the joints that place them."""

    model: Any
    geometries: Mapping[str, int]
    surfaces: Mapping[str, Surface]
    axes: Mapping[str, tuple[Array, Array, float, float]]
    """Long axis of each bone: centre, direction to distal, and the ends' coordinates along it."""

    def placed(self, joints: Mapping[str, float]) -> dict[str, tuple[Array, Array]]:
        """Rotation (3, 3) and translation (3,) of each bone into the wrist frame.

        Parameters
        ----------
        joints
            Angles in radians by the model's joint names; others are at rest.
        """
        import mujoco

        data = mujoco.MjData(self.model)
        for name, angle in joints.items():
            data.qpos[self.model.jnt_qposadr[self.model.joint(f"{name}_r").id]] = angle
        mujoco.mj_kinematics(self.model, data)
        return {
            name: (
                _TO_WRIST @ data.geom_xmat[number].reshape(3, 3),
                _TO_WRIST @ (data.geom_xpos[number] * 1000.0 - _ORIGIN),
            )
            for name, number in self.geometries.items()
        }


def _mesh_name(bone: str) -> str:
    stem, _, digit = bone.rpartition("_")
    if stem == "metacarpal":
        return f"{digit}mc"
    if digit == "1":
        return {"proximal_phalanx": "thumbprox", "distal_phalanx": "thumbdist"}[stem]
    if stem.endswith("phalanx"):
        return (
            digit
            + {"proximal": "proxph", "middle": "midph", "distal": "distph"}[stem.split("_")[0]]
        )
    return bone


@cache
def hand_model() -> HandModel:
    """Load the bones once per process."""
    import myo_sim

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = myo_sim.load_model("myohand")
    numbers = {}
    for number in range(model.ngeom):
        if model.geom_type[number] == 7:  # a mesh
            name = model.mesh(model.geom_dataid[number]).name.removesuffix("_r")
            numbers[name] = number
    geometries = {bone: numbers[_mesh_name(bone)] for bone in HAND_BONES}
    surfaces, axes = {}, {}
    for bone, number in geometries.items():
        mesh = model.geom_dataid[number]
        start, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
        vertices = model.mesh_vert[start : start + count].astype(float) * 1000.0
        start, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
        faces = model.mesh_face[start : start + count].astype(np.int64)
        surfaces[bone] = closed(vertices, faces)
    rest = HandModel(model, geometries, surfaces, {}).placed({})
    for bone, surface in surfaces.items():
        vertices = surface.vertices
        centre = (vertices.min(axis=0) + vertices.max(axis=0)) / 2.0
        direction = np.linalg.svd(vertices - vertices.mean(axis=0), full_matrices=False)[2][0]
        if (rest[bone][0] @ direction)[1] < 0:
            direction = -direction
        along = (vertices - centre) @ direction
        axes[bone] = (centre, direction, float(along.min()), float(along.max()))
    return HandModel(model, geometries, surfaces, axes)
