"""Trackers of other people over boxes from standard input; needs only the peers' own packages.

In: JSON ``[sequence][frame] -> (boxes, scores)``, frames per second as the argument. Out: JSON by
tracker's name, ``[sequence][frame] -> (ids, boxes)``. Ends with 3 where no peer is installed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import numpy as np


def peers(fps: float) -> Iterator[tuple[str, Callable[[], Callable[[Any, Any], Any]]]]:
    """Names, and what makes a fresh tracker: boxes and scores to ids and boxes."""
    try:
        import supervision as sv  # type: ignore[import-not-found, unused-ignore]
        import trackers  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        pass
    else:
        made = version("trackers")

        def of(tracker: Any) -> Callable[[Any, Any], Any]:
            def step(box: Any, score: Any) -> Any:
                found = sv.Detections(box.astype(np.float32), confidence=score.astype(np.float32))
                out = tracker.update(found)
                kept = out.tracker_id >= 0
                return out.tracker_id[kept], out.xyxy[kept]

            return step

        tuned = {"frame_rate": fps, "track_activation_threshold": 0.5}
        yield (
            f"trackers {made} ByteTrack",
            lambda: of(trackers.ByteTrackTracker(**tuned, high_conf_det_threshold=0.5)),
        )
        yield (
            f"trackers {made} SORT",
            lambda: of(trackers.SORTTracker(frame_rate=fps, track_activation_threshold=0.4)),
        )
        yield f"trackers {made} C-BIoU", lambda: of(trackers.CBIoUTracker(frame_rate=fps))
    try:
        import norfair  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return

    def norfair_step() -> Callable[[Any, Any], Any]:
        tracker = norfair.Tracker("iou", 0.9, initialization_delay=2)

        def step(box: Any, score: Any) -> Any:
            alive = tracker.update([norfair.Detection(b.reshape(2, 2)) for b in box])
            boxes = np.array([t.estimate.ravel() for t in alive]).reshape(-1, 4)
            return np.array([t.id for t in alive], int), boxes

        return step

    yield f"norfair {version('norfair')}", norfair_step


if __name__ == "__main__":
    sequences = json.load(sys.stdin)
    out = {}
    for name, make in peers(float(sys.argv[1])):
        out[name] = []
        for frames in sequences:
            step = make()
            tracked = [step(np.array(b).reshape(-1, 4), np.array(s)) for b, s in frames]
            out[name].append([(ids.tolist(), box.tolist()) for ids, box in tracked])
    json.dump(out, sys.stdout)
    sys.exit(0 if out else 3)
