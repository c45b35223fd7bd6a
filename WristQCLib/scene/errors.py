"""What goes wrong between an assessment and a scene, as a sentence for a user."""

from __future__ import annotations


class SceneError(ValueError):
    """A scene does not hold what is needed; one sentence that says what to do."""
