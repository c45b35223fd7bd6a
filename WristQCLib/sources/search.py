"""Looking for images in files, folders, DICOMDIR, zip archives and DICOM databases of Slicer.

The database's reader is imported where it is needed, because it names its images with
`ImageSource` itself.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from WristQCLib.sources.image_source import (
    HEAD_BYTES,
    UNREADABLE,
    ImageSource,
    file_name,
    format_of,
    reason_of,
)

_SQLITE = b"SQLite format 3\0"


def find_images(
    paths: Iterable[str | os.PathLike[str]], *, on_skip: Callable[[str], None] | None = None
) -> Iterator[ImageSource]:
    """Everything that may be an image under `paths`, each once, in order.

    Folders are searched with what is below them, sorted by name; hidden files are left out. A
    DICOM database of Slicer stands for all of its folder: its images that some attribute calls a
    wrist are found, and no others (`WristQCLib.dicom_database.wrist_studies`). What was named but
    cannot be an image comes as a source with a `problem`, so that one bad path does not stop the
    others.

    Parameters
    ----------
    paths
        Image files, folders, DICOMDIR files, zip archives, Slicer's ``ctkDICOM.sql``.
    on_skip
        Called with each file of a folder or an archive that is plainly not an image.
    """
    return _Search(on_skip or (lambda _: None)).run(Path(p) for p in paths)


class _Search:
    """One search: remembers which files were found already, and which names are taken."""

    def __init__(self, on_skip: Callable[[str], None]) -> None:
        self._on_skip = on_skip
        self._names: set[str] = set()
        self._seen: set[Path] = set()

    def run(self, paths: Iterable[Path]) -> Iterator[ImageSource]:
        for path in paths:
            if path.is_dir():
                yield from self._folder(path)
            elif path.is_file():
                yield from self._file(path, Path(path.name), named=True)
            elif path.exists():
                yield self._problem(path, "is neither a file nor a folder; name one of these")
            else:
                yield self._problem(path, "does not exist; check the path")

    def _folder(self, root: Path) -> Iterator[ImageSource]:
        from WristQCLib.dicom_database.database_file import DATABASE_NAME

        found = False
        walked: set[Path] = set()
        for folder, subfolders, files in os.walk(root, followlinks=True):
            here = Path(folder).resolve()
            if here in walked:  # a link that leads back
                subfolders.clear()
                continue
            walked.add(here)
            if DATABASE_NAME in files:
                subfolders.clear()  # what lies there is listed in the database
                found = True
                yield from self._file(Path(folder, DATABASE_NAME), Path(DATABASE_NAME), named=True)
                continue
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            # A DICOMDIR first: it knows the order, and which of its files are images.
            for name in sorted(files, key=lambda n: (n.upper() != "DICOMDIR", n)):
                path = Path(folder, name)
                if name.startswith(".") or not path.is_file():
                    continue
                found = found or path.resolve() in self._seen
                for source in self._file(path, path.relative_to(root), named=False):
                    found = True
                    yield source
        if not found:
            yield self._problem(root, "holds no image; choose a folder with radiographs")

    def _file(self, path: Path, shown: Path, *, named: bool) -> Iterator[ImageSource]:
        real = path.resolve()
        if real in self._seen:
            return
        self._seen.add(real)
        try:
            with path.open("rb") as file:
                head = file.read(HEAD_BYTES)
        except OSError as error:
            yield self._problem(path, f"cannot be read, {reason_of(error)}")
            return
        if path.name.upper() == "DICOMDIR" and format_of(head) == "dicom":
            yield from self._dicomdir(path)
        elif format_of(head):
            yield ImageSource(self._unique(shown), path)
        elif named and head.startswith(_SQLITE):
            yield from self._database(path)
        elif (named or path.suffix.lower() == ".zip") and zipfile.is_zipfile(path):
            yield from self._archive(path)
        elif named:
            fault = "is empty" if not head else "is not an image"
            yield self._problem(path, f"{fault}; give a DICOM, PNG, JPEG or TIFF file")
        else:
            self._on_skip(str(path))

    def _dicomdir(self, path: Path) -> Iterator[ImageSource]:
        """Basic directory: DICOM PS3.3, F.3; file IDs start at the DICOMDIR (PS3.10, 8.6)."""
        import pydicom

        try:
            records = list(pydicom.dcmread(path).get("DirectoryRecordSequence") or [])
        except Exception:  # whatever a damaged index makes pydicom raise
            yield self._problem(path, "is a damaged DICOMDIR; give the folder's files instead")
            return
        root = path.parent.resolve()
        if not records:
            yield self._problem(path, "lists no image; give the folder's files instead")
        for record in records:
            parts = record.get("ReferencedFileID")
            if not parts:
                continue
            parts = [parts] if isinstance(parts, str) else [str(part) for part in parts]
            target = _below(root, parts)
            is_image = str(record.get("DirectoryRecordType", "")).strip().upper() == "IMAGE"
            if target is None and is_image:
                missing = "/".join(parts)
                yield self._problem(
                    path, f"lists {missing}, which is not there; copy the disc again"
                )
            elif target is not None and is_image:
                yield from self._file(target, Path(*parts), named=True)
            elif target is not None:
                self._seen.add(target.resolve())
                self._on_skip(str(target))

    def _database(self, path: Path) -> Iterator[ImageSource]:
        from WristQCLib.dicom_database import (
            DatabaseError,
            DatabaseFile,
            image_sources,
            wrist_studies,
        )

        try:
            with DatabaseFile(path) as database:
                images = [image for study in wrist_studies(database) for image in study.images]
        except DatabaseError as error:
            yield ImageSource(self._unique(Path(path.name)), path, problem=str(error))
            return
        if not images:
            yield self._problem(path, "lists no image of a wrist; give the images' own files")
        for image, source in zip(images, image_sources(images), strict=True):
            if image.instance.path is not None:
                real = image.instance.path.resolve()
                if real in self._seen:
                    continue
                self._seen.add(real)
            yield replace(source, name=self._unique(Path(source.name)))

    def _archive(self, path: Path) -> Iterator[ImageSource]:
        found = False
        try:
            with zipfile.ZipFile(path) as archive:
                for info in sorted(archive.infolist(), key=lambda info: info.filename):
                    for source in self._member(path, archive, info):
                        found = True
                        yield source
        except UNREADABLE as error:
            yield self._problem(path, f"cannot be unpacked, {reason_of(error)}")
            return
        if not found:
            yield self._problem(path, "holds no image; give an archive with radiographs")

    def _member(
        self, path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo
    ) -> Iterator[ImageSource]:
        # The name is only shown, never unpacked to: it may climb out of any folder.
        parts = [p for p in PurePosixPath(info.filename).parts if p not in ("/", "..")]
        if info.is_dir() or any(p.startswith(".") or p == "__MACOSX" for p in parts):
            return
        shown = f"{path}/{info.filename}"
        if info.flag_bits & 1:
            yield self._problem(Path(shown), "is encrypted; unpack the archive first")
            return
        try:
            with archive.open(info) as member:
                head = member.read(HEAD_BYTES)
        except UNREADABLE as error:
            yield self._problem(Path(shown), f"cannot be unpacked, {reason_of(error)}")
            return
        if format_of(head) is None or parts[-1].upper() == "DICOMDIR":
            self._on_skip(shown)
            return
        yield ImageSource(self._unique(Path(path.stem, *parts)), path, info.filename)

    def _unique(self, shown: Path) -> str:
        """A name that no other source has, not even where upper and lower case are the same."""
        parts = [part for part in shown.parts if part not in ("/", "\\", "..", ".")]
        stem = file_name("_".join(parts))
        name, number = stem, 1
        while name.casefold() in self._names:
            number += 1
            name = f"{stem}-{number}"
        self._names.add(name.casefold())
        return name

    def _problem(self, path: Path, fault: str) -> ImageSource:
        return ImageSource(self._unique(Path(path.name)), path, problem=f"{path}: {fault}.")


def _below(root: Path, parts: list[str]) -> Path | None:
    """The file of a DICOMDIR's file ID, whatever its case; None when missing or outside `root`."""
    here = root
    for part in parts:
        if part in ("", ".", "..") or "/" in part or "\\" in part:
            return None
        if not (here / part).exists():
            try:
                same = [p for p in here.iterdir() if p.name.casefold() == part.casefold()]
            except OSError:
                return None
            if not same:
                return None
            part = same[0].name
        here = here / part
    return here if here.is_file() and here.resolve().is_relative_to(root) else None
