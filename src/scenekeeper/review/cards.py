"""One question to a person: what it is about, what to look at, and what the machine believes.

A card is plain data. It holds no pictures, only where they are to be cut from; and nothing that
would tell a repair card from an audit, a seeded error or a duplicate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from scenekeeper.review.events import Sample, Subject

CardKind = Literal["track", "object", "pair", "gallery", "relation", "caption", "frame"]


@dataclass(frozen=True)
class View:
    """One picture on a card: a window of a frame, and the thing in it.

    Attributes:
        session: the session and
        frame_id: frame to decode.
        seconds: since the session's start.
        size: ``(H, W)`` of the whole frame, pixels.
        window_xyxy: what is shown of it, whole pixels.
        box_xyxy: the thing's box; ``None`` = the frame is shown without.
        counts: the thing's mask as COCO run lengths of the whole frame; ``None`` = no mask.
        risk: whether it is here because the machine doubts it, not by even spacing.
    """

    session: str
    frame_id: int
    seconds: float
    size: tuple[int, int]
    window_xyxy: tuple[int, int, int, int]
    box_xyxy: tuple[float, float, float, float] | None = None
    counts: str | None = None
    risk: bool = False


@dataclass(frozen=True)
class Part:
    """One thing on a card that shows several: a side of a pair, a tile of a gallery, a track.

    Attributes:
        subject: whom a decision about this part is about.
        revision: of that subject.
        phrase: what the machine calls it.
        frames: how many labels it has.
        views: what to look at.
    """

    subject: Subject
    revision: int
    phrase: str
    frames: int
    views: tuple[View, ...]


@dataclass(frozen=True)
class Card:
    """One question.

    Attributes:
        id: the same for the same question about the same labels.
        kind: which layout and keys it takes.
        subject: whom it is about; of a gallery, its first part's.
        revision: number of the last event about the subject that the card knows of; a decision
            that comes with an older one than is stored becomes a conflict.
        phrase: what the machine calls it; empty for frames.
        choices: other names, most likely first; without probabilities, so that the machine's
            confidence sways nobody.
        statement: the sentence that a relation or caption card asks about.
        views: the filmstrip, in time order; of a frame card, the one frame.
        context: the whole frame around one of the views.
        series: ``(frame_id, score)`` of the track over time, at most 200, for the sparkline.
        parts: of pairs, galleries and objects.
        frames: labels that one decision covers,
        sessions: in so many sessions.
        seconds: what the card is expected to take a person.
        sample: why it is shown. Stays on the server.
    """

    id: str
    kind: CardKind
    subject: Subject
    revision: int
    phrase: str = ""
    choices: tuple[str, ...] = ()
    statement: str = ""
    views: tuple[View, ...] = ()
    context: View | None = None
    series: tuple[tuple[int, float], ...] = ()
    parts: tuple[Part, ...] = ()
    frames: int = 1
    sessions: int = 1
    seconds: float = 3.0
    sample: Sample = field(default_factory=Sample)

    def to_page(self) -> Mapping[str, Any]:
        """Plain JSON values for the page: everything but why the card is shown."""
        data = asdict(self)
        del data["sample"], data["seconds"]
        return data
