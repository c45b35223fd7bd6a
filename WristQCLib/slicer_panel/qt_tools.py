"""Small helpers for PythonQt, in which Qt's properties are attributes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Widget = Any
"""A Qt widget; PythonQt's classes have no type stubs."""


def put(widget: Widget, **properties: object) -> None:
    """Set the properties that differ: Qt lays out and paints again even where nothing changed.

    `visible` is always set, for it tells of the parents too: false in a folded section.
    """
    for name, value in properties.items():
        if name == "visible" or getattr(widget, name) != value:
            setattr(widget, name, value)


def make_timer(milliseconds: int, slot: Callable[[], object], *, once: bool = False) -> Any:
    """A QTimer that calls `slot` each time, or once after each start."""
    import qt

    timer = qt.QTimer()
    timer.interval = milliseconds

    def on_timeout() -> None:
        if once:
            timer.stop()
        slot()

    timer.timeout.connect(on_timeout)
    return timer


@contextmanager
def errors_shown(what: str) -> Iterator[None]:
    """Tell the user in one sentence what went wrong; the log has the rest.

    Slicer's tests are to fail instead.
    """
    import slicer

    try:
        yield
    except Exception as error:
        if slicer.app.testingEnabled():
            raise
        logging.getLogger("wristqc").exception(what)
        slicer.util.errorDisplay(f"{what}\n\n{error}")


def is_dark(widget: Widget) -> bool:
    """Whether a widget has a dark background, as in Slicer's dark theme."""
    import qt

    palette = widget.palette  # kept, for the colour lies in it
    return bool(palette.color(qt.QPalette.Window).lightness() < 128)
