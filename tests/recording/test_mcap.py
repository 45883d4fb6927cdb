"""MCAP files of every encoding open lazily, and damaged ones as far as they go."""

from __future__ import annotations

import contextlib
import os
import struct
import tracemalloc

import numpy as np
import pytest
import simplejpeg
from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.FrameTransform_pb2 import FrameTransform
from foxglove_schemas_protobuf.JointState_pb2 import JointState
from foxglove_schemas_protobuf.JointStates_pb2 import JointStates
from foxglove_schemas_protobuf.Quaternion_pb2 import Quaternion
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from mcap.writer import CompressionType, IndexType, Writer
from mcap_protobuf.schema import register_schema
from rosbags.typesys import Stores, get_typestore

from scenekeeper.errors import RecordingError
from scenekeeper.recording import mcap
from scenekeeper.recording.blocks import MAX_BLOCK
from scenekeeper.recording.columns import TimedRows
from tests.recording.tiny_mcap import (
    AV1,
    H264,
    H265,
    STEP,
    T0,
    K,
    compressed,
    jpeg,
    scene,
    stamp,
    transform,
    video_items,
    write,
    write_json,
    write_ros,
)


def opened(path):
    [recording] = mcap.open(path)
    return recording


def pictures(images):
    return list(images.source.read(range(len(images))))


@pytest.mark.parametrize(
    "options",
    [
        {"compression": CompressionType.ZSTD},
        {"compression": CompressionType.LZ4},
        {"compression": CompressionType.NONE},
        {"use_chunking": False},
        {"chunk_size": 500},
        {"index_types": IndexType.NONE},
        {"repeat_channels": False},
    ],
    ids=str,
)
def test_a_foxglove_camera_opens_however_the_file_is_packed(tmp_path, options):
    recording = opened(write(tmp_path / "run.mcap", scene(), **options))
    [view] = recording.views
    assert (recording.name, recording.format) == ("run", "MCAP (foxglove protobuf)")
    assert recording.notes == () and len(recording.content) == 16
    assert view.camera.name == "cam" and view.camera.intrinsics.ravel().tolist() == K
    assert view.posed == "rgb" and view.depth_camera is None
    assert view.rgb.t_ns.tolist() == [T0 + k * STEP for k in range(10)]
    assert view.poses.values[:, 0].tolist() == [0.1 * k for k in range(10)]
    assert view.rgb.source.encoded(3).data == jpeg(3)
    assert [int(p[0, 0, 0]) for p in view.rgb.source.read([2, 7])] == [20, 70]
    assert [round(float(d[0, 0]), 3) for d in view.depth.source.read([0, 9])] == [1.0, 1.009]


def test_other_paths_are_left_to_other_readers(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    assert mcap.open(tmp_path) is None
    assert mcap.open(tmp_path / "notes.txt") is None


@pytest.mark.parametrize("content", [b"", b"\x89MCAP0\r\n", b"\x89MCAP0\r\n" + b"\xff" * 99])
def test_garbage_raises(tmp_path, content):
    (tmp_path / "x.mcap").write_bytes(content)
    with pytest.raises(RecordingError, match=r"x\.mcap"):
        mcap.open(tmp_path / "x.mcap")


@pytest.mark.parametrize("options", [{"chunk_size": 4000}, {"use_chunking": False}], ids=str)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.9])
def test_truncated_file_keeps_everything_before_the_cut(tmp_path, share, options):
    path = write(tmp_path / "a.mcap", scene(), compression=CompressionType.NONE, **options)
    whole = path.read_bytes()
    cut = whole[: int(len(whole) * share)]
    expected = [k for k in range(10) if jpeg(k) in cut]
    path.write_bytes(cut)
    recording = opened(path)
    [view] = recording.views
    assert len(view.rgb) == len(expected) > 0
    assert len(pictures(view.rgb)) == len(expected)
    assert any(note.startswith("truncated") for note in recording.notes)


