"""The README's examples for Slicer's Python console, run as they stand."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("PySide6", reason="PySide6 is not installed: pip install PySide6-Essentials")
pytest.importorskip("slicer", reason="slicer-core is not installed")

import scene_app
import slicer_stubs
from test_module_widget import SAMPLES, wrist_database

from WristQCLib.assessor import Assessor, NoModels
from WristQCLib.radiograph import read_radiograph
from WristQCLib.resources import RESOURCES
from WristQCLib.scene import create_volume_node

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
CONSOLE = README.split("### From Slicer's Python console")[1].split("\n## ")[0]
EXAMPLES = re.findall(r"```python\n(.*?)```", CONSOLE, re.DOTALL)


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    with scene_app.application() as app, slicer_stubs.slicer_application(app) as module:
        yield module


def test_the_examples_for_slicers_console_run(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    slicer: Any = sys.modules["slicer"]
    told: list[str] = []
    slicer.util.showStatusMessage = told.append
    monkeypatch.setattr(slicer, "dicomDatabase", wrist_database(tmp_path / "database", SAMPLES))
    without_models = Assessor.create(NoModels())
    monkeypatch.setattr(module.WristQCLogic, "assessor", lambda self, **settings: without_models)
    create_volume_node(slicer.mrmlScene, read_radiograph(SAMPLES / "frontal_bad.dcm"))
    namespace: dict[str, Any] = {"slicer": slicer}
    volume, studies, table = EXAMPLES
    exec(volume, namespace)
    assert capsys.readouterr().out.startswith("frontal_bad: grade D, 26 of 100")
    exec(studies, namespace)
    lines = capsys.readouterr().out.splitlines()  # of the study of April 2025
    assert lines[0] == "frontal D 26"
    assert [line.split()[0] for line in lines] == ["frontal", "lateral"]
    exec(table.replace("/path/to/folder", str(tmp_path / "out")), namespace)
    assert len(Path(namespace["table"]).read_text(encoding="utf-8-sig").splitlines()) == 7
    assert told[0].startswith("1 of 6: ")
    assert (tmp_path / "out" / "index.html").is_file() or list((tmp_path / "out").rglob("*.html"))


def test_the_settings_that_the_readme_names_are_the_logics(module: Any) -> None:
    import inspect

    named = set(re.findall(r"`(\w+)=", CONSOLE))
    assert named == set(inspect.signature(module.WristQCLogic.assessor).parameters) - {"self"}


def test_what_the_tutorial_names_is_in_the_panel() -> None:
    panel = (Path(__file__).parents[1] / "WristQC/Resources/UI/WristQC.ui").read_text("utf-8")
    for text in (
        "Install what is missing", "Images", "Sample images", "Result", "How to do better",
        "Corrections", "Place by click", "Not in the image", "Undo", "Order:", "Save all images",
        "Settings",
    ):  # fmt: skip
        assert f">{text}<" in panel, text
        assert text.rstrip(":") in README


def test_the_pictures_of_the_readme_exist() -> None:
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert len(shown) >= 2
    assert all((RESOURCES.parent / path).is_file() for path in shown)
