"""Vocabularies: people's edits stay, a word means one thing."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenekeeper.errors import ScenekeeperError
from scenekeeper.vocabulary import read_vocabulary, write_vocabulary


def test_a_vocabulary_reads_back(tmp_path: Path) -> None:
    words = {"mug": ("coffee mug",), "pen": ()}
    write_vocabulary(words, tmp_path / "words.toml")
    assert read_vocabulary(tmp_path / "words.toml") == words


def test_an_edited_vocabulary_is_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "words.toml"
    file.write_text('[mug]\nsynonyms = ["Becher"]\n', encoding="utf-8")
    write_vocabulary({"mug": ("coffee mug",)}, file)
    assert read_vocabulary(file) == {"mug": ("Becher",)}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[mug", "is no vocabulary"),
        ("mug = 3", "is no vocabulary"),
        ('[mug]\nsynonyms = ["cup"]\n[cup]\n', "stands for 'mug' and for 'cup'"),
    ],
)
def test_what_is_no_vocabulary_says_so(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "words.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ScenekeeperError, match=problem):
        read_vocabulary(tmp_path / "words.toml")


def test_a_missing_vocabulary_says_so(tmp_path: Path) -> None:
    with pytest.raises(ScenekeeperError, match="is no vocabulary"):
        read_vocabulary(tmp_path / "none.toml")
