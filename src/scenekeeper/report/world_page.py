"""The world page: one HTML file with a plan, a 3D view, a list of things and what is known of each.

In: a scene and pictures of its things. Out: one file that opens in any browser and asks the
network for nothing.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scenekeeper import geometry
from scenekeeper.errors import DatasetError
from scenekeeper.report.template import fill, resource, to_script_json
from scenekeeper.report.world_points import outline, packed, plan_picture, scene_points
from scenekeeper.report.world_words import (
    STRUCTURE,
    ago,
    class_colors,
    color_words,
    hex_color,
    holders,
    moment,
    title,
)
from scenekeeper.schema import UNNAMED
from scenekeeper.store import atomic
from scenekeeper.world.scene import Scene, Thing

MAX_PICTURES = 4
"""Of each thing; more say little and make the page heavy."""

MAX_NAMES = 8
DASHES: Mapping[str, list[int]] = {"stale": [2, 4], "missing": [7, 5], "tentative": [4, 2]}
"""How the boxes of things that are not surely there are broken, pixels."""

Pictures = Mapping[int, Sequence[bytes]]


def write_world_page(
    scene: Scene, out: Path, *, pictures: Pictures | None = None, name: str = "World"
) -> Path:
    """Write the page of a scene; it appears whole or not at all.

    Args:
        scene: what to show.
        out: the HTML file.
        pictures: JPEG bytes per object id, the best first; see :func:`report.pictures.crop`.
        name: what to call it, for instance the dataset's name.

    Returns:
        The file.

    Raises:
        DatasetError: the page cannot be written.
    """
    page = world_page(scene, pictures=pictures, name=name)
    try:
        atomic.write_text(out, page)
    except OSError as error:
        raise DatasetError(
            f"the page cannot be written: {error}",
            path=out,
            remedy="Choose another file, or free some space.",
        ) from error
    return out


def world_page(scene: Scene, *, pictures: Pictures | None = None, name: str = "World") -> str:
    """The page of a scene as text; see :func:`write_world_page`."""
    return fill(
        "world.html",
        {
            "title": html.escape(name),
            "style": resource("page.css") + resource("world.css"),
            "data": to_script_json(page_data(scene, pictures or {}, name)),
            "dom": resource("dom.js"),
            "scene": resource("scene.js"),
            "plan": resource("plan.js"),
            "world": resource("world.js"),
        },
    )


def page_data(scene: Scene, pictures: Pictures, name: str) -> dict[str, Any]:
    """Everything the page shows, as plain values; things are spoken of by their place."""
    basis = geometry.upright_basis(scene.up)
    points = scene_points(scene, basis)
    colors, held = class_colors(scene), holders(scene)
    place = {thing.object: k for k, thing in enumerate(scene)}
    things = [_thing(t, scene, basis, colors[t.phrase], pictures.get(t.object, ())) for t in scene]
    for row, thing in zip(things, scene, strict=True):
        holder = held.get(thing.object)
        row["holder"] = None if holder is None else [holder.predicate, place[holder.object]]
    return {
        "name": name,
        "moment": moment(scene.t_ns),
        "sessions": list(scene.sessions),
        "things": things,
        "relations": [
            [place[r.subject], r.predicate, place[r.object], _rounded(r.score), r.source, r.frame]
            for r in scene.relations
            if r.subject in place and r.object in place and r.until_t_ns is None
        ],
        "points": packed(points),
        "plan": plan_picture(points),
    }


def _thing(
    thing: Thing, scene: Scene, basis: geometry.Float, color: str, pictures: Sequence[bytes]
) -> dict[str, Any]:
    names = sorted(thing.names.items(), key=lambda item: -item[1])[:MAX_NAMES]
    axes = basis.T @ thing.R_world_box
    box = np.concatenate((thing.center @ basis, thing.extent, axes.ravel()))
    structure = thing.kind in STRUCTURE
    return {
        "id": thing.object,
        "tag": title(thing),
        "phrase": None if thing.phrase == UNNAMED else thing.phrase,
        "names": [[name, _rounded(p)] for name, p in names],
        "kind": thing.kind,
        "structure": structure,
        "status": thing.status,
        "verified": thing.verified,
        "existence": _rounded(thing.existence),
        "center": _list(thing.center, 3),
        "std": _list(thing.position_std, 4),
        "spread": _list(_level_std(thing, basis), 4),
        "extent": _list(thing.extent, 3),
        "box": _list(box, 4) if np.isfinite(box).all() else None,
        "outline": outline(thing, basis) if np.isfinite(box).all() else None,
        "color": color,
        "surface": hex_color(thing),
        "said_color": color_words(thing),
        "dash": DASHES.get(thing.status),
        "ago": ago(thing.last_t_ns, scene.t_ns),
        "seen": thing.last_t_ns / 1e9,
        "first": moment(thing.first_t_ns),
        "last": moment(thing.last_t_ns),
        "frames": thing.frames,
        "views": [list(view) for view in thing.views[:MAX_PICTURES]],
        "sessions": list(thing.sessions),
        "pictures": [base64.b64encode(p).decode("ascii") for p in pictures[:MAX_PICTURES]],
    }


def _level_std(thing: Thing, basis: geometry.Float) -> geometry.Float:
    """Standard deviations of a position along the two level axes, metres."""
    with np.errstate(invalid="ignore"):  # what is not known at all may be infinite
        return np.asarray(np.sqrt(thing.position_std**2 @ basis**2)[:2])


def _list(values: Any, digits: int) -> list[float | None]:
    return [_rounded(v, digits) for v in np.asarray(values, np.float64).tolist()]


def _rounded(value: float, digits: int = 3) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None
