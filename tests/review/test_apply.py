"""Decisions reach every label that they are about, whoever reads it, and no other."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from scenekeeper import masks, open_dataset, schema
from scenekeeper.errors import DatasetError, ReviewError
from scenekeeper.labelers import given_names
from scenekeeper.review.apply import forget, put_trust, refresh
from scenekeeper.review.events import Subject
from scenekeeper.review.log import FILE, Log
from scenekeeper.store import Dataset
from tests.review.reviewed_dataset import (
    CHAIR,
    FRAMES,
    MUG,
    SIZE,
    TABLE,
    Reviewer,
    add,
    box,
    label,
    made,
    thing,
    track,
)
from tests.review.test_log import forge

MADE = 1_000_000_000
PUBLIC = ("instances", "objects", "relations", "captions", "quality", "names", "changes")
PUBLIC += ("object_captions", "statements", "frames", "signals")


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return made(tmp_path / "lab.sk")


@pytest.fixture
def decide(dataset: Dataset) -> Reviewer:
    return Reviewer(dataset)


def column(dataset: Dataset, query: str) -> list[Any]:
    found = dataset.sql(query)
    rows = zip(*(found[c].to_pylist() for c in found.column_names), strict=True)
    return [row[0] if len(row) == 1 else row for row in rows]


def phrases(dataset: Dataset, number: int, session: str = "kitchen") -> list[tuple[str, str]]:
    """Name and status of a machine's track, frame by frame."""
    return column(
        dataset,
        f"SELECT phrase, status FROM instances WHERE session = '{session}' AND track = {number}"
        " ORDER BY frame_id",
    )


# --- where nobody has reviewed anything -----------------------------------------------------------


def test_without_decisions_nothing_is_written_and_nothing_costs(dataset: Dataset) -> None:
    views = (dataset.path / "views.sql").read_text()
    assert refresh(dataset) is None and not (dataset.path / "review").exists()
    with Log.open(dataset.path):
        assert refresh(dataset) is None
    dataset.refresh_views()
    assert (dataset.path / "views.sql").read_text() == views
    for name in ("rulings", "drawn", "sayings", "trust", "_auto i LEFT JOIN rulings"):
        assert f"VIEW {name} " not in views and "rulings" not in views


def test_a_decision_that_was_undone_leaves_every_view_as_it_was(
    dataset: Dataset, decide: Reviewer
) -> None:
    order = {"instances": " ORDER BY frame_id, instance"}
    before = {v: dataset.sql(f"SELECT * FROM {v}{order.get(v, '')}") for v in PUBLIC}
    undone = decide("relabel", track(0), phrase="mug")
    decide("undo", track(0), of=undone)
    refresh(dataset)
    assert "rulings" in (dataset.path / "views.sql").read_text()
    for view, rows in before.items():
        after = dataset.sql(f"SELECT * FROM {view}{order.get(view, '')}")
        assert after.schema == rows.schema, view
        assert sorted(map(str, after.to_pylist())) == sorted(map(str, rows.to_pylist())), view


# --- instances and objects ------------------------------------------------------------------------


def test_one_decision_names_a_thing_in_every_frame(dataset: Dataset, decide: Reviewer) -> None:
    decide("relabel", track(0), phrase="mug")
    applied = refresh(dataset)
    assert applied is not None and applied.events == 1 and applied.remarks == ()
    statuses = ["propagated", "corrected", "propagated", "propagated", "corrected", "propagated"]
    assert phrases(dataset, 0) == [("mug", s) for s in statuses]
    assert phrases(dataset, 1) == [("table", "auto")] * FRAMES
    assert column(dataset, f"SELECT phrase, status FROM objects WHERE object = {MUG}") == [
        ("mug", "verified")
    ]
    labels = list(dataset.labels("kitchen"))
    assert all(frame.phrase == ("mug", "table", "chair") for frame in labels)
    assert np.asarray(labels[1].p).tolist() == [1.0, 0.25, 0.25]


def test_putting_into_force_again_changes_nothing(dataset: Dataset, decide: Reviewer) -> None:
    decide("relabel", track(0), phrase="mug")
    first = refresh(dataset)
    files = {f: f.stat().st_mtime_ns for f in dataset.path.rglob("*") if f.is_file()}
    assert refresh(dataset) == first
    again = {f: f.stat().st_mtime_ns for f in dataset.path.rglob("*") if f.is_file()}
    assert {f.name for f in again if again[f] != files.get(f)} <= {
        f"events.sqlite-{x}" for x in ("shm", "wal")
    }


