"""Recordings that lie in folders: what is there, and pictures of one JPEG or PNG file each.

In: folders and files. Out: listings in a fixed order, texts, and :class:`FileSource`, pictures
that are opened when they are asked for. Whatever is wrong with a file is a ``RecordingError``
that names it.
"""

from __future__ import annotations

import os
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from scenekeeper.errors import RecordingError
from scenekeeper.recording.base import Encoded
from scenekeeper.recording.depth_codecs import MAX_PIXELS

_FORMATS = ("JPEG", "PNG")
_DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,  # Pillow's word for a broken PNG
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


@dataclass(frozen=True)
class DepthUnits:
    """What the numbers of a 16-bit depth picture mean.

    Attributes:
        per_metre: how many make one metre.
        invalid: numbers that stand for "unknown".
    """

    per_metre: float
    invalid: tuple[int, ...] = (0,)

    def table(self) -> NDArray[np.float32]:
        """Metres of every 16-bit number, ``float32 [65536]``; 0 for the invalid ones."""
        metres = (np.arange(1 << 16) / self.per_metre).astype(np.float32)
        metres[list(self.invalid)] = 0
        return metres


@dataclass(frozen=True)
class FileSource:
    """Lazy pictures of one stream, one file each.

    Attributes:
        files: N JPEG or PNG files.
        size: ``(width, height)`` in pixels that every picture must have.
        depth: what depth pictures count in; ``None`` for colour.
    """

    files: tuple[Path, ...]
    size: tuple[int, int]
    depth: DepthUnits | None = None

    def __len__(self) -> int:
        return len(self.files)

    def read(self, rows: Sequence[int]) -> Iterator[NDArray[Any]]:
        """Pictures at the given rows, one at a time.

        Yields:
            Colour as ``uint8 [H, W, 3]`` RGB; depth as ``float32 [H, W]`` metres, 0 = unknown.

        Raises:
            RecordingError: a file is missing, damaged, of another size, or not what it should be.
        """
        metres = self.depth.table() if self.depth else None
        for row in rows:
            path = self.files[row]
            with _naming(path):
                data = path.read_bytes()
                picture = (
                    _colour(data, path, self.size)
                    if metres is None
                    else metres.take(_depth_numbers(data, path, self.size))
                )
            yield picture

    def encoded(self, row: int) -> Encoded:
        """The bytes of one file, as they are.

        Raises:
            RecordingError: the file cannot be read, or is neither JPEG nor PNG.
        """
        path = self.files[row]
        with _naming(path):
            data = path.read_bytes()
        return Encoded(data, _kind(data, path))


def picture_size(files: Iterable[Path]) -> tuple[int, int]:
    """``(width, height)`` from the first header that can be read.

    Raises:
        RecordingError: there is none; says what is wrong with the last.
    """
    damage = RecordingError("no picture to take the size from")
    for file in files:
        try:
            return _header_size(file)
        except RecordingError as error:
            damage = error
    raise damage


def plain_files(folder: Path) -> list[Path]:
    """The files of a folder by name; none when there is no such folder.

    Raises:
        RecordingError: the folder cannot be listed.
    """
    return [folder / entry.name for entry in _entries(folder) if entry.is_file()]


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder by name; none when there is no such folder.

    Raises:
        RecordingError: the folder cannot be listed.
    """
    return [folder / entry.name for entry in _entries(folder) if entry.is_dir()]


def existing(*files: Path) -> list[Path]:
    """Those of the files that are there."""
    return [file for file in files if file.is_file()]


def numbered(files: Iterable[Path], pattern: re.Pattern[str]) -> dict[int, Path]:
    """Files whose whole name matches, ascending by the number in the pattern's first group.

    Raises:
        RecordingError: two files have the same number.
    """
    found: dict[int, Path] = {}
    for file in files:
        if match := pattern.fullmatch(file.name):
            other = found.setdefault(int(match[1]), file)
            if other is not file:
                raise RecordingError(
                    f"has the same number as {other.name}", path=file, remedy="Keep one of them."
                )
    return dict(sorted(found.items()))


def read_text(file: Path) -> str:
    """A text, with a mark in place of what is no UTF-8.

    Raises:
        RecordingError: the file cannot be read.
    """
    try:
        return file.read_text("utf-8-sig", "replace")
    except OSError as error:
        raise RecordingError(f"the file cannot be read ({error})", path=file) from error


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise RecordingError(f"the folder cannot be listed ({error})", path=folder) from error


def _header_size(path: Path) -> tuple[int, int]:
    with _naming(path), Image.open(path, formats=_FORMATS) as image:
        width, height = image.size
    if width * height > MAX_PIXELS:
        raise RecordingError(f"the header claims {width}x{height} pixels", path=path)
    return width, height


def _colour(data: bytes, path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    if _kind(data, path) == "jpeg" and (found := _jpeg_size(data)):
        _check_size(path, found, size)
        return np.asarray(simplejpeg.decode_jpeg(data), np.uint8)
    image = _checked(data, path, size)
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip to white
        return np.repeat((np.array(image) >> 8).astype(np.uint8)[..., None], 3, 2)
    return np.array(image.convert("RGB"))


def _depth_numbers(data: bytes, path: Path, size: tuple[int, int]) -> NDArray[Any]:
    image = _checked(data, path, size)
    if not image.mode.startswith("I"):
        raise RecordingError(
            f"depth must be a 16-bit grey PNG, this is a {_kind(data, path)} of mode {image.mode}",
            path=path,
        )
    return np.asarray(image)


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """``(width, height)`` of a JPEG that the fast decoder can turn into RGB, else ``None``."""
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:  # damaged, or of a rare subsampling; Pillow knows which
        return None
    return (width, height) if colorspace in ("YCbCr", "RGB", "Gray") else None


def _checked(data: bytes, path: Path, size: tuple[int, int]) -> Image.Image:
    """A picture of the right size and with right checksums, not decoded yet."""
    with Image.open(BytesIO(data), formats=_FORMATS) as image:
        _check_size(path, image.size, size)
        if not image.tile or (image.mode == "P" and image.palette is None):
            raise RecordingError("the file holds no pixels, or no palette for them", path=path)
        image.verify()  # checksums, which decoding skips; it uses the image up
    return Image.open(BytesIO(data), formats=_FORMATS)


def _kind(data: bytes, path: Path) -> Literal["jpeg", "png"]:
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    raise RecordingError("neither a JPEG nor a PNG picture", path=path)


def _check_size(path: Path, found: tuple[int, int], wanted: tuple[int, int]) -> None:
    if found != wanted:
        raise RecordingError(
            f"the picture is {found[0]}x{found[1]}, its camera {wanted[0]}x{wanted[1]}", path=path
        )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn what the decoders raise into one error that names the file."""
    try:
        yield
    except _DAMAGE as error:
        raise RecordingError(
            f"the picture cannot be read ({error})",
            path=path,
            remedy="Copy it again, or remove it to go on without it.",
        ) from error
