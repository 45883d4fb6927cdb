"""The world of recordings that are not as they should be: what each of them comes to."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekeeper.errors import DatasetError
from scenekeeper.schema import Camera, Labels
from scenekeeper.store import Dataset
from scenekeeper.world.memory import reading
from scenekeeper.world.recall import open_world
from scenekeeper.world.session_scene import session_scene
from tests.world.made_session import (
    BOXES,
    CAMERA,
    SECOND,
    Shot,
    build,
    each,
    look_from,
    shot,
    shots,
)

Rows = list[dict[str, Any]]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.create(tmp_path / "d.sk")


def world(dataset: Dataset, taken: list[Shot], session: str = "s", **more: Any) -> Rows:
    """Objects of a session whose stages all went well."""
    assert build(dataset, session, taken, **more).failures == ()
    return list(dataset.table("objects", session).to_pylist())


def are_the_boxes(objects: Rows) -> bool:
    """Each box is one object at its place."""
    if sorted(o["phrase"] for o in objects) != sorted(name for name, *_ in BOXES):
        return False
    at = {name: center for name, center, _ in BOXES}
    return all(np.abs(np.subtract(o["center"], at[o["phrase"]])).max() < 0.06 for o in objects)


def test_every_box_is_an_object_at_its_place_and_the_next_visit_knows_it(dataset: Dataset) -> None:
    first = world(dataset, shots(), "monday")
    assert are_the_boxes(first) and [o["frames"] for o in first] == [8, 8, 8]
    second = world(dataset, shots(t_ns=10**12), "tuesday")
    assert [o["object"] for o in second] == [o["object"] for o in first] == [1, 2, 3]
    assert open_world(dataset).scene().sessions == ("monday", "tuesday")


def nan_pose() -> Any:
    return np.full((4, 4), np.nan)


@pytest.mark.parametrize(
    "T", [None, nan_pose(), look_from(5e5), look_from(0, y=-4.6e6)], ids=["no", "nan", "utm", "far"]
)
def test_frames_without_a_usable_pose_do_not_count(dataset: Dataset, T: Any) -> None:
    bad = (1, 2, 6)
    objects = world(dataset, each(shots(), lambda s: s.but(T_world_camera=T), bad))
    assert are_the_boxes(objects) and {o["frames"] for o in objects} == {5}


@pytest.mark.parametrize("depth", [0.0, np.nan, np.inf, 65.535, -1.0])
def test_depth_that_says_nothing_does_not_count(dataset: Dataset, depth: float) -> None:
    def blinded(s: Shot) -> Shot:
        return s.but(depth=np.full((CAMERA.height, CAMERA.width), depth, np.float32))

    objects = world(dataset, each(shots(), blinded, (1, 2, 6)))
    assert are_the_boxes(objects) and {o["frames"] for o in objects} == {5}
    assert all(o["score"] > 0.9 for o in objects)


def test_holes_in_depth_leave_the_rest(dataset: Dataset) -> None:
    rng = np.random.default_rng(0)

    def pierced(s: Shot) -> Shot:
        assert s.frame.depth is not None
        values = rng.choice([0, np.nan, 65.535, -np.inf], s.frame.depth.shape)
        hole = rng.random(s.frame.depth.shape) < 0.4
        return s.but(depth=np.where(hole, values, s.frame.depth).astype(np.float32))

    assert are_the_boxes(world(dataset, each(shots(), pierced, range(8))))


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.but(depth=None),
        lambda s: s.but(T_world_camera=None),
        lambda s: s.but(depth=np.zeros((CAMERA.height, CAMERA.width), np.float32)),
        lambda s: s.but(camera=replace(CAMERA, intrinsics=None)),
    ],
    ids=["no depth", "no pose", "zero depth", "no intrinsics"],
)
def test_a_session_that_shows_nothing_in_space_keeps_its_labels_and_has_no_world(
    dataset: Dataset, change: Callable[[Shot], Shot]
) -> None:
    taken = [change(s) for s in shots()]
    assert world(dataset, taken) == []
    kept = dataset.table("instances", "s").select(["frame_id", "track", "phrase"]).to_pylist()
    assert len(kept) == sum(len(s.labels) for s in taken)
    with pytest.raises(DatasetError, match="no world yet"):
        open_world(dataset)


def test_the_world_does_not_notice_a_session_without_depth(dataset: Dataset) -> None:
    world(dataset, [s.but(depth=None) for s in shots()], "blind")
    world(dataset, shots(t_ns=10**12), "monday")
    [place] = open_world(dataset).places()
    assert (place.session, place.place, place.how) == ("monday", 0, "first")


def test_a_session_that_shows_nothing_any_more_is_forgotten(dataset: Dataset) -> None:
    world(dataset, shots())
    blind = [s.but(depth=None) for s in shots()]
    for table in ("depths", "observations", "sightings", "objects"):
        for file in dataset.path.glob(f"labels/{table}/*/s-*.parquet"):
            file.unlink()
    dataset.refresh_views()
    assert world(dataset, blind) == []
    with reading(dataset.path) as memory:
        assert memory.places() == [] and {e.kind for e in memory.events()} == {"born", "aligned"}


def test_a_lost_memory_is_made_anew_with_ids_that_nothing_had(dataset: Dataset) -> None:
    first = world(dataset, shots())
    (dataset.path / "world" / "world.sqlite").rename(dataset.path / "away")
    shutil.rmtree(dataset.path / "labels" / "sightings")  # as the remedy says
    again = world(dataset, shots())
    assert [o["object"] for o in first] == [1, 2, 3] and [o["object"] for o in again] == [4, 5, 6]
    assert [t.object for t in open_world(dataset).scene()] == [4, 5, 6]


def test_no_frames_at_all_come_to_nothing(dataset: Dataset) -> None:
    assert world(dataset, []) == []
    assert dataset.table("changes", "s").num_rows == 0


def test_a_clip_without_detections_is_no_gap(dataset: Dataset) -> None:
    nothing = np.zeros(0, np.int64)
    objects = world(
        dataset, each(shots(12), lambda s: replace(s, labels=s.labels[nothing]), (4, 5, 6, 7))
    )
    assert are_the_boxes(objects) and {o["frames"] for o in objects} == {8}


def test_a_session_without_any_detection_is_a_place_without_objects(dataset: Dataset) -> None:
    nothing = np.zeros(0, np.int64)
    assert world(dataset, [replace(s, labels=s.labels[nothing]) for s in shots()]) == []
    assert len(open_world(dataset).scene()) == 0


@pytest.mark.parametrize("step", [0, -SECOND])
def test_times_that_stand_still_or_run_backwards_change_no_object(
    dataset: Dataset, step: int
) -> None:
    objects = world(dataset, [s.but(t_ns=k * step) for k, s in enumerate(shots())])
    assert are_the_boxes(objects)
    [place] = open_world(dataset).places()
    assert (place.first_t_ns, place.last_t_ns) == (min(0, 7 * step), 0)
    assert all(place.first_t_ns <= o["last_t_ns"] <= place.last_t_ns for o in objects)


def test_a_session_of_another_place_is_kept_apart(dataset: Dataset) -> None:
    hall = ((1.2, 0.8, 1.9), (6.0, 7.0, 3.8))
    crates = [
        (f"crate {k}", (0.5 * k - 1.2, 0.6 * (-1) ** k, 0.4), (0.3, 0.5, 0.8)) for k in range(6)
    ]
    home = world(dataset, shots(), "home")
    away = world(dataset, shots(boxes=crates, t_ns=10**12, room=hall), "away")
    assert not {o["object"] for o in home} & {o["object"] for o in away}
    assert dataset.table("changes", "away").num_rows == 0
    assert [(p.place, p.how) for p in open_world(dataset).places()] == [(0, "first"), (1, "apart")]
    assert len(open_world(dataset).scene(place=0)) == len(home) == 3
    assert len(open_world(dataset).scene()) == len(away)


def test_a_room_that_was_furnished_anew_is_the_same_room(dataset: Dataset) -> None:
    world(dataset, shots(), "monday")
    crates = [("crate", (-0.9, 0.6, 0.4), (0.3, 0.5, 0.8))]
    world(dataset, shots(boxes=crates, t_ns=10**12), "tuesday")
    scene = open_world(dataset).scene()
    assert [(t.phrase, t.status) for t in scene if t.status == "missing"] == [
        (name, "missing") for name, *_ in BOXES
    ]
    assert [t.status for t in scene if t.phrase == "crate"] == ["confirmed"]


def test_a_jump_of_the_pose_shows_things_twice_and_breaks_nothing(dataset: Dataset) -> None:
    def jumped(s: Shot) -> Shot:
        T = np.array(s.frame.T_world_camera)
        T[:3, 3] += (1.0, 0.7, 0)
        return s.but(T_world_camera=T)

    objects = world(dataset, each(shots(), jumped, (4, 5, 6, 7)))
    assert {o["phrase"] for o in objects} == {name for name, *_ in BOXES}
    assert 3 <= len(objects) <= 6 and all(np.isfinite(o["center"]).all() for o in objects)


def test_a_camera_without_intrinsics_adds_nothing(dataset: Dataset) -> None:
    blind = Camera("blind", CAMERA.width, CAMERA.height)
    taken = each(shots(), lambda s: s.but(camera=blind), (1, 3, 5, 7))
    objects = world(dataset, taken)
    assert are_the_boxes(objects) and {o["frames"] for o in objects} == {4}


def test_two_cameras_see_one_world(dataset: Dataset) -> None:
    wide = Camera("wide", 128, 96, np.array([[70.0, 0, 63.5], [0, 70, 47.5], [0, 0, 1]]))
    taken = [
        shot(k, look_from(x, y), camera=camera)
        for k, (x, y, camera) in enumerate(
            (x, y, c) for x in (-0.6, -0.2, 0.2, 0.6) for y, c in ((-1.8, CAMERA), (2.1, wide))
        )
    ]
    objects = world(dataset, taken)
    assert are_the_boxes(objects) and {o["frames"] for o in objects} == {8}


def test_cameras_that_take_turns_and_stand_still_leave_one_keyframe_each(dataset: Dataset) -> None:
    other = replace(CAMERA, name="other")
    taken = [shot(k, look_from(0.5 * (k % 2)), camera=(CAMERA, other)[k % 2]) for k in range(8)]
    world(dataset, taken)
    with reading(dataset.path) as memory:
        assert len(memory.keyframes("s")) == 2


def test_instances_without_masks_fill_their_boxes(dataset: Dataset) -> None:
    objects = world(dataset, [s.said(mask=(None,) * len(s.labels)) for s in shots()])
    assert sorted(o["phrase"] for o in objects) == ["ball", "box", "mug"]
    assert all(np.isfinite(o["extent"]).all() for o in objects)


OUTSIDE = [
    [200.0, 10, 300, 40],
    [-90, -80, -10, -5],
    [40, 50, 20, 30],
    [np.nan, 0, 10, 10],
    [-1e9, -1e9, 1e9, 1e9],
    [10, np.inf, 20, np.inf],
]


@pytest.mark.parametrize("box", OUTSIDE, ids=["right", "left", "turned", "nan", "huge", "inf"])
def test_boxes_outside_the_picture_show_what_of_them_is_inside(
    dataset: Dataset, box: list[float]
) -> None:
    def with_stray(s: Shot) -> Shot:
        stray = Labels(
            s.labels.frame_id,
            s.labels.t_ns,
            s.labels.size,
            np.array([box], np.float32),
            phrase=("ghost",),
            score=np.array([0.5], np.float32),
            track=np.array([9]),
        )
        return replace(s, labels=Labels.concatenate([s.labels, stray]))

    objects = world(dataset, [with_stray(s) for s in shots()])
    assert are_the_boxes([o for o in objects if o["phrase"] != "ghost"])
    ghosts = sum(o["phrase"] == "ghost" for o in objects)
    assert ghosts == 0 or box[0] == -1e9


def test_without_tracks_space_alone_says_what_is_what(dataset: Dataset) -> None:
    none = [s.said(track=np.full(len(s.labels), -1)) for s in shots()]
    objects = world(dataset, none)
    assert are_the_boxes(objects) and len({o["track"] for o in objects}) == 3
    assert min(o["track"] for o in objects) >= 0


def test_large_coordinates_are_kept_to_the_centimetre(dataset: Dataset) -> None:
    far = np.array([9_000.0, -9_500.0, 0])

    def carried(s: Shot) -> Shot:
        T = np.array(s.frame.T_world_camera)
        T[:3, 3] += far
        return s.but(T_world_camera=T)

    objects = world(dataset, [carried(s) for s in shots()])
    assert are_the_boxes([{**o, "center": np.subtract(o["center"], far)} for o in objects])


@pytest.mark.slow
def test_a_thousand_things_that_look_alike_are_told_apart(dataset: Dataset) -> None:
    wide = Camera("wide", 480, 320, np.array([[200.0, 0, 239.5], [0, 200.0, 159.5], [0, 0, 1]]))
    objects = world(dataset, [_tiled(k, wide) for k in range(3)], clip=3, after=())
    assert len(objects) == len({o["object"] for o in objects}) == 1000
    assert {o["frames"] for o in objects} == {3}


def _tiled(frame_id: int, camera: Camera) -> Shot:
    """A floor with a pattern of a thousand tiles, each labelled, seen from above."""
    T = np.diag([1.0, -1, -1, 1])
    T[2, 3] = 2.3
    s = shot(frame_id, T, (), camera)
    masks = []
    for v, u in np.ndindex(25, 40):
        mask = np.zeros((camera.height, camera.width), np.bool_)
        mask[12 * v + 10 : 12 * v + 18, 12 * u + 2 : 12 * u + 10] = True
        masks.append(mask)
    labels = Labels.from_masks(s.frame, masks, phrase=("tile",) * 1000, track=np.arange(1000))
    return replace(s, labels=labels)


def test_the_scene_of_one_session_says_what_the_world_knows_of_its_objects(
    dataset: Dataset,
) -> None:
    rows = {o["object"]: o for o in world(dataset, shots())}
    scene = session_scene(dataset, "s")
    assert [t.object for t in scene] == sorted(rows)
    for thing in scene:
        row = rows[thing.object]
        assert thing.names == dict(row["names"]) and thing.phrase == row["phrase"]
        assert thing.colors == dict(row["colors"]) and thing.cells.tolist() == row["cells"]
        assert thing.position_std.tolist() == row["position_std"]
    dataset.name_object(scene.things[0].object, "Anna's mug")
    named = session_scene(dataset, "s").things[0]
    assert named.names == {"Anna's mug": 1.0} and named.verified
