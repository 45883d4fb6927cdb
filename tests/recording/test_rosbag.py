"""ROS 1 and ROS 2 bags open, real ones with the counts their own tools tell."""

from __future__ import annotations

import bz2
import shutil

import lz4.frame
import numpy as np
import pytest
import zstandard
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from scenekeeper.errors import RecordingError
from scenekeeper.recording import rosbag
from scenekeeper.recording.blocks import decompress
from tests.recording.tiny_bags import (
    IMU,
    STEP,
    T0,
    write_bag1,
    write_bag2,
)


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


def test_a_bag_whose_recorder_was_killed_has_no_description_and_opens(tmp_path):
    path = write_bag2(tmp_path / "run")
    (path / "metadata.yaml").unlink()
    shutil.copy(path / "run.db3", path / "run_10.db3")
    (path / "run.db3").rename(path / "run_9.db3")
    recording = opened(path)
    assert len(recording.signals[IMU]) == 16 and recording.name == "run"
    assert "no metadata.yaml" in " ".join(recording.notes)
    (path / "run_10.db3").rename(path / "other_10.db3")  # files of two bags are no bag
    assert rosbag.open(path) is None


def test_a_lost_part_of_a_bag_leaves_the_others(tmp_path):
    path = write_bag2(tmp_path / "run")
    metadata = path / "metadata.yaml"
    text = metadata.read_text().replace("  - run.db3", "  - run.db3\n  - run_1.db3", 1)
    metadata.write_text(text)
    recording = opened(path)
    check(recording, "run")
    assert "run_1.db3: the bag's file is missing" in " ".join(recording.notes)
    (path / "run.db3").unlink()
    with pytest.raises(RecordingError, match=r"run\.db3.*missing"):
        rosbag.open(path)


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
            {
                "/tf:world->turtle1": ("pose", 1344),
                "/tf:world->turtle2": ("pose", 1344),
                "/turtle1/cmd_vel": ("action", 357),
                "/turtle2/cmd_vel": ("action", 208),
            },
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
