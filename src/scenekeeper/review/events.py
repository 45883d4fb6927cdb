"""What a person decided: one immutable event, whom it is about, and how far it reaches.

In: JSON from a page, a file or another tool. Out: frozen dataclasses that are checked once, here.
An event is never edited; undoing one is another event.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from scenekeeper.errors import ReviewError
from scenekeeper.schema import NO_ID

Kind = Literal["object", "track", "pair", "frame", "relation", "caption"]
Op = Literal[
    "accept",  # what the machine says is right, in all frames of the subject
    "reject",  # there is no such thing, relation or fact
    "relabel",  # it is called otherwise
    "trim",  # it is right in a range of frames only
    "split",  # from a frame on it is another thing
    "same",  # two tracks or objects are one thing
    "different",  # and are not
    "box",  # its box in one frame
    "mask",  # its mask in one frame
    "add",  # something that no label shows
    "caption",  # what should be said instead
    "unsure",  # a person cannot tell either
    "complete",  # everything in a frame has been marked
    "undo",  # an earlier event does not count
]
Stream = Literal["repair", "audit", "gold", "duplicate", "import", "free"]
"""Why a card was shown; ``free`` is what somebody corrected without being asked."""

KINDS: tuple[str, ...] = get_args(Kind)
OPS: tuple[str, ...] = get_args(Op)
STREAMS: tuple[str, ...] = get_args(Stream)

MAX_BODY = 1_000_000
"""Characters of a decision as JSON; the mask of a 4K picture takes a tenth of it."""

_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_OF: Mapping[str, frozenset[str]] = {
    "object": frozenset({"accept", "reject", "relabel", "unsure", "undo"}),
    "track": frozenset(
        {"accept", "reject", "relabel", "trim", "split", "box", "mask", "unsure", "undo"}
    ),
    "pair": frozenset({"same", "different", "unsure", "undo"}),
    "frame": frozenset({"add", "complete", "unsure", "undo"}),
    "relation": frozenset({"accept", "reject", "unsure", "undo"}),
    "caption": frozenset({"accept", "caption", "reject", "unsure", "undo"}),
}
"""Which decisions there are about what."""


@dataclass(frozen=True)
class Subject:
    """Whom a decision is about.

    Attributes:
        kind: one of :data:`KINDS`.
        session: its session; empty = all sessions (an object, or a pair of objects).
        id: the object, the track, the frame, or the first of a pair or relation.
        other: the second of a pair or relation.
        predicate: of a relation.
    """

    kind: Kind
    session: str = ""
    id: int = NO_ID
    other: int = NO_ID
    predicate: str = ""

    @property
    def key(self) -> str:
        """The subject in one line, the same for the same subject, whichever of a pair is first."""
        ends = [self.id] if self.other == NO_ID else [self.id, self.other]
        named = "/".join(map(str, sorted(ends) if self.kind == "pair" else ends))
        said = f"/{self.predicate}" if self.predicate else ""
        return f"{self.kind}/{self.session}/{named}{said}"

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Subject:
        """From JSON.

        Raises:
            ReviewError: it is no subject.
        """
        subject = cls(
            _one_of(data, "kind", KINDS),  # type: ignore[arg-type]
            _text(data.get("session", ""), "session", 200),
            _whole(data.get("id"), "id"),
            _whole(data.get("other", NO_ID), "other"),
            _text(data.get("predicate", ""), "predicate", 60),
        )
        if (subject.kind in ("pair", "relation")) != (subject.other != NO_ID):
            raise ReviewError(f"a {subject.kind} is not about so many things")
        if not subject.session and subject.kind not in ("object", "pair"):
            raise ReviewError(f"a {subject.kind} belongs to a session")
        return subject


@dataclass(frozen=True)
class Sample:
    """How a card came to be shown; what estimates are computed from.

    Attributes:
        stream: one of :data:`STREAMS`. The reviewer is not told.
        design: of the seeded draw of an audit: ``tracks`` (in proportion to their labels), or
            simple random ``frames``, ``relations``, ``captions``; empty for other streams.
        pi: probability with which the unit was included; NaN where it was not drawn.
        rank: place of the unit in the draw's random order, from 0; -1 = none.
        seed: of the draw.
        snapshot: of the labels that it was drawn from.
        planted: of a gold card, what was put into it: ``phrase`` or ``ghost``; empty otherwise.
    """

    stream: Stream = "free"
    design: str = ""
    pi: float = math.nan
    rank: int = -1
    seed: int = 0
    snapshot: str = ""
    planted: str = ""


@dataclass(frozen=True)
class Decision:
    """What somebody decided, as a client sends it and the server completes it.

    Attributes:
        id: made by the client, so that sending it twice is recorded once.
        op: one of :data:`OPS`.
        subject: whom it is about.
        body: what the operation needs, see :func:`checked_body`.
        actor: who decided.
        t_ns: when, by the client's clock; informs, never orders.
        base: the subject's revision that the person saw; -1 = do not check.
        think_ms: how long it took.
        client: version of the page or tool.
        card: the card it answers, if any.
        sample: how that card was drawn.
        first: first and
        last: last ``frame_id`` that it covers, inclusive; ``None`` = all frames of the subject.
        runs: per session, the run of the labels that the person saw.
        anchor: ``(session, frame_id, x0, y0, x1, y1)`` of what the person looked at. By it a
            decision about a track finds its track again once labels are made anew.
    """

    id: str
    op: Op
    subject: Subject
    body: Mapping[str, Any] = field(default_factory=dict)
    actor: str = ""
    t_ns: int = 0
    base: int = -1
    think_ms: int = 0
    client: str = ""
    card: str = ""
    sample: Sample = field(default_factory=Sample)
    first: int | None = None
    last: int | None = None
    runs: Mapping[str, str] = field(default_factory=dict)
    anchor: tuple[tuple[str, int, float, float, float, float], ...] = ()

    def to_json(self) -> str:
        """One line of JSON, keys sorted: what is hashed and stored."""
        pi = None if math.isnan(self.sample.pi) else self.sample.pi
        sample = {**vars(self.sample), "pi": pi}
        data = {**vars(self), "subject": vars(self.subject), "sample": sample}
        return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Decision:
        """Read back what :meth:`to_json` wrote."""
        data = json.loads(text)
        sample = data.pop("sample")
        sample["pi"] = math.nan if sample["pi"] is None else sample["pi"]
        return cls(
            **{
                **data,
                "subject": Subject(**data["subject"]),
                "sample": Sample(**sample),
                "anchor": tuple(tuple(a) for a in data["anchor"]),
            }
        )

    @classmethod
    def of(cls, data: Any) -> Decision:
        """From a client's JSON; what only the server knows (actor, sample, runs) is left out.

        Raises:
            ReviewError: it is no decision; says which part is wrong.
        """
        if not isinstance(data, Mapping):
            raise ReviewError("a decision is a JSON object")
        if len(json.dumps(data)) > MAX_BODY:
            raise ReviewError(f"a decision may take {MAX_BODY:,} characters", place="decision")
        identity = _text(data.get("id"), "id", 64)
        if not _ID.fullmatch(identity):
            raise ReviewError("is 8 to 64 letters, digits, - or _", place="id")
        subject = Subject.of(_object(data.get("subject"), "subject"))
        op = _one_of(data, "op", OPS)
        if op not in _OF[subject.kind]:
            raise ReviewError(f"{op!r} cannot be said of a {subject.kind}", place="op")
        body = checked_body(op, _object(data.get("body", {}), "body"))
        first, last = (_frame_or_none(data.get(name), name) for name in ("first", "last"))
        if first is not None and last is not None and first > last:
            raise ReviewError("frames end before they begin", place="first")
        return cls(
            identity,
            op,  # type: ignore[arg-type]
            subject,
            body,
            t_ns=_whole(data.get("t_ns", 0), "t_ns"),
            base=_whole(data.get("base", -1), "base"),
            think_ms=max(0, _whole(data.get("think_ms", 0), "think_ms")),
            client=_text(data.get("client", ""), "client", 60),
            card=_text(data.get("card", ""), "card", 80),
            first=first,
            last=last,
        )


@dataclass(frozen=True)
class Event:
    """A decision as the log keeps it.

    Attributes:
        seq: its place in the log, from 1; the order that counts.
        decision: what was decided.
        received_ns: when, by the server's clock.
        previous: hash of the event before, 64 hexadecimal digits.
        hash: SHA-256 over ``previous``, ``seq``, ``received_ns`` and a salted digest of the
            decision's JSON, so that the chain stays whole where a decision has to be erased.
    """

    seq: int
    decision: Decision
    received_ns: int
    previous: str
    hash: str


# --- what an operation needs ----------------------------------------------------------------------


def checked_body(op: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a decision with nothing but what its operation needs.

    ``relabel`` needs ``phrase``; ``trim`` ``first`` and ``last``; ``split`` ``frame``, and may give
    the later part a ``phrase``; ``box`` ``frame`` and ``box_xyxy``; ``mask`` ``frame``, ``counts``
    (COCO run lengths) and optionally ``clicks`` ``[[x, y, positive]]`` and what a segmenter
    ``carried`` it to, ``[[frame, counts]]``; ``add`` ``phrase`` and ``box_xyxy``, optionally
    ``counts``; ``caption`` ``text``; ``complete`` how many were ``missed``; ``undo`` the id ``of``
    the event. ``accept`` may say the ``phrase`` that was shown, and both it and ``reject`` the
    ``text`` of a caption; by it they hold for that text only.

    Raises:
        ReviewError: something is missing or wrong.
    """
    out: dict[str, Any] = {}
    for name, check in _BODY.get(op, {}).items():
        optional = name.endswith("?")
        key = name.removesuffix("?")
        if body.get(key) is None:
            if not optional:
                raise ReviewError(f"{op!r} needs {key!r}", place="body")
            continue
        out[key] = check(body[key], f"body.{key}")
    if op == "trim" and out["first"] > out["last"]:
        raise ReviewError("frames end before they begin", place="body.first")
    return out


