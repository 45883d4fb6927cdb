"""Boxes and masks are scored over five times faster than by faster-coco-eval, figures alike.

Claim: matching every threshold and size range in one word of bits per overlapping pair needs no
compiled evaluator. Ours and the peer start from annotations in memory and end with COCO's twelve
figures; CPU time of all threads. Peer: ``faster_coco_eval`` (C++) where it is installed, else
``pycocotools``. The figures above are of boxes; the note tells those of masks.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Result, blob, cpu_seconds
from scenekeeper import masks
from scenekeeper.evaluate.detection import Boxes, DetectionScore, score_detection
from scenekeeper.evaluate.overlap import Iou

IMAGES, PER_IMAGE, CATEGORIES, SIZE, EXTENT = 1000, 10, 80, (480, 640), (16, 200)
FIGURES = "ap ap50 ap75 ap_small ap_medium ap_large ar1 ar10 ar100 ar_small ar_medium ar_large"


def run() -> Result:
    truth, found = _made(np.random.default_rng(0))
    peer_name = _peer()[2]
    box_seconds, peer_seconds, boxes_agree = _compare(_boxes_only(truth), _boxes_only(found), "box")
    mask_seconds, mask_peer_seconds, masks_agree = _compare(truth, found, "mask")
    ratio = mask_peer_seconds / mask_seconds
    return Result(
        name="detection_eval",
        input=f"{IMAGES} images, {len(truth):,} truths, {len(found):,} found, {CATEGORIES} classes",
        unit="ms",
        ours=box_seconds * 1e3,
        peer=peer_seconds * 1e3,
        peer_name=peer_name,
        target=5.0,
        further={
            "masks are scored faster too": ratio > 1,
            "all figures agree to 1e-9": boxes_agree and masks_agree,
        },
        note=f"masks {mask_seconds * 1e3:.0f} ms, {ratio:.1f}x",
    )


def _compare(truth: Boxes, found: Boxes, iou: Iou) -> tuple[float, float, bool]:
    library, evaluator, _ = _peer()
    with contextlib.redirect_stdout(io.StringIO()):
        gt = library()
        gt.dataset = _dataset(truth)
        gt.createIndex()
        scored = zip(_rows(found), found.score.tolist(), strict=True)
        dt = gt.loadRes([{**row, "score": score} for row, score in scored])

    def ours() -> DetectionScore:
        return score_detection(truth, found, iou)

    def peer() -> NDArray[np.float64]:
        with contextlib.redirect_stdout(io.StringIO()):
            done = evaluator(gt, dt, {"box": "bbox", "mask": "segm"}[iou])
            done.evaluate()
            done.accumulate()
            done.summarize()
        return np.array(done.stats[:12], np.float64)

    score = ours()
    agree = np.abs(peer() - [getattr(score, name) for name in FIGURES.split()]).max() < 1e-9
    seconds, peer_seconds = cpu_seconds(ours, peer, repeats=5)
    return seconds, peer_seconds, bool(agree)


def _made(rng: np.random.Generator) -> tuple[Boxes, Boxes]:
    """Things in images, most of them found a little beside, some twice, and things not there."""
    n = IMAGES * PER_IMAGE
    shapes = [blob(rng, int(side)) for side in np.geomspace(*EXTENT, 60)]
    truth = np.c_[rng.integers(0, IMAGES, n), rng.integers(0, CATEGORIES, n)]
    shape = rng.integers(0, len(shapes), n)
    side = np.array([len(shapes[k]) for k in shape])
    place = (rng.uniform(0, 1, (n, 2)) * (np.array(SIZE) - side[:, None])).astype(int)
    again = np.r_[rng.permutation(n)[: int(0.9 * n)], rng.permutation(n)[: int(0.3 * n)]]
    chance = int(1.9 * n)
    found = np.r_[truth[again], truth[rng.permutation(n)], truth[: chance - n]]
    swapped = rng.random(len(found)) < 0.1
    found[swapped, 1] = rng.integers(0, CATEGORIES, swapped.sum())
    found[len(again) :, 0] = rng.integers(0, IMAGES, chance)
    found_shape = np.r_[shape[again], rng.integers(0, len(shapes), chance)]
    beside = rng.normal(0, 0.06, (len(again), 2)) * side[again, None]
    found_place = np.r_[place[again] + beside, rng.uniform(0, 1, (chance, 2)) * SIZE].astype(int)
    score = np.r_[rng.beta(4, 2, len(again)), rng.beta(2, 4, chance)].round(3)
    return (
        _boxes(shapes, truth, shape, place, np.ones(n)),
        _boxes(shapes, found, found_shape, found_place, score),
    )


def _boxes(
    shapes: list[NDArray[np.bool_]],
    image_category: NDArray[np.int64],
    shape: NDArray[np.int64],
    place: NDArray[np.int64],
    score: NDArray[np.float64],
) -> Boxes:
    counts, boxes = [], []
    for k, (y, x) in zip(shape.tolist(), place.tolist(), strict=True):
        mask = shapes[k]
        y, x = (min(max(at, 0), limit - len(mask)) for at, limit in zip((y, x), SIZE, strict=True))
        counts.append(masks.encode_crop(mask, (x, y), SIZE))
        boxes.append((x, y, x + len(mask), y + len(mask)))
    image, category = image_category.T
    sizes = np.tile(SIZE, (len(boxes), 1))
    return Boxes.of(image, category, boxes, score, mask=counts, size=sizes)


def _boxes_only(boxes: Boxes) -> Boxes:
    return Boxes.of(boxes.image, boxes.category, boxes.box_xyxy, boxes.score)


# --- as COCO has them -----------------------------------------------------------------------------


def _dataset(truth: Boxes) -> dict[str, Any]:
    area = truth.area.tolist()
    return {
        "images": [{"id": k, "height": SIZE[0], "width": SIZE[1]} for k in range(IMAGES)],
        "categories": [{"id": k, "name": str(k)} for k in range(CATEGORIES)],
        "annotations": [
            {**row, "id": k + 1, "area": area[k], "iscrowd": 0}
            for k, row in enumerate(_rows(truth))
        ],
    }


def _rows(boxes: Boxes) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"image_id": image, "category_id": category}
        for image, category in zip(boxes.image.tolist(), boxes.category.tolist(), strict=True)
    ]
    for k, row in enumerate(rows):
        if boxes.mask:
            row["segmentation"] = {"size": list(SIZE), "counts": boxes.mask[k]}
        else:
            x0, y0, x1, y1 = boxes.box_xyxy[k].tolist()
            row["bbox"] = [x0, y0, x1 - x0, y1 - y0]
    return rows


def _peer() -> tuple[Callable[..., Any], Callable[..., Any], str]:
    try:
        import faster_coco_eval as fast  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        return COCO, COCOeval, f"pycocotools {version('pycocotools')} COCOeval"
    name = f"faster-coco-eval {version('faster-coco-eval')} COCOeval_faster"
    return fast.COCO, fast.COCOeval_faster, name
