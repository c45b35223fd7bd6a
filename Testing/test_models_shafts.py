"""Of two places that a proximal point may have, the one that its own shaft leads to is trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from WristQCLib.models.heatmaps import decode, gaussian_heat_maps
from WristQCLib.models.shafts import support, trust


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
