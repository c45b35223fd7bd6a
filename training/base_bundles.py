"""The bundles that a fine-tuning goes on from, and the folder of bundles that it leaves."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.config import TrainingConfig
from training.train import write_beside
from training.view_networks import of_view, share_a_network, side_by_side, universal
from training.widening import widened, width_of
from WristQCLib.findings import View
from WristQCLib.models import ModelError
from WristQCLib.models.bundles import METADATA, WEIGHTS, Bundle, read_json
from WristQCLib.models.gu2net import GU2Net, domains_in

BUNDLES: Mapping[str, tuple[str, ...]] = {
    "keypoints": tuple(f"wrist_keypoints_{view}" for view in View),
    "artefact": ("wrist_artefact",),
}
"""The bundles of each task."""


@dataclass(frozen=True)
class Base:
    """What a task's training begins with.

    Attributes
    ----------
    task
        One of `BUNDLES`.
    bundles
        As read.
    network
        Its arguments, but for the number of keypoints.
    state
        Weights of the one network that the bundles are parts of, or of one for each view.
    universal
        Whether it is one.
    """

    task: str
    bundles: tuple[Bundle, ...]
    network: Mapping[str, Any]
    state: dict[str, Tensor]
    universal: bool = True

    @classmethod
    def read(cls, models: Path, task: str) -> Base:
        """Read the bundles of a task. Of two views the narrower network is widened to the other's.

        Raises
        ------
        ModelError
            If one is missing or broken, or if those of the two views are of different make.
        """
        kind = "keypoints" if task == "keypoints" else "classification"
        bundles = tuple(Bundle.read(models / name, kind) for name in BUNDLES[task])
        states = []
        for bundle in bundles:
            bundle.network(torch.device("cpu"))  # checks that the weights are whole
            state = torch.load(bundle.folder / WEIGHTS, map_location="cpu", weights_only=True)
            states.append({name: tensor.float() if tensor.is_floating_point() else tensor
                           for name, tensor in state.items()})  # fmt: skip
        if task != "keypoints":
            return cls(task, bundles, _arguments(bundles[0]), states[0])
        widest = max(width_of(state) for state in states)
        networks = [{**_arguments(bundle), "width": widest} for bundle in bundles]
        settings = [
            (network, bundle.input_size, bundle.setting("sigma"))
            for network, bundle in zip(networks, bundles, strict=True)
        ]
        if settings[0] != settings[1] or domains_in(states[0]) != domains_in(states[1]):
            raise ModelError(
                f"The keypoint models of the two views in '{models}' are networks of different"
                " make; take models that were made together."
            )
        states = [_widened(s, b, widest) for s, b in zip(states, bundles, strict=True)]
        one = share_a_network(states)
        state = universal(states) if one else side_by_side(states)
        return cls(task, bundles, networks[0], state, one)

    def settings(self, config: TrainingConfig) -> TrainingConfig:
        """A configuration with the network, the input and the targets that the bundles have."""
        first = self.bundles[0]
        losses = config.losses
        if not self.network.get("traces_shafts"):
            losses = replace(losses, shafts=0.0)
        changed = replace(
            config,
            network=dict(self.network),
            losses=losses,
            input_size=first.input_size,
            letterbox=str(first.setting("letterbox")),
        )
        if self.task != "keypoints":
            return changed
        return replace(
            changed,
            views=tuple(str(View(bundle.setting("view"))) for bundle in self.bundles),
            universal=self.universal,
            close_domains=domains_in(of_view(self.state, 0, len(self.bundles))) > 1,
            sigma=float(first.setting("sigma")),
        )

    @property
    def digest(self) -> str:
        """Of the weights."""
        return "".join(bundle.identity.weights_sha256 for bundle in self.bundles)


def _arguments(bundle: Bundle) -> dict[str, Any]:
    return {k: v for k, v in bundle.network_arguments.items() if k != "out_channels"}


def _widened(state: Mapping[str, Tensor], bundle: Bundle, width: int) -> dict[str, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # the same bundles always give the same start
        return widened(state, GU2Net(**{**bundle.network_arguments, "width": width}))


def next_version(version: str, today: date) -> str:
    """The version after one: ``0.3.0+site.20261128`` after ``0.2.0`` or ``0.2.1+site.20261101``."""
    numbers = re.match(r"(\d+)\.(\d+)", version)
    major, minor = (int(n) for n in numbers.groups()) if numbers else (0, 0)
    return f"{major}.{minor + 1}.0+site.{today:%Y%m%d}"


def tell_provenance(folder: Path, base: Bundle, provenance: Mapping[str, Any], data: str) -> None:
    """Add to a new bundle's metadata what it goes on from and learned from.

    Parameters
    ----------
    folder
        Of the new bundle.
    base
        The bundle that it goes on from.
    provenance
        Becomes ``wristqc.provenance``.
    data
        A sentence on the labels, after those on the data that the base was trained on.
    """
    metadata = read_json(folder / METADATA)
    own = metadata["wristqc"]
    before = base.metadata["wristqc"].get("training_data", "")
    # What an earlier fine-tuning added comes first, so that the latest is read last.
    own["training_data"] = metadata["data_source"] = f"{before} {data}".strip()
    own["provenance"] = dict(provenance)
    metadata["changelog"] = {**base.metadata.get("changelog", {}), **metadata["changelog"]}
    write_beside(folder / METADATA, json.dumps(metadata, indent=1).encode() + b"\n")


def write_set(models: Path, new: Sequence[Path], out: Path) -> None:
    """A folder with the bundles of another, some of them replaced by new ones.

    It is made beside its place first, so that `out` never holds half of it.
    """
    draft, old = out.with_name(f".{out.name}.new"), out.with_name(f".{out.name}.old")
    for left in (draft, old):
        shutil.rmtree(left, ignore_errors=True)
    draft.mkdir(parents=True)
    replaced = {folder.name for folder in new}
    others = (p for p in sorted(models.iterdir()) if (p / METADATA).is_file())
    for folder in (*new, *(p for p in others if p.name not in replaced)):
        shutil.copytree(folder, draft / folder.name)
    if out.exists():
        out.rename(old)
    draft.rename(out)
    shutil.rmtree(old, ignore_errors=True)
