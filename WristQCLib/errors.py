"""Errors that the library raises for a user to read: one sentence, what was wrong, what to do."""

from __future__ import annotations


class RadiographError(ValueError):
    """A file cannot be read as a wrist radiograph; the message names file, fault and remedy."""
