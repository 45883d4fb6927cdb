"""Detections of real frames with known identities: for benchmarks of maps of objects.

The surface fused from a recording is cut into connected pieces, each looked up from every frame,
so masks agree between views as those of real things do. Then the detector's faults: outlines too
wide or too narrow, misses, appearance that changes with the view, poses that are off. Rooms beyond
the first are the same frames moved 10 m, so a map grows while every frame stays as hard.

All is decided by seeds. The cut is kept in the temporary folder; reading it and making frames needs
NumPy and SciPy alone, so a peer in an environment of its own gets the same input.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

Float = NDArray[np.float64]

VERSION = 3
VOXEL = 0.025
MAX_DEPTH = 6.0
ROOM_APART = 10.0
LEAST_PIXELS = 200
LEAST_VOXELS = 300
PER_ROOM = 100_000
"""Truth ids of a room start at this multiple of its number."""

COMMON, OWN = 0.55, 0.40
"""Shares of an image embedding's squared length: what all pictures have in common, and what is the
thing's own; the rest changes with the view. So unrelated crops have a cosine of 0.55, as CLIP's do,
and two views of one thing 0.95."""


@dataclass(frozen=True, eq=False)
class Views:
    """Frames of one recording whose pixels know what they show.

    Attributes:
        name: what was recorded, for people.
        intrinsics: ``float64 [3, 3]``.
        T_world_camera: ``float64 [F, 4, 4]``, exact as far as the recording is.
        depth_mm: ``uint16 [F, H, W]``; 0 = unknown.
        instance: ``int16 [F, H, W]``; -1 = none.
        path: where they are kept.
    """

    name: str
    intrinsics: Float
    T_world_camera: Float
    depth_mm: NDArray[np.uint16]
    instance: NDArray[np.int16]
    path: Path = Path()


@dataclass(frozen=True)
class Conditions:
    """What makes the input hard.

    Attributes:
        metres: standard deviation of a pose's error along each axis, independent per frame,
        degrees: and of its turn about each axis.
        missed: share of visible instances that are not detected.
        mask_px: outlines are up to so many pixels too wide or too narrow.
        looks: number of different appearances; ``None`` = every instance has its own.
        at_most: detections kept per frame.
        dimensions: of an appearance.
    """

    metres: float = 0.0
    degrees: float = 0.0
    missed: float = 0.1
    mask_px: int = 3
    looks: int | None = None
    at_most: int = 20
    dimensions: int = 1024


CLEAN = Conditions()


@dataclass(frozen=True, eq=False)
class Detections:
    """M instances found in one frame.

    Attributes:
        masks: M crops ``bool [h, w]``.
        box_xyxy: ``int64 [M, 4]`` where each crop lies, pixels, half-open.
        feature: ``float32 [M, D]`` of unit length.
        truth: ``int64 [M]`` true ids.
    """

    masks: tuple[NDArray[np.bool_], ...]
    box_xyxy: NDArray[np.int64]
    feature: NDArray[np.float32]
    truth: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.truth)


@dataclass(frozen=True, eq=False)
class MappingFrame:
    """One picture's depth, believed pose and detections.

    Attributes:
        t_ns: its time.
        depth: ``float32 [H, W]`` metres; 0 = unknown.
        intrinsics: ``float64 [3, 3]``.
        T_world_camera: ``float64 [4, 4]`` as the robot believes it is.
        detections: what was found.
    """

    t_ns: int
    depth: NDArray[np.float32]
    intrinsics: Float
    T_world_camera: Float
    detections: Detections


# --- frames ---------------------------------------------------------------------------------------


def mapping_frames(
    views: Views,
    conditions: Conditions,
    seed: int,
    rooms: Sequence[int] = (0,),
    per_room: int = 15,
) -> Iterator[MappingFrame]:
    """Frames of some rooms, one after another.

    Args:
        views: the recording.
        conditions: what makes it hard.
        seed: decides all that is random; a frame does not depend on those before it.
        rooms: which rooms, from 0.
        per_room: frames of each, spread over the whole recording.
    """
    picked = np.linspace(0, len(views.depth_mm) - 1, per_room).round().astype(int)
    for order, room in enumerate(rooms):
        for k, index in enumerate(picked.tolist()):
            rng = np.random.default_rng((seed, room, k))
            pose = _believed(views.T_world_camera[index], conditions, rng)
            pose[0, 3] += ROOM_APART * room
            yield MappingFrame(
                t_ns=(order * per_room + k) * 100_000_000,
                depth=views.depth_mm[index].astype(np.float32) * np.float32(0.001),
                intrinsics=views.intrinsics,
                T_world_camera=pose,
                detections=_detections(views.instance[index], room, conditions, seed, rng),
            )


def _believed(pose: Float, conditions: Conditions, rng: np.random.Generator) -> Float:
    off = np.eye(4)
    turn = rng.normal(0, 1, 3) * conditions.degrees
    off[:3, :3] = Rotation.from_rotvec(turn, degrees=True).as_matrix()
    off[:3, 3] = rng.normal(0, 1, 3) * conditions.metres
    return np.asarray(pose @ off, np.float64)


def _detections(
    instance: NDArray[np.int16],
    room: int,
    conditions: Conditions,
    seed: int,
    rng: np.random.Generator,
) -> Detections:
    pixels = np.bincount(instance[instance >= 0])
    seen = rng.permutation(np.flatnonzero(pixels >= LEAST_PIXELS))
    seen = seen[rng.random(len(seen)) >= conditions.missed][: conditions.at_most]
    around = ndimage.find_objects(instance.astype(np.int32) + 1)
    masks, boxes = [], []
    for thing in seen.tolist():
        mask, box = _outline(instance, thing, around[thing], conditions.mask_px, rng)
        masks.append(mask)
        boxes.append(box)
    truth = seen + PER_ROOM * room
    return Detections(
        tuple(masks),
        np.array(boxes, np.int64).reshape(-1, 4),
        _features(truth, conditions, seed, rng),
        truth.astype(np.int64),
    )


def _outline(
    instance: NDArray[np.int16],
    thing: int,
    where: tuple[slice, slice],
    most: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.bool_], tuple[int, int, int, int]]:
    """A mask as a segmenter might draw it, cropped, and its box."""
    y0, x0 = (max(0, s.start - most - 1) for s in where)
    mask = instance[y0 : where[0].stop + most + 1, x0 : where[1].stop + most + 1] == thing
    fault = rng.integers(4)
    steps = int(rng.integers(1, most + 1)) if most else 0
    if steps and fault:
        change = (ndimage.binary_dilation, ndimage.binary_erosion, ndimage.binary_closing)
        changed = change[fault - 1](mask, iterations=steps)
        if changed.sum() >= LEAST_PIXELS // 4:  # what is thin would be gone
            mask = changed
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    crop = np.ascontiguousarray(mask[top:bottom, left:right])
    return crop, (int(x0 + left), int(y0 + top), int(x0 + right), int(y0 + bottom))


def _features(
    truth: NDArray[np.int64], conditions: Conditions, seed: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    D = conditions.dimensions
    look = truth if conditions.looks is None else truth % PER_ROOM % conditions.looks
    common = _unit(np.random.default_rng((seed, 1)).standard_normal(D))
    own = [np.random.default_rng((seed, 2, int(k))).standard_normal(D) for k in look]
    view = _unit(rng.standard_normal((len(truth), D)))
    made = np.sqrt(OWN) * _unit(np.array(own).reshape(-1, D)) + np.sqrt(1 - COMMON - OWN) * view
    return _unit(made + np.sqrt(COMMON) * common).astype(np.float32)


def _unit(rows: Float) -> Float:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float64)


# --- views ----------------------------------------------------------------------------------------


def prepared(instances: int = 100, frames: int = 100) -> Views:
    """The real kitchen, or a rendered room where it is not here, cut into instances.

    Args:
        instances: number of pieces of the surface.
        frames: how many frames of the recording, evenly spread.
    """
    from benchmarks.harness import real_kitchen, room

    facts = f"{VERSION} {real_kitchen()} {instances} {frames}"
    known = hashlib.sha256(facts.encode()).hexdigest()[:16]
    kept = Path(tempfile.gettempdir()) / "scenekeeper-benchmarks" / f"views-{known}.npz"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as temporary:
            folder, name = room(Path(temporary))
            _keep(cut(folder, name, instances, frames), kept)
    return read_views(kept)


def read_views(path: Path) -> Views:
    """Views as :func:`prepared` has kept them."""
    with np.load(path) as kept:
        return Views(
            str(kept["name"]),
            kept["intrinsics"],
            kept["T_world_camera"],
            kept["depth_mm"],
            kept["instance"],
            path,
        )


def _keep(views: Views, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {k: v for k, v in vars(views).items() if k != "path"}
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npz", delete=False) as file:
        np.savez(file, **columns)
    Path(file.name).replace(path)


def cut(folder: Path, name: str, instances: int, frames: int) -> Views:
    """Read a recording, fuse it, cut its surface and look every pixel up.

    Args:
        folder: any recording with depth and poses.
        name: what it is, for people.
        instances: number of pieces.
        frames: how many frames, evenly spread; those without depth or pose are left out.
    """
    from scenekeeper.recording import open_recording
    from scenekeeper.recording.frames import frame_index, read_frames
    from scenekeeper.voxels import frame_surface, merge

    recording = open_recording(folder)
    index = frame_index(recording)
    picked = np.linspace(0, len(index) - 1, min(frames, len(index))).round().astype(int)
    depths, poses, parts = [], [], []
    intrinsics = np.eye(3)
    for frame in read_frames(recording, index.take(picked)):
        part = frame_surface(frame, VOXEL, MAX_DEPTH)
        K, pose = frame.camera.intrinsics, frame.T_world_camera
        if part is None or frame.depth is None or K is None or pose is None:
            continue
        parts.append(part)
        near = np.where(frame.depth < MAX_DEPTH, frame.depth, 0)
        depths.append((near * 1000).round().astype(np.uint16))
        poses.append(pose)
        intrinsics = K
    surface = merge(parts)
    surface = surface[surface.count >= 2]
    key, piece = partition(surface.key, surface.rgb, surface.normal, instances)
    labels = [look_up(d, intrinsics, T, key, piece) for d, T in zip(depths, poses, strict=True)]
    return Views(name, intrinsics, np.array(poses), np.array(depths), np.array(labels))


def partition(
    key: NDArray[np.int64],
    rgb: NDArray[np.float32],
    normal: NDArray[np.float32],
    pieces: int,
) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
    """Cut a surface, but for its specks, into connected pieces of similar size.

    Every voxel goes to the nearest of seeds that lie far apart; the way across an edge of colour or
    of orientation is long, so pieces tend to end there.

    Args:
        key: ascending ``int64 [V]``, voxels of edge :data:`VOXEL`.
        rgb: ``float32 [V, 3]``, 0 to 255.
        normal: ``float32 [V, 3]``, unit length or zero.
        pieces: how many.

    Returns:
        ascending keys ``int64 [W]`` of what is no speck and the piece ``int16 [W]`` of each; -1
        where no seed lies on the same connected part.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components, dijkstra

    from scenekeeper.voxels import neighbours, voxel_centers

    a, b = neighbours(key)
    centers = voxel_centers(key, VOXEL)
    way = np.linalg.norm(centers[a] - centers[b], axis=1)
    way += 0.0015 * np.abs(rgb[a] - rgb[b]).mean(1)
    way += 0.03 * (1 - np.clip((normal[a] * normal[b]).sum(1), 0, 1))
    graph = coo_matrix((way, (a, b)), (len(key), len(key))).tocsr()
    _, part = connected_components(graph, directed=False)
    kept = np.flatnonzero(np.bincount(part)[part] >= LEAST_VOXELS)
    graph = graph[kept][:, kept]
    seeds = _far_apart(centers[kept], pieces)
    _, _, source = dijkstra(
        graph, directed=False, indices=seeds, min_only=True, return_predecessors=True
    )
    number = np.full(len(kept) + 1, -1, np.int16)  # the last is for what no seed reaches
    number[seeds] = np.arange(pieces)
    return key[kept], number[np.where(source < 0, -1, source)]


