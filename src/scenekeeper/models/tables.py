"""Between a frame's labels and the tables that stages leave to each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from scenekeeper.schema import DETECTIONS, MASKLETS, NO_ID, STATEMENTS, Labels


def detections_table(session: str, labels: Iterable[tuple[Labels, Sequence[bool]]]) -> pa.Table:
    """Rows of :data:`~scenekeeper.schema.DETECTIONS`.

    Args:
        session: its name.
        labels: per frame its labels, and for each of them whether it is strong enough to follow.
    """
    rows: list[dict[str, Any]] = []
    for frame, admitted in labels:
        for k, row in enumerate(_rows(session, frame)):
            rows.append({**row, "detection": k, "admitted": bool(admitted[k])})
    return pa.Table.from_pylist(rows, DETECTIONS)


def masklets_table(session: str, labels: Iterable[tuple[str, Labels]]) -> pa.Table:
    """Rows of :data:`~scenekeeper.schema.MASKLETS`; each frame comes with its camera's name."""
    rows: list[dict[str, Any]] = []
    for camera, frame in labels:
        assert frame.track is not None
        for row, track in zip(_rows(session, frame), frame.track.tolist(), strict=True):
            rows.append({**row, "camera": camera, "track": track})
    return pa.Table.from_pylist(rows, MASKLETS)


def statements_table(session: str, labels: Iterable[tuple[str, Labels]]) -> pa.Table:
    """Rows of :data:`~scenekeeper.schema.STATEMENTS` from what describers said of frames.

    Subjects and objects are tracks. The score of a text is the probability of its words, where
    the model tells it.

    Args:
        session: its name.
        labels: per frame who describes it, and what it is told to show.
    """
    rows: list[dict[str, Any]] = []
    for source, frame in labels:
        assert frame.track is not None
        common = {
            "session": session,
            "frame_id": frame.frame_id,
            "t_ns": frame.t_ns,
            "subject": NO_ID,
            "object": NO_ID,
            "source": source,
            "signals": [],
        }
        if problem := _problem(frame):
            rows.append({**common, "kind": "problem", "text": problem})
        if frame.caption:
            rows.append({**common, "kind": "caption", "text": frame.caption})
        for k, text in enumerate(frame.text):
            if text and frame.track[k] != NO_ID:
                known = dict(finite(frame.signals, k))
                said = {"kind": "object", "subject": int(frame.track[k]), "text": text}
                odds = {"score": known.get("text_p"), "signals": list(known.items())}
                rows.append({**common, **said, **odds})
        for r in frame.relations:
            said = {"kind": "relation", "subject": r.subject, "predicate": r.predicate}
            rows.append({**common, **said, "object": r.object, "score": r.score})
    return pa.Table.from_pylist(rows, STATEMENTS)


def _problem(frame: Labels) -> str | None:
    """What was wrong with a describer's answer about a frame, by its signals."""
    for name, problem in (("failed", "no answer"), ("truncated", "the answer was cut off")):
        if (frame.signals.get(name, np.zeros(0)) == 1).any():
            return problem
    return None


def labels_of(rows: Sequence[Mapping[str, Any]]) -> Labels:
    """Labels of one frame from its rows of either table, or of instances.

    Raises:
        ValueError: no rows.
    """
    if not rows:
        raise ValueError("labels need a row to tell their frame by")
    signals = [dict(r["signals"] or ()) for r in rows]
    known = sorted({name for s in signals for name in s})
    return Labels(
        rows[0]["frame_id"],
        rows[0]["t_ns"],
        (rows[0]["height"], rows[0]["width"]),
        np.array([r["box_xyxy"] for r in rows], np.float32),
        mask=tuple(r["mask"] for r in rows),
        phrase=tuple(r["phrase"] for r in rows),
        score=np.array([r["score"] for r in rows], np.float32),
        names=tuple(dict(r.get("names") or ()) for r in rows),
        signals={n: np.array([s.get(n, np.nan) for s in signals], np.float32) for n in known},
        track=np.array([r.get("track", NO_ID) for r in rows], np.int64),
    )


def by_frame(table: pa.Table) -> dict[int, list[dict[str, Any]]]:
    """Rows of each frame."""
    out: dict[int, list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        out.setdefault(row["frame_id"], []).append(row)
    return out


def finite(signals: Mapping[str, Any], k: int) -> list[tuple[str, float]]:
    """What is known of one instance, as a map column takes it."""
    return [(name, float(v[k])) for name, v in signals.items() if np.isfinite(v[k])]


def _rows(session: str, frame: Labels) -> Iterable[dict[str, Any]]:
    for k in range(len(frame)):
        yield {
            "session": session,
            "frame_id": frame.frame_id,
            "t_ns": frame.t_ns,
            "box_xyxy": frame.box_xyxy[k].tolist(),
            "mask": frame.mask[k],
            "height": frame.size[0],
            "width": frame.size[1],
            "phrase": frame.phrase[k],
            "score": float(frame.score[k]),
            "names": list(frame.names[k].items()),
            "signals": finite(frame.signals, k),
        }
