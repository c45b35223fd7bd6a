"""Labelled radiographs in memory, drawn, augmented and batched for training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from training.config import TrainingConfig
from training.labels import LabelledImage, label_paths, read_image, read_label
from training.pasting import LEAST_SEEN, ObjectBank, Sprite, lay, lead_letters
from training.processes import Processes
from training.results import millimetres_per_pixel
from training.transforms import (
    Box,
    Geometry,
    Midlines,
    Outside,
    alter_look,
    draw_geometry,
    ends_in_field,
    homogeneous,
    map_point,
    nearest_in_field,
    occlude,
    seeming_places,
    warp,
    within,
)
from WristQCLib.findings import View
from WristQCLib.keypoints import KEYPOINT_NAMES, Point
from WristQCLib.models.letterbox import Letterbox
from WristQCLib.models.preprocessing import FloatImage, normalise
from WristQCLib.models.refinement import CLOSE_LOOKS, close_box
from WristQCLib.models.shape_prior import PROXIMAL, SHAFTS

FIELD_DEPENDENT = PROXIMAL
"""Points where the shaft leaves the field: a smaller field moves them along the shaft's midline,
nobody knows where to unless that is known."""

UNKNOWN_MM_PER_PIXEL = (0.3, 0.8)
"""Range of the network's input where an image does not tell its spacing."""

HARDEST = 8.0
"""An image counts as at most so many times as hard as the mean one of its source: in the hardest of
all there may be nothing to learn."""

MOST = 0.7
"""Share of a foreign object's box that must be in the input for the object to count as there."""

Sample = dict[str, Tensor]


class Ask(NamedTuple):
    """Which sample is wanted.

    Attributes
    ----------
    number
        Of the image.
    seed
        Of what is drawn; -1 gives the image as inference sees it.
    close
        The box of a second look, rather than the whole image; None: drawn.
    """

    number: int
    seed: int
    close: bool | None = None


@dataclass(frozen=True)
class Source:
    """A folder of labelled images and how often it is drawn from, relative to the others.

    Attributes
    ----------
    folder
        As for `label_paths`.
    share
        Relative to those of the other folders.
    only
        The label files that are taken; None: all.
    """

    folder: Path
    share: float
    only: frozenset[Path] | None = None

    def paths(self, split: str) -> list[Path]:
        """The label files of a split."""
        paths = label_paths(self.folder, split)
        return paths if self.only is None else [path for path in paths if path in self.only]

    @classmethod
    def parse(cls, text: str) -> Source:
        """``FOLDER`` or ``FOLDER=SHARE``.

        Raises
        ------
        ValueError
            If there is no such folder or the share is no positive number.
        """
        name, separator, share = text.rpartition("=")
        source = cls(Path(name), float(share)) if separator else cls(Path(text), 1.0)
        if not source.folder.is_dir():
            raise ValueError(f"The data folder '{source.folder}' does not exist.")
        if not source.share > 0:
            raise ValueError(f"The share of '{source.folder}' must be positive: {source.share}.")
        return source


