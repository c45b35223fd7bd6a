"""Assessments in a MRML scene: nodes, events, corrections, saving and reloading."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scene_app
import vtk
from scene_app import MODEL, POINTS, SPACING, assessment, node_ids, radiograph

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessor import reassess
from WristQCLib.findings import Finding, Side, Sourced, View
from WristQCLib.keypoints import Keypoint, Keypoints
from WristQCLib.radiograph import Radiograph
from WristQCLib.scene import SceneAssessment, SceneError, create_volume_node, restore_all
from WristQCLib.scene.grid import PixelGrid
from WristQCLib.scene.points import create_points_node, read_keypoints, write_keypoints
from WristQCLib.scene.store import Store
from WristQCLib.window import LookUpTable


@pytest.fixture(scope="module")
def app() -> Iterator[Any]:
    with scene_app.application() as app:
        yield app


@pytest.fixture
def scene(app: Any) -> Iterator[Any]:
    app.scene.Clear(0)
    yield app.scene
    app.scene.Clear(0)


@pytest.fixture
def session(scene: Any) -> SceneAssessment:
    return SceneAssessment.create(scene, radiograph(), assessment(), person="Ada")


def put(session: SceneAssessment, index: int, x: float, y: float) -> None:
    """Move a control point as Slicer's own tools do."""
    session.points_node.SetNthControlPointPosition(index, -x * SPACING[0], -y * SPACING[1], 0.0)


def drag(session: SceneAssessment, index: int, *path: tuple[float, float]) -> None:
    node = session.points_node
    node.InvokeEvent(node.PointStartInteractionEvent)
    for x, y in path:
        put(session, index, x, y)
    node.InvokeEvent(node.PointEndInteractionEvent)


# Volume -------------------------------------------------------------------------------------


def test_a_volume_has_the_radiographs_pixels_spacing_and_orientation(scene: Any) -> None:
    from slicer.util import arrayFromVolume

    image = radiograph()
    node = create_volume_node(scene, image)
    array = arrayFromVolume(node)
    assert array.shape == (1, 320, 400)
    assert array.dtype == np.uint16
    assert np.array_equal(array[0], image.pixels)
    to_ras = scene_app.vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(to_ras)
    assert [to_ras.GetElement(i, i) for i in range(4)] == [-0.4, -0.5, 1.0, 1.0]
    assert to_ras.MultiplyPoint((150, 200, 0, 1)) == pytest.approx((-60.0, -100.0, 0.0, 1.0))


@pytest.mark.parametrize(
    ("values", "kind"),
    [((0, 255), np.uint8), ((-5, 300), np.int16), ((0, 70000), np.float32), ((0, 0.5), np.float32)],
)
def test_pixels_keep_their_values_in_the_smallest_type(
    scene: Any, values: tuple[float, float], kind: type
) -> None:
    from slicer.util import arrayFromVolume

    pixels = np.zeros((20, 30), np.float32)
    pixels[5, 7], pixels[6, 8] = values
    array = arrayFromVolume(create_volume_node(scene, Radiograph.from_pixels(pixels)))
    assert array.dtype == kind
    assert np.array_equal(array[0], pixels)


def test_the_window_is_the_radiographs(scene: Any) -> None:
    image = radiograph()
    display = create_volume_node(scene, image).GetDisplayNode()
    assert (display.GetLevel(), display.GetWindow()) == pytest.approx(image.window)
    assert not display.GetAutoWindowLevel()
    assert display.GetInterpolate()


def test_a_look_up_table_is_shown_by_the_ramp_nearest_to_it(scene: Any) -> None:
    ramp = np.clip((np.arange(2000) - 500) / 1000, 0, 1).astype(np.float32)
    image = replace(radiograph(), voi=LookUpTable(100.0, ramp))
    display = create_volume_node(scene, image).GetDisplayNode()
    assert display.GetLevel() == pytest.approx(1100, abs=2)
    assert display.GetWindow() == pytest.approx(980, abs=5)


def test_a_volume_without_spacing_says_so_and_keeps_the_pixels_aspect(scene: Any) -> None:
    image = replace(radiograph(spacing=None), pixel_aspect=1.5)
    node = create_volume_node(scene, image)
    assert node.GetSpacing() == (1.0, 1.5, 1.0)
    assert node.GetAttribute("WristQC.PixelSpacing") == "unknown: not given"
    assert "in pixels" in node.GetDescription()


