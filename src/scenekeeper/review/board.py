"""What a review knows at a moment: labels, trust, what to ask next, and what is proven.

In: a labelled dataset and the events so far. Out: one plain value that the desk deals from, made
anew as events come in; everything in it follows from the dataset, the log and the kept draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import repeat
from typing import Any

import numpy as np
import pyarrow as pa

from scenekeeper.errors import ReviewError
from scenekeeper.review import draws, estimate, outcomes, sampling
from scenekeeper.review.carried import carried
from scenekeeper.review.certify import Certificate, certify
from scenekeeper.review.effort import Effort
from scenekeeper.review.entry import Entry, group_key
from scenekeeper.review.events import Decision, Event, Subject
from scenekeeper.review.pairs import pairs
from scenekeeper.review.queue import plan
from scenekeeper.review.reel import Reel
from scenekeeper.review.signals import units as units_of
from scenekeeper.review.standing import not_undone
from scenekeeper.review.statements import captions, relations, statements
from scenekeeper.review.trust import Trust, fit, prior_trust, stand_for_all
from scenekeeper.review.units import Float, Int, Units
from scenekeeper.schema import TRUST
from scenekeeper.store import Dataset

EPSILON, DELTA = 0.05, 0.1
"""Of the certificate that is worked towards: 95 % right, at 90 % confidence."""
AUDITED_TRACKS, AUDITED_FRAMES = 240, 60
"""Audits that are drawn; they come mixed with the other cards."""
AUDITED_STATEMENTS = 30
"""Of relations, and of captions."""
AUDITED_SHARE = 1 / 3
"""At most so much is drawn at first: what is drawn is not asked for its doubt any more."""


@dataclass(frozen=True, eq=False)
class Board:
    """What a review knows.

    Attributes:
        dataset: the labels,
        reel: opened to cut cards from,
        runs: and per session the run of the labels that are shown.
        frames: session and id of every frame; what audits of frames are drawn from.
        draws: of tracks and of frames, and of what is asked.
        seed: of the queue's order.
        asked: per design the relations and the captions that audits are drawn from.
        more: questions about pairs and statements; ``None`` = not looked for yet.
        events: of the log, in order, as they speak of these labels,
        seq: up to this number.
        trust: the model fitted on them.
        entries: what to ask next, in order.
        certificate: of these labels; ``None`` = nothing is proven yet.
        quality: how many labels are wrong, by kind.
    """

    dataset: Dataset
    reel: Reel
    runs: Mapping[str, str]
    frames: tuple[tuple[str, int], ...]
    draws: tuple[sampling.Draw, ...]
    seed: int
    asked: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    more: tuple[Entry, ...] | None = None
    events: tuple[Event, ...] = ()
    seq: int = 0
    trust: Trust = field(default_factory=prior_trust)
    entries: tuple[Entry, ...] = ()
    certificate: Certificate | None = None
    quality: tuple[estimate.Estimate, ...] = ()

    @property
    def units(self) -> Units:
        """The tracks."""
        return self.reel.units

    @property
    def snapshot(self) -> str:
        """Fingerprint of the labels."""
        return self.units.snapshot

    @property
    def of_tracks(self) -> sampling.Draw:
        """The draw of tracks to audit."""
        return self.drawn("tracks")

    def drawn(self, design: str) -> sampling.Draw:
        """The draw of a design."""
        return next(draw for draw in self.draws if draw.design == design)

    @property
    def gold(self) -> outcomes.Gold:
        """What became of the planted errors."""
        return outcomes.of_gold(self.events)

    @cached_property
    def owners(self) -> dict[str, str]:
        """Who has decided about a thing last, by its key; empty while one person decides alone."""
        said = [(e.decision.subject, e.decision.actor) for e in self.events]
        if len({actor for _, actor in said}) < 2:
            return {}
        units = self.units
        row_of = {
            track: row
            for row, track in enumerate(zip(units.session, units.track.tolist(), strict=True))
        }
        rows = [(row_of.get((s.session, s.id)), s, actor) for s, actor in said]
        return {
            s.key if s.kind != "track" or row is None else group_key(units, row): actor
            for row, s, actor in rows
        }

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Names that are in use, and those that people gave, most frequent first."""
        said = [
            str(e.decision.body["phrase"])
            for e in self.events
            if e.decision.op in ("relabel", "add") and e.decision.sample.stream != "gold"
        ]
        return tuple(dict.fromkeys([*self.reel.words, *said]))


