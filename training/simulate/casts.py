"""What is wrapped round a limb: casts, splints, bandages and sleeves, textured as cloth is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.simulate.positioning import limb_extent, wrist_point
from training.simulate.projection import Projection
from WristQCLib.findings import View

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Material:
    """What is wrapped round a limb: ranges in millimetres, attenuation per millimetre.

    Attributes
    ----------
    mu
        Attenuation.
    thickness, gap
        Of the shell, and of what is between it and the skin.
    layers
        Greatest number of layers, which stand off differently.
    texture
        Depth of the texture.
    unevenness
        How far the surface wanders in and out, mm.
    """

    mu: float
    thickness: tuple[float, float]
    gap: tuple[float, float]
    layers: int
    texture: tuple[float, float]
    unevenness: float


MATERIALS = {
    "plaster": Material(0.055, (3, 8), (1.5, 6), 3, (0.05, 0.2), 0.7),
    "fibreglass": Material(0.022, (3, 6), (1.5, 6), 3, (0.05, 0.2), 0.6),
    "splint": Material(0.055, (3, 8), (1.5, 6), 3, (0.05, 0.2), 0.7),
    "slab": Material(0.05, (5, 13), (3, 12), 1, (0.08, 0.25), 0.9),
    "bandage": Material(0.016, (1.2, 4), (0.2, 2), 3, (0.1, 0.3), 0.9),
    "sleeve": Material(0.018, (0.5, 1.6), (1, 16), 2, (0.02, 0.12), 1.6),
}
"""Every kind of covering."""

CASTS = {"plaster": 0.42, "fibreglass": 0.18, "splint": 0.18, "slab": 0.22}
"""Casts and splints with their shares."""


def draw_covering(projection: Projection, rng: np.random.Generator, kind: str) -> Array:
    """What a limb is wrapped in, one of `MATERIALS`.

    The limb's outline in each row is taken for the diameter of a circular section; the beam's path
    through the shell around it is the difference of two chords. A splint covers one side only; a
    slab is seen edge-on beside the limb, or from the front as a sheet with straight sides.

    Returns
    -------
    (rows, cols) line integrals in the projection's frame.
    """
    spacing = projection.spacing
    material = MATERIALS[kind]
    mu = material.mu * rng.uniform(0.7, 1.4)
    thickness, padding = rng.uniform(*material.thickness), rng.uniform(*material.gap)

    rows, cols = projection.soft.shape
    extent = limb_extent(projection, 0.08)
    wrist_row = wrist_point(projection)[1]
    hand = rng.uniform(45, 95) if projection.view is View.FRONTAL else rng.uniform(40, 90)
    if kind == "sleeve":
        hand = rng.uniform(-90, 5)
    elif kind == "bandage":
        hand = rng.uniform(-30, 80)
    top = int(np.clip(wrist_row - hand / spacing, 0, rows - 25))
    bottom = rows
    if rng.random() < (0.5 if kind == "bandage" else 0.1):
        bottom = int(min(rows, max(wrist_row, top) + rng.uniform(40, 120) / spacing))
    known = ~np.isnan(extent[:, 0])
    if known[top:].sum() < 20:
        return np.zeros((rows, cols), np.float32)
    level = np.arange(rows)
    left, right = (np.interp(level, level[known], extent[known, i]) for i in (0, 1))
    # Above the wrist the thumb stands off: the cast there is no wider than somewhat over the wrist.
    centre, half = (left + right) / 2, (right - left) / 2
    at_wrist = half[int(np.clip(wrist_row, 0, rows - 1))]
    half = np.minimum(half, 1.45 * at_wrist + 0.1 * np.abs(level - wrist_row))
    centre = ndimage.gaussian_filter1d(centre, 9 / spacing, mode="nearest")
    half = ndimage.gaussian_filter1d(half, 7 / spacing, mode="nearest")

    def wobble(amount_mm: float, length_mm: float) -> NDArray[np.float64]:
        """Unevenness along the limb, in pixels, of a given size and length."""
        noise = ndimage.gaussian_filter1d(
            rng.normal(0, 1, rows), length_mm / spacing, mode="nearest"
        )
        return noise / max(float(noise.std()), 1e-9) * (amount_mm / spacing)

    mu_t = np.zeros((rows, cols), np.float32)
    x = np.arange(cols)[None, :]
    if kind == "slab":
        mu_t += _slab(x, centre, half, padding, thickness, mu, projection, wobble, rng)
    else:
        layers = int(rng.integers(1, material.layers + 1))
        uneven = material.unevenness
        for _ in range(layers):
            inner = half + padding / spacing * rng.uniform(0.5, 1.6) + wobble(uneven, 9)
            shell = thickness / layers / spacing + wobble(0.5 * min(uneven, thickness), 4)
            outer = inner + np.maximum(shell, 0.4 / spacing)
            offset = np.abs(x - (centre + wobble(1.2 * uneven, 20))[:, None])
            path = _chord(outer, offset) - _chord(inner, offset)
            mu_t += (path * (mu * spacing)).astype(np.float32)
        if kind == "splint":
            mu_t *= _one_side(x, centre, half, rng)
        if kind in CASTS:
            mu_t += _padding(x, centre, half, padding + thickness, spacing)
    weave = rng.uniform(0, 0.25 if kind == "slab" else 0.9)
    mu_t *= _texture(mu_t.shape, spacing, rng.uniform(*material.texture), weave, rng)
    if kind == "sleeve" and rng.random() < 0.7:
        mu_t *= _cuff(level, x, top, spacing, rng)
    if bottom == rows:  # the last row goes on below the projection: it must not be one row's noise
        mu_t[-1] = mu_t[-round(12 / spacing) :].mean(axis=0)
    # The ends are cut by hand: slanted and not quite straight.
    slant = rng.normal(0, 0.12) * (x[0] - centre[top]) + rng.normal(0, 2 / spacing) * np.sin(
        x[0] * (spacing / rng.uniform(8, 20)) + rng.uniform(0, 6)
    )
    mu_t *= np.clip((level[:, None] - top - slant[None, :]) / 3 + 0.5, 0, 1)
    if bottom < rows:
        mu_t *= np.clip((bottom - level[:, None] - slant[None, :]) / 3 + 0.5, 0, 1)
    return mu_t.astype(np.float32)


def _slab(
    x: NDArray[np.int_],
    centre: NDArray[np.float64],
    half: NDArray[np.float64],
    gap_mm: float,
    thickness_mm: float,
    mu: float,
    projection: Projection,
    wobble: Callable[[float, float], NDArray[np.float64]],
    rng: np.random.Generator,
) -> Array:
    """A backslab: a thick band beside the limb when seen edge-on, else a sheet over its width."""
    spacing = projection.spacing
    edge_on = rng.random() < (0.75 if projection.view is View.LATERAL else 0.3)
    side = rng.choice([-1, 1])
    if edge_on:
        inner = half + gap_mm / spacing + wobble(1.0, 15)
        outer = inner + thickness_mm / spacing + wobble(0.8, 6)
        depth = mu * rng.uniform(25, 60)
        beyond = (x - centre[:, None]) * side
    else:
        inner = -half * rng.uniform(0.6, 1.1) + wobble(0.6, 15)
        outer = half * rng.uniform(0.6, 1.15) + wobble(0.6, 15)
        depth = mu * thickness_mm
        beyond = x - centre[:, None]
    soft = 0.8 / spacing
    sheet = np.clip((beyond - inner[:, None]) / soft + 0.5, 0, 1) * np.clip(
        (outer[:, None] - beyond) / soft + 0.5, 0, 1
    )
    return (sheet * depth).astype(np.float32)


def _cuff(
    level: NDArray[np.int_],
    x: NDArray[np.int_],
    top: int,
    spacing: float,
    rng: np.random.Generator,
) -> Array:
    """A sleeve's end: knitted ribs along the limb, or a hem of double cloth."""
    within = np.clip((top + rng.uniform(12, 60) / spacing - level) / 3 + 0.5, 0, 1)[:, None]
    if rng.random() < 0.5:
        ribs = 0.5 * np.sin(x * (2 * np.pi * spacing / rng.uniform(2.0, 4.0)))
    else:
        ribs = np.ones((1, x.shape[1])) * rng.uniform(0.4, 1.0)
    return (1 + within * (0.5 + ribs)).astype(np.float32)


