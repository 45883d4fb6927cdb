"""Labels beside and inside a LeRobot dataset, in the two ways every LeRobot version accepts.

In: the effective labels of a session and its timeline. Out: the store's tables under ``labels/``,
keyed by LeRobot's ``index`` (masks byte for byte), and four flat ``label.*`` columns per tick.
A policy sees neither: LeRobot feeds it ``observation*``, ``action*`` and pictures only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from scenekeeper import schema
from scenekeeper.exchange.lerobot_tables import Feature, column
from scenekeeper.exchange.lerobot_timeline import TIMELINE, Episode
from scenekeeper.store import Dataset

FEATURES: Mapping[str, Feature] = {
    "label.caption": column("string"),
    "label.num_objects": column("int64"),
    "label.objects_json": column("string"),
    "label.review_state": column("int64"),
}

REVIEW_STATES = ("no labels", "auto", "certified", "propagated", "verified or corrected")
"""Meaning of ``label.review_state``: that of the least reviewed label in the frame."""

_REVIEW_STATE = {"auto": 1, "certified": 2, "propagated": 3, "verified": 4, "corrected": 4}

_TICK = [("index", pa.int64()), ("episode_index", pa.int64()), ("camera", pa.string())]
_PER_FRAME = {
    "instances": pa.schema([*_TICK, *schema.INSTANCES, ("object", pa.int64())]),
    "captions": pa.schema([*_TICK, *schema.CAPTIONS]),
    "quality": pa.schema([*_TICK, *schema.QUALITY]),
}
_PER_SESSION = {
    "objects": pa.schema([("episode_index", pa.int64()), *schema.OBJECTS]),
    "relations": pa.schema([("episode_index", pa.int64()), *schema.RELATIONS]),
}


class Attached(NamedTuple):
    """What one episode's labels came to.

    Attributes:
        columns: the flat ``label.*`` columns, one value per tick.
        instances: rows in ``labels/instances.parquet``.
        dropped: labelled frames that stand at no tick.
    """

    columns: Mapping[str, pa.Array]
    instances: int
    dropped: int


class _FrameLabels(NamedTuple):
    text: str  # JSON objects joined by commas
    things: frozenset[tuple[str, int]]
    review_state: int


class Sidecar:
    """Writes the tables under ``labels/``, a clip in memory at a time; a context manager."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._files = ExitStack()
        self._schemas = {**_PER_FRAME, **_PER_SESSION, "timeline": TIMELINE}
        self._writers = {
            name: self._files.enter_context(
                pq.ParquetWriter(folder / f"{name}.parquet", columns, compression="zstd")
            )
            for name, columns in self._schemas.items()
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._files.close()

    def write(self, name: str, rows: pa.Table) -> None:
        """Append rows to one table."""
        if len(rows):
            columns = self._schemas[name]
            self._writers[name].write_table(rows.select(columns.names).cast(columns))

    def write_timeline(self, rows: pa.Table) -> None:
        """Append rows of what stands at the ticks."""
        self.write("timeline", rows)

    def attach(self, dataset: Dataset, episode: Episode) -> Attached:
        """Write a session's labels, and give its flat columns."""
        placed = _Placed(episode)
        said: dict[int, _FrameLabels] = {}
        captions: dict[int, str] = {}
        instances = dropped = 0
        for name in _PER_SESSION:
            rows = dataset.table(name, episode.session)
            self.write(name, _with(rows, episode_index=np.full(len(rows), episode.number)))
        for tables in _clips(dataset, episode.session):
            for name, rows in tables.items():
                keyed = placed.keyed(rows)
                self.write(name, keyed)
                instances += len(keyed) if name == "instances" else 0
            labelled = tables["instances"].select(_FLAT)
            dropped += placed.missing(labelled["frame_id"].to_numpy())
            said.update(_frame_labels(labelled, placed))
            text = tables["captions"]
            captions.update(
                zip(text["frame_id"].to_pylist(), text["text"].to_pylist(), strict=True)
            )
        return Attached(_flat_columns(episode, said, captions), instances, dropped)


class _Placed:
    """Which ticks, of which camera, a frame stands at."""

    def __init__(self, episode: Episode) -> None:
        frame_ids = np.concatenate(list(episode.frame_ids.values()))
        order = np.argsort(frame_ids, kind="stable")
        self._frame_ids = frame_ids[order]
        self._index = np.tile(episode.index, len(episode.frame_ids))[order]
        cameras = np.repeat(np.arange(len(episode.frame_ids)), len(episode))
        self._camera = cameras[order]
        self._names = np.array(list(episode.frame_ids), object)
        self._number = episode.number

    def keyed(self, rows: pa.Table) -> pa.Table:
        """Rows with a ``frame_id``, once for every tick that frame stands at, in tick order."""
        frame_id = rows["frame_id"].to_numpy()
        low = np.searchsorted(self._frame_ids, frame_id, "left")
        count = np.searchsorted(self._frame_ids, frame_id, "right") - low
        row = np.repeat(np.arange(len(frame_id)), count)
        offset = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        entry = low[row] + offset
        order = np.lexsort((row, self._camera[entry], self._index[entry]))
        row, entry = row[order], entry[order]
        return _with(
            rows.take(pa.array(row)),
            index=self._index[entry],
            episode_index=np.full(len(row), self._number),
            camera=pa.array(self._names[self._camera[entry]], pa.string()),
        )

    def missing(self, frame_id: Any) -> int:
        """How many of these frames stand at no tick."""
        return len(np.setdiff1d(frame_id, self._frame_ids))

    def camera(self, frame_id: int) -> str | None:
        """The camera feature a frame belongs to, or ``None`` when it stands at no tick."""
        at = int(np.searchsorted(self._frame_ids, frame_id))
        if at == len(self._frame_ids) or self._frame_ids[at] != frame_id:
            return None
        return str(self._names[self._camera[at]])


def _clips(dataset: Dataset, session: str) -> Iterator[dict[str, pa.Table]]:
    info = dataset.session(session)
    for number in range(info.n_clips):
        clip = info.clip(number)
        yield {
            name: dataset.sql(
                f"SELECT * FROM {name} WHERE session = ? AND frame_id >= ? AND frame_id < ?"
                " ORDER BY frame_id" + (", instance" if name == "instances" else ""),
                [session, clip.start, clip.stop],
            )
            for name in _PER_FRAME
        }


def _with(rows: pa.Table, **columns: Any) -> pa.Table:
    for name, values in columns.items():
        rows = rows.append_column(name, pa.array(values))
    return rows


_FLAT = ["frame_id", "object", "track", "phrase", "box_xyxy", "score", "status"]


def _frame_labels(rows: pa.Table, placed: _Placed) -> dict[int, _FrameLabels]:
    per_frame: dict[int, list[dict[str, Any]]] = {}
    for row in rows.to_pylist():
        per_frame.setdefault(row["frame_id"], []).append(row)
    said = {}
    for frame_id, labels in per_frame.items():
        camera = placed.camera(frame_id)
        if camera is not None:
            said[frame_id] = _FrameLabels(
                ", ".join(_json(row, camera) for row in labels),
                frozenset(_thing(row, n) for n, row in enumerate(labels)),
                min(_REVIEW_STATE[row["status"]] for row in labels),
            )
    return said


def _json(row: Mapping[str, Any], camera: str) -> str:
    score = row["score"]
    return json.dumps(
        {
            "object": schema.NO_ID if row["object"] is None else row["object"],
            "track": row["track"],
            "label": row["phrase"],
            "bbox": [round(x, 2) for x in row["box_xyxy"]],
            "score": None if score is None or not math.isfinite(score) else round(score, 4),
            "status": row["status"],
            "camera": camera,
        },
        ensure_ascii=False,
    )


def _thing(row: Mapping[str, Any], instance: int) -> tuple[str, int]:
    """What makes two labels of one tick the same thing: the object, else the track."""
    if row["object"] is not None and row["object"] != schema.NO_ID:
        return "object", row["object"]
    if row["track"] is not None and row["track"] != schema.NO_ID:
        return "track", row["track"]
    return f"instance of {row['frame_id']}", instance


def _flat_columns(
    episode: Episode, said: Mapping[int, _FrameLabels], captions: Mapping[int, str]
) -> dict[str, pa.Array]:
    caption, count, text, state = [], [], [], []
    for frame_ids in zip(*(ids.tolist() for ids in episode.frame_ids.values()), strict=True):
        here = [said[frame_id] for frame_id in frame_ids if frame_id in said]
        caption.append(next((captions[i] for i in frame_ids if captions.get(i)), ""))
        count.append(len(frozenset().union(*(frame.things for frame in here))))
        text.append("[" + ", ".join(frame.text for frame in here) + "]")
        state.append(min((frame.review_state for frame in here), default=0))
    return {
        "label.caption": pa.array(caption, pa.string()),
        "label.num_objects": pa.array(count, pa.int64()),
        "label.objects_json": pa.array(text, pa.string()),
        "label.review_state": pa.array(state, pa.int64()),
    }