def test_a_volume_can_be_found_by_its_dicom_instance(scene: Any) -> None:
    node = create_volume_node(scene, replace(radiograph(), sop_instance_uid="1.2.3"))
    assert node.GetAttribute("WristQC.SOPInstanceUID") == "1.2.3"
    assert node.GetAttribute("DICOM.instanceUIDs") == "1.2.3"


def test_a_bare_scene_gets_the_grey_colours_it_lacks() -> None:
    from slicer import vtkMRMLScene

    bare = vtkMRMLScene()
    node = create_volume_node(bare, radiograph())
    assert node.GetDisplayNode().GetColorNode().GetTypeAsString() == "Grey"


# Points -------------------------------------------------------------------------------------

MIXED = Keypoints(
    View.FRONTAL,
    (
        Keypoint("thumb_mcp_joint", Finding.NOT_FOUND, confidence=0.02, placed_by=MODEL),
        Keypoint("radial_styloid", Finding.FOUND, (149.123456, 199.5), 0.97, 2.5, MODEL),
        Keypoint("ulnar_styloid"),
    ),
)


def test_keypoints_are_fixed_control_points_in_the_protocols_order(scene: Any) -> None:
    node = create_points_node(scene, "points")
    write_keypoints(node, MIXED, PixelGrid(SPACING, known=True))
    assert [node.GetNthControlPointLabel(n) for n in range(3)] == [
        "P1 thumb MCP joint", "P2 radial styloid", "P3 ulnar styloid",
    ]  # fmt: skip
    assert [node.GetNthControlPointPositionStatus(n) for n in range(3)] == [
        node.PositionMissing, node.PositionDefined, node.PositionUndefined,
    ]  # fmt: skip
    assert node.GetNthControlPointPosition(1) == pytest.approx((-59.6493824, -99.75, 0.0))
    assert node.GetFixedNumberOfControlPoints()
    assert node.GetNumberOfControlPoints() == 3


def test_keypoints_come_back_from_the_node_as_they_were(scene: Any) -> None:
    grid = PixelGrid(SPACING, known=True)
    node = create_points_node(scene, "points")
    write_keypoints(node, MIXED, grid)
    assert read_keypoints(node, View.FRONTAL, grid) == MIXED
    with pytest.raises(SceneError, match="not the keypoints of a lateral view"):
        read_keypoints(node, View.LATERAL, grid)


@pytest.mark.parametrize(
    ("confidence", "spread_px", "uncertain"),
    [(0.97, 2.0, False), (0.6, 2.0, True), (0.97, 8.0, True), (None, None, False)],
)
def test_what_a_model_was_unsure_of_has_another_colour_and_a_question_mark(
    scene: Any, confidence: float | None, spread_px: float | None, uncertain: bool
) -> None:
    node = create_points_node(scene, "points")
    point = Keypoint("radial_styloid", Finding.FOUND, (1.0, 2.0), confidence, spread_px)
    keypoints = Keypoints.from_points(View.FRONTAL, [point])
    write_keypoints(node, keypoints, PixelGrid(SPACING, known=True))
    assert node.GetNthControlPointLabel(1).endswith("?") is uncertain
    assert bool(node.GetNthControlPointSelected(1)) is not uncertain
    assert node.GetDisplayNode().GetColor() != node.GetDisplayNode().GetSelectedColor()


# Following the points -----------------------------------------------------------------------


def test_a_moved_point_changes_the_score_and_what_is_drawn(session: SceneAssessment) -> None:
    heard: list[int] = []
    session.on_change(lambda s: heard.append(s.assessment.score.total))
    before = session.assessment.score
    put(session, 1, 149.5, 249.5)  # 50 pixels of 0.5 mm down on 40 mm: alpha 58 degrees
    after = session.assessment.score
    assert before.task("frontal_3").points == 10
    assert after.task("frontal_3").points == 0
    assert heard[0] == after.total
    point = session.assessment.keypoints["radial_styloid"]  # type: ignore[index]
    assert point == Keypoint(
        "radial_styloid", Finding.FOUND, (149.5, 249.5), placed_by="person:Ada"
    )
    assert "alpha 58.0°" in drawn_texts(session)


