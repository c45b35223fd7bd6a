"""What the panel says of an assessment."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessment import Assessment
from WristQCLib.assessor import reassess
from WristQCLib.findings import Finding, Sourced, View
from WristQCLib.keypoints import Keypoint, Keypoints
from WristQCLib.panel import (
    State,
    advice_rows,
    badge,
    keypoint_rows,
    remarks,
    task_rows,
    told_of,
)
from WristQCLib.protocol import load_protocol
from WristQCLib.radiograph import Radiograph
from WristQCLib.slicer_panel.colours import DARK, LIGHT
from WristQCLib.worklist import first_look

# 400 x 320 pixels of 0.4 x 0.5 mm: a field of 16 x 16 cm.
SPACING = (0.4, 0.5)


def assessed(
    spacing: tuple[float, float] | None = SPACING, **points: tuple[float, float] | None
) -> Assessment:
    import numpy as np

    image = Radiograph.from_pixels(np.zeros((320, 400)), spacing=spacing, view="frontal", side="L")
    keypoints = Keypoints.from_positions(View.FRONTAL, points, "person:Ada")
    return reassess(first_look(image, load_protocol()), keypoints=keypoints)


@pytest.fixture(scope="module")
def good() -> Assessment:
    """Styloids level, 4 cm apart, in the middle; 4 cm above the lower border lacks 4 cm."""
    return assessed(
        thumb_mcp_joint=(60, 80), radial_styloid=(149.5, 159.5), ulnar_styloid=(249.5, 159.5)
    )


def row_of(assessment: Assessment, task: str):
    return next(row for row in task_rows(assessment) if task in row.tasks)


def test_a_row_tells_measured_value_points_and_nothing_else_when_all_points_were_given(
    good,
) -> None:
    row = row_of(good, "frontal_3")
    assert (row.measured, row.points, row.detail, row.state) == ("0.0°", "10/10", "", State.FULL)


def test_a_row_says_what_would_have_had_all_points(good) -> None:
    row = row_of(good, "frontal_2")  # 8 cm to the lower border
    assert (row.measured, row.points, row.state) == ("8.0 cm", "0/5", State.LOST)
    assert row.detail == "Full points: 3–5 cm."


def test_each_measurement_that_cost_points_is_told(good) -> None:
    row = row_of(assessed(radial_styloid=(149.5, 219.5), ulnar_styloid=(249.5, 219.5)), "frontal_4")
    assert row.measured == "6.0 cm\n0.0 cm"
    assert row.detail == "Styloid midpoint vertical offset 6.0 cm: −5 (full points: up to 1 cm)."


def test_a_task_that_is_open_shows_the_range_of_its_points() -> None:
    row = row_of(
        assessed(spacing=None, radial_styloid=(149, 160), ulnar_styloid=(249, 160)), "frontal_2"
    )
    assert (row.measured, row.points, row.state) == ("–", "0–5/5", State.OPEN)
    assert "spacing is unknown" in row.detail


def test_items_of_basic_information_are_one_row(good) -> None:
    rows = task_rows(good)
    assert len(rows[0].tasks) == 17
    assert rows[0].points == "0–34/34"
    assert rows[0].measured == "0 of 17"
    assert len(rows) == 1 + 2 + 5


def test_the_badge_of_an_incomplete_score_tells_its_range(good) -> None:
    shown = badge(good)
    assert shown.grade == "D"
    assert shown.rank == 3
    assert shown.range == f"{good.score.total} to {good.score.reachable} possible, grade D to B"


def test_the_badge_of_a_complete_score_has_no_range(good) -> None:
    tasks = tuple(replace(t, assessable=True) for t in good.score.tasks)
    assert badge(replace(good, score=replace(good.score, tasks=tasks))).range == ""


@pytest.mark.parametrize(("theme", "half"), [(LIGHT, 0), (DARK, 1)], ids=["light", "dark"])
def test_colours_are_those_of_the_report(theme, half) -> None:
    css = (Path(__file__).parent.parent / "Resources/Report/report.css").read_text()
    found = re.findall(r"--([\w-]+): (#\w+)", css.split("@media (prefers-color")[half])
    said = dict(reversed(found))  # the first of each
    assert tuple(said[f"g{n}"] for n in range(4)) == theme.grades
    assert (said["lost"], said["muted"], said["none"]) == (theme.lost, theme.muted, theme.unknown)
    assert theme.on_grade.startswith(said["on-grade"])


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    r, g, b = ((p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4) for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("theme", "base"), [(LIGHT, "#ffffff"), (DARK, "#323232")])
def test_texts_are_readable_on_the_background_of_slicers_themes(theme, base) -> None:
    for colour in (theme.lost, theme.muted):
        assert contrast(colour, base) >= 4.5  # WCAG 2.2, 1.4.3
    for colour in (*theme.grades, theme.unknown):
        assert contrast(colour, base) >= 3  # large letters
        assert contrast(colour, theme.on_grade) >= 3


def test_keypoints_tell_where_they_are_and_who_says_so() -> None:
    keypoints = Keypoints.from_points(
        View.FRONTAL,
        [
            Keypoint("thumb_mcp_joint", Finding.NOT_FOUND, confidence=0.04),
            Keypoint("radial_styloid", Finding.FOUND, (1.0, 2.0), placed_by="person:Ada"),
        ],
    )
    rows = keypoint_rows(reassess(assessed(), keypoints=keypoints))
    assert [(row.title, row.state) for row in rows] == [
        ("P1 thumb MCP joint", "not in the image (4%)"),
        ("P2 radial styloid", "found, by Ada"),
        ("P3 ulnar styloid", "to be placed"),
    ]


def test_a_foreign_object_tells_its_probability(good) -> None:
    finding = ArtefactFinding.from_probability(0.83, 0.5, "model:x")
    assert row_of(reassess(good, artefact=finding), "artefact").measured == "present (83%)"
    assert (
        row_of(reassess(good, artefact=ArtefactFinding.stated(False)), "artefact").measured
        == "none"
    )


def test_an_unknown_pixel_size_and_view_are_remarked() -> None:
    unknown = replace(assessed(spacing=None), view=Sourced(None, "not given"))
    told = " ".join(remarks(unknown))
    assert "view is unknown" in told
    assert "pixel size is unknown" in told


def test_view_and_side_are_told_with_their_probability(good) -> None:
    assert told_of(good) == "frontal, left"
    inferred = replace(good, view=Sourced(View.FRONTAL, "inferred", 0.97), device="cpu")
    assert told_of(inferred) == "frontal (97%), left, models on cpu"


def test_advice_begins_with_a_capital_letter_and_tells_its_gain(good) -> None:
    from WristQCLib.advice import Advice

    assert advice_rows([Advice("move it", 3, ("frontal_2",))]) == (
        ("+3", "Move it", ("frontal_2",)),
    )
