"""Names and writing of report files: safe names, one clear error, never half a file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from WristQCLib.atomic_file import written_whole

_LONGEST_NAME = 120
"""Bytes of a file name without its suffix; file systems allow 255 with it."""
_EXTENSION = re.compile(r"\.(?=[a-z0-9]*[a-z])[a-z0-9]{1,5}$", re.IGNORECASE)
"""A file's extension: holds a letter, so the last part of a UID is not taken for one."""
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices."""


class ReportError(OSError):
    """A report cannot be written; the message says which and what to do."""


@contextmanager
def report_file(path: Path) -> Iterator[BinaryIO]:
    """A report's file to write to, see `written_whole`.

    Raises
    ------
    ReportError
        If the file cannot be written.
    """
    try:
        with written_whole(path) as file:
            yield file
    except OSError as error:
        raise ReportError(
            f"The report {path} cannot be written ({error.strerror}); choose another output folder."
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text; never half of it.

    Raises
    ------
    ReportError
        If the file cannot be written.
    """
    with report_file(path) as file:
        # DICOM text may hold lone surrogates, which UTF-8 cannot.
        file.write(text.encode("utf-8", errors="replace"))


def safe_name(name: str) -> str:
    """A file name without extension that is safe on every system, made from an image's name.

    Letters, digits, ``.``, ``-`` and ``_`` stay, whatever the script; everything else, path
    separators above all, becomes ``_``.
    """
    stem = _EXTENSION.sub("", unicodedata.normalize("NFC", name))
    stem = re.sub(r"[^\w.-]+", "_", stem).strip("._-")
    stem = stem.encode("utf-8", "ignore")[:_LONGEST_NAME].decode("utf-8", "ignore")
    return f"image_{stem}" if _RESERVED.fullmatch(stem) else stem or "image"


class UniqueNames:
    """Gives every image of a run its own safe name; letter case does not tell names apart."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, name: str) -> str:
        """A file name without extension that no other image of the run has."""
        stem = candidate = safe_name(name)
        number = 1
        while candidate.casefold() in self._taken:
            number += 1
            candidate = f"{stem}-{number}"
        self._taken.add(candidate.casefold())
        return candidate
