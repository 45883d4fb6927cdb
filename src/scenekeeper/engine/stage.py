"""What the engine runs: stages that turn tables (and frames) of a clip into more tables of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from scenekeeper.schema import Clip, Frame
from scenekeeper.store import Dataset


@dataclass(frozen=True)
class Tables:
    """What a stage may read of one session: its frames and the runs it consumes.

    Attributes:
        dataset: where they lie.
        session: whose they are.
        runs: the run to read of each table.
        clips: the clips that have been made; a failed one is missing.
    """

    dataset: Dataset
    session: str
    runs: Mapping[str, str]
    clips: tuple[Clip, ...]

    def frames(self) -> pa.Table:
        """The session's index of frames."""
        return self.dataset.frames(self.session)

    def of_clip(self, table: str, clip: Clip) -> pa.Table:
        """One clip's rows of a table that has one segment per clip."""
        return self.dataset.read_segment(table, self.runs[table], self.session, clip.index)

    def of_session(self, table: str) -> pa.Table:
        """All rows of a table that has one segment per session."""
        return self.dataset.read_segment(table, self.runs[table], self.session)

    def each_clip(self, table: str) -> Iterator[pa.Table]:
        """Rows clip by clip, one clip in memory at a time."""
        for clip in self.clips:
            yield self.of_clip(table, clip)


class ClipJob(Protocol):
    """One stage at work on one clip; made by :meth:`ClipStage.open`."""

    def infer(self, frame: Frame) -> Any:
        """The ordered part, on the one device thread; what it returns goes to ``encode``."""
        ...

    def encode(self, item: Any) -> Any:
        """The pure part; called from several threads at once, in any order."""
        ...

    def collect(self, item: Any) -> None:
        """Takes encoded items in frame order, on the one writing thread."""
        ...

    def finish(self) -> Mapping[str, pa.Table]:
        """The clip's new tables, after its last frame."""
        ...


@runtime_checkable
class ClipStage(Protocol):
    """A stage whose output for a clip depends on that clip (and on session tables) alone."""

    @property
    def name(self) -> str:
        """What reports and runs call it."""
        ...

    @property
    def reads(self) -> tuple[str, ...]:
        """Tables it needs."""
        ...

    @property
    def writes(self) -> tuple[str, ...]:
        """Tables it makes."""
        ...

    def facts(self) -> Mapping[str, Any]:
        """Plain JSON of everything its output depends on besides its input tables."""
        ...

    def open(self, clip: Clip, tables: Tables) -> ClipJob:
        """Start on a clip."""
        ...


@runtime_checkable
class SessionStage(Protocol):
    """A stage that needs all clips of a session: an ordered reduction, cheap and rerunnable."""

    @property
    def name(self) -> str:
        """What reports and runs call it."""
        ...

    @property
    def reads(self) -> tuple[str, ...]:
        """Tables it needs."""
        ...

    @property
    def writes(self) -> tuple[str, ...]:
        """Tables it makes."""
        ...

    def facts(self) -> Mapping[str, Any]:
        """Plain JSON of everything its output depends on besides its input tables."""
        ...

    def reduce(self, tables: Tables, run: str) -> Mapping[str, pa.Table]:
        """The session's new tables; ``run`` is the name they will be stored under."""
        ...


Stage = ClipStage | SessionStage
