"""Masks and depth of one frame lifted into space: the seen surface of each detection as points.

In: a depth image and masks. Out: one mean point per small cell of each mask, camera frame, without
what hangs off: of a mask only its largest connected piece is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scenekeeper.world.table import HALF, MASK, REACH, first_slot, pack

Float32 = NDArray[np.float32]
Int = NDArray[np.int64]

_COARSE = 1
"""Cells are joined over twice their edge (a shift by so many bits)."""


@dataclass(frozen=True, eq=False)
class Lifted:
    """Points of M detections, those of detection m in rows ``start[m]`` to ``start[m + 1]``.

    Attributes:
        point: ``float32 [P, 3]`` metres, camera frame.
        count: ``int32 [P]`` pixels behind each point.
        start: ``int64 [M + 1]``.
    """

    point: Float32
    count: NDArray[np.int32]
    start: Int

    def __len__(self) -> int:
        return len(self.start) - 1

    def of(self, m: int) -> Float32:
        """The points of one detection."""
        return self.point[self.start[m] : self.start[m + 1]]


def lift(
    depth: Float32,
    intrinsics: NDArray[np.float64],
    masks: Sequence[NDArray[np.bool_]],
    places: NDArray[np.integer],
    *,
    cell: float,
    max_depth: float,
    stride: int = 1,
) -> Lifted:
    """Lift masks into space.

    Pixels without depth, that is 0, not finite, negative or beyond ``max_depth``, are left out, and
    so is what of a mask lies outside the picture. What nothing is left of has no points.

    Args:
        depth: ``float32 [H, W]`` metres, 0 = unknown.
        intrinsics: ``float64 [3, 3]``, without skew.
        masks: M of ``bool [h, w]``, each of the pixels inside its place.
        places: ``[M, 4]`` x0, y0, x1, y1 of each mask; its size is that of its mask.
        cell: edge of the cells that points are averaged over, metres.
        max_depth: farther depth is not used, metres.
        stride: of the pixels that are looked at, along rows and columns.

    Raises:
        ValueError: depth is no picture, a mask and its place differ in size, a number is not
            positive, or the view is too wide for cells so small.
    """
    depth, K = np.ascontiguousarray(depth, np.float32), np.asarray(intrinsics, np.float64)
    places = np.asarray(places, np.int64).reshape(-1, 4)
    masks = [np.asarray(m, np.bool_) for m in masks]
    _check(depth, K, masks, places, cell, max_depth, stride)
    looked = [m[::stride, ::stride].reshape(-1) for m in masks]
    bits = np.concatenate([np.zeros(0, np.bool_), *looked])
    first = np.concatenate(([0], np.cumsum([len(m) for m in looked], dtype=np.int64)))
    key, total, count, start = _cells(depth, K, bits, first, places, cell, max_depth, stride)
    kept = _largest(key, count, start)
    before = np.concatenate(([0], np.cumsum(kept)))
    point = (total[kept] / count[kept, None]).astype(np.float32)
    return Lifted(point, count[kept], before[start].astype(np.int64))


def _check(
    depth: Float32,
    K: NDArray[np.float64],
    masks: Sequence[NDArray[np.bool_]],
    places: Int,
    cell: float,
    max_depth: float,
    stride: int,
) -> None:
    if depth.ndim != 2:
        raise ValueError(f"depth must be one picture [H, W], not {depth.shape}")
    if not (0 < cell < np.inf and 0 < max_depth < np.inf and stride >= 1):
        raise ValueError("cell, max_depth and stride must be positive and finite")
    if len(masks) != len(places):
        raise ValueError(f"{len(masks)} masks have {len(places)} places")
    for m, (mask, (x0, y0, x1, y1)) in enumerate(zip(masks, places.tolist(), strict=True)):
        if mask.shape != (y1 - y0, x1 - x0):
            size = f"{y1 - y0}x{x1 - x0}"
            raise ValueError(f"mask {m} is {mask.shape}, its place {size} (height x width)")
    center, far = np.abs(K[:2, 2]), np.array(depth.shape[::-1])
    wide = float(((center + far) / K[[0, 1], [0, 1]]).max(initial=1.0))
    if wide * max_depth > REACH * cell:
        raise ValueError(
            f"cells of {cell} m reach {REACH * cell:.0f} m from the camera, which sees"
            f" {wide * max_depth:.0f} m wide; take larger cells or a smaller max_depth"
        )


@njit(cache=True)
def _room(most):  # type: ignore[no-untyped-def]
    """Slots of a table that stays at most half full: a power of two."""
    slots = 64
    while slots < 2 * most:
        slots *= 2
    return slots


@njit(cache=True, nogil=True)
def _cells(depth, K, bits, first, places, cell, max_depth, stride):  # type: ignore[no-untyped-def]
    n_masks, space = len(places), first[-1]
    height, width = depth.shape
    most = 0
    for m in range(n_masks):
        most = max(most, first[m + 1] - first[m])
    room = _room(most)
    table = np.zeros(room, np.int32)  # 1 + the row of a cell; rows of masks before are no rows
    key, count = np.empty(space, np.int64), np.empty(space, np.int32)
    total = np.empty((space, 3))
    start = np.zeros(n_masks + 1, np.int64)
    right = (np.arange(width) - K[0, 2]) / K[0, 0]
    cells = 1 / cell
    n = 0
    for m in range(n_masks):
        x0, y0, x1, y1 = places[m]
        start[m] = n
        across = (x1 - x0 + stride - 1) // stride
        q, last = -1, np.int64(-1)
        for v in range(y0, min(y1, height), stride):
            if v < 0:
                continue
            down = (v - K[1, 2]) / K[1, 1]
            at = first[m] + (v - y0) // stride * across - 1
            for u in range(x0, min(x1, width), stride):
                at += 1
                if u < 0 or not bits[at]:
                    continue
                z = np.float64(depth[v, u])
                if not 0 < z <= max_depth:
                    continue
                x, y = right[u] * z, down * z
                k = pack(np.floor(x * cells), np.floor(y * cells), np.floor(z * cells))
                if k != last:  # pixels side by side mostly fall into one cell
                    last = k
                    s = first_slot(k, room)
                    while table[s] > start[m] and key[table[s] - 1] != k:
                        s = (s + 1) & (room - 1)
                    if table[s] <= start[m]:
                        key[n], count[n], total[n] = k, 0, 0
                        n += 1
                        table[s] = n
                    q = table[s] - 1
                count[q] += 1
                total[q, 0] += x
                total[q, 1] += y
                total[q, 2] += z
    start[n_masks] = n
    return key[:n], total[:n], count[:n], start


@njit(inline="always")
def _root(parent, i):  # type: ignore[no-untyped-def]
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _largest(key, count, start):  # type: ignore[no-untyped-def]
    """Which rows belong to the largest connected piece of their detection.

    Union-find over coarser cells and their 26 neighbours: linear, where DBSCAN is not.
    """
    most = 1
    for m in range(len(start) - 1):
        most = max(most, start[m + 1] - start[m])
    room = _room(most)
    table, row, stamp = np.zeros(room, np.int64), np.zeros(room, np.int64), np.zeros(room, np.int64)
    parent, weight = np.empty(most, np.int64), np.empty(most, np.int64)
    coarse, of = np.empty(most, np.int64), np.empty(len(key), np.int64)
    kept = np.zeros(len(key), np.bool_)
    for m in range(len(start) - 1):
        n = 0
        for q in range(start[m], start[m + 1]):
            i = ((key[q] >> 42) - HALF) >> _COARSE
            j = (((key[q] >> 21) & MASK) - HALF) >> _COARSE
            l = ((key[q] & MASK) - HALF) >> _COARSE  # noqa: E741
            k = pack(i, j, l)
            s = first_slot(k, room)
            while stamp[s] == m + 1 and table[s] != k:
                s = (s + 1) & (room - 1)
            if stamp[s] != m + 1:
                stamp[s], table[s], row[s] = m + 1, k, n
                coarse[n], parent[n], weight[n] = k, n, 0
                n += 1
            of[q] = row[s]
            weight[row[s]] += count[q]
        for c in range(n):
            for dx in range(0, 2):
                for dy in range(-1, 2):
                    for dz in range(-1, 2):
                        if dx == 0 and (dy < 0 or (dy == 0 and dz <= 0)):
                            continue
                        k = coarse[c] + (dx << 42) + (dy << 21) + dz
                        s = first_slot(k, room)
                        while stamp[s] == m + 1 and table[s] != k:
                            s = (s + 1) & (room - 1)
                        if stamp[s] != m + 1:
                            continue
                        a, b = _root(parent, c), _root(parent, row[s])
                        if a != b:
                            parent[b] = a
                            weight[a] += weight[b]
        best = -1
        for c in range(n):
            if parent[c] == c and (best < 0 or weight[c] > weight[best]):
                best = c
        for q in range(start[m], start[m + 1]):
            kept[q] = _root(parent, of[q]) == best
    return kept
