from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from scenekeeper.errors import RecordingError
from scenekeeper.recording import Recording, lerobot, open_recording
from scenekeeper.recording.lerobot_meta import Feature
from scenekeeper.recording.lerobot_views import _camera
from tests.recording.tiny_lerobot import (
    CAMERA,
    FPS,
    TASK,
    first_number,
    info,
    rows,
    write_lines,
    write_v2,
    write_v3,
)
from tests.recording.tiny_videos import HEIGHT, WIDTH, grey, number_of

LENGTHS = (20, 13, 17)
DATA = "data/chunk-000/episode_000001.parquet"
VIDEO = f"videos/chunk-000/{CAMERA}/episode_000001.mp4"
Writer = Callable[[Path, Sequence[int]], Path]
both = pytest.mark.parametrize("write", [write_v2, write_v3])


def opened(root: Path) -> list[Recording]:
    recordings = lerobot.open(root)
    assert recordings is not None
    return recordings


def edit_info(root: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = root / "meta/info.json"
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def cut(path: Path, keep: float) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])


@both
def test_every_episode_becomes_a_recording_of_its_own_pictures(
    tmp_path: Path, write: Writer
) -> None:
    recordings = opened(write(tmp_path / "cups", LENGTHS))

    assert [r.name for r in recordings] == [f"cups-episode_{k:06d}" for k in range(3)]
    assert len({r.content for r in recordings}) == 3
    for k, recording in enumerate(recordings):
        [view] = recording.views
        assert (view.camera.name, view.camera.width, view.camera.height) == ("top", WIDTH, HEIGHT)
        assert (recording.task, recording.notes) == (TASK, ())
        assert len(view.rgb) == LENGTHS[k]
        for wanted in ([0], [LENGTHS[k] - 1], [2, 3, 11], range(LENGTHS[k])):
            found = [number_of(picture) for picture in view.rgb.source.read(wanted)]
            assert found == [first_number(k, row) for row in wanted]


@both
def test_signals_are_named_typed_and_on_the_clock_of_the_pictures(
    tmp_path: Path, write: Writer
) -> None:
    recording = opened(write(tmp_path / "cups", LENGTHS))[1]

    assert {k: s.kind for k, s in recording.signals.items()} == {
        "observation.state": "joint_state",
        "action": "action",
        "next.done": "other",
    }
    state = recording.signals["observation.state"]
    assert state.names == ("hip", "knee") == recording.signals["action"].names
    assert recording.signals["next.done"].names == ("next.done.0",)
    assert state.values[:, 0].tolist() == [first_number(1, row) for row in range(LENGTHS[1])]
    assert state.t_ns.tolist() == recording.views[0].rgb.t_ns.tolist()
    assert state.t_ns.tolist() == [round(row * 10**9 / FPS) for row in range(LENGTHS[1])]


def test_v2_0_opens_like_v2_1(tmp_path: Path) -> None:
    recordings = opened(write_v2(tmp_path / "old", (3,), "v2.0"))

    assert [r.format for r in recordings] == ["LeRobot v2.0"]


def test_one_episode_is_picked_by_the_end_of_its_name(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "cups", LENGTHS)

    assert open_recording(f"{root}#episode_000002").name == "cups-episode_000002"


@both
def test_a_moved_dataset_keeps_its_fingerprints(tmp_path: Path, write: Writer) -> None:
    root = write(tmp_path / "cups", LENGTHS)
    before = [r.content for r in opened(root)]
    moved = shutil.move(root, tmp_path / "elsewhere")

    assert [r.content for r in opened(Path(moved))] == before


def test_opening_opens_no_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_v3(tmp_path / "cups", LENGTHS)

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a video was opened")

    monkeypatch.setattr(av, "open", refuse)
    assert len(opened(root)) == 3


def test_times_that_leave_the_frame_rate_are_kept(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "cups", (4,))
    stamps = pa.array([0.0, 0.033, 0.5, 0.6], pa.float32())
    table = rows(0, 4)
    position = table.column_names.index("timestamp")
    path = root / "data/chunk-000/episode_000000.parquet"
    pq.write_table(table.set_column(position, "timestamp", stamps), path)

    state = opened(root)[0].signals["action"]
    assert np.abs(state.t_ns - [0, 33_000_000, 500_000_000, 600_000_000]).max() < 100


def test_the_task_is_looked_up_when_the_episode_does_not_name_it(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "cups", (4,))
    write_lines(root / "meta/episodes.jsonl", [{"episode_index": 0, "length": 4}])

    assert opened(root)[0].task == TASK


def test_episodes_that_are_not_on_disk_are_left_out_with_one_note(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "cups", LENGTHS)
    (root / DATA).unlink()

    recordings = opened(root)
    assert [r.name[-1] for r in recordings] == ["0", "2"]
    assert {r.notes for r in recordings} == {
        ("1 of 3 episodes are not on disk and are left out: 1.",)
    }


