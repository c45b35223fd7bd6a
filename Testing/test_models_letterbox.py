from __future__ import annotations

import numpy as np
import pytest

from WristQCLib.models.letterbox import Letterbox, network_input
from WristQCLib.models.preprocessing import normalise


def test_a_square_image_in_a_tall_input_is_centred_and_its_corners_land_where_computed() -> None:
    # 100x100 into 200 rows x 100 columns: scale 1, 50 rows of padding above.
    letterbox = Letterbox.whole((100, 100), (200, 100))
    assert letterbox.margin == (0, 50)
    assert letterbox.to_input((0.0, 0.0)).tolist() == [0.0, 50.0]
    # The image's border, not its pixel centre, is what lands on the content's border.
    assert letterbox.to_input((-0.5, -0.5)).tolist() == [-0.5, 49.5]


def test_halving_maps_pixel_centres_by_the_half_pixel_rule() -> None:
    letterbox = Letterbox.whole((200, 100), (100, 50))
    # Pixels 0 and 1 merge into input pixel 0, whose centre is at 0.5 of the image.
    assert letterbox.to_input((0.5, 0.5)).tolist() == [0.0, 0.0]
    assert letterbox.to_image((0.0, 0.0)).tolist() == [0.5, 0.5]
    assert letterbox.to_image((49.5, 99.5)).tolist() == [99.5, 199.5]


def test_the_papers_mode_squeezes_both_axes_independently() -> None:
    letterbox = Letterbox.whole((1800, 1500), (1280, 640), isotropic=False)
    assert letterbox.scale == pytest.approx([640 / 1500, 1280 / 1800])
    assert letterbox.margin == (0, 0)
    assert letterbox.to_input((1499.5, 1799.5)) == pytest.approx([639.5, 1279.5])


@pytest.mark.parametrize("isotropic", [True, False])
@pytest.mark.parametrize("box", [(0, 0, 405, 201), (-30, 17, 371, 640), (100, 100, 101, 103)])
def test_mapping_to_the_input_and_back_is_exact(
    box: tuple[int, int, int, int], isotropic: bool
) -> None:
    letterbox = Letterbox.fit(box, (512, 384), isotropic)
    points = np.array([[0.0, 0.0], [12.25, 300.75], [-40.0, 1000.0]])
    assert letterbox.to_image(letterbox.to_input(points)) == pytest.approx(points, abs=1e-9)


@pytest.mark.parametrize(
    ("size", "input_size"), [((70, 40), (64, 48)), ((31, 53), (128, 96)), ((200, 150), (64, 48))]
)
def test_a_blob_is_found_in_the_resampled_image_where_the_map_says(
    size: tuple[int, int], input_size: tuple[int, int]
) -> None:
    x, y = 0.4 * size[1], 0.6 * size[0]
    ys, xs = np.mgrid[: size[0], : size[1]]
    blob = np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * 4.0**2)).astype(np.float32)
    letterbox = Letterbox.whole(size, input_size)
    resampled = letterbox.resample(blob)
    rows, columns = np.mgrid[: input_size[0], : input_size[1]]
    centre = [float((resampled * g).sum() / resampled.sum()) for g in (columns, rows)]
    assert centre == pytest.approx(letterbox.to_input((x, y)).tolist(), abs=0.05)


def test_a_box_beyond_the_image_is_filled_with_zero() -> None:
    image = np.ones((10, 10), dtype=np.float32)
    resampled = Letterbox.fit((-5, -5, 5, 5), (10, 10)).resample(image)
    assert resampled[:5].max() == 0.0 and resampled[:, :5].max() == 0.0
    assert resampled[5:, 5:].min() == 1.0


def test_a_box_wholly_outside_of_the_image_is_empty_not_an_error() -> None:
    image = np.ones((10, 10), dtype=np.float32)
    assert Letterbox.fit((20, 20, 30, 30), (8, 8)).resample(image).max() == 0.0
    assert Letterbox.fit((-30, -30, -20, -20), (8, 8)).resample(image).max() == 0.0


def test_an_empty_box_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        Letterbox.fit((3, 3, 3, 9), (8, 8))


def test_normalising_does_not_depend_on_the_display_scale() -> None:
    image = np.random.default_rng(1).random((50, 40))
    assert normalise(image * 4095 + 100) == pytest.approx(normalise(image), abs=1e-4)


def test_white_and_black_borders_do_not_change_how_the_field_is_normalised() -> None:
    field = np.random.default_rng(2).uniform(0.3, 0.5, (40, 40))
    bordered = np.pad(np.pad(field, 10, constant_values=0.0), 5, constant_values=1.0)
    assert normalise(bordered)[15:-15, 15:-15] == pytest.approx(normalise(field), abs=0.08)
    assert normalise(bordered)[0, 0] == 1.0
    assert normalise(bordered)[7, 7] == 0.0


def test_an_image_without_contrast_is_mid_grey() -> None:
    assert set(np.unique(normalise(np.full((4, 4), 7.0)))) == {0.5}


def test_the_network_input_has_the_size_and_range_asked_for() -> None:
    pixels = network_input(np.arange(600).reshape(20, 30), (64, 48))
    assert pixels.shape == (64, 48) and pixels.dtype == np.float32
    assert pixels.min() >= 0.0 and pixels.max() <= 1.0
