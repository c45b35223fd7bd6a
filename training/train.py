"""Train one network: ``python -m training.train --config FILE --data FOLDER[=SHARE] --out RUN``.

The run folder holds ``config.json``, ``curves.csv`` (one line per epoch), ``last.pt`` (everything
that is needed to go on: start the same command again) and ``best.pt`` (the weights with the lowest
validation loss). Data, configuration and seed decide the result; on one machine a training that was
stopped and taken up again ends with the very same weights.

Several processes share the work under ``torchrun --nproc-per-node N -m training.train ...``: each
step then has N times the configured batch.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from training.config import Optimisation, TrainingConfig
from training.datasets import MixedBatches, PlainBatches, RadiographDataset, Source
from training.processes import Processes
from training.tasks import Task, task_of
from WristQCLib.atomic_file import written_whole
from WristQCLib.findings import View

WARM_UP = 0.05
"""Share of a cosine schedule in which the learning rate rises."""


def learning_rate(optimisation: Optimisation, progress: float, epoch: float) -> float:
    """The learning rate at a time.

    Parameters
    ----------
    optimisation
        The schedule.
    progress
        Share of the training that is done, 0 to 1.
    epoch
        Epochs that are done, with fractions.
    """
    top = optimisation.learning_rate
    if optimisation.schedule == "cosine":
        if progress < WARM_UP:
            return top * max(progress / WARM_UP, 0.01)
        share = min(1.0, (progress - WARM_UP) / (1.0 - WARM_UP))
        return top * max(0.5 * (1.0 + math.cos(math.pi * share)), 1e-3)
    if optimisation.schedule == "cyclic":
        phase = (epoch / optimisation.period) % 2.0
        return top * (0.1 + 0.9 * (phase if phase <= 1.0 else 2.0 - phase))
    if optimisation.schedule == "step":
        return top * 0.1 ** sum(epoch >= milestone for milestone in optimisation.milestones)
    raise ValueError(f"Unknown schedule '{optimisation.schedule}': use cosine, cyclic or step.")


def make_optimizer(network: nn.Module, optimisation: Optimisation) -> torch.optim.Optimizer:
    """The optimiser; biases and batch norms are not decayed under adamw."""
    rate, decay = optimisation.learning_rate, optimisation.weight_decay
    if optimisation.optimizer == "sgd":
        return torch.optim.SGD(network.parameters(), rate, momentum=0.9, weight_decay=decay)
    if optimisation.optimizer == "adam":
        return torch.optim.Adam(network.parameters(), rate, weight_decay=decay)
    if optimisation.optimizer == "adamw":
        kernels = [p for p in network.parameters() if p.ndim > 1]
        others = [p for p in network.parameters() if p.ndim <= 1]
        groups: list[dict[str, Any]] = [
            {"params": kernels},
            {"params": others, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, rate, weight_decay=decay)
    raise ValueError(f"Unknown optimiser '{optimisation.optimizer}': use adam, adamw or sgd.")


def moving_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """Update rule of an exponential average over the steps, shorter at the beginning.

    Otherwise the first weights, and a batch norm's first variances above all, stay in the average
    for many times its length.
    """

    def update(averaged: Any, current: Any, count: Any) -> None:
        steps = int(count)
        rule = get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))
        rule(averaged, current, count)

    return update


class Trainer:
    """One training that can be stopped and taken up again.

    Attributes
    ----------
    network
        The network that learns.
    answering
        What is validated and kept: the moving average of its weights, or the network itself.
    epoch, elapsed
        Epochs done and seconds spent.
    best, best_epoch
        Lowest validation loss so far, and after which epoch.
    knows_nothing
        Whether it began with random weights.
    on_epoch
        Is told the line of ``curves.csv`` after each epoch.
    """

    def __init__(
        self,
        config: TrainingConfig,
        train: RadiographDataset,
        validation: RadiographDataset,
        out: Path,
        device: str = "cpu",
        processes: Processes | None = None,
    ) -> None:
        self.config, self.train_data, self.validation_data, self.out = (
            config,
            train,
            validation,
            out,
        )
        self.device = torch.device(device)
        self.processes = processes or Processes()
        self.task: Task = task_of(config)
        torch.manual_seed(config.seed)
        self.network = self.task.network().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = (
            AveragedModel(
                self.network,
                multi_avg_fn=moving_average(config.average),
                use_buffers=True,
            )
            if config.average > 0
            else None
        )
        self.optimizer = make_optimizer(self.network, config.optimisation)
        self.epoch, self.elapsed, self.best = 0, 0.0, math.inf
        self.best_epoch, self.steps = 0, 0
        self.knows_nothing = True
        self.on_epoch: Callable[[dict[str, Any]], None] = print_row
        out.mkdir(parents=True, exist_ok=True)
        taken_up = (out / "last.pt").is_file()
        if taken_up:
            self._resume()
        if self.processes.leads:
            keep_rows(out / "curves.csv", self.epoch if taken_up else -1)
            content = json.dumps(config.to_dict(), indent=1)
            write_beside(out / "config.json", content.encode() + b"\n")

    @property
    def answering(self) -> nn.Module:
        return self.network if self.average is None else self.average.module

    def progress(self, fraction: float = 0.0) -> float:
        """Share of the training that is done, `fraction` of an epoch after the last whole one."""
        patience = self.config.patience
        if patience is not None and self.epoch - self.best_epoch >= patience:
            return 1.0
        done = (self.epoch + fraction) / self.config.epochs
        if self.config.minutes is None:
            return done
        return max(done, self.elapsed / (60.0 * self.config.minutes))

    def run(self) -> None:
        """Train until the configured end."""
        while self.processes.agreed(self.progress()) < 1.0:
            started = time.monotonic()
            before = self.elapsed
            if self._is_survey_due():
                self._survey()
            begun = time.monotonic()
            loss, images = self._train_epoch(started, before)
            trained = time.monotonic() - begun
            self.epoch += 1
            if not self.processes.leads:
                continue
            figures = self._validate()
            self.elapsed = before + time.monotonic() - started
            self._note(loss, images / trained, figures)
            self._keep()

    def _is_survey_due(self) -> bool:
        """Whether to measure which images are hard; to a network that knows nothing, all are."""
        if self.config.hard_share <= 0 or (self.epoch == 0 and self.knows_nothing):
            return False
        return self.epoch % self.config.hard_epochs == 0

    def _survey(self) -> None:
        """Measure how badly each training image is answered, seen as inference sees it."""
        data, rank, world = self.train_data, self.processes.rank, self.processes.world
        if self.processes.leads:
            print(f"Measuring how hard each of {len(data)} training images is.", flush=True)
        batches = PlainBatches(data, len(data)).batches[rank::world]
        hardness = torch.zeros(2, len(data), dtype=torch.float64, device=self.device)
        network = self.answering.eval()
        with torch.no_grad():
            for asks, batch in zip(batches, self._loader(batches, data), strict=True):
                batch = {name: tensor.to(self.device) for name, tensor in batch.items()}
                with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bf16):
                    losses = self.task.hardness(network, batch)
                look = int(data.apart(asks[0].close))
                hardness[look, [ask.number for ask in asks]] = losses.double()
        data.hardness = self.processes.summed(hardness).cpu().numpy()

    def judge_start(self) -> None:
        """Validate the weights that the training begins with: only better ones become the best."""
        if self.epoch == 0 and self.processes.leads:
            self._note(math.nan, 0.0, self._validate())

    def _note(self, loss: float, speed: float, figures: dict[str, float]) -> None:
        """Write the line of an epoch, and the weights if they are the best so far."""
        row = {
            "epoch": self.epoch,
            "minutes": round(self.elapsed / 60.0, 2),
            "images": len(self.train_data),
            "images_per_second": round(speed, 1),
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "train_loss": loss,
            **{f"val_{name}": value for name, value in figures.items()},
        }
        append_row(self.out / "curves.csv", row)
        self.on_epoch(row)
        validation_loss = figures["loss"] if math.isfinite(figures["loss"]) else loss
        if validation_loss < self.best:
            self.best, self.best_epoch = validation_loss, self.epoch
            save(self.out / "best.pt", self.answering.state_dict())

    def _loader(self, batches: Any, data: RadiographDataset) -> DataLoader[Any]:
        return DataLoader(data, batch_sampler=batches, num_workers=self.config.workers)

    def _train_epoch(self, started: float, before: float) -> tuple[float, int]:
        """One epoch; returns the mean loss and the number of images."""
        self.train_data.epoch = self.epoch
        batches = MixedBatches(self.train_data, self.epoch, self.processes)
        torch.manual_seed(self.config.seed + self.epoch)
        self.network.train()
        if self.config.frozen_norms:
            for module in self.network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        total, images = 0.0, 0
        for step, batch in enumerate(self._loader(batches, self.train_data)):
            self.elapsed = self.processes.agreed(before + time.monotonic() - started)
            progress = self.progress(step / len(batches))
            rate = learning_rate(
                self.config.optimisation, progress, self.epoch + step / len(batches)
            )
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            batch = {name: tensor.to(self.device) for name, tensor in batch.items()}
            batch["image"] = batch["image"].contiguous(memory_format=torch.channels_last)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.bf16):
                loss = self.task.loss(self.network, batch)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self.processes.average_gradients(self.network)
            if self.config.optimisation.optimizer == "adamw":
                nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self.optimizer.step()
            self.steps += 1
            if self.average is not None:
                self.average.update_parameters(self.network)
            total += float(loss.detach()) * len(batch["image"])
            images += len(batch["image"])
            if progress >= 1.0:
                break
        return total / max(images, 1), images

    def _validate(self) -> dict[str, float]:
        network = self.answering.eval()
        batches = PlainBatches(self.validation_data, self.config.validation_images)
        loader = self._loader(batches, self.validation_data)
        with torch.no_grad():
            return self.task.figures(
                network,
                ({name: part.to(self.device) for name, part in batch.items()} for batch in loader),
            )

    def start_from(self, weights: Path) -> None:
        """Begin with the weights of another run of the same network, or of a narrower one.

        Its views are those of the ``config.json`` beside the weights, or else this run's. What the
        network begins with is kept in ``start.pt``: an export can average it with what it became.

        Raises
        ------
        ValueError
            If they are of another network.
        """
        state = torch.load(weights, map_location=self.device, weights_only=True)
        described = weights.with_name("config.json")
        other = TrainingConfig.read(described) if described.is_file() else self.config
        try:
            state = self.task.adapted(state, other.views)
            self.network.load_state_dict(state)
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"'{weights}' holds the weights of another network.") from error
        if self.average is not None:
            self.average.module.load_state_dict(state)
        self.knows_nothing = False
        if self.processes.leads:
            save(self.out / "start.pt", self.network.state_dict())

    def _keep(self) -> None:
        hardness = self.train_data.hardness
        state = {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "epoch": self.epoch,
            "elapsed": self.elapsed,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "steps": self.steps,
            "hardness": None if hardness is None else torch.from_numpy(hardness),
        }
        save(self.out / "last.pt", state)

    def _resume(self) -> None:
        state = torch.load(self.out / "last.pt", map_location=self.device, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None and state["average"] is not None:
            self.average.load_state_dict(state["average"])
        self.epoch, self.elapsed, self.best = state["epoch"], state["elapsed"], state["best"]
        self.steps = state["steps"]
        self.best_epoch = state.get("best_epoch", self.epoch)
        hardness = state.get("hardness")
        self.train_data.hardness = None if hardness is None else hardness.numpy()


def write_beside(path: Path, content: bytes) -> None:
    """Write a file whole, or leave what is there."""
    with written_whole(path) as file:
        file.write(content)


def save(path: Path, state: Any) -> None:
    """`torch.save` of a whole file: a run that is killed goes on from the one before."""
    with written_whole(path) as file:
        torch.save(state, file)


def print_row(row: dict[str, Any]) -> None:
    """An epoch's figures on one line."""
    shown = (f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in row.items())
    print(" ".join(shown), flush=True)


