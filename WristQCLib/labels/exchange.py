"""Labels of a store to and from files of other programs: Labelme, Slicer, COCO, CSV.

    export_labels(store, "out", Form.LABELME)
    import_labels(store, ["out"], reader="Dr Li", images=["dicom"])

What is exported holds all of a label, so that importing it again changes nothing, and ids of the
readings that it shows, so that a file that was edited meanwhile replaces these.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from WristQCLib.atomic_file import written_whole
from WristQCLib.keypoints import Keypoints
from WristQCLib.labels.coco import coco_document
from WristQCLib.labels.conflicts import heads
from WristQCLib.labels.csv_labels import row, write_rows
from WristQCLib.labels.files import while_writing, write_json
from WristQCLib.labels.image_labels import ImageLabels, LabelError, LabelledImage
from WristQCLib.labels.image_search import ABOUT, FoundImage, ImageSearch
from WristQCLib.labels.label_files import (
    FileLabels,
    Form,
    NotLabelsError,
    find_label_files,
    read_labels,
)
from WristQCLib.labels.labelme import labelme_document
from WristQCLib.labels.markups import markups_document
from WristQCLib.labels.reading import SAME_PLACE_PX, Reading, name_of
from WristQCLib.labels.record import KEY, READINGS, portable_record
from WristQCLib.labels.store import LabelStore, StoredImage
from WristQCLib.labels.store_document import key_of
from WristQCLib.report.files import UniqueNames
from WristQCLib.window import FloatImage

__all__ = ["Exported", "Form", "Imported", "export_labels", "import_labels"]

PICTURES = "images"
"""Folder of the pictures beside exported labels."""

_THREADS = 8
"""Images that an import looks for at once; more do not make a drive faster."""

GoOn = Callable[[int], bool]


# Export -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exported:
    """What `export_labels` did.

    Attributes
    ----------
    count
        Images whose labels were written.
    path
        The file of all images, or the folder with one file for each.
    problems
        One sentence for each thing that could not be written.
    """

    count: int
    path: Path
    problems: tuple[str, ...] = ()


def export_labels(
    store: LabelStore,
    out: Path | str,
    form: Form,
    *,
    embed_images: bool = False,
    reader: str | None = None,
    images: Iterable[Path | str] = (),
    go_on: GoOn = lambda count: True,
) -> Exported:
    """Write the labels of a store as files that other programs read.

    Labelme and markups files lie in `out`, one for each image; ``coco.json`` and ``labels.csv``
    hold all. Labels refer to a picture in ``out/images``: 8-bit grey PNG, as it is displayed,
    because that is what other programs open; it is made of the pixels that the store keeps, or else
    of the image in `images`. Where there is neither, they refer to the original file. Slicer's
    lists need no picture.

    Parameters
    ----------
    store
        Of its images, what the readings amount to (`LabelStore.consensus`); those that are in
        conflict are told as problems.
    out
        The folder.
    form
        What to write.
    embed_images
        Put pictures into the label files instead, which Labelme knows alone.
    reader
        Instead, the newest reading of this person.
    images
        Images and folders to look for those in whose pixels the store does not keep.
    go_on
        Called after each image with the number so far; False stops there.

    Raises
    ------
    LabelError
        If the folder cannot be written, or pictures cannot be put into files of this form.
    """
    if embed_images and form is not Form.LABELME:
        raise LabelError(f"Pictures cannot be put into {form} files; let these refer to them.")
    search = ImageSearch(images)
    return _Export(store, Path(out), form, embed_images, reader, search).run(go_on)


class _Export:
    def __init__(
        self,
        store: LabelStore,
        out: Path,
        form: Form,
        embed: bool,
        reader: str | None,
        search: ImageSearch,
    ) -> None:
        self._store = store
        self._out = out
        self._form = form
        self._embed = embed
        self._reader = None if reader is None else name_of(reader)
        self._search = search
        self._problems: list[str] = []
        self._names = UniqueNames()

    def run(self, go_on: GoOn) -> Exported:
        together: list[tuple[ImageLabels, str, list[str]]] = []
        count = without_picture = 0
        for stored in self._store:
            labels = self._labels(stored)
            if labels is None:
                continue
            name = self._names.take(labels.image.name)
            shown = self._display(stored) if self._form is not Form.MARKUPS else None
            picture = ""
            if shown is not None and not self._embed:
                picture = f"{PICTURES}/{name}.png"
                _write_picture(self._out / picture, shown, labels.image.pixels_sha256)
            without_picture += shown is None
            ids = [reading.id for reading in stored.current]
            if self._form is Form.LABELME:
                document = labelme_document(labels, shown if self._embed else None)
                document["imagePath"] = picture or labels.image.name
                document[KEY] |= {"image": portable_record(labels)["image"], READINGS: ids}
                write_json(self._out / f"{name}.json", document)
            elif self._form is Form.MARKUPS:
                document = markups_document(labels)
                document[KEY][READINGS] = ids
                write_json(self._out / f"{name}.mrk.json", document)
            else:
                together.append((labels, picture, ids))
            count += 1
            if not go_on(count):
                break
        if without_picture and self._form is not Form.MARKUPS:
            self._problems.append(
                f"{without_picture} of {count} images are not kept in the store, so their labels"
                " refer to the original files; give the folder of these to have pictures made."
            )
        return Exported(count, self._written(together), tuple(self._problems))

    def _written(self, together: list[tuple[ImageLabels, str, list[str]]]) -> Path:
        """Write the file of all images; its path, else the folder's."""
        if self._form is Form.COCO:
            document = coco_document(labels for labels, _, _ in together)
            for image, (_, picture, ids) in zip(document["images"], together, strict=True):
                image["file_name"] = picture or image["file_name"]
                image[KEY][READINGS] = ids
            write_json(self._out / "coco.json", document)
            return self._out / "coco.json"
        if self._form is Form.CSV:
            path = self._out / "labels.csv"
            write_rows(
                path,
                (
                    row(labels) | {"picture": picture, "based_on": " ".join(ids)}
                    for labels, picture, ids in together
                ),
            )
            return path
        return self._out

    def _labels(self, stored: StoredImage) -> ImageLabels | None:
        if self._reader is not None:
            own = [reading for reading in stored.current if reading.reader == self._reader]
            return own[-1].labels if own else None
        labels = stored.consensus
        if labels is None:
            self._problems += [conflict.sentence for conflict in stored.conflicts]
        return labels

    def _display(self, stored: StoredImage) -> FloatImage | None:
        try:
            radiograph = self._store.radiograph(stored.key)
            if radiograph is None:
                found = self._search.find(stored.image)
                radiograph = None if found is None else found.radiograph
        except LabelError as error:
            self._problems.append(str(error))
            return None
        return None if radiograph is None else radiograph.display()


