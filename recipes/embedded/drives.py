"""Names in single views and fused: ``python -m recipes.embedded.drives LABELS.sk TRUTH.sk``.

The proposals of whole drives, as their own view names and scores them, and as ``scenekeeper label``
wrote them down of the track that they show: under its three likeliest names, with the score that
a label of it has. What shows no track speaks for itself. Things of 16 x 16 pixels or more.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from recipes.embedded.frames import CLASSES
from recipes.embedded.score import MIN_SIDE, named_map
from scenekeeper import open_dataset
from scenekeeper.geometry import box_iou
from scenekeeper.naming import posterior
from scenekeeper.segment.project import sighted
from scenekeeper.store import Dataset

Row = dict[str, Any]

BEST = 3
"""Names that a proposal votes for."""


@dataclass(frozen=True)
class Said:
    """What is said of a proposal.

    Attributes:
        score: that there is a thing.
        classes: likeliest first.
        p: of each.
    """

    score: float
    classes: list[int]
    p: list[float]

    def votes(self, frame: int, row: int) -> list[tuple[float, int, int, int]]:
        """Rank, class, frame and row of each name."""
        named = zip(self.classes, self.p, strict=True)
        return [(self.score * float(np.sqrt(p)), c, frame, row) for c, p in named]


def drives(labels: Dataset, truth: Dataset) -> dict[str, float]:
    """mAP50 and share of found things named right, in single views and fused."""
    votes: dict[str, list[Any]] = {"single": [], "fused": []}
    right: dict[str, list[bool]] = {"single": [], "fused": []}
    truths: list[dict[str, Any]] = []
    for session in labels.sessions():
        found, tracked = _proposals(labels, session)
        for t_ns, things in sorted(_by_time(_things(truth, session)).items()):
            here = found.get(t_ns, [])
            boxes = np.array([p["box_xyxy"] for p in here]).reshape(-1, 4)
            true = np.array([g["box_xyxy"] for g in things])
            iou = box_iou(boxes, true) if here else np.zeros((0, len(things)))
            classes = np.array([CLASSES.index(g["phrase"]) for g in things])
            large = np.sqrt((true[:, 2:] - true[:, :2]).prod(1)) >= MIN_SIDE
            said = [(alone(p), tracked.get(_key(p), alone(p))) for p in here]
            for k, pair in enumerate(said):
                for kind, one in zip(votes, pair, strict=True):
                    votes[kind] += one.votes(len(truths), k)
            for g in np.flatnonzero(large):
                if here and iou[:, g].max() >= 0.5:
                    for kind, one in zip(right, said[int(iou[:, g].argmax())], strict=True):
                        right[kind].append(one.classes[:1] == [classes[g]])
            truths.append({"class": classes, "large": large, "iou": iou})
    out = {f"{kind} mAP50": named_map(votes[kind], truths) for kind in votes}
    return out | {f"{kind} first name": float(np.mean(hits)) for kind, hits in right.items()}


def alone(p: Row) -> Said:
    """What a proposal's own view says of it."""
    own = posterior(np.array(p["logits"]))
    best = np.argsort(-own, kind="stable")[:BEST]
    return Said(p["score"], best.tolist(), own[best].tolist())


def of_track(p: Row, track: Row) -> Said:
    """What is said of a proposal that shows a track; words that people taught are left out."""
    known = [k for k, name in enumerate(track["names"]) if name in CLASSES]
    classes = [CLASSES.index(track["names"][k]) for k in known]
    score = sighted(track["score"], p["score"])
    return Said(score, classes, [track["p_names"][k] for k in known])


def _key(p: Row) -> tuple[int, int]:
    return p["frame_id"], p["proposal"]


def _proposals(
    labels: Dataset, session: str
) -> tuple[dict[int, list[Row]], dict[tuple[int, int], Said]]:
    """Proposals by time, and what the track says of each that shows one."""
    runs, clips = labels.current(session), range(labels.session(session).n_clips)
    parts = [labels.read_segment("proposals", runs["proposals"], session, c) for c in clips]
    rows = pa.concat_tables(parts).to_pylist()
    of = {_key(p): p for p in rows}
    tracked = {
        key: of_track(of[key], track)
        for track in labels.read_segment("tracks", runs["tracks"], session).to_pylist()
        for key in zip(track["frame_ids"], track["proposals"], strict=True)
    }
    return _by_time(rows), tracked


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
