"""How much each witness of the view counts: ``python -m training.fit_view --data FOLDER ...``.

Fits the logistic regression of `ModelSet.view` on validation images: the view
classifier's logit, and how much more clearly the lateral detector sees its keypoints than the
frontal one. Prints the three constants, and how often they are right on the images of ``--check``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import track
from scipy.optimize import minimize

from training.export import thinned
from training.labels import LabelledImage, label_paths, read_image, read_label
from WristQCLib.findings import View
from WristQCLib.model_set import BUNDLED_MODELS, ModelSet

Witnesses = npt.NDArray[np.float64]

SHRINKAGE = 1e-5
"""Weight of the squared constants: few errors must not make them endless."""


def heard(models: ModelSet, labels: Sequence[LabelledImage]) -> Witnesses:
    """(images, 2): what `ModelSet.witnesses` says of each image."""
    return np.array([models.witnesses(read_image(label.image_path)) for label in track(labels)])


def fit(witnesses: Witnesses, lateral: npt.NDArray[np.bool_]) -> Witnesses:
    """The two weights and the bias of a logistic regression in which neither witness leans.

    The classifier's logit is 0 where both views are as likely; the clarity is so half-way between
    what it is, in the mean, in the two views. A bias that is fitted too is told by the few images
    that are wrong, and leans to the view of which there happens to be one less among them.
    """
    clarity = witnesses[:, 1]
    centre = (clarity[lateral].mean() + clarity[~lateral].mean()) / 2.0
    columns = witnesses - [0.0, centre]

    def loss(weights: Witnesses) -> float:
        odds = columns @ weights
        likelihood = np.logaddexp(0.0, odds) - lateral * odds
        return float(likelihood.mean() + SHRINKAGE * np.square(weights).mean())

    classifier, clear = minimize(loss, np.array([1.0, 10.0]), method="L-BFGS-B").x
    return np.array([classifier, clear, -clear * centre])


def right(witnesses: Witnesses, lateral: npt.NDArray[np.bool_], constants: Witnesses) -> float:
    """Share of the images whose view is told rightly."""
    odds = witnesses @ constants[:2] + constants[2]
    return float(np.mean((odds >= 0) == lateral))


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.fit_view", description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="to fit on: its val")
    parser.add_argument("--check", type=Path, nargs="*", default=[], help="to judge on: all of it")
    parser.add_argument("--models", type=Path, default=BUNDLED_MODELS)
    parser.add_argument("--limit", type=int, default=400, help="images of each --data and --check")
    options = parser.parse_args(arguments)
    models = ModelSet(options.models)

    def told(folders: Sequence[Path], split: str | None) -> tuple[Witnesses, npt.NDArray[np.bool_]]:
        found = [read_label(path) for folder in folders for path in label_paths(folder, split)]
        labels = thinned([label for label in found if label.view is not None], options.limit)
        return heard(models, labels), np.array([label.view is View.LATERAL for label in labels])

    witnesses, lateral = told(options.data, "val")
    constants = fit(witnesses, lateral)
    print("classifier, clarity, bias:", ", ".join(f"{value:.2f}" for value in constants))
    print(f"fitted on {len(lateral)} images: {right(witnesses, lateral, constants):.3f} right")
    for folder in options.check:
        witnesses, lateral = told([folder], None)
        print(f"{folder}: {right(witnesses, lateral, constants):.3f} of {len(lateral)} right")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
