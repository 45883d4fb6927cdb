"""Roboflow: the stills that show each track well, as COCO with outlines.

In: a queue. Out: ``upload/``, in it per sheet its pictures and their COCO file. Roboflow knows no
tracks and gives back numbers and file names of its own, maybe of resized pictures: so a thing is
found again by its picture and its place in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scenekeeper import masks as rle
from scenekeeper.errors import ReviewError
from scenekeeper.exchange.outline import outline
from scenekeeper.exchange.queue_files import files, loaded_json
from scenekeeper.exchange.queue_masks import from_coco_runs, from_polygons
from scenekeeper.exchange.queue_pictures import write_stills
from scenekeeper.exchange.queue_sheets import Queue, Returned, Sheet, Strand, words
from scenekeeper.store import Dataset

SHEETS = frozenset({"stills"})
NOTES = (
    "Upload the folder upload/.",
    "Roboflow holds no tracks: it gets the pictures that show each track well, and what is"
    " corrected there holds for the whole track.",
)
FILE = "_annotations.coco.json"
ROUNDING = 1.0
"""Pixels of the picture that came back; Roboflow may keep whole ones."""

_RENAMED = re.compile(r"^(?P<stem>.+)_jpe?g\.rf\.[0-9A-Za-z]+$")


# --- out ------------------------------------------------------------------------------------------


def write(dataset: Dataset, queue: Queue, folder: Path) -> Queue:
    """Write a queue into a folder; gives it back with its masks as the outlines say them."""
    names = sorted(set(words(dataset)) | set(queue.phrases()))
    strands = dict(queue.strands)
    for sheet in queue.sheets.values():
        # Roboflow's own reader stumbles over the id map, so that lies above.
        here = folder / "upload" / sheet.name
        write_stills(dataset, sheet, here)
        for place in range(len(sheet.frame_ids)):  # names are unique in the whole queue
            (here / sheet.picture(place)).rename(here / _name(sheet, place))
        data = _head(sheet, names)
        for key, strand in queue.on(sheet).items():
            drawn: dict[int, bytes] = {}
            for k, place in enumerate(strand.at.tolist()):
                shape = _annotation(sheet, strand, k, names.index(strand.phrase) + 1)
                if shape["segmentation"]:
                    drawn[place] = from_polygons(shape["segmentation"], sheet.size)
                data["annotations"].append({"id": len(data["annotations"]) + 1, **shape})
            strands[key] = replace(strand, masks=drawn)
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n"
        (here / FILE).write_text(text, encoding="utf-8")
    return replace(queue, strands=strands)


def _name(sheet: Sheet, place: int) -> str:
    return f"{sheet.letter}-{sheet.picture(place)}"


def _head(sheet: Sheet, names: list[str]) -> dict[str, Any]:
    height, width = sheet.size
    plain = {"license": 1, "height": height, "width": width}
    return {
        # Roboflow's own reader wants all of these.
        "info": {"description": sheet.name, "version": "1", "contributor": "scenekeeper"},
        "licenses": [{"id": 1, "url": "", "name": "unknown"}],
        "categories": [
            {"id": k, "name": name, "supercategory": "none"} for k, name in enumerate(names, 1)
        ],
        "images": [
            {"id": place + 1, "file_name": _name(sheet, place), **plain}
            for place in range(len(sheet.frame_ids))
        ],
        "annotations": [],
    }


def _annotation(sheet: Sheet, strand: Strand, k: int, category: int) -> dict[str, Any]:
    place = int(strand.at[k])
    x0, y0, x1, y1 = (round(v, 3) for v in strand.boxes[k].tolist())
    counts = strand.masks.get(place)
    polygon = None if counts is None else outline(counts, sheet.size)
    return {
        "image_id": place + 1,
        "category_id": category,
        "bbox": [x0, y0, x1 - x0, y1 - y0],
        "area": (x1 - x0) * (y1 - y0),
        "segmentation": [] if polygon is None else [polygon.ravel().tolist()],
        "iscrowd": 0,
    }


# --- back -----------------------------------------------------------------------------------------


def read(path: Path, queue: Queue) -> list[Returned]:
    """What Roboflow's COCO export says: a file, an archive, or a folder with its splits."""
    places = {
        _name(sheet, k).removesuffix(".jpg"): (sheet, k)
        for sheet in queue.sheets.values()
        for k in range(len(sheet.frame_ids))
    }
    found: dict[str, dict[int, list[Strand]]] = {}
    rounding: dict[str, float] = {}
    for name, data in files(path, ".json"):
        coco = loaded_json(path, name, data)
        if not isinstance(coco, dict) or not {"images", "annotations", "categories"} <= set(coco):
            raise ReviewError(
                "is not COCO", path=path, place=name, remedy="Export the version as COCO."
            )
        names = {c["id"]: str(c["name"]) for c in coco["categories"]}
        shapes: dict[Any, list[Mapping[str, Any]]] = {}
        for shape in coco["annotations"]:
            shapes.setdefault(shape["image_id"], []).append(shape)
        for image in coco["images"]:
            at = places.get(_stem(image))
            if at is None:
                continue
            sheet, place = at
            scale = (sheet.size[1] / image["width"], sheet.size[0] / image["height"])
            mine = [
                strand
                for shape in shapes.get(image["id"], [])
                for strand in _shapes(shape, sheet, place, names, image, scale)
            ]
            found.setdefault(sheet.letter, {})[place] = mine
            rounding[sheet.letter] = max(rounding.get(sheet.letter, 0), ROUNDING * max(scale))
    return [
        Returned(
            letter,
            np.array(sorted(by_place), np.int64),
            [s for place in sorted(by_place) for s in by_place[place]],
            rounding=rounding[letter],
        )
        for letter, by_place in found.items()
    ]


def _stem(image: Mapping[str, Any]) -> str:
    """The name under which a picture was written; Roboflow appends its own number."""
    told = (image.get("extra") or {}).get("name") or image["file_name"]
    stem = Path(str(told)).name.rsplit(".", 1)[0]
    renamed = _RENAMED.match(stem)
    return renamed["stem"] if renamed else stem


def _shapes(
    shape: Mapping[str, Any],
    sheet: Sheet,
    place: int,
    names: Mapping[Any, str],
    image: Mapping[str, Any],
    scale: tuple[float, float],
) -> Iterator[Strand]:
    x, y, width, height = (float(v) for v in shape["bbox"])
    box = np.array([[x, y, x + width, y + height]]) * (*scale, *scale)
    if not np.isfinite(box).all():
        raise ValueError("a box has no numbers for its sides")
    counts = _mask(shape.get("segmentation"), sheet, image, scale)
    masks = {} if counts is None or not rle.area(counts) else {place: counts}
    yield Strand("", names[shape["category_id"]], np.array([place]), box, masks)


def _mask(
    told: Any, sheet: Sheet, image: Mapping[str, Any], scale: tuple[float, float]
) -> bytes | None:
    if isinstance(told, list) and told:
        polygons = [(np.array(p, np.float64).reshape(-1, 2) * scale).ravel() for p in told]
        drawn = [p.tolist() for p in polygons if len(p) >= 6]
        return from_polygons(drawn, sheet.size) if drawn else None
    if isinstance(told, dict) and (image["height"], image["width"]) == sheet.size:
        counts = told["counts"]
        if isinstance(counts, list):
            return from_coco_runs(counts, sheet.size)
        return str(counts).encode("ascii")
    return None
