"""Finding the image that a label file is of: by its UID or pixels, beside the file, by its name."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePath, PurePosixPath
from threading import Lock

import pydicom

from WristQCLib.errors import RadiographError
from WristQCLib.labels.files import Json
from WristQCLib.labels.image_labels import LabelError, LabelledImage
from WristQCLib.labels.store_images import read_image
from WristQCLib.measurements import ImageGeometry
from WristQCLib.picture import picture_pixels
from WristQCLib.radiograph import Radiograph, read_radiograph
from WristQCLib.report.files import safe_name
from WristQCLib.sources import HEAD_BYTES, ImageSource, find_images, format_of

ABOUT = "wristqc"
"""Text in PNG files that this program wrote, as JSON: ``pixels_sha256`` of the image that a picture
was made of, or the scale of a store's own image (`WristQCLib.labels.store_images`)."""


@dataclass(frozen=True)
class FoundImage:
    """An image that was found.

    Attributes
    ----------
    image
        Which it is.
    radiograph
        Its pixels; None where a picture of it was found.
    """

    image: LabelledImage
    radiograph: Radiograph | None


class ImageSearch:
    """The images of some folders, each looked into only when a label asks for it.

    Several threads may search at once.

    Parameters
    ----------
    folders
        Images and folders, as `find_images` takes them.
    """

    def __init__(self, folders: Iterable[Path | str] = ()) -> None:
        self._folders = list(folders)
        self._by_pixels: dict[str, ImageSource] = {}
        self._hashing = Lock()

    def find(
        self,
        image: LabelledImage,
        beside: Iterable[Path] = (),
        embedded: bytes | None = None,
        picture: str = "",
    ) -> FoundImage | None:
        """The image that a label is of, None when it is not there.

        Parameters
        ----------
        image
            As the label tells of it. Where it tells the pixels' hash, no others are taken.
        beside
            Where its file may lie by what the label says.
        embedded
            The picture file that the label holds.
        picture
            Path that the label gives, whose name is looked for before the image's own.

        Raises
        ------
        LabelError
            If it was found but cannot be read, or has another size than the label says.
        """
        shown: FoundImage | None = None
        for source in self._candidates(image, list(beside), picture):
            try:
                found = _read(source)
            except RadiographError as error:
                if image.pixels_sha256:
                    continue  # the pixels are only missing in the store
                raise LabelError(str(error)) from error
            if _fits(found, image, str(source)):
                if found.radiograph is not None:
                    return found
                shown = found  # the image itself may be elsewhere
        if embedded is not None and shown is None:
            try:
                found = _found(Radiograph.from_pixels(picture_pixels(io.BytesIO(embedded), [])[0]))
                if _fits(found, image, "the picture in it"):
                    return found
            except RadiographError as error:
                if not image.pixels_sha256:
                    raise LabelError(f"the picture in it cannot be used: {error}.") from error
        wanted = image.pixels_sha256 or (shown.image.pixels_sha256 if shown else "")
        return (self._with_pixels(wanted) if wanted else None) or shown

    def called(self, name: str, folder: Path) -> FoundImage | None:
        """The image whose file has a name, without its extension; in `folder` or in those searched.

        Raises
        ------
        LabelError
            If there are several, or it cannot be read.
        """
        try:
            beside = [path for path in folder.iterdir() if safe_name(path.name) == safe_name(name)]
        except OSError:
            beside = []
        files = [source for source in map(ImageSource.of_file, sorted(beside)) if _is_image(source)]
        found = files or self._by_name(safe_name(name), all_=False)
        if len(found) > 1:
            raise LabelError(f"{len(found)} images in {folder} are called {name}; keep one there.")
        try:
            return _read(found[0]) if found else None
        except RadiographError as error:
            raise LabelError(str(error)) from error

    def _candidates(
        self, image: LabelledImage, beside: list[Path], picture: str
    ) -> Iterator[ImageSource]:
        if image.sop_instance_uid:
            yield from self._by_uid.get(image.sop_instance_uid, ())
        yield from (ImageSource.of_file(path) for path in beside if path.is_file())
        for name in dict.fromkeys((picture, image.name)):
            yield from self._by_name(name, all_=bool(image.pixels_sha256))

    @cached_property
    def _sources(self) -> list[ImageSource]:
        return [source for source in find_images(self._folders) if not source.problem]

    @cached_property
    def _by_uid(self) -> dict[str, list[ImageSource]]:
        """Images by their SOP instance UID, of which only the headers are read."""
        found: dict[str, list[ImageSource]] = {}
        for source in self._sources:
            if uid := _uid(source):
                found.setdefault(uid, []).append(source)
        return found

    @cached_property
    def _names(self) -> dict[str, list[ImageSource]]:
        """Images by their file's name, and by it without its extension."""
        found: dict[str, list[ImageSource]] = {}
        for source in self._sources:
            path = _path_of(source)
            for name in {
                path.name.casefold(),
                path.stem.casefold(),
                safe_name(path.name).casefold(),
            }:
                found.setdefault(name, []).append(source)
        return found

    def _by_name(self, name: str, all_: bool) -> list[ImageSource]:
        """The image of this name; of several, the one in the same folder, or all if pixels decide.

        Raises
        ------
        LabelError
            If there are several.
        """
        path = PurePosixPath(name.replace("\\", "/").casefold())
        found = self._names.get(path.name) or self._names.get(path.stem) or []
        parents = [part for part in path.parent.parts if part not in (".", "..")]
        while len(found) > 1 and parents:
            tail = tuple(parents)
            same = [s for s in found if _folders_of(s)[-len(tail) :] == tail]
            found, parents = same or found, parents[1:]
        if len(found) > 1 and not all_:
            raise LabelError(
                f"{len(found)} images are called {name} and the label does not tell which is meant;"
                " give the folder of one of them alone."
            )
        return found

    def _with_pixels(self, wanted: str) -> FoundImage | None:
        """The image with these pixels, whatever its name; each is read once to know its hash."""
        with self._hashing:
            if source := self._by_pixels.get(wanted):
                return _read(source)
            for source in self._unread:
                with suppress(RadiographError, LabelError):
                    found = _read(source)
                    if found.radiograph is None:
                        continue
                    self._by_pixels.setdefault(found.image.pixels_sha256, source)
                    if found.image.pixels_sha256 == wanted:
                        return found
        return None

    @cached_property
    def _unread(self) -> Iterator[ImageSource]:
        return iter(self._sources)


