"""Fine-tune bundles on a label store: what ``wristqc train`` does.

    outcome = finetune(Path("labels"), Path("new"), Options(minutes=20))
    print(outcome.promoted, *(task.sentence for task in outcome.tasks))

The folder ``OUT`` then holds

- ``bundles``: all bundles, the new ones among them, if they are not worse than the old ones on the
  held-out part and forgot nothing of the simulated images; else ``refused`` has the candidates;
- ``report.md`` with figures before and after, and its pictures;
- ``runs``: one folder for each training, named after the labels, the settings and the bundles that
  it begins with. The same command goes on where it was stopped; with other labels it begins anew;
- ``simulated``: the simulated images, unless a corpus is given.

Nothing is chosen on the held-out part: epoch, thresholds and spreads come from a validation part of
the other labels and from simulated images.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from training.base_bundles import Base, write_set
from training.finetune_outcome import FineTuneError, Options, Outcome, TaskOutcome
from training.finetune_report import write_report
from training.finetune_task import FineTuning
from training.simulated_data import simulated_images
from training.store_data import FEWEST_HELD_OUT, Parts, StoreData, parted, read_store
from training.telling import Telling
from WristQCLib.labels import LabelStore
from WristQCLib.models import select_device

__all__ = ["FineTuneError", "Options", "Outcome", "TaskOutcome", "finetune"]

FEWEST_LEARNED = 6
"""Fewer images, those of validation among them, are not worth a training."""

FEWEST_OF_A_KIND = 2
"""Of held-out images with a foreign object, and of those without."""


def finetune(
    store: LabelStore | Path,
    out: Path,
    options: Options | None = None,
    telling: Telling | None = None,
) -> Outcome:
    """Fine-tune, compare, and promote what is not worse.

    Parameters
    ----------
    store
        Of labels.
    out
        Where everything goes.
    options, telling
        How, and who is told how far it is.

    Raises
    ------
    FineTuneError, LabelError, ModelError, ValueError
        If nothing can be trained; one sentence.
    OSError
        If a file cannot be written.
    """
    options, telling = options or Options(), telling or Telling()
    device = str(select_device(options.device))
    if not isinstance(store, LabelStore):
        store = LabelStore.open(store, create=False)
    make_folder(out)
    data = read_store(store, options.images, out / "pixels", telling)
    for problem in store.problems:
        telling.say(problem)
    if not data.images:
        raise FineTuneError(nothing_to_learn_from(data))
    telling.say(f"{data}.")
    parts = {
        task: parted(data.of_task(task), options.held_out, options.training_images)
        for task in options.tasks
    }
    lacks = {task: lacking(task, parts[task], options) for task in options.tasks}
    if all(lacks.values()):
        raise FineTuneError(next(iter(lacks.values())))
    bases = {task: Base.read(options.models, task) for task in options.tasks if not lacks[task]}
    simulated = simulated_images(
        options.simulated, out / "simulated", options.simulated_images, options.seed, telling
    )
    outcomes = []
    for task in options.tasks:
        if lacks[task]:
            outcomes.append(TaskOutcome(task, False, f"Not trained: {lacks[task]}"))
            continue
        work = FineTuning(out, options, device, data, parts[task], simulated, bases[task], telling)
        outcomes.append(work.outcome())
    bundles, refused = promote(options.models, out, outcomes)
    return Outcome(tuple(outcomes), write_report(out, data, outcomes), bundles, refused)


def make_folder(out: Path) -> None:
    """Make a folder that can be written to, if it is not there.

    Raises
    ------
    FineTuneError
        If it cannot be made or written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise FineTuneError(
            f"The folder '{out}' cannot be written to ({error.strerror}); choose another one."
        ) from error


def nothing_to_learn_from(data: StoreData) -> str:
    """Why a store has no image that can be used, one sentence."""
    if data.without_pixels:
        return (
            f"The pixels of all {data.without_pixels} labelled images are missing; name the folder"
            " of their files with --images."
        )
    if data.conflicts:
        return (
            f"The readings of all {data.conflicts} labelled images contradict each other; resolve"
            " the conflicts first."
        )
    return "The label store is empty; accept some images first."


def lacking(task: str, parts: Parts, options: Options) -> str:
    """What labels a task lacks, one sentence; empty: they suffice."""
    held_out, learned = len(parts.held_out), len(parts.train) + len(parts.validation)
    labelled = f"images with labels of {'keypoints' if task == 'keypoints' else 'foreign objects'}"
    if held_out + learned < FEWEST_HELD_OUT + FEWEST_LEARNED:
        return (
            f"{held_out + learned} {labelled} are too few; it takes"
            f" {FEWEST_HELD_OUT + FEWEST_LEARNED} or more."
        )
    if learned < FEWEST_LEARNED:
        return (
            f"Only {learned} of {held_out + learned} {labelled} are left to learn from, and it"
            f" takes {FEWEST_LEARNED}; label more images or hold out fewer."
        )
    with_object = sum(image.has_object for image in parts.held_out)
    if task == "artefact" and min(with_object, held_out - with_object) < FEWEST_OF_A_KIND:
        return (
            f"{with_object} of the {held_out} held-out images have a foreign object, and it takes"
            f" {FEWEST_OF_A_KIND} with and {FEWEST_OF_A_KIND} without to judge a model; label more"
            " images."
        )
    return ""


def promote(
    models: Path, out: Path, outcomes: Sequence[TaskOutcome]
) -> tuple[Path | None, Path | None]:
    """Put the candidates where they belong; returns the folders of the new set and of the refused.

    The new set has the bundles of `models` beside the new ones.
    """
    taken = [folder for task in outcomes if task.promoted for folder in task.candidates]
    others = [folder for task in outcomes if not task.promoted for folder in task.candidates]
    refused = out / "refused"
    shutil.rmtree(refused, ignore_errors=True)
    for folder in others:
        shutil.copytree(folder, refused / folder.name)
    if taken:
        write_set(models, taken, out / "bundles")
    return out / "bundles" if taken else None, refused if others else None
