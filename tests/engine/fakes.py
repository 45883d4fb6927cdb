"""Stages and recordings without pixels worth looking at, for tests of the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scenekeeper import schema
from scenekeeper.engine import Tables
from scenekeeper.schema import Camera, Clip, Frame
from scenekeeper.store import Dataset, SessionInfo

CAMERA = Camera("front", 2, 2)
RGB = np.zeros((2, 2, 3), np.uint8)

Step = Callable[[int], None]
"""Told the frame's id; may raise, or wait."""


def frames(start: int, stop: int) -> Iterator[Frame]:
    return (Frame(k, "s", CAMERA, k, RGB) for k in range(start, stop))


def nothing(frame_id: int) -> None:
    """A step that does nothing."""


@dataclass
class Job:
    """Passes frame ids through, doing what it is told at each step."""

    clip: Clip
    at_infer: Step = nothing
    at_encode: Step = nothing
    at_collect: Step = nothing
    at_finish: Step = nothing
    collected: list[int] = field(default_factory=list)

    def push(self, frame: Frame) -> Iterator[int]:
        self.at_infer(frame.frame_id)
        yield frame.frame_id

    def flush(self) -> Iterator[int]:
        return iter(())

    def encode(self, item: int) -> int:
        self.at_encode(item)
        return item

    def collect(self, item: int) -> None:
        self.at_collect(item)
        self.collected.append(item)

    def finish(self) -> Mapping[str, pa.Table]:
        self.at_finish(self.clip.index)
        rows = [{"session": self.clip.session, "frame_id": k, "flags": []} for k in self.collected]
        return {"quality": pa.Table.from_pylist(rows, schema.QUALITY)}


@dataclass(frozen=True)
class Measure:
    """Clip stage that writes one row per frame."""

    version: int = 1
    steps: Mapping[str, Step] = field(default_factory=dict)
    name: str = "measure"
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ("quality",)

    def facts(self) -> Mapping[str, Any]:
        return {"version": self.version}

    def open(self, clip: Clip, tables: Tables) -> Job:
        return Job(clip, **self.steps)


@dataclass(frozen=True)
class Count:
    """Session stage that says in a caption how many rows there are."""

    version: int = 1
    name: str = "count"
    reads: tuple[str, ...] = ("quality",)
    writes: tuple[str, ...] = ("captions",)

    def facts(self) -> Mapping[str, Any]:
        return {"version": self.version}

    def reduce(self, tables: Tables, run: str) -> Mapping[str, pa.Table]:
        n = sum(len(rows) for rows in tables.each_clip("quality"))
        row = {"session": tables.session, "frame_id": 0, "text": str(n)}
        return {"captions": pa.Table.from_pylist([row], schema.CAPTIONS)}


def dataset(folder: Path, clips: tuple[int, ...]) -> Dataset:
    """A dataset with a session ``s`` of so many frames, cut as told."""
    made = Dataset.create(folder)
    n = clips[-1]
    index: dict[str, Any] = {name: [None] * n for name in schema.FRAMES.names}
    index |= {"session": ["s"] * n, "frame_id": list(range(n)), "t_ns": list(range(n))}
    info = SessionInfo("s", "nowhere", "made", "c", (CAMERA,), clips)
    made.add_session(info, pa.table(index, schema.FRAMES), schema.SIGNALS.empty_table())
    return made


def decode(rows: pa.Table) -> Iterator[Frame]:
    return (Frame(k, "s", CAMERA, k, RGB) for k in rows["frame_id"].to_pylist())
