"""Simulated images that a fine-tuning is mixed with, so that what was learned is not forgotten.

They are made where none are given, once for an output folder. Wrists of the corpus's validation
part are shared out: one half is validated on during the training, by the other half (the *check
set*) the models before and after are compared.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.datasets import Source, thinned
from training.labels import label_paths
from training.telling import Telling
from WristQCLib.findings import View

VALIDATION_FRACTION = 0.4
"""Share of the simulated wrists that is not learned from."""

SPACING = 0.4
"""Millimetres per pixel, of the corpus that is made."""


@dataclass(frozen=True)
class Simulated:
    """Simulated images by use.

    Attributes
    ----------
    source
        For training and validation.
    validation
        Label files of the images that are validated on.
    check
        Label files of the check set.
    """

    source: Source
    validation: tuple[Path, ...]
    check: tuple[Path, ...]

    @property
    def count(self) -> int:
        """Images that are learned from and validated on."""
        return len(self.source.only or ())


def simulated_images(
    folder: Path | None, out: Path, count: int, seed: int, telling: Telling
) -> Simulated:
    """The simulated images of a fine-tuning.

    Parameters
    ----------
    folder
        A corpus that there is; None: one is made.
    out
        Where it is made; goes on where it stopped.
    count
        Images, of both views together, in all parts together.
    seed
        Of the corpus that is made.
    telling
        Is told how far it is.

    Raises
    ------
    ValueError
        If the folder is no corpus, or no images are wanted at all.
    """
    if count < 8:
        raise ValueError(f"{count} simulated images are too few; take 8 or more.")
    if folder is None:
        folder = out
        _make(out, count, seed, telling)
    train, validation = label_paths(folder, "train"), label_paths(folder, "val")
    wrists = sorted({wrist(path) for path in validation})
    if not train or len(wrists) < 2:
        raise ValueError(
            f"'{folder}' is no corpus of simulated images; make one with"
            " python -m training.simulate corpus."
        )
    checked = set(wrists[1::2])
    rest = round(count * VALIDATION_FRACTION / 2)
    train = thinned(train, count - 2 * rest)
    check = thinned([path for path in validation if wrist(path) in checked], rest)
    validation = thinned([path for path in validation if wrist(path) not in checked], rest)
    source = Source(folder, 1.0, frozenset((*train, *validation)))
    return Simulated(source, tuple(validation), tuple(check))


def wrist(path: Path) -> str:
    """Which wrist an image is of: the last digit of a corpus's names is that of the exposure."""
    return path.stem[:-1]


def _make(out: Path, count: int, seed: int, telling: Telling) -> None:
    # Their packages take a second to import and are not needed where a corpus is given.
    from training.simulate.corpus import make_corpus, plan

    halves = {View.FRONTAL: count - count // 2, View.LATERAL: count // 2}
    groups = plan(out, halves, seed=seed, val_fraction=VALIDATION_FRACTION, spacing=SPACING)
    if all(_is_made(group.stems()) for group in groups):
        return
    with telling.bar("simulating radiographs", count) as done:
        for made in make_corpus(groups, workers=max(1, (os.cpu_count() or 2) // 2)):
            done(made)


def _is_made(stems: Sequence[Path]) -> bool:
    return all(stem.with_suffix(".json").is_file() for stem in stems)
