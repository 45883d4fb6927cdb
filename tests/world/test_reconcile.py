"""Labels that agree with the world: what is removed, renamed, redrawn and added, and why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scenekeeper import masks
from scenekeeper.schema import Clip
from scenekeeper.world.reconcile import Reconcile
from tests.world.made_views import (
    BOWL,
    MUG,
    MadeTables,
    depth,
    frame,
    label,
    mask,
    thing,
)

Rows = list[dict[str, Any]]

HALF = (MUG[0], MUG[1], MUG[0] + 10, MUG[3])


def reconciled(tables: MadeTables, *seen: NDArray[np.float32] | None) -> tuple[Rows, Rows]:
    """Labels and decisions of frames 0, 1, ... with such depth."""
    clip = Clip("s", 0, 0, len(seen))
    job = Reconcile().open(clip, tables)
    for k, one in enumerate(seen):
        job.collect(job.encode(frame(k, one)))
    made = job.finish()
    return made["instances"].to_pylist(), made["reconciled"].to_pylist()


def iou(row: dict[str, Any], box: tuple[int, int, int, int]) -> float:
    return float(masks.iou([row["mask"]], [masks.encode(mask(box))], mask(box).shape)[0, 0])


def test_a_ghost_is_removed_and_the_reason_is_told() -> None:
    ghost = thing(1, "mug", MUG, score=0.1, frames=1)
    labels, told = reconciled(MadeTables([label(0, 0, MUG, "mug")], [ghost], {(0, 0): 1}), depth())
    assert labels == []
    assert [(t["action"], t["instance"]) for t in told] == [("removed", 0)]
    assert "belief" in told[0]["reason"] and "0.10" in told[0]["reason"]


def test_a_missed_mug_is_added_where_it_is_visible_and_not_where_it_is_hidden() -> None:
    tables = MadeTables([], [thing(1, "mug", MUG)])
    labels, told = reconciled(tables, depth(MUG), depth(MUG, z=0.8))
    assert [(r["frame_id"], r["phrase"], r["track"]) for r in labels] == [(0, "mug", 1)]
    assert iou(labels[0], MUG) > 0.8 and "added" in labels[0]["flags"]
    assert [(t["frame_id"], t["action"], t["instance"]) for t in told] == [(0, "added", None)]


def test_what_is_added_is_less_sure_than_the_object() -> None:
    labels, _ = reconciled(MadeTables([], [thing(1, "mug", MUG)]), depth(MUG))
    assert 0.3 < labels[0]["p"] < 0.9 and 0.3 < labels[0]["score"] < 0.95


def test_what_is_added_is_as_sure_as_the_object_if_its_outlines_agree_as_often_as_any() -> None:
    shown = [label(k, 0, (HALF if k % 4 == 0 else MUG), "mug") for k in range(8)]
    tables = MadeTables(shown, [thing(1, "mug", MUG)], {(k, 0): 1 for k in range(8)})
    labels, _ = reconciled(tables, *[depth(MUG)] * 9)
    assert labels[-1]["flags"] == ["added"]
    assert labels[-1]["p"] == pytest.approx(0.9, abs=0.01)


def test_a_mug_that_has_been_taken_away_is_not_added() -> None:
    assert reconciled(MadeTables([], [thing(1, "mug", MUG)]), depth()) == ([], [])


def test_what_the_world_doubts_is_not_added() -> None:
    doubted = [thing(1, "mug", MUG, score=0.45), thing(2, "bowl", BOWL, frames=1)]
    assert reconciled(MadeTables([], doubted), depth(MUG, BOWL)) == ([], [])


def test_a_confused_view_is_renamed_and_keeps_its_outline() -> None:
    tables = MadeTables([label(0, 0, MUG, "vase")], [thing(1, "mug", MUG)], {(0, 0): 1})
    labels, told = reconciled(tables, depth(MUG))
    assert [(r["phrase"], r["track"]) for r in labels] == [("mug", 1)]
    assert labels[0]["mask"] == masks.encode(mask(MUG))
    assert labels[0]["p"] == pytest.approx(0.9)
    assert [t["action"] for t in told] == ["renamed"]


def test_a_name_is_kept_where_the_world_knows_none() -> None:
    unnamed = thing(1, "object", MUG, p=None)
    labels, _ = reconciled(
        MadeTables([label(0, 0, MUG, "vase")], [unnamed], {(0, 0): 1}), depth(MUG)
    )
    assert [r["phrase"] for r in labels] == ["vase"]


def test_an_eroded_mask_is_redrawn_if_outlines_of_its_object_are_right_elsewhere() -> None:
    shown = [label(k, 0, MUG, "mug") for k in range(4)] + [label(4, 0, HALF, "mug")]
    tables = MadeTables(shown, [thing(1, "mug", MUG)], {(k, 0): 1 for k in range(5)})
    labels, told = reconciled(tables, *[depth(MUG)] * 5)
    assert [t["action"] for t in told] == ["confirmed"] * 4 + ["redrawn"]
    assert iou(labels[4], MUG) > 0.8 and "redrawn" in labels[4]["flags"]
    assert labels[4]["area"] == masks.area(labels[4]["mask"])


def test_outlines_that_models_never_draw_so_are_not_trusted() -> None:
    shown = [label(k, 0, HALF, "mug") for k in range(5)]
    tables = MadeTables(shown, [thing(1, "mug", MUG)], {(k, 0): 1 for k in range(5)})
    labels, _ = reconciled(tables, *[depth(MUG)] * 6)
    assert [iou(r, HALF) for r in labels] == [1.0] * 5


def test_of_two_labels_of_one_object_the_better_drawn_stays() -> None:
    twice = [label(0, 0, HALF, "mug", score=0.9), label(0, 1, MUG, "mug", score=0.5)]
    tables = MadeTables(twice, [thing(1, "mug", MUG)], {(0, 0): 1, (0, 1): 1})
    labels, told = reconciled(tables, depth(MUG))
    assert [iou(r, MUG) for r in labels] == [1.0]
    assert {t["instance"]: t["action"] for t in told} == {0: "removed", 1: "confirmed"}


def test_a_label_with_another_objects_outline_is_that_object() -> None:
    things = [thing(1, "mug", MUG), thing(2, "bowl", BOWL)]
    tables = MadeTables([label(0, 0, MUG, "mug")], things, {(0, 0): 2})
    labels, _ = reconciled(tables, depth(MUG))
    assert [(r["track"], r["phrase"]) for r in labels] == [(1, "mug")]


def test_broken_tracks_of_an_object_become_one() -> None:
    shown = [label(k, 0, MUG, "mug", track=900 + k) for k in range(3)]
    tables = MadeTables(shown, [thing(7, "mug", MUG)], {(k, 0): 7 for k in range(3)})
    labels, _ = reconciled(tables, *[depth(MUG)] * 3)
    assert [r["track"] for r in labels] == [7, 7, 7]


def test_what_the_map_could_not_place_is_what_its_track_is() -> None:
    shown = [label(k, 0, MUG, "mug") for k in range(3)]
    tables = MadeTables(shown, [thing(1, "mug", MUG)], {(0, 0): 1, (1, 0): 1, (2, 0): -1})
    labels, told = reconciled(tables, *[np.zeros_like(depth())] * 3)
    assert [r["track"] for r in labels] == [1] * 3
    assert [t["action"] for t in told] == ["confirmed"] * 3


@pytest.mark.parametrize(("frames", "track"), [(1, 1), (9, 2)])
def test_what_was_seen_but_once_is_what_its_track_is(frames: int, track: int) -> None:
    """Depth says nothing here, so the outlines do not."""
    shown = [label(k, 0, MUG, "mug") for k in range(3)]
    things = [thing(1, "mug", MUG), thing(2, "mug", MUG, frames=frames)]
    tables = MadeTables(shown, things, {(0, 0): 1, (1, 0): 1, (2, 0): 2})
    labels, _ = reconciled(tables, *[np.zeros_like(depth())] * 3)
    assert [r["track"] for r in labels] == [1, 1, track]


@pytest.mark.parametrize(("score", "left"), [(0.1, [1]), (0.9, [1, 2])])
def test_beside_an_object_a_label_is_judged_as_what_its_track_is(
    score: float, left: list[int]
) -> None:
    ghost = [label(k, 0, BOWL, "bowl", track=900) for k in range(3)]
    things = [thing(1, "mug", MUG), thing(2, "bowl", BOWL, score=score)]
    shown = [*ghost, label(3, 0, BOWL, "bowl", track=900), label(3, 1, MUG, "mug", track=901)]
    shows = {(0, 0): 2, (1, 0): 2, (2, 0): 2, (3, 0): 1, (3, 1): 1}
    labels, _ = reconciled(MadeTables(shown, things, shows), *[depth()] * 3, depth(MUG))
    assert sorted(r["track"] for r in labels if r["frame_id"] == 3) == left


@pytest.mark.parametrize(
    ("track", "action"), [(-1, "removed"), (77, "removed"), (900, "confirmed")]
)
def test_a_label_far_from_where_its_object_shows_is_removed_unless_it_was_tracked_there(
    track: int, action: str
) -> None:
    other = thing(2, "bowl", BOWL)
    shown = [label(k, 0, MUG, "mug") for k in range(6)]
    shown += [label(k, 1, BOWL, "bowl", track=77) for k in range(6)]
    stray = (80, 90, 110, 115)
    shown += [label(6, 0, stray, "mug", track=track)]
    shows = {(k, 0): 1 for k in range(7)} | {(k, 1): 2 for k in range(6)}
    tables = MadeTables(shown, [thing(1, "mug", MUG), other], shows)
    labels, told = reconciled(tables, *[depth(MUG, BOWL)] * 7)
    assert next(t["action"] for t in told if t["frame_id"] == 6) == action
    mugs = [r for r in labels if r["frame_id"] == 6 and r["phrase"] == "mug"]
    assert [iou(r, stray) > 0.8 for r in mugs] == [action == "confirmed"]


@pytest.mark.parametrize(("phrase", "action"), [("vase", "removed"), ("mug", "confirmed")])
def test_what_is_neither_called_nor_drawn_like_its_object_is_removed_however_it_is_tracked(
    phrase: str, action: str
) -> None:
    """As a ghost that lies on a table for a while, and there is the table's in the map."""
    stray = (MUG[0], MUG[1], MUG[0] + 6, MUG[1] + 6)
    shown = [label(k, 0, stray, phrase, track=77) for k in range(3)]
    tables = MadeTables(shown, [thing(1, "mug", MUG)], {(k, 0): 1 for k in range(3)})
    _, told = reconciled(tables, *[depth(MUG)] * 3)
    assert [t["action"] for t in told if t["instance"] is not None] == [action] * 3


