"""Columns of numbers out of Parquet files that may be damaged.

In: a Parquet file. Out: some rows of some columns, and a column as ``float64 [N, D]``. Whatever is
wrong with the file is a ``RecordingError`` that names it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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


def row_group_edges(file: pq.ParquetFile) -> NDArray[np.int64]:
    """Rows at which row groups begin, and the number of rows, ``int64 [G + 1]``."""
    sizes = [file.metadata.row_group(k).num_rows for k in range(file.metadata.num_row_groups)]
    return np.cumsum([0, *sizes])


def unreadable(path: Path, error: Exception) -> RecordingError:
    """What Arrow said about a Parquet file, in one line."""
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return RecordingError(f"cannot be read ({reason})", path=path, remedy="Copy the file again.")


def _is_list(kind: pa.DataType) -> bool:
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return any(is_one(kind) for is_one in lists)
