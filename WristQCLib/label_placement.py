"""Places for labels in a picture: inside it, apart from each other, off points and lines if can be.

Every label has candidate places. Labels are placed one after the other at their cheapest candidate
and then, a few times over, each is placed anew while the others stay. This is done in several
orders, of which the cheapest result is taken; or, while a point is dragged, once and with a
preference for where the labels are, so that they do not jump. A label that would still lie on
another one goes to the nearest free place of the picture.

Costs are counted for all candidates at once: a picture is laid out anew for every move of a point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

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
_STEADY = 6.0
"""How much better a place must be for a label to leave the one that it has."""
_TOUCHING = 1e-9
"""Share of a label's area that rounding may make."""


@dataclass(frozen=True)
class Wish:
    """A label's (width, height) and the centres where it may be, best first."""

    size: tuple[float, float]
    centres: Sequence[Point]


@dataclass(frozen=True)
class Place:
    """Where a label is: its box, and which of its wishes that is (or would have been)."""

    box: Box
    candidate: int


@dataclass(frozen=True)
class Obstacles:
    """What labels had better not cover.

    Costs are in units of one candidate further down the list.

    Attributes
    ----------
    segments
        (m, 2 ends, xy) of lines.
    per_length
        What covering a line costs per unit of its length.
    regions
        (r, 4) boxes.
    per_area
        (r,) what covering each costs per unit of area.
    """

    segments: Floats
    per_length: float
    regions: Floats
    per_area: Floats

    @classmethod
    def none(cls) -> Obstacles:
        return cls(np.empty((0, 2, 2)), 0.0, np.empty((0, 4)), np.empty(0))


def place_labels(
    wishes: Sequence[Wish],
    frame: Box,
    obstacles: Obstacles,
    gap: float,
    before: Sequence[int] | None = None,
) -> list[Place]:
    """Places of the labels, in their order.

    Parameters
    ----------
    wishes
        One for every label.
    frame
        The picture.
    obstacles
        What is drawn beside the labels.
    gap
        Smallest distance between two labels.
    before
        The labels' candidates in an earlier picture, which they are to keep if that is not bad.
    """
    if not wishes:
        return []
    counts = [len(wish.centres) for wish in wishes]
    centres = np.array([centre for wish in wishes for centre in wish.centres])
    sizes = np.repeat(np.array([wish.size for wish in wishes]), counts, axis=0)
    ranks = np.concatenate([np.arange(count) for count in counts])
    ends = np.cumsum(counts)
    own = [slice(end - count, end) for end, count in zip(ends, counts, strict=True)]

    boxes = _inside(centres, sizes, frame)
    areas = sizes.prod(axis=1)
    cost = ranks + _covering(boxes, obstacles) + _distance(boxes, centres, sizes)

    @cache
    def collisions(candidate: int) -> Floats:
        """(n,) what it costs all candidates that another label is placed at this one."""
        return _COLLISION * _shared(boxes, boxes[candidate : candidate + 1], gap)[:, 0] / areas

    def attempt(order: Sequence[int], start: Sequence[int] = ()) -> tuple[float, list[int]]:
        """Total cost, and the candidate of each label."""
        chosen = list(start) or [-1] * len(wishes)
        hits = np.zeros((len(boxes), len(wishes)))
        if start:
            hits = _COLLISION * _shared(boxes, boxes[chosen], gap) / areas[:, None]
        disturbed = cost + hits.sum(axis=1)
        for _ in range(_ROUNDS):
            earlier = chosen.copy()
            for label in order:
                part = own[label]
                best = part.start + int((disturbed[part] - hits[part, label]).argmin())
                if best != chosen[label]:
                    disturbed += collisions(best) - hits[:, label]
                    hits[:, label] = collisions(best)
                    chosen[label] = best
            if chosen == earlier:
                break
        return float((disturbed[chosen] - hits[chosen, range(len(wishes))]).sum()), chosen

    if before is None:
        shuffler = np.random.default_rng(0)
        tried = [attempt(shuffler.permutation(len(wishes)).tolist()) for _ in range(_ORDERS)]
        _, chosen = min(tried, key=lambda result: result[0])
    else:
        start = [part.start + n for part, n in zip(own, before, strict=True)]
        cost[start] -= _STEADY
        _, chosen = attempt(range(len(wishes)), start)
    placed, areas = boxes[chosen], areas[chosen]
    on_others = _shared(placed, placed, gap) * (1.0 - np.eye(len(placed)))
    for n in np.flatnonzero(on_others.sum(axis=1) > _TOUCHING * areas).tolist():
        placed[n] = _nearest_free(placed[n], wishes[n], np.delete(placed, n, axis=0), frame, gap)
    return [
        Place((x0, y0, x1, y1), candidate - part.start)
        for (x0, y0, x1, y1), candidate, part in zip(placed.tolist(), chosen, own, strict=True)
    ]


