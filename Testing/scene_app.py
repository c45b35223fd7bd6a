"""slicer-core for tests: an application's scene, slice views off screen, a mouse, screenshots."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
pytest.importorskip(
    "slicer", reason="slicer-core is absent: pip install 'trame-slicer[standalone]'"
)
pytest.importorskip("trame_slicer", reason="trame-slicer is absent: pip install it")

import vtk
from slicer import vtkMRMLScene, vtkMRMLSliceViewDisplayableManagerFactory

from WristQCLib.assessment import Assessment
from WristQCLib.assessor import Assessor, NoModels, reassess
from WristQCLib.findings import View
from WristQCLib.keypoints import Keypoints
from WristQCLib.radiograph import Radiograph
from WristQCLib.window import Window

# Where no OpenGL library is installed VTK ends the whole process, so another one tries first.
_TRIAL = "import vtk; w = vtk.vtkRenderWindow(); w.OffScreenRenderingOn(); w.Render()"
if subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, check=False).returncode:
    pytest.skip(
        "VTK cannot draw here: install EGL, on Debian the package libegl1", allow_module_level=True
    )

WIDTH, HEIGHT = 400, 320
SPACING = (0.4, 0.5)
"""(x, y) mm: the field is 16 x 16 cm and its pixels are not square."""

POINTS = {
    View.FRONTAL: {
        "thumb_mcp_joint": (60.0, 80.0),
        "radial_styloid": (149.5, 199.5),
        "ulnar_styloid": (249.5, 199.5),
    },
    View.LATERAL: {
        "scaphoid_centre": (199.5, 159.5),
        "distal_radius_centre": (194.5, 189.5),
        "proximal_radius_centre": (189.5, 310.0),
        "distal_ulna_centre": (204.5, 189.5),
        "proximal_ulna_centre": (209.5, 310.0),
    },
}
MODEL = "model:wrist_keypoints_frontal 1.0"


def radiograph(view: View | None = View.FRONTAL, *, spacing: Any = SPACING) -> Radiograph:
    """Grey, with one bright pixel at the frontal view's radial styloid, rounded: (150, 200)."""
    pixels = np.full((HEIGHT, WIDTH), 1000, np.uint16)
    pixels[::2] = 1010
    pixels[200, 150] = 4000
    name = view.value if view else "wrist"
    image = Radiograph.from_pixels(pixels, spacing=spacing, view=view, name=name)
    return replace(image, voi=Window(2200.0, 3600.0))


@lru_cache
def assessment(view: View | None = View.FRONTAL, known: bool = True) -> Assessment:
    """Of the image of this view, keypoints placed as by a model where the view is known."""
    made = Assessor.create(NoModels()).assess(radiograph(view, spacing=SPACING if known else None))
    if view is None:
        return made
    return reassess(made, keypoints=Keypoints.from_positions(view, POINTS[view], MODEL))


@contextmanager
def application() -> Iterator[Any]:
    """A trame_slicer application, its scene empty but for what every scene has."""
    from trame_slicer.core.slicer_app import SlicerApp

    app = SlicerApp()
    yield app
    app.scene.Clear(1)
    vtkMRMLSliceViewDisplayableManagerFactory.GetInstance().SetMRMLApplicationLogic(None)


def node_ids(scene: vtkMRMLScene) -> set[str]:
    nodes = scene.GetNodes()
    return {nodes.GetItemAsObject(n).GetID() for n in range(nodes.GetNumberOfItems())}


class MouseView:
    """One off-screen slice view with a mouse."""

    def __init__(self, app: Any, name: str, size: tuple[int, int] = (400, 400)) -> None:
        from trame_slicer.views.render_scheduler import NoScheduleRendering
        from trame_slicer.views.slice_view import SliceView

        self.view = SliceView(
            app.scene, app.app_logic, name, scheduled_render_strategy=NoScheduleRendering()
        )
        self.view.render_window().SetSize(*size)
        app.app_logic.GetSliceLogicByLayoutName(name).ResizeSliceNode(*size)

    @property
    def node(self) -> Any:
        return self.view.get_view_node()

    def to_display(self, ras: tuple[float, float, float]) -> tuple[float, float]:
        """Position in the window, from its lower left corner."""
        xy_to_ras = self.node.GetXYToRAS()
        matrix = np.array([[xy_to_ras.GetElement(i, j) for j in range(4)] for i in range(4)])
        x, y = np.linalg.solve(matrix, [*ras, 1.0])[:2]
        return float(x), float(y)

    def event(self, name: str, x: float, y: float) -> None:
        interactor = self.view.interactor()
        interactor.SetEventPosition(round(x), round(y))
        interactor.InvokeEvent(name)

    def drag(self, start: tuple[float, float], *path: tuple[float, float]) -> None:
        """Press the left button at `start`, go along `path`, and release it there."""
        self.event("MouseMoveEvent", *start)
        self.event("LeftButtonPressEvent", *start)
        for position in path:
            self.event("MouseMoveEvent", *position)
        self.event("LeftButtonReleaseEvent", *(path or (start,))[-1])

    def click(self, position: tuple[float, float], button: str = "Left") -> None:
        self.event("MouseMoveEvent", *position)
        self.event(f"{button}ButtonPressEvent", *position)
        self.event(f"{button}ButtonReleaseEvent", *position)

    def picture(self) -> np.ndarray:
        """(rows, columns, 3) uint8, the first row on top."""
        from vtk.util.numpy_support import vtk_to_numpy

        image = self._grabbed()
        columns, rows, _ = image.GetDimensions()
        return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, 3)[::-1]

    def save(self, path: Path) -> None:
        """Write the picture as PNG."""
        writer = vtk.vtkPNGWriter()
        writer.SetFileName(str(path))
        writer.SetInputData(self._grabbed())
        writer.Write()

    def _grabbed(self) -> Any:
        self.view.render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self.view.render_window())
        grab.ReadFrontBufferOff()
        grab.Update()
        return grab.GetOutput()
