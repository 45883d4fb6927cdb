"""Recordings in, labels out: what the report says is so, and what people said stays."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scenekeeper import engine, label, name, open_dataset
from scenekeeper.errors import DatasetError, RecordingError
from scenekeeper.labelers import EmbeddedLabeler, MapLabeler, prototypes
from scenekeeper.labeling import _session_name
from scenekeeper.review.events import Decision, Subject
from scenekeeper.review.log import Log
from scenekeeper.schema import UNNAMED
from scenekeeper.simulate import write_tabletop
from scenekeeper.store import Dataset
from scenekeeper.world import FuseConfig


@dataclass(frozen=True)
class Labelled:
    """A recording and its dataset."""

    recording: Path
    dataset: Dataset


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labeling")
    write_tabletop(folder / "room", 30, size=(160, 120))
    label([folder / "room"], folder / "room.sk")
    return folder


@pytest.fixture
def room(_made: Path, tmp_path: Path) -> Labelled:
    """A rendered room, labelled; the dataset is the test's own."""
    shutil.copytree(_made / "room.sk", tmp_path / "room.sk")
    return Labelled(_made / "room", open_dataset(tmp_path / "room.sk"))


def objects(dataset: Dataset) -> dict[int, dict[str, object]]:
    return {row["object"]: row for row in dataset.table("objects").to_pylist()}


def test_the_report_counts_what_the_tables_hold(room: Labelled) -> None:
    [report] = label([room.recording], room.dataset.path)
    instances = room.dataset.table("instances")
    assert (report.session, report.frames) == ("room", 30)
    assert report.instances == len(instances) > 100
    assert report.tracks == len(set(instances["track"].to_pylist()))
    assert report.objects == len(objects(room.dataset))
    assert (report.done, report.failures) == (0, ()) and report.kept > 0
    assert report.to_dict()["session"] == "room"


def test_the_thing_to_name_is_unnamed_and_seen_most(room: Labelled) -> None:
    [report] = label([room.recording], room.dataset.path)
    assert report.unnamed is not None
    chosen = objects(room.dataset)[report.unnamed]
    things = [o for o in objects(room.dataset).values() if o["kind"] in ("thing", "flat")]
    unnamed = [o for o in things if o["phrase"] == UNNAMED]
    assert chosen in unnamed and chosen["frames"] == max(int(str(o["frames"])) for o in unnamed)


def test_a_name_survives_labelling_with_another_configuration(room: Labelled) -> None:
    [report] = label([room.recording], room.dataset.path)
    assert report.unnamed is not None
    before = objects(room.dataset)[report.unnamed]
    name(room.dataset.path, report.unnamed, "thing of mine")
    label([room.recording], room.dataset.path, labeler=EmbeddedLabeler(FuseConfig(0.014)))
    again = open_dataset(room.dataset.path)
    after = objects(again)[report.unnamed]
    assert (after["phrase"], after["status"]) == ("thing of mine", "verified")
    assert np.allclose(after["center"], before["center"], atol=0.05)
    assert after["center"] != before["center"]  # it really was found anew
    assert "thing of mine" in " ".join(again.table("captions")["text"].to_pylist())


def test_a_decision_about_a_track_survives_labelling_with_another_configuration(
    room: Labelled,
) -> None:
    shown = room.dataset.sql(
        "SELECT track, object, list(frame_id ORDER BY frame_id) AS frames,"
        " list(box_xyxy ORDER BY frame_id) AS boxes FROM instances"
        " WHERE object IS NOT NULL GROUP BY ALL ORDER BY count(*) DESC LIMIT 1"
    ).to_pylist()[0]
    looked = zip(shown["frames"][::4], shown["boxes"][::4], strict=True)
    decision = Decision(
        "decision-1",
        "relabel",
        Subject("track", "room", shown["track"]),
        {"phrase": "thing of mine"},
        runs={"room": room.dataset.current("room")["instances"]},
        anchor=tuple(("room", frame, *box) for frame, box in looked),  # type: ignore[misc]
    )
    with Log.open(room.dataset.path) as log:
        log.append([decision])
    label([room.recording], room.dataset.path, labeler=EmbeddedLabeler(FuseConfig(0.014)))
    again = open_dataset(room.dataset.path)
    assert again.current("room")["instances"] != decision.runs["room"]
    rows = again.sql("SELECT * FROM instances WHERE phrase = 'thing of mine'").to_pylist()
    assert len(rows) > 0.8 * len(shown["frames"])
    assert {row["object"] for row in rows} == {shown["object"]}
    assert {row["status"] for row in rows} == {"corrected", "propagated"}


def test_a_name_is_in_the_captions_at_once(room: Labelled) -> None:
    [report] = label([room.recording], room.dataset.path)
    assert report.unnamed is not None
    name(room.dataset.path, report.unnamed, "thing of mine")
    texts = open_dataset(room.dataset.path).table("captions")["text"].to_pylist()
    assert "a thing of mine" in " ".join(texts)


def test_a_name_given_while_labelling_is_in_the_captions_too(
    room: Labelled, monkeypatch: pytest.MonkeyPatch
) -> None:
    [report] = label([room.recording], room.dataset.path)
    assert report.unnamed is not None
    run = engine.run

    def named_meanwhile(*arguments: Any) -> engine.Report:
        open_dataset(room.dataset.path).name_object(report.unnamed or 0, "thing of mine")
        return run(*arguments)

    monkeypatch.setattr(engine, "run", named_meanwhile)
    label([room.recording], room.dataset.path)
    texts = open_dataset(room.dataset.path).table("captions")["text"].to_pylist()
    assert "a thing of mine" in " ".join(texts)