def drawn_texts(session: SceneAssessment) -> set[str]:
    return {
        node.GetNthControlPointLabel(n)
        for node in session.nodes
        if node.IsA("vtkMRMLMarkupsFiducialNode") and node is not session.points_node
        for n in range(node.GetNumberOfControlPoints())
        if node.GetNthControlPointPositionStatus(n) == node.PositionDefined
    }


def test_the_score_is_that_of_assessing_the_same_keypoints_anew(session: SceneAssessment) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        x, y = rng.uniform(0, 300, 2)
        put(session, int(rng.integers(3)), x, y)
        anew = reassess(assessment(), keypoints=session.keypoints)
        assert session.assessment.score == anew.score


def test_labels_locks_and_visibility_do_not_rescore(session: SceneAssessment) -> None:
    heard: list[object] = []
    session.on_change(heard.append)
    node = session.points_node
    node.SetNthControlPointLabel(1, "another name")
    node.SetNthControlPointLocked(1, True)
    node.SetNthControlPointVisibility(1, False)
    node.SetNthControlPointPosition(1, *node.GetNthControlPointPosition(1))
    assert heard == []
    assert session.corrections == ()


def test_several_changes_in_one_go_are_one_event_and_one_step_to_undo(
    session: SceneAssessment,
) -> None:
    from slicer.util import NodeModify

    totals: list[int] = []
    session.on_change(lambda s: totals.append(s.assessment.score.total))
    with NodeModify(session.points_node):
        put(session, 0, 10, 10)
        put(session, 1, 20, 20)
        put(session, 2, 30, 30)
        assert totals == []
    assert len(set(totals)) == 1
    assert len(session.corrections) == 3
    session.undo()
    assert session.keypoints == assessment().keypoints


def test_a_listener_may_move_points_itself(session: SceneAssessment) -> None:
    depth = deepest = 0

    def keep_level(changed: SceneAssessment) -> None:
        nonlocal depth, deepest
        depth += 1
        deepest = max(deepest, depth)
        y = changed.keypoints["radial_styloid"].position[1]  # type: ignore[index]
        put(changed, 2, 249.5, y)
        depth -= 1

    session.on_change(keep_level)
    put(session, 1, 149.5, 230.25)
    assert session.keypoints["ulnar_styloid"].position == (249.5, 230.25)  # type: ignore[index]
    assert deepest == 1


def test_a_listener_that_never_rests_does_not_hang(session: SceneAssessment) -> None:
    calls = 0

    def push(changed: SceneAssessment) -> None:
        nonlocal calls
        calls += 1
        put(changed, 2, 100.0 + calls, 100.0)

    session.on_change(push)
    put(session, 1, 149.5, 230.25)
    assert 2 < calls < 100


def test_a_listener_that_fails_does_not_stop_the_others(session: SceneAssessment) -> None:
    heard: list[object] = []

    def fail(_: SceneAssessment) -> None:
        raise RuntimeError("fault")

    session.on_change(fail)
    end = session.on_change(heard.append)
    put(session, 1, 100, 100)
    count = len(heard)
    assert count > 0
    end()
    put(session, 1, 101, 100)
    assert len(heard) == count


def test_five_hundred_moves_in_a_row_make_no_new_nodes(
    session: SceneAssessment, scene: Any
) -> None:
    before = node_ids(scene)
    path = [(149.5 + n / 10, 199.5 - n / 20) for n in range(500)]
    drag(session, 1, *path)
    assert session.keypoints["radial_styloid"].position == path[-1]  # type: ignore[index]
    assert node_ids(scene) == before
    assert len(session.corrections) == 1


# Corrections --------------------------------------------------------------------------------


def test_a_drag_is_one_correction_with_who_when_whence_and_whither(
    session: SceneAssessment,
) -> None:
    drag(session, 1, (150.0, 200.0), (155.0, 205.0), (160.25, 210.5))
    (correction,) = session.corrections
    assert correction.view is View.FRONTAL
    assert correction.before.position == (149.5, 199.5)
    assert correction.before.placed_by == MODEL
    assert correction.after == Keypoint(
        "radial_styloid", Finding.FOUND, (160.25, 210.5), placed_by="person:Ada"
    )
    assert correction.person == "Ada"
    assert correction.time.endswith("+00:00")


def test_a_drag_that_ends_where_it_began_is_no_correction(session: SceneAssessment) -> None:
    drag(session, 1)
    drag(session, 1, (170.0, 200.0), (149.5, 199.5))
    assert session.corrections == ()
    assert session.keypoints == assessment().keypoints  # still the model's, not a person's


