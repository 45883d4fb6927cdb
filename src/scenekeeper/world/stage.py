"""The stage: a session's instances in, its objects in the world out.

In: instances and what they look like in space, clip by clip. Out: objects with ids that outlive the
session, relations, what has changed since the last visit, and which instance is which object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.schema import CHANGES, OBJECTS, RELATIONS, SIGHTINGS, TABLES, UNNAMED, Camera
from scenekeeper.store import Dataset
from scenekeeper.voxels import voxel_centers
from scenekeeper.world.compare import Change
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.existence import ExistenceConfig
from scenekeeper.world.observe import coarse_intrinsics, depth_of, points_of
from scenekeeper.world.same_place import STRUCTURE, CompareConfig
from scenekeeper.world.structure import KINDS, with_structure

if TYPE_CHECKING:
    from scenekeeper.world.gathering import Gathering, Shown

Float = NDArray[np.float64]


class SessionTables(Protocol):
    """What the stage reads of a session; the engine provides it."""

    @property
    def dataset(self) -> Dataset:
        """Where the session lies."""
        ...

    @property
    def session(self) -> str:
        """The session's name."""
        ...

    def frames(self) -> pa.Table:
        """The index of frames."""
        ...

    def of_session(self, table: str) -> pa.Table:
        """A table of the whole session."""
        ...

    def each_clip(self, table: str) -> Iterator[pa.Table]:
        """A table clip by clip."""
        ...


@dataclass(frozen=True)
class World:
    """Session stage: instances and observations in, objects, relations and changes out.

    A frame counts as far as it can be placed: without depth, intrinsics or a pose, or with a pose
    that is not finite or lies more than 10 km from the origin, it is left out. A session without
    any such frame, or whose frames show nothing, leaves the memory as if it had never been, and
    its tables are empty. Poses that jump by more than a scan can make up for, as after a loop was
    closed, show what is seen on both sides of the jump at two places, as two objects. Times may
    stand still or run back; tracks of -1 leave it to space alone to say what is what.

    Attributes:
        pieces: table that knows kinds and looks of tracks; ``None`` = there is none.
        belief: how much the labeler's detections and silence mean.
        compare: when things of two sessions are the same.
    """

    pieces: str | None = "tracks"
    belief: ExistenceConfig = field(default_factory=ExistenceConfig)
    compare: CompareConfig = field(default_factory=CompareConfig)
    name: str = "world"
    writes: tuple[str, ...] = ("objects", "relations", "changes", "sightings")

    @property
    def reads(self) -> tuple[str, ...]:
        """Tables it needs."""
        needed = ("instances", "observations", "depths", "quality")
        return needed if self.pieces is None else (self.pieces, *needed)

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        return {"version": 15, "belief": asdict(self.belief), "compare": asdict(self.compare)}

    def reduce(self, tables: SessionTables, run: str) -> Mapping[str, pa.Table]:
        """The session's objects; those that it shares with earlier sessions keep their ids."""
        from scenekeeper.world.gathering import Gathering
        from scenekeeper.world.keyframes import Keyframes
        from scenekeeper.world.memory import writing
        from scenekeeper.world.remember import remember
        from scenekeeper.world.summary import evidence

        pieces = [] if self.pieces is None else tables.of_session(self.pieces).to_pylist()
        up = _up(pieces, _poses(tables))
        gathering, keyframes, n_tracks = Gathering(belief=self.belief, up=up), Keyframes(), 0
        for camera, shown in _shown(tables, {r["track"]: r for r in pieces}):
            gathering.add(shown)
            keyframes.add(shown, camera, gathering.shown[-1][1])
            n_tracks = max(n_tracks, int(shown.track.max(initial=-1)) + 1)
        gathering.finish()
        found, rows = evidence(gathering, up, _told(pieces), n_tracks)
        things = with_structure(found, up)
        told = keyframes.evidence(tables.session, run, up, things)
        if not things and not len(told.surface):
            with writing(tables.dataset.path) as memory:
                memory.forget(tables.session)
            return {t: TABLES[t].empty_table() for t in self.writes}
        with writing(tables.dataset.path) as memory:
            known = remember(memory, told, self.compare)
            relations = _relations(things, known.ids, up) if things else []
            memory.put_relations(tables.session, relations)
        return {
            "objects": _objects(tables.session, things, known.ids),
            "relations": pa.Table.from_pylist(
                [{"session": tables.session, **asdict(r)} for r in relations], RELATIONS
            ),
            "changes": _changes(tables.session, known.since, known.changes, things, known.ids),
            "sightings": _sightings(tables.session, gathering, things, rows),
        }


