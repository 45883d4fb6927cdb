"""LeRobot export: the exact layout, the video's clock, and labels that survive untouched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scenekeeper import masks, schema
from scenekeeper.errors import ExportError, RecordingError
from scenekeeper.exchange import Exported, export, lerobot_stats, lerobot_timeline, pictures
from scenekeeper.exchange.lerobot_tables import NumberedParquet, Place
from scenekeeper.exchange.lerobot_video import EpisodeVideos
from scenekeeper.recording import Images, View, open_recordings
from scenekeeper.store import Dataset
from tests import robot_sessions as robot

FRONT, WRIST = "observation.images.front_image", "observation.images.wrist"
N = sum(robot.LENGTH.values())


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Exported]:
    """Exports the made sessions, each recording changed as told."""

    def export_changed(*changes: dict[str, Any], **options: Any) -> Exported:
        dataset, made = robot.make(tmp_path / "robot.sk", *changes)
        monkeypatch.setattr(pictures, "reopen", lambda source, name, *_: made[name])
        return export(dataset, "lerobot", tmp_path / "out", ["reach", "lift"], **options)

    return export_changed


def info(out: Exported) -> dict[str, Any]:
    return dict(json.loads((out.path / "meta/info.json").read_text()))


def data(out: Exported) -> pa.Table:
    return pq.read_table(out.path / "data/chunk-000/file-000.parquet", partitioning=None)


def sidecar(out: Exported, name: str) -> pa.Table:
    return pq.read_table(out.path / "labels" / f"{name}.parquet")


def video(out: Exported, key: str = FRONT) -> tuple[list[float], list[float]]:
    """Presentation times in seconds and mean levels of every picture of a video."""
    with av.open(str(out.path / "videos" / key / "chunk-000/file-000.mp4")) as container:
        decoded = [
            (float(f.pts * f.time_base), f.to_ndarray(format="rgb24").mean())
            for f in container.decode(video=0)
        ]
    return [t for t, _ in decoded], [level for _, level in decoded]


# --- layout ---------------------------------------------------------------------------------------


def test_the_folder_holds_exactly_the_files_of_v30_and_the_labels(write: Any) -> None:
    out = write()
    files = {p.relative_to(out.path).as_posix() for p in out.path.rglob("*") if p.is_file()}
    tables = ("instances", "objects", "relations", "captions", "quality", "timeline")
    assert files == {
        "meta/info.json",
        "meta/stats.json",
        "meta/tasks.parquet",
        "meta/episodes/chunk-000/file-000.parquet",
        "data/chunk-000/file-000.parquet",
        f"videos/{FRONT}/chunk-000/file-000.mp4",
        f"videos/{WRIST}/chunk-000/file-000.mp4",
        *(f"labels/{table}.parquet" for table in tables),
    }
    assert (out.frames, out.path.stat().st_mode & 0o777) == (N, 0o755)


def test_info_says_what_is_there(write: Any) -> None:
    facts = info(write())
    assert facts["codebase_version"] == "v3.0"
    assert (facts["total_episodes"], facts["total_frames"], facts["total_tasks"]) == (2, N, 2)
    assert (facts["fps"], facts["splits"]) == (30, {"train": "0:2"})
    assert facts["chunks_size"] == 1000
    assert facts["scenekeeper"]["labels"] == "labels/"
    assert facts["features"][FRONT]["shape"] == [48, 64, 3]
    assert facts["features"][FRONT]["info"]["video.codec"] in ("av1", "h264")


def test_declared_features_are_the_data_columns_with_the_same_types(write: Any) -> None:
    out = write()
    declared = {k: f for k, f in info(out)["features"].items() if f["dtype"] != "video"}
    table = data(out)
    assert table.column_names == list(declared)
    for key, feature in declared.items():
        size = feature["shape"][0]
        value = pa.type_for_alias(feature["dtype"])
        assert table.schema.field(key).type == (pa.list_(value, size) if size > 1 else value), key
    described = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert list(described) == list(declared)
    assert described["observation.state"] == {
        "feature": {"dtype": "float32", "_type": "Value"},
        "length": 4,
        "_type": "Sequence",
    }


def test_data_has_one_snappy_row_group_per_episode(write: Any) -> None:
    file = pq.ParquetFile(write().path / "data/chunk-000/file-000.parquet")
    groups = [file.metadata.row_group(k) for k in range(file.num_row_groups)]
    assert [g.num_rows for g in groups] == [20, 12]
    assert {g.column(0).compression for g in groups} == {"SNAPPY"}


def test_rows_count_through_the_dataset_and_through_each_episode(write: Any) -> None:
    table = data(write())
    assert table["index"].to_pylist() == list(range(N))
    assert table["frame_index"].to_pylist() == [*range(20), *range(12)]
    assert table["episode_index"].to_pylist() == [0] * 20 + [1] * 12
    assert table["task_index"].to_pylist() == [0] * 20 + [1] * 12
    expected = (table["frame_index"].to_numpy() / 30).astype(np.float32)
    assert (table["timestamp"].to_numpy() == expected).all()


def test_tasks_are_the_index_of_a_pandas_frame(write: Any) -> None:
    table = pq.read_table(write().path / "meta/tasks.parquet")
    pandas = json.loads(table.schema.metadata[b"pandas"])
    (index,) = pandas["index_columns"]
    assert table[index].to_pylist() == ["Reach for the mug.", "Lift the mug."]
    assert table["task_index"].to_pylist() == [0, 1]
    assert {c["field_name"] for c in pandas["columns"]} == {"task_index", index}


def test_episodes_say_where_their_rows_and_pictures_lie(write: Any) -> None:
    rows = pq.read_table(write().path / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(r["dataset_from_index"], r["dataset_to_index"]) for r in rows] == [(0, 20), (20, N)]
    assert [r["tasks"] for r in rows] == [["Reach for the mug."], ["Lift the mug."]]
    assert rows[0][f"videos/{FRONT}/to_timestamp"] == rows[1][f"videos/{FRONT}/from_timestamp"]
    assert rows[1][f"videos/{FRONT}/to_timestamp"] == pytest.approx(N / 30)
    assert len(rows[0]["stats/observation.state/q99"]) == 4
    assert rows[1]["stats/action/count"] == [12]


def test_a_single_number_is_a_plain_column(write: Any) -> None:
    one = {"signals": {"grip": robot.numbers("grip", "joint_state", 30, 20, ("width",))}}
    out = write(one, one)
    assert info(out)["features"]["observation.state"]["shape"] == [1]
    assert data(out).schema.field("observation.state").type == pa.float32()


def test_files_are_split_when_an_episode_would_make_them_too_large(tmp_path: Path) -> None:
    rows = pa.table({"x": np.random.default_rng(0).integers(0, 1 << 60, 500)})
    with NumberedParquet(tmp_path / "data", file_bytes=10_000) as files:
        places = []
        for _ in range(5):
            places.append(files.place(len(rows)))
            files.write(rows)
    assert places == [(0, 0), (0, 0), (0, 1), (0, 1), (0, 2)]
    assert pq.read_table(tmp_path / "data/chunk-000/file-001.parquet").num_rows == 1000
    noise = np.random.default_rng(0).integers(0, 256, (80, 48, 64, 3), np.uint8)
    with EpisodeVideos(tmp_path / "videos", (48, 64), 10, file_bytes=1) as videos:
        spans = [videos.write(noise, 80) for _ in range(2)]
    assert spans == [((0, 0), 0.0, 8.0), ((0, 1), 0.0, 8.0)]
    assert Place(0, 999).next() == (1, 0)


# --- video ----------------------------------------------------------------------------------------


def test_encoding_leaves_the_scheduling_as_it_was(tmp_path: Path) -> None:
    """SVT-AV1 would leave whoever runs as root a real-time process."""
    before = os.sched_getscheduler(0)
    with EpisodeVideos(tmp_path / "videos", (48, 64), 10) as videos:
        videos.write([np.zeros((48, 64, 3), np.uint8)] * 3, 3)
        assert os.sched_getscheduler(0) == before
    assert os.sched_getscheduler(0) == before


@pytest.mark.parametrize("codecs", [{"libsvtav1"}, set()], ids=["AV1", "H.264"])
def test_video_is_strictly_constant_rate(write: Any, monkeypatch: Any, codecs: set[str]) -> None:
    monkeypatch.setattr(av, "codecs_available", av.codecs_available & {"h264", *codecs})
    out = write()
    seconds, _ = video(out)
    assert seconds == pytest.approx([k / 30 for k in range(N)], abs=1e-6)
    with av.open(str(out.path / "videos" / FRONT / "chunk-000/file-000.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 30 and stream.start_time == 0
        steps = {
            b - a for a, b in pairwise(sorted(p.pts for p in container.demux(stream) if p.size))
        }
    assert len(steps) == 1


def test_every_tick_shows_the_picture_nearest_in_time(write: Any) -> None:
    out = write()
    _, front = video(out)
    rows = [*range(20), *range(12)]
    assert front == pytest.approx([robot.gray(r) for r in rows], abs=3)
    _, wrist = video(out, WRIST)  # every second tick, four milliseconds late, half as many
    near = [max(0, min(round(k / 2 - 0.06), n // 2 - 1)) for n in (20, 12) for k in range(n)]
    assert wrist == pytest.approx([robot.gray(r) for r in near], abs=3)


def test_an_odd_column_is_cut_and_said(write: Any) -> None:
    out = write()
    assert info(out)["features"][WRIST]["shape"] == [26, 32, 3]
    assert "An odd last row or column of camera 'wrist' is cut off." in out.notes


# --- timeline -------------------------------------------------------------------------------------


def test_state_and_action_are_the_samples_nearest_in_time(write: Any) -> None:
    out = write()
    joints, command = (data(out)[k].to_pylist() for k in ("observation.state", "action"))
    at = [round(k / 30 * 50) for k in range(20)]
    assert [row[0] for row in joints[:20]] == at
    assert joints[3] == pytest.approx([5, 5.1, 5.2, 1])
    assert command[7] == pytest.approx([7, 7.1])
    names = info(out)["features"]["observation.state"]["names"]
    assert names == ["joints.shoulder", "joints.elbow", "joints.wrist", "gripper.width"]


def test_how_far_each_sample_was_is_kept(write: Any) -> None:
    rows = sidecar(write(), "timeline").to_pylist()
    streams = {r["stream"] for r in rows}
    assert streams == {FRONT, WRIST, "joints", "gripper", "command"}
    for row in rows:
        tick = robot.START_NS + (row["index"] - 20 * row["episode_index"]) * 1_000_000_000 // 30
        assert row["t_ns"] - row["residual_ns"] == tick
        assert (row["frame_id"] is None) == (row["stream"] not in (FRONT, WRIST))
    assert max(abs(r["residual_ns"]) for r in rows if r["stream"] == FRONT) <= 1


def test_a_lower_rate_drops_frames_and_says_so(write: Any) -> None:
    out = write(fps=10)
    assert out.frames == 7 + 5
    assert any("labelled frames fall between" in note for note in out.notes)


def test_a_higher_rate_repeats_frames_and_their_labels(write: Any) -> None:
    out = write(fps=60)
    assert out.frames == 39 + 23
    last = {name: 3 * n // 2 - 1 for name, n in robot.LENGTH.items()}  # these have no labels
    labelled = [
        row["index"]
        for row in sidecar(out, "timeline").to_pylist()
        if row["stream"] == FRONT and row["frame_id"] != last[row["session"]]
    ]
    found = sidecar(out, "instances").filter(pc.field("camera") == FRONT)["index"].to_pylist()
    assert found == sorted([*labelled, *labelled])  # two instances each
    assert any("19 of 39 frames repeat the one before" in note for note in out.notes)


def test_a_hole_in_the_clock_is_an_error_with_a_remedy(write: Any) -> None:
    source = robot.recording("reach").views[1].rgb
    t_ns = source.t_ns.copy()
    t_ns[-1] += 3_600_000_000_000
    with pytest.raises(ExportError, match=r"session reach: its 20 pictures span 3601 s.*lower"):
        write({"views": (View(robot.FRONT, Images(t_ns, source.source)),)})


@given(
    st.lists(st.integers(0, 10**10), min_size=1, max_size=30, unique=True).map(sorted),
    st.integers(1, 60),
)
def test_no_sample_is_nearer_to_a_tick_than_the_one_picked(times: list[int], fps: int) -> None:
    t_ns = np.array(times, np.int64)
    ticks_ns = t_ns[0] + np.arange(50, dtype=np.int64) * 10**9 // fps
    picked = lerobot_timeline.pick(t_ns, ticks_ns)
    distance = np.abs(t_ns[None] - ticks_ns[:, None])
    assert (np.abs(picked.residual_ns) == distance.min(axis=1)).all()
    assert (np.diff(picked.row) >= 0).all()


# --- labels ---------------------------------------------------------------------------------------


def test_masks_are_byte_for_byte_those_of_the_store(write: Any, tmp_path: Path) -> None:
    rows = sidecar(write(), "instances").to_pylist()
    frames = {
        (row["session"], row["frame_id"]): row
        for name in robot.LENGTH
        for row in Dataset.open(tmp_path / "robot.sk").frames(name).to_pylist()
    }
    first = [r for r in rows if r["instance"] == 0]
    for row in first:
        frame = frames[row["session"], row["frame_id"]]
        size = (frame["height"], frame["width"])
        assert row["mask"] == masks.encode(robot.mask(row["frame_id"], size))
        assert (row["height"], row["width"]) == size
    assert {(r["session"], r["episode_index"]) for r in rows} == {("reach", 0), ("lift", 1)}
    assert [r["object"] for r in rows[:2]] == [70, None]
    assert dict(rows[0]["signals"])["iou"] == pytest.approx(0.9)


def test_labels_are_keyed_by_the_ticks_their_frames_stand_at(write: Any) -> None:
    out = write()
    ticks = {
        (r["index"], r["stream"]): (r["session"], r["frame_id"])
        for r in sidecar(out, "timeline").to_pylist()
    }
    rows = sidecar(out, "instances").to_pylist()
    assert len(rows) == out.instances > 0
    for row in rows:
        assert ticks[row["index"], row["camera"]] == (row["session"], row["frame_id"])
    captions = sidecar(out, "captions").to_pylist()
    assert [(r["index"], r["camera"]) for r in captions] == [(0, FRONT), (20, FRONT)]
    assert sidecar(out, "objects")["episode_index"].to_pylist() == [0, 1]


def test_flat_columns_say_what_is_in_the_frame(write: Any) -> None:
    rows = data(write()).to_pylist()
    assert [r["label.caption"] for r in rows[:2]] == ["a mug on a table", ""]
    said = json.loads(rows[0]["label.objects_json"])
    assert said[0] == {
        "object": 70,
        "track": 1,
        "label": "mug",
        "bbox": [3.0, 5.0, 15.0, 12.0],
        "score": 0.5,
        "status": "verified",
        "camera": FRONT,
    }
    assert [s["camera"] for s in said] == [FRONT] * 2 + [WRIST] * 2
    assert rows[0]["label.num_objects"] == 2  # seen by both cameras, counted once
    assert rows[0]["label.review_state"] == 1  # the table is "auto"


def test_a_frame_without_labels_is_empty_not_absent(
    dataset: Dataset, recorded: None, tmp_path: Path
) -> None:
    empty = Dataset.create(tmp_path / "empty.sk")
    for name in dataset.sessions():
        empty.add_session(dataset.session(name), dataset.frames(name), dataset.signals(name))
        empty.write_segment(schema.INSTANCES.empty_table(), "instances", "none", name, 0)
        empty.set_current(name, {"instances": "none"})
    row = data(export(empty, "lerobot", tmp_path / "out")).to_pylist()[0]
    assert (row["label.objects_json"], row["label.caption"]) == ("[]", "")
    assert (row["label.num_objects"], row["label.review_state"]) == (0, 0)


def test_a_name_a_person_gave_reaches_every_frame(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, made = robot.make(tmp_path / "named.sk")
    dataset.name_object(70, 'grüne "Tasse"')
    monkeypatch.setattr(pictures, "reopen", lambda source, name, *_: made[name])
    out = export(dataset, "lerobot", tmp_path / "named")
    first = json.loads(data(out)["label.objects_json"][5].as_py())[0]
    assert (first["label"], first["status"]) == ('grüne "Tasse"', "propagated")
    phrases = set(sidecar(out, "instances")["phrase"].to_pylist())
    assert phrases == {'grüne "Tasse"', "table"}


def test_no_label_column_can_become_an_input_of_a_policy(write: Any) -> None:
    facts = info(write())["features"]
    visual = {k for k, f in facts.items() if f["dtype"] in ("image", "video")}
    fed = {k for k in facts if k.startswith(("observation", "action"))}
    assert visual == {FRONT, WRIST} and fed == visual | {"observation.state", "action"}


# --- statistics -----------------------------------------------------------------------------------


def test_statistics_are_per_channel_in_the_unit_range_and_pooled(write: Any) -> None:
    out = write()
    stats = json.loads((out.path / "meta/stats.json").read_text())
    features = info(out)["features"]
    assert set(stats) == {k for k, f in features.items() if f["dtype"] != "string"}
    names = {"min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"}
    assert all(set(s) == names for s in stats.values())
    levels = np.array([robot.gray(r) for r in [*range(20), *range(12)]]) / 255
    assert np.shape(stats[FRONT]["mean"]) == (3, 1, 1)
    assert np.ravel(stats[FRONT]["mean"]) == pytest.approx([levels.mean()] * 3)
    assert np.ravel(stats[FRONT]["std"]) == pytest.approx([levels.std()] * 3)
    assert np.ravel(stats[FRONT]["max"]) == pytest.approx([levels.max()] * 3)
    action = np.array(data(out)["action"].to_pylist())
    assert stats["action"]["mean"] == pytest.approx(action.mean(axis=0))
    assert stats["action"]["std"] == pytest.approx(action.std(axis=0))
    assert stats["action"]["count"] == [N]


@given(arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_picture_statistics_are_those_of_the_pixels(image: Any) -> None:
    histogram = lerobot_stats.Histogram()
    histogram.add(image)
    stats, pixels = histogram.stats(), image.reshape(-1, 3) / 255
    for name, expected in (
        ("min", pixels.min(0)),
        ("max", pixels.max(0)),
        ("mean", pixels.mean(0)),
    ):
        assert stats[name].ravel() == pytest.approx(expected)
    assert stats["std"].ravel() == pytest.approx(pixels.std(0), abs=1e-6)
    lower = np.quantile(pixels, 0.5, axis=0, method="inverted_cdf")
    assert stats["q50"].ravel() == pytest.approx(lower)


def test_numbers_that_are_not_finite_do_not_spoil_the_statistics() -> None:
    stats = lerobot_stats.of_vectors(np.array([[1.0, np.nan], [3.0, np.nan], [np.inf, np.nan]]))
    assert stats["mean"].tolist() == [2.0, 0.0]
    assert stats["max"].tolist() == [3.0, 0.0]


# --- what sessions share --------------------------------------------------------------------------


def test_only_what_all_sessions_share_is_exported_and_the_rest_is_named(write: Any) -> None:
    short = robot.recording("lift")
    signals = {k: v for k, v in short.signals.items() if k in ("command", "imu")}
    other = robot.numbers("joints", "joint_state", 50, 24, ("a", "b", "c"))
    out = write({}, {"views": short.views[1:], "signals": {**signals, "joints": other}})
    features = info(out)["features"]
    assert WRIST not in features and "observation.state" not in features
    assert features["action"]["shape"] == [2]
    notes = "\n".join(out.notes)
    assert "Camera 'wrist' is not in every session" in notes
    assert "Signal 'joints' is not alike in every session" in notes
    assert "LeRobot has no place for these signals: imu." in notes


def test_a_recording_of_pictures_alone_is_still_a_dataset(
    dataset: Dataset, recorded: None, tmp_path: Path
) -> None:
    out = export(dataset, "lerobot", tmp_path / "out")
    assert info(out)["fps"] == 1 and out.frames == 2 + 6
    assert {"There is no observation.state to export.", "There is no action to export."} <= set(
        out.notes
    )
    assert any("no task was recorded" in note for note in out.notes)


def test_sessions_without_a_common_camera_cannot_be_one_dataset(write: Any) -> None:
    views = robot.recording("reach").views
    with pytest.raises(ExportError, match="share no camera"):
        write({"views": views[:1]}, {"views": robot.recording("lift").views[1:]})


def test_our_own_reader_opens_what_was_written(write: Any) -> None:
    out = write()
    episodes = open_recordings(out.path)
    assert [len(e.views[0].rgb) for e in episodes] == [20, 12]
    assert [e.task for e in episodes] == list(robot.TASK.values())
    state = episodes[1].signals["observation.state"]
    assert state.values[3] == pytest.approx([5, 5.1, 5.2, 1])
    front = next(v for v in episodes[1].views if "front" in v.camera.name)
    (picture,) = front.rgb.source.read([5])
    assert picture.mean() == pytest.approx(robot.gray(5), abs=3)


# --- whole or not at all --------------------------------------------------------------------------


def test_being_killed_half_way_leaves_no_output_folder(tmp_path: Path) -> None:
    script = Path(robot.__file__)
    done = subprocess.run([sys.executable, script, tmp_path], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not (tmp_path / "out").exists()
    left = [p for p in tmp_path.iterdir() if p.name != "robot.sk"]
    assert all(p.name.startswith(".partial-") for p in left) and left


def test_a_picture_that_cannot_be_read_leaves_nothing_behind(write: Any, tmp_path: Path) -> None:
    class Broken(robot.Pictures):
        def read(self, rows: Any) -> Any:
            yield from super().read(rows[:3])
            raise RecordingError("picture 3 is damaged")

    n = robot.LENGTH["lift"]
    images = Images(robot.times(n, robot.FPS), Broken(robot.FRONT, n))
    with pytest.raises(RecordingError, match="damaged"):
        write({}, {"views": (View(robot.FRONT, images),)})
    assert [p.name for p in tmp_path.iterdir()] == ["robot.sk"]


def test_a_picture_of_another_size_is_named(write: Any) -> None:
    n = robot.LENGTH["reach"]
    images = Images(robot.times(n, robot.FPS), robot.Pictures(robot.WRIST, n))
    with pytest.raises(RecordingError, match=r"picture 0: a picture is \[26, 33, 3\]"):
        write({"views": (View(robot.FRONT, images),)})


def test_a_rate_below_one_is_refused(write: Any) -> None:
    with pytest.raises(ExportError, match="0 frames per second"):
        write(fps=0)


def test_a_recording_that_moved_is_an_error_that_names_it(tmp_path: Path) -> None:
    dataset, _ = robot.make(tmp_path / "robot.sk")
    with pytest.raises(RecordingError, match=r"nowhere.*no longer here"):
        export(dataset, "lerobot", tmp_path / "out")
