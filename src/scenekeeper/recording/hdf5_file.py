"""HDF5 files that may be damaged: checked datasets of numbers, and pictures read row by row.

In: a file. Out: arrays, texts and the :class:`~scenekeeper.recording.base.ImageSource` a view
holds. What the library raises becomes one ``RecordingError`` that names the file and the place.
Nothing outside the file is followed: no external links, external storage or virtual datasets.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import RecordingError
from scenekeeper.recording.base import Encoded
from scenekeeper.recording.color_codecs import decode_color, picture_size, stored_file
from scenekeeper.recording.depth_codecs import check_size
from scenekeeper.recording.files import DepthUnits
from scenekeeper.recording.messages import Picture
from scenekeeper.recording.wire import DECODE_ERRORS

SIGNATURE = b"\x89HDF\r\n\x1a\n"
PER_METRE = "per_metre"
"""Attribute of depth in whole numbers: how many make one metre."""

_DAMAGE = (OSError, RuntimeError, *DECODE_ERRORS)
_MOST_SHRUNK = 1100
"""How many times smaller than its content deflate can make a dataset, a little more than that."""


def is_hdf5(path: Path) -> bool:
    """Whether a file starts like HDF5."""
    with path.open("rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE


@contextmanager
def reading(path: Path, place: str | None = None) -> Iterator[Any]:
    """A file open for reading as ``h5py.File``; whatever goes wrong names it.

    Raises:
        RecordingError: it cannot be read, or h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise RecordingError(
            "HDF5 files need h5py", path=path, remedy="pip install 'scenekeeper[hdf5]'"
        ) from error
    with _naming(path, place), h5py.File(path, "r", locking="best-effort") as file:
        yield file


def members(file: Any, group: str) -> list[str]:
    """Names in a group of the file, sorted; none where there is no such group."""
    found = file.get(group)
    return sorted(found) if hasattr(found, "keys") else []


def dataset(file: Any, name: str, ndim: int, kinds: str = "fiu") -> Any:
    """A dataset, ``h5py.Dataset``, that holds what it claims to.

    Args:
        file: an open file.
        name: path in it.
        ndim: how many dimensions it must have.
        kinds: NumPy's letters of the dtypes it may have.

    Raises:
        RecordingError: it is missing, of another shape or type, or lies outside the file.
    """
    found = file.get(name)
    if found is None or not hasattr(found, "shape"):
        raise _wrong(file, name, "is missing")
    if found.dtype.kind not in kinds or found.ndim != ndim:
        raise _wrong(
            file, name, f"is {found.dtype} {list(found.shape)}, which is not expected here"
        )
    if found.file.filename != file.filename or found.external or found.is_virtual:
        raise _wrong(file, name, "lies in another file")
    size = Path(file.filename).stat().st_size
    for shape in (found.shape, found.chunks or ()):
        if math.prod(shape) * found.dtype.itemsize > _MOST_SHRUNK * size:
            raise _wrong(file, name, f"claims {list(shape)} {found.dtype} in {size} bytes")
    return found


def numbers(file: Any, name: str, rows: int | None = None) -> NDArray[np.float64]:
    """A table of numbers, ``float64 [T, D]``.

    Raises:
        RecordingError: there is none, or it has another number of rows than wanted.
    """
    with _naming(Path(file.filename), name):
        values = np.asarray(dataset(file, name, 2)[()], np.float64)
    if rows is not None and len(values) != rows:
        raise _wrong(file, name, f"has {len(values)} rows, not {rows}")
    return values


def times(file: Any, name: str) -> NDArray[np.int64]:
    """Times in nanoseconds, ``int64 [N]``, that never go back.

    Raises:
        RecordingError: they are missing, or something else.
    """
    with _naming(Path(file.filename), name):
        t_ns = np.asarray(dataset(file, name, 1, "i")[()], np.int64)
    if (t_ns[1:] < t_ns[:-1]).any() or (
        len(t_ns) and not -(1 << 62) < t_ns[0] <= t_ns[-1] < 1 << 62
    ):
        raise _wrong(file, name, "its times do not ascend")
    return t_ns


