"""One image to read, and what the first bytes of a file tell of its kind."""

from __future__ import annotations

import io
import os
import re
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from WristQCLib.errors import RadiographError

ImageFormat = Literal["dicom", "png", "jpeg", "tiff"]

HEAD_BYTES = 132
MAX_MEMBER_BYTES = 1 << 30
"""Larger archive members are refused: they are read in memory."""

UNREADABLE = (
    OSError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,  # encrypted, or compressed in a way that this Python does not know
    KeyError,  # the member is gone since it was found
)
"""What reading a file or a member of an archive may raise."""


def format_of(head: bytes) -> ImageFormat | None:
    """The kind of image that a file's first 132 bytes announce, None for anything else.

    A DICOM file without preamble starts with a tag of group 2 or 8, which no text can.
    """
    if head[128:132] == b"DICM":
        return "dicom"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith((b"II*\0", b"MM\0*")):
        return "tiff"
    if head[:2] in (b"\x02\0", b"\x08\0") and head[3:4] == b"\0":
        return "dicom"
    if head[:2] in (b"\0\x02", b"\0\x08") and head[2:3] == b"\0":
        return "dicom"
    return None


@dataclass(frozen=True)
class ImageSource:
    """One image to read, or the reason why there is none.

    Attributes
    ----------
    name
        Unique among the sources of one search, and safe as a file name.
    path
        The file; for a member of an archive, the archive.
    member
        Name within the archive, empty for a plain file.
    problem
        Why nothing can be read here, one sentence; empty when there is something to try.
    """

    name: str
    path: Path
    member: str = ""
    problem: str = ""

    @classmethod
    def of_file(cls, path: str | os.PathLike[str]) -> ImageSource:
        """A file, named as it is."""
        return cls(file_name(Path(path).name), Path(path))

    def __str__(self) -> str:
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    def open(self) -> BinaryIO:
        """The bytes, from their start; the caller closes.

        Raises
        ------
        RadiographError
            If there is a `problem`, or the file cannot be read.
        """
        if self.problem:
            raise RadiographError(self.problem)
        try:
            if not self.member:
                return self.path.open("rb")
            with zipfile.ZipFile(self.path) as archive, archive.open(self.member) as member:
                content = member.read(MAX_MEMBER_BYTES + 1)
        except UNREADABLE as error:
            raise RadiographError(f"{self}: cannot be read, {reason_of(error)}.") from error
        if len(content) > MAX_MEMBER_BYTES:
            raise RadiographError(
                f"{self}: is too large; unpack the archive and assess the folder."
            )
        return io.BytesIO(content)


def file_name(text: str) -> str:
    """`text` without a known image suffix, as a name that every file system takes."""
    text = re.sub(r"\.(dcm|dicom|ima|png|jpe?g|tiff?)$", "", text, flags=re.IGNORECASE)
    return re.sub(r"[^\w.-]+", "_", text).strip("._")[:100] or "image"


def reason_of(error: BaseException) -> str:
    """The reason of an operating-system error, without its number and path."""
    reason = error.strerror if isinstance(error, OSError) else None
    return (reason or "the file is damaged").lower()
