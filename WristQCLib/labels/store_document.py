"""The JSON file of one image in a label store: which image, and all readings of it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from WristQCLib.atomic_file import written_whole
from WristQCLib.labels.files import Json
from WristQCLib.labels.image_labels import LabelError, LabelledImage, pixels_sha256
from WristQCLib.labels.reading import Reading
from WristQCLib.radiograph import Radiograph

T = TypeVar("T")

KIND = "wristqc/readings"
FORMAT = 1
"""Version of the file's form."""
KEY_LENGTH = 32

_WAIT_S = 2.0
_DAMAGE = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
)


class CannotWriteError(LabelError):
    """The folder cannot be written, be it read-only, full, or on a drive that knows no locks."""


class _LaterFormError(Exception):
    """A file was written by a later version."""


def key_of(image: Radiograph | LabelledImage) -> str:
    """The name of an image in a store, which follows from its pixels; empty when they are unknown.

    It takes some hundredths of a second to find out for a radiograph.
    """
    known = image.pixels_sha256 if isinstance(image, LabelledImage) else pixels_sha256(image)
    return known[:KEY_LENGTH]


@dataclass(frozen=True)
class Document:
    """A file's content: as it is written, which keeps what later versions add, and as readings."""

    content: Json
    readings: tuple[Reading, ...] = ()

    @classmethod
    def new(cls, key: str) -> Document:
        """Of an image that nobody has read."""
        return cls({"kind": KIND, "format": FORMAT, "key": key, "readings": []})

    @classmethod
    def read(cls, path: Path, key: str) -> Document:
        """Read a file.

        Raises
        ------
        LabelError
            If it is damaged, of a later form, or another image's.
        """
        try:
            content = json.loads(_patiently(path.read_bytes), parse_constant=_refuse)
            _check(content, key)
            readings = tuple(Reading.from_json(entry) for entry in content["readings"])
            for reading in readings:
                _check_reading(reading, key)
        except OSError as error:
            raise LabelError(
                f"The file {path} of the label store cannot be read ({error.strerror}); check the"
                " drive and who may read it."
            ) from error
        except _LaterFormError as error:
            raise LabelError(f"The file {path} of the label store {error}.") from error
        except _DAMAGE as error:
            what = str(error) if isinstance(error, ValueError) else repr(error)
            raise LabelError(
                f"The file {path} of the label store is damaged ({what.rstrip('.')}) and left as it"
                " is; put a copy of it in its place or take it out of the folder."
            ) from error
        return cls(content, readings)

    def with_reading(self, reading: Reading) -> Document:
        """With one more reading."""
        entries = [*self.content["readings"], reading.to_json()]
        return Document({**self.content, "readings": entries}, (*self.readings, reading))

    def write(self, path: Path) -> None:
        """Write the file; never half of it.

        Raises
        ------
        LabelError
            If it cannot be written.
        """
        try:
            text = json.dumps(self.content, indent=1, allow_nan=False) + "\n"
        except (ValueError, TypeError) as error:
            raise LabelError(
                f"The labels for {path} cannot be written as JSON ({error}); correct them."
            ) from error

        def write() -> None:
            with written_whole(path) as file:
                file.write(text.encode("ascii"))

        try:
            _patiently(write)
        except OSError as error:
            raise CannotWriteError(
                f"The file {path} of the label store cannot be written ({error.strerror}), so the"
                " reading was not accepted; make space or choose another folder."
            ) from error


def _check(content: Json, key: str) -> None:
    if content["kind"] != KIND:
        raise ValueError(f"its kind is {content['kind']!r} instead of {KIND!r}")
    if content["format"] != FORMAT:
        raise _LaterFormError(
            f"has the form {content['format']!r} and this version reads {FORMAT}; update WristQC"
        )
    if content["key"] != key:
        raise ValueError("it is of another image than its name says")


def _check_reading(reading: Reading, key: str) -> None:
    if key_of(reading.image) != key:
        raise ValueError("it holds a reading of another image")
    image = reading.image
    for said in (reading.id, reading.reader, image.name, image.sop_instance_uid):
        said.encode()  # raises ValueError for halves of characters, which nothing could show


def _refuse(constant: str) -> None:
    raise ValueError(f"it holds {constant}, which is no number")


def _patiently(action: Callable[[], T]) -> T:
    """Do it again for a while where another program has the file open, which Windows refuses."""
    deadline = time.monotonic() + _WAIT_S
    while True:
        try:
            return action()
        except PermissionError:
            if os.name != "nt" or time.monotonic() > deadline:
                raise
        time.sleep(0.02)
