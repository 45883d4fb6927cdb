"""Checkpoints on this disk: found, told apart, and refused with a reason."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from scenekeeper.errors import ModelError
from scenekeeper.models.checkpoint import (
    EDGE,
    expect_type,
    find_checkpoint,
    load_part,
    read_config,
    revision_of,
)
from scenekeeper.models.source import Source

hub_is_here = importlib.util.find_spec("huggingface_hub") is not None
needs_hub = pytest.mark.skipif(not hub_is_here, reason="huggingface_hub is not here")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What looks like a checkpoint, with weights of three megabytes."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "owlv2"}))
    (tmp_path / "model.safetensors").write_bytes(bytes(3 * EDGE))
    (tmp_path / "tokenizer.json").write_text("{}")
    return tmp_path


def test_a_folder_of_this_machine_is_taken_as_it_is(folder: Path) -> None:
    assert find_checkpoint(Source("owlv2", str(folder))) == folder


def test_the_users_home_is_understood(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert find_checkpoint(Source("owlv2", f"~/{folder.name}")) == folder


@pytest.mark.parametrize(
    ("where", "problem", "remedy"),
    [
        ("", "lacks a checkpoint", "owlv2:FOLDER"),
        ("./nowhere", "there is no such folder", "config.json"),
        ("a/b/c", "there is no such folder", "OWNER/NAME"),
        ("one-word", "there is no such folder", "OWNER/NAME"),
    ],
)
def test_what_is_not_there_is_said_so(where: str, problem: str, remedy: str) -> None:
    with pytest.raises(ModelError, match=problem) as told:
        find_checkpoint(Source("owlv2", where))
    assert remedy in str(told.value.remedy)


def test_a_folder_without_configuration_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        find_checkpoint(Source("owlv2", str(tmp_path)))


# --- on the hub -----------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and no network."""
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path


def test_a_repository_that_is_not_here_is_said_so_offline(cache: Path) -> None:
    with pytest.raises(ModelError, match="is not on this machine and cannot be fetched") as told:
        find_checkpoint(Source("owlv2", "google/owlv2-base-patch16-ensemble"))
    assert "hf download google/owlv2-base-patch16-ensemble" in str(told.value.remedy)


def test_a_repository_fetched_before_is_found_offline(cache: Path) -> None:
    base = cache / "models--google--owlv2"
    commit = "0123456789abcdef0123456789abcdef01234567"
    (base / "refs").mkdir(parents=True)
    (base / "refs" / "main").write_text(commit)
    (base / "snapshots" / commit).mkdir(parents=True)
    (base / "snapshots" / commit / "config.json").write_text("{}")
    found = find_checkpoint(Source("owlv2", "google/owlv2"))
    assert found == base / "snapshots" / commit


@needs_hub
@pytest.mark.parametrize(
    ("error", "problem", "remedy"),
    [
        ("GatedRepoError", "is gated", "hf auth login"),
        ("RepositoryNotFoundError", "there is no checkpoint facebook/sam3 at v1", "spelling"),
        ("RevisionNotFoundError", "there is no checkpoint facebook/sam3 at v1", "spelling"),
        ("LocalEntryNotFoundError", "is not on this machine", "hf download facebook/sam3"),
    ],
)
def test_what_the_hub_refuses_is_said_with_a_way_out(
    error: str, problem: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub
    from huggingface_hub import errors

    kind = getattr(errors, error)
    made = kind.__new__(kind)
    Exception.__init__(made, "the hub's own long text")

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise made

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(ModelError, match=problem) as told:
        find_checkpoint(Source("sam3", "facebook/sam3", "v1"))
    assert remedy in str(told.value.remedy)


@needs_hub
def test_pickled_weights_and_code_are_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from fnmatch import fnmatch

    import huggingface_hub

    asked: dict[str, Any] = {}
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, **how: asked.update(how) or "/x"
    )
    find_checkpoint(Source("owlv2", "google/owlv2", "v1"))
    wanted = asked["allow_patterns"]
    assert asked["revision"] == "v1" and any(fnmatch("model-00001.safetensors", w) for w in wanted)
    for file in ("pytorch_model.bin", "model.pt", "modeling_x.py", "weights.pkl"):
        assert not any(fnmatch(file, pattern) for pattern in wanted)


# --- told apart -----------------------------------------------------------------------------------


def test_a_revision_is_twelve_digits_and_stays_the_same(folder: Path) -> None:
    first = revision_of(folder)
    assert len(first) == 12 and int(first, 16) >= 0 and revision_of(folder) == first


@pytest.mark.parametrize("place", [0, EDGE - 1, 2 * EDGE, 3 * EDGE - 1])
def test_weights_that_change_at_either_end_change_the_revision(folder: Path, place: int) -> None:
    before, weights = revision_of(folder), folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[place] ^= 1
    weights.write_bytes(content)
    assert revision_of(folder) != before


@pytest.mark.parametrize("size", [0, EDGE, EDGE + 1, 2 * EDGE, 3 * EDGE + 1])
def test_weights_of_another_size_have_another_revision(folder: Path, size: int) -> None:
    before = revision_of(folder)
    (folder / "model.safetensors").write_bytes(bytes(size))
    assert revision_of(folder) != before


def test_a_changed_or_renamed_small_file_changes_the_revision(folder: Path) -> None:
    seen = {revision_of(folder)}
    (folder / "tokenizer.json").write_text("{ }")
    seen.add(revision_of(folder))
    (folder / "tokenizer.json").rename(folder / "vocab.json")
    seen.add(revision_of(folder))
    assert len(seen) == 3


def test_what_a_checkpoint_does_not_consist_of_does_not_matter(folder: Path) -> None:
    before = revision_of(folder)
    (folder / "pytorch_model.bin").write_bytes(b"x")
    (folder / "README.md").write_text("words")
    assert revision_of(folder) == before


# --- opened ---------------------------------------------------------------------------------------


def test_a_type_that_is_wanted_gives_the_configuration(folder: Path) -> None:
    assert expect_type(folder, "sam2", "owlv2") == {"model_type": "owlv2"}


def test_another_type_is_refused_with_both_names(folder: Path) -> None:
    with pytest.raises(ModelError, match="of 'owlv2', not of sam2 or sam3"):
        expect_type(folder, "sam2", "sam3")


@pytest.mark.parametrize("text", ["", "{", "[1]", "\udcff"])
def test_a_damaged_configuration_is_named(folder: Path, text: str) -> None:
    (folder / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelError) as told:
        read_config(folder)
    assert told.value.path == folder / "config.json"


def test_a_part_that_cannot_be_read_is_said_so(folder: Path) -> None:
    class Processor:
        @staticmethod
        def from_pretrained(folder: Path, local_files_only: bool) -> None:
            assert local_files_only
            raise AttributeError("damage has many faces")

    with pytest.raises(ModelError, match="many faces") as told:
        load_part(Processor, folder)
    assert told.value.path == folder
