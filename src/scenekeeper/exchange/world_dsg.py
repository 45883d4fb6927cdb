"""The world as a dynamic scene graph, in the JSON of spark_dsg 1.1.

In: a scene. Out: a ``.json`` that ``spark_dsg.DynamicSceneGraph.load`` reads, for Hydra, Clio and
Khronos. Things are nodes ``O(id)`` of the layer of objects; an edge between two of them holds all
their relations as metadata. The layers above are there and empty: rooms are not known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scenekeeper import geometry
from scenekeeper.exchange.base import Exported
from scenekeeper.exchange.world_things import located
from scenekeeper.store import atomic
from scenekeeper.world.scene import Scene, Thing

_VERSION = {"major": 1, "minor": 1, "patch": 3}
_LAYERS = {"AGENTS": 2, "BUILDINGS": 5, "OBJECTS": 2, "PLACES": 3, "ROOMS": 4}


def write(scene: Scene, out: Path, *, gone: bool = False) -> Exported:
    """Write a scene as a scene graph.

    Args:
        scene: what to export.
        out: the ``.json`` file.
        gone: with the things that are believed to be gone.

    Raises:
        ExportError: there is nothing to export.
    """
    things = located(scene, gone)
    labels = {phrase: k for k, phrase in enumerate(sorted({t.phrase for t in things}))}
    text = json.dumps(
        {
            "SPARK_DSG_header": {"project_name": "main", "version": _VERSION},
            "directed": False,
            "multigraph": False,
            "layer_keys": [_layer(layer) for layer in sorted(set(_LAYERS.values()))],
            "layer_names": {name: _layer(layer) for name, layer in _LAYERS.items()},
            "metadata": {
                "labelspaces": {"_l2p0": [[k, phrase] for phrase, k in labels.items()]},
                "sessions": list(scene.sessions),
                "t_ns": scene.t_ns,
                "up": scene.up.tolist(),
            },
            "nodes": [_node(thing, labels[thing.phrase]) for thing in things],
            "edges": _edges(scene, {thing.object for thing in things}),
        },
        allow_nan=False,
    )
    atomic.write_text(out, text)
    return Exported(out, 0, len(things))


def node_id(object: int) -> int:
    """The number of the node ``O(object)``: a letter in the highest byte, then the id."""
    return ord("O") << 56 | object


def _layer(layer: int) -> dict[str, int]:
    return {"layer": layer, "partition": 0}


def _node(thing: Thing, label: int) -> dict[str, Any]:
    T = np.eye(4)
    T[:3, :3] = thing.R_world_box
    x, y, z, w = geometry.pose_vector(T)[3:].tolist()
    R_world_box = {"w": w, "x": x, "y": y, "z": z}
    r, g, b = (int(v) for v in thing.rgb)
    center = thing.center.tolist()
    attributes = {
        "type": "ObjectNodeAttributes",
        "name": thing.phrase,
        "position": center,
        "semantic_label": label,
        "semantic_feature": _feature(thing),
        "color": {"r": r, "g": g, "b": b, "a": 255},
        "bounding_box": {
            "type": "OBB",
            "dimensions": thing.extent.tolist(),
            "world_P_center": center,
            "world_R_center": R_world_box,
        },
        "world_R_object": R_world_box,
        "registered": False,
        "mesh_connections": [],
        "is_active": False,
        "is_predicted": False,
        "last_update_time_ns": thing.last_t_ns,
        "metadata": {
            "names": {name: float(p) for name, p in thing.names.items()},
            "kind": thing.kind,
            "status": thing.status,
            "existence": float(thing.existence),
            "verified": thing.verified,
        },
    }
    return {**_layer(_LAYERS["OBJECTS"]), "id": node_id(thing.object), "attributes": attributes}


def _feature(thing: Thing) -> Mapping[str, Any]:
    if thing.embedding is None:
        return {"cols": 0, "data": None, "rows": 0}
    return {"cols": 1, "data": thing.embedding.tolist(), "rows": len(thing.embedding)}


def _edges(scene: Scene, known: set[int]) -> Sequence[Mapping[str, Any]]:
    """One edge a pair, since the graph has no more: the likelihood of its surest relation."""
    pairs: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for r in scene.relations:
        if r.subject in known and r.object in known and r.until_t_ns is None:
            said = {"subject": r.subject, "predicate": r.predicate, "object": r.object}
            pair = (min(r.subject, r.object), max(r.subject, r.object))
            pairs.setdefault(pair, []).append({**said, "score": float(r.score), "source": r.source})
    return [
        {
            "source": node_id(a),
            "target": node_id(b),
            "info": {
                "type": "EdgeAttributes",
                "weighted": True,
                "weight": max(relation["score"] for relation in relations),
                "metadata": {"relations": relations},
            },
        }
        for (a, b), relations in sorted(pairs.items())
    ]