@pytest.mark.parametrize(
    ("phrase", "box", "action"),
    [
        ("vase", MUG, "removed"),
        ("mug", MUG, "confirmed"),
        ("vase", (MUG[0], MUG[1], MUG[0] + 12, MUG[1] + 12), "renamed"),
    ],
)
def test_where_an_object_hardly_shows_nothing_large_and_called_otherwise_is_it(
    phrase: str, box: tuple[int, int, int, int], action: str
) -> None:
    things = [thing(1, "mug", MUG), thing(2, "bowl", BOWL)]
    shown = [label(0, 0, box, phrase), label(0, 1, BOWL, "bowl", track=77)]
    tables = MadeTables(shown, things, {(0, 0): 1, (0, 1): 2})
    _, told = reconciled(tables, depth(BOWL))
    assert next(t["action"] for t in told if t["instance"] == 0) == action


@pytest.mark.parametrize("phrase", ["floor", "wall"])
def test_floors_and_walls_are_neither_removed_nor_redrawn_nor_added(phrase: str) -> None:
    plane = thing(1, phrase, (0, 0, 160, 120), score=0.1)
    tables = MadeTables([label(0, 0, (0, 0, 60, 120), phrase)], [plane], {(0, 0): 1})
    labels, _ = reconciled(tables, depth(), depth())
    assert [(r["frame_id"], iou(r, (0, 0, 60, 120))) for r in labels] == [(0, 1.0)]


