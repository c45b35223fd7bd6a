"""Agreement in tables of words and numbers, which viewer, panel, page and file all show alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from WristQCLib import paper
from WristQCLib.agreement import Agreement, Comparison, GradeAgreement, PointAgreement
from WristQCLib.figures import GROSS_MISS_MM, RADII_MM, Categories, Distances
from WristQCLib.findings import View
from WristQCLib.keypoints import words
from WristQCLib.wording import UNKNOWN

PAPER = "Published study"
"""Rows of the source paper's figures, which stand beside ours."""

KAPPA = (
    "Kappa is agreement beyond chance: 1 is perfect, 0 is what chance would give. The weighted"
    " kappa counts neighbouring grades as nearly agreeing."
)


class Part(StrEnum):
    """What tables are about."""

    READINGS = "Readings"
    AMONG = "Readers with each other"
    AGAINST = "System against readers"


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes
    ----------
    part, subject
        What it is about, and whose opinions; tables of one subject follow each other.
    title
        What its rows are.
    head
        Headings of the columns.
    rows
        Cells; the first says what the row is, the others are numbers.
    note
        A sentence for below the table, or empty.
    matrix
        Whether it counts cases by first (rows) and second opinion (columns).
    """

    part: Part
    subject: str
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    matrix: bool = False


def remarks(agreement: Agreement) -> tuple[str, ...]:
    """What must be known before the figures are believed, a sentence or two each."""
    return tuple(_remarks(agreement))


def _remarks(agreement: Agreement) -> Iterator[str]:
    if not agreement.images:
        yield "Nothing has been read yet: accept images, and the figures appear here."
        return
    if not agreement.among:
        yield (
            "No image has been read by two people, so there are no figures between readers; let a"
            " second person read some of the images under a name of their own."
        )
    if agreement.predicted:
        every = agreement.readers[0].images
        yield (
            f"{agreement.predicted} of {every} readings were made after the system had shown its"
            " points. They are not independent of it (anchoring), so the agreement with the system,"
            " and of such readings with each other, is likely to be overestimated; for an unbiased"
            " study have the images read without models."
        )
    if len(agreement.protocols) > 1:
        yield (
            "The grades come from several protocols and cannot be compared as they are:"
            f" {', '.join(agreement.protocols)}."
        )
    if agreement.forked:
        yield (
            f"{_counted(agreement.forked, 'reading is', 'readings are')} left out, because the same"
            " reader made another one without knowing of it; the newest counts until the conflict"
            " is resolved."
        )


def tables(agreement: Agreement) -> tuple[Table, ...]:
    """All figures; a figure of nothing is left out or shown as a dash."""
    every = [] if not agreement.images else [_readings(agreement)]
    for comparison in (*agreement.among, *agreement.against):
        every += _compared(comparison)
    return tuple(every)


def subject(comparison: Comparison) -> str:
    """Whose opinions are compared: ``"Dr Li and Dr Wang"``."""
    if comparison.system:
        return "All readers" if len(comparison.readers) > 1 else comparison.readers[0]
    if len(comparison.readers) > 2:
        return "All pairs of readers"
    return " and ".join(comparison.readers)


def _readings(agreement: Agreement) -> Table:
    rows = [
        (
            count.reader or "All readers",
            str(count.images),
            str(count.predicted),
            str(count.corrected),
            percent(count.corrected / count.predicted if count.predicted else None),
        )
        for count in agreement.readers
    ]
    note = f"{_counted(agreement.images, 'image', 'images')}, of which {agreement.doubly_read}"
    note += f" {'was' if agreement.doubly_read == 1 else 'were'} read by more than one person."
    if agreement.models:
        note += f" The system was {', '.join(m.removeprefix('model:') for m in agreement.models)}."
    return Table(
        Part.READINGS,
        "",
        "Readings",
        ("Reader", "Readings", "After the system", "Corrected", "Corrected %"),
        tuple(rows),
        note,
    )


def _compared(comparison: Comparison) -> Iterator[Table]:
    part = Part.AGAINST if comparison.system else Part.AMONG
    whose = subject(comparison)
    for table in (
        _grades(comparison),
        _images(comparison),
        _artefacts(comparison) if comparison.system else None,
        _distances(comparison),
        _pixels(comparison),
        _presence(comparison),
        _totals(comparison),
        *_matrices(comparison),
    ):
        if table is not None and table.rows:
            yield Table(part, whose, **table.__dict__)


@dataclass(frozen=True)
class _Content:
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    matrix: bool = False


def _grades(comparison: Comparison) -> _Content:
    rows = []
    for graded in comparison.grades:
        found, view = graded.grades, graded.view
        stated = paper.TASK_ACCURACY.get(graded.task) if graded.task else paper.GRADE_ACCURACY[view]
        rows.append(
            (
                _graded(graded),
                *_agreed(found),
                decimals(found.weighted_kappa),
                *((percent(stated, 0),) if comparison.system else ()),
            )
        )
    head: tuple[str, ...] = ("Grade", "n", "Agree %", "Kappa", "Weighted kappa")
    return _Content(
        "Grades", (*head, "Published %") if comparison.system else head, tuple(rows), KAPPA
    )


def _images(comparison: Comparison) -> _Content:
    """What is said of an image as a whole."""
    asked: list[tuple[str, Categories | None]] = [
        ("View", comparison.view),
        ("Side", comparison.side),
    ]
    for artefact in comparison.artefacts:
        if artefact.view is None or not comparison.system:  # else in a table of its own
            where = f", {artefact.view}" if artefact.view else ""
            asked.append((f"Foreign object{where}", artefact.answers))
    rows = tuple((name, *_agreed(found)) for name, found in asked if found is not None)
    return _Content("View, side and foreign object", ("", "n", "Agree %", "Kappa"), rows)


def _artefacts(comparison: Comparison) -> _Content:
    rows: list[tuple[str, ...]] = []
    for found in comparison.artefacts:
        of = found.detection
        rows.append(
            (
                _sentence(found.view) if found.view else "All images",
                str(of.count),
                str(of.positives),
                *map(percent, (of.accuracy, of.precision, of.recall)),
            )
        )
        if found.view:
            stated = paper.ARTEFACT_AGREEMENT[found.view]
            rates = (percent(stated[name], 0) for name in ("accuracy", "precision", "recall"))
            rows.append((f"{PAPER}, {found.view}", "100", UNKNOWN, *rates))
    return _Content(
        "Foreign objects found by the system",
        ("", "n", "With object", "Accuracy %", "Precision %", "Recall %"),
        tuple(rows),
        "Precision: how many of the objects that the system names are there. Recall: how many of"
        " those that are there it names.",
    )


def _distances(comparison: Comparison) -> _Content:
    rows: list[tuple[str, ...]] = []
    for point in comparison.points:
        if point.mm is None:
            continue
        if point.keypoint is None and comparison.system:
            rows.append(_stated(point.view))
        within = (decimals(share, 1) for share in point.mm.within.values())
        rows.append((_name(point), *_lengths(point.mm), *within, decimals(point.mm.missed, 1)))
    return _Content(
        "Distances of keypoints in mm",
        ("Keypoint", "n", "Mean", "SD", "Median", "95 % up to",
         *(f"≤ {radius:g} mm %" for radius in RADII_MM), f"> {GROSS_MISS_MM:g} mm %"),
        tuple(rows),
        "Of keypoints that "
        + ("the reader and the system" if comparison.system else "both readers")
        + " have placed. The mean is the mean radial error (MRE); the shares up to a distance are"
        " the success detection rates (SDR).",
    )  # fmt: skip


def _stated(view: View) -> tuple[str, ...]:
    stated = paper.DETECTION[view]
    rates = (decimals(stated[f"sdr_{radius:g}"], 1) for radius in RADII_MM)
    known = (decimals(stated["mre"]), decimals(stated["sd"]))
    return (f"{PAPER}, {view}", UNKNOWN, *known, UNKNOWN, UNKNOWN, *rates,
            decimals(100.0 - stated[f"sdr_{GROSS_MISS_MM:g}"], 1))  # fmt: skip


def _pixels(comparison: Comparison) -> _Content:
    rows = [(_name(p), *_lengths(p.px)) for p in comparison.points if p.px is not None]
    return _Content(
        "Distances of keypoints in pixels",
        ("Keypoint", "n", "Mean", "SD", "Median", "95 % up to"),
        tuple(rows),
        "Images whose pixel spacing is unknown; they have no part in the distances in mm.",
    )


def _presence(comparison: Comparison) -> _Content:
    rows = []
    for point in comparison.points:
        if (found := point.presence) is not None:
            (_, only_first), (only_second, _) = found.counts
            only = (only_first, only_second) if _sides(comparison) else (only_first + only_second,)
            rows.append((_name(point), *_agreed(found), *map(str, only)))
    return _Content(
        "Whether keypoints are in the image",
        ("Keypoint", "n", "Agree %", "Kappa", *_only(comparison)),
        tuple(rows),
    )


def _only(comparison: Comparison) -> tuple[str, ...]:
    """Headings for keypoints that only one of the opinions says are there."""
    if comparison.system:
        return "Missed by the system", "Only by the system"
    sides = _sides(comparison)
    return (f"Only by {sides[0]}", f"Only by {sides[1]}") if sides else ("Only by one",)


def _sides(comparison: Comparison) -> tuple[str, str] | None:
    """Whose the first and the second opinions are; None when they are of several pairs."""
    if comparison.system:
        return "reader", "system"
    if len(comparison.readers) > 2:
        return None
    return comparison.readers[0], comparison.readers[1]


def _totals(comparison: Comparison) -> _Content | None:
    found = comparison.totals
    if found is None:
        return None
    rows = [
        ("Mean difference, without sign", str(found.count), decimals(found.apart)),
        ("Largest difference", str(found.count), str(found.largest)),
        ("Intraclass correlation, ICC(2,1)", str(found.images), decimals(found.correlation)),
    ]
    sides, note = _sides(comparison), ""
    if sides is not None:
        title = f"Mean difference, {sides[1]} minus {sides[0]}"
        rows.insert(0, (title, str(found.count), f"{found.difference:+.2f}"))
    else:
        note = "The intraclass correlation is of the images that all of them have read."
    return _Content("Totals, of 100 points", ("", "n", "Value"), tuple(rows), note)


def _matrices(comparison: Comparison) -> Iterator[_Content]:
    """How often each pair of answers was given."""
    sides = _sides(comparison)
    if sides is None:
        return
    # The grade of whole images first, because it is asked for most.
    for graded in sorted(comparison.grades, key=lambda g: g.task is not None):
        title = _graded(graded)
        yield _matrix(sides, title, graded.grades)
    for found in comparison.artefacts:
        if found.view is None:
            yield _matrix(sides, "Foreign object", found.answers)
    if comparison.view is not None:
        yield _matrix(sides, "View", comparison.view)


def _matrix(sides: tuple[str, str], title: str, found: Categories) -> _Content:
    first, second = sides
    rows = tuple(
        (name, *map(str, counts)) for name, counts in zip(found.names, found.counts, strict=True)
    )
    return _Content(title, (f"{first} ↓ {second} →", *found.names), rows, matrix=True)


# Cells --------------------------------------------------------------------------------------


def percent(share: float | None, digits: int = 1) -> str:
    """A share in percent; a dash for what is not known."""
    return UNKNOWN if share is None else f"{100.0 * share:.{digits}f}"


def decimals(value: float | None, digits: int = 2) -> str:
    """A number; a dash for what is not known."""
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def _agreed(found: Categories) -> tuple[str, str, str]:
    return str(found.count), percent(found.accuracy), decimals(found.kappa)


def _lengths(found: Distances) -> tuple[str, ...]:
    return (str(found.count), *map(decimals, (found.mean, found.sd, found.median, found.p95)))


def _name(point: PointAgreement) -> str:
    if point.keypoint is None:
        return f"{_sentence(point.view)}: all keypoints"
    return _sentence(words(point.keypoint))


def _graded(found: GradeAgreement) -> str:
    """``"Frontal 1: Thumb ... is in the image"``."""
    if found.task is None:
        return f"{_sentence(found.view)}: overall grade"
    return f"{_sentence(words(found.task))}: {found.title}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _counted(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"