@dataclass(frozen=True)
class CachedImage:
    """A labelled image at the cache's resolution.

    Attributes
    ----------
    label
        What is known of it, in the original's pixels.
    pixels
        (rows, columns) uint8, normalised.
    points
        The keypoints in pixels of `pixels`.
    boxes
        Foreign objects that are not outlined: (left, top, right, bottom) in pixels of `pixels`.
    outlines
        Polygons (n, 2) of those that are, (x, y) in pixels of `pixels`.
    mm_per_pixel
        Of `pixels`, None when unknown.
    source
        Index of its source.
    outside
        Keypoints that the field leaves out, where that is known, in pixels of `pixels`.
    midlines
        Courses of the shafts, by the keypoint that each of them ends at, (n, 2) in pixels of
        `pixels`, as far as they are known.
    """

    label: LabelledImage
    pixels: npt.NDArray[np.uint8]
    points: dict[str, tuple[float, float]]
    boxes: list[tuple[float, float, float, float]]
    outlines: list[npt.NDArray[np.float64]]
    mm_per_pixel: float | None
    source: int
    outside: dict[str, Outside]
    midlines: Midlines

    @classmethod
    def load(cls, path: Path, source: int, side: int) -> CachedImage:
        """Read, shrink to `side` pixels on the longer side, normalise."""
        label = read_label(path)
        pixels = read_image(label.image_path)
        rows, columns = pixels.shape
        shrink = min(1.0, side / max(rows, columns))
        size = max(1, round(rows * shrink)), max(1, round(columns * shrink))
        if size != (rows, columns):
            resized = Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR)
            pixels = np.asarray(resized)
        ratio = np.array([size[1] / columns, size[0] / rows])

        def scaled(point: Point) -> Point:
            x, y = (np.array(point) + 0.5) * ratio - 0.5
            return float(x), float(y)

        points = {name: scaled(point) for name, point in label.points.items()}
        field = [scaled(corner) for corner in label.field]
        outside = {
            name: Outside(scaled(place), nearest_in_field(scaled(place), field, size))
            for name, place in label.outside.items()
            if field
        }
        outlines = [(np.array(p) + 0.5) * ratio - 0.5 for p in label.foreign_outlines]
        boxes = [
            (left * ratio[0], top * ratio[1], right * ratio[0], bottom * ratio[1])
            for left, top, right, bottom in ([] if outlines else label.foreign_objects)
        ]
        spacing = millimetres_per_pixel(label, None)
        mm_per_pixel = None if spacing is None else float(np.sqrt(np.prod(spacing) / ratio.prod()))
        midlines = {
            name: (np.array(line) + 0.5) * ratio - 0.5
            for name, line in label.midlines.items()
            if line
        }
        stored = np.rint(normalise(pixels) * 255).astype(np.uint8)
        return cls(label, stored, points, boxes, outlines, mm_per_pixel, source, outside, midlines)

    def fills(self, field: Box) -> bool:
        """Whether a field shows all of the image."""
        rows, columns = self.pixels.shape
        return field == (0, 0, columns, rows)

    def points_in(self, field: Box) -> dict[str, tuple[float, float]]:
        """The keypoints, with the ends of shafts where these leave a field, as far as known."""
        if self.fills(field):
            return self.points
        return {**self.points, **ends_in_field(self.midlines, field)}

    def foreign_object_mask(self) -> FloatImage:
        """Where foreign objects are, and where nobody can tell, 1 there; (2, rows, columns).

        What is inside of a box is unclear, and so is all of an image that has an object somewhere.
        """
        rows, columns = self.pixels.shape
        masks = []
        for shapes in (
            [[(float(x), float(y)) for x, y in outline] for outline in self.outlines],
            [[(x0, y0), (x1, y0), (x1, y1), (x0, y1)] for x0, y0, x1, y1 in self.boxes],
        ):
            sheet = Image.new("L", (columns, rows))
            for corners in shapes:
                ImageDraw.Draw(sheet).polygon(corners, fill=1)
            masks.append(np.asarray(sheet, dtype=np.float32))
        if self.label.artefact and not self.boxes and not self.outlines:
            masks[1] = np.ones_like(masks[1])
        return np.stack(masks)


def thinned(paths: Sequence[Path], limit: int) -> list[Path]:
    """At most `limit` of the paths, evenly."""
    step = max(1.0, len(paths) / limit)
    return [paths[int(k * step)] for k in range(min(limit, len(paths)))]


