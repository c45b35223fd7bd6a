"""Side-marker recognition on drawn images: what is read, what is reported, what is left alone."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from WristQCLib.findings import Finding, Side
from WristQCLib.side_marker import SideMarker, recognise_side_marker
from WristQCLib.side_marker.letters import (
    balanced_agreement,
    compare,
    prepared_characters,
    turn_letter,
)

FONT_FOLDER = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
FONTS = (
    "DejaVuSans-Bold.ttf",
    "DejaVuSansMono-Bold.ttf",
    "DejaVuSerif-Bold.ttf",
    "cmss10.ttf",  # not among the prepared letters
    "DejaVuSans-Oblique.ttf",  # not among the prepared letters
)
ROWS, COLUMNS = 480, 320
PLACE = (250, 130)
"""Centre of the letters drawn here, (x, y)."""


def forearm(seed: int = 0) -> NDArray[np.float32]:
    """Soft tissue with two bright shafts and noise, (ROWS, COLUMNS)."""
    rng = np.random.default_rng(seed)
    x = np.arange(COLUMNS)
    tissue = 0.15 + 0.2 * np.exp(-(((x - 120) / 80) ** 4))
    shafts = 0.45 * sum(np.exp(-(((x - centre) / 16) ** 6)) for centre in (90, 150))
    cortex = 0.2 * sum(np.exp(-(((x - edge) / 3) ** 2)) for edge in (76, 104, 136, 164))
    image = np.tile(tissue + shafts + cortex, (ROWS, 1)) + rng.normal(0, 0.015, (ROWS, COLUMNS))
    return image.clip(0, 1).astype(np.float32)


def glyph(letter: str, font: str = "DejaVuSans-Bold.ttf", height: int = 40) -> Image.Image:
    """A letter's mask, cropped to its ink, `height` pixels high."""
    big = Image.new("L", (600, 600))
    ImageDraw.Draw(big).text(
        (150, 100), letter, fill=255, font=ImageFont.truetype(str(FONT_FOLDER / font), 300)
    )
    ink = big.crop(big.getbbox())
    width = max(1, round(ink.width * height / ink.height))
    return ink.resize((width, height), Image.Resampling.BOX)


def strokes(letter: str, height: int = 40) -> Image.Image:
    """A letter bent from a rod: thin strokes with round ends."""
    lines = {
        "L": [[(0, 0), (0, 300), (170, 300)]],
        "R": [
            [(0, 300), (0, 0), (110, 0), (160, 20), (180, 75), (160, 130), (110, 150), (0, 150)],
            [(90, 150), (190, 300)],
        ],
    }[letter]
    big = Image.new("L", (300, 400))
    draw = ImageDraw.Draw(big)
    for line in lines:
        points = [(x + 40, y + 40) for x, y in line]
        draw.line(points, fill=255, width=36, joint="curve")
        for x, y in points:
            draw.ellipse((x - 18, y - 18, x + 18, y + 18), fill=255)
    ink = big.crop(big.getbbox())
    width = round(ink.width * height / ink.height)
    return ink.resize((width, height), Image.Resampling.BOX)


