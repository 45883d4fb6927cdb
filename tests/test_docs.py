"""What the documentation says can be typed, can be typed; what it lists is there."""

from __future__ import annotations

import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from scenekeeper import cli, open_dataset, open_recording, schema, verbs
from scenekeeper.exchange import export
from scenekeeper.review.access import Visitor
from scenekeeper.review.desk import Desk
from scenekeeper.store import Dataset

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NOT_RUN = ("python3 -m venv ", "source ", ".venv/bin/", "cd ", "pytest ", "pip ", "python -m ")
"""What sets up an environment, needs another program, or is a test of its own."""


@dataclass(frozen=True)
class Block:
    """One fenced block of a page."""

    page: str
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}-{self.title or self.text.strip().splitlines()[0][:40]}"


def blocks() -> Iterator[Block]:
    for page in PAGES:
        for info, text in re.findall(r"^```(\w[^\n]*)\n(.*?)^```$", page.read_text(), re.M | re.S):
            title = re.search(r'title="(.*?)"', info)
            yield Block(page.stem, info.split()[0], title[1] if title else "", text)


BLOCKS = list(blocks())
COMMANDS = [
    (block.page, line.split("  # ")[0].split("   #")[0].strip())
    for block in BLOCKS
    if block.language == "bash"
    for line in block.text.splitlines()
    if line.strip() and not line.startswith(("#", *NOT_RUN))
]
PYTHON = [b for b in BLOCKS if b.language == "python"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo was run, with ``lab.sk`` and ``day1.mcap`` as a user may have."""
    home = tmp_path_factory.mktemp("docs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        shutil.copy(verbs.demo(seconds=1.0).recordings[0], "day1.mcap")
        shutil.copytree("scenekeeper-demo/home.sk", "lab.sk")
        shutil.copytree("scenekeeper-demo/simulated/truth.sk", "truth.sk")
        verbs.export("lab.sk", "coco", "labels.json")
        review_a_little(open_dataset("lab.sk"))
    return home


def review_a_little(dataset: Dataset) -> None:
    """A few cards, accepted."""
    visitor = Visitor("browser", "ann")
    with closing(Desk(dataset, None, 0)) as desk:
        cards, _ = desk.deal(visitor, 6, [])
        tracks = [card for card in cards if card["kind"] == "track"]
        sent = [
            {"id": f"decision-{k}", "op": "accept", "subject": card["subject"], "card": card["id"]}
            for k, card in enumerate(tracks)
        ]
        assert sent and {r["status"] for r in desk.decide(visitor, sent)} == {"saved"}


@pytest.fixture
def home(demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, the test's own and the working directory."""
    shutil.copytree(demo, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


def of_these(line: str) -> str:
    """The line with an object that is there: the page's ids are those of the whole demo."""
    asked = re.search(r"(\S+\.sk) (o\d+)\b", line)
    if asked is None:
        return line
    there = open_dataset(asked[1]).sql("SELECT max(object) AS o FROM objects")["o"][0]
    return line.replace(asked[2], f"o{there}")


def typed(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a command; what it simulates lasts a second, which shows as much as the page's five."""
    program, *arguments = shlex.split(re.sub(r"--seconds \d+", "--seconds 1", of_these(line)))
    assert program == "scenekeeper", line
    monkeypatch.setattr("sys.argv", [program, *arguments])
    # It would wait for reviewers.
    monkeypatch.setattr("scenekeeper.review_verbs.review", lambda dataset, **options: None)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    # A question that has no single answer is answered all the same.
    assert stop.value.code in ((None, 0, 1) if " world query " in line else (None, 0)), line


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted({page for page, _ in COMMANDS}))
def test_the_commands_of_a_page_run_one_after_the_other(
    page: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "labels.json").unlink()
    for line in [line for where, line in COMMANDS if where == page]:
        # As short as the demo that was run already, so that it continues.
        typed(f"{line} --seconds 4" if line == "scenekeeper demo" else line, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("block", [b for b in PYTHON if b.page != "extend"], ids=str)
def test_an_example_in_python_runs(block: Block, home: Path) -> None:
    exec(compile(block.text, str(block), "exec"), {"__name__": "example"})


@pytest.mark.slow
@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "sql"], ids=str)
def test_an_example_in_sql_runs(block: Block, home: Path) -> None:
    assert open_dataset("lab.sk").sql(block.text).num_rows


def test_every_kind_of_example_is_there() -> None:
    assert len(COMMANDS) >= 15 and len(PYTHON) > 6
    assert {"readers", "exporters", "models"} <= {
        group for b in BLOCKS if b.language == "toml" for group in re.findall(r"(\w+)\"\]", b.text)
    }


# --- extending ------------------------------------------------------------------------------------


def example(title: str) -> Block:
    return next(b for b in BLOCKS if b.page == "extend" and b.title == title)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Modules of the page, installed as a package that brings entry points."""
    names = ["boxes_csv", "npy_folder", "red_things"]
    folder = tmp_path / "site"
    metadata = folder / "lab_plugins-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lab-plugins\nVersion: 1.0\n")
    points = [b.text for b in BLOCKS if b.page == "extend" and b.title == "pyproject.toml"]
    declared = re.findall(r'entry-points\."(.*?)"\]\n(\w+) = "(.*?)"', "".join(points))
    text = "".join(f"[{group}]\n{name} = {value}\n" for group, name, value in declared)
    (metadata / "entry_points.txt").write_text(text)
    for name in names:
        (folder / f"{name}.py").write_text(example(f"{name}.py").text)
    monkeypatch.syspath_prepend(folder)
    yield names
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.slow
def test_the_exporter_of_the_page_works_once_installed(install: list[str], home: Path) -> None:
    done = export(open_dataset("lab.sk"), "boxes", home / "lab.csv", delimiter=";")
    lines = (home / "lab.csv").read_text().splitlines()
    assert len(lines) == done.instances == open_dataset("lab.sk").table("instances").num_rows
    assert lines[0].count(";") == 7


def test_the_reader_of_the_page_works_once_installed(install: list[str], tmp_path: Path) -> None:
    import numpy as np

    folder = tmp_path / "pictures"
    folder.mkdir()
    for k in range(3):
        np.save(folder / f"{k}.npy", np.full((4, 6, 3), k, np.uint8))
    recording = open_recording(folder)
    assert recording.format == "npy folder"
    assert [int(p.max()) for p in recording.views[0].rgb.source.read([0, 2])] == [0, 2]


def test_the_model_of_the_page_works_once_installed(install: list[str]) -> None:
    from scenekeeper.models import Device, FrameModel, open_model
    from tests.checkpoints.pictures import frame

    model = open_model("red:0.5", Device())
    assert isinstance(model, FrameModel) and model.card.name == "red:0.5"
    found, none = (model.run([frame()], words, [None])[0] for words in ({"red mug": ()}, {}))
    assert found.phrase == ("red mug",) and found.score[0] == pytest.approx(0.785, abs=0.02)
    assert abs(found.box_xyxy[0] - [50, 110, 87, 169]).max() <= 1 and len(none) == 0


@pytest.mark.slow
def test_the_stage_of_the_page_runs(home: Path) -> None:
    (home / "dark_frames.py").write_text(example("dark_frames.py").text)
    runpy.run_path("dark_frames.py", run_name="__main__")
    assert open_dataset("dark.sk").table("quality").num_rows == 11


@pytest.mark.parametrize(
    "title", ["boxes_csv.py", "npy_folder.py", "red_things.py", "dark_frames.py"]
)
def test_an_example_of_extending_is_short(title: str) -> None:
    assert len(example(title).text.splitlines()) < 50


# --- what is listed -------------------------------------------------------------------------------


def documented() -> dict[str, set[str]]:
    """Columns by heading of the page of tables."""
    text = (ROOT / "docs" / "tables.md").read_text()
    found = {}
    for section in text.split("\n## ")[1:]:
        heading = section.partition("\n")[0]
        rows = re.findall(r"^\| (`[^|]*) \|", section, re.M)
        found[heading] = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    return found


@pytest.mark.parametrize("table", sorted(schema.TABLES))
def test_every_column_of_a_table_is_documented(table: str) -> None:
    assert documented()[table] == set(schema.TABLES[table].names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_inside_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)#]+)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_page_is_in_the_menu() -> None:
    menu = (ROOT / "mkdocs.yml").read_text()
    assert all(page.name in menu for page in PAGES[1:])
