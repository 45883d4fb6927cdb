"""HDF5 files that are written row by row, and that a full disk cannot take the process down with.

HDF5 cannot close a file of which a write has failed: it crashes, or keeps the file open for good.
So it never sees a failure. What the disk has no room for stays in memory, writing stops after the
row at hand, and the failure is raised once HDF5 has closed its file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import ExportError, RecordingError


@dataclass(eq=False)
class _Disk:
    """A file as h5py's ``fileobj`` driver uses it, which remembers its failure instead of raising.

    Attributes:
        file: unbuffered, open for reading and writing.
        failure: the first that happened.
        kept: what was written after it, by offset.
    """

    file: BinaryIO
    failure: OSError | None = None
    kept: list[tuple[int, bytes]] = field(default_factory=list)
    _at: int = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (self._end() if whence == os.SEEK_END else 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        whole = bytes(data)
        if self.failure is None:
            try:
                self.file.seek(self._at)
                rest = memoryview(whole)
                while rest:
                    rest = rest[self.file.write(rest) :]
            except OSError as error:
                self.failure = error
        if self.failure is not None:
            self.kept.append((self._at, whole))
        self._at += len(whole)
        return len(whole)

    def read(self, size: int) -> bytes:
        """``size`` bytes, zeros where nothing was written."""
        self.file.seek(self._at)
        found = bytearray(self.file.read(size).ljust(size, b"\0"))
        for start, data in self.kept:
            first, stop = max(start, self._at), min(start + len(data), self._at + size)
            if first < stop:
                found[first - self._at : stop - self._at] = data[first - start : stop - start]
        self._at += size
        return bytes(found)

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        view[:] = self.read(len(view))
        return len(view)

    def truncate(self, size: int) -> int:
        if self.failure is None:
            try:
                self.file.truncate(size)
            except OSError as error:
                self.failure = error
        return size

    def flush(self) -> None:
        """Nothing is buffered here."""

    def _end(self) -> int:
        return max(self.file.seek(0, os.SEEK_END), *(s + len(d) for s, d in self.kept), 0)


@dataclass(frozen=True, eq=False)
class Output:
    """An HDF5 file being written.

    Attributes:
        file: it, ``h5py.File``.
        folder: where it lies; there is room for what is temporary.
    """

    file: Any
    folder: Path
    _disk: _Disk

    def put(self, name: str, values: NDArray[Any]) -> None:
        """A dataset with checksums; an empty one has nothing to check."""
        self.file.create_dataset(name, data=values, fletcher32=True if values.size else None)
        self._check()

    def put_rows(
        self,
        name: str,
        rows: Iterable[NDArray[Any]],
        shape: Sequence[int],
        dtype: Any,
        **options: Any,
    ) -> None:
        """A dataset of one chunk per row, one row in memory at a time.

        Args:
            name: path in the file.
            rows: ``shape[0]`` arrays of ``shape[1:]``.
            shape: of the dataset.
            dtype: of the dataset.
            options: filters, as ``h5py`` names them.

        Raises:
            RecordingError: a row has another shape.
        """
        chunked = {"chunks": (1, *shape[1:]), **options} if shape[0] else {}
        stored = self.file.create_dataset(name, shape, dtype, **chunked)
        for k, row in enumerate(rows):
            if row.shape != tuple(shape[1:]):
                raise RecordingError(
                    f"a picture is {list(row.shape)}, its camera {list(shape[1:])}", place=name
                )
            stored[k] = row
            self._check()

    def put_text(self, name: str, text: str) -> None:
        """A text of ASCII characters."""
        self.file[name] = np.bytes_(text)

    def _check(self) -> None:
        if self._disk.failure is not None:
            raise self._disk.failure


@contextmanager
def creating(path: Path) -> Iterator[Output]:
    """A new file whose structure carries checksums, readable by HDF5 1.10 and later.

    Raises:
        ExportError: h5py is not installed.
        OSError: the disk is full, or the file cannot be written for another reason.
    """
    try:
        import h5py
    except ImportError as error:
        raise ExportError(
            "the HDF5 format needs h5py", remedy="pip install 'scenekeeper[hdf5]'"
        ) from error
    with path.open("wb+", buffering=0) as raw:
        disk = _Disk(raw)
        with h5py.File(disk, "w", libver=("v110", "v110")) as file:
            yield Output(file, path.parent, disk)
        if disk.failure is not None:
            raise disk.failure
