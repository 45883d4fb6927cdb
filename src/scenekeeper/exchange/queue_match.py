"""Which written box each box that came back is, whatever the tool has renumbered or dropped.

In: a sheet as it was written and as it came back. Out: per place, who is who. A box that was not
touched is found by its coordinates, a moved one by its key, one without a key by its overlap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize

from scenekeeper import geometry, masks
from scenekeeper.exchange.queue_sheets import Returned, Strand

NOBODY = -1
SAME_THING = 0.5
"""Overlap of two boxes, as intersection over union, from which on they are about one thing."""


@dataclass(frozen=True, eq=False)
class Matched:
    """One strand that came back, place by place.

    Attributes:
        strand: what came back.
        who: ``int64 [n]`` index of the written strand that each of its boxes is; -1 = none.
        exact: ``bool [n]`` whether the box is where it was written.
    """

    strand: Strand
    who: NDArray[np.int64]
    exact: NDArray[np.bool_]


def match(written: Sequence[Strand], back: Returned) -> list[Matched]:
    """Find every box that came back among those that were written.

    Args:
        written: the strands of a sheet.
        back: what came back of it.

    Returns:
        One for each strand that came back, masks without a box joined to the boxes that they are
        of. Masks of tracks that are gone are left out.
    """
    strands = with_masks(written, back)
    who = [np.full(len(s.at), NOBODY, np.int64) for s in strands]
    exact = [np.zeros(len(s.at), np.bool_) for s in strands]
    ours, theirs = _by_place(written), _by_place(strands)
    for place in sorted(ours.keys() & theirs.keys()):
        a = np.array([written[i].boxes[k] for i, k in ours[place]])
        b = np.array([strands[i].boxes[k] for i, k in theirs[place]])
        overlap = geometry.box_iou(b, a)
        still = np.abs(b[:, None] - a[None]).max(axis=2) <= back.rounding
        keys = [written[i].key for i, _ in ours[place]]
        named = np.array([[strands[i].key == key for key in keys] for i, _ in theirs[place]])
        # Of a thing that has lost its key, some overlap is enough if its name is the same.
        alike = np.array(
            [
                [
                    not strands[i].key and strands[i].phrase == written[j].phrase
                    for j, _ in ours[place]
                ]
                for i, _ in theirs[place]
            ]
        )
        # Each of these outweighs all after it together.
        score = 4.0 * still + 2.0 * named + overlap
        allowed = still | named | (overlap >= SAME_THING) | (alike & (overlap > 0))
        for row, column in zip(
            *optimize.linear_sum_assignment(np.where(allowed, -score, 0.0)), strict=True
        ):
            if allowed[row, column]:
                (i, k), j = theirs[place][row], ours[place][column][0]
                who[i][k], exact[i][k] = j, still[row, column]
    return [Matched(*parts) for parts in zip(strands, who, exact, strict=True)]


def with_masks(written: Sequence[Strand], back: Returned) -> list[Strand]:
    """Strands of what came back, each mask with the box that it belongs to.

    A mask that came without a box goes to the box of its key at that place, else to the box there
    that has lost its key and overlaps it most. If there is none it is a thing of its own, unless
    it has a key: then it was left behind when its track was deleted. A mask that nobody touched
    says nothing, so it goes nowhere.
    """
    boxed = [s for s in back.strands if s.drawn]
    taken: list[dict[int, bytes]] = [dict(s.masks) for s in boxed]
    alone: list[Strand] = []
    there = _by_place(boxed)
    untouched = {(place, counts) for s in written for place, counts in s.masks.items()}
    for loose in (s for s in back.strands if not s.drawn):
        for k, place in enumerate(loose.at.tolist()):
            counts = loose.masks.get(place)
            if counts is None or (place, counts) in untouched:
                continue
            near = there.get(place, [])
            found = [i for i, _ in near if loose.key and boxed[i].key == loose.key]
            near = [(i, n) for i, n in near if not loose.key or not boxed[i].key]
            if not found and near:
                overlap = geometry.box_iou(
                    loose.boxes[k : k + 1], np.array([boxed[i].boxes[n] for i, n in near])
                )[0]
                found = [near[int(overlap.argmax())][0]] if overlap.max() >= SAME_THING else []
            if found:
                taken[found[0]][place] = counts
            elif not loose.key:
                one = slice(k, k + 1)
                alone.append(
                    replace(loose, at=loose.at[one], boxes=loose.boxes[one], masks={place: counts})
                )
    return [replace(s, masks=m) for s, m in zip(boxed, taken, strict=True)] + alone


def mask_changed(before: bytes, after: bytes, size: tuple[int, int]) -> bool:
    """Whether two masks differ by more than a rounded outline can.

    Rounding the corners of an outline moves it by less than a pixel. So what differs further than
    a pixel from the old outline was changed by a person.
    """
    if before == after:
        return False
    boxes = [masks.box(counts, size) for counts in (before, after)]
    filled = [b for b in boxes if b[2] > b[0]]
    if not filled:
        return False
    x0, y0 = (max(0, min(b[k] for b in filled) - 2) for k in (0, 1))
    x1, y1 = (max(b[k] for b in filled) + 2 for k in (2, 3))
    a, b = (masks.decode(counts, size)[y0:y1, x0:x1] for counts in (before, after))
    square = np.ones((3, 3), np.bool_)
    grown = ndimage.binary_dilation(a, square)
    shrunk = ndimage.binary_erosion(a, square, border_value=1)
    return bool((b & ~grown).any() or (shrunk & ~b).any())


def _by_place(strands: Sequence[Strand]) -> Mapping[int, list[tuple[int, int]]]:
    """Per place, ``(strand, its box)`` of everything that is there."""
    found: dict[int, list[tuple[int, int]]] = {}
    for i, strand in enumerate(strands):
        for k, place in enumerate(strand.at.tolist()):
            found.setdefault(place, []).append((i, k))
    return found
