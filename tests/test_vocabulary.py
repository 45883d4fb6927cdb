"""Vocabularies: people's edits stay, a word means one thing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from scenekeeper.errors import ScenekeeperError
from scenekeeper.vocabulary import (
    edit_vocabulary,
    read_limits,
    read_vocabulary,
    write_vocabulary,
)


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


def test_thresholds_stand_beside_the_words(tmp_path: Path) -> None:
    file = tmp_path / "words.toml"
    file.write_text("[mug]\nthreshold = 0.42\n[poster]\nnegative = true\n[pen]\n", encoding="utf-8")
    assert read_limits(file) == {"mug": 0.42, "poster": math.inf}
    assert set(read_vocabulary(file)) == {"mug", "poster", "pen"}


@pytest.mark.parametrize("score", ["1.5", "-0.1", '"high"', "true"])
def test_a_threshold_is_a_share(tmp_path: Path, score: str) -> None:
    file = tmp_path / "words.toml"
    file.write_text(f"[mug]\nthreshold = {score}\n", encoding="utf-8")
    with pytest.raises(ScenekeeperError, match="threshold of 'mug'"):
        read_limits(file)


def test_edits_change_what_they_are_about_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "words.toml"
    text = '[mug]\nsynonyms = ["beaker"]\n[cup]\nsynonyms = ["tea cup"]\n[pen]\ncolor = "blue"\n'
    file.write_text(text, encoding="utf-8")
    edit_vocabulary(
        file,
        synonyms=[("mug", "cup")],
        words=["ladle", "beaker"],
        thresholds={"mug": 0.4},
        negative=["poster"],
    )
    assert read_vocabulary(file) == {
        "mug": ("beaker", "cup", "tea cup"),
        "pen": (),
        "ladle": (),
        "poster": (),
    }
    assert read_limits(file) == {"mug": 0.4, "poster": math.inf}
    assert 'color = "blue"' in file.read_text(encoding="utf-8")
    once = file.read_text(encoding="utf-8")
    edit_vocabulary(file, synonyms=[("mug", "cup")], negative=["poster"])
    assert file.read_text(encoding="utf-8") == once
