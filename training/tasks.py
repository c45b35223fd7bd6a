"""The two kinds of training, keypoints and yes/no questions: network, loss, figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from training.config import LossWeights, TrainingConfig
from training.losses import classification_loss, keypoint_loss
from training.metrics import classification_figures
from training.shafts import shaft_loss
from training.strides import with_quick_strides
from training.view_networks import ViewNetworks, of_view, side_by_side, universal
from training.widening import widened
from WristQCLib.findings import View
from WristQCLib.keypoints import KEYPOINT_NAMES
from WristQCLib.models.gu2net import GU2Net, domains_in, of_domains
from WristQCLib.models.heatmaps import decode
from WristQCLib.models.mobilenetv2 import MobileNetV2

Batch = dict[str, Tensor]

HARDNESS = LossWeights(heat_map=0.0, location=1.0, presence=1.0)
"""What tells how hard an image is: the terms of the loss that are 0 for a perfect answer."""

AFRESH = ("shafts.", "place.")
"""What the names of weights begin with that not every network has."""


class Task(Protocol):
    """What the training loop needs."""

    def network(self) -> nn.Module: ...

    def adapted(self, state: dict[str, Tensor], views: Sequence[str]) -> dict[str, Tensor]: ...

    def loss(self, network: nn.Module, batch: Batch) -> Tensor: ...

    def hardness(self, network: nn.Module, batch: Batch) -> Tensor: ...

    def figures(self, network: nn.Module, batches: Iterable[Batch]) -> dict[str, float]: ...


class KeypointTask:
    """GU2Net on heat maps."""

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self.stride = int(config.network.get("input_stride", 1))
        if config.losses.shafts > 0 and not config.network.get("traces_shafts"):
            raise ValueError(
                f"'{config.name}' is to learn from shafts (losses.shafts), which its network does"
                " not trace: set network.traces_shafts."
            )

    def network(self) -> GU2Net | ViewNetworks:
        """A fresh network; a domain for each view, and one for its second look if apart."""
        views = self.config.views
        if self.config.universal:
            return self._network(views)
        return ViewNetworks([self._network([view]) for view in views])

    def _network(self, views: Sequence[str]) -> GU2Net:
        points = [len(KEYPOINT_NAMES[View(view)]) for view in views]
        if self.config.close_domains:
            points = 2 * points
        return GU2Net(out_channels=points, **self.config.network)

    def adapted(self, state: dict[str, Tensor], views: Sequence[str]) -> dict[str, Tensor]:
        """Another run's weights for this network.

        Those of more views give those of some, and a universal network's those of one for each
        view. Those without second looks serve these too, those of a narrower network a wider one.
        What only one of the networks has begins afresh, or is left out.
        """
        states = [of_view(state, views.index(view), len(views)) for view in self.config.views]
        if self.config.close_domains:
            states = [of_domains(s, [0, 0]) if domains_in(s) == 1 else s for s in states]
        own = self.config.views
        if self.config.universal:
            return _fitted(universal(states), self._network(own))
        return side_by_side(
            [_fitted(s, self._network([v])) for s, v in zip(states, own, strict=True)]
        )

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Loss of a batch, whose images are of one view."""
        domain, weight = int(batch["domain"][0]), self.config.losses.shafts
        if weight == 0:
            heat_maps, presence = network.detect(batch["image"], domain)  # type: ignore[operator]
            return self._loss(heat_maps, presence, batch)
        answer = network.answer(batch["image"], domain)  # type: ignore[operator]
        ends = (batch["shafts"] + 0.5) / self.stride - 0.5
        traced = shaft_loss(answer.shafts, ends, self.config.sigma / self.stride)
        return self._loss(answer.heat_maps, answer.presence, batch) + weight * traced

    def _loss(
        self,
        heat_maps: Tensor,
        presence: Tensor,
        batch: Batch,
        weights: LossWeights | None = None,
    ) -> Tensor:
        return keypoint_loss(
            heat_maps,
            presence,
            (batch["points"] + 0.5) / self.stride - 0.5,
            batch["labelled"],
            self.config.sigma / self.stride,
            weights or self.config.losses,
            batch["present"],
            batch["mapped"],
        )

    def hardness(self, network: nn.Module, batch: Batch) -> Tensor:
        """How badly the network answers each image of a batch of one view, (B,)."""
        domain = int(batch["domain"][0])
        heat_maps, presence = network.detect(batch["image"], domain)  # type: ignore[operator]
        losses = [
            self._loss(
                heat_maps[[k]],
                presence[[k]],
                {name: part[[k]] for name, part in batch.items()},
                HARDNESS,
            )
            for k in range(len(heat_maps))
        ]
        return torch.stack(losses)

    def figures(self, network: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Loss; median and mean error in input pixels, misses over 20 px, presence accuracy."""
        losses: list[float] = []
        names = list(self.config.views)
        if self.config.close_domains:
            names += [f"{view}_close" for view in names]
        errors: dict[str, list[float]] = {name: [] for name in names}
        right: list[float] = []
        for batch in batches:
            domain = int(batch["domain"][0])
            heat_maps, presence = network.detect(batch["image"], domain)  # type: ignore[operator]
            losses += [float(self._loss(heat_maps, presence, batch))] * len(batch["image"])
            batch = {name: part.cpu() for name, part in batch.items()}
            heat_maps, presence = heat_maps.cpu(), presence.cpu()
            present, known = batch["present"], batch["labelled"]
            right += ((presence > 0) == present)[known].float().tolist()
            for i, n in torch.nonzero(present & known).tolist():
                peak = decode(
                    torch.sigmoid(heat_maps[i, n]).numpy(), self.config.sigma / self.stride
                )
                found = (np.array(peak.position) + 0.5) * self.stride - 0.5
                errors[names[domain]].append(
                    float(np.linalg.norm(found - batch["points"][i, n].numpy()))
                )
        figures = {"loss": _mean(losses), "presence_accuracy": _mean(right)}
        for name, values in errors.items():
            figures[f"{name}_median_px"] = float(np.median(values)) if values else float("nan")
            figures[f"{name}_mean_px"] = _mean(values)
            figures[f"{name}_miss"] = _mean([float(value > 20.0) for value in values])
        return figures


class ClassificationTask:
    """MobileNetV2 with one logit."""

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config

    def network(self) -> MobileNetV2:
        """A fresh network."""
        return with_quick_strides(MobileNetV2(out_channels=1, **self.config.network))

    def adapted(self, state: dict[str, Tensor], views: Sequence[str]) -> dict[str, Tensor]:
        """Another run's weights for this network or a wider one, whatever views it saw."""
        return widened(state, self.network())

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Binary cross-entropy of a batch, with the cells' where the network has them."""
        if not network.has_cells:
            logits = network(batch["image"])[:, 0].float()
            return classification_loss(None, logits, batch["label"], None, 0.0)
        cells = network.cells(batch["image"])  # type: ignore[operator]
        logits = network.pool(cells)[:, 0].float()  # type: ignore[operator]
        weight = self.config.losses.cells
        return classification_loss(cells, logits, batch["label"], batch.get("mask"), weight)

    def hardness(self, network: nn.Module, batch: Batch) -> Tensor:
        """How badly the network answers each image of a batch, (B,)."""
        logits = network(batch["image"])[:, 0].float()
        return functional.binary_cross_entropy_with_logits(logits, batch["label"], reduction="none")

    def figures(self, network: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Loss, and the figures of `classification_figures`."""
        logits: list[Tensor] = []
        labels: list[Tensor] = []
        for batch in batches:
            logits.append(network(batch["image"])[:, 0].float().cpu())
            labels.append(batch["label"].cpu())
        if not logits:
            return {"loss": float("nan")}
        scores, truth = torch.cat(logits), torch.cat(labels)
        loss = functional.binary_cross_entropy_with_logits(scores, truth)
        return {"loss": float(loss)} | classification_figures(
            torch.sigmoid(scores).tolist(), (truth > 0.5).tolist()
        )


def _fitted(state: dict[str, Tensor], network: GU2Net) -> dict[str, Tensor]:
    """Weights for `network` of those that another one has; what it had not is `network`'s."""
    fresh = network.state_dict()
    own = {name: fresh[name] for name in fresh if name.startswith(AFRESH)}
    known = {n: state[n] for n in state if n in own or not n.startswith(AFRESH)}
    return widened(own | known, network)


def task_of(config: TrainingConfig) -> Task:
    """The task that a configuration names."""
    return KeypointTask(config) if config.task == "keypoints" else ClassificationTask(config)


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
