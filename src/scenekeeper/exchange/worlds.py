"""The world in other projects' formats: what there is, and how it is found by name.

In: a scene. Out: a file or folder that appears whole. One format is one module ``world_*`` with a
function ``write(scene, out, *, gone=False, ...)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from scenekeeper.errors import ExportError
from scenekeeper.exchange.base import Exported, Exporter, check_options
from scenekeeper.exchange.folder import telling_of
from scenekeeper.world.scene import Scene


@dataclass(frozen=True)
class WorldFormat:
    """One format.

    Attributes:
        module: has ``write``.
        suffix: of the file; empty for a folder.
        about: what it is for, in a line.
    """

    module: str
    suffix: str
    about: str


WORLD_FORMATS: Mapping[str, WorldFormat] = MappingProxyType(
    {
        "dsg": WorldFormat("world_dsg", ".json", "scene graph for spark_dsg, Hydra and Clio"),
        "foxglove": WorldFormat("world_foxglove", ".mcap", "boxes and relations for Foxglove"),
        "glb": WorldFormat("world_glb", ".glb", "one named node per thing for 3D programs"),
        "kitti": WorldFormat("world_kitti", "", "3D boxes as cameras see them"),
        "nuscenes": WorldFormat("world_nuscenes", "", "3D boxes in the world's frame"),
        "ply": WorldFormat("world_ply", ".ply", "coloured points with the id of their thing"),
        "rerun": WorldFormat("world_rerun", ".rrd", "boxes, points and the graph for Rerun"),
    }
)


def export_world(scene: Scene, format: str, out: Path, **options: Any) -> Exported:
    """Write a scene in another project's format.

    Args:
        scene: what to export.
        format: one of :data:`WORLD_FORMATS`.
        out: file or folder to make; must not exist.
        options: what the format's ``write`` takes; ``gone=True`` keeps the things that are
            believed to be gone.

    Raises:
        ExportError: unknown format, suffix or option, ``out`` exists or cannot be written, or
            there is nothing to export.
    """
    if format not in WORLD_FORMATS:
        known = ", ".join(WORLD_FORMATS)
        raise ExportError(f"no format {format!r} for a world", remedy=f"There are: {known}")
    chosen = WORLD_FORMATS[format]
    if chosen.suffix and out.suffix.lower() != chosen.suffix:
        raise ExportError(
            f"a world as {format} ends in {chosen.suffix}",
            path=out,
            remedy=f"Use {out.stem}{chosen.suffix}.",
        )
    if out.exists():
        raise ExportError("is in the way", path=out, remedy="Move it or choose another name.")
    writer: Exporter = import_module(f"scenekeeper.exchange.{chosen.module}").write
    check_options(format, writer, options)
    with telling_of(out):
        return writer(scene, out, **options)
