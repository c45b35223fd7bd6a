"""What corrected images of another hospital teach the models: a measured proof.

    python -m training.other_hospital --out DIR --minutes 20

The hospital is simulated (`training.simulate.hospital`), so that every label is known. The models
say what they see in its images; so many of them are "corrected", those that the queue of the viewer
puts first or as many chosen at random; a fine-tuning learns from them; and the new models are
measured on other images of the hospital, and on images of the frozen benchmark, of which nothing
shall be forgotten.

Each step leaves its files in DIR and is passed over where they are there, so the same command goes
on where it was stopped. ``--only prepare`` makes all that the arms have in common; then arms may
run side by side, one process each: ``--only queue-20``, ``--only random-20``, ...; at last ``--only
results``. Arms with a limit by the clock (``--minutes``) should all run under the same load.

A correction is the exact label with a reader's error; what the models had said goes with it into a
label store, of which a part is held out and a part validated on, as of every store: all ways of
choosing as many images hold out the same share. The models that are measured are those that the
training gave, also where `finetune` refuses them for what it sees on the held-out part; the table
tells. The queue is ordered once, by what the first models say, and not again between the sizes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from training.base_bundles import write_set
from training.finetune import (
    FEWEST_LEARNED,
    FEWEST_OF_A_KIND,
    Options,
    Outcome,
    finetune,
)
from training.hospital_figures import (
    BEFORE,
    BENCHMARK,
    HOSPITAL,
    Arm,
    measured,
    read_images,
    write_images,
    write_results,
)
from training.labels import LabelledImage, label_paths, read_label
from training.simulate import corpus
from training.simulate.corpus import Group, make_corpus, make_group
from training.simulate.hospital import hospital_plan, make_hospital_group
from training.simulated_data import SPACING, VALIDATION_FRACTION
from training.simulated_reader import correction, item_of, truth_of
from training.store_data import held_out_groups
from training.telling import ConsoleTelling, Telling
from WristQCLib.assessment import Assessment
from WristQCLib.assessor import Assessor
from WristQCLib.atomic_file import written_whole
from WristQCLib.findings import Finding, View
from WristQCLib.labels import LabelStore, key_of
from WristQCLib.model_set import BUNDLED_MODELS, ModelSet
from WristQCLib.models import ModelError
from WristQCLib.models.bundles import WEIGHTS
from WristQCLib.scene.stored import from_text, to_text
from WristQCLib.worklist import Job, Order, WorkItem, looks, ordered

RANDOM = "random"
WAYS: Mapping[str, Order | None] = {
    "queue": Order.UNCERTAIN,
    "novel": Order.NOVEL,
    RANDOM: None,
}
"""Ways of choosing images to correct: orders of the viewer's queue, and the lot."""

SIZES = (20, 50, 200)

POOL_SEED, TEST_SEED, BENCHMARK_SEED, MIXED_SEED = 5101, 5102, 9001, 5103
"""Of the images; the benchmark's is that of the frozen one, whose first images these are."""

HELD_OUT_SHARES = tuple(percent / 100 for percent in range(20, 65, 5))
"""Held-out shares in the order in which they are tried: few labels need a large one, because it
takes a number of images to judge a model."""

PREPARE, RESULTS = "prepare", "results"


@dataclass(frozen=True)
class Experiment:
    """What is measured.

    Attributes
    ----------
    out
        Folder of everything.
    models
        The bundles to begin with.
    sizes, ways
        How many images are corrected, and how they are chosen.
    pool, test, benchmark, mixed
        How many images: to choose from, to test on, of the benchmark, simulated ones to mix in.
    task, minutes, epochs
        Of each fine-tuning, see `training.finetune.Options`.
    device
        Where models run.
    seed
        Of the lot, the readers' errors and the trainings.
    workers
        Processes that simulate.
    """

    out: Path
    models: Path = BUNDLED_MODELS
    sizes: tuple[int, ...] = SIZES
    ways: tuple[str, ...] = ("queue", RANDOM)
    pool: int = 400
    test: int = 200
    benchmark: int = 120
    mixed: int = 400
    task: str = "all"
    minutes: float | None = None
    epochs: int | None = None
    device: str = "auto"
    seed: int = 1
    workers: int = 1

    def __post_init__(self) -> None:
        if unknown := [way for way in self.ways if way not in WAYS]:
            raise ValueError(f"Unknown way of choosing '{unknown[0]}': use {', '.join(WAYS)}.")
        if self.sizes and not 0 < min(self.sizes) <= max(self.sizes) <= self.pool:
            raise ValueError(
                f"Between 1 and {self.pool} images of the pool can be corrected, got {self.sizes}."
            )

    @property
    def settings(self) -> dict[str, Any]:
        """What must stay the same when an experiment goes on."""
        weights = sorted(self.models.glob(f"*/{WEIGHTS}"))
        return {
            "pool": self.pool,
            "test": self.test,
            "benchmark": self.benchmark,
            "mixed": self.mixed,
            "task": self.task,
            "minutes": self.minutes,
            "epochs": self.epochs,
            "seed": self.seed,
            "ways": list(self.ways),
            "models": {path.parent.parent.name: digest(path) for path in weights},
        }

    @property
    def arms(self) -> list[tuple[str, int]]:
        """Way and size of each fine-tuning, small ones first."""
        return [(way, size) for size in sorted(self.sizes) for way in self.ways]

    def images(self, part: str) -> Path:
        return self.out / "images" / part

    def arm(self, way: str, size: int) -> Path:
        return self.out / "arms" / (way if way == BEFORE else f"{way}-{size}")


