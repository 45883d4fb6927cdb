"""What a tool's file says, made fit for decisions: checked once, whatever the tool.

In: strands as a tool's reader gives them. Out: the same with names as one says them, corners in
order, and without boxes or masks that have no area; a slip of the mouse leaves such.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from scenekeeper import masks
from scenekeeper.exchange.queue_sheets import Returned, Strand
from scenekeeper.review.events import phrase
from scenekeeper.schema import UNNAMED

FARTHEST = 1e6
"""Pixels; nothing is drawn farther out."""


def tidy(back: Returned, size: tuple[int, int], written: Mapping[str, Strand]) -> Returned:
    """What came back of a sheet, tidied.

    Args:
        back: what came back.
        size: ``(H, W)`` of its pictures.
        written: the sheet's strands by key. A strand with none of these keys has lost its key.

    Raises:
        ReviewError: a name is too long or holds control characters.
        ValueError: a box or mask is of no such picture.
    """
    strands = [_strand(s, size, written.get(s.key)) for s in back.strands]
    return replace(back, strands=[s for s in strands if len(s.at)])


def _strand(strand: Strand, size: tuple[int, int], before: Strand | None) -> Strand:
    boxes = np.concatenate(
        (
            np.minimum(strand.boxes[:, :2], strand.boxes[:, 2:]),
            np.maximum(strand.boxes[:, :2], strand.boxes[:, 2:]),
        ),
        axis=1,
    )
    if not (np.abs(boxes) <= FARTHEST).all():
        raise ValueError("a box lies outside every picture")
    seen = (boxes[:, 2:] - boxes[:, :2] > 0.001).all(axis=1)
    drawn = {}
    for place, counts in strand.masks.items():
        if masks.counts_to_runs(counts).sum() != size[0] * size[1]:
            raise ValueError(f"a mask is not of a picture of {size[1]} x {size[0]} pixels")
        if masks.area(counts):
            drawn[place] = counts
    unnamed = UNNAMED if before is None else before.phrase
    return Strand(
        "" if before is None else strand.key,
        phrase(strand.phrase if strand.phrase.strip() else unnamed, "name"),
        strand.at[seen],
        boxes[seen],
        drawn,
        strand.drawn,
    )
