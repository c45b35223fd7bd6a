"""The shafts of radius and ulna as a second task of keypoint networks.

In a lateral view the two proximal points differ only by the bone that they belong to, and a bone is
told by following it from its distal end. So the network's finest features are also asked where each
shaft runs; `WristQCLib.models.shafts` asks the answer which place a shaft leads to.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from training.losses import mean_over


def shaft_maps(ends: Tensor, shape: tuple[int, int], sigma: float) -> Tensor:
    """Ridges of height 1 along straight lines, Gaussian across.

    Parameters
    ----------
    ends
        (B, N, 2, 2): both ends (x, y) of each line, in pixels of the map; NaN when unknown.
    shape, sigma
        (rows, columns) of a map; standard deviation of the ridge in its pixels.

    Returns
    -------
    (B, N, rows, columns); all 0 for an unknown line.
    """
    start, along = ends[..., 0, :], ends[..., 1, :] - ends[..., 0, :]
    rows, columns = (torch.arange(length, device=ends.device).float() for length in shape)
    off_x = columns[None, :] - start[..., 0, None, None]
    off_y = rows[:, None] - start[..., 1, None, None]
    along_x, along_y = along[..., 0, None, None], along[..., 1, None, None]
    length = (along_x.square() + along_y.square()).clamp_min(1e-6)
    share = ((off_x * along_x + off_y * along_y) / length).clamp(0.0, 1.0)
    distance = (off_x - share * along_x).square() + (off_y - share * along_y).square()
    return torch.nan_to_num(torch.exp(-0.5 * distance / sigma**2))


def shaft_loss(logits: Tensor, ends: Tensor, sigma: float) -> Tensor:
    """Binary cross-entropy summed over the pixels, averaged over the lines that are known.

    Parameters
    ----------
    logits
        (B, N, rows, columns).
    ends, sigma
        As for `shaft_maps`.
    """
    target = shaft_maps(ends, (logits.shape[2], logits.shape[3]), sigma)
    pixelwise = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return mean_over(pixelwise.sum((2, 3)), (~torch.isnan(ends)).all(-1).all(-1).float())
