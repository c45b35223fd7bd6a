"""How the hand is held, and where that puts every bone.

Angles in degrees unless said otherwise; wrist frame of a right hand as in `anatomy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from training.simulate.anatomy import CARPALS_PROXIMAL, HandModel
from training.simulate.surfaces import Array
from WristQCLib.findings import View

# Centres of the two carpal joints, mm: the radiocarpal one in the lunate, the midcarpal one in the
# capitate's head.
_RADIOCARPAL = np.array([-2.0, 7.0, 0.0])
_MIDCARPAL = np.array([-3.0, 12.0, -1.0])


@dataclass(frozen=True)
class Pose:
    """Position of hand and forearm in the beam.

    Attributes
    ----------
    turn
        Turn about the forearm's axis: 0 a true frontal, 90 a true lateral.
    lean
        Forearm's slope out of the image plane.
    flexion, deviation
        Of the wrist: palmar and ulnar positive.
    joints
        Model joint angles of thumb and fingers, radians.
    fingers
        "straight", "curled" or "fist".
    """

    turn: float
    lean: float
    flexion: float
    deviation: float
    joints: Mapping[str, float]
    fingers: str


def draw_pose(rng: np.random.Generator, view: View) -> Pose:
    """Draw a pose as met in practice, errors of positioning included."""
    if view is View.FRONTAL:
        turn = float(np.clip(rng.normal(0.0, 7.0), -25.0, 25.0))
        flexion = float(np.clip(rng.normal(0.0, 8.0), -30.0, 30.0))
        deviation = float(np.clip(rng.normal(2.0, 8.0), -20.0, 30.0))
        fingers = str(rng.choice(["straight", "curled", "fist"], p=[0.72, 0.2, 0.08]))
    else:
        # More wrists are met a little supinated, the ulna dorsal of the radius, than pronated;
        # some are oblique, as where the elbow cannot be turned.
        off = rng.normal(-6.0, 13.0) if rng.random() < 0.85 else rng.uniform(-55.0, 42.0)
        turn = 90.0 + float(np.clip(off, -55.0, 42.0))
        flexion = float(np.clip(rng.normal(-3.0, 12.0), -45.0, 40.0))
        deviation = float(np.clip(rng.normal(2.0, 6.0), -15.0, 20.0))
        fingers = str(rng.choice(["straight", "curled", "fist"], p=[0.58, 0.26, 0.16]))
    # On the table of a frontal the thumb is mostly spread from the hand, else it hangs before it.
    spread_out = view is View.FRONTAL and rng.random() < 0.85
    radial = (-0.2, 0.85, 1.2) if spread_out else (-0.45, 0.25, 0.6)
    palmar = (-0.4, -0.1, 0.4) if spread_out else (-0.5, -0.1, 0.6)
    bend = {"straight": 0.06, "curled": 0.45, "fist": 1.1}[fingers]
    # Thumb abduction and opposition vary more than anything else in the hand.
    joints = {
        "cmc_flexion": rng.triangular(*radial),
        "cmc_abduction": rng.triangular(*palmar),
        "mp_flexion": rng.uniform(-0.5, 0.35),
        "ip_flexion": rng.uniform(-0.7, 0.3),
    }
    if fingers == "fist":
        joints["cmc_flexion"] = rng.uniform(-0.6, 0.1)
    spread = rng.normal(0.04, 0.11)
    for finger in range(2, 6):
        joints[f"mcp{finger}_flexion"] = max(0.0, bend * rng.normal(0.8, 0.25))
        joints[f"mcp{finger}_abduction"] = (finger - 3.3) * spread + rng.normal(0.0, 0.03)
        joints[f"pm{finger}_flexion"] = max(0.0, bend * rng.normal(1.2, 0.25))
        joints[f"md{finger}_flexion"] = max(0.0, bend * rng.normal(0.6, 0.2))
    return Pose(
        turn=turn,
        lean=float(np.clip(rng.normal(0.0, 3.0), -8.0, 8.0)),
        flexion=flexion,
        deviation=deviation,
        joints={name: float(angle) for name, angle in joints.items()},
        fingers=fingers,
    )


def rotation(axis: int, degrees: float) -> Array:
    """Right-handed turn about the x (0), y (1) or z (2) axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[a, a], matrix[a, b], matrix[b, a], matrix[b, b] = c, -s, s, c
    return matrix


def wrist_motion(points: Array, flexion: float, deviation: float, share: float) -> Array:
    """Carry points of the hand along with the wrist.

    The proximal carpal row turns in the radius by 45 % of the motion, the distal row and the hand
    turn in the proximal row by the rest; `share` is 0 for the first and 1 for the second, and
    between them for soft tissue.
    """
    turn = rotation(0, 0.45 * flexion) @ rotation(2, 0.45 * deviation)
    further = rotation(0, 0.55 * flexion * share) @ rotation(2, 0.55 * deviation * share)
    points = (points - _MIDCARPAL) @ further.T + _MIDCARPAL
    return np.asarray((points - _RADIOCARPAL) @ turn.T + _RADIOCARPAL)


def placements(hand: HandModel, pose: Pose) -> dict[str, tuple[Array, Array]]:
    """Rotation and translation of every bone of the hand into the wrist frame."""
    placed = {}
    for name, (turn, shift) in hand.placed(pose.joints).items():
        share = 0.0 if name in CARPALS_PROXIMAL else 1.0
        frame = np.vstack([turn.T + shift, shift])  # images of the three axes and the origin
        moved = wrist_motion(frame, pose.flexion, pose.deviation, share)
        placed[name] = ((moved[:3] - moved[3]).T, moved[3])
    return placed
