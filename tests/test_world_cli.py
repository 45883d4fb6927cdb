"""The commands of the world: what is believed, where a thing is, what a visit changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scenekeeper
from scenekeeper import label, open_dataset, verbs, world_build, world_diff
from scenekeeper.report.world_pictures import best_pictures
from scenekeeper.simulate import write_tabletop
from scenekeeper.store import Dataset
from scenekeeper.world.difference import Changed

Run = Callable[[str], tuple[int, str, str]]
LAST = "home-00014-visit-2"
FORMATS = [
    ("world.glb", "", b"glTF"),
    ("world.ply", "", b"ply\n"),
    ("world.mcap", "", b"\x89MCAP"),
    ("world.json", "--format dsg", b"{"),
]


@pytest.fixture(scope="module")
def _made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two visits to a kitchen, and ``home.sk``: the world made of what is truly seen in them."""
    pytest.importorskip("numba", reason="the renderer needs numba")
    folder = tmp_path_factory.mktemp("world")
    kitchen = {"kinds": ("kitchen",), "visits": 2, "seconds": 3, "fps": 5, "size": (160, 120)}
    verbs.simulate(folder, 1, 14, **kitchen)
    shutil.copytree(folder / "truth.sk", folder / "home.sk")
    world_build(folder / "home.sk")
    return folder


@pytest.fixture
def run(_made: Path, monkeypatch: pytest.MonkeyPatch, typed: Run) -> Run:
    """Type a command in that folder: exit code, standard output, standard error."""
    monkeypatch.chdir(_made)
    return typed


@pytest.fixture
def own(_made: Path, tmp_path: Path) -> Dataset:
    """A copy of the dataset, the test's own."""
    shutil.copytree(_made / "home.sk", tmp_path / "own.sk")
    return open_dataset(tmp_path / "own.sk")


def parsed(result: tuple[int, str, str], code: int = 0) -> Any:
    assert result[0] == code, result
    return json.loads(result[1])


def things(run: Run, options: str = "") -> dict[int, dict[str, Any]]:
    shown = parsed(run(f"world show home.sk --json {options}"))
    return {t["object"]: t for t in shown["things"]}


def only_one(run: Run) -> dict[str, Any]:
    """A thing whose name no other has."""
    every = [t for t in things(run, "--all").values() if t["name"]]
    names = [t["name"] for t in every]
    return next(
        t
        for t in every
        if names.count(t["name"]) == 1 and t["kind"] == "thing" and t["status"] == "confirmed"
    )


# --- show -----------------------------------------------------------------------------------------


def test_help_teaches_by_example(run: Run) -> None:
    code, out, _ = run("world --help")
    assert code == 0 and "scenekeeper world diff lab.sk" in out
    for verb in ("show", "query", "diff", "events", "export", "build"):
        code, out, _ = run(f"world {verb} --help")
        assert code == 0 and f"scenekeeper world {verb} " in out.partition("Usage")[2]


def test_a_table_has_a_line_per_thing_with_belief_and_position(run: Run) -> None:
    code, out, _ = run("world show home.sk")
    lines = {line.split()[0]: line for line in out.splitlines()[2:] if line.startswith("o")}
    shown = things(run)
    assert code == 0 and lines.keys() == {f"o{number}" for number in shown}
    one = only_one(run)
    assert one["name"] in lines[f"o{one['object']}"] and " %" in lines[f"o{one['object']}"]
    assert f"{one['center'][0]:.2f}" in lines[f"o{one['object']}"]
    assert not any(line.endswith(" ") for line in out.splitlines())


def test_a_tree_says_what_is_on_what(run: Run) -> None:
    code, out, _ = run("world show home.sk --tree")
    carried = [t for t in things(run).values() if t["holder"]]
    assert code == 0 and carried
    for thing in carried[:5]:
        [line] = [row for row in out.splitlines() if row.split()[-1] == f"o{thing['object']}"]
        assert f"{thing['holder'][0]}  " in line


def test_what_is_not_believed_in_is_counted_and_shown_on_request(run: Run) -> None:
    shown = parsed(run("world show home.sk --json"))
    every = parsed(run("world show home.sk --all --json"))
    assert len(every["things"]) == len(shown["things"]) + shown["left_out"]
    assert every["left_out"] == 0


def test_belief_fades_until_the_moment_that_is_asked_for(run: Run) -> None:
    now, later = things(run), things(run, "--at +30d")
    one = only_one(run)["object"]
    assert later[one]["existence"] < now[one]["existence"]
    dated = things(run, "--at 2026-02-01T10:00")
    assert dated[one]["existence"] == pytest.approx(later[one]["existence"], abs=0.01)
    assert "stale" in run("world show home.sk --at now")[1]


def test_the_page_has_the_things_and_their_pictures(run: Run, tmp_path: Path) -> None:
    page = tmp_path / "world.html"
    code, out, _ = run(f"world show home.sk --html {page}")
    assert code == 0 and f"look: {page}" in out and "note:" not in out
    assert "/9j/" in page.read_text()  # how every JPEG in base64 begins
    assert only_one(run)["name"] in page.read_text()


