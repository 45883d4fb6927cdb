"""CVAT: one task a sheet, pictures beside it, annotations as XML 1.1.

In: a queue. Out: per sheet a folder with ``images/`` and ``annotations.xml``, and one
``labels.json`` for the label constructor. Boxes are tracks. CVAT cannot track masks, so each mask
is a shape of one image. Both carry the attribute ``obj``, which says whose they are. Any XML 1.1
comes back, of the kind for videos or for images.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, TextIO
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from scenekeeper import masks as rle
from scenekeeper.errors import ReviewError
from scenekeeper.exchange.queue_files import files
from scenekeeper.exchange.queue_keyframes import filled, keyframes, stretches
from scenekeeper.exchange.queue_masks import from_cvat, from_polygons, to_cvat
from scenekeeper.exchange.queue_pictures import write_stills
from scenekeeper.exchange.queue_sheets import Queue, Returned, Sheet, Strand, letter_of, words
from scenekeeper.store import Dataset

SHEETS = frozenset({"video"})
NOTES = (
    "One task for each folder: its pictures, labels.json as raw labels, then upload"
    " annotations.xml as 'CVAT 1.1'.",
)
ATTRIBUTE = "obj"
ROUNDING = 0.05
"""Pixels; CVAT writes two decimals."""


# --- out ------------------------------------------------------------------------------------------


def write(dataset: Dataset, queue: Queue, folder: Path) -> Queue:
    """Write a queue into a folder; gives it back as it was written."""
    names = sorted(set(words(dataset)) | set(queue.phrases()))
    attribute = {"name": ATTRIBUTE, "mutable": False, "input_type": "text"}
    attribute |= {"default_value": "", "values": [""]}
    labels = [{"name": name, "attributes": [attribute]} for name in names]
    text = json.dumps(labels, ensure_ascii=False, indent=1) + "\n"
    (folder / "labels.json").write_text(text, encoding="utf-8")
    for sheet in queue.sheets.values():
        write_stills(dataset, sheet, folder / sheet.name / "images")
        with (folder / sheet.name / "annotations.xml").open("w", encoding="utf-8") as file:
            _write_sheet(file, sheet, queue.on(sheet), names)
    return queue


def _write_sheet(
    file: TextIO, sheet: Sheet, strands: Mapping[str, Strand], names: list[str]
) -> None:
    file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n')
    file.write(_meta(sheet, names))
    for number, strand in enumerate(strands.values()):
        file.write(f'<track id="{number}" label={quoteattr(strand.phrase)} source="file">\n')
        file.writelines(_track_boxes(sheet, strand))
        file.write("</track>\n")
    for place, name in enumerate(map(sheet.picture, range(len(sheet.frame_ids)))):
        height, width = sheet.size
        shapes = list(_masks(sheet, strands, place))
        head = f'<image id="{place}" name="{name}" width="{width}" height="{height}">'
        file.writelines([head, "\n", *shapes, "</image>\n"] if shapes else [])
    file.write("</annotations>\n")


def _meta(sheet: Sheet, names: list[str]) -> str:
    attribute = (
        f"<attribute><name>{ATTRIBUTE}</name><mutable>False</mutable><input_type>text</input_type>"
        "<default_value></default_value><values></values></attribute>"
    )
    labels = "".join(
        f"<label><name>{escape(name)}</name><attributes>{attribute}</attributes></label>\n"
        for name in names
    )
    n, (height, width) = len(sheet.frame_ids), sheet.size
    return (
        f"<meta><task><name>{escape(sheet.name)}</name><size>{n}</size><mode>annotation</mode>"
        f"<start_frame>0</start_frame><stop_frame>{n - 1}</stop_frame>\n<labels>{labels}</labels>"
        f"<original_size><width>{width}</width><height>{height}</height></original_size>"
        "</task></meta>\n"
    )


def _track_boxes(sheet: Sheet, strand: Strand) -> Iterator[str]:
    kept = keyframes(strand.at, strand.boxes)
    for part in stretches(strand.at):
        for k in np.flatnonzero(kept[part]) + part.start:
            yield _box(int(strand.at[k]), strand.boxes[k].tolist(), strand.key, outside=0)
        after = int(strand.at[part.stop - 1]) + 1
        if after < len(sheet.frame_ids):  # CVAT shows a box until it is told to stop
            yield _box(after, strand.boxes[part.stop - 1].tolist(), strand.key, outside=1)


def _box(place: int, box: list[float], key: str, outside: int) -> str:
    sides = " ".join(
        f'{n}="{v:.2f}"' for n, v in zip(("xtl", "ytl", "xbr", "ybr"), box, strict=True)
    )
    return (
        f'<box frame="{place}" keyframe="1" outside="{outside}" occluded="0" {sides} z_order="0">'
        f'<attribute name="{ATTRIBUTE}">{key}</attribute></box>\n'
    )


def _masks(sheet: Sheet, strands: Mapping[str, Strand], place: int) -> Iterator[str]:
    for number, strand in enumerate(strands.values(), 1):
        if place not in strand.masks:
            continue
        runs, (left, top, width, height) = to_cvat(strand.masks[place], sheet.size)
        yield (
            f'<mask label={quoteattr(strand.phrase)} source="file" occluded="0"'
            f' rle="{", ".join(map(str, runs))}" left="{left}" top="{top}" width="{width}"'
            f' height="{height}" z_order="0" group_id="{number}">'
            f'<attribute name="{ATTRIBUTE}">{strand.key}</attribute></mask>\n'
        )


# --- back -----------------------------------------------------------------------------------------


def read(path: Path, queue: Queue) -> list[Returned]:
    """What CVAT's XML says: a file, an archive, or a folder of them."""
    back: dict[str, Returned] = {}
    for name, data in files(path, ".xml"):
        root = _parsed(path, name, data)
        sheet = _sheet_of(root, queue, name, path)
        if sheet.letter in back:
            raise ReviewError(f"holds the task {sheet.name!r} twice", path=path, place=name)
        first, last = (
            int(root.findtext(f"meta/*/{n}") or d)
            for n, d in (("start_frame", 0), ("stop_frame", len(sheet.frame_ids) - 1))
        )
        places = np.arange(max(0, first), min(last, len(sheet.frame_ids) - 1) + 1)
        strands = [*_tracks(root, sheet, int(places[-1])), *_images(root, sheet)]
        back[sheet.letter] = Returned(sheet.letter, places, strands, rounding=ROUNDING)
    return list(back.values())


