"""Labelling tools' own parsers read the queues that we write, boxes and masks to the pixel.

They live in an environment of their own, and so does Label Studio's server:

    .ci/vendors-env vendors-env
    SCENEKEEPER_VENDORS_PYTHON=vendors-env/parsers/bin/python pytest tests/interop/test_vendors.py
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenekeeper import labeling, masks
from scenekeeper.exchange import queue_masks
from scenekeeper.exchange.queues import read_corrections, write_queue
from scenekeeper.simulate import write_tabletop
from scenekeeper.store import Dataset, open_dataset

pytestmark = pytest.mark.interop

HEAD = """
import json, sys
from pathlib import Path
import numpy as np

folder = Path(sys.argv[1])
written = json.loads((folder / "scenekeeper.json").read_text())
(video,) = [s for s in written["sheets"] if s["kind"] == "video"] or [None]
"""

CVAT = """
from cvat_sdk.masks import decode_mask, encode_mask
from datumaro import AnnotationType, Dataset
from xml.etree import ElementTree

height, width = video["size"]
data = Dataset.import_from(str(folder / video["name"]), "cvat")
shapes = []
for item in data:
    frame = item.attributes["frame"]
    for a in item.annotations:
        name = data.categories()[AnnotationType.label][a.label].name
        fact = {"place": frame, "key": a.attributes["obj"], "name": name}
        if a.type == AnnotationType.mask:
            rows, columns = np.nonzero(a.image)
            fact |= {"area": int(a.image.sum()), "mean": [columns.mean(), rows.mean()]}
        else:
            fact |= {"box": a.points, "outside": a.attributes["outside"]}
        shapes.append(fact)
spelled = []
for m in ElementTree.parse(folder / video["name"] / "annotations.xml").iter("mask"):
    left, top, w, h = (int(m.get(n)) for n in ("left", "top", "width", "height"))
    points = [*map(int, m.get("rle").split(",")), left, top, left + w - 1, top + h - 1]
    mask = decode_mask(points, image_width=width, image_height=height)
    spelled.append(encode_mask(mask) == points)
print(json.dumps({"shapes": shapes, "sdk": spelled}))
"""

STUDIO = """
from label_studio_sdk.converter.brush import decode_rle, mask2rle
from label_studio_sdk.label_interface import LabelInterface

facts = {"errors": [], "areas": {}, "again": {}, "tasks": {}}
for name in ("tracks", "stills"):
    config = LabelInterface((folder / f"{name}.xml").read_text())
    config.validate()
    tasks = json.loads((folder / f"{name}.json").read_text())
    facts["tasks"][name] = len(tasks)
    for task in tasks:
        assert all(o.value_name in task["data"] for o in config.objects)
        (prediction,) = task["predictions"]
        facts["errors"] += config.validate_prediction(prediction, return_errors=True)
        for r in prediction["result"]:
            if r["type"] == "brushlabels":
                size = r["original_height"], r["original_width"]
                mask = decode_rle(r["value"]["rle"]).reshape(*size, 4)[..., 3]
                key = f"{r['meta']['text'][0]} {task['data']['place']}"
                facts["areas"][key] = int((mask > 0).sum())
                facts["again"][key] = mask2rle(mask)
print(json.dumps(facts))
"""

LABELBOX = """
import base64
import labelbox.types as lb
from labelbox.data.serialization import NDJsonConverter
from labelbox.data.serialization.ndjson.objects import NDSegments, NDVideoMasks

lines = [json.loads(line) for line in (folder / "annotations.ndjson").open()]
tracks, areas, again = {}, {}, []
for line in lines:
    if "segments" in line:
        parsed = NDSegments(**line)
        common = parsed.to_common(parsed.name, None)
        corners = [(a.frame, a.value.start, a.value.end) for a in common]
        tracks[line["uuid"]] = [[k, a.x, a.y, b.x, b.y] for k, a, b in corners]
        label = lb.Label(
            data=lb.GenericDataRowData(global_key=line["dataRow"]["globalKey"]), annotations=common
        )
        again += [json.loads(json.dumps(x)) for x in NDJsonConverter.serialize([label])]
    else:
        parsed = NDVideoMasks(**line).masks
        colors = {i.color_rgb: i.name for i in parsed.instances}
        for frame in parsed.frames:
            rgb = lb.MaskData(im_bytes=base64.b64decode(frame.im_bytes)).value
            for color, name in colors.items():
                n = int((rgb == np.array(color)).all(axis=2).sum())
                if n:
                    areas.setdefault(str(frame.index - 1), []).append([name, n])
