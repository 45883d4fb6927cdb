"""Which detections start a new track: those that no followed mask covers.

A detection is covered where

- its box and the own box of a mask have an IoU of at least ``overlap``, whatever they are called:
  two names for one thing are one thing; or
- a mask of the same name fills at least ``fill`` of its box: a detection of a part, as half a sofa
  behind a chair. A second chair before the first is not covered, for the first shows through it
  little.

Of new detections the best come first, and cover the others by the same box rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekeeper.geometry import box_iou
from scenekeeper.schema import Labels


@dataclass(frozen=True)
class AdmitConfig:
    """When a detection starts a track.

    Attributes:
        min_score: weaker detections start none; they may still speak for one that is there. Scores
            of different detectors do not compare: who finds, decides what is sure enough.
        overlap: IoU of boxes from which on two are the same thing.
        fill: share of a box that a mask of the same name must fill to cover it.
        most: things followed at once; the cost of a frame grows with them.
        patience: frames that a thing may be unseen before it is followed no more. Longer costs time
            for what is gone, shorter loses who it was; what comes back later is a new track.
    """

    min_score: float = 0.0
    overlap: float = 0.5
    fill: float = 0.5
    most: int = 64
    patience: int = 100


def admit(
    found: Labels,
    box_xyxy: NDArray[np.float32],
    phrases: Sequence[str],
    filled: Callable[[int, NDArray[np.float32]], float],
    followed: int,
    config: AdmitConfig,
) -> NDArray[np.int64]:
    """Rows of the detections that become new things, best first.

    Args:
        found: the detections of a frame.
        box_xyxy: ``[N, 4]`` own boxes of the masks that are seen in it.
        phrases: N, what those are called.
        filled: of a mask (by its row) and a box, the share of the box that it fills.
        followed: things that are followed, seen or not.
        config: the rule.
    """
    iou = box_iou(found.box_xyxy, box_xyxy).max(1, initial=0)
    free = (found.score >= config.min_score) & (iou < config.overlap)
    kept: list[int] = []
    for row in np.argsort(-found.score, kind="stable"):
        if len(kept) + followed >= config.most:
            break
        box = found.box_xyxy[row]
        if not free[row] or box_iou(box[None], found.box_xyxy[kept]).max(initial=0) >= (
            config.overlap
        ):
            continue
        same = [k for k, phrase in enumerate(phrases) if phrase == found.phrase[row]]
        if not any(_meet(box, box_xyxy[k]) and filled(k, box) >= config.fill for k in same):
            kept.append(int(row))
    return np.array(kept, np.int64)


def _meet(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    return bool((np.maximum(a[:2], b[:2]) < np.minimum(a[2:], b[2:])).all())


def agreement(
    found: Labels, box_xyxy: NDArray[np.float32], overlap: float
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """How far detections speak for masks: IoU of the best ``[N]``, and which is the mask's own.

    Own are a mask and a detection that are each other's best with an IoU of at least ``overlap``;
    -1 where a mask has none.
    """
    iou = box_iou(box_xyxy, found.box_xyxy)
    if not iou.size:
        return np.zeros(len(box_xyxy), np.float32), np.full(len(box_xyxy), -1)
    best, row = iou.max(1), iou.argmax(1)
    own = (best >= overlap) & (iou.argmax(0)[row] == np.arange(len(iou)))
    return best.astype(np.float32), np.where(own, row, -1)
