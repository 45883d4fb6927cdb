"""The page holds what the dataset holds, asks the network for nothing, and stays small."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from scenekeeper import schema
from scenekeeper.errors import DatasetError
from scenekeeper.report import data, write_report
from scenekeeper.report.template import to_script_json
from scenekeeper.store import Dataset, Ledger, SessionInfo

HOSTILE = 'mug</script><script>alert(1)</script><!-- "ü" & ' + "x" * 200


def payload(page: Path) -> dict[str, Any]:
    found = re.search(r"<script[^>]*application/json[^>]*>(.*?)</script>", page.read_text(), re.S)
    assert found is not None
    return dict(json.loads(found[1]))


def session(dataset: Dataset) -> dict[str, Any]:
    return dict(payload(write_report(dataset))["sessions"][0])


def test_the_page_shows_what_the_tables_hold(room: Dataset) -> None:
    shown = session(room)
    assert shown["frame_count"] == 24 and shown["instances"] == len(room.table("instances"))
    objects = {row["object"]: row for row in room.table("objects").to_pylist()}
    assert {row["id"] for row in shown["objects"]} == set(objects)
    for row in shown["objects"]:
        assert (row["phrase"], row["frames"]) == (
            objects[row["id"]]["phrase"],
            objects[row["id"]]["frames"],
        )
    assert len(shown["relations"]) == len(room.table("relations"))
    assert {row["table"] for row in shown["runs"]} == set(room.current("room"))


def test_every_frame_on_it_has_its_picture_labels_and_caption(room: Dataset) -> None:
    captions = {r["frame_id"]: r["text"] for r in room.table("captions").to_pylist()}
    instances = room.table("instances").to_pylist()
    for frame in session(room)["frames"]:
        assert frame["picture"] and frame["caption"] == captions[frame["id"]]
        masks = [r["mask"].decode() for r in instances if r["frame_id"] == frame["id"]]
        assert sorted(label[7] for label in frame["labels"]) == sorted(masks)


def test_it_asks_the_network_for_nothing(room: Dataset) -> None:
    text = write_report(room).read_text()
    assert "default-src 'none'" in text
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    outside = set(re.findall(r"https?://[^\s\"'<>)]+", text)) - {"http://www.w3.org/2000/svg"}
    assert not outside


def test_a_hostile_name_stays_a_name(room: Dataset) -> None:
    number = room.table("objects")["object"][0].as_py()
    room.name_object(number, HOSTILE)
    page = write_report(room)
    assert "<script>alert" not in page.read_text()
    [named] = [r for r in payload(page)["sessions"][0]["objects"] if r["id"] == number]
    assert named["phrase"] == HOSTILE and named["named"]


@pytest.mark.parametrize("text", ["</script>", "<!--", "<script", "</SCRIPT", "a<b"])
def test_json_in_a_script_cannot_end_it(text: str) -> None:
    written = to_script_json({"t": text})
    assert json.loads(written) == {"t": text}
    assert not re.search(r"</|<!|<s", written, re.I)


def test_without_the_recording_the_page_says_so(room: Dataset, tmp_path: Path) -> None:
    info = room.session("room")
    moved = info.to_json().replace(info.source, str(tmp_path / "gone"))
    (room.path / "sessions" / "room" / "session.json").write_text(moved)
    shown = session(room)
    assert "no longer here" in shown["pictures_missing"]
    assert "scenekeeper show room.sk --page" in shown["pictures_missing"]
    assert shown["objects"] and all(frame["picture"] is None for frame in shown["frames"])


def test_failures_are_told(room: Dataset) -> None:
    Ledger(room.path).failed("fuse", "r", "room", 1, "Traceback\nOSError: gone")
    assert session(room)["speed"]["failures"] == [["fuse", 1, "OSError: gone"]]


def test_a_dataset_without_sessions_has_a_page(tmp_path: Path) -> None:
    assert payload(write_report(Dataset.create(tmp_path / "new.sk")))["sessions"] == []


def test_a_session_without_pictures_has_a_page(tmp_path: Path) -> None:
    made = Dataset.create(tmp_path / "signals.sk")
    info = SessionInfo("s", "gone", "made", "c", (), (0,), notes=("holds no pictures",))
    made.add_session(info, schema.FRAMES.empty_table(), schema.SIGNALS.empty_table())
    shown = session(made)
    assert shown["frames"] == [] and shown["notes"] == ["holds no pictures"]


def test_a_session_without_labels_has_a_page(tmp_path: Path) -> None:
    made = Dataset.create(tmp_path / "bare.sk")
    index = {name: [None] for name in schema.FRAMES.names} | {"frame_id": [0], "t_ns": [0]}
    index |= {"session": ["s"], "camera": ["front"], "width": [4], "height": [4]}
    info = SessionInfo("s", "gone", "made", "c", (schema.Camera("front", 4, 4),), (0, 1))
    made.add_session(info, pa.table(index, schema.FRAMES), schema.SIGNALS.empty_table())
    shown = session(made)
    assert shown["objects"] == [] and shown["quality"] is None and shown["runs"] == []


def test_a_page_that_cannot_be_written_leaves_the_old_one(room: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="report cannot be written"):
        write_report(room, tmp_path / "room.sk" / "dataset.toml" / "page.html")


def test_a_long_session_with_many_masks_stays_under_8_mb(room: Dataset) -> None:
    """A mask of noise takes 25 kB; a thousand frames of three are ten times what fits."""
    n, height, width = 1000, 240, 320
    index = room.frames("room").to_pylist()
    frames = [{**index[0], "frame_id": k, "t_ns": k * 10**8, "session": "long"} for k in range(n)]
    info = room.session("room")
    long = SessionInfo("long", "gone", "made", "c2", info.cameras, (0, n))
    room.add_session(
        long, pa.Table.from_pylist(frames, schema.FRAMES), schema.SIGNALS.empty_table()
    )
    noise = np.random.default_rng(0).random((height, width)) > 0.5
    counts = schema.masks.encode(noise)
    labels = [
        schema.Labels(
            k, k * 10**8, (height, width), np.ones((3, 4), np.float32), mask=(counts,) * 3
        )
        for k in range(n)
    ]
    room.write_segment(schema.instances_table("long", labels), "instances", "i", "long", 0)
    room.set_current("long", {"instances": "i"})
    page = write_report(room)
    assert page.stat().st_size < 8_000_000
    assert all(shown["frames"] for shown in payload(page)["sessions"])


# --- which frames ---------------------------------------------------------------------------------


def frames(cameras: list[str]) -> pa.Table:
    columns: dict[str, Any] = {name: [None] * len(cameras) for name in schema.FRAMES.names}
    return pa.table(
        columns | {"frame_id": list(range(len(cameras))), "camera": cameras}, schema.FRAMES
    )


@pytest.mark.parametrize("limit", [1, 2, 7, 40, 1000])
def test_no_more_frames_are_chosen_than_allowed(limit: int) -> None:
    chosen = data.choose_frames(frames(["a", "b"] * 100), [5, 6, 7, 199], limit)
    assert len(chosen) <= limit and chosen == sorted(set(chosen))
    assert len(chosen) >= min(limit, 200) / 2


def test_frames_are_spread_over_time_and_cameras() -> None:
    chosen = data.choose_frames(frames(["a"] * 100 + ["b"] * 100), [], 20)
    assert {0, 99, 100, 199} <= set(chosen) and len(chosen) == 20
    assert max(np.diff(chosen)) < 15


def test_notable_frames_are_among_the_chosen() -> None:
    assert {17, 33} <= set(data.choose_frames(frames(["a"] * 100), [17, 33], 10))


def test_a_color_belongs_to_an_object_and_neighbours_differ() -> None:
    assert data.color(7) == data.color(7)
    assert len({data.color(k) for k in range(200)}) == 200
    assert re.fullmatch(r"#[0-9a-f]{6}", data.color(10**9))


def test_the_recordings_folder_is_not_written_to(room: Dataset) -> None:
    source = Path(room.session("room").source)
    before = sorted(source.rglob("*"))
    write_report(room)
    assert sorted(source.rglob("*")) == before and shutil.disk_usage(source).free
