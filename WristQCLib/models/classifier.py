"""From an image to the probability of each label: foreign object or none, frontal or lateral."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from WristQCLib.models.bundled_model import BundledModel, check_grey
from WristQCLib.models.bundles import METADATA, Bundle
from WristQCLib.models.errors import ModelError
from WristQCLib.models.letterbox import FLIPS, network_input
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
    scales
        The image is seen at each of these multiples of the input's size, and the logits are
        averaged: small objects are made out enlarged, large ones in their surroundings. Half of
        the flips do, but for the input's own size.
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
        self.scales = tuple(float(s) for s in bundle.metadata["wristqc"].get("input_scales", [1.0]))
        if not self.scales or min(self.scales) <= 0:
            raise ValueError(f"input_scales are {self.scales}; at least one, all positive")

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
        slope, offset = self.calibration
        with torch.inference_mode():
            logits = [
                self._logit(
                    network_input(image, self._input_size_at(scale), self.isotropic),
                    len(FLIPS) if scale == 1.0 else len(FLIPS) // 2,
                )
                for scale in self.scales
            ]
            first = float(torch.sigmoid(slope * torch.stack(logits).mean() + offset))
        return {self.labels[0]: first, self.labels[1]: 1.0 - first}

    def _input_size_at(self, scale: float) -> tuple[int, int]:
        """The input's size, (rows, columns), times a factor, in whole strides of the network."""
        from WristQCLib.models.mobilenetv2 import TOTAL_STRIDE

        rows, columns = (
            max(TOTAL_STRIDE, round(length * scale / TOTAL_STRIDE) * TOTAL_STRIDE)
            for length in self.input_size
        )
        return (rows, columns) if scale != 1.0 else self.input_size

    def _logit(self, pixels: FloatImage, flips: int) -> torch.Tensor:
        """The first label's logit, from an average over so many flips.

        Where places have logits of their own these are averaged, place by place, before the image
        is judged by the highest: a place that stands out in one flip alone is chance.
        """
        import torch

        batch, axes_of = self._flipped(pixels, flips)
        if not self._network.has_cells:
            return self._network(batch)[:, 0].mean()
        cells = self._network.cells(batch)
        turned = [torch.flip(cell, [axis - 1 for axis in axes])
                  for cell, axes in zip(cells, axes_of, strict=True)]  # fmt: skip
        return self._network.pool(torch.stack(turned).mean(0, keepdim=True))[0, 0]
