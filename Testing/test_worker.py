"""The worker beside the window: order, errors, cancelling, and who runs where."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterator

import pytest

from WristQCLib.worker import Begun, Ended, Worker, Yielded


def drained(worker: Worker, seconds: float = 5.0) -> list:
    """All events until nothing is left to do."""
    events, end = [], time.monotonic() + seconds
    while worker.busy:
        assert time.monotonic() < end, f"the worker did not finish, it told {events}"
        events += worker.poll(0.01)
    return events


@pytest.fixture
def workers():
    made: list[Worker] = []

    def make(work) -> Worker:
        made.append(Worker(work))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


def test_results_come_in_the_order_of_the_tasks(workers):
    worker = workers(lambda task: iter((task, task * 10)))
    worker.submit([1, 2])
    assert drained(worker) == [
        Begun(1), Yielded(1, 1), Yielded(1, 10), Ended(1),
        Begun(2), Yielded(2, 2), Yielded(2, 20), Ended(2),
    ]  # fmt: skip
    assert not worker.busy


def test_work_is_done_in_one_other_thread(workers):
    worker = workers(lambda _: [threading.get_ident()])
    worker.submit([1, 2])
    events = drained(worker)
    worker.submit([3])
    events += drained(worker)
    threads = {event.result for event in events if isinstance(event, Yielded)}
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_an_error_ends_its_task_only(workers):
    def work(task: int) -> Iterator[int]:
        yield task
        if task == 1:
            raise SystemExit("even this")

    worker = workers(work)
    worker.submit([1, 2])
    ends = [event for event in drained(worker) if isinstance(event, Ended)]
    assert isinstance(ends[0].error, SystemExit)
    assert ends[1] == Ended(2)


def test_a_result_is_there_before_its_task_is_over(workers):
    go_on = threading.Event()

    def work(task: str) -> Iterator[str]:
        yield "first look"
        assert go_on.wait(5)
        yield "assessed"

    worker = workers(work)
    worker.submit(["image"])
    events = []
    while Yielded("image", "first look") not in events:
        events += worker.poll(0.01)
    assert worker.busy
    go_on.set()
    assert drained(worker) == [Yielded("image", "assessed"), Ended("image")]


def test_cancelling_leaves_the_task_at_its_next_result_and_those_that_wait(workers):
    begun, go_on, reached_the_end = threading.Event(), threading.Event(), threading.Event()

    def work(task: int) -> Iterator[str]:
        begun.set()
        assert go_on.wait(5)
        yield "read"
        reached_the_end.set()
        yield "assessed"

    worker = workers(work)
    worker.submit([1, 2, 3])
    assert begun.wait(5)
    worker.cancel()
    go_on.set()
    assert drained(worker) == [
        Begun(1), Yielded(1, "read"), Ended(1, cancelled=True),
        Ended(2, cancelled=True), Ended(3, cancelled=True),
    ]  # fmt: skip
    assert not reached_the_end.is_set()


def test_after_cancelling_new_tasks_are_worked_on(workers):
    worker = workers(lambda task: [task])
    worker.submit([1])
    worker.cancel()
    drained(worker)
    worker.submit([2])
    assert drained(worker)[-1] == Ended(2)


def test_cancelling_when_nothing_is_done_does_not_spoil_the_next_task(workers):
    worker = workers(lambda task: [task])
    worker.cancel()
    worker.submit([1])
    assert drained(worker)[-1] == Ended(1)


def test_closing_ends_the_thread_and_refuses_more(workers):
    worker = workers(lambda task: [task])
    worker.submit([1])
    drained(worker)
    worker.close()
    assert not worker._thread.is_alive()
    with pytest.raises(RuntimeError, match="closed"):
        worker.submit([2])


def test_closing_waits_no_longer_than_told(workers):
    stuck = threading.Event()

    def work(_: int) -> Iterator[int]:
        stuck.wait(5)
        yield 1

    worker = workers(work)
    worker.submit([1])
    start = time.monotonic()
    worker.close(0.05)
    assert time.monotonic() - start < 2
    stuck.set()


def test_polling_without_events_returns_at_once_when_nothing_is_to_be_done(workers):
    worker = workers(lambda task: [task])
    start = time.monotonic()
    assert worker.poll(wait=5) == []
    assert time.monotonic() - start < 1


@pytest.mark.skipif(not hasattr(ctypes, "pythonapi"), reason="needs CPython")
def test_the_wait_lets_the_worker_run_where_the_event_loop_holds_the_global_lock(workers):
    """As in Slicer, where only Python code in the main thread ever lets go of the lock."""
    sleep = ctypes.PyDLL(None).usleep  # keeps the lock, unlike time.sleep
    steps = 40

    def work(_: int) -> Iterator[int]:
        for _step in range(steps):
            time.sleep(0.0005)  # like an operator of torch: lets go of the lock, needs it again
        yield steps

    def seconds(wait: float) -> float:
        worker = workers(work)
        start = time.monotonic()
        worker.submit([1])
        while worker.busy:
            sleep(5_000)
            worker.poll(wait)
        return time.monotonic() - start

    assert seconds(wait=0.02) < seconds(wait=0.0) / 2
