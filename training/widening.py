"""A wider GU2Net that answers as a narrower one does, so that its training can go on."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from WristQCLib.models.gu2net import DECODER, ENCODER, GU2Net


def width_of(state: Mapping[str, Tensor]) -> int:
    """Channels of the first level of the GU2Net whose weights these are."""
    return len(state["local.entry.layers.0.conv.weight"])


def widened(state: Mapping[str, Tensor], network: GU2Net) -> dict[str, Tensor]:
    """Weights for `network` with which it answers as the narrower network of `state` does.

    The channels that were there keep their order, and ask the new ones for nothing: what leads from
    new channels to old ones and to the answers is 0. What leads into new channels is what `network`
    has, random as a rule, so that training finds a use for them at once. (After Chen, Goodfellow,
    Shlens: "Net2Net", ICLR 2016, where new channels are copies of old ones.)

    Raises
    ------
    ValueError
        If `network` is narrower, or different in more than its width.
    """
    fresh = network.state_dict()
    if width_of(state) > width_of(fresh):
        raise ValueError(f"A network of width {width_of(state)} does not fit {width_of(fresh)}.")
    if state.keys() != fresh.keys() or any(
        state[name].shape[1:] != fresh[name].shape[1:] for name in fresh if "entry." in name
    ):
        raise ValueError("The networks differ in more than their width.")
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
    if ".depthwise." in name:
        wide[channels] = narrow
        return wide
    rows = torch.arange(len(narrow))
    if narrow.ndim == 1:
        wide[rows] = narrow
        return wide
    kernels = torch.zeros_like(wide[rows])
    kernels[:, channels] = narrow
    wide[rows] = kernels
    return wide


def _input_parts(name: str, state: Mapping[str, Tensor]) -> list[int]:
    """Channels of each of the tensors that the input of a layer is joined from, in order."""
    width = width_of(state)
    if found := re.match(r"local\.decoder\.(\d+)\.first\.(depthwise|pointwise)\.", name):
        level = int(found[1])
        return [width * (ENCODER[-1:] + DECODER)[level], width * ENCODER[-2 - level]]
    if re.match(r"context\.body\.layers\.\d+\.0\.conv\.", name):
        return [width, width]
    if re.match(r"presence\.layers\.\d+\.weight", name):
        points, features = state[name].shape
        return [(features - points) // 2, (features - points) // 2, points]
    return [state[name].shape[0 if ".depthwise." in name or state[name].ndim == 1 else 1]]
