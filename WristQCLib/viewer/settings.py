"""What the viewer is started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What the server was started with.

    Attributes
    ----------
    out
        Folder for reports and labels.
    person
        Name that corrections are recorded under.
    language
        Code of the page's first language.
    dark
        Its first look.
    """

    out: Path
    person: str = "unnamed"
    language: str = "en"
    dark: bool = True
