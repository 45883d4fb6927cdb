"""A vocabulary: class phrases and the phrases that mean the same, as TOML people can edit.

[mug]
synonyms = ["coffee mug", "tea mug"]
threshold = 0.42    # a detector's score from which on it is believed; the usual rule when absent

[poster]
negative = true     # looked for so that what is found as it is discarded
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
    words = {phrase: tuple(map(str, e.get("synonyms", ()))) for phrase, e in _entries(path).items()}
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


def read_limits(path: Path) -> dict[str, float]:
    """Scores from which on phrases are believed, of those that have one; of negative ones infinite.

    Raises:
        ScenekeeperError: the file is missing or no vocabulary, or a threshold is no share.
    """
    limits = {}
    for phrase, entry in _entries(path).items():
        score = entry.get("threshold")
        if entry.get("negative") is True:
            limits[phrase] = math.inf
        elif score is not None:
            if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
                raise ScenekeeperError(
                    f"the threshold of {phrase!r} is no share",
                    path=path,
                    remedy="Write a number from 0 to 1.",
                )
            limits[phrase] = float(score)
    return limits


def _entries(path: Path) -> dict[str, dict[str, Any]]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        if not all(isinstance(entry, dict) for entry in data.values()):
            raise ValueError("a phrase has to be a table")
        return data
    except (OSError, ValueError) as error:
        raise ScenekeeperError(
            f"is no vocabulary ({error})", path=path, remedy='Write [mug] and synonyms = ["cup"].'
        ) from error


def write_vocabulary(words: Mapping[str, Sequence[str]], path: Path) -> None:
    """Write a vocabulary where there is none yet; people's edits stay."""
    if path.exists():
        return
    import tomli_w

    entries = {phrase: {"synonyms": list(synonyms)} for phrase, synonyms in words.items()}
    path.write_text(tomli_w.dumps(entries), encoding="utf-8")


def edit_vocabulary(
    path: Path,
    *,
    synonyms: Sequence[tuple[str, str]] = (),
    words: Sequence[str] = (),
    thresholds: Mapping[str, float] | None = None,
    negative: Sequence[str] = (),
) -> None:
    """Change a vocabulary; other entries stay as they are, comments are lost.

    Args:
        path: the file.
        synonyms: pairs of a phrase and what means the same. What was a phrase of its own is none
            any more; its synonyms go with it.
        words: new phrases.
        thresholds: per phrase the score from which on it is believed.
        negative: phrases to be discarded.

    Raises:
        ScenekeeperError: the file is missing or no vocabulary.
    """
    import tomli_w

    entries = _entries(path)
    for phrase, synonym in synonyms:
        lost = entries.pop(synonym, {}).get("synonyms", ())
        same = entries.setdefault(phrase, {}).setdefault("synonyms", [])
        same += [word for word in (synonym, *lost) if word not in (phrase, *same)]
    for phrase in words:
        if not any(phrase in entry.get("synonyms", ()) for entry in entries.values()):
            entries.setdefault(phrase, {})
    for phrase, score in (thresholds or {}).items():
        entries.setdefault(phrase, {})["threshold"] = score
    for phrase in negative:
        entries.setdefault(phrase, {})["negative"] = True
    path.write_text(tomli_w.dumps(entries), encoding="utf-8")
