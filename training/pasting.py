"""Foreign objects and lead letters laid into training images, real or simulated, as they are drawn.

A displayed grey value is about a sigmoid of the attenuation along the ray: on the scale of its
logit, what is laid into the beam adds up. So any image has a twin with an object and one without,
which differ in nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from training.simulate.canvas import FONT_FILES, Canvas, text_mask
from training.simulate.foreign_objects import MAKERS, Limb
from training.simulate.lead_markers import LEAD_MU_T
from training.simulate.positioning import draw_positioning, limb_extent, place
from training.simulate.projection import project_wrist
from WristQCLib.findings import View
from WristQCLib.models.preprocessing import FloatImage

SPACING = 0.4
"""Of the sprites, millimetres per pixel."""

OBJECTS_PER_WRIST = 24

SEEN_STEP, UNSEEN_STEP = 0.06, 0.015
"""Changes of the grey value: an object is seen from the first on, but not up to the second."""

LEAST_SEEN = 24
"""Pixels of the network's input that must be seen of an object for it to count."""

OPAQUE = 0.02
"""Grey values (of 1) that a network's input is kept away from black and white by, on the way to
the logit."""

LETTERS = "LRLRLRABCDEHJKMNPSTX0123456789"


@dataclass(frozen=True)
class Sprite:
    """Something in the beam, cut to its extent.

    Attributes
    ----------
    mu_t
        (rows, columns) line integrals.
    spacing
        Millimetres per pixel.
    """

    mu_t: FloatImage
    spacing: float


class ObjectBank:
    """Foreign objects of the simulator, drawn once, each on a wrist that it fits.

    Parameters
    ----------
    count
        How many.
    seed
        Decides them.
    """

    def __init__(self, count: int, seed: int) -> None:
        self.sprites: list[Sprite] = []
        names = list(MAKERS)
        shares = np.array([share for _, share in MAKERS.values()])
        wrist = 0
        while len(self.sprites) < count:
            rng = np.random.default_rng([seed, wrist])
            projection = project_wrist(rng, list(View)[wrist % 2], spacing=SPACING)
            for name in rng.choice(names, OBJECTS_PER_WRIST, p=shares / shares.sum()):
                placed = place(projection, draw_positioning(projection, rng, spacing=SPACING))
                canvas = Canvas(placed.shape, placed.spacing)
                MAKERS[str(name)][0](canvas, Limb(placed, limb_extent(projection)), rng)
                sprite = cut_out(canvas.mu_t, placed.spacing)
                if sprite is not None:
                    self.sprites.append(sprite)
            wrist += 1
        del self.sprites[count:]

    def draw(self, rng: np.random.Generator) -> Sprite:
        """Any of them."""
        return self.sprites[int(rng.integers(len(self.sprites)))]


