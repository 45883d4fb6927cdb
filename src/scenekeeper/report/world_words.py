"""How the world is put into words and colours: what tables, trees and pages say alike.

In: a :class:`scenekeeper.world.scene.Scene`. Out: short texts, colours, and who carries whom.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from scenekeeper.schema import UNNAMED, Relation
from scenekeeper.world.scene import Scene, Thing

STRUCTURE = ("support", "wall")
HOLDS: Mapping[str, float] = MappingProxyType({"in": 0.2, "on": 0.1, "attached to": 0.0})
"""Predicates that say where a thing is, and how much each is preferred to a likelier other."""

UNIX_NS = 10**17
"""Times from here on (March 1973) are read as Unix time, earlier ones as time since a start."""

_GOLDEN = 0.6180339887
_GREY = "#8b929d"
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))


def holders(scene: Scene) -> dict[int, Relation]:
    """The relation that best says what each thing is on, in or attached to; no circles.

    Only relations between things of the scene that still hold count.
    """
    known = {thing.object for thing in scene}
    best: dict[int, Relation] = {}
    for relation in scene.relations:
        a, b = relation.subject, relation.object
        if relation.predicate not in HOLDS or relation.until_t_ns is not None or a == b:
            continue
        if a in known and b in known and (a not in best or _rank(relation) > _rank(best[a])):
            best[a] = relation
    kept: dict[int, Relation] = {}
    for a, relation in sorted(best.items(), key=lambda item: (-_rank(item[1]), item[0])):
        if not _rests_on(relation.object, a, kept):
            kept[a] = relation
    return kept


def _rests_on(thing: int, other: int, held: Mapping[int, Relation]) -> bool:
    """Whether a thing is, or is held by, another; ``held`` has no circles."""
    while thing != other and thing in held:
        thing = held[thing].object
    return thing == other


def _rank(relation: Relation) -> float:
    return relation.score + HOLDS[relation.predicate]


def holder_words(scene: Scene, relation: Relation | None) -> str:
    """``on table o3``; empty for no relation."""
    return "" if relation is None else f"{relation.predicate} {title(scene[relation.object])}"


def title(thing: Thing) -> str:
    """``white mug o7``; the id alone for a thing without a name."""
    name = plain(thing.phrase)
    return f"o{thing.object}" if thing.phrase == UNNAMED else f"{name} o{thing.object}"


def plain(text: str) -> str:
    """A text on one line, without characters that a terminal would obey."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def ago(then_ns: int, now_ns: int) -> str:
    """How long before ``now_ns`` something was: ``now``, ``12 s``, ``3.5 h``, ``8 d``."""
    seconds = (now_ns - then_ns) / 1e9
    for length, unit in _UNITS:
        if seconds >= length:
            count = seconds / length
            return f"{count:.0f} {unit}" if count >= 10 or length == 1 else f"{count:.1f} {unit}"
    return "now"


def moment(t_ns: int) -> str:
    """A time as a date in UTC, or as seconds when it is no Unix time."""
    if t_ns < UNIX_NS:
        return f"{t_ns / 1e9:.1f} s"
    return datetime.fromtimestamp(t_ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def size_words(thing: Thing) -> str:
    """``80 x 60 x 4.5 cm``."""
    lengths = [100 * float(v) for v in thing.extent]
    return " x ".join(f"{v:.1f}" if v < 10 else f"{v:.0f}" for v in lengths) + " cm"


def color_words(thing: Thing) -> str:
    """Up to two words for its colours, else its median colour as ``#rrggbb``."""
    words = sorted(thing.colors, key=lambda word: -thing.colors[word])
    told = [word for word in words[:2] if thing.colors[word] >= 0.2]
    return ", ".join(map(plain, told)) or hex_color(thing)


def hex_color(thing: Thing) -> str:
    """``#rrggbb`` of its surface."""
    return "#" + "".join(f"{int(v):02x}" for v in thing.rgb)


def class_colors(scene: Scene) -> dict[str, str]:
    """``#rrggbb`` per class name, things first; what carries things, and the unnamed, is grey."""
    names = {t.phrase for t in scene if t.kind not in STRUCTURE and t.phrase != UNNAMED}
    found = {thing.phrase: _GREY for thing in scene}
    for k, name in enumerate(sorted(names)):
        r, g, b = colorsys.hls_to_rgb((0.58 + k * _GOLDEN) % 1, (0.55, 0.62, 0.48)[k % 3], 0.6)
        found[name] = f"#{round(255 * r):02x}{round(255 * g):02x}{round(255 * b):02x}"
    return found
