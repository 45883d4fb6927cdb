"""Label Studio: tracks on videos, masks on the stills that show each track well, as JSON tasks.

In: a queue. Out: two projects, each a configuration and a file of tasks with predictions:
``tracks.xml`` and ``tracks.json`` for the videos, ``stills.xml`` and ``stills.json`` for the
pictures, and both kinds of media under ``media/``. Label Studio has no masks on videos. Its JSON
export comes back; what somebody submitted counts as reviewed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from scenekeeper import masks as rle
from scenekeeper.errors import ReviewError
from scenekeeper.exchange.queue_files import files, loaded_json
from scenekeeper.exchange.queue_keyframes import filled, keyframes, stretches
from scenekeeper.exchange.queue_masks import from_brush, from_polygons, to_brush
from scenekeeper.exchange.queue_pictures import video_size, write_stills, write_video
from scenekeeper.exchange.queue_sheets import Queue, Returned, Sheet, Strand, words
from scenekeeper.store import Dataset

SHEETS = frozenset({"video", "stills"})
NOTES = (
    "Two projects: tracks.xml with tracks.json, and stills.xml with stills.json.",
    "Label Studio serves the media where LOCAL_FILES_SERVING_ENABLED is true,"
    " LOCAL_FILES_DOCUMENT_ROOT is this folder, and its media/ is added as local storage.",
)
MEDIA = "media"
ROUNDING = 0.1
"""Pixels; Label Studio keeps shares of the picture with many digits."""


# --- out ------------------------------------------------------------------------------------------


def write(dataset: Dataset, queue: Queue, folder: Path) -> Queue:
    """Write a queue into a folder; gives it back as it was written."""
    names = sorted(set(words(dataset)) | set(queue.phrases()))
    tasks: dict[str, list[dict[str, Any]]] = {"video": [], "stills": []}
    for sheet in queue.sheets.values():
        if sheet.kind == "video":
            write_video(dataset, sheet, folder / MEDIA / f"{sheet.name}.mp4")
            tasks["video"].append(_video_task(queue, sheet))
        else:
            write_stills(dataset, sheet, folder / MEDIA / sheet.name)
            tasks["stills"] += [_still_task(queue, sheet, k) for k in range(len(sheet.frame_ids))]
    for name, kind in (("tracks", "video"), ("stills", "stills")):
        text = json.dumps(tasks[kind], ensure_ascii=False, separators=(",", ":")) + "\n"
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    fps = {sheet.fps for sheet in queue.sheets.values()}
    (folder / "tracks.xml").write_text(_tracks_config(names, max(fps)), encoding="utf-8")
    (folder / "stills.xml").write_text(_stills_config(names), encoding="utf-8")
    return queue


def _labels(names: Sequence[str]) -> str:
    return "".join(f"  <Label value={quoteattr(name)}/>\n" for name in names)


def _tracks_config(names: Sequence[str], fps: int) -> str:
    return (
        f'<View>\n <Labels name="label" toName="video">\n{_labels(names)} </Labels>\n'
        f' <Video name="video" value="$video" framerate="{fps}"/>\n'
        ' <VideoRectangle name="box" toName="video"/>\n</View>\n'
    )


def _stills_config(names: Sequence[str]) -> str:
    return (
        '<View>\n <Image name="image" value="$image" zoom="true"/>\n'
        f' <RectangleLabels name="box" toName="image">\n{_labels(names)} </RectangleLabels>\n'
        f' <BrushLabels name="mask" toName="image">\n{_labels(names)} </BrushLabels>\n</View>\n'
    )


def _task(queue: Queue, data: Mapping[str, Any], results: list[dict[str, Any]]) -> dict[str, Any]:
    predictions = [{"model_version": "scenekeeper", "result": results}]
    return {"data": {**data, "queue": queue.id}, "predictions": predictions}


def _video_task(queue: Queue, sheet: Sheet) -> dict[str, Any]:
    n = len(sheet.frame_ids)
    results = [
        {
            "id": key,
            "type": "videorectangle",
            "from_name": "box",
            "to_name": "video",
            "value": {
                "framesCount": n,
                "duration": n / sheet.fps,
                "sequence": list(_sequence(sheet, strand)),
                "labels": [strand.phrase],
            },
            "meta": {"text": [key]},
        }
        for key, strand in queue.on(sheet).items()
    ]
    url = f"/data/local-files/?d={MEDIA}/{sheet.name}.mp4"
    return _task(queue, {"video": url, "sheet": sheet.letter}, results)


def _sequence(sheet: Sheet, strand: Strand) -> Iterator[dict[str, Any]]:
    kept = keyframes(strand.at, strand.boxes)
    for part in stretches(strand.at):
        for k in (np.flatnonzero(kept[part]) + part.start).tolist():
            place = int(strand.at[k])
            yield {
                "frame": place + 1,
                "enabled": k < part.stop - 1,
                "rotation": 0,
                "time": place / sheet.fps,
                **_share(strand.boxes[k], video_size(sheet)),
            }


def _share(box: NDArray[np.float64], size: tuple[int, int]) -> dict[str, float]:
    x0, y0, x1, y1 = box.tolist()
    height, width = size
    return {
        "x": 100 * x0 / width,
        "y": 100 * y0 / height,
        "width": 100 * (x1 - x0) / width,
        "height": 100 * (y1 - y0) / height,
    }


def _still_task(queue: Queue, sheet: Sheet, place: int) -> dict[str, Any]:
    results = []
    for key, strand in queue.on(sheet).items():
        k = int(np.searchsorted(strand.at, place))
        if k == len(strand.at) or strand.at[k] != place:
            continue
        plain = {
            "to_name": "image",
            "original_width": sheet.size[1],
            "original_height": sheet.size[0],
            "image_rotation": 0,
            "meta": {"text": [key]},
        }
        share = _share(strand.boxes[k], sheet.size)
        box = {**share, "rotation": 0, "rectanglelabels": [strand.phrase]}
        results.append(
            {"id": key, "type": "rectanglelabels", "from_name": "box", "value": box, **plain}
        )
        if place in strand.masks:
            brush = {"format": "rle", "rle": to_brush(strand.masks[place], sheet.size)}
            brush["brushlabels"] = [strand.phrase]
            results.append(
                {"id": f"{key}m", "type": "brushlabels", "from_name": "mask", "value": brush}
                | plain
            )
    url = f"/data/local-files/?d={MEDIA}/{sheet.name}/{sheet.picture(place)}"
    return _task(queue, {"image": url, "sheet": sheet.letter, "place": place}, results)


# --- back -----------------------------------------------------------------------------------------


def read(path: Path, queue: Queue) -> list[Returned]:
    """What Label Studio's JSON export says: a file, an archive, or a folder of them."""
    videos: dict[str, list[Strand]] = {}
    stills: dict[str, dict[int, list[Strand]]] = {}
    waiting = 0
    for name, data in files(path, ".json"):
        for task in _tasks(loaded_json(path, name, data), path, name):
            sheet = _sheet_of(task, queue, path, name)
            results = _submitted(task)
            if results is None:
                waiting += 1
            elif sheet.kind == "video":
                videos[sheet.letter] = [s for r in results for s in _video(r, sheet, queue)]
            else:
                place = int(task["data"]["place"])
                found = [s for r in results for s in _still(r, sheet, place, queue)]
                stills.setdefault(sheet.letter, {})[place] = found
    if not videos and not stills:
        raise ReviewError(
            f"none of its {waiting} tasks has been submitted" if waiting else "holds no task",
            path=path,
            remedy="Submit annotations in Label Studio, then export them as JSON.",
        )
    back = [
        Returned(k, np.arange(len(queue.sheets[k].frame_ids)), found, True, ROUNDING)
        for k, found in videos.items()
    ]
    for k, by_place in stills.items():
        places = sorted(by_place)
        strands = [s for place in places for s in by_place[place]]
        back.append(Returned(k, np.array(places, np.int64), strands, True, ROUNDING))
    return back


