"""The elbow's end of a long field: forearm bones end, and the upper arm goes on.

It bears no keypoint and is drawn plainly: it is there because images that show it exist, and so
that it is not taken for a wrist.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.simulate.canvas import Canvas, ellipse
from training.simulate.positioning import PROXIMAL_LIMIT_MM, Placed, wrist_point
from WristQCLib.findings import View

FOREARM_MM = (205.0, 235.0)
"""From the wrist to the elbow of an adult of scale 1."""


def with_elbow(placed: Placed, rng: np.random.Generator) -> Placed:
    """The same image with an elbow, where the field reaches so far and the forearm is long enough.

    Infants' forearms, which would end before the proximal centres' greatest distance, are left.
    """
    scale = float(placed.projection.factors.get("scale", 1.0))
    length = rng.uniform(*FOREARM_MM) * scale
    frontal = placed.projection.view is View.FRONTAL
    bend = rng.uniform(-15, 25) if frontal else rng.choice([-1, 1]) * rng.uniform(10, 110)
    joint = placed.from_wrist(0.0, length)
    if length < PROXIMAL_LIMIT_MM + 15 or not placed.shows(placed.from_wrist(0.0, length - 20)):
        return placed

    unit = scale / placed.spacing  # pixels per millimetre of an adult of scale 1
    tilt = math.radians(placed.positioning.rotation_deg)
    down = np.array([-math.sin(tilt), math.cos(tilt)])
    along = _turned(down, bend)
    across = np.array([-down[1], down[0]])
    far = _far(placed)

    bones = Canvas(placed.shape, placed.spacing)
    ends = [_end_of(placed, name, length) for name in ("radius", "ulna")]
    _round(bones, ends[0], 0.5 * scale, 10.5 * scale, 0.04)
    olecranon = np.stack([ends[1] - down * 18 * unit, ends[1] + down * 14 * unit])
    bones.stroke(olecranon, 9 * scale, 0.02)
    hinge = joint + down * 12 * unit
    bones.stroke(
        np.stack([hinge + along * (38 if frontal else 12) * unit, hinge + along * 400 * unit]),
        11 * scale, 0.07, bore=0.6,
    )  # fmt: skip
    if frontal:
        for side in (-1, 1):
            _round(bones, hinge + across * side * 15 * unit, 0.0, 13 * scale, 0.035)
        wedge = np.stack([hinge - across * 29 * unit, hinge + across * 29 * unit,
                          hinge + along * 55 * unit + across * 11 * unit,
                          hinge + along * 55 * unit - across * 11 * unit])  # fmt: skip
        bones.fill([wedge], 0.2)
        bones.stroke(np.concatenate([wedge, wedge[:1]]), 0.9, 0.12)
    else:
        _round(bones, hinge, 0.0, 13 * scale, 0.045)
        bones.stroke(ellipse((hinge[0], hinge[1]), 11 * unit, 11 * unit), 1.0, 0.12)

    flesh = Canvas(placed.shape, placed.spacing)
    flesh.stroke(np.stack([joint - down * 20 * unit, hinge, hinge + along * 400 * unit]),
                 rng.uniform(34, 42) * scale, 0.025)  # fmt: skip
    ends_at = np.clip((length - far) / 4 + 0.5, 0, 1)
    fades_at = np.clip((length + 20 * scale - far) / 25 + 0.5, 0, 1)
    soft = np.maximum(placed.soft * fades_at, flesh.mu_t)
    bone = placed.bone * ends_at + ndimage.gaussian_filter(bones.mu_t, 0.5 / placed.spacing)
    return replace(placed, bone=bone.astype(np.float32), soft=soft.astype(np.float32))


def _far(placed: Placed) -> NDArray[np.float64]:
    """(rows, cols) distance along the forearm from the wrist, mm."""
    rows, cols = np.indices(placed.shape, dtype=np.float32)
    inverse = np.linalg.inv(placed.matrix[:, :2])
    x, y = cols - placed.matrix[0, 2], rows - placed.matrix[1, 2]
    row = inverse[1, 0] * x + inverse[1, 1] * y
    return np.asarray((row - wrist_point(placed.projection)[1]) * placed.projection.spacing)


def _end_of(placed: Placed, bone: str, length: float) -> NDArray[np.float64]:
    """Image position at which a bone's midline reaches the elbow."""
    line = placed.midlines[bone]
    inverse = np.linalg.inv(placed.matrix[:, :2])
    rows = (line - placed.matrix[:, 2]) @ inverse[1]
    level = wrist_point(placed.projection)[1] + length / placed.projection.spacing
    return np.array([np.interp(level, rows, line[:, i]) for i in (0, 1)])


def _round(
    canvas: Canvas, centre: NDArray[np.float64], hollow: float, radius_mm: float, mu: float
) -> None:
    """A ball of bone, some with a hollow."""
    canvas.stroke(np.stack([centre, centre + 0.01]), radius_mm, mu)
    if hollow > 0:
        canvas.stroke(np.stack([centre, centre + 0.01]), 0.6 * radius_mm, -0.5 * mu)


def _turned(direction: NDArray[np.float64], degrees: float) -> NDArray[np.float64]:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([c * direction[0] - s * direction[1], s * direction[0] + c * direction[1]])
