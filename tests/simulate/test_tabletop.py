"""The demo's room and its recording: plausible, exact, and the same every time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scenekeeper.errors import RecordingError
from scenekeeper.geometry import box_corners, invert, project, rays, transform, unproject
from scenekeeper.simulate import write_tabletop
from scenekeeper.simulate.raycast import cast
from scenekeeper.simulate.recording import (
    DEPTH_SIGMA,
    Render,
    lamps,
    orbit,
    pinhole,
    render,
)
from scenekeeper.simulate.tabletop import Thing, tabletop

SIZE = (160, 120)
FRAMES = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_tabletop(tmp_path_factory.mktemp("demo") / "room", FRAMES, seed=7, size=SIZE)


@pytest.fixture(scope="module")
def views() -> list[Render]:
    things = tabletop()
    lights = lamps(things)
    return [render(things, lights, pinhole(*SIZE), T) for T in orbit(FRAMES)]


def rotation(yaw: float):
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def in_box(points, thing: Thing):
    """World points in the axes of a thing's box, and half its extent."""
    return (points - thing.center) @ rotation(thing.yaw), np.array(thing.extent) / 2


def world_points(view: Render, T):
    camera = pinhole(*SIZE)
    return transform(T, unproject(view.depth, rays(camera.intrinsics, *SIZE)).astype(np.float64))


def test_things_have_distinct_ascending_ids_and_stand_on_what_supports_them():
    things = tabletop()
    assert len(things) >= 14
    assert [t.id for t in things] == list(range(1, len(things) + 1))
    for thing in things:
        if thing.supported_by is None or thing.name == "picture":
            continue
        support = things[thing.supported_by - 1]
        bottom = thing.center[2] - thing.extent[2] / 2
        levels = [p.shape.center[2] + p.shape.extent[2] / 2 for p in support.parts]
        levels += [p.shape.center[2] - p.shape.extent[2] / 2 + 0.0077 for p in support.parts]
        assert min(abs(bottom - level) for level in levels) < 1e-6, thing.name


def test_things_on_the_table_do_not_run_into_each_other():
    things = tabletop()
    table = next(t for t in things if t.name == "table")
    on_table = [t for t in things if t.supported_by == table.id]
    assert len(on_table) >= 8
    grid = np.stack(np.meshgrid(*[np.linspace(-0.5, 0.5, 21)] * 2), -1).reshape(-1, 2)
    for a in on_table:
        footprint = np.c_[grid * a.extent[:2], np.zeros(len(grid))] @ rotation(a.yaw).T + a.center
        local, half = in_box(footprint, table)
        assert (np.abs(local[:, :2]) <= half[:2]).all(), f"{a.name} hangs over the edge"
        for b in on_table:
            local, half = in_box(footprint, b)
            inside = (np.abs(local[:, :2]) < half[:2]).all(1)
            assert a is b or not inside.any(), f"{a.name} runs into {b.name}"


def test_every_visible_point_lies_in_the_box_of_its_thing(views):
    things = tabletop()
    seen = set()
    for view, T in zip(views, orbit(FRAMES), strict=True):
        points = world_points(view, T)
        for thing in things:
            local, half = in_box(points[view.ids == thing.id], thing)
            assert (np.abs(local) <= half + 2e-5).all(), thing.name
            seen |= {thing.id} if len(local) else set()
    assert seen == {t.id for t in things}


def test_boxes_touch_their_things_on_every_side():
    for thing in tabletop():
        low, high = [], []
        for part in thing.parts:
            shape = part.shape
            rim = np.linspace(0, 2 * np.pi, 721)
            ring = np.stack((np.cos(rim), np.sin(rim), 0 * rim), -1) / 2
            poles = np.array([[0, 0, -0.5], [0, 0, 0.5]])
            solid = shape.kind in ("box", "rectangle")
            unit = box_corners(np.zeros(3), np.ones(3), np.eye(3)) if solid else [*ring, *poles]
            points = np.array(unit) * shape.extent @ rotation(shape.yaw).T + shape.center
            local, half = in_box(points, thing)
            low.append(local.min(0))
            high.append(local.max(0))
        np.testing.assert_allclose(np.max(high, 0), half, atol=1e-5, err_msg=thing.name)
        np.testing.assert_allclose(np.min(low, 0), -half, atol=1e-5, err_msg=thing.name)


