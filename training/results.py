"""What models said of labelled images, set against the labels."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from training.labels import LabelledImage, read_image
from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessment import Score, score
from WristQCLib.basic_information import BasicInformationItem
from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoint, Keypoints
from WristQCLib.measurements import ImageGeometry, measure
from WristQCLib.models import ImageClassifier, KeypointDetector
from WristQCLib.protocol import Protocol
from WristQCLib.side_marker import SideMarker

REFERENCE_WIDTH_MM: Mapping[View, float] = {View.FRONTAL: 50.0, View.LATERAL: 22.0}
"""Styloid to styloid, and width of the distal radius, of an adult: for images without spacing."""


@dataclass(frozen=True)
class PointResult:
    """One keypoint of one image, labelled and found.

    Attributes
    ----------
    in_image, found
        Whether the label and whether the model has it.
    error_px, error_mm
        Distance between the two, NaN when there is none or no spacing.
    presence, spread_px, spread_mm
        What the model said; NaN when it said nothing.
    factors
        What the simulator varied in the image.
    """

    image: str
    view: str
    keypoint: str
    in_image: bool
    found: bool
    error_px: float
    error_mm: float
    presence: float
    spread_px: float
    spread_mm: float = math.nan
    factors: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageResult:
    """One image.

    Attributes
    ----------
    frontal_probability, artefact_probability
        What the models said, NaN when there was none.
    keypoint_seconds
        Time for the keypoints.
    labelled, assessed
        Scores from the labelled and from the found keypoints and foreign object; basic information
        counts as complete in both, the side marker as the label has it. None without a spacing.
    """

    image: str
    view: str
    frontal_probability: float
    artefact: bool
    artefact_probability: float
    keypoint_seconds: float
    labelled: Score | None = None
    assessed: Score | None = None
    factors: Mapping[str, object] = field(default_factory=dict)


def millimetres_per_pixel(
    label: LabelledImage, spacing: float | None
) -> tuple[float, float] | None:
    """(x, y) spacing of an image: its own, else the one given, else from its reference width."""
    if label.spacing_mm is not None:
        return label.spacing_mm[1], label.spacing_mm[0]
    if spacing is not None:
        return spacing, spacing
    view = label.keypoint_view
    if label.reference_width_px and view is not None:
        pitch = REFERENCE_WIDTH_MM[view] / label.reference_width_px
        return pitch, pitch
    return None


def known_spacing(label: LabelledImage, spacing: float | None = None) -> tuple[float, float] | None:
    """(x, y) spacing for a detector, which is not told one that is only estimated."""
    if label.spacing_mm is None and spacing is None:
        return None
    return millimetres_per_pixel(label, spacing)


def compare(
    label: LabelledImage, found: Iterable[Keypoint], spacing: float | None = None
) -> list[PointResult]:
    """Set the keypoints of a model against those of a label, as far as that knows."""
    pitch = millimetres_per_pixel(label, spacing)
    results = []
    for keypoint in found:
        if keypoint.name in label.unknown:
            continue
        truth = label.points.get(keypoint.name)
        spread = math.nan if keypoint.spread is None else keypoint.spread
        error_px = error_mm = math.nan
        if truth is not None and keypoint.position is not None:
            difference = np.subtract(keypoint.position, truth)
            error_px = float(np.hypot(*difference))
            if pitch is not None:
                error_mm = float(np.hypot(*(difference * pitch)))
        results.append(
            PointResult(
                label.image_path.name,
                str(label.keypoint_view),
                keypoint.name,
                truth is not None,
                keypoint.finding is Finding.FOUND,
                error_px,
                error_mm,
                math.nan if keypoint.confidence is None else keypoint.confidence,
                spread,
                math.nan if pitch is None else spread * math.sqrt(pitch[0] * pitch[1]),
                label.factors,
            )
        )
    return results


def scored(
    protocol: Protocol,
    label: LabelledImage,
    keypoints: Iterable[Keypoint],
    artefact: ArtefactFinding,
    pitch: tuple[float, float],
) -> Score:
    """Score of an image: basic information complete, side marker as labelled, the rest as given."""
    view = label.view
    assert view is not None
    rows, columns = label.size
    geometry = ImageGeometry(columns, rows, pitch)
    there = Finding.FOUND if label.marker else Finding.NOT_FOUND
    return score(
        protocol,
        view=view,
        side=label.marker,
        basic_information=[
            BasicInformationItem(item.id, item.label, item.group, Finding.FOUND, "", "")
            for item in protocol.basic_information
        ],
        side_marker=SideMarker(there, label.marker, None, None, None, "label"),
        artefact=artefact,
        measurements=measure(Keypoints.from_points(view, keypoints), geometry),
    )


def run_models(
    labels: Sequence[LabelledImage],
    detectors: Mapping[View, KeypointDetector],
    protocol: Protocol,
    artefact: ImageClassifier | None = None,
    view: ImageClassifier | None = None,
    spacing: float | None = None,
) -> tuple[list[PointResult], list[ImageResult]]:
    """Run the models on labelled images; keypoints with the labelled view's detector."""
    points: list[PointResult] = []
    images: list[ImageResult] = []
    for label in labels:
        pixels = read_image(label.image_path)
        pitch = millimetres_per_pixel(label, spacing)
        seconds, seen, found = math.nan, label.keypoint_view, None
        if seen is not None and seen in detectors:
            started = time.perf_counter()
            found = detectors[seen].detect(pixels, known_spacing(label, spacing))
            seconds = time.perf_counter() - started
            points += compare(label, found, spacing)
        probability = math.nan if artefact is None else artefact.probability(pixels)["artefact"]
        labelled = assessed = None
        stated = ArtefactFinding.stated(label.artefact, "label")
        if label.view is not None and found is not None and pitch is not None:
            truth = Keypoints.from_positions(
                label.view, {n: label.points.get(n) for n in KEYPOINT_NAMES[label.view]}, "label"
            )
            said = stated
            if artefact is not None:
                said = ArtefactFinding.from_probability(probability, artefact.threshold, "model")
            labelled = scored(protocol, label, truth, stated, pitch)
            assessed = scored(protocol, label, found, said, pitch)
        images.append(
            ImageResult(
                label.image_path.name,
                str(label.view or "oblique"),
                math.nan if view is None else view.probability(pixels)["frontal"],
                label.artefact,
                probability,
                seconds,
                labelled,
                assessed,
                label.factors,
            )
        )
    return points, images
