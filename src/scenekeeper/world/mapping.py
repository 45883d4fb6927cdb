"""One map of things out of what single frames show: which detection is which object.

In: frames with masks, depth, pose; looks and tracks if there are. Out: an object for every
detection, and a table of which cell of space is whose. Detections vote for the cells that they
occupy; a detection is the object that holds most of its cells and looks alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.schema import Camera
from scenekeeper.voxels import sampling, voxel_keys
from scenekeeper.world.glance import Glance, covered
from scenekeeper.world.lift import Lifted, lift
from scenekeeper.world.settle import Settler
from scenekeeper.world.table import REACH
from scenekeeper.world.votes import Votes

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class MapConfig:
    """When a detection is a known object.

    Attributes:
        cell: edge of the cells that vote, metres.
        max_depth: farther depth is not used, metres.
        across: about so many pixels of a row are looked at.
        overlap: least fit of a detection and an object: the geometric mean of the share of the
            detection that lies on the object and of the share of what is seen of the object that
            lies in the detection,
        accept: and least sum of that fit, the likeness of looks and what its track says.
        likeness: of looks that are not known.
        same_track: what it counts that the object's last detections were of the same track.
        least: cells that a new object must have.
        double: a detection that more than such a share of what is seen of another object lies in
            speaks for their being one, if it lies on that object by a share of ``overlap``,
        doubles: such detections that are needed,
        alike: and cosine similarity of their looks.
        settle: whether poses are settled against the map.
    """

    cell: float = 0.025
    max_depth: float = 6.0
    across: int = 320
    overlap: float = 0.2
    accept: float = 0.6
    likeness: float = 0.5
    same_track: float = 0.5
    least: int = 8
    double: float = 0.5
    doubles: int = 2
    alike: float = 0.6
    settle: bool = True


@dataclass(frozen=True, eq=False)
class Seen:
    """One frame's detections.

    Attributes:
        t_ns: capture time. Frames count in the order they come, whatever their times.
        camera: with intrinsics.
        T_world_camera: ``float64 [4, 4]``, at most 13 km from the origin with cells of 2.5 cm.
        depth: ``float32 [H, W]`` metres, 0 = unknown.
        masks: M of ``bool [h, w]``.
        places: ``int [M, 4]`` where each mask lies: x0, y0, x1, y1.
        look: ``float32 [M, E]`` embeddings, or ``None``.
        track: ``int64 [M]``; -1 = none. ``None`` = no tracks.
        score: ``float64 [M]`` probability that each is a thing; ``None`` = all alike.
    """

    t_ns: int
    camera: Camera
    T_world_camera: Float
    depth: Float32
    masks: Sequence[NDArray[np.bool_]]
    places: NDArray[np.integer]
    look: Float32 | None = None
    track: Int | None = None
    score: Float | None = None


@dataclass(frozen=True)
class Event:
    """Something that happened to an object while the map was built.

    Attributes:
        kind: ``born``; ``merged``, two objects turned out to be one; ``split``, an object was found
            to be part of what was taken for another.
        frame: number of the frame, from 0.
        object: whom it happened to.
        other: into whom it merged, or from whom it was split.
    """

    kind: Literal["born", "merged", "split"]
    frame: int
    object: int
    other: int | None = None


class Mapper:
    """The map while it grows.

    Attributes:
        votes: which cell is whose.
        events: what happened to objects, in order.
    """

    def __init__(self, config: MapConfig | None = None) -> None:
        self.config = config or MapConfig()
        self.votes = Votes()
        self.events: list[Event] = []
        self._settle = Settler() if self.config.settle else None
        self._looks = _Looks()
        self._last_of_track: dict[int, int] = {}
        self._double: dict[tuple[int, int], int] = {}
        self._structure = np.zeros(0, np.bool_)
        self._frame = 0

    @property
    def objects(self) -> Int:
        """Ids of all objects that there are now, ascending."""
        alias = self.votes.alias
        return np.flatnonzero(alias == np.arange(len(alias)))

    def resolve(self, objects: Int) -> Int:
        """What objects are by now; they may have merged since."""
        return self.votes.resolve(objects)

    def unite(self, loser: int, winner: int) -> None:
        """Two objects are one from now on."""
        self.votes.join(loser, winner)
        self._looks.join(loser, winner)
        self.events.append(Event("merged", self._frame, loser, winner))

    def is_structure(self, number: int) -> bool:
        """Whether an object is floor, wall or the like."""
        return bool(self._structure[number])

    def observe(self, seen: Seen) -> Int:
        """Take in a frame; object of each detection ``int64 [M]``, -1 = too little of it is seen.

        A pose that jumps, as at a loop closure, is believed: what is seen from there on lies where
        the new poses put it, and what was seen before stays where it was.

        Raises:
            ValueError: the camera has no intrinsics, depth is of another size, there is no pose or
                it is none, or masks, places, looks and tracks do not fit each other. The map is
                then as it was.
        """
        camera, c = seen.camera, self.config
        if camera.intrinsics is None:
            raise ValueError(f"camera {camera.name!r} has no intrinsics")
        if np.shape(seen.depth) != (camera.height, camera.width):
            raise ValueError(
                f"camera {camera.name!r}: depth of {np.shape(seen.depth)} is not of its size"
                f" ({camera.height}, {camera.width}); register depth to the picture first"
            )
        T, K = self._pose(seen.T_world_camera), np.asarray(camera.intrinsics, np.float64)
        lifted = lift(
            seen.depth,
            K,
            seen.masks,
            seen.places,
            cell=c.cell,
            max_depth=c.max_depth,
            stride=sampling(seen.camera.width, c.across),
        )
        self._check(lifted, seen.look, seen.track)
        glance = Glance.of(seen.depth, K, c.max_depth)
        if self._settle is not None:
            T = self._settle(glance.point, T)
        return self._placed(glance, lifted, T, seen.look, seen.track, None)

    def place(
        self,
        glance: Glance,
        lifted: Lifted,
        T_world_camera: Float,
        look: Float32 | None = None,
        track: Int | None = None,
        structure: NDArray[np.bool_] | None = None,
    ) -> Int:
        """Take in detections that are lifted already (see :meth:`observe`).

        Args:
            glance: at the frame's depth.
            lifted: M detections.
            T_world_camera: ``float64 [4, 4]``.
            look: ``float32 [M, E]`` embeddings, or ``None``.
            track: ``int64 [M]``; -1 = none.
            structure: ``bool [M]`` whether each is floor, wall or the like; a thing that lies on
                such is never it. ``None`` = none is.
        """
        T = self._pose(T_world_camera)
        self._check(lifted, look, track)
        return self._placed(glance, lifted, T, look, track, structure)

    def _placed(
        self,
        glance: Glance,
        lifted: Lifted,
        T: Float,
        look: Float32 | None,
        track: Int | None,
        structure: NDArray[np.bool_] | None,
    ) -> Int:
        c = self.config
        key = voxel_keys(geometry.transform(T, lifted.point), c.cell)
        cells = np.diff(lifted.start)
        centred = self._looks.centred(look)
        det, obj, shared = self.votes.overlaps(key, lifted.start)
        kind = np.zeros(len(lifted), np.bool_) if structure is None else structure
        of_a_kind = kind[det] == self._structure[obj]
        det, obj, shared = det[of_a_kind], obj[of_a_kind], shared[of_a_kind]
        share = shared / np.maximum(cells[det], 1)
        cover = covered(glance, T, lifted, det, obj, self.votes, c.cell)
        fit = np.sqrt(share * cover)
        near = fit >= c.overlap
        det, obj, share, cover, fit = (of[near] for of in (det, obj, share, cover, fit))
        score = fit + self._looks.likeness(centred, det, obj, c.likeness)
        if track is not None:
            score = score + c.same_track * self._tracked(track, det, obj)
        good = score >= c.accept
        objects = _one_to_one(len(lifted), det[good], obj[good], score[good])
        self._note_doubles(det, obj, (cover > c.double) & (share >= c.overlap / 2), objects)
        self._born(objects, cells, det, obj, share)
        born = len(self.votes.alias) - len(self._structure)
        if born:
            self._structure = np.concatenate((self._structure, np.zeros(born, np.bool_)))
            self._structure[objects[objects >= 0]] = kind[objects >= 0]
        self.votes.add(key, lifted.start, objects)
        self._looks.add(objects, look, centred)
        if track is not None:
            known = (objects >= 0) & (track >= 0)
            self._last_of_track.update(
                zip(track[known].tolist(), objects[known].tolist(), strict=True)
            )
        self._merge()
        self._frame += 1
        return objects

    def _pose(self, T_world_camera: Float | None) -> Float:
        if T_world_camera is None:
            raise ValueError("a frame without a pose cannot be placed; leave it out")
        T = np.asarray(T_world_camera, np.float64)
        geometry.pose_vector(T)  # raises where it is no pose
        far = float(np.abs(T[:3, 3]).max())
        if far > 2 * REACH * self.config.cell:
            raise ValueError(
                f"a camera {far:.0f} m from the origin is off the map, which ends at"
                f" {2 * REACH * self.config.cell:.0f} m; give poses relative to a place nearby"
            )
        return T

    def _check(self, lifted: Lifted, look: Float32 | None, track: Int | None) -> None:
        if track is not None and np.shape(track) != (len(lifted),):
            raise ValueError(f"{len(lifted)} detections have tracks {np.shape(track)}")
        if look is not None:
            self._looks.check(np.asarray(look), len(lifted))

    def _tracked(self, track: Int, det: Int, obj: Int) -> Float:
        """1 where a detection's track was this object before, -1 where it was another."""
        before = np.array([self._last_of_track.get(t, -1) for t in track.tolist()], np.int64)
        before = self.resolve(before)[det]
        return np.where(before < 0, 0.0, np.where(before == obj, 1.0, -1.0))

    def _born(self, objects: Int, cells: Int, det: Int, obj: Int, share: Float) -> None:
        new = np.flatnonzero((objects < 0) & (cells >= self.config.least))
        if not len(new):
            return
        objects[new] = self.votes.born(len(new))
        for m in new.tolist():
            inside = obj[(det == m) & (share >= 0.8)]
            taken = inside[np.isin(inside, objects)]
            number = int(objects[m])
            if len(taken):  # seen beside what it was taken for
                self.events.append(Event("split", self._frame, number, int(taken[0])))
            else:
                self.events.append(Event("born", self._frame, number))

    def _note_doubles(self, det: Int, obj: Int, covers: NDArray[np.bool_], objects: Int) -> None:
        """A detection that covers most of what is seen of an object that is not its own says that
        they are one, unless that is a speck on it; that both show side by side, that they are not.
        """
        shown = set(objects[objects >= 0].tolist())
        for m, o, most in zip(det.tolist(), obj.tolist(), covers.tolist(), strict=True):
            a = int(objects[m])
            if a >= 0 and a != o and (most or o in shown):
                pair = (min(a, o), max(a, o))
                self._double[pair] = self._double.get(pair, 0) + (-1 if o in shown else 1)

    def _merge(self) -> None:
        c = self.config
        ready = [pair for pair, n in self._double.items() if n >= c.doubles]
        for pair in ready:
            a, b = self.resolve(np.array(pair)).tolist()
            del self._double[pair]
            if a == b or self._looks.cosine(a, b) < c.alike:
                continue
            winner, loser = (a, b) if self.votes.size[a] >= self.votes.size[b] else (b, a)
            self.unite(loser, winner)


