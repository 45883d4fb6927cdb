"""Pictures of the things of the world, cut from the recordings that show them best.

In: a dataset and a scene. Out: JPEGs per thing. A recording that has gone takes its pictures with
it, and that is told, never raised.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from scenekeeper.errors import RecordingError
from scenekeeper.recording.open import reopen
from scenekeeper.report.pictures import BestView, color_pictures, crop, jpeg
from scenekeeper.report.world_words import class_colors
from scenekeeper.store import Dataset
from scenekeeper.world.scene import Scene

MOST = 400
"""Pictures of all things together; of each at least one."""

EACH = 3

Sight = tuple[str, int]
"""Session and frame id."""


def best_pictures(dataset: Dataset, scene: Scene) -> tuple[dict[int, list[bytes]], tuple[str, ...]]:
    """Every thing where it is seen best.

    Args:
        dataset: whose world it is.
        scene: the things.

    Returns:
        JPEG bytes per object id, the best first, and notes on recordings that are not there.
    """
    each = max(1, min(EACH, MOST // max(1, len(scene))))
    found: dict[int, dict[Sight, bytes]] = {}
    notes = []
    for session in scene.sessions:
        views = _views(dataset, scene, session, each)
        try:
            for frame_id, number, picture in _cut(dataset, session, views):
                found.setdefault(number, {})[session, frame_id] = picture
        except RecordingError as error:
            notes.append(f"{session} is without pictures: {error}")
    return {t.object: _in_order(t.views, found.get(t.object, {})) for t in scene}, tuple(notes)


def _views(dataset: Dataset, scene: Scene, session: str, each: int) -> list[BestView]:
    """Where the labels of a session show the things, in the views that are their best."""
    colors = class_colors(scene)
    color = {t.object: colors[t.phrase] for t in scene}
    wanted = [(t.object, f) for t in scene for s, f in t.views[:each] if s == session]
    rows = dataset.sql(
        "SELECT i.object, i.frame_id, i.box_xyxy, i.mask, i.height, i.width FROM instances i"
        " JOIN (SELECT unnest(?::BIGINT[]) AS object, unnest(?::BIGINT[]) AS frame_id) w"
        " USING (object, frame_id) WHERE i.session = ? ORDER BY i.object, i.frame_id, i.area",
        [[number for number, _ in wanted], [frame_id for _, frame_id in wanted], session],
    )
    best = {  # the largest instance comes last and stays
        (row["object"], row["frame_id"]): BestView(
            row["object"],
            row["frame_id"],
            tuple(row["box_xyxy"]),
            row["mask"],
            (row["height"], row["width"]),
            color[row["object"]],
        )
        for row in rows.to_pylist()
    }
    return list(best.values())


def _cut(dataset: Dataset, session: str, views: Sequence[BestView]) -> list[tuple[int, int, bytes]]:
    """Frame, object and picture of each view; every frame is read once."""
    if not views:
        return []
    info = dataset.session(session)
    index: pa.Table = dataset.frames(session)
    recording = reopen(info.source, info.name, info.content, info.alignment)
    frames = color_pictures(recording, index, {view.frame_id for view in views})
    return [
        (frame_id, view.object, jpeg(crop(rgb, view)))
        for frame_id, rgb in frames
        for view in views
        if view.frame_id == frame_id
    ]


def _in_order(views: Sequence[Sight], pictures: dict[Sight, bytes]) -> list[bytes]:
    return [pictures[view] for view in views if view in pictures]
