"""Depth that does not lie on the colour picture is noticed from edges, corrected, and told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.errors import RecordingError
from scenekeeper.recording import Images, Recording, View, open_recording
from scenekeeper.recording.frames import frame_index, read_frames
from scenekeeper.recording.registration import (
    DepthWarp,
    align,
    apply_alignment,
    drop_unusable_depth,
    estimate_alignment,
)
from scenekeeper.schema import Camera
from scenekeeper.simulate import write_tabletop

K = np.array([[40.0, 0, 15.5], [0, 40, 11.5], [0, 0, 1]])


class InMemory:
    """Pictures held in memory; ``None`` stands for one that cannot be read."""

    def __init__(self, pictures: Sequence[NDArray[Any] | None]) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def read(self, rows: Sequence[int]) -> Iterator[NDArray[Any]]:
        for row in rows:
            picture = self.pictures[row]
            if picture is None:
                raise RecordingError("damaged")
            yield picture

    def encoded(self, row: int) -> None:
        return None


def images(pictures: Sequence[NDArray[Any] | None]) -> Images:
    return Images(np.arange(len(pictures), dtype=np.int64) * 10**8, InMemory(pictures))


def every(recording: Recording, step: int) -> Recording:
    """A recording of every few of its pictures, held in memory."""
    [view] = recording.views
    rows = range(0, len(view.rgb), step)
    thin = {
        name: Images(stream.t_ns[::step], InMemory(list(stream.source.read(rows))))
        for name, stream in (("rgb", view.rgb), ("depth", view.depth))
    }
    return replace(recording, views=(replace(view, **thin),))


@pytest.fixture(scope="module")
def few(kitchen: Path) -> Recording:
    """12 real frames whose depth was never registered."""
    return every(open_recording(kitchen), 25)


@pytest.fixture(scope="module")
def tabletop(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """12 rendered frames whose depth is registered."""
    folder = write_tabletop(tmp_path_factory.mktemp("made") / "room", 12)
    return open_recording(folder)


# --- finding out ----------------------------------------------------------------------------------


def test_the_kinects_colour_focal_length_is_found_from_few_frames(few: Recording) -> None:
    aligned, corrections, notes = align(few)
    [before], [view] = few.views, aligned.views
    found = estimate_alignment(before)
    assert found is not None and not found.registered
    assert 515 < view.camera.intrinsics[0, 0] == view.camera.intrinsics[1, 1] < 535
    assert view.depth_camera is before.camera and view.depth_camera.intrinsics[0, 0] == 585
    assert found.agreement[1] > 1.5 * found.agreement[0]
    assert abs(view.T_camera_depth[0, 3]) < 0.06  # a Kinect's cameras are 25 mm apart
    assert list(corrections) == ["camera"] and "not registered" in notes[0]


def test_what_was_corrected_is_found_to_be_registered(few: Recording) -> None:
    [view] = align(few)[0].views
    again = estimate_alignment(view)
    assert again is not None and again.registered


def test_the_same_pictures_give_the_same_numbers(few: Recording) -> None:
    assert align(few)[1] == align(few)[1]


def test_registered_depth_is_left_as_it_is(tabletop: Recording) -> None:
    aligned, corrections, notes = align(tabletop)
    assert corrections == {}
    assert aligned.views[0].camera is tabletop.views[0].camera
    assert DepthWarp.of(aligned.views[0]) is None
    assert notes == ("camera 'camera': depth is registered to colour",)


@pytest.mark.parametrize("offset", [0.0, 0.03])
def test_a_wrong_focal_length_is_mended_and_a_known_offset_kept(
    tabletop: Recording, offset: float
) -> None:
    [view] = tabletop.views
    T = np.eye(4)
    T[0, 3] = offset
    moved = replace(
        view,
        depth_camera=replace(view.camera, intrinsics=view.camera.intrinsics.copy()),
        T_camera_depth=T,
    )
    # What a camera 3 cm beside the colour camera would have seen; then a wrong focal length.
    seen = [DepthWarp(replace(moved, T_camera_depth=geometry.invert(T))) for _ in range(1)]
    depth = [seen[0](d) for d in view.depth.source.read(range(len(view.depth)))]
    wrong = view.camera.intrinsics * [[1.12], [1.12], [1]]
    wrong[:2, 2] = view.camera.intrinsics[:2, 2]
    moved = replace(
        moved, depth=images(depth), rgb=images(list(view.rgb.source.read(range(len(view.rgb)))))
    )
    wrong_view = replace(moved, camera=replace(view.camera, intrinsics=wrong))
    [mended] = align(replace(tabletop, views=(wrong_view,)))[0].views
    assert mended.camera.intrinsics[0, 0] == pytest.approx(view.camera.intrinsics[0, 0], rel=0.02)
    assert mended.T_camera_depth[0, 3] == pytest.approx(offset, abs=0.015)


def test_damaged_pictures_among_the_checked_ones_do_not_stop_the_check(few: Recording) -> None:
    [view] = few.views
    rgb, depth = list(view.rgb.source.pictures), list(view.depth.source.pictures)
    rgb[3] = depth[7] = None
    damaged = replace(view, rgb=images(rgb), depth=images(depth))
    found = estimate_alignment(damaged)
    assert found is not None and not found.registered
    assert 515 < found.intrinsics[0][0] < 535


def test_too_little_to_judge_by_says_nothing(tabletop: Recording) -> None:
    [view] = tabletop.views
    n, (height, width) = len(view.rgb), (view.camera.height, view.camera.width)
    flat = images([np.full((height, width), 2, np.float32)] * n)
    unreadable = images([None] * n)
    for poor in (
        replace(view, depth=None),
        replace(view, camera=replace(view.camera, intrinsics=None)),
        replace(view, depth=flat),
        replace(view, depth=unreadable),
        every(tabletop, 4).views[0],  # three frames tell nothing of how sure the answer is
    ):
        assert estimate_alignment(poor) is None
    recording = replace(tabletop, views=(replace(view, depth=None),))
    assert align(recording)[1:] == ({}, ())


def test_corrections_kept_as_json_give_the_same_frames(few: Recording) -> None:
    aligned, corrections, _ = align(few)
    kept = apply_alignment(few, json.loads(json.dumps(corrections)))
    index = frame_index(aligned)
    assert frame_index(kept).equals(index)
    for a, b in zip(read_frames(aligned, index), read_frames(kept, index), strict=True):
        assert np.array_equal(a.rgb, b.rgb) and np.array_equal(a.depth, b.depth)
        assert np.array_equal(a.T_world_camera, b.T_world_camera)
        assert np.array_equal(a.camera.intrinsics, b.camera.intrinsics)


# --- warping --------------------------------------------------------------------------------------


def view_of(depth_camera: Camera, camera: Camera, T: NDArray[np.float64] | None = None) -> View:
    depth = images([np.zeros((depth_camera.height, depth_camera.width), np.float32)])
    rgb = images([np.zeros((camera.height, camera.width, 3), np.uint8)])
    return View(camera, rgb, depth, depth_camera, np.eye(4) if T is None else T)


def test_a_warped_plane_is_the_plane_seen_from_the_other_camera() -> None:
    wide = np.diag([2, 2, 1]) @ K
    T = geometry.pose_matrix([0.05, -0.02, 0.1, 0.02, -0.03, 0.05, 1])
    warp = DepthWarp.of(view_of(Camera("d", 64, 48, wide), Camera("c", 32, 24, K), T))
    normal, distance = np.array([0.1, -0.2, 1.0]), 2.0  # n . x = d, in the depth camera

    def plane(camera: NDArray[np.float64], size: tuple[int, int], n: Any, d: float) -> Any:
        return (d / (geometry.rays(camera, *size) @ n)).astype(np.float32)

    seen = warp(plane(wide, (64, 48), normal, distance))
    moved = T[:3, :3] @ normal
    expected = plane(K, (32, 24), moved, distance + moved @ T[:3, 3])
    known = seen > 0
    assert known.mean() > 0.8
    assert np.abs(seen - expected)[known].max() < 0.02


def test_of_two_surfaces_the_nearer_hides_the_farther() -> None:
    depth = np.full((24, 32), 3, np.float32)
    depth[:, :16] = 1
    T = np.eye(4)
    T[0, 3] = 0.3  # the near half moves 12 px to the right, the far one 4
    seen = DepthWarp.of(view_of(Camera("d", 32, 24, K), Camera("c", 32, 24, K), T))(depth)
    assert (seen[:, 12:28] == 1).all() and (seen[:, 28:] == 3).all() and (seen[:, :12] == 0).all()


@pytest.mark.parametrize("factor", [1.5, 2.0, 3.3])
def test_magnified_depth_has_no_gaps(factor: float) -> None:
    large = Camera("c", 96, 72, np.diag([factor, factor, 1]) @ K)
    seen = DepthWarp.of(view_of(Camera("d", 32, 24, K), large))(np.full((24, 32), 2, np.float32))
    inner = seen[2 : int(24 * factor) - 3, 2 : int(32 * factor) - 3]
    assert (inner == 2).all()


def test_depth_that_no_calibration_relates_to_colour_is_left_out_and_told() -> None:
    far_off = K * [[1e6], [1e6], [1]]
    for depth_camera, camera in (
        (Camera("d", 16, 12), Camera("c", 32, 24, K)),
        (Camera("d", 16, 12, K), Camera("c", 32, 24)),
        (Camera("d", 16, 12, K), Camera("c", 32, 24, far_off)),
    ):
        view = view_of(depth_camera, camera)
        with pytest.raises(RecordingError, match="depth of camera 'c'"):
            DepthWarp.of(view)
        recording = drop_unusable_depth(Recording("r", Path("r"), "test", (view,)))
        assert recording.views[0].depth is None and DepthWarp.of(recording.views[0]) is None
        assert "depth of camera 'c'" in recording.notes[0]
