"""How the places of things look in depth images of another visit: shown, empty, or out of view.

In: things, and the depth images of a visit that did not recognise them. Out: per thing how its
place looks, and the probability that it was not there. Two witnesses speak: depth that goes through
where the thing would be, and silence where it would be in plain view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

from scenekeeper.world.evidence import Evidence
from scenekeeper.world.existence import ExistenceConfig, detectable, independent, logit, sigmoid
from scenekeeper.world.scene import CELL
from scenekeeper.world.visibility import Keyframe, Samples, SightConfig, look

Float = NDArray[np.float64]
Int = NDArray[np.int64]

TIGHT = SightConfig(slack=0.025)
"""Half a cell and 1 to 2 cm by which two visits are laid on one another; more would hide that low
things are gone from what they lay on."""


@dataclass(frozen=True)
class LookedConfig:
    """What depth and silence mean.

    Attributes:
        prior: probability that a thing has come or gone between two visits.
        there: share of a thing's samples that are seen through where it is: edges, errors of pose,
        habit_there: and how surely, in samples.
        gone: share where it is not; what else is there now is hit,
        habit_gone: and how surely.
        alike: samples of one view that err as one, as a share,
        views: and views that do.
        limit: largest log-odds that depth may reach, either way: the model may be wrong.
        least: side of what is seen of a thing in the picture, pixels, below which silence says
            nothing.
        visible: share of a thing's samples that a view must test to count,
        tested: and how many at least.
        pixels: of the picture to one of the depth image; only that of pictures 320 wide is known to
            be right, and larger ones show things better.
    """

    prior: float = 0.25
    there: float = 0.05
    habit_there: float = 12.0
    gone: float = 0.65
    habit_gone: float = 3.0
    alike: float = 0.15
    views: float = 0.2
    limit: float = 6.0
    least: float = 16.0
    visible: float = 0.3
    tested: int = 4
    pixels: float = 4.0


@dataclass(frozen=True)
class Looked:
    """What depth images say of the place of a thing.

    Attributes:
        seen: how many show it.
        firm: how many samples of it they test behind which there is room: were the thing gone, they
            would be seen through. Those next to what it lies on are hit in any case.
        hit: share of the firm samples that lie on a surface; the rest is seen through.
        absent: probability that the thing was not there.
        at: rows of the first images that show most of it empty.
        shown: rows of the images that show most of it, the best first.
        other: log-likelihood ratio that something else is there, by its colours.
    """

    seen: int
    firm: int
    hit: float
    absent: float
    at: tuple[int, ...]
    shown: tuple[int, ...] = ()
    other: float = 0.0

    def told(self, other: float) -> Looked:
        """With what colours say."""
        absent = float(sigmoid(logit(self.absent) + np.array(other)))
        return replace(self, absent=absent, other=float(other))

    def is_free(self, through: float) -> bool:
        """Whether so large a share of it is seen through."""
        return self.firm >= _FIRM and 1 - self.hit >= through


_FIRM = 8
"""Samples that are needed to say how empty a place is."""


def looked(
    things: Sequence[Evidence],
    keyframes: Sequence[Keyframe],
    config: LookedConfig | None = None,
) -> list[Looked]:
    """How each thing's place looks in depth images of a visit that shows nothing of it.

    Args:
        things: in one frame with the images.
        keyframes: of one or several visits.
        config: what depth and silence mean.
    """
    c = config or LookedConfig()
    grouped = Samples.of_cells([t.cells for t in things], CELL)
    samples = _Samples(grouped, things)
    views: list[list[_View]] = [[] for _ in things]
    for k, frame in enumerate(keyframes if things else ()):
        for n, view in _views(samples, frame, k, c):
            views[n].append(view)
    return [_summed(v, c) for v in views]


class _View(NamedTuple):
    """One image of the place of one thing: firm samples hit and seen through, its side in pixels,
    the share of it that is tested, and whether most of that is seen through."""

    row: int
    hit: int
    through: int
    side_px: float
    visible: float
    empty: bool


class _Samples:
    """All things' samples, to be told apart one by one.

    Attributes:
        grouped: thing by thing.
        each: the same, each on its own.
        whose: ``int64 [P]`` the thing of each.
        height: ``float64 [P]`` metres along the thing's own up,
        base: and that of the thing's lower end.
        up: ``float64 [P, 3]``.
    """

    def __init__(self, grouped: Samples, things: Sequence[Evidence]) -> None:
        n = len(grouped.points)
        self.grouped = grouped
        self.each = Samples(grouped.points, np.arange(n + 1, dtype=np.int64))
        self.whose = np.repeat(np.arange(len(grouped)), np.diff(grouped.start))
        self.up = np.array([t.R_world_box[:, 2] for t in things]).reshape(-1, 3)[self.whose]
        self.height = (grouped.points * self.up).sum(1)
        base = np.full(len(grouped), np.inf)
        np.minimum.at(base, self.whose, self.height)
        self.base = base[self.whose] - CELL / 2

    def firm(self, frame: Keyframe) -> NDArray[np.bool_]:
        """``bool [P]``: whether what the thing rests on lies so far behind a sample, in the line of
        sight, that it cannot be taken for it."""
        T = frame.T_world_camera
        z = np.maximum((self.grouped.points - T[:3, 3]) @ T[:3, 2], 0)
        eye = self.up @ T[:3, 3]
        # Neighbouring pixels count, too, and the sample itself is off by as much as a cell.
        lowest = self.height - z / frame.intrinsics[1, 1] - CELL / 2
        drop = eye - lowest
        reached = np.where(drop > 1e-6, z * (eye - self.base) / np.maximum(drop, 1e-6), np.inf)
        return np.asarray(reached - z > TIGHT.slack + TIGHT.slope * z)


def _views(samples: _Samples, frame: Keyframe, k: int, c: LookedConfig) -> list[tuple[int, _View]]:
    """What one image shows, of the things whose place it shows."""
    image = frame.metres, frame.intrinsics, frame.T_world_camera, TIGHT
    sight, n = look(samples.grouped, *image), len(samples.grouped)
    tested = sight.hit + sight.through
    clear = (tested >= c.tested) & (tested >= c.visible * sight.total)
    if not clear.any():
        return []
    one, firm = look(samples.each, *image), samples.firm(frame)
    hit, through = (np.bincount(samples.whose, firm * x, n) for x in (one.hit, one.through))
    return [
        (
            m,
            _View(
                k,
                int(hit[m]),
                int(through[m]),
                float(sight.side_px[m]) * c.pixels,
                float(tested[m] / sight.total[m]),
                bool(sight.emptied[m] > 0.5),
            ),
        )
        for m in np.flatnonzero(clear).tolist()
    ]


def _summed(views: Sequence[_View], c: LookedConfig) -> Looked:
    """All images of the place of one thing together."""
    if not views:
        return Looked(0, 0, 1.0, c.prior, ())
    hit, through = (np.array([v[k] for v in views], np.float64) for k in (1, 2))
    total = hit.sum() + through.sum()
    share = float(hit.sum() / total) if total else 1.0
    odds = logit(c.prior) + _depth(hit, through, c) + _silence(views, c)
    at = tuple(v.row for v in views if v.empty)[:_TOLD]
    shown = tuple(v.row for v in sorted(views, key=lambda v: -v.visible)[:_TOLD])
    return Looked(len(views), int(total), share, float(sigmoid(odds)), at, shown)


_TOLD = 4
"""Images that are told of a place."""


def _depth(hit: Float, through: Float, c: LookedConfig) -> float:
    """Log-likelihood ratio of a thing's absence, from firm samples ``[V]`` of views."""
    n = hit + through
    worth = independent(n, c.alike)
    worth = worth / (1 + c.views * max(int((n > 0).sum()) - 1, 0))
    yes, no = (float((worth * x / np.maximum(n, 1)).sum()) for x in (through, hit))
    message = _habit(yes, no, c.gone, c.habit_gone) - _habit(yes, no, c.there, c.habit_there)
    return float(np.clip(message, -c.limit, c.limit))


def _silence(views: Sequence[_View], c: LookedConfig) -> float:
    """Log-likelihood ratio of its absence, from nobody having recognised it in views."""
    side, visible = (np.array([v[k] for v in views], np.float64) for k in (3, 4))
    large = side * np.sqrt(visible) >= c.least
    found = detectable(side, visible, ExistenceConfig()) * large
    worth = 1 / (1 + c.views * max(int(large.sum()) - 1, 0))
    return float(-np.log1p(-found).sum() * worth)


def _habit(yes: float, no: float, p: float, strength: float) -> float:
    """Log-likelihood of outcomes whose rate is only known to be about ``p`` (beta-binomial)."""
    a, b = p * strength, (1 - p) * strength
    return float(betaln(a + yes, b + no) - betaln(a, b))
