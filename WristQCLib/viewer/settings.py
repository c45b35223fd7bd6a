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
        Folder for reports and label files.
    labels
        Folder of the label store; it is made when the first image is accepted.
    person
        Name that corrections are recorded under.
    language
        Code of the page's first language.
    dark
        Its first look.
    """

    out: Path
    labels: Path
    person: str = "unnamed"
    language: str = "en"
    dark: bool = True
