"""Queues out to labelling tools and corrections back, through the tools' own files."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from scenekeeper.errors import DatasetError, ExportError, RecordingError, ReviewError
from scenekeeper.exchange import queues
from scenekeeper.exchange.queues import read_corrections, tools, write_queue
from scenekeeper.review.events import Decision
from scenekeeper.store import Dataset
from tests.exchange.conftest import AWKWARD
from tests.exchange.edited_queues import TOOLS, labelbox_export, open_in, roboflow_resized
from tests.exchange.test_base import no_file_larger_than

every_tool = pytest.mark.parametrize("tool", TOOLS)


@pytest.fixture
def written(dataset: Dataset, recorded: None, tmp_path: Path) -> Callable[..., Path]:
    """Writes a queue of both sessions, or of chosen tracks, for a tool."""

    def write(tool: str, **options: Any) -> Path:
        return write_queue(dataset, tool, tmp_path / tool, **options).path

    return write


def changes(found: list[Decision]) -> list[Decision]:
    return [d for d in found if d.op != "accept"]


def brief(found: list[Decision]) -> list[tuple[str, str, int]]:
    return [(d.op, d.subject.session, d.subject.id) for d in changes(found)]


def in_hall(name: str, folder: Path) -> bool:
    """Whether a sheet, by name or letter, is of session ``hall``."""
    sheets = json.loads((folder / "scenekeeper.json").read_text())["sheets"]
    (session,) = {s["session"] for s in sheets if s["letter"] == name or name.startswith(s["name"])}
    return bool(session == "hall")


def test_there_are_five_tools() -> None:
    assert tools() == sorted(TOOLS)


@every_tool
def test_what_nobody_touched_comes_back_unchanged(
    dataset: Dataset, written: Callable[..., Path], tool: str
) -> None:
    folder = written(tool)
    assert changes(read_corrections(dataset, tool, open_in(tool, folder).save())) == []


@every_tool
def test_what_was_looked_at_and_left_is_accepted(
    dataset: Dataset, written: Callable[..., Path], tool: str
) -> None:
    path = open_in(tool, written(tool)).save()
    found = read_corrections(dataset, tool, path, reviewed=True)
    assert [(d.op, d.subject.session, d.subject.id, d.body["phrase"]) for d in found] == [
        ("accept", "hall", 1, AWKWARD),
        ("accept", "hall", 2, "table"),
        ("accept", "kitchen", 1, AWKWARD),
        ("accept", "kitchen", 2, "table"),
    ]


@every_tool
def test_a_new_name_relabels_the_track_of_that_session(
    dataset: Dataset, written: Callable[..., Path], tool: str
) -> None:
    folder = written(tool)
    desk = open_in(tool, folder)
    for thing in desk.things:
        if thing.phrase == "table" and in_hall(thing.sheet, folder):
            thing.rename("desk")
    found = changes(read_corrections(dataset, tool, desk.save()))
    assert brief(found) == [("relabel", "hall", 2)]
    assert found[0].body == {"phrase": "desk"}
    assert found[0].runs == {"hall": "i"} and {a[0] for a in found[0].anchor} == {"hall"}


@every_tool
def test_a_deleted_track_is_rejected_in_that_session(
    dataset: Dataset, written: Callable[..., Path], tool: str
) -> None:
    folder = written(tool)
    desk = open_in(tool, folder)
    for thing in desk.things:
        if thing.phrase == AWKWARD and in_hall(thing.sheet, folder):
            thing.delete()
    assert brief(read_corrections(dataset, tool, desk.save())) == [("reject", "hall", 1)]


@every_tool
def test_a_moved_box_is_a_box_of_that_frame(
    dataset: Dataset, written: Callable[..., Path], tool: str
) -> None:
    folder = written(tool)
    desk = open_in(tool, folder)
    thing = next(t for t in desk.things if t.phrase == AWKWARD and in_hall(t.sheet, folder))
    thing.move(4)
    found = changes(read_corrections(dataset, tool, desk.save()))
    first, *others = found
    assert brief([first]) == [("box", "hall", 1)]
    labels = {x.frame_id: x for x in dataset.labels("hall")}
    before = labels[first.body["frame"]].box_xyxy[0]
    moved = np.array(first.body["box_xyxy"]) - before
    assert moved[0] == pytest.approx(4, abs=0.01) and moved[[1, 3]] == pytest.approx(0, abs=0.01)
    # Between keyframes a tool moves the box along; other frames are of the same track.
    assert {d.subject.id for d in others} <= {1} and {d.op for d in others} <= {"box"}


@every_tool
def test_importing_twice_gives_the_same_decisions(
    dataset: Dataset, written: Callable[..., Path], tool: str
) -> None:
    desk = open_in(tool, written(tool))
    desk.things[0].rename("desk")
    desk.things[0].move(5)
    path = desk.save()
    once, again = (read_corrections(dataset, tool, path, reviewed=True) for _ in range(2))
    assert [d.to_json() for d in once] == [d.to_json() for d in again] and once
    assert len({d.id for d in once}) == len(once)


@every_tool
def test_only_chosen_tracks_are_written_and_only_the_pictures_that_show_them(
    dataset: Dataset, written: Callable[..., Path], tool: str
) -> None:
    folder = written(tool, tracks={"hall": [2]})
    data = json.loads((folder / "scenekeeper.json").read_text())
    assert {(s["track"], s["phrase"]) for s in data["strands"]} == {(2, "table")}
    assert {s["session"] for s in data["sheets"]} == {"hall"}
    assert {t.phrase for t in open_in(tool, folder).things} == {"table"}


@every_tool
@pytest.mark.parametrize("masks", ["none", "all"])
def test_no_masks_or_all_of_them(
    dataset: Dataset, written: Callable[..., Path], tool: str, masks: str
) -> None:
    folder = written(tool, masks=masks)
    data = json.loads((folder / "scenekeeper.json").read_text())
    counted = sum(len(s["masks"]) for s in data["strands"])
    assert counted == (0 if masks == "none" else sum(len(s["at"]) for s in data["strands"]))
    path = open_in(tool, folder).save()
    assert changes(read_corrections(dataset, tool, path)) == []


@every_tool
def test_an_archive_is_read_as_it_came(
    dataset: Dataset, written: Callable[..., Path], tool: str
) -> None:
    folder = written(tool)
    desk = open_in(tool, folder)
    desk.things[-1].rename("desk")
    path = desk.save()
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    with zipfile.ZipFile(folder / "back.zip", "w") as archive:
        for file in files:
            archive.write(file, file.relative_to(folder))
    plain = read_corrections(dataset, tool, path)
    zipped = read_corrections(dataset, tool, folder / "back.zip")
    assert [d.id for d in zipped] == [d.id for d in plain] and changes(plain)


@every_tool
def test_labels_made_anew_meanwhile_are_told_apart_by_their_run(
    dataset: Dataset, written: Callable[..., Path], tool: str
) -> None:
    desk = open_in(tool, written(tool))
    for thing in desk.things:
        thing.rename("desk")
    path = desk.save()
    shutil.copytree(dataset.path / "labels/instances/i", dataset.path / "labels/instances/j")
    for session in dataset.sessions():
        dataset.set_current(session, {**dataset.current(session), "instances": "j"})
    found = changes(read_corrections(dataset, tool, path))
    assert {run for d in found for run in d.runs.values()} == {"i"}
    assert all(d.anchor for d in found)


@pytest.mark.usefixtures("recorded")
def test_pictures_are_those_of_their_frames(
    dataset: Dataset, tmp_path: Path, picture_of: Callable[[int], np.ndarray]
) -> None:
    out = write_queue(dataset, "cvat", tmp_path / "out", sessions=["hall"]).path
    found = sorted(out.rglob("*.jpg"))
    assert [f.name for f in found] == ["000001.jpg", "000003.jpg", "000000.jpg", "000002.jpg"]
    for file in found:
        seen = np.asarray(Image.open(file), np.int64)
        assert np.abs(seen - picture_of(int(file.stem))).mean() < 3


@pytest.mark.usefixtures("recorded")
def test_a_video_has_one_picture_a_place(
    dataset: Dataset, tmp_path: Path, picture_of: Callable[[int], np.ndarray]
) -> None:
    import av

    out = write_queue(dataset, "v7", tmp_path / "out", sessions=["kitchen"]).path
    data = json.loads((out / "scenekeeper.json").read_text())
    for sheet in data["sheets"]:
        with av.open(str(out / "videos" / f"{sheet['name']}.mp4")) as container:
            pictures = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        assert len(pictures) == len(sheet["frame_ids"]) == 6
        for frame_id, seen in zip(sheet["frame_ids"], pictures, strict=True):
            assert np.abs(seen.astype(int) - picture_of(frame_id)).mean() < 12


def test_pictures_that_roboflow_has_resized_change_nothing(
    dataset: Dataset, written: Callable[..., Path]
) -> None:
    path = roboflow_resized(written("roboflow"), 0.75).save()
    assert read_corrections(dataset, "roboflow", path) == []


@pytest.mark.parametrize(("status", "accepted"), [("DONE", 4), ("IN_REVIEW", 0)])
def test_an_export_of_labelbox_is_accepted_when_its_workflow_says_done(
    dataset: Dataset, written: Callable[..., Path], status: str, accepted: int
) -> None:
    path = labelbox_export(written("labelbox"), status)
    found = read_corrections(dataset, "labelbox", path)
    assert changes(found) == [] and len(found) == accepted


def test_what_v7_shows_to_be_reviewed_is_accepted(
    dataset: Dataset, written: Callable[..., Path]
) -> None:
    desk = open_in("v7", written("v7"))
    for data in desk.submitted:
        for annotation in data["annotations"]:
            annotation["reviewers"] = [{"full_name": "R", "email": "r@example.org"}]
    found = read_corrections(dataset, "v7", desk.save())
    assert len(found) == 4 and changes(found) == []


def test_cvats_format_for_images_comes_back_too(
    dataset: Dataset, written: Callable[..., Path]
) -> None:
    """CVAT writes tracks as one box a picture there; the attribute says whose they are."""
    folder = written("cvat", tracks={"hall": [1, 2]})
    data = json.loads((folder / "scenekeeper.json").read_text())
    for sheet in data["sheets"]:
        images: dict[int, list[str]] = {}
        for strand in data["strands"]:
            if not strand["key"].startswith(sheet["letter"]):
                continue
            name = "cup" if strand["track"] == 1 else strand["phrase"]
            for place, box in zip(strand["at"], strand["boxes"], strict=True):
                names = ("xtl", "ytl", "xbr", "ybr")
                sides = " ".join(f'{n}="{v:.2f}"' for n, v in zip(names, box, strict=True))
                images.setdefault(place, []).append(
                    f'<box label="{name}" occluded="0" {sides}>'
                    f'<attribute name="obj">{strand["key"]}</attribute></box>'
                )
        body = "".join(
            f'<image id="{k}" name="{sheet["frame_ids"][k]:06d}.jpg" width="64" height="48">'
            f"{''.join(boxes)}</image>"
            for k, boxes in images.items()
        )
        text = f"<annotations><version>1.1</version><meta/>{body}</annotations>"
        (folder / sheet["name"] / "annotations.xml").write_text(text)
    found = read_corrections(dataset, "cvat", folder)
    assert brief(found) == [("relabel", "hall", 1)]


# --- bad input ------------------------------------------------------------------------------------


@every_tool
def test_a_file_cut_off_is_an_error_that_names_it(
    dataset: Dataset, written: Callable[..., Path], tool: str
) -> None:
    path = open_in(tool, written(tool)).save()
    for file in [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]:
        if file.suffix in (".xml", ".json", ".ndjson") and file.name != "scenekeeper.json":
            file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(ReviewError, match=r"cut off.*Export it again"):
        read_corrections(dataset, tool, path)


@every_tool
@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", '"x"', "<a/>", "[{}]", '{"item": 1}', "\0"]
)
def test_a_file_of_something_else_is_an_error(
    dataset: Dataset, written: Callable[..., Path], tool: str, text: str
) -> None:
    file = written(tool) / {"cvat": "wrong.xml", "labelbox": "wrong.ndjson"}.get(tool, "wrong.json")
    file.write_text(text)
    with pytest.raises(ReviewError, match=r"wrong\.(xml|json|ndjson)"):
        read_corrections(dataset, tool, file)


@every_tool
def test_without_its_id_map_a_file_says_what_is_missing(
    dataset: Dataset, written: Callable[..., Path], tool: str, tmp_path: Path
) -> None:
    folder = written(tool)
    path = open_in(tool, folder).save()
    (folder / "scenekeeper.json").unlink()
    with pytest.raises(ReviewError, match=r"no scenekeeper\.json beside it.*Put the file into"):
        read_corrections(dataset, tool, path)


@every_tool
def test_an_id_map_cut_off_is_an_error(
    dataset: Dataset, written: Callable[..., Path], tool: str
) -> None:
    folder = written(tool)
    path = open_in(tool, folder).save()
    file = folder / "scenekeeper.json"
    file.write_text(file.read_text()[:-50])
    with pytest.raises(ReviewError, match=r"scenekeeper\.json: is damaged"):
        read_corrections(dataset, tool, path)


def test_a_queue_of_another_dataset_is_an_error(
    dataset: Dataset, written: Callable[..., Path], tmp_path: Path
) -> None:
    folder = written("cvat")
    other = Dataset.create(tmp_path / "other.sk")
    with pytest.raises(ReviewError, match=r"of another dataset: session 'hall' is not in this one"):
        read_corrections(other, "cvat", folder)
    file = folder / "scenekeeper.json"
    file.write_text(file.read_text().replace('"hall":"c"', '"hall":"d"'))
    with pytest.raises(ReviewError, match=r"session 'hall' is another recording there"):
        read_corrections(dataset, "cvat", folder)


def test_a_queue_of_another_tool_says_which(dataset: Dataset, written: Callable[..., Path]) -> None:
    with pytest.raises(ReviewError, match=r"written for v7, not for cvat.*--from v7"):
        read_corrections(dataset, "cvat", written("v7"))


@every_tool
def test_a_file_of_another_queue_of_the_same_labels_changes_nothing_silently(
    dataset: Dataset, written: Callable[..., Path], tool: str, tmp_path: Path
) -> None:
    """Every queue has its own number; where a tool's file holds it, a mix-up is found out."""
    path = open_in(tool, written(tool)).save()
    other = write_queue(dataset, tool, tmp_path / "other", tracks={"hall": [2]}).path
    moved = shutil.move(path, other / "back") if path.is_dir() else shutil.copy(path, other)
    if tool in ("label-studio", "labelbox"):
        with pytest.raises(ReviewError, match=r"not of this queue|nothing of this queue"):
            read_corrections(dataset, tool, Path(moved))


