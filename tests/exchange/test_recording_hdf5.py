"""A recording written as an ALOHA episode reads back the same, and loads as ACT loads its own."""

from __future__ import annotations

import resource
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scenekeeper.errors import ExportError, RecordingError
from scenekeeper.exchange.encoded import png
from scenekeeper.exchange.recording_hdf5 import write_recording
from scenekeeper.recording import open_recording
from scenekeeper.recording.base import Encoded, Images, Recording, View
from scenekeeper.recording.frames import frame_index
from scenekeeper.schema import Camera
from tests.exchange import made_recordings as made
from tests.recording import tiny_hdf5


def as_files(recording: Recording) -> Recording:
    """The recording with its wrist pictures as PNG files."""
    head, wrist = recording.views
    pixels = wrist.rgb.source.arrays
    stored = made.Stored(pixels, [Encoded(png(p), "png") for p in pixels])
    return replace(recording, views=(head, replace(wrist, rgb=Images(wrist.rgb.t_ns, stored))))


@pytest.mark.parametrize("one_clock", [False, True])
@pytest.mark.parametrize("compress", [False, True])
def test_everything_reads_back_the_same(tmp_path: Path, one_clock: bool, compress: bool) -> None:
    before = as_files(made.robot(one_clock=one_clock))
    written = write_recording(before, tmp_path / "run.hdf5", compress=compress)
    assert (written.path, written.frames) == (tmp_path / "run.hdf5", 6)
    assert ["OpenCV" in note for note in written.notes] == [True] * compress
    after = open_recording(tmp_path / "run.hdf5")
    assert (after.name, after.format, after.notes) == ("run", "ALOHA HDF5 (scenekeeper)", ())
    made.same(before, after)


def test_picture_files_are_copied_byte_for_byte_even_with_zeros_at_their_end(
    tmp_path: Path,
) -> None:
    before = as_files(made.robot())
    views = []
    for view in reversed(before.views):  # not in the order in which HDF5 lists them
        source = view.rgb.source
        files = [f._replace(data=f.data + b"\0" * k) for k, f in enumerate(source.files)]
        stored = made.Stored(source.arrays, files)
        views.append(replace(view, rgb=Images(view.rgb.t_ns, stored)))
    write_recording(replace(before, views=tuple(views)), tmp_path / "run.hdf5")
    for view, after in zip(views, open_recording(tmp_path / "run.hdf5").views, strict=True):
        assert [after.rgb.source.encoded(k) for k in range(6)] == view.rgb.source.files


def test_reading_back_and_writing_again_gives_the_same(tmp_path: Path) -> None:
    write_recording(made.robot(), tmp_path / "first.hdf5")
    first = open_recording(tmp_path / "first.hdf5")
    write_recording(first, tmp_path / "second.hdf5")
    made.same(first, open_recording(tmp_path / "second.hdf5"), 0.0)


def test_pictures_without_files_become_jpeg_and_a_note_says_so(tmp_path: Path) -> None:
    before = made.alone(made.robot(), 1)
    note, _ = write_recording(before, tmp_path / "run.hdf5").notes
    assert "'/wrist/rgb'" in note and "became JPEG" in note
    after = open_recording(tmp_path / "run.hdf5")
    made.same_images(before.views[0].rgb, after.views[0].rgb, 12)


@given(arrays(np.float32, (2, 3, 4), elements=st.floats(0, 100, width=32)), st.booleans())
@settings(max_examples=30, deadline=None)
def test_depth_reads_back_to_a_hundredth_of_a_millimetre(tmp_path_factory, metres, whole) -> None:
    metres = np.rint(metres * 1000) / np.float32(1000) if whole else metres
    rgb = Images(made.times(2), made.color(2, width=4, height=3))
    depth = Images(made.times(2, offset=5), made.Stored(list(metres.astype(np.float32))))
    view = View(Camera("c", 4, 3, made.K), rgb, depth)
    path = tmp_path_factory.mktemp("depth") / "run.hdf5"
    write_recording(Recording("r", path, "made", (view,)), path)
    made.same_images(depth, open_recording(path).views[0].depth, 1e-5)


