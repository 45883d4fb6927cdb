"""Film the tabletop: light it, move a camera around it, add a sensor's faults, write the files.

Out: a folder in the layout of 7-Scenes (colour, depth, pose per frame, one intrinsics file), and
beside it ``truth/`` with instance images and the exact box of every object.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scenekeeper.errors import RecordingError
from scenekeeper.geometry import invert
from scenekeeper.schema import Camera
from scenekeeper.simulate import raycast
from scenekeeper.simulate.raycast import Float, Float32, Hits, Vec3
from scenekeeper.simulate.tabletop import Part, Thing, tabletop

TARGET: Vec3 = (0.0, 0.12, 0.68)
JPEG_QUALITY = 92
DEPTH_SIGMA = 0.0015
"""Standard deviation of depth at one metre; it grows with the square of distance."""

_SKY, _GROUND = np.array([0.46, 0.48, 0.52]), np.array([0.27, 0.24, 0.21])
_LOOKS, _PENUMBRA = 8, 0.004  # how often, and how far around as a share of the lamp's map
_SUBPIXELS = np.array([[-0.375, -0.125], [0.125, -0.375], [0.375, 0.125], [-0.125, 0.375]])


@dataclass(frozen=True, eq=False)
class Light:
    """A lamp with hard shadows: what it sees is lit.

    Attributes:
        color: linear ``float32 [3, 1]``, irradiance at one metre.
        camera: looks from the lamp into the room.
        T_world_camera: the lamp's place and direction.
        depth: ``float32 [H, W]`` metres along the lamp's axis to what it lights.
    """

    color: Float32
    camera: Camera
    T_world_camera: Float
    depth: Float32


@dataclass(frozen=True, eq=False)
class Render:
    """One noiseless view.

    Attributes:
        rgb: ``float32 [H, W, 3]`` linear light.
        depth: ``float32 [H, W]`` metres through the pixel's centre; 0 = nothing there.
        ids: ``uint16 [H, W]`` thing at the pixel's centre; 0 = nothing there.
        facing: ``float32 [H, W]`` cosine between surface normal and line of sight.
    """

    rgb: Float32
    depth: Float32
    ids: NDArray[np.uint16]
    facing: Float32


def write_tabletop(
    folder: Path, frames: int = 90, seed: int = 0, size: tuple[int, int] = (320, 240)
) -> Path:
    """Render the tabletop as an RGB-D recording with ground truth.

    The same arguments give the same bytes. The seed changes the sensor's noise, not the room.

    Args:
        folder: where to write; must not exist, or be empty.
        frames: pictures along the camera's path, which stays the same.
        seed: of the noise.
        size: ``(width, height)`` in pixels.

    Returns:
        The folder.

    Raises:
        RecordingError: the folder already holds something, or cannot be written.
        ValueError: no frames, or an empty picture.
    """
    if frames < 1:
        raise ValueError(f"a recording needs at least one frame, not {frames}")
    camera, target = pinhole(*size), folder.resolve()
    draft = target.with_name(f".{target.name}-{uuid4().hex[:8]}")
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise RecordingError(
                "there is something here already", path=folder, remedy="Name a new folder."
            )
        (draft / "truth").mkdir(parents=True)
        _film(draft, frames, seed, camera)
        _flush(draft)
        draft.replace(target)
    except OSError as error:
        raise RecordingError(
            f"cannot write here: {error.strerror or error}",
            path=folder,
            remedy="Choose a folder on a disk with room that you may write to.",
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def pinhole(width: int, height: int) -> Camera:
    """The demo's camera: 61 degrees wide, principal point in the middle."""
    f = 0.85 * width
    K = np.array([[f, 0, (width - 1) / 2], [0, f, (height - 1) / 2], [0, 0, 1]])
    return Camera("camera", width, height, K)


def orbit(frames: int) -> list[Float]:
    """``T_world_camera`` along a smooth swing of 125 degrees around the table."""
    poses = []
    for s in np.linspace(0, 1, frames):
        azimuth = np.radians(-104 + 125 * (s - np.sin(2 * np.pi * s) / (4 * np.pi)))
        radius = 1.5 - 0.22 * np.sin(np.pi * s)
        height = 1.38 + 0.16 * np.sin(2 * np.pi * s + 0.6)
        eye = (radius * np.cos(azimuth), radius * np.sin(azimuth), height)
        poses.append(look_at(eye, TARGET))
    return poses


def look_at(eye: Vec3, target: Vec3) -> Float:
    """Pose of a level camera at ``eye`` with ``target`` in its middle."""
    forward = np.subtract(target, eye)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, (0, 0, 1))
    right /= np.linalg.norm(right)
    T = np.eye(4)
    T[:3, 0], T[:3, 1], T[:3, 2], T[:3, 3] = right, np.cross(forward, right), forward, eye
    return T


