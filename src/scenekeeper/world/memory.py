"""What the world remembers: objects that outlive sessions, and everything that was said of them.

SQLite (WAL) under ``world/``. A session's evidence goes in as a whole, in one transaction: a kill
at any moment leaves the memory as it was before or after. Others may read meanwhile. An object id
is given once and never again; nothing is forgotten; what people said is kept apart from what
machines said and outranks it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.schema import Relation
from scenekeeper.voxels import voxel_centers, voxel_keys
from scenekeeper.world import memory_file
from scenekeeper.world.evidence import Evidence, SessionEvidence
from scenekeeper.world.scene import CELL
from scenekeeper.world.visibility import Keyframe

Float = NDArray[np.float64]


@dataclass(frozen=True)
class Event:
    """Something that happened to an object, or to what is known of it.

    Attributes:
        event: number, ascending.
        session: in which it was noticed.
        run: that noticed it.
        kind: ``born``, ``seen``, ``merged``, ``split``, ``moved``, ``taken``, ``added``,
            ``swapped``, ``missed``, ``aligned``, ``apart``, ``not found``, or what a person did.
        object: whom it happened to.
        other: into whom, from whom, by whom.
        score: probability that it is so.
        detail: plain values.
        author: ``machine``, or who.
    """

    event: int
    session: str
    run: str
    kind: str
    object: int | None
    other: int | None
    score: float | None
    detail: Mapping[str, Any]
    author: str


@dataclass(frozen=True, eq=False)
class Place:
    """Where a session lies.

    Attributes:
        session: its name.
        run: whose evidence is remembered.
        first_t_ns: of its first frame.
        last_t_ns: of its last frame.
        place: number of the map that it is part of; sessions of one place share a frame.
        T_place_session: ``float64 [4, 4]``.
        how: ``first``, ``same frame``, ``relocated`` or ``apart``.
        reason: in plain words.
        up: ``float64 [3]``, in the place's frame.
    """

    session: str
    run: str
    first_t_ns: int
    last_t_ns: int
    place: int
    T_place_session: Float
    how: str
    reason: str
    up: Float


class Memory:
    """The world's memory inside one transaction; see :func:`writing` and :func:`reading`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._unpacked = zstandard.ZstdDecompressor().decompress
        columns = {row[1] for row in db.execute("PRAGMA table_info(keyframes)")}
        self._picture = "picture" if "picture" in columns else "NULL"

    # --- sessions ---------------------------------------------------------------------------------

    def places(self) -> list[Place]:
        """All sessions in order of time."""
        rows = self._db.execute(
            "SELECT session, run, first_t_ns, last_t_ns, place, T_place_session, how, reason, up"
            " FROM sessions ORDER BY first_t_ns, session"
        )
        return [
            Place(name, run, first, last, number, _array(T).reshape(4, 4), how, why, _array(up))
            for name, run, first, last, number, T, how, why, up in rows
        ]

    def surface(self, session: str) -> NDArray[np.float32]:
        """A session's thinned points ``[P, 3]`` metres, in its place's frame."""
        row = self._db.execute(
            "SELECT surface FROM sessions WHERE session=?", (session,)
        ).fetchone()
        return np.frombuffer(self._unpacked(row[0]), np.float32).reshape(-1, 3)

    def keyframes(self, session: str) -> list[Keyframe]:
        """A session's coarse pictures with depth, in its place's frame."""
        rows = self._db.execute(
            f"SELECT pose, intrinsics, height, width, depth, {self._picture} FROM keyframes"
            " WHERE session=? ORDER BY frame_id",
            (session,),
        )
        return [
            Keyframe(
                np.frombuffer(self._unpacked(depth), np.uint16).reshape(height, width),
                _array(K).reshape(3, 3),
                _array(pose).reshape(4, 4),
                picture,
            )
            for pose, K, height, width, depth, picture in rows
        ]

    def put_session(self, e: SessionEvidence, place: Place) -> None:
        """Remember where a session lies and what it saw; in place of an earlier run's."""
        self._db.execute(
            "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                e.session,
                e.run,
                e.first_t_ns,
                e.last_t_ns,
                place.place,
                _blob(place.T_place_session),
                place.how,
                place.reason,
                _blob(place.up),
                _packed(np.asarray(e.surface, np.float32).tobytes()),
            ),
        )
        self._db.execute("DELETE FROM keyframes WHERE session=?", (e.session,))
        for frame_id, k in zip(e.keyframe_ids, e.keyframes, strict=True):
            self._db.execute(
                "INSERT INTO keyframes VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    e.session,
                    frame_id,
                    _blob(k.T_world_camera),
                    _blob(k.intrinsics),
                    *k.depth_mm.shape,
                    _packed(k.depth_mm.tobytes()),
                    k.picture,
                ),
            )

    def forget(self, session: str) -> None:
        """Drop what a session's earlier run said; its objects, ids and events stay."""
        for table in ("evidence", "absences", "keyframes", "relations", "sessions"):
            self._db.execute(f"DELETE FROM {table} WHERE session=?", (session,))

    # --- objects ----------------------------------------------------------------------------------

    def born(self, session: str, run: str) -> int:
        """A new id, which nothing ever had."""
        cursor = self._db.execute(
            "INSERT INTO objects(born_session, born_run) VALUES (?, ?)", (session, run)
        )
        assert cursor.lastrowid is not None
        self.log(session, run, "born", cursor.lastrowid)
        return cursor.lastrowid

    def evidence(self, session: str) -> dict[int, Evidence]:
        """What a session said, by object, in its place's frame."""
        rows = self._db.execute(
            "SELECT object, row, cells, embedding FROM evidence WHERE session=? ORDER BY object",
            (session,),
        )
        return {
            number: _evidence(text, self._unpacked(cells), look)
            for number, text, cells, look in rows
        }

    def tracks(self, session: str) -> dict[int, int]:
        """Object of each track of a session."""
        rows = self._db.execute("SELECT track, object FROM evidence WHERE session=?", (session,))
        return dict(rows.fetchall())

    def put_evidence(self, session: str, number: int, e: Evidence) -> None:
        """Remember what a session says of an object, in its place's frame."""
        row = {
            "kind": e.kind,
            "names": dict(e.names),
            "existence": e.existence,
            "center": e.center.tolist(),
            "extent": e.extent.tolist(),
            "R": e.R_world_box.reshape(-1).tolist(),
            "std": e.position_std.tolist(),
            "rgb": e.rgb.tolist(),
            "colors": dict(e.colors),
            "frames": e.frames,
            "first_t_ns": e.first_t_ns,
            "last_t_ns": e.last_t_ns,
            "views": list(e.views),
            "track": e.track,
            "palette": _packed(e.palette.tobytes()).hex(),
            "sides": [None if np.isnan(x) else x for x in (e.tall, e.wide)],
        }
        look = None if e.embedding is None else np.asarray(e.embedding, np.float32).tobytes()
        self._db.execute(
            "INSERT INTO evidence VALUES (?, ?, ?, ?, ?, ?)",
            (session, number, e.track, json.dumps(row), _packed(_deltas(e.cells)), look),
        )

    def absences(self, session: str) -> dict[int, tuple[str, float]]:
        """Verdict and probability, by object, of what a session looked for in vain or not at all:
        ``taken``, ``missed``, ``unseen``."""
        rows = self._db.execute(
            "SELECT object, verdict, score FROM absences WHERE session=?", (session,)
        )
        return {number: (verdict, score) for number, verdict, score in rows}

    def put_absence(self, session: str, number: int, verdict: str, score: float) -> None:
        """Remember that a session does not show an object."""
        self._db.execute(
            "INSERT OR REPLACE INTO absences VALUES (?, ?, ?, ?)", (session, number, verdict, score)
        )

    # --- relations and events ---------------------------------------------------------------------

    def relations(self, session: str) -> list[Relation]:
        """What a session said of how objects lie to one another."""
        rows = self._db.execute(
            "SELECT subject, predicate, object, score, source, frame FROM relations"
            " WHERE session=? ORDER BY subject, predicate, object",
            (session,),
        )
        return [Relation(*row) for row in rows]

    def put_relations(self, session: str, relations: Sequence[Relation]) -> None:
        """Remember them, in place of what the session said before."""
        self._db.execute("DELETE FROM relations WHERE session=?", (session,))
        self._db.executemany(
            "INSERT INTO relations VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (session, r.subject, r.predicate, r.object, r.score, r.source, r.frame)
                for r in relations
            ],
        )

    def log(
        self,
        session: str,
        run: str,
        kind: str,
        number: int | None = None,
        other: int | None = None,
        score: float | None = None,
        *,
        author: str = "machine",
        **detail: Any,
    ) -> None:
        """Append an event."""
        self._db.execute(
            "INSERT INTO events(session, run, kind, object, other, score, detail, author)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (session, run, kind, number, other, score, json.dumps(detail, sort_keys=True), author),
        )

    def events(self, session: str | None = None, kind: str | None = None) -> list[Event]:
        """What happened, in order; of one session or of all, of one kind or of all."""
        rows = self._db.execute(
            "SELECT * FROM events WHERE session=coalesce(?, session) AND kind=coalesce(?, kind)"
            " ORDER BY event",
            (session, kind),
        )
        return [
            Event(event, name, run, kind, number, other, score, json.loads(detail), author)
            for event, name, run, kind, number, other, score, detail, author in rows
        ]


