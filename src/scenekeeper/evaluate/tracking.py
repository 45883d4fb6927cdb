"""Identity over time: HOTA, IDF1, switches and fragmentations.

HOTA is that of Luiten et al., IJCV 2020; IDF1 of Ristani et al., ECCV 2016; switches,
fragmentations and MOTA of Bernardin and Stiefelhagen, 2008. The numbers are those of TrackEval.
Frames lie end to end in flat arrays of pairs; assignments are solved only in frames where a thing
has more than one candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scenekeeper.evaluate.score import Score

Int = NDArray[np.int64]
Float = NDArray[np.float64]

ALPHAS = np.arange(0.05, 0.99, 0.05)
_EPS = np.finfo(np.float64).eps
_KEEP = 1000.0  # what staying with the same track is worth beside a similarity


@dataclass(frozen=True, eq=False)
class TrackingScore(Score):
    """How well identity was kept.

    Attributes:
        hota: mean over ``alphas`` of the geometric mean of detection and association.
        deta: detection accuracy, mean over ``alphas``.
        assa: association accuracy, mean over ``alphas``.
        loca: mean similarity of what was matched, mean over ``alphas``; 1 where nothing was.
        idf1: F1 of the best one-to-one assignment of whole tracks.
        mota: 1 less misses, false positives and switches per truth; NaN without truth.
        switches: times a thing's track changed.
        fragmentations: times a thing was lost and taken up again.
        idtp: boxes that bear the right identity under that assignment.
        idfp: found boxes that do not.
        idfn: truths that do not.
        alphas: ``float64 [A]`` least similarities.
        hota_at: ``float64 [A]``.
        deta_at: ``float64 [A]``.
        assa_at: ``float64 [A]``.
        loca_at: ``float64 [A]``.
        tp: ``int64 [A]`` matches.
        fp: ``int64 [A]`` found and not there.
        fn: ``int64 [A]`` there and not found.
    """

    hota: float
    deta: float
    assa: float
    loca: float
    idf1: float
    mota: float
    switches: int
    fragmentations: int
    idtp: int
    idfp: int
    idfn: int
    alphas: Float
    hota_at: Float
    deta_at: Float
    assa_at: Float
    loca_at: Float
    tp: Int
    fp: Int
    fn: Int


@dataclass(frozen=True, eq=False)
class _Pairs:
    """All pairs of truth and found of all frames, frame by frame, row by row.

    Attributes:
        rows: ``int64 [F]`` truths per frame.
        columns: ``int64 [F]`` found per frame.
        start: ``int64 [F + 1]`` first pair of each frame, and the end.
        frame: ``int64 [P]``.
        t: ``int64 [P]`` which truth, counted through all frames.
        f: ``int64 [P]`` which found one.
        similarity: ``float64 [P]``.
        truth_id: ``int64`` per truth, from 0 without gaps.
        found_id: ``int64`` per found one, likewise.
    """

    rows: Int
    columns: Int
    start: Int
    frame: Int
    t: Int
    f: Int
    similarity: Float
    truth_id: Int
    found_id: Int

    def matrix(self, frame: int, values: Float) -> Float:
        """A frame's part of values ``[P]`` as ``[rows, columns]``."""
        part = values[self.start[frame] : self.start[frame + 1]]
        return part.reshape(self.rows[frame], self.columns[frame])

    def crowded(self, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """``bool [F]``: frames where a row or column has more than one wanted pair."""
        t, f = self.t[wanted], self.f[wanted]
        rival = (np.bincount(t)[t] > 1) | (np.bincount(f)[f] > 1) if len(t) else t.astype(np.bool_)
        return np.bincount(self.frame[wanted][rival], minlength=len(self.rows)) > 0


def score_tracks(
    truth_ids: Sequence[ArrayLike],
    found_ids: Sequence[ArrayLike],
    similarity: Sequence[ArrayLike],
    threshold: float = 0.5,
) -> TrackingScore:
    """Score tracks against the truth, frame by frame.

    Several sequences are scored together by laying their frames end to end with ids that no two
    sequences share; that is what TrackEval calls combined.

    Args:
        truth_ids: per frame ``int [n]``, no id twice in a frame.
        found_ids: per frame ``int [m]``, likewise.
        similarity: per frame ``float [n, m]`` in 0..1, of boxes or masks their IoU.
        threshold: least similarity of a match for ``idf1``, ``mota``, ``switches`` and
            ``fragmentations``; above 0.

    Raises:
        ValueError: lengths or shapes differ, an id stands twice in a frame, or a similarity is
            not within 0..1; the threshold is not above 0.
    """
    if not threshold > 0:
        raise ValueError(f"the threshold is {threshold}, not above 0")
    pairs = _pairs(truth_ids, found_ids, similarity)
    n, m = len(pairs.truth_id), len(pairs.found_id)
    tp, located, associated = _hota(pairs)
    deta = tp / np.maximum(1, n + m - tp)
    assa = associated / np.maximum(1, tp)
    loca = np.where(tp > 0, located / np.maximum(1, tp), 1.0)
    hota = np.sqrt(deta * assa)
    idtp = _identity(pairs, threshold)
    hits, switches, fragmentations = _continuity(pairs, threshold)
    return TrackingScore(
        hota=float(hota.mean()),
        deta=float(deta.mean()),
        assa=float(assa.mean()),
        loca=float(loca.mean()),
        idf1=idtp / max(1, (n + m) / 2),
        mota=(hits - (m - hits) - switches) / n if n else float("nan"),
        switches=switches,
        fragmentations=fragmentations,
        idtp=idtp,
        idfp=m - idtp,
        idfn=n - idtp,
        alphas=ALPHAS,
        hota_at=hota,
        deta_at=deta,
        assa_at=assa,
        loca_at=loca,
        tp=tp,
        fp=m - tp,
        fn=n - tp,
    )


def _pairs(
    truth_ids: Sequence[ArrayLike], found_ids: Sequence[ArrayLike], similarity: Sequence[ArrayLike]
) -> _Pairs:
    if not len(truth_ids) == len(found_ids) == len(similarity):
        raise ValueError(
            f"{len(truth_ids)} frames of truth, {len(found_ids)} found and"
            f" {len(similarity)} of similarity must be as many"
        )
    rows, truth_id = _ids(truth_ids, "truth")
    columns, found_id = _ids(found_ids, "found")
    tables = [np.asarray(table, np.float64) for table in similarity]
    for k, (table, n, m) in enumerate(zip(tables, rows.tolist(), columns.tolist(), strict=True)):
        if table.shape != (n, m) and (n * m or table.size):
            raise ValueError(f"frame {k}: similarity is {list(table.shape)}, not [{n}, {m}]")
    values = np.concatenate([np.zeros(0), *(table.reshape(-1) for table in tables)])
    if not ((values >= 0) & (values <= 1 + _EPS)).all():
        raise ValueError("a similarity is not within 0..1")
    start = np.concatenate(([0], np.cumsum(rows * columns)))
    frame = np.repeat(np.arange(len(rows)), rows * columns)
    row, column = np.divmod(np.arange(len(values)) - start[frame], columns[frame])
    t = row + (np.cumsum(rows) - rows)[frame]
    f = column + (np.cumsum(columns) - columns)[frame]
    return _Pairs(rows, columns, start, frame, t, f, values, truth_id, found_id)


def _ids(ids: Sequence[ArrayLike], name: str) -> tuple[Int, Int]:
    arrays = [np.asarray(one, np.int64).reshape(-1) for one in ids]
    count = np.array([len(one) for one in arrays], np.int64)
    unique, code = np.unique(np.concatenate([np.zeros(0, np.int64), *arrays]), return_inverse=True)
    frame = np.repeat(np.arange(len(arrays)), count)
    key = np.sort(frame * max(len(unique), 1) + code)
    twice = np.flatnonzero(key[1:] == key[:-1])
    if len(twice):
        where, which = divmod(int(key[twice[0]]), len(unique))
        raise ValueError(f"frame {where}: {name} id {unique[which]} stands there twice")
    return count, code.astype(np.int64)


# --- HOTA -----------------------------------------------------------------------------------------


def _hota(pairs: _Pairs) -> tuple[Int, Float, Float]:
    """Per alpha the matches, the sum of their similarities, and of their association scores."""
    s, n, m = pairs.similarity, np.bincount(pairs.truth_id), np.bincount(pairs.found_id)
    live = np.flatnonzero(s)
    t, f, s_live = pairs.t[live], pairs.f[live], s[live]
    whole = np.bincount(pairs.t, s)[t] + np.bincount(pairs.f, s)[f] - s_live
    share = np.where(whole > _EPS, s_live / np.maximum(whole, _EPS), 0)
    couple, which = _couples(pairs, live)
    often = np.bincount(which, share)
    alignment = often / (n[couple[:, 0]] + m[couple[:, 1]] - often)
    worth = np.zeros(len(s))
    worth[live] = alignment[which] * s_live
    chosen = _best(pairs, worth)
    at = np.searchsorted(live, chosen)
    # A match counts at every alpha up to its similarity.
    level = np.searchsorted(ALPHAS - _EPS, s[chosen], "right")
    A = len(ALPHAS) + 1
    by_level = np.bincount(which[at] * A + level, minlength=len(couple) * A)
    counts = _from_above(by_level.reshape(-1, A))
    either = n[couple[:, :1]] + m[couple[:, 1:]] - counts
    associated = (counts * counts / np.maximum(1, either)).sum(0)
    located = _from_above(np.bincount(level, s[chosen], A)[None])[0]
    return counts.sum(0).astype(np.int64), located, associated


def _from_above(by_level: NDArray[Any]) -> Float:
    """Sums by level ``[N, A + 1]`` to sums of all higher levels ``[N, A]``."""
    return np.cumsum(by_level[:, :0:-1], axis=1)[:, ::-1].astype(np.float64)


def _best(pairs: _Pairs, worth: Float) -> Int:
    """Pairs of the best assignment of every frame, ascending; worthless ones are left out."""
    from scipy.optimize import linear_sum_assignment

    chosen, open_to = np.zeros(len(worth), np.bool_), pairs.rows * pairs.columns > 0
    for mine, n in ((pairs.t, len(pairs.truth_id)), (pairs.f, len(pairs.found_id))):
        # Where everybody's own best is nobody else's, that is the one best assignment.
        most = np.zeros(n)
        np.maximum.at(most, mine, worth)
        best = (worth == most[mine]) & (worth > 0)
        easy = open_to & ~pairs.crowded(best)
        chosen |= best & easy[pairs.frame]
        open_to &= ~easy
    for frame in np.flatnonzero(open_to).tolist():
        table = pairs.matrix(frame, worth)
        row, column = linear_sum_assignment(table, maximize=True)
        good = table[row, column] > 0
        chosen[pairs.start[frame] + row[good] * table.shape[1] + column[good]] = True
    return np.flatnonzero(chosen)


def _couples(pairs: _Pairs, wanted: Int) -> tuple[Int, Int]:
    """The different ``(truth id, found id)`` ``[C, 2]`` of some pairs, and which each pair is."""
    width = int(pairs.found_id.max(initial=0)) + 1
    key = pairs.truth_id[pairs.t[wanted]] * width + pairs.found_id[pairs.f[wanted]]
    unique, which = np.unique(key, return_inverse=True)
    return np.stack(np.divmod(unique, width), 1), which


# --- IDF1 -----------------------------------------------------------------------------------------


def _identity(pairs: _Pairs, threshold: float) -> int:
    """Boxes matched under the best one-to-one assignment of whole tracks."""
    from scipy.optimize import linear_sum_assignment
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    couple, which = _couples(pairs, np.flatnonzero(pairs.similarity >= threshold))
    together = np.bincount(which, minlength=len(couple))
    n, m = (int(ids.max(initial=-1)) + 1 for ids in (pairs.truth_id, pairs.found_id))
    truth, found = couple.T
    # Tracks that never met are assigned apart, so that many sequences stay many small tables.
    graph = coo_array((together, (truth, n + found)), shape=(n + m, n + m))
    part = connected_components(graph, directed=False)[1]
    total = 0
    order = np.argsort(part[truth], kind="stable")
    for cut in np.split(order, np.flatnonzero(np.diff(part[truth][order])) + 1):
        if len(cut):
            row, column = (np.unique(ids[cut], return_inverse=True)[1] for ids in (truth, found))
            table = np.zeros((row.max() + 1, column.max() + 1), np.int64)
            table[row, column] = together[cut]
            total += int(table[linear_sum_assignment(table, maximize=True)].sum())
    return total


# --- switches -------------------------------------------------------------------------------------


def _continuity(pairs: _Pairs, threshold: float) -> tuple[int, int, int]:
    """Matches, switches and fragmentations when what was matched last stays matched if it can."""
    chosen = _steady(pairs, threshold)
    truth, found = pairs.truth_id[pairs.t[chosen]], pairs.found_id[pairs.f[chosen]]
    # Frames without truth or without anything found are passed over, as TrackEval does.
    busy = np.cumsum((pairs.rows > 0) & (pairs.columns > 0))[pairs.frame[chosen]]
    order = np.lexsort((busy, truth))
    truth, found, busy = truth[order], found[order], busy[order]
    same = truth[1:] == truth[:-1]
    switches = same & (found[1:] != found[:-1])
    breaks = same & (np.diff(busy) > 1)
    return len(chosen), int(switches.sum()), int(breaks.sum())


def _steady(pairs: _Pairs, threshold: float) -> Int:
    from scipy.optimize import linear_sum_assignment

    similar = pairs.similarity >= threshold - _EPS
    crowded = pairs.crowded(similar)
    taken = similar & ~crowded[pairs.frame]
    busy = np.flatnonzero((pairs.rows > 0) & (pairs.columns > 0))
    before = np.full(int(pairs.truth_id.max(initial=-1)) + 1, -1)
    for frame in np.flatnonzero(crowded).tolist():
        part = slice(pairs.start[frame], pairs.start[frame + 1])
        at = int(np.searchsorted(busy, frame))
        if at:
            last = slice(pairs.start[busy[at - 1]], pairs.start[busy[at - 1] + 1])
            held = np.flatnonzero(taken[last]) + last.start
            before[pairs.truth_id[pairs.t[held]]] = pairs.found_id[pairs.f[held]]
        stays = before[pairs.truth_id[pairs.t[part]]] == pairs.found_id[pairs.f[part]]
        worth = np.where(similar[part], _KEEP * stays + pairs.similarity[part], 0)
        table = worth.reshape(pairs.rows[frame], pairs.columns[frame])
        row, column = linear_sum_assignment(table, maximize=True)
        good = table[row, column] > _EPS
        taken[part.start + row[good] * table.shape[1] + column[good]] = True
        before[:] = -1
    return np.flatnonzero(taken)
