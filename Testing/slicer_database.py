"""Slicer's DICOM database for tests: its file as CTK lays it out, and a stand-in for its class."""

# ruff: noqa: N802 - the methods are named as ctkDICOMDatabase names them

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import pydicom
from pydicom.datadict import keyword_for_tag
from pydicom.multival import MultiValue

SCHEMA = """
CREATE TABLE SchemaInfo (Version VARCHAR(1024) NOT NULL);
INSERT INTO SchemaInfo VALUES ('0.8.1');
CREATE TABLE Patients (
  UID INTEGER PRIMARY KEY AUTOINCREMENT, PatientsName VARCHAR(255), PatientID VARCHAR(255),
  PatientsBirthDate DATE, PatientsBirthTime TIME, PatientsSex VARCHAR(1), PatientsAge VARCHAR(10),
  PatientsComments VARCHAR(255), InsertTimestamp VARCHAR(20) NOT NULL,
  DisplayedPatientsName VARCHAR(255), DisplayedNumberOfStudies INT, DisplayedLastStudyDate DATE,
  DisplayedFieldsUpdatedTimestamp DATETIME, Connections VARCHAR(2048));
CREATE TABLE Studies (
  StudyInstanceUID VARCHAR(64) NOT NULL PRIMARY KEY, PatientsUID INT NOT NULL, StudyID VARCHAR(255),
  StudyDate DATE, StudyTime VARCHAR(20), StudyDescription VARCHAR(255),
  AccessionNumber VARCHAR(255), ModalitiesInStudy VARCHAR(255), InstitutionName VARCHAR(255),
  ReferringPhysician VARCHAR(255), PerformingPhysiciansName VARCHAR(255),
  InsertTimestamp VARCHAR(20) NOT NULL, DisplayedNumberOfSeries INT,
  DisplayedFieldsUpdatedTimestamp DATETIME);
CREATE TABLE Series (
  SeriesInstanceUID VARCHAR(64) NOT NULL PRIMARY KEY, StudyInstanceUID VARCHAR(64) NOT NULL,
  SeriesNumber INT, SeriesDate DATE, SeriesTime VARCHAR(20), SeriesDescription VARCHAR(255),
  Modality VARCHAR(20), BodyPartExamined VARCHAR(255), FrameOfReferenceUID VARCHAR(64),
  AcquisitionNumber INT, ContrastAgent VARCHAR(255), ScanningSequence VARCHAR(45), EchoNumber INT,
  TemporalPosition INT, InsertTimestamp VARCHAR(20) NOT NULL, DisplayedCount INT,
  DisplayedSize VARCHAR(20), DisplayedNumberOfFrames INT, DisplayedFieldsUpdatedTimestamp DATETIME);
CREATE TABLE Images (
  SOPInstanceUID VARCHAR(64) NOT NULL PRIMARY KEY, Filename VARCHAR(1024), URL VARCHAR(2048),
  SeriesInstanceUID VARCHAR(64) NOT NULL, InsertTimestamp VARCHAR(20) NOT NULL,
  DisplayedFieldsUpdatedTimestamp DATETIME);
CREATE INDEX ImagesFilenameIndex ON Images (Filename);
CREATE INDEX ImagesSeriesIndex ON Images (SeriesInstanceUID);
CREATE INDEX SeriesStudyIndex ON Series (StudyInstanceUID);
CREATE INDEX StudiesPatientIndex ON Studies (PatientsUID);
"""
TAG_CACHE = "CREATE TABLE TagCache (SOPInstanceUID, Tag, Value, PRIMARY KEY (SOPInstanceUID, Tag))"
NOT_IN_INSTANCE = "__TAG_NOT_IN_INSTANCE__"
NOW = "2026-01-01T00:00:00"


def _text(header: pydicom.Dataset, keyword: str) -> str:
    """As CTK: several values joined by a backslash, nothing for a sequence."""
    if keyword not in header or header[keyword].VR == "SQ":
        return ""
    value = header[keyword].value
    values = value if isinstance(value, MultiValue) else [value]
    return "\\".join("" if value is None else str(value) for value in values)


def _date(header: pydicom.Dataset, keyword: str) -> str | None:
    text = _text(header, keyword)
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 else None


