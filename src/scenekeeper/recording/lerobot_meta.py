"""What a LeRobot dataset says about itself: features, episodes and where each one's files lie.

In: the ``meta`` folder of a v2.0, v2.1 or v3.0 dataset. Out: a :class:`Dataset`. No data file and
no video is opened here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from scenekeeper.errors import RecordingError
from scenekeeper.recording.parquet import ARROW_ERRORS

DATA_V2 = "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet"
VIDEO_V2 = "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4"
DATA_V3 = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_V3 = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"

_VERSIONS = ("v2.0", "v2.1", "v3.0")
_MAX_SIDE = 1 << 16
_MAX_SECONDS = 1e9
_ENDS = ("from", "to")
_FIELD = re.compile(r"\{(\w+)(?::0?(\d{1,2})d)?\}")


@dataclass(frozen=True)
class Feature:
    """One declared column: a camera, a signal or a text.

    Attributes:
        key: full name, e.g. ``"observation.images.cam_high"``.
        dtype: ``"video"``, ``"image"``, ``"string"`` or a NumPy name.
        shape: declared shape of one row.
        names: flat column or axis names; empty when none are given.
        info: codec and depth facts.
    """

    key: str
    dtype: str
    shape: tuple[int, ...]
    names: tuple[str, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rsplit(".", 1)[-1]

    @property
    def pictures(self) -> bool:
        """Whether rows are pictures."""
        return self.dtype in ("video", "image")

    @property
    def depth(self) -> bool:
        """Whether the pictures are said, or named, to be depth."""
        marks = (self.info.get("is_depth_map"), self.info.get("video.is_depth_map"))
        return self.pictures and (True in marks or "depth" in self.key.lower())

    @property
    def size(self) -> tuple[int, int] | None:
        """``(width, height)`` of the pictures; ``None`` when the shape does not tell."""
        axes = [name.lower() for name in self.names]
        if len(axes) == len(self.shape) and {"height", "width"} <= set(axes):
            width, height = self.shape[axes.index("width")], self.shape[axes.index("height")]
        elif len(self.shape) == 3 and self.shape[0] <= 4 < self.shape[2]:
            height, width = self.shape[1:]
        elif len(self.shape) in (2, 3):
            height, width = self.shape[:2]
        else:
            return None
        return (width, height) if 0 < min(width, height) <= max(width, height) < _MAX_SIDE else None


@dataclass(frozen=True)
class VideoSpan:
    """Where an episode lies in a video file.

    Attributes:
        path: the file.
        from_ns: time of the episode's first picture on the file's clock.
        to_ns: where the next episode begins; ``None`` when the file is this episode's own.
    """

    path: Path
    from_ns: int = 0
    to_ns: int | None = None


@dataclass(frozen=True)
class Episode:
    """One episode and its files, which may be missing.

    Attributes:
        index: its number in the dataset.
        tasks: its instructions, if the metadata names them.
        data: the Parquet file that holds its rows.
        videos: where its video lies, per camera key.
    """

    index: int
    tasks: tuple[str, ...]
    data: Path
    videos: Mapping[str, VideoSpan]


@dataclass(frozen=True)
class Dataset:
    """A LeRobot dataset, described.

    Attributes:
        root: its folder.
        version: ``"v2.0"``, ``"v2.1"`` or ``"v3.0"``.
        fps: rows per second.
        features: declared columns by key.
        episodes: ascending by index.
        tasks: instruction by ``task_index``.
        notes: what could not be read, one sentence each.
    """

    root: Path
    version: str
    fps: Fraction
    features: Mapping[str, Feature]
    episodes: tuple[Episode, ...]
    tasks: Mapping[int, str]
    notes: tuple[str, ...]

    @property
    def shares_files(self) -> bool:
        """Whether a file holds many episodes."""
        return self.version == "v3.0"


def read_dataset(root: Path) -> Dataset | None:
    """Read the metadata of a dataset folder.

    Returns:
        ``None`` when the folder is not a LeRobot dataset.

    Raises:
        RecordingError: the metadata is damaged, or of a version this reader does not know.
    """
    path = root / "meta" / "info.json"
    if not path.is_file():
        return None
    info = _read_json(path)
    if not isinstance(info, dict) or "codebase_version" not in info:
        return None
    version = info["codebase_version"]
    if version not in _VERSIONS:
        raise RecordingError(
            f"LeRobot version {version!r} is not supported",
            path=path,
            remedy=f"Supported: {', '.join(_VERSIONS)}; lerobot's own scripts convert older ones.",
        )
    features = _features(path, info)
    read_episodes, read_tasks = (
        (_episodes_v3, _tasks_v3) if version == "v3.0" else (_episodes_v2, _tasks_v2)
    )
    notes: list[str] = []
    tasks = read_tasks(root, notes)
    episodes = {e.index: e for e in read_episodes(root, info, features, notes)}
    if not episodes:
        raise RecordingError(
            "its metadata lists no readable episode",
            path=root / "meta",
            remedy=" ".join(notes) or "Copy the meta folder again.",
        )
    return Dataset(
        root=root,
        version=version,
        fps=_fps(path, info),
        features=features,
        episodes=tuple(episodes[k] for k in sorted(episodes)),
        tasks=tasks,
        notes=tuple(notes),
    )


def _features(path: Path, info: Mapping[str, Any]) -> dict[str, Feature]:
    declared = info.get("features")
    if not isinstance(declared, dict):
        raise RecordingError("declares no features", path=path, remedy="Copy the file again.")
    return {key: _feature(path, key, value) for key, value in declared.items()}


def _feature(path: Path, key: str, value: Any) -> Feature:
    value = value if isinstance(value, dict) else {}
    shape = value.get("shape") or []
    dtype = value.get("dtype")
    if not isinstance(dtype, str) or not _are_ints(shape):
        raise RecordingError("lacks a dtype or a shape", path=path, place=f"feature {key!r}")
    info = value.get("info") or value.get("video_info") or {}
    names = tuple(_flat(value.get("names")))
    return Feature(key, dtype, tuple(shape), names, info if isinstance(info, dict) else {})


def _flat(names: Any) -> Iterator[str]:
    """Names out of the lists, lists of lists and mappings that datasets really hold."""
    if isinstance(names, str):
        yield names
    elif isinstance(names, dict):
        yield from _flat(list(names.values()))
    elif isinstance(names, list):
        for name in names:
            yield from _flat(name)


def _are_ints(values: Any) -> bool:
    return isinstance(values, list) and all(type(v) is int for v in values)


def _fps(path: Path, info: Mapping[str, Any]) -> Fraction:
    fps = info.get("fps")
    if not isinstance(fps, int | float) or isinstance(fps, bool) or not 1e-3 <= fps <= 1e6:
        raise RecordingError(f"fps is {fps!r}", path=path, remedy="Correct it in the file.")
    return Fraction(str(fps))


def _tasks_v2(root: Path, notes: list[str]) -> dict[int, str]:
    rows = _read_lines(root / "meta" / "tasks.jsonl", notes)
    return _task_table((row.get("task_index"), row.get("task")) for row in rows)


def _tasks_v3(root: Path, notes: list[str]) -> dict[int, str]:
    rows = _read_parquets([root / "meta" / "tasks.parquet"], _any_column, notes)
    # pandas keeps the task string in its index, named or not.
    return _task_table(
        (row.get("task_index"), next((v for v in row.values() if isinstance(v, str)), None))
        for row in rows
    )


def _task_table(pairs: Iterator[tuple[Any, Any]]) -> dict[int, str]:
    return {k: task for k, task in pairs if type(k) is int and isinstance(task, str)}


def _episodes_v2(
    root: Path, info: Mapping[str, Any], features: Mapping[str, Feature], notes: list[str]
) -> Iterator[Episode]:
    path = root / "meta" / "episodes.jsonl"
    if not path.is_file():
        raise RecordingError("is missing", path=path, remedy="Copy the meta folder again.")
    chunk_size = info.get("chunks_size")
    chunk_size = chunk_size if type(chunk_size) is int and chunk_size > 0 else 1000
    videos = [key for key, feature in features.items() if feature.dtype == "video"]
    data_path, video_path = info.get("data_path") or DATA_V2, info.get("video_path") or VIDEO_V2
    for row in _read_lines(path, notes):
        index = row.get("episode_index")
        if type(index) is not int or index < 0:
            notes.append(f"meta/{path.name}: {index!r} is no episode number; left out.")
            continue
        at = {"episode_index": index, "episode_chunk": index // chunk_size}
        spans = {k: VideoSpan(_locate(root, video_path, video_key=k, **at)) for k in videos}
        yield Episode(index, _strings(row.get("tasks")), _locate(root, data_path, **at), spans)


def _episodes_v3(
    root: Path, info: Mapping[str, Any], features: Mapping[str, Feature], notes: list[str]
) -> Iterator[Episode]:
    videos = [key for key, feature in features.items() if feature.dtype == "video"]
    data_path, video_path = info.get("data_path") or DATA_V3, info.get("video_path") or VIDEO_V3
    files = sorted((root / "meta" / "episodes").glob("*/*.parquet"))
    for row in _read_parquets(files, _episode_column, notes):
        index = row.get("episode_index")
        at = _file_at(row, "data")
        if type(index) is not int or index < 0 or at is None:
            notes.append(f"meta/episodes: episode {index!r} names no data file; left out.")
            continue
        spans = {}
        for key in videos:
            from_ns, to_ns = (_nanoseconds(row.get(f"videos/{key}/{t}_timestamp")) for t in _ENDS)
            where = _file_at(row, f"videos/{key}")
            if where and from_ns is not None and to_ns is not None:
                path = _locate(root, video_path, video_key=key, **where)
                spans[key] = VideoSpan(path, from_ns, to_ns)
        yield Episode(index, _strings(row.get("tasks")), _locate(root, data_path, **at), spans)


def _file_at(row: Mapping[str, Any], prefix: str) -> dict[str, int] | None:
    at = {name: row.get(f"{prefix}/{name}") for name in ("chunk_index", "file_index")}
    return at if all(type(v) is int for v in at.values()) else None  # type: ignore[return-value]


def _nanoseconds(seconds: Any) -> int | None:
    known = isinstance(seconds, float) and 0 <= seconds < _MAX_SECONDS
    return round(seconds * 1e9) if known else None


def _any_column(name: str) -> bool:
    return True


def _episode_column(name: str) -> bool:
    """Whether a column of ``meta/episodes`` is needed; the many of statistics are not."""
    return name in ("episode_index", "tasks") or name.startswith(("data/", "videos/"))


def _strings(values: Any) -> tuple[str, ...]:
    values = [values] if isinstance(values, str) else values
    return tuple(v for v in values if isinstance(v, str)) if isinstance(values, list) else ()


def _locate(root: Path, template: Any, **fields: int | str) -> Path:
    """Fill a path template of ``info.json``; it may not lead out of the dataset."""

    def fill(match: re.Match[str]) -> str:
        name, width = match.groups()
        return str(fields[name]).zfill(int(width or 0))

    try:
        relative = Path(_FIELD.sub(fill, template))
    except (KeyError, TypeError) as error:
        raise RecordingError(
            f"path template {template!r} cannot be filled", path=root / "meta" / "info.json"
        ) from error
    if relative.is_absolute() or ".." in relative.parts:
        raise RecordingError(
            f"path {str(relative)!r} leads out of the dataset", path=root / "meta" / "info.json"
        )
    return root / relative


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise RecordingError(
            f"not valid JSON ({error})", path=path, remedy="Copy the file again."
        ) from error


def _read_lines(path: Path, notes: list[str]) -> Iterator[dict[str, Any]]:
    """Objects of a JSON-lines file; a damaged line is noted and left out."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        notes.append(f"meta/{path.name}: cannot be read ({error.strerror}).")
        return
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            row = ()
        if isinstance(row, dict):
            yield row
        elif row is not None:
            notes.append(f"meta/{path.name}: line {number} is damaged and was left out.")


def _read_parquets(
    files: Sequence[Path], wanted: Any, notes: list[str]
) -> Iterator[dict[str, Any]]:
    """Rows of metadata tables; a damaged file is noted and left out."""
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                columns = [name for name in file.schema_arrow.names if wanted(name)]
                rows = file.read(columns=columns).to_pylist()
        except (*ARROW_ERRORS, ValueError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            notes.append(f"meta/{path.name}: cannot be read ({reason}); its rows are left out.")
            continue
        yield from rows
