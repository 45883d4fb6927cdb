"""A vocabulary: class phrases and the phrases that mean the same, as TOML people can edit.

[mug]
synonyms = ["coffee mug", "tea mug"]
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from scenekeeper.errors import ScenekeeperError

FILE = "vocabulary.toml"
"""Its name inside a dataset."""

Vocabulary = Mapping[str, tuple[str, ...]]
"""Synonyms of each phrase."""


def read_vocabulary(path: Path) -> Vocabulary:
    """Read a vocabulary.

    Raises:
        ScenekeeperError: the file is missing or no vocabulary, or a word means two things.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        words = {phrase: tuple(map(str, e.get("synonyms", ()))) for phrase, e in data.items()}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError) as error:
        raise ScenekeeperError(
            f"is no vocabulary ({error})", path=path, remedy='Write [mug] and synonyms = ["cup"].'
        ) from error
    seen: dict[str, str] = {}
    for phrase, synonyms in words.items():
        for word in {phrase, *synonyms}:
            if word in seen:
                raise ScenekeeperError(
                    f"{word!r} stands for {seen[word]!r} and for {phrase!r}",
                    path=path,
                    remedy="Let every word mean one thing.",
                )
            seen[word] = phrase
    return words


def write_vocabulary(words: Mapping[str, Sequence[str]], path: Path) -> None:
    """Write a vocabulary where there is none yet; people's edits stay."""
    if path.exists():
        return
    import tomli_w

    entries = {phrase: {"synonyms": list(synonyms)} for phrase, synonyms in words.items()}
    path.write_text(tomli_w.dumps(entries), encoding="utf-8")
