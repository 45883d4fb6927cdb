"""Input, scores and costs of the benchmarks of maps are what they say they are."""

from __future__ import annotations

import dataclasses
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from benchmarks import concept_graphs, our_map, peer_map, world_association, world_mapping
from benchmarks.mapping_input import (
    CLEAN,
    PER_ROOM,
    ROOM_APART,
    Conditions,
    MappingFrame,
    Views,
    look_up,
    mapping_frames,
    partition,
)
from benchmarks.mapping_quality import association
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion

from scenekeeper.voxels import neighbours, voxel_keys

K = np.array([[100.0, 0, 79.5], [0, 100.0, 59.5], [0, 0, 1]])


def wall(frames: int = 4) -> Views:
    """A camera slides along a wall 1 m away that is cut into squares of 20 cm."""
    poses = np.tile(np.eye(4), (frames, 1, 1))
    poses[:, 0, 3] = 0.1 * np.arange(frames)
    x = (np.arange(160) - K[0, 2]) / K[0, 0] + poses[:, None, 0, 3] + 0.8
    y = (np.arange(120) - K[1, 2]) / K[1, 1] + 0.6
    number = np.floor(x / 0.2)[:, None, :] + 10 * np.floor(y / 0.2)[None, :, None]
    depth = np.full(number.shape, 1000, np.uint16)
    return Views("wall", K, poses, depth, number.astype(np.int16))


def frames(
    conditions: Conditions = CLEAN, seed: int = 0, rooms: tuple[int, ...] = (0,)
) -> list[MappingFrame]:
    return list(mapping_frames(wall(), conditions, seed, rooms, per_room=4))


# --- input ----------------------------------------------------------------------------------------


def test_the_same_seed_makes_the_same_frames_and_another_seed_others() -> None:
    hard = Conditions(metres=0.02, degrees=0.5)
    a, b, other = frames(hard), frames(hard), frames(hard, seed=1)
    for x, y in zip(a, b, strict=True):
        assert (x.detections.feature == y.detections.feature).all()
        assert (x.T_world_camera == y.T_world_camera).all()
        assert all(
            (m == n).all() for m, n in zip(x.detections.masks, y.detections.masks, strict=True)
        )
    assert (a[0].T_world_camera != other[0].T_world_camera).any()


def test_without_faults_every_mask_is_its_instance() -> None:
    exact = Conditions(missed=0, mask_px=0, at_most=1000)
    for frame, instance in zip(frames(exact), wall().instance, strict=True):
        masks = concept_graphs.full_masks(frame)
        assert len(masks) == (np.bincount(instance.ravel()) >= 200).sum()
        for mask, true in zip(masks, frame.detections.truth, strict=True):
            assert (mask == (instance == true)).all()


def test_outlines_are_wrong_by_no_more_than_asked() -> None:
    found = frames(Conditions(missed=0, mask_px=2))[0]
    differ = 0
    for mask, true in zip(concept_graphs.full_masks(found), found.detections.truth, strict=True):
        exact = wall().instance[0] == true
        assert not (mask & ~binary_dilation(exact, iterations=2)).any()
        assert not (binary_erosion(exact, iterations=2) & ~mask).any()
        differ += int((mask != exact).any())
    assert differ


def test_poses_are_off_by_what_was_asked() -> None:
    many = Conditions(metres=0.02, degrees=0.5, at_most=1, mask_px=0, dimensions=4)
    off = [f.T_world_camera for s in range(100) for f in frames(many, s)]
    true = np.tile(wall().T_world_camera, (100, 1, 1))
    error = np.linalg.inv(true) @ np.array(off)
    assert error[:, :3, 3].std() == pytest.approx(0.02, rel=0.1)
    turn = (np.trace(error[:, :3, :3], axis1=1, axis2=2) - 1) / 2
    assert np.sqrt((np.degrees(np.arccos(turn)) ** 2).mean() / 3) == pytest.approx(0.5, rel=0.1)


