"""Closed triangle surfaces and the X-ray path lengths through them.

A closed surface contributes, at each pixel, the depth at which a ray leaves it minus the depth at
which the ray enters it. Summed with signs over all triangles, this gives the path length without
sorting, and nested surfaces (outer cortex, inner cortex, skin) simply add.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Faces = NDArray[np.int64]


@dataclass(frozen=True)
class Surface:
    """A closed triangle surface with outward orientation (counter-clockwise seen from outside).

    Attributes
    ----------
    vertices
        (n, 3), millimetres.
    faces
        (m, 3) vertex numbers.
    """

    vertices: Array
    faces: Faces

    def moved(self, transform: Callable[[Array], Array]) -> Surface:
        """The surface with every vertex sent through `transform`."""
        return replace(self, vertices=transform(self.vertices))

    def normals(self) -> Array:
        """Outward unit normals at the vertices, (n, 3), weighted by the triangles' area."""
        a, b, c = (self.vertices[self.faces[:, i]] for i in range(3))
        of_faces = np.cross(b - a, c - a)
        normals = np.empty_like(self.vertices)
        for axis in range(3):
            normals[:, axis] = np.bincount(
                self.faces.ravel(),
                np.repeat(of_faces[:, axis], 3),
                minlength=len(self.vertices),
            )
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        return normals / np.maximum(length, 1e-12)


def closed(vertices: Array, faces: Faces) -> Surface:
    """Join coinciding vertices and close holes, so that path lengths through the surface are right.

    Every open edge is joined to one added point in the midst of the open edges. That closes any
    number of holes, because the added triangles' own edges cancel in pairs.
    """
    _, first, inverse = np.unique(vertices.round(4), axis=0, return_index=True, return_inverse=True)
    vertices, faces = vertices[first], inverse.ravel()[faces]
    faces = faces[
        (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    ]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    undirected, which = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True)
    forward = np.where(edges[:, 0] < edges[:, 1], 1.0, -1.0)
    excess = np.bincount(which.ravel(), forward, minlength=len(undirected)).astype(int)
    rim = np.repeat(np.where((excess > 0)[:, None], undirected[:, ::-1], undirected),
                    np.abs(excess), axis=0)  # fmt: skip
    if len(rim):
        fan = np.column_stack([rim, np.full(len(rim), len(vertices))])
        vertices = np.vstack([vertices, vertices[np.unique(rim)].mean(axis=0)])
        faces = np.vstack([faces, fan])
    return Surface(vertices, faces)


def tube(rings: Array) -> Surface:
    """A closed tube through `rings`, (k rings, n points, 3), each end closed by its centre."""
    k, n, _ = rings.shape
    index = np.arange(k * n).reshape(k, n)
    a, b = index[:-1], np.roll(index, -1, axis=1)[:-1]
    c, d = np.roll(index, -1, axis=1)[1:], index[1:]
    sides = np.concatenate(
        [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    )
    around = np.arange(n)
    after = (around + 1) % n
    first = np.stack([np.full(n, k * n), after, around], -1)
    last = np.stack([np.full(n, k * n + 1), index[-1][around], index[-1][after]], -1)
    vertices = np.vstack(
        [rings.reshape(-1, 3), rings[0].mean(axis=0)[None], rings[-1].mean(axis=0)[None]]
    )
    faces = np.concatenate([sides, first, last])
    corners = vertices[faces]
    volume = np.linalg.det(corners - vertices.mean(axis=0)).sum()
    return Surface(vertices, faces if volume > 0.0 else faces[:, ::-1])


@numba.njit(cache=True, nogil=True)
def _add_depths(image, points, faces, weights):  # type: ignore[no-untyped-def]
    rows, columns = image.shape
    for number in range(faces.shape[0]):
        i, j, k = faces[number, 0], faces[number, 1], faces[number, 2]
        xi, yi = points[i, 0], points[i, 1]
        xj, yj = points[j, 0], points[j, 1]
        xk, yk = points[k, 0], points[k, 1]
        area = (xj - xi) * (yk - yi) - (yj - yi) * (xk - xi)
        if area == 0.0:
            continue
        left = max(int(np.ceil(min(xi, xj, xk))), 0)
        right = min(int(np.floor(max(xi, xj, xk))), columns - 1)
        top = max(int(np.ceil(min(yi, yj, yk))), 0)
        bottom = min(int(np.floor(max(yi, yj, yk))), rows - 1)
        # A triangle is drawn only where it covers a pixel's centre. Each edge is evaluated from its
        # lower-numbered end, so that two triangles that share it never both claim or lose a centre.
        turn = 1.0 if area > 0 else -1.0
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                inside = True
                ends = (i, j, k, i)
                for e in range(3):
                    p, q = ends[e], ends[e + 1]
                    flip = turn
                    if p > q:
                        p, q = q, p
                        flip = -turn
                    value = (points[q, 0] - points[p, 0]) * (y - points[p, 1]) - (
                        points[q, 1] - points[p, 1]
                    ) * (x - points[p, 0])
                    if (value > 0.0) != (flip > 0.0):
                        inside = False
                        break
                if not inside:
                    continue
                u = ((xj - x) * (yk - y) - (yj - y) * (xk - x)) / area
                v = ((xk - x) * (yi - y) - (yk - y) * (xi - x)) / area
                w = 1.0 - u - v
                depth = u * points[i, 2] + v * points[j, 2] + w * points[k, 2]
                weight = u * weights[i] + v * weights[j] + w * weights[k]
                image[y, x] -= turn * depth * weight


def add_path_lengths(image: Array, surface: Surface, weights: Array | float = 1.0) -> None:
    """Add to `image` the length of each pixel's ray inside `surface`.

    Parameters
    ----------
    image
        (rows, columns) float64, changed in place.
    surface
        Vertices are (x, y) in pixels (centres at integers) and depth toward the viewer in
        millimetres. Seen from there x runs right and y down: a left-handed frame, in which the
        triangles of a surface that was projected from a right-handed one run clockwise.
    weights
        What a millimetre of path counts for, one value or one per vertex. Where it varies along a
        ray, the depths' origin should lie near the surface's middle.
    """
    points = np.ascontiguousarray(surface.vertices, dtype=np.float64)
    given = np.broadcast_to(np.asarray(weights, dtype=np.float64), (len(points),))
    _add_depths(image, points, surface.faces, np.ascontiguousarray(given))
