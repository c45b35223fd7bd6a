"""A corpus of simulated images with labels: deterministic, resumable, in parallel.

Work is cut into groups: one projected wrist, several exposures of it. A group belongs to training
or to validation as a whole, so that no wrist is in both. Every image depends on the seed, its group
and its number only, never on the number of workers or on what was made before.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.simulate.dicom_writer import draw_style, write_dicom
from training.simulate.exposure import SimulatedRadiograph, expose
from training.simulate.labelme import write_labelled_png, write_labels
from training.simulate.projection import project_wrist
from WristQCLib.findings import View

EXPOSURES_PER_PROJECTION = 4


@dataclass(frozen=True)
class Group:
    """One projected wrist and the exposures to make of it.

    Attributes
    ----------
    folder
        Where its images go.
    seed
        The corpus's seed; with `view` and `number` it decides everything.
    number
        Number of the group within its view.
    count
        How many exposures.
    spacing
        Millimetres per pixel.
    """

    folder: Path
    view: View
    seed: int
    number: int
    count: int
    spacing: float

    def image_seed(self, exposure: int) -> int:
        """The number in an image's name."""
        return (self.seed * 100_000 + self.number) * 10 + exposure

    def stems(self) -> list[Path]:
        return [self.folder / f"{self.view}_{self.image_seed(k):09d}" for k in range(self.count)]

    def generator(self, *key: int) -> np.random.Generator:
        view = list(View).index(self.view)
        return np.random.default_rng([self.seed, view, self.number, *key])


def plan(
    out: Path,
    counts: dict[View, int],
    *,
    seed: int,
    val_fraction: float | None,
    spacing: float,
    exposures: int = EXPOSURES_PER_PROJECTION,
) -> list[Group]:
    """All groups, views and splits interleaved, so that a corpus cut short is still balanced.

    Parameters
    ----------
    out
        The corpus's folder.
    counts
        Number of images of each view.
    seed
        Decides every image.
    val_fraction
        Share of the wrists that go to ``val`` instead of ``train``; None for no such folders, nor
        any for the views.
    spacing
        Millimetres per pixel.
    exposures
        Exposures of each wrist.
    """
    groups: list[tuple[float, Group]] = []
    for view, count in counts.items():
        numbers = -(-count // exposures)
        for number in range(numbers):
            # Group n is one of validation where n * fraction passes a whole number.
            share = val_fraction or 0.0
            is_val = int((number + 1) * share) > int(number * share)
            size = min(exposures, count - number * exposures)
            split = out / ("val" if is_val else "train") / str(view)
            folder = out if val_fraction is None else split
            group = Group(folder, view, seed, number, size, spacing)
            groups.append(((number + 0.5) / numbers, group))
    return [group for _, group in sorted(groups, key=lambda item: item[0])]


def _exposures(group: Group) -> Iterator[tuple[int, Path, SimulatedRadiograph]]:
    """Seed, stem and image of everything in a group that is not there yet."""
    missing = [
        (k, stem) for k, stem in enumerate(group.stems()) if not stem.with_suffix(".json").exists()
    ]
    if not missing:
        return
    group.folder.mkdir(parents=True, exist_ok=True)
    projection = project_wrist(group.generator(), group.view, spacing=group.spacing)
    for k, stem in missing:
        yield group.image_seed(k), stem, expose(projection, group.generator(k + 1))


def make_group(group: Group) -> None:
    """Write what is missing of a group as PNG files with labels."""
    for seed, stem, radiograph in _exposures(group):
        write_labelled_png(radiograph, stem, seed)


def make_dicom_group(group: Group) -> None:
    """Write what is missing of a group as DICOM files of varied style, with labels."""
    for seed, stem, radiograph in _exposures(group):
        style = draw_style(np.random.default_rng([seed, 1]))
        write_dicom(stem.with_suffix(".dcm"), radiograph, seed, style)
        write_labels(radiograph, stem.with_suffix(".dcm"), seed)


def make_corpus(
    groups: list[Group], workers: int, make: Callable[[Group], None] = make_group
) -> Iterator[int]:
    """Make all groups; yields the number of images of each group as it is done.

    Raises
    ------
    ValueError
        If `workers` is less than one.
    """
    if workers < 1:
        raise ValueError(f"The number of workers is {workers}; it has to be at least 1.")
    if workers == 1:
        for group in groups:
            make(group)
            yield group.count
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        waiting = {pool.submit(make, group): group for group in groups}
        for done in as_completed(waiting):
            done.result()
            yield waiting.pop(done).count
