from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("monai")

from WristQCLib.models.gu2net import GU2Net, domains_in, logit_of_product, of_domains  # noqa: E402
from WristQCLib.models.mobilenetv2 import MobileNetV2, divisible_by_8  # noqa: E402


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_full_width_networks_have_the_published_sizes() -> None:
    assert parameters(GU2Net([3, 5])) == pytest.approx(3.54e6, rel=0.01)
    assert parameters(GU2Net([5])) == pytest.approx(2.73e6, rel=0.01)
    assert parameters(MobileNetV2()) == pytest.approx(2.22e6, rel=0.01)


def test_heat_maps_and_presence_have_the_expected_shapes() -> None:
    network = GU2Net([3, 5], width=8, input_stride=2).eval()
    heat_maps, presence = network.detect(torch.rand(2, 1, 64, 96), 1)
    assert heat_maps.shape == (2, 5, 32, 48)
    assert presence.shape == (2, 5)
    assert network(torch.rand(1, 1, 64, 96), 0).shape == (1, 3, 32, 48)


def test_a_fresh_network_says_that_heat_maps_are_almost_empty() -> None:
    with torch.no_grad():
        heat_maps = GU2Net([3], width=8).eval()(torch.rand(1, 1, 64, 64))
    assert float(heat_maps.mean()) < 0.02


def test_one_domain_of_a_universal_network_answers_like_the_universal_one() -> None:
    torch.manual_seed(1)
    universal = GU2Net([3, 5], width=8).eval()
    separate = GU2Net([5], width=8).eval()
    separate.load_state_dict(of_domains(universal.state_dict(), [1]))
    image = torch.rand(1, 1, 32, 48)
    assert torch.equal(universal(image, 1), separate(image))


def test_domains_are_counted_put_in_order_and_repeated() -> None:
    universal = GU2Net([3, 5], width=8).eval()
    doubled = of_domains(universal.state_dict(), [0, 1, 0, 1])
    assert domains_in(universal.state_dict()) == 2 and domains_in(doubled) == 4
    network = GU2Net([3, 5, 3, 5], width=8).eval()
    network.load_state_dict(doubled)
    image = torch.rand(1, 1, 32, 32)
    assert torch.equal(network(image, 3), universal(image, 1))


def test_domains_share_pointwise_convolutions_and_nothing_else() -> None:
    network = GU2Net([3, 3], width=8)
    heat_maps, _ = network.detect(torch.rand(2, 1, 32, 32), 1)
    heat_maps.sum().backward()
    touched = {name for name, p in network.named_parameters() if p.grad is not None}
    assert any(".pointwise." in name for name in touched)
    assert not any(".layers.0." in name for name in touched)


@pytest.mark.parametrize(
    "options",
    [{}, {"resampling": "published"}, {"presence_from": "place"}, {"traces_shafts": True}],
    ids=str,
)
def test_gu2net_can_be_scripted(options: dict[str, Any]) -> None:
    network = GU2Net([3], width=8, **options).eval()
    image, scripted = torch.rand(1, 1, 32, 32), torch.jit.script(network)
    assert torch.allclose(scripted(image), network(image))
    for one, other in zip(scripted.answer(image), network.answer(image), strict=True):
        assert one is other or torch.allclose(one, other)


def test_presence_from_the_place_adds_what_is_seen_where_each_point_is_sought() -> None:
    network = GU2Net([2, 3], width=8, presence_from="place").eval()
    image = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        heat_maps, before, *_ = network.answer(image, 1)
        _, _, finest = network.local(image, 1)
        hidden, _, last = network.place.layers[1]
        torch.nn.init.normal_(last.weight)
        after = network.detect(image, 1)[1]
        for i in range(2):
            for n in range(3):
                share = torch.softmax(heat_maps[i, n].flatten(), dim=0).reshape(32, 32)
                seen = (finest[i] * share).sum((1, 2))
                expected = last.weight[n] @ torch.relu(hidden.weight @ seen + hidden.bias)
                assert after[i, n] - before[i, n] == pytest.approx(float(expected), abs=1e-4)


