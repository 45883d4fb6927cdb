"""The world as tools for a language model: plain JSON in, plain JSON out, within a budget."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import ScenekeeperError
from scenekeeper.world import query as queries
from scenekeeper.world.colors import best_word
from scenekeeper.world.match import Matcher, Notes, is_there, shares_of
from scenekeeper.world.parse import parse
from scenekeeper.world.phrasing import place
from scenekeeper.world.request import PREDICATES
from scenekeeper.world.scene import Scene, Thing
from scenekeeper.world.spatial import VIEWED, Space
from scenekeeper.world.words import Nouns

Float = NDArray[np.float64]
Synonyms = Mapping[str, Sequence[str]]

_LETTERS = 4
"""Characters that make a token, on average."""

_NEIGHBOURS = 12


def search(
    scene: Scene, text: str, k: int = 10, *, synonyms: Synonyms | None = None
) -> dict[str, Any]:
    """The ``k`` things that fit a text best, however badly; ``p`` says how well each does.

    Unlike :func:`scenekeeper.world.query.query` it decides nothing.
    """
    names = frozenset(name for thing in scene.things for name in thing.names)
    request = parse(text, sorted(names), synonyms or {})
    matcher = Matcher(Space.seen(scene, None), Nouns(names, synonyms or {}))
    found = matcher.match(request.target, Notes())
    weight = matcher.weights(found.rows, found.score)
    # Equal in all that was said, those that fit without the relations come first.
    order = np.lexsort((-found.plain, -weight))[: max(0, k)]
    rows = [int(found.rows[i]) for i in order]
    results = [
        {**_short(matcher.space, row), "p": round(float(weight[i]), 4)}
        for row, i in zip(rows, order, strict=True)
    ]
    return {"results": results, "unresolved": list(request.unresolved)}


def expand(scene: Scene, id: int) -> dict[str, Any]:
    """Everything that is believed of one thing.

    Raises:
        ScenekeeperError: there is no such thing.
    """
    space, row = _found(scene, id)
    t = scene.things[row]
    return {
        **_short(space, row),
        "names": {name: round(p, 4) for name, p in t.names.items()},
        "kind": t.kind,
        "extent": _rounded(t.extent),
        "R_world_box": [_rounded(axis) for axis in t.R_world_box],
        "position_std": _rounded(t.position_std),
        "rgb": [int(v) for v in t.rgb],
        "colors": {word: round(share, 3) for word, share in shares_of(t).items()},
        "first_t_ns": t.first_t_ns,
        "last_t_ns": t.last_t_ns,
        "frames": t.frames,
        "views": [list(view) for view in t.views],
        "sessions": list(t.sessions),
        "verified": t.verified,
        "carries": [scene.things[k].object for k in np.flatnonzero(space.carrier == row)],
        "relations": [
            {
                "subject": r.subject,
                "predicate": r.predicate,
                "object": r.object,
                "score": round(r.score, 4),
                "source": r.source,
                **({"frame": r.frame} if r.frame else {}),
            }
            for r in scene.relations
            if id in (r.subject, r.object)
        ],
    }


def neighbors(scene: Scene, id: int, predicate: str | None = None) -> dict[str, Any]:
    """Things that stand in a relation to one, and how likely; without a predicate, all close by.

    Args:
        scene: the world.
        id: of the thing.
        predicate: "on" gives what it is on; "holding" gives what is on or in it.

    Raises:
        ScenekeeperError: there is no such thing, or no such predicate.
    """
    space, row = _found(scene, id)
    known = [p for p in PREDICATES if p != "between" and (p not in VIEWED or p in space.stored)]
    if predicate is not None and predicate not in known:
        raise ScenekeeperError(
            f"is no relation that can be asked for: {predicate!r}",
            place="predicate",
            remedy=f"Known are {', '.join(known)}.",
        )
    everything = np.arange(len(scene.things))
    one = np.array([row])
    apart = np.hypot(*space.gap(one, everything))[0]
    out = []
    for name in [predicate] if predicate is not None else [p for p in known if p != "near"]:
        p = space.holds(name, one, everything)[0]
        out += [
            {
                "predicate": name,
                **_short(space, int(k)),
                "p": round(float(p[k]), 4),
                "gap_m": round(float(apart[k]), 3),
            }
            for k in np.flatnonzero(p >= 0.5)
        ]
    out.sort(key=lambda n: (n["gap_m"], -n["p"], n["object"]))
    return {
        "object": id,
        "neighbors": out[:_NEIGHBOURS],
        "left_out": max(0, len(out) - _NEIGHBOURS),
    }


def as_json(scene: Scene, budget_tokens: int = 2000) -> dict[str, Any]:
    """The world as a tree of what carries what, the most believed things first.

    Args:
        scene: the world.
        budget_tokens: how long it may be as JSON, in tokens of four characters.

    Returns:
        ``things`` (each with what it ``carries``) and ``left_out``: how many things there was no
        room for, and the names most of them have. A budget too small for even that is passed.
    """
    space = Space.seen(scene, None)
    things = scene.things
    order = sorted(
        range(len(things)),
        key=lambda k: (not is_there(things[k]), -round(things[k].existence, 2), things[k].object),
    )
    texts: dict[int, int] = {}
    kept: list[int] = []
    room = budget_tokens * _LETTERS - 250
    for k in order:
        missing = [a for a in (*_carriers(space, k), k) if a not in texts]
        cost = {a: len(json.dumps(_leaf(space, a))) + len(', "carries": []') for a in missing}
        if sum(cost.values()) > room:
            break
        room -= sum(cost.values())
        texts |= cost
        kept += missing
    while True:
        tree = _tree(space, kept)
        if len(json.dumps(tree)) <= budget_tokens * _LETTERS or not kept:
            return tree
        kept.pop()


def query(
    scene: Scene, text: str, *, synonyms: Synonyms | None = None, viewer: Float | None = None
) -> dict[str, Any]:
    """Find the one thing that is meant, as seen by ``T_world_viewer``."""
    return queries.query(scene, text, viewer=viewer, synonyms=synonyms).as_dict()


def _spec(
    name: str, description: str, required: Sequence[str], **properties: Any
) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": properties,
                "required": list(required),
                "additionalProperties": False,
            },
        },
    }


_ID = {"type": "integer", "description": "object id"}

TOOLS: tuple[dict[str, Any], ...] = (
    _spec(
        "query",
        "Find the one thing that a phrase means. status is unique, ambiguous (ask the question "
        "back), none, or stale (it is lost or was not seen for long).",
        ["text"],
        text={"type": "string", "description": 'such as "the white mug on the table"'},
    ),
    _spec(
        "search",
        "List the things that fit a phrase best, with how well each does.",
        ["text"],
        text={"type": "string"},
        k={"type": "integer", "minimum": 1, "description": "how many at most; 10 unless given"},
    ),
    _spec("expand", "Everything that is believed of one thing.", ["id"], id=_ID),
    _spec(
        "neighbors",
        "What stands in a relation to a thing; without a predicate, all relations.",
        ["id"],
        id=_ID,
        predicate={"type": "string", "enum": [p for p in PREDICATES if p != "between"]},
    ),
    _spec(
        "as_json",
        "The whole world as a tree of what carries what, cut to a budget.",
        [],
        budget_tokens={"type": "integer", "minimum": 100},
    ),
)
"""Function specifications as chat interfaces take them."""

_FUNCTIONS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "query": query, "search": search, "expand": expand, "neighbors": neighbors, "as_json": as_json,
}  # fmt: skip
_TYPES: Mapping[str, type] = {"string": str, "integer": int}


def call(
    scene: Scene,
    name: str,
    arguments: Mapping[str, Any],
    *,
    synonyms: Synonyms | None = None,
    viewer: Float | None = None,
) -> dict[str, Any]:
    """Do what a model calls for.

    Args:
        scene: the world.
        name: of one of :data:`TOOLS`.
        arguments: as its specification says.
        synonyms: per class, other words for it.
        viewer: ``T_world_viewer`` ``[4, 4]`` of who asks.

    Returns:
        What the tool returns; ``{"error": ...}`` where the call is wrong, for the model to mend.
    """
    specs = {tool["function"]["name"]: tool["function"]["parameters"] for tool in TOOLS}
    if name not in specs:
        return {"error": f"there is no tool {name!r}; there are {', '.join(specs)}"}
    problem = _problem(specs[name], arguments)
    if problem:
        return {"error": f"{name}: {problem}"}
    further: dict[str, Any] = {"synonyms": synonyms} if name in ("query", "search") else {}
    if name == "query":
        further["viewer"] = viewer
    try:
        return _FUNCTIONS[name](scene, **arguments, **further)
    except ScenekeeperError as error:
        return {"error": f"{name}: {error}"}


def _problem(parameters: Mapping[str, Any], arguments: Mapping[str, Any]) -> str:
    """What is wrong with a call; empty where nothing is."""
    properties = parameters["properties"]
    for key in parameters["required"]:
        if key not in arguments:
            return f"{key} is missing"
    for key, value in arguments.items():
        if key not in properties:
            return f"{key} is unknown; known are {', '.join(properties)}"
        kind = properties[key]["type"]
        if not isinstance(value, _TYPES[kind]) or isinstance(value, bool):
            return f"{key} is no {kind}"
        if value not in properties[key].get("enum", [value]):
            return f"{key} is none of {', '.join(properties[key]['enum'])}"
        if isinstance(value, int) and value < properties[key].get("minimum", value):
            return f"{key} is less than {properties[key]['minimum']}"
    return ""


# --- things as JSON -------------------------------------------------------------------------------


def _found(scene: Scene, id: int) -> tuple[Space, int]:
    space = Space.seen(scene, None)
    if id not in space.row:
        raise ScenekeeperError(
            f"there is no object {id}", place="id", remedy="search finds objects by what they are."
        )
    return space, space.row[id]


def _short(space: Space, row: int) -> dict[str, Any]:
    """What tells a thing and where it is."""
    t = space.scene.things[row]
    return {
        "object": t.object,
        "name": t.phrase,
        "color": best_word(shares_of(t)),
        "place": place(space, row),
        "center": _rounded(t.center),
        "existence": round(t.existence, 3),
        "status": t.status,
        "age_s": _age(space.scene, t),
    }


def _leaf(space: Space, row: int) -> dict[str, Any]:
    t = space.scene.things[row]
    out: dict[str, Any] = {"object": t.object, "name": t.phrase}
    colour = best_word(shares_of(t))
    if colour is not None:
        out["color"] = colour
    out |= {"center": _rounded(t.center, 2), "size": _rounded(t.extent, 2)}
    out |= {"existence": round(t.existence, 2), "age_s": round(_age(space.scene, t))}
    if t.status != "confirmed":
        out["status"] = t.status
    return out


def _carriers(space: Space, row: int) -> list[int]:
    """What a thing stands on, and that on, the lowest first."""
    out: list[int] = []
    at = int(space.carrier[row])
    while at >= 0 and at not in out and at != row:
        out.insert(0, at)
        at = int(space.carrier[at])
    return out


def _tree(space: Space, kept: Sequence[int]) -> dict[str, Any]:
    leaves = {k: _leaf(space, k) for k in kept}
    roots = []
    for k in kept:
        carriers = _carriers(space, k)
        if carriers and carriers[-1] in leaves:
            leaves[carriers[-1]].setdefault("carries", []).append(leaves[k])
        else:
            roots.append(leaves[k])
    things = space.scene.things
    out: dict[str, Any] = {"t_ns": space.scene.t_ns, "things": roots}
    inside = set(kept)
    rest = Counter(t.phrase for k, t in enumerate(things) if k not in inside)
    if rest:
        out["left_out"] = {"things": sum(rest.values()), "most": dict(rest.most_common(4))}
    return out


def _age(scene: Scene, t: Thing) -> float:
    return round(max(0.0, (scene.t_ns - t.last_t_ns) / 1e9), 1)


def _rounded(values: Any, digits: int = 3) -> list[float]:
    return [round(float(v), digits) + 0.0 for v in values]