def test_ids_match_the_projections_of_the_known_boxes(views):
    camera = pinhole(*SIZE)
    table = next(t for t in tabletop() if t.name == "table")
    for view, T in zip(views, orbit(FRAMES), strict=True):
        for thing in (t for t in tabletop() if t.supported_by == table.id):
            corners = box_corners(
                np.array(thing.center), np.array(thing.extent), rotation(thing.yaw)
            )
            pixels = project(camera.intrinsics, transform(invert(T), corners))
            v, u = np.nonzero(view.ids == thing.id)
            if len(u):
                assert u.min() >= pixels[:, 0].min() and u.max() <= pixels[:, 0].max(), thing.name
                assert v.min() >= pixels[:, 1].min() and v.max() <= pixels[:, 1].max(), thing.name


def test_two_frames_agree_in_the_world():
    things, camera = tabletop(), pinhole(*SIZE)
    T_a, T_b = orbit(90)[40], orbit(90)[43]
    a, b = (render(things, (), camera, T) for T in (T_a, T_b))
    into_b = transform(invert(T_b), world_points(a, T_a))
    pixel = np.rint(project(camera.intrinsics, into_b)).astype(int)
    inside = ((pixel >= 0) & (pixel < SIZE)).all(-1)
    u, v = pixel[inside].T
    # Half a pixel of rounding moves a point on a slanted surface in depth as well.
    tolerance = 0.01 + 0.5 * b.depth / camera.intrinsics[0, 0] / np.maximum(b.facing, 0.1)
    agree = np.abs(b.depth[v, u] - into_b[inside][:, 2]) < tolerance[v, u]
    assert inside.mean() > 0.8
    assert agree.mean() > 0.9  # the rest is hidden in one of the two
    assert (b.ids[v, u] == a.ids[inside])[agree].mean() > 0.97
    back = project(camera.intrinsics, transform(invert(T_a), world_points(b, T_b)[v, u]))
    offset = np.linalg.norm(back - np.argwhere(inside)[:, ::-1], axis=1)
    assert np.quantile(offset[agree], 0.99) < 2


def test_nothing_seen_in_one_frame_is_looked_through_in_another():
    things, camera = tabletop(), pinhole(*SIZE)
    T_a, T_b = orbit(90)[40], orbit(90)[43]
    into_b = transform(invert(T_b), world_points(render(things, (), camera, T_a), T_a))
    pixel = project(camera.intrinsics, into_b).reshape(-1, 2).astype(np.float32)
    inside = np.flatnonzero(((pixel > 0) & (pixel < np.subtract(SIZE, 1))).all(1))
    inside = inside[np.argsort(np.rint(pixel[inside, 1]), kind="stable")]
    shapes = [part.shape for thing in things for part in thing.parts]
    again = cast(shapes, camera, T_b, pixel[inside].T).depth
    behind = again - into_b.reshape(-1, 3)[inside, 2]
    assert behind.max() < 1e-4
    assert (np.abs(behind) < 1e-4).mean() > 0.9  # the rest is hidden from the second camera


def test_the_files_are_those_of_a_7_scenes_recording(folder):
    names = sorted(p.name for p in folder.iterdir())
    frames = [f"frame-{k:06d}" for k in range(FRAMES)]
    ends = ("color.jpg", "depth.png", "pose.txt")
    expected = [f"{f}.{end}" for f in frames for end in ends]
    assert names == sorted([*expected, "camera-intrinsics.txt", "truth"])
    truth = sorted(p.name for p in (folder / "truth").iterdir())
    assert truth == [*(f"{f}.instances.png" for f in frames), "objects.json"]
    for frame in frames:
        color = Image.open(folder / f"{frame}.color.jpg")
        assert (color.size, color.mode) == (SIZE, "RGB")
        for path in (folder / f"{frame}.depth.png", folder / "truth" / f"{frame}.instances.png"):
            image = np.asarray(Image.open(path))
            assert (image.dtype, image.shape) == (np.uint16, SIZE[::-1])


