"""The world as one ``foxglove.SceneUpdate`` in an MCAP: a cube per thing, arrows for relations.

In: a scene. Out: an ``.mcap`` that Foxglove opens, on the topic ``/scenekeeper/world``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scenekeeper.exchange.base import Exported
from scenekeeper.exchange.world_things import located
from scenekeeper.store import atomic
from scenekeeper.world.scene import Scene, Thing

TOPIC = "/scenekeeper/world"


def write(scene: Scene, out: Path, *, gone: bool = False, frame_id: str = "world") -> Exported:
    """Write a scene for Foxglove.

    Args:
        scene: what to export.
        out: the ``.mcap`` file.
        gone: with the things that are believed to be gone.
        frame_id: what the recording calls the frame that the scene is in.

    Raises:
        ExportError: there is nothing to export.
    """
    from foxglove_schemas_protobuf.SceneUpdate_pb2 import SceneUpdate
    from mcap_protobuf.writer import Writer

    from scenekeeper.exchange.foxglove import arrow, cube, stamp

    rows = {thing.object: _row(thing) for thing in located(scene, gone)}
    message = SceneUpdate(entities=[cube(row) for row in rows.values()])
    for relation in scene.relations:
        if relation.subject in rows and relation.object in rows and relation.until_t_ns is None:
            message.entities.append(arrow(vars(relation), rows))
    for entity in message.entities:
        entity.timestamp.CopyFrom(stamp(scene.t_ns))
        entity.frame_id = frame_id
    with atomic.replacing(out) as temporary, temporary.open("wb") as file, Writer(file) as writer:
        writer.write_message(TOPIC, message, log_time=scene.t_ns, publish_time=scene.t_ns)
    return Exported(out, 0, len(rows))


def _row(thing: Thing) -> dict[str, Any]:
    """A thing as a row of the table of objects, which the cubes are made of."""
    return {
        "object": thing.object,
        "phrase": thing.phrase,
        "kind": thing.kind,
        "status": thing.status,
        "score": round(float(thing.existence), 4),
        "center": thing.center,
        "extent": thing.extent,
        "R_world_box": thing.R_world_box,
        "first_t_ns": thing.first_t_ns,
        "last_t_ns": thing.last_t_ns,
    }
