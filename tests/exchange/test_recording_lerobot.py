"""Recordings written as a LeRobot dataset read back the same, but for what video loses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scenekeeper.errors import ExportError, RecordingError
from scenekeeper.exchange.encoded import depth_as_fits, png
from scenekeeper.exchange.recording_lerobot import write_recordings
from scenekeeper.recording import lerobot, open_recording, open_recordings
from scenekeeper.recording.base import Encoded, Images, Recording
from scenekeeper.recording.depth_codecs import png16
from scenekeeper.recording.frames import frame_index
from scenekeeper.recording.lerobot_kept import DEPTH_UNITS
from tests.exchange import made_recordings as made

TOLERANCE = 1e-5
HEAD, WRIST = "observation.images.head", "observation.images.wrist_rgb"


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(np.float64) - b) ** 2)))


def same_pictures(a: Images, b: Images) -> None:
    """Each picture is at its own time, and nearest to itself among all that were written."""
    assert np.array_equal(a.t_ns, b.t_ns)
    before = list(a.source.read(range(len(a))))
    for row, picture in enumerate(b.source.read(range(len(b)))):
        likeness = [psnr(other, picture) for other in before]
        assert int(np.argmax(likeness)) == row and likeness[row] > 30


def same(a: Recording, b: Recording) -> None:
    assert a.task == b.task and len(a.views) == len(b.views)
    for before, after in zip(a.views, b.views, strict=True):
        made.same_calibration(before, after)
        same_pictures(before.rgb, after.rgb)
        assert (before.depth is None) == (after.depth is None)
        if before.depth is not None:
            made.same_images(before.depth, after.depth, TOLERANCE)
    made.same_signals(a, b)


def with_head(recording: Recording, **changes: object) -> Recording:
    """The recording with the head camera alone, changed as told."""
    return replace(recording, views=(replace(recording.views[0], **changes),))


def of_depth(pictures: Sequence[np.ndarray], files: Sequence[Encoded] | None = None) -> Recording:
    """A recording whose head camera has this depth."""
    n = len(pictures)
    return with_head(made.robot(n), depth=Images(made.times(n), made.Stored(pictures, files)))


def written(path: Path, *recordings: Recording, **options: int) -> list[Recording]:
    write_recordings(recordings, path, **options)
    return open_recordings(path)


# --- the same again -------------------------------------------------------------------------------


@pytest.mark.parametrize("one_clock", [False, True])
def test_everything_reads_back_the_same(tmp_path: Path, one_clock: bool) -> None:
    before = [made.robot(6, "a", one_clock), made.robot(9, "b", one_clock)]
    before[1] = replace(before[1], task=None)
    after = written(tmp_path / "day", *before)
    assert [r.name for r in after] == ["day-episode_000000", "day-episode_000001"]
    assert {r.format for r in after} == {"LeRobot v3.0 (scenekeeper)"}
    assert [r.notes for r in after] == [(), ()]
    for a, b in zip(before, after, strict=True):
        same(a, b)


def test_reading_back_and_writing_again_keeps_all_but_pictures_to_the_byte(tmp_path: Path) -> None:
    before = [made.robot(4, "a"), made.robot(5, "b")]
    write_recordings(before, tmp_path / "1" / "day")
    write_recordings(open_recordings(tmp_path / "1" / "day"), tmp_path / "2" / "day")
    for a, b in zip(before, open_recordings(tmp_path / "2" / "day"), strict=True):
        same(a, b)
    files = sorted((tmp_path / "1").glob("day/depth/*/*"))
    assert len(files) == 4
    for file in files:
        again = tmp_path / "2" / file.relative_to(tmp_path / "1")
        assert again.read_bytes() == file.read_bytes()


def test_every_picture_stands_once_though_the_clock_trembles(tmp_path: Path) -> None:
    before = with_head(made.robot(12), depth=None)
    trembling = made.times(12) + np.random.default_rng(0).integers(-9_000_000, 9_000_000, 12)
    view = before.views[0]
    before = with_head(before, rgb=Images(trembling, view.rgb.source))
    [after] = written(tmp_path / "day", before, fps=30)
    same(before, after)


def test_frames_are_aligned_as_they_were(tmp_path: Path) -> None:
    before = made.robot(6, one_clock=True)
    [after] = written(tmp_path / "day", before)
    columns = ["camera", "t_ns", "rgb_row", "depth_row", "depth_residual_ns", "pose"]
    assert frame_index(after).select(columns) == frame_index(before).select(columns)


def test_an_odd_row_is_cut_off_colour_and_depth_alike(tmp_path: Path) -> None:
    before = made.robot(3)
    view = before.views[0]
    small = replace(
        view,
        camera=replace(view.camera, width=made.WIDTH - 1, height=made.HEIGHT - 1),
        rgb=Images(view.rgb.t_ns, made.color(3, False, made.WIDTH - 1, made.HEIGHT - 1)),
        depth=Images(view.depth.t_ns, made.depth(3, made.WIDTH - 1, made.HEIGHT - 1)),
    )
    path = tmp_path / "day"
    notes = write_recordings([replace(before, views=(small,))], path).notes
    assert "An odd last row or column of camera 'head' is cut off." in notes
    [after] = open_recordings(path)
    camera = after.views[0].camera
    assert (camera.width, camera.height) == (made.WIDTH - 2, made.HEIGHT - 2)
    assert np.array_equal(camera.intrinsics, made.K) and after.views[0].depth_camera is None
    found = next(after.views[0].depth.source.read([1]))
    expected = small.depth.source.arrays[1][:-1, :-1]
    assert np.abs(found - expected).max() < TOLERANCE


def test_a_colour_camera_called_depth_is_no_depth(tmp_path: Path) -> None:
    before = made.robot(3)
    view = before.views[0]
    before = with_head(before, camera=replace(view.camera, name="Depth sensor's colour"))
    [after] = written(tmp_path / "day", before)
    same(before, after)


def test_a_real_kinect_recording_reads_back_the_same(kitchen: Path, tmp_path: Path) -> None:
    before = made.every(open_recording(kitchen), 60)
    [after] = written(tmp_path / "day", before)
    same(before, after)
    a, b = (recording.views[0].depth.source for recording in (before, after))
    assert [b.encoded(k) for k in range(5)] == [a.encoded(k) for k in range(5)]


# --- depth ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_metre", [1000, 5000, 6553.5])
def test_depth_files_are_kept_byte_for_byte(tmp_path: Path, per_metre: float) -> None:
    numbers = [made.depth(1).arrays[0] * 1000 + 3 * k for k in range(2)]
    numbers = [n.astype(np.uint16) for n in numbers]
    files = [Encoded(png(n), "png") for n in numbers]
    [after] = written(
        tmp_path / "day", of_depth([(n / per_metre).astype(np.float32) for n in numbers], files)
    )
    assert [after.views[0].depth.source.encoded(k) for k in range(2)] == files


def test_saturated_millimetres_stay_unknown(tmp_path: Path) -> None:
    numbers = np.full((made.HEIGHT, made.WIDTH), 65535, np.uint16)
    numbers[1] = 1234
    depth = np.where(numbers == 65535, 0, numbers / 1000).astype(np.float32)
    before = of_depth([depth] * 2, [Encoded(png(numbers), "png")] * 2)
    [after] = written(tmp_path / "day", before)
    made.same_images(before.views[0].depth, after.views[0].depth, TOLERANCE)
    assert after.views[0].depth.source.encoded(1) == before.views[0].depth.source.encoded(1)


def test_depth_finer_than_16_bits_is_kept_as_metres(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).uniform(0, 90, (20, made.HEIGHT, made.WIDTH))
    before = of_depth(list(pictures.astype(np.float32)))
    [after] = written(tmp_path / "day", before)
    made.same_images(before.views[0].depth, after.views[0].depth)
    assert after.views[0].depth.source.encoded(19) is None


@given(
    arrays(np.float32, (3, 4), elements=st.floats(0, 100, width=32)),
    st.sampled_from([None, 1000, 5000, 6553.5]),
)
def test_any_depth_is_kept_to_a_hundredth_of_a_millimetre(depth, per_metre) -> None:
    if per_metre is not None:
        depth = (np.rint(depth * per_metre) / per_metre).astype(np.float32)
    data, units = depth_as_fits(None, depth, list(DEPTH_UNITS.values()))
    if units is None:
        read = np.frombuffer(data, "<f4").reshape(depth.shape)
    else:
        read = DEPTH_UNITS[units.per_metre].table().take(png16(data))
    assert np.abs(read - depth).max() <= TOLERANCE


# --- what LeRobot sees ----------------------------------------------------------------------------


def test_a_lerobot_reader_that_knows_nothing_of_us_gets_frames_state_action_and_task(
    tmp_path: Path,
) -> None:
    before = made.robot(6, one_clock=True)
    write_recordings([before], tmp_path / "day")
    [plain] = lerobot.open(tmp_path / "day")
    assert (plain.format, plain.task, plain.notes) == ("LeRobot v3.0", made.TASK, ())
    assert [len(view.rgb) for view in plain.views] == [6, 6]
    for role, name in {"observation.state": "joints", "action": "command"}.items():
        assert plain.signals[role].names == before.signals[name].names
        assert np.array_equal(plain.signals[role].values, before.signals[name].values)


def test_the_timeline_says_when_what_stands_at_a_frame_was_taken(tmp_path: Path) -> None:
    before = made.robot(6)
    write_recordings([before], tmp_path / "day")
    rows = pq.read_table(tmp_path / "day" / "timeline.parquet").to_pylist()
    streams = {HEAD: before.views[0].rgb.t_ns, WRIST: before.views[1].rgb.t_ns}
    assert {r["stream"] for r in rows} == {"joints", "command", *streams}
    for stream, t_ns in streams.items():
        assert [r["t_ns"] for r in rows if r["stream"] == stream] == t_ns.tolist()


def test_without_our_file_the_folder_is_plain_lerobot(tmp_path: Path) -> None:
    write_recordings([made.robot(3)], tmp_path / "day")
    (tmp_path / "day" / "scenekeeper.json").unlink()
    [plain] = open_recordings(tmp_path / "day")
    assert plain.format == "LeRobot v3.0" and plain.views[0].depth is None


def test_an_episode_of_which_nothing_is_kept_is_plain_lerobot(tmp_path: Path) -> None:
    before = made.robot(3)
    write_recordings([before, before], tmp_path / "day")
    file = tmp_path / "day" / "scenekeeper.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({"recordings": content["recordings"][1:]}))
    plain, whole = open_recordings(tmp_path / "day")
    assert plain.format == "LeRobot v3.0" and plain.views[0].depth is None
    same(before, whole)


# --- what is left out -----------------------------------------------------------------------------


def test_pictures_between_the_frames_of_a_lower_rate_are_told(tmp_path: Path) -> None:
    before = made.alone(made.robot(7))
    notes = write_recordings([before], tmp_path / "day", fps=10).notes
    said = "Session run: 4 of 7 pictures of camera 'head' fall between the frames and are left out."
    assert said in notes
    [after] = open_recordings(tmp_path / "day")
    assert np.array_equal(after.views[0].rgb.t_ns, before.views[0].rgb.t_ns[::3])
    made.same_images(before.views[0].depth, after.views[0].depth, TOLERANCE)


def test_pictures_that_stand_at_several_frames_read_back_once(tmp_path: Path) -> None:
    before = made.alone(made.robot(5))
    notes = write_recordings([before], tmp_path / "day", fps=75).notes
    assert any("6 of 11 frames repeat the one before" in note for note in notes)
    same(before, open_recordings(tmp_path / "day")[0])


def test_cameras_and_signals_that_not_all_have_are_told(tmp_path: Path) -> None:
    one, two = made.robot(3, "one"), made.alone(made.robot(3, "two"))
    two = replace(two, signals={k: s for k, s in two.signals.items() if k != "command"})
    notes = write_recordings([one, two], tmp_path / "day").notes
    assert "Camera '/wrist/rgb' is not in every session with the same size: left out." in notes
    assert any("signals.parquet alone: /imu, command, empty, head_pose." in n for n in notes)
    first, second = open_recordings(tmp_path / "day")
    same(made.alone(one), first)
    same(two, second)


@pytest.mark.parametrize(
    ("recordings", "fps", "said"),
    [
        ([], None, "no recording to write"),
        ([made.robot(2), replace(made.robot(2), views=())], None, "share no camera"),
        ([made.robot(2)], 0, "0 frames per second cannot be"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(
    tmp_path: Path, recordings, fps, said: str
) -> None:
    with pytest.raises(ExportError, match=said):
        write_recordings(recordings, tmp_path / "day", fps=fps)
    assert not list(tmp_path.iterdir())


def test_a_picture_that_is_not_as_large_as_its_camera_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"depth is \[2, 2\]"):
        write_recordings([of_depth([np.zeros((2, 2), np.float32)] * 2)], tmp_path / "day")
    assert not list(tmp_path.iterdir())


# --- damage ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kept") / "day"
    write_recordings([made.robot(3, "a"), made.robot(3, "b")], path)
    return path


@pytest.fixture
def copy(day: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(day, tmp_path / "day"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.update(scenekeeper=2), "version 2 is not known"),
        (lambda v: v.pop("signals"), "'signals'"),
        (lambda v: v.update(where={}), "'episode'"),
        (lambda v: v["where"].update(fps=0), "0 frames per second"),
        (lambda v: v["where"]["cameras"].pop(), "names 1 videos for 2 cameras"),
        (lambda v: v["where"]["cameras"][0].update(key="../x"), "is no feature"),
        (lambda v: v["where"]["cameras"][0].update(rows=[0, 2]), "2 times of 3 frames"),
        (lambda v: v["where"]["cameras"][0].update(rows=[1, 10**9]), "times of 3 frames"),
        (lambda v: v["where"]["cameras"][0].update(rows=[2, 5]), "do not ascend"),
        (lambda v: v["cameras"][0].update(width=22), "its video 24x16"),
    ],
)
def test_nonsense_beside_the_dataset_is_an_error_that_says_how_to_read_plain_lerobot(
    copy: Path, change, said: str
) -> None:
    file = copy / "scenekeeper.json"
    content = json.loads(file.read_text())
    change(content["recordings"][1])
    file.write_text(json.dumps(content))
    with pytest.raises(RecordingError, match=said) as caught:
        open_recordings(copy)
    assert caught.value.path == file and "remove" in caught.value.remedy


def test_text_that_is_no_json_is_an_error_that_names_the_file(copy: Path) -> None:
    (copy / "scenekeeper.json").write_text("{")
    with pytest.raises(RecordingError, match=r"scenekeeper\.json: .* or remove it to read"):
        open_recordings(copy)


@pytest.mark.parametrize("name", ["timeline.parquet", "signals.parquet"])
def test_a_table_that_is_not_there_is_an_error_that_names_it(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(RecordingError, match=name):
        open_recordings(copy)


def test_depth_that_is_not_there_is_left_out_and_told(copy: Path) -> None:
    (copy / "depth" / HEAD / "episode_000001.parquet").unlink()
    first, second = open_recordings(copy)
    assert first.views[0].depth is not None and first.notes == ()
    assert second.views[0].depth is None and second.views[1].depth is not None
    [note] = second.notes
    assert note.startswith("Depth of camera 'head' is left out: ") and "episode_000001" in note


def test_a_camera_whose_video_is_not_there_is_left_out_and_told(copy: Path) -> None:
    (copy / "videos" / WRIST / "chunk-000/file-000.mp4").unlink()
    for recording in open_recordings(copy):
        assert [view.camera.name for view in recording.views] == ["head"]
        assert "Camera wrist_rgb is left out" in recording.notes[0]


@pytest.mark.parametrize("at", [0.3, 0.6])
def test_damaged_depth_is_an_error_or_what_was_written(copy: Path, at: float) -> None:
    file = copy / "depth" / HEAD / "episode_000000.parquet"
    data = bytearray(file.read_bytes())
    data[int(len(data) * at)] ^= 0xFF
    file.write_bytes(data)
    recording = open_recordings(copy)[0]
    depth = recording.views[0].depth
    if depth is None:
        assert "episode_000000" in recording.notes[0]
    else:
        with pytest.raises(RecordingError, match="episode_000000"):
            list(depth.source.read(range(3)))


def test_the_same_bytes_elsewhere_are_the_same_recording_and_other_depth_is_another(
    day: Path, copy: Path
) -> None:
    assert [r.content for r in open_recordings(day)] == [r.content for r in open_recordings(copy)]
    depth = copy / "depth" / HEAD
    table = pq.read_table(depth / "episode_000000.parquet")
    pq.write_table(table.slice(1), depth / "episode_000000.parquet")
    changed = [r.content for r in open_recordings(copy)]
    assert changed[0] != open_recordings(day)[0].content
    assert changed[1] == open_recordings(day)[1].content