@every_tool
def test_a_file_without_any_annotation_rejects_nothing(
    dataset: Dataset, written: Callable[..., Path], tool: str
) -> None:
    desk = open_in(tool, written(tool))
    for thing in list(desk.things):
        thing.delete()
    with pytest.raises(ReviewError, match=r"none of the 4 tracks|nothing of this queue"):
        read_corrections(dataset, tool, desk.save())


def test_tasks_that_nobody_has_submitted_are_an_error(
    dataset: Dataset, written: Callable[..., Path]
) -> None:
    desk = open_in("label-studio", written("label-studio"))
    for task in desk.submitted:
        task["annotations"][0]["was_cancelled"] = True
    with pytest.raises(ReviewError, match=r"none of its \d+ tasks has been submitted"):
        read_corrections(dataset, "label-studio", desk.save())


def test_an_xml_that_declares_entities_is_refused(
    dataset: Dataset, written: Callable[..., Path]
) -> None:
    file = written("cvat") / "bomb.xml"
    file.write_text('<!DOCTYPE a [<!ENTITY b "bbbb">]><annotations>&b;</annotations>')
    with pytest.raises(ReviewError, match="declares a document type"):
        read_corrections(dataset, "cvat", file)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('xtl="', 'xtl="n'),
        ('xtl="', 'xtl="nan" was="'),
        ("xtl=", "was="),
        ('frame="0"', 'frame="x"'),
    ],
)
def test_numbers_that_are_none_are_an_error(
    dataset: Dataset, written: Callable[..., Path], old: str, new: str
) -> None:
    folder = written("cvat")
    file = sorted(folder.rglob("annotations.xml"))[0]
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(ReviewError, match="is not what cvat exports, or damaged"):
        read_corrections(dataset, "cvat", folder)


