"""Relations that geometry decides, between things of which only a part was seen.

In: :class:`~scenekeeper.world.solids.Solid` in a frame whose third axis is up. Out:
:class:`~scenekeeper.schema.Relation` with the probability that each holds:

* ``a on b``, ``a in b``, ``a attached to b``: b is a's direct carrier; a thing has one at most.
* ``a under b``, ``a above b``: one lies freely over the other, nothing is between them and neither
  carries the other. Said once per pair, of the smaller.
* ``a next to b``: both on one carrier, at one height, with little between. Once per pair, lower id
  first.

What depends on the viewer is :mod:`scenekeeper.world.views`' job.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from scenekeeper.schema import Relation
from scenekeeper.world.carriers import Carried, carrier_of
from scenekeeper.world.solids import WAYS, Solid, gaps, outline, within

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Carriers = Mapping[int, Carried]
Said = tuple[int, str, int, float]

NEAR, NEAR_SHARE = 0.15, 0.5
"""Things are next to each other up to this gap in metres, or this share of the smaller's width."""

OVER = 0.5
"""Share of the smaller outline that must lie over the other."""

CLEAR = 0.02
"""Metres between what is free of each other."""

HANGS = 0.1
"""Metres off its wall where what hangs there is still above what stands at that wall."""

_BRIDGE = 0.3
_GRID = 1.0
_WIDE = 36
_CARRIED = ("on", "in", "attached to")
_FREE = ("under", "above")


def relate(
    solids: Sequence[Solid], dirty: Collection[int] | None = None, known: Iterable[Relation] = ()
) -> list[Relation]:
    """All relations that hold from everywhere, sorted by subject, predicate and object.

    Args:
        solids: everything there is.
        dirty: ids of what is new, gone, moved or better seen; only what these can have changed is
            looked at again. ``None`` = look at everything.
        known: relations found before, of which those stay that dirty things cannot have changed.
    """
    if not solids:
        return []
    pairs = candidates(solids)
    number = {s.object: k for k, s in enumerate(solids)}
    told = list(known)
    afresh = _afresh(solids, pairs, dirty, told)
    known = [r for r in told if r.subject in number and r.object in number]
    near = _near(pairs)
    carried = {
        number[r.subject]: Carried(r.predicate, number[r.object], r.score)  # type: ignore[arg-type]
        for r in known
        if r.predicate in _CARRIED and not afresh[number[r.subject]]
    }
    for k in np.flatnonzero(afresh).tolist():
        if solids[k].kind != "wall":
            found = carrier_of(solids[k], ((j, solids[j]) for j in near.get(k, ())))
            if found is not None:
                carried[k] = found
    # Floors are near everything; what is told of pairs with them are carriers alone.
    moved = afresh & ~np.array([_is_ground(s, k, carried) for k, s in enumerate(solids)], np.bool_)
    again = pairs[moved[pairs].any(1)]
    # What is the nearest above or below a thing depends on all that is above and below it.
    small = np.zeros(len(solids), np.bool_)
    small[again] = True
    said: list[Said] = [(k, c.how, c.by, c.score) for k, c in carried.items() if afresh[k]]
    over = [one for one in _over(solids, pairs[small[pairs].any(1)], carried) if small[one[0]]]
    kept = [r for r in known if not _again(r, number, afresh, small, moved)]
    free = {frozenset((solids[a].object, solids[b].object)) for a, _, b, _ in over}
    free |= {frozenset((r.subject, r.object)) for r in kept if r.predicate in _FREE}
    said += [*over, *_neighbours(solids, again, carried)]
    out = [Relation(solids[a].object, how, solids[b].object, p) for a, how, b, p in said] + kept
    out = [r for r in out if r.predicate != "next to" or {r.subject, r.object} not in free]
    return sorted(out, key=lambda r: (r.subject, r.predicate, r.object))


