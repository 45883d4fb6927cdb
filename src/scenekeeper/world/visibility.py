"""Could an object be seen, and was its place empty? Samples of its surface against depth images.

In: up to 48 points of each object's surface, a depth image with its pose. Out: per object how many
points lie on the seen surface, are seen through, are hidden, or are out of view. Existence, change
and decay all rest on this one test.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.voxels import voxel_centers

Float = NDArray[np.float64]

AT_MOST = 48
"""Samples of one object; more change its verdict little and cost in proportion."""


@dataclass(frozen=True)
class SightConfig:
    """When a sample counts as on, behind or before the seen surface; metres.

    Attributes:
        near: least depth that cameras measure.
        far: depth beyond which noise outgrows the tolerance.
        slack: tolerance at depth 0: half a voxel and a pose error of a few centimetres.
        slope: and what is added per metre of depth.
    """

    near: float = 0.15
    far: float = 4.0
    slack: float = 0.04
    slope: float = 0.01


@dataclass(frozen=True, eq=False)
class Samples:
    """Points on the surfaces of N objects, one object after the other.

    Attributes:
        points: ``float64 [P, 3]`` metres, world frame.
        start: ``int64 [N + 1]``; object n owns rows ``start[n]`` to ``start[n + 1]``.
    """

    points: Float
    start: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.start) - 1

    @classmethod
    def of_points(cls, surfaces: Sequence[Float], at_most: int = AT_MOST) -> Samples:
        """Evenly chosen rows of each object's points ``[*, 3]``."""
        kept = [np.asarray(s, np.float64)[_evenly(len(s), at_most)] for s in surfaces]
        start = np.concatenate(([0], np.cumsum([len(k) for k in kept]))).astype(np.int64)
        points = np.concatenate(kept) if kept else np.zeros((0, 3))
        return cls(np.ascontiguousarray(points, np.float64), start)

    @classmethod
    def of_cells(
        cls, cells: Sequence[NDArray[np.int64]], size: float, at_most: int = AT_MOST
    ) -> Samples:
        """Centres of some of each object's cells: ascending keys, edge ``size`` metres."""
        chosen = [keys[_evenly(len(keys), at_most)] for keys in cells]
        return cls.of_points([voxel_centers(keys, size) for keys in chosen], at_most)


@dataclass(frozen=True, eq=False)
class Sight:
    """What was seen of N objects; a row's counts add up to its samples.

    Attributes:
        hit: ``int64 [N]`` samples that lie on the seen surface.
        through: samples behind which surface is seen: nothing is there.
        occluded: samples behind the seen surface.
        unknown: samples in view where depth is missing.
        outside: samples out of the picture, too near or too far.
        side_px: ``float64 [N]`` side of a square as large as the box around the samples in view,
            pixels of the image that was looked at; 0 without samples in view.
    """

    hit: NDArray[np.int64]
    through: NDArray[np.int64]
    occluded: NDArray[np.int64]
    unknown: NDArray[np.int64]
    outside: NDArray[np.int64]
    side_px: Float

    @property
    def total(self) -> NDArray[np.int64]:
        """Samples of each object."""
        return self.hit + self.through + self.occluded + self.unknown + self.outside

    @property
    def in_view(self) -> Float:
        """Share of the samples that fall into the picture; 1 less this is what is cut off."""
        return np.asarray(1 - self.outside / np.maximum(self.total, 1), np.float64)

    @property
    def visible(self) -> Float:
        """Share of the samples that lie on the seen surface."""
        return np.asarray(self.hit / np.maximum(self.total, 1), np.float64)

    @property
    def emptied(self) -> Float:
        """Share of the tested samples (on the surface or seen through) that are seen through."""
        return np.asarray(self.through / np.maximum(self.hit + self.through, 1), np.float64)


