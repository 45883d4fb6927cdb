"""Fuse the posed depth frames of a clip into one sparse voxel surface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from scenekeeper.schema import SURFACE, Clip, Frame
from scenekeeper.voxels import Surface, frame_surface, merge

_MERGE_AT = 400_000
"""Voxels held before they are merged; bounds a clip's memory whatever its length."""


@dataclass(frozen=True)
class FuseConfig:
    """How depth becomes a surface; lengths in metres.

    Attributes:
        voxel_size: edge of a voxel.
        max_depth: farther depth is too noisy to use.
    """

    voxel_size: float = 0.012
    max_depth: float = 3.5


@dataclass(frozen=True)
class Fuse:
    """The stage."""

    config: FuseConfig = field(default_factory=FuseConfig)
    name: str = "fuse"
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ("surface",)

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        return {"version": 1, "config": asdict(self.config)}

    def open(self, clip: Clip, tables: object) -> FuseJob:
        """Start on a clip."""
        return FuseJob(clip, self.config)


@dataclass
class FuseJob:
    """Turns frames into small surfaces in parallel and merges them in order."""

    clip: Clip
    config: FuseConfig
    parts: list[Surface] = field(default_factory=list)

    def encode(self, frame: Frame) -> Surface | None:
        """One frame's surface."""
        return frame_surface(frame, self.config.voxel_size, self.config.max_depth)

    def collect(self, part: Surface | None) -> None:
        """Keep it, merging now and then."""
        if part is None:
            return
        self.parts.append(part)
        if sum(map(len, self.parts)) > _MERGE_AT:
            merged = merge(self.parts)
            self.parts = [merged]

    def finish(self) -> Mapping[str, pa.Table]:
        """The clip's surface."""
        if not self.parts:
            return {"surface": SURFACE.empty_table()}
        surface = merge(self.parts)
        # What a single frame of many saw is noise, and most of the voxels.
        again = surface.count >= min(2, len(self.clip) // 10)
        return {"surface": surface[again].to_table(self.clip.session)}