def candidates(solids: Sequence[Solid]) -> Int:
    """Pairs ``int64 [P, 2]`` of numbers, the lower first, of which each may matter to the other.

    Their boxes, widened by the widest gap of neighbours, meet. Things are looked up in cells of a
    metre, so for things spread over the ground P grows as their number does.
    """
    if len(solids) < 2:
        return np.zeros((0, 2), np.int64)
    low, high = (np.array([getattr(s, side)[:2] for s in solids]) for side in ("low", "high"))
    width = np.array([s.width for s in solids])
    reach = np.maximum(NEAR, NEAR_SHARE * width)
    first = np.floor((low - reach[:, None]) / _GRID).astype(np.int64)
    last = np.floor((high + reach[:, None]) / _GRID).astype(np.int64)
    wide = np.flatnonzero((last - first + 1).prod(1) > _WIDE)
    cells: dict[tuple[int, int], list[int]] = defaultdict(list)
    for k in np.flatnonzero((last - first + 1).prod(1) <= _WIDE).tolist():
        for x in range(first[k, 0], last[k, 0] + 1):
            for y in range(first[k, 1], last[k, 1] + 1):
                cells[x, y].append(k)
    n = len(solids)
    found = [np.zeros(0, np.int64)]
    for ks in map(np.array, cells.values()):
        first_of, second_of = np.triu_indices(len(ks), 1)
        found.append(ks[first_of] * n + ks[second_of])
    for k in wide.tolist():
        others = np.flatnonzero(((low[k] - NEAR <= high) & (low - NEAR <= high[k])).all(1))
        found.append(np.minimum(others, k) * n + np.maximum(others, k))
    i, j = np.divmod(np.unique(np.concatenate(found)), n)
    room = np.maximum(NEAR, NEAR_SHARE * np.minimum(width[i], width[j]))[:, None]
    meet = ((low[i] - room <= high[j]) & (low[j] - room <= high[i])).all(1) & (i != j)
    return np.stack((i[meet], j[meet]), 1)


def _near(pairs: Int) -> dict[int, list[int]]:
    out: dict[int, list[int]] = defaultdict(list)
    for i, j in pairs.tolist():
        out[i].append(j)
        out[j].append(i)
    return out


def _afresh(
    solids: Sequence[Solid], pairs: Int, dirty: Collection[int] | None, known: Sequence[Relation]
) -> NDArray[np.bool_]:
    """``bool [N]``: what is dirty, near to what is, or was carried by it, above it or under it."""
    if dirty is None:
        return np.ones(len(solids), np.bool_)
    is_dirty = np.array([s.object in dirty for s in solids], np.bool_)
    bound = (*_CARRIED, *_FREE)
    left = {r.subject for r in known if r.predicate in bound and r.object in dirty}
    out = is_dirty | np.array([s.object in left for s in solids], np.bool_)
    out[pairs[is_dirty[pairs].any(1)]] = True
    return out


def _again(
    r: Relation,
    number: Mapping[int, int],
    afresh: NDArray[np.bool_],
    small: NDArray[np.bool_],
    moved: NDArray[np.bool_],
) -> bool:
    """Whether a known relation was looked at again."""
    a, b = number[r.subject], number[r.object]
    if r.predicate in _CARRIED:
        return bool(afresh[a])
    return bool(small[a]) if r.predicate in _FREE else bool(moved[a] or moved[b])


# --- free of each other ---------------------------------------------------------------------------


def _over(solids: Sequence[Solid], pairs: Int, carried: Carriers) -> Iterator[Said]:
    """``under`` and ``above``: of what is over or under the smaller, the nearest."""
    free: dict[tuple[int, str], list[tuple[float, int, float]]] = defaultdict(list)
    tied: dict[int, list[int]] = defaultdict(list)
    for i, j in _overlapping(solids, pairs):
        small, large = sorted((i, j), key=lambda k: (len(solids[k].cells), k))
        if _together(solids, carried, small, large):
            tied[small].append(large)
        elif not _is_ground(solids[large], large, carried):
            for how, clear, share in _ways_over(solids, carried, small, large):
                free[small, how].append((clear, large, share))
    for (small, how), found in free.items():
        clear, large, share = min(found)
        # What carries it, or stands beside it on that, may be between: the board of a shelf.
        others = (_ways_over(solids, carried, small, k) for k in tied[small])
        if all(way != how or c > clear for ways in others for way, c, _ in ways):
            yield small, how, large, float(min(0.95, 0.3 + 0.65 * share))


