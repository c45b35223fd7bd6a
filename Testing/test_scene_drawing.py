"""What the scene keeps and draws, as far as it needs no Slicer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest
from test_assessment import assessed

from WristQCLib.annotations import BLUE, CYAN, ORANGE, YELLOW
from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessment import Assessment
from WristQCLib.assessor import reassess
from WristQCLib.drawing import Stroke
from WristQCLib.findings import Finding, Sourced, View
from WristQCLib.keypoints import Keypoint
from WristQCLib.measurements import ImageGeometry
from WristQCLib.scene.corrections import Correction, History
from WristQCLib.scene.errors import SceneError
from WristQCLib.scene.grid import PixelGrid
from WristQCLib.scene.overlay import grade_text, segments
from WristQCLib.scene.points import CERTAIN_COLOUR, UNCERTAIN_COLOUR, unit_rgb
from WristQCLib.scene.stored import from_text, to_text


def test_the_first_pixels_centre_is_the_origin_and_x_runs_to_the_patients_left() -> None:
    grid = PixelGrid.of(ImageGeometry(10, 10, spacing=(0.2, 0.5)))
    assert grid.to_ras((0.0, 0.0)) == (0.0, 0.0, 0.0)
    assert grid.to_ras((10.0, 4.0)) == (-2.0, -2.0, 0.0)
    assert grid.to_pixels((-2.0, -2.0, 7.0)) == (10.0, 4.0)


def test_ras_and_pixels_are_inverse_to_each_other() -> None:
    grid = PixelGrid((0.1437, 0.287), known=True)
    for point in np.random.default_rng(0).uniform(-1, 4000, (200, 2)).round(6):
        assert grid.to_pixels(grid.to_ras(tuple(point))) == tuple(point)


def test_pixels_of_unknown_size_are_a_millimetre_wide_and_keep_their_aspect() -> None:
    grid = PixelGrid.of(ImageGeometry(10, 10, pixel_aspect=1.5))
    assert grid == PixelGrid((1.0, 1.5), known=False)


def test_dashes_and_gaps_are_as_long_as_they_are_to_be() -> None:
    reference = Stroke("frontal_3", ((1.0, 0.0), (1.0, -8.0)), "#FFFFFF", dashed=True)
    dashes = [((1, 0), (1, -2)), ((1, -4), (1, -6))]
    assert segments(reference, 2.0) == dashes


def test_a_line_round_a_box_is_four_segments() -> None:
    outline = Stroke(
        "side_marker", ((0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0), (0.0, 0.0)), ""
    )
    assert len(segments(outline, 9.0)) == 4
    assert segments(outline, 9.0)[1] == ((2, 0), (2, 1))


def test_the_image_tells_its_grade_and_what_is_still_possible() -> None:
    assert grade_text(assessed()) == "Grade A, 100"
    unknown = ArtefactFinding.not_assessed("Models were not used.")
    assert grade_text(reassess(assessed(), artefact=unknown)) == "Grade A, 90 to 100"


# Machado et al., A physiologically-based model for simulation of color vision deficiency, 2009.
SEEN = {
    "all": np.eye(3),
    "without red cones": [
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "without green cones": [
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}  # fmt: skip


def lab(colour: str, sight: str) -> np.ndarray:
    """CIELAB coordinates of a colour as it is seen."""
    rgb = np.array(unit_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = (np.array(SEEN[sight]) @ linear).clip(0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = np.cbrt(np.array(to_xyz) @ seen / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SEEN)
def test_colour_blind_people_can_tell_points_and_lines_apart(sight: str) -> None:
    colours = (CERTAIN_COLOUR, UNCERTAIN_COLOUR, YELLOW, CYAN, ORANGE, BLUE)
    for one, other in combinations(colours, 2):  # 2 is the least that is seen side by side
        assert np.linalg.norm(lab(one, sight) - lab(other, sight)) > 15, (one, other)


def test_an_assessment_survives_being_stored() -> None:
    assessment = assessed()
    assert from_text(Assessment, to_text(assessment)) == assessment


def test_a_history_survives_being_stored() -> None:
    before = Keypoint("radial_styloid", Finding.FOUND, (1.5, 2.25), 0.5, 3.0, "model:m 1")
    after = Keypoint("radial_styloid", Finding.NOT_FOUND, placed_by='person:"Ä" <&>')
    step = (Correction("1.2", View.FRONTAL, before, after, "Ä", "2026-01-02T03:04:05+00:00"),)
    history = History().with_step(step).with_step(step).after_undo()
    assert from_text(History, to_text(history)) == history
    assert history.corrections == step


def test_infinite_limits_are_stored_as_strict_json() -> None:
    assert to_text((float("inf"),)) == '["inf"]'
    assert from_text(tuple[float], '["inf"]') == (float("inf"),)


def test_a_generic_record_is_read_as_what_it_holds() -> None:
    assert from_text(Sourced[View], to_text(Sourced(View.LATERAL, "user"))).value is View.LATERAL


@dataclass(frozen=True)
class Other:
    name: str
    number: int


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"name":"a"}', '{"name":1,"number":2}', '{"name":"a","number":1,"more":2}'],
)
def test_text_of_another_version_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(SceneError, match="Assess the image again"):
        from_text(Other, text)
