"""Recognise a path and open it with the right reader."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from scenekeeper.errors import RecordingError
from scenekeeper.recording.base import Recording

Reader = Callable[[Path], list[Recording] | None]
"""Looks at a path; ``None`` when the format is not its own, else one recording per session."""

# Most specific first: a LeRobot folder also holds videos, a video file is the last resort.
BUILT_IN = (
    "scenekeeper.recording.lerobot_kept",
    "scenekeeper.recording.lerobot",
    "scenekeeper.recording.mcap",
    "scenekeeper.recording.rosbag",
    "scenekeeper.recording.rgbd_kept",
    "scenekeeper.recording.rgbd",
    "scenekeeper.recording.hdf5",
    "scenekeeper.recording.rlds",
    "scenekeeper.recording.video",
)


def open_recordings(path: str | os.PathLike[str]) -> list[Recording]:
    """Open every session at a path; a LeRobot dataset holds one per episode.

    ``path#NAME`` picks one session by name or by the end of its name, ``g1#episode_000029``.

    Raises:
        RecordingError: nothing there, no reader knows it, or it is damaged beyond use.
    """
    from scenekeeper.recording.registration import drop_unusable_depth

    root, wanted = Path(path).expanduser(), ""
    try:
        if not root.exists() and "#" in root.name:
            text, _, wanted = str(root).rpartition("#")
            root = Path(text)
        if not root.exists():
            raise RecordingError("there is nothing here", path=root, remedy="Check the path.")
        recordings = _read(root)
    except OSError as error:
        raise RecordingError(f"it cannot be read ({error.strerror or error})", path=root) from error
    if recordings is not None:
        return [drop_unusable_depth(r) for r in _pick(recordings, wanted, root)]
    raise RecordingError(
        "no reader knows this format",
        path=root,
        remedy="Known: RGB-D folders (7-Scenes, TUM, ScanNet, Replica), LeRobot v2.1 and v3.0,"
        " RLDS, MCAP, ROS 1 and ROS 2 bags, HDF5 episodes (ALOHA, ACT), video files. A reader of"
        " your own is one function: docs/extend.md.",
    )


def open_recording(path: str | os.PathLike[str]) -> Recording:
    """Open the one session at a path.

    Raises:
        RecordingError: as :func:`open_recordings`, or when there are several sessions.
    """
    recordings = open_recordings(path)
    if len(recordings) != 1:
        names = ", ".join(r.name for r in recordings[:3])
        raise RecordingError(
            f"{len(recordings)} sessions here ({names}, ...)",
            path=path,
            remedy=f"Name one: {os.fspath(path)}#{recordings[0].name}",
        )
    return recordings[0]


@lru_cache(maxsize=1)
def _last_opened(source: str, stamp: int) -> tuple[Recording, ...]:
    """The sessions at a source, opened once for a dataset of a thousand episodes."""
    return tuple(open_recordings(source))


def _read(root: Path) -> list[Recording] | None:
    found = (reader(root) for reader in _readers())
    return next((recordings for recordings in found if recordings is not None), None)


def _readers() -> list[Reader]:
    built_in = [import_module(name).open for name in BUILT_IN]
    plugins = [point.load() for point in entry_points(group="scenekeeper.readers")]
    return plugins + built_in


def _pick(recordings: list[Recording], wanted: str, root: Path) -> list[Recording]:
    if not wanted:
        return recordings
    chosen = [r for r in recordings if r.name == wanted]
    chosen = chosen or [r for r in recordings if r.name.endswith(wanted)]
    if len(chosen) != 1:
        known = ", ".join(r.name for r in recordings[:5])
        raise RecordingError(
            f"{len(chosen)} sessions match {wanted!r}", path=root, remedy=f"There are: {known}"
        )
    return chosen


def reopen(
    source: str, name: str, content: str, corrections: Mapping[str, Any] | None = None
) -> Recording:
    """Open the recording a session was labelled from, with the calibration found then.

    Args:
        source: its path as kept in the dataset.
        name: the recording's name there.
        content: its fingerprint then.
        corrections: per camera, what :func:`scenekeeper.recording.registration.align` found.

    Raises:
        RecordingError: it moved, or other bytes are there now.
    """
    from scenekeeper.recording.registration import apply_alignment

    remedy = "Put the recording back, or label it again from where it is now."
    if not Path(source).exists():
        raise RecordingError("the recording is no longer here", path=source, remedy=remedy)
    stamp = Path(source).stat().st_mtime_ns
    found = [r for r in _last_opened(source, stamp) if r.content == content]
    if not found:
        raise RecordingError("another recording is here now", path=source, remedy=remedy)
    recording = next((r for r in found if r.name == name), found[0])
    return apply_alignment(recording, corrections or {})
