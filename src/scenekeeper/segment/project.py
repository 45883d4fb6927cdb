"""See segments in a frame: every pixel with depth looks up whose voxel it fell into.

Where the sensor gave no depth (its field of view is narrower than the picture's, a surface is dark
or shiny) the map speaks for it: the nearest mapped voxel on the pixel's ray.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from scenekeeper import geometry, masks
from scenekeeper.naming import believe, there
from scenekeeper.schema import Frame, Labels
from scenekeeper.segment.draw import NOBODY, Cloud, draw
from scenekeeper.voxels import offset_key, sampling, voxel_keys

SAMPLES_ACROSS = 400
"""About so many pixels of a row are looked up; a 640-pixel image gives masks to two pixels."""


@dataclass(frozen=True, eq=False)
class Lookup:
    """Whose voxel is whose.

    Attributes:
        keys: ``int64 [V]`` ascending.
        track: ``int32 [V]``.
        size: voxel edge, metres.
        cloud: the voxels that were seen, to be drawn.
    """

    keys: NDArray[np.int64]
    track: NDArray[np.int32]
    size: float
    cloud: Cloud

    def __call__(self, points: NDArray[np.float32]) -> NDArray[np.int32]:
        """Track of each world point ``[..., 3]``; -1 where nobody's."""
        if not len(self.keys):
            return np.full(points.shape[:-1], NOBODY, np.int32)
        wanted = voxel_keys(points, self.size)
        at = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[at] == wanted, self.track[at], NOBODY)


def build_lookup(
    keys: list[NDArray[np.int64]], tracks: list[int], grown: list[bool], size: float
) -> Lookup:
    """Index voxels by owner.

    Args:
        keys: per segment its voxels.
        tracks: per segment its track.
        grown: per segment whether it also owns the empty voxels around it, where its noisy
            depth lands. Planes do not: they would swallow the rims of what stands on them.
        size: voxel edge, metres.
    """
    if not keys:
        none, nobody = np.zeros(0, np.int64), np.zeros(0, np.int32)
        return Lookup(none, nobody, size, Cloud.of(none, nobody, size))
    # A flat thing lies within its plane; the voxel is the thing's, which comes first.
    own, first = np.unique(np.concatenate(keys), return_index=True)
    who = np.repeat(np.array(tracks, np.int32), [len(k) for k in keys])[first]
    cloud = Cloud.of(own, who, size)
    rim = [(k, t) for k, t, g in zip(keys, tracks, grown, strict=True) if g]
    if not rim:
        return Lookup(own, who, size, cloud)
    core = np.concatenate([k for k, _ in rim])
    core_track = np.repeat(np.array([t for _, t in rim], np.int32), [len(k) for k, _ in rim])
    span = (-1, 0, 1)
    steps = np.array([offset_key(x, y, z) for x in span for y in span for z in span])
    near = (core[:, None] + steps).reshape(-1)
    near_track = np.repeat(core_track, len(steps))
    free = own[np.minimum(np.searchsorted(own, near), len(own) - 1)] != near
    near, first = np.unique(near[free], return_index=True)
    all_keys = np.concatenate((own, near))
    all_tracks = np.concatenate((who, near_track[free][first]))
    order = np.argsort(all_keys, kind="stable")
    return Lookup(all_keys[order], all_tracks[order], size, cloud)


class Shown(NamedTuple):
    """A proposal that shows a track in some frame: mask counts, box and objectness."""

    track: int
    mask: bytes
    place: tuple[int, int, int, int]
    score: float


UNSEEN = 0.5
"""What is left of a thing's score where only the map shows it."""

WEAK = 0.25
"""Proposals of a lower score yield to the map where it shows the same thing."""

Seen = list[tuple[int, bytes, tuple[int, int, int, int]]]


class Sight(NamedTuple):
    """One track in one frame: how it shows, and how well map and proposal agree there.

    ``score`` is the proposal's; ``None`` where the map alone shows it. ``agreement`` is the IoU of
    the two masks; ``None`` where only one of them shows it.
    """

    track: int
    mask: bytes
    box: tuple[int, int, int, int]
    score: float | None
    agreement: float | None


def with_proposals(
    frame: Frame, seen: Seen, shown: list[Shown], things: frozenset[int]
) -> list[Sight]:
    """What proposals show, and what the map shows where none does.

    A proposal's outline follows the picture, the map's the depth it was fused from. Of two masks of
    things that cover one another mostly, the proposal's is kept.
    """
    size = (frame.camera.height, frame.camera.width)
    mapped = {track: counts for track, counts, _ in seen}
    best: dict[int, Shown] = {}
    for item in shown:
        if item.score < WEAK and item.track in mapped:
            continue
        if item.track not in best or item.score > best[item.track].score:
            best[item.track] = item
    out = []
    for s in best.values():
        other = mapped.get(s.track)
        iou = None if other is None else float(masks.iou([s.mask], [other], size)[0, 0])
        out.append(Sight(s.track, s.mask, masks.box(s.mask, size), s.score, iou))
    own = [s.mask for s in best.values()]
    for track, counts, box in seen:
        covered = track in things and own and masks.iou([counts], own, size).max() > 0.5
        if track not in best and not covered:
            out.append(Sight(track, counts, box, None, None))
    return sorted(out, key=lambda s: s[0])


