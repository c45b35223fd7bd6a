"""The specification's scoring once more, written straight from tables 1 and 2 of the paper.

Shares no code with the library: plain formulas with the paper's own numbers, no protocol file.
"""

from __future__ import annotations

from math import acos, atan, degrees, floor, hypot, pi


def frontal(thumb, radial, ulnar, width, height, sx, sy) -> list[int]:
    """Points of frontal 1 to 5; positions (x, y) in pixels, sx and sy in mm per pixel."""
    # Millimetres from the upper left corner of the image, which is half a pixel from its centre.
    w, h = width * sx, height * sy
    x2, y2 = (radial[0] + 0.5) * sx, (radial[1] + 0.5) * sy
    x3, y3 = (ulnar[0] + 0.5) * sx, (ulnar[1] + 0.5) * sy
    mx, my = (x2 + x3) / 2, (y2 + y3) / 2

    d = (h - my) / 10
    task2 = 5 if 3 <= d <= 5 else ramp(4 * (d - 2)) if 2 < d < 3 else 0
    if 5 < d < 6:
        task2 = ramp(4 * (6 - d))

    alpha = degrees(pi / 2 if y2 == y3 else atan(abs(x2 - x3) / abs(y2 - y3)))
    deviation = abs(alpha - 90)
    task3 = 10 if deviation <= 5 else ramp(9 * (10 - deviation) / 5) if deviation < 10 else 0

    task4 = offset(abs(h - 2 * my) / 10, 5, 4) + offset(abs(w - 2 * mx) / 10, 5, 4)
    task5 = side(min(x2, w - x2) / 10) + side(min(x3, w - x3) / 10)
    return [5 if thumb is not None else 0, task2, task3, task4, task5]


def lateral(p1, p2, p3, p4, p5, width, height, sx, sy) -> list[int]:
    """Points of lateral 1 to 3."""

    def vector(a, b):
        return (b[0] - a[0]) * sx, (b[1] - a[1]) * sy

    (ax, ay), (bx, by) = vector(p1, p2), vector(p1, p4)
    cosine = (ax * bx + ay * by) / hypot(ax, ay) / hypot(bx, by)
    alpha = degrees(acos(max(-1.0, min(1.0, cosine))))
    task1 = 12 if alpha <= 45 else ramp(11 * (60 - alpha) / 15) if alpha < 60 else 0

    vx, vy = vector(p1, ((p3[0] + p5[0]) / 2, (p3[1] + p5[1]) / 2))
    beta = degrees(acos(abs(vy) / hypot(vx, vy)))
    task2 = 12 if beta <= 5 else ramp(11 * (10 - beta) / 5) if beta < 10 else 0

    l1, l2 = (p1[0] + 0.5) * sx, (p1[1] + 0.5) * sy
    task3 = offset(abs(height * sy - 2 * l2) / 10, 6, 5)
    task3 += offset(abs(width * sx - 2 * l1) / 10, 6, 5)
    return [task1, task2, task3]


def ramp(x: float) -> int:
    return floor(x) + 1


def offset(d: float, full: int, slope: int) -> int:
    return full if d <= 1 else ramp(slope * (2 - d)) if d < 2 else 0


def side(d: float) -> int:
    if 3 <= d <= 5:
        return 3
    if 2 < d < 3:
        return ramp(2 * (d - 2))
    return ramp(2 * (6 - d)) if 5 < d < 6 else 0


def grade(total: int) -> str:
    return "A" if total >= 90 else "B" if total >= 80 else "C" if total >= 60 else "D"
