"""Measures of how keypoints lie to one another, and the simulated ones against real wrists."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("mujoco", reason="the simulator needs the extra 'training'")

from simulated import positioned, straight_wrist

from training.simulate.foreign_objects import hides_all_landmarks
from training.simulate.geometry import frontal_geometry, geometry_table, lateral_geometry
from training.simulate.lead_markers import MarkerStyle, lay_marker
from training.simulate.positioning import place
from WristQCLib.findings import Side, View

# Forearm straight down the image; scaphoid 12 right of and 16 above the radius: 20 from it.
LATERAL = {
    "scaphoid_centre": (112.0, 84.0),
    "distal_radius_centre": (100.0, 100.0),
    "proximal_radius_centre": (103.0, 200.0),
    "distal_ulna_centre": (94.0, 104.0),
    "proximal_ulna_centre": (91.0, 200.0),
}


def _turned(
    points: dict[str, tuple[float, float]], degrees: float, flip: float = 1.0
) -> dict[str, tuple[float, float]]:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return {
        name: (3.0 * (c * flip * x - s * y), 3.0 * (s * flip * x + c * y))
        for name, (x, y) in points.items()
    }


@pytest.mark.parametrize("flip", [1.0, -1.0])
@pytest.mark.parametrize("degrees", [0.0, 37.0, 180.0])
def test_lateral_measures_do_not_depend_on_rotation_size_or_side(
    degrees: float, flip: float
) -> None:
    assert lateral_geometry(_turned(LATERAL, degrees, flip)) == pytest.approx(
        {
            "scaphoid off the axis, deg": math.degrees(math.atan2(12, 16)),
            # Seen from the scaphoid: radius 12 left and 16 down, ulna 18 left and 20 down.
            "radius and ulna seen from the scaphoid, deg": math.degrees(
                math.atan2(18, 20) - math.atan2(12, 16)
            ),
            "ulna proximal of the radius": 4 / 20,
            "ulna palmar of the radius": -6 / 20,
            "ulna palmar of the radius, proximal centres": -12 / 20,
            "length of forearm shown": 98 / 20,
        }
    )


def test_frontal_measures_in_units_of_the_styloids_distance() -> None:
    # Styloids 40 apart, 24 of it down; the thumb straight above the radial one by 60.
    points = {
        "radial_styloid": (50.0, 100.0),
        "ulnar_styloid": (82.0, 124.0),
        "thumb_mcp_joint": (50.0, 40.0),
    }
    assert frontal_geometry(points) == pytest.approx(
        {
            "line of the styloids off the horizontal, deg": math.degrees(math.atan2(24, 32)),
            "thumb from the radial styloid": 1.5,
            "thumb off the line of the styloids, deg": math.degrees(math.atan2(32, 24)),
        }
    )
    del points["thumb_mcp_joint"]
    assert len(frontal_geometry(points)) == 1


def test_a_folder_without_such_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds no lateral image"):
        geometry_table(tmp_path, tmp_path, View.LATERAL)


def test_an_object_over_one_styloid_is_let_be_and_one_over_both_is_not() -> None:
    placed = place(straight_wrist(View.FRONTAL), positioned())
    ax, bx = placed.keypoints["radial_styloid"][0], placed.keypoints["ulnar_styloid"][0]
    x = np.arange(placed.shape[1], dtype=np.float32)
    over_both = np.zeros(placed.shape, np.float32)
    over_both[:, (x > ax - 20) & (x < bx + 20)] = 0.9
    over_one = np.where(x < (ax + bx) / 2, over_both, np.float32(0.0))
    assert hides_all_landmarks(placed, over_both)
    assert not hides_all_landmarks(placed, over_one)
    assert not hides_all_landmarks(placed, over_both / 3.0)  # bone is seen through it


def test_a_marker_over_the_anatomy_still_leaves_the_keypoints_free() -> None:
    placed = place(straight_wrist(View.FRONTAL), positioned())
    rows, cols = placed.shape
    everywhere_left = [
        (float(x), float(y)) for x in range(0, cols // 2, 8) for y in range(0, rows, 8)
    ]
    points = {f"point {i}": point for i, point in enumerate(everywhere_left)}
    style = MarkerStyle(Side.RIGHT, "DejaVuSans.ttf", 14.0, 0.0, False, "none", ())
    for seed in range(12):
        laid = lay_marker(
            replace(placed, keypoints=points),
            style,
            np.random.default_rng(seed),
            over_anatomy=True,
        )
        assert laid is not None
        assert laid[1].rectangle[0] > max(x for x, _ in everywhere_left)