class RadiographDataset(Dataset[Sample]):
    """Samples for one training.

    Items are asked for by an `Ask`, which always gives the same sample.

    Attributes
    ----------
    hardness
        The network's loss for each image, (looks, images): as a whole, and in the second look where
        that has a domain of its own. None: not known, all images are drawn evenly.
    """

    def __init__(self, sources: Sequence[Source], config: TrainingConfig, split: str) -> None:
        self.sources = list(sources)
        self.config = config
        self.split = split
        self.images: list[CachedImage] = []
        for index, source in enumerate(self.sources):
            paths = source.paths(split)
            if split == "val":
                paths = thinned(paths, self._limit(source))
            for path in paths:
                image = CachedImage.load(path, index, config.cache_side)
                if self._group(image.label) is not None:
                    self.images.append(image)
        lays = split == "train" and config.augmentation.objects > 0
        self.epoch = 0
        self.hardness: npt.NDArray[np.float64] | None = None
        self.bank = ObjectBank(config.augmentation.bank, config.seed) if lays else None

    def _limit(self, source: Source) -> int:
        """How many images of a source are validated on, by its share."""
        total = sum(other.share for other in self.sources)
        return math.ceil(self.config.validation_images * source.share / total)

    def _group(self, label: LabelledImage) -> int | None:
        """Which batches an image belongs to (a keypoint batch is of one view); None: to none."""
        view = label.keypoint_view if self.config.task == "keypoints" else label.view
        if self.config.task == "artefact":
            return 0
        if view is None or view.value not in self.config.views:
            return None
        return self.config.views.index(view.value) if self.config.task == "keypoints" else 0

    def groups(self) -> list[dict[int, list[int]]]:
        """For each group: indices of its images by source."""
        count = len(self.config.views) if self.config.task == "keypoints" else 1
        groups: list[dict[int, list[int]]] = [{} for _ in range(count)]
        for index, image in enumerate(self.images):
            group = self._group(image.label)
            if group is not None:
                groups[group].setdefault(image.source, []).append(index)
        return groups

    def __len__(self) -> int:
        return len(self.images)

    def apart(self, close: bool | None) -> bool:
        """Whether a sample is of a second look that has a domain of its own."""
        return bool(close) and self.config.close_domains

    def domain(self, view: View, close: bool | None) -> int:
        """The network's domain: one for each view, then one for each view's second look."""
        views = self.config.views
        return views.index(view.value) + (len(views) if self.apart(close) else 0)

    def __getitem__(self, ask: Ask) -> Sample:  # type: ignore[override]
        index, seed, close = ask
        image, config = self.images[index], self.config
        keypoints = config.task == "keypoints"
        view = image.label.keypoint_view if keypoints else image.label.view
        isotropic = config.letterbox == "isotropic"
        label, mask = float(image.label.artefact), None
        if seed < 0:
            rows, columns = image.pixels.shape
            box = (0, 0, columns, rows)
            if close and view is not None:
                looks = CLOSE_LOOKS[view]
                look = looks[index % len(looks)]
                seeming = seeming_places(image.points, self._outside(image), view, 0.0)
                points = {**image.points, **seeming}
                box = close_box(points, view, look, config.input_size) or box
            letterbox = Letterbox.fit(box, config.input_size, isotropic)
            geometry = Geometry(homogeneous(letterbox)[:2], (0, 0, columns, rows))
            pixels = letterbox.resample(image.pixels.astype(np.float32) / 255.0)
        else:
            rng = np.random.default_rng(seed)
            geometry = draw_geometry(
                rng,
                image.pixels.shape,
                image.points,
                view if keypoints else None,
                config.input_size,
                isotropic,
                config.augmentation,
                close,
                self._outside(image),
                image.midlines,
            )
            size = self.training_size
            if size != config.input_size:
                geometry = self._part(rng, image, geometry, size)
            pixels = warp(image.pixels.astype(np.float32) / 255.0, geometry, size)
            if config.task == "artefact":
                mask = self._mask(image, geometry)
                pixels = self._lay_on(rng, image, geometry, pixels, mask)
                label = self._label(image, geometry, mask)
            pixels = alter_look(rng, pixels, config.augmentation.look)
            if rng.random() < config.augmentation.occlusion:
                pixels = occlude(rng, pixels)
        sample = {"image": torch.from_numpy(pixels)[None]}
        if keypoints:
            assert view is not None
            outside = config.seeks_outside and self.apart(close)
            targets = self._targets(image, view, geometry, outside)
            sample |= {name: torch.from_numpy(part) for name, part in targets.items()}
            ends = shaft_ends(image.points_in(geometry.field), geometry)
            sample["shafts"] = torch.from_numpy(ends)
            sample["domain"] = torch.tensor(self.domain(view, close))
        elif config.task == "artefact":
            sample["label"] = torch.tensor(label)
            if mask is not None:
                sample["mask"] = torch.from_numpy(mask)
        else:
            sample["label"] = torch.tensor(float(view is View.FRONTAL))
        return sample

    def _outside(self, image: CachedImage) -> dict[str, Outside]:
        return image.outside if self.config.seeks_outside else {}

    def _part(
        self,
        rng: np.random.Generator,
        image: CachedImage,
        geometry: Geometry,
        size: tuple[int, int],
    ) -> Geometry:
        """A part of the input, (rows, columns), as far as possible about a pixel of the image.

        The pixel is any, or one of the outline of a foreign object.
        """
        rows, columns = image.pixels.shape
        middle = rng.random(2) * (columns - 1, rows - 1)
        if image.outlines and rng.random() < self.config.patch_on_object:
            outline = image.outlines[int(rng.integers(len(image.outlines)))]
            aside = 0.4 * rng.uniform(-1.0, 1.0, 2) * size[::-1]
            middle = outline[int(rng.integers(len(outline)))]
            # As much aside of the middle of the part as the input's scale makes it.
            middle = middle + aside / np.sqrt(abs(np.linalg.det(geometry.matrix[:, :2])))
        corner = map_point((middle[0], middle[1]), geometry) - np.array(size[::-1]) / 2
        room = np.subtract(self.config.input_size, size)[::-1]
        left, top = np.clip(np.rint(corner), 0, room)
        return geometry.shifted(-left, -top)

    @property
    def training_size(self) -> tuple[int, int]:
        """(rows, columns) of what the network is shown in this epoch."""
        config = self.config
        if config.patch_size is None or self.epoch >= config.epochs - config.whole_epochs:
            return config.input_size
        return config.patch_size

    def _label(self, image: CachedImage, geometry: Geometry, mask: FloatImage) -> float:
        """Whether an object is in an input: 1, 0, or NaN where nobody can tell.

        What was turned or cut out of the input is no longer in it. Of a box, most must be there:
        the object itself may be in the rest of it.
        """
        seen = float(mask[0].sum())
        if seen > 0 or image.outlines or not image.label.artefact:
            return 1.0 if seen >= LEAST_SEEN else 0.0 if seen == 0 else float("nan")
        whole = image.foreign_object_mask()[1].sum() * abs(np.linalg.det(geometry.matrix[:, :2]))
        share = float(mask[1].sum() / max(whole, 1.0))
        return 1.0 if share >= MOST else 0.0 if share == 0 else float("nan")

    def _mask(self, image: CachedImage, geometry: Geometry) -> FloatImage:
        """`foreign_object_mask` in the input, (2, rows, columns)."""
        mask = np.zeros((2, *self.training_size), np.float32)
        if image.label.artefact:
            for k, part in enumerate(image.foreign_object_mask()):
                if part.any():
                    mask[k] = warp(part, geometry, self.training_size)
        return mask

    def _lay_on(
        self,
        rng: np.random.Generator,
        image: CachedImage,
        geometry: Geometry,
        pixels: FloatImage,
        mask: FloatImage,
    ) -> FloatImage:
        """Lay an object and letters on an input; `mask` is changed to say where the object is."""
        augmentation = self.config.augmentation
        sprites: list[tuple[Sprite, bool]] = []
        if rng.random() < augmentation.letters:
            sprites.append((lead_letters(rng), False))
        if self.bank is not None and rng.random() < augmentation.objects:
            sprites.append((self.bank.draw(rng), True))
        scale = float(np.sqrt(abs(np.linalg.det(geometry.matrix[:, :2]))))
        for sprite, is_object in sprites:
            mm_per_pixel = (
                float(rng.uniform(*UNKNOWN_MM_PER_PIXEL))
                if image.mm_per_pixel is None
                else image.mm_per_pixel / scale
            )
            laid = lay(rng, sprite, pixels, mm_per_pixel)
            if laid is None:
                continue
            pixels = laid.image
            if is_object:
                mask[0] = np.maximum(mask[0], laid.seen)
                mask[1] = np.maximum(mask[1], laid.unclear) * ~laid.seen
        return pixels

    def _targets(
        self, image: CachedImage, view: View, geometry: Geometry, outside: bool = False
    ) -> dict[str, npt.NDArray[np.generic]]:
        """What the network is to answer, see `training.losses.keypoint_loss`.

        Parameters
        ----------
        image, view, geometry
            The image, its view, and how it was brought into the input.
        outside
            Points out of the field are sought too; those of which nobody knows where may be
            anywhere.
        """
        names = KEYPOINT_NAMES[view]
        rows, columns = self.config.input_size
        points = np.full((len(names), 2), np.nan, dtype=np.float32)
        present, labelled = np.zeros((2, len(names)), dtype=bool)
        shown_points = image.points_in(geometry.field)
        for index, name in enumerate(names):
            point = shown_points.get(name)
            moves = name in FIELD_DEPENDENT
            if point is None:
                known = name not in image.label.unknown
                labelled[index] = known and (image.fills(geometry.field) or not moves)
                if outside and name in image.outside:
                    mapped = map_point(image.outside[name].place, geometry)
                    if within(mapped, (0, 0, columns, rows)):
                        points[index] = mapped
                continue
            mapped = map_point(point, geometry)
            in_input = within(mapped, (0, 0, columns, rows))
            present[index] = in_input and within(point, geometry.field)
            labelled[index] = present[index] or not moves
            if present[index] or (outside and in_input and not moves):
                points[index] = mapped
        shown = labelled & ~np.isnan(points[:, 0]) if outside else labelled
        return {"points": points, "present": present, "labelled": labelled, "mapped": shown}


