"""A review on slicer-core: run, show, correct, cancel, leave, restore. Needs no Qt."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scene_app
from scene_app import POINTS, node_ids, radiograph

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessor import Assessor, NoModels
from WristQCLib.findings import Finding, Side, Sourced, View
from WristQCLib.keypoints import Keypoint
from WristQCLib.models import Detection, ModelError
from WristQCLib.review import Review
from WristQCLib.sources import ImageSource
from WristQCLib.worklist import Order, WorkItem


class KnownModels:
    """Models that find what they are told; they wait for `go_on` before that."""

    device = "cpu"
    identities: dict[str, str] = {}  # noqa: RUF012

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.go_on.set()
        self.at_work = threading.Event()

    def view(self, image: np.ndarray) -> tuple[View, float]:
        return View.FRONTAL, 0.97

    def artefact(self, image: np.ndarray) -> ArtefactFinding:
        self.at_work.set()
        assert self.go_on.wait(60)
        return ArtefactFinding.from_probability(0.1, 0.5, "model:artefact 1")

    def keypoints(
        self, image: np.ndarray, view: View, spacing: tuple[float, float] | None = None
    ) -> Detection:
        found = [
            Keypoint(name, Finding.FOUND, at, confidence=0.9, placed_by="model:keypoints 1")
            for name, at in POINTS[view].items()
        ]
        return Detection(found, novelty=0.8)


class Told:
    """A listener that counts."""

    def __init__(self) -> None:
        self.lists = self.scores = self.runs = 0

    def list_changed(self) -> None:
        self.lists += 1

    def score_changed(self) -> None:
        self.scores += 1

    def run_changed(self) -> None:
        self.runs += 1


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
def shown() -> list[list[str]]:
    """Names of the images that were shown, each time."""
    return []


@pytest.fixture
def review(scene: Any, shown: list[list[str]]) -> Iterator[Review]:
    def show(sessions: Any) -> None:
        shown.append([session.assessment.name for session in sessions])

    review = Review(scene, show, Told(), person="Ada")
    yield review
    review.close()


@pytest.fixture
def models() -> KnownModels:
    return KnownModels()


@pytest.fixture
def assessor(models: KnownModels) -> Assessor:
    return Assessor.create(models)


def item(view: View = View.FRONTAL, name: str = "", study: str = "") -> WorkItem:
    return WorkItem(replace(radiograph(view), name=name or view.value), study=study)


def finish(review: Review) -> None:
    end = time.monotonic() + 120
    while review.tick(0.01):
        assert time.monotonic() < end, "the run did not finish"


def until(review: Review, condition: Any) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        review.tick(0.01)


def move(review: Review, name: str, x: float, y: float) -> None:
    assert review.session is not None
    review.session.move(name, (x, y))


def test_the_first_image_is_shown_before_the_models_have_finished(review, models, assessor, shown):
    models.go_on.clear()
    review.start([item()], assessor)
    until(review, lambda: review.session is not None)
    assert shown == [["frontal"]]
    assert review.session.keypoints["radial_styloid"].finding is Finding.NOT_ASSESSABLE
    models.go_on.set()
    finish(review)
    assert review.session.keypoints["radial_styloid"].position == (149.5, 199.5)
    assert review.assessment.artefact.probability == 0.1
    assert shown == [["frontal"]]


def test_a_point_that_is_placed_while_the_models_work_stays(review, models, assessor):
    models.go_on.clear()
    review.start([item()], assessor)
    until(review, lambda: review.session is not None and models.at_work.is_set())
    move(review, "thumb_mcp_joint", 33, 44)
    models.go_on.set()
    finish(review)
    assert review.assessment.keypoints["thumb_mcp_joint"].position == pytest.approx((33, 44))
    assert review.assessment.keypoints["radial_styloid"].position == (149.5, 199.5)


def test_views_of_one_study_are_shown_side_by_side_frontal_first(review, assessor, shown):
    review.start([item(View.LATERAL, study="1"), item(View.FRONTAL, study="1")], assessor)
    finish(review)
    assert shown == [["lateral"], ["frontal", "lateral"]]


def test_images_of_different_studies_are_shown_alone(review, assessor, shown):
    review.start([item(View.LATERAL, study="1"), item(View.FRONTAL, study="2")], assessor)
    finish(review)
    assert shown == [["lateral"]]


def test_an_image_that_cannot_be_read_does_not_stop_the_others(review, assessor):
    broken = WorkItem(ImageSource("gone", Path("gone.dcm")))
    review.start([broken, item()], assessor)
    finish(review)
    assert "gone.dcm" in broken.problem
    assert review.items[1].assessment is not None
    assert review.done == review.total == 2


def test_nothing_is_shown_of_an_image_that_cannot_be_read(review, assessor, shown):
    broken = WorkItem(ImageSource("gone", Path("gone.dcm")))
    review.start([item(name="wrist"), broken], assessor)
    finish(review)
    assert shown == [["wrist"]]
    review.show(broken)
    assert shown == [["wrist"], []]


def test_an_unexpected_error_is_told_in_a_sentence(review, assessor, monkeypatch):
    def fail(*_: Any) -> Any:
        raise MemoryError("no more")

    monkeypatch.setattr(type(assessor.models), "keypoints", fail)
    review.start([item()], assessor)
    finish(review)
    assert review.items[0].problem == (
        "frontal: WristQC failed (MemoryError: no more); please report it."
    )


def test_cancelling_leaves_the_images_that_wait(review, models, assessor):
    models.go_on.clear()
    review.start([item(name="one"), item(name="two")], assessor)
    until(review, models.at_work.is_set)
    review.cancel()
    models.go_on.set()
    finish(review)
    one, two = review.items
    assert one.assessment is not None
    assert two.assessment is None
    assert not review.busy


def test_a_moved_point_changes_the_score_and_is_undone(review, assessor):
    review.start([item()], assessor)
    finish(review)
    before = review.assessment.score.total
    told = review._listener.scores
    move(review, "radial_styloid", 149.5, 100)
    assert review.assessment.score.total < before
    assert review._listener.scores > told
    review.session.undo()
    assert review.assessment.score.total == before


def test_leaving_an_image_takes_it_out_of_the_scene_unless_it_was_corrected(
    review, scene, assessor
):
    review.start([item(name="one"), item(name="two"), item(name="three")], assessor)
    finish(review)
    move(review, "radial_styloid", 140, 190)
    review.step(1)
    review.step(1)
    volumes = {
        scene.GetNthNodeByClass(n, "vtkMRMLScalarVolumeNode").GetName()
        for n in range(scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode"))
    }
    assert volumes == {"one", "three"}
    review.step(-1)
    review.step(-1)
    assert review.session.can_undo
    assert review.assessment.keypoints["radial_styloid"].position == pytest.approx((140, 190))


def test_stepping_ends_at_the_ends(review, assessor):
    review.start([item(name="one"), item(name="two")], assessor)
    finish(review)
    review.step(-1)
    assert review.current.name == "one"
    review.step(1)
    review.step(1)
    assert review.current.name == "two"


def test_the_worst_image_comes_first_when_that_is_wanted(review, assessor):
    review.start([item(View.LATERAL), item(View.FRONTAL)], assessor)
    finish(review)
    review.order = Order.WORST
    totals = [i.assessment.score.total for i in review.ordered]
    assert totals == sorted(totals)


def test_assessing_an_image_again_keeps_one_entry_and_its_corrections(review, assessor):
    first = item()
    review.start([first], assessor)
    finish(review)
    move(review, "radial_styloid", 140, 190)
    review.start([WorkItem(first.source)], assessor)
    finish(review)
    assert review.items == [first]
    assert review.assessment.keypoints["radial_styloid"].position == pytest.approx((140, 190))


def test_stating_the_view_gives_its_keypoints_to_be_placed(review, assessor):
    review.start([item()], assessor)
    finish(review)
    review.state_view(View.LATERAL)
    assert review.assessment.view.value is View.LATERAL
    assert review.assessment.keypoints["scaphoid_centre"].finding is Finding.NOT_ASSESSABLE


def test_stating_the_view_looks_for_its_keypoints_when_models_are_there(review, assessor):
    review.start([item()], assessor)
    finish(review)
    review.state_artefact(True)
    review.state_view(View.LATERAL, assessor)
    finish(review)
    assert review.assessment.keypoints["scaphoid_centre"].position == (199.5, 159.5)
    assert review.assessment.artefact.source == "person:Ada"  # not the model's any longer


def test_side_and_artefact_are_stated(review, assessor):
    review.start([item()], assessor)
    finish(review)
    review.state_side(Side.RIGHT)
    review.state_artefact(False)
    assert review.assessment.side.value is Side.RIGHT
    assert review.assessment.artefact == ArtefactFinding.stated(False, "Ada")
    assert review.items[0].assessment is review.assessment


def test_a_stated_spacing_makes_lengths_assessable_and_can_be_taken_back(review):
    unknown = replace(radiograph(View.FRONTAL), spacing=Sourced(None, "not told"))
    review.start([WorkItem(unknown)], Assessor.create(NoModels()))
    finish(review)
    for name, at in POINTS[View.FRONTAL].items():
        move(review, name, *at)
    assert not review.assessment.score.task("frontal_2").assessable
    review.state_spacing((0.5, 0.5))
    # 320 rows; the styloid midpoint is at row 199.5, so 120 pixels of 0.5 mm lie below it
    measured = review.assessment.measurements["styloid_midpoint_to_lower_border"]
    assert measured.value == pytest.approx(6.0)
    assert review.assessment.spacing == Sourced((0.5, 0.5), "user")
    assert review.session.volume_node.GetSpacing() == (0.5, 0.5, 1.0)
    assert review.current.read().spacing.value == (0.5, 0.5)
    assert review.assessment.keypoints["radial_styloid"].position == pytest.approx((149.5, 199.5))
    review.state_spacing(None)
    assert not review.assessment.spacing.known
    assert not review.assessment.score.task("frontal_2").assessable
    assert review.current.read().spacing.value is None


def test_a_stated_spacing_is_kept_by_a_saved_scene_and_a_new_run(review, assessor):
    unknown = replace(
        radiograph(View.FRONTAL),
        spacing=Sourced(None, "not told"),
        view=Sourced(View.FRONTAL, "ViewPosition (0018,5101) = PA"),
    )
    review.start([WorkItem(unknown)], assessor)
    finish(review)
    review.state_spacing((0.5, 0.6), assessor)
    finish(review)
    assert review.assessment.geometry.spacing == (0.5, 0.6)
    review.clear(keep_nodes=True)
    review.restore()
    assert review.current.spacing == (0.5, 0.6)
    assert review.current.view is None  # a header told it, nobody stated it
    restored = review.current.read()
    assert (restored.spacing.value, restored.view.value) == ((0.5, 0.6), View.FRONTAL)


def test_without_models_points_are_placed_by_hand(review):
    review.start([item()], Assessor.create(NoModels()))
    finish(review)
    for name, at in POINTS[View.FRONTAL].items():
        move(review, name, *at)
    assert all(task.points or task.assessable for task in review.assessment.score.tasks[19:])


def test_models_that_are_missing_are_remarked_and_the_rest_is_assessed(review, monkeypatch):
    class Missing(NoModels):
        def __init__(self) -> None:
            super().__init__("The models need torch and monai.")

    review.start([item()], Assessor.create(Missing()))
    finish(review)
    assert review.items[0].problem == ""
    assert "The models need torch and monai." in review.assessment.notes
    with pytest.raises(ModelError):
        Missing().artefact(np.zeros((2, 2)))


def test_clearing_leaves_nothing_in_the_scene(review, scene, assessor):
    before = node_ids(scene)
    review.start([item(study="1"), item(View.LATERAL, study="1")], assessor)
    finish(review)
    move(review, "radial_styloid", 140, 190)
    review.clear()
    assert review.items == []
    left = {i for i in node_ids(scene) - before if "Grey" not in i and "ColorTable" not in i}
    assert left == set()


def test_closing_the_scene_ends_the_sessions(review, scene, assessor):
    review.start([item()], assessor)
    finish(review)
    scene.Clear(0)
    assert review.session is None
    assert review.assessment is not None  # the result is still there


def test_assessments_of_a_loaded_scene_are_taken_over_once(review, scene, assessor, shown):
    review.start([item()], assessor)
    finish(review)
    move(review, "radial_styloid", 140, 190)
    total = review.assessment.score.total
    review.clear(keep_nodes=True)
    assert review.restore() == 1
    assert review.restore() == 0
    assert review.assessment.score.total == total
    assert len(review.session.corrections) == 1
    assert review.items[0].read().width == 400


def test_the_persons_name_goes_into_corrections(review, assessor):
    review.start([item()], assessor)
    finish(review)
    review.person = "  Grace "
    move(review, "radial_styloid", 140, 190)
    assert review.session.corrections[-1].person == "Grace"
    assert review.assessment.keypoints["radial_styloid"].placed_by == "person:Grace"


def test_highlighting_tasks_draws_their_lines_alone(review, assessor):
    review.start([item()], assessor)
    finish(review)

    def lines() -> int:
        return sum(
            node.GetPolyData().GetNumberOfLines()
            for node in review.session._overlay.nodes
            if node.IsA("vtkMRMLModelNode") and node.GetPolyData() is not None
        )

    everything = lines()
    review.highlight(["frontal_5"])
    assert 0 < lines() < everything
    review.highlight()
    assert lines() == everything