(folder / "again.ndjson").write_text("".join(json.dumps(x) + "\\n" for x in again))
print(json.dumps({"tracks": tracks, "areas": areas}))
"""

V7 = """
from darwin.exporter.formats.mask import rle_decode
from darwin.utils import parse_darwin_json

(file,) = (folder / "annotations").glob("*.json")
parsed = parse_darwin_json(file)
tracks, areas = {}, {}
for a in parsed.annotations:
    kind = a.annotation_class.annotation_type
    for place, frame in a.frames.items():
        if kind == "bounding_box":
            (number,) = [s.data for s in frame.subs if s.annotation_type == "instance_id"]
            tracks.setdefault(str(number), {})[place] = [frame.data[n] for n in "xywh"]
            assert a.keyframes[place]
        elif kind == "raster_layer":
            same = {n: n for n in frame.data["dense_rle"][::2]}
            layer = np.array(rle_decode(frame.data["dense_rle"], same))
            assert layer.size == parsed.image_width * parsed.image_height
            for identity, n in frame.data["mask_annotation_ids_mapping"].items():
                areas.setdefault(str(place), []).append(int((layer == n).sum()))
kinds = [a.annotation_class.annotation_type for a in parsed.annotations]
print(json.dumps({
    "video": parsed.is_video, "frames": parsed.frame_count, "tracks": tracks, "areas": areas,
    "kinds": {k: kinds.count(k) for k in set(kinds)},
}))
"""

ROBOFLOW = """
from roboflow.util.folderparser import parsefolder

parsed = parsefolder(str(folder / "upload"))
shapes = {}
for image in parsed["images"]:
    told = json.loads(image["annotationfile"]["rawText"])
    names = {c["id"]: c["name"] for c in told["categories"]}
    shapes[image["name"]] = [[names[a["category_id"]], *a["bbox"]] for a in told["annotations"]]
