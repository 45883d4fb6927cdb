"""Uses a world's memory in a process of its own, for tests of several at once.

``python -m tests.memory_worker DATASET write NAME N`` remembers N sessions of ten objects each;
``read SECONDS`` reads all the while and checks that every session is there as a whole;
``full BYTES`` writes with files that cannot grow beyond so many bytes. Prints a line when ready,
waits for one, and prints JSON when done.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from scenekeeper.errors import DatasetError
from scenekeeper.world.memory import reading, writing
from tests.world.made_evidence import evidence, visit

OBJECTS = 10


def write(dataset: Path, name: str, n: str) -> dict[str, Any]:
    """Remember sessions, each in a transaction."""
    ids = []
    for k in range(int(n)):
        with writing(dataset) as memory:
            visit(memory, f"{name}-{k}", k)
            for track in range(OBJECTS):
                ids.append(memory.born(f"{name}-{k}", "a"))
                memory.put_evidence(f"{name}-{k}", ids[-1], evidence(track))
    return {"ids": ids}


def read(dataset: Path, seconds: str) -> dict[str, Any]:
    """Read until the time is up."""
    until, seen, torn = time.monotonic() + float(seconds), 0, 0
    reads = 0
    while time.monotonic() < until:
        with reading(dataset) as memory:
            places = memory.places()
            torn += sum(len(memory.evidence(p.session)) != OBJECTS for p in places)
            torn += len(memory.events(kind="born")) != OBJECTS * len(places)
            torn += len(places) < seen
            seen, reads = len(places), reads + 1
    return {"torn": torn, "reads": reads, "seen": seen}


def full(dataset: Path, largest: str) -> dict[str, Any]:
    """Put in more than fits."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest), int(largest)))
    rng = np.random.default_rng(0)
    try:
        with writing(dataset) as memory:
            visit(memory, "large", 1)
            for track in range(200):
                number = memory.born("large", "a")
                cells = np.sort(rng.integers(-(2**62), 2**62, 5000))
                memory.put_evidence("large", number, evidence(track, cells=cells))
    except DatasetError as error:
        return {"error": str(error)}
    return {"error": None}


def main(dataset: str, what: str, *arguments: str) -> None:
    """Do one of the above once told to."""
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps({"write": write, "read": read, "full": full}[what](Path(dataset), *arguments)))


if __name__ == "__main__":
    main(*sys.argv[1:])
