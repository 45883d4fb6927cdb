"""A gathered session summed up: per object its place, shape, name and belief, as evidence.

In: a :class:`~scenekeeper.world.gathering.Gathering`. Out: values that the world's memory keeps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.schema import UNNAMED
from scenekeeper.voxels import voxel_centers, voxel_keys
from scenekeeper.world.colors import color_shares
from scenekeeper.world.evidence import Evidence
from scenekeeper.world.existence import existence
from scenekeeper.world.gathering import Gathering, Tally
from scenekeeper.world.names import HabitConfig, Said, habitual
from scenekeeper.world.palette import palette
from scenekeeper.world.position import PositionConfig, box_estimate
from scenekeeper.world.scene import CELL
from scenekeeper.world.votes import Votes

Float = NDArray[np.float64]
Int = NDArray[np.int64]

BEST_VIEWS = 4
_SECOND = 1_000_000_000

POSITION = PositionConfig(rounding=0.33)
"""Masks of models end elsewhere than things do, pictures cut things, other things hide them: faces
are off by more than those of whole shapes with exact masks. Chosen on simulated homes (seeds 40 to
43 of ``benchmarks/world_fusion.py``)."""

_SURFACE = 0.05
"""Edge of the voxels that a session's surface is thinned to, metres."""


@dataclass(frozen=True)
class Told:
    """What other stages know of a track."""

    kind: str = "thing"
    embedding: NDArray[np.float32] | None = None


def evidence(
    gathering: Gathering, up: Float, told: Mapping[int, Told], n_tracks: int
) -> tuple[list[Evidence], Int]:
    """What a finished gathering says of each object.

    Args:
        gathering: after :meth:`~scenekeeper.world.gathering.Gathering.finish`.
        up: ``[3]`` against gravity.
        told: what is known of tracks.
        n_tracks: tracks count from 0 to below this; objects without any get numbers from here on.

    Returns:
        The objects, and for each its id in the gathering's map.
    """
    key, owner, votes = gathering.mapper.votes.owners()
    order = np.argsort(owner, kind="stable")
    key, owner, votes = key[order], owner[order], votes[order]
    alive = [o for o in gathering.mapper.objects.tolist() if gathering.tallies[o].frames]
    names = _names([gathering.tallies[o] for o in alive])
    belief = existence(gathering.existence, gathering.belief)
    frames = Counter(o for *_, objects in gathering.sightings() for o in set(objects))
    lost = _lost(gathering.mapper.votes, set(alive) - set(owner.tolist()))
    out: list[Evidence] = []
    ids: list[int] = []
    taken: set[int] = set()
    for o, named in zip(alive, names, strict=True):
        tally = gathering.tallies[o]
        first, last = np.searchsorted(owner, [o, o + 1])
        firm = _firm(votes[first:last], tally.frames)
        cells, weight = key[first:last][firm], votes[first:last][firm].astype(np.float64)
        if not len(cells):  # others lie where it was seen; that it was is still to be judged
            cells, weight = lost.get(o, _NOWHERE)
        if not len(cells):
            continue
        track = _track(tally, taken, n_tracks + len(out))
        taken.add(track)
        known = told.get(track, Told())
        center, extent, R = _box(voxel_centers(cells, CELL), weight, up)
        towards = np.array(list(tally.towards.values()))
        cut = _cut(gathering, tally, center, extent, R)
        box = box_estimate(center, extent, R, towards, _noise(towards), POSITION, cut=cut)
        colors = np.concatenate([np.zeros((0, 3), np.uint8), *tally.rgb])
        rgb = np.median(colors, 0) if len(colors) else np.full(3, 128)
        out.append(
            Evidence(
                track,
                known.kind,
                named,
                float(belief[o]),
                box.center,
                box.extent,
                R,
                np.sqrt(np.diag(box.covariance)),
                np.sort(cells),
                np.rint(rgb).astype(np.uint8),
                color_shares(colors) if len(colors) else {},
                known.embedding,
                frames[o],
                tally.first_t_ns,
                tally.last_t_ns,
                _best(tally),
                palette(tally.palette),
                *tally.measures.usual(),
            )
        )
        ids.append(o)
    return out, np.array(ids, np.int64)


def _cut(
    gathering: Gathering, tally: Tally, center: Float, extent: Float, R: Float
) -> NDArray[np.bool_]:
    """Which faces ``bool [3, 2]`` of a box pictures end at: none that shows the object goes on."""
    beyond = np.stack((-extent, extent), 1) / 2 + [-_BEYOND, _BEYOND]
    points = center + (R.T[:, None] * beyond[..., None]).reshape(6, 3)
    looked = gathering.looked_at([frame for _, frame, _ in tally.views], points)
    return np.asarray(~looked.reshape(3, 2), np.bool_)


_BEYOND = 1.5 * CELL
"""How far beyond a face a picture must go on to tell that the object does not, metres."""


