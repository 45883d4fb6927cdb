"""A small labelled dataset of which every number is known, to read signals from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scenekeeper import schema
from scenekeeper.schema import Camera, Labels
from scenekeeper.store import Dataset, SessionInfo

CAMERA = Camera("front", 640, 480, np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]]))
FRAMES = 20
LEVEL = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]
"""A pose: the camera at the origin, looking along z."""


def row(frame: int, track: int, **values: Any) -> dict[str, Any]:
    """One label; a cup of 50 pixels a side in the middle of the picture unless told otherwise."""
    return {
        "frame": frame,
        "track": track,
        "box": (295.0, 215.0, 345.0, 265.0),
        "phrase": "cup",
        "score": 0.8,
        "flags": [],
        "signals": {},
        **values,
    }


def room(
    path: Path,
    rows: Sequence[dict[str, Any]],
    *,
    session: str = "kitchen",
    tables: dict[str, pa.Table] | None = None,
    quality: Sequence[list[str]] = (),
    reads: dict[str, str] | None = None,
) -> Dataset:
    """A dataset with one session of 20 frames.

    Args:
        path: where; an existing dataset gets one session more.
        rows: labels, from :func:`row`.
        session: its name.
        tables: further tables of the same run.
        quality: flags of the frames.
        reads: what the run of instances says it consumed.
    """
    dataset = Dataset.create(path)
    info = SessionInfo(session, "nowhere", "made", session, (CAMERA,), (0, FRAMES))
    dataset.add_session(info, _index(session), schema.SIGNALS.empty_table())
    all_tables = {"instances": instances(session, rows), **(tables or {})}
    if quality:
        all_tables["quality"] = pa.Table.from_pylist(
            [{"session": session, "frame_id": k, "flags": f} for k, f in enumerate(quality)],
            schema.QUALITY,
        )
    per_clip = {"instances", "quality", "statements", "reconciled"}
    for name, table in all_tables.items():
        dataset.write_segment(table, name, "r1", session, 0 if name in per_clip else None)
    dataset.describe_run("instances", "r1", {"reads": reads or {}})
    dataset.set_current(session, dict.fromkeys(all_tables, "r1"))
    return dataset


def instances(session: str, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows of the table ``instances``."""
    frames = sorted({r["frame"] for r in rows})
    groups = [[r for r in rows if r["frame"] == k] for k in frames]
    labels = [_labels(k, group) for k, group in zip(frames, groups, strict=True)]
    return schema.instances_table(session, labels, [[r["flags"] for r in g] for g in groups])


def thing(track: int, session: str = "kitchen", **values: Any) -> dict[str, Any]:
    """A row of ``objects``: a cup two metres ahead of the camera."""
    return {
        "session": session,
        "object": track,
        "track": track,
        "phrase": "cup",
        "kind": "thing",
        "score": 0.9,
        "center": [0.0, 0.0, 2.0],
        "extent": [0.1, 0.1, 0.12],
        **values,
    }


def _labels(frame: int, rows: Sequence[dict[str, Any]]) -> Labels:
    names = {name for r in rows for name in r["signals"]}
    return Labels(
        frame,
        frame * 100_000_000,
        (480, 640),
        np.array([r["box"] for r in rows], np.float32),
        phrase=tuple(r["phrase"] for r in rows),
        score=np.array([r["score"] for r in rows], np.float32),
        track=np.array([r["track"] for r in rows]),
        signals={
            n: np.array([r["signals"].get(n, np.nan) for r in rows], np.float32) for n in names
        },
    )


def _index(session: str) -> pa.Table:
    n = FRAMES
    return pa.table(
        {
            "session": [session] * n,
            "frame_id": range(n),
            "camera": ["front"] * n,
            "t_ns": [k * 100_000_000 for k in range(n)],
            "rgb_row": range(n),
            "depth_row": [None] * n,
            "depth_residual_ns": [None] * n,
            "pose": [LEVEL] * n,
            "pose_residual_ns": [0] * n,
            "width": [640] * n,
            "height": [480] * n,
        },
        schema.FRAMES,
    )