@contextmanager
def writing(dataset: Path) -> Iterator[Memory]:
    """The memory inside one transaction; all that is put in is kept when the block ends well.

    Writers take turns. When the block has ended, what it put in is on the disk.

    Raises:
        DatasetError: the file cannot be used, or is of a later release.
    """
    with memory_file.written(dataset) as db:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield Memory(db)
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:  # a full disk ends it by itself
                db.execute("ROLLBACK")
            raise


@contextmanager
def reading(dataset: Path) -> Iterator[Memory]:
    """The memory as it is now, whatever is written meanwhile; it stays as it is.

    Where nothing has been remembered yet it is empty. A folder that may not be written to can be
    read.

    Raises:
        DatasetError: the file cannot be used, or is of a later release.
    """
    with memory_file.read(dataset) as db:
        db.execute("BEGIN")
        yield Memory(db)


def placed(e: Evidence, T: Float) -> Evidence:
    """Evidence in another frame, by ``T`` ``[4, 4]`` from its own into that."""
    if np.allclose(T, np.eye(4)):
        return e
    points = geometry.transform(T, voxel_centers(e.cells, CELL))
    return replace(
        e,
        center=geometry.transform(T, e.center),
        R_world_box=T[:3, :3] @ e.R_world_box,
        cells=np.unique(voxel_keys(points, CELL)),
    )


