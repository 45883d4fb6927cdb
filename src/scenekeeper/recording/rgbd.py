"""RGB-D folders: 7-Scenes, TUM RGB-D, ScanNet exports and Replica as NICE-SLAM renders it.

In: a folder. Out: one recording per sequence in it. Each layout is one function that states its
depth units, intrinsics per stream, clock and whose poses it holds. Opening lists each folder once
and reads the poses; of the pictures it reads one header per stream.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.errors import RecordingError
from scenekeeper.recording.base import (
    POSE_NAMES,
    Images,
    Recording,
    Signal,
    View,
    content_fingerprint,
)
from scenekeeper.recording.files import (
    DepthUnits,
    FileSource,
    existing,
    numbered,
    picture_size,
    plain_files,
    read_text,
    subfolders,
)
from scenekeeper.schema import Camera

Float = NDArray[np.float64]
Notes = tuple[str, ...]
Files = dict[int, Path]
"""Files by capture time in nanoseconds, ascending."""


@dataclass(frozen=True)
class Published:
    """A calibration that a data set's authors published; it holds at one picture size only."""

    whose: str
    fx_fy_cx_cy: tuple[float, float, float, float]
    distortion: tuple[float, ...] = ()
    size: tuple[int, int] = (640, 480)


SEVEN_SCENES = Published("7-Scenes", (585, 585, 320, 240))
REPLICA = Published("NICE-SLAM's Replica", (600, 600, 599.5, 339.5), size=(1200, 680))
ROS_DEFAULT = Published("the ROS default", (525, 525, 319.5, 239.5))
_FREIBURG1_DISTORTION = (0.2624, -0.9531, -0.0054, 0.0026, 1.1633)
_FREIBURG2_DISTORTION = (0.2312, -0.7849, -0.0033, -0.0001, 0.9172)
FREIBURG = (
    Published("freiburg1", (517.3, 516.5, 318.6, 255.3), _FREIBURG1_DISTORTION),
    Published("freiburg2", (520.9, 521.0, 325.1, 249.7), _FREIBURG2_DISTORTION),
    Published("freiburg3", (535.4, 539.2, 320.1, 247.6)),
)

_CLOCK_NOTE = "The format keeps no times; they were synthesised at 30 Hz from the file numbers."
_NO_POSE = np.full((4, 4), np.nan)


def open(path: Path) -> list[Recording] | None:
    """Open an RGB-D folder of a known layout.

    Returns:
        One recording per sequence, or ``None`` when the layout is none of these.

    Raises:
        RecordingError: the layout is known, but there is no colour picture in it, or its
            calibration cannot be used.
    """
    if not path.is_dir():
        return None
    for layout in (_tum, _scannet, _replica, _seven_scenes):
        if (recordings := layout(path)) is not None:
            return recordings
    return None


def _seven_scenes(root: Path) -> list[Recording] | None:
    """Frames in the folder itself, or in its subfolders ``seq-01``, ``seq-02``, ..."""
    single = _seven_scenes_sequence(root, name_of(root))
    if single is not None:
        return [single]
    folders = [f for f in subfolders(root) if re.fullmatch(r"seq-?[0-9]+", f.name)]
    found = [_seven_scenes_sequence(f, f"{name_of(root)}-{f.name}") for f in folders]
    return [recording for recording in found if recording is not None] or None


def _seven_scenes_sequence(folder: Path, name: str) -> Recording | None:
    """Millimetres, 0 and 65535 unknown; poses and published intrinsics are the depth camera's."""
    files = plain_files(folder)
    color = _numbered(files, r"frame-#\.color\.(png|jpe?g)")
    depth = _numbered(files, r"frame-#\.depth\.png")
    pose_files = _numbered(files, r"frame-#\.pose\.txt")
    if not (color or depth or pose_files):
        return None
    size = _size(color, folder, "7-Scenes")
    given = existing(folder / "camera-intrinsics.txt", folder.parent / "camera-intrinsics.txt")
    camera, camera_notes = _camera("camera", size, given, SEVEN_SCENES)
    poses, pose_notes = _poses({t: _matrix(read_text(file)) for t, file in pose_files.items()})
    view = View(
        camera,
        _images(color, size),
        _images(depth, size, DepthUnits(1000, invalid=(0, 65535))) if depth else None,
        poses=poses,
        posed="depth",
    )
    notes = (_CLOCK_NOTE, *camera_notes, *pose_notes, *_gaps(color, depth, pose_files))
    read = [*color.values(), *depth.values(), *pose_files.values(), *given]
    return _recording(folder, name, "7-Scenes", view, read, notes)


