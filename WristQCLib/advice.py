"""Plain advice on how to do better, with the points that it would gain.

Whatever can be corrected by moving, turning or collimating is tried: the keypoints are moved as the
advice says, everything is measured and scored again, and the gain is the difference. So advice can
never promise points that the protocol would not give.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from WristQCLib.assessment import Assessment, Section
from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import Keypoint, Keypoints, Point
from WristQCLib.measurements import ImageGeometry, measure, midpoint
from WristQCLib.protocol import Protocol

_STEP_CM = 0.1
_STEP_DEG = 1.0


@dataclass(frozen=True)
class Advice:
    """One thing to do.

    Attributes
    ----------
    text
        What to do, one clause without the gain.
    gain
        Points that it adds to the total when nothing else is changed.
    tasks
        Ids of the tasks that gain.
    """

    text: str
    gain: int
    tasks: tuple[str, ...] = ()


def advise(assessment: Assessment) -> tuple[Advice, ...]:
    """Advice for an assessed image, largest gain first; empty when all points were given."""
    advice = [
        *_complete_basic_information(assessment),
        *_place_side_marker(assessment),
        *_remove_foreign_object(assessment),
    ]
    if assessment.keypoints is not None:
        now = _Trial(assessment.keypoints, assessment.geometry, assessment.protocol)
        advice += _reposition(now)
        advice += _show_thumb(assessment)
        advice += _overlap_forearm_bones(assessment)
    return tuple(sorted(advice, key=lambda a: -a.gain))


# What is stated or recognised ---------------------------------------------------------------


def _complete_basic_information(assessment: Assessment) -> Iterable[Advice]:
    missing = [
        task
        for task in assessment.score.tasks
        if task.section is Section.BASIC_INFORMATION and task.assessable and not task.points
    ]
    if missing:
        names = ", ".join(task.title for task in missing)
        gain = sum(task.max_points for task in missing)
        yield Advice(f"fill in at the console: {names}", gain, tuple(t.id for t in missing))


def _place_side_marker(assessment: Assessment) -> Iterable[Advice]:
    task = assessment.score.task("side_marker")
    if task.points == 0 and task.assessable:
        letter = f"the {assessment.side.value}" if assessment.side.value else "an L or R"
        yield Advice(
            f"place {letter} marker beside the wrist: upright, whole, not mirrored, clear of"
            " anatomy and of the edge of the field",
            task.max_points,
            (task.id,),
        )


def _remove_foreign_object(assessment: Assessment) -> Iterable[Advice]:
    task = assessment.score.task("artefact")
    if assessment.artefact.finding is Finding.FOUND:
        text = "take off jewellery, watch, clothing and whatever else lies in the field"
        yield Advice(text, task.max_points, (task.id,))


def _show_thumb(assessment: Assessment) -> Iterable[Advice]:
    measurement = assessment.measurements.get("thumb_mcp_joint_present")
    if measurement is not None and measurement.value == 0:
        gain = sum(
            task.max_points
            for task in assessment.score.tasks
            for part in task.parts
            if part.measurement is measurement
        )
        text = "include the thumb's metacarpophalangeal joint in the field"
        yield Advice(text, gain, ("frontal_1",))


def _overlap_forearm_bones(assessment: Assessment) -> Iterable[Advice]:
    for task in assessment.score.tasks:
        for part in task.parts:
            if part.measurement.id == "radius_ulna_angle" and part.points < part.max_points:
                if part.measurement.value is None:
                    continue
                yield Advice(
                    "turn the forearm about its long axis until distal radius and ulna overlap"
                    " (true lateral)",
                    part.max_points - part.points,
                    (task.id,),
                )


# What can be tried on the keypoints ---------------------------------------------------------


@dataclass(frozen=True)
class _Trial:
    """Keypoints and geometry as they would be, and the points of each layout task."""

    keypoints: Keypoints
    geometry: ImageGeometry
    protocol: Protocol

    @cached_property
    def points(self) -> dict[str, int]:
        measurements = measure(self.keypoints, self.geometry)
        return {
            task.id: sum(
                part.score(value)
                for part in task.parts
                if (value := measurements[part.measurement].value) is not None
            )
            for task in self.protocol.layout[self.keypoints.view]
        }

    @cached_property
    def total(self) -> int:
        return sum(self.points.values())

    def moved(self, move: Callable[[Point], Point]) -> _Trial:
        points = tuple(
            point if point.position is None else replace(point, position=move(point.position))
            for point in self.keypoints
        )
        return replace(self, keypoints=replace(self.keypoints, points=points))

    def advice(self, text: str, now: _Trial) -> Advice:
        tasks = tuple(task for task, points in self.points.items() if points > now.points[task])
        return Advice(text, self.total - now.total, tasks)


def _best(now: _Trial, trials: Iterable[tuple[float, _Trial]]) -> tuple[float, _Trial] | None:
    """The first of the trials with the most points, None when none has more than now."""
    best: tuple[float, _Trial] | None = None
    most = now.total
    for amount, trial in trials:
        if trial.total > most:
            best, most = (amount, trial), trial.total
    return best


def _reposition(now: _Trial) -> Iterable[Advice]:
    moves = [*_shift(now)]
    collimation = _collimate(now)
    if collimation and collimation.gain > sum(advice.gain for advice in moves):
        moves = [collimation]
    return [*moves, *_rotate(now)]


def _shift(now: _Trial) -> Iterable[Advice]:
    """Move the wrist in the field, sideways and along the image."""
    if now.geometry.spacing is None or now.geometry.size_cm is None:
        return
    for axis, words in enumerate((("right", "left"), ("bottom", "top"))):
        pixels_per_cm = 10.0 / now.geometry.spacing[axis]

        def shifted(cm: float, axis: int = axis, scale: float = pixels_per_cm) -> _Trial:
            return now.moved(
                lambda p: (p[0] + cm * scale, p[1]) if axis == 0 else (p[0], p[1] + cm * scale)
            )

        extent = now.geometry.size_cm[axis] / 2
        best = _best(now, ((cm, shifted(cm)) for cm in _both_ways(extent, _STEP_CM)))
        if best:
            cm, trial = best
            towards = words[0] if cm > 0 else words[1]
            text = f"move the wrist {abs(cm):.1f} cm towards the {towards} of the image"
            yield trial.advice(text, now)


def _collimate(now: _Trial) -> Advice | None:
    """Narrow the field around the wrist, for a frontal image on too large a field."""
    centre = _wrist_centre(now.keypoints)
    size = now.geometry.size_cm
    distances = now.geometry.border_distances_cm(centre) if centre else None
    if now.keypoints.view is not View.FRONTAL or not (centre and size and distances):
        return None
    left, right, top, bottom = distances
    best: Advice | None = None
    # The largest field first, so that no more is cut off than the points need.
    for width in _downwards(2 * min(left, right)):
        for height in _downwards(2 * min(top, bottom)):
            trial = _cropped(now, centre, width, height)
            if trial.total > now.total + (best.gain if best else 0):
                text = f"collimate to {width:.1f} × {height:.1f} cm, centred on the wrist"
                best = trial.advice(text, now)
    return best


def _cropped(now: _Trial, centre: Point, width_cm: float, height_cm: float) -> _Trial:
    """The image cut to a field around `centre`; keypoints outside are no longer in the image."""
    assert now.geometry.spacing is not None  # lengths are only tried where they are known
    sx, sy = now.geometry.spacing
    columns, rows = round(width_cm * 10 / sx), round(height_cm * 10 / sy)
    x0, y0 = centre[0] + 0.5 - columns / 2, centre[1] + 0.5 - rows / 2

    def cropped(point: Keypoint) -> Keypoint:
        if point.position is None:
            return point
        x, y = point.position[0] - x0, point.position[1] - y0
        if -0.5 <= x <= columns - 0.5 and -0.5 <= y <= rows - 0.5:
            return replace(point, position=(x, y))
        return Keypoint(point.name, Finding.NOT_FOUND)

    keypoints = replace(now.keypoints, points=tuple(cropped(point) for point in now.keypoints))
    return _Trial(keypoints, ImageGeometry(columns, rows, (sx, sy)), now.protocol)


def _downwards(largest: float) -> list[float]:
    """Field sizes in cm, largest first, in steps of half a centimetre."""
    return [n / 2 for n in range(math.floor(largest * 2), 5, -1)]


def _rotate(now: _Trial) -> Iterable[Advice]:
    """Turn the wrist in the image's plane about its centre."""
    centre = _wrist_centre(now.keypoints)
    if centre is None:
        return
    best = _best(
        now,
        (
            (degrees, now.moved(_turn(centre, degrees, now.geometry)))
            for degrees in _both_ways(90, _STEP_DEG)
        ),
    )
    if best:
        degrees, trial = best
        direction = "clockwise" if degrees > 0 else "anticlockwise"
        amount = "1 degree" if abs(degrees) == 1 else f"{abs(degrees):.0f} degrees"
        yield trial.advice(f"rotate the wrist {amount} {direction}", now)


def _both_ways(extent: float, step: float) -> Iterable[float]:
    """step, -step, 2 step, -2 step, ... up to `extent`: smallest changes first."""
    for n in range(1, math.ceil(extent / step) + 1):
        yield n * step
        yield -n * step


def _wrist_centre(keypoints: Keypoints) -> Point | None:
    """The point that layout tasks centre: styloid midpoint or scaphoid centre."""
    if keypoints.view is View.LATERAL:
        return keypoints["scaphoid_centre"].position
    radial, ulnar = (keypoints[name].position for name in ("radial_styloid", "ulnar_styloid"))
    return midpoint(radial, ulnar) if radial and ulnar else None


def _turn(centre: Point, degrees: float, geometry: ImageGeometry) -> Callable[[Point], Point]:
    """Rotation about `centre`, clockwise as seen on the screen, on pixels of any aspect."""
    sx, sy = geometry.spacing or (1.0, geometry.pixel_aspect)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def turned(point: Point) -> Point:
        dx, dy = geometry.vector(centre, point)
        return centre[0] + (cos * dx - sin * dy) / sx, centre[1] + (sin * dx + cos * dy) / sy

    return turned
