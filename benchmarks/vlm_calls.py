"""Asking about chosen frames tells as much as asking about every tenth, with a fifth of the calls.

Claim: of the sentences about things and the relations between things that a describer tells when
it is asked about every tenth frame of ten a second, at least 95 % are told when it is asked about
the chosen frames alone, with at most one fifth of the calls. Rooms are simulated. The describer is
scripted: it tells, from the truth, what is in the frame it is asked about, of the largest things
as many as a real one is asked for. The labels by which frames are chosen miss one thing in ten,
anew in every frame. Clips of ten seconds are chosen from one after the other, as in a stream. Peer:
asking about every tenth frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.harness import Result
from scenekeeper.describe.keyframes import KeyframeConfig, Look, Told, keyframes, look_at
from scenekeeper.models import Card
from scenekeeper.models.base import Words
from scenekeeper.schema import Camera, Frame, Labels, Relation
from scenekeeper.simulate.home import ROOM_KINDS, RoomKind
from scenekeeper.simulate.produce import Path_, Scenario, visits_of
from scenekeeper.simulate.render import develop, film, see
from scenekeeper.simulate.session import Visit
from scenekeeper.simulate.truth import MIN_PIXELS
from scenekeeper.simulate.truth_relations import true_relations

SHARE, CALLS = 0.95, 5.0
STEP = 10
CLIP = 100
"""Frames of a clip."""

MISSED = 0.1
SMALLER = 5
"""How many times wider pictures would be in full."""

ROOMS: tuple[tuple[int, RoomKind, Path_], ...] = tuple(
    (11_000 + k, ROOM_KINDS[k % len(ROOM_KINDS)], ("drive", "orbit")[k // 4]) for k in range(8)
)
SCENARIO = Scenario(seconds=40, fps=10, size=(320, 240))
FLOOR, WALL = 991, 992
"""What floor and walls are called; the instances of the scenery are -1 and -2."""

Said = tuple[int, str, int]


def run() -> Result:
    visits = [seen_visit(*room) for room in ROOMS]
    outcomes = [outcome(visit) for visit in visits]
    asked, calls = (sum(o[k] for o in outcomes) for k in ("asked", "calls"))
    parts = {
        kind: sum(o[f"{kind} found"] for o in outcomes) / sum(o[kind] for o in outcomes)
        for kind in ("sentences", "relations")
    }
    least = min(o["share"] for o in outcomes)
    told = ", ".join(f"{100 * share:.1f} % of {kind}" for kind, share in parts.items())
    return Result(
        name="vlm_calls",
        input=f"{len(visits)} simulated visits, {sum(len(v.frames) for v in visits)} frames",
        unit="calls",
        ours=asked,
        peer=calls,
        peer_name=f"every {STEP}th frame",
        target=CALLS,
        further={f"at least {SHARE:.0%} of {k} are told": v >= SHARE for k, v in parts.items()},
        note=f"{told}; of all in the poorest room {100 * least:.1f} %",
    )


@dataclass(frozen=True, eq=False)
class Seen:
    """A visit as frames with their exact labels, and the truth to tell of it.

    Attributes:
        frames: with small pictures.
        labels: exact boxes and tracks of each.
        relations: that hold in the home.
    """

    frames: tuple[Frame, ...]
    labels: tuple[Labels, ...]
    relations: frozenset[Said]


def seen_visit(seed: int, kind: RoomKind, path: Path_) -> Seen:
    """A visit to a room, looked at frame by frame."""
    visit = visits_of(seed, replace(SCENARIO, kinds=(kind,), path=path))[0][0]
    labels = [_labels(visit, row) for row in range(len(visit.t_ns))]
    frames = tuple(_frame(visit, row) for row in range(len(visit.t_ns)))
    ids = {int(t) for each in labels for t in each.track}
    relations = true_relations(visit.home, ids, FLOOR, WALL)
    return Seen(frames, tuple(labels), frozenset(relations))


def _frame(visit: Visit, row: int) -> Frame:
    """A frame with a picture that is just large enough for a thumbnail."""
    camera, T = _small(visit.camera), visit.pose(row)
    rgb = develop(film(visit.scene_of(row), visit.lighting, camera, T), 1.0)
    return Frame(row, visit.name, camera, int(visit.t_ns[row]), rgb, T_world_camera=T)


def _small(camera: Camera) -> Camera:
    K = np.diag([1 / SMALLER, 1 / SMALLER, 1]) @ camera.intrinsics
    return Camera(camera.name, camera.width // SMALLER, camera.height // SMALLER, K)


def _labels(visit: Visit, row: int) -> Labels:
    shot = see(visit.scene_of(row), visit.camera, visit.pose(row))
    ids, tracks, boxes = shot.ids, [], []
    for i in np.unique(ids[ids != 0]).tolist():
        v, u = np.nonzero(ids == i)
        if len(v) >= MIN_PIXELS:
            tracks.append(i if i > 0 else FLOOR - 1 - i)
            boxes.append((u.min(), v.min(), u.max() + 1, v.max() + 1))
    box = np.array(boxes, np.float32).reshape(-1, 4)
    track = np.array(tracks, np.int64)
    return Labels(row, int(visit.t_ns[row]), ids.shape, box, track=track)


@dataclass(frozen=True, eq=False)
class Scripted:
    """A describer that reads off the truth what it is asked about, and counts."""

    seen: Seen
    most: int = KeyframeConfig().objects
    asked: list[int] = field(default_factory=list)
    card: Card = field(default=Card("scripted", "1", "", frozenset({"relations"}), max_batch=1000))

    def run(
        self, frames: Sequence[Frame], vocabulary: Words, prior: Sequence[Labels | None]
    ) -> list[Labels]:
        """What the truth says of the largest things in each frame."""
        self.asked.extend(frame.frame_id for frame in frames)
        return [self._told(self.seen.labels[frame.frame_id]) for frame in frames]

    def _told(self, labels: Labels) -> Labels:
        sides = labels.box_xyxy[:, 2:] - labels.box_xyxy[:, :2]
        labels = labels[np.argsort(-sides.prod(1), kind="stable")[: self.most]]
        shown = {int(t) for t in labels.track}
        relations = tuple(
            Relation(a, how, b, source="vlm")
            for a, how, b in sorted(self.seen.relations)
            if {a, b} <= shown
        )
        text = tuple(f"thing {t}" for t in labels.track)
        return replace(labels, text=text, relations=relations)


def outcome(seen: Seen, config: KeyframeConfig | None = None) -> dict[str, float]:
    """What was told by either way, and how often was asked."""
    often, chosen = Scripted(seen), Scripted(seen)
    wanted = _facts(often.run(seen.frames[::STEP], {}, [None] * len(seen.frames[::STEP])))
    rng = np.random.default_rng(len(seen.relations))
    looks = [
        _look(f, labels, rng, config) for f, labels in zip(seen.frames, seen.labels, strict=True)
    ]
    told, labels = Told(), []
    for start in range(0, len(looks), CLIP):
        rows, told = keyframes(looks[start : start + CLIP], told, config)
        frames = [seen.frames[start + k] for k in rows]
        labels += chosen.run(frames, {}, [None] * len(frames))
    found = _facts(labels)
    out: dict[str, float] = {"asked": len(chosen.asked), "calls": len(often.asked)}
    for kind, facts in wanted.items():
        out |= {kind: len(facts), f"{kind} found": len(facts & found[kind])}
    both = sum(len(facts & found[kind]) for kind, facts in wanted.items())
    return out | {"share": both / max(1, sum(len(facts) for facts in wanted.values()))}


def _look(
    frame: Frame, labels: Labels, rng: np.random.Generator, config: KeyframeConfig | None
) -> Look:
    return look_at(frame, labels[rng.random(len(labels)) >= MISSED], config)


def _facts(labels: Sequence[Labels]) -> Mapping[str, set[object]]:
    sentences, relations = set(), set()
    for each in labels:
        sentences |= set(zip(each.track.tolist(), each.text, strict=True))
        relations |= {(r.subject, r.predicate, r.object) for r in each.relations}
    return {"sentences": sentences, "relations": relations}
