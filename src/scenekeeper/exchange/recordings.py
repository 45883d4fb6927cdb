"""Whole recordings in other people's formats: one name per format, one function for all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from scenekeeper.errors import ExportError
from scenekeeper.recording.base import Recording

FORMATS: Mapping[str, str] = {"mcap": ".mcap", "rgbd": ""}
"""Names of formats and how their files end; the others are folders."""


def write_recording_as(recording: Recording, format: str, path: Path) -> Path:
    """Write a recording in a format; it appears whole or not at all.

    Args:
        recording: what to write.
        format: one of :data:`FORMATS`.
        path: file or folder to make.

    Raises:
        ExportError: no such format, or the file cannot be written.
        RecordingError: the recording cannot be read.
    """
    if format == "mcap":
        from scenekeeper.exchange.recording_mcap import write_recording

        return write_recording(recording, path)
    if format == "rgbd":
        from scenekeeper.exchange import recording_rgbd

        return recording_rgbd.write_recording(recording, path).path
    raise ExportError(
        f"no recording format {format!r}", path=path, remedy=f"There are: {', '.join(FORMATS)}."
    )
