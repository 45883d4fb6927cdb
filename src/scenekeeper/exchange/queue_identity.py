"""Who is who on a sheet that came back: pieces of tracks, their names, and what is one thing now.

In: matched strands. Out: splits and unions as decisions, and for every frame the piece it is of.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.exchange.queue_match import NOBODY, Matched
from scenekeeper.exchange.queue_pending import PENDING
from scenekeeper.exchange.queue_sheets import Queue, Sheet, Strand, letter_of
from scenekeeper.review.events import Decision, Op, Sample, Subject

ANCHORS = 8
"""Boxes by which a decision finds its track again once labels are made anew."""


@dataclass(frozen=True, eq=False)
class Part:
    """One strand as it was written, and what became of each of its boxes.

    Attributes:
        key: of the strand.
        strand: as written.
        sheet: its sheet.
        judged: ``bool [n]`` whether the file that came back speaks of that picture.
        by: ``int64 [n]`` index in ``back`` of the strand that holds the box now; -1 = nobody.
        box: ``int64 [n]`` which of that strand's boxes it is.
        back: everything that came back of the sheet.
        reviewed: whether the tool says that a person has looked at it.
    """

    key: str
    strand: Strand
    sheet: Sheet
    judged: NDArray[np.bool_]
    by: NDArray[np.int64]
    box: NDArray[np.int64]
    back: Sequence[Matched]
    reviewed: bool

    @property
    def alive(self) -> NDArray[np.bool_]:
        """``bool [n]`` whether the thing is still there."""
        return np.asarray(self.judged & (self.by != NOBODY))

    def frame(self, k: int) -> int:
        """``frame_id`` of a box."""
        return int(self.sheet.frame_ids[self.strand.at[k]])

    @property
    def gone(self) -> NDArray[np.bool_]:
        """``bool [n]`` whether it was taken away."""
        return np.asarray(self.judged & (self.by == NOBODY))

    def pieces(self) -> list[list[int]]:
        """Boxes of a strand in stretches that one strand holds now.

        Of a box drawn anew in one picture alone, under a name that the track has anyway, nobody has
        said that it is another thing: it is in no stretch, unless there is nothing else.
        """
        there = np.flatnonzero(self.alive).tolist()
        strands = {i: self.back[i].strand for i in self.by[there].tolist()}
        firm = {i for i, s in strands.items() if s.key or len(s.at) > 1}
        names = {strands[i].phrase for i in firm} | {self.strand.phrase}
        firm |= {i for i, s in strands.items() if s.phrase not in names}
        pieces: list[list[int]] = []
        for k in there:
            if self.by[k] in firm and pieces and self.by[pieces[-1][-1]] == self.by[k]:
                pieces[-1].append(k)
            elif self.by[k] in firm:
                pieces.append([k])
        return pieces or ([there] if there else [])


def name_of(parts: list[Part]) -> str:
    """What a track is called now.

    On a video that is what its first piece is called; on stills what most of its boxes are, or
    half of them if they were renamed. Where sheets differ somebody has renamed it on one and not
    looked at the other: the new name counts, of several the one that most boxes have.
    """
    before = parts[0].strand.phrase
    renamed: Counter[str] = Counter()
    for part in parts:
        counted = np.flatnonzero(part.alive).tolist()
        if part.sheet.kind == "video":
            counted = next(iter(part.pieces()), [])
        votes = Counter(part.back[i].strand.phrase for i in part.by[counted].tolist())
        for phrase, n in votes.items():
            if phrase != before and 2 * n >= votes.total():
                renamed[phrase] += n
    return renamed.most_common(1)[0][0] if renamed else before


def identity(queue: Queue, sheet: Sheet, parts: list[Part]) -> Iterator[Decision]:
    """Where tracks pass from one strand to another, and which of their pieces are one thing now."""
    held: dict[int, list[tuple[str, str]]] = {}  # per strand, its pieces: key, who makes it
    for part in parts:
        name = name_of([part])
        subject = Subject("track", sheet.session, queue.owners[part.key].track)
        for number, piece in enumerate(part.pieces()):
            by, made = int(part.by[piece[0]]), ""
            if number:
                phrase = part.back[by].strand.phrase
                body: dict[str, Any] = {"frame": part.frame(piece[0])}
                body |= {} if phrase == name else {"phrase": phrase}
                split = decision(queue, subject, "split", body, [part.key])
                yield split
                made = split.id
            held.setdefault(by, []).append((part.key, made))
    for one, *others in (sorted(pieces, key=_made_last) for pieces in held.values()):
        for other in others:
            yield same(queue, sheet, one, other)


def same(queue: Queue, sheet: Sheet, one: tuple[str, str], other: tuple[str, str]) -> Decision:
    """That two things are one.

    Args:
        queue: the queue.
        sheet: of both.
        one: the key of a track, or empty, and the id of the decision that makes the thing, or
            empty where it is the track itself.
        other: likewise.
    """
    pair = sorted(
        ((PENDING if made else queue.owners[key].track, made) for key, made in (one, other)),
        reverse=True,
    )
    subject = Subject("pair", sheet.session, pair[0][0], pair[1][0])
    of = {"of": [made for _, made in pair]} if pair[0][1] or pair[1][1] else {}
    keys = [key for key, _ in (one, other) if key]
    return decision(queue, subject, "same", of, keys)


def _made_last(piece: tuple[str, str]) -> bool:
    return piece[1] != ""


class Timeline:
    """Which piece of a track a frame is of, once all its splits are made."""

    def __init__(self, found: Iterable[Decision]) -> None:
        self._splits: dict[Subject, list[tuple[int, str]]] = {}
        for d in found:
            if d.op == "split":
                self._splits.setdefault(d.subject, []).append((d.body["frame"], d.id))

    def is_whole(self, track: Subject) -> bool:
        """Whether nothing is split off a track."""
        return track not in self._splits

    def maker(self, track: Subject, frame: int) -> str:
        """Id of the split that makes the piece of a frame; empty = it is the track's first."""
        before = [split for split in self._splits.get(track, ()) if split[0] <= frame]
        return max(before)[1] if before else ""

    def piece(self, track: Subject, frame: int) -> tuple[Subject, dict[str, Any]]:
        """Whom a decision about a track in a frame is about, and what its body says of that."""
        made = self.maker(track, frame)
        return (replace(track, id=PENDING), {"of": [made]}) if made else (track, {})


