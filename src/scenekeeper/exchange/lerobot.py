"""LeRobot v3.0 out: one episode per session, with labels that no LeRobot version trips over.

In: a dataset whose recordings are still where they were. Out: a folder that ``LeRobotDataset``
loads: constant-rate video per camera, state and action, flat ``label.*`` columns, and the full
label tables under ``labels/`` keyed by LeRobot's ``index``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper import schema
from scenekeeper.errors import ExportError, RecordingError
from scenekeeper.exchange import lerobot_labels, lerobot_stats
from scenekeeper.exchange.base import Exported
from scenekeeper.exchange.folder import replacing_folder, telling_of
from scenekeeper.exchange.lerobot_labels import Sidecar
from scenekeeper.exchange.lerobot_plan import CameraPlan, Plan, of_camera, plan
from scenekeeper.exchange.lerobot_stats import Histogram, Stats
from scenekeeper.exchange.lerobot_tables import NumberedParquet, data_schema, info, write_tasks
from scenekeeper.exchange.lerobot_timeline import Episode, Picked, pick, ticks
from scenekeeper.exchange.lerobot_video import EpisodeVideos
from scenekeeper.exchange.pictures import open_source
from scenekeeper.exchange.steps import numbers_at, pictures_at, stale
from scenekeeper.exchange.streams import Source
from scenekeeper.recording.base import Recording
from scenekeeper.store import Dataset


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
        ExportError: ``out`` exists or cannot be written, or the sessions share no camera.
        RecordingError: a recording has moved or cannot be read.
    """
    if not sessions:
        raise ExportError("there is no session to export", path=dataset.path)
    if fps is not None and fps < 1:
        raise ExportError(f"{fps} frames per second cannot be", remedy="Use 1 or more.")
    sources = [_source(dataset, session) for session in sessions]
    wanted = plan(sources, fps)
    with telling_of(out, av.FFmpegError), replacing_folder(out) as folder:
        written = _write(dataset, wanted, sessions, folder)
    return Exported(out, written.frames, written.instances, (*wanted.notes, *written.notes))


def _source(dataset: Dataset, session: str) -> Source:
    recording, frames = open_source(dataset, session), dataset.frames(session)
    names = [view.camera.name for view in recording.views]
    times = {name: of_camera(frames, name)["t_ns"].to_numpy() for name in names}
    return Source.of(session, recording, times)


@dataclass(frozen=True)
class _Written:
    """One episode on disk, or several of them together.

    Attributes:
        frames: number of ticks.
        instances: rows in ``labels/instances.parquet``.
        stats: per feature.
        notes: what the user should know.
    """

    frames: int = 0
    instances: int = 0
    stats: Mapping[str, Stats] | None = None
    notes: tuple[str, ...] = ()

    def __add__(self, other: _Written) -> _Written:
        a, b = self.stats, other.stats
        both = {k: lerobot_stats.merge(a[k], b[k]) for k in a} if a and b else a or b
        return _Written(
            self.frames + other.frames,
            self.instances + other.instances,
            both,
            self.notes + other.notes,
        )


@dataclass(frozen=True)
class _Files:
    """The open files of a dataset that is being written."""

    data: NumberedParquet
    episodes: NumberedParquet
    sidecar: Sidecar
    videos: Mapping[str, EpisodeVideos]


def _write(dataset: Dataset, plan: Plan, sessions: Sequence[str], folder: Path) -> _Written:
    tasks = list(dict.fromkeys(dataset.session(s).task or "" for s in sessions))
    done = _Written()
    with ExitStack() as stack:
        files = _Files(
            stack.enter_context(NumberedParquet(folder / "data")),
            stack.enter_context(NumberedParquet(folder / "meta" / "episodes")),
            stack.enter_context(Sidecar(folder / "labels")),
            {
                c.key: stack.enter_context(
                    EpisodeVideos(folder / "videos" / c.key, (c.height, c.width), plan.fps)
                )
                for c in plan.cameras
            },
        )
        for number, session in enumerate(sessions):
            episode, pictures = _on_timeline(dataset, plan, session, number, done.frames)
            done += _write_episode(dataset, plan, files, tasks, episode, pictures)
    _write_meta(folder / "meta", plan, len(sessions), tasks, done)
    return done


