"""Slicer's DICOM database while Slicer has it open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from WristQCLib.dicom_database.entries import (
    DatabaseError,
    Instance,
    Patient,
    Series,
    Study,
    iso_date,
)
from WristQCLib.dicom_database.headers import CACHED_TAGS, values_from_cache


class SlicerDatabase:
    """`slicer.dicomDatabase`, also one in memory; only for Slicer's main thread.

    Parameters
    ----------
    database
        A ctkDICOMDatabase.

    Raises
    ------
    DatabaseError
        If the database is not open.
    """

    def __init__(self, database: Any) -> None:  # a class of Slicer, not known here
        if database is None or not database.isOpen:
            raise DatabaseError(
                "Slicer's DICOM database is not open; choose its folder in the DICOM module."
            )
        self._database = database

    def patients(self) -> Iterator[Patient]:
        field = self._database.fieldForPatient
        for key in self._database.patients():
            yield Patient(
                key,
                field("PatientsName", key),
                field("PatientID", key),
                iso_date(field("PatientsBirthDate", key)),
            )

    def studies(self, patient: Patient) -> Iterator[Study]:
        field = self._database.fieldForStudy
        for uid in self._database.studiesForPatient(patient.key):
            yield Study(
                uid,
                iso_date(field("StudyDate", uid)),
                field("StudyDescription", uid),
                field("AccessionNumber", uid),
            )

    def series(self, study: Study) -> Iterator[Series]:
        field = self._database.fieldForSeries
        for uid in self._database.seriesForStudy(study.uid):
            yield Series(
                uid,
                field("SeriesNumber", uid),
                field("Modality", uid),
                field("BodyPartExamined", uid),
                field("SeriesDescription", uid),
            )

    def instances(self, series: Series) -> Iterator[Instance]:
        for uid in self._database.instancesForSeries(series.uid):
            file = self._database.fileForInstance(uid)
            yield Instance(uid, Path(file) if file else None)

    def cached_values(self, instance: Instance) -> dict[str, str] | None:
        # Not instanceValue: it parses the file once for each tag that is not in the cache.
        values: dict[str, str] = {}
        for tag in CACHED_TAGS:
            value = self._database.cachedTag(instance.uid, tag)
            if not value:
                return None
            values[tag] = value
        return values_from_cache(values)