def test_slips_of_the_mouse_are_no_things(dataset: Dataset, written: Callable[..., Path]) -> None:
    """A box without area, and one drawn from its lower right corner."""
    desk = open_in("label-studio", written("label-studio"))
    task = next(t for t in desk.submitted if "place" in t["data"])
    (result, *_) = task["annotations"][0]["result"]
    point = {"x": 3.0, "y": 4.0, "width": 0, "height": 0, "rectanglelabels": ["dust"]}
    flipped = {"x": 30.0, "y": 10.0, "width": -10, "height": -5, "rectanglelabels": [" a  cup "]}
    for value in (point, flipped):
        task["annotations"][0]["result"].append({**result, "id": "n", "meta": {}, "value": value})
    (added,) = changes(read_corrections(dataset, "label-studio", desk.save()))
    assert (added.op, added.body["phrase"]) == ("add", "a cup")
    assert added.body["box_xyxy"] == pytest.approx([12.8, 2.4, 19.2, 4.8])


def test_a_thing_without_a_name_keeps_its_own(
    dataset: Dataset, written: Callable[..., Path]
) -> None:
    desk = open_in("label-studio", written("label-studio"))
    for task in desk.submitted:
        for result in task["annotations"][0]["result"]:
            result["value"].pop("labels", None)
            result["value"].pop("rectanglelabels", None)
    assert changes(read_corrections(dataset, "label-studio", desk.save())) == []


