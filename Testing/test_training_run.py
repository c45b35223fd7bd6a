from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("monai")

from Testing.test_training_data import FRONTAL, LATERAL, config, write_labelled  # noqa: E402
from training import evaluate, export, train  # noqa: E402
from training.config import LossWeights, Optimisation, TrainingConfig  # noqa: E402
from training.datasets import MixedBatches, RadiographDataset, Source  # noqa: E402
from training.evaluation_report import markdown  # noqa: E402
from training.labels import read_label  # noqa: E402
from training.losses import keypoint_loss, target_heat_maps  # noqa: E402
from training.metrics import (  # noqa: E402
    best_threshold,
    classification_figures,
    detection_figures,
)
from training.processes import Processes  # noqa: E402
from training.results import compare, millimetres_per_pixel  # noqa: E402
from training.tasks import task_of  # noqa: E402
from training.train import Trainer, learning_rate, moving_average  # noqa: E402
from WristQCLib.findings import Finding, View  # noqa: E402
from WristQCLib.keypoints import Keypoint  # noqa: E402
from WristQCLib.models import ImageClassifier, KeypointDetector  # noqa: E402
from WristQCLib.models.heatmaps import gaussian_heat_maps  # noqa: E402
from WristQCLib.protocol import load_protocol  # noqa: E402

CONFIGS = Path(train.__file__).parent / "configs"


def corpus(folder: Path) -> list[Source]:
    for split, count in (("train", 4), ("val", 2)):
        for k in range(count):
            for stem, points, view in (("f", FRONTAL, "frontal"), ("l", LATERAL, "lateral")):
                write_labelled(
                    folder / split / view, f"{stem}{k}", points, artefact=k % 2 == 0, **{view: True}
                )
    return [Source(folder, 1.0)]


def trainer(settings: TrainingConfig, sources: list[Source], out: Path) -> Trainer:
    data = [RadiographDataset(sources, settings, split) for split in ("train", "val")]
    return Trainer(settings, *data, out)


