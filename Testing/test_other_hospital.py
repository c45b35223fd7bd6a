"""What corrected images of another hospital teach: choices, corrections, figures, going on."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("monai")
pytest.importorskip("mujoco", reason="the hospital is simulated")
pytest.importorskip("matplotlib")

from Testing.test_training_data import FRONTAL, LATERAL, write_labelled
from training import other_hospital
from training.finetune import Options, Outcome, TaskOutcome
from training.hospital_figures import (
    ALL,
    BEFORE,
    BENCHMARK,
    HOSPITAL,
    Arm,
    ImageFigures,
    artefact_right,
    cost,
    cost_difference,
    error,
    missed,
    of_view,
    read_images,
    results_page,
    write_images,
    write_results,
)
from training.other_hospital import Experiment, held_out_share, run
from training.simulated_reader import READER, READER_SD_MM, correction, item_of, placed
from training.store_data import place
from training.telling import Telling
from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessor import Assessor, NoModels
from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoint, Keypoints
from WristQCLib.labels import LabelStore
from WristQCLib.models.detector import Detection

SIZE = (120, 90)


class Guessing(NoModels):
    """Models that see every keypoint in the image's middle, the surer the brighter it is."""

    def __init__(self, *_: object) -> None:
        super().__init__()

    def artefact(self, image: np.ndarray) -> ArtefactFinding:
        return ArtefactFinding.from_probability(0.1, 0.5, "model:guessing 1")

    def keypoints(
        self, image: np.ndarray, view: View, spacing: tuple[float, float] | None = None
    ) -> Detection:
        sure = float(np.clip(image.mean(), 0.05, 0.95))
        return Detection(
            [
                Keypoint(name, Finding.FOUND, (30.0, 45.0), sure, 2.0, "model:guessing 1")
                for name in KEYPOINT_NAMES[view]
            ],
            novelty=1 - sure,
        )


def figures(
    name: str, view: View, *errors: float, lost: int = 0, invented: int = 0, right: bool = True
) -> ImageFigures:
    beyond = sum(e > 10 for e in errors)
    costs = [min(e, 10.0) for e in errors] + [10.0] * (lost + invented)
    return ImageFigures(
        name, str(view), errors, len(errors) + lost, lost + beyond, tuple(costs), right, right
    )


IMAGES = (
    figures("a", View.FRONTAL, 1.0, 3.0),
    figures("b", View.FRONTAL, 2.0, lost=1, right=False),
    figures("c", View.LATERAL, 14.0, 4.0, invented=1),
)


def test_error_misses_and_cost_count_what_they_say() -> None:
    assert error(IMAGES).value == pytest.approx((1 + 3 + 2 + 14 + 4) / 5)
    # Of six keypoints in the images one was not found and one is 14 mm off.
    assert missed(IMAGES).value == pytest.approx(100 * 2 / 6)
    assert cost(IMAGES).value == pytest.approx((1 + 3 + 2 + 10 + 10 + 4 + 10) / 7)
    assert artefact_right(IMAGES).value == pytest.approx(100 * 2 / 3)
    assert error(of_view(IMAGES, "frontal")).value == pytest.approx(2.0)
    assert of_view(IMAGES, ALL) == list(IMAGES)


def test_a_figure_of_nothing_is_unknown_and_one_of_equals_has_no_width() -> None:
    assert math.isnan(error([]).value) and error([]).told() == ""
    same = [figures(str(k), View.FRONTAL, 2.0) for k in range(5)]
    assert error(same).interval == (2.0, 2.0) and error(same).told(1) == "2.0 (2.0 to 2.0)"


def test_costs_are_compared_on_the_same_images_alone() -> None:
    better = (figures("a", View.FRONTAL, 0.5, 0.5), figures("b", View.FRONTAL, 2.0, 2.0))
    # a: 0.5 instead of 2; b: 2 instead of (2 + 10) / 2.
    assert cost_difference(better, IMAGES).value == pytest.approx(-(1.5 + 4.0) / 2)
    assert math.isnan(cost_difference(better, ()).value)


def test_figures_of_images_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_images(tmp_path / "images.json", IMAGES)
    assert read_images(tmp_path / "images.json") == IMAGES


def arm(way: str, size: int, by: float) -> Arm:
    images = tuple(replace(i, errors_mm=tuple(e * by for e in i.errors_mm)) for i in IMAGES)
    task = {"task": "keypoints", "promoted": by < 1, "sentence": "So it was.",
            "train": 9, "validation": 3, "held_out": 8}  # fmt: skip
    outcome = {"tasks": [task], "corrected": {"frontal": 12, "lateral": 8}}
    return Arm(way, size, {HOSPITAL: images, BENCHMARK: IMAGES}, outcome if way != BEFORE else {})


