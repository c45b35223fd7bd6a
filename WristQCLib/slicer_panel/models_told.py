"""The models in use, in words: name and version, and what they learned from."""

from __future__ import annotations

from collections.abc import Iterable

from WristQCLib.models.provenance import KnownModel, Provenance
from WristQCLib.translation import translator

_ = translator(__file__)

FIGURES = 2
"""As many figures are told; the first are those that a model is judged by."""
_UNITS = {"_mm": " mm", "_percent": " %"}
_SIMULATED = "simulated_"
"""Of simulated images, which no reader has labelled."""


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
    names = [name for name in from_what.figures if not name.startswith(_SIMULATED)]
    told += [_figure(name, *from_what.figures[name]) for name in names[:FIGURES]]
    return ", ".join(told)


def _figure(name: str, before: float, after: float) -> str:
    """``"MRE 3.14 → 2.50 mm"``, from ``"mre_mm"``."""
    for ending, unit in _UNITS.items():
        if name.endswith(ending):
            short = name.removesuffix(ending)
            short = short.upper() if len(short) == 3 else short.replace("_", " ")
            return f"{short} {before:.3g} → {after:.3g}{unit}"
    return f"{name.replace('_', ' ')} {before:.3g} → {after:.3g}"
