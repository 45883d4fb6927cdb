"""Where a new visit lies on the map: found again, or refused; a wrong answer is worse than none.

In: the surfaces of the map and of a session, each in metres in its own frame. Out: the pose of the
session's frame in the map's, with how sure it is and why. The frames may be the same already; else
global registration proposes, local registration refines, and gates decide (:func:`_gate`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scenekeeper.geometry import invert, transform
from scenekeeper.world.agreement import (
    Cloud,
    Fit,
    both_ways,
    level,
    rivals,
    sketched,
    thinned,
)
from scenekeeper.world.refine import (
    ICP_SPACING,
    REACH,
    Refined,
    Target,
    checked,
    icp,
    left_over,
    prepared,
    refine,
)

__all__ = ["AlignConfig", "Alignment", "Refined", "Target", "align", "refine"]

Float = NDArray[np.float64]
How = Literal["same frame", "relocated", "refused", "unavailable"]
Veto = Callable[[Float], str | None]
Confirm = Callable[[Float], bool]

EXTRA = ("kiss_matcher", "small_gicp")
REMEDY = "pip install 'scenekeeper[reloc]'"

_FEWEST = 300
_SEARCH = 0.3
_SAME = 0.1
_SKETCH_SPACING = 0.1
_WORTH = 0.3
_UNKNOWN = (float("inf"), float("inf"))


@dataclass(frozen=True)
class AlignConfig:
    """What counts as an answer; lengths in metres, angles in radians.

    Attributes:
        reach: a point lies on the other surface within this; voxels, depth noise and the poses of
            two visits add up to 2 to 3 cm.
        min_overlap: share of the smaller cloud that the other visit had in view; with less, a
            corner of any room fits a corner of any other.
        min_score: agreement of what both saw (:attr:`Fit.score`), walls and small things alike.
        same_overlap: instead of ``min_overlap`` where the frames agree as they are: nothing was
            searched, so no corner was found that fits by chance.
        max_rival: share of the answer's explained surface that a clearly different pose may
            explain; above, the room is too symmetric to tell.
        max_tilt: by which the two gravity directions may disagree.
        max_std: standard deviation of the position; a corridor leaves its length open.
        resolutions: voxel sizes of global registration, in the order in which they are tried.
    """

    reach: float = REACH
    min_overlap: float = 0.6
    min_score: float = 0.64
    same_overlap: float = 0.4
    max_rival: float = 0.85
    max_tilt: float = np.radians(3.0)
    max_std: float = 0.03
    resolutions: tuple[float, ...] = (0.1, 0.15, 0.07, 0.2)


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where a session lies on the map.

    Attributes:
        T_map_session: ``float64 [4, 4]``; the best guess, also when it was refused.
        inliers: share of the surface that both saw on which they agree, 0 to 1.
        accepted: whether it may be used.
        std: standard deviations of position, in metres at the middle of the session, and of
            rotation, in radians.
        how: ``same frame``, ``relocated``, ``refused``, or ``unavailable`` where the packages that
            could have found it are not installed.
        reason: one sentence for people.
    """

    T_map_session: Float
    inliers: float
    accepted: bool
    std: tuple[float, float]
    how: How
    reason: str


def align(
    map_points: NDArray[Any],
    session_points: NDArray[Any],
    *,
    up_map: NDArray[Any] | None = None,
    up_session: NDArray[Any] | None = None,
    veto: Veto | None = None,
    confirm: Confirm | None = None,
    config: AlignConfig | None = None,
) -> Alignment:
    """Lay a session onto the map, or refuse to.

    Repeated calls agree to better than a millimetre, not to the last bit: threads of kiss-matcher
    race, and the refinement forgets most of it.

    Args:
        map_points: ``[N, 3]`` surface voxels, metres, map frame.
        session_points: ``[M, 3]`` surface voxels, metres, session frame.
        up_map: ``[3]`` away from gravity in the map's frame.
        up_session: the same in the session's frame; with both, only turns about gravity are
            searched, which finds more and errs less.
        veto: given ``T_map_session``, why it cannot be, or ``None``; for knowledge that surfaces
            lack, such as free space or a place label.
        confirm: given ``T_map_session`` of frames that are the same, whether it must be so although
            too little of the surfaces agrees; see :func:`scenekeeper.world.confirm.confirmed`.
        config: the gates.

    Raises:
        ValueError: points or directions of another shape.
    """
    config = config or AlignConfig()
    task = _Task(
        checked(map_points, "map_points"),
        checked(session_points, "session_points"),
        _direction(up_map, "up_map"),
        _direction(up_session, "up_session"),
        veto,
        confirm,
        config,
    )
    if min(len(task.map), len(task.session)) < _FEWEST:
        return Alignment(
            np.eye(4), 0.0, False, _UNKNOWN, "refused", "There is too little surface to compare."
        )
    tried: list[_Judged] = []
    for proposal in _proposals(task):
        tried.append(_judge(task, proposal))
        if tried[-1].confirmed:
            return _answer(task, tried[-1:])
        if tried[-1].problem is None:
            break
    best = max(tried, key=lambda judged: judged.rank)
    tried += [_judge(task, other) for other in rivals(task.map, task.session, best.T, task.up)]
    return _answer(task, tried)


