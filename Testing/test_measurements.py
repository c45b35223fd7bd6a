"""Measurements against values worked out by hand; positions and sizes are chosen to be exact."""

from __future__ import annotations

import math

import pytest

from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import Keypoint, Keypoints
from WristQCLib.measurements import ImageGeometry, measure

# 1000 x 1200 pixels of 0.2 x 0.1 mm: W = 20 cm, H = 12 cm.
GEOMETRY = ImageGeometry(1000, 1200, (0.2, 0.1))


def frontal(thumb, radial, ulnar) -> Keypoints:
    positions = {"thumb_mcp_joint": thumb, "radial_styloid": radial, "ulnar_styloid": ulnar}
    return Keypoints.from_positions(View.FRONTAL, positions)


def lateral(scaphoid, radius, radius_proximal, ulna, ulna_proximal) -> Keypoints:
    names = (
        "scaphoid_centre",
        "distal_radius_centre",
        "proximal_radius_centre",
        "distal_ulna_centre",
        "proximal_ulna_centre",
    )
    positions = (scaphoid, radius, radius_proximal, ulna, ulna_proximal)
    return Keypoints.from_positions(View.LATERAL, dict(zip(names, positions, strict=True)))


def value(keypoints: Keypoints, name: str, geometry: ImageGeometry = GEOMETRY) -> float:
    measured = measure(keypoints, geometry)[name].value
    assert measured is not None
    return measured


def test_distances_reach_to_the_outer_edge_of_the_last_pixel():
    # The centre of the last row is half a pixel (0.05 mm) above the lower border.
    keypoints = frontal(None, (100, 1199), (300, 1199))
    assert value(keypoints, "styloid_midpoint_to_lower_border") == pytest.approx(0.005)


def test_distance_to_the_lower_border_is_that_of_the_styloid_midpoint():
    # Midpoint at y = 799.5: 400 pixels of 0.1 mm to the border.
    keypoints = frontal(None, (400, 749.5), (600, 849.5))
    assert value(keypoints, "styloid_midpoint_to_lower_border") == pytest.approx(4.0)


def test_a_level_styloid_line_is_perpendicular_to_the_long_axis():
    keypoints = frontal(None, (400, 800), (600, 800))
    assert value(keypoints, "styloid_line_angle") == pytest.approx(90.0)
    assert value(keypoints, "styloid_line_tilt") == pytest.approx(0.0)


def test_angles_are_measured_in_millimetres_when_pixels_are_not_square():
    # 100 columns of 0.2 mm are 20 mm, 200 rows of 0.1 mm are 20 mm: 45 degrees.
    keypoints = frontal(None, (400, 600), (500, 800))
    assert value(keypoints, "styloid_line_angle") == pytest.approx(45.0)


def test_angles_need_no_spacing():
    keypoints = frontal(None, (400, 600), (500, 700))
    assert value(keypoints, "styloid_line_tilt", ImageGeometry(1000, 1200)) == pytest.approx(45.0)


def test_the_pixel_aspect_corrects_angles_without_a_spacing():
    # Pixels twice as high as wide: 100 columns and 50 rows are a diagonal.
    keypoints = frontal(None, (400, 600), (500, 650))
    geometry = ImageGeometry(1000, 1200, pixel_aspect=2.0)
    assert value(keypoints, "styloid_line_angle", geometry) == pytest.approx(45.0)


def test_offsets_from_the_centre_are_differences_of_the_two_distances():
    # Midpoint at x = 449.5 (9 cm from the left, 11 cm from the right), y = 399.5 (4 and 8 cm).
    keypoints = frontal(None, (349.5, 399.5), (549.5, 399.5))
    assert value(keypoints, "styloid_midpoint_horizontal_offset") == pytest.approx(2.0)
    assert value(keypoints, "styloid_midpoint_vertical_offset") == pytest.approx(4.0)


def test_each_styloid_is_measured_to_its_nearer_side_border():
    # x = 199.5 is 4 cm from the left; x = 699.5 is 6 cm from the right.
    keypoints = frontal(None, (199.5, 600), (699.5, 600))
    assert value(keypoints, "radial_styloid_to_side_border") == pytest.approx(4.0)
    assert value(keypoints, "ulnar_styloid_to_side_border") == pytest.approx(6.0)


