"""Where the data files are: beside the package, or in it when installed by pip."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSIDE = _PACKAGE / "Resources"

RESOURCES = _INSIDE if _INSIDE.is_dir() else _PACKAGE.parent / "Resources"
"""Folder with Protocols, Models, Markers and SampleData."""
