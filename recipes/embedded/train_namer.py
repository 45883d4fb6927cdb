"""Train the namer: ``python -m recipes.embedded.train_namer FRAMES OUT --minutes 40``."""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  (torch's own name for it)

from recipes.embedded.frames import CLASSES, Shard
from recipes.embedded.nets import Namer
from recipes.embedded.samples import meant, view
from scenekeeper.ground.prepare import crops, namer_input
from scenekeeper.ground.stages import see

STORED = 72
"""Crops are stored a little larger than the network's input, to be shifted and scaled."""

MIN_PIXELS = 60
BATCH = 128
LEARNING_RATE = 2e-3

Looks = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]


def looks_of(folder: Path) -> Looks:
    """Crops, measures and classes of all things in a shard, made once and kept beside it."""
    if not (folder / "looks-class.npy").exists():
        shard = Shard.load(folder)
        parts = [part for row in range(len(shard)) for part in _looks_of_frame(shard, row)]
        for name, index in (("crop", 0), ("measure", 1), ("class", 2)):
            np.save(folder / f"looks-{name}.npy", np.concatenate([p[index] for p in parts]))
    crop = np.load(folder / "looks-crop.npy", mmap_mode="r")
    return crop, np.load(folder / "looks-measure.npy"), np.load(folder / "looks-class.npy")


def _looks_of_frame(shard: Shard, row: int) -> Iterator[Looks]:
    ids, fact = shard.ids[row], shard.facts[row]
    nouns: dict[int, int] = fact["nouns"]  # type: ignore[assignment]
    counts = np.bincount(ids.ravel(), minlength=256)
    wanted = [i for i in nouns if counts[i] >= MIN_PIXELS]
    if not wanted:
        return
    masks = np.stack([ids == i for i in wanted])
    boxes = np.array([_box(m) for m in masks])
    depth = shard.depth[row].astype(np.float32) / 1000
    look, measure = crops(shard.rgb[row], depth, boxes, masks, fact["focal"], STORED)  # type: ignore[arg-type]
    yield look, measure, np.array([nouns[i] for i in wanted])


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def found_looks_of(folder: Path, frames: int, seed: int) -> Looks:
    """Crops, measures and classes of what the shipped networks find in a shard's altered frames."""
    if not (folder / "found-class.npy").exists():
        shard, rng = Shard.load(folder), np.random.default_rng([seed, 1])
        rows = rng.permutation(len(shard))[:frames].tolist()
        parts = [p for row in rows if (p := _found_in_frame(shard, row, rng)) is not None]
        for name, index in (("crop", 0), ("measure", 1), ("class", 2)):
            np.save(folder / f"found-{name}.npy", np.concatenate([p[index] for p in parts]))
    crop = np.load(folder / "found-crop.npy", mmap_mode="r")
    return crop, np.load(folder / "found-measure.npy"), np.load(folder / "found-class.npy")


def _found_in_frame(shard: Shard, row: int, rng: np.random.Generator) -> Looks | None:
    rgb, depth, ids, focal = view(shard, row, rng)
    found, _ = see(rgb, depth, focal)
    dense = found.dense(ids.shape)
    nouns: dict[int, int] = shard.facts[row]["nouns"]  # type: ignore[assignment]
    classes = np.array([nouns.get(int(i), -1) for i in meant(found, dense, ids)], np.int64)
    good = classes >= 0
    if not good.any():
        return None
    look, measure = crops(rgb, depth, found.box_xyxy[good], dense[good], focal, STORED)
    return look, measure, classes[good]


