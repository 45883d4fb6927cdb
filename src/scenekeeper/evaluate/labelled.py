"""Two labelings of the same frames, side by side as flat columns: what every score is made of.

In: labelled datasets, or COCO files. Out: :class:`Labelled`, one row per instance, and the
pairing of the frames of one labeling with those of another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.errors import DatasetError
from scenekeeper.schema import UNNAMED
from scenekeeper.store import Dataset, open_dataset

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]
FrameKey = tuple[str, int]
"""Session and time; of a COCO file, the picture's name and 0."""

_STRUCTURE = {"floor", "wall", "ceiling"}


@dataclass(frozen=True, eq=False)
class Labelled:
    """N instances in F frames.

    Attributes:
        name: of the dataset or file, for messages.
        frames: F keys, in order.
        clip: ``int64 [F]`` which clip each frame is of, counted through all sessions.
        image: ``int64 [N]`` frame of each instance.
        box_xyxy: ``float64 [N, 4]``.
        mask: N COCO counts or ``None``.
        size: ``int64 [N, 2]`` height and width of the frame.
        phrase: N class phrases.
        score: ``float64 [N]``.
        p: ``float64 [N]`` calibrated; NaN = not.
        track: ``int64 [N]``; -1 = none.
        object: ``int64 [N]``; -1 = none.
        structure: ``bool [N]`` floor and walls, which are not things.
        visible: ``float64 [N]`` share of the thing that shows; NaN = not known.
        lookalike: ``bool [N]`` another of the same look is in the frame.
        flags: per frame, quality flags such as ``blurred`` or ``dark``.
    """

    name: str
    frames: tuple[FrameKey, ...]
    clip: Int
    image: Int
    box_xyxy: Float
    mask: tuple[bytes | None, ...]
    size: Int
    phrase: tuple[str, ...]
    score: Float
    p: Float
    track: Int
    object: Int
    structure: Bool
    visible: Float
    lookalike: Bool
    flags: tuple[frozenset[str], ...]

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, rows: NDArray[Any]) -> Labelled:
        """Some of the instances, by index or boolean mask."""
        at = np.arange(len(self))[rows]
        return Labelled(
            self.name,
            self.frames,
            self.clip,
            self.image[at],
            self.box_xyxy[at],
            tuple(self.mask[i] for i in at),
            self.size[at],
            tuple(self.phrase[i] for i in at),
            self.score[at],
            self.p[at],
            self.track[at],
            self.object[at],
            self.structure[at],
            self.visible[at],
            self.lookalike[at],
            self.flags,
        )


def read_labelled(path: Path) -> tuple[Labelled, Dataset | None]:
    """A labelled dataset, or a COCO file of annotations or a folder with one in it.

    Raises:
        DatasetError: there is neither, or it cannot be read.
    """
    if path.is_dir() and not (path / "dataset.toml").exists():
        inside = sorted(p for p in path.glob("*.sk") if (p / "dataset.toml").exists())
        inside += sorted(path.glob("*.json"))
        if len(inside) == 1:
            path = inside[0]
    if path.suffix == ".json" and path.is_file():
        return read_coco(path), None
    dataset = open_dataset(path)
    return of_dataset(dataset), dataset


def of_dataset(dataset: Dataset) -> Labelled:
    """All instances of a labelled dataset."""
    frames: list[FrameKey] = []
    clips: list[Int] = []
    flags: list[frozenset[str]] = []
    parts: list[dict[str, Any]] = []
    for session in dataset.sessions():
        info, index = dataset.session(session), dataset.frames(session)
        start = len(frames)
        frames += [(session, t) for t in index["t_ns"].to_pylist()]
        number = np.repeat(np.arange(info.n_clips), np.diff(info.clips))
        clips.append(number + (clips[-1].max() + 1 if clips and len(clips[-1]) else 0))
        told = dict(
            zip(
                *(dataset.table("quality", session)[c].to_pylist() for c in ("frame_id", "flags")),
                strict=True,
            )
        )
        flags += [frozenset(told.get(f) or ()) for f in index["frame_id"].to_pylist()]
        parts.append(_instances(dataset, session, start))
    merged = {k: [v for p in parts for v in p[k]] for k in _COLUMNS}
    return _labelled(dataset.path.name, frames, clips, merged, flags)