def _tum(folder: Path) -> list[Recording] | None:
    """Three lists on one clock; 5000 per metre, depth registered to colour, colour's poses."""
    lists = existing(*(folder / f"{name}.txt" for name in ("rgb", "depth", "groundtruth")))
    if folder / "rgb.txt" not in lists or (len(lists) == 1 and not (folder / "rgb").is_dir()):
        return None
    color, color_notes = _listed(folder, folder / "rgb.txt")
    depth, depth_notes = _listed(folder, folder / "depth.txt")
    size = _size(color, folder, "TUM RGB-D")
    given = existing(folder / "camera-intrinsics.txt", folder / "calibration.txt")
    published = next((p for p in FREIBURG if p.whose in name_of(folder)), ROS_DEFAULT)
    camera, camera_notes = _camera("camera", size, given, published)
    lines, line_notes = _timed_lines(folder / "groundtruth.txt")
    poses, pose_notes = _poses({t: _quaternion_pose(words) for t, words in lines.items()})
    view = View(
        camera,
        _images(color, size),
        _images(depth, size, DepthUnits(5000)) if depth else None,
        poses=poses,
    )
    notes = (*color_notes, *depth_notes, *camera_notes, *line_notes, *pose_notes)
    read = [*lists, *color.values(), *depth.values(), *given]
    return [_recording(folder, name_of(folder), "TUM RGB-D", view, read, notes)]


def _scannet(folder: Path) -> list[Recording] | None:
    """Millimetres; colour and depth cameras calibrated apart; poses are the colour camera's."""
    calibration = folder / "intrinsic"
    if not (folder / "color").is_dir() or not (calibration.is_dir() or (folder / "pose").is_dir()):
        return None
    color = _numbered(plain_files(folder / "color"), r"#\.(png|jpe?g)")
    depth = _numbered(plain_files(folder / "depth"), r"#\.png")
    pose_files = _numbered(plain_files(folder / "pose"), r"#\.txt")
    size = _size(color, folder, "ScanNet")
    given = [existing(calibration / f"intrinsic_{name}.txt") for name in ("color", "depth")]
    camera, camera_notes = _camera("camera", size, given[0])
    depth_size = picture_size(depth.values()) if depth else size
    depth_camera, depth_notes = _camera("depth", depth_size, given[1])
    poses, pose_notes = _poses({t: _matrix(read_text(file)) for t, file in pose_files.items()})
    extrinsics = [calibration / f"extrinsic_{name}.txt" for name in ("color", "depth")]
    # An extrinsic maps its camera's points into the frame that the two share.
    T_shared_camera, T_shared_depth = (_extrinsic(file) for file in extrinsics)
    view = View(
        camera,
        _images(color, size),
        _images(depth, depth_size, DepthUnits(1000)) if depth else None,
        depth_camera if depth else None,
        geometry.invert(T_shared_camera) @ T_shared_depth,
        poses,
    )
    notes = (_CLOCK_NOTE, *camera_notes, *(depth_notes if depth else ()), *pose_notes)
    notes += _gaps(color, depth, pose_files)
    read = [*color.values(), *depth.values(), *pose_files.values()]
    read += [*given[0], *given[1], *existing(*extrinsics)]
    return [_recording(folder, name_of(folder), "ScanNet", view, read, notes)]


def _replica(folder: Path) -> list[Recording] | None:
    """6553.5 per metre, depth rendered in the colour camera, one trajectory row per frame."""
    trajectory = existing(folder / "traj.txt")
    files = plain_files(folder / "results")
    color, depth = _numbered(files, r"frame#\.(png|jpe?g)"), _numbered(files, r"depth#\.png")
    if not (color or depth or (trajectory and (folder / "results").is_dir())):
        return None
    size = _size(color, folder, "Replica")
    given = existing(folder / "cam_params.json", folder.parent / "cam_params.json")
    camera, camera_notes = _camera("camera", size, (), REPLICA)
    per_metre = 6553.5
    if given:
        (camera, per_metre), camera_notes = _replica_parameters(given[0], size), ()
    lines = [line for file in trajectory for line in read_text(file).splitlines()]
    rows = [_matrix(line) for line in lines if line.strip()]
    # A thinned folder may keep all rows, then the number counts, or only its own, then the order.
    times = list(color) if len(rows) == len(color) else [_at_30_hz(k) for k in range(len(rows))]
    posed = dict(zip(times, rows, strict=True))
    poses, pose_notes = _poses(posed)
    view = View(
        camera,
        _images(color, size),
        _images(depth, size, DepthUnits(per_metre)) if depth else None,
        poses=poses,
    )
    notes = (_CLOCK_NOTE, *camera_notes, *pose_notes, *_gaps(color, depth, posed))
    read = [*color.values(), *depth.values(), *trajectory, *given]
    return [_recording(folder, name_of(folder), "Replica", view, read, notes)]