def _write_picture(path: Path, shown: FloatImage, sha256: str) -> None:
    """Write a picture that can be told from its image, and leads back to it."""
    from PIL import Image, PngImagePlugin

    about = PngImagePlugin.PngInfo()
    about.add_text(ABOUT, json.dumps({"pixels_sha256": sha256}))
    grey = np.round(shown.clip(0, 1) * 255).astype(np.uint8)
    with while_writing(path), written_whole(path) as file:
        Image.fromarray(grey).save(file, format="PNG", pnginfo=about, compress_level=1)


# Import -----------------------------------------------------------------------------------------


@dataclass
class Imported:
    """What `import_labels` did.

    Attributes
    ----------
    count
        Labels that are in the store now, those that were before included.
    new
        Of these, the readings that were added.
    problems
        One sentence for each label that could not be imported.
    left_out
        Files of folders that hold no labels.
    files
        Files that are looked into.
    """

    count: int = 0
    new: int = 0
    problems: list[str] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)
    files: int = 0


def import_labels(
    store: LabelStore,
    paths: Iterable[Path | str],
    *,
    reader: str,
    images: Iterable[Path | str] = (),
    go_on: GoOn = lambda count: True,
    result: Imported | None = None,
) -> Imported:
    """Take labels from files into a store; it can be stopped anywhere and done again.

    What is there already is not added again. A file that was exported and edited replaces the
    readings that it was made of, and one that was imported before and edited its earlier state;
    beside what the same person accepted otherwise meanwhile it stands as a conflict.

    Parameters
    ----------
    store
        Where to.
    paths
        Label files of any `Form`, folders with them, or other label stores, whose readings stay
        whose they are.
    reader
        Whose labels these are.
    images
        Images and folders to look for the labelled images in, beside where a label says they are.
    go_on
        Called after each label with the number so far; False stops there.
    result
        To be filled in, so that it can be looked at after an interruption.

    Raises
    ------
    LabelError
        If the store cannot be written.
    """
    done = Imported() if result is None else result
    named = [Path(path) for path in paths]
    files = find_label_files(named, done.problems.append)
    done.files = len(files)
    readings = _Import(store, name_of(reader), ImageSearch(images), done, set(named))

    def counted(count: int) -> bool:
        done.count = count
        done.new += readings.is_new[count - 1]
        return go_on(count)

    store.accept_many(
        readings.of(files), counted, lambda _, error: done.problems.append(str(error))
    )
    return done


