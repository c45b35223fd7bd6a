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
- A letter may be turned by up to 30 degrees either way. One that is turned further (upside down,
  too) is not recognised.
- A letter that is back to front, cut by the border or obstructed is not an accurate marker: it is
  never recognised, but it is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from WristQCLib.findings import Finding, Side
from WristQCLib.marker_letters import Floats, Mask, Match, compare, resemblance

Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in pixels of the stored image, pixel centres at integers."""

THRESHOLD = 0.85
"""Similarity above which a marker is present (specification, section 3)."""
LETTER_MM = (4.0, 25.0)
"""Height of a marker letter."""
LETTER_SHARE = (0.012, 0.17)
"""The same relative to the image's long side, where spacing is unknown."""
LEGIBLE_HEIGHT = 9
"""Height in pixels under which a letter is not legible."""

# First look.
FIRST_HEIGHT = 11
"""Letters are 11 to 22 pixels high at the reduced resolutions."""
BRIGHT_LEVELS = (0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97)
DARK_LEVELS = (0.25, 0.5, 0.75, 0.9)
RAISED_LEVELS = (0.1, 0.2, 0.35)
FIRST_CONTRAST = 0.12
"""Smallest contrast of a component with the rest of its box."""
FIRST_SIMILARITY = 0.75
MOST_CANDIDATES = 16

# Second look.
SECOND_HEIGHT = 80
"""Height of the candidate when it is binarised again, in pixels."""
SECOND_LEVELS = (0.25, 0.4, 0.55, 0.7, 0.85)
"""Levels of binarisation between the ground's grey, 0, and the letter's, 1."""
SEPARABILITY = 0.55
"""Smallest share of the grey values' variance that binarisation explains (Otsu's criterion)."""
CONTRAST = 0.12
"""Smallest contrast with the brightest of the surroundings."""
EDGE = (4, 10)
"""The surroundings begin and end so many pixels from the letter; nearer lies its blurred edge."""
STEADINESS = 0.05
"""At one more level of binarisation the similarity must not fall further than this below 0.85."""
LEAD_OVER_OTHERS = 0.03
"""By how much the letter must be more similar than any other character or orientation."""
OBSTRUCTED = {"similarity": 0.77, "contrast": 0.4, "separability": 0.85}
"""From where something that is not recognised is reported as a letter that may be obstructed."""


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
    contrast
        With the rest of its box.
    plate
        Box of the bright plate that the letter is cut out of, if that was what was found.
    """

    box: tuple[int, int, int, int]
    component: Mask
    dark: bool
    contrast: float
    plate: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Reading:
    """What the second look made of a candidate.

    Attributes
    ----------
    letter, orientation, turn, similarity
        Of the most similar prepared letter; `orientation` is one of `ORIENTATIONS`.
    others
        Similarity to the best of the other characters and orientations.
    steady
        Second-best similarity among the levels of binarisation.
    contrast
        Grey of the letter less that of the brightest of its surroundings.
    separability
        Share of the grey values' variance that lies between letter and surroundings.
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
    cut: bool

    @property
    def doubt(self) -> float:
        """How much more than the threshold its similarity must be.

        The less a letter stands out from its surroundings, the more similar it must be; above all
        an L, whose plain shape bones show by chance.
        """
        plainness = 0.45 if self.letter == "L" else 0.15
        return plainness * (1 - self.separability) + 0.1 * max(0.0, 0.5 - self.contrast)

    def is_letter(self, threshold: float) -> bool:
        """Whether this is a letter of lead, in whatever orientation, cut or not."""
        return (
            self.similarity > threshold + self.doubt
            and self.steady > threshold - STEADINESS
            and self.similarity - self.others > LEAD_OVER_OTHERS
        )

    def is_accurate(self, threshold: float) -> bool:
        """Whether this is a complete and readable letter of lead."""
        return self.is_letter(threshold) and not self.orientation and not self.cut

    def may_be_obstructed(self) -> bool:
        """Whether this may be a letter of lead of which something is missing."""
        return (
            self.similarity > OBSTRUCTED["similarity"]
            and self.contrast > OBSTRUCTED["contrast"]
            and self.separability > OBSTRUCTED["separability"]
            and not self.cut
        )

    def __str__(self) -> str:
        """Say what was found and where, to continue a sentence."""
        x, y = (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2
        name = f"{self.orientation} {self.letter}".strip()
        article = "an" if name[0] in "LRu" else "a"
        return f"{article} {name} near ({x:.0f}, {y:.0f})"


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
        (x, y) pixel spacing in mm. It limits the size of letters that come into question.

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
        lowest, highest = (height / spacing[1] for height in LETTER_MM)
    heights = max(lowest, LEGIBLE_HEIGHT), min(highest, *image.shape)

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
                f"The side is ambiguous: there is {best}, and {other}.",
            )  # fmt: skip
        return SideMarker(
            Finding.FOUND,
            Side(best.letter),
            best.similarity,
            best.box,
            best.turn,
            f"There is {best}, similarity {best.similarity:.2f}.",
        )

    none = "No L or R was recognised"
    for reading in ranked:
        if not reading.is_letter(threshold):
            continue
        if reading.orientation:
            why = f"{none}: there is {reading}."
        else:
            why = f"{none}: there is {reading}, but the border of the image cuts it."
        return SideMarker(Finding.NOT_FOUND, None, reading.similarity, reading.box, None, why)
    for reading in ranked:
        if reading.may_be_obstructed():
            why = (
                f"{none}: the nearest to it, {reading} (similarity {reading.similarity:.2f}), is"
                " not clear enough; it may be incomplete or obstructed."
            )
            return SideMarker(Finding.NOT_FOUND, None, reading.similarity, reading.box, None, why)
    return SideMarker(Finding.NOT_FOUND, None, None, None, None, f"{none} in the image.")


