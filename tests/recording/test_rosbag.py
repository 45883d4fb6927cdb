"""ROS 1 and ROS 2 bags open, real ones with the counts their own tools tell."""

from __future__ import annotations

import bz2
import shutil

import lz4.frame
import numpy as np
import pytest
import simplejpeg
import zstandard
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin
from rosbags.rosbag2 import Writer as Writer2
from rosbags.typesys import Stores, get_typestore

from scenekeeper.errors import RecordingError
from scenekeeper.recording import rosbag
from scenekeeper.recording.blocks import decompress

T0 = 1_700_000_000_000_000_000
STEP = 50_000_000
COLOR, DEPTH, IMU = "/cam/color/image_raw", "/cam/depth/image_raw", "/imu"


def messages(store, ros1, n=8):
    """``(topic, time, message)`` of a small RGB-D camera and an IMU."""
    types = store.types
    turn = types["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
    zero = types["geometry_msgs/msg/Vector3"](0.0, 0.0, 0.0)
    image, imu = types["sensor_msgs/msg/Image"], types["sensor_msgs/msg/Imu"]
    for k in range(n):
        t_ns = T0 + k * STEP
        time = types["builtin_interfaces/msg/Time"](t_ns // 10**9, t_ns % 10**9)
        header = types["std_msgs/msg/Header"](*((k,) if ros1 else ()), time, "cam")
        bgr = np.full((6, 8, 3), (1, 2, 10 * k), np.uint8).ravel()
        depth = np.full((6, 8), 1000 + k, "<u2").view(np.uint8).ravel()
        picture = simplejpeg.encode_jpeg(np.full((6, 8, 3), 9 * k, np.uint8), colorspace="RGB")
        yield COLOR, t_ns, image(header, 6, 8, "bgr8", 0, 24, bgr)
        yield DEPTH, t_ns, image(header, 6, 8, "16UC1", 0, 16, depth)
        yield IMU, t_ns, imu(header, turn, np.zeros(9), zero, np.zeros(9), zero, np.zeros(9))
        if k == 0:
            compressed = types["sensor_msgs/msg/CompressedImage"]
            yield (
                f"{COLOR}/compressed",
                t_ns,
                compressed(header, "jpeg", np.frombuffer(picture, "u1")),
            )


def write_bag1(path, compression=None):
    store = get_typestore(Stores.ROS1_NOETIC)
    writer = Writer1(path)
    if compression:
        writer.set_compression(compression)
    with writer:
        writer.chunk_threshold = 600
        connections = {}
        for topic, t_ns, message in messages(store, True):
            name = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, name, typestore=store)
            writer.write(connections[topic], t_ns, store.serialize_ros1(message, name))
    return path


def write_bag2(path, plugin=StoragePlugin.SQLITE3, zipped=None):
    store = get_typestore(Stores.ROS2_HUMBLE)
    writer = Writer2(path, version=8, storage_plugin=plugin)
    if zipped:
        writer.set_compression(zipped, CompressionFormat.ZSTD)
    with writer:
        connections = {}
        for topic, t_ns, message in messages(store, False):
            name = message.__msgtype__
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, name, typestore=store)
            writer.write(connections[topic], t_ns, store.serialize_cdr(message, name))
    return path


def opened(path):
    [recording] = rosbag.open(path)
    return recording


def check(recording, name):
    """The recording is what :func:`messages` put into it."""
    [view] = recording.views
    assert recording.name == name
    assert view.camera.name == "cam" and view.rgb.t_ns.tolist() == [T0 + k * STEP for k in range(8)]
    assert [p[0, 0].tolist() for p in view.rgb.source.read([1, 7])] == [[10, 2, 1], [70, 2, 1]]
    depths = [float(d[0, 0]) for d in view.depth.source.read(range(8))]
    assert depths == pytest.approx([1 + k / 1000 for k in range(8)])
    assert recording.signals[IMU].values.shape == (8, 10)
    assert any("shows the same as" in note for note in recording.notes)


@pytest.mark.parametrize("compression", [None, *Writer1.CompressionFormat], ids=str)
def test_a_ros1_bag_opens_with_any_compression(tmp_path, compression):
    recording = opened(write_bag1(tmp_path / "run.bag", compression))
    assert recording.format == "ROS 1 bag" and len(recording.notes) == 1
    check(recording, "run")


@pytest.mark.parametrize("plugin", list(StoragePlugin), ids=str)
def test_a_ros2_folder_opens_with_any_storage(tmp_path, plugin):
    recording = opened(write_bag2(tmp_path / "run", plugin))
    assert recording.format == "ROS 2 bag"
    check(recording, "run")


def test_a_ros2_folder_of_compressed_messages_opens(tmp_path):
    check(opened(write_bag2(tmp_path / "run", zipped=CompressionMode.MESSAGE)), "run")


def test_a_ros2_file_compressed_as_a_whole_says_how_to_unpack_it(tmp_path):
    path = write_bag2(tmp_path / "run", zipped=CompressionMode.FILE)
    with pytest.raises(RecordingError, match="zstd -d"):
        rosbag.open(path)


def test_a_bare_db3_opens(tmp_path):
    write_bag2(tmp_path / "run")
    check(opened(tmp_path / "run" / "run.db3"), "run")


