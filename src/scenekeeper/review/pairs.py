"""Two tracks or objects that may be one thing: the pairs that are worth asking about.

In: an opened dataset. Out: entries for the queue, each with the labels whose identity it would put
right. A track that begins where one of the same name broke off is weighed against chance: its place
and size under "the same thing, a moment later" over the same under "anything anywhere".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekeeper.review.effort import Effort
from scenekeeper.review.entry import Entry, group_key
from scenekeeper.review.events import Sample, Subject
from scenekeeper.review.reel import Reel
from scenekeeper.review.units import Float, Int
from scenekeeper.schema import UNNAMED

GAP_S = 3.0
"""A thing that reappears later than this seldom is where it was."""
DRIFT = 1.0
"""How far it wanders in the picture, in its own sizes a second, as the camera moves on."""
RESIZED = 0.3
"""Spread of the logarithm of a box's side between two looks at one thing."""
BROKEN = 0.2
"""How often a track that ends goes on in one that begins soon after, before anything is known."""
PLACED = 0.2
"""And what it is multiplied by where both are in the map, which holds them for two."""
LOOKALIKE = 0.2
"""How often two alike things of two visits are one that was moved."""
OVERLAP = 0.3
"""Share of the smaller of two boxes in space inside the other from which they may be one."""
LEAST = 0.05
MOST = 500
"""Pairs that are less likely one thing are not asked, nor are more than so many."""

Bool = NDArray[np.bool_]


def pairs(reel: Reel, effort: Effort | None = None) -> list[Entry]:
    """Pairs that may be one thing, most labels first."""
    effort = effort or Effort()
    found = [*_breaks(reel, effort), *_objects(reel, effort)]
    return sorted(found, key=lambda entry: -entry.gain)[:MOST]


# --- tracks that broke off ------------------------------------------------------------------------


def _breaks(reel: Reel, effort: Effort) -> Iterator[Entry]:
    """Pairs of tracks, one beginning soon after and near where the other ends."""
    units = reel.units
    if not len(units):
        return
    code = np.unique(np.array(units.session), return_inverse=True)[1]
    for k in range(int(code.max()) + 1):
        rows = np.flatnonzero(code == k)
        a, b, gap = _followers(reel, rows)
        p = _continued(reel, a, b, gap)
        for i in np.flatnonzero(p > LEAST).tolist():
            yield _tracks(reel, int(a[i]), int(b[i]), float(p[i]), effort)


def _followers(reel: Reel, rows: Int) -> tuple[Int, Int, Float]:
    """Rows of tracks that end, of such that begin up to :data:`GAP_S` later, and the seconds."""
    units, times = reel.units, reel.times(reel.units.session[int(rows[0])])
    first, last = (
        times.t_ns[np.searchsorted(times.frame_id, ids[rows])] for ids in (units.first, units.last)
    )
    order = np.argsort(first, kind="stable")
    low = np.searchsorted(first[order], last, "right")
    high = np.searchsorted(first[order], last + int(GAP_S * 1e9), "right")
    n = high - low
    a = np.repeat(np.arange(len(rows)), n)
    b = order[np.arange(len(a)) - np.repeat(np.cumsum(n) - n, n) + low[a]]
    return rows[a], rows[b], (first[b] - last[a]) / 1e9


