"""What every export has in common: whole or not at all, and which labels are taken."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scenekeeper.errors import ExportError, RecordingError
from scenekeeper.exchange import Exported, export
from scenekeeper.store import Dataset

FORMATS: list[tuple[str, str, dict[str, Any]]] = [
    ("coco", "labels.json", {}),
    ("coco", "labels.json", {"images": True}),
    ("yolo", "yolo", {}),
    ("lerobot", "lerobot", {}),
    ("foxglove", "overlay.mcap", {}),
    ("rerun", "room.rrd", {}),
]
every_format = pytest.mark.parametrize(("format", "name", "options"), FORMATS)


@contextmanager
def no_file_larger_than(n_bytes: int) -> Iterator[None]:
    """The system refuses to write more into any file, whoever writes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@every_format
@pytest.mark.parametrize("n_bytes", [0, 600])
@pytest.mark.usefixtures("recorded")
def test_what_cannot_be_written_is_an_error_and_leaves_nothing(
    dataset: Dataset, tmp_path: Path, format: str, name: str, options: Any, n_bytes: int
) -> None:
    if format == "rerun":
        pytest.importorskip("rerun", reason="rerun-sdk is not installed")
    (tmp_path / "out").mkdir()
    with (
        no_file_larger_than(n_bytes),
        pytest.raises(ExportError, match=f"{name}: cannot be written.*Free some space"),
    ):
        export(dataset, format, tmp_path / "out" / name, **options)
    assert list((tmp_path / "out").iterdir()) == []


@every_format
def test_a_recording_that_moved_is_an_error_with_a_remedy_where_pictures_are_needed(
    dataset: Dataset, tmp_path: Path, format: str, name: str, options: Any
) -> None:
    if format == "rerun":
        pytest.importorskip("rerun", reason="rerun-sdk is not installed")
    if format == "foxglove" or (format == "coco" and not options):
        assert export(dataset, format, tmp_path / "out" / name, **options).frames == 16
        return
    with pytest.raises(RecordingError, match=r"no longer here\. Put the recording back"):
        export(dataset, format, tmp_path / "out" / name, **options)
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize(("format", "name"), [("coco", "labels.json"), ("yolo", "yolo")])
def test_pictures_of_a_clip_that_failed_are_not_exported_as_empty(
    dataset: Dataset, tmp_path: Path, format: str, name: str
) -> None:
    dataset.segment("instances", "i", "kitchen", 1).unlink()
    dataset.refresh_views()
    done = export(dataset, format, tmp_path / name, ["kitchen"])
    assert (done.frames, done.instances) == (8, 24)  # of 12 frames, 4 in that clip
    assert any("could not be labelled" in note for note in done.notes)


def phrases(done: Exported) -> set[str]:
    return {c["name"] for c in json.loads(done.path.read_text())["categories"]}


def test_things_only_leaves_out_what_carries_things(dataset: Dataset, tmp_path: Path) -> None:
    done = export(dataset, "coco", tmp_path / "labels.json", ["hall"], things_only=True)
    assert phrases(done) == {'mug "white"\\ ü', "chair"}  # the chair is no known object
    assert (done.frames, done.instances) == (4, 8)


def test_a_name_alone_verifies_no_instance(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"no instance is left.*has to verify labels first"):
        export(dataset, "coco", tmp_path / "labels.json", purpose="safety")
