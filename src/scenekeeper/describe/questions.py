"""What a describer asks: instructions from ``prompts/``, what varies, and the answer's schema.

Lists and strings are bounded, so that a model in a loop comes to an end, and the number of tokens
follows from what is asked about.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.describe.sight import Sight
from scenekeeper.models import Ask
from scenekeeper.models.base import Words

Image = NDArray[np.uint8]

PREDICATES = (
    "on", "in", "under", "above", "next to", "attached to", "behind", "in front of", "left of",
    "right of",
)  # fmt: skip
"""Those of :class:`~scenekeeper.schema.Relation`."""

FROM_THE_VIEW = frozenset({"behind", "in front of", "left of", "right of"})
"""Predicates that hold from where the picture was taken."""


@dataclass(frozen=True)
class Bounds:
    """How much a model may say.

    Attributes:
        boxes: of a picture.
        objects: described in a picture; the largest.
        caption: characters of a picture's caption.
        text: characters of an object's.
        relations: per object.
        words: kinds of things named in a picture.
    """

    boxes: int = 60
    objects: int = 24
    caption: int = 240
    text: int = 100
    relations: int = 2
    words: int = 40


@cache
def prompt(name: str) -> str:
    """An instruction from ``prompts/NAME.txt``."""
    file = files("scenekeeper.describe") / "prompts" / f"{name}.txt"
    return file.read_text(encoding="utf-8").strip()


def prompt_digests() -> dict[str, str]:
    """Of every instruction, what tells it from an edited one."""
    names = ("ground", "describe", "words", "schema")
    return {n: hashlib.sha256(prompt(n).encode()).hexdigest()[:12] for n in names}


def ground_ask(image: Image, vocabulary: Words, bounds: Bounds, sight: Sight) -> Ask:
    """Where is what is in the vocabulary? Answered with places as the model writes them."""
    names = [
        f"{phrase} (also: {', '.join(synonyms)})" if synonyms else phrase
        for phrase, synonyms in vocabulary.items()
    ]
    height, width = image.shape[:2]
    unit = "thousandths of the picture's width and height"
    unit = unit if sight.relative else f"pixels of this picture, {width} wide and {height} high"
    largest = 1000 if sight.relative else max(width, height)
    number = {"type": "integer", "minimum": 0, "maximum": largest}
    box = {"type": "array", "items": number, "minItems": 4, "maxItems": 4}
    entry = _object({"bbox_2d": box, "label": {"type": "string", "enum": list(vocabulary)}})
    schema = {"type": "array", "items": entry, "maxItems": bounds.boxes}
    longest = max((len(phrase) for phrase in vocabulary), default=0)
    tokens = 32 + bounds.boxes * (40 + longest // 3)
    text = f"Coordinates are in {unit}.\nObjects: {'; '.join(names)}"
    return Ask((image,), prompt("ground"), text, schema, tokens)


def describe_ask(
    image: Image, phrases: Sequence[str], bounds: Bounds, counts: Mapping[str, int]
) -> Ask:
    """What does the picture show, what of its marked objects, and how do they lie?

    Args:
        image: with the marks 1 to N drawn on it.
        phrases: N names of the marked objects.
        bounds: of the answer.
        counts: how many of each name were detected, marked or not.
    """
    n = len(phrases)
    relations = min(bounds.relations * n, n * (n - 1))
    wanted: dict[str, Any] = {"caption": _string(bounds.caption)}
    if counts:
        number = {"type": "integer", "minimum": 0, "maximum": 999}
        wanted["counts"] = _object(dict.fromkeys(counts, number))
    if n:
        # By number, so that none is left out or said twice, and in few tokens.
        wanted["objects"] = _object({str(k): _string(bounds.text) for k in range(1, n + 1)})
    if relations:
        mark = {"type": "integer", "minimum": 1, "maximum": n}
        predicate = {"type": "string", "enum": list(PREDICATES)}
        pair = _object({"subject": mark, "predicate": predicate, "object": mark})
        wanted["relations"] = {"type": "array", "items": pair, "maxItems": relations}
    told = [f"{name}: {count} detected" for name, count in counts.items()]
    told += [f"{k}: {phrase}" for k, phrase in enumerate(phrases, 1)]
    tokens = 48 + bounds.caption // 2 + 16 * len(counts)
    tokens += n * (8 + bounds.text // 2) + 24 * relations
    return Ask((image,), prompt("describe"), "\n".join(told), _object(wanted), tokens)


def words_ask(image: Image, bounds: Bounds) -> Ask:
    """Which kinds of things are in the picture?"""
    synonyms = {"type": "array", "items": _string(30), "maxItems": 3}
    entry = _object({"name": _string(30), "synonyms": synonyms})
    things = {"type": "array", "items": entry, "maxItems": bounds.words}
    return Ask((image,), prompt("words"), "", _object({"things": things}), 32 + 48 * bounds.words)


def _object(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def _string(longest: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": longest}
