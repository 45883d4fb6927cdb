"""The transform tree of a robot: which frame hangs on which, and where, over time.

In: :class:`~scenekeeper.recording.messages.Transform` records. Out: the poses of a frame in its
root frame, interpolated edge by edge; a chain with one moving edge keeps that edge's exact numbers
when nothing else is between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekeeper.geometry import interpolate_poses, nearest
from scenekeeper.recording.columns import TimedRows
from scenekeeper.recording.messages import Transform

Float = NDArray[np.float64]
Times = NDArray[np.int64]

WORLD_FRAMES = ("map", "odom", "world")
IDENTITY = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Edge:
    """``T_parent_child`` over time.

    Attributes:
        parent: frame it hangs on.
        child: the frame itself.
        t_ns: ``int64 [N]`` ascending.
        poses: ``float64 [N, 7]``.
        static: valid always, whatever its time.
    """

    parent: str
    child: str
    t_ns: Times
    poses: Float
    static: bool

    @property
    def moves(self) -> bool:
        """Whether it has to be evaluated at a time."""
        return not self.static and len(self.t_ns) > 1


Tree = Mapping[str, Edge]
"""The edge above each frame."""


def moving_edges(poses: Mapping[tuple[str, str], TimedRows]) -> list[Edge]:
    """Edges over time from poses by parent and child."""
    return [Edge(*edge, *rows.in_time(), static=False) for edge, rows in poses.items()]


def static_edges(transforms: Iterable[Transform]) -> list[Edge]:
    """Edges that always hold, one per transform."""
    return [
        Edge(t.parent, t.child, np.array([t.t_ns], np.int64), np.array([t.pose], np.float64), True)
        for t in transforms
    ]


def make_tree(edges: Iterable[Edge]) -> tuple[Tree, tuple[str, ...]]:
    """The tree, and the names of frames that hang on several parents.

    Such a frame keeps the parent with the most transforms.
    """
    tree: dict[str, Edge] = {}
    torn = []
    for edge in sorted(edges, key=lambda edge: -len(edge.t_ns)):
        if edge.child in tree:
            torn.append(edge.child)
        elif edge.child != edge.parent:
            tree[edge.child] = edge
    return tree, tuple(sorted(set(torn)))


def chain_to_world(tree: Tree, frame: str) -> list[Edge]:
    """Edges from the world down to a frame; empty when the frame hangs on nothing.

    The world is the highest ancestor called map, odom or world, else the highest of all.
    """
    chain = _ancestry(tree, frame)
    while len(chain) > 1 and not is_world(chain[0].parent) and _names_world(chain[1:]):
        chain = chain[1:]
    return chain


def is_world(frame: str) -> bool:
    """Whether a frame's name, without namespace, is that of a world frame."""
    return frame.rpartition("/")[2] in WORLD_FRAMES


def chain_times(chain: Sequence[Edge]) -> Times:
    """Times at which a chain changes while all of its moving edges are known; empty if none move.

    Of two edges at 50 Hz and 10 Hz these are all the times of both, within their common span.
    """
    moving = [edge.t_ns for edge in chain if edge.moves]
    if not moving:
        return np.zeros(0, np.int64)
    times = moving[0] if len(moving) == 1 else np.unique(np.concatenate(moving))
    first, last = max(t[0] for t in moving), min(t[-1] for t in moving)
    return np.asarray(times[(times >= first) & (times <= last)], np.int64)


def chain_poses(chain: Sequence[Edge], at_ns: Times) -> tuple[Float, Times]:
    """Poses of the chain's last frame in its first, and how far from data they are.

    Returns:
        ``float64 [M, 7]`` poses, linear in position and spherical in rotation between samples, and
        ``int64 [M]`` distances in time to the nearest sample of the edge that is farthest away.
    """
    poses = np.tile(np.array(IDENTITY), (len(at_ns), 1))
    residual = np.zeros(len(at_ns), np.int64)
    for k, edge in enumerate(chain):
        if edge.moves:
            part = interpolate_poses(edge.t_ns, edge.poses, at_ns)
            away = np.abs(edge.t_ns[nearest(edge.t_ns, at_ns)] - at_ns)
            residual = np.maximum(residual, away)
        else:
            part = np.tile(edge.poses[-1], (len(at_ns), 1))
        poses = part if k == 0 else compose(poses, part)
    return poses, residual


def relative_pose(tree: Tree, frame: str, other: str, at_ns: int) -> Float | None:
    """``T_frame_other`` as ``[7]`` at one time; ``None`` when the tree does not connect them."""
    up, down = _ancestry(tree, frame), _ancestry(tree, other)
    roots = (up[0].parent if up else frame, down[0].parent if down else other)
    if roots[0] != roots[1]:
        return None
    while up and down and up[0] is down[0]:  # what both share cancels
        up, down = up[1:], down[1:]
    at = np.array([at_ns], np.int64)
    a, b = chain_poses(up, at)[0], chain_poses(down, at)[0]
    return np.asarray((compose(inverse(a), b) if up else b)[0], np.float64)


def compose(a: Float, b: Float) -> Float:
    """Poses ``[N, 7]`` one after the other: ``T_x_y`` and ``T_y_z`` to ``T_x_z``."""
    qa, qb = _unit(a[:, 3:]), _unit(b[:, 3:])
    return np.concatenate((a[:, :3] + _rotate(qa, b[:, :3]), _multiply(qa, qb)), 1)


def inverse(a: Float) -> Float:
    """Inverses of poses ``[N, 7]``."""
    q = _unit(a[:, 3:]) * (-1, -1, -1, 1)
    return np.concatenate((-_rotate(q, a[:, :3]), q), 1)


def _ancestry(tree: Tree, frame: str) -> list[Edge]:
    chain: list[Edge] = []
    seen = {frame}
    while frame in tree:
        chain.append(tree[frame])
        frame = tree[frame].parent
        if frame in seen:  # frames in a ring have no root
            break
        seen.add(frame)
    return chain[::-1]


def _names_world(chain: Sequence[Edge]) -> bool:
    return any(is_world(edge.parent) for edge in chain)


def _multiply(a: Float, b: Float) -> Float:
    (ax, ay, az, aw), (bx, by, bz, bw) = a.T, b.T
    return np.stack(
        (
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
            aw * bw - ax * bx - ay * by - az * bz,
        ),
        1,
    )


def _rotate(q: Float, v: Float) -> Float:
    twice = 2 * np.cross(q[:, :3], v)
    return np.asarray(v + q[:, 3:] * twice + np.cross(q[:, :3], twice), np.float64)


def _unit(q: Float) -> Float:
    return np.asarray(q / np.linalg.norm(q, axis=1, keepdims=True), np.float64)