# --- one attempt ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Task:
    """Both clouds, each about its own middle and upright where up is known."""

    map_points: Float
    session_points: Float
    up_map: Float | None
    up_session: Float | None
    veto: Veto | None
    confirm: Confirm | None
    config: AlignConfig

    @property
    def upright(self) -> bool:
        """Whether gravity is known in both frames."""
        return self.up_map is not None and self.up_session is not None

    @cached_property
    def T_local_map(self) -> Float:
        return _about_middle(self.map_points, self.up_map if self.upright else None)

    @cached_property
    def T_local_session(self) -> Float:
        return _about_middle(self.session_points, self.up_session if self.upright else None)

    @cached_property
    def map(self) -> Cloud:
        return Cloud.of(transform(self.T_local_map, self.map_points))

    @cached_property
    def session(self) -> Cloud:
        return Cloud.of(transform(self.T_local_session, self.session_points))

    @cached_property
    def target(self) -> Target:
        return Target(self.map, *prepared(thinned(self.map.points, ICP_SPACING)))

    @cached_property
    def source(self) -> Any:
        return prepared(thinned(self.session.points, ICP_SPACING))[0]

    @cached_property
    def sketch(self) -> Any:
        """A few points of the session, to try poses quickly."""
        return prepared(thinned(self.session.points, _SKETCH_SPACING))[0]

    @cached_property
    def up(self) -> Float:
        """Up in the local frame of the map; without gravity, what most of it faces."""
        return np.array([0, 0, 1.0]) if self.upright else _commonest(self.map.normals)

    @cached_property
    def equipped(self) -> bool:
        """Whether the packages that search and refine are installed."""
        return all(find_spec(name) is not None for name in EXTRA)

    def outside(self, T: Float) -> Float:
        """``T_map_session`` of a pose between the local frames."""
        return np.asarray(invert(self.T_local_map) @ T @ self.T_local_session, np.float64)


@dataclass(frozen=True, eq=False)
class _Judged:
    """One pose between the local frames, and what speaks against it."""

    T: Float
    shared: Fit
    std: tuple[float, float]
    same_frame: bool
    problem: str | None
    confirmed: bool = False

    @property
    def rank(self) -> float:
        return self.shared.overlap * self.shared.score


def _proposals(task: _Task) -> Iterator[Float]:
    """The frames as they are; then what global registration finds at each resolution."""
    yield task.T_local_map @ invert(task.T_local_session)
    if not task.equipped:
        return
    from kiss_matcher import KISSMatcher, KISSMatcherConfig

    clouds = [thinned(c.points, ICP_SPACING).astype(np.float32) for c in (task.session, task.map)]
    for size in task.config.resolutions:
        matcher = KISSMatcher(KISSMatcherConfig(size, use_quatro=task.upright))
        found = matcher.estimate(*clouds)
        R, t = np.asarray(found.rotation), np.asarray(found.translation).ravel()
        if np.isfinite(R).all() and np.isfinite(t).all() and np.linalg.det(R) > 0.5:
            T = np.eye(4)
            T[:3, :3], T[:3, 3] = R, t
            yield T


