"""From an image to the probability of each label: foreign object or none, frontal or lateral."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from WristQCLib.models.bundles import METADATA, Bundle, BundleIdentity
from WristQCLib.models.device import select_device
from WristQCLib.models.errors import ModelError
from WristQCLib.models.letterbox import FLIPS, network_input

if TYPE_CHECKING:
    import torch
    from torch import nn


class ImageClassifier:
    """Answers one yes/no question about a whole image.

    Attributes
    ----------
    labels
        (label of a high output, label of a low output), such as ``("artefact", "none")``.
    threshold
        Probability of the first label from which it is the answer.
    identity
        Name, version and weights digest, for reports.
    device
        Where it runs.
    """

    def __init__(self, bundle: Bundle, network: nn.Module, device: torch.device) -> None:
        labels = tuple(bundle.setting("labels"))
        if len(labels) != 2:
            raise ModelError(
                f"'{bundle.folder / METADATA}' must name two labels in 'wristqc.labels',"
                f" got {labels}."
            )
        self.labels: tuple[str, str] = labels
        self.threshold = float(bundle.setting("threshold"))
        self.identity: BundleIdentity = bundle.identity
        self.device = device
        self.input_size = bundle.input_size
        self.isotropic = bundle.setting("letterbox") == "isotropic"
        self.averages_flips = bool(bundle.setting("flip_average"))
        self._network = network

    @classmethod
    def from_bundle(cls, folder: str | Path, device: str = "auto") -> ImageClassifier:
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
        bundle = Bundle.read(folder, "classification")
        chosen = select_device(device)
        return cls(bundle, bundle.network(chosen), chosen)

    def probability(self, image: npt.NDArray[np.generic]) -> dict[str, float]:
        """Probability of each label; they add up to 1.

        Parameters
        ----------
        image
            (rows, columns), bright = dense; any real type and range.
        """
        import torch

        if image.ndim != 2 or min(image.shape) < 2:
            raise ModelError(
                f"A grey image of at least 2x2 pixels is classified, got {image.shape}."
            )
        pixels = torch.from_numpy(network_input(image, self.input_size, self.isotropic))
        plain = pixels[None, None].to(self.device)
        flips = FLIPS if self.averages_flips else FLIPS[:1]
        with torch.inference_mode():
            logits = self._network(torch.cat([torch.flip(plain, axes) for axes in flips]))[:, 0]
            first = float(torch.sigmoid(logits.mean()))
        return {self.labels[0]: first, self.labels[1]: 1.0 - first}