def _nearest_free(box: Floats, wish: Wish, others: Floats, frame: Box, gap: float) -> Floats:
    """The box in the whole frame that covers least of others and is nearest to the first wish."""
    if not _shared(box[None], others, gap).any():  # another label has left already
        return box
    places = _grid(frame)
    sizes = np.broadcast_to(np.array(wish.size), places.shape)
    free = _inside(places, sizes, frame)
    hit = _shared(free, others, gap).sum(axis=1) / (wish.size[0] * wish.size[1])
    away = _distance(free, np.array(wish.centres[:1]), sizes)
    return np.asarray(free[(_COLLISION * hit + away).argmin()])


def _inside(centres: Floats, sizes: Floats, frame: Box) -> Floats:
    """(n, 4) boxes round centres, moved into the frame; its left upper part if they do not fit."""
    half = sizes / 2
    low, high = np.array(frame[:2]) + half, np.array(frame[2:]) - half
    middle = np.maximum(np.minimum(centres, high), low)
    return np.hstack((middle - half, middle + half))


def _distance(boxes: Floats, centres: Floats, sizes: Floats) -> Floats:
    """(n,) distance of boxes from where they were wanted, in heights of the label."""
    off = (boxes[:, :2] + boxes[:, 2:]) / 2 - centres
    return np.asarray(np.hypot(off[:, 0], off[:, 1]) / sizes[:, 1])


def _shared(a: Floats, b: Floats, gap: float = 0.0) -> Floats:
    """(n, m) area that boxes a (n, 4) and b (m, 4) share when there has to be a gap between."""
    low, high = np.maximum(a[:, None, :2], b[:, :2]), np.minimum(a[:, None, 2:], b[:, 2:])
    sides = np.maximum(high - low + gap, 0.0)
    return np.asarray(sides[..., 0] * sides[..., 1])


def _covering(boxes: Floats, obstacles: Obstacles) -> Floats:
    """(n,) what it costs that boxes cover lines and regions."""
    on_lines = obstacles.per_length * _length_inside(obstacles.segments, boxes).sum(axis=1)
    on_regions = _shared(boxes, obstacles.regions) @ obstacles.per_area
    return np.asarray(on_lines + on_regions)


def _length_inside(segments: Floats, boxes: Floats) -> Floats:
    """(n, m) length of the part of segment m that lies in box n (clipping of Liang and Barsky)."""
    start, along = segments[:, 0], segments[:, 1] - segments[:, 0]
    entry, leave = np.zeros((len(boxes), len(segments))), np.ones((len(boxes), len(segments)))
    for axis in (0, 1):
        step = np.where(along[:, axis] == 0.0, 1e-12, along[:, axis])
        low = (boxes[:, axis, None] - start[:, axis]) / step
        high = (boxes[:, axis + 2, None] - start[:, axis]) / step
        np.maximum(entry, np.minimum(low, high), out=entry)
        np.minimum(leave, np.maximum(low, high), out=leave)
    return np.asarray(np.maximum(leave - entry, 0.0) * np.hypot(along[:, 0], along[:, 1]))


def _grid(frame: Box) -> Floats:
    """(n, 2) places all over the picture."""
    x0, y0, x1, y1 = frame
    step = max(x1 - x0, y1 - y0) / _GRID
    x, y = np.meshgrid(np.arange(x0, x1 + step, step), np.arange(y0, y1 + step, step))
    return np.column_stack((x.ravel(), y.ravel()))
