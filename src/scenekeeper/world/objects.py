"""Turn a session's tracks into objects: identity, upright box, best views, relations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.schema import OBJECTS, RELATIONS, UNNAMED
from scenekeeper.store import Dataset
from scenekeeper.voxels import voxel_centers, voxel_keys
from scenekeeper.world.memory import CELL, identify
from scenekeeper.world.relations import relate
from scenekeeper.world.solids import Solid

BEST_VIEWS = 4


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

    def of_session(self, table: str) -> pa.Table:
        """A table of the whole session."""
        ...

    def each_clip(self, table: str) -> Iterator[pa.Table]:
        """A table clip by clip."""
        ...


@dataclass(frozen=True)
class World:
    """Session stage: segments (or tracks) and instances in, objects and relations out."""

    name: str = "world"
    reads: tuple[str, ...] = ("segments", "instances", "quality")
    writes: tuple[str, ...] = ("objects", "relations")

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        return {"version": 3}

    def reduce(self, tables: SessionTables, run: str) -> Mapping[str, pa.Table]:
        """Make the session's objects; a track that no frame shows becomes none."""
        clips = zip(tables.each_clip("instances"), tables.each_clip("quality"), strict=True)
        sightings = _sightings(clips)
        pieces = tables.of_session(self.reads[0]).to_pylist()
        rows = [r for r in pieces if r["track"] in sightings and r["keys"]]
        if not rows:
            return {"objects": OBJECTS.empty_table(), "relations": RELATIONS.empty_table()}
        up = np.array(rows[0]["up"])
        points = {
            r["track"]: voxel_centers(np.array(r["keys"], np.int64), r["voxel_size"]) for r in rows
        }
        cells = {track: np.unique(voxel_keys(p, CELL)) for track, p in points.items()}
        ids = identify(tables.dataset.path, tables.session, run, cells)
        floor = _floor(rows, points, up)
        objects = [
            _object(r, ids[r["track"]], points[r["track"]], sightings[r["track"]], up, floor)
            for r in rows
        ]
        solids = [_solid(o, points[o["track"]], up) for o in objects]
        relations = [
            {
                "session": tables.session,
                "subject": r.subject,
                "predicate": r.predicate,
                "object": r.object,
                "score": r.score,
                "source": r.source,
                "frame": r.frame,
                "since_t_ns": r.since_t_ns,
                "until_t_ns": r.until_t_ns,
            }
            for r in relate(solids)
        ]
        objects.sort(key=lambda o: o["object"])
        return {
            "objects": pa.Table.from_pylist(objects, OBJECTS),
            "relations": pa.Table.from_pylist(relations, RELATIONS),
        }


@dataclass
class _Sighting:
    """Where and how well a track was seen."""

    frames: int = 0
    first_t_ns: int = 0
    last_t_ns: int = 0
    views: list[tuple[float, int, int]] = field(default_factory=list)

    def add(self, t_ns: NDArray[Any], frame_id: NDArray[Any], worth: NDArray[Any]) -> None:
        if not self.frames:
            self.first_t_ns = int(t_ns[0])
        self.frames += len(t_ns)
        self.last_t_ns = int(t_ns[-1])
        top = np.argsort(-worth, kind="stable")[: 4 * BEST_VIEWS]
        self.views += [(float(worth[k]), int(frame_id[k]), int(t_ns[k])) for k in top]
        self.views.sort(key=lambda v: (-v[0], v[1]))
        del self.views[8 * BEST_VIEWS :]

    def best(self) -> list[int]:
        """Frames that show it best, at least a second apart while there are such."""
        chosen: list[tuple[float, int, int]] = []
        for view in self.views:
            if all(abs(view[2] - c[2]) >= 1_000_000_000 for c in chosen):
                chosen.append(view)
        return [frame_id for _, frame_id, _ in chosen[:BEST_VIEWS]]


def _sightings(clips: Iterable[tuple[pa.Table, pa.Table]]) -> dict[int, _Sighting]:
    """What each track was seen as, from the instances and the quality of each clip."""
    found: dict[int, _Sighting] = {}
    for rows, quality in clips:
        track = rows["track"].to_numpy()
        worth = rows["area"].to_numpy() * _clearness(rows, quality)
        t_ns, frame_id = rows["t_ns"].to_numpy(), rows["frame_id"].to_numpy()
        for k in np.unique(track):
            mine = track == k
            found.setdefault(int(k), _Sighting()).add(t_ns[mine], frame_id[mine], worth[mine])
    return found


