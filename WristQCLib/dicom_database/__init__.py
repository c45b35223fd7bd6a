"""Wrist studies in 3D Slicer's DICOM database, from within Slicer or from its file on disk.

>>> from WristQCLib.dicom_database import DatabaseFile, wrist_studies
>>> with DatabaseFile("SlicerDICOMDatabase") as database:  # doctest: +SKIP
...     for study in wrist_studies(database):
...         for image in study.images:
...             radiograph = read_radiograph(image.source)
"""

from __future__ import annotations

from WristQCLib.dicom_database.database_file import DatabaseFile
from WristQCLib.dicom_database.entries import (
    DatabaseError,
    DicomDatabase,
    Instance,
    Patient,
    Series,
    Study,
)
from WristQCLib.dicom_database.region import Region, region_of
from WristQCLib.dicom_database.slicer_database import SlicerDatabase
from WristQCLib.dicom_database.wrist_studies import (
    RADIOGRAPHY,
    WristImage,
    WristStudy,
    image_sources,
    wrist_studies,
)

__all__ = [
    "RADIOGRAPHY",
    "DatabaseError",
    "DatabaseFile",
    "DicomDatabase",
    "Instance",
    "Patient",
    "Region",
    "Series",
    "SlicerDatabase",
    "Study",
    "WristImage",
    "WristStudy",
    "image_sources",
    "region_of",
    "wrist_studies",
]