def _parsed(path: Path, name: str, data: bytes) -> ElementTree.Element:
    place = name if name != path.name else None
    if re.search(rb"<!(DOCTYPE|ENTITY)", data[:4096]):
        raise ReviewError("declares a document type, which CVAT never does", path=path, place=place)
    try:
        root = ElementTree.parse(BytesIO(data)).getroot()
    except ElementTree.ParseError as error:
        raise ReviewError(
            f"is not XML, or was cut off: {error}",
            path=path,
            place=place,
            remedy="Export it again as 'CVAT for video 1.1' or 'CVAT for images 1.1'.",
        ) from error
    if root.tag != "annotations" or root.findtext("version") != "1.1":
        raise ReviewError(
            "is not CVAT XML 1.1",
            path=path,
            place=place,
            remedy="Export it as 'CVAT for video 1.1' or 'CVAT for images 1.1'.",
        )
    return root


def _sheet_of(root: ElementTree.Element, queue: Queue, name: str, path: Path) -> Sheet:
    """The sheet that a file is of: by the keys in it, else by the name of task or folder."""
    keys = [el.text or "" for el in root.iter("attribute") if el.get("name") == ATTRIBUTE]
    letters = Counter(letter_of(k) for k in keys if k in queue.strands)
    if letters:
        return queue.sheets[letters.most_common(1)[0][0]]
    told = [root.findtext("meta/*/name") or "", *Path(name).parts, *path.absolute().parts[-2:]]
    found = [s for s in queue.sheets.values() if any(s.name in (t, Path(t).stem) for t in told)]
    if not found and len(queue.sheets) == 1:
        found = list(queue.sheets.values())
    if len(found) != 1:
        raise ReviewError(
            "cannot be told which task it is of",
            path=path,
            remedy="Name the file like the task's folder: "
            + ", ".join(f"{s.name}.xml" for s in queue.sheets.values())[:300],
        )
    return found[0]


