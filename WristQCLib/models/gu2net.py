"""GU2Net: a universal U-Net (local) gated by dilated convolutions over the whole image (global).

After Zhu, Yao, Xiao, Zhou: "You Only Learn Once: Universal Anatomical Landmark Detection"
(MICCAI 2021), the keypoint network of the source paper (section 5). Several *domains* (here the
frontal and the lateral view) share the pointwise convolutions, which hold most parameters; each
domain has its own depthwise convolutions, batch norms, input and output layers. With one domain it
is the separate network.

Where this departs from the publication, the publication's way can be selected:

- ``resampling="half_pixel"`` keeps pixel centres in place in every up-sampling;
  ``"published"`` aligns corners in the local network and repeats pixels in the global one.
- ``input_stride=2`` folds 2x2 pixels into channels first, so that the network runs (and answers)
  at half of the input's resolution and costs a quarter; 1 is the publication's.
- Each point has a presence logit beside its heat map. ``presence_from="image"`` tells it from the
  deepest features of the whole image; ``"place"`` adds what the finest ones show where the heat map
  looks for the point: whether a joint at the border is inside is told there.
- ``traces_shafts`` adds a map of each of the forearm's two shafts, to be followed from one keypoint
  to the next (`WristQCLib.models.shafts`).
- Heat maps are returned as logits. The product of the two sigmoids has the exact logit
  ``-log(exp(-a) + exp(-b) + exp(-a - b))``, which neither overflows nor rounds to 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Optional

import torch
from monai.networks.blocks import Convolution
from torch import Tensor, nn
from torch.nn import functional

from WristQCLib.models.shape_prior import SHAFTS

ENCODER = (1, 2, 4, 8, 8)
DECODER = (4, 2, 1, 1)
DILATIONS = (1, 2, 5, 2, 1)
GLOBAL_FACTOR = 4
PRIOR_LOGIT = -6.0
"""Output bias at the start: a heat map is almost empty."""

NORM = ("batch", {"momentum": 0.1})


class Answer(NamedTuple):
    """What a GU2Net says of a batch of images; float32, under autocast too.

    Attributes
    ----------
    heat_maps
        Logits, (B, N, rows / stride, columns / stride).
    presence
        Logits, (B, N).
    features
        Means of the deepest features, (B, F): what kind of image it is.
    shafts
        Logits of radius and ulna, (B, 2, rows / stride, columns / stride); None of a network that
        does not trace them.
    """

    heat_maps: Tensor
    presence: Tensor
    features: Tensor
    shafts: Optional[Tensor]  # noqa: UP045 - TorchScript knows no other form


class PerDomain(nn.Module):
    """One copy of a layer for each domain."""

    def __init__(self, domains: int, layer: Callable[[int], nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList([layer(domain) for domain in range(domains)])

    def forward(self, x: Tensor, domain: int) -> Tensor:
        # A loop, because TorchScript cannot index a module list by a variable.
        result = x
        for index, layer in enumerate(self.layers):
            if index == domain:
                result = layer(x)
        return result


class SeparableConvolution(nn.Module):
    """Depthwise 3x3 (per domain), pointwise (shared), batch norm (per domain), LeakyReLU."""

    def __init__(self, in_channels: int, out_channels: int, domains: int) -> None:
        super().__init__()
        self.depthwise = PerDomain(
            domains,
            lambda _: Convolution(
                2, in_channels, in_channels, groups=in_channels, bias=False, conv_only=True
            ),
        )
        self.pointwise = Convolution(
            2, in_channels, out_channels, kernel_size=1, bias=False, conv_only=True
        )
        self.norm = PerDomain(domains, lambda _: nn.BatchNorm2d(out_channels))
        self.activation = nn.LeakyReLU(0.01, inplace=True)

    def forward(self, x: Tensor, domain: int) -> Tensor:
        return self.activation(self.norm(self.pointwise(self.depthwise(x, domain)), domain))


class DoubleConvolution(nn.Module):
    """Two separable convolutions with `middle` channels between them."""

    def __init__(self, in_channels: int, middle: int, out_channels: int, domains: int) -> None:
        super().__init__()
        self.first = SeparableConvolution(in_channels, middle, domains)
        self.second = SeparableConvolution(middle, out_channels, domains)

    def forward(self, x: Tensor, domain: int) -> Tensor:
        return self.second(self.first(x, domain), domain)


class LocalNetwork(nn.Module):
    """The universal U-Net: heat-map logits at the input's resolution; deepest, finest features."""

    def __init__(
        self, in_channels: int, out_channels: Sequence[int], width: int, align_corners: bool
    ) -> None:
        super().__init__()
        domains = len(out_channels)
        self.align_corners = align_corners
        self.entry = PerDomain(domains, lambda _: pointwise(in_channels, width))
        channels = [width * factor for factor in ENCODER]
        self.encoder = nn.ModuleList(
            DoubleConvolution(before, after, after, domains)
            for before, after in zip([width, *channels[:-1]], channels, strict=True)
        )
        deep, decoder = channels[-1], []
        for skip, factor in zip(channels[-2::-1], DECODER, strict=True):
            joined, after = deep + skip, width * factor
            decoder.append(DoubleConvolution(joined, joined // 2, after, domains))
            deep = after
        self.decoder = nn.ModuleList(decoder)
        self.exit = PerDomain(domains, lambda d: pointwise(width, out_channels[d], PRIOR_LOGIT / 2))

    def forward(self, x: Tensor, domain: int) -> tuple[Tensor, Tensor, Tensor]:
        x = self.entry(x, domain)
        skips: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            if level > 0:
                x = functional.max_pool2d(x, 2)
            x = block(x, domain)
            skips.append(x)
        deepest = x
        for level, block in enumerate(self.decoder):
            x = functional.interpolate(
                x, scale_factor=2.0, mode="bilinear", align_corners=self.align_corners
            )
            x = block(torch.cat([x, skips[-2 - level]], dim=1), domain)
        return self.exit(x, domain), deepest, x


class GlobalNetwork(nn.Module):
    """Dilated convolutions over the quartered image and local heat maps: which place is meant."""

    def __init__(
        self, in_channels: int, out_channels: Sequence[int], width: int, half_pixel: bool
    ) -> None:
        super().__init__()
        domains = len(out_channels)
        self.half_pixel = half_pixel
        self.factor = GLOBAL_FACTOR
        self.image_entry = PerDomain(
            domains, lambda _: Convolution(2, in_channels, width, conv_only=True)
        )
        self.map_entry = PerDomain(
            domains, lambda d: Convolution(2, out_channels[d], width, conv_only=True)
        )
        self.body = PerDomain(
            domains,
            lambda _: nn.Sequential(
                *(
                    Convolution(
                        2,
                        2 * width,
                        2 * width,
                        dilation=dilation,
                        bias=False,
                        norm=NORM,
                        act=("relu", {"inplace": True}),
                    )
                    for dilation in DILATIONS
                )
            ),
        )
        self.exit = PerDomain(
            domains, lambda d: pointwise(2 * width, out_channels[d], PRIOR_LOGIT / 2)
        )

    def shrink(self, x: Tensor) -> Tensor:
        if self.half_pixel:
            return functional.avg_pool2d(x, self.factor)
        return functional.interpolate(x, scale_factor=1.0 / self.factor, mode="nearest")

    def forward(self, image: Tensor, local: Tensor, domain: int) -> Tensor:
        x = torch.cat(
            [
                self.image_entry(self.shrink(image), domain),
                self.map_entry(self.shrink(local), domain),
            ],
            dim=1,
        )
        x = self.exit(self.body(x, domain), domain)
        if self.half_pixel:
            return functional.interpolate(
                x, scale_factor=float(self.factor), mode="bilinear", align_corners=False
            )
        return functional.interpolate(x, scale_factor=float(self.factor), mode="nearest")


class GU2Net(nn.Module):
    """Heat-map and presence logits for the keypoints of one or several domains.

    Parameters
    ----------
    out_channels
        Number of keypoints of each domain.
    width
        Channels of the first level; 64 in the publication.
    in_channels
        Channels of the input.
    input_stride
        Input pixels per heat-map pixel, in each direction.
    resampling
        ``"half_pixel"`` or ``"published"``, see above.
    presence_from
        ``"image"`` or ``"place"``, see above.
    traces_shafts
        Whether it answers with maps of the shafts too.

    Notes
    -----
    Rows and columns of the input must be divisible by 16 times `input_stride`.
    """

    def __init__(
        self,
        out_channels: Sequence[int] = (3, 5),
        width: int = 64,
        in_channels: int = 1,
        input_stride: int = 1,
        resampling: str = "half_pixel",
        presence_from: str = "image",
        traces_shafts: bool = False,
    ) -> None:
        super().__init__()
        if resampling not in ("half_pixel", "published"):
            raise ValueError(f"Unknown resampling '{resampling}': use half_pixel or published.")
        if presence_from not in ("image", "place"):
            raise ValueError(f"Unknown presence_from '{presence_from}': use image or place.")
        half_pixel = resampling == "half_pixel"
        folded = in_channels * input_stride**2
        self.input_stride = input_stride
        self.domains = len(out_channels)
        self.local = LocalNetwork(folded, out_channels, width, align_corners=not half_pixel)
        self.context = GlobalNetwork(folded, out_channels, width, half_pixel)
        features = 2 * ENCODER[-1] * width
        self.presence = PerDomain(
            len(out_channels),
            lambda d: nn.Linear(features + out_channels[d], out_channels[d]),
        )
        self.place: PerDomain | None = None
        if presence_from == "place":
            self.place = PerDomain(len(out_channels), lambda d: witness(width, out_channels[d]))

        self.shafts: PerDomain | None = None
        if traces_shafts:
            self.shafts = PerDomain(
                len(out_channels), lambda _: pointwise(width, len(SHAFTS), PRIOR_LOGIT / 2)
            )

    def detect(self, image: Tensor, domain: int = 0) -> tuple[Tensor, Tensor]:
        """The heat maps and presences of `answer`."""
        answer = self.answer(image, domain)
        return answer.heat_maps, answer.presence

    def answer(self, image: Tensor, domain: int = 0) -> Answer:
        """All that the network says of images (B, `in_channels`, rows, columns) of one domain."""
        if self.input_stride > 1:
            image = functional.pixel_unshuffle(image, self.input_stride)
        local, deepest, finest = self.local(image, domain)
        context = self.context(image, torch.sigmoid(local), domain).float()
        heat_maps = logit_of_product(local.float(), context)
        features = deepest.mean((2, 3)).float()
        summary = torch.cat([features, deepest.amax((2, 3)).float(), heat_maps.amax((2, 3))], dim=1)
        presence = self.presence(summary, domain).float()
        if self.place is not None:
            # Presence learns to read the features at a place, not to move the place.
            share = torch.softmax(heat_maps.detach().flatten(2), dim=2)
            seen = share @ finest.float().flatten(2).transpose(1, 2)
            presence = presence + self.place(seen, domain).float().diagonal(dim1=1, dim2=2)
        shafts: Tensor | None = None
        if self.shafts is not None:
            shafts = self.shafts(finest, domain).float()
        return Answer(heat_maps, presence, features, shafts)

    def forward(self, image: Tensor, domain: int = 0) -> Tensor:
        """The publication's answer: heat maps of probabilities, (B, N, rows / s, columns / s)."""
        return torch.sigmoid(self.detect(image, domain)[0])


def pointwise(in_channels: int, out_channels: int, bias: float = 0.0) -> Convolution:
    """A bare 1x1 convolution with a constant bias at the start."""
    layer = Convolution(2, in_channels, out_channels, kernel_size=1, conv_only=True)
    nn.init.constant_(layer.get_parameter("conv.bias"), bias)
    return layer


def witness(width: int, points: int) -> nn.Sequential:
    """From features (..., `width`) to a logit for each of the points, 0 at the start."""
    last = nn.Linear(width, points)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), last)


def logit_of_product(a: Tensor, b: Tensor) -> Tensor:
    """The logit of sigmoid(a) * sigmoid(b)."""
    return -torch.logsumexp(torch.stack([-a, -b, -a - b]), dim=0)


def domains_in(state: Mapping[str, Tensor]) -> int:
    """How many domains the weights of a network serve."""
    entries = (name.split(".") for name in state if name.startswith("local.entry.layers."))
    return len({entry[3] for entry in entries})


def of_domains(state: Mapping[str, Tensor], domains: Sequence[int]) -> dict[str, Tensor]:
    """The weights of a universal network that serve some of its domains, in a given order.

    ``GU2Net([out_channels[domain] for domain in domains], ...)`` loads them and answers in each as
    the universal one does. A domain may be taken several times.
    """
    chosen = {}
    for name, tensor in state.items():
        before, separator, after = name.partition(".layers.")
        if not separator:
            chosen[name] = tensor
            continue
        index, _, rest = after.partition(".")
        for place, domain in enumerate(domains):
            if int(index) == domain:
                chosen[f"{before}.layers.{place}.{rest}"] = tensor
    return chosen