def test_what_has_no_place_in_the_world_is_kept_as_it_is() -> None:
    raw = label(0, 0, MUG, "mug")
    labels, told = reconciled(MadeTables([raw], [thing(2, "bowl", BOWL)]), depth())
    assert [(r["phrase"], r["track"], r["mask"]) for r in labels] == [("mug", 900, raw["mask"])]
    assert [t["action"] for t in told] == ["kept"]


@pytest.mark.parametrize(
    "seen", [None, np.zeros((120, 160), np.float32), np.full((120, 160), 65.0)]
)
def test_frames_whose_depth_says_nothing_keep_their_labels_and_get_none(
    seen: NDArray[np.float32] | None,
) -> None:
    things = [thing(1, "mug", MUG), thing(2, "bowl", BOWL)]
    tables = MadeTables([label(0, 0, MUG, "mug")], things, {(0, 0): 1})
    labels, told = reconciled(tables, None if seen is None else seen.astype(np.float32))
    assert [(r["phrase"], r["track"]) for r in labels] == [("mug", 1)]
    assert [t["action"] for t in told] == ["confirmed"]


def test_a_frame_without_pose_gets_nothing_added() -> None:
    tables = MadeTables([label(0, 0, BOWL, "bowl")], [thing(1, "mug", MUG)], posed=())
    labels, told = reconciled(tables, depth(MUG, BOWL))
    assert [r["phrase"] for r in labels] == ["bowl"] and [t["action"] for t in told] == ["kept"]


