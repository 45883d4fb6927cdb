"""Labelled datasets as flat columns.

In: the path of a dataset, of a COCO file, or of a folder with one of them. Out:
:class:`~scenekeeper.evaluate.labelled.Labelled`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from scenekeeper.evaluate.coco import read_coco
from scenekeeper.evaluate.labelled import (
    COLUMNS,
    STRUCTURE,
    FrameKey,
    Int,
    Labelled,
    assemble,
)
from scenekeeper.store import Dataset, open_dataset


def read_labelled(path: Path) -> tuple[Labelled, Dataset | None]:
    """A labelled dataset, or a COCO file of annotations or a folder with one in it.

    Raises:
        DatasetError: there is neither, or it cannot be read.
    """
    if path.is_dir() and not (path / "dataset.toml").exists():
        inside = sorted(p for p in path.glob("*.sk") if (p / "dataset.toml").exists())
        inside += sorted(path.glob("*.json"))
        if len(inside) == 1:
            path = inside[0]
    if path.suffix == ".json" and path.is_file():
        return read_coco(path), None
    dataset = open_dataset(path)
    return of_dataset(dataset), dataset


def of_dataset(dataset: Dataset) -> Labelled:
    """All instances of a labelled dataset."""
    frames: list[FrameKey] = []
    clips: list[Int] = []
    flags: list[frozenset[str]] = []
    cameras: list[str] = []
    parts: list[dict[str, Any]] = []
    n_clips = 0
    for session in dataset.sessions():
        info, index = dataset.session(session), dataset.frames(session)
        start = len(frames)
        cameras += index["camera"].to_pylist()
        frames += [(session, t) for t in index["t_ns"].to_pylist()]
        number = np.repeat(np.arange(info.n_clips), np.diff(info.clips))
        clips.append(number + n_clips)
        n_clips += info.n_clips
        told = dict(
            zip(
                *(dataset.table("quality", session)[c].to_pylist() for c in ("frame_id", "flags")),
                strict=True,
            )
        )
        flags += [frozenset(told.get(f) or ()) for f in index["frame_id"].to_pylist()]
        parts.append(_instances(dataset, session, start))
    merged = {k: [v for p in parts for v in p[k]] for k in COLUMNS}
    return assemble(dataset.path.name, frames, clips, merged, flags, cameras)


_INSTANCES = """
SELECT i.frame_id, i.box_xyxy, i.mask, i.height, i.width, i.phrase, i.score, i.p, i.track,
       coalesce(i.object, -1) AS object, coalesce(o.kind, '') AS kind,
       i.signals['visible'] AS visible, list_contains(i.flags, 'lookalike') AS lookalike
FROM instances i LEFT JOIN objects o ON o.session = i.session AND o.object = i.object
WHERE i.session = ? ORDER BY i.frame_id, i.instance"""


def _instances(dataset: Dataset, session: str, start: int) -> dict[str, list[Any]]:
    rows = dataset.sql(_INSTANCES, [session]).to_pydict()
    visible = [_first(v) for v in rows["visible"]]
    return {
        "image": [start + f for f in rows["frame_id"]],
        "box": rows["box_xyxy"],
        "mask": rows["mask"],
        "height": rows["height"],
        "width": rows["width"],
        "phrase": rows["phrase"],
        "score": rows["score"],
        "p": [np.nan if p is None else p for p in rows["p"]],
        "track": rows["track"],
        "object": rows["object"],
        "structure": [
            kind == "wall" or phrase in STRUCTURE
            for kind, phrase in zip(rows["kind"], rows["phrase"], strict=True)
        ],
        "crowd": [False] * len(rows["phrase"]),
        "visible": [np.nan if v is None else v for v in visible],
        "lookalike": [bool(v) for v in rows["lookalike"]],
    }


def _first(value: Any) -> Any:
    """A map's entry, which DuckDB gives as a list in some releases."""
    if isinstance(value, list):
        return value[0] if value else None
    return value
