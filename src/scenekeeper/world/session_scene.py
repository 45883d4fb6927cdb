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
    named = row["phrase"] != UNNAMED
    p = 1.0 if piece is None or piece.get("p") is None else float(piece["p"])
    cells, embedding = np.zeros(0, np.int64), None
    if piece is not None:
        points = voxel_centers(np.array(piece["keys"], np.int64), piece["voxel_size"])
        cells = np.unique(voxel_keys(points, CELL))
        if piece.get("embedding"):
            embedding = np.array(piece["embedding"], np.float32)
    return Thing(
        row["object"],
        {row["phrase"]: p} if named else {},
        row["kind"],
        float(row["score"]),
        np.array(row["center"]),
        np.array(row["extent"]),
        np.array(row["R_world_box"]).reshape(3, 3),
        np.full(3, _POSITION_STD),
        cells,
        np.array(row["rgb"], np.uint8),
        first_t_ns=row["first_t_ns"],
        last_t_ns=row["last_t_ns"],
        frames=row["frames"],
        views=tuple((session, f) for f in row["best_frame_ids"]),
        sessions=(session,),
        embedding=embedding,
    )
