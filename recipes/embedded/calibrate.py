"""Fit what scores are worth: ``python -m recipes.embedded.calibrate LABELS.sk TRUTH.sk``.

Prints the three constants of :func:`scenekeeper.naming.believe`, fitted on the first half of the
sessions, and the calibration error on the other half.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from scenekeeper import open_dataset
from scenekeeper.evaluate.calibration import BINS, ece
from scenekeeper.evaluate.evaluation import canonical
from scenekeeper.evaluate.frames import on_common_frames
from scenekeeper.evaluate.pairing import pair, right_names
from scenekeeper.evaluate.reading import read_labelled
from scenekeeper.schema import UNNAMED
from scenekeeper.vocabulary import FILE, read_vocabulary

MIN_SIDE = 16.0

Float = NDArray[np.float64]


def evidence(labels: Path, truth: Path) -> tuple[Float, Float, NDArray[np.int64]]:
    """Named labels: logits of thing and name ``[N, 2]``, whether right ``[N]``, session ``[N]``."""
    found, dataset = read_labelled(labels)
    true, _ = read_labelled(truth)
    assert dataset is not None
    found, true = on_common_frames(found, true)
    p = pair(true, found, canonical(read_vocabulary(truth / FILE)), MIN_SIDE)
    sessions = dataset.sessions()
    name = {
        (s, r["track"]): r["p"]
        for s in sessions
        for r in dataset.read_segment("tracks", dataset.current(s)["tracks"], s).to_pylist()
    }
    f = p.found
    where = [f.frames[i][0] for i in f.image]
    sure = [name.get((s, t)) for s, t in zip(where, f.track.tolist(), strict=True)]
    used = np.array([v is not None for v in sure]) & (p.truth_of != -2)
    used &= np.array([w != UNNAMED for w in f.phrase])
    scores = np.column_stack((f.score[used], np.array(sure, object)[used].astype(float)))
    clipped = np.clip(scores, 0.02, 0.99)
    logits = np.log(clipped / (1 - clipped))
    number = np.array([sessions.index(s) for s in where])[used]
    return logits, right_names(p)[used].astype(float), number


def fitted(logits: Float, right: Float) -> Float:
    """Bias and weights ``[3]`` of the likeliest logistic regression."""
    x = np.column_stack((np.ones(len(logits)), logits))

    def loss(w: Float) -> float:
        z = x @ w
        return float(np.mean(np.logaddexp(0, z) - right * z))

    return np.asarray(minimize(loss, np.zeros(3)).x)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", type=Path)
    parser.add_argument("truth", type=Path)
    a = parser.parse_args()
    logits, right, session = evidence(a.labels, a.truth)
    first = session < len(open_dataset(a.labels).sessions()) // 2
    weights = fitted(logits[first], right[first])
    print("bias, thing, name:", np.round(weights, 2).tolist())
    for what, rows in (("first half", first), ("second half", ~first)):
        confidence = 1 / (
            1 + np.exp(-(np.column_stack((np.ones(rows.sum()), logits[rows])) @ weights))
        )
        bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
        print(what, len(bins), "labels, ECE", round(ece(bins, confidence, right[rows]), 3))
