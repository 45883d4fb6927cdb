"""Boxes drawn by hand on six frames of the real kitchen, in pixels of the colour image.

Position of the frame in the recording, then per thing ``(x0, y0, x1, y1)``. The things are those
that a person would point at; what is cut by the border is boxed as far as it shows.

``python -m tests.segment.kitchen_truth kitchen.sk`` prints how labels of the kitchen meet them.
"""

from __future__ import annotations

import sys

import numpy as np

from scenekeeper import geometry, open_dataset
from scenekeeper.schema import UNNAMED
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

MORE_BOXES: dict[int, dict[str, tuple[int, int, int, int]]] = {
    50: {"left chair": (410, 155, 585, 435)},
    120: {
        "left chair": (0, 277, 150, 480),
        "white mug": (217, 305, 264, 357),
        "papers": (240, 328, 398, 459),
        "magazines": (405, 401, 551, 480),
        "purple book": (267, 104, 309, 160),
        "open magazine": (322, 87, 415, 150),
        "pink book": (498, 96, 543, 158),
        "blue book": (561, 99, 608, 160),
        "far chair": (284, 242, 424, 306),
        "white stand": (85, 77, 138, 152),
        "purple leaflet": (62, 23, 101, 78),
        "screen": (505, 0, 640, 76),
        "computer case": (426, 242, 468, 307),
        "table": (100, 299, 640, 480),
    },
    170: {
        "white mug": (10, 152, 51, 194),
        "papers": (0, 180, 170, 250),
        "magazines": (60, 236, 210, 318),
        "patterned mug": (360, 227, 400, 279),
        "lunch box": (448, 226, 609, 350),
        "far chair": (114, 132, 258, 196),
        "right chair": (441, 165, 607, 239),
        "purple book": (184, 17, 226, 73),
        "open magazine": (250, 8, 339, 75),
        "pink book": (417, 27, 464, 92),
        "blue book": (480, 35, 532, 99),
        "wooden frame": (545, 44, 590, 107),
        "game controller": (602, 329, 640, 410),
    },
    240: {
        "white mug": (86, 264, 123, 307),
        "papers": (15, 296, 225, 390),
        "magazines": (96, 389, 240, 478),
        "patterned mug": (390, 439, 438, 480),
        "far chair": (187, 246, 323, 322),
        "right chair": (492, 342, 640, 478),
        "purple book": (281, 112, 318, 173),
        "open magazine": (343, 115, 435, 191),
        "pink book": (498, 165, 561, 231),
        "blue book": (564, 182, 632, 254),
        "white stand": (141, 62, 203, 128),
        "screen": (514, 21, 640, 158),
        "computer case": (378, 286, 430, 382),
    },
}
"""Four frames more, with what the map cannot tell apart or does not see, too: ten frames and twenty
things in all."""

NAMES: dict[str, frozenset[str]] = {
    **dict.fromkeys(("white mug", "patterned mug"), frozenset({"mug", "cup"})),
    **dict.fromkeys(("left chair", "far chair", "right chair", "near chair"), frozenset({"chair"})),
    **dict.fromkeys(
        ("papers", "magazines", "open magazine"), frozenset({"paper", "magazine", "book"})
    ),
    **dict.fromkeys(
        ("purple book", "pink book", "blue book", "purple leaflet", "white stand"),
        frozenset({"book", "magazine", "paper", "picture"}),
    ),
    "lunch box": frozenset({"lunch box", "box"}),
    "game controller": frozenset({"game controller"}),
    "screen": frozenset({"monitor", "television"}),
    "computer case": frozenset(),
    "table": frozenset({"table"}),
    "wooden frame": frozenset({"picture"}),
}
"""What a thing may be called; nothing in the closed list is right for a computer's case."""


def verdicts(dataset: Dataset) -> list[tuple[str, float, str]]:
    """Per box of all ten frames: the thing, the best IoU, and what the best label calls it."""
    [session] = dataset.sessions()
    out = []
    for frame in dataset.labels(session):
        things = np.array([p not in ("floor", "wall") for p in frame.phrase], np.bool_)
        drawn = BOXES.get(frame.frame_id, {}) | MORE_BOXES.get(frame.frame_id, {})
        for name, box in drawn.items():
            iou = geometry.box_iou(np.array([box]), frame.box_xyxy)[0] * things
            best = int(iou.argmax())
            out.append((name, float(iou[best]), frame.phrase[best]))
    return out


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
    all_ten = verdicts(open_dataset(path))
    hit = [(name, phrase) for name, iou, phrase in all_ten if iou >= 0.5]
    named = [(name, phrase) for name, phrase in hit if phrase != UNNAMED]
    wrong = [(name, phrase) for name, phrase in named if phrase not in NAMES[name]]
    print(f"ten frames: {len(hit)} of {len(all_ten)} boxes are met, {len(named)} named, of these")
    print(f"{len(wrong)} wrongly: {', '.join(f'{n} as {p}' for n, p in sorted(set(wrong)))}")


if __name__ == "__main__":
    main(*sys.argv[1:])