@pytest.mark.parametrize(("thumb", "expected"), [((10, 10), 1.0), (None, 0.0)])
def test_the_thumb_joint_is_present_or_not(thumb, expected):
    keypoints = frontal(thumb, (400, 600), (600, 600))
    assert value(keypoints, "thumb_mcp_joint_present") == expected


def test_the_radius_ulna_angle_is_that_at_the_scaphoid_centre():
    # From (500, 400): radius 10 mm straight down, ulna 10 mm down and 10 mm to the right.
    keypoints = lateral((500, 400), (500, 500), (500, 900), (550, 500), (550, 900))
    assert value(keypoints, "radius_ulna_angle") == pytest.approx(45.0)


def test_the_radius_ulna_angle_can_be_obtuse():
    # Radius straight down, ulna up and to the right at 45 degrees: 135 degrees.
    keypoints = lateral((500, 400), (500, 500), (500, 900), (550, 300), (550, 900))
    assert value(keypoints, "radius_ulna_angle") == pytest.approx(135.0)


def test_the_long_axis_runs_to_the_midpoint_of_the_proximal_centres():
    # Midpoint (600, 800): 20 mm to the right and 40 mm down.
    keypoints = lateral((500, 400), (500, 500), (590, 800), (510, 500), (610, 800))
    assert value(keypoints, "long_axis_angle") == pytest.approx(math.degrees(math.atan(0.5)))


def test_a_hand_that_points_down_has_the_same_axis_angle():
    keypoints = lateral((500, 800), (500, 700), (590, 400), (510, 700), (610, 400))
    assert value(keypoints, "long_axis_angle") == pytest.approx(math.degrees(math.atan(0.5)))


def test_scaphoid_offsets_from_the_centre():
    # x = 524.5: 10.5 and 9.5 cm; y = 549.5: 5.5 and 6.5 cm.
    keypoints = lateral((524.5, 549.5), (0, 0), (0, 0), (0, 0), (0, 0))
    assert value(keypoints, "scaphoid_horizontal_offset") == pytest.approx(1.0)
    assert value(keypoints, "scaphoid_vertical_offset") == pytest.approx(1.0)


def test_lengths_without_a_spacing_are_not_assessable():
    keypoints = frontal(None, (400, 600), (500, 700))
    measured = measure(keypoints, ImageGeometry(1000, 1200))["styloid_midpoint_to_lower_border"]
    assert (measured.finding, measured.value) == (Finding.NOT_ASSESSABLE, None)
    assert "spacing" in measured.reason


def test_an_absent_keypoint_makes_only_its_own_measurements_not_assessable():
    measured = measure(frontal(None, (199.5, 600), None), GEOMETRY)
    assert measured["radial_styloid_to_side_border"].value == pytest.approx(4.0)
    assert measured["ulnar_styloid_to_side_border"].finding is Finding.NOT_ASSESSABLE
    assert "ulnar styloid is not in the image" in measured["styloid_line_tilt"].reason


def test_keypoints_to_be_placed_are_not_taken_for_absent():
    measured = measure(Keypoints.to_be_placed(View.FRONTAL), GEOMETRY)
    assert measured["thumb_mcp_joint_present"].finding is Finding.NOT_ASSESSABLE
    assert "has not been placed" in measured["thumb_mcp_joint_present"].reason


def test_coinciding_keypoints_give_no_angle():
    measured = measure(frontal(None, (400, 600), (400, 600)), GEOMETRY)
    assert measured["styloid_line_tilt"].finding is Finding.NOT_ASSESSABLE


def test_a_spacing_of_zero_is_refused():
    with pytest.raises(ValueError, match="positive"):
        ImageGeometry(100, 100, (0.0, 0.1))


def test_a_found_keypoint_needs_a_position():
    with pytest.raises(ValueError, match="radial_styloid"):
        Keypoint("radial_styloid", Finding.FOUND)


def test_keypoints_of_the_other_view_are_refused():
    with pytest.raises(ValueError, match="scaphoid_centre"):
        Keypoints.from_positions(View.FRONTAL, {"scaphoid_centre": (1, 1)})


def test_missing_names_are_still_to_be_placed():
    keypoints = Keypoints.from_positions(View.FRONTAL, {"radial_styloid": (1, 2)})
    assert keypoints["radial_styloid"].position == (1.0, 2.0)
    assert keypoints["ulnar_styloid"].finding is Finding.NOT_ASSESSABLE
