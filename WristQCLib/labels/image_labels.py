"""What a reader says of one radiograph, and of which radiograph: the labels that models learn from.

Every label file is one form of `ImageLabels`, and what a form has no place for is kept beside it,
so that changing from one form to another and back loses nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessment import Assessment
from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import Keypoints
from WristQCLib.measurements import ImageGeometry
from WristQCLib.radiograph import Radiograph

MARKER_LABELS: Mapping[str, Side] = {"marker_L": Side.LEFT, "marker_R": Side.RIGHT}
"""Labels of rectangles around side markers."""
FOREIGN_OBJECT = "foreign_object"
"""Label of rectangles around foreign objects."""


class LabelError(ValueError):
    """Labels cannot be read, written or made; one sentence that says what is wrong, what to do."""


@dataclass(frozen=True)
class LabelledImage:
    """Which image the labels are of; the patient is not named.

    Attributes
    ----------
    name
        File name of the image, or its path relative to the label file.
    geometry
        Size of the image and of its pixels.
    sop_instance_uid
        Of the DICOM file, empty for other image files.
    pixels_sha256
        `pixels_sha256` of the radiograph, empty when unknown. Finds the image again when its name
        or UID was changed.
    """

    name: str
    geometry: ImageGeometry
    sop_instance_uid: str = ""
    pixels_sha256: str = ""

    @classmethod
    def of(cls, radiograph: Radiograph) -> LabelledImage:
        """The image that a radiograph is, by its file's name where it has a file of its own."""
        path = radiograph.path
        own_file = path is not None and path.suffix.lower() != ".zip"
        return cls(
            path.name if path is not None and own_file else radiograph.name,
            ImageGeometry(
                radiograph.width,
                radiograph.height,
                radiograph.spacing.value,
                radiograph.pixel_aspect,
            ),
            radiograph.sop_instance_uid,
            pixels_sha256(radiograph),
        )


def pixels_sha256(radiograph: Radiograph) -> str:
    """SHA-256 (hexadecimal) of the grey values as float32 little-endian, row by row.

    The rows and columns are hashed first, as text, so that images of one size cannot be taken for
    another's; the header has no part in it, so renaming the patient changes nothing.
    """
    digest = hashlib.sha256(f"{radiograph.height}x{radiograph.width}:".encode())
    digest.update(np.ascontiguousarray(radiograph.pixels, dtype="<f4").tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Rectangle:
    """A labelled rectangle: a side marker, a foreign object, or whatever the label says.

    Attributes
    ----------
    label
        ``"marker_L"``, ``"marker_R"``, ``"foreign_object"`` or another word.
    box
        (x0, y0, x1, y1) in pixels, two opposite corners as they were drawn.
    description
        Free text; ``"mirrored"`` or ``"cut"`` for a marker that is not accurate.
    """

    label: str
    box: tuple[float, float, float, float]
    description: str = ""


@dataclass(frozen=True)
class Placement:
    """When a keypoint was placed, and what its reader noted.

    Who placed it is `Keypoint.placed_by`.
    """

    when: datetime | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.when is not None and self.when.tzinfo is None:
            raise ValueError(f"A time of placement has a time zone, got {self.when}.")


@dataclass(frozen=True)
class ImageLabels:
    """All labels of one radiograph.

    Attributes
    ----------
    image
        Which radiograph.
    keypoints
        Of the radiograph's view: found, not in the image, or still to be placed.
    artefact
        Whether there is a foreign object; not assessable while nobody has looked.
    side
        Side of the body, None when unknown.
    rectangles
        Around side markers and foreign objects.
    placements
        By keypoint name; names without one have nothing known.
    flags
        What else is true or false of the image, e.g. ``{"implant": False}``.
    extra
        JSON data that a label file held besides, kept for its next writing.
    """

    image: LabelledImage
    keypoints: Keypoints
    artefact: ArtefactFinding
    side: Side | None = None
    rectangles: tuple[Rectangle, ...] = ()
    placements: Mapping[str, Placement] = field(default_factory=dict)
    flags: Mapping[str, bool] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def view(self) -> View:
        """Of the keypoints."""
        return self.keypoints.view

    @classmethod
    def of(
        cls, assessment: Assessment, radiograph: Radiograph, when: datetime | None = None
    ) -> ImageLabels:
        """The labels that an assessment amounts to, with the marker that was recognised.

        Parameters
        ----------
        assessment, radiograph
            The assessment and what it is of.
        when
            Time of placement of its keypoints, by default now.

        Raises
        ------
        LabelError
            If the view is unknown, because keypoints are those of a view.
        """
        if assessment.keypoints is None:
            raise LabelError(
                f"{assessment.name} cannot be labelled while its view is unknown;"
                " say whether it is frontal or lateral."
            )
        placement = Placement(when or datetime.now(UTC))
        marker = assessment.side_marker
        recognised = marker.finding is Finding.FOUND and marker.side and marker.box
        return cls(
            LabelledImage.of(radiograph),
            assessment.keypoints,
            assessment.artefact,
            assessment.side.value,
            (Rectangle(f"marker_{marker.side}", marker.box),) if recognised and marker.box else (),
            {
                point.name: placement
                for point in assessment.keypoints
                if point.finding is not Finding.NOT_ASSESSABLE
            },
        )

    def edited(self, keypoints: Keypoints, when: datetime | None = None) -> ImageLabels:
        """With keypoints as someone left them.

        A keypoint with the finding and the position that it had before keeps its confidence, its
        spread, and who placed it when; the others are taken from `keypoints`.

        Parameters
        ----------
        keypoints
            Of the same view.
        when
            When they were edited, None when unknown.
        """
        placements = dict(self.placements)
        points = []
        for before, after in zip(self.keypoints, keypoints, strict=True):
            if (after.finding, after.position) == (before.finding, before.position):
                points.append(before)
                continue
            points.append(after)
            earlier = placements.pop(after.name, Placement())
            if when or earlier.note:
                placements[after.name] = Placement(when, earlier.note)
        return replace(
            self, keypoints=Keypoints(keypoints.view, tuple(points)), placements=placements
        )
