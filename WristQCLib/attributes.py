"""Reading single DICOM attributes safely: as text to show, as numbers, as codes."""

from __future__ import annotations

import math
import unicodedata
import warnings
from collections.abc import Iterator, Sequence

import pydicom
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.multival import MultiValue

MAX_SHOWN = 64


def attribute_label(keyword: str) -> str:
    """The name of a DICOM attribute for a person.

    Raises
    ------
    ValueError
        If `keyword` is not in the DICOM dictionary.

    Examples
    --------
    >>> attribute_label("ViewPosition")
    'ViewPosition (0018,5101)'
    """
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise ValueError(f"'{keyword}' is not a DICOM keyword, as 'ViewPosition' is one.")
    return f"{keyword} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def value_of(header: Dataset, keyword: str) -> object:
    """The value of an attribute, None when absent, empty, or too damaged to be converted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a value that breaks its VR's rules is read all the same
        try:
            return header.get(keyword)
        except Exception:  # pydicom converts on first access and may raise anything then
            return None


def text_of(header: Dataset, keyword: str) -> str:
    """The value of an attribute as text that may be shown; empty when there is none.

    Several values are joined by a backslash, as DICOM does. Control characters are dropped, and
    what is longer than 64 characters is cut.
    """
    value = value_of(header, keyword)
    if isinstance(value, Dataset | pydicom.Sequence):
        return ""
    parts = value if isinstance(value, MultiValue | list | tuple) else [value]
    return shown("\\".join(map(_text, parts)))


def written_text_of(header: Dataset, keyword: str) -> str:
    """The value as it is written, for a message: also one too damaged to be converted."""
    if text := text_of(header, keyword):
        return text
    item = header.get_item(keyword)
    return shown(_text(getattr(item, "value", None)))


def _text(value: object) -> str:
    if isinstance(value, bytes):  # of an unknown value representation
        return value.decode("ascii", errors="replace")
    return "" if value is None else str(value)


def shown(text: str) -> str:
    """`text` on one line, without control or formatting characters, at most 64 characters."""
    text = "".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in text)
    text = " ".join(text.split())
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def numbers_of(header: Dataset, keyword: str) -> tuple[float, ...] | None:
    """The numeric values of an attribute.

    Returns
    -------
    tuple of float or None
        None when the attribute is absent or empty; NaN stands for a value that is no number.
    """
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # as in value_of, but here damaged is not the same as absent
        try:
            value = header.get(keyword)
        except Exception:  # here damaged is not the same as absent
            return (math.nan,)
    if value is None or value == "":
        return None
    values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    return tuple(_number(v) for v in values) or None


def _number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan


def codes_of(header: Dataset, keyword: str) -> Iterator[tuple[str, str, Dataset]]:
    """The coded entries of a sequence: code value, code meaning, and the item itself."""
    items = value_of(header, keyword)
    for item in items if isinstance(items, Sequence) else ():
        if isinstance(item, Dataset):
            yield text_of(item, "CodeValue"), text_of(item, "CodeMeaning"), item
