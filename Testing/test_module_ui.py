"""The panel's .ui file against the module's code, without Qt."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent
MODULE = (ROOT / "WristQC" / "WristQC.py").read_text(encoding="utf-8")
TREE = ast.parse(MODULE)
SECTIONS = {
    file.stem: file.read_text(encoding="utf-8")
    for file in sorted((ROOT / "WristQCLib" / "slicer_panel").glob("*.py"))
}
CODE = "\n".join((MODULE, *SECTIONS.values()))
UI = ElementTree.parse(ROOT / "WristQC" / "Resources" / "UI" / "WristQC.ui").getroot()

QT = {
    "QCheckBox", "QComboBox", "QFrame", "QLabel", "QLineEdit", "QProgressBar", "QPushButton",
    "QTableWidget", "QToolButton", "QTreeWidget", "QWidget",
}  # fmt: skip
SLICER = {
    # Designer plugins of Slicer and CTK that Slicer loads: class -> header
    "qMRMLWidget": "qMRMLWidget.h",
    "qMRMLNodeComboBox": "qMRMLNodeComboBox.h",
    "ctkCollapsibleButton": "ctkCollapsibleButton.h",
    "ctkPathLineEdit": "ctkPathLineEdit.h",
}
CONNECTED = {"bool": "QCheckBox", "Enum": "QComboBox", "node": "qMRMLNodeComboBox"}
"""Widget that Slicer's parameter nodes connect to a field of this kind."""


def widgets() -> dict[str, ElementTree.Element]:
    return {w.get("name", ""): w for w in UI.iter("widget")}


def parameter_names() -> dict[str, str]:
    """Parameter -> widget, as the .ui file says."""
    return {
        p.findtext("string") or "": name
        for name, widget in widgets().items()
        for p in widget.findall("property")
        if p.get("name") == "SlicerParameterName"
    }


def fields() -> dict[str, str]:
    """Field of the parameter node -> kind."""
    classes = {node.name: node for node in TREE.body if isinstance(node, ast.ClassDef)}
    enums = {n for n, c in classes.items() if any(ast.unparse(b) == "Enum" for b in c.bases)}
    found = {}
    for statement in classes["WristQCParameterNode"].body:
        if isinstance(statement, ast.AnnAssign):
            kind = ast.unparse(statement.annotation)
            kind = "Enum" if kind in enums else "node" if kind.startswith("vtkMRML") else kind
            found[ast.unparse(statement.target)] = kind
    return found


def test_each_widget_has_a_name_of_its_own() -> None:
    names = [w.get("name") for w in UI.iter("widget")]
    assert len(names) == len(set(names))
    assert all(names)


def test_all_classes_are_known_to_slicer() -> None:
    used = {w.get("class", "") for w in UI.iter("widget")}
    assert used <= QT | SLICER.keys()
    declared = {c.findtext("class"): c.findtext("header") for c in UI.iter("customwidget")}
    assert declared == {name: SLICER[name] for name in used & SLICER.keys()}


def test_each_widget_that_the_code_names_is_in_the_file() -> None:
    named = set(re.findall(r"\b_?ui\.(\w+)", CODE))
    named |= set(re.findall(r'"(\w+LineEdit)"', CODE))
    assert named <= widgets().keys()
    assert len(named) > 40


def test_each_widget_that_a_person_uses_is_in_the_code_or_is_a_parameter() -> None:
    passive = {"QLabel", "QWidget", "QFrame", "ctkCollapsibleButton", "qMRMLWidget"}
    bound = set(parameter_names().values())
    for name, widget in widgets().items():
        if widget.get("class") not in passive and name not in bound:
            assert re.search(rf"\b{name}\b", CODE), f"{name} does nothing"


def test_parameters_of_the_file_and_the_node_are_the_same() -> None:
    assert parameter_names().keys() == fields().keys()


@pytest.mark.parametrize("field", sorted(fields()))
def test_a_parameters_widget_is_one_that_slicer_connects_to_its_type(field: str) -> None:
    widget = widgets()[parameter_names()[field]]
    assert widget.get("class") == CONNECTED[fields()[field]]


def test_a_node_box_gets_the_scene_and_the_class_of_its_field() -> None:
    receivers = {c.findtext("receiver"): c.findtext("signal") for c in UI.iter("connection")}
    boxes = [n for n, w in widgets().items() if w.get("class") == "qMRMLNodeComboBox"]
    assert receivers == dict.fromkeys(boxes, "mrmlSceneChanged(vtkMRMLScene*)")
    kinds = [
        s.text for p in widgets()["volumeSelector"].findall("property")
        if p.get("name") == "nodeTypes" for s in p.iter("string")
    ]  # fmt: skip
    assert kinds == ["vtkMRMLScalarVolumeNode"]


