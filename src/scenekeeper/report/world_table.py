"""The world for a terminal and for other programs: a table, a tree of what is on what, and JSON.

In: a scene. Out: ``rich`` renderables, or plain values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scenekeeper.report.world_words import (
    STRUCTURE,
    ago,
    color_words,
    hex_color,
    holder_words,
    holders,
    plain,
    size_words,
    title,
)
from scenekeeper.schema import UNNAMED, Relation
from scenekeeper.world.scene import Scene, Thing

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text
    from rich.tree import Tree

STYLES = {
    "confirmed": "green",
    "tentative": "yellow",
    "stale": "dim",
    "missing": "red",
    "moved": "cyan",
    "conflicted": "magenta",
}


def world_table(scene: Scene, *, structure: bool = True) -> Table:
    """One line per thing: id, name, belief, status, position, size, colour, age and holder.

    Args:
        scene: what to show.
        structure: with walls and what carries things.
    """
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("id", "name"):
        table.add_column(head, no_wrap=head == "id")
    table.add_column("belief", justify="right")
    table.add_column("status")
    table.add_column("position, m", justify="right", no_wrap=True)
    for head in ("size", "colour", "seen", "where"):
        table.add_column(head)
    held = holders(scene)
    for thing in scene:
        if structure or thing.kind not in STRUCTURE:
            table.add_row(*_cells(scene, thing, held.get(thing.object)))
    return table


def _cells(scene: Scene, thing: Thing, held: Relation | None) -> list[str | Text]:
    from rich.text import Text

    seen = ago(thing.last_t_ns, scene.t_ns)
    texts: list[str | Text] = [
        Text(f"o{thing.object}"),
        _name(thing),
        Text(f"{100 * thing.existence:.0f} %"),
        Text(thing.status, STYLES[thing.status]),
        Text(" ".join(f"{v:6.2f}" for v in thing.center)),
        Text(size_words(thing)),
        Text("\u25a0 ", hex_color(thing)).append(color_words(thing), "default"),
        Text(seen if seen == "now" else f"{seen} ago"),
        Text(holder_words(scene, held)),
    ]
    return texts


def _name(thing: Thing) -> Text:
    from rich.text import Text

    if thing.phrase == UNNAMED:
        guess = max(thing.names, key=lambda name: thing.names[name], default="")
        return Text(f"{plain(guess)}?" if guess else "no name yet", "dim italic")
    text = Text(plain(thing.phrase))
    if thing.verified:
        return text.append(" \u2713", "green")
    p = thing.names[thing.phrase]
    return text if p >= 0.995 else text.append(f" {100 * p:.0f} %", "dim")


def world_tree(scene: Scene) -> Tree:
    """What is on, in or attached to what, from the floor up; what is nowhere comes last."""
    from rich.text import Text
    from rich.tree import Tree

    held = holders(scene)
    below: dict[int, list[Thing]] = {}
    for thing in scene:
        if thing.object in held:
            below.setdefault(held[thing.object].object, []).append(thing)
    roots = [thing for thing in scene if thing.object not in held]
    carrying = [thing for thing in roots if thing.object in below]
    loose = [t for t in roots if t.object not in below and t.kind not in STRUCTURE]

    def grow(branch: Tree, things: Sequence[Thing]) -> None:
        for thing in things:
            relation = held.get(thing.object)
            label = Text() if relation is None else Text(f"{relation.predicate}  ", "dim")
            grow(branch.add(label.append_text(_leaf(thing))), below.get(thing.object, []))

    count = f"{_count(len(scene), 'thing')} in {_count(len(scene.sessions), 'session')}"
    tree = Tree(Text(count, "bold"))
    grow(tree, carrying)
    if loose:
        grow(tree.add(Text("on nothing that is known", "dim")), loose)
    return tree


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _leaf(thing: Thing) -> Text:
    from rich.text import Text

    gone = "strike" if thing.status == "missing" else ""
    label = Text(title(thing), gone)
    return label if thing.status == "confirmed" else label.append(f"  {thing.status}", "dim")


def world_json(scene: Scene) -> dict[str, Any]:
    """The scene as plain values: what the table says in full precision, without cells."""
    held = holders(scene)
    return {
        "t_ns": scene.t_ns,
        "sessions": list(scene.sessions),
        "up": _numbers(scene.up),
        "things": [_thing(thing, held.get(thing.object)) for thing in scene],
        "relations": [
            {
                "subject": r.subject,
                "predicate": r.predicate,
                "object": r.object,
                "score": _number(r.score),
                "source": r.source,
                "frame": r.frame,
                "since_t_ns": r.since_t_ns,
                "until_t_ns": r.until_t_ns,
            }
            for r in scene.relations
        ],
    }


def _thing(thing: Thing, held: Relation | None) -> dict[str, Any]:
    return {
        "object": thing.object,
        "name": None if thing.phrase == UNNAMED else thing.phrase,
        "names": {name: _number(p) for name, p in thing.names.items()},
        "kind": thing.kind,
        "status": thing.status,
        "verified": thing.verified,
        "existence": _number(thing.existence),
        "center": _numbers(thing.center),
        "position_std": _numbers(thing.position_std),
        "extent": _numbers(thing.extent),
        "R_world_box": _numbers(thing.R_world_box),
        "rgb": [int(v) for v in thing.rgb],
        "colors": {word: _number(share) for word, share in thing.colors.items()},
        "first_t_ns": thing.first_t_ns,
        "last_t_ns": thing.last_t_ns,
        "frames": thing.frames,
        "views": [list(view) for view in thing.views],
        "sessions": list(thing.sessions),
        "holder": None if held is None else [held.predicate, held.object],
    }


def _numbers(values: Any) -> list[float | None]:
    return [_number(v) for v in np.asarray(values, np.float64).ravel()]


def _number(value: float) -> float | None:
    """What JSON can say of a number."""
    return float(value) if np.isfinite(value) else None
