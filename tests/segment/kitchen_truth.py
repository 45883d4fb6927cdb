"""Boxes drawn by hand on six frames of the real kitchen, in pixels of the colour image.

Position of the frame in the recording, then per thing ``(x0, y0, x1, y1)``. The things are those
that a person would point at; what is cut by the border is boxed as far as it shows.

``python -m tests.segment.kitchen_truth kitchen.sk`` prints how labels of the kitchen meet them.
"""

from __future__ import annotations

import sys

import numpy as np

from scenekeeper import geometry, open_dataset
from scenekeeper.store import Dataset

Sightings = dict[str, list[tuple[float, int]]]
"""Per thing, for each frame it is drawn on: the best IoU of a labelled box, and its object."""

BOXES: dict[int, dict[str, tuple[int, int, int, int]]] = {
    20: {
        "white mug": (409, 152, 452, 196),
        "papers": (421, 184, 553, 264),
        "magazines": (554, 257, 640, 350),
        "left chair": (209, 111, 343, 328),
        "far chair": (470, 136, 602, 210),
        "purple book": (477, 12, 527, 77),
    },
    90: {
        "white mug": (470, 440, 537, 480),
        "left chair": (196, 350, 369, 480),
        "far chair": (538, 382, 640, 460),
        "purple book": (520, 176, 573, 246),
        "white stand": (320, 104, 398, 189),
    },
    150: {
        "white mug": (59, 211, 104, 260),
        "papers": (31, 241, 235, 338),
        "magazines": (183, 306, 321, 412),
        "patterned mug": (479, 285, 524, 338),
        "lunch box": (597, 275, 640, 385),
        "far chair": (158, 181, 308, 241),
        "right chair": (497, 200, 640, 272),
        "purple book": (200, 53, 238, 113),
        "open magazine": (258, 40, 352, 110),
        "white stand": (18, 16, 80, 101),
        "pink book": (431, 61, 481, 124),
        "blue book": (495, 67, 548, 131),
    },
    190: {
        "patterned mug": (178, 155, 215, 203),
        "lunch box": (250, 152, 411, 263),
        "game controller": (382, 235, 483, 311),
        "right chair": (302, 95, 443, 167),
    },
    215: {
        "lunch box": (34, 235, 224, 369),
        "game controller": (155, 351, 258, 439),
        "right chair": (148, 152, 284, 242),
        "near chair": (410, 280, 556, 480),
        "pink book": (182, 0, 237, 70),
        "blue book": (245, 14, 302, 88),
    },
    270: {
        "white mug": (138, 266, 181, 318),
        "papers": (113, 291, 308, 419),
        "magazines": (262, 379, 397, 480),
        "patterned mug": (569, 361, 624, 420),
        "left chair": (0, 229, 90, 384),
        "far chair": (230, 210, 381, 279),
        "right chair": (591, 226, 640, 304),
        "purple book": (267, 57, 309, 119),
        "open magazine": (331, 36, 430, 108),
        "white stand": (98, 30, 152, 106),
        "pink book": (518, 48, 576, 116),
    },
}


def sightings(dataset: Dataset) -> Sightings:
    """How the labels of a dataset's one session meet the drawn boxes; structure does not count."""
    [session] = dataset.sessions()
    kinds = {row["object"]: row["kind"] for row in dataset.table("objects").to_pylist()}
    found: Sightings = {}
    for frame in dataset.labels(session):
        objects = np.asarray(frame.object)
        things = np.array([kinds.get(o) in ("thing", "flat") for o in objects.tolist()], np.bool_)
        for name, box in BOXES.get(frame.frame_id, {}).items():
            iou = geometry.box_iou(np.array([box]), frame.box_xyxy)[0] * things
            best = int(iou.argmax())
            found.setdefault(name, []).append((float(iou[best]), int(objects[best])))
    return found


def main(path: str) -> None:
    """Print a line per thing, and how many boxes are met."""
    found = sightings(open_dataset(path))
    for name, seen in found.items():
        print(f"{name:16}", "  ".join(f"o{number} {iou:.2f}" for iou, number in seen))
    met = [iou >= 0.5 for seen in found.values() for iou, _ in seen]
    print(f"{sum(met)} of {len(met)} boxes are met with IoU 0.5 or more")


if __name__ == "__main__":
    main(*sys.argv[1:])
