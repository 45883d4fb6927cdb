"""Operations of SAM 2 per frame at 1, 4 and 16 things: all at once against transformers' loop.

On a GPU every operation is a kernel launch of some microseconds, and at these sizes they are what a
frame takes. Counted, not timed: ATen operations of one frame after 16 frames, encoder included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.harness import Result, cpu_seconds
from benchmarks.tiny_sam import session_of, tiny_sam, versions

SIDE, THINGS, SETTLED = 128, (1, 4, 16), 17


def run() -> Result:
    with tiny_sam(SIDE) as sam:
        measured = {n: _measured(sam, n) for n in THINGS}
    most = max(THINGS)
    ours, peer = measured[most][:2]
    parts = [
        f"{n}: {a} against {b} operations ({b / a:.1f}x), {1e3 * s:.0f} against {1e3 * t:.0f} ms"
        for n, (a, b, s, t) in measured.items()
    ]
    return Result(
        name="sam_objects",
        input=f"one frame of {SIDE} pixels with {most} things, random weights, one layer of memory"
        " attention (real ones have four)",
        unit="ATen operations",
        ours=ours,
        peer=peer,
        peer_name=f"Sam2VideoModel.forward, {versions()}",
        target=3.0,
        note="by things, with CPU time, " + "; ".join(parts),
    )


def _measured(sam: Any, things: int) -> tuple[int, int, float, float]:
    """Operations of ours and the peer's, and their CPU seconds, in a frame with a full memory."""
    import torch

    from scenekeeper.segment.sam_batched import step

    session, picture = session_of(sam, things), torch.rand(3, SIDE, SIDE)

    def ours() -> None:
        with torch.inference_mode():
            session.cache.clear_all()
            session.add_new_frame(picture, SETTLED)
            step(sam.model, session, SETTLED)

    def peer() -> None:
        session.cache.clear_all()
        sam.model(inference_session=session, frame=picture, frame_idx=SETTLED)

    for k in range(SETTLED):
        with torch.inference_mode():
            session.add_new_frame(picture, k)
            step(sam.model, session, k)
    return _operations(ours), _operations(peer), *cpu_seconds(ours, peer, repeats=3)


def _operations(work: Callable[[], None]) -> int:
    from torch.utils._python_dispatch import TorchDispatchMode

    class Count(TorchDispatchMode):  # type: ignore[misc]
        n = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            self.n += 1
            return func(*args, **(kwargs or {}))

    with Count() as count:
        work()
    return count.n
