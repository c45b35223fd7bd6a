"""The pipeline: from a radiograph to its assessment, and again after a person's correction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol as Interface

import numpy as np

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessment import Assessment, Score, score
from WristQCLib.basic_information import check_basic_information
from WristQCLib.findings import Side, Sourced, View
from WristQCLib.keypoints import Keypoints
from WristQCLib.measurements import ImageGeometry, measure
from WristQCLib.models import Detection, ModelError
from WristQCLib.protocol import Protocol, load_protocol
from WristQCLib.radiograph import Radiograph
from WristQCLib.side_marker import SideMarker, recognise_side_marker
from WristQCLib.spacing import Spacing

_NO_SCORE = Score((), 0, "", 0, "")


class Models(Interface):
    """What the assessor asks of models; `WristQCLib.model_set.ModelSet` is the bundled answer.

    Images are (rows, columns) float32 in [0, 1], bright = dense. Each method may raise
    `WristQCLib.models.ModelError`.
    """

    @property
    def device(self) -> str: ...

    def view(self, image: np.ndarray) -> tuple[View, float]:
        """The likelier view and its probability."""
        ...

    def artefact(self, image: np.ndarray) -> ArtefactFinding: ...

    def keypoints(
        self, image: np.ndarray, view: View, spacing: Spacing | None = None
    ) -> Detection: ...

    @property
    def identities(self) -> dict[str, str]:
        """Identity of each model that was used so far, by task."""
        ...


class NoModels:
    """Stands in where models are not wanted: keypoints and artefact are left to a person."""

    device = ""
    identities: dict[str, str] = {}  # noqa: RUF012 - never changed

    def __init__(self, reason: str = "Models were not used.") -> None:
        self._reason = reason

    def view(self, image: np.ndarray) -> tuple[View, float]:
        raise ModelError(self._reason)

    def artefact(self, image: np.ndarray) -> ArtefactFinding:
        raise ModelError(self._reason)

    def keypoints(self, image: np.ndarray, view: View, spacing: Spacing | None = None) -> Detection:
        raise ModelError(self._reason)


@dataclass(frozen=True)
class Assessor:
    """Assesses radiographs; models are loaded once, when first needed.

    Parameters
    ----------
    models
        Where view (when DICOM does not tell it), artefact and keypoints come from.
    protocol
        The scoring protocol, by default the paper's.
    """

    models: Models
    protocol: Protocol

    @classmethod
    def create(cls, models: Models | None = None, protocol: Protocol | None = None) -> Assessor:
        """An assessor with the bundled models and the paper's protocol unless others are given."""
        if models is None:
            from WristQCLib.model_set import ModelSet

            models = ModelSet()
        return cls(models, protocol or load_protocol())

    def assess(self, radiograph: Radiograph) -> Assessment:
        """Everything from one radiograph. Without models, what they find is not assessable."""
        image = radiograph.display()
        notes = list(radiograph.notes)
        view = self._view(radiograph, image)
        marker = recognise_side_marker(
            image,
            threshold=self.protocol.side_marker.similarity,
            spacing=radiograph.spacing.value,
        )
        side = radiograph.side
        if side.value is None and marker.side is not None:
            side = Sourced(marker.side, "side marker in the image", marker.similarity)
        try:
            artefact = self.models.artefact(image)
        except ModelError as error:
            artefact = ArtefactFinding.not_assessed(str(error))
            notes.append(str(error))
        keypoints, novelty = None, None
        if view.value is not None:
            keypoints, novelty = self._keypoints(image, view.value, radiograph.spacing.value)
        return assessment_of(
            radiograph,
            self.protocol,
            view=view,
            side=side,
            side_marker=marker,
            artefact=artefact,
            keypoints=keypoints,
            models=self._models_used(radiograph, view.value),
            device=self.models.device,
            notes=notes,
            novelty=novelty,
        )

    def _models_used(self, radiograph: Radiograph, view: View | None) -> dict[str, str]:
        """Identities of the models that had a say in this image."""
        asked = {"artefact", f"keypoints_{view}"}
        if radiograph.view.value is None:
            asked.add("view")
        return {task: name for task, name in self.models.identities.items() if task in asked}

    def _view(self, radiograph: Radiograph, image: np.ndarray) -> Sourced[View]:
        """The view that DICOM or the user states, else the one inferred from the image."""
        if radiograph.view.value is not None:
            return radiograph.view
        try:
            view, probability = self.models.view(image)
        except ModelError as error:
            return Sourced(None, f"{radiograph.view.source} {error}")
        return Sourced(view, "inferred from the image", probability)

    def _keypoints(
        self, image: np.ndarray, view: View, spacing: Spacing | None
    ) -> tuple[Keypoints, float | None]:
        """The keypoints and the novelty of the image."""
        try:
            detection = self.models.keypoints(image, view, spacing)
        except ModelError:
            return Keypoints.to_be_placed(view), None
        return Keypoints.from_points(view, detection.keypoints), detection.novelty