def _far_apart(points: Float, n: int) -> NDArray[np.int64]:
    """Rows of points that are far from each other, with some chance so that sizes differ."""
    rng = np.random.default_rng(0)
    chosen = [int(rng.integers(len(points)))]
    nearest = np.full(len(points), np.inf)
    for _ in range(n - 1):
        nearest = np.minimum(nearest, ((points - points[chosen[-1]]) ** 2).sum(1))
        chosen.append(int(np.argmax(nearest * (0.5 + rng.random(len(points))))))
    return np.array(chosen)


def look_up(
    depth_mm: NDArray[np.uint16],
    intrinsics: Float,
    T_world_camera: Float,
    key: NDArray[np.int64],
    piece: NDArray[np.int16],
) -> NDArray[np.int16]:
    """The piece that every pixel shows, ``int16 [H, W]``; -1 = none or depth unknown.

    A pixel just beside the surface takes its neighbour's, up to 3 px away, lest masks be sieves.
    """
    from scenekeeper import geometry
    from scenekeeper.voxels import voxel_keys

    height, width = depth_mm.shape
    rays = geometry.rays(intrinsics, width, height)
    known = depth_mm > 0
    points = geometry.unproject(depth_mm.astype(np.float32) * np.float32(0.001), rays)[known]
    wanted = voxel_keys(geometry.transform(T_world_camera, points), VOXEL)
    at = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    out = np.full(depth_mm.shape, -1, np.int16)
    out[known] = np.where(key[at] == wanted, piece[at], -1)
    far, (y, x) = ndimage.distance_transform_edt(out < 0, return_indices=True)
    return np.where(known & (far <= 3), out[y, x], np.int16(-1))
