"""Strided depthwise convolutions whose gradient a processor computes quickly.

oneDNN, which PyTorch uses on processors, takes much longer for the gradient of a depthwise
convolution of stride 2 than for that of stride 1, and half of the training of a MobileNetV2 goes
into three such layers (``Testing/benchmarks/strides.py``). The gradient of stride 1 answers the
same question, asked with zeros at the places that the stride leaves out.
"""

from __future__ import annotations

from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

Network = TypeVar("Network", bound=nn.Module)


class _Strided(torch.autograd.Function):
    """A depthwise convolution that keeps the size, of stride 1 or more in the forward pass."""

    @staticmethod
    def forward(
        context: Any,
        image: Tensor,
        weight: Tensor,
        stride: tuple[int, int],
        padding: tuple[int, int],
    ) -> Tensor:
        context.save_for_backward(image, weight)
        context.stride, context.padding = stride, padding
        return functional.conv2d(image, weight, None, stride, padding, 1, image.shape[1])

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        image, weight = context.saved_tensors
        rows, columns = context.stride
        spread = torch.zeros_like(image)
        spread[:, :, ::rows, ::columns] = gradients[0]
        to_image, to_weight, _ = torch.ops.aten.convolution_backward(
            spread,
            image,
            weight,
            None,
            [1, 1],
            list(context.padding),
            [1, 1],
            False,
            [0, 0],
            image.shape[1],
            [True, True, False],
        )
        return to_image, to_weight, None, None


class StridedDepthwise(nn.Conv2d):
    """A strided depthwise convolution without bias: in training on a processor, by `_Strided`."""

    def forward(self, image: Tensor) -> Tensor:
        device = image.device.type
        if not self.training or device != "cpu":
            return super().forward(image)
        if torch.is_autocast_enabled(device):
            kind = torch.get_autocast_dtype(device)
            return _Strided.apply(image.to(kind), self.weight.to(kind), self.stride, self.padding)  # type: ignore[no-any-return]
        return _Strided.apply(image, self.weight, self.stride, self.padding)  # type: ignore[no-any-return]


def with_quick_strides(network: Network) -> Network:
    """The same network, names and weights, with its strided depthwise convolutions so computed.

    It is changed in place. Those with a bias, or that do not keep the size, are left as they are.
    """
    for module in network.modules():
        if type(module) is not nn.Conv2d or module.bias is not None or max(module.stride) == 1:
            continue
        odd = all(length % 2 for length in module.kernel_size)
        keeps_size = odd and module.padding == tuple(length // 2 for length in module.kernel_size)
        if keeps_size and max(module.dilation) == 1 and module.groups == module.in_channels > 1:
            module.__class__ = StridedDepthwise
    return network
