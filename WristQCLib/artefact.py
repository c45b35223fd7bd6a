"""Foreign-object artefact: from a probability to a finding."""

from __future__ import annotations

from dataclasses import dataclass

from WristQCLib.findings import Finding


@dataclass(frozen=True)
class ArtefactFinding:
    """Whether a foreign object (jewellery, watch, clothing, line, cast) is in the image.

    Attributes
    ----------
    finding
        FOUND: there is one. NOT_FOUND: none. NOT_ASSESSABLE: nobody has looked.
    source
        ``"model:<bundle> <version>"`` or ``"person:<name>"``; why not, when not assessable.
    probability
        Of a foreign object, in [0, 1]; None when a person decided.
    threshold
        Probability from which the model's answer counts as FOUND.
    """

    finding: Finding
    source: str
    probability: float | None = None
    threshold: float | None = None

    @classmethod
    def from_probability(cls, probability: float, threshold: float, source: str) -> ArtefactFinding:
        found = Finding.FOUND if probability >= threshold else Finding.NOT_FOUND
        return cls(found, source, probability, threshold)

    @classmethod
    def not_assessed(cls, reason: str) -> ArtefactFinding:
        return cls(Finding.NOT_ASSESSABLE, reason)

    @classmethod
    def stated(cls, present: bool, person: str = "unnamed") -> ArtefactFinding:
        return cls(Finding.FOUND if present else Finding.NOT_FOUND, f"person:{person}")
