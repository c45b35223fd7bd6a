"""Keys that work while the module is open, wherever the mouse is.

Z, Y, comma and full stop are those of Slicer's Segment Editor. Slicer itself has Ctrl+Z and Ctrl+Y,
and Alt+Left steps through modules; a key that two parts of a window claim works for neither. Its
slice views have B, F, G, R, T, V and brackets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

UNDO, REDO, PLACE, PREVIOUS, NEXT = "Z", "Y", "P", ",", "."
ACCEPT, ACCEPT_AND_NEXT = "A", "N"


class Shortcuts:
    """Keys and what they do; none works before `start`.

    Parameters
    ----------
    actions
        Key -> what is done.
    """

    def __init__(self, actions: Mapping[str, Callable[[], object]]) -> None:
        self._actions = dict(actions)
        self._shortcuts: list[Any] = []

    def start(self) -> None:
        """Listen, in the whole main window; nothing where there is none."""
        import qt
        import slicer

        window = slicer.util.mainWindow()
        if window is None or self._shortcuts:
            return
        for key, action in self._actions.items():
            shortcut = qt.QShortcut(qt.QKeySequence(key), window)
            shortcut.activated.connect(action)
            self._shortcuts.append(shortcut)

    def stop(self) -> None:
        """Leave the keys to others."""
        for shortcut in self._shortcuts:
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._shortcuts.clear()
