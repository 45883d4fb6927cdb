"""People are asked what mends most first, and samples for proof come unnoticed among it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from scenekeeper.errors import ReviewError
from scenekeeper.review.effort import Effort, budget_seconds
from scenekeeper.review.entry import Entry
from scenekeeper.review.events import Decision, Event, Op, Sample, Subject
from scenekeeper.review.queue import MIX, deal, plan
from scenekeeper.review.units import Int, Units

REPAIR = {"repair": 1}


def units(n: int, **changed: Any) -> Units:
    values: dict[str, Any] = {
        "snapshot": "first",
        "session": ("s",) * n,
        "track": np.arange(n) + 1,
        "object": np.full(n, -1),
        "phrase": tuple(f"thing {k}" for k in range(n)),
        "frames": np.full(n, 50),
        "first": np.zeros(n, np.int64),
        "last": np.full(n, 49),
        "size_px": np.full(n, 40.0),
        "choices": ({},) * n,
        "signals": (),
        "X": np.zeros((n, 0)),
        "logit": np.zeros(n),
    }
    return Units(**{**values, **changed})


@dataclass(frozen=True)
class Drawn:
    design: str
    index: Int
    seed: int = 4

    @property
    def rank(self) -> Int:
        return np.arange(len(self.index))

    @property
    def pi(self) -> Any:
        return np.full(len(self.index), 0.25)


def answered(
    entries: Sequence[Entry], op: Op = "accept", actor: str = "ann", start: int = 1
) -> list[Event]:
    """The events of one decision about each entry."""
    events = []
    for seq, entry in enumerate(entries, start):
        body = {"phrase": "kettle"} if op == "relabel" else {}
        decision = Decision(
            f"decision-{seq}", op, entry.subject, body, actor, card=entry.id, sample=entry.sample
        )
        events.append(Event(seq, decision, seq, "", ""))
    return events


def rows(entries: Sequence[Entry]) -> list[int]:
    return [entry.rows[0] for entry in entries]


# --- repair ---------------------------------------------------------------------------------------


def test_what_mends_most_labels_per_second_comes_first() -> None:
    some = units(4, frames=np.array([300, 10, 300, 10]))
    asked = plan(some, np.array([0.9, 0.1, 0.2, 0.8]), mix=REPAIR)
    assert rows(asked) == [2, 0, 1, 3]
    assert asked[0].gain == pytest.approx(0.8 * 300)
    effort = Effort()
    assert asked[0].seconds == pytest.approx(
        effort.track + effort.unforeseen + 0.8 * effort.relabel
    )


def test_what_was_decided_is_not_asked_again_until_it_is_undone() -> None:
    some, p = units(5), np.full(5, 0.5)
    asked = plan(some, p, mix=REPAIR)
    events = answered(asked[:2])
    assert set(rows(plan(some, p, events, mix=REPAIR))) == set(rows(asked[2:]))
    undo = Decision("undo-number-1", "undo", asked[0].subject, {"of": "decision-1"}, "ann")
    events.append(Event(3, undo, 3, "", ""))
    assert set(rows(plan(some, p, events, mix=REPAIR))) == {rows(asked)[0], *rows(asked[2:])}
    redo = replace(undo, id="undo-number-2", body={"of": "undo-number-1"})
    events.append(Event(4, redo, 4, "", ""))
    assert set(rows(plan(some, p, events, mix=REPAIR))) == set(rows(asked[2:]))


def test_one_card_about_an_object_comes_before_its_tracks_each() -> None:
    some = units(6, object=np.array([7, 7, 7, 7, -1, -1]), phrase=("mug",) * 6)
    asked = plan(some, np.full(6, 0.4), mix=REPAIR)
    assert asked[0].kind == "object" and asked[0].rows == (0, 1, 2, 3)
    assert asked[0].subject == Subject("object", "", 7)
    assert {"object//7"} == set(asked[0].keys)
    after = plan(some, np.full(6, 0.4), answered(asked[:1]), mix=REPAIR)
    assert rows(after[:2]) == [4, 5], "what the object's card leaves in doubt comes last"
    assert [e.kind for e in after].count("object") == 0


def test_an_object_is_asked_about_as_a_whole_and_only_while_its_tracks_agree() -> None:
    some = units(6, object=np.array([7, 7, 7, 7, -1, -1]), phrase=("mug",) * 6)
    p = np.full(6, 0.4)
    track = next(e for e in plan(units(6, phrase=some.phrase), p, mix=REPAIR) if e.rows == (1,))
    right = plan(some, p, answered([track]), mix=REPAIR)
    assert right[0].kind == "object" and right[0].rows == (0, 1, 2, 3)
    assert right[0].gain == pytest.approx(0.75 * 0.6 * 150), "the accepted one adds nothing"
    wrong = plan(some, p, answered([track], "relabel"), mix=REPAIR)
    assert "object" not in {e.kind for e in wrong}


def test_a_track_asked_on_its_own_takes_no_objects_card_after_it() -> None:
    frames = np.array([5000, 10, 10, 10])
    some = units(4, object=np.array([7, 7, 7, 7]), frames=frames)
    asked = plan(some, np.array([0.3, 0.99, 0.99, 0.99]), mix=REPAIR)
    assert asked[0].rows == (0,) and {e.kind for e in asked} == {"track"}


def test_what_is_likely_right_is_shown_by_name_in_a_gallery() -> None:
    some = units(30, phrase=("mug",) * 20 + ("bowl",) * 10)
    asked = plan(some, np.full(30, 0.97), mix=REPAIR)
    assert {e.kind for e in asked[:2]} == {"gallery"}
    assert sorted(len(e.rows) for e in asked[:2]) == [10, 20]
    for entry in asked[:2]:
        assert len({some.phrase[row] for row in entry.rows}) == 1


def test_a_gallery_holds_sixty_and_nothing_doubtful() -> None:
    some = units(100, phrase=("mug",) * 100)
    p = np.where(np.arange(100) < 90, 0.97, 0.3)
    galleries = [e for e in plan(some, p, mix=REPAIR) if e.kind == "gallery"]
    assert sorted(len(e.rows) for e in galleries) == [30, 60]
    assert not {row for e in galleries for row in e.rows} & set(range(90, 100))


def test_two_alike_do_not_follow_each_other() -> None:
    some = units(40, phrase=("mug", "mug", "bowl", "bowl") * 10, frames=np.arange(40, 0, -1) * 10)
    asked = plan(some, np.full(40, 0.3), mix=REPAIR)[:24]
    names = [some.phrase[row] for row in rows(asked)]
    assert all(a != b for a, b in pairwise(names))


def test_further_questions_take_their_place_by_what_they_mend() -> None:
    pair = Entry("pair", Subject("pair", "", 3, 9), (0, 1), seconds=3.0, gain=1e6)
    some, p = units(3), np.full(3, 0.5)
    asked = plan(some, p, mix=REPAIR, more=[pair])
    assert asked[0] == pair and len(asked) == 4
    other_way = replace(pair, subject=Subject("pair", "", 9, 3))
    events = answered([other_way], "same")
    assert pair not in plan(some, p, events, mix=REPAIR, more=[pair])


# --- audits, gold, duplicates ---------------------------------------------------------------------


def test_streams_are_mixed_in_every_twenty() -> None:
    some, p = units(400), np.linspace(0.05, 0.95, 400)
    events = answered(plan(some, p, mix=REPAIR, limit=60))
    draws = [Drawn("tracks", np.arange(200, 300))]
    asked = plan(some, p, events, draws, seed=1, limit=100)
    for start in range(0, 100, 20):
        block = Counter(e.sample.stream for e in asked[start : start + 20])
        assert block == Counter(MIX)
    again = plan(some, p, events, draws, seed=1, limit=100)
    assert again == asked
    other = plan(some, p, events, draws, seed=2, limit=100)
    assert [e.sample.stream for e in other] != [e.sample.stream for e in asked]


def test_audits_come_in_their_order_and_in_no_other_stream() -> None:
    some, p = units(50), np.linspace(0.01, 0.99, 50)
    drawn = Drawn("tracks", np.array([0, 40, 1, 30]))
    asked = plan(some, p, (), [drawn])
    audits = [e for e in asked if e.sample.stream == "audit"]
    assert rows(audits) == [0, 40, 1, 30]
    assert [e.sample.rank for e in audits] == [0, 1, 2, 3]
    assert audits[1].sample == Sample("audit", "tracks", 0.25, 1, 4, "first")
    others = {row for e in asked if e.sample.stream != "audit" for row in e.rows}
    assert not others & {0, 40, 1, 30}
    left = plan(some, p, answered(audits[:2]), [drawn])
    assert rows([e for e in left if e.sample.stream == "audit"]) == [1, 30]


def test_audits_of_a_small_dataset_leave_something_to_repair() -> None:
    some, p = units(60), np.linspace(0.01, 0.99, 60)
    draws = [Drawn("tracks", np.arange(60)[::-1])]
    asked = plan(some, p, (), draws)
    assert len({e.id for e in asked}) == len(asked), "no card comes twice"
    repairs = [e for e in asked if e.sample.stream == "repair"]
    assert len(repairs) > 20 and not {*rows(repairs)} & {*range(40, 60)}, "a third is kept"
    audits = [e for e in asked if e.sample.stream == "audit"]
    assert rows(audits[:20]) == list(range(60))[:39:-1]
    later = plan(some, p, answered(repairs) + answered(audits, start=100), draws)
    left = [e for e in later if e.sample.stream == "audit"]
    assert {*rows(left)} == {*rows(repairs)}, "what was repaired first is audited in the end,"
    assert not {e.id for e in left} & {e.id for e in asked}, "as another card"


def test_frames_and_statements_are_audited_too_and_all_draws_end_together() -> None:
    some, p = units(30), np.full(30, 0.5)
    relation = Entry(
        "relation", Subject("relation", "s", 1, 2, "on"), statement="The mug is on it."
    )
    draws = [Drawn("frames", np.arange(10, 15)), Drawn("relations", np.zeros(1, np.int64))]
    asked = plan(
        some,
        p,
        (),
        draws,
        frames=[("s", k) for k in range(100, 200)],
        asked={"relations": [relation]},
        more=[relation],
    )
    audits = [e for e in asked if e.sample.stream == "audit"]
    assert [e.kind for e in audits] == ["frame"] * 2 + ["relation"] + ["frame"] * 3 or [
        e.kind for e in audits
    ] == ["frame"] * 3 + ["relation"] + ["frame"] * 2
    assert audits[0].subject == Subject("frame", "s", 110) and not audits[0].rows
    assert [e.kind for e in asked].count("relation") == 1


def test_a_frame_is_audited_once_it_is_complete() -> None:
    some, p = units(4), np.full(4, 0.5)
    where: dict[str, Any] = {"frames": [("s", 7)], "mix": {"audit": 1}}
    draws = [Drawn("frames", np.array([0]))]
    (frame,) = plan(some, p, (), draws, **where)
    added = answered([frame], "add")
    assert plan(some, p, added, draws, **where) == [frame]
    assert plan(some, p, added + answered([frame], "complete", start=2), draws, **where) == []


def test_gold_cards_show_what_is_likely_right_and_each_once() -> None:
    some, p = units(200), np.linspace(0.0, 1.0, 200)
    golds = [e for e in plan(some, p, limit=200) if e.sample.stream == "gold"]
    assert len(golds) >= 8 and min(rows(golds)) >= 100
    assert {e.sample.planted for e in golds} == {"phrase", "ghost"}
    later = plan(some, p, answered(golds[:5], "reject"), limit=200)
    left = [e.id for e in later if e.sample.stream == "gold"]
    assert left[:3] == [e.id for e in golds[5:8]]
    assert any(e.rows == golds[0].rows for e in plan(some, p, answered(golds[:5]), mix=REPAIR))


def test_what_was_corrected_is_no_gold_card() -> None:
    some, p = units(100), np.linspace(0.0, 1.0, 100)
    golds = [e for e in plan(some, p) if e.sample.stream == "gold"]
    real = replace(golds[0], sample=Sample("repair", snapshot="first"), kind="track")
    left = [e for e in plan(some, p, answered([real], "relabel")) if e.sample.stream == "gold"]
    assert golds[0].rows not in [e.rows for e in left] and golds[1].id in [e.id for e in left]


def test_an_audit_of_earlier_labels_is_none_of_these() -> None:
    some, p = units(10), np.full(10, 0.5)
    draws = [Drawn("tracks", np.array([3]))]
    audit = next(e for e in plan(some, p, (), draws) if e.sample.stream == "audit")
    earlier = replace(audit, sample=replace(audit.sample, snapshot="before"))
    asked = plan(some, p, answered([earlier]), draws)
    assert [e.rows for e in asked if e.sample.stream == "audit"] == [(3,)]


def test_an_answer_is_asked_for_again_later_and_of_somebody_else() -> None:
    some, p = units(60), np.full(60, 0.5)
    first = plan(some, p, mix=REPAIR, limit=30)
    alone = plan(some, p, answered(first), mix={"duplicate": 1, "repair": 1})
    repeated = [e for e in alone if e.sample.stream == "duplicate"]
    assert rows(repeated) == rows(first[:10]), "only what lies twenty cards back"
    assert all(not e.not_for for e in repeated)
    more = answered(first) + answered(
        plan(some, p, answered(first), mix=REPAIR)[:1], "reject", "bob", 31
    )
    repeated = [e for e in plan(some, p, more) if e.sample.stream == "duplicate"]
    assert repeated[0].not_for == {"ann"} and deal(repeated, 5, "ann") == []
    assert repeated[0].id != first[0].id and repeated[0].subject == first[0].subject


def test_a_third_person_decides_where_two_differ() -> None:
    some, p = units(40), np.full(40, 0.5)
    first = plan(some, p, mix=REPAIR, limit=30)
    events = answered(first)
    twice = [e for e in plan(some, p, events) if e.sample.stream == "duplicate"][:2]
    events += answered(twice[:1], "relabel", "bob", 31) + answered(twice[1:], "accept", "bob", 32)
    assert rows(twice[:1])[0] in rows(plan(some, p, events, mix=REPAIR))
    events += answered(plan(some, p, events, mix=REPAIR)[1:2], "accept", "cid", 33)
    asked = plan(some, p, events, mix=REPAIR)
    assert rows(asked[:1]) == rows(twice[:1]) and asked[0].not_for == {"ann", "bob"}
    assert rows(twice[1:])[0] not in rows(asked)
    settled = events + answered(asked[:1], "accept", "cid", 34)
    assert rows(twice[:1])[0] not in rows(plan(some, p, settled, mix=REPAIR))


def test_an_audit_that_contradicts_a_repair_is_settled_by_a_third_look() -> None:
    some, p = units(4), np.full(4, 0.5)
    draws = [Drawn("tracks", np.array([2]))]
    repaired = next(e for e in plan(some, p, mix=REPAIR) if e.rows == (2,))
    events = answered([repaired], "relabel")
    audit = next(e for e in plan(some, p, events, draws) if e.sample.stream == "audit")
    assert audit.rows == (2,) and audit.id != repaired.id
    agree = events + answered([audit], "relabel", start=2)
    assert 2 not in rows(plan(some, p, agree, draws, mix=REPAIR))
    differ = events + answered([audit], "accept", start=2)
    assert rows(plan(some, p, differ, draws, mix=REPAIR))[0] == 2


def test_a_decision_that_came_too_late_is_asked_about_first() -> None:
    some, p = units(5), np.array([0.1, 0.2, 0.3, 0.4, 0.9])
    events = answered(plan(some, p, mix=REPAIR))
    late = Decision("too-late-1", "reject", Subject("track", "s", 5), actor="bob")
    assert rows(plan(some, p, events, mix=REPAIR, again=[late])) == [4]


def test_who_was_unsure_is_not_asked_the_same_again_but_others_are() -> None:
    some, p = units(3), np.array([0.1, 0.5, 0.6])
    asked = plan(some, p, mix=REPAIR)
    after = plan(some, p, answered(asked[:1], "unsure"), mix=REPAIR)
    assert rows(deal(after, 9, "ann")) == rows(asked[1:])
    assert set(rows(deal(after, 9, "bob"))) == set(rows(asked))


# --- dealing out ----------------------------------------------------------------------------------


def test_nobody_is_dealt_what_somebody_holds() -> None:
    some = units(12, object=np.repeat(np.arange(4), 3))
    asked = plan(some, np.full(12, 0.5), mix=REPAIR)
    mine = deal(asked, 2, "ann")
    held = {key for e in mine for key in e.keys}
    theirs = deal(asked, 50, "bob", held)
    assert theirs and held.isdisjoint(key for e in theirs for key in e.keys)


def test_who_knows_an_object_gets_its_other_cards() -> None:
    some = units(6, object=np.array([1, 2, 3, 4, 5, 6]))
    asked = plan(some, np.full(6, 0.5), mix=REPAIR)
    owners = {"object//1": "ann", "object//2": "bob"}
    of_bob = deal(asked, 5, "bob", owners=owners)
    assert "object//1" not in {key for e in of_bob for key in e.keys}
    assert len(deal(asked, 6, "bob", owners=owners)) == 6, "rather a stranger than nobody"


def test_nothing_on_a_card_tells_an_audit_from_a_repair() -> None:
    some, p = units(30), np.full(30, 0.5)
    audit = next(
        e for e in plan(some, p, (), [Drawn("tracks", np.array([3]))]) if e.sample.stream == "audit"
    )
    repair = next(e for e in plan(some, p, mix=REPAIR) if e.rows == (3,))
    assert audit.id == repair.id and audit.kind == repair.kind


# --- budgets --------------------------------------------------------------------------------------


def test_a_budget_is_minutes_or_the_time_of_a_share_of_the_frames() -> None:
    assert budget_seconds(30, 18_000) == budget_seconds("30", 5) == 1800
    assert budget_seconds("5%", 18_000) == pytest.approx(1.8 * 3600)
    some, p = units(100), np.full(100, 0.5)
    asked = plan(some, p, seconds=60)
    assert sum(e.seconds for e in asked) <= 60
    assert sum(e.seconds for e in plan(some, p)[: len(asked) + 1]) > 60


@pytest.mark.parametrize("budget", ["much", "-5%", 0, "nan", "inf%"])
def test_what_is_no_budget_is_told(budget: str | float) -> None:
    with pytest.raises(ReviewError, match="no budget"):
        budget_seconds(budget, 100)


def test_an_empty_dataset_asks_nothing() -> None:
    assert plan(units(0), np.zeros(0)) == []
