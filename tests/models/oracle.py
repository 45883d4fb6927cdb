"""Models that know the truth about a simulated session: stand-ins for real ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scenekeeper.geometry import box_iou
from scenekeeper.models import Card
from scenekeeper.models.base import Words
from scenekeeper.models.tables import by_frame, labels_of
from scenekeeper.schema import NO_ID, Clip, Frame, Labels, Relation
from scenekeeper.store import Dataset


@dataclass(frozen=True)
class Truth:
    """What there is to know about one session, by time."""

    frames: dict[int, Labels]
    relations: tuple[Relation, ...]

    @classmethod
    def of(cls, dataset: Dataset, session: str) -> Truth:
        frames = by_frame(dataset.table("instances", session))
        track = {o["object"]: o["track"] for o in dataset.table("objects", session).to_pylist()}
        relations = tuple(
            Relation(track[r["subject"]], r["predicate"], track[r["object"]], 0.9, "vlm")
            for r in dataset.table("relations", session).to_pylist()
            if r["subject"] in track and r["object"] in track
        )
        labels = {rows[0]["t_ns"]: labels_of(rows) for rows in frames.values()}
        return cls(labels, relations)

    def at(self, frame: Frame) -> Labels:
        """Labels under the frame's own number."""
        known = self.frames.get(frame.t_ns)
        if known is None:
            return Labels.empty(frame)
        return replace(known, frame_id=frame.frame_id)


def card(name: str, **options: Any) -> Card:
    return Card(f"oracle:{name}", "1", "Apache-2.0", **options)


@dataclass(frozen=True)
class Grounder:
    """Knows boxes and names of what is in the vocabulary."""

    truth: Truth
    batch: int = 4

    @property
    def card(self) -> Card:
        return card("grounder", provides=frozenset({"boxes"}), max_batch=self.batch)

    def run(
        self, frames: Sequence[Frame], vocabulary: Words, prior: Sequence[Labels | None]
    ) -> list[Labels]:
        assert len(frames) <= self.batch
        out = []
        for frame in frames:
            known = self.truth.at(frame)
            rows = [k for k, phrase in enumerate(known.phrase) if phrase in vocabulary]
            part = known[np.array(rows, np.int64)]
            out.append(replace(part, mask=(None,) * len(part), track=None))
        return out


@dataclass(frozen=True)
class Follower:
    """Knows the mask of a box, and who is who for as long as a clip lasts; one frame late."""

    truth: Truth
    finds: bool = False
    score: float = 1.0

    @property
    def card(self) -> Card:
        if self.finds:
            return card("sam3", provides=frozenset({"boxes", "masks", "tracks"}))
        given = frozenset({"masks", "tracks"})
        return card("sam2", provides=given, needs=frozenset({"boxes"}))

    def open(self, clip: Clip, vocabulary: Words) -> FollowerSession:
        return FollowerSession(self.truth, self.finds, self.score)


@dataclass
class FollowerSession:
    truth: Truth
    finds: bool
    score: float
    numbers: dict[int, int] = field(default_factory=dict)
    held: list[Labels] = field(default_factory=list)

    def push(self, frame: Frame, prior: Labels | None) -> Iterator[Labels]:
        known = self.truth.at(frame)
        if not self.finds:
            known = known[_matched(known, prior)]
        assert known.track is not None
        # Tracks count from 0 in each clip, in the order in which they come.
        track = [self.numbers.setdefault(t, len(self.numbers)) for t in known.track.tolist()]
        score = np.full(len(known), self.score, np.float32)
        self.held.append(replace(known, track=np.array(track, np.int64), score=score))
        if len(self.held) > 1:
            yield self.held.pop(0)

    def flush(self) -> Iterator[Labels]:
        held, self.held = self.held, []
        return iter(held)


def _matched(known: Labels, prior: Labels | None) -> np.ndarray:
    if prior is None or not len(known):
        return np.zeros(0, np.int64)
    return np.flatnonzero(box_iou(known.box_xyxy, prior.box_xyxy).max(1) > 0.5)


@dataclass(frozen=True)
class Teller:
    """Tells what the truth holds of the things that it is shown."""

    truth: Truth
    name: str = "teller"
    asked: list[int] = field(default_factory=list)

    @property
    def card(self) -> Card:
        given = frozenset({"caption", "object_captions", "relations"})
        return card(self.name, provides=given, needs=frozenset({"boxes"}), max_batch=3)

    def run(
        self, frames: Sequence[Frame], vocabulary: Words, prior: Sequence[Labels | None]
    ) -> list[Labels]:
        out = []
        for frame, shown in zip(frames, prior, strict=True):
            assert shown is not None and shown.track is not None
            self.asked.append(frame.frame_id)
            text = tuple(f"a {phrase} of its own kind" for phrase in shown.phrase)
            true = self.truth.at(frame)
            own = _renamed(true, shown)
            said = [
                replace(r, subject=own[r.subject], object=own[r.object])
                for r in self.truth.relations
                if r.subject in own and r.object in own
            ]
            caption = f"{len(shown)} things"
            out.append(replace(shown, text=text, caption=caption, relations=tuple(said)))
        return out


def _renamed(true: Labels, shown: Labels) -> dict[int, int]:
    """Track of each true track by where it is."""
    assert true.track is not None and shown.track is not None
    if not len(true) or not len(shown):
        return {}
    iou = box_iou(true.box_xyxy, shown.box_xyxy)
    return {
        int(t): int(shown.track[row.argmax()])
        for t, row in zip(true.track, iou, strict=True)
        if row.max() > 0.7 and shown.track[row.argmax()] != NO_ID
    }
