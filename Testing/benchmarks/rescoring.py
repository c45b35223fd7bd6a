"""How long scoring takes after a point was moved, against the bare formulas.

    python Testing/benchmarks/rescoring.py

Baseline: `reference_scoring`, plain arithmetic without results to show. Prints the median and the
99th percentile over 1,000 moves, and the ratio to the baseline and to a frame of 16 ms.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

import reference_scoring as reference
from test_assessment import PERFECT_FRONTAL, assessed

from WristQCLib.advice import advise
from WristQCLib.annotations import annotate
from WristQCLib.assessor import reassess
from WristQCLib.findings import View
from WristQCLib.keypoints import Keypoints

MOVES = 1000
FRAME_MS = 16.0


def timed(function: Callable[[float], object]) -> tuple[float, float]:
    """Median and 99th percentile in ms of a function of the move's number."""
    times = []
    for n in range(MOVES):
        start = time.perf_counter()
        function(n)
        times.append((time.perf_counter() - start) * 1e3)
    return float(np.median(times)), float(np.percentile(times, 99))


def main() -> None:
    assessment = assessed()
    geometry = assessment.geometry

    def positions(n: float) -> dict[str, tuple[float, float]]:
        return {**PERFECT_FRONTAL, "radial_styloid": (449.5 + n / 10, 399.5 - n / 10)}

    def bare(n: float) -> object:
        points = positions(n).values()
        return reference.frontal(*points, geometry.width, geometry.height, *geometry.spacing)

    def rescored(n: float) -> object:
        return reassess(assessment, keypoints=Keypoints.from_positions(View.FRONTAL, positions(n)))

    def drawn(n: float) -> object:
        moved = reassess(assessment, keypoints=Keypoints.from_positions(View.FRONTAL, positions(n)))
        return annotate(moved.keypoints, geometry, moved.measurements)

    def advised(n: float) -> object:
        moved = reassess(assessment, keypoints=Keypoints.from_positions(View.FRONTAL, positions(n)))
        return advise(moved)

    baseline, _ = timed(bare)
    print(f"{'':24} {'median ms':>10} {'99th ms':>10} {'x formulas':>11} {'of a frame':>11}")
    for name, function in (
        ("bare formulas", bare),
        ("rescore", rescored),
        ("rescore and annotate", drawn),
        ("rescore and advise", advised),
    ):
        median, high = timed(function)
        print(
            f"{name:24} {median:10.3f} {high:10.3f} {median / baseline:11.1f}"
            f" {median / FRAME_MS:11.1%}"
        )


if __name__ == "__main__":
    main()
