"""Moving a frame through a stage costs the engine at most 20 CPU-microseconds.

Claim: with stages that do nothing, all that is left is the engine's own work: queues, order,
accounting, isolation of errors. CPU time of all threads, per frame and stage. Peer: the textbook
pipeline of the standard library, one thread, one ``queue.Queue`` and one ``ThreadPoolExecutor`` per
stage with futures passed on in order; it makes the same calls, but neither counts work nor keeps
errors to their clip.
"""

from __future__ import annotations

import platform
import queue
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.harness import Result, cpu_seconds
from scenekeeper.engine.pipeline import Busy, ClipWork, run_clips
from scenekeeper.schema import Camera, Clip, Frame

FRAMES, CLIP, STAGES, WORKERS, IN_FLIGHT = 20_000, 500, 3, 2, 8


class Nothing:
    """A stage at work on a clip, without the work."""

    def encode(self, item: Frame) -> Frame:
        return item

    def collect(self, item: Frame) -> None:
        return

    def finish(self) -> Mapping[str, pa.Table]:
        return {}


def run() -> Result:
    camera, rgb = Camera("tiny", 4, 4), np.zeros((4, 4, 3), np.uint8)
    frames = [Frame(k, "none", camera, k, rgb) for k in range(FRAMES)]
    ours, peer, calls = cpu_seconds(
        lambda: _ours(frames), lambda: _peer(frames), lambda: _calls_alone(frames), repeats=5
    )
    each = 1e6 / FRAMES / STAGES
    return Result(
        name="engine_overhead",
        input=f"{FRAMES} frames in clips of {CLIP}, {STAGES} stages that do nothing",
        unit="CPU-us per frame and stage",
        ours=ours * each,
        peer=peer * each,
        peer_name=f"queue.Queue and thread pool per stage, Python {platform.python_version()}",
        target=20.0,
        target_of="ours",
        limit=calls * each,
        limit_name="the calls alone, in one loop",
    )


def _ours(frames: list[Frame]) -> None:
    def work(index: int) -> ClipWork:
        clip = Clip("none", index, index * CLIP, (index + 1) * CLIP)
        return ClipWork(
            clip,
            lambda: [Nothing() for _ in range(STAGES)],
            lambda: iter(frames[clip.start : clip.stop]),
        )

    run_clips(
        map(work, range(FRAMES // CLIP)),
        [f"stage {k}" for k in range(STAGES)],
        lambda clip, outcome: None,
        busy=Busy(),
        tick=lambda: None,
        workers=WORKERS,
        in_flight=IN_FLIGHT,
    )


def _calls_alone(frames: list[Frame]) -> None:
    jobs = [Nothing() for _ in range(STAGES)]
    for frame in frames:
        for job in jobs:
            job.collect(job.encode(frame))


# --- the peer -------------------------------------------------------------------------------------

Passed = tuple[Frame, Future[Any]] | None


def _peer(frames: list[Frame]) -> None:
    jobs = [Nothing() for _ in range(STAGES)]
    channels: list[queue.Queue[Passed]] = [queue.Queue(IN_FLIGHT) for _ in range(STAGES)]
    threads = [threading.Thread(target=_feed, args=(frames, jobs[0], channels[0]))]
    for k in range(STAGES):
        following = (jobs[k + 1], channels[k + 1]) if k + 1 < STAGES else None
        threads.append(threading.Thread(target=_pass_on, args=(jobs[k], channels[k], following)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _feed(frames: list[Frame], job: Nothing, channel: queue.Queue[Passed]) -> None:
    _submit(iter(frames), job, channel)


def _pass_on(
    job: Nothing,
    channel: queue.Queue[Passed],
    following: tuple[Nothing, queue.Queue[Passed]] | None,
) -> None:
    """Collect one stage's results in order and hand the frames to the next."""

    def collected() -> Iterator[Frame]:
        while (entry := channel.get()) is not None:
            frame, future = entry
            job.collect(future.result())
            yield frame

    if following is None:
        for _ in collected():
            pass
    else:
        _submit(collected(), *following)


def _submit(frames: Iterator[Frame], job: Nothing, channel: queue.Queue[Passed]) -> None:
    with ThreadPoolExecutor(WORKERS) as pool:
        for frame in frames:
            channel.put((frame, pool.submit(job.encode, frame)))
    channel.put(None)
