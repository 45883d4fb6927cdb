"""A labeling as flat columns, one row per instance: what every score is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.schema import UNNAMED

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]
FrameKey = tuple[str, int]
"""Session and time; of a COCO file, the picture's name and 0."""

STRUCTURE = frozenset({"floor", "wall", "ceiling"})
"""Phrases that are no things."""


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
        crowd: ``bool [N]`` regions that stand for many things, as COCO's crowds do.
        visible: ``float64 [N]`` share of the thing that shows; NaN = not known.
        lookalike: ``bool [N]`` another of the same look is in the frame.
        flags: per frame, quality flags such as ``blurred`` or ``dark``.
        camera: per frame the camera that took it; empty = not known.
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
    crowd: Bool
    visible: Float
    lookalike: Bool
    flags: tuple[frozenset[str], ...]
    camera: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.image)

    @property
    def single(self) -> Bool:
        """``bool [N]``: one thing each, neither structure nor a crowd."""
        return ~(self.structure | self.crowd)

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
            self.crowd[at],
            self.visible[at],
            self.lookalike[at],
            self.flags,
            self.camera,
        )


COLUMNS = (
    *("image", "box", "mask", "height", "width", "phrase", "score", "p"),
    *("track", "object", "structure", "crowd", "visible", "lookalike"),
)


def assemble(
    name: str,
    frames: Sequence[FrameKey],
    clips: Sequence[Int],
    c: Mapping[str, list[Any]],
    flags: Sequence[frozenset[str]],
    camera: Sequence[str],
) -> Labelled:
    """A labeling from lists.

    Args:
        name: of the dataset or file.
        frames: F keys.
        clips: parts of ``[F]`` numbers of clips.
        c: per name of :data:`COLUMNS` a list of N.
        flags: F sets.
        camera: F names.
    """
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
        np.array(c["crowd"], np.bool_),
        np.array(c["visible"], np.float64),
        np.array(c["lookalike"], np.bool_),
        tuple(flags),
        tuple(camera),
    )
