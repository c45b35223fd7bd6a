"""The panel itself, in a stand-in for the Slicer application: real Qt, real MRML."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("PySide6", reason="PySide6 is not installed: pip install PySide6-Essentials")
pytest.importorskip("slicer", reason="slicer-core is not installed")

import panel_fixtures
import slicer_stubs
from panel_fixtures import SAMPLES, label, rows, run, text, wrist_database
from slicer_stubs import run_until

from WristQCLib.labels import read_labelme

# The overload for int is the one that Qt 5 has.
pytestmark = pytest.mark.filterwarnings("ignore:.*setTextAlignment:DeprecationWarning")

module, slicer, widget = panel_fixtures.module, panel_fixtures.slicer, panel_fixtures.widget
markers_recognised_once = panel_fixtures.markers_recognised_once

REAL = bool(slicer_stubs.SLICER_PYTHON)


def test_the_panel_opens_with_what_the_parameter_node_says(widget, module):
    assert widget.ui.sourceComboBox.count() == 3
    assert widget.ui.deviceComboBox.currentText() == "automatic"
    assert widget.ui.saveHtmlCheckBox.isChecked()
    assert not widget.ui.includeIdentityCheckBox.isChecked()
    assert not widget.ui.useModelsCheckBox.isChecked()


def test_each_source_has_its_page(widget, module):
    pages = [widget.ui.databasePage, widget.ui.volumePage, widget.ui.filesPage]
    for n, source in enumerate(module.InputSource):
        widget._parameterNode.source = source
        assert [not page.isHidden() for page in pages] == [k == n for k in range(3)]


def test_a_run_shows_grade_tasks_and_advice(widget):
    run(widget, "frontal_bad")
    assert text(widget.ui.gradeLabel) == "D"
    assert "26" in text(widget.ui.totalLabel)
    assert "26 to 72 possible" in text(widget.ui.rangeLabel)
    table = rows(widget.ui.tasksTable)
    assert table[0] == ["✗ Basic information in the DICOM header", "13 of 17", "26/34"]
    assert table[1][0].startswith("Missing: ")
    run_until(lambda: not widget.result.rest_timer.property("active"))
    assert rows(widget.ui.adviceTable)[0][0] == "+20"
    assert text(widget.ui.applyButton) == "Assess"


def test_the_button_becomes_cancel_while_images_are_assessed(widget, module):
    widget._parameterNode.source = module.InputSource.FILES
    widget.ui.filesPathLineEdit.setProperty("currentPath", str(SAMPLES))
    widget.ui.applyButton.click()
    assert text(widget.ui.applyButton) == "Cancel"
    assert not widget.ui.runProgressBar.isHidden()
    widget.ui.applyButton.click()
    run_until(lambda: not widget.review.busy, 60)
    assert sum(i.assessment is not None for i in widget.review.items) < 6
    assert text(widget.ui.applyButton) == "Assess"
    assert widget.ui.runProgressBar.isHidden()
    run_until(lambda: not widget.runTimer.property("active"))


def test_the_score_follows_a_point_and_is_undone_and_redone(widget):
    run(widget, "frontal_good")
    label(widget)
    assert widget.review.assessment.score.total == 90
    node = widget.review.session.points_node
    x, y, z = node.GetNthControlPointPosition(1)
    node.SetNthControlPointPosition(1, x, y - 20, z)
    total = widget.review.assessment.score.total
    assert total < 90
    assert f">{total}<" in text(widget.ui.totalLabel)
    assert widget.ui.imageComboBox.currentText().split()[1].startswith(str(total))
    widget.ui.undoButton.click()
    assert ">90<" in text(widget.ui.totalLabel)
    assert widget.ui.redoButton.isEnabled()
    widget.ui.redoButton.click()
    assert f">{total}<" in text(widget.ui.totalLabel)


def test_view_side_and_artefact_are_stated_in_boxes(widget):
    run(widget, "frontal_good")
    label(widget)
    widget.ui.artefactComboBox.activated.emit(1)
    assert text(widget.ui.gradeLabel) == "A"
    assert text(widget.ui.rangeLabel) == ""
    widget.ui.sideComboBox.activated.emit(1)  # the sample is a right wrist with its marker
    assert widget.review.assessment.score.task("side_marker").points == 0
    widget.ui.viewComboBox.activated.emit(2)
    assert rows(widget.ui.keypointsTable)[0] == ["P1 scaphoid centre", "to be placed"]
    widget.ui.viewComboBox.activated.emit(0)  # what is known cannot be unsaid
    assert widget.ui.viewComboBox.currentIndex() == 2


def test_a_keypoint_is_placed_by_a_click_or_said_not_to_be_in_the_image(widget, slicer):
    run(widget, "frontal_bad")
    assert not widget.ui.placeButton.isEnabled()
    widget.ui.keypointsTable.selectRow(0)
    widget.ui.absentButton.click()
    assert rows(widget.ui.keypointsTable)[0][1].startswith("not in the image, by ")
    widget.ui.keypointsTable.selectRow(1)
    widget.ui.placeButton.click()
    mode = slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    assert mode.GetCurrentInteractionMode() == mode.Place


def test_choosing_a_task_draws_its_lines_alone_and_choosing_it_again_all(widget):
    run(widget, "frontal_good")
    label(widget)
    titles = [row[0] for row in rows(widget.ui.tasksTable)]
    row = next(n for n, title in enumerate(titles) if "perpendicular" in title)
    overlay = widget.review.session._overlay
    widget.ui.tasksTable.cellClicked.emit(row, 0)
    assert overlay._tasks == ("frontal_3",)
    widget.ui.tasksTable.cellClicked.emit(row, 0)
    assert overlay._tasks == ()


def test_a_pixel_size_is_asked_for_only_where_the_file_tells_none(widget):
    line = widget.ui.spacingLineEdit
    run(widget, "frontal_good")
    assert line.isHidden()
    assert widget.ui.spacingLabel.isHidden()
    run(widget, "lateral_no_spacing")
    widget.ui.nextButton.click()
    assert not line.isHidden()
    assert text(line) == ""
    assert "pixel size is unknown" in text(widget.ui.remarksLabel)


def state_spacing(widget: Any, said: str) -> None:
    widget.ui.spacingLineEdit.setProperty("text", said)
    widget.ui.spacingLineEdit.editingFinished.emit()


def test_a_stated_pixel_size_makes_lengths_count_and_is_taken_back_by_emptying_it(widget):
    run(widget, "lateral_no_spacing")
    label(widget)
    assert widget.review.assessment.score.total == 78
    state_spacing(widget, "0,2 mm")
    assert widget.review.assessment.geometry.spacing == (0.2, 0.2)
    assert widget.review.assessment.score.task("lateral_3").assessable
    assert text(widget.ui.spacingLineEdit) == "0.2"
    assert not widget.ui.spacingLineEdit.isHidden()  # what was stated can be changed
    assert "pixel size is unknown" not in text(widget.ui.remarksLabel)
    state_spacing(widget, "")
    assert widget.review.assessment.score.total == 78
    assert "pixel size is unknown" in text(widget.ui.remarksLabel)


def test_an_impossible_pixel_size_is_refused_and_leaves_what_was(widget, slicer):
    run(widget, "lateral_no_spacing")
    state_spacing(widget, "20")
    assert "cannot be" in slicer.app.messages[-1]
    assert text(widget.ui.spacingLineEdit) == ""
    assert not widget.review.assessment.spacing.known


def test_a_move_touches_only_the_cells_that_changed(widget):
    run(widget, "frontal_good")
    label(widget)
    table, touched = widget.ui.tasksTable, []
    table.itemChanged.connect(lambda item: touched.append((item.row(), item.column())))
    node = widget.review.session.points_node
    x, y, z = node.GetNthControlPointPosition(1)
    node.SetNthControlPointPosition(1, x, y - 1, z)
    changed = {column for _row, column in touched}
    assert touched
    assert 1 in changed  # what is measured
    assert all(row >= 6 for row, _column in touched)  # header, marker and object stay as they were


def test_a_row_that_tells_of_lost_points_comes_and_goes_without_a_new_table(widget):
    run(widget, "frontal_good")
    label(widget)
    table = widget.ui.tasksTable
    count, item = table.rowCount(), table.item(10, 0)
    assert "perpendicular" in item.text()
    assert table.isRowHidden(11)
    node = widget.review.session.points_node
    x, y, z = node.GetNthControlPointPosition(1)
    node.SetNthControlPointPosition(1, x, y - 20, z)
    assert not table.isRowHidden(11)
    assert rows(table)[11][0] == "Full points: up to 5°."
    assert table.rowCount() == count
    assert table.item(10, 0) is item
    widget.ui.undoButton.click()
    assert table.isRowHidden(11)


def test_keys_work_while_the_module_is_open_and_not_while_another_is(widget, slicer, monkeypatch):
    from PySide6 import QtGui, QtWidgets

    window = QtWidgets.QMainWindow()
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: window)

    def keys() -> dict[str, Any]:
        found = window.findChildren(QtGui.QShortcut)
        return {shortcut.property("key").toString(): shortcut for shortcut in found}

    widget.shortcuts.start()
    run(widget, "frontal_good", "frontal_bad")
    label(widget)
    assert keys().keys() == {"Z", "Y", "P", ",", ".", "A", "N"}
    node = widget.review.session.points_node
    x, y, z = node.GetNthControlPointPosition(1)
    node.SetNthControlPointPosition(1, x, y - 20, z)
    total = widget.review.assessment.score.total
    keys()["Z"].activated.emit()
    assert widget.review.assessment.score.total == 90
    keys()["Y"].activated.emit()
    assert widget.review.assessment.score.total == total
    keys()["."].activated.emit()
    assert widget.review.current.name == "frontal_bad"
    keys()["P"].activated.emit()
    mode = slicer.mrmlScene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    assert mode.GetCurrentInteractionMode() == mode.Place
    assert widget.corrections.keypoints.chosen == "thumb_mcp_joint"  # the first to be placed
    keys()[","].activated.emit()
    assert widget.review.current.name == "frontal_good"
    widget.exit()
    QtWidgets.QApplication.sendPostedEvents(None, 52)  # deferred deletion
    assert keys() == {}


def test_a_path_that_was_emptied_is_not_kept(widget, slicer):
    widget.ui.modelsPathLineEdit.setProperty("currentPath", "/models")
    assert slicer.app._settings["WristQC/ModelsFolder"] == "/models"
    widget.ui.modelsPathLineEdit.setProperty("currentPath", "")
    assert slicer.app._settings["WristQC/ModelsFolder"] == ""


def test_without_a_path_there_is_nothing_to_assess(widget, module):
    widget._parameterNode.source = module.InputSource.FILES
    widget.ui.filesPathLineEdit.setProperty("currentPath", "/images")
    assert widget.ui.applyButton.isEnabled()
    widget.ui.filesPathLineEdit.setProperty("currentPath", "")
    assert not widget.ui.applyButton.isEnabled()


def test_no_image_is_fetched_while_a_message_is_open(widget, slicer, monkeypatch):
    slicer.app.testing = False
    ticking: list[bool] = []
    monkeypatch.setattr(
        slicer.util, "errorDisplay", lambda *_: ticking.append(widget.runTimer.property("active"))
    )

    def fail(*_: Any) -> None:
        raise ValueError("no view")

    monkeypatch.setattr(widget.review, "_show", fail)
    try:
        run(widget, "frontal_good")
    finally:
        slicer.app.testing = True
    assert ticking
    assert not any(ticking)


def test_declining_an_installation_shows_no_error(widget, slicer, monkeypatch):
    from WristQCLib.packages import Declined

    def decline() -> None:
        raise Declined("User declined package installation")

    monkeypatch.setattr(widget.settings, "_missing", lambda: ["torch>=2.4"])
    monkeypatch.setattr(widget.settings, "_install", decline)
    widget.ui.installButton.click()
    assert slicer.app.messages == []
    assert not widget.ui.setupFrame.isHidden()


def test_images_are_stepped_through_and_both_views_of_a_study_shown(widget):
    run(widget, "frontal_good", "frontal_bad")
    assert widget.ui.imageComboBox.count() == 2
    assert not widget.ui.previousButton.isEnabled()
    widget.ui.nextButton.click()
    assert widget.review.current.name == "frontal_bad"
    assert not widget.ui.nextButton.isEnabled()


def test_a_file_that_is_no_radiograph_is_told_in_one_sentence(widget, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    widget._parameterNode.source = type(widget._parameterNode.source).FILES
    widget.ui.filesPathLineEdit.setProperty("currentPath", str(tmp_path / "notes.txt"))
    widget.ui.applyButton.click()
    run_until(lambda: not widget.review.busy, 60)
    assert "is not an image" in widget.review.items[0].problem
    assert "could not be assessed: 1" in text(widget.ui.statusLabel)


def test_what_is_ticked_is_saved(widget, tmp_path):
    run(widget, "frontal_good")
    label(widget)
    widget.ui.artefactComboBox.activated.emit(1)
    widget.ui.outputPathLineEdit.setProperty("currentPath", str(tmp_path))
    for box in (widget.ui.saveJsonCheckBox, widget.ui.saveLabelmeCheckBox,
                widget.ui.saveMarkupsCheckBox):  # fmt: skip
        box.setChecked(True)
    widget.ui.saveButton.click()
    names = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert names == {
        "index.html", "wristqc.csv", "html/frontal_good.html", "json/frontal_good.json",
        "labelme/frontal_good.json", "markups/frontal_good.mrk.json",
    }  # fmt: skip
    labels = read_labelme(tmp_path / "labelme" / "frontal_good.json")
    assert labels.keypoints["radial_styloid"].placed_by.startswith("person:")
    assert text(widget.ui.savedLabel) == "Images saved: 1"


def test_paths_and_the_persons_name_are_kept_for_this_computer_only(widget, slicer):
    widget.ui.personLineEdit.setText("Dr. Ada")
    widget.ui.personLineEdit.editingFinished.emit()
    widget.ui.outputPathLineEdit.setProperty("currentPath", "/reports")
    assert slicer.app._settings["WristQC/Person"] == "Dr. Ada"
    assert slicer.app._settings["WristQC/OutputFolder"] == "/reports"
    assert widget.review.person == "Dr. Ada"
    node = widget._parameterNode.parameterNode
    stored = " ".join(node.GetParameter(name) for name in node.GetParameterNames())
    assert "Ada" not in stored
    assert "/reports" not in stored


def test_studies_of_the_database_are_listed_searched_and_assessed(widget, module, slicer, tmp_path):
    slicer.dicomDatabase = wrist_database(tmp_path, SAMPLES)
    try:
        widget._parameterNode.source = module.InputSource.DATABASE
        widget.enter()
        run_until(lambda: not widget.images.reading, 60)
        tree = widget.ui.studiesTree
        assert tree.topLevelItemCount() > 1
        assert not widget.ui.applyButton.isEnabled()
        first = tree.topLevelItem(0)
        widget.ui.searchLineEdit.setText("nobody of this name")
        assert all(tree.topLevelItem(n).isHidden() for n in range(tree.topLevelItemCount()))
        widget.ui.searchLineEdit.setText(first.text(0).split()[0])
        assert not first.isHidden()
        first.setSelected(True)
        assert widget.ui.applyButton.isEnabled()
        widget.ui.applyButton.click()
        run_until(lambda: not widget.review.busy, 60)
        assert all(item.assessment for item in widget.review.items)
        assert widget.review.items
    finally:
        slicer.dicomDatabase = None


def test_without_a_database_the_panel_says_what_to_do(widget, slicer):
    widget.ui.refreshStudiesButton.click()
    run_until(lambda: not widget.images.reading)
    assert "not open" in text(widget.ui.studiesLabel)


def test_what_is_missing_is_told_and_installed_at_the_button_only(widget, monkeypatch):
    asked = []
    monkeypatch.setattr(widget.settings, "_missing", lambda: ["torch>=2.4"])
    monkeypatch.setattr(widget.settings, "_install", lambda: asked.append(1))
    widget.settings.show_packages()
    assert not widget.ui.setupFrame.isHidden()
    assert "torch>=2.4" in text(widget.ui.setupLabel)
    assert asked == []
    monkeypatch.setattr(widget.settings, "_missing", list)
    widget.ui.installButton.click()
    assert asked == [1]
    assert widget.ui.setupFrame.isHidden()


def test_closing_the_scene_empties_the_list_and_the_panel_goes_on(widget, slicer):
    run(widget, "frontal_good")
    slicer.mrmlScene.Clear(0)
    assert widget.review.items == []
    assert text(widget.ui.gradeLabel) == "–"
    widget._parameterNode.useModels = False
    run(widget, "lateral_good")
    assert widget.review.assessment.score.total == 54


def test_leaving_and_entering_the_module_keeps_the_parameters(widget, module):
    widget._parameterNode.device = module.Device.CPU
    widget.exit()
    widget.ui.deviceComboBox.setCurrentIndex(2)  # nobody listens
    widget.enter()
    assert widget._parameterNode.device is module.Device.CPU
    assert widget.ui.deviceComboBox.currentIndex() == 1


@pytest.mark.skipif(REAL, reason="Slicer's own base class reloads the module")
def test_reloading_drops_the_library(widget, monkeypatch):
    kept = {n: m for n, m in sys.modules.items() if n.split(".")[0] == "WristQCLib"}
    assert kept
    try:
        widget.onReload()
        assert not [n for n in sys.modules if n.split(".")[0] == "WristQCLib"]
        assert widget.reloaded
    finally:
        sys.modules.update(kept)


# Logic ----------------------------------------------------------------------------------------


def test_logic_assesses_a_loaded_volume_by_its_file(module, slicer, tmp_path):
    from WristQCLib.radiograph import read_radiograph
    from WristQCLib.scene import create_volume_node

    volume = create_volume_node(slicer.mrmlScene, read_radiograph(SAMPLES / "lateral_good.dcm"))
    logic = module.WristQCLogic()
    (from_pixels,) = logic.assessVolume(volume, useModels=False)
    assert from_pixels.view.value is None  # the node alone does not tell it
    slicer.dicomDatabase = wrist_database(tmp_path, SAMPLES)
    try:
        (assessment,) = logic.assessVolume(volume, useModels=False)
        assert assessment.view.value == "lateral"
        assert assessment.score.total == 54
    finally:
        slicer.dicomDatabase = None


def test_logic_assesses_all_studies_into_a_table(module, slicer, tmp_path):
    slicer.dicomDatabase = wrist_database(tmp_path / "database", SAMPLES)
    try:
        logic = module.WristQCLogic()
        studies = list(logic.studies())
        count = sum(len(study.images) for study in studies)
        told: list[tuple[int, int, str]] = []
        table = logic.assessAllStudies(
            tmp_path / "out", progress=lambda *step: told.append(step), useModels=False
        )
        lines = Path(table).read_text(encoding="utf-8-sig").splitlines()
        assert len(lines) == count + 1
        assert [step[:2] for step in told] == [(n + 1, count) for n in range(count)]
        with pytest.raises(ValueError, match=r"no wrist study with UID 1\.2"):
            logic.assessStudy("1.2")
        assert len(logic.assessStudy(studies[0].study.uid, useModels=False)) == len(
            studies[0].images
        )
    finally:
        slicer.dicomDatabase = None


def test_logic_keeps_models_for_the_same_settings_only(module, tmp_path):
    logic = module.WristQCLogic()
    assert logic.assessor(useModels=False) is logic.assessor(useModels=False)
    assert logic.assessor(device="cpu") is not logic.assessor(useModels=False)
    with pytest.raises(ValueError, match=r"none\.toml"):
        logic.assessor(protocolFile=str(tmp_path / "none.toml"))


def test_summary_tells_grade_total_and_advice(module):
    told = module.WristQCLogic.summary(
        module.WristQCLogic().assess(SAMPLES / "frontal_bad.dcm", useModels=False)
    )
    assert told.splitlines()[0] == (
        "frontal_bad: grade D, 26 of 100 (26 to 72 possible, grade D to C)"
    )
    assert "  +20 place the L marker" in told


# The module's own test ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "test_SampleImagesAreScored", "test_LoadedVolumeIsAssessed",
        "test_PanelRunsAndFollowsPoints", "test_PixelSizeIsStated", "test_LabelsAreAccepted",
    ],
)  # fmt: skip
def test_the_modules_own_test_passes(widget, module, slicer, monkeypatch, name):
    """Those that need neither Slicer's file formats nor its DICOM database."""
    panel = types.SimpleNamespace(self=lambda: widget)
    monkeypatch.setattr(slicer.util, "selectModule", lambda name: None, raising=False)
    monkeypatch.setattr(
        slicer, "modules",
        types.SimpleNamespace(wristqc=types.SimpleNamespace(widgetRepresentation=lambda: panel)),
        raising=False,
    )  # fmt: skip
    test = module.WristQCTest(name)
    monkeypatch.setattr(test, "delayDisplay", lambda *_: None)
    test.setUp()
    getattr(test, name)()
