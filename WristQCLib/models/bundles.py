"""Model folders in the layout of MONAI bundles, read without running anything that they contain.

A bundle is a folder with ``configs/metadata.json``, ``configs/inference.json``,
``configs/train.json`` and ``models/model.pt``. What WristQC needs beyond MONAI's own keys stands in
the metadata under ``wristqc``. MONAI's configuration language can call any Python function; here
only the two network classes of this package are accepted, and weights are loaded with
``weights_only=True``, so a bundle from elsewhere cannot run code.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from WristQCLib.models.device import import_torch
from WristQCLib.models.errors import ModelError

if TYPE_CHECKING:
    import torch
    from torch import nn

METADATA = Path("configs") / "metadata.json"
INFERENCE = Path("configs") / "inference.json"
TRAIN = Path("configs") / "train.json"
WEIGHTS = Path("models") / "model.pt"

NETWORKS = {
    "WristQCLib.models.gu2net.GU2Net": "keypoints",
    "WristQCLib.models.mobilenetv2.MobileNetV2": "classification",
}
"""The only classes that a bundle's ``network_def`` may name, and the task that each is for."""


@dataclass(frozen=True)
class BundleIdentity:
    """Which model it was, for reports.

    Attributes
    ----------
    name, version
        From the metadata.
    weights_sha256
        Hexadecimal digest of the weights file.
    """

    name: str
    version: str
    weights_sha256: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Bundle:
    """A bundle folder whose files are there and make sense together.

    Attributes
    ----------
    folder
        Where it lies.
    metadata
        All of ``configs/metadata.json``.
    network_target, network_arguments
        Class (one of `NETWORKS`) and keyword arguments of the network.
    identity
        Name, version and digest of the weights.
    """

    folder: Path
    metadata: dict[str, Any]
    network_target: str
    network_arguments: dict[str, Any]
    identity: BundleIdentity

    @classmethod
    def read(cls, folder: str | Path, task: str) -> Bundle:
        """Read and check a bundle; the network itself is built by `network`.

        Parameters
        ----------
        folder
            The bundle folder.
        task
            ``"keypoints"`` or ``"classification"``.

        Raises
        ------
        ModelError
            Naming the file that is missing or wrong.
        """
        root = Path(folder)
        if not root.is_dir():
            raise ModelError(f"'{root}' is not a model folder: there is no such folder.")
        metadata = read_json(root / METADATA)
        definition = read_json(root / INFERENCE).get("network_def")
        if not isinstance(definition, dict) or definition.get("_target_") not in NETWORKS:
            raise ModelError(
                f"'{root / INFERENCE}' must have a 'network_def' whose '_target_' is one of"
                f" {sorted(NETWORKS)}; use a bundle made for WristQC."
            )
        target = definition["_target_"]
        if NETWORKS[target] != task:
            raise ModelError(
                f"'{root}' holds a network for {NETWORKS[target]}, but one for {task} is needed."
            )
        own = metadata.get("wristqc")
        if not isinstance(own, dict) or "name" not in metadata or "version" not in metadata:
            raise ModelError(
                f"'{root / METADATA}' lacks 'name', 'version' or 'wristqc';"
                " use a bundle made for WristQC."
            )
        weights = root / WEIGHTS
        try:
            digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        except OSError as error:
            raise ModelError(
                f"The weights '{weights}' cannot be read ({error.strerror}); copy the model folder"
                " again."
            ) from error
        identity = BundleIdentity(str(metadata["name"]), str(metadata["version"]), digest)
        arguments = {k: v for k, v in definition.items() if not k.startswith("_")}
        return cls(root, metadata, target, arguments, identity)

    def setting(self, key: str) -> Any:
        """``metadata["wristqc"][key]``.

        Raises
        ------
        ModelError
            If it is not there.
        """
        try:
            return self.metadata["wristqc"][key]
        except KeyError as error:
            raise ModelError(
                f"'{self.folder / METADATA}' lacks 'wristqc.{key}'; use a bundle made for WristQC."
            ) from error

    @property
    def input_size(self) -> tuple[int, int]:
        """(rows, columns) of the network's input."""
        rows, columns = self.setting("input_size")
        return int(rows), int(columns)

    def network(self, device: torch.device) -> nn.Module:
        """The network with its weights on `device`, in evaluation mode.

        Raises
        ------
        ModelError
            If the weights file is damaged or belongs to another network.
        """
        import_torch()
        import torch

        from WristQCLib.models.gu2net import GU2Net
        from WristQCLib.models.mobilenetv2 import MobileNetV2

        weights = self.folder / WEIGHTS
        try:
            kind = {"keypoints": GU2Net, "classification": MobileNetV2}
            network = kind[NETWORKS[self.network_target]](**self.network_arguments)
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"'network_def' in '{self.folder / INFERENCE}' is not understood: {error}."
            ) from error
        try:
            state = torch.load(weights, map_location="cpu", weights_only=True)
            network.load_state_dict(state)
        except Exception as error:  # torch.load raises a dozen kinds of error for a damaged file
            raise ModelError(
                f"The weights '{weights}' are damaged or belong to another network;"
                " copy the model folder again."
            ) from error
        return network.to(device, memory_format=torch.channels_last).eval()


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises
    ------
    ModelError
        If the file cannot be read or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(f"The model file '{path}' cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise ModelError(f"The model file '{path}' is not valid JSON: {error}.") from error
    if not isinstance(content, dict):
        raise ModelError(f"The model file '{path}' must hold a JSON object.")
    return content