def test_an_interaction_that_never_ended_is_recorded_when_the_next_begins(
    session: SceneAssessment,
) -> None:
    node = session.points_node
    node.InvokeEvent(node.PointStartInteractionEvent)
    put(session, 1, 160, 200)
    drag(session, 2, (260, 200))
    assert [c.after.name for c in session.corrections] == ["radial_styloid", "ulnar_styloid"]


def test_undo_and_redo_go_step_by_step(session: SceneAssessment) -> None:
    totals = [session.assessment.score.total]
    for path in ([(150, 240)], [(150, 280)], [(150, 200)]):
        drag(session, 1, *path)
        totals.append(session.assessment.score.total)
    for total in totals[-2::-1]:
        session.undo()
        assert session.assessment.score.total == total
    assert not session.can_undo
    session.undo()
    assert session.keypoints == assessment().keypoints
    for total in totals[1:]:
        session.redo()
        assert session.assessment.score.total == total
    assert not session.can_redo
    assert len(session.corrections) == 3


def test_a_new_correction_ends_what_could_be_redone(session: SceneAssessment) -> None:
    drag(session, 1, (160, 200))
    session.undo()
    drag(session, 2, (260, 200))
    assert not session.can_redo
    assert [c.after.name for c in session.corrections] == ["ulnar_styloid"]


def test_a_point_can_be_marked_as_not_in_the_image_and_be_placed_again(
    session: SceneAssessment,
) -> None:
    node = session.points_node
    session.mark_absent("thumb_mcp_joint")
    assert node.GetNthControlPointPositionStatus(0) == node.PositionMissing
    task = session.assessment.score.task("frontal_1")
    assert (task.points, task.assessable) == (0, True)
    assert session.keypoints["thumb_mcp_joint"].placed_by == "person:Ada"  # type: ignore[index]
    session.move("thumb_mcp_joint", (50, 60.5))
    assert session.assessment.score.task("frontal_1").points == 5
    assert node.GetNthControlPointPosition(0) == pytest.approx((-20.0, -30.25, 0.0))
    assert len(session.corrections) == 2


def test_a_point_that_is_cleared_in_slicer_is_to_be_placed(session: SceneAssessment) -> None:
    session.points_node.UnsetNthControlPointPosition(1)
    point = session.keypoints["radial_styloid"]  # type: ignore[index]
    assert point.finding is Finding.NOT_ASSESSABLE
    assert not session.assessment.score.complete
    assert "P2 radial styloid" not in drawn_texts(session)
    session.undo()
    assert session.keypoints == assessment().keypoints
    assert "P2 radial styloid" in drawn_texts(session)


# Overrides, models that come later ----------------------------------------------------------


def test_stating_artefact_and_side_rescores(session: SceneAssessment) -> None:
    before = session.assessment.score
    session.correct(artefact=ArtefactFinding.stated(False, "Ada"), side=Side.LEFT)
    assert session.assessment.score.total == before.total + 10
    assert session.assessment.side == Sourced(Side.LEFT, "user")


def test_another_view_has_other_points_which_are_to_be_placed(session: SceneAssessment) -> None:
    drag(session, 1, (160, 200))
    session.set_view(View.LATERAL)
    assert session.points_node.GetNumberOfControlPoints() == 5
    assert session.points_node.GetNthControlPointLabel(0) == "P1 scaphoid"
    assert session.points_node.GetNumberOfDefinedControlPoints() == 0
    assert not session.can_undo  # that correction was of the other view's points
    session.move("scaphoid_centre", POINTS[View.LATERAL]["scaphoid_centre"])
    assert session.assessment.score.task("lateral_3").points == 12
    session.undo()
    assert session.points_node.GetNumberOfDefinedControlPoints() == 0


def test_an_image_of_unknown_view_has_no_points_until_the_view_is_stated(scene: Any) -> None:
    session = SceneAssessment.create(scene, radiograph(None), assessment(None))
    assert session.points_node.GetNumberOfControlPoints() == 0
    with pytest.raises(SceneError, match="view is unknown"):
        session.move("radial_styloid", (1, 1))
    session.set_view(View.FRONTAL)
    session.move("radial_styloid", (100, 150))
    assert session.keypoints["radial_styloid"].position == (100.0, 150.0)  # type: ignore[index]


