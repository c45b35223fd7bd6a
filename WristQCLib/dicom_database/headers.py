"""The few attributes that tell body region, view and side, without the rest of the file."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import pydicom
from pydicom import DataElement, Dataset
from pydicom.config import IGNORE
from pydicom.datadict import tag_for_keyword

_SCALARS = (
    "Modality",
    "SOPClassUID",
    "BodyPartExamined",
    "SeriesDescription",
    "ProtocolName",
    "AcquisitionDeviceProcessingDescription",
    "PerformedProcedureStepDescription",
    "StudyDescription",
    "RequestedProcedureDescription",
    "ViewPosition",
    "ImageLaterality",
    "FrameLaterality",
    "Laterality",
)
_SEQUENCES = ("AnatomicRegionSequence", "ViewCodeSequence")


def tag_of(keyword: str) -> str:
    """The tag as Slicer's database writes it.

    >>> tag_of("BodyPartExamined")
    '0018,0015'
    """
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"'{keyword}' is not a DICOM keyword, as 'ViewPosition' is one.")
    return f"{tag >> 16:04X},{tag & 0xFFFF:04X}"


CACHED_TAGS: Mapping[str, str] = {tag_of(keyword): keyword for keyword in _SCALARS}
"""Keyword of each attribute by its tag; what a database's tag cache should hold."""

ABSENT = frozenset({"__TAG_NOT_IN_INSTANCE__", "__VALUE_IS_EMPTY_STRING__"})
"""What the tag cache writes for an attribute that the file does not have or has without value."""

NOT_STORED = "__VALUE_IS_NOT_STORED__"
"""What the tag cache writes for a value that is in the file only."""


def header_from_values(values: Mapping[str, str]) -> Dataset:
    """A data set of plain texts: keyword to value, several values joined by a backslash.

    All have the value representation LO, so that a damaged number is met where it is asked for, as
    in a damaged file (`WristQCLib.attributes.numbers_of`).
    """
    header = Dataset()
    for keyword, value in values.items():
        if value:
            header.add(DataElement(keyword, "LO", value, validation_mode=IGNORE))
    return header


def values_from_cache(cached: Mapping[str, str]) -> dict[str, str] | None:
    """Keyword to value of what a tag cache holds, None unless it has every attribute.

    Parameters
    ----------
    cached
        Tag, as "0018,0015", to value.
    """
    if not cached.keys() >= CACHED_TAGS.keys() or NOT_STORED in cached.values():
        return None
    return {CACHED_TAGS[tag]: value for tag, value in cached.items() if value not in ABSENT}


def header_from_tags(value_of_tag: Callable[[str], str]) -> Dataset:
    """A data set put together tag by tag; the answer for what is not there is empty."""
    return header_from_values({word: value_of_tag(tag) for tag, word in CACHED_TAGS.items()})


def file_header(path: Path) -> Dataset | None:
    """The same attributes, and the coded ones, from the file; None when it cannot be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a value that breaks its VR's rules is read all the same
        try:
            return pydicom.dcmread(
                path,
                force=True,
                stop_before_pixels=True,
                specific_tags=["SpecificCharacterSet", *_SCALARS, *_SEQUENCES],
            )
        except Exception:  # a damaged file makes pydicom raise anything
            return None
