"""How measured values, bands of the protocol and ranks of grades are put into words and colours.

Panel and report say the same things the same way; each passes its own translation.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TypeGuard

from WristQCLib.keypoints import words
from WristQCLib.translation import Translate

UNKNOWN = "–"
GRADE_RANKS = 4
"""Colours that there are for grades, best first; further grades have the last one."""

_NEGLIGIBLE = 0.05
"""A probability that is not worth mentioning."""

Limit = float | None
"""End of an interval; None or infinite where it has none."""


def grade_rank(grades: Mapping[str, float | None], grade: str) -> int:
    """Place of a grade among all, best first, as the number of its colour.

    Parameters
    ----------
    grades
        Lowest total of each grade.
    grade
        One of them.
    """
    ranked = sorted(grades, key=lambda name: -(grades[name] or 0.0))
    return min(ranked.index(grade), GRADE_RANKS - 1)


def with_unit(text: str, unit: str) -> str:
    """``"3°"``, ``"3 cm"``; without a unit the text alone."""
    return {"deg": f"{text}°", "": text}.get(unit, f"{text} {unit}")


def measured(
    value: float | None, unit: str, limits: Iterable[Limit] = (), _: Translate = str
) -> str:
    """A measured value with its unit; yes or no where there is none.

    Parameters
    ----------
    value, unit
        Of the measurement.
    limits
        Ends of the protocol's bands: the value has as many decimals, one at least, as keep it off
        a limit that it is not on.
    _
        Translation of words.
    """
    if value is None:
        return UNKNOWN
    if not unit:
        return _("yes") if value else _("no")
    ends, digits = [end for end in limits if _is_end(end)], 1
    while digits < 4 and any(round(value, digits) == end != value for end in ends):
        digits += 1
    return with_unit(f"{value:.{digits}f}", unit)


def full_band(low: Limit, high: Limit, unit: str, _: Translate = str) -> str:
    """The values that have all points."""
    if not unit:
        return _("yes")
    if not _is_end(low):
        return with_unit(_("up to {high}").format(high=f"{high:g}"), unit)
    if not _is_end(high):
        return with_unit(_("from {low}").format(low=f"{low:g}"), unit)
    return with_unit(f"{low:g}–{high:g}", unit)


def zero_band(low: Limit, high: Limit, unit: str, _: Translate = str) -> str:
    """The values that have no points: up to `low` and from `high`."""
    if not unit:
        return _("no")
    ends = [f"≤ {low:g}"] if _is_end(low) else []
    ends += [f"≥ {high:g}"] if _is_end(high) else []
    return with_unit(_(" or ").join(ends), unit)


def grade_probabilities(grades: Mapping[str, float], _: Translate = str) -> str:
    """How likely each grade is, in whole percent; empty when there is no doubt."""
    likely = [(name, share) for name, share in grades.items() if share >= _NEGLIGIBLE]
    if len(likely) < 2:
        return ""
    told = ", ".join(f"{name} {share:.0%}" for name, share in likely)
    return _("Probability: {grades}").format(grades=told)


def please_check(names: Iterable[str], _: Translate = str) -> str:
    """Which keypoints a person should look at; empty when there are none."""
    told = ", ".join(words(name) for name in names)
    if not told:
        return ""
    return _("Please check: {points}. A plausible shift would change the grade.").format(
        points=told
    )


def _is_end(limit: Limit) -> TypeGuard[float]:
    return limit is not None and math.isfinite(limit)
