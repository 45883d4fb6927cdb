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

Said = tuple[Op, dict[str, object]]


@dataclass(frozen=True)
class Answer:
    """What became of one card.

    Attributes:
        seconds: that it took.
        mended: wrong labels that are right now.
        said: decisions, as ``(row, (op, body))``.
        wrong: by row, the share of a track's labels that has turned out wrong so far.
    """

    seconds: float
    mended: int
    said: tuple[tuple[int, Said], ...] = ()
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
        if entry.sample.stream == "gold":  # the planted error is seen; no label is the better
            ghost = entry.sample.planted == "ghost"
            fix: Said = ("reject", {}) if ghost else ("relabel", {"phrase": "as it was"})
            seconds = self.effort.track + (self.effort.reject if ghost else self.effort.relabel)
            return Answer(seconds, 0, ((entry.rows[0], fix),))
        if entry.sample.stream == "duplicate":
            return self.again(entry.rows[0])
        if entry.kind == "track":
            return self.track(entry.rows[0])
        return self.several(entry.rows, at_once=entry.kind == "object")

    def track(self, row: int) -> Answer:
        """Look at a filmstrip: everything that is wrong is found."""
        part = self._labels(row)
        kinds = self._found(self._open[:, part].any(1))
        return self._mend(row, part, kinds, self.effort.track)

    def again(self, row: int) -> Answer:
        """Look at a filmstrip that was answered before, as it was then."""
        labels = self._labels(row)
        was = np.array([self.world.wrong_by_kind[kind][labels].any() for kind in KINDS])
        said = self._said(row, self._found(was))
        return Answer(self.effort.track + self._seconds(said), 0, tuple((row, s) for s in said))

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
            part = self._labels(row)
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
                part = self._labels(row) if self.spreads else slice(label, label + 1)
                one = self._mend(row, part, kinds, 0.0)
                seconds, mended = seconds + one.seconds, mended + one.mended
        return Answer(float(seconds), mended)

    def _found(self, kinds: Bool) -> Bool:
        return kinds & (self._rng.random(len(kinds)) >= self.blind) if self.blind else kinds

    def _labels(self, row: int) -> slice:
        return slice(int(self._start[row]), int(self._start[row + 1]))

    def _mend(self, row: int, part: slice, kinds: Bool, seconds: float) -> Answer:
        """Take errors of these kinds out of some labels of a track."""
        said, whole = self._said(row, kinds), self._labels(row)
        before = int(self._open[:, part].any(0).sum())
        # Once it is known to be nothing, nothing else about it is wrong.
        self._open[kinds | kinds[0], part] = False
        mended = before - int(self._open[:, part].any(0).sum())
        found = self.world.wrong[whole].sum() - self._open[:, whole].any(0).sum()
        wrong = {row: float(found) / (whole.stop - whole.start)}
        seconds += self._seconds(said)
        return Answer(seconds, mended, tuple((row, s) for s in said), wrong)

    def _said(self, row: int, kinds: Bool) -> list[Said]:
        """The decisions that such errors come to."""
        ghost, renamed, switched, slipped = kinds.tolist()
        if ghost:
            return [("reject", {})]
        world, said = self.world, list[Said]()
        if renamed:
            said.append(("relabel", {"phrase": world.truth[row]}))
        if switched:
            said.append(("split", {"frame": int(world.switch[row])}))
        if slipped:
            said.append(("mask", {"frame": int(world.drift[row, 0]), "counts": "0"}))
        return said or [("accept", {"phrase": world.units.phrase[row]})]

    def _seconds(self, said: list[Said]) -> float:
        e = self.effort
        of = {"reject": e.reject, "relabel": e.relabel, "split": e.split, "mask": e.mask}
        return sum(of.get(op, 0.0) for op, _ in said)


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
    said: Iterable[tuple[int, Said]] = answer.said
    if entry.kind == "frame":
        said = [(-1, ("complete", {"missed": 0}))]
    for k, (row, (op, body)) in enumerate(said):
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
