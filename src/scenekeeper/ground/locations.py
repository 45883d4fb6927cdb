"""Florence-2's way of saying where things are: words, then four of a thousand marks for a box.

In: an answer's tokens and their probabilities. Out: boxes with their words. Words are kept in any
script; a box that was cut off, or that has no extent, is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import exp

BINS = 1000
"""Marks along each side of a picture."""

Share = tuple[float, float, float, float]


@dataclass(frozen=True)
class Located:
    """A box in an answer.

    Attributes:
        words: what it was called.
        box: left, top, right, bottom as shares of the picture's width and height.
        named: geometric mean of the probabilities of the words' tokens; 1 without words.
        placed: that of the box's marks.
        score: that of all of them.
    """

    words: str
    box: Share
    named: float
    placed: float
    score: float


Token = tuple[int, float]
"""A token and the logarithm of its probability."""


@dataclass(frozen=True)
class Marks:
    """Tokens that are no words.

    Attributes:
        bins: the number of each mark along a side, by token.
        outlines: tokens that open or close an outline, or part outlines.
        silent: tokens that mean nothing here, such as those of start and end.
    """

    bins: Mapping[int, int]
    outlines: Collection[int] = ()
    silent: Collection[int] = ()

    def kind(self, token: int) -> str:
        """What a token is."""
        if token in self.bins:
            return "mark"
        return "outline" if token in self.outlines else "word"


def read_boxes(
    answer: Sequence[Token], marks: Marks, decode: Callable[[list[int]], str]
) -> Iterator[Located]:
    """Boxes in an answer, in its order. Several may share their words; an outline is one box.

    Args:
        answer: its tokens.
        marks: which tokens are no words.
        decode: text of tokens that are.
    """
    said = [token for token in answer if token[0] not in marks.silent]
    runs = [(kind, list(run)) for kind, run in groupby(said, lambda token: marks.kind(token[0]))]
    words: list[Token] = []
    for k, (kind, run) in enumerate(runs):
        if kind == "word":
            words = run
        elif kind == "mark":
            outlined = k > 0 and runs[k - 1][0] == "outline"
            cut_off = k == len(runs) - 1
            fours = [run[i : i + 4] for i in range(0, len(run) - 3, 4)]
            for part in ([] if cut_off else [run]) if outlined else fours:
                box = _around([marks.bins[token] for token, _ in part])
                if box[0] < box[2] and box[1] < box[3]:
                    text = decode([token for token, _ in words]).strip()
                    yield Located(text, box, _mean(words), _mean(part), _mean(words + part))


def marks_of(box: Sequence[float], width: float, height: float) -> tuple[int, int, int, int]:
    """Numbers of the marks that say a box of pixels."""
    x0, y0, x1, y1 = (
        min(BINS - 1, max(0, int(v / side * BINS)))
        for v, side in zip(box, (width, height, width, height), strict=True)
    )
    return x0, y0, x1, y1


def _around(numbers: Sequence[int]) -> Share:
    """The box around marks; each stands for the middle of its part of a side."""
    x, y = numbers[0::2], numbers[1::2]
    edges = min(x), min(y), max(x), max(y)
    left, top, right, bottom = ((edge + 0.5) / BINS for edge in edges)
    return left, top, right, bottom


def _mean(tokens: Sequence[Token]) -> float:
    return exp(sum(log for _, log in tokens) / len(tokens)) if tokens else 1.0
