"""Casts and splints: shells of plaster or fibreglass round the limb, textured as bandage is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.simulate.positioning import limb_extent, wrist_point
from training.simulate.projection import Projection
from WristQCLib.findings import View

Array = NDArray[np.float32]

PLASTER, FIBREGLASS = 0.055, 0.022
"""Attenuation per millimetre."""


def draw_cast(projection: Projection, rng: np.random.Generator) -> tuple[Array, str]:
    """A cast for a limb.

    The limb's outline in each row is taken for the diameter of a circular section; the beam's path
    through the shell around it is the difference of two chords. A splint covers one side only.

    Returns
    -------
    (rows, cols) line integrals in the projection's frame, and the kind.
    """
    spacing = projection.spacing
    kind = str(rng.choice(["plaster", "fibreglass", "splint"], p=[0.5, 0.2, 0.3]))
    mu = (FIBREGLASS if kind == "fibreglass" else PLASTER) * rng.uniform(0.7, 1.4)
    thickness = rng.uniform(3, 8)
    padding = rng.uniform(1.5, 6)

    rows, cols = projection.soft.shape
    extent = limb_extent(projection, 0.08)
    wrist_row = wrist_point(projection)[1]
    hand = rng.uniform(45, 95) if projection.view is View.FRONTAL else rng.uniform(40, 90)
    top = int(max(0, wrist_row - hand / spacing))
    bottom = rows
    if rng.random() < 0.1:
        bottom = int(min(rows, wrist_row + rng.uniform(50, 120) / spacing))
    known = ~np.isnan(extent[:, 0])
    if known[top:].sum() < 20:
        return np.zeros((rows, cols), np.float32), kind
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
    layers = int(rng.integers(1, 4))
    for _ in range(layers):
        inner = half + padding / spacing * rng.uniform(0.5, 1.6) + wobble(0.7, 9)
        outer = inner + np.maximum(thickness / layers / spacing + wobble(0.4, 4), 0.8 / spacing)
        offset = np.abs(x - (centre + wobble(0.8, 20))[:, None])
        path = _chord(outer, offset) - _chord(inner, offset)
        mu_t += (path * (mu * spacing)).astype(np.float32)
    if kind == "splint":
        mu_t *= _one_side(x, centre, half, rng)
    mu_t += _padding(x, centre, half, padding + thickness, spacing)
    mu_t *= _texture(mu_t.shape, spacing, rng)
    if bottom == rows:  # the last row goes on below the projection: it must not be one row's noise
        mu_t[-1] = mu_t[-round(12 / spacing) :].mean(axis=0)
    # The ends are cut by hand: slanted and not quite straight.
    slant = rng.normal(0, 0.12) * (x[0] - centre[top]) + rng.normal(0, 2 / spacing) * np.sin(
        x[0] * (spacing / rng.uniform(8, 20)) + rng.uniform(0, 6)
    )
    mu_t *= np.clip((level[:, None] - top - slant[None, :]) / 3 + 0.5, 0, 1)
    if bottom < rows:
        mu_t *= np.clip((bottom - level[:, None] - slant[None, :]) / 3 + 0.5, 0, 1)
    return mu_t.astype(np.float32), kind


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


def _texture(shape: tuple[int, ...], spacing: float, rng: np.random.Generator) -> Array:
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
    texture += np.float32(rng.uniform(0, 1.2)) * weave * (1 + 0.5 * coarse)
    turns = np.sin(path * np.float32(2 * np.pi * spacing / rng.uniform(30, 70)))
    texture += np.float32(rng.uniform(0, 1.0)) * np.clip(turns * 4, -1, 1)
    return np.clip(1 + np.float32(rng.uniform(0.05, 0.2)) * texture, 0.2, 2.0).astype(np.float32)
