"""What a person changed comes back as decisions on the right tracks, whatever ids the tool gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scenekeeper import masks
from scenekeeper.exchange.queue_decisions import decisions
from scenekeeper.exchange.queue_pending import PENDING
from scenekeeper.exchange.queue_sheets import Owner, Queue, Returned, Sheet, SheetKind, Strand
from scenekeeper.review.events import Decision, Subject

SIZE = (100, 200)
N = 10
MUG, BOWL = "a3", "a4"


def strand(key: str, phrase: str, x: float, at: Sequence[int] = range(N), dx: float = 1) -> Strand:
    """A box of 20 x 20 pixels that walks to the right."""
    places = np.array(at, np.int64)
    left = x + dx * places
    boxes = np.stack((left, np.full(len(places), 30.0), left + 20, np.full(len(places), 50.0)), 1)
    return Strand(key, phrase, places, boxes)


def square(x: int, y: int, n: int = 20) -> bytes:
    mask = np.zeros(SIZE, bool)
    mask[y : y + n, x : x + n] = True
    return masks.encode(mask)


def sheet(letter: str = "a", kind: SheetKind = "video", first: int = 100) -> Sheet:
    frame_ids = first + 2 * np.arange(N)
    return Sheet(f"sheet-{letter}", letter, kind, "kitchen", "head", SIZE, 10, frame_ids)


def queue(*written: Strand, sheets: Sequence[Sheet] = (sheet(),)) -> Queue:
    written = written or (strand(MUG, "mug", 10), strand(BOWL, "bowl", 120))
    owners = {s.key: Owner(int(s.key[1:]), -1) for s in written}
    named = {s.letter: s for s in sheets}
    facts = ("q1", "made", {"kitchen": "c"}, {"kitchen": "run-1"}, 7)
    return Queue(*facts, named, {s.key: s for s in written}, owners)


def back(*strands: Strand, letter: str = "a", reviewed: bool = False) -> Returned:
    return Returned(letter, np.arange(N), strands, reviewed, 0.5)


def said(found: list[Decision]) -> list[tuple[Any, ...]]:
    return [(d.op, d.subject.id, dict(d.body)) for d in found]


def test_what_is_unchanged_is_no_decision() -> None:
    q = queue()
    assert decisions(q, [back(*q.strands.values())]) == []


def test_what_was_reviewed_and_is_unchanged_is_accepted() -> None:
    q = queue()
    found = decisions(q, [back(*q.strands.values(), reviewed=True)])
    assert said(found) == [("accept", 3, {"phrase": "mug"}), ("accept", 4, {"phrase": "bowl"})]


def test_a_decision_says_what_was_seen_and_when() -> None:
    q = queue()
    (mug,) = decisions(q, [back(replace(q.strands[MUG], phrase="cup"), q.strands[BOWL])])
    assert (mug.op, mug.body, mug.subject) == (
        "relabel",
        {"phrase": "cup"},
        Subject("track", "kitchen", 3),
    )
    assert (mug.base, mug.runs, mug.sample.stream) == (7, {"kitchen": "run-1"}, "import")
    assert (mug.client, mug.card) == ("made", "queue-q1")
    assert mug.anchor[0] == ("kitchen", 100, 10, 30, 30, 50)
    assert mug.anchor[-1] == ("kitchen", 118, 19, 30, 39, 50) and len(mug.anchor) == 8
    assert Decision.from_json(mug.to_json()) == mug


def test_the_same_change_has_the_same_id_and_another_queue_another() -> None:
    q = queue()
    changed = back(replace(q.strands[MUG], phrase="cup"))
    once, again = decisions(q, [changed]), decisions(q, [changed])
    assert [d.id for d in once] == [d.id for d in again]
    other = decisions(replace(q, id="q2"), [changed])
    assert not {d.id for d in once} & {d.id for d in other}


def test_a_track_that_is_gone_is_rejected() -> None:
    q = queue()
    assert said(decisions(q, [back(q.strands[BOWL])])) == [("reject", 3, {})]


def test_a_tool_that_renumbers_everything_changes_nothing() -> None:
    q = queue()
    renumbered = [replace(s, key="") for s in reversed(q.strands.values())]
    assert decisions(q, [back(*renumbered)]) == []


def test_without_a_key_a_moved_box_is_found_by_its_overlap() -> None:
    q = queue()
    boxes = q.strands[MUG].boxes.copy()
    boxes[4] += 3
    moved = replace(q.strands[MUG], key="", phrase="cup", boxes=boxes)
    found = decisions(q, [back(moved, q.strands[BOWL])])
    assert said(found) == [
        ("relabel", 3, {"phrase": "cup"}),
        ("box", 3, {"frame": 108, "box_xyxy": [17.0, 33.0, 37.0, 53.0]}),
    ]


def test_with_its_key_a_box_is_found_wherever_it_was_moved() -> None:
    q = queue()
    boxes = q.strands[MUG].boxes.copy()
    boxes[0] = [150, 60, 190, 90]
    found = decisions(q, [back(replace(q.strands[MUG], boxes=boxes), q.strands[BOWL])])
    assert said(found) == [("box", 3, {"frame": 100, "box_xyxy": [150.0, 60.0, 190.0, 90.0]})]


def test_frames_taken_off_the_ends_are_trimmed() -> None:
    q = queue()
    kept = strand(MUG, "mug", 10, range(2, 7))
    found = decisions(q, [back(kept, q.strands[BOWL])])
    assert said(found) == [("trim", 3, {"first": 104, "last": 112})]


def test_frames_taken_out_of_the_middle_are_rejected_and_no_others() -> None:
    q = queue()
    kept = strand(MUG, "mug", 10, [0, 1, 2, 6, 7, 9])
    found = decisions(q, [back(kept, q.strands[BOWL])])
    assert [(d.op, d.first, d.last) for d in found] == [
        ("reject", 106, 110),
        ("reject", 116, 116),
    ]


def test_a_new_name_for_a_later_part_splits_the_track() -> None:
    q = queue()
    early, late = strand(MUG, "mug", 10, range(7)), strand("", "cup", 10, range(7, 10))
    found = decisions(q, [back(early, late, q.strands[BOWL])])
    assert said(found) == [("split", 3, {"frame": 114, "phrase": "cup"})]


def test_splits_of_one_track_come_last_first() -> None:
    q = queue()
    parts = [strand(MUG if k == 0 else "", "mug", 10, range(3 * k, 3 * k + 3)) for k in range(3)]
    found = decisions(q, [back(*parts, strand(MUG, "mug", 10, [9]), q.strands[BOWL])])
    assert [d.body["frame"] for d in found] == [118, 112, 106]


def test_a_box_drawn_anew_in_one_picture_is_of_the_same_track() -> None:
    q = queue()
    at = [0, 1, 2, 4, 5, 6, 7, 8, 9]
    found = decisions(
        q, [back(strand(MUG, "mug", 10, at), strand("", "mug", 12, [3]), q.strands[BOWL])]
    )
    assert said(found) == [("box", 3, {"frame": 106, "box_xyxy": [15, 30, 35, 50]})]


def test_two_tracks_in_one_strand_are_the_same() -> None:
    q = queue(strand(MUG, "mug", 10, range(5)), strand(BOWL, "mug", 10, range(5, 10)))
    found = decisions(q, [back(strand(MUG, "mug", 10))])
    (pair,) = found
    assert (pair.op, pair.subject) == ("same", Subject("pair", "kitchen", 4, 3))
    assert {a[1] for a in pair.anchor} == set(range(100, 120, 2))


def test_identities_that_were_swapped_are_split_and_joined() -> None:
    q = queue()
    mug, bowl = q.strands[MUG], q.strands[BOWL]

    def crossed(a: Strand, b: Strand) -> Strand:
        return replace(a, boxes=np.concatenate((a.boxes[:6], b.boxes[6:])))

    found = decisions(q, [back(crossed(mug, bowl), crossed(bowl, mug))])
    first, second, *rest = found
    assert said([first, second]) == [
        ("split", 3, {"frame": 112, "phrase": "bowl"}),
        ("split", 4, {"frame": 112, "phrase": "mug"}),
    ]
    assert said(rest) == [
        ("same", 3, {"of": ["", second.id]}),
        ("same", 4, {"of": ["", first.id]}),
    ]
    assert all(d.subject.other == PENDING for d in rest)


def test_a_new_strand_is_one_added_thing_with_more_boxes() -> None:
    q = queue()
    new = strand("", "plate", 60, [3, 4])
    new = replace(new, masks={4: square(64, 30)})
    found = decisions(q, [back(*q.strands.values(), new)])
    added, *more = found
    assert added.subject == Subject("frame", "kitchen", 106)
    assert said([added]) == [("add", 106, {"phrase": "plate", "box_xyxy": [63, 30, 83, 50]})]
    assert said(more) == [
        ("box", PENDING, {"frame": 108, "box_xyxy": [64, 30, 84, 50], "of": [added.id]}),
        ("mask", PENDING, {"frame": 108, "counts": square(64, 30).decode(), "of": [added.id]}),
    ]


def test_a_track_that_was_drawn_on_goes_on() -> None:
    q = queue(strand(MUG, "mug", 10, range(8)))
    found = decisions(q, [back(strand(MUG, "mug", 10, range(9)))])
    assert said(found) == [("box", 3, {"frame": 116, "box_xyxy": [18, 30, 38, 50]})]


def test_a_mask_is_corrected_on_the_track_of_its_key_or_else_of_its_place() -> None:
    q = queue(replace(strand(MUG, "mug", 10), masks={2: square(12, 30)}))
    box = np.array([[12.0, 30, 27, 45]])
    for key in (MUG, ""):
        drawn = Strand(key, "mug", np.array([2]), box, {2: square(12, 30, 15)}, drawn=False)
        found = decisions(q, [back(strand(MUG, "mug", 10), drawn)])
        assert said(found) == [("mask", 3, {"frame": 104, "counts": square(12, 30, 15).decode()})]


def test_a_mask_left_behind_does_not_keep_a_deleted_track_alive() -> None:
    q = queue(replace(strand(MUG, "mug", 10), masks={2: square(12, 30)}), strand(BOWL, "bowl", 120))
    box = np.array([[12.0, 30, 32, 50]])
    for key in (MUG, ""):
        left = Strand(key, "mug", np.array([2]), box, {2: square(12, 30)}, drawn=False)
        assert said(decisions(q, [back(q.strands[BOWL], left)])) == [("reject", 3, {})]
    touched = Strand(MUG, "mug", np.array([2]), box, {2: square(12, 30, 15)}, drawn=False)
    assert said(decisions(q, [back(q.strands[BOWL], touched)])) == [("reject", 3, {})]


def test_a_mask_with_a_key_finds_the_box_that_has_lost_it() -> None:
    q = queue(replace(strand(MUG, "mug", 10), masks={2: square(12, 30)}))
    box = np.array([[12.0, 30, 30, 48]])
    drawn = Strand(MUG, "mug", np.array([2]), box, {2: square(12, 30, 18)}, drawn=False)
    found = decisions(q, [back(strand("", "mug", 10), drawn)])
    assert said(found) == [("mask", 3, {"frame": 104, "counts": square(12, 30, 18).decode()})]


def test_a_mask_of_nothing_known_is_added_with_its_box() -> None:
    q = queue()
    box = np.array([[70.0, 60, 80, 70]])
    drawn = Strand("", "spoon", np.array([5]), box, {5: square(70, 60, 10)}, drawn=False)
    (added,) = decisions(q, [back(*q.strands.values(), drawn)])
    assert added.subject.id == 110 and added.body == {
        "phrase": "spoon",
        "box_xyxy": [70, 60, 80, 70],
        "counts": square(70, 60, 10).decode(),
    }


def test_names_come_before_what_takes_frames_away() -> None:
    """Saying what a track is called says that it is there."""
    q = queue()
    kept = strand(MUG, "cup", 10, [2, 3, 5, 6])
    found = decisions(q, [back(kept, q.strands[BOWL])])
    assert [d.op for d in found] == ["relabel", "trim", "reject"]


@pytest.mark.parametrize("renamed", [1, 2, 3])
def test_most_frames_give_the_name(renamed: int) -> None:
    at = [0, 4, 8]
    q = queue(strand("a3", "mug", 10, at), sheets=[sheet(kind="stills")])
    shapes = [strand("", "cup" if k < renamed else "mug", 10, [at[k]]) for k in range(3)]
    found = decisions(q, [Returned("a", np.array(at), shapes)])
    assert said(found) == ([("relabel", 3, {"phrase": "cup"})] if renamed > 1 else [])


def test_a_thing_gone_from_one_still_is_rejected_there_and_from_all_everywhere() -> None:
    at = [0, 4, 8]
    q = queue(strand("a3", "mug", 10, at), sheets=[sheet(kind="stills")])
    some = decisions(q, [Returned("a", np.array(at), [strand("", "mug", 10, at[:2])])])
    assert [(d.op, d.first, d.last) for d in some] == [("reject", 116, 116)]
    one = decisions(q, [Returned("a", np.array(at), [strand("", "mug", 10, at[2:])])])
    assert [(d.op, d.first, d.last) for d in one] == [("reject", 100, 100), ("reject", 108, 108)]
    none = decisions(q, [Returned("a", np.array(at), [])])
    assert [(d.op, d.first, d.last) for d in none] == [("reject", None, None)]


def test_pictures_that_the_file_does_not_speak_of_say_nothing() -> None:
    q = queue()
    kept = strand(MUG, "mug", 10, range(3))
    half = Returned("a", np.arange(5), [kept, strand(BOWL, "bowl", 120, range(5))], True)
    found = decisions(q, [half])
    assert [(d.op, d.subject.id, d.first, d.last) for d in found] == [("reject", 3, 106, 108)]


def test_a_track_of_two_cameras_is_only_gone_where_it_was_taken_away() -> None:
    sheets = [sheet("a", first=100), sheet("b", first=101)]
    q = queue(strand("a3", "mug", 10), strand("b3", "mug", 10), sheets=sheets)
    both = [back(strand("a3", "mug", 10)), back(letter="b")]
    gone = decisions(q, both)
    assert [d.op for d in gone if d.op != "reject"] == ["trim"]
    assert {(d.first, d.last) for d in gone if d.op == "reject"} == {
        (f, f) for f in range(101, 118, 2)
    }
    one = decisions(q, both[1:])  # the other camera's file has not come back
    assert {(d.op, d.first, d.last) for d in one} == {("reject", f, f) for f in range(101, 120, 2)}
    assert said(decisions(q, [back(), back(letter="b")])) == [("reject", 3, {})]


def test_what_one_sheet_corrects_no_other_accepts() -> None:
    stills = sheet("b", "stills")
    q = queue(strand("a3", "mug", 10), strand("b3", "mug", 10, [4]), sheets=[sheet("a"), stills])
    unchanged = back(strand("a3", "mug", 10), reviewed=True)
    renamed = Returned("b", np.array([4]), [strand("b3", "cup", 10, [4])], True)
    assert said(decisions(q, [unchanged, renamed])) == [("relabel", 3, {"phrase": "cup"})]
