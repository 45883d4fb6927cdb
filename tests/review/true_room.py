"""A rendered tabletop with its true labels as a dataset: quick to make, and worth looking at."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image

from scenekeeper import schema
from scenekeeper.recording import open_recording
from scenekeeper.recording.frames import frame_index, read_frames
from scenekeeper.schema import Frame, Labels
from scenekeeper.simulate import write_tabletop
from scenekeeper.store import Dataset, SessionInfo

SIZE = (240, 180)


def true_room(folder: Path, frames: int = 16) -> Dataset:
    """``room.sk`` in a folder, of a recording ``room`` beside it."""
    source = write_tabletop(folder / "room", frames, size=SIZE)
    recording = open_recording(source)
    names = {t["id"]: t["name"] for t in json.loads(_truth(source, "objects.json").read_text())}
    index = frame_index(recording)
    cameras = tuple(view.camera for view in recording.views)
    dataset = Dataset.create(folder / "room.sk")
    info = SessionInfo(
        "room", str(source), recording.format, recording.content, cameras, (0, len(index))
    )
    dataset.add_session(info, index, schema.SIGNALS.empty_table())
    labels = [_labels(f, source, names) for f in read_frames(recording, index)]
    table = schema.instances_table("room", labels)
    dataset.write_segment(table, "instances", "i", "room", 0)
    text = "A table with a mug, a bowl and books on it."
    said = {"session": "room", "frame_id": frames // 2, "t_ns": 0, "text": text, "source": "made"}
    captions = pa.Table.from_pylist([said], schema.CAPTIONS)
    dataset.write_segment(captions, "captions", "c", "room")
    dataset.set_current("room", {"instances": "i", "captions": "c"})
    return Dataset.open(dataset.path)


def _labels(frame: Frame, source: Path, names: dict[int, str]) -> Labels:
    ids = np.array(Image.open(_truth(source, f"frame-{frame.frame_id:06d}.instances.png")))
    seen = [k for k in np.unique(ids).tolist() if k in names and (ids == k).sum() > 20]
    columns = {"phrase": [names[k] for k in seen], "track": seen, "score": [0.9] * len(seen)}
    return Labels.from_masks(frame, [ids == k for k in seen], **columns)


def _truth(source: Path, name: str) -> Path:
    return source / "truth" / name
