"""Where radiographs come from: files, folders, DICOMDIR, zip archives, Slicer's DICOM database."""

from __future__ import annotations

from WristQCLib.sources.image_source import (
    HEAD_BYTES,
    ImageFormat,
    ImageSource,
    file_name,
    format_of,
)
from WristQCLib.sources.search import find_images

__all__ = [
    "HEAD_BYTES",
    "ImageFormat",
    "ImageSource",
    "file_name",
    "find_images",
    "format_of",
]
