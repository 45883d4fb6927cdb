"""COCO files of annotations as flat columns; what is damaged in them is named by its place.

In: a JSON file. Out: :class:`~scenekeeper.evaluate.labelled.Labelled`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scenekeeper import masks
from scenekeeper.errors import DatasetError
from scenekeeper.evaluate.labelled import COLUMNS, STRUCTURE, Labelled, assemble

_NEEDS = "It needs images, categories and annotations, each a list."
_DAMAGE = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError)


def read_coco(path: Path) -> Labelled:
    """A COCO file of annotations.

    ``track_id`` of an annotation is its track, ``object_id`` its object, ``score`` its score, ``p``
    its calibrated probability. Crowds count neither as found nor as missed. A box that is absent
    is that of the mask.

    Raises:
        DatasetError: the file is no COCO file, or a part of it is damaged.
    """
    data = _parsed(path)
    pictures, names = _pictures(path, data["images"]), _categories(path, data["categories"])
    place = {image: k for k, image in enumerate(pictures)}
    rows: dict[str, list[Any]] = {k: [] for k in COLUMNS}
    for k, one in enumerate(data["annotations"]):
        try:
            picture = pictures[one["image_id"]]
            row = _row(one, picture, names[one["category_id"]])
        except _DAMAGE as error:
            raise _damaged(path, k, one, error, pictures, names) from error
        rows["image"].append(place[one["image_id"]])
        for name, value in row.items():
            rows[name].append(value)
    frames = [(_file_name(i), 0) for i in pictures.values()]
    clip = [np.arange(len(frames), dtype=np.int64)]
    unknown = [frozenset[str]()] * len(frames)
    return assemble(path.name, frames, clip, rows, unknown, [""] * len(frames))


def _parsed(path: Path) -> dict[str, Any]:
    try:
        data: Any = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"is no COCO file of annotations, for it is no JSON ({error.msg})",
            path=path,
            place=f"line {error.lineno}, column {error.colno}",
            remedy="It may be cut off; write it again.",
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(
            f"is no COCO file of annotations, for it cannot be read ({error})",
            path=path,
            remedy="Name a JSON file in UTF-8.",
        ) from error
    if isinstance(data, list):
        raise DatasetError(
            "is no COCO file of annotations but a list, such as COCO's results are",
            path=path,
            remedy="Put it as annotations into a copy of the truth's file, for its images and"
            " categories.",
        )
    for name in ("images", "categories", "annotations"):
        if not isinstance(data, dict) or not isinstance(data.get(name), list):
            problem = f"is no COCO file of annotations: no list of {name}"
            raise DatasetError(problem, path=path, remedy=_NEEDS)
    return dict(data)


def _pictures(path: Path, images: Sequence[Any]) -> dict[Any, Mapping[str, Any]]:
    out: dict[Any, Mapping[str, Any]] = {}
    files: dict[str, int] = {}
    for k, image in enumerate(images):
        try:
            size = {name: int(image[name]) for name in ("height", "width")}
            sound = min(size.values()) > 0 and image["id"] not in out
            file = _file_name(image)
        except _DAMAGE:
            sound, file, size = False, "", {}
        if not sound or file in files:
            same = f"; image {files[file]} is of the same file" if file in files else ""
            raise DatasetError(
                f"is no picture with an id of its own, height and width{same}",
                path=path,
                place=f"image {k}",
                remedy="Give every image its own id and file_name, and its size in pixels.",
            )
        out[image["id"]] = {**image, **size}
        files[file] = k
    return out


def _file_name(image: Mapping[str, Any]) -> str:
    return str(image.get("file_name", image["id"]))


def _categories(path: Path, categories: Sequence[Any]) -> dict[Any, str]:
    out: dict[Any, str] = {}
    for k, category in enumerate(categories):
        try:
            number, name = category["id"], category["name"]
            sound = isinstance(name, str) and number not in out
        except _DAMAGE:
            sound = False
        if not sound:
            raise DatasetError(
                "is no category with an id of its own and a name",
                path=path,
                place=f"category {k}",
                remedy="Give every category its own id, and a name as text.",
            )
        out[number] = name
    return out


def _row(one: Mapping[str, Any], picture: Mapping[str, Any], phrase: str) -> dict[str, Any]:
    """The columns of an annotation."""
    mask = _mask(one.get("segmentation"), picture)
    size = picture["height"], picture["width"]
    score, p = float(one.get("score", 1.0)), one.get("p")
    if not math.isfinite(score):
        raise ValueError(f"its score is {score}")
    return {
        "box": _box(one["bbox"]) if "bbox" in one or mask is None else masks.box(mask, size),
        "mask": mask,
        "height": size[0],
        "width": size[1],
        "phrase": phrase,
        "score": score,
        "p": math.nan if p is None else float(p),
        "track": int(one.get("track_id", -1)),
        "object": int(one.get("object_id", -1)),
        "structure": phrase in STRUCTURE,
        "crowd": bool(one.get("iscrowd", 0)),
        "visible": math.nan,
        "lookalike": False,
    }


def _box(bbox: Sequence[float]) -> tuple[float, float, float, float]:
    x, y, w, h = map(float, bbox)
    if not (math.isfinite(x + y + w + h) and w >= 0 and h >= 0):
        raise ValueError(f"its bbox {list(bbox)} is not x, y, width, height")
    return x, y, x + w, y + h


def _mask(segmentation: Any, picture: Mapping[str, Any]) -> bytes | None:
    if not segmentation:
        return None
    from pycocotools import mask as coco

    height, width = picture["height"], picture["width"]
    if isinstance(segmentation, list):
        return bytes(coco.merge(coco.frPyObjects(segmentation, height, width))["counts"])
    if list(segmentation["size"]) != [height, width]:
        raise ValueError(f"its mask is {segmentation['size']}, its image {[height, width]}")
    counts = segmentation["counts"]
    if isinstance(counts, list):
        if sum(counts) != height * width:
            raise ValueError(f"its mask has {sum(counts)} pixels, its image {height * width}")
        return bytes(coco.frPyObjects(segmentation, height, width)["counts"])
    return counts.encode("ascii") if isinstance(counts, str) else bytes(counts)


def _damaged(
    path: Path,
    k: int,
    one: Any,
    error: Exception,
    pictures: Mapping[Any, Any],
    names: Mapping[Any, str],
) -> DatasetError:
    """What is wrong with an annotation, in words."""
    number = one.get("id") if isinstance(one, dict) else None
    problem = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
    remedy = "Mend or remove the annotation."
    if isinstance(one, dict):
        for key, known, list_name in (
            ("image_id", pictures, "images"),
            ("category_id", names, "categories"),
        ):
            value = one.get(key)
            if key not in one:
                problem = f"it has no {key}"
            elif not isinstance(value, int | str) or value not in known:
                problem = f"its {key} {value} is none of the {list_name}"
                remedy = f"Add it to the {list_name}, or remove the annotation."
    return DatasetError(
        f"is damaged: {problem}",
        path=path,
        place=f"annotation {k}" + ("" if number is None else f" (id {number})"),
        remedy=remedy,
    )