def assessment_of(
    radiograph: Radiograph,
    protocol: Protocol,
    *,
    view: Sourced[View],
    side: Sourced[Side],
    side_marker: SideMarker,
    artefact: ArtefactFinding,
    keypoints: Keypoints | None,
    models: Mapping[str, str] | None = None,
    device: str = "",
    notes: Iterable[str] = (),
    novelty: float | None = None,
) -> Assessment:
    """The assessment of a radiograph by what was found in it; the header is looked at here.

    Parameters
    ----------
    radiograph
        Its name, size, spacing and header are taken over.
    protocol
        The scoring protocol.
    view, side, side_marker, artefact, keypoints, models, device, notes, novelty
        See `Assessment`.
    """
    return _scored(
        Assessment(
            name=radiograph.name,
            path=str(radiograph.path or ""),
            sop_instance_uid=radiograph.sop_instance_uid,
            geometry=ImageGeometry(
                radiograph.width, radiograph.height, radiograph.spacing.value,
                radiograph.pixel_aspect,
            ),
            view=view,
            side=side,
            spacing=radiograph.spacing,
            basic_information=check_basic_information(
                radiograph.header, protocol.basic_information
            ),
            side_marker=side_marker,
            artefact=artefact,
            keypoints=keypoints,
            measurements={},
            score=_NO_SCORE,
            protocol=protocol,
            models=models or {},
            device=device,
            notes=tuple(notes),
            novelty=novelty,
        )
    )  # fmt: skip


def reassess(
    assessment: Assessment,
    *,
    keypoints: Keypoints | None = None,
    artefact: ArtefactFinding | None = None,
    side: Side | None = None,
    spacing: Sourced[Spacing] | None = None,
) -> Assessment:
    """The assessment after a person's correction; only what depends on it is computed again.

    Needs neither image nor models, so it serves while a point is being dragged. Another view needs
    other keypoints: give those of the view, placed or to be placed. A spacing whose value is None
    makes it unknown.
    """
    view, geometry = assessment.view, assessment.geometry
    if keypoints is not None and keypoints.view is not view.value:
        view = Sourced(keypoints.view, "user")
    if spacing is not None:
        geometry = _with_spacing(geometry, spacing.value)
    return _scored(
        replace(
            assessment,
            geometry=geometry,
            view=view,
            side=Sourced(side, "user") if side else assessment.side,
            spacing=spacing or assessment.spacing,
            keypoints=keypoints or assessment.keypoints,
            artefact=artefact or assessment.artefact,
        )
    )


def _with_spacing(geometry: ImageGeometry, spacing: Spacing | None) -> ImageGeometry:
    aspect = geometry.pixel_aspect if spacing is None else spacing[1] / spacing[0]
    return replace(geometry, spacing=spacing, pixel_aspect=aspect)


def _scored(assessment: Assessment) -> Assessment:
    """Measured and scored by what else the assessment holds."""
    keypoints = assessment.keypoints
    measurements = measure(keypoints, assessment.geometry) if keypoints else {}
    return replace(
        assessment,
        measurements=measurements,
        score=score(
            assessment.protocol,
            view=assessment.view.value,
            side=assessment.side.value,
            basic_information=assessment.basic_information,
            side_marker=assessment.side_marker,
            artefact=assessment.artefact,
            measurements=measurements,
        ),
    )
