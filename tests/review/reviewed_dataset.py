"""A small labelled dataset on disk, which can be labelled anew and given further sessions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scenekeeper import masks, schema
from scenekeeper.review.events import Decision, Subject
from scenekeeper.review.log import Log
from scenekeeper.schema import Camera, Labels
from scenekeeper.store import Dataset, SessionInfo

SIZE = (60, 80)
FRAMES = 6
MUG, TABLE, CHAIR = 7, 8, 9
THINGS = {0: (MUG, "cup", 10), 1: (TABLE, "table", 30), 2: (CHAIR, "chair", 45)}
"""Per track its object, phrase, and the row of pixels that it lies in."""


def made(path: Path) -> Dataset:
    """A dataset with one session ``kitchen``."""
    dataset = Dataset.create(path)
    add(dataset, "kitchen")
    return dataset


def add(dataset: Dataset, session: str, run: str = "i1") -> None:
    """Add a labelled session that shows the same objects."""
    camera = Camera("front", SIZE[1], SIZE[0])
    info = SessionInfo(session, "day.mcap", "MCAP", session, (camera,), (0, 3, FRAMES))
    columns: dict[str, Any] = {c: [None] * FRAMES for c in schema.FRAMES.names}
    columns |= {
        "session": [session] * FRAMES,
        "frame_id": [*range(FRAMES)],
        "camera": ["front"] * FRAMES,
        "t_ns": [1000 * k for k in range(FRAMES)],
        "height": [SIZE[0]] * FRAMES,
        "width": [SIZE[1]] * FRAMES,
    }
    dataset.add_session(info, pa.table(columns, schema.FRAMES), schema.SIGNALS.empty_table())
    label(dataset, session, run)


def box(track: int, frame: int) -> list[float]:
    row = THINGS[track][2]
    return [5.0 + 2 * frame, float(row), 15.0 + 2 * frame, float(row + 10)]


def label(
    dataset: Dataset, session: str, run: str, numbers: Mapping[int, int] | None = None
) -> None:
    """Label a session, or label it anew with its tracks numbered otherwise."""
    number = numbers or {t: t for t in THINGS}
    for clip in range(2):
        frames = [_labels(f, number) for f in range(3 * clip, 3 * clip + 3)]
        rows = schema.instances_table(session, frames)
        dataset.write_segment(rows, "instances", run, session, clip)
        quality: dict[str, Any] = {c: [None] * 3 for c in schema.QUALITY.names}
        quality |= {"session": [session] * 3, "frame_id": [f.frame_id for f in frames]}
        dataset.write_segment(pa.table(quality, schema.QUALITY), "quality", run, session, clip)
    n = len(THINGS)
    objects: dict[str, Any] = {c: [None] * n for c in schema.OBJECTS.names}
    objects |= {
        "session": [session] * n,
        "track": [number[t] for t in THINGS],
        "object": [o for o, _, _ in THINGS.values()],
        "phrase": [phrase for _, phrase, _ in THINGS.values()],
        "kind": ["thing"] * n,
        "status": ["auto"] * n,
        "frames": [FRAMES] * n,
    }
    dataset.write_segment(pa.table(objects, schema.OBJECTS), "objects", run, session)
    said = [(MUG, "on", TABLE), (TABLE, "next to", CHAIR), (MUG, "next to", CHAIR)]
    relations = [
        {"session": session, "subject": a, "predicate": p, "object": b, "score": 0.5}
        | {"source": "geometry", "frame": ""}
        for a, p, b in said
    ]
    rows = pa.Table.from_pylist(relations, schema.RELATIONS)
    dataset.write_segment(rows, "relations", run, session)
    captions = [
        {"session": session, "frame_id": f, "t_ns": 1000 * f, "source": "template"}
        | {"text": "a cup" if f < 4 else "a table", "status": "auto"}
        for f in range(FRAMES)
    ]
    rows = pa.Table.from_pylist(captions, schema.CAPTIONS)
    dataset.write_segment(rows, "captions", run, session)
    tables = ("instances", "quality", "objects", "relations", "captions")
    dataset.set_current(session, dict.fromkeys(tables, run))


def _labels(frame: int, number: Mapping[int, int]) -> Labels:
    dense = np.zeros((len(THINGS), *SIZE), bool)
    for k, track in enumerate(THINGS):
        x0, y0, x1, y1 = map(int, box(track, frame))
        dense[k, y0:y1, x0:x1] = True
    return Labels(
        frame,
        1000 * frame,
        SIZE,
        np.array([box(t, frame) for t in THINGS], np.float32),
        mask=tuple(map(masks.encode, dense)),
        phrase=tuple(phrase for _, phrase, _ in THINGS.values()),
        score=np.full(len(THINGS), 0.5, np.float32),
        p=np.full(len(THINGS), 0.25, np.float32),
        track=np.array([number[t] for t in THINGS]),
    )


class Reviewer:
    """Decides, having looked at the labels in force."""

    def __init__(self, dataset: Dataset, actor: str = "ada") -> None:
        self.dataset, self.actor, self.count = dataset, actor, 0

    def __call__(self, op: str, subject: Subject, **body: Any) -> str:
        """Decide; gives the decision's id."""
        self.count += 1
        runs = {s: self.dataset.current(s)["instances"] for s in self.dataset.sessions()}
        anchor = ()
        if subject.kind == "track" and subject.id in THINGS:
            anchor = tuple((subject.session, f, *box(subject.id, f)) for f in (1, 4))
        decision = Decision(
            f"{self.actor}-{self.count:06d}",
            op,  # type: ignore[arg-type]
            subject,
            body,
            actor=self.actor,
            runs=runs,
            anchor=anchor,  # type: ignore[arg-type]
        )
        with Log.open(self.dataset.path) as log:
            assert [r.status for r in log.append([decision])] == ["saved"]
        return decision.id


def track(number: int, session: str = "kitchen") -> Subject:
    return Subject("track", session, number)


def thing(number: int) -> Subject:
    return Subject("object", "", number)
