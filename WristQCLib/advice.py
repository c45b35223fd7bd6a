"""Plain advice on how to do better, with the points that it would gain.

Whatever can be corrected by moving, turning or collimating is tried: the keypoints are moved as the
advice says, everything is measured and scored again, and the gain is the difference. So advice can
never promise points that the protocol would not give.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from WristQCLib.assessment import Assessment, Section
from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import Keypoints, Point
from WristQCLib.measurements import ImageGeometry, measure, midpoint
from WristQCLib.protocol import Protocol

_STEP_CM = 0.1
_STEP_DEG = 0.5


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
        advice += _reposition(assessment.keypoints, assessment.geometry, assessment.protocol)
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


def _layout_points(
    keypoints: Keypoints, geometry: ImageGeometry, protocol: Protocol
) -> dict[str, int]:
    measurements = measure(keypoints, geometry)
    points = {}
    for task in protocol.layout[keypoints.view]:
        points[task.id] = sum(
            part.score(value)
            for part in task.parts
            if (value := measurements[part.measurement].value) is not None
        )
    return points


def _moved(keypoints: Keypoints, move: Callable[[Point], Point]) -> Keypoints:
    return replace(
        keypoints,
        points=tuple(
            point if point.position is None else replace(point, position=move(point.position))
            for point in keypoints
        ),
    )


def _reposition(
    keypoints: Keypoints, geometry: ImageGeometry, protocol: Protocol
) -> Iterable[Advice]:
    now = _layout_points(keypoints, geometry, protocol)

    def best(
        amounts: Iterable[float], changed: Callable[[float], tuple[Keypoints, ImageGeometry]]
    ) -> tuple[float, dict[str, int]] | None:
        """The smallest amount with the largest gain, None when nothing gains."""
        found: tuple[float, dict[str, int]] | None = None
        most = sum(now.values())
        for amount in amounts:
            points = _layout_points(*changed(amount), protocol)
            if sum(points.values()) > most:
                found, most = (amount, points), sum(points.values())
        return found

    def gain(points: dict[str, int]) -> tuple[int, tuple[str, ...]]:
        tasks = tuple(task for task in points if points[task] > now[task])
        return sum(points.values()) - sum(now.values()), tasks

    if geometry.spacing is not None:
        sx, sy = geometry.spacing
        size = geometry.size_cm
        assert size is not None  # the spacing is known
        for words, extent, unit in (
            (("right", "left"), size[0], (10.0 / sx, 0.0)),
            (("bottom", "top"), size[1], (0.0, 10.0 / sy)),
        ):
            found = best(
                _both_ways(extent / 2, _STEP_CM),
                lambda cm, unit=unit: (  # type: ignore[misc]
                    _moved(keypoints, lambda p: (p[0] + cm * unit[0], p[1] + cm * unit[1])),
                    geometry,
                ),
            )
            if found:
                amount, points = found
                towards = words[0] if amount > 0 else words[1]
                yield Advice(
                    f"move the wrist {abs(amount):.1f} cm towards the {towards} of the image",
                    *gain(points),
                )
    centre = _wrist_centre(keypoints)
    if centre is not None:
        found = best(
            _both_ways(90.0, _STEP_DEG),
            lambda deg: (_moved(keypoints, _turn(centre, deg, geometry)), geometry),
        )
        if found:
            amount, points = found
            direction = "clockwise" if amount > 0 else "anticlockwise"
            text = f"rotate the wrist {abs(amount):.0f} degrees {direction}"
            yield Advice(text, *gain(points))


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
