"""What all sessions of one dataset have in common, and so what formats of one table can hold.

In: the sessions' recordings, opened but not read. Out: the cameras and signals that every session
has alike, the camera with most pictures first, and a note on everything left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import ExportError
from scenekeeper.recording.base import Recording

ROLES = {"observation.state": "joint_state", "action": "action"}
"""What a policy reads and writes, and the kind of signal each is made of."""

Size = tuple[int, int]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Source:
    """The little that planning needs to know of one session.

    Attributes:
        session: its name.
        sizes: per camera with pictures, ``(H, W)``.
        t_ns: per camera, ``int64 [N]`` times of its pictures.
        depth: per camera that has depth, the ``(H, W)`` of that.
        signals: per ``(kind, name)`` of a signal that can be exported, its column names.
        left_out: names of the other signals.
    """

    session: str
    sizes: Mapping[str, Size]
    t_ns: Mapping[str, NDArray[np.int64]]
    depth: Mapping[str, Size]
    signals: Mapping[tuple[str, str], tuple[str, ...]]
    left_out: frozenset[str]

    @classmethod
    def of(
        cls,
        session: str,
        recording: Recording,
        t_ns: Mapping[str, NDArray[np.int64]] | None = None,
    ) -> Source:
        """Look at a recording; ``t_ns`` are the times that count, all of them when absent."""
        views = recording.views
        t_ns = t_ns or {view.camera.name: view.rgb.t_ns for view in views}
        seen = [v for v in views if len(t_ns[v.camera.name])]
        sizes = {v.camera.name: (v.camera.height, v.camera.width) for v in seen}
        pairs = [(v.camera.name, v.depth_camera or v.camera) for v in seen if v.depth is not None]
        depth = {name: (camera.height, camera.width) for name, camera in pairs}
        found = recording.signals.values()
        signals: dict[tuple[str, str], tuple[str, ...]] = {
            (s.kind, s.name): s.names for s in found if s.kind in ROLES.values() and len(s)
        }
        left_out = frozenset(recording.signals) - {name for _, name in signals}
        return cls(session, sizes, {n: t_ns[n] for n in sizes}, depth, signals, left_out)


@dataclass(frozen=True)
class Shared:
    """What every session has, and has alike.

    Attributes:
        sizes: per camera its ``(H, W)``, the one with most pictures first.
        depth: per camera whose depth all have, the ``(H, W)`` of that.
        signals: per role, the names of the signals put one after the other.
        columns: per role, the names of its values.
        notes: what is left out.
    """

    sizes: Mapping[str, Size]
    depth: Mapping[str, Size]
    signals: Mapping[str, tuple[str, ...]]
    columns: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]


def shared_streams(sources: Sequence[Source]) -> Shared:
    """Find what all sessions share.

    Raises:
        ExportError: they share no camera.
    """
    sizes = _shared([s.sizes for s in sources])
    if not sizes:
        raise ExportError(
            "the sessions share no camera of one name and size",
            place=", ".join(s.session for s in sources[:5]),
            remedy="Export them apart, each into a folder of its own.",
        )
    names = sorted(sizes, key=lambda name: -sum(len(s.t_ns[name]) for s in sources))
    depth = _shared([s.depth for s in sources])
    found = _shared([s.signals for s in sources])
    kinds = {role: [name for k, name in found if k == kind] for role, kind in ROLES.items()}
    signals = {role: tuple(names) for role, names in kinds.items() if names}
    columns = {role: tuple(_columns(role, names, found)) for role, names in signals.items()}
    notes = [*_notes_on_cameras(sources, sizes), *_notes_on_signals(sources, signals)]
    return Shared(
        {name: sizes[name] for name in names},
        {name: depth[name] for name in names if name in depth},
        signals,
        columns,
        tuple(notes),
    )


def _shared(found: Sequence[Mapping[_Key, _Value]]) -> dict[_Key, _Value]:
    return {k: v for k, v in found[0].items() if all(f.get(k) == v for f in found)}


def _columns(
    role: str, signals: Sequence[str], columns: Mapping[tuple[str, str], tuple[str, ...]]
) -> list[str]:
    return [
        name if len(signals) == 1 else f"{signal}.{name}"
        for signal in signals
        for name in columns[ROLES[role], signal]
    ]


def _notes_on_cameras(sources: Sequence[Source], exported: Mapping[str, Size]) -> list[str]:
    lost = sorted({name for s in sources for name in s.sizes if name not in exported})
    return [
        f"Camera {name!r} is not in every session with the same size: left out." for name in lost
    ]


def _notes_on_signals(sources: Sequence[Source], signals: Mapping[str, Sequence[str]]) -> list[str]:
    exported = {name for found in signals.values() for name in found}
    lost = sorted({name for s in sources for _, name in s.signals if name not in exported})
    notes = [f"Signal {name!r} is not alike in every session: left out." for name in lost]
    return notes + [f"There is no {role} to export." for role in ROLES if role not in signals]
