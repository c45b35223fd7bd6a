"""A reader who corrects simulated images: places every point as it is, off by a little."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from WristQCLib.assessment import Assessment
from WristQCLib.assessor import reassess
from WristQCLib.findings import View
from WristQCLib.keypoints import Keypoint, Keypoints
from WristQCLib.labels import ImageLabels, read_labelme
from WristQCLib.labels.reading import Reading
from WristQCLib.radiograph import Radiograph
from WristQCLib.sources import ImageSource
from WristQCLib.spacing import Spacing
from WristQCLib.worklist import WorkItem

READER = "Simulated reader"

READER_SD_MM: Mapping[View, float] = {View.FRONTAL: 0.4, View.LATERAL: 0.8}
"""Standard deviation of a reader's error along each axis: centres are harder to place than tips."""


def truth_of(label: Path) -> ImageLabels:
    """All that a simulated image's label file tells, as if the reader had said so."""
    return read_labelme(label, person=READER)


def item_of(label: Path) -> WorkItem:
    """A simulated image on a list, its view, side and spacing known as from a DICOM header."""
    truth = truth_of(label)
    return WorkItem(
        ImageSource(label.stem, label.with_suffix(".png")),
        view=truth.view,
        side=truth.side,
        spacing=truth.image.geometry.spacing,
    )


def placed(
    truth: Keypoints, size: tuple[int, int], spacing: Spacing, rng: np.random.Generator
) -> Keypoints:
    """Keypoints as the reader places them; what is in the image stays in it.

    Parameters
    ----------
    truth
        Where they are.
    size
        Width and height of the image in pixels.
    spacing
        (x, y) in mm per pixel.
    rng
        Source of the error.
    """

    def off(point: Keypoint) -> Keypoint:
        error_mm = rng.normal(0.0, READER_SD_MM[truth.view], 2)  # drawn for absent points, too
        if point.position is None:
            return point
        x, y = np.clip(point.position + error_mm / spacing, -0.5, np.subtract(size, 0.5))
        return replace(point, position=(float(x), float(y)))

    return Keypoints(truth.view, tuple(off(point) for point in truth))


def correction(label: Path, said: Assessment, seed: int) -> tuple[Reading, Radiograph]:
    """What the reader accepts of an image; always the same for the same seed but for id and time.

    Parameters
    ----------
    label
        The image's label file, as the simulator names it.
    said
        What the models had said of the image.
    seed
        Of the reader's errors.
    """
    truth = truth_of(label)
    geometry = truth.image.geometry
    if geometry.spacing is None:
        raise ValueError(f"'{label}' tells no pixel spacing; take simulated images.")
    rng = np.random.default_rng([seed, *label.stem.encode()])
    keypoints = placed(truth.keypoints, (geometry.width, geometry.height), geometry.spacing, rng)
    accepted = reassess(said, keypoints=keypoints, artefact=truth.artefact, side=truth.side)
    radiograph = item_of(label).read()
    return Reading.accept(accepted, radiograph, reader=READER, predicted=said), radiograph
