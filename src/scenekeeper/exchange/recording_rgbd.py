"""Write any recording as RGB-D folders in the layout of TUM RGB-D, the one that keeps times.

In: a :class:`~scenekeeper.recording.base.Recording`. Out: one TUM folder per camera (the folder
itself when there is one camera), and beside it what TUM has no place for: names, depth's own
calibration, joints, actions, the task. Other tools read the pictures, times and poses; ours reads
everything back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from scenekeeper.errors import ExportError
from scenekeeper.exchange.base import Exported
from scenekeeper.exchange.encoded import EXTENSION, depth_file, png
from scenekeeper.exchange.folder import plain_names, replacing_folder, telling_of
from scenekeeper.geometry import invert, pose_matrix, pose_vector
from scenekeeper.recording import sidecar
from scenekeeper.recording.base import Encoded, Images, ImageSource, Recording, Signal, View
from scenekeeper.recording.files import DepthUnits

UNITS = DepthUnits(5000)
"""TUM's depth: 0.2 mm, up to 13.1 m."""

_FARTHEST = (65535 + 0.5) / UNITS.per_metre
_MAX_NS = 9_000_000_000 * 1_000_000_000
_SECOND = 1_000_000_000


def write_recording(recording: Recording, path: Path) -> Exported:
    """Write a recording as RGB-D folders; they appear whole or not at all.

    JPEG and PNG files are copied byte for byte, other colour becomes PNG, which loses nothing.
    Depth is kept to 0.1 mm.

    Args:
        recording: what to write.
        path: the folder to make; its name becomes the recording's.

    Raises:
        ExportError: ``path`` exists or cannot be written, there is no picture, or times lie
            before 1970.
        RecordingError: a picture of the recording cannot be read.
    """
    views = tuple(view for view in recording.views if len(view.rgb))
    if not views:
        raise ExportError(
            "there is no picture to put into an RGB-D folder",
            path=recording.path,
            remedy="Write it as MCAP, which holds numbers alone too.",
        )
    folders = plain_names([view.camera.name for view in views], "camera")
    folders = ["."] if len(views) == 1 else folders
    notes: list[str] = []
    with telling_of(path), replacing_folder(path) as folder:
        for view, name in zip(views, folders, strict=True):
            notes += _write_view(view, folder / name)
        kept = Recording(
            path.name, path, recording.format, views, recording.signals, recording.task
        )
        sidecar.write(folder, [kept], [{"folders": folders}])
    return Exported(path, sum(len(view.rgb) for view in views), 0, tuple(notes))


def _write_view(view: View, folder: Path) -> list[str]:
    notes: list[str] = []
    folder.mkdir(exist_ok=True)
    _write_list(folder, "rgb", view.rgb, _color(view.rgb.source, len(view.rgb)))
    if view.depth is not None and len(view.depth):
        too_far: list[int] = []
        files = _depth(view.depth.source, len(view.depth), too_far)
        _write_list(folder, "depth", view.depth, files)
        notes += _notes_on_depth(view, too_far)
    if view.poses is not None:
        _write_poses(folder / "groundtruth.txt", view)
    if view.camera.intrinsics is not None:
        np.savetxt(folder / "camera-intrinsics.txt", view.camera.intrinsics, fmt="%.17g")
    return notes


def _notes_on_depth(view: View, too_far: Sequence[int]) -> Iterator[str]:
    name = view.camera.name
    if too_far:
        yield (
            f"Camera {name!r}: {len(too_far)} depth pictures reach beyond 13.1 m, which is unknown"
            " in TUM's units."
        )
    if view.depth_camera is not None or not np.array_equal(view.T_camera_depth, np.eye(4)):
        yield (
            f"Camera {name!r}: its depth has a calibration of its own, which TUM's tools do not"
            " know; scenekeeper.json has it."
        )


def _color(source: ImageSource, n: int) -> Iterator[Encoded]:
    if source.encoded(0) is None:
        yield from (Encoded(png(pixels), "png") for pixels in source.read(range(n)))
        return
    for row in range(n):
        stored = source.encoded(row)
        yield stored or Encoded(png(next(iter(source.read([row])))), "png")


def _depth(source: ImageSource, n: int, too_far: list[int]) -> Iterator[Encoded]:
    """The pictures as files; rows that hold depth too far for the units go into ``too_far``."""
    for row, depth in enumerate(source.read(range(n))):
        if (depth >= _FARTHEST).any():
            too_far.append(row)
        yield Encoded(depth_file(source.encoded(row), depth, UNITS), "png")


def _write_list(folder: Path, kind: str, images: Images, files: Iterator[Encoded]) -> None:
    """The pictures, named by their times, and the list that tells TUM's tools of them."""
    (folder / kind).mkdir()
    lines = [f"# timestamp filename, {kind}"]
    for t_ns, picture in zip(images.t_ns.tolist(), files, strict=True):
        seconds = _seconds(t_ns)
        name = f"{kind}/{seconds}{EXTENSION[picture.format]}"
        (folder / name).write_bytes(picture.data)
        lines.append(f"{seconds} {name}")
    (folder / f"{kind}.txt").write_text("\n".join(lines) + "\n")


def _write_poses(file: Path, view: View) -> None:
    """The colour camera's poses, as TUM has them."""
    assert view.poses is not None
    lines = ["# timestamp tx ty tz qx qy qz qw"]
    for t_ns, pose in _of_color(view.poses, view):
        lines.append(" ".join([_seconds(t_ns), *(f"{v:.17g}" for v in pose)]))
    file.write_text("\n".join(lines) + "\n")


def _of_color(poses: Signal, view: View) -> Iterator[tuple[int, list[float]]]:
    rows = zip(poses.t_ns.tolist(), poses.values, strict=True)
    if view.posed == "rgb":
        yield from ((t_ns, pose.tolist()) for t_ns, pose in rows)
        return
    T_depth_camera = invert(view.T_camera_depth)
    for t_ns, pose in rows:
        yield t_ns, pose_vector(pose_matrix(pose) @ T_depth_camera).tolist()


def _seconds(t_ns: int) -> str:
    """Decimal seconds to the nanosecond."""
    if not 0 <= t_ns <= _MAX_NS:
        raise ExportError("TUM RGB-D has no times before 1970", remedy="Shift the times.")
    seconds, nanoseconds = divmod(t_ns, _SECOND)
    return f"{seconds}.{nanoseconds:09d}"
