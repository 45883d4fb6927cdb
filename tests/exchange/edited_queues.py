"""A person at work in each labelling tool: their export files, made from what was imported.

``things(tool, folder)`` gives every track or shape of a queue's folder as the tool shows it; each
can be renamed, moved and deleted. ``save`` then writes what the tool would export.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

TOOLS = ["cvat", "label-studio", "labelbox", "v7", "roboflow"]


@dataclass
class Thing:
    """One track, or one shape of a picture.

    Attributes:
        sheet: where it is.
        key: as in the id map; empty where the file holds none.
        phrase: what it is called.
        rename: gives it another name.
        move: moves its first box to the right by so many pixels.
        delete: takes it away, masks and all.
    """

    sheet: str
    key: str
    phrase: str
    rename: Callable[[str], None]
    move: Callable[[float], None]
    delete: Callable[[], None]


@dataclass
class Desk:
    """A queue open in a tool."""

    things: list[Thing]
    save: Callable[[], Path]
    submitted: list[Any] = field(default_factory=list)


def open_in(tool: str, folder: Path) -> Desk:
    """Open a queue's folder in a tool."""
    openers = {"cvat": _cvat, "label-studio": _label_studio, "labelbox": _labelbox}
    return {**openers, "v7": _v7, "roboflow": _roboflow}[tool](folder)


# --- CVAT -----------------------------------------------------------------------------------------


def _cvat(folder: Path) -> Desk:
    trees = {file: ElementTree.parse(file) for file in sorted(folder.rglob("annotations.xml"))}
    things = [t for f, tree in trees.items() for t in _cvat_things(f.parent.name, tree.getroot())]

    def save() -> Path:
        for file, tree in trees.items():
            tree.write(file, encoding="utf-8", xml_declaration=True)
        return folder

    return Desk(things, save)


def _cvat_things(sheet: str, root: ElementTree.Element) -> Iterator[Thing]:
    masks = [(image, m) for image in root.iter("image") for m in image]
    for track in list(root.iter("track")):
        key = track[0][0].text or ""
        mine = [(image, m) for image, m in masks if m[0].text == key]

        def rename(name: str, track: Any = track, mine: Any = mine) -> None:
            for element in [track, *(m for _, m in mine)]:
                element.set("label", name)

        def move(pixels: float, track: Any = track) -> None:
            for side in ("xtl", "xbr"):
                track[0].set(side, f"{float(track[0].get(side)) + pixels:.2f}")

        def delete(track: Any = track, mine: Any = mine) -> None:
            root.remove(track)
            for image, m in mine:
                image.remove(m)

        yield Thing(sheet, key, track.attrib["label"], rename, move, delete)


# --- Label Studio ---------------------------------------------------------------------------------


def _label_studio(folder: Path) -> Desk:
    things: list[Thing] = []
    tasks = []
    for name in ("tracks", "stills"):
        for task in json.loads((folder / f"{name}.json").read_text()):
            results = task.pop("predictions")[0]["result"]
            task["id"] = len(tasks)
            annotation = {"id": 100 + len(tasks), "was_cancelled": False, "result": results}
            task["annotations"] = [annotation]
            tasks.append(task)
            things += _studio_things(task["data"]["sheet"], results)

    def save() -> Path:
        out = folder / "export.json"
        for name in ("tracks", "stills"):
            (folder / f"{name}.json").unlink(missing_ok=True)
        out.write_text(json.dumps(tasks))
        return out

    return Desk(things, save, tasks)


def _studio_things(sheet: str, results: list[Any]) -> Iterator[Thing]:
    for result in list(results):
        if result["type"] == "brushlabels":
            continue
        key = result["meta"]["text"][0]
        mine = [r for r in results if r["meta"]["text"][0] == key]
        box = result["value"]["sequence"][0] if "sequence" in result["value"] else result["value"]
        width = result.get("original_width", 64)

        def rename(name: str, mine: Any = mine) -> None:
            for r in mine:
                for kind in {"labels", "rectanglelabels", "brushlabels"} & r["value"].keys():
                    r["value"][kind] = [name]

        def move(pixels: float, box: Any = box, width: Any = width) -> None:
            box["x"] += 100 * pixels / width

        def delete(mine: Any = mine) -> None:
            for r in mine:
                results.remove(r)

        named = result["value"].get("labels") or result["value"].get("rectanglelabels")
        yield Thing(sheet, key, named[0], rename, move, delete)


# --- Labelbox -------------------------------------------------------------------------------------


def _labelbox(folder: Path) -> Desk:
    file = folder / "annotations.ndjson"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    known = json.loads((folder / "scenekeeper.json").read_text())["strands"]
    boxes = [line for line in lines if "segments" in line]
    things = [_box_thing(lines, line, s["key"]) for line, s in zip(boxes, known, strict=True)]

    def save() -> Path:
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return file

    return Desk(things, save, lines)


def _box_thing(lines: list[Any], line: Any, key: str) -> Thing:
    masks = [
        m["masks"]["instances"] for m in lines if "masks" in m and m["dataRow"] == line["dataRow"]
    ]

    def rename(name: str) -> None:
        for instances in masks:
            for i in instances:
                i["name"] = name if i["name"] == line["name"] else i["name"]
        line["name"] = name

    def move(pixels: float) -> None:
        line["segments"][0]["keyframes"][0]["bbox"]["left"] += pixels

    def delete() -> None:
        lines.remove(line)
        for instances in masks:
            instances[:] = [i for i in instances if i["name"] != line["name"]]

    return Thing(line["dataRow"]["globalKey"], key, line["name"], rename, move, delete)


