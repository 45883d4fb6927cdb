"""V7: one video a sheet, one Darwin JSON 2.0 for each.

In: a queue. Out: ``videos/`` and ``annotations/<video>.json``. A track is a box with an instance
id, which V7 keeps; masks are annotations of their own in the video's raster layer. Darwin JSON
comes back from an export; a thing with reviewers counts as reviewed when all have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper import masks as rle
from scenekeeper.errors import ReviewError
from scenekeeper.exchange.queue_files import files, loaded_json
from scenekeeper.exchange.queue_keyframes import filled, keyframes, stretches
from scenekeeper.exchange.queue_masks import from_dense, from_polygons, parts, to_dense
from scenekeeper.exchange.queue_pictures import write_video
from scenekeeper.exchange.queue_sheets import Queue, Returned, Sheet, Strand
from scenekeeper.exchange.review_labelbox import (
    as_shown,
    identity_of,
    layer_at,
    masked_places,
)
from scenekeeper.store import Dataset

SHEETS = frozenset({"video"})
NOTES = (
    "Upload videos/ into a dataset of V7, then import annotations/ in the format 'darwin'.",
    "Where masks overlap, V7 holds the smaller one only.",
)
SLOT = "0"
RASTER = "__raster_layer__"
ROUNDING = 0.1
"""Pixels; V7 keeps fractions."""


# --- out ------------------------------------------------------------------------------------------


def write(dataset: Dataset, queue: Queue, folder: Path) -> Queue:
    """Write a queue into a folder; gives it back with its masks as one layer shows them."""
    strands = dict(queue.strands)
    (folder / "annotations").mkdir()
    for sheet in queue.sheets.values():
        write_video(dataset, sheet, folder / "videos" / f"{sheet.name}.mp4")
        mine = as_shown(sheet, queue.on(sheet))
        data = {
            "version": "2.0",
            "schema_ref": "https://darwin-public.s3.eu-west-1.amazonaws.com/darwin_json/2.0/schema.json",
            "item": _item(sheet),
            "annotations": [*_boxes(queue, sheet, mine), *_rasters(queue, sheet, mine)],
        }
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n"
        (folder / "annotations" / f"{sheet.name}.json").write_text(text, encoding="utf-8")
        strands |= mine
    return replace(queue, strands=strands)


def _item(sheet: Sheet) -> dict[str, Any]:
    height, width = sheet.size
    name = f"{sheet.name}.mp4"
    slot = {
        "type": "video",
        "slot_name": SLOT,
        "width": width,
        "height": height,
        "fps": sheet.fps,
        "frame_count": len(sheet.frame_ids),
        # A reader tells a video by these; V7 puts its own addresses here.
        "frame_urls": [sheet.picture(k) for k in range(len(sheet.frame_ids))],
        "source_files": [{"file_name": name, "url": ""}],
    }
    return {"name": name, "path": "/", "slots": [slot]}


def _annotation(
    identity: str, name: str, frames: Mapping[str, Any], ranges: list[list[int]], line: bool
) -> dict[str, Any]:
    algorithm = {"interpolate_algorithm": "linear-1.1"} if line else {}
    return {
        "id": identity,
        "name": name,
        "properties": [],
        "slot_names": [SLOT],
        "frames": frames,
        "ranges": ranges,
        "interpolated": line,
        **algorithm,
    }


def _boxes(queue: Queue, sheet: Sheet, strands: Mapping[str, Strand]) -> Iterator[dict[str, Any]]:
    for key, strand in strands.items():
        kept = np.flatnonzero(keyframes(strand.at, strand.boxes))
        track = {"value": queue.owners[key].track}
        frames = {
            str(int(strand.at[k])): {
                "bounding_box": _bbox(strand.boxes[k]),
                "instance_id": track,
                "keyframe": True,
            }
            for k in kept.tolist()
        }
        ranges = [
            [int(strand.at[p.start]), int(strand.at[p.stop - 1]) + 1] for p in stretches(strand.at)
        ]
        yield _annotation(identity_of(queue, key), strand.phrase, frames, ranges, line=True)


def _bbox(box: NDArray[np.float64]) -> dict[str, float]:
    x0, y0, x1, y1 = (round(v, 3) for v in box.tolist())
    return {"x": x0, "y": y0, "w": round(x1 - x0, 3), "h": round(y1 - y0, 3)}


def _rasters(queue: Queue, sheet: Sheet, strands: Mapping[str, Strand]) -> Iterator[dict[str, Any]]:
    frames: dict[str, Any] = {}
    for place in masked_places(strands):
        numbers = layer_at(sheet, strands, place)
        mapping = {_mask_id(queue, k): n for n, (k, s) in _numbered(strands) if place in s.masks}
        raster = {
            "dense_rle": to_dense(numbers),
            "mask_annotation_ids_mapping": mapping,
            "total_pixels": numbers.size,
        }
        frames[str(place)] = {"raster_layer": raster, "keyframe": True}
    for key, strand in strands.items():
        if strand.masks:
            track = {"value": queue.owners[key].track}
            empty = {"mask": {}, "instance_id": track, "keyframe": True}
            shown = {str(place): empty for place in strand.masks}
            yield _annotation(_mask_id(queue, key), strand.phrase, shown, _spans(shown), line=False)
    if frames:
        identity = identity_of(queue, f"layer of {sheet.letter}")
        yield _annotation(identity, RASTER, frames, _spans(frames), line=False)


def _numbered(strands: Mapping[str, Strand]) -> Iterator[tuple[int, tuple[str, Strand]]]:
    return enumerate(strands.items(), 1)


def _spans(frames: Mapping[str, Any]) -> list[list[int]]:
    return [[int(place), int(place) + 1] for place in frames]


def _mask_id(queue: Queue, key: str) -> str:
    return identity_of(queue, f"mask of {key}")


# --- back -----------------------------------------------------------------------------------------


def read(path: Path, queue: Queue) -> list[Returned]:
    """What V7's Darwin JSON says: a file, an archive, or a folder of them."""
    sheets = {sheet.name: sheet for sheet in queue.sheets.values()}
    back: dict[str, Returned] = {}
    for name, data in files(path, ".json"):
        darwin = loaded_json(path, name, data)
        place = name if name != path.name else None
        if not isinstance(darwin, dict) or not {"item", "annotations"} <= darwin.keys():
            raise ReviewError(
                "is not Darwin JSON 2.0", path=path, place=place, remedy="Export as Darwin JSON 2."
            )
        sheet = sheets.get(str(darwin["item"]["name"]).rsplit(".", 1)[0])
        if sheet is None:
            continue
        if sheet.letter in back:
            raise ReviewError(f"holds the video {sheet.name!r} twice", path=path, place=place)
        annotations = [a for a in darwin["annotations"] if isinstance(a.get("frames"), dict)]
        strands = [*_tracks(annotations, sheet, queue), *_layers(annotations, sheet, queue)]
        things = [a for a in annotations if a.get("name") != RASTER]
        reviewed = bool(things) and all(a.get("reviewers") for a in things)
        places = np.arange(len(sheet.frame_ids))
        back[sheet.letter] = Returned(sheet.letter, places, strands, reviewed, ROUNDING)
    return list(back.values())


