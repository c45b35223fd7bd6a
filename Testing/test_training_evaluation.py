from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("monai")

from Testing.test_training_data import write_labelled
from training import fit_view
from training.calibration import Error, fit_spread, platt
from training.evaluate import write_csv
from training.evaluation_report import SUBGROUPS, grade_pairs, markdown, task_pairs
from training.export import balanced, presence_threshold
from training.labels import read_label
from training.metrics import (
    bootstrap_interval,
    calibration,
    circle_radius,
    coverage,
    roc_curve,
)
from training.plots import draw
from training.results import ImageResult, PointResult, known_spacing, scored
from training.tables import confusion, number, table
from WristQCLib.artefact import ArtefactFinding
from WristQCLib.findings import View
from WristQCLib.keypoints import Keypoint, Keypoints
from WristQCLib.protocol import load_protocol

PROTOCOL = load_protocol()
STYLOIDS = {"radial_styloid": (20.0, 50.0), "ulnar_styloid": (40.0, 50.0)}


def placed(positions: dict[str, tuple[float, float] | None]) -> list[Keypoint]:
    return list(Keypoints.from_positions(View.FRONTAL, positions))


def test_a_roc_curve_goes_through_the_rates_at_each_threshold() -> None:
    false, true = roc_curve([0.9, 0.8, 0.8, 0.1], [True, True, False, False])
    # From 0.9: one of two positives; from 0.8, a tie: both of them and one of two negatives.
    assert false.tolist() == [0, 0, 0.5, 1] and true.tolist() == [0, 0.5, 1, 1]


def test_the_calibration_error_is_the_weighted_difference_of_said_and_so() -> None:
    rows, error = calibration([0.1, 0.1, 0.95, 0.95], [False, True, True, True], bins=10)
    assert rows == [(pytest.approx(0.1), 0.5, 2), (pytest.approx(0.95), 1.0, 2)]
    assert error == pytest.approx((2 * 0.4 + 2 * 0.05) / 4)
    assert calibration([1.0], [True])[1] == 0


def test_a_bootstrap_interval_holds_the_mean_and_shrinks_with_the_number_of_cases() -> None:
    rng = np.random.default_rng(1)
    few, many = rng.normal(size=20), rng.normal(size=2000)
    narrow = bootstrap_interval(lambda chosen: float(many[chosen].mean()), 2000, draws=300)
    wide = bootstrap_interval(lambda chosen: float(few[chosen].mean()), 20, draws=300)
    assert narrow[0] < many.mean() < narrow[1]
    # Twice 1.96 standard errors.
    assert narrow[1] - narrow[0] == pytest.approx(3.92 / math.sqrt(2000), rel=0.2)
    assert wide[1] - wide[0] > 5 * (narrow[1] - narrow[0])


def test_half_of_a_round_gaussian_lies_within_1_1774_deviations() -> None:
    assert circle_radius(0.5) == pytest.approx(1.1774, abs=1e-4)
    held = coverage([1.0, 1.0, 3.0, 1.0], [1.0, 1.0, 1.0, 0.5])
    assert held[0.5] == 0.5 and held[0.9] == 0.75


def test_spreads_are_fitted_to_the_errors_and_hold_what_they_promise() -> None:
    rng = np.random.default_rng(0)
    extents, heights = rng.uniform(1.0, 6.0, 4000), rng.uniform(0.1, 0.9, 4000)
    names = ("a", "b")
    errors = []
    for k, (extent, height) in enumerate(zip(extents, heights, strict=True)):
        deviation = (0.5 if k % 2 else 2.0) * extent * height**-0.5
        error = float(np.hypot(*rng.normal(0.0, deviation, 2)))
        errors.append(Error(names[k % 2], error, float(extent), float(height)))
    factors, powers = fit_spread(errors, names)
    assert powers == pytest.approx((1.0, -0.5), abs=0.1)
    assert factors == pytest.approx({"a": 2.0, "b": 0.5}, rel=0.1)
    assert fit_spread([], names) == ({"a": 1.0, "b": 1.0}, (1.0, 0.0))


def test_a_keypoint_with_few_errors_borrows_from_the_others() -> None:
    rng = np.random.default_rng(0)
    errors = [Error("a", float(e), 2.0, 0.5) for e in rng.rayleigh(1.0, 500)]
    factors, _ = fit_spread([*errors, Error("b", 40.0, 2.0, 0.5)], ("a", "b"))
    assert factors["b"] == pytest.approx(factors["a"], rel=0.05)


