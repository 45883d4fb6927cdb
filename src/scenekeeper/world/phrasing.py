"""What is found, as sentences: what a thing is called so that it is told from others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from scenekeeper.schema import UNNAMED
from scenekeeper.world.colors import best_word
from scenekeeper.world.match import is_there, shares_of
from scenekeeper.world.request import THING, Described
from scenekeeper.world.scene import Thing
from scenekeeper.world.spatial import Space
from scenekeeper.world.words import plural

_COUNTS = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten")
_SHOWN = 4
"""Candidates that a question tells apart; more are counted."""

_LANDMARK = 1.5
"""Metres within which a thing is told by what it is near."""


def question(space: Space, rows: Sequence[int], noun: str) -> str:
    """Which of several is meant, told apart by what differs: colour, place, neighbour, side."""
    return f"{count(len(rows), noun)} match: {listed(space, rows, _SHOWN)}. Which?"


def listed(space: Space, rows: Sequence[int], most: int) -> str:
    """Some of them, told apart, and how many more there are."""
    shown = [f"the {one}" for one in told_apart(space, rows[:most])]
    return joined([*shown, f"{len(rows) - most} more"] if len(rows) > most else shown)


def are(phrase: str, singular: str = "is", several: str = "are") -> str:
    """The verb that goes with a name: "scissors" are, a "glass" is."""
    return several if phrase.endswith("s") and not phrase.endswith("ss") else singular


def told_apart(space: Space, rows: Sequence[int]) -> list[str]:
    """A phrase for each, no two the same: "white one on the table"."""
    things = [space.scene.things[k] for k in rows]
    names = {t.phrase for t in things}
    colours = [best_word(shares_of(t)) for t in things]
    heads = [t.phrase if len(names) > 1 else "one" for t in things]
    if len(set(colours)) > 1:
        heads = [f"{c} {h}" if c else h for c, h in zip(colours, heads, strict=True)]
    out = [f"{h} {place}".strip() for h, place in zip(heads, _places(space, rows), strict=True)]
    for more in (_sides, _sizes, _neighbours, _spots):
        doubles = [k for k, one in enumerate(out) if out.count(one) > 1 or one == "one"]
        if not doubles:
            break
        added = more(space, [rows[k] for k in doubles])
        for k, extra in zip(doubles, added, strict=True):
            out[k] = f"{out[k]} {extra}".strip()
    lost = ["" if is_there(t) else ", which may be gone" for t in things]
    return [one + gone for one, gone in zip(out, lost, strict=True)]


def place(space: Space, row: int) -> str:
    """What a thing is on or in: "on the table"; empty where that is not known."""
    carrier = int(space.carrier[row])
    if carrier < 0:
        return ""
    ids = (space.scene.things[row].object, space.scene.things[carrier].object)
    said = {r.predicate for r in space.scene.relations if (r.subject, r.object) == ids}
    kind = next((p for p in ("in", "on") if p in said), "on")
    return f"{kind} the {space.scene.things[carrier].phrase}"


def titled(space: Space, row: int) -> str:
    """A thing with its colour and place: "white mug on the table"."""
    thing = space.scene.things[row]
    colour = best_word(shares_of(thing))
    return " ".join(part for part in (colour, thing.phrase, place(space, row)) if part)


def whereabouts(thing: Thing, age_s: float) -> str:
    """Position, belief and age."""
    std = 100 * float(np.sqrt((thing.position_std**2).mean()))
    return (
        f"at {_point(thing)} m, give or take {std:.0f} cm; "
        f"belief {thing.existence:.2f}, seen {ago(age_s)}"
    )


def ago(seconds: float) -> str:
    """An age in the unit that suits it."""
    if seconds < 1:
        return "just now"
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 1.5 * size:
            n = round(seconds / size)
            return f"{n} {name}{'s' if n != 1 else ''} ago"
    n = round(seconds)
    return f"{n} second{'s' if n != 1 else ''} ago"


def count(n: int, noun: str = "") -> str:
    """A number with a noun, if any: "Two mugs"."""
    word = plural(noun) if n != 1 and noun else noun
    return f"{_COUNTS[n] if n < len(_COUNTS) else n} {word}".strip()


def joined(parts: Sequence[str]) -> str:
    """Several things in a row: "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def spoken(d: Described) -> str:
    """A description in words: "red mug on the table"."""
    noun = d.noun or d.said or THING
    order = ""
    if d.order is not None:
        nth = f"{_NTH[d.order.n - 1]} " if 1 < d.order.n <= len(_NTH) else ""
        order = f"{nth}{_ORDERS.get(d.order.by, d.order.by)} "
    words = f"{order}{' '.join(d.attributes)} {noun}"
    words += "".join(f" that is not {w}" for w in d.without)
    for link in d.relations:
        words += f" {'not ' if link.negated else ''}{link.predicate} the {spoken(link.anchor)}"
        if link.other is not None:
            words += f" and the {spoken(link.other)}"
    return " ".join(words.split())


