"""Grounding DINO's prompts: phrases joined by dots, and which tokens each of them is.

In: tokens per phrase. Out: prompts within the text tower's limit, with a span per phrase, so that
a box is scored per phrase and never named by a mix of two.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Prompt:
    """A part of the vocabulary, as the network reads it.

    Attributes:
        ids: tokens, ``[CLS] phrase . phrase . [SEP]``.
        spans: per phrase its first token and the one past its last; empty where it has none.
        first: place of its first phrase in the vocabulary.
    """

    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    first: int


@dataclass(frozen=True)
class Marks:
    """Tokens that mean something to the network.

    Attributes:
        start: ``[CLS]``.
        end: ``[SEP]``.
        dot: between phrases.
        others: further ones at which it cuts phrases.
    """

    start: int
    end: int
    dot: int
    others: Collection[int] = ()

    def clean(self, pieces: Sequence[int]) -> list[int]:
        """A phrase's tokens without marks, for a dot in ``Dr. Pepper`` would cut it in two."""
        marks = {self.start, self.end, self.dot, *self.others}
        return [piece for piece in pieces if piece not in marks]


def prompts_within(limit: int, phrases: Sequence[Sequence[int]], marks: Marks) -> Iterator[Prompt]:
    """Prompts that hold all phrases, in order, as many in each as fit.

    A phrase that does not fit by itself is cut off.

    Args:
        limit: tokens of a prompt.
        phrases: tokens of each phrase.
        marks: the network's.
    """
    ids, spans, first = [marks.start], list[tuple[int, int]](), 0
    for k, phrase in enumerate(phrases):
        pieces = marks.clean(phrase)[: limit - 3]
        if len(ids) + len(pieces) + 2 > limit:
            yield Prompt((*ids, marks.end), tuple(spans), first)
            ids, spans, first = [marks.start], [], k
        spans.append((len(ids), len(ids) + len(pieces)))
        if pieces:
            ids += [*pieces, marks.dot]
    yield Prompt((*ids, marks.end), tuple(spans), first)
