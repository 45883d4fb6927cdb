"""Put what people decided into force: read the log and the labels, fold, write, switch the views.

Doing it again changes nothing. It is to be done after decisions, and after labels were made anew,
as decisions about tracks hold for one run of the labels until they have found their tracks in the
next.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scenekeeper.errors import DatasetError
from scenekeeper.review.events import Event
from scenekeeper.review.fold import fold
from scenekeeper.review.labelled import Labelled, frames_needed
from scenekeeper.review.log import Log
from scenekeeper.store import Applied, Dataset, fingerprint
from scenekeeper.store.people import BY_SESSION, EVERY, OF_ALL

VERSION = 1
"""Of the fold; another one makes its tables anew."""

_KEPT_SECONDS = 24 * 3600
"""Tables of earlier folds stay so long, for programs that have the views of then open."""


def refresh(dataset: Dataset) -> Applied | None:
    """Put all decisions of a dataset into force, on the labels in force.

    Where nobody has decided anything nothing is written.

    Returns:
        What is in force now; ``None`` where nobody has ever decided anything.

    Raises:
        DatasetError: the log or the dataset cannot be read or written.
        ReviewError: the log has been altered.
    """
    log = Log.read(dataset.path)
    if log is None:
        return dataset.applied()
    with log:
        if _is_current(dataset, log):
            dataset.refresh_views()  # another process may have put them into force
            return dataset.applied()
        with _alone(dataset):
            dataset.refresh_views()  # labels may have been made anew since it was opened
            applied = _folded(dataset, log)
        _sweep(dataset, applied)
        return applied


def put_trust(dataset: Dataset, rows: pa.Table) -> Applied:
    """Put calibrated probabilities into force.

    Args:
        dataset: whose tracks they are of.
        rows: :data:`~scenekeeper.schema.TRUST`; ``run`` is that of the session's instances.

    Raises:
        DatasetError: the dataset cannot be written, or a session has rows of several runs.
    """
    runs: dict[str, str] = {}
    for row in (
        rows.select(["session", "run"]).group_by(["session", "run"]).aggregate([]).to_pylist()
    ):
        if runs.setdefault(row["session"], row["run"]) != row["run"]:
            raise DatasetError(f"trust of session {row['session']!r} is of several runs")
    with _alone(dataset):
        facts = {"version": VERSION, "rows": pa.table(rows).to_pydict()}
        run = fingerprint({k: v if k == "version" else str(v) for k, v in facts.items()})
        for session in runs:
            own = rows.filter(pc.equal(rows["session"], session))
            dataset.write_segment(own, "trust", run, session)
        applied = replace(dataset.applied() or Applied(), trust=run, trusted=runs)
        dataset.apply(applied)
    _sweep(dataset, applied)
    return applied


def _is_current(dataset: Dataset, log: Log) -> bool:
    applied = dataset.applied()
    if applied is None:
        return log.head().events == 0
    return applied.fold == _run(dataset, log)


def _run(dataset: Dataset, log: Log) -> str:
    """The name of the fold of a log over the labels in force."""
    head = log.head()
    facts = {"version": VERSION, "log": [head.events, head.erased, head.hash]}
    return fingerprint({**facts, "labels": {s: dataset.current(s) for s in dataset.sessions()}})


def _folded(dataset: Dataset, log: Log) -> Applied:
    run, events = _run(dataset, log), list(log.events())
    labelled = {s: of for s, of in _labelled(dataset, events)}
    folded = fold(events, labelled)
    for table in OF_ALL:
        dataset.write_segment(getattr(folded, table), table, run, EVERY)
    for table in BY_SESSION:
        rows = getattr(folded, table)
        for session in pc.unique(rows["session"]).to_pylist():
            own = rows.filter(pc.equal(rows["session"], session))
            dataset.write_segment(own, table, run, session)
    applied = replace(
        dataset.applied() or Applied(),
        fold=run,
        events=events[-1].seq if events else 0,
        runs={session: of.run for session, of in labelled.items()},
        remarks=tuple((r.event, r.kind, r.text) for r in folded.remarks),
    )
    dataset.apply(applied)
    return applied


# --- what the fold needs of the labels ------------------------------------------------------------


def _labelled(dataset: Dataset, events: Iterable[Event]) -> Iterator[tuple[str, Labelled]]:
    """Per labelled session what machines say, as far as decisions speak of it."""
    decisions = [event.decision for event in events]
    frames = frames_needed(decisions)
    told = {d.subject.session for d in decisions} | frames.keys()
    captioned = {d.subject.session for d in decisions if d.subject.kind == "caption"}
    for session in dataset.sessions():
        run = dataset.current(session).get("instances")
        if run is None:
            continue
        objects = dataset.sql("SELECT track, object FROM objects_auto WHERE session = ?", [session])
        object_of = dict(zip(*(objects[c].to_pylist() for c in ("track", "object")), strict=True))
        if session not in told:
            yield session, Labelled(run, {}, object=object_of)
            continue
        wanted = sorted(frames.get(session, ()))
        yield (
            session,
            Labelled(
                run,
                *_tracks(dataset, session),
                object_of,
                _boxes(dataset, session, wanted),
                _sizes(dataset, session, wanted),
                _captions(dataset, session) if session in captioned else (),
            ),
        )


def _tracks(dataset: Dataset, session: str) -> tuple[dict[int, Any], dict[int, str]]:
    rows = dataset.sql(
        "SELECT track, list(DISTINCT frame_id ORDER BY frame_id) AS frames, mode(phrase) AS phrase"
        " FROM instances_auto WHERE session = ? AND track >= 0 GROUP BY track",
        [session],
    )
    lists = rows["frames"].combine_chunks()
    each = np.split(lists.flatten().to_numpy(), lists.offsets.to_numpy()[1:-1])
    tracks = rows["track"].to_pylist()
    return dict(zip(tracks, each, strict=False)), dict(
        zip(tracks, rows["phrase"].to_pylist(), strict=True)
    )


def _boxes(dataset: Dataset, session: str, frames: list[int]) -> dict[int, Any]:
    rows = dataset.sql(
        "SELECT frame_id, track, box_xyxy FROM instances_auto WHERE session = ?"
        " AND frame_id IN (SELECT unnest(?::BIGINT[])) ORDER BY frame_id",
        [session, frames],
    )
    ids, tracks = rows["frame_id"].to_numpy(), rows["track"].to_numpy()
    boxes = np.array(rows["box_xyxy"].to_pylist(), np.float64).reshape(-1, 4)
    cuts = np.searchsorted(ids, [[f, f + 1] for f in frames]).reshape(-1, 2)
    return {
        f: (tracks[low:high], boxes[low:high]) for f, (low, high) in zip(frames, cuts, strict=True)
    }


def _sizes(dataset: Dataset, session: str, frames: list[int]) -> dict[int, tuple[int, int]]:
    rows = dataset.sql(
        "SELECT frame_id, height, width FROM frames WHERE session = ?"
        " AND frame_id IN (SELECT unnest(?::BIGINT[]))",
        [session, frames],
    )
    return {r["frame_id"]: (r["height"], r["width"]) for r in rows.to_pylist()}


def _captions(dataset: Dataset, session: str) -> tuple[Mapping[int, str], ...]:
    view = "captions" if dataset.applied() is None else "captions_auto"
    rows = dataset.sql(
        f"SELECT f.camera, frame_id, c.text FROM {view} c JOIN frames f USING (session, frame_id)"
        " WHERE session = ? ORDER BY frame_id",
        [session],
    )
    by_camera: dict[str, dict[int, str]] = {}
    for row in rows.to_pylist():
        by_camera.setdefault(row["camera"], {})[row["frame_id"]] = row["text"]
    return tuple(by_camera.values())


# --- files ----------------------------------------------------------------------------------------


@contextmanager
def _alone(dataset: Dataset) -> Iterator[None]:
    """One process at a time, so that an older fold never comes after a newer one."""
    file = dataset.path / "review" / "apply.lock"
    try:
        file.parent.mkdir(exist_ok=True)
        held = file.open("w")
    except OSError as error:
        raise DatasetError(
            f"cannot be written: {error}",
            path=file,
            remedy="Free some space, or work on a copy that you may write to. Decisions that were"
            " acknowledged are safe.",
        ) from error
    with held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _sweep(dataset: Dataset, applied: Applied) -> None:
    """Remove tables of folds that are long past."""
    oldest = time.time() - _KEPT_SECONDS
    for table in (*BY_SESSION, *OF_ALL, "trust"):
        keep = {applied.fold, applied.trust, "human"}
        for folder in (dataset.path / "labels" / table).glob("*"):
            if folder.name not in keep and folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)


def forget(dataset: Dataset) -> None:
    """Remove the tables of all earlier folds at once, as after an event's content was erased."""
    applied = refresh(dataset)
    if applied is None:
        return
    for table in (*BY_SESSION, *OF_ALL):
        for folder in (dataset.path / "labels" / table).glob("*"):
            if folder.name not in (applied.fold, "human"):
                shutil.rmtree(folder, ignore_errors=True)
