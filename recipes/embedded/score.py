"""Scores of the shipped networks on held-out rooms: ``python -m recipes.embedded.score FRAMES``."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from recipes.embedded.frames import Shard
from scenekeeper import masks as rle
from scenekeeper.ground.propose import Proposals
from scenekeeper.ground.stages import see
from scenekeeper.naming import posterior

MIN_SIDE = 16
"""Things smaller than a square of this side (by the area of their visible box) are left out."""


def score(frames: Path, most: int | None = None, with_depth: bool = True) -> dict[str, Any]:
    """Class-agnostic and named scores of single views; calibration; speed."""
    shard = Shard.load(frames / "held-out")
    rows, names, truths, top = [], [], [], []
    hits: list[tuple[float, bool]] = []
    sides: list[tuple[float, bool]] = []
    seconds = 0.0
    n_frames = min(most or len(shard), len(shard))
    for row in range(n_frames):
        rgb = np.array(shard.rgb[row])
        depth = shard.depth[row].astype(np.float32) / 1000 if with_depth else None
        began = time.process_time()
        found, seen = see(rgb, depth, _focal(shard, row))
        seconds += time.process_time() - began
        truth = _truth(shard, row)
        iou = _iou(found, truth, rgb.shape[:2])
        box_iou = _box_iou(found.box_xyxy, truth["box"])
        p = posterior(seen.logits) if len(found) else np.zeros((0, 1))
        rows.append(_greedy(found.score, iou, truth["large"]))
        for k in range(len(found)):
            names += [
                (float(found.score[k] * np.sqrt(p[k, c])), int(c), row, k)
                for c in np.argsort(-p[k])[:3]
            ]
        truths.append({**truth, "iou": box_iou})
        taken = set()
        for k in np.argsort(-found.score):
            g = int(box_iou[k].argmax()) if len(truth["class"]) else -1
            if g >= 0 and box_iou[k, g] >= 0.5 and g not in taken:
                taken.add(g)
                if truth["large"][g]:
                    top.append((float(p[k].max()), bool(p[k].argmax() == truth["class"][g])))
        sides += [(float(s), g in taken) for g, s in enumerate(truth["side"])]
        hits += rows[-1][0]
    there = sum(int(t["large"].sum()) for t in truths)
    side, got = np.array([s for s, _ in sides]), np.array([h for _, h in sides])
    right, confidence = np.array([r for _, r in top]), np.array([c for c, _ in top])
    return {
        "frames": n_frames,
        "things": there,
        "mask_ap50": _ap(hits, there),
        "mask_recall": sum(h for _, h in hits) / there,
        "box_recall": float(got[side >= MIN_SIDE].mean()),
        "recall_by_side": {
            f"{a}-{b}": round(float(got[(side >= a) & (side < b)].mean()), 3)
            for a, b in ((4, 8), (8, 16), (16, 32), (32, 64), (64, 400))
        },
        "named_map50": named_map(names, truths),
        "top1": float(right.mean()),
        "name_ece": _ece(confidence, right),
        "cpu_ms_per_frame": 1000 * seconds / n_frames,
        "with_depth": with_depth,
    }


def _focal(shard: Shard, row: int) -> float:
    return float(shard.facts[row]["focal"])  # type: ignore[arg-type]


def _truth(shard: Shard, row: int) -> dict[str, Any]:
    ids, nouns = shard.ids[row], shard.facts[row]["nouns"]
    counts = np.bincount(ids.ravel(), minlength=256)
    shown = [i for i in nouns if counts[i] >= 16]  # type: ignore[attr-defined]
    dense = [ids == i for i in shown]
    boxes = np.array([_box(m) for m in dense], np.float64).reshape(-1, 4)
    side = np.sqrt((boxes[:, 2:] - boxes[:, :2]).prod(1))
    return {
        "box": boxes,
        "mask": [rle.encode(m) for m in dense],
        "class": np.array([nouns[i] for i in shown], np.int64),  # type: ignore[index]
        "side": side,
        "large": side >= MIN_SIDE,
    }


def _box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def _iou(found: Proposals, truth: dict[str, Any], size: tuple[int, int]) -> NDArray[np.float64]:
    a = [{"size": size, "counts": m} for m in found.run_lengths(size)]
    b = [{"size": size, "counts": m} for m in truth["mask"]]
    if not a or not b:
        return np.zeros((len(a), len(b)))
    return np.asarray(coco.iou(a, b, [0] * len(b)))


def _box_iou(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    from scenekeeper.geometry import box_iou

    return box_iou(a, b) if len(a) and len(b) else np.zeros((len(a), len(b)))


def _greedy(
    score: NDArray[np.float32], iou: NDArray[np.float64], counted: NDArray[np.bool_]
) -> tuple[list[tuple[float, bool]]]:
    """Hits and misses at IoU .5, by falling score; what matches an uncounted thing is left out."""
    out, taken = [], np.zeros(iou.shape[1], np.bool_)
    for k in np.argsort(-score, kind="stable"):
        free = np.where(taken, 0, iou[k])
        g = int(free.argmax()) if len(free) else -1
        hit = g >= 0 and free[g] >= 0.5
        if hit:
            taken[g] = True
            if not counted[g]:
                continue
        elif len(free) and not counted.all() and iou[k][~counted].max(initial=0) >= 0.5:
            continue
        out.append((float(score[k]), bool(hit)))
    return (out,)


def named_map(names: list[Any], truths: list[dict[str, Any]]) -> float:
    """Mean AP50 over classes, each proposal voting for its three best names."""
    by_class: dict[int, list[Any]] = {}
    for s, c, row, k in names:
        by_class.setdefault(c, []).append((s, row, k))
    total: dict[int, int] = {}
    for t in truths:
        for c in t["class"][t["large"]]:
            total[int(c)] = total.get(int(c), 0) + 1
    scores = []
    for c, there in total.items():
        taken: set[tuple[int, int]] = set()
        hits = []
        for s, row, k in sorted(by_class.get(c, []), key=lambda v: -v[0]):
            t = truths[row]
            fits = np.where(t["class"] == c, t["iou"][k], 0)
            fits = np.array([0 if (row, g) in taken else v for g, v in enumerate(fits)])
            g = int(fits.argmax()) if len(fits) else -1
            hit = g >= 0 and fits[g] >= 0.5
            if hit:
                taken.add((row, g))
                if not t["large"][g]:
                    continue
            hits.append((s, hit))
        scores.append(_ap(hits, there))
    return float(np.mean(scores))


def _ap(hits: list[tuple[float, bool]], there: int) -> float:
    if not there or not hits:
        return 0.0
    ordered = np.array([h for _, h in sorted(hits, key=lambda v: -v[0])], float)
    right = np.cumsum(ordered)
    precision = np.maximum.accumulate((right / np.arange(1, len(right) + 1))[::-1])[::-1]
    at = np.searchsorted(right / there, np.linspace(0, 1, 101))
    return float(np.append(precision, 0)[np.minimum(at, len(precision))].mean())


def _ece(confidence: NDArray[Any], right: NDArray[Any], bins: int = 15) -> float:
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gap = np.abs(np.bincount(which, confidence, bins) - np.bincount(which, right, bins))
    return float(gap.sum() / len(right))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("frames", type=Path)
    parser.add_argument("--most", type=int)
    a = parser.parse_args()
    for with_depth in (True, False):
        print(json.dumps(score(a.frames, a.most, with_depth)), flush=True)