def test_results_are_a_table_a_page_and_a_picture(tmp_path: Path) -> None:
    arms = [arm(BEFORE, 0, 1.0), arm("queue", 20, 0.5), arm("random", 20, 1.5)]
    written = write_results(tmp_path, arms)
    assert [path.name for path in written] == ["results.csv", "results.md", "results.png"]
    assert all(path.stat().st_size > 500 for path in written)
    with written[0].open() as stream:
        rows = list(csv.DictReader(stream))
    wanted = ("queue-20", "hospital", "frontal", "mre_mm")
    (row,) = (r for r in rows if (r["arm"], r["images"], r["view"], r["figure"]) == wanted)
    assert float(row["value"]) == pytest.approx(1.0) and row["n"] == "2"
    page = "\n".join(results_page(arms))
    assert "| none | 2.00 (" in page and "| 20, queue | 1.00 (" in page
    assert "| 20, queue | 12 frontal, 8 lateral | keypoints | 9 | 3 | 8 | yes |" in page
    assert "| 20 | queue - random | 0.00" in page


def test_a_page_of_what_was_measured_before_alone_is_made(tmp_path: Path) -> None:
    assert len(write_results(tmp_path, [arm(BEFORE, 0, 1.0)])) == 3


def test_a_reader_is_off_by_as_much_as_is_said_and_leaves_absent_points_absent() -> None:
    truth = Keypoints.from_positions(
        View.LATERAL, dict.fromkeys(KEYPOINT_NAMES[View.LATERAL][:4], (500.0, 500.0))
        | {KEYPOINT_NAMES[View.LATERAL][4]: None},
    )  # fmt: skip
    rng = np.random.default_rng(0)
    read = [placed(truth, (1000, 1000), (0.5, 0.25), rng) for _ in range(500)]
    assert all(keypoints.points[4].position is None for keypoints in read)
    off = np.array([p.position for k in read for p in k.points[:4]]) - 500.0
    wanted = READER_SD_MM[View.LATERAL] / np.array([0.5, 0.25])
    assert off.std(axis=0) == pytest.approx(wanted, rel=0.06)
    assert np.abs(off.mean(axis=0)).max() < 0.2


def test_a_point_at_the_border_is_placed_in_the_image() -> None:
    names = KEYPOINT_NAMES[View.FRONTAL]
    truth = Keypoints.from_positions(View.FRONTAL, dict.fromkeys(names, (99.5, -0.5)))
    for seed in range(20):
        for point in placed(truth, (100, 80), (0.1, 0.1), np.random.default_rng(seed)):
            assert point.position is not None
            assert point.position[0] <= 99.5 and point.position[1] >= -0.5


def test_a_correction_tells_the_truth_and_what_the_models_had_said(tmp_path: Path) -> None:
    label = write_labelled(tmp_path, "frontal_1", FRONTAL, SIZE, frontal=True, artefact=True)
    said = Assessor.create(Guessing()).assess(item_of(label).read())
    (reading, radiograph), (again, _) = (correction(label, said, seed=3) for _ in range(2))
    assert reading.reader == READER and reading.corrected
    assert reading.labels.artefact.finding is Finding.FOUND
    assert reading.labels.keypoints == again.labels.keypoints
    styloid = reading.labels.keypoints["radial_styloid"]
    assert styloid.position is not None and styloid.placed_by == f"person:{READER}"
    # 0.3 x 0.4 mm pixels and 0.4 mm of error: within five deviations.
    assert math.dist(styloid.position, FRONTAL["radial_styloid"]) < 7
    assert reading.labels.keypoints["ulnar_styloid"].finding is Finding.NOT_FOUND
    assert reading.predicted is not None
    assert reading.predicted.keypoints["ulnar_styloid"].position == (30.0, 45.0)
    assert (radiograph.width, radiograph.height) == SIZE[::-1]
    other, _ = correction(label, said, seed=4)
    assert other.labels.keypoints != reading.labels.keypoints


def known(count: int, start: int = 0) -> list[dict[str, object]]:
    return [{"key": f"image {n}", "object": n % 2 == 0} for n in range(start, start + count)]


def test_a_larger_share_is_held_out_where_too_few_of_a_kind_would_be() -> None:
    # Only the images that are held out last have an object: a fifth of 20 are the first four.
    line = sorted((f"image {n}" for n in range(20)), key=lambda key: place(key, "held out"))
    late = [{"key": key, "object": number >= 5} for number, key in enumerate(line)]
    share = held_out_share([late], True)
    assert share > 0.2
    out = [image for image in late if place(str(image["key"]), "held out") < share]
    assert sum(bool(image["object"]) for image in out) >= 2 and 20 - len(out) >= 6
    assert held_out_share([late], False) == 0.2


def test_all_ways_of_choosing_as_many_hold_out_the_same_share() -> None:
    first, second = known(24), known(24, 1000)
    both = held_out_share([first, second], False)
    assert both == max(held_out_share([choice], False) for choice in (first, second))


