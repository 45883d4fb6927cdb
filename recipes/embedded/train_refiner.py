"""Train the refiner: ``python -m recipes.embedded.train_refiner FRAMES OUT --minutes 40``.

It learns from what the proposer (the one that ships) finds in altered training frames, so that it
sees the mistakes that it is there to mend.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (torch's own name for it)

from recipes.embedded.frames import Shard
from recipes.embedded.nets import Refiner
from recipes.embedded.samples import meant, view
from scenekeeper.ground.prepare import REFINED, crops, refiner_input
from scenekeeper.ground.propose import ProposeConfig, propose
from scenekeeper.ground.weights import Network, load

STORED = 72
"""Crops are stored a little larger than the network's input, to be shifted and scaled."""

BATCH = 96
LEARNING_RATE = 2e-3
ROUGH = ProposeConfig(min_score=0.05, most=60)

Looks = tuple[NDArray[np.uint8], NDArray[np.float32]]


def looks_of(folder: Path, network: Network, frames: int, seed: int) -> Looks:
    """What the proposer finds in a shard, made once and kept beside it.

    Returns:
        ``uint8 [N, 72, 72, 6]``: colour, rough mask, relative depth, true mask (all 0 when the
        proposal is of nothing); ``float32 [N, 6]``: the namer's four measures, the objectness
        logit, and whether it is of something.
    """
    if not (folder / "rough-measure.npy").exists():
        shard, rng = Shard.load(folder), np.random.default_rng(seed)
        rows = rng.permutation(len(shard))[:frames]
        parts = [part for row in rows if (part := _looks_of_frame(shard, row, network, rng))]
        for name, index in (("crop", 0), ("measure", 1)):
            np.save(folder / f"rough-{name}.npy", np.concatenate([p[index] for p in parts]))
    crop = np.load(folder / "rough-crop.npy", mmap_mode="r")
    return crop, np.load(folder / "rough-measure.npy")


def _looks_of_frame(
    shard: Shard, row: int, network: Network, rng: np.random.Generator
) -> Looks | None:
    rgb, depth, ids, focal = view(shard, row, rng)
    found = propose(network, rgb, depth, ROUGH)
    if not len(found):
        return None
    dense = found.dense(ids.shape)
    look, measure = crops(rgb, depth, found.box_xyxy, dense, focal, STORED)
    of = meant(found, dense, ids)
    own = np.stack([ids == i if i else np.zeros_like(ids, np.bool_) for i in of])
    true, _ = crops(rgb, None, found.box_xyxy, own, focal, STORED)
    logit = np.log(found.score / (1 - found.score))[:, None]
    return (
        np.concatenate((look, true[..., 3:4]), -1),
        np.concatenate((measure, logit, (of > 0)[:, None]), 1).astype(np.float32),
    )


def altered(
    look: NDArray[np.uint8], measure: NDArray[np.float32], rng: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """A batch shifted, scaled and flipped: crops, measures, true masks ``[N, 32, 32]``."""
    size = int(rng.choice([60, 64, 68, 72]))
    y, x = rng.integers(0, STORED - size + 1, 2)
    part = np.array(look[:, y : y + size, x : x + size])
    if rng.random() < 0.5:
        part = part[:, :, ::-1]
    inputs, m = refiner_input(part[..., :5], measure[:, :4], measure[:, 4])
    t = torch.from_numpy(inputs)
    true = torch.from_numpy(part[..., 5].astype(np.float32) / 255)[:, None]
    if size != 64:
        t = F.interpolate(t, size=(64, 64), mode="bilinear")
    true = F.interpolate(true, size=(REFINED, REFINED), mode="area")[:, 0]
    return t.contiguous(memory_format=torch.channels_last), torch.from_numpy(m), true


def loss(mask: Tensor, quality: Tensor, true: Tensor, real: Tensor) -> tuple[Tensor, list[float]]:
    """Cross-entropy and overlap (Dice, Milletari et al. 2016) of masks; quality against the IoU."""
    entropy = F.binary_cross_entropy_with_logits(mask, true, reduction="none").mean((1, 2))
    p = mask.sigmoid()
    shared, both = (p * true).sum((1, 2)), p.sum((1, 2)) + true.sum((1, 2))
    dice = 1 - (2 * shared + 1) / (both + 1)
    n = real.sum().clamp(1)
    mask_loss = ((entropy + 0.5 * dice) * real).sum() / n
    with torch.no_grad():
        hard, sure = mask > 0, true > 0.5
        iou = (hard & sure).sum((1, 2)) / (hard | sure).sum((1, 2)).clamp(1)
        fit = iou * real
    quality_loss = F.binary_cross_entropy_with_logits(quality, fit)
    return mask_loss + quality_loss, [
        mask_loss.item(),
        quality_loss.item(),
        float((fit.sum() / n).item()),
    ]


def train(frames: Path, out: Path, minutes: float, resume: Path | None, per_shard: int) -> None:
    """Train for so many minutes of wall-clock time; ``out`` gets weights and the curve."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    network = load("proposer")
    folders = [f.parent for f in sorted(frames.glob("train-*/facts.json"))]
    shards = [looks_of(f, network, per_shard, k) for k, f in enumerate(folders)]
    print(sum(len(s[1]) for s in shards), "proposals", flush=True)
    model = Refiner().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if resume is not None:
        model.load_state_dict(torch.load(resume, weights_only=True))
    optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE, weight_decay=0.02)
    out.mkdir(parents=True, exist_ok=True)
    began, step, running = time.time(), 0, np.zeros(3)
    curve: list[dict[str, Any]] = []
    while (progress := (time.time() - began) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            falling = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))
            group["lr"] = LEARNING_RATE * min(1, (step + 1) / 100) * falling
        crop, measure = shards[int(rng.integers(len(shards)))]
        rows = np.sort(rng.choice(len(measure), BATCH, replace=False))
        x, z, true = altered(crop[rows], measure[rows], rng)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            mask, quality = model(x, z)
        real = torch.from_numpy(measure[rows, 5])
        total, parts = loss(mask.float(), quality.float(), true, real)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        step += 1
        running = 0.98 * running + 0.02 * np.array(parts)
        if step % 200 == 0:
            shown = (running / (1 - 0.98**step)).round(4).tolist()
            seconds = round(time.time() - began)
            names = ("mask", "quality", "iou")
            curve.append(
                {
                    "crops": step * BATCH,
                    "seconds": seconds,
                    **dict(zip(names, shown, strict=True)),
                }
            )
            print(curve[-1], flush=True)
            torch.save(model.state_dict(), out / "refiner.pt")
    torch.save(model.state_dict(), out / "refiner.pt")
    (out / "refiner.json").write_text(json.dumps(curve), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frames", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--per-shard", type=int, default=500, help="frames of each shard")
    a = parser.parse_args()
    train(a.frames, a.out, a.minutes, a.resume, a.per_shard)
