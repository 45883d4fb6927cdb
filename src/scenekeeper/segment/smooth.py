"""Boxes of tracks without their jitter and without lag, and in the frames that missed them.

In: frames and their tracks. Out: per frame the boxes of its tracks. Each box is written in a way
that hardly changes from frame to frame (metres beside the thing's place where that is known, else a
direction in the world, else pixels), a curve is fitted through its neighbours in time, before and
after alike, and the result is written back as pixels. Poses that shake more than the camera are
smoothed the same way, as far as the boxes agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from scenekeeper import geometry
from scenekeeper.segment.associate import Tracks
from scenekeeper.segment.tracklets import Seen

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class SmoothConfig:
    """How boxes are smoothed.

    Attributes:
        stays_s: seconds (standard deviation) over which boxes of things that stay are averaged,
        moves_s: and of things that move or have no place.
        steady_s: seconds over which poses are tried to be smoothed, ascending from none.
        fill_s: seconds for which a track may be missed and is filled in; a single frame always is.
        shortest: tracks of fewer detections are chance and left out,
        core: and those whose longest stretch has fewer.
        border: pixels within which the picture's edge is taken to cut a box off; boxes jitter.
    """

    stays_s: float = 0.7
    moves_s: float = 0.25
    steady_s: tuple[float, ...] = (0.0, 0.06, 0.12, 0.25)
    fill_s: float = 0.11
    shortest: int = 4
    core: int = 4
    border: float = 10.0


@dataclass(frozen=True, eq=False)
class Smoothed:
    """One frame's boxes.

    Attributes:
        track: ``int64 [N]``, each once.
        box_xyxy: ``float64 [N, 4]`` pixels.
        row: ``int64 [N]`` the detection it was made from; -1 = filled in.
    """

    track: Int
    box_xyxy: Float
    row: Int


def smooth(
    frames: Sequence[Seen], tracks: Tracks, config: SmoothConfig | None = None
) -> list[Smoothed]:
    """Boxes of all tracks, frame by frame (see :func:`scenekeeper.segment.associate.associate`)."""
    config = config or SmoothConfig()
    poses = settled(frames, tracks.correction)
    tried = [_smooth(frames, tracks, _steady(frames, poses, s), config) for s in config.steady_s]
    return tried[_steadiest([_misfit(frames, one) for one in tried])]


def _steadiest(misfit: Sequence[float]) -> int:
    """The last of several misfits that is hardly more than the least."""
    return max(k for k, m in enumerate(misfit) if m <= 1.01 * min(misfit))


def _misfit(frames: Sequence[Seen], smoothed: Sequence[Smoothed]) -> float:
    """Root mean square distance of smoothed boxes from the detections, pixels."""
    off = [
        s.box_xyxy[s.row >= 0] - f.box_xyxy[s.row[s.row >= 0]]
        for f, s in zip(frames, smoothed, strict=True)
    ]
    together = np.concatenate([np.zeros((0, 4)), *off])
    return float(np.sqrt(np.mean(np.minimum(together**2, 400)))) if len(together) else 0.0


def _steady(frames: Sequence[Seen], poses: Float, sigma: float) -> Float:
    """Poses smoothed over time, each camera's for itself."""
    out = poses.copy()
    for name in {f.camera.name for f in frames}:
        own = np.array([k for k, f in enumerate(frames) if f.camera.name == name])
        own = own[np.isfinite(poses[own, 0, 0])]
        if not sigma or len(own) < 3:
            continue
        t = np.array([frames[k].t_ns for k in own]) / 1e9
        q = Rotation.from_matrix(poses[own, :3, :3]).as_quat()
        q *= np.concatenate(([1], np.cumprod(np.where((q[1:] * q[:-1]).sum(1) < 0, -1, 1))))[
            :, None
        ]
        values = np.concatenate((q, poses[own, :3, 3]), 1)
        smooth = local_curve(t, values, np.ones_like(values), t, sigma)
        out[own, :3, :3] = Rotation.from_quat(smooth[:, :4]).as_matrix()
        out[own, :3, 3] = smooth[:, 4:]
    return out


def _smooth(
    frames: Sequence[Seen], tracks: Tracks, poses: Float, config: SmoothConfig
) -> list[Smoothed]:
    members: dict[tuple[int, str], list[tuple[int, int]]] = {}
    for f, ids in enumerate(tracks.track):
        for row, track in enumerate(ids.tolist()):
            members.setdefault((track, frames[f].camera.name), []).append((f, row))
    own = {
        name: np.array([k for k, f in enumerate(frames) if f.camera.name == name], np.int64)
        for name in {f.camera.name for f in frames}
    }
    out: list[list[tuple[int, Float, int]]] = [[] for _ in frames]
    for (track, name), rows in members.items():
        if len(rows) < config.shortest or tracks.core[track] < config.core:
            continue
        stays = not tracks.moves[track] and bool(np.isfinite(tracks.position[track, 0]))
        place = tracks.position[track] if stays else None
        found = np.array(rows, np.int64)
        shown = _shown(found[:, 0], own[name], frames, config)
        box = _track(frames, poses, found, shown, place, config)
        row_of = dict(rows)
        for f, b in zip(shown.tolist(), box, strict=True):
            if (b[2:] - b[:2] > 1).all():
                out[f].append((track, b, row_of.get(f, -1)))
    return [
        Smoothed(
            np.array([t for t, _, _ in one], np.int64),
            np.array([b for _, b, _ in one]).reshape(-1, 4),
            np.array([r for _, _, r in one], np.int64),
        )
        for one in out
    ]


