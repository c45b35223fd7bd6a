"""Comparisons of recipes and of sources of images: small trainings that differ in one thing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("monai")

from typer.testing import CliRunner  # noqa: E402

from Testing.test_training_data import config  # noqa: E402
from Testing.test_training_run import corpus, curves  # noqa: E402
from training import ablation, export  # noqa: E402
from training.config import Augmentation, LossWeights, TrainingConfig  # noqa: E402


@pytest.fixture(autouse=True)
def without_onnx(monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX files take most of the time of a tiny training."""
    monkeypatch.setattr(export, "write_onnx", lambda network, size, folder: [])


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    plain = config(samples_per_epoch=4, average=0.5, close_domains=True)
    tiny = replace(
        plain,
        network=plain.network | {"traces_shafts": True},
        losses=LossWeights(0.1, 1.0, 1.0, shafts=0.01),
        augmentation=Augmentation(zoom=0.5),
    )
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(tiny.to_dict()))
    return path


def run(*arguments: object) -> str:
    result = CliRunner().invoke(ablation.app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def titles(table: Path) -> list[str]:
    rows = table.read_text().splitlines()[2:]
    return [row.split("|")[1].strip() for row in rows]


def test_a_recipe_changes_one_thing_and_leaves_its_neighbours() -> None:
    base = {"network": {"width": 40, "input_stride": 4}, "sigma": 5.0}
    changed = ablation.merged(base, {"network": {"width": 24}})
    assert changed == {"network": {"width": 24, "input_stride": 4}, "sigma": 5.0}
    assert base["network"] == {"width": 40, "input_stride": 4}


def test_every_recipe_is_a_configuration(settings: Path) -> None:
    base = TrainingConfig.read(settings).to_dict()
    made = {
        n: TrainingConfig.from_dict(ablation.merged(base, c)) for n, c in ablation.RECIPES.items()
    }
    assert len({json.dumps(one.to_dict()) for one in made.values()}) == len(made)
    assert made["heat-map loss alone"].losses == LossWeights(1.0, 0.0, 1.0, shafts=0.0)
    assert made["lateral net alone"].views == ("lateral",)


def test_recipes_are_trained_once_and_each_is_judged(tmp_path: Path, settings: Path) -> None:
    corpus(tmp_path / "data")
    arguments = ["recipe", "--config", settings, "--train", tmp_path / "data", "--epochs", 1]
    arguments += ["--data", tmp_path / "data", "--out", tmp_path / "out", "--limit", 2]
    arguments += ["--only", "base", "--only", "shafts not traced"]
    run(*arguments)
    expected = [
        f"{view}: {n}" for view in ("frontal", "lateral") for n in ("base", "shafts not traced")
    ]
    assert titles(tmp_path / "out" / "ablation_recipe.md") == expected
    run(*arguments)  # goes on where it was: at the end
    assert len(curves(tmp_path / "out" / "base")) == 1


def test_each_source_is_trained_on_alone_and_all_are_judged_on_what_none_saw(
    tmp_path: Path, settings: Path
) -> None:
    for name in ("simulated", "real"):
        corpus(tmp_path / name)
    arguments = ["sources", "--config", settings, "--epochs", 1, "--out", tmp_path / "out"]
    arguments += ["--train", f"{tmp_path / 'simulated'}=3", "--train", tmp_path / "real"]
    run(*arguments, "--data", tmp_path / "real", "--limit", 9)
    table = tmp_path / "out" / "ablation_sources.md"
    kinds = ("all", "real alone", "simulated alone")
    assert titles(table) == [f"{v} of real: {k}" for v in ("frontal", "lateral") for k in kinds]
    # Two of the real images of each view are for validation; only these are judged.
    row = next(r for r in table.read_text().splitlines() if "lateral of real: all" in r)
    assert int(row.split("|")[2]) <= 2 * 3  # each has three of the points
