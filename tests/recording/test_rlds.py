"""RLDS datasets of other people open as one recording per episode."""

from __future__ import annotations

import json
import shutil
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekeeper.errors import RecordingError
from scenekeeper.recording import Recording, open_recording, open_recordings, rlds, rlds_episode
from scenekeeper.recording.frames import frame_index, read_frames, signal_rows
from tests.recording import tiny_rlds
from tests.recording.tiny_rlds import HEIGHT, TASK, WIDTH, number

FILE = "cups-train.tfrecord-00000-of-00001"
NO_CLOCK = "RLDS keeps no times; they were synthesised at 10 steps a second."


def opened(root: Path) -> list[Recording]:
    recordings = rlds.open(root)
    assert recordings is not None
    return recordings


def level(recording: Recording, row: int) -> int:
    return int(next(recording.views[0].rgb.source.read([row])).mean().round())


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_every_episode_is_a_recording_with_pictures_numbers_and_task(tmp_path: Path) -> None:
    recordings = opened(tiny_rlds.write(tmp_path / "1.0.0", [(3, 2)]))
    assert [r.name for r in recordings] == ["cups-train_000000", "cups-train_000001"]
    for episode, (recording, n) in enumerate(zip(recordings, (3, 2), strict=True)):
        assert (recording.format, recording.task) == ("RLDS", TASK)
        assert recording.notes == (NO_CLOCK,)
        [view] = recording.views
        assert (view.camera.name, view.camera.width, view.camera.height) == ("image", WIDTH, HEIGHT)
        assert view.rgb.t_ns.tolist() == [k * 100_000_000 for k in range(n)]
        assert [level(recording, k) for k in range(n)] == [number(episode, k) for k in range(n)]
        state, action = recording.signals["observation/state"], recording.signals["action"]
        assert (state.kind, action.kind) == ("joint_state", "action")
        assert state.values[1].tolist() == [number(episode, 1), -number(episode, 1)]
        assert action.names == ("action.0", "action.1", "action.2")
        assert list(recording.signals) == ["observation/state", "action"]
    assert recordings[0].content != recordings[1].content


def test_pictures_are_given_as_the_files_they_are(tmp_path: Path) -> None:
    [recording] = opened(tiny_rlds.write(tmp_path / "1.0.0", [(3,)]))
    stored = recording.views[0].rgb.source.encoded(2)
    assert stored == (tiny_rlds.jpeg(2), "jpeg")


@pytest.mark.parametrize("place", ["cups/1.0.0", "cups", "."])
def test_a_version_its_dataset_and_the_folder_of_that_all_open(tmp_path: Path, place: str) -> None:
    tiny_rlds.write(tmp_path / "cups" / "1.0.0")
    assert len(open_recordings(tmp_path / place)) == 2


def test_the_newest_version_counts(tmp_path: Path) -> None:
    for version, lengths in (("1.9.0", [(2,)]), ("1.10.0", [(2, 2)]), ("0.1.0", [(2, 2, 2)])):
        tiny_rlds.write(tmp_path / version, lengths)
    assert len(opened(tmp_path)) == 2


def test_frames_and_signals_come_like_those_of_any_recording(tmp_path: Path) -> None:
    recording = opened(tiny_rlds.write(tmp_path / "1.0.0", [(3, 2)]))[1]
    frames = list(read_frames(recording, frame_index(recording)))
    assert [f.t_ns for f in frames] == [0, 100_000_000]
    assert len(signal_rows(recording)) == 4


def test_a_recording_moved_is_the_same_and_another_is_not(tmp_path: Path) -> None:
    before = opened(tiny_rlds.write(tmp_path / "a" / "1.0.0"))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert [r.content for r in opened(tmp_path / "b")] == [r.content for r in before]
    other = opened(tiny_rlds.write(tmp_path / "c" / "1.0.0", [(3, 4)]))
    assert other[1].content != before[1].content


def test_pictures_of_unstated_size_have_that_of_their_files(tmp_path: Path) -> None:
    steps = tiny_rlds.step_features()
    steps["observation"] = tiny_rlds.of(image=tiny_rlds.image(-1, -1, 3))
    [recording] = opened(tiny_rlds.write(tmp_path / "1.0.0", [(2,)], steps))
    camera = recording.views[0].camera
    assert (camera.width, camera.height) == (WIDTH, HEIGHT)


