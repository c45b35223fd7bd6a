"""The labels of a store as images to learn from and images that are held out.

An image belongs to the held-out part, or not, by the digest of its key (or of its patient, where
the store knows that) alone: one that was held out once is held out always, however many labels come
in. Of the others a share is for validation: it tells when to stop and sets thresholds and spreads,
so that nothing is ever chosen on the held-out part.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from training.results import REFERENCE_WIDTH_MM
from training.telling import Telling
from WristQCLib.atomic_file import written_whole
from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import Keypoints
from WristQCLib.labels import (
    FOREIGN_OBJECT,
    ImageLabels,
    LabelError,
    LabelStore,
    StoredImage,
    key_of,
    write_labelme,
)
from WristQCLib.labels.record import portable_record
from WristQCLib.radiograph import Radiograph, RadiographError, read_radiograph
from WristQCLib.sources import find_images

FIELD_MM = 250.0
"""What a wrist radiograph measures from corner to corner, for images of unknown spacing."""

VALIDATION_SHARE = 0.25
"""Of the images that are not held out."""


FEWEST_HELD_OUT = 4
"""Fewer held-out images say nothing of whether a model got better; these few already say little."""


@dataclass(frozen=True)
class StoreImage:
    """One labelled image of a store.

    Attributes
    ----------
    key
        Of the image in the store.
    labels
        What its readers agree on.
    image
        File of its pixels.
    group
        Images of one group (a patient, where known) are held out together.
    """

    key: str
    labels: ImageLabels
    image: Path
    group: str

    @property
    def has_object(self) -> bool:
        """Whether a foreign object is in the image."""
        return self.labels.artefact.finding is Finding.FOUND


@dataclass(frozen=True)
class StoreData:
    """What a store has to learn from.

    Attributes
    ----------
    images
        By key.
    conflicts
        How many images are left out because their readings contradict each other.
    without_pixels
        How many are left out because their pixels are nowhere.
    readers
        How many people read `images`.
    """

    images: tuple[StoreImage, ...]
    conflicts: int
    without_pixels: int
    readers: int

    def __str__(self) -> str:
        left_out = [
            f"{count} left out {why}"
            for count, why in (
                (self.conflicts, "whose readings contradict each other"),
                (self.without_pixels, "without pixels"),
            )
            if count
        ]
        return ", ".join([f"{len(self.images)} labelled images", *left_out])

    def of_task(self, task: str) -> list[StoreImage]:
        """The images whose labels answer a task."""
        if task == "artefact":
            known = (Finding.FOUND, Finding.NOT_FOUND)
            return [image for image in self.images if image.labels.artefact.finding in known]
        return [
            image
            for image in self.images
            if any(p.finding is not Finding.NOT_ASSESSABLE for p in image.labels.keypoints)
        ]


@dataclass(frozen=True)
class Parts:
    """Images to learn from, to validate on while learning, and to judge by in the end."""

    train: tuple[StoreImage, ...]
    validation: tuple[StoreImage, ...]
    held_out: tuple[StoreImage, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of all keys and labels, and of which part they are in."""
        content = [
            [image.key, part, portable_record(image.labels)]
            for part, images in (
                ("train", self.train),
                ("validation", self.validation),
                ("held_out", self.held_out),
            )
            for image in images
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_store(store: LabelStore, images: Path | None, pixels: Path, telling: Telling) -> StoreData:
    """What readers agree on, with the store's own pixels or those of the images' files.

    Parameters
    ----------
    store
        Of labels.
    images
        Folder with the images' files, for what the store has no pixels of.
    pixels
        Where the pixels are written as they are displayed, by key.
    telling
        Is told how far it is.
    """
    agreed: dict[str, tuple[StoredImage, ImageLabels]] = {}
    conflicts = 0
    for stored in store:
        labels = stored.consensus
        if labels is None:
            conflicts += 1
        else:
            agreed[stored.key] = stored, labels
    files = _displayed(store, [k for k, (s, _) in agreed.items() if s.image_path], pixels, telling)
    lacking = {key: labels for key, (_, labels) in agreed.items() if key not in files}
    if lacking and images is not None:
        files |= _found_again(lacking, images, pixels, telling)
    readers = {reading.reader for key in files for reading in agreed[key][0].current}
    chosen = []
    for key in sorted(files):
        stored, labels = agreed[key]
        patient = next((p for r in stored.readings if (p := r.patient.get("PatientID"))), None)
        group = key if patient is None else f"patient:{patient}"
        chosen.append(StoreImage(key, labels, files[key], group))
    return StoreData(tuple(chosen), conflicts, len(agreed) - len(files), len(readers))


def _displayed(
    store: LabelStore, keys: Sequence[str], folder: Path, telling: Telling
) -> dict[str, Path]:
    """The store's own pixels as they are displayed, which is what models see; by key."""
    files = {key: folder / f"{key}.png" for key in keys}
    with telling.bar("reading the images of labels", len(keys)) as done:
        for key, path in list(files.items()):
            done(1)
            if path.is_file():
                continue
            try:
                radiograph = store.radiograph(key)
            except LabelError as error:
                telling.say(str(error))
                radiograph = None
            if radiograph is None:
                del files[key]
            else:
                _write(path, radiograph)
    return files


def _found_again(
    lacking: dict[str, ImageLabels], folder: Path, pixels: Path, telling: Telling
) -> dict[str, Path]:
    """Pixels of images that are found by digest or UID, as they are displayed; by key."""
    found = {key: path for key in lacking if (path := pixels / f"{key}.png").is_file()}
    by_uid = {uid: key for key, labels in lacking.items() if (uid := labels.image.sop_instance_uid)}
    sources = list(find_images([folder]))
    with telling.bar("looking for the images of labels", len(sources)) as done:
        for source in sources:
            if len(found) == len(lacking):
                break
            done(1)
            try:
                radiograph = read_radiograph(source)
            except RadiographError:
                continue  # not one that was labelled
            key = key_of(radiograph)
            if key not in lacking:
                key = by_uid.get(radiograph.sop_instance_uid, "")
            if key and key not in found and _fits(radiograph, lacking[key]):
                found[key] = pixels / f"{key}.png"
                _write(found[key], radiograph)
    return found


def _fits(radiograph: Radiograph, labels: ImageLabels) -> bool:
    geometry = labels.image.geometry
    return (radiograph.height, radiograph.width) == (geometry.height, geometry.width)


def _write(path: Path, radiograph: Radiograph) -> None:
    grey = np.round(radiograph.display() * 65535.0).astype(np.uint16)
    with written_whole(path) as file:
        Image.fromarray(grey).save(file, format="PNG", compress_level=1)


def place(group: str, purpose: str) -> float:
    """A number in [0, 1) that follows from a group's name and a purpose, and looks random."""
    digest = hashlib.sha256(f"{purpose}:{group}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2.0**48


def held_out_groups(groups: Iterable[str], share: float) -> set[str]:
    """The groups, of one for each image, that are held out: a share, chosen by their names alone.

    Where that gives fewer than `FEWEST_HELD_OUT` images, those next in line are held out as well.
    """
    line = sorted((place(group, "held out"), group) for group in groups)
    return {
        group
        for number, (position, group) in enumerate(line)
        if position < share or number < FEWEST_HELD_OUT
    }


def parted(images: Iterable[StoreImage], held_out: float, most: int | None = None) -> Parts:
    """Part images for one training.

    Parameters
    ----------
    images
        All of a task.
    held_out
        Share of the groups that is held out, `FEWEST_HELD_OUT` images at least. A larger one holds
        out those of a smaller one too.
    most
        So many images are learned from (and validated on) at most, always the same ones first.
    """
    images = list(images)
    out = held_out_groups((image.group for image in images), held_out)
    kept_out = [image for image in images if image.group in out]
    others = sorted(
        (image for image in images if image.group not in out),
        key=lambda image: (place(image.group, "training"), image.key),
    )[:most]
    groups = Counter(image.group for image in others)
    wanted, validated = math.ceil(VALIDATION_SHARE * len(others)), set[str]()
    for group in sorted(groups, key=lambda group: place(group, "validation")):
        if sum(groups[g] for g in validated) >= wanted:
            break
        validated.add(group)
    return Parts(
        tuple(image for image in others if image.group not in validated),
        tuple(image for image in others if image.group in validated),
        tuple(kept_out),
    )


def write_parts(parts: Parts, folder: Path) -> None:
    """Write label files for `training.datasets`: ``labels/train``, ``labels/val``, ``held_out``.

    They tell the place of the pixels, which are not copied, and nothing of patients and readers.
    """
    for name, images in (
        ("labels/train", parts.train),
        ("labels/val", parts.validation),
        ("held_out", parts.held_out),
    ):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for image in images:
            write_labelme(folder / name / f"{image.key}.json", anonymous(image))


def anonymous(image: StoreImage) -> ImageLabels:
    """Labels that tell of nobody, with a width by which an image without spacing is measured."""
    labels = image.labels
    shapes = [s for s in labels.extra.get("shapes", []) if s.get("label") == FOREIGN_OBJECT]
    extra: dict[str, Any] = {}
    if shapes:
        extra["shapes"] = [shape | {"description": ""} for shape in shapes]
    if labels.image.geometry.spacing is None:
        extra["ref_width_px"] = labels.extra.get("ref_width_px") or reference_width_px(labels)
    keypoints = Keypoints(
        labels.view, tuple(replace(point, placed_by="person") for point in labels.keypoints)
    )
    return replace(
        labels,
        image=replace(labels.image, name=image.image.resolve().as_posix(), sop_instance_uid=""),
        keypoints=keypoints,
        artefact=replace(labels.artefact, source="person"),
        placements={},
        extra=extra,
    )


def reference_width_px(labels: ImageLabels) -> float:
    """How many pixels the width is that `REFERENCE_WIDTH_MM` tells, of an image without spacing.

    Between the styloids where both are labelled; else by what an image measures across.
    """
    geometry = labels.image.geometry
    if labels.view is View.FRONTAL:
        ends = [labels.keypoints[name].position for name in ("radial_styloid", "ulnar_styloid")]
        if ends[0] is not None and ends[1] is not None and ends[0] != ends[1]:
            return math.dist(ends[0], ends[1])
    across = math.hypot(geometry.width, geometry.height)
    return REFERENCE_WIDTH_MM[labels.view] * across / FIELD_MM