def curves(run: Path) -> list[dict[str, str]]:
    with (run / "curves.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_training_that_was_stopped_goes_on_where_it_was(tmp_path: Path) -> None:
    sources = corpus(tmp_path / "data")
    settings = config(epochs=3, samples_per_epoch=4, average=0.5)
    trainer(settings, sources, tmp_path / "whole").run()
    # Stopped after one of three epochs (the schedule still spans three), then taken up again.
    stopped = trainer(settings, sources, tmp_path / "parts")
    stopped.progress = lambda fraction=0.0: (  # type: ignore[method-assign]
        1.0 if stopped.epoch else fraction / 3
    )
    stopped.run()
    resumed = trainer(settings, sources, tmp_path / "parts")
    assert resumed.epoch == 1
    resumed.run()
    losses = [[row["train_loss"] for row in curves(tmp_path / run)] for run in ("whole", "parts")]
    assert len(losses[0]) == 3
    assert losses[0] == losses[1]
    whole, parts = (
        torch.load(tmp_path / run / "last.pt", weights_only=True)["average"]
        for run in ("whole", "parts")
    )
    assert all(torch.equal(tensor, parts[name]) for name, tensor in whole.items())


def test_a_training_that_draws_the_hard_images_goes_on_where_it_was(tmp_path: Path) -> None:
    sources = corpus(tmp_path / "data")
    settings = config(epochs=4, samples_per_epoch=4, hard_share=0.5, hard_epochs=2)
    whole = trainer(settings, sources, tmp_path / "whole")
    whole.run()
    assert whole.train_data.hardness is not None
    # Stopped after the third epoch: what was measured before it is still known.
    stopped = trainer(settings, sources, tmp_path / "parts")
    stopped.progress = lambda fraction=0.0: (  # type: ignore[method-assign]
        1.0 if stopped.epoch == 3 else (stopped.epoch + fraction) / 4
    )
    stopped.run()
    trainer(settings, sources, tmp_path / "parts").run()
    losses = [[row["train_loss"] for row in curves(tmp_path / run)] for run in ("whole", "parts")]
    assert len(losses[0]) == 4 and losses[0] == losses[1]


@pytest.mark.parametrize("task", ["keypoints", "view", "artefact"])
def test_what_is_hard_is_measured_at_once_by_a_network_that_knows_something(
    tmp_path: Path, task: str
) -> None:
    sources = corpus(tmp_path / "data")
    network = {"width": 4, "input_stride": 2} if task == "keypoints" else {"width": 0.35}
    settings = config(
        task=task, network=network, epochs=1, samples_per_epoch=4, hard_share=0.5, hard_epochs=2
    )
    first = trainer(settings, sources, tmp_path / "first")
    first.run()
    assert first.train_data.hardness is None
    second = trainer(settings, sources, tmp_path / "second")
    second.start_from(tmp_path / "first" / "best.pt")
    second.run()
    hardness = second.train_data.hardness
    # As whole images; there are no second looks apart.
    assert hardness is not None and hardness.shape == (2, 8)
    assert (hardness[0] > 0).all() and (hardness[1] == 0).all()


def test_an_image_that_is_answered_without_a_fault_is_not_hard() -> None:
    task = task_of(config(network={"width": 4, "input_stride": 1}, sigma=1.5))
    points = torch.tensor([[[4.3, 3.8], [math.nan, math.nan], [9.0, 8.0]]] * 2)

    class Perfect(torch.nn.Module):
        def detect(self, image: torch.Tensor, domain: int) -> tuple[torch.Tensor, torch.Tensor]:
            maps = torch.log(target_heat_maps(points, (16, 16), 1.5) + 1e-30)
            # The second image's last point is sought at the first one's place, with half of doubt.
            maps[1, 2] = maps[1, 0]
            presence = torch.where(torch.isnan(points[..., 0]), -30.0, 30.0)
            presence[1, 2] = 0.0
            return maps, presence

    batch = {
        "image": torch.zeros(2, 1, 16, 16),
        "points": points,
        "present": ~torch.isnan(points[..., 0]),
        **{name: torch.ones(2, 3, dtype=torch.bool) for name in ("labelled", "mapped")},
        "domain": torch.zeros(2, dtype=torch.long),
    }
    hardness = task.hardness(Perfect(), batch)
    assert float(hardness[0]) == pytest.approx(0.0, abs=1e-4)
    # Divergence of two Gaussians 1.5 px wide and (4.7, 4.2) px apart, over two present points;
    # log 2 over three.
    divergence = (4.7**2 + 4.2**2) / (2 * 1.5**2)
    assert float(hardness[1]) == pytest.approx(divergence / 2 + math.log(2) / 3, rel=0.02)


def test_the_average_of_the_weights_is_short_at_the_beginning() -> None:
    update = moving_average(0.99)
    averaged = [torch.tensor([1.0])]
    # After 1 step: 2/11 of the old; after 2: 3/12 of it.
    update(averaged, [torch.tensor([0.0])], 1)
    assert averaged[0].item() == pytest.approx(2 / 11)
    update(averaged, [torch.tensor([0.0])], 2)
    assert averaged[0].item() == pytest.approx(2 / 11 * 3 / 12)
    averaged = [torch.tensor([1.0])]
    update(averaged, [torch.tensor([0.0])], 10_000)
    assert averaged[0].item() == pytest.approx(0.99)


def test_a_limit_by_the_clock_hastens_the_schedule_but_never_slows_it(tmp_path: Path) -> None:
    sources = corpus(tmp_path / "data")
    limited = trainer(config(epochs=4, minutes=10.0), sources, tmp_path / "run")
    limited.epoch, limited.elapsed = 1, 60.0
    # One of four epochs is done, and one of ten minutes is over.
    assert limited.progress(0.5) == pytest.approx(1.5 / 4)
    limited.elapsed = 300.0
    assert limited.progress(0.5) == pytest.approx(0.5)


def test_weights_are_averaged_with_those_that_a_run_began_with() -> None:
    state = {"w": torch.tensor([4.0, 0.0]), "count": torch.tensor(10)}
    start = {"w": torch.tensor([0.0, 1.0]), "count": torch.tensor(3)}
    # A quarter of the start: 0.75 * 4 + 0.25 * 0 and 0.75 * 0 + 0.25 * 1.
    mean = export.averaged(state, start, 0.25)
    assert mean["w"].tolist() == [3.0, 0.25]
    assert int(mean["count"]) == 10


@pytest.mark.parametrize(("share", "said"), [("2", "from 0 to 1"), ("0.3", "did not begin with")])
def test_a_share_that_cannot_be_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], share: str, said: str
) -> None:
    trainer(
        config(epochs=1, samples_per_epoch=2), corpus(tmp_path / "data"), tmp_path / "run"
    ).run()
    arguments = ["--run", tmp_path / "run", "--data", tmp_path / "data", "--version", "1"]
    arguments += ["--models", tmp_path / "models", "--start-share", share]
    assert export.main([str(argument) for argument in arguments]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "models").exists()


