"""What a recording is besides pictures and numbers, as JSON for formats without a place for it.

In: a :class:`Recording`. Out: names, calibrations, whose poses are whose, the columns of signals;
and from such JSON, with the streams read elsewhere, the same views and signals again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.errors import RecordingError
from scenekeeper.recording.base import Images, Recording, Signal, SignalKind, View
from scenekeeper.schema import Camera

VERSION = 1
PARSE_ERRORS = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)
"""What :func:`parse` raises on JSON that holds something else."""

_MAX_DISTORTION = 14  # coefficients of OpenCV's longest model


@dataclass(frozen=True)
class ViewFacts:
    """A view without its pictures.

    Attributes:
        camera, depth_camera, T_camera_depth, posed: as :class:`View` has them.
        poses: which of the kept signals are its poses.
    """

    camera: Camera
    depth_camera: Camera | None
    T_camera_depth: NDArray[np.float64]
    posed: Any
    poses: int | None

    def view(self, rgb: Images, depth: Images | None, poses: Signal | None) -> View:
        """The view with its streams."""
        depth_camera = self.depth_camera if depth is not None else None
        return View(self.camera, rgb, depth, depth_camera, self.T_camera_depth, poses, self.posed)


@dataclass(frozen=True)
class SignalFacts:
    """A signal without its numbers; ``listed`` says whether the recording names it itself."""

    name: str
    kind: SignalKind
    names: tuple[str, ...]
    listed: bool

    def signal(self, t_ns: NDArray[np.int64], values: NDArray[np.float64]) -> Signal:
        """The signal with its numbers.

        Raises:
            ValueError: they are not one row of numbers per ascending time.
        """
        return Signal(self.name, self.kind, t_ns, values, self.names)


@dataclass(frozen=True)
class Facts:
    """A recording without its streams."""

    name: str
    task: str | None
    views: tuple[ViewFacts, ...]
    signals: tuple[SignalFacts, ...]


class ReadWhenAsked(Mapping[str, Signal]):
    """A recording's signals by name, each read when it is asked for.

    Args:
        facts: whose signals.
        read: gives the signal of a number in ``facts.signals``.
    """

    def __init__(self, facts: Facts, read: Callable[[int], Signal]) -> None:
        self._at = {s.name: k for k, s in enumerate(facts.signals) if s.listed}
        self._read = read

    def __iter__(self) -> Iterator[str]:
        return iter(self._at)

    def __len__(self) -> int:
        return len(self._at)

    def __contains__(self, name: object) -> bool:
        return name in self._at

    def __getitem__(self, name: str) -> Signal:
        return self._read(self._at[name])


def kept_signals(recording: Recording) -> list[tuple[Signal, bool]]:
    """All number streams, and whether each is listed; poses that only a view holds come last."""
    listed = list(recording.signals.values())
    poses = [view.poses for view in recording.views if view.poses is not None]
    unlisted = [p for p in poses if not any(_same(p, s) for s in listed)]
    return [(s, True) for s in listed] + [(p, False) for p in unlisted]


def facts_of(recording: Recording) -> dict[str, Any]:
    """What :func:`parse` understands, as JSON values; signals in the order of kept_signals."""
    kept = kept_signals(recording)
    numbers = [signal for signal, _ in kept]
    return {
        "scenekeeper": VERSION,
        "name": recording.name,
        "format": recording.format,
        "task": recording.task,
        "cameras": [_of_view(view, numbers) for view in recording.views],
        "signals": [
            {"name": s.name, "kind": s.kind, "names": list(s.names), "listed": listed}
            for s, listed in kept
        ],
    }


def parse(value: Any) -> Facts:
    """Facts out of JSON values.

    Raises:
        One of :data:`PARSE_ERRORS`: they are something else.
    """
    if value["scenekeeper"] != VERSION:
        raise ValueError(f"version {value['scenekeeper']!r} is not known")
    signals = tuple(map(_signal, value["signals"]))
    task = value["task"]
    return Facts(
        _text(value["name"]),
        None if task is None else _text(task),
        tuple(_view(v, len(signals)) for v in value["cameras"]),
        signals,
    )


def rebuild(
    facts: Facts,
    streams: Sequence[tuple[Images, Images | None]],
    read: Callable[[int], Signal],
) -> tuple[tuple[View, ...], Mapping[str, Signal]]:
    """Views and signals out of facts and streams.

    Args:
        facts: what was kept.
        streams: colour and depth of each view.
        read: gives the signal of a number in ``facts.signals``.

    Raises:
        RecordingError: poses cannot be read.
    """
    views = []
    for about, (rgb, depth) in zip(facts.views, streams, strict=True):
        poses = None if about.poses is None else read(about.poses)
        if poses is not None and poses.values.shape[1] != 7:
            raise RecordingError(f"{poses.name!r} holds no poses of 7 numbers")
        views.append(about.view(rgb, depth, poses))
    return tuple(views), ReadWhenAsked(facts, read)


def _of_view(view: View, signals: Sequence[Signal]) -> dict[str, Any]:
    return {
        **_of_camera(view.camera),
        "depth_camera": None if view.depth_camera is None else _of_camera(view.depth_camera),
        "T_camera_depth": view.T_camera_depth.tolist(),
        "posed": view.posed,
        "poses": next((k for k, s in enumerate(signals) if _same(view.poses, s)), None),
    }


def _same(a: Signal | None, b: Signal) -> bool:
    return a is b or (
        a is not None
        and a.name == b.name
        and np.array_equal(a.t_ns, b.t_ns)
        and np.array_equal(a.values, b.values, equal_nan=True)
    )


def _of_camera(camera: Camera) -> dict[str, Any]:
    return {
        "name": camera.name,
        "width": camera.width,
        "height": camera.height,
        "intrinsics": None if camera.intrinsics is None else camera.intrinsics.tolist(),
        "distortion": list(camera.distortion),
    }


def _view(value: Any, signals: int) -> ViewFacts:
    T, posed, poses = np.array(value["T_camera_depth"], np.float64), value["posed"], value["poses"]
    geometry.pose_vector(T)
    if posed not in ("rgb", "depth"):
        raise ValueError(f"poses of {posed!r}")
    if poses is not None and poses not in range(signals):
        raise ValueError(f"there is no signal {poses!r}")
    depth = value["depth_camera"]
    return ViewFacts(_camera(value), None if depth is None else _camera(depth), T, posed, poses)


def _camera(value: Any) -> Camera:
    width, height = value["width"], value["height"]
    distortion = tuple(float(v) for v in value["distortion"])
    if type(width) is not int or type(height) is not int or len(distortion) > _MAX_DISTORTION:
        raise ValueError(f"no camera of {width!r}x{height!r} with {len(distortion)} coefficients")
    if not all(map(math.isfinite, distortion)):
        raise ValueError("distortion that is not finite")
    K = value["intrinsics"]
    intrinsics = None if K is None else np.array(K, np.float64)
    return Camera(_text(value["name"]), width, height, intrinsics, distortion)


def _signal(value: Any) -> SignalFacts:
    kind, listed = value["kind"], value["listed"]
    if kind not in get_args(SignalKind) or type(listed) is not bool:
        raise ValueError(f"a signal of kind {kind!r}")
    return SignalFacts(_text(value["name"]), kind, tuple(map(_text, value["names"])), listed)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value
