"""Fine-tune the bundles of one task: train, export, compare with those before."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import torch

from training.base_bundles import Base, next_version, tell_provenance
from training.config import TrainingConfig
from training.datasets import RadiographDataset, Source
from training.export import export_weights
from training.finetune_outcome import Options, TaskOutcome
from training.judgement import (
    HELD_OUT,
    SIMULATED,
    Comparison,
    compare_artefact,
    compare_keypoints,
    refusal,
)
from training.labels import LabelledImage, label_paths, read_label
from training.results import ImageResult, PointResult, run_models
from training.simulated_data import Simulated
from training.store_data import Parts, StoreData, write_parts
from training.telling import Telling
from training.train import Trainer, save
from WristQCLib.findings import View
from WristQCLib.models import ImageClassifier, KeypointDetector
from WristQCLib.protocol import load_protocol

CALIBRATED_ON = 400
"""Most simulated images that thresholds and spreads are set on."""


@dataclass(frozen=True)
class FineTuning:
    """One task's fine-tuning, with all that it needs.

    Attributes
    ----------
    out
        Folder of the whole command.
    options
        How.
    device
        Where it runs.
    data
        Of the label store.
    parts
        The labels of this task.
    simulated
        Images beside the labelled ones.
    base
        What it begins with.
    telling
        Is told how far it is.
    """

    out: Path
    options: Options
    device: str
    data: StoreData
    parts: Parts
    simulated: Simulated
    base: Base
    telling: Telling

    @property
    def task(self) -> str:
        return self.base.task

    @property
    def config(self) -> TrainingConfig:
        """Simulated images are validated on as far as there are labelled ones for it."""
        config = self.base.settings(self.options.settings(self.task))
        most = min(config.validation_images, 2 * len(self.parts.validation))
        return replace(config, validation_images=most)

    @property
    def run(self) -> Path:
        """The training's folder: other labels, settings or bundles make another one."""
        config = self.config.to_dict()
        for name in ("workers", "threads"):
            del config[name]
        names = sorted(path.name for path in self.simulated.source.only or ())
        content = json.dumps([config, self.base.digest, self.parts.digest, names], sort_keys=True)
        digest = hashlib.sha256(content.encode()).hexdigest()
        return self.out / "runs" / f"{self.task}-{digest[:8]}"

    def outcome(self) -> TaskOutcome:
        """Do it all; goes on where it was stopped."""
        parts, run = self.parts, self.run
        write_parts(parts, run)
        self.telling.say(
            f"{self.task}: learns from {len(parts.train)} labelled and"
            f" {self.simulated.count - len(self.simulated.validation)} simulated images,"
            f" {len(parts.validation)} labelled ones tell when to stop, {len(parts.held_out)} are"
            f" held out; runs on {self.device}."
        )
        done = TaskOutcome(self.task, False, "", run, parts)
        if self._trained(run) == 0:
            return replace(
                done,
                sentence="The training found nothing better than the models that it began with.",
            )
        self.telling.say(f"{self.task}: sets thresholds and writes the bundles.")
        candidates = self._exported(run)
        comparisons = self._compared(run, candidates)
        for place, folder in enumerate(candidates):
            told = self._provenance(place, comparisons)
            tell_provenance(folder, self.base.bundles[place], told, learned_from(told))
        why_not = refusal(self.task, comparisons)
        return replace(
            done,
            promoted=not why_not,
            sentence=why_not
            or f"The new models are taken: {comparisons[0].told} on {comparisons[0].count}"
            " held-out images.",
            comparisons=tuple(comparisons),
            candidates=tuple(candidates),
        )

    def _trained(self, run: Path) -> int:
        """Train to the end; returns the best epoch, 0 for what it began with."""
        config = self.config
        sources = [Source(run / "labels", 1.0), self.simulated.source]
        train, validation = (RadiographDataset(sources, config, s) for s in ("train", "val"))
        trainer = Trainer(config, train, validation, run, self.device)
        trainer.on_epoch = self._tell_epoch
        if trainer.epoch:
            self.telling.say(f"{self.task}: goes on after epoch {trainer.epoch}.")
        else:
            save(run / "base.pt", self.base.state)
            trainer.start_from(run / "base.pt")
            trainer.judge_start()
        trainer.run()
        return trainer.best_epoch

    def _tell_epoch(self, row: dict[str, Any]) -> None:
        when = f"epoch {row['epoch']}, {row['minutes']:.1f} min" if row["epoch"] else "before"
        self.telling.say(f"{self.task}: {when}: validation loss {row['val_loss']:.4g}")

    def _exported(self, run: Path) -> list[Path]:
        beside = self.simulated.validation
        learned = (self.simulated.source.only or frozenset()) - frozenset(beside)
        validation, known = (
            [read_label(path) for path in (*label_paths(run / "labels", split), *simulated)]
            for split, simulated in (("val", beside), ("train", sorted(learned)))
        )
        state = torch.load(run / "best.pt", map_location="cpu", weights_only=True)
        version = self.options.version or next_version(
            self.base.bundles[0].identity.version, date.today()
        )
        models = run / "candidates"
        shutil.rmtree(models, ignore_errors=True)
        changes = f"Fine-tuned on {len(self.parts.train)} labelled images of a label store."
        return export_weights(
            self.config, state, validation, models, version, CALIBRATED_ON, changes, known
        )

    def _compared(self, run: Path, candidates: Sequence[Path]) -> list[Comparison]:
        folders = [[bundle.folder for bundle in self.base.bundles], candidates]
        sets = (HELD_OUT, label_paths(run / "held_out")), (SIMULATED, self.simulated.check)
        comparisons = []
        with self.telling.bar(
            f"{self.task}: comparing", len(folders) * sum(len(paths) for _, paths in sets)
        ) as done:
            for title, paths in sets:
                labels = [read_label(path) for path in paths]
                if self.task == "keypoints":
                    points = [self._points(models, labels, done) for models in folders]
                    comparisons += compare_keypoints(title, points[0], points[1])
                    continue
                models = [ImageClassifier.from_bundle(f[0], self.device) for f in folders]
                images = [answered(model, labels, done) for model in models]
                thresholds = models[0].threshold, models[1].threshold
                comparisons += compare_artefact(title, images[0], images[1], thresholds)
        return comparisons

    def _points(
        self, models: Sequence[Path], labels: Sequence[LabelledImage], done: Callable[[int], None]
    ) -> list[PointResult]:
        loaded = [KeypointDetector.from_bundle(folder, self.device) for folder in models]
        detectors, protocol = {model.view: model for model in loaded}, load_protocol()
        points = []
        for label in labels:
            points += run_models([label], detectors, protocol)[0]
            done(1)
        return points

    def _provenance(self, place: int, comparisons: Sequence[Comparison]) -> dict[str, Any]:
        """``wristqc.provenance`` of one of the bundles."""
        identity = self.base.bundles[place].identity
        part = str(self.config.views[place]) if self.task == "keypoints" else ""

        def count(images: Sequence[Any]) -> int:
            return sum(not part or image.labels.view is View(part) for image in images)

        figures: dict[str, dict[str, float]] = {"before": {}, "after": {}}
        for comparison in comparisons:
            if comparison.part == part:
                prefix = "simulated_" if comparison.images == SIMULATED else ""
                for when, found in (("before", comparison.before), ("after", comparison.after)):
                    figures[when] |= {prefix + name: value for name, value in found.items()}
        return {
            "based_on": f"{identity} {identity.weights_sha256}",
            "labels": count((*self.parts.train, *self.parts.validation)),
            "held_out": count(self.parts.held_out),
            "store_sha256": self.parts.digest,
            "readers": self.data.readers,
            "date": date.today().isoformat(),
            "simulated_images": self.simulated.count,
            "figures": figures,
        }


def answered(
    model: ImageClassifier, labels: Sequence[LabelledImage], done: Callable[[int], None]
) -> list[ImageResult]:
    """What a classifier says of images."""
    images, protocol = [], load_protocol()
    for label in labels:
        images += run_models([label], {}, protocol, model)[1]
        done(1)
    return images


def learned_from(provenance: dict[str, Any]) -> str:
    """The labels of a fine-tuning in one sentence, for a bundle's metadata."""
    readers = provenance["readers"]
    return (
        f"Fine-tuned on {provenance['labels']} images labelled by {readers}"
        f" reader{'s' if readers != 1 else ''} (label store {provenance['store_sha256'][:12]}),"
        f" mixed with {provenance['simulated_images']} simulated ones."
    )
