"""Decisions about earlier labels, as decisions about the labels in force: for planning, not for
the labels.

In: events, and the runs in force. Out: the events that speak of these labels. Tracks that were
numbered anew are found by what the person looked at, as the fold does it; the proof of a sample is
left behind, for it was a sample of other labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from scenekeeper.review.events import Decision, Event, Sample, Subject
from scenekeeper.review.labelled import Labelled, met
from scenekeeper.store import Dataset


def carried(
    dataset: Dataset, snapshot: str, runs: Mapping[str, str], events: Iterable[Event]
) -> list[Event]:
    """Events as they speak of the labels in force; those that no longer do are left out.

    Args:
        dataset: the labels.
        snapshot: fingerprint of them.
        runs: per session, the run of its labels.
        events: of the log.

    Raises:
        DatasetError: the labels cannot be read.
    """
    events = list(events)
    where = _looked_at(dataset, runs, [e.decision for e in events if _is_stale(e.decision, runs)])
    out = []
    for event in events:
        d = event.decision
        if _is_stale(d, runs):
            found = list(met(d, d.subject.session, where[d.subject.session]))
            if d.subject.kind != "track" or not found:
                continue
            d = replace(d, subject=Subject("track", d.subject.session, found[0]))
        if d.sample.stream != "gold" and d.sample.snapshot not in ("", snapshot):
            d = replace(d, sample=Sample())
        out.append(event if d is event.decision else replace(event, decision=d))
    return out


def _is_stale(d: Decision, runs: Mapping[str, str]) -> bool:
    """Whether the numbers of its tracks are those of other labels."""
    session = d.subject.session
    numbered = d.subject.kind == "track" or (d.subject.kind == "pair" and session != "")
    return numbered and d.runs.get(session, runs.get(session)) != runs.get(session)


def _looked_at(
    dataset: Dataset, runs: Mapping[str, str], decisions: Iterable[Decision]
) -> dict[str, Labelled]:
    """Per session, where its tracks are now in the frames that the decisions speak of."""
    frames: dict[str, set[int]] = {}
    for d in decisions:
        of_session = frames.setdefault(d.subject.session, set())
        of_session |= {a[1] for a in d.anchor if a[0] == d.subject.session}
    out = {}
    for session, wanted in frames.items():
        rows = dataset.sql(
            "SELECT frame_id, track, box_xyxy FROM instances_auto WHERE session = ?"
            " AND frame_id IN (SELECT unnest(?::BIGINT[])) ORDER BY frame_id",
            [session, sorted(wanted)],
        )
        ids, tracks = rows["frame_id"].to_numpy(), rows["track"].to_numpy()
        boxes = np.array(rows["box_xyxy"].to_pylist(), np.float64).reshape(-1, 4)
        cuts = {f: np.searchsorted(ids, [f, f + 1]) for f in wanted}
        lying = {f: (tracks[low:high], boxes[low:high]) for f, (low, high) in cuts.items()}
        out[session] = Labelled(runs.get(session, ""), {}, boxes=lying)
    return out
