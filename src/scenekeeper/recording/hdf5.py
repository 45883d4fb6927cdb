"""HDF5 episodes in the layout of ALOHA and ACT, one recording per file.

In: an HDF5 file, or a folder of them. Out: recordings whose pictures are read row by row. The
layout has no clock, depth, poses or calibration, so files of other writers get 50 Hz. Ours keep
all of it in a group ``scenekeeper``, which other loaders pass over. Opening reads no pixels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import RecordingError
from scenekeeper.recording.base import (
    Images,
    Recording,
    Signal,
    SignalKind,
    View,
    content_fingerprint,
)
from scenekeeper.recording.facts import (
    PARSE_ERRORS,
    Facts,
    ReadWhenAsked,
    SignalFacts,
    ViewFacts,
    parse,
    rebuild,
)
from scenekeeper.recording.files import plain_files
from scenekeeper.recording.hdf5_file import (
    Form,
    Pictures,
    dataset,
    file_size,
    is_hdf5,
    members,
    numbers,
    reading,
    times,
)
from scenekeeper.schema import Camera

QPOS, QVEL, EFFORT = (f"observations/{name}" for name in ("qpos", "qvel", "effort"))
ACTION, IMAGES, LENGTHS = "action", "observations/images", "compress_len"
GROUP = "scenekeeper"
FACTS = f"{GROUP}/facts"
"""JSON of :mod:`scenekeeper.recording.facts`, and per camera the name of its pictures."""

STEP_NS = 20_000_000
"""ALOHA records at 50 Hz."""

_KINDS: dict[str, SignalKind] = {QPOS: "joint_state", ACTION: "action", "base_action": "action"}
_CLOCK_NOTE = "The format keeps no times; they were synthesised at 50 Hz, the rate of ALOHA."
_DAMAGE_NOTES = 5
_COLOR_NOTE = (
    "JPEG pictures are read as ALOHA writes them: through OpenCV, with red in place of blue."
)
_COPY_AGAIN = "Copy the file again."


def signal_group(number: int) -> str:
    """Where a kept signal lies: ``t_ns`` and ``values`` on its own clock."""
    return f"{GROUP}/signals/{number}"


def camera_group(number: int) -> str:
    """Where the rest of a camera lies: ``t_ns`` of its pictures, ``depth``, ``depth_t_ns``."""
    return f"{GROUP}/cameras/{number}"


def open(path: Path) -> list[Recording] | None:
    """Open an ALOHA episode, or a folder of them.

    Args:
        path: any path; a file is told by how it begins and by the names of its groups.

    Returns:
        One recording per file, or ``None`` when there is no such file. Damaged files of a folder
        are left out, and every recording's notes say so.

    Raises:
        RecordingError: the file, or all of a folder's, cannot be read; or h5py is not installed.
    """
    if path.is_dir():
        return _folder(path)
    if not path.is_file() or not is_hdf5(path):
        return None
    recording = _one(path, path.stem)
    return None if recording is None else [recording]


def _folder(folder: Path) -> list[Recording] | None:
    recordings, damaged = [], []
    for file in _episodes(folder):
        try:
            found = _one(file, f"{folder.resolve().name}-{file.stem}")
            recordings += [] if found is None else [found]
        except RecordingError as error:
            damaged.append(error)
    if damaged and not recordings:
        raise damaged[0]
    notes = [f"{error.path} is left out: {error.problem}." for error in damaged[:_DAMAGE_NOTES]]
    if len(damaged) > _DAMAGE_NOTES:
        notes.append(f"{len(damaged) - _DAMAGE_NOTES} more files are damaged and are left out.")
    return [replace(r, notes=(*r.notes, *notes)) for r in recordings] or None


def _episodes(folder: Path) -> list[Path]:
    """HDF5 files by the numbers in their names; other names are not even opened."""
    named = [
        file
        for file in plain_files(folder)
        if file.suffix in (".hdf5", ".h5") or file.name.startswith("episode_")
    ]
    return sorted(filter(is_hdf5, named), key=_by_number)


def _by_number(file: Path) -> list[tuple[int, str]]:
    return [(int(n or 0), text) for text, n in re.findall(r"([^0-9]*)([0-9]*)", file.stem)]


def _one(path: Path, name: str) -> Recording | None:
    with reading(path) as file:
        if any(key.startswith("demo_") for key in members(file, "data")):
            raise RecordingError(
                "robomimic layout is not read",
                path=path,
                place="data",
                remedy="Write one file per demonstration in the layout of ALOHA.",
            )
        if not {"qpos", "images"} & set(members(file, "observations")):
            return None
        steps = len(dataset(file, ACTION, 2))
        cameras = members(file, IMAGES)
        for key in (QPOS, *(f"{IMAGES}/{camera}" for camera in cameras)):
            _check_steps(file, key, steps)
        kept = GROUP in file
        recording = _kept(path, file, steps) if kept else _plain(path, file, steps, cameras)
    return replace(recording, name=name, content=content_fingerprint(path, [path]))


def _check_steps(file: Any, key: str, steps: int) -> None:
    found = file.get(key)
    if found is None or not getattr(found, "shape", None):
        raise RecordingError("is missing", path=file.filename, place=key)
    if found.shape[0] != steps:
        raise RecordingError(
            f"has {found.shape[0]} rows, {ACTION!r} has {steps}", path=file.filename, place=key
        )


# --- pictures -------------------------------------------------------------------------------------


def _pictures(path: Path, file: Any, name: str, files: Form) -> Pictures:
    """All pictures of one camera: pixels, or files of the given form, as the shape tells."""
    stored = file[name]
    rows = np.arange(len(stored))
    if stored.ndim == 2:
        dataset(file, name, 2, "u")
        return Pictures(path, name, rows, file_size(stored), files)
    height, width, channels = dataset(file, name, 4, "u").shape[1:]
    if channels != 3 or stored.dtype != np.uint8 or not height or not width:
        raise RecordingError(
            f"is {stored.dtype} {list(stored.shape)}, not uint8 [T, H, W, 3]", path=path, place=name
        )
    return Pictures(path, name, rows, (width, height), "pixels")


# --- files of other writers -----------------------------------------------------------------------


def _plain(path: Path, file: Any, steps: int, cameras: Sequence[str]) -> Recording:
    t_ns = np.arange(steps, dtype=np.int64) * STEP_NS
    # Depth in unknown units lies among the pictures of some.
    depth = [f"{IMAGES}/{name}" for name in cameras if file[f"{IMAGES}/{name}"].ndim == 3]
    names = [name for name in cameras if steps and f"{IMAGES}/{name}" not in depth]
    sources = [_pictures(path, file, f"{IMAGES}/{name}", "swapped") for name in names]
    views = tuple(
        View(Camera(name, *source.size), Images(t_ns, source))
        for name, source in zip(names, sources, strict=True)
    )
    keys = [key for key in _keys(file) if key not in ("observations", IMAGES, LENGTHS)]
    tables = [key for key in keys if _is_table(file[key], steps)]
    facts = Facts("", None, (), tuple(_table_facts(file, key) for key in tables))
    signals = ReadWhenAsked(facts, partial(_read_table, path, facts.signals, t_ns))
    notes = [_CLOCK_NOTE]
    if any(source.form == "swapped" for source in sources):
        notes.append(_COLOR_NOTE)
    if others := sorted({*keys, *depth} - set(tables)):
        notes.append(f"Not read: {', '.join(others)}.")
    return Recording("", path, "ALOHA HDF5", views, signals, notes=tuple(notes))


def _keys(file: Any) -> Iterator[str]:
    yield from (f"observations/{key}" for key in members(file, "observations"))
    yield from members(file, "/")


def _is_table(found: Any, steps: int) -> bool:
    shape = getattr(found, "shape", None)
    return (
        shape is not None and len(shape) == 2 and len(found) == steps and found.dtype.kind in "fiu"
    )


def _table_facts(file: Any, key: str) -> SignalFacts:
    width = dataset(file, key, 2).shape[1]
    names = tuple(f"{key.rpartition('/')[2]}.{k}" for k in range(width))
    return SignalFacts(key, _KINDS.get(key, "other"), names, True)


def _read_table(
    path: Path, signals: Sequence[SignalFacts], t_ns: NDArray[np.int64], number: int
) -> Signal:
    about = signals[number]
    with reading(path, about.name) as file:
        return about.signal(t_ns, numbers(file, about.name, len(t_ns)))


# --- files of ours --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _About:
    """What our group says: the facts, and per camera where its pictures lie in the layout."""

    facts: Facts
    names: tuple[str, ...]


def _kept(path: Path, file: Any, steps: int) -> Recording:
    about = _about(path, file)
    streams = [
        _streams(path, file, k, view, about.names) for k, view in enumerate(about.facts.views)
    ]
    views, signals = rebuild(about.facts, streams, partial(_read_kept, path, about.facts.signals))
    return Recording("", path, "ALOHA HDF5 (scenekeeper)", views, signals, about.facts.task)


def _about(path: Path, file: Any) -> _About:
    try:
        value = json.loads(bytes(file[FACTS][()]).decode())
        facts, names = parse(value), tuple(value["pictures"])
        if len(names) != len(facts.views) or set(names) - set(members(file, IMAGES)):
            raise ValueError(f"pictures at {names}")
    except (RecursionError, OSError, *PARSE_ERRORS) as error:
        raise RecordingError(
            f"does not say what is in this file ({error})",
            path=path,
            place=FACTS,
            remedy=_COPY_AGAIN,
        ) from error
    return _About(facts, names)


def _streams(
    path: Path, file: Any, number: int, about: ViewFacts, names: Sequence[str]
) -> tuple[Images, Images | None]:
    group = camera_group(number)
    source = _pictures(path, file, f"{IMAGES}/{names[number]}", "files")
    _check_size(path, group, about.camera, source.size)
    at_steps = times(file, f"{group}/t_ns")
    if len(at_steps) != len(source):
        raise _unlike(path, group, f"has {len(at_steps)} times for {len(source)} pictures")
    # A slow camera's picture stands at several steps.
    t_ns, rows = np.unique(at_steps, return_index=True)
    lengths = None
    if source.form == "files":
        row = sorted(names).index(names[number])
        lengths = numbers(file, LENGTHS)[row].astype(np.int64)[rows]
    rgb = Images(t_ns, replace(source, rows=rows, lengths=lengths))
    return rgb, _depth(path, file, group, about) if f"{group}/depth" in file else None


def _depth(path: Path, file: Any, group: str, about: ViewFacts) -> Images:
    name = f"{group}/depth"
    stored, t_ns = dataset(file, name, 3), times(file, f"{name}_t_ns")
    size = (stored.shape[2], stored.shape[1])
    _check_size(path, name, about.depth_camera or about.camera, size)
    if stored.dtype not in (np.uint16, np.float32) or len(t_ns) != len(stored):
        raise _unlike(path, name, f"is {stored.dtype} {list(stored.shape)} at {len(t_ns)} times")
    if (np.diff(t_ns) <= 0).any():
        raise _unlike(path, f"{name}_t_ns", "repeats a time")
    return Images(t_ns, Pictures(path, name, np.arange(len(t_ns)), size, "depth"))


def _read_kept(path: Path, signals: Sequence[SignalFacts], number: int) -> Signal:
    about, group = signals[number], signal_group(number)
    with reading(path, group) as file:
        t_ns = times(file, f"{group}/t_ns")
        return about.signal(t_ns, numbers(file, f"{group}/values", len(t_ns)))


def _check_size(path: Path, place: str, camera: Camera, size: tuple[int, int]) -> None:
    if (camera.width, camera.height) != size:
        raise _unlike(
            path,
            place,
            f"camera {camera.name!r} is {camera.width}x{camera.height}, its pictures"
            f" {size[0]}x{size[1]}",
        )


def _unlike(path: Path, place: str, problem: str) -> RecordingError:
    return RecordingError(problem, path=path, place=place, remedy=_COPY_AGAIN)
