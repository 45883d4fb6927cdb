"""A small labelled dataset whose every box, mask and time is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from scenekeeper import masks, schema
from scenekeeper.review.units import Units
from scenekeeper.schema import Camera
from scenekeeper.store import Dataset, SessionInfo

SIZE = (120, 160)
START_NS = 1_700_000_000_000_000_000
STEP_NS = 100_000_000
CLIP = 40


@dataclass(frozen=True)
class Thing:
    """A track: a square of ``side`` that moves by ``dx`` a frame, seen in some frames."""

    track: int
    phrase: str
    frames: tuple[int, ...]
    x: int = 20
    y: int = 20
    dx: float = 0.0
    side: int = 20
    object: int = -1
    belief: float = 0.9
    doubted: tuple[int, ...] = ()
    color: str = ""

    def box(self, frame: int) -> tuple[int, int, int, int]:
        """Where it is in a frame."""
        x = self.x + round(self.dx * (frame - self.frames[0]))
        return x, self.y, x + self.side, self.y + self.side

    def mask(self, frame: int) -> bytes:
        """Its square without the upper left corner."""
        x0, y0, x1, y1 = self.box(frame)
        dense = np.zeros(SIZE, np.bool_)
        dense[y0:y1, x0:x1] = True
        dense[y0 : y0 + 4, x0 : x0 + 4] = False
        return masks.encode(dense)


def dataset(path: Path, sessions: Mapping[str, tuple[Thing, ...]], frames: int = 100) -> Dataset:
    """A dataset of sessions of so many frames at 10 Hz."""
    made = Dataset.create(path)
    for name, things in sessions.items():
        clips = (*range(0, frames, CLIP), frames)
        camera = Camera("camera", SIZE[1], SIZE[0])
        info = SessionInfo(name, f"/recordings/{name}", "made up", name, (camera,), clips)
        made.add_session(info, _index(name, frames), schema.SIGNALS.empty_table())
        for k in range(len(clips) - 1):
            made.write_segment(
                _labels(name, things, clips[k], clips[k + 1]), "instances", "r", name, k
            )
        made.write_segment(_objects(name, things), "objects", "r", name)
        made.set_current(name, {"instances": "r", "objects": "r"})
    return made


def units(sessions: Mapping[str, tuple[Thing, ...]], **changed: object) -> Units:
    """The tracks of such a dataset as units."""
    rows = [(s, t) for s in sorted(sessions) for t in sorted(sessions[s], key=lambda t: t.track)]
    n = len(rows)
    values: dict[str, object] = {
        "snapshot": "first",
        "session": tuple(s for s, _ in rows),
        "track": np.array([t.track for _, t in rows], np.int64),
        "object": np.array([t.object for _, t in rows], np.int64),
        "phrase": tuple(t.phrase for _, t in rows),
        "frames": np.array([len(t.frames) for _, t in rows], np.int64),
        "first": np.array([t.frames[0] for _, t in rows], np.int64),
        "last": np.array([t.frames[-1] for _, t in rows], np.int64),
        "size_px": np.array([float(t.side) for _, t in rows]),
        "choices": tuple({t.phrase: 0.6, "kettle": 0.3, "lamp": 0.1} for _, t in rows),
        "signals": (),
        "X": np.zeros((n, 0)),
        "logit": np.zeros(n),
    }
    return Units(**{**values, **changed})  # type: ignore[arg-type]


def _index(session: str, frames: int) -> pa.Table:
    ids = np.arange(frames)
    none = pa.nulls(frames, pa.int64())
    columns = {
        "session": [session] * frames,
        "frame_id": ids,
        "camera": ["camera"] * frames,
        "t_ns": START_NS + STEP_NS * ids,
        "rgb_row": ids,
        "depth_row": none,
        "depth_residual_ns": none,
        "pose": pa.nulls(frames, pa.list_(pa.float64(), 7)),
        "pose_residual_ns": none,
        "width": np.full(frames, SIZE[1], np.int32),
        "height": np.full(frames, SIZE[0], np.int32),
    }
    return pa.table(columns, schema.FRAMES)


def _labels(session: str, things: tuple[Thing, ...], start: int, stop: int) -> pa.Table:
    rows = []
    for frame in range(start, stop):
        seen = [t for t in things if frame in t.frames]
        for k, thing in enumerate(seen):
            belief = 0.2 if frame in thing.doubted else thing.belief
            rows.append(
                {
                    "session": session,
                    "frame_id": frame,
                    "t_ns": START_NS + STEP_NS * frame,
                    "instance": k,
                    "track": thing.track,
                    "box_xyxy": list(thing.box(frame)),
                    "mask": thing.mask(frame),
                    "height": SIZE[0],
                    "width": SIZE[1],
                    "area": thing.side**2 - 16,
                    "phrase": thing.phrase,
                    "score": belief,
                    "p": None,
                    "signals": [],
                    "flags": [],
                    "status": "auto",
                }
            )
    return pa.Table.from_pylist(rows, schema.INSTANCES)


def _objects(session: str, things: tuple[Thing, ...]) -> pa.Table:
    rows = [
        {
            "session": session,
            "object": thing.object,
            "track": thing.track,
            "phrase": thing.phrase,
            "kind": "thing",
            "score": thing.belief,
            "center": [thing.x / 100, thing.y / 100, 0.5],
            "extent": [thing.side / 100] * 3,
            "R_world_box": np.eye(3).ravel().tolist(),
            "rgb": [100, 100, 100],
            "frames": len(thing.frames),
            "first_t_ns": START_NS,
            "last_t_ns": START_NS,
            "best_frame_ids": [thing.frames[0]],
            "status": "auto",
            "p": thing.belief,
            "names": [],
            "position_std": [0.01] * 3,
            "colors": [(thing.color, 1.0)] if thing.color else [],
            "cells": [],
        }
        for thing in things
        if thing.object >= 0
    ]
    return pa.Table.from_pylist(rows, schema.OBJECTS)
