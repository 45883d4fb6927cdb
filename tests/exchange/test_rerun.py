"""Rerun export, read back with Rerun's own tools where rerun-sdk is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scenekeeper.errors import ExportError
from scenekeeper.exchange import export, rerun
from scenekeeper.store import Dataset


def test_without_rerun_the_error_says_how_to_get_it(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(ExportError, match=r'pip install "scenekeeper\[rerun\]"'):
        export(dataset, "rerun", tmp_path / "k.rrd", ["kitchen"])
    assert list(tmp_path.glob("*.rrd")) == []


def test_another_suffix_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"ends in \.rrd"):
        rerun.export(dataset, tmp_path / "k.bin", sessions=["kitchen"])


@pytest.mark.interop
@pytest.mark.usefixtures("recorded")
def test_rerun_reads_back_every_entity(dataset: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("rerun", reason="rerun-sdk is not installed")
    done = rerun.export(dataset, tmp_path / "k.rrd", sessions=["kitchen"])
    assert (done.frames, done.instances) == (12, 36)
    command = [sys.executable, "-m", "rerun", "rrd"]
    subprocess.run([*command, "verify", str(done.path)], check=True, capture_output=True)
    listed = subprocess.run(
        [*command, "print", "-v", str(done.path)], check=True, capture_output=True, text=True
    ).stdout
    for path in ("", "/image", "/image/boxes", "/image/masks"):
        assert f"/world/head{path}" in listed and f"/world/wrist/rgb{path}" in listed
    for path in ("/world/objects", "/graph", "/caption"):
        assert path in listed