def opened(dataset: Dataset, revision: Any, seed: int) -> Board:
    """The board of a dataset before its log is read and its pairs are looked for.

    Args:
        dataset: the labels.
        revision: number of the last event about a subject, by its key.
        seed: of draws and of the queue's order.

    Raises:
        DatasetError: it cannot be read, or the draws cannot be kept.
        ReviewError: there is nothing to review.
    """
    units = units_of(dataset)
    if not len(units):
        raise ReviewError(
            "there is nothing to review: no track is labelled",
            path=dataset.path,
            remedy=f"Label first: scenekeeper label RECORDING --into {dataset.path}",
        )
    trust = prior_trust()
    frames: list[tuple[str, int]] = []
    for session in sorted(set(units.session)):
        frames += zip(repeat(session), dataset.frames(session)["frame_id"].to_pylist())

    def of_tracks() -> sampling.Draw:
        size = min(AUDITED_TRACKS, math.ceil(AUDITED_SHARE * len(units)))
        return sampling.tracks(units, trust.p(units), seed, size)

    def of_frames() -> sampling.Draw:
        size = min(AUDITED_FRAMES, math.ceil(AUDITED_SHARE * len(frames)))
        return sampling.simple("frames", len(frames), seed, size, units.snapshot)

    made = tuple(
        draws.drawn(dataset.path, units.snapshot, design, draw)
        for design, draw in (("tracks", of_tracks), ("frames", of_frames))
    )
    runs = {s: dataset.current(s).get("instances", "") for s in sorted(set(units.session))}
    return Board(dataset, Reel(dataset, units, revision), runs, tuple(frames), made, seed)


def with_questions(board: Board) -> Board:
    """The board with pairs and statements to ask about, and statements to audit."""
    board = with_statements(board)
    return replace(board, more=(*pairs(board.reel), *statements(board.reel)))


def with_statements(board: Board) -> Board:
    """The board with the relations and captions that are audited.

    Raises:
        DatasetError: the labels cannot be read, or the draws cannot be kept.
    """
    found = {"relation": relations(board.reel), "caption": captions(board.reel)}
    asked = {design: tuple(entries) for design, entries in found.items() if entries}
    made = list(board.draws)
    for design, entries in asked.items():
        size = min(AUDITED_STATEMENTS, math.ceil(AUDITED_SHARE * len(entries)))
        simple = partial(sampling.simple, design, len(entries), board.seed, size, board.snapshot)
        draw = draws.drawn(board.dataset.path, board.snapshot, design, simple)
        if len(draw) == len(entries):  # else a describer has spoken anew of the same labels
            made.append(draw)
    known = {draw.design for draw in made}
    asked = {design: entries for design, entries in asked.items() if design in known}
    return replace(board, asked=asked, draws=tuple(made))


def with_events(
    board: Board, events: Sequence[Event], late: Sequence[Decision], seconds: float
) -> Board:
    """The board after some events: trust fitted, queue planned.

    Args:
        board: of the same labels.
        events: all of the log.
        late: decisions that conflict with one of them.
        seconds: that are left of the budget.
    """
    units, seq = board.units, events[-1].seq if events else 0
    events = carried(board.dataset, board.snapshot, board.runs, events)
    board, events = _drawn_further(board, events)
    rows, wrong = reviewed(units, events)
    weight = stand_for_all(prior_trust().p(units), rows)
    trust = fit(units, rows, wrong, weight) if len(rows) else prior_trust()
    entries = plan(
        units,
        trust.p(units),
        events,
        board.draws,
        board.seed,
        frames=board.frames,
        asked=board.asked,
        more=board.more or (),
        again=late,
        effort=Effort(),
        seconds=seconds,
    )
    return replace(board, events=tuple(events), seq=seq, trust=trust, entries=tuple(entries))


def _drawn_further(board: Board, events: Sequence[Event]) -> tuple[Board, list[Event]]:
    """Where a draw is audited to its end, the same order is taken further.

    Whatever lies further on and was looked at meanwhile counts as audited: what is found on a card
    of its own does not depend on why it was asked, and the order never did.
    """
    out, events = [], list(events)
    for draw in board.draws:
        while True:
            if draw.design == "tracks":
                events = _looked_at(draw, board.units, events)
                audited = len(outcomes.of_tracks(draw, events, board.units))
            elif draw.design in board.asked:
                audited = len(_wrong_statements(board, draw, events))
            else:
                audited = len(outcomes.of_frames(draw, events, board.frames))
            if not draw.size <= audited < len(draw):
                break
            draw = draw.to(2 * draw.size)
            draws.keep(board.dataset.path, draw)
        out.append(draw)
    return replace(board, draws=tuple(out)), events