def test_nested_actions_are_actions_and_other_numbers_are_other(tmp_path: Path) -> None:
    steps = tiny_rlds.step_features(reward=tiny_rlds.tensor("float32"))
    steps["action"] = tiny_rlds.of(world_vector=tiny_rlds.tensor("float32", 3))

    def change(message: dict[str, Any], n: int) -> None:
        message["steps/action/world_vector"] = message.pop("steps/action")
        message["steps/reward"] = np.arange(n, dtype=np.float32)

    [recording] = opened(tiny_rlds.write(tmp_path / "1.0.0", [(3,)], steps, change))
    kinds = {name: s.kind for name, s in recording.signals.items()}
    assert kinds["action/world_vector"] == "action" and kinds["reward"] == "other"
    reward = recording.signals["reward"]
    assert (reward.names, reward.values.tolist()) == (("reward",), [[0], [1], [2]])


def test_the_task_is_found_below_observation_too_and_empty_ones_are_none(tmp_path: Path) -> None:
    steps = tiny_rlds.step_features()
    children = steps["observation"]["featuresDict"]["features"]
    children["natural_language_instruction"] = tiny_rlds.text()
    del steps["language_instruction"]

    def change(message: dict[str, Any], n: int) -> None:
        del message["steps/language_instruction"]
        texts = [b"grasp"] * (n - 1) + [b"lift"] if n == 3 else [b""] * n
        message["steps/observation/natural_language_instruction"] = texts

    found = opened(tiny_rlds.write(tmp_path / "1.0.0", [(3, 2)], steps, change))
    assert [r.task for r in found] == ["grasp; lift", None]


@pytest.mark.parametrize("encoding", ["png", "none", "zlib", "bytes"])
def test_depth_comes_in_metres_however_it_is_stored(tmp_path: Path, encoding: str) -> None:
    depth = tiny_rlds.tensor("float32", HEIGHT, WIDTH, 1, encoding=encoding)
    if encoding == "png":
        depth = tiny_rlds.image(HEIGHT, WIDTH, 1, dtype="uint16", format="png")
    steps = tiny_rlds.step_features()
    steps["observation"]["featuresDict"]["features"]["depth"] = depth

    def change(message: dict[str, Any], n: int) -> None:
        pictures: Any = [np.full((HEIGHT, WIDTH), 1.5 + k, np.float32) for k in range(n)]
        data = {
            "png": lambda: [tiny_rlds.png16(1500 + 1000 * k) for k in range(n)],
            "none": lambda: np.concatenate([p.ravel() for p in pictures]),
            "zlib": lambda: [zlib.compress(p.tobytes()) for p in pictures],
            "bytes": lambda: [p.tobytes() for p in pictures],
        }
        message["steps/observation/depth"] = data[encoding]()

    [recording] = opened(tiny_rlds.write(tmp_path / "1.0.0", [(2,)], steps, change))
    [view] = recording.views
    assert view.depth is not None
    first, second = view.depth.source.read([0, 1])
    assert first.dtype == np.float32 and first.shape == (HEIGHT, WIDTH)
    assert (first.mean(), second.mean()) == (1.5, 2.5)
    assert (view.depth.source.encoded(0) is not None) == (encoding == "png")
    said = any("read as millimetres" in note for note in recording.notes)
    assert said == (encoding == "png")


def test_each_depth_goes_with_the_camera_of_its_name(tmp_path: Path) -> None:
    steps = tiny_rlds.step_features()
    depth = tiny_rlds.image(HEIGHT, WIDTH, 1, dtype="uint16", format="png")
    color = tiny_rlds.image(HEIGHT, WIDTH, 3)
    names = {"image_0": color, "image_1": color, "depth_1": depth, "depth_7": depth}
    steps["observation"] = tiny_rlds.of(**names)

    def change(message: dict[str, Any], n: int) -> None:
        for name in names:
            data = tiny_rlds.jpeg(9) if name.startswith("image") else tiny_rlds.png16(9)
            message[f"steps/observation/{name}"] = [data] * n

    [recording] = opened(tiny_rlds.write(tmp_path / "1.0.0", [(2,)], steps, change))
    assert [v.depth is not None for v in recording.views] == [False, True]
    assert "Depth observation/depth_7 belongs to no camera" in "\n".join(recording.notes)