def stamp(
    image: NDArray[np.float32],
    mask: Image.Image,
    grey: float = 0.95,
    place: tuple[int, int] = PLACE,
    turn: float = 0,
) -> NDArray[np.float32]:
    """Lay `mask` on `image`, centred on `place` and turned clockwise by `turn` degrees."""
    turned = mask.rotate(-turn, resample=Image.Resampling.BICUBIC, expand=True)
    canvas = Image.new("L", (image.shape[1], image.shape[0]))
    canvas.paste(turned, (place[0] - turned.width // 2, place[1] - turned.height // 2))
    share = np.asarray(canvas, np.float32) / 255
    return (image * (1 - share) + grey * share).astype(np.float32)


def plate(width: int, height: int) -> Image.Image:
    """A rectangle's mask."""
    return Image.new("L", (width, height), 255)


def assert_read(marker: SideMarker, letter: str) -> None:
    assert marker.finding is Finding.FOUND, marker.reason
    assert marker.side is Side(letter)
    assert marker.similarity is not None and 0.85 < marker.similarity <= 1


def assert_not_read(marker: SideMarker) -> None:
    assert marker.finding is Finding.NOT_FOUND, marker.reason
    assert marker.side is None and marker.rotation_deg is None


@pytest.mark.parametrize("letter", ["L", "R"])
@pytest.mark.parametrize("font", FONTS)
def test_a_letter_of_any_font_is_read(letter: str, font: str) -> None:
    assert_read(recognise_side_marker(stamp(forearm(), glyph(letter, font))), letter)


@pytest.mark.parametrize("letter", ["L", "R"])
@pytest.mark.parametrize("height", [14, 28, 70])
def test_a_stroke_letter_of_any_size_is_read(letter: str, height: int) -> None:
    assert_read(recognise_side_marker(stamp(forearm(), strokes(letter, height))), letter)


@pytest.mark.parametrize("letter", ["L", "R"])
def test_a_narrow_letter_is_read(letter: str) -> None:
    mask = strokes(letter)
    narrow = mask.resize((round(mask.width * 0.75), mask.height))
    assert_read(recognise_side_marker(stamp(forearm(), narrow)), letter)


@pytest.mark.parametrize("letter", ["L", "R"])
@pytest.mark.parametrize("turn", [-30, -15, 0, 15, 30])
def test_a_letter_turned_by_up_to_30_degrees_is_read_and_its_rotation_told(
    letter: str, turn: float
) -> None:
    marker = recognise_side_marker(stamp(forearm(), glyph(letter), turn=turn))
    assert_read(marker, letter)
    assert marker.rotation_deg == pytest.approx(turn, abs=7)


@pytest.mark.parametrize("letter", ["L", "R"])
@pytest.mark.parametrize("turn", [75, -90, 180])
def test_a_letter_turned_further_is_not_read(letter: str, turn: float) -> None:
    assert_not_read(recognise_side_marker(stamp(forearm(), glyph(letter), turn=turn)))


@pytest.mark.parametrize("letter", ["L", "R"])
def test_an_upside_down_letter_is_reported(letter: str) -> None:
    marker = recognise_side_marker(stamp(forearm(), glyph(letter), turn=180))
    assert f"an upside-down {letter} near (250, 130)" in marker.reason


@pytest.mark.parametrize("letter", ["L", "R"])
def test_a_letter_on_a_faint_plate_with_a_dot_is_read(letter: str) -> None:
    image = stamp(forearm(), plate(60, 80), grey=0.3)
    dot = Image.new("L", (10, 10))
    ImageDraw.Draw(dot).ellipse((0, 0, 9, 9), fill=255)
    image = stamp(image, dot, grey=0.05, place=(250, 97))
    assert_read(recognise_side_marker(stamp(image, strokes(letter))), letter)


@pytest.mark.parametrize("letter", ["L", "R"])
@pytest.mark.parametrize("turn", [0, 12])
def test_a_letter_cut_out_of_a_bright_plate_is_read(letter: str, turn: float) -> None:
    image = stamp(forearm(), plate(60, 60), turn=turn)
    marker = recognise_side_marker(stamp(image, glyph(letter), grey=0.05, turn=turn))
    assert_read(marker, letter)


@pytest.mark.parametrize("letter", ["L", "R"])
def test_a_letter_that_reaches_the_edge_of_its_bright_plate_is_read(letter: str) -> None:
    image = stamp(forearm(), plate(60, 44))
    image = stamp(image, glyph(letter, height=40), grey=0.05, place=(250, 132))
    assert_read(recognise_side_marker(image), letter)


@pytest.mark.parametrize("letter", ["L", "R"])
def test_a_letter_on_a_shaft_is_read(letter: str) -> None:
    image = stamp(forearm() * 0.75, glyph(letter, height=36), grey=1.0, place=(120, 300))
    assert_read(recognise_side_marker(image), letter)


@pytest.mark.parametrize("letter", ["L", "R"])
def test_a_letter_close_to_a_bright_border_is_read(letter: str) -> None:
    image = forearm()
    image[:, 272:] = 0.9
    mask = glyph(letter)
    assert_read(
        recognise_side_marker(stamp(image, mask, place=(268 - mask.width // 2, 130))), letter
    )


@pytest.mark.parametrize("letter", ["L", "R"])
def test_a_mirrored_letter_is_not_accurate_and_is_reported(letter: str) -> None:
    image = stamp(forearm(), glyph(letter).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    marker = recognise_side_marker(image)
    assert_not_read(marker)
    assert f"a mirrored {letter} near (250, 130)" in marker.reason


@pytest.mark.parametrize("letter", ["L", "R"])
@pytest.mark.parametrize("lost", [0, 8])
def test_a_letter_at_the_border_of_the_image_is_not_complete(letter: str, lost: int) -> None:
    mask = glyph(letter)
    top = mask.height // 2 - lost
    marker = recognise_side_marker(stamp(forearm(), mask, place=(250, top)))
    assert_not_read(marker)


def test_a_letter_that_touches_the_border_of_the_image_is_reported() -> None:
    marker = recognise_side_marker(stamp(forearm(), glyph("R"), place=(250, 20)))
    assert "an R near (250, 20), but the border of the image cuts it" in marker.reason


@pytest.mark.parametrize("letter", ["L", "R"])
@pytest.mark.parametrize("side", ["left", "bottom"])
def test_a_covered_letter_is_not_read(letter: str, side: str) -> None:
    image = stamp(forearm(), glyph(letter, height=60))
    if side == "left":
        image[90:170, 200:248] = 0.3
    else:
        image[128:170, 200:300] = 0.3
    assert_not_read(recognise_side_marker(image))


@pytest.mark.parametrize("character", list("ABDEFHJKNPT1247"))
@pytest.mark.parametrize("font", FONTS[:3])
def test_other_characters_are_not_read(character: str, font: str) -> None:
    assert_not_read(recognise_side_marker(stamp(forearm(), glyph(character, font))))


@pytest.mark.parametrize("seed", range(4))
def test_bones_and_noise_hold_no_marker(seed: int) -> None:
    marker = recognise_side_marker(forearm(seed))
    assert marker == SideMarker(
        Finding.NOT_FOUND, None, None, None, None, "No L or R was recognised in the image."
    )


def test_pure_noise_holds_no_marker() -> None:
    noise = np.random.default_rng(5).random((300, 300)).astype(np.float32)
    assert_not_read(recognise_side_marker(noise))


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_a_uniform_image_holds_no_marker(value: float) -> None:
    assert_not_read(recognise_side_marker(np.full((200, 100), value, np.float32)))


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (12, 9), (0, 0)])
def test_an_image_too_small_for_a_letter_holds_no_marker(shape: tuple[int, int]) -> None:
    assert_not_read(recognise_side_marker(np.full(shape, 0.5, np.float32)))


def test_rings_bars_and_screws_hold_no_marker() -> None:
    picture = Image.new("L", (COLUMNS, ROWS))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((220, 60, 280, 110), outline=255, width=8)
    draw.rectangle((230, 150, 290, 162), fill=255)
    draw.rectangle((240, 200, 252, 280), fill=255)
    draw.polygon([(230, 320), (270, 330), (240, 380)], fill=255)
    for y in range(300, 340, 6):
        draw.line((140, y, 160, y + 3), fill=255, width=3)
    draw.line((150, 296, 150, 350), fill=255, width=6)
    metal = np.asarray(picture, np.float32) / 255
    assert_not_read(recognise_side_marker(np.maximum(forearm(), metal)))


def test_an_l_and_an_r_are_ambiguous() -> None:
    image = stamp(stamp(forearm(), glyph("L")), glyph("R"), place=(40, 300))
    marker = recognise_side_marker(image)
    assert_not_read(marker)
    assert "ambiguous" in marker.reason


def test_two_equal_letters_are_one_side() -> None:
    image = stamp(stamp(forearm(), glyph("L")), glyph("L"), place=(40, 300))
    assert_read(recognise_side_marker(image), "L")


def test_the_box_encloses_the_letter_with_pixel_centres_at_integers() -> None:
    image = forearm()
    image[100:140, 240:248] = 1.0
    image[132:140, 240:264] = 1.0
    marker = recognise_side_marker(image)
    assert_read(marker, "L")
    assert marker.box == pytest.approx((239.5, 99.5, 263.5, 139.5), abs=1.0)


def test_the_threshold_is_the_callers() -> None:
    image = stamp(forearm(), glyph("R", "DejaVuSans-Oblique.ttf"))
    similarity = recognise_side_marker(image).similarity
    assert similarity is not None
    assert_read(recognise_side_marker(image, threshold=similarity - 0.06), "R")
    assert_not_read(recognise_side_marker(image, threshold=similarity + 0.001))


def test_spacing_limits_the_size_of_letters() -> None:
    image = stamp(forearm(), glyph("R", height=60))
    assert_read(recognise_side_marker(image, spacing=(0.2, 0.2)), "R")  # 12 mm
    assert_not_read(recognise_side_marker(image, spacing=(1.5, 1.5)))  # 90 mm
    assert_not_read(recognise_side_marker(image, spacing=(0.02, 0.02)))  # 1.2 mm


def test_an_image_with_colours_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(4, 4, 3\)"):
        recognise_side_marker(np.zeros((4, 4, 3), np.float32))


def test_balanced_agreement_is_the_mean_of_ink_covered_and_ground_left_free() -> None:
    letter = np.array([[1, 1, 0, 0, 0, 0, 0, 0]], bool)
    for pixels, expected in (
        ([1, 1, 0, 0, 0, 0, 0, 0], 1.0),
        ([0, 0, 0, 0, 0, 0, 0, 0], 0.5),
        ([1, 1, 1, 1, 1, 1, 1, 1], 0.5),
        ([0, 0, 1, 1, 1, 1, 1, 1], 0.0),
        ([1, 0, 1, 1, 1, 0, 0, 0], 0.5),  # half of the ink, half of the ground
    ):
        component = np.array([pixels], bool)
        assert balanced_agreement(component, letter)[0, 0] == pytest.approx(expected)


def test_prepared_letters_are_64x64_and_touch_all_sides_of_their_box() -> None:
    for letter in "LR":
        images = prepared_characters()[letter].image
        assert images.shape[1:] == (64, 64)
        upright = images[prepared_characters()[letter].turn == 0]
        for image in upright:
            assert image[0].any() and image[-1].any()
            assert image[:, 0].any() and image[:, -1].any()


def test_a_prepared_letter_is_most_similar_to_itself() -> None:
    for letter in "LR":
        characters = prepared_characters()[letter]
        image = characters.image[characters.turn == 0][3]
        aspect = float(characters.aspect[characters.turn == 0][3])
        component = np.asarray(
            Image.fromarray(image).resize((round(64 * aspect), 64), Image.Resampling.NEAREST)
        )
        best = max(compare(component), key=lambda match: match.similarity)
        assert (best.letter, best.orientation, best.turn) == (letter, "", 0)
        assert best.similarity > 0.97


def test_turning_a_letter_by_90_degrees_swaps_its_sides() -> None:
    bar = np.zeros((64, 64), bool)
    bar[:16] = True  # the upper quarter
    turned, aspect = turn_letter(bar, 0.5, 90)  # crops to the ink: 0.5 wide, 0.25 high
    assert turned.all()
    assert aspect == pytest.approx(0.5, rel=0.02)
