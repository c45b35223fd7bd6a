"""The list of images: first looks, orders, counterparts, saving; loaded volumes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessor import Assessor, NoModels, reassess
from WristQCLib.certainty import certainty
from WristQCLib.errors import RadiographError
from WristQCLib.findings import Finding, Side, Sourced, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoint, Keypoints
from WristQCLib.loaded_volumes import sources_of_volume
from WristQCLib.protocol import load_protocol
from WristQCLib.radiograph import Radiograph
from WristQCLib.resources import RESOURCES
from WristQCLib.saving import Kind, save
from WristQCLib.sources import ImageSource
from WristQCLib.worklist import (
    AT_WORK,
    Benefit,
    Job,
    Order,
    WorkItem,
    counterpart,
    first_look,
    looks,
    ordered,
)

SAMPLE = RESOURCES / "SampleData" / "frontal_good.dcm"


def image(view: str = "frontal", name: str = "image") -> Radiograph:
    return Radiograph.from_pixels(np.eye(40), spacing=1.0, view=view, name=name)


def seen(view: View = View.FRONTAL, side: Side | None = None, study: str = "1") -> WorkItem:
    assessment = first_look(image(view.value), load_protocol())
    return WorkItem(
        image(view.value), study=study, assessment=replace(assessment, side=Sourced(side, ""))
    )


def test_the_first_look_tells_what_the_header_tells_and_no_more():
    from WristQCLib.radiograph import read_radiograph

    look = first_look(read_radiograph(SAMPLE), load_protocol())
    assert look.score.total == 34  # all 17 items
    assert look.score.reachable == 100
    assert look.side_marker.reason == look.artefact.source == AT_WORK
    assert all(p.finding is Finding.NOT_ASSESSABLE for p in look.keypoints)


def test_an_image_without_a_view_has_no_keypoints_at_first():
    look = first_look(Radiograph.from_pixels(np.eye(40)), load_protocol())
    assert look.keypoints is None
    assert look.score.reachable == 100  # everything is open


def test_the_whole_assessment_comes_after_the_first_look_with_what_a_person_stated():
    item = WorkItem(image(), artefact=ArtefactFinding.stated(False, "Ada"), side=Side.LEFT)
    first, last = looks(Job(item, Assessor.create(NoModels())))
    assert (first.final, last.final) == (False, True)
    assert last.assessment.artefact.source == "person:Ada"
    assert last.assessment.side == Sourced(Side.LEFT, "user")


def test_the_worst_comes_first_and_what_was_not_assessed_last():
    good, bad, none = seen(), seen(), WorkItem(image())
    better = reassess(good.assessment, artefact=ArtefactFinding.stated(False))
    good.assessment = better
    assert ordered([none, good, bad], Order.WORST) == [bad, good, none]
    assert ordered([none, good, bad], Order.GIVEN) == [none, good, bad]


def judged(benefit: Benefit | None = None, **predicted: Any) -> WorkItem:
    """An image that models have judged."""
    item = seen()
    item.predicted = SimpleNamespace(**predicted)  # type: ignore[assignment]
    item.benefit = benefit
    return item


def test_looking_is_worth_most_where_the_grade_may_be_wrong_then_for_points_then_for_spread():
    sure = judged(Benefit(0.0, 0, 0.001))
    spread, open_points = judged(Benefit(0.0, 0, 0.002)), judged(Benefit(0.0, 6, 0.0))
    wrong, unseen = judged(Benefit(0.05, 0, 0.0)), WorkItem(image())
    items = [unseen, sure, spread, open_points, wrong]
    assert ordered(items, Order.UNCERTAIN) == [wrong, open_points, spread, sure, unseen]


def test_the_benefit_is_that_of_what_the_models_said():
    none = Assessor.create(NoModels()).assess(image())
    assert Benefit.of(none) == Benefit(1.0, none.score.reachable - none.score.total, 0.0)
    # The diagonal of 30 x 40 pixels is 50.
    points = tuple(
        Keypoint(name, Finding.FOUND, (x, x), 1.0, spread, "model:x 1")
        for name, x, spread in zip(
            KEYPOINT_NAMES[View.FRONTAL], (9, 18, 27), (1, 3, 2), strict=True
        )
    )
    flat = Radiograph.from_pixels(np.eye(30, 40), spacing=1.0, view="frontal")
    first = first_look(flat, load_protocol())
    placed = reassess(
        first, keypoints=Keypoints(View.FRONTAL, points), artefact=ArtefactFinding.stated(False)
    )
    benefit = Benefit.of(placed)
    assert benefit.spread == pytest.approx(2 / 50)
    assert benefit.open_points == placed.score.reachable - placed.score.total
    assert benefit.grade_is_wrong == 1 - certainty(placed).grades[placed.score.grade]
    by_hand = reassess(placed, keypoints=Keypoints.from_positions(
        View.FRONTAL, {p.name: p.position for p in points}))  # fmt: skip
    assert Benefit.of(by_hand).grade_is_wrong == 0


def test_what_differs_most_from_the_training_images_comes_first_and_what_is_unknown_last():
    near, far, unknown = judged(novelty=0.1), judged(novelty=7.0), judged(novelty=None)
    assert ordered([unknown, near, far], Order.NOVEL) == [far, near, unknown]


def test_a_random_order_stays_while_images_are_added_and_corrected():
    items = [WorkItem(image(name=f"image {n}")) for n in range(50)]
    drawn = ordered(items, Order.RANDOM)
    assert drawn != items
    assert ordered(list(reversed(items)), Order.RANDOM) == drawn
    items[7].assessment = seen().assessment
    assert ordered(items, Order.RANDOM) == drawn
    assert ordered(items[:20], Order.RANDOM) == [i for i in drawn if i in items[:20]]


def test_what_the_models_said_stays_whatever_is_looked_for_again():
    item = WorkItem(image())
    first, last = looks(Job(item, Assessor.create(NoModels())))
    first.tell(item)
    assert item.predicted is None
    last.tell(item)
    assert item.predicted is last.predicted
    assert item.benefit == Benefit.of(last.predicted)
    *_, again = looks(Job(item, Assessor.create(NoModels())))
    again.tell(item)
    assert item.predicted is last.predicted


def test_what_the_models_say_of_a_view_that_they_did_not_know_counts():
    item = WorkItem(Radiograph.from_pixels(np.eye(40)))
    *_, blind = looks(Job(item, Assessor.create(NoModels())))
    blind.tell(item)
    item.view = View.LATERAL
    *_, seeing = looks(Job(item, Assessor.create(NoModels())))
    seeing.tell(item)
    assert item.predicted is seeing.predicted
    assert item.predicted.keypoints.view is View.LATERAL


def test_the_counterpart_is_the_other_view_of_the_same_side_and_study():
    frontal = seen(View.FRONTAL, Side.LEFT)
    right, left = seen(View.LATERAL, Side.RIGHT), seen(View.LATERAL, Side.LEFT)
    elsewhere = seen(View.LATERAL, Side.LEFT, study="2")
    assert counterpart(frontal, [frontal, right, elsewhere, left]) is left
    assert counterpart(frontal, [frontal, right, elsewhere]) is None
    assert counterpart(replace(frontal, study=""), [left]) is None


# Loaded volumes -----------------------------------------------------------------------------


def volume(name: str = "wrist", uids: str = "", file: str = "") -> Any:
    """As much of a volume node as is asked for what it was loaded from."""
    storage = SimpleNamespace(GetFileName=lambda: file) if file else None
    return SimpleNamespace(
        GetName=lambda: name,
        GetAttribute=lambda key: uids if key == "DICOM.instanceUIDs" else None,
        GetStorageNode=lambda: storage,
        GetSpacing=lambda: (1.0, 1.0, 1.0),
        GetImageData=lambda: None,
    )


def test_a_volume_of_two_stacked_images_gives_both_files():
    files = {"1.2": Path("a.dcm"), "1.3": Path("b.dcm")}
    assert sources_of_volume(volume(uids="1.2 1.3"), files.get) == [
        ImageSource("wrist-1", Path("a.dcm")), ImageSource("wrist-2", Path("b.dcm")),
    ]  # fmt: skip


def test_a_volume_is_read_from_the_file_it_was_loaded_from():
    found = sources_of_volume(volume(file=str(SAMPLE)), lambda uid: None)
    assert found == [ImageSource("wrist", SAMPLE)]


def test_an_empty_volume_is_refused():
    with pytest.raises(RadiographError, match="'wrist' is empty"):
        sources_of_volume(volume(), lambda uid: None)


# Saving -------------------------------------------------------------------------------------


def test_structured_reports_and_labels_go_into_folders_of_their_own(tmp_path):
    pytest.importorskip("highdicom")
    item = WorkItem(ImageSource.of_file(SAMPLE))
    item.assessment = first_look(item.read(), load_protocol())
    saved = save([item], tmp_path, [Kind.DICOM_SR, Kind.MARKUPS], person="Ada")
    assert saved.problems == ()
    assert saved.images == 1
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*.*")} == {
        "dicom-sr/frontal_good.dcm", "markups/frontal_good.mrk.json",
    }  # fmt: skip


def test_what_cannot_be_saved_is_told_and_the_rest_is_saved(tmp_path):
    good, gone = WorkItem(image(name="good")), WorkItem(ImageSource("gone", tmp_path / "gone.dcm"))
    unknown = WorkItem(Radiograph.from_pixels(np.eye(40), name="unknown"))
    for item in (good, unknown):
        item.assessment = first_look(item.read(), load_protocol())
    gone.assessment = good.assessment
    saved = save([good, gone, unknown], tmp_path / "out", [Kind.LABELME, Kind.CSV])
    assert saved.images == 2
    assert [p for p in saved.problems if "gone.dcm" in p]
    assert [p for p in saved.problems if "view is unknown" in p]
    assert [p.name for p in (tmp_path / "out" / "labelme").iterdir()] == ["good.json"]


def test_saving_stops_when_it_is_told_to(tmp_path):
    items = [WorkItem(image(name=name)) for name in ("one", "two")]
    for item in items:
        item.assessment = first_look(item.read(), load_protocol())
    assert save(items, tmp_path, [Kind.MARKUPS], go_on=lambda count: False).images == 1


def test_keypoints_of_a_list_item_can_be_corrected_without_a_scene():
    item = seen()
    item.assessment = reassess(item.assessment, keypoints=Keypoints.to_be_placed(View.LATERAL))
    assert item.assessment.view.value is View.LATERAL
