"""Random changes of a training image: one affine map for the geometry, a few for the grey values.

Each random draw is separate from its application, and every draw comes from the generator given.
Images are float32 in [0, 1]; coordinates are (x, y) pixels, centres at integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from training.config import Augmentation
from training.polylines import densified, first_stretch
from WristQCLib.findings import View
from WristQCLib.models.letterbox import Letterbox
from WristQCLib.models.preprocessing import FloatImage
from WristQCLib.models.refinement import CLOSE_LOOKS, REFERENCES, CloseLook, close_box
from WristQCLib.models.shape_prior import THUMB

Matrix = npt.NDArray[np.float64]
Box = tuple[int, int, int, int]
Midlines = Mapping[str, npt.NDArray[np.float64]]
"""Courses of shafts, (n, 2), by the keypoint that each ends at."""

LEAST_SHAFT = 0.35
"""Share of a shaft's course that a field shows which it leaves early, at least."""

KEPT_AROUND_WRIST = 0.1
"""What such a field shows beyond the wrist's points, in the view's unit of length, see
`REFERENCES`."""

SEEN_BEYOND, SOUGHT_BEYOND = 0.5, 1.5
"""How far from the field's border a point outside of it may seem to lie, and lie in fact, for a
second look to be taken at it: in the view's unit of length, see `REFERENCES`."""


ASTRAY = (0.4, 2.6)
"""Nearest and farthest that such a look goes astray from the middle of the wrist, in that unit: the
carpus, and the joints of the fingers' base."""


@dataclass(frozen=True)
class Outside:
    """A keypoint that the field leaves out.

    Attributes
    ----------
    place
        Where it would be, (x, y) in pixels.
    border
        The place in field and image that is nearest to it.
    """

    place: tuple[float, float]
    border: tuple[float, float]


@dataclass(frozen=True)
class Geometry:
    """Where a network's input comes from.

    Attributes
    ----------
    matrix
        (2, 3): input (x, y) = matrix @ (image x, image y, 1).
    field
        (left, top, right, bottom) of the image that is kept, exclusive at the end; the rest of
        the input is 0, as outside of a collimated field.
    """

    matrix: Matrix
    field: Box

    def shifted(self, x: float, y: float) -> Geometry:
        """The same with the input moved by (x, y) pixels: its (-x, -y) comes to lie at (0, 0)."""
        return Geometry(self.matrix + np.array([[0.0, 0.0, x], [0.0, 0.0, y]]), self.field)


def draw_geometry(
    rng: np.random.Generator,
    image_size: tuple[int, int],
    points: Mapping[str, tuple[float, float]],
    view: View | None,
    input_size: tuple[int, int],
    isotropic: bool,
    augmentation: Augmentation,
    close: bool | None = None,
    outside: Mapping[str, Outside] = MappingProxyType({}),
    midlines: Midlines = MappingProxyType({}),
) -> Geometry:
    """Draw field, box and jitter for one image of `image_size` (rows, columns).

    `close` says whether the second look's box is cut; None draws it as the augmentation says.
    Points `outside` of the field are looked at too. Where the `midlines` of shafts are known the
    field may end before they do.
    """
    rows, columns = image_size
    whole: Box = (0, 0, columns, rows)
    field, box = whole, whole
    if close is None:
        close = view is not None and rng.random() < augmentation.zoom
    look = None
    if close and view is not None:
        first, second = CLOSE_LOOKS[view]
        look = first if rng.random() < 0.5 else second
    edge = view is View.FRONTAL and rng.random() < augmentation.edge
    if edge and (look is None or look.points == (THUMB,)):
        field = cut_beside_thumb(rng, image_size, points)
        # A joint outside of the field is sought at its border.
        points = {name: clipped(point, field) for name, point in points.items()}
    if midlines and augmentation.leave and rng.random() < augmentation.leave:
        field = cut_across_shaft(rng, image_size, points, midlines)
        points = {**points, **ends_in_field(midlines, field)}
    zoomed = None
    if look is not None and view is not None:
        if outside:
            points = {**points, **seeming_places(points, outside, view, float(rng.random()))}
        if look.points == (THUMB,) and augmentation.astray:
            known = THUMB in points
            if not known or rng.random() < augmentation.astray:
                points = {**points, **elsewhere(rng, image_size, points)}
        zoomed = draw_zoom(rng, points, view, look, input_size)
    if zoomed is not None:
        box = zoomed
    elif field != whole:
        box = field
    elif rng.random() < augmentation.crop:
        field = box = draw_crop(rng, image_size)
    letterbox = Letterbox.fit(box, input_size, isotropic)
    return Geometry(jitter(rng, input_size, augmentation) @ homogeneous(letterbox), field)


