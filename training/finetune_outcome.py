"""What a fine-tuning is asked for, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from training.base_bundles import BUNDLES
from training.config import TrainingConfig
from training.judgement import Comparison
from training.store_data import Parts
from WristQCLib.model_set import BUNDLED_MODELS

CONFIGS = Path(__file__).resolve().parent / "configs"


class FineTuneError(ValueError):
    """Nothing can be trained; one sentence that says why and what to do."""


@dataclass(frozen=True)
class Options:
    """How to fine-tune.

    Attributes
    ----------
    task
        ``keypoints``, ``artefact`` or ``all``.
    models
        Folder of the bundles to go on from.
    simulated
        A corpus of simulated images; None: one is made.
    simulated_images
        How many of them are taken, or made.
    minutes, epochs
        Longest time of each task's training, and most epochs; None: the configuration's.
    held_out
        Share of the labels that is held out.
    training_images
        So many labelled images are learned from at most; None: all that are not held out.
    device
        As in `WristQCLib.models.select_device`.
    images
        Folder with the images' files, for labels whose pixels the store does not have.
    version
        Of the new bundles; None: the next.
    seed
        Of the training and of the corpus that is made.
    configs
        Configuration files to use instead of ``training/configs/finetune_<task>.json``.
    """

    task: str = "all"
    models: Path = BUNDLED_MODELS
    simulated: Path | None = None
    simulated_images: int = 400
    minutes: float | None = 20.0
    epochs: int | None = None
    held_out: float = 0.2
    training_images: int | None = None
    device: str = "auto"
    images: Path | None = None
    version: str | None = None
    seed: int = 1
    configs: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if self.task not in (*BUNDLES, "all"):
            raise FineTuneError(f"Unknown task '{self.task}': use keypoints, artefact or all.")
        if not 0.0 < self.held_out < 1.0:
            raise FineTuneError(
                f"The held-out share must lie between 0 and 1, got {self.held_out:g}."
            )

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks, one after the other."""
        return tuple(BUNDLES) if self.task == "all" else (self.task,)

    def settings(self, task: str) -> TrainingConfig:
        """The configuration of a task, before the bundles' own settings."""
        own = {config.task: config for config in map(TrainingConfig.read, self.configs)}
        config = own.get(task) or TrainingConfig.read(CONFIGS / f"finetune_{task}.json")
        return replace(
            config,
            seed=self.seed,
            minutes=config.minutes if self.minutes is None else self.minutes,
            epochs=config.epochs if self.epochs is None else self.epochs,
        )


@dataclass(frozen=True)
class TaskOutcome:
    """What came of one task.

    Attributes
    ----------
    task
        Which.
    promoted
        Whether the new bundles took the place of the old ones.
    sentence
        What came of it, or why there was no training.
    run
        Folder of the training, None when there was none.
    parts
        The labels that were used, None when there was no training.
    comparisons
        Figures before and after; none when the training found nothing better.
    candidates
        The new bundles' folders.
    """

    task: str
    promoted: bool
    sentence: str
    run: Path | None = None
    parts: Parts | None = None
    comparisons: tuple[Comparison, ...] = ()
    candidates: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came of a fine-tuning.

    Attributes
    ----------
    tasks
        One by one.
    report
        The report's file.
    bundles
        Folder with the new set of bundles; None when nothing was promoted.
    refused
        Folder with the candidates that were refused; None when none was.
    """

    tasks: tuple[TaskOutcome, ...]
    report: Path
    bundles: Path | None
    refused: Path | None

    @property
    def promoted(self) -> bool:
        """Whether the new bundles of all tasks that were trained are in the new set."""
        return all(task.promoted for task in self.tasks if task.run is not None)
