"""Saving what was found: reports, labels for training, DICOM structured reports."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from WristQCLib.errors import RadiographError
from WristQCLib.labels import ImageLabels, LabelError, write_labelme, write_markups
from WristQCLib.radiograph import Radiograph
from WristQCLib.report import ReportError, ReportWriter
from WristQCLib.report.files import UniqueNames
from WristQCLib.worklist import WorkItem


class Kind(StrEnum):
    """What can be saved of an assessment."""

    HTML = "html"
    JSON = "json"
    CSV = "csv"
    LABELME = "labelme"
    MARKUPS = "markups"
    DICOM_SR = "dicom-sr"


REPORTS = frozenset({Kind.HTML, Kind.JSON, Kind.CSV})


@dataclass(frozen=True)
class Saved:
    """What `save` did.

    Attributes
    ----------
    paths
        File or folder of each kind.
    images
        How many images were saved.
    problems
        One sentence for each thing that could not be saved.
    """

    paths: dict[str, Path] = field(default_factory=dict)
    images: int = 0
    problems: tuple[str, ...] = ()


def save(
    items: Iterable[WorkItem],
    out: Path | str,
    kinds: Collection[Kind],
    *,
    include_identity: bool = False,
    person: str = "",
    go_on: Callable[[int], bool] = lambda count: True,
) -> Saved:
    """Write reports and labels of all assessed items into a folder.

    Parameters
    ----------
    items
        Those without an assessment are told as failures in table and index.
    out
        Reports go there as `ReportWriter` says; the rest into ``labelme/``, ``markups/`` and
        ``dicom-sr/``, a file for each image.
    kinds
        What to write.
    include_identity
        Whether reports for people name the patient. A DICOM structured report always does, as its
        image does.
    person
        Who answers for structured reports; empty when nobody has looked at them.
    go_on
        Called after each image with the number so far; False stops there.

    Raises
    ------
    ReportError
        If the folder cannot be written.
    """
    out = Path(out)
    paths: dict[str, Path] = {}
    problems: list[str] = []
    names = UniqueNames()
    count = 0
    formats = {str(kind) for kind in REPORTS & set(kinds)}
    with ReportWriter(out, formats=formats, include_identity=include_identity) as writer:
        for item in items:
            assessment = item.assessment
            if assessment is None:
                writer.add_failure(item.name, item.problem or "The image was not assessed.")
                continue
            try:
                radiograph = item.read()
            except RadiographError as error:
                problems.append(str(error))
                writer.add_failure(item.name, str(error))
                continue
            if formats:
                writer.add(assessment, radiograph.display())
            name = names.take(assessment.name)
            for kind in sorted(set(kinds) - REPORTS):
                try:
                    _write(kind, out / kind / name, item, radiograph, person)
                    paths[kind] = out / kind
                except (LabelError, ReportError) as error:
                    problems.append(str(error))
            count += 1
            if not go_on(count):
                break
    return Saved(paths | writer.written, count, tuple(problems))


def _write(kind: Kind, stem: Path, item: WorkItem, radiograph: Radiograph, person: str) -> None:
    assert item.assessment is not None
    if kind is Kind.DICOM_SR:
        from WristQCLib.report.dicom_sr import write_dicom_sr

        write_dicom_sr(
            stem.with_name(f"{stem.name}.dcm"), item.assessment, radiograph.header, person=person
        )
        return
    labels = ImageLabels.of(item.assessment, radiograph)
    if kind is Kind.LABELME:
        write_labelme(stem.with_name(f"{stem.name}.json"), labels, radiograph.display())
    else:
        write_markups(stem.with_name(f"{stem.name}.mrk.json"), labels)
