"""What the engine runs: stages that turn tables (and frames) of a clip into more tables of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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

    def encode(self, item: Any) -> Any:
        """The pure part; called from several threads at once, in any order.

        Takes frames, or of a :class:`StreamJob` what that yields.
        """
        ...

    def collect(self, item: Any) -> None:
        """Takes encoded items in order, on the one writing thread."""
        ...

    def finish(self) -> Mapping[str, pa.Table]:
        """The clip's new tables, after its last frame."""
        ...


@runtime_checkable
class StreamJob(ClipJob, Protocol):
    """A job with a part that needs the frames in order, on the one device thread.

    It may hold frames back, for a batch or because it looks ahead; how many is its own to bound.
    """

    def push(self, frame: Frame) -> Iterable[Any]:
        """Take the next frame; items that are ready go to ``encode``."""
        ...

    def flush(self) -> Iterable[Any]:
        """Items of the frames still held back, after the clip's last frame."""
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
class Leading(Protocol):
    """A clip stage that also wants to see the last frames of the clip before."""

    @property
    def lead(self) -> int:
        """How many."""
        ...


@runtime_checkable
class Choosy(Protocol):
    """A clip stage that wants to see some frames only, or none; it has a pass of its own."""

    def wanted(self, clip: Clip, tables: Tables) -> Sequence[int]:
        """Frames of a clip that are decoded for it, ascending."""
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
