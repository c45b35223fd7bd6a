"""What the picker of studies needs of a DICOM database, whoever keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


class DatabaseError(ValueError):
    """A DICOM database cannot be read; the message names it, what is wrong and what to do."""


@dataclass(frozen=True)
class Patient:
    """A patient; who that is, is kept out of `repr`, and so out of logs and tracebacks.

    Attributes
    ----------
    key
        The database's own number for the patient.
    name, patient_id, birth_date
        As the database has them; the date as YYYY-MM-DD or empty.
    """

    key: str
    name: str = field(default="", repr=False)
    patient_id: str = field(default="", repr=False)
    birth_date: str = field(default="", repr=False)

    @property
    def label(self) -> str:
        """Name and ID for a list on screen, "Doe, Jane (4711)"."""
        family, *given = (part.strip() for part in self.name.split("=")[0].split("^"))
        name = ", ".join(part for part in (family, " ".join(filter(None, given))) if part)
        known = f"({self.patient_id})" if self.patient_id else ""
        return " ".join(part for part in (name or "No name", known) if part)


@dataclass(frozen=True)
class Study:
    """A study; its date is YYYY-MM-DD or empty."""

    uid: str
    date: str = ""
    description: str = ""
    accession_number: str = field(default="", repr=False)


@dataclass(frozen=True)
class Series:
    """A series, with what the database says of its body part."""

    uid: str
    number: str = ""
    modality: str = ""
    body_part: str = ""
    description: str = ""


@dataclass(frozen=True)
class Instance:
    """One image.

    Attributes
    ----------
    uid
        SOP Instance UID.
    path
        Its file; None when the database knows of the image but has not fetched it.
    """

    uid: str
    path: Path | None


class DicomDatabase(Protocol):
    """Patients, their studies, series and instances; each in the database's own order."""

    def patients(self) -> Iterable[Patient]: ...

    def studies(self, patient: Patient) -> Iterable[Study]: ...

    def series(self, study: Study) -> Iterable[Series]: ...

    def instances(self, series: Series) -> Iterable[Instance]: ...

    def cached_values(self, instance: Instance) -> dict[str, str] | None:
        """Keyword to value of the attributes in `headers.CACHED_TAGS` that the image has.

        None means that the database does not know them all, and the file has to be opened.
        """
        ...


def iso_date(text: str) -> str:
    """A date as YYYY-MM-DD, whether it came so or as DICOM's YYYYMMDD."""
    text = text.strip()
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 and text.isdigit() else text[:10]
