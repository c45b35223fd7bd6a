"""Figures that say how well two opinions agree: distances, categories, yes or no, totals.

Pure functions of plain values. A figure of nothing does not exist: without cases the functions
return None, and what is undefined for the cases that there are is None in the result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RADII_MM = (1.0, 2.0, 2.5, 3.0, 4.0, 10.0)
"""Radii of the success detection rate (specification, section 6)."""

GROSS_MISS_MM = 10.0
"""A keypoint that is farther off is missed."""


@dataclass(frozen=True)
class Distances:
    """Euclidean distances between two positions of the same keypoints; smaller is better.

    Attributes
    ----------
    count
        Number of distances.
    mean, sd, median, p95
        In the unit of the distances; their mean is the mean radial error (MRE), `sd` that of the
        population.
    within
        Percent of the distances up to each of `RADII_MM` (success detection rate, SDR).
    missed
        Percent beyond `GROSS_MISS_MM`. `within` and `missed` have a meaning in millimetres only.
    """

    count: int
    mean: float
    sd: float
    median: float
    p95: float
    within: Mapping[float, float]
    missed: float


def distances(values: Sequence[float]) -> Distances | None:
    """Figures of distances, None when there are none."""
    if not values:
        return None
    found = np.asarray(values, dtype=np.float64)
    return Distances(
        int(found.size),
        float(found.mean()),
        float(found.std()),
        float(np.median(found)),
        float(np.percentile(found, 95)),
        {radius: float(100.0 * (found <= radius).mean()) for radius in RADII_MM},
        float(100.0 * (found > GROSS_MISS_MM).mean()),
    )


@dataclass(frozen=True)
class Categories:
    """How often two opinions put the same case into the same category.

    Attributes
    ----------
    names
        The categories, ordered ones from best to worst.
    counts
        Number of cases by category of the first opinion (rows) and of the second (columns).
    kappa
        Cohen's: agreement beyond chance, 1 is perfect, 0 is chance; None where both opinions know
        one category only, because chance alone agrees fully there.
    weighted_kappa
        Cohen's with quadratic weights: neighbouring grades count as nearly agreeing. None for
        categories without an order.
    weighted_count
        Cases in ordered categories, those of the weighted kappa.
    """

    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]
    kappa: float | None
    weighted_kappa: float | None = None
    weighted_count: int = 0

    @property
    def count(self) -> int:
        """Number of cases."""
        return sum(map(sum, self.counts))

    @property
    def agreed(self) -> int:
        """Cases of the same category."""
        return sum(row[i] for i, row in enumerate(self.counts))

    @property
    def accuracy(self) -> float:
        """Share of cases of the same category."""
        return self.agreed / self.count


def categories(
    pairs: Sequence[tuple[str, str]], names: Sequence[str] = (), *, ordered: bool = False
) -> Categories | None:
    """Figures of cases that were put into categories twice, None without cases.

    Parameters
    ----------
    pairs
        (first opinion, second opinion) of each case.
    names
        The categories in the order in which they are shown; other ones that occur follow them.
    ordered
        Whether `names` go from best to worst; what is not among them has no place in that order.
    """
    if not pairs:
        return None
    others = sorted({name for pair in pairs for name in pair} - set(names))
    every = (*names, *others)
    counted = Counter(pairs)
    counts = tuple(tuple(counted[row, column] for column in every) for row in every)
    weighted, graded = None, 0
    if ordered:
        inner = np.array(counts)[: len(names), : len(names)]
        graded = int(inner.sum())
        weighted = cohen_kappa(inner, quadratic=True)
    return Categories(every, counts, cohen_kappa(np.array(counts)), weighted, graded)


def cohen_kappa(counts: npt.ArrayLike, *, quadratic: bool = False) -> float | None:
    """Cohen's kappa of a square table of counts, None where it is not defined.

    1 - sum(w o) / sum(w e), where o are the observed and e the shares expected from the margins,
    and the weight w of a cell is 1 off the diagonal or, quadratic, the squared distance from it
    (Cohen 1960, 1968).
    """
    observed = np.asarray(counts, dtype=np.float64)
    total = observed.sum()
    if total == 0:
        return None
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / total
    apart = np.abs(np.subtract.outer(np.arange(len(observed)), np.arange(len(observed))))
    weights = apart.astype(np.float64) ** 2 if quadratic else (apart > 0).astype(np.float64)
    chance = float((weights * expected).sum())
    return 1.0 - float((weights * observed).sum()) / chance if chance > 0 else None


@dataclass(frozen=True)
class YesNo:
    """Answers against a truth.

    Attributes
    ----------
    count, positives
        Cases, and those that are so in truth.
    accuracy
        Share of right answers.
    precision
        Share of the positive answers that are right; None without any.
    recall
        Share of the positive cases that are found; None without any.
    """

    count: int
    positives: int
    accuracy: float
    precision: float | None
    recall: float | None


def yes_no(pairs: Sequence[tuple[bool, bool]]) -> YesNo | None:
    """Figures of (truth, answer), None without cases."""
    if not pairs:
        return None
    truth, said = np.array(pairs, dtype=bool).T
    hits = int((truth & said).sum())
    return YesNo(
        len(pairs),
        int(truth.sum()),
        float((truth == said).mean()),
        hits / int(said.sum()) if said.any() else None,
        hits / int(truth.sum()) if truth.any() else None,
    )


def intraclass_correlation(ratings: npt.ArrayLike) -> float | None:
    """ICC(2,1) of a table of ratings: two-way random effects, absolute agreement, one reader.

    (MSR - MSE) / (MSR + (k - 1) MSE + k (MSC - MSE) / n) of n cases (rows) and k readers (columns),
    from the mean squares of rows, columns and residue (Shrout and Fleiss 1979). None for fewer than
    two cases or readers, or when no rating differs from another.
    """
    table = np.asarray(ratings, dtype=np.float64)
    if table.ndim != 2 or min(table.shape) < 2 or np.ptp(table) == 0:
        return None
    n, k = table.shape
    mean, rows, columns = table.mean(), table.mean(axis=1), table.mean(axis=0)
    between_rows = k * ((rows - mean) ** 2).sum() / (n - 1)
    between_columns = n * ((columns - mean) ** 2).sum() / (k - 1)
    residue = table - rows[:, None] - columns[None, :] + mean
    error = (residue**2).sum() / ((n - 1) * (k - 1))
    whole = between_rows + (k - 1) * error + k * (between_columns - error) / n
    return float((between_rows - error) / whole) if whole > 0 else None
