"""What a person changed in a tool, as decisions on the right tracks.

In: a queue as it was written and what came back of it. Out: one :class:`Decision` for each change,
the same for the same change, so that importing a file twice records it once.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.exchange.queue_match import NOBODY, Matched, mask_changed, match
from scenekeeper.exchange.queue_pending import PENDING, is_pending
from scenekeeper.exchange.queue_sheets import Queue, Returned, Sheet, Strand, letter_of
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


def decisions(queue: Queue, returned: Sequence[Returned]) -> list[Decision]:
    """Every change of a queue that came back, in the order in which it has to be recorded.

    A decision about a track that another decision makes waits for its number, see
    :mod:`scenekeeper.exchange.queue_pending`.
    """
    parts: list[Part] = []
    found: list[Decision] = []
    for back in returned:
        sheet, written = queue.sheets[back.sheet], queue.on(queue.sheets[back.sheet])
        matched = match(sheet, list(written.values()), back)
        mine = [
            _part(key, n, strand, sheet, back, matched)
            for n, (key, strand) in enumerate(written.items())
        ]
        parts += mine
        found += _new(queue, sheet, mine, matched)
        if sheet.kind == "video":
            found += _identity(queue, sheet, mine)
    back_of = {part.key: part for part in parts}
    tracks: dict[tuple[str, int, str], list[str]] = {}
    for key, owner in queue.owners.items():
        sheet = queue.sheets[letter_of(key)]
        tracks.setdefault((sheet.session, owner.track, sheet.kind), []).append(key)
    for (session, track, _), keys in tracks.items():
        mine = [back_of[key] for key in keys if key in back_of]
        found += _of_track(queue, Subject("track", session, track), keys, mine)
    return _settled(found)


def _part(
    key: str, index: int, strand: Strand, sheet: Sheet, back: Returned, matched: Sequence[Matched]
) -> Part:
    by, box = np.full((2, len(strand.at)), NOBODY, np.int64)
    for i, m in enumerate(matched):
        mine = np.flatnonzero(m.who == index)
        at = np.searchsorted(strand.at, m.strand.at[mine])
        by[at], box[at] = i, mine
    judged = np.isin(strand.at, back.places)
    return Part(key, strand, sheet, judged, by, box, matched, back.reviewed)


# --- one track ------------------------------------------------------------------------------------


def _of_track(
    queue: Queue, subject: Subject, written: Sequence[str], parts: list[Part]
) -> Iterator[Decision]:
    """What was decided about one track by sheets of one kind."""
    if not any(p.judged.any() for p in parts):
        return
    unseen = _unseen(queue, written, parts)
    if not unseen and not any(p.alive.any() for p in parts):
        yield _decision(queue, subject, "reject", keys=written)
        return
    yield from _left_out(queue, subject, parts, unseen)
    name = _name(parts)
    if name != parts[0].strand.phrase:
        yield _decision(queue, subject, "relabel", {"phrase": name}, written)
    for part in parts:
        yield from _drawn(queue, subject, part)
    if not unseen and all(p.reviewed for p in parts):
        yield _decision(queue, subject, "accept", {"phrase": parts[0].strand.phrase}, written)


def _unseen(queue: Queue, written: Sequence[str], parts: list[Part]) -> list[int]:
    """Frames of a track that were written and that what came back does not speak of."""
    spoken = {p.key: p.judged for p in parts}
    frames: list[int] = []
    for key in written:
        at = queue.strands[key].at
        silent = at[~spoken[key]] if key in spoken else at
        frames += queue.sheets[letter_of(key)].frame_ids[silent].tolist()
    return frames


def _left_out(
    queue: Queue, subject: Subject, parts: list[Part], unseen: Sequence[int]
) -> Iterator[Decision]:
    """Frames in which the thing was taken away: a trim at the ends, a rejection in between.

    A file trims that speaks of every frame of the track; stills, and files that leave out some,
    say nothing of the frames beyond.
    """
    stills = parts[0].sheet.kind == "stills"
    keys = [p.key for p in parts]
    frames = np.concatenate([p.sheet.frame_ids[p.strand.at[p.judged]] for p in parts])
    gone = np.concatenate([p.gone[p.judged] for p in parts])
    frames, gone = np.append(frames, unseen), np.append(gone, np.zeros(len(unseen), np.bool_))
    order = np.argsort(frames, kind="stable")
    frames, gone = frames[order].astype(np.int64), gone[order]
    if not stills and not unseen and (gone[0] or gone[-1]):
        there = np.flatnonzero(~gone)
        first, last = int(frames[there[0]]), int(frames[there[-1]])
        yield _decision(queue, subject, "trim", {"first": first, "last": last}, keys)
        inner = slice(int(there[0]), int(there[-1]) + 1)
        frames, gone = frames[inner], gone[inner]
    for start, stop in _runs(gone, one_by_one=stills):
        span = (int(frames[start]), int(frames[stop]))
        yield _decision(queue, subject, "reject", keys=keys, span=span)


def _runs(flags: NDArray[np.bool_], one_by_one: bool) -> list[tuple[int, int]]:
    """First and last index of every run of flags; of stills, between which there are frames that
    nobody was shown, each is a run."""
    if one_by_one:
        return [(k, k) for k in np.flatnonzero(flags).tolist()]
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(np.int8), [0])))).tolist()
    return [(a, b - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _name(parts: list[Part]) -> str:
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
            counted = next(iter(_pieces(part)), [])
        votes = Counter(part.back[i].strand.phrase for i in part.by[counted].tolist())
        for phrase, n in votes.items():
            if phrase != before and 2 * n >= votes.total():
                renamed[phrase] += n
    return renamed.most_common(1)[0][0] if renamed else before


def _pieces(part: Part) -> list[list[int]]:
    """Boxes of a strand in stretches that one strand holds now.

    Of a box drawn anew in one picture alone, under a name that the track has anyway, nobody has
    said that it is another thing: it is in no stretch, unless there is nothing else.
    """
    there = np.flatnonzero(part.alive).tolist()
    strands = {i: part.back[i].strand for i in part.by[there].tolist()}
    firm = {i for i, s in strands.items() if s.key or len(s.at) > 1}
    names = {strands[i].phrase for i in firm} | {part.strand.phrase}
    firm |= {i for i, s in strands.items() if s.phrase not in names}
    pieces: list[list[int]] = []
    for k in there:
        if part.by[k] in firm and pieces and part.by[pieces[-1][-1]] == part.by[k]:
            pieces[-1].append(k)
        elif part.by[k] in firm:
            pieces.append([k])
    return pieces or ([there] if there else [])


def _drawn(queue: Queue, subject: Subject, part: Part) -> Iterator[Decision]:
    """Boxes and masks that were drawn anew."""
    for k in np.flatnonzero(part.alive).tolist():
        found, n = part.back[part.by[k]], int(part.box[k])
        place, frame = int(part.strand.at[k]), part.frame(k)
        if found.strand.drawn and not found.exact[n]:
            body = {"frame": frame, "box_xyxy": _box(found.strand.boxes[n])}
            yield _decision(queue, subject, "box", body, [part.key])
        after = found.strand.masks.get(place)
        before = part.strand.masks.get(place)
        if after is not None and (before is None or mask_changed(before, after, part.sheet.size)):
            body = {"frame": frame, "counts": after.decode("ascii")}
            yield _decision(queue, subject, "mask", body, [part.key])


# --- several tracks, and none ---------------------------------------------------------------------


def _identity(queue: Queue, sheet: Sheet, parts: list[Part]) -> Iterator[Decision]:
    """Where tracks pass from one strand to another, and which of their pieces are one thing now."""
    held: dict[int, list[tuple[str, str]]] = {}  # per strand, its pieces: key, who makes it
    for part in parts:
        name = _name([part])
        subject = Subject("track", sheet.session, queue.owners[part.key].track)
        for number, piece in enumerate(_pieces(part)):
            by, made = int(part.by[piece[0]]), ""
            if number:
                phrase = part.back[by].strand.phrase
                body: dict[str, Any] = {"frame": part.frame(piece[0])}
                body |= {} if phrase == name else {"phrase": phrase}
                split = _decision(queue, subject, "split", body, [part.key])
                yield split
                made = split.id
            held.setdefault(by, []).append((part.key, made))
    for (one, made), *others in (sorted(pieces, key=_made_last) for pieces in held.values()):
        for other, also_made in others:
            pair = sorted(
                [
                    (PENDING if maker else queue.owners[key].track, maker)
                    for key, maker in ((one, made), (other, also_made))
                ],
                reverse=True,
            )
            subject = Subject("pair", sheet.session, pair[0][0], pair[1][0])
            of = {"of": [maker for _, maker in pair]} if pair[0][1] or pair[1][1] else {}
            yield _decision(queue, subject, "same", of, [one, other])


def _made_last(piece: tuple[str, str]) -> bool:
    return piece[1] != ""


def _new(
    queue: Queue, sheet: Sheet, parts: list[Part], matched: Sequence[Matched]
) -> Iterator[Decision]:
    """Boxes that no label shows: of a track that goes on, or of a thing that was missed."""
    for m in matched:
        places = m.strand.at[m.who == NOBODY]
        if not len(places):
            continue
        known = Counter(m.who[m.who != NOBODY].tolist())
        home = parts[min(known, key=lambda j: (-known[j], j))] if known else None
        first = ""
        for k in np.flatnonzero(m.who == NOBODY).tolist():
            place = int(m.strand.at[k])
            frame = int(sheet.frame_ids[place])
            box, counts = _box(m.strand.boxes[k]), m.strand.masks.get(place)
            mask = {} if counts is None else {"counts": counts.decode("ascii")}
            if home is None and not first:
                body = {"phrase": m.strand.phrase, "box_xyxy": box, **mask}
                added = _decision(queue, Subject("frame", sheet.session, frame), "add", body)
                first = added.id
                yield added
                continue
            number = PENDING if home is None else queue.owners[home.key].track
            subject, keys = Subject("track", sheet.session, number), [home.key] if home else []
            made = {"of": [first]} if home is None else {}
            yield _decision(queue, subject, "box", {"frame": frame, "box_xyxy": box, **made}, keys)
            if mask:
                yield _decision(queue, subject, "mask", {"frame": frame, **mask, **made}, keys)


def _box(box: NDArray[np.float64]) -> list[float]:
    return [round(v, 3) for v in box.tolist()]


# --- the decision itself --------------------------------------------------------------------------


def _decision(
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
            x0, y0, x1, y1 = _box(strand.boxes[k])
            frame = int(sheet.frame_ids[strand.at[k]])
            anchors.append((sheet.session, frame, x0, y0, x1, y1))
    return tuple(anchors)


def _settled(found: Sequence[Decision]) -> list[Decision]:
    """Each decision once; nothing is accepted that another sheet or the same corrects."""
    once = {d.id: d for d in found}
    changed = {d.subject.key for d in once.values() if d.op != "accept"}
    kept = [d for d in once.values() if d.op != "accept" or d.subject.key not in changed]
    return sorted(kept, key=_order)


_RANK = ("relabel", "accept", "split", "trim", "reject", "box", "mask", "add", "same")
"""Names first, for they say that it is there; identity last, for then all holds for both."""


def _order(d: Decision) -> tuple[str, bool, bool, int, int, int, str]:
    frame = d.body.get("frame", d.first or 0)
    if d.op == "split":
        frame = -frame  # the last first: what is split off a track is it no more
    rank = _RANK.index(d.op)
    return (d.subject.session, is_pending(d), d.op == "same", d.subject.id, rank, frame, d.id)
