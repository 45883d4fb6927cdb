"""Which object each cell of space belongs to: a sparse table of votes.

In: keys of the cells that detections occupy. Out: how much of each detection lies on which known
object. What a frame costs depends on the cells that it sees, not on how many objects there are.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scenekeeper.world.table import first_slot

Int = NDArray[np.int64]

SLOTS = 4
"""Objects that one cell can have votes of; the weakest gives way (space saving, Metwally 2005)."""

FULL = 0.5
"""Share of the table that may be taken before it grows."""

_NOBODY = -1


class Votes:
    """The table. Keys are those of :func:`scenekeeper.voxels.voxel_keys`.

    Attributes:
        alias: ``int64 [K]`` the object that each object now is part of; itself, if of none.
        size: ``int64 [K]`` cells in which each has or had a vote.
    """

    def __init__(self, room: int = 1 << 16) -> None:
        self._key = np.zeros(room, np.int64)
        self._used = np.zeros(room, np.bool_)
        self._object = np.full((room, SLOTS), _NOBODY, np.int32)
        self._count = np.zeros((room, SLOTS), np.int32)
        self._filled = 0
        self.alias = np.zeros(0, np.int64)
        self.size = np.zeros(0, np.int64)

    def __len__(self) -> int:
        """Cells with votes."""
        return self._filled

    @property
    def nbytes(self) -> int:
        """Bytes of the table."""
        return sum(a.nbytes for a in (self._key, self._used, self._object, self._count))

    def born(self, n: int) -> Int:
        """Ids of n new objects."""
        new = np.arange(len(self.alias), len(self.alias) + n)
        self.alias = np.concatenate((self.alias, new))
        self.size = np.concatenate((self.size, np.zeros(n, np.int64)))
        return new

    def join(self, loser: int, winner: int) -> None:
        """From now on every vote for one object counts for another; no cell is touched."""
        self.alias[self.resolve(np.array([loser]))] = winner
        self.size[winner] += self.size[loser]

    def resolve(self, objects: Int) -> Int:
        """What objects are now, after all that was joined; -1 stays."""
        out = np.asarray(objects, np.int64).copy()
        while True:
            nearer = np.where(out >= 0, self.alias[out] if len(self.alias) else out, out)
            if (nearer == out).all():
                return out
            out = nearer

    def overlaps(self, key: Int, start: Int) -> tuple[Int, Int, Int]:
        """How many cells of each detection lie on, or right beside, cells of each object.

        Args:
            key: ``int64 [P]`` cells.
            start: ``int64 [M + 1]`` rows of ``key`` at which each detection begins.

        Returns:
            ``(detection, object, cells)`` of every pair that shares cells.
        """
        found = _overlaps(
            key, start, self._key, self._used, self._object, self.alias, len(self.alias)
        )
        return found[0], found[1], found[2]

    def add(self, key: Int, start: Int, objects: Int) -> None:
        """Vote: the cells of detection m are of ``objects[m]``; -1 = of nobody."""
        while self._filled + len(key) > FULL * len(self._key):
            self._grow()
        self._filled = _add(
            key,
            start,
            objects,
            self._key,
            self._used,
            self._object,
            self._count,
            self.alias,
            self.size,
            self._filled,
        )

    def owners(self) -> tuple[Int, Int, NDArray[np.int32]]:
        """Every cell with the object that has most votes there: keys ascending, objects, votes."""
        rows = np.flatnonzero(self._used)
        rows = rows[np.argsort(self._key[rows])]
        return (
            self._key[rows],
            self.resolve(self._object[rows, 0].astype(np.int64)),
            self._count[rows, 0],
        )

    def all_votes(self) -> tuple[Int, Int, NDArray[np.int32]]:
        """Every vote: keys, objects, counts."""
        rows, slots = np.nonzero(self._object >= 0)
        objects = self.resolve(self._object[rows, slots].astype(np.int64))
        return self._key[rows], objects, self._count[rows, slots]

    def _grow(self) -> None:
        self._key, self._used, self._object, self._count = _moved(
            self._key, self._used, self._object, self._count, 2 * len(self._key)
        )


@njit(inline="always")
def _slot(table, used, key):  # type: ignore[no-untyped-def]
    """The slot that holds a key, or the free one where it belongs."""
    s = first_slot(key, len(table))
    while used[s] and table[s] != key:
        s = (s + 1) & (len(table) - 1)
    return s


@njit(inline="always")
def _now(alias, o):  # type: ignore[no-untyped-def]
    while alias[o] != o:
        o = alias[o]
    return o


@njit(cache=True, nogil=True)
def _overlaps(key, start, table, used, object_, alias, n_objects):  # type: ignore[no-untyped-def]
    """One pass over cells; an object's row in the answer is found by what it was last put at."""
    steps = np.array([0, 1 << 42, -(1 << 42), 1 << 21, -(1 << 21), 1, -1], np.int64)
    room = 256
    det, obj = np.empty(room, np.int64), np.empty(room, np.int64)
    shared = np.empty(room, np.int64)
    at, last = np.full(n_objects, -1, np.int64), np.full(n_objects, -1, np.int64)
    n = 0
    for m in range(len(start) - 1):
        begin = n
        for q in range(start[m], start[m + 1]):
            for step in steps:
                s = _slot(table, used, key[q] + step)
                if not used[s]:
                    continue
                for c in range(SLOTS):
                    if object_[s, c] < 0:
                        break
                    o = _now(alias, object_[s, c])
                    r = at[o]
                    if r < begin:
                        if n == room:
                            room *= 2
                            det, obj = _longer(det), _longer(obj)
                            shared = _longer(shared)
                        r = n
                        n += 1
                        at[o] = r
                        det[r], obj[r], shared[r] = m, o, 0
                    if last[o] != q:
                        last[o] = q
                        shared[r] += 1
    return det[:n], obj[:n], shared[:n]


