from __future__ import annotations

import numpy as np
import pytest

from WristQCLib.models.heatmaps import decode, gaussian_heat_maps


def test_a_heat_map_is_one_at_its_point_and_falls_as_a_gaussian() -> None:
    heat_map = gaussian_heat_maps(np.array([[3.0, 2.0]]), (6, 8), sigma=2.0)[0]
    assert heat_map.shape == (6, 8)
    assert heat_map[2, 3] == 1.0
    assert heat_map[2, 5] == pytest.approx(np.exp(-0.5))  # one sigma to the right
    assert heat_map[4, 5] == pytest.approx(np.exp(-1.0))  # one sigma along each axis


def test_a_sub_pixel_point_is_not_rounded() -> None:
    heat_map = gaussian_heat_maps(np.array([[3.5, 2.0]]), (6, 8), sigma=1.0)[0]
    assert heat_map[2, 3] == heat_map[2, 4] == pytest.approx(np.exp(-0.125))


def test_an_absent_point_has_an_empty_map() -> None:
    heat_maps = gaussian_heat_maps(np.array([[np.nan, np.nan], [1.0, 1.0]]), (4, 4), sigma=1.0)
    assert heat_maps[0].max() == 0.0
    assert heat_maps[1].max() == 1.0


@pytest.mark.parametrize("x", [20.0, 20.25, 20.5, 20.9])
@pytest.mark.parametrize("y", [15.0, 15.4])
def test_decoding_a_clean_gaussian_is_accurate_to_a_fiftieth_of_a_pixel(x: float, y: float) -> None:
    peak = decode(gaussian_heat_maps(np.array([[x, y]]), (40, 48), 3.0)[0], 3.0)
    assert peak.position == pytest.approx((x, y), abs=0.02)


def test_decoding_beats_the_bare_maximum_on_noisy_maps() -> None:
    rng = np.random.default_rng(3)
    ours, bare = [], []
    for _ in range(40):
        point = rng.uniform(12, 28, 2)
        noisy = gaussian_heat_maps(point[None], (40, 40), 3.0)[0]
        noisy = np.clip(noisy + rng.normal(0, 0.05, noisy.shape), 0, 1).astype(np.float32)
        ours.append(np.linalg.norm(np.array(decode(noisy, 3.0).position) - point))
        row, column = np.unravel_index(int(noisy.argmax()), noisy.shape)
        bare.append(np.linalg.norm(np.array([column, row]) - point))
    assert np.mean(ours) < 0.25
    assert np.mean(ours) < 0.5 * np.mean(bare)


def test_a_peak_at_the_border_is_not_pulled_inwards() -> None:
    peak = decode(gaussian_heat_maps(np.array([[20.0, 0.0]]), (40, 40), 3.0)[0], 3.0)
    assert peak.position[0] == pytest.approx(20.0, abs=0.02)
    assert peak.position[1] == pytest.approx(0.0, abs=0.6)


def test_the_extent_is_a_peaks_deviation_and_grows_with_a_second_peak() -> None:
    point, other = np.array([[20.0, 20.0]]), np.array([[20.0, 50.0]])
    one = gaussian_heat_maps(point, (71, 41), 3.0)[0]
    # A little less than 3, for what is under 2 % of the peak does not count.
    assert decode(one, 3.0).extent == pytest.approx(2.8, abs=0.1)
    two = one + 0.5 * gaussian_heat_maps(other, (71, 41), 3.0)[0]
    # A third of the mass 30 px away along one of two axes: root of 2.8^2 + 30^2 / 3 / 2 = 12.6.
    assert decode(two, 3.0).extent == pytest.approx(12.6, abs=0.4)


def test_an_empty_map_is_decoded_without_failing() -> None:
    peak = decode(np.zeros((8, 8), dtype=np.float32), 2.0)
    assert peak.height == 0.0
    assert all(np.isfinite(peak.position))
