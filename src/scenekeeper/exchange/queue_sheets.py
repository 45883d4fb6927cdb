"""What a labelling tool is given: sheets of pictures, and on them the tracks as strands of boxes.

In: a dataset's effective instances. Out: plain frozen values that the files of every tool are
written from and compared with when they come back. A *sheet* is what a tool calls a task, an item
or a data row: pictures of one camera in order. A *strand* is one thing on one sheet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scenekeeper import masks as rle
from scenekeeper.exchange.base import labelled_clips
from scenekeeper.exchange.folder import plain_names
from scenekeeper.exchange.queue_keyframes import as_drawn
from scenekeeper.store import Dataset

Ids = NDArray[np.int64]
SheetKind = Literal["video", "stills"]
Masks = Literal["best", "all", "none"]
"""Which masks to write: of each track where it is largest, of every frame, or none."""

WELL = 0.5
"""Share of the area at its largest from which on a track is shown well by a still."""


@dataclass(frozen=True, eq=False)
class Sheet:
    """Pictures of one camera of a session, in order.

    Attributes:
        name: unique in the queue and fit for a file.
        letter: unique in the queue and short; keys of its strands begin with it.
        kind: ``video``, all pictures that show the tracks; or ``stills``, a few that show each
            track well.
        session: the session and
        camera: camera.
        size: ``(H, W)`` of the pictures, pixels.
        fps: whole pictures per second at which a video of them plays.
        frame_ids: ``int64 [F]``, ascending. A picture's *place* is its index here.
    """

    name: str
    letter: str
    kind: SheetKind
    session: str
    camera: str
    size: tuple[int, int]
    fps: int
    frame_ids: Ids

    def picture(self, place: int) -> str:
        """File name of the picture at a place."""
        return f"{int(self.frame_ids[place]):06d}.jpg"


@dataclass(frozen=True, eq=False)
class Strand:
    """One thing on one sheet, as a tool shows it.

    Attributes:
        key: who it is: what was written into the tool's file; empty where the tool lost it or a
            person drew it.
        phrase: what it is called.
        at: ``int64 [n]`` places on the sheet, ascending.
        boxes: ``float64 [n, 4]`` as ``xyxy`` in pixels.
        masks: by place, COCO run lengths of the whole picture; not every place has one.
        drawn: whether the boxes were drawn. If not, they are the masks' own.
    """

    key: str
    phrase: str
    at: Ids
    boxes: NDArray[np.float64]
    masks: Mapping[int, bytes] = field(default_factory=dict)
    drawn: bool = True


@dataclass(frozen=True, eq=False)
class Owner:
    """Whom a written strand belongs to.

    Attributes:
        track: the track and
        object: object, -1 = none, of the strand.
    """

    track: int
    object: int


@dataclass(frozen=True, eq=False)
class Queue:
    """What was written into a tool's files, box by box.

    Attributes:
        id: of this queue; the same labels written twice make two.
        tool: whose files they are.
        content: per session, the fingerprint of the recording.
        runs: per session, the run of the labels.
        seen: number of the last event of the review log that the labels knew of.
        sheets: by letter.
        strands: by key.
        owners: by key.
    """

    id: str
    tool: str
    content: Mapping[str, str]
    runs: Mapping[str, str]
    seen: int
    sheets: Mapping[str, Sheet]
    strands: Mapping[str, Strand]
    owners: Mapping[str, Owner]

    def on(self, sheet: Sheet) -> dict[str, Strand]:
        """Strands of a sheet, by key."""
        return {k: s for k, s in self.strands.items() if letter_of(k) == sheet.letter}

    def phrases(self) -> list[str]:
        """All names in it, in alphabetical order."""
        return sorted({strand.phrase for strand in self.strands.values()})


@dataclass(frozen=True, eq=False)
class Returned:
    """What a tool's file says of one sheet.

    Attributes:
        sheet: its letter.
        places: ``int64 [n]`` of the pictures that the file speaks of.
        strands: what it shows there.
        reviewed: whether the tool says that a person has looked at all of it.
        rounding: pixels by which the tool itself may have moved a side.
    """

    sheet: str
    places: Ids
    strands: Sequence[Strand]
    reviewed: bool = False
    rounding: float = 1.0


def letter_of(key: str) -> str:
    """Letter of the sheet that a key is of."""
    return key.rstrip("0123456789")


def sheets_of(
    dataset: Dataset,
    sessions: Sequence[str],
    kinds: Collection[SheetKind],
    tracks: Mapping[str, Collection[int]] | None,
    masks: Masks,
) -> tuple[dict[str, Sheet], dict[str, Strand], dict[str, Owner]]:
    """Sheets by letter, strands by key and their owners by key, of the chosen tracks."""
    found = [
        (session, camera, kind, rows, shown)
        for session in sessions
        for camera, rows, shown in _by_camera(dataset, session, tracks)
        for kind in sorted(kinds, reverse=True)
    ]
    names = plain_names([f"{s}-{c}-{k}" for s, c, k, _, _ in found], "sheet")
    sheets: dict[str, Sheet] = {}
    strands: dict[str, Strand] = {}
    owners: dict[str, Owner] = {}
    for index, (session, camera, kind, rows, shown) in enumerate(found):
        letter = _letters(index)
        frames = shown if kind == "video" else shown.filter(_is_in(shown, stills(rows)))
        if not frames.num_rows:
            continue
        sheet = _sheet(names[index], letter, kind, session, camera, frames)
        sheets[letter] = sheet
        seen = rows.filter(_is_in(rows, frames["frame_id"]))
        for track, instances in _tracks(seen):
            key = f"{letter}{track}"
            strands[key] = _strand(key, sheet, instances, masks)
            owners[key] = Owner(track, int(instances["object"][0].as_py()))
    return sheets, strands, owners


def _letters(index: int) -> str:
    """a, b, ... z, aa, ab ..."""
    text, number = "", index + 1
    while number:
        number, digit = divmod(number - 1, 26)
        text = chr(97 + digit) + text
    return text


def _by_camera(
    dataset: Dataset, session: str, tracks: Mapping[str, Collection[int]] | None
) -> Iterable[tuple[str, pa.Table, pa.Table]]:
    """Per camera its name, the instances of the chosen tracks, and the frames that go with them."""
    query = (
        "SELECT frame_id, track, coalesce(object, -1) AS object, phrase, box_xyxy, mask,"
        " coalesce(area, (box_xyxy[3] - box_xyxy[1]) * (box_xyxy[4] - box_xyxy[2])) AS area"
        " FROM instances WHERE session = ? AND track >= 0 ORDER BY track, frame_id, instance"
    )
    rows = dataset.sql(query, [session])
    if tracks is not None:
        rows = rows.filter(pc.is_in(rows["track"], pa.array(sorted(tracks[session]), pa.int64())))
    index = dataset.frames(session)
    clips = labelled_clips(dataset, session)
    labelled = [frame for clip in clips for frame in range(clip.start, clip.stop)]
    shown = index.filter(pc.is_in(index["frame_id"], pa.array(labelled, pa.int64())))
    if tracks is not None:
        shown = shown.filter(_is_in(shown, rows["frame_id"]))
    for camera in pc.unique(shown["camera"]).to_pylist():
        frames = shown.filter(pc.equal(shown["camera"], camera))
        mine = rows.filter(_is_in(rows, frames["frame_id"]))
        if mine.num_rows:
            yield camera, mine, frames


def _is_in(rows: pa.Table, frame_ids: Any) -> pa.ChunkedArray:
    return pc.is_in(rows["frame_id"], pa.array(np.asarray(frame_ids, np.int64)))


def stills(rows: pa.Table) -> Ids:
    """Few frames that show every track well: at :data:`WELL` of its largest area or more.

    Greedy cover: again and again the frame that shows most tracks well of which there is none yet,
    the first of equals.

    Args:
        rows: instances with ``track``, ``frame_id`` and ``area``, ascending in ``track``.

    Returns:
        ``frame_id`` s, ascending.
    """
    _, track = np.unique(rows["track"].to_numpy(), return_inverse=True)
    area = rows["area"].to_numpy().astype(np.float64)
    largest = np.zeros(track.max() + 1)
    np.maximum.at(largest, track, area)
    well = np.flatnonzero(area >= WELL * largest[track])
    frame_ids, frame = np.unique(rows["frame_id"].to_numpy()[well], return_inverse=True)
    shown = np.bincount(frame)
    of_track = np.split(frame, np.flatnonzero(np.diff(track[well])) + 1)
    in_frame = np.split(track[well][np.argsort(frame, kind="stable")], np.cumsum(shown)[:-1])
    left, chosen = set(range(len(of_track))), []
    while left:
        best = int(shown.argmax())
        chosen.append(int(frame_ids[best]))
        for k in left & set(in_frame[best].tolist()):
            np.subtract.at(shown, of_track[k], 1)
            left.discard(k)
    return np.array(sorted(chosen), np.int64)


def _sheet(
    name: str, letter: str, kind: SheetKind, session: str, camera: str, frames: pa.Table
) -> Sheet:
    t = frames["t_ns"].to_numpy()
    step = float(np.median(np.diff(t))) if len(t) > 1 else 1e9
    size = (frames["height"][0].as_py(), frames["width"][0].as_py())
    fps = int(np.clip(np.rint(1e9 / max(step, 1.0)), 1, 60))
    return Sheet(name, letter, kind, session, camera, size, fps, frames["frame_id"].to_numpy())


def _tracks(rows: pa.Table) -> Iterable[tuple[int, pa.Table]]:
    track = rows["track"].to_numpy()
    cuts = [0, *(np.flatnonzero(np.diff(track)) + 1).tolist(), len(track)]
    for start, stop in pairwise(cuts):
        if stop > start:
            yield int(track[start]), rows.slice(start, stop - start)


def _strand(key: str, sheet: Sheet, rows: pa.Table, masks: Masks) -> Strand:
    frame_ids, first = np.unique(rows["frame_id"].to_numpy(), return_index=True)
    rows = rows.take(first)
    at = np.searchsorted(sheet.frame_ids, frame_ids)
    boxes = np.array(rows["box_xyxy"].to_pylist(), np.float64).reshape(-1, 4)
    if sheet.kind == "video":
        boxes = as_drawn(at, boxes)
    counts = rows["mask"].to_pylist()
    chosen = [int(pc.index(rows["area"], pc.max(rows["area"])).as_py())]
    if masks == "all" or sheet.kind == "stills":
        chosen = list(range(len(at)))
    kept = {} if masks == "none" else {int(at[k]): counts[k] for k in chosen}
    phrase = rows["phrase"][0].as_py()
    return Strand(key, phrase, at, boxes, {k: m for k, m in kept.items() if _holds(m)})


def _holds(counts: bytes | None) -> bool:
    return counts is not None and rle.area(counts) > 0


def words(dataset: Dataset) -> list[str]:
    """Every name that the dataset's labels use: what a person may choose from in a tool."""
    found = dataset.sql("SELECT DISTINCT phrase FROM instances ORDER BY phrase")
    return [str(phrase) for phrase in found["phrase"].to_pylist()]
