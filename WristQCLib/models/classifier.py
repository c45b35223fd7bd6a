"""From an image to the probability of each label: foreign object or none, frontal or lateral."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from WristQCLib.models.bundled_model import BundledModel, check_grey
from WristQCLib.models.bundles import METADATA, Bundle
from WristQCLib.models.errors import ModelError
from WristQCLib.models.letterbox import network_input

if TYPE_CHECKING:
    import torch
    from torch import nn


class ImageClassifier(BundledModel):
    """Answers one yes/no question about a whole image.

    Attributes
    ----------
    labels
        (label of a high output, label of a low output), such as ``("artefact", "none")``.
    threshold
        Probability of the first label from which it is the answer.
    calibration
        (slope, offset) of the line that turns the network's logit into the logit of a probability
        that holds what it promises (Platt scaling).
    """

    TASK = "classification"

    def __init__(self, bundle: Bundle, network: nn.Module, device: torch.device) -> None:
        super().__init__(bundle, network, device)
        labels = tuple(bundle.setting("labels"))
        if len(labels) != 2:
            raise ModelError(
                f"'{bundle.folder / METADATA}' must name two labels in 'wristqc.labels',"
                f" got {labels}."
            )
        self.labels: tuple[str, str] = labels
        self.threshold = float(bundle.setting("threshold"))
        slope, offset = bundle.metadata["wristqc"].get("calibration", (1.0, 0.0))
        self.calibration = float(slope), float(offset)

    def probability(self, image: npt.NDArray[np.generic]) -> dict[str, float]:
        """Probability of each label; they add up to 1.

        Parameters
        ----------
        image
            (rows, columns), bright = dense; any real type and range.

        Raises
        ------
        ModelError
            If this is no grey image of at least 2x2 pixels.
        """
        import torch

        check_grey(image)
        batch, _ = self._flipped(network_input(image, self.input_size, self.isotropic))
        with torch.inference_mode():
            slope, offset = self.calibration
            first = float(torch.sigmoid(slope * self._network(batch)[:, 0].mean() + offset))
        return {self.labels[0]: first, self.labels[1]: 1.0 - first}