def test_another_room_is_the_same_place_moved_with_things_of_its_own() -> None:
    here, there = frames(rooms=(0,)), frames(rooms=(2,))
    moved = there[0].T_world_camera[:3, 3] - here[0].T_world_camera[:3, 3]
    assert moved == pytest.approx([2 * ROOM_APART, 0, 0])
    assert (there[0].detections.truth // PER_ROOM == 2).all()


def test_views_of_one_thing_look_alike_and_others_only_as_pictures_do() -> None:
    def cosines(looks: int | None) -> tuple[float, float]:
        one, two = frames(Conditions(looks=looks, missed=0, at_most=1000))[:2]
        cosine = one.detections.feature @ two.detections.feature.T
        same = one.detections.truth[:, None] == two.detections.truth[None]
        return float(cosine[same].mean()), float(cosine[~same].max())

    same, others = cosines(None)
    assert same == pytest.approx(0.95, abs=0.02) and others < 0.75
    assert cosines(5)[1] == pytest.approx(0.95, abs=0.03)


def test_a_surface_is_cut_into_connected_pieces() -> None:
    grid = np.stack(np.meshgrid(np.arange(40), np.arange(30), [0]), -1).reshape(-1, 3) * 0.025
    speck = np.array([[5.0, 5.0, 5.0]])
    key = np.sort(voxel_keys(np.concatenate((grid, speck)) + 0.01, 0.025))
    flat = np.zeros((len(key), 3), np.float32)
    kept, piece = partition(key, flat, np.tile(np.float32([0, 0, 1]), (len(key), 1)), 6)
    assert len(kept) == len(key) - 1 and set(piece.tolist()) == set(range(6))
    for number in range(6):
        a, b = neighbours(kept[piece == number])
        assert len(_reached(a, b)) == (piece == number).sum()


def _reached(a: NDArray[np.int32], b: NDArray[np.int32]) -> set[int]:
    known, before = {0}, 0
    while len(known) > before:
        before = len(known)
        for x, y in zip(a.tolist(), b.tolist(), strict=True):
            if x in known or y in known:
                known |= {x, y}
    return known


def test_a_pixel_is_looked_up_where_it_lies_in_the_world() -> None:
    views = wall()
    depth = views.depth_mm[1].copy()
    depth[:10] = 0
    points = np.array([[0.1 + (159 - K[0, 2]) / K[0, 0], 0.0, 1.0]])
    key = voxel_keys(points, 0.025)
    label = look_up(depth, K, views.T_world_camera[1], key, np.array([7], np.int16))
    assert label[60, 159] == 7 and (label[:10] == -1).all() and (label[:, :140] == -1).all()


# --- scores ---------------------------------------------------------------------------------------


def test_scores_by_hand() -> None:
    truth = np.array([1, 2, 1, 2, 1, 2, 3])
    score = association(truth, np.array([0, 1, 0, 0, 5, 1, -1]))
    assert score.purity == 5 / 6 and score.completeness == 4 / 6
    assert score.placed == 6 / 7 and score.switches == 3
    assert (score.objects, score.things) == (3, 2)
    assert score.f1 == pytest.approx(2 * 5 * 4 / 6 / 9)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60))
def test_only_a_perfect_map_has_full_marks(things: list[int]) -> None:
    truth = np.array(things)
    renamed = association(truth, 10 - truth)
    assert renamed.f1 == 1 and renamed.switches == 0
    alone = association(truth, np.arange(len(truth)))
    assert alone.purity == 1 and (alone.f1 == 1) == (len(set(things)) == len(things))


def test_scores_need_an_object_for_every_detection() -> None:
    with pytest.raises(ValueError, match="3 detections"):
        association(np.zeros(3, np.int64), np.zeros(2, np.int64))


# --- ours -----------------------------------------------------------------------------------------


def test_our_map_is_told_apart_from_the_cost_of_the_input() -> None:
    mapped = our_map.observed(our_map.fresh(settle=False), frames(Conditions(missed=0)))
    assert len(mapped.ms) == 4 and (mapped.ms > 0).all()
    assert mapped.detections.sum() == len(mapped.truth) == len(mapped.objects)
    assert association(mapped.truth, mapped.objects).f1 > 0.9


def test_held_bytes_counts_arrays_once() -> None:
    array = np.zeros(100_000)
    assert 800_000 < our_map.held_bytes({"a": array, "b": [array, array[5:]]}) < 810_000


def test_growth_tells_cost_by_objects_and_detections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world_mapping, "PER_ROOM", 4)
    grown = world_mapping.grow(wall(), objects=(60, 120))
    assert set(grown.ms) == {(n, m) for n in (60, 120) for m in world_mapping.DETECTIONS}
    assert all(grown.objects[n] >= 0.9 * n for n in (60, 120)) and grown.per_object > 1000


def test_the_grid_of_association_holds_every_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world_association, "SEEDS", (1,))
    monkeypatch.setattr(world_association, "FRAMES", 4)
    monkeypatch.setattr(world_association, "prepared", wall)
    result = world_association.run()
    assert all(", ".join(cell) in result.note for cell in world_association.CELLS)
    assert result.ours > 0.7 and len(result.note.split("/")) > 20


# --- the peer -------------------------------------------------------------------------------------


