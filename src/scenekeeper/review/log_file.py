"""The file of the log: its tables, how it is opened, and what SQLite's complaints mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scenekeeper.errors import DatasetError
from scenekeeper.store import atomic

VERSION = 1
_WAIT_SECONDS = 60.0

_SCHEMA = """
CREATE TABLE event(
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, subject TEXT, actor TEXT,
  card TEXT, received_ns INTEGER NOT NULL, salt BLOB, decision TEXT, digest TEXT NOT NULL,
  previous TEXT NOT NULL, hash TEXT NOT NULL, erased_ns INTEGER, erased_for TEXT);
CREATE INDEX event_subject ON event(subject, seq);
CREATE INDEX event_erased ON event(seq) WHERE erased_ns IS NOT NULL;
CREATE TRIGGER event_is_kept BEFORE DELETE ON event
BEGIN SELECT raise(ABORT, 'events are never deleted'); END;
CREATE TRIGGER event_is_not_edited BEFORE UPDATE ON event
WHEN new.erased_ns IS NULL OR new.decision IS NOT NULL OR new.seq <> old.seq OR new.id <> old.id
  OR new.digest <> old.digest OR new.previous <> old.previous OR new.hash <> old.hash
BEGIN SELECT raise(ABORT, 'events are never edited'); END;
CREATE TABLE stale(
  id TEXT PRIMARY KEY, subject TEXT NOT NULL, received_ns INTEGER NOT NULL,
  decision TEXT NOT NULL, against INTEGER NOT NULL);
CREATE TABLE lease(
  key TEXT PRIMARY KEY, actor TEXT NOT NULL, since REAL NOT NULL, expires REAL NOT NULL);
"""


def opened(file: Path) -> sqlite3.Connection:
    """A connection that writes, to a file that is made if there is none.

    Raises:
        DatasetError: it cannot be written, is damaged, or is of a newer release.
    """
    with told(file):
        file.parent.mkdir(exist_ok=True)
        db = sqlite3.connect(
            file, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            _set_up(db)
            _check_version(db, file)
            db.execute(
                "DELETE FROM lease WHERE expires < 0"
            )  # else only writing tells that one may
            atomic.sync_folder(file.parent)
        except BaseException:
            db.close()
            raise
    return db


def opened_to_read(file: Path) -> sqlite3.Connection:
    """A connection that only reads, also in a folder that nobody may write to.

    Raises:
        DatasetError: it cannot be read, is damaged, or is of a newer release.
    """
    # A folder that cannot be written to has no place for what shared reading needs.
    for how in ("mode=ro", "mode=ro&immutable=1"):
        address = f"{file.resolve().as_uri()}?{how}"
        try:
            with told(file):
                db = sqlite3.connect(
                    address, uri=True, timeout=_WAIT_SECONDS, check_same_thread=False
                )
                _check_version(db, file)
                return db
        except DatasetError as error:
            if "immutable" in how or not isinstance(error.__cause__, sqlite3.OperationalError):
                raise
    raise AssertionError


def _set_up(db: sqlite3.Connection) -> None:
    if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")  # what is acknowledged survives a power cut
    db.execute("PRAGMA secure_delete=ON")
    db.execute("BEGIN IMMEDIATE")  # several processes may come at once
    if db.execute("PRAGMA user_version").fetchone()[0] == 0:
        for statement in _statements(_SCHEMA):
            db.execute(statement)
        db.execute(f"PRAGMA user_version={VERSION}")
    db.execute("COMMIT")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: ``executescript`` would commit what is open."""
    text = ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            yield text
            text = ""


def _check_version(db: sqlite3.Connection, file: Path) -> None:
    found = db.execute("PRAGMA user_version").fetchone()[0]
    if found != VERSION:
        raise DatasetError(
            f"is a log of version {found}, this program reads {VERSION}",
            path=file,
            remedy="Upgrade scenekeeper.",
        )


@contextmanager
def told(file: Path) -> Iterator[None]:
    """Say what SQLite and the file system complain of as an error of ours."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        raise DatasetError(
            f"cannot be used: {error}",
            path=file,
            remedy="Nothing was saved just now; all that was acknowledged before is. Free some"
            " space, or work on a copy that you may write to, and send it again.",
        ) from error
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # a mistake of ours
            raise
        raise DatasetError(
            f"is damaged: {error}",
            path=file,
            remedy="Restore it from a copy. The labels stay as they were when last applied.",
        ) from error
