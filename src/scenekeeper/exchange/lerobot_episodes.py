"""Episodes into the files of LeRobot v3.0: pictures, state and action at a constant rate.

In: recordings on their timelines. Out: ``data/``, ``videos/`` and ``meta/`` of a dataset, and what
stands at every tick. What goes beside them, labels or whole recordings, is the callers' own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper.errors import RecordingError
from scenekeeper.exchange import lerobot_stats
from scenekeeper.exchange.lerobot_plan import CameraPlan, Plan
from scenekeeper.exchange.lerobot_stats import Histogram, Stats
from scenekeeper.exchange.lerobot_tables import NumberedParquet, data_schema, info, write_tasks
from scenekeeper.exchange.lerobot_timeline import Episode, Picked
from scenekeeper.exchange.lerobot_video import EpisodeVideos
from scenekeeper.exchange.steps import numbers_at, pictures_at, stale
from scenekeeper.recording.base import Recording


@dataclass(frozen=True)
class Written:
    """One episode on disk, or several of them together.

    Attributes:
        frames: number of ticks.
        stats: per feature.
        notes: what the user should know.
    """

    frames: int = 0
    stats: Mapping[str, Stats] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __add__(self, other: Written) -> Written:
        a, b = self.stats, other.stats
        both = {k: lerobot_stats.merge(a[k], b[k]) for k in a} if a and b else a or b
        return Written(self.frames + other.frames, both, self.notes + other.notes)


@dataclass(frozen=True)
class Files:
    """The open files of a dataset that is being written, and its tasks in their order."""

    data: NumberedParquet
    episodes: NumberedParquet
    videos: Mapping[str, EpisodeVideos]
    tasks: Sequence[str]


class Pictures(NamedTuple):
    """One camera's pictures at the ticks, and their rows ``int64 [n]`` in the recording."""

    picked: Picked
    rgb_row: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Take:
    """One recording on its timeline.

    Attributes:
        recording: what is written.
        task: what the robot was told; an empty text when that is not known.
        episode: its ticks.
        pictures: per camera feature, primary first, what stands at them.
    """

    recording: Recording
    task: str
    episode: Episode
    pictures: Mapping[str, Pictures]


@contextmanager
def opened(folder: Path, plan: Plan, tasks: Sequence[str]) -> Iterator[Files]:
    """Files under ``folder`` for the episodes of a plan; whole when the context ends."""
    with ExitStack() as stack:
        yield Files(
            stack.enter_context(NumberedParquet(folder / "data")),
            stack.enter_context(NumberedParquet(folder / "meta" / "episodes")),
            {
                c.key: stack.enter_context(
                    EpisodeVideos(folder / "videos" / c.key, (c.height, c.width), plan.fps)
                )
                for c in plan.cameras
            },
            tuple(dict.fromkeys(tasks)),
        )


def write_episode(
    plan: Plan,
    files: Files,
    take: Take,
    timeline: Callable[[pa.Table], Any],
    more: Mapping[str, Any] | None = None,
) -> Written:
    """Append one episode.

    Args:
        plan: what all episodes have.
        files: where it goes.
        take: the episode.
        timeline: takes rows of :data:`~scenekeeper.exchange.lerobot_timeline.TIMELINE`: first
            those of the signals, then those of the cameras, in the order of the plan.
        more: columns of the features that are the caller's own, n values each.

    Raises:
        RecordingError: a picture cannot be read, or is not as large as its camera says.
    """
    episode, n = take.episode, len(take.episode)
    places, stats = _write_videos(plan, take, files.videos)
    values, notes = _at_rate(plan, take, timeline)
    for key, camera in take.pictures.items():
        timeline(episode.rows(key, camera.picked))
    columns: dict[str, Any] = {
        **values,
        **(more or {}),
        "timestamp": np.arange(n) / plan.fps,
        "frame_index": np.arange(n),
        "episode_index": np.full(n, episode.number),
        "index": episode.index,
        "task_index": np.full(n, files.tasks.index(take.task)),
    }
    for key, feature in plan.features.items():
        if feature["dtype"] not in ("video", "string"):
            stats[key] = lerobot_stats.of_vectors(np.asarray(columns[key]))
    place = files.data.place(n)
    files.data.write(_data_table(plan, columns))
    known = {
        "episode_index": episode.number,
        "tasks": [take.task],
        "length": n,
        "data/chunk_index": place.chunk,
        "data/file_index": place.number,
        "dataset_from_index": episode.first,
        "dataset_to_index": episode.first + n,
        **places,
    }
    _write_episode_row(files.episodes, known, stats)
    return Written(n, stats, (*notes, *_notes(take)))


