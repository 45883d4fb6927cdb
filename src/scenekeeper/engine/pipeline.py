"""Frames through jobs, overlapped: decode | infer | encode pool | collect and write.

One thread decodes, the calling thread infers, a few threads encode, one thread collects in frame
order and commits. A bounded number of frames is in flight, so memory does not grow with length.
An error anywhere costs its clip and no other.
"""

from __future__ import annotations

import _thread
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from scenekeeper.engine.stage import ClipJob
from scenekeeper.schema import Clip, Frame

Outcome = Sequence[Mapping[str, pa.Table]] | Exception
"""What a clip came to: one table mapping per job, or why it failed."""


@dataclass
class Busy:
    """Seconds that each named part of the pipeline has been at work, over all its threads."""

    seconds: dict[str, float] = field(default_factory=dict)
    threads: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, part: str, seconds: float, threads: int = 1) -> None:
        """Count some work of a part that may run on so many threads at once."""
        with self._lock:
            self.seconds[part] = self.seconds.get(part, 0.0) + seconds
            self.threads[part] = max(threads, self.threads.get(part, 1))

    def bottleneck(self) -> str | None:
        """The part whose threads were busiest."""
        load = {part: s / self.threads[part] for part, s in self.seconds.items()}
        return max(load, key=lambda part: load[part]) if load else None


@dataclass(eq=False)
class _Ticket:
    """One frame on its way, or the end of a clip when ``items`` is ``None``."""

    clip: _ClipRun
    items: list[Any] | None
    ready: Any = field(default_factory=_thread.allocate_lock)


@dataclass(eq=False)
class _ClipRun:
    clip: Clip
    jobs: Sequence[ClipJob] = ()
    error: Exception | None = None


@dataclass(frozen=True)
class ClipWork:
    """A clip to run: how to start its jobs and how to decode its frames."""

    clip: Clip
    open_jobs: Callable[[], Sequence[ClipJob]]
    frames: Callable[[], Iterator[Frame]]


def run_clips(
    clips: Iterable[ClipWork],
    names: Sequence[str],
    commit: Callable[[Clip, Outcome], None],
    *,
    busy: Busy,
    tick: Callable[[], None],
    workers: int,
    in_flight: int,
) -> None:
    """Run clips through their jobs.

    Args:
        clips: what to run.
        names: the stages' names in the order of a clip's jobs, for the accounting.
        commit: called once per clip in order, on the writing thread.
        busy: where work is counted.
        tick: called per collected frame, on the writing thread.
        workers: encoding threads.
        in_flight: most frames decoded but not yet collected.

    Raises:
        BaseException: what ``commit`` raised, or an interrupt; errors of a clip go to ``commit``.
    """
    decoded: queue.SimpleQueue[Any] = queue.SimpleQueue()  # bounded by the slots
    encoding: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
    ordered: queue.SimpleQueue[_Ticket | None] = queue.SimpleQueue()
    slots = threading.Semaphore(in_flight)
    stop = threading.Event()
    fatal: list[BaseException] = []

    def decode() -> None:
        try:
            for work in clips:
                if stop.is_set():
                    break
                current = _ClipRun(work.clip)
                _decode_clip(current, work, decoded, slots, stop, busy)
                decoded.put((current, None))
        except BaseException as error:
            fatal.append(error)
            stop.set()
        finally:
            decoded.put(None)

    def encode() -> None:
        while (ticket := encoding.get()) is not None:
            if ticket.clip.error is None and ticket.items is not None:
                _guarded(ticket.clip, _encode, ticket, names, busy, workers)
            ticket.ready.release()

    def collect() -> None:
        while (ticket := ordered.get()) is not None:
            try:
                if not fatal:
                    _collect(ticket, names, commit, busy, tick)
            except BaseException as error:
                fatal.append(error)
                stop.set()
            if ticket.items is not None:
                slots.release()

    threads = [threading.Thread(target=t, daemon=True) for t in (decode, collect)]
    pool = [threading.Thread(target=encode, daemon=True) for _ in range(workers)]
    for thread in (*threads, *pool):
        thread.start()
    try:
        while (entry := decoded.get()) is not None:
            _infer(entry, names, encoding, ordered, busy)
    except BaseException:
        stop.set()
        raise
    finally:
        for _ in pool:
            encoding.put(None)
        ordered.put(None)
        for thread in pool:
            thread.join()
        threads[1].join()
    if fatal:
        raise fatal[0]


def _decode_clip(
    current: _ClipRun,
    work: ClipWork,
    decoded: queue.SimpleQueue[Any],
    slots: threading.Semaphore,
    stop: threading.Event,
    busy: Busy,
) -> None:
    source: Iterator[Frame] = iter(())

    def start() -> None:
        nonlocal source
        current.jobs, source = work.open_jobs(), work.frames()

    _guarded(current, start)
    while current.error is None and not stop.is_set():
        if not slots.acquire(timeout=0.5):
            continue
        began = time.perf_counter()
        frame: Frame | None = None
        try:
            frame = next(source, None)
        except Exception as error:
            current.error = error
        busy.add("decode", time.perf_counter() - began)
        if frame is None:
            slots.release()
            return
        decoded.put((current, frame))


def _infer(
    entry: tuple[_ClipRun, Frame | None],
    names: Sequence[str],
    encoding: queue.SimpleQueue[_Ticket | None],
    ordered: queue.SimpleQueue[_Ticket | None],
    busy: Busy,
) -> None:
    current, frame = entry
    ticket = _Ticket(current, None if frame is None else [None] * len(names))
    if frame is not None:
        _guarded(current, _infer_frame, ticket, frame, names, busy)
        ticket.ready.acquire()
        encoding.put(ticket)
    ordered.put(ticket)


def _infer_frame(ticket: _Ticket, frame: Frame, names: Sequence[str], busy: Busy) -> None:
    assert ticket.items is not None
    for k, job in enumerate(ticket.clip.jobs):
        began = time.perf_counter()
        ticket.items[k] = job.infer(frame)
        busy.add(names[k], time.perf_counter() - began)


def _encode(ticket: _Ticket, names: Sequence[str], busy: Busy, workers: int) -> None:
    assert ticket.items is not None
    for k, job in enumerate(ticket.clip.jobs):
        began = time.perf_counter()
        ticket.items[k] = job.encode(ticket.items[k])
        busy.add(names[k], time.perf_counter() - began, workers)


def _collect(
    ticket: _Ticket,
    names: Sequence[str],
    commit: Callable[[Clip, Outcome], None],
    busy: Busy,
    tick: Callable[[], None],
) -> None:
    current = ticket.clip
    if ticket.items is None:
        began = time.perf_counter()
        outcome: list[Mapping[str, pa.Table]] = []
        for job in current.jobs:
            _guarded(current, lambda done: outcome.append(done()), job.finish)
        commit(current.clip, outcome if current.error is None else current.error)
        busy.add("write", time.perf_counter() - began)
        return
    ticket.ready.acquire()
    for k, job in enumerate(current.jobs):
        _guarded(current, job.collect, ticket.items[k])
    tick()


def _guarded(current: _ClipRun, work: Callable[..., Any], *arguments: Any) -> None:
    """Do work for a clip unless it has already failed; keep the first error."""
    if current.error is not None:
        return
    try:
        work(*arguments)
    except Exception as error:
        current.error = error
