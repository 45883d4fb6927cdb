"""Folders that appear whole or not at all, as :mod:`scenekeeper.store.atomic` does for files.

Also what every exporter says when the disk is full, and names that are safe in a folder.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from scenekeeper.errors import ExportError
from scenekeeper.store import atomic


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder beside ``path``; on success it becomes ``path``, else it vanishes.

    Raises:
        ExportError: ``path`` exists.
    """
    if path.exists():
        raise ExportError("is in the way", path=path, remedy="Move it or choose another name.")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=atomic.PREFIX, dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        temporary.rename(path)
        atomic.sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def telling_of(path: Path, *errors: type[Exception]) -> Iterator[None]:
    """Turn what writing raises, ``OSError`` and ``errors``, into one that says what to do.

    Raises:
        ExportError: ``path`` cannot be written.
    """
    kinds: tuple[type[Exception], ...] = (OSError, *errors)
    try:
        yield
    except kinds as error:
        raise ExportError(
            f"cannot be written: {error}",
            path=path,
            remedy="Free some space or choose another folder, then export again.",
        ) from error


def plain_names(names: Sequence[str], fallback: str) -> list[str]:
    """Different names of letters, digits, ``_``, ``.`` and ``-`` alone, in the given order."""
    plain: list[str] = []
    for name in names:
        base = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("_.") or fallback
        number, unique = 1, base
        while unique in plain:
            number += 1
            unique = f"{base}_{number}"
        plain.append(unique)
    return plain