def test_without_objects_the_share_is_that_of_keypoints_and_too_few_images_have_the_usual() -> None:
    plain = [image | {"object": False} for image in known(24)]
    assert held_out_share([plain], True) == held_out_share([plain], False)
    assert held_out_share([known(5)], True) == 0.2


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="Between 1 and 30 images"):
        Experiment(Path(), sizes=(20, 50), pool=30)
    with pytest.raises(ValueError, match="Unknown way of choosing 'best'"):
        Experiment(Path(), ways=("best",))


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """An experiment on noise with models that guess and trainings that learn nothing."""
    experiment = Experiment(tmp_path / "out", sizes=(3, 6), pool=8, task="keypoints")

    def make_images(asked: Experiment, telling: Telling) -> None:
        for part in ("pool", "test", "benchmark", "mixed"):
            for k in range(4):
                folder, stem = asked.images(part), f"{k}{'x' * k}"
                write_labelled(
                    folder, f"frontal_{stem}", FRONTAL, SIZE, frontal=True, artefact=k > 1
                )
                write_labelled(folder, f"lateral_{stem}", LATERAL, SIZE, lateral=True)

    def finetune(store: LabelStore, out: Path, options: Options, telling: Telling) -> Outcome:
        asked_for.append((len(store), options))
        return Outcome((TaskOutcome("keypoints", False, "Nothing better."),), out, None, None)

    asked_for: list[tuple[int, Options]] = []
    monkeypatch.setattr(other_hospital, "make_images", make_images)
    monkeypatch.setattr(other_hospital, "ModelSet", Guessing)
    monkeypatch.setattr(other_hospital, "finetune", finetune)
    monkeypatch.setattr(other_hospital, "measured", lambda *_: IMAGES)
    object.__setattr__(experiment, "asked_for", asked_for)
    return experiment


def test_an_experiment_corrects_trains_measures_and_tells(tiny: Experiment) -> None:
    written = run(tiny, "", Telling())
    assert [path.name for path in written] == ["results.csv", "results.md", "results.png"]
    assert [count for count, _ in tiny.asked_for] == [3, 3, 6, 6]  # type: ignore[attr-defined]
    pool = json.loads((tiny.out / "pool.json").read_text())
    assert len(set(pool["orders"]["queue"])) == len(set(pool["orders"]["random"])) == 8
    store = LabelStore.open(tiny.arm("queue", 3) / "labels", create=False)
    stems = {Path(image.name).stem for image in store}
    assert stems == set(pool["orders"]["queue"][:3])
    assert {i["key"] for n, i in pool["images"].items() if n in stems} == set(store.keys())
    told = json.loads((tiny.arm("random", 6) / "outcome.json").read_text())
    assert (
        sum(told["corrected"].values()) == 6 and told["tasks"][0]["sentence"] == "Nothing better."
    )


def test_what_is_done_is_not_done_again(tiny: Experiment) -> None:
    run(tiny, "", Telling())
    run(replace(tiny, sizes=(3, 6)), "", Telling())
    assert len(tiny.asked_for) == 4  # type: ignore[attr-defined]
    (tiny.arm("queue", 6) / "outcome.json").unlink()  # as if it had been stopped
    run(tiny, "queue-6", Telling())
    assert len(tiny.asked_for) == 5  # type: ignore[attr-defined]
    store = LabelStore.open(tiny.arm("queue", 6) / "labels", create=False)
    assert len(store) == 6 and store.conflicts() == []
    assert all(len(image.readings) == 1 for image in store)


def test_steps_run_by_themselves_once_all_is_prepared(tiny: Experiment) -> None:
    with pytest.raises(ValueError, match="is not prepared"):
        run(tiny, "random-3", Telling())
    assert run(tiny, "prepare", Telling()) == [] and tiny.asked_for == []  # type: ignore[attr-defined]
    assert run(tiny, "random-3", Telling()) == []
    assert len(run(tiny, "results", Telling())) == 3
    assert "| 3, random |" in (tiny.out / "results.md").read_text()
    with pytest.raises(ValueError, match="Unknown step 'queue-7'"):
        run(tiny, "queue-7", Telling())


def test_an_experiment_goes_on_with_its_own_settings_only(tiny: Experiment) -> None:
    run(tiny, "prepare", Telling())
    with pytest.raises(ValueError, match="another 'minutes'"):
        run(replace(tiny, minutes=3.0), "results", Telling())


def test_the_same_seed_draws_the_same_lot_and_another_seed_another(tiny: Experiment) -> None:
    run(tiny, "prepare", Telling())
    items = other_hospital.said_of_pool(tiny, Telling())
    drawn = [other_hospital.orders(items, seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] and drawn[0]["random"] != drawn[2]["random"]
    assert drawn[0]["queue"] == drawn[2]["queue"]


def test_the_command_says_what_is_wrong_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert other_hospital.main(["--out", str(tmp_path), "--only", "queue-20"]) == 2
    assert "is not prepared; run it with --only prepare first." in capsys.readouterr().err
