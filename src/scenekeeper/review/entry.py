"""One question of the queue, before its card is made: what to ask, why, and how long it takes."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b

from scenekeeper.review.cards import CardKind
from scenekeeper.review.events import Sample, Subject
from scenekeeper.review.units import Units


@dataclass(frozen=True)
class Entry:
    """One question of the queue.

    Attributes:
        kind: of the card.
        subject: whom it is about; of a gallery, its first tile's.
        rows: rows in the units that an answer covers; none of frames and statements.
        sample: why it is asked.
        seconds: that it is expected to take.
        gain: wrong labels that it is expected to put right.
        keys: whose cards no other person may hold at the same time.
        cluster: what makes entries alike; two alike do not follow each other.
        not_for: who must not be asked.
        statement: sentence that a relation or caption card asks about.
        repeated: whether it was asked before and has to be asked again, as another card.
    """

    kind: CardKind
    subject: Subject
    rows: tuple[int, ...] = ()
    sample: Sample = field(default_factory=lambda: Sample("repair"))
    seconds: float = 3.0
    gain: float = 0.0
    keys: tuple[str, ...] = ()
    cluster: str = ""
    not_for: frozenset[str] = frozenset()
    statement: str = ""
    repeated: bool = False

    @property
    def id(self) -> str:
        """Name of its card: the same for the same question about the same labels.

        It starts with the kind, which a person sees; why the card is shown does not show in it.
        """
        s = self.sample
        apart = s.stream in ("gold", "duplicate") or self.repeated
        why = (s.stream if apart else "", s.planted, s.snapshot)
        told = repr((self.kind, self.subject.key, self.rows, self.statement, why))
        return f"{self.kind}-{blake2b(told.encode(), digest_size=10).hexdigest()}"


def group_key(units: Units, row: int) -> str:
    """Under which key a unit is held: its object's where it has one, else its own."""
    thing = int(units.object[row])
    return f"object//{thing}" if thing >= 0 else f"track/{units.session[row]}/{units.track[row]}"
