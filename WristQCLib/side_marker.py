"""Recognition of the lead side marker, an L or an R beside the wrist.

The method is the specification's (section 3): binarise the image, close it morphologically, take
every connected component, resize it to 64x64, compare it pixel by pixel with prepared 64x64 images
of L and R; a marker is present when a similarity exceeds 0.85.

What real radiographs add to it:

- A letter may be large or small, lie on bone or on a plate, or be cut out of a bright plate. A
  first look therefore binarises at several levels, the image as it is and its white top-hat, in
  both polarities, at one reduced resolution per octave of letter height.
- What resembles a letter there gets a second look: binarised again at full resolution, at several
  levels between its own grey and that of its surroundings. Only this decides, and a lead letter
  has to stand out from what is around it and to keep its shape from level to level.
- The prepared letters are turned by up to `LARGEST_TURN` either way. A letter that is turned
  further (upside down, too) is not recognised.
- A letter that is back to front, cut by the border or obstructed is not an accurate marker: it is
  never recognised, but it is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from WristQCLib.findings import Finding, Side

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in pixels of the stored image, pixel centres at integers."""

THRESHOLD = 0.85
"""Similarity above which a marker is present (specification, section 3)."""
SIZE = 64
"""Side of a prepared image, in pixels (specification, section 3)."""
LETTERS_FILE = Path(__file__).resolve().parent.parent / "Resources" / "Markers" / "letters.npz"

LARGEST_TURN, TURN_STEP = 30, 6
"""Largest rotation at which a letter still counts, and the step it is searched in, in degrees."""
LARGEST_STRETCH = 1.35
"""Largest ratio of the width-to-height ratios of a component and of the letter it may be."""
LETTER_MM = (4.0, 25.0)
"""Height of a marker letter."""
LETTER_SHARE = (0.012, 0.17)
"""The same relative to the image's long side, where spacing is unknown."""
LEGIBLE_HEIGHT = 9
"""Height in pixels under which a letter is not legible."""

# First look.
FIRST_HEIGHT = 11
"""Letters are 11 to 22 pixels high at the reduced resolutions."""
BRIGHT_LEVELS = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)
DARK_LEVELS = (0.25, 0.5, 0.75, 0.9)
RAISED_LEVELS = (0.1, 0.2, 0.35)
FIRST_CONTRAST = {False: 0.15, True: 0.3}
"""Smallest contrast of a bright and of a dark letter."""
FIRST_SIMILARITY = 0.75
MOST_CANDIDATES = 16

# Second look.
SECOND_HEIGHT = 80
"""Height of the candidate when it is binarised again, in pixels."""
SECOND_LEVELS = (0.35, 0.5, 0.65, 0.8)
"""Levels of binarisation between the ground's grey, 0, and the letter's, 1."""
SEPARABILITY = {"L": 0.8, "R": 0.65}
"""Smallest share of the grey values' variance that binarisation explains (Otsu's criterion)."""
CONTRAST = {False: 0.2, True: 0.3}
"""Smallest contrast with the brightest of the surroundings, for a bright and a dark letter."""
STEADINESS = 0.05
"""At one more level of binarisation the similarity must not fall further than this below 0.85."""
PLAINNESS = {"L": 0.04, "R": 0.0}
"""How much more than the threshold is asked: bones look like the plain L by chance, not like R."""
LEAD_OVER_OTHERS = 0.03
"""By how much the letter must be more similar than any other letter or orientation."""
OBSTRUCTED_SIMILARITY = 0.77
"""Similarity from which something is reported as an obstructed letter."""

ORIENTATIONS: dict[str, tuple[slice, slice]] = {
    "": (slice(None), slice(None)),
    "mirrored": (slice(None), slice(None, None, -1)),
    "upside-down": (slice(None, None, -1), slice(None, None, -1)),
    "upside-down mirrored": (slice(None, None, -1), slice(None)),
}
"""What a letter is called, and how its image is turned over to be upright and readable."""


