"""Train the proposer: ``python -m recipes.embedded.train_proposer FRAMES OUT --minutes 90``."""

from __future__ import annotations

import argparse
import json
import math
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (torch's own name for it)

from recipes.embedded.nets import Proposer
from recipes.embedded.samples import CELL, Sample, batches

BATCH = 16
LEARNING_RATE = 2e-3
MASKS_PER_STEP = 160


def generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU ``[N]`` of boxes ``[N, 4]`` (Rezatofighi et al. 2019)."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    shared = (high - low).clamp(0).prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - shared
    around = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(1)
    return shared / union - (around - union) / around


def loss(outputs: tuple[Tensor, ...], batch: list[Sample]) -> tuple[Tensor, list[float]]:
    """Objectness (quality focal), boxes (generalised IoU) and masks (cross-entropy near the box).

    Each thing weighs the same in the box loss, however many cells stand for it.
    """
    objectness, sides, weights, prototypes = (o.float() for o in outputs)
    wanted = torch.from_numpy(np.stack([s.objectness for s in batch]))
    owner = torch.from_numpy(np.stack([s.owner for s in batch]).astype(np.int64))
    inside = torch.from_numpy(np.stack([s.inside for s in batch]).astype(np.int64))
    boxes = torch.from_numpy(np.concatenate([s.boxes for s in batch]))
    start = torch.from_numpy(np.cumsum([0, *(len(s.boxes) for s in batch[:-1])]))
    n, y, x = (owner > 0).nonzero(as_tuple=True)
    positives = max(1, len(n))
    score = objectness[:, 0]
    apart = (wanted - score.sigmoid()).abs() ** 2
    focal = F.binary_cross_entropy_with_logits(score, wanted, reduction="none")
    objectness_loss = (focal * apart).sum() / positives
    thing = owner[n, y, x] - 1
    which = start[n] + thing
    share = 1 / torch.bincount(which, minlength=len(boxes))[which].float()
    cx, cy = CELL * x + CELL / 2, CELL * y + CELL / 2
    d = CELL * sides[n, :, y, x]
    found = torch.stack((cx - d[:, 0], cy - d[:, 1], cx + d[:, 2], cy + d[:, 3]), 1)
    box_loss = ((1 - generalised_iou(found, boxes[which])) * share).sum() / share.sum()
    k = torch.randperm(len(n))[:MASKS_PER_STEP]
    mask = torch.einsum("kp,kphw->khw", weights[n[k], :, y[k], x[k]], prototypes[n[k]])
    truth = (inside[n[k]] == (thing[k] + 1)[:, None, None]).float()
    near = _near(boxes[which[k]], mask.shape[1], mask.shape[2])
    entropy = F.binary_cross_entropy_with_logits(mask, truth, reduction="none") * near
    mask_loss = (entropy.sum((1, 2)) / near.sum((1, 2)).clamp(1)).mean()
    total = objectness_loss + 2 * box_loss + 1.5 * mask_loss
    return total, [objectness_loss.item(), box_loss.item(), mask_loss.item()]


def _near(boxes: Tensor, height: int, width: int) -> Tensor:
    """Cells in or around boxes, ``float32 [K, h, w]``."""
    y = CELL * torch.arange(height)[None, :, None] + CELL / 2
    x = CELL * torch.arange(width)[None, None] + CELL / 2
    b = boxes[:, :, None, None]
    margin = 2 + 0.1 * torch.maximum(b[:, 2] - b[:, 0], b[:, 3] - b[:, 1])
    across = (x > b[:, 0] - margin) & (x < b[:, 2] + margin)
    return (across & (y > b[:, 1] - margin) & (y < b[:, 3] + margin)).float()


def rate(most: float, progress: float, step: int) -> float:
    """Learning rate: a short warm-up, then half a cosine down to a fiftieth."""
    warm = min(1.0, (step + 1) / 200)
    return most * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1, progress))))


def train(
    frames: Path,
    out: Path,
    minutes: float,
    resume: Path | None,
    loaders: int = 1,
    most: float = LEARNING_RATE,
) -> None:
    """Train for so many minutes of wall-clock time; ``out`` gets weights and the curve."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Proposer().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if resume is not None:
        model.load_state_dict(torch.load(resume, weights_only=True))
    optimizer = torch.optim.AdamW(model.parameters(), most, (0.9, 0.98), weight_decay=0.02)
    mean = {k: v.clone() for k, v in model.state_dict().items()}
    context = get_context("spawn")
    queue: Any = context.Queue(4)
    workers = [
        context.Process(target=batches, args=((frames,), BATCH, queue, seed), daemon=True)
        for seed in range(loaders)
    ]
    for worker in workers:
        worker.start()
    began, step, running = time.time(), 0, np.zeros(3)
    out.mkdir(parents=True, exist_ok=True)
    curve: list[dict[str, float]] = []
    while (progress := (time.time() - began) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate(most, progress, step)
        batch = queue.get()
        x = torch.from_numpy(np.stack([s.x for s in batch]))
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            outputs = model(x)
        total, parts = loss(outputs, batch)
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
        step += 1
        running = 0.98 * running + 0.02 * np.array(parts)
        _average(mean, model, min(0.9985, step / (step + 20)))
        if step % 100 == 0:
            shown = (running / (1 - 0.98**step)).round(4).tolist()
            curve.append(
                {
                    "images": step * BATCH,
                    "seconds": round(time.time() - began),
                    **dict(zip(("objectness", "box", "mask"), shown, strict=True)),
                }
            )
            print(curve[-1], flush=True)
        if step % 500 == 0:
            _save(out, mean, curve)
    _save(out, mean, curve)
    for worker in workers:
        worker.terminate()


def _average(mean: dict[str, Tensor], model: Proposer, keep: float) -> None:
    """Move the running mean of the weights along."""
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if value.dtype.is_floating_point:
                mean[name].mul_(keep).add_(value, alpha=1 - keep)
            else:
                mean[name].copy_(value)


def _save(out: Path, mean: dict[str, Tensor], curve: list[dict[str, float]]) -> None:
    torch.save(mean, out / "proposer.part")
    (out / "proposer.part").replace(out / "proposer.pt")
    (out / "proposer.json").write_text(json.dumps(curve), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frames", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--loaders", type=int, default=1)
    parser.add_argument("--rate", type=float, default=LEARNING_RATE)
    a = parser.parse_args()
    train(a.frames, a.out, a.minutes, a.resume, a.loaders, a.rate)
