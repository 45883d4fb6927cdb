"""Decisions that have to wait for others, and such as the labels make needless.

A split or an addition makes a track, and the log numbers it. Until then what else is decided about
that track names the decision that makes it.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from scenekeeper import geometry
from scenekeeper.errors import ScenekeeperWarning
from scenekeeper.exchange.queue_match import SAME_THING
from scenekeeper.exchange.queue_sheets import Queue, letter_of
from scenekeeper.review.events import Decision
from scenekeeper.store import Dataset

PENDING = -2
"""Number of a track that another decision makes; ``body["of"]`` says which."""


def is_pending(d: Decision) -> bool:
    """Whether a decision waits for the number of a track."""
    return PENDING in (d.subject.id, d.subject.other)


def makers(d: Decision) -> set[str]:
    """Ids of the decisions that a decision waits for."""
    return {identity for identity in d.body.get("of", ()) if identity}


def filled_in(d: Decision, numbered: Mapping[str, int]) -> Decision:
    """A decision with the numbers of its tracks.

    Args:
        d: a decision that waits.
        numbered: by id of a decision the track that it has made.
    """
    first, *rest = d.body["of"]
    subject = d.subject
    if first:
        subject = replace(subject, id=numbered[first])
    if rest and rest[0]:
        subject = replace(subject, other=numbered[rest[0]])
    body = {k: v for k, v in d.body.items() if k != "of"}
    return replace(d, subject=subject, body=body)


def unlabelled(dataset: Dataset, queue: Queue, found: Sequence[Decision]) -> list[Decision]:
    """Leave out additions that labels show which were not in the queue, and what waits for them.

    Who is shown some tracks only cannot know that others are labelled already. Where labels were
    made anew since, it is the log that finds out what became of an addition.
    """
    known = {(queue.sheets[letter_of(k)].session, o.track) for k, o in queue.owners.items()}
    dropped = set()
    now = {s for s, run in queue.runs.items() if dataset.current(s).get("instances") == run}
    for d in (d for d in found if d.op == "add" and d.subject.session in now):
        query = "SELECT track, box_xyxy FROM instances_auto WHERE session = ? AND frame_id = ?"
        rows = dataset.sql(query, [d.subject.session, d.subject.id]).to_pylist()
        boxes = [r["box_xyxy"] for r in rows if (d.subject.session, r["track"]) not in known]
        box = np.array([d.body["box_xyxy"]])
        if boxes and geometry.box_iou(box, np.array(boxes)).max() >= SAME_THING:
            dropped.add(d.id)
    if dropped:
        warnings.warn(
            f"{len(dropped)} new things are labelled already, by tracks that were not exported;"
            " they are left out",
            ScenekeeperWarning,
            stacklevel=3,
        )
    return [d for d in found if d.id not in dropped and not makers(d) & dropped]
