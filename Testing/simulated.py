"""A made-up projection for tests of the simulator: a straight limb with two straight bones."""

from __future__ import annotations

import numpy as np

from training.simulate.exposure import Contents, SimulatedRadiograph, expose
from training.simulate.positioning import Positioning
from training.simulate.presentation import Look
from training.simulate.projection import Projection
from WristQCLib.findings import Side, View

SPACING = 0.5
SHAPE = (400, 320)
PLAIN_LOOK = Look("plain", (1, 1, 1, 1, 1), 1.0, 1.0, 0.4, 1.0, 0.05)
NOTHING = Contents((), False, False, "none", PLAIN_LOOK, False)

POINTS = {
    View.FRONTAL: {
        "thumb_mcp_joint": (40.25, 60.5),
        "radial_styloid": (110.0, 180.0),
        "ulnar_styloid": (210.0, 180.0),
    },
    View.LATERAL: {
        "scaphoid_centre": (150.0, 150.0),
        "distal_radius_centre": (150.0, 190.0),
        "distal_ulna_centre": (166.0, 190.0),
    },
}


def straight_wrist(view: View, *, dot_at: tuple[float, float] | None = None) -> Projection:
    """A wrist of 320 x 400 pixels of 0.5 mm; with `dot_at`, its only bone is a dot."""
    y, x = np.indices(SHAPE, dtype=np.float32)
    soft = np.where(np.abs(x - 160) < 70, 0.8, 0.0).astype(np.float32)
    if dot_at is None:
        bone = np.where((np.abs(np.abs(x - 160) - 28) < 14) & (y > 180), 0.9, 0.0)
    else:
        bone = np.exp(-((x - dot_at[0]) ** 2 + (y - dot_at[1]) ** 2) / (2 * 2.0**2))
    column = {"radius": 150.0, "ulna": 166.0}
    return Projection(
        view=view,
        side=Side.RIGHT,
        spacing=SPACING,
        bone=bone.astype(np.float32),
        soft=soft,
        keypoints=dict(POINTS[view]),
        midlines={n: np.array([[c, 190.0], [c, 399.0]]) for n, c in column.items()},
        factors={},
    )


def positioned(
    rotation_deg: float = 0.0,
    field_mm: tuple[float, float] = (100.0, 160.0),
    wrist_mm: tuple[float, float] = (0.0, 0.0),
    *,
    field_rotation_deg: float = 0.0,
    margin_mm: float = 0.0,
    spacing: float = SPACING,
) -> Positioning:
    return Positioning(
        rotation_deg, field_mm, field_rotation_deg, wrist_mm, (margin_mm,) * 4, spacing
    )


def simulated(view: View = View.FRONTAL, contents: Contents = NOTHING) -> SimulatedRadiograph:
    """One radiograph of the straight wrist, 200 x 320 pixels."""
    return expose(
        straight_wrist(view), np.random.default_rng(5), positioning=positioned(), contents=contents
    )