def grown_by(share: float) -> world_mapping.Growth:
    """A map whose cost at 3000 objects is this much above that at none."""
    ms = {
        (n, m): 1.0 + share * n / 3000
        for n in world_mapping.OBJECTS
        for m in world_mapping.DETECTIONS
    }
    return world_mapping.Growth(ms, {n: n for n in world_mapping.OBJECTS}, 1e4, 2e4, 0.0)


def test_without_the_peer_growth_alone_is_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCENEKEEPER_CG_PYTHON", str(_python_without_packages()))
    monkeypatch.setattr(world_mapping, "prepared", lambda instances: wall())
    monkeypatch.setattr(world_mapping, "grow", lambda views: grown_by(0.6))
    result = world_mapping.run()
    assert result.peer is None and "cg-env" in result.note
    assert result.ours == pytest.approx(1.6 / 1.02) and not result.ok


def test_the_peer_is_met_at_the_sizes_that_are_claimed(monkeypatch: pytest.MonkeyPatch) -> None:
    stages = dict.fromkeys(concept_graphs.STAGES, 1e4)
    rooms = [
        {"n": n, "mean_n": n - 50, "m": 18, "total": total, **stages}
        for n, total in ((90, 1.0), (160, 8000.0), (760, 1e9))
    ]
    told = {"libraries": "none", "answers": [{"rooms": rooms}]}
    monkeypatch.setattr(peer_map, "ask", lambda requests: told)
    monkeypatch.setattr(world_mapping, "prepared", lambda instances: wall())
    monkeypatch.setattr(world_mapping, "grow", lambda views: grown_by(0.1))
    monkeypatch.setattr(world_mapping, "PER_ROOM", 4)
    result = world_mapping.run()
    assert result.peer == 8000
    assert result.further["100 times with 710 objects"]
    assert result.further["3000 objects cost at most 1.5 times as much as 100"]


def _python_without_packages() -> Path:
    """An interpreter that answers as one without the peer's libraries does."""
    script = Path(tempfile.mkdtemp()) / "python"
    script.write_text(f"#!{sys.executable}\nraise SystemExit({peer_map.NOT_INSTALLED})\n")
    script.chmod(0o755)
    return script


class Box:
    """A box as Open3D has them."""

    def __init__(self, center: list[float], extent: list[float], yaw: float = 0.0) -> None:
        c, s = np.cos(yaw), np.sin(yaw)
        self.center, self.extent = np.array(center), np.array(extent)
        self.R = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def test_turned_boxes_whose_upright_outlines_meet_may_yet_be_apart() -> None:
    long = Box([0, 0, 0], [4, 0.2, 1], np.pi / 4)
    beside = Box([1, -1, 0], [1, 1, 1])
    across = Box([0.8, 0.6, 0.4], [0.5, 0.5, 1])
    assert concept_graphs.boxes_overlap([long], [beside, across]).tolist() == [[False, True]]


@given(st.integers(0, 10_000))
def test_boxes_that_share_a_point_overlap(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = (
        Box(list(rng.uniform(-1, 1, 3)), list(rng.uniform(0.1, 2, 3)), rng.uniform(0, 3))
        for _ in range(2)
    )
    points = rng.uniform(-2, 2, (20_000, 3))
    inside = [(np.abs((points - x.center) @ x.R) < x.extent / 2).all(1) for x in (a, b)]
    overlap = bool(concept_graphs.boxes_overlap([a], [b])[0, 0])  # type: ignore[list-item]
    assert overlap or not (inside[0] & inside[1]).any()


def test_a_mask_loses_what_lies_within_it() -> None:
    masks = np.zeros((2, 20, 20), np.bool_)
    masks[0, 2:18, 2:18] = masks[1, 5:10, 5:10] = True
    boxes = np.array([[2.0, 2, 18, 18], [5, 5, 10, 10]])
    outer, inner = concept_graphs.without_contained(boxes, masks)
    assert outer.sum() == 16 * 16 - 25 and inner.sum() == 25


def test_a_request_survives_as_json() -> None:
    request = peer_map.Request(
        "x.npz", Conditions(looks=5), config=concept_graphs.PeerConfig(accept=1.0)
    )
    again = json.loads(json.dumps(dataclasses.asdict(request)))
    assert peer_map.Request.from_dict(again) == request


def test_the_peer_maps_a_wall() -> None:
    pytest.importorskip("open3d", reason="the peer's libraries are not here: .ci/cg-env")
    pytest.importorskip("faiss", reason="the peer's libraries are not here: .ci/cg-env")
    grown = concept_graphs.PeerMap()
    found = frames(Conditions(missed=0))
    for frame in found:
        grown.observe(frame)
    truth = np.concatenate([f.detections.truth for f in found])
    assert association(truth, grown.assigned()).f1 > 0.9
