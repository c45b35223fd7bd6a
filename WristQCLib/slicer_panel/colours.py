"""Colours of the panel: those of the report (`Resources/Report/report.css`), light and dark.

The palette is told apart by colour-blind people too, and each colour comes with a letter, a sign or
a word.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Colours on a light or a dark background, as ``#RRGGBB``.

    Attributes
    ----------
    grades
        By rank, best first.
    unknown
        Where there is no grade.
    on_grade
        Letters on a grade's colour.
    lost, muted
        Texts that tell of lost points, and of what is still open.
    """

    grades: tuple[str, str, str, str]
    unknown: str
    on_grade: str
    lost: str
    muted: str


LIGHT = Theme(
    grades=("#00795a", "#0067a6", "#b87a00", "#c4500a"),
    unknown="#77838f",
    on_grade="#ffffff",
    lost="#b3400e",
    muted="#5c6b7a",
)
DARK = Theme(
    grades=("#1fa37f", "#3a93d0", "#d99a1f", "#e0702e"),
    unknown="#7d8a96",
    on_grade="#0e1318",
    lost="#f0955f",
    muted="#93a2b0",
)


def badge_style(theme: Theme, rank: int | None, *, incomplete: bool) -> str:
    """Style sheet of the grade: filled, or an outline while the score is incomplete."""
    colour = theme.unknown if rank is None else theme.grades[rank]
    inside, letter = ("transparent", colour) if incomplete else (colour, theme.on_grade)
    return (
        f"QLabel {{ background: {inside}; color: {letter}; border: 4px solid {colour};"
        " border-radius: 10px; font-size: 30pt; font-weight: bold; }"
    )
