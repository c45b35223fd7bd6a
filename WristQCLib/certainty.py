"""How certain a grade is, and which keypoints are worth a second look.

What models find has a probability (a foreign object, a keypoint in the image) or a spread (where
the keypoint lies). Findings are drawn at random from these, each draw is scored as the findings
themselves are, and the share of draws that reach a grade is the probability of that grade. What a
person stated or placed is taken as certain. The draws are the same for every image, so the same
findings always give the same probabilities.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from WristQCLib.artefact import ArtefactFinding
from WristQCLib.assessment import Assessment, Score, Section, score
from WristQCLib.findings import Finding
from WristQCLib.keypoints import Keypoint, Keypoints
from WristQCLib.measurements import measure

PLAUSIBLE = 0.1
"""Least probability at which another grade is called plausible."""

_DRAWS = 200
_PRESENCE_COUNTS = "thumb_mcp_joint"
"""The keypoint of which only the presence is scored, so that its place need not be known."""


@dataclass(frozen=True)
class Certainty:
    """Probabilities of the grades of one assessed image.

    Attributes
    ----------
    grades
        Probability of each grade of the whole image that occurs, the most probable first. For an
        incomplete score, of the grade as it stands.
    tasks
        The same by id of each layout task that has a grade.
    check
        Names of keypoints to look at: the grade of the image becomes another one with a probability
        of at least `PLAUSIBLE` when this point alone moves or is missing as is plausible for it.
        The point that matters most comes first.
    """

    grades: Mapping[str, float]
    tasks: Mapping[str, Mapping[str, float]]
    check: tuple[str, ...]


def certainty(assessment: Assessment) -> Certainty:
    """Probabilities of the grades of `assessment`, from what its models said of their findings."""
    random = np.random.default_rng(0)
    points = assessment.keypoints.points if assessment.keypoints else ()
    places = random.standard_normal((_DRAWS, len(points), 2))
    levels = random.random((_DRAWS, len(points)))
    objects = random.random(_DRAWS)

    def drawn(chosen: Iterable[Keypoint], n: int) -> tuple[Keypoint, ...]:
        names = {point.name for point in chosen}
        return tuple(
            _draw(point, places[n, i], levels[n, i]) if point.name in names else point
            for i, point in enumerate(points)
        )

    scores = [
        _rescore(assessment, drawn(points, n), _draw_artefact(assessment.artefact, objects[n]))
        for n in range(_DRAWS)
    ]
    changes = {
        point.name: sum(
            _rescore(assessment, drawn((point,), n), assessment.artefact).grade
            != assessment.score.grade
            for n in range(_DRAWS)
        )
        / _DRAWS
        for point in points
        if _is_uncertain(point)
    }
    return Certainty(
        grades=_shares(score.grade for score in scores),
        tasks={
            task.id: _shares(score.task(task.id).grade or "not assessable" for score in scores)
            for task in assessment.score.tasks
            if task.section is Section.LAYOUT and task.grade is not None
        },
        check=tuple(
            name
            for name, change in sorted(changes.items(), key=lambda item: -item[1])
            if change >= PLAUSIBLE
        ),
    )


def _is_uncertain(point: Keypoint) -> bool:
    """Whether a model placed the point and said how sure it is."""
    return point.placed_by.startswith("model:") and (
        point.spread is not None or point.confidence is not None
    )


def _draw(point: Keypoint, place: np.ndarray, level: float) -> Keypoint:
    """The keypoint as it might be: elsewhere, not in the image, or in the image after all."""
    if not _is_uncertain(point):
        return point
    present = point.confidence is None or level < point.confidence
    if point.position is None:
        seen = present and point.name == _PRESENCE_COUNTS
        return replace(point, finding=Finding.FOUND, position=(0.0, 0.0)) if seen else point
    if not present:
        return replace(point, finding=Finding.NOT_FOUND, position=None)
    spread = point.spread or 0.0
    x, y = point.position
    return replace(point, position=(x + spread * float(place[0]), y + spread * float(place[1])))


def _draw_artefact(artefact: ArtefactFinding, level: float) -> ArtefactFinding:
    if artefact.probability is None or artefact.finding is Finding.NOT_ASSESSABLE:
        return artefact
    found = level < artefact.probability
    return replace(artefact, finding=Finding.FOUND if found else Finding.NOT_FOUND)


def _rescore(
    assessment: Assessment, points: tuple[Keypoint, ...], artefact: ArtefactFinding
) -> Score:
    measurements = assessment.measurements
    if assessment.keypoints is not None:
        measurements = measure(Keypoints(assessment.keypoints.view, points), assessment.geometry)
    return score(
        assessment.protocol,
        view=assessment.view.value,
        side=assessment.side.value,
        basic_information=assessment.basic_information,
        side_marker=assessment.side_marker,
        artefact=artefact,
        measurements=measurements,
    )


def _shares(grades: Iterable[str]) -> dict[str, float]:
    counts = Counter(grades)
    return {grade: count / counts.total() for grade, count in counts.most_common()}
