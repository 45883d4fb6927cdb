"""Greedy one-to-one matching of found boxes with the truth, all images at once as COCO does each.

In each image and category the found ones choose in order of falling score, each the free truth it
overlaps most; truth that does not count (a crowd, ignored, out of the size range) only comes
second. Every threshold and size range is a matching of its own and takes one bit of a word, so that
one pass over the pairs that overlap at all does them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekeeper.evaluate.overlap import Bool, Boxes, Float, Groups, Int, Iou, group, overlaps

Bits = NDArray[np.uint64]
Range = tuple[float, float]

THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())
ANY_SIZE: Range = (0.0, 1e10)

_ALL = np.uint64(2**64 - 1)
_EXACT = 1 - 1e-10  # what an overlap of one may come to in floating point


@dataclass(frozen=True, eq=False)
class Matches:
    """Who was matched with whom at each of T overlap thresholds.

    Attributes:
        thresholds: T overlaps.
        truth_of: ``int64 [T, M]`` row of the truth that each found one was given, -1 for none.
        found_of: ``int64 [T, N]`` row of the found one that each truth was given, -1 for none; of
            a crowd the last.
        found_ignored: ``bool [T, M]`` neither right nor wrong: matched with ignored truth, or past
            the limit of its image.
        truth_ignored: ``bool [N]`` neither to be found nor to be missed: crowds and ignored ones.
        overlap: ``float64 [T, M]`` with the matched truth, 0 for none.
    """

    thresholds: tuple[float, ...]
    truth_of: Int
    found_of: Int
    found_ignored: Bool
    truth_ignored: Bool
    overlap: Float


def match(
    truth: Boxes,
    found: Boxes,
    iou: Iou = "box",
    thresholds: Sequence[float] = THRESHOLDS,
    max_per_image: int = 100,
    class_agnostic: bool = False,
) -> Matches:
    """Match found boxes or masks with the truth.

    Args:
        truth: scores are not looked at.
        found: equal scores choose in order of their rows.
        iou: of boxes or of masks.
        thresholds: least overlaps, each matched on its own.
        max_per_image: found ones of an image and category that may choose, best first.
        class_agnostic: whether anything may be matched with anything of its image.

    Raises:
        ValueError: no threshold, or masks that are wanted are missing or differ in size within
            an image.
    """
    if not len(thresholds):
        raise ValueError("matching needs a threshold")
    groups = group(truth, found, max_per_image, class_agnostic)
    pairs = overlaps(truth, found, groups, iou, least(thresholds))
    T, M, N = len(thresholds), len(found), len(truth)
    truth_of, found_of = np.full((T, M), -1), np.full((T, N), -1)
    ignored, shared = np.ones((T, M), np.bool_), np.zeros((T, M))
    ignored[:, groups.found] = False
    f_row, t_row = groups.found[pairs[0]], groups.truth[pairs[1]]
    counts = np.where(truth.excused[groups.truth], np.uint64(0), _ALL)
    for start in range(0, T, 64):
        won = assign(pairs, groups, truth, counts, thresholds[start : start + 64], 1)
        for k in range(start, min(start + 64, T)):
            have = np.flatnonzero(bit(won, k - start))
            truth_of[k, f_row[have]] = t_row[have]
            found_of[k, t_row[have]] = f_row[have]
            ignored[k, f_row[have]] = truth.excused[t_row[have]]
            shared[k, f_row[have]] = pairs[2][have]
    return Matches(tuple(thresholds), truth_of, found_of, ignored, truth.excused, shared)


def assign(
    pairs: tuple[Int, Int, Float],
    groups: Groups,
    truth: Boxes,
    counts: Bits,
    thresholds: Sequence[float],
    ranges: int,
) -> Bits:
    """Match at T thresholds in A size ranges; ``A * T <= 64``.

    Args:
        pairs: ``(found [P], truth [P], overlap [P])`` as :func:`overlaps` gives them.
        groups: whose places these are.
        truth: says what is a crowd, which may be matched again and again.
        counts: ``uint64 [N]`` per place of the truth, bit ``a * T + k`` set where the truth counts.
        thresholds: T overlaps.
        ranges: A.

    Returns:
        ``uint64 [P]``, the bits in which the pair was matched.
    """
    f, t, overlap = pairs
    enough = np.zeros(len(f), np.uint64)
    for k, threshold in enumerate(thresholds):
        enough |= (overlap >= least([threshold])).astype(np.uint64) << np.uint64(k)
    enough *= np.uint64(sum(1 << a * len(thresholds) for a in range(ranges)))
    wanted = (enough & counts[t], enough & ~counts[t])
    again = np.where(truth.crowd[groups.truth], _ALL, np.uint64(0))
    free, open_to = np.full(len(groups.truth), _ALL), np.full(len(groups.found), _ALL)
    won = np.zeros(len(f), np.uint64)
    for turn in _turns(f, t, overlap, groups.first[f]):
        for choice in wanted:
            for now in turn:
                who, what = f[now], t[now]
                taken = choice[now] & open_to[who] & free[what]
                won[now] |= taken
                open_to[who] &= ~taken
                free[what] &= ~taken | again[what]
    return won


def bit(bits: Bits, k: int | NDArray[np.uint64]) -> Bool:
    """Whether the ``k``-th bit is set."""
    return np.asarray(bits >> np.uint64(k) & np.uint64(1), np.bool_)


def in_ranges(area: Float, ranges: Sequence[Range], T: int) -> Bits:
    """Per area the T bits of every range that holds it, both ends included."""
    bits = np.zeros(len(area), np.uint64)
    for a, (low, high) in enumerate(ranges):
        inside = (area >= low) & (area <= high)
        bits |= inside.astype(np.uint64) * np.uint64((1 << T) - 1 << a * T)
    return bits


def least(thresholds: Sequence[float]) -> float:
    """The overlap below which nothing is matched."""
    return min(*thresholds, _EXACT)


def _turns(f: Int, t: Int, overlap: Float, group: Int) -> list[list[Int]]:
    """Pairs by whose turn it is in its group, then by whether its first wish, its second, ...

    Of two truths overlapped equally the later one is wished first, as in COCO.
    """
    if not len(f):
        return []
    order = np.lexsort((-t, -overlap, f))
    f, group = f[order], group[order]
    wish = np.arange(len(f)) - np.searchsorted(f, f)
    who = np.cumsum(wish == 0)
    turn = who - who[np.searchsorted(group, group)]
    by_turn = np.lexsort((wish, turn))
    turn, wish = turn[by_turn], wish[by_turn]
    starts = np.flatnonzero(np.diff(turn, prepend=-1) | np.diff(wish, prepend=-1))
    turns: list[list[Int]] = [[] for _ in range(turn[-1] + 1)]
    for k, now in zip(turn[starts], np.split(order[by_turn], starts[1:]), strict=True):
        turns[k].append(now)
    return turns
