"""Stand-ins for what only the Slicer application has, so that the module runs without it.

MRML is real (slicer-core) and so is Qt (PySide6, off screen); `qt`, `ctk` and Slicer's widgets are
stand-ins of a few lines that keep to what the module uses. PythonQt's habit of making every Qt
property an attribute comes from PySide's own `true_property` feature, switched on for the modules
that run inside Slicer.

With SLICER_PYTHON set to ``<Slicer's source>/Base/Python``, Slicer's own parameter nodes, module
base classes and translation are used in place of the stand-ins.
"""

# ruff: noqa: N801, N802, N803, N815 - names are those of Slicer, CTK and Qt
from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import sys
import types
import typing
import unittest
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets
from shibokensupport import feature

ROOT = Path(__file__).parent.parent
MODULE = ROOT / "WristQC" / "WristQC.py"
SLICER_PYTHON = os.environ.get("SLICER_PYTHON", "")

UNCAUGHT: list[BaseException] = []
"""What slots raised and nobody caught."""

TRUE_PROPERTY = 0x02
if sys.version_info < (3, 12):
    # Setting a true property gives one reference to None away; from 3.12 on None needs none.
    ctypes.c_ssize_t.from_address(id(None)).value += 1 << 32
INSIDE_SLICER = (
    "WristQC",
    *(
        f"WristQCLib.slicer_panel.{file.stem}"
        for file in (ROOT / "WristQCLib" / "slicer_panel").glob("*.py")
    ),
    "slicer.parameterNodeWrapper.guiConnectors", "slicer.parameterNodeWrapper.wrapper",
    "slicer.ScriptedLoadableModule", "slicer_stub_parameters",
)  # fmt: skip


# Widgets ------------------------------------------------------------------------------------


class qMRMLWidget(QtWidgets.QWidget):
    mrmlSceneChanged = QtCore.Signal(object)

    def setMRMLScene(self, scene: Any) -> None:
        for box in self.findChildren(qMRMLNodeComboBox):
            box.setMRMLScene(scene)


class ctkCollapsibleButton(QtWidgets.QWidget):
    """A header with the section's title; the section below it can be folded away."""

    HEADER = 26

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._text, self._collapsed = "", False
        self.setContentsMargins(0, self.HEADER, 0, 0)

    def _get_text(self) -> str:
        return self._text

    def _set_text(self, text: str) -> None:
        self._text = text

    def _get_collapsed(self) -> bool:
        return self._collapsed

    def _set_collapsed(self, collapsed: bool) -> None:
        self._collapsed = collapsed
        self.setMaximumHeight(self.HEADER if collapsed else 16777215)

    text = QtCore.Property(str, _get_text, _set_text)
    collapsed = QtCore.Property(bool, _get_collapsed, _set_collapsed)

    def paintEvent(self, _event: Any) -> None:
        painter = QtGui.QPainter(self)
        header = QtCore.QRect(0, 0, self.width(), self.HEADER - 4)
        painter.fillRect(header, self.palette().color(QtGui.QPalette.ColorRole.Mid))
        arrow = "▸" if self._collapsed else "▾"
        painter.drawText(header.adjusted(6, 0, 0, 0), 0x80, f"{arrow}  {self._text}")


class ctkPathLineEdit(QtWidgets.QWidget):
    """As CTK's: tells of a path that is acceptable, and of an emptied line only that it is not."""

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._edit, button = QtWidgets.QLineEdit(), QtWidgets.QToolButton()
        button.setText("...")
        layout.addWidget(self._edit)
        layout.addWidget(button)
        self._valid = False
        self._edit.textChanged.connect(self._tell)

    def _tell(self, path: str) -> None:
        if path:
            self.currentPathChanged.emit(path)
        if bool(path) is not self._valid:
            self._valid = bool(path)
            self.validInputChanged.emit(self._valid)

    def _get(self) -> str:
        return self._edit.text()

    def _set(self, path: str) -> None:
        self._edit.setText(path)

    currentPath = QtCore.Property(str, _get, _set, notify=currentPathChanged)