def test_what_is_not_there_is_in_no_view(dataset: Dataset, decide: Reviewer) -> None:
    decide("reject", track(0))
    refresh(dataset)
    assert phrases(dataset, 0) == []
    assert column(dataset, "SELECT object FROM objects ORDER BY 1") == [TABLE, CHAIR]
    assert column(dataset, "SELECT subject, predicate, object FROM relations") == [
        (TABLE, "next to", CHAIR)
    ]
    assert column(dataset, "SELECT DISTINCT instances FROM quality") == [2]
    assert all(len(frame) == 2 for frame in dataset.labels("kitchen"))


def test_a_split_off_part_is_another_track_without_the_object(
    dataset: Dataset, decide: Reviewer
) -> None:
    decide("split", track(0), frame=4, phrase="pear")
    refresh(dataset)
    rows = column(
        dataset,
        "SELECT track, object, phrase FROM instances WHERE instance = 0 ORDER BY frame_id",
    )
    assert rows == [(0, MUG, "cup")] * 4 + [(MADE + 1, None, "pear")] * 2


def test_two_tracks_of_one_thing_have_one_object_and_one_row(
    dataset: Dataset, decide: Reviewer
) -> None:
    decide("same", Subject("pair", "kitchen", 0, 2))
    refresh(dataset)
    assert column(dataset, "SELECT DISTINCT track, object FROM instances ORDER BY 1") == [
        (0, MUG),
        (1, TABLE),
    ]
    assert column(dataset, "SELECT object FROM objects ORDER BY 1") == [MUG, TABLE]


def test_a_drawn_box_replaces_the_machines_and_its_mask(dataset: Dataset, decide: Reviewer) -> None:
    decide("box", track(0), frame=2, box_xyxy=[1.0, 2.0, 33.0, 44.0])
    refresh(dataset)
    frame = list(dataset.labels("kitchen"))[2]
    assert frame.box_xyxy[0].tolist() == [1, 2, 33, 44] and frame.mask[0] is None
    assert frame.status == ("corrected", "auto", "auto")
    assert frame.mask[1] is not None and frame.phrase[0] == "cup"


def test_a_drawn_mask_replaces_the_machines(dataset: Dataset, decide: Reviewer) -> None:
    dense = np.zeros(SIZE, bool)
    dense[20:30, 40:60] = True
    decide("mask", track(0), frame=2, counts=masks.encode(dense).decode())
    refresh(dataset)
    row = dataset.sql("SELECT * FROM instances WHERE track = 0 AND frame_id = 2").to_pylist()[0]
    assert row["mask"] == masks.encode(dense) and row["area"] == 200
    assert row["box_xyxy"] == [40, 20, 60, 30]


def test_what_was_missed_is_a_label_like_any_other(dataset: Dataset, decide: Reviewer) -> None:
    missed = Subject("frame", "kitchen", 3)
    decide("add", missed, phrase="spoon", box_xyxy=[1.0, 2.0, 9.0, 8.0])
    decide("add", missed, phrase="fork", box_xyxy=[2.0, 2.0, 9.0, 8.0])
    refresh(dataset)
    frame = list(dataset.labels("kitchen"))[3]
    assert frame.phrase == ("cup", "table", "chair", "spoon", "fork")
    assert np.asarray(frame.track).tolist()[3:] == [MADE + 1, MADE + 2]
    assert np.asarray(frame.object).tolist()[3:] == [-1, -1] and frame.status[3] == "corrected"
    rows = dataset.sql("SELECT * FROM instances WHERE frame_id = 3 ORDER BY instance").to_pylist()
    assert len({r["instance"] for r in rows}) == 5 and rows[4]["t_ns"] == 3000
    assert (rows[3]["height"], rows[3]["width"]) == SIZE


# --- objects over sessions ------------------------------------------------------------------------


def test_a_decision_about_an_object_covers_sessions_that_come_later(
    dataset: Dataset, decide: Reviewer
) -> None:
    decide("relabel", thing(MUG), phrase="mug")
    decide("reject", thing(CHAIR))
    refresh(dataset)
    add(dataset, "hall")  # nobody has refreshed anything since
    assert phrases(dataset, 0, "hall") == [("mug", "propagated")] * FRAMES
    assert phrases(dataset, 2, "hall") == []
    assert column(dataset, "SELECT object FROM objects WHERE session = 'hall' ORDER BY 1") == [
        MUG,
        TABLE,
    ]
    assert not column(dataset, f"SELECT 1 FROM relations WHERE object = {CHAIR}")


