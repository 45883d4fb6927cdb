"""A recording written as MCAP reads back the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import simplejpeg
from mcap.reader import make_reader
from mcap_protobuf.decoder import DecoderFactory

from scenekeeper.errors import ExportError, RecordingError
from scenekeeper.exchange.recording_mcap import write_recording
from scenekeeper.geometry import pose_matrix
from scenekeeper.recording import mcap, rgbd
from scenekeeper.recording.base import POSE_NAMES, Encoded, Images, Recording, Signal, View
from scenekeeper.recording.frames import frame_index
from scenekeeper.schema import Camera

K = np.array([[51.3, 0, 7.7], [0, 50.1, 5.9], [0, 0, 1]])
SIZE = (12, 16)


class Stored:
    """Pictures in memory, with or without files of their own."""

    def __init__(self, arrays, files=None):
        self.arrays, self.files = arrays, files

    def __len__(self):
        return len(self.arrays)

    def read(self, rows):
        return (self.arrays[row] for row in rows)

    def encoded(self, row):
        return self.files[row] if self.files else None


def color(n=5):
    arrays = [np.full((*SIZE, 3), 20 * k, np.uint8) for k in range(n)]
    files = [Encoded(simplejpeg.encode_jpeg(a, 80, colorspace="RGB"), "jpeg") for a in arrays]
    return Images(np.arange(n, dtype=np.int64) * 33_333_333, Stored(arrays, files))


def depth(values, n=5):
    arrays = [np.full(SIZE, values[k % len(values)], np.float32) for k in range(n)]
    return Images(np.arange(n, dtype=np.int64) * 33_333_333 + 5, Stored(arrays))


def signal(name, kind, names, n=5, seed=0):
    values = np.random.default_rng(seed).normal(size=(n, len(names)))
    return Signal(name, kind, np.arange(n, dtype=np.int64) * 10_000_019, values, names)


def recording(*views, signals=(), **options):
    named = {s.name: s for s in signals}
    return Recording("run", Path("run"), "test", views, named, **options)


def round_trip(before, folder):
    [after] = mcap.open(write_recording(before, folder / "run.mcap"))
    return after


def extrinsics():
    return pose_matrix([0.05, 0.01, -0.02, 0.02, 0.01, 0.03, 0.99])


MILLIMETRES = np.float32([0, 1.234, 3]).tolist()


@pytest.mark.parametrize("posed", ["rgb", "depth"])
@pytest.mark.parametrize("own_camera", [False, True])
@pytest.mark.parametrize("moved", [False, True])
def test_a_view_reads_back_the_same(tmp_path, posed, own_camera, moved):
    camera = Camera("observation.images.front", 16, 12, K, (0.1, -0.2, 0.001, 0.002, 0.3))
    before = View(
        camera,
        color(),
        depth(MILLIMETRES),
        Camera("ir", 16, 12, K * [[1.1], [1.2], [1]]) if own_camera else None,
        extrinsics() if moved else np.eye(4),
        signal("poses", "pose", POSE_NAMES),
        posed,
    )
    found = round_trip(recording(before, task="pick it up"), tmp_path)
    [after] = found.views
    assert (found.name, found.task, found.notes) == ("run", "pick it up", ())
    assert found.format == "MCAP (foxglove protobuf)" and not found.signals
    assert after.posed == posed and after.camera.name == camera.name
    assert np.array_equal(after.camera.intrinsics, K)
    assert after.camera.distortion == camera.distortion
    assert (after.depth_camera is None) == (not own_camera)
    if own_camera:
        assert np.array_equal(after.depth_camera.intrinsics, before.depth_camera.intrinsics)
    assert np.allclose(after.T_camera_depth, before.T_camera_depth, atol=1e-15)
    assert np.array_equal(after.poses.t_ns, before.poses.t_ns)
    assert after.poses.values.tobytes() == before.poses.values.tobytes()
    assert np.array_equal(after.rgb.t_ns, before.rgb.t_ns)
    assert np.array_equal(after.depth.t_ns, before.depth.t_ns)
    assert [after.rgb.source.encoded(k) for k in range(5)] == before.rgb.source.files
    for a, b in zip(after.depth.source.read(range(5)), before.depth.source.arrays, strict=True):
        assert np.array_equal(a, b)


def test_without_poses_extrinsics_are_no_pose(tmp_path):
    view = View(Camera("c", 16, 12, K), color(), depth(MILLIMETRES), T_camera_depth=extrinsics())
    for posed in ("rgb", "depth"):
        [after] = round_trip(recording(replace(view, posed=posed)), tmp_path).views
        assert after.poses is None
        assert np.allclose(after.T_camera_depth, view.T_camera_depth, atol=1e-15)


def test_depth_finer_than_millimetres_is_kept_bit_for_bit(tmp_path):
    # The third picture shows it, when others were written in millimetres already.
    fine = depth([1.0, 2.0, 1.23456789, 70.5])
    [after] = round_trip(recording(View(Camera("c", 16, 12), color(), fine)), tmp_path).views
    for a, b in zip(after.depth.source.read(range(5)), fine.source.arrays, strict=True):
        assert a.tobytes() == b.tobytes()


def test_a_stored_depth_file_of_another_scale_is_not_copied(tmp_path):
    view = View(Camera("c", 16, 12), color(), depth(MILLIMETRES))
    [first] = round_trip(recording(view), tmp_path).views
    files = [first.depth.source.encoded(k) for k in range(5)]
    arrays = [a / 5 for a in view.depth.source.arrays]  # as in TUM, where 5000 is a metre
    scaled = replace(view, depth=Images(view.depth.t_ns, Stored(arrays, files)))
    [after] = round_trip(recording(scaled), tmp_path).views
    for a, b in zip(after.depth.source.read(range(5)), arrays, strict=True):
        assert np.allclose(a, b, atol=1e-5)


def test_colour_without_files_becomes_jpeg(tmp_path):
    source = color()
    view = View(Camera("c", 16, 12), Images(source.t_ns, Stored(source.source.arrays)))
    [after] = round_trip(recording(view), tmp_path).views
    assert after.rgb.source.encoded(2).format == "jpeg" and after.camera.intrinsics is None
    assert abs(float(next(after.rgb.source.read([3])).mean()) - 60) < 2


def test_signals_of_every_kind_keep_every_bit(tmp_path):
    odd = signal("/imu", "imu", ("wx", "wy"))
    odd.values[1] = np.nan, -np.inf
    signals = (
        signal("/joints", "joint_state", ("a", "b", "a.velocity", "b.velocity")),
        signal("action", "action", ("x", "x", "gripper")),
        signal("/goal", "pose", POSE_NAMES),
        signal("/odd_pose", "pose", ("x", "y")),
        signal("/odom", "odometry", ("tx", "vx")),
        signal("notes", "other", ("value",)),
        odd,
    )
    after = round_trip(recording(signals=signals), tmp_path)
    assert after.format == "MCAP (foxglove json, foxglove protobuf)"
    assert set(after.signals) == {s.name for s in signals}
    for before in signals:
        found = after.signals[before.name]
        assert (found.kind, found.names) == (before.kind, before.names)
        assert np.array_equal(found.t_ns, before.t_ns)
        assert np.array_equal(found.values, before.values, equal_nan=True)


def test_other_tools_read_the_file_in_order_of_time(tmp_path):
    view = View(
        Camera("c", 16, 12, K), color(), depth([1.0]), poses=signal("p", "pose", POSE_NAMES)
    )
    signals = [signal("imu", "imu", ("wx",))]
    path = write_recording(recording(view, signals=signals), tmp_path / "run.mcap")
    with path.open("rb") as file:
        reader = make_reader(file, validate_crcs=True)
        times = [m.log_time for _, _, m in reader.iter_messages(log_time_order=False)]
        assert times == sorted(times)
        topics = [c.topic for c in reader.get_summary().channels.values() if c.topic != "imu"]
        file.seek(0)
        decoding = make_reader(file, decoder_factories=[DecoderFactory()])
        names = {type(d).__name__ for *_, d in decoding.iter_decoded_messages(topics=topics)}
        [sample] = [m for _, c, m in reader.iter_messages() if c.topic == "imu"][:1]
    assert names == {"CompressedImage", "CameraCalibration", "FrameTransform"}
    assert json.loads(sample.data)["names"] == ["wx"]


def test_times_before_1970_are_refused_and_leave_nothing(tmp_path):
    early = replace(signal("x", "other", ("v",)), t_ns=np.arange(-5, 0, dtype=np.int64))
    (tmp_path / "run.mcap").write_bytes(b"old")
    with pytest.raises(ExportError, match="1970"):
        write_recording(recording(signals=[early]), tmp_path / "run.mcap")
    assert [p.name for p in tmp_path.iterdir()] == ["run.mcap"]
    assert (tmp_path / "run.mcap").read_bytes() == b"old"


def test_a_folder_that_is_not_there_is_an_export_error(tmp_path):
    with pytest.raises(ExportError, match="cannot be written"):
        write_recording(recording(), tmp_path / "nowhere" / "run.mcap")


def test_a_picture_that_cannot_be_read_leaves_no_file(tmp_path):
    class Broken(Stored):
        def read(self, rows):
            raise RecordingError("lost")

    view = View(Camera("c", 16, 12), Images(np.arange(1, dtype=np.int64), Broken([None])))
    with pytest.raises(RecordingError, match="lost"):
        write_recording(recording(view), tmp_path / "run.mcap")
    assert not list(tmp_path.iterdir())


def test_a_real_kinect_recording_gives_the_same_frames(kitchen, tmp_path):
    [whole] = rgbd.open(kitchen)
    view = whole.views[0]
    [after] = mcap.open(write_recording(whole, tmp_path / "kitchen.mcap"))
    assert after.views[0].posed == view.posed == "depth"
    assert frame_index(after).equals(frame_index(replace(whole, name="kitchen")))
    for row in (0, len(view.rgb) - 1):
        for name in ("rgb", "depth"):
            a, b = getattr(after.views[0], name).source, getattr(view, name).source
            assert a.encoded(row) == b.encoded(row)
            assert np.array_equal(next(iter(a.read([row]))), next(iter(b.read([row]))))
