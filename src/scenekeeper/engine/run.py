"""Bring a session up to date: find what is missing on disk, claim it, do it, put it in force."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from threadpoolctl import threadpool_limits

from scenekeeper.engine.memory import give_back, hold_little
from scenekeeper.engine.pipeline import Busy, ClipWork, Outcome, run_clips
from scenekeeper.engine.progress import Progress
from scenekeeper.engine.stage import Choosy, ClipStage, Leading, SessionStage, Stage, Tables
from scenekeeper.errors import ScenekeeperError
from scenekeeper.schema import Clip, Frame
from scenekeeper.store import Dataset, Ledger, fingerprint
from scenekeeper.store.ledger import LEASE_SECONDS

Decode = Callable[[pa.Table], Iterator[Frame]]
"""Decodes the frames of some rows of a session's frame index."""


@dataclass(frozen=True)
class Report:
    """What bringing one session up to date took.

    Attributes:
        session: its name.
        frames: frames in the session.
        clips_done: pieces of work done now (clips times stages).
        clips_kept: pieces that were there already.
        seconds: wall-clock seconds of this call.
        busy: wall-clock seconds of each part at work, over all its threads; one that waits for a
            core counts as at work.
        bottleneck: the busiest part.
        failures: ``(stage, clip, reason)`` of every piece that failed.
        runs: the run now in force of each table.
    """

    session: str
    frames: int
    clips_done: int
    clips_kept: int
    seconds: float
    busy: dict[str, float]
    bottleneck: str | None
    failures: tuple[tuple[str, int, str], ...]
    runs: dict[str, str] = field(default_factory=dict)


def run(
    dataset: Dataset,
    session: str,
    stages: Sequence[Stage],
    decode: Decode,
    progress: Progress,
    workers: int | None = None,
    there: Mapping[str, str] | None = None,
) -> Report:
    """Run stages over a session, in order; what is on disk already is not done again.

    Clip stages that follow one another without needing each other share one pass over the
    pixels. A failed clip is recorded and left out; everything made without it is stored under
    another run, so that it is made anew once the clip succeeds.

    Args:
        dataset: holds the session.
        session: its name.
        stages: in an order in which each finds the tables it reads.
        decode: decodes rows of the session's frame index.
        progress: is told.
        workers: encoding threads; one per core when absent.
        there: runs of tables that are there already, for stages to read.

    Raises:
        DatasetError: the dataset cannot be read or written.
    """
    hold_little()
    work = _Session(dataset, session, decode, progress, workers or os.cpu_count() or 1)
    work.runs.update(there or {})
    began = time.perf_counter()
    # The engine keeps the cores busy; threads that linear algebra starts would only get in the way.
    with threadpool_limits(1, user_api="blas"), work.open_ledger():
        for group in _passes(stages):
            if isinstance(group, SessionStage):
                work.reduce(group)
            else:
                work.map(group)
            give_back()
        dataset.set_current(session, work.runs)
    return work.report(time.perf_counter() - began)


def _passes(stages: Sequence[Stage]) -> Iterator[SessionStage | list[ClipStage]]:
    """Group clip stages that can share one pass over the frames."""
    group: list[ClipStage] = []
    for stage in stages:
        made = {table for other in group for table in other.writes}
        apart: object = isinstance(stage, SessionStage) or made & set(stage.reads)
        apart = apart or any(isinstance(s, Choosy) for s in (stage, *group))
        if group and apart:
            yield group
            group = []
        if isinstance(stage, SessionStage):
            yield stage
        else:
            group.append(stage)
    if group:
        yield group