def test_objects_that_are_one_are_one_in_every_view(dataset: Dataset, decide: Reviewer) -> None:
    add(dataset, "hall")
    decide("same", Subject("pair", "", CHAIR, MUG))
    decide("relabel", thing(CHAIR), phrase="stool")
    refresh(dataset)
    for session in ("kitchen", "hall"):
        found = f"FROM instances WHERE session = '{session}' AND track IN (0, 2)"
        assert column(dataset, f"SELECT DISTINCT object, phrase {found}") == [(MUG, "stool")]
        rows = f"SELECT object, phrase FROM objects WHERE session = '{session}' ORDER BY 1"
        assert column(dataset, rows) == [(MUG, "stool"), (TABLE, "table")]
        said = f"SELECT subject, predicate, object FROM relations WHERE session = '{session}'"
        assert sorted(column(dataset, said)) == [(MUG, "next to", TABLE), (MUG, "on", TABLE)]


def test_the_names_of_objects_that_are_one_are_given_to_each_of_them(
    dataset: Dataset, decide: Reviewer
) -> None:
    decide("same", Subject("pair", "", CHAIR, MUG))
    refresh(dataset)
    dataset.name_object(MUG, "stool")
    assert given_names(dataset) == {MUG: "stool", CHAIR: "stool"}


def test_an_accepted_object_is_verified_where_it_was_looked_at(
    dataset: Dataset, decide: Reviewer
) -> None:
    decide("accept", thing(MUG))
    refresh(dataset)
    assert phrases(dataset, 0) == [("cup", "propagated")] * FRAMES
    assert column(dataset, f"SELECT status FROM objects WHERE object = {MUG}") == ["verified"]


def test_of_a_name_and_a_relabelling_the_later_counts(dataset: Dataset, decide: Reviewer) -> None:
    def name() -> set[str]:
        found = {phrase for phrase, _ in phrases(dataset, 0)}
        objects = column(dataset, f"SELECT phrase FROM objects WHERE object = {MUG}")
        assert [*found] == objects
        return found

    dataset.name_object(MUG, "beaker")
    assert name() == {"beaker"}
    decide("relabel", thing(MUG), phrase="mug")
    refresh(dataset)
    assert name() == {"mug"}
    dataset.name_object(MUG, "tumbler")
    assert name() == {"tumbler"}
    decide("relabel", track(0), phrase="goblet")
    refresh(dataset)
    assert name() == {"goblet"}
    dataset.name_object(MUG, "chalice")
    assert name() == {"chalice"}
    assert {s for _, s in phrases(dataset, 0)} == {"propagated"}


def test_a_name_brings_back_an_object_that_was_rejected_before(
    dataset: Dataset, decide: Reviewer
) -> None:
    decide("reject", thing(MUG))
    refresh(dataset)
    assert phrases(dataset, 0) == []
    dataset.name_object(MUG, "mug")
    assert phrases(dataset, 0) == [("mug", "propagated")] * FRAMES


def test_a_track_that_was_accepted_since_is_there_though_its_object_was_rejected(
    dataset: Dataset, decide: Reviewer
) -> None:
    add(dataset, "hall")
    decide("reject", thing(MUG))
    decide("accept", track(0))
    refresh(dataset)
    assert len(phrases(dataset, 0)) == FRAMES and phrases(dataset, 0, "hall") == []


# --- sentences ------------------------------------------------------------------------------------


def test_relations_are_said_and_unsaid(dataset: Dataset, decide: Reviewer) -> None:
    decide("reject", Subject("relation", "kitchen", MUG, TABLE, "on"))
    decide("accept", Subject("relation", "kitchen", TABLE, CHAIR, "next to"))
    decide("accept", Subject("relation", "kitchen", MUG, CHAIR, "in"))
    decide("accept", Subject("relation", "kitchen", MUG, 99, "in"))
    applied = refresh(dataset)
    rows = column(dataset, "SELECT subject, predicate, object, score, source FROM relations")
    assert sorted(rows) == [
        (MUG, "in", CHAIR, 1.0, "person"),
        (MUG, "next to", CHAIR, 0.5, "geometry"),
        (TABLE, "next to", CHAIR, 1.0, "geometry+person"),
    ]
    assert applied is not None and [r[:2] for r in applied.remarks] == [(4, "orphan")]


def test_a_caption_is_corrected_in_all_frames_that_say_it(
    dataset: Dataset, decide: Reviewer
) -> None:
    decide("caption", Subject("caption", "kitchen", 2), text="a mug")
    decide("reject", Subject("caption", "kitchen", 5))
    refresh(dataset)
    rows = column(dataset, "SELECT frame_id, text, source, status FROM captions ORDER BY 1")
    assert rows == [
        (f, "a mug", "person", "corrected" if f == 2 else "propagated") for f in range(4)
    ]


