"""Draw the prepared images that side-marker recognition compares with: L, R and what is neither.

Lead letters are cast or cut after ordinary sans, slab and serif faces, or bent from wire and
milled with a round cutter, which gives strokes of constant width. The letters are therefore taken
from the DejaVu fonts (shipped with matplotlib, free licence, see ``Resources/Markers/README.md``)
and from strokes drawn here over a range of widths and weights.

Run from the repository root: ``python -m training.prepare_markers``. The result depends on
nothing but this file and the fonts.
"""

from __future__ import annotations

from itertools import pairwise, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MARKERS = Path(__file__).resolve().parent.parent / "Resources" / "Markers"
SIZE = 64
"""Side of a prepared image in pixels (specification, section 3)."""

FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSansMono.ttf",
    "DejaVuSansMono-Bold.ttf",
    "DejaVuSerif.ttf",
    "DejaVuSerif-Bold.ttf",
    "STIXGeneral.ttf",
    "STIXGeneralBol.ttf",
    "cmr10.ttf",
    "cmb10.ttf",
    "cmtt10.ttf",
)
FONT_WIDTHS = (0.75, 1.0, 1.2)
"""Horizontal stretch of a font: narrow, as it is, and wide."""

OTHERS = "ABDEFHKNP47bdhknp[>"
"""Characters that are as similar to an L or an R as a bad L or R is."""
OTHERS_FONTS = (
    "DejaVuSans.ttf",
    "DejaVuSans-Bold.ttf",
    "DejaVuSansMono-Bold.ttf",
    "DejaVuSerif-Bold.ttf",
    "cmb10.ttf",
)

STROKE_WIDTHS = (0.45, 0.6, 0.78)
"""Width of a stroke letter, centre line to centre line, relative to its height."""
STROKE_WEIGHTS = (0.1, 0.15, 0.21, 0.28)
"""Thickness of the stroke, relative to the letter's height."""
ENDS = ("round", "square")
WAISTS = (0.5, 0.58)
"""Height at which the bowl of a stroke R returns to its stem, from the top."""
BOWLS = ("round", "square")
LEGS = (0.3, 0.6)
"""Where the leg of a stroke R leaves the waist, relative to the letter's width."""

DRAWN = 256
"""Height in pixels at which a letter is drawn before it is reduced to `SIZE`."""


def letter_l(width: float) -> list[NDArray[np.float64]]:
    """Centre lines of a stroke L, each (n, 2) as (x right, y down), height 1."""
    return [np.array([(0, 0), (0, 1), (width, 1)], float)]


def letter_r(width: float, waist: float, bowl: str, leg: float) -> list[NDArray[np.float64]]:
    """Centre lines of a stroke R, each (n, 2) as (x right, y down), height 1."""
    reach = width if bowl == "square" else 0.95 * width
    radius = min(waist / 2 if bowl == "round" else waist / 4, reach)
    upper, lower = np.linspace(-np.pi / 2, 0, 12), np.linspace(0, np.pi / 2, 12)
    corner = [
        np.column_stack([reach - radius + np.cos(t) * radius, y + np.sin(t) * radius])
        for t, y in ((upper, radius), (lower, waist - radius))
    ]
    return [
        np.array([(0, 1), (0, 0)], float),
        np.vstack([(0, 0), *corner, (0, waist)]),
        np.array([(width * leg, waist), (width, 1)], float),
    ]


def draw_strokes(lines: list[NDArray[np.float64]], weight: float, ends: str) -> NDArray[np.bool_]:
    """Draw centre lines with one stroke width, and round or square ends."""
    half = weight / 2
    width = max(line[:, 0].max() for line in lines)
    x, y = np.meshgrid(
        np.arange(-weight, width + weight, 1 / DRAWN), np.arange(-half, 1 + half, 1 / DRAWN)
    )
    ink = np.zeros(x.shape, bool)
    for line in lines:
        for start, end in pairwise(line):
            length = np.linalg.norm(end - start)
            if not length:
                continue
            along = (end - start) / length
            u = (x - start[0]) * along[0] + (y - start[1]) * along[1]
            v = np.abs((y - start[1]) * along[0] - (x - start[0]) * along[1])
            beyond = np.maximum(np.maximum(-u, u - length), 0)
            ink |= (np.maximum(beyond, v) if ends == "square" else np.hypot(beyond, v)) <= half
    return ink


def draw_glyph(letter: str, font: str, stretch: float) -> NDArray[np.bool_]:
    """Draw a letter of a font that comes with matplotlib."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / font
    canvas = Image.new("L", (3 * DRAWN, 3 * DRAWN))
    ImageDraw.Draw(canvas).text(
        (DRAWN, DRAWN), letter, fill=255, font=ImageFont.truetype(str(path), DRAWN)
    )
    canvas = canvas.resize((round(canvas.width * stretch), canvas.height))
    return np.asarray(canvas) > 127


def prepare(ink: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], float]:
    """Crop a drawn letter to its box and resize that to 64x64.

    Returns
    -------
    image
        (64, 64), true on the letter.
    aspect
        Width of the letter's box divided by its height, which the square image no longer tells.
    """
    from PIL import Image

    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    square = Image.fromarray(box.astype(np.uint8) * 255).resize((SIZE, SIZE), Image.Resampling.BOX)
    return np.asarray(square) > 127, box.shape[1] / box.shape[0]


def main() -> None:
    """Write ``letters.npz`` (for the library) and ``letters.png`` (for people to look at)."""
    from PIL import Image

    drawn: list[tuple[str, str, NDArray[np.bool_]]] = []
    for letter, font, stretch in product("LR", FONTS, FONT_WIDTHS):
        name = f"{Path(font).stem} x{stretch:g}"
        drawn.append((letter, name, draw_glyph(letter, font, stretch)))
    for other, font in product(OTHERS, OTHERS_FONTS):
        drawn.append((other, Path(font).stem, draw_glyph(other, font, 1)))
    for width, weight, ends in product(STROKE_WIDTHS, STROKE_WEIGHTS, ENDS):
        name = f"{ends} stroke {width:g}/{weight:g}"
        drawn.append(("L", name, draw_strokes(letter_l(width), weight, ends)))
    for width, weight in product(STROKE_WIDTHS, STROKE_WEIGHTS):
        for waist, bowl, leg in product(WAISTS, BOWLS, LEGS):
            name = f"{bowl} stroke {width:g}/{weight:g}, waist {waist:g}, leg {leg:g}"
            lines = letter_r(width, waist, bowl, leg)
            drawn.append(("R", name, draw_strokes(lines, weight, bowl)))

    prepared = [prepare(ink) for _, _, ink in drawn]
    images = np.stack([image for image, _ in prepared])
    MARKERS.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        MARKERS / "letters.npz",
        character=np.array([character for character, _, _ in drawn]),
        name=np.array([name for _, name, _ in drawn]),
        aspect=np.array([aspect for _, aspect in prepared], np.float32),
        image=np.packbits(images, axis=-1),
    )

    across = 26
    cells = np.pad(images, ((0, -len(images) % across), (4, 4), (4, 4)))
    sheet = cells.reshape(-1, across, *cells.shape[1:]).swapaxes(1, 2)
    sheet = sheet.reshape(sheet.shape[0] * sheet.shape[1], -1)
    Image.fromarray(sheet.astype(np.uint8) * 255).convert("1").save(MARKERS / "letters.png")
    print(f"{len(drawn)} prepared letters in {MARKERS}")


if __name__ == "__main__":
    main()
