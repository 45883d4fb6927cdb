"""A labelled room to look at."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scenekeeper import label, open_dataset
from scenekeeper.simulate import write_tabletop
from scenekeeper.store import Dataset


@pytest.fixture(scope="session")
def _labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_tabletop(folder / "room", 24, size=(160, 120))
    label([folder / "room"], folder / "room.sk", clip_seconds=0.3)
    return folder


@pytest.fixture
def room(_labelled: Path, tmp_path: Path) -> Dataset:
    """A dataset of 24 frames in 3 clips, the test's own; its recording lies elsewhere."""
    shutil.copytree(_labelled / "room.sk", tmp_path / "room.sk")
    return open_dataset(tmp_path / "room.sk")
