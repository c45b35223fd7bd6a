"""A folder of accepted labels, from which models learn and which nobody's mistake may empty.

    store = LabelStore.open("labels")
    store.accept(Reading.accept(assessment, radiograph, reader="Dr Li", predicted=predicted))
    for image in store:
        print(image.name, store.consensus(image.key))

``labels/<key>.json`` holds all readings of one image, also those that later ones replaced, and is
the truth. ``images/<key>.png`` holds its pixels. ``index.sqlite`` is made from the JSON files and
may be deleted at any time; ``lock.sqlite`` keeps writers apart. The key follows from the pixels, so
that an image is found again whatever its file is called.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

from WristQCLib.labels.conflicts import Conflict, conflicts_of, consensus_of, heads
from WristQCLib.labels.image_labels import ImageLabels, LabelError, LabelledImage
from WristQCLib.labels.reading import Reading
from WristQCLib.labels.store_document import KEY_LENGTH, CannotWriteError, Document, key_of
from WristQCLib.labels.store_images import read_image, write_pixels
from WristQCLib.labels.store_index import Entry, Index, Lock, Stat, UnusableError
from WristQCLib.radiograph import Radiograph

T = TypeVar("T")

log = logging.getLogger("wristqc")

AT_ONCE = 32
"""Readings that an import writes before it lets others have their turn, some tenths of a second."""
_TURN_S = 0.02
_READ_AT_ONCE = 1000
"""Files that are in memory together while the index is made."""
_OLD_S = 3600.0
"""Age from which an unfinished file is of a writer that was stopped, in s."""
_PART = re.compile(r"\.[0-9a-f]{16}\.part")
_LABELS = re.compile(rf"([0-9a-f]{{{KEY_LENGTH}}})(.*)\.json", re.DOTALL)


@dataclass(frozen=True)
class StoredImage:
    """One image of a store.

    Attributes
    ----------
    key
        Its name in the store.
    readings
        All of it, oldest first.
    image_path
        Its pixels, None when they are not kept.
    """

    key: str
    readings: tuple[Reading, ...]
    image_path: Path | None

    @property
    def image(self) -> LabelledImage:
        """As the newest reading tells of it."""
        return self.readings[-1].image

    @property
    def name(self) -> str:
        """For people."""
        return self.image.name

    @property
    def current(self) -> list[Reading]:
        """The readings that count, see `LabelStore.current`."""
        return heads(self.readings)

    @property
    def conflicts(self) -> list[Conflict]:
        return conflicts_of(self.key, self.readings)

    @property
    def consensus(self) -> ImageLabels | None:
        """See `LabelStore.consensus`."""
        return consensus_of(self.readings)


class LabelStore:
    """A folder of accepted labels; several programs may have it open and write to it.

    Open it with `open`. Every method may be called from any thread.

    Attributes
    ----------
    folder
        Where it is.
    keep_images
        Whether the pixels of what is accepted are kept, too.
    """

    def __init__(self, folder: Path, keep_images: bool) -> None:
        self.folder = folder
        self.keep_images = keep_images
        self._labels, self._images = folder / "labels", folder / "images"
        self._lock = Lock(folder / "lock.sqlite")
        self._index = Index(folder / "index.sqlite")
        self._notes: list[str] = []

    @classmethod
    def open(
        cls, folder: Path | str, *, create: bool = True, keep_images: bool = True
    ) -> LabelStore:
        """Open a store, and read again what others changed in it.

        Parameters
        ----------
        folder
            Of the store.
        create
            Whether to make one where there is none.
        keep_images
            Whether to keep the pixels of what is accepted.

        Raises
        ------
        LabelError
            If there is no store or it cannot be made or read; one sentence.
        """
        store = cls(Path(folder), keep_images)
        if not store._labels.is_dir():
            if not create:
                raise LabelError(
                    f"The folder {folder} holds no label store; choose the folder that labels were"
                    " accepted into."
                )
            try:
                store._labels.mkdir(parents=True)
            except OSError as error:
                raise LabelError(
                    f"No label store can be made in {folder} ({error.strerror}); choose another"
                    " folder."
                ) from error
        store._remove_unfinished()
        store.refresh()
        return store

    # What is there ----------------------------------------------------------------------------

    @property
    def problems(self) -> list[str]:
        """One sentence for each file that cannot be used; they are left as they are."""
        return [*self._ask(Index.problems), *self._notes]

    def keys(self) -> list[str]:
        """Of all images."""
        return self._ask(Index.keys)

    def __len__(self) -> int:
        return len(self.keys())

    def __iter__(self) -> Iterator[StoredImage]:
        """All images that can be read, each read from its file when its turn comes."""
        for key in self.keys():
            with suppress(LabelError):  # damaged since; the next opening tells
                if readings := self.readings(key):
                    yield StoredImage(key, tuple(readings), self.image_path(key))

    def get(self, key: str) -> StoredImage | None:
        """One image, None when nobody has read it."""
        readings = self.readings(key)
        return StoredImage(key, tuple(readings), self.image_path(key)) if readings else None

    def readings(self, key: str) -> list[Reading]:
        """All readings of an image, oldest first.

        Raises
        ------
        LabelError
            If its file is damaged.
        """
        document = self._read(key)
        return sorted(document.readings, key=lambda reading: reading.accepted_at)

    def current(self, key: str) -> list[Reading]:
        """The readings that count, oldest first: the newest of each reader.

        More than one of one reader is a conflict, see `conflicts`.
        """
        return heads(self.readings(key))

    def latest(
        self, image: Radiograph | LabelledImage, reader: str | None = None
    ) -> Reading | None:
        """The newest reading that counts of an image, whatever its file is called.

        Parameters
        ----------
        image
            Found by its pixels; by its SOP instance UID where these are unknown.
        reader
            Of this person alone.
        """
        key = self.find(image)
        current = [r for r in self.current(key) if reader in (None, r.reader)] if key else []
        return current[-1] if current else None

    def find(self, image: Radiograph | LabelledImage) -> str | None:
        """The key of an image, None when nobody has read it."""
        if key := key_of(image):
            return key if self._path(key).is_file() else None
        uid = image.sop_instance_uid
        keys = self._ask(lambda index: index.keys_of_uid(uid)) if uid else []
        return keys[0] if len(keys) == 1 else None

    def has(self, image: Radiograph | LabelledImage, reader: str | None = None) -> bool:
        """Whether an image was read, by one reader or by anyone."""
        key = self.find(image)
        return key is not None and self._ask(lambda index: index.has(key, reader))

    def checked(self, reader: str | None = None) -> int:
        """How many images were read, by one reader or by anyone."""
        return self._ask(lambda index: index.count(reader))

    def corrected(self, reader: str | None = None) -> int:
        """How many of them differ from what the models had said."""
        return self._ask(lambda index: index.count(reader, corrected=True))

    def readers(self) -> list[str]:
        """All who have read an image."""
        return self._ask(Index.readers)

    def conflicts(self) -> list[Conflict]:
        """Where readings contradict each other, see `WristQCLib.labels.conflicts`."""
        found = []
        for key in self._ask(Index.keys_in_conflict):
            with suppress(LabelError):
                found += conflicts_of(key, self.readings(key))
        return found

    def consensus(self, key: str) -> ImageLabels | None:
        """What the readings of an image amount to; None while they contradict each other."""
        return consensus_of(self.readings(key))

    def image_path(self, key: str) -> Path | None:
        """The pixels of an image as PNG, None when they are not kept."""
        path = self._images / f"{key}.png"
        return path if path.is_file() else None

    def radiograph(self, key: str) -> Radiograph | None:
        """An image as it was accepted, made of its pixels; None when they are not kept.

        Raises
        ------
        LabelError
            If they, or its labels, are damaged.
        """
        path, stored = self.image_path(key), self.get(key)
        if path is None or stored is None:
            return None
        geometry, newest = stored.image.geometry, stored.readings[-1].labels
        pixels, display = read_image(path)
        radiograph = Radiograph.from_pixels(
            pixels,
            spacing=geometry.spacing,
            view=newest.view,
            side=newest.side,
            name=stored.name,
        )
        return replace(
            radiograph,
            voi=display or radiograph.voi,
            pixel_aspect=geometry.pixel_aspect,
            sop_instance_uid=stored.image.sop_instance_uid,
        )

    # Changing it ------------------------------------------------------------------------------

    def accept(self, reading: Reading, radiograph: Radiograph | None = None) -> Reading:
        """Store a reading; when this returns it is on the disk.

        Parameters
        ----------
        reading
            One that is there already, by its id, is not stored again.
        radiograph
            Its pixels are kept if `keep_images` says so.

        Returns
        -------
        Reading
            As it is stored.

        Raises
        ------
        LabelError
            If it cannot be stored; one sentence.
        """
        if radiograph is not None and self.keep_images:
            self._keep(radiograph, reading)
        with self._lock.held():
            stored, entry = self._add(reading)
            if entry is not None:
                self._note([entry])
        self._bring_to_disk()
        return stored

    def accept_many(
        self,
        readings: Iterable[Reading],
        go_on: Callable[[int], bool] = lambda count: True,
        on_problem: Callable[[Reading, LabelError], None] | None = None,
    ) -> int:
        """Store many readings; what was stored stays, wherever this is stopped.

        Parameters
        ----------
        readings
            Those that are there already are passed over, so that it can be done again.
        go_on
            Called after each reading with the number so far; False stops there.
        on_problem
            Told what cannot be stored; without it the first problem is raised.

        Returns
        -------
        int
            Readings that are stored now, those that were before included.

        Raises
        ------
        LabelError
            If one cannot be stored; those before it are.
        """
        count, source = 0, iter(readings)
        while True:
            chunk, stopped = _taken(source)  # outside the lock: making them may take long
            entries: dict[str, Entry] = {}
            try:
                with self._lock.held():
                    try:
                        for reading in chunk:
                            try:
                                _, entry = self._add(reading)
                            except LabelError as error:
                                if on_problem is None or isinstance(error, CannotWriteError):
                                    raise
                                on_problem(reading, error)
                                continue
                            if entry is not None:
                                entries[entry.name] = entry
                            count += 1
                            if not go_on(count):
                                return count
                    finally:
                        if entries:
                            self._note(entries.values())
            finally:
                self._bring_to_disk()
            if stopped is not None:
                raise stopped
            if len(chunk) < AT_ONCE:
                return count
            time.sleep(_TURN_S)

    def resolve(self, key: str, reading: Reading) -> Reading:
        """Store a reading that decides between others, and goes before them.

        Parameters
        ----------
        key
            Of the image.
        reading
            `Reading.resolves` names the readings that were looked at.

        Raises
        ------
        LabelError
            If it names none, or others than this image has.
        """
        known = {known.id for known in self.readings(key)}
        if not reading.resolves or key_of(reading.image) != key or set(reading.resolves) - known:
            raise LabelError(
                f"A reading of {reading.image.name} that decides between others must name readings"
                " of this image; open its conflict again."
            )
        return self.accept(reading)

    def keep_image(self, radiograph: Radiograph, key: str = "") -> Path:
        """Keep the pixels of an image, if they are not there already.

        Parameters
        ----------
        radiograph
            The image.
        key
            Its key where that is known already.

        Raises
        ------
        LabelError
            If they cannot be written.
        """
        path = self._images / f"{key or key_of(radiograph)}.png"
        if not path.is_file():
            write_pixels(path, radiograph.pixels, radiograph.voi)
        return path

    def refresh(self) -> None:
        """Read again the files that others changed since they were read.

        `open` does so. What others accept through a store of their own is seen without it.

        Raises
        ------
        LabelError
            If the folder cannot be read, or another program writes to it without end.
        """
        there, known = self._listed(), self._known()
        changed = [name for name, stat in there.items() if known.get(name) != stat]
        if not changed and known.keys() <= there.keys():
            return
        try:
            for first in range(0, max(1, len(changed)), _READ_AT_ONCE):
                names = changed[first : first + _READ_AT_ONCE]
                read = [self._entry(name, there[name]) for name in names]
                with self._lock.held():
                    self._take(read)
        except CannotWriteError:
            self._index = Index(None)
            self._index.make()
            self._index.put(self._entry(name, stat) for name, stat in there.items())

    def rebuild_index(self) -> int:
        """Make the index anew from the JSON files.

        Returns
        -------
        int
            Images in it.

        Raises
        ------
        LabelError
            If the folder cannot be written.
        """
        with self._lock.held():
            self._index.make()
        self.refresh()
        return len(self)

    # The files --------------------------------------------------------------------------------

    def _path(self, key: str) -> Path:
        return self._labels / f"{key}.json"

    def _read(self, key: str) -> Document:
        path = self._path(key)
        return Document.read(path, key) if path.is_file() else Document.new(key)

    def _keep(self, radiograph: Radiograph, reading: Reading) -> None:
        """Keep the pixels before the reading, so that a reading that is stored has them.

        A reading is stored without them if need be, because it is what counts.
        """
        key = key_of(radiograph)
        if key != key_of(reading.image):
            raise LabelError(
                f"{reading.image.name} was accepted of another image than {radiograph.name}; open"
                " it again."
            )
        try:
            self.keep_image(radiograph, key)
        except LabelError as error:
            log.warning("%s", error)
            self._notes.append(str(error))

    def _add(self, reading: Reading) -> tuple[Reading, Entry | None]:
        """Write a reading into its image's file, under the lock.

        Returns
        -------
        Reading
            As it is stored.
        Entry or None
            What the file holds now, None if it did not change.
        """
        key = key_of(reading.image)
        if not key:
            raise LabelError(
                f"{reading.image.name} cannot be stored while its pixels are unknown; give its"
                " image with it."
            )
        document, path = self._read(key), self._path(key)
        stored = next((known for known in document.readings if known.id == reading.id), None)
        if stored is not None:
            return stored, None
        document = document.with_reading(reading)
        document.write(path)
        return reading, Entry(path.name, _stat(path), key, document.readings)

    def _known(self) -> dict[str, Stat]:
        """What the index has read; nothing while there is none of this version."""
        try:
            return self._index.files()
        except UnusableError:
            return {}

    def _take(self, read: Iterable[Entry]) -> None:
        """Take over what was read, unless it changed meanwhile; under the lock."""
        there = self._listed()
        try:
            known = self._index.files()
        except UnusableError:
            self._index.make()
            known = {}
        fresh = [e for e in read if there.get(e.name) == e.stat != known.get(e.name)]
        self._index.put(fresh, known.keys() - there.keys())
        for entry in fresh:
            if entry.name != f"{entry.key}.json":
                self._merge(entry)

    def _merge(self, copy: Entry) -> None:
        """Take over the readings of a copy that a synchronising program made of a file."""
        for reading in copy.readings:
            with suppress(LabelError):  # the file itself is damaged, which is told
                if entry := self._add(reading)[1]:
                    self._index.put([entry])

    def _note(self, entries: Iterable[Entry]) -> None:
        """Take over what was written, under the lock; if that fails it is read again later."""
        entries = list(entries)
        try:
            try:
                self._index.put(entries)
            except UnusableError:  # someone removed or damaged it
                self._index.make()
                self._index.put(self._entry(*file) for file in self._listed().items())
        except (CannotWriteError, UnusableError) as error:
            log.warning("%s", error)

    def _entry(self, name: str, stat: Stat) -> Entry:
        """What a file holds."""
        match = _LABELS.fullmatch(name)
        path = self._labels / name
        if match is None:
            problem = f"The file {path} is not of the label store; import it or take it out."
            return Entry(name, stat, problem=problem)
        try:
            return Entry(name, stat, match[1], Document.read(path, match[1]).readings)
        except LabelError as error:
            return Entry(name, stat, match[1], problem=str(error))

    def _listed(self) -> dict[str, Stat]:
        """The JSON files that are there; others may come and go meanwhile."""
        found: dict[str, Stat] = {}
        try:
            with os.scandir(self._labels) as entries:
                for entry in entries:
                    hidden = entry.name.startswith(".")
                    if hidden or not entry.name.endswith(".json") or not _is_text(entry.name):
                        continue
                    with suppress(FileNotFoundError):
                        if entry.is_file():
                            stat = entry.stat()
                            found[entry.name] = stat.st_mtime_ns, stat.st_size
        except OSError as error:
            raise LabelError(
                f"The label store {self.folder} cannot be read ({error.strerror}); check the"
                " folder."
            ) from error
        return found

    def _ask(self, question: Callable[[Index], T]) -> T:
        """Ask the index; make it anew if it was damaged or removed meanwhile."""
        try:
            return question(self._index)
        except UnusableError:
            pass
        try:
            with self._lock.held():
                try:
                    return question(self._index)  # another program was making it
                except UnusableError:
                    self._index.make()
        except CannotWriteError:
            self._index = Index(None)
            self._index.make()
        self.refresh()
        return question(self._index)

    def _bring_to_disk(self) -> None:
        """Bring the folder's names to the disk, too, so that a power cut loses no new file."""
        if os.name == "posix":
            with suppress(OSError):
                folder = os.open(self._labels, os.O_RDONLY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)

    def _remove_unfinished(self) -> None:
        """Remove what writers left that were stopped."""
        for folder in (self._labels, self._images):
            with suppress(OSError):
                for path in folder.iterdir():
                    old = _PART.fullmatch(path.name) and time.time() - path.stat().st_mtime > _OLD_S
                    if old:
                        path.unlink()


def _taken(source: Iterator[Reading]) -> tuple[list[Reading], BaseException | None]:
    """The next readings, and what their source raised instead of going on."""
    chunk: list[Reading] = []
    try:
        chunk.extend(islice(source, AT_ONCE))
    except BaseException as error:  # what came before it is stored first
        return chunk, error
    return chunk, None


def _is_text(name: str) -> bool:
    """Whether a file's name is of whole characters, which not every system demands."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _stat(path: Path) -> Stat:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size
