"""Path lengths of known solids, and the simulated wrists' keypoints against their definitions."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")
pytest.importorskip("myo_sim")

from training.simulate import growth
from training.simulate.anatomy import HAND_BONES, hand_model
from training.simulate.fracture import Fracture
from training.simulate.pose import draw_pose
from training.simulate.projection import Projection, project_wrist
from training.simulate.radius_ulna import ForearmShape, make_radius
from training.simulate.surfaces import Surface, add_path_lengths, closed, tube
from training.simulate.wrist import build_wrist
from WristQCLib.findings import Side, View
from WristQCLib.keypoints import KEYPOINT_NAMES

SPACING = 0.8


def project(seed: int, view: View, **given: Any) -> Projection:
    return project_wrist(np.random.default_rng(seed), view, spacing=SPACING, **given)


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> Surface:
    (x0, y0, z0), (x1, y1, z1) = low, high
    rings = [[(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)] for z in (z0, z1)]
    return tube(np.array(rings))


def sphere(centre: tuple[float, float, float], radius: float) -> Surface:
    polar = np.linspace(0.005, np.pi - 0.005, 180)[:, None]
    around = np.linspace(0.0, 2.0 * np.pi, 200, endpoint=False)
    unit = np.stack(
        [
            np.sin(polar) * np.cos(around),
            np.sin(polar) * np.sin(around),
            np.cos(polar) * np.ones_like(around),
        ],
        axis=-1,
    )
    return tube(np.array(centre) + radius * unit)


def path_lengths(surface: Surface, shape: tuple[int, int] = (40, 50)) -> np.ndarray:
    image = np.zeros(shape)
    # The image's frame is left-handed (y runs down), so triangles run the other way round in it.
    add_path_lengths(image, Surface(surface.vertices, surface.faces[:, ::-1]))
    return image


def test_a_ray_through_a_box_has_the_boxs_thickness_and_beside_it_none() -> None:
    image = path_lengths(box((10.5, 5.5, -3.0), (20.5, 25.5, 4.0)))
    expected = np.zeros((40, 50))
    expected[6:26, 11:21] = 7.0
    np.testing.assert_allclose(image, expected, atol=1e-9)


def test_rays_through_a_sphere_have_the_chords_lengths() -> None:
    image = path_lengths(sphere((25.0, 20.0, 3.0), 15.0))
    y, x = np.mgrid[:40, :50]
    square = 15.0**2 - (x - 25.0) ** 2 - (y - 20.0) ** 2
    inside = square > 15.0
    np.testing.assert_allclose(image[inside], 2.0 * np.sqrt(square[inside]), rtol=0.01)
    assert np.all(image[square < 0.0] == 0.0)


def test_a_nested_surface_leaves_a_shell() -> None:
    shell = path_lengths(sphere((25.0, 20.0, 0.0), 15.0)) - path_lengths(
        sphere((25.0, 20.0, 0.0), 12.0)
    )
    assert shell[20, 25] == pytest.approx(6.0, rel=0.01)  # through the middle: twice 3 mm
    assert shell[20, 37] == pytest.approx(2.0 * np.sqrt(15.0**2 - 12.0**2), rel=0.01)


def test_a_box_without_lid_is_closed() -> None:
    whole = box((10.5, 5.5, 0.0), (20.5, 25.5, 4.0))
    lid = len(whole.vertices) - 1
    opened = closed(whole.vertices[:-1], whole.faces[~(whole.faces == lid).any(axis=1)])
    assert path_lengths(opened)[6:26, 11:21] == pytest.approx(4.0)


@pytest.mark.parametrize("bone", HAND_BONES)
def test_every_bone_of_the_hand_is_closed_and_of_anatomical_size(bone: str) -> None:
    surface = hand_model().surfaces[bone]
    balance: Counter[tuple[int, int]] = Counter()
    for i in range(3):
        for a, b in surface.faces[:, [i, (i + 1) % 3]].tolist():
            balance[min(a, b), max(a, b)] += 1 if a < b else -1
    assert not any(balance.values())
    corners = surface.vertices[surface.faces]
    volume = np.linalg.det(corners).sum() / 6.0
    assert 100.0 < volume < 6000.0  # cubic millimetres


@pytest.mark.parametrize("view", View)
def test_the_same_seed_gives_the_same_projection(view: View) -> None:
    one, two = project(5, view), project(5, view)
    assert np.array_equal(one.bone, two.bone)
    assert np.array_equal(one.soft, two.soft)
    assert one.keypoints == two.keypoints
    assert one.factors == two.factors
    assert not np.array_equal(one.bone, project(6, view).bone)


@pytest.mark.parametrize("view", View)
def test_a_left_wrist_is_a_mirrored_right_one(view: View) -> None:
    left, right = project(7, view, side=Side.LEFT), project(7, view, side=Side.RIGHT)
    assert (left.side, right.side) == (Side.LEFT, Side.RIGHT)
    assert np.array_equal(left.bone, right.bone[:, ::-1])
    assert np.array_equal(left.soft, right.soft[:, ::-1])
    last = left.bone.shape[1] - 1
    for name, (x, y) in right.keypoints.items():
        assert left.keypoints[name] == pytest.approx((last - x, y))
    for name, line in right.midlines.items():
        assert left.midlines[name] == pytest.approx(
            np.column_stack([last - line[:, 0], line[:, 1]])
        )


@pytest.mark.parametrize("view", View)
def test_all_keypoints_but_the_proximal_centres_are_given(view: View) -> None:
    expected = {name for name in KEYPOINT_NAMES[view] if not name.startswith("proximal")}
    assert set(project(8, view).keypoints) == expected


def test_a_right_thumb_lies_left_of_the_fingers_in_a_frontal() -> None:
    points = project(9, View.FRONTAL, side=Side.RIGHT).keypoints
    assert points["radial_styloid"][0] < points["ulnar_styloid"][0]
    assert points["thumb_mcp_joint"][1] < points["radial_styloid"][1]


@pytest.mark.parametrize("seed", range(4))
def test_a_styloid_is_the_most_distal_bone_on_its_side_of_the_forearm(seed: int) -> None:
    projection = project(seed, View.FRONTAL, age=growth.ADULT)
    bone = projection.bone > 0.02
    outward = {"radial_styloid": -1, "ulnar_styloid": 1}
    for name, sign in outward.items():
        sign *= 1 if projection.side is Side.RIGHT else -1
        x, y = projection.keypoints[name]
        column, row = round(x), round(y)
        reach = slice(row, row + 4)
        assert bone[reach, column - 2 : column + 3].any()  # bone begins at the tip
        above = bone[row - 3 : row - 1, column + sign : column + sign * 8 : sign]
        assert not above.any()  # and none lies distal of it, outward


def test_the_scaphoids_centre_lies_in_bone_and_distal_of_the_radius() -> None:
    for seed in range(4):
        projection = project(seed, View.LATERAL, age=growth.ADULT)
        x, y = projection.keypoints["scaphoid_centre"]
        assert projection.bone[round(y), round(x)] > 0.1
        assert y < projection.keypoints["distal_radius_centre"][1]


def test_the_distal_radius_centre_is_four_millimetres_from_the_joint_and_on_the_midline() -> None:
    rng = np.random.default_rng(3)
    wrist = build_wrist(rng, growth.ADULT, draw_pose(rng, View.LATERAL))
    projection = project(3, View.LATERAL, age=growth.ADULT)
    x, y = projection.keypoints["distal_radius_centre"]
    line = projection.midlines["radius"]
    # The midline's sections follow the joint's slope, hence the tolerance of 2 mm.
    assert np.interp(y, line[:, 1], line[:, 0]) == pytest.approx(x, abs=2.0 / SPACING)
    assert np.all(np.diff(line[:, 1]) > 0.0)
    assert wrist.radius_joint[1] == pytest.approx(0.0, abs=8.0)


def test_the_midlines_leave_the_projected_region() -> None:
    for age in (2.0, growth.ADULT):
        projection = project(4, View.LATERAL, age=age)
        assert all(line[-1, 1] > projection.bone.shape[0] for line in projection.midlines.values())


def test_carpals_ossify_in_order_and_the_ulnas_epiphysis_late() -> None:
    def names(age: float) -> set[str]:
        rng = np.random.default_rng(1)
        return {bone.name for bone in build_wrist(rng, age, draw_pose(rng, View.FRONTAL)).bones}

    toddler, child, adult = names(1.8), names(8.0), names(growth.ADULT)
    assert {"capitate", "hamate", "radius_epiphysis"} <= toddler
    assert not {"scaphoid", "trapezium", "pisiform", "ulna_epiphysis"} & toddler
    assert {"scaphoid", "ulna_epiphysis"} <= child
    assert "pisiform" not in child
    assert not any(name.endswith("_epiphysis") for name in adult)
    assert set(HAND_BONES) < adult


def test_a_fracture_moves_what_is_distal_of_it_and_leaves_the_rest() -> None:
    rng = np.random.default_rng(2)
    radius = make_radius(ForearmShape.drawn(rng, 1.0))
    fracture = Fracture.drawn(rng, child=False)
    shaft, fragment = fracture.broken(radius)
    proximal = radius.outer.vertices[:, 1] < -fracture.level - 20.0
    np.testing.assert_allclose(
        shaft.outer.vertices[proximal], radius.outer.vertices[proximal], atol=1e-2
    )
    distal = radius.outer.vertices[:, 1] > -fracture.level + 12.0
    np.testing.assert_allclose(
        fragment.outer.vertices[distal],
        fracture.displaced(radius.outer.vertices[distal]),
        atol=1e-2,
    )


def test_attenuation_is_never_negative_and_air_is_empty() -> None:
    for view in View:
        projection = project(11, view)
        assert projection.bone.dtype == projection.soft.dtype == np.float32
        assert projection.bone.min() >= 0.0
        assert projection.soft.min() >= 0.0
        assert projection.soft[:, 0].max() == 0.0
        assert 0.5 < np.percentile(projection.bone[projection.bone > 0.01], 95) < 4.0
