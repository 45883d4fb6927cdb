"""The Parquet and JSON files of LeRobot v3.0, byte for byte what its own reader expects.

In: feature declarations and tables. Out: files numbered ``chunk-CCC/file-FFF``, and ``meta/``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

CODEBASE_VERSION = "v3.0"
CHUNK_FILES = 1000
FILE_BYTES = 100 << 20
"""LeRobot's limit for a data file; an episode is never split."""

Feature = Mapping[str, Any]
"""What ``info.json`` declares of one feature: ``dtype``, ``shape``, ``names``."""


class Place(NamedTuple):
    """The number of a file: chunk, and file in the chunk."""

    chunk: int
    number: int

    def next(self) -> Place:
        """The place after this one."""
        if self.number + 1 == CHUNK_FILES:
            return Place(self.chunk + 1, 0)
        return Place(self.chunk, self.number + 1)

    def file(self, suffix: str) -> str:
        """Path of the file under its folder."""
        return f"chunk-{self.chunk:03d}/file-{self.number:03d}.{suffix}"


FIRST = Place(0, 0)


def column(dtype: str, *shape: int, names: Sequence[str] | None = None) -> Feature:
    """Declare a feature of numbers or text; LeRobot stores shape ``[1]`` as a plain scalar."""
    return {"dtype": dtype, "shape": list(shape or (1,)), "names": list(names) if names else None}


def data_schema(features: Mapping[str, Feature]) -> pa.Schema:
    """Arrow schema of the data files: every feature that is not a video, in order."""
    fields, hugging_face = [], {}
    for key, feature in features.items():
        dtype, (size, *_) = feature["dtype"], feature["shape"]
        if dtype == "video":
            continue
        value = pa.type_for_alias(dtype)
        described: dict[str, Any] = {"dtype": dtype, "_type": "Value"}
        if size != 1:
            value = pa.list_(value, size)
            described = {"feature": described, "length": size, "_type": "Sequence"}
        fields.append((key, value))
        hugging_face[key] = described
    metadata = {"huggingface": json.dumps({"info": {"features": hugging_face}})}
    return pa.schema(fields, metadata=metadata)


class NumberedParquet:
    """Writes tables, a row group each, into as many numbered files as the limit asks for.

    Args:
        folder: where the chunks go.
        file_bytes: start another file when a table would make this one larger.
    """

    def __init__(self, folder: Path, file_bytes: int = FILE_BYTES) -> None:
        self._folder, self._limit = folder, file_bytes
        self._place = FIRST
        self._files = ExitStack()
        self._sink: Any = None
        self._writer: Any = None
        self._rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._files.close()

    def place(self, rows: int) -> Place:
        """The file that the next table, of so many rows, will go into."""
        if self._rows and self._sink.tell() * (1 + rows / self._rows) >= self._limit:
            self._files.close()
            self._place, self._rows = self._place.next(), 0
        return self._place

    def write(self, table: pa.Table) -> None:
        """Append one row group to the file that :meth:`place` has named."""
        if not self._rows:
            path = self._folder / self._place.file("parquet")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._sink = self._files.enter_context(pa.OSFile(str(path), "wb"))
            writer = pq.ParquetWriter(self._sink, table.schema, compression="snappy")
            self._writer = self._files.enter_context(writer)
        self._writer.write_table(table, row_group_size=len(table))
        self._rows += len(table)


def write_tasks(path: Path, tasks: Sequence[str]) -> None:
    """Write ``tasks.parquet``: the text is a pandas index.

    Without the pandas metadata LeRobot reads the row's number for the task and says nothing.
    """
    table = pa.table(
        {
            "task_index": pa.array(range(len(tasks)), pa.int64()),
            _INDEX: pa.array(tasks, pa.string()),
        }
    )
    pq.write_table(table.replace_schema_metadata({"pandas": json.dumps(_PANDAS)}), path)


_INDEX = "__index_level_0__"
_TEXT = {"pandas_type": "unicode", "numpy_type": "object"}
_PANDAS = {
    "index_columns": [_INDEX],
    "column_indexes": [
        {"name": None, "field_name": None, **_TEXT, "metadata": {"encoding": "UTF-8"}}
    ],
    "columns": [
        {
            "name": "task_index",
            "field_name": "task_index",
            "pandas_type": "int64",
            "numpy_type": "int64",
            "metadata": None,
        },
        {"name": None, "field_name": _INDEX, **_TEXT, "metadata": None},
    ],
    "attributes": {},
    "creator": {"library": "pyarrow", "version": pa.__version__},
    "pandas_version": "2.2.0",
}


def info(
    features: Mapping[str, Feature], fps: int, episodes: int, frames: int, tasks: int, labels: Any
) -> dict[str, Any]:
    """What ``meta/info.json`` says, with what we add under the key ``scenekeeper``."""
    return {
        "codebase_version": CODEBASE_VERSION,
        "robot_type": None,
        "total_episodes": episodes,
        "total_frames": frames,
        "total_tasks": tasks,
        "chunks_size": CHUNK_FILES,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": fps,
        "splits": {"train": f"0:{episodes}"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        "features": dict(features),
        "scenekeeper": labels,
    }
