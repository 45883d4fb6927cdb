"""Two labelings against the same truth, figure by figure, with the chance that it is chance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scenekeeper.evaluate.evaluation import Evaluation
from scenekeeper.evaluate.rows import DRAWS, Row


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
        verdict: ``better``, ``worse`` or ``same`` of the second, at 5 %; ``""`` = not tested.
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
    verdict = ""
    clips = sorted(a.clips.keys() & b.clips.keys())
    if gap is not None and len(clips) > 1 and a.better:
        low, high, p = _paired(a.clips, b.clips, clips)
        good = gap > 0 if a.better == "higher" else gap < 0
        verdict = "same" if p > 0.05 else ("better" if good else "worse")
    return Difference(a.section, a.name, a.value, b.value, gap, low, high, p, verdict)


def _paired(
    a: Mapping[int, tuple[float, float]], b: Mapping[int, tuple[float, float]], clips: list[int]
) -> tuple[float, float, float]:
    """Interval and p of the difference of two ratios of sums, clips drawn in pairs."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(clips), (DRAWS, len(clips)))
    gaps = _ratios(b, clips, drawn) - _ratios(a, clips, drawn)
    gaps = gaps[np.isfinite(gaps)]
    if not len(gaps):
        return 0.0, 0.0, 1.0
    low, high = np.percentile(gaps, [2.5, 97.5])
    one_side = min((gaps <= 0).mean(), (gaps >= 0).mean())
    # No number of draws shows that something cannot happen.
    return float(low), float(high), float(min(1.0, 2 * max(one_side, 1 / DRAWS)))


def _ratios(
    sums: Mapping[int, tuple[float, float]], clips: list[int], drawn: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    top, bottom = np.array([sums[c] for c in clips]).T
    below = bottom[drawn].sum(1)
    return np.asarray(
        np.divide(top[drawn].sum(1), below, out=np.full(len(drawn), np.nan), where=below > 0)
    )
