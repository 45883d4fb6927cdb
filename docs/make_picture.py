"""Draw labelled frames side by side: ``python docs/make_picture.py DATASET OUT 1,2,3``.

Things are filled in the colour of their object, structure is left plain. This made img/kitchen.jpg
from the real kitchen, in which a person had named fifteen things.
"""

from __future__ import annotations

import colorsys
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from scenekeeper import masks, open_dataset
from scenekeeper.recording.frames import read_frames
from scenekeeper.recording.open import reopen
from scenekeeper.schema import Frame, Labels


def colour(number: int) -> tuple[int, int, int]:
    """A colour per object that stays the same from frame to frame."""
    r, g, b = colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.75, 1.0)
    return int(255 * r), int(255 * g), int(255 * b)


def draw(frame: Frame, labels: Labels, kinds: dict[int, str], smallest: int = 900) -> Image.Image:
    """One frame with the masks and names of its things."""
    picture = frame.rgb.astype(np.float32)
    things = [
        (int(number), mask, phrase, box)
        for number, mask, phrase, box in zip(
            np.asarray(labels.object), labels.mask, labels.phrase, labels.box_xyxy, strict=True
        )
        if kinds.get(int(number)) in ("thing", "flat") and mask and masks.area(mask) >= smallest
    ]
    for number, mask, _, _ in things:
        where = masks.decode(mask, labels.size)
        picture[where] = 0.5 * picture[where] + 0.5 * np.array(colour(number), np.float32)
    image = Image.fromarray(picture.astype(np.uint8))
    pen = ImageDraw.Draw(image)
    pen.font = ImageFont.load_default(size=15)
    for number, _, phrase, box in things:
        pen.rectangle(box.tolist(), outline=colour(number))
        text = f"o{number}" if phrase == "object" else f"o{number} {phrase}"
        place = (float(box[0]) + 3, float(box[1]) + 1)
        pen.rectangle(pen.textbbox(place, text), fill=(0, 0, 0))
        pen.text(place, text, fill=(255, 255, 255))
    return image


def main(dataset_path: str, out: str, wanted: str) -> None:
    """Draw the wanted frames of the first session, two in a row."""
    dataset = open_dataset(dataset_path)
    session = dataset.sessions()[0]
    info = dataset.session(session)
    recording = reopen(info.source, info.name, info.content, info.alignment)
    index = dataset.frames(session)
    kinds = {o["object"]: o["kind"] for o in dataset.table("objects", session).to_pylist()}
    labels = {frame.frame_id: frame for frame in dataset.labels(session)}
    tiles = [
        np.asarray(draw(next(read_frames(recording, index.slice(k, 1))), labels[k], kinds))
        for k in map(int, wanted.split(","))
    ]
    rows = [np.concatenate(tiles[k : k + 2], 1) for k in range(0, len(tiles), 2)]
    Image.fromarray(np.concatenate(rows)).save(Path(out), quality=82)


if __name__ == "__main__":
    main(*sys.argv[1:])
