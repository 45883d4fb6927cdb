"""The pictures of a sheet, for tools that need files: JPEG one by one, or one video.

In: a sheet and the recording that its session was labelled from. Out: files. A video has one
picture a place, at a constant rate, so that picture and place cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scenekeeper.exchange.encoded import jpeg
from scenekeeper.exchange.pictures import open_source, pictures
from scenekeeper.exchange.queue_sheets import Sheet
from scenekeeper.store import Dataset

# Every browser plays H.264. A keyframe a second or so lets a person jump about quickly.
_CODEC = "h264"
_OPTIONS = {"crf": "18", "g": "12", "bf": "0"}


def write_stills(dataset: Dataset, sheet: Sheet, folder: Path) -> None:
    """Write every picture of a sheet as ``<frame_id>.jpg``.

    Raises:
        RecordingError: the recording is no longer where it was, or a picture cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for place, data in _jpegs(dataset, sheet):
        (folder / sheet.picture(place)).write_bytes(data)


def write_video(dataset: Dataset, sheet: Sheet, file: Path) -> None:
    """Write the pictures of a sheet as one H.264 video; an odd last row or column is dropped.

    Raises:
        RecordingError: the recording is no longer where it was, or a picture cannot be read.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    height, width = video_size(sheet)
    with av.open(str(file), "w") as container:
        stream: Any = container.add_stream(_CODEC, rate=sheet.fps, options=dict(_OPTIONS))
        stream.height, stream.width, stream.pix_fmt = height, width, "yuv420p"
        for place, image in enumerate(_pixels(dataset, sheet)):
            cropped = np.ascontiguousarray(image[:height, :width])
            frame = av.VideoFrame.from_ndarray(cropped, format="rgb24")
            frame.pts = place
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def video_size(sheet: Sheet) -> tuple[int, int]:
    """``(H, W)`` of a sheet's video: what 4:2:0 colour can hold."""
    return sheet.size[0] // 2 * 2, sheet.size[1] // 2 * 2


def _rows(dataset: Dataset, sheet: Sheet) -> pa.Table:
    index = dataset.frames(sheet.session)
    return index.filter(pc.is_in(index["frame_id"], pa.array(sheet.frame_ids)))


def _jpegs(dataset: Dataset, sheet: Sheet) -> Iterator[tuple[int, bytes]]:
    recording = open_source(dataset, sheet.session)
    rows = _rows(dataset, sheet)
    source = recording.view(sheet.camera).rgb.source
    order = rows["rgb_row"].to_pylist()
    for place, (_, picture) in enumerate(pictures(recording, rows)):
        if picture.format == "jpeg":
            yield place, picture.data
        else:
            yield place, jpeg(next(iter(source.read([order[place]])))).data


def _pixels(dataset: Dataset, sheet: Sheet) -> Iterator[NDArray[np.uint8]]:
    recording = open_source(dataset, sheet.session)
    order = _rows(dataset, sheet)["rgb_row"].to_pylist()
    yield from recording.view(sheet.camera).rgb.source.read(order)
