"""LeRobot v3.0 out: one episode per session, with labels that no LeRobot version trips over.

In: a dataset whose recordings are still where they were. Out: a folder that ``LeRobotDataset``
loads: constant-rate video per camera, state and action, flat ``label.*`` columns, and the full
label tables under ``labels/`` keyed by LeRobot's ``index``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import av

from scenekeeper import schema
from scenekeeper.errors import ExportError
from scenekeeper.exchange import lerobot_labels
from scenekeeper.exchange.base import Exported
from scenekeeper.exchange.folder import replacing_folder, telling_of
from scenekeeper.exchange.lerobot_episodes import (
    Pictures,
    Take,
    Written,
    opened,
    write_episode,
    write_meta,
)
from scenekeeper.exchange.lerobot_labels import Sidecar
from scenekeeper.exchange.lerobot_plan import Plan, of_camera, plan
from scenekeeper.exchange.lerobot_timeline import Episode, pick, ticks
from scenekeeper.exchange.pictures import open_source
from scenekeeper.exchange.streams import Source
from scenekeeper.store import Dataset

_OURS = {
    "labels": "labels/",
    "schema_version": schema.SCHEMA_VERSION,
    "review_states": list(lerobot_labels.REVIEW_STATES),
}


def export(
    dataset: Dataset, out: Path, *, sessions: Sequence[str], fps: int | None = None
) -> Exported:
    """Write sessions as a LeRobot v3.0 dataset.

    The camera with most frames sets the pace: its clock is resampled to a constant rate, and every
    other stream gives its sample nearest in time. How far that was is in
    ``labels/timeline.parquet``. Only cameras and signals that all sessions have are exported.

    Args:
        dataset: what to export.
        out: the folder to make; appears whole or not at all.
        sessions: their names; one episode each, in this order.
        fps: frames per second; the primary camera's own median rate when absent.

    Raises:
        ExportError: ``out`` exists or cannot be written, the sessions share no camera, or ``fps``
            is less than 1.
        RecordingError: a recording has moved or cannot be read.
    """
    if not sessions:
        raise ExportError("there is no session to export", path=dataset.path)
    sources = [_source(dataset, session) for session in sessions]
    wanted = plan(sources, fps, lerobot_labels.FEATURES)
    with telling_of(out, av.FFmpegError), replacing_folder(out) as folder:
        written, instances = _write(dataset, wanted, sessions, folder)
    notes = (*wanted.notes, *_left_out(sources), *written.notes)
    return Exported(out, written.frames, instances, notes)


def _source(dataset: Dataset, session: str) -> Source:
    recording, frames = open_source(dataset, session), dataset.frames(session)
    names = [view.camera.name for view in recording.views]
    times = {name: of_camera(frames, name)["t_ns"].to_numpy() for name in names}
    return Source.of(session, recording, times)


def _left_out(sources: Sequence[Source]) -> Iterator[str]:
    if any(s.depth for s in sources):
        yield "Depth is left out: no LeRobot before 0.6 reads it."
    if other := sorted({name for s in sources for name in s.left_out}):
        yield f"LeRobot has no place for these signals: {', '.join(other)}."


def _write(
    dataset: Dataset, plan: Plan, sessions: Sequence[str], folder: Path
) -> tuple[Written, int]:
    """Write all files; also the number of labelled instances."""
    tasks = [dataset.session(s).task or "" for s in sessions]
    done, instances = Written(), 0
    with opened(folder, plan, tasks) as files, Sidecar(folder / "labels") as sidecar:
        for number, session in enumerate(sessions):
            take = _on_timeline(dataset, plan, session, number, done.frames)
            labels = sidecar.attach(dataset, take.episode)
            done += write_episode(plan, files, take, sidecar.write_timeline, labels.columns)
            done += Written(notes=tuple(_notes(session, labels.dropped)))
            instances += labels.instances
    write_meta(folder, plan, files, len(sessions), done, _OURS)
    return done, instances


def _on_timeline(dataset: Dataset, plan: Plan, session: str, number: int, first: int) -> Take:
    frames = dataset.frames(session)
    of_each = {c.key: of_camera(frames, c.name) for c in plan.cameras}
    primary = of_each[plan.cameras[0].key]
    ticks_ns = ticks(primary["t_ns"].to_numpy(), plan.fps, session)
    frame_ids, pictures = {}, {}
    for key, rows in of_each.items():
        picked = pick(rows["t_ns"].to_numpy(), ticks_ns)
        frame_ids[key] = rows["frame_id"].to_numpy()[picked.row]
        pictures[key] = Pictures(picked, rows["rgb_row"].to_numpy()[picked.row])
    episode = Episode(session, number, first, ticks_ns, frame_ids)
    task = dataset.session(session).task or ""
    return Take(open_source(dataset, session), task, episode, pictures)


def _notes(session: str, dropped: int) -> Iterator[str]:
    if dropped:
        yield (
            f"Session {session}: {dropped} labelled frames fall between the frames of the new rate"
            " or are of a camera left out; their labels are not exported."
        )
