"""The world as nuScenes tables: every thing an annotated box in one sample.

In: a scene. Out: a folder that ``NuScenes(version="v1.0-world", dataroot=FOLDER)`` loads, with all
thirteen tables; those of sensors are empty. Boxes are in a frame with up as its third axis: the
scene's own when its up is +Z.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from scenekeeper import geometry
from scenekeeper.exchange.base import Exported
from scenekeeper.exchange.folder import replacing_folder
from scenekeeper.exchange.world_things import Float, LevelBox, level_box, located
from scenekeeper.store import atomic
from scenekeeper.world.scene import Scene, Thing

VERSION = "v1.0-world"
MAP = "maps/empty.png"
"""The devkit wants a map to be there; it is one pixel."""

_LEVEL_UP = np.cos(np.radians(0.5))
_VISIBILITY = ("v0-40", "v40-60", "v60-80", "v80-100")


def write(scene: Scene, out: Path, *, gone: bool = False) -> Exported:
    """Write a scene as nuScenes tables.

    ``size`` is width, length, height with the length along the heading, which follows the longer
    side; which end is the front is not known. Visibility is that of no picture, so it is full.
    ``num_lidar_pts`` counts cells, since readers drop boxes without points. Tokens of instances
    depend on the ids of objects alone.

    Args:
        scene: what to export.
        out: the folder.
        gone: with the things that are believed to be gone.

    Raises:
        ExportError: there is nothing to export.
    """
    things = located(scene, gone)
    # An upright world keeps its axes: turning it about up would help nobody.
    upright = bool(scene.up[2] > _LEVEL_UP)
    basis = np.eye(3) if upright else geometry.upright_basis(scene.up)
    tables = _tables(scene, things, basis)
    with replacing_folder(out) as folder:
        (folder / VERSION).mkdir()
        (folder / MAP).parent.mkdir()
        Image.new("L", (1, 1)).save(folder / MAP)
        for name, rows in tables.items():
            text = json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False)
            atomic.write_text(folder / VERSION / f"{name}.json", text)
    turned = "" if upright else "The world is turned so that up is +Z."
    return Exported(out, 1, len(things), (turned,) if turned else ())


def token(kind: str, *of: object) -> str:
    """32 hexadecimal digits that are the same for the same thing, in every export."""
    text = "/".join(map(str, (kind, *of)))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _tables(scene: Scene, things: Sequence[Thing], basis: Float) -> dict[str, list[dict[str, Any]]]:
    of_scene = (scene.t_ns, *scene.sessions)
    sample, log = token("sample", *of_scene), token("log", *of_scene)
    phrases = sorted({thing.phrase for thing in things})
    categories = [{"token": token("category", p), "name": p, "description": ""} for p in phrases]
    levels = [
        {"token": str(k), "level": level, "description": f"share of it that was seen: {level[1:]}"}
        for k, level in enumerate(_VISIBILITY, 1)
    ]
    statuses = sorted({thing.status for thing in things})
    return {
        "category": categories,
        "attribute": [
            {"token": token("attribute", s), "name": f"status.{s}", "description": ""}
            for s in statuses
        ],
        "visibility": levels,
        "instance": [_instance(thing, sample) for thing in things],
        "sensor": [],
        "calibrated_sensor": [],
        "ego_pose": [],
        "log": [_log(scene, log)],
        "scene": [_scene(scene, sample, log)],
        "sample": [_sample(scene, sample)],
        "sample_data": [],
        "sample_annotation": [_annotation(scene, t, sample, basis) for t in things],
        "map": [
            {
                "token": token("map"),
                "log_tokens": [log],
                "category": "semantic_prior",
                "filename": MAP,
            }
        ],
    }


def _log(scene: Scene, log: str) -> dict[str, Any]:
    captured = datetime.fromtimestamp(max(scene.t_ns, 0) // 10**9, UTC).strftime("%Y-%m-%d")
    return {
        "token": log,
        "logfile": "",
        "vehicle": "",
        "date_captured": captured,
        "location": "world",
    }


def _scene(scene: Scene, sample: str, log: str) -> dict[str, Any]:
    return {
        "token": token("scene", scene.t_ns, *scene.sessions),
        "log_token": log,
        "nbr_samples": 1,
        "first_sample_token": sample,
        "last_sample_token": sample,
        "name": "world",
        "description": ", ".join(scene.sessions),
    }


def _sample(scene: Scene, sample: str) -> dict[str, Any]:
    return {
        "token": sample,
        "timestamp": scene.t_ns // 1000,
        "prev": "",
        "next": "",
        "scene_token": token("scene", scene.t_ns, *scene.sessions),
    }


def _instance(thing: Thing, sample: str) -> dict[str, Any]:
    annotation = token("annotation", sample, thing.object)
    return {
        "token": token("instance", thing.object),
        "category_token": token("category", thing.phrase),
        "nbr_annotations": 1,
        "first_annotation_token": annotation,
        "last_annotation_token": annotation,
    }


def _annotation(scene: Scene, thing: Thing, sample: str, basis: Float) -> dict[str, Any]:
    box = level_box(thing, scene.up)
    return {
        "token": token("annotation", sample, thing.object),
        "sample_token": sample,
        "instance_token": token("instance", thing.object),
        "visibility_token": str(len(_VISIBILITY)),
        "attribute_tokens": [token("attribute", thing.status)],
        "translation": (box.center @ basis).tolist(),
        "size": [box.width, box.length, box.height],
        "rotation": _yaw(box, basis),
        "prev": "",
        "next": "",
        "num_lidar_pts": len(thing.cells),
        "num_radar_pts": 0,
    }


def _yaw(box: LevelBox, basis: Float) -> list[float]:
    """Quaternion ``wxyz`` about up, that turns the first axis to the heading."""
    x, y, _ = box.heading @ basis
    half = float(np.arctan2(y, x)) / 2
    return [float(np.cos(half)), 0.0, 0.0, float(np.sin(half))]
