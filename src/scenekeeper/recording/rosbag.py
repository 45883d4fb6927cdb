"""Open ROS bags as a :class:`Recording`.

In: a ROS 1 ``.bag``, a ROS 2 bag folder (``.db3`` or ``.mcap`` files, and ``metadata.yaml`` unless
the recorder was killed), or a bare ``.db3``. The bytes are read in
:mod:`scenekeeper.recording.bag_files`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from scenekeeper.errors import RecordingError
from scenekeeper.recording.assemble import assemble
from scenekeeper.recording.bag_files import BAG_MAGIC, SQLITE_MAGIC, Ros1Bag, Split, SqliteBag
from scenekeeper.recording.base import Recording, content_fingerprint
from scenekeeper.recording.files import plain_files
from scenekeeper.recording.mcap_file import McapFile
from scenekeeper.recording.scan import Container, scan

_PART = re.compile(r"(.+)_([0-9]{1,6})\.(db3|mcap)")
_COPY = "Copy it again from the robot."


def open(path: Path) -> list[Recording] | None:
    """The recording in a ROS bag, or ``None`` when the path is none.

    Raises:
        RecordingError: no message of the bag can be read, or it is of an unknown version.
    """
    if path.is_dir():
        described = (path / "metadata.yaml").is_file()
        return _open_folder(path) if described else _open_unfinished(path)
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(16)
    if head.startswith(b"#ROSBAG V") or path.suffix == ".bag":
        if not head.startswith(BAG_MAGIC):
            raise RecordingError("this is no ROS 1 bag of version 2.0", path=path, remedy=_COPY)
        return [_recording(Ros1Bag(path), path, "ROS 1 bag", [path])]
    is_database = head == SQLITE_MAGIC
    if path.suffix != ".db3" and not (is_database and SqliteBag(path).is_bag()):
        return None
    if not is_database:
        raise RecordingError("this is no SQLite file", path=path, remedy=_COPY)
    return [_recording(SqliteBag(path), path, "ROS 2 bag", [path])]


def _recording(
    container: Container, path: Path, format: str, files: list[Path], notes: Sequence[str] = ()
) -> Recording:
    found = scan(container)
    found.report.notes += notes
    return assemble(
        container,
        found,
        name=path.stem if path.is_file() else path.name,
        path=path,
        format=format,
        content=content_fingerprint(path, files),
    )


def _open_folder(path: Path) -> list[Recording] | None:
    information = _read_metadata(path / "metadata.yaml")
    if information is None:
        return None
    try:
        names = [str(name) for name in information["relative_file_paths"]]
        zipped_messages = str(information.get("compression_mode") or "").lower() == "message"
    except (KeyError, TypeError, AttributeError) as error:
        raise RecordingError(
            f"the bag's description lacks {error}",
            path=path / "metadata.yaml",
            remedy="Run: ros2 bag reindex",
        ) from error
    if not names:
        raise RecordingError("the bag names no files", path=path, remedy="Run: ros2 bag reindex")
    files, lost = [], []
    for name in names:
        try:
            files.append(_locate(path, name))
        except RecordingError as error:
            lost.append(error)
    if not files:
        raise lost[0]
    return [_folder(path, files, zipped_messages, [f"A part is left out: {e}" for e in lost])]


def _open_unfinished(path: Path) -> list[Recording] | None:
    """A bag whose recorder was killed: its files are there, the description is written last."""
    parts = [
        (match[1], match[3], int(match[2]), file)
        for file in plain_files(path)
        if (match := _PART.fullmatch(file.name))
    ]
    if len({(stem, suffix) for stem, suffix, _, _ in parts}) != 1:
        return None
    note = "The bag has no metadata.yaml, as after a crash; its files were taken in order."
    return [_folder(path, [file for *_, file in sorted(parts)], False, [note])]


def _folder(path: Path, files: list[Path], zipped: bool, notes: Sequence[str]) -> Recording:
    parts = tuple(
        McapFile(file) if file.suffix == ".mcap" else SqliteBag(file, zipped) for file in files
    )
    container = parts[0] if len(parts) == 1 else Split(path, parts)
    return _recording(container, path, "ROS 2 bag", files, notes)


def _read_metadata(file: Path) -> dict[str, Any] | None:
    """The bag's description; ``None`` when the file describes something else."""
    try:
        document = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, YAMLError, RecursionError) as error:
        raise RecordingError(
            f"the bag's description cannot be read ({type(error).__name__})",
            path=file,
            remedy="Run: ros2 bag reindex",
        ) from error
    key = "rosbag2_bagfile_information"
    found = document.get(key) if isinstance(document, dict) else None
    return found if isinstance(found, dict) else None


def _locate(folder: Path, name: str) -> Path:
    """A file of the bag; older bags name it with the folder in which they were recorded."""
    file = folder / Path(name).name
    if file.suffix == ".zstd" and not file.is_file():
        file = file.with_suffix("")
    if not file.is_file():
        raise RecordingError("the bag's file is missing", path=file, remedy=_COPY)
    if file.suffix not in (".db3", ".mcap"):
        raise RecordingError(
            "the bag's file is compressed or of an unknown storage",
            path=file,
            remedy=f"Unpack it beside this one: zstd -d {file.name}",
        )
    return file
