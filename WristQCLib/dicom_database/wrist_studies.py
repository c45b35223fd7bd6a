"""The wrist radiographs of a DICOM database, study by study, each image for itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeVar

from pydicom import Dataset

from WristQCLib.dicom_database.entries import DicomDatabase, Instance, Patient, Series, Study
from WristQCLib.dicom_database.headers import file_header, header_from_values
from WristQCLib.dicom_database.region import Region, region_of
from WristQCLib.findings import Side, Sourced, View
from WristQCLib.sources import ImageSource, file_name
from WristQCLib.view_side import side_of, view_of

T = TypeVar("T")

RADIOGRAPHY = frozenset({"DX", "CR", "DR", "RG"})
CAPTURES = frozenset({"OT", "SC", "HC", "RF", ""})
"""May be a radiograph or a picture of anything: listed only where a wrist is named."""


class _Header:
    """What database and file tell of one image, each asked once and only when needed."""

    def __init__(self, database: DicomDatabase, instance: Instance) -> None:
        self._database = database
        self._instance = instance

    def told(self, rule: Callable[[Dataset], Sourced[T]]) -> Sourced[T]:
        """What a rule finds in the database's tag cache, else in the file."""
        if self._values is not None and (told := _ruled(rule, self._values)).known:
            return told
        if self._file is None:
            return Sourced(None, "the file cannot be read")
        return rule(self._file)

    @cached_property
    def _values(self) -> dict[str, str] | None:
        return self._database.cached_values(self._instance)

    @cached_property
    def _file(self) -> Dataset | None:
        return None if self._instance.path is None else file_header(self._instance.path)


@dataclass(frozen=True)
class WristImage:
    """One radiograph of a database.

    Attributes
    ----------
    region
        The body region; its source says why the image is offered, or as what.
    """

    patient: Patient
    study: Study
    series: Series
    instance: Instance
    region: Sourced[Region]
    header: _Header = field(repr=False, compare=False)

    @cached_property
    def view(self) -> Sourced[View]:
        """Frontal or lateral; from the database if that knows, else from the file."""
        return self.header.told(view_of)

    @cached_property
    def side(self) -> Sourced[Side]:
        """Left or right; from the database if that knows, else from the file."""
        return self.header.told(side_of)

    @property
    def source(self) -> ImageSource:
        """What `read_radiograph` reads; named by date, description and UID, not by patient."""
        what = self.series.description or self.series.modality
        name = file_name(f"{self.study.date}_{what[:64]}_{self.instance.uid[-12:]}")
        if self.instance.path is not None:
            return ImageSource(name, self.instance.path)
        problem = f"{name}: is not on this machine; retrieve the study in Slicer's DICOM module."
        return ImageSource(name, Path(name), problem=problem)


@dataclass(frozen=True)
class WristStudy:
    """The radiographs of one study.

    Attributes
    ----------
    images
        Those that some attribute calls a wrist, by series number.
    others
        Other radiographs that may be one: of hand, forearm or limb, or of an unnamed body part.
    """

    patient: Patient
    study: Study
    images: tuple[WristImage, ...]
    others: tuple[WristImage, ...] = ()

    def counterparts(self, image: WristImage) -> tuple[WristImage, ...]:
        """The other view of the same wrist, the likeliest first; empty if the view is unknown.

        Images of the other side are left out; those whose side is unknown come last.
        """
        if image.view.value is None:
            return ()
        side = image.side.value
        found = [
            other
            for other in self.images + self.others
            if other.view.known and other.view.value is not image.view.value
            if side is None or other.side.value in (side, None)
        ]
        return tuple(sorted(found, key=lambda other: other.side.value is not side))


def wrist_studies(database: DicomDatabase, *, look_into_files: bool = True) -> Iterator[WristStudy]:
    """Studies that have wrist radiographs, or radiographs that may be some.

    The database's own columns decide where they can: modality, body part and descriptions. Only
    where these leave it open is the tag cache asked, then the file. Images of another body part
    are left out.

    Parameters
    ----------
    database
        `DatabaseFile` or `SlicerDatabase`.
    look_into_files
        False leaves undecided images among `others` without opening a file.

    Raises
    ------
    DatabaseError
        If the database cannot be read.
    """
    for patient in database.patients():
        for study in database.studies(patient):
            images: list[WristImage] = []
            others: list[WristImage] = []
            for series in sorted(database.series(study), key=_number):
                for image in _radiographs(database, patient, study, series, look_into_files):
                    (images if image.region.value is Region.WRIST else others).append(image)
            if images or others:
                yield WristStudy(patient, study, tuple(images), tuple(others))


def image_sources(images: Iterable[WristImage]) -> Iterator[ImageSource]:
    """The sources of many images, each under a name of its own."""
    names: set[str] = set()
    for image in images:
        source = image.source
        name, number = source.name, 1
        while name.casefold() in names:
            number += 1
            name = f"{source.name}-{number}"
        names.add(name.casefold())
        yield replace(source, name=name)


def _radiographs(
    database: DicomDatabase, patient: Patient, study: Study, series: Series, look: bool
) -> Iterator[WristImage]:
    modality = series.modality.strip().upper()
    if modality not in RADIOGRAPHY | CAPTURES:
        return
    columns = {
        "BodyPartExamined": series.body_part,
        "SeriesDescription": series.description,
        "StudyDescription": study.description,
    }
    stated = _ruled(region_of, columns)
    if stated.value is Region.ELSEWHERE:
        return
    for instance in database.instances(series):
        region, header = stated, _Header(database, instance)
        if look and stated.value is not Region.WRIST:
            inside = header.told(region_of)
            region = inside if inside.known else stated
        wanted = {Region.WRIST} if modality in CAPTURES else {Region.WRIST, Region.NEAR, None}
        if region.value in wanted:
            yield WristImage(patient, study, series, instance, region, header)


def _ruled(rule: Callable[[Dataset], Sourced[T]], values: dict[str, str]) -> Sourced[T]:
    return _remembered(rule, frozenset(values.items()))  # type: ignore[arg-type]


@lru_cache(maxsize=4096)
def _remembered(
    rule: Callable[[Dataset], Sourced[T]], values: frozenset[tuple[str, str]]
) -> Sourced[T]:
    """One device describes thousands of images in the same words; none of them names a patient."""
    return rule(header_from_values(dict(values)))


def _number(series: Series) -> tuple[int, str]:
    return (int(series.number), "") if series.number.isdecimal() else (1 << 31, series.number)