class _Session:
    """The state of one call of :func:`run`."""

    def __init__(
        self, dataset: Dataset, session: str, decode: Decode, progress: Progress, workers: int
    ) -> None:
        self._dataset = dataset
        self._info = dataset.session(session)
        self._frames = dataset.frames(session)
        self._decode = decode
        self._progress = progress
        self._workers = workers
        self._busy = Busy()
        self._clips = tuple(self._info.clip(k) for k in range(self._info.n_clips))
        self._failures: list[tuple[str, int, str]] = []
        self._done = self._kept = 0
        self.runs: dict[str, str] = {}

    @contextmanager
    def open_ledger(self) -> Iterator[None]:
        self._ledger = Ledger(self._dataset.path)
        stop = threading.Event()

        def renew() -> None:
            ledger = Ledger(self._dataset.path)
            while not stop.wait(LEASE_SECONDS / 3):
                ledger.renew()
            ledger.close()

        heart = threading.Thread(target=renew, daemon=True)
        heart.start()
        try:
            yield
        finally:
            stop.set()
            heart.join()
            self._ledger.close()

    def report(self, seconds: float) -> Report:
        return Report(
            self._info.name,
            len(self._frames),
            self._done,
            self._kept,
            seconds,
            dict(self._busy.seconds),
            self._busy.bottleneck(),
            tuple(self._failures),
            self.runs,
        )

    # --- clip stages ------------------------------------------------------------------------------

    def map(self, group: list[ClipStage]) -> None:
        """Run clip stages over every clip that lacks one of their segments."""
        runs = [self._begin(stage) for stage in group]
        tables = [self._tables(stage) for stage in group]
        waiting = {clip.index: clip for clip in self._clips}
        names = "+".join(stage.name for stage in group)
        while waiting:
            there = [clip for clip in waiting.values() if self._has(group, runs, clip)]
            self._ledger.found(
                [
                    (stage.name, run_id, self._info.name, clip.index, len(clip))
                    for stage, run_id in zip(group, runs, strict=True)
                    for clip in there
                ],
                [self._lease(runs, clip) for clip in there],
            )
            for clip in there:
                del waiting[clip.index]
            self._kept += len(group) * len(there)
            if not waiting:
                break
            self._progress.start(
                names, self._info.name, sum(map(len, waiting.values())), self._busy
            )
            tried = self._run_pass(group, runs, tables, list(waiting.values()))
            for clip in tried:
                del waiting[clip.index]
            if not tried:
                time.sleep(0.2)  # another process is at work on the rest
        failed = {clip for name, clip, _ in self._failures if name in {s.name for s in group}}
        self._clips = tuple(c for c in self._clips if c.index not in failed)
        for stage, run_id in zip(group, runs, strict=True):
            self.runs.update(dict.fromkeys(stage.writes, run_id))

    def _run_pass(
        self, group: list[ClipStage], runs: list[str], tables: list[Tables], clips: list[Clip]
    ) -> list[Clip]:
        """Run the clips that no other process is at work on; these are returned."""
        claimed: list[Clip] = []

        def work() -> Iterator[ClipWork]:
            # A clip is claimed when its turn comes, so several processes share a session.
            for clip in clips:
                if not self._ledger.claim(self._lease(runs, clip)):
                    continue
                if self._has(group, runs, clip):  # made by another process meanwhile
                    self._ledger.release(self._lease(runs, clip))
                    continue
                claimed.append(clip)
                yield self._clip_work(group, tables, clip)

        began = time.perf_counter()

        def commit(clip: Clip, outcome: Outcome) -> None:
            nonlocal began
            took, began = time.perf_counter() - began, time.perf_counter()
            if isinstance(outcome, Exception):
                self._fail(group, runs, clip, outcome)
            else:
                self._keep(group, runs, clip, outcome, took)
            self._ledger.release(self._lease(runs, clip))

        run_clips(
            work(),
            [stage.name for stage in group],
            commit,
            busy=self._busy,
            tick=self._progress.tick,
            workers=self._workers,
            in_flight=2 * self._workers + 4,
        )
        return claimed

    def _keep(
        self,
        group: list[ClipStage],
        runs: list[str],
        clip: Clip,
        outcome: Sequence[Mapping[str, pa.Table]],
        took: float,
    ) -> None:
        for stage, run_id, made in zip(group, runs, outcome, strict=True):
            for table in stage.writes:
                self._dataset.write_segment(made[table], table, run_id, self._info.name, clip.index)
            key = (stage.name, run_id, self._info.name, clip.index)
            self._ledger.done(*key, took / len(group), len(clip))
            self._done += 1

    def _clip_work(self, group: list[ClipStage], tables: list[Tables], clip: Clip) -> ClipWork:
        opened = list(zip(group, tables, strict=True))
        leads = [stage.lead if isinstance(stage, Leading) else 0 for stage in group]

        def frames() -> Iterator[Frame]:
            stage = group[0]
            if isinstance(stage, Choosy):
                wanted = pa.array(stage.wanted(clip, tables[0]), pa.int64())
                return self._decode(self._frames.take(wanted))
            start = max(0, clip.start - max(leads))
            return self._decode(self._frames.slice(start, clip.stop - start))

        return ClipWork(clip, lambda: [s.open(clip, t) for s, t in opened], frames, leads)

    def _has(self, group: list[ClipStage], runs: list[str], clip: Clip) -> bool:
        return all(
            self._dataset.segment(table, run_id, self._info.name, clip.index).exists()
            for stage, run_id in zip(group, runs, strict=True)
            for table in stage.writes
        )

    # --- session stages ---------------------------------------------------------------------------

    def reduce(self, stage: SessionStage) -> None:
        """Run a session stage unless its segments are there."""
        run_id = self._begin(stage)
        key = f"{run_id}/{self._info.name}/all"

        def there() -> bool:
            return all(
                self._dataset.segment(table, run_id, self._info.name).exists()
                for table in stage.writes
            )

        while not there() and not self._ledger.claim(key):
            time.sleep(0.2)
        if there():
            piece = (stage.name, run_id, self._info.name, -1, len(self._frames))
            self._ledger.found([piece], [key])
            self._kept += 1
        else:
            self._progress.start(stage.name, self._info.name, 0, self._busy)
            began = time.perf_counter()
            made = stage.reduce(self._tables(stage), run_id)
            for table in stage.writes:
                self._dataset.write_segment(made[table], table, run_id, self._info.name)
            took = time.perf_counter() - began
            self._busy.add(stage.name, took)
            self._ledger.done(stage.name, run_id, self._info.name, -1, took, len(self._frames))
            self._done += 1
        self._ledger.release(key)
        self.runs.update(dict.fromkeys(stage.writes, run_id))

    # --- both -------------------------------------------------------------------------------------

    def _begin(self, stage: Stage) -> str:
        """Name the stage's run by everything its output depends on, and keep the facts."""
        everything = {self._info.clip(k).index for k in range(self._info.n_clips)}
        facts: dict[str, Any] = {
            "stage": stage.name,
            **stage.facts(),
            "reads": {table: self.runs[table] for table in stage.reads},
        }
        if missing := sorted(everything - {c.index for c in self._clips}):
            facts["missing"] = {self._info.name: missing}
        run_id = fingerprint(facts)
        for table in stage.writes:
            self._dataset.describe_run(table, run_id, facts)
        return run_id

    def _tables(self, stage: Stage) -> Tables:
        runs = {table: self.runs[table] for table in stage.reads}
        return Tables(self._dataset, self._info.name, runs, self._clips)

    def _lease(self, runs: list[str], clip: Clip) -> str:
        return f"{'+'.join(runs)}/{self._info.name}/{clip.index}"

    def _fail(self, group: list[ClipStage], runs: list[str], clip: Clip, error: Exception) -> None:
        if isinstance(error, ScenekeeperError):
            reason = str(error)
        else:  # ours to fix: keep where it happened
            import traceback

            reason = "".join(traceback.format_exception(error)[-3:]).strip()
        for stage, run_id in zip(group, runs, strict=True):
            self._failures.append((stage.name, clip.index, reason))
            self._ledger.failed(stage.name, run_id, self._info.name, clip.index, reason)
        self._progress.say(f"{self._info.name} clip {clip.index}: {reason.splitlines()[-1]}")
