"""JSON out of what a model wrote, whole or cut off: the values, and where in the text each stands.

Models wrap JSON into fences and prose, put raw line breaks into strings, and are cut off in the
middle of a list. What was finished before the cut is kept.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Path = tuple[str | int, ...]
"""Where a value is: keys and positions from the outside in."""

Span = tuple[int, int]

DEEPEST = 16
"""Levels of nesting; a model that opens more brackets than that is in a loop."""

_STRING = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_PLAIN = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?(?:[eE][+-]?\d{1,3})?|true|false|null")
_OPENED = re.compile(r"[\[{]")
_SPACE = re.compile(r"[\s\x00-\x1f]*")


@dataclass(frozen=True)
class Found:
    """JSON that was found in a text.

    Attributes:
        value: as :func:`json.loads` would give it; ``None`` when there is none.
        whole: whether it came to its end.
        spans: per string, number or word of it, where in the text its characters are, without
            quotation marks.
    """

    value: Any = None
    whole: bool = False
    spans: Mapping[Path, Span] = field(default_factory=dict)


def find_json(text: str) -> Found:
    """The longest JSON array or object in a text, as far as it goes.

    Of what is cut off, an array keeps its whole leading elements, and an object its whole leading
    members and what can be kept of an array or object that was the last. Thoughts before
    ``</think>`` are passed over.
    """
    best, longest = Found(), 0
    at = text.rfind("</think>") + 1
    while opened := _OPENED.search(text, at):
        start = opened.start()
        reader = _Reader(text, start)
        value, whole = reader.value((), 0)
        if reader.at - start > longest:
            best, longest = Found(value, whole, reader.spans), reader.at - start
        at = max(reader.at, start + 1)
    return best


class _CutError(Exception):
    """The text ends here, or stops being JSON."""


@dataclass
class _Reader:
    text: str
    at: int
    spans: dict[Path, Span] = field(default_factory=dict)

    def value(self, path: Path, depth: int) -> tuple[Any, bool]:
        """A value, and whether it is whole."""
        if depth > DEEPEST:
            raise _CutError
        first = self._next()
        if first == "{":
            return self._object(path, depth)
        if first == "[":
            return self._array(path, depth)
        return (self._string(path) if first == '"' else self._plain(path)), True

    def _object(self, path: Path, depth: int) -> tuple[dict[str, Any], bool]:
        out: dict[str, Any] = {}
        self.at += 1
        while self._next() != "}":
            try:
                key = self._string(None)
                self._take(":")
                out[key], whole = self.value((*path, key), depth + 1)
                if not whole:
                    return out, False
                if self._next() != "}":
                    self._take(",")
            except _CutError:
                return out, False
        self.at += 1
        return out, True

    def _array(self, path: Path, depth: int) -> tuple[list[Any], bool]:
        out: list[Any] = []
        self.at += 1
        while self._next() != "]":
            try:
                element, whole = self.value((*path, len(out)), depth + 1)
                if not whole:
                    return out, False
                out.append(element)
                if self._next() != "]":
                    self._take(",")
            except _CutError:
                return out, False
        self.at += 1
        return out, True

    def _string(self, path: Path | None) -> str:
        found = _STRING.match(self.text, self.at)
        if found is None:
            raise _CutError
        self.at = found.end()
        if path is not None:
            self.spans[path] = found.span(1)
        try:
            value = str(json.loads(found[0], strict=False))
        except ValueError:
            value = found[1]  # an escape that JSON does not know
        # Half of a surrogate pair cannot be written to any file.
        return value.encode("utf-8", "replace").decode("utf-8")

    def _plain(self, path: Path) -> Any:
        found = _PLAIN.match(self.text, self.at)
        # At the very end, more digits may have been meant to come.
        if found is None or found.end() == len(self.text):
            raise _CutError
        value = json.loads(found[0]) if not re.match(r"-?0\d", found[0]) else float(found[0])
        if isinstance(value, float) and not math.isfinite(value):
            raise _CutError
        self.at = found.end()
        self.spans[path] = found.span()
        return value

    def _next(self) -> str:
        space = _SPACE.match(self.text, self.at)
        self.at = space.end() if space else self.at
        return self.text[self.at : self.at + 1]

    def _take(self, char: str) -> None:
        if self._next() != char:
            raise _CutError
        self.at += 1
