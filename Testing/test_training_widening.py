"""A wider GU2Net that goes on where a narrower one stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_training_run import trainer
from test_training_view_networks import both, corpus

from training.widening import widened, width_of
from WristQCLib.models.gu2net import GU2Net

VARIANTS = [
    {"input_stride": 2},
    {"input_stride": 4, "presence_from": "place", "traces_shafts": True},
]


def experienced(network: GU2Net) -> GU2Net:
    """With batch norms that have seen something, and no weight that is 0 by chance of its start."""
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.add_(0.1 * torch.rand_like(tensor) * (1.0 if "running_var" in name else 0.5))
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
    narrow = experienced(GU2Net([3], width=4, input_stride=4))
    wide = GU2Net([3], width=6, input_stride=4)
    wide.load_state_dict(widened(narrow.state_dict(), wide))
    wide.answer(torch.rand(2, 1, 64, 64)).heat_maps.square().mean().backward()
    ways_out = wide.local.exit.layers[0].conv.weight
    assert float(ways_out[:, 4:].detach().abs().max()) == 0.0
    assert (ways_out.grad[:, 4:].abs() > 0).all()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"width": 3, "input_stride": 2}, "width 4 does not fit 3"),
        ({"width": 16, "input_stride": 4}, "more than their width"),
        ({"width": 6, "input_stride": 2, "traces_shafts": True}, "more than their width"),
    ],
)
def test_another_network_is_refused(settings: dict, said: str) -> None:
    narrow = GU2Net([3], width=4, input_stride=2)
    with pytest.raises(ValueError, match=said):
        widened(narrow.state_dict(), GU2Net([3], **settings))


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
    assert width_of(old) == narrow
    state = run.network.state_dict()
    name = "local.entry.layers.1.conv.weight"
    new = state[name] if universal else state["views.1.local.entry.layers.0.conv.weight"]
    assert torch.equal(new[:narrow], old[name])
    run.run()
    with pytest.raises(ValueError, match="another network"):
        trainer(both(), sources, tmp_path / "back").start_from(tmp_path / "wide" / "best.pt")
