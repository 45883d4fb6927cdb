"""A dataset holds what was written, tells what is wrong with it, and puts people first."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from scenekeeper import masks, open_dataset, schema
from scenekeeper.errors import DatasetError
from scenekeeper.schema import Camera, Labels
from scenekeeper.store import Dataset, SessionInfo

SIZE = (6, 8)
CAMERA = Camera("front", 8, 6, np.array([[5.0, 0, 3.5], [0, 5, 2.5], [0, 0, 1]]), (0.1, -0.2))
MUG, TABLE = 7, 8


def info(name: str = "kitchen", content: str = "c1", frames: int = 4) -> SessionInfo:
    clips = (0, 2, frames) if frames > 2 else (0, frames)
    return SessionInfo(
        name, "day1.mcap", "MCAP", content, (CAMERA,), clips, "tidy up", ("a note",), {"front": {}}
    )


def index(name: str = "kitchen", frames: int = 4) -> pa.Table:
    columns: dict[str, Any] = {c: [None] * frames for c in schema.FRAMES.names}
    columns |= {
        "session": [name] * frames,
        "frame_id": list(range(frames)),
        "camera": ["front"] * frames,
        "t_ns": [1000 * k for k in range(frames)],
        "height": [6] * frames,
        "width": [8] * frames,
    }
    return pa.table(columns, schema.FRAMES)


def made_labels(frame_id: int) -> Labels:
    dense = np.zeros((2, *SIZE), bool)
    dense[0, 1:3, 1 : 3 + frame_id] = True
    dense[1, 4:] = True
    return Labels(
        frame_id,
        1000 * frame_id,
        SIZE,
        np.array([masks.box(masks.encode(m), SIZE) for m in dense], np.float32),
        mask=tuple(masks.encode(m) for m in dense),
        phrase=("object", "table"),
        score=np.array([0.25, 0.75], np.float32),
        signals={"iou": np.array([0.5, np.nan], np.float32)},
        track=np.array([0, 1]),
    )


def objects(session: str = "kitchen") -> pa.Table:
    columns: dict[str, Any] = {c: [None, None] for c in schema.OBJECTS.names}
    columns |= {
        "session": [session] * 2,
        "object": [MUG, TABLE],
        "track": [0, 1],
        "phrase": ["object", "table"],
        "kind": ["thing", "support"],
        "status": ["auto"] * 2,
    }
    return pa.table(columns, schema.OBJECTS)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    made = Dataset.create(tmp_path / "lab.sk")
    made.add_session(info(), index(), schema.SIGNALS.empty_table())
    for clip in range(2):
        rows = schema.instances_table("kitchen", map(made_labels, (2 * clip, 2 * clip + 1)))
        made.write_segment(rows, "instances", "i1", "kitchen", clip)
    made.write_segment(objects(), "objects", "o1", "kitchen")
    relation = {"session": "kitchen", "subject": MUG, "predicate": "on", "object": TABLE}
    made.write_segment(
        pa.Table.from_pylist([{**relation, "score": 0.5, "source": "geometry"}], schema.RELATIONS),
        "relations",
        "o1",
        "kitchen",
    )
    made.set_current("kitchen", {"instances": "i1", "objects": "o1", "relations": "o1"})
    return made


# --- opening --------------------------------------------------------------------------------------


def test_opening_nothing_says_how_to_make_a_dataset(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"scenekeeper label RECORDING --into .*lab\.sk"):
        open_dataset(tmp_path / "lab.sk")


@pytest.mark.parametrize("text", ["", "schema_version = ", "other = 1", "\xff\x00"])
def test_a_damaged_configuration_is_named(dataset: Dataset, text: str) -> None:
    (dataset.path / "dataset.toml").write_text(text, encoding="latin-1")
    with pytest.raises(DatasetError, match=r"dataset\.toml"):
        open_dataset(dataset.path)


def test_a_newer_schema_is_refused(dataset: Dataset) -> None:
    (dataset.path / "dataset.toml").write_text("schema_version = 99")
    with pytest.raises(DatasetError, match=r"99.*Upgrade scenekeeper"):
        open_dataset(dataset.path)


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(DatasetError, match="not a labelled dataset"):
        Dataset.create(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "lab.sk").write_text("a file")
    with pytest.raises(DatasetError, match="not a labelled dataset"):
        Dataset.create(tmp_path / "lab.sk")


def test_a_creation_that_was_interrupted_is_taken_up(dataset: Dataset) -> None:
    (dataset.path / "dataset.toml").unlink()
    for folder in ("sessions", "labels"):
        (dataset.path / folder).rename(dataset.path.with_name(folder))
    assert Dataset.create(dataset.path).sessions() == []


# --- sessions -------------------------------------------------------------------------------------


def test_a_process_that_comes_while_a_dataset_is_made_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refresh, others = Dataset.refresh_views, list[Dataset]()

    def refresh_while_another_comes(dataset: Dataset) -> None:
        refresh(dataset)
        monkeypatch.setattr(Dataset, "refresh_views", refresh)
        others.append(Dataset.create(dataset.path))

    monkeypatch.setattr(Dataset, "refresh_views", refresh_while_another_comes)
    made = Dataset.create(tmp_path / "new.sk")
    assert [other.path for other in others] == [made.path]


def test_a_session_is_read_as_it_was_written(dataset: Dataset) -> None:
    found, expected = dataset.session("kitchen"), info()
    assert found.to_json() == expected.to_json()
    K, expected_K = found.cameras[0].intrinsics, CAMERA.intrinsics
    assert K is not None and expected_K is not None and np.array_equal(K, expected_K)
    assert [len(found.clip(k)) for k in range(found.n_clips)] == [2, 2]


def test_the_same_recording_is_added_once(dataset: Dataset) -> None:
    dataset.add_session(info(), index(), schema.SIGNALS.empty_table())
    assert dataset.sessions() == ["kitchen"]


def test_another_recording_cannot_take_a_sessions_name(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match=r"already holds another recording.*--session"):
        dataset.add_session(info(content="c2"), index(), schema.SIGNALS.empty_table())


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "Küche"])
def test_a_session_has_a_name_that_can_be_a_file(dataset: Dataset, name: str) -> None:
    with pytest.raises(DatasetError, match="cannot name a session"):
        dataset.add_session(info(name), index(name), schema.SIGNALS.empty_table())


def test_an_unknown_session_names_the_known_ones(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="There are: kitchen"):
        dataset.session("hall")


@pytest.mark.parametrize("text", ["", "{}", '{"name": 1', "[]"])
def test_a_damaged_session_is_named(dataset: Dataset, text: str) -> None:
    file = dataset.path / "sessions" / "kitchen" / "session.json"
    file.write_text(text)
    with pytest.raises(DatasetError, match=r"session\.json"):
        dataset.session("kitchen")


@pytest.mark.parametrize("table", ["frames", "signals"])
def test_a_damaged_index_says_what_to_do(dataset: Dataset, table: str) -> None:
    file = dataset.path / "sessions" / "kitchen" / f"{table}.parquet"
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(DatasetError, match=rf"{table}\.parquet.*Delete the folder .*kitchen"):
        getattr(dataset, table)("kitchen")


def test_a_session_that_cannot_be_written_leaves_nothing_behind(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: Any, **__: Any) -> None:
        raise OSError(30, "Read-only file system")

    for patched in ("tempfile.mkdtemp", "Path.rename"):
        with monkeypatch.context() as patch:
            patch.setattr(f"scenekeeper.store.dataset.{patched}", read_only)
            with pytest.raises(DatasetError, match="Read-only file system"):
                dataset.add_session(info("hall"), index("hall"), schema.SIGNALS.empty_table())
    assert [p.name for p in (dataset.path / "sessions").iterdir()] == ["kitchen"]


@pytest.mark.parametrize("text", ["", "[1]", '{"instances": '])
def test_a_damaged_list_of_runs_says_what_to_do(dataset: Dataset, text: str) -> None:
    (dataset.path / "sessions" / "kitchen" / "current.json").write_text(text)
    with pytest.raises(DatasetError, match=r"current\.json: is damaged.*Delete it and label again"):
        dataset.current("kitchen")


# --- segments -------------------------------------------------------------------------------------


def test_a_damaged_segment_says_what_to_do(dataset: Dataset) -> None:
    segment = dataset.segment("objects", "o1", "kitchen")
    segment.write_bytes(segment.read_bytes()[:-20])
    with pytest.raises(DatasetError, match=r"kitchen-all\.parquet.*Delete it and label again"):
        dataset.read_segment("objects", "o1", "kitchen")


def test_a_missing_segment_says_what_to_do(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match=r"is missing.*Label again"):
        dataset.read_segment("objects", "o2", "kitchen")


def test_a_segment_that_cannot_be_written_leaves_nothing_behind(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("scenekeeper.store.dataset.pq.write_table", full)
    with pytest.raises(DatasetError, match=r"No space left.*what is already written is safe"):
        dataset.write_segment(objects(), "objects", "o2", "kitchen")
    assert not list(dataset.path.glob("labels/objects/o2/*"))


def test_the_same_rows_give_the_same_bytes(dataset: Dataset) -> None:
    for run in ("a", "b"):
        dataset.write_segment(objects(), "objects", run, "kitchen")
    first, second = (dataset.segment("objects", run, "kitchen") for run in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


# --- reading --------------------------------------------------------------------------------------


def test_labels_come_back_as_they_were_made(dataset: Dataset) -> None:
    found = list(dataset.labels("kitchen"))
    assert [frame.frame_id for frame in found] == [0, 1, 2, 3]
    for frame in found:
        expected = made_labels(frame.frame_id)
        assert frame.mask == expected.mask and frame.size == SIZE
        assert np.array_equal(frame.box_xyxy, expected.box_xyxy)
        assert np.array_equal(frame.score, expected.score)
        assert np.array_equal(frame.signals["iou"], expected.signals["iou"], equal_nan=True)
        assert np.asarray(frame.object).tolist() == [MUG, TABLE]
        assert [(r.subject, r.predicate, r.object) for r in frame.relations] == [(MUG, "on", TABLE)]


def test_a_bad_query_is_an_error_of_ours(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="nonsense"):
        dataset.sql("SELECT nonsense FROM instances")


def test_every_view_is_there_before_anything_is_labelled(tmp_path: Path) -> None:
    empty = Dataset.create(tmp_path / "empty.sk")
    for view in ("frames", "signals", "quality", "instances", "objects", "relations", "captions"):
        assert len(empty.table(view)) == 0


def test_a_condition_shows_some_instances_wherever_they_are_read(dataset: Dataset) -> None:
    tables = dataset.only("i.phrase = 'table'")
    assert len(tables.table("instances")) == 4
    assert all(frame.phrase == ("table",) for frame in tables.labels("kitchen"))
    assert len(dataset.table("instances")) == 8


def test_duckdb_alone_reads_everything(dataset: Dataset) -> None:
    script = (
        "import duckdb; db = duckdb.connect(); db.execute(open('views.sql').read());"
        "print(db.sql('SELECT phrase, count(*) FROM instances GROUP BY 1 ORDER BY 1').fetchall())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=dataset.path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[('object', 4), ('table', 4)]"


def test_a_folder_with_a_quote_in_its_name_is_read(tmp_path: Path) -> None:
    assert len(Dataset.create(tmp_path / "it's.sk").table("frames")) == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_dataset_that_cannot_be_written_is_read(dataset: Dataset) -> None:
    dataset.path.chmod(0o555)
    assert len(open_dataset(dataset.path).table("instances")) == 8


# --- people ---------------------------------------------------------------------------------------


def named(dataset: Dataset) -> list[tuple[str, str]]:
    rows = dataset.sql(
        "SELECT DISTINCT phrase, status FROM instances WHERE object = ?", [MUG]
    ).to_pylist()
    return [(row["phrase"], row["status"]) for row in rows]


def test_a_persons_name_is_the_name_in_every_frame(dataset: Dataset) -> None:
    dataset.name_object(MUG, "white mug")
    assert named(dataset) == [("white mug", "propagated")]
    row = dataset.sql("SELECT phrase, status FROM objects WHERE object = ?", [MUG]).to_pylist()
    assert row == [{"phrase": "white mug", "status": "verified"}]


def test_the_last_name_counts_and_every_name_is_kept(dataset: Dataset) -> None:
    for phrase in ("cup", "white mug"):
        dataset.name_object(MUG, phrase)
    assert named(dataset) == [("white mug", "propagated")]
    log = dataset.sql("SELECT phrase, author FROM names_log ORDER BY t_ns").to_pylist()
    assert [row["phrase"] for row in log] == ["cup", "white mug"] and all(r["author"] for r in log)


def test_a_name_taken_back_is_gone(dataset: Dataset) -> None:
    dataset.name_object(MUG, "white mug")
    dataset.name_object(MUG, None)
    assert named(dataset) == [("object", "auto")]


def test_a_name_survives_another_run(dataset: Dataset) -> None:
    dataset.name_object(MUG, "white mug")
    for clip in range(2):
        rows = schema.instances_table("kitchen", map(made_labels, (2 * clip, 2 * clip + 1)))
        dataset.write_segment(rows, "instances", "i2", "kitchen", clip)
    dataset.set_current("kitchen", {**dataset.current("kitchen"), "instances": "i2"})
    assert named(dataset) == [("white mug", "propagated")]


def test_two_people_naming_at_once_lose_nothing(dataset: Dataset) -> None:
    script = (
        "import sys; from scenekeeper import open_dataset; d = open_dataset(sys.argv[1]);"
        "[d.name_object(int(sys.argv[2]), f'name {k}') for k in range(10)]"
    )
    people = [
        subprocess.Popen([sys.executable, "-c", script, str(dataset.path), str(number)])
        for number in (MUG, TABLE)
    ]
    assert [person.wait(60) for person in people] == [0, 0]
    dataset.refresh_views()
    assert len(dataset.table("names_log")) == 20
    assert dataset.table("names")["phrase"].to_pylist() == ["name 9", "name 9"]
