"""The one error that using a model can raise."""

from __future__ import annotations


class ModelError(RuntimeError):
    """A model cannot be used; the message says which file or device, why, and what to do."""