def digest(path: Path) -> str:
    """Start of a file's SHA-256."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


# What the arms have in common ---------------------------------------------------------------------


def prepare(experiment: Experiment, telling: Telling) -> None:
    """Images, what the models say of them, in which order they are corrected, figures before.

    Raises
    ------
    ValueError
        If the folder holds an experiment with other settings.
    """
    keep_settings(experiment)
    make_images(experiment, telling)
    if not pool_path(experiment).is_file():
        items = said_of_pool(experiment, telling)
        telling.say("Putting the images into their orders.")
        write_json(
            pool_path(experiment),
            {"orders": orders(items, experiment.seed), "images": known_of_pool(experiment)},
        )
    measure(experiment, BEFORE, 0, experiment.models, telling)


def keep_settings(experiment: Experiment) -> None:
    """Write the settings, or hold them against those of before."""
    path, settings = experiment.out / "settings.json", experiment.settings
    if not path.is_file():
        write_json(path, settings)
        return
    before = read_json(path)
    for name, value in settings.items():
        if before.get(name) != value:
            raise ValueError(
                f"'{experiment.out}' holds an experiment with another '{name}'"
                f" ({before.get(name)!r}, not {value!r}); choose another folder."
            )


def make_images(experiment: Experiment, telling: Telling) -> None:
    """Simulate what is missing of all images."""
    plans: list[tuple[str, list[Group], Callable[[Group], None]]] = [
        (
            part,
            hospital_plan(experiment.images(part), halves(count), seed=seed),
            make_hospital_group,
        )
        for part, count, seed in (
            ("pool", experiment.pool, POOL_SEED),
            ("test", experiment.test, TEST_SEED),
        )
    ]
    for part, count, seed, fraction, exposures in (
        ("benchmark", experiment.benchmark, BENCHMARK_SEED, 1.0, 1),
        ("mixed", experiment.mixed, MIXED_SEED, VALIDATION_FRACTION, 4),
    ):
        groups = corpus.plan(
            experiment.images(part), halves(count), seed=seed, val_fraction=fraction,
            spacing=SPACING, exposures=exposures,
        )  # fmt: skip
        plans.append((part, groups, make_group))
    for part, groups, make in plans:
        missing = [g for g in groups if not all(s.with_suffix(".json").exists() for s in g.stems())]
        if missing:
            with telling.bar(f"simulating {part}", sum(g.count for g in missing)) as done:
                for made in make_corpus(missing, experiment.workers, make):
                    done(made)


def halves(count: int) -> dict[View, int]:
    """Half of each view."""
    return {View.FRONTAL: count - count // 2, View.LATERAL: count // 2}


def said_of_pool(experiment: Experiment, telling: Telling) -> list[WorkItem]:
    """The images of the pool with what the models say of them."""
    assessor = Assessor.create(ModelSet(experiment.models, experiment.device))
    items = []
    labels = label_paths(experiment.images("pool"))
    with telling.bar("the models look at the pool", len(labels)) as done:
        for label in labels:
            item = item_of(label)
            path = said_path(experiment, label.stem)
            if path.is_file():
                item.predicted = item.assessment = read_said(path)
            else:
                *_, last = looks(Job(item, assessor))
                item.assessment = last.assessment
                last.tell(item)
                with written_whole(path) as file:
                    file.write(to_text(last.predicted).encode())
            items.append(item)
            done(1)
    return items


def said_path(experiment: Experiment, stem: str) -> Path:
    return experiment.out / "said" / f"{stem}.json"


def read_said(path: Path) -> Assessment:
    """What the models said of an image."""
    said: Assessment = from_text(Assessment, path.read_text(encoding="utf-8"))
    return said


def pool_path(experiment: Experiment) -> Path:
    return experiment.out / "pool.json"


def known_of_pool(experiment: Experiment) -> dict[str, dict[str, Any]]:
    """Of each image of the pool: its key in a label store, and whether an object is in it."""
    return {
        label.stem: {
            "key": key_of(item_of(label).read()),
            "object": truth_of(label).artefact.finding is Finding.FOUND,
        }
        for label in label_paths(experiment.images("pool"))
    }


def held_out_share(choices: Iterable[Sequence[Mapping[str, Any]]], artefact: bool) -> float:
    """The smallest held-out share with which models can be judged, whatever choice they learn from.

    Where none allows it of foreign objects, the smallest for keypoints alone.

    Parameters
    ----------
    choices
        Corrected images, from `known_of_pool`, of each way of choosing.
    artefact
        Whether a model of foreign objects is trained.
    """
    choices = list(choices)
    for of_kind in (FEWEST_OF_A_KIND, 0) if artefact else (0,):
        for share in HELD_OUT_SHARES:
            if all(_suffices(images, share, of_kind) for images in choices):
                return share
    return HELD_OUT_SHARES[0]


def _suffices(images: Sequence[Mapping[str, Any]], share: float, of_kind: int) -> bool:
    out = held_out_groups((image["key"] for image in images), share)
    objects = [image["object"] for image in images if image["key"] in out]
    return (
        len(images) - len(objects) >= FEWEST_LEARNED
        and min(objects.count(True), objects.count(False)) >= of_kind
    )


def orders(items: Sequence[WorkItem], seed: int) -> dict[str, list[str]]:
    """Names of the images in the order in which each way corrects them."""
    names = sorted(item.name for item in items)
    lot = np.random.default_rng([seed, 1]).permutation(len(names))
    return {
        way: [names[n] for n in lot]
        if order is None
        else [item.name for item in ordered(items, order)]
        for way, order in WAYS.items()
    }


# One arm ------------------------------------------------------------------------------------------


def fill_store(experiment: Experiment, names: Iterable[str], folder: Path) -> LabelStore:
    """A store in which these images of the pool are corrected; goes on where it was stopped."""
    labels = {path.stem: path for path in label_paths(experiment.images("pool"))}
    store = LabelStore.open(folder)
    for name in names:
        reading, radiograph = correction(
            labels[name], read_said(said_path(experiment, name)), experiment.seed
        )
        if not store.has(radiograph):
            store.accept(reading, radiograph)
    return store


def run_arm(experiment: Experiment, way: str, size: int, telling: Telling) -> None:
    """Correct, fine-tune, measure.

    Raises
    ------
    ValueError
        If the experiment is not prepared, or nothing can be trained.
    """
    folder = experiment.arm(way, size)
    if (folder / "outcome.json").is_file() and is_measured(folder):
        return
    if not pool_path(experiment).is_file() or not is_measured(experiment.arm(BEFORE, 0)):
        raise ValueError(f"'{experiment.out}' is not prepared; run it with --only {PREPARE} first.")
    telling.say(f"{folder.name}: {size} images are corrected.")
    pool = read_json(pool_path(experiment))
    chosen = {other: pool["orders"][other][:size] for other in experiment.ways}
    store = fill_store(experiment, chosen[way], folder / "labels")
    options = Options(
        task=experiment.task,
        models=experiment.models,
        simulated=experiment.images("mixed"),
        simulated_images=experiment.mixed,
        minutes=experiment.minutes,
        epochs=experiment.epochs,
        device=experiment.device,
        seed=experiment.seed,
    )
    known = [[pool["images"][name] for name in names] for names in chosen.values()]
    options = replace(options, held_out=held_out_share(known, "artefact" in options.tasks))
    outcome = finetune(store, folder / "training", options, telling)
    candidates = [bundle for task in outcome.tasks for bundle in task.candidates]
    models = experiment.models
    if candidates:
        models = folder / "models"
        write_set(experiment.models, candidates, models)
    measure(experiment, way, size, models, telling)
    views = Counter(name.rpartition("_")[0] for name in chosen[way])
    told = outcome_of(outcome) | {
        "corrected": {str(view): views[str(view)] for view in View},
        "held_out_share": options.held_out,
    }
    write_json(folder / "outcome.json", told)


def outcome_of(outcome: Outcome) -> dict[str, Any]:
    """What is told of a fine-tuning, as plain data."""
    return {
        "tasks": [
            {
                "task": task.task,
                "promoted": task.promoted,
                "sentence": task.sentence,
                "train": len(task.parts.train) if task.parts else 0,
                "validation": len(task.parts.validation) if task.parts else 0,
                "held_out": len(task.parts.held_out) if task.parts else 0,
            }
            for task in outcome.tasks
        ]
    }


def is_measured(folder: Path) -> bool:
    """Whether an arm's figures are there."""
    return all((folder / f"{where}.json").is_file() for where in (HOSPITAL, BENCHMARK))


