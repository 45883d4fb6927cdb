"""What one session says about the world: plain values, made once, kept in the world's memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scenekeeper.schema import UNNAMED
from scenekeeper.world.scene import SURE
from scenekeeper.world.visibility import Keyframe

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Evidence:
    """One object as one session shows it, in the session's own world frame.

    Attributes:
        track: the session's track that stands for it.
        kind: ``thing``, ``flat``, ``support`` or ``wall``.
        names: probability of each class name; what is missing to 1 is any other name.
        existence: probability that there is such a thing.
        center: ``float64 [3]`` metres.
        extent: ``float64 [3]`` metres along the axes of ``R_world_box``.
        R_world_box: ``float64 [3, 3]``, third axis up.
        position_std: ``float64 [3]`` of the centre, metres.
        cells: ``int64 [C]`` ascending keys of the cells that it occupies, see
            :data:`scenekeeper.world.scene.CELL`.
        rgb: ``uint8 [3]`` median colour.
        colors: share of its surface by colour word.
        embedding: ``float32 [E]`` unit vector, or ``None``.
        palette: ``uint16 [BINS]`` the colours of its pixels, see :mod:`scenekeeper.world.palette`;
            empty = not known.
        tall: metres as single views measure it, finer than ``extent``; NaN = not known,
        wide: and across the line of sight.
        frames: how many show it.
        first_t_ns: of the first,
        last_t_ns: and the last of them.
        views: frames that show it best, the best first.
    """

    track: int
    kind: str
    names: Mapping[str, float]
    existence: float
    center: Float
    extent: Float
    R_world_box: Float
    position_std: Float
    cells: Int
    rgb: NDArray[np.uint8]
    colors: Mapping[str, float] = field(default_factory=dict)
    embedding: NDArray[np.float32] | None = None
    frames: int = 0
    first_t_ns: int = 0
    last_t_ns: int = 0
    views: tuple[int, ...] = ()
    palette: NDArray[np.uint16] = field(default_factory=lambda: np.zeros(0, np.uint16))
    tall: float = np.nan
    wide: float = np.nan

    @property
    def phrase(self) -> str:
        """Its most probable name; ``object`` when none is probable enough."""
        best = max(self.names, key=lambda name: self.names[name], default=UNNAMED)
        return best if self.names.get(best, 0.0) >= SURE else UNNAMED


@dataclass(frozen=True, eq=False)
class SessionEvidence:
    """All that one session says.

    Attributes:
        session: its name.
        run: the run that says so.
        up: ``float64 [3]`` against gravity, in the session's world frame.
        first_t_ns: of its first frame.
        last_t_ns: of its last frame.
        things: its objects.
        surface: ``float32 [P, 3]`` metres, thinned points of everything that was seen.
        keyframes: coarse pictures with depth, spread over the session, and
        keyframe_ids: the frames that they are of.
    """

    session: str
    run: str
    up: Float
    first_t_ns: int
    last_t_ns: int
    things: tuple[Evidence, ...]
    surface: NDArray[np.float32]
    keyframes: tuple[Keyframe, ...]
    keyframe_ids: tuple[int, ...]