def test_a_training_can_begin_with_the_weights_of_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = corpus(tmp_path / "data")
    settings = config(task="view", network={"width": 0.35}, epochs=1, samples_per_epoch=2)
    trainer(settings, sources, tmp_path / "first").run()
    weights = torch.load(tmp_path / "first" / "best.pt", weights_only=True)
    second = trainer(replace(settings, seed=9), sources, tmp_path / "second")
    assert not torch.equal(second.network.classifier.weight, weights["classifier.weight"])
    second.start_from(tmp_path / "first" / "best.pt")
    assert torch.equal(second.network.classifier.weight, weights["classifier.weight"])
    start = torch.load(tmp_path / "second" / "start.pt", weights_only=True)
    assert start.keys() == weights.keys()
    assert all(torch.equal(tensor, start[name]) for name, tensor in weights.items())
    other = replace(settings, network={"width": 0.25})
    with pytest.raises(ValueError, match=r"best\.pt"):
        trainer(other, sources, tmp_path / "third").start_from(tmp_path / "first" / "best.pt")


def test_processes_draw_the_same_steps_and_share_them_out(tmp_path: Path) -> None:
    sources = corpus(tmp_path / "data")
    data = RadiographDataset(sources, config(samples_per_epoch=16), "train")
    first, second = (list(MixedBatches(data, 0, Processes(rank, 2))) for rank in (0, 1))
    # 16 images, 2 processes, batches of 2: four steps.
    assert len(first) == len(second) == 4
    for ours, theirs in zip(first, second, strict=True):
        assert {a.seed for a in ours}.isdisjoint(a.seed for a in theirs)
        assert len({data.images[a.number].label.view for a in [*ours, *theirs]}) == 1


TRAIN_AND_LEAVE_NO_THREAD = """
import sys
from pathlib import Path

from training.train import main

status = main()
threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
# A thread of the group that is alive when the interpreter ends can abort the process.
left = [name for name in threads if "gloo" in name]
sys.exit(status or ", ".join(left) or 0)
"""


def test_two_processes_train_one_network(tmp_path: Path) -> None:
    corpus(tmp_path / "data")
    settings = config(
        task="view", network={"width": 0.35}, samples_per_epoch=8, workers=0, threads=1,
        epochs=10000, minutes=0.01,
    )  # fmt: skip
    (tmp_path / "c.json").write_text(json.dumps(settings.to_dict()))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    (tmp_path / "train.py").write_text(TRAIN_AND_LEAVE_NO_THREAD)
    command += [tmp_path / "train.py", "--config", tmp_path / "c.json"]
    command += ["--data", tmp_path / "data", "--out", tmp_path / "run"]
    done = subprocess.run(
        [str(part) for part in command],
        cwd=CONFIGS.parents[1],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(CONFIGS.parents[1])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    # They stop together, by the clock of the first, which alone writes.
    rows = curves(tmp_path / "run")
    assert 0 < len(rows) < 1000 and float(rows[-1]["minutes"]) >= 0.01
    # An epoch is two steps of two processes with two images each; the last may be cut short.
    steps = torch.load(tmp_path / "run" / "last.pt", weights_only=True)["steps"]
    assert 2 * len(rows) - 1 <= steps <= 2 * len(rows)


def test_training_lowers_the_loss_and_keeps_the_best_weights(tmp_path: Path) -> None:
    sources = corpus(tmp_path / "data")
    settings = config(
        epochs=4,
        samples_per_epoch=16,
        losses=LossWeights(0.1, 1.0, 1.0),
        optimisation=Optimisation(learning_rate=5e-3),
    )
    trainer(settings, sources, tmp_path / "run").run()
    rows = curves(tmp_path / "run")
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])
    best = torch.load(tmp_path / "run" / "best.pt", weights_only=True)
    trainer(settings, sources, tmp_path / "other").network.load_state_dict(best)


@pytest.mark.parametrize("task", ["artefact", "view"])
def test_a_classifier_run_becomes_a_bundle_that_answers(tmp_path: Path, task: str) -> None:
    sources = corpus(tmp_path / "data")
    settings = config(task=task, network={"width": 0.35}, epochs=1, samples_per_epoch=4)
    trainer(settings, sources, tmp_path / "run").run()
    made = export.export(
        tmp_path / "run", [tmp_path / "data"], tmp_path / "models", "0.1.0", 10, "First."
    )
    assert [folder.name for folder in made] == [f"wrist_{task}"]
    answer = ImageClassifier.from_bundle(made[0], "cpu").probability(np.eye(40))
    assert sum(answer.values()) == pytest.approx(1.0)