@pytest.mark.parametrize("broken", [DATA, VIDEO])
def test_a_damaged_episode_is_left_out_and_named(tmp_path: Path, broken: str) -> None:
    root = write_v2(tmp_path / "cups", LENGTHS)
    cut(root / broken, 0.1)

    recordings = opened(root)
    assert len(recordings) == 2
    assert all("Episode 1 is left out" in r.notes[0] and broken in r.notes[0] for r in recordings)


def test_the_end_of_a_cut_video_is_left_out_with_a_note(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "cups", LENGTHS)
    cut(root / VIDEO, 0.93)

    recording = opened(root)[1]
    source = recording.views[0].rgb.source
    assert 3 < len(source) < LENGTHS[1]
    assert number_of(next(source.read([2]))) == first_number(1, 2)
    assert len(recording.signals["action"]) == LENGTHS[1]
    assert "ends early" in recording.notes[0]


def test_rows_past_the_end_of_their_video_never_show_the_next_episode(tmp_path: Path) -> None:
    root = write_v3(tmp_path / "cups", LENGTHS)
    path = root / "meta/episodes/chunk-000/file-000.parquet"
    episodes = pq.read_table(path).to_pylist()
    episodes[0][f"videos/{CAMERA}/to_timestamp"] -= 2 / FPS
    pq.write_table(pa.Table.from_pylist(episodes), path)

    recording = opened(root)[0]
    assert len(recording.views[0].rgb) == LENGTHS[0] - 2
    assert "18 of 20 pictures" in recording.notes[0]


def test_a_missing_camera_leaves_the_others(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "cups", (4,))
    extra = info("v2.1")["features"][CAMERA]
    edit_info(root, lambda value: value["features"].update({"observation.images.wrist": extra}))

    [recording] = opened(root)
    assert [v.camera.name for v in recording.views] == ["top"]
    assert "Camera wrist is left out" in recording.notes[0]


def test_nothing_on_disk_is_an_error_that_says_what_to_get(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "cups", LENGTHS)
    shutil.rmtree(root / "data")

    with pytest.raises(RecordingError, match=r"none of its 3 episodes.*data and videos"):
        lerobot.open(root)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda v: v.update(codebase_version="v1.6"), "v1.6"),
        (lambda v: v.update(fps=0), "fps is 0"),
        (lambda v: v.update(features=7), "declares no features"),
        (lambda v: v.update(data_path="../../{episode_index}"), "leads out of the dataset"),
        (lambda v: v.update(data_path="{nothing}"), "cannot be filled"),
        (lambda v: v["features"].update(action={"shape": "x"}), "action"),
    ],
)
def test_wrong_metadata_is_an_error_that_names_the_file(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    root = write_v2(tmp_path / "cups", (3,))
    edit_info(root, change)

    with pytest.raises(RecordingError, match=said) as caught:
        lerobot.open(root)
    assert "info.json" in str(caught.value)


def test_other_folders_are_left_to_other_readers(tmp_path: Path) -> None:
    assert lerobot.open(tmp_path) is None
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/info.json").write_text('{"name": "something else"}')
    assert lerobot.open(tmp_path) is None


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ([48, 64, 3], ["height", "width", "channel"]),
        ([3, 48, 64], ["channels", "height", "width"]),
        ([64, 48, 3], ["width", "height", "channel"]),
        ([3, 48, 64], None),
        ([48, 64, 3], None),
    ],
)
def test_the_camera_size_follows_the_axis_names(shape: list[int], names: list[str] | None) -> None:
    camera = _camera(Feature("a.b", "video", tuple(shape), tuple(names or ())), "b")

    assert (camera.width, camera.height) == (64, 48)


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_pictures(root: Path, depth: list[bytes]) -> Path:
    """A v2.1 episode with colour and depth pictures inside its Parquet file."""
    write_v2(root, (len(depth),))
    image = {"dtype": "image", "shape": [HEIGHT, WIDTH, 3], "names": ["height", "width", "channel"]}
    features = {"observation.images.top": image, "observation.images.top_depth": image}
    edit_info(root, lambda value: value["features"].update(features))
    colour = [{"bytes": png(grey(k)), "path": f"{k}.png"} for k in range(len(depth))]
    more = {
        "observation.images.top": colour,
        "observation.images.top_depth": [{"bytes": data, "path": None} for data in depth],
    }
    pq.write_table(
        rows(0, len(depth), **more),
        root / "data/chunk-000/episode_000000.parquet",
        row_group_size=3,
    )
    return root


