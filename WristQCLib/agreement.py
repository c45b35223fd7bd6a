"""How well readers agree with each other, and the system with them, from what they accepted.

Images that several people read give the agreement among readers: every pair of readers over the
images that both have read. What the models had said of an image, kept beside each reading, gives
that of the system, as in the paper's reader study (specification, section 6): the reader is taken
as right there, and the system is judged.

``agreement`` makes the figures, ``WristQCLib.agreement_tables`` puts them into words.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from WristQCLib.assessment import score
from WristQCLib.figures import (
    Categories,
    Distances,
    YesNo,
    categories,
    distances,
    intraclass_correlation,
    yes_no,
)
from WristQCLib.findings import Finding, View
from WristQCLib.keypoints import KEYPOINT_NAMES, Keypoint
from WristQCLib.labels import ImageLabels
from WristQCLib.labels.conflicts import heads
from WristQCLib.measurements import ImageGeometry, measure
from WristQCLib.protocol import Protocol, load_protocol
from WristQCLib.side_marker import SideMarker

if TYPE_CHECKING:
    from WristQCLib.labels.reading import Reading
    from WristQCLib.labels.store import LabelStore

YES, NO = "yes", "no"
"""Whether a keypoint is in the image, and whether there is a foreign object."""
NOT_ASSESSABLE = str(Finding.NOT_ASSESSABLE)
"""A task without a grade, where the other opinion has one."""


@dataclass(frozen=True)
class Opinion:
    """What one reader, or the system, says of one image.

    Attributes
    ----------
    view
        None where the system did not know it.
    total, grade
        Of the whole image; None when they were not kept.
    tasks
        Grade by the task's id, None for a task that is not assessable.
    """

    labels: ImageLabels
    view: View | None
    total: int | None
    grade: str | None
    tasks: Mapping[str, str | None]


Case = tuple[Opinion, Opinion]
"""Two opinions of one image. Against the system the reader's, which counts as right, is first."""


@dataclass(frozen=True)
class Compared:
    """Two opinions of one image and whose they are; `second` None is the system's."""

    first: str
    second: str | None
    case: Case


@dataclass(frozen=True)
class PointAgreement:
    """A keypoint.

    Attributes
    ----------
    keypoint
        None for all of the view.
    mm
        Distances where both have placed it.
    px
        The same where the pixel spacing is unknown, which millimetres cannot be added to.
    presence
        Whether it is in the image.
    """

    view: View
    keypoint: str | None
    mm: Distances | None
    px: Distances | None
    presence: Categories | None


@dataclass(frozen=True)
class ArtefactAgreement:
    """Whether there is a foreign object; `view` None is all images.

    Attributes
    ----------
    detection
        The second opinion judged by the first.
    """

    view: View | None
    answers: Categories
    detection: YesNo


@dataclass(frozen=True)
class GradeAgreement:
    """Grades of a view: those of a task, or, where `task` is None, those of whole images."""

    view: View
    task: str | None
    title: str
    grades: Categories


@dataclass(frozen=True)
class TotalAgreement:
    """Totals of points.

    Attributes
    ----------
    count
        Pairs of totals.
    difference
        Mean of second minus first.
    apart, largest
        Mean and largest difference without its sign.
    correlation
        ICC(2,1) over the images that everyone compared has read, `images` of them.
    """

    count: int
    difference: float
    apart: float
    largest: int
    correlation: float | None
    images: int


@dataclass(frozen=True)
class Comparison:
    """Two opinions of each of several images.

    Attributes
    ----------
    readers
        Whose. Two are a pair. More: every pair of them, put together; a kappa is then the mean of
        the pairs' kappas, weighted by their cases.
    system
        Whether the second opinion is the system's; then `readers` are all whose opinion is first.
    images, cases
        Images, and pairs of opinions of them.
    """

    readers: tuple[str, ...]
    system: bool
    images: int
    cases: int
    points: tuple[PointAgreement, ...]
    view: Categories | None
    side: Categories | None
    artefacts: tuple[ArtefactAgreement, ...]
    grades: tuple[GradeAgreement, ...]
    totals: TotalAgreement | None


@dataclass(frozen=True)
class ReaderCount:
    """What a reader has done; with the name None: all of them.

    Attributes
    ----------
    images
        Images read.
    predicted, corrected
        Those that the system had spoken of, and those of them where the reader changed something.
    """

    reader: str | None
    images: int
    predicted: int
    corrected: int