def test_presence_does_not_move_the_place_that_it_is_read_from() -> None:
    network = GU2Net([2], width=8, presence_from="place")
    torch.nn.init.normal_(network.place.layers[0][2].weight)
    for layer in network.presence.layers:
        torch.nn.init.zeros_(layer.weight)
    network.detect(torch.rand(1, 1, 32, 32))[1].sum().backward()
    assert not network.local.exit.layers[0].conv.weight.grad.any()
    assert network.local.decoder[-1].second.pointwise.conv.weight.grad.any()


def test_an_unknown_source_of_presence_is_refused() -> None:
    with pytest.raises(ValueError, match="peak"):
        GU2Net([3], presence_from="peak")


def test_an_unknown_resampling_is_refused() -> None:
    with pytest.raises(ValueError, match="bicubic"):
        GU2Net([3], resampling="bicubic")


def test_the_logit_of_a_product_agrees_with_the_plain_formula() -> None:
    a, b = torch.tensor([0.0, 1.0, -2.0]).double(), torch.tensor([0.0, 3.0, 4.0]).double()
    product = torch.sigmoid(a) * torch.sigmoid(b)
    assert torch.allclose(logit_of_product(a, b), torch.log(product / (1 - product)))
    assert float(logit_of_product(a, b)[0]) == pytest.approx(-1.0986, abs=1e-4)  # log(0.25/0.75)


def test_the_logit_of_a_product_has_a_finite_gradient_where_sigmoids_saturate() -> None:
    a = torch.tensor([200.0, -200.0, 40.0], requires_grad=True)
    b = torch.tensor([200.0, -200.0, -40.0], requires_grad=True)
    logits = logit_of_product(a, b)
    logits.sum().backward()
    assert torch.isfinite(logits).all() and torch.isfinite(a.grad).all()


def test_outputs_are_float32_under_bfloat16_autocast() -> None:
    network = GU2Net([3], width=8)
    with torch.autocast("cpu", torch.bfloat16):
        heat_maps, presence = network.detect(torch.rand(2, 1, 32, 32))
    assert heat_maps.dtype == presence.dtype == torch.float32


def test_mobilenetv2_takes_any_image_size_and_can_be_scripted() -> None:
    network = MobileNetV2(out_channels=2, width=0.35).eval()
    image = torch.rand(1, 1, 50, 70)
    assert network(image).shape == (1, 2)
    assert torch.allclose(torch.jit.script(network)(image), network(image))


@pytest.mark.parametrize("input_stride", [1, 2, 4])
def test_the_last_features_are_32_pixels_apart_however_pixels_are_folded(input_stride: int) -> None:
    network = MobileNetV2(width=0.35, input_stride=input_stride).eval()
    assert network.extract(torch.rand(1, 1, 128, 64)).shape == (1, 1280, 4, 2)


def test_with_pooling_any_the_images_odds_are_the_sum_of_the_cells_odds() -> None:
    network = MobileNetV2(width=0.35, pooling="any").eval()
    image = torch.rand(1, 1, 64, 96)
    with torch.no_grad():
        cells, logit = network.cells(image), network(image)
    assert cells.shape == (1, 1, 2, 3)
    assert torch.allclose(logit[0, 0].exp(), cells.exp().sum())


def test_an_unknown_pooling_is_refused() -> None:
    with pytest.raises(ValueError, match="median"):
        MobileNetV2(pooling="median")


def test_channels_are_rounded_to_eight_but_never_down_by_more_than_a_tenth() -> None:
    assert [divisible_by_8(c) for c in (32 * 0.35, 16 * 0.35, 24 * 0.5, 96, 18.9)] == [
        16,
        8,
        16,
        96,
        24,
    ]
