"""Findings to points, grades and totals; corrections; the arithmetic against the reference."""

from __future__ import annotations

import numpy as np
import pytest
import reference_scoring as reference

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessment import Assessment, Section, score
from WristQCLib.assessor import reassess
from WristQCLib.basic_information import check_basic_information
from WristQCLib.findings import Finding, Side, Sourced, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoints
from WristQCLib.measurements import ImageGeometry, measure
from WristQCLib.protocol import load_protocol
from WristQCLib.side_marker import SideMarker

PROTOCOL = load_protocol()
RIGHT_MARKER = SideMarker(Finding.FOUND, Side.RIGHT, 0.9, (1, 1, 9, 9), 0.0, "")
NO_MARKER = SideMarker(Finding.NOT_FOUND, None, 0.4, None, None, "No L or R marker was found.")
CLEAN = ArtefactFinding(Finding.NOT_FOUND, "model:test 1", 0.1, 0.5)

# 140 x 80 mm, pixels of 0.1 mm. Styloids 4 cm above the lower border, centred, level.
GEOMETRY = ImageGeometry(1400, 800, (0.1, 0.1))
PERFECT_FRONTAL = {
    "thumb_mcp_joint": (100.0, 100.0),
    "radial_styloid": (449.5, 399.5),
    "ulnar_styloid": (949.5, 399.5),
}


def full_header():
    from pydicom import Dataset

    header = Dataset()
    for item in PROTOCOL.basic_information:
        keyword = item.attributes[0]
        text = {"PatientAge": "040Y", "PatientSex": "F", "PatientBirthDate": "19800101"}
        numbers = {"KVP": "55", "StudyDate": "20240102", "StudyTime": "101500"}
        setattr(header, keyword, {**text, **numbers}.get(keyword, "1"))
    return header


def assessed(
    positions=PERFECT_FRONTAL,
    *,
    view=View.FRONTAL,
    geometry=GEOMETRY,
    marker=RIGHT_MARKER,
    side=Side.RIGHT,
    artefact=CLEAN,
    header=None,
) -> Assessment:
    items = check_basic_information(header or full_header(), PROTOCOL.basic_information)
    keypoints = Keypoints.from_positions(view, positions) if view else None
    measurements = measure(keypoints, geometry) if keypoints else {}
    return Assessment(
        name="image.dcm",
        path="image.dcm",
        sop_instance_uid="1.2.3",
        geometry=geometry,
        view=Sourced(view, "user"),
        side=Sourced(side, "user"),
        spacing=Sourced(geometry.spacing, "PixelSpacing"),
        basic_information=items,
        side_marker=marker,
        artefact=artefact,
        keypoints=keypoints,
        measurements=measurements,
        score=score(
            PROTOCOL,
            view=view,
            side=side,
            basic_information=items,
            side_marker=marker,
            artefact=artefact,
            measurements=measurements,
        ),
        protocol=PROTOCOL,
        models={},
    )


def points(assessment: Assessment) -> dict[str, int]:
    return {task.id: task.points for task in assessment.score.tasks}


def test_a_perfect_frontal_image_has_100_points_and_grade_a():
    # D = 4 cm, alpha = 90, midpoint in the centre, styloids 4.5 cm from the side borders.
    result = assessed().score
    assert (result.total, result.grade, result.complete) == (100, "A", True)


def test_sections_add_up_to_34_20_10_36():
    result = assessed().score
    assert [result.section_points(section) for section in Section] == [
        (34, 34), (20, 20), (10, 10), (36, 36),
    ]  # fmt: skip


def test_a_frontal_image_worked_out_by_hand():
    # Width 14 cm, height 12 cm. Radial styloid (3.0, 7.0) cm, ulnar (7.95, 7.45) cm from the upper
    # left corner: midpoint (5.475, 7.225). Frontal 2: D = 4.775 -> 5. Frontal 3: tilt atan(0.45 /
    # 4.95) = 5.19 degrees -> floor(9 * 4.81 / 5) + 1 = 9. Frontal 4: abs(12 - 14.45) = 2.45 -> 0,
    # abs(14 - 10.95) = 3.05 -> 0. Frontal 5: D1 = 3.0 -> 3, D2 = min(7.95, 6.05) -> 0.
    positions = {
        "thumb_mcp_joint": None,
        "radial_styloid": (299.5, 699.5),
        "ulnar_styloid": (794.5, 744.5),
    }
    got = points(assessed(positions, geometry=ImageGeometry(1400, 1200, (0.1, 0.1))))
    assert [got[f"frontal_{n}"] for n in range(1, 6)] == [0, 5, 9, 0, 3]


