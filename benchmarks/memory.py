"""Labelling ten times as many frames takes at most a tenth more memory, and under 600 MB.

Claim: memory does not grow with the length of a recording. Peak resident set of ``scenekeeper
label`` in a fresh process, from its start to the written report page, for 300 frames and for 3,000:
the same frames forward and backward in turn, so that the place stays the same. Peer: ourselves on
300 frames.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from benchmarks.harness import Child, Result, frame_files, label, room

TIMES, LIMIT_MB, MOST = 10, 600.0, 1.1
SUFFIXES = (".color.jpg", ".depth.png", ".pose.txt")


def run() -> Result:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        short, called = room(folder)
        long = _prolonged(short, folder / "long")
        few, many = (label(path, folder / f"{path.name}.sk") for path in (short, long))
    n, frames = len(frame_files(short)), _frames(many)
    return Result(
        name="memory",
        input=f"{called}, {frames} frames of 640x480 against {n}",
        unit="MB resident at the peak",
        ours=many.peak_mb,
        peer=few.peak_mb,
        peer_name=f"ourselves, {n} frames",
        target=LIMIT_MB,
        target_of="ours",
        further={
            f"at most {MOST - 1:.0%} more than for {n} frames": many.peak_mb <= MOST * few.peak_mb
        },
        note=f"{many.peak_mb / few.peak_mb - 1:+.1%}; {frames / many.wall:.1f} frames/s",
    )


def _prolonged(recording: Path, folder: Path) -> Path:
    """The same frames again and again, every other time backwards, as links."""
    folder.mkdir()
    (folder / "camera-intrinsics.txt").symlink_to((recording / "camera-intrinsics.txt").resolve())
    stems = frame_files(recording)
    numbers = [int(stem.rpartition("-")[2]) for stem in stems]
    step = (numbers[-1] - numbers[0]) // max(len(numbers) - 1, 1)
    order = [stem for k in range(TIMES) for stem in (stems if k % 2 == 0 else reversed(stems))]
    for k, stem in enumerate(order):
        for suffix in SUFFIXES:
            source = (recording / f"{stem}{suffix}").resolve()
            (folder / f"frame-{k * step:06d}{suffix}").symlink_to(source)
    return folder


def _frames(done: Child) -> int:
    return int(json.loads(done.output)["sessions"][0]["frames"])