def _continued(reel: Reel, a: Int, b: Int, gap: Float) -> Float:
    """Probability that the second goes on where the first broke off, for K pairs ``[K]``."""
    units = reel.units
    if not len(a):
        return np.zeros(0)
    film = reel.film(units.session[int(a[0])])
    one, other = (np.searchsorted(film.track, units.track[rows]) for rows in (a, b))
    end = film.box_xyxy[film.start[one + 1] - 1].astype(np.float64)
    begin = film.box_xyxy[film.start[other]].astype(np.float64)
    side = _side(end)
    apart = ((end[:, :2] + end[:, 2:]) - (begin[:, :2] + begin[:, 2:])) / 2
    sigma = side * (0.3 + DRIFT * gap)
    times = reel.times(units.session[int(a[0])])
    area = float(np.prod(times.size[0]))
    place = area / (2 * np.pi * sigma**2) * np.exp(-(apart**2).sum(1) / (2 * sigma**2))
    # Sizes of any two things differ by a factor of e or so.
    resized = np.log(_side(begin) / side)
    size = np.exp(-(resized**2) / (2 * RESIZED**2)) / RESIZED
    names = np.array(units.phrase)
    unnamed = (names[a] == UNNAMED) | (names[b] == UNNAMED)
    called = np.where(unnamed, 1.0, np.where(names[a] == names[b], 3.0, 0.1))
    placed = (units.object[a] >= 0) & (units.object[b] >= 0)
    odds = BROKEN / (1 - BROKEN) * place * size * called * np.where(placed, PLACED, 1.0)
    # What the picture's edge cuts off has neither a place nor a size of its own.
    odds[_cut(end, times.size[0]) | _cut(begin, times.size[0])] = 0
    # A track goes on in one other at most, and one other in it.
    rivals = np.maximum(np.bincount(a, odds)[a], np.bincount(b, odds)[b])
    one_already = (units.object[a] == units.object[b]) & (units.object[a] >= 0)
    return np.asarray(np.where(one_already, 0, odds / (1 + rivals)))


def _side(box: Float) -> Float:
    return np.asarray(np.sqrt(np.prod(np.maximum(box[:, 2:] - box[:, :2], 1), axis=1)))


def _cut(box: Float, size: Int) -> Bool:
    """``bool [K]``: whether a box reaches the edge of the picture."""
    height, width = size.tolist()
    low, high = box[:, :2] <= 1, box[:, 2:] >= np.array([width, height]) - 1
    return np.asarray(low.any(1) | high.any(1))


def _tracks(reel: Reel, a: int, b: int, p: float, effort: Effort) -> Entry:
    units = reel.units
    one, other = sorted((a, b), key=lambda row: int(units.track[row]))
    subject = Subject("pair", units.session[a], int(units.track[one]), int(units.track[other]))
    return _entry(
        reel, subject, (one, other), p * min(units.frames[one], units.frames[other]), effort
    )


def _entry(
    reel: Reel, subject: Subject, rows: tuple[int, ...], gain: float, effort: Effort
) -> Entry:
    units = reel.units
    return Entry(
        "pair",
        subject,
        rows,
        Sample("repair", snapshot=units.snapshot),
        effort.pair,
        float(gain),
        tuple(dict.fromkeys(group_key(units, row) for row in rows)),
        f"{units.phrase[rows[0]]}/pair",
    )


# --- objects that may be one ----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Objects:
    """K objects of the world but walls, each as it was in the session that saw most of it."""

    id: Int
    phrase: NDArray[np.str_]
    center: Float
    extent: Float
    colors: Float
    frames: Int
    sessions: tuple[frozenset[str], ...]

    def alike(self, i: Int, j: Int) -> Float:
        """Share of their colours that two have in common; of unknown ones 1."""
        a, b = self.colors[i], self.colors[j]
        unknown = (a.sum(1) == 0) | (b.sum(1) == 0)
        return np.asarray(np.where(unknown, 1.0, np.minimum(a, b).sum(1)))


def _objects(reel: Reel, effort: Effort) -> Iterator[Entry]:
    """Objects that overlap in space, and look-alikes of two visits of which one may have moved."""
    things = _known(reel)
    if len(things.id) < 2:
        return
    linked = _linked(things.sessions)
    for i, j, p in (*_overlapping(things, linked), *_moved(things, linked)):
        a, b = sorted((int(things.id[i]), int(things.id[j])))
        rows = (*reel.rows_of_object.get(a, ()), *reel.rows_of_object.get(b, ()))
        if p > LEAST and a in reel.rows_of_object and b in reel.rows_of_object:
            gain = p * min(things.frames[i], things.frames[j])
            yield _entry(reel, Subject("pair", "", a, b), rows, gain, effort)


