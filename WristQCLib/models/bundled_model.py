"""What every model that comes from a bundle has in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import numpy.typing as npt

from WristQCLib.models.bundles import METADATA, Bundle, BundleIdentity
from WristQCLib.models.device import select_device
from WristQCLib.models.errors import ModelError
from WristQCLib.models.letterbox import FLIPS
from WristQCLib.models.preprocessing import FloatImage

if TYPE_CHECKING:
    import torch
    from torch import nn


class BundledModel:
    """A network with the settings of its bundle; subclasses turn its output into answers.

    Attributes
    ----------
    identity
        Name, version and weights digest, for reports.
    device
        Where it runs.
    input_size
        (rows, columns) of the network's input.
    isotropic
        Whether images keep their aspect ratio in it.
    averages_flips
        Whether answers are averaged over flips of the input.
    """

    TASK: ClassVar[str]
    """The bundle's task, see `Bundle.read`."""

    def __init__(self, bundle: Bundle, network: nn.Module, device: torch.device) -> None:
        self.identity: BundleIdentity = bundle.identity
        self.device = device
        self.input_size = bundle.input_size
        self.isotropic = bundle.setting("letterbox") == "isotropic"
        self.averages_flips = bool(bundle.setting("flip_average"))
        self._network = network

    @classmethod
    def from_bundle(cls, folder: str | Path, device: str = "auto") -> Self:
        """Load a bundle.

        Parameters
        ----------
        folder
            A bundle folder such as ``Resources/Models/wrist_artefact``.
        device
            As in `select_device`.

        Raises
        ------
        ModelError
            If torch is missing, the device is not there, or the folder is broken.
        """
        bundle = Bundle.read(folder, cls.TASK)
        chosen = select_device(device)
        network = bundle.network(chosen)
        try:
            return cls(bundle, network, chosen)
        except (TypeError, ValueError, KeyError) as error:
            raise ModelError(
                f"The settings under 'wristqc' in '{bundle.folder / METADATA}' are not understood"
                f" ({error!r}); use a bundle made for WristQC."
            ) from error

    def _flipped(
        self, pixels: FloatImage, most: int = len(FLIPS)
    ) -> tuple[torch.Tensor, tuple[tuple[int, ...], ...]]:
        """A batch (B, 1, rows, columns) of one input and its flips, and the axes of each flip."""
        import torch

        flips = FLIPS[:most] if self.averages_flips else FLIPS[:1]
        plain = torch.from_numpy(pixels)[None, None].to(self.device)
        return torch.cat([torch.flip(plain, axes) for axes in flips]), flips


def check_grey(image: npt.NDArray[np.generic]) -> None:
    """Refuse what is no grey image.

    Raises
    ------
    ModelError
        Unless `image` is two-dimensional, with 2 pixels or more on a side.
    """
    if image.ndim != 2 or min(image.shape) < 2:
        raise ModelError(f"A model sees a grey image of at least 2x2 pixels, got {image.shape}.")
