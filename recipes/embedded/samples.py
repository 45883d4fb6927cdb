"""Frames as the proposer sees them in training: cropped, flipped, darkened, with sensor faults.

Per sample: the input, where objects have their middle, and what belongs to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from recipes.embedded.frames import HEIGHT, WIDTH, Shard
from scenekeeper.geometry import box_iou
from scenekeeper.ground.prepare import proposer_input
from scenekeeper.ground.propose import Proposals

PADDED = 256
"""Rows of the input: the frame's and then nothing, for the network halves them five times."""

CELL = 4
MIN_PIXELS = 16
"""Things of fewer visible pixels are background."""

Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sample:
    """One training example.

    Attributes:
        x: ``float32 [4, 256, 320]``.
        objectness: ``float32 [64, 80]`` what each cell should say.
        owner: ``int16 [64, 80]`` 1 + the thing that a positive cell stands for; 0 = none.
        boxes: ``float32 [K, 4]`` visible boxes, pixels.
        inside: ``int16 [64, 80]`` 1 + the thing at the cell's centre.
    """

    x: Float32
    objectness: Float32
    owner: NDArray[np.int16]
    boxes: Float32
    inside: NDArray[np.int16]


def sample(shard: Shard, row: int, rng: np.random.Generator) -> Sample:
    """One frame, altered at random."""
    rgb, depth, ids, _ = view(shard, row, rng)
    return Sample(proposer_input(rgb, depth, PADDED), *targets(ids))


def view(
    shard: Shard, row: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint8], Float32 | None, NDArray[np.uint8], float]:
    """Colour, depth or none, ids, and the focal length in pixels, of a frame altered at random."""
    rgb, depth, ids = shard.rgb[row], shard.depth[row], shard.ids[row]
    focal = float(shard.facts[row]["focal"])  # type: ignore[arg-type]
    if rng.random() < 0.6:
        share = rng.uniform(0.5, 1.0)
        h, w = int(HEIGHT * share), int(WIDTH * share)
        y, x = int(rng.integers(0, HEIGHT - h + 1)), int(rng.integers(0, WIDTH - w + 1))
        rgb, depth, ids = (a[y : y + h, x : x + w] for a in (rgb, depth, ids))
        focal /= share
    if rng.random() < 0.5:
        rgb, depth, ids = (a[:, ::-1] for a in (rgb, depth, ids))
    size = (WIDTH, HEIGHT)
    rgb = cv2.resize(np.ascontiguousarray(rgb), size, interpolation=cv2.INTER_LINEAR)
    depth = cv2.resize(np.ascontiguousarray(depth), size, interpolation=cv2.INTER_NEAREST)
    ids = cv2.resize(np.ascontiguousarray(ids), size, interpolation=cv2.INTER_NEAREST)
    return seen_by_a_camera(rgb, rng), sensed(depth, rng), ids, focal


