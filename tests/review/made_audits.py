"""Tracks of known error for the tests of audits, and the events that an audit of them leaves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scenekeeper.review.events import Decision, Event, Sample, Subject
from scenekeeper.review.sampling import Draw
from scenekeeper.review.units import Float, Int, Units


def units_of(frames: Int, snapshot: str = "labels-1") -> Units:
    """Tracks of one session with so many labels each, from frame 100 on."""
    n = len(frames)
    return Units(
        snapshot=snapshot,
        session=("kitchen",) * n,
        track=np.arange(n),
        object=np.arange(n) + 1000,
        phrase=("mug",) * n,
        frames=np.asarray(frames, np.int64),
        first=np.full(n, 100),
        last=100 + np.asarray(frames, np.int64) - 1,
        size_px=np.full(n, 60.0),
        choices=({},) * n,
        signals=(),
        X=np.zeros((n, 0)),
        logit=np.zeros(n),
    )


def night(seed: int, n: int = 400, useful: float = 2.0) -> tuple[Units, Float, Float]:
    """Units, a calibrated p each, and the share of its labels that is wrong.

    Args:
        seed: of everything.
        n: tracks.
        useful: spread of the logit of p; 0 = it says nothing.
    """
    rng = np.random.default_rng([seed, 3])
    frames = np.clip(np.exp(rng.normal(3.5, 0.8, n)), 3, 300).astype(np.int64)
    doubt = 1 / (1 + np.exp(2.5 - useful * rng.normal(0, 1, n)))
    part = np.where(rng.random(n) < 0.3, rng.random(n), 1.0)
    wrong = (rng.random(n) < doubt) * np.ceil(part * frames) / frames
    return units_of(frames), 1 - doubt, wrong


def event(
    op: str,
    subject: Subject,
    body: Mapping[str, Any] | None = None,
    sample: Sample | None = None,
    **rest: Any,
) -> Event:
    """One event; the numbers come from :func:`log`."""
    sample = Sample() if sample is None else sample
    identity = rest.pop("id", f"{op}-{subject.key}-{sample.stream}-{sample.rank}")
    decision = Decision(identity, op, subject, body or {}, sample=sample, **rest)  # type: ignore[arg-type]
    return Event(0, decision, 0, "", "")


def audited(draw: Draw, units: Units, rank: int, op: str = "accept", **body: Any) -> Event:
    """The decision on one audit card of tracks."""
    row = int(draw.rows[rank])
    subject = Subject("track", units.session[row], int(units.track[row]))
    return event(op, subject, body, draw.sample(rank))
