"""Label files of every form that can be imported: finding them, and reading what they hold."""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from WristQCLib.labels.coco import coco_labels
from WristQCLib.labels.csv_labels import csv_labels
from WristQCLib.labels.files import Json, naming, read_json, text, while_reading
from WristQCLib.labels.image_labels import ImageLabels, LabelError, LabelledImage
from WristQCLib.labels.labelme import labelme_labels
from WristQCLib.labels.markups import markups_labels
from WristQCLib.labels.reading import Reading
from WristQCLib.labels.record import KEY, READINGS, is_record
from WristQCLib.labels.store_document import KIND, Document

OnProblem = Callable[[str], None]


class Form(StrEnum):
    """Files that labels can be exported to and imported from."""

    LABELME = "labelme"
    MARKUPS = "markups"
    COCO = "coco"
    CSV = "csv"


@dataclass(frozen=True)
class FileLabels:
    """What a label file holds of one image.

    Attributes
    ----------
    path
        The file.
    labels
        With the image's own name, where the file tells it beside that of a picture.
    based_on
        Ids of the stored readings that the file was made of.
    picture
        Path of the image or of a picture of it, as the file tells it, relative to the file.
    embedded
        The picture file that lies within.
    reading
        The reading itself, of a file that lies in a label store.
    keypoints_only
        Whether nothing is known but the keypoints.
    """

    path: Path
    labels: ImageLabels
    based_on: tuple[str, ...] = ()
    picture: str = ""
    embedded: bytes | None = field(default=None, repr=False)
    reading: Reading | None = None
    keypoints_only: bool = False

    @property
    def beside(self) -> list[Path]:
        """Where the picture may lie; a path of Windows is understood everywhere."""
        parts = PureWindowsPath(self.picture).as_posix()
        return [self.path.parent / parts] if parts not in ("", ".") else []


def find_label_files(
    paths: Iterable[Path | str], on_problem: OnProblem = lambda sentence: None
) -> list[Path]:
    """All files that may hold labels: those that are named, and JSON and CSV files in folders.

    Hidden files and folders are left out. `on_problem` is told of paths that do not exist.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if path.is_dir():
            for folder, subfolders, files in os.walk(path):
                subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
                for name in sorted(files):
                    if name.lower().endswith((".json", ".csv")) and not name.startswith("."):
                        found[Path(folder, name)] = None
        elif path.exists():
            found[path] = None
        else:
            on_problem(f"{path} does not exist; check the path.")
    return list(found)


class NotLabelsError(LabelError):
    """A file is no label file at all."""


def read_labels(
    path: Path,
    person: str,
    on_problem: OnProblem,
    image_called: Callable[[str], LabelledImage | None] = lambda name: None,
) -> Iterator[FileLabels]:
    """The labels that a file holds, whatever its form.

    Parameters
    ----------
    path
        The file.
    person
        Who placed what the file names nobody for.
    on_problem
        Called with one sentence for each image of a file of many that cannot be used.
    image_called
        Finds the image of a markups list that Slicer saved, by the list's name.

    Raises
    ------
    LabelError
        If it cannot be read; `NotLabelsError` if it is no label file at all.
    """
    if path.suffix.lower() == ".csv":
        yield from _csv(path, person, on_problem)
        return
    document = read_json(path)
    if document.get("kind") == KIND:
        yield from _stored(path, document)
    elif "shapes" in document:
        yield _labelme(path, document, person)
    elif "markups" in document:
        yield _markups(path, document, person, image_called)
    elif "images" in document and "annotations" in document:
        for labels, image in coco_labels(path, document, person, on_problem):
            entry = image.get(KEY)
            labels = labels if is_record(entry) else _base_named(labels)
            yield FileLabels(path, labels, _readings(entry), image["file_name"])
    else:
        raise NotLabelsError(
            f"The file {path} is neither of Labelme nor of Slicer's markups nor of COCO; choose a"
            " label file."
        )


def _csv(path: Path, person: str, on_problem: OnProblem) -> Iterator[FileLabels]:
    with while_reading(path), path.open("rb") as file:
        head = file.readline(1 << 16)
    if b"image" not in head or b"width_px" not in head:
        raise NotLabelsError(f"The file {path} is no table of labels; choose a label file.")
    for labels, cells in csv_labels(path, person, on_problem):
        picture = cells.get("picture") or labels.image.name
        labels = labels if "format" in cells else _base_named(labels)
        yield FileLabels(path, labels, tuple(cells.get("based_on", "").split()), picture)


def _labelme(path: Path, document: Json, person: str) -> FileLabels:
    labels = labelme_labels(path, document, person=person)
    entry, picture = document.get(KEY), labels.image.name
    with naming(path):
        of = entry.get("image") if is_record(entry) else None
        if of is None:
            labels = _base_named(labels)
        else:  # exported: the image has a name of its own beside that of a picture
            image = replace(labels.image, name=text(of["name"], "the image's name"))
            labels = replace(labels, image=image)
        embedded = document.get("imageData")
        try:
            content = base64.b64decode(embedded) if embedded else None
        except (binascii.Error, ValueError, TypeError) as error:
            raise ValueError("its picture is not in base64; export it again") from error
    return FileLabels(path, labels, _readings(entry), picture, content)


def _markups(
    path: Path,
    document: Json,
    person: str,
    image_called: Callable[[str], LabelledImage | None],
) -> FileLabels:
    entry = document.get(KEY)
    if is_record(entry):
        labels = markups_labels(path, document, person=person)
        return FileLabels(path, labels, _readings(entry), labels.image.name)
    name = re.sub(r"(\.mrk)?\.json$", "", path.name, flags=re.IGNORECASE)
    image = image_called(name)
    if image is None:
        raise LabelError(
            f"The label file {path} does not tell which image it is of, and no image is called"
            f" {name}; give the folder of its image."
        )
    labels = markups_labels(path, document, image, person)
    return FileLabels(path, labels, picture=image.name, keypoints_only=True)


def _stored(path: Path, document: Json) -> Iterator[FileLabels]:
    """The readings of one image in a label store; they stay whose they are."""
    key = text(document.get("key"), "the key")
    for reading in Document.read(path, key).readings:
        yield FileLabels(path, reading.labels, picture=f"../images/{key}.png", reading=reading)


def _readings(entry: Any) -> tuple[str, ...]:
    ids = entry.get(READINGS) if isinstance(entry, dict) else None
    return tuple(id_ for id_ in ids if isinstance(id_, str)) if isinstance(ids, list) else ()


def _base_named(labels: ImageLabels) -> ImageLabels:
    """With the name of the image's file alone: where it lies from the label file is forgotten."""
    name = PurePosixPath(PureWindowsPath(labels.image.name).as_posix()).name or labels.image.name
    return replace(labels, image=replace(labels.image, name=name))
