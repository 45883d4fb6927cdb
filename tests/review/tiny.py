"""A tiny labelled video: every picture is of one grey that tells its number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scenekeeper import schema
from scenekeeper.recording import Recording, open_recording
from scenekeeper.recording.frames import frame_index
from scenekeeper.schema import Frame, Labels
from scenekeeper.store import Dataset, SessionInfo
from tests.recording.tiny_videos import HEIGHT, WIDTH, write_video

FRAMES = 40
CLIP = 20
PHRASES = ("mug", "bowl", "book")
SIZE = (HEIGHT, WIDTH)


def video(path: Path, name: str = "walk", start: int = 0) -> Path:
    """A video of :data:`FRAMES` pictures, numbered from ``start``."""
    return write_video(path / f"{name}.mp4", range(start, start + FRAMES))


def add(dataset: Dataset, recording: Recording, run: str = "i", tracks: int = 3) -> None:
    """Label a recording: each track a box that wanders, in every frame."""
    frames = frame_index(recording)
    cameras = tuple(view.camera for view in recording.views)
    clips = (*range(0, len(frames), CLIP), len(frames))
    known = SessionInfo(
        recording.name, str(recording.path), recording.format, recording.content, cameras, clips
    )
    dataset.add_session(known, frames, schema.SIGNALS.empty_table())
    label(dataset, recording.name, run, tracks)


def label(dataset: Dataset, session: str, run: str, tracks: int = 3) -> None:
    """Put labels in force, as a run of their own."""
    info = dataset.session(session)
    camera = info.cameras[0]
    picture = np.zeros((camera.height, camera.width, 3), np.uint8)
    rows = dataset.frames(session).to_pylist()
    for k in range(info.n_clips):
        clip = info.clip(k)
        labels = [
            _labels(Frame(r["frame_id"], session, camera, r["t_ns"], picture), tracks)
            for r in rows[clip.start : clip.stop]
        ]
        dataset.write_segment(schema.instances_table(session, labels), "instances", run, session, k)
    dataset.set_current(session, {"instances": run})


def _labels(frame: Frame, tracks: int) -> Labels:
    dense = []
    for track in range(tracks):
        mask = np.zeros(SIZE, bool)
        left = 4 + 16 * (track % 3) + frame.frame_id % 4
        top = 4 + 14 * (track // 3 % 3)
        mask[top : top + 10, left : left + 10] = True
        dense.append(mask)
    columns: dict[str, Any] = {
        "phrase": [PHRASES[k % len(PHRASES)] for k in range(tracks)],
        "score": [0.5 + 0.1 * (k % 5) for k in range(tracks)],
        "track": list(range(tracks)),
    }
    return Labels.from_masks(frame, dense, **columns)


def labelled(path: Path, *names: str) -> Dataset:
    """A dataset of tiny videos at ``path / "tiny.sk"``; the videos lie beside it."""
    dataset = Dataset.create(path / "tiny.sk")
    for k, name in enumerate(names or ("walk",)):
        recording = open_recording(video(path, name, 5 * k))
        add(dataset, replace(recording, name=name))
    return dataset
