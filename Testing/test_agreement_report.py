"""Tables, page and files of the agreement between readers and with the system."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from reading_samples import FRONTAL, MODEL, START, labels, reading, summary

from WristQCLib import paper
from WristQCLib.agreement import agreement
from WristQCLib.agreement_tables import PAPER, Part, Table, remarks, tables
from WristQCLib.findings import View
from WristQCLib.labels.reading import Reading
from WristQCLib.labels.store import LabelStore
from WristQCLib.report import ReportError
from WristQCLib.report.agreement_report import CASES, FIGURES, PAGE, write_agreement

HOSTILE = "<script>alert(1)</script>"
FORMULA = "=cmd|'/c calc'!A1"


def image(*names: str, system: bool = True, spacing: bool = True) -> list[Reading]:
    """An image; the system is 5 mm off and a grade too low, the readers are of one opinion."""
    off = {**FRONTAL, "radial_styloid": (76.0, 208.0)}
    pitch = (0.5, 0.5) if spacing else None
    tasks = {"frontal_3": "good"}
    score = {"labels": summary(92, "A", tasks=tasks), "predicted": summary(82, "B", tasks=tasks)}
    return [
        reading(
            name,
            labels(spacing=pitch, by=f"person:{name}"),
            labels(off, spacing=pitch, by=MODEL) if system else None,
            score=score if system else {"labels": score["labels"]},
        )
        for name in names
    ]


def table(every: Sequence[Table], part: Part, title: str, subject: str | None = None) -> Table:
    return next(
        t for t in every if t.part is part and t.title == title and subject in (None, t.subject)
    )


def row(of: Table, name: str) -> dict[str, str]:
    cells = next(cells for cells in of.rows if cells[0] == name)
    return dict(zip(of.head, cells, strict=True))


def stored(folder: Path, images: Sequence[Sequence[Reading]]) -> LabelStore:
    store = LabelStore.open(folder / "store")
    for number, readings in enumerate(images):
        for one in readings:
            of = replace(one.labels.image, name=f"{number}.dcm", pixels_sha256=f"{number:02x}" * 32)
            store.accept(
                replace(one, labels=replace(one.labels, image=of), id=f"{one.reader}-{number}")
            )
    return store


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# Words and numbers --------------------------------------------------------------------------


def test_tables_are_rectangular_and_hold_words() -> None:
    for of in tables(agreement([image("Li", "Wang", "Xu"), image("Li", "Wang", spacing=False)])):
        assert of.rows
        assert all(len(cells) == len(of.head) for cells in of.rows)
        assert {type(cell) for cells in (of.head, *of.rows) for cell in cells} == {str}


def test_distances_stand_beside_the_published_ones() -> None:
    every = tables(agreement([image("Li")]))
    of = table(every, Part.AGAINST, "Distances of keypoints in mm", "Li")
    assert row(of, "Radial styloid") == {
        "Keypoint": "Radial styloid", "n": "1", "Mean": "5.00", "SD": "0.00", "Median": "5.00",
        "95 % up to": "5.00", "≤ 1 mm %": "0.0", "≤ 2 mm %": "0.0", "≤ 2.5 mm %": "0.0",
        "≤ 3 mm %": "0.0", "≤ 4 mm %": "0.0", "≤ 10 mm %": "100.0", "> 10 mm %": "0.0",
    }  # fmt: skip
    published = row(of, f"{PAPER}, frontal")
    assert (published["Mean"], published["SD"], published["n"]) == ("0.79", "3.25", "–")
    assert published["≤ 10 mm %"] == "99.6" and published["> 10 mm %"] == "0.4"


def test_grades_stand_beside_the_published_ones() -> None:
    of = table(tables(agreement([image("Li")])), Part.AGAINST, "Grades")
    overall = row(of, "Frontal: overall grade")
    assert (overall["n"], overall["Agree %"], overall["Published %"]) == ("1", "0.0", "82")
    task = row(of, "Frontal 3: Styloid line is perpendicular to the image's long axis")
    assert (task["Agree %"], task["Published %"]) == ("100.0", "76")


def test_readers_are_not_compared_with_the_published_system() -> None:
    for of in tables(agreement([image("Li", "Wang")])):
        if of.part is Part.AMONG:
            assert not any("ublished" in cell for cells in (of.head, *of.rows) for cell in cells)


def test_a_matrix_has_the_reader_in_rows_and_the_system_in_columns() -> None:
    of = table(tables(agreement([image("Li")])), Part.AGAINST, "Frontal: overall grade")
    assert of.matrix and of.head == ("reader ↓ system →", "A", "B", "C", "D")
    assert of.rows[0] == ("A", "0", "1", "0", "0")


def test_pairs_have_matrices_and_all_pairs_together_have_none() -> None:
    among = [t for t in tables(agreement([image("Li", "Wang", "Xu")])) if t.part is Part.AMONG]
    assert among[0].subject == "All pairs of readers"
    assert {t.subject for t in among if t.matrix} == {"Li and Wang", "Li and Xu", "Wang and Xu"}


def test_what_is_not_defined_is_a_dash() -> None:
    of = table(
        tables(agreement([image("Li", "Wang")])), Part.AMONG, "View, side and foreign object"
    )
    assert row(of, "View") == {"": "View", "n": "1", "Agree %": "100.0", "Kappa": "–"}


def test_there_is_no_table_in_millimetres_without_a_spacing() -> None:
    titles = {t.title for t in tables(agreement([image("Li", "Wang", spacing=False)]))}
    assert "Distances of keypoints in pixels" in titles
    assert "Distances of keypoints in mm" not in titles


def test_the_share_corrected_is_shown() -> None:
    of = table(tables(agreement([image("Li")])), Part.READINGS, "Readings")
    assert row(of, "Li") == {
        "Reader": "Li", "Readings": "1", "After the system": "1", "Corrected": "1",
        "Corrected %": "100.0",
    }  # fmt: skip
    assert "wrist_keypoints 1.0" in of.note


def test_the_published_figures_are_the_papers() -> None:
    assert paper.DETECTION[View.LATERAL]["mre"] == 3.813
    assert paper.DETECTION[View.FRONTAL]["sdr_2.5"] == 97.94
    assert paper.ARTEFACT_AGREEMENT[View.FRONTAL]["precision"] == 0.91
    assert paper.TASK_ACCURACY["lateral_2"] == 0.80


# What must be known -------------------------------------------------------------------------


def test_readings_after_the_system_are_told_not_to_be_independent() -> None:
    (told,) = remarks(agreement([image("Li", "Wang"), image("Li", system=False)]))
    assert told.startswith("2 of 3 readings were made after the system") and "anchoring" in told


def test_independent_readings_need_no_warning() -> None:
    assert remarks(agreement([image("Li", "Wang", system=False)])) == ()


def test_a_single_reader_is_told_what_is_missing() -> None:
    (told,) = remarks(agreement([image("Li", system=False)]))
    assert "read by two people" in told


def test_an_empty_store_says_so() -> None:
    (told,) = remarks(agreement([]))
    assert told.startswith("Nothing has been read yet") and tables(agreement([])) == ()


def test_several_protocols_and_forks_are_told() -> None:
    one = reading("Li", score={"labels": summary(90, "A")})
    other = reading("Li", score={"labels": summary(90, "A") | {"protocol": "mine 2"}}, minutes=5)
    told = " ".join(remarks(agreement([[one], [other]])))
    assert "several protocols" in told and "mine 2, wrist_radiograph 1.0" in told
    told = " ".join(remarks(agreement([[one, other]])))
    assert "1 reading is left out" in told


# Files --------------------------------------------------------------------------------------


def test_a_page_and_two_tables_are_written(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    store = stored(tmp_path, [image("Li", "Wang"), image("Li")])
    written = write_agreement(store, tmp_path / "out", created=START)
    assert written == [tmp_path / "out" / name for name in (PAGE, FIGURES, CASES)]
    page = written[0].read_text(encoding="utf-8")
    for text in ("Li and Wang", "Published study, frontal", "2026-01-02 09:00 UTC", "anchoring"):
        assert text in page
    assert 'style="--share: 1.000"' in page


def test_figures_are_numbers_in_the_table(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    write_agreement(stored(tmp_path, [image("Li")]), tmp_path)
    lines = {
        (r["part"], r["readers"], r["table"], r["row"], r["column"]): r["value"]
        for r in read(tmp_path / FIGURES)
    }
    against, grade = ("System against readers", "Li"), "Frontal: overall grade"
    assert lines[(*against, "Distances of keypoints in mm", "Radial styloid", "Mean")] == "5.0"
    assert lines[(*against, "Grades", grade, "n")] == "1"
    assert lines[(*against, grade, "A", "B")] == "1"
    # A negative number is no formula, an unknown one is empty.
    difference = "Mean difference, system minus reader"
    assert lines[(*against, "Totals, of 100 points", difference, "Value")] == "-10.0"
    assert lines[(*against, "View, side and foreign object", "View", "Kappa")] == ""


def test_cases_are_there_for_statistics_of_ones_own(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    write_agreement(stored(tmp_path, [image("Li", "Wang"), image("Li", spacing=False)]), tmp_path)
    lines = read(tmp_path / CASES)
    assert sorted((r["image"], r["first"], r["second"]) for r in lines) == [
        ("0.dcm", "Li", "Wang"),
        ("0.dcm", "Li", "system"),
        ("0.dcm", "Wang", "system"),
        ("1.dcm", "Li", "system"),
    ]
    known, unknown = (
        next(r for r in lines if r["image"] == name and r["second"] == "system")
        for name in ("0.dcm", "1.dcm")
    )
    assert (
        known["radial_styloid_distance_mm"] == "5.0"
        and unknown["radial_styloid_distance_px"] == "10.0"
    )
    assert known["radial_styloid_distance_px"] == unknown["radial_styloid_distance_mm"] == ""
    assert (known["grade_first"], known["grade_second"], known["total_second"]) == ("A", "B", "82")
    assert known["frontal_3_first"] == "good" and known["lateral_1_first"] == ""
    assert len(known["pixels_sha256"]) == 64


def test_names_are_text_on_the_page_and_no_formula_in_the_tables(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    write_agreement(stored(tmp_path, [image(HOSTILE, FORMULA)]), tmp_path)
    page = (tmp_path / PAGE).read_text(encoding="utf-8")
    assert HOSTILE not in page and "&lt;script&gt;alert(1)" in page
    assert len(re.findall(r"<script>", page)) == 1, "the report's own"
    assert f"'{FORMULA}" in {r["first"] for r in read(tmp_path / CASES)}
    assert not any(cell.startswith("=") for r in read(tmp_path / FIGURES) for cell in r.values())


def test_an_empty_store_has_a_page_that_says_so(tmp_path: Path) -> None:
    pytest.importorskip("jinja2")
    write_agreement(LabelStore.open(tmp_path / "store"), tmp_path)
    assert "Nothing has been read yet" in (tmp_path / PAGE).read_text(encoding="utf-8")
    assert read(tmp_path / FIGURES) == read(tmp_path / CASES) == []


def test_without_jinja2_the_tables_are_written_and_the_error_tells_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from WristQCLib.report import html_report

    html_report._environment.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(ReportError, match="needs the package jinja2"):
        write_agreement(stored(tmp_path, [image("Li")]), tmp_path)
    assert read(tmp_path / FIGURES) and read(tmp_path / CASES)
    assert not (tmp_path / PAGE).exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(ReportError, match="out"):
        write_agreement(stored(tmp_path, [image("Li")]), tmp_path / "out")
