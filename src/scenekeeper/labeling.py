"""The main job: recordings in, a labelled dataset out."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from scenekeeper import engine
from scenekeeper.describe import Describe
from scenekeeper.errors import ModelError, RecordingError
from scenekeeper.labelers import (
    EmbeddedLabeler,
    Labeler,
    given_names,
    model_labeler,
    proposed_words,
)
from scenekeeper.models.base import Words
from scenekeeper.quality import Quality
from scenekeeper.recording import Recording, open_recordings
from scenekeeper.recording.frames import frame_index, read_frames, signal_rows
from scenekeeper.recording.open import reopen
from scenekeeper.recording.registration import align, apply_alignment
from scenekeeper.review.apply import refresh
from scenekeeper.schema import UNNAMED, Frame
from scenekeeper.store import Dataset, SessionInfo, fingerprint
from scenekeeper.vocabulary import FILE as VOCABULARY
from scenekeeper.vocabulary import read_limits, read_vocabulary, write_vocabulary
from scenekeeper.world import Observe, Reconcile, World
from scenekeeper.world.difference import told

CLIP_SECONDS = 10.0
PROPOSE = "propose"
"""In the place of a vocabulary: the describing model proposes one."""


@dataclass(frozen=True)
class LabelReport:
    """What labelling one session came to.

    Attributes:
        session: its name.
        frames: frames in it.
        instances: labelled instances over all frames.
        tracks: identities within the session.
        objects: things in the world, planes included.
        seconds: wall-clock seconds of this call.
        frames_per_second: of this call; ``None`` when everything was there already.
        seconds_per_stage: wall-clock seconds of each stage at work, over all its threads.
        bottleneck: the busiest stage.
        done: pieces of work done now.
        kept: pieces of work found done.
        unnamed: of the things without a name, the one that most frames show.
        failures: ``[stage, clip, reason]`` of every piece that failed.
        notes: what the user should know about the recording and the labels.
        changes: of a later visit, what came of comparing it with what was known: a line in all, and
            one for each change.
    """

    session: str
    frames: int
    instances: int
    tracks: int
    objects: int
    seconds: float
    frames_per_second: float | None
    seconds_per_stage: dict[str, float]
    bottleneck: str | None
    done: int
    kept: int
    unnamed: int | None = None
    failures: tuple[tuple[str, int, str], ...] = ()
    notes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


def label(
    recordings: Iterable[str | os.PathLike[str]],
    into: str | os.PathLike[str],
    *,
    session: str | None = None,
    models: str | Sequence[str] | None = None,
    vocabulary: str | os.PathLike[str] | Words | None = None,
    device: str | None = None,
    purpose: str | None = None,
    labeler: Labeler | None = None,
    clip_seconds: float = CLIP_SECONDS,
    workers: int | None = None,
    progress: engine.Progress | None = None,
) -> list[LabelReport]:
    """Label recordings into a dataset; what is labelled already is not done again.

    Args:
        recordings: paths, as :func:`scenekeeper.open_recording` takes them.
        into: the dataset's folder; made if absent.
        session: name for the session; needs exactly one recording. Its own name when absent.
        models: a preset (``fast``, ``best``) or names of models; the embedded labeler when absent.
        vocabulary: what models look for, as words or the path of a TOML file; ``"propose"`` lets
            the describing model look at some frames and say. The dataset's own words when absent,
            else the embedded namer's.
        device: where models run, as torch calls it.
        purpose: what the labels are for; a model whose licence forbids it is refused.
        labeler: how to label, instead of all these.
        clip_seconds: length of a clip, the unit of work and of resume.
        workers: encoding threads; one per core when absent.
        progress: is told; nobody when absent.

    Raises:
        RecordingError: a recording cannot be opened.
        DatasetError: the dataset cannot be written, or a session's name is taken.
        ModelError: a model is not there, not allowed, or has nothing to do.
    """
    opened = [r for path in recordings for r in open_recordings(path)]
    if session is not None:
        if len(opened) != 1:
            raise RecordingError(
                f"one session name for {len(opened)} recordings",
                remedy="Leave --session out, or label one recording at a time.",
            )
        opened = [replace(opened[0], name=session)]
    else:
        opened = [replace(r, name=_session_name(r.name)) for r in opened]
    dataset = Dataset.create(Path(into))
    with engine.no_progress() as silent:
        told = progress or silent
        how = labeler or _labeler(dataset, opened, models, vocabulary, device, purpose, told)
        return [_label_session(dataset, r, how, clip_seconds, workers, told) for r in opened]


def _labeler(
    dataset: Dataset,
    recordings: Sequence[Recording],
    models: str | Sequence[str] | None,
    vocabulary: str | os.PathLike[str] | Words | None,
    device: str | None,
    purpose: str | None,
    progress: engine.Progress,
) -> Labeler:
    if models is None:
        if vocabulary is not None or purpose is not None:
            raise ModelError(
                "the embedded labeler has words and terms of its own",
                remedy="Name models with --models, or teach it with `scenekeeper name`.",
            )
        return EmbeddedLabeler()
    words = _words(dataset, vocabulary)
    made = model_labeler(models, words, device=device, purpose=purpose)
    for note in made.notes:
        progress.say(note)
    if vocabulary == PROPOSE and words is None:
        words = proposed_words(made, _spread(recordings))
        progress.say(f"words to look for: {', '.join(words)}")
        made = replace(made, vocabulary=words)
    write_vocabulary(made.vocabulary, dataset.path / VOCABULARY)
    return replace(made, limits=_limits(dataset, vocabulary))


def _words(dataset: Dataset, vocabulary: str | os.PathLike[str] | Words | None) -> Words | None:
    """What to look for, as far as it is said; what a dataset's file says holds until another is
    given."""
    if isinstance(vocabulary, Mapping):
        return vocabulary
    if vocabulary is not None and vocabulary != PROPOSE:
        return read_vocabulary(Path(vocabulary))
    own = dataset.path / VOCABULARY
    return read_vocabulary(own) if own.exists() else None


def _limits(
    dataset: Dataset, vocabulary: str | os.PathLike[str] | Words | None
) -> Mapping[str, float]:
    """Thresholds that stand beside the words that are looked for."""
    if isinstance(vocabulary, Mapping):
        return {}
    if vocabulary is None or vocabulary == PROPOSE:
        return read_limits(dataset.path / VOCABULARY)
    return read_limits(Path(vocabulary))


def _spread(recordings: Sequence[Recording], most: int = 12) -> list[Frame]:
    """Frames from all over some recordings."""
    out: list[Frame] = []
    for recording in recordings:
        index = frame_index(recording)
        rows = np.linspace(0, len(index) - 1, max(1, most // len(recordings))).astype(int)
        out += read_frames(recording, index.take(np.unique(rows))) if len(index) else ()
    return out


def describe_again(dataset: Dataset) -> None:
    """Write the captions anew after names have changed; reads no pixels."""
    for session in dataset.sessions():
        runs = dataset.current(session)
        stage = Describe(given_names(dataset))
        if not set(stage.reads) <= set(runs):
            continue
        info = dataset.session(session)
        facts = {"stage": stage.name, **stage.facts()}
        facts["reads"] = {t: runs[t] for t in stage.reads}
        run = fingerprint(facts)
        clips = tuple(info.clip(k) for k in range(info.n_clips))
        there = [c for c in clips if _has_instances(dataset, runs, session, c.index)]
        tables = engine.Tables(dataset, session, runs, tuple(there))
        for table, rows in stage.reduce(tables, run).items():
            dataset.describe_run(table, run, facts)
            dataset.write_segment(rows, table, run, session)
        dataset.set_current(session, {**runs, "captions": run})
    refresh(dataset)


def build_world(
    dataset: Dataset,
    *,
    workers: int | None = None,
    progress: engine.Progress | None = None,
) -> list[LabelReport]:
    """Make the world of labels that are there, whoever made them, and fuse them by it.

    The labels as they were remain as a run of their own (:func:`raw_instances`). Sessions are taken
    in order of time.

    Args:
        dataset: with instances, whose recordings have depth and poses.
        workers: encoding threads; one per core when absent.
        progress: is told; nobody when absent.

    Raises:
        DatasetError: the dataset cannot be written.
        RecordingError: a recording has gone or changed.
    """
    with engine.no_progress() as silent:
        told = progress or silent
        sessions = sorted(dataset.sessions(), key=lambda s: _first_t_ns(dataset, s))
        return [
            _fuse_session(dataset, s, workers, told)
            for s in sessions
            if "instances" in dataset.current(s)
        ]


def raw_instances(dataset: Dataset, session: str) -> str | None:
    """The run of instances as models saw them, before the world overruled any; ``None`` if no
    world has."""
    run = dataset.current(session).get("instances")
    if run is None:
        return None
    found: str | None = dataset.run_facts("instances", run).get("reads", {}).get("instances")
    return found


def _first_t_ns(dataset: Dataset, session: str) -> int:
    t_ns = dataset.frames(session)["t_ns"]
    return int(t_ns[0].as_py()) if len(t_ns) else 0


def _fuse_session(
    dataset: Dataset, session: str, workers: int | None, progress: engine.Progress
) -> LabelReport:
    runs, info = dataset.current(session), dataset.session(session)
    pieces = next((t for t in ("tracks", "segments") if t in runs), None)
    runs["instances"] = raw_instances(dataset, session) or runs["instances"]
    stages: list[engine.Stage] = [] if "quality" in runs else [Quality()]
    stages += [Observe(), World(pieces), Reconcile(), Describe(given_names(dataset))]
    aligned = reopen(info.source, session, info.content, info.alignment)
    done = engine.run(
        dataset, session, stages, lambda rows: read_frames(aligned, rows), progress, workers, runs
    )
    _decide_again(dataset, progress)
    return _report(dataset, info, done)


def _decide_again(dataset: Dataset, progress: engine.Progress) -> None:
    """Let what people decided find what it is about in labels that were made anew."""
    dataset.refresh_views()
    applied = refresh(dataset)
    lost = [r for r in applied.remarks if r[1] == "orphan"] if applied is not None else []
    if lost:
        progress.say(
            f"{len(lost)} decisions of people are about nothing that the labels now show. They are"
            " kept, and hold again once labels show it."
        )


def _session_name(name: str) -> str:
    """A recording's name as one that a session, and so a file, may have."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", plain).strip("-._+") or "session"


