"""How long a moved point takes to become a new score and a new overlay in a MRML scene.

    python Testing/benchmarks/scene_rescoring.py [--pictures FOLDER]

1,000 moves of one drag, each from setting the control point, which fires PointModified, until score
and overlay nodes are up to date; with no view, and with two slice views whose displayable managers
follow (without drawing, which Slicer does once a frame). Prints median and 99th percentile against
a frame of 16 ms, in wall time and in the thread's processor time, which a busy machine does not
change. With --pictures, sample studies are drawn and written as PNG, to be looked at.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import scene_app
from scene_app import MouseView, assessment, radiograph

from WristQCLib.assessor import Assessor, NoModels, reassess
from WristQCLib.findings import View
from WristQCLib.keypoints import KEYPOINT_NAMES
from WristQCLib.radiograph import read_radiograph
from WristQCLib.scene import SceneAssessment, show_side_by_side

MOVES = 1000
FRAME_MS = 16.0


def timed(session: SceneAssessment, name: str) -> np.ndarray:
    """(moves, 2) wall and processor time in ms of moving the keypoint `name` in one drag."""
    node, keypoints = session.points_node, session.keypoints
    assert keypoints is not None
    index = KEYPOINT_NAMES[keypoints.view].index(name)
    r, a, _ = node.GetNthControlPointPosition(index)
    node.InvokeEvent(node.PointStartInteractionEvent)
    times = np.empty((MOVES, 2))
    for n in range(MOVES):
        wall, processor = time.perf_counter(), time.thread_time()
        node.SetNthControlPointPosition(index, r - n / 50, a - n / 40, 0.0)
        times[n] = time.perf_counter() - wall, time.thread_time() - processor
    node.InvokeEvent(node.PointEndInteractionEvent)
    return times * 1e3


def report(title: str, times: np.ndarray) -> None:
    median, high = np.median(times, axis=0), np.percentile(times, 99, axis=0)
    print(
        f"{title:32} {median[0]:8.2f} {high[0]:8.2f} {median[1]:12.2f} {high[1]:8.2f}"
        f" {median[1] / FRAME_MS:10.1%}"
    )


def write_pictures(app: Any, views: list[MouseView], folder: Path) -> None:
    """Sample studies with their true keypoints, one picture for each view."""
    from test_sample_data import SAMPLES, true_keypoints

    folder.mkdir(parents=True, exist_ok=True)
    assessor = Assessor.create(NoModels())
    for path in SAMPLES:
        image, keypoints = read_radiograph(path), true_keypoints(path)
        found = reassess(assessor.assess(image), keypoints=keypoints)
        session = SceneAssessment.create(app.scene, image, found)
        show_side_by_side([session], app.app_logic)
        views[0].save(folder / f"{path.stem}.png")
        session.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--pictures", type=Path, help="folder for pictures of the samples")
    pictures: Path | None = arguments.parse_args().pictures
    with scene_app.application() as app:
        print(
            f"{'ms':32} {'median':>8} {'99th':>8} {'processor':>12} {'99th':>8} {'of a frame':>10}"
        )
        views: list[MouseView] = []
        for where in ("no view", "two slice views"):
            if where != "no view":
                views = [MouseView(app, name, (700, 900)) for name in ("Red", "Yellow")]
            sessions = [
                SceneAssessment.create(app.scene, radiograph(view), assessment(view))
                for view in View
            ]
            if views:
                show_side_by_side(sessions, app.app_logic)
            for session, name in zip(sessions, ("radial_styloid", "scaphoid_centre"), strict=True):
                timed(session, name)  # warm up
                report(f"{session.assessment.name}, {where}", timed(session, name))
                session.close()
        if pictures:
            write_pictures(app, views, pictures)


if __name__ == "__main__":
    main()
