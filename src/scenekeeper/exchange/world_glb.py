"""The world as binary glTF 2.0: one named node per thing, its cells as a coloured mesh.

In: a scene. Out: a ``.glb`` for Blender, game engines and browsers. The root turns the world so
that up is glTF's +Y. A thing is a node ``o7 white mug`` at its middle, with what is known of it as
``extras``; the mesh is the outside of its cells, or its box where no surface is known. The boxes
of things with cells are lines, in child nodes ``o7 white mug: box``.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.exchange.base import Exported
from scenekeeper.exchange.world_things import located, title
from scenekeeper.store import atomic
from scenekeeper.voxels import offset_key, voxel_centers
from scenekeeper.world.scene import CELL, Scene, Thing

_TRIANGLES, _LINES = 4, 1
_FLOAT, _UINT = 5126, 5125
_VERTICES, _INDICES = 34962, 34963
_ALPHA = {"missing": 0.15, "stale": 0.45, "tentative": 0.7}

_SIDES = (
    # Towards a missing neighbour, and the four corners of that side, counter-clockwise from outside
    ((1, 0, 0), ((1, 0, 0), (1, 1, 0), (1, 1, 1), (1, 0, 1))),
    ((-1, 0, 0), ((0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 0))),
    ((0, 1, 0), ((0, 1, 0), (0, 1, 1), (1, 1, 1), (1, 1, 0))),
    ((0, -1, 0), ((0, 0, 0), (1, 0, 0), (1, 0, 1), (0, 0, 1))),
    ((0, 0, 1), ((0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1))),
    ((0, 0, -1), ((0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 0, 0))),
)


def write(scene: Scene, out: Path, *, gone: bool = False, boxes: bool = True) -> Exported:
    """Write a scene as meshes.

    Args:
        scene: what to export.
        out: the ``.glb`` file.
        gone: with the things that are believed to be gone, almost transparent.
        boxes: with the boxes of things, as lines.

    Raises:
        ExportError: there is nothing to export.
    """
    things = located(scene, gone)
    parts = _Parts()
    children = [_thing(parts, thing, boxes) for thing in things]
    root = {"name": "world", "rotation": _to_y_up(scene.up), "children": children}
    parts.nodes.append(root)
    with atomic.replacing(out) as temporary:
        temporary.write_bytes(_glb(parts))
    return Exported(out, 0, len(things))


def cell_mesh(cells: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.uint32]]:
    """The outside of cells as triangles.

    Args:
        cells: ascending ``int64 [C]`` keys of edge :data:`scenekeeper.world.scene.CELL`.

    Returns:
        Corners ``[V, 3]`` in metres, each once, and triangles ``uint32 [T, 3]``,
        counter-clockwise from outside.
    """
    sides = []
    for towards, corners in _SIDES:
        wanted = cells + offset_key(*towards)
        at = np.minimum(np.searchsorted(cells, wanted), len(cells) - 1)
        open_cells = cells[cells[at] != wanted]
        sides.append(np.stack([open_cells + offset_key(*corner) for corner in corners], 1))
    corner, index = np.unique(np.concatenate(sides), return_inverse=True)
    quads = index.reshape(-1, 4).astype(np.uint32)
    triangles = np.concatenate((quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]))
    return voxel_centers(corner, CELL) - CELL / 2, triangles


@dataclass
class _Parts:
    """A glTF document while it grows."""

    nodes: list[dict[str, Any]] = field(default_factory=list)
    meshes: list[dict[str, Any]] = field(default_factory=list)
    materials: list[dict[str, Any]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)
    binary: bytearray = field(default_factory=bytearray)

    def array(self, values: NDArray[Any], target: int) -> int:
        """Add positions ``float32 [N, 3]`` or indices ``uint32 [N]``; its number."""
        view = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": values.nbytes}
        self.views.append({**view, "target": target})
        self.binary += values.tobytes()
        accessor: dict[str, Any] = {"bufferView": len(self.views) - 1, "count": len(values)}
        if values.ndim == 2:
            low, high = values.min(0).tolist(), values.max(0).tolist()
            accessor |= {"componentType": _FLOAT, "type": "VEC3", "min": low, "max": high}
        else:
            accessor |= {"componentType": _UINT, "type": "SCALAR"}
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def mesh(self, points: NDArray[Any], index: NDArray[Any], mode: int, material: int) -> int:
        """Add a mesh of points ``[N, 3]`` and what joins them; its number."""
        attributes = {"POSITION": self.array(points.astype("<f4"), _VERTICES)}
        indices = self.array(index.astype("<u4").ravel(), _INDICES)
        primitive = {"attributes": attributes, "indices": indices, "mode": mode}
        self.meshes.append({"primitives": [{**primitive, "material": material}]})
        return len(self.meshes) - 1


def _thing(parts: _Parts, thing: Thing, boxes: bool) -> int:
    """Add the nodes of a thing; the number of the one that bears its name."""
    parts.materials.append(_material(thing))
    material = len(parts.materials) - 1
    corners = geometry.box_corners(thing.center, thing.extent, thing.R_world_box) - thing.center
    node: dict[str, Any] = {
        "name": title(thing),
        "translation": thing.center.tolist(),
        "extras": _extras(thing),
    }
    if not len(thing.cells):
        node["mesh"] = parts.mesh(corners, _box_triangles(), _TRIANGLES, material)
    else:
        points, triangles = cell_mesh(thing.cells)
        node["mesh"] = parts.mesh(points - thing.center, triangles, _TRIANGLES, material)
        if boxes:
            mesh = parts.mesh(corners, _box_lines(), _LINES, material)
            parts.nodes.append({"name": f"{title(thing)}: box", "mesh": mesh})
            node["children"] = [len(parts.nodes) - 1]
    parts.nodes.append(node)
    return len(parts.nodes) - 1


def _material(thing: Thing) -> dict[str, Any]:
    linear = np.where(
        (srgb := thing.rgb / 255.0) <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4
    )
    alpha = _ALPHA.get(thing.status, 1.0)
    surface = {"baseColorFactor": [*linear.round(5).tolist(), alpha], "metallicFactor": 0}
    material = {"name": title(thing), "pbrMetallicRoughness": {**surface, "roughnessFactor": 0.9}}
    return material if alpha == 1 else {**material, "alphaMode": "BLEND"}


def _extras(thing: Thing) -> dict[str, Any]:
    return {
        "object": thing.object,
        "names": {name: float(p) for name, p in thing.names.items()},
        "kind": thing.kind,
        "status": thing.status,
        "existence": float(thing.existence),
        "extent": thing.extent.tolist(),
    }


def _box_triangles() -> NDArray[np.uint32]:
    """Triangles of :func:`scenekeeper.geometry.box_corners`."""
    quads = [[sum(c << k for k, c in enumerate(corner)) for corner in side[1]] for side in _SIDES]
    sides = np.array(quads, np.uint32)
    return np.concatenate((sides[:, [0, 1, 2]], sides[:, [0, 2, 3]]))


def _box_lines() -> NDArray[np.uint32]:
    pairs = [(k, k | bit) for k in range(8) for bit in (1, 2, 4) if not k & bit]
    return np.array(pairs, np.uint32)


def _to_y_up(up: NDArray[np.float64]) -> list[float]:
    """Quaternion ``xyzw`` that turns the world's up to +Y."""
    T = np.eye(4)
    x, y, z = geometry.upright_basis(up).T
    T[:3, :3] = np.stack((x, z, -y))
    return [float(v) for v in geometry.pose_vector(T)[3:]]


def _glb(parts: _Parts) -> bytes:
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "scenekeeper"},
        "scene": 0,
        "scenes": [{"nodes": [len(parts.nodes) - 1]}],
        "nodes": parts.nodes,
        "meshes": parts.meshes,
        "materials": parts.materials,
        "accessors": parts.accessors,
        "bufferViews": parts.views,
        "buffers": [{"byteLength": len(parts.binary)}],
    }
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    chunks = _chunk(b"JSON", text, b" ") + _chunk(b"BIN\0", bytes(parts.binary), b"\0")
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _chunk(kind: bytes, data: bytes, padding: bytes) -> bytes:
    data += padding * (-len(data) % 4)
    return struct.pack("<I4s", len(data), kind) + data
