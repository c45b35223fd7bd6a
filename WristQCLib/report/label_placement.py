"""Places for labels in a picture: inside it, apart from each other, off points and lines if can be.

Greedy: labels are placed in the order given, each at the best of its own candidates; where all of
them collide, at the free place of the picture that is nearest to the first.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1)."""

_GRID = 48
"""Places along the longer side of the picture that are tried when all candidates collide."""


class LabelPlacer:
    """Remembers what is taken.

    Parameters
    ----------
    frame
        The picture.
    avoid
        (n, 2) points that labels had better not cover, e.g. samples of lines.
    weight
        (n,) how bad it is to cover each; 1 is as bad as being one candidate further down the list.
    gap
        Smallest distance between two labels.
    """

    def __init__(self, frame: Box, avoid: Floats, weight: Floats, gap: float) -> None:
        self._frame, self._avoid, self._weight, self._gap = frame, avoid, weight, gap
        self._taken: list[Box] = []

    def place(self, size: tuple[float, float], candidates: Sequence[tuple[float, float]]) -> Box:
        """Take a place for a label.

        Parameters
        ----------
        size
            (width, height).
        candidates
            Centres, best first; those that reach out of the picture are moved in.
        """
        wishes = [self._inside(centre, size) for centre in candidates]
        costs = [
            order + self._cover(box) + self._moved(box, centre) / max(size[1], 1e-9)
            for order, (box, centre) in enumerate(zip(wishes, candidates, strict=True))
        ]
        ranked = [box for _, box in sorted(zip(costs, wishes, strict=True), key=lambda p: p[0])]
        box = next((box for box in ranked if self._overlap(box) == 0), None)
        if box is None:
            box = self._nearest_free(size, candidates[0])
        self._taken.append(box)
        return box

    def _inside(self, centre: tuple[float, float], size: tuple[float, float]) -> Box:
        x0, y0, x1, y1 = self._frame
        half_w, half_h = size[0] / 2, size[1] / 2
        x = min(max(centre[0], x0 + half_w), x1 - half_w)
        y = min(max(centre[1], y0 + half_h), y1 - half_h)
        return x - half_w, y - half_h, x + half_w, y + half_h

    @staticmethod
    def _moved(box: Box, centre: tuple[float, float]) -> float:
        dx, dy = (box[0] + box[2]) / 2 - centre[0], (box[1] + box[3]) / 2 - centre[1]
        return float(np.hypot(dx, dy))

    def _cover(self, box: Box) -> float:
        x, y = self._avoid[:, 0], self._avoid[:, 1]
        covered = (x >= box[0]) & (x <= box[2]) & (y >= box[1]) & (y <= box[3])
        return float(self._weight[covered].sum())

    def _overlap(self, box: Box) -> float:
        """Area shared with labels that are placed already, the gap around them included."""
        area = 0.0
        for taken in self._taken:
            width = min(box[2], taken[2]) - max(box[0], taken[0]) + self._gap
            height = min(box[3], taken[3]) - max(box[1], taken[1]) + self._gap
            area += max(width, 0.0) * max(height, 0.0)
        return area

    def _nearest_free(self, size: tuple[float, float], wish: tuple[float, float]) -> Box:
        x0, y0, x1, y1 = self._frame
        step = max(x1 - x0, y1 - y0) / _GRID
        places = [
            self._inside((x, y), size)
            for x in np.arange(x0, x1 + step, step)
            for y in np.arange(y0, y1 + step, step)
        ]
        return min(
            places, key=lambda box: (self._overlap(box), self._moved(box, wish) + self._cover(box))
        )
