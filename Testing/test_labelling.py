"""Labelling: accepting images, the queue, how far readers are, what is there at the next start."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessment import Assessment
from WristQCLib.assessor import Assessor, NoModels, reassess
from WristQCLib.findings import Finding, Side, View
from WristQCLib.keypoints import Keypoint, Keypoints
from WristQCLib.labelling import Labelling, LabelState, Progress
from WristQCLib.labels import ImageLabels, LabelError
from WristQCLib.labels.reading import Reading
from WristQCLib.labels.store import LabelStore
from WristQCLib.models import Detection, ModelError
from WristQCLib.protocol import load_protocol
from WristQCLib.radiograph import Radiograph
from WristQCLib.worklist import Benefit, Job, Order, WorkItem, first_look, looks, ordered

POINTS = {
    "thumb_mcp_joint": (10.0, 8.0),
    "radial_styloid": (12.0, 20.0),
    "ulnar_styloid": (28.0, 21.0),
}


class Fixed(NoModels):
    """Finds the same points in every frontal image."""

    identities = {"keypoints_frontal": "fixed 1"}  # noqa: RUF012 - never changed

    def artefact(self, image: np.ndarray) -> ArtefactFinding:
        return ArtefactFinding.from_probability(0.1, 0.5, "model:fixed 1")

    def keypoints(self, image: np.ndarray, view: View, spacing: Any = None) -> Detection:
        if view is not View.FRONTAL:
            raise ModelError("There is no model for this view.")
        found = (
            Keypoint(name, Finding.FOUND, position, 0.9, 1.0, "model:fixed 1")
            for name, position in POINTS.items()
        )
        return Detection(list(found))


@dataclass(eq=False)
class Review:
    """As much of a review as labelling asks for; what is shown is noted."""

    items: list[WorkItem]
    person: str = "Ada"
    order: Order = Order.GIVEN
    current: WorkItem | None = None
    at_work: WorkItem | None = None
    session: Any = None
    recall: Any = None
    shown: list[WorkItem] = field(default_factory=list)

    @property
    def ordered(self) -> list[WorkItem]:
        return ordered(self.items, self.order)

    def show(self, item: WorkItem) -> None:
        self.current = item
        self.shown.append(item)

    def assess(self, models: Any = None) -> None:
        """As the worker does."""
        assessor = Assessor.create(models or Fixed())
        for item in self.items:
            *_, last = looks(Job(item, assessor, self.recall))
            last.tell(item)
            item.assessment = last.assessment


def radiograph(name: str, view: str | None = "frontal") -> Radiograph:
    pixels = np.random.default_rng(list(name.encode())).normal(size=(30, 40))
    return Radiograph.from_pixels(pixels.astype(np.float32), spacing=1.0, view=view, name=name)


def review_of(*names: str, person: str = "Ada") -> Review:
    return Review([WorkItem(radiograph(name)) for name in names], person)


@pytest.fixture
def store(tmp_path) -> LabelStore:
    return LabelStore.open(tmp_path / "labels")


def started(
    store: LabelStore | None, *names: str, person: str = "Ada", models: Any = None
) -> tuple[Review, Labelling]:
    """A review of these images, as after a start; the first is shown."""
    review = review_of(*names, person=person)
    labelling = Labelling(review, store)  # type: ignore[arg-type]
    review.assess(models)
    review.current = review.items[0]
    return review, labelling


def corrected(item: WorkItem, x: float = 20.0, person: str = "Ada") -> None:
    """Move the radial styloid of an item."""
    now = item.assessment
    assert now is not None
    assert now.keypoints is not None
    point = Keypoint("radial_styloid", Finding.FOUND, (x, 20.0), placed_by=f"person:{person}")
    item.assessment = reassess(now, keypoints=now.keypoints.replaced(point))


# Accepting ---------------------------------------------------------------------------------------


def test_an_image_accepted_as_it_is_is_a_label_without_correction(store):
    review, labelling = started(store, "a", "b")
    reading = labelling.accept()
    assert store.readings(store.keys()[0]) == [reading]
    assert (reading.reader, reading.corrected, reading.based_on) == ("Ada", False, None)
    assert [p.placed_by for p in reading.labels.keypoints] == ["model:fixed 1"] * 3
    assert labelling.state(review.items[0]) is LabelState.CHECKED
    assert labelling.state(review.items[1]) is LabelState.NOT_CHECKED


def test_a_correction_is_kept_beside_what_the_models_said(store):
    review, labelling = started(store, "a")
    corrected(review.items[0])
    reading = labelling.accept()
    assert reading.corrected
    assert reading.labels.keypoints["radial_styloid"].position == (20.0, 20.0)
    assert reading.predicted is not None
    assert reading.predicted.keypoints["radial_styloid"].position == (12.0, 20.0)
    assert reading.predicted.keypoints["ulnar_styloid"].placed_by == "model:fixed 1"


def test_without_models_nothing_was_said_before(store):
    review, labelling = started(store, "a", models=NoModels())
    item = review.items[0]
    item.assessment = reassess(
        item.assessment, keypoints=Keypoints.from_positions(View.FRONTAL, POINTS, "person:Ada")
    )
    assert labelling.accept().predicted is None
    assert labelling.progress == Progress(1, 1, 0)


def test_accepting_again_adds_a_reading_only_after_a_change(store):
    review, labelling = started(store, "a")
    first = labelling.accept()
    assert labelling.accept() is first
    corrected(review.items[0])
    assert labelling.state(review.items[0]) is LabelState.CHANGED_SINCE
    second = labelling.accept()
    assert second.based_on == first.id
    assert labelling.state(review.items[0]) is LabelState.CHECKED
    assert store.readings(store.keys()[0]) == [first, second]
    assert store.current(store.keys()[0]) == [second]


def test_the_pixels_are_kept_beside_the_labels(store):
    _review, labelling = started(store, "a")
    labelling.accept()
    path = store.image_path(store.keys()[0])
    assert path is not None
    assert path.is_file()


def refused(review: Review, labelling: Labelling) -> str:
    with pytest.raises(LabelError) as told:
        labelling.accept()
    assert labelling.progress.checked == 0
    return str(told.value)


def test_an_image_whose_view_is_unknown_is_refused(store):
    review, labelling = started(store, "a")
    review.items[0].source = radiograph("a", view=None)
    review.assess(NoModels())
    assert "view of a is unknown" in refused(review, labelling)


def test_an_image_that_is_still_being_assessed_is_refused(store):
    review, labelling = started(store, "a")
    review.at_work = review.items[0]
    assert "a is still being assessed" in refused(review, labelling)
    review.at_work = None
    review.items[0].assessment = first_look(radiograph("a"), load_protocol())
    assert "a is still being assessed" in refused(review, labelling)


def test_an_image_with_points_to_place_is_refused_by_their_names(store):
    review, labelling = started(store, "a", models=NoModels())
    assert refused(review, labelling) == (
        "Place these points of a or say that they are not in it:"
        " thumb MCP joint, radial styloid, ulnar styloid."
    )


def test_without_an_image_or_a_store_nothing_is_accepted(store):
    review, labelling = started(store, "a")
    review.current = None
    assert refused(review, labelling) == "There is no image to accept; choose one of the list."
    review.current = review.items[0]
    labelling.store = None
    assert refused(review, labelling) == "There is no folder for labels; choose one."


def test_what_cannot_be_stored_is_not_checked(store, tmp_path):
    review, labelling = started(store, "a")
    folder = store.folder / "labels"
    folder.rmdir()
    folder.write_text("in the way")
    assert "cannot be" in refused(review, labelling)
    assert labelling.state(review.items[0]) is LabelState.NOT_CHECKED


def test_a_draft_counts_at_once_and_the_next_is_based_on_it(store):
    review, labelling = started(store, "a")
    item = review.items[0]
    first = labelling.draft()
    assert labelling.state(item) is LabelState.CHECKED
    assert labelling.progress == Progress(1, 1, 0)
    assert labelling.kept()
    corrected(item)  # while it is being saved
    assert not labelling.kept()
    assert labelling.state(item) is LabelState.CHANGED_SINCE
    second = labelling.draft()
    assert labelling.progress == Progress(1, 1, 1)
    labelling.settle(first, first.save())
    labelling.settle(second, second.save())
    one, two = store.readings(store.keys()[0])
    assert (one.corrected, two.corrected, two.based_on) == (False, True, one.id)
    assert store.conflicts() == []


# The next start ----------------------------------------------------------------------------------


def test_what_was_accepted_is_there_at_the_next_start_even_with_other_models(store):
    review, labelling = started(store, "a", "b")
    corrected(review.items[0])
    labelling.accept()

    class Other(Fixed):
        def keypoints(self, *args: Any) -> Detection:
            found = super().keypoints(*args).keypoints
            return Detection([replace(p, position=(1.0, 1.0)) for p in found])

    review, labelling = started(LabelStore.open(store.folder), "a", "b", models=Other())
    item, other = review.items
    assert labelling.state(item) is LabelState.CHECKED
    positions = [p.position for p in item.assessment.keypoints]
    assert positions == [(10.0, 8.0), (20.0, 20.0), (28.0, 21.0)]  # models' points, too
    assert item.predicted.keypoints["radial_styloid"].position == (1.0, 1.0)
    assert labelling.state(other) is LabelState.NOT_CHECKED
    assert labelling.progress == Progress(2, 1, 1)
    corrected(item, 22.0)
    assert labelling.accept().based_on == store.readings(store.keys()[0])[0].id


def test_side_and_foreign_object_are_there_again(store):
    review, labelling = started(store, "a")
    item = review.items[0]
    stated = ArtefactFinding.stated(True, "Ada")
    item.assessment = reassess(item.assessment, side=Side.LEFT, artefact=stated)
    labelling.accept()
    review, labelling = started(store, "a")
    now = review.items[0].assessment
    assert (now.side.value, now.artefact.finding) == (Side.LEFT, Finding.FOUND)
    assert labelling.state(review.items[0]) is LabelState.CHECKED


def test_a_view_that_is_stated_now_goes_before_the_reading(store):
    _review, labelling = started(store, "a")
    labelling.accept()
    review = review_of("a")
    review.items[0].view = View.LATERAL
    labelling = Labelling(review, store)  # type: ignore[arg-type]
    review.assess()
    assert review.items[0].assessment.view.value is View.LATERAL
    assert labelling.state(review.items[0]) is LabelState.CHANGED_SINCE


@dataclass
class Files:
    """Label files of one image."""

    labels: ImageLabels

    def of(self, radiograph: Radiograph) -> ImageLabels:
        return self.labels


def labels_of(assessment: Assessment, reading: Reading, hours: int) -> ImageLabels:
    when = reading.accepted_at + timedelta(hours=hours)
    return ImageLabels.of(assessment, radiograph("a"), when)


@pytest.mark.parametrize(("hours", "x"), [(1, 25.0), (-1, 20.0)])
def test_of_a_label_file_and_a_reading_the_later_one_is_shown(store, hours, x):
    review, labelling = started(store, "a")
    corrected(review.items[0])
    reading = labelling.accept()
    corrected(review.items[0], 25.0)
    files = Files(labels_of(review.items[0].assessment, reading, hours))
    review = review_of("a")
    labelling = Labelling(review, store, files=files)  # type: ignore[arg-type]
    review.assess()
    item = review.items[0]
    assert item.assessment.keypoints["radial_styloid"].position == (x, 20.0)
    wanted = LabelState.CHANGED_SINCE if hours > 0 else LabelState.CHECKED
    assert labelling.state(item) is wanted


# Others ------------------------------------------------------------------------------------------


def test_what_others_accepted_is_told_but_not_shown(store):
    eve, of_eve = started(store, "a", "b", person="Eve")
    corrected(eve.items[0], person="Eve")
    of_eve.accept()
    review, labelling = started(store, "a", "b")
    item = review.items[0]
    assert item.assessment.keypoints["radial_styloid"].position == (12.0, 20.0)
    assert labelling.state(item) is LabelState.NOT_CHECKED
    assert labelling.others(item) == ("Eve",)
    assert labelling.progress == Progress(2, 0, 0, by_others=1)
    assert labelling.next_unchecked() is review.items[1]
    review.current = review.items[1]
    assert labelling.next_unchecked() is item
    labelling.skip_others = True
    assert labelling.next_unchecked() is None


def test_what_others_accept_meanwhile_is_seen_after_a_refresh(store):
    review, labelling = started(store, "a")
    assert labelling.others(review.items[0]) == ()
    _, of_eve = started(LabelStore.open(store.folder), "a", person="Eve")
    of_eve.accept()
    labelling.refresh()
    assert labelling.others(review.items[0]) == ("Eve",)


def test_another_reader_at_the_same_place_starts_with_their_own_readings(store):
    review, labelling = started(store, "a")
    labelling.accept()
    review.person = "Eve"
    assert labelling.state(review.items[0]) is LabelState.NOT_CHECKED
    assert labelling.progress == Progress(1, 0, 0, by_others=1)
    labelling.accept()
    review.person = "Ada "
    assert labelling.state(review.items[0]) is LabelState.CHECKED
    assert [r.reader for r in store.current(store.keys()[0])] == ["Ada", "Eve"]


def test_readers_who_disagree_are_in_conflict_until_it_is_decided(store):
    eve, of_eve = started(store, "a", person="Eve")
    corrected(eve.items[0], person="Eve")  # 8 mm to the right
    of_eve.accept()
    review, labelling = started(store, "a")
    labelling.accept()
    item = review.items[0]
    assert labelling.state(item) is LabelState.IN_CONFLICT
    assert "8.0 mm apart" in next(iter(labelling.conflicts_by_key().values())).sentence
    assert labelling.next_unchecked() is None
    draft = labelling.draft(resolve=True)
    labelling.settle(draft, draft.save())
    assert store.conflicts() == []
    assert labelling.state(item) is LabelState.CHECKED
    consensus = store.consensus(store.keys()[0])
    assert consensus.keypoints["radial_styloid"].position == (12.0, 20.0)


def test_two_windows_of_one_reader_are_in_conflict_until_one_accepts_again(store):
    (one, of_one), (two, of_two) = started(store, "a"), started(store, "a")
    corrected(one.items[0], 20.0)
    corrected(two.items[0], 25.0)
    of_one.accept()
    of_two.accept()
    of_one.refresh()
    assert of_one.state(one.items[0]) is LabelState.IN_CONFLICT
    of_one.accept()
    assert store.conflicts() == []
    (left,) = store.current(store.keys()[0])
    assert left.labels.keypoints["radial_styloid"].position == (20.0, 20.0)


# The queue ---------------------------------------------------------------------------------------


def test_accept_and_next_goes_on_from_the_image_and_comes_round(store):
    review, labelling = started(store, "a", "b", "c")
    a, b, c = review.items
    review.current = b
    for wanted in (c, a):
        labelling.accept_and_next()
        assert review.current is wanted
    labelling.accept_and_next()
    assert review.current is a  # there is none left
    assert labelling.progress == Progress(3, 3, 0)
    assert str(labelling.progress) == "3 of 3 checked, 0 corrected"


def test_the_image_of_the_greatest_benefit_is_next_and_one_passed_over_comes_last(store):
    review, labelling = started(store, "a", "b", "c")
    a, b, c = review.items
    a.benefit, b.benefit, c.benefit = (Benefit(wrong, 0, 0.0) for wrong in (0.1, 0.5, 0.9))
    review.order, review.current = Order.UNCERTAIN, a
    assert labelling.next_unchecked() is c
    labelling.pass_over(c)
    assert labelling.next_unchecked() is b
    review.current = b
    labelling.accept_and_next()
    assert review.current is a
    labelling.accept_and_next()
    assert review.current is c


def test_what_is_still_being_assessed_comes_after_what_is_ready(store):
    review, labelling = started(store, "a", "b", "c", "d")
    _, b, c, d = review.items
    b.assessment, c.problem = None, "c cannot be read."
    assert labelling.next_unchecked() is d
    assert labelling.next_unchecked([b, c]) is b
    assert labelling.progress.total == 3


def test_the_words_of_progress():
    assert str(Progress(200, 37, 12)) == "37 of 200 checked, 12 corrected"
