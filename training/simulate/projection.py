"""Line integrals of bone and soft tissue through a wrist, with the keypoints as projected.

The beam diverges from a focal spot above the hand; lengths are millimetres at the wrist's plane.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from training.simulate import growth
from training.simulate.pose import Pose, draw_pose, rotation
from training.simulate.surfaces import Array, Surface, add_path_lengths
from training.simulate.wrist import Wrist, build_wrist, shaft_rings
from WristQCLib.findings import Side, View

FIELD_MM = (290.0, 360.0)
"""Width and height of the projected region."""
WRIST_MM = (145.0, 190.0)
"""Where the wrist frame's origin falls in it, from the left and top borders."""

# Linear attenuation at the effective energy of a 50-60 kV beam (about 35 keV), per mm:
# Hubbell and Seltzer, NIST X-ray mass attenuation coefficients, rounded; trabecular bone as marrow
# with a tenth to a quarter of its volume mineralised.
MU_CORTICAL = 0.095
MU_TRABECULAR = 0.023
MU_MARROW = 0.026
MU_MUSCLE = 0.030
MU_FAT = 0.024


@dataclass(frozen=True)
class Projection:
    """One projected wrist.

    Attributes
    ----------
    view, side
        View and side of the body.
    spacing
        Millimetres per pixel at the wrist's plane, the same in both directions.
    bone, soft
        (rows, columns) float32 line integrals of the attenuation, dimensionless.
    keypoints
        (x, y) in pixels, centres at integers, of the view's keypoints but for the two proximal
        centres, which depend on the exposed field. They may lie outside the array.
    midlines
        "radius" and "ulna": (n, 2) midpoints between the outer cortices as projected, distal to
        proximal, in pixels.
    factors
        What was drawn.
    """

    view: View
    side: Side
    spacing: float
    bone: NDArray[np.float32]
    soft: NDArray[np.float32]
    keypoints: dict[str, tuple[float, float]]
    midlines: dict[str, Array]
    factors: dict[str, float | str | bool]


@dataclass(frozen=True)
class Camera:
    """From the wrist frame (mm) to the array's pixels and depth toward the focal spot (mm).

    A frontal is seen from the dorsal side, a lateral from the radial side: a right thumb is at the
    left in both.
    """

    spacing: float
    turn: float
    lean: float
    focus: tuple[float, float]
    distance: float

    def __call__(self, points: Array) -> Array:
        points = points @ rotation(0, self.lean).T
        c, s = np.cos(np.radians(self.turn)), np.sin(np.radians(self.turn))
        across = -(points[:, 0] * c + points[:, 2] * s)
        depth = -points[:, 2] * c + points[:, 0] * s
        grown = self.distance / (self.distance - depth)
        x = self.focus[0] + (across - self.focus[0]) * grown
        y = self.focus[1] + (-points[:, 1] - self.focus[1]) * grown
        return np.stack(
            [
                (x + WRIST_MM[0]) / self.spacing - 0.5,
                (y + WRIST_MM[1]) / self.spacing - 0.5,
                depth,
            ],
            axis=-1,
        )