class Slicer:
    """Writes a database folder as Slicer's import does."""

    def __init__(self, folder: Path, tags_to_precache: Iterable[str] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.tags = tuple(tags_to_precache)
        self.database = sqlite3.connect(folder / "ctkDICOM.sql")
        self.database.executescript(SCHEMA)
        self.tag_cache = sqlite3.connect(folder / "ctkDICOMTagCache.sql")
        self.tag_cache.execute(TAG_CACHE)

    def insert(self, *files: Path, url_only: bool = False) -> Slicer:
        """A file in the folder is named relative to it, another one with its whole path."""
        run = self.database.execute
        for file in files:
            header = pydicom.dcmread(file, stop_before_pixels=True)
            patient = run(
                "SELECT UID FROM Patients WHERE PatientID = ? AND PatientsName = ?",
                (_text(header, "PatientID"), _text(header, "PatientName")),
            ).fetchone()
            key = (
                patient[0]
                if patient
                else run(
                    "INSERT INTO Patients (PatientsName, PatientID, PatientsBirthDate,"
                    " InsertTimestamp) VALUES (?, ?, ?, ?)",
                    (
                        _text(header, "PatientName"),
                        _text(header, "PatientID"),
                        _date(header, "PatientBirthDate"),
                        NOW,
                    ),
                ).lastrowid
            )
            run(
                "INSERT OR IGNORE INTO Studies (StudyInstanceUID, PatientsUID, StudyDate,"
                " StudyDescription, AccessionNumber, InsertTimestamp) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    header.StudyInstanceUID,
                    key,
                    _date(header, "StudyDate"),
                    _text(header, "StudyDescription"),
                    _text(header, "AccessionNumber"),
                    NOW,
                ),
            )
            run(
                "INSERT OR IGNORE INTO Series (SeriesInstanceUID, StudyInstanceUID, SeriesNumber,"
                " SeriesDescription, Modality, BodyPartExamined, InsertTimestamp)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    header.SeriesInstanceUID,
                    header.StudyInstanceUID,
                    int(header.get("SeriesNumber") or 0),
                    _text(header, "SeriesDescription"),
                    _text(header, "Modality"),
                    _text(header, "BodyPartExamined"),
                    NOW,
                ),
            )
            inside = file.is_relative_to(self.folder)
            name = os.fspath(file.relative_to(self.folder) if inside else file)
            run(
                "INSERT INTO Images (SOPInstanceUID, Filename, URL, SeriesInstanceUID,"
                " InsertTimestamp) VALUES (?, ?, ?, ?, ?)",
                (
                    header.SOPInstanceUID,
                    None if url_only else name,
                    "dicomweb://x" if url_only else "",
                    header.SeriesInstanceUID,
                    NOW,
                ),
            )
            for tag in self.tags:
                value = _text(header, keyword_for_tag(tag.replace(",", "")))
                self.tag_cache.execute(
                    "INSERT INTO TagCache VALUES (?, ?, ?)",
                    (header.SOPInstanceUID, tag, value or NOT_IN_INSTANCE),
                )
        self.database.commit()
        self.tag_cache.commit()
        return self


class CtkDatabase:
    """Answers as ctkDICOMDatabase does, from a database folder; counts the files it parses."""

    def __init__(self, slicer: Slicer) -> None:
        self._slicer = slicer
        self.isOpen = True
        self.parsed = 0

    def _column(self, statement: str, *parameters: object) -> tuple[str, ...]:
        rows = self._slicer.database.execute(statement, parameters).fetchall()
        return tuple("" if value is None else str(value) for (value,) in rows)

    def _one(self, statement: str, *parameters: object) -> str:
        return (*self._column(statement, *parameters), "")[0]

    def patients(self):
        return self._column("SELECT UID FROM Patients")

    def studiesForPatient(self, key):
        return self._column("SELECT StudyInstanceUID FROM Studies WHERE PatientsUID=?", key)

    def seriesForStudy(self, uid):
        return self._column("SELECT SeriesInstanceUID FROM Series WHERE StudyInstanceUID=?", uid)

    def instancesForSeries(self, uid, hits=-1):
        return self._column("SELECT SOPInstanceUID FROM Images WHERE SeriesInstanceUID=?", uid)

    def filesForSeries(self, uid, hits=-1):
        return tuple(self.fileForInstance(u) for u in self.instancesForSeries(uid, hits))

    def fieldForPatient(self, field, key):
        return self._one(f"SELECT {field} FROM Patients WHERE UID=?", key)

    def fieldForStudy(self, field, uid):
        return self._one(f"SELECT {field} FROM Studies WHERE StudyInstanceUID=?", uid)

    def fieldForSeries(self, field, uid):
        return self._one(f"SELECT {field} FROM Series WHERE SeriesInstanceUID=?", uid)

    def fileForInstance(self, uid):
        name = self._one("SELECT Filename FROM Images WHERE SOPInstanceUID=?", uid)
        return os.fspath(self._slicer.folder / name) if name else ""

    def instanceForFile(self, file):
        path = Path(file)
        inside = path.is_relative_to(self._slicer.folder)
        name = os.fspath(path.relative_to(self._slicer.folder) if inside else path)
        return self._one("SELECT SOPInstanceUID FROM Images WHERE Filename=?", name)

    def cachedTag(self, uid, tag):
        rows = self._slicer.tag_cache.execute(
            "SELECT Value FROM TagCache WHERE SOPInstanceUID=? AND Tag=?", (uid, tag.upper())
        ).fetchall()
        return rows[0][0] if rows else ""

    def fileValue(self, file, tag):
        value = self.cachedTag(self.instanceForFile(file), tag)
        if value:
            return "" if value.startswith("__") else value
        self.parsed += 1
        header = pydicom.dcmread(file, stop_before_pixels=True)
        return _text(header, keyword_for_tag(tag.replace(",", "")))
