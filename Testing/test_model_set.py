"""The bundled models behind one object, on the sample studies."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoints
from WristQCLib.labels import read_labelme
from WristQCLib.model_set import BUNDLED_MODELS, ModelSet
from WristQCLib.models import ModelError
from WristQCLib.radiograph import read_radiograph
from WristQCLib.resources import RESOURCES

# Without lateral_bad: an oblique wrist under a watch is beyond these models.
SAMPLES = sorted(
    set((RESOURCES / "SampleData").glob("*.dcm")) - {RESOURCES / "SampleData" / "lateral_bad.dcm"}
)


@pytest.fixture(scope="module")
def models():
    pytest.importorskip("torch")
    return ModelSet(device="cpu")


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_view_of_a_sample_is_seen_in_the_image(models, path):
    view, probability = models.view(read_radiograph(path).display())
    assert view.value == path.stem.partition("_")[0]
    assert 0.5 <= probability <= 1.0


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_keypoints_of_a_sample_are_where_its_label_has_them(models, path):
    radiograph = read_radiograph(path)
    truth = read_labelme(path.with_suffix(".json")).keypoints
    detection = models.keypoints(radiograph.display(), truth.view)
    found = Keypoints.from_points(truth.view, detection.keypoints)
    errors = [
        np.hypot(*np.subtract(point.position, truth[point.name].position))
        for point in found
        if point.finding is Finding.FOUND and truth[point.name].finding is Finding.FOUND
    ]
    # Pixels of 0.2 mm: half of the points within 3 mm, whatever is wrong with the sample.
    assert len(errors) >= 2
    assert np.median(errors) < 15


def test_a_model_is_named_only_once_it_was_used():
    pytest.importorskip("torch")
    models = ModelSet(device="cpu")
    assert (models.identities, models.device) == ({}, "")
    image = read_radiograph(SAMPLES[0]).display()
    points = models.keypoints(image, View.FRONTAL).keypoints
    assert [point.name for point in points] == list(KEYPOINT_NAMES[View.FRONTAL])
    assert set(models.identities) == {"keypoints_frontal"}
    assert models.identities["keypoints_frontal"].startswith("wrist_keypoints_frontal ")
    assert models.device == "cpu"


def test_a_missing_model_folder_is_named():
    with pytest.raises(ModelError, match="nowhere"):
        ModelSet("nowhere")


def test_an_empty_model_folder_names_the_bundle_that_it_lacks(tmp_path):
    pytest.importorskip("torch")
    with pytest.raises(ModelError, match="wrist_artefact"):
        ModelSet(tmp_path, device="cpu").artefact(np.zeros((100, 100), np.float32))


def test_the_output_of_a_training_is_a_folder_of_models_too(tmp_path):
    pytest.importorskip("torch")
    shutil.copytree(BUNDLED_MODELS, tmp_path / "bundles")
    (tmp_path / "runs").mkdir()
    image = read_radiograph(SAMPLES[0]).display()
    detection = ModelSet(tmp_path, device="cpu").keypoints(image, View.FRONTAL)
    assert len(detection.keypoints) == len(KEYPOINT_NAMES[View.FRONTAL])
