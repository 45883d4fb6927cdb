"""Decisions about the tracks of one session, taken in order: what holds of each in which frames.

A *node* is a thing as people see it: a track of the machine's, or one that a split or an addition
has made. A track's frames are cut into pieces, each of one node; nodes that are the same thing are
one in the labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from scenekeeper import masks
from scenekeeper.review.events import Decision, Event
from scenekeeper.review.labelled import MADE, Labelled, claims, former, is_same_run, meeting, met
from scenekeeper.review.pieces import (
    EVER,
    Pieces,
    Range,
    State,
    at,
    changed,
    united,
    untouched,
    without,
)

_Change = Callable[[State], State]


class LostError(Exception):
    """What a decision is about is not found; the text says why."""


class OneByNowError(LostError):
    """Two things that are not one by what a person said are one by what the machine says now."""


@dataclass(frozen=True)
class Target:
    """Part of a track that a decision is about.

    Attributes:
        track: the machine's, or one that was added.
        nodes: only pieces of these.
        ranges: only these frames.
        seen: frames of it that the person looked at.
        certain: whether it is known what the machine called it when the person looked.
    """

    track: int
    nodes: frozenset[int]
    ranges: tuple[Range, ...]
    seen: frozenset[int]
    certain: bool = True


@dataclass(frozen=True)
class Drawn:
    """A box, and perhaps a mask, that a person drew.

    Attributes:
        box_xyxy: pixels.
        mask: COCO run lengths.
        phrase: what it is called where nobody has decided otherwise,
        t_ns: and when a person said so; ``None`` = it is the machine's word.
        event: number of the event.
    """

    box_xyxy: tuple[float, ...]
    mask: bytes | None
    phrase: str | None
    t_ns: int | None
    event: int


class TrackFold:
    """The tracks of a session while decisions are taken in.

    Attributes:
        labelled: what the machine says.
        pieces: per track that anything was decided about, its pieces.
        drawn: per track and frame, what was drawn.
        verdicts: per pair of nodes, whether they are one thing, and who says so.
    """

    def __init__(self, session: str, labelled: Labelled, events: Iterable[Event]) -> None:
        self.session, self.labelled = session, labelled
        self.pieces: dict[int, Pieces] = {}
        self.drawn: dict[tuple[int, int], Drawn] = {}
        self.verdicts: dict[frozenset[int], tuple[bool, int]] = {}
        self._tracks_of: dict[int, set[int]] = {}
        self._groups: dict[int, frozenset[int]] = {}
        self._claims = claims(session, labelled, (e.decision for e in events))

    def take(self, event: Event, t_ns: int) -> None:
        """Take one decision in.

        Args:
            event: about a track, a frame, or a pair of tracks.
            t_ns: when it was made, later than the one before.

        Raises:
            LostError: what it is about is not there.
        """
        getattr(self, f"_{event.decision.op}")(event, t_ns)

    def look(self, track: int, frames: Iterable[int], status: str, seq: int) -> None:
        """A person has looked at a track in some frames and decided about its object."""
        pieces = self.of(track)
        for frame in frames:
            if self.shows(track, frame) and at(pieces, frame).there:
                look = partial(replace, status=status, event=seq)
                pieces = changed(pieces, (frame, frame), look)
        self.pieces[track] = pieces

    # --- what a decision is about -----------------------------------------------------------------

    def targets(self, d: Decision, number: int) -> list[Target]:
        """The parts of tracks that a decision about track ``number`` covers."""
        same = is_same_run(d, self.session, self.labelled)
        anchored = any(a[0] == self.session for a in d.anchor)
        is_known = bool(self._tracks(number))
        if same or (is_known and (number >= MADE or (same is None and not anchored))):
            return self._by_number(d, number)
        found = self._by_place(d) if anchored else []
        if not found:
            raise LostError(f"nothing is found where track {number} was")
        return found

    def _by_number(self, d: Decision, number: int) -> list[Target]:
        tracks = self._tracks(number)
        if not tracks:
            raise LostError(f"there is no track {number}")
        seen = frozenset(a[1] for a in d.anchor if a[0] == self.session)
        return [Target(t, self.group(number), (_scope(d),), seen) for t in tracks]

    def _by_place(self, d: Decision) -> list[Target]:
        """Labels were made anew: each track that lies there, but for frames in which decisions
        about other former tracks found the same one."""
        out = []
        for track, frames in met(d, self.session, self.labelled).items():
            pieces = self.of(track)
            nodes = frozenset(n for f in frames for n in self.group(at(pieces, f).node))
            others = [s for key, s in self._claims.get(track, {}).items() if key != former(d)]
            ranges = tuple(without(_scope(d), others))
            certain = "phrase" in d.body
            out.append(Target(track, nodes, ranges, frozenset(frames), certain))
        return out

    def of(self, track: int) -> Pieces:
        """A track's pieces."""
        return self.pieces.get(track) or untouched(track)

    def group(self, node: int) -> frozenset[int]:
        """All nodes that are the same thing as one of them."""
        return self._groups.get(node, frozenset({node}))

    def tracks_of(self, node: int) -> set[int]:
        """Tracks that a node has pieces of."""
        own = {node} if node in self.labelled.frames else set()
        return own | self._tracks_of.get(node, set())

    def _tracks(self, number: int) -> list[int]:
        return sorted({t for node in self.group(number) for t in self.tracks_of(node)})

    def _change(self, target: Target, ranges: Iterable[Range], change: _Change) -> None:
        def ours(state: State) -> State:
            return change(state) if state.node in target.nodes else state

        pieces = self.of(target.track)
        for span in ranges:
            pieces = changed(pieces, span, ours)
        self.pieces[target.track] = pieces

    # --- decisions --------------------------------------------------------------------------------

    def _accept(self, event: Event, t_ns: int) -> None:
        self._name(event, t_ns, event.decision.body.get("phrase"), corrected=False)

    def _relabel(self, event: Event, t_ns: int) -> None:
        self._name(event, t_ns, event.decision.body["phrase"], corrected=True)

    def _name(self, event: Event, t_ns: int, phrase: str | None, corrected: bool) -> None:
        for target in self.targets(event.decision, event.decision.subject.id):
            self._say(target, target.ranges, event.seq, t_ns, phrase, corrected)

    def _say(
        self,
        target: Target,
        ranges: Iterable[Range],
        seq: int,
        t_ns: int,
        phrase: str | None,
        corrected: bool,
    ) -> None:
        """It is there and rightly named, or now is: as was seen in some frames, and so in all."""
        say = partial(_said, seq=seq, t_ns=t_ns, phrase=phrase, certain=target.certain)
        for span in ranges:
            self._change(target, [span], partial(say, status="propagated"))
            seen = [f for f in target.seen if span[0] <= f <= span[1]]
            seen += [span[0]] if span[0] == span[1] else []
            looked = partial(say, status="corrected" if corrected else "verified")
            self._change(target, [(f, f) for f in sorted(set(seen))], looked)

    def _reject(self, event: Event, t_ns: int) -> None:
        for target in self.targets(event.decision, event.decision.subject.id):
            self._change(target, target.ranges, partial(_gone, seq=event.seq))

    def _trim(self, event: Event, t_ns: int) -> None:
        body = event.decision.body
        kept: Range = (body["first"], body["last"])
        for target in self.targets(event.decision, event.decision.subject.id):
            inside = [_both(span, kept) for span in target.ranges]
            self._say(target, inside, event.seq, t_ns, None, corrected=False)
            outside = [part for span in target.ranges for part in without(span, [kept])]
            self._change(target, outside, partial(_gone, seq=event.seq))

    def _split(self, event: Event, t_ns: int) -> None:
        d, made = event.decision, MADE + event.seq
        for target in self.targets(d, d.subject.id):
            later = [_both(span, (d.body["frame"], EVER[1])) for span in target.ranges]
            if not any(self._has_frames(target, span) for span in later):
                continue
            self._change(target, later, lambda s: replace(s, node=made, event=event.seq))
            self._tracks_of.setdefault(made, set()).add(target.track)
            if "phrase" in d.body:
                whose = replace(target, nodes=frozenset({made}))
                self._say(whose, later, event.seq, t_ns, d.body["phrase"], corrected=True)
        if not self.tracks_of(made):
            raise LostError(f"track {d.subject.id} ends before frame {d.body['frame']}")

    def _has_frames(self, target: Target, span: Range) -> bool:
        frames = self.labelled.frames.get(target.track)
        own = [] if frames is None else frames[(frames >= span[0]) & (frames <= span[1])].tolist()
        own += [f for t, f in self.drawn if t == target.track and span[0] <= f <= span[1]]
        return any(at(self.of(target.track), f).node in target.nodes for f in own)

    def _same(self, event: Event, t_ns: int) -> None:
        self._pair(event, same=True)

    def _different(self, event: Event, t_ns: int) -> None:
        self._pair(event, same=False)

    def _pair(self, event: Event, same: bool) -> None:
        d = event.decision
        nodes = self._two(d)
        if len(nodes) == 1 and not same:
            raise OneByNowError(f"tracks {d.subject.id} and {d.subject.other} are one track by now")
        for other in nodes[1:]:
            self.verdicts[frozenset((nodes[0], other))] = (same, event.seq)
        self._groups, _ = united(self.verdicts)

    def _two(self, d: Decision) -> list[int]:
        """The nodes of a pair; of labels made anew all that lie where the person looked."""
        pair = [d.subject.id, d.subject.other]
        same = is_same_run(d, self.session, self.labelled)
        anchored = any(a[0] == self.session for a in d.anchor)
        known = all(map(self._tracks, pair))
        if known and (same or (same is None and not anchored) or min(pair) >= MADE):
            return pair
        if same or not anchored:
            missing = next((n for n in pair if not self._tracks(n)), pair[0])
            raise LostError(f"there is no track {missing}")
        found = met(d, self.session, self.labelled)
        nodes = [at(self.of(t), f).node for t, frames in found.items() for f in frames]
        if not nodes:
            raise LostError(f"nothing is found where tracks {pair[0]} and {pair[1]} were")
        return list(dict.fromkeys(nodes))

    def _box(self, event: Event, t_ns: int) -> None:
        body = event.decision.body
        self._draw(event, body["frame"], tuple(body["box_xyxy"]), None)

    def _mask(self, event: Event, t_ns: int) -> None:
        """A mask, and where a segmenter carried it to: nowhere that a person has looked."""
        body = event.decision.body
        mask, box = self._mask_of(body["counts"], body["frame"])
        self._draw(event, body["frame"], box, mask)
        for frame, counts in body.get("carried", ()):
            mask, box = self._mask_of(counts, frame)
            self._draw(event, frame, box, mask, "propagated")

    def _draw(
        self,
        event: Event,
        frame: int,
        box: tuple[float, ...],
        mask: bytes | None,
        status: str = "corrected",
    ) -> None:
        """Where the machine shows it in that frame, in its place; else as one more view of it."""
        d = event.decision
        target = self._in_frame(d, frame)
        before = self.drawn.get((target.track, frame))
        looked_at = at(self.of(target.track), frame).status in ("verified", "corrected")
        if status == "propagated" and (before is not None or looked_at):
            return
        name, said = self.labelled.phrase.get(target.track), None
        if before is not None:
            name, said = before.phrase, before.t_ns
        self.drawn[target.track, frame] = Drawn(box, mask, name, said, event.seq)
        drawn = partial(replace, there=True, status=status, event=event.seq)
        self._change(target, [(frame, frame)], drawn)

    def _in_frame(self, d: Decision, frame: int) -> Target:
        """Of what a decision is about, the part that a frame shows, or might have shown."""
        if frame not in self.labelled.size:
            raise LostError(f"there is no frame {frame}")
        targets = [
            t
            for t in self.targets(d, d.subject.id)
            if any(first <= frame <= last for first, last in t.ranges)
            and at(self.of(t.track), frame).node in t.nodes
        ]
        if not targets:
            raise LostError(f"track {d.subject.id} does not reach frame {frame}")
        return next((t for t in targets if self.shows(t.track, frame)), targets[0])

    def shows(self, track: int, frame_id: int) -> bool:
        """Whether the machine has a label of a track in a frame."""
        frames = self.labelled.frames.get(track)
        if frames is None:
            return False
        k = int(frames.searchsorted(frame_id))
        return k < len(frames) and int(frames[k]) == frame_id

    def _add(self, event: Event, t_ns: int) -> None:
        """Something the labels lack; labels made anew may have found it themselves."""
        d, frame = event.decision, event.decision.subject.id
        if frame not in self.labelled.size:
            raise LostError(f"there is no frame {frame}")
        phrase, box, mask = d.body["phrase"], tuple(d.body["box_xyxy"]), None
        if "counts" in d.body:
            mask, box = self._mask_of(d.body["counts"], frame)
        track = None
        if is_same_run(d, self.session, self.labelled) is False:
            track = meeting(self.labelled, frame, box)
        made = MADE + event.seq
        if track is None:
            track = made
            self._tracks_of[made] = {made}
        else:
            self.verdicts[frozenset((made, at(self.of(track), frame).node))] = (True, event.seq)
            self._groups, _ = united(self.verdicts)
        nodes = frozenset({at(self.of(track), frame).node})
        self.drawn[track, frame] = Drawn(box, mask, phrase, t_ns, event.seq)
        target = Target(track, nodes, (EVER,), frozenset({frame}))
        say = partial(_said, seq=event.seq, t_ns=t_ns, phrase=phrase, certain=True)
        # Frames about which nobody has said anything: it is the same thing in all of them.
        self._change(target, [EVER], lambda s: s if s.event else say(s, status="propagated"))
        self._change(target, [(frame, frame)], partial(say, status="corrected"))

    def _mask_of(self, counts: str, frame: int) -> tuple[bytes, tuple[float, ...]]:
        if frame not in self.labelled.size:
            raise LostError(f"there is no frame {frame}")
        height, width = self.labelled.size[frame]
        try:
            runs = masks.counts_to_runs(counts.encode())
        except ValueError as error:
            raise LostError(f"the mask cannot be read: {error}") from error
        if int(runs.sum()) != height * width:
            raise LostError(f"the mask is not of a frame of {width} x {height} pixels")
        box = tuple(map(float, masks.box(counts.encode(), (height, width))))
        if box[2] <= box[0]:
            raise LostError("the mask is empty")
        return counts.encode(), box


def _said(
    state: State, *, seq: int, t_ns: int, phrase: str | None, status: str, certain: bool
) -> State:
    """The state once a person has said that a thing is there, and what it is called."""
    named = phrase or state.phrase
    stands = state.there and named == state.phrase and state.status in ("verified", "corrected")
    if status == "propagated" and stands:
        status = state.status  # somebody has looked at this very frame before
    if not certain and named is None:
        status = state.status  # of a name that is no longer known nobody can say it is right
    since = state.t_ns if phrase is None else t_ns
    return State(state.node, True, named, since, status, seq)


def _gone(state: State, *, seq: int) -> State:
    return replace(state, there=False, status="corrected", event=seq)


def _scope(d: Decision) -> Range:
    first = EVER[0] if d.first is None else d.first
    return first, EVER[1] if d.last is None else d.last


def _both(a: Range, b: Range) -> Range:
    return max(a[0], b[0]), min(a[1], b[1])