def lamps(things: Sequence[Thing]) -> tuple[Light, ...]:
    """A warm lamp that models the forms and a weak cool one that opens the shadows."""
    return (
        _lamp(things, (1.15, -1.05, 2.55), (-0.25, 0.3, 0.4), (4.6, 4.2, 3.6), 1024),
        _lamp(things, (-1.35, -1.5, 2.3), (0.1, 0.3, 0.5), (1.5, 1.65, 1.9), 512),
    )


def render(
    things: Sequence[Thing], lights: Sequence[Light], camera: Camera, T_world_camera: Float
) -> Render:
    """See the room through a camera; colour is antialiased, depth and ids are not."""
    parts = [part for thing in things for part in thing.parts]
    ids = np.array([0] + [thing.id for thing in things for _ in thing.parts], np.uint16)
    shapes = [part.shape for part in parts]
    pixels = raycast.pixel_grid(camera.width, camera.height)
    hits = raycast.cast(shapes, camera, T_world_camera, pixels)
    color, facing = _shade(parts, lights, hits)
    grid = (camera.height, camera.width)

    rough = np.flatnonzero(_contrast(color.reshape(3, *grid)))
    fine = (pixels[:, rough, None] + _SUBPIXELS.T[:, None]).reshape(2, -1).astype(np.float32)
    samples, _ = _shade(parts, lights, raycast.cast(shapes, camera, T_world_camera, fine))
    color[:, rough] = samples.reshape(3, -1, len(_SUBPIXELS)).mean(2)
    return Render(
        np.moveaxis(color.reshape(3, *grid), 0, -1),
        np.where(np.isfinite(hits.depth), hits.depth, 0).reshape(grid),
        ids[hits.shape + 1].reshape(grid),
        facing.reshape(grid),
    )