def _tasks(data: Any, path: Path, name: str) -> list[Mapping[str, Any]]:
    if not isinstance(data, list) or any("data" not in task for task in data):
        raise ReviewError(
            "is not a list of tasks",
            path=path,
            place=name if name != path.name else None,
            remedy="Export from Label Studio as JSON, not JSON-MIN.",
        )
    return data


def _sheet_of(task: Mapping[str, Any], queue: Queue, path: Path, name: str) -> Sheet:
    told, letter = task["data"].get("queue"), task["data"].get("sheet")
    if told != queue.id or letter not in queue.sheets:
        raise ReviewError(
            f"task {task.get('id', '?')} is not of this queue",
            path=path,
            place=name if name != path.name else None,
            remedy="Put the export beside the scenekeeper.json that its tasks were made with.",
        )
    return queue.sheets[letter]


def _submitted(task: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """Results of the annotation that counts: the ground truth if there is one, else the newest."""
    done = [a for a in task.get("annotations") or () if not a.get("was_cancelled")]
    if not done:
        return None
    last = max(
        done,
        key=lambda a: (bool(a.get("ground_truth")), str(a.get("updated_at")), a.get("id") or 0),
    )
    return list(last["result"])


def _key(result: Mapping[str, Any], queue: Queue) -> str:
    texts = (result.get("meta") or {}).get("text") or [result.get("id", "")]
    key = str(texts[0] if isinstance(texts, list) else texts).strip()
    return key if key in queue.strands else ""


def _video(result: Mapping[str, Any], sheet: Sheet, queue: Queue) -> Iterator[Strand]:
    if result.get("type") != "videorectangle":
        return
    value = result["value"]
    steps = sorted(value["sequence"], key=lambda step: step["frame"])
    at = np.array([int(step["frame"]) - 1 for step in steps], np.int64)
    boxes = np.array([_pixels(step, video_size(sheet)) for step in steps]).reshape(-1, 4)
    goes_on = np.array([bool(step.get("enabled", True)) for step in steps])
    last = len(sheet.frame_ids) - 1
    if len(at) and goes_on[-1] and at[-1] < last:
        at, boxes = np.append(at, last), np.concatenate((boxes, boxes[-1:]))
        goes_on = np.append(goes_on, False)
    at, boxes = filled(at, boxes, goes_on, last + 1)
    if len(at):
        yield Strand(_key(result, queue), (value.get("labels") or [""])[0], at, boxes)


def _still(result: Mapping[str, Any], sheet: Sheet, place: int, queue: Queue) -> Iterator[Strand]:
    kind, value = str(result.get("type")), result.get("value") or {}
    phrase = (value.get(kind) or [""])[0]
    key, at = _key(result, queue), np.array([place])
    if kind == "rectanglelabels":
        yield Strand(key, phrase, at, np.array([_pixels(value, sheet.size)]))
        return
    if kind == "brushlabels":
        counts = from_brush(value["rle"], sheet.size)
    elif kind == "polygonlabels":
        height, width = sheet.size
        corners = np.array(value["points"], np.float64) / 100 * (width, height)
        counts = from_polygons([corners.ravel().tolist()], sheet.size)
    else:
        return
    box = np.array([rle.box(counts, sheet.size)], np.float64)
    yield Strand(key, phrase, at, box, {place: counts}, drawn=False)


def _pixels(share: Mapping[str, Any], size: tuple[int, int]) -> list[float]:
    """``xyxy`` of a box in shares of a hundred; of a turned one the upright box around it."""
    height, width = size
    x, y = float(share["x"]) * width / 100, float(share["y"]) * height / 100
    w, h = float(share["width"]) * width / 100, float(share["height"]) * height / 100
    turn = np.deg2rad(float(share.get("rotation") or 0))  # about the upper left corner
    across, down = (
        w * np.array([np.cos(turn), np.sin(turn)]),
        h * np.array([-np.sin(turn), np.cos(turn)]),
    )
    corners = np.array([x, y]) + np.array([0 * across, across, down, across + down])
    if not np.isfinite(corners).all():
        raise ValueError("a box has no numbers for its sides")
    return [*corners.min(axis=0).tolist(), *corners.max(axis=0).tolist()]