def shaft_ends(
    points: Mapping[str, tuple[float, float]], geometry: Geometry
) -> npt.NDArray[np.float32]:
    """Input positions (2, 2, 2) of the ends of `SHAFTS`, within the input or not; NaN: unknown."""
    ends = np.full((len(SHAFTS), 2, 2), np.nan, dtype=np.float32)
    for index, names in enumerate(SHAFTS):
        if all(name in points for name in names):
            ends[index] = [map_point(points[name], geometry) for name in names]
    return ends


class MixedBatches(Sampler[list[Ask]]):
    """Batches: groups in turn, sources by their shares, images evenly or the hard ones more often.

    Of a source's images, `hard_share` are drawn in proportion to the loss that the network had for
    them, the others evenly. Where second looks have domains of their own, a batch is of second
    looks or of none. Several processes draw the same steps, and each takes its own batch of every
    step.
    """

    def __init__(
        self, dataset: RadiographDataset, epoch: int, processes: Processes | None = None
    ) -> None:
        self.dataset = dataset
        self.epoch = epoch
        self.processes = processes or Processes()

    def __len__(self) -> int:
        config = self.dataset.config
        images = config.samples_per_epoch or len(self.dataset)
        return max(1, images // (config.batch_size * self.processes.world))

    def __iter__(self) -> Iterator[list[Ask]]:
        config, sources = self.dataset.config, self.dataset.sources
        rng = np.random.default_rng([config.seed, self.epoch])
        every = self.dataset.groups()
        turns = config.turns if len(every) > 1 and config.turns else range(len(every))
        groups = [every[turn] for turn in turns if every[turn]]
        for step in range(len(self)):
            group = groups[step % len(groups)]
            shares = np.array([sources[source].share for source in group])
            close = bool(rng.random() < config.augmentation.zoom) if config.close_domains else None
            for rank in range(self.processes.world):
                drawn = rng.choice(list(group), size=config.batch_size, p=shares / shares.sum())
                batch = [
                    Ask(self._drawn(rng, group[source], close), int(rng.integers(2**62)), close)
                    for source in drawn.tolist()
                ]
                if rank == self.processes.rank:
                    yield batch

    def _drawn(self, rng: np.random.Generator, members: list[int], close: bool | None) -> int:
        """Draw one of a source's images."""
        data = self.dataset
        if data.hardness is None or rng.random() >= data.config.hard_share:
            return int(rng.choice(members))
        hardness = data.hardness[int(data.apart(close))][members]
        hardness = np.minimum(hardness, HARDEST * hardness.mean()) + 1e-9
        return int(rng.choice(members, p=hardness / hardness.sum()))


class PlainBatches(Sampler[list[Ask]]):
    """Every image once as inference sees it, evenly thinned to `limit`, groups apart.

    Where second looks have domains of their own, every image is looked at again.
    """

    def __init__(self, dataset: RadiographDataset, limit: int) -> None:
        size = dataset.config.batch_size
        self.batches: list[list[Ask]] = []
        looks = (False, True) if dataset.config.close_domains else (False,)
        step = max(1.0, len(dataset) / limit)
        kept = {int(k * step) for k in range(min(limit, len(dataset)))}
        for group in dataset.groups():
            indices = [i for members in group.values() for i in members if i in kept]
            self.batches += [
                [Ask(i, -1, close) for i in indices[start : start + size]]
                for close in looks
                for start in range(0, len(indices), size)
            ]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[Ask]]:
        return iter(self.batches)