_NTH = ("first", "second", "third", "fourth", "fifth", "sixth")
_ORDERS = {
    "left": "leftmost", "right": "rightmost",
    "near": "nearest", "far": "farthest", "high": "top", "low": "bottom", "large": "largest",
    "small": "smallest", "tall": "tallest", "short": "shortest", "long": "longest",
}  # fmt: skip


# --- what tells things apart ----------------------------------------------------------------------


def _places(space: Space, rows: Sequence[int]) -> list[str]:
    """Where each is, if that differs at all."""
    places = [place(space, k) for k in rows]
    return places if len(set(places)) > 1 else [""] * len(rows)


def _sides(space: Space, rows: Sequence[int]) -> list[str]:
    """Left to right, where who asks is known and few are to be told apart."""
    if space.right is None or not 2 <= len(rows) <= 3:
        return [""] * len(rows)
    across = np.array([space.scene.things[k].center @ space.right for k in rows])
    order = np.argsort(across)
    if np.diff(across[order]).min() < 0.05:
        return [""] * len(rows)
    names = ["on the left", "in the middle", "on the right"] if len(rows) == 3 else [
        "on the left", "on the right",
    ]  # fmt: skip
    out = [""] * len(rows)
    for name, k in zip(names, order, strict=True):
        out[k] = name
    return out


def _sizes(space: Space, rows: Sequence[int]) -> list[str]:
    if len(rows) != 2:
        return [""] * len(rows)
    a, b = (float(space.extent[k].prod()) for k in rows)
    if max(a, b) < 1.5 * min(a, b):
        return ["", ""]
    return ["that is larger", "that is smaller"] if a > b else ["that is smaller", "that is larger"]


def _neighbours(space: Space, rows: Sequence[int]) -> list[str]:
    """The nearest thing to each whose name no other thing has, where these differ."""
    things = space.scene.things
    often = Counter(t.phrase for t in things)
    marks = np.array(
        [
            k
            for k, t in enumerate(things)
            if often[t.phrase] == 1 and t.kind in ("thing", "flat") and is_there(t)
            and t.phrase != UNNAMED and k not in rows
        ],
        np.int64,
    )  # fmt: skip
    if not len(marks):
        return [""] * len(rows)
    at = np.array(rows)
    apart = np.hypot(*space.gap(at, marks))
    apart[space.carrier[at][:, None] == marks[None]] = np.inf
    best = apart.argmin(1)
    gap = apart[np.arange(len(rows)), best]
    out = [
        ""
        if g > _LANDMARK
        else f"{'next to' if g < 0.25 else 'near'} the {things[marks[k]].phrase}"
        for k, g in zip(best, gap, strict=True)
    ]
    return out if len(set(out)) > 1 else [""] * len(rows)


def _spots(space: Space, rows: Sequence[int]) -> list[str]:
    return [f"at {_point(space.scene.things[k])} m" for k in rows]


def _point(thing: Thing) -> str:
    return f"({', '.join(f'{v:.2f}' for v in thing.center + 0.0)})"