def test_missing_items_cost_two_points_each():
    header = full_header()
    header.InstitutionName = ""
    del header.ExposureTime
    result = assessed(header=header).score
    assert result.section_points(Section.BASIC_INFORMATION) == (30, 34)


def test_no_marker_costs_20_points():
    result = assessed(marker=NO_MARKER).score
    assert result.total == 80
    assert result.task("side_marker").reason == "No L or R marker was found."


def test_a_marker_that_contradicts_the_side_is_not_accurate_and_says_so():
    task = assessed(side=Side.LEFT).score.task("side_marker")
    assert task.points == 0
    assert "reads R but the examined side is L" in task.reason


def test_a_marker_counts_when_the_side_is_unknown():
    assert assessed(side=None).score.task("side_marker").points == 20


def test_a_foreign_object_costs_10_points():
    found = ArtefactFinding.from_probability(0.5, 0.5, "model:test 1")
    assert assessed(artefact=found).score.total == 90


def test_an_unassessed_artefact_leaves_the_total_incomplete():
    result = assessed(artefact=ArtefactFinding.not_assessed("No model.")).score
    assert (result.total, result.reachable, result.complete) == (90, 100, False)
    assert result.task("artefact").reason == "No model."


def test_without_spacing_lengths_are_not_assessable_and_angles_are():
    result = assessed(geometry=ImageGeometry(1400, 800)).score
    assert {t.id for t in result.tasks if not t.assessable} == {
        "frontal_2", "frontal_4", "frontal_5",
    }  # fmt: skip
    # 5 + 10 + 6 points are unknown.
    assert (result.total, result.reachable) == (79, 100)
    assert (result.grade, result.reachable_grade) == ("C", "A")


def test_an_unknown_view_leaves_all_of_the_layout_open():
    result = assessed(view=None).score
    assert (result.total, result.reachable) == (64, 100)
    assert "view is unknown" in result.task("layout").reason


def test_an_absent_styloid_makes_its_tasks_not_assessable():
    result = assessed({**PERFECT_FRONTAL, "ulnar_styloid": None}).score
    assert result.task("frontal_1").points == 5
    assert not result.task("frontal_3").assessable
    # The radial styloid's part of frontal 5 is known: 4.5 cm from the border.
    assert (result.task("frontal_5").points, result.task("frontal_5").reachable) == (3, 6)


def test_moving_a_point_changes_only_what_depends_on_it():
    before = assessed()
    positions = {**PERFECT_FRONTAL, "radial_styloid": (449.5, 349.5)}
    after = reassess(before, keypoints=Keypoints.from_positions(View.FRONTAL, positions))
    # Tilt atan(5 / 50) = 5.71 degrees: floor(9 * 4.29 / 5) + 1 = 8 instead of 10.
    assert after.score.task("frontal_3").points == 8
    assert after.basic_information is before.basic_information
    assert before.score.total == 100


def test_a_corrected_artefact_and_side_are_scored_again():
    before = assessed()
    after = reassess(before, artefact=ArtefactFinding.stated(True), side=Side.LEFT)
    assert before.score.total - after.score.total == 30
    assert after.side.source == "user"


def test_keypoints_of_another_view_change_the_view():
    after = reassess(assessed(), keypoints=Keypoints.to_be_placed(View.LATERAL))
    assert after.view == Sourced(View.LATERAL, "user")
    assert (after.score.total, after.score.reachable) == (64, 100)


@pytest.mark.parametrize("view", View)
def test_10000_random_keypoint_sets_score_as_the_reference_does(view):
    rng = np.random.default_rng(20261122)
    for _ in range(10_000):
        width, height = (int(n) for n in rng.integers(300, 3000, 2))
        sx, sy = rng.uniform(40, 260) / width, rng.uniform(60, 320) / height
        # Crowd the wrist's points so that all bands are met.
        centre = rng.uniform(0.3, 0.7, 2) * (width, height)
        offsets = rng.normal(0, [0.15 * width, 0.06 * height], (5, 2))
        xy = [tuple(map(float, centre + offset)) for offset in offsets]
        if view is View.FRONTAL:
            xy[0] = None if rng.random() < 0.3 else xy[0]
            expected = reference.frontal(*xy[:3], width, height, sx, sy)
        else:
            expected = reference.lateral(*xy, width, height, sx, sy)
        names = KEYPOINT_NAMES[view]
        keypoints = Keypoints.from_positions(view, dict(zip(names, xy, strict=False)))
        measured = measure(keypoints, ImageGeometry(width, height, (sx, sy)))
        got = [
            sum(part.score(measured[part.measurement].value) for part in task.parts)
            for task in PROTOCOL.layout[view]
        ]
        assert got == expected


def test_grades_agree_with_the_reference():
    assert [PROTOCOL.grade(n) for n in range(101)] == [reference.grade(n) for n in range(101)]