def photograph(rgb: Float32, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Linear light to ``uint8`` with a soft shoulder and a little sensor noise."""
    value = np.sqrt(rgb / (1 + 0.18 * rgb * rgb))
    value = 255 * value + 1.6 * rng.standard_normal(rgb.shape, np.float32)
    return np.asarray(np.rint(np.clip(value, 0, 255)), np.uint8)


def sense_depth(view: Render, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Depth as a Kinect would give it, ``uint16 [H, W]`` millimetres, 0 = unknown.

    Noise grows with the square of distance; surfaces seen at a grazing angle and the far side of
    silhouettes are lost, some by chance.
    """
    z = view.depth
    noisy = z + DEPTH_SIGMA * z * z * rng.standard_normal(z.shape, np.float32)
    chance = rng.random(z.shape, np.float32)
    lost = chance < np.clip((0.2 - view.facing) / 0.15, 0, 1)
    lost |= _shadowed(z) & (chance < 0.7)
    lost |= z == 0
    return np.where(lost, 0, np.rint(noisy * 1000)).astype(np.uint16)


# --- light ----------------------------------------------------------------------------------------


def _lamp(things: Sequence[Thing], at: Vec3, target: Vec3, color: Vec3, resolution: int) -> Light:
    c = (resolution - 1) / 2
    f = 0.36 * resolution
    camera = Camera("lamp", resolution, resolution, np.array([[f, 0, c], [0, f, c], [0, 0, 1]]))
    T = look_at(at, target)
    shapes = [part.shape for thing in things for part in thing.parts]
    hits = raycast.cast(shapes, camera, T, raycast.pixel_grid(resolution, resolution))
    depth = hits.depth.reshape(resolution, resolution)
    return Light(np.array(color, np.float32)[:, None], camera, T, depth)


def _shade(parts: Sequence[Part], lights: Sequence[Light], hits: Hits) -> tuple[Float32, Float32]:
    """Linear colour ``[3, N]`` and the cosine of view and normal ``[N]`` of every hit."""
    albedo, normals = _surface(parts, hits)
    facing = -(normals * hits.directions).sum(0) / np.linalg.norm(hits.directions, axis=0)
    normals *= np.sign(facing)
    points = hits.points()
    points[:, hits.shape < 0] = 0
    up = (0.5 + 0.5 * normals[2]).astype(np.float32)
    sky, ground = (c.astype(np.float32)[:, None] for c in (_SKY, _GROUND))
    light = ground + (sky - ground) * up
    for lamp in lights:
        light += lamp.color * _received(lamp, points, normals)
    return albedo * light, np.abs(facing)


def _surface(parts: Sequence[Part], hits: Hits) -> tuple[Float32, Float32]:
    """Albedo and outward world normals ``[3, N]``; zero where nothing was hit."""
    albedo, normals = np.zeros_like(hits.directions), np.zeros_like(hits.directions)
    points = hits.points()
    order = np.argsort(hits.shape, kind="stable")
    ends = np.searchsorted(hits.shape[order], np.arange(len(parts) + 1))
    for k, part in enumerate(parts):
        own = order[ends[k] : ends[k + 1]]
        if len(own):
            local = raycast.to_local(part.shape, points.take(own, axis=1))
            n = raycast.normal(part.shape, local)
            albedo[:, own] = part.texture(local, n)
            normals[:, own] = raycast.to_world(part.shape, n)
    return albedo, normals


def _received(lamp: Light, points: Float32, normals: Float32) -> Float32:
    """Share ``[N]`` of a lamp's light that arrives: distance, angle and shadow."""
    ray = lamp.T_world_camera[:3, 3].astype(np.float32)[:, None] - points
    square = np.maximum((ray * ray).sum(0), np.float32(1e-6))
    lambert = np.maximum((ray * normals).sum(0), 0) / np.sqrt(square)
    lit = _lit(lamp, points + np.float32(0.004) * normals)
    return np.asarray(lambert / (1 + square) * lit, np.float32)


def _lit(lamp: Light, points: Float32) -> Float32:
    """How much of a lamp's disc is seen from each point, 0 to 1, by a few looks at its map."""
    assert lamp.camera.intrinsics is not None
    T = invert(lamp.T_world_camera).astype(np.float32)
    x, y, z = (
        T[i, 0] * points[0] + T[i, 1] * points[1] + T[i, 2] * points[2] + T[i, 3] for i in range(3)
    )
    K = lamp.camera.intrinsics.astype(np.float32)
    z = np.maximum(z, np.float32(raycast.NEAR))
    width = lamp.camera.width
    radius = _PENUMBRA * width
    first, last = np.float32(radius), np.float32(width - 1 - radius)
    column = np.clip(K[0, 0] * x / z + K[0, 2], first, last).astype(np.int32)
    row = np.clip(K[1, 1] * y / z + K[1, 2], first, last).astype(np.int32)
    cell, nearest = row * np.int32(width) + column, z * np.float32(0.994)
    depth, seen = lamp.depth.ravel(), np.zeros(z.shape, np.float32)
    for k in range(_LOOKS):  # a golden-angle spiral
        r, a = radius * np.sqrt((k + 0.5) / _LOOKS), 2.39996 * k
        step = round(r * np.sin(a)) * width + round(r * np.cos(a))
        seen += depth.take(cell + np.int32(step)) > nearest
    return np.asarray(seen / _LOOKS, np.float32)


def _contrast(color: Float32) -> NDArray[np.bool_]:
    """Pixels ``[H, W]`` that differ visibly from the next one, in either direction."""
    tone = np.sqrt(color.sum(0))
    mark = np.zeros(tone.shape, np.bool_)
    across = np.abs(np.diff(tone, axis=1)) > 0.08
    down = np.abs(np.diff(tone, axis=0)) > 0.08
    mark[:, 1:] |= across
    mark[:, :-1] |= across
    mark[1:] |= down
    mark[:-1] |= down
    return mark


def _shadowed(z: Float32) -> NDArray[np.bool_]:
    """Pixels beside something clearly nearer, which hides them from one eye of the sensor."""
    mark = np.zeros(z.shape, np.bool_)
    step = 0.03 + 0.02 * z
    mark[:, 1:] |= z[:, 1:] - z[:, :-1] > step[:, 1:]
    mark[:, :-1] |= z[:, :-1] - z[:, 1:] > step[:, :-1]
    mark[1:] |= z[1:] - z[:-1] > step[1:]
    mark[:-1] |= z[:-1] - z[1:] > step[:-1]
    return mark


# --- files ----------------------------------------------------------------------------------------


def _film(folder: Path, frames: int, seed: int, camera: Camera) -> None:
    things = tabletop()
    lights = lamps(things)
    rng = np.random.default_rng(seed)
    truth = folder / "truth"
    for k, T_world_camera in enumerate(orbit(frames)):
        view = render(things, lights, camera, T_world_camera)
        name = f"frame-{k:06d}"
        rgb = Image.fromarray(photograph(view.rgb, rng))
        rgb.save(folder / f"{name}.color.jpg", quality=JPEG_QUALITY)
        _save_png(folder / f"{name}.depth.png", sense_depth(view, rng))
        _save_matrix(folder / f"{name}.pose.txt", T_world_camera)
        _save_png(truth / f"{name}.instances.png", view.ids)
    assert camera.intrinsics is not None
    _save_matrix(folder / "camera-intrinsics.txt", camera.intrinsics)
    (truth / "objects.json").write_text(json.dumps([_box_of(t) for t in things], indent=1) + "\n")


def _box_of(thing: Thing) -> dict[str, object]:
    return {
        "id": thing.id,
        "name": thing.name,
        "center": thing.center,
        "extent": thing.extent,
        "yaw": thing.yaw,
        "supported_by": thing.supported_by,
    }


def _flush(folder: Path) -> None:
    """Have everything below a folder on the disk before the folder gets its name."""
    for path in (*folder.rglob("*"), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _save_png(path: Path, image: NDArray[np.uint16]) -> None:
    Image.fromarray(image).save(path, compress_level=3)


def _save_matrix(path: Path, matrix: Float) -> None:
    np.savetxt(path, matrix, fmt="%.17g")