def _chord(radius: NDArray[np.float64], offset: NDArray[np.float64]) -> NDArray[np.float64]:
    """Path through circles of `radius` (one per row) at `offset` from their centres."""
    return 2 * np.sqrt(np.clip(radius[:, None] ** 2 - offset**2, 0, None))


def _one_side(
    x: NDArray[np.int_],
    centre: NDArray[np.float64],
    half: NDArray[np.float64],
    rng: np.random.Generator,
) -> Array:
    """Mask of the part of the width that a splint covers, soft at its edge."""
    split = centre + half * rng.uniform(-0.6, 0.6)
    distance = (x - split[:, None]) * rng.choice([-1, 1])
    return np.clip(distance / 4 + 0.5, 0.02, 1).astype(np.float32)


def _padding(
    x: NDArray[np.int_],
    centre: NDArray[np.float64],
    half: NDArray[np.float64],
    reach_mm: float,
    spacing: float,
) -> Array:
    """Cotton wool and crepe: faint, reaching to the cast's outside."""
    outer = half + reach_mm / spacing
    chord = 2 * np.sqrt(np.clip(outer[:, None] ** 2 - (x - centre[:, None]) ** 2, 0, None))
    return (chord * spacing * 0.0012).astype(np.float32)


def _texture(
    shape: tuple[int, ...], spacing: float, depth: float, threads: float, rng: np.random.Generator
) -> Array:
    """Multiplicative texture: clumps of plaster, and the weave and turns of the bandage."""

    def clumps(along_mm: float, across_mm: float) -> Array:
        noise = rng.standard_normal(shape, np.float32)
        noise = ndimage.gaussian_filter(noise, (along_mm / spacing, across_mm / spacing))
        return noise / noise.std()

    coarse = clumps(rng.uniform(0.8, 2.0), rng.uniform(1.5, 3.5))
    texture = coarse * rng.uniform(0.3, 1.0) + clumps(0.35, 0.6) * rng.uniform(0.3, 1.0)
    rows, cols = np.indices(shape, dtype=np.float32)
    # Threads and turns of the bandage run round the limb, at a slant and not quite straight.
    drift = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), 12 / spacing)
    path = (
        rows
        + np.float32(rng.normal(0, 0.12)) * cols
        + drift / drift.std() * np.float32(1.5 / spacing)
    )
    weave = np.sin(path * np.float32(2 * np.pi * spacing / rng.uniform(1.6, 3.0)))
    texture += np.float32(threads) * weave * (1 + 0.5 * coarse)
    turns = np.sin(path * np.float32(2 * np.pi * spacing / rng.uniform(30, 70)))
    texture += np.float32(rng.uniform(0, 1.0)) * np.clip(turns * 4, -1, 1)
    return np.clip(1 + np.float32(depth) * texture, 0.2, 2.0).astype(np.float32)