class _Pictures(NamedTuple):
    """One camera's pictures at the ticks: which frames, and their rows in the recording."""

    picked: Picked
    rgb_row: NDArray[np.int64]


def _on_timeline(
    dataset: Dataset, plan: Plan, session: str, number: int, first: int
) -> tuple[Episode, dict[str, _Pictures]]:
    frames = dataset.frames(session)
    of_each = {c.key: of_camera(frames, c.name) for c in plan.cameras}
    primary = of_each[plan.cameras[0].key]
    ticks_ns = ticks(primary["t_ns"].to_numpy(), plan.fps, session)
    frame_ids, pictures = {}, {}
    for key, rows in of_each.items():
        picked = pick(rows["t_ns"].to_numpy(), ticks_ns)
        frame_ids[key] = rows["frame_id"].to_numpy()[picked.row]
        pictures[key] = _Pictures(picked, rows["rgb_row"].to_numpy()[picked.row])
    return Episode(session, number, first, ticks_ns, frame_ids), pictures


def _write_episode(
    dataset: Dataset,
    plan: Plan,
    files: _Files,
    tasks: Sequence[str],
    episode: Episode,
    pictures: Mapping[str, _Pictures],
) -> _Written:
    recording, n = open_source(dataset, episode.session), len(episode)
    task = dataset.session(episode.session).task or ""
    places, stats = _write_videos(plan, recording, pictures, files.videos)
    values, notes = _write_signals(plan, recording, episode, files.sidecar)
    for key, camera in pictures.items():
        files.sidecar.write("timeline", episode.rows(key, camera.picked))
    labels = files.sidecar.attach(dataset, episode)
    columns: dict[str, Any] = {
        **values,
        **labels.columns,
        "timestamp": np.arange(n) / plan.fps,
        "frame_index": np.arange(n),
        "episode_index": np.full(n, episode.number),
        "index": episode.index,
        "task_index": np.full(n, tasks.index(task)),
    }
    for key, feature in plan.features.items():
        if feature["dtype"] not in ("video", "string"):
            stats[key] = lerobot_stats.of_vectors(np.asarray(columns[key]))
    place = files.data.place(n)
    files.data.write(_data_table(plan, columns))
    known = {
        "episode_index": episode.number,
        "tasks": [task],
        "length": n,
        "data/chunk_index": place.chunk,
        "data/file_index": place.number,
        "dataset_from_index": episode.first,
        "dataset_to_index": episode.first + n,
        **places,
    }
    _write_episode_row(files.episodes, known, stats)
    notes += _notes(episode, pictures, labels.dropped, task)
    return _Written(n, labels.instances, stats, tuple(notes))


# --- pictures and signals -------------------------------------------------------------------------


def _write_videos(
    plan: Plan,
    recording: Recording,
    pictures: Mapping[str, _Pictures],
    videos: Mapping[str, EpisodeVideos],
) -> tuple[dict[str, Any], dict[str, Stats]]:
    places: dict[str, Any] = {}
    stats: dict[str, Stats] = {}
    for camera in plan.cameras:
        histogram = Histogram()
        rows = pictures[camera.key].rgb_row
        images = _at_ticks(recording, camera, rows, histogram)
        span = videos[camera.key].write(images, len(rows))
        places[f"videos/{camera.key}/chunk_index"] = span.place.chunk
        places[f"videos/{camera.key}/file_index"] = span.place.number
        places[f"videos/{camera.key}/from_timestamp"] = span.start
        places[f"videos/{camera.key}/to_timestamp"] = span.stop
        stats[camera.key] = histogram.stats()
    return places, stats


