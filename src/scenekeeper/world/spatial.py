"""How likely each relation holds between boxes, many pairs at once; what is stored comes first."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from scenekeeper.geometry import upright_basis
from scenekeeper.world.scene import Scene

Float = NDArray[np.float64]
Ints = NDArray[np.int64]

VIEWED = ("left of", "right of", "behind", "in front of")
"""Relations that depend on who looks."""

_INVERSE = {
    "left of": "right of", "right of": "left of", "behind": "in front of",
    "in front of": "behind", "above": "under", "under": "above", "next to": "next to",
    "attached to": "attached to",
}  # fmt: skip

_CONTACT = 0.05
_FAR = 2.5
"""Metres beyond which a thing is hardly said to be left of or behind another."""


@dataclass(frozen=True, eq=False)
class Space:
    """Boxes of all things of a scene in a level frame, and what is stored about pairs.

    Attributes:
        scene: whose.
        right: ``[3]`` level unit vector to the right of who asks, world frame; ``None`` = unknown.
        ahead: ``[3]`` level unit vector ahead of who asks.
        eye: ``[3]`` where who asks is, metres, world frame.
    """

    scene: Scene
    right: Float | None = None
    ahead: Float | None = None
    eye: Float | None = None

    @classmethod
    def seen(cls, scene: Scene, viewer: Float | None) -> Space:
        """A scene as seen by a camera ``T_world_viewer`` (x right, y down, z forward), if any.

        A camera that looks straight down has the upper side of its picture ahead.
        """
        if viewer is None:
            return cls(scene)
        T = np.asarray(viewer, np.float64)
        right = T[:3, 0] - (T[:3, 0] @ scene.up) * scene.up
        if np.linalg.norm(right) < 1e-3:  # rolled onto its side
            right = np.cross(T[:3, 2], scene.up)
        right = right / max(float(np.linalg.norm(right)), 1e-9)
        return cls(scene, right, np.cross(scene.up, right), T[:3, 3])

    @cached_property
    def center(self) -> Float:
        """``[N, 3]`` in the level frame, metres; the third axis is up."""
        world = np.array([t.center for t in self.scene.things], np.float64).reshape(-1, 3)
        return np.asarray(world @ upright_basis(self.scene.up))

    @cached_property
    def extent(self) -> Float:
        """``[N, 3]`` along the axes of each box, metres."""
        return np.array([t.extent for t in self.scene.things], np.float64).reshape(-1, 3)

    @cached_property
    def axis(self) -> Float:
        """``[N, 2]`` level unit vector along each box's first axis, level frame."""
        first = np.array([t.R_world_box[:, 0] for t in self.scene.things], np.float64)
        level = (first.reshape(-1, 3) @ upright_basis(self.scene.up))[:, :2]
        return np.asarray(level / np.maximum(np.linalg.norm(level, axis=1, keepdims=True), 1e-9))

    @cached_property
    def low(self) -> Float:
        """``[N]`` height of each foot."""
        return np.asarray(self.center[:, 2] - self.extent[:, 2] / 2)

    @cached_property
    def high(self) -> Float:
        """``[N]`` height of each top."""
        return np.asarray(self.center[:, 2] + self.extent[:, 2] / 2)

    @cached_property
    def row(self) -> dict[int, int]:
        """Place of each object id."""
        return {t.object: k for k, t in enumerate(self.scene.things)}

    @cached_property
    def wall(self) -> NDArray[np.bool_]:
        """``[N]`` whether each is a wall."""
        return np.array([t.kind == "wall" for t in self.scene.things], np.bool_)

    @cached_property
    def floor(self) -> NDArray[np.bool_]:
        """``[N]`` whether each is a floor."""
        return np.array([t.phrase == "floor" for t in self.scene.things], np.bool_)

    @cached_property
    def stored(self) -> dict[str, tuple[Ints, Ints, Float]]:
        """By predicate, rows of subjects and objects and scores of what is said to hold still."""
        found: dict[str, list[tuple[int, int, float]]] = {}
        for r in self.scene.relations:
            a, b = self.row.get(r.subject), self.row.get(r.object)
            if a is None or b is None or (r.until_t_ns or np.inf) <= self.scene.t_ns:
                continue
            found.setdefault(r.predicate, []).append((a, b, r.score))
            inverse = _INVERSE.get(r.predicate)
            if inverse is not None:
                found.setdefault(inverse, []).append((b, a, r.score))
        out = {}
        for predicate, rows in found.items():
            pairs = np.array([(a, b) for a, b, _ in rows], np.int64)
            scores = np.array([score for *_, score in rows], np.float64)
            out[predicate] = (pairs[:, 0], pairs[:, 1], scores)
        return out

    @cached_property
    def carrier(self) -> Ints:
        """``[N]`` row of what each is on or in; -1 = unknown."""
        out = np.full(len(self.scene.things), -1)
        for predicate in ("attached to", "on", "in"):
            if predicate in self.stored:
                a, b, score = self.stored[predicate]
                order = np.argsort(score)
                rows = order if predicate != "attached to" else order[self.wall[b[order]]]
                out[a[rows]] = b[rows]
        return out

    # --- relations --------------------------------------------------------------------------------

    def holds(self, predicate: str, a: Ints, b: Ints) -> Float:
        """Probability that ``a predicate b``: rows ``[A]`` and ``[B]`` in, ``[A, B]`` out."""
        if predicate == "holding":
            return np.asarray(np.maximum(self.holds("on", b, a), self.holds("in", b, a)).T)
        said = self._said(predicate, a, b)
        if predicate in VIEWED and self.right is not None:
            out = self._viewed(predicate, a, b)
        elif predicate in VIEWED:
            out = np.nan_to_num(said)
        else:
            out = np.where(np.isnan(said), self._measured(predicate, a, b), said)
        out[a[:, None] == b[None, :]] = 0
        return out

    def between(self, a: Ints, b: Ints, c: Ints) -> Float:
        """Probability ``[A, B, C]`` that each of a is between one of b and one of c."""
        p, q, r = (self.center[k] for k in (a, b, c))
        line = r[None, :] - q[:, None]
        length = np.maximum(np.linalg.norm(line, axis=-1), 1e-6)
        to = p[:, None, None] - q[None, :, None]
        along = (to * line[None]).sum(-1) / length**2
        off = np.linalg.norm(to - along[..., None] * line[None], axis=-1) / length
        out = _step((along - 0.05) / 0.05) * _step((0.95 - along) / 0.05)
        out = out * _step((0.5 - off) / 0.08)
        same = (a[:, None] == b[None])[:, :, None] | (a[:, None] == c[None])[:, None, :]
        same = same | (b[:, None] == c[None])[None]
        return np.asarray(np.where(same, 0, out))

    def _said(self, predicate: str, a: Ints, b: Ints) -> Float:
        """Stored scores ``[A, B]``; NaN = nothing is said of the pair."""
        n = len(self.scene.things)
        at = np.full(n, -1)
        at[a] = np.arange(len(a))
        to = np.full(n, -1)
        to[b] = np.arange(len(b))
        out = np.full((len(a), len(b)), np.nan)
        if predicate in self.stored:
            s, o, score = self.stored[predicate]
            kept = (at[s] >= 0) & (to[o] >= 0)
            np.fmax.at(out, (at[s[kept]], to[o[kept]]), score[kept])
        return out

    def _measured(self, predicate: str, a: Ints, b: Ints) -> Float:
        if predicate in ("on", "in"):
            return self._carried(predicate, a, b)
        if predicate == "attached to":
            return self._attached(a, b)
        if predicate in ("next to", "near"):
            return self._close(predicate, a, b)
        if predicate == "under":
            carries = np.maximum(self._said("on", b, a), 0).T
            return np.fmax(self._below(a, b), 0.9 * np.nan_to_num(carries))
        if predicate == "above":
            rests = np.nan_to_num(self._said("on", a, b))
            return np.maximum(self._below(b, a).T, 0.5 * rests)
        return np.zeros((len(a), len(b)))

    def _carried(self, predicate: str, a: Ints, b: Ints) -> Float:
        """On or in, for pairs of which it is not said."""
        over = self._over(a, b)
        middle = self.center[a, 2][:, None]
        foot, rim = self.low[a][:, None], self.high[b][None]
        within = (
            over * _step((rim - middle) / 0.03) * _step((foot - self.low[b][None] + 0.03) / 0.02)
        )
        smaller = self.extent[a].prod(1)[:, None] < self.extent[b].prod(1)[None]
        if predicate == "in":
            out = np.where(smaller & ~self.wall[b][None], 0.85 * within, 0)
            # What is said to stand on a thing is in it only where it reaches into it.
            on = np.nan_to_num(self._said("on", a, b)) > 0
            out = np.where(on, 0.7 * within, out)
        else:
            gap = np.abs(foot - rim)
            out = 0.9 * over * np.exp(-((gap / _CONTACT) ** 2)) * ~self.wall[b][None]
            # The seat of a chair and the boards of a shelf lie within their boxes.
            tall = self.extent[b, 2]
            seat = self.low[b] + np.maximum(0.2, 0.3 * tall)
            raised = over * _step((foot - seat[None]) / 0.03) * _step((rim - foot) / 0.03)
            out = np.maximum(out, np.where((tall > 0.35)[None] & smaller, 0.65 * raised, 0))
            inside = np.nan_to_num(self._said("in", a, b))
            # Books "in" a bookshelf are on it, as people say; an apple in a bowl hardly is.
            shelf = (self.extent[b, 2] > 0.7)[None]
            out = np.where(inside > 0, np.where(shelf, 0.8, 0.45) * inside, out)
            out = np.maximum(out, self._on_wall(a, b))
        return self._only_carrier(out, a, b)

    def _only_carrier(self, out: Float, a: Ints, b: Ints) -> Float:
        """What is said to be carried by one thing is on another only by way of the first."""
        carrier = self.carrier[a]
        elsewhere = (carrier >= 0)[:, None] & (carrier[:, None] != b[None])
        out = np.where(elsewhere, 0.15 * out, out)
        share, hop = 0.75, carrier
        for _ in range(3):
            hop = np.where(hop >= 0, self.carrier[np.maximum(hop, 0)], -1)
            # All things are on the floor in the end, and nobody means that.
            by_way = (hop[:, None] == b[None]) & (hop >= 0)[:, None] & ~self.floor[b][None]
            out = np.where(by_way, np.maximum(out, share), out)
            share *= 0.75
        return np.asarray(out)

    def _on_wall(self, a: Ints, b: Ints) -> Float:
        return np.where(self.wall[b][None], 0.95 * self.holds("attached to", a, b), 0)

    def _attached(self, a: Ints, b: Ints) -> Float:
        apart, upright = self.gap(a, b)
        free = (self.carrier[a] < 0)[:, None]
        touches = np.exp(-((apart / _CONTACT) ** 2)) * (upright <= 0.02)
        return np.asarray(np.where(self.wall[b][None] & free, 0.7 * touches, 0.1 * touches))

    def _close(self, predicate: str, a: Ints, b: Ints) -> Float:
        apart, upright = self.gap(a, b)
        size = np.minimum(self.extent[a, :2].max(1)[:, None], self.extent[b, :2].max(1)[None])
        limit = 0.25 + 0.2 * np.minimum(size, 2.0)
        if predicate == "near":
            said = np.nan_to_num(self._said("next to", a, b)) > 0
            limit = limit + 0.45
        gap = np.hypot(apart, 1.5 * upright)
        out = 0.9 * _step((limit - gap) / (0.15 * limit))
        carried = (self.carrier[a][:, None] == b[None]) | (self.carrier[b][None] == a[:, None])
        out = np.where(carried, 0.05, out)
        return np.asarray(
            np.where(said, np.maximum(out, 0.95), out) if predicate == "near" else out
        )

    def _below(self, a: Ints, b: Ints) -> Float:
        """Probability that a is beneath b: in its outline and lower, and not standing in it."""
        over = self._over(a, b)
        lower = _step((self.high[b][None] - self.high[a][:, None] - 0.05) / 0.02)
        lower = lower * _step((self.center[b, 2][None] - self.center[a, 2][:, None]) / 0.02)
        inside = np.nan_to_num(self._said("in", a, b)) > 0
        on = np.nan_to_num(self._said("on", a, b)) > 0
        out = 0.9 * over * lower
        return np.asarray(np.where(inside | on | self.wall[b][None], 0, out))

    def _viewed(self, predicate: str, a: Ints, b: Ints) -> Float:
        if self.right is None or self.ahead is None:
            return np.zeros((len(a), len(b)))
        basis = upright_basis(self.scene.up)
        to = self.center[a][:, None] - self.center[b][None]
        across, away = to @ (self.right @ basis), to @ (self.ahead @ basis)
        along, off = (across, away) if predicate in ("left of", "right of") else (away, across)
        along = -along if predicate in ("left of", "in front of") else along
        out = _step((along - 0.02) / 0.04) * _step((1.5 * along - np.abs(off)) / 0.1)
        apart, upright = self.gap(a, b)
        return np.asarray(out * np.exp(-((np.hypot(apart, 2 * upright) / _FAR) ** 2)))

    # --- geometry ---------------------------------------------------------------------------------

    def _over(self, a: Ints, b: Ints) -> Float:
        """How surely the middle of a lies in the outline of b: ``[A, B]``, 0 to 1."""
        x, y = self._in_axes(a, b)
        half = self.extent[b, :2] / 2 + 0.02
        out = _step((half[None, :, 0] - np.abs(x)) / 0.01)
        return np.asarray(out * _step((half[None, :, 1] - np.abs(y)) / 0.01))

    def _in_axes(self, a: Ints, b: Ints) -> tuple[Float, Float]:
        """From the middle of b to that of a, along b's level axes."""
        to = self.center[a, :2][:, None] - self.center[b, :2][None]
        first = self.axis[b][None]
        x = (to * first).sum(-1)
        y = to[..., 1] * first[..., 0] - to[..., 0] * first[..., 1]
        return x, y

    def gap(self, a: Ints, b: Ints) -> tuple[Float, Float]:
        """Metres between outlines and between heights, ``[A, B]`` each; 0 where they overlap.

        Of outlines the larger of the distances along the axes of either box: exact where sides
        face one another, a little short where corners do.
        """
        ab, ba = self._apart(a, b), self._apart(b, a).T
        upright = np.maximum(
            self.low[a][:, None] - self.high[b][None], self.low[b][None] - self.high[a][:, None]
        )
        return np.maximum(ab, ba), np.maximum(upright, 0)

    def _apart(self, a: Ints, b: Ints) -> Float:
        x, y = self._in_axes(a, b)
        cos = np.abs((self.axis[a][:, None] * self.axis[b][None]).sum(-1))
        sin = np.sqrt(np.clip(1 - cos**2, 0, 1))
        w, d = self.extent[a, 0][:, None] / 2, self.extent[a, 1][:, None] / 2
        half = self.extent[b, :2] / 2
        dx = np.abs(x) - half[None, :, 0] - (w * cos + d * sin)
        dy = np.abs(y) - half[None, :, 1] - (w * sin + d * cos)
        return np.asarray(np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)))


def _step(x: Float) -> Float:
    return np.asarray(1 / (1 + np.exp(-np.clip(2.2 * x, -40, 40))))
