"""The same boxes scored by COCO's own tools."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.evaluate.detection import Boxes

FIGURES = (
    "ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large",
    "ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large",
)  # fmt: skip


def dataset(truth: Boxes, found: Boxes) -> dict[str, Any]:
    """The truth as a COCO file; ids of annotations are rows plus one."""
    size = dict(zip((*truth.image, *found.image), (*truth.size, *found.size), strict=True))
    categories = sorted({*truth.category.tolist(), *found.category.tolist()}) or [0]
    return {
        "images": [{"id": int(i), "height": int(h), "width": int(w)} for i, (h, w) in size.items()]
        or [{"id": 0, "height": 1, "width": 1}],
        "categories": [{"id": c, "name": str(c)} for c in categories],
        "annotations": [
            {**row, "id": k + 1, "area": _area(truth, k), "iscrowd": int(truth.crowd[k])}
            for k, row in enumerate(_rows(truth))
        ],
    }


def _area(truth: Boxes, k: int) -> float:
    """COCO ignores what is of no size range."""
    return 1e11 if truth.ignored[k] else float(truth.area[k])


def results(found: Boxes) -> list[dict[str, Any]]:
    """The found ones as COCO results."""
    rows = _rows(found)
    scored = [
        {**row, "score": score} for row, score in zip(rows, found.score.tolist(), strict=True)
    ]
    if found.mask:
        for row in scored:
            del row["bbox"]
    return scored


def reference(
    library: Any, evaluator: Any, truth: Boxes, found: Boxes, iou: str, class_agnostic: bool
) -> Any:
    """A finished evaluation of ``pycocotools`` or of a library with its interface."""
    done = evaluation(library, evaluator, truth, found, iou, class_agnostic)
    with contextlib.redirect_stdout(io.StringIO()):
        done.evaluate()
        done.accumulate()
        done.summarize()
    return done


def evaluation(
    library: Any, evaluator: Any, truth: Boxes, found: Boxes, iou: str, class_agnostic: bool
) -> Any:
    """The same, yet to be run."""
    with contextlib.redirect_stdout(io.StringIO()):
        gt, dt = library(), library()
        gt.dataset = dataset(truth, found)
        dt.dataset = {**gt.dataset, "annotations": []}
        gt.createIndex()
        dt.createIndex()
        if len(found):
            dt = gt.loadRes(results(found))
        done = evaluator(gt, dt, {"box": "bbox", "mask": "segm"}[iou])
    done.params.useCats = int(not class_agnostic)
    return done


def figures(done: Any) -> NDArray[np.float64]:
    """Its twelve figures, NaN where it says -1."""
    stats = np.array(done.stats[:12], np.float64)
    return np.where(stats < 0, np.nan, stats)


def _rows(boxes: Boxes) -> list[dict[str, Any]]:
    rows = []
    for k, (x0, y0, x1, y1) in enumerate(boxes.box_xyxy.tolist()):
        row: dict[str, Any] = {
            "image_id": int(boxes.image[k]),
            "category_id": int(boxes.category[k]),
        }
        row["bbox"] = [x0, y0, x1 - x0, y1 - y0]
        if boxes.mask:
            row["segmentation"] = {"size": boxes.size[k].tolist(), "counts": boxes.mask[k]}
        rows.append(row)
    return rows
