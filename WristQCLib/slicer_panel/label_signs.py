"""Signs for how far an image is with its labels, where there is no room for words."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from WristQCLib.labelling import LabelState
from WristQCLib.translation import translator

_ = translator(__file__)

SIGNS: Mapping[LabelState, str] = {
    LabelState.NOT_CHECKED: "○",
    LabelState.CHECKED: "✓",
    LabelState.CHANGED_SINCE: "≠",
    LabelState.IN_CONFLICT: "!",
}
"""They differ in form, for colour does not tell everybody something."""


def in_words(state: LabelState) -> str:
    """What the sign means."""
    return {
        LabelState.NOT_CHECKED: _("not checked"),
        LabelState.CHECKED: _("checked"),
        LabelState.CHANGED_SINCE: _("changed since it was checked"),
        LabelState.IN_CONFLICT: _("checked, in conflict"),
    }[state]


def sign_of_all(states: Collection[LabelState]) -> str:
    """One sign for several images: the one that asks most for a look, or ``"1/2"`` when begun."""
    for state in (LabelState.IN_CONFLICT, LabelState.CHANGED_SINCE):
        if state in states:
            return SIGNS[state]
    checked = sum(state is LabelState.CHECKED for state in states)
    if 0 < checked < len(states):
        return f"{checked}/{len(states)}"
    return SIGNS[LabelState.CHECKED if checked else LabelState.NOT_CHECKED] if states else ""
