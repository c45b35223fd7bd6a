"""Turn a run into bundles: ``python -m training.export --run RUN --data FOLDER ... --version X``.

A keypoint run gives one bundle for each of its views (with that view's domain only), a classifier
run gives one. Presence thresholds, the spread's scale and the decision threshold are set on the
validation images of the data folders; the figures reached there go into the metadata.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import monai
import numpy as np
import torch
from scipy.special import expit
from torch import Tensor

from training.calibration import Error, fit_spread, platt, rounded
from training.config import TrainingConfig
from training.evaluation_report import point_figures
from training.labels import LabelledImage, label_paths, read_image, read_label
from training.metrics import classification_figures, coverage
from training.onnx_export import write_onnx
from training.results import compare, known_spacing
from training.train import save, write_beside
from training.view_networks import of_view
from WristQCLib.findings import View
from WristQCLib.keypoints import KEYPOINT_NAMES
from WristQCLib.model_set import BUNDLED_MODELS
from WristQCLib.models import ImageClassifier, KeypointDetector
from WristQCLib.models.bundles import INFERENCE, METADATA, NETWORKS, TRAIN, WEIGHTS, Bundle
from WristQCLib.models.familiarity import Familiarity

T = TypeVar("T")

CALIBRATED_THRESHOLD = 0.5
"""Of a probability that is calibrated, no other is right more often. The one that is, on some
hundred images, hangs on few of them."""

THRESHOLD_RANGE = (0.2, 0.6)
"""Of a keypoint's presence: few of them are absent, and few images may not decide."""

KEPT_BITS = 6
"""Of the mantissa of a stored kernel's weights."""

CLASSIFIER_LABELS = {"artefact": ("artefact", "none"), "view": ("frontal", "lateral")}

INPUT_SCALES = {"artefact": (0.75, 1.0, 1.25)}
"""See `ImageClassifier.scales`: AUC 0.9625 instead of 0.9554 on 515 validation images."""

DESCRIPTIONS = {
    "wrist_keypoints_frontal": "Thumb metacarpophalangeal joint, radial and ulnar styloid in a"
    " frontal wrist radiograph: heat maps and presence.",
    "wrist_keypoints_lateral": "Centres of scaphoid, distal and proximal radius, distal and"
    " proximal ulna in a lateral wrist radiograph: heat maps and presence.",
    "wrist_artefact": "Whether a foreign object (jewellery, watch, clothing, line, cast ...) is in"
    " a wrist radiograph.",
    "wrist_view": "Whether a wrist radiograph is frontal or lateral.",
}

TRAINING_DATA = (
    "Simulated wrist radiographs (training.simulate), and real ones: Malik, Jabbar, Mehmood: Wrist"
    " Fracture - X-rays, Mendeley Data, 2020, doi 10.17632/xbdsnzr8ct.1, CC BY 4.0; Nagy, Janisch,"
    " Hrzic, Sorantin, Tschauner: A pediatric wrist trauma X-ray dataset (GRAZPEDWRI-DX) for"
    " machine learning, Scientific Data 9, 222, 2022, CC BY 4.0. Keypoints of the real images were"
    " placed by one reader; every seventh of them was held out for validation."
)


