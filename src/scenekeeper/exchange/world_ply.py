"""The world as a PLY file: a point per cell with colour and the id of its thing.

In: a scene. Out: a binary little-endian ``.ply``. A point has ``x y z`` (float32 metres, world
frame), ``red green blue`` and ``object``; comments in the head name the objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from scenekeeper.exchange.base import Exported
from scenekeeper.exchange.world_things import cell_points, located, title
from scenekeeper.store import atomic
from scenekeeper.world.scene import Scene, Thing

_COLORS = ("red", "green", "blue")
_POINT = np.dtype([*((k, "<f4") for k in "xyz"), *((k, "u1") for k in _COLORS), ("object", "<i4")])
_NAMES = {"f4": "float", "u1": "uchar", "i4": "int"}


def write(scene: Scene, out: Path, *, gone: bool = False) -> Exported:
    """Write a scene as points.

    Args:
        scene: what to export.
        out: the ``.ply`` file.
        gone: with the things that are believed to be gone.

    Raises:
        ExportError: there is nothing to export.
    """
    things = located(scene, gone)
    seen = [thing for thing in things if len(thing.cells)]
    points = np.concatenate([_points(thing) for thing in seen] or [np.zeros(0, _POINT)])
    with atomic.replacing(out) as temporary:
        temporary.write_bytes(_head(seen, len(points)) + points.tobytes())
    bare = len(things) - len(seen)
    notes = (f"{bare} things whose surface is not known have no points.",) if bare else ()
    return Exported(out, 0, len(seen), notes)


def _points(thing: Thing) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    points = np.empty(len(thing.cells), _POINT)
    points["x"], points["y"], points["z"] = cell_points(thing).T
    points["red"], points["green"], points["blue"] = thing.rgb
    points["object"] = thing.object
    return points


def _head(things: Sequence[Thing], count: int) -> bytes:
    lines = ["ply", "format binary_little_endian 1.0"]
    # One line each, and ASCII: some readers take no more.
    lines += [f"comment {title(t).encode('unicode_escape').decode('ascii')}" for t in things]
    lines.append(f"element vertex {count}")
    for name in _POINT.names or ():
        lines.append(f"property {_NAMES[_POINT[name].str[1:]]} {name}")
    return "\n".join([*lines, "end_header", ""]).encode("ascii")
