"""Boxes from what a vision-language model wrote of places in a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenekeeper.describe.odds import Spelling, odds_at
from scenekeeper.describe.salvage import Found, Path, find_json
from scenekeeper.describe.sight import Sight
from scenekeeper.geometry import box_iou
from scenekeeper.models import Reply
from scenekeeper.models.base import Words
from scenekeeper.schema import Frame, Labels

Float = NDArray[np.float32]

DOUBLE = 0.9
"""IoU from which on a box of the same name is the one before, said again: models loop."""


def read_boxes(frame: Frame, reply: Reply, vocabulary: Words, sight: Sight) -> Labels:
    """Labels of a frame by a reply to :func:`~scenekeeper.describe.questions.ground_ask`.

    A name that is not in the vocabulary, or a place that is none, is left out. The score is the
    probability of the name where the model tells it, else 1. Signals: ``label_p`` (geometric mean
    over the name's tokens), ``label_p_min``, ``label_entropy`` and ``box_entropy`` (nats, means
    over tokens) and ``truncated``, 1 where the answer was cut off.
    """
    found, spelling = find_json(reply.text), Spelling.of(reply)
    size = (frame.camera.width, frame.camera.height)
    phrase_of = {s.casefold(): p for p, synonyms in vocabulary.items() for s in synonyms}
    phrase_of |= {phrase.casefold(): phrase for phrase in vocabulary}
    rows = []
    root, entries = _listed(found.value)
    for k, entry in enumerate(entries):
        name, place = _entry(entry)
        phrase = phrase_of.get(name.strip().casefold()) if name else None
        if phrase is not None and place is not None:
            rows.append((phrase, place, _odds(found, spelling, (*root, k))))
    boxes = sight.boxes([place for _, place, _ in rows], size)
    kept = _kept(boxes, [phrase for phrase, _, _ in rows])
    odds = [rows[k][2] for k in kept]
    signals = {name: np.array([o[name] for o in odds], np.float32) for name in _SIGNALS}
    signals = {name: values for name, values in signals.items() if np.isfinite(values).any()}
    cut = reply.finish == "length" or not found.whole
    score = [o["p"] if math.isfinite(o["p"]) else 1.0 for o in odds]
    return Labels(
        frame.frame_id,
        frame.t_ns,
        (frame.camera.height, frame.camera.width),
        boxes[kept],
        phrase=tuple(rows[k][0] for k in kept),
        score=np.array(score, np.float32),
        signals=signals | {"truncated": np.full(len(kept), float(cut), np.float32)},
        names=tuple({rows[k][0]: s} for k, s in zip(kept, score, strict=True)),
    )


_SIGNALS = ("label_p", "label_p_min", "label_entropy", "box_entropy")


def _listed(value: Any) -> tuple[Path, list[Any]]:
    """The list of an answer and where it is: some models put it into an object."""
    if isinstance(value, list):
        return (), value
    if isinstance(value, Mapping):
        for key, inside in value.items():
            if isinstance(inside, list) and key != "bbox_2d":
                return (key,), inside
    return (), []


def _entry(entry: Any) -> tuple[str | None, list[float] | None]:
    """Name and place of an entry, each ``None`` where it is none."""
    if not isinstance(entry, Mapping):
        return None, None
    said, place = entry.get("label"), entry.get("bbox_2d")
    name = said if isinstance(said, str) else None
    if not isinstance(place, list) or len(place) != 4:
        return name, None
    good = all(isinstance(v, int | float) and not isinstance(v, bool) for v in place)
    return name, place if good else None


def _odds(found: Found, spelling: Spelling | None, path: Path) -> dict[str, float]:
    label = odds_at(spelling, found.spans, (*path, "label"))
    corners = [odds_at(spelling, found.spans, (*path, "bbox_2d", c)) for c in range(4)]
    known = [c.entropy for c in corners if c is not None]
    return {
        "p": label.p if label else math.nan,
        "label_p": label.mean if label else math.nan,
        "label_p_min": label.least if label else math.nan,
        "label_entropy": label.entropy if label else math.nan,
        "box_entropy": sum(known) / len(known) if known else math.nan,
    }


def _kept(boxes: Float, phrases: list[str]) -> list[int]:
    """Rows with an area that do not repeat one before them."""
    iou = box_iou(boxes, boxes)
    sides = boxes[:, 2:] - boxes[:, :2]
    kept: list[int] = []
    for k, phrase in enumerate(phrases):
        again = any(phrases[j] == phrase and iou[j, k] >= DOUBLE for j in kept)
        if sides[k].min() > 0 and not again:
            kept.append(k)
    return kept
