"""Which questions were dealt, kept beside the log: an answer may come after the server was gone.

In: entries of the queue as they are dealt. Out: the same, by the id of their card. Why a card was
shown must not be lost, or its answer could not be counted; what it showed is made anew.
"""

from __future__ import annotations

import json
import math
import sqlite3
import threading
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scenekeeper.errors import DatasetError
from scenekeeper.review.entry import Entry
from scenekeeper.review.events import Sample, Subject

FILE = "review/dealt.sqlite"
KEPT_SECONDS = 90 * 86_400
"""A browser that has not sent its answers for this long will not."""


class Dealt:
    """The dealt entries of a dataset; for several threads and processes."""

    def __init__(self, dataset: Path) -> None:
        file = dataset / FILE
        file.parent.mkdir(exist_ok=True)
        self._lock = threading.Lock()
        try:
            self._db = _opened(file)
        except sqlite3.OperationalError as error:
            raise DatasetError(
                f"cannot be used: {error}",
                path=file,
                remedy="Free some space, or work on a copy that you may write to.",
            ) from error
        except sqlite3.DatabaseError:  # no decision is in it
            file.replace(file.with_suffix(".damaged"))
            self._db = _opened(file)

    def put(self, entries: Iterable[Entry]) -> None:
        """Remember entries before their cards leave.

        Raises:
            DatasetError: the disk is full.
        """
        now = time.time()
        rows = [(e.id, now, _to_json(e)) for e in entries]
        try:
            with self._lock, self._db:
                self._db.executemany("INSERT OR REPLACE INTO dealt VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise DatasetError(
                f"the dealt cards cannot be kept: {error}",
                remedy="Free some space; no decision is lost.",
            ) from error

    def get(self, card: str) -> Entry | None:
        """The entry of a card; ``None`` if it was not dealt."""
        with self._lock:
            found = self._db.execute("SELECT entry FROM dealt WHERE card = ?", (card,)).fetchone()
        return None if found is None else _from_json(found[0])

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._db.close()


def _opened(file: Path) -> sqlite3.Connection:
    db = sqlite3.connect(file, timeout=30, check_same_thread=False)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    with db:
        db.execute("CREATE TABLE IF NOT EXISTS dealt(card TEXT PRIMARY KEY, at REAL, entry TEXT)")
        db.execute("DELETE FROM dealt WHERE at < ?", (time.time() - KEPT_SECONDS,))
    return db


def _to_json(entry: Entry) -> str:
    data = asdict(entry)
    data["not_for"] = sorted(entry.not_for)
    if math.isnan(entry.sample.pi):
        data["sample"]["pi"] = None
    return json.dumps(data)


def _from_json(text: str) -> Entry:
    data: dict[str, Any] = json.loads(text)
    sample = data["sample"]
    sample["pi"] = math.nan if sample["pi"] is None else sample["pi"]
    return Entry(
        **{
            **data,
            "subject": Subject(**data["subject"]),
            "sample": Sample(**sample),
            "rows": tuple(data["rows"]),
            "keys": tuple(data["keys"]),
            "not_for": frozenset(data["not_for"]),
        }
    )
