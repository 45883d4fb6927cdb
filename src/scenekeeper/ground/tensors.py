"""Between pictures and a network's tensors, for every detector that runs on torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.ground.prompting import Seen
from scenekeeper.models.device import Device

AT_ONCE = 256
"""Texts given to a text tower at once."""

REMEMBERED = 8192
"""Texts whose embeddings are kept; a vocabulary of any likely length fits."""


def prepare(processor: Any, pictures: Sequence[NDArray[np.uint8]], device: Device) -> Any:
    """What a processor of transformers makes of pictures of one size, on the device.

    The pictures are uploaded as bytes, once; resizing and scaling happen there.
    """
    import torch

    shape = (len(pictures), *pictures[0].shape)
    pinned = device.name.startswith("cuda")  # a GPU fetches pinned pages several times as fast
    stacked = torch.empty(shape, dtype=torch.uint8, pin_memory=pinned)
    np.stack(pictures, out=stacked.numpy())
    batch = stacked.to(device.name, non_blocking=pinned).permute(0, 3, 1, 2)
    return processor(
        images=list(batch),
        return_tensors="pt",
        device=device.name,
        input_data_format="channels_first",
    )


def probability(logits: Any) -> Any:
    """Sigmoid in float32; what is not finite counts as 0, not only where that comes out anyway."""
    import torch

    logits = logits.float()
    return torch.where(logits.isfinite(), logits.sigmoid(), 0.0)


def corners(boxes: Any, width: float, height: float) -> Any:
    """Boxes ``[..., 4]`` as left, top, right, bottom in pixels, from centre and size as shares."""
    import torch

    x, y, w, h = boxes.float().unbind(-1)
    edges = torch.stack((x - w / 2, y - h / 2, x + w / 2, y + h / 2), -1)
    return edges * edges.new_tensor([width, height, width, height])


def seen(boxes: Any, scores: Any, min_score: float, **signals: Any) -> Seen:
    """One picture's boxes off the device, without those that no prompt calls for.

    Args:
        boxes: ``[N, 4]`` pixels; a box that is not finite is none.
        scores: ``[N, T]``.
        min_score: a box stays when its best score reaches this.
        signals: by name, each ``[N]``.
    """
    keep = (scores.amax(-1) >= min_score) & boxes.isfinite().all(-1)
    return Seen(
        boxes[keep].cpu().numpy(),
        scores[keep].cpu().numpy(),
        {name: values[keep].float().cpu().numpy() for name, values in signals.items()},
    )


def in_float32(modules: Sequence[Any], device: Device) -> None:
    """Have modules compute in float32 even where autocast would not.

    Heads that draw boxes need it: in bfloat16 neighbouring boxes are pixels apart, and scores tie.
    """
    if not device.half:
        return
    import torch

    kind = device.name.partition(":")[0]

    def wide(x: Any) -> Any:
        return x.float() if isinstance(x, torch.Tensor) and x.is_floating_point() else x

    def exact(forward: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any, **named: Any) -> Any:
            with torch.autocast(kind, enabled=False):
                return forward(*map(wide, given), **{k: wide(v) for k, v in named.items()})

        return run

    for module in {id(m): m for m in modules}.values():  # tied heads are one module
        module.forward = exact(module.forward)


class Embedded:
    """Embeddings of texts, each made once.

    A vocabulary stays the same over a clip, so the text tower has nothing to do after its first
    frame. The answer for a text does not depend on the texts beside it.
    """

    def __init__(self, embed: Callable[[Sequence[str]], Any]) -> None:
        self._embed = embed
        self._known: dict[str, Any] = {}

    def __call__(self, texts: Sequence[str]) -> Any:
        """Tensor ``[T, D]`` of texts."""
        import torch

        if len(self._known) + len(texts) > REMEMBERED:
            self._known.clear()
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        for start in range(0, len(new), AT_ONCE):
            some = new[start : start + AT_ONCE]
            self._known.update(zip(some, self._embed(some), strict=True))
        return torch.stack([self._known[text] for text in texts])
