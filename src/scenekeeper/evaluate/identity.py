"""Does a thing keep its track: HOTA, IDF1, switches."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from scenekeeper.evaluate.labelled import Labelled
from scenekeeper.evaluate.pairing import Pairing
from scenekeeper.evaluate.rows import Row
from scenekeeper.evaluate.tracking import score_tracks
from scenekeeper.geometry import box_iou

Int = NDArray[np.int64]


def identity_rows(p: Pairing) -> Iterator[Row]:
    """HOTA, IDF1 and switches of all sessions together."""
    section = "identity over time"
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
    yield Row(section, "HOTA", float(score.hota), n)
    yield Row(section, "association accuracy", float(score.assa), n)
    yield Row(section, "IDF1", float(score.idf1), n)
    yield Row(section, "id switches per 1000 boxes", 1000 * score.switches / n, n, better="lower")


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
