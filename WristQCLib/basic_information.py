"""Which items of basic information a DICOM header holds (specification, section 2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pydicom import Dataset

from WristQCLib.attributes import attribute_label, text_of
from WristQCLib.findings import Finding

PLACEHOLDERS = frozenset({"UNKNOWN", "UNDEFINED", "UNSPECIFIED", "NONE", "NULL", "NIL", "N/A"})
"""Words that software writes where it has no value."""


class ItemDefinition(Protocol):
    """What the scoring protocol says of one item."""

    @property
    def id(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def group(self) -> str: ...
    @property
    def attributes(self) -> Sequence[str]: ...
    @property
    def identity(self) -> bool: ...


@dataclass(frozen=True)
class BasicInformationItem:
    """What was found of one item.

    Attributes
    ----------
    id, label, group
        As the scoring protocol names them.
    finding
        FOUND: one of its attributes holds a value. NOT_ASSESSABLE: the file has no DICOM header.
    value
        The value as text that is safe to show, at most 64 characters; empty unless found.
    reason
        Which attribute holds it, or why the item does not count.
    identity
        Whether the value identifies the patient.
    """

    id: str
    label: str
    group: str
    finding: Finding
    value: str
    reason: str
    identity: bool = False


def check_basic_information(
    header: Dataset | None, items: Iterable[ItemDefinition]
) -> tuple[BasicInformationItem, ...]:
    """Look for each item; it is found when any of its attributes is present and non-empty.

    A value of white space, of punctuation only (a patient name of ``^^^^``), or that is a
    placeholder word such as "unknown" is empty. Other values are not judged.

    Parameters
    ----------
    header
        The DICOM data set; None for an image without one, for which nothing is assessable.
    items
        Definitions of the protocol, each with the DICOM keywords of the attributes to look at.

    Raises
    ------
    ValueError
        If an attribute is not a DICOM keyword.
    """
    return tuple(_check(header, item) for item in items)


def _check(header: Dataset | None, item: ItemDefinition) -> BasicInformationItem:
    finding, value = Finding.NOT_FOUND, ""
    if header is None:
        finding, reason = Finding.NOT_ASSESSABLE, "The file has no DICOM header."
    else:
        faults: list[str] = []
        for keyword in item.attributes:
            label = attribute_label(keyword)
            text = text_of(header, keyword)
            if _is_value(text):
                finding, value, reason = Finding.FOUND, text, label
                break
            state = "absent" if keyword not in header else "a placeholder" if text else "empty"
            faults.append(f"{label} is {state}")
        else:
            reason = ", ".join(faults) + "."
    return BasicInformationItem(
        item.id, item.label, item.group, finding, value, reason, item.identity
    )


def _is_value(text: str) -> bool:
    return any(c.isalnum() for c in text) and text.upper() not in PLACEHOLDERS
