"""Readings that replace each other, contradict each other, or agree."""

from __future__ import annotations

from dataclasses import replace

import pytest
from label_samples import MODEL
from store_samples import NOON, labels, reading

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import Keypoint, Keypoints
from WristQCLib.labels import Placement, Reading
from WristQCLib.labels.conflicts import Kind, conflicts_of, consensus_of, disagreement, heads
from WristQCLib.measurements import ImageGeometry

LI = reading(reader="Dr Li", id="a")
LI_AGAIN = reading(reader="Dr Li", id="b", minute=1, based_on="a", radial_styloid=(300.0, 200.0))
WU = reading(reader="Dr Wu", id="c", minute=2)


def changed(one: Reading, **changes: object) -> Reading:
    return replace(one, labels=replace(one.labels, **changes))


def with_point(one: Reading, point: Keypoint) -> Reading:
    return changed(one, keypoints=one.labels.keypoints.replaced(point))


def test_a_readers_later_reading_replaces_the_one_that_it_is_based_on() -> None:
    assert heads([LI_AGAIN, LI]) == [LI_AGAIN]
    assert conflicts_of("key", [LI, LI_AGAIN]) == []


def test_a_reading_based_on_anothers_replaces_nothing() -> None:
    other = replace(WU, based_on="a")
    assert heads([LI, other]) == [LI, other]


def test_two_readings_of_one_reader_that_do_not_know_each_other_are_a_fork() -> None:
    fork = replace(LI_AGAIN, based_on=None)
    (conflict,) = conflicts_of("key", [LI, fork])
    assert (conflict.key, conflict.name, conflict.kind) == ("key", "wrist0.dcm", Kind.FORK)
    assert conflict.readings == (LI, fork)
    assert conflict.sentence == (
        "wrist0.dcm has 2 readings of Dr Li, made without knowing each other;"
        " choose one or read it again."
    )
    assert consensus_of([LI, fork]) is None


def test_a_fork_that_says_the_same_twice_is_no_conflict() -> None:
    twice = reading(reader="Dr Li", id="d", minute=5)
    assert conflicts_of("key", [LI, twice]) == []
    assert consensus_of([LI, twice]) is not None


@pytest.mark.parametrize(
    ("x", "apart"),
    [(149.9, False), (150.1, True)],  # 0.1 mm a column, so 4.99 and 5.01 mm
)
def test_points_up_to_5_mm_apart_agree(x: float, apart: bool) -> None:
    other = reading(reader="Dr Wu", radial_styloid=(x, 200.0))
    sentence = "Dr Li and Dr Wu place the radial styloid 5.0 mm apart" if apart else ""
    assert disagreement(LI, other) == sentence
    assert (consensus_of([LI, other]) is None) == apart


def test_rows_are_measured_with_their_own_spacing() -> None:
    # 17 rows of 0.3 mm are 5.1 mm
    other = reading(reader="Dr Wu", radial_styloid=(100.0, 217.0))
    assert disagreement(LI, other).endswith("radial styloid 5.1 mm apart")


@pytest.mark.parametrize(("x", "apart"), [(119.9, False), (120.1, True)])
def test_without_spacing_2_percent_of_the_diagonal_agree(x: float, apart: bool) -> None:
    unknown = replace(LI.image, geometry=ImageGeometry(800, 600))  # diagonal 1000 pixels
    one = changed(LI, image=unknown)
    other = changed(reading(reader="Dr Wu", radial_styloid=(x, 200.0)), image=unknown)
    assert bool(disagreement(one, other)) == apart


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (changed(WU, side=Side.RIGHT), "another side (L, R)"),
        (changed(WU, artefact=ArtefactFinding.stated(False)), "there is a foreign object"),
        (
            with_point(WU, Keypoint("radial_styloid", Finding.NOT_FOUND)),
            "whether the radial styloid is in the image",
        ),
        (
            changed(WU, keypoints=Keypoints.to_be_placed(View.LATERAL)),
            "another view (frontal, lateral)",
        ),
    ],
)
def test_readers_disagree_on(other: Reading, what: str) -> None:
    (conflict,) = conflicts_of("key", [LI, other])
    assert conflict.kind is Kind.DISAGREEMENT
    assert what in conflict.sentence


@pytest.mark.parametrize(
    "other",
    [
        changed(WU, side=None),
        changed(WU, artefact=ArtefactFinding.not_assessed("nobody looked")),
        with_point(WU, Keypoint("radial_styloid")),
    ],
)
def test_what_a_reader_does_not_say_contradicts_nothing(other: Reading) -> None:
    assert conflicts_of("key", [LI, other]) == []
    said = consensus_of([LI, other])
    assert said is not None
    assert (said.side, said.artefact) == (LI.labels.side, LI.labels.artefact)
    assert said.keypoints["radial_styloid"].position == (100.0, 200.0)


def test_a_reader_may_disagree_with_one_that_was_replaced() -> None:
    assert conflicts_of("key", [LI, WU]) == []
    assert [c.kind for c in conflicts_of("key", [LI, LI_AGAIN, WU])] == [Kind.DISAGREEMENT]


def test_a_resolution_goes_before_what_it_decides() -> None:
    chief = reading(reader="Dr Ng", id="z", minute=9, resolves=("b", "c"))
    assert heads([LI, LI_AGAIN, WU, chief]) == [chief]
    assert conflicts_of("key", [LI, LI_AGAIN, WU, chief]) == []
    assert consensus_of([LI, LI_AGAIN, WU, chief]) == chief.labels


def test_a_reading_that_contradicts_the_resolution_is_a_conflict_again() -> None:
    chief = reading(reader="Dr Ng", id="z", minute=9, resolves=("b", "c"))
    later = reading(reader="Dr Ma", id="y", minute=10, radial_styloid=(300.0, 200.0))
    agreeing = reading(reader="Dr Ma", id="y", minute=10, radial_styloid=(120.0, 200.0))
    before = [LI, LI_AGAIN, WU, chief]
    assert consensus_of([*before, later]) is None
    assert consensus_of([*before, agreeing]) == chief.labels


def test_readers_that_agree_amount_to_the_mean_of_their_points() -> None:
    def by(name: str, x: float, minute: int) -> Reading:
        point = Keypoint("radial_styloid", Finding.FOUND, (x, 200.0), placed_by=f"person:{name}")
        one = with_point(reading(reader=name, minute=minute), point)
        return changed(one, placements={"radial_styloid": Placement(NOON)})

    said = consensus_of([by("Dr Li", 100.0, 0), by("Dr Wu", 110.0, 1), by("Dr Ng", 120.0, 2)])
    assert said is not None
    assert said.keypoints["radial_styloid"] == Keypoint(
        "radial_styloid", Finding.FOUND, (110.0, 200.0), placed_by="person:Dr Ng, Dr Wu, Dr Li"
    )
    assert said.placements == {"radial_styloid": Placement(NOON)}


def test_a_point_that_nobody_moved_stays_the_models() -> None:
    said = consensus_of([LI, WU])
    assert said is not None
    assert said.keypoints["radial_styloid"] == labels().keypoints["radial_styloid"]
    assert said.keypoints["radial_styloid"].placed_by == MODEL


def test_nothing_was_said_of_an_image_that_nobody_read() -> None:
    assert consensus_of([]) is None


def test_readings_that_replace_each_other_in_a_circle_still_count() -> None:
    """Which only a file that was edited by hand holds."""
    one, other = replace(LI, based_on="b"), LI_AGAIN
    assert heads([one, other]) == [other]
