"""Reading and writing of label files: JSON, one clear error, never half a file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from WristQCLib.atomic_file import written_whole
from WristQCLib.labels.image_labels import LabelError

Json = dict[str, Any]

OTHER_FORM = (KeyError, TypeError, IndexError, AttributeError, OverflowError)
"""What a document of another form than the expected one causes."""


def read_json(path: Path) -> Json:
    """The JSON object that a file holds.

    Raises
    ------
    LabelError
        If it cannot be read or is not a JSON object.
    """
    try:
        with while_reading(path):
            document = json.loads(path.read_text(encoding="utf-8-sig"))
    except LabelError:
        raise
    except (ValueError, RecursionError) as error:
        raise LabelError(
            f"The label file {path} is not JSON in UTF-8 ({error}); export the labels again."
        ) from error
    if not isinstance(document, dict):
        raise LabelError(
            f"The label file {path} holds a JSON {type(document).__name__} instead of an object;"
            " choose a label file."
        )
    return document


def write_json(path: Path, document: Json) -> None:
    """Write a JSON object; never half of it.

    ASCII only, because Labelme 5 reads with the system's encoding.

    Raises
    ------
    LabelError
        If the file cannot be written.
    """
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    with while_writing(path), written_whole(path) as file:
        file.write(text.encode("ascii"))


@contextmanager
def while_reading(path: Path) -> Iterator[None]:
    """Turn what the system refuses while a file is read into one sentence that names it."""
    try:
        yield
    except OSError as error:
        raise LabelError(
            f"The label file {path} cannot be read ({error.strerror}); check the path."
        ) from error


@contextmanager
def while_writing(path: Path) -> Iterator[None]:
    """Turn what the system refuses while a file is written into one sentence that names it."""
    try:
        yield
    except OSError as error:
        raise LabelError(
            f"The label file {path} cannot be written ({error.strerror}); choose another folder."
        ) from error


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Turn what is wrong with a document into one sentence that names its file.

    Checks inside raise ValueError with what is wrong and what to do; anything else that a document
    of another form causes is told in general words.
    """
    try:
        yield
    except LabelError:
        raise
    except ValueError as error:
        raise LabelError(
            f"The label file {path} cannot be used: {str(error).rstrip('.')}."
        ) from error
    except OTHER_FORM as error:
        raise LabelError(
            f"The label file {path} does not have the form of its kind ({error!r});"
            " export the labels again."
        ) from error


def number(value: object, what: str) -> float:
    """A finite number.

    Raises
    ------
    ValueError
        If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{what} must be a finite number, got {value!r}")
    return float(value)


def optional_number(value: object, what: str) -> float | None:
    """A finite number, or None for null."""
    return None if value is None else number(value, what)


def numbers(values: object, count: int, what: str) -> tuple[float, ...]:
    """`count` finite numbers.

    Raises
    ------
    ValueError
        If they are not.
    """
    if not isinstance(values, list | tuple) or len(values) != count:
        raise ValueError(f"{what} must be {count} numbers, got {values!r}")
    return tuple(number(value, what) for value in values)


def text(value: object, what: str) -> str:
    """A string.

    Raises
    ------
    ValueError
        If it is none.
    """
    if not isinstance(value, str):
        raise ValueError(f"{what} must be text, got {value!r}")
    return value
