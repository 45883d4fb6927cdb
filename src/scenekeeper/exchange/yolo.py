"""YOLO detection or segmentation: a folder with ``data.yaml``, pictures and one text per picture.

In: a dataset's effective instances and the recordings they are of. Out: a folder that YOLO
trainers read. Train and validation part at clips, with a gap in time between them, so that no
picture is validated on whose neighbour was trained on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scenekeeper import geometry
from scenekeeper.errors import ExportError
from scenekeeper.exchange.base import Exported, labelled_clips
from scenekeeper.exchange.encoded import EXTENSION
from scenekeeper.exchange.folder import replacing_folder
from scenekeeper.exchange.outline import outline
from scenekeeper.exchange.pictures import open_source, pictures
from scenekeeper.schema import Labels
from scenekeeper.store import Dataset

Kind = Literal["box", "polygon"]

GAP_NS = 1_000_000_000
"""Training frames nearer than this to a validation clip are left out."""


def export(
    dataset: Dataset,
    out: Path,
    *,
    sessions: Sequence[str],
    kind: Kind = "box",
    val: float = 0.2,
) -> Exported:
    """Write sessions as one YOLO dataset.

    Args:
        dataset: what to export.
        out: the folder to make.
        sessions: the sessions to take.
        kind: ``"box"`` for detection, ``"polygon"`` for segmentation.
        val: share of the clips that validate, 0 <= val < 1; at least one clip when it is not 0 and
            there are two or more. The same dataset always splits the same way.

    Raises:
        ExportError: an option is out of range, nothing is left to train on, or ``out`` exists.
        RecordingError: a recording is no longer where it was.
    """
    if kind not in ("box", "polygon"):
        raise ExportError(f"no YOLO labels of kind {kind!r}", remedy="There are: box, polygon.")
    if not 0 <= val < 1:
        raise ExportError(f"val is {val}", remedy="It is a share: 0 <= val < 1.")
    splits = _splits(dataset, sessions, val)
    frames = Counter(name for split in splits.values() for name in split.tolist())
    if not frames["train"]:
        raise ExportError(
            "the gap around the validation clips leaves nothing to train on",
            path=dataset.path,
            remedy="Take longer recordings, or val=0 to put every frame into train.",
        )
    classes = {phrase: k for k, phrase in enumerate(_phrases(dataset, sessions))}
    changed: Counter[str] = Counter()
    with replacing_folder(out) as folder:
        for session, split in splits.items():
            _write_pictures(dataset, session, split, folder)
            _write_labels(dataset, session, split, folder, classes, kind, changed)
        text = _data_yaml(list(classes), validates=bool(frames["val"]))
        (folder / "data.yaml").write_text(text, encoding="utf-8")
    notes = _notes(changed, left_out=frames[""], validates=bool(frames["val"]))
    return Exported(out, frames["train"] + frames["val"], changed["written"], notes)


def _splits(dataset: Dataset, sessions: Sequence[str], val: float) -> dict[str, NDArray[np.str_]]:
    """Per session and frame ``"train"``, ``"val"``, or ``""`` for left out."""
    infos = [dataset.session(session) for session in sessions]
    chosen = iter(_validation_clips(sum(info.n_clips for info in infos), val))
    splits = {}
    for info in infos:
        t_ns = dataset.frames(info.name)["t_ns"].to_numpy()
        clips = [next(chosen) for _ in range(info.n_clips)]
        validates = np.repeat(clips, np.diff(info.clips))
        split = np.where(validates, "val", "train")
        labelled = np.zeros(len(split), np.bool_)
        for clip in labelled_clips(dataset, info.name):
            labelled[clip.start : clip.stop] = True
        split[~labelled] = ""  # an empty file would say that there is nothing to see
        if validates.any():
            held = t_ns[validates]
            near = np.abs(held[geometry.nearest(held, t_ns)] - t_ns) < GAP_NS
            split[near & ~validates] = ""
        splits[info.name] = split
    return splits


def _validation_clips(n: int, val: float) -> NDArray[np.bool_]:
    """Which of n clips validate: evenly spread, the last of each stretch."""
    chosen = np.zeros(n, np.bool_)
    if n > 1 and val > 0:
        count = min(max(1, round(n * val)), n - 1)
        chosen[np.arange(1, count + 1) * n // count - 1] = True
    return chosen


def _phrases(dataset: Dataset, sessions: Sequence[str]) -> list[str]:
    query = "SELECT DISTINCT phrase FROM instances WHERE list_contains($1::VARCHAR[], session)"
    return sorted(dataset.sql(query, [list(sessions)])["phrase"].to_pylist())


def _stem(session: str, frame_id: int) -> str:
    return f"{session}-{frame_id:06d}"


def _write_pictures(dataset: Dataset, session: str, split: NDArray[np.str_], folder: Path) -> None:
    recording = open_source(dataset, session)
    index = dataset.frames(session)
    info = dataset.session(session)
    for name in ("train", "val"):
        (folder / "images" / name).mkdir(parents=True, exist_ok=True)
    for clip in map(info.clip, range(info.n_clips)):
        rows = index.slice(clip.start, len(clip))
        kept = rows.filter(pc.not_equal(pa.array(split[clip.start : clip.stop].tolist()), ""))
        for frame_id, picture in pictures(recording, kept):
            name = _stem(session, frame_id) + EXTENSION[picture.format]
            (folder / "images" / split[frame_id] / name).write_bytes(picture.data)


def _write_labels(
    dataset: Dataset,
    session: str,
    split: NDArray[np.str_],
    folder: Path,
    classes: Mapping[str, int],
    kind: Kind,
    changed: Counter[str],
) -> None:
    for name in ("train", "val"):
        (folder / "labels" / name).mkdir(parents=True, exist_ok=True)
    for labels in dataset.labels(session):
        name = split[labels.frame_id]
        if not name:
            continue
        shapes = _boxes(labels) if kind == "box" else _polygons(labels, changed)
        lines = [
            " ".join([str(classes[labels.phrase[k]]), *(f"{v:.6f}" for v in numbers.ravel())])
            for k, numbers in shapes
        ]
        changed["written"] += len(lines)
        changed["outside"] += len(labels) - len(lines)
        file = folder / "labels" / name / f"{_stem(session, labels.frame_id)}.txt"
        file.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")


def _inside(labels: Labels) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Boxes ``xyxy`` in units of the picture's size, cut at its borders; none that are empty."""
    height, width = labels.size
    boxes = labels.box_xyxy.astype(np.float64) / [width, height, width, height]
    for k, box in enumerate(np.clip(boxes, 0, 1)):
        if (box[2:] > box[:2]).all():
            yield k, box


