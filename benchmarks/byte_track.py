"""ByteTrack's published algorithm (Zhang et al., ECCV 2022), for machines without its package.

A Kalman filter of constant velocity over centre, aspect ratio and height; boxes of high score are
matched to tracks by overlap first, those of low score to what is left; lost tracks wait a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from benchmarks.moving_boxes import Frame
from scenekeeper.geometry import box_iou

Float = NDArray[np.float64]

HIGH, NEW, FIRST, SECOND = 0.5, 0.5, 0.2, 0.5
"""Scores of strong boxes and of new tracks; least overlaps of the two rounds."""

_F = np.eye(8) + np.eye(8, k=4)


@dataclass(eq=False)
class _Track:
    number: int
    mean: Float
    covariance: Float
    seen: int
    hits: int = 1

    def predict(self) -> None:
        h = self.mean[3]
        noise = np.array([h / 20, h / 20, 1e-2, h / 20, h / 160, h / 160, 1e-5, h / 160])
        self.mean = _F @ self.mean
        self.covariance = _F @ self.covariance @ _F.T + np.diag(noise**2)

    def update(self, box: Float, frame: int) -> None:
        h = self.mean[3]
        R = np.diag(np.array([h / 20, h / 20, 1e-1, h / 20]) ** 2)
        gain = self.covariance[:, :4] @ np.linalg.inv(self.covariance[:4, :4] + R)
        self.mean = self.mean + gain @ (_measure(box) - self.mean[:4])
        self.covariance = self.covariance - gain @ self.covariance[:4]
        self.seen, self.hits = frame, self.hits + 1

    @property
    def box(self) -> Float:
        x, y, a, h = self.mean[:4]
        return np.array([x - a * h / 2, y - h / 2, x + a * h / 2, y + h / 2])


def byte_track(frames: Sequence[Frame], fps: int) -> list[tuple[NDArray[np.int64], Float]]:
    """Per frame, ids ``[N]`` and boxes ``[N, 4]``."""
    tracks: list[_Track] = []
    made = 0
    out = []
    for n, f in enumerate(frames):
        for t in tracks:
            t.predict()
        shown: list[tuple[int, Float]] = []
        strong, weak = np.flatnonzero(f.score >= HIGH), np.flatnonzero(f.score < HIGH)
        free = list(tracks)
        rest: list[int] = []
        for rows, least, recent in ((strong, FIRST, fps), (weak, SECOND, 1)):
            able = [t for t in free if n - t.seen <= recent]
            pairs = _matched(able, f.box[rows], least)
            for i, k in pairs:
                able[i].update(f.box[rows[k]], n)
                if able[i].hits >= 2:
                    shown.append((able[i].number, f.box[rows[k]]))
            free = [t for t in free if t.seen != n]
            if rows is strong:
                rest = [int(r) for k, r in enumerate(rows) if k not in {k for _, k in pairs}]
        for row in rest:
            if f.score[row] >= NEW:
                made += 1
                tracks.append(_begun(made, f.box[row], n))
        tracks = [t for t in tracks if n - t.seen <= (fps if t.hits > 1 else 0)]
        boxes = np.array([b for _, b in shown]).reshape(-1, 4)
        out.append((np.array([i for i, _ in shown], np.int64), boxes))
    return out


def _measure(box: Float) -> Float:
    w, h = box[2] - box[0], box[3] - box[1]
    return np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, w / h, h])


def _begun(number: int, box: Float, frame: int) -> _Track:
    mean = np.concatenate((_measure(box), np.zeros(4)))
    h = mean[3]
    spread = np.array([h / 10, h / 10, 1e-2, h / 10, h / 16, h / 16, 1e-5, h / 16])
    return _Track(number, mean, np.diag(spread**2), frame)


def _matched(tracks: Sequence[_Track], boxes: Float, least: float) -> list[tuple[int, int]]:
    if not tracks or not len(boxes):
        return []
    iou = box_iou(np.array([t.box for t in tracks]), boxes)
    rows, columns = linear_sum_assignment(-iou)
    return [(int(i), int(k)) for i, k in zip(rows, columns, strict=True) if iou[i, k] >= least]
