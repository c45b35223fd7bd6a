"""How long a moved point takes to become a new score and a new overlay in a MRML scene.

    python Testing/benchmarks/scene_rescoring.py

1,000 moves of one drag for each line, from setting the control point, which fires PointModified,
until score and overlay nodes are up to date; with no view, and with two slice views that show a
study's frontal and lateral image and whose displayable managers follow (drawing itself is left out:
Slicer does it once a frame). In the same run

- the baseline: the same moves of the same points when nothing listens but Slicer itself;
- scoring alone, of the same positions: measurements and points, no scene.

Prints minimum, median and 99th percentile in ms of wall time, and median and 99th percentile of the
thread's processor time, which other work on the machine changes less, against a frame of 16 ms.
Garbage is collected between the lines, as in any Python program also within them.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import scene_app
from scene_app import MouseView, assessment, radiograph

from WristQCLib.assessor import reassess
from WristQCLib.findings import View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoints, Point
from WristQCLib.scene import PixelGrid, SceneAssessment, show_side_by_side

MOVES = 1000
FRAME_MS = 16.0
MOVED = {View.FRONTAL: "radial_styloid", View.LATERAL: "scaphoid_centre"}


def positions(start: Point) -> list[Point]:
    """A drag of 2.5 cm."""
    return [(start[0] + n / 25, start[1] + n / 25) for n in range(MOVES)]


def timed(move: Callable[[Point], object], start: Point) -> np.ndarray:
    """(moves, 2) wall and processor time in ms, after as many moves to warm up."""
    times = np.empty((MOVES, 2))
    for _ in range(2):
        gc.collect()
        for n, position in enumerate(positions(start)):
            wall, processor = time.perf_counter(), time.thread_time()
            move(position)
            times[n] = time.perf_counter() - wall, time.thread_time() - processor
    return times * 1e3


def report(title: str, times: np.ndarray) -> None:
    wall, processor = times[:, 0], times[:, 1]
    print(
        f"{title:42} {wall.min():8.3f} {np.median(wall):8.3f} {np.percentile(wall, 99):8.3f}"
        f" {np.median(processor):10.3f} {np.percentile(processor, 99):8.3f}"
        f" {np.percentile(processor, 99) / FRAME_MS:9.1%}"
    )


def scoring(view: View) -> np.ndarray:
    """Times of scoring alone."""
    before = assessment(view)
    assert before.keypoints is not None
    others = {point.name: point.position for point in before.keypoints}

    def move(position: Point) -> None:
        moved = Keypoints.from_positions(view, {**others, MOVED[view]: position})
        reassess(before, keypoints=moved)

    return timed(move, start_of(view))


def start_of(view: View) -> Point:
    keypoints = assessment(view).keypoints
    assert keypoints is not None
    position = keypoints[MOVED[view]].position
    assert position is not None
    return position


def dragged(session: SceneAssessment, view: View) -> np.ndarray:
    """Times of moving a control point, as a drag does."""
    node, grid = session.points_node, PixelGrid.of(assessment(view).geometry)
    index = KEYPOINT_NAMES[view].index(MOVED[view])

    def move(position: Point) -> None:
        node.SetNthControlPointPosition(index, *grid.to_ras(position))

    node.InvokeEvent(node.PointStartInteractionEvent)
    times = timed(move, start_of(view))
    node.InvokeEvent(node.PointEndInteractionEvent)
    return times


def main() -> None:
    print(
        f"{'ms':42} {'minimum':>8} {'median':>8} {'99th':>8} {'processor':>10} {'99th':>8}"
        f" {'of 16 ms':>9}"
    )
    for view in View:
        report(f"{view}: scoring alone", scoring(view))
    with scene_app.application() as app:
        views: list[MouseView] = []
        for where in ("no view", "two slice views"):
            if where != "no view":
                views = [MouseView(app, name, (700, 900)) for name in ("Red", "Yellow")]
            sessions = {
                view: SceneAssessment.create(app.scene, radiograph(view), assessment(view))
                for view in View
            }
            if views:
                show_side_by_side(list(sessions.values()), app.app_logic)
            for view, session in sessions.items():
                whole = dragged(session, view)
                assert session.assessment.score != assessment(view).score
                session.close(keep_nodes=True)
                report(f"{view}, {where}: baseline", dragged(session, view))
                report(f"{view}, {where}: score and overlay", whole)


if __name__ == "__main__":
    main()