def _shown(
    tables: SessionTables, pieces: Mapping[int, Mapping[str, Any]]
) -> Iterator[tuple[str, Shown]]:
    """The session's frames in order, each with the name of its camera."""
    index = {r["frame_id"]: r for r in tables.frames().to_pylist()}
    cameras = {c.name: c for c in tables.dataset.session(tables.session).cameras}
    clips = zip(
        *(tables.each_clip(t) for t in ("instances", "observations", "depths", "quality")),
        strict=True,
    )
    for instances, observations, depths, quality in clips:
        by_frame = _by_frame(instances, observations, quality)
        for depth in depths.sort_by("frame_id").to_pylist():
            row = index[depth["frame_id"]]
            if depth["pose"] is None:
                continue
            rows = by_frame.get(depth["frame_id"], [])
            yield row["camera"], _frame(row, cameras[row["camera"]], depth, rows, pieces)


def _by_frame(
    instances: pa.Table, observations: pa.Table, quality: pa.Table
) -> dict[int, list[dict[str, Any]]]:
    """Instances with what was observed of each, by frame."""
    seen = {
        (f, i): (p, c)
        for f, i, p, c in zip(
            *(observations[k].to_pylist() for k in ("frame_id", "instance", "points", "rgb")),
            strict=True,
        )
    }
    sharpness = dict(zip(*(quality[k].to_pylist() for k in ("frame_id", "sharpness")), strict=True))
    usual = max(float(np.median(list(sharpness.values()) or [0.0])), 1e-9)
    columns = ["frame_id", "instance", "track", "phrase", "score", "p", "area", "flags", "signals"]
    out: dict[int, list[dict[str, Any]]] = {}
    for row in instances.select(columns).to_pylist():
        key = row["frame_id"], row["instance"]
        if key in seen:
            row["points"], row["rgb"] = seen[key]
            # A view cut by the picture's border shows less of the thing than its area says.
            cut = 0.1 if "truncated" in (row["flags"] or ()) else 1.0
            sharp = np.clip(sharpness.get(row["frame_id"], usual) / usual, 0.1, 2.0)
            row["worth"] = (row["area"] or 0) * cut * float(sharp)
            out.setdefault(row["frame_id"], []).append(row)
    return out


def _frame(
    frame: Mapping[str, Any],
    camera: Camera,
    depth: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    pieces: Mapping[int, Mapping[str, Any]],
) -> Shown:
    from scenekeeper.world.gathering import Shown
    from scenekeeper.world.lift import Lifted

    points = [points_of(r["points"]) for r in rows]
    start = np.concatenate(([0], np.cumsum([len(p) for p in points]))).astype(np.int64)
    point = np.concatenate([np.zeros((0, 3), np.float32), *points])
    return Shown(
        frame["frame_id"],
        frame["t_ns"],
        tuple(r["instance"] for r in rows),
        geometry.pose_matrix(depth["pose"]),
        depth_of(depth),
        coarse_intrinsics(np.asarray(camera.intrinsics), depth["step"]),
        depth["step"],
        Lifted(point, np.ones(len(point), np.int32), start),
        np.array([r["track"] for r in rows], np.int64),
        tuple(r["phrase"] for r in rows),
        np.array([dict(r["signals"] or ()).get("there", r["score"]) for r in rows], np.float64),
        np.array([np.nan if r["p"] is None else r["p"] for r in rows], np.float64),
        np.array([r["worth"] for r in rows], np.float64),
        tuple(np.frombuffer(r["rgb"], np.uint8).reshape(-1, 3) for r in rows),
        _looks(rows, pieces),
        np.array([_is_structure(r, pieces) for r in rows], np.bool_),
        depth["picture"],
    )


def _is_structure(row: Mapping[str, Any], pieces: Mapping[int, Mapping[str, Any]]) -> bool:
    known = pieces.get(row["track"])
    return row["phrase"] in KINDS if known is None else known["kind"] in STRUCTURE


def _looks(
    rows: Sequence[Mapping[str, Any]], pieces: Mapping[int, Mapping[str, Any]]
) -> NDArray[np.float32] | None:
    """Embeddings of the instances' tracks, where every one of them has one."""
    found = [pieces.get(r["track"], {}).get("embedding") for r in rows]
    if not found or not all(found):
        return None
    return np.array(found, np.float32)


