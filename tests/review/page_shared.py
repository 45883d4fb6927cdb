"""What the page's script and this package must do alike, as data that both sides' tests read."""

from __future__ import annotations

from typing import Any

import numpy as np

from scenekeeper import masks
from scenekeeper.review.cards import View
from scenekeeper.review.media import layout

SHAPES = (
    ("....", "....", "...."),
    ("####", "####", "####"),
    ("#..#", ".##.", "#..#"),
    ("....", ".##.", ".##.", "...."),
    ("#####", "#...#", "#.#.#", "#...#", "#####"),
    (".#.#.#.", "#.#.#.#", ".#.#.#."),
    ("#",),
    ("...#",),
    ("#", ".", "#", "#"),
)
WINDOWS = ((0, 0, 10, 10), (0, 0, 33, 20), (5, 7, 6, 400), (0, 0, 1000, 3), (-4, -4, 21, 21))


def shared() -> dict[str, Any]:
    """Masks as rows and as run lengths, and where the tiles of a strip lie."""
    found = [{"rows": list(rows), **_encoded(_mask(rows))} for rows in SHAPES]
    large = np.hypot(*(np.mgrid[:480, :640] - [[[240]], [[320]]])) < 150
    views = [View("s", k, 0.0, (480, 640), WINDOWS[k % len(WINDOWS)]) for k in range(160)]
    return {
        "masks": found,
        "disc": {**_encoded(large), "area": int(large.sum())},
        "windows": [v.window_xyxy for v in views],
        "tiles": {str(height): layout(views, height)[1] for height in (128, 192)},
    }


def _mask(rows: tuple[str, ...]) -> masks.BoolMask:
    return np.array([[c == "#" for c in row] for row in rows])


def _encoded(mask: masks.BoolMask) -> dict[str, Any]:
    return {"size": list(mask.shape), "counts": masks.encode(mask).decode()}