def labelbox_export(folder: Path, status: str) -> Path:
    """Labelbox's own export of the same annotations: every frame, other ids, no masks."""
    written = json.loads((folder / "scenekeeper.json").read_text())
    names = {s["letter"]: f"{s['name']}-{written['id']}" for s in written["sheets"]}
    lines = []
    for letter, name in names.items():
        frames: dict[str, Any] = {}
        for strand in written["strands"]:
            if strand["key"].rstrip("0123456789") != letter:
                continue
            for place, (x0, y0, x1, y1) in zip(strand["at"], strand["boxes"], strict=True):
                box = {"left": round(x0), "top": round(y0)}
                box |= {"width": round(x1) - box["left"], "height": round(y1) - box["top"]}
                thing = {"feature_id": f"cl{strand['key']}", "name": strand["phrase"]}
                objects = frames.setdefault(str(place + 1), {"objects": {}})["objects"]
                objects[f"cl{strand['key']}"] = {**thing, "bounding_box": box}
        label = {"label_details": {"reviews": []}, "annotations": {"frames": frames}}
        project = {"labels": [label], "project_details": {"workflow_status": status}}
        row = {"id": "cl0", "global_key": name}
        lines.append({"data_row": row, "projects": {"p": project}})
    out = folder / "export.ndjson"
    out.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return out


# --- V7 -------------------------------------------------------------------------------------------


def _v7(folder: Path) -> Desk:
    files = {f: json.loads(f.read_text()) for f in sorted((folder / "annotations").glob("*.json"))}
    things = [t for data in files.values() for t in _darwin_things(data)]

    def save() -> Path:
        for file, data in files.items():
            for k, annotation in enumerate(data["annotations"]):
                annotation["id"] = {"__raster_layer__": "layer"}.get(annotation["name"], f"new{k}")
            file.write_text(json.dumps(data))
        return folder / "annotations"

    return Desk(things, save, list(files.values()))


def _darwin_things(data: Any) -> Iterator[Thing]:
    annotations = data["annotations"]
    for annotation in list(annotations):
        first = next(iter(annotation["frames"].values()))
        if "bounding_box" not in first:
            continue
        number = first["instance_id"]["value"]
        mine = [
            a
            for a in annotations
            for f in [next(iter(a["frames"].values()))]
            if f.get("instance_id", {}).get("value") == number
        ]

        def rename(name: str, mine: Any = mine) -> None:
            for a in mine:
                a["name"] = name

        def move(pixels: float, first: Any = first) -> None:
            first["bounding_box"]["x"] += pixels

        def delete(mine: Any = mine) -> None:
            for a in mine:
                annotations.remove(a)

        yield Thing(data["item"]["name"], str(number), annotation["name"], rename, move, delete)


# --- Roboflow -------------------------------------------------------------------------------------


def _roboflow(folder: Path, scale: float = 1.0) -> Desk:
    files = sorted(folder.rglob("_annotations.coco.json"))
    merged: dict[str, list[Any]] = {"images": [], "annotations": [], "categories": []}
    things: list[Thing] = []
    for file in files:
        data = json.loads(file.read_text())
        names = {c["id"]: c["name"] for c in data["categories"]}
        for image in data["images"]:
            shapes = [a for a in data["annotations"] if a["image_id"] == image["id"]]
            number = len(merged["images"])
            name = image["file_name"].replace(".jpg", "_jpg.rf.0a1B2c.jpg")
            size = {k: round(image[k] * scale) for k in ("width", "height")}
            merged["images"].append({"id": number, "file_name": name, **size})
            for shape in shapes:
                shape |= {"image_id": number, "name": names[shape["category_id"]]}
                shape["bbox"] = [v * scale for v in shape["bbox"]]
                shape["segmentation"] = [[v * scale for v in p] for p in shape["segmentation"]]
                merged["annotations"].append(shape)
                things.append(_coco_thing(merged["annotations"], shape, file.parent.name, scale))

    def save() -> Path:
        names = sorted({a["name"] for a in merged["annotations"]})
        merged["categories"] = [{"id": 7 + k, "name": name} for k, name in enumerate(names)]
        for k, shape in enumerate(reversed(merged["annotations"])):
            shape |= {"id": k, "category_id": 7 + names.index(shape.pop("name"))}
        for file in files:
            file.unlink()
        out = folder / "train" / "_annotations.coco.json"
        out.parent.mkdir()
        out.write_text(json.dumps(merged))
        return out.parent

    return Desk(things, save, [merged])


def roboflow_resized(folder: Path, scale: float) -> Desk:
    """An export whose pictures Roboflow has resized."""
    return _roboflow(folder, scale)


def _coco_thing(shapes: list[Any], shape: Any, sheet: str, scale: float) -> Thing:
    def rename(name: str) -> None:
        shape["name"] = name

    def move(pixels: float) -> None:
        shape["bbox"][0] += pixels * scale

    return Thing(sheet, "", shape["name"], rename, move, lambda: shapes.remove(shape))
