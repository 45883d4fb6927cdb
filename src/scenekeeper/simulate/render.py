"""A scene of triangles, its lamps, and what a pinhole camera sees of it.

In: parts (meshes with materials and a pose), lamps, a camera. Out: linear light, metric depth and
instance ids. World z points up, metres; a camera looks along its z with y down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.geometry import invert
from scenekeeper.schema import Camera
from scenekeeper.simulate import raster
from scenekeeper.simulate.families import Material, Model
from scenekeeper.simulate.mesh import corner_normals
from scenekeeper.simulate.textures import Textures

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

NEAR = 0.03
"""Metres before the camera within which nothing is seen."""

_SKY = np.array([0.8, 0.9, 1.0], np.float32)
_OCCLUSION_RADIUS = 0.18
_OCCLUSION_STEP = 2


@dataclass(frozen=True, eq=False)
class Part:
    """One rigid thing in the scene.

    Attributes:
        instance: what its pixels are called in the id image; 0 = scenery that is not labelled.
        model: its shape and materials.
        T_world_part: ``float64 [4, 4]``.
        casts: whether it throws a shadow.
        look: which textures of the wanted kinds it gets; parts of one look are alike.
    """

    instance: int
    model: Model
    T_world_part: Float64
    casts: bool = True
    look: int = 0


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that can be drawn, as one soup of triangles.

    Attributes:
        parts: what it was made of, in order.
        vertices: ``float32 [V, 3]`` world metres.
        triangles: ``int32 [T, 3]``.
        normals: ``float32 [T, 3, 3]`` per corner, world.
        uv: ``float32 [T, 3, 2]``.
        material: ``int32 [T]``.
        instance: ``int32 [T]``.
        two_sided: ``bool [T]``.
        casts: ``bool [T]``.
        base: ``float32 [M, 3]`` colour of each material.
        layer: ``int32 [M]`` texture layer; -1 = none.
        gloss: ``float32 [M, 4]`` specular, shininess, emission, texture scale.
        textures: ``float32 [L, S, S, 3]``.
        vertex_start: ``int [P + 1]`` first vertex of each part.
        triangle_start: ``int [P + 1]`` first triangle of each part.
    """

    parts: tuple[Part, ...]
    vertices: Float32
    triangles: NDArray[np.int32]
    normals: Float32
    uv: Float32
    material: NDArray[np.int32]
    instance: NDArray[np.int32]
    two_sided: NDArray[np.bool_]
    casts: NDArray[np.bool_]
    base: Float32
    layer: NDArray[np.int32]
    gloss: Float32
    textures: Float32
    vertex_start: NDArray[np.int64]
    triangle_start: NDArray[np.int64]

    def moved(self, poses: Mapping[int, Float64]) -> Scene:
        """The scene with some parts elsewhere.

        Args:
            poses: new ``T_world_part`` by index into ``parts``.
        """
        if not poses:
            return self
        vertices, normals, parts = self.vertices.copy(), self.normals.copy(), list(self.parts)
        for k, T in poses.items():
            parts[k] = replace(parts[k], T_world_part=T)
            mesh = parts[k].model.mesh
            v, t = self.vertex_start[k], self.triangle_start[k]
            vertices[v : self.vertex_start[k + 1]] = mesh.vertices @ T[:3, :3].T + T[:3, 3]
            R = T[:3, :3] @ parts_rotation(self.parts[k]).T
            old = self.normals[t : self.triangle_start[k + 1]]
            normals[t : self.triangle_start[k + 1]] = old @ R.T.astype(np.float32)
        return replace(self, parts=tuple(parts), vertices=vertices, normals=normals)


def parts_rotation(part: Part) -> Float64:
    """Rotation ``[3, 3]`` of a part in the world."""
    return part.T_world_part[:3, :3]