def test_a_keypoint_run_becomes_a_bundle_per_view_that_can_be_evaluated(tmp_path: Path) -> None:
    sources = corpus(tmp_path / "data")
    settings = config(epochs=1, samples_per_epoch=4)
    trainer(settings, sources, tmp_path / "run").run()
    arguments = ["--run", tmp_path / "run", "--data", tmp_path / "data", "--version", "0.1.0"]
    arguments += ["--models", tmp_path / "models"]
    assert export.main([str(a) for a in arguments]) == 0
    for view in View:
        folder = tmp_path / "models" / f"wrist_keypoints_{view}"
        assert KeypointDetector.from_bundle(folder, "cpu").view is view
        metadata = json.loads((folder / "configs" / "metadata.json").read_text())
        assert metadata["wristqc"]["figures"]["simulated"]["count"] >= 0
        assert TrainingConfig.read(folder / "configs" / "train.json") == settings
    arguments = ["--data", tmp_path / "data", "--out", tmp_path / "report"]
    arguments += ["--models", tmp_path / "models"]
    assert evaluate.main([str(a) for a in arguments]) == 0
    assert "frontal: paper" in (tmp_path / "report" / "evaluation.md").read_text()
    with (tmp_path / "report" / "keypoints.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 2 * 3 + 2 * 5


def test_training_without_images_or_with_a_wrong_config_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.json").write_text('{"name": "x", "task": "keypoints", "learningrate": 1}')
    arguments = ["--data", str(tmp_path), "--out", str(tmp_path / "run"), "--config"]
    assert train.main([*arguments, str(tmp_path / "c.json")]) == 2
    assert "learningrate" in capsys.readouterr().err
    (tmp_path / "c.json").unlink()
    assert train.main([*arguments, str(CONFIGS / "cpu_view.json")]) == 2
    assert "No labelled images" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.json")), ids=lambda p: p.stem)
def test_every_configuration_can_be_read_and_written_back(path: Path) -> None:
    settings = TrainingConfig.read(path)
    assert TrainingConfig.from_dict(settings.to_dict()) == settings


def test_the_papers_recipes_are_as_it_states_them() -> None:
    keypoints = TrainingConfig.read(CONFIGS / "paper_gu2net_frontal.json")
    assert keypoints.input_size == (1280, 640) and keypoints.batch_size == 16
    assert keypoints.augmentation.rotation_deg == 15 and keypoints.augmentation.shift_px == 15
    rates = [learning_rate(keypoints.optimisation, 0.0, epoch) for epoch in (0, 50, 100, 150)]
    assert rates == pytest.approx([1e-3, 1e-2, 1e-3, 1e-2])
    artefact = TrainingConfig.read(CONFIGS / "paper_mobilenetv2.json")
    assert artefact.input_size == (1920, 960) and artefact.batch_size == 14
    rates = [learning_rate(artefact.optimisation, 0.0, epoch) for epoch in (0, 39.9, 40, 70, 199)]
    assert rates == pytest.approx([0.02, 0.02, 0.002, 0.0002, 0.0002])


def test_target_heat_maps_agree_with_the_librarys() -> None:
    points = np.array([[3.25, 4.5], [np.nan, np.nan]])
    ours = target_heat_maps(torch.tensor(points)[None], (9, 7), 1.5)[0].numpy()
    assert ours == pytest.approx(gaussian_heat_maps(points, (9, 7), 1.5), abs=1e-6)


def test_the_loss_of_an_empty_map_for_an_absent_point_is_counted_by_hand() -> None:
    logits, presence = torch.zeros(1, 1, 4, 5), torch.zeros(1, 1)
    absent, known = torch.full((1, 1, 2), math.nan), torch.ones(1, 1, dtype=torch.bool)
    loss = keypoint_loss(logits, presence, absent, known, 1.0, LossWeights(1.0, 1.0, 2.0))
    # 20 pixels and twice the presence at a probability of one half: 22 log 2.
    assert float(loss) == pytest.approx(22 * math.log(2))


def test_unlabelled_points_cost_nothing() -> None:
    logits, presence = torch.randn(1, 2, 4, 5), torch.randn(1, 2)
    points = torch.tensor([[[1.0, 1.0], [math.nan, math.nan]]])
    unknown = torch.zeros(1, 2, dtype=torch.bool)
    assert float(keypoint_loss(logits, presence, points, unknown, 1.0, LossWeights(1, 1, 1))) == 0


def test_a_point_out_of_the_field_is_sought_there_and_is_absent_all_the_same() -> None:
    points, known = torch.tensor([[[4.3, 3.8]]]), torch.ones(1, 1, dtype=torch.bool)
    logits = torch.log(target_heat_maps(points, (9, 9), 1.5))
    absent, weights = torch.zeros(1, 1, dtype=torch.bool), LossWeights(0.0, 1.0, 1.0)
    # The map is right; a presence of nine tenths costs log 10.
    presence = torch.full((1, 1), math.log(9.0))
    loss = keypoint_loss(logits, presence, points, known, 1.5, weights, present=absent)
    assert float(loss) == pytest.approx(math.log(10.0), abs=1e-5)
    # Where nobody knows what the map should show, only the presence counts.
    nowhere = torch.full((1, 1, 2), math.nan)
    weights = LossWeights(1.0, 1.0, 1.0)
    loss = keypoint_loss(logits, presence, nowhere, known, 1.5, weights, mapped=absent)
    assert float(loss) == pytest.approx(math.log(10.0), abs=1e-5)


def test_the_location_loss_vanishes_when_the_map_is_the_target() -> None:
    points, known = torch.tensor([[[4.3, 3.8]]]), torch.ones(1, 1, dtype=torch.bool)
    logits = torch.log(target_heat_maps(points, (9, 9), 1.5))
    weights = LossWeights(0.0, 1.0, 0.0)
    loss = keypoint_loss(logits, torch.zeros(1, 1), points, known, 1.5, weights)
    assert float(loss) == pytest.approx(0.0, abs=1e-5)


def test_detection_figures_are_counted_by_hand() -> None:
    figures = detection_figures([0.5, 1.0, 2.2, 12.3])
    assert figures["mre"] == pytest.approx(4.0)
    assert figures["median"] == pytest.approx(1.6)
    # Deviations -3.5, -3, -1.8, 8.3: squares 12.25 + 9 + 3.24 + 68.89 = 93.38, over 4.
    assert figures["sd"] == pytest.approx(math.sqrt(93.38 / 4))
    assert [figures[f"sdr_{r}"] for r in ("1", "2", "2.5", "10")] == [50, 50, 75, 75]
    assert figures["miss"] == 25
    assert math.isnan(detection_figures([])["mre"])


def test_classification_figures_are_counted_by_hand() -> None:
    figures = classification_figures([0.9, 0.8, 0.3, 0.6], [True, False, True, False])
    assert figures["accuracy"] == 0.25
    assert figures["precision"] == pytest.approx(1 / 3)
    assert figures["recall"] == 0.5
    # Positive above negative: 0.9 over both, 0.3 over none: 2 of 4 pairs.
    assert figures["auc"] == 0.5
    assert classification_figures([0.5, 0.5], [True, False])["auc"] == 0.5


def test_the_threshold_lies_in_the_middle_of_the_gap() -> None:
    assert best_threshold([0.1, 0.2, 0.8, 0.9], [False, False, True, True]) == pytest.approx(0.5)
    assert best_threshold([0.6, 0.7, 0.9], [False, False, True]) == pytest.approx(0.8)
    assert best_threshold([0.1, 0.2], [True, True]) == 0.5


def test_errors_are_in_millimetres_by_row_and_column_spacing(tmp_path: Path) -> None:
    label = read_label(write_labelled(tmp_path, "a", FRONTAL, frontal=True))
    found = [
        Keypoint("thumb_mcp_joint", Finding.FOUND, (16.0, 23.0), confidence=0.9),
        Keypoint("radial_styloid", Finding.NOT_FOUND, confidence=0.1),
        Keypoint("ulnar_styloid", Finding.NOT_FOUND, confidence=0.1),
    ]
    thumb, radial, ulnar = compare(label, found)
    # 4 px across at 0.3 mm, 3 px down at 0.4 mm.
    assert thumb.error_px == pytest.approx(5.0)
    assert thumb.error_mm == pytest.approx(math.hypot(1.2, 1.2))
    assert radial.in_image and not radial.found and math.isnan(radial.error_mm)
    assert not ulnar.in_image and not ulnar.found
    report = markdown([thumb, radial, ulnar], [], load_protocol())
    assert "| **frontal: all** | 1 | 1.70 |" in report


def test_without_spacing_the_width_of_the_bones_gives_millimetres(tmp_path: Path) -> None:
    label = read_label(write_labelled(tmp_path, "a", FRONTAL, frontal=True))
    real = replace(label, spacing_mm=None, reference_width_px=100.0)
    assert millimetres_per_pixel(real, None) == (0.5, 0.5)
    assert millimetres_per_pixel(real, 0.144) == (0.144, 0.144)
    assert millimetres_per_pixel(replace(real, reference_width_px=None), None) is None
