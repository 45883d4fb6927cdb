"""What is on disk is done; the rest is work, and what depends on it has another name."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from scenekeeper import engine
from scenekeeper.engine import Report, Stage, Tables
from scenekeeper.errors import RecordingError
from scenekeeper.schema import Clip
from scenekeeper.store import Dataset, Ledger, ledger
from tests.engine.fakes import Count, Job, Measure, dataset, decode

CLIPS = (0, 4, 8, 12)


@pytest.fixture
def made(tmp_path: Path) -> Dataset:
    return dataset(tmp_path / "d.sk", CLIPS)


def run(made: Dataset, *stages: Stage) -> Report:
    with engine.no_progress() as silent:
        return engine.run(made, "s", stages or (Measure(), Count()), decode, silent)


def counted(made: Dataset) -> str:
    return str(made.table("captions")["text"][0])


def broken(clip: int) -> Measure:
    """A stage that fails in the first frame of a clip; its facts are those of one that works."""

    def refuse(frame_id: int) -> None:
        if frame_id == CLIPS[clip]:
            raise RecordingError("cannot be read", path="day1.mcap", place=f"frame {frame_id}")

    return Measure(steps={"at_infer": refuse})


def test_every_clip_and_then_the_session_is_done(made: Dataset) -> None:
    report = run(made)
    assert (report.clips_done, report.clips_kept, report.frames) == (4, 0, 12)
    assert counted(made) == "12" and report.failures == ()
    assert set(report.busy) >= {"decode", "measure", "write", "count"}


def test_a_second_run_does_nothing(made: Dataset) -> None:
    first, second = run(made), run(made)
    assert (second.clips_done, second.clips_kept) == (0, 4) and second.runs == first.runs


def test_only_what_is_missing_is_done_again(made: Dataset) -> None:
    runs = run(made).runs
    made.segment("quality", runs["quality"], "s", 1).unlink()
    report = run(made)
    assert (report.clips_done, report.clips_kept) == (1, 3)


def test_a_changed_stage_runs_again_with_all_that_depends_on_it(made: Dataset) -> None:
    before = run(made).runs
    report = run(made, Measure(version=2), Count())
    assert report.clips_done == 4 and not set(report.runs.values()) & set(before.values())


def test_a_changed_last_stage_runs_alone(made: Dataset) -> None:
    before = run(made).runs
    report = run(made, Measure(), Count(version=2))
    assert report.clips_done == 1 and report.runs["quality"] == before["quality"]


def test_every_run_says_what_made_it(made: Dataset) -> None:
    runs = run(made).runs
    facts = made.run_facts("captions", runs["captions"])
    assert facts == {"stage": "count", "version": 1, "reads": {"quality": runs["quality"]}}


def test_a_failed_clip_is_left_out_and_told(made: Dataset) -> None:
    report = run(made, broken(1), Count())
    assert report.failures == (("measure", 1, "day1.mcap: frame 4: cannot be read"),)
    assert counted(made) == "8"
    assert ledger.failures(made.path) == [("measure", "s", 1, report.failures[0][2])]


def test_what_was_made_without_a_failed_clip_is_made_anew_with_it(made: Dataset) -> None:
    without = run(made, broken(1), Count())
    healed = run(made)
    assert (healed.clips_done, healed.clips_kept) == (2, 2) and counted(made) == "12"
    assert healed.runs["captions"] != without.runs["captions"]
    assert made.run_facts("captions", without.runs["captions"])["missing"] == {"s": [1]}
    assert ledger.failures(made.path) == []


def test_an_error_of_ours_keeps_where_it_happened(made: Dataset) -> None:
    def divide(frame_id: int) -> None:
        1 // (frame_id - 9)

    report = run(made, Measure(steps={"at_encode": divide}))
    [(_, clip, reason)] = report.failures
    assert clip == 2 and "ZeroDivisionError" in reason and "fakes.py" in reason


def test_an_interrupted_run_leaves_the_labels_of_the_last_one_in_force(made: Dataset) -> None:
    before = run(made).runs

    def interrupt(frame_id: int) -> None:
        if frame_id == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(made, Measure(version=2, steps={"at_infer": interrupt}), Count())
    assert made.current("s") == before and counted(made) == "12"


def test_stages_that_do_not_need_each_other_share_one_pass(made: Dataset) -> None:
    passes: list[int] = []

    def decoding(rows: pa.Table) -> Any:
        passes.append(rows["frame_id"][0].as_py())
        return decode(rows)

    other = Measure(name="other", writes=("quality",), version=7)
    with engine.no_progress() as silent:
        engine.run(made, "s", [Measure(), other], decoding, silent)
    assert passes == [0, 4, 8]


def test_a_stage_reads_the_clips_of_the_one_before(made: Dataset) -> None:
    seen: list[tuple[int, int]] = []

    class Reader(Measure):
        def open(self, clip: Clip, tables: Tables) -> Job:
            seen.append((clip.index, len(tables.of_clip("quality", clip))))
            return super().open(clip, tables)

    run(made, Measure(), Reader(name="reader", reads=("quality",), version=3))
    assert seen == [(0, 4), (1, 4), (2, 4)]


def test_a_session_without_frames_is_fine(tmp_path: Path) -> None:
    empty = dataset(tmp_path / "empty.sk", (0,))
    assert run(empty).failures == () and counted(empty) == "0"


def test_a_clip_that_another_process_holds_is_waited_for(
    made: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = run(made, Measure()).runs["quality"]
    segment = made.segment("quality", run_id, "s", 1)
    rows = segment.read_bytes()
    segment.unlink()
    waited: list[float] = []

    def meanwhile(seconds: float) -> None:
        waited.append(seconds)
        segment.write_bytes(rows)  # the other process is done

    monkeypatch.setattr(time, "sleep", meanwhile)
    monkeypatch.setattr(Ledger, "claim", lambda self, key: False)
    report = run(made, Measure())
    assert len(waited) == 1 and (report.clips_done, report.clips_kept) == (0, 3)


def test_progress_for_machines_is_one_object_per_line(made: Dataset) -> None:
    told = io.StringIO()
    with redirect_stderr(told), engine.json_progress() as progress:
        progress.say("hello")
        engine.run(made, "s", [Measure(), Count()], decode, progress)
    lines = [json.loads(line) for line in told.getvalue().splitlines()]
    assert lines[0]["note"] == "hello"
    started = [line for line in lines if line.get("busy") == "started"]
    assert [line["stage"] for line in started] == ["measure", "count"]
    assert all(line["session"] == "s" for line in started)


def test_progress_for_people_names_the_rate_and_the_bottleneck(made: Dataset) -> None:
    told = io.StringIO()
    shown: Callable[[], Any] = engine.rich_progress
    with redirect_stderr(told), shown() as progress:
        progress.say("depth is registered")
        engine.run(made, "s", [Measure()], decode, progress)
    assert "depth is registered" in told.getvalue()


@dataclass(frozen=True)
class Picky(Measure):
    """A clip stage that wants to see some frames only."""

    picked: tuple[int, ...] = ()

    def wanted(self, clip: Clip, tables: Tables) -> list[int]:
        return [k for k in self.picked if clip.start <= k < clip.stop]


def decoded_by(made: Dataset, *stages: Stage) -> list[int]:
    """Numbers of the frames that were decoded."""
    decoded: list[int] = []

    def watched(rows: pa.Table) -> Any:
        decoded.extend(rows["frame_id"].to_pylist())
        return decode(rows)

    with engine.no_progress() as silent:
        assert not engine.run(made, "s", stages, watched, silent).failures
    return decoded


def test_only_frames_that_a_stage_wants_are_decoded(made: Dataset) -> None:
    assert decoded_by(made, Picky(picked=(1, 3, 9))) == [1, 3, 9]


def test_no_frame_is_decoded_for_a_stage_that_wants_none(made: Dataset) -> None:
    assert decoded_by(made, Picky()) == []
    assert len(made.table("quality")) == 0


def test_a_choosy_stage_does_not_keep_frames_from_others(made: Dataset) -> None:
    assert decoded_by(made, Picky(picked=(1,)), Measure(version=2)) == [1, *range(12)]


class Led(Measure):
    """A clip stage that looks back."""

    lead = 2


def test_a_stage_that_looks_back_sees_the_end_of_the_clip_before(made: Dataset) -> None:
    run(made, Led())
    seen = [made.read_segment("quality", run_of(made), "s", k)["frame_id"] for k in range(3)]
    assert [ids.to_pylist()[:2] for ids in seen] == [[0, 1], [2, 3], [6, 7]]


def run_of(made: Dataset) -> str:
    return made.current("s")["quality"]