def phrase(value: Any, place: str) -> str:
    """A name as one says it: single spaces, not empty, at most 100 characters.

    Raises:
        ReviewError: it is not.
    """
    text = " ".join(_text(value, place, 100).split())
    if not text:
        raise ReviewError("the name is empty", place=place, remedy='Say what it is: "white mug".')
    return text


def _box(value: Any, place: str) -> list[float]:
    numbers = _numbers(value, place, 4)
    if not (numbers[0] < numbers[2] and numbers[1] < numbers[3]):
        raise ReviewError("a box is [x0, y0, x1, y1] with x0 < x1 and y0 < y1", place=place)
    return numbers


def _clicks(value: Any, place: str) -> list[list[float]]:
    if not isinstance(value, list) or len(value) > 200:
        raise ReviewError("clicks are a list of [x, y, positive]", place=place)
    return [_numbers(click, place, 3) for click in value]


def _numbers(value: Any, place: str, n: int) -> list[float]:
    good = isinstance(value, list | tuple) and len(value) == n
    good = good and all(isinstance(v, int | float) and math.isfinite(v) for v in value)
    if not good or any(abs(v) > 1e6 for v in value):
        raise ReviewError(f"is {n} finite numbers", place=place)
    return [float(v) for v in value]


def _counts(value: Any, place: str) -> str:
    text = _text(value, place, MAX_BODY)
    if not text or any(not 48 <= ord(c) <= 111 for c in text):
        raise ReviewError("is not a COCO run-length mask", place=place)
    return text


