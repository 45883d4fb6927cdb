"""Frames pass through in order, a bounded number at a time; an error costs its clip only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scenekeeper.engine.pipeline import Busy, ClipWork, Outcome, run_clips
from scenekeeper.schema import Clip, Frame
from tests.engine.fakes import Job, frames

CLIP = 10


class Refused(Exception):
    """What the fakes raise."""


def refuse(when: int) -> Callable[[int], None]:
    def step(frame_id: int) -> None:
        if frame_id == when:
            raise Refused(f"frame {frame_id}")

    return step


def run(
    n_clips: int,
    jobs: Callable[[Clip], list[Any]] = lambda clip: [Job(clip)],
    source: Callable[[int, int], Iterator[Frame]] = frames,
    commit: Callable[[Clip, Outcome], None] | None = None,
    **options: Any,
) -> tuple[dict[int, Outcome], Busy]:
    """Run so many clips; what was committed by clip, and the accounting."""
    outcomes: dict[int, Outcome] = {}
    busy = Busy()

    def keep(clip: Clip, outcome: Outcome) -> None:
        outcomes[clip.index] = outcome

    def work(index: int) -> ClipWork:
        clip = Clip("s", index, index * CLIP, (index + 1) * CLIP)
        return ClipWork(clip, lambda: jobs(clip), lambda: source(clip.start, clip.stop))

    defaults: dict[str, Any] = {"workers": 3, "in_flight": 6, "tick": lambda: None}
    run_clips(
        map(work, range(n_clips)), ["one", "two"], commit or keep, busy=busy, **defaults | options
    )
    return outcomes, busy


def ids(outcome: Outcome, job: int = 0) -> list[int]:
    assert not isinstance(outcome, Exception)
    return list(outcome[job]["quality"]["frame_id"].to_pylist())


def test_every_frame_is_collected_once_in_order_by_every_job() -> None:
    # Early frames take longest to encode, so order is not a matter of luck.
    def slow_at_first(frame_id: int) -> None:
        time.sleep(0.002 * (3 - frame_id % 4))

    def jobs(clip: Clip) -> list[Any]:
        return [Job(clip, at_encode=slow_at_first), Job(clip)]

    outcomes, _ = run(3, jobs)
    assert list(outcomes) == [0, 1, 2]
    for k, outcome in outcomes.items():
        assert ids(outcome, 0) == ids(outcome, 1) == list(range(k * CLIP, (k + 1) * CLIP))


def test_no_more_frames_are_alive_than_allowed() -> None:
    lock, alive, most = threading.Lock(), [0], [0]

    def source(start: int, stop: int) -> Iterator[Frame]:
        for frame in frames(start, stop):
            with lock:
                alive[0] += 1
                most[0] = max(most[0], alive[0])
            yield frame

    def collected(frame_id: int) -> None:
        time.sleep(0.001)
        with lock:
            alive[0] -= 1

    run(5, lambda clip: [Job(clip, at_collect=collected)], source, in_flight=4)
    # One more may be decoded: it waits for a place.
    assert 2 <= most[0] <= 5


class Holding(Job):
    """Holds three frames back, for a batch."""

    def __init__(self, clip: Clip, **steps: Any) -> None:
        super().__init__(clip, **steps)
        self.held: list[int] = []

    def push(self, frame: Frame) -> Iterator[int]:
        self.held.append(frame.frame_id)
        if len(self.held) == 4:
            yield from self.flush()

    def flush(self) -> Iterator[int]:
        held, self.held = self.held, []
        return iter(held)


def test_a_job_may_hold_frames_back() -> None:
    # More than may be in flight, so held frames must not count.
    outcomes, _ = run(2, lambda clip: [Holding(clip), Job(clip)], in_flight=2)
    for k, outcome in outcomes.items():
        assert ids(outcome, 0) == ids(outcome, 1) == list(range(k * CLIP, (k + 1) * CLIP))


def test_a_job_without_an_ordered_part_gets_the_frames_themselves() -> None:
    class Plain:
        def __init__(self) -> None:
            self.seen: list[int] = []

        def encode(self, frame: Frame) -> int:
            return frame.frame_id

        def collect(self, item: int) -> None:
            self.seen.append(item)

        def finish(self) -> dict[str, Any]:
            return {"seen": self.seen}

    outcomes, _ = run(1, lambda clip: [Plain()])
    assert outcomes == {0: [{"seen": list(range(CLIP))}]}


def test_only_a_job_that_wants_them_sees_frames_of_the_clip_before() -> None:
    outcomes: dict[int, Outcome] = {}
    clip = Clip("s", 1, 10, 20)
    work = ClipWork(clip, lambda: [Job(clip), Job(clip)], lambda: frames(7, 20), (0, 3))
    run_clips(
        [work],
        ["one", "two"],
        lambda clip, outcome: outcomes.update({clip.index: outcome}),
        busy=Busy(),
        tick=lambda: None,
        workers=2,
        in_flight=4,
    )
    assert ids(outcomes[1], 0) == list(range(10, 20)) and ids(outcomes[1], 1) == list(range(7, 20))


@pytest.mark.parametrize("step", ["at_infer", "at_encode", "at_collect"])
def test_an_error_at_any_step_costs_its_clip_and_no_other(step: str) -> None:
    outcomes, _ = run(4, lambda clip: [Job(clip, **{step: refuse(14)}), Job(clip)])
    assert isinstance(outcomes[1], Refused) and str(outcomes[1]) == "frame 14"
    assert [ids(outcomes[k])[0] for k in (0, 2, 3)] == [0, 20, 30]


def test_an_error_at_the_end_of_a_clip_costs_it() -> None:
    outcomes, _ = run(3, lambda clip: [Job(clip), Job(clip, at_finish=refuse(1))])
    assert isinstance(outcomes[1], Refused) and ids(outcomes[2])[0] == 20


def test_an_error_while_decoding_costs_its_clip() -> None:
    def source(start: int, stop: int) -> Iterator[Frame]:
        for frame in frames(start, stop):
            if frame.frame_id == 15:
                raise Refused("cut off")
            yield frame

    outcomes, _ = run(3, source=source)
    assert isinstance(outcomes[1], Refused) and ids(outcomes[2])[0] == 20


def test_a_clip_that_cannot_be_opened_fails_alone() -> None:
    def jobs(clip: Clip) -> list[Any]:
        if clip.index == 0:
            raise Refused("no such model")
        return [Job(clip)]

    outcomes, _ = run(2, jobs)
    assert isinstance(outcomes[0], Refused) and ids(outcomes[1])[0] == 10


def test_the_first_error_of_a_clip_is_the_one_that_is_told() -> None:
    outcomes, _ = run(1, lambda clip: [Job(clip, at_infer=refuse(2), at_finish=refuse(0))])
    assert str(outcomes[0]) == "frame 2"


def test_an_error_while_committing_ends_the_run() -> None:
    def full(clip: Clip, outcome: Outcome) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run(50, commit=full)


def test_an_error_while_choosing_clips_ends_the_run() -> None:
    def clips() -> Iterator[ClipWork]:
        raise OSError("no ledger")
        yield

    with pytest.raises(OSError, match="no ledger"):
        run_clips(
            clips(),
            ["one"],
            lambda clip, outcome: None,
            busy=Busy(),
            tick=lambda: None,
            workers=1,
            in_flight=2,
        )


def test_an_interrupt_ends_the_run() -> None:
    def interrupted(frame_id: int) -> None:
        if frame_id == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(50, lambda clip: [Job(clip, at_infer=interrupted)])


def test_no_thread_is_left_behind() -> None:
    before = threading.active_count()
    run(3)
    with pytest.raises(OSError, match="full"):
        run(3, commit=_full)
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def _full(clip: Clip, outcome: Outcome) -> None:
    raise OSError("full")


def test_no_clips_and_empty_clips_are_fine() -> None:
    assert run(0)[0] == {}
    outcomes, _ = run(2, source=lambda start, stop: iter(()))
    assert ids(outcomes[0]) == ids(outcomes[1]) == []


def test_every_frame_is_ticked_once() -> None:
    ticks: list[None] = []
    run(3, tick=lambda: ticks.append(None))
    assert len(ticks) == 3 * CLIP


def test_the_busiest_part_is_the_bottleneck() -> None:
    def slow(frame_id: int) -> None:
        time.sleep(0.004)

    _, busy = run(2, lambda clip: [Job(clip), Job(clip, at_infer=slow)])
    assert busy.bottleneck() == "two" and busy.seconds["two"] > 0.08
    assert Busy().bottleneck() is None


def test_work_on_several_threads_counts_by_thread() -> None:
    busy = Busy()
    busy.add("pool", 6.0, threads=4)
    busy.add("single", 2.0)
    assert busy.bottleneck() == "single"
