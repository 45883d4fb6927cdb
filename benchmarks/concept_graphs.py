"""ConceptGraphs' published per-frame mapping (Gu et al., ICRA 2024; ``main``), written again here.

What is computed is what the paper's code computes, step by step, with the same libraries (Open3D,
FAISS) and the settings of its README. In its favour: no colours, no text features, no masks kept
for ever, no loop over all pairs of boxes in Python, and overlap by separating axes (whether boxes
overlap is all that is asked of the IoU) in place of PyTorch3D's exact IoU of all pairs.

CPU ms a frame of some 18 detections, one thread, clean-ups spread out, on two shared cores: 467
with 70 objects, 523 with 141, 591 with 278, 651 with 418, 795 with 629, 809 with 704, 939 with 777.
The peer's own code took what :data:`OWN` says on a like input: at every size the two are within 1.2
times of each other.

Needs Open3D and FAISS; ``peer_map`` runs it in an environment that has them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.mapping_input import MappingFrame

Float = NDArray[np.float64]

OWN = {76: 414, 155: 449, 311: 604, 445: 762, 620: 916, 774: 1089}
"""CPU ms a frame that the peer's own code took, by objects: one thread, 18 detections, the same
kitchen cut in the same way, clean-ups spread out."""

STAGES = ("lift", "spatial", "visual", "merge", "periodic")


@dataclass(frozen=True)
class PeerConfig:
    """Settings as in the peer's README; lengths in metres.

    Attributes:
        accept: least sum of point overlap and cosine for a detection to join an object.
        voxel: edge to which points are thinned; nearer points count as the same.
        cluster_radius: of DBSCAN,
        cluster_points: and how many make a core.
        least_points: objects of fewer are dropped.
        least_mask: pixels.
        largest_box: share of the picture.
        every: frames between rounds of clean-up.
        merges: whether a round also merges objects (the configuration for class-agnostic masks).
        merge_overlap: least overlap of objects that are merged,
        merge_cosine: and least cosine.
        least_detections: objects seen less often are dropped at the end.
    """

    accept: float = 1.2
    voxel: float = 0.025
    cluster_radius: float = 0.1
    cluster_points: int = 10
    least_points: int = 16
    least_mask: int = 25
    largest_box: float = 0.5
    every: int = 20
    merges: bool = False
    merge_overlap: float = 0.7
    merge_cosine: float = 0.8
    least_detections: int = 3


@dataclass(eq=False)
class PeerObject:
    """A thing of the peer's map, or a detection that may become one.

    Attributes:
        cloud: Open3D points, world frame.
        box: Open3D box.
        feature: ``float32 [D]``.
        members: serial numbers of the detections it is made of.
        count: how many, as the peer counts.
    """

    cloud: Any
    box: Any
    feature: NDArray[np.float32]
    members: list[int]
    count: int = 1

    @property
    def points(self) -> NDArray[np.float32]:
        return np.asarray(self.cloud.points, np.float32)


@dataclass
class PeerMap:
    """The map as it grows.

    Attributes:
        config: settings.
        objects: the map.
        detections: how many were offered, kept or not.
        frames: how many were seen.
        seconds: CPU seconds of the stages of the frame last seen.
        rounds: CPU seconds per clean-up and how many objects there were.
    """

    config: PeerConfig = field(default_factory=PeerConfig)
    objects: list[PeerObject] = field(default_factory=list)
    detections: int = 0
    frames: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    rounds: list[tuple[int, float]] = field(default_factory=list)

    def observe(self, frame: MappingFrame) -> None:
        """Take one frame into the map."""
        self.seconds = dict.fromkeys(STAGES, 0.0)
        masks = full_masks(frame)  # what a segmenter hands over is not the peer's work
        with self._timed("lift"):
            found = lift(frame, masks, self.detections, self.config)
        self.detections += len(frame.detections)
        self.frames += 1
        if not found:
            return
        if not self.objects:
            self.objects = found
            return
        with self._timed("spatial"):
            score = spatial_similarity(found, self.objects, self.config)
        with self._timed("visual"):
            score += visual_similarity(found, self.objects)
        with self._timed("merge"):
            self._join(found, score)
        if self.frames % self.config.every == 0:
            n = len(self.objects)
            with self._timed("periodic"):
                self._clean_up(self.config.merges)
            self.rounds.append((n, self.seconds["periodic"]))

    def finish(self) -> None:
        """The peer's last post-processing: clean up, drop what was seldom seen, merge."""
        self._clean_up(merges=False)
        self.objects = [o for o in self.objects if o.count >= self.config.least_detections]
        self.objects = merge_objects(self.objects, self.config)

    def assigned(self) -> NDArray[np.int64]:
        """Object of every detection so far, ``int64``; -1 = none."""
        out = np.full(self.detections, -1, np.int64)
        for number, thing in enumerate(self.objects):
            out[thing.members] = number
        return out

    def _join(self, found: list[PeerObject], score: Float) -> None:
        score = np.where(score < self.config.accept, -np.inf, score)
        for detection, row in zip(found, score, strict=True):
            if np.isneginf(row.max()):
                self.objects.append(detection)
            else:
                best = self.objects[int(row.argmax())]
                absorb(best, detection, self.config, cluster=False)

    def _clean_up(self, merges: bool) -> None:
        for thing in self.objects:
            cloud = thin(thing.cloud, self.config, cluster=True)
            if len(cloud.points) >= 4:
                thing.cloud, thing.box = cloud, tight_box(cloud)
        if merges:
            self.objects = merge_objects(self.objects, self.config)

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.seconds[stage] += time.process_time() - start


