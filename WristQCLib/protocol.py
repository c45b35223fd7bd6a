"""The scoring protocol as data: points, bands and grades, read from a TOML file and validated.

TOML is read by the standard library, so that scoring needs nothing installed. All rules are in
the file (`Resources/Protocols/wrist_radiograph.toml` is the paper's); this module knows only their
form.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from WristQCLib.findings import View
from WristQCLib.measurements import MEASUREMENTS
from WristQCLib.resources import RESOURCES

SCHEMA = 1
"""Version of the form of protocol files that this module reads."""

DEFAULT_PROTOCOL = RESOURCES / "Protocols" / "wrist_radiograph.toml"

_TOLERANCE = 1e-9
"""Values this close to a band's edge lie on it, so that rounding of floats never decides."""

R = TypeVar("R")


class ProtocolError(ValueError):
    """A protocol file cannot be used; the message names the file and the entry."""


@dataclass(frozen=True)
class Interval:
    """Closed interval of measured values; either end may be infinite."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if math.isnan(self.low) or math.isnan(self.high) or self.low > self.high:
            raise ValueError(f"an interval is [low, high] with low <= high, got {self}")

    def __contains__(self, value: float) -> bool:
        return self.low - _TOLERANCE <= value <= self.high + _TOLERANCE


@dataclass(frozen=True)
class PartRule:
    """Points for one measurement: a band of full points with a ramp in whole points on its sides.

    Attributes
    ----------
    measurement
        Name of a measurement of the view (`WristQCLib.measurements.MEASUREMENTS`).
    points
        Most points.
    full
        Values with all points, ends included.
    zero
        Values at and beyond its ends get none. Contains `full`.
    """

    measurement: str
    points: int
    full: Interval
    zero: Interval

    def __post_init__(self) -> None:
        if self.points <= 0:
            raise ValueError(f"points must be positive, got {self.points}")
        if self.zero.low > self.full.low or self.zero.high < self.full.high:
            raise ValueError(f"'zero' {self.zero} must contain 'full' {self.full}")

    @property
    def possible_points(self) -> range:
        """Whole points that can occur: a rule without a ramp gives all or none."""
        return range(0, self.points + 1, self.points if self.full == self.zero else 1)

    def score(self, value: float) -> int:
        """Points for a measured value: ``floor((points - 1) f) + 1`` on the ramp (table 2)."""
        if value in self.full:
            return self.points
        if value < self.full.low:
            fraction = _fraction(value, self.zero.low, self.full.low)
        else:
            fraction = _fraction(value, self.zero.high, self.full.high)
        if fraction <= _TOLERANCE:
            return 0
        return math.floor((self.points - 1) * fraction + _TOLERANCE) + 1


def _fraction(value: float, zero: float, full: float) -> float:
    """Position of `value` on the way from `zero` (0) to `full` (1)."""
    return (value - zero) / (full - zero) if full != zero and math.isfinite(zero) else 0.0


@dataclass(frozen=True)
class TaskRule:
    """One task of display and layout: its parts are added."""

    id: str
    title: str
    clause: str
    grades: Mapping[str, Interval]
    parts: tuple[PartRule, ...]

    @property
    def points(self) -> int:
        return sum(part.points for part in self.parts)

    def grade(self, points: int) -> str:
        """Grade of the task for whole points (table 3)."""
        return next(name for name, interval in self.grades.items() if points in interval)

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("a task needs at least one part")
        sums = {sum(points) for points in product(*(part.possible_points for part in self.parts))}
        for points in sorted(sums):
            matches = [name for name, interval in self.grades.items() if points in interval]
            if len(matches) != 1:
                raise ValueError(f"{points} points must have exactly one task grade, got {matches}")


@dataclass(frozen=True)
class ItemRule:
    """One item of basic information: present when one of the DICOM attributes is non-empty.

    Attributes
    ----------
    attributes
        DICOM keywords, in order of preference.
    identity
        Whether the value identifies the patient and is hidden unless asked for.
    """

    id: str
    label: str
    group: str
    attributes: tuple[str, ...]
    points: int
    identity: bool = False

    def __post_init__(self) -> None:
        if not self.attributes:
            raise ValueError("an item needs at least one DICOM attribute")


@dataclass(frozen=True)
class SideMarkerRule:
    points: int
    similarity: float
    must_agree_with_side: bool

    def __post_init__(self) -> None:
        if not 0 < self.similarity <= 1:
            raise ValueError(f"similarity is in (0, 1], got {self.similarity}")


@dataclass(frozen=True)
class ArtefactRule:
    points: int


@dataclass(frozen=True)
class Protocol:
    """A validated scoring protocol."""

    id: str
    version: str
    title: str
    grades: Mapping[str, float]
    side_marker: SideMarkerRule
    artefact: ArtefactRule
    basic_information: tuple[ItemRule, ...]
    layout: Mapping[View, tuple[TaskRule, ...]]

    @property
    def identity(self) -> str:
        return f"{self.id} {self.version}"

    def grade(self, total: float) -> str:
        """Overall grade: the best whose lowest total is reached (section 1.2.3)."""
        reached = [name for name, lowest in self.grades.items() if total >= lowest]
        return max(reached, key=lambda name: self.grades[name])

    def best_total(self, view: View) -> int:
        """Sum of all points of a view."""
        return (
            sum(item.points for item in self.basic_information)
            + self.side_marker.points
            + self.artefact.points
            + sum(task.points for task in self.layout[view])
        )

    def __post_init__(self) -> None:
        if min(self.grades.values(), default=1) != 0:
            raise ValueError("'grades': the lowest grade must begin at a total of 0")
        for view in View:
            if (best := self.best_total(view)) != 100:
                raise ValueError(f"the points of the {view} view add up to {best} instead of 100")


@lru_cache(maxsize=8)
def _load(path: Path, _modified: int) -> Protocol:
    try:
        return _protocol(tomllib.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ProtocolError(f"The protocol file {path} cannot be used: {error}.") from error


def load_protocol(path: Path | str = DEFAULT_PROTOCOL) -> Protocol:
    """Read and validate a protocol file.

    Raises
    ------
    ProtocolError
        If the file is missing or is not a valid protocol; the message names file and entry.
    """
    path = Path(path)
    try:
        modified = path.stat().st_mtime_ns
    except OSError as error:
        raise ProtocolError(
            f"The protocol file {path} cannot be read ({error.strerror}); give the path of a"
            f" protocol like {DEFAULT_PROTOCOL.name}."
        ) from error
    return _load(path, modified)


def _protocol(data: dict[str, Any]) -> Protocol:
    if data.pop("schema", None) != SCHEMA:
        raise ValueError(f"'schema' must be {SCHEMA}")
    layout = {
        view: tuple(
            _build(f"{view}[{n}]", TaskRule, _prepared_task(f"{view}[{n}]", view, task))
            for n, task in enumerate(data.pop(view.value, ()), start=1)
        )
        for view in View
    }
    for view, tasks in layout.items():
        if not tasks:
            raise ValueError(f"there is no [[{view}]] task")
    entries = dict(data)
    entries["layout"] = layout
    entries["side_marker"] = _build("side_marker", SideMarkerRule, data.get("side_marker"))
    entries["artefact"] = _build("artefact", ArtefactRule, data.get("artefact"))
    entries["basic_information"] = tuple(
        _build(
            f"basic_information[{n}]",
            ItemRule,
            item | {"attributes": tuple(item.get("attributes", ()))},
        )
        for n, item in enumerate(data.get("basic_information", ()), start=1)
    )
    return _build("protocol", Protocol, entries)


def _prepared_task(where: str, view: View, task: dict[str, Any]) -> dict[str, Any]:
    parts = []
    for n, part in enumerate(task.get("parts", ()), start=1):
        name = f"{where}.parts[{n}]"
        if (measurement := part.get("measurement")) not in MEASUREMENTS[view]:
            raise ValueError(
                f"'{name}': '{measurement}' is not a measurement of the {view} view;"
                f" these are {', '.join(MEASUREMENTS[view])}"
            )
        intervals = {key: _interval(f"{name}.{key}", part.get(key)) for key in ("full", "zero")}
        parts.append(_build(name, PartRule, part | intervals))
    grades = {
        grade: _interval(f"{where}.grades.{grade}", ends)
        for grade, ends in task.get("grades", {}).items()
    }
    return task | {"parts": tuple(parts), "grades": grades}


def _interval(where: str, ends: Any) -> Interval:
    if not isinstance(ends, list) or len(ends) != 2:
        raise ValueError(f"'{where}' must be [low, high], got {ends}")
    return Interval(float(ends[0]), float(ends[1]))


_PLAIN_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "float": (int, float),
}


def _build(where: str, record: type[R], entries: Any) -> R:
    """Make a dataclass of `entries`, refusing unknown, missing and wrongly typed ones by name."""
    if not isinstance(entries, dict):
        raise ValueError(f"the table '{where}' is missing")
    known = {field.name: field for field in fields(record)}  # type: ignore[arg-type]
    required = {name for name, field in known.items() if field.default is MISSING}
    if unknown := sorted(set(entries) - set(known)):
        raise ValueError(f"'{where}' has unknown entries: {', '.join(unknown)}")
    if missing := sorted(required - set(entries)):
        raise ValueError(f"'{where}' lacks: {', '.join(missing)}")
    for name, value in entries.items():
        types = _PLAIN_TYPES.get(str(known[name].type))
        # Not isinstance: to Python a bool is an int, but a number that reads "true" is a mistake.
        if types and type(value) not in types:
            raise ValueError(f"'{where}.{name}' must be of type {known[name].type}, got {value!r}")
    try:
        return record(**entries)
    except ValueError as error:
        raise ValueError(f"'{where}': {error}") from error
