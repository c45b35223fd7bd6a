"""From an image to the probability of each label: foreign object or none, frontal or lateral."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from WristQCLib.models.bundled_model import BundledModel, check_grey
from WristQCLib.models.bundles import METADATA, Bundle
from WristQCLib.models.errors import ModelError
from WristQCLib.models.letterbox import network_input
from WristQCLib.models.preprocessing import FloatImage

if TYPE_CHECKING:
    import torch

    from WristQCLib.models.mobilenetv2 import MobileNetV2


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
    _network: MobileNetV2

    def __init__(self, bundle: Bundle, network: MobileNetV2, device: torch.device) -> None:
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
        pixels = network_input(image, self.input_size, self.isotropic)
        slope, offset = self.calibration
        with torch.inference_mode():
            first = float(torch.sigmoid(slope * self._logit(pixels) + offset))
        return {self.labels[0]: first, self.labels[1]: 1.0 - first}

    def _logit(self, pixels: FloatImage) -> torch.Tensor:
        """The first label's logit, from an average over flips.

        Where places have logits of their own these are averaged, place by place, before the image
        is judged by the highest: a place that stands out in one flip alone is chance.
        """
        import torch

        batch, flips = self._flipped(pixels)
        if not self._network.has_cells:
            return self._network(batch)[:, 0].mean()
        cells = self._network.cells(batch)
        turned = [torch.flip(cell, [axis - 1 for axis in axes])
                  for cell, axes in zip(cells, flips, strict=True)]  # fmt: skip
        return self._network.pool(torch.stack(turned).mean(0, keepdim=True))[0, 0]
