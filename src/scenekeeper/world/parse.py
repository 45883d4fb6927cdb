"""Text to :class:`Request`, by rules alone: the same words always mean the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from scenekeeper.world import words
from scenekeeper.world.request import THING, Ask, Described, Link, Order, Request
from scenekeeper.world.words import Nouns, longest

_IT = {"it", "them"}
_FRUIT = {"orange", "rose", "lime", "olive", "silver", "light", "cream", "tan"}
"""Colour words that are nouns when they stand alone; such a noun may be one that is not known."""

_NUMBERS = {"two", "three", "four", "five", "six", "2", "3", "4", "5", "6"}
_NOTHING = {"very", "really", "most", "colored", "coloured", "quite", "of", "and", "same", "only"}


def parse(text: str, names: Sequence[str], synonyms: Mapping[str, Sequence[str]]) -> Request:
    """What a text asks for.

    Args:
        text: a question, a command or a noun phrase, in English.
        names: class names in the scene; names of several words are recognised whole.
        synonyms: per class, other words for it.

    Returns:
        A request; words that mean nothing here are in ``unresolved``, in order.
    """
    nouns = Nouns(frozenset(names), synonyms)
    tokens, ask = _opened(_tokens(text))
    reader = _Reader(_without_fillers(tokens), nouns)
    target = reader.whole()
    if ask == "one":
        if reader.plural and not reader.narrowed:
            ask = "all"
        elif reader.indefinite and not reader.narrowed:
            ask = "any"
    return Request(target, ask, tuple(dict.fromkeys(reader.unresolved)))


def _tokens(text: str) -> list[str]:
    plain = text.lower().replace("\u2019", "'")
    plain = re.sub(r"n't\b", " not", plain).replace("cannot", "can not")
    return re.findall(r"[^\W_]+", plain.replace("'", " "))


def _opened(tokens: list[str]) -> tuple[list[str], Ask]:
    """Tokens without what questions begin with, and what kind of question that makes it."""
    ask: Ask = "one"
    while (opening := longest(tokens, 0, words.OPENINGS)) is not None:
        meant = words.OPENINGS[opening]
        if ask == "one":
            ask = meant  # type: ignore[assignment]
        tokens = tokens[len(opening) :]
    if len(tokens) > 2 and tokens[0] in ("is", "are") and tokens[1] in words.ARTICLES:
        return tokens[1:], "exists"
    return tokens, ask


def _without_fillers(tokens: list[str]) -> list[str]:
    out: list[str] = []
    k = 0
    while k < len(tokens):
        filler = longest(tokens, k, words.FILLERS)
        direction = longest(tokens, k, words.DIRECTIONS)
        if filler is not None and direction is None:
            k += len(filler)
        else:
            out.append(tokens[k])
            k += 1
    return out


@dataclass
class _Head:
    """A noun with what stands before it, while it is read."""

    noun: str = THING
    said: str = ""
    plural: bool = False
    attributes: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    by: str | None = None
    n: int | None = None
    to: _Head | None = None
    links: list[tuple[Link, _Head, _Head | None]] = field(default_factory=list)

    def described(self) -> Described:
        """The value, with everything that hangs on it."""
        order = None
        if self.by is not None or self.n is not None:
            # "The second mug" counts as people read.
            to = None if self.to is None else self.to.described()
            order = Order(self.by or "left", self.n or 1, to)
        links = tuple(
            replace(
                link,
                anchor=anchor.described(),
                other=None if other is None else other.described(),
            )
            for link, anchor, other in self.links
        )
        attributes, without = tuple(self.attributes), tuple(self.without)
        return Described(self.noun, self.said, attributes, without, order, links)


@dataclass
class _Reader:
    """Reads tokens from left to right.

    Attributes:
        tokens: all of them.
        nouns: what things may be called.
        at: the next token.
        unresolved: words that meant nothing.
        plural: whether several things are asked for,
        indefinite: or any,
        narrowed: or, as it turns out, one of them.
    """

    tokens: Sequence[str]
    nouns: Nouns
    at: int = 0
    unresolved: list[str] = field(default_factory=list)
    plural: bool = False
    indefinite: bool = False
    narrowed: bool = False

    def whole(self) -> Described:
        """The target with all that is said of it."""
        starts_with_place = self._preposition() is not None
        target = _Head() if starts_with_place else self._head(first=True)
        if starts_with_place:  # "what is on the table"
            self.plural = True
        if not starts_with_place and target.by is not None:
            self.narrowed = True
        last, negated, joined = target, False, False
        while self.at < len(self.tokens):
            token = self.tokens[self.at]
            preposition = self._preposition()
            direction = self._direction()
            spared = longest(self.tokens, self.at, words.EXCEPT)
            measure = longest(self.tokens, self.at, words.TO_WHAT)
            if spared is not None:
                self.at += len(spared)
                self._excepted(target)
            elif direction is not None:
                self._directed(target, last, direction)
            elif measure is not None and not self._ends(self.at + len(measure)):
                self.at += len(measure)
                target.by, target.to = words.TO_WHAT[measure], self._head()
                self.narrowed = True
            elif token == "to" and target.by in ("near", "far") and target.to is None:
                self.at += 1
                target.to = self._head()
            elif preposition is not None:
                last = self._linked(target, last, preposition, negated, joined)
                negated = joined = False
            elif token in words.NEGATIONS or token == "but":
                negated = negated or token in words.NEGATIONS
                self.at += 1
            elif token == "and":
                joined = True
                self.at += 1
            elif token in words.JOINING or token in _IT:
                self.at += 1
            else:
                self._said_later(target, negated)
                negated, last = False, target
        return target.described()

    # --- heads ------------------------------------------------------------------------------------

    def _head(self, first: bool = False) -> _Head:
        """A noun with its modifiers, from here on."""
        start = self.at
        self.at = self._head_end()
        tokens = list(self.tokens[start : self.at])
        tokens, kind = _determined(tokens)
        head = self._named(tokens)
        if first:
            self.plural = kind == "all" or head.plural
            self.indefinite = kind == "any" and not head.plural
        return head

    def _head_end(self) -> int:
        k, seen = self.at, False
        while k < len(self.tokens):
            token = self.tokens[k]
            if seen and token in words.ARTICLES | words.ANY:
                break
            if token in words.JOINING | words.NEGATIONS | {"but", "or", "to"} and (
                seen or token not in words.ARTICLES
            ):
                break
            if token == "and" and not (self._adjective(k - 1) and self._adjective(k + 1)):
                break
            if self._preposition(k) is not None or self._direction(k) is not None:
                break
            if seen and longest(self.tokens, k, words.EXCEPT) is not None:
                break
            if seen and longest(self.tokens, k, words.TO_WHAT) and self._noun_before(k):
                break
            seen = seen or token not in words.ARTICLES | words.ANY | words.ALL
            k += 1
        return k

    def _named(self, tokens: list[str]) -> _Head:
        """A head of the words of a noun phrase."""
        head = _Head()
        if tokens[-1:] == ["of"]:
            tokens.pop()
        found, after = self.nouns.inside(tokens), len(tokens)
        while found is None and after and _is_adjective(tokens[after - 1]):
            after -= 1  # "is the mug red"
            found = self.nouns.inside(tokens[:after])
        if found is not None:
            begin, end, head.noun, head.plural = found
            head.said = " ".join(tokens[begin:end])
            self._modify(head, [*tokens[:begin], *tokens[end:]])
            return head
        alone = len(tokens) == 1 and tokens[0] in _FRUIT
        if tokens and (alone or not _is_adjective(tokens[-1])):
            head.noun, head.said = "", tokens.pop()
            head.plural = words.singulars(head.said)[-1] != head.said
            self.unresolved.append(head.said)
        self._modify(head, tokens)
        return head

    def _modify(self, head: _Head, tokens: Sequence[str], negated: bool = False) -> None:
        """Add what adjectives and numbers say; the others are unresolved."""
        k = 0
        while k < len(tokens):
            colour = longest(tokens, k, words.COLORS)
            order = longest(tokens, k, words.SUPERLATIVES)
            size = longest(tokens, k, words.SIZES)
            best = max((colour, order, size), key=lambda p: len(p or ()))
            if best is None:
                if tokens[k] in words.ORDINALS:
                    head.n = words.ORDINALS[tokens[k]]
                elif tokens[k] not in _NOTHING | _NUMBERS | words.ARTICLES | words.ANY:
                    self.unresolved.append(tokens[k])
                k += 1
                continue
            if best == order:
                head.by = words.SUPERLATIVES[best]
            else:
                word = words.COLORS[best] if best == colour else words.SIZES[best]
                (head.without if negated else head.attributes).append(word)
            k += len(best)

    # --- what follows a head ----------------------------------------------------------------------

    def _linked(
        self, target: _Head, last: _Head, phrase: words.Phrase, negated: bool, joined: bool
    ) -> _Head:
        """Read one relation; the anchor is what the next may be said of."""
        self.at += len(phrase)
        predicate = words.PREPOSITIONS[phrase]
        if self._ends(self.at) or self.tokens[self.at] in _IT | words.JOINING - words.ARTICLES:
            # "with a knife on it" says no more than "with a knife"; "the lamp is on" says what is
            # not known.
            if not any(link.predicate == "holding" for link, *_ in target.links):
                self.unresolved.append(" ".join(phrase))
            return last
        known = len(self.unresolved)
        anchor = self._head()
        if phrase[0] in ("with", "without") and not anchor.noun:
            return last  # a part of it, about which nothing is known
        other = None
        if predicate == "between":
            if not self._ends(self.at) and self.tokens[self.at] == "and":
                self.at += 1
                other = self._head()
            elif anchor.plural:
                other = anchor
            else:
                del self.unresolved[known:]
                self.unresolved.append(f"between {anchor.said}")
                return last
        direct = joined or last is target
        link = Link(
            predicate,
            Described(THING),
            negated=negated or phrase[0] == "without",
            loose=not direct,
        )
        (target if direct else last).links.append((link, anchor, other))
        return anchor

    def _directed(self, target: _Head, last: _Head, direction: words.Phrase) -> None:
        """ "From the left" counts what is asked for; "on the left" is said of the last thing."""
        head = target if target.n is not None or direction[0] == "from" else last
        head.by = words.DIRECTIONS[direction]
        self.at += len(direction)
        self.narrowed = self.narrowed or head is target

    def _excepted(self, target: _Head) -> None:
        """ "Other than the white one" forbids what is said of that one."""
        other = self._head()
        if other.noun in (THING, target.noun) and other.attributes:
            target.without += other.attributes
        else:
            self.unresolved.append(f"other than {other.said}")

    def _said_later(self, target: _Head, negated: bool) -> None:
        """What follows that is no relation: "that is red", "the white one", or unknown words."""
        start = self.at
        end = self._head_end()
        self.at = max(end, start + 1)
        tokens = list(self.tokens[start : self.at])
        if tokens[0] in ("or", "to"):
            self.at = max(self.at, self._head_end()) if len(tokens) == 1 else self.at
            self.unresolved.append(" ".join(self.tokens[start : self.at]))
            return
        if tokens[0] in words.ARTICLES:
            self.narrowed = True
        tokens, _ = _determined(tokens)
        if tokens and tokens[-1] in ("one", "ones"):
            tokens.pop()
        self._modify(target, tokens, negated)

    # --- what stands at a place -------------------------------------------------------------------

    def _preposition(self, k: int | None = None) -> words.Phrase | None:
        place = self.at if k is None else k
        found = longest(self.tokens, place, words.PREPOSITIONS)
        longer = longest(self.tokens, place, words.TO_WHAT)
        return None if longer and found and len(longer) > len(found) else found

    def _direction(self, k: int | None = None) -> words.Phrase | None:
        """A direction that is not the beginning of something longer ("on the left shelf")."""
        place = self.at if k is None else k
        found = longest(self.tokens, place, words.DIRECTIONS)
        if found is None:
            return None
        after = place + len(found)
        longer = longest(self.tokens, place, words.PREPOSITIONS)
        if longer is not None and len(longer) >= len(found) and not self._ends(after):
            return None
        joins = words.JOINING | words.NEGATIONS | {"and", "but"}
        if self._ends(after) or self.tokens[after] in joins or self._preposition(after):
            return found
        return None

    def _ends(self, k: int) -> bool:
        return k >= len(self.tokens)

    def _adjective(self, k: int) -> bool:
        return 0 <= k < len(self.tokens) and _is_adjective(self.tokens[k])

    def _noun_before(self, k: int) -> bool:
        return self.nouns.at_end(self.tokens[max(0, k - 4) : k]) is not None


def _determined(tokens: list[str]) -> tuple[list[str], str]:
    """Words without articles and the like before them, and which kind those were."""
    kind = "the"
    while tokens and tokens[0] in words.ARTICLES | words.ANY | words.ALL | _NUMBERS | {"of"}:
        if tokens[0] in words.ALL or tokens[0] in _NUMBERS:
            kind = "all"
        elif tokens[0] in words.ANY and kind == "the":
            kind = "any"
        tokens = tokens[1:]
    return tokens, kind


def _is_adjective(word: str) -> bool:
    one = (word,)
    known = one in words.COLORS or one in words.SIZES or one in words.SUPERLATIVES
    return known or word in words.ORDINALS
