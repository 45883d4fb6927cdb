"""Real recordings and real code through every stage, with tiny checkpoints and a real server."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scenekeeper import open_dataset
from scenekeeper.store import Dataset
from scenekeeper.verbs import simulate
from tests.checkpoints.taught_qwen import ANSWER
from tests.serving import serving

pytestmark = pytest.mark.models

WORDS = '[mug]\nsynonyms = ["cup"]\n\n[table]\n\n["the red chair on the left"]\n'


@dataclass(frozen=True)
class Models:
    """Names for ``--models``."""

    composed: str
    collapsed: str


@pytest.fixture(scope="module")
def models(
    checkpoint: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Models]:
    """Two models composed, and one that does their work; both are described by a server's model."""
    teller = checkpoint("taught_qwen")
    with serving(teller, tmp_path_factory.mktemp("hub")) as address:
        chat = f"openai:{address}#{teller}"
        finders = f"grounding-dino:{checkpoint('grounding_dino')},sam2:{checkpoint('sam2')}"
        yield Models(f"{finders},{chat}", f"sam3:{checkpoint('sam3')},{chat}")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated recording of twelve frames."""
    folder = tmp_path_factory.mktemp("simulated")
    [recording] = simulate(folder, seed=5, seconds=2.4, fps=5, size=(160, 120))
    return recording


@pytest.fixture(scope="module")
def real(kitchen: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first eight frames of the kitchen."""
    folder = tmp_path_factory.mktemp("real") / "kitchen"
    folder.mkdir()
    for file in kitchen.iterdir():
        number = file.name.removeprefix("frame-")[:6]
        if file.is_file() and not (number.isdigit() and int(number) >= 16):
            shutil.copy(file, folder)
    return folder


def command(recording: Path, into: Path, models: str) -> list[str]:
    words = into.with_suffix(".toml")
    words.write_text(WORDS)
    line = [sys.executable, "-c", "from scenekeeper.cli import main; main()", "label"]
    line += [str(recording), "--into", str(into), "--models", models]
    return [*line, "--vocabulary", str(words), "--no-open"]


def labelled(recording: Path, into: Path, models: str) -> Dataset:
    done = subprocess.run(
        command(recording, into, models), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return open_dataset(into)


def check(dataset: Dataset) -> None:
    """Everything that models can give is there, and says who gave it."""
    instances = dataset.table("instances").to_pylist()
    assert instances and {i["phrase"] for i in instances} <= {"mug", "table", "object"} | {
        "the red chair on the left"
    }
    assert all(i["mask"] is not None for i in instances if i["track"] >= 0)
    [session] = dataset.sessions()
    masklets = dataset.read_segment("masklets", dataset.current(session)["masklets"], session, 0)
    assert all("stability" in dict(signals) for signals in masklets["signals"].to_pylist())
    told = [c for c in dataset.table("captions").to_pylist() if c["text"] == ANSWER["caption"]]
    assert told and all(c["source"].startswith("openai:") for c in told)
    kinds = {s["kind"] for s in dataset.table("statements").to_pylist()}
    assert {"caption", "object", "relation"} <= kinds
    assert {t["text"] for t in dataset.table("object_captions").to_pylist()} & {
        str(o["caption"])
        for o in ANSWER["objects"]  # type: ignore[attr-defined]
    }


def test_a_simulated_session_is_labelled_by_two_models_and_a_server(
    home: Path, models: Models, tmp_path: Path
) -> None:
    check(labelled(home, tmp_path / "home.sk", models.composed))


def test_and_by_one_model_that_finds_and_follows(
    home: Path, models: Models, tmp_path: Path
) -> None:
    check(labelled(home, tmp_path / "home.sk", models.collapsed))


def test_the_real_kitchen_is_labelled(real: Path, models: Models, tmp_path: Path) -> None:
    dataset = labelled(real, tmp_path / "kitchen.sk", models.composed)
    check(dataset)
    assert len(dataset.table("captions")) == 8


def test_killed_and_resumed_the_labels_are_the_same(
    home: Path, models: Models, tmp_path: Path
) -> None:
    whole = content(labelled(home, tmp_path / "whole.sk", models.composed))
    into = tmp_path / "killed.sk"
    for seconds in (4.0, 9.0):
        running = subprocess.Popen(
            command(home, into, models.composed), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        time.sleep(seconds)
        running.send_signal(signal.SIGKILL)
        running.communicate()
    assert content(labelled(home, into, models.composed)) == whole


def test_two_processes_that_share_a_dataset_make_the_labels_of_one(
    home: Path, models: Models, tmp_path: Path
) -> None:
    whole = content(labelled(home, tmp_path / "whole.sk", models.composed))
    into = tmp_path / "shared.sk"
    both = [
        subprocess.Popen(command(home, into, models.composed), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in both:
        _, told = process.communicate()
        assert process.returncode == 0, told[-3000:]
    assert content(open_dataset(into)) == whole


def content(dataset: Dataset) -> dict[str, list[dict[str, Any]]]:
    """What the tables hold, in order."""
    columns = {"instances": ["frame_id", "instance"], "statements": ["frame_id", "kind", "subject"]}
    return {
        table: dataset.table(table).sort_by([(c, "ascending") for c in by]).to_pylist()
        for table, by in columns.items()
    }