class _Import:
    def __init__(
        self,
        store: LabelStore,
        reader: str,
        search: ImageSearch,
        done: Imported,
        named: set[Path],
    ) -> None:
        self._store = store
        self._reader = reader
        self._search = search
        self._done = done
        self._named = named
        self._seen: dict[str, set[str]] = {}
        self.is_new: list[bool] = []

    def of(self, files: Iterable[Path]) -> Iterator[Reading]:
        """The readings that files amount to; what cannot be used is told and the rest goes on.

        Images are looked for and written beside each other, because drives and decoders keep one
        waiting; labels keep their order.
        """
        waiting: deque[tuple[FileLabels, Future[ImageLabels]]] = deque()
        with ThreadPoolExecutor(_THREADS, "wristqc-import") as pool:
            try:
                for found in self._found(files):
                    waiting.append((found, pool.submit(self._identified, found)))
                    if len(waiting) > _THREADS:
                        yield from self._next(*waiting.popleft())
                while waiting:
                    yield from self._next(*waiting.popleft())
            finally:
                pool.shutdown(cancel_futures=True)

    def _found(self, files: Iterable[Path]) -> Iterator[FileLabels]:
        for path in files:
            try:
                yield from read_labels(
                    path,
                    self._reader,
                    self._done.problems.append,
                    partial(self._called, path.parent),
                )
            except NotLabelsError as error:
                if path in self._named:
                    self._done.problems.append(str(error))
                else:
                    self._done.left_out.append(path)
            except LabelError as error:
                self._done.problems.append(str(error))

    def _next(self, found: FileLabels, identified: Future[ImageLabels]) -> Iterator[Reading]:
        """The reading of one label, or nothing where its image cannot be used."""
        try:
            reading = self._reading(found, identified.result())
        except LabelError as error:
            name = found.labels.image.name
            self._done.problems.append(
                f"The label of {name} in {found.path} cannot be imported: {error}"
            )
        else:
            yield reading

    def _reading(self, found: FileLabels, labels: ImageLabels) -> Reading:
        """What is to be stored; a reading that the store has already where nothing is new."""
        key = key_of(labels.image)
        there = self._store.readings(key)
        seen = self._seen.setdefault(key, set())
        reading = found.reading
        if reading is None:
            own = [known for known in there if known.reader == self._reader]
            if found.keypoints_only:
                labels = _onto(labels, heads(own))
            reading = next((known for known in reversed(own) if known.labels == labels), None)
            if reading is None:
                reading = Reading.imported(
                    labels,
                    reader=self._reader,
                    when=_saved_at(found),
                    based_on=self._based_on(found, own, seen),
                )
        known = seen | {known.id for known in there}
        self.is_new.append(reading.id not in known)
        seen.add(reading.id)
        return reading

    def _based_on(self, found: FileLabels, own: list[Reading], seen: set[str]) -> str | None:
        """The reading that a file was made of, else the one that it was when imported earlier.

        Two files of one image that are imported together know nothing of each other.
        """
        made_of = [known.id for known in own if known.id in found.based_on]
        earlier = [known.id for known in heads(own) if known.id not in seen and _imported(known)]
        return next(reversed(made_of or earlier), None)

    def _identified(self, found: FileLabels) -> ImageLabels:
        """With the pixels' hash, by which the store knows images; the pixels go into the store.

        Raises
        ------
        LabelError
            If it is unknown and the image is not there.
        """
        labels, image = found.labels, found.labels.image
        kept = self._store.image_path(key_of(image)) if image.pixels_sha256 else None
        if image.pixels_sha256 and (kept or not self._store.keep_images):
            return labels
        there = self._search.find(image, found.beside, found.embedded, found.picture)
        if there is not None and there.radiograph is not None and self._store.keep_images:
            self._store.keep_image(there.radiograph)
        if image.pixels_sha256:
            return labels
        key = self._store.find(image) if image.sop_instance_uid else None
        if there is None and key is None:
            raise LabelError("its image was not found; give the folder that holds it.")
        known = (
            self._known(there) if there is not None else self._store.readings(key or "")[-1].image
        )
        geometry = image.geometry if image.geometry.spacing else known.geometry
        return replace(
            labels,
            image=LabelledImage(
                image.name,
                geometry,
                image.sop_instance_uid or known.sop_instance_uid,
                known.pixels_sha256,
            ),
        )

    def _known(self, found: FoundImage) -> LabelledImage:
        """The image that was found; of a picture, that which the store knows it was made of."""
        stored = self._store.get(key_of(found.image)) if found.radiograph is None else None
        return found.image if stored is None else stored.image

    def _called(self, folder: Path, name: str) -> LabelledImage | None:
        """The image of a markups list, which needs the size of its pixels: a picture will not do
        unless the store knows what it was made of."""
        found = self._search.called(name, folder)
        if found is None:
            return None
        known = self._known(found)
        return None if found.radiograph is None and known is found.image else known


def _saved_at(found: FileLabels) -> datetime:
    """When a file was saved, but not before its points were placed."""
    times = [p.when for p in found.labels.placements.values() if p.when is not None]
    try:
        times.append(datetime.fromtimestamp(found.path.stat().st_mtime, UTC))
    except OSError:
        times.append(datetime.now(UTC))
    return max(times)


def _imported(reading: Reading) -> bool:
    return Reading.imported(reading.labels, reader=reading.reader).id == reading.id


def _onto(labels: ImageLabels, before: list[Reading]) -> ImageLabels:
    """Keypoints alone on top of what was known of their image, if that is of the same view."""
    if not before or before[-1].labels.view is not labels.view:
        return labels
    known = before[-1].labels
    points = tuple(
        old
        if old.position and new.position and math.dist(old.position, new.position) <= SAME_PLACE_PX
        else new
        for old, new in zip(known.keypoints, labels.keypoints, strict=True)
    )
    return known.edited(Keypoints(labels.view, points))