def test_a_cut_chunk_gives_what_it_still_holds(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (12, 200, 200, 3), np.uint8)
    files = [simplejpeg.encode_jpeg(pixels, 95, colorspace="RGB") for pixels in noise]
    items = [("/cam/image", T0 + k, compressed(T0 + k, data)) for k, data in enumerate(files)]
    path = write(tmp_path / "a.mcap", items, chunk_size=1 << 24)
    path.write_bytes(path.read_bytes()[: len(files[0]) * 6])
    [view] = opened(path).views
    assert 2 <= len(view.rgb) <= 6 and view.rgb.source.encoded(1).data == files[1]


def test_a_lost_summary_falls_back_to_reading_on(tmp_path):
    path = write(tmp_path / "a.mcap", scene())
    data = bytearray(path.read_bytes())
    data[-60] ^= 0xFF
    path.write_bytes(data)
    assert len(opened(path).views[0].rgb) == 10


def test_a_chunk_that_fails_its_checksum_is_told(tmp_path):
    path = write(tmp_path / "a.mcap", scene(), compression=CompressionType.NONE)
    data = bytearray(path.read_bytes())
    data[data.index(jpeg(5)) + 200] ^= 0x01
    path.write_bytes(data)
    assert any("checksum" in note for note in opened(path).notes)


def test_unstamped_messages_take_the_time_of_recording_and_repeats_are_dropped(tmp_path):
    items = [("/cam/image", T0 + t, compressed(0, jpeg(k))) for k, t in enumerate((5, 1, 5, 9))]
    recording = opened(write(tmp_path / "a.mcap", items))
    assert recording.views[0].rgb.t_ns.tolist() == [T0 + 1, T0 + 5, T0 + 9]
    assert any("repeat a time" in note for note in recording.notes)


def test_rows_that_name_other_columns_share_one_signal_in_order_of_time(tmp_path):
    items = [
        joints(4, joint("lift", 0.5), joint("wrist", 1)),
        joints(2, joint("wrist", 2.5)),
        joints(3, joint("lift", 4), joint("wrist", 5)),
    ]
    signal = opened(write(tmp_path / "a.mcap", items)).signals["/joints"]
    assert signal.names == ("lift", "wrist") and (signal.t_ns - T0).tolist() == [2, 3, 4]
    assert signal.values.tolist()[1:] == [[4, 5], [0.5, 1]]
    assert np.isnan(signal.values[0, 0]) and signal.values[0, 1] == 2.5


def joint(name, position):
    return JointState(name=name, position=position)


def joints(t, *states, topic="/joints"):
    return topic, T0 + t, JointStates(timestamp=stamp(T0 + t), joints=states)


def test_rows_that_are_no_numbers_leave_nothing_behind(tmp_path):
    rows = TimedRows()
    for t_ns, row in ((1, (1.0, 2.0)), (2, (3.0, "x")), (1 << 63, (5.0, 6.0)), (0, (7.0, 8.0))):
        with contextlib.suppress(TypeError, OverflowError):
            rows.add(t_ns, row)
    t_ns, values = rows.in_time()
    assert t_ns.tolist() == [0, 1] and values.tolist() == [[7, 8], [1, 2]]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("/joint_states", "joint_state"), ("/arm/joint_command", "action"), ("/cmd_joints", "action")],
)
def test_what_the_robot_is_told_is_an_action(tmp_path, name, kind):
    path = write(tmp_path / "a.mcap", [joints(0, joint("lift", 0.5), topic=name)])
    assert opened(path).signals[name].kind == kind


