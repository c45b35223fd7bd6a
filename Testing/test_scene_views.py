"""Radiographs in real slice views, points dragged with a mouse through Slicer's markups widget."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scene_app
from scene_app import POINTS, SPACING, MouseView, assessment, radiograph

from WristQCLib.assessor import reassess
from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import Keypoints
from WristQCLib.scene import PixelGrid, SceneAssessment, SceneError, show_side_by_side

GRID = PixelGrid(SPACING, known=True)


@pytest.fixture(scope="module")
def app() -> Iterator[Any]:
    with scene_app.application() as app:
        yield app


@pytest.fixture(scope="module")
def views(app: Any) -> tuple[MouseView, MouseView]:
    return MouseView(app, "Red"), MouseView(app, "Yellow")


@pytest.fixture
def red(views: tuple[MouseView, MouseView]) -> MouseView:
    return views[0]


@pytest.fixture
def frontal(app: Any, red: MouseView) -> Iterator[SceneAssessment]:
    session = SceneAssessment.create(app.scene, radiograph(), assessment(), person="Ada")
    show_side_by_side([session], app.app_logic)
    yield session
    session.close()


@pytest.fixture
def lateral(app: Any) -> Iterator[SceneAssessment]:
    session = SceneAssessment.create(
        app.scene, radiograph(View.LATERAL), assessment(View.LATERAL), person="Ada"
    )
    yield session
    session.close()


def at(view: MouseView, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the image is in the view."""
    return view.to_display(GRID.to_ras((x, y)))


def is_coloured(picture: np.ndarray) -> np.ndarray:
    """(rows, columns): where the picture is not grey."""
    whole = picture.astype(int)
    return (whole.max(axis=2) - whole.min(axis=2)) > 60


def test_the_image_fills_the_view_upright(
    app: Any, red: MouseView, frontal: SceneAssessment
) -> None:
    x0, y0 = at(red, 0, 0)
    x1, y1 = at(red, 399, 319)
    assert 0 <= x0 < 2  # x to the right, y down, 16 x 16 cm in 400 x 400 pixels
    assert 397 < x1 <= 400
    assert 397 < y0 <= 400
    assert 0 <= y1 < 2


def test_a_fiducial_lies_on_the_pixel_that_it_names(
    app: Any, red: MouseView, frontal: SceneAssessment
) -> None:
    frontal.move("radial_styloid", (150.0, 200.0))  # the one bright pixel
    frontal.hide()
    bright = np.argwhere(red.picture()[:, :, 0] > 90)  # around it is 42
    assert len(bright) > 0
    row, column = bright.mean(axis=0)
    x, y = red.to_display(frontal.points_node.GetNthControlPointPosition(1))
    assert (column, 399 - row) == pytest.approx((x, y), abs=1.5)


def test_points_lines_and_labels_are_seen(
    app: Any, red: MouseView, frontal: SceneAssessment
) -> None:
    picture = red.picture()
    coloured = is_coloured(picture)
    x, y = (round(v) for v in at(red, 199.5, 240.0))  # on D, straight down from the middle
    assert coloured[399 - y - 2 : 399 - y + 3, x - 3 : x + 4].any()
    x, y = (round(v) for v in at(red, 149.5, 199.5))
    assert coloured[399 - y - 8 : 399 - y + 9, x - 8 : x + 9].any()
    frontal.points_node.UnsetAllControlPoints()
    assert not is_coloured(red.picture()).any()


def test_labels_stay_beside_their_points_when_the_view_is_zoomed(
    red: MouseView, frontal: SceneAssessment
) -> None:
    def distance() -> float:
        """From the ulnar styloid to the corner of its name, in pixels of the view."""
        corner = next(
            node.GetNthControlPointPosition(n)
            for node in frontal.nodes[3:]
            if node.IsA("vtkMRMLMarkupsNode")
            for n in range(node.GetNumberOfControlPoints())
            if node.GetNthControlPointLabel(n) == "P3 ulnar styloid"
        )
        return math.dist(red.to_display(corner), at(red, 249.5, 199.5))

    assert distance() < 30
    width, height, depth = red.node.GetFieldOfView()
    red.node.SetFieldOfView(width / 5, height / 5, depth)
    assert distance() < 30