def _known(reel: Reel) -> _Objects:
    rows = reel.dataset.sql(
        "SELECT object, arg_max(phrase, frames) AS phrase, arg_max(center, frames) AS center,"
        " arg_max(extent, frames) AS extent, sum(frames) AS frames, list(session) AS sessions,"
        " arg_max(colors, frames) AS colors"
        " FROM objects_auto WHERE kind <> 'wall' AND frames > 0 AND center IS NOT NULL"
        " AND extent IS NOT NULL GROUP BY object ORDER BY object"
    ).to_pydict()
    return _Objects(
        np.array(rows["object"], np.int64),
        np.array(rows["phrase"], np.str_),
        np.array(rows["center"], np.float64).reshape(-1, 3),
        np.array(rows["extent"], np.float64).reshape(-1, 3),
        _shares([dict(c or ()) for c in rows["colors"]]),
        np.array(rows["frames"], np.int64),
        tuple(frozenset(names) for names in rows["sessions"]),
    )


def _shares(colors: list[dict[str, float]]) -> Float:
    """Shares of named colours as a table, an object a row."""
    column = {name: k for k, name in enumerate(sorted({name for c in colors for name in c}))}
    out = np.zeros((len(colors), len(column)))
    for row, shares in zip(out, colors, strict=True):
        row[[column[name] for name in shares]] = list(shares.values())
    return out


def _linked(sessions: tuple[frozenset[str], ...]) -> dict[str, int]:
    """Which world each session is of: sessions that share an object share a world."""
    world: dict[str, int] = {}
    for names in sessions:
        known = {world[name] for name in names if name in world}
        one = min(known, default=len(world))
        world = {name: one if w in known else w for name, w in world.items()}
        world.update(dict.fromkeys(names, one))
    return world


def _overlapping(things: _Objects, linked: dict[str, int]) -> Iterator[tuple[int, int, float]]:
    """Pairs whose boxes share much of the smaller one's room."""
    from scipy.spatial import cKDTree

    world = np.array([linked[next(iter(names))] for names in things.sessions])
    # No overlap of that much reaches farther than half of the smaller and half of the larger.
    reach = float(np.quantile(np.linalg.norm(things.extent, axis=1), 0.9))
    near = cKDTree(things.center).query_pairs(reach, output_type="ndarray")
    i, j = near[:, 0], near[:, 1]
    half = (things.extent[i] + things.extent[j]) / 2
    shared = np.clip(half - np.abs(things.center[i] - things.center[j]), 0, None)
    least = np.minimum(things.extent[i], things.extent[j])
    share = np.prod(np.minimum(shared, least) / np.maximum(least, 1e-6), axis=1)
    unnamed = (things.phrase[i] == UNNAMED) | (things.phrase[j] == UNNAMED)
    same = (things.phrase[i] == things.phrase[j]) & ~unnamed
    # A small thing lies inside a large one's box without being it.
    alike = np.exp(-((np.log(_size(things, i) / _size(things, j))) ** 2) / 2)
    p = share * alike * things.alike(i, j) * np.where(same, 0.9, np.where(unnamed, 0.3, 0.1))
    good = (share > OVERLAP) & (world[i] == world[j])
    yield from zip(i[good].tolist(), j[good].tolist(), p[good].tolist(), strict=True)


def _moved(things: _Objects, linked: dict[str, int]) -> Iterator[tuple[int, int, float]]:
    """Pairs of one name and size, never seen in the same session, of one world."""
    for phrase in sorted({p for p in things.phrase.tolist() if p != UNNAMED}):
        rows = np.flatnonzero(things.phrase == phrase)
        size = np.log(np.maximum(np.sort(things.extent[rows], axis=1), 1e-3))
        for k, i in enumerate(rows[:-1].tolist()):
            unlike = ((size[k + 1 :] - size[k]) ** 2).sum(1)
            chance = LOOKALIKE * np.exp(-unlike / (2 * RESIZED**2))
            chance *= things.alike(np.full(len(rows) - k - 1, i), rows[k + 1 :])
            for j, p in zip(rows[k + 1 :].tolist(), chance.tolist(), strict=True):
                one, other = things.sessions[i], things.sessions[j]
                same_world = linked[next(iter(one))] == linked[next(iter(other))]
                if p > LEAST and same_world and one.isdisjoint(other):
                    yield i, j, p


def _size(things: _Objects, rows: Int) -> Float:
    return np.asarray(np.maximum(np.prod(things.extent[rows], axis=1), 1e-9) ** (1 / 3))
