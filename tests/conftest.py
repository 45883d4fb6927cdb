"""Fixtures every room shares."""

from __future__ import annotations

import importlib
import importlib.util
import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with real recordings; tests that need it skip where it is absent."""
    default = Path(__file__).parents[2] / "shared" / "data"
    path = Path(os.environ.get("SCENEKEEPER_TEST_DATA", default))
    if not path.is_dir():
        pytest.skip("real recordings are not here; set SCENEKEEPER_TEST_DATA to their folder")
    return path


@pytest.fixture(scope="session")
def kitchen(shared_data: Path) -> Path:
    """300 real Kinect RGB-D frames with poses."""
    return shared_data / "kitchen"


@pytest.fixture
def typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], tuple[int, str, str]]:
    """Type a command after ``scenekeeper``: exit code, standard output, standard error."""
    from scenekeeper import cli

    def run(line: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["scenekeeper", *shlex.split(line)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture(autouse=True)
def usual_priority() -> Iterator[None]:
    """An AV1 encoder makes root a real-time process; tests after it would have no machine."""
    from scenekeeper.exchange.lerobot_video import same_priority

    with same_priority():
        yield


@pytest.fixture(autouse=True)
def one_thread(request: pytest.FixtureRequest) -> None:
    """Tiny models gain nothing from threads, whose number other libraries raise."""
    if request.node.get_closest_marker("models") and importlib.util.find_spec("torch"):
        importlib.import_module("torch").set_num_threads(1)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Folder of a tiny random checkpoint by the name of its file in ``tests/checkpoints``."""
    for package in ("torch", "torchvision", "transformers"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not here; pip install 'scenekeeper[models]'")
    built: dict[str, Path] = {}

    def build(name: str) -> Path:
        if name not in built:
            built[name] = tmp_path_factory.mktemp(name)
            importlib.import_module(f"tests.checkpoints.{name}").build(built[name])
        return built[name]

    return build
