"""The embedded grounder as a stage: frames in, proposals with their looks out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.ground.look import Looks, look
from scenekeeper.ground.prepare import crops
from scenekeeper.ground.propose import Proposals, ProposeConfig, enlarged, propose, shrink
from scenekeeper.ground.refine import RefineConfig, refine
from scenekeeper.ground.weights import load
from scenekeeper.schema import PROPOSALS, Camera, Clip, Frame
from scenekeeper.voxels import voxel_keys

SAMPLES = 48
"""Points of a mask whose place in the world is kept."""


@dataclass(frozen=True)
class GroundConfig:
    """What is kept of what the networks say.

    Attributes:
        propose: of the first.
        refine: of the second.
    """

    propose: ProposeConfig = field(default_factory=ProposeConfig)
    refine: RefineConfig = field(default_factory=RefineConfig)


@dataclass(frozen=True)
class Propose:
    """Clip stage: what may be things in each frame, wherever they are.

    Attributes:
        voxel_size: edge of the voxels that say where a proposal's points are, metres.
        config: what is kept.
    """

    voxel_size: float
    config: GroundConfig = field(default_factory=GroundConfig)
    name: str = "ground"
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ("proposals",)

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        made = {name: load(name).facts["digest"] for name in ("proposer", "refiner", "namer")}
        return {"version": 2, "voxel_size": self.voxel_size, "networks": made} | asdict(self.config)

    def open(self, clip: Clip, tables: object) -> ProposeJob:
        """Start on a clip."""
        return ProposeJob(clip, self.voxel_size, self.config)


@dataclass(frozen=True, eq=False)
class _Found:
    """One frame's proposals, measured."""

    frame_id: int
    t_ns: int
    size: tuple[int, int]
    proposals: Proposals
    looks: Looks
    depth: NDArray[np.float32]
    keys: list[NDArray[np.int64]]


@dataclass
class ProposeJob:
    """Looks at each frame of a clip."""

    clip: Clip
    voxel_size: float
    config: GroundConfig
    frames: list[_Found] = field(default_factory=list)

    def encode(self, frame: Frame) -> _Found:
        """One frame's proposals."""
        rgb, depth = shrink(frame.rgb, frame.depth)
        known = depth is not None and bool((depth > 0).any())
        focal = _focal(frame.camera) * rgb.shape[1] / frame.camera.width
        found, looks = see(rgb, depth if known else None, focal, self.config)
        size = (frame.camera.height, frame.camera.width)
        middle, keys = self._places(frame, depth if known else None, found)
        return _Found(
            frame.frame_id,
            frame.t_ns,
            size,
            enlarged(found, size, rgb.shape[:2]),
            looks,
            middle,
            keys,
        )

    def collect(self, found: _Found) -> None:
        """Keep one frame's proposals."""
        self.frames.append(found)

    def finish(self) -> Mapping[str, pa.Table]:
        """The clip's proposals."""
        rows: dict[str, list[Any]] = {name: [] for name in PROPOSALS.names}
        for f in self.frames:
            n = len(f.proposals)
            rows["session"] += [self.clip.session] * n
            rows["frame_id"] += [f.frame_id] * n
            rows["t_ns"] += [f.t_ns] * n
            rows["proposal"] += range(n)
            rows["box_xyxy"] += f.proposals.box_xyxy.tolist()
            rows["mask"] += f.proposals.run_lengths(f.size)
            rows["height"] += [f.size[0]] * n
            rows["width"] += [f.size[1]] * n
            rows["score"] += f.proposals.score.tolist()
            rows["depth"] += [None if np.isnan(d) else float(d) for d in f.depth]
            rows["keys"] += [k.tolist() for k in f.keys]
            rows["embedding"] += list(f.looks.embedding)[:n]
            rows["logits"] += list(f.looks.logits)[:n]
        return {"proposals": pa.table(rows, PROPOSALS)}

    def _places(
        self, frame: Frame, depth: NDArray[np.float32] | None, found: Proposals
    ) -> tuple[NDArray[np.float32], list[NDArray[np.int64]]]:
        """Median depth of each mask, and voxels of points sampled evenly over it."""
        n = len(found)
        middle = np.full(n, np.nan, np.float32)
        keys = [np.zeros(0, np.int64)] * n
        if depth is None:
            return middle, keys
        scale = frame.camera.width / depth.shape[1]
        posed = frame.T_world_camera is not None and frame.camera.intrinsics is not None
        for k, (mask, (x0, y0, x1, y1)) in enumerate(zip(found.mask, found.place, strict=True)):
            crop = depth[y0:y1, x0:x1]
            v, u = np.nonzero(mask & (crop > 0))
            if len(u) < 4:
                continue
            z = crop[v, u]
            middle[k] = np.median(z)
            if posed:
                at = np.linspace(0, len(u) - 1, min(SAMPLES, len(u))).astype(int)
                keys[k] = self._voxels(frame, scale * (u[at] + x0), scale * (v[at] + y0), z[at])
        return middle, keys

    def _voxels(
        self, frame: Frame, u: NDArray[Any], v: NDArray[Any], z: NDArray[np.float32]
    ) -> NDArray[np.int64]:
        assert frame.camera.intrinsics is not None and frame.T_world_camera is not None
        rays = np.stack((u, v, np.ones_like(u)), -1) @ np.linalg.inv(frame.camera.intrinsics).T
        points = geometry.transform(frame.T_world_camera, rays * z[:, None])
        return voxel_keys(points.astype(np.float32), self.voxel_size)


def see(
    rgb: NDArray[np.uint8],
    depth: NDArray[np.float32] | None,
    focal: float,
    config: GroundConfig | None = None,
) -> tuple[Proposals, Looks]:
    """What the three networks say of one picture.

    Args:
        rgb: ``uint8 [H, W, 3]``, as :func:`~scenekeeper.ground.propose.shrink` gives it.
        depth: ``float32 [H, W]`` metres, 0 = unknown; ``None`` = none.
        focal: focal length in pixels; a guess will do without depth.
        config: what is kept.
    """
    config = config or GroundConfig()
    rough = propose(load("proposer"), rgb, depth, config.propose)
    size = rgb.shape[:2]
    seen, measures = crops(rgb, depth, rough.box_xyxy, rough.dense(size), focal)
    found, seen, measures = refine(load("refiner"), rough, seen, measures, size, config.refine)
    return found, look(load("namer"), seen, measures)


def _focal(camera: Camera) -> float:
    """Focal length in pixels; that of a usual lens when the camera is not calibrated."""
    return 0.9 * camera.width if camera.intrinsics is None else float(camera.intrinsics[0, 0])
