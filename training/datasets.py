"""Labelled radiographs in memory, drawn, augmented and batched for training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from training.config import TrainingConfig
from training.labels import LabelledImage, label_paths, read_image, read_label
from training.transforms import (
    Geometry,
    alter_look,
    draw_geometry,
    homogeneous,
    map_point,
    occlude,
    warp,
    within,
)
from WristQCLib.findings import View
from WristQCLib.keypoints import KEYPOINT_NAMES
from WristQCLib.models.letterbox import Letterbox
from WristQCLib.models.preprocessing import FloatImage, normalise

FIELD_DEPENDENT = ("proximal_radius_centre", "proximal_ulna_centre")
"""Points where the shaft leaves the field: a smaller field moves them, nobody knows where."""

Sample = dict[str, Tensor]


@dataclass(frozen=True)
class Source:
    """A folder of labelled images and how often it is drawn from, relative to the others."""

    folder: Path
    share: float

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
        Foreign objects (left, top, right, bottom) in pixels of `pixels`.
    source
        Index of its source.
    """

    label: LabelledImage
    pixels: npt.NDArray[np.uint8]
    points: dict[str, tuple[float, float]]
    boxes: list[tuple[float, float, float, float]]
    source: int

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
        points = {
            name: (float(x), float(y))
            for name, point in label.points.items()
            for x, y in [(np.array(point) + 0.5) * ratio - 0.5]
        }
        boxes = [
            (left * ratio[0], top * ratio[1], right * ratio[0], bottom * ratio[1])
            for left, top, right, bottom in label.foreign_objects
        ]
        stored = np.rint(normalise(pixels) * 255).astype(np.uint8)
        return cls(label, stored, points, boxes, source)

    def foreign_object_mask(self) -> FloatImage:
        """1 inside the boxes of foreign objects, else 0; (rows, columns)."""
        mask = np.zeros(self.pixels.shape, dtype=np.float32)
        for left, top, right, bottom in self.boxes:
            rows = slice(max(0, round(top)), max(0, round(bottom) + 1))
            mask[rows, max(0, round(left)) : max(0, round(right) + 1)] = 1.0
        return mask


class RadiographDataset(Dataset[Sample]):
    """Samples for one training.

    Items are asked for as (index, seed): the same pair gives the same sample. A seed of -1 gives
    the image as inference sees it.
    """

    def __init__(self, sources: Sequence[Source], config: TrainingConfig, split: str) -> None:
        self.sources = list(sources)
        self.config = config
        self.split = split
        self.images: list[CachedImage] = []
        self._known: set[Path] = set()
        self.refresh()

    def refresh(self) -> int:
        """Load what is new in the folders; returns how many images that were.

        A file that is still being written is left for the next time.
        """
        before = len(self.images)
        for index, source in enumerate(self.sources):
            for path in label_paths(source.folder, self.split):
                if path in self._known:
                    continue
                try:
                    image = CachedImage.load(path, index, self.config.cache_side)
                except (OSError, ValueError, SyntaxError):
                    continue
                self._known.add(path)
                if self._group(image.label) is not None:
                    self.images.append(image)
        return len(self.images) - before

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

    def __getitem__(self, key: tuple[int, int]) -> Sample:  # type: ignore[override]
        index, seed = key
        image, config = self.images[index], self.config
        keypoints = config.task == "keypoints"
        view = image.label.keypoint_view if keypoints else image.label.view
        isotropic = config.letterbox == "isotropic"
        if seed < 0:
            letterbox = Letterbox.whole(image.pixels.shape, config.input_size, isotropic)
            rows, columns = image.pixels.shape
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
            )
            pixels = warp(image.pixels.astype(np.float32) / 255.0, geometry, config.input_size)
            pixels = alter_look(rng, pixels, config.augmentation.look)
            if rng.random() < config.augmentation.occlusion:
                pixels = occlude(rng, pixels)
        sample = {"image": torch.from_numpy(pixels)[None]}
        if keypoints:
            assert view is not None
            points, labelled = self._targets(image, view, geometry)
            sample["points"] = torch.from_numpy(points)
            sample["labelled"] = torch.from_numpy(labelled)
            sample["domain"] = torch.tensor(config.views.index(view.value))
        elif config.task == "artefact":
            sample["label"] = torch.tensor(float(image.label.artefact))
            if config.losses.cells > 0:
                mask = image.foreign_object_mask() if image.boxes else np.zeros((1, 1), np.float32)
                sample["mask"] = torch.from_numpy(warp(mask, geometry, config.input_size))[None]
        else:
            sample["label"] = torch.tensor(float(view is View.FRONTAL))
        return sample

    def _targets(
        self, image: CachedImage, view: View, geometry: Geometry
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Input positions (N, 2), NaN when absent, and which of them are known (N)."""
        names = KEYPOINT_NAMES[view]
        rows, columns = self.config.input_size
        points = np.full((len(names), 2), np.nan, dtype=np.float32)
        labelled = np.ones(len(names), dtype=bool)
        whole = (0, 0, *image.pixels.shape[::-1])
        for index, name in enumerate(names):
            point = image.points.get(name)
            if point is None:
                continue
            mapped = map_point(point, geometry)
            if within(point, geometry.field) and within(mapped, (0, 0, columns, rows)):
                points[index] = mapped
            elif name in FIELD_DEPENDENT:
                labelled[index] = False
        if geometry.field != whole:
            for index, name in enumerate(names):
                if name in FIELD_DEPENDENT and np.isnan(points[index, 0]):
                    labelled[index] = False
        return points, labelled


class MixedBatches(Sampler[list[tuple[int, int]]]):
    """Batches of (index, seed): groups in turn, sources by their shares, images evenly."""

    def __init__(self, dataset: RadiographDataset, epoch: int) -> None:
        self.dataset = dataset
        self.epoch = epoch

    def __len__(self) -> int:
        config = self.dataset.config
        return max(1, (config.samples_per_epoch or len(self.dataset)) // config.batch_size)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        config, sources = self.dataset.config, self.dataset.sources
        rng = np.random.default_rng([config.seed, self.epoch])
        groups = [group for group in self.dataset.groups() if group]
        for batch in range(len(self)):
            group = groups[batch % len(groups)]
            shares = np.array([sources[source].share for source in group])
            drawn = rng.choice(list(group), size=config.batch_size, p=shares / shares.sum())
            yield [
                (int(rng.choice(group[int(source)])), int(rng.integers(2**62))) for source in drawn
            ]


class PlainBatches(Sampler[list[tuple[int, int]]]):
    """Every image once as inference sees it, evenly thinned to `limit`, groups apart."""

    def __init__(self, dataset: RadiographDataset, limit: int) -> None:
        size = dataset.config.batch_size
        self.batches: list[list[tuple[int, int]]] = []
        step = max(1.0, len(dataset) / limit)
        kept = {int(k * step) for k in range(min(limit, len(dataset)))}
        for group in dataset.groups():
            indices = [i for members in group.values() for i in members if i in kept]
            self.batches += [
                [(i, -1) for i in indices[start : start + size]]
                for start in range(0, len(indices), size)
            ]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return iter(self.batches)
