"""What a person may state of an image, and how it stands: view, side, foreign object, pixel size.

Everything that is stated is shown where it is stated; nothing is filled in that nobody told.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Generic, TypeVar

from WristQCLib.assessment import Assessment
from WristQCLib.findings import Finding, Side, View
from WristQCLib.spacing import LARGEST_FIELD_MM, SMALLEST_SPACING_MM, Spacing, checked_spacing
from WristQCLib.translation import translator

T = TypeVar("T")

_ = translator(__file__)

_NUMBER = r"\d+(?:[.,]\d*)?|[.,]\d+"
_NUMBERS = re.compile(rf"\s*({_NUMBER})(?:\s*(?:[x×*;]|\s)\s*({_NUMBER}))?\s*(?:mm)?\s*")


class StatementError(ValueError):
    """What a person stated cannot be; one sentence with what to do."""


@dataclass(frozen=True)
class Choices(Generic[T]):
    """The values that a person may state, the unknown first, and their names."""

    values: tuple[T | None, ...]
    names: tuple[str, ...]

    def place(self, value: T | None) -> int:
        """Where a value stands."""
        return self.values.index(value)


def views() -> Choices[View]:
    """Of the projection."""
    return Choices((None, *View), (_("unknown"), _("frontal"), _("lateral")))


def sides() -> Choices[Side]:
    """Of the body."""
    return Choices((None, *Side), (_("unknown"), _("left"), _("right")))


def artefacts() -> Choices[bool]:
    """Whether there is a foreign object."""
    return Choices((None, False, True), (_("not looked for"), _("none"), _("present")))


def artefact_of(assessment: Assessment) -> bool | None:
    """Whether there is a foreign object; None when nobody has looked."""
    known = {Finding.FOUND: True, Finding.NOT_FOUND: False}
    return known.get(assessment.artefact.finding)


def spacing_may_be_stated(assessment: Assessment) -> bool:
    """Whether the file tells no pixel size, so that a person may."""
    return assessment.spacing.value is None or assessment.spacing.source == "user"


def spacing_text(assessment: Assessment) -> str:
    """The pixel size as it is stated in the panel: ``"0.15"``, ``"0.15 x 0.2"``, or nothing."""
    if assessment.spacing.value is None:
        return ""
    x, y = assessment.spacing.value
    aspect = assessment.geometry.pixel_aspect
    square = math.isclose(y, x) and math.isclose(aspect, 1.0)
    return f"{x:g}" if square else f"{x:g} x {y:g}"


def stated_spacing(text: str, assessment: Assessment) -> Spacing | None:
    """The pixel spacing that a person typed, None for nothing.

    Parameters
    ----------
    text
        One number for the width of a pixel, or width and height: ``"0.15"``, ``"0,15 mm"``,
        ``"0.15 x 0.2"``. With one number the height follows from the pixels' aspect, which the
        file tells; pixels are square where it tells none.
    assessment
        Of the image.

    Returns
    -------
    (x, y) in mm per pixel

    Raises
    ------
    StatementError
        If it is no number, or the image would be impossibly small or large.
    """
    if not text.strip():
        return None
    match = _NUMBERS.fullmatch(text)
    if match is None:
        raise StatementError(
            _("'{text}' is not a pixel size: type the width of a pixel in mm, as 0.15.").format(
                text=text
            )
        )
    width, height = (float(n.replace(",", ".")) if n else None for n in match.groups())
    geometry = assessment.geometry
    assert width is not None
    x, y = width, geometry.pixel_aspect * width if height is None else height
    field = max(x * geometry.width, y * geometry.height)
    if min(x, y) < SMALLEST_SPACING_MM or field > LARGEST_FIELD_MM:
        raise StatementError(
            _(
                "Pixels of {x} x {y} mm cannot be: the image would measure {width} x {height} cm."
                " Type the width of a pixel in mm, as 0.15."
            ).format(
                x=f"{x:g}", y=f"{y:g}", width=f"{x * geometry.width / 10:.3g}",
                height=f"{y * geometry.height / 10:.3g}",
            )
        )  # fmt: skip
    return checked_spacing((x, y))
