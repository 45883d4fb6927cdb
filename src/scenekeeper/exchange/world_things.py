"""What every exporter of the world needs: which things are there, their titles and level boxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.errors import ExportError
from scenekeeper.voxels import voxel_centers
from scenekeeper.world.scene import CELL, Scene, Thing

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LevelBox:
    """A box that stands upright, with a heading along its longer side.

    Attributes:
        center: ``float64 [3]`` metres, world frame.
        length: along the heading, metres.
        width: across it, metres.
        height: upwards, metres.
        heading: ``float64 [3]`` level unit vector, world frame. Which end is the front is not
            known.
    """

    center: Float
    length: float
    width: float
    height: float
    heading: Float


def located(scene: Scene, gone: bool) -> list[Thing]:
    """The things to export: with a finite box and, unless ``gone``, believed to be there.

    Raises:
        ExportError: there are none.
    """
    found = [
        thing
        for thing in scene
        if (gone or thing.status != "missing")
        and np.isfinite([*thing.center, *thing.extent]).all()
        and np.isfinite(thing.R_world_box).all()
    ]
    if not found:
        raise ExportError(
            "there is nothing to export in this world",
            remedy="Label a recording with depth and camera poses first.",
        )
    return found


def title(thing: Thing) -> str:
    """``o7 white mug``."""
    return f"o{thing.object} {thing.phrase}"


def cell_points(thing: Thing) -> Float:
    """Centres ``[C, 3]`` of a thing's cells, metres, world frame."""
    return np.asarray(voxel_centers(thing.cells, CELL))


def level_box(thing: Thing, up: Float) -> LevelBox:
    """The upright box of a thing; one that leans is replaced by the smallest upright one around.

    Args:
        thing: whose box.
        up: unit vector ``[3]`` against gravity, world frame.
    """
    center, extent, R = thing.center, thing.extent, thing.R_world_box
    if R[:, 2] @ up < np.cos(np.radians(0.5)):
        center, extent, R = geometry.upright_box(geometry.box_corners(center, extent, R), up)
    long = int(extent[1] > extent[0])
    length, width, height = float(extent[long]), float(extent[1 - long]), float(extent[2])
    return LevelBox(np.asarray(center), length, width, height, np.asarray(R[:, long]))
