"""Recognition of the lead side marker, an L or an R beside the wrist.

The method is the specification's (section 3): binarise the image, close it morphologically, take
every connected component, resize it to 64x64, compare it pixel by pixel with prepared 64x64 images
of L and R; a marker is present when a similarity exceeds 0.85.

What real radiographs add to it:

- A letter may be large or small, lie on bone or on a plate, or be cut out of a bright plate. A
  first look (`candidates`) therefore binarises at several levels, the image as it is and its white
  top-hat, in both polarities, at one reduced resolution per octave of letter height.
- What resembles a letter there gets a second look (`second_look`): binarised again at full
  resolution, at several levels between its own grey and that of its surroundings. Only this
  decides, and a lead letter has to stand out from what is around it and to keep its shape from
  level to level (`reading`).
- A letter may be turned by up to 30 degrees either way. One that is turned further (upside down,
  too) is not recognised.
- A letter that is back to front, cut by the border or obstructed is not an accurate marker: it is
  never recognised, but it is reported (`marker`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from WristQCLib.side_marker.candidates import find_candidates
from WristQCLib.side_marker.marker import SideMarker, conclude
from WristQCLib.side_marker.reading import Box
from WristQCLib.side_marker.second_look import read_candidate

__all__ = ["THRESHOLD", "Box", "SideMarker", "recognise_side_marker"]

THRESHOLD = 0.85
"""Similarity above which a marker is present (specification, section 3)."""
LETTER_MM = (4.0, 25.0)
"""Height of a marker letter."""
LETTER_SHARE = (0.012, 0.17)
"""The same relative to the image's long side, where spacing is unknown."""
LEGIBLE_HEIGHT = 9
"""Height in pixels under which a letter is not legible."""


def recognise_side_marker(
    image: NDArray[np.floating],
    *,
    threshold: float = THRESHOLD,
    spacing: tuple[float, float] | None = None,
) -> SideMarker:
    """Look for a complete, accurate, unobstructed L or R.

    Parameters
    ----------
    image
        (rows, columns) in [0, 1], bright where the radiograph is dense.
    threshold
        Similarity that a marker must exceed.
    spacing
        (x, y) pixel spacing in mm. It limits the size of letters that come into question.

    Raises
    ------
    ValueError
        If the image is not two-dimensional.
    """
    if image.ndim != 2:
        raise ValueError(f"A radiograph has rows and columns, got an array of shape {image.shape}.")
    image = np.nan_to_num(np.asarray(image, np.float32)).clip(0, 1)
    if spacing is None:
        lowest, highest = (share * max(image.shape) for share in LETTER_SHARE)
    else:
        lowest, highest = (height / spacing[1] for height in LETTER_MM)
    heights = max(lowest, LEGIBLE_HEIGHT), min(highest, *image.shape)

    readings = [read_candidate(image, c) for c in find_candidates(image, heights)]
    return conclude([r for r in readings if r is not None], threshold)