@njit(cache=True, nogil=True)
def _longer(a):  # type: ignore[no-untyped-def]
    out = np.empty(2 * len(a), a.dtype)
    out[: len(a)] = a
    return out


@njit(cache=True, nogil=True)
def _add(key, start, objects, table, used, object_, count, alias, size, filled):  # type: ignore[no-untyped-def]
    for m in range(len(start) - 1):
        o = objects[m]
        if o < 0:
            continue
        for q in range(start[m], start[m + 1]):
            s = _slot(table, used, key[q])
            if not used[s]:
                used[s], table[s] = True, key[q]
                filled += 1
            _vote(object_[s], count[s], o, alias, size)
    return filled


@njit(cache=True, nogil=True)
def _vote(object_, count, o, alias, size):  # type: ignore[no-untyped-def]
    """One more vote in a cell, whose objects stay in falling order of their votes."""
    for c in range(SLOTS):
        e = object_[c]
        if e < 0:
            object_[c], count[c] = o, 1
            size[o] += 1
            return
        if _now(alias, e) == o:
            count[c] += 1
            while c > 0 and count[c] > count[c - 1]:
                count[c], count[c - 1] = count[c - 1], count[c]
                object_[c], object_[c - 1] = object_[c - 1], object_[c]
                c -= 1
            return
    count[SLOTS - 1] -= 1
    if count[SLOTS - 1] <= 0:
        object_[SLOTS - 1], count[SLOTS - 1] = o, 1
        size[o] += 1


@njit(cache=True, nogil=True)
def _moved(table, used, object_, count, room):  # type: ignore[no-untyped-def]
    key, taken = np.zeros(room, np.int64), np.zeros(room, np.bool_)
    who, votes = np.full((room, SLOTS), _NOBODY, np.int32), np.zeros((room, SLOTS), np.int32)
    for i in range(len(table)):
        if used[i]:
            s = _slot(key, taken, table[i])
            taken[s], key[s] = True, table[i]
            who[s], votes[s] = object_[i], count[i]
    return key, taken, who, votes