def assemble(parts: Sequence[Part], textures: Textures) -> Scene:
    """Put parts together."""
    columns: dict[str, list[NDArray[Any]]] = {
        name: []
        for name in (
            "vertices",
            "triangles",
            "normals",
            "uv",
            "material",
            "instance",
            "two_sided",
            "casts",
        )
    }
    materials: list[Material] = []
    layer: list[int] = []
    vertex_start, triangle_start = [0], [0]
    for part in parts:
        mesh, T = part.model.mesh, part.T_world_part
        n = len(mesh.triangles)
        columns["vertices"].append((mesh.vertices @ T[:3, :3].T + T[:3, 3]).astype(np.float32))
        columns["triangles"].append((mesh.triangles + vertex_start[-1]).astype(np.int32))
        columns["normals"].append(corner_normals(mesh) @ T[:3, :3].T.astype(np.float32))
        columns["uv"].append(mesh.uv.astype(np.float32))
        columns["material"].append((mesh.material + len(materials)).astype(np.int32))
        columns["instance"].append(np.full(n, part.instance, np.int32))
        columns["two_sided"].append(mesh.two_sided)
        columns["casts"].append(np.full(n, part.casts))
        materials += part.model.materials
        layer += _layers(part, textures)
        vertex_start.append(vertex_start[-1] + len(mesh.vertices))
        triangle_start.append(triangle_start[-1] + n)
    whole = {k: np.ascontiguousarray(np.concatenate(v)) for k, v in columns.items()}
    gloss = [(m.specular, m.shininess, m.emission, m.texture_scale) for m in materials]
    return Scene(
        parts=tuple(parts),
        base=np.array([m.rgb for m in materials], np.float32),
        layer=np.array(layer, np.int32),
        gloss=np.array(gloss, np.float32),
        textures=np.ascontiguousarray(textures.layers, np.float32),
        vertex_start=np.array(vertex_start),
        triangle_start=np.array(triangle_start),
        **whole,
    )


def _layers(part: Part, textures: Textures) -> list[int]:
    rng = np.random.default_rng([part.look, 4])
    return [
        -1 if m.texture is None else int(rng.choice(textures.kinds[m.texture]))
        for m in part.model.materials
    ]


@dataclass(frozen=True)
class Lamp:
    """A point light that looks one way.

    Attributes:
        position: world metres.
        target: the point it looks at.
        rgb: linear irradiance at one metre (without falloff, everywhere).
        falloff: square metres at which its light has halved; 0 = none, as of a far window.
        spread: full angle that it lights with shadows, degrees; outside there are no shadows.
    """

    position: tuple[float, float, float]
    target: tuple[float, float, float]
    rgb: tuple[float, float, float]
    falloff: float = 6.0
    spread: float = 150.0


@dataclass(frozen=True, eq=False)
class Lighting:
    """Lamps with their shadow maps, for one scene as it stands.

    Attributes:
        lamps: ``float32 [L, 4]`` position and falloff.
        rgb: ``float32 [L, 3]``.
        M: ``float32 [L, 3, 3]`` world directions to map pixels, homogeneous.
        t: ``float32 [L, 3]``.
        shadows: ``float32 [L, S, S]`` inverse depth of what is lit.
        spans: ``float32 [L, S, S, 2]`` its least and most around each place.
        ambient: ``float32 [3]``.
    """

    lamps: Float32
    rgb: Float32
    M: Float32
    t: Float32
    shadows: Float32
    spans: Float32
    ambient: Float32


def light(
    scene: Scene, lamps: Sequence[Lamp], ambient: tuple[float, float, float], size: int = 768
) -> Lighting:
    """Throw the shadows of a scene."""
    M = np.zeros((len(lamps), 3, 3), np.float32)
    t = np.zeros((len(lamps), 3), np.float32)
    shadows = np.zeros((len(lamps), size, size), np.float32)
    spans = np.zeros((len(lamps), size, size, 2), np.float32)
    triangles = scene.triangles[scene.casts]
    both = np.ones(len(triangles), np.bool_)
    for k, lamp in enumerate(lamps):
        f = size / 2 / math.tan(math.radians(lamp.spread) / 2)
        K = np.array([[f, 0, (size - 1) / 2], [0, f, (size - 1) / 2], [0, 0, 1.0]])
        T = invert(look_at(lamp.position, lamp.target))
        M[k], t[k] = K @ T[:3, :3], K @ T[:3, 3]
        shadows[k] = _rasterise(scene.vertices, triangles, both, K, T, size, size, 0.02)[0]
        raster.spans(shadows[k], spans[k])
    return Lighting(
        np.array([[*lamp.position, lamp.falloff] for lamp in lamps], np.float32).reshape(-1, 4),
        np.array([lamp.rgb for lamp in lamps], np.float32).reshape(-1, 3),
        M,
        t,
        shadows,
        spans,
        np.array(ambient, np.float32),
    )


