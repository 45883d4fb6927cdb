"""MCAP files of every encoding open lazily, and damaged ones as far as they go."""

from __future__ import annotations

import base64
import json
from fractions import Fraction

import av
import numpy as np
import pytest
import simplejpeg
from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.CompressedVideo_pb2 import CompressedVideo
from foxglove_schemas_protobuf.FrameTransform_pb2 import FrameTransform
from foxglove_schemas_protobuf.Quaternion_pb2 import Quaternion
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from foxglove_schemas_protobuf.Vector3_pb2 import Vector3
from google.protobuf.timestamp_pb2 import Timestamp
from mcap.writer import CompressionType, IndexType, Writer
from mcap_protobuf.schema import register_schema
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from scenekeeper.errors import RecordingError
from scenekeeper.recording import mcap

T0 = 1_700_000_000_000_000_000
STEP = 50_000_000
K = [50.0, 0, 16, 0, 50, 12, 0, 0, 1]
ROTATION = Quaternion(x=0.1, y=0.2, z=0.3, w=0.9)


def jpeg(k, size=(24, 32)):
    pixels = np.full((*size, 3), (10 * k) % 256, np.uint8)
    return simplejpeg.encode_jpeg(pixels, 90, colorspace="RGB")


def stamp(t_ns):
    return Timestamp(seconds=t_ns // 10**9, nanos=t_ns % 10**9)


def transform(t_ns, parent="map", child="cam", x=0.0):
    translation = Vector3(x=x)
    return FrameTransform(
        timestamp=stamp(t_ns),
        parent_frame_id=parent,
        child_frame_id=child,
        translation=translation,
        rotation=ROTATION,
    )


def compressed(t_ns, data, frame="cam", format="jpeg"):
    return CompressedImage(timestamp=stamp(t_ns), frame_id=frame, data=data, format=format)


def write(path, items, **options):
    """Write ``(topic, log time, protobuf message)``."""
    with path.open("wb") as file:
        writer = Writer(file, **options)
        writer.start()
        channels = {}
        for topic, t_ns, message in items:
            if topic not in channels:
                schema = register_schema(writer, type(message))
                channels[topic] = writer.register_channel(topic, "protobuf", schema)
            writer.add_message(channels[topic], t_ns, message.SerializeToString(), t_ns)
        writer.finish()
    return path


def scene(n=10):
    """A posed RGB-D camera: calibration, colour, raw depth and transforms."""
    calibration = CameraCalibration(frame_id="cam", width=32, height=24, K=K)
    items = [("/cam/color/camera_info", T0, calibration)]
    for k in range(n):
        t_ns = T0 + k * STEP
        depth = np.full((24, 32), 1000 + k, "<u2").tobytes()
        image = RawImage(
            timestamp=stamp(t_ns), frame_id="cam", width=32, height=24, encoding="16UC1", step=64
        )
        image.data = depth
        items.append(("/cam/color/image_raw/compressed", t_ns, compressed(t_ns, jpeg(k))))
        items.append(("/cam/depth/image_raw", t_ns, image))
        items.append(("/tf", t_ns, transform(t_ns, x=0.1 * k)))
    return items


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
    path = tmp_path / "a.mcap"
    time = {"sec": T0 // 10**9, "nsec": 7}
    calibration = {"frame_id": "cam", "width": 32, "height": 24, "K": K, "timestamp": time}
    picture = {
        "timestamp": time,
        "frame_id": "cam",
        "format": "jpeg",
        "data": base64.b64encode(jpeg(4)).decode(),
    }
    joints = {"timestamp": time, "joints": [{"name": "lift", "position": 0.25}]}
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start()
        for topic, name, message in (
            ("/cam/calibration", "foxglove.CameraCalibration", calibration),
            ("/cam/image", "foxglove.CompressedImage", picture),
            ("/joints", "foxglove.JointStates", joints),
        ):
            schema = writer.register_schema(name, "jsonschema", b"{}")
            channel = writer.register_channel(topic, "json", schema)
            writer.add_message(channel, T0, json.dumps(message).encode(), T0)
        writer.finish()
    recording = opened(path)
    assert recording.format == "MCAP (foxglove json)"
    assert recording.views[0].camera.intrinsics[0, 0] == 50
    assert recording.views[0].rgb.t_ns.tolist() == [T0 + 7]
    assert recording.views[0].rgb.source.encoded(0).data == jpeg(4)
    assert recording.signals["/joints"].names == ("lift",)


def ros_items(store, ros1):
    """One of each ROS message the readers know, as ``(topic, type, message)``."""
    types = store.types

    def make(name, *args):
        return types[name](*args)

    time = make("builtin_interfaces/msg/Time", T0 // 10**9, 5)
    header = make("std_msgs/msg/Header", *((1,) if ros1 else ()), time, "cam")
    root = make("std_msgs/msg/Header", *((1,) if ros1 else ()), time, "odom")
    zero, one = make("geometry_msgs/msg/Vector3", 0.0, 0.0, 0.0), np.zeros(9)
    turn = make("geometry_msgs/msg/Quaternion", 0.0, 0.0, 0.0, 1.0)
    transform = make("geometry_msgs/msg/Transform", zero, turn)
    stamped = make("geometry_msgs/msg/TransformStamped", root, "cam", transform)
    pose = make("geometry_msgs/msg/Pose", make("geometry_msgs/msg/Point", 1.0, 2.0, 3.0), turn)
    roi = make("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False)
    info = make(
        "sensor_msgs/msg/CameraInfo",
        *(header, 24, 32, "plumb_bob", np.array([0.1, 0, 0, 0, 0]), np.array(K), one),
        *(np.zeros(12), 0, 0, roi),
    )
    depth = np.full((24, 32), 1500, "<u2").view(np.uint8).ravel()
    colour = np.frombuffer(jpeg(1), np.uint8)
    numbers = np.array([0.5, 0.6])
    return [
        ("/cam/color/camera_info", info),
        (
            "/cam/color/image_raw/compressed",
            make("sensor_msgs/msg/CompressedImage", header, "rgb8; jpeg compressed bgr8", colour),
        ),
        (
            "/cam/depth/image_raw",
            make("sensor_msgs/msg/Image", header, 24, 32, "16UC1", 0, 64, depth),
        ),
        ("/tf", make("tf2_msgs/msg/TFMessage", [stamped])),
        (
            "/joint_states",
            make("sensor_msgs/msg/JointState", header, ["a", "b"], numbers, numbers, numbers[:0]),
        ),
        ("/imu", make("sensor_msgs/msg/Imu", header, turn, one, zero, one, zero, one)),
        ("/pose", make("geometry_msgs/msg/PoseStamped", root, pose)),
    ]


@pytest.mark.parametrize(("ros1", "embedded"), [(False, True), (False, False), (True, True)])
def test_ros_messages_open_by_their_embedded_or_standard_definitions(tmp_path, ros1, embedded):
    store = get_typestore(Stores.ROS1_NOETIC if ros1 else Stores.ROS2_HUMBLE)
    if ros1:
        name = "tf2_msgs/msg/TFMessage"
        definition = "geometry_msgs/TransformStamped[] transforms"
        store.register(get_types_from_msg(definition, name))
    path = tmp_path / "a.mcap"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start()
        for topic, message in ros_items(store, ros1):
            name = message.__msgtype__
            text = store.generate_msgdef(name, ros_version=1 if ros1 else 2)[0] if embedded else ""
            shown = name.replace("/msg/", "/") if ros1 else name
            kind = "ros1msg" if ros1 else "ros2msg"
            schema = writer.register_schema(shown, kind, text.encode())
            channel = writer.register_channel(topic, "ros1" if ros1 else "cdr", schema)
            encode = store.serialize_ros1 if ros1 else store.serialize_cdr
            writer.add_message(channel, T0, bytes(encode(message, name)), T0)
        writer.finish()
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


def encode_video(codec, options, n=24, group=8):
    """Packets of ``n`` grey pictures that get brighter, one per picture."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuv420p"
    encoder.time_base, encoder.framerate, encoder.gop_size = Fraction(1, 30), Fraction(30), group
    encoder.options = options
    packets = []
    for k in range(n):
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * k, np.uint8), format="rgb24")
        frame.pts = k
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets + [bytes(packet) for packet in encoder.encode(None)]


H264 = {"preset": "ultrafast", "tune": "zerolatency", "x264-params": "repeat-headers=1"}
H265 = {
    "preset": "ultrafast",
    "tune": "zerolatency",
    "x265-params": "repeat-headers=1:log-level=none:pools=1:frame-threads=1",
}
AV1 = {"preset": "12", "svtav1-params": "pred-struct=1:lp=1"}


@pytest.mark.parametrize(
    ("codec", "format", "options"),
    [("libx264", "h264", H264), ("libx265", "h265", H265), ("libsvtav1", "av1", AV1)],
)
def test_video_packets_decode_at_any_row(tmp_path, codec, format, options, capfd):
    items = [
        ("/cam/video", T0 + k * STEP, CompressedVideo(timestamp=stamp(T0 + k * STEP), data=data))
        for k, data in enumerate(encode_video(codec, options))
    ]
    for _, _, message in items:
        message.format = format
    [view] = opened(write(tmp_path / "a.mcap", items, chunk_size=2000)).views
    assert len(view.rgb) == 24 and view.rgb.source.encoded(0) is None
    for rows in (range(24), [5], [7, 8, 20], [23]):
        found = [float(p.mean()) for p in view.rgb.source.read(rows)]
        assert np.abs(np.array(found) - 10 * np.array(rows)).max() < 4


def test_video_before_the_first_keyframe_is_left_out_and_told(tmp_path):
    packets = encode_video("libx264", H264)[3:]
    items = [
        ("/v", T0 + k, CompressedVideo(timestamp=stamp(T0 + k), data=data, format="h264"))
        for k, data in enumerate(packets)
    ]
    recording = opened(write(tmp_path / "a.mcap", items))
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


def exercise(open_path, path):
    """Open a damaged file and read what it offers; anything but RecordingError is a failure."""
    try:
        recordings = open_path(path)
    except RecordingError:
        return "refused"
    for recording in recordings or ():
        for view in recording.views:
            for images in filter(None, (view.rgb, view.depth)):
                try:
                    for row in {0, len(images) - 1}:
                        next(iter(images.source.read([row])))
                        images.source.encoded(row)
                except RecordingError:
                    continue
    return "opened"


def mutate(data, random):
    """Flip bytes, cut, or blank a run."""
    data = bytearray(data)
    kind = random.integers(3)
    if kind == 0:
        for at in random.integers(0, len(data), random.integers(1, 12)):
            data[at] = random.integers(256)
    elif kind == 1:
        del data[random.integers(len(data)) :]
    else:
        start, length = random.integers(len(data)), random.integers(1, 64)
        data[start : start + length] = bytes(len(data[start : start + length]))
    return bytes(data)


@pytest.mark.parametrize(
    ("seed", "options"),
    [
        (0, {}),
        (1, {"compression": CompressionType.LZ4, "enable_crcs": False}),
        (2, {"use_chunking": False}),
    ],
)
def test_damaged_files_open_or_raise_recording_errors(tmp_path, seed, options):
    items = scene(3)
    video = encode_video("libx264", H264, n=2)
    items += [
        ("/v/video", T0 + k, CompressedVideo(timestamp=stamp(T0 + k), data=data, format="h264"))
        for k, data in enumerate(video)
    ]
    whole = write(tmp_path / "whole.mcap", items, **options).read_bytes()
    random = np.random.default_rng(seed)
    path = tmp_path / "x.mcap"
    outcomes = []
    for _ in range(100):
        path.write_bytes(mutate(whole, random))
        outcomes.append(exercise(mcap.open, path))
    assert set(outcomes) == {"opened", "refused"}