def _carried(value: Any, place: str) -> list[list[Any]]:
    if not isinstance(value, list) or any(not isinstance(v, list) or len(v) != 2 for v in value):
        raise ReviewError("carried masks are a list of [frame, counts]", place=place)
    return [[_whole(frame, place), _counts(counts, place)] for frame, counts in value]


def _whole(value: Any, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**62:
        raise ReviewError(f"is a whole number, not {value!r}"[:120], place=place)
    return value


def _frame_or_none(value: Any, place: str) -> int | None:
    return None if value is None else _whole(value, place)


def _text(value: Any, place: str, most: int) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ReviewError(f"is text of at most {most} characters", place=place)
    if any(ord(c) < 32 and c not in "\n\t" for c in value):
        raise ReviewError("holds control characters", place=place)
    return value


def _sentence(value: Any, place: str) -> str:
    return _text(value, place, 2000).strip()


def _one_of(data: Mapping[str, Any], name: str, known: tuple[str, ...]) -> str:
    value = data.get(name)
    if value not in known:
        raise ReviewError(f"is one of {', '.join(known)}, not {value!r}"[:200], place=name)
    return str(value)


def _object(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ReviewError("is a JSON object", place=place)
    return value


_BODY: Mapping[str, Mapping[str, Callable[[Any, str], Any]]] = {
    "accept": {"phrase?": phrase, "text?": _sentence},
    "reject": {"text?": _sentence},
    "relabel": {"phrase": phrase},
    "trim": {"first": _whole, "last": _whole},
    "split": {"frame": _whole, "phrase?": phrase},
    "box": {"frame": _whole, "box_xyxy": _box},
    "mask": {"frame": _whole, "counts": _counts, "clicks?": _clicks, "carried?": _carried},
    "add": {"phrase": phrase, "box_xyxy": _box, "counts?": _counts},
    "caption": {"text": _sentence},
    "complete": {"missed": _whole},
    "undo": {"of": lambda value, place: _text(value, place, 64)},
}
