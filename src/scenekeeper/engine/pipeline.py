"""Frames through jobs, overlapped: decode | infer | encode pool | collect and write.

One thread decodes, the calling thread infers, a few threads encode, one thread collects in order
and commits. A bounded number of frames is in flight, besides those that a job holds back, so memory
does not grow with length. An error anywhere costs its clip and no other.
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

from scenekeeper.engine.stage import ClipJob, StreamJob
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
    """An item of a job on its way; of no job, the end of a frame or of its clip."""

    clip: _ClipRun
    job: int | None = None
    item: Any = None
    last: bool = False
    ready: Any = field(default_factory=_thread.allocate_lock)


@dataclass(eq=False)
class _ClipRun:
    clip: Clip
    jobs: Sequence[ClipJob] = ()
    streams: Sequence[bool] = ()
    error: Exception | None = None


@dataclass(frozen=True)
class ClipWork:
    """A clip to run.

    Attributes:
        clip: the clip.
        open_jobs: starts its jobs.
        frames: decodes its frames, and first those that a job wants to see of the clip before.
        leads: per job, how many of those it wants; none when absent.
    """

    clip: Clip
    open_jobs: Callable[[], Sequence[ClipJob]]
    frames: Callable[[], Iterator[Frame]]
    leads: Sequence[int] = ()

    def sees(self, job: int, frame: Frame) -> bool:
        """Whether a job is shown a frame."""
        lead = self.leads[job] if self.leads else 0
        return frame.frame_id >= self.clip.start - lead


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
        tick: called per frame, on the writing thread.
        workers: encoding threads.
        in_flight: most frames decoded but not yet collected, or held back by a job.

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
                decoded.put((current, work, None))
        except BaseException as error:
            fatal.append(error)
            stop.set()
        finally:
            decoded.put(None)

    def encode() -> None:
        while (ticket := encoding.get()) is not None:
            if ticket.clip.error is None:
                _guarded(ticket.clip, _encode, ticket, names, busy, workers)
            ticket.ready.release()

    def collect() -> None:
        while (ticket := ordered.get()) is not None:
            try:
                if not fatal:
                    _collect(ticket, commit, busy, tick)
            except BaseException as error:
                fatal.append(error)
                stop.set()
            if ticket.job is None and not ticket.last:
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
        current.streams = [isinstance(job, StreamJob) for job in current.jobs]

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
        decoded.put((current, work, frame))


def _infer(
    entry: tuple[_ClipRun, ClipWork, Frame | None],
    names: Sequence[str],
    encoding: queue.SimpleQueue[_Ticket | None],
    ordered: queue.SimpleQueue[_Ticket | None],
    busy: Busy,
) -> None:
    """Show the jobs a frame, or the end of the clip, and send on what is ready."""
    current, work, frame = entry

    def show(k: int, job: ClipJob) -> None:
        began = time.perf_counter()
        for item in _items(job, current.streams[k], frame):
            ticket = _Ticket(current, k, item)
            ticket.ready.acquire()
            encoding.put(ticket)
            ordered.put(ticket)
        busy.add(names[k], time.perf_counter() - began)

    for k, job in enumerate(current.jobs):
        if frame is None or work.sees(k, frame):
            _guarded(current, show, k, job)
    ordered.put(_Ticket(current, last=frame is None))


def _items(job: Any, streams: bool, frame: Frame | None) -> Iterable[Any]:
    if not streams:
        return () if frame is None else (frame,)
    return job.flush() if frame is None else job.push(frame)  # type: ignore[no-any-return]


def _encode(ticket: _Ticket, names: Sequence[str], busy: Busy, workers: int) -> None:
    assert ticket.job is not None
    began = time.perf_counter()
    ticket.item = ticket.clip.jobs[ticket.job].encode(ticket.item)
    busy.add(names[ticket.job], time.perf_counter() - began, workers)


def _collect(
    ticket: _Ticket,
    commit: Callable[[Clip, Outcome], None],
    busy: Busy,
    tick: Callable[[], None],
) -> None:
    current = ticket.clip
    if ticket.job is not None:
        ticket.ready.acquire()
        _guarded(current, current.jobs[ticket.job].collect, ticket.item)
        return
    if not ticket.last:
        tick()
        return
    began = time.perf_counter()
    outcome: list[Mapping[str, pa.Table]] = []
    for job in current.jobs:
        _guarded(current, lambda done: outcome.append(done()), job.finish)
    commit(current.clip, outcome if current.error is None else current.error)
    busy.add("write", time.perf_counter() - began)


def _guarded(current: _ClipRun, work: Callable[..., Any], *arguments: Any) -> None:
    """Do work for a clip unless it has already failed; keep the first error."""
    if current.error is not None:
        return
    try:
        work(*arguments)
    except Exception as error:
        current.error = error
