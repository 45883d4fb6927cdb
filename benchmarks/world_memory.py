"""What the world's memory and its tables weigh.

Claim: a remembered object costs at most 20 kB, with its share of depth images and surface; tables
of what frames show cost at most 2 GB per hour of recording at ten frames a second. One visit to a
simulated home, 640x480, labelled as detectors do. Peer: none.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.harness import Result
from scenekeeper import verbs
from scenekeeper.evaluate.mislabel import PROFILES, mislabel
from scenekeeper.labeling import build_world
from scenekeeper.store import Dataset, open_dataset
from scenekeeper.world.memory import reading

TARGET_KB = 20.0
LIMIT_MB = 2000.0
FRAMES_PER_HOUR = 36_000
SECONDS, SEED = 6.0, 20_000


def run() -> Result:
    with tempfile.TemporaryDirectory() as folder:
        verbs.simulate(folder, 1, SEED, seconds=SECONDS, size=(640, 480))
        truth = open_dataset(Path(folder) / "truth.sk")
        dataset = mislabel(truth, Path(folder) / "labels.sk", PROFILES["usual"])
        [report] = build_world(dataset)
        parts = _parts(dataset)
        hour = FRAMES_PER_HOUR / report.frames / 1e6
        tables = {t: _bytes(dataset, t) * hour for t in ("observations", "depths", "sightings")}
        file = (dataset.path / "world" / "world.sqlite").stat().st_size
    each = file / report.objects / 1000
    told = ", ".join(f"{name} {size / report.objects / 1000:.2f}" for name, size in parts.items())
    per_hour = ", ".join(f"{name} {mb:.0f}" for name, mb in tables.items())
    return Result(
        name="world_memory",
        input=f"{report.frames} frames 640x480, {report.objects} objects,"
        f" {report.instances / report.frames:.0f} instances a frame",
        unit="kB per object",
        ours=each,
        target=TARGET_KB,
        target_of="ours",
        further={f"tables under {LIMIT_MB:.0f} MB per hour": sum(tables.values()) <= LIMIT_MB},
        note=f"kB per object: {told}. MB per hour at 10 frames/s: {per_hour}",
    )


def _parts(dataset: Dataset) -> dict[str, int]:
    """Bytes of what the memory holds, by what it is."""
    queries = {
        "rows": "SELECT sum(length(row)) FROM evidence",
        "cells": "SELECT sum(length(cells)) FROM evidence",
        "keyframes": "SELECT sum(length(depth)) FROM keyframes",
        "pictures": "SELECT sum(length(picture)) FROM keyframes",
        "surface": "SELECT sum(length(surface)) FROM sessions",
    }
    with reading(dataset.path) as memory:
        return {name: memory._db.execute(q).fetchone()[0] or 0 for name, q in queries.items()}


def _bytes(dataset: Dataset, table: str) -> int:
    return sum(f.stat().st_size for f in dataset.path.glob(f"labels/{table}/*/*.parquet"))
