"""A certificate: at most so many of the labels accepted unseen are wrong, with what proves it.

The machine's doubt orders the tracks; the accepted ones are those below some doubt. Which doubt is
decided by the audits, so it is decided by a procedure that hardly ever accepts too much: sets are
tested from small to large, each with its part of ``delta``, and one that passes hands its part on
to the next (fallback procedure; Wiens & Dmitrienko, "The fallback procedure for evaluating a single
family of hypotheses", J. Biopharm. Stat. 2005). Each test is a bet, so the certificate may be asked
for after every audit, and the review may stop as soon as it is there. Bounds on draws without
replacement in proportion to size: Shekhar, Xu, Lipton, Liang & Ramdas, "Risk-limiting financial
audits via weighted sampling without replacement", UAI 2023.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import ReviewError
from scenekeeper.review.bounds import evidence, evidence_of_counts
from scenekeeper.review.outcomes import KINDS, Gold
from scenekeeper.review.sampling import Draw
from scenekeeper.review.units import Float, Int, Units

STEPS = 40
"""Sets that are tested; each holds so many more of the labels."""
AT_START = 0.8
"""Part of ``delta`` that stands on the set the machine believes in, the rest on all sets alike."""
BELIEVED = 0.5
"""That set has half of the errors allowed by the machine's own doubt, which may be off by twice."""

MISSES: Float = np.concatenate((np.arange(0, 0.3, 0.01), np.arange(0.3, 1.001, 0.05)))
"""Shares of wrong labels that the reviewer may miss, from none to all; the worst of them counts."""


@dataclass(frozen=True)
class Certificate:
    """What holds of the labels accepted unseen, and all that is needed to check it.

    Attributes:
        epsilon: share of them that may be wrong.
        delta: probability that a certificate of this kind is wrong.
        level: part of ``delta`` that the accepted set was tested at.
        kinds: of errors that count.
        snapshot: fingerprint of the labels; others are not certified.
        design: of the draw,
        seed: and of its order.
        audits: tracks audited, in the draw's order without a gap.
        counts: labels, and the share of them that was wrong, of each audited track that is among
            the accepted, in the order of the draw.
        certified_labels: labels of the accepted tracks, audited or not.
        certified: rows of the accepted tracks in the units.
        accepted_labels: these and the labels of all tracks that people decided on, for which the
            people answer,
        labels: of so many in all.
        left: tracks that neither the certificate nor anybody has accepted, and
        left_labels: their labels.
        gold: planted errors and what became of them; ``None`` = the reviewer is taken to miss none.
    """

    epsilon: float
    delta: float
    level: float
    kinds: tuple[str, ...]
    snapshot: str
    design: str
    seed: int
    audits: int
    counts: tuple[tuple[int, float], ...]
    certified_labels: int
    certified: tuple[int, ...]
    accepted_labels: int
    labels: int
    left: int
    left_labels: int
    gold: Gold | None = None

    @property
    def share(self) -> float:
        """Share of all labels that are accepted unseen or were decided on."""
        return self.accepted_labels / max(self.labels, 1)

    @property
    def statement(self) -> str:
        """The certificate in words."""
        return (
            f"{percent(1 - self.epsilon)} of the labels accepted unseen are right, at"
            f" {percent(1 - self.delta)} confidence; {math.floor(100 * self.share)} % of the"
            f" dataset accepted or reviewed; {self.left_labels:,} labels left to someone"
        )

    @property
    def grounds(self) -> str:
        """What it rests on, in words."""
        n, wrong = len(self.counts), sum(share > 0 for _, share in self.counts)
        eye = "The reviewer is taken to miss no error."
        if self.gold is not None:
            eye = f"Of {self.gold.planted} errors planted, {self.gold.missed} were missed."
        return (
            f"{self.audits} tracks were audited in random order (seed {self.seed});"
            f" {n} of them are among the accepted, {wrong} of these with an error"
            f" ({', '.join(self.kinds)}). {eye} Holds for these labels only ({self.snapshot})."
        )

    @property
    def proven(self) -> bool:
        """Whether the counts prove it; computed anew."""
        counts = np.array(self.counts, np.float64).reshape(-1, 2)
        against = proof(counts[:, 0], counts[:, 1], self.certified_labels, self.epsilon, self.gold)
        part = self.level <= self.delta * (1 + 1e-9)  # sums of parts are rounded
        return part and against >= -math.log(self.level) - 1e-9

    def holds_for(self, units: Units) -> bool:
        """Whether it is about these labels; it is void once any label was made anew."""
        return self.snapshot == units.snapshot

    def to_json(self) -> str:
        """With the statement, for people and machines."""
        data = {"statement": self.statement, "grounds": self.grounds, **asdict(self)}
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Certificate:
        """Read back what :meth:`to_json` wrote.

        Raises:
            ReviewError: it is no certificate.
        """
        try:
            data: dict[str, Any] = json.loads(text)
            del data["statement"], data["grounds"]
            data["gold"] = None if data["gold"] is None else Gold(**data["gold"])
            data["counts"] = tuple((int(n), float(w)) for n, w in data["counts"])
            data |= {name: tuple(data[name]) for name in ("kinds", "certified")}
            return cls(**data)
        except (KeyError, TypeError, ValueError) as error:
            raise ReviewError(f"is no certificate: {error!r}", place="certificate") from error