class _Looks:
    """Mean look of each object; what all looks have in common says nothing and is taken away."""

    def __init__(self) -> None:
        self._common: Float | None = None
        self._seen = 0
        self._sum = np.zeros((0, 0), np.float32)
        self._n = np.zeros(0, np.int64)

    def check(self, look: Float32, n: int) -> None:
        """Raise where these are not looks of n detections."""
        if look.ndim != 2 or len(look) != n:
            raise ValueError(f"looks of {n} detections must be [{n}, E], not {look.shape}")
        if n and self._common is not None and look.shape[1] != len(self._common):
            raise ValueError(f"looks are {look.shape[1]} long, were {len(self._common)} before")
        if not np.isfinite(look).all():
            raise ValueError("a look is not finite; give looks of none where some are not known")

    def centred(self, look: Float32 | None) -> Float32 | None:
        """Unit vectors without what is common so far."""
        if look is None or not len(look):
            return None
        if self._common is None:
            self._common = np.zeros(look.shape[1])
        self._common += look.sum(0)
        self._seen += len(look)
        out = look - (self._common / self._seen).astype(np.float32)
        return np.asarray(out / np.linalg.norm(out, axis=1, keepdims=True).clip(1e-6), np.float32)

    def likeness(self, centred: Float32 | None, det: Int, obj: Int, unknown: float) -> Float:
        """Cosine similarity of detections and objects, pair by pair."""
        if centred is None or not len(self._n):
            return np.full(len(det), unknown)
        self._room(int(obj.max(initial=-1)) + 1, centred.shape[1])
        mean = self._sum[obj]
        length = np.linalg.norm(mean, axis=1)
        cosine = np.einsum("ij,ij->i", centred[det], mean) / np.maximum(length, 1e-6)
        return np.where(self._n[obj] > 0, cosine, unknown).astype(np.float64)

    def cosine(self, a: int, b: int) -> float:
        """Of two objects; 1 where looks are not known."""
        if max(a, b) >= len(self._n) or not (self._n[a] and self._n[b]):
            return 1.0
        one, other = self._sum[a], self._sum[b]
        return float(one @ other / max(np.linalg.norm(one) * np.linalg.norm(other), 1e-6))

    def add(self, objects: Int, look: Float32 | None, centred: Float32 | None) -> None:
        """Remember what objects look like."""
        if centred is None:
            return
        known = np.flatnonzero(objects >= 0)
        if not len(known):
            return
        self._room(int(objects.max()) + 1, centred.shape[1])
        self._sum[objects[known]] += centred[known]  # no object has two detections in one frame
        self._n[objects[known]] += 1

    def join(self, loser: int, winner: int) -> None:
        """One object's looks are another's from now on."""
        if max(loser, winner) < len(self._n):
            self._sum[winner] += self._sum[loser]
            self._n[winner] += self._n[loser]

    def _room(self, n: int, width: int) -> None:
        if n <= len(self._n):
            return
        more = max(n, 2 * len(self._n), 64)
        total, count = np.zeros((more, width), np.float32), np.zeros(more, np.int64)
        total[: len(self._n), : self._sum.shape[1]] = self._sum
        count[: len(self._n)] = self._n
        self._sum, self._n = total, count


def _one_to_one(n: int, det: Int, obj: Int, rank: Float) -> Int:
    """Objects of detections, best pairs first; no object has two detections in one frame."""
    out, taken = np.full(n, -1, np.int64), set[int]()
    for k in np.argsort(-rank, kind="stable").tolist():
        d, o = int(det[k]), int(obj[k])
        if out[d] < 0 and o not in taken:
            out[d] = o
            taken.add(o)
    return out
