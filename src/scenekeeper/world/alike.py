"""How alike two things are that different sessions show: in name, looks, size, and where they lie.

In: two pieces of evidence in one frame. Out: shares from 0 to 1; what is not known counts for both
sides.
"""

from __future__ import annotations

import numpy as np

from scenekeeper.voxels import touching
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.scene import CELL

_UNKNOWN = 0.6
"""How well a thing without a name agrees with any name."""


def likeness(a: Evidence, b: Evidence) -> float:
    """How well two things agree in looks, size and name: a product of three shares.

    Names say less than the others: words for one thing differ from visit to visit.
    """
    return looks_agree(a, b) * sizes_agree(a, b) * (0.5 + 0.5 * names_agree(a, b))


def names_agree(a: Evidence, b: Evidence) -> float:
    """Probability that both have one name; what is called nothing may be anything."""
    both = sum(p * b.names.get(name, 0.0) for name, p in a.names.items())
    rest = [max(0.0, 1 - sum(e.names.values())) for e in (a, b)]
    return float(min(1.0, both + _UNKNOWN * (rest[0] + rest[1] - rest[0] * rest[1])))


def looks_agree(a: Evidence, b: Evidence) -> float:
    """Agreement of colours, and of embeddings where both have one."""
    near = colors_agree(a, b)
    if a.embedding is None or b.embedding is None or len(a.embedding) != len(b.embedding):
        return near
    cosine = float(a.embedding @ b.embedding)
    return float(np.clip(0.5 + 0.5 * cosine, 0, 1)) * (0.5 + 0.5 * near)


def colors_agree(a: Evidence, b: Evidence) -> float:
    """Share of the surface that has the same colour word; of median colours where there are none.

    The median of a thing of two colours is either, and differs from side to side.
    """
    if a.colors and b.colors:
        return float(sum(min(p, b.colors.get(word, 0.0)) for word, p in a.colors.items()))
    off = np.abs(a.rgb.astype(float) - b.rgb.astype(float)).mean()
    return float(np.exp(-((off / 60) ** 2)))


def sizes_agree(a: Evidence, b: Evidence) -> float:
    """Agreement of the sides of both boxes, the shortest with the shortest."""
    one, other = (np.sort(e.extent) + CELL for e in (a, b))
    return float(np.exp(-((np.log(one / other) ** 2).mean() / 0.5)))


def places_agree(a: Evidence, b: Evidence) -> float:
    """How far two things fill one place: the geometric mean of the shares of either's cells that
    have one of the other beside them."""
    if not len(a.cells) or not len(b.cells):
        return 0.0
    shares = touching(a.cells, b.cells).mean() * touching(b.cells, a.cells).mean()
    return float(np.sqrt(shares))
