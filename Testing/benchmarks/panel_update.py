"""How long the panel takes to follow a point that is dragged: grade, tasks, keypoints, buttons.

    python Testing/benchmarks/panel_update.py

1,000 moves of one drag on a sample image, in a stand-in for Slicer: real Qt (PySide6, off screen)
and real MRML. Prints median and 99th percentile of the panel's update alone, of all of a move from
the point's event on (rescoring, overlay, panel), and of Qt's own work after it (layout, painting),
in wall time and the thread's processor time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import scene_app
import slicer_stubs
from PySide6 import QtWidgets

from WristQCLib.labels import read_labelme
from WristQCLib.resources import RESOURCES

MOVES = 1000
FRAME_MS = 16.0
SAMPLE = RESOURCES / "SampleData" / "frontal_good.dcm"


class Clock:
    """Wall and processor time of what is done, in ms."""

    def __init__(self) -> None:
        self.times: list[tuple[float, float]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        wall, processor = time.perf_counter(), time.thread_time()
        yield
        self.times.append((time.perf_counter() - wall, time.thread_time() - processor))

    def timed(self, function: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            with self.running():
                function()

        return run

    def report(self, title: str) -> None:
        times = np.array(self.times[1:]) * 1e3  # the first makes what the others find
        median, high = np.median(times, axis=0), np.percentile(times, 99, axis=0)
        print(
            f"{title:28} {median[0]:8.2f} {high[0]:8.2f} {median[1]:12.2f} {high[1]:8.2f}"
            f" {median[1] / FRAME_MS:10.1%}"
        )


def opened(module: Any) -> Any:
    """The panel with the sample, its points placed."""
    widget = slicer_stubs.make_widget(module)
    widget._parameterNode.useModels = False
    widget._parameterNode.source = module.InputSource.FILES
    widget.ui.filesPathLineEdit.setProperty("currentPath", str(SAMPLE))
    widget.ui.applyButton.click()
    slicer_stubs.run_until(lambda: not widget.review.busy, 60)
    for point in read_labelme(SAMPLE.with_suffix(".json")).keypoints:
        assert point.position is not None
        widget.review.session.move(point.name, point.position)
    widget.parent.resize(420, 1500)
    widget.parent.show()
    QtWidgets.QApplication.processEvents()
    return widget


def main() -> None:
    with scene_app.application() as app:
        views = [scene_app.MouseView(app, name, (700, 900)) for name in ("Red", "Yellow")]
        with slicer_stubs.slicer_application(app) as module:
            widget = opened(module)
            panel, whole, qt = Clock(), Clock(), Clock()
            widget.score_changed = panel.timed(widget.score_changed)
            node = widget.review.session.points_node
            r, a, _ = node.GetNthControlPointPosition(1)
            node.InvokeEvent(node.PointStartInteractionEvent)
            for n in range(MOVES):
                with whole.running():
                    node.SetNthControlPointPosition(1, r - n / 50, a - n / 40, 0.0)
                with qt.running():
                    QtWidgets.QApplication.processEvents()
            node.InvokeEvent(node.PointEndInteractionEvent)
            print(
                f"{'ms':28} {'median':>8} {'99th':>8} {'processor':>12} {'99th':>8}"
                f" {'of a frame':>10}"
            )
            panel.report("panel")
            whole.report("rescore, overlay and panel")
            qt.report("layout and painting")
            widget.cleanup()
        del views


if __name__ == "__main__":
    main()
