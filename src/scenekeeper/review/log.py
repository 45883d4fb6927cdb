"""What people decided, in order and for good: an append-only, hash-chained log in SQLite.

In: decisions, checked before. Out: a receipt for each, the events in order, and a proof that none
was altered. It also lends cards to reviewers, so that two never answer the same one unknowingly.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from scenekeeper.review.chain import GENESIS, Link, broken, checked, linked
from scenekeeper.review.events import MAX_BODY, Decision, Event
from scenekeeper.review.log_file import opened, opened_to_read, told

FILE = "review/events.sqlite"

MAX_EVENT = 2 * MAX_BODY
"""Characters of an event: a decision, and what the server adds to it."""

_PAGE = 1000
_LINKS = (
    "SELECT seq, id, received_ns, salt, decision, digest, previous, hash, erased_ns FROM event"
    " WHERE seq > ? ORDER BY seq LIMIT ?"
)

Verdict = Literal["saved", "already", "conflict", "refused"]


@dataclass(frozen=True)
class Receipt:
    """What became of a decision.

    Attributes:
        id: the decision's.
        status: ``saved``; ``already``, as the same was saved before; ``conflict``, as somebody
            else has decided since the reviewer looked: kept aside, see :meth:`Log.conflicts`;
            ``refused``, as it can never be saved.
        seq: its place in the log; of a conflict, that of the event it conflicts with; 0 if refused.
        reason: why it was not saved.
    """

    id: str
    status: Verdict
    seq: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Conflict:
    """A decision made without knowing of another one; somebody has to look again.

    Attributes:
        decision: what came too late.
        against: number of the event that it conflicts with.
    """

    decision: Decision
    against: int


@dataclass(frozen=True)
class Head:
    """How far a log has come.

    Attributes:
        events: how many it holds, which is the number of the last,
        erased: and how many of them without content.
        hash: of the last. Kept elsewhere, it proves later that nothing up to here was altered.
    """

    events: int
    erased: int
    hash: str


class Log:
    """The log of a dataset, open; safe for several threads and processes."""

    def __init__(self, db: sqlite3.Connection, file: Path) -> None:
        self._db, self._file = db, file
        self._lock = threading.RLock()

    @classmethod
    def open(cls, dataset: Path) -> Log:
        """Open the log of a dataset to write to it, making an empty one if there is none.

        Raises:
            DatasetError: it cannot be written, is damaged, or is of a newer release.
        """
        file = dataset / FILE
        return cls(opened(file), file)

    @classmethod
    def read(cls, dataset: Path) -> Log | None:
        """Open the log of a dataset, which may be read-only; ``None`` if there is none.

        Raises:
            DatasetError: it cannot be read, is damaged, or is of a newer release.
        """
        file = dataset / FILE
        return cls(opened_to_read(file), file) if file.exists() else None

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- writing ----------------------------------------------------------------------------------

    def append(self, decisions: Sequence[Decision]) -> list[Receipt]:
        """Save decisions, all of them durably or, if this raises, none.

        Sending a decision again saves it once. A decision whose ``base`` is older than the last
        event that somebody else has made about its subject is a conflict. What one decided oneself,
        or on the same card, one has seen.

        Returns:
            A receipt for each, in order.

        Raises:
            DatasetError: the disk is full or the log cannot be written; nothing was saved, and
                sending the same again later is safe.
        """
        prepared = [(d, d.to_json()) for d in decisions]
        receipts = []
        with self._transaction():
            head = self.head()
            seq, previous = head.events, head.hash
            for decision, text in prepared:
                receipt = self._judged(decision, text)
                if receipt is None:
                    seq += 1
                    link = linked(decision, text, seq, time.time_ns(), previous)
                    self._save(decision, link)
                    previous, receipt = link.hash, Receipt(decision.id, "saved", seq)
                receipts.append(receipt)
        return receipts

    def _judged(self, d: Decision, text: str) -> Receipt | None:
        """Why a decision is not to be saved; ``None`` if it is."""
        if len(text) > MAX_EVENT:
            return Receipt(d.id, "refused", 0, f"an event may take {MAX_EVENT:,} characters")
        known = self._one("SELECT seq, decision FROM event WHERE id = ?", d.id)
        if known is not None:
            return _again(Decision.from_json(text), *known)
        if d.op == "undo" and not self._subject(d):
            return Receipt(d.id, "refused", 0, "there is no such event to undo")
        return self._conflict(d, text) if d.base >= 0 else None

    def _conflict(self, d: Decision, text: str) -> Receipt | None:
        subject = self._subject(d)
        against = self._one(
            "SELECT max(seq) FROM event WHERE subject = ? AND seq > ?"
            # One card may have been two people's, one after the other.
            " AND NOT (actor = ? AND (actor <> '' OR (card <> '' AND card = ?)))",
            *(subject, d.base, d.actor, d.card),
        )[0]
        if against is None:
            return None
        row = (d.id, subject, time.time_ns(), text, against)
        self._db.execute("INSERT OR IGNORE INTO stale VALUES (?, ?, ?, ?, ?)", row)
        return Receipt(d.id, "conflict", against, "somebody else has decided on this meanwhile")

    def _subject(self, d: Decision) -> str:
        """Key of the subject; undoing an event is about what that was about, if there is such."""
        if d.op != "undo":
            return d.subject.key
        found = self._one("SELECT subject FROM event WHERE id = ?", d.body["of"])
        return "" if found is None else found[0] or ""

    def _save(self, d: Decision, link: Link) -> None:
        row = (link.seq, link.id, self._subject(d), d.actor, d.card, link.received_ns)
        self._db.execute(
            "INSERT INTO event(seq, id, subject, actor, card, received_ns, salt, decision, digest,"
            " previous, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*row, link.salt, link.decision, link.digest, link.previous, link.hash),
        )

    def erase(self, chosen: Callable[[Decision], bool], reason: str) -> int:
        """Erase the content of some events for good; the chain stays whole.

        What remains of one is its number, its id, when it came and when and why it was erased. It
        counts for nothing from then on.

        Returns:
            How many were erased.
        """
        with self._transaction():
            now = time.time_ns()
            gone = [(now, reason, e.seq) for e in self.events() if chosen(e.decision)]
            self._db.executemany(
                "UPDATE event SET subject = NULL, actor = NULL, card = NULL, salt = NULL,"
                " decision = NULL, erased_ns = ?, erased_for = ? WHERE seq = ?",
                gone,
            )
            late = self._db.execute("SELECT id, decision FROM stale").fetchall()
            late = [(i,) for i, text in late if chosen(Decision.from_json(text))]
            self._db.executemany("DELETE FROM stale WHERE id = ?", late)
        with self._lock, told(self._file):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # nor is it left in the journal
        return len(gone)

    # --- reading ----------------------------------------------------------------------------------

    def events(self, since: int = 0) -> Iterator[Event]:
        """Events with content, in order, that come after number ``since``.

        Raises:
            ReviewError: one of them was altered or taken out; says which.
        """
        return (event for _, event in self._checked(since) if event is not None)

    def _checked(self, since: int) -> Iterator[tuple[Link, Event | None]]:
        seq, previous = since, None
        while True:
            with self._lock, told(self._file):
                rows = self._db.execute(_LINKS, (seq, _PAGE)).fetchall()
            for row in rows:
                link = Link(*row)
                event = checked(link, seq + 1, link.previous if previous is None else previous)
                yield link, event
                seq, previous = link.seq, link.hash
            if len(rows) < _PAGE:
                return

    def revision(self, subject_key: str) -> int:
        """Number of the last event about a subject; 0 = there is none."""
        with self._lock, told(self._file):
            found = self._one("SELECT max(seq) FROM event WHERE subject = ?", subject_key)
        return int(found[0] or 0)

    def conflicts(self) -> list[Conflict]:
        """Decisions that came too late and on whose subject nobody has decided again since."""
        with self._lock, told(self._file):
            rows = self._db.execute(
                "SELECT decision, against FROM stale s WHERE NOT EXISTS (SELECT 1 FROM event e"
                " WHERE e.subject = s.subject AND e.seq > s.against) ORDER BY received_ns, id"
            ).fetchall()
        return [Conflict(Decision.from_json(text), against) for text, against in rows]

    def head(self) -> Head:
        """How far the log has come; nothing is checked."""
        with self._lock, told(self._file):
            seq, own = self._one("SELECT seq, hash FROM event ORDER BY seq DESC LIMIT 1") or (
                0,
                GENESIS,
            )
            erased = self._one("SELECT count(*) FROM event WHERE erased_ns IS NOT NULL")[0]
        return Head(seq, erased, own)

    def verify(self, kept: Head | None = None) -> Head:
        """Make sure that no event was altered, taken out or put in.

        Args:
            kept: what an earlier call returned, for example beside a certificate. Without it, a
                log that was rewritten as a whole from some event on cannot be told.

        Raises:
            ReviewError: says which event is not what it was.
        """
        with self._lock, told(self._file):
            most = self._one("SELECT seq FROM sqlite_sequence WHERE name = 'event'")
        seq, previous, erased = 0, GENESIS, 0
        for link, event in self._checked(0):
            if link.seq == 1 and link.previous != GENESIS:
                raise broken(1, "is not the first")
            seq, previous, erased = link.seq, link.hash, erased + (event is None)
            if kept is not None and seq == kept.events and previous != kept.hash:
                raise broken(seq, "is not the event that it was")
        if seq < max(most[0] if most else 0, kept.events if kept else 0):
            raise broken(seq + 1, "is missing")
        return Head(seq, erased, previous)

    # --- leases -----------------------------------------------------------------------------------

    def lease(self, keys: Sequence[str], actor: str, seconds: float) -> list[str]:
        """Lend cards to a reviewer for a while.

        Returns:
            Those of ``keys`` that nobody else holds, in order; what one holds is lent anew.
        """
        with self._transaction():
            now = time.time()
            held = self._held(now)
            got = [key for key in dict.fromkeys(keys) if held.get(key, actor) == actor]
            self._db.execute("DELETE FROM lease WHERE expires <= ?", (now,))
            self._db.executemany(
                "INSERT OR REPLACE INTO lease VALUES (?, ?, ?, ?)",
                [(key, actor, now, now + seconds) for key in got],
            )
        return got

    def leases(self) -> dict[str, str]:
        """Cards that are lent, and to whom."""
        with self._lock, told(self._file):
            return self._held(time.time())

    def renew(self, actor: str, seconds: float) -> None:
        """Lend a reviewer for longer what they hold."""
        with self._transaction():
            now = time.time()
            self._db.execute(
                "UPDATE lease SET since = ?, expires = ? WHERE actor = ? AND since <= ?"
                " AND expires > ?",
                (now, now + seconds, actor, now, now),
            )

    def release(self, keys: Iterable[str], actor: str) -> None:
        """Take back cards from the reviewer who holds them."""
        with self._transaction():
            self._db.executemany(
                "DELETE FROM lease WHERE key = ? AND actor = ?", [(key, actor) for key in keys]
            )

    def _held(self, now: float) -> dict[str, str]:
        # Lent in the future: the clock was set back, and must not leave a card lent for as long.
        rows = self._db.execute(
            "SELECT key, actor FROM lease WHERE since <= ? AND expires > ?", (now, now)
        )
        return dict(rows.fetchall())

    # --- SQLite -----------------------------------------------------------------------------------

    def _one(self, query: str, *parameters: object) -> Any:
        return self._db.execute(query, parameters).fetchone()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, told(self._file):  # one connection serves all threads
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite itself rolls back where a disk is full
                    self._db.execute("ROLLBACK")
                raise


def _again(d: Decision, seq: int, text: str | None) -> Receipt:
    """The receipt of a decision whose id is known."""
    if text is None:
        return Receipt(d.id, "refused", 0, "this event has been erased")
    known = Decision.from_json(text)
    # What the server adds may differ by the time that a client tries again.
    same = all(
        getattr(known, name) == getattr(d, name)
        for name in ("op", "subject", "body", "first", "last")
    )
    if not same:
        return Receipt(d.id, "refused", 0, "another decision has this id")
    return Receipt(d.id, "already", seq)
