"""Slicer's DICOM database read from its file, with plain Python and without Slicer."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from WristQCLib.dicom_database.entries import (
    DatabaseError,
    Instance,
    Patient,
    Series,
    Study,
    iso_date,
)
from WristQCLib.dicom_database.headers import CACHED_TAGS, values_from_cache

DATABASE_NAME = "ctkDICOM.sql"
TAG_CACHE_NAME = "ctkDICOMTagCache.sql"

WAIT_S = 5.0
"""For Slicer to finish writing; its import holds the lock for fractions of a second."""

_NEEDED = {
    "Patients": {"UID", "PatientsName", "PatientID", "PatientsBirthDate"},
    "Studies": {
        "StudyInstanceUID",
        "PatientsUID",
        "StudyDate",
        "StudyDescription",
        "AccessionNumber",
    },
    "Series": {
        "SeriesInstanceUID",
        "StudyInstanceUID",
        "SeriesNumber",
        "SeriesDescription",
        "Modality",
        "BodyPartExamined",
    },
    "Images": {"SOPInstanceUID", "Filename", "SeriesInstanceUID"},
}
"""Columns that the schema has had from version 0.5 (2012) to 0.8.1 (2024)."""


class DatabaseFile:
    """A DICOM database of Slicer (`ctkDICOM.sql`), opened for reading only.

    Slicer may have it open at the same time: each query sees the last complete state, and waits a
    few seconds while an import is being written.

    Parameters
    ----------
    path
        The database file, or its folder.

    Raises
    ------
    DatabaseError
        If there is no database that can be read; so does each of the methods.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        path = Path(path)
        self.path = path / DATABASE_NAME if path.is_dir() else path
        if not self.path.is_file():
            raise DatabaseError(
                f"{self.path}: does not exist; choose the folder of Slicer's DICOM database."
            )
        self._connection = _open(self.path)
        try:
            self._check_columns()
            tag_cache = self.path.with_name(TAG_CACHE_NAME)
            self._tag_cache = _open(tag_cache) if tag_cache.is_file() else None
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Let go of the files."""
        self._connection.close()
        if self._tag_cache is not None:
            self._tag_cache.close()

    def __enter__(self) -> DatabaseFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def patients(self) -> Iterator[Patient]:
        for key, name, patient_id, birth_date in self._rows(
            "SELECT UID, PatientsName, PatientID, PatientsBirthDate FROM Patients ORDER BY UID"
        ):
            yield Patient(key, name, patient_id, iso_date(birth_date))

    def studies(self, patient: Patient) -> Iterator[Study]:
        for uid, date, description, accession_number in self._rows(
            "SELECT StudyInstanceUID, StudyDate, StudyDescription, AccessionNumber"
            " FROM Studies WHERE PatientsUID = ? ORDER BY rowid",
            patient.key,
        ):
            yield Study(uid, iso_date(date), description, accession_number)

    def series(self, study: Study) -> Iterator[Series]:
        for row in self._rows(
            "SELECT SeriesInstanceUID, SeriesNumber, Modality, BodyPartExamined, SeriesDescription"
            " FROM Series WHERE StudyInstanceUID = ? ORDER BY rowid",
            study.uid,
        ):
            yield Series(*row)

    def instances(self, series: Series) -> Iterator[Instance]:
        for uid, name in self._rows(
            "SELECT SOPInstanceUID, Filename FROM Images WHERE SeriesInstanceUID = ?"
            " ORDER BY rowid",
            series.uid,
        ):
            # Files that Slicer copied are named relative to the database's folder.
            yield Instance(uid, self.path.parent / name if name else None)

    def cached_values(self, instance: Instance) -> dict[str, str] | None:
        if self._tag_cache is None:
            return None
        rows = _query(
            self._tag_cache,
            self.path.with_name(TAG_CACHE_NAME),
            "SELECT Tag, Value FROM TagCache WHERE SOPInstanceUID = ?",
            instance.uid,
        )
        return values_from_cache({tag: value for tag, value in rows if tag in CACHED_TAGS})

    def _rows(self, statement: str, *parameters: str) -> list[tuple[str, ...]]:
        return _query(self._connection, self.path, statement, *parameters)

    def _check_columns(self) -> None:
        for table, needed in _NEEDED.items():
            columns = {
                name for (name,) in self._rows("SELECT name FROM pragma_table_info(?)", table)
            }
            if not columns:
                raise DatabaseError(
                    f"{self.path}: is not a DICOM database of Slicer; choose {DATABASE_NAME}."
                )
            if missing := sorted(needed - columns):
                raise DatabaseError(
                    f"{self.path}: is of an old version, {table} has no {missing[0]};"
                    " open it in Slicer once, which updates it."
                )


def _open(path: Path) -> sqlite3.Connection:
    """Open without the right to write, so that no mistake here can harm the user's database.

    On a medium where nothing can be written SQLite may fail to make the files it locks with;
    `immutable` does without. It is right only if nobody else writes, so a journal forbids it.
    """
    name = path.resolve().as_posix()
    # Not Path.as_uri: SQLite takes no host, so a shared folder of Windows must stay in the path.
    uri = f"file://{'' if name.startswith('/') else '/'}{quote(name, safe='/:')}"
    connection = sqlite3.connect(f"{uri}?mode=ro", uri=True, timeout=WAIT_S)
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        writing = any(Path(f"{path}{end}").exists() for end in ("-journal", "-wal"))
        if writing or "locked" in str(error) or os.access(path.parent, os.W_OK):
            raise _explained(path, error) from error
        connection = sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise _explained(path, error) from error
    connection.text_factory = lambda text: text.decode("utf-8", errors="replace")
    return connection


def _query(
    connection: sqlite3.Connection, path: Path, statement: str, *parameters: str
) -> list[tuple[str, ...]]:
    """All rows at once, so that no lock outlives the call; every value as text, NULL as empty."""
    try:
        rows = connection.execute(statement, parameters).fetchall()
    except sqlite3.Error as error:
        raise _explained(path, error) from error
    return [tuple("" if value is None else str(value) for value in row) for row in rows]


def _explained(path: Path, error: sqlite3.Error) -> DatabaseError:
    if "locked" in str(error):
        return DatabaseError(f"{path}: is being written; try again when the import is finished.")
    if isinstance(error, sqlite3.OperationalError | sqlite3.ProgrammingError):
        return DatabaseError(f"{path}: cannot be read ({error}); check the file and its folder.")
    return DatabaseError(f"{path}: is damaged or no database; choose {DATABASE_NAME}.")
