"""Were the things found, and is what was found there: AP, AR, recall, precision, verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from scenekeeper.evaluate.detection import DetectionScore, score_detection
from scenekeeper.evaluate.labelled import Labelled
from scenekeeper.evaluate.pairing import (
    MIN_SIDE,
    VERDICTS,
    Pairing,
    boxes_of,
    has_masks,
    not_to_find,
    right_names,
)
from scenekeeper.evaluate.rows import Row, share
from scenekeeper.schema import UNNAMED


def detection_rows(
    true: Labelled, found: Labelled, names: Mapping[str, str]
) -> tuple[list[Row], dict[str, Any]]:
    """COCO's AP and AR of masks and boxes, with and without names; precision curves as plots."""
    things = found[found.single]
    excused = not_to_find(true, MIN_SIDE)
    classes = {p: k for k, p in enumerate(sorted({names.get(p, p) for p in true.phrase}))}
    of_true = np.array([classes[names.get(p, p)] for p in true.phrase], np.int64)
    of_found = np.array([classes.get(names.get(p, p), -1) for p in things.phrase], np.int64)
    n = int((~excused).sum())
    rows: list[Row] = []
    plots: dict[str, Any] = {}
    kinds = ["mask", "box"] if has_masks(true, things) else ["box"]
    for kind in kinds:
        a = boxes_of(true, of_true, kind == "mask", excused)
        b = boxes_of(things, of_found, kind == "mask")
        for agnostic in (True, False):
            score = score_detection(a, b, kind, agnostic)  # type: ignore[arg-type]
            what = f"{kind}, any name" if agnostic else f"{kind}, right name"
            rows += [
                Row(what, f"AP50 ({what})", _number(score.ap50), n),
                Row(what, f"AP ({what})", _number(score.ap), n),
                Row(what, f"AR100 ({what})", _number(score.ar100), n),
            ]
            if agnostic:
                plots[f"precision_{kind}"] = _curve(score)
    return rows, plots


def _curve(score: DetectionScore) -> list[list[float]]:
    """Precision at IoU .5 over recall."""
    values = np.nan_to_num(score.precision[0].mean(-1))
    return [[float(r), float(p)] for r, p in zip(score.recalls, values, strict=True)]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def verdict_rows(p: Pairing) -> Iterator[Row]:
    """Shares of true things by verdict, and of found ones that are right."""
    n, clip = len(p.truth), p.truth.clip[p.truth.image]
    section = "what became of the true things"
    hit = p.found_of >= 0
    yield share(section, "recall at IoU .5", hit, clip)
    for k, verdict in enumerate(VERDICTS):
        better = "higher" if verdict == "right" else "lower"
        yield share(section, verdict, p.verdict == k, clip, better)
    counted = p.truth_of != -2
    found_clip = p.found.clip[p.found.image]
    section = "what was found"
    yield share(section, "precision at IoU .5", (p.truth_of >= 0)[counted], found_clip[counted])
    named = counted & np.array([w != UNNAMED for w in p.found.phrase], np.bool_)
    right = right_names(p)
    yield share(section, "names that are right", right[named], found_clip[named])
    wrong = named & ~right & (np.nan_to_num(p.found.p, nan=1.0) >= 0.6)
    yield share(section, "confident wrong names", wrong[counted], found_clip[counted], "lower")
    yield share(section, "hallucinated", (p.truth_of == -1)[counted], found_clip[counted], "lower")
    yield Row(
        section, "things per frame", n / max(1, len(set(p.truth.image.tolist()))), n, better=""
    )
