"""A shaft is followed where the map of it shows another course than that to the point found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from WristQCLib.models.letterbox import Letterbox
from WristQCLib.models.shafts import better_end, followed, room, support

DOWN = np.array([0.0, 1.0])


def ridge(start: tuple[float, float], end: tuple[float, float], height: float = 1.0) -> Any:
    """A line three pixels wide in a map of 100 x 80."""
    shaft = np.zeros((100, 80), np.float32)
    for x, y in np.linspace(start, end, 500):
        shaft[round(y), max(round(x) - 1, 0) : round(x) + 2] = height
    return shaft


def to_border(start: tuple[float, float]) -> Any:
    return lambda direction: room(np.array(start), direction, (100, 80))


def test_support_is_the_mean_along_the_far_half_of_a_course() -> None:
    shaft = np.zeros((20, 20), np.float32)
    shaft[:, 10] = 0.5
    shaft[:9, 10] = 1.0
    down, aside, outside = support(
        shaft, np.array([10.0, 0.0]), np.array([[10.0, 19.0], [19.0, 0.0], [10.0, -30.0]])
    )
    assert down == pytest.approx(0.5)
    assert aside == 0.0
    assert outside == 0.0


def test_room_ends_at_the_nearest_border() -> None:
    start, size = np.array([10.0, 20.0]), (100, 80)
    assert room(start, np.array([1.0, 0.0]), size) == 69.0
    assert room(start, np.array([-1.0, 0.0]), size) == 10.0
    assert room(start, DOWN, size) == 79.0
    # To the left border after 10 columns, that is 10 * sqrt(2).
    assert room(start, np.array([-1.0, -1.0]) / 2**0.5, size) == pytest.approx(10 * 2**0.5)
    assert room(np.array([90.0, 20.0]), np.array([1.0, 0.0]), size) == 0.0


def test_the_course_that_the_map_shows_replaces_one_that_it_does_not() -> None:
    start = (30.0, 10.0)
    shaft = ridge(start, (10.0, 99.0))
    other_bone = np.array([50.0, 99.0])
    end = better_end(shaft, np.array(start), other_bone, DOWN, 5.0, to_border(start))
    assert end == pytest.approx([10.0, 99.0], abs=2.0)


def test_a_point_stands_that_its_map_leads_to_or_that_has_no_better_course() -> None:
    start = np.array([30.0, 10.0])
    lead = better_end(ridge((30, 10), (30, 99)), start, np.array([30.0, 99.0]), DOWN, 5.0, _never)
    assert lead is None
    faint = better_end(
        np.zeros((100, 80), np.float32),
        start,
        np.array([50.0, 99.0]),
        DOWN,
        5.0,
        to_border((30, 10)),
    )
    assert faint is None


def test_a_course_far_from_the_other_bones_needs_far_more_support() -> None:
    start = (30.0, 10.0)
    # 35 degrees off: exp(-0.5 * (35 / 15)**2) = 0.066 of its support counts, against 0.3 / 2.
    aslant = ridge(start, (75.0, 10.0 + 45.0 / np.tan(np.radians(35.0))))
    found = np.maximum(aslant, ridge(start, (30.0, 99.0), 0.3))
    end = np.array([30.0, 99.0])
    assert better_end(found, np.array(start), end, DOWN, 5.0, to_border(start)) is None


def test_a_shaft_that_is_hardly_seen_is_not_followed() -> None:
    start, end = (30.0, 10.0), np.array([50.0, 99.0])
    for height, moves in ((0.25, False), (0.35, True)):
        shaft = ridge(start, (30.0, 99.0), height)
        other = better_end(shaft, np.array(start), end, DOWN, 5.0, to_border(start))
        assert (other is not None) == moves


def test_a_course_that_leaves_at_once_is_too_short() -> None:
    start, end = (2.0, 10.0), np.array([10.0, 99.0])
    shaft = np.maximum(ridge(start, (0.0, 15.0)), ridge(start, (10.0, 99.0), 0.2))
    assert better_end(shaft, np.array(start), end, DOWN, 2.0, to_border(start)) is not None
    assert better_end(shaft, np.array(start), end, DOWN, 20.0, to_border(start)) is None


def test_only_the_shaft_that_goes_elsewhere_is_moved_and_only_with_both_bones_there() -> None:
    image = np.random.default_rng(0).random((400, 320)).astype(np.float32)
    letterbox = Letterbox.whole(image.shape, (400, 320))
    points = {
        "scaphoid_centre": (120.0, 20.0),
        "distal_radius_centre": (120.0, 40.0),
        "distal_ulna_centre": (160.0, 40.0),
        "proximal_radius_centre": (120.0, 399.0),
        "proximal_ulna_centre": (130.0, 399.0),
    }
    # Pixel k of the map covers 4 pixels of the image: its centre is at 4 k + 1.5.
    shafts = np.stack([ridge((29.6, 9.6), (29.6, 99)), ridge((39.6, 9.6), (55.0, 99))])
    moved = followed(shafts, letterbox, image, points)
    assert list(moved) == ["proximal_ulna_centre"]
    assert moved["proximal_ulna_centre"] == pytest.approx((221.5, 397.5), abs=6.0)
    del points["distal_radius_centre"]
    assert followed(shafts, letterbox, image, points) == {}


def _never(direction: Any) -> float:
    raise AssertionError("no other course needs to be tried")
