"""What the world says a picture shows: per object the pixels at which its surface is seen.

In: objects' cells, a depth image and its pose. Out: a mask per object that is in view. A pixel is
an object's if the point behind it lies in or right beside one of the object's cells, so what is
hidden by something else is not expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from scenekeeper.world.table import first_slot, pack

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Mask = NDArray[np.bool_]

NOBODY = -1


@dataclass(frozen=True, eq=False)
class Owners:
    """Whose cell is whose, as a hash table.

    Attributes:
        key: ``int64 [S]``.
        who: ``int32 [S]`` the owner's index; -1 = a free slot.
        cell: edge of the cells, metres.
    """

    key: Int
    who: NDArray[np.int32]
    cell: float

    @classmethod
    def of(cls, cells: Sequence[Int], cell: float) -> Owners:
        """Of N objects; a cell that several claim is the smallest one's."""
        order = sorted(range(len(cells)), key=lambda n: -len(cells[n]))
        key = np.concatenate([np.zeros(0, np.int64), *(cells[n] for n in order)])
        who = np.repeat(np.array(order, np.int32), [len(cells[n]) for n in order])
        room = 64
        while room < 2 * len(key):
            room *= 2
        keys, owner = _table(key, who, room)
        return cls(keys, owner, cell)


@njit(cache=True, nogil=True)
def _table(key, who, room):  # type: ignore[no-untyped-def]
    keys, owner = np.zeros(room, np.int64), np.full(room, -1, np.int32)
    for i in range(len(key)):
        s = first_slot(key[i], room)
        while owner[s] >= 0 and keys[s] != key[i]:
            s = (s + 1) & (room - 1)
        keys[s], owner[s] = key[i], who[i]
    return keys, owner


def expected(
    owners: Owners,
    depth: NDArray[np.float32],
    intrinsics: Float,
    T_world_camera: Float,
    *,
    stride: int,
    max_depth: float,
    least: int,
) -> dict[int, tuple[Mask, tuple[int, int, int, int]]]:
    """Masks of what should be seen, by index of the object.

    Args:
        owners: whose cell is whose.
        depth: ``float32 [H, W]`` metres, 0 = unknown.
        intrinsics: ``float64 [3, 3]``.
        T_world_camera: ``float64 [4, 4]``.
        stride: of the pixels that are looked up.
        max_depth: metres.
        least: pixels of the full picture that must be seen of an object.

    Returns:
        Per object ``bool [h, w]`` and where it lies: x0, y0, x1, y1.
    """
    K, T = np.asarray(intrinsics, np.float64), np.asarray(T_world_camera, np.float64)
    who = _look_up(depth, K, T, owners.key, owners.who, owners.cell, stride, max_depth)
    out = {}
    for n, place in enumerate(ndimage.find_objects(who + 1)):
        if place is None:
            continue
        mine = _cleaned(who[place] == n, who[place] == NOBODY)
        if mine.sum() * stride**2 < least:
            continue
        mask = mine.repeat(stride, 0).repeat(stride, 1)
        x, y = place[1].start * stride, place[0].start * stride
        mask = mask[: depth.shape[0] - y, : depth.shape[1] - x]
        out[n] = mask, (x, y, x + mask.shape[1], y + mask.shape[0])
    return out


@njit(cache=True, nogil=True)
def _look_up(depth, K, T, key, owner, cell, stride, max_depth):  # type: ignore[no-untyped-def]
    height, width = depth.shape
    rows, columns = (height + stride - 1) // stride, (width + stride - 1) // stride
    out = np.full((rows, columns), -1, np.int32)
    steps = np.array([0, 1 << 42, -(1 << 42), 1 << 21, -(1 << 21), 1, -1], np.int64)
    room = len(key)
    for r in range(rows):
        for c in range(columns):
            v, u = r * stride, c * stride
            z = depth[v, u]
            if not 0 < z <= max_depth:
                continue
            x, y = (u - K[0, 2]) * z / K[0, 0], (v - K[1, 2]) * z / K[1, 1]
            k = pack(
                np.floor((T[0, 0] * x + T[0, 1] * y + T[0, 2] * z + T[0, 3]) / cell),
                np.floor((T[1, 0] * x + T[1, 1] * y + T[1, 2] * z + T[1, 3]) / cell),
                np.floor((T[2, 0] * x + T[2, 1] * y + T[2, 2] * z + T[2, 3]) / cell),
            )
            for step in steps:
                s = first_slot(k + step, room)
                while owner[s] >= 0 and key[s] != k + step:
                    s = (s + 1) & (room - 1)
                if owner[s] >= 0:
                    out[r, c] = owner[s]
                    break
    return out


def _cleaned(mine: Mask, nobody: Mask) -> Mask:
    """The largest piece, its pinholes closed where the picture shows nothing else."""
    closed = ndimage.binary_closing(np.pad(mine, 2), iterations=2)[2:-2, 2:-2]
    mine = mine | (closed & nobody)
    label, n = ndimage.label(mine)
    if n < 2:
        return mine
    sizes = np.bincount(label.reshape(-1))[1:]
    return np.asarray(np.isin(label, 1 + np.flatnonzero(sizes >= 0.25 * sizes.max())), np.bool_)