def test_two_images_are_shown_side_by_side_and_do_not_mix(
    app: Any,
    views: tuple[MouseView, MouseView],
    frontal: SceneAssessment,
    lateral: SceneAssessment,
) -> None:
    show_side_by_side([frontal, lateral], app.app_logic)
    composites = [
        app.app_logic.GetSliceLogicByLayoutName(name).GetSliceCompositeNode()
        for name in ("Red", "Yellow")
    ]
    assert [c.GetBackgroundVolumeID() for c in composites] == [
        frontal.volume_node.GetID(), lateral.volume_node.GetID(),
    ]  # fmt: skip
    right = views[1].picture()
    lateral.points_node.UnsetAllControlPoints()
    nothing_of_the_frontal = views[1].picture()
    assert is_coloured(right).any()
    assert not is_coloured(nothing_of_the_frontal).any()
    assert is_coloured(views[0].picture()).any()


def test_a_layer_that_comes_later_is_shown_in_the_same_view_only(
    app: Any, views: tuple[MouseView, MouseView], lateral: SceneAssessment
) -> None:
    empty = reassess(assessment(), keypoints=Keypoints.to_be_placed(View.FRONTAL))
    frontal = SceneAssessment.create(app.scene, radiograph(), empty)
    show_side_by_side([frontal, lateral], app.app_logic)
    lateral.points_node.UnsetAllControlPoints()
    for name, position in POINTS[View.FRONTAL].items():
        frontal.move(name, position)
    assert is_coloured(views[0].picture()).any()
    assert not is_coloured(views[1].picture()).any()
    frontal.close()


def test_an_image_is_hidden_until_it_is_shown_and_when_it_is_told_so(
    app: Any, red: MouseView, frontal: SceneAssessment, lateral: SceneAssessment
) -> None:
    for index, (x, y) in enumerate(POINTS[View.LATERAL].values()):
        lateral.points_node.SetNthControlPointPosition(index, *GRID.to_ras((x + 5, y)))
    frontal.points_node.UnsetAllControlPoints()
    assert not is_coloured(red.picture()).any()
    lateral.show_in(red.node.GetID())
    assert is_coloured(red.picture()).any()
    lateral.hide()
    assert not is_coloured(red.picture()).any()


def test_more_images_than_views_are_refused(
    app: Any, frontal: SceneAssessment, lateral: SceneAssessment
) -> None:
    with pytest.raises(SceneError, match="2 images do not fit into 1 views"):
        show_side_by_side([frontal, lateral], app.app_logic, ["Red"])
    with pytest.raises(SceneError, match="no slice view 'Blue'"):
        show_side_by_side([frontal], app.app_logic, ["Blue"])


def test_no_ruler_is_shown_where_the_spacing_is_unknown(app: Any, red: MouseView) -> None:
    red.node.SetRulerType(red.node.RulerTypeThin)
    session = SceneAssessment.create(
        app.scene, radiograph(spacing=None), assessment(View.FRONTAL, known=False)
    )
    show_side_by_side([session], app.app_logic)
    assert red.node.GetRulerType() == red.node.RulerTypeNone
    session.close()


def test_dragging_a_point_with_the_mouse_changes_the_score_on_the_way(
    red: MouseView, frontal: SceneAssessment
) -> None:
    totals: list[int] = []
    frontal.on_change(lambda s: totals.append(s.assessment.score.total))
    before = frontal.assessment.score
    x, y = at(red, 149.5, 199.5)
    red.drag((x, y), (x, y - 8), (x, y - 25), (x, y - 50))  # 2 cm down on 4 cm: alpha 63 degrees
    after = frontal.assessment.score
    assert before.task("frontal_3").points == 10
    assert after.task("frontal_3").points == 0
    assert len(set(totals)) > 2
    assert totals[-1] == after.total
    (correction,) = frontal.corrections
    assert correction.before.position == (149.5, 199.5)
    assert correction.after.position == pytest.approx((149.5, 239.5), abs=1.5)


def test_a_click_on_a_point_is_no_correction(red: MouseView, frontal: SceneAssessment) -> None:
    red.drag(at(red, 149.5, 199.5))
    frontal.points_node.SetNthControlPointLocked(1, True)
    x, y = at(red, 149.5, 199.5)
    red.drag((x, y), (x + 30, y))
    assert frontal.corrections == ()
    assert frontal.keypoints == assessment().keypoints