def cut_out(mu_t: FloatImage, spacing: float) -> Sprite | None:
    """What is drawn on a canvas, cut to its extent; None where nothing is."""
    rows, columns = np.nonzero(mu_t > 0.02)
    if not len(rows):
        return None
    part = mu_t[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    return Sprite(part.astype(np.float32), spacing)


def lead_letters(rng: np.random.Generator) -> Sprite:
    """One to four letters or digits of lead, some on a plate, or cut out of one."""
    length = int(rng.choice([1, 2, 3, 4], p=[0.6, 0.2, 0.1, 0.1]))
    text = "".join(rng.choice(list(LETTERS), length))
    mask = text_mask(text, str(rng.choice(FONT_FILES)), 64)
    if rng.random() < 0.3:
        mask = mask[:, ::-1]
    mask = np.pad(mask, int(rng.integers(4, 30)))
    plate = rng.random()
    if plate < 0.25:
        mu_t = mask * LEAD_MU_T + rng.uniform(0.03, 0.4)
    elif plate < 0.4:
        mu_t = (1.0 - mask) * LEAD_MU_T
    else:
        mu_t = mask * rng.uniform(0.6, LEAD_MU_T)
    height_mm = rng.uniform(3.0, 16.0)
    return Sprite(mu_t.astype(np.float32), height_mm / 64)


def laid_over(
    rng: np.random.Generator, sprite: Sprite, image: FloatImage, mm_per_pixel: float
) -> FloatImage:
    """The attenuation of a sprite somewhere over an image: turned, mirrored, partly outside.

    Parameters
    ----------
    rng
        Source of the place and the turn.
    sprite
        What is laid.
    image
        (rows, columns), bright = dense; most sprites come to lie on what is not dark.
    mm_per_pixel
        Of the image.
    """
    rows, columns = image.shape
    scale = sprite.spacing / mm_per_pixel * float(np.exp(rng.uniform(-0.25, 0.25)))
    angle = rng.uniform(0, 2 * np.pi) if rng.random() < 0.5 else rng.normal(0, 0.25)
    mirror = 1.0 if rng.random() < 0.5 else -1.0
    spots = rng.uniform(0, 1, (6, 2)) * (rows, columns)
    greys = image[spots[:, 0].astype(int), spots[:, 1].astype(int)]
    spot = spots[int(greys.argmax())] if rng.random() < 0.7 else spots[0]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    # Output (row, column) to sprite (row, column).
    back = turn.T @ np.diag([1.0, mirror]) / scale
    source = sprite.mu_t
    if scale < 0.7:
        source = ndimage.gaussian_filter(source, 0.45 / scale)
    high, wide = source.shape
    reach = np.abs(np.linalg.inv(back)) @ (high / 2 + 1.0, wide / 2 + 1.0)
    top, left = np.maximum(np.floor(spot - reach), 0).astype(int)
    bottom, right = np.minimum(np.ceil(spot + reach) + 1, (rows, columns)).astype(int)
    result = np.zeros(image.shape, dtype=np.float32)
    if bottom <= top or right <= left:
        return result
    offset = np.array([(high - 1) / 2, (wide - 1) / 2]) + back @ (np.array([top, left]) - spot)
    result[top:bottom, left:right] = ndimage.affine_transform(
        source, back, offset, output_shape=(bottom - top, right - left), order=1, prefilter=False
    )
    return result


def exposed(image: FloatImage) -> npt.NDArray[np.bool_]:
    """Where an image is not the even grey of a shutter or of a letterbox; (rows, columns)."""
    # Every third pixel tells as much, in a ninth of the time.
    coarse = image[::3, ::3]
    uneven = ndimage.maximum_filter(coarse, 3) - ndimage.minimum_filter(coarse, 3) > 0.004
    # An edge of the shutter makes its surroundings uneven, half a window wide.
    inside = ndimage.minimum_filter(uneven, 3)
    rows, columns = image.shape
    whole: npt.NDArray[np.bool_] = inside.repeat(3, 0).repeat(3, 1)[:rows, :columns]
    return whole


def add_attenuation(rng: np.random.Generator, image: FloatImage, mu_t: FloatImage) -> FloatImage:
    """An image with more in the beam, shown as strongly or faintly as the processing may.

    Parameters
    ----------
    rng
        Source of contrast, sharpness and edge enhancement.
    image
        (rows, columns) in [0, 1], bright = dense.
    mu_t
        (rows, columns) line integrals to be added.
    """
    contrast = float(np.exp(rng.uniform(np.log(1.5), np.log(8.0))))
    shown = ndimage.gaussian_filter(mu_t, rng.uniform(0.2, 0.9), truncate=2.5)
    if rng.random() < 0.5:
        width = float(np.exp(rng.uniform(np.log(1.5), np.log(10.0))))
        rest = ndimage.uniform_filter(shown, 2 * round(width) + 1)
        shown = shown + rng.uniform(0.2, 2.0) * (shown - rest)
    kept = np.clip(image, OPAQUE, 1.0 - OPAQUE)
    logit = np.log(kept / (1.0 - kept)) + np.float32(contrast) * shown
    changed = 1.0 / (1.0 + np.exp(-logit))
    # What is not touched stays as it is, black and white too.
    touched = np.abs(shown) > 1e-3
    result: FloatImage = np.where(touched, changed, image).astype(np.float32)
    return result


@dataclass(frozen=True)
class Laid:
    """An image into which an object was laid.

    Attributes
    ----------
    image
        (rows, columns) in [0, 1].
    seen, unclear
        (rows, columns): where the object is seen; where one cannot tell.
    """

    image: FloatImage
    seen: npt.NDArray[np.bool_]
    unclear: npt.NDArray[np.bool_]


def lay(
    rng: np.random.Generator, sprite: Sprite, image: FloatImage, mm_per_pixel: float
) -> Laid | None:
    """Lay a sprite into the exposed part of an image; None where too little of it is seen."""
    mu_t = laid_over(rng, sprite, image, mm_per_pixel)
    changed = np.where(exposed(image), add_attenuation(rng, image, mu_t), image)
    step = np.abs(changed - image)
    seen = step > SEEN_STEP
    if np.count_nonzero(seen) < LEAST_SEEN:
        return None
    return Laid(changed.astype(np.float32), seen, (step > UNSEEN_STEP) & ~seen)
