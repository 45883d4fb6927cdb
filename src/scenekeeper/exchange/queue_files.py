"""Files that a labelling tool gave back: one file, a folder of them, or an archive.

In: a path. Out: names and bytes of the files in it that have one of the wanted endings. Archives
are read in memory; nothing is unpacked to disk.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scenekeeper.errors import ReviewError
from scenekeeper.exchange.queue_map import FILE

LARGEST = 2 << 30
"""Bytes of one file; the annotations of a day of video take a tenth of it."""


def files(path: Path, *endings: str) -> Iterator[tuple[str, bytes]]:
    """Files with one of the endings, in the order of their names; the id map is none of them.

    Yields:
        ``(name, content)``; of a file in a folder or archive the name within it.

    Raises:
        ReviewError: a file is too large, or the archive is damaged.
    """
    if path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.is_file() and _wanted(file.name, endings):
                yield file.relative_to(path).as_posix(), _small_enough(file).read_bytes()
    elif zipfile.is_zipfile(path):
        yield from _unpacked(path, endings)
    else:
        yield path.name, _small_enough(path).read_bytes()


def loaded_json(path: Path, name: str, data: bytes) -> Any:
    """What a JSON file holds.

    Raises:
        ReviewError: it is no JSON, or cut off.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ReviewError(
            f"is not JSON, or was cut off: {error}",
            path=path,
            place=name if name != path.name else None,
            remedy="Export it again.",
        ) from error


def _unpacked(path: Path, endings: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(path) as archive:
            for info in sorted(archive.infolist(), key=lambda i: i.filename):
                if info.is_dir() or not _wanted(Path(info.filename).name, endings):
                    continue
                if info.file_size > LARGEST:
                    raise _too_large(path, info.filename)
                yield info.filename, archive.read(info)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ReviewError(
            f"the archive is damaged ({error})", path=path, remedy="Export it again."
        ) from error


def _wanted(name: str, endings: tuple[str, ...]) -> bool:
    return name != FILE and name.lower().endswith(endings)


def _small_enough(file: Path) -> Path:
    if file.stat().st_size > LARGEST:
        raise _too_large(file, None)
    return file


def _too_large(path: Path, place: str | None) -> ReviewError:
    return ReviewError(
        f"is larger than {LARGEST >> 30} GiB", path=path, place=place, remedy="Export it in parts."
    )
