"""A corpus of simulated images with labels: deterministic, resumable, in parallel.

Work is cut into groups: one projected wrist, several exposures of it. A group belongs to training
or to validation as a whole, so that no wrist is in both. Every image depends on the seed, its group
and its number only, never on the number of workers or on what was made before.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
    out: Path, counts: dict[View, int], *, seed: int, val_fraction: float, spacing: float
) -> list[Group]:
    """All groups, views and splits interleaved, so that a corpus cut short is still balanced."""
    groups: list[tuple[float, Group]] = []
    for view, count in counts.items():
        numbers = -(-count // EXPOSURES_PER_PROJECTION)
        for number in range(numbers):
            # Group n is one of validation where n * fraction passes a whole number.
            is_val = int((number + 1) * val_fraction) > int(number * val_fraction)
            size = min(EXPOSURES_PER_PROJECTION, count - number * EXPOSURES_PER_PROJECTION)
            folder = out / ("val" if is_val else "train") / str(view)
            group = Group(folder, view, seed, number, size, spacing)
            groups.append(((number + 0.5) / numbers, group))
    return [group for _, group in sorted(groups, key=lambda item: item[0])]


def make_group(group: Group) -> int:
    """Make what is missing of a group; returns how many images were made."""
    from training.simulate.exposure import expose
    from training.simulate.labelme import write_labelled_png
    from training.simulate.projection import project_wrist

    missing = [
        (k, stem) for k, stem in enumerate(group.stems()) if not stem.with_suffix(".json").exists()
    ]
    if not missing:
        return 0
    group.folder.mkdir(parents=True, exist_ok=True)
    projection = project_wrist(group.generator(), group.view, spacing=group.spacing)
    for k, stem in missing:
        write_labelled_png(expose(projection, group.generator(k + 1)), stem, group.image_seed(k))
    return len(missing)


def make_corpus(groups: list[Group], workers: int) -> Iterator[int]:
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
            make_group(group)
            yield group.count
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        waiting = {pool.submit(make_group, group): group for group in groups}
        for done in as_completed(waiting):
            done.result()
            yield waiting.pop(done).count
