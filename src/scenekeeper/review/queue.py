"""In which order people are asked: most labels put right per second, mixed with samples for proof.

In: units with the probability that each is right, what has been decided, what was drawn for audits.
Out: an ordered list of entries. Pure; the cards are made by :mod:`scenekeeper.review.dealing`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Protocol

import numpy as np

from scenekeeper.review.answers import answers, key_of
from scenekeeper.review.effort import Effort
from scenekeeper.review.entry import Entry
from scenekeeper.review.events import Decision, Event, Sample, Subject
from scenekeeper.review.repair import Book, repairs, spread
from scenekeeper.review.units import Float, Int, Units
from scenekeeper.schema import UNNAMED

MIX: Mapping[str, int] = {"repair": 12, "audit": 6, "gold": 1, "duplicate": 1}
"""Cards of each stream in every twenty, in an order nobody can foresee."""

KEPT = 1 / 3
"""At most this share of all tracks is kept for audits; of a small dataset all may be drawn."""


class Draw(Protocol):
    """A seeded draw of things to audit; :mod:`scenekeeper.review.sampling` makes them."""

    @property
    def design(self) -> str:
        """What was drawn from: ``frames``, a name in ``asked``, or else units."""
        ...

    @property
    def seed(self) -> int:
        """Of the order."""
        ...

    @property
    def index(self) -> Int:
        """``int64 [n]`` rows of what was drawn from,"""
        ...

    @property
    def rank(self) -> Int:
        """``int64 [n]`` their places in the order,"""
        ...

    @property
    def pi(self) -> Float:
        """``float64 [n]`` and the probability with which each was included."""
        ...


def plan(
    units: Units,
    p: Float,
    events: Iterable[Event] = (),
    draws: Iterable[Draw] = (),
    seed: int = 0,
    *,
    frames: Sequence[tuple[str, int]] = (),
    asked: Mapping[str, Sequence[Entry]] | None = None,
    more: Iterable[Entry] = (),
    again: Iterable[Decision] = (),
    effort: Effort | None = None,
    mix: Mapping[str, int] = MIX,
    limit: int = 500,
    seconds: float = math.inf,
) -> list[Entry]:
    """What to ask next, in order.

    Args:
        units: the N tracks.
        p: ``float64 [N]`` probability that each is right.
        events: what has been decided about them.
        draws: units and frames drawn for audits, at most one draw of each design.
        seed: of the order in which streams follow each other and of what gold cards show.
        frames: ``(session, frame_id)`` that a draw of design ``frames`` indexes.
        asked: per design, the questions that a draw of it indexes: relations, captions.
        more: further questions for the repair stream: pairs, relations, captions.
        again: decisions that came too late, as somebody else had decided meanwhile; their tracks
            are asked again before all others.
        effort: seconds of each action.
        mix: cards of each stream in a block.
        limit: entries wanted.
        seconds: that they may take together.
    """
    effort = effort or Effort()
    so_far = answers(units, events, effort.seen_at_once, again)
    drawn = list(draws)
    book = Book(units, 1 - np.asarray(p, np.float64), so_far, effort)
    audits = list(_audits(book, drawn, frames, asked or {}))
    # What is audited next is asked in its turn only. Were the doubtful asked earlier, those
    # answered so far would be no random sample.
    of_tracks = [entry.rows[0] for entry in audits if entry.kind == "track"]
    kept = set(of_tracks[: int(KEPT * len(units))])
    kept_too = {entry.subject.key for entry in audits}
    others = [entry for entry in more if entry.subject.key not in kept_too]
    streams = {
        "repair": spread(repairs(book, kept, others, seed)),
        "audit": iter(audits),
        "gold": _golds(book, kept, seed),
        "duplicate": _duplicates(book, seed),
    }
    rng = np.random.default_rng([seed, so_far.count])
    return list(islice(_until(_once(_mixed(streams, mix, rng)), seconds), limit))


def deal(
    entries: Iterable[Entry],
    n: int,
    actor: str,
    held: Collection[str] = (),
    owners: Mapping[str, str] | None = None,
) -> list[Entry]:
    """The first entries that a person can be given.

    Args:
        entries: in order.
        n: how many are wanted.
        actor: who asks.
        held: keys of what others hold.
        owners: per key, who has decided about it last; others get it only when nothing else is
            left, for one who knows a thing judges its other tracks faster.
    """
    held, owners = frozenset(held), owners or {}
    free = [e for e in entries if actor not in e.not_for and held.isdisjoint(e.keys)]
    foreign = [any(owners.get(k, actor) != actor for k in e.keys) for e in free]
    first = [e for e, f in zip(free, foreign, strict=True) if not f or _again(e)]
    if len(first) < n:
        first += [e for e, f in zip(free, foreign, strict=True) if f and not _again(e)]
    return first[:n]


# --- streams --------------------------------------------------------------------------------------


def _audits(
    book: Book,
    draws: Sequence[Draw],
    frames: Sequence[tuple[str, int]],
    asked: Mapping[str, Sequence[Entry]],
) -> Iterator[Entry]:
    """All draws in the order of their ranks, so interleaved that they end together."""
    order = sorted(
        ((rank + 0.5) / len(draw.index), d, k)
        for d, draw in enumerate(draws)
        for k, rank in enumerate(draw.rank.tolist())
    )
    pis = [draw.pi for draw in draws]
    for _, d, k in order:
        draw, index = draws[d], int(draws[d].index[k])
        snapshot, rank = book.units.snapshot, int(draw.rank[k])
        sample = Sample("audit", draw.design, float(pis[d][k]), rank, draw.seed, snapshot)
        if draw.design == "frames":
            entry = _frame(frames[index], sample, book.effort)
        elif draw.design in asked:
            entry = replace(asked[draw.design][index], sample=sample)
        else:
            entry = book.entry(index, sample, float(book.doubt[index]), not_for=frozenset())
        key = key_of(entry.subject)
        if (draw.design, key) not in book.answers.audited:
            yield replace(entry, repeated=key in book.answers.settled)


def _frame(frame: tuple[str, int], sample: Sample, effort: Effort) -> Entry:
    subject = Subject("frame", *frame)
    return Entry("frame", subject, (), sample, 2 * effort.frame, 0.0, (subject.key,), "frame")


def _golds(book: Book, kept: Collection[int], seed: int) -> Iterator[Entry]:
    """Tracks that are right as far as anybody knows, each to be shown with an error planted."""
    units, n = book.units, len(book.units)
    rng = np.random.default_rng([seed, 11])
    # The order and the coins are the seed's alone, so that planning anew goes on in them.
    order, ghosts = rng.permutation(n), rng.random(n) < 0.5
    fit = (units.frames >= 4) & (np.array(units.phrase, np.str_) != UNNAMED)
    if fit.any():
        fit &= book.doubt <= np.median(book.doubt[fit])
    names = len({*units.phrase} - {UNNAMED}) > 1
    for row in order[fit[order]].tolist():
        planted = "ghost" if ghosts[row] or not names else "phrase"
        sample = Sample("gold", seed=seed, snapshot=units.snapshot, planted=planted)
        entry = book.entry(row, sample, 1.0, gain=0.0, not_for=frozenset())
        used = row in kept or row in book.answers.faulted or entry.id in book.answers.planted
        if not used:
            yield entry


def _duplicates(book: Book, seed: int) -> Iterator[Entry]:
    """Answered tracks once more, by somebody else where there is somebody else."""
    several = len(book.answers.actors) > 1
    sample = Sample("duplicate", seed=seed, snapshot=book.units.snapshot)
    for seen in book.answers.repeatable:
        not_for = seen.actors if several else frozenset()
        yield book.entry(seen.row, sample, 0.0, not_for=not_for)


# --- order ----------------------------------------------------------------------------------------


def _mixed(
    streams: Mapping[str, Iterator[Entry]], mix: Mapping[str, int], rng: np.random.Generator
) -> Iterator[Entry]:
    """Blocks with so many of each stream, shuffled; what a stream lacks is left out.

    Gold cards and repetitions only come among others: alone they would mend nothing.
    """
    block = [name for name in streams for _ in range(mix.get(name, 0))]
    asks = True
    while asks:
        asks = False
        for k in rng.permutation(len(block)).tolist():
            if (entry := next(streams[block[k]], None)) is not None:
                asks = asks or block[k] in ("repair", "audit")
                yield entry


def _once(entries: Iterator[Entry]) -> Iterator[Entry]:
    """No card twice: what is repaired before its audit comes is audited when it was answered."""
    known: set[str] = set()
    for entry in entries:
        if (name := entry.id) not in known:
            known.add(name)
            yield entry


def _until(entries: Iterator[Entry], seconds: float) -> Iterator[Entry]:
    """Entries as long as time is left."""
    for entry in entries:
        seconds -= entry.seconds
        if seconds < 0:
            return
        yield entry


def _again(entry: Entry) -> bool:
    return entry.sample.stream == "duplicate"
