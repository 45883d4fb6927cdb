"""Doubles, holes and specks of masks, on the device: what SAM 3 fetches kernels from the hub for.

Without those kernels transformers leaves all three in, with one warning: every double becomes a
track. The rules are the model's own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import max_pool2d

Tensor = Any
FILLED, EMPTIED = 0.1, -0.1
"""Logits of a pixel in a filled hole, and of one of a speck."""


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """IoU ``[N, M]`` of bitmaps ``bool [N, h, w]`` and ``[M, h, w]``; of two empty ones 0."""
    a, b = a.flatten(1)[:, None], b.flatten(1)[None]
    shared, either = (a & b).sum(-1).float(), (a | b).sum(-1).float()
    return shared / either.clamp(min=1)


def singles(found: Tensor, scores: Tensor, most: float) -> Tensor:
    """Which masks have no better one that they overlap by more than ``most``, ``bool [N]``.

    Args:
        found: ``bool [N, h, w]``.
        scores: ``[N]``.
        most: IoU.
    """
    order = torch.argsort(scores, descending=True, stable=True)
    alike = (overlap(found[order], found[order]) > most).tolist()
    kept: list[int] = []
    for k, others in enumerate(alike):
        if not any(others[better] for better in kept):
            kept.append(k)
    keep = torch.zeros(len(found), dtype=torch.bool, device=found.device)
    keep[order[torch.tensor(kept, dtype=torch.int64, device=found.device)]] = True
    return keep


def tidy(logits: Tensor, most: int) -> Tensor:
    """Logits ``[N, h, w]`` without holes and specks of up to ``most`` pixels.

    A speck goes only if it is no more than half of its mask.
    """
    if most <= 0 or not len(logits):
        return logits
    empty = logits <= 0
    logits = torch.where(empty & (sizes(empty, most) <= most), FILLED, logits)
    full = logits > 0
    half = full.sum((1, 2), dtype=torch.int32).floor_divide(2).clamp(max=most)
    return torch.where(full & (sizes(full, most) <= half[:, None, None]), EMPTIED, logits)


def sizes(found: Tensor, most: int) -> Tensor:
    """How many pixels the patch that each pixel belongs to has, ``int32 [N, h, w]``.

    Patches of more than ``most`` count as one more than that, pixels of none as 0. Pixels touch
    at edges and corners. The highest number in a patch spreads by one pixel a round, so that after
    ``most`` rounds a patch of that many pixels has one number, and a larger one either has several
    or is counted in full.
    """
    n, h, w = found.shape
    inside = found.float()[:, None]
    number = inside * torch.arange(1, h * w + 1, device=found.device).view(1, 1, h, w)
    for _ in range(most):
        number = max_pool2d(number, 3, 1, 1) * inside
    lowest = -max_pool2d(-torch.where(inside > 0, number, float(h * w + 1)), 3, 1, 1)
    mixed = found & ((max_pool2d(number, 3, 1, 1) != number) | (lowest != number))[:, 0]
    label = number.long().flatten(1)
    counts = torch.zeros(n, h * w + 1, dtype=torch.int32, device=found.device)
    counts.scatter_add_(1, label, torch.ones_like(label, dtype=torch.int32))
    counts.scatter_add_(1, label, mixed.flatten(1).int() * (most + 1))
    size = counts.clamp(max=most + 1).gather(1, label).view(n, h, w)
    return torch.where(found, size, 0)