def _recording(
    folder: Path, name: str, layout: str, view: View, read: Sequence[Path], notes: Notes
) -> Recording:
    inside = [file for file in read if folder in file.parents]
    try:
        content = content_fingerprint(folder, inside)
    except OSError as error:
        raise RecordingError(f"a file cannot be read ({error})", path=folder) from error
    signals = {view.poses.name: view.poses} if view.poses else {}
    return Recording(name, folder, layout, (view,), signals, notes=notes, content=content)


def name_of(folder: Path) -> str:
    """What a folder is called, also where the path does not say."""
    return folder.name if folder.name not in ("", "..") else folder.resolve().name


def _images(files: Files, size: tuple[int, int], depth: DepthUnits | None = None) -> Images:
    source = FileSource(tuple(files.values()), size, depth)
    return Images(np.fromiter(files, np.int64, len(files)), source)


def _size(files: Files, folder: Path, layout: str) -> tuple[int, int]:
    if not files:
        raise RecordingError(f"a {layout} folder without a colour picture", path=folder)
    return picture_size(files.values())


def _gaps(color: Files, depth: Files, poses: Mapping[int, Any]) -> Notes:
    """What colour pictures go without, where all streams share one numbering."""
    missing = {"depth": len(color.keys() - depth.keys()), "pose": len(color.keys() - poses.keys())}
    return tuple(
        f"{n} of {len(color)} colour pictures have no {what}." for what, n in missing.items() if n
    )


def _at_30_hz(number: int) -> int:
    return (number * 1_000_000_000 + 15) // 30


def _numbered(files: Iterable[Path], names: str) -> Files:
    """Files by the time of the number in their name, which stands at ``#`` in the pattern."""
    # At most ten digits, so that no name can overflow the clock.
    pattern = re.compile(names.replace("#", "([0-9]{1,10})"))
    return {_at_30_hz(number): file for number, file in numbered(files, pattern).items()}


def _listed(folder: Path, list_file: Path) -> tuple[Files, Notes]:
    """Files that a TUM list names and that are there, by time; none outside the folder."""
    lines, notes = _timed_lines(list_file)
    named = {t: words[0] for t, words in lines.items() if words}
    parents = {name.rpartition("/")[0] for name in named.values()}
    folders = [f for f in subfolders(folder) if f.name in parents]
    present = {f"{f.name}/{file.name}": file for f in folders for file in plain_files(f)}
    if "" in parents:
        present |= {file.name: file for file in plain_files(folder)}
    files = {t: present[name] for t, name in named.items() if name in present}
    if missing := len(lines) - len(files):
        notes += (f"{list_file.name} names {missing} pictures that are not there.",)
    return files, notes


def _timed_lines(file: Path) -> tuple[dict[int, list[str]], Notes]:
    """Words after the time of every line of a TUM list, by time; none when there is no file."""
    lines: dict[int, list[str]] = {}
    left_out = 0
    for line in read_text(file).splitlines() if file.is_file() else ():
        words = line.partition("#")[0].replace(",", " ").split()
        t_ns = _nanoseconds(words[0]) if words else None
        if t_ns is not None and t_ns not in lines:
            lines[t_ns] = words[1:]
        elif words:
            left_out += 1
    notes = (f"{file.name}: {left_out} lines without a time of their own were left out.",)
    return dict(sorted(lines.items())), notes if left_out else ()


def _nanoseconds(seconds: str) -> int | None:
    """Decimal seconds, exactly; ``None`` when they are no time that fits the clock."""
    try:
        value = Decimal(seconds)
    except InvalidOperation:
        return None
    if not value.is_finite() or not 0 <= value <= 9_000_000_000:
        return None
    return int((value * 1_000_000_000).to_integral_value())