def test_a_slow_camera_repeats_its_pictures_and_reads_back_once(tmp_path: Path) -> None:
    before = made.robot(6, one_clock=True)
    slow = before.views[1]
    slow = replace(
        slow,
        rgb=Images(slow.rgb.t_ns[::3], made.color(2, False, 20, 14)),
        depth=None,
        depth_camera=None,
    )
    before = replace(before, views=(before.views[0], slow))
    written = write_recording(before, tmp_path / "run.hdf5", compress=False)
    with h5py.File(written.path) as file:
        assert file["observations/images/wrist_rgb"].shape == (6, 14, 20, 3)
    made.same(before, open_recording(written.path))
    assert written.notes == ()


def test_pictures_that_stand_at_no_step_are_left_out_and_told(tmp_path: Path) -> None:
    before = made.robot(6)
    burst = before.views[1]
    burst = replace(burst, rgb=Images(made.times(5, 1000), made.color(5, True, 20, 14)))
    before = replace(before, views=(burst, before.views[0]))
    written = write_recording(before, tmp_path / "run.hdf5")
    assert written.notes[:1] == (
        "Camera '/wrist/rgb': 3 of 5 pictures stand at no step and are left out.",
    )
    after = open_recording(written.path)
    assert after.views[0].rgb.t_ns.tolist() == made.times(5, 1000)[[0, 4]].tolist()
    made.same_images(before.views[1].rgb, after.views[1].rgb)
    made.same_images(burst.depth, after.views[0].depth, 1e-6)


def like_act(path: Path, cameras: list[str], start: int) -> dict[str, np.ndarray]:
    """What ACT's loader takes out of an episode for one sample."""
    with h5py.File(path, "r") as root:
        is_sim = root.attrs["sim"]
        compressed = root.attrs.get("compress", False)
        length, width = root["/action"].shape
        first = start if is_sim else max(0, start - 1)
        sample = {"action": np.zeros((length, width), np.float32)}
        sample["action"][: length - first] = root["/action"][first:]
        for key in ("qpos", "qvel"):
            sample[key] = root[f"/observations/{key}"][start]
        for camera in cameras:
            picture = root[f"/observations/images/{camera}"][start]
            sample[camera] = simplejpeg.decode_jpeg(picture.tobytes()) if compressed else picture
        return sample


@pytest.mark.parametrize("compress", [False, True])
def test_acts_own_loader_finds_everything_it_reads(tmp_path: Path, compress: bool) -> None:
    before = made.robot(6, one_clock=True)
    write_recording(before, tmp_path / "episode_0.hdf5", compress=compress)
    joints, command = before.signals["joints"].values, before.signals["command"].values
    for start in np.random.default_rng(0).permutation(6).tolist():
        sample = like_act(tmp_path / "episode_0.hdf5", ["head", "wrist_rgb"], start)
        assert {key: value.dtype.name for key, value in sample.items()} == {
            **dict.fromkeys(("action", "qpos", "qvel"), "float32"),
            **dict.fromkeys(("head", "wrist_rgb"), "uint8"),
        }
        assert np.array_equal(sample["qpos"], joints[start, :2])
        assert np.array_equal(sample["qvel"], joints[start, 2:])
        assert np.array_equal(sample["action"][0], command[max(0, start - 1)])
        assert sample["head"].shape == (16, 24, 3) and sample["wrist_rgb"].shape == (14, 20, 3)
        assert np.array_equal(sample["head"], before.views[0].rgb.source.arrays[start])