def project_wrist(
    rng: np.random.Generator,
    view: View,
    *,
    spacing: float = 0.4,
    side: Side | None = None,
    age: float | None = None,
    pose: Pose | None = None,
) -> Projection:
    """Draw a wrist and project it.

    Parameters
    ----------
    rng
        The only source of chance: the same state gives the same projection.
    view
        View to draw, with its usual errors of positioning.
    spacing
        Millimetres per pixel.
    side, age, pose
        Given instead of drawn. Another side leaves everything else as it would be.
    """
    drawn_side = Side.LEFT if rng.random() < 0.5 else Side.RIGHT
    drawn_age = growth.draw_age(rng)
    side = drawn_side if side is None else side
    age = drawn_age if age is None else age
    drawn_pose = draw_pose(rng, view)
    pose = drawn_pose if pose is None else pose
    camera = Camera(
        spacing,
        pose.turn,
        pose.lean,
        (float(rng.normal(0.0, 25.0)), float(rng.normal(0.0, 30.0))),
        float(rng.uniform(900.0, 1300.0)),
    )
    wrist = build_wrist(rng, age, pose)
    shape = (round(FIELD_MM[1] / spacing), round(FIELD_MM[0] / spacing))
    bone, displaced = _bone_integral(rng, wrist, camera, shape)
    soft = _soft_integral(rng, wrist, camera, shape, displaced)
    points = _keypoints(wrist, camera, view, shape)
    midlines = {
        name: _midline(surface, camera)
        for name, surface in (("radius", wrist.radius), ("ulna", wrist.ulna))
    }
    factors = wrist.factors | _pose_factors(pose, view)
    if side is Side.LEFT:
        last = shape[1] - 1.0
        bone, soft = bone[:, ::-1], soft[:, ::-1]
        points = {name: (last - x, y) for name, (x, y) in points.items()}
        midlines = {
            name: np.column_stack([last - line[:, 0], line[:, 1]])
            for name, line in midlines.items()
        }
    return Projection(
        view,
        side,
        spacing,
        np.ascontiguousarray(bone, dtype=np.float32),
        np.ascontiguousarray(soft, dtype=np.float32),
        points,
        midlines,
        factors,
    )


def _pose_factors(pose: Pose, view: View) -> dict[str, float | str | bool]:
    return {
        "pronation_deg": round(pose.turn - (90.0 if view is View.LATERAL else 0.0), 1),
        "lean_deg": round(pose.lean, 1),
        "flexion_deg": round(pose.flexion, 1),
        "deviation_deg": round(pose.deviation, 1),
        "implant": False,
    }


def _bone_integral(
    rng: np.random.Generator, wrist: Wrist, camera: Camera, shape: tuple[int, int]
) -> tuple[Array, Array]:
    """Attenuation by bone, and the path length (mm) on which bone displaces soft tissue."""
    outer, inner, trabecular = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for bone in wrist.bones:
        seen, inside = bone.outer.moved(camera), bone.inner.moved(camera)
        middle = inside.vertices[:, 2].mean()
        inside.vertices[:, 2] -= middle
        add_path_lengths(outer, seen)
        add_path_lengths(inner, inside)
        add_path_lengths(trabecular, inside, bone.trabecular)
    outer, inner = np.maximum(outer, 0.0), np.maximum(inner, 0.0)
    inner = np.minimum(inner, outer)
    trabecular = np.clip(trabecular, 0.0, inner)
    density = float(rng.uniform(0.75, 1.2))
    texture = 1.0 + float(rng.uniform(0.05, 0.22)) * _trabeculae(rng, shape, camera.spacing)
    total = (
        MU_CORTICAL * density * (outer - inner)
        + MU_MARROW * inner
        + MU_TRABECULAR * density * trabecular * texture
    )
    return total, outer


def _trabeculae(rng: np.random.Generator, shape: tuple[int, int], spacing: float) -> Array:
    """Correlated noise of unit variance, drawn out along the forearm as trabeculae are."""
    noise = np.zeros(shape)
    for along, across, weight in ((0.7, 0.2, 1.0), (0.3, 0.3, 0.8), (2.0, 1.5, 0.25)):
        octave = gaussian_filter(
            rng.standard_normal(shape, dtype=np.float32), (along / spacing, across / spacing)
        )
        noise += weight * octave / octave.std()
    return np.asarray(noise / noise.std())