def _label_session(
    dataset: Dataset,
    recording: Recording,
    labeler: Labeler,
    clip_seconds: float,
    workers: int | None,
    progress: engine.Progress,
) -> LabelReport:
    aligned, info = _admitted(dataset, recording, clip_seconds)
    for note in info.notes:
        progress.say(f"{info.name}: {note}")
    names = given_names(dataset)
    done = engine.run(
        dataset,
        info.name,
        labeler.stages(dataset, info.name),
        lambda rows: read_frames(aligned, rows),
        progress,
        workers,
    )
    _decide_again(dataset, progress)
    if given_names(dataset) != names:  # somebody named a thing meanwhile
        describe_again(dataset)
    for note in _owed(dataset, info.name):
        progress.say(f"{info.name}: {note}")
    return _report(dataset, info, done)


def _admitted(
    dataset: Dataset, recording: Recording, clip_seconds: float
) -> tuple[Recording, SessionInfo]:
    """The session of a recording, added to the dataset when it is new to it."""
    if recording.name in dataset.sessions():
        info = dataset.session(recording.name)
        if info.content == recording.content:
            return apply_alignment(recording, info.alignment), info
    aligned, corrections, notes = align(recording)
    index = frame_index(aligned)
    info = SessionInfo(
        recording.name,
        str(recording.path.resolve()),
        recording.format,
        recording.content,
        tuple(view.camera for view in aligned.views),
        _clip_bounds(index["t_ns"].to_numpy(), clip_seconds),
        recording.task,
        (*recording.notes, *notes, *_missing(aligned, index)),
        corrections,
    )
    dataset.add_session(info, index, signal_rows(recording))
    return aligned, info


