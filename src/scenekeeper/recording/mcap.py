"""Open an MCAP file as a :class:`Recording`.

In: a ``.mcap`` file with Foxglove (protobuf, JSON) or ROS (CDR, ROS 1) messages, whole or cut off
by a crash. The bytes are read in :mod:`scenekeeper.recording.mcap_file`.
"""

from __future__ import annotations

from pathlib import Path

from scenekeeper.errors import RecordingError
from scenekeeper.recording.assemble import assemble
from scenekeeper.recording.base import Recording, content_fingerprint
from scenekeeper.recording.mcap_file import MAGIC, McapFile
from scenekeeper.recording.scan import scan

_ENCODINGS = {
    "protobuf": "foxglove protobuf",
    "json": "foxglove json",
    "cdr": "ROS 2",
    "ros1": "ROS 1",
}


def open(path: Path) -> list[Recording] | None:
    """The recording in an MCAP file, or ``None`` when the path is none.

    Raises:
        RecordingError: no message of the file can be read.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        magic = file.read(len(MAGIC))
    if magic != MAGIC:
        if path.suffix != ".mcap":
            return None
        raise RecordingError(
            "this is no MCAP file, it does not start like one",
            path=path,
            remedy="Copy it again from the robot.",
        )
    container = McapFile(path)
    found = scan(container)
    kinds = ", ".join(sorted(_ENCODINGS[encoding] for encoding in found.encodings))
    recording = assemble(
        container,
        found,
        name=path.stem,
        path=path,
        format=f"MCAP ({kinds})" if kinds else "MCAP",
        content=content_fingerprint(path, [path]),
        task=container.metadata().get("task"),
    )
    return [recording]