def _noise(towards: Float) -> Float:
    """Covariance ``[3, 3]`` of a place from poses that are off by the same all session long."""
    far = float(np.linalg.norm(towards, axis=1).mean())
    return np.asarray(np.eye(3) * (POSITION.pose_shift**2 + (POSITION.pose_turn * far) ** 2))


def surface(points: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Points of a whole session thinned to one per voxel, ``float32 [P, 3]``."""
    kept: dict[int, NDArray[np.float32]] = {}
    for part in points:
        keys, first = np.unique(voxel_keys(part, _SURFACE), return_index=True)
        for k, row in zip(keys.tolist(), first.tolist(), strict=True):
            kept.setdefault(k, part[row])
    return np.array([kept[k] for k in sorted(kept)], np.float32).reshape(-1, 3)


def _lost(votes: Votes, objects: set[int]) -> dict[int, tuple[Int, Float]]:
    """Cells and votes of objects that have the most votes in no cell, as of pictures on walls."""
    if not objects:
        return {}
    key, owner, n = votes.all_votes()
    out = {}
    for o in objects:
        mine = owner == o
        cells, row = np.unique(key[mine], return_inverse=True)
        out[o] = cells, np.bincount(row, n[mine], len(cells)).astype(np.float64)
    return out


_NOWHERE = np.zeros(0, np.int64), np.zeros(0)


def _firm(votes: NDArray[np.int32], frames: int) -> NDArray[np.bool_]:
    """Cells that were seen often enough; what is seen often has noise around it."""
    firm = votes >= (2 if frames >= 6 else 1)
    return firm if firm.sum() >= 0.3 * len(votes) else np.ones(len(votes), np.bool_)


def _track(tally: Tally, taken: set[int], otherwise: int) -> int:
    """The track that stands for an object: the one that most of its frames are of."""
    for track, _ in tally.tracks.most_common():
        if track >= 0 and track not in taken:
            return track
    return otherwise


def _best(tally: Tally) -> tuple[int, ...]:
    """Frames that show it best, at least a second apart while there are such."""
    chosen: list[tuple[float, int, int]] = []
    for view in tally.views:
        if all(abs(view[2] - c[2]) >= _SECOND for c in chosen):
            chosen.append(view)
    return tuple(frame for _, frame, _ in chosen[:BEST_VIEWS])


def _box(points: Float, weight: Float, up: Float) -> tuple[Float, Float, Float]:
    """Upright box of cells' middles ``[C, 3]`` without the little, by weight, that sticks out.

    Edges of masks and of depth put cells around a thing, each seen now and then; together they
    would make a box a fifth too large.
    """
    center, extent, R = geometry.upright_box(points, up)
    for _ in range(2):
        local = points @ R
        within = [_within(local[:, axis], weight) for axis in range(3)]
        kept = np.logical_and.reduce(within)
        if kept.sum() < _LEAST:
            break
        center, extent, R = geometry.upright_box(points[kept], up)
    return center, extent + CELL, R


_LEAST = 8
"""Cells of which a box may be made when there are more."""


def _within(x: Float, weight: Float) -> NDArray[np.bool_]:
    """What lies between two quantiles, by weight."""
    order = np.argsort(x, kind="stable")
    before = np.cumsum(weight[order]) - weight[order] / 2
    low, high = np.interp(np.array([_TRIM, 1 - _TRIM]) * weight.sum(), before, x[order])
    return np.asarray((x >= low - 1e-9) & (x <= high + 1e-9))


_TRIM = 0.025
"""Share of an object's weight that its box leaves out on each side."""


def _names(tallies: Sequence[Tally]) -> list[dict[str, float]]:
    """Posterior over the session's words for each object, falling; rare names are left out.

    A view that finds no name for a thing speaks against all of them, as if it said a word of its
    own, and softly.
    """
    words = sorted({w for t in tallies for _, w in t.words})
    place = {w: k for k, w in enumerate(words)}
    heard: dict[tuple[int, int], tuple[int, float]] = {}
    for o, tally in enumerate(tallies):
        for (_, word), (n, total) in tally.words.items():
            before = heard.get((o, place[word]), (0, 0.0))
            more = total if word != UNNAMED else _NAMELESS * n
            heard[o, place[word]] = before[0] + n, before[1] + more
    if not heard:
        return [{} for _ in tallies]
    of, word_of = (np.array([key[k] for key in heard], np.int64) for k in range(2))
    n_of, sum_of = (np.array([v[k] for v in heard.values()], np.float64) for k in range(2))
    said = Said(of, word_of, n_of, sum_of / n_of)
    p = habitual(said, len(tallies), len(words), HabitConfig())
    named = {o for o, k in heard if words[k] != UNNAMED}
    falling = [_falling(words, row[:-1]) if o in named else {} for o, row in enumerate(p)]
    return [{w: q for w, q in names.items() if w != UNNAMED} for names in falling]


_NAMELESS = 0.6
"""How surely a view that says ``object`` rules names out."""


def _falling(words: Sequence[str], p: Float) -> dict[str, float]:
    order = np.argsort(-p, kind="stable")[:8]
    return {words[k]: float(p[k]) for k in order.tolist() if p[k] >= 0.01}
