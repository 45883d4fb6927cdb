"""The command line: every verb runs, says what it did, and fails with a line that helps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from scenekeeper import labeling, open_dataset, open_recording, open_recordings
from scenekeeper.exchange.recordings import write_recordings
from scenekeeper.simulate import write_tabletop
from tests.exchange import made_recordings

Run = Callable[[str], tuple[int, str, str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recording ``room`` and, labelled, ``room.sk``."""
    folder = tmp_path_factory.mktemp("home")
    write_tabletop(folder / "room", 24, size=(160, 120))
    labeling.label([folder / "room"], folder / "room.sk")
    return folder


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, typed: Run) -> Run:
    """Type a command in that folder: exit code, standard output, standard error."""
    monkeypatch.chdir(home)
    return typed


def parsed(result: tuple[int, str, str]) -> Any:
    assert result[0] == 0, result
    return json.loads(result[1])


def objects(run: Run) -> list[dict[str, Any]]:
    return list(parsed(run("show room.sk --json"))["objects"])


def test_help_teaches_by_example(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0 and "scenekeeper label day1.mcap --into lab.sk" in out
    for verb in ("label", "show", "name", "export", "convert", "demo"):
        code, out, _ = run(f"{verb} --help")
        assert code == 0 and f"scenekeeper {verb} " in out.partition("Usage")[2]


def test_version(run: Run) -> None:
    from scenekeeper import __version__

    assert run("--version")[1].strip() == __version__


def test_labelling_again_reports_what_was_there(run: Run) -> None:
    told = parsed(run("label room --into room.sk --json -q"))
    session = told["sessions"][0]
    assert session["frames"] == 24 and session["instances"] > 50 and session["objects"] > 5
    assert session["done"] == 0 and session["kept"] > 0
    assert Path(told["report"]).exists()


def test_the_dataset_is_named_after_the_recording(run: Run, home: Path) -> None:
    code, out, _ = run("label room -q")
    assert code == 0 and "everything was labelled already" in out
    assert "room.sk" in out


def test_progress_for_machines_is_json_lines_on_standard_error(run: Run, home: Path) -> None:
    code, out, err = run("label room --into fresh.sk --json")
    assert code == 0 and json.loads(out)["sessions"][0]["bottleneck"]
    lines = [json.loads(line) for line in err.splitlines()]
    assert any(line.get("frames") == 24 for line in lines)


def test_show_prints_a_line_per_object(run: Run) -> None:
    _, out, _ = run("show room.sk")
    rows = objects(run)
    assert all(f"o{row['object']} " in out for row in rows)
    assert "table" in out and "24 frames" in out


def test_a_name_holds_in_every_frame_until_it_is_taken_back(run: Run) -> None:
    thing = next(row for row in objects(run) if row["phrase"] == "object")
    named = parsed(run(f"name room.sk o{thing['object']} 'white mug' --json"))
    labels = open_dataset("room.sk").table("instances").to_pylist()
    shown = sum(row["object"] == thing["object"] for row in labels)
    assert shown and named == {"object": thing["object"], "phrase": "white mug", "instances": shown}
    after = next(row for row in objects(run) if row["object"] == thing["object"])
    assert (after["phrase"], after["status"]) == ("white mug", "verified")
    code, out, _ = run("name room.sk 'white mug' --clear")
    assert code == 0 and "no name any more" in out
    assert {row["phrase"] for row in objects(run)} & {"white mug"} == set()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("name room.sk o999 mug", "no object 'o999'"),
        ("name room.sk object mug", "objects are called 'object'"),
        ("name room.sk o1 ' '", "the name is empty"),
        ("show nothing.sk", "there is no labelled dataset here"),
        ("show room.sk --session tuesday", "no session 'tuesday'"),
        ("label missing.mcap", "missing.mcap"),
        ("label room --into room", "not a labelled dataset"),
        ("export room.sk coco room.sk", "is in the way"),
        ("export room.sk voc out", "no exporter for 'voc'"),
        ("export room.sk yolo out -O knd=box", "no option 'knd'. It has: kind, val"),
        ("export room.sk yolo out -O val=much", "val is 'much'. It has to be float"),
        ("export room.sk lerobot out -O fps=slow", "It has to be int or None"),
        ("export room.sk coco out.json --purpose safety", "a person has to verify labels first"),
        ("convert room room.sk", "is in the way"),
        ("convert nothing out.mcap", "nothing"),
        ("convert room out", "one of mcap, rgbd, hdf5, lerobot, rlds"),
        ("convert room out --format avi", "no recording format 'avi'"),
        ("convert room out.mcap --format rlds", "ends like mcap, but is to be rlds"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(run: Run, line: str, said: str) -> None:
    code, out, err = run(line)
    assert code == 2 and out == ""
    assert err.startswith("error: ") and said in err and err.count("\n") == 1


def test_a_mistake_is_json_for_machines(run: Run) -> None:
    code, out, _ = run("show nothing.sk --json")
    assert code == 2 and "scenekeeper label" in json.loads(out)["error"]


@pytest.mark.parametrize("line", ["name room.sk o1", "name room.sk o1 mug --clear", "label"])
def test_a_half_typed_command_shows_how_to_use_it(run: Run, line: str) -> None:
    code, _, err = run(line)
    assert code == 2 and "Usage" in err


@pytest.mark.parametrize(
    ("format", "out"),
    [("coco", "labels.json"), ("yolo", "yolo"), ("lerobot", "lerobot"), ("foxglove", "o.mcap")],
)
def test_every_format_is_exported(run: Run, tmp_path: Path, format: str, out: str) -> None:
    told = parsed(run(f"export room.sk {format} {tmp_path / out} --json"))
    assert Path(told["path"]).exists() and told["frames"] > 0 and told["instances"] > 0


def test_options_of_a_format_are_given_by_name(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "yolo"
    parsed(run(f"export room.sk yolo {out} -O kind=polygon -O val=0 --json"))
    assert max(len(line.split()) for file in out.rglob("*.txt") for line in file.open()) > 5
    code, _, err = run("export room.sk yolo out -O kind")
    assert code == 2 and "is not NAME=VALUE" in err


def test_structure_is_left_out_on_request(run: Run, tmp_path: Path) -> None:
    parsed(run(f"export room.sk coco {tmp_path / 'all.json'} --json"))
    parsed(run(f"export room.sk coco {tmp_path / 'things.json'} --things-only --json"))
    every, things = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("all", "things")
    )
    assert {"table", "floor"} <= {c["name"] for c in every["categories"]}
    assert not {"floor", "wall"} & {c["name"] for c in things["categories"]}
    assert 0 < len(things["annotations"]) < len(every["annotations"])
    assert len(things["images"]) == len(every["images"])


@pytest.mark.slow
def test_a_converted_recording_gives_the_same_labels(run: Run, tmp_path: Path) -> None:
    mcap, dataset = tmp_path / "room.mcap", tmp_path / "again.sk"
    assert parsed(run(f"convert room {mcap} --json"))["bytes"] == mcap.stat().st_size
    parsed(run(f"label {mcap} --into {dataset} --json -q"))
    first, second = objects(run), parsed(run(f"show {dataset} --json"))["objects"]
    assert [o["center"] for o in first] == [o["center"] for o in second]
    assert [o["frames"] for o in first] == [o["frames"] for o in second]


@pytest.mark.parametrize(
    ("out", "options"),
    [
        ("room.hdf5", ""),
        ("room.h5", "--format hdf5"),
        ("room-tum", "--format rgbd"),
        ("room-lerobot", "--format lerobot"),
        ("room-rlds", "--format rlds"),
    ],
)
def test_a_recording_is_converted_into_every_format(
    run: Run, home: Path, tmp_path: Path, out: str, options: str
) -> None:
    pytest.importorskip("h5py", reason="HDF5 needs the extra 'hdf5'")
    target = tmp_path / out
    told = parsed(run(f"convert room {target} {options} --json -q"))
    before, after = open_recording(home / "room"), open_recording(target)
    assert told["bytes"] > 10_000 and told["path"] == str(target) and told["frames"] == 24
    assert after.views[0].rgb.t_ns.tolist() == before.views[0].rgb.t_ns.tolist()
    assert (after.views[0].depth is None) == (before.views[0].depth is None)


def test_all_episodes_of_a_dataset_are_converted_together_or_one_by_one(
    run: Run, tmp_path: Path
) -> None:
    episodes, files, again = (tmp_path / name for name in ("rlds", "files", "again"))
    made = [made_recordings.robot(3, "a"), made_recordings.robot(4, "b")]
    write_recordings(made, "rlds", episodes)
    told = parsed(run(f"convert {episodes} {files} --format mcap --json -q"))
    assert {p.name for p in files.iterdir()} == {"a.mcap", "b.mcap"}
    assert told["bytes"] == sum(p.stat().st_size for p in files.iterdir())
    code, out, err = run(f"convert {episodes} {again} --format lerobot")
    assert code == 0 and f"{again}: " in out and "7 frames" in out and "\n  " in out, err
    assert [len(r.views[0].rgb) for r in open_recordings(again)] == [3, 4]
    code, out, err = run(f"convert {episodes} {tmp_path / 'one.mcap'}")
    assert code == 2 and f"Name one: {episodes}#a" in err
    assert parsed(run(f"convert {episodes}#b {tmp_path / 'one.mcap'} --json"))["frames"] == 8


@pytest.mark.slow
def test_demo_simulates_labels_and_scores_a_home(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("numba", reason="the renderer needs the extra 'simulate'")
    told = parsed(run(f"demo {tmp_path / 'demo'} --seconds 1 --json -q"))
    assert [s["frames"] for s in told["sessions"]] == [11, 11]
    assert Path(told["report"]).exists() and Path(told["scores"]).exists()
    assert len(told["changes"]) >= 4 and told["evaluation"]["frames"] == 22
    assert told["diff"]["session"] == told["sessions"][1]["session"]


def test_simulated_homes_are_labelled_and_judged(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("numba", reason="the renderer needs the extra 'simulate'")
    out, found = tmp_path / "made", tmp_path / "found.sk"
    options = "--seconds 1 --fps 5 --size 160x120 --seed 3"
    made = parsed(run(f"simulate {out} {options} --json -q"))
    assert Path(made["truth"]).exists()
    parsed(run(f"label {made['recordings'][0]} --into {found} --json -q"))
    scores = parsed(run(f"evaluate {found} --truth {out} --page {tmp_path / 's.html'} --json"))
    assert scores["frames"] == 6 and (tmp_path / "s.html").exists()
    split = run(f"evaluate {found} --truth {out} --split all=home-*")[1]
    assert "recall at IoU .5 (all)" in split and "only all" in split
    differences = parsed(run(f"evaluate {found} {made['truth']} --truth {out} --json"))
    assert any(d["name"] == "recall at IoU .5" and d["second"] == 1 for d in differences)


@pytest.mark.slow
def test_a_dataset_of_simulated_episodes_is_labelled_and_judged(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("numba", reason="the renderer needs the extra 'simulate'")
    out, found = tmp_path / "made", tmp_path / "found.sk"
    options = "--rooms 2 --seconds 1 --fps 5 --size 160x120 --format lerobot"
    code, said, _ = run(f"simulate {out} {options} -q")
    assert code == 0 and f"2 recordings in {out / 'lerobot'}, the truth" in said
    assert f"label:  scenekeeper label {out / 'lerobot'} --into" in said
    parsed(run(f"label {out / 'lerobot'} --into {found} --json -q"))
    assert parsed(run(f"evaluate {found} --truth {out} --json"))["frames"] == 12


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("simulate x --size 640", "is not two numbers"),
        ("simulate x --format avi", "no recording format 'avi'"),
        ("simulate x --format lerobot --size 97x72", "Give even sides"),
        ("evaluate none.sk", "say what is true"),
        ("evaluate none.sk --truth none.sk", "there is no labelled dataset here"),
        ("evaluate none.sk --truth none.sk --split home", "not NAME=GLOB"),
    ],
)
def test_bad_orders_to_simulate_and_evaluate_say_what_to_do(
    run: Run, line: str, problem: str
) -> None:
    code, out, err = run(line)
    assert code == 2 and problem in out + err


def test_doctor_finds_this_machine_fit(run: Run) -> None:
    found = parsed(run("doctor --json"))
    checks = {check["what"]: check for check in found["machine"]}
    assert checks["python"]["ok"] and checks["video decoding"]["ok"]
    assert all(check["ok"] or check["remedy"] for check in checks.values())
    assert all(model["here"] or model["remedy"] for model in found["models"])
    assert {"grounding-dino", "sam2", "sam3", "openai"} <= set(found["families"])
    printed = run("doctor")[1]
    assert "LicenseRef-SAM: commercial use allowed" in printed and "--models fast" in printed


def test_failed_clips_are_told_with_the_command_that_tries_again(
    run: Run, home: Path, tmp_path: Path
) -> None:
    broken = write_tabletop(tmp_path / "broken", 12, size=(160, 120))
    (broken / "frame-000005.color.jpg").write_bytes(b"no picture")
    into = tmp_path / "broken.sk"
    code, out, err = run(f"label {broken} --into {into} -q")
    assert code == 1 and "failed: clip 0" in out and "frame-000005" in out
    assert f"scenekeeper label {broken} --into {into}" in err


@pytest.mark.parametrize("bag", ["husky.bag", "jackal.bag", "turtlesim-lz4.bag", "rosbag2"])
def test_a_recording_without_pictures_is_kept_and_says_so(
    run: Run, shared_data: Path, tmp_path: Path, bag: str
) -> None:
    told = parsed(run(f"label {shared_data / 'bags' / bag} --into {tmp_path / 'bag.sk'} --json -q"))
    [session] = told["sessions"]
    assert session["frames"] == 0 and "holds no pictures" in " ".join(session["notes"])
    assert Path(told["report"]).exists()
    signals = open_dataset(tmp_path / "bag.sk").table("signals")
    assert len(signals) > 0


def beginnings(dataset: Path, folder: Path, rows: int) -> Path:
    """A LeRobot v2.1 dataset with only the first rows of each episode; its videos go on."""
    for file in (f for f in dataset.rglob("*") if f.is_file()):
        short = folder / file.relative_to(dataset)
        short.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".parquet":
            pq.write_table(pq.read_table(file)[:rows], short)
        else:
            short.symlink_to(file)
    return folder


@pytest.mark.slow
def test_real_robot_episodes_are_labelled_and_exported(
    run: Run, shared_data: Path, tmp_path: Path
) -> None:
    recording = beginnings(shared_data / "g1_lerobot_v21", tmp_path / "g1", 30)
    into = tmp_path / "g1.sk"
    told = parsed(run(f"label {recording} --into {into} --json -q"))
    assert [s["frames"] for s in told["sessions"]] == [30, 30]
    assert all("has no" in " ".join(s["notes"]) for s in told["sessions"])
    out = parsed(run(f"export {into} lerobot {tmp_path / 'lerobot'} --json"))
    assert out["frames"] == 60


def test_an_interrupt_says_that_the_work_is_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(labeling, "label", interrupted)
    code, _, err = run("label room -q")
    assert code == 130 and "continues from here" in err
