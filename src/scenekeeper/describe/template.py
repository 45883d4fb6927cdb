"""Captions from a template over the scene graph: "a table with a white mug and 2 objects on it"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from scenekeeper.schema import CAPTIONS, UNNAMED


class SessionTables(Protocol):
    """What the stage reads of a session; the engine provides it."""

    @property
    def session(self) -> str:
        """The session's name."""
        ...

    def frames(self) -> pa.Table:
        """The index of frames."""
        ...

    def of_session(self, table: str) -> pa.Table:
        """A table of the whole session."""
        ...

    def each_clip(self, table: str) -> Iterator[pa.Table]:
        """A table clip by clip."""
        ...


_PLURALS = (
    ("ss", "sses"),
    ("s", "s"),  # "scissors" and "magazines" are plural already
    ("x", "xes"),
    ("ch", "ches"),
    ("sh", "shes"),
    ("lf", "lves"),
    ("af", "aves"),
    ("ife", "ives"),
    *((f"{letter}y", f"{letter}ies") for letter in "bcdfghklmnprstvz"),
)
"""How words end, and how many of them end."""


@dataclass(frozen=True)
class Describe:
    """Session stage: a caption for every frame.

    Attributes:
        names: names that people gave objects, by object id.
    """

    names: Mapping[int, str] = field(default_factory=dict)
    name: str = "describe"
    reads: tuple[str, ...] = ("instances", "objects", "relations")
    writes: tuple[str, ...] = ("captions",)

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        return {"version": 2, "names": sorted([k, v] for k, v in self.names.items())}

    def reduce(self, tables: SessionTables, run: str) -> Mapping[str, pa.Table]:
        """Describe every frame from the objects it shows."""
        rows = captions_of(tables, self.names)
        return {"captions": pa.Table.from_pylist(rows, CAPTIONS)}


def captions_of(tables: SessionTables, names: Mapping[int, str]) -> list[dict[str, Any]]:
    """A row of captions for every frame, from the objects that it shows.

    Where nothing has a place in 3D there are no objects; then tracks are told of by their phrase.
    """
    objects = tables.of_session("objects").to_pylist()
    phrase = {o["object"]: names.get(o["object"], o["phrase"]) for o in objects}
    kind = {o["object"]: o["kind"] for o in objects}
    of_track = {o["track"]: o["object"] for o in objects}
    carried = {
        r["subject"]: (r["predicate"], r["object"])
        for r in tables.of_session("relations").to_pylist()
        if r["predicate"] in ("on", "in")
    }
    texts: dict[int, str] = {}
    for part in tables.each_clip("instances"):
        ids, tracks = part["frame_id"].to_numpy(), part["track"].to_numpy()
        if not objects:
            words = zip(tracks.tolist(), part["phrase"].to_pylist(), strict=True)
            phrase |= {t: word for t, word in words if t not in phrase}
            kind = dict.fromkeys(phrase, "thing")
            of_track = {t: t for t in phrase}
        for frame_id in np.unique(ids):
            shown = [of_track[t] for t in tracks[ids == frame_id].tolist() if t in of_track]
            texts[int(frame_id)] = caption(shown, phrase, kind, carried)
    empty = caption([], {}, {}, {})
    return [
        {
            "session": tables.session,
            **frame,
            "text": texts.get(frame["frame_id"], empty),
            "source": "template",
            "status": "auto",
        }
        for frame in tables.frames().select(["frame_id", "t_ns"]).to_pylist()
    ]


def caption(
    shown: Sequence[int],
    phrase: Mapping[int, str],
    kind: Mapping[int, str],
    carried: Mapping[int, tuple[str, int]],
) -> str:
    """One sentence about the objects a frame shows.

    Args:
        shown: visible objects.
        phrase: name of each object.
        kind: kind of each object; walls are not mentioned.
        carried: per object ``("on" | "in", holder)`` where it has one.
    """
    visible = [o for o in shown if kind[o] != "wall"]
    clauses = []
    told: set[int] = set()
    held = {o: carried[o] for o in visible if o in carried and carried[o][1] in visible}
    for holder in sorted({where[1] for where in held.values()}):
        parts = []
        for predicate in ("on", "in"):
            load = [o for o in visible if held.get(o) == (predicate, holder)]
            told |= {holder, *load}
            if load:
                parts.append(f"{_count(load, phrase)} {predicate} it")
        clauses.append(f"{_article(phrase[holder])} with {' and '.join(parts)}")
    rest = [o for o in visible if o not in told]
    if rest:
        clauses.append(_count(rest, phrase))
    if not clauses:
        return "nothing that is labelled"
    return _joined(clauses)


def _count(objects: Sequence[int], phrase: Mapping[int, str]) -> str:
    number = Counter(phrase[o] for o in objects)
    # What has a name comes first.
    ordered = sorted(number, key=lambda p: (p == UNNAMED, p))
    return _joined(
        [_article(p) if number[p] == 1 else f"{number[p]} {_plural(p)}" for p in ordered]
    )


def _joined(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _article(phrase: str) -> str:
    return f"{'an' if phrase[:1].lower() in 'aeiou' else 'a'} {phrase}"


def _plural(phrase: str) -> str:
    """The plural of what a phrase is about: "stack of papers" has "stacks of papers"."""
    head, of, rest = phrase.partition(" of ")
    for ending, plural in _PLURALS:
        if head.endswith(ending):
            return head.removesuffix(ending) + plural + of + rest
    return head + "s" + of + rest
