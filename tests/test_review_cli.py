"""The commands of review: what was decided, what it proves, what follows, and other tools."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import scenekeeper
from scenekeeper import open_dataset
from scenekeeper.exchange import queues
from scenekeeper.review.access import Visitor
from scenekeeper.review.certify import Certificate
from scenekeeper.review.desk import Desk
from scenekeeper.review.log import FILE as LOG_FILE
from scenekeeper.review.log import Log
from tests.review import tiny
from tests.review.test_desk import answers, decision

Run = Callable[[str], tuple[int, str, str]]
ANN = Visitor("browser", "ann")
TRACKS = 360


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``tiny.sk``, in which all that was asked was found right."""
    dataset = tiny.labelled(tmp_path_factory.mktemp("review"))
    tiny.label(dataset, "walk", "many", TRACKS)
    with closing(Desk(dataset, None, 0)) as desk:
        while cards := desk.deal(ANN, 40, [])[0]:
            receipts = desk.decide(ANN, [a for card in cards for a in seen(card)])
            assert {r["status"] for r in receipts} == {"saved"}
    return dataset.path


def seen(card: Any) -> list[dict[str, Any]]:
    """What somebody says who sees what is there: planted errors, too."""
    if card["kind"] != "track":
        return answers(card)
    track = card["subject"]["id"]
    if track >= TRACKS:
        return [decision(card, "reject")]
    name = tiny.PHRASES[track % len(tiny.PHRASES)]
    if card["phrase"] != name:
        return [decision(card, "relabel", body={"phrase": name})]
    return answers(card)