def _at_ticks(
    recording: Recording, camera: CameraPlan, rows: NDArray[np.int64], histogram: Histogram
) -> Iterator[NDArray[np.uint8]]:
    """A camera's picture at every tick, each decoded once; some go into the histogram."""
    view = recording.view(camera.name)
    sampled = set(rows[lerobot_stats.sample_rows(len(rows))].tolist())
    for row, image in zip(rows.tolist(), pictures_at(view.rgb.source, rows), strict=True):
        if image.shape != (view.camera.height, view.camera.width, 3):
            raise RecordingError(
                f"a picture is {list(image.shape)}, the camera {camera.name!r}"
                f" {[view.camera.height, view.camera.width, 3]}",
                path=recording.path,
                place=f"picture {row}",
            )
        if row in sampled:
            histogram.add(image)
            sampled.remove(row)
        yield image


def _write_signals(
    plan: Plan, recording: Recording, episode: Episode, sidecar: Sidecar
) -> tuple[dict[str, NDArray[np.float32]], list[str]]:
    """State and action at every tick, ``float32 [n, D]``; what was picked goes beside them."""
    values: dict[str, NDArray[np.float32]] = {}
    notes: list[str] = []
    for key, names in plan.signals.items():
        exact, picked = numbers_at(recording, names, episode.ticks_ns)
        for name, samples in picked.items():
            sidecar.write("timeline", episode.rows(name, samples))
        notes += stale(episode.session, picked)
        values[key] = exact.astype(np.float32)
        if not np.isfinite(values[key]).all():
            notes.append(f"Session {episode.session}: {key} holds numbers that are not finite.")
    return values, notes


# --- tables ---------------------------------------------------------------------------------------


def _data_table(plan: Plan, columns: Mapping[str, Any]) -> pa.Table:
    layout = data_schema(plan.features)
    arrays = []
    for field in layout:
        values = columns[field.name]
        if pa.types.is_fixed_size_list(field.type):
            flat = pa.array(values.ravel(), field.type.value_type)
            values = pa.FixedSizeListArray.from_arrays(flat, field.type.list_size)
        elif isinstance(values, np.ndarray):
            values = pa.array(values.ravel()).cast(field.type)
        arrays.append(values)
    return pa.Table.from_arrays(arrays, schema=layout)


def _write_episode_row(
    episodes: NumberedParquet, known: Mapping[str, Any], stats: Mapping[str, Stats]
) -> None:
    flat = {f"stats/{key}/{k}": v.tolist() for key, s in stats.items() for k, v in s.items()}
    place = episodes.place(1)
    where = {"meta/episodes/chunk_index": place.chunk, "meta/episodes/file_index": place.number}
    episodes.write(pa.Table.from_pylist([{**known, **flat, **where}]))


def _write_meta(
    folder: Path, plan: Plan, episodes: int, tasks: Sequence[str], done: _Written
) -> None:
    write_tasks(folder / "tasks.parquet", tasks)
    ours = {
        "labels": "labels/",
        "schema_version": schema.SCHEMA_VERSION,
        "review_states": list(lerobot_labels.REVIEW_STATES),
    }
    facts = info(plan.features, plan.fps, episodes, done.frames, len(tasks), ours)
    stats = {
        key: {name: value.tolist() for name, value in of_one.items()}
        for key, of_one in (done.stats or {}).items()
    }
    for name, content in (("info.json", facts), ("stats.json", stats)):
        text = json.dumps(content, indent=4, ensure_ascii=False) + "\n"
        (folder / name).write_text(text, encoding="utf-8")


def _notes(
    episode: Episode, pictures: Mapping[str, _Pictures], dropped: int, task: str
) -> list[str]:
    name, n = episode.session, len(episode)
    primary = next(iter(pictures.values()))
    repeated = n - len(np.unique(primary.rgb_row))
    notes = []
    if repeated:
        notes.append(f"Session {name}: {repeated} of {n} frames repeat the one before.")
    if dropped:
        notes.append(
            f"Session {name}: {dropped} labelled frames fall between the frames of the new rate or"
            " are of a camera left out; their labels are not exported."
        )
    if not task:
        notes.append(f"Session {name}: no task was recorded, so its task is an empty text.")
    return notes
