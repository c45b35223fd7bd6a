"""Labels of radiographs and where they are kept: Labelme, Slicer, COCO, CSV, the label store.

labels = ImageLabels.of(assessment, radiograph)
write_labelme("wrist.json", labels, radiograph.display())
write_markups("wrist.mrk.json", labels)
labels = read_labelme("wrist.json")

What people accept is kept in a folder, a `LabelStore`; `WristQCLib.labels.exchange` takes labels
out of it and into it.
"""

from __future__ import annotations

from WristQCLib.labels.coco import read_coco, write_coco
from WristQCLib.labels.conflicts import Conflict
from WristQCLib.labels.csv_labels import read_csv, write_csv
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
from WristQCLib.labels.reading import Reading
from WristQCLib.labels.store import LabelStore, StoredImage
from WristQCLib.labels.store_document import key_of

__all__ = [
    "FOREIGN_OBJECT",
    "MARKER_LABELS",
    "Conflict",
    "ImageLabels",
    "LabelError",
    "LabelStore",
    "LabelledImage",
    "LabelmeFile",
    "Placement",
    "Reading",
    "Rectangle",
    "StoredImage",
    "key_of",
    "pixels_sha256",
    "read_coco",
    "read_csv",
    "read_labelme",
    "read_markups",
    "write_coco",
    "write_csv",
    "write_labelme",
    "write_markups",
]