def altered(
    look: NDArray[np.uint8], measure: NDArray[np.float32], rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """A batch as a worse detector and camera would give it."""
    n = len(look)
    size = int(rng.choice([52, 58, 64, 68, 72]))
    y, x = rng.integers(0, STORED - size + 1, 2)
    view = np.array(look[:, y : y + size, x : x + size])
    if rng.random() < 0.5:
        view = view[:, :, ::-1]
    color = (view[..., :3].astype(np.float32) / 255) ** rng.uniform(0.6, 1.6, (n, 1, 1, 1))
    color *= rng.uniform(0.8, 1.2, (n, 1, 1, 3))
    color += rng.standard_normal(color.shape, np.float32) * rng.uniform(0, 0.04, (n, 1, 1, 1))
    view = np.concatenate(
        (np.clip(255 * color, 0, 255).astype(np.uint8), view[..., 3:]), -1, dtype=np.uint8
    )
    view[..., 3] = _worse_mask(view[..., 3], rng)
    m = measure.copy()
    m[:, :2] += rng.normal(0, 0.08, (n, 1)) + rng.normal(0, 0.05, (n, 2))
    without = rng.random(n) < 0.25
    view[without, ..., 4] = 0
    m[without, 3] = 0
    holes = rng.random((n, 9, 9)) < 0.06
    holes = holes.repeat(8, 1).repeat(8, 2)[:, : view.shape[1], : view.shape[2]]
    view[..., 4][holes] = 0
    inputs, m = namer_input(view, m)
    t = torch.from_numpy(inputs)
    if size != 64:
        t = F.interpolate(t, size=(64, 64), mode="bilinear")
    return t.contiguous(memory_format=torch.channels_last), torch.from_numpy(m)


def _worse_mask(mask: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Masks grown, shrunk, coarsened or with patches wrong; a few say nothing at all."""
    t = torch.from_numpy(mask.astype(np.float32))[:, None]
    kind = rng.random()
    if kind < 0.2:
        t = F.max_pool2d(t, 5, 1, 2)
    elif kind < 0.35:
        t = 255 - F.max_pool2d(255 - t, 3, 1, 1)
    elif kind < 0.65:
        cell = int(rng.integers(4, 10))
        coarse = F.avg_pool2d(t, cell, cell, ceil_mode=True)
        t = (F.interpolate(coarse, size=t.shape[-2:], mode="bilinear") > 127).float() * 255
    out = t[:, 0].numpy().astype(np.uint8)
    wrong = rng.random((len(out), 9, 9)) < 0.03
    wrong = wrong.repeat(8, 1).repeat(8, 2)[:, : out.shape[1], : out.shape[2]]
    out = np.where(wrong, 255 - out, out)
    out[rng.random(len(out)) < 0.08] = 128
    return out


@torch.no_grad()
def accuracy(model: Namer, looks: Looks, with_depth: bool = True) -> tuple[float, float]:
    """Shares of crops whose class comes first, and among the first five."""
    model.eval()
    first = five = 0
    edge = (STORED - 64) // 2
    for k in range(0, len(looks[2]), 256):
        view = np.array(looks[0][k : k + 256, edge:-edge, edge:-edge])
        m = looks[1][k : k + 256].copy()
        if not with_depth:
            view[..., 4] = 0
            m[:, 3] = 0
        x, z = namer_input(view, m)
        top = model.logits(model(torch.from_numpy(x), torch.from_numpy(z))).topk(5)[1].numpy()
        hit = top == looks[2][k : k + 256, None]
        first, five = first + hit[:, 0].sum(), five + hit.any(1).sum()
    model.train()
    return float(first / len(looks[2])), float(five / len(looks[2]))


def train(
    frames: Path,
    out: Path,
    minutes: float,
    resume: Path | None,
    found: int = 0,
    most: float = LEARNING_RATE,
) -> None:
    """Train for so many minutes of wall-clock time; ``out`` gets weights and the curve."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    folders = [f.parent for f in sorted(frames.glob("train-*/facts.json"))]
    shards = [looks_of(f) for f in folders]
    shards += [found_looks_of(f, found, k) for k, f in enumerate(folders) if found]
    held_out = looks_of(frames / "held-out")
    classes = np.concatenate([s[2] for s in shards])
    where = np.concatenate([[(k, i) for i in range(len(s[2]))] for k, s in enumerate(shards)])
    counts = np.bincount(classes, minlength=len(CLASSES))
    print(len(classes), "crops;", {CLASSES[k]: int(c) for k, c in enumerate(counts)}, flush=True)
    chance = 1 / np.sqrt(counts + 20)[classes]
    cumulative = np.cumsum(chance / chance.sum())
    model = Namer(len(CLASSES)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if resume is not None:
        model.load_state_dict(torch.load(resume, weights_only=True))
    optimizer = torch.optim.AdamW(model.parameters(), most, weight_decay=0.02)
    out.mkdir(parents=True, exist_ok=True)
    began, step, running, curve = time.time(), 0, 0.0, []
    while (progress := (time.time() - began) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            falling = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress))
            group["lr"] = most * min(1, (step + 1) / 100) * falling
        rows = np.searchsorted(cumulative, rng.random(BATCH)).clip(0, len(classes) - 1)
        look = np.stack([shards[k][0][i] for k, i in where[rows]])
        measure = np.stack([shards[k][1][i] for k, i in where[rows]])
        x, z = altered(look, measure, rng)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            embedding = model(x, z)
        logits = model.logits(embedding.float())
        loss = F.cross_entropy(logits, torch.from_numpy(classes[rows]), label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        running = 0.98 * running + 0.02 * loss.item()
        if step % 500 == 0:
            scores = {"rgbd": accuracy(model, held_out), "rgb": accuracy(model, held_out, False)}
            seconds = round(time.time() - began)
            curve.append({"crops": step * BATCH, "seconds": seconds, "loss": running, **scores})
            print(curve[-1], flush=True)
            torch.save(model.state_dict(), out / "namer.pt")
    scores = {"rgbd": accuracy(model, held_out), "rgb": accuracy(model, held_out, False)}
    curve.append({"crops": step * BATCH, "seconds": 60 * minutes, "loss": running, **scores})
    print(curve[-1], flush=True)
    torch.save(model.state_dict(), out / "namer.pt")
    (out / "namer.json").write_text(json.dumps(curve), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frames", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--found", type=int, default=400, help="frames of each shard to look at")
    parser.add_argument("--rate", type=float, default=LEARNING_RATE)
    a = parser.parse_args()
    train(a.frames, a.out, a.minutes, a.resume, a.found, a.rate)