def test_a_presence_threshold_is_where_the_calibrated_probability_is_one_half() -> None:
    # As many of each kind: midway between the log odds of 0.3 and 0.6, -0.847 and 0.405.
    assert presence_threshold([0.3] * 30 + [0.6] * 30, [False] * 30 + [True] * 30) == pytest.approx(
        0.445, abs=0.002
    )
    assert presence_threshold([0.1, 0.9], [True, True]) == 0.5
    # A presence that tells nothing has a slope of almost 0: no threshold is far off then.
    useless = presence_threshold([0.1, 0.9] * 50, [False, False] + [True] * 98)
    assert 0.2 <= useless <= 0.6
    # Midway between 0.01 and 0.05 would be 0.02, between 0.9 and 0.99 0.97.
    assert presence_threshold([0.01] * 30 + [0.05] * 30, [False] * 30 + [True] * 30) == 0.2
    assert presence_threshold([0.9] * 30 + [0.99] * 30, [False] * 30 + [True] * 30) == 0.6


def test_an_estimated_spacing_is_not_told_to_a_detector(tmp_path: Path) -> None:
    label = read_label(write_labelled(tmp_path, "a", STYLOIDS, frontal=True))
    assert known_spacing(label) == (0.3, 0.4)
    bare = replace(label, spacing_mm=None, reference_width_px=100.0)
    assert known_spacing(bare) is None and known_spacing(bare, 0.2) == (0.2, 0.2)


def test_bands_of_factors_are_named_by_their_limits() -> None:
    assert SUBGROUPS["pronation_deg"](-12.0) == "5-15 deg"
    assert SUBGROUPS["pronation_deg"](40.0) == "from 30 deg"
    assert SUBGROUPS["rotation_deg"](355.0) == "0-10 deg"
    assert SUBGROUPS["cast"]("") == "none"


def test_a_table_leaves_unknown_figures_empty() -> None:
    assert [number(12), number(12.0), number(100.0)] == ["12", "12.00", "100.00"]
    assert table(["", "n"], [["a", number(math.nan)]]) == ["|  | n |", "| --- | --- |", "| a |  |"]
    assert confusion(["A", "B"], [("A", "A"), ("A", "B")])[2:] == [
        "| **A** | 1 | 1 |",
        "| **B** | 0 | 0 |",
    ]


def test_labelled_and_found_keypoints_are_scored_alike(tmp_path: Path) -> None:
    label = read_label(write_labelled(tmp_path, "a", STYLOIDS, size=(360, 240), frontal=True))
    none = ArtefactFinding.stated(False)
    level = placed(STYLOIDS | {"thumb_mcp_joint": None})
    tilted = placed(STYLOIDS | {"thumb_mcp_joint": None, "ulnar_styloid": (40.0, 80.0)})
    first, second = (scored(PROTOCOL, label, p, none, (0.3, 0.4)) for p in (level, tilted))
    assert first.complete and first.task("frontal_1").points == 0
    assert first.task("frontal_3").grade == "excellent"
    # 20 columns of 0.3 mm and 30 rows of 0.4 mm: 63 degrees off.
    assert second.task("frontal_3").grade == "fail"
    image = ImageResult("a", "frontal", 0.9, False, 0.1, 0.2, first, second)
    assert task_pairs([image], View.FRONTAL, "frontal_3") == [("excellent", "fail")]
    assert grade_pairs([image], View.LATERAL) == []


def results(tmp_path: Path) -> tuple[list[PointResult], list[ImageResult]]:
    label = read_label(write_labelled(tmp_path, "a", STYLOIDS, size=(360, 240), frontal=True))
    said = scored(
        PROTOCOL,
        label,
        placed(STYLOIDS | {"thumb_mcp_joint": None}),
        ArtefactFinding.stated(True),
        (0.3, 0.4),
    )
    points, images = [], []
    for k in range(8):
        factors = {"age_group": "adult" if k % 2 else "child", "rotation_deg": 5.0 * k}
        there = k % 4 != 0
        error = 0.5 * k if there else math.nan
        points += [
            PointResult(
                f"{k}.png", "frontal", name, there, there, error, error, 0.1 * k + 0.2, 1.0, 1.0,
                factors,
            )
            for name in ("thumb_mcp_joint", "radial_styloid")
        ]  # fmt: skip
        images.append(
            ImageResult(f"{k}.png", "frontal", 0.9, k % 2 == 0, 0.8, 0.5, said, said, factors)
        )
    return points, images


