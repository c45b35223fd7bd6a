"""Reads the images that are likely to be shown next, while a person looks at the one before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from WristQCLib.errors import RadiographError
from WristQCLib.radiograph import Radiograph
from WristQCLib.worklist import WorkItem


@dataclass(frozen=True)
class _Read:
    radiograph: Radiograph
    stated: tuple[Any, ...]
    """What it was read with."""


class ReadAhead:
    """Keeps a few radiographs that were read in another thread; all methods are for the loop's."""

    def __init__(self) -> None:
        self._read: dict[WorkItem, _Read] = {}
        self._wanted: list[WorkItem] = []
        self._reading: asyncio.Task[None] | None = None

    def want(self, items: Iterable[WorkItem]) -> None:
        """Read these, the likeliest first, and keep no others."""
        self._wanted = list(items)
        self._read = {item: read for item, read in self._read.items() if item in self._wanted}
        if self._reading is None or self._reading.done():
            self._reading = asyncio.get_running_loop().create_task(self._go_on())

    def of(self, items: Iterable[WorkItem]) -> dict[WorkItem, Radiograph]:
        """Those that are read already, as they would be read now."""
        found = {item: self._read[item] for item in items if item in self._read}
        return {
            item: read.radiograph for item, read in found.items() if read.stated == _stated(item)
        }

    async def _go_on(self) -> None:
        while left := [item for item in self._wanted if item not in self._read]:
            item, stated = left[0], _stated(left[0])
            try:
                radiograph = await asyncio.to_thread(item.read)
            except RadiographError:  # told when it is shown
                self._wanted.remove(item)
                continue
            if item in self._wanted:
                self._read[item] = _Read(radiograph, stated)


def _stated(item: WorkItem) -> tuple[Any, ...]:
    return item.view, item.side, item.spacing