def _wrong_statements(board: Board, draw: sampling.Draw, events: Sequence[Event]) -> Float:
    subjects = [entry.subject for entry in board.asked[draw.design]]
    return outcomes.of_statements(draw, events, subjects)


def _looked_at(draw: sampling.Draw, units: Units, events: Sequence[Event]) -> list[Event]:
    """Events in which answers to cards of a draw's tracks are audits, whatever they were."""
    rank = {
        Subject("track", units.session[row], int(units.track[row])): k
        for k, row in enumerate(draw.index.tolist())
    }
    out = []
    for event in events:
        d = event.decision
        own = d.sample.stream == "repair" and d.card.startswith("track-") and d.subject in rank
        if own:
            d = replace(d, sample=draw.sample(rank[d.subject]))
        out.append(replace(event, decision=d) if own else event)
    return out


def with_proof(board: Board, epsilon: float = EPSILON, delta: float = DELTA) -> Board:
    """The board with what its events prove.

    Args:
        board: after its events.
        epsilon: share of the labels accepted unseen that may be wrong.
        delta: probability that a certificate is wrong.

    Raises:
        ReviewError: ``epsilon`` or ``delta`` is no probability.
    """
    of_tracks, of_frames = board.of_tracks, board.drawn("frames")
    found = outcomes.of_tracks(of_tracks, board.events, board.units)
    missed = outcomes.of_frames(of_frames, board.events, board.frames)
    shares = {k: np.array([f.share([k]) for f in found]) for k in outcomes.KINDS}
    wrong = np.array([f.share() for f in found])
    quality = list(estimate.of_tracks(of_tracks, {"any": wrong, **shares}))
    missing = estimate.of_frames(of_frames, missed, int(board.units.frames.sum()))
    quality += [missing] if missing is not None else []
    for design in board.asked:
        draw = board.drawn(design)
        said = estimate.of_statements(design, draw, _wrong_statements(board, draw, board.events))
        quality += [said] if said is not None else []
    certificate = certify(
        board.units,
        of_tracks,
        wrong,
        epsilon,
        delta,
        gold=board.gold,
        decided=settled(board.units, board.events),
    )
    return replace(board, quality=tuple(quality), certificate=certificate)


def reviewed(units: Units, events: Sequence[Event]) -> tuple[Int, Float]:
    """Rows ``int64 [R]`` of the tracks that people looked at, and which share of each is wrong."""
    said = _said(units, events)
    spans = zip(units.first.tolist(), units.last.tolist(), strict=True)
    wrong = [
        outcomes.finding(said[row], *span, units.phrase[row]).share()
        for row, span in enumerate(spans)
        if row in said
    ]
    return np.array(sorted(said), np.int64), np.array(wrong)


def settled(units: Units, events: Sequence[Event]) -> Int:
    """Rows of the tracks about which somebody was sure."""
    said = _said(units, events).items()
    return np.array([row for row, told in said if any(d.op != "unsure" for d in told)], np.int64)


def _said(units: Units, events: Sequence[Event]) -> dict[int, list[Decision]]:
    """Per row, ascending, the decisions about the track; what was said of an object counts for all
    of its tracks."""
    told: dict[Subject, list[Decision]] = {}
    for event in not_undone(events):
        d = event.decision
        if d.sample.stream != "gold" and d.subject.kind in ("track", "object"):
            told.setdefault(d.subject, []).append(d)
    out = {}
    ids = zip(units.session, units.track.tolist(), units.object.tolist(), strict=True)
    for row, (session, track, thing) in enumerate(ids):
        said = told.get(Subject("track", session, track), [])
        if thing >= 0:
            said = said + told.get(Subject("object", "", thing), [])
        if said:
            out[row] = said
    return out


def trust_table(board: Board) -> pa.Table:
    """How far each track can be trusted (:data:`scenekeeper.schema.TRUST`)."""
    units, certified = board.units, np.zeros(len(board.units), np.bool_)
    if board.certificate is not None:
        certified[list(board.certificate.certified)] = True
    rows = {
        "session": units.session,
        "run": [board.runs[session] for session in units.session],
        "track": units.track,
        "p": board.trust.p(units).astype(np.float32),
        "certified": certified,
    }
    return pa.table(rows, TRUST)
