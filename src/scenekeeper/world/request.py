"""What was asked, as a value: what is meant by its noun, looks, order and relations.

A parser makes it of text; whoever has a language model may let that write the same as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from scenekeeper.errors import ScenekeeperError

Ask = Literal["one", "any", "all", "count", "exists"]

PREDICATES = (
    "on", "in", "under", "above", "next to", "near", "attached to", "behind", "in front of",
    "left of", "right of", "between", "holding",
)  # fmt: skip
"""What may hold between things; ``holding`` is ``on`` or ``in`` seen from below."""

ATTRIBUTES = ("small", "large", "tall", "short", "long", "flat", "light", "dark")
"""What may be said of a thing beside its colour (see :data:`scenekeeper.world.colors.WORDS`)."""

ORDERS = (
    "left", "right", "middle", "near", "far", "high", "low", "front", "back",
    "large", "small", "tall", "short", "long", "other",
)  # fmt: skip
"""Along what the candidates are put in order; ``other`` picks by what was spoken of before."""

THING = "thing"
"""The noun that means anything."""


@dataclass(frozen=True)
class Order:
    """One of several by its place in a row.

    Attributes:
        by: one of :data:`ORDERS`.
        n: 1 = the most of it, 2 = second to that.
        to: what ``near`` and ``far`` are measured from; ``None`` = from who asks.
    """

    by: str
    n: int = 1
    to: Described | None = None


@dataclass(frozen=True)
class Link:
    """A relation of what is described to something else.

    Attributes:
        predicate: one of :data:`PREDICATES`.
        anchor: what it is related to.
        other: the second anchor of ``between``.
        negated: whether it must not hold.
        loose: whether it may as well be said of what was described before it: in "a mug on the
            table next to the lamp", either may be next to the lamp.
    """

    predicate: str
    anchor: Described
    other: Described | None = None
    negated: bool = False
    loose: bool = False


@dataclass(frozen=True)
class Described:
    """A thing as described.

    Attributes:
        noun: class name; :data:`THING` = anything; empty = the noun is not known.
        said: the noun as it was said.
        attributes: colour words and :data:`ATTRIBUTES`, all of which hold.
        without: attributes that do not hold.
        order: which of several.
        relations: all of which hold.
    """

    noun: str
    said: str = ""
    attributes: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    order: Order | None = None
    relations: tuple[Link, ...] = ()


@dataclass(frozen=True)
class Request:
    """A question about things.

    Attributes:
        target: what is asked for.
        ask: ``one`` that is meant, ``any`` of them, ``all`` of them, their ``count``, or whether
            one ``exists``.
        unresolved: words that the parser could make nothing of.
    """

    target: Described
    ask: Ask = "one"
    unresolved: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; what is empty is left out."""
        return {
            "target": _described_json(self.target),
            "ask": self.ask,
            "unresolved": list(self.unresolved),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Request:
        """The opposite of :meth:`to_json`.

        Raises:
            ScenekeeperError: it says something that no request can; the place is told.
        """
        known = _only(value, ("target", "ask", "unresolved"), "request")
        ask = _one_of(known.get("ask", "one"), get_args(Ask), "request.ask")
        target = _described(known.get("target"), "request.target")
        return cls(target, ask, _strings(known, "unresolved", "request"))  # type: ignore[arg-type]


# --- the form of the JSON -------------------------------------------------------------------------


def schema(nouns: Sequence[str] = ()) -> dict[str, Any]:
    """JSON Schema of what :meth:`Request.from_json` takes, for a language model that parses.

    Args:
        nouns: names that things may have; any name when empty.
    """
    from scenekeeper.world.colors import WORDS

    noun: dict[str, Any] = {"type": "string", "description": f"{THING} = anything"}
    if nouns:
        noun["enum"] = [*nouns, THING, ""]
    looks = {"type": "array", "items": {"enum": [*WORDS, *ATTRIBUTES]}}
    described = {"$ref": "#/$defs/described"}
    link = {
        "predicate": {"enum": list(PREDICATES)},
        "anchor": described,
        "other": described,
        "negated": {"type": "boolean"},
        "loose": {"type": "boolean"},
    }
    order = {
        "by": {"enum": list(ORDERS)},
        "n": {"type": "integer", "minimum": 1},
        "to": described,
    }
    whole = {
        "noun": noun,
        "said": {"type": "string"},
        "attributes": looks,
        "without": looks,
        "order": _object(order, "by"),
        "relations": {"type": "array", "items": _object(link, "predicate", "anchor")},
    }
    request = {
        "target": described,
        "ask": {"enum": list(get_args(Ask))},
        "unresolved": {"type": "array", "items": {"type": "string"}},
    }
    return {**_object(request, "target"), "$defs": {"described": _object(whole, "noun")}}


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


# --- to JSON --------------------------------------------------------------------------------------


def _described_json(d: Described) -> dict[str, Any]:
    out: dict[str, Any] = {"noun": d.noun}
    if d.said:
        out["said"] = d.said
    if d.attributes:
        out["attributes"] = list(d.attributes)
    if d.without:
        out["without"] = list(d.without)
    if d.order is not None:
        out["order"] = {"by": d.order.by, "n": d.order.n}
        if d.order.to is not None:
            out["order"]["to"] = _described_json(d.order.to)
    if d.relations:
        out["relations"] = [_link_json(link) for link in d.relations]
    return out


def _link_json(link: Link) -> dict[str, Any]:
    out: dict[str, Any] = {"predicate": link.predicate, "anchor": _described_json(link.anchor)}
    if link.other is not None:
        out["other"] = _described_json(link.other)
    if link.negated:
        out["negated"] = True
    if link.loose:
        out["loose"] = True
    return out


# --- from JSON ------------------------------------------------------------------------------------


def _described(value: Any, place: str) -> Described:
    keys = ("noun", "said", "attributes", "without", "order", "relations")
    known = _only(value, keys, place)
    noun = known.get("noun")
    if not isinstance(noun, str):
        raise _wrong("has no noun", place)
    links = known.get("relations", [])
    if not isinstance(links, list | tuple):
        raise _wrong("is no list", f"{place}.relations")
    order = known.get("order")
    said = known.get("said", "")
    return Described(
        noun,
        said if isinstance(said, str) else "",
        _strings(known, "attributes", place),
        _strings(known, "without", place),
        None if order is None else _order(order, f"{place}.order"),
        tuple(_link(one, f"{place}.relations[{k}]") for k, one in enumerate(links)),
    )


def _order(value: Any, place: str) -> Order:
    known = _only(value, ("by", "n", "to"), place)
    by = _one_of(known.get("by"), ORDERS, f"{place}.by")
    n = known.get("n", 1)
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise _wrong("is no whole number from 1 on", f"{place}.n")
    to = known.get("to")
    return Order(by, n, None if to is None else _described(to, f"{place}.to"))


def _link(value: Any, place: str) -> Link:
    known = _only(value, ("predicate", "anchor", "other", "negated", "loose"), place)
    predicate = _one_of(known.get("predicate"), PREDICATES, f"{place}.predicate")
    other = known.get("other")
    if predicate == "between" and other is None:
        raise _wrong("needs a second anchor, other", place)
    return Link(
        predicate,
        _described(known.get("anchor"), f"{place}.anchor"),
        None if other is None else _described(other, f"{place}.other"),
        bool(known.get("negated", False)),
        bool(known.get("loose", False)),
    )


def _only(value: Any, keys: tuple[str, ...], place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong("is no object", place)
    strange = sorted(set(value) - set(keys))
    if strange:
        raise _wrong(f"has {', '.join(map(str, strange))}; known are {', '.join(keys)}", place)
    return value


def _one_of(value: Any, known: tuple[str, ...], place: str) -> str:
    if value not in known:
        raise _wrong(f"is {value!r}; known are {', '.join(known)}", place)
    return str(value)


def _strings(known: Mapping[str, Any], key: str, place: str) -> tuple[str, ...]:
    value = known.get(key, ())
    if not isinstance(value, list | tuple) or not all(isinstance(v, str) for v in value):
        raise _wrong("is no list of words", f"{place}.{key}")
    return tuple(value)


def _wrong(problem: str, place: str) -> ScenekeeperError:
    return ScenekeeperError(problem, place=place, remedy="See scenekeeper.world.request.")
