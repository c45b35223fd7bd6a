"""Work beside the window: one thread that stays, and results that the window's thread fetches.

    worker = Worker(assess)                  # assess(task) yields results, here in the other thread
    worker.submit(tasks)
    for event in worker.poll():              # from a timer, in the window's thread
        match event:
            case Yielded(task, result): ...

Nothing here knows Slicer or Qt. One thread for all tasks, because libraries keep plans and caches
for each thread.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Begun(Generic[T]):
    """Work on a task has begun."""

    task: T


@dataclass(frozen=True)
class Yielded(Generic[T, R]):
    """A task has one more result."""

    task: T
    result: R


@dataclass(frozen=True)
class Ended(Generic[T]):
    """A task is over.

    Attributes
    ----------
    error
        What stopped it; None when it was worked through.
    cancelled
        Whether it was left before its end, or never begun, because `Worker.cancel` was called.
    """

    task: T
    error: BaseException | None = None
    cancelled: bool = False


Event = Begun[T] | Yielded[T, R] | Ended[T]


class Worker(Generic[T, R]):
    """Works on one task after the other in a thread of its own.

    All methods are for one thread, the one that shows the results.

    Parameters
    ----------
    work
        Called with a task in the worker's thread; yields results. Between two of them the task can
        be cancelled.
    """

    def __init__(self, work: Callable[[T], Iterable[R]]) -> None:
        self._work = work
        self._events: queue.Queue[Event[T, R]] = queue.Queue()
        self._waiting: deque[T] = deque()
        self._change = threading.Condition()
        self._cancelled = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._unfinished = 0

    @property
    def busy(self) -> bool:
        """Whether there are tasks whose end `poll` has not told yet."""
        return self._unfinished > 0

    def submit(self, tasks: Iterable[T]) -> None:
        """Put tasks behind those that wait; the thread starts with the first.

        Raises
        ------
        RuntimeError
            After `close`.
        """
        if self._closed:
            raise RuntimeError("The worker is closed; make another one.")
        added = list(tasks)
        if self._unfinished == 0:
            self._cancelled.clear()
        self._unfinished += len(added)
        with self._change:
            self._waiting.extend(added)
            self._change.notify()
        if self._thread is None and added:
            # A daemon, so that a model at work cannot keep the application from ending.
            self._thread = threading.Thread(target=self._run, name="WristQC worker", daemon=True)
            self._thread.start()

    def cancel(self) -> None:
        """Leave what is waiting, and what is being worked on at its next result.

        What comes after it, until `busy` is over, is left as well.
        """
        if self.busy:
            self._cancelled.set()

    def poll(self, wait: float = 0.0) -> list[Event[T, R]]:
        """What happened since the last call, in order.

        Parameters
        ----------
        wait
            Seconds to wait for the first event. Slicer's event loop holds Python's global lock, so
            the worker gets on only while Python code in the main thread lets go of it, as it does
            here: a timer that polls with a short wait is what lets the worker run.
        """
        events: list[Event[T, R]] = []
        try:
            if wait > 0 and self.busy:
                events.append(self._events.get(timeout=wait))
            while True:
                events.append(self._events.get_nowait())
        except queue.Empty:
            pass
        self._unfinished -= sum(isinstance(event, Ended) for event in events)
        return events

    def close(self, wait: float = 2.0) -> None:
        """End the thread, at the next result at the latest; more than once does no harm.

        Parameters
        ----------
        wait
            Seconds to wait for that.
        """
        self._cancelled.set()
        with self._change:
            self._closed = True
            self._change.notify()
        if self._thread is not None:
            self._thread.join(wait)

    def _run(self) -> None:
        while (task := self._next()) is not None:
            self._events.put(self._worked(task[0]))

    def _next(self) -> tuple[T] | None:
        with self._change:
            while not self._waiting and not self._closed:
                self._change.wait()
            return None if self._closed else (self._waiting.popleft(),)

    def _worked(self, task: T) -> Ended[T]:
        if self._cancelled.is_set():
            return Ended(task, cancelled=True)
        self._events.put(Begun(task))
        try:
            for result in self._work(task):
                self._events.put(Yielded(task, result))
                if self._cancelled.is_set():
                    return Ended(task, cancelled=True)
        except BaseException as error:  # whatever it is, the next task must have its turn
            return Ended(task, error)
        return Ended(task)
