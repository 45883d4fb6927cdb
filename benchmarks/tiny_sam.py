"""A tiny SAM 2 with things to follow: the real classes of transformers, random weights."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import need


@contextmanager
def tiny_sam(side: int) -> Iterator[Any]:
    """A ``Sam`` whose pictures have ``side`` pixels.

    Raises:
        NotHereError: torch or transformers is not here.
    """
    need("torch", "torchvision", "transformers")
    from tests.checkpoints.sam2 import build

    from scenekeeper.models.device import Device
    from scenekeeper.segment.sam_weights import read_sam

    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder), side)
        yield read_sam(Path(folder), "sam2_video", Device())


def session_of(sam: Any, things: int) -> Any:
    """A session with boxes for some things in its first frame, 240 pixels high and 320 wide."""
    corner = np.random.default_rng(0).uniform(0, 160, (things, 2))
    boxes = np.hstack([corner, corner + 60]).tolist()
    session = sam.session()
    sam.processor.add_inputs_to_inference_session(
        session, 0, obj_ids=list(range(things)), input_boxes=[boxes], original_size=(240, 320)
    )
    return session


def versions() -> str:
    """Of the peer."""
    from importlib.metadata import version

    return f"transformers {version('transformers')}, torch {version('torch')}"