def seen_by_a_camera(rgb: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Exposure, white balance, blur and noise at random."""
    f = (rgb.astype(np.float32) / 255) ** rng.uniform(0.6, 1.6)
    f *= rng.uniform(0.82, 1.15, 3).astype(np.float32)
    if rng.random() < 0.3:
        f = cv2.GaussianBlur(f, (0, 0), rng.uniform(0.3, 1.3))
    if rng.random() < 0.6:
        noise = rng.standard_normal((HEIGHT, WIDTH, 1), np.float32)
        f = f + noise * np.float32(rng.uniform(0, 0.04))
    if rng.random() < 0.05:
        f = np.repeat(f.mean(2, keepdims=True), 3, 2)
    return np.clip(255 * f, 0, 255).astype(np.uint8)


def sensed(depth: NDArray[np.uint16], rng: np.random.Generator) -> Float32 | None:
    """Depth in metres with noise, holes at edges and in patches; none at all in 3 of 10."""
    if rng.random() < 0.3:
        return None
    z = depth.astype(np.float32) / 1000
    if rng.random() < 0.15:
        return z
    jump = np.abs(cv2.Laplacian(z, cv2.CV_32F)) > 0.06 * np.maximum(z, 0.3)
    jump = cv2.dilate(jump.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    known = ~(jump & (rng.random(z.shape, np.float32) < rng.uniform(0.2, 0.9)))
    known &= (z > rng.uniform(0.1, 0.45)) & (z < rng.uniform(3.5, 8))
    patches = cv2.resize(rng.random((12, 16)).astype(np.float32), (WIDTH, HEIGHT))
    known &= patches < rng.uniform(0.85, 1.3)
    noise = rng.standard_normal(z.shape, np.float32)
    return np.where(known, z + noise * z * z * np.float32(rng.uniform(0, 0.006)), 0)


def targets(
    ids: NDArray[np.uint8],
) -> tuple[Float32, NDArray[np.int16], Float32, NDArray[np.int16]]:
    """Objectness, owner, boxes and inside of an id image (see :class:`Sample`).

    A thing is stood for by the cells around the pixel of it that is farthest from its outline, so
    that each cell has one owner however things crowd.
    """
    h, w = PADDED // CELL, WIDTH // CELL
    objectness, owner = np.zeros((h, w), np.float32), np.zeros((h, w), np.int16)
    inside = np.zeros((h, w), np.int16)
    centers = ids[CELL // 2 :: CELL, CELL // 2 :: CELL]
    boxes: list[tuple[int, int, int, int]] = []
    counts = np.bincount(ids.ravel(), minlength=256)
    for i in np.flatnonzero(counts >= MIN_PIXELS):
        if i == 0:
            continue
        mask = (ids == i).astype(np.uint8)
        x0, y0, bw, bh = cv2.boundingRect(mask)
        crop = np.pad(mask[y0 : y0 + bh, x0 : x0 + bw], 1)
        depth_in = cv2.distanceTransform(crop, cv2.DIST_L2, 3)[1:-1, 1:-1]
        py, px = np.unravel_index(int(depth_in.argmax()), depth_in.shape)
        boxes.append((x0, y0, x0 + bw, y0 + bh))
        cy, cx = (int(py) + y0) // CELL, (int(px) + x0) // CELL
        reach = int(np.clip(depth_in.max() / CELL * 0.6, 0, 2))
        inside[: len(centers)][centers == i] = len(boxes)
        for a in range(max(0, cy - reach), min(len(centers), cy + reach + 1)):
            for b in range(max(0, cx - reach), min(w, cx + reach + 1)):
                far = (a - cy) ** 2 + (b - cx) ** 2
                middle = far == 0
                if far > reach**2 or not (middle or centers[a, b] == i):
                    continue
                value = 1 - 0.35 * far / max(1, reach**2)
                if middle or value > objectness[a, b]:
                    objectness[a, b], owner[a, b] = value, len(boxes)
    return objectness, owner, np.array(boxes, np.float32).reshape(-1, 4), inside


def meant(found: Proposals, dense: NDArray[np.bool_], ids: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``uint8 [N]`` the thing that each proposal is of; 0 = none."""
    counts = np.bincount(ids.ravel(), minlength=256)
    things = [i for i in np.flatnonzero(counts >= MIN_PIXELS) if i]
    if not things:
        return np.zeros(len(found), np.uint8)
    masks = np.stack([ids == i for i in things])
    boxes = np.array([_box(m) for m in masks], np.float32)
    flat, true = (m.reshape(len(m), -1).astype(np.float32) for m in (dense, masks))
    shared = flat @ true.T
    iou = shared / np.maximum(flat.sum(1)[:, None] + true.sum(1)[None] - shared, 1)
    fits = np.maximum(iou, box_iou(found.box_xyxy, boxes))
    best = fits.argmax(1)
    of = np.array(things, np.uint8)[best]
    return np.where(fits[np.arange(len(of)), best] >= 0.4, of, 0).astype(np.uint8)


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def batches(
    folders: Sequence[Path], size: int, queue: Any, seed: int
) -> None:  # pragma: no cover - runs in a process of its own
    """Put batches into a queue for ever; shards that appear meanwhile join in."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    for batch in endless(folders[0], size, rng):
        queue.put(batch)


def endless(folder: Path, size: int, rng: np.random.Generator) -> Iterator[list[Sample]]:
    """Batches of altered frames, drawn from all shards that are ready."""
    shards: list[Shard] = []
    while True:
        ready = sorted(folder.glob("train-*/facts.json"))
        if len(ready) != len(shards):
            shards = [Shard.load(f.parent) for f in ready]
        for _ in range(50):
            batch = []
            for _ in range(size):
                shard = shards[int(rng.integers(len(shards)))]
                batch.append(sample(shard, int(rng.integers(len(shard))), rng))
            yield batch
