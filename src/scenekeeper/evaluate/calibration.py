"""Does a confidence mean what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scenekeeper.evaluate.pairing import VERDICTS, Pairing
from scenekeeper.evaluate.rows import Row
from scenekeeper.schema import UNNAMED

BINS = 15


def calibration_rows(p: Pairing, names: Mapping[str, str], plots: dict[str, Any]) -> Iterator[Row]:
    """ECE, Brier score, and the reliability curve as a plot."""
    section = "calibration"
    known = np.isfinite(p.found.p) & (p.truth_of != -2)
    known &= np.array([w != UNNAMED for w in p.found.phrase], np.bool_)
    if not known.any():
        return
    right = np.zeros(len(p.found), np.bool_)
    matched = np.flatnonzero(p.found_of >= 0)
    right[p.found_of[matched]] = p.verdict[matched] == VERDICTS.index("right")
    confidence, hit = np.clip(p.found.p[known], 0, 1), right[known]
    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gap = np.abs(np.bincount(which, confidence, BINS) - np.bincount(which, hit, BINS))
    yield Row(section, "ECE of named labels", float(gap.sum() / len(hit)), len(hit), better="lower")
    brier = float(((confidence - hit) ** 2).mean())
    yield Row(section, "Brier score of named labels", brier, len(hit), better="lower")
    plots["reliability"] = [
        [
            float(confidence[which == b].mean()),
            float(hit[which == b].mean()),
            int((which == b).sum()),
        ]
        for b in range(BINS)
        if (which == b).any()
    ]