def decision(
    queue: Queue,
    subject: Subject,
    op: Op,
    body: Mapping[str, Any] | None = None,
    keys: Sequence[str] = (),
    span: tuple[int, int] | None = None,
) -> Decision:
    """A decision of a queue; the same for the same."""
    first, last = span or (None, None)
    made = Decision(
        "",
        op,
        subject,
        body or {},
        base=queue.seen,
        client=queue.tool,
        card=f"queue-{queue.id}",
        sample=Sample("import"),
        first=first,
        last=last,
        runs={subject.session: queue.runs[subject.session]},
        anchor=_anchor(queue, keys),
    )
    said = json.dumps([queue.id, op, subject.key, made.body, first, last], sort_keys=True)
    return replace(made, id=hashlib.sha256(said.encode()).hexdigest()[:32])


def _anchor(
    queue: Queue, keys: Sequence[str]
) -> tuple[tuple[str, int, float, float, float, float], ...]:
    """Some boxes of written strands, evenly spread."""
    anchors = []
    for key in keys:
        strand, sheet = queue.strands[key], queue.sheets[letter_of(key)]
        n = len(strand.at)
        for k in np.unique(np.linspace(0, n - 1, min(n, ANCHORS)).round().astype(int)).tolist():
            x0, y0, x1, y1 = as_list(strand.boxes[k])
            frame = int(sheet.frame_ids[strand.at[k]])
            anchors.append((sheet.session, frame, x0, y0, x1, y1))
    return tuple(anchors)


def as_list(box: NDArray[np.float64]) -> list[float]:
    """``xyxy`` to a thousandth of a pixel."""
    return [round(v, 3) for v in box.tolist()]
