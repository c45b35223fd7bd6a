from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from WristQCLib.labels import read_labelme
from WristQCLib.models.upright import Turned, forearm_tilt
from WristQCLib.radiograph import read_radiograph
from WristQCLib.resources import RESOURCES

SAMPLE = RESOURCES / "SampleData" / "lateral_good.dcm"


def forearm(x: float, y: float) -> dict[str, tuple[float, float]]:
    """Distal points about (50, 50), and proximal points about a place that lies (x, y) from it."""
    return {
        "distal_radius_centre": (46.0, 51.0),
        "distal_ulna_centre": (54.0, 49.0),
        "proximal_radius_centre": (50.0 + x - 3, 50.0 + y),
        "proximal_ulna_centre": (50.0 + x + 3, 50.0 + y),
    }


def test_the_tilt_is_that_of_the_forearm_whichever_end_is_up() -> None:
    assert forearm_tilt(forearm(0, 100)) == pytest.approx(0)
    assert forearm_tilt(forearm(0, -100)) == pytest.approx(0)
    # Fingers to the upper right: turned clockwise.
    assert forearm_tilt(forearm(-100, 100)) == pytest.approx(45)
    assert forearm_tilt(forearm(100, -100)) == pytest.approx(45)
    assert forearm_tilt(forearm(100, 173.2)) == pytest.approx(-30, abs=0.01)
    assert forearm_tilt({"distal_radius_centre": (1.0, 2.0)}) == 0


def test_a_turned_image_is_whole_and_its_places_are_found_again() -> None:
    image = np.zeros((60, 100), np.float32)
    image[10, 90] = 1.0
    turned = Turned.by(image, 30.0)
    # 100 cos 30 + 60 sin 30 = 116.6 wide, 100 sin 30 + 60 cos 30 = 102.0 high.
    assert turned.image.shape == (102, 117)
    row, column = np.unravel_index(turned.image.argmax(), turned.image.shape)
    assert turned.back((float(column), float(row))) == pytest.approx((90, 10), abs=0.8)
    # Upright again: what was turned clockwise by its tilt.
    points = forearm(-100, 173.2)
    inverse = np.linalg.inv(turned.matrix)
    upright = {name: tuple(inverse @ (np.array(p) - turned.offset)) for name, p in points.items()}
    assert forearm_tilt(upright) == pytest.approx(forearm_tilt(points) - 30, abs=0.01)


def test_keypoints_of_a_tilted_image_are_found_where_they_are(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from WristQCLib.models import KeypointDetector

    detector = KeypointDetector.from_bundle(RESOURCES / "Models" / "wrist_keypoints_lateral", "cpu")
    radiograph = read_radiograph(SAMPLE)
    truth = read_labelme(SAMPLE.with_suffix(".json")).keypoints
    turned = Turned.by(radiograph.display().astype(np.float32), -35.0)
    found = detector.detect(turned.image, radiograph.spacing.value)
    errors = [
        math.dist(turned.back(point.position), truth[point.name].position)
        for point in found
        if point.position and truth[point.name].position
    ]
    # Pixels of 0.2 mm: within 3 mm in the median.
    assert len(errors) == 5 and np.median(errors) < 15
