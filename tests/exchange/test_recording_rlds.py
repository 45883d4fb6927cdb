"""Recordings written as an RLDS dataset read back the same, and are RLDS to everybody else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekeeper.errors import ExportError, RecordingError
from scenekeeper.exchange import recording_rlds
from scenekeeper.exchange.encoded import png
from scenekeeper.exchange.recording_rlds import write_recordings
from scenekeeper.recording import open_recording, open_recordings, rgbd, rlds, tfexample, tfrecord
from scenekeeper.recording.base import Encoded, Images, Recording
from scenekeeper.recording.frames import frame_index
from tests.exchange import made_recordings as made


def with_files(recording: Recording) -> Recording:
    """The recording with a PNG file for every picture that had none."""
    views = []
    for view in recording.views:
        source = view.rgb.source
        if source.files is None:
            files = [Encoded(png(pixels), "png") for pixels in source.arrays]
            view = replace(view, rgb=Images(view.rgb.t_ns, made.Stored(source.arrays, files)))
        views.append(view)
    return replace(recording, views=tuple(views))


def robot(n: int = 6, name: str = "run", one_clock: bool = False) -> Recording:
    return with_files(made.robot(n, name, one_clock))


def examples(root: Path) -> list[dict[str, Any]]:
    files = sorted((root / "1.0.0").glob("*.tfrecord-*"))
    records = [record for file in files for record in tfrecord.listing(file).records]
    return [tfexample.decode(tfrecord.read(record)) for record in records]


@pytest.mark.parametrize("one_clock", [False, True])
def test_everything_reads_back_the_same(tmp_path: Path, one_clock: bool) -> None:
    before = [robot(6, "pick", one_clock), robot(4, "place", one_clock)]
    done = write_recordings(before, tmp_path / "runs")
    assert (done.path, done.frames) == (tmp_path / "runs", 10)
    after = open_recordings(tmp_path / "runs")
    assert [r.name for r in after] == ["pick", "place"]
    for a, b in zip(before, after, strict=True):
        assert (b.format, b.notes) == ("RLDS (scenekeeper)", ())
        made.same(a, b)


def test_colour_files_are_copied_byte_for_byte(tmp_path: Path) -> None:
    before = robot()
    write_recordings([before], tmp_path / "runs")
    for a, b in zip(before.views, open_recording(tmp_path / "runs").views, strict=True):
        assert [b.rgb.source.encoded(k) for k in range(6)] == a.rgb.source.files


def test_reading_back_and_writing_again_gives_the_same_bytes(tmp_path: Path) -> None:
    write_recordings([robot(4)], tmp_path / "first")
    write_recordings(open_recordings(tmp_path / "first"), tmp_path / "second")
    [a], [b] = examples(tmp_path / "first"), examples(tmp_path / "second")
    assert a.keys() == b.keys()
    pictures = [key for key in a if "/observation/" in key]
    assert len(pictures) == 5
    assert all(list(a[key]) == list(b[key]) for key in pictures)


def test_pictures_without_files_become_jpeg_and_a_note_says_so(tmp_path: Path) -> None:
    done = write_recordings([made.robot(3)], tmp_path / "runs")
    assert (
        "Session run: camera '/wrist/rgb' has no picture files; they are made as JPEG"
        in " ".join(done.notes)
    )
    [example] = examples(tmp_path / "runs")
    assert example["steps/observation/wrist_rgb"][0].startswith(b"\xff\xd8\xff")


def test_steps_are_what_rlds_says_they_are(tmp_path: Path) -> None:
    before = robot(5, one_clock=True)
    write_recordings([before], tmp_path / "runs")
    [example] = examples(tmp_path / "runs")
    assert example["steps/is_first"].tolist() == [1, 0, 0, 0, 0]
    assert example["steps/is_last"].tolist() == [0, 0, 0, 0, 1]
    assert example["steps/language_instruction"] == [made.TASK.encode()] * 5
    assert example["episode_metadata/session"] == [b"run"]
    joints, command = before.signals["joints"], before.signals["command"]
    assert np.array_equal(example["steps/observation/state"].reshape(5, 4), joints.values)
    assert np.array_equal(example["steps/action"].reshape(5, 3), command.values)
    assert example["steps/t_ns/head"].tolist() == before.views[0].rgb.t_ns.tolist()


def test_every_declared_feature_is_there_and_no_other(tmp_path: Path) -> None:
    write_recordings([robot(3)], tmp_path / "runs")

    def leaves(node: dict[str, Any], key: str) -> list[str]:
        if "sequence" in node:
            return leaves(node["sequence"]["feature"], key)
        children = node.get("featuresDict", {}).get("features")
        if children is None:
            return [key]
        return [k for name, child in children.items() for k in leaves(child, f"{key}/{name}")]

    top = json.loads((tmp_path / "runs" / "1.0.0" / "features.json").read_text())
    [example] = examples(tmp_path / "runs")
    assert sorted(leaves(top, "")) == sorted(f"/{key}" for key in example)


def test_a_reader_that_knows_nothing_of_us_gets_pictures_depth_times_and_numbers(
    tmp_path: Path,
) -> None:
    before = robot(one_clock=True)
    write_recordings([before], tmp_path / "runs")
    for name in ("scenekeeper.json", "signals.parquet"):
        (tmp_path / "runs" / "1.0.0" / name).unlink()
    [after] = rlds.open(tmp_path / "runs")
    assert (after.name, after.format, after.notes) == ("runs-train_000000", "RLDS", ())
    assert after.task == made.TASK
    for a, b in zip(before.views, after.views, strict=True):
        made.same_images(a.rgb, b.rgb)
        made.same_images(a.depth, b.depth, 1e-6)
    assert np.array_equal(after.signals["action"].values, before.signals["command"].values)
    assert np.array_equal(after.signals["action"].t_ns, before.views[0].rgb.t_ns)


def test_depth_finer_than_millimetres_is_kept_exactly(tmp_path: Path) -> None:
    before = made.alone(robot())
    view = before.views[0]
    fine = made.Stored([a + np.float32(0.0003) * (a > 1) for a in view.depth.source.arrays])
    before = replace(before, views=(replace(view, depth=Images(view.depth.t_ns, fine)),))
    write_recordings([before], tmp_path / "runs")
    made.same(before, open_recording(tmp_path / "runs"), 0.0)
    assert [p.name for p in (tmp_path / "runs").iterdir()] == ["1.0.0"]


def test_a_stored_depth_file_in_millimetres_is_copied(tmp_path: Path) -> None:
    before = made.alone(robot(3))
    view = before.views[0]
    arrays = view.depth.source.arrays
    files = [Encoded(png(np.rint(a * 1000).astype(np.uint16)), "png") for a in arrays]
    depth = Images(view.depth.t_ns, made.Stored(arrays, files))
    write_recordings([replace(before, views=(replace(view, depth=depth),))], tmp_path / "runs")
    after = open_recording(tmp_path / "runs").views[0].depth.source
    assert [after.encoded(k) for k in range(3)] == files


def test_steps_without_depth_read_back_without(tmp_path: Path) -> None:
    before = made.alone(robot(6, one_clock=True))
    view = before.views[0]
    few = Images(view.depth.t_ns[::5], made.Stored(view.depth.source.arrays[::5]))
    before = replace(before, views=(replace(view, depth=few),))
    done = write_recordings([before], tmp_path / "runs")
    after = open_recording(tmp_path / "runs").views[0].depth
    made.same_images(few, after)
    [example] = examples(tmp_path / "runs")
    assert len(example["steps/observation/head_depth"]) == 6 and not done.notes


def test_a_slower_camera_stands_at_several_steps_and_reads_back_once(tmp_path: Path) -> None:
    before = robot(6)
    wrist = before.views[1]
    files = wrist.rgb.source.files[::2]
    slow = Images(wrist.rgb.t_ns[::2], made.Stored(wrist.rgb.source.arrays[::2], files))
    before = replace(before, views=(before.views[0], replace(wrist, rgb=slow)))
    write_recordings([before], tmp_path / "runs")
    [example] = examples(tmp_path / "runs")
    assert len(example["steps/observation/wrist_rgb"]) == 6
    made.same_images(slow, open_recording(tmp_path / "runs").views[1].rgb)


def only_first(recording: Recording, camera: int, n: int) -> Recording:
    """The recording with the first pictures of one of its cameras, and without its depth."""
    views = list(recording.views)
    rgb = views[camera].rgb
    few = Images(rgb.t_ns[:n], made.Stored(rgb.source.arrays[:n], rgb.source.files[:n]))
    views[camera] = replace(views[camera], rgb=few, depth=None)
    return replace(recording, views=tuple(views))


def test_pictures_that_stand_at_no_step_are_counted(tmp_path: Path) -> None:
    sharp = only_first(robot(9, "sharp"), camera=1, n=3)
    blind = only_first(robot(6, "blind"), camera=0, n=2)
    done = write_recordings([sharp, blind], tmp_path / "runs")
    assert done.frames == 9 + 2  # the head has more pictures in all
    said = "Session blind: Camera '/wrist/rgb': 4 of 6 pictures stand at no step and are left out."
    assert said in done.notes
    assert [len(v.rgb) for v in open_recordings(tmp_path / "runs")[1].views] == [2, 2]


def test_only_what_all_recordings_share_is_written_and_notes_name_the_rest(tmp_path: Path) -> None:
    whole, less = robot(4, "whole"), made.alone(robot(3, "less"))
    head = replace(less.views[0], depth=None)
    less = replace(less, views=(head,), signals={"command": less.signals["command"]})
    done = write_recordings([whole, less], tmp_path / "runs")
    said = " ".join(done.notes)
    assert "Camera '/wrist/rgb' is not in every session" in said
    assert "Depth of camera 'head' is not in every session" in said
    assert "There is no observation.state to export." in said
    assert "signals.parquet has them: /imu, empty, head_pose." in said
    first, second = open_recordings(tmp_path / "runs")
    assert [v.camera.name for v in first.views] == ["head"] and first.views[0].depth is None
    made.same_signals(first, whole)
    made.same(less, second)


def test_large_datasets_are_written_in_several_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_rlds, "SHARD_BYTES", 1)
    write_recordings([robot(2, f"run{k}") for k in range(3)], tmp_path / "runs")
    files = sorted(p.name for p in (tmp_path / "runs" / "1.0.0").glob("runs-*"))
    assert files == [f"runs-train.tfrecord-{k:05d}-of-00003" for k in range(3)]
    assert [r.name for r in open_recordings(tmp_path / "runs")] == ["run0", "run1", "run2"]
    info = json.loads((tmp_path / "runs" / "1.0.0" / "dataset_info.json").read_text())
    assert info["splits"][0]["shardLengths"] == ["1", "1", "1"]


@pytest.mark.parametrize(
    ("folder", "name"),
    [("My-Runs 2", "my_runs_2"), ("7", "recordings_7"), ("ü", "recordings"), ("a.b", "a_b")],
)
def test_the_dataset_is_named_as_tensorflow_allows(tmp_path: Path, folder: str, name: str) -> None:
    write_recordings([made.alone(robot(1))], tmp_path / folder)
    assert (tmp_path / folder / "1.0.0" / f"{name}-train.tfrecord-00000-of-00001").is_file()
    assert len(open_recordings(tmp_path / folder)) == 1


def test_recordings_of_one_name_are_told_apart_by_number(tmp_path: Path) -> None:
    write_recordings([robot(2), robot(2)], tmp_path / "runs")
    names = [r.name for r in open_recordings(tmp_path / "runs")]
    assert names == ["runs-train_000000", "runs-train_000001"]


# --- what cannot be -------------------------------------------------------------------------------


def test_what_is_in_the_way_stays(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with pytest.raises(ExportError, match="is in the way"):
        write_recordings([robot(2)], tmp_path / "runs")
    assert [p.name for p in tmp_path.iterdir()] == ["runs"]


def test_nothing_to_write_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no recording to write"):
        write_recordings([], tmp_path / "runs")
    with pytest.raises(ExportError, match="share no camera"):
        write_recordings([replace(robot(2), views=())], tmp_path / "runs")


def test_an_episode_larger_than_protobuf_allows_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording_rlds, "LARGEST", 5000)
    with pytest.raises(ExportError, match=r"session run: .* Cut the recording"):
        write_recordings([robot(6)], tmp_path / "runs")
    assert not list(tmp_path.iterdir())


def test_a_picture_of_another_size_than_its_camera_is_refused(tmp_path: Path) -> None:
    before = made.alone(robot(2))
    other = Images(made.times(2), made.color(2, width=made.WIDTH + 1))
    before = replace(before, views=(replace(before.views[0], rgb=other),))
    with pytest.raises(RecordingError, match=r"a picture is \[16, 25\], the camera 'head'"):
        write_recordings([before], tmp_path / "runs")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.update(scenekeeper=2), "version 2 is not known"),
        (lambda v: v["where"].update(cameras=[["observation/head", None]]), "of 2 cameras"),
        (lambda v: v["where"]["cameras"].insert(0, v["where"]["cameras"].pop()), "its pictures 20"),
        (lambda v: v["where"]["cameras"].__setitem__(0, ["../x", None]), "'../x'"),
        (lambda v: v["where"]["cameras"].__setitem__(0, 7), "names no pictures: 7"),
        (lambda v: v["cameras"][0].update(width=2**31), "its pictures 24x16"),
    ],
)
def test_nonsense_beside_the_episodes_is_an_error_that_names_the_file(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    write_recordings([robot(2)], tmp_path / "runs")
    file = tmp_path / "runs" / "1.0.0" / "scenekeeper.json"
    content = json.loads(file.read_text())
    change(content["recordings"][0])
    file.write_text(json.dumps(content))
    with pytest.raises(RecordingError, match=said) as caught:
        open_recording(tmp_path / "runs")
    assert "scenekeeper.json" in str(caught.value) and "remove" in str(caught.value)


def test_a_real_kinect_recording_gives_the_same_frames(kitchen: Path, tmp_path: Path) -> None:
    [whole] = rgbd.open(kitchen)
    view, n = whole.views[0], 3

    class First:
        def __init__(self, source: Any) -> None:
            self.read, self.encoded = source.read, source.encoded

        def __len__(self) -> int:
            return n

    some = replace(
        view,
        rgb=Images(view.rgb.t_ns[:n], First(view.rgb.source)),
        depth=Images(view.depth.t_ns[:n], First(view.depth.source)),
    )
    before = replace(whole, name="kitchen", views=(some,))
    write_recordings([before], tmp_path / "kitchen")
    after = open_recording(tmp_path / "kitchen")
    made.same(before, after)
    assert frame_index(after).equals(frame_index(before))
    assert after.views[0].rgb.source.encoded(2) == view.rgb.source.encoded(2)
