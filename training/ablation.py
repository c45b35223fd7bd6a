"""What each part of the keypoint detectors is worth: ``python -m training.ablation --help``.

``runtime`` leaves one part after the other out of a trained bundle and judges what is left on
labelled images. ``recipe`` trains small networks that differ from one configuration in one thing,
all on the same number of images, and judges each on the same ones. ``sources`` trains one
configuration on each of several folders of images alone, and on all of them. Each writes a Markdown
table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.progress import track

from training.config import TrainingConfig
from training.datasets import RadiographDataset, Source
from training.evaluation_report import point_figures
from training.export import export_weights, thinned
from training.labels import LabelledImage, label_paths, read_image, read_label
from training.metrics import best_threshold
from training.results import PointResult, compare, known_spacing
from training.tables import number, table
from training.train import Trainer, write_beside
from WristQCLib.findings import View
from WristQCLib.model_set import BUNDLED_MODELS
from WristQCLib.models import KeypointDetector
from WristQCLib.models.detector import Located
from WristQCLib.models.heatmaps import HeatMaps, Peak
from WristQCLib.models.preprocessing import FloatImage

app = typer.Typer(add_completion=False, help="What each part of the keypoint detectors is worth.")

Data = Annotated[list[Path], typer.Option(help="Folders of labelled images.")]
Out = Annotated[Path, typer.Option(help="Folder to write into.")]
Limit = Annotated[int, typer.Option(help="So many images of each view, evenly.")]

COLUMNS = ("count", "mre", "median", "p95", "sdr_1", "sdr_2", "sdr_4", "miss", "presence")
HEADER = ["", "n", "MRE mm", "median", "p95", "SDR 1 mm %", "2 mm %", "4 mm %", "> 10 mm %"]
HEADER += ["presence right %"]


class ByArgmax(KeypointDetector):
    """Takes the highest pixel of a heat map for the place, as the publication does."""

    def _peak(self, heat_map: HeatMaps, trusted: HeatMaps | None) -> Peak:
        sought = heat_map if trusted is None else heat_map * trusted
        row, column = np.unravel_index(int(sought.argmax()), heat_map.shape)
        return replace(super()._peak(heat_map, trusted), position=(float(column), float(row)))


class WithoutShape(KeypointDetector):
    """Knows nothing of how keypoints lie to each other, nor of the 12 cm of forearm."""

    def _axis(self, points: Mapping[str, tuple[float, float]]) -> None:
        return None


class WithoutShafts(KeypointDetector):
    """Does not ask whether a shaft leads to where its proximal point is seen."""

    def _answer(self, pixels: FloatImage, domain: int) -> Any:
        *answer, _ = super()._answer(pixels, domain)
        return *answer, None


class WithoutEnds(KeypointDetector):
    """Leaves proximal points where they were seen, also where their shafts go on."""

    def _ended(self, grey: object, located: Mapping[str, Located], *_: object) -> Any:
        return dict(located)


def _without_flips(detector: KeypointDetector) -> None:
    detector.averages_flips = False


def _without_second_look(detector: KeypointDetector) -> None:
    detector.refines = False


def _bare(detector: KeypointDetector) -> None:
    _without_flips(detector)
    _without_second_look(detector)


def _as_it_is(detector: KeypointDetector) -> None:
    pass


VARIANTS: Mapping[str, tuple[type[KeypointDetector], Callable[[KeypointDetector], None]]] = {
    "as shipped": (KeypointDetector, _as_it_is),
    "without averaging over flips": (KeypointDetector, _without_flips),
    "without second look": (KeypointDetector, _without_second_look),
    "place: highest pixel, not sub-pixel": (ByArgmax, _as_it_is),
    "without shape prior": (WithoutShape, _as_it_is),
    "ways along the shafts not asked": (WithoutShafts, _as_it_is),
    "not moved to the ends of shafts": (WithoutEnds, _as_it_is),
    "without second look and flips, highest pixel": (ByArgmax, _bare),
}

RECIPES: Mapping[str, Mapping[str, Any]] = {
    "base": {},
    "anisotropic letterbox": {"letterbox": "anisotropic"},
    "published resampling": {"network": {"resampling": "published"}},
    "heat-map loss alone": {
        "losses": {"heat_map": 1.0, "location": 0.0, "shafts": 0.0},
        "network": {"traces_shafts": False},
    },
    "shafts not traced": {"losses": {"shafts": 0.0}, "network": {"traces_shafts": False}},
    "presence from the whole image": {"network": {"presence_from": "image"}},
    "frontal net alone": {"views": ["frontal"], "turns": []},
    "lateral net alone": {"views": ["lateral"], "turns": []},
    "width 24": {"network": {"width": 24}},
    "width 64": {"network": {"width": 64}},
}
"""What a recipe changes of the base configuration; nested settings are merged."""


@app.command()
def runtime(
    data: Data,
    out: Out,
    models: Annotated[Path, typer.Option(help="Folder of bundles.")] = BUNDLED_MODELS,
    limit: Limit = 100,
) -> None:
    """Leave out parts of what happens around a trained network."""
    labels = _labels(data, limit)
    rows = []
    for view in View:
        own = [label for label in labels if label.keypoint_view is view]
        for name, (kind, change) in VARIANTS.items() if own else ():
            detector = kind.from_bundle(models / f"wrist_keypoints_{view}", "cpu")
            change(detector)
            rows.append(_row(f"{view}: {name}", _judged(detector, own, name)))
        if own:
            rows.append(_presence_by_height(models, view, own))
    write_table(out / "ablation_runtime.md", rows)


@app.command()
def recipe(
    config: Annotated[Path, typer.Option(help="Training configuration of the base.")],
    train: Annotated[list[str], typer.Option(help="FOLDER[=SHARE] to train on.")],
    data: Data,
    out: Out,
    only: Annotated[list[str] | None, typer.Option(help="These recipes; all by default.")] = None,
    epochs: Annotated[int, typer.Option(help="Of the configured size.")] = 4,
    limit: Limit = 100,
) -> None:
    """Train small networks that differ in one thing; goes on where it stopped."""
    folders = [Source.parse(text) for text in train]
    base = TrainingConfig.read(config).to_dict() | {"epochs": epochs, "threads": 1}
    chosen = only or list(RECIPES)
    trainings = {
        name: (TrainingConfig.from_dict(merged(base, RECIPES[name])), folders) for name in chosen
    }
    _compare(trainings, {"": _labels(data, limit)}, out, "ablation_recipe.md")


@app.command()
def sources(
    config: Annotated[Path, typer.Option(help="Training configuration.")],
    train: Annotated[list[str], typer.Option(help="FOLDER[=SHARE] to train on.")],
    data: Data,
    out: Out,
    epochs: Annotated[int, typer.Option(help="Of the configured size.")] = 4,
    limit: Limit = 100,
) -> None:
    """Train on each folder alone and on all; judged on what no training sees of each of `data`."""
    folders = [Source.parse(text) for text in train]
    chosen = replace(TrainingConfig.read(config), epochs=epochs, threads=1)
    trainings = {f"{folder.folder.name} alone": (chosen, [folder]) for folder in folders}
    trainings["all"] = chosen, folders
    judged = {f" of {folder.name}": _labels([folder], limit, "val") for folder in data}
    _compare(trainings, judged, out, "ablation_sources.md")


def _compare(
    trainings: Mapping[str, tuple[TrainingConfig, Sequence[Source]]],
    judged: Mapping[str, Sequence[LabelledImage]],
    out: Path,
    table_name: str,
) -> None:
    """Train one after the other and judge each on all images; the table grows with each.

    Trainings are by name; the images by what a row's title says of them.
    """
    torch.set_num_threads(1)
    rows = []
    for name, (config, folders) in trainings.items():
        for detector in _trained(config, folders, out / name.replace(" ", "_")):
            for of, labels in judged.items():
                own = [label for label in labels if label.keypoint_view is detector.view]
                rows.append(_row(f"{detector.view}{of}: {name}", _judged(detector, own, name)))
        write_table(out / table_name, sorted(rows))


def _trained(
    config: TrainingConfig, folders: Sequence[Source], run: Path
) -> Iterator[KeypointDetector]:
    """The detectors of a training, which goes on where it stopped."""
    training, validation = (RadiographDataset(folders, config, s) for s in ("train", "val"))
    Trainer(config, training, validation, run).run()
    state = torch.load(run / "last.pt", map_location="cpu", weights_only=True)["average"]
    weights = {k.removeprefix("module."): v for k, v in state.items() if k != "n_averaged"}
    check = [image.label for image in validation.images]
    for folder in export_weights(config, weights, check, run / "bundles", "0", 100, "Ablation."):
        yield KeypointDetector.from_bundle(folder, "cpu")


def merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with some of them changed, within nested ones too."""
    return dict(base) | {
        key: merged(base.get(key, {}), value) if isinstance(value, Mapping) else value
        for key, value in change.items()
    }


