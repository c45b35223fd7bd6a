"""Probabilities of grades, worked out by hand from the bands that a finding can fall into."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_assessment import NO_MARKER, PERFECT_FRONTAL, assessed

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessor import reassess
from WristQCLib.certainty import certainty
from WristQCLib.findings import Finding
from WristQCLib.keypoints import Keypoint
from WristQCLib.measurements import ImageGeometry

OBJECT = ArtefactFinding.stated(present=True)
NO_OBJECT = ArtefactFinding.stated(present=False)
SAMPLING = 0.1  # three standard deviations of a share of 200 draws

# 140 x 60 mm, pixels of 0.1 mm, the styloids level in the centre: 3.00 cm above the lower border,
# the end of the band with all 5 points; anything nearer has 4.
LOW_GEOMETRY = ImageGeometry(1400, 600, (0.1, 0.1))
LOW = {**PERFECT_FRONTAL, "radial_styloid": (449.5, 299.5), "ulnar_styloid": (949.5, 299.5)}


def by_model(assessment, **changes):
    """The assessment with some keypoints placed by a model that states how sure it is."""
    keypoints = assessment.keypoints
    for name, change in changes.items():
        keypoints = keypoints.replaced(replace(keypoints[name], placed_by="model:test 1", **change))
    return reassess(assessment, keypoints=keypoints)


def test_what_a_person_placed_and_stated_is_certain():
    result = certainty(assessed(artefact=NO_OBJECT))
    assert result.grades == {"A": 1.0}
    assert result.check == ()


def test_a_foreign_object_with_probability_a_quarter_makes_the_lower_grade_as_likely():
    # Without a marker 80 points are grade B; a foreign object makes them 70, grade C.
    doubtful = ArtefactFinding.from_probability(0.25, 0.5, "model:test 1")
    result = certainty(assessed(marker=NO_MARKER, artefact=doubtful))
    assert list(result.grades) == ["B", "C"]
    assert result.grades["C"] == pytest.approx(0.25, abs=SAMPLING)


def test_a_thumb_joint_that_may_be_absent_is_to_be_checked_when_the_grade_depends_on_it():
    # With a foreign object 90 points are grade A; without the thumb's 5 points they are grade B.
    doubtful = {"thumb_mcp_joint": {"confidence": 0.7}}
    result = certainty(by_model(assessed(artefact=OBJECT), **doubtful))
    assert result.grades["B"] == pytest.approx(0.3, abs=SAMPLING)
    assert result.check == ("thumb_mcp_joint",)
    # 100 points are grade A with and without it.
    assert certainty(by_model(assessed(artefact=NO_OBJECT), **doubtful)).check == ()


def test_a_thumb_joint_called_absent_may_be_there_after_all():
    absent = Keypoint("thumb_mcp_joint", Finding.NOT_FOUND, confidence=0.4, placed_by="model:m 1")
    assessment = assessed(artefact=OBJECT)
    result = certainty(reassess(assessment, keypoints=assessment.keypoints.replaced(absent)))
    assert list(result.grades) == ["B", "A"]
    assert result.grades["A"] == pytest.approx(0.4, abs=SAMPLING)


def test_a_point_on_the_edge_of_a_band_falls_on_either_side():
    assessment = assessed(LOW, geometry=LOW_GEOMETRY, artefact=OBJECT)
    assert assessment.score.total == 90
    result = certainty(by_model(assessment, radial_styloid={"spread": 2.0}))
    assert result.tasks["frontal_2"]["good"] == pytest.approx(0.5, abs=SAMPLING)
    assert result.grades["B"] == pytest.approx(0.5, abs=SAMPLING)
    assert result.check == ("radial_styloid",)


def test_a_point_that_a_person_corrected_need_not_be_checked_again():
    assessment = by_model(
        assessed(LOW, geometry=LOW_GEOMETRY, artefact=OBJECT), radial_styloid={"spread": 2.0}
    )
    corrected = Keypoint(
        "radial_styloid", Finding.FOUND, LOW["radial_styloid"], placed_by="person:reader"
    )
    result = certainty(reassess(assessment, keypoints=assessment.keypoints.replaced(corrected)))
    assert result.check == ()
    assert result.grades == {"A": 1.0}


def test_a_spread_that_leaves_all_bands_alone_changes_nothing():
    assessment = assessed(artefact=NO_OBJECT)
    sure = {name: {"spread": 3.0, "confidence": 1.0} for name in PERFECT_FRONTAL}
    result = certainty(by_model(assessment, **sure))
    assert result.grades == {"A": 1.0}
    assert set(result.tasks) == {f"frontal_{n}" for n in range(1, 6)}


def test_an_image_of_unknown_view_has_only_the_grade_as_it_stands():
    result = certainty(assessed(view=None, artefact=NO_OBJECT))
    assert result.grades == {"C": 1.0}  # 64 points without the layout's 36
    assert result.tasks == {}


def test_the_same_findings_have_the_same_probabilities():
    assessment = by_model(assessed(), ulnar_styloid={"spread": 40.0, "confidence": 0.8})
    assert certainty(assessment) == certainty(assessment)