def write_meta(
    folder: Path, plan: Plan, files: Files, episodes: int, done: Written, ours: Mapping[str, Any]
) -> None:
    """Write what ``meta/`` says of the whole dataset.

    Args:
        folder: of the dataset.
        plan: what all episodes have.
        files: where they went.
        episodes: how many.
        done: all of them together.
        ours: what ``info.json`` says under ``scenekeeper``.
    """
    meta = folder / "meta"
    write_tasks(meta / "tasks.parquet", files.tasks)
    facts = info(plan.features, plan.fps, episodes, done.frames, len(files.tasks), ours)
    stats = {
        key: {name: value.tolist() for name, value in of_one.items()}
        for key, of_one in done.stats.items()
    }
    for name, content in (("info.json", facts), ("stats.json", stats)):
        text = json.dumps(content, indent=4, ensure_ascii=False) + "\n"
        (meta / name).write_text(text, encoding="utf-8")


# --- pictures and signals -------------------------------------------------------------------------


def _write_videos(
    plan: Plan, take: Take, videos: Mapping[str, EpisodeVideos]
) -> tuple[dict[str, Any], dict[str, Stats]]:
    places: dict[str, Any] = {}
    stats: dict[str, Stats] = {}
    for camera in plan.cameras:
        histogram = Histogram()
        rows = take.pictures[camera.key].rgb_row
        images = _at_ticks(take.recording, camera, rows, histogram)
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


def _at_rate(
    plan: Plan, take: Take, timeline: Callable[[pa.Table], Any]
) -> tuple[dict[str, NDArray[np.float32]], list[str]]:
    """State and action at every tick, ``float32 [n, D]``; what was picked goes beside them."""
    values: dict[str, NDArray[np.float32]] = {}
    notes: list[str] = []
    episode = take.episode
    for key, names in plan.signals.items():
        exact, picked = numbers_at(take.recording, names, episode.ticks_ns)
        for name, samples in picked.items():
            timeline(episode.rows(name, samples))
        notes += stale(episode.session, picked)
        values[key] = exact.astype(np.float32)
        if not np.isfinite(values[key]).all():
            notes.append(f"Session {episode.session}: {key} holds numbers that are not finite.")
    return values, notes


# --- tables ---------------------------------------------------------------------------------------


def _data_table(plan: Plan, columns: Mapping[str, Any]) -> pa.Table:
    layout = data_schema(plan.features)
    arrays = []
    for name, kind in zip(layout.names, layout.types, strict=True):
        values = columns[name]
        if pa.types.is_fixed_size_list(kind):
            flat = pa.array(values.ravel(), kind.value_type)
            values = pa.FixedSizeListArray.from_arrays(flat, kind.list_size)
        elif isinstance(values, np.ndarray):
            values = pa.array(values.ravel()).cast(kind)
        arrays.append(values)
    return pa.Table.from_arrays(arrays, schema=layout)


def _write_episode_row(
    episodes: NumberedParquet, known: Mapping[str, Any], stats: Mapping[str, Stats]
) -> None:
    flat = {f"stats/{key}/{k}": v.tolist() for key, s in stats.items() for k, v in s.items()}
    place = episodes.place(1)
    where = {"meta/episodes/chunk_index": place.chunk, "meta/episodes/file_index": place.number}
    episodes.write(pa.Table.from_pylist([{**known, **flat, **where}]))


def _notes(take: Take) -> Iterator[str]:
    name, n = take.episode.session, len(take.episode)
    primary = next(iter(take.pictures.values()))
    repeated = n - len(np.unique(primary.rgb_row))
    if repeated:
        yield f"Session {name}: {repeated} of {n} frames repeat the one before."
    if not take.task:
        yield f"Session {name}: no task was recorded, so its task is an empty text."