def measure(experiment: Experiment, way: str, size: int, models: Path, telling: Telling) -> None:
    """Measure models on the test images and on the benchmark."""
    folder = experiment.arm(way, size)
    for where, part in ((HOSPITAL, "test"), (BENCHMARK, "benchmark")):
        path = folder / f"{where}.json"
        if not path.is_file():
            labels = labels_of(experiment.images(part))
            title = f"{folder.name}: measuring on the {where}'s images"
            write_images(path, measured(models, labels, experiment.device, telling, title))


def labels_of(folder: Path) -> list[LabelledImage]:
    """All labels below a folder."""
    return [read_label(path) for path in label_paths(folder)]


# Everything ---------------------------------------------------------------------------------------


def finished_arms(experiment: Experiment) -> list[Arm]:
    """The arms that are measured, of the sizes and ways that are asked for."""
    arms = []
    for way, size in ((BEFORE, 0), *experiment.arms):
        folder = experiment.arm(way, size)
        if not is_measured(folder):
            continue
        told = folder / "outcome.json"
        if way != BEFORE and not told.is_file():
            continue
        images = {where: read_images(folder / f"{where}.json") for where in (HOSPITAL, BENCHMARK)}
        arms.append(Arm(way, size, images, {} if way == BEFORE else read_json(told)))
    return arms


