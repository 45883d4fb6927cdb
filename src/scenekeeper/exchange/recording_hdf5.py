"""Write any recording as an HDF5 episode in the layout of ALOHA, which ACT and its heirs train on.

In: a :class:`~scenekeeper.recording.base.Recording`. Out: one file on the clock of the camera with
most pictures. What the layout has no place for (clocks, depth, poses, calibration, names, the task,
numbers at their own rate) lies in its group ``scenekeeper``: other loaders pass it over, ours reads
everything back.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import ExportError
from scenekeeper.exchange.base import Exported
from scenekeeper.exchange.encoded import MILLIMETRES, color_files, depth_numbers, says
from scenekeeper.exchange.folder import plain_names, telling_of
from scenekeeper.exchange.hdf5_output import Output, creating
from scenekeeper.exchange.lerobot_timeline import Picked
from scenekeeper.exchange.steps import numbers_at, pictures_at, stale, view_steps
from scenekeeper.recording.base import Images, Recording, View
from scenekeeper.recording.facts import facts_of, kept_signals
from scenekeeper.recording.hdf5 import (
    ACTION,
    EFFORT,
    FACTS,
    IMAGES,
    LENGTHS,
    QPOS,
    QVEL,
    camera_group,
    signal_group,
)
from scenekeeper.recording.hdf5_file import PER_METRE
from scenekeeper.store import atomic

_SECOND = 1e9
_RATES = ("velocity", "effort")
_COLOR_NOTE = (
    "Pictures are JPEG or PNG as any viewer shows them; ALOHA's loaders decode them with OpenCV,"
    " blue first, and do not swap. Written as pixels they are RGB to all."
)
_DERIVED = "differences of qpos; the recording holds no velocities"


def write_recording(recording: Recording, path: Path, *, compress: bool = True) -> Exported:
    """Write a recording as an ALOHA episode; the file appears whole or not at all.

    Args:
        recording: what to write.
        path: the file; an existing one is replaced. Its stem becomes the recording's name.
        compress: keep pictures as files, zeros after them, in ``uint8 [T, L]``: JPEG and PNG files
            are copied byte for byte, other pictures become JPEG of quality 95. Otherwise as RGB
            pixels ``uint8 [T, H, W, 3]``, which any loader of the layout reads.

    Raises:
        ExportError: there is no picture, ``path`` cannot be written, or h5py is not installed.
        RecordingError: a picture of the recording cannot be read.
    """
    views = tuple(view for view in recording.views if len(view.rgb))
    if not views:
        raise ExportError(
            "there is no picture to put into an ALOHA episode",
            path=recording.path,
            remedy="Write it as MCAP, which holds numbers alone too.",
        )
    recording = replace(recording, name=path.stem, views=views)
    steps_ns = max((view.rgb.t_ns for view in views), key=len)
    with (
        telling_of(path),
        atomic.replacing(path) as temporary,
        creating(temporary) as output,
    ):
        output.file.attrs.update(sim=False, compress=compress)
        notes = [*_write_numbers(output, recording, steps_ns)]
        notes += _write_views(output, recording, steps_ns, compress)
    return Exported(path, len(steps_ns), 0, tuple(notes))


# --- numbers --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Joints:
    """What joints did at every step, ``float64 [T, D]``; rates are ``None`` where not recorded."""

    position: NDArray[np.float64]
    velocity: NDArray[np.float64] | None
    effort: NDArray[np.float64] | None


def _write_numbers(
    output: Output, recording: Recording, steps_ns: NDArray[np.int64]
) -> Iterator[str]:
    """State and action at the steps, and every signal on its own clock; notes on the former."""
    joints, picked = _joints(recording, steps_ns)
    actions = _named(recording, "action")
    action, picked_actions = numbers_at(recording, actions, steps_ns)
    output.put(QPOS, joints.position.astype(np.float32))
    velocity = joints.velocity
    if velocity is None:
        velocity = _differences(joints.position, steps_ns)
    output.put(QVEL, velocity.astype(np.float32))
    if joints.velocity is None:
        output.file[QVEL].attrs["derived"] = _DERIVED
    if joints.effort is not None:
        output.put(EFFORT, joints.effort.astype(np.float32))
    output.put(ACTION, action.astype(np.float32))
    for number, (signal, _) in enumerate(kept_signals(recording)):
        output.put(f"{signal_group(number)}/t_ns", signal.t_ns)
        output.put(f"{signal_group(number)}/values", signal.values)
    if not joints.position.shape[1]:
        yield f"There are no joint states: {QPOS} and {QVEL} have no columns."
    if not actions:
        yield f"There are no actions: {ACTION!r} has no columns."
    yield from stale(recording.name, {**picked, **picked_actions})


def _named(recording: Recording, kind: str) -> list[str]:
    return [s.name for s in recording.signals.values() if s.kind == kind and len(s)]


def _joints(
    recording: Recording, steps_ns: NDArray[np.int64]
) -> tuple[_Joints, Mapping[str, Picked]]:
    """Columns ``arm``, ``arm.velocity``, ``arm.effort`` are three numbers of one joint."""
    names = _named(recording, "joint_state")
    values, picked = numbers_at(recording, names, steps_ns)
    columns = [(name, column) for name in names for column in recording.signals[name].names]
    at = {column: k for k, column in enumerate(columns)}
    positions = [column for column in columns if not _is_rate(column, at)]

    def rates(field: str, key: str) -> NDArray[np.float64] | None:
        found = [at.get((name, f"{column}.{field}")) for name, column in positions]
        known = [k for k in found if k is not None]
        if known and len(known) == len(positions):
            return values[:, known]
        # As our reader names those of a plain ALOHA file.
        own = recording.signals.get(key)
        if own is None or not len(own) or own.values.shape[1] != len(positions):
            return None
        return numbers_at(recording, [key], steps_ns)[0]

    position = values[:, [at[column] for column in positions]]
    return _Joints(position, rates("velocity", QVEL), rates("effort", EFFORT)), picked


def _is_rate(column: tuple[str, str], at: Mapping[tuple[str, str], int]) -> bool:
    signal, name = column
    joint, _, field = name.rpartition(".")
    return field in _RATES and (signal, joint) in at


def _differences(values: NDArray[np.float64], t_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Change per second, ``float64 [T, D]``."""
    if len(t_ns) < 2 or not values.size:
        return np.zeros_like(values)
    seconds = (t_ns - t_ns[0]) / _SECOND
    return np.asarray(np.gradient(values, seconds, axis=0), np.float64)


