"""Which frames a describer is asked about: those that together show what there is to tell.

In: looks at the frames of a clip, and what was told before. Out: the frames to ask about. A frame
is worth what it adds: things not told of yet or now seen better, pairs of things that are close in
the picture and may be related, and how far it is from the frames asked about, by picture, place and
direction. The most worthwhile frame is taken, then the next with that one in mind
(greedy cover of a submodular value, Nemhauser et al. 1978), as often as time allows. What was told
goes on to the next clip, so a recording may be streamed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from scenekeeper.schema import NO_ID, Frame, Labels

Float = NDArray[np.float32]
Topic = tuple[int, ...]
"""A track, or two tracks in ascending order."""

THUMBNAIL = (32, 24)
"""Width and height of the small pictures in which scenes are compared."""


@dataclass(frozen=True)
class KeyframeConfig:
    """When a frame is worth asking about.

    Attributes:
        every_s: on average at most one frame in so many seconds.
        least: worth of a frame that is asked about ``every_s`` after another; one thing not told of
            yet has worth 1. Less will do the longer nothing was asked, down to 1.
        objects: that are described in a frame; the largest.
        pair: worth of two things not told of together yet.
        scene: worth of a picture that has nothing in common with those asked about.
        view: worth of a place or direction that has nothing in common with theirs.
        other_scene: mean difference of thumbnails, 0 to 255, from which on the scene is another.
        other_place_m: metres of travel from which on the view is another.
        other_way: radians of turning from which on it is.
        patch: pixels; what is smaller than a model's patch is not well seen. At the size at which
            models see, a picture is about 1000 pixels wide.
        glimpse: worth of a thing that is seen at all, against one that is seen well.
    """

    every_s: float = 5.0
    least: float = 4.0
    objects: int = 24
    pair: float = 0.5
    scene: float = 4.0
    view: float = 1.0
    other_scene: float = 60.0
    other_place_m: float = 1.5
    other_way: float = math.radians(45)
    patch: float = 28 / 1000
    glimpse: float = 0.7


@dataclass(frozen=True, eq=False)
class Look:
    """What choosing needs to know of a frame.

    Attributes:
        t_ns: its time.
        thumbnail: ``float32 [h, w]`` gray, 0 to 255.
        topics: what may be told of it, and how well it is seen, 0 to 1.
        doubts: per track how uncertain its label is, 0 to 1.
        T_world_camera: ``float64 [4, 4]``; ``None`` = unknown.
    """

    t_ns: int
    thumbnail: Float
    topics: Mapping[Topic, float]
    doubts: Mapping[int, float] = field(default_factory=dict)
    T_world_camera: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Told:
    """What was told so far; handed on from clip to clip.

    Attributes:
        seen: per topic how well it was seen when it was told of, at best.
        views: looks that were asked about; the last :data:`VIEWS`.
        since_ns: time of the first look.
        asked: frames asked about.
    """

    seen: Mapping[Topic, float] = field(default_factory=dict)
    views: tuple[Look, ...] = ()
    since_ns: int | None = None
    asked: int = 0


VIEWS = 64
"""Views that are remembered; memory does not grow with the recording, but for its things."""


def look_at(frame: Frame, labels: Labels, config: KeyframeConfig | None = None) -> Look:
    """A look at a frame: thumbnail, and what may be told by its labels; untracked ones are not."""
    small = thumbnail(frame.rgb)
    return looked_at(frame.t_ns, small, labels, frame.T_world_camera, config or KeyframeConfig())


def thumbnail(rgb: NDArray[np.uint8]) -> Float:
    """A picture made gray and as small as :data:`THUMBNAIL`, ``float32 [h, w]``."""
    from PIL import Image

    gray = Image.fromarray(np.ascontiguousarray(rgb)).convert("L")
    return np.asarray(gray.resize(THUMBNAIL, Image.Resampling.BOX), np.float32)


def looked_at(
    t_ns: int,
    small: Float,
    labels: Labels | None,
    T_world_camera: NDArray[np.float64] | None,
    config: KeyframeConfig,
) -> Look:
    """A look at a frame of which only a thumbnail is left; ``labels`` are ``None`` for none."""
    if labels is None:
        return Look(t_ns, small, {}, {}, T_world_camera)
    return Look(t_ns, small, topics_of(labels, config), _doubts(labels), T_world_camera)


def topics_of(labels: Labels, config: KeyframeConfig) -> dict[Topic, float]:
    """Tracks, and pairs of tracks that are close in the picture, with how well they are seen.

    Close are boxes that meet when each is grown by half of its shorter side, on every side.
    """
    assert labels.track is not None
    sides = labels.box_xyxy[:, 2:] - labels.box_xyxy[:, :2]
    rows = np.argsort(-sides.prod(1), kind="stable")[: config.objects]
    rows = rows[labels.track[rows] != NO_ID]
    patch = config.patch * max(labels.size)
    sharp = np.minimum(1, np.sqrt(sides[rows].prod(1)) / patch)
    well = config.glimpse + (1 - config.glimpse) * sharp
    grow = sides[rows].min(1, initial=np.inf, keepdims=True) / 2 * np.array([-1, -1, 1, 1])
    box = labels.box_xyxy[rows] + grow
    meet = (box[:, None, :2] < box[None, :, 2:]).all(2)
    tracks = labels.track[rows].tolist()
    out: dict[Topic, float] = {(t,): float(w) for t, w in zip(tracks, well, strict=True)}
    for i, j in zip(*np.nonzero(np.triu(meet & meet.T, 1)), strict=True):
        pair = tuple(sorted((tracks[i], tracks[j])))
        out[pair] = float(min(well[i], well[j]))
    return out


def _doubts(labels: Labels) -> dict[int, float]:
    """How torn the detector is, per track: entropy of its names against that of a coin."""
    assert labels.track is not None
    entropy = labels.signals.get("entropy")
    if entropy is None:
        return {}
    doubt = np.clip(np.nan_to_num(entropy) / math.log(2), 0, 1)
    return dict(zip(labels.track.tolist(), doubt.tolist(), strict=True))


def keyframes(
    looks: Sequence[Look], told: Told | None = None, config: KeyframeConfig | None = None
) -> tuple[list[int], Told]:
    """Frames of a clip to ask about, in order, and what will have been told then.

    Args:
        looks: at the clip's frames, in order.
        told: what was told of the clips before.
        config: when a frame is worth it.
    """
    told, config = told or Told(), config or KeyframeConfig()
    if not looks:
        return [], told
    told = replace(told, since_ns=looks[0].t_ns if told.since_ns is None else told.since_ns)
    weights = _weights(looks)
    chosen: list[int] = []
    while len(chosen) < len(looks) and told.asked < _allowed(told, looks[-1].t_ns, config):
        worths = [_worth(look, told, weights, config) for look in looks]
        enough = [w >= _least(look, told, config) for look, w in zip(looks, worths, strict=True)]
        best = int(np.argmax(np.where(enough, worths, -1)))
        if best in chosen or not enough[best]:
            break
        chosen.append(best)
        told = _with(told, looks[best])
    return sorted(chosen), told


def _allowed(told: Told, now_ns: int, config: KeyframeConfig) -> int:
    """Frames that may have been asked about by now; the first at once."""
    assert told.since_ns is not None
    return 1 + int((now_ns - told.since_ns) / 1e9 / config.every_s)


def _least(look: Look, told: Told, config: KeyframeConfig) -> float:
    """What a frame must be worth, by how far in time the nearest one asked about is."""
    apart = min((abs(look.t_ns - view.t_ns) for view in told.views), default=math.inf) / 1e9
    return max(1.0, config.least * config.every_s / max(apart, 1e-9))


def _worth(look: Look, told: Told, weights: Mapping[int, float], config: KeyframeConfig) -> float:
    """What a frame adds to what was told."""
    scenes = (_other_picture(look, view) / config.other_scene for view in told.views)
    ways = (_other_view(look, view, config) for view in told.views)
    worth = config.scene * min((1.0, *scenes)) + config.view * min((1.0, *ways))
    for topic, well in look.topics.items():
        gain = well - told.seen.get(topic, 0.0)
        if gain > 0:
            single = 1.0 if len(topic) == 1 else config.pair
            worth += single * gain * max(weights.get(track, 1.0) for track in topic)
    return worth


def _weights(looks: Sequence[Look]) -> dict[int, float]:
    """Per track 1, and up to 2 the more its labels are in doubt.

    In doubt is what the detector is torn about, or what comes and goes: the share of frames without
    it from its first to its last.
    """
    seen: dict[int, list[int]] = {}
    torn: dict[int, float] = {}
    for k, look in enumerate(looks):
        for topic in look.topics:
            if len(topic) == 1:
                seen.setdefault(topic[0], []).append(k)
        for track, doubt in look.doubts.items():
            torn[track] = max(torn.get(track, 0.0), doubt)
    flicker = {t: 1 - len(ks) / (ks[-1] - ks[0] + 1) for t, ks in seen.items()}
    return {t: 1 + max(f, torn.get(t, 0.0)) for t, f in flicker.items()}


def _other_picture(a: Look, b: Look) -> float:
    """Mean difference of thumbnails."""
    return float(np.abs(a.thumbnail - b.thumbnail).mean())


def _other_view(a: Look, b: Look, config: KeyframeConfig) -> float:
    """Difference of place or direction, whichever tells two views apart more; 0 = not known."""
    if a.T_world_camera is None or b.T_world_camera is None:
        return 0.0
    travel = float(np.linalg.norm(a.T_world_camera[:3, 3] - b.T_world_camera[:3, 3]))
    turn = float(np.trace(a.T_world_camera[:3, :3].T @ b.T_world_camera[:3, :3]))
    angle = math.acos(min(1.0, max(-1.0, (turn - 1) / 2)))
    return max(travel / config.other_place_m, angle / config.other_way)


def _with(told: Told, look: Look) -> Told:
    seen = dict(told.seen)
    for topic, well in look.topics.items():
        seen[topic] = max(well, seen.get(topic, 0.0))
    views = (*told.views, look)[-VIEWS:]
    return replace(told, seen=seen, views=views, asked=told.asked + 1)
