"""A session's pictures as files hold them, for exporters that copy pixels.

In: rows of a session's index of frames. Out: JPEG or PNG bytes, copied where the recording holds
such files and encoded where it holds video or raw pixels.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from scenekeeper.exchange.encoded import color_files
from scenekeeper.recording import Encoded, Recording
from scenekeeper.recording.files import FileSource
from scenekeeper.recording.open import reopen
from scenekeeper.store import Dataset


def open_source(dataset: Dataset, session: str) -> Recording:
    """The recording a session was labelled from, with the calibration its labels hold for.

    Raises:
        RecordingError: it is no longer where it was, or other bytes are there now.
    """
    info = dataset.session(session)
    return reopen(info.source, info.name, info.content, info.alignment)


def pictures(recording: Recording, index: pa.Table) -> Iterator[tuple[int, Encoded]]:
    """Colour pictures of frames, camera after camera, one in memory at a time.

    Args:
        recording: an open recording.
        index: rows of :data:`scenekeeper.schema.FRAMES`, ascending in ``frame_id``.

    Yields:
        ``(frame_id, picture)``.

    Raises:
        RecordingError: a picture cannot be read.
    """
    rows = index.select(["camera", "frame_id", "rgb_row"]).to_pylist()
    for view in recording.views:
        chosen = [row for row in rows if row["camera"] == view.camera.name]
        found = color_files(view.rgb.source, [row["rgb_row"] for row in chosen])
        for row, picture in zip(chosen, found, strict=True):
            yield row["frame_id"], picture


def file_names(recording: Recording, index: pa.Table) -> dict[int, str]:
    """Per frame, its picture's own file relative to the recording, where it has one."""
    names = {}
    for row in index.select(["camera", "frame_id", "rgb_row"]).to_pylist():
        source = recording.view(row["camera"]).rgb.source
        if isinstance(source, FileSource):
            file = source.files[row["rgb_row"]]
            names[row["frame_id"]] = Path(os.path.relpath(file, recording.path)).as_posix()
    return names
