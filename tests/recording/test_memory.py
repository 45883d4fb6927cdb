"""A recording costs the memory of its numbers to open, and of a few pictures to go through."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foxglove_schemas_protobuf.JointState_pb2 import JointState
from foxglove_schemas_protobuf.JointStates_pb2 import JointStates

from scenekeeper.recording import open_recording
from scenekeeper.recording.frames import frame_index, read_frames
from tests.recording import rgbd_layouts, tiny_bags, tiny_mcap, tiny_videos

JOINTS = 40


def peak(work: Callable[[], Any]) -> int:
    """Most bytes that Python and NumPy held at a time while working."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def joints(n: int) -> Iterator[tuple[str, int, Any]]:
    names = [f"joint_{k}" for k in range(JOINTS)]
    for t_ns in range(tiny_mcap.T0, tiny_mcap.T0 + n):
        states = [JointState(name=name, position=t_ns % 7) for name in names]
        yield "/joints", t_ns, JointStates(timestamp=tiny_mcap.stamp(t_ns), joints=states)
        yield "/tf", t_ns, tiny_mcap.transform(t_ns)


def test_signals_and_transforms_cost_what_their_numbers_cost(tmp_path: Path) -> None:
    cost = []
    for n in (500, 2500):
        path = tiny_mcap.write(tmp_path / f"{n}.mcap", joints(n), chunk_size=1 << 16)
        open_recording(path)  # what is made once is made
        cost.append(peak(lambda path=path: open_recording(path)))
    row = 8 * (JOINTS + 1) + 8 * (7 + 1)
    assert (cost[1] - cost[0]) / 2000 < 2.5 * row


@pytest.mark.parametrize("kind", ["7-Scenes", "MCAP", "ROS 1 bag", "ROS 2 bag", "video"])
def test_going_through_a_recording_holds_a_few_pictures_at_a_time(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(n: int) -> Path:
        path = tmp_path / f"{n}"
        if kind == "7-Scenes":
            monkeypatch.setattr(rgbd_layouts, "FRAMES", n)
            return rgbd_layouts.seven_scenes(path)
        if kind == "MCAP":
            return tiny_mcap.write(path, tiny_mcap.scene(n), chunk_size=1 << 13)
        if kind == "ROS 1 bag":
            return tiny_bags.write_bag1(path, n=n)
        if kind == "ROS 2 bag":
            return tiny_bags.write_bag2(path, n=n)
        return tiny_videos.write_video(path.with_suffix(".mp4"), range(n))

    cost = []
    for n in (20, 120):
        recording = open_recording(write(n))
        index = frame_index(recording)
        assert len(index) == n

        def go(recording=recording, index=index) -> None:
            last = np.zeros(1)
            for frame in read_frames(recording, index):
                last = frame.rgb
            assert last.shape[2] == 3

        go()
        cost.append(peak(go))
    per_frame = (cost[1] - cost[0]) / 100
    assert per_frame < 2500  # rows of the index; one picture is more
