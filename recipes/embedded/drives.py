"""Names in single views and fused: ``python -m recipes.embedded.drives LABELS.sk TRUTH.sk``.

The proposals of whole drives, under the names that their own view says and under those that all
views of their track agree on; things of 16 x 16 pixels or more.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recipes.embedded.frames import CLASSES
from recipes.embedded.score import MIN_SIDE, named_map
from scenekeeper import open_dataset
from scenekeeper.geometry import box_iou
from scenekeeper.naming import NamingConfig, fuse, posterior
from scenekeeper.store import Dataset

Float = NDArray[np.float64]
Row = dict[str, Any]

BEST = 3
"""Names that a proposal votes for."""


def drives(labels: Dataset, truth: Dataset) -> dict[str, float]:
    """mAP50 and share of found things named right, in single views and fused."""
    votes: dict[str, list[Any]] = {"single": [], "fused": []}
    right: dict[str, list[bool]] = {"single": [], "fused": []}
    truths: list[dict[str, Any]] = []
    for session in labels.sessions():
        found, fused = _proposals(labels, session)
        for t_ns, things in sorted(_by_time(_things(truth, session)).items()):
            here = found.get(t_ns, [])
            boxes = np.array([p["box_xyxy"] for p in here]).reshape(-1, 4)
            true = np.array([g["box_xyxy"] for g in things])
            iou = box_iou(boxes, true) if here else np.zeros((0, len(things)))
            classes = np.array([CLASSES.index(g["phrase"]) for g in things])
            large = np.sqrt((true[:, 2:] - true[:, :2]).prod(1)) >= MIN_SIDE
            for k, p in enumerate(here):
                own = posterior(np.array(p["logits"]))
                for kind, names in (("single", own), ("fused", fused.get(_key(p), own))):
                    votes[kind] += [
                        (float(p["score"] * np.sqrt(names[c])), int(c), len(truths), k)
                        for c in np.argsort(-names)[:BEST]
                    ]
            for g in np.flatnonzero(large):
                if here and iou[:, g].max() >= 0.5:
                    p = here[int(iou[:, g].argmax())]
                    own = posterior(np.array(p["logits"]))
                    right["single"].append(own.argmax() == classes[g])
                    right["fused"].append(fused.get(_key(p), own).argmax() == classes[g])
            truths.append({"class": classes, "large": large, "iou": iou})
    out = {f"{kind} mAP50": named_map(votes[kind], truths) for kind in votes}
    return out | {f"{kind} first name": float(np.mean(hits)) for kind, hits in right.items()}


def _key(p: Row) -> tuple[int, int]:
    return p["frame_id"], p["proposal"]


def _proposals(
    labels: Dataset, session: str
) -> tuple[dict[int, list[Row]], Mapping[tuple[int, int], Float]]:
    """Proposals by time, and per proposal of a track the class posterior of all its views."""
    runs, clips = labels.current(session), range(labels.session(session).n_clips)
    parts = [labels.read_segment("proposals", runs["proposals"], session, c) for c in clips]
    rows = pa.concat_tables(parts).to_pylist()
    of = {_key(p): p for p in rows}
    fused: dict[tuple[int, int], Float] = {}
    for track in labels.read_segment("tracks", runs["tracks"], session).to_pylist():
        keys = list(zip(track["frame_ids"], track["proposals"], strict=True))
        if not keys:
            continue
        box = np.array([of[k]["box_xyxy"] for k in keys])
        side = np.sqrt((box[:, 2:] - box[:, :2]).prod(1))
        weight = np.array([of[k]["score"] for k in keys]) * np.clip(side / 40, 0.1, 1)
        logits = np.array([of[k]["logits"] for k in keys])
        fused |= dict.fromkeys(keys, fuse(logits, weight, NamingConfig().correlation))
    return _by_time(rows), fused


def _things(truth: Dataset, session: str) -> list[Row]:
    columns = ["t_ns", "box_xyxy", "phrase"]
    rows: list[Row] = truth.table("instances", session).select(columns).to_pylist()
    return [r for r in rows if r["phrase"] in CLASSES]


def _by_time(rows: list[Row]) -> dict[int, list[Row]]:
    out: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        out[row["t_ns"]].append(row)
    return out


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", type=Path)
    parser.add_argument("truth", type=Path)
    a = parser.parse_args()
    print(json.dumps(drives(open_dataset(a.labels), open_dataset(a.truth)), indent=1))
