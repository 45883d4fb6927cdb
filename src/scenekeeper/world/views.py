"""Relations that depend on who looks: left of, right of, in front of, behind.

In: solids and the pose of a viewer. Out: relations that name the view as their frame. Bearing and
distance are measured from the viewer over level ground, whatever way the camera is tilted: what is
behind another is farther along the same line of sight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from scenekeeper.schema import Relation
from scenekeeper.world.solids import WAYS, Solid, gaps

Float = NDArray[np.float64]

NEAR = 0.6
"""Metres between the outlines of things that are spoken of together."""

_SOFT = 0.15
_WIDEST = 1.5


def view_frame(session: str, frame_id: int) -> str:
    """The name of a view, as :class:`~scenekeeper.schema.Relation` has it."""
    return f"view {session}/{frame_id}"


def relate_in_view(
    solids: Sequence[Solid], T_frame_camera: Float, frame: str, ids: Sequence[int] | None = None
) -> list[Relation]:
    """How things that are near each other lie to one another for a viewer.

    Each pair is spoken of once, with the lower id first, and by the one direction that says more:
    to the side or in depth. Structure, sheets of wall size and what carries the other are left out.

    Args:
        solids: in a frame whose third axis is up.
        T_frame_camera: ``float64 [4, 4]`` pose of the viewer in that frame, z forward, x right.
        frame: what the view is called; see :func:`view_frame`.
        ids: what is in view; what is before the camera, when absent.

    Returns:
        Sorted by subject and object.
    """
    eye, ahead = T_frame_camera[:3, 3], T_frame_camera[:3, 2]
    shown = [s for s in solids if _counts(s) and (ids is None or s.object in ids)]
    if ids is None:
        shown = [s for s in shown if (_middle(s) - eye) @ ahead > 0.1]
    shown.sort(key=lambda s: s.object)
    return [r for r in (_seen(a, b, eye, frame) for a, b in _pairs(shown)) if r is not None]


def _counts(s: Solid) -> bool:
    return s.kind in ("thing", "flat") and s.width < _WIDEST


def _middle(s: Solid) -> Float:
    return np.asarray((s.low + s.high) / 2, np.float64)


def _pairs(shown: Sequence[Solid]) -> Iterator[tuple[Solid, Solid]]:
    """Pairs with little between and neither above the other."""
    if len(shown) < 2:
        return
    reach = np.array([s.outline for s in shown])
    middle = np.array([_middle(s)[:2] for s in shown])
    near = max(s.width for s in shown) + NEAR
    from scipy.spatial import cKDTree

    pairs = cKDTree(middle).query_pairs(near, output_type="ndarray")
    i, j = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))].T
    gap = gaps(reach[i], reach[j])
    for k in np.flatnonzero((gap > -0.02) & (gap < NEAR)).tolist():
        yield shown[i[k]], shown[j[k]]


def _seen(a: Solid, b: Solid, eye: Float, frame: str) -> Relation | None:
    """The one thing to say of a and b, or nothing where no direction stands out."""
    to_a, to_b = (_middle(s)[:2] - eye[:2] for s in (a, b))
    far = float(np.linalg.norm(to_a) + np.linalg.norm(to_b)) / 2
    if far < 0.1:
        return None
    forth = (to_a + to_b) / max(float(np.linalg.norm(to_a + to_b)), 1e-9)
    right = np.array([forth[1], -forth[0]])
    aside = _apart(a, b, right, float((to_a - to_b) @ right))
    deep = _apart(a, b, forth, float(np.linalg.norm(to_a) - np.linalg.norm(to_b)))
    if max(abs(aside), abs(deep)) < 1e-3:
        return None
    side = abs(aside) >= abs(deep)
    by = aside if side else deep
    words = ("left of", "right of") if side else ("in front of", "behind")
    lead = (abs(by) - abs(deep if side else aside)) / max(abs(by), 1e-9)
    score = 1 / (1 + np.exp(-(abs(by) - 0.3) / _SOFT)) * (0.5 + 0.5 * lead)
    if score < 0.3:
        return None
    return Relation(a.object, words[int(by > 0)], b.object, float(score), frame=frame)


def _apart(a: Solid, b: Solid, way: Float, offset: float) -> float:
    """An offset in units of how far both reach that way: beyond 1 they do not overlap in it."""
    return offset / max((_reach(a, way) + _reach(b, way)) / 2, 1e-3)


def _reach(s: Solid, way: Float) -> float:
    """How wide a thing is along a level direction, metres."""
    k = int((way @ WAYS).argmax())
    return float(s.outline[k] + s.outline[(k + 16) % 32])
