"""The colours of things' places in two visits: of what lies flat, depth tells nothing, and they do.

In: things, and the small pictures of the visit that shows them and of another one. Out: per thing
how far the colours of its surface differ between the two, and what that says of its being there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.world.colors import lab_of, linear
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.scene import CELL
from scenekeeper.world.visibility import Keyframe, Samples, SightConfig

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class ShadeConfig:
    """What a difference of colours says; Lab units, lightness counting half, as shade changes it.

    Attributes:
        lightness: what it counts.
        samples: of a thing's surface,
        least: that both visits must show for anything to be said.
        same: by how much the colours of what stays differ: a median, when so few samples are shown,
        shrinks: and how that falls with their number, a power, as mixed pixels at edges tell less,
        finest: but not below this,
        same_log: and the deviation of its logarithm.
        other: the same of two things, or of a thing and what lies behind it,
        other_log: and its deviation.
        alike: share of these that look no other than what stays.
        limit: largest log-likelihood ratio, either way.
        hidden: share of what is known of a thing that both visits must show for its place to be
            another's, at least, and to be that in full.

    Measured on simulated homes, seeds 9400 to 9407.
    """

    lightness: float = 0.5
    samples: int = 64
    least: int = 4
    same: float = 10.0
    shrinks: float = 0.6
    finest: float = 2.2
    same_log: float = 0.65
    other: float = 23.0
    other_log: float = 0.75
    alike: float = 0.35
    limit: float = 4.0
    hidden: tuple[float, float] = (0.25, 0.6)


@dataclass(frozen=True, eq=False)
class Shades:
    """The colours of N things' surfaces as two visits show them, where both do.

    Attributes:
        earlier: N of ``float64 [S, 3]`` amounts of light, 0 to 1, sample by sample,
        later: and the same in the later visit.
        share: ``float64 [N]`` how much of what either visit shows of it both do.
    """

    earlier: tuple[Float, ...]
    later: tuple[Float, ...]
    share: Float


def shades(
    things: Sequence[Evidence],
    earlier: Sequence[Keyframe],
    later: Sequence[Keyframe],
    config: ShadeConfig | None = None,
) -> Shades:
    """Compare the colours of things' surfaces in pictures of two visits.

    Args:
        things: of either visit, in one frame with the pictures.
        earlier: pictures of the earlier visit; those without colours say nothing.
        later: and of the later one.
        config: how many samples are compared.
    """
    c = config or ShadeConfig()
    samples = Samples.of_cells([t.cells for t in things], CELL, c.samples)
    before, after = _seen(samples, earlier), _seen(samples, later)
    seen = np.isfinite(before[:, 0]), np.isfinite(after[:, 0])
    rows: list[Int] = []
    share: list[float] = []
    for a, b in pairwise(samples.start.tolist()):
        one, other = (np.flatnonzero(side[a:b]) + a for side in seen)
        both = np.intersect1d(one, other)
        share.append(len(both) / max(len(one), len(other), 1))
        rows.append(both if len(both) >= c.least else both[:0])
    return Shades(tuple(before[r] for r in rows), tuple(after[r] for r in rows), np.array(share))


def cast(shades: Shades) -> Float:
    """By what the light of the later visit multiplies all colours, ``[3]``: a median, as most
    things stay (von Kries' rule); 1 where few are known."""
    pairs = zip(shades.earlier, shades.later, strict=True)
    gains = [np.median(np.log((b + _DARK) / (a + _DARK)), 0) for a, b in pairs if len(a)]
    return np.exp(np.median(gains, 0)) if len(gains) >= _FEW else np.ones(3)


_FEW = 6
"""Things from which on light is measured."""

_DARK = 0.01
"""Light that black surfaces send all the same."""


def others(shades: Shades, cast: Float, config: ShadeConfig | None = None) -> Float:
    """Log-likelihood ratios ``[N]`` that what one visit shows at a thing's place is something else
    than what the other does; 0 where that is not known."""
    c = config or ShadeConfig()
    pairs = zip(shades.earlier, shades.later, strict=True)
    said = np.array([_other(a * np.sqrt(cast), b / np.sqrt(cast), c) for a, b in pairs], np.float64)
    # What shows of a place that is hidden for the rest is mixed with what hides it.
    least, most = c.hidden
    clear = np.clip((shades.share - least) / (most - least), 0, 1)
    return np.asarray(np.where(said > 0, said * clear, said), np.float64)


def _other(earlier: Float, later: Float, c: ShadeConfig) -> float:
    if not len(earlier):
        return 0.0
    differ = (lab_of(later) - lab_of(earlier)) * (c.lightness, 1.0, 1.0)
    x = np.log(max(float(np.median(np.linalg.norm(differ, axis=1))), 0.5))
    same = np.log(max(c.finest, c.same * (c.least / len(differ)) ** c.shrinks))
    if x <= same:  # nearer than most is no more a sign of being the same
        return float(np.log(c.alike))
    stays = _normal(x, same, c.same_log)
    # Farther than most is no sign of being the same either.
    changed = _normal(min(x, np.log(c.other)), np.log(c.other), c.other_log)
    ratio = np.log(c.alike + (1 - c.alike) * np.exp(changed - stays))
    return float(np.clip(ratio, -c.limit, c.limit))


def _normal(x: float, middle: float, deviation: float) -> float:
    """Logarithm of the density, but for what all have in common."""
    return float(-0.5 * ((x - middle) / deviation) ** 2 - np.log(deviation))


def _seen(samples: Samples, keyframes: Sequence[Keyframe]) -> Float:
    """Mean colour ``[P, 3]``, amounts of light, of samples on the seen surface; NaN of others.

    A view from nearby counts more, as its pixels are smaller.
    """
    total, worth = np.zeros((len(samples.points), 3)), np.zeros(len(samples.points))
    for k in keyframes:
        rgb = k.rgb
        if rgb is None:
            continue
        rows, pixel, z = _on_surface(samples.points, k)
        weight = 1 / z**2
        total[rows] += weight[:, None] * linear(rgb.reshape(-1, 3)[pixel])
        worth[rows] += weight
    out = np.full_like(total, np.nan)
    np.divide(total, worth[:, None], out=out, where=worth[:, None] > 0)
    return out


def _on_surface(points: Float, k: Keyframe) -> tuple[Int, Int, Float]:
    """Which points lie on the surface that a picture shows, at which pixels, and how far away."""
    c = SightConfig()
    local = geometry.transform(geometry.invert(k.T_world_camera), points)
    rows = np.flatnonzero((local[:, 2] > c.near) & (local[:, 2] < c.far))
    z = local[rows, 2]
    u, v = np.rint(geometry.project(k.intrinsics, local[rows])).astype(np.int64).T
    height, width = k.depth_mm.shape
    inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
    rows, z, pixel = rows[inside], z[inside], (v * width + u)[inside]
    depth = k.depth_mm.reshape(-1)[pixel] / 1000
    hit = (depth > 0) & (np.abs(depth - z) < c.slack + c.slope * z)
    return rows[hit], pixel[hit], z[hit]
