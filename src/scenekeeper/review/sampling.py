"""Seeded draws for audits: in which order things are looked at so that they speak for the rest.

Labels are drawn at random, one after another, and each is shown as its track: so a track comes up
with a probability in proportion to its labels, and one that is drawn again costs nothing. Whoever
stops early has a sample all the same, as long as the order was taken as it came.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import ReviewError
from scenekeeper.review.events import Sample
from scenekeeper.review.units import Float, Int, Units


@dataclass(frozen=True, eq=False)
class Draw:
    """A random order of n things, and how far it is meant to be taken.

    Attributes:
        design: ``tracks`` (by their labels), or simple random: ``frames``, ``relations``,
            ``captions``.
        seed: of the order.
        snapshot: of the labels that were drawn from.
        size: how many are to be audited; these are kept out of the other streams.
        rows: ``int64 [n]`` rows of what was drawn from, first drawn first.
        labels: ``int64 [n]`` how many labels each stands for; 1 in simple random draws.
        doubt: ``float64 [n]`` the machine's probability that a label of it is wrong, as it was
            when the order was drawn. No audit may change it: a score that has seen the audits
            cannot be judged by them. NaN where there is none.
        arrival: ``float64 [n]`` when each comes up, ascending. Of ``tracks`` it is exponential
            with the labels as rate: then each draw is in proportion to the labels that are left.
    """

    design: str
    seed: int
    snapshot: str
    size: int
    rows: Int
    labels: Int
    doubt: Float
    arrival: Float

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def index(self) -> Int:
        """``int64 [size]``: rows to audit, in this order."""
        return self.rows[: self.size]

    @property
    def rank(self) -> Int:
        """``int64 [size]``: places in the order, from 0."""
        return np.arange(len(self.index))

    @property
    def pi(self) -> Float:
        """``float64 [size]``: :meth:`inclusion` if all of them are audited."""
        return self.inclusion(len(self.index))

    def inclusion(self, k: int) -> Float:
        """``float64 [k]``: of each of the first ``k``, the probability to be among them.

        Of ``tracks`` it is conditional on when the next one comes up: dividing by it gives
        estimates without bias whose errors are uncorrelated from thing to thing (Cohen & Kaplan,
        "Summarizing data using bottom-k sketches", PODC 2007).
        """
        if self.design != "tracks":
            return np.full(k, k / max(len(self), 1))
        following = self.arrival[k] if k < len(self) else np.inf
        return np.asarray(-np.expm1(-self.labels[:k] * following))

    def sample(self, rank: int) -> Sample:
        """What a card says of why it is shown."""
        pi = float(self.pi[rank])
        return Sample("audit", self.design, pi, rank, self.seed, self.snapshot)

    def to(self, size: int) -> Draw:
        """The same order, taken so far."""
        return replace(self, size=min(size, len(self)))

    def to_json(self) -> str:
        """What to draw it again from."""
        order = np.argsort(self.rows)
        data = {
            "design": self.design,
            "seed": self.seed,
            "snapshot": self.snapshot,
            "size": self.size,
            "rows": self.rows[order].tolist(),
            "labels": self.labels[order].tolist(),
            "doubt": [None if np.isnan(d) else d for d in self.doubt[order].tolist()],
        }
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Draw:
        """Read back what :meth:`to_json` wrote.

        Raises:
            ReviewError: it is no draw.
        """
        try:
            data: dict[str, Any] = json.loads(text)
            rows, labels = (np.array(data[name], np.int64) for name in ("rows", "labels"))
            doubt = np.array(data["doubt"], np.float64)
            head = (data["design"], data["seed"], data["snapshot"])
            return _drawn(*head, rows, labels, doubt).to(data["size"])
        except (KeyError, TypeError, ValueError) as error:
            raise ReviewError(f"is no stored draw: {error!r}", place="draw") from error


def tracks(
    units: Units, p: Float, seed: int, size: int, decided: NDArray[np.bool_] | None = None
) -> Draw:
    """An order of tracks in proportion to their labels.

    The better ``p`` tells right from wrong, and the nearer it is to how often, the more can be
    certified. So draw for a certificate once some sixty tracks have taught it, and leave those out:
    they may have been chosen in any way. Then keep the draw. Each has a delta of its own, and who
    draws until one certifies has spent them all.

    Args:
        units: N tracks.
        p: ``float64 [N]`` probability that a label of the track is right.
        seed: the same seed and units give the same order.
        size: how many are to be audited.
        decided: ``bool [N]`` tracks that people have settled already; they need no proof. Without
            it all are drawn from.

    Raises:
        ReviewError: a probability is none.
    """
    p = np.asarray(p, np.float64)
    if p.shape != (len(units),) or not np.all((p >= 0) & (p <= 1)):
        raise ReviewError("needs one probability per track", place="p")
    open_ = units.frames > 0
    if decided is not None:
        open_ = open_ & ~np.asarray(decided, np.bool_)
    rows = np.flatnonzero(open_)
    return _drawn("tracks", seed, units.snapshot, rows, units.frames[rows], 1 - p[rows]).to(size)


def simple(design: str, n: int, seed: int, size: int, snapshot: str) -> Draw:
    """A random order of ``n`` frames, relations or captions, each as likely as any other."""
    ones = np.ones(n, np.int64)
    return _drawn(design, seed, snapshot, np.arange(n), ones, np.full(n, np.nan)).to(size)


def _drawn(design: str, seed: int, snapshot: str, rows: Int, labels: Int, doubt: Float) -> Draw:
    rng = np.random.default_rng(seed)
    # By inversion: of all of NumPy's streams, uniform numbers are the least likely to change.
    at = -np.log1p(-rng.random(len(rows))) / labels
    order = np.argsort(at, kind="stable")
    in_order = (rows[order], labels[order], doubt[order], at[order])
    return Draw(design, seed, snapshot, len(rows), *in_order)