def test_a_thing_is_pictured_by_the_views_that_are_its_best(run: Run, own: Dataset) -> None:
    scene = scenekeeper.open_world(own).scene()
    pictures, notes = best_pictures(own, scene)
    one = only_one(run)
    assert notes == () and 1 <= len(pictures[one["object"]]) <= 3
    assert all(p.startswith(b"\xff\xd8") for p in pictures[one["object"]])


def test_a_recording_that_has_gone_costs_the_pictures_only(
    run: Run, own: Dataset, tmp_path: Path
) -> None:
    for file in own.path.glob("sessions/*/session.json"):
        file.write_text(file.read_text().replace(".mcap", ".gone"))
    code, out, _ = run(f"world show {own.path} --html {tmp_path / 'w.html'}")
    assert code == 0 and out.count("is without pictures") == 2 and "no longer here" in out
    assert "/9j/" not in (tmp_path / "w.html").read_text()


# --- query ----------------------------------------------------------------------------------------


def test_the_one_that_is_meant_is_found(run: Run) -> None:
    one = only_one(run)
    answer = parsed(run(f"world query home.sk 'the {one['name']}' --json"))
    assert answer["status"] == "unique" and answer["hits"][0]["object"] == one["object"]
    code, out, _ = run(f"world query home.sk 'the {one['name']}'")
    assert code == 0 and out.startswith("The ") and f"o{one['object']} " in out


def test_a_synonym_is_understood(run: Run) -> None:
    """The truth has a vocabulary beside it; other datasets take the words of the namer."""
    from scenekeeper.ground.weights import load

    words = load("namer").facts["synonyms"]
    known = {t["name"] for t in things(run).values() if t["name"]}
    noun, other = next((n, words[n][0]) for n in sorted(known) if words.get(n))
    code, out, _ = run(f"world query home.sk 'how many {other}s are there'")
    assert code == 0 and noun in out


@pytest.mark.parametrize(
    ("text", "status"), [("the unicorn", "none"), ("", "none"), ("the box", "ambiguous")]
)
def test_what_cannot_be_answered_ends_with_one(run: Run, text: str, status: str) -> None:
    answer = parsed(run(f"world query home.sk '{text}' --json"), code=1)
    assert answer["status"] == status and answer["sentence"]


def test_left_needs_somebody_who_looks(run: Run) -> None:
    one = only_one(run)["name"]
    alone = parsed(run(f"world query home.sk 'the thing left of the {one}' --json"), code=1)
    assert "as seen from where" in alone["question"]
    _, out, _ = run(f"world query home.sk 'the thing left of the {one}' --viewer {LAST}/3 --json")
    assert "as seen from where" not in (json.loads(out)["question"] or "")


def test_a_name_that_a_person_gave_is_shown_and_found(run: Run, own: Dataset) -> None:
    number = only_one(run)["object"]  # seen in both visits
    parsed(run(f"name {own.path} o{number} 'widget of joy' --json"))
    assert "widget of joy \u2713" in run(f"world show {own.path}")[1]
    answer = parsed(run(f"world query {own.path} 'the widget of joy' --json"))
    assert answer["hits"][0]["object"] == number


# --- diff, events ---------------------------------------------------------------------------------


def test_what_a_visit_changed_is_told_with_place_belief_and_frames(run: Run) -> None:
    told = parsed(run("world diff home.sk --json"))
    assert (told["session"], told["since"]) == (LAST, "home-00014-visit-1")
    assert told["how"] == "same frame" and told["same"] > 10
    code, out, _ = run("world diff home.sk")
    true = open_dataset("truth.sk").table("changes", LAST).to_pylist()
    added = [c for c in told["changes"] if c["kind"] == "added"]
    assert code == 0 and added
    for new in added:
        [same] = [
            c for c in true if c["after"] and np.allclose(c["after"], new["after"], atol=0.05)
        ]
        assert same["phrase"] in new["name"]
        assert new["score"] > 0.5 and new["frames"] and new["before"] is None
        assert f"The {new['name']} is new, " in out
    assert told["found"] and f"where nobody had looked: {told['found'][0]}" in out


def test_a_first_visit_has_nothing_to_be_compared_with(run: Run) -> None:
    code, out, _ = run("world diff home.sk home-00014-visit-1")
    assert code == 0 and "the first session of its place" in out and "Not looked" not in out


def test_a_visit_that_changed_nothing_says_so(run: Run) -> None:
    found = replace(world_diff("home.sk"), changes=())
    assert "nothing changed that was looked at" in found.headline
    apart = replace(found, how="apart", reason="Not placed on the map: too little in common.")
    assert "lies apart" in apart.headline and apart.reason in apart.headline


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("moved", "The mug o7 was moved 5.00 m: it was on the table at (0.00, 0.00, 1.00)"),
        ("taken", "The mug o7 was taken; it was on the table at (0.00, 0.00, 1.00)"),
        ("swapped", "The mug o7 was swapped for the cup o9, at (3.00, 4.00, 1.00)"),
        ("added", "The mug o7 is new, at (3.00, 4.00, 1.00)"),
    ],
)
def test_every_change_is_a_sentence(kind: str, sentence: str) -> None:
    there, here = (0.0, 0.0, 1.0), (3.0, 4.0, 1.0)
    told = Changed(kind, 7, 9, "mug o7", "cup o9", there, here, "on the table", "", 0.9, (4, 5))
    assert told.line.startswith(sentence) and told.line.endswith(": p 0.90, frames 4, 5")


