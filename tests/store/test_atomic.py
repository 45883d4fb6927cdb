"""A file appears whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scenekeeper.store import atomic


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.txt"
    with atomic.replacing(target) as temporary:
        temporary.write_text("half")
        assert not target.exists()
    assert target.read_text() == "half" and list(target.parent.iterdir()) == [target]
    assert target.stat().st_mode & 0o777 == 0o644


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    atomic.write_text(target, "old")
    with pytest.raises(RuntimeError), atomic.replacing(target) as temporary:
        temporary.write_text("new")
        raise RuntimeError
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]


def test_only_what_was_left_long_ago_is_swept(tmp_path: Path) -> None:
    old, young = tmp_path / "a" / ".partial-old.parquet", tmp_path / ".partial-young"
    left, kept = tmp_path / "sessions" / ".partial-folder", tmp_path / "a" / "kept.parquet"
    for file in (old, young, left / "frames.parquet", kept):
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text("")
    for path in (old, left, kept):
        os.utime(path, (0, 0))
    atomic.sweep(tmp_path)
    assert not old.exists() and not left.exists()
    assert young.exists() and kept.exists()
