"""Describing by models of any family as a stage: keyframes in, statements about them out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from scenekeeper.models import FrameModel
from scenekeeper.models.base import Words
from scenekeeper.models.looking import look
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
    """Clip stage: keyframes are described; no other frame is decoded.

    Attributes:
        model: describes the main keyframes.
        vocabulary: what things are called.
        often: a smaller model, for the others; ``None`` = there are none.
    """

    model: FrameModel
    vocabulary: Words
    often: FrameModel | None = None
    name: str = "describe"
    reads: tuple[str, ...] = ("instances", "keyframes")
    writes: tuple[str, ...] = ("statements",)

    def facts(self) -> Mapping[str, Any]:
        """What the output depends on."""
        return {
            "version": 1,
            "model": self.model.card.facts(),
            "often": None if self.often is None else self.often.card.facts(),
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
        keys = tables.of_session("keyframes")
        main = dict(zip(keys["frame_id"].to_pylist(), keys["main"].to_pylist(), strict=True))
        return TellJob(clip, self, known, main)


@dataclass
class TellJob:
    """Has keyframes described in batches, each by its model."""

    clip: Clip
    stage: Tell
    known: Mapping[int, Labels]
    main: Mapping[int, bool]
    waiting: dict[bool, list[Frame]] = field(default_factory=lambda: {True: [], False: []})
    told: list[tuple[str, Labels]] = field(default_factory=list)

    def push(self, frame: Frame) -> Iterator[tuple[str, Labels]]:
        """Describe when enough keyframes wait for a model."""
        main = self.main[frame.frame_id]
        self.waiting[main].append(frame)
        if len(self.waiting[main]) >= self._model(main).card.max_batch:
            yield from self._describe(main)

    def flush(self) -> Iterator[tuple[str, Labels]]:
        """Describe what waits."""
        yield from self._describe(True)
        yield from self._describe(False)

    def _model(self, main: bool) -> FrameModel:
        return self.stage.model if main or self.stage.often is None else self.stage.often

    def _describe(self, main: bool) -> Iterator[tuple[str, Labels]]:
        frames, self.waiting[main] = self.waiting[main], []
        if not frames:
            return
        model = self._model(main)
        shown = [self.known.get(f.frame_id) or Labels.empty(f) for f in frames]
        for labels in look([model], frames, self.stage.vocabulary, shown):
            yield model.card.name, labels

    def encode(self, item: tuple[str, Labels]) -> tuple[str, Labels]:
        """Nothing to do apart."""
        return item

    def collect(self, item: tuple[str, Labels]) -> None:
        """Keep one frame's."""
        self.told.append(item)

    def finish(self) -> Mapping[str, pa.Table]:
        """The clip's statements."""
        told = sorted(self.told, key=lambda item: item[1].frame_id)
        return {"statements": statements_table(self.clip.session, told)}
