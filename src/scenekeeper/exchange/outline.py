"""The outline of a mask as one polygon, along the edges between pixels.

In: COCO ``counts``. Out: a simplified closed polygon of the mask's largest part, for formats that
draw or train on polygons. Coordinates are those of half-open boxes: pixel ``(x, y)`` covers
``[x, x + 1) x [y, y + 1)``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from scenekeeper import masks

Polygon = NDArray[np.float64]


def outline(counts: bytes, size: tuple[int, int], tolerance: float = 1.0) -> Polygon | None:
    """Polygon around the largest connected part of a mask; holes in it are closed.

    Args:
        counts: COCO ``counts`` bytes.
        size: ``(H, W)`` of the image.
        tolerance: how far, in pixels, the polygon may be from the true outline; 0 is exact.

    Returns:
        ``float64 [V, 2]`` corners (x, y) in pixels, clockwise as seen, V >= 4 when exact and >= 3
        else; ``None`` for an empty mask.
    """
    x0, y0, x1, y1 = masks.box(counts, size)
    if x1 <= x0:
        return None
    crop = masks.decode(counts, size)[y0:y1, x0:x1]
    exact = trace(largest_part(crop)) + np.array([x0, y0])
    simple = simplify(exact, tolerance)
    return simple if len(simple) >= 3 else exact


def largest_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest 4-connected part of a ``bool [H, W]`` mask with its holes filled."""
    parts, count = ndimage.label(mask)
    if count > 1:
        mask = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    return np.asarray(ndimage.binary_fill_holes(mask), np.bool_)


def trace(part: NDArray[np.bool_]) -> Polygon:
    """Exact boundary of one 4-connected part without holes: its corners ``[V, 2]``, clockwise."""
    follower = _followers(np.pad(part, 1))
    start = int(np.flatnonzero(follower)[0])
    path, at = [start], int(follower[start])
    steps = follower.tolist()
    while at != start:
        path.append(at)
        at = steps[at]
    y, x = np.divmod(np.array(path), part.shape[1] + 2)
    points = np.stack((x, y), 1).astype(np.float64) - 1
    step_in, step_out = points - np.roll(points, 1, 0), np.roll(points, -1, 0) - points
    return np.asarray(points[(step_in != step_out).any(1)])


def _followers(padded: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For every grid corner on the boundary the next one, as flat indices; 0 elsewhere.

    Walking with the part on the right-hand side visits each corner once: a corner where two
    pixels touch only diagonally cannot be on the outline of a part without holes, because a path
    joining the two would close a hole.
    """
    width = padded.shape[1]
    follower = np.zeros(padded.size, np.int64)
    inside, above, left = padded[1:, 1:], padded[:-1, 1:], padded[1:, :-1]
    corner = np.arange(padded.size).reshape(padded.shape)[1:, 1:]
    right = corner[inside & ~above]
    follower[right] = right + 1
    leftward = corner[~inside & above] + 1
    follower[leftward] = leftward - 1
    up = corner[inside & ~left] + width
    follower[up] = up - width
    down = corner[~inside & left]
    follower[down] = down + width
    return follower


def simplify(polygon: Polygon, tolerance: float) -> Polygon:
    """Douglas-Peucker on a closed polygon ``[V, 2]``, from its first corner and the farthest one.

    Returns:
        A subset of the corners, no further than ``tolerance`` from those left out.
    """
    n = len(polygon)
    if tolerance <= 0 or n < 4:
        return polygon
    far = int(np.argmax(((polygon - polygon[0]) ** 2).sum(1)))
    closed = np.concatenate((polygon, polygon[:1]))
    keep = np.zeros(n + 1, np.bool_)
    keep[[0, far]] = True
    spans = [(0, far), (far, n)]
    while spans:
        low, high = spans.pop()
        if high - low < 2:
            continue
        distance = _distance(closed[low + 1 : high], closed[low], closed[high])
        k = int(np.argmax(distance))
        if distance[k] > tolerance:
            middle = low + 1 + k
            keep[middle] = True
            spans += [(low, middle), (middle, high)]
    return polygon[keep[:n]]


def _distance(points: Polygon, a: Polygon, b: Polygon) -> NDArray[np.float64]:
    """Distance ``[N]`` of points ``[N, 2]`` to the segment from ``a`` to ``b``."""
    along = b - a
    length = max(float(along @ along), 1e-12)
    t = np.clip((points - a) @ along / length, 0, 1)
    gap = points - a - t[:, None] * along
    return np.asarray(np.sqrt((gap * gap).sum(1)), np.float64)
