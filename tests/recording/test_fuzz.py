"""Whatever is damaged in a recording, it opens as far as it goes or is refused with a reason.

Cases run in processes of their own, so that a crash, a hang or a hunger for memory of a C library
is seen, and the case that caused it is named.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import pytest
from mcap.writer import CompressionType
from rosbags.rosbag1 import Writer

from scenekeeper.exchange import recording_hdf5, recording_rgbd, recording_rlds
from tests.exchange.made_recordings import robot
from tests.recording import (
    rgbd_layouts,
    tiny_bags,
    tiny_hdf5,
    tiny_lerobot,
    tiny_mcap,
    tiny_rlds,
    tiny_videos,
)

CASES = 300
PROCESSES = 2
PLAIN = {"compression": CompressionType.NONE, "enable_crcs": False}


def foxglove(path: Path, **options: object) -> Path:
    return tiny_mcap.write(path, tiny_mcap.scene(3) + tiny_mcap.video_items(4), **options)


def video(codec: str) -> Callable[[Path], Path]:
    return lambda path: tiny_videos.write_video(path, range(6), codec, gop=3, movflags="faststart")


READERS: dict[str, dict[str, Callable[[Path], object]]] = {
    # Several files of one reader share its cases.
    "7-Scenes": {"room": rgbd_layouts.seven_scenes},
    "TUM": {"room": rgbd_layouts.tum},
    "ScanNet": {"room": rgbd_layouts.scannet},
    "Replica": {"room": rgbd_layouts.replica},
    "RGB-D of ours": {"room": lambda path: recording_rgbd.write_recording(robot(4), path)},
    "RLDS": {
        "1.0.0": lambda path: tiny_rlds.write(path, [(3, 2)]),
        "ours": lambda path: recording_rlds.write_recordings([robot(4)], path),
    },
    "LeRobot v2.1": {"cups": lambda path: tiny_lerobot.write_v2(path, (3, 2))},
    "LeRobot v3.0": {"cups": lambda path: tiny_lerobot.write_v3(path, (3, 2))},
    "MCAP protobuf": {"zstd.mcap": foxglove, "plain.mcap": lambda path: foxglove(path, **PLAIN)},
    "MCAP JSON": {
        "zstd.mcap": tiny_mcap.write_json,
        "plain.mcap": lambda path: tiny_mcap.write_json(path, **PLAIN),
    },
    "MCAP ROS 2": {
        "zstd.mcap": tiny_mcap.write_ros,
        "plain.mcap": lambda path: tiny_mcap.write_ros(path, **PLAIN),
    },
    "ROS 1 bag": {
        "plain.bag": tiny_bags.write_bag1,
        "lz4.bag": lambda path: tiny_bags.write_bag1(path, Writer.CompressionFormat.LZ4),
        "bz2.bag": lambda path: tiny_bags.write_bag1(path, Writer.CompressionFormat.BZ2),
    },
    "ROS 2 bag": {"run": tiny_bags.write_bag2},
    "HDF5": {
        "ours.hdf5": lambda path: recording_hdf5.write_recording(robot(4), path),
        "pixels.hdf5": tiny_hdf5.write,
        "jpeg.hdf5": lambda path: tiny_hdf5.write(path, compress=True),
    },
    "video": {
        "h264.mp4": video("libx264"),
        "h264.mkv": video("libx264"),
        "av1.mp4": video("libsvtav1"),
        "mpeg4.avi": video("mpeg4"),
        "h264.ts": video("libx264"),
    },
}


Workers = Queue["subprocess.Popen[str]"]
"""Those that are free."""


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    free: Workers = Queue()
    command = [sys.executable, "-m", "tests.recording.fuzz_worker"]
    folder, pipe = Path(__file__).parents[2], subprocess.PIPE
    all_of_them = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=folder)
        for _ in range(PROCESSES)
    ]
    for worker in all_of_them:
        free.put(worker)
    yield free
    for worker in all_of_them:
        worker.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_damage_gives_what_is_left_or_a_recording_error(
    tmp_path: Path, reader: str, workers: Workers
) -> None:
    if not Path("/proc/self/status").is_file():
        pytest.skip("needs /proc to watch memory")
    files = READERS[reader]
    for name, write in files.items():
        write(tmp_path / name)
    share = -(-CASES // len(files))
    step = -(-share // PROCESSES) if len(files) == 1 else share
    jobs = [(name, at) for name in files for at in range(0, share, step)]
    with ThreadPoolExecutor(PROCESSES) as pool:
        found = pool.map(lambda job: run(workers, tmp_path / job[0], job[1], job[1] + step), jobs)
        outcomes = [outcome for part in found for outcome in part]
    failed = [outcome for outcome in outcomes if not outcome[1].startswith(("OPENED", "REFUSED"))]
    assert not failed, "\n".join(f"{case}: {what}" for case, what in failed[:5])
    assert len(outcomes) >= CASES
    opened = [what.split() for _, what in outcomes if what.startswith("OPENED")]
    assert len(opened) > CASES // 5
    assert sum(int(read) for _, read, _ in opened) > CASES // 2


def run(workers: Workers, whole: Path, start: int, stop: int) -> list[tuple[str, str]]:
    """``(case, outcome)`` of the cases ``[start, stop)``, whatever becomes of the process."""
    outcomes = []
    while start < stop:
        scratch = whole.parent / "scratch" / f"{whole.name}-{start}"
        scratch.parent.mkdir(exist_ok=True)
        out = scratch.with_name(scratch.name + ".out")
        code = forked(workers, str(whole), str(scratch), start, stop, str(out))
        case = start - 1
        for line in out.read_text().splitlines():
            if line.startswith("START"):
                case = int(line.split()[1])
                outcomes.append((f"{whole.name} {case}", "no outcome"))
            else:
                outcomes[-1] = (outcomes[-1][0], line.replace("\\n", "\n"))
        if code == 0:
            return outcomes
        where = f"exit {code}\n{Path(f'{out}.err').read_text()[-3000:]}"
        if case < start:
            raise RuntimeError(where)
        outcomes[-1] = (outcomes[-1][0], where)
        start = case + 1
    return outcomes


def forked(workers: Workers, *job: str | int) -> int:
    """The exit code of a job that a free worker has forked a process for."""
    worker = workers.get()
    assert worker.stdin is not None and worker.stdout is not None
    try:
        print(json.dumps(job), file=worker.stdin, flush=True)
        return int(worker.stdout.readline())
    finally:
        workers.put(worker)