# --- detections to points -------------------------------------------------------------------------


def full_masks(frame: MappingFrame) -> NDArray[np.bool_]:
    """Masks of the size of the picture, ``bool [M, H, W]``."""
    out = np.zeros((len(frame.detections), *frame.depth.shape), np.bool_)
    for mask, crop, (x0, y0, x1, y1) in zip(
        out, frame.detections.masks, frame.detections.box_xyxy.tolist(), strict=True
    ):
        mask[y0:y1, x0:x1] = crop
    return out


def lift(
    frame: MappingFrame, masks: NDArray[np.bool_], first: int, config: PeerConfig
) -> list[PeerObject]:
    """Detections as clouds of points with boxes; some are dropped.

    Args:
        frame: depth, pose and features.
        masks: ``bool [M, H, W]``.
        first: serial number of the frame's first detection.
        config: settings.
    """
    rng = np.random.default_rng(first)  # the peer's own is not seeded
    boxes = frame.detections.box_xyxy.astype(np.float64)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    kept = np.flatnonzero(
        (masks.sum((1, 2)) >= config.least_mask) & (area <= config.largest_box * frame.depth.size)
    )
    out = []
    for row, mask in zip(kept.tolist(), without_contained(boxes[kept], masks[kept]), strict=True):
        points = unprojected(frame, mask)
        points += rng.normal(0, 0.004, points.shape)
        if len(points) < config.least_points:
            continue
        cloud = thin(cloud_of(points).transform(frame.T_world_camera), config, cluster=True)
        box = tight_box(cloud)
        if box.volume() >= 1e-6:
            out.append(PeerObject(cloud, box, frame.detections.feature[row], [first + row]))
    return out