def test_commands_of_ros_are_actions_with_their_own_columns(tmp_path):
    store = get_typestore(Stores.ROS2_HUMBLE)
    types = store.types
    xyz = [types["geometry_msgs/msg/Vector3"](1.0, 2.0, k) for k in (3.0, 4.0)]
    time = types["builtin_interfaces/msg/Time"](T0 // 10**9, 5)
    layout = types["std_msgs/msg/MultiArrayLayout"]([], 0)
    none = np.zeros(0)
    points = [
        types["trajectory_msgs/msg/JointTrajectoryPoint"](
            np.array([k, 2.0 * k]), none, none, none, types["builtin_interfaces/msg/Duration"](k, 7)
        )
        for k in (1, 2)
    ]
    header = types["std_msgs/msg/Header"](time, "")
    messages = {
        "/cmd_vel": types["geometry_msgs/msg/Twist"](*xyz),
        "/hand/command": types["std_msgs/msg/Float64MultiArray"](layout, np.array([0.1, 0.2])),
        "/arm": types["trajectory_msgs/msg/JointTrajectory"](header, ["a", "b"], points),
    }
    with (tmp_path / "a.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start()
        for topic, message in messages.items():
            schema = writer.register_schema(message.__msgtype__, "ros2msg", b"")
            channel = writer.register_channel(topic, "cdr", schema)
            data = bytes(store.serialize_cdr(message, message.__msgtype__))
            writer.add_message(channel, T0 + 9, data, T0 + 9)
        writer.finish()
    signals = opened(tmp_path / "a.mcap").signals
    assert {s.kind for s in signals.values()} == {"action"}
    assert signals["/cmd_vel"].values.tolist() == [[1, 2, 3, 1, 2, 4]]
    assert signals["/hand/command"].values.tolist() == [[0.1, 0.2]]
    assert signals["/hand/command"].t_ns.tolist() == [T0 + 9]
    assert signals["/arm"].values.tolist() == [[1, 2], [2, 4]]
    assert signals["/arm"].t_ns.tolist() == [T0 + 5 + k * 10**9 + 7 for k in (1, 2)]


def test_a_chunk_that_claims_gigabytes_is_refused_before_it_is_read(tmp_path):
    path = write(tmp_path / "a.mcap", scene(), compression=CompressionType.NONE, chunk_size=4000)
    data = bytearray(path.read_bytes())
    start = data.index(b"\x06", 8 + 9)  # the first chunk; make it reach over the hole to come
    while struct.unpack_from("<Q", data, start + 1)[0] > len(data):
        start = data.index(b"\x06", start + 1)
    struct.pack_into("<Q", data, start + 1, MAX_BLOCK + 100)
    struct.pack_into("<Q", data, start + 9 + 32, MAX_BLOCK + 60)
    path.write_bytes(data[: start + 3000])
    os.truncate(path, start + MAX_BLOCK + 4000)  # takes no space on disk
    tracemalloc.start()
    with pytest.raises(RecordingError, match="claims"):
        mcap.open(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 << 20


def test_undecodable_messages_are_counted_not_fatal(tmp_path):
    path = tmp_path / "a.mcap"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start()
        channel = writer.register_channel(
            "/cam/image", "protobuf", register_schema(writer, CompressedImage)
        )
        good = compressed(T0, jpeg(0)).SerializeToString()
        for k, data in enumerate((good, b"\xff\xff\xff", b"")):
            writer.add_message(channel, T0 + k, data, T0 + k)
        writer.finish()
    recording = opened(path)
    assert len(recording.views[0].rgb) == 1
    assert any(note.startswith("2 messages of /cam/image") for note in recording.notes)


def test_a_damaged_picture_raises_only_when_read(tmp_path):
    items = [("/cam/image", T0, compressed(T0, jpeg(0)))]
    items.append(("/cam/image", T0 + 1, compressed(T0 + 1, jpeg(1)[:100])))
    items.append(("/cam/image", T0 + 2, compressed(T0 + 2, jpeg(2, (8, 8)))))
    [view] = opened(write(tmp_path / "a.mcap", items)).views
    assert next(view.rgb.source.read([0])).shape == (24, 32, 3)
    for row in (1, 2):
        with pytest.raises(RecordingError, match=f"/cam/image picture {row}"):
            next(view.rgb.source.read([row]))


def test_json_messages_open_like_protobuf(tmp_path):
    path = write_json(tmp_path / "a.mcap")
    recording = opened(path)
    assert recording.format == "MCAP (foxglove json)"
    assert recording.views[0].camera.intrinsics[0, 0] == 50
    assert recording.views[0].rgb.t_ns.tolist() == [T0 + 7]
    assert recording.views[0].rgb.source.encoded(0).data == jpeg(4)
    assert recording.signals["/joints"].names == ("lift",)


@pytest.mark.parametrize(("ros1", "embedded"), [(False, True), (False, False), (True, True)])
def test_ros_messages_open_by_their_embedded_or_standard_definitions(tmp_path, ros1, embedded):
    path = write_ros(tmp_path / "a.mcap", ros1, embedded)
    recording = opened(path)
    [view] = recording.views
    assert recording.format == ("MCAP (ROS 1)" if ros1 else "MCAP (ROS 2)")
    assert recording.notes == ()
    assert view.camera.distortion[0] == 0.1 and view.rgb.t_ns.tolist() == [T0 + 5]
    assert view.poses.values[0, 6] == 1 and view.posed == "rgb"
    assert next(view.depth.source.read([0]))[0, 0] == np.float32(1.5)
    assert {s.kind for s in recording.signals.values()} == {"joint_state", "imu", "pose"}
    assert recording.signals["/joint_states"].names == ("a", "b", "a.velocity", "b.velocity")
    assert recording.signals["/pose"].values[0, :3].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("codec", "format", "options"),
    [("libx264", "h264", H264), ("libx265", "h265", H265), ("libsvtav1", "av1", AV1)],
)
def test_video_packets_decode_at_any_row(tmp_path, codec, format, options, capfd):
    items = video_items(24, codec, format, options)
    [view] = opened(write(tmp_path / "a.mcap", items, chunk_size=2000)).views
    assert len(view.rgb) == 24 and view.rgb.source.encoded(0) is None
    for rows in (range(24), [5], [7, 8, 20], [23]):
        found = [float(p.mean()) for p in view.rgb.source.read(rows)]
        assert np.abs(np.array(found) - 10 * np.array(rows)).max() < 4


def test_video_before_the_first_keyframe_is_left_out_and_told(tmp_path):
    recording = opened(write(tmp_path / "a.mcap", video_items(24)[3:]))
    assert len(recording.views[0].rgb) == 16
    assert any("before the first keyframe" in note for note in recording.notes)


def test_poses_belong_to_the_depth_camera_when_only_its_frame_is_in_the_tree(tmp_path):
    items = [
        (topic, t, transform(t, child="depth") if isinstance(m, FrameTransform) else m)
        for topic, t, m in scene()
    ]
    for topic, _, message in items:
        if topic.startswith("/cam/depth"):
            message.frame_id = "depth"
    [view] = opened(write(tmp_path / "a.mcap", items)).views
    assert view.posed == "depth" and len(view.poses) == 10


def test_extrinsics_come_from_the_tree(tmp_path):
    items = scene()
    for topic, _, message in items:
        if topic.startswith("/cam/depth"):
            message.frame_id = "depth"
    info = CameraCalibration(frame_id="depth", width=32, height=24, K=[40.0, *K[1:]])
    items.append(("/cam/depth/camera_info", T0, info))
    mount = transform(T0, "cam", "depth", 0.05)
    mount.rotation.CopyFrom(Quaternion(w=1))
    items.append(("/tf_static", T0, mount))
    [view] = opened(write(tmp_path / "a.mcap", items)).views
    assert view.depth_camera.intrinsics[0, 0] == 40
    assert np.allclose(view.T_camera_depth[:3, 3], [0.05, 0, 0]) and view.posed == "rgb"


def test_two_cameras_keep_their_own_depth(tmp_path):
    items = []
    for side, extra in (("left", 0), ("right", 100)):
        for topic, t, message in scene(3)[1:]:
            if isinstance(message, RawImage):
                message.data = np.full((24, 32), 1000 + extra, "<u2").tobytes()
            if not isinstance(message, FrameTransform):
                items.append((topic.replace("/cam", f"/{side}"), t, message))
    found = opened(write(tmp_path / "a.mcap", items))
    depths = {v.camera.name: float(next(v.depth.source.read([0]))[0, 0]) for v in found.views}
    assert depths == pytest.approx({"left": 1.0, "right": 1.1})


def test_an_uncalibrated_camera_has_no_intrinsics(tmp_path):
    items = [("/cam/image", T0, compressed(T0, jpeg(0)))]
    items.append(("/cam/camera_info", T0, CameraCalibration(width=32, height=24, K=[0.0] * 9)))
    assert opened(write(tmp_path / "a.mcap", items)).views[0].camera.intrinsics is None