def _evidence(text: str, cells: bytes, embedding: bytes | None) -> Evidence:
    row = json.loads(text)
    palette = bytes.fromhex(row.get("palette", ""))
    return Evidence(
        row["track"],
        row["kind"],
        row["names"],
        row["existence"],
        np.array(row["center"]),
        np.array(row["extent"]),
        np.array(row["R"]).reshape(3, 3),
        np.array(row["std"]),
        np.cumsum(np.frombuffer(cells, np.int64)),
        np.array(row["rgb"], np.uint8),
        row["colors"],
        None if embedding is None else np.frombuffer(embedding, np.float32),
        row["frames"],
        row["first_t_ns"],
        row["last_t_ns"],
        tuple(row["views"]),
        np.frombuffer(_unpacked(palette) if palette else b"", np.uint16),
        *(np.nan if x is None else x for x in row.get("sides", (None, None))),
    )


def _deltas(cells: NDArray[np.int64]) -> bytes:
    """Neighbours in space are neighbours in order, so differences compress well."""
    return np.diff(cells, prepend=0).astype(np.int64).tobytes()


def _blob(a: Float) -> bytes:
    return np.asarray(a, np.float64).tobytes()


def _array(blob: bytes) -> Float:
    return np.frombuffer(blob, np.float64)


def _unpacked(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(data)


def _packed(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(3).compress(data)
