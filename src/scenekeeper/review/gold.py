"""Errors put into cards on purpose, to learn how many a reviewer overlooks.

In: the card of a track that is right as far as anybody knows. Out: the same card under a wrong name
that the machine itself could have given, or of a ghost: a box that wanders along where nothing is
labelled. What is decided about either never reaches the labels.
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from scenekeeper import masks
from scenekeeper.review.cards import Card, View
from scenekeeper.review.entry import Entry
from scenekeeper.review.events import Subject
from scenekeeper.review.film import window
from scenekeeper.review.reel import Reel

Offsets = NDArray[np.float64]

PLAUSIBLE = 3
"""Among so many of the likeliest other names the wrong one is chosen."""
FEWEST = 3
"""Views in which a ghost has to fit, or half of the track's."""
BACKGROUND = 6.0
"""A label so many times larger than the ghost is what the ghost is seen against, as a wall."""


def planted(reel: Reel, entry: Entry, card: Card) -> Card | None:
    """A card with the error that its entry asks for; with a wrong name where no ghost fits.

    ``None`` where there is no other name either.
    """
    rng = np.random.default_rng(int.from_bytes(blake2b(entry.id.encode(), digest_size=8).digest()))
    if entry.sample.planted == "ghost" and (ghost := _ghost(reel, card, rng)) is not None:
        return ghost
    return _misnamed(entry, card, rng)


def _misnamed(entry: Entry, card: Card, rng: np.random.Generator) -> Card | None:
    """The same thing under another name; the right one is among the choices, as it mostly is."""
    if not card.choices:
        return None
    wrong = card.choices[int(rng.integers(min(PLAUSIBLE, len(card.choices))))]
    others = tuple(word for word in (card.phrase, *card.choices) if word != wrong)
    sample = replace(entry.sample, planted="phrase")
    return replace(card, phrase=wrong, choices=others[: len(card.choices)], sample=sample)


def _ghost(reel: Reel, card: Card, rng: np.random.Generator) -> Card | None:
    """The track's boxes and masks, moved to where nothing is."""
    boxes = np.array([view.box_xyxy for view in card.views])
    frames = [view.frame_id for view in card.views]
    in_frame, seen = reel.boxes(card.subject.session, frames)
    labelled = seen.astype(np.float64)
    fits, moves = _places(boxes, frames, in_frame, labelled, card.views[0].size)
    needed = max(FEWEST, len(frames) / 2)
    good = np.flatnonzero(fits.sum(1) >= needed)
    if not len(good):
        return None
    k = int(rng.choice(good))
    shown = np.flatnonzero(fits[k]).tolist()
    views = tuple(_moved(card.views[i], moves[k, i]) for i in shown)
    largest = max(views, key=lambda v: np.prod(np.subtract(v.window_xyxy[2:], v.window_xyxy[:2])))
    height, width = largest.size
    subject = replace(card.subject, id=_unused(reel, card.subject, rng))
    return replace(
        card,
        subject=subject,
        revision=0,
        views=views,
        context=replace(largest, window_xyxy=(0, 0, width, height), risk=False),
    )


def _places(
    boxes: Offsets,
    frames: list[int],
    in_frame: NDArray[np.int64],
    labelled: Offsets,
    size: tuple[int, int],
) -> tuple[NDArray[np.bool_], Offsets]:
    """Where the boxes may be moved: ``bool [K, V]`` whether each fits, ``float64 [K, V, 2]``.

    K directions and distances, in sides of the box, so that a ghost grows as it comes near.
    """
    wide = boxes[:, 2:] - boxes[:, :2]
    angle = np.arange(16) * np.pi / 8
    distance = np.array([1.2, 1.7, 2.4, 3.3, 4.5])
    unit = np.stack((np.cos(angle), np.sin(angle)), 1)
    steps = (distance[:, None, None] * unit).reshape(-1, 1, 2)
    moves = np.round(steps * wide)
    at = np.concatenate((boxes[:, :2] + moves, boxes[:, 2:] + moves), -1)
    height, width = size
    fits = (at[..., :2] >= 0).all(-1) & (at[..., 2] <= width) & (at[..., 3] <= height)
    for v, frame in enumerate(frames):
        others = labelled[in_frame == frame]
        area = np.prod(others[:, 2:] - others[:, :2], axis=1)
        others = others[area < BACKGROUND * np.prod(wide[v])]
        low = np.maximum(at[:, v, None, :2], others[:, :2])
        high = np.minimum(at[:, v, None, 2:], others[:, 2:])
        fits[:, v] &= ~((high - low) > 0).all(-1).any(1)
    return fits, moves


def _moved(view: View, by: Offsets) -> View:
    """A view of the same frame, its box and mask moved by whole pixels."""
    assert view.box_xyxy is not None
    dx, dy = int(by[0]), int(by[1])
    x0, y0, x1, y1 = view.box_xyxy
    box = (x0 + dx, y0 + dy, x1 + dx, y1 + dy)
    counts = None
    if view.counts is not None:
        inside = np.argwhere(masks.decode(view.counts.encode("ascii"), view.size))
        inside += np.array([dy, dx])
        inside = inside[((inside >= 0) & (inside < view.size)).all(1)]
        moved = np.zeros(view.size, np.bool_)
        moved[inside[:, 0], inside[:, 1]] = True
        counts = masks.encode(moved).decode("ascii")
    seen = window(np.array(box), view.size)
    return replace(view, box_xyxy=box, counts=counts, window_xyxy=seen)


def _unused(reel: Reel, subject: Subject, rng: np.random.Generator) -> int:
    """A track number that looks like any other and is none."""
    units = reel.units
    same = [name == subject.session for name in units.session]
    used = units.track[np.array(same)]
    free = np.setdiff1d(np.arange(1, int(used.max()) + 20), used)
    return int(rng.choice(free))