def stored(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights as they are stored: kernels rounded to half precision, norms and biases as they are.

    Six of the ten bits of a kernel's mantissa are kept. Files are a fifth smaller for it wherever
    they are compressed, in an archive or in git; the keypoints of 500 simulated frontal images
    moved by 0.006 mm in the mean. All are laid out by channel, as in ONNX: the same bytes are kept
    once where files are stored by their differences.
    """
    contiguous = {name: tensor.detach().contiguous() for name, tensor in state.items()}
    return {
        name: rounded_half(tensor) if tensor.ndim >= 2 else tensor
        for name, tensor in contiguous.items()
    }


def rounded_half(tensor: Tensor) -> Tensor:
    """In half precision, with `KEPT_BITS` bits of the mantissa."""
    dropped = 10 - KEPT_BITS
    bits = tensor.half().view(torch.int16)
    return ((bits + (1 << dropped >> 1)) >> dropped << dropped).view(torch.float16)


def network_definition(config: TrainingConfig, view: View | None) -> dict[str, Any]:
    """``network_def`` of a bundle."""
    keypoints, classification = NETWORKS
    if config.task == "keypoints":
        assert view is not None
        points = [len(KEYPOINT_NAMES[view])] * (2 if config.close_domains else 1)
        return {"_target_": keypoints, "out_channels": points, **config.network}
    return {"_target_": classification, "out_channels": 1, **config.network}


def inference_config(definition: Mapping[str, Any], config: TrainingConfig) -> dict[str, Any]:
    """``configs/inference.json``: the network on whole images, in MONAI's configuration language.

    ``python -m monai.bundle run --config_file configs/inference.json --images "['a.png']"``
    prints what WristQC's own runtime finds.
    """
    keypoints = config.task == "keypoints"
    runtime = "KeypointDetector" if keypoints else "ImageClassifier"
    call = "detect" if keypoints else "probability"
    return {
        "imports": [
            "$import numpy",
            "$import torch",
            "$from PIL import Image",
            "$from WristQCLib import models",
            "$from WristQCLib.models import letterbox",
        ],
        "bundle_root": ".",
        "images": [],
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "network_def": dict(definition),
        "network": "$@network_def.to(@device)",
        "checkpoint": "$@bundle_root + '/models/model.pt'",
        "load_weights": "$@network_def.load_state_dict("
        "torch.load(@checkpoint, map_location='cpu', weights_only=True))",
        "input_size": list(config.input_size),
        "isotropic": config.letterbox == "isotropic",
        "preprocessing": "$lambda pixels: torch.from_numpy("
        "letterbox.network_input(pixels, tuple(@input_size), @isotropic)[None])",
        "inferer": {"_target_": "monai.inferers.SimpleInferer"},
        "runtime": f"$models.{runtime}.from_bundle(@bundle_root, str(@device))",
        "run": [
            f"$[print(path, @runtime.{call}(numpy.asarray(Image.open(path).convert('F'))))"
            " for path in @images]"
        ],
    }


def metadata(
    name: str, version: str, config: TrainingConfig, own: Mapping[str, Any], changes: str
) -> dict[str, Any]:
    """``configs/metadata.json`` with MONAI's keys and WristQC's own."""
    rows, columns = config.input_size
    keypoints = config.task == "keypoints"
    names = own["keypoints"] if keypoints else list(CLASSIFIER_LABELS[config.task][:1])
    stride = int(config.network.get("input_stride", 1))
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/"
        "meta_schema_20240725.json",
        "name": name,
        "version": version,
        "changelog": {version: changes},
        "monai_version": monai.__version__,
        "pytorch_version": torch.__version__.partition("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {},
        "supported_apps": {},
        "task": "Anatomical landmark detection" if keypoints else "Image classification",
        "description": DESCRIPTIONS[name],
        "authors": "The WristQC authors",
        "copyright": "The WristQC authors; Apache License 2.0",
        "data_source": TRAINING_DATA,
        "data_type": "image",
        "image_classes": "one grey channel, bright = dense, normalised to [0, 1]",
        "label_classes": ", ".join(names),
        "pred_classes": ", ".join(names),
        "eval_metrics": own["figures"],
        "intended_use": "Quality control of positioning in wrist radiographs; research only, not a"
        " diagnostic device.",
        "references": [
            "Zhu, Yao, Xiao, Zhou: You Only Learn Once: Universal Anatomical Landmark Detection,"
            " MICCAI 2021"
            if keypoints
            else "Sandler, Howard, Zhu, Zhmoginov, Chen: MobileNetV2: Inverted Residuals and Linear"
            " Bottlenecks, CVPR 2018"
        ],
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "magnitude",
                    "modality": "X-ray",
                    "num_channels": 1,
                    "spatial_shape": [rows, columns],
                    "dtype": "float32",
                    "value_range": [0, 1],
                    "is_patch_data": False,
                    "channel_def": {"0": "image"},
                }
            },
            "outputs": {
                "pred": {
                    "type": "probabilities",
                    "format": "heat maps" if keypoints else "logit",
                    "num_channels": len(names),
                    "spatial_shape": [rows // stride, columns // stride] if keypoints else [1],
                    "dtype": "float32",
                    "value_range": [0, 1] if keypoints else [],
                    "is_patch_data": False,
                    "channel_def": {str(i): n for i, n in enumerate(names)},
                }
            },
        },
        "wristqc": {
            "task": config.task,
            "input_size": [rows, columns],
            "letterbox": config.letterbox,
            "preprocessing": "grey values stretched between the 1st and 99th percentile of the"
            " exposed field, then letterboxed (WristQCLib.models.letterbox.network_input)",
            **own,
        },
    }


def write_bundle(
    folder: Path,
    state: Mapping[str, Tensor],
    config: TrainingConfig,
    view: View | None,
    version: str,
    own: Mapping[str, Any],
    changes: str,
) -> None:
    """Write all files of a bundle; each beside its place first."""
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    (folder / "models").mkdir(exist_ok=True)
    definition = network_definition(config, view)
    for path, content in (
        (METADATA, metadata(folder.name, version, config, own, changes)),
        (INFERENCE, inference_config(definition, config)),
        (TRAIN, config.to_dict()),
    ):
        write_beside(folder / path, json.dumps(content, indent=1).encode() + b"\n")
    save(folder / WEIGHTS, stored(state))


def calibrate_keypoints(
    detector: KeypointDetector, labels: Sequence[LabelledImage]
) -> dict[str, Any]:
    """Thresholds, spreads and figures of a detector on validation images.

    The detector must have been exported with thresholds of 0 and plain spreads. Real images count
    as much as simulated ones, however few they are: errors are larger there.
    """
    located = [
        (label, detector.locate(read_image(label.image_path), known_spacing(label)))
        for label in labels
    ]
    weighed = balanced(located)
    detector.thresholds = {
        name: presence_threshold(
            [points[name].presence for label, points in weighed if name not in label.unknown],
            [name in label.points for label, _ in weighed if name not in label.unknown],
        )
        for name in detector.names
    }
    errors = [
        Error(
            name,
            float(np.hypot(*np.subtract(point.position, label.points[name]))) / point.pixel,
            point.extent,
            point.height,
        )
        for label, points in weighed
        for name, point in points.items()
        if name in label.points and point.presence >= detector.thresholds[name]
    ]
    factors, (by_extent, by_height) = fit_spread(errors, detector.names)
    detector.spread_factors = rounded(factors)
    detector.spread_exponents = round(by_extent, 3), round(by_height, 3)
    results = [
        result
        for label, points in located
        for result in compare(label, detector.keypoints(points, label.size))
    ]
    figures: dict[str, Any] = {"images": len(labels)}
    for kind in ("simulated", "real"):
        part = [r for r in results if bool(r.factors) == (kind == "simulated")]
        if part:
            figures[kind] = rounded(point_figures(part), 3)
    held = [(r.error_px, r.spread_px) for r in results if not math.isnan(r.error_px)]
    if held:
        shares = coverage(*zip(*held, strict=True))
        figures["within_circle"] = {f"{share:.0%}": round(x, 3) for share, x in shares.items()}
    return {
        "presence_thresholds": detector.thresholds,
        "spread_factors": detector.spread_factors,
        "spread_exponents": list(detector.spread_exponents),
        "figures": figures,
    }


def balanced(
    images: Sequence[tuple[LabelledImage, T]],
) -> list[tuple[LabelledImage, T]]:
    """The images with the rarer kind, real or simulated, repeated until both are about as many."""
    real = [image for image in images if not image[0].factors]
    simulated = [image for image in images if image[0].factors]
    few, many = sorted((real, simulated), key=len)
    return few * (len(many) // len(few) if few else 0) + many


def presence_threshold(scores: Sequence[float], truth: Sequence[bool]) -> float:
    """The presence that calibration makes `CALIBRATED_THRESHOLD`, kept in `THRESHOLD_RANGE`."""
    slope, offset = platt(scores, truth)
    return round(float(np.clip(expit(-offset / slope), *THRESHOLD_RANGE)), 3)


def calibrate_classifier(
    classifier: ImageClassifier, task: str, labels: Sequence[LabelledImage]
) -> dict[str, Any]:
    """Calibration and figures of a classifier on validation images.

    The classifier must have been exported without a calibration.
    """
    labels = [label for label in labels if task == "artefact" or label.view is not None]
    scores = [
        classifier.probability(read_image(label.image_path))[classifier.labels[0]]
        for label in labels
    ]
    truth = [
        label.artefact if task == "artefact" else label.view is View.FRONTAL for label in labels
    ]
    # Both views are learnt from about as many images; objects are laid into some, and cut about.
    line = platt(scores, truth, leaning=task == "artefact")
    slope, offset = (round(value, 4) for value in line)
    logits = np.log(np.clip(scores, 1e-9, 1 - 1e-9) / (1 - np.clip(scores, 1e-9, 1 - 1e-9)))
    calibrated = (1 / (1 + np.exp(-(slope * logits + offset)))).tolist()
    figures = classification_figures(calibrated, truth, CALIBRATED_THRESHOLD)
    return {
        "calibration": [slope, offset],
        "threshold": CALIBRATED_THRESHOLD,
        "figures": {k: round(v, 4) for k, v in figures.items()},
    }


def familiarity_of(
    detector: KeypointDetector, known: Sequence[LabelledImage], held_out: Sequence[LabelledImage]
) -> dict[str, Any]:
    """The setting ``familiarity`` of a detector from images of its training and others."""
    features = [
        np.array([detector.features(read_image(label.image_path)) for label in labels])
        for labels in (known, held_out)
    ]
    return Familiarity.fit(*features).to_setting()


def export(
    run: Path,
    folders: Sequence[Path],
    models: Path,
    version: str,
    limit: int,
    changes: str,
    start_share: float = 0.0,
) -> list[Path]:
    """Export a run's best weights, or their average with its start; returns the bundle folders."""
    config = TrainingConfig.read(run / "config.json")
    state = torch.load(run / "best.pt", map_location="cpu", weights_only=True)
    if not 0.0 <= start_share <= 1.0:
        raise ValueError(f"--start-share is {start_share}; it must be from 0 to 1.")
    if start_share > 0.0:
        if not (run / "start.pt").is_file():
            raise ValueError(f"'{run}' did not begin with other weights: leave out --start-share.")
        start = torch.load(run / "start.pt", map_location="cpu", weights_only=True)
        state = averaged(state, start, start_share)
    labels, known = (
        [read_label(path) for folder in folders for path in label_paths(folder, split)]
        for split in ("val", "train")
    )
    return export_weights(config, state, labels, models, version, limit, changes, known)


def averaged(
    state: Mapping[str, Tensor], start: Mapping[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Weights between those that a training came to and, with their `share`, those it began with.

    After Wortsman et al.: "Robust fine-tuning of zero-shot models" (CVPR 2022): better than either
    on images like those of the training, and on others.
    """
    return {
        name: torch.lerp(tensor, start[name], share) if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }


def export_weights(
    config: TrainingConfig,
    state: Mapping[str, Tensor],
    labels: Sequence[LabelledImage],
    models: Path,
    version: str,
    limit: int,
    changes: str,
    known: Sequence[LabelledImage] = (),
) -> list[Path]:
    """Export weights, with what is set on labelled images; returns the bundle folders.

    Parameters
    ----------
    config, state
        Of the training.
    labels
        Validation images; of a keypoint bundle those of its view count.
    models
        Where the bundle folders go.
    version, changes
        For the metadata.
    limit
        Most simulated images of a bundle, beside all real ones: of `labels`, and of `known`.
    known
        Images of the training, by which a keypoint bundle tells how unusual an image is; without
        any it does not tell.
    """
    made = []
    views = [View(v) for v in config.views] if config.task == "keypoints" else [None]
    for domain, view in enumerate(views):
        if view is None:
            name, weights, chosen = f"wrist_{config.task}", state, labels
            own: dict[str, Any] = {"labels": list(CLASSIFIER_LABELS[config.task])}
            own |= {"input_scales": list(INPUT_SCALES.get(config.task, (1.0,)))}
            start: dict[str, Any] = {"threshold": CALIBRATED_THRESHOLD}
        else:
            name, chosen = f"wrist_keypoints_{view}", [x for x in labels if x.keypoint_view is view]
            weights = of_view(state, domain, len(views))
            names = KEYPOINT_NAMES[view]
            own = {
                "view": view.value,
                "keypoints": list(names),
                "sigma": config.sigma,
                "second_look": config.augmentation.zoom > 0,
            }
            start = {
                "presence_thresholds": dict.fromkeys(names, 0.0),
                "spread_factors": dict.fromkeys(names, 1.0),
                "spread_exponents": [1.0, 0.0],
            }
        own |= {
            "flip_average": config.augmentation.flip > 0,
            "training_data": TRAINING_DATA,
            "date": date.today().isoformat(),
        }
        chosen = thinned(chosen, limit)
        with tempfile.TemporaryDirectory() as temporary:
            # The bundle judges itself through the runtime that will use it.
            draft = Path(temporary) / name
            write_bundle(draft, weights, config, view, version, own | start | {"figures": {}}, "")
            if view is None:
                classifier = ImageClassifier.from_bundle(draft, "cpu")
                own |= calibrate_classifier(classifier, config.task, chosen)
            else:
                detector = KeypointDetector.from_bundle(draft, "cpu")
                own |= calibrate_keypoints(detector, chosen)
                seen = thinned([x for x in known if x.keypoint_view is view], limit)
                if seen and chosen:
                    own["familiarity"] = familiarity_of(detector, seen, chosen)
            write_bundle(draft, weights, config, view, version, own, changes)
            bundle = Bundle.read(draft, "classification" if view is None else "keypoints")
            write_onnx(bundle.network(torch.device("cpu")), config.input_size, draft / "models")
            shutil.copytree(draft, models / name, dirs_exist_ok=True)
        made.append(models / name)
    return made


def thinned(labels: Sequence[LabelledImage], limit: int) -> list[LabelledImage]:
    """At most `limit` labels, evenly; real images (without simulator factors) are all kept."""
    real = [label for label in labels if not label.factors]
    simulated = [label for label in labels if label.factors]
    step = max(1.0, len(simulated) / max(1, limit - len(real)))
    return real + [simulated[int(k * step)] for k in range(int(len(simulated) / step))]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.export", description=__doc__)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, nargs="+", required=True)
    parser.add_argument("--models", type=Path, default=BUNDLED_MODELS)
    parser.add_argument("--version", required=True)
    parser.add_argument("--limit", type=int, default=400, help="validation images per bundle")
    parser.add_argument("--changes", default="Trained and exported.", help="for the changelog")
    parser.add_argument(
        "--start-share",
        type=float,
        default=0.0,
        help="average the weights with those that the run began with, which get this share",
    )
    options = parser.parse_args(arguments)
    try:
        made = export(
            options.run,
            options.data,
            options.models,
            options.version,
            options.limit,
            options.changes,
            options.start_share,
        )
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    for folder in made:
        print(folder)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
