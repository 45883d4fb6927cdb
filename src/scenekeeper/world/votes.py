"""Which object each cell of space belongs to: a sparse table of votes.

In: keys of the cells that detections occupy. Out: how much of each detection lies on which known
object. What a frame costs depends on the cells that it sees, not on how many objects there are.

Cells are kept in blocks of 4 x 4 x 4: one look into the hash table finds a block, and what lies
side by side in space lies side by side in memory. Votes are kept in the order that their cells were
first seen in, and only for cells that have some.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scenekeeper.world.table import first_slot

Int = NDArray[np.int64]

SLOTS = 4
"""Objects that one cell can have votes of; a newcomer wears the weakest down (as in Misra and
Gries, 1982)."""

FULL = 0.5
"""Share of the table of blocks that may be taken before it grows."""

LOOKED = 250
"""Cells of a detection that are looked at, at least, of those that it has: the share of them that
lies on an object is then known to 3 % (one standard deviation)."""

MOST = np.iinfo(np.int32).max
"""Votes that one object can have in a cell; more are not counted."""

_FREE = -1
_INNER = (3 << 42) | (3 << 21) | 3
"""Bits of a key that tell a cell of a block from the others."""

_BLOCK = 64
_NOBODY = 0
"""Row of the votes of all cells that have none; it stays empty."""


class Votes:
    """The table. Keys are those of :func:`scenekeeper.voxels.voxel_keys`.

    Args:
        room: blocks that it has slots for at first, a power of two.

    Attributes:
        alias: ``int64 [K]`` the object that each object now is part of; itself, if of none.
        size: ``int64 [K]`` cells in which each has votes; one that several of its parts have votes
            in counts for each of them.
    """

    def __init__(self, room: int = 1 << 12) -> None:
        if room < 1 or room & (room - 1):
            raise ValueError(f"a table has a power of two of slots, not {room}")
        self._block = np.full(room, _FREE, np.int64)
        self._row = np.zeros((room, _BLOCK), np.int32)  # of each cell's votes
        self._vote = np.zeros((room, SLOTS, 2), np.int32)  # object, count; a count of 0 ends them
        self._blocks, self._rows = 0, _NOBODY + 1
        self._scratch = np.full((0, 2), -1, np.int64)
        self.alias = np.zeros(0, np.int64)
        self.size = np.zeros(0, np.int64)

    def __len__(self) -> int:
        """Cells with votes."""
        return self._rows - 1

    @property
    def nbytes(self) -> int:
        """Bytes of the table."""
        return self._block.nbytes + self._row.nbytes + self._vote.nbytes

    def born(self, n: int) -> Int:
        """Ids of n new objects."""
        new = np.arange(len(self.alias), len(self.alias) + n)
        self.alias = np.concatenate((self.alias, new))
        self.size = np.concatenate((self.size, np.zeros(n, np.int64)))
        return new

    def join(self, loser: int, winner: int) -> None:
        """From now on every vote for one object counts for another; no cell is touched."""
        loser, winner = int(self.alias[loser]), int(self.alias[winner])
        if loser != winner:
            self.alias[self.alias == loser] = winner  # flat: one look-up resolves, however often
            self.size[winner] += self.size[loser]

    def resolve(self, objects: Int) -> Int:
        """What objects are now, after all that was joined; -1 stays."""
        out = np.array(objects, np.int64)
        known = out >= 0
        out[known] = self.alias[out[known]]
        return out

    def overlaps(self, key: Int, start: Int) -> tuple[Int, Int, Int]:
        """How many cells of each detection lie on, or right beside, cells of each object.

        Of a detection with many cells every n-th is looked at (:data:`LOOKED`) and counts n times.

        Args:
            key: ``int64 [P]`` cells.
            start: ``int64 [M + 1]`` rows of ``key`` at which each detection begins.

        Returns:
            ``(detection, object, cells)`` of every pair that shares cells.
        """
        if len(self._scratch) < len(self.alias):
            self._scratch = np.full((2 * len(self.alias), 2), -1, np.int64)
        found = _overlaps(key, start, self._block, self._row, self._vote, self.alias, self._scratch)
        return found[0], found[1], found[2]

    def add(self, key: Int, start: Int, objects: Int) -> None:
        """Vote: the cells of detection m are of ``objects[m]``; -1 = of nobody."""
        while self._blocks + len(key) > FULL * len(self._block):
            self._block, self._row = _moved(self._block, self._row, 2 * len(self._block))
        while self._rows + len(key) > len(self._vote):
            self._vote = np.concatenate((self._vote, np.zeros_like(self._vote)))
        self._blocks, self._rows = _add(
            key,
            start,
            objects,
            self._block,
            self._row,
            self._vote,
            self.alias,
            self.size,
            self._blocks,
            self._rows,
        )

    def at(self, key: Int) -> tuple[Int, NDArray[np.float32]]:
        """Objects ``int64 [P, SLOTS]`` that have votes in cells, -1 = none, and their shares."""
        objects, shares = _at(key, self._block, self._row, self._vote, self.alias)
        return objects, shares

    def owners(self) -> tuple[Int, Int, NDArray[np.int32]]:
        """Every cell with the object that has most votes there: keys ascending, objects, votes."""
        key, rows = self._cells()
        order = np.argsort(key)
        objects, votes = _most(self._vote[rows[order]], self.alias)
        return key[order], objects, votes

    def all_votes(self) -> tuple[Int, Int, NDArray[np.int32]]:
        """Every vote: keys, objects, counts. One that was joined may stand twice in a cell."""
        key, rows = self._cells()
        vote = self._vote[rows]
        at, slot = np.nonzero(vote[..., 1])
        objects, counts = vote[at, slot].T
        return key[at], self.alias[objects], counts

    def _cells(self) -> tuple[Int, Int]:
        """Keys of all cells that have votes, and the rows of these."""
        slot, inner = np.nonzero(self._row)
        i, j, k = inner >> 4, (inner >> 2) & 3, inner & 3
        key = self._block[slot] | (i << 42) | (j << 21) | k
        return key, self._row[slot, inner].astype(np.int64)


@njit(inline="always")
def _slot(table, block):  # type: ignore[no-untyped-def]
    """The slot that holds a block, or the free one where it belongs."""
    s = first_slot(block, len(table))
    while table[s] != _FREE and table[s] != block:
        s = (s + 1) & (len(table) - 1)
    return s


@njit(inline="always")
def _inner(key):  # type: ignore[no-untyped-def]
    """Number of a cell in its block."""
    return ((key >> 38) & 0x30) | ((key >> 19) & 0xC) | (key & 3)


@njit(cache=True, nogil=True)
def _overlaps(key, start, table, row, vote, alias, scratch):  # type: ignore[no-untyped-def]
    """One pass over cells; an object's row in the answer is found by what it was last put at.

    ``scratch`` holds -1 for every object, before and after.
    """
    steps = np.array([0, 1 << 42, -(1 << 42), 1 << 21, -(1 << 21), 1, -1], np.int64)
    room = 256
    det, obj = np.empty(room, np.int64), np.empty(room, np.int64)
    shared = np.empty(room, np.int64)
    at, last = scratch[:, 0], scratch[:, 1]
    n, here, home = 0, np.int64(_FREE), np.int64(0)
    for m in range(len(start) - 1):
        begin = n
        every = max(1, (start[m + 1] - start[m]) // LOOKED)
        for q in range(start[m], start[m + 1], every):
            if key[q] & ~_INNER != here:  # cells come in runs of one block
                here = key[q] & ~_INNER
                home = _slot(table, here)
            for step in steps:
                k = key[q] + step
                block = k & ~_INNER
                s = home if block == here else _slot(table, block)
                v = row[s, _inner(k)]
                for c in range(SLOTS):
                    if not vote[v, c, 1]:
                        break
                    o = alias[vote[v, c, 0]]
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
                        shared[r] += every
    scratch[obj[:n]] = -1
    return det[:n], obj[:n], shared[:n]


@njit(cache=True, nogil=True)
def _at(key, table, row, vote, alias):  # type: ignore[no-untyped-def]
    objects = np.full((len(key), SLOTS), -1, np.int64)
    shares = np.zeros((len(key), SLOTS), np.float32)
    here, home = np.int64(_FREE), np.int64(0)
    for q in range(len(key)):
        if key[q] & ~_INNER != here:
            here = key[q] & ~_INNER
            home = _slot(table, here)
        cell = vote[row[home, _inner(key[q])]]
        total = np.float32(0)
        for c in range(SLOTS):
            total += cell[c, 1]
        for c in range(SLOTS):
            if not cell[c, 1]:
                break
            objects[q, c] = alias[cell[c, 0]]
            shares[q, c] = cell[c, 1] / total
    return objects, shares


@njit(cache=True, nogil=True)
def _longer(a):  # type: ignore[no-untyped-def]
    out = np.empty(2 * len(a), a.dtype)
    out[: len(a)] = a
    return out


@njit(cache=True, nogil=True)
def _add(key, start, objects, table, row, vote, alias, size, blocks, rows):  # type: ignore[no-untyped-def]
    """How many blocks and rows are taken after the votes."""
    for m in range(len(start) - 1):
        if objects[m] < 0:
            continue
        o = alias[objects[m]]
        for q in range(start[m], start[m + 1]):
            block, inner = key[q] & ~_INNER, _inner(key[q])
            s = _slot(table, block)
            if table[s] == _FREE:
                table[s] = block
                blocks += 1
            if row[s, inner] == _NOBODY:
                row[s, inner] = rows
                rows += 1
            _vote(vote[row[s, inner]], o, alias, size)
    return blocks, rows


@njit(inline="always")
def _vote(cell, o, alias, size):  # type: ignore[no-untyped-def]
    """One more vote in a cell, whose objects stay in falling order of their votes."""
    c = 0
    while c < SLOTS and cell[c, 1] and alias[cell[c, 0]] != o:
        c += 1
    if c == SLOTS:
        c -= 1
        cell[c, 1] -= 1
        if cell[c, 1]:
            return
        size[alias[cell[c, 0]]] -= 1
    if not cell[c, 1]:
        cell[c, 0] = o
        size[o] += 1
    if cell[c, 1] < MOST:
        cell[c, 1] += 1
    while c and cell[c, 1] > cell[c - 1, 1]:
        for k in range(2):
            cell[c, k], cell[c - 1, k] = cell[c - 1, k], cell[c, k]
        c -= 1


@njit(cache=True, nogil=True)
def _most(vote, alias):  # type: ignore[no-untyped-def]
    """The object with most votes in each cell; those of what was joined count together."""
    objects, votes = np.empty(len(vote), np.int64), np.zeros(len(vote), np.int32)
    for i in range(len(vote)):
        for c in range(SLOTS):
            o, n = alias[vote[i, c, 0]], np.int64(0)
            for d in range(c, SLOTS):
                if vote[i, d, 1] and alias[vote[i, d, 0]] == o:
                    n += vote[i, d, 1]
            if n > votes[i]:
                objects[i] = o
                votes[i] = n if n < MOST else MOST
    return objects, votes


@njit(cache=True, nogil=True)
def _moved(table, row, room):  # type: ignore[no-untyped-def]
    """The same blocks in a table of another size."""
    blocks, rows = np.full(room, _FREE, np.int64), np.zeros((room, _BLOCK), np.int32)
    for i in range(len(table)):
        if table[i] != _FREE:
            s = _slot(blocks, table[i])
            blocks[s], rows[s] = table[i], row[i]
    return blocks, rows