@pytest.fixture
def folder(reviewed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a copy of its own of that dataset and its video."""
    shutil.copytree(reviewed.parent, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def run(folder: Path, typed: Run) -> Run:
    """Type a command there: exit code, standard output, standard error."""
    return typed


def test_the_certificate_is_told_and_written_and_can_be_checked(run: Run, folder: Path) -> None:
    code, out, _ = run("certify tiny.sk --right 0.9 --out certificate.json")
    assert code == 0 and "90 % of the labels accepted unseen are right, at 90 % confidence" in out
    assert "wrong labels" in out and "hallucination" in out
    kept = Certificate.from_json((folder / "certificate.json").read_text())
    assert kept.proven and kept.epsilon == pytest.approx(0.1)
    assert json.loads(run("certify tiny.sk --right 0.9 --json")[1])["certificate"]["statement"]


def test_what_is_not_proven_is_not_written_and_the_way_there_is_told(
    run: Run, folder: Path
) -> None:
    code, out, _ = run("certify tiny.sk --right 0.9999")
    assert code == 0 and "Nothing is proven yet" in out and "wrong" in out
    code, _, err = run("certify tiny.sk --right 0.9999 --out never.json")
    assert code == 2 and "nothing is proven yet" in err and not (folder / "never.json").exists()


def test_labels_made_anew_are_not_certified_by_what_was_proven_before(
    run: Run, folder: Path
) -> None:
    before = scenekeeper.certify(folder / "tiny.sk", 0.1).certificate
    tiny.label(open_dataset(folder / "tiny.sk"), "walk", "other", TRACKS)
    after = scenekeeper.certify(folder / "tiny.sk", 0.1)
    assert before is not None and after.certificate is None


def test_every_decision_is_listed_and_the_log_is_whole(run: Run, reviewed: Path) -> None:
    code, out, _ = run("decisions tiny.sk")
    with Log.open(reviewed) as log:
        head = log.head()
    assert code == 0 and f"{head.events} decisions by ann" in out and head.hash in out
    rows = json.loads(run("decisions tiny.sk --json")[1])["rows"]
    assert len(rows) == head.events and {"audit", "gold"} <= {row["stream"] for row in rows}


def test_a_forged_event_is_named(run: Run, folder: Path) -> None:
    import sqlite3

    with closing(sqlite3.connect(folder / "tiny.sk" / LOG_FILE)) as db:
        for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type='trigger'"):
            db.execute(f"DROP TRIGGER {trigger}")
        db.execute("UPDATE event SET decision = replace(decision, 'ann', 'bob') WHERE seq = 3")
        db.commit()
    for command in ("decisions tiny.sk", "certify tiny.sk", "advise tiny.sk"):
        code, _, err = run(command)
        assert code == 2 and "event 3" in err and "altered" in err, command


def test_without_a_review_the_commands_say_how_to_begin(
    run: Run, folder: Path, tmp_path: Path
) -> None:
    shutil.rmtree(folder / "tiny.sk" / "review")
    for command in ("decisions", "certify", "advise"):
        code, _, err = run(f"{command} tiny.sk")
        assert code == 2 and "scenekeeper review" in err


def test_advice_is_proposed_and_only_what_is_accepted_is_taken(run: Run, folder: Path) -> None:
    advice = folder / "tiny.sk" / "advice.toml"
    code, out, _ = run("advise tiny.sk")
    assert code == 0 and "proposed" in out and advice.exists()
    advice.write_text(
        '[[word]]\nphrase = "teapot"\naccept = true\n[[word]]\nphrase = "spoon"\naccept = false\n'
    )
    code, out, _ = run("advise tiny.sk --accept")
    words = (folder / "tiny.sk" / "vocabulary.toml").read_text()
    assert code == 0 and "look for teapot" in out
    assert "teapot" in words and "mug" in words and "spoon" not in words


@pytest.mark.parametrize("tool", sorted(queues.BUILT_IN))
def test_labels_go_to_another_tool(run: Run, folder: Path, tool: str) -> None:
    code, out, _ = run(f"export tiny.sk {tool} task/ -O masks=none")
    assert code == 0 and (folder / "task" / "scenekeeper.json").exists()
    shown = int(re.search(r"(\d+) instances", out)[1])  # type: ignore[index]
    assert shown >= TRACKS


def test_corrections_come_back_once_and_the_labels_follow(run: Run, folder: Path) -> None:
    assert run("export tiny.sk cvat task/ -O masks=none")[0] == 0
    [sheet] = folder.glob("task/**/*.xml")
    text = sheet.read_text()
    sheet.write_text(text.replace('label="bowl"', 'label="teapot"'))
    code, out, err = run("import tiny.sk task/ --from cvat")
    assert code == 0 and "relabel" in out, err
    names = open_dataset("tiny.sk").sql("SELECT DISTINCT phrase FROM instances")["phrase"]
    assert set(names.to_pylist()) == {"mug", "teapot", "book"}
    code, out, _ = run("import tiny.sk task/ --from cvat")
    assert code == 0 and out.startswith("0 decisions saved")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("import tiny.sk nothing.zip --from cvat", "there is no such file"),
        ("import tiny.sk walk.mp4 --from cvat", "scenekeeper.json"),
        ("import tiny.sk walk.mp4 --from paint", "cvat"),
        ("review tiny.sk --minutes 5 --share 5%", "not both"),
        ("review tiny.sk --share five", "5%"),
        ("review tiny.sk --host 0.0.0.0", "--token"),
        ("review tiny.sk --segmenter owlv2:x", "takes no clicks"),
        ("review nothing.sk", "scenekeeper label"),
    ],
)
def test_what_cannot_be_done_says_why_and_what_to_do(run: Run, line: str, told: str) -> None:
    code, out, err = run(line)
    assert code != 0 and told in (out + err).replace("\n", " ")


def test_verbs_are_functions_too(folder: Path) -> None:
    made: dict[str, Any] = scenekeeper.certify("tiny.sk", 0.1).to_dict()
    assert json.dumps(made) and made["labels"] == TRACKS * tiny.FRAMES
    assert json.dumps(scenekeeper.decisions("tiny.sk").to_dict())