@dataclass(frozen=True, eq=False)
class Keyframe:
    """A small picture that is kept to ask later what had been free, and of which colour.

    Attributes:
        depth_mm: ``uint16 [h, w]`` millimetres, 0 = unknown.
        intrinsics: ``float64 [3, 3]`` of this small image.
        T_world_camera: ``float64 [4, 4]``.
        picture: JPEG of the same size; ``None`` = colours are not known.
    """

    depth_mm: NDArray[np.uint16]
    intrinsics: Float
    T_world_camera: Float
    picture: bytes | None = None

    @property
    def rgb(self) -> NDArray[np.uint8] | None:
        """Colours ``uint8 [h, w, 3]``; ``None`` = not known."""
        if self.picture is None:
            return None
        import simplejpeg

        return np.asarray(simplejpeg.decode_jpeg(self.picture), np.uint8)

    @property
    def metres(self) -> NDArray[np.float32]:
        """Depth in metres ``float32 [h, w]``."""
        return (self.depth_mm / 1000).astype(np.float32)


def look(
    samples: Samples,
    depth: NDArray[np.float32],
    intrinsics: Float,
    T_world_camera: Float,
    config: SightConfig | None = None,
) -> Sight:
    """Test every object's samples against one depth image.

    A sample is seen through only if all depth around it (3 x 3 pixels) lies behind it, and hidden
    only if all lies before it, so that edges decide nothing.

    Args:
        samples: of N objects.
        depth: ``float32 [H, W]`` metres, 0 = unknown.
        intrinsics: ``[3, 3]``.
        T_world_camera: ``[4, 4]``.
        config: tolerances.
    """
    return _count(samples, [(depth, intrinsics, T_world_camera)], config or SightConfig())


def look_back(
    samples: Samples, keyframes: Iterable[Keyframe], config: SightConfig | None = None
) -> Sight:
    """Counts over all stored keyframes together: was a place seen before, and was it free?

    Args:
        samples: of N objects.
        keyframes: of an earlier session, in the same world frame.
        config: tolerances.

    Returns:
        Sums; each keyframe tests all samples, so a row adds up to samples times keyframes.
    """
    metres = ((k.metres, k.intrinsics, k.T_world_camera) for k in keyframes)
    return _count(samples, metres, config or SightConfig())


def keyframe(
    depth: NDArray[np.float32],
    intrinsics: Float,
    T_world_camera: Float,
    size: tuple[int, int] = (80, 60),
) -> Keyframe:
    """Make a keyframe of about ``size`` (width, height) pixels.

    Every n-th pixel is taken as it is: a mean over an edge would be a depth that nothing has.
    """
    height, width = depth.shape
    step = max(1, round(min(width / size[0], height / size[1])))
    first = step // 2
    small = np.clip(np.rint(depth[first::step, first::step] * 1000.0), 0, 65535)
    K = np.array(intrinsics, np.float64)
    K[:2, 2] -= first
    K[:2] /= step
    return Keyframe(small.astype(np.uint16), K, np.array(T_world_camera, np.float64))


def _count(
    samples: Samples,
    images: Iterable[tuple[NDArray[np.float32], Float, Float]],
    config: SightConfig,
) -> Sight:
    from scenekeeper.world import visibility_kernel as kernel

    counts = np.zeros((len(samples), 5), np.int64)
    side = np.zeros(len(samples))
    for depth, intrinsics, T_world_camera in images:
        window = np.tile((np.inf, np.inf, -np.inf, -np.inf), (len(samples), 1))
        kernel.look(
            samples.points,
            samples.start,
            np.ascontiguousarray(depth, np.float32),
            np.ascontiguousarray(intrinsics, np.float64),
            np.ascontiguousarray(geometry.invert(np.asarray(T_world_camera, np.float64))),
            config.near,
            config.far,
            config.slack,
            config.slope,
            counts,
            window,
        )
        seen = np.flatnonzero(window[:, 2] >= window[:, 0])
        extent = window[seen, 2:] - window[seen, :2] + 1
        side[seen] = np.maximum(side[seen], np.sqrt(extent.prod(1)))
    hit, through, occluded, unknown, outside = counts.T
    return Sight(hit, through, occluded, unknown, outside, side)


def _evenly(n: int, at_most: int) -> NDArray[np.int64]:
    """Up to ``at_most`` of n rows, spread over them. Keys ascend along x, so all parts get some."""
    return np.linspace(0, n - 1, min(n, at_most)).round().astype(np.int64)