# --- labels made anew -----------------------------------------------------------------------------


def test_decisions_follow_their_tracks_into_labels_made_anew(
    dataset: Dataset, decide: Reviewer
) -> None:
    decide("relabel", track(0), phrase="mug")
    decide("relabel", thing(TABLE), phrase="desk")
    refresh(dataset)
    label(dataset, "kitchen", "i2", {0: 2, 1: 1, 2: 0})
    # What was decided about a track's number is not said of another thing's meanwhile.
    assert phrases(dataset, 0) == [("chair", "auto")] * FRAMES
    assert phrases(dataset, 1) == [("desk", "propagated")] * FRAMES
    applied = refresh(dataset)
    assert applied is not None and applied.remarks == ()
    assert [p for p, _ in phrases(dataset, 2)] == ["mug"] * FRAMES
    assert phrases(dataset, 0) == [("chair", "auto")] * FRAMES


def test_labels_that_come_back_find_their_decisions(dataset: Dataset, decide: Reviewer) -> None:
    decide("relabel", track(0), phrase="mug")
    refresh(dataset)
    before = phrases(dataset, 0)
    label(dataset, "kitchen", "i2", {0: 2, 1: 1, 2: 0})
    refresh(dataset)
    label(dataset, "kitchen", "i1")
    refresh(dataset)
    assert phrases(dataset, 0) == before


# --- trust ----------------------------------------------------------------------------------------


def trust(p: float = 0.75, certified: bool = True, run: str = "i1") -> pa.Table:
    row = {"session": "kitchen", "run": run, "p": p, "certified": certified}
    return pa.Table.from_pylist([{**row, "track": t} for t in (0, 1)], schema.TRUST)


def test_a_calibrated_probability_stands_in_for_the_labelers(dataset: Dataset) -> None:
    put_trust(dataset, trust())
    rows = column(dataset, "SELECT DISTINCT track, p, status FROM instances ORDER BY 1")
    assert [(t, round(p, 3), s) for t, p, s in rows] == [
        (0, 0.75, "certified"),
        (1, 0.75, "certified"),
        (2, 0.25, "auto"),
    ]


def test_human_beats_certified(dataset: Dataset, decide: Reviewer) -> None:
    put_trust(dataset, trust())
    decide("relabel", track(0), phrase="mug")
    refresh(dataset)
    assert {s for _, s in phrases(dataset, 0)} == {"corrected", "propagated"}
    assert {s for _, s in phrases(dataset, 1)} == {"certified"}


def test_what_is_certified_is_void_once_any_label_changes(dataset: Dataset) -> None:
    put_trust(dataset, trust())
    add(dataset, "hall")
    assert {s for _, s in phrases(dataset, 0)} == {"auto"}
    assert column(
        dataset, "SELECT DISTINCT round(p, 3) FROM instances WHERE track = 0 ORDER BY 1"
    ) == [0.25, 0.75]
    label(dataset, "kitchen", "i2")
    assert column(dataset, "SELECT DISTINCT round(p, 3) FROM instances WHERE track = 0") == [0.25]


def test_trust_of_two_runs_of_a_session_is_refused(dataset: Dataset) -> None:
    both = pa.concat_tables([trust(), trust(run="i2")])
    with pytest.raises(DatasetError, match="several runs"):
        put_trust(dataset, both)


# --- trouble --------------------------------------------------------------------------------------


