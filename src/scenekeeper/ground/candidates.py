"""From a detector's raw answer to labels: every box with what it may be called, weak ones too.

In: boxes and one score per box and prompt. Out: ``Labels`` in pixels of the picture. A phrase and
its synonyms are prompts of their own; a phrase scores what the best of them does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenekeeper.geometry import box_iou
from scenekeeper.models.base import Words
from scenekeeper.schema import Frame, Labels

Float = NDArray[np.float32]


@dataclass(frozen=True)
class CandidateConfig:
    """What is kept of what a detector says.

    Attributes:
        min_score: weaker boxes are not kept.
        most: boxes of a frame.
        names: of a box.
        overlap: IoU from which on the weaker of two boxes with the same first name is a double.
    """

    min_score: float = 0.1
    most: int = 100
    names: int = 5
    overlap: float = 0.7


@dataclass(frozen=True)
class Prompts:
    """What a detector is asked for.

    Attributes:
        texts: the prompts, each once.
        phrases: what labels are called.
        of: per prompt, the phrase it stands for.
    """

    texts: tuple[str, ...]
    phrases: tuple[str, ...]
    of: tuple[int, ...]

    @classmethod
    def of_words(cls, vocabulary: Words) -> Prompts:
        """Phrases and synonyms of a vocabulary; of two that read the same, the first counts."""
        first: dict[str, int] = {}
        for k, (phrase, synonyms) in enumerate(vocabulary.items()):
            for text in (phrase, *synonyms):
                first.setdefault(text, k)
        return cls(tuple(first), tuple(vocabulary), tuple(first.values()))

    def fold(self, scores: Float) -> Float:
        """Scores of phrases ``[N, P]`` from scores of prompts ``[N, T]``."""
        out = np.zeros((len(scores), len(self.phrases)), np.float32)
        for t, p in enumerate(self.of):
            np.maximum(out[:, p], scores[:, t], out=out[:, p])
        return out


def candidates(
    frame: Frame,
    box_xyxy: Float,
    scores: Float,
    phrases: Sequence[str],
    config: CandidateConfig | None = None,
    signals: Mapping[str, Float] | None = None,
) -> Labels:
    """Labels of a frame from what a detector says of its boxes.

    Signals are added that tell how torn the detector is: ``margin``, by how much the first name
    beats the second, and ``entropy`` of the scores as shares, in nats.

    Args:
        frame: the frame.
        box_xyxy: ``[N, 4]`` pixels; may leave the picture.
        scores: ``[N, P]`` per box and phrase, 0 to 1; NaN counts as 0.
        phrases: P names.
        config: what is kept.
        signals: further ones by name, each ``[N]``.
    """
    config = config or CandidateConfig()
    scores = np.nan_to_num(np.asarray(scores, np.float32), nan=0.0).reshape(-1, len(phrases))
    box = _inside(np.nan_to_num(np.asarray(box_xyxy, np.float32).reshape(-1, 4)), frame)
    best = scores.max(1, initial=0)
    sides = box[:, 2:] - box[:, :2]
    rows = np.flatnonzero((best >= config.min_score) & (sides > 0.5).all(1))
    rows = rows[np.argsort(-best[rows], kind="stable")]
    first = scores.argmax(1) if len(phrases) else np.zeros(len(scores), np.int64)
    rows = rows[_singles(box[rows], first[rows], config.overlap)][: config.most]
    kept = scores[rows]
    return Labels(
        frame.frame_id,
        frame.t_ns,
        (frame.camera.height, frame.camera.width),
        box[rows],
        phrase=tuple(phrases[k] for k in first[rows]),
        score=best[rows],
        signals={k: np.asarray(v, np.float32)[rows] for k, v in (signals or {}).items()}
        | {"margin": margin(kept), "entropy": entropy(kept)},
        names=tuple(_names(row, phrases, config.names) for row in kept),
    )


def margin(scores: Float) -> Float:
    """How far the best of each row ``[N, P]`` is ahead of the second; of one alone, itself."""
    if scores.shape[1] < 2:
        return np.asarray(scores.sum(1), np.float32)
    top = np.partition(scores, -2, axis=1)[:, -2:]
    return np.asarray(top[:, 1] - top[:, 0], np.float32)


def entropy(scores: Float) -> Float:
    """Entropy of each row ``[N, P]`` taken as shares, nats."""
    share = scores / np.maximum(scores.sum(1, keepdims=True), 1e-9)
    return np.asarray(-(share * np.log(np.maximum(share, 1e-9))).sum(1), np.float32)


def _inside(box: Float, frame: Frame) -> Float:
    size = np.array([frame.camera.width, frame.camera.height] * 2, np.float32)
    return np.asarray(np.clip(box, 0, size), np.float32)


def _singles(box: Float, first: NDArray[np.int64], overlap: float) -> NDArray[np.int64]:
    """Rows that are no weaker double of one before them; rows come best first."""
    iou = box_iou(box, box) * (first[:, None] == first)
    kept: list[int] = []
    for k in range(len(box)):
        if not kept or iou[k, kept].max() < overlap:
            kept.append(k)
    return np.array(kept, np.int64)


def _names(row: Float, phrases: Sequence[str], most: int) -> dict[str, float]:
    order = np.argsort(-row, kind="stable")[:most]
    return {phrases[k]: float(row[k]) for k in order if row[k] > 0}