def _clearness(rows: pa.Table, quality: pa.Table) -> NDArray[np.float64]:
    """How well each instance shows, relative to others: ``[N]``, 0 to 2."""
    # A view cut by the image border shows less of the thing than its area says.
    cut = np.array(["truncated" in flags for flags in rows["flags"].to_pylist()], np.bool_)
    sharpness = quality["sharpness"].to_numpy().astype(np.float64)
    usual = max(float(np.median(sharpness)) if len(sharpness) else 0.0, 1e-9)
    place = np.searchsorted(quality["frame_id"].to_numpy(), rows["frame_id"].to_numpy())
    sharp = np.clip(sharpness[place] / usual, 0.1, 2.0)
    return np.asarray(np.where(cut, 0.1, 1.0) * sharp, np.float64)


def _object(
    row: Mapping[str, Any],
    number: int,
    points: NDArray[np.float64],
    sighting: _Sighting,
    up: NDArray[np.float64],
    floor: float | None,
) -> dict[str, Any]:
    center, extent, R = geometry.upright_box(_trimmed(points, up), up)
    extent = extent + row["voxel_size"]
    return {
        "session": row["session"],
        "object": number,
        "track": row["track"],
        "phrase": _phrase(row, points, up, floor),
        "kind": row["kind"],
        "score": row["score"],
        "center": center.tolist(),
        "extent": extent.tolist(),
        "R_world_box": R.reshape(-1).tolist(),
        "rgb": row["rgb"],
        "frames": sighting.frames,
        "first_t_ns": sighting.first_t_ns,
        "last_t_ns": sighting.last_t_ns,
        "best_frame_ids": sighting.best(),
        "status": "auto",
    }


def _trimmed(points: NDArray[np.float64], up: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without the few stray voxels that would stretch the box."""
    if len(points) < 100:
        return points
    local = points @ geometry.upright_basis(up)
    low, high = np.percentile(local, [0.5, 99.5], axis=0)
    kept: NDArray[np.float64] = points[((local >= low) & (local <= high)).all(1)]
    return kept


def _floor(
    rows: list[dict[str, Any]], points: Mapping[int, NDArray[np.float64]], up: NDArray[np.float64]
) -> float | None:
    """Height of the floor: the lowest level plane, if nothing much lies below it."""
    heights = {
        r["track"]: float(np.median(points[r["track"]] @ up))
        for r in rows
        if r["kind"] == "support"
    }
    if not heights:
        return None
    lowest = min(heights.values())
    everything = np.concatenate([p @ up for p in points.values()])
    return lowest if (everything < lowest - 0.15).mean() < 0.05 else None


def _phrase(
    row: Mapping[str, Any],
    points: NDArray[np.float64],
    up: NDArray[np.float64],
    floor: float | None,
) -> str:
    """What looks say; else structure is named by its height and everything else stays unnamed."""
    if row.get("phrase", UNNAMED) != UNNAMED:
        return str(row["phrase"])
    if row["kind"] == "wall":
        return "wall"
    if row["kind"] != "support":
        return UNNAMED
    if floor is None:
        return "surface"
    height = _level(points, up) - floor
    bands = (("floor", 0.1), ("low surface", 0.4), ("table", 0.85), ("counter", 1.1))
    return next((name for name, below in bands if height < below), "shelf")


def _level(points: NDArray[np.float64], up: NDArray[np.float64]) -> float:
    """Height of a support's surface: the fullest centimetre, for legs hang below it."""
    height = points @ up
    bins = np.floor(height / 0.01).astype(np.int64)
    values, counts = np.unique(bins, return_counts=True)
    return float((values[counts.argmax()] + 0.5) * 0.01)


def _solid(row: Mapping[str, Any], points: NDArray[np.float64], up: NDArray[np.float64]) -> Solid:
    local = _trimmed(points, up) @ geometry.upright_basis(up)
    phrase = "" if row["phrase"] == UNNAMED else row["phrase"]
    return Solid.of(row["object"], row["kind"], local, phrase)