@dataclass(frozen=True, eq=False)
class Shot:
    """One noiseless view.

    Attributes:
        depth: ``float32 [H, W]`` metres along the optical axis at the pixel's centre; 0 = nothing.
        ids: ``int32 [H, W]`` instance at the pixel's centre; 0 = scenery or nothing.
    """

    depth: Float32
    ids: NDArray[np.int32]


def see(scene: Scene, camera: Camera, T_world_camera: Float64) -> Shot:
    """Depth and instances alone: exact at pixel centres, a tenth of the price of colour.

    Args:
        scene: what there is.
        camera: calibrated, without distortion and skew.
        T_world_camera: ``float64 [4, 4]``.
    """
    assert camera.intrinsics is not None
    inverse_z, nearest, _ = _rasterise(
        scene.vertices,
        scene.triangles,
        scene.two_sided,
        camera.intrinsics,
        invert(T_world_camera),
        camera.width,
        camera.height,
        NEAR,
    )
    return _resolved(scene, inverse_z, nearest)


@dataclass(frozen=True, eq=False)
class Whole:
    """Things as they would be seen if nothing stood before them.

    Attributes:
        ids: ``int64 [K]`` instances with anything before the camera, ascending.
        pixels: ``int64 [K]`` pixels of the picture that each would cover alone.
        box_xyxy: ``float64 [K, 4]`` box of the whole thing, which may reach beyond the picture;
            cut at the camera's plane.
    """

    ids: NDArray[np.int64]
    pixels: NDArray[np.int64]
    box_xyxy: Float64


def see_whole(scene: Scene, camera: Camera, T_world_camera: Float64) -> Whole:
    """Amodal boxes, and how much of each thing would be in the picture."""
    assert camera.intrinsics is not None
    T, width, height = invert(T_world_camera), camera.width, camera.height
    points, edges, bounds = _set_up(
        scene.vertices, scene.triangles, scene.two_sided, camera.intrinsics, T, width, height, NEAR
    )
    last = int(scene.instance.max(initial=0))
    count = np.zeros(last + 1, np.int64)
    raster.cover(edges, bounds, scene.instance, NEAR, np.zeros((height, width), np.int32), count)
    boxes: dict[int, Float64] = {}
    for k, part in enumerate(scene.parts):
        own = points[scene.vertex_start[k] : scene.vertex_start[k + 1]]
        own = own[own[:, 2] > NEAR]
        if part.instance <= 0 or not len(own):
            continue
        pixels = own[:, :2] / own[:, 2:]
        box = np.concatenate((pixels.min(0), pixels.max(0)))
        if part.instance in boxes:
            old = boxes[part.instance]
            box = np.concatenate((np.minimum(old[:2], box[:2]), np.maximum(old[2:], box[2:])))
        boxes[part.instance] = box
    ids = np.array(sorted(boxes), np.int64)
    stacked = np.array([boxes[int(i)] for i in ids]).reshape(-1, 4)
    return Whole(ids, count[ids], stacked)


def film(
    scene: Scene, lighting: Lighting, camera: Camera, T_world_camera: Float64, finer: int = 1
) -> Float32:
    """Linear light ``float32 [H, W, 3]``, as a lens without faults would gather it.

    Args:
        scene: what there is.
        lighting: its lamps and shadows.
        camera: calibrated, without distortion and skew.
        T_world_camera: ``float64 [4, 4]``.
        finer: each pixel is the mean of ``finer`` x ``finer`` looks.
    """
    assert camera.intrinsics is not None
    K = camera.intrinsics.copy()
    K[:2] *= finer
    K[:2, 2] += (finer - 1) / 2
    width, height = camera.width * finer, camera.height * finer
    inverse_z, nearest, edges = _rasterise(
        scene.vertices,
        scene.triangles,
        scene.two_sided,
        K,
        invert(T_world_camera),
        width,
        height,
        NEAR,
    )
    rgb = np.empty((height, width, 3), np.float32)
    raster.shade(
        inverse_z,
        nearest,
        edges,
        scene.vertices,
        scene.triangles,
        scene.normals,
        scene.uv,
        scene.material,
        scene.base,
        scene.layer,
        scene.gloss,
        scene.textures,
        T_world_camera[:3, 3].astype(np.float32),
        lighting.lamps,
        lighting.rgb,
        lighting.M,
        lighting.t,
        lighting.shadows,
        lighting.spans,
        lighting.ambient,
        _SKY,
        rgb,
    )
    _dim_corners(rgb, inverse_z, float(K[0, 0]))
    if finer > 1:
        rgb = rgb.reshape(camera.height, finer, camera.width, finer, 3).mean((1, 3))
    return rgb


