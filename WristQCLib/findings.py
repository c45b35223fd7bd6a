"""The small vocabulary that every part of WristQC shares: view, side, and what "unknown" means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class View(StrEnum):
    """Projection of a wrist radiograph (protocol clause 1)."""

    FRONTAL = "frontal"
    """Antero-posterior or postero-anterior."""
    LATERAL = "lateral"


class Side(StrEnum):
    """Side of the body, with the letter that DICOM and lead markers use for it."""

    LEFT = "L"
    RIGHT = "R"


class Finding(StrEnum):
    """Outcome of looking for something. Unknown is a value of its own, never a guess."""

    FOUND = "found"
    NOT_FOUND = "not found"
    NOT_ASSESSABLE = "not assessable"


@dataclass(frozen=True)
class Sourced(Generic[T]):
    """A value together with where it came from.

    Attributes
    ----------
    value
        The value, or None when nothing told it.
    source
        Where the value comes from, fit to be read by a person: ``"user"``,
        ``"ViewPosition (0018,5101) = PA"``, ``"image"``. For an unknown value, why it is unknown.
    confidence
        Probability in [0, 1] for a value that was inferred, None for one that was stated.
    """

    value: T | None
    source: str
    confidence: float | None = None

    @property
    def known(self) -> bool:
        return self.value is not None
