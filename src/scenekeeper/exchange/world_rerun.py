"""The world as a Rerun recording: boxes with labels, coloured points, and the graph of relations.

In: a scene. Out: one ``.rrd``. Needs the extra ``scenekeeper[rerun]``. Entities:

    world/objects     a box each
    world/cells       a point per cell
    graph             things and their relations
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from scenekeeper.exchange.base import Exported
from scenekeeper.exchange.rerun import (
    Target,
    class_id,
    import_rerun,
    log_graph,
    quaternion,
    saved,
)
from scenekeeper.exchange.world_things import cell_points, located, title
from scenekeeper.store import atomic
from scenekeeper.world.scene import CELL, Scene


def write(scene: Scene, out: Path, *, gone: bool = False) -> Exported:
    """Write a scene for the Rerun viewer.

    Args:
        scene: what to export.
        out: the ``.rrd`` file.
        gone: with the things that are believed to be gone.

    Raises:
        ExportError: there is nothing to export, or ``rerun-sdk`` is not installed.
    """
    rr = import_rerun()
    things = located(scene, gone)
    titles = {thing.object: title(thing) for thing in things}
    relations = [vars(r) for r in scene.relations if r.until_t_ns is None]
    with atomic.replacing(out) as temporary:
        stream = rr.RecordingStream("scenekeeper")
        with saved(stream, temporary):
            to = Target(rr, stream, "")
            context = [(class_id(thing), name) for thing, name in titles.items()]
            to.log("world", rr.AnnotationContext(context), static=True)
            boxes = rr.Boxes3D(
                centers=[thing.center for thing in things],
                half_sizes=[thing.extent / 2 for thing in things],
                quaternions=[quaternion(thing.R_world_box) for thing in things],
                labels=list(titles.values()),
                class_ids=[class_id(thing.object) for thing in things],
            )
            to.log("world/objects", boxes, static=True)
            counts = [len(thing.cells) for thing in things]
            points = rr.Points3D(
                np.concatenate([cell_points(thing) for thing in things]),
                colors=np.repeat([thing.rgb for thing in things], counts, axis=0),
                radii=CELL / 2,
                class_ids=np.repeat([class_id(thing.object) for thing in things], counts),
            )
            to.log("world/cells", points, static=True)
            log_graph(to, titles, relations)
    return Exported(out, 0, len(things))
