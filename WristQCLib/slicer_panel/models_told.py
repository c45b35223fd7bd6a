"""The models in use, in words: name and version, and what they learned from."""

from __future__ import annotations

from collections.abc import Iterable

from WristQCLib.models.provenance import KnownModel, Provenance
from WristQCLib.translation import translator

_ = translator(__file__)


def models_told(models: Iterable[KnownModel]) -> str:
    """A line for each model."""
    return "\n".join(_model(model) for model in models)


def _model(model: KnownModel) -> str:
    if model.problem:
        return f"• {model.problem}"
    name = f"• {model.name} {model.version}".rstrip()
    return f"{name}, {_learned(model.provenance)}" if model.provenance else name


def _learned(from_what: Provenance) -> str:
    told = []
    if from_what.based_on:
        told.append(_("goes on from {model}").format(model=from_what.based_on))
    if from_what.labels is not None:
        told.append(_("labels: {labels}").format(labels=from_what.labels))
    if from_what.readers is not None:
        told.append(_("readers: {readers}").format(readers=from_what.readers))
    if from_what.date:
        told.append(from_what.date)
    told += [
        f"{name.replace('_', ' ')}: {before:.3g} → {after:.3g}"
        for name, (before, after) in from_what.figures.items()
    ]
    return ", ".join(told)