def certify(
    units: Units,
    draw: Draw,
    wrong: Sequence[float] | Float,
    epsilon: float = 0.05,
    delta: float = 0.1,
    *,
    gold: Gold | None = None,
    decided: Int | None = None,
    kinds: tuple[str, ...] = KINDS,
) -> Certificate | None:
    """The largest set of labels that the audits certify; ``None`` if they certify none yet.

    With probability ``1 - delta`` at least, every certificate ever issued on one draw for one
    ``epsilon`` is true: of the labels of the accepted tracks, as the machine made them, at most a
    share ``epsilon`` is wrong. What people corrected among them since comes on top, and if they
    settle all that is left, no more than that share of the whole dataset is wrong. The wrong labels
    of the accepted set are taken to be missed as often as the planted ones of ``gold``.

    Args:
        units: of the draw.
        draw: of ``tracks``.
        wrong: ``[k]`` shares of the labels of the draw's first k tracks that are wrong.
        epsilon: share of the accepted that may be wrong.
        delta: probability that this does not hold.
        gold: how the reviewer did; ``None`` takes every error to be found.
        decided: rows of units that people have decided on, in whatever stream; they count as
            accepted.
        kinds: of errors that ``wrong`` counts; only told.

    Raises:
        ReviewError: the draw is of other labels or design, or a share is none.
    """
    wrong = _checked(units, draw, wrong, epsilon, delta)
    sets = candidates(draw, epsilon)
    best, level = None, 0.0
    for accepted, part in zip(sets.accepted, sets.parts * delta, strict=True):
        level += part
        inside = accepted[: len(wrong)]
        counts = draw.labels[: len(wrong)][inside], wrong[inside]
        total = int(draw.labels[accepted].sum())
        if level > 0 and _passes(*counts, total, epsilon, gold, level):
            best = accepted, level, total, counts
        else:
            level = 0.0
    if best is None:
        return None
    accepted, level, total, counts = best
    known = np.ones(len(units), np.bool_)
    known[draw.rows[len(wrong) :][~accepted[len(wrong) :]]] = False
    if decided is not None:
        known[decided] = True
    return Certificate(
        epsilon,
        delta,
        level,
        kinds,
        draw.snapshot,
        draw.design,
        draw.seed,
        len(wrong),
        tuple(zip(counts[0].tolist(), counts[1].tolist(), strict=True)),
        total,
        tuple(np.sort(draw.rows[accepted]).tolist()),
        int(units.frames[known].sum()),
        int(units.frames.sum()),
        int((~known).sum()),
        int(units.frames[~known].sum()),
        gold,
    )