@dataclass(frozen=True)
class SideMarker:
    """What was found of the side marker.

    Attributes
    ----------
    finding
        FOUND: a complete, unobstructed, readable L or R. NOT_FOUND otherwise.
    side
        The side that the letter tells, None unless found.
    similarity
        Similarity in [0, 1] of the marker; when none was found, of what came nearest to a readable
        letter; None when nothing did.
    box
        Box of the letter that `similarity` or `reason` speaks of, else None.
    rotation_deg
        Rotation of the found letter in degrees, clockwise as the image is shown.
    reason
        One plain sentence.
    """

    finding: Finding
    side: Side | None
    similarity: float | None
    box: Box | None
    rotation_deg: float | None
    reason: str


@dataclass(frozen=True)
class Letters:
    """Prepared letters, each at every turn.

    Attributes
    ----------
    letter
        (n,) "L" or "R".
    turn
        (n,) degrees, clockwise.
    aspect
        (n,) width of the turned letter's box divided by its height.
    image
        (n, 64, 64), true on the letter.
    coarse
        (n, 256) float32, `image` reduced to 16x16.
    """

    letter: NDArray[np.str_]
    turn: Floats
    aspect: Floats
    image: Mask
    coarse: Floats


@dataclass(frozen=True)
class Candidate:
    """A component of the first look.

    Attributes
    ----------
    box
        (x0, y0, x1, y1) in pixels of the image, x1 and y1 exclusive.
    component
        (h, w), the component in its box at the reduced resolution.
    dark
        The letter is darker than its surroundings.
    plate
        Box of the bright plate that the letter is cut out of, if that was what was found.
    similarity
        To any letter in any orientation, at reduced resolution.
    """

    box: tuple[int, int, int, int]
    component: Mask
    dark: bool
    plate: tuple[int, int, int, int] | None = None
    similarity: float = 0.0


