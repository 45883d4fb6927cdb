"""COCO's average precision and recall of boxes and masks.

The protocol of Lin et al., Microsoft COCO, ECCV 2014, with the numbers of ``pycocotools``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenekeeper.evaluate.matching import (
    ANY_SIZE,
    THRESHOLDS,
    Bits,
    Matches,
    assign,
    bit,
    in_ranges,
    least,
    match,
)
from scenekeeper.evaluate.overlap import Bool, Boxes, Float, Int, Iou, group, overlaps
from scenekeeper.evaluate.score import Score

__all__ = ["Boxes", "CategoryScore", "DetectionScore", "Matches", "match", "score_detection"]

RECALLS = np.linspace(0, 1, 101)
AREAS = (ANY_SIZE, (0.0, 32.0**2), (32.0**2, 96.0**2), (96.0**2, 1e10))
"""Square pixels: all, small, medium, large."""
LIMITS = (1, 10, 100)
"""Found ones per image and category of which recall is taken; the last holds everywhere."""


@dataclass(frozen=True)
class CategoryScore(Score):
    """One category: average precision, average recall of a hundred, truths that count, found."""

    ap: float
    ap50: float
    ap75: float
    ar100: float
    truths: int
    found: int


@dataclass(frozen=True, eq=False)
class DetectionScore(Score):
    """COCO's twelve figures and what they are the means of; NaN where there is no truth.

    Attributes:
        ap: average precision over overlaps 0.50 to 0.95, categories and 101 recalls.
        ap50: the same at overlap 0.50.
        ap75: the same at overlap 0.75.
        ap_small: of truth up to 32 x 32 pixels.
        ap_medium: between.
        ap_large: of truth from 96 x 96 pixels.
        ar1: average recall with one found per image and category.
        ar10: with ten.
        ar100: with a hundred.
        ar_small: with a hundred, of truth up to 32 x 32 pixels.
        ar_medium: between.
        ar_large: of truth from 96 x 96 pixels.
        per_category: by category; empty when categories were mixed.
        thresholds: T overlaps.
        recalls: ``float64 [R]`` at which precision is read.
        precision: ``float64 [T, R, K]`` the best at this recall or above, categories ascending.
        recall: ``float64 [T, K]`` reached with a hundred.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar1: float
    ar10: float
    ar100: float
    ar_small: float
    ar_medium: float
    ar_large: float
    per_category: dict[int, CategoryScore]
    thresholds: tuple[float, ...]
    recalls: Float
    precision: Float
    recall: Float


@dataclass(frozen=True, eq=False)
class _Ranking:
    """Found ones of all images, category by category, best first.

    Attributes:
        right: per found one the bits in which it counts as right.
        counted: those in which it counts as right or wrong.
        rank: its place in its image.
        ends: ``int64 [K + 1]`` where the categories start, and the end.
        truths: ``int64 [A, K]`` how many there are to be found.
    """

    right: Bits
    counted: Bits
    rank: Int
    ends: Int
    truths: Int


def score_detection(
    truth: Boxes, found: Boxes, iou: Iou = "box", class_agnostic: bool = False
) -> DetectionScore:
    """COCO's average precision and recall.

    A category is scored if it has truth; what was found of others is left out, as in COCO. With
    ``class_agnostic`` all are one category.

    Args:
        truth: scores are not looked at.
        found: equal scores rank by image, then by row.
        iou: of boxes or of masks.
        class_agnostic: whether finding a thing is enough.

    Raises:
        ValueError: masks are wanted and missing, or differ in size within an image.
    """
    categories = np.unique(truth.category)
    ranking = _rank(truth, found, iou, None if class_agnostic else categories)
    recall = [[_recall(ranking, a, limit) for limit in LIMITS] for a in range(len(AREAS))]
    precision = [_precision(ranking, a) for a in range(len(AREAS))]
    ap = [_mean(p) for p in precision]
    ar = [_mean(r[-1]) for r in recall]
    at = {level: THRESHOLDS.index(level) for level in (0.5, 0.75)}
    one = range(0) if class_agnostic else range(len(categories))
    per_category = {
        int(categories[k]): CategoryScore(
            _mean(precision[0][..., k]),
            _mean(precision[0][at[0.5], :, k]),
            _mean(precision[0][at[0.75], :, k]),
            _mean(recall[0][-1][:, k]),
            int(ranking.truths[0, k]),
            int(np.diff(ranking.ends)[k]),
        )
        for k in one
    }
    return DetectionScore(
        ap=ap[0],
        ap50=_mean(precision[0][at[0.5]]),
        ap75=_mean(precision[0][at[0.75]]),
        ap_small=ap[1],
        ap_medium=ap[2],
        ap_large=ap[3],
        ar1=_mean(recall[0][0]),
        ar10=_mean(recall[0][1]),
        ar100=ar[0],
        ar_small=ar[1],
        ar_medium=ar[2],
        ar_large=ar[3],
        per_category=per_category,
        thresholds=THRESHOLDS,
        recalls=RECALLS,
        precision=precision[0],
        recall=recall[0][-1],
    )


