"""Write recordings as an RLDS dataset: one episode each, as TensorFlow Datasets loads them.

In: recordings. Out: a folder with one version of a dataset: TFRecord files, ``features.json``,
``dataset_info.json``. Every picture of the primary camera is a step; the other streams give their
sample nearest in time. JPEG and PNG files are copied byte for byte. Beside it lies what RLDS has no
place for: calibrations, poses, numbers at their own rate. No TensorFlow is needed.
"""

from __future__ import annotations

import json
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import ExportError, RecordingError
from scenekeeper.exchange import rlds_features
from scenekeeper.exchange.base import Exported
from scenekeeper.exchange.encoded import (
    MILLIMETRES,
    color_files,
    depth_file,
    depth_numbers,
    png,
    says,
)
from scenekeeper.exchange.folder import plain_names, replacing_folder, telling_of
from scenekeeper.exchange.rlds_features import SPLIT, VERSION, CameraFeature
from scenekeeper.exchange.steps import MISSING, ViewSteps, numbers_at, stale, view_steps
from scenekeeper.exchange.streams import Shared, Source, shared_streams
from scenekeeper.recording import sidecar, tfexample, tfrecord
from scenekeeper.recording.base import Recording, View
from scenekeeper.recording.color_codecs import picture_size
from scenekeeper.recording.messages import Picture
from scenekeeper.recording.rlds_episode import NOTHING, TIMES
from scenekeeper.recording.rlds_meta import STEPS
from scenekeeper.recording.sidecar import SIGNALS_NAME

SHARD_BYTES = 256 << 20
"""A file that has reached this size gets no more episodes."""

LARGEST = (1 << 31) - 1
"""Bytes of the largest message that protobuf, and so TensorFlow, can read."""

Values = dict[str, tfexample.Values]


def write_recordings(recordings: Sequence[Recording], path: Path) -> Exported:
    """Write recordings as an RLDS dataset; it appears whole or not at all.

    Only cameras, joint states and actions that all recordings have alike can be steps; the numbers
    of all other signals are kept beside them. Depth is kept exactly: 16-bit millimetres where they
    say the same to 0.01 mm, else compressed floats in metres.

    Args:
        recordings: what to write, one episode each, in this order.
        path: the folder to make; its name becomes the dataset's.

    Returns:
        How many steps were written, and notes on what is left out.

    Raises:
        ExportError: ``path`` exists or cannot be written, there is no recording, they share no
            camera, or an episode is larger than the format allows.
        RecordingError: a picture of a recording cannot be read.
    """
    if not recordings:
        raise ExportError("there is no recording to write", path=path)
    sources = [Source.of(r.name, r) for r in recordings]
    shared = shared_streams(sources)
    with telling_of(path), replacing_folder(path) as folder:
        done = _write_as_fits(folder / VERSION, _name(path), recordings, shared)
    notes = (*shared.notes, *_notes(recordings, sources, shared), *done.notes)
    return Exported(path, done.steps, 0, tuple(dict.fromkeys(notes)))


def _name(path: Path) -> str:
    """What TensorFlow Datasets takes for a name."""
    name = re.sub(r"\W+", "_", path.name, flags=re.ASCII).strip("_").lower()
    return name if name[:1].isalpha() else f"recordings_{name}".rstrip("_")


def _notes(
    recordings: Sequence[Recording], sources: Sequence[Source], shared: Shared
) -> Iterator[str]:
    if other := sorted({name for source in sources for name in source.left_out}):
        yield f"RLDS has no place for these signals; {SIGNALS_NAME} has them: {', '.join(other)}."
    for name in shared.sizes:
        if name not in shared.depth and any(r.view(name).depth is not None for r in recordings):
            yield f"Depth of camera {name!r} is not in every session with the same size: left out."


# --- files ----------------------------------------------------------------------------------------


class _TooFineError(Exception):
    """Millimetres in 16 bits do not represent the depth of a camera."""

    def __init__(self, camera: str) -> None:
        super().__init__(camera)
        self.camera = camera


