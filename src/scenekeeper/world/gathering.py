"""One session gathered into objects: which detection is which, and all that was said of each.

In: frames in order, each with its observed instances and a coarse depth image. Out: objects with
their cells, the evidence for their being there, votes for their names, and settled camera poses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.schema import UNNAMED
from scenekeeper.world.existence import (
    Existence,
    ExistenceConfig,
    judge,
    observe,
    said_by,
    side_of,
    told_by_tracks,
)
from scenekeeper.world.glance import Glance
from scenekeeper.world.lift import Lifted
from scenekeeper.world.mapping import MapConfig, Mapper
from scenekeeper.world.measures import Measures, measured
from scenekeeper.world.palette import counted, nothing
from scenekeeper.world.pieces import Piece, united
from scenekeeper.world.settle import Settler
from scenekeeper.world.visibility import AT_MOST, Samples, look

Float = NDArray[np.float64]
Float32 = NDArray[np.float32]
Int = NDArray[np.int64]

UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True, eq=False)
class Shown:
    """What one frame shows: M instances.

    Attributes:
        frame_id: its number in the session.
        t_ns: capture time.
        instance: numbers of the instances in the frame.
        T_world_camera: ``float64 [4, 4]`` as recorded.
        depth: ``float32 [h, w]`` coarse depth image, metres, 0 = unknown.
        intrinsics: ``float64 [3, 3]`` of the coarse image.
        step: pixels of the picture to one of the coarse image.
        points: of the instances, camera frame.
        track: ``int64 [M]``; -1 = none.
        phrase: M class names.
        score: ``float64 [M]`` probability that each is a thing,
        p: ``float64 [M]`` and that its name is right; NaN = not known.
        worth: ``float64 [M]`` how well each shows.
        rgb: M samples of colours ``uint8 [S, 3]``.
        look: ``float32 [M, E]`` embeddings, or ``None``.
        structure: ``bool [M]`` whether each is floor, wall or the like; ``None`` = none is.
        picture: JPEG as coarse as the depth image; ``None`` = there is none.
    """

    frame_id: int
    t_ns: int
    instance: tuple[int, ...]
    T_world_camera: Float
    depth: Float32
    intrinsics: Float
    step: int
    points: Lifted
    track: Int
    phrase: tuple[str, ...]
    score: Float
    p: Float
    worth: Float
    rgb: tuple[NDArray[np.uint8], ...]
    look: Float32 | None = None
    structure: NDArray[np.bool_] | None = None
    picture: bytes | None = None


@dataclass
class Tally:
    """What was said of one object.

    Attributes:
        frames: how many show it.
        first_t_ns: of the first,
        last_t_ns: and the last.
        tracks: how often each track was it.
        words: per track and name, how often it was said and the sum of its probabilities.
        scores: per track, how often it was scored and the sum of what scores said, see
            :func:`~scenekeeper.world.existence.said_by`.
        views: ``(worth, frame_id, t_ns)`` of the best.
        rgb: samples of its colours.
        palette: how many pixels of all views had which colour.
        towards: by side that it was seen from, the way to the camera, metres.
        measures: how tall and wide views show it.
    """

    frames: int = 0
    first_t_ns: int = 0
    last_t_ns: int = 0
    tracks: Counter[int] = field(default_factory=Counter)
    words: dict[tuple[int, str], tuple[int, float]] = field(default_factory=dict)
    scores: dict[int, tuple[int, float]] = field(default_factory=dict)
    views: list[tuple[float, int, int]] = field(default_factory=list)
    rgb: list[NDArray[np.uint8]] = field(default_factory=list)
    palette: Int = field(default_factory=nothing)
    towards: dict[int, Float] = field(default_factory=dict)
    measures: Measures = field(default_factory=Measures)

    def add(self, shown: Shown, m: int, towards: Float, message: float) -> None:
        """One more frame shows it.

        Args:
            shown: the frame.
            m: which of its instances.
            towards: ``[3]`` metres from it to the camera.
            message: what the instance's score says, a log-likelihood ratio.
        """
        self.towards.setdefault(int(side_of(towards)[0]), towards)
        if not self.frames:
            self.first_t_ns = shown.t_ns
        self.frames += 1
        self.last_t_ns = shown.t_ns
        track = int(shown.track[m])
        self.tracks[track] += 1
        scored, told = self.scores.get(track, (0, 0.0))
        self.scores[track] = scored + 1, told + message
        n, total = self.words.get((track, shown.phrase[m]), (0, 0.0))
        p = shown.p[m] if np.isfinite(shown.p[m]) else shown.score[m]
        self.words[track, shown.phrase[m]] = n + 1, total + float(p)
        self.views.append((float(shown.worth[m]), shown.frame_id, shown.t_ns))
        self.views.sort(key=lambda v: (-v[0], v[1]))
        del self.views[_VIEWS:]
        self.palette += counted(shown.rgb[m])
        if self.frames & (self.frames - 1) == 0:  # ever seldomer, so that memory stays flat
            self.rgb.append(shown.rgb[m])

    def join(self, other: Tally) -> None:
        """Another object turned out to be this one."""
        if not other.frames:
            return
        if not self.frames:
            self.first_t_ns, self.last_t_ns = other.first_t_ns, other.last_t_ns
        self.first_t_ns = min(self.first_t_ns, other.first_t_ns)
        self.last_t_ns = max(self.last_t_ns, other.last_t_ns)
        self.frames += other.frames
        self.tracks += other.tracks
        for key, (n, total) in other.words.items():
            before = self.words.get(key, (0, 0.0))
            self.words[key] = before[0] + n, before[1] + total
        for track, (n, total) in other.scores.items():
            scored = self.scores.get(track, (0, 0.0))
            self.scores[track] = scored[0] + n, scored[1] + total
        self.views = sorted(self.views + other.views, key=lambda v: (-v[0], v[1]))[:_VIEWS]
        self.rgb += other.rgb
        self.palette += other.palette
        self.towards = {**other.towards, **self.towards}
        self.measures.join(other.measures)


_VIEWS = 32


class Gathering:
    """A session being gathered, a frame at a time.

    Attributes:
        mapper: the map.
        belief: what detections and silence mean.
        up: ``[3]`` against gravity.
        existence: evidence for each of the map's objects, by its id there.
        tallies: what was said of each.
        shown: per frame ``(frame_id, settled pose, instances, their objects in the map)``.
    """

    def __init__(
        self,
        config: MapConfig | None = None,
        belief: ExistenceConfig | None = None,
        up: Float = UP,
    ) -> None:
        config = config or MapConfig()
        self.mapper = Mapper(config)
        self.belief = belief or ExistenceConfig()
        self.up = up
        self.existence = Existence.new(np.zeros(0))
        self.tallies: list[Tally] = []
        self.shown: list[tuple[int, Float, tuple[int, ...], Int]] = []
        self._pictures: dict[int, tuple[Float, Float, tuple[int, ...]]] = {}
        self._samples = _Reservoir()
        self._settle = Settler() if config.settle else None

    def add(self, shown: Shown) -> None:
        """Take in the next frame."""
        T = shown.T_world_camera
        glance = Glance.of(shown.depth, shown.intrinsics)
        if self._settle is not None:
            T = self._settle(glance.point, T)
        objects = self.mapper.place(
            glance, shown.points, T, shown.look, shown.track, shown.structure
        )
        self._make_room(len(self.mapper.votes.alias))
        said = said_by(shown.score, self.belief)
        for m, o in enumerate(objects.tolist()):
            if o >= 0:
                points = geometry.transform(T, shown.points.of(m))
                self.tallies[o].add(shown, m, T[:3, 3] - points.mean(0), float(said[m]))
                self._samples.add(o, points)
                if (sides := measured(points, T[:3, 3], self.up)) is not None:
                    self.tallies[o].measures.add(sides)
        self._weigh(shown, T, objects)
        self.shown.append((shown.frame_id, T, shown.instance, objects))
        self._pictures[shown.frame_id] = T, shown.intrinsics, shown.depth.shape

    def finish(self) -> None:
        """Join the pieces of things, and give everything that was said of objects that merged to
        those that they are now."""
        for part, whole in united(self._pieces()):
            self.mapper.unite(part, whole)
        ids = np.arange(len(self.tallies))
        now = self.mapper.resolve(ids)
        e = self.existence
        for o in np.flatnonzero(now != ids).tolist():
            winner = int(now[o])
            self.tallies[winner].join(self.tallies[o])
            for rows in (e.seen, e.missed, e.told, e.emptied, e.glassy):
                rows[winner] += rows[o]
        for o, tally in enumerate(self.tallies):
            if tally.scores:
                n, total = np.array(list(tally.scores.values())).T
                e.told[o] = told_by_tracks(n, total, float(e.seen[o].sum()), self.belief)

    def _pieces(self) -> list[Piece]:
        """Things that are there now and have a name."""
        key, owner, _ = self.mapper.votes.owners()
        order = np.lexsort((key, owner))
        key, owner = key[order], owner[order]
        frames: dict[int, set[int]] = {}
        words: dict[int, Counter[str]] = {}
        for frame_id, _, _, objects in self.sightings():
            for o in objects:
                frames.setdefault(o, set()).add(frame_id)
        now = self.mapper.resolve(np.arange(len(self.tallies))).tolist()
        for o, tally in zip(now, self.tallies, strict=True):
            for (_, word), (n, _) in tally.words.items():
                words.setdefault(o, Counter())[word] += n
        out = []
        for o in np.unique(owner).tolist():
            first, last = np.searchsorted(owner, [o, o + 1])
            word = words[o].most_common(1)[0][0] if words.get(o) else UNNAMED
            if word != UNNAMED and not self.mapper.is_structure(o):
                out.append(Piece(o, word, key[first:last], frozenset(frames.get(o, ()))))
        return out

    def looked_at(self, frames: Iterable[int], points: Float) -> NDArray[np.bool_]:
        """Whether each of ``points [P, 3]`` falls into the picture of one of some frames, whatever
        is before it."""
        out = np.zeros(len(points), np.bool_)
        for T, K, (height, width) in (self._pictures[f] for f in frames):
            local = geometry.transform(geometry.invert(T), points)
            u, v = geometry.project(K, local * [1, 1, 0] + [0, 0, 1] * local.clip(0.05)).T
            inside = (u >= 0) & (u <= width - 1) & (v >= 0) & (v <= height - 1)
            out |= inside & (local[:, 2] > 0.05)
        return out

    def sightings(self) -> Iterator[tuple[int, Float, tuple[int, ...], list[int]]]:
        """As :attr:`shown`, with what objects are by now."""
        for frame_id, T, instances, objects in self.shown:
            yield frame_id, T, instances, self.mapper.resolve(objects).tolist()

    def _make_room(self, n: int) -> None:
        more = n - len(self.tallies)
        if more > 0:
            self.existence = self.existence.extended(more, self.belief)
            self.tallies += [Tally() for _ in range(more)]
            self._samples.room(n)

    def _weigh(self, shown: Shown, T: Float, objects: Int) -> None:
        """What the frame says of every object that could be in view, also by its silence."""
        alive = self.mapper.objects
        near = alive[self._samples.in_view(alive, T, shown.intrinsics, shown.depth.shape)]
        matched = objects[objects >= 0]
        self._not_gone(matched)
        rows = np.union1d(near, matched)
        if not len(rows):
            return
        samples = self._samples.of(rows)
        sight = look(samples, shown.depth, shown.intrinsics, T)
        is_matched = np.isin(rows, matched)
        side = sight.side_px * shown.step
        verdict = judge(is_matched, sight.hit, sight.through, sight.total, side, self.belief)
        score = np.full(len(rows), np.nan)
        score[np.searchsorted(rows, matched)] = shown.score[objects >= 0]
        middle = self._samples.middle(rows)
        self.existence = observe(
            self.existence,
            rows,
            verdict,
            T[:3, 3] - middle,
            side,
            sight.visible,
            score,
            self.belief,
        )

    def _not_gone(self, matched: Int) -> None:
        """Objects that are detected again were there when their place seemed empty: that they were
        not detected then says as much as in any other view, and no more."""
        e = self.existence
        again = matched[e.emptied[matched].any(1)]
        e.missed[again] += e.emptied[again]
        e.emptied[again] = 0


class _Reservoir:
    """Some points of each object's surface, spread over all that was ever seen of it."""

    def __init__(self) -> None:
        self._point = np.zeros((0, AT_MOST, 3))
        self._n = np.zeros(0, np.int64)
        self._seen = np.zeros(0, np.int64)
        self._rng = np.random.default_rng(0)

    def room(self, n: int) -> None:
        """For so many objects."""
        if n <= len(self._n):
            return
        more = max(n, 2 * len(self._n), 64)
        point = np.zeros((more, AT_MOST, 3))
        point[: len(self._n)] = self._point
        self._point = point
        self._n = np.concatenate((self._n, np.zeros(more - len(self._n), np.int64)))
        self._seen = np.concatenate((self._seen, np.zeros(more - len(self._seen), np.int64)))

    def add(self, o: int, points: Float) -> None:
        """Points of one more view, a few of which are kept (reservoir sampling, Vitter 1985)."""
        few = points[np.linspace(0, len(points) - 1, min(12, len(points))).astype(np.int64)]
        for p in few:
            self._seen[o] += 1
            k = self._n[o] if self._n[o] < AT_MOST else int(self._rng.integers(self._seen[o]))
            if k < AT_MOST:
                self._point[o, k] = p
                self._n[o] = max(self._n[o], k + 1)

    def of(self, rows: Int) -> Samples:
        """The points of some objects."""
        n = self._n[rows]
        kept = np.arange(AT_MOST)[None] < n[:, None]
        return Samples(self._point[rows][kept], np.concatenate(([0], np.cumsum(n))))

    def middle(self, rows: Int) -> Float:
        """Mean of each object's points ``[K, 3]``."""
        n = self._n[rows]
        kept = np.arange(AT_MOST)[None, :, None] < n[:, None, None]
        return np.asarray((self._point[rows] * kept).sum(1) / np.maximum(n, 1)[:, None])

    def in_view(
        self, rows: Int, T_world_camera: Float, K: Float, size: tuple[int, ...]
    ) -> NDArray[np.bool_]:
        """Whether a point of each object falls into a picture, whatever is before it."""
        if not len(rows):
            return np.zeros(0, np.bool_)
        # One point of each is enough to leave out most of what is elsewhere.
        half = np.stack((np.zeros_like(rows), self._n[rows] // 2), 1)
        ends = self._point[rows[:, None], half]
        local = geometry.transform(geometry.invert(T_world_camera), ends)
        z = np.maximum(local[..., 2], 0.05)
        u = K[0, 0] * local[..., 0] / z + K[0, 2]
        v = K[1, 1] * local[..., 1] / z + K[1, 2]
        inside = (local[..., 2] > 0.05) & (np.abs(u / size[1] - 0.5) < 0.75)
        inside &= np.abs(v / size[0] - 0.5) < 0.75
        return np.asarray(inside.any(1) & (self._n[rows] > 0), np.bool_)
