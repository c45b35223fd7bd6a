"""The JSON file of one image in a label store: which image, and all readings of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from WristQCLib.labels.files import Json, naming, read_json, write_json
from WristQCLib.labels.image_labels import LabelledImage, pixels_sha256
from WristQCLib.labels.reading import Reading
from WristQCLib.radiograph import Radiograph

KIND = "wristqc/readings"
FORMAT = 1
"""Version of the file's form."""
KEY_LENGTH = 32


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
        content = read_json(path)
        with naming(path):
            if content.get("kind") != KIND:
                raise ValueError("it holds no readings; take it out of the label store")
            if content["format"] != FORMAT:
                raise ValueError(
                    f"its form is {content['format']!r} and this version reads {FORMAT};"
                    " update WristQC"
                )
            readings = tuple(Reading.from_json(entry) for entry in content["readings"])
            if content["key"] != key or any(key_of(r.image) != key for r in readings):
                raise ValueError("it is of another image than its name says; name it as it was")
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
        write_json(path, self.content)
