"""The README's picture of the module: its panel beside the slice views, rendered off screen.

    python Testing/screenshots.py [--out Resources/Screenshots/slicer.png]

The panel is the real one: WristQC.ui and WristQC.py, filled by assessing two of the sample images
with the bundled models. The views are Slicer's own, from slicer-core. What is missing is Slicer's
main window round them, and its widgets ctkCollapsibleButton and the like are stand-ins
(`slicer_stubs`). Needs PySide6, trame-slicer and the models' packages.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import scene_app
import slicer_stubs
from slicer_stubs import QtCore, QtGui, ctkCollapsibleButton, run_until

from WristQCLib.resources import RESOURCES

SAMPLES = ("frontal_monochrome1", "lateral_no_spacing")
"""Both views of one wrist; one is incomplete, because its pixel size is unknown."""
PERSON = "Dr. Ada Example"
PANEL_WIDTH, VIEW_WIDTH, HEIGHT, GAP = 540, 640, 1050, 4
BACKGROUND = "#2b2b2b"
SETTLE_SECONDS = 0.5
FOLDED = ("Images", "Training labels", "Settings", "Save")


def write_study(folder: Path) -> None:
    """The samples under short names."""
    for name in SAMPLES:
        shutil.copy(RESOURCES / "SampleData" / f"{name}.dcm", folder / f"{name.split('_')[0]}.dcm")


def assess(widget: Any, module: Any, folder: Path) -> None:
    """Assess a folder's images by the panel's own buttons, and wait until all is shown."""
    widget._parameterNode.source = module.InputSource.FILES
    widget.ui.filesPathLineEdit.setProperty("currentPath", str(folder))
    widget.ui.applyButton.click()
    run_until(lambda: not widget.review.busy, 300)
    run_until(lambda: widget.ui.adviceTable.rowCount() > 0)


def fold(panel: Any) -> None:
    """Fold away the sections that the picture does not need."""
    for section in panel.findChildren(ctkCollapsibleButton):
        section.setProperty("collapsed", section.property("text") in FOLDED)


def settle() -> None:
    """Let tables fit their rows, which they do when their texts have stood for a while."""
    settled = time.monotonic() + SETTLE_SECONDS
    run_until(lambda: time.monotonic() > settled)


def composed(panel: Any, views: Sequence[np.ndarray]) -> Any:
    """Panel and views side by side."""
    width = PANEL_WIDTH + len(views) * (VIEW_WIDTH + GAP)
    picture = QtGui.QImage(width, HEIGHT, QtGui.QImage.Format.Format_RGB888)
    picture.fill(QtGui.QColor(BACKGROUND))
    painter = QtGui.QPainter(picture)
    painter.drawPixmap(0, 0, panel.grab(QtCore.QRect(0, 0, PANEL_WIDTH, HEIGHT)))
    for n, view in enumerate(views):
        rows, columns, _ = view.shape
        pixels = np.ascontiguousarray(view)
        image = QtGui.QImage(
            pixels.data, columns, rows, 3 * columns, QtGui.QImage.Format.Format_RGB888
        )
        painter.drawImage(PANEL_WIDTH + GAP + n * (VIEW_WIDTH + GAP), 0, image)
    painter.end()
    return picture


def main() -> None:
    arguments = argparse.ArgumentParser(description="Render the README's picture of the module.")
    arguments.add_argument(
        "--out", type=Path, default=RESOURCES / "Screenshots" / "slicer.png", help="PNG to write"
    )
    out: Path = arguments.parse_args().out
    with tempfile.TemporaryDirectory() as folder, scene_app.application() as app:
        views = [scene_app.MouseView(app, n, (VIEW_WIDTH, HEIGHT)) for n in ("Red", "Yellow")]
        with slicer_stubs.slicer_application(app) as module:
            sys.modules["slicer"].app.userSettings().setValue("WristQC/Person", PERSON)
            widget = slicer_stubs.make_widget(module)
            panel = widget.parent
            panel.resize(PANEL_WIDTH, HEIGHT)
            panel.show()
            fold(panel)
            write_study(Path(folder))
            assess(widget, module, Path(folder))
            settle()
            # Slicer has the panel in a scroll area, which gives it the height that it needs.
            panel.resize(PANEL_WIDTH, max(HEIGHT, panel.sizeHint().height()))
            settle()
            out.parent.mkdir(parents=True, exist_ok=True)
            if not composed(panel, [view.picture() for view in views]).save(str(out)):
                raise SystemExit(f"The picture {out} cannot be written.")
            print(f"{out}: {widget.review.current.name}, {panel.height()} pixels of panel")
            panel.close()
            widget.cleanup()


if __name__ == "__main__":
    main()
