"""Grounding by models of any family as a stage: frames in, detections out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from scenekeeper.ground.thresholds import ThresholdConfig, reached, thresholds
from scenekeeper.models import FrameModel
from scenekeeper.models.base import Words
from scenekeeper.models.looking import batch_of, look
from scenekeeper.models.tables import detections_table
from scenekeeper.schema import Clip, Frame, Labels


@dataclass(frozen=True)
class Detect:
    """Clip stage: one model after the other looks at each frame, each knowing what was found.

    Attributes:
        models: the first finds boxes, unless a later one does; others add to what is there.
        vocabulary: what to look for.
        thresholds: which detections are strong enough to be followed; the others are kept, too.
    """

    models: tuple[FrameModel, ...]
    vocabulary: Words
    thresholds: ThresholdConfig = field(default_factory=ThresholdConfig)
    name: str = "ground"
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ("detections",)

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        words = {phrase: list(synonyms) for phrase, synonyms in self.vocabulary.items()}
        models = [m.card.facts() for m in self.models]
        limits = self.thresholds.facts()
        return {"version": 1, "models": models, "vocabulary": words, "thresholds": limits}

    def open(self, clip: Clip, tables: object) -> DetectJob:
        """Start on a clip."""
        return DetectJob(clip, self.models, self.vocabulary, self.thresholds)


@dataclass
class DetectJob:
    """Looks at the frames of a clip in batches."""

    clip: Clip
    models: Sequence[FrameModel]
    vocabulary: Words
    thresholds: ThresholdConfig
    waiting: list[Frame] = field(default_factory=list)
    found: list[Labels] = field(default_factory=list)

    def push(self, frame: Frame) -> Iterator[Labels]:
        """Look when a batch is full."""
        self.waiting.append(frame)
        if len(self.waiting) >= batch_of(self.models):
            yield from self.flush()

    def flush(self) -> Iterator[Labels]:
        """Look at what waits."""
        frames, self.waiting = self.waiting, []
        return iter(look(self.models, frames, self.vocabulary))

    def encode(self, labels: Labels) -> Labels:
        """Nothing to do apart."""
        return labels

    def collect(self, labels: Labels) -> None:
        """Keep one frame's."""
        self.found.append(labels)

    def finish(self) -> Mapping[str, pa.Table]:
        """The clip's detections; a phrase that is hardly found in it needs a lower score."""
        limits = thresholds(self.found, self.vocabulary, self.thresholds)
        rows = [(labels, reached(labels, limits).tolist()) for labels in self.found]
        return {"detections": detections_table(self.clip.session, rows)}
