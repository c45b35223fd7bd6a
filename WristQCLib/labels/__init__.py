"""Labels of radiographs and the files they are kept in: Labelme JSON, Slicer markups.

labels = ImageLabels.of(assessment, radiograph)
write_labelme("wrist.json", labels, radiograph.display())
write_markups("wrist.mrk.json", labels)
labels = read_labelme("wrist.json")
"""

from __future__ import annotations

from WristQCLib.labels.image_labels import (
    FOREIGN_OBJECT,
    MARKER_LABELS,
    ImageLabels,
    LabelError,
    LabelledImage,
    Placement,
    Rectangle,
    pixels_sha256,
)
from WristQCLib.labels.labelme import read_labelme, write_labelme
from WristQCLib.labels.labelme_file import LabelmeFile
from WristQCLib.labels.markups import read_markups, write_markups

__all__ = [
    "FOREIGN_OBJECT",
    "MARKER_LABELS",
    "ImageLabels",
    "LabelError",
    "LabelledImage",
    "LabelmeFile",
    "Placement",
    "Rectangle",
    "pixels_sha256",
    "read_labelme",
    "read_markups",
    "write_labelme",
    "write_markups",
]