def _checked(
    units: Units, draw: Draw, wrong: Sequence[float] | Float, epsilon: float, delta: float
) -> Float:
    if draw.design != "tracks" or draw.snapshot != units.snapshot:
        raise ReviewError(
            "the audits were drawn from other labels", remedy="Draw tracks of these labels."
        )
    if not (0 < epsilon < 1 and 0 < delta < 1):
        raise ReviewError("epsilon and delta lie between 0 and 1")
    wrong = np.asarray(wrong, np.float64)
    if wrong.ndim != 1 or len(wrong) > len(draw) or not np.all((wrong >= 0) & (wrong <= 1)):
        raise ReviewError("needs a share in [0, 1] of each audited track, in order", place="wrong")
    return wrong


# --- the sets -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Sets:
    """S nested sets of a draw's n tracks, smallest first.

    Attributes:
        accepted: ``bool [S, n]`` in the draw's order.
        parts: ``float64 [S]`` part of ``delta`` that stands on each; their sum is 1.
        labels: ``int64 [S]`` in each.
        expected: ``float64 [S]`` share of them that the machine itself takes to be wrong.
    """

    accepted: NDArray[np.bool_]
    parts: Float
    labels: Int
    expected: Float


def candidates(draw: Draw, epsilon: float) -> Sets:
    """What is tested, from the draw alone: no audit has a say in it."""
    order = np.lexsort((draw.rows, draw.doubt))
    labels = np.cumsum(draw.labels[order])
    expected = np.cumsum((draw.doubt * draw.labels)[order]) / labels
    wanted = labels[-1] * np.arange(1, STEPS + 1) / STEPS if len(draw) else np.zeros(0)
    ends = np.unique(np.searchsorted(labels, wanted - 1e-6))
    place = np.empty(len(draw), np.int64)
    place[order] = np.arange(len(draw))
    parts = np.full(len(ends), (1 - AT_START) / max(len(ends), 1))
    if len(ends):
        believed = np.flatnonzero(expected[ends] <= BELIEVED * epsilon)
        parts[believed[-1] if len(believed) else 0] += AT_START
    return Sets(place <= ends[:, None], parts, labels[ends], expected[ends])


# --- the test -------------------------------------------------------------------------------------


def _passes(
    labels: Int, wrong: Float, total: int, epsilon: float, gold: Gold | None, level: float
) -> bool:
    """Whether the evidence is enough; what fails with a perfect reviewer needs no closer look."""
    need = -math.log(level)
    if proof(labels, wrong, total, epsilon, None) < need:
        return False
    return gold is None or proof(labels, wrong, total, epsilon, gold) >= need


def proof(
    labels: Float | Int, wrong: Float, total: int, epsilon: float, gold: Gold | None
) -> float:
    """Log evidence that less than ``epsilon`` of a set's labels are wrong.

    If the reviewer misses a share b of them, then audits find less than ``(1 - b) epsilon``; how
    large b may be, the gold cards tell. Both bets are won together under the hypothesis only with
    small probability, whatever b is, so the worst b counts.

    Args:
        labels: ``[m]`` of the audited tracks of the set, in the order of the draw.
        wrong: ``[m]`` share of each that was found wrong.
        total: labels in the set.
        epsilon: share that the hypothesis calls wrong.
        gold: planted errors; ``None`` = b is 0.
    """
    labels = np.asarray(labels, np.float64)
    lost = labels * wrong
    left = total - (np.cumsum(labels) - labels)
    before = np.cumsum(lost) - lost
    if gold is None:
        return float(evidence(wrong, np.clip((epsilon * total - before) / left, 0, 1)))
    # Between two values of b the audits say least at the upper and the gold cards at the lower.
    found = (1 - MISSES[1:, None]) * epsilon * total
    of_audits = evidence(wrong, np.clip((found - before) / left, 0, 1))
    return float((of_audits + of_eye(gold)).min())


def of_eye(gold: Gold) -> Float:
    """Log evidence ``[B - 1]`` that the reviewer misses less than each of :data:`MISSES` but the
    last. Half of the capital is never bet, so that what is no news costs little."""
    bet = evidence_of_counts(gold.planted, gold.missed, MISSES[:-1])
    return np.asarray(np.logaddexp(bet, 0) - math.log(2))


def percent(share: float) -> str:
    """A share as people write it."""
    return f"{100 * share:.10g} %"
