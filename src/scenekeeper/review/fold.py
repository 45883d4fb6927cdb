"""The fold: what machines labelled and what people decided, in; what holds of every label, out.

It is pure: the same labels and events give the same tables, so nothing but the log has to be kept,
and undoing is leaving an event out. Nothing that a person decided is dropped: what is not found in
the labels in force is told of, and comes back with the labels that show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from scenekeeper import masks
from scenekeeper.review.events import Event
from scenekeeper.review.fold_sayings import SayingFold
from scenekeeper.review.fold_tracks import LostError, OneByNowError, TrackFold
from scenekeeper.review.labelled import Labelled
from scenekeeper.review.pieces import at, changed, spans, united
from scenekeeper.review.standing import Remark, standing
from scenekeeper.schema import DRAWN, NAMES, RULINGS, SAYINGS


@dataclass(frozen=True, eq=False)
class Folded:
    """What people's decisions come to.

    Attributes:
        rulings: :data:`~scenekeeper.schema.RULINGS`, of all sessions.
        drawn: :data:`~scenekeeper.schema.DRAWN`.
        sayings: :data:`~scenekeeper.schema.SAYINGS`.
        names: :data:`~scenekeeper.schema.NAMES` of objects.
        remarks: what somebody should know of some decisions.
    """

    rulings: pa.Table
    drawn: pa.Table
    sayings: pa.Table
    names: pa.Table
    remarks: tuple[Remark, ...]


def fold(events: Iterable[Event], labelled: Mapping[str, Labelled]) -> Folded:
    """Fold decisions over the labels in force.

    Args:
        events: all of them, in order.
        labelled: per session that has labels, what machines say.
    """
    kept, remarks = standing(events)
    about: dict[str, list[Event]] = {}
    for event in kept:
        about.setdefault(event.decision.subject.session, []).append(event)
    tracks = {s: TrackFold(s, of, about.get(s, ())) for s, of in labelled.items()}
    sayings = SayingFold(labelled, tracks)
    for event, t_ns in _clocked(kept):
        try:
            _take(event, t_ns, tracks, sayings)
        except LostError as lost:
            one = isinstance(lost, OneByNowError)
            remarks.append(Remark(event.seq, "contradiction" if one else "orphan", str(lost)))
    for verdicts in (*(of.verdicts for of in tracks.values()), sayings.verdicts):
        remarks += _contradictions(verdicts)
    rulings: list[dict[str, Any]] = []
    drawn: list[dict[str, Any]] = []
    for of in tracks.values():
        as_track = _settle(of)
        rulings += _rulings(of, as_track)
        drawn += _drawn(of, as_track)
    return Folded(
        pa.Table.from_pylist(rulings, RULINGS),
        pa.Table.from_pylist(drawn, DRAWN),
        pa.Table.from_pylist(sayings.rows(), SAYINGS),
        pa.Table.from_pylist(sayings.names(), NAMES),
        tuple(sorted(remarks, key=lambda r: r.event)),
    )


def _clocked(events: Iterable[Event]) -> Iterator[tuple[Event, int]]:
    """Events with times that ascend as they do, whatever the clock did meanwhile."""
    t_ns = 0
    for event in events:
        t_ns = max(t_ns + 1, event.received_ns)
        yield event, t_ns


def _take(event: Event, t_ns: int, tracks: Mapping[str, TrackFold], sayings: SayingFold) -> None:
    subject = event.decision.subject
    if subject.kind in ("track", "frame") or (subject.kind == "pair" and subject.session):
        if subject.session not in tracks:
            raise LostError(f"session {subject.session!r} has no labels")
        tracks[subject.session].take(event, t_ns)
    else:
        sayings.take(event, t_ns)


def _contradictions(verdicts: Mapping[frozenset[int], tuple[bool, int]]) -> Iterator[Remark]:
    for seq, against in united(verdicts)[1]:
        said = f"makes one thing of what event {against} says is not; it does not count"
        yield Remark(seq, "contradiction", said)


# --- rows -----------------------------------------------------------------------------------------


def _rulings(of: TrackFold, as_track: Mapping[int, int]) -> Iterator[dict[str, Any]]:
    """Per track that anything was decided about, rows that cover all its frames."""
    touched = {*of.pieces, *(n for n in as_track if n in of.labelled.frames)}
    for track in sorted(touched & set(of.labelled.frames)):
        frames = of.labelled.frames[track]
        reach = int(frames[0]), int(frames[-1])
        for first, last, state in spans(of.of(track), reach):
            low, high = frames.searchsorted([first, last + 1])
            if low == high:
                continue  # it is not seen meanwhile
            node = as_track.get(state.node, state.node)
            yield {
                "session": of.session,
                "track": track,
                "first": first,
                "last": last,
                "there": state.there,
                "phrase": state.phrase,
                "as_track": None if node == track else node,
                "status": state.status,
                "event": state.event,
                "t_ns": state.t_ns,
            }


def _settle(of: TrackFold) -> dict[int, int]:
    """Which track stands for each node that is one with others; where two of its tracks are in a
    frame at once, one of them goes."""
    as_track: dict[int, int] = {}
    for nodes in set(united(of.verdicts)[0].values()):
        # One that has an object if any has, so that what is one thing has one object.
        stands = min([n for n in nodes if n in of.labelled.object] or nodes)
        as_track |= dict.fromkeys(nodes, stands)
        seq = max(s for pair, (same, s) in of.verdicts.items() if same and pair <= nodes)
        taken: set[int] = {
            f for t, f in of.drawn if t not in of.labelled.frames and _is_there(of, t, f, nodes)
        }
        tracks = {t for n in nodes for t in of.tracks_of(n)} & set(of.labelled.frames)
        for track in sorted(tracks, key=lambda t: (t != stands, -len(of.labelled.frames[t]), t)):
            own = {f for f in of.labelled.frames[track].tolist() if _is_there(of, track, f, nodes)}
            for frame in sorted(own & taken):
                _hide(of, track, frame, seq)
            taken |= own
    return as_track


def _is_there(of: TrackFold, track: int, frame: int, nodes: frozenset[int]) -> bool:
    state = at(of.of(track), frame)
    return state.there and state.node in nodes


def _hide(of: TrackFold, track: int, frame: int, seq: int) -> None:
    of.pieces[track] = changed(
        of.of(track),
        (frame, frame),
        lambda s: replace(s, there=False, status="propagated", event=max(s.event, seq)),
    )


def _drawn(of: TrackFold, as_track: Mapping[int, int]) -> Iterator[dict[str, Any]]:
    for (track, frame), drawn in sorted(of.drawn.items()):
        state = at(of.of(track), frame)
        if not state.there:
            continue
        added = not of.shows(track, frame)
        said = state.t_ns is not None
        yield {
            "session": of.session,
            "frame_id": frame,
            "track": as_track.get(state.node, state.node) if added else track,
            "added": added,
            "box_xyxy": list(drawn.box_xyxy),
            "mask": drawn.mask,
            "area": None if drawn.mask is None else masks.area(drawn.mask),
            "phrase": state.phrase if said else drawn.phrase,
            "status": state.status,
            "event": drawn.event,
            "t_ns": state.t_ns if said else drawn.t_ns,
        }