class qMRMLNodeComboBox(QtWidgets.QComboBox):
    currentNodeChanged = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node: Any = None

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene

    def currentNode(self) -> Any:
        return self._node

    def setCurrentNode(self, node: Any) -> None:
        if node is not self._node:
            self._node = node
            self.clear()
            self.addItem(node.GetName() if node else "None")
            self.currentNodeChanged.emit(node)


STAND_INS = {c.__name__: c for c in (
    qMRMLWidget, ctkCollapsibleButton, ctkPathLineEdit, qMRMLNodeComboBox,
)}  # fmt: skip


class QUiLoader(QtUiTools.QUiLoader):
    def createWidget(self, name: str, parent: Any = None, objectName: str = "") -> Any:
        if name not in STAND_INS:
            return super().createWidget(name, parent, objectName)
        widget = STAND_INS[name](parent)
        widget.setObjectName(objectName)
        return widget


# Slicer's Python ----------------------------------------------------------------------------


class ScriptedLoadableModule:
    def __init__(self, parent: Any) -> None:
        self.parent = parent


class ScriptedLoadableModuleLogic:
    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self) -> Any:
        scene = sys.modules["slicer"].mrmlScene
        node = scene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = scene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetAttribute("ModuleName", self.moduleName)
            node = scene.AddNode(node)
        return node


class ScriptedLoadableModuleWidget:
    def __init__(self, parent: Any = None) -> None:
        self.parent, self.layout = parent, parent.layout()

    def resourcePath(self, name: str) -> str:
        return str(MODULE.parent / "Resources" / name)

    def setup(self) -> None: ...

    def onReload(self) -> None:
        self.reloaded = True


class ScriptedLoadableModuleTest(unittest.TestCase):
    def delayDisplay(self, message: str, *_: Any, **__: Any) -> None: ...


def parameterNodeWrapper(cls: type) -> type:
    """As much of Slicer's parameter nodes as the module uses: bool, Enum, node; bound widgets."""
    hints = typing.get_type_hints(cls)

    def initialised(self: Any, node: Any) -> None:
        self.parameterNode, self._bound, self._writing = node, [], False
        for name, kind in hints.items():
            if issubclass(kind, bool | Enum) and not node.HasParameter(name):
                setattr(self, name, getattr(cls, f"_{name}"))

    def field(name: str, kind: type) -> property:
        def get(self: Any) -> Any:
            if issubclass(kind, bool):
                return self.parameterNode.GetParameter(name) == "True"
            if issubclass(kind, Enum):
                return kind[self.parameterNode.GetParameter(name)]
            return self.parameterNode.GetNodeReference(name)

        def put(self: Any, value: Any) -> None:
            if issubclass(kind, bool | Enum):
                assert isinstance(value, kind)
                self.parameterNode.SetParameter(name, getattr(value, "name", str(value)))
            else:
                self.parameterNode.SetNodeReferenceID(name, value.GetID() if value else None)

        return property(get, put)

    def connectGui(self: Any, ui: Any) -> int:
        for widget in vars(ui).values():
            name = widget.property("SlicerParameterName")
            if name:
                self._bound.append(_Bound(self, name, hints[name], widget))
        self._tag = self.parameterNode.AddObserver("ModifiedEvent", lambda *_: self._show())
        return 0

    def show(self: Any) -> None:
        for bound in self._bound:
            bound.show()

    def disconnectGui(self: Any, _tag: int) -> None:
        for bound in self._bound:
            bound.end()
        self._bound.clear()
        self.parameterNode.RemoveObserver(self._tag)

    for name, kind in hints.items():
        setattr(cls, f"_{name}", getattr(cls, name, None))
        setattr(cls, name, field(name, kind))
    cls.__init__, cls._show = initialised, show
    cls.connectGui, cls.disconnectGui = connectGui, disconnectGui
    cls.allParameters = hints
    cls.AddObserver = lambda self, *a: self.parameterNode.AddObserver(*a)
    cls.RemoveObserver = lambda self, tag: self.parameterNode.RemoveObserver(tag)
    return cls