def test_what_a_person_placed_stays_when_the_models_are_ready(scene: Any) -> None:
    empty = reassess(assessment(), keypoints=Keypoints.to_be_placed(View.FRONTAL))
    session = SceneAssessment.create(scene, radiograph(), empty, person="Ada")
    session.move("radial_styloid", (140, 190))
    session.update(assessment())
    positions = {p.name: p.position for p in session.keypoints or ()}
    assert positions == {**POINTS[View.FRONTAL], "radial_styloid": (140.0, 190.0)}
    assert session.assessment.score == reassess(assessment(), keypoints=session.keypoints).score
    session.update(assessment(), keep_placed=False)
    assert session.assessment == assessment()


def test_a_spacing_that_a_person_states_resizes_the_image(scene: Any) -> None:
    unknown = assessment(View.FRONTAL, known=False)
    session = SceneAssessment.create(scene, radiograph(spacing=None), unknown)
    assert session.volume_node.GetSpacing() == (1.0, 1.0, 1.0)
    session.update(assessment())
    assert session.volume_node.GetSpacing() == (*SPACING, 1.0)
    assert session.points_node.GetNthControlPointPosition(1) == pytest.approx((-59.8, -99.75, 0))
    put(session, 1, 150, 200)
    assert session.keypoints["radial_styloid"].position == (150.0, 200.0)  # type: ignore[index]


def test_an_assessment_of_another_image_is_refused(session: SceneAssessment) -> None:
    other = replace(assessment(), geometry=replace(assessment().geometry, width=7))
    with pytest.raises(ValueError, match="another image"):
        session.update(other)


# The end ------------------------------------------------------------------------------------


def test_nothing_is_left_after_closing(scene: Any) -> None:
    before = node_ids(scene)
    session = SceneAssessment.create(scene, radiograph(), assessment())
    drag(session, 1, (100, 100))
    session.mark_absent("thumb_mcp_joint")
    points = session.points_node
    heard: list[bool] = []
    session.on_change(lambda s: heard.append(s.closed))
    session.close()
    session.close()
    assert heard == [True]
    assert node_ids(scene) == before
    assert not points.HasObserver(points.PointModifiedEvent)
    with pytest.raises(SceneError, match="no longer in the scene"):
        session.move("radial_styloid", (1, 1))
    gone = weakref.ref(session)
    del session
    gc.collect()
    assert gone() is None  # nothing in the scene holds it


def test_a_closed_session_can_leave_its_nodes_to_be_restored(scene: Any) -> None:
    session = SceneAssessment.create(scene, radiograph(), assessment(), person="Ada")
    session.move("radial_styloid", (140, 190))
    kept = session.assessment
    session.close(keep_nodes=True)
    (restored,) = restore_all(scene)
    assert restored.assessment.score == kept.score
    assert restored.keypoints == kept.keypoints
    assert restore_all(scene, living=[restored]) == []


def test_closing_the_scene_ends_the_sessions(scene: Any) -> None:
    first = SceneAssessment.create(scene, radiograph(), assessment())
    second = SceneAssessment.create(
        scene, radiograph(View.LATERAL), assessment(View.LATERAL), person="Ada"
    )
    ended: list[str] = []
    first.on_change(lambda s: ended.append(s.assessment.name))
    scene.Clear(0)
    assert first.closed
    assert second.closed
    assert ended == ["frontal"]
    assert scene.GetFirstNodeByClass("vtkMRMLMarkupsFiducialNode") is None


@pytest.mark.parametrize("which", [0, 1, 2])
def test_deleting_any_node_of_a_session_ends_it(scene: Any, which: int) -> None:
    before = node_ids(scene)
    session = SceneAssessment.create(scene, radiograph(), assessment())
    scene.RemoveNode(session.nodes[which])
    assert session.closed
    left = {name for name in node_ids(scene) - before if "Display" not in name}
    assert left == set()


# Saving and reloading -----------------------------------------------------------------------