def test_what_is_drawn_cannot_be_dragged(red: MouseView, frontal: SceneAssessment) -> None:
    x, y = at(red, 199.5, 199.5)  # the middle of the line between the styloids
    red.drag((x, y), (x + 40, y + 40))
    labels = [
        (node, n)
        for node in frontal.nodes[3:]
        if node.IsA("vtkMRMLMarkupsNode")
        for n in range(node.GetNumberOfControlPoints())
        if node.GetNthControlPointLabel(n).startswith("D")
    ]
    assert len(labels) == 3
    for node, n in labels:
        corner = node.GetNthControlPointPosition(n)
        x, y = red.to_display(corner)
        red.drag((x, y), (x + 40, y + 40))
        assert node.GetNthControlPointPosition(n) == corner
    assert frontal.corrections == ()


def test_a_missing_point_is_placed_by_a_click(red: MouseView, frontal: SceneAssessment) -> None:
    frontal.mark_absent("thumb_mcp_joint")
    heard: list[object] = []
    frontal.on_change(heard.append)
    frontal.start_placing("thumb_mcp_joint")
    red.event("MouseMoveEvent", *at(red, 20, 20))
    red.event("MouseMoveEvent", *at(red, 30, 30))
    assert heard == []  # it follows the mouse but is nowhere yet
    red.click(at(red, 60, 80))
    point = frontal.keypoints["thumb_mcp_joint"]  # type: ignore[index]
    assert point.finding is Finding.FOUND
    assert point.position == pytest.approx((60, 80), abs=1.5)
    assert point.placed_by == "person:Ada"
    assert frontal.assessment.score.task("frontal_1").points == 5
    assert [c.before.finding for c in frontal.corrections] == [Finding.FOUND, Finding.NOT_FOUND]
    red.click(at(red, 200, 80))  # one click places one point
    assert len(frontal.corrections) == 2


@pytest.mark.parametrize("absent", [True, False])
def test_placing_can_be_called_off(red: MouseView, frontal: SceneAssessment, absent: bool) -> None:
    if absent:
        frontal.mark_absent("thumb_mcp_joint")
    before = frontal.keypoints, frontal.corrections
    status = frontal.points_node.GetNthControlPointPositionStatus(0)
    frontal.start_placing("thumb_mcp_joint")
    red.event("MouseMoveEvent", *at(red, 30, 30))
    red.event("MouseMoveEvent", *at(red, 40, 40))
    red.click(at(red, 40, 40), "Right")
    assert (frontal.keypoints, frontal.corrections) == before
    assert frontal.points_node.GetNthControlPointPositionStatus(0) == status
    x, y = at(red, 149.5, 199.5)
    red.drag((x, y), (x + 20, y))  # the mouse drags again
    assert len(frontal.corrections) == len(before[1]) + 1


def test_an_image_that_is_closed_while_a_point_is_placed_leaves_the_mouse_free(
    app: Any, red: MouseView, lateral: SceneAssessment
) -> None:
    mode = app.scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    lateral.start_placing("scaphoid_centre")
    assert mode.GetCurrentInteractionMode() == mode.Place
    lateral.close()
    assert mode.GetCurrentInteractionMode() != mode.Place


def test_letters_grow_with_the_density_of_the_screen(app: Any) -> None:
    session = SceneAssessment.create(app.scene, radiograph(), assessment())
    heights = []
    for text_scale in (1.0, 2.0):
        show_side_by_side([session], app.app_logic, text_scale=text_scale)
        heights.append(session._overlay._drawn_height)
    assert heights[1] == pytest.approx(2 * heights[0])


def test_the_views_are_empty_when_there_is_nothing_to_show(app: Any) -> None:
    session = SceneAssessment.create(app.scene, radiograph(), assessment())
    show_side_by_side([session], app.app_logic)
    composite = app.app_logic.GetSliceLogicByLayoutName("Red").GetSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == session.volume_node.GetID()
    show_side_by_side([], app.app_logic)
    assert composite.GetBackgroundVolumeID() is None
