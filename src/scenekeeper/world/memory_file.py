"""The file that the world's memory lies in: opened, made, brought up to date, or refused.

In: a dataset's folder. Out: a connection. Whatever is wrong with the file is said with a remedy,
and nothing in it is lost.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from scenekeeper.errors import DatasetError

VERSION = 3
READABLE = (2, 3)
"""The second had no pictures."""
FILE = Path("world") / "world.sqlite"
PATIENCE_S = 600
"""For how long a writer waits for another; aligning a session takes seconds."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects(
  object INTEGER PRIMARY KEY AUTOINCREMENT, born_session TEXT NOT NULL, born_run TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sessions(
  session TEXT PRIMARY KEY, run TEXT NOT NULL, first_t_ns INTEGER, last_t_ns INTEGER,
  place INTEGER NOT NULL, T_place_session BLOB NOT NULL, how TEXT NOT NULL, reason TEXT NOT NULL,
  up BLOB NOT NULL, surface BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS evidence(
  session TEXT NOT NULL, object INTEGER NOT NULL REFERENCES objects, track INTEGER NOT NULL,
  row TEXT NOT NULL, cells BLOB NOT NULL, embedding BLOB, PRIMARY KEY (session, object));
CREATE TABLE IF NOT EXISTS absences(
  session TEXT NOT NULL, object INTEGER NOT NULL, verdict TEXT NOT NULL, score REAL NOT NULL,
  PRIMARY KEY (session, object));
CREATE TABLE IF NOT EXISTS keyframes(
  session TEXT NOT NULL, frame_id INTEGER NOT NULL, pose BLOB NOT NULL, intrinsics BLOB NOT NULL,
  height INTEGER NOT NULL, width INTEGER NOT NULL, depth BLOB NOT NULL, picture BLOB,
  PRIMARY KEY (session, frame_id));
CREATE TABLE IF NOT EXISTS relations(
  session TEXT NOT NULL, subject INTEGER NOT NULL, predicate TEXT NOT NULL,
  object INTEGER NOT NULL, score REAL NOT NULL, source TEXT NOT NULL, frame TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS events(
  event INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT, run TEXT, kind TEXT NOT NULL,
  object INTEGER, other INTEGER, score REAL, detail TEXT NOT NULL, author TEXT NOT NULL);
"""


@contextmanager
def written(dataset: Path) -> Iterator[sqlite3.Connection]:
    """A connection to write with; the file is made if there is none.

    Raises:
        DatasetError: the file cannot be used, or is of a later release.
    """
    file = dataset / FILE
    with _usable(file):
        file.parent.mkdir(exist_ok=True)
        with closing(sqlite3.connect(file, timeout=PATIENCE_S, isolation_level=None)) as db:
            _prepare(db, dataset)
            yield db


@contextmanager
def read(dataset: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write; to an empty memory where there is none of this version.

    Raises:
        DatasetError: the file cannot be used, or is of a later release.
    """
    file = dataset / FILE
    with _usable(file), closing(_readable(file)) as db:
        yield db


@contextmanager
def _usable(file: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, zstandard.ZstdError, json.JSONDecodeError, OSError) as error:
        raise DatasetError(
            f"cannot be used: {error}",
            path=file,
            remedy="If the disk is full, free some space; if the folder may not be written to, work"
            " on a copy. If the file is damaged, move it away, delete labels/sightings and label"
            " again: objects get new ids, which no earlier one has had.",
        ) from error


def _readable(file: Path) -> sqlite3.Connection:
    """A connection that cannot write; an empty memory where there is none of this version."""
    if file.exists():
        db = _read_only(file)
        try:
            if _version(db, file) in READABLE:
                return db
        except BaseException:
            db.close()
            raise
        db.close()
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.executescript(SCHEMA)
    return db


def _read_only(file: Path) -> sqlite3.Connection:
    modes = ["mode=ro", "mode=rw"]  # what a kill left half done is undone by who may write
    if not any(file.with_name(file.name + end).exists() for end in ("-wal", "-journal")):
        # Readers share a lock beside the file; where it cannot be made, nobody writes either.
        modes.append("immutable=1")
    for mode in modes:
        uri = f"{file.absolute().as_uri()}?{mode}"
        db = sqlite3.connect(uri, uri=True, timeout=PATIENCE_S, isolation_level=None)
        try:
            db.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.OperationalError as error:
            db.close()
            failed = error
        else:
            return db
    raise failed


def _version(db: sqlite3.Connection, file: Path) -> int:
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise DatasetError(
            f"was made by a later release (version {version}; this one reads {VERSION})",
            path=file,
            remedy="Upgrade scenekeeper.",
        )
    return version


def _prepare(db: sqlite3.Connection, dataset: Path) -> None:
    """Make the tables; those of the first version held too little to go on from."""
    file = dataset / FILE
    if _version(db, file) == VERSION:
        return
    _into_wal(db)
    db.execute("BEGIN IMMEDIATE")
    version = _version(db, file)
    if version == VERSION:  # another process was faster
        db.execute("ROLLBACK")
        return
    if version in READABLE:
        db.execute("ALTER TABLE keyframes ADD COLUMN picture BLOB")
        db.execute(f"PRAGMA user_version={VERSION}")
        db.execute("COMMIT")
        return
    last = _last_given(dataset)
    if db.execute("SELECT 1 FROM sqlite_master WHERE name='objects'").fetchone():
        given = db.execute("SELECT seq FROM sqlite_sequence WHERE name='objects'").fetchone()
        last = max(last, *(given or (0,)))
        for table in ("objects", "tracks", "events"):
            db.execute(f"DROP TABLE IF EXISTS {table}")
        db.execute("DELETE FROM sqlite_sequence")
    for statement in SCHEMA.split(";"):
        db.execute(statement)
    db.execute("INSERT INTO sqlite_sequence(name, seq) VALUES ('objects', ?)", (last,))
    db.execute(f"PRAGMA user_version={VERSION}")
    db.execute("COMMIT")


def _into_wal(db: sqlite3.Connection) -> None:
    """Keep a log that readers need not wait for; SQLite does not wait for others by itself here."""
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.02)


def _last_given(dataset: Path) -> int:
    """The largest object id that labels or names speak of, 0 if none do."""
    files = [*dataset.glob("labels/objects/*/*.parquet"), *dataset.glob("labels/names/*/*.parquet")]
    return max(map(_largest, files), default=0)


def _largest(file: Path) -> int:
    try:
        column = pq.read_table(file, columns=["object"], partitioning=None)["object"]
    except (pa.ArrowException, OSError) as error:
        remedy = "Delete it and label again; nothing that is there is done again."
        raise DatasetError(f"cannot be read: {error}", path=file, remedy=remedy) from error
    return int(np.max(column.to_numpy(), initial=0))