@dataclass(frozen=True)
class Reading:
    """What the second look made of a candidate.

    Attributes
    ----------
    letter, orientation, turn, similarity
        Of the most similar prepared letter; `orientation` is one of `ORIENTATIONS`.
    others
        Similarity to the best of the other letters and orientations.
    steady
        Second-best similarity among the levels of binarisation.
    contrast
        Grey of the letter less that of the brightest of its surroundings.
    separability
        Share of the grey values' variance that lies between letter and surroundings.
    dark
        It is darker than its surroundings.
    cut
        It reaches the border of the image.
    """

    letter: str
    orientation: str
    turn: float
    similarity: float
    others: float
    steady: float
    box: Box
    contrast: float
    separability: float
    dark: bool
    cut: bool

    @property
    def lead(self) -> bool:
        """Whether it stands out from its surroundings as lead does."""
        return self.contrast > CONTRAST[self.dark] and self.separability > SEPARABILITY[self.letter]

    def is_letter(self, threshold: float) -> bool:
        """Whether this is a letter of lead, in whatever orientation, cut or not."""
        return (
            self.lead
            and self.similarity > threshold + PLAINNESS[self.letter]
            and self.steady > threshold - STEADINESS
            and self.similarity - self.others > LEAD_OVER_OTHERS
        )

    def is_accurate(self, threshold: float) -> bool:
        """Whether this is a complete and readable letter of lead."""
        return self.is_letter(threshold) and not self.orientation and not self.cut

    def __str__(self) -> str:
        """Say what was found and where, to continue a sentence."""
        x, y = (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2
        name = f"{self.orientation} {self.letter}".strip()
        article = "an" if name[0] in "LRu" else "a"
        return f"{article} {name} was found near ({x:.0f}, {y:.0f})"


def recognise_side_marker(
    image: NDArray[np.floating],
    *,
    threshold: float = THRESHOLD,
    spacing: tuple[float, float] | None = None,
) -> SideMarker:
    """Look for a complete, accurate, unobstructed L or R.

    Parameters
    ----------
    image
        (rows, columns) in [0, 1], bright where the radiograph is dense.
    threshold
        Similarity that a marker must exceed.
    spacing
        (row, column) pixel spacing in mm. It limits the size of letters that come into question.

    Raises
    ------
    ValueError
        If the image is not two-dimensional.
    """
    if image.ndim != 2:
        raise ValueError(f"A radiograph has rows and columns, got an array of shape {image.shape}.")
    image = np.nan_to_num(np.asarray(image, np.float32)).clip(0, 1)
    if spacing is None:
        lowest, highest = (share * max(image.shape) for share in LETTER_SHARE)
    else:
        lowest, highest = (height / spacing[0] for height in LETTER_MM)
    heights = max(lowest, LEGIBLE_HEIGHT), min(highest, max(image.shape))

    readings = [second_look(image, c) for c in find_candidates(image, heights)]
    return conclude([r for r in readings if r is not None], threshold)


def conclude(readings: Sequence[Reading], threshold: float) -> SideMarker:
    """Decide which of the readings is the marker, or say what stood in its way."""
    ranked = sorted(readings, key=lambda r: -r.similarity)
    accurate = [r for r in ranked if r.is_accurate(threshold)]
    best = accurate[0] if accurate else None
    if best is not None:
        other = next((r for r in accurate if r.letter != best.letter), None)
        if other is not None:
            return SideMarker(
                Finding.NOT_FOUND, None, best.similarity, best.box, None,
                f"The side is ambiguous: {best}, and {other}.",
            )  # fmt: skip
        return SideMarker(
            Finding.FOUND,
            Side(best.letter),
            best.similarity,
            best.box,
            best.turn,
            f"{str(best)[0].upper()}{str(best)[1:]}, similarity {best.similarity:.2f}.",
        )

    none = "No L or R was recognised"
    for reading in ranked:
        if not reading.is_letter(threshold):
            continue
        if reading.orientation:
            why = f"{none}: {reading}."
        else:
            why = f"{none}: {reading}, but the border of the image cuts it."
        return SideMarker(Finding.NOT_FOUND, None, reading.similarity, reading.box, None, why)
    for reading in ranked:
        if reading.lead and not reading.cut and reading.similarity > OBSTRUCTED_SIMILARITY:
            why = (
                f"{none}: what comes nearest, {reading}, has a similarity of only"
                f" {reading.similarity:.2f}; it may be incomplete or obstructed."
            )
            return SideMarker(Finding.NOT_FOUND, None, reading.similarity, reading.box, None, why)
    return SideMarker(Finding.NOT_FOUND, None, None, None, None, f"{none} in the image.")


@lru_cache(maxsize=1)
def prepared_letters() -> Letters:
    """Read the prepared letters and turn them."""
    with np.load(LETTERS_FILE, allow_pickle=False) as stored:
        letters, aspects = stored["letter"], stored["aspect"]
        images = np.unpackbits(stored["image"], axis=-1).reshape(-1, SIZE, SIZE) > 0
    turns = np.arange(-LARGEST_TURN, LARGEST_TURN + 1, TURN_STEP)
    turned = [
        turn_letter(image, float(aspect), float(degrees))
        for image, aspect in zip(images, aspects, strict=True)
        for degrees in turns
    ]
    image = np.stack([image for image, _ in turned])
    return Letters(
        letter=np.repeat(letters, len(turns)),
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
        (n, p) prepared letters.

    Returns
    -------
    similarity
        (k, n) in [0, 1].
    """
    a, b = component.astype(np.float32), letters.astype(np.float32)
    ink = b.sum(1)
    covered = a @ b.T
    free = b.shape[1] - ink - (a.sum(1)[:, None] - covered)
    similarity: Floats = (covered / ink + free / (b.shape[1] - ink)) / 2
    return similarity


def first_similarities(squares: Mask, aspects: Floats) -> Floats:
    """Similarity at 16x16 of every component, turned over in every way, to every letter.

    Parameters
    ----------
    squares
        (k, 64, 64) components.
    aspects
        (k,) width divided by height.

    Returns
    -------
    similarity
        (k, orientations, n), 0 where the proportions differ by more than `LARGEST_STRETCH`.
    """
    letters = prepared_letters()
    misfit = np.abs(np.log(aspects[:, None] / letters.aspect)) > np.log(LARGEST_STRETCH)
    similarity = [
        balanced_agreement(coarse(squares[(slice(None), *flip)]), letters.coarse)
        for flip in ORIENTATIONS.values()
    ]
    return np.where(misfit[:, None], np.float32(0), np.stack(similarity, 1))


def find_candidates(image: Floats, heights: tuple[float, float]) -> list[Candidate]:
    """First look: components that resemble a letter, the best for each place, best first."""
    components = list(find_components(image, heights))
    if not components:
        return []
    squares = np.stack([fit_to_square(c.component) for c in components])
    aspects = np.array([np.divide(*c.component.shape[::-1]) for c in components], np.float32)
    similarities = first_similarities(squares, aspects).max((1, 2))

    kept: list[Candidate] = []
    for index in np.argsort(-similarities, kind="stable"):
        if similarities[index] < FIRST_SIMILARITY or len(kept) == MOST_CANDIDATES:
            break
        candidate = replace(components[index], similarity=float(similarities[index]))
        if all(
            (c.dark, c.plate is None) != (candidate.dark, candidate.plate is None)
            or overlap(c.box, candidate.box) < 0.6
            for c in kept
        ):
            kept.append(candidate)
    return kept


def find_components(image: Floats, heights: tuple[float, float]) -> Iterator[Candidate]:
    """Binarise at reduced resolutions; give every component of a letter's size and contrast."""
    from scipy import ndimage

    factor = max(1, int(heights[0] // FIRST_HEIGHT))
    while FIRST_HEIGHT * factor <= heights[1]:
        reduced = block_mean(image, factor)
        for dark in (False, True):
            grey = 1 - reduced if dark else reduced
            for mask in binarised(grey, dark):
                labels, _ = ndimage.label(mask)
                for number, place in enumerate(ndimage.find_objects(labels), 1):
                    height, width = (side.stop - side.start for side in place)
                    if not (
                        0.8 * FIRST_HEIGHT <= height <= 2.2 * FIRST_HEIGHT
                        and 0.3 * height <= width <= 1.8 * height
                    ):
                        continue
                    component = labels[place] == number
                    corner = place[1].start, place[0].start
                    if is_letter_like(component, grey[place], FIRST_CONTRAST[dark]):
                        yield Candidate(scaled(corner, component, factor), component, dark)
                    elif not dark and is_plate(component):
                        plate = scaled(corner, component, factor)
                        yield from letters_in_plate(component, corner, plate, factor)
        factor *= 2


def binarised(grey: Floats, dark: bool) -> Iterator[Mask]:
    """Compare the image with every level; for bright letters its white top-hat with some more."""
    from scipy import ndimage

    for level in DARK_LEVELS if dark else BRIGHT_LEVELS:
        yield grey > level
    if not dark:
        raised = grey - ndimage.grey_opening(grey, (9, 9))
        for level in RAISED_LEVELS:
            yield raised > level


def block_mean(image: Floats, factor: int) -> Floats:
    """Reduce an image by averaging blocks; rows and columns that do not fill one are dropped."""
    if factor == 1:
        return image
    rows, columns = image.shape[0] // factor, image.shape[1] // factor
    blocks = image[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
    means: Floats = blocks.mean((1, 3), dtype=np.float32)
    return means


def scaled(corner: tuple[int, int], part: Mask, factor: int) -> tuple[int, int, int, int]:
    """Box in the image of `part`, whose (x, y) corner is given at reduced resolution."""
    (x, y), (height, width) = corner, part.shape
    return factor * x, factor * y, factor * (x + width), factor * (y + height)


def is_letter_like(component: Mask, grey: Floats, contrast: float) -> bool:
    """Whether a component fills its box as letters do, and is brighter than the rest of it."""
    share = component.mean()
    if not 0.1 <= share <= 0.75:
        return False
    letter = grey[component].mean()
    return bool((letter - grey.mean()) / (1 - share) >= contrast)


def is_plate(component: Mask) -> bool:
    """Whether a component is an upright rectangle, up to a letter that is cut out of it."""
    edges = (component[0], component[-1], component[:, 0], component[:, -1])
    return bool(component.mean() > 0.5 and np.mean(np.concatenate(edges)) > 0.7)


def letters_in_plate(
    plate: Mask, corner: tuple[int, int], box: tuple[int, int, int, int], factor: int
) -> Iterator[Candidate]:
    """Give what is cut out of a plate; it may reach the plate's edge."""
    from scipy import ndimage

    labels, _ = ndimage.label(~plate)
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        height, width = (side.stop - side.start for side in place)
        if height >= 0.5 * plate.shape[0] and width >= 0.2 * plate.shape[1]:
            component = labels[place] == number
            at = corner[0] + place[1].start, corner[1] + place[0].start
            yield Candidate(scaled(at, component, factor), component, True, box)


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


@dataclass(frozen=True)
class Patch:
    """The surroundings of a candidate at `SECOND_HEIGHT`.

    Attributes
    ----------
    grey
        (h, w), the letter bright.
    seed
        (h, w), the component of the first look.
    origin, step
        (x, y) in the image of the patch's upper left corner, and of one of its pixels.
    open_sides
        Whether left, top, right, bottom are the border of the image.
    """

    grey: Floats
    seed: Mask
    origin: tuple[float, float]
    step: tuple[float, float]
    at_border: tuple[bool, bool, bool, bool]


def second_look(image: Floats, candidate: Candidate) -> Reading | None:
    """Binarise a candidate again at full resolution and compare it with the prepared letters."""
    patch = cut_patch(image, candidate)
    from scipy import ndimage

    near = ndimage.binary_dilation(patch.seed, iterations=3)
    rows, columns = (np.flatnonzero(patch.seed.any(axis)) for axis in (1, 0))
    place = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    ground = patch.grey[place][~near[place]]
    if not ground.size:
        return None
    low, high = np.median(ground), np.percentile(patch.grey[patch.seed], 60)

    components, places, contrasts = [], [], []
    for level in SECOND_LEVELS:
        mask = ndimage.binary_dilation(patch.grey > low + level * (high - low))
        mask = ndimage.binary_erosion(mask, border_value=1)
        labels, count = ndimage.label(mask)
        number = int(np.bincount(labels[patch.seed], minlength=2)[1:].argmax()) + 1
        if number > count:
            continue
        rows, columns = ndimage.find_objects(labels)[number - 1]
        height, width = labels.shape
        reaches = (columns.start == 0, rows.start == 0, columns.stop == width, rows.stop == height)
        if any(r and not border for r, border in zip(reaches, patch.at_border, strict=True)):
            continue  # it has run into its surroundings
        wide = tuple(slice(max(0, side.start - 8), side.stop + 8) for side in (rows, columns))
        contrast, separability = stand_out(patch.grey[wide], labels[wide] == number)
        if contrast < CONTRAST[candidate.dark]:
            continue
        components.append(labels[rows, columns] == number)
        places.append((rows, columns, any(reaches)))
        contrasts.append((contrast, separability))
    if not components:
        return None

    letters = prepared_letters()
    squares = np.stack([fit_to_square(c) for c in components])
    aspects = np.array([np.divide(*c.shape[::-1]) for c in components], np.float32)
    first = first_similarities(squares, aspects)
    found: dict[tuple[str, str], list[tuple[float, float, int]]] = {}
    for level, square in enumerate(squares):
        for o, (orientation, flip) in enumerate(ORIENTATIONS.items()):
            for letter in "LR":
                of_letter = np.where(letters.letter == letter, first[level, o], 0)
                best = np.argpartition(-of_letter, 6)[:6]
                best = best[of_letter[best] > 0]
                if not best.size:
                    continue
                flat = square[flip].reshape(1, -1)
                similarity = balanced_agreement(flat, letters.image[best].reshape(len(best), -1))[0]
                top = int(similarity.argmax())
                found.setdefault((letter, orientation), []).append(
                    (float(similarity[top]), float(letters.turn[best[top]]), level)
                )
    if not found:
        return None
    ranked = sorted(found.items(), key=lambda item: -max(item[1])[0])
    (letter, orientation), levels = ranked[0]
    by_similarity = sorted(levels, reverse=True)
    similarity, turn, level = by_similarity[0]
    rows, columns, cut = places[level]
    contrast, separability = contrasts[level]
    (x, y), (dx, dy) = patch.origin, patch.step
    return Reading(
        letter=letter,
        orientation=orientation,
        turn=-turn if "mirrored" in orientation else turn,
        similarity=similarity,
        others=max(ranked[1][1])[0] if len(ranked) > 1 else 0.0,
        steady=by_similarity[1][0] if len(by_similarity) > 1 else 0.0,
        box=(
            x + columns.start * dx,
            y + rows.start * dy,
            x + columns.stop * dx,
            y + rows.stop * dy,
        ),
        contrast=contrast,
        separability=separability,
        dark=candidate.dark,
        cut=cut,
    )


def cut_patch(image: Floats, candidate: Candidate) -> Patch:
    """Cut out a candidate with a margin and bring it to `SECOND_HEIGHT`."""
    from scipy import ndimage

    x0, y0, x1, y1 = candidate.box
    margin = int(np.ceil(0.35 * (y1 - y0))) + 1
    left, top = max(0, x0 - margin), max(0, y0 - margin)
    right, bottom = min(image.shape[1], x1 + margin), min(image.shape[0], y1 + margin)
    grey = image[top:bottom, left:right]
    if candidate.dark:
        grey = 1 - grey
    if candidate.plate is not None:
        px0, py0, px1, py1 = candidate.plate
        outside = np.ones(grey.shape, bool)
        outside[max(0, py0 - top) : py1 - top, max(0, px0 - left) : px1 - left] = False
        grey = np.where(outside, np.float32(0), grey)
    scale = SECOND_HEIGHT / (y1 - y0)
    if scale < 0.7:
        grey = ndimage.uniform_filter(grey, round(1 / scale), mode="nearest")
    shape = round(grey.shape[0] * scale), round(grey.shape[1] * scale)
    step = grey.shape[1] / shape[1], grey.shape[0] / shape[0]
    x, y = (np.arange(shape[1]) + 0.5) * step[0], (np.arange(shape[0]) + 0.5) * step[1]
    grid = np.meshgrid(y - 0.5, x - 0.5, indexing="ij")
    fine = ndimage.map_coordinates(grey, grid, order=1, mode="nearest")

    height, width = candidate.component.shape
    row = np.floor((y + top - y0) / (y1 - y0) * height).astype(int)
    column = np.floor((x + left - x0) / (x1 - x0) * width).astype(int)
    rows, columns = (row >= 0) & (row < height), (column >= 0) & (column < width)
    seed = np.zeros(shape, bool)
    seed[np.ix_(rows, columns)] = candidate.component[np.ix_(row[rows], column[columns])]
    border = (left == 0, top == 0, right == image.shape[1], bottom == image.shape[0])
    return Patch(fine, seed, (left - 0.5, top - 0.5), step, border)


def stand_out(grey: Floats, component: Mask) -> tuple[float, float]:
    """Tell how a component stands out from what surrounds it.

    Parameters
    ----------
    grey, component
        (h, w), the component with some margin.

    Returns
    -------
    contrast
        Grey of the component less that of the brightest of its surroundings.
    separability
        Share of the variance of the grey values that lies between component and surroundings, in
        [0, 1] (Otsu, IEEE Transactions on Systems, Man and Cybernetics 9, 62, 1979). The blurred
        edge between the two is left out.
    """
    from scipy import ndimage

    ground = grey[~ndimage.binary_dilation(component, iterations=4)]
    letter = grey[component]
    if not ground.size:
        return 0.0, 0.0
    contrast = np.percentile(letter, 25) - np.percentile(ground, 85)
    share = letter.size / (letter.size + ground.size)
    between = share * (1 - share) * (letter.mean() - ground.mean()) ** 2
    within = share * letter.var() + (1 - share) * ground.var()
    return float(contrast), float(between / max(between + within, 1e-9))
