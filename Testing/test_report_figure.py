"""What is drawn over the image, and where labels are put."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from PIL import Image
from test_report import CASES, IMAGE, LATERAL, make_assessment

from WristQCLib.findings import View
from WristQCLib.keypoints import Keypoint
from WristQCLib.measurements import ImageGeometry
from WristQCLib.report.figure import drawing, encoded_picture, save_figure


def overlap(a, b):
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


@pytest.mark.parametrize("case", CASES)
def test_labels_stay_inside_the_image_and_apart(case):
    shown = drawing(CASES[case])
    x0, y0, x1, y1 = shown.frame
    for label in shown.labels:
        assert x0 <= label.box[0] < label.box[2] <= x1
        assert y0 <= label.box[1] < label.box[3] <= y1
    assert not [1 for a, b in combinations(shown.labels, 2) if overlap(a.box, b.box)]


def test_labels_stay_apart_when_all_keypoints_are_in_one_corner():
    crowded = {name: (3.0 + n, 3.0 + n) for n, name in enumerate(LATERAL)}
    shown = drawing(make_assessment(View.LATERAL, positions=crowded))
    assert len(shown.labels) >= 5
    assert not [1 for a, b in combinations(shown.labels, 2) if overlap(a.box, b.box)]


def test_the_frame_reaches_to_the_outer_edge_of_the_outermost_pixels():
    assert drawing(CASES["frontal"]).frame == (-0.5, -0.5, 199.5, 279.5)


def test_pixels_that_are_not_square_are_drawn_in_proportion():
    # Pixels twice as high as wide: y is doubled.
    shown = drawing(make_assessment(spacing=(0.5, 1.0)))
    assert shown.frame == (-0.5, -1.0, 199.5, 559.0)
    assert shown.dots[0].centre == (40.0, 40.0)
    bare = replace(CASES["unknown spacing"], geometry=ImageGeometry(200, 280, None, 2.0))
    assert drawing(bare).frame == (-0.5, -1.0, 199.5, 559.0)


def test_the_arc_of_an_angle_spans_the_measured_angle():
    # Radius at 30 degrees left, ulna at 30 degrees right of straight down: 60 degrees.
    x, y = LATERAL["scaphoid_centre"]
    dx, dy = 80 * math.sin(math.radians(30)), 80 * math.cos(math.radians(30))
    positions = LATERAL | {
        "distal_radius_centre": (x - dx, y + dy),
        "distal_ulna_centre": (x + dx, y + dy),
    }
    shown = drawing(make_assessment(View.LATERAL, positions=positions))
    (arc,) = (s.points for s in shown.strokes if s.task == "lateral_1" and len(s.points) > 2)
    ends = [math.degrees(math.atan2(p[0] - x, p[1] - y)) for p in (arc[0], arc[-1])]
    assert ends == pytest.approx([-30, 30])
    assert [label.text for label in shown.labels if label.task == "lateral_1"] == ["α 60.0°"]


def test_keypoints_are_numbered_named_and_absent_ones_listed():
    shown = drawing(CASES["thumb not in the image"])
    assert [dot.name for dot in shown.dots] == ["P2 radial styloid", "P3 ulnar styloid"]
    assert shown.absent == ("thumb MCP joint",)
    assert drawing(CASES["to be placed"]).absent == ()


def test_the_spread_is_the_radius_of_its_circle():
    assessment = make_assessment()
    point = replace(assessment.keypoints["radial_styloid"], spread=7.0)
    assert isinstance(point, Keypoint)
    shown = drawing(replace(assessment, keypoints=assessment.keypoints.replaced(point)))
    assert [dot.spread for dot in shown.dots] == [None, 7.0, None]


def test_the_marker_box_is_drawn_and_named():
    shown = drawing(CASES["frontal"])
    (outline,) = (s.points for s in shown.strokes if s.task == "side_marker")
    xs, ys = zip(*outline, strict=True)
    assert min(xs) < 170 < 190 < max(xs)
    assert min(ys) < 20 < 44 < max(ys)
    assert [label.text for label in shown.labels if label.task == "side_marker"] == ["marker R"]


def test_a_one_pixel_image_can_be_drawn():
    shown = drawing(replace(CASES["unknown view"], geometry=ImageGeometry(1, 1)))
    assert shown.frame == (-0.5, -0.5, 0.5, 0.5)


def decoded(address):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))))


def test_a_small_picture_is_embedded_as_it_is():
    picture = decoded(encoded_picture(IMAGE, 1100))
    assert picture.shape == (280, 200)
    assert np.array_equal(picture, np.rint(IMAGE * 255))


def test_a_large_picture_is_scaled_down_in_proportion():
    assert decoded(encoded_picture(IMAGE, 140)).shape == (140, 100)


def test_values_outside_of_the_range_and_nan_do_not_wrap_around():
    picture = decoded(encoded_picture(np.array([[-1.0, 2.0], [np.nan, 0.5]]), 10))
    assert picture.tolist() == [[0, 255], [0, 128]]


def test_the_static_figure_has_the_proportions_of_the_image(tmp_path):
    save_figure(tmp_path / "figure.png", CASES["frontal"], IMAGE, height_inches=2.8)
    width, height = Image.open(tmp_path / "figure.png").size
    assert width / height == pytest.approx(200 / 280, abs=0.01)
