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
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.exchange.queue_match import NOBODY, Matched, mask_changed, match
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

    @property
    def gone(self) -> NDArray[np.bool_]:
        """``bool [n]`` whether it was taken away."""
        return np.asarray(self.judged & (self.by == NOBODY))

    def holder(self) -> int:
        """Index of the strand that holds most of it now; -1 = nobody."""
        held = Counter(self.by[self.alive].tolist())
        return min(held, key=lambda i: (-held[i], i)) if held else NOBODY


def decisions(queue: Queue, returned: Sequence[Returned]) -> list[Decision]:
    """Every change of a queue that came back, in the order of session, track and frame."""
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
            found += _joined(queue, sheet, mine, len(matched))
    tracks: dict[tuple[str, int, str], list[Part]] = {}
    for part in parts:
        who = (part.sheet.session, queue.owners[part.key].track, part.sheet.kind)
        tracks.setdefault(who, []).append(part)
    for (session, track, kind), mine in tracks.items():
        found += _of_track(queue, session, track, kind, mine)
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
    queue: Queue, session: str, track: int, kind: str, parts: list[Part]
) -> Iterator[Decision]:
    """What was decided about one track."""
    subject = Subject("track", session, track)
    judged = sum(int(p.judged.sum()) for p in parts)
    if not judged:
        return
    whole = _whole(queue, session, track, kind, parts)
    if whole and not any(p.alive.any() for p in parts):
        yield _decision(queue, subject, "reject", keys=[p.key for p in parts])
        return
    keys = [p.key for p in parts]
    yield from _left_out(queue, subject, parts, keys, trims=whole and kind == "video")
    name = _name(parts)
    if name is not None and name != parts[0].strand.phrase:
        yield _decision(queue, subject, "relabel", {"phrase": name}, keys)
    for part in parts:
        if kind == "video":
            yield from _splits(queue, subject, part, name)
        yield from _drawn(queue, subject, part)
    if whole and all(p.reviewed for p in parts):
        yield _decision(queue, subject, "accept", {"phrase": parts[0].strand.phrase}, keys)


def _whole(queue: Queue, session: str, track: int, kind: str, parts: list[Part]) -> bool:
    """Whether what came back speaks of all that was written of a track."""
    written = {
        key
        for key, owner in queue.owners.items()
        if owner.track == track
        and (sheet := queue.sheets[letter_of(key)]).session == session
        and sheet.kind == kind
    }
    return written == {p.key for p in parts} and all(p.judged.all() for p in parts)


def _left_out(
    queue: Queue, subject: Subject, parts: list[Part], keys: list[str], trims: bool
) -> Iterator[Decision]:
    """Frames in which the thing was taken away: a trim at the ends, a rejection in between."""
    frames = np.concatenate([p.sheet.frame_ids[p.strand.at[p.judged]] for p in parts])
    gone = np.concatenate([p.gone[p.judged] for p in parts])
    order = np.argsort(frames, kind="stable")
    frames, gone = frames[order], gone[order]
    if trims and (gone[0] or gone[-1]):
        there = np.flatnonzero(~gone)
        first, last = int(frames[there[0]]), int(frames[there[-1]])
        yield _decision(queue, subject, "trim", {"first": first, "last": last}, keys)
        inner = slice(int(there[0]), int(there[-1]) + 1)
        frames, gone = frames[inner], gone[inner]
    edges = np.flatnonzero(np.diff(np.concatenate(([0], gone.astype(np.int8), [0]))))
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        span = (int(frames[start]), int(frames[stop - 1]))
        yield _decision(queue, subject, "reject", keys=keys, span=span)


def _name(parts: list[Part]) -> str | None:
    """What most of a track is called now; ``None`` where no name has most."""
    votes: Counter[str] = Counter()
    for part in parts:
        held = Counter(part.by[part.alive].tolist())
        for i, n in held.items():
            votes[part.back[i].strand.phrase] += n
    if not votes:
        return None
    phrase, n = votes.most_common(1)[0]
    return phrase if 2 * n > votes.total() else None


def _splits(queue: Queue, subject: Subject, part: Part, name: str | None) -> Iterator[Decision]:
    """Where the track passes from one strand to another."""
    held = np.flatnonzero(part.alive)
    for before, after in pairwise(held.tolist()):
        if part.by[before] == part.by[after]:
            continue
        frame = int(part.sheet.frame_ids[part.strand.at[after]])
        phrase = part.back[part.by[after]].strand.phrase
        body: dict[str, Any] = {"frame": frame}
        if phrase != (name or part.strand.phrase):
            body["phrase"] = phrase
        yield _decision(queue, subject, "split", body, [part.key])


def _drawn(queue: Queue, subject: Subject, part: Part) -> Iterator[Decision]:
    """Boxes and masks that were drawn anew."""
    for k in np.flatnonzero(part.alive).tolist():
        found, n = part.back[part.by[k]], int(part.box[k])
        place = int(part.strand.at[k])
        frame = int(part.sheet.frame_ids[place])
        if found.strand.drawn and not found.exact[n]:
            body = {"frame": frame, "box_xyxy": _box(found.strand.boxes[n])}
            yield _decision(queue, subject, "box", body, [part.key])
        after = found.strand.masks.get(place)
        before = part.strand.masks.get(place)
        if after is not None and (before is None or mask_changed(before, after, part.sheet.size)):
            body = {"frame": frame, "counts": after.decode("ascii")}
            yield _decision(queue, subject, "mask", body, [part.key])


# --- several tracks, and none ---------------------------------------------------------------------


def _joined(queue: Queue, sheet: Sheet, parts: list[Part], n: int) -> Iterator[Decision]:
    """Tracks that one strand holds most of now are one thing."""
    held: dict[int, list[Part]] = {}
    for part in parts:
        holder = part.holder()
        if holder != NOBODY and 2 * np.count_nonzero(part.by == holder) > len(part.by):
            held.setdefault(holder, []).append(part)
    for one, *others in held.values():
        for other in others:
            pair = sorted([queue.owners[one.key].track, queue.owners[other.key].track])
            subject = Subject("pair", sheet.session, pair[0], pair[1])
            yield _decision(queue, subject, "same", keys=[one.key, other.key])


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
        for k in np.flatnonzero(m.who == NOBODY).tolist():
            place = int(m.strand.at[k])
            frame = int(sheet.frame_ids[place])
            box, counts = _box(m.strand.boxes[k]), m.strand.masks.get(place)
            mask = {} if counts is None else {"counts": counts.decode("ascii")}
            if home is None:
                body = {"phrase": m.strand.phrase, "box_xyxy": box, **mask}
                yield _decision(queue, Subject("frame", sheet.session, frame), "add", body)
                continue
            subject = Subject("track", sheet.session, queue.owners[home.key].track)
            shape = {"frame": frame, "box_xyxy": box}
            yield _decision(queue, subject, "box", shape, [home.key])
            if mask:
                yield _decision(queue, subject, "mask", {"frame": frame, **mask}, [home.key])


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
    owners = [queue.owners[key] for key in keys]
    made = Decision(
        "",
        op,
        subject,
        body or {},
        base=max((o.revision for o in owners), default=-1),
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


_RANK = ("reject", "relabel", "trim", "split", "same", "box", "mask", "add", "accept")


def _order(d: Decision) -> tuple[str, str, int, int, int, str]:
    frame = d.body.get("frame", d.first or 0)
    return (d.subject.session, d.subject.kind, d.subject.id, _RANK.index(d.op), frame, d.id)