def test_nothing_but_slicer_qt_and_vtk_is_imported_at_file_scope() -> None:
    import sys

    roots = set()
    for statement in TREE.body:
        if isinstance(statement, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            roots.add((statement.module or "").split(".")[0])
    assert roots <= {"slicer", "qt", "vtk", *sys.stdlib_module_names}


def test_what_a_person_reads_is_translatable() -> None:
    """Texts that are given to widgets and messages go through the translation function."""
    shown = {"text", "toolTip"}
    for node in ast.walk(ast.parse(CODE.replace("from __future__ import annotations", ""))):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            targets = [t.attr for t in node.targets if isinstance(t, ast.Attribute)]
            texts = [node.value.value] if set(targets) & shown else []
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "put":
            texts = [
                k.value.value
                for k in node.keywords
                if k.arg in shown and isinstance(k.value, ast.Constant)
            ]
        else:
            continue
        for text in texts:
            assert not re.search(r"[A-Za-z]", str(text)), text


def test_the_hint_to_install_names_the_button_and_the_module_as_they_are_called() -> None:
    from WristQCLib.packages import INSTALL_BUTTON, MODULE_TITLE

    (text,) = [
        p.findtext("string")
        for p in widgets()["installButton"].findall("property")
        if p.get("name") == "text"
    ]
    assert text == INSTALL_BUTTON
    assert f'title = _("{MODULE_TITLE}")' in MODULE


def test_the_tab_key_goes_through_all_widgets_that_are_used_in_the_order_of_the_panel() -> None:
    order = [stop.text for stop in UI.iter("tabstop")]
    passive = {"QLabel", "QWidget", "QFrame", "QProgressBar", "qMRMLWidget"}
    used = {n for n, w in widgets().items() if w.get("class") not in passive}
    assert len(order) == len(set(order))
    assert set(order) == used
    for name, widget in widgets().items():
        if widget.get("class") == "QTableWidget":  # the key would be caught in it
            keys = [p.findtext("bool") for p in widget.findall("property")
                    if p.get("name") == "tabKeyNavigation"]  # fmt: skip
            assert keys == ["false"], name


def test_what_has_no_words_is_named_for_those_who_hear_the_panel() -> None:
    for name, widget in widgets().items():
        told = {p.get("name"): p.findtext("string") or "" for p in widget.findall("property")}
        if widget.get("class") == "QToolButton":
            assert told.get("accessibleName"), name
        if widget.get("class") in QT - {"QLabel", "QWidget", "QFrame", "QProgressBar"}:
            assert told.get("toolTip"), name


def test_keys_are_told_in_tool_tips_and_are_none_of_slicers() -> None:
    from WristQCLib.slicer_panel import shortcuts

    keys = {
        "undoButton": shortcuts.UNDO, "redoButton": shortcuts.REDO,
        "placeButton": shortcuts.PLACE, "previousButton": shortcuts.PREVIOUS,
        "nextButton": shortcuts.NEXT, "acceptButton": shortcuts.ACCEPT,
        "acceptNextButton": shortcuts.ACCEPT_AND_NEXT,
    }  # fmt: skip
    for name, key in keys.items():
        (tip,) = [p.findtext("string") or "" for p in widgets()[name].findall("property")
                  if p.get("name") == "toolTip"]  # fmt: skip
        assert f"Key: {key}" in tip
        assert len(key) == 1  # Slicer's own have Ctrl or Alt


def test_text_from_files_is_shown_as_plain_text() -> None:
    for name in (
        "statusLabel", "remarksLabel", "imageLabel", "studiesLabel", "savedLabel",
        "labelStateLabel", "labelsProblemLabel", "modelsToldLabel",
    ):  # fmt: skip
        formats = [p.findtext("enum") for p in widgets()[name].findall("property")
                   if p.get("name") == "textFormat"]  # fmt: skip
        assert formats == ["Qt::PlainText"], name


def test_requirements_are_such_that_slicers_installer_can_read_them() -> None:
    from packaging.requirements import Requirement

    lines = (ROOT / "WristQC" / "Resources" / "requirements.txt").read_text().splitlines()
    named = [Requirement(line).name for line in lines if line and not line.startswith("#")]
    assert named == ["torch", "monai", "python-gdcm", "jinja2"]


def test_the_files_of_the_module_are_there() -> None:
    for name in ("UI/WristQC.ui", "Icons/WristQC.png", "requirements.txt"):
        assert (ROOT / "WristQC" / "Resources" / name).is_file()