def develop(rgb: Float32, exposure: float = 0.8) -> NDArray[np.uint8]:
    """Linear light to a picture ``uint8 [H, W, 3]`` by a filmic curve and sRGB's gamma."""
    out = np.empty(rgb.shape, np.uint8)
    raster.develop(np.ascontiguousarray(rgb, np.float32), np.float32(exposure), _curve(), out)
    return out


def look_at(
    eye: Sequence[float] | Float64,
    target: Sequence[float] | Float64,
    up: Sequence[float] = (0, 0, 1),
) -> Float64:
    """``T_world_camera`` of a camera at ``eye`` that looks at ``target``, its picture upright."""
    z = np.asarray(target, np.float64) - np.asarray(eye, np.float64)
    z /= np.linalg.norm(z)
    x = np.cross(z, np.asarray(up, np.float64))
    x = np.array([1.0, 0, 0]) if np.linalg.norm(x) < 1e-6 else x / np.linalg.norm(x)
    T = np.eye(4)
    T[:3, :3] = np.stack((x, np.cross(z, x), z), 1)
    T[:3, 3] = eye
    return T


def _rasterise(
    vertices: Float32,
    triangles: NDArray[np.int32],
    two_sided: NDArray[np.bool_],
    K: Float64,
    T_camera_world: Float64,
    width: int,
    height: int,
    near: float,
) -> tuple[Float32, NDArray[np.int32], Float64]:
    _, edges, bounds = _set_up(
        vertices, triangles, two_sided, K, T_camera_world, width, height, near
    )
    inverse_z = np.empty((height, width), np.float32)
    nearest = np.empty((height, width), np.int32)
    raster.rasterise(edges, bounds, near, inverse_z, nearest)
    return inverse_z, nearest, edges


def _set_up(
    vertices: Float32,
    triangles: NDArray[np.int32],
    two_sided: NDArray[np.bool_],
    K: Float64,
    T_camera_world: Float64,
    width: int,
    height: int,
    near: float,
) -> tuple[Float64, Float64, NDArray[np.int32]]:
    points = np.empty((len(vertices), 3), np.float64)
    raster.project(vertices, K @ T_camera_world[:3, :3], K @ T_camera_world[:3, 3], points)
    edges = np.empty((len(triangles), 9), np.float64)
    bounds = np.empty((len(triangles), 4), np.int32)
    raster.set_up(points, triangles, two_sided, width, height, near, edges, bounds)
    return points, edges, bounds


def _resolved(scene: Scene, inverse_z: Float32, nearest: NDArray[np.int32]) -> Shot:
    depth, ids = np.empty_like(inverse_z), np.empty_like(nearest)
    raster.resolve(inverse_z, nearest, scene.instance, depth, ids)
    return Shot(depth, ids)


def _dim_corners(rgb: Float32, inverse_z: Float32, focal: float) -> None:
    step = _OCCLUSION_STEP
    shape = (-(-rgb.shape[0] // step), -(-rgb.shape[1] // step))
    open_share = np.empty(shape, np.float32)
    raster.occlusion(inverse_z, _OCCLUSION_RADIUS, focal, _looks(), step, open_share)
    raster.dim(rgb, open_share, step)


@cache
def _looks() -> Float32:
    """Offsets ``[8, 8, 8, 2]`` in the unit disk, turned differently for each pixel of a tile."""
    turn = np.random.default_rng(0).random((8, 8, 1))
    k = np.arange(8)
    angle = (k + turn) * np.pi / 8
    reach = 0.25 + 0.75 * ((k * 5 + 3) % 8) / 7
    return np.stack((reach * np.cos(angle), reach * np.sin(angle)), -1).astype(np.float32)


@cache
def _curve() -> NDArray[np.uint8]:
    """Narkowicz's fit of the ACES tone curve ("ACES filmic tone mapping curve", 2015), in sRGB."""
    v = np.linspace(0, np.sqrt(8), 8192) ** 2
    v = np.clip(v * (2.51 * v + 0.03) / (v * (2.43 * v + 0.59) + 0.14), 0, 1)
    return np.rint(255 * v ** (1 / 2.2)).astype(np.uint8)