def run(experiment: Experiment, only: str, telling: Telling) -> list[Path]:
    """Run all, or one step; returns the results' files, none where there are none yet.

    Parameters
    ----------
    experiment
        What is measured.
    only
        ``prepare``, ``results``, the name of an arm such as ``queue-50``; empty for everything.
    telling
        Is told how far it is.

    Raises
    ------
    ValueError, ModelError, OSError
        One sentence on what is wrong.
    """
    names = {f"{way}-{size}": (way, size) for way, size in experiment.arms}
    if only and only not in (PREPARE, RESULTS, *names):
        raise ValueError(f"Unknown step '{only}': use {', '.join((PREPARE, *names, RESULTS))}.")
    if only in ("", PREPARE):
        prepare(experiment, telling)
    else:
        keep_settings(experiment)
    for name, (way, size) in names.items():
        if only in ("", name):
            run_arm(experiment, way, size, telling)
    if only in ("", RESULTS):
        return write_results(experiment.out, finished_arms(experiment))
    return []


def write_json(path: Path, content: Any) -> None:
    with written_whole(path) as file:
        file.write(json.dumps(content, indent=1).encode())


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m training.other_hospital",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Experiment(Path())
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=default.models)
    parser.add_argument("--sizes", type=int, nargs="+", default=default.sizes)
    parser.add_argument("--ways", nargs="+", default=default.ways, help=", ".join(WAYS))
    parser.add_argument("--only", default="", help="prepare, one arm such as queue-50, or results")
    parser.add_argument("--minutes", type=float, help="limit of each training")
    parser.add_argument("--epochs", type=int, help="limit of each training")
    parser.add_argument("--task", default=default.task, help="keypoints, artefact or all")
    for name in ("pool", "test", "benchmark", "mixed"):
        parser.add_argument(f"--{name}", type=int, default=getattr(default, name), help="images")
    parser.add_argument("--device", default=default.device)
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--workers", type=int, default=default.workers)
    given = vars(parser.parse_args(arguments))
    only = given.pop("only")
    given["sizes"], given["ways"] = tuple(given["sizes"]), tuple(given["ways"])
    try:
        written = run(Experiment(**given), only, ConsoleTelling(Console(stderr=True)))
    except (ModelError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped; the same command goes on.", file=sys.stderr)
        return 130
    for path in written:
        print(path)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
