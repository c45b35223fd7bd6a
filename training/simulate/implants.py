"""Metal that a surgeon put in: wires, plates and screws. It is no artefact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.polylines import places_along
from training.simulate.canvas import Canvas, ellipse, strip
from training.simulate.foreign_objects import METAL
from training.simulate.positioning import Placed
from WristQCLib.findings import View

Point = NDArray[np.float64]


def put_in(placed: Placed, rng: np.random.Generator) -> tuple[Canvas, str]:
    """Fix the radius or the ulna with K-wires or with a plate; returns the canvas and the kind."""
    canvas = Canvas(placed.shape, placed.spacing)
    kind = str(rng.choice(["k-wires", "plate"], p=[0.45, 0.55]))
    bone = "radius" if rng.random() < 0.8 else "ulna"
    axis = _axis(placed, bone)
    (wires if kind == "k-wires" else plate)(canvas, placed, axis, rng)
    return canvas, kind


def _axis(placed: Placed, bone: str) -> NDArray[np.float64]:
    """Midline of a bone from its distal end, in image pixels."""
    points = placed.projection.keypoints
    line = placed.midlines[bone]
    if placed.projection.view is View.LATERAL:
        return np.concatenate([placed.to_image(points[f"distal_{bone}_centre"])[None], line])
    return line


def _along(axis: NDArray[np.float64], distance_px: float) -> tuple[Point, Point]:
    """Position on the axis and the unit direction to the proximal side."""
    spot, ahead = places_along(axis, [distance_px, distance_px + 10])
    direction = (ahead - spot) / max(float(np.hypot(*(ahead - spot))), 1e-6)
    return spot, direction


def wires(
    canvas: Canvas, placed: Placed, axis: NDArray[np.float64], rng: np.random.Generator
) -> None:
    """One to three K-wires that enter at the distal end and run obliquely into the shaft."""
    unit = 1 / placed.spacing
    radius = rng.uniform(0.6, 1.0)
    for _ in range(int(rng.integers(1, 4))):
        start, direction = _along(axis, rng.uniform(-10, 5) * unit)
        side = np.array([-direction[1], direction[0]]) * unit
        entry = start + side * rng.uniform(-13, 13) - direction * rng.uniform(5, 25) * unit
        end, _ = _along(axis, rng.uniform(35, 75) * unit)
        end = end + side * rng.uniform(-6, 6)
        path = [entry, end]
        if rng.random() < 0.5:  # bent over outside of the skin
            path.insert(0, entry + side * rng.choice([-1, 1]) * rng.uniform(3, 8))
        canvas.stroke(np.stack(path), radius, METAL)


def plate(
    canvas: Canvas, placed: Placed, axis: NDArray[np.float64], rng: np.random.Generator
) -> None:
    """A plate with screws: a strip with holes from the front, or a bar with screws from aside."""
    unit = 1 / placed.spacing
    first, count = rng.uniform(0, 45), int(rng.integers(4, 9))
    pitch, half_width = rng.uniform(9, 13), rng.uniform(4, 6)
    edge_on = rng.random() < (0.75 if placed.projection.view is View.LATERAL else 0.3)
    offset = rng.uniform(6, 9) * rng.choice([-1, 1]) if edge_on else rng.normal(0, 2)
    spots = []
    for i in range(count + 1):
        spot, direction = _along(axis, (first + i * pitch) * unit)
        side = np.array([-direction[1], direction[0]]) * unit
        spots.append((spot + side * offset, direction * unit, side))
    ends = np.stack([spots[0][0], spots[-1][0]])
    if edge_on:
        canvas.stroke(ends, rng.uniform(0.9, 1.5), METAL * 2)
    else:
        holes = [
            ellipse(tuple(s + d * pitch / 2), 1.6 * unit, 1.6 * unit, n=14)
            for s, d, _ in spots[:-1]
        ]
        outlines = [strip(ends[0], ends[1], half_width * unit)]
        if rng.random() < 0.5 and first < 15:  # the wide end of a distal radius plate
            spot, direction, side = spots[0]
            outlines.append(
                strip(spot - direction * 5 - side * 11, spot - direction * 5 + side * 11, 5 * unit)
            )
        canvas.fill(outlines, 2.2, holes=holes)
    for spot, direction, side in spots[:-1]:
        if rng.random() < 0.2:
            continue
        at = spot + direction * pitch / 2
        if edge_on:
            tip = at - side * np.sign(offset) * rng.uniform(12, 18)
            canvas.stroke(np.stack([at, tip]), 1.3, METAL)
            thread = np.linspace(0.15, 1, 12)[:, None]
            for spot_on in at + thread * (tip - at):
                across = direction * 1.7
                canvas.stroke(np.stack([spot_on - across, spot_on + across]), 0.3, METAL)
        else:
            canvas.fill([ellipse(tuple(at), 2.2 * unit, 2.2 * unit, n=16)], 3.0)
