"""The four bundled models behind one object: view, artefact, and keypoints of each view.

Each model is loaded when first used and kept, so that a run over many images loads it once.
"""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path

import numpy as np

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.findings import View
from WristQCLib.models import (
    Detection,
    ImageClassifier,
    KeypointDetector,
    ModelError,
    select_device,
)
from WristQCLib.models.provenance import models_folder
from WristQCLib.resources import RESOURCES

BUNDLED_MODELS = RESOURCES / "Models"

_CLASSIFIER_WEIGHT, _CLARITY_WEIGHT, _LATERAL_BIAS = 1.47, 2.09, -0.21
"""Logistic regression of the view on 632 simulated and 19 real images (`training.fit_view`)."""


class ModelSet:
    """Models from a folder that holds one MONAI bundle each.

    Parameters
    ----------
    folder
        Holds ``wrist_view``, ``wrist_artefact``, ``wrist_keypoints_frontal`` and
        ``wrist_keypoints_lateral``, or is the output of a training, which holds such a folder; the
        bundled models unless another one is given.
    device
        ``"auto"`` (CUDA, then Apple MPS, then CPU) or a torch device name.

    Notes
    -----
    Methods raise `WristQCLib.models.ModelError` when torch is missing, the device is not there or a
    bundle is broken.
    """

    def __init__(self, folder: Path | str = BUNDLED_MODELS, device: str = "auto") -> None:
        self._folder = models_folder(Path(folder))
        if not self._folder.is_dir():
            raise ModelError(f"The model folder '{folder}' does not exist; check the path.")
        self._requested_device = device
        self._used: dict[str, str] = {}

    @cached_property
    def _device(self) -> str:
        return str(select_device(self._requested_device))

    @property
    def device(self) -> str:
        """Where the models ran; empty before the first was used."""
        return self._device if self._used else ""

    @property
    def identities(self) -> dict[str, str]:
        """Name, version and start of the weights' SHA-256 of each model used so far."""
        return dict(self._used)

    @cached_property
    def _view(self) -> ImageClassifier:
        return self._classifier("view")

    @cached_property
    def _artefact(self) -> ImageClassifier:
        return self._classifier("artefact")

    @cached_property
    def _detectors(self) -> dict[View, KeypointDetector]:
        return {}

    def _classifier(self, task: str) -> ImageClassifier:
        return ImageClassifier.from_bundle(self._folder / f"wrist_{task}", self._device)

    def _note(self, task: str, model: ImageClassifier | KeypointDetector) -> None:
        self._used[task] = f"{model.identity} ({model.identity.weights_sha256[:12]})"

    def view(self, image: np.ndarray) -> tuple[View, float]:
        """The likelier view of an image, (rows, columns) in [0, 1], and its probability.

        Two witnesses are heard: the view classifier, and how clearly the detector of each view sees
        its keypoints. Together they are right more often than either.
        """
        classifier, clearer = self.witnesses(image)
        odds = _CLASSIFIER_WEIGHT * classifier + _CLARITY_WEIGHT * clearer + _LATERAL_BIAS
        probability = 1 / (1 + math.exp(-odds))
        if probability >= 0.5:
            return View.LATERAL, probability
        return View.FRONTAL, 1 - probability

    def witnesses(self, image: np.ndarray) -> tuple[float, float]:
        """The classifier's logit of a lateral view, and how much clearer the lateral detector sees.

        For an image, (rows, columns) in [0, 1]; `training.fit_view` weighs them.
        """
        lateral = min(max(self._view.probability(image)[View.LATERAL.value], 1e-4), 1 - 1e-4)
        self._note("view", self._view)
        clearer = self._detector(View.LATERAL).clarity(image, 3)
        clearer -= self._detector(View.FRONTAL).clarity(image, 2)
        return math.log(lateral / (1 - lateral)), clearer

    def artefact(self, image: np.ndarray) -> ArtefactFinding:
        """Whether there is a foreign object in an image, (rows, columns) in [0, 1]."""
        probability = self._artefact.probability(image)["artefact"]
        self._note("artefact", self._artefact)
        source = f"model:{self._artefact.identity}"
        return ArtefactFinding.from_probability(probability, self._artefact.threshold, source)

    def keypoints(
        self, image: np.ndarray, view: View, spacing: tuple[float, float] | None = None
    ) -> Detection:
        """The view's keypoints in the pixels of an image, (rows, columns) in [0, 1].

        `spacing` is (x, y) in mm per pixel, None when unknown. How unusual the image is comes with
        them.
        """
        detector = self._detector(view)
        self._note(f"keypoints_{view}", detector)
        return detector.examine(image, spacing)

    def _detector(self, view: View) -> KeypointDetector:
        if view not in self._detectors:
            folder = self._folder / f"wrist_keypoints_{view}"
            self._detectors[view] = KeypointDetector.from_bundle(folder, self._device)
        return self._detectors[view]
