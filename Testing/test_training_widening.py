"""A wider network that goes on where a narrower one stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_training_run import trainer
from test_training_view_networks import both, corpus, go_on_with_lateral

from training.config import TrainingConfig
from training.widening import widened
from WristQCLib.models.gu2net import GU2Net
from WristQCLib.models.mobilenetv2 import MobileNetV2

VARIANTS = [
    {"input_stride": 2},
    {"input_stride": 4, "presence_from": "place", "traces_shafts": True},
]


def experienced(network: GU2Net | MobileNetV2) -> GU2Net | MobileNetV2:
    """With batch norms that have seen something, and no weight that is 0 by its start."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
        domains = range(2 if isinstance(network, GU2Net) else 1)
        for domain in [*domains] * 5:
            image = torch.rand(2, 1, 64, 64)
            network(image, domain) if isinstance(network, GU2Net) else network(image)
    return network.eval()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("domain", [0, 1])
def test_a_wider_network_answers_as_the_narrower_one(variant: dict, domain: int) -> None:
    torch.manual_seed(5)
    narrow = experienced(GU2Net([3, 5], width=4, **variant))
    wide = GU2Net([3, 5], width=7, **variant).eval()
    wide.load_state_dict(widened(narrow.state_dict(), wide))
    image = torch.rand(2, 1, 128, 64)
    with torch.no_grad():
        expected, answer = narrow.answer(image, domain), wide.answer(image, domain)
    for name in ("heat_maps", "presence", "shafts"):
        one, other = getattr(expected, name), getattr(answer, name)
        assert (one is None) == (other is None)
        if one is not None:
            assert float(one.std()) > 1e-3
            torch.testing.assert_close(other, one, atol=1e-4, rtol=1e-4)
    # The deepest features of before are the first of now; new ones say something of their own.
    torch.testing.assert_close(answer.features[:, :32], expected.features)
    assert float(answer.features[:, 32:].std()) > 1e-4


def test_new_channels_begin_to_learn_at_once() -> None:
    torch.manual_seed(5)
    narrow = experienced(GU2Net([3, 3], width=4, input_stride=4))
    wide = GU2Net([3, 3], width=6, input_stride=4)
    wide.load_state_dict(widened(narrow.state_dict(), wide))
    wide.answer(torch.rand(2, 1, 64, 64)).heat_maps.square().mean().backward()
    ways_out = wide.local.exit.layers[0].conv.weight
    assert float(ways_out[:, 4:].detach().abs().max()) == 0.0
    assert (ways_out.grad[:, 4:].abs() > 0).all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"width": 3, "input_stride": 2}, "a wider network"),
        ({"width": 16, "input_stride": 4}, "more than their width"),
        ({"width": 6, "input_stride": 2, "traces_shafts": True}, "more than their width"),
    ],
)
def test_another_network_is_refused(settings: dict, said: str) -> None:
    narrow = GU2Net([3], width=4, input_stride=2)
    with pytest.raises(ValueError, match=said):
        widened(narrow.state_dict(), GU2Net([3], **settings))


CLASSIFIERS = [
    {"input_stride": 4},
    {"input_stride": 4, "pooling": "any"},
    {"input_stride": 4, "pooling": "highest"},
]


@pytest.mark.parametrize("variant", CLASSIFIERS)
def test_a_wider_classifier_answers_as_the_narrower_one(variant: dict) -> None:
    torch.manual_seed(5)
    narrow = experienced(MobileNetV2(width=0.35, **variant))
    wide = MobileNetV2(width=0.5, **variant).eval()
    wide.load_state_dict(widened(narrow.state_dict(), wide))
    image = torch.rand(2, 1, 64, 96) * torch.tensor([0.2, 1.0]).reshape(2, 1, 1, 1)
    with torch.no_grad():
        torch.testing.assert_close(wide(image), narrow(image), atol=1e-4, rtol=1e-4)
        expected = narrow.extract(image)
        torch.testing.assert_close(wide.extract(image), expected, atol=1e-4, rtol=1e-4)
    assert float(expected.std()) > 1e-3


def test_a_classifier_that_differs_in_more_than_its_width_is_refused() -> None:
    state = MobileNetV2(width=0.35, input_stride=4).state_dict()
    with pytest.raises(ValueError, match="more than their width"):
        widened(state, MobileNetV2(width=0.5, input_stride=2))
    with pytest.raises(ValueError, match="more than their width"):
        widened(state, MobileNetV2(width=0.5, input_stride=4, out_channels=2))
    with pytest.raises(ValueError, match="a wider network"):
        widened(MobileNetV2(width=0.5).state_dict(), MobileNetV2(width=0.35))


def test_a_block_that_adds_its_input_in_one_network_alone_is_refused() -> None:
    # Of a quarter of the width, the first layer and the first block have 8 channels each, of half
    # of it 16 and 8.
    with pytest.raises(ValueError, match="add their input"):
        widened(MobileNetV2(width=0.25).state_dict(), MobileNetV2(width=0.5))


@pytest.mark.parametrize("universal", [True, False])
def test_a_training_goes_on_with_a_wider_network(tmp_path: Path, universal: bool) -> None:
    sources = corpus(tmp_path / "data")
    trainer(both(), sources, tmp_path / "narrow").run()
    weights = tmp_path / "narrow" / "best.pt"
    wider = both(universal=universal)
    wider = replace(wider, network={**wider.network, "width": wider.network["width"] + 2})
    run = trainer(wider, sources, tmp_path / "wide")
    run.start_from(weights)
    old = torch.load(weights, weights_only=True)
    narrow = both().network["width"]
    state = run.network.state_dict()
    name = "local.entry.layers.1.conv.weight"
    new = state[name] if universal else state["views.1.local.entry.layers.0.conv.weight"]
    assert torch.equal(new[:narrow], old[name])
    run.run()
    with pytest.raises(ValueError, match="another network"):
        trainer(both(), sources, tmp_path / "back").start_from(tmp_path / "wide" / "best.pt")


def test_the_command_widens_the_network_that_it_goes_on_with(tmp_path: Path) -> None:
    go_on_with_lateral(tmp_path, "--width", 6)
    wide = tmp_path / "lateral"
    assert TrainingConfig.read(wide / "config.json").network["width"] == 6
    best, start = (torch.load(wide / n, weights_only=True) for n in ("best.pt", "start.pt"))
    name = "local.entry.layers.0.conv.weight"
    assert len(best[name]) == len(start[name]) == 6
    assert not torch.equal(best[name], start[name])
