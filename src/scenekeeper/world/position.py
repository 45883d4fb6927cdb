"""Where is it, and how surely? Centre and extent with a covariance that can be believed.

In: per view the centroid of what was seen and where from; the box of all cells; the sides it was
seen from. Out: a centre with a covariance ``[3, 3]``. Noise of single views averages out. Errors of
the session's poses do not, so more views of one session stop helping; and what no view has shown of
an object shifts its box by an unknown amount.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]

_VAGUE = 1e4
"""Square metres: the variance of a place that nothing is known of."""


@dataclass(frozen=True)
class PositionConfig:
    """Sizes of errors.

    Attributes:
        depth_noise: standard deviation of a view's depth over its square, 1/m. Structured light and
            stereo err with the square of depth; 1.5 mm at 1 m when calibrated well (Khoshelham and
            Elberink, 2012), twice that as bought.
        pixel_noise: standard deviation of a mask's middle, pixels.
        pose_shift: of a session's poses, metres; shared by all its views.
        pose_turn: of a session's poses, radians; shared likewise.
        cell: edge of the cells whose box gives centre and extent, metres.
        shown: a face counts as seen when the line of sight makes this cosine with its normal.
        edge: a face that is not seen is known where something was seen across, its line of sight
            within this cosine of the face's plane.
        unseen: how much an unseen part may add to an extent, at least, share of the other extents.
        rounding: standard deviation of a face that was seen, share of the extent: masks stop short
            of edges, and round things turn away.

    ``unseen`` and ``rounding`` were chosen on simulated boxes, cylinders and ellipsoids (seed 100
    of ``benchmarks/placed_things.py``) and measured on others.
    """

    depth_noise: float = 0.003
    pixel_noise: float = 1.5
    pose_shift: float = 0.01
    pose_turn: float = 0.005
    cell: float = 0.025
    shown: float = 0.25
    edge: float = 0.3
    unseen: float = 0.2
    rounding: float = 0.04


@dataclass(frozen=True, eq=False)
class Positions:
    """What one session's views say of N objects' places: information filters.

    Attributes:
        information: ``float64 [N, 3, 3]`` inverse covariance of independent noise.
        weighted: ``float64 [N, 3]`` information times centroid.
        reach: ``float64 [N]`` sum of distances to the camera,
        views: ``float64 [N]`` and number of views.
    """

    information: Float
    weighted: Float
    reach: Float
    views: Float

    @classmethod
    def new(cls, n: int) -> Positions:
        """Nothing is known of n objects."""
        return cls(np.zeros((n, 3, 3)), np.zeros((n, 3)), np.zeros(n), np.zeros(n))


@dataclass(frozen=True, eq=False)
class Placed:
    """Estimates of N places.

    Attributes:
        center: ``float64 [N, 3]`` metres, world frame; 0 where nothing is known.
        covariance: ``float64 [N, 3, 3]`` square metres; very large where nothing is known.
    """

    center: Float
    covariance: Float

    @property
    def std(self) -> Float:
        """Standard deviations ``float64 [N, 3]`` along the world's axes."""
        return np.asarray(np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2)), np.float64)


def observe(
    state: Positions,
    objects: Int,
    centroid: Float,
    camera: Float,
    focal: float,
    config: PositionConfig,
) -> Positions:
    """Add one frame's centroids.

    Args:
        state: of N objects; not changed.
        objects: ``int64 [K]`` rows, each at most once.
        centroid: ``[K, 3]`` middle of what the view showed, metres, world frame.
        camera: ``[3]`` the camera's place.
        focal: of the image, pixels.
        config: sizes of errors.
    """
    sight = np.asarray(centroid, np.float64) - camera
    distance = np.maximum(np.linalg.norm(sight, axis=1), 1e-6)
    along = (config.depth_noise * distance**2) ** 2 + 1e-8
    across = (config.pixel_noise * distance / focal) ** 2 + 1e-8
    ray = sight / distance[:, None]
    outer = ray[:, :, None] * ray[:, None, :]
    precise = outer / along[:, None, None] + (np.eye(3) - outer) / across[:, None, None]
    information, weighted = state.information.copy(), state.weighted.copy()
    reach, views = state.reach.copy(), state.views.copy()
    information[objects] += precise
    weighted[objects] += np.einsum("kij,kj->ki", precise, np.asarray(centroid, np.float64))
    reach[objects] += distance
    views[objects] += 1
    return Positions(information, weighted, reach, views)


def session_estimate(state: Positions, config: PositionConfig) -> Placed:
    """Mean centroids with the session's shared errors of pose, which no number of views lessens."""
    known = state.views > 0
    noise = np.tile(_VAGUE * np.eye(3), (len(known), 1, 1))
    noise[known] = np.linalg.inv(state.information[known])
    center = np.zeros_like(state.weighted)
    center[known] = np.einsum("kij,kj->ki", noise[known], state.weighted[known])
    distance = state.reach / np.maximum(state.views, 1)
    pose = config.pose_shift**2 + (config.pose_turn * distance) ** 2
    return Placed(center, noise + pose[:, None, None] * np.eye(3))


