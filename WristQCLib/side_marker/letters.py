"""The prepared images of L and R, and how a component is compared with them.

A prepared image is a letter's box resized to 64x64 (specification, section 3). Components are
compared with the letters of many fonts, turned by up to `LARGEST_TURN` either way, also back to
front and upside down, and with other characters that could be mistaken for an L or an R.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from WristQCLib.resources import RESOURCES

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

SIZE = 64
"""Side of a prepared image, in pixels (specification, section 3)."""
LETTERS_FILE = RESOURCES / "Markers" / "letters.npz"
LARGEST_TURN, TURN_STEP = 30, 6
"""Largest rotation at which a letter still counts, and the step it is searched in, in degrees."""
LARGEST_STRETCH = 1.35
"""Largest ratio of the width-to-height ratios of a component and of the letter it may be."""
REFINED = 6
"""So many prepared images that are the most similar at 16x16 are compared at 64x64."""
RIVALRY = 0.8
"""Similarity from which a component is also compared with characters that are neither L nor R."""

ORIENTATIONS: dict[str, tuple[slice, slice]] = {
    "": (slice(None), slice(None)),
    "mirrored": (slice(None), slice(None, None, -1)),
    "upside-down": (slice(None, None, -1), slice(None, None, -1)),
    "upside-down mirrored": (slice(None, None, -1), slice(None)),
}
"""What a letter is called, and how its image is turned over to be upright and readable."""


@dataclass(frozen=True)
class Characters:
    """Prepared images, each at every turn.

    Attributes
    ----------
    turn
        (n,) degrees, clockwise.
    aspect
        (n,) width of the turned character's box divided by its height.
    image
        (n, 64, 64), true on the character.
    coarse
        (n, 256) float32, `image` reduced to 16x16.
    """

    turn: Floats
    aspect: Floats
    image: Mask
    coarse: Floats


@dataclass(frozen=True)
class Match:
    """The most similar prepared image of one letter in one orientation.

    Attributes
    ----------
    letter
        "L", "R", or "" for any other character.
    orientation
        One of `ORIENTATIONS`.
    turn
        Rotation in degrees, clockwise.
    similarity
        In [0, 1], see `balanced_agreement`.
    """

    letter: str
    orientation: str
    turn: float
    similarity: float


@lru_cache(maxsize=1)
def prepared_characters() -> dict[str, Characters]:
    """Read the prepared images and turn them: those of "L", of "R", and of all others, ""."""
    with np.load(LETTERS_FILE, allow_pickle=False) as stored:
        character, aspect = stored["character"], stored["aspect"]
        image = np.unpackbits(stored["image"], axis=-1).reshape(-1, SIZE, SIZE) > 0
    is_l, is_r = character == "L", character == "R"
    return {
        letter: turned_characters(image[chosen], aspect[chosen])
        for letter, chosen in (("L", is_l), ("R", is_r), ("", ~(is_l | is_r)))
    }


def turned_characters(images: Mask, aspects: Floats) -> Characters:
    """Turn (n, 64, 64) upright images to every turn; `aspects` (n,) as in `turn_letter`."""
    turns = np.arange(-LARGEST_TURN, LARGEST_TURN + 1, TURN_STEP)
    turned = [
        turn_letter(image, float(aspect), float(degrees))
        for image, aspect in zip(images, aspects, strict=True)
        for degrees in turns
    ]
    image = np.stack([image for image, _ in turned])
    return Characters(
        turn=np.tile(turns, len(images)).astype(np.float32),
        aspect=np.array([aspect for _, aspect in turned], np.float32),
        image=image,
        coarse=coarse(image),
    )


def turn_letter(upright: Mask, aspect: float, degrees: float) -> tuple[Mask, float]:
    """Turn a prepared letter clockwise and fit its new box to 64x64 again.

    Parameters
    ----------
    upright
        (64, 64) prepared letter.
    aspect
        Width of its true box divided by the height.
    degrees
        Clockwise as the image is shown (x right, y down).

    Returns
    -------
    turned
        (64, 64).
    aspect
        Width of the turned letter's box divided by the height.
    """
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    pixel = np.array([aspect, 1.0]) / SIZE
    rows, columns = np.nonzero(upright)
    corners = (np.column_stack([columns, rows])[:, None] + [(0, 0), (1, 0), (0, 1), (1, 1)]) * pixel
    x = corners[..., 0] * cosine - corners[..., 1] * sine
    y = corners[..., 0] * sine + corners[..., 1] * cosine
    width, height = np.ptp(x), np.ptp(y)
    steps = (np.arange(SIZE) + 0.5) / SIZE
    at_x, at_y = np.meshgrid(x.min() + steps * width, y.min() + steps * height)
    column = np.floor((at_x * cosine + at_y * sine) / pixel[0]).astype(int)
    row = np.floor((at_y * cosine - at_x * sine) / pixel[1]).astype(int)
    inside = (column >= 0) & (column < SIZE) & (row >= 0) & (row < SIZE)
    turned = np.zeros((SIZE, SIZE), bool)
    turned[inside] = upright[row[inside], column[inside]]
    return turned, float(width / height)


def fit_to_square(component: Mask) -> Mask:
    """Resize a component, cropped to its box, to 64x64."""
    steps = (np.arange(SIZE) + 0.5) / SIZE
    height, width = component.shape
    return component[np.ix_((steps * height).astype(int), (steps * width).astype(int))]


def coarse(images: Mask) -> Floats:
    """Reduce (n, 64, 64) images to (n, 256): 16x16 means of 4x4 pixels."""
    means: Floats = images.reshape(-1, 16, 4, 16, 4).mean((2, 4), dtype=np.float32)
    return means.reshape(-1, 256)


def balanced_agreement(component: NDArray[np.generic], letters: NDArray[np.generic]) -> Floats:
    """Compare images pixel by pixel: the similarity that the threshold is for.

    It is the mean of two shares, of the prepared letter's pixels that the component covers, and of
    the ground's pixels that it leaves free. It is 1 for the letter itself and 0.5 for an empty or a
    full box, however thin the strokes. (The plain share of agreeing pixels would give 0.75 to an
    empty box compared with a thin L.)

    Parameters
    ----------
    component
        (k, p) images of p pixels each.
    letters
        (n, p) prepared images.

    Returns
    -------
    similarity
        (k, n) in [0, 1].
    """
    a, b = np.asarray(component, np.float32), np.asarray(letters, np.float32)
    ink = b.sum(1)
    covered = a @ b.T
    free = b.shape[1] - ink - (a.sum(1)[:, None] - covered)
    similarity: Floats = (covered / ink + free / (b.shape[1] - ink)) / 2
    return similarity


def coarse_similarities(squares: Mask, aspects: Floats, characters: Characters) -> Floats:
    """Similarity at 16x16 of components to all of some prepared images.

    Parameters
    ----------
    squares
        (k, 64, 64) components.
    aspects
        (k,) width of a component's box divided by its height, or (1,) for all.
    characters
        n prepared images at all their turns.

    Returns
    -------
    similarity
        (k, n), 0 where the proportions differ by more than `LARGEST_STRETCH`.
    """
    stretch = np.abs(np.log(aspects[:, None] / characters.aspect))
    similarity = balanced_agreement(coarse(squares), characters.coarse)
    return np.where(stretch > np.log(LARGEST_STRETCH), np.float32(0), similarity)


def stacked(components: Sequence[Mask]) -> tuple[Mask, Floats]:
    """Resize components to (k, 64, 64); also their width divided by height, (k,)."""
    squares = np.stack([fit_to_square(component) for component in components])
    aspects = [component.shape[1] / component.shape[0] for component in components]
    return squares, np.array(aspects, np.float32)


def resemblance(components: Sequence[Mask]) -> Floats:
    """Similarity at 16x16 of every component to an L or an R in any orientation, (k,)."""
    squares, aspects = stacked(components)
    prepared = prepared_characters()
    best: Floats = np.max(
        [
            coarse_similarities(squares[(slice(None), *flip)], aspects, prepared[letter]).max(1)
            for flip in ORIENTATIONS.values()
            for letter in "LR"
        ],
        axis=0,
    )
    return best


def compare(component: Mask) -> list[Match]:
    """Compare a component at 64x64 with L and R in every orientation, and with other characters.

    The latter only where it is as similar to an L or an R as `RIVALRY`.
    """
    matches = [match for letter in "LR" for match in most_similar(component, letter)]
    if any(match.similarity > RIVALRY for match in matches):
        matches += most_similar(component, "")
    return matches


def most_similar(component: Mask, letter: str) -> list[Match]:
    """Find the prepared image of a letter that is the most similar in each orientation."""
    characters = prepared_characters()[letter]
    squares, aspects = stacked([component])
    turned_over = np.concatenate([squares[(slice(None), *flip)] for flip in ORIENTATIONS.values()])
    rough = coarse_similarities(turned_over, aspects, characters)
    matches = []
    for orientation, square, similarity in zip(ORIENTATIONS, turned_over, rough, strict=True):
        best = np.argpartition(-similarity, REFINED)[:REFINED]
        best = best[similarity[best] > 0]
        if not best.size:
            continue
        flat = characters.image[best].reshape(len(best), -1)
        refined = balanced_agreement(square.reshape(1, -1), flat)[0]
        top = int(refined.argmax())
        turn = float(characters.turn[best[top]])
        turn = -turn if "mirrored" in orientation else turn
        matches.append(Match(letter, orientation, turn, float(refined[top])))
    return matches
