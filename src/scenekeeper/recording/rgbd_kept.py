"""RGB-D folders that we wrote: TUM folders with their own times, and beside them all the rest.

In: a folder with ``scenekeeper.json`` that names one TUM folder per camera. Out: the recording that
was written, with depth's own calibration, exact poses, joints, actions and the task.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from scenekeeper.errors import RecordingError
from scenekeeper.recording import rgbd, sidecar
from scenekeeper.recording.base import Images, Recording, content_fingerprint
from scenekeeper.recording.facts import ViewFacts, rebuild
from scenekeeper.recording.files import FileSource, picture_size
from scenekeeper.schema import Camera


def open(path: Path) -> list[Recording] | None:
    """Open an RGB-D folder that we wrote, or a folder of such folders.

    Returns:
        A recording per folder, or ``None`` when there is none.

    Raises:
        RecordingError: what is kept beside the pictures is damaged, or a camera's are not there.
    """
    if not path.is_dir():
        return None
    if (recording := _one(path)) is not None:
        return [recording]
    found = [_one(file.parent) for file in sorted(path.glob(f"*/{sidecar.NAME}"))]
    return [recording for recording in found if recording is not None] or None


def _one(folder: Path) -> Recording | None:
    kept = sidecar.read(folder) or []
    if len(kept) != 1 or "folders" not in kept[0].where:
        return None
    cameras = _folders(folder, kept[0].where["folders"])
    facts = kept[0].facts
    if len(cameras) != len(facts.views):
        raise _unlike(folder, f"names {len(cameras)} folders for {len(facts.views)} cameras")
    plain = [_plain(camera) for camera in cameras]
    streams = [_streams(folder, one, about) for one, about in zip(plain, facts.views, strict=True)]
    views, signals = rebuild(facts, streams, kept[0].read)
    here = [
        file for file in (folder / sidecar.NAME, folder / sidecar.SIGNALS_NAME) if file.exists()
    ]
    parts = [content_fingerprint(folder, here), *(recording.content for recording in plain)]
    return Recording(
        rgbd.name_of(folder),
        folder,
        "TUM RGB-D (scenekeeper)",
        views,
        signals,
        facts.task,
        tuple(note for one in plain for note in one.notes if "intrinsics" not in note),
        hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16],
    )


def _folders(folder: Path, names: Any) -> list[Path]:
    """The cameras' folders; none may lead out."""
    names = names if isinstance(names, list) else [names]
    for name in names:
        if not isinstance(name, str) or PurePosixPath(name).name != name.removeprefix("."):
            raise _unlike(folder, f"names no folder here: {name!r}")
    return [folder / name for name in names]


def _plain(folder: Path) -> Recording:
    found = rgbd.open(folder) or []
    if len(found) != 1:
        raise RecordingError(
            "the camera's pictures are not there", path=folder, remedy="Copy the folder again."
        )
    return found[0]


def _streams(folder: Path, found: Recording, about: ViewFacts) -> tuple[Images, Images | None]:
    [view] = found.views
    _check_size(folder, about.camera, (view.camera.width, view.camera.height))
    if view.depth is None:
        return view.rgb, None
    source = view.depth.source
    assert isinstance(source, FileSource)
    size = picture_size(source.files)
    _check_size(folder, about.depth_camera or about.camera, size)
    return view.rgb, Images(view.depth.t_ns, replace(source, size=size))


def _check_size(folder: Path, camera: Camera, size: tuple[int, int]) -> None:
    if (camera.width, camera.height) != size:
        raise _unlike(
            folder,
            f"camera {camera.name!r} is {camera.width}x{camera.height}, its pictures"
            f" {size[0]}x{size[1]}",
        )


def _unlike(folder: Path, problem: str) -> RecordingError:
    remedy = f"Copy the folder again, or remove {sidecar.NAME} to read it as plain TUM RGB-D."
    return RecordingError(problem, path=folder / sidecar.NAME, remedy=remedy)
