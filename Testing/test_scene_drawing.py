"""What is drawn over an image and how results are stored as text; needs no Slicer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pytest
from test_assessment import PERFECT_FRONTAL, assessed

from WristQCLib.assessment import Assessment
from WristQCLib.assessor import reassess
from WristQCLib.findings import Finding, Sourced, View
from WristQCLib.keypoints import Keypoint, Keypoints
from WristQCLib.measurements import ImageGeometry
from WristQCLib.scene.corrections import Correction, History
from WristQCLib.scene.drawing import LETTER_WIDTH, Name, draw
from WristQCLib.scene.errors import SceneError
from WristQCLib.scene.grid import PixelGrid
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


def names(assessment: Assessment) -> list[Name]:
    assert assessment.keypoints is not None
    return [Name(p.name, "#FFFFFF", p.position) for p in assessment.keypoints if p.position]


def boxes(assessment: Assessment, height: float) -> list[tuple[float, float, float, float]]:
    grid = PixelGrid.of(assessment.geometry)
    texts = draw(assessment, grid, names(assessment), height).texts
    return [
        (t.corner[0], t.corner[1] - height, t.corner[0] + len(t.text) * LETTER_WIDTH * height,
         t.corner[1])
        for t in texts
    ]  # fmt: skip


@pytest.mark.parametrize("shift", [0, 60, 180, 300])
def test_labels_lie_inside_the_image_and_not_on_each_other(shift: int) -> None:
    points = {n: (x + shift, y + shift / 2) for n, (x, y) in PERFECT_FRONTAL.items()}
    assessment = reassess(assessed(), keypoints=Keypoints.from_positions(View.FRONTAL, points))
    width, height = (10 * cm for cm in assessment.geometry.size_cm or ())
    found = boxes(assessment, 4.0)
    assert len(found) == 10  # three names, four distances, D, D1, D2 and alpha less one
    for x0, y0, x1, y1 in found:
        assert x0 >= -1
        assert y0 >= -1
        assert x1 <= width + 1
        assert y1 <= height + 1
    for a, b in combinations(found, 2):
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_angles_are_written_without_greek_letters() -> None:
    assessment = assessed()
    texts = draw(assessment, PixelGrid.of(assessment.geometry), [], 3.0).texts
    assert [t.text for t in texts if "alpha" in t.text] == ["alpha 90.0°"]


def test_an_image_without_keypoints_has_nothing_drawn() -> None:
    nothing = reassess(assessed(), keypoints=Keypoints.to_be_placed(View.FRONTAL))
    drawing = draw(nothing, PixelGrid.of(nothing.geometry), [], 3.0)
    assert drawing.strokes == ()
    assert drawing.texts == ()


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
