"""What was found of the side marker, decided from everything that was read like a letter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from WristQCLib.findings import Finding, Side
from WristQCLib.side_marker.reading import Box, Reading


@dataclass(frozen=True)
class SideMarker:
    """What was found of the side marker.

    Attributes
    ----------
    finding
        FOUND: a complete, unobstructed, readable L or R. NOT_FOUND otherwise.
    side
        The side that the letter tells, None unless found.
    similarity
        Similarity in [0, 1] of the marker; when none was found, of what came nearest to a readable
        letter; None when nothing did.
    box
        Box of the letter that `similarity` or `reason` speaks of, else None.
    rotation_deg
        Rotation of the found letter in degrees, clockwise as the image is shown.
    reason
        One plain sentence.
    """

    finding: Finding
    side: Side | None
    similarity: float | None
    box: Box | None
    rotation_deg: float | None
    reason: str


def conclude(readings: Sequence[Reading], threshold: float) -> SideMarker:
    """Decide which of the readings is the marker, or say what stood in its way.

    Parameters
    ----------
    readings
        Of all candidates, in any order.
    threshold
        Similarity that a marker must exceed.
    """
    ranked = sorted(readings, key=lambda r: -r.similarity)
    accurate = [r for r in ranked if r.is_accurate(threshold)]
    if accurate:
        best = accurate[0]
        other = next((r for r in accurate if r.letter != best.letter), None)
        if other is not None:
            return _not_found(f"The side is ambiguous: there is {best}, and {other}.", best)
        return SideMarker(
            Finding.FOUND,
            Side(best.letter),
            best.similarity,
            best.box,
            best.turn,
            f"There is {best}, similarity {best.similarity:.2f}.",
        )

    none = "No L or R was recognised"
    if letter := next((r for r in ranked if r.is_letter(threshold)), None):
        cut = "" if letter.orientation else ", but the border of the image cuts it"
        return _not_found(f"{none}: there is {letter}{cut}.", letter)
    if nearest := next((r for r in ranked if r.may_be_obstructed()), None):
        return _not_found(
            f"{none}: the nearest to it, {nearest} (similarity {nearest.similarity:.2f}), is not"
            " clear enough; it may be incomplete or obstructed.",
            nearest,
        )
    return _not_found(f"{none} in the image.")


def _not_found(reason: str, nearest: Reading | None = None) -> SideMarker:
    similarity, box = (nearest.similarity, nearest.box) if nearest else (None, None)
    return SideMarker(Finding.NOT_FOUND, None, similarity, box, None, reason)
