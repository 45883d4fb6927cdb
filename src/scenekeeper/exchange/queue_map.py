"""The id map of a queue: what was written, box by box, so that corrections find their track again.

It lies as ``scenekeeper.json`` beside the tool's files. It never goes into the tool, which may
renumber, rename and drop whatever it likes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scenekeeper.errors import DatasetError, ReviewError
from scenekeeper.exchange.queue_sheets import Owner, Queue, Sheet, Strand, letter_of
from scenekeeper.store import Dataset

FILE = "scenekeeper.json"
VERSION = 1


def save_map(queue: Queue, folder: Path) -> None:
    """Write a queue's id map into a folder."""
    data = {
        "scenekeeper_queue": VERSION,
        "id": queue.id,
        "tool": queue.tool,
        "content": queue.content,
        "runs": queue.runs,
        "seen": queue.seen,
        "sheets": [_sheet_json(sheet) for sheet in queue.sheets.values()],
        "strands": [_strand_json(k, s, queue.owners[k]) for k, s in queue.strands.items()],
    }
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    (folder / FILE).write_text(text + "\n", encoding="utf-8")


def load_map(file: Path, tool: str, dataset: Dataset) -> Queue:
    """Read the id map that belongs to a tool's file or folder.

    Args:
        file: what came back from the tool. The map lies in it or in one of three folders above.
        tool: whose file it is.
        dataset: what the queue has to be of.

    Raises:
        ReviewError: there is no map, it is damaged, of another tool or of another dataset.
    """
    path = _found(file)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["scenekeeper_queue"] != VERSION:
            raise ReviewError(
                "is of another release", path=path, remedy="Upgrade scenekeeper, then import again."
            )
        sheets = {sheet["letter"]: _sheet(sheet) for sheet in data["sheets"]}
        strands = {s["key"]: _strand(s) for s in data["strands"]}
        owners = {s["key"]: Owner(s["track"], s["object"]) for s in data["strands"]}
        if not {letter_of(key) for key in strands} <= sheets.keys():
            raise ValueError("a track is on no sheet")
        facts = (str(data["id"]), data["tool"], data["content"], data["runs"], int(data["seen"]))
        queue = Queue(*facts, sheets, strands, owners)
        told = queue.content.keys() & queue.runs.keys() >= {s.session for s in sheets.values()}
        if not told:
            raise ValueError("a session is missing")
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ReviewError(
            f"is damaged ({error})", path=path, remedy="Put the one back that was exported."
        ) from error
    if queue.tool != tool:
        raise ReviewError(
            f"this queue was written for {queue.tool}, not for {tool}",
            path=path,
            remedy=f"Import it with --from {queue.tool}.",
        )
    _check_dataset(queue, dataset, path)
    return queue


def _found(file: Path) -> Path:
    absolute = file.absolute()
    for folder in [absolute, *list(absolute.parents)[:3]]:
        if (folder / FILE).is_file():
            return folder / FILE
    raise ReviewError(
        f"there is no {FILE} beside it, which says what was exported",
        path=file,
        remedy="Put the file into the folder that was exported, then import it from there.",
    )


def _check_dataset(queue: Queue, dataset: Dataset, path: Path) -> None:
    for session, content in queue.content.items():
        try:
            known = dataset.session(session).content
        except DatasetError:
            known = None
        if known != content:
            raise ReviewError(
                f"this queue is of another dataset: session {session!r}"
                + (" is not in this one" if known is None else " is another recording there"),
                path=path,
                remedy=f"Import it into the dataset that it was exported from, not {dataset.path}.",
            )


def _sheet_json(sheet: Sheet) -> dict[str, Any]:
    plain = {k: getattr(sheet, k) for k in ("name", "letter", "kind", "session", "camera", "fps")}
    return {**plain, "size": list(sheet.size), "frame_ids": sheet.frame_ids.tolist()}


def _sheet(data: Mapping[str, Any]) -> Sheet:
    height, width = data["size"]
    frame_ids = np.array(data["frame_ids"], np.int64)
    if data["kind"] not in ("video", "stills") or frame_ids.ndim != 1:
        raise ValueError("a sheet is no sheet")
    names = (data["name"], data["letter"], data["kind"], data["session"], data["camera"])
    return Sheet(*names, (int(height), int(width)), int(data["fps"]), frame_ids)


def _strand_json(key: str, strand: Strand, owner: Owner) -> dict[str, Any]:
    return {
        "key": key,
        "track": owner.track,
        "object": owner.object,
        "phrase": strand.phrase,
        "at": strand.at.tolist(),
        # Nothing is compared to less than a pixel.
        "boxes": np.round(strand.boxes, 3).tolist(),
        "masks": {str(place): counts.decode("ascii") for place, counts in strand.masks.items()},
    }


def _strand(data: Mapping[str, Any]) -> Strand:
    at = np.array(data["at"], np.int64)
    boxes = np.array(data["boxes"], np.float64).reshape(-1, 4)
    if at.shape != (len(boxes),) or (np.diff(at) <= 0).any():
        raise ValueError("a track has not one box a place")
    masks = {int(place): counts.encode("ascii") for place, counts in data["masks"].items()}
    return Strand(str(data["key"]), str(data["phrase"]), at, boxes, masks)
