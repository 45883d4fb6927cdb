"""Make one set of tracks of what the map shows and what the networks propose.

In: the session's segments (pieces of the map) and proposals (masks in single frames). Out: tracks
with names: segments that proposals confirm and name, things the map has not told apart or has not
seen, and bulky segments that nothing confirms, which keep a low score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.naming import NamingConfig, fuse, say, with_prototypes
from scenekeeper.schema import TRACKS, UNNAMED, Camera
from scenekeeper.segment.associate import Seen, associate
from scenekeeper.segment.found import Found
from scenekeeper.segment.project import Lookup, build_lookup
from scenekeeper.voxels import voxel_centers

Float = NDArray[np.float64]
Int = NDArray[np.int64]

STRUCTURE = ("support", "wall")

LIKELY = 3
"""Names kept of a thing, whichever of them is said."""


class SessionTables(Protocol):
    """What the stage reads of a session; the engine provides it."""

    @property
    def session(self) -> str:
        """The session's name."""
        ...

    def frames(self) -> pa.Table:
        """The index of frames."""
        ...

    def of_session(self, table: str) -> pa.Table:
        """A table of the whole session."""
        ...

    def each_clip(self, table: str) -> Iterator[pa.Table]:
        """A table clip by clip."""
        ...


@dataclass(frozen=True)
class UniteConfig:
    """When proposals and segments are the same thing.

    Attributes:
        min_score: proposals below this speak for nothing alone.
        share: of a proposal's points that must lie on a segment for it to speak of it.
        parted: share of their common frames in which two things must lie side by side on a segment
            for it to be several things.
        parting: median score that each of them must have.
        alike: least cosine similarity of the looks of what is one thing.
        min_frames: a thing must be proposed in so many frames,
        at_once: or in a single one with this score.
        confirmed: share of its frames in which it must be proposed with ``min_score``.
        bulk: smallest and middle side, metres, that a piece of the map must have to be a thing
            without any proposal; slivers of furniture have not.
    """

    min_score: float = 0.25
    share: float = 0.6
    parted: float = 0.5
    parting: float = 0.6
    alike: float = 0.2
    min_frames: int = 2
    at_once: float = 0.65
    confirmed: float = 0.5
    bulk: tuple[float, float] = (0.08, 0.2)


