"""Masks whose boxes are known are encoded over ten times faster than by pycocotools.

Claim: a segmenter gives boxes with its masks, so only the box need be looked at; the bytes are
the same. Peer: ``pycocotools.mask.encode`` of the full frame as its users call it, with masks in C
order as segmenters give them. Most of the peer's time goes into bringing the frame into Fortran
order; the note says how much remains of masks that already are.
"""

from __future__ import annotations

from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from benchmarks.harness import Result, cpu_seconds, scattered
from scenekeeper import masks

N, SIZE, EXTENT = 50, (1080, 1920), (40, 400)


def run() -> Result:
    dense = scattered(np.random.default_rng(0), N, SIZE, EXTENT)
    boxes = [_box(mask) for mask in dense]

    def ours() -> list[bytes]:
        return [masks.encode(mask, box) for mask, box in zip(dense, boxes, strict=True)]

    def peer() -> list[bytes]:
        frames = (np.asfortranarray(mask, np.uint8) for mask in dense)
        return [coco.encode(frame)["counts"] for frame in frames]

    ordered = [np.asfortranarray(mask, np.uint8) for mask in dense]

    def kindest() -> list[bytes]:
        return [coco.encode(frame)["counts"] for frame in ordered]

    if ours() != peer():
        raise AssertionError("the two encoders disagree, so their times mean nothing")
    seconds, peer_seconds, kindest_seconds = cpu_seconds(ours, peer, kindest)
    return Result(
        name="mask_encode",
        input=f"{N} masks of {EXTENT[0]} to {EXTENT[1]} px in {SIZE[1]}x{SIZE[0]}, boxes known",
        unit="ms per mask",
        ours=seconds / N * 1e3,
        peer=peer_seconds / N * 1e3,
        peer_name=f"pycocotools {version('pycocotools')} encode, full frames in C order",
        target=10.0,
        note=f"{kindest_seconds / seconds:.1f}x where the masks are in Fortran order already",
    )


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