Form = Literal["pixels", "files", "swapped", "depth"]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Lazy pictures of one stream, one row of a dataset each.

    Attributes:
        path: the file.
        name: the dataset in it.
        rows: ``int64 [N]`` ascending rows of the dataset.
        size: ``(width, height)`` in pixels that every picture must have.
        form: ``pixels`` are ``uint8 [T, H, W, 3]`` RGB; ``files`` are JPEG or PNG with zeros after
            their end, ``uint8 [T, L]``; ``swapped`` are such files with red in place of blue;
            ``depth`` is ``float32`` metres or ``uint16``, ``[T, H, W]``.
        lengths: ``int64 [N]`` bytes of each file; ``None`` where only the zeros tell.
    """

    path: Path
    name: str
    rows: NDArray[np.int64]
    size: tuple[int, int]
    form: Form
    lengths: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, rows: Sequence[int]) -> Iterator[NDArray[Any]]:
        """See :class:`~scenekeeper.recording.base.ImageSource`."""
        if not len(rows):
            return
        with reading(self.path, self.name) as file:
            stored = file[self.name]
            for row in rows:
                with _naming(self.path, f"{self.name} row {self.rows[row]}"):
                    pixels = self._pixels(stored, row)
                    height, width = pixels.shape[:2]
                    if (width, height) != self.size:
                        raise ValueError(f"{width}x{height} and not {self.size[0]}x{self.size[1]}")
                yield pixels

    def encoded(self, row: int) -> Encoded | None:
        """See :class:`~scenekeeper.recording.base.ImageSource`."""
        if self.form != "files":
            return None
        with reading(self.path, f"{self.name} row {self.rows[row]}") as file:
            found = stored_file(_picture(self._file(file[self.name], row)))
            if found is None:
                raise ValueError("neither JPEG nor PNG")
            return found

    def _pixels(self, stored: Any, row: int) -> NDArray[Any]:
        if self.form in ("files", "swapped"):
            pixels = decode_color(_picture(self._file(stored, row)))
            return pixels if self.form == "files" else np.ascontiguousarray(pixels[..., ::-1])
        check_size(*self.size)
        pixels = np.asarray(stored[self.rows[row]])
        return pixels if self.form == "pixels" else _metres(pixels, stored.attrs.get(PER_METRE, 0))

    def _file(self, stored: Any, row: int) -> bytes:
        data: bytes = stored[self.rows[row]].tobytes()
        # Both JPEG and PNG end in a byte that is not zero.
        return data.rstrip(b"\0") if self.lengths is None else data[: self.lengths[row]]


def file_size(stored: Any) -> tuple[int, int]:
    """``(width, height)`` of the first picture that can be read in ``uint8 [T, L]`` of files.

    Raises:
        RecordingError: there is none among the first; says what is wrong with the last.
    """
    problem = "holds no picture"
    for row in range(min(len(stored), 32)):
        try:
            return picture_size(_picture(stored[row].tobytes()))
        except _DAMAGE as error:
            problem = f"holds no picture that can be read ({error})"
    raise _wrong(stored.file, stored.name.strip("/"), problem)


def _picture(data: bytes) -> Picture:
    return Picture(0, "", "compressed", "", data)


def _metres(stored: NDArray[Any], per_metre: Any) -> NDArray[np.float32]:
    """Depth as ``float32`` metres; what is not finite, below zero or saturated is unknown."""
    if stored.dtype == np.uint16:
        if not 1 <= per_metre <= 1e6:
            raise ValueError(f"depth in {per_metre} units per metre")
        return DepthUnits(float(per_metre), invalid=(0, 65535)).table().take(stored)
    depth = stored.astype(np.float32)
    depth[~(np.isfinite(depth) & (depth > 0))] = 0
    return depth


@contextmanager
def _naming(path: Path, place: str | None) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise RecordingError(
            f"it cannot be read ({error or type(error).__name__})",
            path=path,
            place=place,
            remedy="Copy it again.",
        ) from error


def _wrong(file: Any, name: str, problem: str) -> RecordingError:
    return RecordingError(problem, path=file.filename, place=name)
