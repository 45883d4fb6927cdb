"""Does a thing keep its track, and does the track keep to the thing: HOTA, IDF1, jitter, lag."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from scenekeeper.evaluate.jitter import Boxes, Jitter, jitter
from scenekeeper.evaluate.labelled import Labelled
from scenekeeper.evaluate.pairing import Pairing
from scenekeeper.evaluate.rows import Row, ratio
from scenekeeper.evaluate.tracking import score_tracks
from scenekeeper.geometry import box_iou

Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

SECTION = "identity over time"
_GAP = 1.5
"""Frames that are further apart than so many usual ones of their camera are no neighbours."""


def identity_rows(p: Pairing) -> Iterator[Row]:
    """HOTA, IDF1 and switches of all sessions together; jitter and lag from frame to frame."""
    t = p.truth[p.truth.track >= 0]
    f = p.found[(p.found.track >= 0) & (p.truth_of != -2)]
    if not len(t) or not len(f):
        return
    session = _session_of(t)
    t_ids, f_ids = _per_session(t, session), _per_session(f, session)
    n_frames = len(t.frames)
    t_rows, f_rows = _by_frame(t, n_frames), _by_frame(f, n_frames)
    score = score_tracks(
        [t_ids[r] for r in t_rows],
        [f_ids[r] for r in f_rows],
        [box_iou(t.box_xyxy[a], f.box_xyxy[b]) for a, b in zip(t_rows, f_rows, strict=True)],
    )
    n = len(t)
    yield Row(SECTION, "HOTA", float(score.hota), n)
    yield Row(SECTION, "association accuracy", float(score.assa), n)
    yield Row(SECTION, "IDF1", float(score.idf1), n)
    yield Row(SECTION, "id switches per 1000 boxes", 1000 * score.switches / n, n, better="lower")
    yield Row(SECTION, "localisation accuracy (LocA)", float(score.loca), n)
    order, follows = _in_time(t)
    steady = jitter(
        [Boxes(t_ids[t_rows[k]], t.box_xyxy[t_rows[k]]) for k in order],
        [Boxes(f_ids[f_rows[k]], f.box_xyxy[f_rows[k]]) for k in order],
        follows,
    )
    yield from _jitter_rows(steady, t.clip[order])


def _jitter_rows(steady: Jitter, clip: Int) -> Iterator[Row]:
    known = np.isfinite([steady.iou, steady.rms, steady.lag])
    if known[0]:
        yield Row(SECTION, "mean IoU of matched tracks", steady.iou, steady.matches)
    if known[1]:
        ones = np.ones(steady.pairs)
        yield ratio(
            SECTION, "jitter, px", steady.squares, ones, clip[steady.step], "lower", power=0.5
        )
    if known[2]:
        yield Row(SECTION, "lag, frames", steady.lag, steady.pairs, better="")


def _in_time(labels: Labelled) -> tuple[Int, Bool]:
    """Frames by session, camera and time, and whether each is the next one after the one before."""
    time = np.array([t for _, t in labels.frames], np.int64)
    stream = np.unique(
        [f"{s}\n{c}" for (s, _), c in zip(labels.frames, labels.camera, strict=True)],
        return_inverse=True,
    )[1]
    order = np.lexsort((time, stream))
    step = np.diff(time[order], prepend=time[order[:1]])
    same = np.diff(stream[order], prepend=-1) == 0
    follows = same & (step > 0)
    for one in np.unique(stream[order][follows]):
        here = follows & (stream[order] == one)
        follows[here] = step[here] <= _GAP * np.median(step[here])
    return order, follows


def _session_of(labels: Labelled) -> Int:
    names = {s: k for k, s in enumerate(dict.fromkeys(s for s, _ in labels.frames))}
    return np.array([names[s] for s, _ in labels.frames], np.int64)


def _per_session(labels: Labelled, session: Int) -> Int:
    """Track ids that no two sessions share; one box per track and frame."""
    pairs = np.stack((session[labels.image], labels.track), 1)
    return np.asarray(np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1), np.int64)


def _by_frame(labels: Labelled, n: int) -> list[Int]:
    """Rows of each frame, of each track the best scored one."""
    order = np.lexsort((-labels.score, labels.track, labels.image))
    key = np.stack((labels.image[order], labels.track[order]), 1)
    first = np.ones(len(order), np.bool_)
    first[1:] = (np.diff(key, axis=0) != 0).any(1)
    kept = order[first]
    ends = np.searchsorted(labels.image[kept], np.arange(n + 1))
    return [kept[a:b] for a, b in itertools.pairwise(ends)]