def _poses(matrices: Mapping[int, Float]) -> tuple[Signal | None, Notes]:
    """The usable of the given ``T_world_camera``, and how many were not."""
    vectors: dict[int, Float] = {}
    for t_ns, T in matrices.items():
        try:
            vectors[t_ns] = geometry.pose_vector(T)
        except ValueError:  # lost tracking is written as inf, a cut file has too few numbers
            continue
    bad = len(matrices) - len(vectors)
    left_out = f"{bad} of {len(matrices)} poses are no rigid transform and were left out."
    notes = (left_out,) if bad else ()
    if not vectors:
        return None, notes
    times = np.fromiter(vectors, np.int64, len(vectors))
    values = np.stack(list(vectors.values()))
    return Signal("camera_pose", "pose", times, values, POSE_NAMES), notes


def _matrix(text: str) -> Float:
    """16 numbers, row by row, as ``[4, 4]``; NaN when they cannot be a rigid transform."""
    numbers = _numbers(text)
    if len(numbers) != 16 or math.dist(numbers[12:], (0, 0, 0, 1)) > 1e-6:
        return _NO_POSE
    return np.array(numbers).reshape(4, 4)


def _quaternion_pose(words: Sequence[str]) -> Float:
    """``tx ty tz qx qy qz qw`` as ``[4, 4]``; NaN when the quaternion is far from unit length."""
    numbers = _numbers(" ".join(words))
    if len(numbers) != 7 or not abs(math.hypot(*numbers[3:]) - 1) < 0.05:
        return _NO_POSE
    return geometry.pose_matrix(numbers)


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split()]
    except ValueError:
        return []


def _camera(
    name: str, size: tuple[int, int], given: Sequence[Path], published: Published | None = None
) -> tuple[Camera, Notes]:
    """A camera by the first calibration file given, else as published, else uncalibrated."""
    if given:
        K = _intrinsics(given[0])
        inside = 0 <= K[0, 2] < size[0] and 0 <= K[1, 2] < size[1]
        note = f"{given[0].name} seems to be for pictures of another size than {size[0]}x{size[1]}."
        return Camera(name, *size, K), () if inside else (note,)
    if published is None or published.size != size:
        return Camera(name, *size), (f"The intrinsics of camera {name!r} are unknown.",)
    note = f"No calibration file; the published intrinsics of {published.whose} were taken."
    return Camera(name, *size, _pinhole(*published.fx_fy_cx_cy), published.distortion), (note,)


def _pinhole(fx: float, fy: float, cx: float, cy: float) -> Float:
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64)


def _intrinsics(file: Path) -> Float:
    """A ``[3, 3]`` matrix from ``fx fy cx cy``, a 3x3 or a 4x4 matrix in a text file."""
    numbers = np.array(_numbers(re.sub(r"#.*", "", read_text(file))))
    if len(numbers) == 4:
        K = _pinhole(*numbers)
    elif len(numbers) in (9, 16):
        K = numbers.reshape(round(len(numbers) ** 0.5), -1)[:3, :3]
    else:
        K = np.zeros((3, 3))
    if not np.isfinite(K).all() or min(K[0, 0], K[1, 1]) <= 0 or (K[2] != (0, 0, 1)).any():
        raise RecordingError(
            "no intrinsics in this file",
            path=file,
            remedy="Expected: fx fy cx cy, or a 3x3 or 4x4 camera matrix.",
        )
    return K


def _extrinsic(file: Path) -> Float:
    if not file.is_file():
        return np.eye(4)
    try:
        return geometry.pose_matrix(geometry.pose_vector(_matrix(read_text(file))))
    except ValueError as error:
        raise RecordingError(str(error), path=file) from error


def _replica_parameters(file: Path, size: tuple[int, int]) -> tuple[Camera, float]:
    """Camera and depth numbers per metre from ``cam_params.json``."""
    try:
        given = json.loads(read_text(file))["camera"]
        names = ("w", "h", "fx", "fy", "cx", "cy", "scale")
        width, height, fx, fy, cx, cy, scale = (float(given[name]) for name in names)
        camera = Camera("camera", *size, _pinhole(fx, fy, cx, cy))
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise RecordingError(f"no usable camera parameters ({error!r})", path=file) from error
    if (width, height) != size or not 0 < scale < np.inf:
        meant = f"is for {width:g}x{height:g} pixels and depth scale {scale:g}"
        raise RecordingError(f"{meant}, the pictures are {size[0]}x{size[1]}", path=file)
    return camera, scale