@dataclass(frozen=True)
class Agreement:
    """All figures of a store.

    Attributes
    ----------
    images, doubly_read
        Images with a reading, and with readings of several people.
    readers
        All first when there are several, then each by name.
    among
        Readers with each other: all pairs first when there are several, then each pair.
    against
        The system with the readers: all first when there are several, then each.
    models
        Who had spoken, as ``"model:<bundle> <version>"``. Figures of several versions of a model
        are those of none of them.
    protocols
        By which the images were graded.
    forked
        Readings that are left out because the same reader has a newer one, made without knowing
        the other.
    """

    images: int
    doubly_read: int
    readers: tuple[ReaderCount, ...]
    among: tuple[Comparison, ...]
    against: tuple[Comparison, ...]
    models: tuple[str, ...]
    protocols: tuple[str, ...]
    forked: int

    @property
    def predicted(self) -> int:
        """Readings that were made after the system had spoken."""
        return self.readers[0].predicted if self.readers else 0


def store_agreement(store: LabelStore, protocol: Protocol | None = None) -> Agreement:
    """Figures of the readings in a label store, see `agreement`."""
    return agreement((image.readings for image in store), protocol)


def agreement(images: Iterable[Sequence[Reading]], protocol: Protocol | None = None) -> Agreement:
    """Figures of readings.

    Each reader's own last opinion counts: neither readings that were replaced, nor those that
    decide between the readings of others, which were made in knowledge of them.

    Parameters
    ----------
    images
        The readings of each image.
    protocol
        Tells the order of grades and the titles of tasks; by default the bundled one.
    """
    protocol = protocol or load_protocol()
    current = [_heads(readings) for readings in images]
    read = [newest for readings in current if (newest := _newest(readings))]
    names = sorted({name for image in read for name in image})
    compared = [list(_cases(image, protocol)) for image in read]
    return Agreement(
        images=len(read),
        doubly_read=sum(len(image) > 1 for image in read),
        readers=tuple(_counted(read, names)),
        among=tuple(_among(compared, protocol)),
        against=tuple(_against(compared, protocol)),
        models=_models(read),
        protocols=_protocols(read),
        forked=sum(map(len, current)) - sum(map(len, read)),
    )


def compared_cases(
    images: Iterable[Sequence[Reading]], protocol: Protocol | None = None
) -> Iterator[Compared]:
    """What `agreement` makes its figures of: every pair of readers, and each with the system."""
    protocol = protocol or load_protocol()
    for readings in images:
        yield from _cases(_newest(_heads(readings)), protocol)


def answers(case: Case, protocol: Protocol) -> dict[str, tuple[str, str]]:
    """What the two opinions say of what can be said in a word, where both have said something.

    By ``"view"``, ``"side"``, ``"artefact"``, names of keypoints (whether each is in the image),
    ids of tasks, and ``"grade"``.
    """
    view = _agreed_view(case)
    found = {"view": _views(case), "side": _sides(case), "artefact": _artefact(case)}
    if view is not None:
        for name in KEYPOINT_NAMES[view]:
            found[name] = next(iter(_presences(case, view, (name,))), None)
        for rule in protocol.layout[view]:
            found[rule.id] = _task(case, view, rule.id, system=False)
    if case[0].view is not None:
        found["grade"] = _grade(case, case[0].view)
    return {question: pair for question, pair in found.items() if pair is not None}


def lengths(case: Case) -> tuple[dict[str, float], bool]:
    """Distances by keypoint that both have placed, and whether they are in mm and not in pixels."""
    geometry, view = _geometry(case), _agreed_view(case)
    found = {}
    for first, second in _same_points(case, view, KEYPOINT_NAMES[view]) if view else ():
        if first.position and second.position:
            found[first.name] = math.hypot(*geometry.vector(first.position, second.position))
    return found, geometry.spacing is not None


# Whose opinions are compared ----------------------------------------------------------------


def _heads(readings: Sequence[Reading]) -> list[Reading]:
    """The readers' own opinions that no other of theirs has replaced."""
    by = {reading.id: reading.reader for reading in readings}
    return heads(r for r in readings if all(by.get(id_) == r.reader for id_ in r.resolves))


def _newest(readings: Iterable[Reading]) -> dict[str, Reading]:
    """By reader."""
    return {r.reader: r for r in sorted(readings, key=lambda r: (r.accepted_at, r.id))}