def test_a_bag_split_into_files_is_one_recording(tmp_path):
    path = write_bag2(tmp_path / "run")
    whole = opened(path)
    shutil.copy(path / "run.db3", path / "run_1.db3")
    metadata = path / "metadata.yaml"
    text = metadata.read_text().replace("  - run.db3", "  - run.db3\n  - run_1.db3", 1)
    metadata.write_text(text)
    doubled = opened(path)
    assert len(doubled.signals[IMU]) == 2 * len(whole.signals[IMU])
    assert len(doubled.views[0].rgb) == 8  # the same times twice
    assert len(list(doubled.views[0].rgb.source.read(range(8)))) == 8


def test_other_paths_are_left_to_other_readers(tmp_path):
    assert rosbag.open(tmp_path) is None
    (tmp_path / "metadata.yaml").write_text("title: a web site")
    (tmp_path / "a.sqlite").write_bytes(b"SQLite format 3\0")
    assert rosbag.open(tmp_path) is None
    assert rosbag.open(tmp_path / "a.sqlite") is None


@pytest.mark.parametrize("name", ["x.bag", "x.db3"])
@pytest.mark.parametrize(
    "content", [b"", b"hello", b"#ROSBAG V1.2\n", b"#ROSBAG V2.0\n\xff\xff", b"SQLite format 3\0"]
)
def test_garbage_raises(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordingError, match=name):
        opened(tmp_path / name)


@pytest.mark.parametrize("text", ["rosbag2_bagfile_information: {version: 5}", "a: [", "\0"])
def test_a_broken_description_raises(tmp_path, text):
    (tmp_path / "metadata.yaml").write_text(text)
    with pytest.raises(RecordingError, match="ros2 bag reindex"):
        rosbag.open(tmp_path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8, 0.95])
def test_truncated_bag_keeps_everything_before_the_cut(tmp_path, share):
    path = write_bag1(tmp_path / "a.bag")
    whole = path.read_bytes()
    cut = whole[: int(len(whole) * share)]
    path.write_bytes(cut)
    recording = opened(path)
    expected = sum(np.full((6, 8), 1000 + k, "<u2").tobytes() in cut for k in range(8))
    assert len(recording.views[0].depth) == expected > 0
    assert len(list(recording.views[0].depth.source.read(range(expected)))) == expected
    assert any(note.startswith("truncated") for note in recording.notes)


@pytest.mark.parametrize("compression", ["zstd", "lz4", "bz2"])
@pytest.mark.parametrize("cut", [True, False])
def test_a_compressed_block_gives_what_lies_before_its_damage(compression, cut):
    plain = np.random.default_rng(0).integers(0, 256, 1 << 21, np.uint8).tobytes()
    pack = {"zstd": zstandard.compress, "lz4": lz4.frame.compress, "bz2": bz2.compress}
    stored = bytearray(pack[compression](plain))
    assert decompress(compression, bytes(stored), len(plain)) == plain
    half = len(stored) // 2
    stored[half:] = b"" if cut else bytes(len(stored) - half)
    found = decompress(compression, bytes(stored), len(plain))
    kept = len(plain) // 3  # bz2 gives whole blocks of 900 kB only
    assert found[:kept] == plain[:kept] and found != plain


@pytest.mark.parametrize(
    ("name", "format", "signals"),
    [
        (
            "husky.bag",
            "ROS 1 bag",
            {"/imu/data": ("imu", 11865), "/husky_velocity_controller/odom": ("odometry", 3952)},
        ),
        (
            "jackal.bag",
            "ROS 1 bag",
            {"/imu/data": ("imu", 3061), "/jackal_velocity_controller/odom": ("odometry", 3060)},
        ),
        (
            "turtlesim-lz4.bag",
            "ROS 1 bag",
            {"/tf:world->turtle1": ("pose", 1344), "/tf:world->turtle2": ("pose", 1344)},
        ),
        ("rosbag2", "ROS 2 bag", {"/imu": ("imu", 1565), "/pose": ("pose", 1565)}),
        (
            "rosbag2/rosbag2_test_0.db3",
            "ROS 2 bag",
            {"/imu": ("imu", 1565), "/pose": ("pose", 1565)},
        ),
    ],
)
def test_real_bags_open_with_all_their_signals(shared_data, name, format, signals):
    recording = opened(shared_data / "bags" / name)
    assert (recording.format, recording.views) == (format, ())
    assert {s.name: (s.kind, len(s)) for s in recording.signals.values()} == signals
    assert not any("truncated" in note or "decoded" in note for note in recording.notes)


def exercise(path):
    """Open a damaged file and read what it offers; anything but RecordingError is a failure."""
    try:
        [recording] = rosbag.open(path)
    except RecordingError:
        return "refused"
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
    ("seed", "name"), [(0, "plain.bag"), (1, "lz4.bag"), (2, "bz2.bag"), (3, "run.db3")]
)
def test_damaged_bags_open_or_raise_recording_errors(tmp_path, seed, name):
    if name == "run.db3":
        whole = (write_bag2(tmp_path / "run") / name).read_bytes()
    else:
        compression = {"lz4.bag": Writer1.CompressionFormat.LZ4, "bz2.bag": "bz2"}.get(name)
        if compression == "bz2":
            compression = Writer1.CompressionFormat.BZ2
        whole = write_bag1(tmp_path / name, compression).read_bytes()
    random = np.random.default_rng(seed)
    path = tmp_path / f"x-{name}"
    outcomes = []
    for _ in range(300 if name == "run.db3" else 100):
        path.write_bytes(mutate(whole, random))
        outcomes.append(exercise(path))
    assert set(outcomes) == {"opened", "refused"}