@pytest.mark.interop
def test_opencv_decodes_a_padded_row(tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2")
    before = as_files(made.robot(2))
    write_recording(before, tmp_path / "run.hdf5")
    with h5py.File(tmp_path / "run.hdf5") as file:
        lengths = file["compress_len"][()]
        for k, camera in enumerate(file["observations/images"]):
            for step in (0, 1):
                row = file[f"observations/images/{camera}"][step]
                assert not row[int(lengths[k, step]) :].any() and row[int(lengths[k, step]) - 1]
                expected = before.views[k].rgb.source.arrays[step]
                difference = cv2.imdecode(row, 1)[..., ::-1].astype(int) - expected
                assert np.abs(difference).max() <= 4


def test_one_picture_is_one_chunk(tmp_path: Path) -> None:
    for compress in (False, True):
        write_recording(made.robot(3), tmp_path / "run.hdf5", compress=compress)
        with h5py.File(tmp_path / "run.hdf5") as file:
            stored = file["observations/images/head"]
            assert stored.chunks == (1, *stored.shape[1:]) and stored.dtype == np.uint8
            assert bool(file.attrs["compress"]) is compress


def test_velocities_that_were_not_recorded_are_differences_and_say_so(tmp_path: Path) -> None:
    before = made.robot(5, one_clock=True)
    joints = made.signal("joints", "joint_state", made.times(5), ("hip", "knee"))
    joints.values[:, 0] = np.arange(5) * 0.5
    before = replace(before, signals={"joints": joints})
    written = write_recording(before, tmp_path / "run.hdf5")
    with h5py.File(written.path) as file:
        qvel = file["observations/qvel"]
        assert "differences of qpos" in qvel.attrs["derived"]
        np.testing.assert_allclose(qvel[:, 0], 0.5 / (made.STEP_NS / 1e9), rtol=1e-5)
        assert file["action"].shape == (5, 0)
    assert "There are no actions: 'action' has no columns." in written.notes
    assert list(open_recording(written.path).signals) == ["joints"]


def test_a_plain_episode_keeps_its_numbers_when_written_again(tmp_path: Path) -> None:
    path = tiny_hdf5.write(tmp_path / "plain.hdf5", 5, True)
    write_recording(open_recording(path), tmp_path / "again.hdf5")
    with h5py.File(path) as before, h5py.File(tmp_path / "again.hdf5") as after:
        for key in ("action", *(f"observations/{k}" for k in ("qpos", "qvel", "effort"))):
            assert np.array_equal(before[key], after[key]) and not after[key].attrs
    again = open_recording(tmp_path / "again.hdf5")
    assert again.views[0].rgb.t_ns[1] == 20_000_000
    made.same_images(open_recording(path).views[0].rgb, again.views[0].rgb, 12)


def test_a_single_picture_without_numbers_is_an_episode_of_one_step(tmp_path: Path) -> None:
    view = View(Camera("c", 24, 16), Images(made.times(1), made.color(1)))
    before = Recording("r", tmp_path, "made", (view,))
    written = write_recording(before, tmp_path / "run.hdf5", compress=False)
    assert len(written.notes) == 2
    made.same(before, open_recording(written.path))
    assert like_act(written.path, ["c"], 0)["qpos"].shape == (0,)


def test_an_existing_file_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    class Broken(made.Stored):
        def encoded(self, row):
            raise RecordingError("lost")

    path = tmp_path / "run.hdf5"
    write_recording(made.robot(2), path)
    view = replace(made.robot(2).views[0], rgb=Images(made.times(2), Broken([None, None])))
    with pytest.raises(RecordingError, match="lost"):
        write_recording(replace(made.robot(2), views=(view,)), path)
    assert [p.name for p in tmp_path.iterdir()] == ["run.hdf5"]
    write_recording(made.robot(3), path)
    assert len(frame_index(open_recording(path))) == 6


@pytest.mark.parametrize("room", [500, 3000, 9000, 20_000])
def test_a_full_disk_is_an_error_with_a_remedy_and_leaves_nothing(
    tmp_path: Path, room: int
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(ExportError, match=r"run\.hdf5: cannot be written.*Free some space"):
            write_recording(made.robot(), tmp_path / "run.hdf5")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_a_picture_of_another_size_than_its_camera_is_told(tmp_path: Path) -> None:
    view = replace(made.robot(2).views[0], camera=Camera("head", 5, 5))
    with pytest.raises(RecordingError, match=r"images/head: a picture is \[16, 24, 3\]"):
        write_recording(
            replace(made.robot(2), views=(view,)), tmp_path / "run.hdf5", compress=False
        )
    assert not list(tmp_path.iterdir())


def test_a_recording_without_pictures_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="as MCAP"):
        write_recording(replace(made.robot(2), views=()), tmp_path / "run.hdf5")


def test_without_h5py_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ExportError, match=r"pip install 'scenekeeper\[hdf5\]'"):
        write_recording(made.robot(2), tmp_path / "run.hdf5")
    assert not list(tmp_path.iterdir())
