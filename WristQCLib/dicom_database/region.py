"""Whether an image shows a wrist, as its DICOM header tells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum

from pydicom import Dataset

from WristQCLib.attributes import attribute_label, codes_of, text_of
from WristQCLib.findings import Sourced


class Region(StrEnum):
    """Body region of a radiograph, as far as it matters here."""

    WRIST = "wrist"
    NEAR = "near the wrist"
    """Hand, forearm or a limb without further word: perhaps a wrist."""
    ELSEWHERE = "elsewhere"


_Statement = tuple[str, Region]
"""Where it stands, fit to be read, and what it says."""

# DICOM PS3.16, CID 4 and CID 4031: SNOMED CT and, for older files, SNOMED-RT codes.
_CODES: dict[str, Region] = {
    **dict.fromkeys(("74670003", "T-15460", "8205005", "T-D8600"), Region.WRIST),
    **dict.fromkeys(
        (
            *("85562004", "T-D8700"),  # hand
            *("14975008", "T-D8500"),  # forearm
            *("53120007", "T-D8000"),  # upper limb
            *("371195002", "T-D0821"),  # bone of upper limb
        ),
        Region.NEAR,
    ),
}


def _words(latin: str, anywhere: str) -> re.Pattern[str]:
    """Whole Latin words, in "WRIST_PA" and "左WRIST" too, or other characters wherever they are."""
    letter = "A-Za-z\u00c0-\u024f"
    return re.compile(rf"(?<![{letter}])(?:{latin})(?![{letter}])|{anywhere}", re.IGNORECASE)


# English, German, French, Spanish, Italian; Chinese, Japanese. German joins words at will.
_WRIST = _words(
    r"wrists?|carp(?:us|al)|(?:radio|mid)-?carpal|scaphoids?|distal (?:radius|forearm)"
    r"|skaphoid|poignets?|muñecas?|polso|polsi",
    "handgelenk|handwurzel|腕|手関節",
)
_NEAR = _words(
    r"hands?|forearms?|lower arms?|arms?|(?:up(?:per)?[ _-]?)?(?:extremit(?:y|ies)|limbs?|exm)"
    r"|radius|ulna|radiusulna|hände|unterarme?|arme|mains?|avant[- ]bras|manos?|antebrazo"
    r"|mano|avambraccio",
    "手|前臂|上肢|前腕",
)
_UNSPECIFIC = _words(r"other|unknown|none|n/?a|default|general|skeleton|bones?|whole ?body", "其他")

# Of the image or its series, then of the whole examination.
_IMAGE = ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription")
_EXAMINATION = (
    "PerformedProcedureStepDescription",
    "RequestedProcedureDescription",
    "StudyDescription",
)


def region_of(header: Dataset) -> Sourced[Region]:
    """The body region that the header tells.

    AnatomicRegionSequence, BodyPartExamined and the descriptions of the series speak for the image,
    the descriptions of the examination only where these name no region outside the arm. A wrist
    that is named goes before anything else at its rank. Unknown where nothing names a region.
    """
    image = [*_coded(header), *_body_part(header), *_described(header, _IMAGE)]
    examination = list(_described(header, _EXAMINATION))
    for region, statements in (
        (Region.WRIST, image),
        (Region.ELSEWHERE, [] if _first(image, Region.NEAR) else image),
        (Region.WRIST, examination),
        (Region.NEAR, [*image, *examination]),
    ):
        if source := _first(statements, region):
            return Sourced(region, source)
    return Sourced(None, "no attribute tells the body region")


def _first(statements: Sequence[_Statement], region: Region) -> str:
    return next((source for source, said in statements if said is region), "")


def _named(text: str) -> Region | None:
    if _WRIST.search(text):
        return Region.WRIST
    return Region.NEAR if _NEAR.search(text) else None


def _coded(header: Dataset) -> Iterator[_Statement]:
    for value, meaning, _ in codes_of(header, "AnatomicRegionSequence"):
        label = f"{attribute_label('AnatomicRegionSequence')} = {value} {meaning}".rstrip()
        if value or meaning:
            yield label, _CODES.get(value) or _named(meaning) or Region.ELSEWHERE


def _body_part(header: Dataset) -> Iterator[_Statement]:
    """Any other word than these is the name of another body part (DICOM PS3.16, annex L)."""
    text = text_of(header, "BodyPartExamined")
    named = _named(text)
    if text and (named or not _UNSPECIFIC.search(text)):
        yield f"{attribute_label('BodyPartExamined')} = {text}", named or Region.ELSEWHERE


def _described(header: Dataset, keywords: Sequence[str]) -> Iterator[_Statement]:
    for keyword in keywords:
        text = text_of(header, keyword)
        if said := _named(text):
            yield f"{attribute_label(keyword)} = {text}", said
