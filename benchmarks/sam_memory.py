"""Memory that a SAM 2 session takes per frame, 20 things followed: ours against the stock session.

Measured in the bytes of all tensors that the session holds, each storage once, and in the entries
of its tables. The stock session grows by the same amount every frame, so that fewer frames of it
are enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.harness import Result
from benchmarks.tiny_sam import session_of, tiny_sam, versions

SIDE, THINGS, FRAMES, STOCK_FRAMES, SETTLED = 64, 20, 600, 60, 40
LONG = 36_000


def run() -> Result:
    with tiny_sam(SIDE) as sam:
        ours, ours_entries = _measured(_pruned(sam))
        peer, peer_entries = _measured(_stock(sam))
    late = slice(SETTLED, None)
    slope, entries = _slope(ours[late]), _slope(ours_entries[late])
    least = 1 / FRAMES  # bytes a frame; less cannot be told
    stock = _slope(peer[10:])
    ours_long = ours[-1] + LONG * max(slope, least)
    # What is kept of a frame and a thing is in proportion to the picture.
    full = (1024 / SIDE) ** 2
    return Result(
        name="sam_memory",
        input=f"{FRAMES} frames ({STOCK_FRAMES} of the stock session) of {SIDE} pixels,"
        f" {THINGS} things, random weights",
        unit="KB per frame",
        ours=max(slope, least) / 1e3,
        peer=stock / 1e3,
        peer_name=f"Sam2VideoInferenceSession as it comes, {versions()}",
        target=0.01,
        target_of="ours",
        further={"no table of ours grows": abs(entries) < 1e-6},
        note=f"after {LONG} frames ours holds {ours_long / 1e6:.1f} MB and the stock session"
        f" {LONG * stock / 1e9:.0f} GB; at 1024 pixels"
        f" {ours[-1] * full / 1e9:.1f} GB and {LONG * stock * full / 1e12:.0f} TB; the stock"
        f" session's tables gain {_slope(peer_entries[10:]):.0f} entries a frame",
    )


def _pruned(sam: Any) -> Iterator[Any]:
    import torch

    from scenekeeper.segment.sam_batched import step
    from scenekeeper.segment.sam_memory import Reach, prune

    session, reach = session_of(sam, THINGS), Reach.of(sam.model)
    picture = torch.rand(3, SIDE, SIDE)
    for k in range(FRAMES):
        with torch.inference_mode():
            session.add_new_frame(picture + 0, k)
            step(sam.model, session, k)
        prune(session, k, reach)
        yield session


def _stock(sam: Any) -> Iterator[Any]:
    import torch

    session, picture = session_of(sam, THINGS), torch.rand(3, SIDE, SIDE)
    for k in range(STOCK_FRAMES):
        sam.model(inference_session=session, frame=picture + 0, frame_idx=k)
        yield session


def _measured(sessions: Iterator[Any]) -> tuple[list[int], list[int]]:
    """Bytes and entries after each frame."""
    both = [_held(session) for session in sessions]
    return [size for size, _ in both], [entries for _, entries in both]


def _held(session: Any) -> tuple[int, int]:
    """Bytes of the tensors that hang on a session, and entries of the containers."""
    import torch

    storages: dict[int, int] = {}
    entries, todo = 0, [vars(session), vars(session.cache)]
    while todo:
        value = todo.pop()
        if isinstance(value, torch.Tensor):
            storage = value.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        elif isinstance(value, dict | list | tuple):
            entries += len(value)
            todo += value.values() if isinstance(value, dict) else value
    return sum(storages.values()), entries


def _slope(values: list[int]) -> float:
    """Per frame, by least squares."""
    return float(np.polyfit(np.arange(len(values)), values, 1)[0])
