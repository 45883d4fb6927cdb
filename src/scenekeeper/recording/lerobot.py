"""LeRobot datasets, v2.0, v2.1 and v3.0, as one recording per episode.

In: a dataset folder. Out: recordings whose cameras and signals share the dataset's clock. Opening
reads the metadata, the clock columns of every Parquet file that is there (about a millisecond per
v2 episode), samples for the fingerprint, and the box headers of videos. Signals, pictures and
video indexes are read when they are asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from scenekeeper.errors import RecordingError
from scenekeeper.recording.base import Recording, content_fingerprint
from scenekeeper.recording.lerobot_meta import Dataset, Episode, read_dataset
from scenekeeper.recording.lerobot_rows import Rows, Signals, is_numeric, read_clocks
from scenekeeper.recording.lerobot_views import PictureFiles, read_views

_FINGERPRINT_SAMPLE = 1 << 12  # bytes; a dataset has thousands of files
_DAMAGE_NOTES = 5


def open(path: Path) -> list[Recording] | None:
    """Open every episode of a LeRobot dataset that is on disk.

    Args:
        path: any path; only folders with a ``meta/info.json`` of LeRobot are looked at.

    Returns:
        Recordings named ``<folder>-episode_000029``, or ``None`` when this is no LeRobot dataset.
        Episodes that are missing or damaged are left out, and every recording's notes say so.

    Raises:
        RecordingError: the metadata is damaged, or no episode can be read.
    """
    dataset = read_dataset(path)
    if dataset is None:
        return None
    here = [episode for episode in dataset.episodes if episode.data.is_file()]
    missing = sorted({e.index for e in dataset.episodes} - {e.index for e in here})
    recordings, damaged = _read(dataset, here)
    if not recordings:
        raise RecordingError(
            f"none of its {len(dataset.episodes)} episodes can be read",
            path=path,
            remedy=damaged[0] if damaged else "Get its data and videos folders too.",
        )
    notes = (*dataset.notes, *_left_out(dataset, missing, damaged))
    return [replace(recording, notes=recording.notes + notes) for recording in recordings]


def _read(dataset: Dataset, episodes: Sequence[Episode]) -> tuple[list[Recording], list[str]]:
    """A recording per readable episode, and what is wrong with the others."""
    clocks: Callable[[Path], dict[int, Rows]] = cache(partial(read_clocks, dataset))
    fingerprint: Callable[[Path], str] = cache(
        lambda file: content_fingerprint(dataset.root, [file], _FINGERPRINT_SAMPLE)
    )
    files = PictureFiles(dataset)
    recordings, damaged = [], []
    for episode in episodes:
        try:
            rows = _rows(dataset, episode, clocks(episode.data))
            recordings.append(_recording(dataset, episode, rows, files, fingerprint))
        except RecordingError as error:
            damaged.append(f"Episode {episode.index} is left out: {error}")
    return recordings, damaged


def _rows(dataset: Dataset, episode: Episode, clocks: dict[int, Rows]) -> Rows:
    rows = clocks.get(episode.index if dataset.shares_files else 0)
    if rows is None:
        raise RecordingError("holds no row of this episode", path=episode.data)
    return rows


def _recording(
    dataset: Dataset,
    episode: Episode,
    rows: Rows,
    files: PictureFiles,
    fingerprint: Callable[[Path], str],
) -> Recording:
    views, notes = read_views(dataset, episode, rows, files)
    used = [episode.data, *(s.path for s in episode.videos.values() if s.path.is_file())]
    stated = dataset.tasks.get(rows.task) if rows.task is not None else None
    tasks = episode.tasks or ((stated,) if stated else ())
    return Recording(
        name=f"{dataset.root.resolve().name}-episode_{episode.index:06d}",
        path=dataset.root,
        format=f"LeRobot {dataset.version}",
        views=views,
        signals=Signals(dataset, episode.data, rows),
        task="; ".join(dict.fromkeys(tasks)) or None,
        notes=notes,
        content=_combine([*map(fingerprint, used), str(episode.index)]),
    )


def _combine(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _left_out(dataset: Dataset, missing: list[int], damaged: list[str]) -> Iterator[str]:
    if missing:
        yield (
            f"{len(missing)} of {len(dataset.episodes)} episodes are not on disk and are left out:"
            f" {_ranges(missing)}."
        )
    yield from damaged[:_DAMAGE_NOTES]
    if len(damaged) > _DAMAGE_NOTES:
        yield f"{len(damaged) - _DAMAGE_NOTES} more episodes are damaged and are left out."
    others = [f.key for f in dataset.features.values() if not f.pictures and not is_numeric(f)]
    if others:
        yield f"Features that are neither numbers nor pictures are not read: {', '.join(others)}."


def _ranges(numbers: Sequence[int]) -> str:
    """``[0, 1, 2, 7]`` as ``"0-2, 7"``."""
    array = np.array(numbers)
    runs = np.split(array, np.flatnonzero(np.diff(array) != 1) + 1)
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