def _soft_integral(
    rng: np.random.Generator,
    wrist: Wrist,
    camera: Camera,
    shape: tuple[int, int],
    displaced: Array,
) -> Array:
    """Attenuation by skin, fat and muscle around the bones."""
    skin = _united(wrist.skin, camera, shape)
    muscle = np.minimum(_united(wrist.muscle, camera, shape), skin)
    blotches = gaussian_filter(
        rng.standard_normal((shape[0] // 8, shape[1] // 8)), (40 / camera.spacing / 8 / 2, 1.2)
    )
    rows = np.linspace(0, blotches.shape[0] - 1, shape[0]).astype(int)
    columns = np.linspace(0, blotches.shape[1] - 1, shape[1]).astype(int)
    blotches = gaussian_filter(blotches[np.ix_(rows, columns)] / blotches.std(), 4.0)
    total = MU_FAT * (skin - muscle) + MU_MUSCLE * muscle * (1.0 + 0.03 * blotches)
    free = np.clip(1.0 - displaced / np.maximum(skin, 1.0), 0.0, 1.0)
    return np.asarray(total * free)


def _united(surfaces: tuple[Surface, ...], camera: Camera, shape: tuple[int, int]) -> Array:
    """Path length (mm) through forearm, palm and digits, which merge where they overlap."""
    body, digits = np.zeros(shape), np.zeros(shape)
    add_path_lengths(body, surfaces[0].moved(camera))
    for surface in surfaces[1:]:
        add_path_lengths(digits, surface.moved(camera))
    merged = np.cbrt(np.maximum(body, 0.0) ** 3 + np.maximum(digits, 0.0) ** 3)
    return np.asarray(gaussian_filter(merged, 0.6 / camera.spacing))


def _keypoints(
    wrist: Wrist, camera: Camera, view: View, shape: tuple[int, int]
) -> dict[str, tuple[float, float]]:
    if view is View.FRONTAL:
        joint = camera(wrist.thumb_joint[None])[0]
        return {
            "thumb_mcp_joint": (float(joint[0]), float(joint[1])),
            "radial_styloid": _styloid(wrist, "radius", camera),
            "ulnar_styloid": _styloid(wrist, "ulna", camera),
        }
    return {
        "scaphoid_centre": _silhouette_centroid(wrist.scaphoid, camera, shape),
        "distal_radius_centre": _distal_centre(wrist.radius, wrist.radius_joint, camera),
        "distal_ulna_centre": _distal_centre(wrist.ulna, wrist.ulna_joint, camera),
    }


def _styloid(wrist: Wrist, bone: str, camera: Camera) -> tuple[float, float]:
    """Most distal point of the process as projected, or the most distal corner on that side.

    A corner is where the outline's tangent slopes by 30 degrees: the dome of a round end is more
    distal but is not a corner.
    """
    parts = [b for b in wrist.bones if b.name.removesuffix("_epiphysis") == bone]
    points = np.vstack([camera(part.outer.vertices) for part in parts])
    has_process = wrist.radial_process if bone == "radius" else wrist.ulnar_process
    sideways = -1.0 if bone == "radius" else 1.0  # of a right hand, in the image
    lean = 0.0 if has_process else np.tan(np.radians(30.0))
    best = points[np.argmax(-points[:, 1] + lean * sideways * points[:, 0])]
    return float(best[0]), float(best[1])


def _silhouette_centroid(
    surface: Surface, camera: Camera, shape: tuple[int, int]
) -> tuple[float, float]:
    """Area centroid of the projected outline."""
    mask = np.zeros(shape)
    add_path_lengths(mask, surface.moved(camera))
    rows, columns = np.nonzero(mask > 1e-6)
    return float(columns.mean()), float(rows.mean())


def _distal_centre(surface: Surface, joint: Array, camera: Camera) -> tuple[float, float]:
    """4 mm proximal of the distal surface, midway between the margins at that level."""
    level = joint - np.array([0.0, 4.0, 0.0])
    y = camera(level[None])[0, 1]
    points = camera(surface.vertices)
    near = points[np.abs(points[:, 1] - y) < 1.5 / camera.spacing]
    return float((near[:, 0].min() + near[:, 0].max()) / 2.0), float(y)


def _midline(surface: Surface, camera: Camera) -> Array:
    """Midpoints between the outer cortices as projected, distal to proximal, (n, 2) pixels."""
    rings = shaft_rings(surface)
    seen = camera(rings.reshape(-1, 3))[:, :2].reshape(*rings.shape[:2], 2)
    centres = seen.mean(axis=1)
    along = np.gradient(centres, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=-1)
    offset = np.einsum("rpk,rk->rp", seen - centres[:, None], normal)
    middle = (offset.min(axis=1) + offset.max(axis=1)) / 2.0
    return np.asarray(centres + middle[:, None] * normal)
