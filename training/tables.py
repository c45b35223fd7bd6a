"""Markdown tables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Lines of a table."""
    return [table_row(header), table_row(["---"] * len(header)), *map(table_row, rows)]


def table_row(cells: Sequence[str]) -> str:
    """One row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def number(value: float | None, digits: int = 2) -> str:
    """A figure for a table; nothing for what is not known. A whole number is a count."""
    if value is None or math.isnan(value):
        return ""
    return str(value) if isinstance(value, int) else f"{value:.{digits}f}"


def confusion(names: Sequence[str], pairs: Iterable[tuple[str, str]]) -> list[str]:
    """A confusion matrix of (labelled, found) as a table, labelled ones in rows."""
    counts = Counter(pairs)
    return table(
        ["", *names],
        ([f"**{row}**", *(str(counts[row, column]) for column in names)] for row in names),
    )