def test_what_is_not_read_is_named(tmp_path: Path) -> None:
    boxes = tiny_rlds.sequence(tiny_rlds.tensor("float32", 4), "sequence_feature.Sequence")
    huge = tiny_rlds.tensor("float32", 200, 200)
    steps = tiny_rlds.step_features(boxes=boxes, huge=huge)
    [recording] = opened(tiny_rlds.write(tmp_path / "1.0.0", [(2,)], steps))
    assert recording.notes[-1].endswith("are not read: boxes, huge.")


# --- damage ---------------------------------------------------------------------------------------


def test_a_cut_file_gives_the_episodes_before_the_cut_and_says_so(tmp_path: Path) -> None:
    root = tiny_rlds.write(tmp_path / "1.0.0", [(3, 2)])
    data = (root / FILE).read_bytes()
    (root / FILE).write_bytes(data[:-100])
    [recording] = opened(root)
    assert f"{FILE} holds 1 of 2 episodes: the file is cut in record 1" in recording.notes[-1]
    assert level(recording, 2) == number(0, 2)


def test_damaged_bytes_are_an_error_when_they_are_read_and_of_that_episode_alone(
    tmp_path: Path,
) -> None:
    root = tiny_rlds.write(tmp_path / "1.0.0", [(3, 2)])
    data = bytearray((root / FILE).read_bytes())
    data[data.index(b"\xff\xd8\xff") + 200] ^= 1
    (root / FILE).write_bytes(data)
    first, second = opened(root)
    with pytest.raises(RecordingError, match=r"record 0 at byte 0: its checksum is wrong") as error:
        next(first.views[0].rgb.source.read([0]))
    assert error.value.path == root / FILE
    assert level(second, 1) == number(1, 1)


def test_missing_files_leave_the_numbers_of_the_others_as_they_are(tmp_path: Path) -> None:
    root = tiny_rlds.write(tmp_path / "1.0.0", [(3, 2), (2,), (2, 2)])
    (root / "cups-train.tfrecord-00001-of-00003").unlink()
    recordings = opened(root)
    assert [r.name[-1] for r in recordings] == ["0", "1", "3", "4"]
    assert [level(r, 0) for r in recordings] == [number(k, 0) for k in (0, 1, 3, 4)]
    assert "Split 'train': 1 of 3 files are not here, from number 1 on." in recordings[0].notes


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update({"steps/is_first": np.zeros(0, np.int64)}), "make no steps"),
        (lambda m: m.clear(), "it has no steps"),
    ],
)
def test_an_episode_that_is_none_is_left_out_with_a_reason(
    tmp_path: Path, change: Callable[..., object], said: str
) -> None:
    def second(message: dict[str, Any], n: int) -> None:
        if n == 2:
            change(message)

    [recording] = opened(tiny_rlds.write(tmp_path / "1.0.0", [(3, 2)], change=second))
    assert said in recording.notes[-1] and "Episode 1 of 'train' is left out" in recording.notes[-1]


def test_numbers_that_do_not_match_their_shape_are_an_error_that_names_them(tmp_path: Path) -> None:
    def change(message: dict[str, Any], n: int) -> None:
        message["steps/action"] = message["steps/action"][:-1]

    [recording] = opened(tiny_rlds.write(tmp_path / "1.0.0", [(3,)], change=change))
    with pytest.raises(RecordingError, match="8 values of action for 3 steps of 3"):
        recording.signals["action"]
    assert level(recording, 1) == 1


def test_a_picture_of_another_size_is_an_error_that_names_its_step(tmp_path: Path) -> None:
    def change(message: dict[str, Any], n: int) -> None:
        message["steps/observation/image"][1] = tiny_rlds.jpeg(5, WIDTH + 1)

    [recording] = opened(tiny_rlds.write(tmp_path / "1.0.0", [(3,)], change=change))
    assert level(recording, 2) == 2
    with pytest.raises(RecordingError, match=r"observation/image, step 1: the picture is 17x12"):
        level(recording, 1)


