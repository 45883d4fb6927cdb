"""Two labelings against the same truth, figure by figure, with the chance that it is chance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scenekeeper.evaluate.evaluation import Evaluation
from scenekeeper.evaluate.resample import difference
from scenekeeper.evaluate.rows import Row

NOT_TESTED = "not tested"


@dataclass(frozen=True)
class Difference:
    """One figure of two labelings.

    Attributes:
        section: which question it answers.
        name: what it is.
        first: the one's figure.
        second: the other's.
        difference: second less first.
        low: lower end of the difference's 95 % interval over clips; ``None`` = not computed.
        high: upper end.
        p: two-sided probability of so large a difference by the choice of clips alone.
        verdict: ``better``, ``worse`` or ``same`` of the second, at 5 %; ``not tested`` where the
            figure is no ratio of sums over clips (AP, HOTA, a median) or there is one clip only;
            ``""`` where neither is better or there is nothing to compare.
    """

    section: str
    name: str
    first: float | None
    second: float | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def compare(first: Evaluation, second: Evaluation) -> tuple[Difference, ...]:
    """Compare two evaluations on the same truth; clips that both have are drawn in pairs."""
    others = {r.name: r for r in second.rows}
    return tuple(_difference(r, others[r.name]) for r in first.rows if r.name in others)


def _difference(a: Row, b: Row) -> Difference:
    gap = None if a.value is None or b.value is None else b.value - a.value
    low = high = p = None
    verdict = NOT_TESTED if gap is not None and a.better else ""
    clips = sorted(a.clips.keys() & b.clips.keys())
    if gap is not None and len(clips) > 1 and a.better:
        sums = [np.array([row.clips[c] for c in clips]) for row in (a, b)]
        low, high, p = difference(sums[0], sums[1], a.power)
        good = gap > 0 if a.better == "higher" else gap < 0
        verdict = "same" if p > 0.05 else ("better" if good else "worse")
    return Difference(a.section, a.name, a.value, b.value, gap, low, high, p, verdict)
