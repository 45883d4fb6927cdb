"""What a person changed in a tool, as decisions on the right tracks.

In: a queue as it was written and what came back of it. Out: one :class:`Decision` for each change,
the same for the same change, so that importing a file twice records it once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from scenekeeper.exchange.queue_identity import (
    Part,
    Timeline,
    as_list,
    decision,
    identity,
    name_of,
    same,
)
from scenekeeper.exchange.queue_match import NOBODY, Matched, mask_changed, match
from scenekeeper.exchange.queue_pending import PENDING, is_pending
from scenekeeper.exchange.queue_sheets import Queue, Returned, Sheet, Strand, letter_of
from scenekeeper.review.events import Decision, Subject


def decisions(queue: Queue, returned: Sequence[Returned]) -> list[Decision]:
    """Every change of a queue that came back, in the order in which it has to be recorded.

    A decision about a track that another decision makes waits for its number, see
    :mod:`scenekeeper.exchange.queue_pending`.
    """
    parts: list[Part] = []
    found: list[Decision] = []
    sheets: list[tuple[Sheet, list[Part], list[Matched]]] = []
    for back in returned:
        sheet, written = queue.sheets[back.sheet], queue.on(queue.sheets[back.sheet])
        matched = match(list(written.values()), back)
        mine = [
            _part(key, n, strand, sheet, back, matched)
            for n, (key, strand) in enumerate(written.items())
        ]
        parts += mine
        sheets.append((sheet, mine, matched))
        if sheet.kind == "video":
            found += identity(queue, sheet, mine)
    timeline = Timeline(found)
    for sheet, mine, matched in sheets:
        found += _new(queue, sheet, mine, matched, timeline)
    back_of = {part.key: part for part in parts}
    tracks: dict[tuple[str, int, str], list[str]] = {}
    for key, owner in queue.owners.items():
        sheet = queue.sheets[letter_of(key)]
        tracks.setdefault((sheet.session, owner.track, sheet.kind), []).append(key)
    for (session, track, _), keys in tracks.items():
        mine = [back_of[key] for key in keys if key in back_of]
        found += _of_track(queue, Subject("track", session, track), keys, mine, timeline)
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
    queue: Queue,
    subject: Subject,
    written: Sequence[str],
    parts: list[Part],
    timeline: Timeline,
) -> Iterator[Decision]:
    """What was decided about one track by sheets of one kind."""
    if not any(p.judged.any() for p in parts):
        return
    unseen = _unseen(queue, written, parts)
    if not unseen and not any(p.alive.any() for p in parts):
        yield decision(queue, subject, "reject", keys=written)
        return
    yield from _left_out(queue, subject, parts, unseen, timeline)
    name = name_of(parts)
    if name != parts[0].strand.phrase:
        yield decision(queue, subject, "relabel", {"phrase": name}, written)
    for part in parts:
        yield from _drawn(queue, subject, part, timeline)
    if not unseen and all(p.reviewed for p in parts):
        yield decision(queue, subject, "accept", {"phrase": parts[0].strand.phrase}, written)


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
    queue: Queue,
    subject: Subject,
    parts: list[Part],
    unseen: Sequence[int],
    timeline: Timeline,
) -> Iterator[Decision]:
    """Frames in which the thing was taken away: a trim at the ends, a rejection in between.

    A file trims that speaks of every frame of the track; stills, and files that leave out some,
    say nothing of the frames beyond. Of a track that is split each piece loses its own frames.
    """
    stills = parts[0].sheet.kind == "stills"
    keys = [p.key for p in parts]
    frames = np.concatenate([p.sheet.frame_ids[p.strand.at[p.judged]] for p in parts])
    gone = np.concatenate([p.gone[p.judged] for p in parts])
    frames, gone = np.append(frames, unseen), np.append(gone, np.zeros(len(unseen), np.bool_))
    order = np.argsort(frames, kind="stable")
    frames, gone = frames[order].astype(np.int64), gone[order]
    if not stills and not unseen and timeline.is_whole(subject) and (gone[0] or gone[-1]):
        there = np.flatnonzero(~gone)
        first, last = int(frames[there[0]]), int(frames[there[-1]])
        yield decision(queue, subject, "trim", {"first": first, "last": last}, keys)
        inner = slice(int(there[0]), int(there[-1]) + 1)
        frames, gone = frames[inner], gone[inner]
    whose = [timeline.maker(subject, frame) for frame in frames.tolist()]
    for start, stop in _runs(gone, whose, one_by_one=stills):
        span = (int(frames[start]), int(frames[stop]))
        piece, of = timeline.piece(subject, span[0])
        yield decision(queue, piece, "reject", of, keys, span)


def _runs(
    flags: NDArray[np.bool_], whose: Sequence[str], one_by_one: bool
) -> list[tuple[int, int]]:
    """First and last index of every run of flags of one piece; of stills, between which there are
    frames that nobody was shown, each is a run."""
    runs: list[tuple[int, int]] = []
    for k in np.flatnonzero(flags).tolist():
        if runs and not one_by_one and runs[-1][1] == k - 1 and whose[k] == whose[k - 1]:
            runs[-1] = (runs[-1][0], k)
        else:
            runs.append((k, k))
    return runs


def _drawn(queue: Queue, subject: Subject, part: Part, timeline: Timeline) -> Iterator[Decision]:
    """Boxes and masks that were drawn anew."""
    for k in np.flatnonzero(part.alive).tolist():
        found, n = part.back[part.by[k]], int(part.box[k])
        place, frame = int(part.strand.at[k]), part.frame(k)
        piece, of = timeline.piece(subject, frame)
        if found.strand.drawn and not found.exact[n]:
            body = {"frame": frame, "box_xyxy": as_list(found.strand.boxes[n]), **of}
            yield decision(queue, piece, "box", body, [part.key])
        after = found.strand.masks.get(place)
        before = part.strand.masks.get(place)
        if after is not None and (before is None or mask_changed(before, after, part.sheet.size)):
            body = {"frame": frame, "counts": after.decode("ascii"), **of}
            yield decision(queue, piece, "mask", body, [part.key])


# --- several tracks, and none ---------------------------------------------------------------------


def _new(
    queue: Queue, sheet: Sheet, parts: list[Part], matched: Sequence[Matched], timeline: Timeline
) -> Iterator[Decision]:
    """Boxes that no label shows: of a track that goes on, or of a thing that was missed."""
    for i, m in enumerate(matched):
        fresh = np.flatnonzero(m.who == NOBODY).tolist()
        if not fresh:
            continue
        known = Counter(m.who[m.who != NOBODY].tolist())
        mine = [parts[j] for j in sorted(known, key=lambda j: (-known[j], j))]
        added = ""
        for k in fresh:
            place = int(m.strand.at[k])
            frame, box = int(sheet.frame_ids[place]), as_list(m.strand.boxes[k])
            counts = m.strand.masks.get(place)
            mask = {} if counts is None else {"counts": counts.decode("ascii")}
            home = next((p for p in mine if _holds(p, i, frame, timeline, queue)), None)
            if home is None and not added:
                body = {"phrase": m.strand.phrase, "box_xyxy": box, **mask}
                first = decision(queue, Subject("frame", sheet.session, frame), "add", body)
                added = first.id
                yield first
                continue
            if home is None:
                piece, of = Subject("track", sheet.session, PENDING), {"of": [added]}
            else:
                piece, of = timeline.piece(_subject(queue, home), frame)
            keys = [] if home is None else [home.key]
            yield decision(queue, piece, "box", {"frame": frame, "box_xyxy": box, **of}, keys)
            if mask:
                yield decision(queue, piece, "mask", {"frame": frame, **mask, **of}, keys)
        if added and mine and sheet.kind == "video":  # it goes on where its track is another's
            seen = mine[0].frame(int(np.flatnonzero(mine[0].by == i)[0]))
            whose = (mine[0].key, timeline.maker(_subject(queue, mine[0]), seen))
            yield same(queue, sheet, whose, ("", added))


def _holds(part: Part, i: int, frame: int, timeline: Timeline, queue: Queue) -> bool:
    """Whether a strand that came back holds the piece of a track that a frame is of."""
    track = _subject(queue, part)
    made = timeline.maker(track, frame)
    held = [part.frame(k) for k in np.flatnonzero(part.by == i).tolist()]
    return any(timeline.maker(track, f) == made for f in held)


def _subject(queue: Queue, part: Part) -> Subject:
    return Subject("track", part.sheet.session, queue.owners[part.key].track)


# --- the order ------------------------------------------------------------------------------------


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
