"""The peer's map of objects over frames made for benchmarks, in an environment of its own.

Its libraries bring much along, so they are not ours: ``.ci/cg-env`` makes an interpreter that
``SCENEKEEPER_CG_PYTHON`` names. There this file runs: requests from standard input, JSON to
standard output.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.concept_graphs import STAGES, PeerConfig, PeerMap
from benchmarks.mapping_input import Conditions, mapping_frames, read_views

NOT_INSTALLED = 3
"""Exit code where the peer's libraries are not there."""


@dataclass(frozen=True)
class Request:
    """What to map.

    Attributes:
        views: file of :class:`benchmarks.mapping_input.Views`.
        conditions: of the input.
        seed: of the input.
        rooms: how many, one after another.
        per_room: frames of each.
        config: settings.
        finish: whether to post-process at the end, before objects are told.
    """

    views: str
    conditions: Conditions = field(default_factory=Conditions)
    seed: int = 0
    rooms: int = 1
    per_room: int = 15
    config: PeerConfig = field(default_factory=PeerConfig)
    finish: bool = False

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Request:
        """The opposite of ``dataclasses.asdict``."""
        parts = {
            "conditions": Conditions(**values["conditions"]),
            "config": PeerConfig(**values["config"]),
        }
        return cls(**{**values, **parts})


def answer(request: Request) -> dict[str, Any]:
    """Map and tell.

    Returns:
        ``rooms``: per room, objects ``n`` after it and ``mean_n`` during it, mean detections ``m``
        and mean CPU ms of every stage per frame, ``periodic`` spread over the frames between
        clean-ups;
        ``objects``: of every detection, -1 = none; ``truth``: of every detection; ``rounds``:
        objects and CPU ms of every clean-up; ``finish_ms``.
    """
    views = read_views(Path(request.views))
    grown = PeerMap(request.config)
    frames = mapping_frames(
        views, request.conditions, request.seed, range(request.rooms), request.per_room
    )
    truth: list[int] = []
    rows: list[dict[str, float]] = []
    for frame in frames:
        grown.observe(frame)
        truth += frame.detections.truth.tolist()
        ms = {stage: 1e3 * taken for stage, taken in grown.seconds.items()}
        rows.append({"n": len(grown.objects), "m": len(frame.detections), **ms})
    start = time.process_time()
    if request.finish:
        grown.finish()
    return {
        "rooms": list(_by_room(rows, request, grown.rounds)),
        "objects": grown.assigned().tolist(),
        "truth": truth,
        "rounds": [(n, 1e3 * taken) for n, taken in grown.rounds],
        "finish_ms": 1e3 * (time.process_time() - start),
    }


def _by_room(
    rows: list[dict[str, float]], request: Request, rounds: list[tuple[int, float]]
) -> Iterator[dict[str, float]]:
    # A room may hold one clean-up or none; what one costs goes with the objects there are.
    counted = sum(n for n, _ in rounds)
    per_object = 1e3 * sum(taken for _, taken in rounds) / counted if counted else 0.0
    for start in range(0, len(rows), request.per_room):
        part = rows[start : start + request.per_room]
        n = part[-1]["n"]
        out = {key: float(np.mean([row[key] for row in part])) for key in part[0]}
        out |= {"mean_n": out["n"], "n": n, "periodic": per_object * n / request.config.every}
        yield {**out, "total": sum(out[stage] for stage in STAGES)}


def main(requests: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Answers to requests, with the versions of the libraries."""
    import faiss  # type: ignore[import-not-found, unused-ignore]

    faiss.omp_set_num_threads(1)
    return {
        "libraries": f"Open3D {version('open3d')}, FAISS {faiss.__version__}",
        "answers": [answer(Request.from_dict(values)) for values in requests],
    }


def ask(requests: Iterable[Request]) -> dict[str, Any] | None:
    """Run the peer in its own environment, one thread; ``None`` where it is not installed.

    Its interpreter is named by ``SCENEKEEPER_CG_PYTHON``; this one, if nothing is named.

    Raises:
        RuntimeError: the peer broke.
    """
    root = str(Path(__file__).parents[1])
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": root}
    done = subprocess.run(
        [
            os.environ.get("SCENEKEEPER_CG_PYTHON", sys.executable),
            "-m",
            "benchmarks.peer_map",
        ],
        input=json.dumps([dataclasses.asdict(request) for request in requests]),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **one},
    )
    if done.returncode == NOT_INSTALLED:
        return None
    if done.returncode:
        raise RuntimeError(f"the peer ended with {done.returncode}: {done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


if __name__ == "__main__":
    try:
        import faiss as _faiss  # noqa: F401
        import open3d as _open3d  # type: ignore[import-not-found, unused-ignore]  # noqa: F401
    except ImportError as error:
        print(f"{error}: make an environment with .ci/cg-env", file=sys.stderr)
        sys.exit(NOT_INSTALLED)
    json.dump(main(json.load(sys.stdin)), sys.stdout)
