"""Which found instance is which true one, and what went wrong with the rest.

In: two labelings of the same frames. Out: one verdict per true and per found instance, which rates,
causes, calibration and names are counted from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekeeper.evaluate.labelled import Labelled
from scenekeeper.evaluate.matching import match
from scenekeeper.evaluate.overlap import Boxes, group, overlaps
from scenekeeper.schema import UNNAMED

Int = NDArray[np.int64]
Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

IOU = 0.5
NEAR = 0.1
"""IoU from which on a box that misses is called mislocated."""

MIN_SIDE = 16.0
"""Things smaller than a square of so many pixels are neither to be found nor missed."""

VERDICTS = ("right", "unnamed", "misidentified", "mislocated", "not found")


@dataclass(frozen=True, eq=False)
class Pairing:
    """Verdicts.

    Attributes:
        truth: the true things that are to be found.
        found: what was found, structure left out.
        found_of: ``int64 [G]`` row of the found one at IoU .5, whatever its name; -1 = none.
        truth_of: ``int64 [D]`` the other way round; -1 = none, -2 = it is what counts
            neither as found nor as missed: structure, too small, or in a crowd.
        verdict: ``int64 [G]`` index into :data:`VERDICTS`.
        best: ``float64 [G]`` highest IoU with anything found, of boxes.
        found_best: ``float64 [D]`` highest IoU with any true thing, of boxes.
    """

    truth: Labelled
    found: Labelled
    found_of: Int
    truth_of: Int
    verdict: Int
    best: Float
    found_best: Float


def boxes_of(
    labels: Labelled, category: Int, with_masks: bool, ignored: Bool | None = None
) -> Boxes:
    """A labeling as the metrics take it; ``ignored`` says what besides crowds does not count."""
    return Boxes.of(
        labels.image,
        category,
        labels.box_xyxy,
        labels.score,
        mask=labels.mask if with_masks else (),
        size=labels.size,
        crowd=labels.crowd,
        ignored=ignored,
    )


def not_to_find(truth: Labelled, min_side: float) -> Bool:
    """``bool [G]``: floor, walls, crowds, and things too small to count."""
    return ~truth.single | (sides(truth) < min_side)


def has_masks(*sides: Labelled) -> bool:
    """Whether every instance of all sides has a mask."""
    return all(m is not None for side in sides for m in side.mask) and all(map(len, sides))


def pair(truth: Labelled, found: Labelled, names: Mapping[str, str], min_side: float) -> Pairing:
    """Pair two labelings at IoU .5 of masks, or of boxes where masks are missing.

    Args:
        truth: what is there.
        found: what was said to be there, on the truth's frames.
        names: canonical class of every phrase that has another one.
        min_side: things smaller than a square of this side are neither to be found nor missed.
    """
    found = found[found.single]
    excused = not_to_find(truth, min_side)
    masks = has_masks(truth, found)
    one = np.zeros(len(truth), np.int64)
    matches = match(
        boxes_of(truth, one, masks, excused),
        boxes_of(found, np.zeros(len(found), np.int64), masks),
        "mask" if masks else "box",
        (IOU,),
        class_agnostic=True,
    )
    rows = np.flatnonzero(~excused)
    place = np.full(len(truth) + 1, -2, np.int64)
    place[rows] = np.arange(len(rows))
    place[-1] = -1
    truth_of = place[matches.truth_of[0]]
    truth_of[(truth_of == -1) & matches.found_ignored[0]] = -2
    things = truth[rows]
    found_of = matches.found_of[0][rows]
    best, found_best = _best(things, found)
    verdict = _verdicts(things, found, found_of, best, names)
    return Pairing(things, found, found_of, truth_of, verdict, best, found_best)


def _verdicts(
    truth: Labelled, found: Labelled, found_of: Int, best: Float, names: Mapping[str, str]
) -> Int:
    out = np.where(best >= NEAR, VERDICTS.index("mislocated"), VERDICTS.index("not found"))
    for g in np.flatnonzero(found_of >= 0):
        said = found.phrase[found_of[g]]
        true = names.get(truth.phrase[g], truth.phrase[g])
        if names.get(said, said) == true:
            out[g] = VERDICTS.index("right")
        else:
            out[g] = VERDICTS.index("unnamed" if said == UNNAMED else "misidentified")
    return out


def sides(labels: Labelled) -> Float:
    """Side ``[N]`` of the square of the same area as each box, pixels."""
    box = labels.box_xyxy
    return np.asarray(np.sqrt(np.clip(box[:, 2:] - box[:, :2], 0, None).prod(1)), np.float64)


def right_names(p: Pairing) -> Bool:
    """``bool [D]``: found ones that are there and bear the right name."""
    right = np.zeros(len(p.found), np.bool_)
    matched = np.flatnonzero(p.found_of >= 0)
    right[p.found_of[matched]] = p.verdict[matched] == VERDICTS.index("right")
    return right


def _best(truth: Labelled, found: Labelled) -> tuple[Float, Float]:
    """Highest box IoU of each true thing with anything found in its frame, and the reverse."""
    a, b = (boxes_of(s, np.zeros(len(s), np.int64), False) for s in (truth, found))
    groups = group(a, b, len(found) + 1, True)
    f, t, overlap = overlaps(a, b, groups, "box", 1e-9)
    of_truth, of_found = np.zeros(len(truth)), np.zeros(len(found))
    np.maximum.at(of_truth, groups.truth[t], overlap)
    np.maximum.at(of_found, groups.found[f], overlap)
    return of_truth, of_found
