"""Assemble the report page: collect what it shows and put it into the template.

In: a dataset. Out: one HTML file with its style, scripts, pictures and numbers inside.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from scenekeeper.errors import DatasetError
from scenekeeper.report import data
from scenekeeper.report.pictures import Wanted, take_pictures
from scenekeeper.report.scene import scene_data, upright
from scenekeeper.report.template import fill, resource, to_script_json
from scenekeeper.store import Dataset, atomic

MAX_SESSIONS = 20
PAGE_BYTES = 7_800_000
"""What the page may take; the pictures of frames get what the rest leaves."""

LABEL_BYTES = 3_000_000
"""Of the labels of all frames; more, and fewer frames are shown."""

CROP_BYTES = 14_000
"""A crop takes less than this."""

MAX_CROPS = 150
POINT_BYTES = 19
MAX_POINTS = 40_000
MIN_POINTS = 4_000


def write_report(dataset: Dataset, out: Path | None = None, *, max_frames: int = 150) -> Path:
    """Write the report page of a dataset; it appears whole or not at all.

    Args:
        dataset: with or without labels.
        out: the HTML file; ``report.html`` in the dataset when absent.
        max_frames: pictures on the page, over all sessions and cameras.

    Returns:
        The file.

    Raises:
        DatasetError: the dataset is damaged, or the page cannot be written.
    """
    target = dataset.path / "report.html" if out is None else out
    names = dataset.sessions()
    shown = names[:MAX_SESSIONS]
    share = max(1, len(shown))
    payload = {
        "name": dataset.path.resolve().name,
        "sessions_left_out": len(names) - len(shown),
        "sessions": [_session(dataset, name, max(1, max_frames // share), share) for name in shown],
    }
    page = _fill(payload)
    try:
        atomic.write_text(target, page)
    except OSError as error:
        raise DatasetError(
            f"the report cannot be written: {error}",
            path=target,
            remedy="Choose another file, or free some space.",
        ) from error
    return target


def _session(dataset: Dataset, name: str, max_frames: int, share: int) -> dict[str, Any]:
    """Everything the page shows of one session; ``share`` sessions divide the page's budget."""
    info = dataset.session(name)
    index = dataset.frames(name)
    objects = data.objects(dataset, name)
    basis = upright(dataset, name, index)
    points = max(MIN_POINTS, MAX_POINTS // share)
    # The scene comes first: it takes most memory, and the pictures stay.
    scene = scene_data(dataset, info, index, objects, basis, points)
    notable = data.notable_frames(dataset, name)
    chosen = data.choose_frames(index, [row["frame_id"] for row in notable], max_frames)
    chosen, label_bytes = data.affordable(dataset, name, chosen, LABEL_BYTES // share)
    best = data.best_views(dataset, name, objects[: max(1, MAX_CROPS // share)])
    rest = label_bytes + CROP_BYTES * len(best) + POINT_BYTES * points
    # Base64 takes four bytes for three.
    wanted = Wanted(chosen, best, max(0, PAGE_BYTES // share - rest) * 3 // 4)
    taken = take_pictures(dataset, info, index, wanted)
    for k, row in enumerate(objects):
        row["picture"] = taken.crops.get(row["id"])
        row["box"] = scene["boxes"][k]
    return {
        **data.overview(dataset, info, index, objects),
        "pictures_missing": taken.problem,
        "frames": data.frames(dataset, name, index, chosen, objects, taken.frames, basis),
        "objects": [{k: v for k, v in row.items() if k[0] != "_"} for row in objects],
        "relations": data.relations(dataset, name, objects),
        "scene": {k: v for k, v in scene.items() if k != "boxes"},
        "quality": data.quality(dataset, name, notable),
        "speed": data.speed(dataset, name),
        "runs": data.runs(dataset, name),
    }


def _fill(payload: dict[str, Any]) -> str:
    return fill(
        "page.html",
        {
            "title": html.escape(payload["name"]),
            "style": resource("page.css"),
            "data": to_script_json(payload),
            "dom": resource("dom.js"),
            "player": resource("player.js"),
            "scene": resource("scene.js"),
            "page": resource("page.js"),
        },
    )
