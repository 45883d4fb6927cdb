"""Builds a world in a process of its own, for tests that kill it.

``python -m tests.world_worker DATASET [STEP]`` prints ``ready`` once all is imported, and a line of
JSON when done: how many steps were taken, a step being a file that is opened to be written or put
in its place, or a database that is opened. Before step number STEP it kills itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from scenekeeper import labeling
from scenekeeper.store import open_dataset


class Steps:
    """Counts steps; the last is never taken."""

    def __init__(self, dataset: Path, last: int) -> None:
        self.dataset, self.last, self.taken = str(dataset), last, 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename" or event == "sqlite3.connect":
            counts = True
        else:
            counts = event == "open" and bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR))
        if counts and self.dataset in str(arguments[0]):
            self.taken += 1
            if self.taken == self.last:
                os.kill(os.getpid(), signal.SIGKILL)


def main(dataset: str, last: str = "0") -> None:
    """Build, and say how it went."""
    steps = Steps(Path(dataset), int(last))
    sys.addaudithook(steps)
    print("ready", flush=True)
    reports = labeling.build_world(open_dataset(dataset), workers=1)
    failed = [f for r in reports for f in r.failures]
    print(json.dumps({"steps": steps.taken, "failed": failed}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
