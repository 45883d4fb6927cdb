"""Figures of tiny labelings whose errors can be counted by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scenekeeper.errors import DatasetError
from scenekeeper.evaluate.calibration import calibration_rows, d_ece
from scenekeeper.evaluate.captions import claims_in
from scenekeeper.evaluate.causes import cause_rows
from scenekeeper.evaluate.compare import NOT_TESTED, compare
from scenekeeper.evaluate.counting import counting_rows
from scenekeeper.evaluate.evaluation import Evaluation, judge
from scenekeeper.evaluate.frames import on_common_frames
from scenekeeper.evaluate.objects import Objects, Tables, object_rows, pair_objects, stability
from scenekeeper.evaluate.pairing import pair
from scenekeeper.evaluate.relations import change_rows, relation_rows
from scenekeeper.evaluate.resample import MANY_CLIPS, difference, interval
from scenekeeper.evaluate.rows import Row
from tests.evaluate.made import Stored, labelled

MUG = (10.0, 10.0, 50.0, 50.0)
POT = (80.0, 10.0, 180.0, 90.0)
NOWHERE = (60.0, 60.0, 76.0, 80.0)


def values(rows: Any) -> dict[str, float | None]:
    return {r.name: r.value for r in rows}


def moved(box: tuple[float, ...], by: float) -> tuple[float, ...]:
    return (box[0] + by, box[1], box[2] + by, box[3])


# --- causes ---------------------------------------------------------------------------------------


FLOOR = {"box": (0, 90, 200, 100), "phrase": "floor", "structure": True}
MASKED = pytest.mark.parametrize("with_masks", [False, True], ids=["boxes", "masks"])


def test_hallucinations_are_told_apart_by_what_is_there() -> None:
    truth = labelled({"box": MUG}, {"box": POT}, FLOOR, with_masks=True)
    found = labelled(
        {"box": MUG, "score": 0.9},
        {"box": moved(MUG, 4), "score": 0.5},  # the mug again
        {"box": moved(POT, -60), "score": 0.5},  # beside the pot
        {"box": FLOOR["box"], "score": 0.5},
        {"box": NOWHERE, "score": 0.5},
        with_masks=True,
    )
    told = values(cause_rows(pair(truth, found, {}, 16)))
    for kind in ("the same thing twice", "beside a thing", "elsewhere"):
        assert told[f"of hallucinations: {kind}"] == pytest.approx(1 / 3), kind
    assert told["hallucinated: 16 to 32 px"] == 1
    assert told["hallucinated: 32 to 96 px"] == pytest.approx(2 / 3)
    assert told["neither right nor wrong"] == 1 / 5


@MASKED
def test_a_label_on_the_floor_is_a_hallucination_and_the_floor_itself_is_not(
    with_masks: bool,
) -> None:
    truth = labelled({"box": MUG}, FLOOR, with_masks=with_masks)
    for box, precision, ap in (((0, 90, 90, 100), 1 / 2, 1 / 2), ((0, 90, 120, 100), 1, 1)):
        found = labelled({"box": MUG, "score": 0.5}, {"box": box}, with_masks=with_masks)
        scores = judge(found, truth)
        assert scores.value("precision at IoU .5") == precision
        assert scores.value("hallucinated") == 1 - precision
        for kind in ("mask", "box") if with_masks else ("box",):
            assert scores.value(f"AP50 ({kind}, any name)") == pytest.approx(ap)


@MASKED
def test_a_thing_too_small_to_count_excuses_itself_only(with_masks: bool) -> None:
    truth = labelled({"box": MUG}, {"box": (100, 10, 110, 20)}, with_masks=with_masks)
    found = labelled({"box": MUG}, {"box": (100, 10, 110, 14)}, {"box": (100, 10, 110, 19)})
    p = pair(truth, found, {}, 16)
    assert p.truth_of.tolist() == [0, -1, -2]


@MASKED
def test_a_crowd_excuses_all_that_lie_in_it(with_masks: bool) -> None:
    truth = labelled({"box": MUG}, {"box": POT, "crowd": True}, with_masks=with_masks)
    parts = [{"box": moved((80, 10, 110, 50), by)} for by in (0, 30, 60)]
    found = labelled({"box": MUG}, *parts, with_masks=with_masks)
    assert pair(truth, found, {}, 16).truth_of.tolist() == [0, -2, -2, -2]


@pytest.mark.parametrize("side", ["labels", "truth"])
def test_dark_and_blurred_frames_are_those_that_either_side_flags(side: str) -> None:
    flags = {0: "dark", 1: "blurred"}
    things = [{"box": MUG, "image": k} for k in range(3)]
    truth = labelled(*things, frames=3, flags=flags if side == "truth" else None)
    found = labelled(
        {"box": NOWHERE, "image": 0},
        *things[1:],
        frames=3,
        flags=flags if side == "labels" else None,
    )
    found, truth = on_common_frames(found, truth)
    told = values(cause_rows(pair(truth, found, {}, 16)))
    assert told["missed: dark frame"] == 1 and told["missed: blurred frame"] == 0
    assert told["hallucinated: dark frame"] == 1 and told["hallucinated: blurred frame"] == 0


# --- counting -------------------------------------------------------------------------------------


def test_counts_say_which_way_they_are_wrong_and_in_which_class() -> None:
    truth = labelled(
        {"box": MUG}, {"box": POT, "phrase": "pot"}, {"box": MUG, "image": 1}, frames=2
    )
    found = labelled(
        {"box": MUG},
        {"box": NOWHERE},
        {"box": (100, 0, 130, 9)},
        {"box": MUG, "image": 1},
        frames=2,
    )
    plots: dict[str, Any] = {}
    told = values(counting_rows(pair(truth, found, {}, 16), {}, plots))
    assert told["class counts that are exact"] == pytest.approx(1 / 3)
    assert told["class counts that are too high"] == pytest.approx(1 / 3)
    assert told["class counts that are too low"] == pytest.approx(1 / 3)
    assert told["count bias (found less true)"] == pytest.approx((2 - 1 + 0) / 3)
    assert told["mean absolute count error"] == pytest.approx((2 + 1 + 0) / 3)
    assert plots["counts"]["mug"] == {"true": 2, "found": 4, "frames": 2, "exact": 1}
    assert plots["counts"]["pot"] == {"true": 1, "found": 0, "frames": 1, "exact": 0}


def test_what_is_too_small_to_count_is_not_counted_on_either_side() -> None:
    both = labelled({"box": MUG}, {"box": (100, 10, 110, 20)})
    told = values(counting_rows(pair(both, both, {}, 16), {}, {}))
    assert told["class counts that are exact"] == 1 and told["count bias (found less true)"] == 0


# --- calibration ----------------------------------------------------------------------------------


def test_labels_that_are_sure_of_one_class_only_are_miscalibrated_in_that_class() -> None:
    rows = [{"box": MUG, "image": k, "phrase": "mug"} for k in range(20)]
    truth = labelled(*rows, frames=20)
    # Half of the mugs are right, and all are called 0.5; half bear another name.
    found = [{**r, "p": 0.5, "phrase": ("mug", "pot")[k % 2]} for k, r in enumerate(rows)]
    plots: dict[str, Any] = {}
    told = values(calibration_rows(pair(truth, labelled(*found, frames=20), {}, 16), {}, plots))
    assert told["ECE of named labels"] == pytest.approx(0)
    assert told["class-wise ECE"] == pytest.approx(0.5)
    assert plots["ece_by_class"] == {"mug": pytest.approx(0.5), "pot": pytest.approx(0.5)}


def test_errors_that_go_by_place_show_in_d_ece_alone() -> None:
    size = np.tile([100, 200], (40, 1))
    left, right = (0.0, 0.0, 20.0, 20.0), (170.0, 70.0, 190.0, 90.0)
    boxes = np.array([left, right] * 20)
    confidence, by_place = np.full(40, 0.5), np.tile([1.0, 0.0], 20)
    assert d_ece(confidence, by_place, boxes, size) == pytest.approx(0.5)
    by_chance = np.tile([1.0, 1.0, 0.0, 0.0], 10)
    assert d_ece(confidence, by_chance, boxes, size) == pytest.approx(0)


def test_d_ece_is_what_loops_over_all_bins_give() -> None:
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 90, (300, 2))
    boxes = np.column_stack((low, low + rng.uniform(1, 60, (300, 2))))
    confidence, hit = rng.random(300), (rng.random(300) < 0.6).astype(float)
    size = np.tile([150, 160], (300, 1))
    bins: dict[tuple[int, ...], list[float]] = {}
    for c, h, (x0, y0, x1, y1) in zip(confidence, hit, boxes, strict=True):
        place = (c, (x0 + x1) / 320, (y0 + y1) / 300, (x1 - x0) / 160, (y1 - y0) / 150)
        bins.setdefault(tuple(min(4, int(5 * v)) for v in place), []).append(h - c)
    expected = sum(abs(sum(gaps)) for gaps in bins.values()) / 300
    assert d_ece(confidence, hit, boxes, size) == pytest.approx(expected)


# --- the world ------------------------------------------------------------------------------------


def box3(x: float, side: float = 1.0) -> dict[str, Any]:
    return {"center": [x, 0, 0], "extent": [side] * 3, "R_world_box": np.eye(3).ravel().tolist()}


def test_boxes_in_space_are_matched_one_to_one_at_each_overlap() -> None:
    true = {"s": {1: box3(0), 2: box3(5), 3: box3(9)}}
    # One exact, one at a third, one twice, one without a box.
    found = {"s": {1: box3(0), 2: box3(5.5), 3: box3(0.1), 4: {**box3(9), "R_world_box": None}}}
    told = values(object_rows(Objects(true, found, (("s", 1, 1), ("s", 2, 2)))))
    assert told["3D recall at box IoU .25"] == pytest.approx(2 / 3)
    assert told["3D precision at box IoU .25"] == pytest.approx(2 / 4)
    assert told["3D recall at box IoU .5"] == pytest.approx(1 / 3)
    assert told["median position error, m"] == pytest.approx(0.25)


def test_the_robots_own_hand_is_no_object_of_the_place() -> None:
    rows = [{"box": MUG, "object": 1}, {"box": POT, "object": 2, "phrase": "gripper"}]
    truth = labelled(
        *rows, {"box": moved(POT, -60), "object": 2, "phrase": "gripper", "image": 1}, frames=2
    )
    # In the second frame the hand is off, and its object is seen nowhere else.
    said = [{**r, "object": 10 * r["object"], "phrase": "object"} for r in rows]
    found = labelled(*said, {"box": NOWHERE, "object": 20, "image": 1}, frames=2)
    p = pair(truth, found, {}, 16)
    objects = [{"object": k, **box3(k)} for k in (1, 2)]
    theirs = [{"object": 10 * k, **box3(k)} for k in (1, 2)]
    tables = Tables(
        Stored({("objects", "s"): theirs}), Stored({("objects", "s"): objects}), ("s",), {}
    )  # type: ignore[arg-type]
    o = pair_objects(tables, p)
    assert (set(o.true["s"]), set(o.found["s"]), o.pairs) == ({1}, {10}, (("s", 1, 10),))
    assert values(object_rows(o))["objects that are real"] == 1
    assert p.found_of[1] == 1, "its box counts as any other"


def test_ids_hold_if_a_thing_keeps_its_own_and_no_other_has_it() -> None:
    pairs = [("a", 1, 10), ("b", 1, 10), ("a", 2, 20), ("b", 2, 21), ("a", 3, 30)]
    told = values(stability(pairs))
    assert told["ids that hold across sessions"] == 0.5
    assert told["ids that are of one thing only"] == 1
    same = values(stability([(s, t, 7) for s in "ab" for t in (1, 2)]))
    assert same == {"ids that hold across sessions": 1, "ids that are of one thing only": 0}
    assert not list(stability([("a", 1, 10), ("a", 2, 20)])), "one session says nothing"


def test_relations_have_precision_and_recall_of_each_kind() -> None:
    def rel(a: int, how: str, b: int) -> dict[str, Any]:
        return {"subject": a, "predicate": how, "object": b}

    true = Stored({("relations", "s"): [rel(1, "on", 2), rel(3, "on", 2), rel(1, "next to", 3)]})
    said = [rel(10, "on", 20), rel(20, "on", 30), rel(30, "next to", 10), rel(30, "in", 20)]
    found = Stored({("relations", "other"): said})
    pairs = tuple(("s", k, 10 * k) for k in (1, 2, 3))
    tables = Tables(found, true, ("s",), {"s": "other"})  # type: ignore[arg-type]
    told = values(relation_rows(tables, Objects({}, {}, pairs)))
    assert told["precision of 'on'"] == told["recall of 'on'"] == told["F1 of 'on'"] == 0.5
    assert told["F1 of 'next to'"] == 1, "either way round"
    assert told["precision of 'in'"] == 0 and "F1 of 'in'" not in told


def test_relations_are_judged_from_either_side_and_to_structure() -> None:
    def rel(a: int, how: str, b: int) -> dict[str, Any]:
        return {"subject": a, "predicate": how, "object": b, "frame": ""}

    def thing(object: int, phrase: str, kind: str = "thing") -> dict[str, Any]:
        return {"object": object, "phrase": phrase, "kind": kind}

    true = Stored(
        {
            ("objects", "s"): [thing(991, "floor", "support"), thing(992, "wall", "wall")],
            ("relations", "s"): [
                *(rel(1, "on", 2), rel(2, "on", 991), rel(3, "attached to", 992)),
                *(rel(3, "above", 2), rel(4, "under", 2)),
            ],
        }
    )
    said = [
        *(rel(10, "on", 20), rel(20, "on", 71), rel(30, "attached to", 73)),
        *(rel(20, "under", 30), rel(20, "above", 40)),
        *(rel(10, "on", 71), rel(20, "under", 10)),
        rel(20, "left of", 10) | {"frame": "view other/7"},
    ]
    pieces = [thing(71, "floor", "support"), thing(72, "wall", "wall"), thing(73, "object", "wall")]
    found = Stored({("objects", "other"): pieces, ("relations", "other"): said})
    pairs = tuple(("s", k, 10 * k) for k in (1, 2, 3, 4))
    tables = Tables(found, true, ("s",), {"s": "other"})  # type: ignore[arg-type]
    told = values(relation_rows(tables, Objects({}, {}, pairs)))
    for kind in ("on", "attached to", "above", "under", "any relation"):
        assert told[f"F1 of '{kind}'"] == 1, f"{kind}: what is entailed does not count either way"
    assert "precision of 'left of'" not in told, "the truth tells nothing of views"


def change(kind: str, thing: int, new: int | None = None) -> dict[str, Any]:
    return {"session": "b", "since": "a", "kind": kind, "object": thing, "new_object": new}


def shown(*objects: int) -> dict[int, dict[str, Any]]:
    return {o: {} for o in objects}


TRUE_CHANGES = [change("moved", 1), change("taken", 2), change("added", 3), change("swapped", 4, 5)]
SHOWN = Objects(
    {"a": shown(1, 2, 4), "b": shown(1, 3, 5)},
    {"a": shown(10, 20, 40), "b": shown(10, 30, 50)},
    (("a", 1, 10), ("a", 2, 20), ("a", 4, 40), ("b", 1, 10), ("b", 3, 30), ("b", 5, 50)),
)


def judged_changes(said: list[dict[str, Any]], o: Objects = SHOWN) -> dict[str, float | None]:
    true, found = Stored({("changes", "b"): TRUE_CHANGES}), Stored({("changes", "b"): said})
    rows, notes = change_rows(Tables(found, true, ("a", "b"), {}), o)  # type: ignore[arg-type]
    assert not notes
    return values(rows)


def test_changes_are_found_if_kind_and_thing_are_right() -> None:
    told = judged_changes(
        [change("moved", 10), change("moved", 20), change("added", 30), change("swapped", 40, 50)]
    )
    assert told["F1 of 'any change'"] == 1, "whatever the kind"
    assert told["precision of 'moved'"] == 0.5 and told["recall of 'moved'"] == 1
    assert told["recall of 'taken'"] == 0 and told["F1 of 'added'"] == 1
    assert told["F1 of 'swapped'"] == 1


def test_changes_that_no_frame_shows_are_neither_found_nor_missed() -> None:
    unseen = Objects({**SHOWN.true, "b": shown(3, 5)}, SHOWN.found, SHOWN.pairs)
    for said in ([], [change("moved", 10)]):
        assert "recall of 'moved'" not in judged_changes(said, unseen)
        assert "precision of 'moved'" not in judged_changes(said, unseen)


def test_labels_without_changes_are_told_so_not_judged() -> None:
    true, found = Stored({("changes", "b"): TRUE_CHANGES}), Stored({})
    tables = Tables(found, true, ("a", "b"), {})  # type: ignore[arg-type]
    rows, notes = change_rows(tables, SHOWN)
    assert not rows and "4 changes between sessions are not judged (n/a)" in notes[0]
    nothing = Tables(found, Stored({}), ("a", "b"), {})  # type: ignore[arg-type]
    assert change_rows(nothing, SHOWN) == ([], [])


@pytest.mark.parametrize(
    ("text", "claims"),
    [
        ("a mug on a table, a pot", {("mug", "on", "table")}),
        ("a cup in the pot", {("mug", "in", "pot")}),
        (
            "a table with 2 mugs and a pot on it and a book in it, a shelf",
            {("mug", "on", "table"), ("pot", "on", "table"), ("book", "in", "table")},
        ),
        (
            "a table with a mug on it and a shelf with a book in it",
            {("mug", "on", "table"), ("book", "in", "shelf")},
        ),
        ("a table and a mug", set()),
    ],
)
def test_captions_claim_relations_in_either_order(text: str, claims: set[Any]) -> None:
    words = {n: n for n in ("mug", "table", "pot", "book", "shelf")} | {"cup": "mug"}
    assert claims_in(words)(text) == claims


# --- groups and comparisons -----------------------------------------------------------------------


def two_homes() -> tuple[Any, Any]:
    """Sixteen frames of one thing, all found in the first half and a quarter in the second."""
    things = [{"box": MUG, "image": k} for k in range(16)]
    truth = labelled(*things, frames=16, per_clip=1)
    found = labelled(*things[:8], *things[8::4], {"box": NOWHERE, "image": 9}, frames=16)
    names = tuple((("home-0", "home-1")[k > 7], k) for k in range(16))
    return tuple(  # type: ignore[return-value]
        side.__class__(side.name, names, *(getattr(side, f) for f in list(vars(side))[2:]))
        for side in (found, truth)
    )


def test_groups_of_sessions_are_scored_apart_and_compared() -> None:
    found, truth = two_homes()
    scores = judge(found, truth, groups={"in": ["home-0*"], "out": ["home-1*"]})
    assert scores.value("recall at IoU .5 (in)") == 1
    assert scores.value("recall at IoU .5 (out)") == 0.25
    row = next(r for r in scores.rows if r.name == "recall at IoU .5 (out less in)")
    assert row.value == -0.75 and row.low is not None and row.high is not None
    assert -1 <= row.low < -0.75 < row.high < 0
    assert scores.value("recall at IoU .5") == pytest.approx(10 / 16)
    assert "missed: 32 to 96 px" in values(scores.groups["out"]), "all rows are kept"
    sections = [r.section for r in scores.rows]
    assert sum(s == "only in" for s in sections) <= 10
    assert len({r.name for r in scores.rows}) == len(scores.rows)
    assert [g for g in scores.to_dict()["groups"]] == ["in", "out"]


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"in": ["flat-*"]}, "no session like 'flat-\\*', which is group 'in'. Its sessions are"),
        ({"in": ["home-*"], "out": ["home-1"]}, "session 'home-1' is of the groups 'in' and 'out'"),
    ],
)
def test_groups_that_fit_nothing_or_overlap_are_refused(groups: Any, said: str) -> None:
    found, truth = two_homes()
    with pytest.raises(DatasetError, match=said):
        judge(found, truth, groups=groups)


def evaluation(*rows: Row) -> Evaluation:
    return Evaluation("labels", "truth", 1, rows)


def test_figures_that_no_clip_stands_for_are_marked_as_not_tested() -> None:
    a, b = (evaluation(Row("s", "AP", v, 5), Row("s", "n", 3.0, 5, better="")) for v in (0.4, 0.6))
    told = {d.name: d for d in compare(a, b)}
    assert told["AP"].verdict == NOT_TESTED and told["AP"].p is None
    assert told["n"].verdict == ""


def test_a_root_of_a_mean_is_compared_as_such() -> None:
    clips = [{k: (s * (k + 1.0), 10.0) for k in range(9)} for s in (4.0, 1.0)]
    a, b = (Row("s", "jitter", 0.0, 90, None, None, "lower", c, 0.5) for c in clips)
    told = compare(evaluation(a), evaluation(b))[0]
    exact = -np.sqrt(4 * 45 / 90) + np.sqrt(45 / 90)
    assert told.low is not None and told.high is not None
    assert told.low < exact < told.high < 0


@pytest.mark.parametrize("paired", [True, False])
def test_with_very_many_clips_intervals_are_those_of_the_bootstrap(paired: bool) -> None:
    rng = np.random.default_rng(0)
    n = MANY_CLIPS + 500
    size = rng.integers(1, 20, n).astype(float)
    a = np.stack((rng.binomial(size.astype(int), 0.6), size), 1)
    b = np.stack((rng.binomial(size.astype(int), 0.62), size), 1)
    many, few = interval(*a.T), interval(*a[:MANY_CLIPS].T)
    assert many[1] - many[0] == pytest.approx((few[1] - few[0]) * np.sqrt(MANY_CLIPS / n), rel=0.1)
    low, high, p = difference(a, b, paired=paired)
    less = difference(a[:MANY_CLIPS], b[:MANY_CLIPS], paired=paired)
    assert high - low == pytest.approx((less[1] - less[0]) * np.sqrt(MANY_CLIPS / n), rel=0.1)
    assert 0 < p < 0.05
