"""Labels are what machines say and what people said last, for every frame, object and session."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenekeeper import masks
from scenekeeper.review.events import Subject
from tests.review.reviewing import (
    KITCHEN,
    MADE,
    SIZE,
    Story,
    box,
    labelled,
    looked_at,
    pair,
    remarked,
    ruled,
    statuses,
    thing,
    track,
)

TEN = range(10)


def mask(track: int = 1, frame: int = 3) -> str:
    dense = np.zeros(SIZE, bool)
    x0, y0, x1, y1 = map(int, box(track, frame))
    dense[y0:y1, x0:x1] = True
    return masks.encode(dense).decode()


# --- one track ------------------------------------------------------------------------------------


def test_nothing_decided_is_nothing_ruled() -> None:
    folded = Story().over(labelled({1: TEN}))
    assert [len(t) for t in (folded.rulings, folded.drawn, folded.sayings, folded.names)] == [0] * 4


def test_a_name_given_once_holds_in_every_frame() -> None:
    story = Story()
    story("relabel", track(1), phrase="mug", **looked_at(1, 2, 7))
    folded = story.over(labelled({1: TEN, 2: TEN}))
    assert ruled(folded, 1) == dict.fromkeys(TEN, ("mug", 1))
    assert {f for f, s in statuses(folded, 1).items() if s == "corrected"} == {2, 7}
    assert {f for f, s in statuses(folded, 1).items() if s == "propagated"} == set(TEN) - {2, 7}
    assert ruled(folded, 2) == {}


def test_what_was_looked_at_and_accepted_is_verified() -> None:
    story = Story()
    story("accept", track(1), **looked_at(1, 4))
    found = statuses(story.over(labelled({1: TEN})), 1)
    assert found == {f: "verified" if f == 4 else "propagated" for f in TEN}


def test_a_later_look_takes_nothing_from_an_earlier_one() -> None:
    story = Story()
    story("accept", track(1), **looked_at(1, 4))
    story("accept", track(1), **looked_at(1, 8))
    found = statuses(story.over(labelled({1: TEN})), 1)
    assert {f for f, s in found.items() if s == "verified"} == {4, 8}


def test_another_name_makes_an_earlier_look_count_no_more() -> None:
    story = Story()
    story("accept", track(1), phrase="cup", **looked_at(1, 4))
    story("relabel", track(1), phrase="mug", **looked_at(1, 8))
    found = statuses(story.over(labelled({1: TEN})), 1)
    assert found[4] == "propagated" and found[8] == "corrected"


def test_a_decision_about_some_frames_holds_in_these() -> None:
    story = Story()
    story("relabel", track(1), phrase="mug", first=3, last=5)
    story("reject", track(1), first=8)
    found = ruled(story.over(labelled({1: TEN})), 1)
    assert found == {f: ("mug" if 3 <= f <= 5 else None, 1) for f in range(8)}


def test_the_rulings_of_a_track_cover_its_frames_once() -> None:
    story = Story()
    story("relabel", track(1), phrase="mug", first=3, last=5)
    story("split", track(1), frame=5)
    story("trim", track(1), first=2, last=9)
    rows = story.over(labelled({1: TEN})).rulings.to_pylist()
    assert rows[0]["first"] == 0 and rows[-1]["last"] == 9
    assert all(b["first"] == a["last"] + 1 for a, b in pairwise(rows))


def test_trimming_leaves_the_rest() -> None:
    story = Story()
    story("trim", track(1), first=2, last=6)
    assert set(ruled(story.over(labelled({1: TEN})), 1)) == set(range(2, 7))


def test_the_last_word_counts() -> None:
    story = Story()
    story("reject", track(1))
    story("relabel", track(1), phrase="cup")
    story("relabel", track(1), phrase="mug", first=5)
    found = ruled(story.over(labelled({1: TEN})), 1)
    assert found == {f: ("mug" if f >= 5 else "cup", 1) for f in TEN}


def test_the_order_of_the_log_counts_and_no_clock() -> None:
    story = Story()
    story.at(story("relabel", track(1), phrase="cup"), 9_000_000)
    story.at(story("relabel", track(1), phrase="mug"), 1)
    rows = story.over(labelled({1: TEN})).rulings.to_pylist()
    assert [(r["phrase"], r["t_ns"]) for r in rows] == [("mug", 9_000_001)]


def test_unsure_and_complete_change_no_label() -> None:
    story = Story()
    story("unsure", track(1))
    story("complete", Subject("frame", KITCHEN, 3), missed=0)
    folded = story.over(labelled({1: TEN}))
    assert len(folded.rulings) == 0 and folded.remarks == ()


def test_a_decision_about_nothing_is_told_of() -> None:
    story = Story()
    story("accept", track(5))
    story("accept", track(1, "hall"))
    folded = story.over(labelled({1: TEN}))
    assert remarked(folded) == [(1, "orphan"), (2, "orphan")]
    assert "there is no track 5" in folded.remarks[0].text


# --- undoing --------------------------------------------------------------------------------------


def test_undoing_is_as_if_it_had_never_been() -> None:
    story, without = Story(), Story()
    story("relabel", track(1), phrase="cup")
    gone = story("split", track(1), frame=4, phrase="pear")
    story("reject", track(2))
    story.undo(gone)
    without("relabel", track(1), phrase="cup")
    without.events.append(story.events[2])
    kitchen = labelled({1: TEN, 2: TEN})
    assert story.over(kitchen).rulings.equals(without.over(kitchen).rulings)


def test_undoing_an_undo_brings_a_decision_back() -> None:
    story = Story()
    undone = story.undo(story("relabel", track(1), phrase="mug"))
    assert ruled(story.over(labelled({1: TEN})), 1) == {}
    again = story.undo(undone)
    assert ruled(story.over(labelled({1: TEN})), 1)[0] == ("mug", 1)
    story.undo(again)
    assert ruled(story.over(labelled({1: TEN})), 1) == {}


def test_a_decision_about_an_undone_split_is_told_of() -> None:
    story = Story()
    split = story("split", track(1), frame=5)
    story("relabel", track(MADE + 1), phrase="pear")
    story.undo(split)
    folded = story.over(labelled({1: TEN}))
    assert remarked(folded) == [(2, "orphan")] and ruled(folded, 1) == {}


_OPS = st.sampled_from(["accept", "relabel", "reject", "trim", "split", "same", "different"])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(_OPS, st.integers(1, 3), st.integers(0, 9), st.integers(0, 9))), st.data()
)
def test_undoing_anything_is_the_fold_without_it(
    told: list[tuple[str, int, int, int]], data: st.DataObject
) -> None:
    story = Story()
    for op, number, a, b in told:
        span = {"first": min(a, b), "last": max(a, b)}
        if op in ("same", "different"):
            story(op, pair(number, number % 3 + 1))
        elif op == "split":
            story(op, track(number), frame=a)
        else:
            story(op, track(number), **span, **({"phrase": f"name {a}"} if op == "relabel" else {}))
    kitchen = labelled({1: TEN, 2: range(5, 15), 3: range(12, 18)})
    full = story.over(kitchen)
    covered = [(r["track"], r["first"], r["last"]) for r in full.rulings.to_pylist()]
    assert all(a[0] != b[0] or b[1] > a[2] for a, b in pairwise(covered))
    if told:
        gone = data.draw(st.sampled_from(story.events))
        story.undo(gone)
        undone = story.over(kitchen)
        story.events = [e for e in story.events[:-1] if e is not gone]
        assert undone.rulings.equals(story.over(kitchen).rulings)


# --- splits ---------------------------------------------------------------------------------------


def test_a_split_makes_a_track_that_no_machine_numbers() -> None:
    story = Story()
    story("split", track(1), frame=6, phrase="pear")
    found = ruled(story.over(labelled({1: TEN})), 1)
    assert found == {f: (None, 1) if f < 6 else ("pear", MADE + 1) for f in TEN}


def test_both_parts_of_a_split_are_spoken_of_on_their_own() -> None:
    story = Story()
    story("split", track(1), frame=6)
    story("relabel", track(1), phrase="mug")
    story("reject", track(MADE + 1), first=8)
    found = ruled(story.over(labelled({1: TEN})), 1)
    assert found == {f: ("mug", 1) if f < 6 else (None, MADE + 1) for f in range(8)}


def test_a_part_is_split_again_and_no_number_is_given_twice() -> None:
    story = Story()
    story("split", track(1), frame=3)
    story.undo(story("split", track(MADE + 1), frame=5))
    story("split", track(MADE + 1), frame=7)
    found = ruled(story.over(labelled({1: TEN})), 1)
    assert [found[f][1] for f in (0, 3, 6, 7)] == [1, MADE + 1, MADE + 1, MADE + 4]


def test_a_split_after_the_end_is_told_of() -> None:
    story = Story()
    story("split", track(1), frame=10)
    assert remarked(story.over(labelled({1: TEN}))) == [(1, "orphan")]


# --- pairs ----------------------------------------------------------------------------------------


def test_two_tracks_that_are_one_thing_are_one_track() -> None:
    story = Story()
    story("same", pair(2, 1))
    folded = story.over(labelled({1: range(5), 2: range(5, 10)}))
    assert ruled(folded, 2) == dict.fromkeys(range(5, 10), (None, 1))
    assert ruled(folded, 1) == dict.fromkeys(range(5), (None, 1))


def test_what_is_decided_about_one_holds_for_both() -> None:
    story = Story()
    story("same", pair(1, 2))
    story("relabel", track(2), phrase="mug")
    folded = story.over(labelled({1: range(5), 2: range(5, 10)}))
    assert ruled(folded, 1)[0] == ("mug", 1) and ruled(folded, 2)[5] == ("mug", 1)


def test_the_track_that_has_an_object_stands_for_both() -> None:
    story = Story()
    story("same", pair(1, 2))
    folded = story.over(labelled({1: range(5), 2: range(5, 10)}, object={2: 7}))
    assert ruled(folded, 1)[0] == (None, 2) and ruled(folded, 2)[5] == (None, 2)


def test_one_thing_is_in_a_frame_once() -> None:
    story = Story()
    story("same", pair(1, 2))
    folded = story.over(labelled({1: range(6), 2: range(4, 10)}))
    frames = [*ruled(folded, 1), *ruled(folded, 2)]
    assert sorted(frames) == [*range(10)]


def test_a_part_of_one_track_is_another_track() -> None:
    story = Story()
    story("split", track(1), frame=5)
    story("same", pair(MADE + 1, 2))
    folded = story.over(labelled({1: range(8), 2: range(8, 12)}))
    assert [ruled(folded, 1)[f][1] for f in (4, 5)] == [1, 2]


def test_the_last_word_on_a_pair_counts() -> None:
    story = Story()
    story("same", pair(1, 2))
    story("different", pair(2, 1))
    folded = story.over(labelled({1: range(5), 2: range(5, 10)}))
    assert ruled(folded, 2) == {} and folded.remarks == ()


def test_what_is_different_is_not_made_one_by_way_of_a_third() -> None:
    story = Story()
    story("different", pair(1, 3))
    story("same", pair(1, 2))
    story("same", pair(2, 3))
    folded = story.over(labelled({1: range(5), 2: range(5, 10), 3: range(10, 15)}))
    assert ruled(folded, 3)[10][1] == 2 and ruled(folded, 1) == {}
    assert remarked(folded) == [(2, "contradiction")]


# --- drawing --------------------------------------------------------------------------------------


def test_a_box_is_corrected_in_its_frame_only() -> None:
    story = Story()
    story("box", track(1), frame=3, box_xyxy=[1.0, 2.0, 3.0, 4.0])
    folded = story.over(labelled({1: TEN}))
    row = folded.drawn.to_pylist()[0]
    assert (row["frame_id"], row["track"], row["added"]) == (3, 1, False)
    assert row["box_xyxy"] == [1, 2, 3, 4] and row["mask"] is None
    assert {f for f, s in statuses(folded, 1).items() if s == "corrected"} == {3}
    assert len(ruled(folded, 1)) == 10


def test_a_mask_brings_its_own_box() -> None:
    story = Story()
    story("box", track(1), frame=3, box_xyxy=[1.0, 2.0, 3.0, 4.0])
    story("mask", track(1), frame=3, counts=mask())
    rows = story.over(labelled({1: TEN})).drawn.to_pylist()
    assert len(rows) == 1 and rows[0]["box_xyxy"] == box(1, 3) and rows[0]["area"] == 64
    assert rows[0]["mask"].decode() == mask()


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        ("0" * 30, "not of a frame of 80 x 60"),
        (masks.encode(np.zeros(SIZE, bool)).decode(), "is empty"),
        ("o", "cannot be read"),
    ],
)
def test_a_mask_that_fits_no_frame_is_told_of(counts: str, why: str) -> None:
    story = Story()
    story("mask", track(1), frame=3, counts=counts)
    folded = story.over(labelled({1: TEN}))
    assert len(folded.drawn) == 0 and why in folded.remarks[0].text


def test_a_mask_is_carried_to_frames_that_nobody_has_looked_at() -> None:
    story = Story()
    story("accept", track(1), **looked_at(1, 5))
    story("box", track(1), frame=6, box_xyxy=[1.0, 2.0, 3.0, 4.0])
    carried = [[f, mask(1, f)] for f in (4, 5, 6, 12)]
    story("mask", track(1), frame=3, counts=mask(), carried=carried)
    folded = story.over(labelled({1: TEN}))
    rows = folded.drawn.to_pylist()
    assert [(r["frame_id"], r["status"], r["added"]) for r in rows] == [
        (3, "corrected", False),
        (4, "propagated", False),
        (6, "corrected", False),
        (12, "propagated", True),
    ]
    assert rows[1]["box_xyxy"] == box(1, 4) and rows[2]["mask"] is None
    found = statuses(folded, 1)
    assert [found[f] for f in (3, 4, 5, 6)] == ["corrected", "propagated", "verified", "corrected"]


def test_a_box_where_the_machine_lost_a_track_is_one_more_view_of_it() -> None:
    story = Story()
    story("relabel", track(1), phrase="mug")
    story("box", track(1), frame=12, box_xyxy=[1.0, 2.0, 3.0, 4.0])
    row = story.over(labelled({1: TEN})).drawn.to_pylist()[0]
    assert (row["added"], row["track"], row["phrase"]) == (True, 1, "mug")


def test_what_was_missed_is_added_and_can_be_named_and_taken_away() -> None:
    story = Story()
    story("add", Subject("frame", KITCHEN, 4), phrase="spoon", box_xyxy=[1.0, 2.0, 3.0, 4.0])
    kitchen = labelled({1: TEN})
    row = story.over(kitchen).drawn.to_pylist()[0]
    assert (row["track"], row["phrase"], row["added"]) == (MADE + 1, "spoon", True)
    story("relabel", track(MADE + 1), phrase="ladle")
    story("box", track(MADE + 1), frame=5, box_xyxy=[2.0, 2.0, 3.0, 4.0])
    rows = story.over(kitchen).drawn.to_pylist()
    assert [(r["frame_id"], r["track"], r["phrase"]) for r in rows] == [
        (4, MADE + 1, "ladle"),
        (5, MADE + 1, "ladle"),
    ]
    story("reject", track(MADE + 1))
    assert len(story.over(kitchen).drawn) == 0


def test_a_drawn_box_goes_with_its_track() -> None:
    story = Story()
    story("box", track(1), frame=3, box_xyxy=[1.0, 2.0, 3.0, 4.0])
    story("reject", track(1))
    assert len(story.over(labelled({1: TEN})).drawn) == 0


def test_a_drawing_in_no_frame_is_told_of() -> None:
    story = Story()
    story("box", track(1), frame=99, box_xyxy=[1.0, 2.0, 3.0, 4.0])
    story("add", Subject("frame", KITCHEN, 99), phrase="spoon", box_xyxy=[1.0, 2.0, 3.0, 4.0])
    assert remarked(story.over(labelled({1: TEN}))) == [(1, "orphan"), (2, "orphan")]


# --- streams --------------------------------------------------------------------------------------


def test_an_answer_to_a_seeded_error_reaches_no_label() -> None:
    story = Story()
    story("relabel", track(1), "gold", phrase="mug")
    story("reject", thing(7), "gold")
    folded = story.over(labelled({1: TEN}, object={1: 7}))
    assert len(folded.rulings) == len(folded.sayings) == 0 and folded.remarks == ()


def test_a_repetition_that_agrees_changes_nothing() -> None:
    story = Story()
    story("relabel", track(1), phrase="mug")
    before = story.over(labelled({1: TEN}))
    story("accept", track(1), "duplicate", phrase="mug", actor="bob")
    after = story.over(labelled({1: TEN}))
    assert after.rulings.equals(before.rulings) and after.remarks == ()


def test_a_repetition_that_differs_wins_nothing_silently() -> None:
    story = Story()
    story("relabel", track(1), phrase="mug")
    story("reject", track(1), "duplicate", actor="bob")
    folded = story.over(labelled({1: TEN}))
    assert ruled(folded, 1)[0] == ("mug", 1) and remarked(folded) == [(2, "dispute")]
    story("reject", track(1), actor="eve")
    settled = story.over(labelled({1: TEN}))
    assert ruled(settled, 1) == {} and settled.remarks == ()


def test_a_repetition_counts_where_the_first_answer_was_undone() -> None:
    story = Story()
    first = story("relabel", track(1), phrase="mug")
    story("reject", track(1), "duplicate", actor="bob")
    story.undo(first)
    assert len(ruled(story.over(labelled({1: TEN})), 1)) == 0
    assert len(story.over(labelled({1: TEN})).rulings) == 1


# --- labels made anew -----------------------------------------------------------------------------


def test_a_decision_finds_its_track_by_where_the_person_looked() -> None:
    story = Story()
    story("relabel", track(1), phrase="mug", **looked_at(1, 1, 4, 7))
    anew = labelled({1: TEN, 8: TEN}, run="i2", t1=5, t8=1)
    folded = story.over(anew)
    assert ruled(folded, 8) == dict.fromkeys(TEN, ("mug", 8)) and ruled(folded, 1) == {}
    assert statuses(folded, 8)[4] == "corrected" and folded.remarks == ()


def test_what_is_not_found_again_is_kept_and_told_of_and_comes_back() -> None:
    story = Story()
    story("relabel", track(1), phrase="mug", **looked_at(1, 1, 4, 7))
    lost = story.over(labelled({1: TEN}, run="i2", t1=5))
    assert len(lost.rulings) == 0 and remarked(lost) == [(1, "orphan")]
    assert ruled(story.over(labelled({9: TEN}, run="i3", t9=1)), 9)[0] == ("mug", 9)


def test_a_decision_without_a_place_is_not_put_on_whatever_has_its_number() -> None:
    story = Story()
    story("relabel", track(1), phrase="mug")
    folded = story.over(labelled({1: TEN}, run="i2"))
    assert len(folded.rulings) == 0 and remarked(folded) == [(1, "orphan")]


def test_a_box_that_meets_another_thing_by_chance_names_it_not() -> None:
    story = Story()
    anchor = looked_at(1, 1, 2, 3, 4, 5)["anchor"] + looked_at(2, 6)["anchor"]
    story("relabel", track(1), phrase="mug", anchor=anchor)
    folded = story.over(labelled({8: TEN, 9: TEN}, run="i2", t8=1, t9=2))
    assert ruled(folded, 8) and not ruled(folded, 9)


def test_a_track_that_is_now_followed_in_two_pieces_keeps_its_name_in_both() -> None:
    story = Story()
    story("relabel", track(1), phrase="mug", **looked_at(1, 1, 3, 6, 8))
    folded = story.over(labelled({8: range(5), 9: range(5, 10)}, run="i2", t8=1, t9=1))
    assert ruled(folded, 8)[0] == ("mug", 8) and ruled(folded, 9)[5] == ("mug", 9)


def test_two_tracks_that_are_now_one_keep_each_its_name_in_its_frames() -> None:
    story = Story()
    story("relabel", track(1), phrase="mug", **looked_at(1, 0, 2, 4))
    story("relabel", track(2), phrase="bowl", **looked_at(1, 6, 8, 9))
    found = ruled(story.over(labelled({8: range(12)}, run="i2", t8=1)), 8)
    assert [found[f][0] for f in (0, 4, 6, 9)] == ["mug", "mug", "bowl", "bowl"]


def test_a_split_is_made_again_under_the_same_number() -> None:
    story = Story()
    story("split", track(1), frame=5, **looked_at(1, 1, 4, 6, 8))
    story("relabel", track(MADE + 1), phrase="pear", **looked_at(1, 6, 8))
    found = ruled(story.over(labelled({8: TEN}, run="i2", t8=1)), 8)
    assert found == {f: (None, 8) if f < 5 else ("pear", MADE + 1) for f in TEN}


def test_a_split_that_the_machine_now_makes_itself_needs_no_other() -> None:
    story = Story()
    story("split", track(1), frame=5, **looked_at(1, 1, 4, 6, 8))
    story("relabel", track(MADE + 1), phrase="pear", **looked_at(1, 6, 8))
    folded = story.over(labelled({8: range(5), 9: range(5, 10)}, run="i2", t8=1, t9=1))
    assert ruled(folded, 8) == {} and {p for p, _ in ruled(folded, 9).values()} == {"pear"}


def test_a_name_that_was_accepted_unsaid_is_not_said_of_another() -> None:
    story = Story()
    story("accept", track(1), **looked_at(1, 1, 4, 7))
    found = statuses(story.over(labelled({8: TEN}, run="i2", t8=1)), 8)
    assert set(found.values()) == {"auto"}
    story("accept", track(1), phrase="mug", **looked_at(1, 1, 4, 7))
    folded = story.over(labelled({8: TEN}, run="i2", t8=1))
    assert ruled(folded, 8)[0] == ("mug", 8) and statuses(folded, 8)[4] == "verified"


def test_what_people_added_and_the_machine_now_finds_is_there_once() -> None:
    story = Story()
    story("add", Subject("frame", KITCHEN, 4), phrase="spoon", box_xyxy=box(3, 4))
    folded = story.over(labelled({1: TEN, 8: TEN}, run="i2", t8=3))
    row = folded.drawn.to_pylist()[0]
    assert (row["added"], row["track"]) == (False, 8)
    assert ruled(folded, 8) == dict.fromkeys(TEN, ("spoon", 8))
    assert statuses(folded, 8)[4] == "corrected" and statuses(folded, 8)[5] == "propagated"
    story("relabel", track(MADE + 1), phrase="ladle", anchor=((KITCHEN, 4, *box(3, 4)),))
    assert ruled(story.over(labelled({8: TEN}, run="i2", t8=3)), 8)[0] == ("ladle", 8)


def test_a_pair_is_found_again_and_what_the_machine_does_itself_is_left() -> None:
    looked = looked_at(1, 1, 3)["anchor"] + looked_at(2, 6, 8)["anchor"]
    story = Story()
    story("same", pair(1, 2), anchor=looked)
    anew = labelled({8: range(5), 9: range(5, 10)}, run="i2", t8=1, t9=2)
    assert ruled(story.over(anew), 9)[5] == (None, 8)
    one = labelled({8: TEN}, run="i2", t8=1)
    story.events.clear()
    story("same", pair(1, 2), **looked_at(1, 1, 3, 6))
    assert len(story.over(one).rulings) == 0 and story.over(one).remarks == ()


def test_a_machine_that_makes_one_of_two_different_things_is_told_of() -> None:
    story = Story()
    story("different", pair(1, 2), **looked_at(1, 1, 3, 6, 8))
    folded = story.over(labelled({8: TEN}, run="i2", t8=1))
    assert remarked(folded) == [(1, "contradiction")]
    assert "one track by now" in folded.remarks[0].text


# --- objects --------------------------------------------------------------------------------------


def said(folded: object, kind: str) -> list[tuple[int, int | None, bool]]:
    rows = folded.sayings.to_pylist()  # type: ignore[attr-defined]
    return [(r["subject"], r["object"], r["holds"]) for r in rows if r["kind"] == kind]


def test_an_objects_name_is_a_name_whoever_asks() -> None:
    story = Story()
    story("relabel", thing(7), phrase="cup")
    story("relabel", thing(7), phrase="mug", actor="bob", **looked_at(1, 3))
    folded = story.over(labelled({1: TEN}, object={1: 7}))
    rows = folded.names.to_pylist()
    assert [(r["object"], r["phrase"], r["author"]) for r in rows] == [(7, "mug", "bob")]
    assert statuses(folded, 1)[3] == "corrected"


def test_an_object_that_is_none_holds_for_all_sessions() -> None:
    story = Story()
    story("reject", thing(7))
    assert said(story.over(labelled({1: TEN}, object={1: 7})), "object") == [(7, None, False)]
    story("accept", thing(7))
    assert said(story.over(labelled({1: TEN}, object={1: 7})), "object") == [(7, None, True)]


def test_a_decision_about_an_object_that_nothing_shows_is_kept() -> None:
    story = Story()
    story("relabel", thing(9), phrase="mug")
    folded = story.over(labelled({1: TEN}, object={1: 7}))
    assert remarked(folded) == [(1, "orphan")] and len(folded.names) == 1


def test_an_object_that_has_another_number_now_is_found_where_it_was() -> None:
    story = Story()
    story("relabel", thing(9), phrase="mug", **looked_at(1, 1, 3))
    folded = story.over(labelled({8: TEN}, object={8: 12}, run="i2", t8=1))
    assert folded.names["object"].to_pylist() == [12] and folded.remarks == ()


def test_objects_that_are_one_have_the_first_ones_number() -> None:
    story = Story()
    story("same", pair(9, 7, ""))
    story("same", pair(9, 12, ""))
    kitchen = labelled({1: TEN, 2: TEN, 3: TEN}, object={1: 7, 2: 9, 3: 12})
    assert said(story.over(kitchen), "same") == [(9, 7, True), (12, 7, True)]
    story("different", pair(9, 7, ""))
    found = story.over(kitchen)
    assert said(found, "same") == [(12, 9, True), (7, 9, False)]


def test_different_objects_that_the_machine_made_one_are_told_of() -> None:
    story = Story()
    story("different", pair(7, 9, ""), **looked_at(1, 1, 3, 6, 8))
    folded = story.over(labelled({8: TEN}, object={8: 7}, run="i2", t8=1))
    assert remarked(folded) == [(1, "contradiction")]


def test_the_last_word_on_a_relation_counts_and_follows_its_objects() -> None:
    story = Story()
    on = Subject("relation", KITCHEN, 9, 7, "on")
    story("accept", on)
    story("reject", on)
    story("same", pair(9, 8, ""))
    kitchen = labelled({1: TEN, 2: TEN, 3: TEN}, object={1: 7, 2: 8, 3: 9})
    assert said(story.over(kitchen), "relation") == [(8, 7, False)]


# --- captions -------------------------------------------------------------------------------------


def captioned(*texts: str, run: str = "i1") -> object:
    from dataclasses import replace

    return replace(labelled({1: TEN}, run=run), captions=(dict(enumerate(texts)),))


def texts(folded: object) -> dict[int, tuple[bool, str | None, str]]:
    rows = folded.sayings.to_pylist()  # type: ignore[attr-defined]
    return {
        r["subject"]: (r["holds"], r["text"], r["status"]) for r in rows if r["kind"] == "caption"
    }


def test_a_caption_is_corrected_wherever_it_says_the_same_meanwhile() -> None:
    story = Story()
    story("caption", Subject("caption", KITCHEN, 1), text="a mug")
    found = texts(story.over(captioned("a cup", "a cup", "a bowl", "a cup")))  # type: ignore[arg-type]
    assert found == {0: (True, "a mug", "propagated"), 1: (True, "a mug", "corrected")}


def test_a_caption_that_was_judged_is_judged_no_more_once_it_says_otherwise() -> None:
    story = Story()
    story("reject", Subject("caption", KITCHEN, 1), text="a cup")
    assert texts(story.over(captioned("a cup", "a cup"))) == {  # type: ignore[arg-type]
        0: (False, None, "propagated"),
        1: (False, None, "verified"),
    }
    changed = story.over(captioned("a cup", "a mug"))  # type: ignore[arg-type]
    assert texts(changed) == {} and remarked(changed) == [(1, "orphan")]
