"""The panel in a stand-in for the Slicer application, for tests: real Qt, real MRML."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import scene_app
import slicer_stubs
from slicer_database import CtkDatabase, Slicer
from slicer_stubs import run_until

from WristQCLib.labels import read_labelme
from WristQCLib.resources import RESOURCES

SAMPLES = RESOURCES / "SampleData"


def wrist_database(folder: Path, samples: Path) -> Any:
    """Slicer's database with the samples in it."""
    database = CtkDatabase(Slicer(folder).insert(*sorted(samples.glob("*.dcm"))))
    nothing = types.SimpleNamespace(connect=lambda slot: None, disconnect=lambda slot: None)
    database.databaseChanged = nothing
    return database


@pytest.fixture(scope="module")
def module(request: pytest.FixtureRequest) -> Iterator[types.ModuleType]:
    # Qt as PySide has it, not as it is inside Slicer.
    slicer_stubs.select_features(0, __name__, request.module.__name__)
    with scene_app.application() as app:
        views = [scene_app.MouseView(app, name) for name in ("Red", "Yellow")]
        with slicer_stubs.slicer_application(app) as module:
            yield module
        del views


@pytest.fixture(scope="module")
def markers_recognised_once() -> Iterator[None]:
    """The samples come again and again, and recognition takes longer than all the rest."""
    import WristQCLib.assessor as assessor

    recognise, known = assessor.recognise_side_marker, {}

    def remembered(image: Any, **options: Any) -> Any:
        key = (image.shape, float(image.sum()), float(image[::7, ::5].sum()))
        if key not in known:
            known[key] = recognise(image, **options)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assessor, "recognise_side_marker", remembered)
        yield


@pytest.fixture
def slicer(module: types.ModuleType) -> Any:
    return sys.modules["slicer"]


@pytest.fixture
def widget(
    module: types.ModuleType, slicer: Any, markers_recognised_once: None, tmp_path: Path
) -> Iterator[Any]:
    slicer.mrmlScene.Clear(0)
    slicer.app._settings.clear()
    slicer.app._settings["WristQC/LabelsFolder"] = str(tmp_path / "labels of readers")
    slicer.app.messages.clear()
    widget = slicer_stubs.make_widget(module)
    widget._parameterNode.useModels = False
    yield widget
    widget.cleanup()
    slicer_stubs.errors_of_slots()
    slicer.mrmlScene.Clear(0)


def text(widget: Any) -> str:
    return str(widget.property("text"))


def run(widget: Any, *names: str) -> None:
    """Assess sample files, by the panel's own buttons."""
    source = type(widget._parameterNode.source)
    widget._parameterNode.source = source.FILES
    for name in names:
        widget.ui.filesPathLineEdit.setProperty("currentPath", str(SAMPLES / f"{name}.dcm"))
        widget.ui.applyButton.click()
        run_until(lambda: not widget.review.busy, 60)


def label(widget: Any) -> None:
    """Place the points where they are."""
    truth = read_labelme(SAMPLES / f"{widget.review.current.name}.json").keypoints
    for point in truth:
        if point.position is None:
            widget.review.session.mark_absent(point.name)
        else:
            widget.review.session.move(point.name, point.position)


def rows(table: Any) -> list[list[str]]:
    return [
        [table.item(r, c).text() if table.item(r, c) else "" for c in range(table.columnCount())]
        for r in range(table.rowCount())
    ]