def test_what_a_second_visit_shows_again_keeps_its_ids(room: Labelled) -> None:
    first = room.dataset.table("objects", "room")["object"].to_pylist()
    label([room.recording], room.dataset.path, session="again")
    dataset = open_dataset(room.dataset.path)
    again = dataset.table("objects", "again")["object"].to_pylist()
    assert len(again) > 5 and sorted(again) == sorted(first)
    assert not dataset.table("changes", "again").num_rows


def test_another_recording_of_the_same_name_is_refused(room: Labelled, tmp_path: Path) -> None:
    write_tabletop(tmp_path / "room", 30, seed=1, size=(160, 120))
    with pytest.raises(DatasetError, match=r"already holds another recording.*--session"):
        label([tmp_path / "room"], room.dataset.path)
    assert label([tmp_path / "room"], room.dataset.path, session="again")[0].session == "again"


def test_one_session_name_for_two_recordings_is_refused(room: Labelled) -> None:
    with pytest.raises(RecordingError, match="one session name for 2 recordings"):
        label([room.recording] * 2, room.dataset.path, session="both")


def test_a_recording_that_moved_is_the_same_session(room: Labelled, tmp_path: Path) -> None:
    shutil.copytree(room.recording, tmp_path / "elsewhere" / "room")
    [report] = label([tmp_path / "elsewhere" / "room"], room.dataset.path)
    assert report.done == 0


def test_without_depth_things_are_found_in_pictures_and_what_is_missing_is_told(
    tmp_path: Path,
) -> None:
    room = write_tabletop(tmp_path / "room", 6, size=(160, 120))
    for file in room.glob("*.depth.png"):
        file.unlink()
    [report] = label([room], tmp_path / "room.sk")
    assert report.instances > 6 and (report.frames, report.objects, report.unnamed) == (6, 0, None)
    assert any("has no depth" in note for note in report.notes)
    assert len(open_dataset(tmp_path / "room.sk").table("quality")) == 6


def test_without_poses_things_are_found_in_pictures_and_what_is_missing_is_told(
    tmp_path: Path,
) -> None:
    room = write_tabletop(tmp_path / "room", 6, size=(160, 120))
    for file in room.glob("*.pose.txt"):
        file.unlink()
    [report] = label([room], tmp_path / "room.sk")
    assert report.instances > 6 and report.objects == 0
    assert any("no camera poses" in note for note in report.notes)


def test_an_all_unknown_depth_gives_no_objects_and_no_error(tmp_path: Path) -> None:
    room = write_tabletop(tmp_path / "room", 6, size=(160, 120))
    for file in room.glob("*.depth.png"):
        Image.fromarray(np.zeros((120, 160), np.uint16)).save(file)
    [report] = label([room], tmp_path / "room.sk")
    assert report.objects == 0 and report.failures == ()


def test_the_map_alone_labels_without_networks(tmp_path: Path) -> None:
    room = write_tabletop(tmp_path / "room", 12, size=(160, 120))
    [report] = label([room], tmp_path / "room.sk", labeler=MapLabeler())
    assert report.objects > 3 and report.failures == ()
    dataset = open_dataset(tmp_path / "room.sk")
    assert "proposals" not in dataset.current("room")
    things = [o for o in objects(dataset).values() if o["kind"] == "thing"]
    assert {o["phrase"] for o in things} == {UNNAMED}


def test_a_taught_word_is_used_by_the_next_labelling(room: Labelled) -> None:
    [report] = label([room.recording], room.dataset.path)
    assert report.unnamed is not None
    assert prototypes(open_dataset(room.dataset.path)) == {}
    name(room.dataset.path, report.unnamed, "thing of mine")
    taught = prototypes(open_dataset(room.dataset.path))
    assert taught.keys() == {"thing of mine"}
    assert np.linalg.norm(taught["thing of mine"]) == pytest.approx(1, abs=1e-3)
    [again] = label([room.recording], room.dataset.path)
    assert again.done > 0  # tracks are named anew, nothing is looked at again
    phrases = {o["phrase"] for o in objects(open_dataset(room.dataset.path)).values()}
    assert "thing of mine" in phrases


def test_a_picture_that_cannot_be_read_costs_its_clip_only(tmp_path: Path) -> None:
    room = write_tabletop(tmp_path / "room", 30, size=(160, 120))
    (room / "frame-000020.color.jpg").write_bytes(b"no picture")
    [report] = label([room], tmp_path / "room.sk", clip_seconds=0.3)
    assert {clip for _, clip, _ in report.failures} == {2}
    assert all("frame-000020" in reason for _, _, reason in report.failures)
    frames = set(open_dataset(tmp_path / "room.sk").table("instances")["frame_id"].to_pylist())
    assert frames and not frames & set(range(18, 27))


@pytest.mark.parametrize(
    ("recorded", "session"),
    [
        ("day1", "day1"),
        ("my kitchen", "my-kitchen"),
        ("Küche 2", "Kuche-2"),
        ("../up", "up"),
        (".hidden", "hidden"),
        ("台所", "session"),
    ],
)
def test_a_session_has_a_name_that_can_be_a_file(recorded: str, session: str) -> None:
    assert _session_name(recorded) == session
