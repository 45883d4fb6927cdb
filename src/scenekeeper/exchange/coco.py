"""COCO instance segmentation: one JSON file, with the pictures beside it on request.

In: a dataset's effective instances. Out: a file that pycocotools loads, masks as the very bytes
the dataset holds. Annotations are assembled as text by DuckDB, so no object is built for any of
them, and one clip is in memory at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa

from scenekeeper.errors import ExportError, RecordingError
from scenekeeper.exchange.base import Exported, labelled_clips
from scenekeeper.exchange.encoded import EXTENSION
from scenekeeper.exchange.folder import replacing_folder
from scenekeeper.exchange.pictures import file_names, open_source, pictures
from scenekeeper.recording import Recording
from scenekeeper.schema import Clip
from scenekeeper.store import Dataset, atomic

# concat() takes NULL as nothing, which leaves out what is unknown. Floats print as the shortest
# decimal that reads back as the same float32. Backslash is a character of COCO's run-lengths.
_ANNOTATIONS = r"""
WITH category AS (SELECT unnest($1::VARCHAR[]) AS phrase, unnest(range(1, len($1) + 1)) AS id)
SELECT concat(
    '{"id":', $2::BIGINT + row_number() OVER (ORDER BY frame_id, instance),
    ',"image_id":', $3::BIGINT + frame_id,
    ',"category_id":', category.id,
    ',"bbox":[', box_xyxy[1], ',', box_xyxy[2],
    ',', box_xyxy[3] - box_xyxy[1], ',', box_xyxy[4] - box_xyxy[2],
    '],"area":', coalesce(area, (box_xyxy[3] - box_xyxy[1]) * (box_xyxy[4] - box_xyxy[2])),
    ',"iscrowd":0,"segmentation":', CASE WHEN mask IS NULL THEN '[]' ELSE concat(
        '{"size":[', height, ',', width, '],"counts":"', replace(decode(mask), '\', '\\'), '"}')
    END,
    CASE WHEN isfinite(score) THEN concat(',"score":', score) END,
    CASE WHEN isfinite(p) THEN concat(',"p":', p) END,
    CASE WHEN track >= 0 THEN concat(',"track_id":', track) END,
    CASE WHEN object >= 0 THEN concat(',"object_id":', object) END,
    ',"status":"', status, '"}') AS text
FROM instances JOIN category USING (phrase)
WHERE session = $4 AND frame_id >= $5 AND frame_id < $6
ORDER BY frame_id, instance"""


def export(
    dataset: Dataset, out: Path, *, sessions: Sequence[str], images: bool = False
) -> Exported:
    """Write sessions as one COCO file.

    Beside COCO's own fields an annotation has ``track_id``, ``object_id``, ``score``, ``p`` and
    ``status``, each where known; an image has ``session``, ``frame_id``, ``t_ns``, ``camera`` and
    ``caption``. Categories are the phrases in alphabetical order, ids from 1. ``file_name`` is
    relative to the folder of pictures when they are written, else to the recording (under the
    session's name when there are several); pictures inside a video or a bag, which have no name of
    their own, are called ``<session>/<frame_id>.jpg``.

    Pictures of clips that could not be labelled are left out: with none of their own, they would
    count as empty.

    Args:
        dataset: what to export.
        out: the ``.json`` file to make.
        sessions: the sessions to take.
        images: also write the pictures, into ``<stem>_images`` beside ``out``.

    Raises:
        ExportError: ``out`` is no ``.json`` file, or the folder for the pictures exists.
        RecordingError: ``images`` is set and a recording is no longer where it was.
    """
    if out.suffix.lower() != ".json":
        raise ExportError("a COCO file ends in .json", path=out, remedy=f"Use {out.stem}.json.")
    # The file that tells of the pictures appears after them.
    with atomic.replacing(out) as temporary, ExitStack() as stack:
        pictures_folder = out.with_name(f"{out.stem}_images")
        folder = stack.enter_context(replacing_folder(pictures_folder)) if images else None
        frames, instances = _write(dataset, temporary, sessions, folder)
    notes = ["Relations and 3D objects are left out: COCO has no place for them."]
    if failed := sum(dataset.session(s).clips[-1] for s in sessions) - frames:
        notes.append(f"{failed} frames of clips that could not be labelled are left out.")
    return Exported(out, frames, instances, tuple(notes))


def _write(
    dataset: Dataset, path: Path, sessions: Sequence[str], folder: Path | None
) -> tuple[int, int]:
    """Write the file; gives the number of frames and of instances."""
    phrases = _phrases(dataset, sessions)
    with path.open("w", encoding="utf-8") as file:
        file.write('{"info":' + _json({"description": f"{dataset.path.name}, by scenekeeper"}))
        file.write(',\n"licenses":[],\n"categories":')
        file.write(_json([{"id": k, "name": name} for k, name in enumerate(phrases, 1)]))
        file.write(',\n"images":[')
        frames = _write_array(file, _images(dataset, sessions, folder))
        file.write('],\n"annotations":[')
        instances = _write_array(file, _annotations(dataset, sessions, phrases))
        file.write("]}\n")
    return frames, instances


def _phrases(dataset: Dataset, sessions: Sequence[str]) -> list[str]:
    query = "SELECT DISTINCT phrase FROM instances WHERE list_contains($1::VARCHAR[], session)"
    return sorted(dataset.sql(query, [list(sessions)])["phrase"].to_pylist())


def _write_array(file: TextIO, groups: Iterator[list[str]]) -> int:
    """Write groups of JSON texts as the inside of one array; returns how many there were."""
    count = 0
    for texts in groups:
        if texts:
            file.write(",\n" if count else "\n")
            file.write(",\n".join(texts))
        count += len(texts)
    return count


def _images(dataset: Dataset, sessions: Sequence[str], folder: Path | None) -> Iterator[list[str]]:
    before = 0
    for session in sessions:
        info, index = dataset.session(session), dataset.frames(session)
        recording = _recording(dataset, session, needed=folder is not None)
        root = f"{session}/" if len(sessions) > 1 else ""
        for clip in labelled_clips(dataset, session):
            rows = index.slice(clip.start, len(clip))
            if recording is None:
                names = {}
            elif folder is None:
                names = {k: root + name for k, name in file_names(recording, rows).items()}
            else:
                names = _copy_pictures(recording, session, rows, folder)
            captions = _captions(dataset, clip)
            yield [_json(_image(row, before, names, captions)) for row in rows.to_pylist()]
        before += info.clips[-1]


def _recording(dataset: Dataset, session: str, needed: bool) -> Recording | None:
    try:
        return open_source(dataset, session)
    except RecordingError:
        if needed:
            raise
        return None  # its pictures only go by other names


def _image(
    row: Mapping[str, Any], before: int, names: Mapping[int, str], captions: Mapping[int, str]
) -> dict[str, Any]:
    frame_id = row["frame_id"]
    image = {
        "id": before + frame_id + 1,
        "file_name": names.get(frame_id) or _file_name(row["session"], frame_id, ".jpg"),
        "width": row["width"],
        "height": row["height"],
        "session": row["session"],
        "frame_id": frame_id,
        "t_ns": row["t_ns"],
        "camera": row["camera"],
    }
    return {**image, "caption": captions[frame_id]} if frame_id in captions else image


def _captions(dataset: Dataset, clip: Clip) -> dict[int, str]:
    query = "SELECT frame_id, text FROM captions WHERE session = ? AND frame_id BETWEEN ? AND ?"
    said = dataset.sql(query, [clip.session, clip.start, clip.stop - 1])
    return dict(zip(said["frame_id"].to_pylist(), said["text"].to_pylist(), strict=True))


def _file_name(session: str, frame_id: int, extension: str) -> str:
    return f"{session}/{frame_id:06d}{extension}"


def _copy_pictures(
    recording: Recording, session: str, rows: pa.Table, folder: Path
) -> dict[int, str]:
    names = {}
    (folder / session).mkdir(exist_ok=True)
    for frame_id, picture in pictures(recording, rows):
        names[frame_id] = _file_name(session, frame_id, EXTENSION[picture.format])
        (folder / names[frame_id]).write_bytes(picture.data)
    return names


def _annotations(
    dataset: Dataset, sessions: Sequence[str], phrases: list[str]
) -> Iterator[list[str]]:
    before = written = 0
    for session in sessions:
        info = dataset.session(session)
        for clip in labelled_clips(dataset, session):
            key = [phrases, written, before + 1, session, clip.start, clip.stop]
            texts = dataset.sql(_ANNOTATIONS, key)["text"].to_pylist()
            written += len(texts)
            yield texts
        before += info.clips[-1]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
