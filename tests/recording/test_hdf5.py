"""HDF5 episodes of ALOHA open under any name, whole or as a folder, and say what is wrong."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import pytest
import simplejpeg

from scenekeeper.errors import RecordingError
from scenekeeper.exchange.recording_hdf5 import write_recording
from scenekeeper.recording import open_recording, open_recordings
from scenekeeper.recording.frames import frame_index, read_frames
from tests.exchange import made_recordings as made
from tests.recording import tiny_hdf5


@pytest.mark.parametrize("compress", [False, True])
def test_a_plain_episode_opens_under_any_name_at_50_hz(tmp_path: Path, compress: bool) -> None:
    path = tiny_hdf5.write(tmp_path / "a.hdf5", 4, compress).rename(tmp_path / "cup.dat")
    found = open_recording(path)
    assert (found.name, found.format) == ("cup", "ALOHA HDF5")
    assert "50 Hz" in found.notes[0]
    assert any("red in place of blue" in note for note in found.notes) is compress
    assert [view.camera.name for view in found.views] == ["cam_high", "cam_low"]
    for number, view in ((1, found.views[0]), (0, found.views[1])):
        assert view.rgb.t_ns.tolist() == [0, 20_000_000, 40_000_000, 60_000_000]
        read = np.stack(list(view.rgb.source.read(range(4))))
        expected = tiny_hdf5.pictures(4, number)
        if compress:  # as OpenCV gives back what it was given
            files = [tiny_hdf5.encoded(picture) for picture in expected]
            expected = np.stack([simplejpeg.decode_jpeg(f, colorspace="BGR") for f in files])
        assert view.rgb.source.encoded(0) is None
        assert np.array_equal(read, expected)


def test_a_plain_episode_keeps_its_numbers_apart_and_names_their_kinds(tmp_path: Path) -> None:
    path = tiny_hdf5.write(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        file["base_action"] = np.zeros((5, 2))
        for key in ("observations/images_depth", "observations/images/cam_depth"):
            file[key] = np.zeros((5, 4, 4), np.uint16)
    found = open_recording(path)
    kinds = {name: signal.kind for name, signal in found.signals.items()}
    assert kinds == {
        "observations/effort": "other",
        "observations/qpos": "joint_state",
        "observations/qvel": "other",
        "action": "action",
        "base_action": "action",
    }
    qpos = found.signals["observations/qpos"]
    assert qpos.names == ("qpos.0", "qpos.1", "qpos.2")
    assert np.array_equal(qpos.values, tiny_hdf5.table(5, 0))
    assert len(found.views) == 2
    assert found.notes[-1] == "Not read: observations/images/cam_depth, observations/images_depth."


def test_opening_reads_no_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tiny_hdf5.write(tmp_path / "a.hdf5")
    read = h5py.Dataset.__getitem__

    def watched(self, *args, **options):
        assert self.ndim < 3, f"{self.name} is read"
        return read(self, *args, **options)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", watched)
    assert len(frame_index(open_recording(path))) == 10


def test_pictures_come_right_to_several_threads_at_once(tmp_path: Path) -> None:
    found = open_recording(tiny_hdf5.write(tmp_path / "a.hdf5", 12, True))
    source = found.views[0].rgb.source
    expected = list(source.read(range(12)))
    rows = [k % 12 for k in range(48)]
    with ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda row: next(iter(source.read([row]))), rows))
    assert all(np.array_equal(a, expected[row]) for a, row in zip(read, rows, strict=True))


def test_a_folder_holds_one_recording_per_file_in_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 2, 0):
        tiny_hdf5.write(tmp_path / "cups" / f"episode_{number}.hdf5", number + 1)
    (tmp_path / "cups" / "episode_1.hdf5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"x" * 99)
    (tmp_path / "cups" / "notes.txt").write_text("hello")
    found = open_recordings(tmp_path / "cups")
    assert [r.name for r in found] == [f"cups-episode_{k}" for k in (0, 2, 10)]
    assert all("episode_1.hdf5 is left out" in r.notes[-1] for r in found)
    assert len(open_recording(f"{tmp_path / 'cups'}#episode_2").views[0].rgb) == 3


def test_an_episode_with_joints_alone_opens(tmp_path: Path) -> None:
    path = tiny_hdf5.write(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        del file["observations/images"]
    found = open_recording(path)
    assert found.views == () and "action" in found.signals


def test_another_hdf5_file_is_not_taken_for_an_episode(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["observation/state"] = np.zeros((3, 2))
    for path in (tmp_path, tmp_path / "a.hdf5"):
        with pytest.raises(RecordingError, match=r"no reader knows.*HDF5"):
            open_recordings(path)


def test_robomimic_is_refused_by_name(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["data/demo_0/actions"] = np.zeros((3, 2))
    for path in (tmp_path, tmp_path / "a.hdf5"):
        with pytest.raises(RecordingError, match="robomimic layout is not read"):
            open_recordings(path)


def _without(key):
    return lambda file: file.__delitem__(key)


def _with(key, values):
    def change(file):
        del file[key]
        file[key] = values

    return change


def _elsewhere(file):
    with h5py.File(Path(file.filename).with_name("other.hdf5"), "w") as other:
        other["qpos"] = np.zeros((5, 3))
    del file["observations/qpos"]
    file["observations/qpos"] = h5py.ExternalLink("other.hdf5", "/qpos")


def _outside(file):
    del file["action"]
    secret = str(Path(file.filename).with_name("secret"))
    Path(secret).write_bytes(bytes(60))
    file.create_dataset("action", (5, 3), np.float32, external=[(secret, 0, 60)])


@pytest.mark.parametrize(
    ("change", "place", "said"),
    [
        (_without("action"), "action", "is missing"),
        (_without("observations/qpos"), "observations/qpos", "is missing"),
        (_with("action", np.zeros(5)), "action", r"float64 \[5\]"),
        (_with("action", np.zeros((5, 2), "S3")), "action", "not expected"),
        (_with("observations/qpos", np.zeros((4, 3))), "observations/qpos", "has 4 rows"),
        (
            _with("observations/images/cam_low", np.zeros((5, 4, 4, 4), np.uint8)),
            "observations/images/cam_low",
            r"not uint8 \[T, H, W, 3\]",
        ),
        (
            _with("observations/images/cam_low", np.zeros((5, 4, 4, 3), np.float32)),
            "observations/images/cam_low",
            "float32",
        ),
        (
            _with("observations/images/cam_low", np.ones((5, 9), np.uint8)),
            "observations/images/cam_low",
            "no picture that can be read",
        ),
        (_outside, "action", "lies in another file"),
    ],
)
def test_what_is_wrong_is_an_error_that_names_file_and_place(
    tmp_path: Path, change, place: str, said: str
) -> None:
    path = tiny_hdf5.write(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(RecordingError, match=said) as caught:
        open_recording(path)
    assert str(caught.value.path) == str(path) and caught.value.place == place


def test_a_table_that_lies_in_another_file_is_refused(tmp_path: Path) -> None:
    path = tiny_hdf5.write(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        _elsewhere(file)
    with pytest.raises(RecordingError, match="lies in another file"):
        _ = open_recording(path).signals["observations/qpos"]


def test_a_truncated_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tiny_hdf5.write(tmp_path / "a.hdf5")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(RecordingError, match=r"a\.hdf5.*truncated file.*Copy it again"):
        open_recording(path)


def test_a_damaged_picture_is_refused_by_row_and_the_others_are_read(tmp_path: Path) -> None:
    path = tiny_hdf5.write(tmp_path / "a.hdf5", compress=True)
    with h5py.File(path, "r+") as file:
        file["observations/images/cam_low"][2, 100:] = 7
        file["observations/images/cam_low"][3] = 0
    source = open_recording(path).view("cam_low").rgb.source
    assert len(list(source.read([0, 1, 4]))) == 3
    for row in (2, 3):
        with pytest.raises(RecordingError, match=rf"cam_low row {row}: "):
            list(source.read([row]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_with("scenekeeper/facts", np.bytes_(b"{}")), "scenekeeper/facts: does not say"),
        (_without("scenekeeper/facts"), "scenekeeper/facts: does not say"),
        (_without("observations/images/head"), "scenekeeper/facts: does not say"),
        (_without("scenekeeper/cameras/1/t_ns"), "scenekeeper/cameras/1/t_ns: is missing"),
        (_with("scenekeeper/cameras/0/t_ns", np.arange(3)), "3 times for 4 pictures"),
        (_with("scenekeeper/cameras/0/t_ns", -np.arange(4)), "times do not ascend"),
        (_with("scenekeeper/cameras/0/depth_t_ns", np.zeros(4, int)), "repeats a time"),
        (_with("scenekeeper/cameras/0/depth", np.zeros((4, 3, 2), "u2")), "its pictures 2x3"),
        (_with("scenekeeper/cameras/1/depth", np.zeros((4, 12, 16), "i4")), "is int32"),
        (_with("compress_len", np.zeros((1, 4))), "cannot be read"),
        (_without("scenekeeper/signals/4"), "signals/4/t_ns: is missing"),
    ],
)
def test_nonsense_in_the_group_of_ours_is_an_error_that_says_where(
    tmp_path: Path, change, said: str
) -> None:
    path = tmp_path / "run.hdf5"
    write_recording(made.robot(4), path)
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(RecordingError, match=said) as caught:
        open_recording(path)
    assert str(caught.value.path) == str(path) and caught.value.remedy != ""


def test_a_file_of_ours_without_the_group_is_plain_aloha(tmp_path: Path) -> None:
    path = tmp_path / "run.hdf5"
    write_recording(made.robot(4), path)
    with h5py.File(path, "r+") as file:
        del file["scenekeeper"]
    found = open_recording(path)
    assert found.format == "ALOHA HDF5"
    assert len(list(read_frames(found, frame_index(found)))) == 8


def test_without_h5py_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tiny_hdf5.write(tmp_path / "a.hdf5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(RecordingError, match=r"pip install 'scenekeeper\[hdf5\]'"):
        open_recording(path)
