"""The engine runs at 95 % or more of the speed of its slowest stage alone.

Claim: decoding, inference and encoding overlap, so only the bottleneck counts. The stages sleep, as
one that waits for a GPU does: 4 ms to decode, 10 ms to infer, 6 ms to encode. The bottleneck's own
speed is measured in the same run, so that timers that oversleep hurt both sides. Peer: the loop
that most labelling scripts are, one frame after the other.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from benchmarks.harness import Result, wall_seconds
from scenekeeper.engine.pipeline import Busy, ClipWork, run_clips
from scenekeeper.schema import Camera, Clip, Frame

FRAMES, CLIP = 300, 100
DECODE_S, INFER_S, ENCODE_S = 0.004, 0.010, 0.006
WORKERS, IN_FLIGHT = 2, 8
CAMERA, RGB = Camera("tiny", 4, 4), np.zeros((4, 4, 3), np.uint8)


class Sleeper:
    """A stage at work on a clip: it waits."""

    def push(self, frame: Frame) -> Iterator[Frame]:
        time.sleep(INFER_S)
        yield frame

    def flush(self) -> Iterator[Frame]:
        return iter(())

    def encode(self, item: Frame) -> Frame:
        time.sleep(ENCODE_S)
        return item

    def collect(self, item: Frame) -> None:
        return

    def finish(self) -> Mapping[str, pa.Table]:
        return {}


def run() -> Result:
    alone, ours, serial = wall_seconds(_bottleneck_alone, _pipelined, _serial)
    return Result(
        name="engine_efficiency",
        input=f"{FRAMES} frames; decode {DECODE_S * 1e3:.0f}, infer {INFER_S * 1e3:.0f}, encode"
        f" {ENCODE_S * 1e3:.0f} ms of sleep",
        unit="share of the bottleneck's own speed",
        ours=alone / ours,
        peer=alone / serial,
        peer_name="a serial loop over the same stages",
        target=0.95,
        target_of="ours",
        better="more",
        limit=1.0,
        limit_name="the bottleneck never waits",
        note=f"{FRAMES / ours:.1f} frames/s; bottleneck alone {FRAMES / alone:.1f}, serial"
        f" {FRAMES / serial:.1f}",
    )


def _decode(start: int, stop: int) -> Iterator[Frame]:
    for k in range(start, stop):
        time.sleep(DECODE_S)
        yield Frame(k, "none", CAMERA, k, RGB)


def _bottleneck_alone() -> None:
    job, frame = Sleeper(), Frame(0, "none", CAMERA, 0, RGB)
    for _ in range(FRAMES):
        list(job.push(frame))


def _pipelined() -> None:
    def work(index: int) -> ClipWork:
        clip = Clip("none", index, index * CLIP, (index + 1) * CLIP)
        return ClipWork(clip, lambda: [Sleeper()], lambda: _decode(clip.start, clip.stop))

    run_clips(
        map(work, range(FRAMES // CLIP)),
        ["sleep"],
        lambda clip, outcome: None,
        busy=Busy(),
        tick=lambda: None,
        workers=WORKERS,
        in_flight=IN_FLIGHT,
    )


def _serial() -> None:
    job = Sleeper()
    for frame in _decode(0, FRAMES):
        for item in job.push(frame):
            job.collect(job.encode(item))
