"""Training labels in the panel: accepting, the queue, progress, signs, agreement."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("PySide6", reason="PySide6 is not installed: pip install PySide6-Essentials")
pytest.importorskip("slicer", reason="slicer-core is not installed")

import panel_fixtures
from panel_fixtures import SAMPLES, label, run, text, wrist_database
from slicer_stubs import run_until

from WristQCLib.labelling import Draft, LabelState
from WristQCLib.labels import LabelError
from WristQCLib.labels.store import LabelStore
from WristQCLib.models.provenance import KnownModel, Provenance, known_models
from WristQCLib.slicer_panel.label_signs import sign_of_all
from WristQCLib.slicer_panel.models_told import models_told
from WristQCLib.worklist import Order

pytestmark = pytest.mark.filterwarnings("ignore:.*setTextAlignment:DeprecationWarning")

module, slicer, widget = panel_fixtures.module, panel_fixtures.slicer, panel_fixtures.widget
markers_recognised_once = panel_fixtures.markers_recognised_once

NOT, CHECKED = LabelState.NOT_CHECKED, LabelState.CHECKED
CHANGED, CONFLICT = LabelState.CHANGED_SINCE, LabelState.IN_CONFLICT


def person(widget: Any, name: str) -> None:
    widget.ui.personLineEdit.setText(name)
    widget.ui.personLineEdit.editingFinished.emit()
    settled(widget)


def folder(widget: Any) -> Path:
    return Path(widget.labelling.folder)


def settled(widget: Any) -> None:
    """Wait until the panel tells what it knows."""
    section = widget.labelling
    timers = (section.rest_timer, section.folder_timer, section.work_timer)
    run_until(lambda: not any(timer.property("active") for timer in timers))
    run_until(lambda: not widget.images._tick_timer.property("active"))


def accept(widget: Any) -> None:
    widget.ui.acceptButton.click()
    settled(widget)


def move(widget: Any, name: str = "radial_styloid", by: float = 30.0) -> None:
    (point,) = (p for p in widget.review.assessment.keypoints if p.name == name)
    widget.review.session.move(name, (point.position[0] + by, point.position[1]))


def readings(widget: Any) -> list[Any]:
    return [reading for image in LabelStore.open(folder(widget)) for reading in image.readings]


def ready(widget: Any, *names: str) -> None:
    """Assess sample images and place their points."""
    run(widget, *names)
    for item in list(widget.review.items):
        widget.review.show(item)
        label(widget)
    widget.review.show(widget.review.ordered[0])
    settled(widget)


# Accepting ------------------------------------------------------------------------------------


def test_nothing_is_made_before_the_first_image_is_accepted(widget):
    ready(widget, "frontal_good")
    assert not folder(widget).exists()
    assert widget.ui.labelStateLabel.isHidden()
    assert not widget.ui.agreementButton.isEnabled()
    widget.ui.showLabelsButton.click()
    assert "when the first image is accepted" in text(widget.ui.labelsProblemLabel)


def test_what_is_shown_is_accepted_under_the_persons_name_with_its_pixels(widget):
    person(widget, "Dr. Ada")
    ready(widget, "frontal_good")
    accept(widget)
    (reading,) = readings(widget)
    assert reading.reader == "Dr. Ada"
    assert reading.labels.keypoints == widget.review.assessment.keypoints
    assert len(list((folder(widget) / "images").glob("*.png"))) == 1
    assert text(widget.ui.labelStateLabel).startswith("✓ Checked by Dr. Ada, 20")
    assert text(widget.ui.labelsProblemLabel) == ""
    assert widget.ui.imageComboBox.currentText().startswith("✓ ")


def test_pixels_are_not_kept_when_they_are_not_to_be(widget):
    widget.ui.keepImagesCheckBox.setChecked(False)
    ready(widget, "frontal_good")
    accept(widget)
    assert len(readings(widget)) == 1
    assert not list(folder(widget).rglob("*.png"))


def test_no_identity_is_in_the_folder(widget):
    from pydicom import dcmread

    header = dcmread(SAMPLES / "frontal_good.dcm", stop_before_pixels=True)
    ready(widget, "frontal_good")
    accept(widget)
    kept = "".join(p.read_text(encoding="utf-8") for p in folder(widget).rglob("*.json"))
    assert str(header.PatientName) not in kept
    assert str(header.PatientID) not in kept


def test_an_image_with_points_to_place_is_refused_in_a_sentence_without_a_message_box(
    widget, slicer
):
    run(widget, "frontal_good")
    accept(widget)
    accept(widget)
    assert text(widget.ui.labelsProblemLabel).startswith("Place these points of frontal_good")
    assert not widget.ui.labelsProblemLabel.isHidden()
    assert slicer.app.messages == []
    assert not folder(widget).exists()
    label(widget)
    accept(widget)
    assert widget.ui.labelsProblemLabel.isHidden()


def test_a_folder_that_cannot_be_made_is_told(widget, tmp_path):
    (tmp_path / "a file").write_text("")
    ready(widget, "frontal_good")
    widget.ui.labelsPathLineEdit.setProperty("currentPath", str(tmp_path / "a file" / "labels"))
    accept(widget)
    assert "No label store can be made" in text(widget.ui.labelsProblemLabel)
    widget.ui.labelsPathLineEdit.setProperty("currentPath", "")
    accept(widget)
    assert text(widget.ui.labelsProblemLabel) == "There is no folder for labels; choose one."


def test_what_cannot_be_saved_is_not_checked(widget, monkeypatch):
    def fail(draft: Draft) -> None:
        raise LabelError("The disk is full; make room.")

    ready(widget, "frontal_good", "frontal_bad")
    accept(widget)
    monkeypatch.setattr(Draft, "save", fail)
    widget.ui.nextButton.click()
    accept(widget)
    assert text(widget.ui.labelsProblemLabel) == "The disk is full; make room."
    assert text(widget.ui.labelStateLabel) == "○ Not checked."
    assert text(widget.ui.labelsProgressLabel) == "1 of 2 checked, 0 corrected"


def test_a_change_after_acceptance_is_told_and_can_be_accepted_again(widget):
    ready(widget, "frontal_good")
    accept(widget)
    move(widget)
    settled(widget)
    assert text(widget.ui.labelStateLabel).startswith("≠ Changed since ")
    assert widget.ui.imageComboBox.currentText().startswith("≠ ")
    accept(widget)
    first, second = readings(widget)
    assert second.based_on == first.id
    assert text(widget.ui.labelStateLabel).startswith("✓ ")
    widget.ui.undoButton.click()
    settled(widget)
    assert text(widget.ui.labelStateLabel).startswith("≠ ")


def test_labels_are_saved_beside_the_window_and_all_of_them_before_it_closes(widget, monkeypatch):
    save, go_on = Draft.save, threading.Event()

    def slow(draft: Draft) -> Any:
        assert go_on.wait(60)
        return save(draft)

    monkeypatch.setattr(Draft, "save", slow)
    ready(widget, "frontal_good", "lateral_good")
    widget.ui.acceptNextButton.click()
    assert widget.review.current.name == "lateral_good"  # at once
    widget.labelling.show()
    assert text(widget.ui.labelsProgressLabel) == "1 of 2 checked, 0 corrected"
    widget.ui.acceptButton.click()
    assert text(widget.ui.labelStateLabel) == "✓ Being saved …"
    assert readings(widget) == []
    go_on.set()
    widget.labelling.close()
    assert len(readings(widget)) == 2


# The queue ------------------------------------------------------------------------------------


def test_accept_and_next_goes_through_what_is_not_checked_and_then_stays(widget):
    ready(widget, "frontal_good", "frontal_bad", "lateral_good")
    widget.ui.acceptNextButton.click()
    assert widget.review.current.name == "frontal_bad"
    widget.ui.nextButton.click()
    widget.ui.acceptNextButton.click()
    assert widget.review.current.name == "frontal_bad"
    widget.ui.acceptNextButton.click()
    settled(widget)
    assert widget.review.current.name == "frontal_bad"
    assert text(widget.ui.labelsProblemLabel) == "There is no other image to check."
    assert text(widget.ui.labelsProgressLabel) == "3 of 3 checked, 0 corrected"
    assert len(readings(widget)) == 3


def test_all_orders_of_the_library_can_be_chosen(widget, module):
    assert [order.value for order in module.ImageOrder] == [str(order) for order in Order]
    ready(widget, "frontal_good", "frontal_bad")
    for n, order in enumerate(Order):
        widget.ui.orderComboBox.setCurrentIndex(n)
        assert widget.review.order is order
    assert widget.ui.orderComboBox.itemText(3) == "most different from the training images first"


def test_corrections_of_models_are_counted(widget, monkeypatch):
    from dataclasses import replace

    ready(widget, "frontal_good", "lateral_good")
    for item in widget.review.items:  # as if models had said it
        item.predicted = replace(item.assessment, models={"keypoints_frontal": "model 1"})
    widget.ui.acceptNextButton.click()
    settled(widget)
    move(widget, "lunate_centre" if "lunate_centre" in _names(widget) else _names(widget)[0])
    accept(widget)
    assert text(widget.ui.labelsProgressLabel) == "2 of 2 checked, 1 corrected"


def _names(widget: Any) -> list[str]:
    return [point.name for point in widget.review.assessment.keypoints]


def test_a_key_opens_the_section_first_so_that_nobody_accepts_by_accident(
    widget, slicer, monkeypatch
):
    from PySide6 import QtGui, QtWidgets

    window = QtWidgets.QMainWindow()
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: window)
    widget.shortcuts.start()
    keys = {k.property("key").toString(): k for k in window.findChildren(QtGui.QShortcut)}
    ready(widget, "frontal_good", "lateral_good")
    section = widget.ui.labelsCollapsibleButton
    section.setProperty("collapsed", True)
    keys["A"].activated.emit()
    assert not section.property("collapsed")
    settled(widget)
    assert not folder(widget).exists()
    keys["N"].activated.emit()
    settled(widget)
    assert widget.review.current.name == "lateral_good"
    keys["A"].activated.emit()
    settled(widget)
    assert len(readings(widget)) == 2
    widget.shortcuts.stop()


# What was accepted before ---------------------------------------------------------------------


def test_what_was_accepted_is_there_again_for_its_reader_only(widget):
    person(widget, "Ada")
    ready(widget, "frontal_good")
    move(widget)
    accepted = widget.review.assessment.keypoints
    accept(widget)
    widget.review.clear()
    settled(widget)
    run(widget, "frontal_good")
    settled(widget)
    assert widget.review.assessment.keypoints == accepted
    assert text(widget.ui.labelStateLabel).startswith("✓ Checked by Ada, ")
    widget.review.clear()
    person(widget, "Bob")
    run(widget, "frontal_good")
    settled(widget)
    assert text(widget.ui.labelStateLabel) == "○ Checked by others only: Ada."
    assert text(widget.ui.labelsProgressLabel) == "0 of 1 checked, 0 corrected, only by others: 1"


def test_readers_who_disagree_are_in_conflict_until_one_decides(widget):
    person(widget, "Ada")
    ready(widget, "frontal_good")
    accept(widget)
    person(widget, "Bob")
    assert text(widget.ui.labelStateLabel) == "○ Checked by others only: Ada."
    move(widget, by=60.0)
    assert widget.ui.resolveButton.isHidden()
    accept(widget)
    told = text(widget.ui.labelStateLabel)
    assert told.startswith("! ")
    assert "Ada and Bob place the radial styloid" in told
    assert not widget.ui.resolveButton.isHidden()
    widget.ui.resolveButton.click()
    settled(widget)
    assert text(widget.ui.labelStateLabel).startswith("✓ Checked by Bob")
    assert widget.ui.resolveButton.isHidden()
    (image,) = LabelStore.open(folder(widget))
    assert image.consensus.keypoints["radial_styloid"].position == pytest.approx(
        widget.review.assessment.keypoints["radial_styloid"].position
    )


def test_what_others_accepted_meanwhile_is_seen_when_the_module_is_entered(widget):
    from dataclasses import replace

    person(widget, "Ada")
    ready(widget, "frontal_good")
    accept(widget)
    (mine,) = readings(widget)
    LabelStore.open(folder(widget)).accept(replace(mine, reader="Bob", id="b" * 32, based_on=None))
    widget.exit()
    widget.enter()
    settled(widget)
    assert widget.labelling.labelling.others(widget.review.current) == ("Bob",)


def test_what_others_checked_is_skipped_when_readers_share_the_work(widget):
    person(widget, "Ada")
    ready(widget, "frontal_good", "frontal_bad", "lateral_good")
    widget.ui.nextButton.click()
    accept(widget)
    widget.ui.previousButton.click()
    person(widget, "Bob")
    widget.ui.skipOthersCheckBox.setChecked(True)
    widget.ui.acceptNextButton.click()
    settled(widget)
    assert widget.review.current.name == "lateral_good"


def test_a_damaged_file_is_told_and_the_panel_goes_on(widget):
    ready(widget, "frontal_good", "lateral_good")
    accept(widget)
    (file,) = (folder(widget) / "labels").glob("*.json")
    file.write_text("{")
    widget.labelling.labelling.store = None
    widget.labelling.open()
    assert file.name in text(widget.ui.labelsProblemLabel)
    widget.ui.nextButton.click()
    accept(widget)
    assert text(widget.ui.labelStateLabel).startswith("✓ ")
    assert file.read_text() == "{"


def test_another_folder_is_opened_when_its_path_was_written(widget, tmp_path):
    ready(widget, "frontal_good")
    accept(widget)
    widget.ui.labelsPathLineEdit.setProperty("currentPath", str(tmp_path / "other"))
    settled(widget)
    assert not (tmp_path / "other").exists()
    assert widget.labelling.labelling.store is None
    assert widget.ui.labelStateLabel.isHidden()
    accept(widget)
    assert len(LabelStore.open(tmp_path / "other")) == 1


def test_the_folder_is_kept_for_this_computer(widget, slicer, module):
    widget.ui.labelsPathLineEdit.setProperty("currentPath", "/shared/labels")
    assert slicer.app._settings["WristQC/LabelsFolder"] == "/shared/labels"
    node = widget._parameterNode.parameterNode
    stored = " ".join(node.GetParameter(name) for name in node.GetParameterNames())
    assert "/shared/labels" not in stored


def test_a_folder_that_was_made_is_kept_though_its_line_told_nothing(widget, slicer, tmp_path):
    ready(widget, "frontal_good")
    new = str(tmp_path / "new" / "labels")
    widget.ui.labelsPathLineEdit.blockSignals(True)  # as CTK's does for what is not there
    widget.ui.labelsPathLineEdit.setProperty("currentPath", new)
    widget.ui.labelsPathLineEdit.blockSignals(False)
    accept(widget)
    assert Path(new).is_dir()
    assert slicer.app._settings["WristQC/LabelsFolder"] == new


# The tree of studies --------------------------------------------------------------------------


def test_studies_tell_how_far_they_are(widget, module, slicer, tmp_path):
    slicer.dicomDatabase = wrist_database(tmp_path, SAMPLES)
    try:
        ready(widget, "frontal_good")
        accept(widget)
        widget.enter()
        run_until(lambda: not widget.images.reading, 60)
        settled(widget)
        tree = widget.ui.studiesTree
        signs = {}
        for n in range(tree.topLevelItemCount()):
            row = tree.topLevelItem(n)
            signs[row.text(1)] = [row.child(m).text(1) for m in range(row.childCount())]
        both = next(sign for sign in signs if "/" in sign)
        assert both == "1/2"
        assert sorted(signs[both]) == ["○", "✓"]
        assert signs["○"] == ["○"] * len(signs["○"])
        move(widget)
        settled(widget)
        assert "≠" in [tree.topLevelItem(n).text(1) for n in range(tree.topLevelItemCount())]
    finally:
        slicer.dicomDatabase = None


@pytest.mark.parametrize(
    ("states", "sign"),
    [
        ([], ""), ([NOT, NOT], "○"), ([CHECKED, NOT], "1/2"), ([CHECKED, CHECKED], "✓"),
        ([CHECKED, CHANGED], "≠"), ([CHANGED, CONFLICT, NOT], "!"),
    ],
)  # fmt: skip
def test_a_study_has_the_sign_that_asks_most_for_a_look(states, sign):
    assert sign_of_all(states) == sign


# Agreement ------------------------------------------------------------------------------------


def test_agreement_and_conflicts_are_shown_and_saved(widget, tmp_path):
    person(widget, "Ada <b>")
    ready(widget, "frontal_good")
    accept(widget)
    person(widget, "Bob")
    move(widget, by=60.0)
    accept(widget)
    widget.ui.agreementButton.click()
    settled(widget)
    window = widget.labelling._window
    shown = window.text.toPlainText()
    assert "In conflict: 1" in shown
    assert "Readers with each other" in shown
    assert "Ada <b> and Bob" in shown  # as it was written, not as HTML
    widget.ui.outputPathLineEdit.setProperty("currentPath", str(tmp_path / "reports"))
    window.save.click()
    settled(widget)
    names = {path.name for path in (tmp_path / "reports" / "agreement").iterdir()}
    assert names >= {"agreement.html", "agreement.csv"}
    assert str(tmp_path / "reports") in window.saved.text()


# Models ---------------------------------------------------------------------------------------


def bundle(parent: Path, name: str, **own: Any) -> None:
    configs = parent / name / "configs"
    configs.mkdir(parents=True)
    metadata = {"name": name, "version": "0.3.0", "wristqc": own}
    (configs / "metadata.json").write_text(json.dumps(metadata))


PROVENANCE = {
    "based_on": f"wrist_keypoints_frontal 0.2.0 {'0f' * 32}",
    "labels": 200, "readers": ["Ada", "Bob"], "date": "2026-11-28T10:00:00+00:00",
    "figures": {
        "before": {"simulated_mre_mm": 1.0, "mre_mm": 3.14, "x": "?", "sdr_2mm_percent": 41.25},
        "after": {"simulated_mre_mm": 1.0, "mre_mm": 2.5, "sdr_2mm_percent": 50},
    },
}  # fmt: skip


def test_models_tell_what_they_learned_from(tmp_path):
    bundle(tmp_path, "wrist_keypoints_frontal", provenance=PROVENANCE)
    bundle(tmp_path, "wrist_view")
    (tmp_path / "broken" / "configs").mkdir(parents=True)
    (tmp_path / "broken" / "configs" / "metadata.json").write_text("{")
    broken, learned, plain = known_models(tmp_path)
    assert "is not valid JSON" in broken.problem
    figures = {
        "simulated_mre_mm": (1.0, 1.0), "mre_mm": (3.14, 2.5), "sdr_2mm_percent": (41.25, 50.0),
    }  # fmt: skip
    came = Provenance("wrist_keypoints_frontal 0.2.0", 200, 2, "2026-11-28", figures)
    assert learned == KnownModel("wrist_keypoints_frontal", "0.3.0", came)
    assert plain == KnownModel("wrist_view", "0.3.0")
    assert models_told([learned, plain]).splitlines() == [
        "• wrist_keypoints_frontal 0.3.0, goes on from wrist_keypoints_frontal 0.2.0,"
        " labels: 200, readers: 2, 2026-11-28, MRE 3.14 → 2.5 mm, sdr 2mm 41.2 → 50 %",
        "• wrist_view 0.3.0",
    ]


@pytest.mark.parametrize("told", [None, "x", {"labels": True, "figures": {"before": 3}}])
def test_a_provenance_that_is_not_understood_is_left_out(told):
    found = Provenance.of({"wristqc": {"provenance": told}})
    assert found in (None, Provenance())


def test_the_settings_tell_which_models_are_used(widget, tmp_path):
    assert "wrist_keypoints_frontal" in text(widget.ui.modelsToldLabel)
    bundle(tmp_path, "wrist_view", provenance={"labels": 7})
    widget.ui.modelsPathLineEdit.setProperty("currentPath", str(tmp_path))
    assert text(widget.ui.modelsToldLabel) == "• wrist_view 0.3.0, labels: 7"
    bundle(tmp_path / "trained" / "bundles", "wrist_view")
    widget.ui.modelsPathLineEdit.setProperty("currentPath", str(tmp_path / "trained"))
    assert text(widget.ui.modelsToldLabel) == "• wrist_view 0.3.0"
    settings = widget.settings.assessing(use_models=True, device="cpu")
    assert settings.models_folder == str(tmp_path / "trained" / "bundles")
    widget.ui.modelsPathLineEdit.setProperty("currentPath", str(tmp_path / "none"))
    assert "no model bundles" in text(widget.ui.modelsToldLabel)
