"""The benchmarks' reviewer mends what a card shows, and takes the seconds that are documented."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.reviewed_rooms import KINDS, Night, World, world
from benchmarks.simulated_reviewer import Reviewer, events, object_oracle

from scenekeeper.review.effort import Effort
from scenekeeper.review.entry import Entry
from scenekeeper.review.events import Event
from scenekeeper.review.queue import deal, plan

EFFORT = Effort()


@pytest.fixture(scope="module")
def night() -> World:
    return world(3, Night(things=60, sessions=8))


def first(night: World, **wanted: bool) -> int:
    """A track with errors of just these kinds."""
    has = {kind: night.count(night.wrong_by_kind[kind]) > 0 for kind in KINDS}
    good = np.all([has[kind] == wanted.get(kind, False) for kind in KINDS], axis=0)
    return int(np.flatnonzero(good)[0])


@pytest.mark.parametrize(
    ("kind", "seconds", "op"),
    [
        ("hallucination", EFFORT.reject, "reject"),
        ("class", EFFORT.relabel, "relabel"),
        ("identity", EFFORT.split, "split"),
        ("mask", EFFORT.mask, "mask"),
    ],
)
def test_a_filmstrip_shows_every_error(night: World, kind: str, seconds: float, op: str) -> None:
    row, reviewer = first(night, **{kind: True}), Reviewer(night)
    answer = reviewer.track(row)
    assert answer.seconds == EFFORT.track + seconds
    assert answer.mended == night.wrong_labels[row] > 0
    assert [said for _, (said, _) in answer.said] == [op]
    assert answer.wrong[row] == pytest.approx(night.wrong_labels[row] / night.units.frames[row])
    again = reviewer.track(row)
    assert (again.seconds, again.mended) == (EFFORT.track, 0) and again.said[0][1][0] == "accept"


def test_a_gallery_shows_names_and_ghosts_only(night: World) -> None:
    rows = [first(night, **{kind: True}) for kind in KINDS]
    answer = Reviewer(night).several(rows, at_once=False)
    assert answer.mended == night.wrong_labels[rows[:2]].sum()
    assert answer.seconds == pytest.approx(
        EFFORT.track + 4 * EFFORT.each + 2 * EFFORT.reject + EFFORT.reject + EFFORT.relabel
    )


def test_one_name_on_an_objects_card_is_given_once(night: World) -> None:
    renamed = np.flatnonzero(night.renamed)[:3].tolist()
    answer = Reviewer(night).several(renamed, at_once=True)
    assert answer.seconds == EFFORT.thing + 3 * EFFORT.each + EFFORT.relabel


def test_a_decision_in_a_frame_spreads_or_does_not(night: World) -> None:
    row = first(night, **{"class": True})
    label = int(np.searchsorted(night.unit, row))
    frame = int(night.frame[label])
    alone, spreading = Reviewer(night, spreads=False), Reviewer(night)
    one, all_of_them = alone.frame(frame), spreading.frame(frame)
    assert one.seconds == all_of_them.seconds
    assert one.mended == night.wrong[night.frame == frame].sum()
    assert all_of_them.mended >= night.wrong_labels[row]


def test_who_is_blind_to_some_errors_leaves_them(night: World) -> None:
    sees, half = Reviewer(night), Reviewer(night, blind=0.5)
    every = range(len(night.units))
    assert sum(sees.track(row).mended for row in every) == night.wrong.sum()
    left = night.wrong.sum() - sum(half.track(row).mended for row in every)
    assert 0.3 < left / night.wrong.sum() < 0.7 and half.wrong == left


def test_the_oracle_mends_everything_best_first(night: World) -> None:
    seconds, wrong = object_oracle(night)
    assert sum(wrong) == night.wrong.sum()
    rate = np.array(wrong) / np.array(seconds)
    assert (np.diff(rate) <= 1e-9).all()


def test_three_reviewers_share_a_queue_and_answer_nothing_twice(night: World) -> None:
    """Each is dealt four cards at a time, and answers while the others hold theirs."""
    units, reviewer = night.units, Reviewer(night)
    p = 1 / (1 + np.exp(-units.logit))
    log: list[Event] = []
    answered: list[tuple[str, Entry]] = []
    held: dict[str, list[Entry]] = {}
    names = ("ann", "bob", "cid")
    for turn in range(75):
        actor = names[turn % 3]
        for entry in held.pop(actor, []):
            log += events(night, entry, reviewer.answer(entry), len(log) + 1, actor)
            answered.append((actor, entry))
        taken = {key for entries in held.values() for e in entries for key in e.keys}
        mine = deal(plan(units, p, log, seed=2, limit=200), 4, actor, taken)
        assert taken.isdisjoint(key for e in mine for key in e.keys)
        held[actor] = mine
    assert len(answered) > 120
    ids = [entry.id for _, entry in answered]
    assert len(set(ids)) == len(ids)
    whole = [e for _, e in answered if e.kind == "track" and e.sample.stream == "repair"]
    assert len({e.subject for e in whole}) == len(whole)
    first_by = {e.subject: actor for actor, e in answered if e.sample.stream == "repair"}
    twice = [(a, e.subject) for a, e in answered if e.sample.stream == "duplicate"]
    assert twice and all(first_by[subject] != actor for actor, subject in twice)
