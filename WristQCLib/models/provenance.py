"""Which models a folder holds, and on which labels they were trained; needs no torch.

A model that was fine-tuned on labels tells of it in ``configs/metadata.json``, under
``wristqc.provenance``: ``{"based_on": "wrist_keypoints_frontal 0.2.0 <SHA-256 of its weights>",
"labels": 200, "readers": 2, "date": "2026-11-28", "figures": {"before": {"mre_mm": 3.1}, "after":
{"mre_mm": 2.4}}}``. All of it may be absent, and what is not understood is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from WristQCLib.models.bundles import METADATA, read_json
from WristQCLib.models.errors import ModelError

_DIGEST = re.compile(r" [0-9a-f]{64}$")


@dataclass(frozen=True)
class Provenance:
    """What a model was made from.

    Attributes
    ----------
    based_on
        Name and version of the model that it went on from, empty when unknown.
    labels, readers
        How many labels it learned from, and of how many readers; None when unknown.
    date
        When, as YYYY-MM-DD; empty when unknown.
    figures
        What was measured on the same images before and after, by the figure's name.
    """

    based_on: str = ""
    labels: int | None = None
    readers: int | None = None
    date: str = ""
    figures: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> Provenance | None:
        """From a bundle's metadata, None when that tells of none."""
        told = _object(_object(metadata.get("wristqc")).get("provenance"))
        if not told:
            return None
        return cls(
            _DIGEST.sub("", str(told.get("based_on") or "")),
            _count(told.get("labels")),
            _count(told.get("readers")),
            str(told.get("date") or "")[:10],
            _figures(_object(told.get("figures"))),
        )


@dataclass(frozen=True)
class KnownModel:
    """A model of a folder.

    Attributes
    ----------
    name, version
        From its metadata.
    provenance
        None when it tells of none, as a model that learned from nobody's labels.
    problem
        Why it cannot be read, one sentence; else empty.
    """

    name: str
    version: str = ""
    provenance: Provenance | None = None
    problem: str = ""


def models_folder(folder: Path) -> Path:
    """The folder that holds the bundles: `folder` or, of a training's output, one in it."""
    bundles = folder / "bundles"
    return bundles if not any(_bundles(folder)) and any(_bundles(bundles)) else folder


def known_models(folder: Path) -> tuple[KnownModel, ...]:
    """The models of a folder of bundles, by name; none when there is no such folder."""
    return tuple(_known(bundle) for bundle in sorted(_bundles(folder)))


def _bundles(folder: Path) -> Iterator[Path]:
    try:
        yield from (path for path in folder.iterdir() if (path / METADATA).is_file())
    except OSError:
        return


def _known(bundle: Path) -> KnownModel:
    try:
        metadata = read_json(bundle / METADATA)
    except ModelError as error:
        return KnownModel(bundle.name, problem=str(error))
    name, version = metadata.get("name"), metadata.get("version")
    return KnownModel(str(name or bundle.name), str(version or ""), Provenance.of(metadata))


def _object(told: object) -> Mapping[str, Any]:
    return told if isinstance(told, Mapping) else {}


def _count(told: object) -> int | None:
    """A number, or how many there are in a list of names."""
    if isinstance(told, Sequence) and not isinstance(told, str):
        return len(told)
    return int(told) if isinstance(told, int | float) and not isinstance(told, bool) else None


def _figures(told: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    before, after = _object(told.get("before")), _object(told.get("after"))
    return {
        str(name): (float(value), float(after[name]))
        for name, value in before.items()
        if _is_number(value) and _is_number(after.get(name))
    }


def _is_number(told: object) -> bool:
    return isinstance(told, int | float) and not isinstance(told, bool)
