"""What the world is believed to be at one moment: things with beliefs, and relations between them.

A :class:`Scene` is a plain value. It is read from the world's memory or from one session's tables;
queries, pages and exporters take it and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scenekeeper.schema import UNNAMED, Relation

Float = NDArray[np.float64]
Status = Literal["confirmed", "tentative", "stale", "missing", "moved", "conflicted"]

CELL = 0.025
"""Edge of the cells that say where a thing is, metres."""

SURE = 0.5
"""Probability that a name needs to be said of a thing."""


@dataclass(frozen=True, eq=False)
class Thing:
    """One object of the world, as believed now.

    Attributes:
        object: its id, never reused.
        names: probability of each class name, falling; what is missing to 1 is any other name.
        kind: ``thing``, ``flat``, ``support`` or ``wall``.
        existence: probability that it is there now; falls with age.
        center: ``float64 [3]`` metres, world frame.
        extent: ``float64 [3]`` metres, along the axes of ``R_world_box``.
        R_world_box: ``float64 [3, 3]``; the third axis is up.
        position_std: ``float64 [3]`` standard deviation of ``center``, metres, world axes.
        cells: ``int64 [C]`` ascending keys of the cells of edge :data:`CELL` that it occupies (see
            :func:`scenekeeper.voxels.voxel_keys`); empty when its surface is not known.
        rgb: ``uint8 [3]`` median colour.
        colors: share of its surface by colour word, falling.
        first_t_ns: when it was first seen,
        last_t_ns: and last confirmed.
        frames: frames that show it.
        views: ``(session, frame_id)`` that show it best, the best first.
        sessions: sessions in which it was seen, in order of time.
        embedding: ``float32 [E]`` unit vector of its looks, or ``None``.
        status: what is to be thought of it: ``confirmed`` or ``tentative`` (seen, surely or not),
            ``stale`` (not looked at for long), ``missing`` (it was looked for in vain), ``moved``
            (in the last session), ``conflicted`` (observations contradict one another).
        verified: whether a person has said what it is.
    """

    object: int
    names: Mapping[str, float]
    kind: str
    existence: float
    center: Float
    extent: Float
    R_world_box: Float
    position_std: Float
    cells: NDArray[np.int64]
    rgb: NDArray[np.uint8]
    colors: Mapping[str, float] = field(default_factory=dict)
    first_t_ns: int = 0
    last_t_ns: int = 0
    frames: int = 0
    views: tuple[tuple[str, int], ...] = ()
    sessions: tuple[str, ...] = ()
    embedding: NDArray[np.float32] | None = None
    status: Status = "confirmed"
    verified: bool = False

    @property
    def phrase(self) -> str:
        """Its most probable name; ``object`` when none is probable enough."""
        best = max(self.names, key=lambda name: self.names[name], default=UNNAMED)
        return best if self.names.get(best, 0.0) >= SURE else UNNAMED


@dataclass(frozen=True, eq=False)
class Scene:
    """The world at one moment.

    Attributes:
        things: ascending by id; with those that are believed to be gone.
        relations: between things, by id.
        up: ``float64 [3]`` unit vector against gravity, world frame.
        t_ns: the moment that beliefs hold for.
        sessions: all sessions that it rests on, in order of time.
    """

    things: tuple[Thing, ...]
    relations: tuple[Relation, ...] = ()
    up: Float = field(default_factory=lambda: np.array([0.0, 0.0, 1.0]))
    t_ns: int = 0
    sessions: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Thing]:
        return iter(self.things)

    def __len__(self) -> int:
        return len(self.things)

    def __getitem__(self, object: int) -> Thing:
        """A thing by id.

        Raises:
            KeyError: there is no such thing.
        """
        for thing in self.things:
            if thing.object == object:
                return thing
        raise KeyError(object)