def write_table(path: Path, rows: Sequence[Sequence[str]]) -> None:
    """Write and show the table."""
    text = "\n".join(table(HEADER, rows)) + "\n"
    write_beside(path, text.encode())
    typer.echo(text)


def _labels(folders: Iterable[Path], limit: int, split: str | None = None) -> list[LabelledImage]:
    """`limit` images of each view, of several folders as of one."""
    labels = [read_label(path) for folder in folders for path in label_paths(folder, split)]
    return [
        label
        for view in View
        for label in thinned([x for x in labels if x.keypoint_view is view], limit)
    ]


def _judged(
    detector: KeypointDetector, labels: Sequence[LabelledImage], name: str
) -> list[PointResult]:
    return [
        result
        for label in track(labels, description=f"{detector.view}: {name}")
        for result in compare(
            label, detector.detect(read_image(label.image_path), known_spacing(label))
        )
    ]


def _row(title: str, results: Sequence[PointResult]) -> list[str]:
    figures = point_figures(results)
    return [title, *(number(figures[name]) for name in COLUMNS)]


def _presence_by_height(models: Path, view: View, labels: Sequence[LabelledImage]) -> list[str]:
    """How often the height of its heat map tells alone whether a point is in the image."""
    detector = KeypointDetector.from_bundle(models / f"wrist_keypoints_{view}", "cpu")
    heights: dict[str, list[float]] = {name: [] for name in detector.names}
    for label in labels:
        located = detector.locate(read_image(label.image_path), known_spacing(label))
        for name, point in located.items():
            heights[name].append(point.height)
    right = []
    for name, values in heights.items():
        truth = [name in label.points for label in labels]
        # The best threshold for these very images: an upper bound.
        threshold = best_threshold(values, truth)
        right += [(h >= threshold) == there for h, there in zip(values, truth, strict=True)]
    share = 100 * float(np.mean(right))
    cells = [number(share if name == "presence" else math.nan) for name in COLUMNS]
    return [f"{view}: presence by the height of the peak alone", *cells]


if __name__ == "__main__":
    app()
