"""The SQLite files of a label store: the lock of those who write, and the index of what is there.

The lock is a file of its own, because the index may be thrown away and made again at any time, and
a lock on a file that was thrown away keeps nobody out.
"""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from WristQCLib.labels.conflicts import conflicts_of, heads
from WristQCLib.labels.image_labels import LabelError
from WristQCLib.labels.reading import Reading
from WristQCLib.labels.store_document import CannotWriteError

WAIT_S = 10.0
"""For others to finish writing; a save takes milliseconds, and an import lets go in between."""
_VERSION = 1
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_CANNOT = (
    sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH, sqlite3.SQLITE_NOLFS,
)  # fmt: skip

_SCHEMA = """
CREATE TABLE files (
    name TEXT PRIMARY KEY, mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL, problem TEXT NOT NULL
);
CREATE TABLE images (key TEXT PRIMARY KEY, conflicts INTEGER NOT NULL);
CREATE TABLE uids (uid TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (uid, key));
CREATE TABLE readings (
    key TEXT NOT NULL, id TEXT NOT NULL, reader TEXT NOT NULL, corrected INTEGER NOT NULL,
    head INTEGER NOT NULL, PRIMARY KEY (key, id)
);
CREATE INDEX readings_by_reader ON readings (reader);
"""

Stat = tuple[int, int]
"""Time of the last change (ns) and size of a file, by which a change is noticed."""


class UnusableError(Exception):
    """There is no index that can be read; the files have to be read again."""


@dataclass(frozen=True)
class Entry:
    """What the index holds of one file.

    Attributes
    ----------
    name
        Of the file.
    stat
        When it was read.
    key
        Of the image.
    readings
        All of them.
    problem
        Why it cannot be read, one sentence; else empty.
    """

    name: str
    stat: Stat
    key: str = ""
    readings: tuple[Reading, ...] = ()
    problem: str = ""


class Lock:
    """Keeps two writers of one folder apart, in this program or in others.

    It is a SQLite database that stays empty: `BEGIN IMMEDIATE` locks it on every system and on
    network drives, and the system lets go of it when its holder is killed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock.

        Raises
        ------
        LabelError
            If it cannot be had, `CannotWriteError` if it never can.
        """
        _create(self._path)
        try:
            connection = sqlite3.connect(self._path, timeout=0.0, isolation_level=None)
        except sqlite3.Error as error:
            raise self._explained(error) from error
        with closing(connection):
            self._begin(connection)
            try:
                yield
            finally:
                connection.rollback()

    def _begin(self, connection: sqlite3.Connection) -> None:
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                connection.execute("PRAGMA journal_mode = MEMORY")
                connection.execute("BEGIN IMMEDIATE")
                # Where nothing may be written SQLite begins all the same, and locks nothing; this
                # alone finds out. It is never committed.
                connection.execute("PRAGMA user_version = 1")
                return
            except sqlite3.DatabaseError as error:
                code = _code(error)
                with suppress(sqlite3.Error):
                    connection.rollback()
                if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                    with suppress(OSError):  # in place, so that who holds it goes on holding it
                        os.truncate(self._path, 0)
                elif code not in _BUSY:
                    raise self._explained(error) from error
                if time.monotonic() > deadline:
                    raise self._explained(error) from error
            # Polled more often than SQLite would, so that an import leaves others their turn.
            time.sleep(random.uniform(0.001, 0.008))  # noqa: S311

    def _explained(self, error: sqlite3.Error) -> LabelError:
        folder = self._path.parent
        if _code(error) in _BUSY:
            return LabelError(
                f"The label store {folder} is being written by another program; try again when it"
                " has finished."
            )
        return CannotWriteError(
            f"The label store {folder} cannot be written ({error}); check that the folder is there,"
            " may be written and has space."
        )