_COLUMNS = (
    *("image", "box", "mask", "height", "width", "phrase", "score", "p"),
    *("track", "object", "structure", "visible", "lookalike"),
)

_INSTANCES = """
SELECT i.frame_id, i.box_xyxy, i.mask, i.height, i.width, i.phrase, i.score, i.p, i.track,
       coalesce(i.object, -1) AS object, coalesce(o.kind, '') AS kind,
       i.signals['visible'] AS visible, list_contains(i.flags, 'lookalike') AS lookalike
FROM instances i LEFT JOIN objects o ON o.session = i.session AND o.object = i.object
WHERE i.session = ? ORDER BY i.frame_id, i.instance"""


def _instances(dataset: Dataset, session: str, start: int) -> dict[str, list[Any]]:
    rows = dataset.sql(_INSTANCES, [session]).to_pydict()
    visible = [_first(v) for v in rows["visible"]]
    return {
        "image": [start + f for f in rows["frame_id"]],
        "box": rows["box_xyxy"],
        "mask": rows["mask"],
        "height": rows["height"],
        "width": rows["width"],
        "phrase": rows["phrase"],
        "score": rows["score"],
        "p": [np.nan if p is None else p for p in rows["p"]],
        "track": rows["track"],
        "object": rows["object"],
        "structure": [
            kind == "wall" or phrase in _STRUCTURE
            for kind, phrase in zip(rows["kind"], rows["phrase"], strict=True)
        ],
        "visible": [np.nan if v is None else v for v in visible],
        "lookalike": [bool(v) for v in rows["lookalike"]],
    }


def _first(value: Any) -> Any:
    """A map's entry, which DuckDB gives as a list in some releases."""
    if isinstance(value, list):
        return value[0] if value else None
    return value


def _labelled(
    name: str,
    frames: Sequence[FrameKey],
    clips: Sequence[Int],
    c: Mapping[str, list[Any]],
    flags: Sequence[frozenset[str]],
) -> Labelled:
    return Labelled(
        name,
        tuple(frames),
        np.concatenate(clips) if clips else np.zeros(0, np.int64),
        np.array(c["image"], np.int64),
        np.array(c["box"], np.float64).reshape(-1, 4),
        tuple(c["mask"]),
        np.array([c["height"], c["width"]], np.int64).T.reshape(-1, 2),
        tuple(p or UNNAMED for p in c["phrase"]),
        np.array(c["score"], np.float64),
        np.array(c["p"], np.float64),
        np.array(c["track"], np.int64),
        np.array(c["object"], np.int64),
        np.array(c["structure"], np.bool_),
        np.array(c["visible"], np.float64),
        np.array(c["lookalike"], np.bool_),
        tuple(flags),
    )


