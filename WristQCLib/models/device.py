"""Which device the networks run on: CUDA, then Apple MPS, then CPU, or the one that is forced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from WristQCLib.models.errors import ModelError
from WristQCLib.packages import install_hint

if TYPE_CHECKING:
    import torch


def import_torch() -> None:
    """Check that torch and monai are there.

    Raises
    ------
    ModelError
        If one of them is missing, naming it and how to install it.
    """
    try:
        import monai  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise ModelError(
            f"The models need torch and monai, and '{error.name}' is not installed;"
            f" {install_hint('wristqc[models]')}."
        ) from error


def select_device(name: str = "auto") -> torch.device:
    """Choose the device that networks run on.

    Parameters
    ----------
    name
        ``"auto"`` takes CUDA when there is a usable one, else MPS, else the CPU.
        ``"cuda"``, ``"cuda:1"``, ``"mps"`` and ``"cpu"`` force that one.

    Raises
    ------
    ModelError
        If torch is missing, the name is unknown, or a forced device is not there.
    """
    import_torch()
    import torch

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(
            f"Unknown device '{name}': use auto, cpu, mps, cuda or cuda:<number>."
        ) from error
    there = {
        "cpu": True,
        "mps": mps,
        "cuda": cuda and (device.index or 0) < torch.cuda.device_count(),
    }
    if not there.get(device.type, False):
        raise ModelError(
            f"Device '{name}' was asked for but this machine does not offer it;"
            " use 'auto' or 'cpu'."
        )
    return device