def test_labelling_a_second_visit_says_what_it_changed(run: Run, own: Dataset) -> None:
    _, out, _ = run(f"world build {own.path} -q")
    first, second = out.split("home-00014-visit-2: ")
    assert "Since home-00014-visit-1" in second and "is new, " in second
    assert "since" not in first.lower() and "nothing to compare" not in first


def test_events_are_told_of_one_object_or_of_all(run: Run) -> None:
    every = parsed(run("world events home.sk --json"))
    assert [e["event"] for e in every] == sorted(e["event"] for e in every)
    assert {"born", "aligned", "added"} <= {e["kind"] for e in every}
    for added in (e for e in every if e["kind"] == "added"):
        mine = parsed(run(f"world events home.sk --object o{added['object']} --json"))
        assert {e["kind"] for e in mine} == {"born", "added"}
    code, out, _ = run(f"world events home.sk --session {LAST}")
    assert code == 0 and "same frame" in out and "home-00014-visit-1 " not in out


# --- export ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "options", "begins"), FORMATS, ids=[f[0] for f in FORMATS])
def test_a_world_becomes_a_file(
    run: Run, tmp_path: Path, name: str, options: str, begins: bytes
) -> None:
    told = parsed(run(f"world export home.sk {tmp_path / name} {options} --json"))
    assert told["boxes"] > 10 and (tmp_path / name).read_bytes().startswith(begins)


def test_a_world_becomes_boxes_as_every_frame_sees_them(run: Run, tmp_path: Path) -> None:
    told = parsed(run(f"world export home.sk {tmp_path / 'kitti'} --format kitti --json"))
    frames = open_dataset("home.sk").table("frames").num_rows
    assert told["frames"] == frames == len(list((tmp_path / "kitti/label_2").iterdir()))
    assert f"{LAST}/0" in (tmp_path / "kitti/views.txt").read_text()


def test_options_and_the_gone_are_given_by_name(run: Run, tmp_path: Path) -> None:
    code, out, _ = run(f"world export home.sk {tmp_path / 'n'} --format nuscenes -O gone=true")
    assert code == 0 and f"{len(things(run, '--all'))} things" in out


# --- mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("show nothing.sk", "there is no labelled dataset here"),
        ("show truth.sk", "scenekeeper world build truth.sk"),
        ("query truth.sk mug", "has no world yet"),
        ("show home.sk --place 7", "has no place 7"),
        ("show home.sk --at tomorrow", "'tomorrow' is no moment"),
        ("show home.sk --at +3weeks", "is no moment"),
        ("show home.sk --html home.sk", "cannot be written"),
        ("query home.sk mug --viewer 7", "is no frame"),
        ("query home.sk mug --viewer tuesday/7", "no session 'tuesday'"),
        (f"query home.sk mug --viewer {LAST}/777", "does not exist"),
        ("diff home.sk tuesday", "no session 'tuesday'"),
        ("events home.sk --object o7", "no object 'o7'"),
        ("events home.sk --object mug", "no object 'mug'"),
        ("events home.sk --session tuesday", "no session 'tuesday'"),
        ("export home.sk out", "Give --format"),
        ("export home.sk out.obj --format obj", "no format 'obj' for a world"),
        ("export home.sk home.sk --format kitti", "is in the way"),
        ("export home.sk out.glb -O knd=1", "no option 'knd'"),
        ("build nothing.sk", "there is no labelled dataset here"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(run: Run, line: str, said: str) -> None:
    code, out, err = run(f"world {line}")
    assert code == 2 and out == ""
    assert err.startswith("error: ") and said in err and err.count("\n") == 1
    assert said in json.loads(run(f"world {line} --json")[1])["error"]


def test_an_empty_dataset_has_nothing_to_build_of(run: Run, tmp_path: Path) -> None:
    Dataset.create(tmp_path / "empty.sk")
    code, _, err = run(f"world build {tmp_path / 'empty.sk'} -q")
    assert code == 2 and "has no labels to make a world of" in err


def test_pictures_alone_make_no_world(run: Run, tmp_path: Path) -> None:
    recording = write_tabletop(tmp_path / "room", 4, size=(160, 120))
    for file in [*recording.glob("*depth*"), *recording.glob("*pose*")]:
        file.unlink()
    label([recording], tmp_path / "flat.sk")
    code, _, error = run(f"world show {tmp_path / 'flat.sk'}")
    assert code == 2 and "has no world yet" in error and "depth and poses" in error


def test_the_verbs_are_functions_with_the_same_names() -> None:
    for verb in ("show", "query", "diff", "events", "export", "build"):
        assert callable(getattr(scenekeeper, f"world_{verb}"))
    assert callable(scenekeeper.open_world)