def seeming_places(
    points: Mapping[str, tuple[float, float]],
    outside: Mapping[str, Outside],
    view: View,
    depth: float,
) -> dict[str, tuple[float, float]]:
    """Where a first look may see points that the field leaves out: near its border.

    Parameters
    ----------
    points
        Those in the field.
    outside
        Those that are not. One that is far away is not seen anywhere.
    view
        Of the image.
    depth
        0 for the border itself, 1 for the place as far as a first look may see it.
    """
    places = {**points, **{name: point.place for name, point in outside.items()}}
    ends = [places.get(name) for name in REFERENCES[view]]
    if ends[0] is None or ends[1] is None:
        return {}
    unit = float(np.hypot(*np.subtract(ends[0], ends[1])))
    seeming = {}
    for name, point in outside.items():
        away = np.subtract(point.place, point.border)
        distance = float(np.hypot(*away))
        if distance <= SOUGHT_BEYOND * unit:
            share = depth * min(1.0, SEEN_BEYOND * unit / max(distance, 1e-6))
            x, y = np.array(point.border) + share * away
            seeming[name] = float(x), float(y)
    return seeming


def elsewhere(
    rng: np.random.Generator, image_size: tuple[int, int], points: Mapping[str, tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    """A place where a first look may take another joint, or nothing at all, for the thumb's.

    About as far from the wrist as the hand's joints are, in any direction; nothing without both
    styloids.
    """
    ends = [points.get(name) for name in REFERENCES[View.FRONTAL]]
    if ends[0] is None or ends[1] is None:
        return {}
    unit = float(np.hypot(*np.subtract(ends[0], ends[1])))
    angle, distance = rng.uniform(0.0, 2.0 * np.pi), unit * rng.uniform(*ASTRAY)
    middle = np.mean([ends[0], ends[1]], axis=0)
    x, y = middle + distance * np.array([np.cos(angle), np.sin(angle)])
    return {THUMB: clipped((float(x), float(y)), (0, 0, *image_size[::-1]))}


def nearest_in_field(
    point: tuple[float, float], field: npt.ArrayLike, image_size: tuple[int, int]
) -> tuple[float, float]:
    """The place in a field, and in the image (rows, columns), that is nearest to (x, y) outside.

    `field` are the (n, 2) corners of a convex polygon. Where the image ends within the field, the
    place is that of the image next to the field's.
    """
    corners = np.asarray(field, dtype=np.float64)
    along = np.roll(corners, -1, axis=0) - corners
    away = np.asarray(point) - corners
    share = (away * along).sum(1) / np.maximum((along**2).sum(1), 1e-9)
    nearest = corners + np.clip(share, 0.0, 1.0)[:, None] * along
    # Within the field but outside of the image, it is the image's border alone that counts.
    turn = along[:, 0] * away[:, 1] - along[:, 1] * away[:, 0]
    inside = bool((turn >= 0).all() or (turn <= 0).all())
    place = (
        np.asarray(point)
        if inside
        else nearest[np.argmin(np.hypot(*(nearest - np.asarray(point)).T))]
    )
    return clipped((float(place[0]), float(place[1])), (0, 0, *image_size[::-1]))


def draw_zoom(
    rng: np.random.Generator,
    points: Mapping[str, tuple[float, float]],
    view: View,
    look: CloseLook,
    input_size: tuple[int, int],
) -> Box | None:
    """A box as the second look cuts it, off by as much as the first look may be."""
    zoom = float(np.exp(rng.uniform(np.log(0.8), np.log(1.35))))
    box = close_box(points, view, look, input_size, zoom)
    if box is None:
        return None
    dx, dy = (rng.uniform(-0.12, 0.12, 2) * (box[2] - box[0], box[3] - box[1])).astype(int)
    return box[0] + int(dx), box[1] + int(dy), box[2] + int(dx), box[3] + int(dy)


def cut_beside_thumb(
    rng: np.random.Generator, image_size: tuple[int, int], points: Mapping[str, tuple[float, float]]
) -> Box:
    """A field that ends near the thumb's joint, which is then just inside or just outside of it.

    The whole image when joint or styloids are not there, or when no straight edge parts them.
    """
    rows, columns = image_size
    edges = [0, 0, columns, rows]
    thumb, *wrist = (points.get(name) for name in (THUMB, *REFERENCES[View.FRONTAL]))
    if thumb is not None and all(point is not None for point in wrist):
        ends = np.array(wrist, dtype=np.float64)
        unit = float(np.hypot(*(ends[0] - ends[1])))
        close = rng.random() < 0.5
        reach = unit * (0.08 * rng.standard_normal() if close else rng.uniform(-0.7, 0.3))
        sides = []
        for side, outwards in enumerate((-1, -1, 1, 1)):
            ahead = outwards * (thumb[side % 2] - ends[:, side % 2])
            if ahead.min() > 0.3 * unit:
                sides.append((side, round(thumb[side % 2] + outwards * reach)))
        if sides:
            side, position = sides[int(rng.integers(len(sides)))]
            edges[side] = int(np.clip(position, 0, edges[side]) if side >= 2 else max(position, 0))
    return edges[0], edges[1], edges[2], edges[3]


def cut_across_shaft(
    rng: np.random.Generator,
    image_size: tuple[int, int],
    points: Mapping[str, tuple[float, float]],
    midlines: Midlines,
) -> Box:
    """A field that ends where one of the shafts passes, so that it leaves early.

    The edge is one that the shaft approaches, more often one that it meets at a small angle: there
    the shafts leave at different places. The whole image when every such edge would cut off the
    wrist.
    """
    rows, columns = image_size
    edges = [0, 0, columns, rows]
    wrist = [point for name, point in points.items() if name not in midlines]
    ends = [points.get(name) for name in REFERENCES[View.LATERAL]]
    if ends[0] is None or ends[1] is None:
        return edges[0], edges[1], edges[2], edges[3]
    margin = KEPT_AROUND_WRIST * float(np.hypot(*np.subtract(ends[0], ends[1])))
    line = _steps(midlines[str(rng.choice(sorted(midlines)))])
    at = line[int(len(line) * rng.uniform(LEAST_SHAFT, 1.0))]
    sides, angles = [], []
    for side, outwards in enumerate((-1, -1, 1, 1)):
        axis = side % 2
        if all(outwards * (at[axis] - point[axis]) > margin for point in wrist):
            sides.append(side)
            angles.append(abs(line[-1][axis] - line[0][axis]))
    if sides:
        weights = 1.0 / np.maximum(angles, 1.0)
        side = int(rng.choice(sides, p=weights / weights.sum()))
        edges[side] = round(at[side % 2]) + (side >= 2)
    return edges[0], edges[1], edges[2], edges[3]


def ends_in_field(midlines: Midlines, field: Box) -> dict[str, tuple[float, float]]:
    """Where shafts leave a field: the ends of the first stretch of each midline that is in it.

    Those that are nowhere in the field are left out.
    """
    ends = {}
    low, high = np.array(field[:2]) - 0.5, np.array(field[2:]) - 0.5
    for name, midline in midlines.items():
        line = _steps(midline)
        stretch = first_stretch(line, np.all((line >= low) & (line <= high), axis=1))
        if stretch is not None:
            x, y = stretch[-1]
            ends[name] = (float(x), float(y))
    return ends


def _steps(midline: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A midline in steps of half a pixel, its last point among them: of a dot, that alone."""
    return np.concatenate([densified(midline, step=0.5), midline[-1:]])


def clipped(point: tuple[float, float], box: Box) -> tuple[float, float]:
    """The place in a box that is nearest to (x, y)."""
    x, y = np.clip(point, (box[0], box[1]), (box[2] - 1, box[3] - 1))
    return float(x), float(y)


def draw_crop(rng: np.random.Generator, image_size: tuple[int, int]) -> Box:
    """A smaller field: each side loses up to a third, most often less."""
    rows, columns = image_size
    losses = 0.34 * rng.random(4) ** 2 * (columns, rows, columns, rows)
    left, top, right, bottom = losses.astype(int)
    return int(left), int(top), columns - int(right), rows - int(bottom)


def homogeneous(letterbox: Letterbox) -> Matrix:
    """The letterbox as a (3, 3) matrix."""
    offset = letterbox.to_input((0.0, 0.0))
    return np.array(
        [[letterbox.scale[0], 0, offset[0]], [0, letterbox.scale[1], offset[1]], [0, 0, 1]]
    )


def jitter(
    rng: np.random.Generator, input_size: tuple[int, int], augmentation: Augmentation
) -> Matrix:
    """A random (2, 3) map of the input onto itself: flip, rotate, scale, stretch, shift."""
    limit = augmentation.rotation_deg
    if rng.random() < augmentation.any_rotation:
        limit = 180.0
    angle = np.radians(rng.uniform(-limit, limit))
    scale = np.exp(rng.uniform(*np.log(augmentation.scale)))
    stretch = np.exp(0.5 * rng.uniform(-augmentation.stretch, augmentation.stretch))
    flips = np.where(rng.random(2) < augmentation.flip, -1.0, 1.0)
    reach = augmentation.shift * np.array(input_size[::-1]) + augmentation.shift_px
    shift = rng.uniform(-1.0, 1.0, 2) * reach
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = rotation @ np.diag(flips * scale * (stretch, 1.0 / stretch))
    centre = (np.array(input_size[::-1]) - 1.0) / 2.0
    return np.column_stack([linear, centre - linear @ centre + shift])


def warp(image: FloatImage, geometry: Geometry, input_size: tuple[int, int]) -> FloatImage:
    """Apply a geometry to an image (rows, columns); what lies outside the field is 0."""
    left, top, right, bottom = geometry.field
    cut = image[top:bottom, left:right]
    linear, offset = geometry.matrix[:, :2], geometry.matrix[:, 2]
    offset = offset + linear @ (left, top)
    # Averaging whole blocks first keeps a strong reduction from aliasing.
    block = int(1.0 / np.sqrt(abs(np.linalg.det(linear))) + 0.2)
    if block > 1:
        rows, columns = (length - length % block for length in cut.shape)
        if rows and columns:
            cut = cut[:rows, :columns].reshape(rows // block, block, -1, block).mean((1, 3))
            # Block k covers pixels k * block ... k * block + block - 1.
            offset = offset + linear @ (2 * [(block - 1) / 2])
            linear = linear * block
    inverse = np.linalg.inv(linear)
    # scipy indexes (row, column): swap the axes of the (x, y) map.
    return ndimage.affine_transform(
        cut,
        inverse[::-1, ::-1],
        (-inverse @ offset)[::-1],
        output_shape=input_size,
        order=1,
        mode="constant",
        prefilter=False,
    ).astype(np.float32)


def map_point(point: tuple[float, float], geometry: Geometry) -> npt.NDArray[np.float64]:
    """Image (x, y) to input (x, y)."""
    return geometry.matrix[:, :2] @ point + geometry.matrix[:, 2]


def within(point: npt.ArrayLike, box: tuple[int, int, int, int]) -> bool:
    """Whether (x, y) lies on a pixel of the box."""
    x, y = np.asarray(point)
    return bool(box[0] - 0.5 <= x <= box[2] - 0.5 and box[1] - 0.5 <= y <= box[3] - 0.5)


def alter_look(rng: np.random.Generator, image: FloatImage, probability: float) -> FloatImage:
    """Change the grey values as detectors and their software do: each change with `probability`."""

    def chance(share: float = 1.0) -> bool:
        return bool(rng.random() < share * probability)

    if chance():  # edge enhancement
        width = np.exp(rng.uniform(np.log(1.0), np.log(10.0)))
        image = image + rng.uniform(0.2, 1.8) * (image - blur(image, width))
    if chance(0.4):  # flattening of the large structures, as strong multi-scale processing does
        image = image - rng.uniform(0.3, 0.9) * (blur(image, 24.0) - 0.4)
    image = np.clip(image, 0.0, 1.0)
    if chance():
        image = image ** np.exp(rng.uniform(-0.7, 0.7))
    if chance():
        image = (image - 0.5) * rng.uniform(0.6, 1.5) + 0.5 + rng.uniform(-0.15, 0.15)
    if chance(0.5):
        image = blur(image, rng.uniform(0.4, 1.6))
    if chance(0.6):
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        if rng.random() < 0.4:  # correlated, like plaster
            width = rng.uniform(0.7, 2.5)
            noise = blur(noise, width) * (3.0 * width)
        image = image + noise * rng.uniform(0.01, 0.08)
    if chance(0.15):
        image = 1.0 - image
    return np.clip(image, 0.0, 1.0).astype(np.float32)


def blur(image: FloatImage, sigma: float) -> FloatImage:
    """Gaussian blur; a wide one by three box blurs, which cost the same at any width."""
    if sigma <= 3.0:
        return ndimage.gaussian_filter(image, sigma, truncate=2.5)
    size = 2 * round(0.5 * sigma * 12**0.5 / 3**0.5) + 1
    for _ in range(3):
        image = ndimage.uniform_filter(image, size)
    return image


def occlude(rng: np.random.Generator, image: FloatImage) -> FloatImage:
    """Lay opaque patches or letters on the image: lead markers, plates, patches of nothing."""
    rows, columns = image.shape
    canvas = Image.fromarray((image * 255).astype(np.uint8))
    draw = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(1, 4))):
        x, y = rng.uniform(0, columns), rng.uniform(0, rows)
        grey = int(rng.choice([0, 255, int(rng.integers(0, 256))]))
        width, height = rng.uniform(0.03, 0.16, 2) * columns
        if rng.random() < 0.5:
            letter = str(rng.choice(list("LRLRABX7")))
            font = ImageFont.load_default(size=float(max(8.0, height)))
            draw.text((x, y), letter, fill=255 if rng.random() < 0.8 else grey, font=font)
        elif rng.random() < 0.5:
            draw.rectangle((x, y, x + width, y + height), fill=grey)
        else:
            draw.ellipse((x, y, x + width, y + height), fill=grey)
    return np.asarray(canvas, dtype=np.float32) / 255.0
