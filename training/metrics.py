"""Figures by which keypoints and classifiers are judged (specification, sections 4 to 6)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from WristQCLib.figures import RADII_MM, distances, yes_no


def detection_figures(errors_mm: Sequence[float]) -> dict[str, float]:
    """Mean radial error and its companions.

    Parameters
    ----------
    errors_mm
        Euclidean distances of the detected keypoints that are in the image.

    Returns
    -------
    ``count``, ``mre``, ``sd`` (population), ``median``, ``p95`` in mm, and in percent
    ``sdr_<radius>`` (share within the radius, inclusive) and ``miss`` (share beyond 10 mm).
    NaN throughout for an empty list.
    """
    found = distances(errors_mm)
    if found is None:
        names = ("mre", "sd", "median", "p95", *(f"sdr_{r:g}" for r in RADII_MM), "miss")
        return {"count": 0} | dict.fromkeys(names, float("nan"))
    return {
        "count": found.count,
        "mre": found.mean,
        "sd": found.sd,
        "median": found.median,
        "p95": found.p95,
        **{f"sdr_{radius:g}": share for radius, share in found.within.items()},
        "miss": found.missed,
    }


def classification_figures(
    probabilities: Sequence[float], truth: Sequence[bool], threshold: float = 0.5
) -> dict[str, float]:
    """Accuracy, precision, recall and area under the ROC curve, as shares.

    NaN where a figure is not defined (precision without positive answers, AUC with one class).
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    actual = np.asarray(truth, dtype=bool)
    answers = yes_no(list(zip(actual.tolist(), (scores >= threshold).tolist(), strict=True)))
    rates = (answers.accuracy, answers.precision, answers.recall) if answers else (None,) * 3
    return {
        "count": int(actual.size),
        "positives": float(actual.sum()),
        "auc": area_under_curve(scores, actual),
        **{
            name: math.nan if rate is None else rate
            for name, rate in zip(("accuracy", "precision", "recall"), rates, strict=True)
        },
    }


def area_under_curve(scores: npt.NDArray[np.float64], actual: npt.NDArray[np.bool_]) -> float:
    """Probability that a positive scores above a negative (ties count half)."""
    positives, negatives = int(actual.sum()), int((~actual).sum())
    if positives == 0 or negatives == 0:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[actual].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def best_threshold(scores: Sequence[float], truth: Sequence[bool], default: float = 0.5) -> float:
    """The threshold with the highest accuracy, midway in the widest such gap.

    `default` when one of the classes is missing.
    """
    values = np.asarray(scores, dtype=np.float64)
    actual = np.asarray(truth, dtype=bool)
    if actual.all() or not actual.any():
        return default
    ends = np.concatenate([[0.0], np.unique(values), [1.0]])
    middles, gaps = (ends[1:] + ends[:-1]) / 2, np.diff(ends)
    said = values[None, :] >= middles[:, None]
    accuracy = (said == actual[None, :]).mean(axis=1)
    best = accuracy >= accuracy.max() - 1e-12
    return float(middles[best][np.argmax(gaps[best])])


def roc_curve(
    scores: Sequence[float], actual: Sequence[bool]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(false positive rate, true positive rate) from the strictest threshold to the laxest."""
    values, truth = np.asarray(scores, dtype=np.float64), np.asarray(actual, dtype=bool)
    order = np.argsort(-values, kind="stable")
    last_of_ties = np.append(np.diff(values[order]) != 0, True)
    hits = np.cumsum(truth[order])[last_of_ties]
    false = np.cumsum(~truth[order])[last_of_ties]
    return (
        np.append(0.0, false / max(int((~truth).sum()), 1)),
        np.append(0.0, hits / max(int(truth.sum()), 1)),
    )


def calibration(
    probabilities: Sequence[float], actual: Sequence[bool], bins: int = 10
) -> tuple[list[tuple[float, float, int]], float]:
    """How often what is said to be likely is so.

    Returns
    -------
    (mean probability, share that is so, count) of each bin of equal width that holds any, and the
    expected calibration error: their mean absolute difference, weighted by count.
    """
    said, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(actual, dtype=bool)
    index = np.minimum((said * bins).astype(int), bins - 1)
    rows = [
        (float(said[index == k].mean()), float(truth[index == k].mean()), int((index == k).sum()))
        for k in range(bins)
        if (index == k).any()
    ]
    error = sum(count * abs(mean - share) for mean, share, count in rows) / max(said.size, 1)
    return rows, float(error)


def bootstrap_interval(
    figure: Callable[[npt.NDArray[np.intp]], float], count: int, draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % confidence interval of a figure over `count` cases, by resampling them.

    Parameters
    ----------
    figure
        Of the cases whose indices it is given; draws where it is NaN are left out.
    count, draws, seed
        Number of cases, of draws; start of the random numbers.
    """
    rng = np.random.default_rng(seed)
    values = np.array([figure(rng.integers(0, count, count)) for _ in range(draws)])
    if np.isnan(values).all():
        return float("nan"), float("nan")
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)


COVERAGES = (0.5, 0.6827, 0.9, 0.95)
"""Shares of keypoints that circles drawn from their spread are meant to hold."""


def circle_radius(share: float) -> float:
    """Radius, in standard deviations of one axis, that holds a share of a round Gaussian."""
    return math.sqrt(-2.0 * math.log(1.0 - share))


def coverage(errors: Sequence[float], spreads: Sequence[float]) -> dict[float, float]:
    """For each of `COVERAGES`: the share of errors within that circle; NaN without any."""
    ratio = np.asarray(errors, dtype=np.float64) / np.maximum(spreads, 1e-9)
    return {
        share: float((ratio <= circle_radius(share)).mean()) if ratio.size else float("nan")
        for share in COVERAGES
    }
