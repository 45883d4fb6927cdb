"""Arrows point down only: which room may import which, read off the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "scenekeeper"

VOCABULARY = {"errors", "geometry", "masks", "schema", "voxels"}
DATA = VOCABULARY | {"store"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "geometry": {"errors"},
    "masks": {"errors"},
    "schema": {"errors", "geometry", "masks"},
    "voxels": {"errors", "geometry", "masks", "schema"},
    "recording": VOCABULARY,
    "store": VOCABULARY,
    "naming": VOCABULARY,
    # Stages know the vocabulary and the store, never each other.
    "quality": DATA,
    # What a model is; the adapters lie in the rooms of their stages.
    "models": VOCABULARY,
    "ground": DATA | {"models", "naming"},
    "segment": DATA | {"models", "naming"},
    "world": DATA,
    "describe": DATA | {"models"},
    "evaluate": DATA,
    # The engine knows what a stage is, not which there are.
    "engine": {"errors", "schema", "store"},
    "exchange": DATA | {"recording", "review", "world"},
    # Simulated visits are recordings like any other, and their truth is a dataset like any other.
    "simulate": DATA | {"exchange", "recording", "vocabulary"},
    # Review knows recordings for their pictures only, and the words that it advises to change.
    "review": DATA | {"recording", "vocabulary"},
    "report": DATA | {"recording", "world"},
    "labelers": DATA
    | {"describe", "engine", "ground", "models", "naming", "quality", "segment", "world"},
    # Labels that are made anew are given to what people decided of those before.
    "labeling": DATA
    | {"describe", "engine", "labelers", "models", "quality", "recording", "review"}
    | {"vocabulary", "world"},
    "doctoring": VOCABULARY | {"models"},
    "vocabulary": VOCABULARY,
    "verbs": DATA
    | {"evaluate", "exchange", "labeling", "recording", "simulate", "vocabulary", "world"},
    "world_verbs": DATA
    | {"engine", "exchange", "ground", "labeling", "report", "vocabulary", "world"},
    "review_verbs": DATA | {"exchange", "labeling", "models", "review", "segment", "vocabulary"},
    "printing": {"engine", "labeling"},
    "cli_review": {"printing", "review", "review_verbs"},
    "cli_world": {"errors", "exchange", "printing", "report", "world", "world_verbs"},
    "cli": {"cli_review", "cli_world", "doctoring", "engine", "errors", "evaluate", "labeling"}
    | {"models", "printing", "report", "review_verbs", "store", "verbs"},
    "__init__": {"doctoring", "labeling", "recording", "review_verbs", "store", "verbs", "world"}
    | {"world_verbs"},
}
HEAVY = {"numpy", "scipy", "pyarrow", "duckdb", "av", "PIL", "mcap", "rosbags", "pycocotools"}
HEAVY |= {"numba", "onnxruntime", "starlette", "torch", "transformers", "uvicorn"}


def room_of(file: Path) -> str:
    return file.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """Line and room of everything of ours that a file imports, wherever in it that stands."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}:{node.lineno}: imports are written in full"
            module = node.module or ""
            inner = [f"{module}.{alias.name}" for alias in node.names]
            names = inner if module == "scenekeeper" else [module]
        for name in names:
            parts = name.split(".")
            if parts[0] == "scenekeeper" and len(parts) > 1:
                yield node.lineno, parts[1]


@pytest.mark.parametrize("room", sorted({room_of(file) for file in SOURCE.rglob("*.py")}))
def test_a_room_imports_only_rooms_below_it(room: str) -> None:
    assert room in MAY_IMPORT, f"say in this test what {room} may import"
    files = [file for file in SOURCE.rglob("*.py") if room_of(file) == room]
    wrong = [
        f"{file.relative_to(SOURCE)}:{line} imports {other}"
        for file in files
        for line, other in imports(file)
        if other not in MAY_IMPORT[room] | {room, "__version__"}
    ]
    assert not wrong, "\n".join(wrong)


def test_no_room_is_above_itself() -> None:
    above = {room: set(below) for room, below in MAY_IMPORT.items()}
    while above:
        lowest = {room for room, below in above.items() if not below & above.keys()}
        assert lowest, f"these import each other in a circle: {sorted(above)}"
        for room in lowest:
            del above[room]


@pytest.mark.parametrize(
    "statement",
    [
        "import scenekeeper",
        "from scenekeeper.cli import main; import sys; sys.argv = ['s', '--help']"
        "\ntry: main()\nexcept SystemExit: pass",
    ],
    ids=["import", "help"],
)
def test_nothing_heavy_is_imported_before_a_verb_needs_it(statement: str) -> None:
    script = f"{statement}\nimport sys; print('\\n' + ' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    assert "scenekeeper" in loaded and not loaded & HEAVY
