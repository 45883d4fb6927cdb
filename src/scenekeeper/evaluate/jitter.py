"""Do found boxes shake, and do they lag: tracks against true ones, from frame to frame.

In: per frame the boxes and tracks of both sides. Out: :class:`Jitter`. A smoother can buy a low
jitter with lag and with boxes that fit worse, so the three belong together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scenekeeper.evaluate.score import Score
from scenekeeper.geometry import box_iou

Int = NDArray[np.int64]
Float = NDArray[np.float64]
Bool = NDArray[np.bool_]

_LEAST_STEPS = 8
"""Steps that a shift must rest on, for a correlation of fewer is chance."""

_MOVES = 1e-9
"""Mean square of velocities (pixels per frame) below which nothing moves unevenly."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """One side of one frame.

    Attributes:
        track: ``int64 [N]``, no track twice.
        box_xyxy: ``float64 [N, 4]`` pixels.

    Raises:
        ValueError: lengths differ, or a track stands there twice.
    """

    track: Int
    box_xyxy: Float

    def __post_init__(self) -> None:
        if self.track.ndim != 1 or self.box_xyxy.shape != (len(self.track), 4):
            raise ValueError(
                f"{len(self.track)} tracks need boxes [{len(self.track)}, 4], not"
                f" {list(self.box_xyxy.shape)}"
            )
        if len(np.unique(self.track)) < len(self.track):
            raise ValueError("a track stands twice in a frame")

    @classmethod
    def of(cls, track: ArrayLike, box_xyxy: ArrayLike) -> Boxes:
        """Boxes from anything array-like."""
        box = np.asarray(box_xyxy, np.float64).reshape(-1, 4)
        return cls(np.asarray(track, np.int64).reshape(-1), box)


@dataclass(frozen=True, eq=False)
class Jitter(Score):
    """How steady found tracks are; NaN where there is nothing to measure it by.

    Attributes:
        rms: pixels; root mean square over ``pairs`` of ``|(c_t - c_{t-1}) - (g_t - g_{t-1})|``,
            c the middle of the found box, g that of the true one.
        pairs: how many pairs of neighbouring frames have the same true and found track matched.
        lag: frames by which found middles come after true ones: the shift with the highest
            correlation of velocities, pooled over tracks, between shifts by a parabola.
        iou: mean IoU of what was matched.
        matches: how many were.
        step: ``int64 [pairs]`` the later frame of each pair.
        squares: ``float64 [pairs]`` square pixels, of which ``rms`` is the root of the mean.
    """

    rms: float
    pairs: int
    lag: float
    iou: float
    matches: int
    step: Int
    squares: Float


def jitter(
    truth: Sequence[Boxes],
    found: Sequence[Boxes],
    follows: ArrayLike | None = None,
    threshold: float = 0.5,
    most_lag: int = 5,
) -> Jitter:
    """Measure how found tracks shake and lag.

    In each frame found and true boxes are matched one to one, so that the sum of IoU is highest.

    Args:
        truth: F frames, in order.
        found: the same frames.
        follows: ``bool [F]`` whether a frame is the next one in time, of the same camera, after
            the one before it in the list; all do when absent.
        threshold: least IoU of a match.
        most_lag: frames; shifts of up to so many are tried, forwards and backwards.

    Raises:
        ValueError: the two sides are not as many frames.
    """
    if len(truth) != len(found):
        raise ValueError(f"{len(truth)} frames of truth and {len(found)} found must be as many")
    time = _times(len(truth), follows, 2 * most_lag + 2)
    frame, t, f, iou = _matches(truth, found, threshold)
    if not len(frame):
        nothing = np.zeros(0)
        return Jitter(np.nan, 0, np.nan, np.nan, 0, np.zeros(0, np.int64), nothing)
    true_track, true_middle = _flat(truth)
    found_track, found_middle = _flat(found)
    couple = _codes(true_track[t], found_track[f])
    before, after = _steps(couple, time[frame])
    g, c = true_middle[t], found_middle[f]
    moved_true, moved_found = g[after] - g[before], c[after] - c[before]
    squares = ((moved_found - moved_true) ** 2).sum(1)
    rms = float(np.sqrt(squares.mean())) if len(squares) else float("nan")
    all_time = np.repeat(time, [len(one.track) for one in truth])
    lag = _lag(
        (true_track, all_time, true_middle),
        (true_track[t][after], time[frame][after], moved_found),
        couple[after],
        most_lag,
    )
    return Jitter(rms, len(squares), lag, float(iou.mean()), len(iou), frame[after], squares)


def _times(n: int, follows: ArrayLike | None, gap: int) -> Int:
    """Frame numbers that leave a gap, wide enough for any shift, where a frame follows no other."""
    steps = np.ones(n, np.int64) if follows is None else np.where(np.asarray(follows), 1, gap)
    return np.cumsum(steps)


def _matches(
    truth: Sequence[Boxes], found: Sequence[Boxes], threshold: float
) -> tuple[Int, Int, Int, Float]:
    """Frame, true row, found row (both through all frames) and IoU of every match."""
    from scipy.optimize import linear_sum_assignment

    out: list[tuple[Int, Int, Int, Float]] = []
    n = m = 0
    for k, (a, b) in enumerate(zip(truth, found, strict=True)):
        if len(a.track) and len(b.track):
            iou = box_iou(a.box_xyxy, b.box_xyxy)
            worth = np.where(iou >= threshold, iou, 0.0)
            row, column = linear_sum_assignment(worth, maximize=True)
            good = worth[row, column] > 0
            row, column = row[good], column[good]
            out.append((np.full(len(row), k), n + row, m + column, iou[row, column]))
        n, m = n + len(a.track), m + len(b.track)
    if not out:
        none = np.zeros(0, np.int64)
        return none, none, none, np.zeros(0)
    frame, t, f, overlap = (np.concatenate(part) for part in zip(*out, strict=True))
    return frame, t, f, overlap


def _flat(side: Sequence[Boxes]) -> tuple[Int, Float]:
    box = np.concatenate([one.box_xyxy for one in side])
    return np.concatenate([one.track for one in side]), (box[:, :2] + box[:, 2:]) / 2


def _codes(a: Int, b: Int) -> Int:
    """One number per different pair."""
    pairs = np.stack((a, b), 1)
    return np.asarray(np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1), np.int64)


def _steps(who: Int, time: Int) -> tuple[Int, Int]:
    """Rows of the same one at neighbouring times: the earlier and the later."""
    order = np.lexsort((time, who))
    next_to = (np.diff(who[order]) == 0) & (np.diff(time[order]) == 1)
    return order[:-1][next_to], order[1:][next_to]


def _lag(
    truth: tuple[Int, Int, Float],
    found: tuple[Int, Int, Float],
    couple: Int,
    most: int,
) -> float:
    """The shift at which found velocities are most like the true ones.

    Args:
        truth: track, time and middle of all true boxes.
        found: true track, time and step of every pair of matches.
        couple: of every pair, which true and found track it is of.
        most: frames.
    """
    if not len(couple):
        return float("nan")
    track, time, middle = truth
    before, after = _steps(track, time)
    true_step = middle[after] - middle[before]
    # A steady motion is alike at every shift, so it is taken out, track by track.
    found_track, found_time, found_step = found
    found_step = found_step - _means(found_step, couple)
    true_step = true_step - _means(true_step, track[after])
    wide = int(time.max()) + 2 * most + 1
    code = np.unique(np.concatenate((track, found_track)), return_inverse=True)[1]
    key = code[: len(track)][after] * wide + time[after]
    order = np.argsort(key)
    wanted = code[len(track) :] * wide + found_time
    shifts = np.arange(-most, most + 1)
    likeness = np.array(
        [_likeness(key[order], true_step[order], wanted - k, found_step) for k in shifts]
    )
    return _peak(shifts, likeness)


def _means(step: Float, who: Int) -> Float:
    which = np.unique(who, return_inverse=True)[1]
    n = np.bincount(which)
    return np.stack([(np.bincount(which, s) / n)[which] for s in step.T], 1)


def _likeness(key: Int, true_step: Float, wanted: Int, found_step: Float) -> float:
    """Correlation of found steps with the true ones of the wanted keys."""
    at = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    there = key[at] == wanted
    a, b = true_step[at[there]], found_step[there]
    if len(a) < _LEAST_STEPS or min((a**2).mean(), (b**2).mean()) < _MOVES:
        return float("nan")
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))


def _peak(shifts: Int, likeness: Float) -> float:
    """Where the highest value lies, to a part of a step by the parabola through its neighbours."""
    if not np.isfinite(likeness[shifts == 0]).all():
        return float("nan")
    known = np.where(np.isfinite(likeness), likeness, -np.inf)
    best = max(range(len(shifts)), key=lambda k: (known[k], -abs(int(shifts[k]))))
    if not 0 < best < len(shifts) - 1:
        return float(shifts[best])
    left, top, right = likeness[best - 1 : best + 2]
    bend = left - 2 * top + right
    if not np.isfinite(bend) or bend >= 0:
        return float(shifts[best])
    return float(shifts[best] + 0.5 * (left - right) / bend)
