"""A strided depthwise convolution gives the same, and learns the same, when quickly computed."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from training.strides import StridedDepthwise, with_quick_strides
from WristQCLib.models.mobilenetv2 import MobileNetV2


@pytest.mark.parametrize("size", [(8, 6), (7, 5)])
def test_answers_and_gradients_are_those_of_the_plain_convolution(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(3, 3, 3, stride=2, padding=1, groups=3, bias=False)
    quick = with_quick_strides(nn.Sequential(copy.deepcopy(plain)))[0]
    assert type(quick) is StridedDepthwise
    image = torch.randn(2, 3, *size).requires_grad_()
    results = []
    for layer in (plain, quick):
        answer = layer(image)
        gradients = torch.autograd.grad(answer.square().sum(), [image, layer.weight])
        results.append([answer.detach(), *gradients])
    for expected, got in zip(*results, strict=True):
        torch.testing.assert_close(got, expected)


def test_a_weight_learns_from_the_places_that_the_stride_keeps() -> None:
    layer = with_quick_strides(
        nn.Sequential(nn.Conv2d(2, 2, 1, stride=2, groups=2, bias=False))
    ).train()
    image = torch.arange(32.0).reshape(1, 2, 4, 4)
    layer(image).sum().backward()
    # Rows and columns 0 and 2 are kept: 0 + 2 + 8 + 10, and 16 more at each place of the other.
    assert layer[0].weight.grad.flatten().tolist() == [20.0, 84.0]


def test_the_network_keeps_its_names_and_learns_alike_in_half_precision() -> None:
    torch.manual_seed(0)
    plain = MobileNetV2(width=0.35, input_stride=4, pooling="highest", dropout=0.0).train()
    quick = with_quick_strides(copy.deepcopy(plain))
    assert list(quick.state_dict()) == list(plain.state_dict())
    assert sum(type(module) is StridedDepthwise for module in quick.modules()) == 3
    image = torch.randn(2, 1, 64, 64)
    gradients = []
    for network in (plain, quick):
        with torch.autocast("cpu", torch.bfloat16):
            loss = network(image).square().sum()
        loss.backward()
        gradients.append(torch.cat([p.grad.flatten() for p in network.parameters()]))
    cosine = torch.nn.functional.cosine_similarity(*gradients, dim=0)
    assert cosine > 0.999


def test_only_strided_depthwise_convolutions_change() -> None:
    layers = nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False),
        nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False),
        nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=4),
        nn.Conv2d(4, 4, 3, stride=2, groups=4, bias=False),
    )
    with_quick_strides(layers)
    assert {type(layer) for layer in layers} == {nn.Conv2d}
