"""Are there as many as are said to be: per class and frame, and which way the error goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.evaluate.pairing import Pairing
from scenekeeper.evaluate.rows import Row, ratio, share
from scenekeeper.schema import UNNAMED

Int = NDArray[np.int64]

SECTION = "counting"


def counting_rows(p: Pairing, names: Mapping[str, str], plots: dict[str, Any]) -> Iterator[Row]:
    """How many of a kind, per frame and class that either side names; per class as a plot.

    ``plots["counts"]`` has per class the true ones, the found ones, and the frames that show or
    name any with how many of them have the exact number.
    """
    classes, image, kind, true, said = _counts(p, names)
    if not len(image):
        return
    clip = p.truth.clip[image]
    off, ones = said - true, np.ones(len(image))
    yield share(SECTION, "class counts that are exact", off == 0, clip)
    yield ratio(SECTION, "mean absolute count error", np.abs(off), ones, clip, "lower")
    yield ratio(SECTION, "count bias (found less true)", off, ones, clip, "")
    yield share(SECTION, "class counts that are too high", off > 0, clip, "lower")
    yield share(SECTION, "class counts that are too low", off < 0, clip, "lower")
    sums = [np.bincount(kind, x, len(classes)).astype(int) for x in (true, said, ones, off == 0)]
    plots["counts"] = {
        c: dict(zip(("true", "found", "frames", "exact"), map(int, row), strict=True))
        for c, row in zip(classes, zip(*sums, strict=True), strict=True)
    }


def _counts(p: Pairing, names: Mapping[str, str]) -> tuple[list[str], Int, Int, Int, Int]:
    """Classes, and per frame and class that either side names: frame, class, true, found.

    What was paired with a thing too small to count does not count either.
    """
    found = p.found[p.truth_of != -2]
    phrases = [names.get(w, w) for side in (p.truth, found) for w in side.phrase]
    classes, code = np.unique(np.array(phrases, str), return_inverse=True)
    image = np.concatenate((p.truth.image, found.image))
    named = np.array([w != UNNAMED for s in (p.truth, found) for w in s.phrase], np.bool_)
    of_found = np.arange(len(image)) >= len(p.truth)
    key = (image * len(classes) + code)[named]
    cell, at = np.unique(key, return_inverse=True)
    said = np.bincount(at, of_found[named], len(cell)).astype(np.int64)
    true = np.bincount(at, minlength=len(cell)) - said
    used, kind = np.unique(cell % max(1, len(classes)), return_inverse=True)
    where = cell // max(1, len(classes))
    return classes[used].tolist(), where, kind.astype(np.int64), true, said
