"""Reading and writing of label files: JSON, one clear error, never half a file."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from WristQCLib.labels.image_labels import LabelError

Json = dict[str, Any]


def read_json(path: Path) -> Json:
    """The JSON object that a file holds.

    Raises
    ------
    LabelError
        If it cannot be read or is not a JSON object.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise LabelError(
            f"The label file {path} cannot be read ({error.strerror}); check the path."
        ) from error
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
    """Write a JSON object beside `path`, bring it to the disk, and rename it.

    ASCII only, because Labelme 5 reads with the system's encoding. Each writer has its own
    temporary file, so that two of them on one folder never mix their halves.

    Raises
    ------
    LabelError
        If the file cannot be written.
    """
    text = json.dumps(document, indent=2, allow_nan=False) + "\n"
    part: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="ascii", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            part = Path(file.name)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):  # the first error is the one to tell
            if part is not None:
                part.unlink(missing_ok=True)
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
    except (KeyError, TypeError, IndexError, AttributeError, OverflowError) as error:
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
