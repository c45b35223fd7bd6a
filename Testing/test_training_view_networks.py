"""One network for all views, or one for each: they are made of each other without a change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("monai")

from test_training_data import config  # noqa: E402
from test_training_run import corpus, trainer  # noqa: E402

from training import train  # noqa: E402
from training.config import Augmentation, TrainingConfig  # noqa: E402
from training.export import export_weights, stored  # noqa: E402
from training.labels import label_paths, read_label  # noqa: E402
from training.tasks import KeypointTask  # noqa: E402
from training.view_networks import of_view, share_a_network, side_by_side, universal  # noqa: E402
from WristQCLib.models import KeypointDetector  # noqa: E402
from WristQCLib.models.gu2net import GU2Net, domains_in, of_domains  # noqa: E402

VIEWS = ("frontal", "lateral")


def both(**changes: object):
    """Settings of a training of both views with second looks apart."""
    network = {"width": 4, "input_stride": 2, "traces_shafts": True, "presence_from": "place"}
    given = {"network": network, "close_domains": True, "augmentation": Augmentation(zoom=0.5)}
    return config(**(given | {"epochs": 1, "samples_per_epoch": 8} | changes))


def test_weights_of_views_make_the_universal_network_that_they_come_from() -> None:
    state = GU2Net([3, 5, 3, 5], width=4).state_dict()
    views = [of_view(state, place, 2) for place in range(2)]
    assert views[0].keys() == of_domains(state, [0, 2]).keys()
    joined = universal(views)
    assert joined.keys() == state.keys()
    assert all(torch.equal(tensor, joined[name]) for name, tensor in state.items())


def test_networks_that_went_apart_do_not_make_a_universal_one() -> None:
    states = [GU2Net([3, 3], width=4).state_dict(), GU2Net([5, 5], width=4).state_dict()]
    assert not share_a_network(states)
    with pytest.raises(ValueError, match="not parts of a universal one"):
        universal(states)
    apart = side_by_side(states)
    for place, state in enumerate(states):
        found = of_view(apart, place, 2)
        assert found.keys() == state.keys()
        assert all(torch.equal(tensor, found[name]) for name, tensor in state.items())


@pytest.mark.parametrize("domain", range(4))
def test_a_network_for_each_view_begins_as_the_universal_one_answers(domain: int) -> None:
    one = KeypointTask(both())
    network = one.network().eval()
    own = KeypointTask(both(universal=False))
    apart = own.network().eval()
    apart.load_state_dict(own.adapted(network.state_dict(), VIEWS))
    image = torch.rand(1, 1, 64, 32)
    with torch.no_grad():
        for a, b in zip(network.answer(image, domain), apart.answer(image, domain), strict=True):
            assert torch.equal(a, b)
        assert torch.equal(network.detect(image, domain)[1], apart.detect(image, domain)[1])


def test_a_network_for_each_view_learns_its_own_view_alone(tmp_path: Path) -> None:
    sources = corpus(tmp_path / "data")
    run = trainer(both(universal=False, turns=(1,)), sources, tmp_path / "run")
    before = {name: tensor.clone() for name, tensor in run.network.state_dict().items()}
    run.run()
    changed = {n for n, t in run.network.state_dict().items() if not torch.equal(t, before[n])}
    # All batches were of the second view.
    assert changed and all(name.startswith("views.1.") for name in changed)


def test_one_view_goes_on_from_a_network_of_both(tmp_path: Path) -> None:
    sources = corpus(tmp_path / "data")
    trainer(both(), sources, tmp_path / "both").run()
    lateral = trainer(both(views=("lateral",)), sources, tmp_path / "lateral")
    lateral.start_from(tmp_path / "both" / "best.pt")
    weights = of_view(torch.load(tmp_path / "both" / "best.pt", weights_only=True), 1, 2)
    state = lateral.network.state_dict()
    assert state.keys() == weights.keys()
    assert all(torch.equal(tensor, state[name]) for name, tensor in weights.items())
    # The other way there is nothing to begin the frontal view with.
    lateral.run()
    with pytest.raises(ValueError, match="another network"):
        trainer(both(), sources, tmp_path / "third").start_from(tmp_path / "lateral" / "best.pt")


def go_on_with_lateral(folder: Path, *more: object) -> None:
    """Train both views into ``both``, then by the command the lateral one into ``lateral``."""
    sources = corpus(folder / "data")
    trainer(both(), sources, folder / "both").run()
    arguments = ["--config", folder / "both" / "config.json", "--data", folder / "data"]
    arguments += ["--out", folder / "lateral", "--views", "lateral"]
    arguments += ["--weights", folder / "both" / "best.pt", *more]
    assert train.main([str(argument) for argument in arguments]) == 0


def test_the_command_trains_the_views_that_it_is_told(tmp_path: Path) -> None:
    go_on_with_lateral(tmp_path)
    assert TrainingConfig.read(tmp_path / "lateral" / "config.json").views == ("lateral",)
    best = torch.load(tmp_path / "lateral" / "best.pt", weights_only=True)
    assert domains_in(best) == 2


def test_networks_of_their_own_are_exported_each_to_its_bundle(tmp_path: Path) -> None:
    sources = corpus(tmp_path / "data")
    settings = both(universal=False, losses=replace(both().losses, shafts=0.0))
    state = KeypointTask(settings).network().state_dict()
    labels = [read_label(path) for path in label_paths(sources[0].folder, "val")]
    bundles = export_weights(settings, state, labels, tmp_path / "models", "0.1.0", 4, "Made up.")
    assert [bundle.name for bundle in bundles] == [f"wrist_keypoints_{view}" for view in VIEWS]
    for place, bundle in enumerate(bundles):
        detector = KeypointDetector.from_bundle(bundle, "cpu")
        shipped, own = detector._network.state_dict(), of_view(state, place, 2)
        assert all(torch.allclose(shipped[n], own[n], atol=1e-3, rtol=1e-2) for n in shipped)
        assert json.loads((bundle / "configs/metadata.json").read_text())["version"] == "0.1.0"


def test_kernels_are_stored_by_channel_however_they_were_trained() -> None:
    kernel = torch.arange(54.0).reshape(2, 3, 3, 3)
    kept = stored({"kernel": kernel.to(memory_format=torch.channels_last)})["kernel"]
    assert kept.is_contiguous() and torch.equal(kept.float(), kernel)


def test_kernels_are_stored_with_six_bits_of_their_mantissa_and_biases_as_they_are() -> None:
    # Between 1 and 2 six bits are steps of 1/64; 1/256 is nearer to 0 and 3/256 nearer to 1/64.
    values = torch.tensor([[1.0, 1.0 + 1 / 64, 1.0 + 1 / 256, 1.0 + 3 / 256, -1.0 - 3 / 256, 0.0]])
    kept = stored({"kernel": values, "bias": values[0]})
    steps = torch.tensor([[1.0, 1.0 + 1 / 64, 1.0, 1.0 + 1 / 64, -1.0 - 1 / 64, 0.0]])
    assert kept["kernel"].dtype is torch.float16
    assert torch.equal(kept["kernel"].float(), steps)
    assert torch.equal(kept["bias"], values[0])