print(json.dumps(shapes))
"""


@pytest.fixture(scope="module")
def interpreter() -> str:
    """A Python that has the vendors' parsers."""
    found = os.environ.get("SCENEKEEPER_VENDORS_PYTHON")
    if not found:
        pytest.skip("set SCENEKEEPER_VENDORS_PYTHON to a Python with the parsers (recipe on top)")
    return str(Path(found).absolute())


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A labelled table top of 30 frames."""
    folder = tmp_path_factory.mktemp("vendors")
    write_tabletop(folder / "room", 30)
    labeling.label([folder / "room"], folder / "room.sk")
    return open_dataset(folder / "room.sk")


@pytest.fixture
def asked(
    interpreter: str, room: Dataset, tmp_path: Path
) -> Callable[[str, str], tuple[dict[str, Any], dict[str, Any], Path]]:
    """What a vendor's parser says of a queue, and the queue's id map."""

    def ask(tool: str, script: str) -> tuple[dict[str, Any], dict[str, Any], Path]:
        folder = write_queue(room, tool, tmp_path / tool).path
        done = subprocess.run(
            [interpreter, "-c", HEAD + script, str(folder)],
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        written = json.loads((folder / "scenekeeper.json").read_text())
        said = [line for line in done.stdout.splitlines() if line.startswith("{")]
        return json.loads(said[-1]), written, folder

    return ask


def strands(written: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    letters = {s["letter"] for s in written["sheets"] if s["kind"] == kind}
    found = {s["key"]: s for s in written["strands"]}
    return {k: s for k, s in found.items() if k.rstrip("0123456789") in letters}


def areas_of(strand: dict[str, Any]) -> dict[int, int]:
    """Area of each mask of a strand by place."""
    return {int(p): masks.area(c.encode()) for p, c in strand["masks"].items()}


def test_datumaro_and_cvats_sdk_read_tracks_and_masks(asked: Any) -> None:
    said, written, _ = asked("cvat", CVAT)
    ours = strands(written, "video")
    assert said["sdk"] and all(said["sdk"])
    size = written["sheets"][0]["size"]
    seen = {(s["key"], s["place"]) for s in said["shapes"] if "area" in s}
    assert seen == {(k, p) for k, s in ours.items() for p in areas_of(s)}
    for shape in said["shapes"]:
        strand = ours[shape["key"]]
        assert shape["name"] == strand["phrase"]
        if "area" in shape:
            assert shape["area"] == areas_of(strand)[shape["place"]]
            mask = masks.decode(strand["masks"][str(shape["place"])].encode(), tuple(size))
            rows, columns = np.nonzero(mask)
            assert shape["mean"] == pytest.approx([columns.mean(), rows.mean()])
        elif not shape["outside"]:
            box = strand["boxes"][strand["at"].index(shape["place"])]
            assert shape["box"] == pytest.approx(box, abs=0.006)
        else:
            assert shape["place"] not in strand["at"]
    assert {s["key"] for s in said["shapes"] if "box" in s} == set(ours)


def test_label_studios_sdk_finds_no_error_and_reads_every_mask(asked: Any) -> None:
    said, written, _ = asked("label-studio", STUDIO)
    assert said["errors"] == []
    still = next(s for s in written["sheets"] if s["kind"] == "stills")
    assert said["tasks"] == {"tracks": 1, "stills": len(still["frame_ids"])}
    size = tuple(still["size"])
    ours = strands(written, "stills")
    assert said["areas"] == {
        f"{k} {p}": area for k, s in ours.items() for p, area in areas_of(s).items()
    }
    for name, rle in said["again"].items():
        key, place = name.split()
        assert queue_masks.from_brush(rle, size) == ours[key]["masks"][place].encode()


def test_labelboxs_sdk_reads_every_line_and_writes_it_again(asked: Any, room: Dataset) -> None:
    said, written, folder = asked("labelbox", LABELBOX)
    ours = list(strands(written, "video").values())
    assert len(said["tracks"]) == len(ours)
    for strand, steps in zip(ours, said["tracks"].values(), strict=True):
        places = {frame - 1 for frame, *_ in steps}
        assert places <= set(strand["at"]) and {strand["at"][0], strand["at"][-1]} <= places
        for frame, *box in steps:
            at = strand["at"].index(frame - 1)
            assert box == pytest.approx(strand["boxes"][at], abs=0.002)
    areas: dict[str, list[list[Any]]] = {}
    for strand in ours:
        for place, area in areas_of(strand).items():
            areas.setdefault(str(place), []).append([strand["phrase"], area])
    assert {p: sorted(v) for p, v in said["areas"].items()} == {
        p: sorted(v) for p, v in areas.items()
    }
    assert read_corrections(room, "labelbox", folder / "again.ndjson") == []


def test_v7s_parser_reads_a_video_of_tracks_and_one_layer_of_masks(asked: Any) -> None:
    said, written, _ = asked("v7", V7)
    ours = strands(written, "video")
    masked = [s for s in ours.values() if s["masks"]]
    assert said["video"] and said["frames"] == len(written["sheets"][0]["frame_ids"])
    assert said["kinds"] == {"bounding_box": len(ours), "mask": len(masked), "raster_layer": 1}
    assert set(said["tracks"]) == {str(s["track"]) for s in ours.values()}
    for strand in ours.values():
        for place, (x, y, w, h) in said["tracks"][str(strand["track"])].items():
            box = strand["boxes"][strand["at"].index(int(place))]
            assert [x, y, x + w, y + h] == pytest.approx(box, abs=0.002)
    areas: dict[str, list[int]] = {}
    for strand in masked:
        for place, area in areas_of(strand).items():
            areas.setdefault(str(place), []).append(area)
    assert {p: sorted(v) for p, v in said["areas"].items()} == {
        p: sorted(v) for p, v in areas.items()
    }


def test_roboflows_parser_finds_the_boxes_of_every_picture(asked: Any) -> None:
    said, written, _ = asked("roboflow", ROBOFLOW)
    (sheet,) = written["sheets"]
    ours: dict[str, list[list[Any]]] = {}
    for strand in written["strands"]:
        for place, (x0, y0, x1, y1) in zip(strand["at"], strand["boxes"], strict=True):
            name = f"{sheet['letter']}-{sheet['frame_ids'][place]:06d}.jpg"
            ours.setdefault(name, []).append([strand["phrase"], x0, y0, x1 - x0, y1 - y0])
    assert set(said) == set(ours)
    for name, boxes in ours.items():
        for a, b in zip(sorted(said[name]), sorted(boxes), strict=True):
            assert a[0] == b[0] and a[1:] == pytest.approx(b[1:], abs=0.002)
