"""A labelled night with known errors: tracks of things over frames, and what a machine knows of it.

Errors are correlated as labels' errors are: by thing, by class, by smallness and along a track. Of
each label it is known whether it is wrong and why; the machine sees only noisy signals. The rates
are those of the study in which the review was designed: 500 things give about 2,430 tracks and
232,000 labels over 18,000 frames, 15 to 18 % of them wrong. It ranks designs; it is no field data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from scenekeeper.review.units import Units

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

KINDS = ("hallucination", "class", "identity", "mask")
"""Errors of labels: no such thing, wrong name, another thing from some frame on, mask slipped."""

SIGNALS = (
    "weakest score",
    "disagreement",
    "unsure words",
    "jerk",
    "3D residual",
    "short",
    "small",
)
"""Columns of ``X`` in :attr:`World.units`."""

_NEIGHBOURS = {
    "cup": "mug",
    "bowl": "plate",
    "pan": "pot",
    "bottle": "glass",
    "jar": "can",
    "box": "carton",
    "book": "magazine",
    "laptop": "tablet",
    "remote": "controller",
    "chair": "stool",
    "sofa": "armchair",
    "table": "desk",
    "lamp": "lantern",
    "pillow": "cushion",
    "towel": "cloth",
    "plant": "flower",
    "clock": "watch",
    "shoe": "slipper",
    "knife": "spatula",
    "fork": "spoon",
}
_WORDS = tuple(word for pair in _NEIGHBOURS.items() for word in pair)


@dataclass(frozen=True)
class Night:
    """How much is labelled and how badly.

    Attributes:
        things: real things, each in one track or more.
        sessions: recordings, each of
        frames: so many frames, at 10 a second.
        error: how much things differ in how often they are misnamed; 1 = as in the study.
        phrase_scale: spread of the offset of the machine's scores from phrase to phrase, logits;
            open-vocabulary detectors have about .9.
    """

    things: int = 500
    sessions: int = 60
    frames: int = 300
    error: float = 1.0
    phrase_scale: float = 0.0


@dataclass(frozen=True, eq=False)
class World:
    """N tracks with M labels in S sessions of F frames, and the truth of each.

    Attributes:
        units: the tracks as the review knows them.
        truth: N true names; of a hallucination it is empty, of a switched track its beginning's.
        ghost: ``bool [N]`` there is no such thing.
        renamed: ``bool [N]`` the name is wrong, all along.
        switch: ``int64 [N]`` the ``frame_id`` from which on it is another thing; -1 = never.
        drift: ``int64 [N, 2]`` first ``frame_id`` and one past the last whose mask is wrong; equal
            where none is.
        unit: ``int64 [M]`` the row in ``units`` of each label, ascending, and in time order.
        frame: ``int64 [M]`` its frame, counted over all sessions: session * F + ``frame_id``.
        score: ``float64 [M]`` the machine's own belief in it.
        disagrees: ``bool [M]`` whether a second model called it otherwise; asked in every tenth.
        wrong_by_kind: ``bool [M]`` per error of :data:`KINDS`. A label can have several.
        missed: ``int64 [S * F]`` things in sight of which there is no label.
        night: how it was made.
    """

    units: Units
    truth: tuple[str, ...]
    ghost: Bool
    renamed: Bool
    switch: Int
    drift: Int
    unit: Int
    frame: Int
    score: Float
    disagrees: Bool
    wrong_by_kind: Mapping[str, Bool]
    missed: Int
    night: Night

    @cached_property
    def wrong(self) -> Bool:
        """``bool [M]``: the label has any error."""
        return np.asarray(np.any(list(self.wrong_by_kind.values()), axis=0))

    @cached_property
    def wrong_labels(self) -> Int:
        """``int64 [N]``: how many labels of each track are wrong."""
        return self.count(self.wrong)

    def count(self, labels: Bool) -> Int:
        """``int64 [N]``: how many labels of each track are among these of ``[M]``."""
        return np.bincount(self.unit[labels], minlength=len(self.units)).astype(np.int64)


def world(seed: int = 0, night: Night | None = None) -> World:
    """One night, the same for the same seed."""
    night = Night() if night is None else night
    rng = np.random.default_rng([seed, 6])
    things = _things(night, rng)
    tracks = _tracks(things, night, rng)
    labels = _labels(tracks)
    return _assembled(seed, night, things, tracks, labels, rng)


# --- what there is --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Things:
    name: Int
    difficulty: Float
    size_px: Float
    taken_for: Int


def _things(night: Night, rng: np.random.Generator) -> _Things:
    """Few names are frequent; what a thing is mistaken for is mostly its name's neighbour."""
    n, k = night.things, len(_WORDS)
    often = 1 / np.arange(1, k + 1) ** 0.9
    often /= often.sum()
    # A random order, else all frequent names would neighbour each other.
    order = rng.permutation(k // 2)
    places = np.stack((2 * order, 2 * order + 1), 1).ravel()
    name = places[rng.choice(k, n, p=often)]
    other = (name + rng.integers(1, k, n)) % k
    taken_for = np.where(rng.random(n) < 0.6, name ^ 1, other)
    by_class = rng.normal(-3.7, 1.2, k)
    difficulty = by_class[name] + night.error * rng.normal(0, 1.6, n)
    return _Things(name, difficulty, np.exp(rng.normal(4.2, 0.7, n)), taken_for)


@dataclass(frozen=True, eq=False)
class _Tracks:
    thing: Int
    session: Int
    first: Int
    frames: Int
    size_px: Float
    ghost: Bool
    renamed: Bool
    switch: Int
    drift: Int

    def __len__(self) -> int:
        return len(self.thing)


def _tracks(things: _Things, night: Night, rng: np.random.Generator) -> _Tracks:
    thing = np.repeat(np.arange(night.things), 1 + rng.poisson(4.0, night.things))
    session = rng.integers(0, night.sessions, len(thing))
    order = np.argsort(session, kind="stable")
    thing, session, n = thing[order], session[order], len(thing)
    frames = np.clip(np.exp(rng.normal(4.3, 0.8, n)), 8, night.frames).astype(np.int64)
    first = rng.integers(0, night.frames - frames + 1)
    size_px = things.size_px[thing] * np.exp(rng.normal(0, 0.3, n))
    ghost = np.zeros(n, np.bool_)
    ghost[rng.choice(n, int(0.06 * n), replace=False)] = True
    frames = np.where(ghost, np.maximum(8, frames // 2), frames)
    misnamed = expit(things.difficulty[thing] + 1.2 * (size_px < 32))
    renamed = (rng.random(n) < misnamed) & ~ghost
    switches = (rng.random(n) < 1 - np.exp(-frames / 2000)) & ~ghost
    switch = first + (rng.random(n) * frames).astype(np.int64)
    drifts = (rng.random(n) < 0.10) & ~ghost
    long = np.maximum(3, (rng.random(n) * 0.35 * frames).astype(np.int64)) * drifts
    start = first + (rng.random(n) * (frames - long)).astype(np.int64)
    return _Tracks(
        thing,
        session,
        first,
        frames,
        size_px,
        ghost,
        renamed,
        np.where(switches, switch, -1),
        np.stack((start, start + long), 1),
    )


@dataclass(frozen=True, eq=False)
class _Labels:
    unit: Int
    frame_id: Int
    wrong_by_kind: Mapping[str, Bool]


def _labels(tracks: _Tracks) -> _Labels:
    unit = np.repeat(np.arange(len(tracks)), tracks.frames)
    start = np.cumsum(tracks.frames) - tracks.frames
    frame = tracks.first[unit] + np.arange(len(unit)) - start[unit]
    switched = (tracks.switch[unit] >= 0) & (frame >= tracks.switch[unit])
    drifted = (frame >= tracks.drift[unit, 0]) & (frame < tracks.drift[unit, 1])
    flags = (tracks.ghost[unit], tracks.renamed[unit], switched, drifted)
    return _Labels(unit, frame, dict(zip(KINDS, flags, strict=True)))


# --- what a machine knows of it -------------------------------------------------------------------


def _assembled(
    seed: int,
    night: Night,
    things: _Things,
    tracks: _Tracks,
    labels: _Labels,
    rng: np.random.Generator,
) -> World:
    unit, n = labels.unit, len(tracks)
    said = np.where(tracks.renamed, things.taken_for[tracks.thing], things.name[tracks.thing])
    offset = rng.normal(0, 1, len(_WORDS))[said] * night.phrase_scale
    score = expit(_belief(tracks, labels, rng) + offset[unit])
    mean = logit(_mean(score, unit, n))
    asked = (labels.frame_id - tracks.first[unit]) % 10 == 0
    disagrees = asked & (rng.random(len(unit)) < _disagreement(labels, n, rng))
    raw = {
        "weakest score": (mean - logit(_smallest(score, unit, n)) - 1.0) / 0.4,
        "disagreement": (_mean(disagrees[asked], unit[asked], n) - 0.15) / 0.25,
        "unsure words": (_unsure_words(labels, n, rng) - 0.4) / 0.25,
        "jerk": np.log(_worst_jerk(labels, n, rng) / 1.4) / 0.3,
        "3D residual": _residual(tracks, rng) / 0.6,
        "short": -np.log(tracks.frames / 75) / 0.8,
        "small": -np.log(tracks.size_px / 65) / 0.75,
    }
    units = Units(
        snapshot=f"reviewed-rooms-{seed}",
        session=tuple(f"night-{s:03d}" for s in tracks.session),
        track=np.arange(n),
        # A hallucination is a thing of its own to the machine.
        object=np.where(tracks.ghost, night.things + np.arange(n), tracks.thing),
        phrase=tuple(_WORDS[k] for k in said),
        frames=tracks.frames,
        first=tracks.first,
        last=tracks.first + tracks.frames - 1,
        size_px=tracks.size_px,
        choices=_choices(said, things.name[tracks.thing], tracks, rng),
        signals=SIGNALS,
        X=np.clip(np.stack([raw[name] for name in SIGNALS], 1), -3, 3),
        logit=mean,
    )
    return World(
        units,
        _true_names(things, tracks),
        tracks.ghost,
        tracks.renamed,
        tracks.switch,
        tracks.drift,
        unit,
        tracks.session[unit] * night.frames + labels.frame_id,
        score,
        disagrees,
        labels.wrong_by_kind,
        _missed(night, rng),
        night,
    )


def _belief(tracks: _Tracks, labels: _Labels, rng: np.random.Generator) -> Float:
    """Logits of scores: lower where something is wrong, but much of their spread is chance."""
    unit, wrong = labels.unit, labels.wrong_by_kind
    lower = sum(w * wrong[kind] for kind, w in zip(KINDS, (1.6, 1.1, 0.4, 0.5), strict=True))
    lower = lower - 0.5 * (wrong["hallucination"] & wrong["class"])
    own = rng.normal(0, 0.7, len(tracks)) - 0.7 * (tracks.size_px < 32)
    return np.asarray(2.0 - lower + own[unit] + rng.normal(0, 0.5, len(unit)))


def _disagreement(labels: _Labels, n: int, rng: np.random.Generator) -> Float:
    wrong = labels.wrong_by_kind
    chance = np.where(wrong["identity"], 0.35, 0.06)
    chance = np.where(wrong["class"], 0.60, chance)
    chance = np.where(wrong["hallucination"], 0.62, chance)
    return np.asarray(expit(logit(chance) + rng.normal(0, 1.0, n)[labels.unit]))


def _unsure_words(labels: _Labels, n: int, rng: np.random.Generator) -> Float:
    """Mean entropy of the words that a describer chose for it, nats."""
    wrong, unit = labels.wrong_by_kind, labels.unit
    entropy = rng.normal(0.35, 0.2, n)[unit] + rng.normal(0, 0.15, len(unit))
    entropy = entropy + 0.35 * wrong["class"] + 0.3 * wrong["hallucination"]
    return _mean(np.clip(entropy, 0, 2), unit, n)


def _worst_jerk(labels: _Labels, n: int, rng: np.random.Generator) -> Float:
    """Largest mean of five frames of how suddenly the mask moves."""
    wrong, unit = labels.wrong_by_kind, labels.unit
    jerk = np.abs(rng.normal(0, 1, len(unit)))
    jerk *= np.where(wrong["mask"], 2.2, np.where(wrong["hallucination"], 1.6, 1.0))
    jerk *= np.where(wrong["identity"], 1.2, 1.0)
    smooth = np.convolve(jerk, np.ones(5) / 5, "same")
    worst = np.zeros(n)
    np.maximum.at(worst, unit, smooth)
    return worst


def _residual(tracks: _Tracks, rng: np.random.Generator) -> Float:
    """Log of the distance between where it is seen and where the map has it, over the usual."""
    drifts = tracks.drift[:, 1] > tracks.drift[:, 0]
    shift = 0.9 * tracks.ghost + 0.5 * (tracks.switch >= 0) + 0.3 * drifts
    return np.asarray(rng.normal(0, 0.5, len(tracks)) + shift)


def _choices(
    said: Int, true: Int, tracks: _Tracks, rng: np.random.Generator
) -> tuple[Mapping[str, float], ...]:
    """Nine names each; the true one is second in most of the wrong cases, sometimes absent."""
    place = rng.choice((1, 2, 5, 9), len(said), p=(0.65, 0.15, 0.1, 0.1))
    rest = rng.permuted(np.tile(np.arange(len(_WORDS)), (len(said), 1)), axis=1)
    out = []
    for k in range(len(said)):
        others = [w for w in rest[k] if w not in (said[k], true[k])][:9]
        if tracks.renamed[k]:
            others.insert(place[k] - 1, true[k])
        names = [said[k], *others][:9]
        out.append({_WORDS[w]: 0.6 * 0.5**j for j, w in enumerate(names)})
    return tuple(out)


def _true_names(things: _Things, tracks: _Tracks) -> tuple[str, ...]:
    named = zip(tracks.ghost, things.name[tracks.thing], strict=True)
    return tuple("" if ghost else _WORDS[k] for ghost, k in named)


def _missed(night: Night, rng: np.random.Generator) -> Int:
    """Per frame, things that no label shows: each for a stretch of frames, as labels go."""
    n = round(0.25 * night.things)
    long = np.clip(np.exp(rng.normal(3.7, 0.8, n)), 3, night.frames).astype(np.int64)
    begin = rng.integers(0, night.frames - long + 1)
    session = rng.integers(0, night.sessions, n)
    change = np.zeros((night.sessions, night.frames + 1), np.int64)
    np.add.at(change, (session, begin), 1)
    np.add.at(change, (session, begin + long), -1)
    return np.cumsum(change, 1)[:, :-1].ravel()


def _mean(values: NDArray[np.generic], unit: Int, n: int) -> Float:
    total = np.bincount(unit, np.asarray(values, np.float64), n)
    return np.asarray(total / np.maximum(np.bincount(unit, minlength=n), 1))


def _smallest(values: Float, unit: Int, n: int) -> Float:
    out = np.ones(n)
    np.minimum.at(out, unit, values)
    return out
