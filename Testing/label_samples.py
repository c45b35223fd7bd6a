"""Labels for tests of the files that they are kept in."""

from __future__ import annotations

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import Keypoint, Keypoints, Point
from WristQCLib.labels import ImageLabels, LabelledImage, Rectangle

MODEL = "model:wrist_keypoints_frontal 1.0"


def frontal_labels(image: LabelledImage, radial_styloid: Point) -> ImageLabels:
    """A found point, one that is not in the image, one that is still to be placed, and a marker."""
    return ImageLabels(
        image,
        Keypoints(
            View.FRONTAL,
            (
                Keypoint("thumb_mcp_joint", Finding.NOT_FOUND, placed_by="person:Ö. Ada"),
                Keypoint("radial_styloid", Finding.FOUND, radial_styloid, 0.9, 0.4, MODEL),
                Keypoint("ulnar_styloid"),
            ),
        ),
        ArtefactFinding.from_probability(0.75, 0.5, "model:wrist_artefact 1.0"),
        Side.LEFT,
        (Rectangle("marker_L", (5.0, 0.5, 7.0, 1.5), "mirrored"),),
        flags={"implant": False},
    )
