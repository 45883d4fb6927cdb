"""Rows of LeRobot's Parquet files: the clock of every episode, and its signals.

In: a Parquet file of one episode (v2) or of many (v3). Out: :class:`Rows`, where an episode lies
and when its rows were taken, and :class:`Signals`, each read when it is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import RecordingError
from scenekeeper.recording.base import Signal, SignalKind
from scenekeeper.recording.lerobot_meta import Dataset, Feature
from scenekeeper.recording.parquet import numbers, read_columns
from scenekeeper.recording.video_index import SECOND, ticks_to_ns

BOOKKEEPING = frozenset({"timestamp", "frame_index", "episode_index", "index", "task_index"})
_CLOCK = ("timestamp", "frame_index", "episode_index", "task_index")
_KINDS: Mapping[str, SignalKind] = {"observation.state": "joint_state", "action": "action"}
_NUMERIC = re.compile(r"bool|u?int(8|16|32|64)|float(16|32|64)")
_CLOCKS_AGREE_NS = 1_000_000
_MAX_SECONDS = 1e9

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of one episode in a Parquet file, and their clock.

    Attributes:
        start: the first row.
        t_ns: ``int64 [N]`` strictly ascending times of the rows since the episode began.
        task: ``task_index`` of the first row.
    """

    start: int
    t_ns: NDArray[np.int64]
    task: int | None

    @property
    def stop(self) -> int:
        """One past the last row."""
        return self.start + len(self.t_ns)


def read_clocks(dataset: Dataset, path: Path) -> dict[int, Rows]:
    """Rows by episode; a file of one episode holds them under 0, whatever number it states.

    Raises:
        RecordingError: the file is damaged, or its times do not ascend.
    """
    table = read_columns(path, lambda name: name in _CLOCK)
    columns = {name: numbers(path, name, table[name])[:, 0] for name in table.column_names}
    n = table.num_rows
    if not n:
        raise RecordingError("holds no rows", path=path)
    spans = {0: (0, n)}
    if dataset.shares_files:
        spans = _spans(path, columns.get("episode_index"))
    clocks = {}
    for index, (start, stop) in spans.items():
        part = {name: column[start:stop] for name, column in columns.items()}
        task = part["task_index"][0] if "task_index" in part else np.nan
        clocks[index] = Rows(
            start, _times(path, dataset, part, stop - start), int(task) if task == task else None
        )
    return clocks


def _spans(path: Path, episode_index: Array | None) -> dict[int, tuple[int, int]]:
    if episode_index is None or not np.isfinite(episode_index).all():
        raise RecordingError("does not say which episode a row belongs to", path=path)
    first = np.flatnonzero(np.diff(episode_index, prepend=np.nan))
    stops = np.append(first[1:], len(episode_index))
    numbers = episode_index[first].astype(np.int64).tolist()
    if len(set(numbers)) != len(numbers):
        raise RecordingError("the rows of an episode do not lie together", path=path)
    return dict(zip(numbers, zip(first.tolist(), stops.tolist(), strict=True), strict=True))


def _times(path: Path, dataset: Dataset, columns: Mapping[str, Array], n: int) -> NDArray[np.int64]:
    """Times of rows: exact multiples of the frame period where the timestamps agree with them."""
    frames = columns.get("frame_index", np.arange(n, dtype=np.float64))
    if not (np.abs(frames) < _MAX_SECONDS * float(dataset.fps)).all():
        raise RecordingError("frame_index holds no frame numbers", path=path)
    even = np.array(ticks_to_ns(frames.astype(np.int64), 1 / dataset.fps), np.int64)
    stated = columns.get("timestamp", even / SECOND) * SECOND
    if not (np.abs(stated) < _MAX_SECONDS * SECOND).all():
        raise RecordingError("timestamp holds no times", path=path)
    agree = (np.abs(stated - even) <= _CLOCKS_AGREE_NS).all()
    t_ns = even if agree else np.rint(stated).astype(np.int64)
    if (np.diff(t_ns) <= 0).any():
        raise RecordingError("its timestamps do not ascend", path=path)
    return t_ns


class Signals(Mapping[str, Signal]):
    """The signals of one episode by feature, each read when it is asked for.

    Looking one up raises ``RecordingError`` when its column is damaged.
    """

    def __init__(self, dataset: Dataset, path: Path, rows: Rows) -> None:
        wanted = [f for f in dataset.features.values() if is_numeric(f)]
        self._features = {f.key: f for f in wanted if f.key not in BOOKKEEPING}
        self._path = path
        self._rows = rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._features)

    def __len__(self) -> int:
        return len(self._features)

    def __getitem__(self, key: str) -> Signal:
        feature = self._features[key]
        table = read_columns(self._path, key.__eq__, self._rows.start, self._rows.stop)
        if table.num_rows != len(self._rows.t_ns):
            raise RecordingError("has changed since it was opened", path=self._path)
        if not table.num_columns:
            raise RecordingError(
                f"column {key!r} is declared but not there",
                path=self._path,
                remedy="Remove it from features in meta/info.json.",
            )
        values = numbers(self._path, key, table[key])
        width = values.shape[1]
        names = feature.names if len(feature.names) == width else _numbered(key, width)
        kind = _KINDS.get(key, "other")
        return Signal(key, kind, self._rows.t_ns, values, names)


def _numbered(key: str, width: int) -> tuple[str, ...]:
    return tuple(f"{key}.{i}" for i in range(width))


def is_numeric(feature: Feature) -> bool:
    """Whether rows of a feature are numbers."""
    return _NUMERIC.fullmatch(feature.dtype) is not None
