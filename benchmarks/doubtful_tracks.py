"""Tracks in rooms whose detections and names are doubtful, as the review sees them.

Who is detected, which ghosts come back and what scores they get: :mod:`benchmarks.doubtful_rooms`.
That a thing exists is believed as the product's world does. Names are wrong the way
:mod:`benchmarks.confused_names` has it: by class, mostly for a sister class, and in most views. No
formula of the trust model is used, and many signals are not there at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import expit, logit

from benchmarks.doubtful_rooms import Doubt, Walk, walk
from benchmarks.world_belief import existence_log_odds
from scenekeeper.review.signals import of_table
from scenekeeper.review.units import Units

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_GHOSTLY = Doubt(miss=0.2, ghosts=0.12, hertz=4.0, lasting=1.5, overconfidence=2.0)


@dataclass(frozen=True)
class Doubts:
    """How tracks go wrong.

    Attributes:
        room: how rooms are looked at, and by what detector.
        walks: through a room each.
        classes: in the vocabulary; even ones and the next are sisters.
        confuse: mean share of things that are called otherwise; classes differ widely.
        flicker: share of views with another name again.
        phrase_scale: spread of the offset of scores from phrase to phrase, logits.
        describes: share of a describer's answers that are right of a thing it can see well.
        drift: share of tracks whose mask is wrong for a while.
        patience: frames without a detection after which a track ends,
        confirm: and with so many at least it is one.
    """

    room: Doubt = field(default_factory=lambda: _GHOSTLY)
    walks: int = 30
    classes: int = 24
    confuse: float = 0.12
    flicker: float = 0.05
    phrase_scale: float = 0.6
    describes: float = 0.88
    drift: float = 0.08
    patience: int = 8
    confirm: int = 3


def doubtful(seed: int, doubts: Doubts | None = None) -> tuple[Units, Float]:
    """Tracks, and the share ``[N]`` of wrong labels of each; the same for the same seed."""
    doubts = doubts or Doubts()
    rng = np.random.default_rng([seed, 41])
    namer = _Namer.of(doubts, rng)
    rows: list[dict[str, object]] = []
    for k in range(doubts.walks):
        seen = walk(doubts.room, 1000 * seed + k)
        exists = existence_log_odds(seen, keyframes=round(doubts.room.hertz))
        for thing in range(len(seen.real)):
            true = int(rng.choice(doubts.classes, p=namer.often))
            usual = namer.called(true, bool(seen.real[thing]), rng)
            for frames in _tracks(seen.matched[:, thing], doubts):
                row = _track(seen, thing, frames, true, usual, namer, doubts, rng)
                row |= {"session": f"walk-{k:03d}", "object": thing, "track": len(rows)}
                rows.append({**row, "weak existence": -float(exists[thing])})
    names = pa.array([row.pop("names") for row in rows], pa.map_(pa.string(), pa.float32()))
    table = pa.Table.from_pylist(rows).append_column("names", names)
    return of_table(table, f"doubtful-{seed}"), table["wrong"].to_numpy()


def _tracks(matched: NDArray[np.bool_], doubts: Doubts) -> Iterator[Int]:
    """Runs of detections of one thing, none far from the next."""
    frames = np.flatnonzero(matched)
    for run in np.split(frames, np.flatnonzero(np.diff(frames) > doubts.patience) + 1):
        if len(run) >= doubts.confirm:
            yield run


# --- names ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Namer:
    often: Float
    wrong: Float
    offset: Float
    flicker: float

    @classmethod
    def of(cls, doubts: Doubts, rng: np.random.Generator) -> _Namer:
        n = doubts.classes
        often = rng.permutation(1 / np.arange(1, n + 1) ** 0.7)
        wrong = rng.beta(1.2, 1.2 * (1 / doubts.confuse - 1), n)
        offset = rng.normal(0, doubts.phrase_scale, n)
        return cls(often / often.sum(), wrong, offset, doubts.flicker)

    def called(self, true: int, real: bool, rng: np.random.Generator) -> int:
        """What a thing is taken for in most views."""
        if not real or rng.random() >= self.wrong[true]:
            return true  # a ghost is what it was taken for
        return true ^ 1 if rng.random() < 0.6 else self.another(true, rng)

    def another(self, than: int, rng: np.random.Generator) -> int:
        """Any other name."""
        return int((than + rng.integers(1, len(self.often))) % len(self.often))

    def views(self, usual: int, small: NDArray[np.bool_], rng: np.random.Generator) -> list[int]:
        """What it is called view by view."""
        chance = np.where(small, 3 * self.flicker, self.flicker)
        changed = rng.random(len(small)) < chance
        return [self.another(usual, rng) if c else usual for c in changed]


# --- one track ------------------------------------------------------------------------------------


def _track(
    seen: Walk,
    thing: int,
    frames: Int,
    true: int,
    usual: int,
    namer: _Namer,
    doubts: Doubts,
    rng: np.random.Generator,
) -> dict[str, object]:
    n, real = len(frames), bool(seen.real[thing])
    side = seen.side_px[frames, thing]
    votes = Counter(namer.views(usual, side < 24, rng))
    said = votes.most_common(1)[0][0]
    renamed = real and said != true
    tail = int(rng.integers(1, n + 1)) if rng.random() < 1 - np.exp(-n / 150) and real else 0
    slipped = round(rng.uniform(0, 0.35) * n) if real and rng.random() < doubts.drift else 0
    score = logit(np.clip(seen.score[frames, thing], 1e-3, 1 - 1e-3)) + namer.offset[said]
    score = expit(score - 0.8 * renamed + rng.normal(0, 0.5))
    asked = max(1, n // 8)
    agreed = rng.binomial(asked, _agreement(doubts, real, renamed, float(np.median(side)), rng))
    growth = np.quantile(np.abs(rng.normal(0, 0.06 if real else 0.12, n)), 0.95)
    wrong = 1.0 if not real or renamed else max(tail, slipped) / n
    return {
        "phrase": f"class {said}",
        "names": [(f"class {c}", v / n) for c, v in votes.most_common()],
        "frames": n,
        "first": int(frames[0]),
        "last": int(frames[-1]),
        "size_px": float(np.median(side)),
        "p": float(score.mean()),
        "wrong": wrong,
        "weak score": -float(logit(score.mean())),
        "weakest score": float(logit(score.mean()) - logit(score.min())),
        "changing names": 1 - votes[said] / n,
        "disagreement": 1 - agreed / asked,
        "gaps": 1 - n / float(frames[-1] - frames[0] + 1),
        "area jumps": float(np.log(growth + 0.3 * (slipped > 0) + 0.01)),
        "3D residual": float(
            np.log(0.14) + rng.normal(0, 0.5) + 1.2 * (tail / n) + 0.5 * (not real)
        ),
        "short": -float(np.log(n)),
        "small": -float(np.log(np.median(side))),
    }


def _agreement(
    doubts: Doubts, real: bool, renamed: bool, side: float, rng: np.random.Generator
) -> float:
    """Chance that a describer calls the track as it is called; its own errors stay in a track."""
    sees = doubts.describes if side > 24 else 0.7 * doubts.describes
    chance = 0.35 if not real else 0.1 if renamed else sees
    return float(expit(logit(chance) + rng.normal(0, 1)))