def _judge(task: _Task, proposal: Float) -> _Judged:
    """Refine a proposal and say what speaks against it; hopeless ones quickly."""
    reach, T, std = task.config.reach, proposal, _UNKNOWN
    if task.equipped:
        T = icp(task.target, task.sketch, proposal, _SEARCH)
    share = sketched(task.map, task.session, T, 2 * reach)
    shared = Fit(1.0, share, share)
    if share >= _WORTH:
        T = icp(task.target, task.source, T, _SEARCH / 3) if task.equipped else T
        shared = both_ways(task.map, task.session, T, reach)
        _, std = left_over(task.map, task.session.points, T, reach)
    metres, radians = _apart(T, task.T_local_map @ invert(task.T_local_session))
    same = metres < _SAME and radians < task.config.max_tilt
    tilted, vetoed = _tilted(task, T), task.veto(task.outside(T)) if task.veto else None
    unlike = _unlike(task, shared, std, same)
    in_doubt = unlike and same and not (tilted or vetoed)
    if in_doubt and task.confirm and task.confirm(task.outside(T)):
        return _Judged(T, shared, std, same, None, confirmed=True)
    return _Judged(T, shared, std, same, tilted or unlike or vetoed)


def _tilted(task: _Task, T: Float) -> str | None:
    if task.upright and np.arccos(np.clip(T[2, 2], -1, 1)) > task.config.max_tilt:
        return "the best fit would tilt one of them out of plumb"
    return None


def _unlike(task: _Task, shared: Fit, std: tuple[float, float], same: bool) -> str | None:
    """What of the surfaces speaks against a pose, or ``None``."""
    config = task.config
    overlap = config.same_overlap if same else config.min_overlap
    if shared.overlap < overlap:
        return f"only {shared.overlap:.0%} of the smaller one was in view of the other"
    if shared.score < config.min_score:
        return f"only {shared.score:.0%} of what both saw agrees"
    if not std[0] <= config.max_std:
        return "what both saw leaves a direction open, as along a corridor"
    return None


def _answer(task: _Task, tried: list[_Judged]) -> Alignment:
    """The best of all, unless something speaks against it or for another."""
    best = max(tried, key=lambda judged: (judged.problem is None, judged.rank))
    others = [j.rank for j in tried if _clearly_apart(task, j.T, best.T)]
    # In frames that are the same the answer is the likeliest beforehand: it must only not lose.
    most = best.rank * (1.0 if best.same_frame else task.config.max_rival)
    problem = best.problem
    if problem is None and max(others, default=0.0) > most:
        problem = "another place on the map fits nearly as well"
    T, inliers = task.outside(best.T), best.shared.inliers
    if problem is None:
        how: How = "same frame" if best.same_frame else "relocated"
        where = "in the map's own frame" if best.same_frame else "found on the map"
        reason = f"The session was {where}: {inliers:.0%} of what both saw agrees."
        return Alignment(T, inliers, True, best.std, how, reason)
    if not task.equipped:
        reason = f"The session is not in the map's frame ({problem}); to search for it, {REMEDY}."
        return Alignment(T, inliers, False, best.std, "unavailable", reason)
    return Alignment(T, inliers, False, best.std, "refused", f"Not placed on the map: {problem}.")


# --- parts ----------------------------------------------------------------------------------------


def _about_middle(points: Float, up: Float | None) -> Float:
    """Into a frame about the middle of points, its third axis up where that is known."""
    T = np.eye(4)
    if up is not None:
        T[:3, :3] = level(up)
    T[:3, 3] = -T[:3, :3] @ points.mean(0)
    return T


def _commonest(normals: Float) -> Float:
    """The direction that most normals share, of a sample."""
    sample = normals[:: max(1, len(normals) // 500)]
    votes = (np.abs(sample @ sample.T) > np.cos(np.radians(10))).sum(1)
    return np.asarray(sample[int(np.argmax(votes))], np.float64)


def _apart(a: Float, b: Float) -> tuple[float, float]:
    """How differently two poses place the session: metres at its middle, and radians."""
    turn = a[:3, :3].T @ b[:3, :3]
    angle = np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))
    return float(np.linalg.norm(a[:3, 3] - b[:3, 3])), float(angle)


def _clearly_apart(task: _Task, a: Float, b: Float) -> bool:
    metres, radians = _apart(a, b)
    return metres > 2 * _SEARCH or radians > 5 * task.config.max_tilt


def _direction(up: NDArray[Any] | None, name: str) -> Float | None:
    if up is None:
        return None
    up = np.asarray(up, np.float64)
    if up.shape != (3,) or not np.linalg.norm(up) > 0:
        raise ValueError(f"{name} must be a direction [3], not {up}")
    return np.asarray(up / np.linalg.norm(up), np.float64)
