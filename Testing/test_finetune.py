from __future__ import annotations

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

torch = pytest.importorskip("torch")
pytest.importorskip("monai")

from Testing.test_training_data import FRONTAL, LATERAL, config, write_labelled  # noqa: E402
from training import export, finetune_task, judgement  # noqa: E402
from training.base_bundles import BUNDLES, Base, next_version  # noqa: E402
from training.config import Augmentation, Optimisation, TrainingConfig  # noqa: E402
from training.datasets import RadiographDataset, Source  # noqa: E402
from training.export import export_weights  # noqa: E402
from training.finetune import (  # noqa: E402
    FineTuneError,
    Options,
    Outcome,
    TaskOutcome,
    finetune,
)
from training.finetune_report import figure_words  # noqa: E402
from training.judgement import Comparison, compare_artefact, compare_keypoints, refusal  # noqa: E402
from training.labels import label_paths, read_label  # noqa: E402
from training.results import ImageResult, PointResult  # noqa: E402
from training.simulated_data import simulated_images  # noqa: E402
from training.store_data import (  # noqa: E402
    StoreImage,
    parted,
    place,
    read_store,
    reference_width_px,
    write_parts,
)
from training.tasks import task_of  # noqa: E402
from training.telling import Telling  # noqa: E402
from training.train import Trainer, keep_rows  # noqa: E402
from WristQCLib.artefact import ArtefactFinding  # noqa: E402
from WristQCLib.cli import app  # noqa: E402
from WristQCLib.findings import View  # noqa: E402
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoint, Keypoints  # noqa: E402
from WristQCLib.labels import ImageLabels, LabelledImage, LabelStore, Reading  # noqa: E402
from WristQCLib.model_set import BUNDLED_MODELS  # noqa: E402
from WristQCLib.models import KeypointDetector  # noqa: E402
from WristQCLib.models.provenance import known_models  # noqa: E402
from WristQCLib.radiograph import Radiograph  # noqa: E402
from WristQCLib.window import Window  # noqa: E402

READER = "Dr Li"
PATIENT = "Doe^Jane"
WHEN = datetime(2026, 11, 1, tzinfo=UTC)
POINTS = {View.FRONTAL: FRONTAL, View.LATERAL: LATERAL}


def blobs(number: int, view: View) -> tuple[np.ndarray, dict[str, tuple[float, float]]]:
    """An image of 96 x 70 pixels with a blob at each of its points, which differ by number."""
    rng = np.random.default_rng(number)
    shift = rng.uniform(-6, 6, 2)
    points = {name: (x + shift[0], y + shift[1]) for name, (x, y) in POINTS[view].items()}
    rows, columns = np.mgrid[:96, :70]
    pixels = rng.uniform(20, 60, (96, 70))
    for x, y in points.values():
        pixels += 180 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 8.0)
    points = {name: (x, y) for name, (x, y) in points.items() if y < 96}
    return np.clip(pixels, 0, 255).astype(np.uint8), points


