"""From where radiographs are chosen to items of work: files, loaded volumes, a DICOM database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from WristQCLib.dicom_database import WristImage, WristStudy, image_sources
from WristQCLib.loaded_volumes import FindFile, sources_of_volume
from WristQCLib.radiograph import Radiograph
from WristQCLib.sources import ImageSource, find_images
from WristQCLib.worklist import WorkItem


def items_of_path(path: Path | str) -> list[WorkItem]:
    """Of a file, a folder, a DICOMDIR or a zip archive."""
    return [WorkItem(source) for source in find_images([path])]


def items_of_images(images: Iterable[WristImage]) -> list[WorkItem]:
    """Of images of a DICOM database."""
    images = list(images)
    return [
        WorkItem(source, study=image.study.uid)
        for image, source in zip(images, image_sources(images), strict=True)
    ]


def items_of_volumes(volumes: Iterable[Any], find_file: FindFile) -> list[WorkItem]:
    """Of loaded volumes (vtkMRMLScalarVolumeNode).

    Raises
    ------
    RadiographError
        If one of them holds no radiograph.
    """
    return [
        WorkItem(source) for volume in volumes for source in sources_of_volume(volume, find_file)
    ]


def item_of(image: Path | str | ImageSource | Radiograph, **stated: Any) -> WorkItem:
    """Of one image, with what a person states of it."""
    known = isinstance(image, ImageSource | Radiograph)
    return WorkItem(image if known else ImageSource.of_file(image), **stated)  # type: ignore[arg-type]


def is_flat(volume: Any) -> bool:
    """Whether a loaded volume has one slice, as a radiograph has."""
    return bool(volume.GetImageData()) and volume.GetImageData().GetDimensions()[2] == 1


def images_of(study: WristStudy) -> tuple[WristImage, ...]:
    """What is to be assessed of a study: its wrist radiographs; if there are none, the others."""
    return tuple(study.images or study.others)


def with_words(studies: Iterable[WristStudy], search: str) -> Iterator[WristStudy]:
    """The studies in whose patient, date or description all words of a search occur."""
    words = search.casefold().split()
    for study in studies:
        about = (study.patient.label, study.study.date, study.study.description)
        if all(word in " ".join(about).casefold() for word in words):
            yield study
