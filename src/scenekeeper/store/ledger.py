"""What ran when, and who is working on what: SQLite beside the segments, rebuildable from them.

The segments alone decide what is done. The ledger adds timings, reasons of failure, and leases
by which several processes share one dataset without doing a clip twice.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from scenekeeper.errors import DatasetError

FILE = "ledger.sqlite"
LEASE_SECONDS = 60.0
"""A worker that has not renewed its lease for this long is taken for dead."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS work(
  stage TEXT, run TEXT, session TEXT, clip INTEGER, status TEXT, seconds REAL, frames INTEGER,
  error TEXT, worker TEXT, ended_ns INTEGER, attempts INTEGER,
  PRIMARY KEY (stage, run, session, clip));
CREATE TABLE IF NOT EXISTS leases(
  key TEXT PRIMARY KEY, worker TEXT, expires REAL);
"""


class Ledger:
    """Open (or make) the ledger of a dataset; safe for several processes and threads."""

    def __init__(self, dataset: Path) -> None:
        self._lock = threading.Lock()
        self._worker = f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"
        file = dataset / FILE
        try:
            self._db = _opened(file)
        except sqlite3.OperationalError as error:
            raise DatasetError(
                f"cannot be used: {error}",
                path=file,
                remedy="Free some space, or work on a copy that you may write to.",
            ) from error
        except sqlite3.DatabaseError:  # damaged; all it says of what is done is in the segments
            file.replace(file.with_suffix(".damaged"))
            self._db = _opened(file)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def done(
        self, stage: str, run: str, session: str, clip: int, seconds: float, frames: int
    ) -> None:
        """Record a finished piece of work."""
        self._record((stage, run, session, clip, "done", seconds, frames, None))

    def failed(self, stage: str, run: str, session: str, clip: int, error: str) -> None:
        """Record a failed piece of work with its reason."""
        self._record((stage, run, session, clip, "failed", None, None, error))

    def found(self, pieces: Iterable[tuple[str, str, str, int, int]], keys: Iterable[str]) -> None:
        """Record pieces whose segments are there, though who made them may have died before.

        Args:
            pieces: ``(stage, run, session, clip, frames)`` of each.
            keys: of their leases, which the dead give back.
        """
        with self._transaction():
            self._db.executemany(
                "INSERT INTO work VALUES (?, ?, ?, ?, 'done', NULL, ?, NULL, NULL, NULL, 0)"
                " ON CONFLICT DO UPDATE SET status='done', frames=excluded.frames, error=NULL"
                " WHERE status<>'done'",
                pieces,
            )
            held = self._db.execute("SELECT key, worker, expires FROM leases").fetchall()
            now, asked = time.time(), set(keys)
            left = [
                (k,) for k, who, until in held if k in asked and (until < now or not _alive(who))
            ]
            self._db.executemany("DELETE FROM leases WHERE key=?", left)

    def _record(self, row: tuple[object, ...]) -> None:
        with self._transaction():
            self._db.execute(
                "INSERT INTO work VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)"
                " ON CONFLICT DO UPDATE SET status=excluded.status, seconds=excluded.seconds,"
                " frames=excluded.frames, error=excluded.error, worker=excluded.worker,"
                " ended_ns=excluded.ended_ns, attempts=attempts+1",
                (*row, self._worker, time.time_ns()),
            )

    def claim(self, key: str) -> bool:
        """Take the lease of a piece of work, unless a living worker holds it."""
        now = time.time()
        with self._transaction():
            held = self._db.execute("SELECT worker, expires FROM leases WHERE key=?", (key,))
            row = held.fetchone()
            if row and row[0] != self._worker and row[1] > now and _alive(row[0]):
                return False
            self._db.execute(
                "INSERT OR REPLACE INTO leases VALUES (?, ?, ?)",
                (key, self._worker, now + LEASE_SECONDS),
            )
        return True

    def renew(self) -> None:
        """Push back the expiry of every lease this worker holds."""
        with self._transaction():
            self._db.execute(
                "UPDATE leases SET expires=? WHERE worker=?",
                (time.time() + LEASE_SECONDS, self._worker),
            )

    def release(self, key: str) -> None:
        """Give a lease back."""
        with self._transaction():
            self._db.execute("DELETE FROM leases WHERE key=? AND worker=?", (key, self._worker))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:  # one connection serves all threads of a worker
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


def failures(dataset: Path) -> list[tuple[str, str, int, str]]:
    """``(stage, session, clip, reason)`` of every piece whose last attempt failed."""
    return _read(
        dataset,
        "SELECT stage, session, clip, error FROM work WHERE status='failed'"
        " ORDER BY session, clip, stage",
    )


def seconds(dataset: Path, session: str) -> dict[str, float]:
    """Seconds of work each stage has taken on a session, over all processes."""
    query = "SELECT stage, sum(seconds) FROM work WHERE session=? AND status='done' GROUP BY stage"
    return dict(_read(dataset, query, session))


def _read(dataset: Path, query: str, *parameters: str) -> list[Any]:
    """Rows of a ledger; none where there is no ledger or it cannot be read."""
    file = dataset / FILE
    # A folder that cannot be written to has no place for what shared reading needs.
    for how in ("mode=ro", "mode=ro&immutable=1"):
        address = f"{file.resolve().as_uri()}?{how}"
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=30)) as db:
                return db.execute(query, parameters).fetchall()
        except sqlite3.DatabaseError:
            continue
    return []


def _opened(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file, timeout=30, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.executescript(_SCHEMA)
    return db


def _started(pid: int) -> str:
    """Start time of a process, so that a reused process id is not taken for the same worker."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return "?"


def _alive(worker: str) -> bool:
    """Whether a worker may still be running; one on another host is believed until it expires."""
    host, pid, started = worker.rsplit(":", 2)
    if host != socket.gethostname():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    found = _started(int(pid))
    return found == started or "?" in (found, started)
