"""A small robot's dataset: two cameras at different rates, joints, a gripper, actions, an IMU."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper import schema
from scenekeeper.exchange import export, pictures
from scenekeeper.recording import Images, Recording, Signal, View
from scenekeeper.recording.frames import frame_index
from scenekeeper.schema import Camera, Frame, Labels
from scenekeeper.store import Dataset, SessionInfo

START_NS = 1_700_000_000_000_000_000
FPS = 30
FRONT = Camera("/front/image", 64, 48)
WRIST = Camera("wrist", 33, 26)
LENGTH = {"reach": 20, "lift": 12}
TASK = {"reach": "Reach for the mug.", "lift": "Lift the mug."}


def gray(row: int) -> int:
    """The one grey level of a camera's picture, far from its neighbours' after compression."""
    return row * 12 % 250


class Pictures:
    """Flat grey pictures; dies, or fails, when asked for one row."""

    def __init__(self, camera: Camera, n: int, deadly: int | None = None) -> None:
        self.camera, self.n, self.deadly = camera, n, deadly

    def __len__(self) -> int:
        return self.n

    def read(self, rows: Sequence[int]) -> Iterator[NDArray[Any]]:
        for row in rows:
            if row == self.deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            yield np.full((self.camera.height, self.camera.width, 3), gray(row), np.uint8)

    def encoded(self, row: int) -> None:
        return None


def times(n: int, rate: float, offset_ns: int = 0) -> NDArray[np.int64]:
    return START_NS + offset_ns + (np.arange(n) * (1e9 / rate)).astype(np.int64)


def numbers(name: str, kind: Any, rate: float, n: int, names: tuple[str, ...]) -> Signal:
    values = np.arange(n)[:, None] + np.arange(len(names)) / 10
    return Signal(name, kind, times(n, rate), values, names)


def recording(name: str, deadly: int | None = None) -> Recording:
    n = LENGTH[name]
    views = (
        View(WRIST, Images(times(n // 2, FPS / 2, 4_000_000), Pictures(WRIST, n // 2))),
        View(FRONT, Images(times(n, FPS), Pictures(FRONT, n, deadly))),
    )
    streams = (
        numbers("joints", "joint_state", 50, 2 * n, ("shoulder", "elbow", "wrist")),
        numbers("gripper", "joint_state", 10, n, ("width",)),
        numbers("command", "action", FPS, n, ("vx", "vy")),
        numbers("imu", "imu", 100, n, ("ax",)),
    )
    signals = {s.name: s for s in streams}
    return Recording(name, Path("nowhere"), "made", views, signals, TASK[name], content=name)


def mask(frame_id: int, size: tuple[int, int]) -> NDArray[np.bool_]:
    full = np.zeros(size, bool)
    full[5:12, 3 + frame_id % 7 : 15] = True
    return full


def frame_labels(frame: dict[str, Any]) -> Labels:
    size = (frame["height"], frame["width"])
    camera = Camera(frame["camera"], size[1], size[0])
    picture = np.zeros((*size, 3), np.uint8)
    seen = Frame(frame["frame_id"], "any", camera, frame["t_ns"], picture)
    dense = [mask(frame["frame_id"], size), ~mask(frame["frame_id"], size)]
    return Labels.from_masks(
        seen,
        dense,
        phrase=("mug", "table"),
        score=[0.5, 0.25],
        track=[1, 2],
        signals={"iou": [0.9, 0.8]},
        status=("verified", "auto"),
    )


def add(dataset: Dataset, made: Recording) -> None:
    """Add a recording with labels on every frame but the last, in two clips."""
    frames = frame_index(made)
    n, name = len(frames), made.name
    cameras = tuple(view.camera for view in made.views)
    clips = (0, n // 2, n)
    known = SessionInfo(name, "nowhere", "made", made.content, cameras, clips, made.task)
    dataset.add_session(known, frames, schema.SIGNALS.empty_table())
    rows = frames.to_pylist()
    for clip, (start, stop) in enumerate([(0, n // 2), (n // 2, n - 1)]):
        labels = [frame_labels(row) for row in rows[start:stop]]
        dataset.write_segment(schema.instances_table(name, labels), "instances", "i", name, clip)
    objects: dict[str, list[Any]] = {column: [None] for column in schema.OBJECTS.names}
    objects |= {"session": [name], "object": [70], "track": [1], "status": ["auto"]}
    dataset.write_segment(pa.table(objects, schema.OBJECTS), "objects", "o", name)
    first = next((row for row in rows if row["camera"] == FRONT.name), rows[0])
    said = {"session": [name], "frame_id": [first["frame_id"]], "t_ns": [first["t_ns"]]}
    said |= {"text": ["a mug on a table"], "source": ["made"], "status": ["auto"]}
    dataset.write_segment(pa.table(said, schema.CAPTIONS), "captions", "c", name)
    dataset.set_current(name, {"instances": "i", "objects": "o", "captions": "c"})


def make(path: Path, *changes: dict[str, Any]) -> tuple[Dataset, dict[str, Recording]]:
    """A dataset of both sessions, and their recordings, changed as told per session."""
    dataset = Dataset.create(path)
    changed = dict(zip(LENGTH, [*changes, {}, {}], strict=False))
    made = {name: replace(recording(name), **changed[name]) for name in LENGTH}
    for one in made.values():
        add(dataset, one)
    return dataset, made


if __name__ == "__main__":  # export, and be killed in the middle of the second session
    kept, _ = make(Path(sys.argv[1]) / "robot.sk")
    pictures.reopen = lambda source, name, *_: recording(name, 7 if name == "lift" else None)
    export(kept, "lerobot", Path(sys.argv[1]) / "out")
