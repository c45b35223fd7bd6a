"""Places for labels in a picture: inside it, apart from each other, off points and lines if can be.

Every label has candidate places. Labels are placed one after the other at their cheapest candidate
and then, a few times over, each is placed anew while the others stay. This is done in several
orders, of which the cheapest result is taken. A label that would still lie on another one goes to
the nearest free place of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from WristQCLib.keypoints import Point

Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1)."""

_ORDERS = 8
_ROUNDS = 3
_GRID = 48
"""Places along the longer side of the picture that are tried for a label that collides."""
_COLLISION = 1000.0
"""Cost of one label's area lying on another's."""


@dataclass(frozen=True)
class Wish:
    """A label's (width, height) and the centres where it may be, best first."""

    size: tuple[float, float]
    centres: Sequence[Point]


def place_labels(
    wishes: Sequence[Wish], frame: Box, avoid: Floats, weight: Floats, gap: float
) -> list[Box]:
    """Boxes of the labels, in their order.

    Parameters
    ----------
    wishes
        One for every label.
    frame
        The picture.
    avoid
        (n, 2) points that labels had better not cover, e.g. samples of lines.
    weight
        (n,) how bad it is to cover each; 1 is as bad as being one candidate further down the list.
    gap
        Smallest distance between two labels.
    """

    def own_cost(box: Box, wish: Wish, order: int) -> float:
        """Cost that does not depend on the other labels."""
        x, y = avoid[:, 0], avoid[:, 1]
        covered = (x >= box[0]) & (x <= box[2]) & (y >= box[1]) & (y <= box[3])
        return order + float(weight[covered].sum()) + _distance(box, wish.centres[order], wish.size)

    options = []
    for wish in wishes:
        boxes = [_inside(centre, wish.size, frame) for centre in wish.centres]
        options.append([(box, own_cost(box, wish, n)) for n, box in enumerate(boxes)])

    def collision(label: int, box: Box, placed: Mapping[int, Box]) -> float:
        """Share of a label's area that lies on others."""
        area = sum(_shared(box, other, gap) for n, other in placed.items() if n != label)
        return area / (wishes[label].size[0] * wishes[label].size[1])

    def attempt(order: Sequence[int]) -> tuple[float, dict[int, Box]]:
        placed: dict[int, Box] = {}
        costs: dict[int, float] = {}
        for n in (*order,) * _ROUNDS:
            costs[n], placed[n] = min(
                (cost + _COLLISION * collision(n, box, placed), box) for box, cost in options[n]
            )
        return sum(costs.values()), placed

    orders = np.random.default_rng(0)
    attempts = [attempt([int(n) for n in orders.permutation(len(wishes))]) for _ in range(_ORDERS)]
    placed = min(attempts, key=lambda result: result[0])[1]
    for n, wish in enumerate(wishes):
        if collision(n, placed[n], placed) > 0:
            placed[n] = min(
                (_inside(centre, wish.size, frame) for centre in _grid(frame)),
                key=lambda box: (
                    _COLLISION * collision(n, box, placed)
                    + _distance(box, wish.centres[0], wish.size)
                ),
            )
    return [placed[n] for n in range(len(wishes))]


def _inside(centre: Point, size: tuple[float, float], frame: Box) -> Box:
    half_w, half_h = size[0] / 2, size[1] / 2
    x = min(max(centre[0], frame[0] + half_w), frame[2] - half_w)
    y = min(max(centre[1], frame[1] + half_h), frame[3] - half_h)
    return x - half_w, y - half_h, x + half_w, y + half_h


def _distance(box: Box, centre: Point, size: tuple[float, float]) -> float:
    """Distance of a box from where it was wanted, in heights of the label."""
    dx, dy = (box[0] + box[2]) / 2 - centre[0], (box[1] + box[3]) / 2 - centre[1]
    return float(np.hypot(dx, dy)) / size[1]


def _shared(a: Box, b: Box, gap: float) -> float:
    """Area that two boxes share when there has to be a gap between them."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + gap
    height = min(a[3], b[3]) - max(a[1], b[1]) + gap
    return max(width, 0.0) * max(height, 0.0)


def _grid(frame: Box) -> list[Point]:
    x0, y0, x1, y1 = frame
    step = max(x1 - x0, y1 - y0) / _GRID
    return [
        (float(x), float(y))
        for x in np.arange(x0, x1 + step, step)
        for y in np.arange(y0, y1 + step, step)
    ]
