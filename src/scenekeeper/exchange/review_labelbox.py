"""Labelbox: one video a sheet, boxes and masks as NDJSON.

In: a queue. Out: ``videos/`` and ``annotations.ndjson``, one line for each track and one for the
masks of each video, as Labelbox imports them (as ground truth or as pre-labels). Both that and the
NDJSON of a project's export come back; an export holds no masks, only addresses of them. What
Labelbox's workflow calls done, or a reviewer approved, counts as reviewed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper import masks as rle
from scenekeeper.errors import ReviewError
from scenekeeper.exchange.queue_files import files, loaded_json
from scenekeeper.exchange.queue_keyframes import filled, keyframes, stretches
from scenekeeper.exchange.queue_masks import color_of, from_png, layer, parts, to_png
from scenekeeper.exchange.queue_pictures import write_video
from scenekeeper.exchange.queue_sheets import Queue, Returned, Sheet, Strand, words
from scenekeeper.store import Dataset

SHEETS = frozenset({"video"})
NOTES = (
    "The global key of each video is what annotations.ndjson calls it; the ontology has a box and"
    " a mask for every name in ontology.txt.",
    "Where masks overlap, Labelbox holds the smaller one only.",
)
ROUNDING = 1.0
"""Pixels; Labelbox's editor draws whole ones."""


# --- out ------------------------------------------------------------------------------------------


def write(dataset: Dataset, queue: Queue, folder: Path) -> Queue:
    """Write a queue into a folder; gives it back with its masks as one layer shows them."""
    strands = dict(queue.strands)
    names = sorted(set(words(dataset)) | set(queue.phrases()))
    (folder / "ontology.txt").write_text("".join(f"{n}\n" for n in names), encoding="utf-8")
    with (folder / "annotations.ndjson").open("w", encoding="utf-8") as file:
        for sheet in queue.sheets.values():
            write_video(dataset, sheet, folder / "videos" / f"{sheet.name}.mp4")
            mine = as_shown(sheet, queue.on(sheet))
            for line in _boxes(queue, sheet, mine):
                file.write(_json(line))
            if masked_places(mine):
                file.write(_json(_masks(queue, sheet, mine)))
            strands |= mine
    return replace(queue, strands=strands)


def as_shown(sheet: Sheet, strands: Mapping[str, Strand]) -> dict[str, Strand]:
    """Strands with the masks that are left of theirs where every picture has one layer for all."""
    left: dict[str, dict[int, bytes]] = {key: {} for key in strands}
    keys = list(strands)
    for place in masked_places(strands):
        for n, counts in parts(layer_at(sheet, strands, place)).items():
            left[keys[n - 1]][place] = counts
    return {key: replace(strand, masks=left[key]) for key, strand in strands.items()}


def masked_places(strands: Mapping[str, Strand]) -> list[int]:
    """Places at which any strand has a mask."""
    return sorted({place for strand in strands.values() for place in strand.masks})


def layer_at(sheet: Sheet, strands: Mapping[str, Strand], place: int) -> NDArray[np.int64]:
    """The masks of a place as one layer ``int64 [H, W]``; a strand's number is its rank from 1."""
    there = {n: s.masks[place] for n, s in enumerate(strands.values(), 1) if place in s.masks}
    return layer(there, sheet.size)


