"""A recording on one clock: which sample of every stream stands at each step.

In: a recording and the times of its steps. Out: per camera the pictures, depth and pose at each
step; state and action at each step. Nothing is interpolated but poses; what stands at no step is
counted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.exchange.lerobot_timeline import Picked, pick
from scenekeeper.recording.base import ImageSource, Recording, View
from scenekeeper.recording.frames import view_columns

MISSING = -1
"""The row of depth where there is none."""

STALE_NS = 100_000_000
"""A sample further than this from its step is worth a note."""


@dataclass(frozen=True, eq=False)
class ViewSteps:
    """One camera at every step.

    Attributes:
        rgb: the pictures nearest in time.
        depth_row: ``int64 [T]`` rows of the depth stream; ``MISSING`` where none is near.
        depth_t_ns: ``int64 [T]`` their times, 0 where there is none.
        pose: ``float64 [T, 7]`` of whichever camera is tracked; NaN where unknown.
        notes: what stands at no step.
    """

    rgb: Picked
    depth_row: NDArray[np.int64]
    depth_t_ns: NDArray[np.int64]
    pose: NDArray[np.float64]
    notes: tuple[str, ...]


def view_steps(view: View, steps_ns: NDArray[np.int64]) -> ViewSteps:
    """One camera's pictures, depth and poses at steps ``int64 [T]``."""
    rgb = pick(view.rgb.t_ns, steps_ns)
    columns = view_columns(view)
    depth_row = columns["depth_row"][rgb.row]
    depth_t_ns = np.zeros(len(steps_ns), np.int64)
    notes = [*_unused(view.camera.name, "pictures", len(view.rgb), rgb.row)]
    if view.depth is not None and len(view.depth):
        depth_t_ns = np.where(depth_row >= 0, view.depth.t_ns[depth_row], 0)
        used = depth_row[depth_row >= 0]
        notes += _unused(view.camera.name, "depth pictures", len(view.depth), used)
    return ViewSteps(rgb, depth_row, depth_t_ns, columns["pose"][rgb.row], tuple(notes))


def numbers_at(
    recording: Recording, names: Sequence[str], steps_ns: NDArray[np.int64]
) -> tuple[NDArray[np.float64], Mapping[str, Picked]]:
    """Signals put one after the other, ``float64 [T, D]``, and which of their samples those are."""
    values, picked = [np.zeros((len(steps_ns), 0))], {}
    for name in names:
        signal = recording.signals[name]
        picked[name] = pick(signal.t_ns, steps_ns)
        values.append(signal.values[picked[name].row])
    return np.concatenate(values, axis=1), picked


def pictures_at(source: ImageSource, rows: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
    """The picture at every ascending row, each decoded once.

    Raises:
        RecordingError: a picture cannot be read.
    """
    wanted, repeats = np.unique(rows, return_counts=True)
    pictures = source.read(wanted.tolist())
    for image, times in zip(pictures, repeats.tolist(), strict=True):
        yield from itertools.repeat(image, times)


def stale(session: str, picked: Mapping[str, Picked]) -> Iterator[str]:
    """Notes on signals that are far from their steps."""
    for name, samples in picked.items():
        worst = int(np.abs(samples.residual_ns).max())
        if worst > STALE_NS:
            yield f"Session {session}: {name} is up to {worst / 1e9:.1f} s away from its frame."


def _unused(camera: str, what: str, n: int, rows: NDArray[np.int64]) -> Iterator[str]:
    lost = n - len(np.unique(rows))
    if lost:
        yield f"Camera {camera!r}: {lost} of {n} {what} stand at no step and are left out."