def _cases(image: Mapping[str, Reading], protocol: Protocol) -> Iterator[Compared]:
    """The pairs of readers by name, then each reader and the system."""
    said = {name: _said(image[name], protocol) for name in sorted(image)}
    for first, second in combinations(said, 2):
        yield Compared(first, second, (said[first], said[second]))
    for name, opinion in said.items():
        system = _predicted(image[name], protocol)
        if system is not None:
            yield Compared(name, None, (opinion, system))


def _said(reading: Reading, protocol: Protocol) -> Opinion:
    """What the reader accepted."""
    return _opinion(reading.labels, (reading.score or {}).get("labels"), protocol)


def _predicted(reading: Reading, protocol: Protocol) -> Opinion | None:
    """What the system had said, None when it had said nothing."""
    predicted = reading.predicted
    if predicted is None or not _spoken(reading):
        return None
    return _opinion(predicted, (reading.score or {}).get("predicted"), protocol)


def _spoken(reading: Reading) -> bool:
    """Whether the system had looked for a foreign object or for a keypoint."""
    predicted = reading.predicted
    return predicted is not None and any(
        finding is not Finding.NOT_ASSESSABLE
        for finding in (predicted.artefact.finding, *(p.finding for p in predicted.keypoints))
    )


def _opinion(labels: ImageLabels, summary: Mapping[str, Any] | None, protocol: Protocol) -> Opinion:
    """From labels and `score_summary`.

    Labels that were made elsewhere have no grade, because basic information and side marker are not
    among them; but what their keypoints tell can be graded.
    """
    if summary is None:
        tasks = score(
            protocol,
            view=labels.view,
            side=labels.side,
            basic_information=(),
            side_marker=SideMarker(Finding.NOT_ASSESSABLE, None, None, None, None, ""),
            artefact=labels.artefact,
            measurements=measure(labels.keypoints, labels.image.geometry),
        ).tasks
        return Opinion(labels, labels.view, None, None, {task.id: task.grade for task in tasks})
    view = summary["view"]
    return Opinion(
        labels,
        None if view is None else View(view),
        summary["total"],
        summary["grade"],
        {name: task["grade"] for name, task in summary["tasks"].items()},
    )


def _counted(read: Sequence[Mapping[str, Reading]], names: Sequence[str]) -> Iterator[ReaderCount]:
    groups: dict[str | None, list[Reading]] = {}
    if len(names) > 1:
        groups[None] = [reading for image in read for reading in image.values()]
    for name in names:
        groups[name] = [image[name] for image in read if name in image]
    for reader, readings in groups.items():
        spoken = [reading for reading in readings if _spoken(reading)]
        yield ReaderCount(reader, len(readings), len(spoken), sum(r.corrected for r in spoken))


def _models(read: Sequence[Mapping[str, Reading]]) -> tuple[str, ...]:
    sources: set[str] = set()
    for image in read:
        for reading in image.values():
            if reading.predicted is not None:
                sources |= {point.placed_by for point in reading.predicted.keypoints}
                sources.add(reading.predicted.artefact.source)
    return tuple(sorted(source for source in sources if source.startswith("model:")))


def _protocols(read: Sequence[Mapping[str, Reading]]) -> tuple[str, ...]:
    summaries = [
        summary
        for image in read
        for reading in image.values()
        for summary in (reading.score or {}).values()
    ]
    return tuple(sorted({str(summary["protocol"]) for summary in summaries}))


def _among(compared: Sequence[Sequence[Compared]], protocol: Protocol) -> Iterator[Comparison]:
    """All pairs of readers together when there are several, then each."""
    pairs: dict[tuple[str, str], list[Case]] = {}
    opinions: list[dict[str, Opinion]] = []
    for image in compared:
        opinions.append({})
        for c in image:
            if c.second is not None:
                pairs.setdefault((c.first, c.second), []).append(c.case)
                opinions[-1] |= {c.first: c.case[0], c.second: c.case[1]}
    pairs = dict(sorted(pairs.items()))
    if len(pairs) > 1:
        everyone = sorted({name for pair in pairs for name in pair})
        complete = [[o[name] for name in everyone] for o in opinions if len(o) == len(everyone)]
        whole = _compared(everyone, list(pairs.values()), complete, protocol)
        yield replace(whole, images=sum(map(bool, opinions)))
    for pair, cases in pairs.items():
        yield _compared(pair, [cases], cases, protocol)