def _ways_over(
    solids: Sequence[Solid], carried: Carriers, small: int, large: int
) -> Iterator[tuple[str, float, float]]:
    """How the smaller is over or under the larger, with metres between, and by what share."""
    a, b = solids[small], solids[large]
    if within(a.spread, b.outline, 0.02 + HANGS).mean() < OVER:
        return
    clear, share = _roof(a, b)
    if share >= OVER:
        yield "under", clear, share
    hangs = small in carried and carried[small].how == "attached to"
    if small in carried and not hangs:
        return  # what carries it is between
    clear, share = _ground(a, b, hangs)
    if share >= OVER:
        yield "above", clear, share


def _overlapping(solids: Sequence[Solid], pairs: Int) -> Iterator[tuple[int, int]]:
    """Pairs of which the boxes, seen from above, nearly share half of the smaller."""
    low, high = (np.array([getattr(s, side)[:2] for s in solids]) for side in ("low", "high"))
    low, high = low - HANGS, high + HANGS
    i, j = pairs.T
    both = np.clip(np.minimum(high[i], high[j]) - np.maximum(low[i], low[j]), 0, None).prod(1)
    area = (high - low).prod(1)
    for a, b in pairs[both >= 0.4 * np.minimum(area[i], area[j])].tolist():
        if "wall" not in (solids[a].kind, solids[b].kind):
            yield a, b


def _roof(a: Solid, b: Solid) -> tuple[float, float]:
    """Metres from a's top up to b, and the share of a that is under b."""
    near = b.near(a, _BRIDGE)
    over = near[near[:, 2] > a.high[2] + CLEAR]
    if not len(over):
        return np.inf, 0.0
    return float(np.median(over[:, 2]) - a.high[2]), _cover(a, over)


def _ground(a: Solid, b: Solid, hangs: bool) -> tuple[float, float]:
    """Metres from a's foot down to b, and the share of a that is above b."""
    near = b.near(a, _BRIDGE)
    under = near[near[:, 2] < a.foot - CLEAR]
    if len(under) < 0.9 * len(near) or not len(under):
        return np.inf, 0.0
    clear = float(a.foot - np.median(under[:, 2]))
    if not hangs:
        return clear, _cover(a, under)
    flat = WAYS[:, int((a.outline[:16] + a.outline[16:]).argmin())]
    return clear, max(_cover(a, under, side * HANGS * flat) for side in (-1, 1))


def _cover(a: Solid, points: Float, moved: Float | float = 0.0) -> float:
    return float(within(a.spread + moved, outline(points[:, :2]), 0.02).mean())


def _together(solids: Sequence[Solid], carried: Carriers, a: int, b: int) -> bool:
    """Whether one carries the other, or one thing both: its boards are between, seen or not."""
    shared = {a, *_chain(carried, a)} & {b, *_chain(carried, b)}
    return any(not _is_ground(solids[k], k, carried) for k in shared)


def _chain(carried: Carriers, a: int) -> list[int]:
    """What carries a, directly and indirectly."""
    out: list[int] = []
    while a in carried and carried[a].by not in out:
        a = carried[a].by
        out.append(a)
    return out


def _is_ground(s: Solid, k: int, carried: Carriers) -> bool:
    """A floor, or a wall: everything is above the one and beside the other."""
    return s.kind == "wall" or (s.kind == "support" and k not in carried)


# --- beside each other ----------------------------------------------------------------------------


def _neighbours(solids: Sequence[Solid], pairs: Int, carried: Carriers) -> Iterator[Said]:
    keep = [
        i in carried
        and j in carried
        and (carried[i].how, carried[i].by) == (carried[j].how, carried[j].by)
        and carried[i].how != "attached to"
        for i, j in pairs.tolist()
    ]
    pairs = pairs[np.array(keep, np.bool_)] if len(pairs) else pairs
    if not len(pairs):
        return
    i, j = pairs.T
    reach = np.array([s.outline for s in solids])
    low, high = (np.array([getattr(s, side)[2] for s in solids]) for side in ("low", "high"))
    limit = np.maximum(NEAR, NEAR_SHARE * 2 * np.minimum(reach[i].mean(1), reach[j].mean(1)))
    level = (low[i] <= high[j] + CLEAR) & (low[j] <= high[i] + CLEAR)
    score = 1 / (1 + np.exp((gaps(reach[i], reach[j]) - limit) / 0.02))
    for a, b, p in zip(i[level], j[level], score[level], strict=True):
        if p > 0.1:
            first, second = sorted((int(a), int(b)), key=lambda k: solids[k].object)
            yield first, "next to", second, float(p)
