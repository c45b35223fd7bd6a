"""Figures of agreement, by values that were worked by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reading_samples import FRONTAL, MODEL, labels, reading, summary

from WristQCLib.agreement import (
    Agreement,
    Comparison,
    PointAgreement,
    agreement,
    answers,
    compared_cases,
    store_agreement,
)
from WristQCLib.figures import (
    categories,
    cohen_kappa,
    distances,
    intraclass_correlation,
    yes_no,
)
from WristQCLib.findings import Side, View
from WristQCLib.keypoints import Keypoint, Keypoints
from WristQCLib.labels import ImageLabels
from WristQCLib.labels.reading import Reading
from WristQCLib.labels.store import LabelStore
from WristQCLib.protocol import load_protocol

LATERAL = {
    "scaphoid_centre": (99.5, 139.5),
    "distal_radius_centre": (95.0, 170.0),
    "proximal_radius_centre": (92.0, 270.0),
    "distal_ulna_centre": (104.0, 170.0),
    "proximal_ulna_centre": (107.0, 270.0),
}


def moved(dx: float, dy: float, name: str = "radial_styloid") -> dict[str, tuple[float, float]]:
    x, y = FRONTAL[name] or (0.0, 0.0)
    return {**FRONTAL, name: (x + dx, y + dy)}  # type: ignore[dict-item]


def point(comparison: Comparison, name: str | None, view: View = View.FRONTAL) -> PointAgreement:
    return next(p for p in comparison.points if p.keypoint == name and p.view is view)


def only(comparisons: tuple[Comparison, ...]) -> Comparison:
    (comparison,) = comparisons
    return comparison


def graded(reader: str, grade: str, system: str | None = None, minutes: int = 0) -> Reading:
    """A reading of which nothing but the overall grades matters."""
    score = {"labels": summary(80, grade)}
    if system is not None:
        score["predicted"] = summary(70, system)
    predicted = None if system is None else labels(by=MODEL)
    return reading(reader, predicted=predicted, score=score, minutes=minutes)


# Figures ------------------------------------------------------------------------------------


def test_kappa_is_what_is_left_of_agreement_after_chance() -> None:
    # 35 of 50 agree; by the margins (25, 25) and (30, 20) chance gives (750 + 500) / 2500 = 0.5.
    assert cohen_kappa([[20, 5], [10, 15]]) == pytest.approx((0.7 - 0.5) / 0.5)
    assert cohen_kappa([[5, 0], [0, 5]]) == 1.0
    assert cohen_kappa([[0, 5], [5, 0]]) == -1.0


def test_kappa_is_unknown_where_chance_alone_agrees_fully() -> None:
    assert cohen_kappa([[7, 0], [0, 0]]) is None
    assert cohen_kappa(np.zeros((2, 2))) is None
    # One of the two always says the same: no better than chance.
    assert cohen_kappa([[7, 3], [0, 0]]) == 0.0


def test_the_weighted_kappa_counts_squares_of_steps() -> None:
    counts = [[2, 1, 0], [0, 1, 1], [1, 0, 2]]
    # Margins 3, 2, 3 of 8 both ways. Observed: 1 + 1 + 4. Expected: four cells of 6 / 8 one step
    # off, two of 9 / 8 two steps off, four each: 3 + 9.
    assert cohen_kappa(counts, quadratic=True) == pytest.approx(1 - 6 / 12)
    # 5 of 8 agree; chance gives (9 + 4 + 9) / 64.
    assert cohen_kappa(counts) == pytest.approx((5 / 8 - 22 / 64) / (1 - 22 / 64))


def test_categories_without_a_place_in_the_order_have_no_part_in_the_weighted_kappa() -> None:
    pairs = [("A", "A"), ("B", "A"), ("B", "B"), ("A", "?"), ("?", "A")]
    found = categories(pairs, ["A", "B"], ordered=True)
    assert found is not None and found.names == ("A", "B", "?")
    assert found.counts == ((1, 0, 1), (1, 1, 0), (1, 0, 0))
    assert (found.count, found.agreed, found.accuracy) == (5, 2, 0.4)
    # Of three: observed 1, expected (1 * 1 + 2 * 2) / 3.
    assert found.weighted_count == 3
    assert found.weighted_kappa == pytest.approx(1 - 1 / (5 / 3))


def test_intraclass_correlation_of_shrout_and_fleiss() -> None:
    judges = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
    assert intraclass_correlation(judges) == pytest.approx(0.29, abs=0.005)
    # Always one point apart: MSR = 2, MSC = 1.5, MSE = 0; 2 / (2 + 2 * 1.5 / 3).
    assert intraclass_correlation([[1, 2], [2, 3], [3, 4]]) == pytest.approx(2 / 3)
    assert intraclass_correlation([[1, 1], [2, 2]]) == 1.0


@pytest.mark.parametrize("ratings", [[], [[1, 2]], [[1], [2]], [[3, 3], [3, 3]]])
def test_intraclass_correlation_is_unknown_without_variation(ratings: list[list[int]]) -> None:
    assert intraclass_correlation(ratings) is None


def test_distances_count_radii_inclusively() -> None:
    found = distances([0.0, 1.0, 2.0, 11.0, 10.0])
    assert found is not None
    assert (found.count, found.mean, found.median) == (5, 4.8, 2.0)
    assert found.within == {1.0: 40, 2.0: 60, 2.5: 60, 3.0: 60, 4.0: 60, 10.0: 80}
    assert found.missed == 20.0
    # Sum of squares 226 / 5 - 4.8^2 = 22.16.
    assert found.sd == pytest.approx(22.16**0.5)


def test_there_is_no_figure_of_nothing() -> None:
    assert distances([]) is None and categories([]) is None and yes_no([]) is None


def test_precision_and_recall_are_of_the_positives() -> None:
    found = yes_no([(True, True), (True, True), (True, False), (False, True), (False, False)])
    assert found is not None and (found.count, found.positives) == (5, 3)
    assert found.accuracy == 0.6
    assert found.precision == pytest.approx(2 / 3) and found.recall == pytest.approx(2 / 3)
    none = yes_no([(False, False)])
    assert none is not None and none.precision is None and none.recall is None


# Readers with each other --------------------------------------------------------------------


def test_distances_between_readers_are_in_millimetres() -> None:
    # 6 and 8 pixels of half a millimetre: 5 mm.
    pair = only(agreement([[reading("Li"), reading("Wang", labels(moved(6, 8)))]]).among)
    assert pair.readers == ("Li", "Wang") and not pair.system and pair.images == pair.cases == 1
    styloid, other = point(pair, "radial_styloid"), point(pair, "ulnar_styloid")
    assert styloid.mm is not None and styloid.mm.mean == pytest.approx(5.0)
    assert other.mm is not None and other.mm.mean == 0.0
    every = point(pair, None)
    assert every.mm is not None and every.mm.count == 3
    assert every.mm.mean == pytest.approx(5 / 3) and every.mm.within[4.0] == pytest.approx(200 / 3)
    assert {p.view for p in pair.points} == {View.FRONTAL}


def test_distances_follow_pixels_that_are_not_square() -> None:
    tall = (0.5, 1.0)
    images = [
        [reading("Li", labels(spacing=tall)), reading("Wang", labels(moved(6, 4), spacing=tall))]
    ]
    styloid = point(only(agreement(images).among), "radial_styloid")
    assert styloid.mm is not None and styloid.mm.mean == pytest.approx(5.0)


def test_distances_without_a_spacing_are_kept_apart_in_pixels() -> None:
    unknown = [
        reading("Li", labels(spacing=None)),
        reading("Wang", labels(moved(6, 8), spacing=None)),
    ]
    known = [reading("Li"), reading("Wang")]
    styloid = point(only(agreement([unknown, known]).among), "radial_styloid")
    assert styloid.px is not None and (styloid.px.count, styloid.px.mean) == (1, 10.0)
    assert styloid.mm is not None and (styloid.mm.count, styloid.mm.mean) == (1, 0.0)


def test_a_spacing_that_one_reader_stated_holds_for_both() -> None:
    images = [[reading("Li", labels(spacing=None)), reading("Wang", labels(moved(6, 8)))]]
    styloid = point(only(agreement(images).among), "radial_styloid")
    assert styloid.px is None and styloid.mm is not None and styloid.mm.mean == 5.0


def test_presence_is_compared_where_both_have_looked() -> None:
    gone = labels({**FRONTAL, "thumb_mcp_joint": None})
    waiting = replace(gone, keypoints=gone.keypoints.replaced(Keypoint("thumb_mcp_joint")))
    images = [
        [reading("Li"), reading("Wang", gone)],
        [reading("Li", gone), reading("Wang", gone)],
        [reading("Li", waiting), reading("Wang")],
    ]
    pair = only(agreement(images).among)
    thumb = point(pair, "thumb_mcp_joint")
    assert thumb.mm is None and thumb.presence is not None
    assert thumb.presence.counts == ((0, 1), (0, 1))
    whole = point(pair, None)
    assert whole.presence is not None and whole.presence.count == 2 + 3 + 3


def test_view_side_and_foreign_object_are_compared() -> None:
    images = [
        [reading("Li"), reading("Wang")],
        [reading("Li", labels(side=Side.RIGHT, artefact=True)), reading("Wang")],
        [reading("Li", labels(artefact=True)), reading("Wang", labels(artefact=True, side=None))],
        [reading("Li", labels(artefact=None)), reading("Wang", labels(LATERAL, view=View.LATERAL))],
    ]
    pair = only(agreement(images).among)
    assert pair.view is not None and pair.view.counts == ((3, 1), (0, 0))
    assert pair.side is not None and pair.side.counts == ((2, 0), (1, 0))
    everywhere, frontal = pair.artefacts
    assert (everywhere.view, frontal.view) == (None, View.FRONTAL)
    assert everywhere.answers.counts == ((1, 1), (0, 1))
    # Chance: 2 of 3 and 1 of 3 yes, 1 of 3 and 2 of 3 no: 4 / 9.
    assert everywhere.answers.kappa == pytest.approx((2 / 3 - 4 / 9) / (5 / 9))


def test_where_the_view_is_in_dispute_there_is_nothing_else_to_compare() -> None:
    images = [[reading("Li"), reading("Wang", labels(LATERAL, view=View.LATERAL))]]
    pair = only(agreement(images).among)
    assert pair.points == () and pair.grades == ()
    assert pair.view is not None and pair.view.agreed == 0


def test_each_pair_has_figures_and_kappa_of_all_is_their_mean_by_cases() -> None:
    def artefacts(*said: tuple[str, bool]) -> list[Reading]:
        return [reading(name, labels(artefact=there)) for name, there in said]

    # Li and Wang: always the same on two images, 1. Wang and Xu: one always yes, one always no, 0.
    # In one table, whose margins are 5, 1 and 1, 5, it were (2 / 6 - 10 / 36) / (26 / 36).
    images = [
        artefacts(("Li", True), ("Wang", True)),
        artefacts(("Li", False), ("Wang", False)),
        *[artefacts(("Wang", True), ("Xu", False))] * 4,
    ]
    every, li_wang, wang_xu = agreement(images).among
    assert every.readers == ("Li", "Wang", "Xu")
    assert (li_wang.readers, wang_xu.readers) == (("Li", "Wang"), ("Wang", "Xu"))
    kappas = [c.artefacts[0].answers.kappa for c in (every, li_wang, wang_xu)]
    assert kappas == [pytest.approx(2 / 6), 1.0, 0.0]
    assert every.artefacts[0].answers.accuracy == pytest.approx(2 / 6)
    assert (every.images, every.cases) == (6, 6)


def test_three_readers_of_an_image_are_three_pairs_of_one_image() -> None:
    every = agreement([[reading("Li"), reading("Wang"), reading("Xu")]]).among[0]
    assert (every.images, every.cases) == (1, 3)


def test_overall_grades_are_ordered_from_the_best() -> None:
    pairs = [("A", "A"), ("A", "B"), ("B", "B"), ("C", "A"), ("D", "D")]
    pair = only(agreement([[graded("Li", a), graded("Wang", b)] for a, b in pairs]).among)
    (overall,) = [g for g in pair.grades if g.task is None]
    assert overall.view is View.FRONTAL and overall.grades.names == ("A", "B", "C", "D")
    assert overall.grades.accuracy == 0.6
    # Observed 1 + 4. Rows 2, 1, 1, 1, columns 2, 2, 0, 1, expected:
    # (2 * 2 * 1 + 2 * 1 * 9 + 2 * 1 + 1 * 4 + 2 * 4 + 2 * 1 + 1 * 1 + 2 * 9 + 2 * 4) / 5 = 65 / 5.
    assert overall.grades.weighted_kappa == pytest.approx(1 - 5 / 13)


def test_task_grades_are_ordered_from_the_best_and_may_be_not_assessable() -> None:
    def said(name: str, grade: str | None) -> Reading:
        return reading(name, score={"labels": summary(80, "B", tasks={"frontal_3": grade})})

    images = [
        [said("Li", "good"), said("Wang", "excellent")],
        [said("Li", "good"), said("Wang", None)],
        [said("Li", None), said("Wang", None)],
    ]
    (task, _) = only(agreement(images).among).grades
    assert task.task == "frontal_3" and task.title.startswith("Styloid line")
    assert task.grades.names == ("excellent", "good", "poor", "fail", "not assessable")
    assert task.grades.count == 2 and task.grades.weighted_count == 1


def test_labels_without_a_score_are_graded_by_their_keypoints() -> None:
    # A styloid line that rises by 45 degrees is a fail, a level one is excellent.
    tilted = {**FRONTAL, "radial_styloid": (70.0, 140.0)}
    pair = only(agreement([[reading("Li"), reading("Wang", labels(tilted))]]).among)
    tasks = {g.task: g.grades for g in pair.grades}
    assert None not in tasks, "without basic information there is no overall grade"
    third = tasks["frontal_3"]
    assert third.counts[third.names.index("excellent")][third.names.index("fail")] == 1


def test_totals_differ_and_correlate() -> None:
    def total(name: str, points: int) -> Reading:
        return reading(name, score={"labels": summary(points, "B")})

    rows = [(81, 82), (82, 83), (83, 84)]
    pair = only(agreement([[total("Li", a), total("Wang", b)] for a, b in rows]).among)
    assert pair.totals is not None
    assert (pair.totals.count, pair.totals.difference, pair.totals.largest) == (3, 1.0, 1)
    assert pair.totals.correlation == pytest.approx(2 / 3)


def test_correlation_of_all_readers_is_of_images_that_all_have_read() -> None:
    def total(name: str, points: int) -> Reading:
        return reading(name, score={"labels": summary(points, "B")})

    images = [
        [total("Li", 80), total("Wang", 80), total("Xu", 80)],
        [total("Li", 70), total("Wang", 70), total("Xu", 70)],
        [total("Li", 90), total("Wang", 60)],
    ]
    every = agreement(images).among[0]
    assert every.totals is not None and every.totals.count == 7
    assert (every.totals.images, every.totals.correlation) == (2, 1.0)


# Which readings count -----------------------------------------------------------------------


def test_of_a_readers_readings_the_last_counts() -> None:
    first = reading("Li", labels(moved(6, 8)))
    second = reading("Li", minutes=5, based_on=first.id)
    found = agreement([[second, first, reading("Wang")]])
    styloid = point(only(found.among), "radial_styloid")
    assert styloid.mm is not None and styloid.mm.mean == 0.0
    assert found.forked == 0 and [c.images for c in found.readers] == [2, 1, 1]


def test_of_two_readings_that_do_not_know_each_other_the_newest_counts_and_it_is_told() -> None:
    images = [[reading("Li", minutes=5), reading("Li", labels(moved(6, 8))), reading("Wang")]]
    found = agreement(images)
    styloid = point(only(found.among), "radial_styloid")
    assert styloid.mm is not None and styloid.mm.mean == 0.0
    assert found.forked == 1


def test_a_reader_who_decided_between_two_own_readings_has_one() -> None:
    one, two = reading("Li", labels(moved(6, 8))), reading("Li", minutes=1)
    decided = reading("Li", labels(moved(3, 4)), minutes=2, resolves=(one.id, two.id))
    found = agreement([[one, two, decided, reading("Wang")]])
    styloid = point(only(found.among), "radial_styloid")
    assert styloid.mm is not None and styloid.mm.mean == 2.5 and found.forked == 0


def test_a_decision_between_readers_is_no_opinion_of_its_own() -> None:
    li, wang = reading("Li"), reading("Wang", labels(moved(6, 8)))
    for by in ("Li", "Xu"):
        decided = reading(by, labels(moved(3, 4)), minutes=9, resolves=(li.id, wang.id))
        pair = only(agreement([[li, wang, decided]]).among)
        styloid = point(pair, "radial_styloid")
        assert pair.readers == ("Li", "Wang") and styloid.mm is not None
        assert styloid.mm.mean == 5.0


def test_nothing_read_gives_nothing() -> None:
    assert agreement([]) == agreement([[]]) == Agreement(0, 0, (), (), (), (), (), 0)


# System against readers ---------------------------------------------------------------------


def test_the_system_is_measured_against_the_reader() -> None:
    gone = labels({**FRONTAL, "thumb_mcp_joint": None}, by=MODEL)
    images = [
        [reading("Li", predicted=labels(moved(6, 8), by=MODEL))],
        [reading("Li", predicted=labels(moved(30, 0), artefact=True, by=MODEL))],
        [reading("Li", labels(artefact=True), gone)],
        [reading("Li")],
    ]
    found = agreement(images)
    assert found.among == () and found.models == (MODEL,)
    system = only(found.against)
    assert system.system and system.readers == ("Li",) and system.images == 3
    styloid = point(system, "radial_styloid")
    # 5, 15 and 0 mm.
    assert styloid.mm is not None and styloid.mm.mean == pytest.approx(20 / 3)
    assert styloid.mm.missed == pytest.approx(100 / 3)
    thumb = point(system, "thumb_mcp_joint")
    assert thumb.presence is not None and thumb.presence.counts == ((2, 1), (0, 0))
    assert system.artefacts[0].detection.accuracy == pytest.approx(1 / 3)
    assert system.artefacts[0].detection.precision == 0.0


def test_the_share_corrected_is_of_readings_that_the_system_had_spoken_of() -> None:
    images = [
        [reading("Li", predicted=labels(by=MODEL)), reading("Wang")],
        [reading("Li", predicted=labels(moved(6, 8), by=MODEL))],
    ]
    found = agreement(images)
    counts = [(c.reader, c.images, c.predicted, c.corrected) for c in found.readers]
    assert counts == [(None, 3, 2, 1), ("Li", 2, 2, 1), ("Wang", 1, 0, 0)]
    assert found.predicted == 2


def nothing_found() -> ImageLabels:
    empty = labels(artefact=None)
    return replace(empty, keypoints=Keypoints.to_be_placed(View.FRONTAL))


def test_a_system_that_said_nothing_is_not_judged() -> None:
    found = agreement([[reading("Li", predicted=nothing_found())]])
    assert found.against == () and found.predicted == 0


def test_a_view_that_the_system_did_not_know_is_not_wrong() -> None:
    score = {"labels": summary(80, "B"), "predicted": summary(40, "D", view=None)}
    spoken = replace(nothing_found(), artefact=labels().artefact)
    system = only(agreement([[reading("Li", predicted=spoken, score=score)]]).against)
    assert system.view is None and system.points == ()
    (overall,) = system.grades
    assert overall.grades.counts[1][3] == 1


def test_the_system_fails_a_task_that_only_the_reader_could_grade() -> None:
    def case(of_reader: str | None, of_system: str | None) -> list[Reading]:
        score = {
            "labels": summary(80, "B", tasks={"frontal_3": of_reader}),
            "predicted": summary(80, "B", tasks={"frontal_3": of_system}),
        }
        return [reading("Li", predicted=labels(by=MODEL), score=score)]

    images = [case("good", "good"), case("good", None), case(None, "good"), case(None, None)]
    task = only(agreement(images).against).grades[0]
    assert task.grades.count == 2 and task.grades.accuracy == 0.5


def test_all_readers_stand_before_each() -> None:
    images = [[graded("Li", "A", "A"), graded("Wang", "A", "B")], [graded("Wang", "B", "B")]]
    every, li, wang = agreement(images).against
    assert (every.readers, li.readers, wang.readers) == (("Li", "Wang"), ("Li",), ("Wang",))
    assert (every.images, every.cases) == (2, 3)
    (overall,) = [g for g in every.grades if g.task is None]
    assert overall.grades.accuracy == pytest.approx(2 / 3)


# From a store -------------------------------------------------------------------------------


def test_a_store_is_read_as_a_whole(tmp_path: Path) -> None:
    store = LabelStore.open(tmp_path)
    for number in range(2):
        for name, positions in (("Li", FRONTAL), ("Wang", moved(6, 8))):
            plain = labels(positions)
            image = replace(plain.image, pixels_sha256=f"{number:02x}" * 32)
            store.accept(reading(name, replace(plain, image=image), id_=f"{name}-{number}"))
    found = store_agreement(store)
    assert (found.images, found.doubly_read) == (2, 2)
    styloid = point(only(found.among), "radial_styloid")
    assert styloid.mm is not None and (styloid.mm.count, styloid.mm.mean) == (2, 5.0)


def test_cases_tell_who_says_what() -> None:
    images = [[reading("Li", predicted=labels(artefact=True, by=MODEL)), reading("Wang")]]
    readers, system = compared_cases(images)
    assert (readers.first, readers.second) == ("Li", "Wang")
    assert (system.first, system.second) == ("Li", None)
    said = answers(system.case, load_protocol())
    assert said["artefact"] == ("no", "yes") and said["view"] == ("frontal", "frontal")
    assert said["thumb_mcp_joint"] == ("yes", "yes") and "grade" not in said
