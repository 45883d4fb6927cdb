"""A small simulated home with its truth, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenekeeper.store import Dataset, open_dataset


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("numba", reason="the simulator's renderer needs the extra 'simulate'")
    from scenekeeper.simulate.produce import Scenario, simulate

    out = tmp_path_factory.mktemp("home")
    scenario = Scenario(
        kinds=("kitchen",), seconds=24.0, fps=2, size=(160, 120), visits=2, finer=1, clutter=1.0
    )
    simulate(out, [5], "mcap", scenario)
    return out


@pytest.fixture(scope="session")
def truth(home: Path) -> Dataset:
    return open_dataset(home / "truth.sk")
