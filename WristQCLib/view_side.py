"""View (frontal or lateral) and side (left or right) of a radiograph, as its DICOM header tells.

Attributes are asked in ranks, the most specific first. The first rank that tells something decides;
a rank that contradicts itself decides for "unknown". Nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from pydicom import Dataset

from WristQCLib.attributes import attribute_label, codes_of, text_of
from WristQCLib.findings import Side, Sourced, View

_T = TypeVar("_T", bound=StrEnum)


class _Other(StrEnum):
    """What an attribute may say that is neither of the two answers."""

    OBLIQUE = "an oblique view, neither frontal nor lateral"
    OTHER_VIEW = "neither frontal nor lateral"
    BOTH_SIDES = "both sides"


_Statement = tuple[str, frozenset[StrEnum]]
"""Where it stands, fit to be read, and everything it says."""

# DICOM PS3.3, C.8.11.5 (ViewPosition), with what hand and wrist programmes of the makers write.
_VIEW_POSITIONS: dict[str, StrEnum] = {
    **dict.fromkeys(("AP", "PA", "DP", "PD", "DV", "VD", "FRONTAL"), View.FRONTAL),
    **dict.fromkeys(
        ("LL", "RL", "LAT", "LATERAL", "LLAT", "RLAT", "LM", "ML"),
        View.LATERAL,
    ),
    **dict.fromkeys(
        ("LLO", "RLO", "LAO", "RAO", "LPO", "RPO", "OBL", "OBLIQUE", "LO", "RO"), _Other.OBLIQUE
    ),
    **dict.fromkeys(("LLD", "RLD", "AXIAL", "AX", "TAN"), _Other.OTHER_VIEW),
}

# DICOM PS3.16, CID 4010: SNOMED CT and, for older files, SNOMED-RT codes.
_VIEW_CODES: dict[str, StrEnum] = {
    **dict.fromkeys(
        (
            *("399348003", "R-10206"),  # antero-posterior
            *("272479007", "R-10214", "R-40888"),  # postero-anterior
            *("399033003", "R-10202"),  # frontal
        ),
        View.FRONTAL,
    ),
    **dict.fromkeys(
        (
            *("399067008", "R-102CD"),  # lateral
            *("399198007", "R-10232"),  # right lateral
            *("399173006", "R-10236"),  # left lateral
            *("399260004", "R-10224"),  # medial-lateral
            *("399352003", "R-10228"),  # lateral-medial
        ),
        View.LATERAL,
    ),
    **dict.fromkeys(
        (
            *("399182000", "R-102C1"),  # oblique
            *("399038007", "R-10210", "399006002", "R-10212"),  # right, left posterior oblique
            *("399356000", "R-40985", "399135007", "R-10220"),  # anterior oblique
            *("399236003", "R-10234", "399184004", "R-10238"),  # right, left oblique
            *("399312000", "R-10208", "399059000", "R-10216"),  # AP, PA oblique
            *("260426006", "R-40782", "260427002", "R-40783"),  # medial, lateral oblique
            *("399368009", "R-10226", "399099002", "R-10230"),  # medio-lateral, latero-medial
            *("399160007", "R-10204", "399132005", "R-10252"),  # frontal oblique
        ),
        _Other.OBLIQUE,
    ),
    **dict.fromkeys(("399061009", "R-10241", "399110001", "R-102C2"), _Other.OTHER_VIEW),
}

_LATERALITIES: dict[str, StrEnum] = {"L": Side.LEFT, "R": Side.RIGHT, "B": _Other.BOTH_SIDES}

# DICOM PS3.16, CID 244: SNOMED CT and SNOMED-RT codes.
_LATERALITY_CODES: dict[str, StrEnum] = {
    **dict.fromkeys(("7771000", "G-A101"), Side.LEFT),
    **dict.fromkeys(("24028007", "G-A100"), Side.RIGHT),
    **dict.fromkeys(("51440002", "G-A102"), _Other.BOTH_SIDES),
}

# Of one image or series, then of the whole study or examination step.
_DESCRIPTIONS: Sequence[Sequence[str]] = (
    ("SeriesDescription", "ProtocolName", "AcquisitionDeviceProcessingDescription"),
    (
        "PerformedProcedureStepDescription",
        "StudyDescription",
        "RequestedProcedureDescription",
    ),
)


def _words(*alternatives: str) -> re.Pattern[str]:
    """Whole Latin words: "PA" neither in "PATIENT" nor in "SPA", but in "WRIST_PA" and "腕PA"."""
    letter = "A-Za-z\u00c0-\u024f"
    return re.compile(f"(?<![{letter}])(?:{'|'.join(alternatives)})(?![{letter}])", re.IGNORECASE)


_Vocabulary = Sequence[tuple[StrEnum, Sequence[re.Pattern[str]]]]

# English, German, Chinese (simplified, traditional), Japanese. 正侧位 names both views.
_VIEW_WORDS: _Vocabulary = (
    (
        View.FRONTAL,
        (
            _words(
                r"a[.\-/]?\s?p",
                r"p[.\-/]?\s?a",
                r"d[.\-/]?\s?[pv]",
                r"frontal(?:er?)?",
                r"antero[- ]?posterior(?:er?)?",
                r"postero[- ]?anterior(?:er?)?",
                r"dorso[- ]?(?:palmar|volar)(?:er?)?",
                r"(?:palmo|volo)[- ]?dorsal(?:er?)?",
            ),
            re.compile("正[位面]|[前后後]{2}位|正[、,/+和及 ]*[侧側斜]"),
        ),
    ),
    (
        View.LATERAL,
        (
            _words("lat", r"lateral(?:er?)?", "seitl", r"seitlich(?:e[rs]?)?"),
            _words(r"(?:medio[- ]?lateral|latero[- ]?medial)(?:er?)?"),
            re.compile("[侧側][位面]"),
        ),
    ),
    (
        _Other.OBLIQUE,
        (_words("obl", "obliques?", r"schr(?:ä|ae)g(?:er?|aufnahme)?"), re.compile("斜位?")),
    ),
)

_SIDE_WORDS: _Vocabulary = (
    (
        Side.LEFT,
        (
            _words("left", "lt", "links", "linke[mnrs]?", "li"),
            re.compile(r"左|(?:^|[\s_(\[,;^])L(?=$|[\s_)\],;.^])"),
        ),
    ),
    (
        Side.RIGHT,
        (
            _words("right", "rt", "rechts", "rechte[mnrs]?", "re(?![-:])"),
            re.compile(r"右|(?:^|[\s_(\[,;^])R(?=$|[\s_)\],;.^])"),
        ),
    ),
    (
        _Other.BOTH_SIDES,
        (
            _words("both", "bilateral(?:er?)?", "beide[nr]?", "beid(?:er)?seits", "bds"),
            re.compile("[双雙两兩][侧側腕手]"),
        ),
    ),
)


def view_of(header: Dataset) -> Sourced[View]:
    """The view that the header tells: ViewPosition and ViewCodeSequence, then descriptions.

    Unknown for an oblique view, for texts that name both views, and where attributes of the same
    rank contradict each other; the source then says so.
    """
    return _decided(
        View,
        [
            [
                *_view_position(header),
                *_coded(header, "ViewCodeSequence", _VIEW_CODES, _VIEW_WORDS),
            ],
            *(_described(header, keywords, _VIEW_WORDS) for keywords in _DESCRIPTIONS),
        ],
        "no attribute tells the view",
    )


def side_of(header: Dataset) -> Sourced[Side]:
    """The side that the header tells: laterality attributes, then the region's code, then texts.

    "U" (unpaired) tells nothing, "B" (both) makes it unknown.
    """
    return _decided(
        Side,
        [
            [*_lateralities(header)],
            [*_region_modifiers(header)],
            *(_described(header, keywords, _SIDE_WORDS) for keywords in _DESCRIPTIONS),
        ],
        "no attribute tells the side",
    )


def _view_position(header: Dataset) -> Iterator[_Statement]:
    text = text_of(header, "ViewPosition")
    key = text.upper().replace("-", "").replace(".", "")
    said = {_VIEW_POSITIONS[key]} if key in _VIEW_POSITIONS else _said(text, _VIEW_WORDS)
    yield f"{attribute_label('ViewPosition')} = {text}", frozenset(said)


def _lateralities(header: Dataset) -> Iterator[_Statement]:
    for keyword in ("ImageLaterality", "FrameLaterality", "Laterality"):
        text = text_of(header, keyword)
        said = {_LATERALITIES[text.upper()]} if text.upper() in _LATERALITIES else set()
        yield f"{attribute_label(keyword)} = {text}", frozenset(said)


def _region_modifiers(header: Dataset) -> Iterator[_Statement]:
    for _, _, region in codes_of(header, "AnatomicRegionSequence"):
        yield from _coded(region, "AnatomicRegionModifierSequence", _LATERALITY_CODES, _SIDE_WORDS)


def _coded(
    header: Dataset, keyword: str, codes: Mapping[str, StrEnum], words: _Vocabulary
) -> Iterator[_Statement]:
    """What a code sequence says: by its code, else by its meaning."""
    for value, meaning, _ in codes_of(header, keyword):
        said = {codes[value]} if value in codes else _said(meaning, words)
        yield f"{attribute_label(keyword)} = {value} {meaning}".rstrip(), frozenset(said)


def _described(header: Dataset, keywords: Iterable[str], words: _Vocabulary) -> list[_Statement]:
    texts = [(keyword, text_of(header, keyword)) for keyword in keywords]
    return [
        (f"{attribute_label(keyword)} = {text}", frozenset(_said(text, words)))
        for keyword, text in texts
    ]


def _said(text: str, words: _Vocabulary) -> set[StrEnum]:
    """Everything of a vocabulary that a text names."""
    said = {value for value, patterns in words if any(p.search(text) for p in patterns)}
    if _Other.OBLIQUE in said and not {View.FRONTAL, View.LATERAL} <= said:
        return {_Other.OBLIQUE}  # "PA oblique" is one view; "PA, lateral, oblique" are three
    return said


def _decided(kind: type[_T], ranks: Iterable[Sequence[_Statement]], unknown: str) -> Sourced[_T]:
    """The value that the first rank with a clear statement tells."""
    decided: Sourced[_T] | None = None
    reasons: list[str] = []
    for statements in ranks:
        reasons += [f"{source} names more than one" for source, said in statements if len(said) > 1]
        clear = [(source, next(iter(said))) for source, said in statements if len(said) == 1]
        if decided is not None:
            others = [source for source, value in clear if value is not decided.value]
            if others:
                return Sourced(decided.value, f"{decided.source}; but {', '.join(others)}")
            continue
        if not clear:
            continue
        source, value = clear[0]
        if other := next((s for s, v in clear if v is not value), None):
            return Sourced(None, f"{source} contradicts {other}")
        if not isinstance(value, kind):
            return Sourced(None, f"{source}: {value.value}")
        decided = Sourced(value, source)
    return decided or Sourced(None, "; ".join(reasons) or unknown)
