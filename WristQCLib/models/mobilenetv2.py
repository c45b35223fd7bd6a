"""MobileNetV2 on MONAI blocks: the image classifier of the source paper (section 4).

After Sandler, Howard, Zhu, Zhmoginov, Chen: "MobileNetV2: Inverted Residuals and Linear
Bottlenecks" (CVPR 2018), for any number of input channels and output logits. Departures can be
selected; the defaults are the publication's:

- ``input_stride=4`` folds 4x4 pixels into channels instead of the first strided convolution, and
  leaves out the last stride: the cells are as fine as the publication's (32 pixels), at about a
  quarter of the cost.
- ``pooling="any"``: the image has the property when any place in it has. Each cell of the last
  features gets a logit, and the image's odds are the sum of the cells' odds. A small foreign
  object is then not averaged away, and `cells` tells where it is.
- ``pooling="highest"``: the same question asked of finer cells, `CELL_STRIDE` pixels apart, which
  see the features of every coarser stride too (a feature pyramid). The image's logit is a line
  through the mean of its `HIGHEST` highest cells, so that it depends neither on the size of the
  object nor on that of the image.
"""

from __future__ import annotations

import torch
from monai.networks.blocks import Convolution
from torch import Tensor, nn
from torch.nn import functional

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
TOTAL_STRIDE = 32
RARE_LOGIT = -5.0
"""Bias of a cell's logit at the start, where the cells' odds are added up."""

CELL_STRIDE = 8
"""Pixels between the cells of a network that pools the highest."""

HIGHEST = 4
"""How many cells decide: an object that can be made out covers about as many."""

PYRAMID_CHANNELS = 48

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
        self.stride = stride
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class Pyramid(nn.Module):
    """Features of several strides added up at the finest of them (Lin et al., CVPR 2017).

    Parameters
    ----------
    levels
        Channels of each level, finest first.
    channels
        Channels of the sum.
    """

    def __init__(self, levels: list[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(
            convolution(level, channels, kernel_size=1, act=None) for level in levels
        )
        self.mix = nn.Sequential(
            convolution(channels, channels, groups=channels),
            convolution(channels, channels, kernel_size=1),
        )

    def forward(self, levels: list[Tensor]) -> Tensor:
        """(B, `channels`, rows, columns) of the first of `levels`."""
        maps: list[Tensor] = []
        for index, lateral in enumerate(self.lateral):
            maps.append(lateral(levels[index]))
        total = maps[-1]
        for k in range(len(maps) - 2, -1, -1):
            finer = maps[k]
            total = finer + functional.interpolate(total, size=finer.shape[2:], mode="nearest")
        return self.mix(functional.relu6(total))


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
    input_stride
        1, or the side of the pixel blocks that are folded into channels.
    pooling
        ``"mean"`` of the features, ``"any"`` or ``"highest"``, see above.
    """

    def __init__(
        self,
        out_channels: int = 1,
        width: float = 1.0,
        in_channels: int = 1,
        dropout: float = 0.2,
        input_stride: int = 1,
        pooling: str = "mean",
    ) -> None:
        super().__init__()
        if pooling not in ("mean", "any", "highest"):
            raise ValueError(f"Unknown pooling '{pooling}': use mean, any or highest.")
        self.input_stride = input_stride
        self.pooling = pooling
        self.highest = HIGHEST
        channels = divisible_by_8(FIRST * width)
        stride = 2 if input_stride == 1 else 1
        folded = in_channels * input_stride**2
        layers: list[nn.Module] = [convolution(folded, channels, stride=stride)]
        total = input_stride * stride
        levels: list[int] = []
        taps: list[int] = []
        for expansion, stage_channels, blocks, first_stride in STAGES:
            for block in range(blocks):
                after = divisible_by_8(stage_channels * width)
                stride = first_stride if block == 0 and total < TOTAL_STRIDE else 1
                if stride > 1 and total >= CELL_STRIDE:
                    taps.append(len(layers) - 1)
                    levels.append(channels)
                total *= stride
                layers.append(InvertedResidual(channels, after, stride, expansion))
                channels = after
        taps.append(len(layers) - 1)
        levels.append(channels)
        self.dropout = nn.Dropout(dropout)
        if self.pooling == "highest":
            last = PYRAMID_CHANNELS
            self.pyramid: Pyramid | None = Pyramid(levels, last)
            self.line: nn.Linear | None = nn.Linear(1, 1)
            nn.init.constant_(self.line.weight, 1.0)
            nn.init.constant_(self.line.bias, 0.0)
        else:
            last = divisible_by_8(LAST * max(1.0, width))
            layers.append(convolution(channels, last, kernel_size=1))
            self.pyramid, self.line = None, None
        self.features = nn.Sequential(*layers)
        self.taps = taps
        self.classifier = nn.Linear(last, out_channels)
        if self.has_cells:
            nn.init.constant_(self.classifier.bias, RARE_LOGIT)

    @property
    def has_cells(self) -> bool:
        """Whether places get logits of their own."""
        return self.pooling != "mean"

    def extract(self, image: Tensor) -> Tensor:
        """The last features (B, C, rows, columns)."""
        if self.input_stride > 1:
            image = functional.pixel_unshuffle(image, self.input_stride)
        if self.pyramid is None:
            return self.features(image)
        levels: list[Tensor] = []
        for index, layer in enumerate(self.features):
            image = layer(image)
            if index in self.taps:
                levels.append(image)
        return self.pyramid(levels)

    @torch.jit.export
    def cells(self, image: Tensor) -> Tensor:
        """A logit for each cell of the last features: (B, `out_channels`, rows, columns)."""
        features = self.dropout(self.extract(image))
        return self.classifier(features.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).float()

    @torch.jit.export
    def pool(self, cells: Tensor) -> Tensor:
        """The image's logits (B, `out_channels`) from those of its cells."""
        if self.line is None:
            return torch.logsumexp(cells, dim=(2, 3))
        flat = cells.flatten(2)
        highest = torch.topk(flat, min(self.highest, flat.shape[2]), dim=2)[0].mean(2, keepdim=True)
        return self.line(highest)[:, :, 0]

    def forward(self, image: Tensor) -> Tensor:
        if self.pooling != "mean":
            return self.pool(self.cells(image))
        return self.classifier(self.dropout(torch.mean(self.extract(image), dim=(2, 3))))