def _key(annotation: Mapping[str, Any], sheet: Sheet, queue: Queue) -> str:
    """The key by the instance id, in whichever frame it stands."""
    frames = annotation["frames"].values()
    for step in (annotation, *frames):
        value = (step.get("instance_id") or {}).get("value")
        if value is not None and f"{sheet.letter}{value}" in queue.strands:
            return f"{sheet.letter}{value}"
    return ""


def _tracks(annotations: list[Mapping[str, Any]], sheet: Sheet, queue: Queue) -> Iterator[Strand]:
    for annotation in annotations:
        steps = sorted((int(k), v) for k, v in annotation["frames"].items())
        key, phrase = _key(annotation, sheet, queue), str(annotation["name"]).strip()
        outlined = [(k, v["polygon"]) for k, v in steps if "polygon" in v]
        for place, polygon in outlined:
            paths = polygon.get("paths") or [polygon.get("path") or []]
            corners = [[float(c[n]) for c in path for n in ("x", "y")] for path in paths]
            counts = from_polygons(corners, sheet.size)
            if 0 <= place < len(sheet.frame_ids):
                yield _mask(key, phrase, place, counts, sheet)
        boxed = [(k, v["bounding_box"]) for k, v in steps if "bounding_box" in v]
        if not boxed or outlined:
            continue
        ranges = annotation.get("ranges") or annotation.get("segments") or []
        at = np.array([k for k, _ in boxed], np.int64)
        sides = np.array([_sides(b) for _, b in boxed])
        at, sides = _over(at, sides, ranges, len(sheet.frame_ids))
        if len(at):
            yield Strand(key, phrase, at, sides)


def _over(
    at: NDArray[np.int64], sides: NDArray[np.float64], ranges: list[list[int]], n: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Boxes at every place of the ranges, half-open; beyond the last keyframe it stands still."""
    if not ranges:
        return filled(at, sides, np.arange(len(at)) < len(at) - 1, n)
    first, last = min(r[0] for r in ranges), max(r[1] or at[-1] + 1 for r in ranges) - 1
    if first < at[0]:
        at, sides = np.append(first, at), np.concatenate((sides[:1], sides))
    if last > at[-1]:
        at, sides = np.append(at, last), np.concatenate((sides, sides[-1:]))
    at, sides = filled(at, sides, np.arange(len(at)) < len(at) - 1, n)
    shown = np.zeros(len(at), np.bool_)
    for start, stop in ranges:
        shown |= (at >= start) & (at < (stop or last + 1))
    return at[shown], sides[shown]


def _sides(box: Mapping[str, Any]) -> list[float]:
    x, y, width, height = (float(box[n]) for n in "xywh")
    if not np.isfinite([x, y, width, height]).all():
        raise ValueError("a box has no numbers for its sides")
    return [x, y, x + width, y + height]


def _layers(annotations: list[Mapping[str, Any]], sheet: Sheet, queue: Queue) -> Iterator[Strand]:
    whose = {str(a.get("id")): a for a in annotations}
    for annotation in annotations:
        for number, step in annotation["frames"].items():
            raster, place = step.get("raster_layer"), int(number)
            if not raster or not 0 <= place < len(sheet.frame_ids):
                continue
            shown = parts(from_dense(raster["dense_rle"], sheet.size))
            for identity, n in raster["mask_annotation_ids_mapping"].items():
                mask = whose.get(identity)
                if mask is not None and n in shown:
                    key = _key(mask, sheet, queue)
                    yield _mask(key, str(mask["name"]).strip(), place, shown[n], sheet)


def _mask(key: str, phrase: str, place: int, counts: bytes, sheet: Sheet) -> Strand:
    box = np.array([rle.box(counts, sheet.size)], np.float64)
    return Strand(key, phrase, np.array([place]), box, {place: counts}, drawn=False)
