"""A reviewer of known speed who mends what a card shows: the clock and the truth of benchmarks.

Seconds of an action are those of :class:`scenekeeper.review.effort.Effort`: reading a filmstrip
1.5, an object's card 2.5 and 0.25 a track, a gallery 1.5 and 0.25 a tile, a whole frame 2.5 and
0.25 a box; then for what is wrong 1 to reject, 2.5 to rename, 6 to split, 8 to draw a mask.
On a filmstrip everything is found; on a gallery or an object's card, which show a picture or two of
each track, names and hallucinations only. On a whole frame what is wrong in that frame is found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.reviewed_rooms import KINDS, World
from scenekeeper.review.effort import Effort
from scenekeeper.review.entry import Entry
from scenekeeper.review.events import Decision, Event, Op, Subject

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Answer:
    """What became of one card.

    Attributes:
        seconds: that it took.
        mended: wrong labels that are right now.
        said: decisions, as ``(op, row, body)``.
        wrong: by row, the share of a track's labels that turned out wrong.
    """

    seconds: float
    mended: int
    said: tuple[tuple[Op, int, dict[str, object]], ...] = ()
    wrong: Mapping[int, float] = field(default_factory=dict)


@dataclass
class Reviewer:
    """One person at work on one world.

    Attributes:
        world: what is reviewed, with its truth.
        effort: seconds of each action.
        spreads: whether a decision about a label holds for all labels of its track.
        blind: share of errors that are not seen.
    """

    world: World
    effort: Effort = field(default_factory=Effort)
    spreads: bool = True
    blind: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        self._open = np.stack([self.world.wrong_by_kind[kind] for kind in KINDS])
        self._start = np.searchsorted(self.world.unit, np.arange(len(self.world.units) + 1))
        self._order = np.argsort(self.world.frame, kind="stable")
        self._frames = self.world.frame[self._order]
        self._rng = np.random.default_rng([self.seed, 5])

    @property
    def wrong(self) -> int:
        """Labels that are still wrong."""
        return int(self._open.any(0).sum())

    def answer(self, entry: Entry) -> Answer:
        """Answer one card of the queue."""
        if entry.kind == "frame":
            session, frame_id = entry.subject.session, entry.subject.id
            first = self.world.night.frames * int(session.rpartition("-")[2])
            return self.frame(first + frame_id)
        if entry.sample.stream in ("gold", "duplicate"):
            # A planted error is mended and an answer repeated; no label is the better for it.
            fix = self.effort.reject if entry.sample.stream == "gold" else 0.0
            return Answer(self.effort.track + fix, 0)
        if entry.kind == "track":
            return self.track(entry.rows[0])
        return self.several(entry.rows, at_once=entry.kind == "object")

    def track(self, row: int) -> Answer:
        """Look at a filmstrip: everything that is wrong is found."""
        part = slice(self._start[row], self._start[row + 1])
        kinds = self._found(self._open[:, part].any(1))
        return self._mend(row, part, kinds, self.effort.track)

    def several(self, rows: Iterable[int], at_once: bool) -> Answer:
        """Look at an object's card or a gallery: names and hallucinations are found.

        Args:
            rows: of the tracks.
            at_once: one new name holds for all of them.
        """
        rows, effort = list(rows), self.effort
        mended, said, wrong = 0, [], {}
        seconds = (effort.thing if at_once else effort.track) + effort.each * len(rows)
        renamed = False
        for row in rows:
            part = slice(self._start[row], self._start[row + 1])
            kinds = self._found(self._open[:, part].any(1)) & _AT_A_GLANCE
            one = self._mend(row, part, kinds, 0.0 if at_once else effort.reject * kinds.any())
            mended, said = mended + one.mended, [*said, *one.said]
            wrong.update(one.wrong)
            repeated = at_once and renamed and one.seconds == effort.relabel
            seconds += 0.0 if repeated else one.seconds
            renamed = renamed or one.seconds == effort.relabel
        return Answer(seconds, mended, tuple(said), wrong)

    def frame(self, frame: int) -> Answer:
        """Read a whole frame and mend what is wrong in it."""
        low, high = np.searchsorted(self._frames, [frame, frame + 1])
        seconds, mended = self.effort.frame + self.effort.each * (high - low), 0
        for label in self._order[low:high].tolist():
            kinds = self._found(self._open[:, label])
            if kinds.any():
                row = int(self.world.unit[label])
                whole = slice(self._start[row], self._start[row + 1])
                one = self._mend(row, whole if self.spreads else slice(label, label + 1), kinds, 0)
                seconds, mended = seconds + one.seconds, mended + one.mended
        return Answer(float(seconds), mended)

    def _found(self, kinds: Bool) -> Bool:
        return kinds & (self._rng.random(len(kinds)) >= self.blind) if self.blind else kinds

    def _mend(self, row: int, part: slice, kinds: Bool, seconds: float) -> Answer:
        """Take errors of these kinds out of some labels of a track."""
        ghost, renamed, switched, slipped = kinds.tolist()
        effort, units = self.effort, self.world.units
        before = int(self._open[:, part].any(0).sum())
        said: list[tuple[Op, int, dict[str, object]]] = []
        if ghost:
            seconds += effort.reject
            self._open[:, part] = False
            said.append(("reject", row, {}))
        else:
            seconds += effort.relabel * renamed + effort.split * switched + effort.mask * slipped
            self._open[kinds, part] = False
            if renamed:
                said.append(("relabel", row, {"phrase": self.world.truth[row]}))
            if switched:
                said.append(("split", row, {"frame": int(self.world.switch[row])}))
            if slipped:
                said.append(("mask", row, {"frame": int(self.world.drift[row, 0]), "counts": "0"}))
        if not said:
            said.append(("accept", row, {"phrase": units.phrase[row]}))
        after = int(self._open[:, part].any(0).sum())
        mended = before - after
        wrong = {row: mended / (part.stop - part.start)}
        return Answer(float(seconds), mended, tuple(said), wrong)


def object_oracle(world: World, effort: Effort | None = None) -> tuple[list[float], list[int]]:
    """Seconds and wrong labels of each object's card, in the order of who knows them all.

    Everything wrong with an object's tracks is mended on its card, one new name for all of them.
    """
    effort, thing = effort or Effort(), world.units.object
    ghost, renamed, switched, slipped = (world.count(world.wrong_by_kind[k]) > 0 for k in KINDS)

    def total(values: NDArray[np.generic]) -> Float:
        return np.bincount(thing, values.astype(np.float64))

    fixes = effort.split * switched + effort.mask * slipped
    seconds = effort.thing + effort.each * np.bincount(thing)
    seconds += effort.relabel * (total(renamed & ~ghost) > 0)
    seconds += total(np.where(ghost, effort.reject, fixes))
    wrong = total(world.wrong_labels)
    order = np.argsort(-wrong / seconds)
    return seconds[order].tolist(), wrong[order].astype(int).tolist()


_AT_A_GLANCE = np.array([True, True, False, False])


def events(world: World, entry: Entry, answer: Answer, seq: int, actor: str = "one") -> list[Event]:
    """What the log would hold of an answer, numbered from ``seq``."""
    out = []
    said: Iterable[tuple[Op, int, dict[str, object]]] = answer.said
    if entry.kind == "frame":
        said = [("complete", -1, {"missed": 0})]
    for k, (op, row, body) in enumerate(said):
        subject = entry.subject
        if row >= 0:
            subject = Subject("track", world.units.session[row], int(world.units.track[row]))
        decision = Decision(
            f"decision-{seq + k:08d}",
            op,
            subject,
            body,
            actor,
            card=entry.id,
            sample=entry.sample,
        )
        out.append(Event(seq + k, decision, seq + k, "", ""))
    return out