def _rank(truth: Boxes, found: Boxes, iou: Iou, categories: Int | None) -> _Ranking:
    T, A = len(THRESHOLDS), len(AREAS)
    groups = group(truth, found, LIMITS[-1], categories is None)
    pairs = overlaps(truth, found, groups, iou, least(THRESHOLDS))
    solid = np.where(truth.excused, np.uint64(0), in_ranges(truth.area, AREAS, T))
    counts = solid[groups.truth]
    won = assign(pairs, groups, truth, counts, THRESHOLDS, A)
    right, matched = np.zeros((2, len(groups.found)), np.uint64)
    np.bitwise_or.at(matched, pairs[0], won)
    np.bitwise_or.at(right, pairs[0], won & counts[pairs[1]])
    wrong = ~matched & in_ranges(found.area[groups.found], AREAS, T)
    if categories is None:
        code, truth_code, K = np.zeros(len(right), np.int64), np.zeros(len(truth), np.int64), 1
    else:
        K = len(categories)
        code = np.searchsorted(categories, found.category[groups.found])
        code[~np.isin(found.category[groups.found], categories)] = K
        truth_code = np.searchsorted(categories, truth.category)
    order = np.lexsort((-found.score[groups.found], code))
    return _Ranking(
        right[order],
        (right | wrong)[order],
        groups.rank[order],
        np.searchsorted(code[order], np.arange(K + 1)),
        np.stack([np.bincount(truth_code[bit(solid, a * T)], minlength=K) for a in range(A)]),
    )


def _recall(ranking: _Ranking, a: int, limit: int) -> Float:
    """``[T, K]`` share of the truth found, NaN where there is none."""
    right = _running(_bits(ranking.right, a) & (ranking.rank < limit))[:, ranking.ends]
    return _ratio(np.diff(right, axis=1), ranking.truths[a])


def _precision(ranking: _Ranking, a: int) -> Float:
    """``[T, R, K]`` best precision at each recall or above, NaN where there is no truth."""
    ends, truths = ranking.ends, ranking.truths[a]
    is_right = _bits(ranking.right, a)[:, : ends[-1]]
    right = _running(is_right)
    seen = _running(_bits(ranking.counted, a)[:, : ends[-1]])
    before = np.repeat(ends[:-1], np.diff(ends))
    hits = (right[:, 1:] - right[:, before]).astype(np.float64)
    misses = seen[:, 1:] - seen[:, before] - hits
    best = hits / (misses + hits + np.spacing(1))
    for low, high in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        backwards = best[:, low:high][:, ::-1]
        np.maximum.accumulate(backwards, axis=1, out=backwards)
    # A recall is reached by a certain hit: the n-th of its category, looked up among all hits.
    nth = np.maximum(_first_hit(truths), 1)
    total = np.diff(right[:, ends], axis=1)
    start = np.cumsum(total).reshape(total.shape) - total
    at_hits = np.append(best[is_right], 0.0)
    reached = nth <= total[:, :, None]
    precision = at_hits[np.where(reached, start[:, :, None] + nth - 1, -1)]
    precision[:, truths == 0] = np.nan
    return precision.transpose(0, 2, 1)


def _first_hit(truths: Int) -> Int:
    """``[K, R]`` the fewest hits whose share of the truth is each recall, in floating point."""
    n = np.maximum(truths, 1)[:, None]
    hits = np.ceil(RECALLS * n).astype(np.int64)
    hits = np.where((hits - 1) / n >= RECALLS, hits - 1, hits)
    return np.where(hits / n < RECALLS, hits + 1, hits)


def _bits(bits: Bits, a: int) -> Bool:
    """``[T, M]`` the bits of a size range."""
    T = len(THRESHOLDS)
    return bit(bits, np.arange(a * T, (a + 1) * T, dtype=np.uint64)[:, None])


def _running(flags: Bool) -> Int:
    """``[T, M + 1]`` how many are set before each place."""
    counts = np.zeros((len(flags), flags.shape[1] + 1), np.int64)
    np.cumsum(flags, axis=1, out=counts[:, 1:])
    return counts


def _ratio(part: Int, whole: Int) -> Float:
    share: Float = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return share


def _mean(values: Float) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else float("nan")