def settled(frames: Sequence[Seen], correction: Float) -> Float:
    """Corrected poses ``[F, 4, 4]``; NaN where there is none."""
    out = np.full((len(frames), 4, 4), np.nan)
    for f, seen in enumerate(frames):
        if seen.T_world_camera is not None:
            out[f] = seen.T_world_camera
    out[:, :3, :3] = Rotation.from_rotvec(correction[:, :3]).as_matrix() @ out[:, :3, :3]
    out[:, :3, 3] += correction[:, 3:]
    return out


def _shown(found: Int, own: Int, frames: Sequence[Seen], config: SmoothConfig) -> Int:
    """Frames in which a track is shown: where it was found, and short gaps between."""
    at = np.searchsorted(own, found)
    out = [own[at[:1]]]
    for a, b in zip(at[:-1].tolist(), at[1:].tolist(), strict=True):
        gap = (frames[own[b]].t_ns - frames[own[a]].t_ns) / 1e9
        short = b - a <= 2 or gap - (gap / (b - a)) <= config.fill_s
        out.append(own[a + 1 : b + 1] if short else own[b : b + 1])
    return np.concatenate(out)


def _track(
    frames: Sequence[Seen],
    poses: Float,
    found: Int,
    shown: Int,
    place: Float | None,
    config: SmoothConfig,
) -> Float:
    """Smooth boxes ``[S, 4]`` of one track in the frames where it is shown."""
    camera = frames[found[0, 0]].camera
    box = np.array([frames[f].box_xyxy[row] for f, row in found.tolist()])
    t = np.array([frames[f].t_ns for f in found[:, 0]]) / 1e9
    at = np.array([frames[f].t_ns for f in shown]) / 1e9
    size = np.array([camera.width, camera.height, camera.width, camera.height], np.float64)
    K = camera.intrinsics
    if place is not None and K is not None:
        cut = np.concatenate(
            (box[:, :2] <= config.border, box[:, 2:] >= size[2:] - config.border), 1
        )
        trust = np.where(cut, 0.01, 1.0)
        middle, z = _seen_at(K, poses[found[:, 0]], place)
        beside = (box - np.tile(middle, 2)) * z[:, None]
        line = local_curve(t, beside, trust, at, config.stays_s)
        middle, z = _seen_at(K, poses[shown], place)
        out = np.tile(middle, 2) + line / z[:, None]
    else:
        middle, side = (box[:, :2] + box[:, 2:]) / 2, np.log((box[:, 2:] - box[:, :2]).clip(1))
        turned = K is not None and bool(
            np.isfinite(poses[np.concatenate((found[:, 0], shown))]).all()
        )
        if turned:
            assert K is not None
            ray = np.column_stack((middle, np.ones(len(middle)))) @ np.linalg.inv(K).T
            ray /= np.linalg.norm(ray, axis=1, keepdims=True)
            middle = np.einsum("nij,nj->ni", poses[found[:, 0], :3, :3], ray)
        values = np.concatenate((middle, side), 1)
        line = local_curve(t, values, np.ones_like(values), at, config.moves_s)
        middle, half = line[:, :-2], np.exp(line[:, -2:]) / 2
        if turned:
            assert K is not None
            middle = geometry.project(K, np.einsum("nji,nj->ni", poses[shown, :3, :3], middle))
        out = np.concatenate((middle - half, middle + half), 1)
    return np.asarray(out.clip(0, size))


def _seen_at(K: Float, poses: Float, place: Float) -> tuple[Float, Float]:
    """Pixels ``[N, 2]`` and depths ``[N]`` of one place from many poses."""
    local = np.einsum("nji,nj->ni", poses[:, :3, :3], place - poses[:, :3, 3])
    z = np.maximum(local[:, 2], 0.05)
    return geometry.project(K, np.column_stack((local[:, :2], z))), z


def local_curve(t: Float, values: Float, trust: Float, at: Float, sigma: float) -> Float:
    """Values at other times by a parabola through the neighbours of each (Cleveland, 1979).

    Args:
        t: ``float64 [N]`` seconds.
        values: ``float64 [N, D]``.
        trust: ``float64 [N, D]`` weights.
        at: ``float64 [M]`` seconds.
        sigma: standard deviation of the Gaussian that weighs neighbours, seconds.

    Returns:
        ``float64 [M, D]``. What is off by much is weighed down in a second round.
    """
    off = np.abs(values - _curve(t, values, trust, t, sigma))
    usual = 1.4826 * np.median(off, axis=0) + 1e-9
    return _curve(t, values, trust / (1 + (off / (3 * usual)) ** 2), at, sigma)


def _curve(t: Float, values: Float, trust: Float, at: Float, sigma: float) -> Float:
    """The constant terms of weighted parabolas; few neighbours bend and slope little."""
    since = (t[None] - at[:, None]) / sigma
    near = np.exp(-0.5 * since**2) + 1e-9
    s = [near * since**k @ trust for k in range(5)]
    b = [near * since**k @ (trust * values) for k in range(3)]
    A = np.stack([np.stack([s[i + j] for j in range(3)], -1) for i in range(3)], -2)
    A[..., 1, 1] += 0.05
    A[..., 2, 2] += 0.5
    return np.asarray(np.linalg.solve(A, np.stack(b, -1)[..., None])[..., 0, 0])