def _against(compared: Sequence[Sequence[Compared]], protocol: Protocol) -> Iterator[Comparison]:
    """The system and all readers when there are several, then each."""
    by_reader: dict[str, list[Case]] = {}
    for image in compared:
        for c in image:
            if c.second is None:
                by_reader.setdefault(c.first, []).append(c.case)
    readers = sorted(by_reader)
    if len(readers) > 1:
        cases = [case for name in readers for case in by_reader[name]]
        whole = _compared(readers, [cases], cases, protocol, system=True)
        yield replace(whole, images=sum(any(c.second is None for c in i) for i in compared))
    for name in readers:
        yield _compared([name], [by_reader[name]], by_reader[name], protocol, system=True)


# Figures of a comparison --------------------------------------------------------------------


def _compared(
    readers: Sequence[str],
    groups: Sequence[Sequence[Case]],
    complete: Sequence[Sequence[Opinion]],
    protocol: Protocol,
    *,
    system: bool = False,
) -> Comparison:
    """Compare opinions.

    Parameters
    ----------
    readers, system
        As in `Comparison`.
    groups
        Cases of each pair of people; one of an image at most in each.
    complete
        The opinions of the images that everyone has read.
    protocol
        Tells grades and tasks.
    """
    cases = [case for group in groups for case in group]
    return Comparison(
        tuple(readers),
        system,
        len(cases),
        len(cases),
        tuple(_points(groups)),
        _categories(groups, _views, [str(view) for view in View]),
        _categories(groups, _sides, ["L", "R"]),
        tuple(_artefacts(groups)),
        tuple(_grades(groups, protocol, system=system)),
        _totals(cases, complete),
    )


Answer = Callable[[Case], tuple[str, str] | None]
"""The two answers of a case to one question, None where it is not one that both have answered."""


def _categories(
    groups: Sequence[Sequence[Case]],
    answer: Answer,
    names: Sequence[str] = (YES, NO),
    *,
    ordered: bool = False,
) -> Categories | None:
    answers = [[pair for case in group if (pair := answer(case))] for group in groups]
    return _pooled(answers, names, ordered=ordered)


def _pooled(
    groups: Sequence[Sequence[tuple[str, str]]], names: Sequence[str], *, ordered: bool = False
) -> Categories | None:
    """Figures of pairs of readers together.

    Who is first of a pair has no meaning, and kappa would depend on it were all cases counted in
    one table; so it is the mean of the pairs' (Light 1971).
    """
    whole = categories([pair for group in groups for pair in group], names, ordered=ordered)
    parts = [part for group in groups if (part := categories(group, names, ordered=ordered))]
    if whole is None or len(parts) < 2:
        return whole
    return replace(
        whole,
        kappa=_mean([(part.kappa, part.count) for part in parts]),
        weighted_kappa=_mean([(part.weighted_kappa, part.weighted_count) for part in parts]),
    )


def _mean(values: Iterable[tuple[float | None, int]]) -> float | None:
    """Weighted, of those that there are."""
    known = [(value, weight) for value, weight in values if value is not None]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None


def _views(case: Case) -> tuple[str, str] | None:
    first, second = (opinion.view for opinion in case)
    return (str(first), str(second)) if first and second else None


def _sides(case: Case) -> tuple[str, str] | None:
    first, second = (opinion.labels.side for opinion in case)
    return (str(first), str(second)) if first and second else None


def _points(groups: Sequence[Sequence[Case]]) -> Iterator[PointAgreement]:
    """By view, all of its keypoints first."""
    measured = [lengths(case) for group in groups for case in group]
    for view in View:
        found = [_point(groups, measured, view, (name,)) for name in KEYPOINT_NAMES[view]]
        if any(point.mm or point.px or point.presence for point in found):
            whole = _point(groups, measured, view, KEYPOINT_NAMES[view])
            yield replace(whole, keypoint=None)
            yield from found


def _point(
    groups: Sequence[Sequence[Case]],
    measured: Sequence[tuple[Mapping[str, float], bool]],
    view: View,
    names: Sequence[str],
) -> PointAgreement:
    """One keypoint, or several put together, from cases and their `lengths`."""
    mm, px = (
        [found[name] for found, in_mm in measured if in_mm is wanted for name in names
         if name in found]
        for wanted in (True, False)
    )  # fmt: skip
    presence = [[p for case in group for p in _presences(case, view, names)] for group in groups]
    return PointAgreement(
        view, names[0], distances(mm), distances(px), _pooled(presence, (YES, NO))
    )