def test_a_saved_bundle_gives_the_same_scores_points_and_corrections(
    scene: Any, tmp_path: Path
) -> None:
    frontal = SceneAssessment.create(scene, radiograph(), assessment(), person='Ada "Ä" <&>')
    lateral = SceneAssessment.create(
        scene, radiograph(View.LATERAL, spacing=None), assessment(View.LATERAL, known=False)
    )
    drag(frontal, 1, (151.123456789, 260.987654321))
    frontal.mark_absent("thumb_mcp_joint")
    lateral.points_node.UnsetNthControlPointPosition(3)
    frontal.undo()
    frontal.redo()
    saved = [frontal.assessment, lateral.assessment]
    corrections = frontal.corrections
    scene.SetRootDirectory(str(tmp_path))
    assert scene.WriteToMRB(str(tmp_path / "study.mrb"))
    scene.Clear(0)
    assert scene.ReadFromMRB(str(tmp_path / "study.mrb"))
    restored = restore_all(scene, person="Bo")
    assert [s.assessment.score for s in restored] == [a.score for a in saved]
    assert [s.keypoints for s in restored] == [a.keypoints for a in saved]
    assert restored[0].corrections == corrections
    assert restored[0].volume_node.GetSpacing() == pytest.approx((*SPACING, 1.0))
    assert restored[1].volume_node.GetAttribute("WristQC.PixelSpacing").startswith("unknown")
    restored[0].undo()
    restored[0].move("ulnar_styloid", (200, 200))
    assert [c.person for c in restored[0].corrections] == ['Ada "Ä" <&>', "Bo"]
    restored[0].close()
    restored[1].close()


def test_the_overlay_is_not_saved(session: SceneAssessment, scene: Any, tmp_path: Path) -> None:
    scene.SetRootDirectory(str(tmp_path))
    scene.SetURL(str(tmp_path / "scene.mrml"))
    assert scene.Commit()
    text = (tmp_path / "scene.mrml").read_text(encoding="utf-8")
    assert text.count("<MarkupsFiducial\n") + text.count("<MarkupsFiducial ") == 1
    assert "<Model " not in text.replace("\n", " ")


def test_the_overlay_is_hidden_before_it_enters_the_scene(scene: Any) -> None:
    """Slicer's subject hierarchy lists a node unless it is hidden by then, and saves the entry."""
    hidden: dict[str, bool] = {}

    def on_added(_scene: Any, _event: str, node: Any) -> None:
        hidden[node.GetName()] = bool(node.GetHideFromEditors())

    on_added.CallDataType = vtk.VTK_OBJECT  # type: ignore[attr-defined]

    tag = scene.AddObserver(scene.NodeAddedEvent, on_added)
    SceneAssessment.create(scene, radiograph(), assessment(), person="Ada")
    scene.RemoveObserver(tag)
    overlay = {name: state for name, state in hidden.items() if name.endswith(("lines", "labels"))}
    assert overlay
    assert all(overlay.values())


def test_looking_for_what_is_stored_holds_on_to_nothing(scene: Any) -> None:
    SceneAssessment.create(scene, radiograph(), assessment(), person="Ada")
    nodes = [store.node for store in Store.all_in(scene)]
    before = [node.GetReferenceCount() for node in nodes]
    for _ in range(5):
        list(Store.all_in(scene))
    assert [node.GetReferenceCount() for node in nodes] == before


def test_values_that_identify_the_patient_are_not_stored(scene: Any) -> None:
    made = assessment()
    items = tuple(
        replace(i, finding=Finding.FOUND, value="Doe^Jane") if i.identity else i
        for i in made.basic_information
    )
    known = reassess(replace(made, basic_information=items, path="/data/doe/1.dcm"))
    session = SceneAssessment.create(scene, radiograph(), known)
    session.close(keep_nodes=True)
    store = scene.GetFirstNodeByClass("vtkMRMLScriptedModuleNode")
    text = "".join(store.GetParameter(name) for name in ("assessment", "corrections"))
    assert "Doe" not in text
    assert "/data" not in text
    (restored,) = restore_all(scene)
    assert restored.assessment.score == known.score


def test_a_damaged_scene_is_refused_with_a_sentence(session: SceneAssessment, scene: Any) -> None:
    session.close(keep_nodes=True)
    store = scene.GetFirstNodeByClass("vtkMRMLScriptedModuleNode")
    text = store.GetParameter("assessment")
    store.SetParameter("assessment", text[:-1])
    with pytest.raises(SceneError, match="another version"):
        restore_all(scene)
    store.SetParameter("assessment", text)
    store.SetNodeReferenceID("WristQC.points", None)
    with pytest.raises(SceneError, match="lacks the image or the points"):
        restore_all(scene)
