"""How much of a MobileNetV2's training the gradient of its strided depthwise convolutions costs.

``python Testing/benchmarks/strides.py``: one step of the foreign-object network (forward and
backward, one thread, bfloat16) as PyTorch computes it, and with `training.strides`; the least of
several, in turn.
"""

from __future__ import annotations

import copy
import sys
import time
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from training.strides import with_quick_strides
from WristQCLib.models.mobilenetv2 import MobileNetV2

BATCH, SIZE, ROUNDS = 16, (224, 192), 8


def seconds(network: nn.Module, images: torch.Tensor) -> float:
    """One step."""
    started = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16):
        cells = network.cells(images)  # type: ignore[operator]
        loss = cells.float().mean() + network.pool(cells).float().mean()  # type: ignore[operator]
    loss.backward()
    return time.perf_counter() - started


def main() -> None:
    torch.set_num_threads(1)
    plain = MobileNetV2(input_stride=4, pooling="highest").train()
    plain.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    quick = with_quick_strides(copy.deepcopy(plain))
    images = torch.rand(BATCH, 1, *SIZE)
    times = [[seconds(network, images) for network in (plain, quick)] for _ in range(ROUNDS)]
    before, after = (min(column) / BATCH * 1000 for column in zip(*times, strict=True))
    print(f"{before:.1f} ms an image as PyTorch does it, {after:.1f} ms with training.strides:")
    print(f"{before / after:.2f} times as quick.")


if __name__ == "__main__":
    main()