def test_a_clip_without_labels_and_things_stays_empty() -> None:
    assert reconciled(MadeTables([], []), depth(), depth()) == ([], [])


def test_an_instance_without_a_mask_is_confirmed_as_a_box() -> None:
    tables = MadeTables([label(0, 0, MUG, "mug", mask=None)], [thing(1, "mug", MUG)], {(0, 0): 1})
    labels, _ = reconciled(tables, depth(MUG))
    assert [(r["mask"], r["box_xyxy"]) for r in labels] == [(None, [40.0, 50.0, 70.0, 80.0])]


def test_instances_are_numbered_anew_and_every_decision_names_the_models_number() -> None:
    things = [thing(1, "mug", MUG, score=0.1), thing(2, "bowl", BOWL)]
    raw = [label(0, 0, MUG, "mug"), label(0, 1, BOWL, "bowl")]
    labels, told = reconciled(MadeTables(raw, things, {(0, 0): 1, (0, 1): 2}), depth(BOWL))
    assert [(r["instance"], r["phrase"]) for r in labels] == [(0, "bowl")]
    assert {t["instance"]: t["action"] for t in told} == {0: "removed", 1: "confirmed"}


def with_mask(row: dict[str, Any], shape: NDArray[np.bool_]) -> dict[str, Any]:
    """The same label with another outline."""
    counts = masks.encode(shape)
    box = [float(v) for v in masks.box(counts, shape.shape)]
    return {**row, "mask": counts, "area": masks.area(counts), "box_xyxy": box}


def both(*boxes: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    return np.logical_or.reduce([mask(b) for b in boxes])


TWO = [thing(1, "mug", MUG), thing(2, "bowl", BOWL)]


def apart(frames: int) -> tuple[Rows, dict[tuple[int, int], int]]:
    """Labels of the mug and the bowl, each as it is."""
    rows = [label(k, 0, MUG, "mug", track=11) for k in range(frames)]
    rows += [label(k, 1, BOWL, "bowl", track=12) for k in range(frames)]
    return rows, {(k, n): n + 1 for k in range(frames) for n in (0, 1)}


def test_a_mask_that_takes_in_a_neighbour_is_redrawn_to_its_own_object() -> None:
    rows, shows = apart(6)
    rows.append(with_mask(label(6, 0, MUG, "mug", track=11), both(MUG, BOWL)))
    labels, told = reconciled(MadeTables(rows, TWO, {**shows, (6, 0): 1}), *[depth(MUG, BOWL)] * 7)
    last = {r["phrase"]: r for r in labels if r["frame_id"] == 6}
    assert iou(last["mug"], MUG) > 0.8 and iou(last["bowl"], BOWL) > 0.8
    assert {t["action"] for t in told if t["frame_id"] == 6} == {"redrawn", "added"}


def test_a_mask_that_only_bleeds_over_its_edge_keeps_its_outline() -> None:
    rows, shows = apart(6)
    bled = mask((MUG[0] - 2, MUG[1] - 2, MUG[2] + 2, MUG[3] + 2))
    rows.append(with_mask(label(6, 0, MUG, "mug", track=11), bled))
    labels, _ = reconciled(MadeTables(rows, TWO, {**shows, (6, 0): 1}), *[depth(MUG, BOWL)] * 7)
    last = next(r for r in labels if r["frame_id"] == 6 and r["phrase"] == "mug")
    assert last["mask"] == masks.encode(bled)


def test_of_two_masks_of_one_thing_one_stays_however_their_boxes_lie() -> None:
    """One has a speck far away, so the boxes have little in common."""
    rows, shows = apart(6)
    speck = (2, 2, 6, 6)
    rows.append(label(6, 0, BOWL, "bowl", track=12))
    rows.append(with_mask(label(6, 1, BOWL, "mug", track=11), both(BOWL, speck)))
    shows |= {(6, 0): 2, (6, 1): 2}
    labels, told = reconciled(MadeTables(rows, TWO, shows), *[depth(MUG, BOWL)] * 7)
    last = [r for r in labels if r["frame_id"] == 6]
    assert [iou(r, BOWL) > 0.8 for r in last if r["phrase"] == "bowl"] == [True]
    assert all(iou(r, MUG) > 0.8 for r in last if r["phrase"] == "mug")
    assert [t["action"] for t in told if (t["frame_id"], t["instance"]) == (6, 1)] == ["removed"]