def without_contained(boxes: Float, masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Masks less those of boxes that lie for the most part within theirs."""
    if not len(boxes):
        return masks
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    share = (high - low).clip(0).prod(-1) / (boxes[:, 2:] - boxes[:, :2]).prod(1)[:, None]
    out = masks.copy()
    for outer, inner in np.argwhere((share < 0.7) & (share.T > 0.8)):
        out[outer] &= ~masks[inner]
    return out


def unprojected(frame: MappingFrame, mask: NDArray[np.bool_]) -> Float:
    """Points of a mask in the camera's frame, by passes over the whole picture as the peer does."""
    K = frame.intrinsics
    valid = mask & (frame.depth > 0)
    height, width = frame.depth.shape
    u, v = np.meshgrid(np.arange(width, dtype=float), np.arange(height, dtype=float))
    z = frame.depth[valid].astype(np.float64)
    x = (u[valid] - K[0, 2]) * z / K[0, 0]
    y = (v[valid] - K[1, 2]) * z / K[1, 1]
    return np.stack((x, y, z), -1)


def cloud_of(points: Float) -> Any:
    import open3d  # type: ignore[import-not-found, unused-ignore]

    cloud = open3d.geometry.PointCloud()
    cloud.points = open3d.utility.Vector3dVector(points)
    return cloud


def thin(cloud: Any, config: PeerConfig, cluster: bool) -> Any:
    """One point per voxel and, if asked, the largest cluster alone."""
    cloud = cloud.voxel_down_sample(config.voxel)
    if not cluster:
        return cloud
    labels = np.asarray(cloud.cluster_dbscan(config.cluster_radius, config.cluster_points))
    sizes = np.bincount(labels[labels >= 0], minlength=1)
    if sizes.max() < 5:
        return cloud
    return cloud_of(np.asarray(cloud.points)[labels == sizes.argmax()])


def tight_box(cloud: Any) -> Any:
    if len(cloud.points) >= 4:
        try:
            return cloud.get_oriented_bounding_box(robust=True)
        except RuntimeError:
            pass
    # Same kind of value, so that boxes have axes to compare.
    return cloud.get_axis_aligned_bounding_box().get_oriented_bounding_box()


# --- similarity -----------------------------------------------------------------------------------


def spatial_similarity(
    found: list[PeerObject], objects: list[PeerObject], config: PeerConfig
) -> Float:
    """Share of a detection's points that lie near an object's, ``[M, N]``."""
    import faiss  # type: ignore[import-not-found, unused-ignore]

    indices = []
    for thing in objects:
        index = faiss.IndexFlatL2(3)
        index.add(thing.points)
        indices.append(index)
    out = np.zeros((len(found), len(objects)))
    points = [d.points for d in found]
    for m, n in np.argwhere(boxes_overlap([d.box for d in found], [o.box for o in objects])):
        squared, _ = indices[n].search(points[m], 1)
        out[m, n] = (squared < config.voxel**2).mean()
    return out


def visual_similarity(found: list[PeerObject], objects: list[PeerObject]) -> Float:
    """Cosines ``[M, N]``, by way of ``[M, D, N]``: the peer asks PyTorch's ``cosine_similarity``,
    which first makes both sides that large, then takes norms, divides and sums."""
    a, b = (np.stack([x.feature for x in side]) for side in (found, objects))
    shape = (len(a), a.shape[1], len(b))
    unit = []
    for side in (np.broadcast_to(a[:, :, None], shape), np.broadcast_to(b.T[None], shape)):
        length = np.sqrt(np.einsum("mdn,mdn->mn", side, side))
        unit.append(side / np.maximum(length, 1e-8)[:, None])
    return np.asarray((unit[0] * unit[1]).sum(1), np.float64)


def boxes_overlap(a: list[Any], b: list[Any]) -> NDArray[np.bool_]:
    """Which boxes share volume, ``bool [M, N]``, by the separating-axis test (Gottschalk, 1996)."""
    ca, ra, ea = _box_arrays(a)
    cb, rb, eb = _box_arrays(b)
    gap = cb[None] - ca[:, None]  # [M, N, 3]
    # Spheres around the boxes leave few pairs to look at.
    near = np.linalg.norm(gap, axis=2) < (
        np.linalg.norm(ea, axis=1)[:, None] + np.linalg.norm(eb, axis=1)[None]
    )
    m, n = np.nonzero(near)
    R = np.einsum("pji,pjk->pik", ra[m], rb[n])  # axes of b in the frame of a
    t = np.einsum("pji,pj->pi", ra[m], gap[m, n])
    size = np.abs(R) + 1e-9
    apart = (np.abs(t) > ea[m] + np.einsum("pij,pj->pi", size, eb[n])).any(1)
    along_b = np.abs(np.einsum("pij,pi->pj", R, t))
    apart |= (along_b > eb[n] + np.einsum("pij,pi->pj", size, ea[m])).any(1)
    for i in range(3):
        i1, i2 = (i + 1) % 3, (i + 2) % 3
        for j in range(3):
            j1, j2 = (j + 1) % 3, (j + 2) % 3
            reach = ea[m, i1] * size[:, i2, j] + ea[m, i2] * size[:, i1, j]
            reach += eb[n, j1] * size[:, i, j2] + eb[n, j2] * size[:, i, j1]
            apart |= np.abs(t[:, i2] * R[:, i1, j] - t[:, i1] * R[:, i2, j]) > reach
    out = np.zeros(near.shape, np.bool_)
    out[m, n] = ~apart
    return out


def _box_arrays(boxes: list[Any]) -> tuple[Float, Float, Float]:
    """Centres ``[N, 3]``, axes ``[N, 3, 3]`` in columns, half sizes ``[N, 3]``."""
    center = np.array([b.center for b in boxes])
    return center, np.array([b.R for b in boxes]), np.array([b.extent for b in boxes]) / 2


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True), np.float32)


# --- merging --------------------------------------------------------------------------------------


def absorb(into: PeerObject, other: PeerObject, config: PeerConfig, cluster: bool) -> None:
    """Merge one object into another."""
    into.cloud = thin(into.cloud + other.cloud, config, cluster)
    into.box = tight_box(into.cloud)
    into.feature = _unit(into.feature * into.count + other.feature * other.count)
    into.members = into.members + other.members
    into.count += other.count


def merge_objects(objects: list[PeerObject], config: PeerConfig) -> list[PeerObject]:
    """Merge objects that lie within others and look alike."""
    overlap = overlaps(objects, config)
    rows, columns = np.nonzero(overlap > config.merge_overlap)
    kept = np.ones(len(objects), np.bool_)
    for k in np.argsort(-overlap[rows, columns], kind="stable"):
        i, j = objects[rows[k]], objects[columns[k]]
        alike = float(i.feature @ j.feature) > config.merge_cosine
        if alike and kept[columns[k]]:  # that the first may be gone already is the peer's own slip
            absorb(j, i, config, cluster=True)
            kept[rows[k]] = False
    return [o for o, k in zip(objects, kept, strict=True) if k]


def overlaps(objects: list[PeerObject], config: PeerConfig) -> Float:
    """Share of each object's points that lie near each other object's, ``[N, N]``."""
    import faiss

    points = [o.points for o in objects]
    indices = []
    for rows in points:
        index = faiss.IndexFlatL2(3)
        index.add(rows)
        indices.append(index)
    low = [np.asarray(o.box.get_min_bound()) for o in objects]
    high = [np.asarray(o.box.get_max_bound()) for o in objects]
    out = np.zeros((len(objects), len(objects)))
    for i in range(len(objects)):
        for j in range(len(objects)):
            if i == j or not (np.minimum(high[i], high[j]) > np.maximum(low[i], low[j])).all():
                continue
            squared, _ = indices[j].search(points[i], 1)
            out[i, j] = (squared < config.voxel**2).mean()
    return out
