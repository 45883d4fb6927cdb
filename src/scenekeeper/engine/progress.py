"""How far the work is: a bar for people, JSON lines for machines, notes for logs, or nothing."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from scenekeeper.engine.pipeline import Busy

if TYPE_CHECKING:
    from rich.progress import TaskID


class Progress(Protocol):
    """Told about every stage and every frame."""

    def start(self, stage: str, session: str, frames: int, busy: Busy) -> None:
        """A stage begins on a session with this many frames left to do."""
        ...

    def tick(self) -> None:
        """One more frame is done."""
        ...

    def say(self, text: str) -> None:
        """One line that stays on the screen."""
        ...


class _Silent:
    def start(self, stage: str, session: str, frames: int, busy: Busy) -> None: ...

    def tick(self) -> None: ...

    def say(self, text: str) -> None: ...


@contextmanager
def no_progress() -> Iterator[Progress]:
    """Says nothing."""
    yield _Silent()


class _Plain(_Silent):
    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


@contextmanager
def plain_progress() -> Iterator[Progress]:
    """What is worth keeping in a log, on standard error."""
    yield _Plain()


@dataclass
class _JsonLines:
    every_s: float = 1.0
    state: dict[str, object] = field(default_factory=dict)
    done: int = 0
    last: float = 0.0

    def start(self, stage: str, session: str, frames: int, busy: Busy) -> None:
        self.state = {"stage": stage, "session": session, "frames": frames}
        self.done = 0
        self._print(busy="started")

    def tick(self) -> None:
        self.done += 1
        if time.monotonic() - self.last >= self.every_s:
            self._print()

    def say(self, text: str) -> None:
        self._print(note=text)

    def _print(self, **extra: str) -> None:
        self.last = time.monotonic()
        print(json.dumps({**self.state, "done": self.done, **extra}), file=sys.stderr, flush=True)


@contextmanager
def json_progress() -> Iterator[Progress]:
    """One JSON object per line on standard error, about one a second."""
    yield _JsonLines()


class _Rich:
    def __init__(self, bar: object) -> None:
        from rich.progress import Progress as Bar

        assert isinstance(bar, Bar)
        self._bar = bar
        self._task: TaskID | None = None
        self._busy = Busy()
        self._began = time.monotonic()
        self._done = 0

    def start(self, stage: str, session: str, frames: int, busy: Busy) -> None:
        self._busy, self._began, self._done = busy, time.monotonic(), 0
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(
            f"{session}: {stage}", total=frames or None, rate="", slow=""
        )

    def tick(self) -> None:
        assert self._task is not None
        self._done += 1
        rate = self._done / max(time.monotonic() - self._began, 1e-6)
        slow = self._busy.bottleneck()
        self._bar.update(
            self._task,
            advance=1,
            rate=f"{rate:.0f} frames/s",
            slow=f"bottleneck: {slow}" if slow else "",
        )

    def say(self, text: str) -> None:
        self._bar.console.print(text, highlight=False, markup=False)


@contextmanager
def rich_progress() -> Iterator[Progress]:
    """A live bar with frames/s, the bottleneck and the time left, on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[slow]}", style="dim"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _Rich(bar)