def _fits(found: FoundImage, image: LabelledImage, what: str) -> bool:
    """Whether this is the label's image; False where the pixels are others than it says.

    Raises
    ------
    LabelError
        If only the name speaks for it and the size is another.
    """
    if image.pixels_sha256:
        return found.image.pixels_sha256 == image.pixels_sha256
    here, there = found.image.geometry, image.geometry
    if (here.width, here.height) != (there.width, there.height):
        raise LabelError(
            f"{what} is {here.width} x {here.height} pixels but the label of {image.name} says"
            f" {there.width} x {there.height}; give the image that was labelled."
        )
    return True


def _read(source: ImageSource) -> FoundImage:
    """An image file; a picture that was exported stands for the image that it was made of."""
    about, size = _about(source)
    if isinstance(known := about.get("pixels_sha256"), str):
        return FoundImage(LabelledImage(source.name, ImageGeometry(*size), "", known), None)
    if about.keys() & {"slope", "levels"}:  # of a label store
        pixels, display = read_image(source.path)
        radiograph = Radiograph.from_pixels(pixels, name=source.name)
        return _found(replace(radiograph, voi=display or radiograph.voi))
    return _found(read_radiograph(source))


def _found(radiograph: Radiograph) -> FoundImage:
    return FoundImage(LabelledImage.of(radiograph), radiograph)


def _about(source: ImageSource) -> tuple[Json, tuple[int, int]]:
    """What this program wrote of an image into a PNG file, and the size in pixels."""
    with source.open() as stream:
        if format_of(stream.read(HEAD_BYTES)) != "png":
            return {}, (0, 0)
        stream.seek(0)
        try:
            from PIL import Image

            with Image.open(stream) as picture:
                about = json.loads(getattr(picture, "text", {}).get(ABOUT, "{}"))
                return about if isinstance(about, dict) else {}, picture.size
        except Exception:  # a damaged picture; reading it says so in one sentence
            return {}, (0, 0)


def _is_image(source: ImageSource) -> bool:
    try:
        with source.open() as stream:
            return format_of(stream.read(HEAD_BYTES)) is not None
    except RadiographError:
        return False


def _uid(source: ImageSource) -> str:
    """SOP instance UID of a DICOM file, of which nothing else is read."""
    try:
        with source.open() as stream:
            if format_of(stream.read(HEAD_BYTES)) != "dicom":
                return ""
            stream.seek(0)
            header = pydicom.dcmread(
                stream, force=True, stop_before_pixels=True, specific_tags=["SOPInstanceUID"]
            )
            return str(header.get("SOPInstanceUID", ""))
    except Exception:  # whatever a damaged file makes pydicom raise
        return ""


def _path_of(source: ImageSource) -> PurePath:
    return PurePosixPath(source.member) if source.member else source.path


def _folders_of(source: ImageSource) -> tuple[str, ...]:
    return tuple(part.casefold() for part in _path_of(source).parent.parts)
