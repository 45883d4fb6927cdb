"""A tiny labelled dataset of two sessions, and the pictures it was labelled from."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from PIL import Image

from scenekeeper import schema
from scenekeeper.exchange import pictures
from scenekeeper.recording import Encoded, Images, Recording, View
from scenekeeper.schema import Camera, Frame, Labels
from scenekeeper.store import Dataset, SessionInfo

START_NS = 1_700_000_000_000_000_000
STEP_NS = 500_000_000
WIDTH, HEIGHT = 64, 48
AWKWARD = 'mug "white"\\ ü'
"""A phrase with everything that must be escaped in JSON and in YAML."""

INTRINSICS = np.array([[50.0, 0, 31.5], [0, 50.0, 23.5], [0, 0, 1]])
HEAD = Camera("head", WIDTH, HEIGHT, INTRINSICS)
WRIST = Camera("/wrist/rgb", WIDTH, HEIGHT, INTRINSICS)


def _picture_of(frame_id: int) -> NDArray[np.uint8]:
    """A smooth picture that differs from frame to frame."""
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack((u * 3, v * 4, np.full_like(u, 20 * frame_id)), -1).astype(np.uint8)


class Pictures:
    """Pictures of one camera: kept as JPEG files, or as pixels only like a video."""

    def __init__(self, frame_ids: Sequence[int], as_files: bool) -> None:
        self.frame_ids, self.as_files = frame_ids, as_files

    def __len__(self) -> int:
        return len(self.frame_ids)

    def read(self, rows: Sequence[int]) -> Iterator[NDArray[Any]]:
        return (_picture_of(self.frame_ids[row]) for row in rows)

    def encoded(self, row: int) -> Encoded | None:
        if not self.as_files:
            return None
        buffer = io.BytesIO()
        Image.fromarray(_picture_of(self.frame_ids[row])).save(buffer, "JPEG", quality=90)
        return Encoded(buffer.getvalue(), "jpeg")


def _labels(frame_id: int) -> Labels:
    mug, table = np.zeros((2, HEIGHT, WIDTH), bool)
    mug[12:22, 5 + frame_id : 15 + frame_id] = True
    mug[14:16, 8 + frame_id : 10 + frame_id] = False
    table[30:48, :] = True
    frame = Frame(frame_id, "any", HEAD, START_NS + frame_id * STEP_NS, _picture_of(frame_id))
    with_masks = Labels.from_masks(
        frame, [mug, table], phrase=("object", "table"), score=[0.1, 0.9], track=[1, 2]
    )
    boxed = Labels(
        frame_id,
        frame.t_ns,
        (HEIGHT, WIDTH),
        np.array([[40.25, 4.5, 60.75, 20]], np.float32),
        phrase=("chair",),
        score=np.array([0.3], np.float32),
        p=np.array([0.75], np.float32),
        status=("certified",),
    )
    return Labels.concatenate([with_masks, boxed])


def _objects(session: str) -> pa.Table:
    rows: dict[str, list[Any]] = {name: [None] * 3 for name in schema.OBJECTS.names}
    rows |= {
        "session": [session] * 3,
        "object": [7, 8, 9],
        "track": [1, 2, 3],
        "phrase": ["object", "table", "lost"],
        "kind": ["movable", "support", "movable"],
        "score": [0.5, 0.9, 0.1],
        "center": [[0.1, 0.2, 1.0], [0.0, 0.5, 1.5], None],
        "extent": [[0.1, 0.1, 0.2], [1.0, 0.5, 0.05], None],
        "R_world_box": [[0, -1, 0, 1, 0, 0, 0, 0, 1], np.eye(3).ravel().tolist(), None],
        "status": ["auto"] * 3,
    }
    return pa.table(rows, schema.OBJECTS)


def _add(dataset: Dataset, session: str, clips: tuple[int, ...], source: Path) -> None:
    n = clips[-1]
    info = SessionInfo(session, str(source), "made", "c", (HEAD, WRIST), clips)
    cameras = [(HEAD, WRIST)[k % 2].name for k in range(n)]
    t_ns = [START_NS + k * STEP_NS for k in range(n)]
    pose = [0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0]
    index = {
        "session": [session] * n,
        "frame_id": list(range(n)),
        "camera": cameras,
        "t_ns": t_ns,
        "rgb_row": [k // 2 for k in range(n)],
        "depth_row": [None] * n,
        "depth_residual_ns": [None] * n,
        "pose": [pose if k else None for k in range(n)],
        "pose_residual_ns": [0] * n,
        "width": [WIDTH] * n,
        "height": [HEIGHT] * n,
    }
    dataset.add_session(info, pa.table(index, schema.FRAMES), schema.SIGNALS.empty_table())
    for k, (start, stop) in enumerate(itertools.pairwise(clips)):
        labels = [_labels(f) for f in range(start, stop)]
        dataset.write_segment(schema.instances_table(session, labels), "instances", "i", session, k)
    said = {
        "session": [session] * (len(clips) - 1),
        "frame_id": clips[:-1],
        "t_ns": [t_ns[start] for start in clips[:-1]],
        "text": [f'clip {k}: a "mug" on a table' for k in range(len(clips) - 1)],
        "source": ["made"] * (len(clips) - 1),
        "status": ["auto"] * (len(clips) - 1),
    }
    dataset.write_segment(pa.table(said, schema.CAPTIONS), "captions", "c", session)
    dataset.write_segment(_objects(session), "objects", "o", session)
    relation = {"session": [session], "subject": [7], "predicate": ["on"], "object": [8]}
    relation |= {"score": [0.8], "source": ["geometry"], "frame": [""]}
    relation |= {"since_t_ns": [None], "until_t_ns": [None]}
    dataset.write_segment(pa.table(relation, schema.RELATIONS), "relations", "r", session)
    dataset.set_current(
        session, {"instances": "i", "captions": "c", "objects": "o", "relations": "r"}
    )


@pytest.fixture
def picture_of() -> Callable[[int], NDArray[np.uint8]]:
    """The picture of a frame, ``uint8 [48, 64, 3]``."""
    return _picture_of


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Session ``kitchen`` of 12 frames in 3 clips and ``hall`` of 4 in one; object 7 is named."""
    made = Dataset.create(tmp_path / "home.sk")
    _add(made, "kitchen", (0, 4, 8, 12), tmp_path / "kitchen.bag")
    _add(made, "hall", (0, 4), tmp_path / "hall.bag")
    made.name_object(7, AWKWARD)
    return made


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recordings are there: ``head`` as JPEG files, ``/wrist/rgb`` as a video."""

    def reopen(source: str, name: str, content: str, corrections: Any = None) -> Recording:
        n = 12 if name == "kitchen" else 4
        views = []
        for first, camera in enumerate((HEAD, WRIST)):
            frame_ids = range(first, n, 2)
            t_ns = np.array([START_NS + k * STEP_NS for k in frame_ids])
            views.append(View(camera, Images(t_ns, Pictures(frame_ids, camera is HEAD))))
        return Recording(name, Path(source), "made", tuple(views), content=content)

    monkeypatch.setattr(pictures, "reopen", reopen)
