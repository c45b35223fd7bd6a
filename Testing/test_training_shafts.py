"""The shafts that keypoint networks trace: their maps, the loss, weights with and without."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from training.config import LossWeights, TrainingConfig  # noqa: E402
from training.shafts import shaft_loss, shaft_maps  # noqa: E402
from training.tasks import KeypointTask  # noqa: E402

CONFIGS = Path(__file__).resolve().parent.parent / "training" / "configs"
VIEWS = ("frontal", "lateral")
NOBODY_KNOWS = [[math.nan, math.nan], [1.0, 1.0]]


def test_a_shafts_map_is_a_ridge_that_ends_with_the_shaft() -> None:
    # From (2, 1) to (2, 3), in a map of 6 rows and 4 columns, one pixel wide.
    ends = torch.tensor([[[[2.0, 1.0], [2.0, 3.0]], NOBODY_KNOWS]])
    ridge, nothing = shaft_maps(ends, (6, 4), 1.0)[0]
    beside, two_away, aslant = math.exp(-0.5), math.exp(-2.0), math.exp(-1.0)
    assert ridge[1:4, 2].tolist() == pytest.approx([1.0, 1.0, 1.0])
    assert ridge[2].tolist() == pytest.approx([two_away, beside, 1.0, beside])
    assert [float(ridge[0, 2]), float(ridge[4, 2]), float(ridge[5, 2])] == pytest.approx(
        [beside, beside, two_away]
    )
    assert float(ridge[0, 1]) == pytest.approx(aslant)
    assert not nothing.any()


def test_only_known_shafts_are_judged() -> None:
    ends = torch.tensor([[[[0.0, 0.0], [0.0, 9.0]], NOBODY_KNOWS]])
    loss = shaft_loss(torch.zeros(1, 2, 3, 4), ends, 1.0)
    # At a probability of one half every pixel costs log 2, whatever its target.
    assert float(loss) == pytest.approx(12 * math.log(2))
    assert float(shaft_loss(torch.zeros(1, 1, 3, 4), ends[:, 1:], 1.0)) == 0.0


NETWORK = {"width": 4, "input_stride": 4}


def tracing_config() -> TrainingConfig:
    return TrainingConfig(
        "t",
        "keypoints",
        network=NETWORK | {"traces_shafts": True},
        losses=LossWeights(0.1, 1.0, 1.0, shafts=0.5),
        input_size=(64, 64),
    )


def test_a_network_without_its_traced_shafts_answers_as_before() -> None:
    tracing = KeypointTask(tracing_config()).network().eval()
    plain = KeypointTask(TrainingConfig("t", "keypoints", network=NETWORK))
    network = plain.network().eval()
    network.load_state_dict(plain.adapted(tracing.state_dict(), VIEWS))
    image = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        answer = tracing.answer(image, 1)
        for one, other in zip(answer[:2], network.detect(image, 1), strict=True):
            assert torch.equal(one, other)
        assert network.answer(image, 1).shafts is None
    assert answer.shafts.shape == (1, 2, 16, 16)


def test_shafts_cannot_be_learned_by_a_network_that_does_not_trace_them() -> None:
    with pytest.raises(ValueError, match="traces_shafts"):
        KeypointTask(replace(tracing_config(), network=NETWORK))


def test_what_a_place_says_of_presence_begins_afresh_from_weights_without_it() -> None:
    weights = KeypointTask(TrainingConfig("t", "keypoints", network=NETWORK)).network().eval()
    settings = TrainingConfig("t", "keypoints", network=NETWORK | {"presence_from": "place"})
    task = KeypointTask(settings)
    network = task.network().eval()
    network.load_state_dict(task.adapted(weights.state_dict(), VIEWS))
    image = torch.rand(1, 1, 64, 64)
    assert torch.equal(network.detect(image, 1)[1], weights.detect(image, 1)[1])


def test_tracing_adds_to_the_loss_and_goes_on_from_weights_without_it() -> None:
    task = KeypointTask(tracing_config())
    network = task.network()
    plain = KeypointTask(TrainingConfig("t", "keypoints", network=NETWORK))
    network.load_state_dict(task.adapted(plain.network().state_dict(), VIEWS))
    batch = {
        "image": torch.rand(2, 1, 64, 64),
        "points": torch.full((2, 5, 2), 20.0),
        **{name: torch.ones(2, 5, dtype=torch.bool) for name in ("present", "labelled", "mapped")},
        "domain": torch.tensor([1, 1]),
        "shafts": torch.tensor([[[10.0, 10.0], [10.0, 50.0]], [[20.0, 10.0], [20.0, 50.0]]]).repeat(
            2, 1, 1, 1
        ),
    }
    network.eval()
    with torch.no_grad():
        with_known = float(task.loss(network, batch))
        unknown = batch | {"shafts": torch.full((2, 2, 2, 2), math.nan)}
        without = float(task.loss(network, unknown))
        traced = network.answer(batch["image"], 1).shafts
        ends = (batch["shafts"] + 0.5) / 4 - 0.5
        expected = 0.5 * float(shaft_loss(traced, ends, tracing_config().sigma / 4))
    assert with_known - without == pytest.approx(expected, rel=1e-4)


def test_the_small_configuration_traces_shafts() -> None:
    assert TrainingConfig.read(CONFIGS / "small_keypoints.json").losses.shafts > 0