# --- cameras --------------------------------------------------------------------------------------


def _write_views(
    output: Output, recording: Recording, steps_ns: NDArray[np.int64], compress: bool
) -> Iterator[str]:
    views = recording.views
    names = plain_names([view.camera.name for view in views], "camera")
    lengths = {}
    for number, (view, name) in enumerate(zip(views, names, strict=True)):
        steps = view_steps(replace(view, depth=None, poses=None), steps_ns)
        yield from steps.notes
        key = f"{IMAGES}/{name}"
        if compress:
            bare = view.rgb.source.encoded(0) is None  # asked beside its use: it may be rendered
            lengths[name] = _write_files(output, key, view, steps.rgb.row)
            if bare:
                yield (
                    f"Camera {view.camera.name!r}: its pictures had no files of their own and"
                    " became JPEG; only written as pixels they keep every bit."
                )
        else:
            _write_pixels(output, key, view, steps.rgb.row)
        output.put(f"{camera_group(number)}/t_ns", steps.rgb.t_ns)
        if view.depth is not None:
            _write_depth(output, f"{camera_group(number)}/depth", view, view.depth)
    if compress:  # in the order in which HDF5 lists the cameras
        output.put(LENGTHS, np.stack([lengths[name] for name in sorted(lengths)]))
        yield _COLOR_NOTE
    output.put_text(FACTS, json.dumps({**facts_of(recording), "pictures": names}))


def _write_files(
    output: Output, key: str, view: View, rows: NDArray[np.int64]
) -> NDArray[np.int32]:
    """Picture files with zeros after them; returns their lengths.

    They go through a temporary file, for the longest of them gives the width of all.
    """
    wanted, which = np.unique(rows, return_inverse=True)
    lengths = []
    with tempfile.TemporaryFile(dir=output.folder) as spool:
        for picture in color_files(view.rgb.source, wanted.tolist()):
            spool.write(picture.data)
            lengths.append(len(picture.data))
        ends, longest = np.cumsum(lengths).tolist(), max(lengths)

        def padded() -> Iterator[NDArray[np.uint8]]:
            for k in which.tolist():
                spool.seek(ends[k] - lengths[k])
                data = spool.read(lengths[k]).ljust(longest, b"\0")
                yield np.frombuffer(data, np.uint8)

        output.put_rows(key, padded(), (len(rows), longest), np.uint8, fletcher32=True)
    return np.array(lengths, np.int32)[which]


def _write_pixels(output: Output, key: str, view: View, rows: NDArray[np.int64]) -> None:
    shape = (len(rows), view.camera.height, view.camera.width, 3)
    pictures = pictures_at(view.rgb.source, rows)
    output.put_rows(key, pictures, shape, np.uint8, fletcher32=True)


class _TooFineError(Exception):
    """Millimetres in 16 bits do not represent a depth picture."""


def _write_depth(output: Output, key: str, view: View, depth: Images) -> None:
    """All depth pictures on their own clock: whole millimetres where those say it, else metres."""
    camera = view.depth_camera or view.camera
    shape = (len(depth), camera.height, camera.width)
    options = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    try:
        output.put_rows(key, _millimetres(depth), shape, np.uint16, **options)
        output.file[key].attrs[PER_METRE] = MILLIMETRES.per_metre
    except _TooFineError:  # with the first picture as a rule, so little was in vain
        del output.file[key]
        metres = depth.source.read(range(len(depth)))
        output.put_rows(key, metres, shape, np.float32, **options)
    output.put(f"{key}_t_ns", depth.t_ns)


def _millimetres(depth: Images) -> Iterator[NDArray[np.uint16]]:
    for pixels in depth.source.read(range(len(depth))):
        numbers = depth_numbers(pixels, MILLIMETRES)
        if not says(numbers, pixels, MILLIMETRES):
            raise _TooFineError
        yield numbers