def _clip_bounds(t_ns: np.ndarray[Any, Any], clip_seconds: float) -> tuple[int, ...]:
    """First frame of each clip and one past the last frame; a short tail joins its neighbour."""
    if not len(t_ns):
        return (0,)
    number = ((t_ns - t_ns[0]) / (clip_seconds * 1e9)).astype(np.int64)
    starts = np.flatnonzero(np.diff(number, prepend=-1)).tolist()
    if len(starts) > 1 and t_ns[-1] - t_ns[starts[-1]] < clip_seconds * 1e9 / 4:
        starts.pop()
    return (*starts, len(t_ns))


def _missing(recording: Recording, index: pa.Table) -> tuple[str, ...]:
    """What the embedded labeler lacks in this recording."""
    if not recording.views:
        return ("holds no pictures, so there is nothing to label; its signals are kept",)
    lacks = []
    if all(view.camera.intrinsics is None for view in recording.views):
        lacks.append("camera intrinsics")
    if index["depth_row"].null_count == len(index):
        lacks.append("depth")
    if index["pose"].null_count == len(index):
        lacks.append("camera poses")
    if not lacks:
        return ()
    return (
        f"has no {', no '.join(lacks)}: things are found and followed in the pictures, but have no"
        " place in 3D, so there are no objects and relations",
    )


def _has_instances(dataset: Dataset, runs: dict[str, str], session: str, clip: int) -> bool:
    return dataset.segment("instances", runs["instances"], session, clip).exists()


def _report(dataset: Dataset, info: SessionInfo, done: engine.Report) -> LabelReport:
    counts = dataset.sql(
        "SELECT count(*) AS instances, count(DISTINCT track) AS tracks FROM instances"
        " WHERE session = ?",
        [info.name],
    ).to_pylist()[0]
    objects = dataset.sql("SELECT count(*) AS n FROM objects WHERE session = ?", [info.name])
    unnamed = dataset.sql(
        "SELECT object FROM objects WHERE session = ? AND kind IN ('thing', 'flat')"
        " AND phrase = ? ORDER BY frames DESC, object LIMIT 1",
        [info.name, UNNAMED],
    )["object"].to_pylist()
    pixels = "decode" in done.busy and done.busy["decode"] > 0
    return LabelReport(
        info.name,
        done.frames,
        counts["instances"],
        counts["tracks"],
        objects["n"][0].as_py(),
        round(done.seconds, 3),
        round(done.frames / done.seconds, 2) if pixels else None,
        {part: round(s, 3) for part, s in done.busy.items()},
        done.bottleneck,
        done.clips_done,
        done.clips_kept,
        unnamed[0] if unnamed else None,
        done.failures,
        (*info.notes, *_owed(dataset, info.name)),
        told(dataset, info.name),
    )


def _owed(dataset: Dataset, session: str) -> tuple[str, ...]:
    """What describers were asked and have not, or not wholly, answered."""
    problems = dataset.sql(
        "SELECT text, count(*) AS n FROM statements WHERE session = ? AND kind = 'problem'"
        " GROUP BY text ORDER BY text",
        [session],
    ).to_pylist()
    return tuple(f"describing {row['n']} keyframes: {row['text']}" for row in problems)