def see(frame: Frame, lookup: Lookup, max_depth: float, min_share: float) -> Seen:
    """Visible segments of a frame.

    Args:
        frame: with depth and pose, else nothing is seen.
        lookup: whose voxel is whose.
        max_depth: metres; farther depth is not looked at.
        min_share: masks of a smaller share of the image are left out.

    Returns:
        ``(track, mask counts, (x0, y0, x1, y1))`` per segment, ascending by track.
    """
    if frame.depth is None or frame.T_world_camera is None or frame.camera.intrinsics is None:
        return []
    camera = frame.camera
    stride = sampling(camera.width, SAMPLES_ACROSS)
    depth = frame.depth[::stride, ::stride]
    directions = geometry.rays(frame.camera.intrinsics, camera.width, camera.height, stride)
    known = (depth > 0) & (depth < max_depth)
    owner = np.full(depth.shape, NOBODY, np.int32)
    points = geometry.unproject(depth, directions)[known]
    owner[known] = lookup(geometry.transform(frame.T_world_camera, points))
    unknown = depth == 0
    owner[unknown] = draw(lookup.cloud, frame, unknown, stride, max_depth)[unknown]
    size = (camera.height, camera.width)
    min_pixels = min_share * camera.width * camera.height
    seen = []
    for track, place in enumerate(ndimage.find_objects(owner + 1)):
        if place is None:
            continue
        crop, offset = _clean(owner, track, place, min_pixels / stride**2)
        if crop is None:
            continue
        crop = crop.repeat(stride, 0).repeat(stride, 1)
        y, x = offset[0] * stride, offset[1] * stride
        crop = crop[: size[0] - y, : size[1] - x]
        box = (x, y, x + crop.shape[1], y + crop.shape[0])
        seen.append((track, masks.encode_crop(crop, (x, y), size), box))
    return seen


def labels(
    frame: Frame,
    seen: Sequence[Sight],
    phrases: dict[int, str],
    scores: dict[int, float],
    named: dict[int, float] | None = None,
) -> Labels:
    """One frame's :class:`~scenekeeper.schema.Labels` of what shows in it.

    Args:
        frame: the frame.
        seen: tracks with their masks and boxes.
        phrases: name of each track.
        scores: probability that each track is a thing.
        named: probability that each name is right, of tracks that have been looked at.
    """
    tracks = [s.track for s in seen]
    looked = named or {}
    here = [
        sighted(scores[s.track], s.score) if s.track in looked else scores[s.track] for s in seen
    ]
    p, signals = None, {}
    if named is not None:
        pairs = list(zip(here, tracks, strict=True))
        p = np.array([believe(score, named[t]) if t in named else np.nan for score, t in pairs])
        signals["there"] = np.array([there(s) if t in named else np.nan for s, t in pairs])
    return Labels(
        frame.frame_id,
        frame.t_ns,
        (frame.camera.height, frame.camera.width),
        np.array([s.box for s in seen], np.float32).reshape(-1, 4),
        mask=tuple(s.mask for s in seen),
        phrase=tuple(phrases[t] for t in tracks),
        score=np.array(here, np.float32),
        signals={k: v.astype(np.float32) for k, v in signals.items()},
        p=None if p is None else p.astype(np.float32),
        track=np.array(tracks, np.int64),
    )


def sighted(thing: float, proposal: float | None) -> float:
    """Score of one sighting of a thing that networks have looked at, and of their proposal here.

    Where no network proposes it, the map's outline of a thing holds less often.
    """
    return thing * UNSEEN if proposal is None else math.sqrt(thing * proposal)


def _clean(
    owner: NDArray[np.int32], track: int, place: tuple[slice, slice], min_pixels: float
) -> tuple[NDArray[np.bool_] | None, tuple[int, int]]:
    """Close the pinholes that unknown depth leaves, drop crumbs, and crop tight."""
    pad = 2
    y0, x0 = max(place[0].start - pad, 0), max(place[1].start - pad, 0)
    around = owner[y0 : place[0].stop + pad, x0 : place[1].stop + pad]
    mine = around == track
    if mine.sum() < min_pixels:
        return None, (0, 0)
    closed = ndimage.binary_closing(mine, np.ones((3, 3), np.bool_), iterations=2)
    mask = mine | (closed & (around == NOBODY))
    label, n = ndimage.label(mask)
    if n > 1:
        sizes = np.bincount(label.reshape(-1))[1:]
        mask = np.isin(label, 1 + np.flatnonzero(sizes >= max(6, 0.1 * sizes.max())))
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if mask.sum() < min_pixels:
        return None, (0, 0)
    tight = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return tight, (y0 + int(rows[0]), x0 + int(columns[0]))