def test_duckdb_alone_reads_reviewed_labels(dataset: Dataset, decide: Reviewer) -> None:
    decide("relabel", track(0), phrase="mug")
    refresh(dataset)
    script = (
        "import duckdb; db = duckdb.connect(); db.execute(open('views.sql').read());"
        "print(db.sql('SELECT DISTINCT phrase FROM instances ORDER BY 1').fetchall())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=dataset.path, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[('chair',), ('mug',), ('table',)]"


def test_a_condition_shows_some_of_the_reviewed_labels(dataset: Dataset, decide: Reviewer) -> None:
    decide("accept", track(0))
    refresh(dataset)
    safe = dataset.only("status IN ('verified', 'corrected')")
    assert column(safe, "SELECT frame_id, track FROM instances ORDER BY 1") == [(1, 0), (4, 0)]


def test_a_forged_event_reaches_no_label(dataset: Dataset, decide: Reviewer) -> None:
    decide("relabel", track(0), phrase="mug")
    refresh(dataset)
    decide("relabel", track(0), phrase="cup")
    forge(dataset.path, "UPDATE event SET decision = replace(decision, 'cup', 'pot') WHERE seq = 2")
    with pytest.raises(ReviewError, match="event 2: has been altered"):
        refresh(dataset)
    assert phrases(open_dataset(dataset.path), 0)[0][0] == "mug"


def test_a_full_disk_leaves_the_labels_as_they_were(
    dataset: Dataset, decide: Reviewer, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide("relabel", track(0), phrase="cup")
    refresh(dataset)
    decide("relabel", track(0), phrase="mug")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("scenekeeper.store.dataset.pq.write_table", full)
        with pytest.raises(DatasetError, match="No space left"):
            refresh(dataset)
    assert phrases(open_dataset(dataset.path), 0)[0][0] == "cup"
    refresh(dataset)
    assert phrases(dataset, 0)[0][0] == "mug"


def test_a_damaged_pointer_says_what_to_do(dataset: Dataset, decide: Reviewer) -> None:
    decide("relabel", track(0), phrase="mug")
    refresh(dataset)
    file = dataset.path / "review" / "applied.json"
    file.write_text("{")
    with pytest.raises(DatasetError, match=r"applied\.json: is damaged.*Delete it"):
        refresh(dataset)
    file.unlink()
    refresh(dataset)
    assert phrases(dataset, 0)[0][0] == "mug"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_reviewed_dataset_that_cannot_be_written_is_read(
    dataset: Dataset, decide: Reviewer
) -> None:
    decide("relabel", track(0), phrase="mug")
    refresh(dataset)
    for folder in (dataset.path, dataset.path / "review"):
        folder.chmod(0o555)
    found = open_dataset(dataset.path)
    assert phrases(found, 0)[0][0] == "mug" and refresh(found) is not None


def test_two_processes_put_the_newest_decisions_into_force(
    dataset: Dataset, decide: Reviewer
) -> None:
    decide("relabel", track(0), phrase="mug")
    script = (
        "import sys; from pathlib import Path; from scenekeeper import open_dataset;"
        "from scenekeeper.review.apply import refresh;"
        "from tests.review.reviewed_dataset import Reviewer, track;"
        "d = open_dataset(sys.argv[1]); r = Reviewer(d, sys.argv[2]);"
        "t = track(int(sys.argv[3]));"
        "[(r('relabel', t, phrase=f'name {k}'), refresh(d)) for k in range(5)]"
    )
    people = [
        subprocess.Popen([sys.executable, "-c", script, str(dataset.path), who, number])
        for who, number in (("bob", "1"), ("eve", "2"))
    ]
    assert [person.wait(120) for person in people] == [0, 0]
    found = open_dataset(dataset.path)
    applied = found.applied()
    assert applied is not None and applied.events == 11
    assert [phrases(found, t)[0][0] for t in (0, 1, 2)] == ["mug", "name 4", "name 4"]


def test_tables_of_earlier_folds_stay_a_day(dataset: Dataset, decide: Reviewer) -> None:
    decide("relabel", track(0), phrase="cup")
    first = refresh(dataset)
    decide("relabel", track(0), phrase="mug")
    refresh(dataset)
    assert first is not None
    old = dataset.path / "labels" / "rulings" / first.fold
    assert old.exists()
    os.utime(old, (0, time.time() - 90_000))
    decide("reject", track(1))
    refresh(dataset)
    assert not old.exists()


def test_what_is_erased_is_in_no_file_of_the_labels(dataset: Dataset, decide: Reviewer) -> None:
    decide("relabel", track(0), phrase="secret")
    refresh(dataset)
    decide("relabel", thing(TABLE), phrase="desk")
    refresh(dataset)
    with Log.open(dataset.path) as log:
        log.erase(lambda d: d.subject.session == "kitchen", "consent withdrawn")
    forget(dataset)
    assert phrases(dataset, 0) == [("cup", "auto")] * FRAMES
    assert phrases(dataset, 1) == [("desk", "propagated")] * FRAMES
    assert len(list(dataset.path.glob("labels/sayings/*"))) == 1
    assert b"secret" not in (dataset.path / FILE).read_bytes()


def test_a_box_of_another_track_is_never_drawn(dataset: Dataset, decide: Reviewer) -> None:
    decide("box", track(1), frame=0, box_xyxy=[1.0, 1.0, 5.0, 5.0])
    refresh(dataset)
    label(dataset, "kitchen", "i2", {0: 1, 1: 0, 2: 2})
    assert next(iter(dataset.labels("kitchen"))).box_xyxy[1].tolist() == box(1, 0)
    refresh(dataset)
    frame = next(iter(dataset.labels("kitchen")))
    assert frame.box_xyxy[1].tolist() == [1, 1, 5, 5] and np.asarray(frame.track)[1] == 0
