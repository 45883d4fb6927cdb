"""Is there what captions say there is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from scenekeeper.evaluate.rows import Row
from scenekeeper.store import Dataset


def caption_rows(found: Dataset, true: Dataset, names: Mapping[str, str]) -> Iterator[Row]:
    """Things that captions claim against things that are in the picture."""
    section = "captions"
    nouns = {
        names.get(p, p)
        for p in true.table("objects")["phrase"].to_pylist()
        if p not in ("floor", "wall")
    }
    words = {**{n: n for n in nouns}, **{w: n for w, n in names.items() if n in nouns}}
    pattern = _any_of(words)
    right = claimed = there = 0
    frames = 0
    for s in true.sessions():
        if s not in found.sessions():
            continue
        shown = _shown(true, s, names)
        for row in found.table("captions", s).to_pylist():
            said = {words[m.lower()] for m in pattern(row["text"])}
            seen = shown.get(row["t_ns"], set())
            right, claimed, there = right + len(said & seen), claimed + len(said), there + len(seen)
            frames += 1
    if frames:
        yield Row(section, "things claimed that are there", right / max(1, claimed), claimed)
        yield Row(section, "things there that are claimed", right / max(1, there), there)


def _any_of(words: Mapping[str, str]) -> Callable[[str], list[str]]:
    """Finds words (longest first) in a text, singular or plural."""
    if not words:
        return lambda text: []
    longest = sorted(words, key=len, reverse=True)
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, longest))})(?:e?s)?\b", re.IGNORECASE)
    return lambda text: pattern.findall(text or "")


def _shown(true: Dataset, session: str, names: Mapping[str, str]) -> dict[int, set[str]]:
    rows = true.sql("SELECT t_ns, phrase FROM instances WHERE session = ?", [session]).to_pylist()
    out: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        if row["phrase"] not in ("floor", "wall"):
            out[row["t_ns"]].add(names.get(row["phrase"], row["phrase"]))
    return out
