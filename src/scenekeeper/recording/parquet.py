"""Columns and values out of Parquet files that may be damaged.

In: a Parquet file. Out: some rows of some columns, a column as ``float64 [N, D]``, or one value.
Whatever is wrong with the file is a ``RecordingError`` that names it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from scenekeeper.errors import RecordingError

ARROW_ERRORS = (OSError, pa.ArrowException)
"""What reading a damaged Parquet file can raise."""


def numbers(path: Path, name: str, column: pa.ChunkedArray) -> NDArray[np.float64]:
    """A column of scalars or of nested lists as ``float64 [N, D]``; a null scalar is NaN.

    Raises:
        RecordingError: it holds something else, or rows of several lengths.
    """
    n = len(column)
    try:
        array = column.combine_chunks()
        while isinstance(array, pa.ExtensionArray):
            array = array.storage
        while _is_list(array.type):
            array = array.flatten()
        values = array.cast(pa.float64()).to_numpy(zero_copy_only=False)
        return np.asarray(values, np.float64).reshape(n, len(values) // n if n else 1)
    except (*ARROW_ERRORS, ValueError, TypeError) as error:
        raise RecordingError(
            f"column {name!r} does not hold one row of numbers per frame ({error})", path=path
        ) from error


def read_columns(
    path: Path, wanted: Callable[[str], bool], start: int = 0, stop: int | None = None
) -> pa.Table:
    """Rows ``[start, stop)`` of some columns, reading only the row groups they lie in.

    Raises:
        RecordingError: the file is damaged.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            columns = [name for name in file.schema_arrow.names if wanted(name)]
            edges = row_group_edges(file)
            stop = int(edges[-1]) if stop is None else stop
            groups = np.flatnonzero((edges[:-1] < stop) & (edges[1:] > start)).tolist()
            table = file.read_row_groups(groups, columns=columns, use_threads=False)
            table.validate(full=True)
    except (*ARROW_ERRORS, ValueError) as error:
        raise unreadable(path, error) from error
    return table.slice(start - int(edges[groups[0]]) if groups else 0, stop - start)


def read_times(path: Path) -> NDArray[np.int64]:
    """The column ``t_ns`` of whole nanoseconds, ``int64 [N]``.

    Raises:
        RecordingError: the file is damaged, or has no such column.
    """
    table = read_columns(path, "t_ns".__eq__)
    if table.num_columns != 1 or table["t_ns"].null_count:
        raise RecordingError("holds no times", path=path, remedy="Copy the file again.")
    try:
        return np.asarray(table["t_ns"].cast(pa.int64()).to_numpy())
    except pa.ArrowException as error:
        raise unreadable(path, error) from error


class Layout(NamedTuple):
    """Rows at which a file's row groups begin, and the end, ``int64 [G + 1]``; and its columns."""

    edges: NDArray[np.int64]
    columns: frozenset[str]


class Cells:
    """Single values out of Parquet files; what lies in one row group with them is kept.

    Args:
        groups: how many row groups to keep, each of one column.
    """

    def __init__(self, groups: int) -> None:
        self.layout: Callable[[Path], Layout] = cache(_layout)
        self._group: Callable[[Path, int, str], pa.Array] = lru_cache(groups)(_read_group)

    def __call__(self, path: Path, row: int, column: str) -> Any:
        """One value as Python has it.

        Raises:
            RecordingError: the file is damaged, or has no such column.
        """
        edges = self.layout(path).edges
        group = int(np.searchsorted(edges, row, side="right")) - 1
        return self._group(path, group, column)[row - int(edges[group])].as_py()


def row_group_edges(file: pq.ParquetFile) -> NDArray[np.int64]:
    """Rows at which row groups begin, and the number of rows, ``int64 [G + 1]``."""
    sizes = [file.metadata.row_group(k).num_rows for k in range(file.metadata.num_row_groups)]
    return np.cumsum([0, *sizes])


def unreadable(path: Path, error: Exception) -> RecordingError:
    """What Arrow said about a Parquet file, in one line."""
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return RecordingError(f"cannot be read ({reason})", path=path, remedy="Copy the file again.")


def _layout(path: Path) -> Layout:
    try:
        with pq.ParquetFile(path) as file:
            return Layout(row_group_edges(file), frozenset(file.schema_arrow.names))
    except (*ARROW_ERRORS, ValueError) as error:
        raise unreadable(path, error) from error


def _read_group(path: Path, group: int, column: str) -> pa.Array:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read_row_group(group, columns=[column])
            table.validate(full=True)
            return table[column].combine_chunks()
    except (*ARROW_ERRORS, ValueError, KeyError) as error:
        raise unreadable(path, error) from error


def _is_list(kind: pa.DataType) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_one(kind) for is_one in lists)
