"""Describing by models of any family as a stage: keyframes in, statements about them out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from scenekeeper.models import FrameModel
from scenekeeper.models.base import Words
from scenekeeper.models.looking import batch_of, look
from scenekeeper.models.tables import by_frame, labels_of, statements_table
from scenekeeper.schema import Clip, Frame, Labels


class ClipTables(Protocol):
    """What the stage reads; the engine provides it."""

    def of_clip(self, table: str, clip: Clip) -> pa.Table:
        """One clip of a table."""
        ...

    def of_session(self, table: str) -> pa.Table:
        """A table of the whole session."""
        ...


@dataclass(frozen=True)
class Tell:
    """Clip stage: models describe keyframes; no other frame is decoded.

    Attributes:
        models: one after the other; a later one adds what an earlier one left out.
        vocabulary: what things are called.
    """

    models: tuple[FrameModel, ...]
    vocabulary: Words
    name: str = "describe"
    reads: tuple[str, ...] = ("instances", "keyframes")
    writes: tuple[str, ...] = ("statements",)

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        return {
            "version": 1,
            "models": [m.card.facts() for m in self.models],
            "vocabulary": {phrase: list(words) for phrase, words in self.vocabulary.items()},
        }

    def wanted(self, clip: Clip, tables: ClipTables) -> list[int]:
        """Its keyframes."""
        chosen = tables.of_session("keyframes")["frame_id"].to_pylist()
        return [k for k in chosen if clip.start <= k < clip.stop]

    def open(self, clip: Clip, tables: ClipTables) -> TellJob:
        """Start on a clip."""
        rows = by_frame(tables.of_clip("instances", clip))
        known = {k: labels_of(of) for k, of in rows.items()}
        return TellJob(clip, self.models, self.vocabulary, known)


@dataclass
class TellJob:
    """Has keyframes described in batches."""

    clip: Clip
    models: Sequence[FrameModel]
    vocabulary: Words
    known: Mapping[int, Labels]
    waiting: list[tuple[Frame, Labels]] = field(default_factory=list)
    told: list[Labels] = field(default_factory=list)

    def push(self, frame: Frame) -> Iterator[Labels]:
        """Describe when enough keyframes wait."""
        self.waiting.append((frame, self.known.get(frame.frame_id) or _nothing(frame)))
        if len(self.waiting) >= batch_of(self.models):
            yield from self.flush()

    def flush(self) -> Iterator[Labels]:
        """Describe what waits."""
        waiting, self.waiting = self.waiting, []
        frames, shown = [f for f, _ in waiting], [s for _, s in waiting]
        return iter(look(self.models, frames, self.vocabulary, shown))

    def encode(self, labels: Labels) -> Labels:
        """Nothing to do apart."""
        return labels

    def collect(self, labels: Labels) -> None:
        """Keep one frame's."""
        self.told.append(labels)

    def finish(self) -> Mapping[str, pa.Table]:
        """The clip's statements."""
        source = "+".join(model.card.name for model in self.models)
        return {"statements": statements_table(self.clip.session, [(source, t) for t in self.told])}


def _nothing(frame: Frame) -> Labels:
    size = (frame.camera.height, frame.camera.width)
    return Labels(frame.frame_id, frame.t_ns, size, np.zeros((0, 4), np.float32))