def labelled(
    number: int, spacing: float | None = 0.3, artefact: bool | None = None
) -> tuple[Radiograph, ImageLabels]:
    view = list(View)[number % 2]
    pixels, points = blobs(number, view)
    radiograph = Radiograph.from_pixels(
        pixels, spacing=spacing, view=view, name=f"{PATIENT}_{number}.png"
    )
    placed = {name: points.get(name) for name in KEYPOINT_NAMES[view]}
    has = (number // 2) % 2 == 0 if artefact is None else artefact
    return radiograph, ImageLabels(
        LabelledImage.of(radiograph),
        Keypoints.from_positions(view, placed, f"person:{READER}"),
        ArtefactFinding.stated(has, f"person:{READER}"),
    )


def store_of(
    folder: Path, count: int, *, keep_images: bool = True, reader: str = READER
) -> LabelStore:
    store = LabelStore.open(folder, keep_images=keep_images)
    for number in range(count):
        radiograph, labels = labelled(number)
        store.accept(Reading.imported(labels, reader=reader, when=WHEN), radiograph)
    return store


def tiny(task: str, **changes: object) -> TrainingConfig:
    network = {"width": 4, "input_stride": 2} if task == "keypoints" else {"width": 0.35}
    settings = {
        "task": task, "network": network, "close_domains": task == "keypoints",
        "augmentation": Augmentation(zoom=0.5 if task == "keypoints" else 0.0),
        "optimisation": Optimisation(learning_rate=3e-3),
        "epochs": 2, "samples_per_epoch": 8, "threads": 1,
    }  # fmt: skip
    return config(**(settings | changes))


WRITE_ONNX = export.write_onnx


@pytest.fixture(scope="module", autouse=True)
def without_onnx() -> Iterator[None]:
    """ONNX files take most of the time of a tiny training; one test has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "write_onnx", lambda network, size, folder: [])
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stands for simulated images: 4 wrists to learn from, 4 of validation, 2 exposures each."""
    folder = tmp_path_factory.mktemp("corpus")
    for split in ("train", "val"):
        for wrist in range(4):
            for exposure in range(2):
                for view in View:
                    stem = f"{view}_{wrist}{exposure}"
                    write_labelled(folder / split / view, stem, POINTS[view], **{str(view): True})
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Path:
    """Untrained bundles of tiny networks, of which the detectors find nothing."""
    folder = tmp_path_factory.mktemp("models")
    labels = [read_label(path) for path in label_paths(corpus, "val")]
    for task in ("keypoints", "artefact", "view"):
        torch.manual_seed(1)
        settings = tiny(task)
        network = task_of(settings).network()
        export_weights(settings, network.state_dict(), labels, folder, "0.2.0", 10, "Made up.")
    for name in BUNDLES["keypoints"]:
        find_nothing(folder / name)
    return folder


def find_nothing(bundle: Path) -> None:
    """Whatever is learned is better."""
    path = bundle / "configs" / "metadata.json"
    metadata = json.loads(path.read_text())
    thresholds = metadata["wristqc"]["presence_thresholds"]
    metadata["wristqc"]["presence_thresholds"] = dict.fromkeys(thresholds, 1.1)
    path.write_text(json.dumps(metadata))


def configs(folder: Path, **changes: object) -> tuple[Path, ...]:
    folder.mkdir(exist_ok=True)
    paths = []
    for task in BUNDLES:
        paths.append(folder / f"{task}.json")
        paths[-1].write_text(json.dumps(tiny(task, **changes).to_dict()))
    return tuple(paths)


@pytest.fixture
def options(tmp_path: Path, models: Path, corpus: Path) -> Options:
    return Options(
        "keypoints", models, corpus, 16, minutes=None, held_out=0.4, device="cpu",
        configs=configs(tmp_path / "configs"),
    )  # fmt: skip


class Heard(Telling):
    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


# Parts --------------------------------------------------------------------------------------


def images(count: int, patients: int | None = None) -> list[StoreImage]:
    _, labels = labelled(0)
    groups = [f"key{k}" if patients is None else f"patient{k % patients}" for k in range(count)]
    return [StoreImage(f"key{k}", labels, Path("x.png"), group) for k, group in enumerate(groups)]


def keys(chosen: tuple[StoreImage, ...]) -> set[str]:
    return {image.key for image in chosen}


def test_an_image_that_was_held_out_once_is_held_out_always() -> None:
    few, many = parted(images(30), 0.2), parted(images(300), 0.2)
    assert keys(few.held_out) == keys(many.held_out) & {f"key{k}" for k in range(30)}
    assert 0.13 < len(many.held_out) / 300 < 0.27
    # Who says 0.4 later keeps what was held out.
    assert keys(many.held_out) < keys(parted(images(300), 0.4).held_out)
    assert not (keys(many.train) | keys(many.validation)) & keys(many.held_out)


def test_of_ten_images_four_are_held_out_and_six_learned_from() -> None:
    parts = parted(images(10), 0.01)
    line = sorted(range(10), key=lambda k: place(f"key{k}", "held out"))
    assert keys(parts.held_out) == {f"key{k}" for k in line[:4]}
    assert len(parts.train) + len(parts.validation) == 6


def test_the_place_of_an_image_follows_from_a_digest_that_never_changes() -> None:
    digest = hashlib.sha256(b"held out:key7").digest()
    assert place("key7", "held out") == int.from_bytes(digest[:6], "big") / 2**48


def test_the_images_of_a_patient_stay_together() -> None:
    parts = parted(images(60, patients=12), 0.3)
    groups = [{i.group for i in part} for part in (parts.train, parts.validation, parts.held_out)]
    assert all(groups)
    assert sum(map(len, groups)) == 12


def test_more_training_images_are_the_fewer_and_others() -> None:
    parts = [parted(images(100), 0.2, most) for most in (20, 50)]
    fewer, more = (keys(p.train) | keys(p.validation) for p in parts)
    assert len(fewer) == 20 and len(more) == 50 and fewer < more
    assert len(parts[0].validation) == 5  # a quarter
    assert keys(parts[0].held_out) == keys(parts[1].held_out)


# The store ----------------------------------------------------------------------------------


def test_conflicts_and_images_without_pixels_are_left_out_and_counted(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", 5)
    for number, moved in ((0, 40.0), (1, 0.0)):
        radiograph, labels = labelled(number)
        point = next(p for p in labels.keypoints if p.position)
        x, y = point.position or (0.0, 0.0)
        other = replace(point, position=(x + moved, y))
        changed = replace(labels, keypoints=labels.keypoints.replaced(other))
        store.accept(Reading.imported(changed, reader="Dr Wang", when=WHEN), radiograph)
    path = store.image_path(next(image.key for image in store if image.consensus))
    assert path is not None
    path.unlink()
    data = read_store(store, None, tmp_path / "pixels", Telling())
    # 5 images, one in conflict (40 px of 0.3 mm), one without pixels.
    assert (len(data.images), data.conflicts, data.without_pixels) == (3, 1, 1)
    assert "3 labelled images" in str(data) and "1 left out without pixels" in str(data)


def test_pixels_are_found_again_in_the_images_files(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", 3, keep_images=False)
    (tmp_path / "files").mkdir()
    for number in (0, 1):
        pixels, _ = blobs(number, list(View)[number % 2])
        Image.fromarray(pixels).save(tmp_path / "files" / f"renamed{number}.png")
    data = read_store(store, tmp_path / "files", tmp_path / "pixels", Telling())
    assert (len(data.images), data.without_pixels) == (2, 1)
    for image in data.images:
        with Image.open(image.image) as picture:
            assert picture.size == (70, 96)


def test_images_of_a_store_are_learned_from_as_they_are_displayed(tmp_path: Path) -> None:
    radiograph, labels = labelled(0)
    darkest, brightest = float(radiograph.pixels.min()), float(radiograph.pixels.max())
    middle, fifth = (darkest + brightest) / 2, (brightest - darkest) / 5
    narrow = replace(radiograph, voi=Window(middle, fifth))
    store = LabelStore.open(tmp_path / "store")
    store.accept(Reading.imported(labels, reader=READER, when=WHEN), narrow)
    (image,) = read_store(store, None, tmp_path / "pixels", Telling()).images
    with Image.open(image.image) as picture:
        seen = np.asarray(picture)
    below, above = (radiograph.pixels - middle) / fifth <= -0.5, radiograph.pixels > middle + fifth
    assert below.sum() > 9 and above.sum() > 9
    assert not seen[below].any() and (seen[above] == 65535).all()


def test_a_damaged_image_of_a_store_is_told_and_left_out(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", 3)
    path = store.image_path(next(iter(store)).key)
    assert path is not None
    path.write_bytes(path.read_bytes()[:200])
    told: list[str] = []
    telling = Telling()
    telling.say = told.append  # type: ignore[method-assign]
    data = read_store(store, None, tmp_path / "pixels", telling)
    assert (len(data.images), data.without_pixels) == (2, 1)
    assert len(told) == 1 and "cannot be read" in told[0]


def test_label_files_of_a_run_tell_of_no_patient_and_no_reader(tmp_path: Path) -> None:
    data = read_store(store_of(tmp_path / "store", 6), None, tmp_path, Telling())
    write_parts(parted(data.images, 0.3), tmp_path / "run")
    paths = sorted((tmp_path / "run").rglob("*.json"))
    assert len(paths) == 6
    for path in paths:
        text = path.read_text()
        assert PATIENT not in text and "Doe" not in text and READER not in text
        label = read_label(path)
        assert label.image_path.is_file() and label.spacing_mm == (0.3, 0.3)


def test_a_point_that_nobody_looked_for_is_not_taught(tmp_path: Path) -> None:
    radiograph, labels = labelled(0)
    unplaced = labels.keypoints.replaced(Keypoint("ulnar_styloid"))
    store = LabelStore.open(tmp_path / "store")
    partial = replace(labels, keypoints=unplaced)
    store.accept(Reading.imported(partial, reader=READER, when=WHEN), radiograph)
    data = read_store(store, None, tmp_path, Telling())
    write_parts(parted(data.images, 1e-9), tmp_path / "run")
    (path,) = (tmp_path / "run").rglob("*.json")
    assert read_label(path).unknown == {"ulnar_styloid"}
    shutil.move(path, tmp_path / "a.json")
    source = Source(tmp_path, 1.0, frozenset({tmp_path / "a.json"}))
    data_set = RadiographDataset([source], config(), "val")
    assert data_set[(0, -1, None)]["labelled"].tolist() == [True, True, False]


def test_an_image_without_spacing_is_measured_by_the_styloids_or_by_its_size(
    tmp_path: Path,
) -> None:
    _, labels = labelled(0, spacing=None)
    points = {
        "thumb_mcp_joint": None,
        "radial_styloid": (10.0, 50.0),
        "ulnar_styloid": (40.0, 90.0),
    }
    both = replace(labels, keypoints=Keypoints.from_positions(View.FRONTAL, points))
    assert reference_width_px(both) == 50.0  # 30 across, 40 down
    # 118.8 pixels are 250 mm, so 50 mm are 23.8 pixels.
    assert reference_width_px(labels) == pytest.approx(50.0 * np.hypot(70, 96) / 250.0)


def test_validation_and_check_set_share_no_wrist(corpus: Path) -> None:
    simulated = simulated_images(corpus, Path("unused"), 20, 1, Telling())
    # 20 images: 12 to learn from, 4 to validate on, 4 to check.
    assert [len(simulated.validation), len(simulated.check), simulated.count] == [4, 4, 16]
    wrists = [{path.stem[:-1] for path in part} for part in (simulated.validation, simulated.check)]
    assert not wrists[0] & wrists[1]


# Bundles ------------------------------------------------------------------------------------


def test_the_shipped_keypoint_bundles_can_be_gone_on_from() -> None:
    base = Base.read(BUNDLED_MODELS, "keypoints")
    settings = base.settings(Options().settings("keypoints"))
    network = task_of(settings).network()
    network.load_state_dict(base.state)
    assert settings.views == ("frontal", "lateral")
    assert settings.frozen_norms and settings.input_size == base.bundles[0].input_size


def test_the_shipped_foreign_object_bundle_can_be_gone_on_from() -> None:
    base = Base.read(BUNDLED_MODELS, "artefact")
    network = task_of(base.settings(Options().settings("artefact"))).network()
    network.load_state_dict(base.state)


@pytest.mark.parametrize(
    ("before", "after"),
    [("0.2.0", "0.3.0"), ("0.3.0+site.20261101", "0.4.0"), ("1.9.3", "1.10.0"), ("x", "0.1.0")],
)
def test_a_new_version_tells_that_it_is_a_sites_own(before: str, after: str) -> None:
    assert next_version(before, date(2026, 11, 28)) == f"{after}+site.20261128"


# Judgement ----------------------------------------------------------------------------------


def point(image: str, error: float, found: bool = True, in_image: bool = True) -> PointResult:
    return PointResult(
        image, "frontal", "radial_styloid", in_image, found, error, error, 0.9, 1.0
    )  # fmt: skip


def test_costs_of_keypoints_are_counted_by_hand() -> None:
    nan = float("nan")
    before = [point("a", 2.0), point("a", 30.0), point("b", nan, found=False), point("c", 1.0)]
    after = [point("a", 1.0), point("a", 3.0), point("b", 4.0), point("c", 2.0)]
    whole, frontal = compare_keypoints("held-out", before, after)
    # Before: (2 + 10) / 2, 10 for a miss, 1; after: 2, 4, 2. Mean 17/3, then 8/3.
    assert whole.cost == pytest.approx(17 / 3)
    assert whole.change == pytest.approx(-3.0)
    assert whole.interval[0] == pytest.approx(-6.0) and whole.interval[1] <= 1.0
    assert whole.count == 3 and frontal.part == "frontal"
    assert whole.before["mre_mm"] == 11.0 and whole.after["mre_mm"] == 2.5
    assert "3.00 mm better" in whole.told
    assert whole.costs == ((6.0, 2.0), (10.0, 4.0), (1.0, 2.0))


def test_figures_are_told_in_words() -> None:
    names = ("cost_mm", "mre_mm", "sdr_2mm_percent", "miss_percent", "auc_percent")
    assert [figure_words(name) for name in names] == [
        "cost of an image, mm",
        "mean error of found points, mm",
        "within 2 mm, %",
        "off by more than 10 mm, %",
        "AUC, %",
    ]


def test_an_invented_point_costs_as_much_as_a_miss() -> None:
    invented = point("a", float("nan"), found=True, in_image=False)
    absent = point("a", float("nan"), found=False, in_image=False)
    assert judgement.point_cost(invented) == 10.0
    assert judgement.point_cost(absent) == 0.0


def result(artefact: bool, probability: float) -> ImageResult:
    return ImageResult("a", "frontal", float("nan"), artefact, probability, float("nan"))


def test_answers_on_foreign_objects_are_compared_by_threshold_then_by_certainty() -> None:
    before = [result(True, 0.4), result(False, 0.2)]
    after = [result(True, 0.4), result(False, 0.3)]
    (same,) = compare_artefact("held-out", before, after, (0.5, 0.5))
    assert same.change == 0.0 and same.cost == 0.5
    # Squared errors 0.36 + 0.04, then 0.36 + 0.09: worse by 0.05 / 2.
    assert same.tie == pytest.approx(0.025) and same.worse
    (better,) = compare_artefact("held-out", before, after, (0.5, 0.35))
    assert better.change == -0.5 and not better.worse


def comparison(
    images: str, change: float, interval: tuple[float, float], part: str = ""
) -> Comparison:
    costs = ((2.0, 2.0 + change),)
    return Comparison(images, part, 9, {}, {}, 2.0, change, interval, 0.0, "mm", costs)


@pytest.mark.parametrize(
    ("held_out", "frontal", "simulated", "refused"),
    [
        ((-0.5, (-1, 0)), (-0.5, (-1, 0)), (0.0, (-1, 1)), ""),
        ((0.01, (-1, 1)), (0.0, (-1, 1)), (0.0, (-1, 1)), "0.01 mm worse"),
        ((-0.5, (-1, 0)), (0.5, (0.1, 1)), (0.0, (-1, 1)), "9 frontal held-out images"),
        ((-0.5, (-1, 0)), (0.5, (-0.1, 1)), (0.0, (-1, 1)), ""),
        ((-0.5, (-1, 0)), (-0.5, (-1, 0)), (0.5, (0.1, 1)), "forgotten"),
        # Sure, but a trifle: less than 5 % of a cost of 2.
        ((-0.5, (-1, 0)), (-0.5, (-1, 0)), (0.09, (0.01, 0.2)), ""),
    ],
)
def test_what_is_worse_is_refused(held_out, frontal, simulated, refused: str) -> None:
    made = [
        comparison("held-out", *held_out),
        comparison("held-out", *frontal, "frontal"),
        comparison("simulated", *simulated),
    ]
    why = refusal("keypoints", made)
    assert refused in why and bool(why) == bool(refused)


def test_a_view_of_two_held_out_images_does_not_refuse_models() -> None:
    frontal = comparison("held-out", 0.3, (0.1, 0.6), "frontal")
    made = [comparison("held-out", -0.2, (-0.4, 0.1)), replace(frontal, count=2)]
    assert refusal("keypoints", made) == ""
    assert "frontal" in refusal("keypoints", [made[0], frontal])


# Training -----------------------------------------------------------------------------------


def test_frozen_norms_keep_their_statistics_while_weights_learn(
    corpus: Path, tmp_path: Path
) -> None:
    settings = tiny("keypoints", frozen_norms=True)
    data = [RadiographDataset([Source(corpus, 1.0)], settings, s) for s in ("train", "val")]
    trainer = Trainer(settings, *data, tmp_path / "run")
    before = {name: tensor.clone() for name, tensor in trainer.network.state_dict().items()}
    trainer.run()
    for name, tensor in trainer.network.state_dict().items():
        if "running_" in name or "num_batches" in name:
            assert torch.equal(tensor, before[name]), name
    name = "local.entry.layers.0.conv.weight"
    assert not torch.equal(trainer.network.state_dict()[name], before[name])


def test_a_training_ends_when_its_patience_does(corpus: Path, tmp_path: Path) -> None:
    settings = tiny("keypoints", epochs=9, patience=2, optimisation=Optimisation(learning_rate=0.0))
    settings = replace(settings, frozen_norms=True)
    data = [RadiographDataset([Source(corpus, 1.0)], settings, s) for s in ("train", "val")]
    trainer = Trainer(settings, *data, tmp_path / "run")
    trainer.judge_start()
    trainer.run()
    # Nothing is learned, so that the start stays the best.
    assert (trainer.epoch, trainer.best_epoch) == (2, 0)


def test_lines_of_epochs_that_were_not_kept_are_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "curves.csv"
    path.write_text("epoch,loss\n0,9\n1,8\n2,7\n3,")
    keep_rows(path, 1)
    assert path.read_text() == "epoch,loss\n0,9\n1,8\n"
    keep_rows(path, -1)
    assert path.read_text() == ""


# The whole ----------------------------------------------------------------------------------


def test_better_models_are_promoted_with_their_provenance(
    tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "write_onnx", WRITE_ONNX)
    store, heard = store_of(tmp_path / "store", 30), Heard()
    outcome = finetune(store, tmp_path / "out", options, heard)
    # The base finds no point at all, so that anything is better.
    assert outcome.promoted and outcome.refused is None
    assert outcome.bundles == tmp_path / "out" / "bundles"
    names = {folder.name for folder in outcome.bundles.iterdir()}
    assert names == {"wrist_view", "wrist_artefact", *BUNDLES["keypoints"]}
    detector = KeypointDetector.from_bundle(outcome.bundles / BUNDLES["keypoints"][1], "cpu")
    assert len(detector.detect(blobs(1, View.LATERAL)[0])) == 5
    told = {model.name: model for model in known_models(outcome.bundles)}
    frontal = told["wrist_keypoints_frontal"]
    assert frontal.version.startswith("0.3.0+site.")
    assert told["wrist_artefact"].version == "0.2.0" and told["wrist_artefact"].provenance is None
    path = outcome.bundles / "wrist_keypoints_frontal" / "configs" / "metadata.json"
    own = json.loads(path.read_text())["wristqc"]
    provenance = own["provenance"]
    (task,) = outcome.tasks
    assert provenance["readers"] == 1 and provenance["store_sha256"] == task.parts.digest
    in_view = [i for i in task.parts.held_out if i.labels.view is View.FRONTAL]
    assert provenance["held_out"] == len(in_view)
    assert provenance["figures"]["before"]["presence_percent"] < 50
    assert provenance["based_on"].startswith("wrist_keypoints_frontal 0.2.0 ")
    assert "labelled by 1 reader " in own["training_data"]
    assert (path.parent.parent / "models" / "model_close.onnx").is_file()
    report = outcome.report.read_text()
    assert "### Held-out, lateral" in report and "### Simulated" in report
    assert not any(PATIENT in said or READER in said for said in [*heard.sentences, report])


def test_the_network_is_one_for_both_views_again(tmp_path: Path, options: Options) -> None:
    outcome = finetune(store_of(tmp_path / "store", 30), tmp_path / "out", options)
    again = Base.read(outcome.bundles, "keypoints")
    assert len(again.bundles) == 2
    # What was promoted can be gone on from, into the same folder.
    options = replace(options, models=outcome.bundles)
    second = finetune(tmp_path / "store", tmp_path / "out", options)
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 2
    assert second.tasks[0].run != outcome.tasks[0].run


def test_worse_models_are_refused_and_kept_aside(
    tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        finetune_task,
        "compare_keypoints",
        lambda images, before, after: [comparison(images, 0.3, (-0.2, 0.8))],
    )
    store = store_of(tmp_path / "store", 30)
    outcome = finetune(store, tmp_path / "out", options)
    assert not outcome.promoted and outcome.bundles is None
    assert not (tmp_path / "out" / "bundles").exists()
    assert {f.name for f in outcome.refused.iterdir()} == set(BUNDLES["keypoints"])
    sentence = outcome.tasks[0].sentence
    assert sentence == (
        "The new keypoint models are refused: 0.30 mm worse in the mean"
        " (95 % interval -0.20 to +0.80) on the 9 held-out images."
    )


def test_both_tasks_are_trained_one_after_the_other(tmp_path: Path, options: Options) -> None:
    outcome = finetune(
        store_of(tmp_path / "store", 30), tmp_path / "out", replace(options, task="all")
    )
    assert [task.task for task in outcome.tasks] == ["keypoints", "artefact"]
    assert all(task.run is not None for task in outcome.tasks)


def command(store: Path, out: Path, options: Options) -> list[str]:
    arguments = ["train", store, "--out", out, "--task", options.task, "--device", "cpu"]
    arguments += ["--models", options.models, "--simulated", options.simulated]
    arguments += ["--simulated-images", options.simulated_images, "--held-out", options.held_out]
    for path in options.configs:
        arguments += ["--config", path]
    return [str(argument) for argument in arguments]


def test_a_training_that_is_killed_goes_on(tmp_path: Path, options: Options) -> None:
    store_of(tmp_path / "store", 30)
    before = {p: p.read_bytes() for p in (tmp_path / "store" / "labels").iterdir()}
    options = replace(options, configs=configs(tmp_path / "configs", epochs=8, patience=None))
    call = [sys.executable, "-m", "WristQCLib.cli"]
    call += command(tmp_path / "store", tmp_path / "out", options)
    settings = {
        "cwd": Path(__file__).parents[1],
        "env": os.environ | {"OMP_NUM_THREADS": "1"},
        "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True,
    }  # fmt: skip
    process = subprocess.Popen(call, **settings)  # type: ignore[call-overload]
    deadline = time.monotonic() + 300
    while not list((tmp_path / "out").glob("runs/*/last.pt")):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    (run,) = (tmp_path / "out" / "runs").iterdir()
    done = torch.load(run / "last.pt", weights_only=True)["epoch"]
    assert 1 <= done < 8
    after = subprocess.run(call, timeout=600, check=False, **settings)  # type: ignore[call-overload]
    assert after.returncode == 0, after.stderr
    assert f"goes on after epoch {done}." in after.stderr
    with (run / "curves.csv").open(newline="") as stream:
        assert [int(row["epoch"]) for row in csv.DictReader(stream)] == list(range(9))
    assert (tmp_path / "out" / "bundles" / "wrist_keypoints_lateral").is_dir()
    assert before == {p: p.read_bytes() for p in (tmp_path / "store" / "labels").iterdir()}
    # Once more: nothing is left to be trained.
    (again,) = finetune(tmp_path / "store", tmp_path / "out", replace(options, minutes=20.0)).tasks
    assert again.run == run and again.promoted


# Sentences ----------------------------------------------------------------------------------


def said(arguments: list[str]) -> tuple[int, str]:
    done = CliRunner().invoke(app, arguments, env={"COLUMNS": "400"})
    return done.exit_code, " ".join(done.output.split())


@pytest.mark.parametrize(
    ("count", "keep", "changes", "expected"),
    [
        (0, True, {}, "The label store is empty; accept some images first."),
        (9, True, {}, "9 images with labels of keypoints are too few; it takes 10 or more."),
        (16, False, {}, "The pixels of all 16 labelled images are missing; name the folder of"),
        (30, True, {"held_out": 0.9}, "are left to learn from, and it takes 6"),
    ],
)
def test_what_a_store_lacks_is_said_in_one_sentence(
    tmp_path: Path, options: Options, count: int, keep: bool, changes: dict, expected: str
) -> None:
    store_of(tmp_path / "store", count, keep_images=keep)
    options = replace(options, **changes)
    code, text = said(command(tmp_path / "store", tmp_path / "out", options))
    assert code == 2 and expected in text and "Traceback" not in text


def test_a_folder_that_is_no_store_and_one_that_cannot_be_written_are_named(
    tmp_path: Path, options: Options
) -> None:
    code, text = said(command(tmp_path / "nowhere", tmp_path / "out", options))
    assert code == 2 and "nowhere holds no label store" in text
    store_of(tmp_path / "store", 1)
    (tmp_path / "file").write_text("")
    code, text = said(command(tmp_path / "store", tmp_path / "file", options))
    assert code == 2 and "file' cannot be written to" in text


def test_an_unknown_device_and_missing_bundles_are_named(tmp_path: Path, options: Options) -> None:
    store_of(tmp_path / "store", 30)
    arguments = command(tmp_path / "store", tmp_path / "out", options)
    code, text = said([*arguments, "--device", "abacus"])
    assert code == 2 and "Unknown device 'abacus'" in text
    code, text = said([*arguments, "--models", str(tmp_path / "none")])
    assert code == 2 and "wrist_keypoints_frontal' is not a model folder" in text


def bundles_apart(folder: Path, models: Path, **changes: object) -> Path:
    """A set of which the lateral keypoint bundle is of another training."""
    other = folder / "other"
    shutil.copytree(models, other)
    torch.manual_seed(2)
    settings = tiny("keypoints", **changes)
    state = task_of(settings).network().state_dict()
    export_weights(settings, state, [], folder / "made", "0.2.0", 10, "")
    name = "wrist_keypoints_lateral"
    shutil.copytree(folder / "made" / name, other / name, dirs_exist_ok=True)
    find_nothing(other / name)
    return other


def test_bundles_of_different_make_are_refused(tmp_path: Path, models: Path) -> None:
    other = bundles_apart(tmp_path, models, network={"width": 4, "input_stride": 4})
    with pytest.raises(RuntimeError, match="networks of different make"):
        Base.read(other, "keypoints")


def test_the_narrower_of_two_views_networks_is_widened_to_the_other(
    tmp_path: Path, options: Options, models: Path
) -> None:
    other = bundles_apart(tmp_path, models, network={"width": 6, "input_stride": 2})
    base = Base.read(other, "keypoints")
    assert base.network["width"] == 6 and not base.universal
    again = Base.read(other, "keypoints")
    assert all(torch.equal(tensor, again.state[name]) for name, tensor in base.state.items())
    narrow = KeypointDetector.from_bundle(other / "wrist_keypoints_frontal", "cpu")._network
    wide = task_of(base.settings(tiny("keypoints"))).network().eval()
    wide.load_state_dict(base.state)
    image = torch.rand(1, 1, 64, 32)
    with torch.no_grad():
        maps, presence = narrow.detect(image, 0)
        assert torch.allclose(wide.detect(image, 0)[0], maps, atol=1e-4)
        assert torch.allclose(wide.detect(image, 0)[1], presence, atol=1e-4)
    store = store_of(tmp_path / "store", 30)
    outcome = finetune(store, tmp_path / "out", replace(options, models=other))
    made = outcome.bundles or outcome.refused
    assert made is not None
    assert Base.read(made, "keypoints").network["width"] == 6


def test_views_with_networks_of_their_own_are_fine_tuned_apart(
    tmp_path: Path, options: Options, models: Path
) -> None:
    other = bundles_apart(tmp_path, models)
    assert Base.read(models, "keypoints").universal and not Base.read(other, "keypoints").universal
    before = [KeypointDetector.from_bundle(other / n, "cpu") for n in BUNDLES["keypoints"]]
    store = store_of(tmp_path / "store", 30)
    outcome = finetune(store, tmp_path / "out", replace(options, models=other))
    made = outcome.bundles or outcome.refused  # whether they are better is not the question here
    assert made is not None
    for detector, name in zip(before, BUNDLES["keypoints"], strict=True):
        after = KeypointDetector.from_bundle(made / name, "cpu")
        old, new = detector._network.state_dict(), after._network.state_dict()
        assert old.keys() == new.keys()
        assert any(not torch.equal(old[n], new[n]) for n in old)
    assert not Base.read(made, "keypoints").universal


def test_a_task_without_labels_is_passed_over_beside_one_that_has_them(
    tmp_path: Path, options: Options
) -> None:
    store = LabelStore.open(tmp_path / "store")
    for number in range(30):
        radiograph, labels = labelled(number, artefact=False)
        store.accept(Reading.imported(labels, reader=READER, when=WHEN), radiograph)
    outcome = finetune(store, tmp_path / "out", replace(options, task="all"))
    keypoints, artefact = outcome.tasks
    assert keypoints.promoted and outcome.promoted
    assert artefact.run is None and "0 of the" in artefact.sentence
    with pytest.raises(FineTuneError, match="have a foreign object"):
        finetune(store, tmp_path / "out", replace(options, task="artefact"))


@pytest.mark.parametrize(("promoted", "code"), [(True, 0), (False, 1)])
def test_the_exit_status_tells_whether_new_models_were_taken(
    tmp_path: Path,
    options: Options,
    monkeypatch: pytest.MonkeyPatch,
    promoted: bool,
    code: int,
) -> None:
    done = TaskOutcome("keypoints", promoted, "What came of it.", run=tmp_path)
    refused = None if promoted else tmp_path / "refused"
    bundles = tmp_path / "bundles" if promoted else None
    outcome = Outcome((done,), tmp_path / "report.md", bundles, refused)
    monkeypatch.setattr("training.finetune.finetune", lambda *given: outcome)
    status, text = said(command(tmp_path / "store", tmp_path / "out", options))
    assert status == code and "keypoints: What came of it." in text
    assert ("Bundles: " in text) == promoted and ("Refused: " in text) != promoted


def test_who_stops_a_training_is_told_that_it_can_go_on(
    tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("training.finetune.finetune", stopped)
    status, text = said(command(tmp_path / "store", tmp_path / "out", options))
    assert status == 130 and "the same command goes on" in text


def test_without_what_training_needs_pips_command_is_told(
    tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("training.finetune")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "training.export", raising=False)
    monkeypatch.delitem(sys.modules, "training.onnx_export", raising=False)
    code, text = said(command(tmp_path / "store", tmp_path / "out", options))
    assert code == 2
    assert "'onnxruntime', which is not installed; run: pip install 'wristqc[training]'" in text


def test_help_lists_the_command_without_importing_torch() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from WristQCLib.cli import app;"
        "text = CliRunner().invoke(app, ['--help']).output;"
        "print('Fine-tune' in text, 'torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True", "False"]


def test_unknown_findings_of_foreign_objects_are_not_learned_from(tmp_path: Path) -> None:
    radiograph, labels = labelled(0)
    unknown = ArtefactFinding.not_assessed("nobody looked")
    store = LabelStore.open(tmp_path / "store")
    partial = replace(labels, artefact=unknown)
    store.accept(Reading.imported(partial, reader=READER, when=WHEN), radiograph)
    data = read_store(store, None, tmp_path, Telling())
    assert len(data.of_task("keypoints")) == 1 and not data.of_task("artefact")