def read_coco(path: Path) -> Labelled:
    """A COCO file; ``track_id`` of an annotation is its track, ``score`` its score.

    Raises:
        DatasetError: the file is no COCO file, or a polygon stands where a mask should.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        images = {i["id"]: k for k, i in enumerate(data["images"])}
        names = {c["id"]: c["name"] for c in data["categories"]}
        rows: dict[str, list[Any]] = {k: [] for k in _COLUMNS}
        for a in data["annotations"]:
            picture = data["images"][images[a["image_id"]]]
            x, y, w, h = a["bbox"]
            rows["image"].append(images[a["image_id"]])
            rows["box"].append((x, y, x + w, y + h))
            rows["mask"].append(_coco_mask(a.get("segmentation"), picture))
            rows["height"].append(picture["height"])
            rows["width"].append(picture["width"])
            rows["phrase"].append(names[a["category_id"]])
            rows["score"].append(a.get("score", 1.0))
            rows["p"].append(a.get("p", np.nan))
            rows["track"].append(a.get("track_id", -1))
            rows["object"].append(a.get("object_id", -1))
            rows["structure"].append(names[a["category_id"]] in _STRUCTURE)
            rows["visible"].append(np.nan)
            rows["lookalike"].append(False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise DatasetError(
            f"is no COCO file of annotations ({type(error).__name__}: {error})",
            path=path,
            remedy="It needs images, categories and annotations.",
        ) from error
    frames = [(str(i.get("file_name", i["id"])), 0) for i in data["images"]]
    clip = [np.arange(len(frames), dtype=np.int64)]
    return _labelled(path.name, frames, clip, rows, [frozenset()] * len(frames))


def _coco_mask(segmentation: Any, picture: Mapping[str, Any]) -> bytes | None:
    from pycocotools import mask as coco

    if not segmentation:
        return None
    height, width = picture["height"], picture["width"]
    if isinstance(segmentation, list):
        return bytes(coco.merge(coco.frPyObjects(segmentation, height, width))["counts"])
    counts = segmentation["counts"]
    if isinstance(counts, list):
        return bytes(coco.frPyObjects(segmentation, height, width)["counts"])
    return counts.encode("ascii") if isinstance(counts, str) else bytes(counts)


def on_common_frames(found: Labelled, truth: Labelled) -> tuple[Labelled, Labelled]:
    """Both labelings on the frames that both have, numbered alike.

    Sessions are paired by name; one session each is paired whatever the names.

    Raises:
        DatasetError: the two have no frame in common.
    """
    keys = dict(zip(truth.frames, range(len(truth.frames)), strict=True))
    sessions = [{s for s, _ in side.frames} for side in (found, truth)]
    rename: dict[str, str] = {}
    if not sessions[0] & sessions[1] and len(sessions[0]) == len(sessions[1]) == 1:
        rename = {sessions[0].pop(): sessions[1].pop()}
    place = np.array([keys.get((rename.get(s, s), t), -1) for s, t in found.frames], np.int64)
    if not (place >= 0).any():
        raise DatasetError(
            f"has no frame in common with {truth.name}: {_some(found)} against {_some(truth)}",
            path=found.name,
            remedy="Label the recordings that the truth is of; frames are paired by session and"
            " time.",
        )
    order = np.full(len(truth.frames), -1, np.int64)
    both = np.unique(place[place >= 0])
    order[both] = np.arange(len(both))
    place = np.where(place >= 0, order[place], -1)
    frames, clip = tuple(truth.frames[k] for k in both), truth.clip[both]
    flags = [frozenset[str]()] * len(both)
    for k, at in enumerate(place):
        if at >= 0:
            flags[at] = found.flags[k]
    return _moved(found, place, frames, clip, flags), _moved(truth, order, frames, clip, flags)


def _moved(
    side: Labelled,
    place: Int,
    frames: tuple[FrameKey, ...],
    clip: Int,
    flags: Sequence[frozenset[str]],
) -> Labelled:
    """A labeling on other frames; -1 = the frame is left out."""
    kept = side[place[side.image] >= 0]
    return replace(kept, frames=frames, clip=clip, image=place[kept.image], flags=tuple(flags))


def _some(side: Labelled) -> str:
    names = sorted({s for s, _ in side.frames})
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"{', '.join(names[:2])}{more}, {len(side.frames)} frames" if names else "no frames"


def check_names(found: Labelled, truth: Labelled, synonyms: Mapping[str, str]) -> str | None:
    """A word of warning when hardly any class of one side is known to the other."""
    there = {synonyms.get(p, p) for p in truth.phrase}
    said = {synonyms.get(p, p) for p in found.phrase} - {UNNAMED}
    if said and not said & there:
        return (
            f"none of the {len(said)} names in {found.name} is a class of {truth.name}, such as"
            f" {', '.join(sorted(there)[:3])}: only class-agnostic scores mean anything"
        )
    return None
