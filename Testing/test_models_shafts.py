"""Of two places that a proximal point may have, the one that its own shaft leads to is trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from WristQCLib.models.heatmaps import decode, gaussian_heat_maps
from WristQCLib.models.shafts import agreement, support, trust


def ridge(start: tuple[float, float], end: tuple[float, float], height: float = 1.0) -> Any:
    """A line three pixels wide in a map of 100 x 80."""
    shaft = np.zeros((100, 80), np.float32)
    for x, y in np.linspace(start, end, 500):
        shaft[round(y), max(round(x) - 1, 0) : round(x) + 2] = height
    return shaft


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


def two_ends(own: float, other: float) -> Any:
    """A heat map with peaks at the own end, (10, 90), and at the other bone's, (50, 95)."""
    first, second = gaussian_heat_maps(np.array([[10.0, 90.0], [50.0, 95.0]]), (100, 80), 2.0)
    return own * first + other * second


START = np.array([30.0, 10.0])


def test_a_lower_peak_that_the_shaft_leads_to_goes_before_a_higher_one() -> None:
    heat_map, shaft = two_ends(0.2, 0.5), ridge((30, 10), (10, 90))
    assert decode(heat_map, 2.0).position == pytest.approx((50.0, 95.0), abs=0.2)
    peak = decode(heat_map, 2.0, trust(heat_map, shaft, START))
    assert peak.position == pytest.approx((10.0, 90.0), abs=0.2)
    # What the map shows is told as it is: the doubt remains.
    assert peak.height == pytest.approx(0.2) and peak.extent > 20.0


def test_where_no_shaft_is_seen_the_highest_peak_counts() -> None:
    heat_map = two_ends(0.2, 0.5)
    trusted = trust(heat_map, np.zeros_like(heat_map), START)
    assert decode(heat_map, 2.0, trusted).position == pytest.approx((50.0, 95.0), abs=0.2)
    # Hardly seen: 0.05 + 0.05 is twice 0.05, and the peak 2.5 times as high.
    faint = trust(heat_map, ridge((30, 10), (10, 90), 0.05), START)
    assert decode(heat_map, 2.0, faint).position == pytest.approx((50.0, 95.0), abs=0.2)


def test_only_what_the_heat_map_shows_is_trusted() -> None:
    heat_map = two_ends(0.0, 0.5)
    trusted = trust(heat_map, np.ones_like(heat_map), START)
    # 0.02 of the peak are reached 2.8 standard deviations from it.
    assert trusted[95, 50] == pytest.approx(1.05) and trusted[95, 56] == 0.0
    assert not trust(np.zeros_like(heat_map), np.ones_like(heat_map), START).any()


def test_an_end_goes_with_the_one_that_its_shaft_is_parallel_to() -> None:
    # Distal ends 20 pixels apart, one unit: the ulna turns away by 2.5 degrees, 3.5 pixels on 80.
    starts = [np.array([30.0, 10.0]), np.array([50.0, 10.0])]
    radius, own, others = gaussian_heat_maps(
        np.array([[30.0, 90.0], [53.5, 90.0], [30.0, 90.0]]), (100, 80), 2.0
    )
    sought = [radius, 0.4 * own + 0.5 * others]
    agreed = agreement(sought, starts, 20.0)
    assert agreed[1].max() == pytest.approx(1.0) == pytest.approx(agreed[1][90, 53], abs=0.01)
    # To the radius' end it would turn by 14 degrees towards it, 3.3 standard deviations.
    assert agreed[1][90, 30] == pytest.approx((0.1 + np.exp(-0.5 * 3.3**2)) / 1.1, abs=0.01)
    assert decode(sought[1], 2.0, agreed[1]).position == pytest.approx((53.5, 90.0), abs=0.2)
    # Mirrored it is the same.
    mirrored = agreement(
        [places[:, ::-1] for places in sought],
        [(79, 0) + start * (-1, 1) for start in starts],
        20.0,
    )
    assert mirrored[1][:, ::-1] == pytest.approx(agreed[1])


def test_an_end_that_is_in_doubt_follows_the_clear_one_of_either_bone() -> None:
    starts = [np.array([30.0, 10.0]), np.array([31.0, 10.0])]
    left, right = gaussian_heat_maps(np.array([[10.0, 90.0], [50.0, 90.0]]), (100, 80), 2.0)
    agreed = agreement([0.5 * left + 0.4 * right, right], starts, 20.0)
    assert decode(0.5 * left + 0.4 * right, 2.0, agreed[0]).position[0] == pytest.approx(50, abs=1)


def test_where_nothing_is_sought_for_one_end_any_place_will_do_for_the_other() -> None:
    starts = [np.array([30.0, 10.0]), np.array([50.0, 10.0])]
    empty = np.zeros((100, 80), np.float32)
    assert all(part.all() for part in agreement([two_ends(1.0, 0.0), empty], starts, 20.0))