class _Bound:
    """A widget and the field that it shows."""

    def __init__(self, node: Any, name: str, kind: type, widget: Any) -> None:
        self.node, self.name, self.kind, self.widget = node, name, kind, widget
        if issubclass(kind, bool):
            assert type(widget) is QtWidgets.QCheckBox
            self.signal = widget.stateChanged
        elif issubclass(kind, Enum):
            assert type(widget) is QtWidgets.QComboBox
            widget.clear()
            widget.addItems([choice.label() for choice in kind])
            self.signal = widget.currentIndexChanged
        else:
            assert type(widget) is qMRMLNodeComboBox
            self.signal = widget.currentNodeChanged
        self.show()
        self.signal.connect(self.read)

    def show(self) -> None:
        value = getattr(self.node, self.name)
        if issubclass(self.kind, bool):
            QtWidgets.QCheckBox.setChecked(self.widget, value)
        elif issubclass(self.kind, Enum):
            QtWidgets.QComboBox.setCurrentIndex(self.widget, list(self.kind).index(value))
        else:
            self.widget.setCurrentNode(value)

    def read(self, *_: Any) -> None:
        if issubclass(self.kind, bool):
            value: Any = QtWidgets.QCheckBox.isChecked(self.widget)
        elif issubclass(self.kind, Enum):
            value = list(self.kind)[QtWidgets.QComboBox.currentIndex(self.widget)]
        else:
            value = self.widget.currentNode()
        if value != getattr(self.node, self.name):
            setattr(self.node, self.name, value)

    def end(self) -> None:
        self.signal.disconnect(self.read)


# The application ----------------------------------------------------------------------------


class App:
    """`slicer.app`."""

    applicationVersion = "5.13.0"

    def __init__(self, logic: Any) -> None:
        self._logic = logic
        self._settings: dict[str, Any] = {}
        self.testing = True
        self.views = True

    def applicationLogic(self) -> Any:
        return self._logic

    def layoutManager(self) -> Any:
        window = types.SimpleNamespace(GetDPI=lambda: 72)
        view = types.SimpleNamespace(renderWindow=lambda: window)
        widget = types.SimpleNamespace(sliceView=lambda: view)
        manager = types.SimpleNamespace(sliceWidget=lambda name: widget)
        return manager if self.views else None

    def userSettings(self) -> Any:
        return types.SimpleNamespace(
            value=lambda key, default=None: self._settings.get(key, default),
            setValue=self._settings.__setitem__,
        )

    def testingEnabled(self) -> bool:
        return self.testing

    def processEvents(self) -> None:
        QtWidgets.QApplication.processEvents()

    def translate(self, _context: str, text: str) -> str:
        return text

    def moduleManager(self) -> Any:
        return types.SimpleNamespace(connect=lambda *_: None, disconnect=lambda *_: None)


def child_widgets(widget: Any) -> Any:
    found = types.SimpleNamespace()
    for child in QtCore.QObject.findChildren(widget, QtCore.QObject):
        if child.objectName():
            setattr(found, child.objectName(), child)
    return found