@dataclass(frozen=True)
class Unite:
    """Session stage: segments and proposals in, tracks out.

    Attributes:
        classes: names of the proposals' logits.
        scale: of similarities between embeddings, as in the namer.
        prototypes: mean embedding of what people have named, by name.
        cameras: calibrations by name.
        config: when proposals and segments are the same.
        naming: when a name is said.
    """

    classes: tuple[str, ...]
    scale: float
    prototypes: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    cameras: Mapping[str, Camera] = field(default_factory=dict)
    config: UniteConfig = field(default_factory=UniteConfig)
    naming: NamingConfig = field(default_factory=NamingConfig)
    name: str = "unite"
    reads: tuple[str, ...] = ("segments", "proposals")
    writes: tuple[str, ...] = ("tracks",)

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        taught = {word: list(v) for word, v in sorted(self.prototypes.items())}
        return {
            "version": 6,
            "classes": list(self.classes),
            "prototypes": taught,
            "config": asdict(self.config),
            "naming": asdict(self.naming),
        }

    def reduce(self, tables: SessionTables, run: str) -> Mapping[str, pa.Table]:
        """The session's tracks; segments keep their ids, others count on from there."""
        segments = tables.of_session("segments").to_pylist()
        found = Found.of(tables.each_clip("proposals"), len(self.classes))
        if not segments and not len(found):
            return {"tracks": TRACKS.empty_table()}
        where = _on_segments(segments, found, self.config)
        followed = self._followed(tables, found)
        first = max((s["track"] for s in segments), default=-1) + 1
        own: dict[int, list[Int]] = {}
        alone: list[Int] = []
        for members in followed:
            k = _segment_of(segments, found, where, members)
            if k is None:
                alone.append(members)
            else:
                own.setdefault(k, []).append(members)
        rows = []
        for k, segment in enumerate(segments):
            followed = own.get(k, [])
            mine, others = _owners(found, followed, segment["kind"] in STRUCTURE, self.config)
            alone += others
            if not mine and (followed or not _bulky(segment, self.config)):
                continue
            votes = np.concatenate([*mine, np.zeros(0, np.int64)])
            rows.append(self._row(tables.session, segment, found, votes, k))
        for n, members in enumerate(alone):
            segment = _as_segment(tables.session, first + n, found, members, segments)
            rows.append(self._row(tables.session, segment, found, members, None))
        return {"tracks": pa.Table.from_pylist(rows, TRACKS)}

    def _followed(self, tables: SessionTables, found: Found) -> list[Int]:
        """Proposals by thing, of things that are seen often and well enough."""
        by_frame: dict[int, list[int]] = {}
        for row, frame in enumerate(found.frame_id.tolist()):
            by_frame.setdefault(frame, []).append(row)
        index = [r for r in tables.frames().to_pylist() if r["camera"] in self.cameras]
        rows = [np.array(by_frame.get(r["frame_id"], []), np.int64) for r in index]
        seen = [self._seen(r, found, k) for r, k in zip(index, rows, strict=True)]
        members: dict[int, list[int]] = {}
        for own, ids in zip(rows, associate(seen).track, strict=True):
            for row, track in zip(own.tolist(), ids.tolist(), strict=True):
                if track >= 0:
                    members.setdefault(track, []).append(row)
        kept = (np.array(m, np.int64) for _, m in sorted(members.items()))
        return [m for m in kept if self._is_there(found, m)]

    def _is_there(self, found: Found, members: Int) -> bool:
        c, score = self.config, found.score[members]
        if len(members) < c.min_frames:
            return bool(score.max() >= c.at_once)
        good = score >= c.min_score
        return bool(good.any() and good.mean() >= c.confirmed)

    def _seen(self, row: Mapping[str, Any], found: Found, rows: Int) -> Seen:
        pose = None if row["pose"] is None else geometry.pose_matrix(row["pose"])
        return Seen(
            row["t_ns"],
            self.cameras[row["camera"]],
            pose,
            found.box[rows].astype(np.float64),
            found.score[rows].astype(np.float64),
            found.depth[rows].astype(np.float64),
            found.embedding[rows],
        )

    def _row(
        self,
        session: str,
        segment: Mapping[str, Any],
        found: Found,
        votes: Int,
        origin: int | None,
    ) -> dict[str, Any]:
        """One track: where it is, what it is called, and which proposals showed it."""
        names, sure, mean = self._names(found, votes)
        phrase, p = say(sure, names, self.naming.min_p) if len(votes) else (UNNAMED, 0.0)
        likely = np.argsort(-sure, kind="stable")[:LIKELY]
        structure = segment["kind"] in STRUCTURE
        if structure and p < 0.8:
            phrase = UNNAMED  # a level surface is a table only when looks say so clearly
        return {
            **segment,
            "session": session,
            "score": _score(segment, found, votes),
            "segment": -1 if origin is None else segment["track"],
            "phrase": phrase,
            "p": p if len(votes) else None,
            "embedding": mean,
            "frame_ids": found.frame_id[votes].tolist(),
            "proposals": found.proposal[votes].tolist(),
            "names": [names[k] for k in likely],
            "p_names": sure[likely].tolist(),
        }

    def _names(self, found: Found, votes: Int) -> tuple[Sequence[str], Float, list[float]]:
        """What a thing may be called, how probably, and its mean embedding."""
        if not len(votes):
            return (), np.zeros(0), []
        side = np.sqrt(_areas(found.box[votes]))
        weight = found.score[votes] * np.clip(side / 40, 0.1, 1)
        p = fuse(found.logits[votes], weight, self.naming.correlation)
        mean = (weight[:, None] * found.embedding[votes]).sum(0)
        mean = mean / max(float(np.linalg.norm(mean)), 1e-9)
        names: Sequence[str] = self.classes
        if self.prototypes:
            taught = {w: np.array(v) for w, v in self.prototypes.items()}
            logits, names = with_prototypes(np.log(p), mean, self.classes, taught, self.scale)
            p = np.exp(logits - logits.max())
            p = p / p.sum()
        return names, p, mean.tolist()


def _on_segments(segments: Sequence[Mapping[str, Any]], found: Found, config: UniteConfig) -> Int:
    """``int64 [N]`` the segment that most of a proposal lies on; -1 = none."""
    lookup = _lookup(segments)
    out = np.full(len(found), -1, np.int64)
    for k, keys in enumerate(found.keys):
        if not len(keys) or not len(lookup.keys):
            continue
        at = np.minimum(np.searchsorted(lookup.keys, keys), len(lookup.keys) - 1)
        own = lookup.track[at][lookup.keys[at] == keys]
        if len(own):
            most = np.bincount(own).argmax()
            if (own == most).sum() >= config.share * len(keys):
                out[k] = most
    return out


def _lookup(segments: Sequence[Mapping[str, Any]]) -> Lookup:
    """Whose voxel is whose, by position in the list of segments."""
    keys = [np.array(s["keys"], np.int64) for s in segments]
    grown = [s["kind"] not in STRUCTURE for s in segments]
    size = segments[0]["voxel_size"] if segments else 1.0
    return build_lookup(keys, list(range(len(segments))), grown, size)


def _segment_of(
    segments: Sequence[Mapping[str, Any]], found: Found, where: Int, members: Int
) -> int | None:
    """The segment that a followed thing is, if it is one: most of its proposals lie on it and are
    about all of it."""
    on = where[members]
    if (on >= 0).mean() < 0.5:
        return None
    k = int(np.bincount(on[on >= 0]).argmax())
    mine = members[on == k]
    whole = _about_all_of(segments[k], found, mine)
    return k if len(mine) >= 0.5 * len(members) and whole.mean() >= 0.5 else None


