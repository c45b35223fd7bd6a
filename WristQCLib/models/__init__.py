"""Neural networks that find keypoints, foreign objects and the view in a wrist radiograph.

Images come in as plain arrays and keypoints go out in the array's own pixels; nothing here knows
DICOM or scoring. Importing this package needs numpy only: torch and monai are imported when a
network is first built.

    detector = KeypointDetector.from_bundle("Resources/Models/wrist_keypoints_frontal")
    keypoints = detector.detect(image)  # (rows, columns), float32 in [0, 1], bright = dense
"""

from __future__ import annotations

from WristQCLib.models.bundles import Bundle, BundleIdentity
from WristQCLib.models.classifier import ImageClassifier
from WristQCLib.models.detector import Detection, KeypointDetector
from WristQCLib.models.device import select_device
from WristQCLib.models.errors import ModelError

__all__ = [
    "Bundle",
    "BundleIdentity",
    "Detection",
    "ImageClassifier",
    "KeypointDetector",
    "ModelError",
    "select_device",
]