def test_the_page_has_every_section_and_the_papers_figures(tmp_path: Path) -> None:
    points, images = results(tmp_path)
    page = markdown(points, images, PROTOCOL)
    for title in ("Keypoints", "Presence", "Reliability", "Foreign object", "View", "Subgroups"):
        assert f"## {title}" in page
    assert "| frontal: paper |  | 0.79 | 3.25 |" in page
    assert "| frontal | age group: adult |" in page and "rotation: 10-20 deg" in page
    assert "| **overall grade** | 8 | 1.000 | 0.82 |" in page
    # Every second of eight is positive, and all are said to be.
    assert "| 8 | 4 | 0.500" in page and "| 0.500 (" in page


def test_pictures_and_tables_are_written_for_what_there_is(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    points, images = results(tmp_path)
    written = draw(points, images, PROTOCOL, tmp_path)
    assert {path.stem for path in written} == {
        "errors", "presence", "artefact", "spread", "grades_frontal",
    }  # fmt: skip
    assert all(path.stat().st_size > 1000 for path in written)
    assert draw([], [], PROTOCOL, tmp_path) == []
    write_csv(tmp_path / "images.csv", images)
    with (tmp_path / "images.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 8 and rows[1]["factor_age_group"] == "adult"
    assert rows[0]["labelled_frontal_3"] == "excellent"


def test_calibrated_probabilities_hold_what_they_promise() -> None:
    # A network that states 0.9 where 3 of 4 are right, and 0.5 where 1 of 4 are.
    scores = [0.9] * 400 + [0.5] * 400
    truth = ([True] * 3 + [False]) * 100 + ([True] + [False] * 3) * 100
    slope, offset = platt(scores, truth)

    def calibrated(score: float) -> float:
        return 1 / (1 + math.exp(-(slope * math.log(score / (1 - score)) + offset)))

    assert calibrated(0.9) == pytest.approx(0.75, abs=0.01)
    assert calibrated(0.5) == pytest.approx(0.25, abs=0.01)


def test_a_calibration_never_turns_answers_round_and_needs_both_kinds() -> None:
    assert platt([0.9, 0.8, 0.2, 0.1], [False, False, True, True]) == (1.0, 0.0)
    # One label stands at logits of 4 and 2, the other at 1 and -2: the border is near 1.5.
    apart = [1 / (1 + math.exp(-logit)) for logit in (4.0, 2.0, 1.0, -2.0)]
    slope, offset = platt(apart, [True, True, False, False])
    assert 1.0 < -offset / slope < 2.0
    slope, offset = platt(apart, [True, True, False, False], leaning=False)
    assert offset == 0.0 and slope > 0.0
    assert platt([0.9, 0.8], [True, True]) == (1.0, 0.0)
    assert platt([], []) == (1.0, 0.0)


def test_the_witnesses_of_the_view_count_by_how_often_they_are_right() -> None:
    # The first is always right, the second knows nothing.
    witnesses = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]] * 25)
    lateral = witnesses[:, 0] > 0
    constants = fit_view.fit(witnesses, lateral)
    assert constants[0] > 3
    assert np.abs(constants[1:]).max() < 0.02 * constants[0]
    assert fit_view.right(witnesses, lateral, constants) == 1.0
    assert fit_view.right(witnesses, lateral, np.array([0.0, 1.0, 0.0])) == 0.5


def test_neither_witness_of_the_view_leans_because_of_the_few_images_that_are_wrong() -> None:
    # Clarity is 0.8 or 1.0 in lateral views and 0.1 or 0.3 in frontal ones: half-way is 0.55.
    witnesses = np.array([[3.0, 0.8], [2.0, 1.0], [-3.0, 0.1], [-2.0, 0.3]] * 50)
    lateral = witnesses[:, 0] > 0
    witnesses[[0, 4], 0] = -1.0
    classifier, clear, bias = fit_view.fit(witnesses, lateral)
    assert classifier > 0 and clear > 0
    assert 0.55 * clear + bias == pytest.approx(0.0, abs=1e-9)


def test_real_images_count_as_much_as_simulated_ones(tmp_path: Path) -> None:
    label = read_label(write_labelled(tmp_path, "one", {"radial_styloid": (20.0, 30.0)}))
    simulated, real = replace(label, factors={"age": 30}), replace(label, factors={})
    images = [(simulated, k) for k in range(7)] + [(real, 7), (real, 8)]
    weighed = balanced(images)
    assert sum(not found.factors for found, _ in weighed) == 6
    assert sorted({number for _, number in weighed}) == list(range(9))
    assert balanced(images[:7]) == images[:7]
    assert balanced([]) == []
