"""What each frame shows of each instance, in space: the points that the world is made from.

In: frames with depth, and their instances. Out: per instance its seen surface in the camera's
frame, and per frame a coarse picture with depth that later tells what was in view, what was not,
and of which colour it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from scenekeeper import geometry, masks
from scenekeeper.schema import DEPTHS, OBSERVATIONS, Clip, Frame
from scenekeeper.voxels import sampling

MILLIMETRE = 0.001
"""Unit of stored points and depths, metres."""

FARTHEST = 10_000.0
"""Of a camera from the origin along any axis, metres; the map ends at 13 km."""


class SessionTables(Protocol):
    """What the stage reads; the engine provides it."""

    def of_clip(self, table: str, clip: Clip) -> pa.Table:
        """One clip of a table."""
        ...


@dataclass(frozen=True)
class ObserveConfig:
    """What is kept of a frame.

    Attributes:
        cell: edge of the cells that points are averaged over, metres.
        max_depth: farther depth is not used, metres.
        across: about so many pixels of a row are looked at.
        most: points of one instance.
        colors: pixels of one instance whose colour is kept.
        coarse: pixels of a row of the picture with depth that is kept.
    """

    cell: float = 0.025
    max_depth: float = 6.0
    across: int = 320
    most: int = 1000
    colors: int = 48
    coarse: int = 80


@dataclass(frozen=True)
class Observe:
    """The stage."""

    config: ObserveConfig = field(default_factory=ObserveConfig)
    name: str = "observe"
    reads: tuple[str, ...] = ("instances",)
    writes: tuple[str, ...] = ("observations", "depths")

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        return {"version": 3, "config": asdict(self.config)}

    def open(self, clip: Clip, tables: SessionTables) -> ObserveJob:
        """Start on a clip."""
        rows = tables.of_clip("instances", clip)
        order = rows.sort_by([("frame_id", "ascending"), ("instance", "ascending")])
        return ObserveJob(clip, self.config, order)


@dataclass
class ObserveJob:
    """Lifts the instances of a clip's frames into space."""

    clip: Clip
    config: ObserveConfig
    instances: pa.Table
    observations: list[dict[str, Any]] = field(default_factory=list)
    depths: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ids = self.instances["frame_id"].to_numpy()

    def encode(self, frame: Frame) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """One frame's observations and coarse depth; nothing without depth or calibration.

        Depth that is 0, negative, not finite, or at the end of what 16 bits hold says nothing.
        """
        if frame.depth is None or frame.camera.intrinsics is None:
            return [], None
        first, last = np.searchsorted(self._ids, [frame.frame_id, frame.frame_id + 1])
        rows = self.instances.slice(first, last - first)
        return self._observed(frame, rows), self._coarse(frame)

    def collect(self, item: tuple[list[dict[str, Any]], dict[str, Any] | None]) -> None:
        """Keep one frame's."""
        seen, depth = item
        self.observations += seen
        if depth is not None:
            self.depths.append(depth)

    def finish(self) -> Mapping[str, pa.Table]:
        """The clip's observations."""
        return {
            "observations": pa.Table.from_pylist(self.observations, OBSERVATIONS),
            "depths": pa.Table.from_pylist(self.depths, DEPTHS),
        }

    def _observed(self, frame: Frame, rows: pa.Table) -> list[dict[str, Any]]:
        from scenekeeper.world.lift import lift

        assert frame.depth is not None and frame.camera.intrinsics is not None
        c, size = self.config, (frame.camera.height, frame.camera.width)
        counts = rows["mask"].to_pylist()
        boxes = np.array(rows["box_xyxy"].to_pylist(), np.float64).reshape(-1, 4)
        crops = [_crop(m, b, size) for m, b in zip(counts, boxes, strict=True)]
        lifted = lift(
            frame.depth,
            np.asarray(frame.camera.intrinsics),
            [mask for mask, _ in crops],
            np.array([place for _, place in crops], np.int64).reshape(-1, 4),
            cell=c.cell,
            max_depth=c.max_depth,
            stride=sampling(frame.camera.width, c.across),
        )
        out = []
        for m, instance in enumerate(rows["instance"].to_pylist()):
            points = _thinned(lifted.of(m), c.most)
            out.append(
                {
                    "session": self.clip.session,
                    "frame_id": frame.frame_id,
                    "instance": instance,
                    "points": np.rint(points / MILLIMETRE).astype("<i2").tobytes(),
                    "rgb": _colors(frame.rgb, *crops[m], c.colors).tobytes(),
                }
            )
        return out

    def _coarse(self, frame: Frame) -> dict[str, Any]:
        assert frame.depth is not None
        step = sampling(frame.camera.width, self.config.coarse)
        z = frame.depth[step // 2 :: step, step // 2 :: step]
        z = np.where(np.isfinite(z) & (z > 0) & (z < 65), z, 0)
        return {
            "session": self.clip.session,
            "frame_id": frame.frame_id,
            "width": z.shape[1],
            "height": z.shape[0],
            "step": step,
            "depth": np.rint(z / MILLIMETRE).astype("<u2").tobytes(),
            "picture": _picture(frame.rgb, step, z.shape),
            "pose": _pose(frame.T_world_camera),
        }


def _picture(rgb: NDArray[np.uint8], step: int, size: tuple[int, ...]) -> bytes:
    """The picture as coarse as its depth, of which it is the means around: JPEG."""
    small = np.asarray(Image.fromarray(rgb).reduce(step))[: size[0], : size[1]]
    jpeg = simplejpeg.encode_jpeg(
        np.ascontiguousarray(small), quality=90, colorspace="RGB", colorsubsampling="444"
    )
    return bytes(jpeg)


def _pose(T_world_camera: NDArray[np.float64] | None) -> list[float] | None:
    """As a row keeps it; ``None`` when unknown, not finite, or too far out for cells."""
    if T_world_camera is None or not np.isfinite(T_world_camera).all():
        return None
    if np.abs(T_world_camera[:3, 3]).max() > FARTHEST:
        return None
    return list(geometry.pose_vector(T_world_camera).tolist())


def points_of(stored: bytes) -> NDArray[np.float32]:
    """Points ``float32 [P, 3]`` metres of an observation, camera frame."""
    return np.frombuffer(stored, "<i2").reshape(-1, 3).astype(np.float32) * np.float32(MILLIMETRE)


def depth_of(row: Mapping[str, Any]) -> NDArray[np.float32]:
    """Coarse depth image ``float32 [h, w]`` metres of a row of ``depths``."""
    flat = np.frombuffer(row["depth"], "<u2").astype(np.float32) * np.float32(MILLIMETRE)
    return flat.reshape(row["height"], row["width"])


def coarse_intrinsics(K: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """Intrinsics of a coarse depth image, whose pixels are the middles of ``step`` x ``step``."""
    out = np.array(K, np.float64)
    out[:2] /= step
    out[:2, 2] -= (step // 2) / step
    return out


def _crop(
    counts: bytes | None, box: NDArray[np.float64], size: tuple[int, int]
) -> tuple[NDArray[np.bool_], tuple[int, int, int, int]]:
    """A mask inside its box; an instance without one is taken to fill what of its box lies in the
    picture, which may be nothing."""
    if counts is None:
        box = np.clip(np.where(np.isnan(box).any(), 0, box), 0, [*size[::-1], *size[::-1]])
        x0, y0 = (int(v) for v in np.floor(box[:2]))
        x1, y1 = (max(a, int(v)) for a, v in zip((x0, y0), np.ceil(box[2:]), strict=True))
        return np.ones((y1 - y0, x1 - x0), np.bool_), (x0, y0, x1, y1)
    x0, y0, x1, y1 = masks.box(counts, size)
    return masks.decode(counts, size)[y0:y1, x0:x1], (x0, y0, x1, y1)


def _thinned(points: NDArray[np.float32], most: int) -> NDArray[np.float32]:
    if len(points) <= most:
        return points
    return points[np.linspace(0, len(points) - 1, most).astype(np.int64)]


def _colors(
    rgb: NDArray[np.uint8], mask: NDArray[np.bool_], place: tuple[int, int, int, int], most: int
) -> NDArray[np.uint8]:
    """Colours ``uint8 [S, 3]`` of pixels spread evenly over a mask."""
    inside = np.flatnonzero(mask)
    if not len(inside):
        return np.zeros((0, 3), np.uint8)
    v, u = np.divmod(inside[np.linspace(0, len(inside) - 1, most).astype(np.int64)], mask.shape[1])
    return np.asarray(rgb[place[1] + v, place[0] + u], np.uint8)