@every_tool
def test_a_name_that_cannot_be_one_is_an_error(
    dataset: Dataset, written: Callable[..., Path], tool: str
) -> None:
    desk = open_in(tool, written(tool))
    desk.things[0].rename("x" * 101)
    with pytest.raises(ReviewError, match="name: is text of at most 100 characters"):
        read_corrections(dataset, tool, desk.save())


def test_there_is_no_such_tool_file_track_or_mask(
    dataset: Dataset, written: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(ExportError, match=r"no labelling tool 'paint'.*cvat, label-studio"):
        write_queue(dataset, "paint", tmp_path / "out")
    with pytest.raises(ReviewError, match="no labelling tool 'paint'"):
        read_corrections(dataset, "paint", tmp_path)
    with pytest.raises(ReviewError, match="there is no such file"):
        read_corrections(dataset, "cvat", tmp_path / "nowhere.xml")
    with pytest.raises(ExportError, match="no such track"):
        written("cvat", tracks={"hall": [99]})
    with pytest.raises(DatasetError, match="no session 'cellar'"):
        written("cvat", tracks={"cellar": [1]})
    with pytest.raises(ExportError, match=r"no masks of kind 'some'"):
        written("cvat", masks="some")
    written("cvat")
    with pytest.raises(ExportError, match="in the way"):
        written("cvat")


@every_tool
@pytest.mark.usefixtures("recorded")
def test_a_full_disk_leaves_nothing(dataset: Dataset, tmp_path: Path, tool: str) -> None:
    (tmp_path / "out").mkdir()
    with no_file_larger_than(600), pytest.raises(ExportError, match=r"cannot be written.*Free"):
        write_queue(dataset, tool, tmp_path / "out" / "queue")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_recording_that_moved_is_an_error(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"no longer here\. Put the recording back"):
        write_queue(dataset, "cvat", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_third_parties_bring_their_own_tool(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Point:
        name = "paint"

        @staticmethod
        def load() -> Any:
            return Paint

    class Paint:
        SHEETS = frozenset({"video"})

        @staticmethod
        def write(dataset: Dataset, queue: queues.Queue, folder: Path) -> queues.Queue:
            (folder / "names.txt").write_text("\n".join(queue.strands))
            return queue

        @staticmethod
        def read(path: Path, queue: queues.Queue) -> list[queues.Returned]:
            kept = (path / "names.txt").read_text().split()
            places = np.arange(99)
            return [
                queues.Returned(s.letter, places, [v for k, v in queue.on(s).items() if k in kept])
                for s in queue.sheets.values()
            ]

    monkeypatch.setattr(queues, "entry_points", lambda group: [Point] if "queues" in group else [])
    assert "paint" in tools()
    out = write_queue(dataset, "paint", tmp_path / "out", sessions=["hall"]).path
    keys = (out / "names.txt").read_text().split()
    (out / "names.txt").write_text("\n".join(k for k in keys if not k.endswith("2")))
    assert brief(read_corrections(dataset, "paint", out)) == [("reject", "hall", 2)]
