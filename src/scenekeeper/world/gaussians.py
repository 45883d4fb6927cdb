"""A map of Gaussians, one per cube of space, and scans laid onto it: voxelised GICP.

In: points of a depth image and a guess of its pose. Out: the pose that lays the scan's planes on
the map's. The method is that of Koide et al. (ICRA 2021), written for scans of a few thousand
points that come one after another.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from scenekeeper.world.table import first_slot, pack

Float = NDArray[np.float64]

_FREE = -1
_THIN = 1e-3
"""Variance across a surface, where along it is 1."""

_LEAST = 5
"""Points that tell which way a surface faces."""

_STILL = np.radians(0.1), 1e-3
"""A step that turns and shifts the scan by less, radians and metres, is the last."""


class Scan(NamedTuple):
    """Surface patches: middle ``float64 [P, 3]`` metres, unit normal ``[P, 3]``, 0 = unknown."""

    middle: Float
    normal: Float

    @classmethod
    def of(cls, points: NDArray[np.floating], spacing: float) -> Scan:
        """One patch per cube of edge ``spacing`` metres; points ``[N, 3]``, within 60 km of 0.

        A patch faces the way in which the points of its cube and those around it spread least.
        """
        return cls(*_patches(np.ascontiguousarray(points, np.float64), spacing))

    def __len__(self) -> int:
        return len(self.middle)


class Laid(NamedTuple):
    """A scan laid onto a map.

    Attributes:
        T: its pose ``T_map_scan [4, 4]``.
        found: its patches that are on the map.
        converged: whether more steps change nothing.
        information: ``float64 [6, 6]`` Hessian in a turn about the scan's origin and a shift, along
            the map's axes: small where the surfaces leave a direction open.
        left: mean square of what is left over, in the same units.
    """

    T: Float
    found: int
    converged: bool
    information: Float
    left: float


class GaussianMap:
    """The map. A cube holds the mean of the patches in it, and of their spread.

    Args:
        leaf: edge of the cubes, metres.
    """

    def __init__(self, leaf: float) -> None:
        self._leaf = leaf
        self._key = np.full(1 << 12, _FREE, np.int64)
        self._row = np.zeros(1 << 12, np.int32)
        self._cube = np.zeros((1 << 10, 10))  # patches, mean, mean of their normals' outer products
        self._n = 0

    def __len__(self) -> int:
        """Cubes with patches."""
        return self._n

    def insert(self, scan: Scan, T_map_scan: Float) -> None:
        """Make a scan part of the map."""
        while 2 * (self._n + len(scan)) > len(self._key):
            self._key, self._row = _moved(self._key, self._row, 2 * len(self._key))
        while self._n + len(scan) > len(self._cube):
            self._cube = np.concatenate((self._cube, np.zeros_like(self._cube)))
        self._n = _insert(*scan, T_map_scan, self._leaf, self._key, self._row, self._cube, self._n)

    def lay(self, scan: Scan, T_guess: Float, reach: float, steps: int = 20) -> Laid:
        """Lay a scan onto the map by Gauss-Newton steps.

        Args:
            scan: what was seen.
            T_guess: ``T_map_scan [4, 4]``.
            reach: metres from a patch to the mean of its cube, at most.
            steps: that are taken, at most.
        """
        T, found, H, left = np.array(T_guess, np.float64), 0, np.zeros((6, 6)), 0.0
        for _ in range(steps):
            H, g, found, total = _equations(
                *scan, T, reach, self._leaf, self._key, self._row, self._cube
            )
            left = total / max(found, 1)
            if found < _LEAST:
                break
            step = np.linalg.solve(H, g)
            T[:3, :3] = Rotation.from_rotvec(step[:3]).as_matrix() @ T[:3, :3]
            T[:3, 3] += step[3:]
            if np.linalg.norm(step[:3]) < _STILL[0] and np.linalg.norm(step[3:]) < _STILL[1]:
                return Laid(T, found, True, H, left)
        return Laid(T, found, False, H, left)


# --- the map --------------------------------------------------------------------------------------


@njit(inline="always")
def _slot(table, key):  # type: ignore[no-untyped-def]
    """The slot that holds a key, or the free one where it belongs."""
    s = first_slot(key, len(table))
    while table[s] != _FREE and table[s] != key:
        s = (s + 1) & (len(table) - 1)
    return s


@njit(cache=True, nogil=True)
def _moved(table, row, room):  # type: ignore[no-untyped-def]
    """The same keys in a table of another size."""
    keys, rows = np.full(room, _FREE, np.int64), np.zeros(room, np.int32)
    for i in range(len(table)):
        if table[i] != _FREE:
            s = _slot(keys, table[i])
            keys[s], rows[s] = table[i], row[i]
    return keys, rows


@njit(inline="always")
def _turned(T, p):  # type: ignore[no-untyped-def]
    return (
        T[0, 0] * p[0] + T[0, 1] * p[1] + T[0, 2] * p[2],
        T[1, 0] * p[0] + T[1, 1] * p[1] + T[1, 2] * p[2],
        T[2, 0] * p[0] + T[2, 1] * p[1] + T[2, 2] * p[2],
    )


@njit(inline="always")
def _cube_of(x, y, z, leaf):  # type: ignore[no-untyped-def]
    return pack(np.floor(x / leaf), np.floor(y / leaf), np.floor(z / leaf))


@njit(cache=True, nogil=True)
def _insert(middle, normal, T, leaf, table, row, cube, n):  # type: ignore[no-untyped-def]
    """How many cubes there are after a scan has become part of the map."""
    for i in range(len(middle)):
        a, b, c = _turned(T, middle[i])
        x, y, z = a + T[0, 3], b + T[1, 3], c + T[2, 3]
        u, v, w = _turned(T, normal[i])
        key = _cube_of(x, y, z, leaf)
        s = _slot(table, key)
        if table[s] == _FREE:
            table[s], row[s] = key, n
            n += 1
        here = cube[row[s]]
        here[0] += 1
        new = (x, y, z, u * u, u * v, u * w, v * v, v * w, w * w)
        for k in range(9):
            here[k + 1] += (new[k] - here[k + 1]) / here[0]
    return n


@njit(cache=True, nogil=True)
def _equations(middle, normal, T, reach, leaf, table, row, cube):  # type: ignore[no-untyped-def]
    """Normal equations ``H [6, 6]``, ``g [6]`` of a small turn and shift, the patches found, and
    the sum of their squares.

    A patch and its cube may slide along their planes; the weight of their distance is the inverse
    of the sum of their spreads.
    """
    H, g, found, total = np.zeros((6, 6)), np.zeros(6), 0, 0.0
    M, JM = np.empty((3, 3)), np.empty((6, 3))
    for i in range(len(middle)):
        a, b, c = _turned(T, middle[i])
        x, y, z = a + T[0, 3], b + T[1, 3], c + T[2, 3]
        s = _slot(table, _cube_of(x, y, z, leaf))
        if table[s] == _FREE:
            continue
        here = cube[row[s]]
        r0, r1, r2 = here[1] - x, here[2] - y, here[3] - z
        if r0 * r0 + r1 * r1 + r2 * r2 > reach * reach:
            continue
        found += 1
        u, v, w = _turned(T, normal[i])
        f = 1 - _THIN
        xx, yy = 2 - f * (here[4] + u * u), 2 - f * (here[7] + v * v)
        zz, yz = 2 - f * (here[9] + w * w), -f * (here[8] + v * w)
        xy, xz = -f * (here[5] + u * v), -f * (here[6] + u * w)
        M[0, 0], M[0, 1], M[0, 2] = yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy
        M[1, 1], M[1, 2], M[2, 2] = xx * zz - xz * xz, xy * xz - xx * yz, xx * yy - xy * xy
        M[1, 0], M[2, 0], M[2, 1] = M[0, 1], M[0, 2], M[1, 2]
        scale = 1 / (xx * M[0, 0] + xy * M[0, 1] + xz * M[0, 2])
        for k in range(3):  # rows of J^T M: a turn moves the patch along turn x (a, b, c)
            m0, m1, m2 = scale * M[0, k], scale * M[1, k], scale * M[2, k]
            JM[0, k], JM[1, k], JM[2, k] = b * m2 - c * m1, c * m0 - a * m2, a * m1 - b * m0
            JM[3, k], JM[4, k], JM[5, k] = m0, m1, m2
            total += (r0, r1, r2)[k] * (m0 * r0 + m1 * r1 + m2 * r2)
        for k in range(6):
            d0, d1, d2 = JM[k, 0], JM[k, 1], JM[k, 2]
            g[k] += d0 * r0 + d1 * r1 + d2 * r2
            H[k, 0] += d2 * b - d1 * c
            H[k, 1] += d0 * c - d2 * a
            H[k, 2] += d1 * a - d0 * b
            H[k, 3] += d0
            H[k, 4] += d1
            H[k, 5] += d2
    return H, g, found, total


# --- scans ----------------------------------------------------------------------------------------


@njit(cache=True, nogil=True)
def _patches(points, spacing):  # type: ignore[no-untyped-def]
    """Middles and normals of what lies in each cube."""
    room = 64
    while room < 2 * len(points):
        room *= 2
    table, row = np.full(room, _FREE, np.int64), np.empty(room, np.int32)
    key, total = np.empty(len(points), np.int64), np.empty((len(points), 10))
    n, last, r = 0, np.int64(_FREE), np.int32(0)
    for i in range(len(points)):
        x, y, z = points[i]
        k = _cube_of(x, y, z, spacing)
        if k != last:  # points side by side mostly fall into one cube
            last, s = k, _slot(table, k)
            if table[s] == _FREE:
                table[s], row[s], key[n], total[n] = k, n, k, 0
                n += 1
            r = row[s]
        moments = (1.0, x, y, z, x * x, x * y, x * z, y * y, y * z, z * z)
        for m in range(10):
            total[r, m] += moments[m]
    around = total[:n].copy()
    for i in range(n):
        for dx in range(0, 2):
            for dy in range(-1, 2):
                for dz in range(-1, 2):
                    if dx == 0 and (dy < 0 or (dy == 0 and dz <= 0)):
                        continue
                    k = key[i] + (dx << 42) + (dy << 21) + dz
                    s = _slot(table, k)
                    if table[s] == _FREE:
                        continue
                    r = row[s]
                    for m in range(10):
                        around[i, m] += total[r, m]
                        around[r, m] += total[i, m]
    middle, normal = np.empty((n, 3)), np.zeros((n, 3))
    for i in range(n):
        for m in range(3):
            middle[i, m] = total[i, m + 1] / total[i, 0]
        if around[i, 0] >= _LEAST:
            _least_spread(around[i], normal[i])
    return middle, normal


@njit(inline="always")
def _least_spread(moments, out):  # type: ignore[no-untyped-def]
    """The direction in which points spread least, by the closed form of a 3 x 3 matrix's least
    eigenvalue (Smith, 1961); untouched where it is not one."""
    n = moments[0]
    x, y, z = moments[1] / n, moments[2] / n, moments[3] / n
    xx, xy, xz = moments[4] / n - x * x, moments[5] / n - x * y, moments[6] / n - x * z
    yy, yz, zz = moments[7] / n - y * y, moments[8] / n - y * z, moments[9] / n - z * z
    third = (xx + yy + zz) / 3
    a, b, c = xx - third, yy - third, zz - third
    p = np.sqrt((a * a + b * b + c * c + 2 * (xy * xy + xz * xz + yz * yz)) / 6)
    if p <= 1e-9:
        return
    det = a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz)
    angle = np.arccos(min(1.0, max(-1.0, det / (2 * p * p * p)))) / 3
    least = 2 * p * np.cos(angle + 2 * np.pi / 3)
    # Rows of the matrix less its eigenvalue are at right angles to the eigenvector.
    a, b, c = a - least, b - least, c - least
    best = 0.0
    for u, v, w in (
        (xy * yz - xz * b, xz * xy - a * yz, a * b - xy * xy),
        (xy * c - xz * yz, xz * xz - a * c, a * yz - xy * xz),
        (b * c - yz * yz, yz * xz - xy * c, xy * yz - b * xz),
    ):
        length = u * u + v * v + w * w
        if length > best:
            best = length
            out[0], out[1], out[2] = u, v, w
    if best > 0:
        scale = 1 / np.sqrt(best)
        out[0], out[1], out[2] = out[0] * scale, out[1] * scale, out[2] * scale