def _tracks(root: ElementTree.Element, sheet: Sheet, last: int) -> Iterator[Strand]:
    for track in root.iter("track"):
        phrase = track.attrib["label"]
        shapes = sorted((s for s in track if s.get("frame")), key=lambda s: int(s.attrib["frame"]))
        key = next((_key(s) for s in shapes if _key(s)), "")
        boxes = [s for s in shapes if s.tag == "box"]
        if boxes:
            yield _boxes(key, phrase, boxes, last)
        for shape in shapes:
            if shape.tag != "box" and shape.get("outside") != "1":
                yield from _outlined(key, phrase, int(shape.attrib["frame"]), shape, sheet)


def _boxes(key: str, phrase: str, shapes: list[ElementTree.Element], last: int) -> Strand:
    """A track of boxes at every place that it covers."""
    at = np.array([int(s.attrib["frame"]) for s in shapes], np.int64)
    sides = np.array([_sides(s) for s in shapes])
    outside = np.array([s.get("outside") == "1" for s in shapes])
    if not outside[-1] and at[-1] < last:  # a track goes on until it is said to be outside
        at, sides = np.append(at, last), np.concatenate((sides, sides[-1:]))
        outside = np.append(outside, False)
    places, boxes = filled(at, sides, ~outside, last + 1)
    seen = ~np.isin(places, at[outside]) & (places <= last)
    return Strand(key, phrase, places[seen], boxes[seen])


def _images(root: ElementTree.Element, sheet: Sheet) -> Iterator[Strand]:
    place_of = {sheet.picture(k): k for k in range(len(sheet.frame_ids))}
    keyed: dict[str, dict[int, tuple[str, list[float]]]] = {}
    for image in root.iter("image"):
        name = Path(image.get("name", "")).name
        place = place_of.get(name, int(image.attrib["id"]))
        for shape in image:
            phrase, key = shape.get("label", ""), _key(shape)
            if shape.tag == "box" and key and place not in keyed.get(key, {}):
                keyed.setdefault(key, {})[place] = phrase, _sides(shape)
            elif shape.tag == "box":
                yield Strand(key, phrase, np.array([place]), np.array([_sides(shape)]))
            else:
                yield from _outlined(key, phrase, place, shape, sheet)
    for key, shapes in keyed.items():  # a track, written picture by picture
        at = np.array(sorted(shapes), np.int64)
        sides = np.array([shapes[place][1] for place in at.tolist()])
        name = Counter(phrase for phrase, _ in shapes.values()).most_common(1)[0][0]
        yield Strand(key, name, at, sides)


def _outlined(
    key: str, phrase: str, place: int, shape: ElementTree.Element, sheet: Sheet
) -> Iterator[Strand]:
    """A mask or polygon, as a strand of one place with the box of the mask."""
    if shape.tag == "mask":
        runs = [int(v) for v in shape.attrib["rle"].split(",")]
        left, top, width, height = (
            int(shape.attrib[n]) for n in ("left", "top", "width", "height")
        )
        counts = from_cvat(runs, (left, top, width, height), sheet.size)
    elif shape.tag == "polygon":
        corners = [float(v) for pair in shape.attrib["points"].split(";") for v in pair.split(",")]
        counts = from_polygons([corners], sheet.size)
    else:
        return
    box = np.array([rle.box(counts, sheet.size)], np.float64)
    yield Strand(key, phrase, np.array([place]), box, {place: counts}, drawn=False)


def _sides(shape: ElementTree.Element) -> list[float]:
    """``xyxy`` of a box; of a turned one the upright box around it."""
    x0, y0, x1, y1 = (float(shape.attrib[n]) for n in ("xtl", "ytl", "xbr", "ybr"))
    turn = np.deg2rad(float(shape.get("rotation", 0)))
    across, down = abs(x1 - x0) / 2, abs(y1 - y0) / 2
    reach_x = abs(np.cos(turn)) * across + abs(np.sin(turn)) * down
    reach_y = abs(np.sin(turn)) * across + abs(np.cos(turn)) * down
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    sides = [x - reach_x, y - reach_y, x + reach_x, y + reach_y]
    if not np.isfinite(sides).all():
        raise ValueError("a box has no numbers for its sides")
    return [float(v) for v in sides]


def _key(shape: ElementTree.Element) -> str:
    found: Any = next((a.text for a in shape if a.get("name") == ATTRIBUTE), "")
    return (found or "").strip()