def module_of(name: str, **contents: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update(contents)
    return module


def select_features(selection: int, *modules: str) -> None:
    """Say how modules see Qt, with PySide's features of a selection."""
    # Shiboken inspects every loaded module, and torch's namespaces of classes raise at that.
    hidden = {n: sys.modules.pop(n) for n in list(sys.modules) if n.startswith("torch.")}
    try:
        for name in modules:
            feature.set_selection(selection, name)
    finally:
        sys.modules.update(hidden)


@contextmanager
def slicer_application(scene_app: Any) -> Iterator[types.ModuleType]:
    """The module WristQC, imported as Slicer does it, in an application that stands in for it.

    Parameters
    ----------
    scene_app
        A trame_slicer application: its scene and its logic are Slicer's own.
    """
    import slicer
    import slicer.util

    if QtWidgets.QApplication.instance() is None:
        QtWidgets.QApplication([])
    before = {name: sys.modules.get(name) for name in (
        "qt", "ctk", "slicer.i18n", "slicer.ScriptedLoadableModule", "slicer.parameterNodeWrapper",
        "WristQC",
    )}  # fmt: skip
    kept = dict(vars(slicer)), dict(vars(slicer.util)), list(slicer.__path__)
    qt = module_of("qt")
    for part in (QtCore, QtGui, QtWidgets):
        vars(qt).update({n: getattr(part, n) for n in dir(part) if not n.startswith("_")})
    qt.QUiLoader = QUiLoader  # type: ignore[attr-defined]
    widgets = {n: c for n, c in STAND_INS.items() if n.startswith("ctk")}
    others = (
        "ctkCheckBox ctkCheckablePushButton ctkComboBox ctkSliderWidget ctkDoubleSlider"
        " ctkDoubleSpinBox ctkRangeWidget ctkDoubleRangeSlider ctkDirectoryButton"
        " ctkColorPickerButton"
    )
    ctk = module_of("ctk", **{name: type(name, (), {}) for name in others.split()}, **widgets)
    sys.modules.update(qt=qt, ctk=ctk)
    slicer.qt, slicer.ctk = qt, ctk
    slicer.mrmlScene, slicer.app = scene_app.scene, App(scene_app.app_logic)
    slicer.dicomDatabase = None
    for name in ("qMRMLWidget", "qMRMLNodeComboBox"):
        setattr(slicer, name, STAND_INS[name])
    for name in ("qMRMLSliderWidget", "qMRMLSpinBox", "qMRMLRangeWidget"):
        setattr(slicer, name, type(name, (), {}))
    slicer.util.childWidgetVariables = child_widgets
    slicer.util.mainWindow = lambda: None
    slicer.util.settingsValue = lambda key, default, **_: default
    slicer.util.modulePath = lambda name: str(MODULE)
    messages: list[str] = []
    slicer.util.errorDisplay = lambda text, **_: messages.append(text)
    slicer.util.warningDisplay = slicer.util.errorDisplay
    slicer.util.confirmOkCancelDisplay = lambda *_, **__: True
    slicer.app.messages = messages
    if SLICER_PYTHON:
        slicer.__path__.append(str(Path(SLICER_PYTHON) / "slicer"))
    else:
        sys.modules.update({
            "slicer.i18n": module_of(
                "slicer.i18n", tr=lambda text: text, translate=lambda context, text: text,
                getContext=lambda file: file,
            ),
            "slicer.ScriptedLoadableModule": module_of(
                "slicer.ScriptedLoadableModule",
                **{c.__name__: c for c in (
                    ScriptedLoadableModule, ScriptedLoadableModuleWidget,
                    ScriptedLoadableModuleLogic, ScriptedLoadableModuleTest,
                )},
            ),
            "slicer.parameterNodeWrapper": module_of(
                "slicer.parameterNodeWrapper", parameterNodeWrapper=parameterNodeWrapper
            ),
        })  # fmt: skip
    select_features(TRUE_PROPERTY, *INSIDE_SLICER)
    spec = importlib.util.spec_from_file_location("WristQC", MODULE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["WristQC"] = module
    UNCAUGHT.clear()
    hook, sys.excepthook = sys.excepthook, lambda kind, error, trace: UNCAUGHT.append(error)
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.excepthook = hook
        for name in [n for n in sys.modules if n.startswith("slicer.parameterNodeWrapper.")]:
            del sys.modules[name]
        for name, value in before.items():
            if value is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = value
        for namespace, earlier in zip((slicer, slicer.util), kept, strict=False):
            vars(namespace).clear()
            vars(namespace).update(earlier)
        slicer.__path__[:] = kept[2]


def make_widget(module: types.ModuleType) -> Any:
    """The module's panel, entered."""
    parent = QtWidgets.QWidget()
    parent.setLayout(QtWidgets.QVBoxLayout())
    parent.isEntered = True  # type: ignore[attr-defined]
    widget = module.WristQCWidget(parent)
    widget.setup()
    widget.enter()
    return widget


def errors_of_slots() -> None:
    """Raise what a slot left uncaught: Slicer ends with a failure then when it is testing."""
    if UNCAUGHT:
        raise UNCAUGHT.pop(0)


def run_until(done: Callable[[], bool], seconds: float = 30.0) -> None:
    """Let Qt work until something is done."""
    import time

    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, "it did not happen in time"
        QtWidgets.QApplication.processEvents()
        errors_of_slots()
