"""Values and bands in words; what a person states of an image."""

from __future__ import annotations

import math
import sys
import types

import numpy as np
import pytest

from WristQCLib import wording
from WristQCLib.assessment import Assessment
from WristQCLib.assessor import reassess
from WristQCLib.findings import Side, Sourced, View
from WristQCLib.protocol import load_protocol
from WristQCLib.radiograph import Radiograph
from WristQCLib.stated import (
    StatementError,
    artefacts,
    sides,
    spacing_may_be_stated,
    spacing_text,
    stated_spacing,
    views,
)
from WristQCLib.translation import translator
from WristQCLib.wording import full_band, grade_rank, measured, zero_band
from WristQCLib.worklist import first_look

INF = math.inf


def image(spacing: float | None = None, aspect: float = 1.0) -> Assessment:
    """400 x 320 pixels."""
    radiograph = Radiograph.from_pixels(np.zeros((320, 400)), spacing=spacing, view="frontal")
    look = first_look(radiograph, load_protocol())
    return look if spacing else reassess_aspect(look, aspect)


def reassess_aspect(assessment: Assessment, aspect: float) -> Assessment:
    from dataclasses import replace

    return replace(assessment, geometry=replace(assessment.geometry, pixel_aspect=aspect))


@pytest.mark.parametrize(
    ("value", "unit", "limits", "told"),
    [
        (None, "cm", (), "–"),
        (3.04, "cm", (), "3.0 cm"),
        (5.04, "cm", (None, 5.0), "5.04 cm"),  # rounded it would lie on the limit
        (5.0, "cm", (-INF, 5.0), "5.0 cm"),
        (16.96, "deg", (5.0,), "17.0°"),
        (1.0, "", (), "yes"),
        (0.0, "", (), "no"),
    ],
)
def test_a_measured_value_has_as_many_decimals_as_tell_it_from_a_limit(value, unit, limits, told):
    assert measured(value, unit, limits) == told


@pytest.mark.parametrize("none", [None, INF])
def test_bands_without_an_end_are_told_by_the_other(none):
    low = None if none is None else -INF
    assert full_band(low, 1.0, "cm") == "up to 1 cm"
    assert full_band(2.0, none, "deg") == "from 2°"
    assert full_band(3.0, 5.0, "cm") == "3–5 cm"
    assert zero_band(2.0, 6.0, "cm") == "≤ 2 or ≥ 6 cm"
    assert zero_band(low, 10.0, "deg") == "≥ 10°"


def test_words_are_translated_by_who_asks():
    german = {"up to {high}": "bis {high}", "yes": "ja"}
    assert full_band(None, 1.0, "cm", lambda text: german.get(text, text)) == "bis 1 cm"
    assert measured(1.0, "", (), lambda text: german.get(text, text)) == "ja"


def test_the_best_grade_has_rank_0_and_more_grades_than_colours_share_the_last():
    grades = {"poor": 0.0, "best": 90.0, "good": 80.0, "fair": 70.0, "meagre": 60.0}
    assert [grade_rank(grades, name) for name in grades] == [3, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("text", "spacing"),
    [
        ("0.15", (0.15, 0.15)),
        (" 0,15 mm ", (0.15, 0.15)),
        (".2", (0.2, 0.2)),
        ("0.1 x 0.2", (0.1, 0.2)),
        ("0,1×0,2 mm", (0.1, 0.2)),
        ("", None),
        ("  ", None),
    ],
)
def test_a_pixel_size_is_one_number_or_width_and_height(text, spacing):
    assert stated_spacing(text, image()) == spacing


def test_the_height_of_a_pixel_follows_from_the_aspect_that_the_file_tells():
    assert stated_spacing("0.1", image(aspect=1.5)) == pytest.approx((0.1, 0.15))


@pytest.mark.parametrize("text", ["abc", "-0.1", "0.1 cm", "1e-1", "0.1 0.1 0.1", "nan"])
def test_what_is_no_pixel_size_is_refused_with_an_example(text):
    with pytest.raises(StatementError, match=r"type the width of a pixel in mm, as 0\.15"):
        stated_spacing(text, image())


def test_a_pixel_size_that_makes_an_impossible_image_is_refused():
    with pytest.raises(StatementError, match="would measure 600 x 480 cm"):
        stated_spacing("15", image())
    with pytest.raises(StatementError, match="cannot be"):
        stated_spacing("0.0001", image())
    with pytest.raises(StatementError, match="cannot be"):
        stated_spacing("0", image())


def test_a_pixel_size_may_be_stated_only_where_the_file_tells_none():
    unknown, told = image(), image(spacing=0.2)
    from_file = reassess(told, spacing=Sourced((0.2, 0.2), "PixelSpacing (0028,0030)"))
    assert spacing_may_be_stated(unknown)
    assert spacing_text(unknown) == ""
    assert not spacing_may_be_stated(from_file)
    stated = reassess(unknown, spacing=Sourced((0.15, 0.2), "user"))
    assert spacing_may_be_stated(stated)
    assert spacing_text(stated) == "0.15 x 0.2"
    assert stated_spacing(spacing_text(stated), stated) == (0.15, 0.2)


def test_choices_name_each_value_and_begin_with_the_unknown():
    assert dict(zip(views().names, views().values, strict=True)) == {
        "unknown": None, "frontal": View.FRONTAL, "lateral": View.LATERAL,
    }  # fmt: skip
    assert dict(zip(sides().names, sides().values, strict=True)) == {
        "unknown": None, "left": Side.LEFT, "right": Side.RIGHT,
    }  # fmt: skip
    assert dict(zip(artefacts().names, artefacts().values, strict=True)) == {
        "not looked for": None, "none": False, "present": True,
    }  # fmt: skip
    assert sides().place(Side.RIGHT) == 2


def test_texts_are_asked_of_slicer_once_and_a_translation_that_lost_a_value_is_not_taken(
    monkeypatch,
):
    asked: list[tuple[str, str]] = []
    dictionary = {"{n} images": "{n} Bilder", "{n} points": "{punkte} Punkte"}

    def translate(context: str, text: str) -> str:
        asked.append((context, text))
        return dictionary.get(text, text)

    i18n = types.ModuleType("slicer.i18n")
    i18n.translate, i18n.getContext = translate, lambda file: f"WristQCLib.{file}"
    monkeypatch.setitem(sys.modules, "slicer", types.ModuleType("slicer"))
    monkeypatch.setitem(sys.modules, "slicer.i18n", i18n)
    _ = translator("panel")
    assert [_("{n} images") for _n in range(3)] == ["{n} Bilder"] * 3
    assert asked == [("WristQCLib.panel", "{n} images")]
    assert _("{n} points") == "{n} points"


def test_a_grade_without_doubt_has_no_probabilities_told():
    assert wording.grade_probabilities({"A": 1.0}) == ""
    assert wording.grade_probabilities({"A": 0.98, "B": 0.02}) == ""


def test_likely_grades_are_told_in_percent():
    told = wording.grade_probabilities({"B": 0.72, "A": 0.26, "C": 0.02})
    assert told == "Probability: B 72%, A 26%"


def test_points_to_check_are_named_in_words():
    told = wording.please_check(["radial_styloid", "thumb_mcp_joint"])
    assert told.startswith("Please check: radial styloid, thumb MCP joint.")
    assert wording.please_check([]) == ""