def combine(a: Placed, b: Placed) -> Placed:
    """Of two sessions, whose errors are independent; the order is of no importance."""
    first, second = np.linalg.inv(a.covariance), np.linalg.inv(b.covariance)
    covariance = np.linalg.inv(first + second)
    pull = np.einsum("kij,kj->ki", first, a.center) + np.einsum("kij,kj->ki", second, b.center)
    return Placed(np.einsum("kij,kj->ki", covariance, pull), covariance)


# --- boxes ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Boxed:
    """A box and how surely it is known.

    Attributes:
        center: ``float64 [3]`` metres, world frame.
        covariance: ``float64 [3, 3]`` of the centre, world axes.
        extent: ``float64 [3]`` metres along the box's axes.
        extent_std: ``float64 [3]``.
    """

    center: Float
    covariance: Float
    extent: Float
    extent_std: Float


def box_estimate(
    center: Float,
    extent: Float,
    R_world_box: Float,
    towards: Float,
    noise: Float,
    config: PositionConfig,
    resting: bool = True,
    cut: NDArray[np.bool_] | None = None,
) -> Boxed:
    """The whole object's box from the box of the cells that were seen.

    The middle of a visible surface lies before the object's middle, so not the centroid but the box
    is taken. Where no view has shown a face, the box may go on behind: by anything up to what the
    other extents let expect; half of that is added, and its spread stated.

    Args:
        center: ``[3]`` of the cells' box, metres, world frame.
        extent: ``[3]`` of the cells' box.
        R_world_box: ``[3, 3]``, the third axis up.
        towards: ``[V, 3]`` from object to camera, one per view or per side, any length, world axes.
        noise: ``[3, 3]`` covariance of the place, see :func:`session_estimate`.
        config: sizes of errors.
        resting: the foot is known although no view shows it, as things stand on what is seen.
        cut: ``bool [3, 2]`` faces (axis; low, high) that all pictures end at: the box may go on by
            as much as was seen of it, as when the end of the picture fell anywhere on the object.
            ``None`` = none is.
    """
    R = np.asarray(R_world_box, np.float64)
    extent = np.asarray(extent, np.float64)
    towards = np.asarray(towards, np.float64)
    hidden = ~_known_faces(towards @ R, config)
    if resting:
        hidden[2, 0] = False
    others = np.array([np.delete(extent, axis).max() for axis in range(3)])
    others[:2] = extent[1::-1]  # of level axes, how far the other goes says most
    room = np.repeat(np.maximum(others - extent, config.unseen * others)[:, None], 2, 1)
    seen_behind = _shadows(towards @ R, extent[2]) if resting else np.full((3, 2), np.inf)
    if cut is None:
        cut = np.zeros((3, 2), np.bool_)
    room = np.where(cut, np.maximum(room, extent[:, None]), np.minimum(room, seen_behind))
    hidden |= cut
    add = 0.5 * room * hidden
    low, high = -extent / 2 - add[:, 0], extent / 2 + add[:, 1]
    seen = config.cell**2 / 12 + (config.rounding * extent) ** 2
    face = (room * hidden) ** 2 / 6 + seen[:, None]
    spread = R @ np.diag(face.sum(1) / 4) @ R.T
    edges = np.diag(R.T @ noise @ R)
    return Boxed(
        np.asarray(center, np.float64) + R @ ((low + high) / 2),
        np.asarray(noise, np.float64) + spread,
        high - low,
        np.asarray(np.sqrt(face.sum(1) + edges), np.float64),
    )


def _shadows(towards: Float, height: float) -> Float:
    """How far a thing may go on beyond each of its faces, ``[3, 2]`` (axis; low, high), metres.

    Seen from above, what it stands on shows right behind what a thing of this height hides of it.
    """
    out = np.full((3, 2), np.inf)
    from_above = towards[towards[:, 2] > 1e-3 * np.linalg.norm(towards, axis=1)]
    if len(from_above):
        length = height * from_above[:, :2] / from_above[:, 2:]
        out[:2] = np.maximum(np.stack((length.min(0), (-length).min(0)), 1), 0)
    return out


def _known_faces(towards: Float, config: PositionConfig) -> NDArray[np.bool_]:
    """Which faces ``bool [3, 2]`` (axis; low, high) were seen or seen across, in the box's axes."""
    unit = towards / np.maximum(np.linalg.norm(towards, axis=1, keepdims=True), 1e-9)
    across = (np.abs(unit) < config.edge).any(0)
    low, high = (unit < -config.shown).any(0), (unit > config.shown).any(0)
    return np.stack((low | across, high | across), 1)
