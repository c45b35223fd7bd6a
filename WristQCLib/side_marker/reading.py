"""One reading of a candidate as a letter, and whether it is a letter of lead."""

from __future__ import annotations

from dataclasses import dataclass

Box = tuple[float, float, float, float]
"""(x0, y0, x1, y1) in pixels of the stored image, pixel centres at integers."""

STEADINESS = 0.05
"""At one more level of binarisation the similarity must not fall further than this below 0.85."""
LEAD_OVER_OTHERS = 0.03
"""By how much the letter must be more similar than any other character or orientation."""
OBSTRUCTED_SIMILARITY = 0.77
OBSTRUCTED_CONTRAST = 0.4
OBSTRUCTED_SEPARABILITY = 0.85
"""From where something that is not recognised is reported as a letter that may be obstructed."""


@dataclass(frozen=True)
class Reading:
    """What the second look made of a candidate.

    Attributes
    ----------
    letter, orientation, turn, similarity
        Of the most similar prepared letter; `orientation` is one of `ORIENTATIONS`.
    others
        Similarity to the best of the other characters and orientations.
    steady
        Second-best similarity among the levels of binarisation.
    contrast
        Grey of the letter less that of the brightest of its surroundings.
    separability
        Share of the grey values' variance that lies between letter and surroundings.
    cut
        It reaches the border of the image.
    """

    letter: str
    orientation: str
    turn: float
    similarity: float
    others: float
    steady: float
    box: Box
    contrast: float
    separability: float
    cut: bool

    @property
    def doubt(self) -> float:
        """How much more than the threshold its similarity must be.

        The less a letter stands out from its surroundings, the more similar it must be; above all
        an L, whose plain shape bones show by chance.
        """
        plainness = 0.45 if self.letter == "L" else 0.15
        return plainness * (1 - self.separability) + 0.1 * max(0.0, 0.5 - self.contrast)

    def is_letter(self, threshold: float) -> bool:
        """Whether this is a letter of lead, in whatever orientation, cut or not."""
        return (
            self.similarity > threshold + self.doubt
            and self.steady > threshold - STEADINESS
            and self.similarity - self.others > LEAD_OVER_OTHERS
        )

    def is_accurate(self, threshold: float) -> bool:
        """Whether this is a complete and readable letter of lead."""
        return self.is_letter(threshold) and not self.orientation and not self.cut

    def may_be_obstructed(self) -> bool:
        """Whether this may be a letter of lead of which something is missing."""
        return (
            self.similarity > OBSTRUCTED_SIMILARITY
            and self.contrast > OBSTRUCTED_CONTRAST
            and self.separability > OBSTRUCTED_SEPARABILITY
            and not self.cut
        )

    def __str__(self) -> str:
        """Say what was found and where, to continue a sentence."""
        x, y = (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2
        name = f"{self.orientation} {self.letter}".strip()
        article = "an" if name[0] in "LRu" else "a"
        return f"{article} {name} near ({x:.0f}, {y:.0f})"