def _owners(
    found: Found, mine: Sequence[Int], structure: bool, config: UniteConfig
) -> tuple[list[Int], list[Int]]:
    """Of what is followed on a segment, what is the segment, and what is a thing of its own.

    The segment is the thing that shows largest, and whatever is never seen beside it and looks like
    it. What is surely something else stands alone; what is unsure of itself is left out. A segment
    on which two sure things lie side by side, of comparable size, is nobody's.
    """
    largest = sorted(mine, key=lambda m: -float(_areas(found.box[m]).sum()))
    sure = [bool(np.median(found.score[m]) >= config.parting) for m in largest]
    if not structure and _several(
        found, [m for m, s in zip(largest, sure, strict=True) if s], config
    ):
        return [], list(mine)
    owners: list[Int] = []
    others: list[Int] = []
    for m, s in zip(largest, sure, strict=True):
        if not any(
            _apart(found, m, o, _differ) >= config.parted or _unlike(found, m, o, config)
            for o in owners
        ):
            owners.append(m)
        elif s:
            others.append(m)
    return owners, others


def _several(found: Found, sure: Sequence[Int], config: UniteConfig) -> bool:
    """Whether any two of several things lie side by side in view."""
    return any(
        _apart(found, a, b, _side_by_side) >= config.parted
        for k, a in enumerate(sure)
        for b in sure[k + 1 :]
    )


def _apart(found: Found, a: Int, b: Int, test: Callable[[NDArray[np.float32]], bool]) -> float:
    """Share of the frames that show two things in which a test of their boxes holds."""
    both, at_a, at_b = np.intersect1d(found.frame_id[a], found.frame_id[b], return_indices=True)
    if len(both) < 2:
        return 0.0
    pairs = zip(a[at_a], b[at_b], strict=True)
    return float(np.mean([test(found.box[[i, j]]) for i, j in pairs]))


def _unlike(found: Found, a: Int, b: Int, config: UniteConfig) -> bool:
    one, other = (found.embedding[m].mean(0) for m in (a, b))
    return float(one @ other) < config.alike * float(np.linalg.norm(one) * np.linalg.norm(other))


def _bulky(segment: Mapping[str, Any], config: UniteConfig) -> bool:
    smallest, middle, _ = sorted(segment["extent"])
    thick, wide = config.bulk
    return segment["kind"] in STRUCTURE or bool(smallest >= thick and middle >= wide)


def _differ(boxes: NDArray[np.float32]) -> bool:
    """Whether two boxes of one picture are about different things."""
    return bool(geometry.box_iou(boxes[:1], boxes[1:])[0, 0] < 0.5)


def _side_by_side(boxes: NDArray[np.float32]) -> bool:
    """Whether two boxes are of comparable size and hardly overlap."""
    a, b = _areas(boxes)
    iou = geometry.box_iou(boxes[:1], boxes[1:])[0, 0]
    return bool(min(a, b) > 0.2 * max(a, b) and iou < 0.2)


def _about_all_of(segment: Mapping[str, Any], found: Found, rows: Int) -> NDArray[np.bool_]:
    """Which proposals speak of the whole segment, not of a part of it or of what lies on it.

    Their longer side must be comparable to what the segment's box would measure in the picture.
    """
    if not len(rows):
        return np.zeros(0, np.bool_)
    box = found.box[rows]
    side = np.maximum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]).astype(np.float64)
    height, width = found.size[rows].T
    cut = (box[:, 0] <= 2) | (box[:, 1] <= 2) | (box[:, 2] >= width - 2) | (box[:, 3] >= height - 2)
    metric = side * np.nan_to_num(found.depth[rows], nan=1.0) / (0.9 * width)
    extent = np.sort(np.array(segment["extent"], np.float64))
    low = 0.35 if segment["kind"] in STRUCTURE else 0.5
    enough = metric >= low * extent[1]
    return np.asarray(enough | (cut & (metric >= 0.6 * low * extent[1])), np.bool_)


def _score(segment: Mapping[str, Any], found: Found, votes: Int) -> float:
    """Probability that there is such a thing: the map's word and the best of the proposals'."""
    if not len(votes):
        return 0.5 * float(segment["score"])
    best = np.sort(found.score[votes])[-5:]
    return float(1 - (1 - best.mean()) * (1 - 0.5 * segment["score"]))


def _as_segment(
    session: str,
    track: int,
    found: Found,
    members: Int,
    segments: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """What is known of a thing that the map does not show."""
    keys = np.unique(np.concatenate([found.keys[m] for m in members]))
    up = segments[0]["up"] if segments else [0.0, 0.0, 1.0]
    size = segments[0]["voxel_size"] if segments else 0.012
    extent = [0.0, 0.0, 0.0]
    if len(keys):
        _, box, _ = geometry.upright_box(voxel_centers(keys, size), np.array(up))
        extent = box.tolist()
    return {
        "session": session,
        "track": track,
        "kind": "thing",
        "score": 0.0,
        "extent": extent,
        "rgb": [128, 128, 128],
        "up": up,
        "voxel_size": size,
        "keys": keys.tolist(),
    }


def _areas(boxes: NDArray[np.float32]) -> Float:
    return np.asarray((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), np.float64)
