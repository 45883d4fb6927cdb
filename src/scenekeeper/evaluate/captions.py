"""Is there what captions say there is, and is it where they say."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from scenekeeper.evaluate.labelled import STRUCTURE
from scenekeeper.evaluate.objects import Tables
from scenekeeper.evaluate.pairing import Pairing
from scenekeeper.evaluate.relations import SYMMETRIC
from scenekeeper.evaluate.rows import Row, ratio

SECTION = "captions"
Claim = tuple[str, str, str]


def caption_rows(tables: Tables, p: Pairing, names: Mapping[str, str]) -> Iterator[Row]:
    """Things and relations that captions claim against those that are in the picture."""
    nouns = {names.get(o, o) for o in tables.true.table("objects")["phrase"].to_pylist()}
    words = {n.lower(): n for n in nouns} | {w.lower(): n for w, n in names.items() if n in nouns}
    things = {w: n for w, n in words.items() if n not in STRUCTURE}
    find_things, find_claims = _any_of(things), claims_in(words)
    clip = dict(zip(p.truth.frames, p.truth.clip.tolist(), strict=True))
    counts: list[tuple[int, ...]] = []
    for s in tables.sessions:
        shown, held = _shown(tables, s, names), _held(tables, s, names)
        for row in tables.of_labels("captions", s):
            t = row["t_ns"]
            if (s, t) not in clip:
                continue
            said, seen = {things[m.lower()] for m in find_things(row["text"])}, shown.get(t, set())
            claims, true = find_claims(row["text"]), held.get(t, set())
            to_tell = {c for c in true if c[1] not in SYMMETRIC and not {c[0], c[2]} & STRUCTURE}
            counts.append(
                (
                    clip[s, t],
                    *(len(x) for x in (said & seen, said, seen)),
                    *(len(x) for x in (claims & true, claims, claims & to_tell, to_tell)),
                )
            )
    if not counts:
        return
    at, right, said_n, seen_n, held_n, claimed_n, told_n, true_n = np.array(counts).T
    yield ratio(SECTION, "things claimed that are there", right, said_n, at)
    yield ratio(SECTION, "things there that are claimed", right, seen_n, at)
    yield ratio(SECTION, "relations claimed that hold", held_n, claimed_n, at)
    yield ratio(SECTION, "relations there that are claimed", told_n, true_n, at)


def claims_in(words: Mapping[str, str]) -> Callable[[str], set[Claim]]:
    """Finds the relations that a text claims, by the classes of their two sides.

    It understands "a mug on a table" and "a table with a mug and 2 books on it and a lamp in it".

    Args:
        words: class of every word, in lower case.
    """
    if not words:
        return lambda text: set()
    noun = rf"\b({_alternatives(words)})(?:e?s)?\b"
    how = "on|in|under|behind|next to|attached to"
    direct = re.compile(rf"{noun} ({how}) (?:an?|the) (?={noun})", re.IGNORECASE)
    load = r"((?:(?! with ).)*?)"
    loaded = re.compile(
        rf"{noun} with {load} (on|in) it\b(?: and {load} (on|in) it\b)?", re.IGNORECASE
    )
    things = re.compile(noun, re.IGNORECASE)

    def find(text: str) -> set[Claim]:
        def of(word: str) -> str:
            return words[word.lower()]

        text = text or ""
        out = {(of(a), how.lower(), of(b)) for a, how, b in direct.findall(text)}
        for holder, *parts in loaded.findall(text):
            for inside, predicate in zip(parts[::2], parts[1::2], strict=True):
                out |= {(of(a), predicate.lower(), of(holder)) for a in things.findall(inside)}
        return out

    return find


def _any_of(words: Mapping[str, str]) -> Callable[[str], list[str]]:
    """Finds words (longest first) in a text, singular or plural."""
    if not words:
        return lambda text: []
    pattern = re.compile(rf"\b({_alternatives(words)})(?:e?s)?\b", re.IGNORECASE)
    return lambda text: pattern.findall(text or "")


def _alternatives(words: Mapping[str, str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


_IN_VIEW = "SELECT t_ns, phrase, object FROM instances WHERE session = ?"


def _shown(tables: Tables, session: str, names: Mapping[str, str]) -> dict[int, set[str]]:
    """Per time the classes of the things in view."""
    out: dict[int, set[str]] = defaultdict(set)
    for row in tables.true.sql(_IN_VIEW, [session]).to_pylist():
        if row["phrase"] not in STRUCTURE:
            out[row["t_ns"]].add(names.get(row["phrase"], row["phrase"]))
    return out


def _held(tables: Tables, session: str, names: Mapping[str, str]) -> dict[int, set[Claim]]:
    """Per time the true relations of which both sides are in view, by their classes."""
    relations = defaultdict(list)
    for r in tables.of_truth("relations", session):
        relations[r["subject"]].append((r["predicate"], r["object"]))
    view: dict[int, dict[int, str]] = defaultdict(dict)
    for row in tables.true.sql(_IN_VIEW, [session]).to_pylist():
        if row["object"] is not None:
            view[row["t_ns"]][row["object"]] = names.get(row["phrase"], row["phrase"])
    return {t: set(_claims(shown, relations)) for t, shown in view.items()}


def _claims(shown: Mapping[int, str], relations: Mapping[int, Any]) -> Iterator[Claim]:
    for a in shown:
        for predicate, b in relations.get(a, ()):
            if b in shown:
                yield shown[a], predicate, shown[b]
                if predicate in SYMMETRIC:
                    yield shown[b], predicate, shown[a]