def find_candidates(image: Floats, heights: tuple[float, float]) -> list[Candidate]:
    """First look: components that resemble a letter, the best for each place, best first."""
    components = list(find_components(image, heights))
    if not components:
        return []
    similarities = resemblance([c.component for c in components])
    # Lead is bright: of shapes that are equally similar, those that stand out come first.
    merit = similarities + 0.2 * np.array([c.contrast for c in components])
    merit[similarities < FIRST_SIMILARITY] = 0

    kept: list[Candidate] = []
    for index in np.argsort(-merit, kind="stable"):
        if not merit[index] or len(kept) == MOST_CANDIDATES:
            break
        candidate = components[index]
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
                    height = place[0].stop - place[0].start
                    if not 0.8 * FIRST_HEIGHT <= height <= 2.2 * FIRST_HEIGHT:
                        continue
                    if not 0.3 * height <= place[1].stop - place[1].start <= 1.8 * height:
                        continue
                    component = labels[place] == number
                    if fills_as_letters_do(component):
                        contrast = contrast_in_box(component, grey[place])
                        if contrast >= FIRST_CONTRAST:
                            yield Candidate(scaled(place, factor), component, dark, contrast)
                    if not dark and is_plate(component):
                        yield from letters_in_plate(mask, grey, place, factor)
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


def scaled(place: tuple[slice, slice], factor: int) -> tuple[int, int, int, int]:
    """Box in the image, (x0, y0, x1, y1), of rows and columns at reduced resolution."""
    rows, columns = place
    x0, y0, x1, y1 = columns.start, rows.start, columns.stop, rows.stop
    return factor * x0, factor * y0, factor * x1, factor * y1


def fills_as_letters_do(component: Mask) -> bool:
    """Whether a component fills as much of its box as an L or an R of any weight does."""
    return bool(0.1 <= component.mean() <= 0.75)


def contrast_in_box(component: Mask, grey: Floats) -> float:
    """Mean grey of a component less that of the rest of its box."""
    return float(grey[component].mean() - grey[~component].mean())


def is_plate(component: Mask) -> bool:
    """Whether a component is an upright rectangle, up to a letter that is cut out of it."""
    edges = (component[0], component[-1], component[:, 0], component[:, -1])
    return bool(component.mean() > 0.5 and np.mean(np.concatenate(edges)) > 0.7)


def letters_in_plate(
    mask: Mask, grey: Floats, plate: tuple[slice, slice], factor: int
) -> Iterator[Candidate]:
    """Give what is dark in the box of a plate; it may reach the plate's edge.

    Parameters
    ----------
    mask, grey
        (rows, columns) at reduced resolution, and binarised there.
    plate
        Rows and columns of the plate.
    factor
        How much the resolution is reduced.
    """
    from scipy import ndimage

    (top, height), (left, width) = ((side.start, side.stop - side.start) for side in plate)
    labels, _ = ndimage.label(~mask[plate])
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        component = labels[rows, columns] == number
        if (
            component.shape[0] >= 0.5 * height
            and component.shape[1] >= 0.2 * width
            and fills_as_letters_do(component)
        ):
            place = (
                slice(top + rows.start, top + rows.stop),
                slice(left + columns.start, left + columns.stop),
            )
            contrast = contrast_in_box(component, 1 - grey[place])
            yield Candidate(scaled(place, factor), component, True, contrast, scaled(plate, factor))


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


