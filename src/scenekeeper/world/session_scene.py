"""A :class:`Scene` of what one session alone says, read from its tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scenekeeper.schema import UNNAMED, Relation
from scenekeeper.store import Dataset
from scenekeeper.voxels import voxel_centers, voxel_keys
from scenekeeper.world.scene import CELL, Scene, Thing

_POSITION_STD = 0.02
"""Of an object's centre, metres, where nothing better is known."""


def session_scene(dataset: Dataset, session: str) -> Scene:
    """The objects and relations of one session, as they were at its end."""
    objects = dataset.table("objects", session).to_pylist()
    runs = dataset.current(session)
    pieces: dict[int, Mapping[str, Any]] = {}
    for table in ("tracks", "segments"):
        if table in runs:
            rows = dataset.read_segment(table, runs[table], session).to_pylist()
            pieces = {r["track"]: r for r in rows}
            break
    things = [_thing(o, pieces.get(o["track"]), session) for o in objects]
    up = next((np.array(p["up"]) for p in pieces.values()), np.array([0.0, 0.0, 1.0]))
    relations = [
        Relation(
            r["subject"], r["predicate"], r["object"], r["score"], r["source"], r.get("frame") or ""
        )
        for r in dataset.table("relations", session).to_pylist()
    ]
    last = max((o["last_t_ns"] for o in objects), default=0)
    things.sort(key=lambda t: t.object)
    return Scene(tuple(things), tuple(relations), up, last, (session,))


def _thing(row: Mapping[str, Any], piece: Mapping[str, Any] | None, session: str) -> Thing:
    cells, embedding = np.zeros(0, np.int64), None
    if piece is not None:
        points = voxel_centers(np.array(piece["keys"], np.int64), piece["voxel_size"])
        cells = np.unique(voxel_keys(points, CELL))
        if piece.get("embedding"):
            embedding = np.array(piece["embedding"], np.float32)
    if row["cells"]:
        cells = np.array(row["cells"], np.int64)
    std = row["position_std"]
    return Thing(
        row["object"],
        _names(row, piece),
        row["kind"],
        float(row["score"]),
        np.array(row["center"]),
        np.array(row["extent"]),
        np.array(row["R_world_box"]).reshape(3, 3),
        np.full(3, _POSITION_STD) if std is None else np.array(std),
        cells,
        np.array(row["rgb"], np.uint8),
        dict(row["colors"] or ()),
        first_t_ns=row["first_t_ns"],
        last_t_ns=row["last_t_ns"],
        frames=row["frames"],
        views=tuple((session, f) for f in row["best_frame_ids"]),
        sessions=(session,),
        embedding=embedding,
        verified=row["status"] == "verified",
    )


def _names(row: Mapping[str, Any], piece: Mapping[str, Any] | None) -> dict[str, float]:
    """Probability of each name: a person's, else all that the world heard, else the one it got."""
    if row["status"] == "verified":
        return {row["phrase"]: 1.0}
    if row["names"]:
        return dict(row["names"])
    if row["phrase"] == UNNAMED:
        return {}
    known = piece.get("p") if piece is not None else None
    return {row["phrase"]: 1.0 if known is None else float(known)}