def test_written_numbers_are_the_rendered_ones_to_the_last_bit(folder, views):
    for k, T in enumerate(orbit(FRAMES)):
        np.testing.assert_array_equal(np.loadtxt(folder / f"frame-{k:06d}.pose.txt"), T)
        ids = np.asarray(Image.open(folder / "truth" / f"frame-{k:06d}.instances.png"))
        np.testing.assert_array_equal(ids, views[k].ids)
    K = np.loadtxt(folder / "camera-intrinsics.txt")
    np.testing.assert_array_equal(K, pinhole(*SIZE).intrinsics)
    objects = json.loads((folder / "truth" / "objects.json").read_text())
    for entry, thing in zip(objects, tabletop(), strict=True):
        assert (entry["id"], entry["name"], entry["supported_by"]) == (
            thing.id,
            thing.name,
            thing.supported_by,
        )
        assert entry["center"] == list(thing.center)
        assert entry["extent"] == list(thing.extent)
        assert entry["yaw"] == thing.yaw


def test_depth_noise_is_that_of_the_sensor_model(folder, views):
    scaled, unknown, grazing = [], [], []
    for k, view in enumerate(views):
        depth = np.asarray(Image.open(folder / f"frame-{k:06d}.depth.png")) / 1000
        known = depth > 0
        unknown.append(1 - known.mean())
        scaled.append(((depth - view.depth) / view.depth**2)[known])
        assert known[view.facing > 0.5].mean() > 0.9
        grazing += known[view.facing < 0.05].tolist()
    assert len(grazing) > 20
    assert np.mean(grazing) < 0.05
    errors = np.concatenate(scaled)
    assert abs(errors.mean()) < 5e-5
    assert errors.std() == pytest.approx(DEPTH_SIGMA, rel=0.05)
    assert 0.005 < np.mean(unknown) < 0.15


def test_the_camera_moves_smoothly_and_always_looks_at_the_table():
    poses = orbit(90)
    steps = np.diff([T[:3, 3] for T in poses], axis=0)
    assert np.linalg.norm(steps, axis=1).max() < 0.08
    assert np.linalg.norm(np.diff(steps, axis=0), axis=1).max() < 0.005
    for T in poses:
        np.testing.assert_allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-12)
        assert np.linalg.det(T) == pytest.approx(1)
        u, v = project(pinhole(*SIZE).intrinsics, transform(invert(T), np.array([0, 0, 0.74])))
        assert 0.25 < u / SIZE[0] < 0.75
        assert 0.25 < v / SIZE[1] < 0.75


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_noise(folder, tmp_path):
    again = write_tabletop(tmp_path / "again", FRAMES, seed=7, size=SIZE)
    files = sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    for file in files:
        assert (folder / file).read_bytes() == (again / file).read_bytes(), file
    other = write_tabletop(tmp_path / "other", 1, seed=8, size=SIZE)
    for name in ("frame-000000.color.jpg", "frame-000000.depth.png"):
        assert (folder / name).read_bytes() != (other / name).read_bytes()


def test_an_occupied_folder_is_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("keep")
    with pytest.raises(RecordingError, match="something here already"):
        write_tabletop(tmp_path / "mine", 1, size=(32, 24))
    assert [p.name for p in tmp_path.rglob("*")] == ["mine", "note.txt"]


def test_an_interrupted_rendering_leaves_nothing_behind(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("scenekeeper.simulate.recording.sense_depth", stop)
    with pytest.raises(KeyboardInterrupt):
        write_tabletop(tmp_path / "room", 2, size=(32, 24))
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="cannot write here"):
        write_tabletop(tmp_path / "file" / "room", 1, size=(32, 24))


def test_no_frames_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one frame"):
        write_tabletop(tmp_path / "room", 0)