@dataclass
class _Done:
    """What was written so far.

    Attributes:
        steps: how many.
        lengths: episodes in each file.
        size: bytes of all episodes.
        formats: per camera, what its pictures are.
        notes: what the user should know.
    """

    steps: int = 0
    lengths: list[int] = field(default_factory=list)
    size: int = 0
    formats: dict[str, set[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def _write_as_fits(
    folder: Path, name: str, recordings: Sequence[Recording], shared: Shared
) -> _Done:
    """Write with depth in millimetres; start again with metres where those turn out too coarse.

    It turns out with the first picture as a rule: a sensor's depth is whole millimetres or not.
    """
    cameras = _cameras(shared)
    while True:
        folder.mkdir()
        try:
            return _write(folder, name, recordings, shared, cameras)
        except _TooFineError as error:
            shutil.rmtree(folder)
            cameras = [replace(c, in_metres=c.in_metres or c.name == error.camera) for c in cameras]


def _cameras(shared: Shared) -> list[CameraFeature]:
    names = list(shared.sizes)
    keys = plain_names(["state", *names, *(f"{name}_depth" for name in names)], "camera")[1:]
    pairs = zip(names, keys[: len(names)], keys[len(names) :], strict=True)
    return [
        CameraFeature(name, key, shared.sizes[name], depth_key, shared.depth.get(name))
        for name, key, depth_key in pairs
    ]


def _write(
    folder: Path,
    name: str,
    recordings: Sequence[Recording],
    shared: Shared,
    cameras: Sequence[CameraFeature],
) -> _Done:
    done, kept, places = _Done(), list[Recording](), list[dict[str, Any]]()
    in_file = 0
    for number, recording in enumerate(recordings):
        data = _episode(recording, shared, cameras, done)
        if not done.lengths or in_file >= SHARD_BYTES:
            done.lengths.append(0)
            in_file = 0
        with (folder / f"{len(done.lengths) - 1}").open("ab") as file:
            in_file += tfrecord.write(file, data)
        done.lengths[-1] += 1
        done.size += len(data)
        views, keys = _kept_views(recording, cameras)
        kept.append(replace(recording, views=views))
        places.append({"split": SPLIT, "episode": number, "cameras": keys})
    n = len(done.lengths)
    for k in range(n):
        (folder / f"{k}").rename(folder / f"{name}-{SPLIT}.tfrecord-{k:05d}-of-{n:05d}")
    sidecar.write(folder, kept, places)
    for file_name, content in (
        ("features.json", rlds_features.features(cameras, done.formats, shared.columns)),
        ("dataset_info.json", rlds_features.dataset_info(name, done.lengths, done.size)),
    ):
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        (folder / file_name).write_text(text, encoding="utf-8")
    return done


def _kept_views(
    recording: Recording, cameras: Sequence[CameraFeature]
) -> tuple[tuple[View, ...], list[list[str | None]]]:
    """The views that are written, in their own order, and the features of their pictures."""
    by_name = {camera.name: camera for camera in cameras}
    views = tuple(view for view in recording.views if view.camera.name in by_name)
    found = [by_name[view.camera.name] for view in views]
    return views, [
        [f"observation/{c.key}", f"observation/{c.depth_key}" if c.depth_size else None]
        for c in found
    ]


# --- episodes -------------------------------------------------------------------------------------


def _episode(
    recording: Recording, shared: Shared, cameras: Sequence[CameraFeature], done: _Done
) -> bytes:
    """A recording as one message."""
    steps_ns = recording.view(cameras[0].name).rgb.t_ns
    values: Values = {}
    for camera in cameras:
        view = recording.view(camera.name)
        at = view_steps(view, steps_ns)
        done.notes += [f"Session {recording.name}: {note}" for note in at.notes]
        values |= _color(recording, view, camera, at, done)
        if camera.depth_size is not None:
            values |= _depth(recording, view, camera, at)
    values |= _numbers(recording, shared, steps_ns, done)
    values |= _flags(len(steps_ns))
    task = (recording.task or "").encode()
    values[f"{STEPS}/language_instruction"] = [task] * len(steps_ns)
    values["episode_metadata/file_path"] = [str(recording.path).encode()]
    values["episode_metadata/session"] = [recording.name.encode()]
    data = tfexample.encode(values)
    if len(data) > LARGEST:
        raise ExportError(
            f"{len(data) / 1e9:.1f} GB are more than the 2.1 GB that an episode of RLDS can be",
            place=f"session {recording.name}",
            remedy="Cut the recording into shorter ones, or write it as MCAP.",
        )
    done.steps += len(steps_ns)
    return data


def _color(
    recording: Recording, view: View, camera: CameraFeature, at: ViewSteps, done: _Done
) -> Values:
    rows, repeats = np.unique(at.rgb.row, return_counts=True)
    if view.rgb.source.encoded(int(rows[0])) is None:
        done.notes.append(
            f"Session {recording.name}: camera {camera.name!r} has no picture files; they are made"
            " as JPEG of quality 95."
        )
    pictures: list[bytes] = []
    files = color_files(view.rgb.source, rows.tolist())
    for row, times, picture in zip(rows.tolist(), repeats.tolist(), files, strict=True):
        width, height = _size_of(recording, camera, row, picture.data)
        _check_size(recording, camera.name, row, (height, width), camera.size)
        done.formats.setdefault(camera.name, set()).add(picture.format)
        pictures += [picture.data] * times
    return {f"{STEPS}/observation/{camera.key}": pictures, _times(camera.key): at.rgb.t_ns}


def _size_of(recording: Recording, camera: CameraFeature, row: int, data: bytes) -> tuple[int, int]:
    try:
        return picture_size(Picture(0, "", "compressed", "", data))
    except ValueError as error:
        raise RecordingError(
            str(error), path=recording.path, place=f"{camera.name}, picture {row}"
        ) from error


def _depth(recording: Recording, view: View, camera: CameraFeature, at: ViewSteps) -> Values:
    assert view.depth is not None and camera.depth_size is not None
    blank = np.zeros(camera.depth_size, np.float32)
    there = at.depth_row != MISSING
    rows, which = np.unique(at.depth_row[there], return_inverse=True)
    source, files = view.depth.source, list[bytes]()
    for row, depth in zip(rows.tolist(), source.read(rows.tolist()), strict=True):
        _check_size(recording, camera.depth_key, row, depth.shape, camera.depth_size)
        if camera.in_metres:
            files.append(_packed(depth))
            continue
        if not says(depth_numbers(depth, MILLIMETRES), depth, MILLIMETRES):
            raise _TooFineError(camera.name)
        files.append(depth_file(source.encoded(row), depth, MILLIMETRES))
    nothing = _packed(blank) if camera.in_metres else png(depth_numbers(blank, MILLIMETRES))
    pictures = [nothing] * len(there)
    for step, k in zip(np.flatnonzero(there).tolist(), which.tolist(), strict=True):
        pictures[step] = files[k]
    t_ns = np.where(there, at.depth_t_ns, NOTHING)
    return {f"{STEPS}/observation/{camera.depth_key}": pictures, _times(camera.depth_key): t_ns}


def _packed(depth: NDArray[np.float32]) -> bytes:
    return zlib.compress(depth.astype("<f4").tobytes(), 3)


def _times(key: str) -> str:
    return f"{STEPS}/{TIMES}{key}"


def _check_size(
    recording: Recording, camera: str, row: int, found: Sequence[int], wanted: tuple[int, int]
) -> None:
    if tuple(found) != wanted:
        raise RecordingError(
            f"a picture is {list(found)}, the camera {camera!r} {list(wanted)}",
            path=recording.path,
            place=f"picture {row}",
        )


def _numbers(
    recording: Recording, shared: Shared, steps_ns: NDArray[np.int64], done: _Done
) -> Values:
    values: Values = {}
    for role, names in shared.signals.items():
        exact, picked = numbers_at(recording, names, steps_ns)
        done.notes += stale(recording.name, picked)
        rounded = exact.astype(np.float32)
        if not np.isfinite(rounded).all():
            done.notes.append(
                f"Session {recording.name}: {role} holds numbers that are not finite."
            )
        values[f"{STEPS}/{rlds_features.ROLE_KEYS[role]}"] = rounded.ravel()
    return values


def _flags(n: int) -> Mapping[str, tfexample.Values]:
    """RLDS's own columns. A recording is a demonstration: it ends where the task does."""
    first, last = np.zeros((2, n), np.int64)
    first[0] = last[-1] = 1
    return {
        f"{STEPS}/is_first": first,
        f"{STEPS}/is_last": last,
        f"{STEPS}/is_terminal": last,
        f"{STEPS}/reward": np.zeros(n, np.float32),
        f"{STEPS}/discount": np.ones(n, np.float32),
    }
