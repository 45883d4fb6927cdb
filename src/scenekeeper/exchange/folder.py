"""Folders that appear whole or not at all, as :mod:`scenekeeper.store.atomic` does for files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
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
