"""Texts in the language of the application, where there is one: 3D Slicer."""

from __future__ import annotations

import string
from collections.abc import Callable
from functools import cache

Translate = Callable[[str], str]


def translator(file: str) -> Translate:
    """The translation of a module's texts, to be named ``_`` there.

    Slicer's own `slicer.i18n.tr` does the same, but looks at the call stack each time; panels that
    follow the mouse ask too often for that. A change of language needs a restart of Slicer, so
    each text is asked for once.

    Parameters
    ----------
    file
        The module's file, by which Slicer's tools file its texts.
    """

    @cache
    def translated(text: str) -> str:
        try:
            from slicer.i18n import getContext, translate
        except ImportError:
            return text
        found = str(translate(getContext(file), text))
        return found if _placeholders(found) == _placeholders(text) else text

    return translated


def _placeholders(text: str) -> set[str | None] | None:
    """Names in braces; None for a text that cannot be formatted."""
    try:
        return {name for _, name, _, _ in string.Formatter().parse(text)} - {None}
    except ValueError:
        return None
