"""The world's memory: what is put in comes out, ids are given once, and nothing breaks the file."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scenekeeper import geometry
from scenekeeper.errors import DatasetError
from scenekeeper.schema import Relation
from scenekeeper.store import Dataset
from scenekeeper.voxels import voxel_centers, voxel_keys
from scenekeeper.world import memory_file
from scenekeeper.world.memory import Memory, placed, reading, writing
from scenekeeper.world.scene import CELL
from scenekeeper.world.visibility import Keyframe
from tests.world.made_evidence import DAY, HOUR, evidence, place, session, visit

# --- what is put in comes out ---------------------------------------------------------------------

finite = st.floats(-1e6, 1e6)
share = st.floats(0, 1)
words = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), share, max_size=4)
again = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def anything(draw: st.DrawFn) -> Any:
    track = draw(st.integers(-1, 2**40))
    look = draw(st.none() | arrays(np.float32, 5, elements=st.floats(-1, 1, width=32)))
    n = st.integers(0, 2**62)
    return evidence(
        track,
        kind=draw(st.sampled_from(["thing", "flat", "support", "wall"])),
        names=draw(words),
        existence=draw(share),
        center=draw(arrays(np.float64, 3, elements=finite)),
        extent=draw(arrays(np.float64, 3, elements=finite)),
        R_world_box=draw(arrays(np.float64, (3, 3), elements=finite)),
        position_std=draw(arrays(np.float64, 3, elements=finite)),
        cells=draw(arrays(np.int64, st.integers(0, 30))),
        rgb=draw(arrays(np.uint8, 3)),
        colors=draw(words),
        embedding=look,
        frames=draw(n),
        first_t_ns=draw(n),
        last_t_ns=draw(n),
        views=tuple(draw(st.lists(n, max_size=4))),
        palette=draw(arrays(np.uint16, st.integers(0, 9))),
        tall=draw(st.just(np.nan) | st.floats(0, 10)),
        wide=draw(st.just(np.nan) | st.floats(0, 10)),
    )


def same(a: Any, b: Any) -> None:
    """Two plain values agree in every field, arrays in type too."""
    for field in fields(a):
        one, other = getattr(a, field.name), getattr(b, field.name)
        if isinstance(one, np.ndarray):
            assert one.dtype == other.dtype and np.array_equal(one, other), field.name
        else:
            assert one == other or (one != one and other != other), field.name


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with writing(tmp_path) as opened:
        yield opened


@again
@given(e=anything())
def test_evidence_comes_out_as_it_was_put_in(memory: Memory, e: Any) -> None:
    memory.forget("s")
    number = memory.born("s", "a")
    memory.put_evidence("s", number, e)
    same(memory.evidence("s")[number], e)
    assert memory.tracks("s") == {e.track: number}


@again
@given(
    depth=arrays(np.uint16, st.tuples(st.integers(0, 5), st.integers(0, 5))),
    surface=arrays(np.float32, st.tuples(st.integers(0, 5), st.just(3))),
    T=arrays(np.float64, (4, 4), elements=finite),
    picture=st.none() | st.binary(min_size=1, max_size=9),
)
def test_sessions_come_out_as_they_were_put_in(
    memory: Memory, depth: Any, surface: Any, T: Any, picture: bytes | None
) -> None:
    K, frame = T[:3, :3], Keyframe(depth, T[1:, 1:], T, picture)
    e = session("s", surface=surface, keyframes=(frame, frame), keyframe_ids=(5, 2**60))
    where = place(e, 3, T_place_session=T, how="relocated", reason="Ü\n'")
    memory.put_session(e, where)
    same(memory.places()[0], where)
    assert np.array_equal(memory.surface("s"), surface, equal_nan=True)
    assert len(K) and len(memory.keyframes("s")) == 2
    for found in memory.keyframes("s"):
        same(found, frame)


@again
@given(
    said=st.lists(
        st.builds(
            Relation,
            st.integers(1, 9),
            st.sampled_from(["on", "in"]),
            st.integers(1, 9),
            share,
            st.sampled_from(["geometry", "vlm"]),
            st.sampled_from(["", "view s/7"]),
        ),
        unique_by=lambda r: (r.subject, r.predicate, r.object),
    )
)
def test_relations_come_out_once_however_often_they_are_put_in(
    memory: Memory, said: list[Relation]
) -> None:
    memory.put_relations("s", said)
    memory.put_relations("s", said)
    assert memory.relations("s") == sorted(said, key=lambda r: (r.subject, r.predicate, r.object))


@again
@given(
    detail=st.dictionaries(
        st.text("abc_", min_size=1).map("x_".__add__),
        st.none() | st.integers() | share | st.text(st.characters(exclude_categories=["Cs"])),
    )
)
def test_events_come_out_in_order_with_all_that_was_said(memory: Memory, detail: Any) -> None:
    memory.log("s", "a", "moved", 3, 4, 0.25, author="anna", **detail)
    memory.log("t", "a", "missed", 5)
    *_, one, other = memory.events()
    assert (one.session, one.kind, one.object, one.other, one.score) == ("s", "moved", 3, 4, 0.25)
    assert one.author == "anna" and one.detail == detail and other.event == one.event + 1
    assert memory.events("t")[-1] == other and memory.events(kind="moved")[-1] == one


def test_absences_come_out_and_the_latest_word_counts(memory: Memory) -> None:
    memory.put_absence("s", 1, "missed", 0.5)
    memory.put_absence("s", 1, "taken", 0.75)
    memory.put_absence("s", 2, "unseen", 1.0)
    assert memory.absences("s") == {1: ("taken", 0.75), 2: ("unseen", 1.0)}


def test_sessions_come_in_order_of_time(memory: Memory) -> None:
    for name, t_ns in (("late", 2 * DAY), ("early", 0), ("between", DAY)):
        visit(memory, name, t_ns)
    assert [p.session for p in memory.places()] == ["early", "between", "late"]
    assert memory.places()[0].last_t_ns == HOUR


def test_what_is_forgotten_leaves_its_ids_and_events(memory: Memory) -> None:
    visit(memory, "s")
    memory.put_evidence("s", memory.born("s", "a"), evidence())
    memory.put_relations("s", [Relation(1, "on", 2)])
    memory.put_absence("s", 2, "taken", 0.9)
    memory.forget("s")
    assert not memory.places() and not memory.evidence("s") and not memory.keyframes("s")
    assert not memory.relations("s") and not memory.absences("s")
    assert [e.kind for e in memory.events("s")] == ["born"] and memory.born("s", "b") == 2


def test_evidence_is_carried_into_another_frame_with_its_cells() -> None:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = [[0, -1, 0], [1, 0, 0], [0, 0, 1]], [4 * CELL, 0, -2 * CELL]
    cells = np.unique(voxel_keys(np.array([[0.51, 0.26, 0.01], [0.53, 0.26, 0.01]]), CELL))
    e = evidence(cells=cells, center=np.array([0.5, 0.25, 0.0]))
    there = placed(e, T)
    assert np.allclose(there.center, geometry.transform(T, e.center))
    expected = geometry.transform(T, voxel_centers(cells, CELL))
    assert np.array_equal(there.cells, np.unique(voxel_keys(expected, CELL)))
    assert placed(e, np.eye(4)) is e


# --- ids ------------------------------------------------------------------------------------------


def born(folder: Path, n: int = 1) -> list[int]:
    with writing(folder) as memory:
        return [memory.born("s", "a") for _ in range(n)]


def test_ids_count_up_and_are_not_used_again_after_an_error(tmp_path: Path) -> None:
    assert born(tmp_path, 2) == [1, 2]
    with pytest.raises(ZeroDivisionError), writing(tmp_path) as memory:
        assert memory.born("s", "a") == 3
        raise ZeroDivisionError
    assert born(tmp_path) == [3]  # nobody has heard of the 3 before
    with reading(tmp_path) as memory:
        assert [e.object for e in memory.events()] == [1, 2, 3]


@pytest.mark.parametrize("left", [(), ("-wal",), ("-wal", "-shm")])
def test_a_lost_memory_gives_no_id_again_that_labels_or_names_speak_of(
    tmp_path: Path, left: tuple[str, ...]
) -> None:
    dataset = Dataset.create(tmp_path / "d.sk")
    born(dataset.path, 3)
    dataset.name_object(7, "white mug")
    file = dataset.path / memory_file.FILE
    file.unlink()
    for end in left:  # as a kill leaves them
        file.with_name(file.name + end).write_bytes(b"stale" * 100)
    assert born(dataset.path) == [8]


def test_a_label_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "labels" / "objects" / "run" / "s-all.parquet"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"garbage")
    with pytest.raises(DatasetError, match=r"s-all\.parquet.*Delete it and label again"):
        born(tmp_path)


# --- the file -------------------------------------------------------------------------------------


def first_version(folder: Path, objects: int) -> None:
    """A memory as the first release made it."""
    file = folder / memory_file.FILE
    file.parent.mkdir()
    with closing(sqlite3.connect(file)) as db:
        db.executescript(
            "PRAGMA journal_mode=WAL;"
            "CREATE TABLE objects(object INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL,"
            " born_run TEXT NOT NULL, cells BLOB NOT NULL);"
            "CREATE TABLE tracks(run TEXT, session TEXT, track INTEGER, object INTEGER REFERENCES"
            " objects, overlap REAL, PRIMARY KEY (run, session, track));"
            "CREATE TABLE events(event INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT, kind TEXT,"
            " object INTEGER, detail TEXT);"
        )
        for _ in range(objects):
            db.execute("INSERT INTO objects(session, born_run, cells) VALUES ('s', 'a', x'')")
        db.execute("DELETE FROM objects WHERE object > 3")
        db.commit()


def test_a_memory_of_the_first_version_is_replaced_and_its_ids_go_on(tmp_path: Path) -> None:
    first_version(tmp_path, 5)
    with reading(tmp_path) as memory:
        assert memory.places() == [] and memory.events() == []
    assert born(tmp_path) == [6]
    with reading(tmp_path) as memory:
        assert [e.kind for e in memory.events()] == ["born"]


def test_a_memory_of_the_second_version_is_read_and_goes_on_with_pictures(tmp_path: Path) -> None:
    told, picture = session("s"), session("s").keyframes[0]
    with writing(tmp_path) as memory:
        memory.put_session(told, place(told))
    with closing(sqlite3.connect(tmp_path / memory_file.FILE)) as db:
        db.execute("ALTER TABLE keyframes DROP COLUMN picture")
        db.execute("PRAGMA user_version=2")
        db.commit()
    with reading(tmp_path) as memory:
        same(memory.keyframes("s")[0], picture)
    later = session("t", keyframes=(replace(picture, picture=b"jpeg"),))
    with writing(tmp_path) as memory:
        same(memory.keyframes("s")[0], picture)
        memory.put_session(later, place(later))
    with reading(tmp_path) as memory:
        assert len(memory.places()) == 2 and memory.keyframes("t")[0].picture == b"jpeg"


@pytest.mark.parametrize("using", [reading, writing])
def test_a_memory_of_a_later_version_is_refused_and_stays_as_it_is(
    tmp_path: Path, using: Callable[..., Any]
) -> None:
    born(tmp_path)
    file = tmp_path / memory_file.FILE
    with closing(sqlite3.connect(file)) as db:
        db.execute(f"PRAGMA user_version={memory_file.VERSION + 1}")
    before = file.read_bytes()
    with (
        pytest.raises(DatasetError, match=r"world\.sqlite.*later release.*Upgrade scenekeeper"),
        using(tmp_path),
    ):
        pass
    assert file.read_bytes() == before


@pytest.mark.parametrize("using", [reading, writing])
@pytest.mark.parametrize("damage", ["all", "start", "middle", "end"])
def test_a_damaged_memory_is_named_with_what_to_do(
    tmp_path: Path, using: Callable[..., Any], damage: str
) -> None:
    with writing(tmp_path) as memory:
        visit(memory, "s")
        for track in range(40):
            cells = np.random.default_rng(track).integers(0, 2**60, 500)
            memory.put_evidence("s", memory.born("s", "a"), evidence(track, cells=cells))
    file = tmp_path / memory_file.FILE
    data = bytearray(file.read_bytes())
    where = {"all": (0, len(data)), "start": (0, 200), "end": (len(data) - 40_000, len(data))}
    first, last = where.get(damage, (8192, len(data) - 8192))
    data[first:last] = b"garbage!" * ((last - first) // 8)
    file.write_bytes(data)
    with (
        pytest.raises(
            DatasetError,
            match=r"world\.sqlite.*move it away.*label again",
        ),
        using(tmp_path) as memory,
    ):
        memory.evidence("s"), memory.events(), memory.keyframes("s")
    assert file.read_bytes()[:100] == bytes(data[:100])
    shutil.move(file, tmp_path / "away")
    assert born(tmp_path) == [1]  # no labels speak of any


def test_reading_where_nothing_was_remembered_makes_nothing(tmp_path: Path) -> None:
    with reading(tmp_path) as memory:
        assert memory.places() == [] and memory.evidence("s") == {}
    assert list(tmp_path.iterdir()) == []


def test_reading_cannot_write(tmp_path: Path) -> None:
    born(tmp_path)
    with pytest.raises(DatasetError, match="readonly"), reading(tmp_path) as memory:
        memory.log("s", "a", "born", 1)


def as_nobody(folder: Path, act: Callable[[], None]) -> str:
    """What goes wrong in a process that may not write to a folder; nothing = an empty string."""
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            act()
        except DatasetError as error:
            os.write(tell, str(error).encode())
        finally:
            os._exit(0)
    os.close(tell)
    os.waitpid(child, 0)
    with os.fdopen(told, "rb") as pipe:
        return pipe.read().decode()


@pytest.fixture
def sealed() -> Iterator[Path]:
    """A dataset with one object that nobody but root may write to."""
    folder = Path(tempfile.mkdtemp())
    born(folder)
    for path in (folder / "world", folder):
        path.chmod(0o555)
    (folder / memory_file.FILE).chmod(0o444)
    yield folder
    for path in (folder, folder / "world"):
        path.chmod(0o755)
    shutil.rmtree(folder)


def test_a_folder_that_may_not_be_written_to_can_be_read(sealed: Path) -> None:
    def read() -> None:
        with reading(sealed) as memory:
            if [e.object for e in memory.events()] != [1]:
                raise DatasetError("something else came out")

    assert as_nobody(sealed, read) == ""


def test_writing_to_a_folder_that_may_not_be_written_to_says_so(sealed: Path) -> None:
    told = as_nobody(sealed, lambda: born(sealed) and None)
    assert "world.sqlite" in told and "work on a copy" in told
    with reading(sealed) as memory:
        assert len(memory.events()) == 1


# --- several processes ----------------------------------------------------------------------------


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.memory_worker", str(folder), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)


def together(*workers: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """Let workers go at the same moment, once all are ready."""
    for worker in workers:
        assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    told = [worker.communicate(timeout=120)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * len(workers)
    return [json.loads(text) for text in told]


def test_two_write_and_two_read_at_once_and_each_sees_whole_sessions(tmp_path: Path) -> None:
    work = [("write", "a", "30"), ("write", "b", "30"), ("read", "3"), ("read", "3")]
    a, b, *readers = together(*(start(tmp_path, *w) for w in work))
    assert sorted(a["ids"] + b["ids"]) == list(range(1, 601))
    assert all(r["torn"] == 0 and r["reads"] > 3 for r in readers)
    with reading(tmp_path) as memory:
        assert len(memory.places()) == 60


def test_a_full_disk_is_said_and_what_was_remembered_stays(tmp_path: Path) -> None:
    with writing(tmp_path) as memory:
        visit(memory, "s")
        memory.put_evidence("s", memory.born("s", "a"), evidence())
    [told] = together(start(tmp_path, "full", "300000"))
    assert "world.sqlite" in told["error"] and "free some space" in told["error"]
    with reading(tmp_path) as memory:
        assert [p.session for p in memory.places()] == ["s"]
        same(memory.evidence("s")[1], evidence())
    assert born(tmp_path) == [2]
