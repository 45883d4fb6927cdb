"""A path is recognised by what it holds, not by what it is called."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from scenekeeper.errors import RecordingError
from scenekeeper.recording import open_recording, open_recordings
from tests.recording import rgbd_layouts, tiny_bags, tiny_lerobot, tiny_mcap, tiny_videos


@pytest.mark.parametrize(
    ("write", "old", "format"),
    [
        (lambda p: tiny_mcap.write(p, tiny_mcap.scene(2)), "a.mcap", "MCAP (foxglove protobuf)"),
        (tiny_bags.write_bag1, "a.bag", "ROS 1 bag"),
        (lambda p: tiny_videos.write_video(p, range(3)), "a.mp4", "video (h264)"),
        (lambda p: tiny_videos.write_video(p, range(3)), "a.mkv", "video (h264)"),
        (lambda p: tiny_videos.write_video(p, range(60)), "a.ts", "video (h264)"),
        (lambda p: tiny_videos.write_video(p, range(3)), "a.h264", "video (h264)"),
        (lambda p: tiny_videos.write_video(p, range(3), "mpeg4"), "a.avi", "video (mpeg4)"),
    ],
)
def test_a_file_is_recognised_under_any_name(tmp_path, write, old, format):
    path = write(tmp_path / old).rename(tmp_path / "renamed.dat")
    recording = open_recording(path)
    assert (recording.name, recording.format) == ("renamed", format)
    assert len(list(recording.views[0].rgb.source.read([0]))) == 1


def test_a_database_is_a_bag_by_its_tables(tmp_path):
    tiny_bags.write_bag2(tmp_path / "run")
    path = (tmp_path / "run/run.db3").rename(tmp_path / "renamed.sqlite")
    assert open_recording(path).format == "ROS 2 bag"


def test_a_name_after_a_hash_picks_a_session_and_a_hash_in_a_name_is_no_harm(tmp_path):
    root = tiny_lerobot.write_v2(tmp_path / "cups#2", (3, 2))
    assert [r.name for r in open_recordings(root)] == [f"cups#2-episode_{k:06d}" for k in (0, 1)]
    assert open_recording(f"{root}#episode_000001").name == "cups#2-episode_000001"
    with pytest.raises(RecordingError, match=r"2 sessions here.*Name one"):
        open_recording(root)
    with pytest.raises(RecordingError, match=r"0 sessions match 'nine'.*There are: cups"):
        open_recording(f"{root}#nine")


@pytest.mark.parametrize("name", ["nothing", "nothing#1", "n" * 300, "a\0b"])
def test_a_path_that_leads_nowhere_is_an_error_that_names_it(tmp_path, name):
    with pytest.raises(RecordingError, match=name[:7]):
        open_recordings(tmp_path / name)


def test_a_format_nobody_knows_is_an_error_that_lists_those_known(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(RecordingError, match=r"no reader knows.*MCAP.*extend\.md"):
            open_recordings(path)


def test_a_fingerprint_follows_the_bytes_and_not_the_place(tmp_path):
    folder = rgbd_layouts.seven_scenes(tmp_path / "room")
    before = open_recording(folder).content
    copied = shutil.copytree(folder, tmp_path / "copy")
    assert open_recording(copied).content == before
    with (copied / "frame-000002.depth.png").open("r+b") as file:
        file.seek(60)
        file.write(b"\xff\0\xff")
    assert open_recording(copied).content != before


def test_depth_without_a_calibration_of_its_own_is_left_out_and_told(tmp_path):
    folder = rgbd_layouts.scannet(tmp_path / "scene")
    (folder / "intrinsic/intrinsic_depth.txt").unlink()
    recording = open_recording(folder)
    assert recording.views[0].depth is None
    assert recording.views[0].poses is not None
    assert any("no intrinsics" in note for note in recording.notes)


def test_small_depth_of_the_same_view_is_read_with_scaled_intrinsics(tmp_path):
    items = tiny_mcap.scene(3)
    for _, _, message in items:
        if hasattr(message, "step"):
            message.width, message.height, message.step = 16, 12, 32
            message.data = np.full((12, 16), 1500, "<u2").tobytes()
    recording = open_recording(tiny_mcap.write(tmp_path / "a.mcap", items))
    [view] = recording.views
    assert view.depth_camera.intrinsics.tolist() == [[25, 0, 7.75], [0, 25, 5.75], [0, 0, 1]]
    assert any("taken to show the same view" in note for note in recording.notes)