def _poses(tables: SessionTables) -> list[Float]:
    """As recorded, of the frames that have any."""
    parts = [part["pose"].drop_null().to_pylist() for part in tables.each_clip("depths")]
    return [geometry.pose_matrix(p) for part in parts for p in part]


def _up(pieces: Sequence[Mapping[str, Any]], poses: Sequence[Float]) -> Float:
    """Against gravity: as the pieces of the map say, else as cameras are held, along an axis of the
    world if one is near."""
    if pieces:
        return np.array(pieces[0]["up"], np.float64)
    held = -np.sum([T[:3, 1] for T in poses], axis=0) if poses else np.zeros(3)
    if np.linalg.norm(held) < 1e-6:
        return np.array([0.0, 0.0, 1.0])
    held = held / np.linalg.norm(held)
    axis = np.zeros(3)
    axis[np.abs(held).argmax()] = np.sign(held[np.abs(held).argmax()])
    return axis if held @ axis > np.cos(np.radians(50)) else np.asarray(held)


def _told(pieces: Iterable[Mapping[str, Any]]) -> dict[int, Any]:
    from scenekeeper.world.summary import Told

    return {
        r["track"]: Told(
            r["kind"], np.array(r["embedding"], np.float32) if r.get("embedding") else None
        )
        for r in pieces
    }


def _objects(session: str, things: Sequence[Evidence], ids: Sequence[int]) -> pa.Table:
    rows = [
        {
            "session": session,
            "object": number,
            "track": e.track,
            "phrase": e.phrase,
            "kind": e.kind,
            "score": e.existence,
            "center": e.center.tolist(),
            "extent": e.extent.tolist(),
            "R_world_box": e.R_world_box.reshape(-1).tolist(),
            "rgb": e.rgb.tolist(),
            "frames": e.frames,
            "first_t_ns": e.first_t_ns,
            "last_t_ns": e.last_t_ns,
            "best_frame_ids": list(e.views),
            "status": "auto",
            "p": e.existence * e.names.get(e.phrase, 0.0) if e.names else None,
            "names": list(e.names.items()),
            "position_std": e.position_std.tolist(),
            "colors": list(e.colors.items()),
            "cells": e.cells.tolist(),
        }
        for number, e in zip(ids, things, strict=True)
    ]
    rows.sort(key=lambda r: int(r["object"]))
    return pa.Table.from_pylist(rows, OBJECTS)


def _relations(things: Sequence[Evidence], ids: Sequence[int], up: Float) -> list[Any]:
    from scenekeeper.world.relations import relate
    from scenekeeper.world.scene import CELL
    from scenekeeper.world.solids import Solid

    basis = geometry.upright_basis(up)
    solids = []
    for number, e in zip(ids, things, strict=True):
        word = "" if e.phrase == UNNAMED else e.phrase
        solids.append(Solid.of(number, e.kind, voxel_centers(e.cells, CELL) @ basis, word))
    return relate(solids)


def _changes(
    session: str,
    since: str | None,
    changes: Sequence[Change],
    things: Sequence[Evidence],
    ids: Sequence[int],
) -> pa.Table:
    center = dict(zip(ids, (t.center.tolist() for t in things), strict=True))
    rows = [
        {
            "session": session,
            "since": since,
            "kind": c.kind,
            "object": c.now if c.before is None else c.before,
            "new_object": c.now if c.kind == "swapped" else None,
            "phrase": c.phrase,
            "before": None if c.was_at is None else c.was_at.tolist(),
            "after": None if c.now is None else center[c.now],
            "score": c.score,
            "source": "world",
        }
        for c in changes
    ]
    return pa.Table.from_pylist(rows, CHANGES)


def _sightings(
    session: str, gathering: Gathering, things: Sequence[Evidence], rows: NDArray[np.int64]
) -> pa.Table:
    """Per frame its settled pose, and the track that stands for each instance's object."""
    track = {int(o): e.track for o, e in zip(rows, things, strict=True)}
    out: list[dict[str, Any]] = []
    for frame_id, T, instances, objects in gathering.sightings():
        pose = geometry.pose_vector(T).tolist()
        common = {"session": session, "frame_id": frame_id}
        out.append({**common, "instance": -1, "track": -1, "pose": pose})
        out += [
            {**common, "instance": i, "track": track.get(o, -1), "pose": None}
            for i, o in zip(instances, objects, strict=True)
        ]
    return pa.Table.from_pylist(out, SIGHTINGS)