def keep_rows(path: Path, epoch: int) -> None:
    """Keep the lines of a CSV file up to an epoch: a run that was killed may have written more."""
    if not path.is_file():
        return
    header, *rows = path.read_text(encoding="utf-8").splitlines(keepends=True) or [""]
    kept = [row for row in rows if row.endswith("\n") and int(row.partition(",")[0]) <= epoch]
    if kept != rows:
        write_beside(path, "".join([header, *kept] if kept else []).encode())


def append_row(path: Path, row: dict[str, Any]) -> None:
    """Append a line to a CSV file, with a header when it is new."""
    new = not path.exists() or not path.stat().st_size
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def number(text: str) -> float:
    """A whole number (GU2Net counts channels) or another one (MobileNetV2 has a multiplier)."""
    return int(text) if text.isdecimal() else float(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--data", nargs="+", required=True, metavar="FOLDER[=SHARE]")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    # torchrun takes --start for one of its own options.
    parser.add_argument(
        "--weights", "--start", dest="start", type=Path, help="begin with these: a run's best.pt"
    )
    parser.add_argument(
        "--views", nargs="+", type=View, choices=list(View), help="keypoints of these alone"
    )
    parser.add_argument(
        "--width",
        type=number,
        help="of the network, instead of the configuration's; may be more"
        " than that of the weights that it begins with",
    )
    parser.add_argument("--epochs", type=int, help="instead of the configuration's")
    parser.add_argument("--minutes", type=float, help="not longer than this")
    parser.add_argument("--threads", type=int, help="of the training itself, beside the loader")
    options = parser.parse_args(arguments)
    try:
        config = TrainingConfig.read(options.config)
        given = {k: getattr(options, k) for k in ("epochs", "minutes", "threads")}
        given["views"] = options.views and tuple(str(view) for view in options.views)
        if options.width is not None:
            given["network"] = {**config.network, "width": options.width}
        config = replace(config, **{k: v for k, v in given.items() if v is not None})
        sources = [Source.parse(text) for text in options.data]
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    torch.set_num_threads(config.threads)
    try:
        train = RadiographDataset(sources, config, "train")
        validation = RadiographDataset(sources, config, "val")
        if not train.images:
            raise ValueError("No labelled images were found in the data folders.")
        with Processes.joined(options.device) as processes:
            device = processes.device(options.device)
            trainer = Trainer(config, train, validation, options.out, device, processes)
            if options.start is not None and trainer.epoch == 0:
                trainer.start_from(options.start)
            if processes.leads:
                counts = f"{len(train)} training, {len(validation)} validation images"
                print(f"{config.name}: {counts}", flush=True)
            trainer.run()
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