def _boxes(labels: Labels) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Index of an instance and its box as centre and size."""
    for k, box in _inside(labels):
        yield k, np.concatenate(((box[:2] + box[2:]) / 2, box[2:] - box[:2]))


def _polygons(labels: Labels, changed: Counter[str]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Index of an instance and its outline; its box where it has no mask."""
    height, width = labels.size
    for k, box in _inside(labels):
        counts = labels.mask[k]
        polygon = None if counts is None else outline(counts, labels.size)
        if polygon is None:
            changed["boxed"] += 1
            yield k, box[[0, 1, 2, 1, 2, 3, 0, 3]]
        else:
            yield k, polygon / (width, height)


def _data_yaml(phrases: list[str], validates: bool) -> str:
    # A JSON string is a YAML string, whatever characters it holds.
    listed = [f"  {k}: {json.dumps(p, ensure_ascii=False)}" for k, p in enumerate(phrases)]
    val = "images/val" if validates else "images/train"
    names = ["names:", *listed] if listed else ["names: {}"]
    return "\n".join(["train: images/train", f"val: {val}", *names]) + "\n"


def _notes(changed: Counter[str], left_out: int, validates: bool) -> tuple[str, ...]:
    possible = {
        "Tracks, objects, scores, status and captions are left out: YOLO has no place for them.": 1,
        "There is one clip or val is 0: data.yaml validates on the training pictures.": (
            not validates
        ),
        f"{left_out} frames within {GAP_NS / 1e9:g} s of a validation clip, or of clips that could"
        " not be labelled, are left out.": left_out,
        f"{changed['outside']} instances outside their picture are left out.": changed["outside"],
        f"{changed['boxed']} instances without a mask are outlined by their box.": changed["boxed"],
    }
    return tuple(note for note, holds in possible.items() if holds)