def _presences(case: Case, view: View, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Whether keypoints are in the image, where both have looked."""
    for first, second in _same_points(case, view, names):
        if Finding.NOT_ASSESSABLE not in (first.finding, second.finding):
            yield _found(first), _found(second)


def _same_points(
    case: Case, view: View, names: Sequence[str]
) -> Iterator[tuple[Keypoint, Keypoint]]:
    """Keypoints of a view; where the view itself is in dispute there is nothing to compare."""
    if _agreed_view(case) is view:
        for name in names:
            yield case[0].labels.keypoints[name], case[1].labels.keypoints[name]


def _agreed_view(case: Case) -> View | None:
    """The view of both opinions, which have the same keypoints and tasks then."""
    return case[0].view if case[0].view is case[1].view else None


def _found(point: Keypoint) -> str:
    return YES if point.finding is Finding.FOUND else NO


def _geometry(case: Case) -> ImageGeometry:
    """Of the image; a reader may have stated a spacing that was unknown before."""
    first, second = (opinion.labels.image.geometry for opinion in case)
    return first if first.spacing is not None else second


def _artefact(case: Case, view: View | None = None) -> tuple[str, str] | None:
    """Whether there is a foreign object; None unless the first opinion's view is `view`."""
    findings = [opinion.labels.artefact.finding for opinion in case]
    if Finding.NOT_ASSESSABLE in findings or view not in (None, case[0].view):
        return None
    first, second = (YES if finding is Finding.FOUND else NO for finding in findings)
    return first, second


def _artefacts(groups: Sequence[Sequence[Case]]) -> Iterator[ArtefactAgreement]:
    """All images first, then by view."""
    for view in (None, *View):
        answer = partial(_artefact, view=view)
        answers = _categories(groups, answer)
        pairs = [pair for group in groups for case in group if (pair := answer(case))]
        detection = yes_no([(first == YES, second == YES) for first, second in pairs])
        if answers and detection:
            yield ArtefactAgreement(view, answers, detection)


def _task(case: Case, view: View, task: str, *, system: bool) -> tuple[str, str] | None:
    """The grades of a task.

    Not where nobody could grade it; against the system not where the reader, who is right, could
    not.
    """
    if _agreed_view(case) is not view or not all(task in opinion.tasks for opinion in case):
        return None
    first, second = (opinion.tasks[task] for opinion in case)
    if first is None and (second is None or system):
        return None
    return first or NOT_ASSESSABLE, second or NOT_ASSESSABLE


def _grade(case: Case, view: View) -> tuple[str, str] | None:
    """The grades of whole images; of those that the first opinion takes for the view."""
    first, second = (opinion.grade for opinion in case)
    return (first, second) if first and second and case[0].view is view else None


def _ranked(lowest: Mapping[str, float]) -> list[str]:
    """Grades, best first, by the least that each needs."""
    return sorted(lowest, key=lambda name: -lowest[name])


def _grades(
    groups: Sequence[Sequence[Case]], protocol: Protocol, *, system: bool
) -> Iterator[GradeAgreement]:
    """By view: the tasks, then the grade of whole images."""
    ranked = _ranked(protocol.grades)
    for view in View:
        for rule in protocol.layout[view]:
            answer = partial(_task, view=view, task=rule.id, system=system)
            best_first = _ranked({name: band.low for name, band in rule.grades.items()})
            found = _categories(groups, answer, best_first, ordered=True)
            if found:
                yield GradeAgreement(view, rule.id, rule.title, found)
        found = _categories(groups, partial(_grade, view=view), ranked, ordered=True)
        if found:
            yield GradeAgreement(view, None, "", found)


def _totals(cases: Sequence[Case], complete: Sequence[Sequence[Opinion]]) -> TotalAgreement | None:
    pairs = [(a.total, b.total) for a, b in cases if a.total is not None and b.total is not None]
    if not pairs:
        return None
    first, second = np.array(pairs).T
    ratings = [totals for image in complete if None not in (totals := [o.total for o in image])]
    return TotalAgreement(
        len(pairs),
        float((second - first).mean()),
        float(np.abs(second - first).mean()),
        int(np.abs(second - first).max()),
        intraclass_correlation(np.array(ratings, dtype=np.float64)),
        len(ratings),
    )
