"""What the compiled kernels of the map share: keys of cells, and where a hash table keeps them."""

from __future__ import annotations

import numpy as np
from numba import njit

HALF = 1 << 20
MASK = (1 << 21) - 1
"""A key holds three indices of 21 bits, as :func:`scenekeeper.voxels.voxel_keys` makes it."""

REACH = HALF >> 2
"""Cells from a camera to the farthest that it sees. Cameras stay within twice that of the origin,
so that no index ever needs a 22nd bit: keys of cells 2.5 cm wide reach 26 km."""


@njit(inline="always")
def pack(i, j, k):  # type: ignore[no-untyped-def]
    """Key of a cell."""
    return ((np.int64(i) + HALF) << 42) | ((np.int64(j) + HALF) << 21) | (np.int64(k) + HALF)


@njit(inline="always")
def first_slot(key, room):  # type: ignore[no-untyped-def]
    """Where a table of ``room`` slots, a power of two, is searched first (Fibonacci hashing)."""
    k = np.uint64(key)
    k ^= k >> np.uint64(31)
    k *= np.uint64(0x9E3779B97F4A7C15)
    return np.int64(k >> np.uint64(20)) & (room - 1)
