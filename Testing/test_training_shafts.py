"""The shafts that keypoint networks trace in training: maps, loss, and their removal."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from training.config import LossWeights, TrainingConfig  # noqa: E402
from training.shafts import (  # noqa: E402
    ShaftTracingGU2Net,
    shaft_loss,
    shaft_maps,
    without_shafts,
)
from training.tasks import KeypointTask  # noqa: E402
from WristQCLib.models.gu2net import GU2Net  # noqa: E402

CONFIGS = Path(__file__).resolve().parent.parent / "training" / "configs"
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


def tracing_config() -> TrainingConfig:
    return TrainingConfig(
        "t",
        "keypoints",
        network={"width": 4, "input_stride": 4},
        losses=LossWeights(0.1, 1.0, 1.0, shafts=0.5),
        input_size=(64, 64),
    )


def test_a_network_without_its_traced_shafts_answers_as_before() -> None:
    task = KeypointTask(tracing_config())
    tracing = task.network().eval()
    assert isinstance(tracing, ShaftTracingGU2Net)
    plain = GU2Net(out_channels=(3, 5), width=4, input_stride=4).eval()
    plain.load_state_dict(without_shafts(tracing.state_dict()))
    image = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        heat_maps, presence, shafts = tracing.trace(image, 1)
        for one, other in zip((heat_maps, presence), plain.detect(image, 1), strict=True):
            assert torch.equal(one, other)
    assert shafts.shape == (1, 2, 16, 16)


def test_what_a_place_says_of_presence_begins_afresh_from_weights_without_it() -> None:
    settings = TrainingConfig("t", "keypoints", network={"width": 4, "input_stride": 4})
    weights = KeypointTask(settings).network().eval()
    settings.network["presence_from"] = "place"
    task = KeypointTask(settings)
    network = task.network().eval()
    network.load_state_dict(task.adapted(weights.state_dict()))
    image = torch.rand(1, 1, 64, 64)
    assert torch.equal(network.detect(image, 1)[1], weights.detect(image, 1)[1])


def test_tracing_adds_to_the_loss_and_goes_on_from_weights_without_it() -> None:
    task = KeypointTask(tracing_config())
    network = task.network()
    weights = without_shafts(network.state_dict())
    network.load_state_dict(task.adapted(weights))
    plain = KeypointTask(TrainingConfig("t", "keypoints", network={"width": 4, "input_stride": 4}))
    assert plain.adapted(network.state_dict()).keys() == weights.keys()
    batch = {
        "image": torch.rand(2, 1, 64, 64),
        "points": torch.full((2, 5, 2), 20.0),
        "labelled": torch.ones(2, 5, dtype=torch.bool),
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
        traced = network.trace(batch["image"], 1)[2]
        ends = (batch["shafts"] + 0.5) / 4 - 0.5
        expected = 0.5 * float(shaft_loss(traced, ends, tracing_config().sigma / 4))
    assert with_known - without == pytest.approx(expected, rel=1e-4)


def test_the_small_configuration_traces_shafts() -> None:
    assert TrainingConfig.read(CONFIGS / "small_keypoints.json").losses.shafts > 0
