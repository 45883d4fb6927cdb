"""A closer look at each proposal: its mask drawn anew, and how good it is.

In: proposals of one frame and their crops. Out: proposals with better masks, boxes around these,
scores that weigh both networks' words, and without those that turn out to be the same thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekeeper.ground.prepare import CONTEXT, REFINED, refiner_input
from scenekeeper.ground.propose import CELL, Proposals, mask_iou, spread
from scenekeeper.ground.weights import Network

Float32 = NDArray[np.float32]
Drawing = tuple[NDArray[np.bool_], tuple[int, int, int, int]]
"""A mask, and where it lies: x0, y0, x1, y1."""


@dataclass(frozen=True)
class RefineConfig:
    """What is kept after the closer look.

    Attributes:
        min_score: below which nothing is kept; low, for trust is decided later.
        overlap: masks that overlap a better one by more are the same thing.
    """

    min_score: float = 0.05
    overlap: float = 0.6


def refine(
    network: Network,
    found: Proposals,
    looks: NDArray[np.uint8],
    measures: Float32,
    size: tuple[int, int],
    config: RefineConfig | None = None,
) -> tuple[Proposals, NDArray[np.uint8], Float32]:
    """Look at proposals again.

    Args:
        network: the refiner.
        found: proposals in a picture at most as wide as the proposer's.
        looks: ``uint8 [N, 64, 64, 5]`` their crops, as :func:`~scenekeeper.ground.prepare.crops`
            makes them.
        measures: ``float32 [N, 4]``, likewise.
        size: ``(H, W)`` of the picture.
        config: what to keep.

    Returns:
        The proposals that are left, by falling score, and their crops (with the new masks) and
        measures.
    """
    config = config or RefineConfig()
    if not len(found):
        return found, looks, measures
    sure = found.score.clip(1e-6, 1 - 1e-6)
    logit = np.log(sure / (1 - sure))
    crop, m = refiner_input(looks, measures, logit)
    logits, quality = network(crop=crop, measures=m)
    score = np.sqrt(found.score / (1 + np.exp(-quality)))
    order = np.argsort(-score, kind="stable")
    drawings = [_draw(logits[k], found, int(k), size) for k in order]
    good = [i for i, k in enumerate(order) if score[k] >= config.min_score and drawings[i][0].any()]
    kept = _distinct([drawings[i] for i in good], config.overlap)
    at = [good[i] for i in kept]
    rows = order[at]
    places = np.array([drawings[i][1] for i in at], np.int64).reshape(-1, 4)
    masks = tuple(drawings[i][0] for i in at)
    better = Proposals(places.astype(np.float32), score[rows].astype(np.float32), masks, places)
    seen = looks[rows]
    seen[..., 3] = 255 * (logits[rows] > 0).repeat(2, 1).repeat(2, 2)
    return better, seen, measures[rows]


def _draw(logits: Float32, found: Proposals, k: int, size: tuple[int, int]) -> Drawing:
    """A crop's mask in the picture, and where it lies."""
    x0, y0, x1, y1 = (float(v) for v in found.box_xyxy[k])
    side = CONTEXT * max(x1 - x0, y1 - y0, 4.0)
    corner = ((x0 + x1 - side) / 2, (y0 + y1 - side) / 2)
    square = np.array([*corner, corner[0] + side, corner[1] + side])
    values, (left, top, _, _) = spread(logits, corner, side / REFINED, square, size)
    # Of large things the proposer's mask is the finer one, so it has a say.
    say = float(np.clip(side / REFINED / CELL - 1, 0, 1))
    if say > 0:
        rough = np.full(values.shape, -say, np.float32)
        a, b, c, d = found.place[k] - (left, top, left, top)
        rough[b:d, a:c][found.mask[k]] = say
        values = values + rough
    mask = values > 0
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return mask[:0, :0], (left, top, left, top)
    tight = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    left, top = left + int(columns[0]), top + int(rows[0])
    return tight, (left, top, left + tight.shape[1], top + tight.shape[0])


def _distinct(drawings: Sequence[Drawing], overlap: float) -> list[int]:
    """Masks, in falling order, that no better one overlaps too much."""
    kept: list[int] = []
    for i, (mask, place) in enumerate(drawings):
        if not any(mask_iou(mask, place, *drawings[k]) > overlap for k in kept):
            kept.append(i)
    return kept