class Index:
    """What is in a store, to be counted and found without reading every file.

    Every call opens the file anew, so that any thread may call and the folder can be moved or
    removed at any time.

    Parameters
    ----------
    path
        The SQLite file; None keeps the index in memory, for a folder that cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._one_at_a_time = threading.RLock()
        self._memory: sqlite3.Connection | None = None
        if path is None:
            self._memory = sqlite3.connect(
                ":memory:", isolation_level=None, check_same_thread=False
            )

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        if self._memory is not None:
            with self._one_at_a_time:
                yield self._memory
            return
        assert self._path is not None
        _create(self._path)
        with closing(sqlite3.connect(self._path, timeout=WAIT_S, isolation_level=None)) as opened:
            yield opened

    def files(self) -> dict[str, Stat]:
        """When each file was read.

        Raises
        ------
        UnusableError
            If there is no index of this version; so does every question.
        """
        rows = self._rows("SELECT name, mtime_ns, size FROM files")
        return {name: (mtime_ns, size) for name, mtime_ns, size in rows}

    def put(self, entries: Iterable[Entry], removed: Iterable[str] = ()) -> None:
        """Take over what was read of files, and forget others; to be called under the lock.

        Raises
        ------
        UnusableError
            If there is no index of this version.
        CannotWriteError
            If it cannot be written. The files are what counts: they are read again later.
        """
        entries = list(entries)
        with self._writing() as connection:
            self._check(connection)
            for name in [*removed, *(entry.name for entry in entries)]:
                _forget(connection, name)
            for entry in entries:
                _insert(connection, entry)

    def make(self) -> None:
        """Begin anew with an empty index; to be called under the lock.

        Raises
        ------
        CannotWriteError
            If it cannot be written.
        """
        if self._path is not None:
            with suppress(OSError):  # in place: Windows removes no file that someone has open
                self._path.with_name(f"{self._path.name}-journal").unlink(missing_ok=True)
                if self._path.exists():
                    os.truncate(self._path, 0)
        with self._writing() as connection:
            tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
            for (name,) in connection.execute(tables).fetchall():
                connection.execute(f'DROP TABLE "{name}"')
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_VERSION}")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._connected() as connection:
                # Of a cache a power cut may take the last bit.
                connection.execute("PRAGMA synchronous = NORMAL")
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                    connection.execute("COMMIT")
                except BaseException:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                    raise
        except sqlite3.DatabaseError as error:
            if _code(error) in (*_CANNOT, *_BUSY):
                message = f"The index {self._path} cannot be written ({error})."
                raise CannotWriteError(message) from error
            raise UnusableError(str(error)) from error

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows at once, so that no lock outlives the call.

        Raises
        ------
        UnusableError
            If there is no index of this version.
        """
        if self._path is not None and not self._path.is_file():
            raise UnusableError
        try:
            with self._connected() as connection:
                self._check(connection)
                return connection.execute(statement, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise UnusableError(str(error)) from error

    @staticmethod
    def _check(connection: sqlite3.Connection) -> None:
        if connection.execute("PRAGMA user_version").fetchone() != (_VERSION,):
            raise UnusableError

    def keys(self) -> list[str]:
        """All images."""
        return [key for (key,) in self._rows("SELECT key FROM images ORDER BY key")]

    def keys_in_conflict(self) -> list[str]:
        """Images whose readings contradict each other."""
        rows = self._rows("SELECT key FROM images WHERE conflicts > 0 ORDER BY key")
        return [key for (key,) in rows]

    def keys_of_uid(self, sop_instance_uid: str) -> list[str]:
        """Images that were read under this SOP instance UID."""
        rows = self._rows("SELECT key FROM uids WHERE uid = ? ORDER BY key", sop_instance_uid)
        return [key for (key,) in rows]

    def count(self, reader: str | None = None, corrected: bool = False) -> int:
        """How many images were read, by one reader or by anyone, and corrected if so asked."""
        ((count,),) = self._rows(
            "SELECT COUNT(DISTINCT key) FROM readings"
            " WHERE (?1 IS NULL OR reader = ?1) AND (NOT ?2 OR (corrected AND head))",
            reader,
            corrected,
        )
        return int(count)

    def has(self, key: str, reader: str | None = None) -> bool:
        """Whether an image was read, by one reader or by anyone."""
        statement = "SELECT 1 FROM readings WHERE key = ?1 AND (?2 IS NULL OR reader = ?2) LIMIT 1"
        return bool(self._rows(statement, key, reader))

    def readers(self) -> list[str]:
        """All who have read an image."""
        return [
            reader for (reader,) in self._rows("SELECT DISTINCT reader FROM readings ORDER BY 1")
        ]

    def problems(self) -> list[str]:
        """One sentence for each file that cannot be read."""
        rows = self._rows("SELECT problem FROM files WHERE problem <> '' ORDER BY name")
        return [problem for (problem,) in rows]


def _create(path: Path) -> None:
    """Make an empty file that may be written by all who may write to its folder.

    SQLite makes files that their owner alone may write, whatever the umask.
    """
    with suppress(OSError):  # it exists, or SQLite tells why it cannot be made
        path.touch(exist_ok=False)
        path.chmod(stat.S_IMODE(path.parent.stat().st_mode) & 0o666)


def _forget(connection: sqlite3.Connection, name: str) -> None:
    connection.execute("DELETE FROM files WHERE name = ?", (name,))
    key = name.removesuffix(".json")
    for table in ("images", "uids", "readings"):
        connection.execute(f"DELETE FROM {table} WHERE key = ?", (key,))  # noqa: S608


def _insert(connection: sqlite3.Connection, entry: Entry) -> None:
    connection.execute(
        "INSERT INTO files VALUES (?, ?, ?, ?)", (entry.name, *entry.stat, entry.problem)
    )
    if entry.name != f"{entry.key}.json" or not entry.readings:
        return  # a copy that a synchronising program made is in its image's file, too
    key, current = entry.key, {reading.id for reading in heads(entry.readings)}
    connection.execute(
        "INSERT INTO images VALUES (?, ?)", (key, len(conflicts_of(key, entry.readings)))
    )
    uids = {reading.image.sop_instance_uid for reading in entry.readings} - {""}
    connection.executemany("INSERT OR IGNORE INTO uids VALUES (?, ?)", ((uid, key) for uid in uids))
    connection.executemany(
        "INSERT OR IGNORE INTO readings VALUES (?, ?, ?, ?, ?)",
        ((key, r.id, r.reader, r.corrected, r.id in current) for r in entry.readings),
    )


def _code(error: sqlite3.Error) -> int:
    """Primary result code of SQLite."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
