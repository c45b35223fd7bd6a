"""A wider network that answers as a narrower one does, so that its training can go on."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from WristQCLib.models.gu2net import DECODER, ENCODER, GU2Net
from WristQCLib.models.mobilenetv2 import InvertedResidual, MobileNetV2

FROM_OUTSIDE = re.compile(r"(local|context)\.\w*entry\.|features\.0\.conv\.")
"""Layers whose input is the image or maps of keypoints: what they take does not become wider."""

ANSWER = re.compile(r"classifier\.")
"""Layers whose output is the answer; in a GU2Net it is also an input, see above."""


def width_of(state: Mapping[str, Tensor]) -> int:
    """Channels of the first level of the GU2Net whose weights these are; 0 of another network."""
    return len(state.get("local.entry.layers.0.conv.weight", ()))


def widened(state: Mapping[str, Tensor], network: GU2Net | MobileNetV2) -> dict[str, Tensor]:
    """Weights for `network` with which it answers as the narrower network of `state` does.

    The channels that were there keep their order, and ask the new ones for nothing: what leads from
    new channels to old ones and to the answers is 0. What leads into new channels is what `network`
    has, random as a rule, so that training finds a use for them at once. (After Chen, Goodfellow,
    Shlens: "Net2Net", ICLR 2016, where new channels are copies of old ones.) Networks of the same
    width get the weights as they are.

    Raises
    ------
    ValueError
        If `network` is narrower, or different in more than its width.
    """
    fresh = network.state_dict()
    alike = state.keys() == fresh.keys() and all(
        (state[name].shape[1:] == fresh[name].shape[1:] or not FROM_OUTSIDE.match(name))
        and (state[name].shape[:1] == fresh[name].shape[:1] or not ANSWER.match(name))
        for name in fresh
    )
    if not alike:
        raise ValueError("The networks differ in more than their width.")
    for name, tensor in state.items():
        if any(a > b for a, b in zip(tensor.shape, fresh[name].shape, strict=True)):
            raise ValueError(f"'{name}' is of a wider network.")
    if _residual_blocks(state, network) != _residual_blocks(fresh, network):
        raise ValueError("Blocks add their input in one of the networks and not in the other.")
    return {name: _embedded(name, state, fresh) for name in fresh}


def _embedded(name: str, state: Mapping[str, Tensor], fresh: Mapping[str, Tensor]) -> Tensor:
    narrow, wide = state[name], fresh[name].clone()
    if narrow.shape == wide.shape:
        return narrow
    parts = zip(_input_parts(name, state), _input_parts(name, fresh), strict=True)
    places, start = [], 0
    for before, after in parts:
        places.append(torch.arange(start, start + before))
        start += after
    channels = torch.cat(places)
    if narrow.ndim == 1 or narrow.shape[1] == wide.shape[1] == 1:
        # A norm, a bias or a depthwise kernel: each channel keeps to itself.
        wide[channels] = narrow
        return wide
    wide[: len(narrow)] = 0.0
    wide[: len(narrow), channels] = narrow
    return wide


def _input_parts(name: str, state: Mapping[str, Tensor]) -> list[int]:
    """Channels of each of the tensors that the input of a layer is joined from, in order."""
    tensor = state[name]
    width = width_of(state)
    if found := re.match(r"local\.decoder\.(\d+)\.first\.(depthwise|pointwise)\.", name):
        level = int(found[1])
        return [width * (ENCODER[-1:] + DECODER)[level], width * ENCODER[-2 - level]]
    if re.match(r"context\.body\.layers\.\d+\.0\.conv\.", name):
        return [width, width]
    if re.match(r"presence\.layers\.\d+\.weight", name):
        points, features = tensor.shape
        return [(features - points) // 2, (features - points) // 2, points]
    return [_input_channels(tensor)]


def _residual_blocks(state: Mapping[str, Tensor], network: nn.Module) -> list[str]:
    """Blocks that would add their input to their output, having the channels of `state`."""
    names = []
    for name, block in network.named_modules():
        if isinstance(block, InvertedResidual) and block.stride == 1:
            first, *_, last = (
                state[f"{name}.layers.{index}.conv.weight"] for index in range(len(block.layers))
            )
            if _input_channels(first) == len(last):
                names.append(name)
    return names


def _input_channels(tensor: Tensor) -> int:
    """Channels that a layer's weight or bias is for; a depthwise kernel has one in each."""
    return len(tensor) if tensor.ndim == 1 or tensor.shape[1] == 1 else tensor.shape[1]
