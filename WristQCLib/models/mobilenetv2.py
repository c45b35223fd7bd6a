"""MobileNetV2 on MONAI blocks: the image classifier of the source paper (section 4).

After Sandler, Howard, Zhu, Zhmoginov, Chen: "MobileNetV2: Inverted Residuals and Linear
Bottlenecks" (CVPR 2018), for any number of input channels and output logits.
"""

from __future__ import annotations

import torch
from monai.networks.blocks import Convolution
from torch import Tensor, nn

STAGES = (
    # expansion, channels, blocks, stride of the first (the publication's table 2)
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
FIRST, LAST = 32, 1280
RELU6 = ("relu6", {"inplace": True})


def divisible_by_8(channels: float) -> int:
    """The nearest multiple of 8 that is not more than a tenth below `channels`."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


def convolution(
    in_channels: int,
    out_channels: int,
    kernel_size: int = 3,
    stride: int = 1,
    groups: int = 1,
    act: tuple[str, dict[str, bool]] | None = RELU6,
) -> Convolution:
    """Convolution, batch norm and (unless None) an activation."""
    return Convolution(
        2,
        in_channels,
        out_channels,
        strides=stride,
        kernel_size=kernel_size,
        groups=groups,
        bias=False,
        norm="batch",
        act=act,
    )


class InvertedResidual(nn.Module):
    """Expand, filter depthwise, project linearly; add the input where the shapes agree."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        layers = [] if expansion == 1 else [convolution(in_channels, hidden, kernel_size=1)]
        layers += [
            convolution(hidden, hidden, stride=stride, groups=hidden),
            convolution(hidden, out_channels, kernel_size=1, act=None),
        ]
        self.layers = nn.Sequential(*layers)
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class MobileNetV2(nn.Module):
    """Logits (B, `out_channels`) for images (B, `in_channels`, rows, columns) of any size.

    Parameters
    ----------
    out_channels
        Number of logits.
    width
        Multiplier of all channels; 1.0 has 2.2 million parameters.
    in_channels
        Channels of the input; 1 for a radiograph.
    dropout
        Probability before the last layer.
    """

    def __init__(
        self,
        out_channels: int = 1,
        width: float = 1.0,
        in_channels: int = 1,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        channels = divisible_by_8(FIRST * width)
        layers: list[nn.Module] = [convolution(in_channels, channels, stride=2)]
        for expansion, stage_channels, blocks, stride in STAGES:
            for block in range(blocks):
                after = divisible_by_8(stage_channels * width)
                layers.append(
                    InvertedResidual(channels, after, stride if block == 0 else 1, expansion)
                )
                channels = after
        last = divisible_by_8(LAST * max(1.0, width))
        layers.append(convolution(channels, last, kernel_size=1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, out_channels))

    def forward(self, image: Tensor) -> Tensor:
        features = self.features(image)
        return self.classifier(torch.mean(features, dim=(2, 3)))
