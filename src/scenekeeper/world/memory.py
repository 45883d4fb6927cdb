"""What the world remembers between labelling runs: which object is which.

SQLite under ``world/``. An object id is given once and never again. When a session is labelled
anew, its segments are matched to the objects it already has, so a name that a person gave stays
with the thing it was given to.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from scenekeeper.errors import DatasetError

CELL = 0.04
"""Edge of the cells in which the extent of an object is remembered, metres."""

MIN_OVERLAP = 0.25
"""Segments that share less than this (intersection over union) are not the same object."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects(
  object INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL, born_run TEXT NOT NULL,
  cells BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS tracks(
  run TEXT, session TEXT, track INTEGER, object INTEGER REFERENCES objects,
  overlap REAL, PRIMARY KEY (run, session, track));
CREATE TABLE IF NOT EXISTS events(
  event INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT, kind TEXT, object INTEGER, detail TEXT);
"""

Cells = NDArray[np.int64]


def identify(dataset: Path, session: str, run: str, cells: Mapping[int, Cells]) -> dict[int, int]:
    """Give every track of a session its object.

    Doing it again for the same run gives the same answer, so a crash between this and the
    writing of the run's tables costs nothing.

    Args:
        dataset: the dataset's folder.
        session: whose tracks they are; objects of other sessions are not considered.
        run: the run that found them.
        cells: per track the cells it occupies, ascending ``int64`` keys.

    Returns:
        Object id per track.
    """
    with _opened(dataset) as db:
        known = db.execute(
            "SELECT track, object FROM tracks WHERE run=? AND session=?", (run, session)
        ).fetchall()
        if known:
            return dict(known)
        old = {
            number: np.frombuffer(blob, np.int64)
            for number, blob in db.execute(
                "SELECT object, cells FROM objects WHERE session=? ORDER BY object", (session,)
            )
        }
        matched = match(cells, old)
        result = {}
        for track in sorted(cells):
            number, overlap = matched.get(track, (None, 0.0))
            if number is None:
                number = _born(db, session, run, cells[track])
            else:
                db.execute(
                    "UPDATE objects SET cells=? WHERE object=?", (cells[track].tobytes(), number)
                )
            row = (run, session, track, number, overlap)
            db.execute("INSERT INTO tracks VALUES (?, ?, ?, ?, ?)", row)
            result[track] = number
        for number in sorted(set(old) - set(result.values())):
            _log(db, run, "not found", number, f"session {session}")
        return result


def match(new: Mapping[int, Cells], old: Mapping[int, Cells]) -> dict[int, tuple[int, float]]:
    """One-to-one matching of tracks to objects by shared cells.

    Returns:
        Per matched track ``(object, overlap)``; the total overlap is the largest possible.
    """
    tracks, numbers = sorted(new), sorted(old)
    if not tracks or not numbers:
        return {}
    overlap = np.array([[_iou(new[t], old[n]) for n in numbers] for t in tracks])
    rows, columns = linear_sum_assignment(-overlap)
    return {
        tracks[i]: (numbers[j], float(overlap[i, j]))
        for i, j in zip(rows, columns, strict=True)
        if overlap[i, j] >= MIN_OVERLAP
    }


def events(dataset: Path) -> Sequence[tuple[str, str, int, str]]:
    """``(run, kind, object, detail)`` of everything that happened to objects, in order."""
    with _opened(dataset) as db:
        return list(db.execute("SELECT run, kind, object, detail FROM events ORDER BY event"))


def _iou(a: Cells, b: Cells) -> float:
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / max(len(a) + len(b) - shared, 1)


def _born(db: sqlite3.Connection, session: str, run: str, cells: Cells) -> int:
    cursor = db.execute(
        "INSERT INTO objects(session, born_run, cells) VALUES (?, ?, ?)",
        (session, run, cells.tobytes()),
    )
    number = cursor.lastrowid
    assert number is not None
    _log(db, run, "born", number, f"session {session}")
    return number


def _log(db: sqlite3.Connection, run: str, kind: str, number: int, detail: str) -> None:
    db.execute(
        "INSERT INTO events(run, kind, object, detail) VALUES (?, ?, ?, ?)",
        (run, kind, number, detail),
    )


@contextmanager
def _opened(dataset: Path) -> Iterator[sqlite3.Connection]:
    """The world's database inside one transaction."""
    file = dataset / "world" / "world.sqlite"
    try:
        file.parent.mkdir(exist_ok=True)
        with closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.executescript(_SCHEMA)
            db.execute("BEGIN IMMEDIATE")
            try:
                if not db.execute("SELECT 1 FROM sqlite_sequence").fetchone():
                    _start_after(db, _last_given(dataset))
                yield db
            except BaseException:
                db.execute("ROLLBACK")
                raise
            db.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        raise DatasetError(
            f"cannot be used: {error}",
            path=file,
            remedy="If the disk is full, free some space. If the file is damaged, move it away and"
            " label again: objects get new ids, which no earlier one has had.",
        ) from error


def _start_after(db: sqlite3.Connection, number: int) -> None:
    db.execute("INSERT INTO sqlite_sequence(name, seq) VALUES ('objects', ?)", (number,))


def _last_given(dataset: Path) -> int:
    """The largest object id that labels or names speak of, 0 if none do."""
    files = [*dataset.glob("labels/objects/*/*.parquet"), *dataset.glob("labels/names/*/*.parquet")]
    columns = [pq.read_table(file, columns=["object"])["object"].to_numpy() for file in files]
    return max((int(column.max()) for column in columns if len(column)), default=0)