def _json(line: Mapping[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"


def global_key(queue: Queue, sheet: Sheet) -> str:
    """What Labelbox is to call the video of a sheet."""
    return f"{sheet.name}-{queue.id}"


def identity_of(queue: Queue, what: str) -> str:
    """A UUID for something of a queue; the same for the same."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"scenekeeper:{queue.id}:{what}"))


def _boxes(
    queue: Queue, sheet: Sheet, strands: Mapping[str, Strand]
) -> Iterator[Mapping[str, Any]]:
    for key, strand in strands.items():
        kept = keyframes(strand.at, strand.boxes)
        segments = [
            {
                "keyframes": [
                    {"frame": int(strand.at[k]) + 1, "bbox": _bbox(strand.boxes[k])}
                    for k in np.flatnonzero(kept[part]) + part.start
                ]
            }
            for part in stretches(strand.at)
        ]
        yield {
            "uuid": identity_of(queue, key),
            "dataRow": {"globalKey": global_key(queue, sheet)},
            "name": strand.phrase,
            "segments": segments,
        }


def _bbox(box: NDArray[np.float64]) -> dict[str, float]:
    x0, y0, x1, y1 = (round(v, 3) for v in box.tolist())
    return {"top": y0, "left": x0, "height": round(y1 - y0, 3), "width": round(x1 - x0, 3)}


def _masks(queue: Queue, sheet: Sheet, strands: Mapping[str, Strand]) -> Mapping[str, Any]:
    return {
        "uuid": identity_of(queue, f"masks of {sheet.letter}"),
        "dataRow": {"globalKey": global_key(queue, sheet)},
        "masks": {
            "frames": [
                {"index": place + 1, "imBytes": to_png(layer_at(sheet, strands, place))}
                for place in masked_places(strands)
            ],
            "instances": [
                {"colorRGB": list(color_of(n)), "name": s.phrase}
                for n, s in enumerate(strands.values(), 1)
                if s.masks
            ],
        },
    }


# --- back -----------------------------------------------------------------------------------------


def read(path: Path, queue: Queue) -> list[Returned]:
    """What Labelbox's NDJSON says, of an import or of an export."""
    sheets = {global_key(queue, s): s for s in queue.sheets.values()}
    known = {identity_of(queue, key): key for key in queue.strands}
    strands: dict[str, list[Strand]] = {}
    approved: dict[str, bool] = {}
    for line, place in _lines(path):
        row = line.get("dataRow") or line.get("data_row")
        if not isinstance(row, dict):
            raise ReviewError(
                "is not a line of Labelbox's NDJSON",
                path=path,
                place=place,
                remedy="Export the project as NDJSON.",
            )
        sheet = sheets.get(str(row.get("globalKey") or row.get("global_key")))
        if sheet is None:
            continue
        found = strands.setdefault(sheet.letter, [])
        if "data_row" in line:
            labels = _labels(line)
            if not labels:  # nobody has labelled it yet
                strands.pop(sheet.letter)
                continue
            approved[sheet.letter] = _approved(line, labels)
            found += _exported(labels, sheet, known)
        elif "segments" in line:
            key = known.get(str(line.get("uuid")), "")
            found += _segments(line, key, sheet)
        elif "masks" in line:
            found += _instances(line["masks"], sheet, list(queue.on(sheet).values()))
    return [
        Returned(
            letter,
            np.arange(len(queue.sheets[letter].frame_ids)),
            found,
            approved.get(letter, False),
            ROUNDING,
        )
        for letter, found in strands.items()
    ]


def _lines(path: Path) -> Iterator[tuple[Mapping[str, Any], str]]:
    for name, data in files(path, ".ndjson", ".jsonl", ".json"):
        for number, text in enumerate(data.splitlines(), 1):
            if text.strip():
                line = loaded_json(path, f"{name}, line {number}", text)
                for one in line if isinstance(line, list) else [line]:
                    yield one, f"{name}, line {number}"


def _segments(line: Mapping[str, Any], key: str, sheet: Sheet) -> Iterator[Strand]:
    places, drawn = [np.zeros(0, np.int64)], [np.zeros((0, 4))]
    for segment in line["segments"]:
        steps = sorted(segment["keyframes"], key=lambda step: step["frame"])
        at = np.array([int(s["frame"]) - 1 for s in steps], np.int64)
        boxes = np.array([_sides(s["bbox"]) for s in steps]).reshape(-1, 4)
        goes_on = np.arange(len(at)) < len(at) - 1
        at, boxes = filled(at, boxes, goes_on, len(sheet.frame_ids))
        places.append(at)
        drawn.append(boxes)
    yield from _strand(key, line["name"], np.concatenate(places), np.concatenate(drawn), sheet)


def _strand(
    key: str, phrase: str, at: NDArray[np.int64], boxes: NDArray[np.float64], sheet: Sheet
) -> Iterator[Strand]:
    at, first = np.unique(at, return_index=True)
    inside = (at >= 0) & (at < len(sheet.frame_ids))
    if inside.any():
        yield Strand(key, phrase, at[inside], boxes[first][inside])


def _sides(bbox: Mapping[str, Any]) -> list[float]:
    x, y, width, height = (float(bbox[n]) for n in ("left", "top", "width", "height"))
    if not np.isfinite([x, y, width, height]).all():
        raise ValueError("a box has no numbers for its sides")
    return [x, y, x + width, y + height]


def _instances(
    masks: Mapping[str, Any], sheet: Sheet, strands: Sequence[Strand]
) -> Iterator[Strand]:
    colors = {tuple(i["colorRGB"]): str(i["name"]) for i in masks["instances"]}
    numbers = {r << 16 | g << 8 | b: name for (r, g, b), name in colors.items()}
    for frame in masks["frames"]:
        place = int(frame["index"]) - 1
        if "imBytes" not in frame or not 0 <= place < len(sheet.frame_ids):
            continue
        shown = parts(from_png(frame["imBytes"], sheet.size), numbers)
        for number, counts in shown.items():
            box = np.array([rle.box(counts, sheet.size)], np.float64)
            # Colours are ours as long as the name is.
            same = number <= len(strands) and strands[number - 1].phrase == numbers[number]
            key = strands[number - 1].key if same else ""
            yield Strand(key, numbers[number], np.array([place]), box, {place: counts}, drawn=False)


def _labels(line: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    projects = (line.get("projects") or {}).values()
    return [label for project in projects for label in project.get("labels") or ()][:1]


def _approved(line: Mapping[str, Any], labels: Sequence[Mapping[str, Any]]) -> bool:
    states = [
        (project.get("project_details") or {}).get("workflow_status")
        for project in (line.get("projects") or {}).values()
    ]
    reviews = [
        str(review.get("type") or review.get("label_review_score"))
        for label in labels
        for review in (label.get("label_details") or {}).get("reviews") or ()
    ]
    return "DONE" in states or (bool(reviews) and reviews[-1] in ("approve", "APPROVED", "1"))


def _exported(
    labels: Sequence[Mapping[str, Any]], sheet: Sheet, known: Mapping[str, str]
) -> Iterator[Strand]:
    """Boxes of an export, which gives every frame."""
    found: dict[str, tuple[str, dict[int, list[float]]]] = {}
    for label in labels:
        frames = (label["annotations"].get("frames") or {}).items()
        for number, frame in frames:
            for identity, thing in (frame.get("objects") or {}).items():
                if thing.get("bounding_box") is None:
                    continue
                _, boxes = found.setdefault(identity, (str(thing["name"]), {}))
                boxes[int(number) - 1] = _sides(thing["bounding_box"])
    for identity, (phrase, boxes) in found.items():
        at = np.array(sorted(boxes), np.int64)
        sides = np.array([boxes[place] for place in at.tolist()])
        yield from _strand(known.get(identity, ""), phrase, at, sides, sheet)
