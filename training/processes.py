"""Several processes, started by ``torchrun``, that train one network together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module

import torch
from torch import distributed, nn


@dataclass(frozen=True)
class Processes:
    """Where a process stands among those that share a training.

    All start from the same weights and make the same steps, with the mean of their gradients; only
    the first validates and writes.

    Attributes
    ----------
    rank
        Its number, from 0.
    world
        How many there are.
    local
        Its number on its machine.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @classmethod
    @contextmanager
    def joined(cls, device: str) -> Iterator[Processes]:
        """Join those that ``torchrun`` started, if it did; by gloo, or NCCL for CUDA."""
        world = int(os.environ.get("WORLD_SIZE", "1"))
        if world == 1:
            yield cls()
            return
        # PyTorch imports this when it makes an optimiser, and its functions take the group that is
        # the default then as an argument's default. Imported later, it would keep the group beyond
        # destroy_process_group, and gloo's threads at the interpreter's end, which may abort.
        import_module("torch.distributed.nn")
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
        try:
            yield cls(distributed.get_rank(), world, int(os.environ.get("LOCAL_RANK", "0")))
        finally:
            distributed.destroy_process_group()

    @property
    def leads(self) -> bool:
        """Whether it is the one that validates and writes."""
        return self.rank == 0

    def agreed(self, value: float) -> float:
        """The first process's value, for all."""
        if self.world == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64)
        distributed.broadcast(shared, 0)
        return float(shared)

    def summed(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of all processes' values."""
        if self.world > 1:
            distributed.all_reduce(values)
        return values

    def device(self, wanted: str) -> str:
        """Its device: one GPU each."""
        return f"cuda:{self.local}" if wanted == "cuda" and self.world > 1 else wanted

    def average_gradients(self, network: nn.Module) -> None:
        """Replace each gradient by its mean over the processes."""
        if self.world == 1:
            return
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients]) / self.world
        distributed.all_reduce(flat)
        for gradient, mean in zip(
            gradients, flat.split([g.numel() for g in gradients]), strict=True
        ):
            gradient.copy_(mean.view_as(gradient))
