"""Networks in ONNX beside a bundle's weights, for runtimes without PyTorch.

``models/model.onnx`` answers as the bundle does: heat maps and presence of the keypoints, or the
logit of a classifier. A keypoint bundle whose second look has a domain of its own has
``models/model_close.onnx`` too. Kernels are stored in half precision, which is how the weights are
stored as well, and are computed with in single precision.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from WristQCLib.models.gu2net import GU2Net

OPSET = 18

TOLERANCE = 1e-4
"""Largest difference of a probability or logit from PyTorch's that is accepted."""


class Domain(nn.Module):
    """One domain of a keypoint network: probabilities in its heat maps, and of each presence."""

    def __init__(self, network: GU2Net, domain: int) -> None:
        super().__init__()
        self.network = network
        self.domain = domain

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        heat_maps, presence = self.network.detect(image, self.domain)
        return torch.sigmoid(heat_maps), torch.sigmoid(presence)


def write_onnx(network: nn.Module, input_size: tuple[int, int], models: Path) -> list[Path]:
    """Write a network as ONNX into a bundle's ``models`` folder and compare the answers.

    Parameters
    ----------
    network
        With the weights as they are stored.
    input_size
        (rows, columns); the batch may have any size.
    models
        The folder.

    Raises
    ------
    ValueError
        If ONNX Runtime does not answer as PyTorch does.
    """
    parts: dict[str, tuple[nn.Module, list[str]]]
    if isinstance(network, GU2Net):
        outputs = ["heat_maps", "presence"]
        parts = {"model.onnx": (Domain(network, 0), outputs)}
        if network.domains > 1:
            parts["model_close.onnx"] = (Domain(network, 1), outputs)
    else:
        parts = {"model.onnx": (network, ["logit"])}
    image = torch.rand(2, 1, *input_size, generator=torch.Generator().manual_seed(0))
    written = []
    for name, (part, outputs) in parts.items():
        part.eval()
        path = models / name
        with (
            warnings.catch_warnings(),
            torch.inference_mode(),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                part,
                (image,),
                path,
                input_names=["image"],
                output_names=outputs,
                opset_version=OPSET,
                dynamo=False,
                # Batch norms are not merged into kernels, whose half precision would then lose.
                training=torch.onnx.TrainingMode.PRESERVE,
                dynamic_axes={n: {0: "batch"} for n in ("image", *outputs)},
            )
        model = onnx.load(path)
        halve(model)
        onnx.checker.check_model(model)
        onnx.save(model, path)
        compare(part, path, image)
        written.append(path)
    return written


def halve(model: onnx.ModelProto) -> None:
    """Store kernels in half precision, with a cast to single precision before their use."""
    graph, casts = model.graph, []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(numpy_helper.from_array(values, f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for cast in reversed(casts):
        graph.node.insert(0, cast)


def compare(network: nn.Module, path: Path, image: Tensor) -> None:
    """Run both on one input.

    Raises
    ------
    ValueError
        If they differ by more than `TOLERANCE`.
    """
    with torch.inference_mode():
        answer = network(image)
    expected = answer if isinstance(answer, tuple) else (answer,)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for ours, theirs in zip(expected, session.run(None, {"image": image.numpy()}), strict=True):
        difference = float(np.abs(ours.numpy() - theirs).max())
        if not difference <= TOLERANCE:
            raise ValueError(f"'{path}' differs from the network by {difference:.2g}.")
