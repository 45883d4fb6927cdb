"""How sure a grounder must be of a phrase in a clip: less so of one that is hardly found there.

In: a clip's labels with weak candidates. Out: a threshold per phrase, and the labels above it. The
rule: a phrase's threshold is ``start``. Where it is reached in fewer than ``enough`` frames, it
falls as far as it must to be reached in that many, but never below ``floor``. A phrase that a
review gave a threshold of its own keeps to that.

So a common thing keeps to the high threshold, a rare or small one is given a chance, and what a
weak candidate is worth stays visible in its score. Detectors are not equally sure of all phrases;
what they say of one phrase ranks its frames better than it compares phrases.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.schema import Labels


@dataclass(frozen=True)
class ThresholdConfig:
    """The limits.

    Attributes:
        start: threshold of a phrase that is found often enough.
        floor: threshold below which none falls.
        enough: frames of the clip in which a phrase shall be found.
        own: thresholds of single phrases, which do not fall; infinite = never.
    """

    start: float = 0.35
    floor: float = 0.15
    enough: int = 3
    own: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= self.start <= 1 or self.enough < 1:
            raise ValueError("thresholds: 0 <= floor <= start <= 1, and at least one frame")

    def facts(self) -> dict[str, Any]:
        """As plain JSON; without own thresholds it is what it was before there were any."""
        facts = asdict(self)
        own = facts.pop("own")
        return {**facts, "own": {k: min(v, 2.0) for k, v in own.items()}} if own else facts


def thresholds(
    clip: Sequence[Labels], phrases: Collection[str], config: ThresholdConfig | None = None
) -> dict[str, float]:
    """The threshold of each phrase in a clip.

    Args:
        clip: labels of its frames in any order; a phrase counts where it is a thing's first name.
        phrases: the vocabulary; one that is never found gets ``floor``.
        config: the limits.
    """
    config = config or ThresholdConfig()
    best: dict[str, list[float]] = {phrase: [] for phrase in phrases}
    for labels in clip:
        seen: dict[str, float] = {}
        for phrase, score in zip(labels.phrase, labels.score.tolist(), strict=True):
            seen[phrase] = max(seen.get(phrase, 0.0), score)
        for phrase, score in seen.items():
            if phrase in best:
                best[phrase].append(score)
    out = {}
    for phrase, scores in best.items():
        ranked = [*sorted(scores, reverse=True), *[0.0] * config.enough]
        out[phrase] = min(config.start, max(config.floor, ranked[config.enough - 1]))
    return {phrase: config.own.get(phrase, score) for phrase, score in out.items()}


def reached(labels: Labels, limits: Mapping[str, float]) -> NDArray[np.bool_]:
    """Which labels ``bool [N]`` reach their phrase's threshold; phrases without one all do."""
    least = np.array([limits.get(phrase, 0.0) for phrase in labels.phrase], np.float32)
    return np.asarray(labels.score >= least, np.bool_)
