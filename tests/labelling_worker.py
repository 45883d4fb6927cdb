"""Labels a recording in a process of its own, for tests that kill it.

``python -m tests.labelling_worker RECORDING DATASET [LARGEST_FILE]`` prints ``ready`` once all is
imported, and a line of JSON when done. Writing files beyond so many bytes then fails as on a full
disk.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from scenekeeper import labeling
from scenekeeper.errors import DatasetError

CLIP_SECONDS = 0.25


def main(recording: str, dataset: str, largest: str = "") -> None:
    """Label, and say how it went."""
    print("ready", flush=True)
    if largest:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest), int(largest)))
    try:
        report = labeling.label([Path(recording)], dataset, clip_seconds=CLIP_SECONDS)[0]
    except DatasetError as error:
        print(json.dumps({"error": str(error)}))
    else:
        print(json.dumps({"done": report.done, "kept": report.kept, "failed": report.failures}))


if __name__ == "__main__":
    main(*sys.argv[1:])
