"""Corrections from a labelling tool go into the review log and change the labels, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from scenekeeper.errors import ScenekeeperWarning
from scenekeeper.exchange.queues import read_corrections, record, write_queue
from scenekeeper.review.apply import refresh
from scenekeeper.review.events import Decision, Subject
from scenekeeper.review.labelled import MADE
from scenekeeper.review.log import Log
from scenekeeper.store import Dataset
from tests.exchange.conftest import AWKWARD
from tests.exchange.edited_queues import open_in

pytestmark = pytest.mark.usefixtures("recorded")


@pytest.fixture
def folder(dataset: Dataset, tmp_path: Path) -> Path:
    """A queue of ``hall`` for CVAT."""
    return write_queue(dataset, "cvat", tmp_path / "queue", sessions=["hall"]).path


def head_camera(folder: Path) -> tuple[Path, ElementTree.ElementTree]:
    """The task of frames 0 and 2."""
    (file,) = (f for f in folder.rglob("annotations.xml") if "head" in f.parent.name)
    return file, ElementTree.parse(file)


def track(name: str, key: str, **boxes: str) -> ElementTree.Element:
    """A track of CVAT with boxes ``f0="x0 y0 x1 y1"``."""
    found = ElementTree.Element("track", {"id": "99", "label": name})
    for place, sides in boxes.items():
        at = {"frame": place[1:], "keyframe": "1", "outside": "0", "occluded": "0"}
        names = ("xtl", "ytl", "xbr", "ybr")
        box = ElementTree.SubElement(
            found, "box", {**at, **dict(zip(names, sides.split(), strict=True))}
        )
        ElementTree.SubElement(box, "attribute", {"name": "obj"}).text = key
    return found


def imported(dataset: Dataset, folder: Path, actor: str = "ann") -> dict[str, int]:
    """Statuses of an import, counted; the labels are folded."""
    receipts = record(dataset, read_corrections(dataset, "cvat", folder), actor)
    refresh(dataset)
    return {s: [r.status for r in receipts].count(s) for s in {r.status for r in receipts}}


def labels(dataset: Dataset, where: str = "true") -> list[tuple[Any, ...]]:
    query = (
        f"SELECT frame_id, track, phrase, status FROM instances WHERE session = 'hall' AND {where}"
    )
    rows = dataset.sql(query + " AND track >= 0 ORDER BY frame_id, track").to_pylist()
    return [tuple(row.values()) for row in rows]


def test_labels_say_what_was_corrected_and_a_second_import_changes_nothing(
    dataset: Dataset, folder: Path
) -> None:
    desk = open_in("cvat", folder)
    for thing in desk.things:
        if thing.phrase == "table":
            thing.rename("desk")
        else:
            thing.delete()
    desk.save()
    assert imported(dataset, folder) == {"saved": 2}
    assert [(f, t, p) for f, t, p, _ in labels(dataset)] == [(f, 2, "desk") for f in range(4)]
    assert {s for *_, s in labels(dataset)} <= {"corrected", "propagated"}
    before = labels(dataset)
    assert imported(dataset, folder, "bob") == {"already": 2}
    assert labels(dataset) == before
    assert (
        "table"
        in dataset.sql("SELECT phrase FROM instances WHERE session = 'kitchen'")[
            "phrase"
        ].to_pylist()
    )


def test_a_new_thing_in_several_frames_is_one_track(dataset: Dataset, folder: Path) -> None:
    file, tree = head_camera(folder)
    tree.getroot().append(track("plate", "", f0="20 2 30 8", f1="22 2 32 8"))
    tree.write(file)
    assert imported(dataset, folder) == {"saved": 2}
    added = labels(dataset, "phrase = 'plate'")
    assert [(f, t) for f, t, *_ in added] == [(0, MADE + 1), (2, MADE + 1)]
    boxes = dataset.sql("SELECT box_xyxy FROM instances WHERE phrase = 'plate' ORDER BY frame_id")
    assert boxes["box_xyxy"].to_pylist() == [[20, 2, 30, 8], [22, 2, 32, 8]]
    assert imported(dataset, folder) == {"already": 2}
    assert labels(dataset, "phrase = 'plate'") == added


def test_identities_that_were_swapped_are_swapped_in_the_labels(
    dataset: Dataset, folder: Path
) -> None:
    for file in folder.rglob("annotations.xml"):
        root = ElementTree.parse(file).getroot()
        keys = [t[0][0].text or "" for t in root.iter("track")]
        for old in [*root.iter("track"), *root.iter("image")]:
            root.remove(old)
        first = 0 if "head" in file.parent.name else 1
        mug = [f"{5 + f} 12 {15 + f} 22" for f in (first, first + 2)]
        root.append(track(AWKWARD, keys[0], f0=mug[0], f1="0 30 64 48"))
        root.append(track("table", keys[1], f0="0 30 64 48", f1=mug[1]))
        ElementTree.ElementTree(root).write(file)
    assert imported(dataset, folder) == {"saved": 8}
    areas = dataset.sql(
        "SELECT frame_id, track, phrase, area FROM instances WHERE session = 'hall' AND track >= 0"
    ).to_pylist()
    assert {(r["frame_id"], r["track"], r["phrase"]): r["area"] for r in areas} == {
        **{(f, 1, AWKWARD): 96 if f < 2 else 18 * 64 for f in range(4)},
        **{(f, 2, "table"): 18 * 64 if f < 2 else 96 for f in range(4)},
    }
    assert imported(dataset, folder) == {"already": 8}


def test_who_decided_since_the_export_is_not_overruled(dataset: Dataset, folder: Path) -> None:
    with Log.open(dataset.path) as log:
        subject = Subject("track", "hall", 2)
        log.append([Decision("eve-00001", "relabel", subject, {"phrase": "bench"}, actor="eve")])
    desk = open_in("cvat", folder)
    for thing in desk.things:
        thing.rename("desk")
    desk.save()
    assert imported(dataset, folder) == {"saved": 1, "conflict": 1}
    assert {p for _, t, p, _ in labels(dataset) if t == 2} == {"bench"}
    with Log.open(dataset.path) as log:
        (conflict,) = log.conflicts()
        assert conflict.decision.body == {"phrase": "desk"} and conflict.against == 1


def test_what_was_decided_before_the_export_is_no_conflict(
    dataset: Dataset, tmp_path: Path
) -> None:
    with Log.open(dataset.path) as log:
        subject = Subject("track", "hall", 2)
        log.append([Decision("eve-00001", "relabel", subject, {"phrase": "bench"}, actor="eve")])
    refresh(dataset)
    folder = write_queue(dataset, "cvat", tmp_path / "later", sessions=["hall"]).path
    desk = open_in("cvat", folder)
    assert {t.phrase for t in desk.things} == {"bench", AWKWARD}
    for thing in desk.things:
        thing.rename("desk")
    desk.save()
    assert imported(dataset, folder) == {"saved": 2}
    assert {p for _, _, p, _ in labels(dataset)} == {"desk"}


def test_what_waits_for_a_refused_decision_is_refused_too(
    dataset: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, tree = head_camera(folder)
    tree.getroot().append(track("plate", "", f0="20 2 30 8", f1="22 2 32 8"))
    tree.write(file)
    with Log.open(dataset.path) as log:
        subject = Subject("frame", "hall", 0)
        log.append([Decision("eve-00001", "complete", subject, {"missed": 0}, actor="eve")])
    assert imported(dataset, folder) == {"conflict": 1, "refused": 1}
    assert labels(dataset, "phrase = 'plate'") == []


def test_a_thing_that_is_labelled_but_was_not_exported_is_not_added_again(
    dataset: Dataset, tmp_path: Path
) -> None:
    folder = write_queue(dataset, "cvat", tmp_path / "tables", tracks={"hall": [2]}).path
    file, tree = head_camera(folder)
    tree.getroot().append(track("cup", "", f0="5 12 15 22", f1="7 12 17 22"))
    tree.getroot().append(track("plate", "", f0="20 2 30 8"))
    tree.write(file)
    with pytest.warns(ScenekeeperWarning, match="1 new things are labelled already"):
        found = read_corrections(dataset, "cvat", folder)
    assert {d.body.get("phrase") for d in found if d.op == "add"} == {"plate"}
    assert all(d.body["box_xyxy"][0] == 20 for d in found)


def test_labels_made_anew_take_the_corrections_that_were_made_of_the_old(
    dataset: Dataset, folder: Path
) -> None:
    """Another run numbers the same things otherwise; their place tells who they are."""
    desk = open_in("cvat", folder)
    for thing in desk.things:
        if thing.phrase == "table":
            thing.rename("desk")
    desk.save()
    rows = dataset.sql("SELECT * FROM instances_auto WHERE session = 'hall'")
    moved = rows.set_column(
        rows.schema.get_field_index("track"),
        "track",
        [[t if t < 0 else 41 - t for t in rows["track"].to_pylist()]],
    )
    dataset.write_segment(moved, "instances", "j", "hall", 0)
    dataset.set_current("hall", {**dataset.current("hall"), "instances": "j"})
    assert imported(dataset, folder) == {"saved": 1}
    assert {p for _, t, p, _ in labels(dataset) if t == 39} == {"desk"}