def test_pictures_in_parquet_come_decoded_and_as_stored(tmp_path: Path) -> None:
    millimetres = np.full((HEIGHT, WIDTH), 1500, np.uint16)
    millimetres[0, 0] = 0
    root = write_pictures(tmp_path / "cups", [png(millimetres + k * 10) for k in range(8)])

    [view] = opened(root)[0].views
    assert [number_of(p) for p in view.rgb.source.read([0, 4, 7])] == [0, 4, 7]
    stored = view.rgb.source.encoded(5)
    assert stored is not None and (stored.format, stored.data) == ("png", png(grey(5)))
    assert view.depth is not None
    [depth] = view.depth.source.read([0])
    assert depth.dtype == np.float32 and depth[0, 0] == 0 and depth[1, 1] == np.float32(1.5)


def test_depth_that_is_not_metric_is_noted_and_left_out(tmp_path: Path) -> None:
    root = write_pictures(tmp_path / "cups", [png(grey(1))] * 2)

    [recording] = opened(root)
    assert recording.views[0].depth is None
    assert "Depth observation.images.top_depth is left out" in recording.notes[0]


def write_depth_video(path: Path, codes: np.ndarray[Any, Any]) -> None:
    with av.open(str(path), "w") as file:
        options = {"x265-params": "lossless=1:log-level=none"}
        stream = file.add_stream("libx265", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "gray12le"
        for code in codes:
            frame = av.VideoFrame.from_ndarray(code, format="gray12le")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


@pytest.mark.parametrize("logarithmic", [False, True])
def test_quantised_depth_video_becomes_metres(tmp_path: Path, logarithmic: bool) -> None:
    root = write_v2(tmp_path / "cups", (3,))
    low, high, shift = (0.01, 10.0, 3.5) if logarithmic else (0.0, 4.095, 0.0)
    quantised = {
        "is_depth_map": True,
        "video.pix_fmt": "gray12le",
        "video.depth_min": low,
        "video.depth_max": high,
        "video.shift": shift,
        "video.use_log": logarithmic,
    }
    feature = {"dtype": "video", "shape": [HEIGHT, WIDTH, 1], "info": quantised}
    edit_info(root, lambda value: value["features"].update({"observation.images.depth": feature}))
    folder = root / "videos/chunk-000/observation.images.depth"
    folder.mkdir()
    codes = np.arange(3 * HEIGHT * WIDTH).reshape(3, HEIGHT, WIDTH).astype(np.uint16) % 4096
    write_depth_video(folder / "episode_000000.mp4", codes)

    depth = opened(root)[0].views[0].depth
    assert depth is not None
    found = np.stack(list(depth.source.read([0, 1, 2])))
    share = codes / 4095
    metres = (
        (low + shift) * ((high + shift) / (low + shift)) ** share - shift
        if logarithmic
        else share * high
    )
    assert np.abs(found - np.where(codes == 0, 0, metres)).max() < 1e-5


def test_text_features_are_noted(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "cups", (3,))
    text = {"dtype": "string", "shape": [1], "names": None}
    edit_info(root, lambda value: value["features"].update({"comment": text}))

    assert "comment" in opened(root)[0].notes[0]


def test_a_torn_line_of_the_episode_list_is_noted(tmp_path: Path) -> None:
    root = write_v2(tmp_path / "cups", LENGTHS)
    cut(root / "meta/episodes.jsonl", 0.9)

    recordings = opened(root)
    assert len(recordings) == 2
    assert "line 3 is damaged" in recordings[0].notes[0]


def test_real_humanoid_episodes_open_in_full(shared_data: Path) -> None:
    root = shared_data / "g1_lerobot_v21"
    recordings = opened(root)

    assert [r.name[-2:] for r in recordings] == ["29", "30"]
    assert [len(r.views[0].rgb) for r in recordings] == [221, 277]
    for recording in recordings:
        assert recording.task == "Pick up the yellow bottle on the table."
        assert recording.notes == (
            "98 of 100 episodes are not on disk and are left out: 0-28, 31-99.",
        )
        [view] = recording.views
        assert (view.camera.name, view.camera.width, view.camera.height) == ("cam_high", 640, 480)
        state = recording.signals["observation.state"]
        assert state.values.shape == (len(view.rgb), 26)
        assert state.names[0] == "kLeftShoulderPitch"
        assert np.array_equal(state.t_ns, view.rgb.t_ns)
        assert np.array_equal(view.rgb.t_ns, view.rgb.source.video.index.t_ns)  # type: ignore[attr-defined]


def test_real_pictures_are_the_same_by_seeking_and_by_decoding_on(shared_data: Path) -> None:
    source = opened(shared_data / "g1_lerobot_v21")[0].views[0].rgb.source
    wanted = [0, 7, 31, 50]
    linear = {k: p for k, p in enumerate(source.read(range(51))) if k in wanted}

    for row, picture in zip(wanted, source.read(wanted), strict=True):
        assert np.array_equal(picture, linear[row])
