"""The chain of hashes that shows whether any event of a log was altered, taken out or put in.

Each event's hash covers the event before it and a salted digest of its own content. So an event
whose content has to be erased leaves its place in the chain, and nothing that could be guessed at.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass

from scenekeeper.errors import ReviewError
from scenekeeper.review.events import Decision, Event

GENESIS = "0" * 64
"""What the first event has for the hash of the event before it."""


@dataclass(frozen=True)
class Link:
    """An event as it is stored.

    Attributes:
        seq: its number, from 1.
        id: of its decision.
        received_ns: when it came.
        salt: 16 random bytes; ``None`` once it is erased.
        decision: its decision as JSON; ``None`` once it is erased.
        digest: SHA-256 over salt and decision, hexadecimal.
        previous: hash of the event before it.
        hash: SHA-256 over ``previous seq received_ns digest`` with single spaces, hexadecimal.
        erased_ns: when its content was erased.
    """

    seq: int
    id: str
    received_ns: int
    salt: bytes | None
    decision: str | None
    digest: str
    previous: str
    hash: str
    erased_ns: int | None = None


def linked(decision: Decision, text: str, seq: int, received_ns: int, previous: str) -> Link:
    """The next link of a chain; ``text`` is the decision as JSON."""
    salt = os.urandom(16)
    digest = _digest(salt, text)
    own = _hash(previous, seq, received_ns, digest)
    return Link(seq, decision.id, received_ns, salt, text, digest, previous, own)


def checked(link: Link, seq: int, previous: str) -> Event | None:
    """The event of a link, which has to be number ``seq`` after the hash ``previous``.

    Returns:
        ``None`` if its content was erased.

    Raises:
        ReviewError: it is another, or was altered.
    """
    if link.seq != seq:
        raise broken(seq, "is missing")
    own = _hash(previous, seq, link.received_ns, link.digest)
    if (link.previous, link.hash) != (previous, own):
        raise broken(seq, "does not follow from the event before it")
    if (link.decision is None) != (link.erased_ns is not None):
        raise broken(seq, "has lost its content")
    if link.decision is None:
        return None
    if link.salt is None or link.digest != _digest(link.salt, link.decision):
        raise broken(seq, "has been altered")
    decision = Decision.from_json(link.decision)
    if decision.id != link.id:
        raise broken(seq, "has been altered")
    return Event(seq, decision, link.received_ns, previous, own)


def broken(seq: int, what: str) -> ReviewError:
    """The error that an event is not what it was."""
    return ReviewError(
        what,
        path="review/events.sqlite",
        place=f"event {seq}",
        remedy="Somebody or something has written into the log. Restore the file from a copy:"
        " labels, estimates and certificates need all of it.",
    )


def _digest(salt: bytes, text: str) -> str:
    return hashlib.sha256(salt + text.encode()).hexdigest()


def _hash(previous: str, seq: int, received_ns: int, digest: str) -> str:
    return hashlib.sha256(f"{previous} {seq} {received_ns} {digest}".encode()).hexdigest()
