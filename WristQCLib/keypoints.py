"""Named keypoints of one radiograph: position, confidence, spread, and who placed them.

Positions are (x right, y down) in pixels of the stored image, sub-pixel, pixel centres at integers.
The names and definitions are those of the scoring protocol, in the paper's order (P1, P2, ...).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from WristQCLib.findings import Finding, View

Point = tuple[float, float]

KEYPOINT_NAMES: Mapping[View, tuple[str, ...]] = {
    View.FRONTAL: ("thumb_mcp_joint", "radial_styloid", "ulnar_styloid"),
    View.LATERAL: (
        "scaphoid_centre",
        "distal_radius_centre",
        "proximal_radius_centre",
        "distal_ulna_centre",
        "proximal_ulna_centre",
    ),
}
"""Keypoints of each view in the paper's order: P1, P2, ... (specification, section 2)."""


def words(identifier: str) -> str:
    """An identifier as words: ``"thumb_mcp_joint"`` becomes ``"thumb MCP joint"``."""
    return identifier.replace("_", " ").replace("mcp", "MCP")


def short_label(view: View, name: str) -> str:
    """What stands beside a keypoint in pictures: ``"P1 scaphoid"``, numbered as in the paper."""
    number = KEYPOINT_NAMES[view].index(name) + 1
    return f"P{number} {words(name).removesuffix(' centre')}"


@dataclass(frozen=True)
class Keypoint:
    """One anatomical landmark.

    Attributes
    ----------
    name
        One of `KEYPOINT_NAMES`.
    finding
        FOUND: `position` holds it. NOT_FOUND: it is not in the image.
        NOT_ASSESSABLE: nobody has looked for it yet, it is still to be placed.
    position
        (x, y) in pixels, None unless found.
    confidence
        Probability in [0, 1] that the keypoint is in the image; None when a person said so.
    spread
        One standard deviation of the position, in pixels; None when unknown.
    placed_by
        ``"model:<bundle name> <version>"`` or ``"person:<name>"``; empty when not placed.
    """

    name: str
    finding: Finding = Finding.NOT_ASSESSABLE
    position: Point | None = None
    confidence: float | None = None
    spread: float | None = None
    placed_by: str = ""

    def __post_init__(self) -> None:
        if (self.finding is Finding.FOUND) != (self.position is not None):
            raise ValueError(
                f"Keypoint '{self.name}' is '{self.finding}' but its position is {self.position}:"
                " a position is given exactly when the keypoint was found."
            )


@dataclass(frozen=True)
class Keypoints:
    """The keypoints of one view, always all of them and always in the protocol's order.

    Raises
    ------
    ValueError
        If the names are not those of the view, in order.
    """

    view: View
    points: tuple[Keypoint, ...]

    def __post_init__(self) -> None:
        names = tuple(point.name for point in self.points)
        if names != KEYPOINT_NAMES[self.view]:
            raise ValueError(
                f"The keypoints of a {self.view} view are {KEYPOINT_NAMES[self.view]}, got {names}."
            )

    @classmethod
    def to_be_placed(cls, view: View) -> Keypoints:
        """All keypoints of `view`, none of them looked for yet."""
        return cls(view, tuple(Keypoint(name) for name in KEYPOINT_NAMES[view]))

    @classmethod
    def from_points(cls, view: View, points: Iterable[Keypoint]) -> Keypoints:
        """Put `points` in the protocol's order; names that are not given are still to be placed."""
        given = {point.name: point for point in points}
        unknown = set(given) - set(KEYPOINT_NAMES[view])
        if unknown:
            raise ValueError(
                f"{sorted(unknown)} are not keypoints of a {view} view;"
                f" these are {KEYPOINT_NAMES[view]}."
            )
        return cls(view, tuple(given.get(n, Keypoint(n)) for n in KEYPOINT_NAMES[view]))

    @classmethod
    def from_positions(
        cls, view: View, positions: Mapping[str, Point | None], placed_by: str = "person:unnamed"
    ) -> Keypoints:
        """Keypoints that a person or a label file gives; a None position: not in the image."""
        return cls.from_points(
            view,
            (
                Keypoint(
                    name,
                    Finding.NOT_FOUND if position is None else Finding.FOUND,
                    None if position is None else (float(position[0]), float(position[1])),
                    placed_by=placed_by,
                )
                for name, position in positions.items()
            ),
        )

    def __getitem__(self, name: str) -> Keypoint:
        for point in self.points:
            if point.name == name:
                return point
        raise KeyError(f"'{name}' is not a keypoint of a {self.view} view.")

    def __iter__(self) -> Iterator[Keypoint]:
        return iter(self.points)

    def __len__(self) -> int:
        return len(self.points)

    def replaced(self, point: Keypoint) -> Keypoints:
        """A copy in which `point` takes the place of the keypoint of its name."""
        self[point.name]
        return replace(
            self, points=tuple(point if p.name == point.name else p for p in self.points)
        )
