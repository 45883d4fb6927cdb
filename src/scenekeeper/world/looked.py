"""How the places of things look in depth images of another visit: shown, empty, or out of view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scenekeeper.world.evidence import Evidence
from scenekeeper.world.scene import CELL
from scenekeeper.world.visibility import Keyframe, Samples, SightConfig, look

TIGHT = SightConfig(slack=0.025)
"""Half a cell and 1 to 2 cm by which two visits are laid on one another; more would hide that low
things are gone from what they lay on."""

_VISIBLE = 0.3
"""Share of a thing's samples that a depth image must test for it to count,"""

_TESTED = 4
"""and how many at least."""

_LARGE_PX = 5.0
"""Side of a thing, pixels of a coarse image, below which it may have been too small to be told."""


@dataclass(frozen=True)
class Looked:
    """What depth images say of the place of a thing.

    Attributes:
        seen: how many show it,
        silent: how many of these show it large enough to be recognised if it were there,
        hit: share of its samples, tested by these, that lie on a surface; the rest is seen through.
        at: rows of the first images that show most of it empty.
    """

    seen: int
    silent: int
    hit: float
    at: tuple[int, ...]

    @property
    def freedom(self) -> float:
        """Probability that the thing was not there: its place was empty, or it was not recognised.

        The samples next to what a thing lies on are hit even when it is gone."""
        empty = (self.seen * min(1.0, 1.5 * (1 - self.hit)) + 0.5) / (self.seen + 1)
        return max(empty, 1 - 0.5 / (1 + 0.3 * self.silent))

    def is_free(self, looks: int, through: float) -> bool:
        """Whether that many images see through so large a share of it."""
        return self.seen >= looks and 1 - self.hit >= through


def looked(things: Sequence[Evidence], keyframes: Sequence[Keyframe]) -> list[Looked]:
    """How each thing's place looks in depth images, all in one frame."""
    samples = Samples.of_cells([t.cells for t in things], CELL)
    seen, silent, hit, through = (np.zeros(len(things), np.int64) for _ in range(4))
    at: list[list[int]] = [[] for _ in things]
    for k, frame in enumerate(keyframes if things else ()):
        sight = look(samples, frame.metres, frame.intrinsics, frame.T_world_camera, TIGHT)
        tested = sight.hit + sight.through
        clear = (tested >= _TESTED) & (tested >= _VISIBLE * sight.total)
        seen, hit = seen + clear, hit + clear * sight.hit
        silent = silent + (clear & (sight.side_px >= _LARGE_PX))
        through = through + clear * sight.through
        for n in np.flatnonzero(clear & (sight.emptied > 0.5)):
            at[n].append(k)
    share = (hit / np.maximum(hit + through, 1)).tolist()
    counts = zip(seen.tolist(), silent.tolist(), share, at, strict=True)
    return [Looked(s, n, h, tuple(a[:4])) for s, n, h, a in counts]
