"""Tiny LeRobot datasets whose pictures and states tell their episode and row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.recording.tiny_videos import HEIGHT, WIDTH, write_video

FPS = 30
CAMERA = "observation.images.top"
TASK = "put the cup away"


def first_number(episode: int, row: int = 0) -> int:
    """Picture and state number of a row; unique among three episodes of at most 20 rows."""
    return episode * 20 + row


def info(version: str, **more: Any) -> dict[str, Any]:
    features = {
        CAMERA: {
            "dtype": "video",
            "shape": [3, HEIGHT, WIDTH],
            "names": ["channels", "height", "width"],
            "info": {"video.pix_fmt": "yuv420p"},
        },
        "observation.state": {"dtype": "float32", "shape": [2], "names": [["hip", "knee"]]},
        "action": {"dtype": "float32", "shape": [2], "names": {"motors": ["hip", "knee"]}},
        "next.done": {"dtype": "bool", "shape": [1], "names": None},
        "timestamp": {"dtype": "float32", "shape": [1], "names": None},
        "task_index": {"dtype": "int64", "shape": [1], "names": None},
    }
    return {"codebase_version": version, "fps": FPS, "features": features | more}


def rows(episode: int, length: int, **more: Sequence[Any]) -> pa.Table:
    numbers = [float(first_number(episode, row)) for row in range(length)]
    columns = {
        "observation.state": pa.array([[x, -x] for x in numbers], pa.list_(pa.float32(), 2)),
        "action": pa.array([[x, 0.0] for x in numbers], pa.list_(pa.float32())),
        "next.done": [row == length - 1 for row in range(length)],
        "timestamp": pa.array([row / FPS for row in range(length)], pa.float32()),
        "frame_index": list(range(length)),
        "episode_index": [episode] * length,
        "task_index": [0] * length,
    }
    return pa.table({**columns, **more})


def write_lines(path: Path, objects: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(value) + "\n" for value in objects))


def write_v2(root: Path, lengths: Sequence[int], version: str = "v2.1") -> Path:
    for folder in ("meta", "data/chunk-000", f"videos/chunk-000/{CAMERA}"):
        (root / folder).mkdir(parents=True)
    (root / "meta/info.json").write_text(json.dumps(info(version)))
    write_lines(root / "meta/tasks.jsonl", [{"task_index": 0, "task": TASK}])
    episodes = [{"episode_index": k, "tasks": [TASK], "length": n} for k, n in enumerate(lengths)]
    write_lines(root / "meta/episodes.jsonl", episodes)
    for k, n in enumerate(lengths):
        pq.write_table(rows(k, n), root / f"data/chunk-000/episode_{k:06d}.parquet")
        path = root / f"videos/chunk-000/{CAMERA}/episode_{k:06d}.mp4"
        write_video(path, range(first_number(k), first_number(k, n)), gop=4, movflags="faststart")
    return root


def write_v3(root: Path, lengths: Sequence[int]) -> Path:
    """All episodes in one Parquet file, a row group each, and in one video."""
    data, videos = root / "data/chunk-000", root / f"videos/{CAMERA}/chunk-000"
    for folder in (data, videos, root / "meta/episodes/chunk-000"):
        folder.mkdir(parents=True)
    (root / "meta/info.json").write_text(json.dumps(info("v3.0")))
    tasks = pa.table({"task_index": [0], "__index_level_0__": [TASK]})
    pq.write_table(tasks, root / "meta/tasks.parquet")
    episodes, start = [], 0
    with pq.ParquetWriter(data / "file-000.parquet", rows(0, 1).schema) as writer:
        for k, n in enumerate(lengths):
            writer.write_table(rows(k, n))
            episodes.append(
                {
                    "episode_index": k,
                    "tasks": [TASK],
                    "length": n,
                    "data/chunk_index": 0,
                    "data/file_index": 0,
                    f"videos/{CAMERA}/chunk_index": 0,
                    f"videos/{CAMERA}/file_index": 0,
                    f"videos/{CAMERA}/from_timestamp": start / FPS,
                    f"videos/{CAMERA}/to_timestamp": (start + n) / FPS,
                    "stats/action/mean": [0.0, 0.0],
                }
            )
            start += n
    table = pa.Table.from_pylist(episodes)
    pq.write_table(table, root / "meta/episodes/chunk-000/file-000.parquet")
    numbers = [first_number(k, row) for k, n in enumerate(lengths) for row in range(n)]
    write_video(videos / "file-000.mp4", numbers, gop=4, movflags="faststart")
    return root