def test_files_without_a_word_on_what_is_in_them_are_refused(tmp_path: Path) -> None:
    root = tiny_rlds.write(tmp_path / "1.0.0")
    (root / "features.json").unlink()
    with pytest.raises(RecordingError, match=r"holds 1 TFRecord files and no features\.json"):
        open_recordings(root)


def test_one_file_of_a_dataset_is_answered_with_the_folder_to_open(tmp_path: Path) -> None:
    root = tiny_rlds.write(tmp_path / "1.0.0")
    with pytest.raises(RecordingError, match=f"Open its folder: {root}"):
        open_recordings(root / FILE)


def test_a_dataset_without_its_files_is_refused(tmp_path: Path) -> None:
    root = tiny_rlds.write(tmp_path / "1.0.0")
    (root / FILE).unlink()
    with pytest.raises(RecordingError, match=r"none of its episodes can be read\. Split 'train'"):
        open_recordings(root)


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("dataset_info.json", lambda v: v.update(fileFormat="array_record"), "'array_record'"),
        (
            "features.json",
            lambda v: v["featuresDict"]["features"].pop("steps"),
            r"declares no steps as RLDS does \(KeyError\('steps'\)\)",
        ),
    ],
)
def test_other_datasets_of_tensorflow_are_refused_with_a_reason(
    tmp_path: Path, file: str, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    root = tiny_rlds.write(tmp_path / "1.0.0")
    edit(root / file, change)
    with pytest.raises(RecordingError, match=said):
        rlds.open(root)


def test_folders_of_other_formats_are_not_claimed(tmp_path: Path) -> None:
    (tmp_path / "features.json").write_text('{"camera": "none of ours"}')
    assert rlds.open(tmp_path) is None
    assert rlds.open(tmp_path / "features.json") is None


# --- speed and threads ----------------------------------------------------------------------------


def test_a_record_is_decoded_once_for_all_its_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    plain = rlds_episode.load
    monkeypatch.setattr(rlds_episode, "load", lambda r: loaded.append(r.number) or plain(r))
    first, second = opened(tiny_rlds.write(tmp_path / "1.0.0", [(3, 2)]))
    assert loaded == []
    assert [level(first, k) for k in range(3)] == [0, 1, 2]
    assert len(signal_rows(first)) == 6 and level(second, 0) == number(1, 0)
    assert loaded == [0, 1]


def test_several_threads_may_read_at_once(tmp_path: Path) -> None:
    recordings = opened(tiny_rlds.write(tmp_path / "1.0.0", [(3, 2, 3)]))
    jobs = [(e, k) for k in range(2) for e in range(3)] * 5
    with ThreadPoolExecutor(4) as pool:
        levels = list(pool.map(lambda job: level(recordings[job[0]], job[1]), jobs))
    assert levels == [number(episode, step) for episode, step in jobs]


def test_real_bridge_data_opens_in_a_few_milliseconds_an_episode(shared_data: Path) -> None:
    if not (shared_data / "bridge_rlds").is_dir():
        pytest.skip("the Bridge episodes are not here")
    start = time.process_time()
    recordings = opened(shared_data / "bridge_rlds")
    assert (time.process_time() - start) / len(recordings) < 0.01  # 0.7 ms on a quiet machine
    assert len(recordings) == 25 and recordings[0].name == "bridge_dataset-train_000000"
    recording = open_recording(f"{shared_data / 'bridge_rlds'}#000003")
    assert recording.task == "turn lever vertical to front"
    assert "Split 'val': 1 of 1 files are not here, from number 0 on." in recording.notes
    assert {v.camera.name for v in recording.views} == {f"image_{k}" for k in range(4)}
    frames = list(read_frames(recording, frame_index(recording)))
    assert {f.rgb.shape for f in frames} == {(64, 64, 3)} and len(frames) == 40
    assert recording.signals["observation/state"].values.shape == (10, 7)
    assert recording.signals["language_embedding"].values.shape == (10, 512)
