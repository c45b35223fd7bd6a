"""What the networks are trained to minimise."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from training.config import LossWeights


def target_heat_maps(points: Tensor, shape: tuple[int, int], sigma: float) -> Tensor:
    """Gaussians of peak 1 as `WristQCLib.models.heatmaps.gaussian_heat_maps`, for a batch.

    Parameters
    ----------
    points
        (B, N, 2) positions (x, y) in heat-map pixels, NaN when absent.
    shape, sigma
        (rows, columns) of a map; standard deviation in its pixels.

    Returns
    -------
    (B, N, rows, columns); all 0 for an absent point.
    """
    falls = [
        torch.exp(
            -0.5
            * (
                (torch.arange(length, device=points.device) - points[..., axis : axis + 1]) / sigma
            ).square()
        )
        for axis, length in ((0, shape[1]), (1, shape[0]))
    ]
    return torch.nan_to_num(falls[1][..., :, None] * falls[0][..., None, :])


def keypoint_loss(
    heat_map_logits: Tensor,
    presence_logits: Tensor,
    points: Tensor,
    labelled: Tensor,
    sigma: float,
    weights: LossWeights,
    present: Tensor | None = None,
    mapped: Tensor | None = None,
) -> Tensor:
    """Weighted sum of three terms, each averaged over the points that it can be told for.

    - heat map: binary cross-entropy summed over the map's pixels (GU2Net's own);
    - location: Kullback-Leibler divergence between the target as a distribution over the pixels
      and the map's softmax, for points with a place. It pulls on the maximum from far away;
    - presence: binary cross-entropy of the presence logit.

    Parameters
    ----------
    heat_map_logits, presence_logits
        (B, N, rows, columns) and (B, N).
    points
        (B, N, 2): where they are sought, in heat-map pixels, NaN: nowhere.
    labelled
        (B, N): False where it is unknown whether the point is there.
    sigma
        Of the Gaussians, in heat-map pixels.
    weights
        Of the three terms.
    present
        (B, N): whether the point is in the field; None: where it is sought anywhere.
    mapped
        (B, N): False where it is unknown what the heat map should show; None: as `labelled`.
    """
    target = target_heat_maps(points, (heat_map_logits.shape[2], heat_map_logits.shape[3]), sigma)
    placed = ~torch.isnan(points[..., 0])
    present = (placed if present is None else present).float()
    mapped = (labelled if mapped is None else mapped).float()
    total = heat_map_logits.new_zeros(())
    if weights.heat_map > 0:
        pixelwise = functional.binary_cross_entropy_with_logits(
            heat_map_logits, target, reduction="none"
        )
        total = total + weights.heat_map * mean_over(pixelwise.sum((2, 3)), mapped)
    if weights.location > 0:
        share = target.flatten(2)
        share = share / share.sum(2, keepdim=True).clamp_min(1e-6)
        log_softmax = functional.log_softmax(heat_map_logits.flatten(2), dim=2)
        divergence = (torch.special.xlogy(share, share) - share * log_softmax).sum(2)
        total = total + weights.location * mean_over(divergence, mapped * placed)
    if weights.presence > 0:
        presence = functional.binary_cross_entropy_with_logits(
            presence_logits, present, reduction="none"
        )
        total = total + weights.presence * mean_over(presence, labelled.float())
    return total


SEEN_SHARE, EMPTY_SHARE = 0.08, 0.01
"""A cell counts as one with a foreign object from the first share of its area on, as one without
up to the second; what lies between is not judged."""

RARE_CELL_WEIGHT, MOST_CELLS = 5.0, 64.0
"""Weight of a cell with a foreign object beside one without, of which there are many more. All such
cells of an image weigh no more than the second number of them: a cast does not outweigh rings."""


def classification_loss(
    cells: Tensor | None, logits: Tensor, labels: Tensor, mask: Tensor | None, weight: float
) -> Tensor:
    """Binary cross-entropy of the image, plus `weight` times that of the cells' mean.

    Parameters
    ----------
    cells
        (B, 1, rows, columns) logits, None for a network without cells.
    logits, labels
        (B,) for the images; an image whose label is NaN is not judged as a whole.
    mask
        (B, 2, input rows, input columns): where foreign objects are, and where nobody can tell.
        Cells that touch the latter are not judged.
    weight
        Of the cells' term.
    """
    known = ~torch.isnan(labels)
    imagewise = functional.binary_cross_entropy_with_logits(
        logits, torch.nan_to_num(labels), reduction="none"
    )
    loss = mean_over(imagewise, known.float())
    if cells is None or mask is None or weight <= 0:
        return loss
    share = functional.adaptive_avg_pool2d(mask, (cells.shape[2], cells.shape[3]))
    seen, unclear = share[:, :1], share[:, 1:]
    target = clearest(cells.detach(), seen >= SEEN_SHARE).float()
    empty = ((seen <= EMPTY_SHARE) & (unclear <= 0)).float()
    count = target.sum((1, 2, 3), keepdim=True).clamp_min(1.0)
    weights = empty + target * RARE_CELL_WEIGHT * (MOST_CELLS / count).clamp_max(1.0)
    cellwise = functional.binary_cross_entropy_with_logits(cells, target, reduction="none")
    judged = mean_over(cellwise * weights, ((target + empty) > 0).float())
    return loss + weight * judged


def clearest(cells: Tensor, seen: Tensor) -> Tensor:
    """Which cells must show a foreign object: of each image, the half that shows it best.

    An outline does not tell how well each part of it can be made out: much of a sleeve looks like
    none. To be made to see an object there teaches to be unsure everywhere.

    Parameters
    ----------
    cells, seen
        (B, 1, rows, columns): logits, and where the objects are.
    """
    shown = torch.where(seen, cells, torch.nan).flatten(1)
    return seen & (cells >= shown.nanmedian(1).values[:, None, None, None])


def mean_over(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` where `mask` is 1; 0 when it is nowhere."""
    return (values * mask).sum() / mask.sum().clamp_min(1.0)