@dataclass(frozen=True)
class Shape:
    """A candidate binarised at one level; see `Reading` for what the fields mean."""

    component: Mask
    box: Box
    contrast: float
    separability: float
    cut: bool


def second_look(image: Floats, candidate: Candidate) -> Reading | None:
    """Binarise a candidate again at full resolution and compare it with the prepared letters."""
    found: dict[tuple[str, str], list[tuple[Match, Shape]]] = {}
    for shape in shapes(cut_patch(image, candidate), candidate.dark):
        for match in compare(shape.component):
            found.setdefault((match.letter, match.orientation), []).append((match, shape))
    for matches in found.values():
        matches.sort(key=lambda pair: -pair[0].similarity)
    ranked = sorted(found.values(), key=lambda matches: -matches[0][0].similarity)
    if not ranked or not ranked[0][0][0].letter:
        return None
    (match, shape), *at_other_levels = ranked[0]
    return Reading(
        letter=match.letter,
        orientation=match.orientation,
        turn=match.turn,
        similarity=match.similarity,
        others=ranked[1][0][0].similarity if len(ranked) > 1 else 0.0,
        steady=at_other_levels[0][0].similarity if at_other_levels else 0.0,
        box=shape.box,
        contrast=shape.contrast,
        separability=shape.separability,
        cut=shape.cut,
    )


def shapes(patch: Patch, dark: bool) -> Iterator[Shape]:
    """Binarise a patch between the candidate's grey and that of its surroundings."""
    from scipy import ndimage

    near = ndimage.binary_dilation(patch.seed, iterations=3)
    rows, columns = (np.flatnonzero(patch.seed.any(axis)) for axis in (1, 0))
    place = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    ground = patch.grey[place][~near[place]]
    if not ground.size:
        return
    low, high = np.median(ground), np.percentile(patch.grey[patch.seed], 60)
    height, width = patch.grey.shape
    (x, y), (dx, dy) = patch.origin, patch.step

    for level in SECOND_LEVELS:
        mask = patch.grey > low + level * (high - low)
        mask = ndimage.binary_erosion(ndimage.binary_dilation(mask), border_value=1)  # closing
        labels, count = ndimage.label(mask)
        number = int(np.bincount(labels[patch.seed], minlength=2)[1:].argmax()) + 1
        if number > count:
            continue
        rows, columns = place = ndimage.find_objects(labels)[number - 1]
        reaches = (columns.start == 0, rows.start == 0, columns.stop == width, rows.stop == height)
        if any(r and not border for r, border in zip(reaches, patch.at_border, strict=True)):
            continue  # it has run into its surroundings
        if sum(reaches) > 1:
            continue  # a corner of the image outside the exposed field
        # A plate may end close to the letter, so only what it shows within the letter's box counts.
        margin = 0 if dark else EDGE[1]
        wide = tuple(slice(max(0, side.start - margin), side.stop + margin) for side in place)
        contrast, separability = stand_out(patch.grey[wide], labels[wide] == number)
        if contrast > CONTRAST and separability > SEPARABILITY:
            box = (
                x + columns.start * dx,
                y + rows.start * dy,
                x + columns.stop * dx,
                y + rows.stop * dy,
            )
            yield Shape(labels[place] == number, box, contrast, separability, any(reaches))


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
        [0, 1] (Otsu, IEEE Transactions on Systems, Man and Cybernetics 9, 62, 1979).
    """
    from scipy import ndimage

    outside = ndimage.distance_transform_cdt(~component)
    inside = ndimage.distance_transform_cdt(component)
    ground = grey[(outside > EDGE[0]) & (outside <= EDGE[1])]
    letter = grey[inside > min(2, inside.max() - 1)]
    if not ground.size:
        return 0.0, 0.0
    contrast = np.percentile(letter, 25) - np.percentile(ground, 85)
    between = (letter.mean() - ground.mean()) ** 2 / 4
    within = (letter.var() + ground.var()) / 2
    return float(contrast), float(between / max(between + within, 1e-9))
