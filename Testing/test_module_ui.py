"""The panel's .ui file against the module's code, without Qt."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parent.parent
CODE = (ROOT / "WristQC" / "WristQC.py").read_text(encoding="utf-8")
TREE = ast.parse(CODE)
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
    named = set(re.findall(r"\bui\.(\w+)", CODE)) - {"__dict__"}
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
    shown = {"text", "toolTip", "styleSheet"}
    for node in ast.walk(TREE):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Constant):
            continue
        for target in node.targets:
            if isinstance(target, ast.Attribute) and target.attr in shown - {"styleSheet"}:
                text = node.value.value
                assert not re.search(r"[A-Za-z]", str(text)), f"line {node.lineno}: {text!r}"


def test_requirements_are_such_that_slicers_installer_can_read_them() -> None:
    from packaging.requirements import Requirement

    lines = (ROOT / "WristQC" / "Resources" / "requirements.txt").read_text().splitlines()
    named = [Requirement(line).name for line in lines if line and not line.startswith("#")]
    assert named == ["torch", "monai", "python-gdcm", "jinja2"]


def test_the_files_of_the_module_are_there() -> None:
    for name in ("UI/WristQC.ui", "Icons/WristQC.png", "requirements.txt"):
        assert (ROOT / "WristQC" / "Resources" / name).is_file()
