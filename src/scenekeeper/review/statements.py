"""What the machine says of things, as questions: relations, and sentences of a describer.

In: an opened dataset. Out: entries for the queue. What a template says follows from the labels and
is put right with them; nobody is asked about it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

import numpy as np

from scenekeeper.review.effort import Effort
from scenekeeper.review.entry import Entry, group_key
from scenekeeper.review.events import Sample, Subject
from scenekeeper.review.reel import Reel
from scenekeeper.schema import UNNAMED

OF_OBJECT = "object"
"""Predicate of the subject of a sentence about an object, told from one about a frame."""
UNTRUE = 0.1
"""How often a sentence is wrong of which no score is known."""
WORTH = 0.25
"""A statement is one of the four things that are said of a thing in a frame; a label says its name,
its outline and which one it is."""
MOST = 500


def statements(reel: Reel, effort: Effort | None = None) -> list[Entry]:
    """Relations and sentences, those first by which most would be put right."""
    found = [*relations(reel, effort), *captions(reel, effort)]
    return sorted(found, key=lambda entry: -entry.gain)[:MOST]


def relations(reel: Reel, effort: Effort | None = None) -> list[Entry]:
    """Relations between named things that no person stated; what audits draw from."""
    return list(_relations(reel, effort or Effort()))


def captions(reel: Reel, effort: Effort | None = None) -> list[Entry]:
    """All sentences of a describer, about frames and then about objects."""
    effort = effort or Effort()
    return [*_of_frames(reel, effort), *_of_objects(reel, effort)]


def said(subject: str, predicate: str, other: str) -> str:
    """A relation as a sentence."""
    return f"The {subject} is {predicate} the {other}."


def _relations(reel: Reel, effort: Effort) -> Iterator[Entry]:
    """Each holds in all frames that show both things."""
    units = reel.units
    row_of = {
        (session, thing): row
        for row, (session, thing) in enumerate(
            zip(units.session, units.object.tolist(), strict=True)
        )
    }
    asked = reel.dataset.sql(
        "SELECT session, subject, predicate, object, min(score) AS score"
        f" FROM {_machine(reel, 'relations')}"
        " WHERE source NOT IN ('person', 'truth') GROUP BY ALL ORDER BY ALL"
    )
    for r in asked.to_pylist():
        a, b = (row_of.get((r["session"], r[name])) for name in ("subject", "object"))
        if a is None or b is None or UNNAMED in (units.phrase[a], units.phrase[b]):
            continue  # things get their names first
        subject = Subject("relation", r["session"], r["subject"], r["object"], r["predicate"])
        sentence = said(units.phrase[a], r["predicate"], units.phrase[b])
        gain = WORTH * (1 - _score(r["score"])) * max(1.0, _together(reel, a, b))
        yield _entry(reel, "relation", subject, (a, b), gain, effort, sentence)


def _of_frames(reel: Reel, effort: Effort) -> Iterator[Entry]:
    """Frames of a camera in a row of which the same is said are asked about once."""
    rows = reel.dataset.sql(
        f"SELECT session, camera, frame_id, text FROM {_machine(reel, 'captions')}"
        " JOIN frames USING (session, frame_id) WHERE source <> 'template' AND status = 'auto'"
        " ORDER BY session, camera, frame_id"
    ).to_pylist()
    alike = groupby(rows, key=lambda r: (r["session"], r["camera"], r["text"]))
    for (session, _, text), run in alike:
        frames = [r["frame_id"] for r in run]
        subject = Subject("caption", session, frames[len(frames) // 2])
        gain = WORTH * UNTRUE * len(frames)
        yield _entry(reel, "caption", subject, (), gain, effort, text)


def _of_objects(reel: Reel, effort: Effort) -> Iterator[Entry]:
    units = reel.units
    row_of = {
        key: row for row, key in enumerate(zip(units.session, units.track.tolist(), strict=True))
    }
    rows = reel.dataset.sql(
        "SELECT session, object, track, text, score"
        f" FROM {_machine(reel, 'object_captions')}"
        " WHERE source <> 'template' AND status = 'auto' ORDER BY session, object"
    ).to_pylist()
    for r in rows:
        row = row_of.get((r["session"], r["track"]))
        if row is not None:
            subject = Subject("caption", r["session"], r["object"], predicate=OF_OBJECT)
            gain = WORTH * (1 - _score(r["score"])) * float(units.frames[row])
            yield _entry(reel, "caption", subject, (row,), gain, effort, r["text"])


def _machine(reel: Reel, view: str) -> str:
    """The view of what machines say: what was decided since must not change what is drawn from."""
    found = reel.dataset.sql(
        "SELECT view_name FROM duckdb_views() WHERE view_name = ?", [f"{view}_auto"]
    )
    return f"{view}_auto" if len(found) else view


def _entry(
    reel: Reel,
    kind: str,
    subject: Subject,
    rows: tuple[int, ...],
    gain: float,
    effort: Effort,
    sentence: str,
) -> Entry:
    keys = tuple(dict.fromkeys(group_key(reel.units, row) for row in rows)) or (subject.key,)
    sample = Sample("repair", snapshot=reel.units.snapshot)
    cluster = f"{subject.predicate}/{kind}"
    return Entry(
        kind,  # type: ignore[arg-type]
        subject,
        rows,
        sample,
        effort.pair,
        gain,
        keys,
        cluster,
        statement=sentence,
    )


def _together(reel: Reel, a: int, b: int) -> float:
    """About how many frames show both: where they overlap in time, by the sparser of the two."""
    units = reel.units
    shared = min(units.last[a], units.last[b]) - max(units.first[a], units.first[b]) + 1
    density = [units.frames[k] / (units.last[k] - units.first[k] + 1) for k in (a, b)]
    return max(0.0, float(shared * min(density)))


def _score(value: float | None) -> float:
    """A score as a probability; unknown ones are those of :data:`UNTRUE`."""
    if value is None or not np.isfinite(value):
        return 1 - UNTRUE
    return float(np.clip(value, 0, 1))
